/*
 * session: the store, for the token subcommands, which work on Redis directly. Blocks until Redis has answered, for 5
 * seconds at most, or until it is clear that nothing listens at its address.
 */
#pragma once

#include "callhistoryctl/settings.h"
#include "store/store.h"

/* Time limit of all commands. */
#define SESSION_PATIENCE_US INT64_C(5000000)

struct session {
	const struct settings *settings;
	struct redis *redis;
	struct store *store;
	struct arena *arena;
	bool connected;      /* has been; then a refused connection may be a restart */
	int64_t refusal_us;  /* from then on a refused connection is final */
	int64_t deadline_us; /* of all commands */
	bool done;           /* the pending operation's callback has fired */
	int status;          /* its result */
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

/* Reports why the store failed. Returns EXIT_FAILED. */
int session_failed(const struct session *session, int status);

/* Disconnects and frees the session. Callbacks that are still pending fire. */
void session_close(struct session *session);
