/* store/key: every key of a tenant begins with its tag in braces, which is what Redis Cluster hashes. */
#include "store/key.h"

#include <string.h>

#include "base/decimal.h"

enum { EXTERNAL_MIN = 7, EXTERNAL_MAX = 64, HOUR_MS = 3600000, POSITIONS = 2048, COARSE = 64, GROUP_DIGITS = 6 };

/* From here on, scores are multiples of COARSE. */
#define COARSE_FROM_MS (INT64_C(1) << 41)

bool store_number_is_external(const char *number)
{
	size_t length = strlen(number);
	if (length < EXTERNAL_MIN || length > EXTERNAL_MAX)
		return false;
	if (*number == '+')
		++number;
	return number[strspn(number, "0123456789")] == '\0';
}

bool store_number_valid(const char *number)
{
	size_t length = strnlen(number, STORE_NUMBER_MAX + 1);
	if (!length || length > STORE_NUMBER_MAX)
		return false;
	for (size_t i = 0; i < length; ++i)
		if ((unsigned char)number[i] < ' ' || number[i] == 0x7f)
			return false;
	return true;
}

bool store_tag_valid(const char *tag)
{
	size_t length = strnlen(tag, STORE_TAG_MAX + 1);
	return length && length <= STORE_TAG_MAX && strspn(tag, "0123456789abcdefghijklmnopqrstuvwxyz") == length;
}

size_t store_place_of(char out[static STORE_PLACE_SIZE], const char *number)
{
	if (!number) {
		memcpy(out, "t", 2);
		return 1;
	}
	size_t length = strlen(number);
	char *at = out;
	if (!store_number_is_external(number))
		*at++ = STORE_KIND_EXTENSION;
	memcpy(at, number, length + 1);
	return (size_t)(at - out) + length;
}

size_t store_place_of_hour(char out[static STORE_PLACE_SIZE], int64_t start_ms)
{
	out[0] = STORE_KIND_HOUR;
	decimal_text(out + 1, start_ms / HOUR_MS);
	return strlen(out);
}

size_t store_place_of_group(char out[static STORE_PLACE_SIZE], const uint8_t digest[STORE_DIGEST_SIZE])
{
	out[0] = STORE_KIND_GROUP;
	for (int i = 0; i < GROUP_DIGITS; ++i)
		out[1 + i] = "0123456789abcdef"[digest[i / 2] >> (i % 2 ? 0 : 4) & 15];
	out[1 + GROUP_DIGITS] = '\0';
	return 1 + GROUP_DIGITS;
}

bool store_place_is_set(const char *place)
{
	return *place < 'A';
}

char *store_key(struct arena *arena, const char *tag, const char *place)
{
	size_t tag_length = strlen(tag), length = strlen(place);
	char *key = arena_alloc(arena, tag_length + length + 3), *at = key;
	if (!key)
		return NULL;
	*at++ = '{';
	at = mempcpy(at, tag, tag_length);
	*at++ = '}';
	memcpy(at, place, length + 1);
	return key;
}

char *store_tenant_text(struct arena *arena, const char *project_code, const char *vbot_id, size_t *length)
{
	size_t project = strlen(project_code), vbot = strlen(vbot_id);
	char *text = arena_alloc(arena, project + vbot + 2);
	if (!text)
		return NULL;
	memcpy(text, project_code, project + 1);
	memcpy(text + project + 1, vbot_id, vbot + 1);
	*length = project + 1 + vbot;
	return text;
}

int64_t store_score(int64_t start_ms, const uint8_t digest[STORE_DIGEST_SIZE])
{
	int position = digest[0] << 3 | digest[1] >> 5;
	if (start_ms >= COARSE_FROM_MS)
		position -= position % COARSE;
	return position - start_ms * POSITIONS;
}

int64_t store_score_last(int64_t start_ms)
{
	static const uint8_t last[STORE_DIGEST_SIZE] = {0xff, 0xff};
	return store_score(start_ms, last);
}

int64_t store_score_ms(int64_t score)
{
	return (POSITIONS - 1 - score) / POSITIONS;
}
