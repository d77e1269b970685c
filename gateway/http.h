/*
 * http: the room of libmicrohttpd: one daemon per worker, driven by the
 * worker's loop; the life of connections and requests; answers on the wire.
 *
 * A client can hold nothing for long: headers, bodies and the number of
 * connections are capped, an idle connection ends, a request must be in within
 * a time, and so must an answer be taken. A client that has gone ends its RPC.
 */
#ifndef CALLHISTORY_GATEWAY_HTTP_H
#define CALLHISTORY_GATEWAY_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "request.h"

struct http;
struct worker;

struct http_options {
	int listen_fd;            /* owned by libmicrohttpd from here on, whatever comes of it */
	unsigned max_connections; /* of this worker */
	unsigned idle_timeout_s;
	int64_t request_timeout_us;     /* from the request line to the end of the body */
	const char *tls_cert, *tls_key; /* PEM texts; NULL: plain HTTP */
};

/* Makes the daemon. Returns 0, -ENOMEM or -EINVAL (libmicrohttpd refused; the log says why). */
int http_create(struct http **out, struct worker *worker, const struct http_options *options);

/*
 * Serves new connections with another certificate; the open ones finish with theirs, after their next answer at the latest.
 * 0, or -EINVAL or -EBUSY (too many certificates in a short time): the old one stays.
 */
int http_reload(struct http *http, const char *tls_cert, const char *tls_key);

/* Handles what is ready, without waiting. */
void http_run(struct http *http);

/* What to poll for reading, and for how long at most in ms; 0: not at all. */
int http_poll_fd(const struct http *http);
int http_poll_timeout_ms(const struct http *http, int most_ms);

/* Ends what took too long and notices clients that have gone. To be called about every 100 ms. */
void http_tick(struct http *http, int64_t now_us);

/* Takes in the connections that wait in the kernel, then no more. */
void http_quiesce(struct http *http);

size_t http_connections(const struct http *http);

/* Requests that wait for their answer. */
size_t http_suspended(const struct http *http);

/* Ends all connections. No request may be suspended. Takes NULL. */
void http_destroy(struct http *http);

/* Lets the connection wait. To be called before an RPC starts; http_answer() ends it. */
void http_suspend(struct request *request);

/* Sends request->answer. Once per request. */
void http_answer(struct request *request);

#endif
