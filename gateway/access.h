/* access: metrics and the sampled access log line of a finished request. */
#ifndef CALLHISTORY_GATEWAY_ACCESS_H
#define CALLHISTORY_GATEWAY_ACCESS_H

#include <stdbool.h>

#include "request.h"

/* Records a finished request; `sent`: its answer was sent completely. */
void access_finish(struct request *request, bool sent);

#endif
