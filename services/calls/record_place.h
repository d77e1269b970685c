/*
 * calls/record_place: where a stored call stands in the order, read from its
 * bytes without unpacking it. Pure.
 */
#ifndef CALLHISTORY_CALLS_RECORD_PLACE_H
#define CALLHISTORY_CALLS_RECORD_PLACE_H

#include "store/store.h"

/* Reads id and start time of a packed Call. 0 or -EBADMSG. */
int record_place(const struct store_record *record, struct store_position *out);

#endif
