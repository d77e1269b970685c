/*
 * export: all calls that the conditions select, page by page of a stream, to standard output or a file. A stream that
 * breaks is continued with the token of the next page. With a file, FILE.position has such a token and how long the
 * file was by then; so an export that was interrupted, however, goes on from there: the file is cut to that length
 * first.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "callhistoryctl/command.h"
#include "callhistoryctl/moment.h"
#include "callhistoryctl/progress.h"
#include "callhistoryctl/query.h"
#include "callhistoryctl/say.h"

#define POSITION_INTERVAL_US INT64_C(200000)

struct export
{
	struct query query;
	struct buffer rows; /* of a page of CSV */
	bool csv;
	char position[PATH_MAX]; /* file; "" without --output */
	char token[QUERY_TOKEN_SIZE];
	off_t length; /* of the output up to the token's page */
	int64_t next_position_us;
	struct progress progress;
	int64_t total;
	uint64_t done;
};

/* ---- The position ----------------------------------------------------------------------------------------------- */

static int fail_file(const char *path)
{
	return say_error("%s: %s", path, strerror(errno));
}

/* Reads "LENGTH TOKEN". 1: there is a position, 0: none; negative after a report. */
static int read_position(struct export *export)
{
	char *text, *end;
	int result = file_read(export->position, false, &text);
	if (result == -ENOENT)
		return 0;
	if (result) {
		say_error("%s: %s", export->position, strerror(-result));
		return -1;
	}
	export->length = strtoll(text, &end, 10);
	size_t length = strcspn(end, "\n");
	bool good = end > text && *end == ' ' && length && length <= sizeof(export->token) && end[length] == '\n';
	if (good) {
		end[length] = '\0';
		strcpy(export->token, end + 1);
	}
	file_wipe(text);
	if (!good)
		say_error("%s: no position of an export", export->position);
	return good ? 1 : -1;
}

/* The page is in the file before the position says so. */
static int write_position(struct export *export)
{
	char text[QUERY_TOKEN_SIZE + 32];
	if (!*export->position)
		return EXIT_DONE;
	export->length = lseek(STDOUT_FILENO, 0, SEEK_CUR);
	if (export->length < 0 || fdatasync(STDOUT_FILENO))
		return fail_file(export->query.settings->output);
	int length = snprintf(text, sizeof(text), "%" PRIdMAX " %s\n", (intmax_t) export->length, export->token);
	int result = file_replace(export->position, text, (size_t)length);
	export->next_position_us = clock_monotonic_us() + POSITION_INTERVAL_US;
	return result ? say_error("%s: %s", export->position, strerror(-result)) : EXIT_DONE;
}

/* A new export does not replace the position of a copy that another one has begun. */
static int check_changes(const struct export *export)
{
	const char *path = export->query.settings->position;
	if (path && !access(path, F_OK))
		return say_error("%s exists already; remove it, or use another file", path);
	return EXIT_DONE;
}

/* Standard output becomes the file, cut where the position says. */
static int open_output(struct export *export)
{
	const char *path = export->query.settings->output;
	struct stat status;
	if ((size_t)snprintf(export->position, sizeof(export->position), "%s.position", path) >= sizeof(export->position))
		return say_error("--output: the name is too long");
	int found = read_position(export);
	if (found < 0 || (!found && check_changes(export)))
		return EXIT_FAILED;
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | (found ? 0 : O_EXCL), 0600);
	if (fd < 0 && errno == EEXIST)
		return say_error("%s exists already; remove it, or export to another file", path);
	if (fd < 0 || fstat(fd, &status))
		return fail_file(path);
	if (status.st_size < export->length)
		return say_error("%s is shorter than %s says: remove both to start over", path, export->position);
	if (ftruncate(fd, export->length) || lseek(fd, 0, SEEK_END) < 0 || dup2(fd, STDOUT_FILENO) < 0)
		return fail_file(path);
	close(fd);
	int code = found ? EXIT_DONE : write_position(export);
	export->next_position_us = 0;
	return code;
}

/* ---- CSV -------------------------------------------------------------------------------------------------------- */

/*
 * Appends a field by RFC 4180: a comma in front of all but the first, quotes where needed. A text that a spreadsheet
 * would execute as a formula gets an apostrophe in front; a phone number is none. So CSV is not lossless: NDJSON is.
 */
static void add_text(struct buffer *out, const char *text)
{
	bool formula = *text && strchr("=+-@\t\r", *text) && text[strspn(text, "+-0123456789 ().;")];
	bool quoted = strpbrk(text, ",\"\r\n") || formula;
	if (out->length && out->data[out->length - 1] != '\n')
		buffer_append_byte(out, ',');
	if (quoted)
		buffer_append_byte(out, '"');
	if (formula)
		buffer_append_byte(out, '\'');
	for (; *text; ++text) {
		if (*text == '"')
			buffer_append_byte(out, '"');
		buffer_append_byte(out, *text);
	}
	if (quoted)
		buffer_append_byte(out, '"');
}

static void add_joined(struct buffer *out, struct buffer *joined)
{
	buffer_append_byte(joined, '\0');
	if (!joined->failed)
		add_text(out, joined->data);
	out->failed |= joined->failed;
	buffer_free(joined);
}

static void add_parties(struct buffer *out, Callhistory__V1__Party *const *parties, size_t count)
{
	struct buffer joined = {0};
	for (size_t i = 0; i < count; ++i)
		buffer_printf(&joined, "%s%s", i ? ";" : "", parties[i]->phone);
	add_joined(out, &joined);
}

static void add_recordings(struct buffer *out, const Callhistory__V1__Call *call)
{
	struct buffer joined = {0};
	for (size_t i = 0; i < call->n_recordings; ++i)
		buffer_printf(&joined, "%s%s", i ? " " : "", call->recordings[i]);
	add_joined(out, &joined);
}

static void add_seconds(struct buffer *out, bool recorded, uint32_t seconds)
{
	char text[16];
	snprintf(text, sizeof(text), "%u", seconds);
	add_text(out, recorded ? text : "");
}

static void add_charge(struct buffer *out, const Callhistory__V1__Money *charge)
{
	struct buffer text = {0};
	if (charge)
		contract_write_double(&text, charge->amount);
	add_joined(out, &text);
	add_text(out, charge ? charge->currency_code : "");
}

static void csv_heading(struct buffer *out)
{
	static const char *const headings[] = {"id",           "start_time", "direction", "missed",  "disposition",
	                                       "talk_seconds", "hotline",    "callers",   "callees", "duration_seconds",
	                                       "charge",       "currency",   "recordings"};
	for (size_t i = 0; i < sizeof(headings) / sizeof(headings[0]); ++i)
		add_text(out, headings[i]);
	buffer_append_string(out, "\r\n");
}

static void csv_call(struct buffer *out, struct contract_zone *zone, const Callhistory__V1__Call *call)
{
	char time[MOMENT_SIZE], direction[SHOW_ENUM_SIZE], disposition[SHOW_ENUM_SIZE];
	const Google__Protobuf__Timestamp *start = call->start_time;
	show_enum(&callhistory__v1__call_direction__descriptor, (int)call->direction, direction);
	show_enum(&callhistory__v1__disposition__descriptor, (int)call->disposition, disposition);
	add_text(out, call->id);
	add_text(out, start ? moment_format(zone, start->seconds * 1000 + start->nanos / 1000000, true, time) : "");
	add_text(out, *direction ? direction : call->direction_other);
	add_text(out, call->missed ? "yes" : "no");
	add_text(out, *disposition ? disposition : call->disposition_other);
	add_seconds(out, call->optional_talk_seconds_case == CALLHISTORY__V1__CALL__OPTIONAL_TALK_SECONDS_TALK_SECONDS,
	            call->talk_seconds);
	add_text(out, call->hotline);
	add_parties(out, call->callers, call->n_callers);
	add_parties(out, call->callees, call->n_callees);
	add_seconds(
	    out, call->optional_duration_seconds_case == CALLHISTORY__V1__CALL__OPTIONAL_DURATION_SECONDS_DURATION_SECONDS,
	    call->duration_seconds);
	add_charge(out, call->charge);
	add_recordings(out, call);
	buffer_append_string(out, "\r\n");
}

/* ---- Pages ------------------------------------------------------------------------------------------------------ */

static int print_csv(struct export *export, const Callhistory__V1__ExportCallsResponse *page)
{
	buffer_clear(&export->rows);
	if (!*export->token)
		csv_heading(&export->rows);
	for (size_t i = 0; i < page->n_calls; ++i)
		csv_call(&export->rows, export->query.zone, page->calls[i]);
	if (export->rows.failed)
		return -ENOMEM;
	fwrite(export->rows.data, 1, export->rows.length, stdout);
	return 0;
}

static int print_page(struct export *export, const Callhistory__V1__ExportCallsResponse *page)
{
	int result = 0;
	if (export->csv)
		result = print_csv(export, page);
	for (size_t i = 0; i < page->n_calls && !result && !export->csv; ++i)
		result = query_print_json(&export->query, page->project_code, page->vbot_id, page->calls[i]);
	if (!result)
		result = say_flush();
	if (result)
		return say_error("cannot write: %s", strerror(-result));
	export->done += page->n_calls;
	progress_update(&export->progress, export->done, (uint64_t) export->total, "%" PRIu64 " calls", export->done);
	return query_keep_token(export->token, page->next_page_token);
}

/* The position of the changes comes with the first page. */
static int write_changes(const struct export *export, const char *token)
{
	const char *path = export->query.settings->position;
	char line[QUERY_TOKEN_SIZE + 1];
	if (!path || !*token)
		return EXIT_DONE;
	int length = snprintf(line, sizeof(line), "%.*s\n", QUERY_TOKEN_SIZE - 1, token);
	int result = file_replace(path, line, (size_t)length);
	return result ? say_error("%s: %s", path, strerror(-result)) : EXIT_DONE;
}

static int take_page(void *data, const ProtobufCMessage *message)
{
	struct export *export = data;
	const Callhistory__V1__ExportCallsResponse *page = (const Callhistory__V1__ExportCallsResponse *)message;
	int code = write_changes(export, page->change_token);
	if (!code)
		code = print_page(export, page);
	/* Each time costs two syncs to the disk; a crash costs what came after the last one, which is exported again. */
	if (!code && *export->token && clock_monotonic_us() >= export->next_position_us)
		code = write_position(export);
	if (!code && *export->token && *export->query.settings->stop)
		code = *export->position ? say_error("interrupted; the same command goes on") : say_error("interrupted");
	return code;
}

static int write_pages(struct export *export)
{
	struct query *query = &export->query;
	Callhistory__V1__ExportCallsRequest message = CALLHISTORY__V1__EXPORT_CALLS_REQUEST__INIT;
	QUERY_SELECT(&message, query);
	message.page_token = export->token;
	int code = remote_stream(&query->remote, query->remote.history, "ExportCalls", &message.base, query->arena,
	                         take_page, export);
	if (!code && *export->position && (fsync(STDOUT_FILENO) || unlink(export->position)))
		code = fail_file(export->position);
	return code;
}

/* How many calls there are, for the progress on a terminal; a filter would have to read them. */
static int count_total(struct export *export)
{
	progress_init(&export->progress);
	bool counts = export->progress.on && !export->query.filter;
	return counts ? query_count(&export->query, &export->total) : EXIT_DONE;
}

static int run(struct settings *settings)
{
	const bool csv = !strcmp(settings->format, "csv");
	if (!csv && strcmp(settings->format, "ndjson"))
		return settings_usage(settings, "--format: unknown value %s; use ndjson or csv", settings->format);
	struct export export = {.csv = csv};
	int code = query_open(&export.query, settings);
	if (!code)
		code = count_total(&export);
	if (!code)
		code = settings->output ? open_output(&export) : check_changes(&export);
	if (!code)
		code = write_pages(&export);
	progress_clear(&export.progress);
	query_close(&export.query);
	buffer_free(&export.rows);
	return code;
}

static const struct option options[] = {
    TEXT_OPTION("format", SETTING(format), "ndjson", "FORMAT",
                "ndjson: all that is recorded, as import takes it; csv: for a spreadsheet.", OPTION_LINE_ONLY),
    TEXT_OPTION("output", SETTING(output), NULL, "FILE",
                "Write to this file, which must not exist; FILE.position is there until all is written.",
                OPTION_LINE_ONLY),
    TEXT_OPTION("changes", SETTING(position), NULL, "FILE",
                "Write the position of the beginning to this file, for `changes --position FILE`.", OPTION_LINE_ONLY),
    {.name = NULL},
};

const struct command command_export = {
    .name = "export",
    .groups = SETTINGS_SERVICE | SETTINGS_TIME,
    .summary = "Write all calls, newest first.",
    .details =
        "Calls that are there at the beginning are written once each, whatever arrives meanwhile; one that is "
        "replaced\n"
        "meanwhile is written as it was or as it is, and may be missing or twice if its start has changed: with\n"
        "--changes, `changes` prints what has changed since the beginning. With --output, an export that was "
        "interrupted\n"
        "goes on when the same command runs again, without loss or repetition. In CSV, parties are separated by\n"
        "semicolons.",
    .own = {query_tenant, query_conditions, options},
    .run = run,
};
