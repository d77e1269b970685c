/*
 * handlers/arguments: checks the arguments of list and count requests and converts them for the store. Pure; failures
 * are set in the context.
 */
#pragma once

#include <google/protobuf/timestamp.pb-c.h>
#include <nettle/sha2.h>

#include "handlers/filter.h"

/* Longest tenant names, in characters. Other arguments may be as long as the values that can be recorded. */
enum { ARGUMENTS_TENANT_MAX = 64 };

/* The calls that a request selects, for listing and counting. */
struct selection {
	char number[NUMBER_SIZE]; /* canonical; "": all calls of the tenant */
	int64_t from_ms, to_ms;   /* half-open; INT64_MIN, INT64_MAX: open */
	struct filter filter;
};

/* Reads the arguments that ListCalls and CountCalls share to `out`, which is zero. */
int handlers_arguments_read_selection(struct context *context, struct selection *out, const char *phone,
                                      const Google__Protobuf__Timestamp *start, const Google__Protobuf__Timestamp *end,
                                      const Callhistory__V1__CallFilter *filter, const char *country_code);

/* Whether the selection is empty whatever is stored. */
bool handlers_selection_is_empty(const struct selection *selection);

/* The selected calls of the tenant `tag`, before the filter. Valid as long as the arguments are. */
struct store_range handlers_selection_range(const struct selection *selection, const char *tag);

/* Hashes bytes that differ for every selection and tenant: the scope of a page token. */
void handlers_selection_hash_scope(struct sha256_ctx *hash, const struct selection *selection, const char *tag);
