/*
 * calls: the handlers of CallHistoryService and CallIngestService: tenancy,
 * roles, checks on arguments, paging. Knows neither gRPC nor hiredis.
 *
 * The services here are protobuf-c services whose messages splice stored
 * bytes (spliced.proto): on the wire they are the public ones, and they
 * are served under the public names CALLS_HISTORY_NAME and CALLS_INGEST_NAME.
 *
 * One object per worker; all on the worker's thread.
 */
#ifndef CALLHISTORY_CALLS_CALLS_H
#define CALLHISTORY_CALLS_CALLS_H

#include <protobuf-c/protobuf-c.h>
#include <stdint.h>

#include "base/context.h"
#include "calls/bucket.h"
#include "store/store.h"

#define CALLS_HISTORY_NAME "callhistory.v1.CallHistoryService"
#define CALLS_INGEST_NAME "callhistory.v1.CallIngestService"

/* Caps on what a client sends; proto/callhistory/v1 names them. */
enum {
	CALLS_PAGE_SIZE_DEFAULT = 50,
	CALLS_PAGE_SIZE_MAX = 1000,
	CALLS_RECORD_MAX = 1000, /* calls in one RecordCalls */
	CALLS_PARTY_MAX = 512,   /* callers, callees */
	CALLS_RECORDING_MAX = 256,
	CALLS_STRING_MAX = 1024, /* any string of a Call but id, numbers and recordings */
	CALLS_URL_MAX = 4096,    /* one recording */
	CALLS_BYTES_MAX = 65536, /* one packed Call */
	/* All calls of one answer: with its token it stays below the 4 MiB that gRPC clients accept by default. */
	CALLS_PAGE_BYTES_MAX = (4 << 20) - 4096,
	CALLS_SCAN_MAX = 20000, /* calls read for one filtered request */
};

struct calls;

struct calls_options {
	const char *country_code;     /* "84" */
	struct bucket_table *buckets; /* of the tokens' rates; shared by all workers, outlives them */
};

/* Makes the handlers over a store, which must outlive them. 0, -EINVAL or -ENOMEM. */
int calls_create(struct calls **out, struct store *store, const struct calls_options *options);

/* The services, owned by the object. */
ProtobufCService *calls_history_service(struct calls *calls);
ProtobufCService *calls_ingest_service(struct calls *calls);

/*
 * Identifies the client by the token of context->authorization, before its request is unpacked: sets context->identity, or fails
 * the context. Calls done(done_data) exactly once, at once or when Redis has answered. `calls` is a struct calls.
 * A service that is called without it identifies the client itself.
 */
void calls_admit(void *calls, struct context *context, void (*done)(void *done_data), void *done_data);

/* Takes NULL. No request may be under way. */
void calls_destroy(struct calls *calls);

#endif
