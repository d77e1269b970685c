/*
 * handlers: the handlers of CallHistoryService and CallIngestService: tenancy, roles, checks on arguments, paging.
 * Knows neither gRPC nor hiredis.
 *
 * The services here are protobuf-c services whose messages splice stored bytes (spliced.proto): on the wire they are
 * the public ones, and they are served under the public names HANDLERS_HISTORY_NAME and HANDLERS_INGEST_NAME.
 *
 * One object per worker; all on the worker's thread.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "base/context.h"
#include "handlers/bucket.h"
#include "store/store.h"

#define HANDLERS_HISTORY_NAME "callhistory.v1.CallHistoryService"
#define HANDLERS_INGEST_NAME "callhistory.v1.CallIngestService"

/* Limits of requests; proto/callhistory/v1 documents them. */
enum {
	HANDLERS_PAGE_SIZE_DEFAULT = 50,
	HANDLERS_PAGE_SIZE_MAX = 1000,
	HANDLERS_RECORD_MAX = 1000, /* calls in one RecordCalls */
	HANDLERS_MERGE_MAX = 1000,  /* parts in one MergeCalls */
	HANDLERS_DELETE_MAX = 1000, /* calls in one DeleteCalls */
	HANDLERS_PARTY_MAX = 512,   /* callers, callees */
	HANDLERS_RECORDING_MAX = 256,
	HANDLERS_STRING_MAX = 1024, /* any string of a Call but id, numbers and recordings */
	HANDLERS_URL_MAX = 4096,    /* one recording */
	HANDLERS_BYTES_MAX = 65536, /* one packed Call */
	/* All calls of one answer: with its token it stays below the 4 MiB that gRPC clients accept by default. */
	HANDLERS_PAGE_BYTES_MAX = (4 << 20) - 4096,
	HANDLERS_EXPORT_BYTES_MAX = 1 << 20, /* all calls of one message of ExportCalls */
	HANDLERS_EXPORT_SIZE_DEFAULT = 250,  /* calls of one message; Redis serves nobody else while it reads them */
	HANDLERS_TENANT_EXPORTS_MAX = 2,     /* exports of one tenant in progress at a time */
	HANDLERS_SCAN_MAX = 20000,           /* calls read for one filtered request */
};

struct handlers;

struct handlers_options {
	const char *country_code;     /* "84" */
	struct bucket_table *buckets; /* of the tokens' rates; shared by all workers, outlives them */
	uint32_t max_exports;         /* in progress at a time; further ones are refused */
};

/* Makes the handlers over a store, which must outlive them. 0, -EINVAL or -ENOMEM. */
int handlers_create(struct handlers **out, struct store *store, const struct handlers_options *options);

/* The services, owned by the object. */
ProtobufCService *handlers_history_service(struct handlers *handlers);
ProtobufCService *handlers_ingest_service(struct handlers *handlers);

/*
 * Identifies the client by the token of context->authorization, before its request is unpacked: sets context->identity,
 * or fails the context. Calls done(done_data) exactly once, at once or when Redis has answered. `handlers` is a struct
 * handlers. A service that is called without it identifies the client itself.
 */
void handlers_admit(void *handlers, struct context *context, void (*done)(void *done_data), void *done_data);

/* Takes NULL. No request may be under way. */
void handlers_destroy(struct handlers *handlers);
