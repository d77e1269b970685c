/*
 * operation: the paths for those who run the gateway: /healthz, /readyz,
 * /metrics, /openapi.json.
 */
#ifndef CALLHISTORY_GATEWAY_OPERATION_H
#define CALLHISTORY_GATEWAY_OPERATION_H

#include "request.h"

/* 200 while all workers make progress, else 503. */
void operation_healthz(struct request *request);

/*
 * 200 from the start until the drain, then 503. It does not depend on the service: while that is unavailable, requests get the
 * contract's 503, which they would not if every gateway left its balancer.
 */
void operation_readyz(struct request *request);

/* Prometheus's text format. */
void operation_metrics(struct request *request);

/* The contract as OpenAPI 3.1. */
void operation_openapi(struct request *request);

#endif
