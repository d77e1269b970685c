/* settings: the options that all subcommands share. */
#include "callhistoryctl/settings.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "callhistoryctl/say.h"

size_t settings_options(struct settings *settings, struct option *table)
{
	const struct option shared[] = {
	    {.name = "redis",
	     .value = &settings->redis,
	     .initial = "redis://127.0.0.1:6379",
	     .unit = "URL",
	     .help = "Redis, for the token subcommands; redis://[user:password@]host:port[/db] or unix:///path. "
	             "redis://127.0.0.1:6379 if not given.",
	     .secret = true},
	    {.name = "service",
	     .value = &settings->service,
	     .initial = "127.0.0.1:50051",
	     .unit = "ADDRESS",
	     .help = "callhistoryd, for all other subcommands; HOST:PORT or unix:PATH."},
	    {.name = "token",
	     .value = &settings->token,
	     .unit = "TOKEN",
	     .help = "Token for the service. Better given by --token-file or the environment.",
	     .secret = true},
	    {.name = "token-file", .value = &settings->token_file, .unit = "FILE", .help = "File that holds the token."},
	    {.name = "timeout",
	     .type = OPTION_INTEGER,
	     .value = &settings->timeout_ms,
	     .initial = "30000",
	     .minimum = 1,
	     .maximum = 3600000,
	     .unit = "MS",
	     .help = "How long one request to the service may take, repeated tries included."},
	    {.name = "service-ca",
	     .value = &settings->service_ca,
	     .unit = "FILE",
	     .help = "CA certificates (PEM) that the service's certificate is checked with; turns TLS on."},
	    {.name = "service-cert", .value = &settings->service_cert, .unit = "FILE", .help = "Client certificate (PEM)."},
	    {.name = "service-key",
	     .value = &settings->service_key,
	     .unit = "FILE",
	     .help = "Private key (PEM) of the client certificate."},
	    {.name = "time-zone",
	     .value = &settings->time_zone,
	     .initial = "Asia/Ho_Chi_Minh",
	     .unit = "ZONE",
	     .help = "Time zone of local times, in files and as shown."},
	};
	memcpy(table, shared, sizeof(shared));
	return sizeof(shared) / sizeof(shared[0]);
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
