/* show: `get` walks the message's descriptor, so a field that is added to Call is printed without a change here. */
#include "callhistoryctl/show.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "callhistoryctl/moment.h"
#include "callhistoryctl/say.h"
#include "callhistoryctl/table.h"

enum {
	PARTIES_SHOWN = 3,
	COLUMNS = 7,
	ID_COLUMN = 1,
	ARENA_BLOCK = 4096,
	LABEL_SIZE = 64,
	DIRECTION_SIZE = SHOW_ENUM_SIZE + 16
};

struct show {
	struct contract_zone *zone;
	struct arena *arena; /* of the table's frame */
	struct table *table;
	struct buffer line;
};

int show_create(struct show **out, struct contract_zone *zone)
{
	static const char *const headings[COLUMNS] = {"TIME", "ID",      "DIRECTION",       "DISPOSITION",
	                                              "TALK", "HOTLINE", "CALLER -> CALLEE"};
	struct show *show = calloc(1, sizeof(*show));
	if (!show)
		return -ENOMEM;
	show->zone = zone;
	if (!arena_create(&show->arena, ARENA_BLOCK))
		show->table = table_create(show->arena, headings, COLUMNS, ID_COLUMN);
	if (!show->table) {
		show_destroy(show);
		return -ENOMEM;
	}
	*out = show;
	return 0;
}

void show_destroy(struct show *show)
{
	if (!show)
		return;
	buffer_free(&show->line);
	arena_destroy(show->arena);
	free(show);
}

/* ---- Words of enums --------------------------------------------------------------------------------------------- */

static const char zero_suffix[] = "UNSPECIFIED";

/* Bytes of the prefix, such as "DISPOSITION_": a word begins where that of UNSPECIFIED does. */
static size_t prefix_length(const ProtobufCEnumDescriptor *type)
{
	const ProtobufCEnumValue *zero = protobuf_c_enum_descriptor_get_value(type, 0);
	return zero ? strlen(zero->name) - strlen(zero_suffix) : 0;
}

const char *show_enum(const ProtobufCEnumDescriptor *type, int value, char out[SHOW_ENUM_SIZE])
{
	const ProtobufCEnumValue *known = protobuf_c_enum_descriptor_get_value(type, value);
	snprintf(out, SHOW_ENUM_SIZE, "%s", value && known ? known->name + prefix_length(type) : "");
	for (char *at = out; *at; ++at)
		*at = *at == '_' ? '-' : (char)tolower((unsigned char)*at);
	if (!known)
		snprintf(out, SHOW_ENUM_SIZE, "unknown value %d", value);
	return out;
}

int show_enum_value(const ProtobufCEnumDescriptor *type, const char *text)
{
	char word[SHOW_ENUM_SIZE], name[SHOW_ENUM_SIZE];
	snprintf(word, sizeof(word), "%s", text);
	for (char *at = word; *at; ++at)
		*at = *at == '_' ? '-' : *at;
	for (unsigned i = 0; *word && i < type->n_values; ++i)
		if (!strcasecmp(show_enum(type, type->values[i].value, name), word))
			return type->values[i].value;
	return 0;
}

/* ---- A row of the table ----------------------------------------------------------------------------------------- */

static int64_t to_ms(const Google__Protobuf__Timestamp *time)
{
	return time ? time->seconds * 1000 + time->nanos / 1000000 : -1;
}

/* A text, or '-' for one that was not recorded. */
static const char *or_dash(const char *text)
{
	return text && *text ? text : "-";
}

/* "1:02:03", "2:03", or '-' where nothing was recorded. */
static const char *span_text(bool recorded, uint32_t seconds, char out[24])
{
	if (!recorded)
		snprintf(out, 24, "-");
	else if (seconds >= 3600)
		snprintf(out, 24, "%u:%02u:%02u", seconds / 3600, seconds / 60 % 60, seconds % 60);
	else
		snprintf(out, 24, "%u:%02u", seconds / 60, seconds % 60);
	return out;
}

static void add_parties(struct buffer *out, Callhistory__V1__Party *const *parties, size_t count)
{
	if (!count)
		buffer_append_byte(out, '-');
	for (size_t i = 0; i < count && i < PARTIES_SHOWN; ++i)
		buffer_printf(out, "%s%s", i ? ", " : "", or_dash(parties[i]->phone));
	if (count > PARTIES_SHOWN)
		buffer_printf(out, " and %zu more", count - PARTIES_SHOWN);
}

/* "inbound", "inbound, missed", or the text that was recorded instead. */
static const char *direction_text(const Callhistory__V1__Call *call, char out[DIRECTION_SIZE])
{
	char name[SHOW_ENUM_SIZE];
	show_enum(&callhistory__v1__call_direction__descriptor, (int)call->direction, name);
	if (!*name && !call->missed)
		return call->direction_other;
	snprintf(out, DIRECTION_SIZE, "%s%s%s", name, *name && call->missed ? ", " : "", call->missed ? "missed" : "");
	return out;
}

int show_row(struct show *show, struct arena *arena, const Callhistory__V1__Call *call)
{
	char time[MOMENT_SIZE], talk[24], direction[DIRECTION_SIZE], disposition[SHOW_ENUM_SIZE];
	show_enum(&callhistory__v1__disposition__descriptor, (int)call->disposition, disposition);
	buffer_clear(&show->line);
	add_parties(&show->line, call->callers, call->n_callers);
	buffer_append_string(&show->line, " -> ");
	add_parties(&show->line, call->callees, call->n_callees);
	buffer_append_byte(&show->line, '\0');
	if (show->line.failed)
		return -ENOMEM;
	bool talked = call->optional_talk_seconds_case == CALLHISTORY__V1__CALL__OPTIONAL_TALK_SECONDS_TALK_SECONDS;
	const char *texts[COLUMNS] = {
	    moment_format(show->zone, to_ms(call->start_time), false, time),
	    or_dash(call->id),
	    or_dash(direction_text(call, direction)),
	    or_dash(*disposition ? disposition : call->disposition_other),
	    span_text(talked, call->talk_seconds, talk),
	    or_dash(call->hotline),
	    show->line.data,
	};
	return table_add(show->table, arena, texts);
}

void show_flush(struct show *show)
{
	table_flush(show->table);
}

int show_json(struct show *show, const char *project_code, const char *vbot_id, const Callhistory__V1__Call *call)
{
	buffer_clear(&show->line);
	contract_write_import(&show->line, show->zone, project_code, vbot_id, call);
	buffer_append_byte(&show->line, '\n');
	if (show->line.failed)
		return -ENOMEM;
	fwrite(show->line.data, 1, show->line.length, stdout);
	return 0;
}

/* ---- All fields ------------------------------------------------------------------------------------------------- */

static void show_message(struct show *show, const ProtobufCMessage *message, int depth);

/* Prints "label   text". */
static void print_field(struct show *show, const char *name, int depth, const char *text)
{
	char label[LABEL_SIZE];
	snprintf(label, sizeof(label), "%*s%s", 2 * depth, "", name);
	for (char *at = label; *at; ++at)
		if (*at == '_')
			*at = ' ';
	buffer_clear(&show->line);
	buffer_append_string(&show->line, text);
	buffer_append_byte(&show->line, '\0');
	if (!show->line.failed)
		printf("%-25s %s\n", label, say_clean(show->line.data));
}

/* A number of the field's type. `kept`: 0 was recorded, too. */
static void show_number(struct show *show, const ProtobufCFieldDescriptor *field, int depth, const void *value,
                        bool kept)
{
	char text[64] = "";
	size_t length = strlen(field->name);
	if (field->type == PROTOBUF_C_TYPE_UINT32) {
		uint32_t number = *(const uint32_t *)value;
		if (length > 8 && !strcmp(field->name + length - 8, "_seconds"))
			span_text(true, number, text);
		else
			snprintf(text, sizeof(text), "%u", number);
		kept |= number != 0;
	} else if (field->type == PROTOBUF_C_TYPE_SINT64 || field->type == PROTOBUF_C_TYPE_INT64) {
		snprintf(text, sizeof(text), "%lld", (long long)*(const int64_t *)value);
		kept |= *(const int64_t *)value != 0;
	} else if (field->type == PROTOBUF_C_TYPE_BOOL) {
		snprintf(text, sizeof(text), "yes");
		kept |= *(const protobuf_c_boolean *)value;
	} else {
		snprintf(text, sizeof(text), "(a value that this version cannot print)");
		kept = true;
	}
	if (kept)
		print_field(show, field->name, depth, text);
}

/* An amount and its currency. */
static void show_money(struct show *show, const ProtobufCFieldDescriptor *field, int depth,
                       const Callhistory__V1__Money *money)
{
	struct buffer text = {0};
	contract_write_double(&text, money->amount);
	buffer_printf(&text, "%s%s", *money->currency_code ? " " : "", money->currency_code);
	buffer_append_byte(&text, '\0');
	print_field(show, field->name, depth, text.failed ? "" : text.data);
	buffer_free(&text);
}

/* One value of a field, where it was recorded; of a repeated field, the one with this index. */
static void show_value(struct show *show, const ProtobufCFieldDescriptor *field, int depth, const void *value,
                       size_t index, bool kept)
{
	char text[MOMENT_SIZE], word[SHOW_ENUM_SIZE];
	if (field->type == PROTOBUF_C_TYPE_STRING) {
		const char *string = *(char *const *)value;
		if (string && *string)
			print_field(show, field->name, depth, string);
	} else if (field->type == PROTOBUF_C_TYPE_ENUM) {
		if (*(const int *)value)
			print_field(show, field->name, depth, show_enum(field->descriptor, *(const int *)value, word));
	} else if (field->type != PROTOBUF_C_TYPE_MESSAGE) {
		show_number(show, field, depth, value, kept);
	} else if (*(ProtobufCMessage *const *)value) {
		const ProtobufCMessage *message = *(ProtobufCMessage *const *)value;
		if (field->descriptor == &google__protobuf__timestamp__descriptor) {
			moment_format(show->zone, to_ms((const Google__Protobuf__Timestamp *)message), true, text);
			print_field(show, field->name, depth, text);
		} else if (field->descriptor == &callhistory__v1__money__descriptor) {
			show_money(show, field, depth, (const Callhistory__V1__Money *)message);
		} else {
			snprintf(text, sizeof(text), "%zu", index + 1);
			print_field(show, field->name, depth, text);
			show_message(show, message, depth + 1);
		}
	}
}

static void show_field(struct show *show, const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
                       int depth)
{
	const char *base = (const char *)message;
	const void *value = base + field->offset;
	bool oneof = field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF;
	if (field->label == PROTOBUF_C_LABEL_REPEATED) {
		size_t count = *(const size_t *)(base + field->quantifier_offset);
		/* Strings and messages only: pointers. */
		for (size_t i = 0; i < count; ++i)
			show_value(show, field, depth, *(char *const *const *)value + i, i, true);
	} else if (!oneof || *(const int *)(base + field->quantifier_offset) == (int)field->id) {
		show_value(show, field, depth, value, 0, oneof);
	}
}

static void show_message(struct show *show, const ProtobufCMessage *message, int depth)
{
	for (unsigned i = 0; i < message->descriptor->n_fields; ++i)
		show_field(show, message, &message->descriptor->fields[i], depth);
	for (unsigned i = 0; i < message->n_unknown_fields; ++i) {
		char text[64];
		snprintf(text, sizeof(text), "%zu bytes of a newer version", message->unknown_fields[i].len);
		print_field(show, "unknown field", depth, text);
	}
}

int show_call(struct show *show, const Callhistory__V1__Call *call)
{
	show_message(show, &call->base, 0);
	return show->line.failed ? -ENOMEM : 0;
}
