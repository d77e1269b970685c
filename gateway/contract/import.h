/*
 * contract/import: reads imported records, for this module and gateway/sources. A value that is missing, null or empty
 * counts as not recorded: its reader leaves *out unchanged. Unless noted otherwise, functions return 0, or -1 with the
 * error filled in.
 */
#pragma once

#include "contract/contract.h"
#include "contract/node.h"

/* The arguments that all readers of one record share. */
struct import_reader {
	struct arena *arena;
	struct contract_zone *zone;
	struct contract_error *error;
};

/* A value and its path, for messages: "callee[1]." + "time_call". */
struct import_value {
	const struct node *node; /* NULL: missing */
	const char *list;        /* "caller" or "callee"; NULL: the record itself */
	size_t index;
	const char *field;
};

/* The member of a record. */
static inline struct import_value import_member(const struct node *record, const char *field)
{
	return (struct import_value){.node = contract_node_member(record, field), .field = field};
}

/* The member of an object in a record. */
static inline struct import_value import_member_of(struct import_value object, const char *field)
{
	object.node = contract_node_member(object.node, field);
	object.field = field;
	return object;
}

/* Refuses the field of a record. Returns -1. */
int contract_import_refuse(const struct import_reader *reader, const char *field, const char *why);

/* Refuses a value. Returns -1. */
int contract_import_refuse_value(const struct import_reader *reader, struct import_value value, const char *why);

/* A string, or the digits of an integer, of at most `most` bytes. */
int contract_import_string(const struct import_reader *reader, struct import_value value, size_t most, char **out);

/* The same, with no control characters in it. */
int contract_import_plain_string(const struct import_reader *reader, struct import_value value, size_t most,
                                 char **out);

/* A Unix time in ms. Returns 1; 0 if it is not recorded, as 0 and negative times are taken to be; or -1. */
int contract_import_moment(const struct import_reader *reader, struct import_value value, int64_t *out);

/*
 * How the value of a plain field is read. Money is a number or a string of one; the formats name no currency. A boolean
 * is true or false, 1 or 0, or one of these in a string. Seconds are a number, or a string of one, MM:SS or HH:MM:SS;
 * fractions are cut off, and negative lengths and those above 366 days count as not recorded.
 */
enum import_type { IMPORT_STRING, IMPORT_PLAIN_STRING, IMPORT_MONEY, IMPORT_BOOLEAN, IMPORT_SECONDS };

/* A field that is read by its type alone: a row of a table that maps a source's fields to a message's members. */
struct import_field {
	const char *name; /* the source's */
	enum import_type type;
	size_t most;   /* bytes of a string */
	size_t offset; /* of the member in the message */
	/* IMPORT_SECONDS: offset of the oneof's case member, and its value when the seconds are recorded. */
	size_t case_offset;
	int case_value;
};

/* Rows for a Call and a Party. Some have the member in their name; it is the last argument of the others. */
#define IMPORT_ROW(name, type, most, message, member)                                                                  \
	{                                                                                                                  \
		name, type, most, offsetof(Callhistory__V1__##message, member), 0, 0                                           \
	}
#define IMPORT_LENGTH(name, message, member, number)                                                                   \
	{                                                                                                                  \
		name, IMPORT_SECONDS, 0, offsetof(Callhistory__V1__##message, member),                                         \
		    offsetof(Callhistory__V1__##message, optional_##member##_case), number                                     \
	}
#define IMPORT_CALL_STRING(name, most, member) IMPORT_ROW(name, IMPORT_STRING, most, Call, member)
#define IMPORT_CALL_ID(name) IMPORT_ROW(name, IMPORT_PLAIN_STRING, CONTRACT_ID_MAX, Call, id)
#define IMPORT_CALL_FIELD(name, type, member) IMPORT_ROW(name, type, 0, Call, member)
#define IMPORT_CALL_TALK(name)                                                                                         \
	IMPORT_LENGTH(name, Call, talk_seconds, CALLHISTORY__V1__CALL__OPTIONAL_TALK_SECONDS_TALK_SECONDS)
#define IMPORT_CALL_DURATION(name)                                                                                     \
	IMPORT_LENGTH(name, Call, duration_seconds, CALLHISTORY__V1__CALL__OPTIONAL_DURATION_SECONDS_DURATION_SECONDS)
#define IMPORT_PARTY_STRING(name, most, member) IMPORT_ROW(name, IMPORT_STRING, most, Party, member)
#define IMPORT_PARTY_FIELD(name, type, member) IMPORT_ROW(name, type, 0, Party, member)
#define IMPORT_PARTY_TALK(name)                                                                                        \
	IMPORT_LENGTH(name, Party, talk_seconds, CALLHISTORY__V1__PARTY__OPTIONAL_TALK_SECONDS_TALK_SECONDS)
#define IMPORT_PARTY_DURATION(name)                                                                                    \
	IMPORT_LENGTH(name, Party, duration_seconds, CALLHISTORY__V1__PARTY__OPTIONAL_DURATION_SECONDS_DURATION_SECONDS)

/*
 * Reads the members of an object that a table names into `message`. If two rows set one member, the later one takes
 * precedence.
 */
int contract_import_fields(const struct import_reader *reader, struct import_value object,
                           const struct import_field *fields, size_t count, void *message);

/* The same of a record. */
static inline int contract_import_record(const struct import_reader *reader, const struct node *record,
                                         const struct import_field *fields, size_t count, void *message)
{
	return contract_import_fields(reader, (struct import_value){.node = record}, fields, count, message);
}

/* Sets *out to a new timestamp. 0 or -1. */
int contract_import_timestamp(const struct import_reader *reader, int64_t ms, Google__Protobuf__Timestamp **out);

/* Reads the fields of a call, except the tenant and the digest that replaces a missing id. `call` is initialised. */
int contract_import_call(const struct import_reader *reader, const struct node *object, Callhistory__V1__Call *call);

/* A date of the contract in the reader's zone, as Unix time in seconds. Returns 1; 0 if it is not recorded; or -1. */
int contract_import_date(const struct import_reader *reader, struct import_value value, int64_t *out);

/*
 * The same for a party, where a placeholder date of databases (year 1, 0000-00-00, before 1970) counts as not recorded.
 */
int contract_import_party_date(const struct import_reader *reader, struct import_value value, int64_t *out);
