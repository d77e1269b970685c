/* handlers/text: the same checks for every string, so that the same fault has the same message. */
#include "handlers/text.h"

#include <string.h>

#include "base/utf8.h"

int handlers_text_check(struct context *context, const char *field, const char *text, size_t max)
{
	struct utf8_measure measured;
	if (utf8_measure(&measured, text))
		return context_fail_field(context, field, "is not valid UTF-8");
	if (measured.characters > max)
		return context_fail_field(context, field, "is longer than %zu characters", max);
	if (measured.control)
		return context_fail_field(context, field, "contains a control character");
	return 0;
}

int handlers_text_check_bytes(struct context *context, const char *field, const char *text, size_t max)
{
	struct utf8_measure measured;
	if (utf8_measure(&measured, text))
		return context_fail_field(context, field, "is not valid UTF-8");
	if (measured.bytes > max)
		return context_fail_field(context, field, "is longer than %zu bytes", max);
	return 0;
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
