/*
 * upstream: calls of the service on behalf of a request, and its failures as
 * HTTP (contract/README.md).
 */
#ifndef CALLHISTORY_GATEWAY_UPSTREAM_H
#define CALLHISTORY_GATEWAY_UPSTREAM_H

#include <stdbool.h>

#include "request.h"

/*
 * Prepares a call: fills in deadline, credentials and trace, suspends the request and counts it as in flight. Returns
 * false if it was answered instead, because too many requests are in flight.
 */
bool upstream_begin(struct request *request);

/* The time limit of the request in ms, from --timeout and X-Request-Timeout; -1 if that header is invalid. */
int64_t upstream_timeout_ms(const struct request *request);

/* Fills in the answer to a call that failed, from the request's context. */
void upstream_failed(struct request *request);

/* The call succeeded, but its response contains an invalid call: sets the answer to 500. */
void upstream_unreadable(struct request *request);

#endif
