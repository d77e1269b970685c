/* upstream: calls of the service on behalf of a request, and its failures as HTTP (contract/README.md). */
#pragma once

#include <spliced.pb-c.h>

#include "request.h"

/*
 * Prepares a call: fills in deadline, credentials and trace, suspends the request and counts it as in flight. Returns
 * false if it was answered instead, because too many requests are in flight.
 */
bool upstream_begin(struct request *request);

/*
 * Makes the service check the token and nothing else: a GetCall without an id, which fails with INVALID_ARGUMENT for a
 * valid one. Calls `on_checked` unless too many requests are in flight; then the request is answered.
 */
void upstream_check_token(struct request *request, Callhistory__Spliced__GetCallResponse_Closure on_checked);

/*
 * Charges what a response will take as JSON, before it is written to the answer. False if the answer was replaced by an
 * error instead, because it exceeds the memory budget.
 */
bool upstream_reserve(struct request *request, const ProtobufCMessage *response);

/*
 * A response was written to the answer: frees all responses, and charges what the answer has grown by. False if it was
 * replaced by an error instead, because it exceeds the memory budget.
 */
bool upstream_written(struct request *request);

/* Prepares another call for the same request, after one that has ended. */
void upstream_renew(struct request *request);

/* The time limit of the request in ms, from --timeout and X-Request-Timeout; -1 if that header is invalid. */
int64_t upstream_timeout_ms(const struct request *request);

/* Fills in the answer to a call that failed, from the request's context. */
void upstream_failed(struct request *request);

/* The call succeeded, but its response contains an invalid call: sets the answer to 500. */
void upstream_unreadable(struct request *request);
