/*
 * routes: which path and method lead to which handler, and the errors that
 * come before any handler: 404, 405, 413.
 */
#ifndef CALLHISTORY_GATEWAY_ROUTES_H
#define CALLHISTORY_GATEWAY_ROUTES_H

#include "contract/contract.h"
#include "request.h"

struct route {
	const char *path;  /* a path that ends in '/' has one variable segment behind it */
	const char *label; /* in metrics and logs */
	unsigned methods;  /* bits of enum request_method */
	const char *allow; /* the same, as the Allow header */
	bool api;          /* part of the contract, not of operation */
	enum contract_route contract;
	void (*handle)(struct request *request);
};

/* Finds the route of the request's target and sets route, route_tail and query. */
void routes_find(struct request *request);

/* Answers a complete request, or one whose body is too large to wait for. */
void routes_dispatch(struct request *request);

/* Index of a request's route for metrics, and the labels by that index (METRICS_ROUTES_MAX). */
unsigned routes_index(const struct route *route);
extern const char *const routes_labels[];

#endif
