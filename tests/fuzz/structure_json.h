/* structure_json: JSON texts, whose elements are strings, runs of letters and digits, and signs of one character. */
#ifndef CALLHISTORY_TESTS_STRUCTURE_JSON_H
#define CALLHISTORY_TESTS_STRUCTURE_JSON_H

#include <ctype.h>

#include "structure.h"

static struct structure_element structure_json_read(const uint8_t *data, size_t size)
{
	size_t n = 1;
	if (data[0] == '"') {
		while (n < size && data[n] != '"')
			n += data[n] == '\\' && n + 1 < size ? 2 : 1;
		return n < size ? (struct structure_element){n + 1, 1, n - 1} : (struct structure_element){size, 0, 0};
	}
	while (n < size && (isalnum(data[n - 1]) || strchr("+-.", data[n - 1])) &&
	       (isalnum(data[n]) || strchr("+-.", data[n])))
		++n;
	return (struct structure_element){n, 0, isalnum(data[0]) ? n : 0};
}

static size_t structure_json_write(uint8_t *out, size_t room, const uint8_t *old, size_t length, const uint8_t *content,
                                   size_t n)
{
	(void)length;
	size_t quotes = old[0] == '"';
	if (n + 2 * quotes > room)
		return 0;
	memcpy(out + quotes, content, n);
	if (quotes)
		out[0] = out[n + 1] = '"';
	return n + 2 * quotes;
}

static const char *const structure_json_words[] = {
    "{",
    "}",
    "[",
    "]",
    "{}",
    "[]",
    ",",
    ":",
    "null",
    "true",
    "1e999",
    "-0.0",
    "2147483648",
    "120.0",
    "\"\"",
    "\"\\u0000\"",
    "\"\\ud800\"",
    "\"10/25/2023 10:34:15\"",
    "\"0000-00-00\"",
    "\"CALLIN\"",
    "\"MISSCALL\"",
    "\"00:01:30\"",
    "\"+84 912 345 678\"",
    "\"https://a/b\"",
    "\"page\":1,",
    "\"size\":\"1000\",",
    "\"phone\":\"0912345678\",",
    "\"vbot_id\":\"V\",",
    "\"project_code\":\"P\",",
    "\"from\":1,",
    "\"date_create\":\"10/25/2023 10:34:15\",",
    "\"caller\":[{\"phone\":\"101\",\"postage\":\"6.1\"}],",
    "\"callee\":{\"phone\":101},",
    "\"record_file\":[\"https://a/b\"],",
    "\"create_at\":1698204855123,",
    "\"exact\":\"CgFh\",",
    NULL,
};

static const struct structure structure_json = {structure_json_read, structure_json_write, structure_json_words, false};

#endif
