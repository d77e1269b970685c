/* redis/queue: a ring of commands beside one run of bytes that moves to the front when half of it is used up. */
#include "redis/queue.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	RING_FIRST = 64,
	BYTES_FIRST = 4096,
	BYTES_KEPT = 1 << 20,  /* an empty queue gives back more than this */
	BYTES_LIMIT = 1 << 28, /* of all unanswered commands together */
	NUMBER_SIZE = 24,      /* "$", digits of a size_t, "\r\n" */
};

static int ring_reserve(struct queue *queue)
{
	if (queue->count < queue->capacity)
		return 0;
	size_t capacity = queue->capacity ? queue->capacity * 2 : RING_FIRST;
	struct command *ring = calloc(capacity, sizeof(*ring));
	if (!ring)
		return -ENOMEM;
	for (size_t i = 0; i < queue->count; ++i)
		ring[i] = *queue_at(queue, i);
	free(queue->ring);
	queue->ring = ring;
	queue->capacity = capacity;
	queue->head = 0;
	return 0;
}

static void bytes_to_front(struct queue *queue)
{
	if (queue->end > queue->begin)
		memmove(queue->bytes, queue->bytes + queue->begin, queue->end - queue->begin);
	queue->written -= queue->begin;
	queue->committed = queue->committed > queue->begin ? queue->committed - queue->begin : 0;
	queue->end -= queue->begin;
	queue->begin = 0;
}

static int bytes_reserve(struct queue *queue, size_t more)
{
	size_t used = queue->end - queue->begin;
	if (more > BYTES_LIMIT || used + more > BYTES_LIMIT)
		return -EBUSY;
	if (queue->size - queue->end >= more)
		return 0;
	/* Moving is worth it when at least as much is free in front as must be moved. */
	if (queue->begin >= used && queue->size - used >= more) {
		bytes_to_front(queue);
		return 0;
	}
	size_t size = queue->size ? queue->size : BYTES_FIRST;
	while (size - queue->end < more)
		size *= 2;
	char *bytes = realloc(queue->bytes, size);
	if (!bytes)
		return -ENOMEM;
	queue->bytes = bytes;
	queue->size = size;
	return 0;
}

static int reserve(struct queue *queue, size_t more)
{
	int result = ring_reserve(queue);
	return result ? result : bytes_reserve(queue, more);
}

static void push_reserved(struct queue *queue, const struct command *command)
{
	struct command *pushed = &queue->ring[(queue->head + queue->count++) & (queue->capacity - 1)];
	*pushed = *command;
	pushed->number = queue->pushed++;
}

static void put(struct queue *queue, const void *data, size_t length)
{
	if (length)
		memcpy(queue->bytes + queue->end, data, length);
	queue->end += length;
}

/* Writes mark, number and line end; returns how many bytes. Quicker than snprintf, which would lead the profile. */
static size_t put_number(char out[NUMBER_SIZE], char mark, size_t value)
{
	char digits[NUMBER_SIZE];
	size_t count = 0, length = 0;
	do {
		digits[count++] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	out[length++] = mark;
	while (count)
		out[length++] = digits[--count];
	out[length++] = '\r';
	out[length++] = '\n';
	return length;
}

static void put_argument(struct queue *queue, const char *data, size_t length)
{
	char number[NUMBER_SIZE];
	put(queue, number, put_number(number, '$', length));
	put(queue, data, length);
	put(queue, "\r\n", 2);
}

int queue_push(struct queue *queue, struct command *command, const struct part *first, size_t first_count, int argc,
               const char *const *argv, const size_t *lengths)
{
	size_t total = NUMBER_SIZE;
	for (size_t i = 0; i < first_count; ++i)
		total += first[i].length + NUMBER_SIZE + 2;
	for (int i = 0; i < argc; ++i) {
		size_t length = lengths ? lengths[i] : strlen(argv[i]);
		if (length > BYTES_LIMIT || total > BYTES_LIMIT)
			return -EBUSY;
		total += length + NUMBER_SIZE + 2;
	}
	int result = reserve(queue, total);
	if (result)
		return result;
	size_t start = queue->end;
	char number[NUMBER_SIZE];
	put(queue, number, put_number(number, '*', first_count + (size_t)argc));
	for (size_t i = 0; i < first_count; ++i)
		put_argument(queue, first[i].data, first[i].length);
	for (int i = 0; i < argc; ++i)
		put_argument(queue, argv[i], lengths ? lengths[i] : strlen(argv[i]));
	command->length = queue->end - start;
	push_reserved(queue, command);
	return 0;
}

int queue_push_bytes(struct queue *queue, const struct command *command, const struct part *parts, size_t count)
{
	struct command copy = *command;
	copy.length = 0;
	for (size_t i = 0; i < count; ++i)
		copy.length += parts[i].length;
	/* A part may be bytes of this very queue, which reserving moves. */
	const char *bytes = queue->bytes + queue->begin, *end = queue->bytes + queue->end;
	int result = reserve(queue, copy.length);
	if (result)
		return result;
	for (size_t i = 0; i < count; ++i) {
		bool own = parts[i].data >= bytes && parts[i].data < end;
		put(queue, own ? queue->bytes + queue->begin + (parts[i].data - bytes) : parts[i].data, parts[i].length);
	}
	push_reserved(queue, &copy);
	return 0;
}

struct command *queue_at(const struct queue *queue, size_t i)
{
	return &queue->ring[(queue->head + i) & (queue->capacity - 1)];
}

struct command *queue_oldest_sent(const struct queue *queue)
{
	if (queue->answered == queue->count)
		return NULL;
	struct command *oldest = queue_at(queue, queue->answered);
	return queue->begin + queue->answered_bytes + oldest->length <= queue->written ? oldest : NULL;
}

const char *queue_oldest_bytes(const struct queue *queue)
{
	return queue->bytes + queue->begin + queue->answered_bytes;
}

void queue_answer(struct queue *queue)
{
	const struct command *oldest = queue_at(queue, queue->answered);
	queue->answered_bytes += oldest->length;
	if (!queue->answered++ && !oldest->callback)
		queue_pop(queue);
}

void queue_pop(struct queue *queue)
{
	const struct command *head = queue_at(queue, 0);
	queue->begin += head->length;
	if (queue->answered) {
		--queue->answered;
		queue->answered_bytes -= head->length;
	}
	queue->head = (queue->head + 1) & (queue->capacity - 1);
	if (--queue->count)
		return;
	queue->begin = queue->written = queue->committed = queue->end = 0;
	if (queue->size > BYTES_KEPT) {
		free(queue->bytes);
		queue->bytes = NULL;
		queue->size = 0;
	}
}

void queue_fire(struct queue *queue, struct command *command)
{
	command->callback = NULL;
	queue->fired_unsent = true;
}

void queue_filter(struct queue *queue, bool (*take)(void *data, struct command *command, const char *bytes), void *data)
{
	size_t from = queue->begin, to = queue->begin, kept = 0;
	for (size_t i = 0; i < queue->count; ++i) {
		struct command command = *queue_at(queue, i);
		if (!take(data, &command, queue->bytes + from)) {
			if (to != from)
				memmove(queue->bytes + to, queue->bytes + from, command.length);
			to += command.length;
			*queue_at(queue, kept++) = command;
		}
		from += command.length;
	}
	queue->count = kept;
	queue->end = to;
}

static bool is_fired_and_unsent(void *data, struct command *command, const char *bytes)
{
	const struct queue *queue = data;
	size_t begin = (size_t)(bytes - queue->bytes);
	return !command->callback && begin >= queue->written && begin >= queue->committed;
}

void queue_drop_unsent(struct queue *queue)
{
	if (!queue->fired_unsent)
		return;
	queue->fired_unsent = false;
	queue_filter(queue, is_fired_and_unsent, queue);
}

static bool is_not_to_repeat(void *data, struct command *command, const char *bytes)
{
	(void)data;
	(void)bytes;
	command->reply = NULL;
	return !command->callback || command->internal;
}

void queue_rewind(struct queue *queue)
{
	queue->fired_unsent = false;
	queue->answered = queue->answered_bytes = 0;
	queue_filter(queue, is_not_to_repeat, NULL);
	queue->written = queue->committed = queue->begin;
}

void queue_free(struct queue *queue)
{
	free(queue->ring);
	free(queue->bytes);
	*queue = (struct queue){0};
}
