/*
 * operation: the paths that need no token: documentation (/, /docs, /openapi.json) and state (/healthz, /readyz,
 * /metrics).
 */
#pragma once

#include "request.h"

/* A page with the product's name, version and paths. */
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
 * 200 from the start until the drain, then 503. It does not depend on the service: if it did, all gateways would leave
 * the load balancer while the service is unavailable, and clients would not get the contract's 503.
 */
void operation_readyz(struct request *request);

/* Prometheus's text format. */
void operation_metrics(struct request *request);

/* The contract as OpenAPI 3.1. */
void operation_openapi(struct request *request);
