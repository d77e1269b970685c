/* handlers/text: the same checks for every string, so that the same fault has the same message. */
#include "handlers/text.h"

#include <string.h>

#include "base/utf8.h"

static int measure(struct context *context, const char *field, const char *text, struct utf8_measure *out)
{
	return utf8_measure(out, text) ? context_fail_field(context, field, "is not valid UTF-8") : 0;
}

int handlers_text_check(struct context *context, const char *field, const char *text, size_t max)
{
	struct utf8_measure measured;
	int result = measure(context, field, text, &measured);
	if (!result && measured.characters > max)
		result = context_fail_field(context, field, "is longer than %zu characters", max);
	else if (!result && measured.control)
		result = context_fail_field(context, field, "contains a control character");
	return result;
}

int handlers_text_check_bytes(struct context *context, const char *field, const char *text, size_t max)
{
	struct utf8_measure measured;
	int result = measure(context, field, text, &measured);
	return !result && measured.bytes > max ? context_fail_field(context, field, "is longer than %zu bytes", max)
	                                       : result;
}

int handlers_text_check_id(struct context *context, const char *field, const char *id)
{
	if (!*id)
		return context_fail_field(context, field, "is missing");
	int result = handlers_text_check_bytes(context, field, id, STORE_ID_MAX);
	return result ? result : handlers_text_check(context, field, id, STORE_ID_MAX);
}

int handlers_text_read_number(struct context *context, const char *field, char out[NUMBER_SIZE], const char *text,
                              const char *country_code)
{
	int result = handlers_text_check_bytes(context, field, text, NUMBER_SIZE - 1);
	if (result || !*text)
		return result;
	int length = handlers_number_canonical(out, text, strlen(text), country_code);
	if (length > 0)
		return 0;
	return context_fail_field(context, field, length ? "is not a phone number" : "is blank");
}
