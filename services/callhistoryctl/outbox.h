/*
 * outbox: calls on their way to CallIngestService: gathered by tenant into batches, several of them in progress at a
 * time, retried if that may help. Order: of two calls with the same id the one added later takes effect. A batch that
 * contains an id of an earlier batch waits until that one is done. Memory is bounded by the number and size of batches.
 * Not thread-safe. Callbacks are called from the ingest service's closures and from outbox_run().
 */
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "base/context.h"
#include "contract/contract.h"

enum { OUTBOX_BATCH_CALLS = 1000, OUTBOX_BATCH_BYTES = 1 << 20, OUTBOX_BATCHES = 8, OUTBOX_IN_FLIGHT = 4 };

struct outbox;

/* Where a call came from. */
struct outbox_origin {
	const char *file; /* must outlive the outbox */
	uint64_t line;
	uint64_t position; /* where the line begins in the file, in bytes */
};

/* A batch that the service did not take. */
struct outbox_failure {
	const char *project_code, *vbot_id;
	struct outbox_origin first, last; /* of its calls */
	size_t count;
	const struct context *context; /* status and message */
};

struct outbox_totals {
	uint64_t recorded, replaced, unchanged, refused;
	uint64_t failed;  /* in batches that the service did not take */
	uint64_t dropped; /* by outbox_drop() */
};

struct outbox_options {
	ProtobufCService *ingest;
	const char *authorization;
	int64_t timeout_us; /* for one batch, all tries together; if `persistent`, for one try */
	/* Retries without end, unless the service refuses the token or the request. */
	bool persistent;
	bool parts; /* it has parts of calls */
	void (*refused)(void *data, struct outbox_origin origin, const char *field, const char *message);
	void (*failed)(void *data, const struct outbox_failure *failure);
	/* A batch has failed and will be sent again. NULL: not wanted. */
	void (*repeated)(void *data, const struct context *context);
	void *data;
};

/* `options` is copied, what it points to must live on. 0 or -ENOMEM. */
int outbox_create(struct outbox **out, const struct outbox_options *options);

/* No request may be in progress: close the channel first. Takes NULL. */
void outbox_destroy(struct outbox *outbox);

/*
 * Copies a call into a batch of its tenant; one of `parts` is a part of a call, which MergeCalls joins with the others.
 * 0, -ENOMEM, or -EAGAIN: no space until a batch that is in progress has ended.
 */
int outbox_add(struct outbox *outbox, const struct contract_import *record, bool supplement,
               struct outbox_origin origin);

/* Makes batches that are not full ready to be sent. */
void outbox_flush(struct outbox *outbox);

/* Discards calls that are not being sent now: those that were never sent, and those that wait to be sent again. */
void outbox_drop(struct outbox *outbox);

/*
 * Sends the batches that are ready. Returns when it wants to be called again (clock_monotonic_us() scale); CLOCK_NEVER:
 * after an answer.
 */
int64_t outbox_run(struct outbox *outbox, int64_t now_us);

/* Whether the outbox has no call. */
bool outbox_idle(const struct outbox *outbox);

/* Whether any batch is ready or sent. */
bool outbox_busy(const struct outbox *outbox);

/*
 * The call of a file that was added first, of those without an answer; NULL: there is none. `file` is compared as a
 * pointer. Calls of one file must have been added in the order of their positions.
 */
const struct outbox_origin *outbox_oldest(const struct outbox *outbox, const char *file);

/* The results of the calls so far. */
const struct outbox_totals *outbox_totals(const struct outbox *outbox);
