/*
 * response: an answer as it is sent: the status line, the headers that all
 * answers have, and the handler's own.
 */
#ifndef CALLHISTORY_GATEWAY_RESPONSE_H
#define CALLHISTORY_GATEWAY_RESPONSE_H

#include "request.h"

struct MHD_Connection;

/*
 * Completes request->answer and hands it to libmicrohttpd. With request->close it says that the connection ends.
 * Returns 0 or -ENOMEM: no answer can be sent.
 */
int response_queue(struct request *request, struct MHD_Connection *connection);

#endif
