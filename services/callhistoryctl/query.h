/*
 * query: what the commands that read calls share: the connection, the options that select calls, and how calls are
 * printed.
 */
#pragma once

#include "callhistory/v1/call_history_service.pb-c.h"
#include "callhistoryctl/remote.h"
#include "callhistoryctl/show.h"

enum { QUERY_PAGE_MAX = 1000, QUERY_TOKEN_SIZE = 4096 };

/* Must not be copied or moved after query_open(): it has pointers into itself. */
struct query {
	struct settings *settings;
	struct contract_zone *zone;
	struct remote remote;
	struct arena *arena; /* of one request and its answer */
	struct show *show;

	/* The conditions, for the fields of a request that have these names; NULL: not given. */
	Google__Protobuf__Timestamp *start_time, *end_time;
	Callhistory__V1__CallFilter *filter;
	/* What they point to. */
	Google__Protobuf__Timestamp from, to;
	Callhistory__V1__CallFilter filter_value;
	int directions[OPTION_LIST_MAX], dispositions[OPTION_LIST_MAX];
};

/* Reads the settings and makes the connection. Reports errors itself. 0 or an exit code; close it in both cases. */
int query_open(struct query *query, struct settings *settings);
void query_close(struct query *query);

/* Calls a method; NULL: why there is no response has been reported. */
const void *query_ask(struct query *query, const char *method, const ProtobufCMessage *message);

/* Text that a message carries; an option that was left out is an empty string. */
char *query_text(const char *option);

/* Makes a ListCallsRequest, CountCallsRequest or ExportCallsRequest select the query's calls. */
#define QUERY_SELECT(message, query)                                                                                   \
	do {                                                                                                               \
		(message)->project_code = query_text((query)->settings->project_code);                                         \
		(message)->vbot_id = query_text((query)->settings->vbot_id);                                                   \
		(message)->phone = query_text((query)->settings->phone);                                                       \
		(message)->start_time = (query)->start_time;                                                                   \
		(message)->end_time = (query)->end_time;                                                                       \
		(message)->filter = (query)->filter;                                                                           \
	} while (0)

/* How many calls the conditions select. 0 or an exit code. */
int query_count(struct query *query, int64_t *out);

/* Prints a call as a line of NDJSON. It names the tenant: that of the answer, or, if that is "", of the request. */
int query_print_json(struct query *query, const char *project_code, const char *vbot_id,
                     const Callhistory__V1__Call *call);

/* Keeps a token of an answer for the next request. 0 or an exit code, after a report. */
int query_keep_token(char out[QUERY_TOKEN_SIZE], const char *token);

/* The options of the tenant, and those that select its calls. */
extern const struct option query_tenant[], query_conditions[];
