/* contract/fault: formats error messages in the arena. */
#include "contract/fault.h"

int contract_fault_memory(struct contract_error *error)
{
	*error = (struct contract_error){.code = 500, .message = "out of memory"};
	return -1;
}

int contract_fault(struct arena *arena, struct contract_error *error, int code, const char *field, const char *format,
                   ...)
{
	va_list arguments;
	va_start(arguments, format);
	char *message = arena_vprintf(arena, format, arguments);
	va_end(arguments);
	if (message && field)
		message = arena_printf(arena, "%s %s", field, message);
	if (!message)
		return contract_fault_memory(error);
	*error = (struct contract_error){.code = code, .field = field, .message = message};
	return -1;
}
