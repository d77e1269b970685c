/* import: records the calls of files or standard input; with --follow, also those appended to the files later. */
#include <stdlib.h>
#include <sys/stat.h>

#include "callhistoryctl/command.h"
#include "callhistoryctl/follow.h"
#include "callhistoryctl/say.h"

/* The total size of all files in bytes, for the progress; 0 if it is unknown. */
static uint64_t total_size(const struct settings *settings)
{
	uint64_t total = 0;
	struct stat status;
	for (int i = 0; i < settings->operand_count; ++i) {
		const char *path = settings->operands[i];
		if (!strcmp(path, "-") ? fstat(STDIN_FILENO, &status) : stat(path, &status))
			continue;
		if (!S_ISREG(status.st_mode))
			return 0;
		total += (uint64_t)status.st_size;
	}
	return total;
}

/* Reads --format and checks that the other options apply to it. Returns EXIT_DONE or EXIT_USAGE. */
static int read_options(const struct settings *settings, enum feed_format *out)
{
	static const char *const names[] = {"ndjson", "asterisk", "freeswitch"};
	unsigned format = FEED_NDJSON;
	while (format <= FEED_FREESWITCH && strcmp(settings->format, names[format]))
		++format;
	if (format > FEED_FREESWITCH)
		return settings_usage(settings, "--format: unknown value %s; use ndjson, asterisk or freeswitch",
		                      settings->format);
	*out = (enum feed_format)format;
	const bool rows_only = settings->inbound_contexts.count || settings->trunk_channels.count ||
	                       settings->recording_columns.count || settings->external_id_column;
	if (format != FEED_ASTERISK && rows_only)
		return settings_usage(settings,
		                      "--inbound-context, --trunk-channel, --recording-column and --external-id-column need "
		                      "--format asterisk");
	if (format != FEED_FREESWITCH && settings->recording_variables.count)
		return settings_usage(settings, "--recording-variable needs --format freeswitch");
	if (format == FEED_NDJSON && (settings->project_code || settings->vbot_id))
		return settings_usage(
		    settings, "--project-code and --vbot-id can't be used with --format ndjson: each line names its tenant");
	if (format == FEED_FREESWITCH && settings->follow)
		return settings_usage(settings, "--follow can't be used with --format freeswitch, whose files do not grow");
	return settings_check_tenant(settings);
}

/* Checks that all operands can be followed. Returns EXIT_DONE or EXIT_USAGE. */
static int check_followed(const struct settings *settings)
{
	if (settings->operand_count > FOLLOW_FILES_MAX)
		return settings_usage(settings, "--follow takes at most %d files", FOLLOW_FILES_MAX);
	for (int i = 0; i < settings->operand_count; ++i)
		if (!strcmp(settings->operands[i], "-") || strchr(settings->operands[i], '\n'))
			return settings_usage(settings,
			                      "--follow needs named files, not standard input, and no line feed in a name");
	return EXIT_DONE;
}

static int import_files(struct feed *feed)
{
	struct feed_source source = {0};
	int result = feed_source_open(feed, &source);
	feed->total_bytes = total_size(feed->settings);
	for (int i = 0; i < feed->settings->operand_count && !result && !feed_stopping(feed); ++i)
		feed_file(feed, &source, feed->settings->operands[i]);
	feed_finish(feed, true);
	feed_source_close(&source);
	return result ? say_error("%s", strerror(-result)) : EXIT_DONE;
}

static int run(struct settings *settings)
{
	struct feed feed = {0};
	int code = read_options(settings, &feed.format);
	if (!code && !settings->operand_count)
		code = settings_usage(settings, "a file is needed; - is standard input");
	if (!code && settings->follow)
		code = check_followed(settings);
	if (code)
		return code;
	code = feed_open(&feed, settings);
	if (!code) {
		code = settings->follow ? follow_run(&feed) : import_files(&feed);
		int summary = feed_summarise(&feed);
		code = code ? code : summary;
	}
	feed_close(&feed);
	return code;
}

static const struct option options[] = {
    TEXT_OPTION("format", SETTING(format), "ndjson", "FORMAT",
                "ndjson: calls as lines of the contract's JSON; asterisk: rows of CDRs; freeswitch: one leg per file.",
                0),
    LIST_OPTION("inbound-context", SETTING(inbound_contexts), NULL, "NAME",
                "Asterisk: dial plan context that receives calls from outside; may repeat.", 0),
    LIST_OPTION("trunk-channel", SETTING(trunk_channels), NULL, "PREFIX",
                "Asterisk: prefix of the channel names of a trunk, such as PJSIP/carrier-; may repeat.", 0),
    TEXT_OPTION("external-id-column", SETTING(external_id_column), NULL, "COLUMN",
                "Asterisk: column with the customer's own id of the call, such as userfield.", 0),
    LIST_OPTION("recording-column", SETTING(recording_columns), NULL, "COLUMN",
                "Asterisk: further column with the name of a recording, besides recordingfile; may repeat.", 0),
    LIST_OPTION("recording-variable", SETTING(recording_variables), NULL, "NAME",
                "FreeSWITCH: further variable with the name of a recording; may repeat.", 0),
    FLAG_OPTION("follow", SETTING(follow),
                "Continue with the lines appended to the files, across their rotation, until SIGTERM.",
                OPTION_LINE_ONLY),
    TEXT_OPTION("state", SETTING(state), "callhistory-follow.state", "FILE",
                "With --follow: file with the position up to which each file has been recorded.", 0),
    TEXT_OPTION("project-code", SETTING(project_code), NULL, "CODE",
                "Tenant: project code. Default: the token's only tenant. Not for ndjson.", OPTION_LINE_ONLY),
    TEXT_OPTION("vbot-id", SETTING(vbot_id), NULL, "ID", "Tenant: VBot id of the customer.", OPTION_LINE_ONLY),
    {.name = NULL},
};

const struct command command_import = {
    .name = "import",
    .operands = "FILE...",
    .groups = SETTINGS_SERVICE | SETTINGS_TIME,
    .summary = "Record the calls of files; - is standard input.",
    .details =
        "A line is a call as in the HTTP answer, with project_code and vbot_id, and with an id if it has one. Files\n"
        "may be compressed by gzip and may be in UTF-16. Invalid lines are reported as FILE:LINE: and skipped.\n"
        "Importing a file again changes nothing. Needs a writer's token. Exit status 1 if any line or file was\n"
        "skipped.\n"
        "Rows of Asterisk are those of cdr_csv or of cdr_custom's sample, which are recognised, or an export with a\n"
        "header line. Without --inbound-context and --trunk-channel the direction is unknown. --time-zone UTC reads\n"
        "files that are written with usegmtime=yes.\n"
        "A file of FreeSWITCH is a backup of mod_json_cdr, as posted: one leg, in any of its three encodings.\n"
        "With --follow, positions are kept in the file of --state; rotated files are read to their end. SIGTERM ends\n"
        "it with exit status 0.",
    .own = {options},
    .run = run,
};
