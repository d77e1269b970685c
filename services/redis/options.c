/* redis/options: the same words in every program. */
#include "redis/options.h"

#include <string.h>

#define URL_DEFAULT "redis://127.0.0.1:6379"

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
