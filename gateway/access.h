/* access: what remains of a request when it is over: metrics, and the sampled access line. */
#ifndef CALLHISTORY_GATEWAY_ACCESS_H
#define CALLHISTORY_GATEWAY_ACCESS_H

#include <stdbool.h>

#include "request.h"

/* Accounts for a request that is over; `sent`: its answer went out whole. */
void access_finish(struct request *request, bool sent);

#endif
