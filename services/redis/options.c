/* redis/options: the defaults, and the same words in every program. */
#include "redis/redis.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/option.h"

#define URL_DEFAULT "redis://127.0.0.1:6379"

void redis_options_init(struct redis_options *options)
{
	*options = (struct redis_options){
	    .backoff_min_us = 20000,
	    .backoff_max_us = 1000000,
	    .max_pending = 65536,
	    .max_reply_bytes = (size_t)64 << 20,
	    .reply_age_us = 1000000,
	};
}

int redis_options_set_ack(struct redis_options *options, const char *text)
{
	bool replicas = !strncmp(text, "replicas=", 9) && text[9] >= '1' && text[9] <= '9' && !text[10];
	if (!replicas && strcmp(text, "local") && strcmp(text, "disk"))
		return -EINVAL;
	options->ack_replicas = replicas ? (unsigned)(text[9] - '0') : 0;
	options->ack_disk = !strcmp(text, "disk");
	return 0;
}

size_t redis_option_rows(struct redis_options *options, struct option *table)
{
	const struct option rows[REDIS_OPTION_ROWS] = {
	    TEXT_OPTION("redis", &options->url, URL_DEFAULT, "URL",
	                "A URL: redis[s]://, redis[s]+cluster://, redis[s]+sentinel:// or unix://; " URL_DEFAULT
	                " if not given.",
	                OPTION_SECRET),
	    TEXT_OPTION("redis-password-file", &options->password_file, NULL, "FILE",
	                "File that contains Redis' password, read for each new connection; empty: the URL has it.", 0),
	    TEXT_OPTION("redis-ca", &options->ca, NULL, "FILE",
	                "CA certificates (PEM) to check Redis' certificate with; the system's if not given.", 0),
	    TEXT_OPTION("redis-cert", &options->cert, NULL, "FILE",
	                "Client certificate for Redis (PEM); new connections use it when it changes.", 0),
	    TEXT_OPTION("redis-key", &options->key, NULL, "FILE", "Private key (PEM) of the client certificate for Redis.",
	                0),
	    TEXT_OPTION("redis-tls-name", &options->tls_name, NULL, "NAME",
	                "Name in Redis' certificates; the host that is connected to if not given.", 0),
	};
	memcpy(table, rows, sizeof(rows));
	return REDIS_OPTION_ROWS;
}

void redis_redact_url(char *out, size_t size, const char *url)
{
	const char *host = strstr(url, "://");
	const char *at = strrchr(url, '@');
	size_t scheme = host ? (size_t)(host - url) : 0;
	host = host ? host + 3 : url;
	if (at && at >= host)
		host = at + 1;
	snprintf(out, size, "%.*s%s%.*s", (int)scheme, url, scheme ? "://" : "", (int)strcspn(host, "?"), host);
}
