/*
 * response: an answer as it is sent: the status line, the headers that all
 * answers have, and the handler's own.
 */
#ifndef CALLHISTORY_GATEWAY_RESPONSE_H
#define CALLHISTORY_GATEWAY_RESPONSE_H

#include <stdint.h>

#include "request.h"

/*
 * Completes request->answer: the head, and the body as it is sent. With request->close it says that the connection ends. `date` is the
 * Date header's value. answer.head.failed: out of memory, nothing can be sent.
 */
void response_write(struct request *request, const char *date);

/* Writes the current time as a Date header has it; returns the Unix second of it. */
int64_t response_date(char date[32]);

#endif
