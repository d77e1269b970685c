/*
 * buffer: a byte array that grows at its end. A write that runs out of memory marks the buffer as failed; later writes
 * do nothing. So a writer checks once, at the end. Not thread-safe.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct buffer {
	char *data; /* owned; not NUL-terminated; may be NULL while length is 0 */
	size_t length;
	size_t capacity;
	bool failed; /* out of memory; length is what fitted */
};

/* Reserves `more` bytes after length. Returns 0 or -ENOMEM (the buffer is then failed). */
int buffer_reserve(struct buffer *buffer, size_t more);

/* Appends `length` bytes. */
void buffer_append(struct buffer *buffer, const void *data, size_t length);

/* Appends a NUL-terminated string without its NUL. */
static inline void buffer_append_string(struct buffer *buffer, const char *string)
{
	buffer_append(buffer, string, strlen(string));
}

/* Appends one byte. */
static inline void buffer_append_byte(struct buffer *buffer, char byte)
{
	if (buffer->length < buffer->capacity && !buffer->failed)
		buffer->data[buffer->length++] = byte;
	else
		buffer_append(buffer, &byte, 1);
}

/* Formats at the end. */
void buffer_printf(struct buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Empties the buffer and clears the failed mark; keeps its memory. */
void buffer_clear(struct buffer *buffer);

/* Frees the memory and leaves an empty buffer. */
void buffer_free(struct buffer *buffer);
