/* gateway: what all workers share. main() owns it; only the atomics change once the workers run. */
#pragma once

#include <stdatomic.h>

#include "admission.h"
#include "base/log.h"
#include "base/pem_files.h"
#include "metrics.h"
#include "settings.h"

enum gateway_phase {
	GATEWAY_SERVING,
	GATEWAY_NOT_READY, /* /readyz is 503 so that balancers stop sending requests; everything else is served */
	GATEWAY_DRAINING,  /* no new connections; requests in flight finish */
};

/* The state of a worker; only the worker writes it. */
struct pulse {
	_Atomic int64_t beat_us; /* when its loop last ran; 0: not started, CLOCK_NEVER: ended */
	_Atomic int64_t busy_us; /* when a request last began */
};

struct gateway {
	const struct settings *settings;
	const struct log *log;
	struct metrics *metrics[SETTINGS_WORKERS_MAX]; /* one per worker */
	struct pulse pulses[SETTINGS_WORKERS_MAX];
	size_t workers;
	struct admission *admission;
	struct memory_budget memory;      /* of requests and answers */
	struct pem_files *listener_files; /* certificate, key; NULL: plain HTTP */
	struct pem_files *service_files;  /* CA, certificate, key; NULL: plaintext */
	_Atomic int phase;                /* enum gateway_phase */
	_Atomic size_t quiesced;          /* workers that have stopped listening */
	_Atomic int64_t grace_until_us;   /* end of the drain */
};
