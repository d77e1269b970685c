/*
 * callhistoryd/connections: limits on the clients' connections, which gRPC Core 1.51 does not have.
 *
 * gRPC calls accept4(), epoll_ctl(), recvmsg(), sendmsg(), SSL_read(), SSL_write() and close(). The program defines
 * these functions itself, so that the libraries call them in place of the C library's and OpenSSL's. They
 *   - refuse connections above a number, in total and for each address, and
 *     when descriptors have run out (after one failed accept4() gRPC would
 *     stop listening permanently);
 *   - follow the frames of each connection (rpc/frames.h) and close those that
 *     waste them, or let a request take too long to arrive;
 *   - refuse most new connections of an address that has just wasted them (offenders.h);
 *   - let the connections take turns, so that one with thousands of requests
 *     keeps the others waiting for some of them only;
 *   - hide new streams from gRPC while the program drains, and answer requests of
 *     other content types with 415 (rpc/frames.h).
 *
 * All of it concerns connections that a thread accepts after connections_guard(). There is one table for the process,
 * since the interposed functions have no argument to pass it by.
 */
#pragma once

#include "rpc/frames.h"

struct connections_options {
	uint32_t most, most_per_address; /* connections; those over unix sockets have no address */
	int64_t request_ms;              /* how long a request may take to arrive */
	uint64_t request_bytes;          /* of all requests that have not arrived yet, together */
	uint32_t streams;                /* of one connection that are not answered */
	uint64_t stream_bytes;           /* what gRPC may need for those of all connections, together */
	bool tls;                        /* the ports speak TLS; those of health may not */
};

/* Sets the limits and allows the process all descriptors but a few. Before any other thread is there. 0 or -ENOMEM. */
int connections_prepare(const struct connections_options *options);

/* Guards the connections that this thread accepts from now on. */
void connections_guard(void);

/* Closes connections whose requests take too long or too much memory. Call it every second, on one thread. */
void connections_watch(void);

/*
 * Exempts connections of this port or unix:PATH from the drain: health is probed until the end. Before the first
 * thread.
 */
void connections_exempt(const char *address, int port);

/*
 * Hides new streams from gRPC from now on. Streams that gRPC has seen by then are served: wait until
 * connections_unfinished() is 0 and the queue is idle before the server is shut down. From any thread.
 */
void connections_drain(void);

/* Requests that have begun and not arrived yet. From any thread. */
uint32_t connections_unfinished(void);

/* Why a connection was refused or closed; the first ones are the verdicts of rpc/frames.h. */
enum connections_reason {
	CONNECTIONS_SLOW = RPC_FRAMES_VERDICTS, /* a request took too long to arrive */
	CONNECTIONS_UNFINISHED, /* too many requests or bytes of them, and this connection had most of them */
	CONNECTIONS_STREAMS,    /* more streams than the settings allow; gRPC checks it after they are acknowledged */
	CONNECTIONS_MOST,
	CONNECTIONS_PER_ADDRESS,
	CONNECTIONS_AFTER_RESETS, /* too many new connections of an address that has just sent a flood of resets */
	CONNECTIONS_DESCRIPTORS,
	CONNECTIONS_REASONS
};

struct connections_stats {
	uint32_t open;
	uint64_t closed[CONNECTIONS_REASONS];
	char last_address[CONNECTIONS_REASONS][48]; /* of the last one that was closed for this reason */
};

/* From any thread. */
void connections_get_stats(struct connections_stats *stats);

/* A reason as a label of metrics. */
const char *connections_reason_name(enum connections_reason reason);
