/*
 * http: the gateway's HTTP/1.1 server: libmicrohttpd, one daemon per worker, driven by the worker's loop; sockets,
 * limits and timeouts (http_server.c), requests and answers (http_events.c), and a guard in front of libmicrohttpd that
 * is strict about what a request is (http_guard.c) with readers of heads (http_head.c) and chunks (http_chunks.c).
 *
 * The resources of a slow or hostile client are limited: the sizes of heads and bodies, the number of connections, the
 * time without a request, and the times to send a request and to receive its answer. If a client disconnects, its RPC
 * is cancelled. After http_create(), only the worker's thread may call these functions.
 */
#pragma once

#include "request.h"

struct http;
struct worker;

/*
 * Starts to serve on listen_fd, a non-blocking listening socket, which belongs to the server, also on failure.
 * tls_cert and tls_key are PEM texts, which are read now; NULL: plain HTTP. Returns 0, -ENOMEM, -EINVAL (certificate or
 * key), -ENOSYS (libmicrohttpd would not read through the guard) or another negative errno.
 */
int http_create(struct http **out, struct worker *worker, int listen_fd, const char *tls_cert, const char *tls_key);

/*
 * Serves new connections with another certificate; open ones keep theirs. On failure (-EINVAL, -ENOMEM) nothing
 * changes.
 */
int http_reload(struct http *http, const char *tls_cert, const char *tls_key);

/* Handles all events that are pending. Does not block. */
void http_run(struct http *http);

/* The descriptor to poll for reading, and whether http_run() has work to do although it has no event. */
int http_poll_fd(const struct http *http);
bool http_is_ready(const struct http *http);

/*
 * Closes connections whose time limit has passed and cancels requests whose clients disconnected. Call it about every
 * 100 ms.
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

/* Frees the memory of a large body before the request's end, when the body is no longer needed. */
void http_free_body(struct request *request);

/* Suspends the connection until http_answer(). Call it before an RPC starts. */
void http_suspend(struct request *request);

/* Sends request->answer. Once per request. */
void http_answer(struct request *request);
