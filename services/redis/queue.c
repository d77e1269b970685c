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
	queue->ring[(queue->head + queue->count++) & (queue->capacity - 1)] = *command;
	++queue->live;
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

int queue_push_head_again(struct queue *queue, const struct part *first, size_t first_count, size_t tail)
{
	size_t total = queue_at(queue, 0)->length - tail;
	for (size_t i = 0; i < first_count; ++i)
		total += first[i].length;
	int result = reserve(queue, total);
	if (result)
		return result;
	struct command command = *queue_at(queue, 0);
	for (size_t i = 0; i < first_count; ++i)
		put(queue, first[i].data, first[i].length);
	put(queue, queue_head_bytes(queue) + tail, command.length - tail);
	command.length = total;
	push_reserved(queue, &command);
	return 0;
}

struct command *queue_at(const struct queue *queue, size_t i)
{
	return &queue->ring[(queue->head + i) & (queue->capacity - 1)];
}

bool queue_head_sent(const struct queue *queue)
{
	return queue->count && queue->begin + queue_at(queue, 0)->length <= queue->written;
}

const char *queue_head_bytes(const struct queue *queue)
{
	return queue->bytes + queue->begin;
}

void queue_pop(struct queue *queue)
{
	struct command *head = queue_at(queue, 0);
	queue->begin += head->length;
	if (head->callback)
		--queue->live;
	queue->head = (queue->head + 1) & (queue->capacity - 1);
	if (--queue->count)
		return;
	queue->begin = queue->written = queue->end = 0;
	if (queue->size > BYTES_KEPT) {
		free(queue->bytes);
		queue->bytes = NULL;
		queue->size = 0;
	}
}

void queue_fire(struct queue *queue, struct command *command)
{
	command->callback = NULL;
	--queue->live;
	queue->fired_unsent = true;
}

void queue_drop_unsent(struct queue *queue)
{
	if (!queue->fired_unsent)
		return;
	queue->fired_unsent = false;
	size_t from = queue->begin, to = queue->begin, kept = 0;
	for (size_t i = 0; i < queue->count; ++i) {
		struct command command = *queue_at(queue, i);
		if (command.callback || from < queue->written) {
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

void queue_rewind(struct queue *queue)
{
	queue->written = queue->begin;
	queue->fired_unsent = true;
	queue_drop_unsent(queue);
}

void queue_free(struct queue *queue)
{
	free(queue->ring);
	free(queue->bytes);
	*queue = (struct queue){0};
}
