/*
 * handlers/request: the life of one request, the same for every method.
 * admit → the token is found (at once or by Redis) → begin → the method's check() → tenant, role and rate → the
 * method's run() → handlers_request_answer() or handlers_request_end(). So errors of credentials take precedence over
 * those of arguments, and these over those of the tenant (contract §1, "Which error wins").
 * A request lives in its context's arena and ends with its closure, exactly once.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <sys/queue.h>

#include "base/context.h"
#include "handlers/bucket.h"
#include "store/store.h"

/* What the requests of one worker share. */
struct handlers_shared {
	struct store *store;
	struct bucket_table *buckets;
	const char *country_code;
	struct export_list *exports; /* in progress */
};

struct request;
struct export;

/* The exports of one worker, and the most of them. */
struct export_list {
	LIST_HEAD(, export) head;
	uint32_t most;
};

/* One method of a service. check() and run() return 0, or a negative value after context_fail(). */
struct method {
	size_t size;          /* of the method's own struct, which begins with a struct request */
	enum store_role role; /* that the token needs */
	bool takes_project;   /* project_code may come without vbot_id: the token's only tenant of that project */
	/* Reads the arguments into the method's struct. Pure: Redis is not queried before the tenant is known. */
	int (*check)(struct request *request, const ProtobufCMessage *input);
	/* Does the work; on 0 the request will be or has been answered. */
	int (*run)(struct request *request);
	/*
	 * Called when the client no longer waits, for a request that writes: what was not sent to Redis must not be
	 * written, because a newer version of a call may arrive through another worker. Returns whether the request is to
	 * be ended; else a callback of the store will do so. NULL: a callback always does.
	 */
	bool (*cancel)(struct request *request);
	/* Called once, before the request ends, whether its arguments were read or not; NULL: there is nothing to do. */
	void (*end)(struct request *request);
	/* Whether the request costs no token of the bucket; NULL: each one does. */
	bool (*is_free)(const ProtobufCMessage *input);
	int64_t read_wait_us; /* how long it waits for a reply of the store; 0: READ_WAIT_US */
};

/* The methods of both services, each in a file of its own. */
extern const struct method handlers_list_calls;
extern const struct method handlers_count_calls;
extern const struct method handlers_get_call;
extern const struct method handlers_list_call_changes;
extern const struct method handlers_export_calls;
extern const struct method handlers_record_calls;
extern const struct method handlers_merge_calls;
extern const struct method handlers_delete_calls;

/* The first member of each method's struct, whose other members are zero before check(). */
struct request {
	struct context *context;
	const struct handlers_shared *shared;
	const struct method *method;
	const ProtobufCMessage *input;
	ProtobufCClosure closure;

	const char *project_code, *vbot_id;     /* as sent, then the tenant's own; never NULL in run() */
	const char *tag;                        /* the tenant's, for the store */
	bool names_no_tenant;                   /* the token's only one is meant */
	void (*go_on)(struct request *request); /* after handlers_request_check_again() */
};

/* handlers_admit(). */
void handlers_request_admit(const struct handlers_shared *shared, struct context *context,
                            void (*done)(void *done_data), void *done_data);

/*
 * Begins a request. `closure_data` begins with a struct context. `project_code` and `vbot_id` are the tenant as sent.
 */
void handlers_request_begin(const struct handlers_shared *shared, const struct method *method,
                            const ProtobufCMessage *input, const char *project_code, const char *vbot_id,
                            ProtobufCClosure closure, void *closure_data);

/* Reads page_size, whose default and bound all listings share. 0, or a negative value after context_fail(). */
int handlers_request_read_page_size(struct request *request, uint32_t *out, int32_t page_size);

/* Sets a response's tenant fields where the request named no tenant. They point into the request. */
void handlers_request_set_tenant(const struct request *request, char **project_code, char **vbot_id);

/* Sends the response. The request must not be used afterwards. */
void handlers_request_answer(struct request *request, const ProtobufCMessage *output);

/* Ends with the failure in the context. The request must not be used afterwards. */
void handlers_request_end(struct request *request);

/* Sets the failure that a store function or callback has reported (a negative errno). Returns the negative status. */
int handlers_request_fail_store(struct request *request, int status);

/*
 * Ends the request and returns true if a store function or callback has reported a failure (a negative errno), or if
 * the client has disconnected or the deadline has passed. The request must not be used after true.
 */
bool handlers_request_end_store(struct request *request, int status);

/* Whether the client has disconnected or the deadline has passed. */
bool handlers_request_is_over(const struct request *request);

/*
 * Ends the request and returns true if the client has disconnected or the deadline has passed. Call it before each
 * further query of Redis.
 */
bool handlers_request_end_over(struct request *request);

/*
 * Checks again whether the token is valid, for a request that takes long, such as an export. Then calls `go_on`, at
 * once or later, or ends the request.
 */
void handlers_request_check_again(struct request *request, void (*go_on)(struct request *request));

/*
 * Deadline of the store's answer, earlier than that of the request if the client allows a long time: so an unavailable
 * Redis is distinguished from a short deadline.
 */
int64_t handlers_request_read_deadline(const struct request *request);
int64_t handlers_request_write_deadline(const struct request *request);
