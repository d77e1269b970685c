/* route: the table of paths, methods and their handlers (routes.c). */
#pragma once

#include "request.h"

/* Methods that routes serve. */
struct route_methods {
	unsigned bits;     /* of enum request_method */
	const char *names; /* as the Allow header has them */
};

struct route {
	const char *path; /* ends in the name of a variable segment in braces, or is fixed */
	bool api;         /* part of the contract, not of operation */
	const struct route_methods *methods;
	void (*handle)(struct request *request);
	enum contract_route contract; /* where `api` */
	size_t body_most;             /* bytes of a body with credentials; 0: REQUEST_BODY_MAX, as without */
};

/* Finds the route of a target and sets route, route_tail and query, which point into it. The target is changed. */
void routes_find(struct request *request, char *target);

/*
 * Calls the handler of a complete request, or answers the errors that precede any handler: the request's refusal, 404,
 * 405, 413, 415.
 */
void routes_dispatch(struct request *request);

/* Index of a request's route for metrics (NULL: of unknown paths), and the path of an index; NULL beyond the last. */
unsigned routes_index(const struct route *route);
const char *routes_label(unsigned index);
