/*
 * session: the store, for the token subcommands, which work on Redis
 * directly. Blocks until Redis has answered, for 5 seconds at most.
 */
#ifndef CALLHISTORY_CTL_SESSION_H
#define CALLHISTORY_CTL_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "callhistoryctl/settings.h"
#include "store/store.h"

struct session {
	const struct settings *settings;
	struct redis *redis;
	struct store *store;
	struct arena *arena;
	int64_t deadline_us; /* for all that is asked */
};

/* Opens it; says what is wrong itself. Returns 0 or an exit code. */
int session_open(struct session *session, const struct settings *settings);

/* Runs the connection until *done, which a callback sets; the deadline makes sure of that. */
void session_wait(struct session *session, const bool *done);

/* Says why the store failed. Returns EXIT_FAILED. */
int session_failed(const struct session *session, int status);

void session_close(struct session *session);

#endif
