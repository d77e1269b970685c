/*
 * response: an answer as libmicrohttpd sends it, with the headers that all
 * answers have.
 */
#ifndef CALLHISTORY_GATEWAY_RESPONSE_H
#define CALLHISTORY_GATEWAY_RESPONSE_H

#include <stdbool.h>

#include "request.h"

struct MHD_Connection;

/* Queues request->answer; with `close`, the connection ends after it. 0 or -ENOMEM: nothing was queued. */
int response_queue(struct request *request, struct MHD_Connection *connection, bool close);

#endif
