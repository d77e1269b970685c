/* redis/greeting: what a new connection sends first, and what the replies must be. Private to the module. */
#ifndef CALLHISTORY_REDIS_GREETING_H
#define CALLHISTORY_REDIS_GREETING_H

#include "redis/connection.h"

/* Writes the greeting's commands. 0 or a sentence that says what is wrong in *why (a password file that cannot be read). */
int greeting_write(struct connection *connection, const char **why);

/* Takes the next reply: 1 it was the last one and all is well, 0 more are to come, -1: *why, valid until the next call. */
int greeting_reply(struct connection *connection, const struct redis_reply *reply, const char **why);

#endif
