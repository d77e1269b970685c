/*
 * session: the store, for the token subcommands, which work on Redis
 * directly. Blocks until Redis has answered, for 5 seconds at most, or until
 * it is clear that nothing listens at its address.
 */
#ifndef CALLHISTORY_CTL_SESSION_H
#define CALLHISTORY_CTL_SESSION_H

#include <stdbool.h>
#include <stdint.h>

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
};

/* Opens it; reports errors itself. Returns 0 or an exit code. */
int session_open(struct session *session, const struct settings *settings);

/*
 * Runs the connection until *done, which a callback sets; the deadline makes sure of that. Returns 0, -EINTR after a
 * signal, or -ECONNREFUSED; after a failure the callback fires in session_close().
 */
int session_wait(struct session *session, const bool *done);

/* Reports why the store failed. Returns EXIT_FAILED. */
int session_failed(const struct session *session, int status);

void session_close(struct session *session);

#endif
