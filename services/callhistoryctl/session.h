/*
 * session: blocking access to the store, for the subcommands that work on Redis directly. Waits until Redis has
 * answered, 5 s at most; fails earlier if nothing listens at its address. One thread.
 */
#pragma once

#include "callhistoryctl/settings.h"
#include "store/store.h"

/* Time limit of a session, in microseconds: all its operations share one deadline. */
#define SESSION_PATIENCE_US INT64_C(5000000)

/* A tenant that a command is for. */
struct session_tenant {
	struct store_tenant tenant; /* texts are in the session's arena */
	bool listed;                /* it is in callhistory:tenants; otherwise only a token names it */
};

struct session {
	const struct settings *settings;
	struct redis *redis;
	struct store *store;
	struct arena *arena;
	bool connected;                 /* once; a connection refused later is retried, as Redis may be restarting */
	int64_t refusal_us;             /* when a refused connection becomes final; monotonic clock */
	int64_t deadline_us;            /* of all operations */
	bool done;                      /* the pending operation's callback has fired */
	int status;                     /* its result */
	struct session_tenant *tenants; /* in the order of Redis's reply */
	size_t tenant_count;
	struct buffer tenant_bytes; /* the memory of `tenants` */
};

/*
 * Opens the store at --redis. Reports errors itself. Returns EXIT_DONE, or an exit code; then the session is closed.
 * Also ignores SIGPIPE for the process.
 */
int session_open(struct session *session, const struct settings *settings);

/*
 * Waits for the operation of the store whose start has returned `started`; its callback calls session_end(), at the
 * deadline at the latest. Returns `started` if that is a failure, the operation's status, -EINTR after a signal, or
 * -ECONNREFUSED. If `done` is false afterwards, the callback fires in session_close().
 */
int session_wait(struct session *session, int started);

/* Ends session_wait(), which returns `status`. For the operation's callback. */
void session_end(struct session *session, int status);

/*
 * Reads the tenants: all, or the one that --project-code and --vbot-id name. Waits as session_wait() does. 0 or a
 * negative errno.
 */
int session_read_tenants(struct session *session);

/* Adds a tenant that was created after session_read_tenants(). 0 or -ENOMEM. */
int session_add_tenant(struct session *session, const struct store_tenant *tenant);

/* Reports the failure `status` of session_wait() on standard error. Returns EXIT_FAILED. */
int session_failed(const struct session *session, int status);

/* Disconnects and frees the session. Callbacks that are still pending are called. */
void session_close(struct session *session);
