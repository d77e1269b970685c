/*
 * operation: the paths for those who run the gateway: /healthz, /readyz,
 * /metrics, /openapi.json.
 */
#ifndef CALLHISTORY_GATEWAY_OPERATION_H
#define CALLHISTORY_GATEWAY_OPERATION_H

#include "request.h"

/* 200 while the process is alive. */
void operation_healthz(struct request *request);

/* 200 when the service says that it serves, else 503; the service's word is kept for a second. */
void operation_readyz(struct request *request);

/* Prometheus's text format. */
void operation_metrics(struct request *request);

/* The contract as OpenAPI 3.1. */
void operation_openapi(struct request *request);

#endif
