/* callhistoryd/metrics: libmicrohttpd with one thread; answers are complete before they are sent. */
#include "metrics.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>

#include "base/address.h"
#include "base/log.h"
#include "counters.h"

/*
 * At the first limit libmicrohttpd accepts no more; at the second it closes new connections of that address. So one
 * client that connects again and again does not keep a kubelet's probe waiting.
 */
enum { CONNECTIONS_MAX = 256, CONNECTIONS_PER_ADDRESS_MAX = 16, IDLE_SECONDS = 10 };

struct metrics {
	struct MHD_Daemon *daemon;
	const struct metrics_source *source;
};

static enum MHD_Result send_text(struct MHD_Connection *connection, unsigned int status, const char *type,
                                 const char *text, size_t length)
{
	struct MHD_Response *response =
	    MHD_create_response_from_buffer(length, (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);
	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	enum MHD_Result result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result send_word(struct MHD_Connection *connection, unsigned int status, const char *word)
{
	return send_text(connection, status, "text/plain; charset=utf-8", word, strlen(word));
}

static enum MHD_Result send_metrics(struct MHD_Connection *connection, const struct metrics_source *source)
{
	struct buffer text = {0};
	counters_write(&text, source->workers, source->worker_count, source->start_unix_ms, source->memory,
	               log_dropped(source->log));
	enum MHD_Result result =
	    text.failed
	        ? MHD_NO
	        : send_text(connection, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", text.data, text.length);
	buffer_free(&text);
	return result;
}

static enum MHD_Result answer(void *data, struct MHD_Connection *connection, const char *url, const char *method,
                              const char *version, const char *body, size_t *body_size, void **state)
{
	const struct metrics_source *source = ((const struct metrics *)data)->source;
	static int begun;
	(void)version;
	(void)body;
	/* The first call has only the head; a body is read and discarded. */
	if (!*state) {
		*state = &begun;
		return MHD_YES;
	}
	if (*body_size) {
		*body_size = 0;
		return MHD_YES;
	}
	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
		return send_word(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "method not allowed\n");
	if (!strcmp(url, "/metrics"))
		return send_metrics(connection, source);
	if (!strcmp(url, "/healthz"))
		return source->alive(source->data)
		           ? send_word(connection, MHD_HTTP_OK, "ok\n")
		           : send_word(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "a worker makes no progress\n");
	if (!strcmp(url, "/readyz"))
		return source->ready(source->data) ? send_word(connection, MHD_HTTP_OK, "ready\n")
		                                   : send_word(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "not ready\n");
	return send_word(connection, MHD_HTTP_NOT_FOUND, "not found\n");
}

int metrics_start(struct metrics **out, const char *address, const struct metrics_source *source)
{
	struct addrinfo *info = NULL;
	int result = address_resolve(address, &info);
	if (result)
		return result;
	struct metrics *metrics = calloc(1, sizeof(*metrics));
	if (!metrics) {
		freeaddrinfo(info);
		return -ENOMEM;
	}
	metrics->source = source;
	unsigned int flags = MHD_USE_EPOLL_INTERNAL_THREAD | (info->ai_family == AF_INET6 ? MHD_USE_DUAL_STACK : 0);
	errno = 0;
	metrics->daemon = MHD_start_daemon(flags, 0, NULL, NULL, answer, metrics, MHD_OPTION_SOCK_ADDR, info->ai_addr,
	                                   MHD_OPTION_CONNECTION_LIMIT, (unsigned int)CONNECTIONS_MAX,
	                                   MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned int)CONNECTIONS_PER_ADDRESS_MAX,
	                                   MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)IDLE_SECONDS, MHD_OPTION_END);
	result = metrics->daemon ? 0 : errno == EADDRINUSE ? -EADDRINUSE : -EINVAL;
	freeaddrinfo(info);
	if (result)
		free(metrics);
	else
		*out = metrics;
	return result;
}

void metrics_stop(struct metrics *metrics)
{
	if (!metrics)
		return;
	MHD_stop_daemon(metrics->daemon);
	free(metrics);
}
