/* contract/object: jansson, with its errors told in the contract's words. */
#include "contract/object.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "contract/fault.h"

enum { KEY_SHOWN_MAX = 64 };

const char *object_key_shown(struct arena *arena, const char *key)
{
	return arena_copy(arena, key, utf8_prefix(key, strnlen(key, KEY_SHOWN_MAX + 1), KEY_SHOWN_MAX));
}

/* The first byte after the string that begins at `at`; the end where it isn't closed. */
static size_t string_end(const char *text, size_t length, size_t at)
{
	for (++at; at < length && text[at] != '"'; ++at)
		if (text[at] == '\\')
			++at;
	return at < length ? at + 1 : length;
}

/* Length of the JSON number at `text`, which a NUL byte ends; 0 when there is none. */
static size_t number_length(const char *text)
{
	const char *at = text + (*text == '-');
	size_t digits = strspn(at, "0123456789");
	if (!digits || (digits > 1 && *at == '0'))
		return 0;
	at += digits;
	if (*at == '.') {
		digits = strspn(++at, "0123456789");
		if (!digits)
			return 0;
		at += digits;
	}
	if (*at == 'e' || *at == 'E') {
		++at;
		at += *at == '+' || *at == '-';
		digits = strspn(at, "0123456789");
		if (!digits)
			return 0;
		at += digits;
	}
	return (size_t)(at - text);
}

static bool is_oversize(const char *number, size_t length)
{
	if (memchr(number, '.', length) || memchr(number, 'e', length) || memchr(number, 'E', length))
		return isinf(strtod(number, NULL));
	errno = 0;
	(void)strtoll(number, NULL, 10);
	return errno == ERANGE;
}

/* Overwrites each number that is too big with `oversize` and blanks. `text` ends with a NUL byte. */
static void replace_oversize(char *text, size_t length, const char *oversize)
{
	size_t room = strlen(oversize);
	for (size_t at = 0; at < length;) {
		if (text[at] == '"') {
			at = string_end(text, length, at);
			continue;
		}
		size_t digits = number_length(text + at);
		if (digits >= room && is_oversize(text + at, digits)) {
			memset(text + at, ' ', digits);
			memcpy(text + at, oversize, room);
		}
		/* What only begins like a number makes the text invalid; its digits must not be looked at again one by one. */
		size_t rest = digits ? digits : strspn(text + at, "0123456789");
		at += rest ? rest : 1;
	}
}

/* The key, without its quotes, that ends just before `position`; NULL when there is none. */
static const char *key_before(struct arena *arena, const char *text, size_t length, size_t position)
{
	for (size_t at = 0; at < length && at < position;) {
		if (text[at] != '"') {
			++at;
			continue;
		}
		size_t end = string_end(text, length, at);
		if (end == position && end - at >= 2) {
			const char *key = arena_copy(arena, text + at + 1, end - at - 2);
			return key ? object_key_shown(arena, key) : NULL;
		}
		at = end;
	}
	return NULL;
}

static int fault_json(struct arena *arena, struct contract_error *error, const char *text, size_t length,
                      const char *what, const json_error_t *json_error)
{
	const char *key;
	/* Out of memory is the one failure that leaves no text. */
	if (!json_error->text[0])
		return fault_memory(error);
	switch (json_error_code(json_error)) {
	case json_error_duplicate_key:
		key = key_before(arena, text, length, (size_t)json_error->position);
		if (key)
			return fault(arena, error, 400, key, "is given twice");
		return fault(arena, error, 400, NULL, "%s has a key twice", what);
	case json_error_invalid_utf8:
		return fault(arena, error, 400, NULL, "%s is not valid UTF-8", what);
	case json_error_null_character:
	case json_error_null_byte_in_key:
		return fault(arena, error, 400, NULL, "%s has a NUL character", what);
	case json_error_end_of_input_expected:
		return fault(arena, error, 400, NULL, "%s has text after its JSON object", what);
	case json_error_numeric_overflow:
		return fault(arena, error, 400, NULL, "%s has a number that is too big", what);
	case json_error_stack_overflow:
		return fault(arena, error, 400, NULL, "%s is nested too deeply", what);
	default:
		return fault(arena, error, 400, NULL, "%s is not valid JSON (at byte %d)", what, json_error->position);
	}
}

int object_read(struct arena *arena, const char *text, size_t length, const char *what, const char *oversize,
                json_t **out, struct contract_error *error)
{
	const size_t flags = JSON_REJECT_DUPLICATES | JSON_DECODE_ANY;
	json_error_t json_error;
	json_t *value = json_loadb(text, length, flags, &json_error);
	if (!value && json_error_code(&json_error) == json_error_numeric_overflow) {
		char *copy = arena_copy(arena, text, length);
		if (!copy)
			return fault_memory(error);
		replace_oversize(copy, length, oversize);
		value = json_loadb(copy, length, flags, &json_error);
	}
	if (!value)
		return fault_json(arena, error, text, length, what, &json_error);
	if (!json_is_object(value)) {
		json_decref(value);
		return fault(arena, error, 400, NULL, "%s is not a JSON object", what);
	}
	*out = value;
	return 0;
}
