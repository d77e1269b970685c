/*
 * http_internal: what the files of the HTTP room share. A connection's struct
 * lives from accept to close, a request from its first line to the end of its
 * answer.
 */
#ifndef CALLHISTORY_GATEWAY_HTTP_INTERNAL_H
#define CALLHISTORY_GATEWAY_HTTP_INTERNAL_H

#include <microhttpd.h>

#include "http.h"

enum { HTTP_RETIRED_MAX = 4 };

struct connection {
	struct connection *next, *previous;
	struct MHD_Connection *mhd;
	struct http *http;
	int fd;
	unsigned generation; /* of the daemon that took it */
	int64_t deadline_us; /* of the state that it is in */
};

struct http {
	struct MHD_Daemon *daemon;
	struct MHD_Daemon *retired[HTTP_RETIRED_MAX]; /* with older certificates, until their connections have ended */
	size_t retired_count;
	unsigned generation; /* of the daemon that takes new connections */
	struct worker *worker;
	struct http_options options;
	int poll_fd;                   /* an epoll descriptor over the daemons' own */
	struct connection connections; /* head of a ring */
	size_t connection_count;
	struct request *suspended_first, *suspended_last; /* oldest first */
	size_t suspended_count;
	struct request *free; /* by next */
	size_t free_count;
	int64_t sweep_us;
	bool quiesced;
};

/* libmicrohttpd's callbacks; `data` is the http object. */
enum MHD_Result http_on_request(void *data, struct MHD_Connection *mhd, const char *url, const char *method,
                                const char *version, const char *body, size_t *length, void **slot);
void *http_on_target(void *data, const char *target, struct MHD_Connection *mhd);
void http_on_completed(void *data, struct MHD_Connection *mhd, void **slot, enum MHD_RequestTerminationCode end);
void http_on_connection(void *data, struct MHD_Connection *mhd, void **slot, enum MHD_ConnectionNotificationCode what);

#endif
