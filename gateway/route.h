/*
 * route: the part of the route table (routes.c) that handlers may use. It names no handler.
 */
#pragma once

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
	size_t body_most; /* bytes of a body that comes with credentials; 0: REQUEST_BODY_MAX, as without */
};

/* All routes, and how many there are. */
const struct route *routes_all(size_t *count);

/* The most bytes that a body of this target may have, with or without credentials in the request. */
size_t routes_body_most(const char *target, bool credentials);

/* Index of a request's route for metrics (NULL: of unknown paths), and the label of an index; NULL beyond the last. */
unsigned routes_index(const struct route *route);
const char *routes_label(unsigned index);
