/*
 * fuzz_redis_reply: any bytes as a server's replies, fed in pieces whose sizes
 * the first byte chooses; and what comes of them as what the store reads.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "redis/reply.h"
#include "store/internal.h"
#include "store/token_code.h"
#include "structure_resp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every byte of a reply must be there to be read, with a NUL behind it. */
static size_t touch(const struct redis_reply *reply)
{
	size_t sum = reply->type;
	if (reply->data && reply->data[reply->length])
		abort();
	for (size_t i = 0; i < reply->length; ++i)
		sum += (uint8_t)reply->data[i];
	for (size_t i = 0; i < reply->count; ++i)
		sum += touch(reply->elements[i]);
	return sum;
}

/* A reply as the members of a set: what is a record has an id and perhaps a position. */
static void read_as_page(const struct redis_reply *reply)
{
	struct store_record record;
	struct store_position position;
	struct wire id;
	for (size_t i = 0; i < reply->count; ++i)
		if (!store_member_record(&record, reply->elements[i]) && !store_record_position(&record, &position) &&
		    (store_record_id(&record, &id) || position.start_ms < 0 || position.start_ms > STORE_MS_MAX))
			abort();
}

static void read_as_token(const struct redis_reply *reply, struct arena *arena)
{
	struct store_token *token;
	uint8_t *packed;
	size_t length;
	if (reply->type == REDIS_STRING && !store_token_unpack(arena, reply->data, reply->length, &token))
		if (!store_token_copy(arena, token) || store_token_pack(arena, token, &packed, &length))
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reply_reader *reader;
	struct arena *arena;
	if (!size || redis_reply_reader_create(&reader, 1 << 16))
		return 0;
	if (arena_create(&arena, 4096)) {
		redis_reply_reader_destroy(reader);
		return 0;
	}
	size_t step = data[0] % 64 + 1;
	int result = 0;
	for (size_t at = 1; at < size && result >= 0; at += step) {
		size_t left = size - at;
		const struct redis_reply *reply;
		result = redis_reply_reader_feed(reader, (const char *)data + at, left < step ? left : step);
		while (!result && (result = redis_reply_reader_next(reader, false, &reply)) > 0) {
			touch(reply);
			if (reply->type == REDIS_ARRAY)
				read_as_page(reply);
			read_as_token(reply, arena);
			arena_reset(arena);
			result = 0;
		}
	}
	arena_destroy(arena);
	redis_reply_reader_destroy(reader);
	return 0;
}

STRUCTURE_MUTATOR(structure_resp, 1);
