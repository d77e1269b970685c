/* A command line of any bytes: read without a crash, arguments kept, errors NUL-terminated. */
#include <stdlib.h>
#include <string.h>

#include "base/option.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { WORDS_MAX = 70 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text;
	int64_t number;
	bool flag;
	struct option_list list;
	const struct option table[] = {
	    {"text", OPTION_STRING, &text, "t", 0, 0, NULL, "", false},
	    {"number", OPTION_INTEGER, &number, "1", -5, 5, NULL, "", false},
	    {"flag", OPTION_BOOLEAN, &flag, NULL, 0, 0, NULL, "", false},
	    {"list", OPTION_LIST, &list, NULL, 0, 0, NULL, "", false},
	    {.name = NULL},
	};
	char *line = malloc(size + 1);
	char *words[WORDS_MAX + 2], error[40];
	int count = 1, rest = -1;
	if (!line)
		return 0;
	memcpy(line, data, size);
	line[size] = '\0';
	words[0] = line + size;
	char *position = NULL;
	for (char *word = strtok_r(line, "\n", &position); word && count <= WORDS_MAX;
	     word = strtok_r(NULL, "\n", &position))
		words[count++] = word;
	words[count] = NULL;
	memset(error, 'e', sizeof(error));
	int result = option_parse(table, count, words, &rest, error, sizeof(error));
	if (result == OPTION_OK && (rest < 1 || rest > count || number < -5 || number > 5 || list.count > 64))
		abort();
	if (result < 0 && (!memchr(error, 0, sizeof(error)) || !*error || rest != -1))
		abort();
	free(line);
	return 0;
}
