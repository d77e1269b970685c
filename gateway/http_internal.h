/*
 * http_internal: what http_server.c (sockets, limits, time) and http_connection.c
 * (requests and answers on one connection) share.
 */
#ifndef CALLHISTORY_GATEWAY_HTTP_INTERNAL_H
#define CALLHISTORY_GATEWAY_HTTP_INTERNAL_H

#include "http.h"
#include "http_chunks.h"
#include "http_head.h"

struct ssl_st;

/* Bytes that were received and not used yet. Idle connections have none. */
struct http_input {
	struct http_input *next; /* in the list of free ones */
	size_t begin, end;
	char bytes[HTTP_HEAD_MAX];
};

enum connection_state {
	CONNECTION_HEAD,    /* waits for a request's head */
	CONNECTION_BODY,    /* waits for its body */
	CONNECTION_WAITING, /* a handler owes the answer */
	CONNECTION_SENDING,
	CONNECTION_LINGERING, /* all was sent; what still comes is discarded, so that no reset overtakes the answer */
	CONNECTION_CLOSED,    /* freed when the list of ready ones is through with it */
};

struct connection {
	struct connection *next, *previous; /* ring of all */
	struct connection *ready_next;
	struct http *http;
	struct ssl_st *tls; /* NULL: plain */
	struct http_input *input;
	struct request *request; /* from a head's last byte to its answer's; else NULL */
	int fd;
	enum connection_state state;
	uint32_t admission_slot;
	bool admitted; /* counted by admission */
	bool ready;    /* in the list of those to run */
	bool readable; /* the socket may have bytes */
	bool peer_closed;
	bool expired;        /* the deadline has passed */
	bool unframed;       /* the last request had no framing of a body, so what follows may be one */
	bool blank_skipped;  /* an empty line before this head */
	bool receiving;      /* a part of a request is in */
	size_t head_line;    /* http_head_find()'s */
	uint64_t body_left;  /* Content-Length still to come */
	size_t sent;         /* of the answer */
	size_t discarded;    /* while lingering */
	int64_t deadline_us; /* of its state */
	struct http_chunks chunks;
};

struct http {
	struct worker *worker;
	struct http_options options;
	struct ssl_ctx_st *tls; /* for new connections; NULL: plain */
	int poll_fd;            /* epoll */
	int spare_fd;           /* given up for a moment when descriptors run out */
	int64_t now_us;         /* when this round began */
	int64_t sweep_us;
	int64_t date_second;
	char date[32];                 /* for the Date header */
	struct connection connections; /* head of a ring */
	size_t connection_count;
	size_t turned_away; /* connections beyond a limit that still linger */
	struct connection *ready_first, *ready_last;
	struct request *suspended_first, *suspended_last; /* oldest first */
	size_t suspended_count;
	struct request *free; /* by next */
	size_t free_count;
	struct http_input *free_inputs;
	size_t free_input_count;
	int64_t busy_us; /* when a request last began */
	bool quiesced;
};

/* Adds to the list of those that http_run() runs. */
void connection_make_ready(struct connection *connection);

/*
 * Does what can be done now, one answer at most. For connections in the list of ready ones, which are then freed by who took them off
 * it where they are CONNECTION_CLOSED. Returns whether there is more to do at once.
 */
bool connection_run(struct connection *connection);

/* Ends it at once, with a request that it may have. May free it. */
void connection_close(struct connection *connection);

/* Sends `text` and closes in good order. For connections that are not admitted. */
void connection_turn_away(struct connection *connection, const char *text, size_t length);

/* Frees the memory that is kept for the next requests, but for `keep` of each kind. */
void http_release(struct http *http, size_t keep);

#endif
