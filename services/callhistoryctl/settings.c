/* settings: the options that several subcommands share, by group. */
#include "callhistoryctl/settings.h"

#include "callhistoryctl/say.h"

static size_t service_options_of(struct settings *settings, struct option *table)
{
	const struct option options[] = {
	    TEXT_OPTION("service", &settings->service, "127.0.0.1:50051", "ADDRESS",
	                "callhistoryd; HOST:PORT or unix:PATH.", 0),
	    TEXT_OPTION("token", &settings->token, NULL, "TOKEN",
	                "Token for the service. Prefer --token-file or the environment.", OPTION_SECRET),
	    TEXT_OPTION("token-file", &settings->token_file, NULL, "FILE",
	                "File that contains the token. Only its owner may have access to it (chmod 600).", 0),
	    NUMBER_OPTION("timeout", &settings->timeout_ms, "30000", 1, 3600000, "MS",
	                  "Time limit of one request to the service, repeated attempts included.", 0),
	    TEXT_OPTION("service-ca", &settings->service_ca, NULL, "FILE",
	                "CA certificates (PEM) to check the service's certificate with; turns TLS on.", 0),
	    TEXT_OPTION("service-cert", &settings->service_cert, NULL, "FILE", "Client certificate (PEM).", 0),
	    TEXT_OPTION("service-key", &settings->service_key, NULL, "FILE", "Private key (PEM) of the client certificate.",
	                0),
	};
	memcpy(table, options, sizeof(options));
	return sizeof(options) / sizeof(options[0]);
}

static size_t time_options_of(struct settings *settings, struct option *table)
{
	table[0] = TEXT_OPTION("time-zone", &settings->time_zone, "Asia/Ho_Chi_Minh", "ZONE",
	                       "Time zone of local times, in files, in options and in tables.", 0);
	return 1;
}

size_t settings_options(struct settings *settings, unsigned groups, struct option *table)
{
	size_t count = 0;
	if (groups & SETTINGS_SERVICE)
		count += service_options_of(settings, table + count);
	if (groups & SETTINGS_REDIS)
		count += redis_option_rows(&settings->redis, table + count);
	if (groups & SETTINGS_TIME)
		count += time_options_of(settings, table + count);
	table[count] = (struct option){.name = NULL};
	return count;
}

size_t settings_tenant_options(struct settings *settings, struct option *table, const char *help)
{
	table[0] = TEXT_OPTION("project-code", &settings->project_code, NULL, "CODE", help, OPTION_LINE_ONLY);
	table[1] =
	    TEXT_OPTION("vbot-id", &settings->vbot_id, NULL, "ID", "Tenant: VBot id of the customer.", OPTION_LINE_ONLY);
	return 2;
}

int settings_check_tenant(const struct settings *settings)
{
	if (!settings->project_code == !settings->vbot_id)
		return EXIT_DONE;
	return settings_usage(settings, "--project-code and --vbot-id must be given together");
}

int settings_make_zone(const struct settings *settings, struct contract_zone **out)
{
	if (!contract_zone_create(out, settings->time_zone))
		return EXIT_DONE;
	return settings_usage(settings, "--time-zone: unknown time zone %s", settings->time_zone);
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
