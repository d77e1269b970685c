/*
 * contract/write: appending to a buffer without a check per byte. A writer
 * asks for room once and then fills it in. Thread-safe as struct buffer is.
 */
#ifndef CALLHISTORY_CONTRACT_WRITE_H
#define CALLHISTORY_CONTRACT_WRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/buffer.h"

/* Whether `size` more bytes can be written straight to buffer->data. */
static inline bool write_room(struct buffer *buffer, size_t size)
{
	return (!buffer->failed && buffer->capacity - buffer->length >= size) || !buffer_reserve(buffer, size);
}

/* Writes a JSON string of `length` bytes with its quotes; bytes that are no UTF-8 become U+FFFD. */
void write_string(struct buffer *buffer, const char *text, size_t length);

/* Appends a string literal. */
#define write_literal(buffer, literal) write_bytes(buffer, literal, sizeof(literal) - 1)

static inline void write_bytes(struct buffer *buffer, const char *bytes, size_t size)
{
	if (!write_room(buffer, size))
		return;
	memcpy(buffer->data + buffer->length, bytes, size);
	buffer->length += size;
}

#endif
