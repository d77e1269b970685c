/* response: sends an answer: its status, the headers of all answers and those of the handler. */
#pragma once

#include "request.h"

struct MHD_Connection;

/*
 * Completes request->answer and hands it to libmicrohttpd. With request->close it announces the end of the connection.
 * Returns 0 or -ENOMEM: no answer can be sent.
 */
int response_queue(struct request *request, struct MHD_Connection *connection);
