/* store/key: every key of a tenant begins with its tag in braces, which is what a cluster hashes. */
#include "store/key.h"

#include <string.h>

#include "base/decimal.h"

/* No number has more digits than the maximum; lua/record.lua has the same bounds. */
enum { OUTSIDE_MIN = 7, OUTSIDE_MAX = 64 };

bool key_is_outside(const char *number)
{
	size_t length = strlen(number);
	if (length < OUTSIDE_MIN || length > OUTSIDE_MAX)
		return false;
	if (*number == '+')
		++number;
	return number[strspn(number, "0123456789")] == '\0';
}

bool key_number_valid(const char *number)
{
	size_t length = strnlen(number, STORE_NUMBER_MAX + 1);
	if (!length || length > STORE_NUMBER_MAX)
		return false;
	for (size_t i = 0; i < length; ++i)
		if ((unsigned char)number[i] < ' ' || number[i] == 0x7f)
			return false;
	return true;
}

bool key_tag_valid(const char *tag)
{
	size_t length = strnlen(tag, STORE_TAG_MAX + 1);
	return length && length <= STORE_TAG_MAX && strspn(tag, "0123456789abcdefghijklmnopqrstuvwxyz") == length;
}

const char *key_home(const char *home, const char *const *others, size_t count)
{
	if (key_is_outside(home))
		return home;
	for (size_t i = 0; i < count; ++i)
		if (key_is_outside(others[i]))
			return others[i];
	return "";
}

/* "{tag}", a letter, a text and a suffix. Pieces are put together by hand: every read makes one or two keys. */
static char *join(struct arena *arena, const char *tag, char letter, const char *text, size_t length,
                  const char *suffix)
{
	const size_t tag_length = strlen(tag), suffix_length = strlen(suffix);
	char *key = arena_alloc(arena, tag_length + length + suffix_length + 4), *at = key;
	if (!key)
		return NULL;
	*at++ = '{';
	at = mempcpy(at, tag, tag_length);
	*at++ = '}';
	*at++ = letter;
	at = mempcpy(at, text, length);
	memcpy(at, suffix, suffix_length + 1);
	return key;
}

char *key_simple(struct arena *arena, const char *tag, char letter)
{
	return join(arena, tag, letter, "", 0, "");
}

char *key_number(struct arena *arena, const char *tag, char letter, const char *number)
{
	return join(arena, tag, letter, number, strlen(number), "");
}

char *key_home_set(struct arena *arena, const char *tag, const char *home, size_t home_length, int64_t ms)
{
	char hour[DECIMAL_TEXT];
	if (home_length)
		return join(arena, tag, 'n', home, home_length, "");
	return join(arena, tag, 'h', "", 0, decimal_text(hour, ms / KEY_HOUR_MS));
}

char *key_directory(struct arena *arena, const char *tag, const char *number)
{
	return number ? key_number(arena, tag, 'x', number) : key_simple(arena, tag, 't');
}

char *key_chunk_prefix(struct arena *arena, const char *tag, const char *number)
{
	return number ? join(arena, tag, 'y', number, strlen(number), ":") : key_simple(arena, tag, 'u');
}
