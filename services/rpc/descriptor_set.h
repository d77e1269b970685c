/*
 * rpc/descriptor_set: what reflection asks of a packed
 * google.protobuf.FileDescriptorSet. Pure; answers are spans of the set
 * itself, so files are given back byte for byte. For the files of this room
 * and its tests only.
 */
#ifndef CALLHISTORY_RPC_DESCRIPTOR_SET_H
#define CALLHISTORY_RPC_DESCRIPTOR_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/wire.h"

enum { DESCRIPTOR_SET_FILES = 256 };

struct descriptor_file {
	struct wire bytes, name, package;
};

struct descriptor_set {
	struct descriptor_file files[DESCRIPTOR_SET_FILES];
	size_t n_files;
};

/* Indexes the files of a set, which must outlive *set. Returns 0, or -EBADMSG also for more than DESCRIPTOR_SET_FILES. */
int descriptor_set_read(struct descriptor_set *set, const uint8_t *bytes, size_t length);

/* The index of the file of this name, or of the one that declares this symbol (full name, no leading dot). -ENOENT if none. */
int descriptor_set_file(const struct descriptor_set *set, const char *name);
int descriptor_set_symbol(const struct descriptor_set *set, const char *symbol);

/* Whether the symbol is a message type. */
bool descriptor_set_is_message(const struct descriptor_set *set, const char *symbol);

/* Writes the index of a file and of all that it imports, directly or not, itself first. Returns how many. */
size_t descriptor_set_imports(const struct descriptor_set *set, size_t file, size_t out[DESCRIPTOR_SET_FILES]);

#endif
