/*
 * handlers/scan: reads the calls of a selection, newest first, in batches, and returns those that match its filter: for
 * ListCalls and CountCalls with a filter. Reads at most HANDLERS_SCAN_MAX calls for one request.
 */
#pragma once

#include "handlers/arguments.h"
#include "handlers/request.h"

/*
 * `match` is called with each call that matches the filter, valid during that call; it returns 0 to continue, 1 to
 * stop, or a negative value after context_fail(). `done` is called once when the scan is over, unless it fails or is
 * cancelled: the request is then ended here. Its `rest` is NULL, or, where the bound ended the scan before the
 * selection did, the position of the last call that was tested. `after` may be NULL. Neither is called from inside
 * handlers_scan_start(). Returns 0, or a negative value after context_fail(). All pointers must live as long as the
 * request.
 */
int handlers_scan_start(struct request *request, const struct selection *selection, const struct store_position *after,
                        int (*match)(void *data, const struct store_record *record),
                        void (*done)(void *data, const struct store_position *rest), void *data);
