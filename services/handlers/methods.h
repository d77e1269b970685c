/*
 * handlers/methods: the methods of both services, each in a file of its own.
 */
#ifndef CALLHISTORY_HANDLERS_METHODS_H
#define CALLHISTORY_HANDLERS_METHODS_H

#include "handlers/request.h"

extern const struct method handlers_list_calls;   /* list_calls.c */
extern const struct method handlers_count_calls;  /* count_calls.c */
extern const struct method handlers_get_call;     /* get_call.c */
extern const struct method handlers_record_calls; /* record_calls.c */

#endif
