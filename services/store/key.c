/* store/key: every key of a tenant begins with its tag in braces, which is what a cluster hashes. */
#include "store/key.h"

#include <inttypes.h>
#include <string.h>

enum { OUTSIDE_MIN = 7 };

bool key_is_outside(const char *number)
{
	size_t length = strlen(number);
	if (length < OUTSIDE_MIN)
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

char *key_simple(struct arena *arena, const char *tag, char letter)
{
	return arena_printf(arena, "{%s}%c", tag, letter);
}

char *key_number(struct arena *arena, const char *tag, char letter, const char *number)
{
	return arena_printf(arena, "{%s}%c%s", tag, letter, number);
}

char *key_home_set(struct arena *arena, const char *tag, const char *home, size_t home_length, int64_t ms)
{
	if (home_length)
		return arena_printf(arena, "{%s}n%.*s", tag, (int)home_length, home);
	return arena_printf(arena, "{%s}h%" PRId64, tag, ms / KEY_HOUR_MS);
}

char *key_directory(struct arena *arena, const char *tag, const char *number)
{
	return number ? key_number(arena, tag, 'x', number) : key_simple(arena, tag, 't');
}

char *key_chunk_prefix(struct arena *arena, const char *tag, const char *number)
{
	return number ? arena_printf(arena, "{%s}y%s:", tag, number) : key_simple(arena, tag, 'u');
}
