/*
 * readiness: the service's word on its health, asked for at most once a second
 * however many ask. One per worker.
 */
#ifndef CALLHISTORY_GATEWAY_READINESS_H
#define CALLHISTORY_GATEWAY_READINESS_H

#include <stdbool.h>

#include "rpc/channel.h"

struct readiness;

/* `channel` must be destroyed before the readiness, which then has no question open. 0 or -ENOMEM. */
int readiness_create(struct readiness **out, struct rpc_channel *channel);
void readiness_destroy(struct readiness *readiness);

/* The word of the last second, if there is one. */
bool readiness_known(const struct readiness *readiness, bool *ready);

/* Asks; `done` is called once, later, or at once with false where asking fails. */
void readiness_ask(struct readiness *readiness, void (*done)(void *data, bool ready), void *data);

#endif
