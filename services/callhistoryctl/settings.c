/* settings: the options that several subcommands share, by group. */
#include "callhistoryctl/settings.h"

#include "callhistoryctl/say.h"

static const struct option service_options[] = {
    TEXT_OPTION("service", SETTING(service), "127.0.0.1:50051", "ADDRESS", "callhistoryd; HOST:PORT or unix:PATH.", 0),
    TEXT_OPTION("token", SETTING(token), NULL, "TOKEN",
                "Token for the service. Prefer --token-file or the environment.", OPTION_SECRET),
    TEXT_OPTION("token-file", SETTING(token_file), NULL, "FILE",
                "File that contains the token. Only its owner may have access to it (chmod 600).", 0),
    NUMBER_OPTION("timeout", SETTING(timeout_ms), "30000", 1, 3600000, "MS",
                  "Time limit of one request to the service, repeated attempts included.", 0),
    TEXT_OPTION("service-ca", SETTING(service_ca), NULL, "FILE",
                "CA certificates (PEM) to check the service's certificate with; turns TLS on.", 0),
    TEXT_OPTION("service-cert", SETTING(service_cert), NULL, "FILE", "Client certificate (PEM).", 0),
    TEXT_OPTION("service-key", SETTING(service_key), NULL, "FILE", "Private key (PEM) of the client certificate.", 0),
    {.name = NULL},
};

static const struct option time_options[] = {
    TEXT_OPTION("time-zone", SETTING(time_zone), "Asia/Ho_Chi_Minh", "ZONE",
                "Time zone of local times, in files, in options and in tables.", 0),
    {.name = NULL},
};

const struct option settings_any_tenant[] = {
    TEXT_OPTION("project-code", SETTING(project_code), NULL, "CODE", "Tenant: project code. Without both, all tenants.",
                OPTION_LINE_ONLY),
    TEXT_OPTION("vbot-id", SETTING(vbot_id), NULL, "ID", "Tenant: VBot id of the customer.", OPTION_LINE_ONLY),
    {.name = NULL},
};

size_t settings_rows(struct settings *settings, const struct option *rows, struct option *table)
{
	size_t count = 0;
	for (; rows[count].name; ++count) {
		table[count] = rows[count];
		table[count].value = (char *)settings + (uintptr_t)rows[count].value;
	}
	table[count] = rows[count];
	return count;
}

void settings_options(struct settings *settings, unsigned groups, struct option *table)
{
	size_t count = 0;
	if (groups & SETTINGS_SERVICE)
		count += settings_rows(settings, service_options, table + count);
	if (groups & SETTINGS_REDIS)
		count += redis_option_rows(&settings->redis, table + count);
	if (groups & SETTINGS_TIME)
		count += settings_rows(settings, time_options, table + count);
	table[count] = (struct option){.name = NULL};
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
