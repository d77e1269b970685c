/* redis/greeting: what a new connection sends first, and what the replies must be. Private to the module. */
#ifndef CALLHISTORY_REDIS_GREETING_H
#define CALLHISTORY_REDIS_GREETING_H

#include "redis/connection.h"

/* Sends the greeting; its replies end in connection_greeted() or connection_break(). Returns 1. */
int greeting_begin(struct connection *connection);

/* The last reply came, and all is well. */
void connection_greeted(struct connection *connection);

#endif
