/*
 * session: the store, for the subcommands that work on Redis directly. Blocks until Redis has answered, for 5
 * seconds at most, or until it is clear that nothing listens at its address.
 */
#pragma once

#include "callhistoryctl/settings.h"
#include "store/store.h"

/* Time limit of all commands. */
#define SESSION_PATIENCE_US INT64_C(5000000)

/* A tenant that a command is for. */
struct session_tenant {
	struct store_tenant tenant; /* texts are in the session's arena */
	bool listed;                /* the list of tenants names it; else only a token does */
};

struct session {
	const struct settings *settings;
	struct redis *redis;
	struct store *store;
	struct arena *arena;
	bool connected;                 /* has been; then a refused connection may be a restart */
	int64_t refusal_us;             /* from then on a refused connection is final */
	int64_t deadline_us;            /* of all commands */
	bool done;                      /* the pending operation's callback has fired */
	int status;                     /* its result */
	struct session_tenant *tenants; /* in the order in which Redis has them */
	size_t tenant_count;
	struct buffer tenant_bytes; /* the memory of `tenants` */
};

/* Opens it; reports errors itself. Returns 0 or an exit code. */
int session_open(struct session *session, const struct settings *settings);

/*
 * Waits for the operation of the store whose start has returned `started`; its callback calls session_end(), at the
 * deadline at the latest. Returns `started` if that is a failure, the operation's status, -EINTR after a signal, or
 * -ECONNREFUSED. If `done` is false afterwards, the callback fires in session_close().
 */
int session_wait(struct session *session, int started);
void session_end(struct session *session, int status);

/*
 * Reads the tenants: all, or the one that --project-code and --vbot-id name. Waits as session_wait() does. 0 or a
 * negative errno.
 */
int session_read_tenants(struct session *session);

/* Adds one that was entered in the list of tenants since. 0 or -ENOMEM. */
int session_add_tenant(struct session *session, const struct store_tenant *tenant);

/* Reports why the store failed. Returns EXIT_FAILED. */
int session_failed(const struct session *session, int status);

/* Disconnects and frees the session. Callbacks that are still pending fire. */
void session_close(struct session *session);
