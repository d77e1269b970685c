/*
 * route: the part of the route table (routes.c) that handlers may use. It names no handler.
 */
#ifndef CALLHISTORY_GATEWAY_ROUTE_H
#define CALLHISTORY_GATEWAY_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

#include "contract/contract.h"
#include "request.h"

struct route {
	const char *path;  /* a path that ends in '/' is followed by one variable segment, except "/" itself */
	const char *label; /* in metrics and logs */
	unsigned methods;  /* bits of enum request_method */
	const char *allow; /* the same, as the Allow header */
	bool api;          /* part of the contract, not of operation */
	enum contract_route contract;
	void (*handle)(struct request *request);
};

/* All routes, and how many there are. */
const struct route *routes_all(size_t *count);

/* Index of a request's route for metrics, and the labels by that index (METRICS_ROUTES_MAX). */
unsigned routes_index(const struct route *route);
extern const char *const routes_labels[];

#endif
