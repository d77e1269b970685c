/* buffer: doubles its memory when full. */
#include "base/buffer.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { BUFFER_FIRST = 256 };

int buffer_reserve(struct buffer *buffer, size_t more)
{
	if (buffer->failed)
		return -ENOMEM;
	if (more <= buffer->capacity - buffer->length)
		return 0;
	size_t capacity = buffer->capacity ? buffer->capacity : BUFFER_FIRST;
	while (capacity - buffer->length < more) {
		if (capacity > SIZE_MAX / 2)
			goto failed;
		capacity *= 2;
	}
	char *data = realloc(buffer->data, capacity);
	if (!data)
		goto failed;
	buffer->data = data;
	buffer->capacity = capacity;
	return 0;
failed:
	buffer->failed = true;
	return -ENOMEM;
}

void buffer_append(struct buffer *buffer, const void *data, size_t length)
{
	if (!length || buffer_reserve(buffer, length))
		return;
	memcpy(buffer->data + buffer->length, data, length);
	buffer->length += length;
}

void buffer_printf(struct buffer *buffer, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	int length = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	if (length < 0 || buffer_reserve(buffer, (size_t)length + 1))
		return;
	va_start(arguments, format);
	vsnprintf(buffer->data + buffer->length, (size_t)length + 1, format, arguments);
	va_end(arguments);
	buffer->length += (size_t)length;
}

void buffer_clear(struct buffer *buffer)
{
	buffer->length = 0;
	buffer->failed = false;
}

void buffer_free(struct buffer *buffer)
{
	free(buffer->data);
	*buffer = (struct buffer){0};
}
