/*
 * http: the gateway's HTTP/1.1 server: libmicrohttpd, one daemon per worker, driven by the worker's loop; sockets,
 * limits and time (http_server.c), requests and answers (http_events.c), and a guard in front of libmicrohttpd that is
 * strict about what a request is (http_guard.c) with readers of heads (http_head.c) and chunks (http_chunks.c).
 *
 * A client can occupy little for long: heads, bodies and the number of connections are limited, an idle connection is
 * closed, a request must arrive within a time, and an answer must be taken within one. A client that disconnects
 * cancels its RPC.
 */
#pragma once

#include "request.h"

struct http;
struct worker;

/*
 * Starts to serve on listen_fd, which listens, does not block, and belongs to the server from here on, also on failure.
 * tls_cert and tls_key are PEM texts, which are read now; NULL: plain HTTP. Returns 0, -ENOMEM, -EINVAL (certificate or
 * key), -ENOSYS (libmicrohttpd would not read through the guard) or another negative errno.
 */
int http_create(struct http **out, struct worker *worker, int listen_fd, const char *tls_cert, const char *tls_key);

/*
 * Serves new connections with another certificate; open ones keep theirs. On failure (-EINVAL, -ENOMEM) nothing
 * changes.
 */
int http_reload(struct http *http, const char *tls_cert, const char *tls_key);

/* Handles what is ready, without waiting. */
void http_run(struct http *http);

/* What to poll for reading, and whether http_run() has something to do without an event there. */
int http_poll_fd(const struct http *http);
bool http_is_ready(const struct http *http);

/*
 * Closes connections that are over their time and cancels requests whose clients disconnected. Call it about every 100
 * ms.
 */
void http_tick(struct http *http, int64_t now_us);

/* Accepts the connections in the kernel's queue, then stops listening. */
void http_quiesce(struct http *http);

/* How many connections are open. */
size_t http_connections(const struct http *http);

/* Whether a request is arriving, handled or answered. Looks at every connection. */
bool http_has_requests(const struct http *http);

/* Closes all connections. No request may be suspended. Takes NULL. */
void http_destroy(struct http *http);

/* Frees the memory of a large body, which is not read any more. The request's end does it, too. */
void http_free_body(struct request *request);

/* Suspends the connection until http_answer(). Call it before an RPC starts. */
void http_suspend(struct request *request);

/* Sends request->answer. Once per request. */
void http_answer(struct request *request);
