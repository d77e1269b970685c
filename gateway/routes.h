/*
 * routes: maps paths and methods to handlers, and answers the errors that precede any handler: 404, 405, 413.
 */
#pragma once

#include "route.h"

/* Finds the route of the request's target and sets route, route_tail and query. */
void routes_find(struct request *request);

/* Answers a complete request, or one whose body is too large to be read. */
void routes_dispatch(struct request *request);
