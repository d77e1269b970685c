/* settings: the options that several subcommands share, by group. */
#include "callhistoryctl/settings.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "callhistoryctl/say.h"

static size_t redis_options_of(struct settings *settings, struct option *table)
{
	const struct option options[] = {
	    {.name = "redis",
	     .value = &settings->redis,
	     .initial = "redis://127.0.0.1:6379",
	     .unit = "URL",
	     .help =
	         "A URL: redis[s]://, redis[s]+cluster://, redis[s]+sentinel:// or unix://. Default redis://127.0.0.1:6379",
	     .flags = OPTION_SECRET},
	    {.name = "redis-password-file",
	     .value = &settings->redis_password_file,
	     .unit = "FILE",
	     .help = "File that contains Redis' password."},
	    {.name = "redis-ca",
	     .value = &settings->redis_ca,
	     .unit = "FILE",
	     .help = "CA certificates (PEM) to check Redis' certificate with; the system's if not given."},
	    {.name = "redis-cert",
	     .value = &settings->redis_cert,
	     .unit = "FILE",
	     .help = "Client certificate for Redis (PEM)."},
	    {.name = "redis-key",
	     .value = &settings->redis_key,
	     .unit = "FILE",
	     .help = "Private key (PEM) of the client certificate for Redis."},
	    {.name = "redis-tls-name",
	     .value = &settings->redis_tls_name,
	     .unit = "NAME",
	     .help = "Name in Redis' certificates; the host that is connected to if not given."},
	};
	memcpy(table, options, sizeof(options));
	return sizeof(options) / sizeof(options[0]);
}

static size_t service_options_of(struct settings *settings, struct option *table)
{
	const struct option options[] = {
	    {.name = "service",
	     .value = &settings->service,
	     .initial = "127.0.0.1:50051",
	     .unit = "ADDRESS",
	     .help = "callhistoryd; HOST:PORT or unix:PATH."},
	    {.name = "token",
	     .value = &settings->token,
	     .unit = "TOKEN",
	     .help = "Token for the service. Better given by --token-file or the environment.",
	     .flags = OPTION_SECRET},
	    {.name = "token-file",
	     .value = &settings->token_file,
	     .unit = "FILE",
	     .help = "File that contains the token. Only its owner may have access to it (chmod 600)."},
	    {.name = "timeout",
	     .type = OPTION_INTEGER,
	     .value = &settings->timeout_ms,
	     .initial = "30000",
	     .minimum = 1,
	     .maximum = 3600000,
	     .unit = "MS",
	     .help = "Time limit of one request to the service, repeated attempts included."},
	    {.name = "service-ca",
	     .value = &settings->service_ca,
	     .unit = "FILE",
	     .help = "CA certificates (PEM) to check the service's certificate with; turns TLS on."},
	    {.name = "service-cert", .value = &settings->service_cert, .unit = "FILE", .help = "Client certificate (PEM)."},
	    {.name = "service-key",
	     .value = &settings->service_key,
	     .unit = "FILE",
	     .help = "Private key (PEM) of the client certificate."},
	};
	memcpy(table, options, sizeof(options));
	return sizeof(options) / sizeof(options[0]);
}

static size_t time_options_of(struct settings *settings, struct option *table)
{
	table[0] = (struct option){.name = "time-zone",
	                           .value = &settings->time_zone,
	                           .initial = "Asia/Ho_Chi_Minh",
	                           .unit = "ZONE",
	                           .help = "Time zone of local times, in files, in options and in tables."};
	return 1;
}

size_t settings_options(struct settings *settings, unsigned groups, struct option *table)
{
	size_t count = 0;
	if (groups & SETTINGS_SERVICE)
		count += service_options_of(settings, table + count);
	if (groups & SETTINGS_REDIS)
		count += redis_options_of(settings, table + count);
	if (groups & SETTINGS_TIME)
		count += time_options_of(settings, table + count);
	table[count] = (struct option){.name = NULL};
	return count;
}

int settings_usage(const struct settings *settings, const char *format, ...)
{
	char text[512];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	say_error("%s: %s", settings->command, text);
	fprintf(stderr, "Try: callhistoryctl %s --help\n", settings->command);
	return EXIT_USAGE;
}
