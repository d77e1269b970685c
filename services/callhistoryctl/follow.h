/* follow: imports what is appended to files, across their rotation, until a signal. */
#pragma once

#include "callhistoryctl/feed.h"

/*
 * Follows these files; one that does not exist yet is awaited. `state` names the file of the positions
 * (follow_state.h): it is written after the service has recorded the calls, so that a restart repeats some, which
 * changes nothing, and misses none. Returns an exit code; errors have been reported.
 */
int follow_run(struct feed *feed, const char *state, int count, char **paths);
