/*
 * Fuzzer: the bytes of a connection as the gateway frames them: heads and bodies, whole and byte by byte, with the same
 * result. Each head and each chunk is read from memory that ends where it ends.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "http_chunks.h"
#include "http_head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_field(void *data, const char *name, const char *value)
{
	size_t *total = data;
	*total += strlen(name) + strlen(value);
	if (!*name || strpbrk(name, " \t\r\n:") || strpbrk(value, "\r\n"))
		abort();
}

/*
 * The chunked body at `bytes`, in pieces of `most`. Returns its length with the framing, 0 while it is not complete or
 * malformed.
 */
static size_t read_chunks(const char *bytes, size_t length, size_t most, uint64_t *sum)
{
	struct http_chunks chunks = {0};
	size_t at = 0;
	*sum = 0;
	while (at < length) {
		size_t used = 0, piece = 0, give = length - at < most ? length - at : most;
		const char *data = NULL;
		char *copy = malloc(give);
		if (!copy)
			return 0;
		memcpy(copy, bytes + at, give);
		enum http_chunks_result result = http_chunks_read(&chunks, copy, give, &used, &data, &piece);
		if (used > give || (result == HTTP_CHUNKS_DATA && (data < copy || data + piece > copy + used)))
			abort();
		for (size_t i = 0; result == HTTP_CHUNKS_DATA && i < piece; i++)
			*sum = *sum * 31 + (unsigned char)data[i];
		free(copy);
		at += used;
		if (result == HTTP_CHUNKS_END)
			return at;
		if (result == HTTP_CHUNKS_MALFORMED || !used)
			return 0;
	}
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *bytes = (const char *)data;
	while (size) {
		size_t line = 0, end = 0, slow_line = 0, slow_end = 0, total = 0;
		struct http_head head;
		size_t most = size < HTTP_HEAD_MAX ? size : HTTP_HEAD_MAX;
		int status = http_head_find(bytes, most, &line, &end), slow = -EAGAIN;
		for (size_t have = 1; have <= most && slow == -EAGAIN; have++)
			slow = http_head_find(bytes, have, &slow_line, &slow_end);
		if (status != slow || (!status && end != slow_end))
			abort();
		if (status)
			return 0;
		char *copy = malloc(end);
		if (!copy)
			return 0;
		memcpy(copy, bytes, end);
		bool begins = http_head_begins(copy, end);
		int result = http_head_parse(copy, end, &head, on_field, &total);
		if (total > end || (!result && (!begins || !*head.method || !*head.target || strpbrk(head.target, " \t\r\n"))))
			abort();
		if (result && (head.status < 400 || !head.message))
			abort();
		free(copy);
		if (result)
			return 0;
		bytes += end;
		size -= end;
		if (head.chunked) {
			uint64_t sum, slow_sum;
			size_t used = read_chunks(bytes, size, SIZE_MAX, &sum);
			if (used != read_chunks(bytes, size, 1, &slow_sum) || (used && sum != slow_sum))
				abort();
			if (!used)
				return 0;
			end = used;
		} else {
			end = (uint64_t)head.length < size ? (size_t)head.length : size;
		}
		bytes += end;
		size -= end;
	}
	return 0;
}
