/*
 * redis/reply: hiredis calls back per piece of a reply; each piece becomes a struct redis_reply in the arena. A NULL
 * from such a callback stops hiredis' reader for good; `error` is the reason.
 *
 * Only RESP2 is negotiated, so the types of RESP3 are a protocol error.
 */
#include "redis/reply.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

enum {
	ARENA_FIRST = 32 << 10,
	BUFFER_KEPT = 1 << 20, /* an empty read buffer above this is given back */
	DEPTH_MAX = 7,         /* of nested arrays; hiredis 0.14 cannot do more, later ones have no limit */
	SLACK = 64 << 10,      /* the protocol's own bytes and a neighbour reply's first part */
};

struct reply_reader {
	redisReader *reader;
	struct arena *arena;
	size_t max_bytes;
	size_t used; /* bytes of the reply under construction */
	int error;   /* why a piece was refused */
};

static void *take(struct reply_reader *reader, size_t size)
{
	if (size > reader->max_bytes || reader->used > reader->max_bytes - size) {
		reader->error = -E2BIG;
		return NULL;
	}
	reader->used += size;
	void *memory = arena_alloc(reader->arena, size);
	if (!memory)
		reader->error = -ENOMEM;
	return memory;
}

/* Makes a piece, and behind it `more` bytes that belong to it. */
static struct redis_reply *piece(const redisReadTask *task, enum redis_type type, size_t more)
{
	struct redis_reply *reply = take(task->privdata, sizeof(*reply) + more);
	if (!reply)
		return NULL;
	*reply = (struct redis_reply){.type = type};
	if (task->parent) {
		const struct redis_reply *parent = task->parent->obj;
		((const struct redis_reply **)(uintptr_t)parent->elements)[task->idx] = reply;
	}
	return reply;
}

static void *create_string(const redisReadTask *task, char *data, size_t length)
{
	enum redis_type type = task->type == REDIS_REPLY_ERROR    ? REDIS_ERROR
	                       : task->type == REDIS_REPLY_STATUS ? REDIS_STATUS
	                                                          : REDIS_STRING;
	struct redis_reply *reply = piece(task, type, length + 1);
	if (!reply)
		return NULL;
	char *copy = memcpy(reply + 1, data, length);
	copy[length] = '\0';
	reply->data = copy;
	reply->length = length;
	return reply;
}

/* hiredis counts elements in an int before version 1.0 and in a size_t since. */
#if HIREDIS_MAJOR >= 1
typedef size_t element_count;
#else
typedef int element_count;
#endif

static void *refuse(const redisReadTask *task)
{
	struct reply_reader *reader = task->privdata;
	reader->error = -EPROTO;
	return NULL;
}

static void *create_array(const redisReadTask *task, element_count count)
{
	int depth = 1;
	for (const redisReadTask *parent = task->parent; parent; parent = parent->parent)
		++depth;
	if (depth > DEPTH_MAX || task->type != REDIS_REPLY_ARRAY)
		return refuse(task);
	struct redis_reply *reply = piece(task, REDIS_ARRAY, (size_t)count * sizeof(*reply->elements));
	if (!reply)
		return NULL;
	reply->elements = memset(reply + 1, 0, (size_t)count * sizeof(*reply->elements));
	reply->count = (size_t)count;
	return reply;
}

static void *create_integer(const redisReadTask *task, long long value)
{
	struct redis_reply *reply = piece(task, REDIS_INTEGER, 0);
	if (reply)
		reply->integer = value;
	return reply;
}

static void *create_nil(const redisReadTask *task)
{
	return piece(task, REDIS_NIL, 0);
}

#if HIREDIS_MAJOR >= 1
static void *create_double(const redisReadTask *task, double value, char *text, size_t length)
{
	(void)value;
	(void)text;
	(void)length;
	return refuse(task);
}

static void *create_bool(const redisReadTask *task, int value)
{
	(void)value;
	return refuse(task);
}
#endif

/* The arena frees: there is no freeObject. */
static const redisReplyObjectFunctions functions = {
    .createString = create_string,
    .createArray = create_array,
    .createInteger = create_integer,
    .createNil = create_nil,
#if HIREDIS_MAJOR >= 1
    .createDouble = create_double,
    .createBool = create_bool,
#endif
};

int redis_reply_reader_create(struct reply_reader **out, size_t max_bytes)
{
	struct reply_reader *reader = calloc(1, sizeof(*reader));
	if (!reader)
		return -ENOMEM;
	reader->max_bytes = max_bytes;
	int result = arena_create(&reader->arena, ARENA_FIRST);
	if (!result)
		result = redis_reply_reader_reset(reader);
	if (result) {
		redis_reply_reader_destroy(reader);
		return result;
	}
	*out = reader;
	return 0;
}

void redis_reply_reader_destroy(struct reply_reader *reader)
{
	if (!reader)
		return;
	redisReaderFree(reader->reader);
	arena_destroy(reader->arena);
	free(reader);
}

int redis_reply_reader_reset(struct reply_reader *reader)
{
	/* hiredis does not change the table; it only lacks a const. */
	redisReader *fresh = redisReaderCreateWithFunctions((redisReplyObjectFunctions *)(uintptr_t)&functions);
	if (!fresh)
		return -ENOMEM;
	fresh->privdata = reader;
	fresh->maxbuf = BUFFER_KEPT;
	redisReaderFree(reader->reader);
	reader->reader = fresh;
	arena_reset(reader->arena);
	reader->used = 0;
	reader->error = 0;
	return 0;
}

static int failure(const struct reply_reader *reader)
{
	if (reader->error)
		return reader->error;
	return reader->reader->err == REDIS_ERR_OOM ? -ENOMEM : -EPROTO;
}

int redis_reply_reader_feed(struct reply_reader *reader, const char *data, size_t length)
{
	return redisReaderFeed(reader->reader, data, length) == REDIS_OK ? 0 : failure(reader);
}

int redis_reply_reader_next(struct reply_reader *reader, bool keep, const struct redis_reply **reply)
{
	void *object = NULL;
	/* ridx < 0: no reply is half built, so nothing in the arena is still needed. */
	if (reader->reader->ridx < 0) {
		if (!keep)
			arena_reset(reader->arena);
		reader->used = 0;
	}
	if (redisReaderGetReply(reader->reader, &object) != REDIS_OK)
		return failure(reader);
	if (object) {
		*reply = object;
		return 1;
	}
	if (reader->reader->len - reader->reader->pos > reader->max_bytes + SLACK) {
		reader->error = -E2BIG;
		reader->reader->err = REDIS_ERR_OTHER;
		return -E2BIG;
	}
	return 0;
}
