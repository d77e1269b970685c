/* contract/import_exact: the packed call that an exported line carries where its other keys cannot express the call. */
#include "contract/import.h"

#include <errno.h>

#include "base/base64url.h"
#include "base/unpack.h"
#include "contract/fault.h"

int contract_import_exact(const struct import_reader *reader, const struct node *value, Callhistory__V1__Call **out)
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
			return contract_fault_memory(reader->error);
	}
	Callhistory__V1__Call *call = (Callhistory__V1__Call *)message;
	if (!call || !call->start_time)
		return contract_import_refuse(reader, &path, "must be what an export has written");
	*out = call;
	return 0;
}
