/*
 * redis/reply: bytes of a server in, replies out; hiredis' reader with replies
 * built in an arena, so that a reply costs no malloc.
 */
#pragma once

#include "redis/redis.h"

struct reply_reader;

/* Makes a reader; a reply that needs more than `max_bytes` is refused. 0 or -ENOMEM. */
int redis_reply_reader_create(struct reply_reader **out, size_t max_bytes);
void redis_reply_reader_destroy(struct reply_reader *reader);

/* Forgets what came so far, for a new connection. 0 or -ENOMEM. */
int redis_reply_reader_reset(struct reply_reader *reader);

/* Adds received bytes. Returns 0 or an error of redis_reply_reader_next(). */
int redis_reply_reader_feed(struct reply_reader *reader, const char *data, size_t length);

/*
 * Gives the next whole reply: 1, 0 when more bytes are needed; -EPROTO: the bytes are no reply; -E2BIG: above the cap;
 * -ENOMEM. After a failure only a reset helps. The reply is valid until a reset, or a later call without `keep`.
 */
int redis_reply_reader_next(struct reply_reader *reader, bool keep, const struct redis_reply **reply);
