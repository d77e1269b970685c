/* Fuzzer: what a client writes into a request's target and headers, as the gateway reads it. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/trace.h"
#include "compress.h"
#include "credentials.h"
#include "prefer.h"
#include "recording.h"
#include "request.h"
#include "route.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct option_list hosts = {.values = {"a.example", "b.example:8443"}, .count = 2};
	struct request *request = request_create(NULL);
	const char *authorization;
	if (!request)
		return 0;
	/* The first line is the target, each further one a header's name and value. */
	char *text = arena_copy(request->arena, data, size), *rest = text, *line = strsep(&rest, "\n");
	const char *location = recording_location(request->arena, &hosts, line);
	request->contract.unknown[0] = arena_copy(request->arena, line, strlen(line));
	request->contract.unknown_count = 1;
	routes_find(request, line);
	for (const char *at = location; at && *at; at++)
		if (*at <= ' ' || *at > '~')
			abort();
	while ((line = strsep(&rest, "\n"))) {
		char *name = strsep(&line, ":");
		request_header(request, name, line ? line : "");
	}
	compress_accepted(request->headers.accept_encoding);
	trace_request_id_is_sane(request->headers.request_id);
	trace_parent_is_valid(request->headers.traceparent);
	prefer_apply(request);
	if (!credentials_read(&request->headers, request->arena, &authorization) && strncmp(authorization, "Bearer ", 7))
		abort();
	request_destroy(request);
	return 0;
}
