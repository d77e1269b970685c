/*
 * calls/methods: the methods of both services, each in a file of its own.
 */
#ifndef CALLHISTORY_CALLS_METHODS_H
#define CALLHISTORY_CALLS_METHODS_H

#include "calls/request.h"

extern const struct method list_calls_method;   /* list_calls.c */
extern const struct method count_calls_method;  /* count_calls.c */
extern const struct method get_call_method;     /* get_call.c */
extern const struct method record_calls_method; /* record_calls.c */

#endif
