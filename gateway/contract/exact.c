/*
 * contract/exact: an exported line is read again as an import would read it, and compared byte for byte. So a field that is
 * added to Call is exported without loss before anybody gives it a key.
 */
#include "contract/exact.h"

#include <errno.h>
#include <string.h>

#include "base/base64url.h"
#include "base/unpack.h"
#include "contract/fault.h"
#include "contract/object.h"

int exact_read(const struct import_reader *reader, const struct node *value, Callhistory__V1__Call **out)
{
	const struct import_path path = {.field = "exact"};
	ProtobufCMessage *message = NULL;
	if (value->kind == NODE_TEXT) {
		uint8_t *packed = arena_alloc(reader->arena, value->length);
		int length = packed ? base64url_decode(packed, value->length, value->text, value->length) : -ENOMEM;
		int result = length < 0 ? length
		                        : unpack_message(&callhistory__v1__call__descriptor, packed, (size_t)length,
		                                         reader->arena, &message);
		if (result == -ENOMEM)
			return fault_memory(reader->error);
	}
	Callhistory__V1__Call *call = (Callhistory__V1__Call *)message;
	if (!call || !call->start_time)
		return import_refuse(reader, &path, "must be what an export has written");
	*out = call;
	return 0;
}

bool exact_is_needed(struct arena *arena, struct contract_zone *zone, const char *line, size_t length,
                     const uint8_t *packed, size_t packed_length)
{
	struct contract_error error;
	const struct import_reader reader = {.arena = arena, .zone = zone, .error = &error};
	const struct node *object;
	Callhistory__V1__Call call = CALLHISTORY__V1__CALL__INIT;
	if (object_read(arena, line, length, "line", &object, &error) || import_call(&reader, object, &call))
		return true;
	uint8_t *again = arena_alloc(arena, callhistory__v1__call__get_packed_size(&call));
	return !again || callhistory__v1__call__pack(&call, again) != packed_length ||
	       memcmp(again, packed, packed_length) != 0;
}
