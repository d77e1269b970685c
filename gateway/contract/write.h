/*
 * contract/write: two layers of writing. put_* writes to memory that is large enough and returns the position after it,
 * so that a sequence of them is plain pointer arithmetic; write_* reserves memory in a buffer first. Thread-safe as
 * struct buffer is.
 */
#pragma once

#include "base/buffer.h"
#include "base/decimal.h"

/* The most bytes that one number takes. */
enum { PUT_NUMBER_MAX = 40 };

/* The most bytes that a string of `length` bytes takes: each may become \u001f. */
#define PUT_STRING_MAX(length) ((length)*6 + 2)

/* Writes a JSON string with its quotes; bytes that are no UTF-8 become U+FFFD. */
char *contract_put_string(char *at, const char *text, size_t length);

/* Writes a JSON number in its shortest form that reads back exactly. */
char *contract_put_double(char *at, double value);

/* Copies bytes; returns their end, as the other put functions do. */
static inline char *put_bytes(char *at, const char *bytes, size_t size)
{
	memcpy(at, bytes, size);
	return at + size;
}

/* Writes a string literal. */
#define put_literal(at, literal) put_bytes(at, literal, sizeof(literal) - 1)

/* Writes a number of at most PUT_NUMBER_MAX digits. */
static inline char *put_number(char *at, uint64_t value)
{
	return at + decimal_write(at, value);
}

/* The end of the buffer, where `size` bytes can be written; NULL when out of memory. */
static inline char *write_start(struct buffer *buffer, size_t size)
{
	if ((buffer->failed || buffer->capacity - buffer->length < size) && buffer_reserve(buffer, size))
		return NULL;
	return buffer->data + buffer->length;
}

/* Sets the end of the bytes that were written since write_start(). */
static inline void write_end(struct buffer *buffer, const char *at)
{
	buffer->length = (size_t)(at - buffer->data);
}

/* Appends bytes to the buffer, which remembers a lack of memory. */
static inline void write_bytes(struct buffer *buffer, const char *bytes, size_t size)
{
	char *at = write_start(buffer, size);
	if (at)
		write_end(buffer, put_bytes(at, bytes, size));
}

/* Appends a number. */
static inline void write_number(struct buffer *buffer, uint64_t value)
{
	char *at = write_start(buffer, PUT_NUMBER_MAX);
	if (at)
		write_end(buffer, put_number(at, value));
}

/* Appends a string literal. */
#define write_literal(buffer, literal) write_bytes(buffer, literal, sizeof(literal) - 1)
