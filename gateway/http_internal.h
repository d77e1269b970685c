/*
 * http_internal: what http_server.c (sockets, limits, time), http_guard.c (the bytes that libmicrohttpd reads) and
 * http_events.c (requests and answers) share.
 */
#pragma once

#include <microhttpd.h>

#include "http.h"
#include "http_chunks.h"
#include "http_head.h"

struct tls;

enum {
	HTTP_POOL_BYTES = 12 * 1024, /* libmicrohttpd's for each connection: the answer's head fits beside its buffer */
};

/* Received bytes that are not used yet. Connections that are idle, or wait for an answer, have none. */
struct http_input {
	size_t begin, end;
	char bytes[HTTP_HEAD_MAX];
};

enum connection_state {
	CONNECTION_HEAD,          /* waits for a request's head */
	CONNECTION_BODY,          /* waits for its body */
	CONNECTION_CONSTANT_HEAD, /* the request was read; libmicrohttpd reads the constant head in its place */
	CONNECTION_ANSWERING,     /* libmicrohttpd has read that head; until the answer is sent */
	CONNECTION_ENDED,         /* no request will follow */
	CONNECTION_LINGERING,     /* an open descriptor discards input, so that no reset overtakes the answer */
};

struct connection {
	LIST_ENTRY(connection) entry; /* among all of the server */
	struct http *http;
	struct MHD_Connection *mhd;             /* NULL: not started yet, or lingering */
	struct gnutls_session_int *tls_session; /* libmicrohttpd's; NULL: plain */
	struct tls *tls;                        /* whose certificate it uses */
	struct http_input *input;
	struct request *request; /* from its head to the answer's last byte */
	char *pool;              /* libmicrohttpd's memory for it, HTTP_POOL_BYTES long; NULL: not known, or released */
	int fd;
	enum connection_state state;
	uint32_t admission_slot;
	bool admitted; /* counted by admission.c */
	bool peer_ended;
	bool more;           /* the socket may have bytes that no further event reports */
	bool expired;        /* the time limit of the request has passed; not handled yet */
	bool shut;           /* shutdown() was called because the time limit has passed */
	bool receiving;      /* part of a request has been received */
	bool unframed;       /* the last request had no framing of a body, so what follows may be one */
	bool blank_skipped;  /* an empty line before this head */
	bool chunked;        /* this request's body is chunked */
	bool http_1_0;       /* this request's version is HTTP/1.0 */
	size_t head_read;    /* bytes of the constant head that libmicrohttpd has read */
	size_t head_line;    /* position of http_head_find() */
	int64_t body_left;   /* Content-Length still to come */
	size_t discarded;    /* while lingering */
	int64_t deadline_us; /* of its state */
	int64_t received_us; /* when this request's head was complete */
	struct http_chunks chunks;
};

struct http {
	struct worker *worker;
	int listen_fd;
	int64_t idle_timeout_us;    /* without a request */
	int64_t request_timeout_us; /* from a request's first byte to its last */
	struct MHD_Daemon *daemon;
	struct tls *tls; /* for new connections; NULL: plain */
	int poll_fd;     /* epoll over the listener, the daemon's epoll and connections that linger */
	int spare_fd;    /* closed for a moment when descriptors run out */
	int64_t now_us;  /* when this round began */
	int64_t sweep_us;
	LIST_HEAD(, connection) connections;
	size_t connection_count;
	size_t turned_away;        /* connections beyond a limit that still linger */
	struct connection **by_fd; /* those that libmicrohttpd serves */
	size_t by_fd_size;
	TAILQ_HEAD(, request) suspended; /* oldest first */
	TAILQ_HEAD(, request) free;
	size_t free_count;
	bool resumed; /* libmicrohttpd has connections to resume */
	bool quiesced, stopping;
};

/* http_server.c: closes or frees the rest of a connection that libmicrohttpd has closed. */
void http_linger(struct connection *connection);

/* http_guard.c: whether libmicrohttpd will read through the guard: 0 or -ENOSYS. */
int http_guard_check(void);

/* Calls MHD_run() with the guard. */
void http_guard_run(struct http *http);

/* Prepares for the next request, or for the end of the connection. */
void http_guard_next(struct connection *connection, bool last);

/* Whether bytes were received that cannot begin a request, such as a body without Content-Length. */
bool http_guard_has_garbage(const struct connection *connection);

/* Whether libmicrohttpd must be called to read although no event is pending. */
bool http_guard_has_more(const struct connection *connection);

/* Frees the input buffer and its contents. */
void http_guard_drop(struct connection *connection);

/* http_events.c: begins the connection's next request. NULL when out of memory. */
struct request *http_begin(struct connection *connection);

/* libmicrohttpd's callbacks; `data` is the http object. */
enum MHD_Result http_on_request(void *data, struct MHD_Connection *mhd, const char *url, const char *method,
                                const char *version, const char *body, size_t *length, void **slot);
void http_on_completed(void *data, struct MHD_Connection *mhd, void **slot, enum MHD_RequestTerminationCode end);
void http_on_connection(void *data, struct MHD_Connection *mhd, void **slot, enum MHD_ConnectionNotificationCode what);

/* Frees the pooled requests except `keep`. */
void http_events_release(struct http *http, size_t keep);
