/*
 * rpc/descriptor_set: looks symbols up by walking the set. A set is some tens
 * of kilobytes and questions are rare, so there is no index but that of files.
 *
 * Field numbers are those of google/protobuf/descriptor.proto.
 */
#include "rpc/descriptor_set.h"

#include <errno.h>
#include <string.h>

enum { SET_FILE = 1 };
enum {
	FILE_NAME = 1,
	FILE_PACKAGE = 2,
	FILE_DEPENDENCY = 3,
	FILE_MESSAGE = 4,
	FILE_ENUM = 5,
	FILE_SERVICE = 6,
	FILE_EXTENSION = 7
};
enum { MESSAGE_FIELD = 2, MESSAGE_NESTED = 3, MESSAGE_ENUM = 4, MESSAGE_EXTENSION = 6, MESSAGE_ONEOF = 8 };
enum { ENUM_VALUE = 2, SERVICE_METHOD = 2 };
enum { ANY_NAME = 1 }; /* the name is field 1 of everything that has one */

/* Deeper nesting than this is not searched. */
enum { NESTING_MAXIMUM = 16 };

/* A kind of declaration: which of its fields declare further names, and of which kind those are. */
struct kind {
	bool message;
	bool siblings; /* what it declares is named beside it, not below it: enum values */
	struct {
		uint32_t number;
		const struct kind *kind;
	} members[5]; /* ends with number 0 */
};

static const struct kind leaf_kind;
static const struct kind enum_kind = {.siblings = true, .members = {{ENUM_VALUE, &leaf_kind}}};
static const struct kind service_kind = {.members = {{SERVICE_METHOD, &leaf_kind}}};
static const struct kind message_kind = {.message = true,
                                         .members = {{MESSAGE_FIELD, &leaf_kind},
                                                     {MESSAGE_NESTED, &message_kind},
                                                     {MESSAGE_ENUM, &enum_kind},
                                                     {MESSAGE_EXTENSION, &leaf_kind},
                                                     {MESSAGE_ONEOF, &leaf_kind}}};
static const struct kind file_kind = {.members = {{FILE_MESSAGE, &message_kind},
                                                  {FILE_ENUM, &enum_kind},
                                                  {FILE_SERVICE, &service_kind},
                                                  {FILE_EXTENSION, &leaf_kind}}};

enum { MEMBERS_MAXIMUM = sizeof(file_kind.members) / sizeof(file_kind.members[0]) };

static int read_file(struct descriptor_file *file, struct wire bytes)
{
	struct wire_field field;
	int result;
	*file = (struct descriptor_file){.bytes = bytes, .name = {0}, .package = {0}};
	while ((result = wire_next(&bytes, &field)) > 0) {
		if (field.type == WIRE_BYTES && field.number == FILE_NAME)
			file->name = field.bytes;
		else if (field.type == WIRE_BYTES && field.number == FILE_PACKAGE)
			file->package = field.bytes;
	}
	return result;
}

int descriptor_set_read(struct descriptor_set *set, const uint8_t *bytes, size_t length)
{
	struct wire wire = wire_of(bytes, length), file;
	int result;
	set->n_files = 0;
	while ((result = wire_find(&wire, SET_FILE, &file)) > 0) {
		if (set->n_files == DESCRIPTOR_SET_FILES || read_file(&set->files[set->n_files], file))
			return -EBADMSG;
		set->n_files++;
	}
	return result;
}

int descriptor_set_file(const struct descriptor_set *set, const char *name)
{
	for (size_t i = 0; i < set->n_files; i++)
		if (wire_equals(set->files[i].name, name, strlen(name)))
			return (int)i;
	return -ENOENT;
}

static const struct kind *member_kind(const struct kind *kind, uint32_t number)
{
	for (size_t i = 0; i < MEMBERS_MAXIMUM && kind->members[i].number; i++)
		if (kind->members[i].number == number)
			return kind->members[i].kind;
	return NULL;
}

/* Finds `symbol`, a name relative to the declaration in `bytes`; returns what kind of thing it is, or NULL. */
static const struct kind *find(struct wire bytes, const struct kind *kind, const char *symbol, int depth)
{
	struct wire_field field;
	if (depth == NESTING_MAXIMUM)
		return NULL;
	while (wire_next(&bytes, &field) > 0) {
		const struct kind *member = field.type == WIRE_BYTES ? member_kind(kind, field.number) : NULL;
		struct wire inside = field.bytes, name;
		if (!member || wire_find(&inside, ANY_NAME, &name) <= 0)
			continue;
		size_t length = wire_length(name);
		const struct kind *found = NULL;
		if (wire_equals(name, symbol, strlen(symbol)))
			return member;
		if (member->siblings)
			found = find(field.bytes, member, symbol, depth + 1);
		else if (strncmp(symbol, (const char *)name.at, length) == 0 && symbol[length] == '.')
			found = find(field.bytes, member, symbol + length + 1, depth + 1);
		if (found)
			return found;
	}
	return NULL;
}

static int find_symbol(const struct descriptor_set *set, const char *symbol, const struct kind **kind)
{
	for (size_t i = 0; i < set->n_files; i++) {
		const struct descriptor_file *file = &set->files[i];
		size_t package = wire_length(file->package);
		const char *rest = symbol;
		if (package > 0) {
			if (strncmp(symbol, (const char *)file->package.at, package) != 0 || symbol[package] != '.')
				continue;
			rest = symbol + package + 1;
		}
		*kind = find(file->bytes, &file_kind, rest, 0);
		if (*kind)
			return (int)i;
	}
	return -ENOENT;
}

int descriptor_set_symbol(const struct descriptor_set *set, const char *symbol)
{
	const struct kind *kind;
	return find_symbol(set, symbol, &kind);
}

bool descriptor_set_is_message(const struct descriptor_set *set, const char *symbol)
{
	const struct kind *kind = NULL;
	return find_symbol(set, symbol, &kind) >= 0 && kind->message;
}

static void add_import(const struct descriptor_set *set, struct wire name, size_t *out, size_t *count)
{
	for (size_t i = 0; i < *count; i++)
		if (wire_equals(set->files[out[i]].name, (const char *)name.at, wire_length(name)))
			return;
	for (size_t i = 0; i < set->n_files; i++) {
		if (wire_equals(set->files[i].name, (const char *)name.at, wire_length(name))) {
			out[(*count)++] = i;
			return;
		}
	}
}

size_t descriptor_set_imports(const struct descriptor_set *set, size_t file, size_t out[DESCRIPTOR_SET_FILES])
{
	size_t count = 0;
	out[count++] = file;
	for (size_t i = 0; i < count; i++) {
		struct wire bytes = set->files[out[i]].bytes, name;
		while (wire_find(&bytes, FILE_DEPENDENCY, &name) > 0 && count < DESCRIPTOR_SET_FILES)
			add_import(set, name, out, &count);
	}
	return count;
}
