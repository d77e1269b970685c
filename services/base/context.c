/* context: setting the outcome once. */
#include "base/context.h"

#include <string.h>

#include "base/clock.h"

void context_init(struct context *context, struct arena *arena)
{
	*context = (struct context){.magic = CONTEXT_MAGIC, .deadline_us = CLOCK_NEVER, .arena = arena};
}

int context_fail(struct context *context, enum status status, const char *reason, const char *format, ...)
{
	if (context->status != STATUS_OK)
		return -(int)context->status;
	va_list arguments;
	va_start(arguments, format);
	/* Most messages are literals, which need no memory. */
	const char *message = strchr(format, '%') ? arena_vprintf(context->arena, format, arguments) : format;
	va_end(arguments);
	context->status = message ? status : STATUS_RESOURCE_EXHAUSTED;
	context->reason = message ? reason : NULL;
	context->message = message ? message : "out of memory";
	return -(int)context->status;
}

int context_fail_field(struct context *context, const char *field, const char *format, ...)
{
	if (context->status != STATUS_OK)
		return -(int)context->status;
	va_list arguments;
	va_start(arguments, format);
	const char *description = arena_vprintf(context->arena, format, arguments);
	va_end(arguments);
	if (!description)
		return context_fail(context, STATUS_RESOURCE_EXHAUSTED, NULL, "out of memory");
	context->violation = (struct field_violation){field, description};
	return context_fail(context, STATUS_INVALID_ARGUMENT, "INVALID_FIELD", "%s: %s", field, description);
}
