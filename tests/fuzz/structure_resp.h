/* structure_resp: replies of Redis, whose elements are the heads of arrays, strings with their lengths, and lines. */
#ifndef CALLHISTORY_TESTS_STRUCTURE_RESP_H
#define CALLHISTORY_TESTS_STRUCTURE_RESP_H

#include <stdio.h>
#include <stdlib.h>

#include "structure.h"

static struct structure_element structure_resp_read(const uint8_t *data, size_t size)
{
	const uint8_t *end = memchr(data, '\n', size);
	size_t line = end ? (size_t)(end - data) + 1 : size, length = 0;
	if (data[0] == '$' && line > 3) {
		for (size_t i = 1; i < line && data[i] >= '0' && data[i] <= '9' && length <= size; ++i)
			length = length * 10 + data[i] - '0';
		if (data[1] != '-' && length + 2 <= size - line)
			return (struct structure_element){line + length + 2, line, length};
	}
	return (struct structure_element){line, line > 3, line > 3 ? line - 3 : 0};
}

static size_t structure_resp_write(uint8_t *out, size_t room, const uint8_t *old, size_t length, const uint8_t *content,
                                   size_t n)
{
	char head[24];
	(void)length;
	int at = old[0] == '$' ? snprintf(head, sizeof(head), "$%zu\r\n", n) : snprintf(head, sizeof(head), "%c", old[0]);
	if ((size_t)at + n + 2 > room)
		return 0;
	memcpy(out, head, (size_t)at);
	memcpy(out + at, content, n);
	memcpy(out + (size_t)at + n, "\r\n", 2);
	return (size_t)at + n + 2;
}

static const char *const structure_resp_words[] = {
    "*0\r\n",
    "*1\r\n",
    "*2\r\n",
    "*3\r\n",
    "*4\r\n",
    "*-1\r\n",
    "*1000000000\r\n",
    "$-1\r\n",
    "$0\r\n\r\n",
    "$12\r\nabcdefgh\x0a\x02id\r\n",
    "$9\r\nabcdefgh5\r\n",
    ":0\r\n",
    ":16383\r\n",
    ":5461\r\n",
    ":6379\r\n",
    ":-9223372036854775808\r\n",
    "$9\r\n127.0.0.1\r\n",
    "$5\r\n::ffff\r\n",
    "$40\r\n0123456789012345678901234567890123456789\r\n",
    "+OK\r\n",
    "-MOVED 3999 127.0.0.1:6381\r\n",
    "-ASK 3999 [::1]:6381\r\n",
    "-LOADING Redis is loading the dataset in memory\r\n",
    "-WRONGTYPE x\r\n",
    NULL,
};

static const struct structure structure_resp = {structure_resp_read, structure_resp_write, structure_resp_words, false};

#endif
