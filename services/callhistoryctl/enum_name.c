/* enum_name: all names of an enum have its own name in front, so the word begins where that of UNSPECIFIED does. */
#include "callhistoryctl/enum_name.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char zero_suffix[] = "UNSPECIFIED";

/* Bytes of the prefix, such as "DISPOSITION_". */
static size_t prefix_length(const ProtobufCEnumDescriptor *type)
{
	const ProtobufCEnumValue *zero = protobuf_c_enum_descriptor_get_value(type, 0);
	return zero ? strlen(zero->name) - strlen(zero_suffix) : 0;
}

const char *enum_name(const ProtobufCEnumDescriptor *type, int value, char out[ENUM_NAME_SIZE])
{
	const ProtobufCEnumValue *known = protobuf_c_enum_descriptor_get_value(type, value);
	snprintf(out, ENUM_NAME_SIZE, "%s", value && known ? known->name + prefix_length(type) : "");
	for (char *at = out; *at; ++at)
		*at = *at == '_' ? '-' : (char)tolower((unsigned char)*at);
	if (!known)
		snprintf(out, ENUM_NAME_SIZE, "unknown value %d", value);
	return out;
}

int enum_value(const ProtobufCEnumDescriptor *type, const char *text)
{
	char word[ENUM_NAME_SIZE], name[ENUM_NAME_SIZE];
	snprintf(word, sizeof(word), "%s", text);
	for (char *at = word; *at; ++at)
		*at = *at == '_' ? '-' : *at;
	for (unsigned i = 0; *word && i < type->n_values; ++i)
		if (!strcasecmp(enum_name(type, type->values[i].value, name), word))
			return type->values[i].value;
	return 0;
}
