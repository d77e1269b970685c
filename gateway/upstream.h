/*
 * upstream: calls of the service on behalf of a request, and its failures as
 * HTTP (contract/README.md).
 */
#ifndef CALLHISTORY_GATEWAY_UPSTREAM_H
#define CALLHISTORY_GATEWAY_UPSTREAM_H

#include <stdbool.h>

#include "request.h"

/*
 * Makes the request ready for a call: deadline, credentials and trace in its context, suspended, counted as in flight.
 * False when it was answered instead: too much is in flight.
 */
bool upstream_begin(struct request *request);

/* The time that the request has, in ms, from --timeout and X-Request-Timeout; -1 when that header is no such number. */
int64_t upstream_timeout_ms(const struct request *request);

/* Fills in the answer to a call that failed, from the request's context. */
void upstream_failed(struct request *request);

/* The call succeeded, but what it brought is no call: makes the answer the 500 of an error of ours. */
void upstream_unreadable(struct request *request);

#endif
