/*
 * gateway: what all workers share. main() owns it; only `phase`, `quiesced`
 * and `grace_until_us` change once the workers run.
 */
#ifndef CALLHISTORY_GATEWAY_GATEWAY_H
#define CALLHISTORY_GATEWAY_GATEWAY_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "metrics.h"
#include "pem_files.h"
#include "settings.h"

enum gateway_phase {
	GATEWAY_SERVING,
	GATEWAY_NOT_READY, /* /readyz says no, all else goes on: balancers turn away */
	GATEWAY_DRAINING,  /* no new connections; requests in flight finish */
};

struct gateway {
	const struct settings *settings;
	const struct log *log;
	struct metrics *metrics[SETTINGS_WORKERS_MAX]; /* one per worker */
	size_t workers;
	struct pem_files *listener_files; /* certificate, key; NULL: plain HTTP */
	struct pem_files *service_files;  /* CA, certificate, key; NULL: plaintext */
	_Atomic int phase;                /* enum gateway_phase */
	_Atomic size_t quiesced;          /* workers that listen no more */
	_Atomic int64_t grace_until_us;   /* end of the drain */
};

#endif
