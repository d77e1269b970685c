/*
 * operation: the paths that need no token: what this is and how it is used
 * (/, /docs, /openapi.json), and how it is (/healthz, /readyz, /metrics).
 */
#ifndef CALLHISTORY_GATEWAY_OPERATION_H
#define CALLHISTORY_GATEWAY_OPERATION_H

#include "request.h"

/* Names the product, its version and its paths, as a page. */
void operation_index(struct request *request);

/*
 * A reference of the API, as a page whose script renders /openapi.json and sends requests. It loads nothing from
 * elsewhere.
 */
void operation_docs(struct request *request);
void operation_docs_script(struct request *request);

/* 200 while all workers make progress, else 503. */
void operation_healthz(struct request *request);

/*
 * 200 from the start until the drain, then 503. It does not depend on the service: while that is unavailable, requests
 * get the contract's 503, which they would not if every gateway left its balancer.
 */
void operation_readyz(struct request *request);

/* Prometheus's text format. */
void operation_metrics(struct request *request);

/* The contract as OpenAPI 3.1. */
void operation_openapi(struct request *request);

#endif
