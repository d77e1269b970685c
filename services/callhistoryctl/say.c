/* say: one line at a time, built whole and cleaned before it is written. */
#include "callhistoryctl/say.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <wchar.h>

#include "contract/contract.h"

enum { LINE_SIZE = 2048 };

static void say(const char *prefix, const char *format, va_list arguments)
{
	char line[LINE_SIZE];
	vsnprintf(line, sizeof(line), format, arguments);
	fprintf(stderr, "%s%s\n", prefix, say_clean(line));
}

int say_error(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	say("callhistoryctl: ", format, arguments);
	va_end(arguments);
	return EXIT_FAILURE;
}

void say_line(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	say("", format, arguments);
	va_end(arguments);
}

int say_flush(void)
{
	/* A big write that fails leaves nothing to flush, only the mark of an error. */
	return fflush(stdout) || ferror(stdout) ? -EIO : 0;
}

void say_member(struct buffer *out, const char *key, const char *value)
{
	const bool begins = !out->length || strchr("\n[,", out->data[out->length - 1]);
	buffer_printf(out, "%c\"%s\":", begins ? '{' : ',', key);
	contract_write_string(out, value);
}

char *say_clean(char *text)
{
	for (unsigned char *at = (unsigned char *)text; *at; ++at) {
		/* C2 80 to C2 9F are the control characters of the second half; the C2 goes with them. */
		if (*at < 0x20 || *at == 0x7f)
			*at = '?';
		else if (*at == 0xc2 && at[1] >= 0x80 && at[1] <= 0x9f)
			at[0] = at[1] = '?';
	}
	return text;
}

size_t say_prefix(const char *text, size_t columns, size_t *width)
{
	mbstate_t state = {0};
	const char *at = text;
	*width = 0;
	while (*at) {
		wchar_t letter;
		size_t length = mbrtowc(&letter, at, strlen(at), &state);
		bool known = length <= MB_LEN_MAX;
		int taken = known ? wcwidth(letter) : -1;
		size_t more = taken < 0 ? 1 : (size_t)taken;
		if (*width + more > columns)
			break;
		*width += more;
		at += known ? length : 1;
		if (!known)
			state = (mbstate_t){0};
	}
	return (size_t)(at - text);
}

size_t say_width(const char *text)
{
	size_t width;
	say_prefix(text, SIZE_MAX, &width);
	return width;
}
