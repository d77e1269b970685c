/*
 * import: files or standard input, line by line, through the contract into the service. One thread reads, parses and
 * adds to the outbox; gRPC runs whenever there is nothing to read or the outbox is full.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "callhistoryctl/command.h"
#include "callhistoryctl/lines.h"
#include "callhistoryctl/outbox.h"
#include "callhistoryctl/progress.h"
#include "callhistoryctl/remote.h"
#include "callhistoryctl/say.h"

/* How long gRPC may run while input may arrive, and while none may. */
#define TURN_US INT64_C(5000)
#define WAIT_US INT64_C(50000)

enum {
	PATH_SHOWN = 512,       /* bytes of a file's name in a message */
	QUIET_MS = 200,         /* after this time without input, calls from a pipe are sent in small batches */
	WORK_EVERY = 64,        /* lines between two runs of gRPC */
	SCRATCH_BLOCK = 65536,  /* memory for one line */
	STOP_GRACE_US = 5000000 /* time limit for requests in progress when a signal arrives */
};

struct import {
	struct settings *settings;
	struct contract_zone *zone;
	struct remote *remote;
	struct outbox *outbox;
	struct arena *scratch;
	struct lines *lines;
	struct progress progress;
	uint64_t total_bytes; /* of all files; 0: not known */
	const char *file;     /* as messages name it */
	uint64_t read_bytes;  /* of all files */
	uint64_t files, line_count, bad_lines, unreadable;
	bool decoding;  /* reported that this file is decoded */
	bool repeating; /* reported that the service is unavailable */
	bool give_up;   /* stop: the token is refused, or the service is unavailable */
};

static void on_refused(void *data, struct outbox_origin origin, const char *field, const char *message)
{
	struct import *import = data;
	bool named = field && *field;
	progress_clear(&import->progress);
	say_line("%s:%llu: %s%s%s", origin.file, (unsigned long long)origin.line, named ? field : "", named ? ": " : "",
	         message && *message ? message : "refused");
}

static void on_failed(void *data, const struct outbox_failure *failure)
{
	struct import *import = data;
	const struct context *context = failure->context;
	/* The failure of one tenant or batch does not imply that of the next. */
	if (context->status != STATUS_PERMISSION_DENIED && context->status != STATUS_INVALID_ARGUMENT)
		import->give_up = true;
	if (*import->settings->stop)
		return;
	progress_clear(&import->progress);
	const char *message = context->message ? context->message : "no reason given";
	unsigned long long first = failure->first.line, last = failure->last.line;
	char lines[2 * PATH_SHOWN];
	if (failure->count == 1)
		snprintf(lines, sizeof(lines), "%.*s:%llu: 1 call", PATH_SHOWN, failure->first.file, first);
	else if (!strcmp(failure->first.file, failure->last.file))
		snprintf(lines, sizeof(lines), "%.*s, lines %llu to %llu: %zu calls", PATH_SHOWN, failure->first.file, first,
		         last, failure->count);
	else
		snprintf(lines, sizeof(lines), "%.*s:%llu to %.*s:%llu: %zu calls", PATH_SHOWN / 2, failure->first.file, first,
		         PATH_SHOWN / 2, failure->last.file, last, failure->count);
	say_line("%s of %s/%s failed: %s (%s)", lines, failure->project_code, failure->vbot_id, message,
	         status_name(context->status));
}

/* Reported once: a person who typed a wrong address need not wait for the time limit to learn it. */
static void on_repeated(void *data, const struct context *context)
{
	struct import *import = data;
	const struct settings *settings = import->settings;
	if (import->repeating || context->status != STATUS_UNAVAILABLE)
		return;
	import->repeating = true;
	progress_clear(&import->progress);
	say_line("no answer from the service at %s yet: %s; trying again, for up to %lld s", settings->service,
	         context->message ? context->message : "no reason given", (long long)(settings->timeout_ms + 999) / 1000);
}

static bool stopping(const struct import *import)
{
	return import->give_up || *import->settings->stop;
}

static const char *format_bytes(uint64_t bytes, char out[24])
{
	if (bytes < UINT64_C(10) << 20)
		snprintf(out, 24, "%.1f MiB", (double)bytes / (1 << 20));
	else
		snprintf(out, 24, "%llu MiB", (unsigned long long)(bytes >> 20));
	return out;
}

static void show_progress(struct import *import, int64_t now_us)
{
	char text[128], done[24], total[24];
	if (!progress_due(&import->progress, now_us))
		return;
	uint64_t bytes = import->read_bytes - lines_ahead(import->lines);
	double seconds = (double)(now_us - import->progress.start_us) / 1e6, part = -1;
	double rate = seconds > 0 ? (double)import->line_count / seconds : 0;
	int length =
	    snprintf(text, sizeof(text), "%s%s%s  %llu lines  %.0f/s", format_bytes(bytes, done),
	             import->total_bytes ? "/" : "", import->total_bytes ? format_bytes(import->total_bytes, total) : "",
	             (unsigned long long)import->line_count, rate);
	if (import->total_bytes) {
		/* A file may grow while it is read. */
		part = bytes < import->total_bytes ? (double)bytes / (double)import->total_bytes : 1;
		double left = part > 0 ? seconds / part - seconds : 0;
		int whole = left < 359999 ? (int)(left + 0.5) : 359999;
		snprintf(text + length, sizeof(text) - (size_t)length, "  ETA %d:%02d", whole / 60, whole % 60);
	}
	progress_show(&import->progress, part, text);
}

/* Runs gRPC until `until_us` at most; 0: without waiting. */
static void work(struct import *import, int64_t until_us)
{
	int64_t now_us = clock_monotonic_us();
	int64_t next_us = outbox_run(import->outbox, now_us);
	show_progress(import, now_us);
	rpc_queue_run(remote_queue(import->remote), next_us < until_us ? next_us : until_us);
}

/* Waits for input; runs gRPC meanwhile. */
static void await_input(struct import *import, int fd)
{
	bool quiet = false;
	while (!stopping(import)) {
		bool busy = outbox_busy(import->outbox);
		struct pollfd ready = {.fd = fd, .events = POLLIN};
		int count = poll(&ready, 1, busy ? 0 : QUIET_MS);
		if (count > 0)
			return;
		if (!busy && !count && !quiet) {
			quiet = true;
			outbox_flush(import->outbox);
		}
		if (outbox_busy(import->outbox))
			work(import, clock_monotonic_us() + TURN_US);
	}
}

static void bad_line(struct import *import, const char *message)
{
	++import->bad_lines;
	progress_clear(&import->progress);
	say_line("%s:%llu: %s", import->file, (unsigned long long)lines_number(import->lines), message);
}

static int take_line(struct import *import, const char *line, size_t length)
{
	struct contract_import record;
	struct contract_error error;
	struct outbox_origin origin = {import->file, lines_number(import->lines)};
	int result = 0;
	size_t blank = 0;
	while (blank < length && (line[blank] == ' ' || line[blank] == '\t'))
		++blank;
	if (blank == length)
		return 0;
	if (contract_read_import(import->scratch, import->zone, line, length, &record, &error)) {
		bad_line(import, error.message);
	} else {
		while ((result = outbox_add(import->outbox, &record, length, origin)) == -EAGAIN && !stopping(import))
			work(import, clock_monotonic_us() + WAIT_US);
	}
	arena_reset(import->scratch);
	return result == -EAGAIN ? 0 : result;
}

/* Once a file, before its first line. */
static void report_decoding(struct import *import)
{
	const char *name = lines_decoding(import->lines);
	if (!name || import->decoding)
		return;
	import->decoding = true;
	progress_clear(&import->progress);
	say_line("%s: reading %s", import->file, name);
}

/* 0 at the file's end, or -errno. */
static int import_lines(struct import *import, int fd)
{
	const char *line;
	size_t length;
	lines_open(import->lines, fd);
	import->decoding = false;
	while (!stopping(import)) {
		int result = lines_next(import->lines, &line, &length);
		if (!result)
			return 0;
		if (result == -EAGAIN) {
			await_input(import, fd);
			int64_t got = stopping(import) ? 0 : lines_read(import->lines);
			if (got < 0 && got != -EINTR && got != -EAGAIN)
				return (int)got;
			import->read_bytes += got > 0 ? (uint64_t)got : 0;
			continue;
		}
		report_decoding(import);
		if (result < 0 && result != -E2BIG)
			return result;
		++import->line_count;
		if (result == -E2BIG) {
			bad_line(import, "the line is longer than 1 MiB");
			continue;
		}
		result = take_line(import, line, length);
		if (result)
			return result;
		if (import->line_count % WORK_EVERY == 0)
			work(import, 0);
	}
	return 0;
}

static void import_file(struct import *import, const char *path)
{
	bool standard = !strcmp(path, "-");
	int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	import->file = standard ? "<stdin>" : path;
	int result = fd < 0 ? -errno : import_lines(import, fd);
	if (fd >= 0 && !standard)
		close(fd);
	if (result) {
		++import->unreadable;
		progress_clear(&import->progress);
		say_error("can't read %s: %s", import->file,
		          result == -EBADMSG ? "the gzip data is damaged or cut off" : strerror(-result));
		return;
	}
	++import->files;
}

/* Waits for requests in progress. A signal limits that time. */
static void finish(struct import *import)
{
	int64_t end_us = CLOCK_NEVER;
	if (!stopping(import))
		outbox_flush(import->outbox);
	while (!outbox_idle(import->outbox)) {
		if (stopping(import)) {
			outbox_drop(import->outbox);
			if (end_us == CLOCK_NEVER)
				end_us = clock_monotonic_us() + STOP_GRACE_US;
			if (clock_monotonic_us() >= end_us)
				break;
		}
		work(import, clock_monotonic_us() + WAIT_US);
	}
}

static int summarise(struct import *import)
{
	const struct outbox_totals *totals = outbox_totals(import->outbox);
	double seconds = (double)(clock_monotonic_us() - import->progress.start_us) / 1e6;
	uint64_t done = totals->recorded + totals->replaced + totals->unchanged;
	uint64_t refused = totals->refused + import->bad_lines;
	uint64_t lost = totals->failed + totals->dropped;
	progress_clear(&import->progress);
	printf("files %llu, lines %llu, recorded %llu, replaced %llu, unchanged %llu, refused %llu, failed %llu, "
	       "seconds %.2f, calls/s %.0f\n",
	       (unsigned long long)import->files, (unsigned long long)import->line_count,
	       (unsigned long long)totals->recorded, (unsigned long long)totals->replaced,
	       (unsigned long long)totals->unchanged, (unsigned long long)refused, (unsigned long long)lost, seconds,
	       seconds > 0 ? (double)done / seconds : 0);
	if (*import->settings->stop)
		say_error("interrupted; lines that were not read or sent are not imported; import the files again to complete");
	return refused || lost || import->unreadable || stopping(import) ? EXIT_FAILED : EXIT_DONE;
}

/* The total size of all files; 0 if it is unknown. */
static uint64_t total_size(int count, char **paths)
{
	uint64_t total = 0;
	struct stat status;
	for (int i = 0; i < count; ++i) {
		if (!strcmp(paths[i], "-") ? fstat(STDIN_FILENO, &status) : stat(paths[i], &status))
			continue;
		if (!S_ISREG(status.st_mode))
			return 0;
		total += (uint64_t)status.st_size;
	}
	return total;
}

static int prepare(struct import *import)
{
	struct settings *settings = import->settings;
	if (settings->format && strcmp(settings->format, "ndjson"))
		return settings_usage(settings, "--format: unknown value %s; use ndjson", settings->format);
	if (contract_zone_create(&import->zone, settings->time_zone))
		return settings_usage(settings, "--time-zone: unknown time zone %s", settings->time_zone);
	int code = remote_open(&import->remote, settings);
	if (code)
		return code;
	struct outbox_options options = {
	    .ingest = remote_ingest(import->remote),
	    .authorization = remote_authorization(import->remote),
	    .timeout_us = settings->timeout_ms * 1000,
	    .refused = on_refused,
	    .failed = on_failed,
	    .repeated = on_repeated,
	    .data = import,
	};
	int result = outbox_create(&import->outbox, &options);
	if (!result)
		result = arena_create(&import->scratch, SCRATCH_BLOCK);
	if (!result)
		result = lines_create(&import->lines);
	if (!result)
		return EXIT_DONE;
	say_error("%s", strerror(-result));
	return EXIT_FAILED;
}

static int run(struct settings *settings, int argc, char **argv)
{
	struct import import = {.settings = settings};
	if (!argc)
		return settings_usage(settings, "a file is needed; - is standard input");
	int code = prepare(&import);
	if (!code) {
		progress_init(&import.progress, clock_monotonic_us());
		import.total_bytes = total_size(argc, argv);
		for (int i = 0; i < argc && !stopping(&import); ++i)
			import_file(&import, argv[i]);
		finish(&import);
		code = summarise(&import);
	}
	/* Closes the channel first, which fires the outstanding closures into the outbox. */
	remote_close(import.remote);
	outbox_destroy(import.outbox);
	lines_destroy(import.lines);
	arena_destroy(import.scratch);
	contract_zone_destroy(import.zone);
	return code;
}

static size_t options(struct settings *settings, struct option *table)
{
	table[0] =
	    (struct option)TEXT_OPTION("format", &settings->format, "ndjson", "FORMAT",
	                               "ndjson: one call a line, in the shape of the contract's data[] elements.", 0);
	return 1;
}

const struct command command_import = {
    .name = "import",
    .operands = "FILE...",
    .groups = SETTINGS_SERVICE | SETTINGS_TIME,
    .summary = "Record the calls of files; - is standard input.",
    .details =
        "A line is a call as the HTTP answer shows it, with project_code and vbot_id, and with an id where there is\n"
        "one. Files may be gzip data and may be in UTF-16. Invalid lines are reported as FILE:LINE: and left out.\n"
        "Importing a file again changes nothing. Needs a writer's token. Exit status 1 if any line or file was left "
        "out.",
    .options = options,
    .run = run,
};
