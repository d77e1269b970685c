/* session: a minimal event loop for the store. */
#include "callhistoryctl/session.h"

#include <errno.h>
#include <poll.h>

#include "base/clock.h"
#include "callhistoryctl/say.h"

/*
 * How long refused connections are retried before the first one succeeds: the name may have several addresses, and
 * Redis may be restarting.
 */
#define REFUSAL_US INT64_C(300000)

/* The longest sleep, in case a signal arrives just before it. */
enum { SLEEP_MS = 50 };

int session_open(struct session *session, const struct settings *settings)
{
	char error[256];
	int64_t now_us = clock_monotonic_us();
	*session = (struct session){
	    .settings = settings, .refusal_us = now_us + REFUSAL_US, .deadline_us = now_us + SESSION_PATIENCE_US};
	/*
	 * A write to a closed socket, or to standard output after its pipe was closed, fails with EPIPE instead of ending
	 * the program.
	 */
	signal(SIGPIPE, SIG_IGN);
	int result = redis_create(&session->redis, &settings->redis, error, sizeof(error));
	if (result == -EINVAL)
		return settings_usage(settings, "--redis: %s", error);
	if (!result)
		result = store_create(&session->store, session->redis);
	if (!result)
		result = arena_create(&session->arena, 16384);
	if (!result)
		return EXIT_DONE;
	session_close(session);
	return session_failed(session, result);
}

/* Whether no connection has succeeded, and the last attempt found nothing that listens. */
static bool refused(const struct session *session)
{
	const char *why = redis_last_error(session->redis);
	return !session->connected && (strstr(why, strerror(ECONNREFUSED)) || strstr(why, strerror(ENOENT)));
}

void session_end(struct session *session, int status)
{
	session->done = true;
	session->status = status;
}

int session_wait(struct session *session, int started)
{
	session->done = started != 0;
	session->status = started;
	while (!session->done) {
		if (*session->settings->stop)
			return -EINTR;
		if (redis_run(session->redis))
			continue;
		int64_t now_us = clock_monotonic_us();
		session->connected |= redis_connected(session->redis);
		if (now_us >= session->refusal_us && refused(session))
			return -ECONNREFUSED;
		struct pollfd ready = {.fd = redis_poll_fd(session->redis), .events = POLLIN};
		int64_t left_us = redis_next_timer_us(session->redis) - now_us;
		int64_t left_ms = left_us <= 0 ? 0 : left_us / 1000 + 1;
		poll(&ready, 1, left_ms < SLEEP_MS ? (int)left_ms : SLEEP_MS);
	}
	return session->status;
}

/* Adds a tenant, unless --project-code and --vbot-id name another one. */
static void on_tenant(void *data, const struct store_tenant *tenant, bool listed)
{
	struct session *session = data;
	const struct settings *settings = session->settings;
	const struct session_tenant entry = {*tenant, listed};
	if (settings->project_code &&
	    (strcmp(settings->project_code, tenant->project_code) || strcmp(settings->vbot_id, tenant->vbot_id)))
		return;
	buffer_append(&session->tenant_bytes, &entry, sizeof(entry));
	session->tenants = (struct session_tenant *)(void *)session->tenant_bytes.data;
	session->tenant_count = session->tenant_bytes.length / sizeof(entry);
}

static void on_tenants(void *data, int status)
{
	struct session *session = data;
	session_end(session, session->tenant_bytes.failed ? -ENOMEM : status);
}

int session_read_tenants(struct session *session)
{
	return session_wait(session, store_tenant_list(session->store, session->arena, session->deadline_us, on_tenant,
	                                               on_tenants, session));
}

int session_add_tenant(struct session *session, const struct store_tenant *tenant)
{
	on_tenant(session, tenant, true);
	return session->tenant_bytes.failed ? -ENOMEM : 0;
}

int session_failed(const struct session *session, int status)
{
	const char *why = session->redis ? redis_last_error(session->redis) : "";
	char url[256];
	redis_redact_url(url, sizeof(url), session->settings->redis.url);
	if (*session->settings->stop)
		return say_error("interrupted");
	if (status == -ECONNREFUSED)
		return say_error("can't connect to Redis at %s: %s", url, why);
	if (status == -ETIMEDOUT)
		return say_error("no answer from Redis at %s within %d seconds%s%s", url, (int)(SESSION_PATIENCE_US / 1000000),
		                 *why ? ": " : "", why);
	return say_error("Redis at %s: %s%s%s", url, store_status_text(status), status == -EREMOTEIO ? ": " : "",
	                 status == -EREMOTEIO ? redis_last_refusal(session->redis) : "");
}

void session_close(struct session *session)
{
	/* Calls the callbacks that are still pending. */
	redis_destroy(session->redis);
	store_destroy(session->store);
	arena_destroy(session->arena);
	buffer_free(&session->tenant_bytes);
	*session = (struct session){.settings = session->settings};
}
