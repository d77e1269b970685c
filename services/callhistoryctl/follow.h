/* follow: imports what is appended to files, across their rotation, until a signal. */
#pragma once

#include "callhistoryctl/feed.h"

enum { FOLLOW_FILES_MAX = 16 };

/*
 * Follows the operands; a file that does not exist yet is awaited. The file of --state has the positions: it is written
 * after the service has recorded the calls, so that a restart repeats some, which changes nothing, and misses none.
 * Returns an exit code; errors have been reported.
 */
int follow_run(struct feed *feed);
