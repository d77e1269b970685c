/* feed: the loop of an import. */
#include "callhistoryctl/feed.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "callhistoryctl/say.h"
#include "sources/freeswitch.h"

/* How long gRPC may run while input may arrive, and while none may. */
#define TURN_US INT64_C(5000)
#define WAIT_US INT64_C(50000)

enum {
	PATH_SHOWN = 512,       /* bytes of a file's name in a message */
	QUIET_MS = 200,         /* after this time without input, calls from a pipe are sent in small batches */
	WORK_EVERY = 64,        /* lines between two runs of gRPC */
	SCRATCH_BLOCK = 262144, /* memory for one line */
	STOP_GRACE_US = 5000000 /* time limit for requests in progress when a signal arrives */
};

static void on_refused(void *data, struct outbox_origin origin, const char *field, const char *message)
{
	struct feed *feed = data;
	bool named = field && *field;
	progress_clear(&feed->progress);
	say_line("%s:%llu: %s%s%s", origin.file, (unsigned long long)origin.line, named ? field : "", named ? ": " : "",
	         message && *message ? message : "refused");
}

static void on_failed(void *data, const struct outbox_failure *failure)
{
	struct feed *feed = data;
	const struct context *context = failure->context;
	/* The failure of one tenant or batch does not imply that of the next. But whoever follows keeps the position. */
	if (feed->settings->follow ||
	    (context->status != STATUS_PERMISSION_DENIED && context->status != STATUS_INVALID_ARGUMENT))
		feed->give_up = true;
	if (*feed->settings->stop)
		return;
	progress_clear(&feed->progress);
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
	bool named = *failure->project_code;
	say_line("%s of %s%s%s failed: %s (%s)", lines, named ? failure->project_code : "the token's tenant",
	         named ? "/" : "", failure->vbot_id, message, status_name(context->status));
}

/* Reported once, so that a mistyped address shows before the time limit. */
static void on_repeated(void *data, const struct context *context)
{
	struct feed *feed = data;
	const struct settings *settings = feed->settings;
	if (feed->repeating || context->status != STATUS_UNAVAILABLE)
		return;
	feed->repeating = true;
	progress_clear(&feed->progress);
	const char *message = context->message ? context->message : "no reason given";
	if (settings->follow)
		say_line("no answer from the service at %s yet: %s; trying again", settings->service, message);
	else
		say_line("no answer from the service at %s yet: %s; trying again, for up to %lld s", settings->service, message,
		         (long long)(settings->timeout_ms + 999) / 1000);
}

bool feed_stopping(const struct feed *feed)
{
	return feed->give_up || *feed->settings->stop;
}

static const char *format_bytes(uint64_t bytes, char out[24])
{
	if (bytes < UINT64_C(10) << 20)
		snprintf(out, 24, "%.1f MiB", (double)bytes / (1 << 20));
	else
		snprintf(out, 24, "%llu MiB", (unsigned long long)(bytes >> 20));
	return out;
}

static void show_progress(struct feed *feed, int64_t now_us)
{
	char text[128], done[24], total[24];
	if (!progress_due(&feed->progress, now_us))
		return;
	uint64_t bytes = feed->read_bytes - (feed->current ? lines_ahead(feed->current->lines) : 0);
	double seconds = (double)(now_us - feed->progress.start_us) / 1e6, part = -1;
	double rate = seconds > 0 ? (double)feed->line_count / seconds : 0;
	int length = snprintf(text, sizeof(text), "%s%s%s  %llu lines  %.0f/s", format_bytes(bytes, done),
	                      feed->total_bytes ? "/" : "", feed->total_bytes ? format_bytes(feed->total_bytes, total) : "",
	                      (unsigned long long)feed->line_count, rate);
	if (feed->total_bytes) {
		/* A file may grow while it is read. */
		part = bytes < feed->total_bytes ? (double)bytes / (double)feed->total_bytes : 1;
		double left = part > 0 ? seconds / part - seconds : 0;
		int whole = left < 359999 ? (int)(left + 0.5) : 359999;
		snprintf(text + length, sizeof(text) - (size_t)length, "  ETA %d:%02d", whole / 60, whole % 60);
	}
	progress_show(&feed->progress, part, text);
}

void feed_work(struct feed *feed, int64_t until_us)
{
	int64_t now_us = clock_monotonic_us();
	int64_t next_us = outbox_run(feed->outbox, now_us);
	show_progress(feed, now_us);
	rpc_queue_run(feed->remote.queue, next_us < until_us ? next_us : until_us);
}

/* Waits for input; runs gRPC meanwhile. */
static void await_input(struct feed *feed, int fd)
{
	bool quiet = false;
	while (!feed_stopping(feed)) {
		bool busy = outbox_busy(feed->outbox);
		struct pollfd ready = {.fd = fd, .events = POLLIN};
		int count = poll(&ready, 1, busy ? 0 : QUIET_MS);
		if (count > 0)
			return;
		if (!busy && !count && !quiet) {
			quiet = true;
			outbox_flush(feed->outbox);
		}
		if (outbox_busy(feed->outbox))
			feed_work(feed, clock_monotonic_us() + TURN_US);
	}
}

static void bad_line(struct feed *feed, const struct feed_source *source, const char *message)
{
	++feed->bad_lines;
	progress_clear(&feed->progress);
	say_line("%s:%llu: %s", source->file, (unsigned long long)lines_place(source->lines)->number, message);
}

/* ---- Lines ------------------------------------------------------------------------------------------------------ */

/* The tenant of a record is that of the options, else the token's only one. */
static struct contract_import import_of(const struct feed *feed, const struct sources_record *record)
{
	const struct settings *settings = feed->settings;
	return (struct contract_import){.project_code = settings->project_code ? settings->project_code : "",
	                                .vbot_id = settings->vbot_id ? settings->vbot_id : "",
	                                .call = record->part ? record->part->call : NULL};
}

/* Reads a line into *record, whose call is NULL if the line is no call. 0, or -1 with *error. */
static int read_record(struct feed *feed, const struct feed_source *source, const char *line, size_t length,
                       struct contract_import *out, struct contract_error *error)
{
	const struct import_reader reader = {.arena = feed->scratch, .zone = feed->zone, .error = error};
	struct sources_record record;
	if (!source->asterisk)
		return contract_read_import(feed->scratch, feed->zone, line, length, out, error);
	if (sources_asterisk_read(source->asterisk, &reader, line, length, &record))
		return -1;
	/* What has no line feed may have been cut off, unless the file is an export, whose columns have been counted. */
	if (record.part && !lines_place(source->lines)->terminated && !sources_asterisk_has_header(source->asterisk)) {
		*error = (struct contract_error){.code = 400, .message = "the file ends within this row: it has no line feed"};
		return -1;
	}
	*out = import_of(feed, &record);
	return 0;
}

/* Adds a call to the outbox; waits for space there. 0, -ECANCELED: the import ends, or another negative errno. */
static int add(struct feed *feed, const struct contract_import *record, bool supplement, struct outbox_origin origin)
{
	int result;
	while ((result = outbox_add(feed->outbox, record, supplement, origin)) == -EAGAIN && !feed_stopping(feed))
		feed_work(feed, clock_monotonic_us() + WAIT_US);
	return result == -EAGAIN ? -ECANCELED : result;
}

static int take_line(struct feed *feed, const struct feed_source *source, const char *line, size_t length,
                     struct outbox_origin origin)
{
	struct contract_import record;
	struct contract_error error;
	int result = 0;
	size_t blank = 0;
	while (blank < length && (line[blank] == ' ' || line[blank] == '\t'))
		++blank;
	if (blank == length)
		return 0;
	if (read_record(feed, source, line, length, &record, &error)) {
		/* Lack of memory is no fault of the line, which must not be left out for it. */
		if (error.code == 500)
			result = -ENOMEM;
		else
			bad_line(feed, source, error.message);
	} else if (record.call) {
		result = add(feed, &record, false, origin);
	}
	arena_reset(feed->scratch);
	return result;
}

/* Once a file, before its first line. */
static void report_decoding(struct feed *feed, struct feed_source *source)
{
	const char *name = lines_decoding(source->lines);
	if (!name || source->decoding)
		return;
	source->decoding = true;
	progress_clear(&feed->progress);
	say_line("%s: reading %s", source->file, name);
}

/* Why lines_next() took no line; NULL: not because of the line. */
static const char *fault_of(const struct feed_source *source, int result)
{
	if (result == -E2BIG)
		return source->asterisk ? "the row is longer than 64 KiB" : "the line is longer than 1 MiB";
	if (result != -EILSEQ)
		return NULL;
	return lines_place(source->lines)->terminated ? "a quote in a text must be doubled, and each text end with a quote"
	                                              : "the file ends within quotes";
}

int feed_take(struct feed *feed, struct feed_source *source)
{
	const char *line;
	size_t length;
	struct outbox_origin origin = {.file = source->file, .position = lines_place(source->lines)->position};
	int result = lines_next(source->lines, &line, &length);
	if (!result || result == -EAGAIN)
		return result;
	report_decoding(feed, source);
	const char *fault = fault_of(source, result);
	if (result < 0 && !fault)
		return result;
	++feed->line_count;
	origin.line = lines_place(source->lines)->number;
	if (fault)
		bad_line(feed, source, fault);
	else
		result = take_line(feed, source, line, length, origin);
	if (!fault && result)
		return result;
	if (feed->line_count % WORK_EVERY == 0)
		feed_work(feed, 0);
	return 1;
}

/* ---- Files ------------------------------------------------------------------------------------------------------ */

/* 0 at the file's end, or -errno. */
static int read_file(struct feed *feed, struct feed_source *source)
{
	while (!feed_stopping(feed)) {
		int result = feed_take(feed, source);
		if (result > 0)
			continue;
		if (result != -EAGAIN)
			return result == -ECANCELED ? 0 : result;
		await_input(feed, source->fd);
		int64_t got = feed_stopping(feed) ? 0 : lines_read(source->lines);
		if (got < 0 && got != -EINTR && got != -EAGAIN)
			return (int)got;
		feed->read_bytes += got > 0 ? (uint64_t)got : 0;
	}
	return 0;
}

/* Counts a file that has been read, or reports why it could not be. Returns `result`. */
static int end_file(struct feed *feed, const char *name, int result)
{
	if (!result) {
		++feed->files;
		return 0;
	}
	++feed->unreadable;
	progress_clear(&feed->progress);
	say_error("can't read %s: %s", name,
	          result == -EBADMSG ? "the gzip data is damaged or cut off" : strerror(-result));
	return result;
}

int feed_descriptor(struct feed *feed, struct feed_source *source, int fd, const char *name, uint64_t position,
                    uint64_t number)
{
	source->fd = fd;
	source->file = name;
	source->decoding = false;
	feed->current = source;
	int result = fd < 0 ? -errno : 0;
	if (source->asterisk && !position)
		sources_asterisk_reset(source->asterisk);
	lines_open(source->lines, fd, (struct lines_form){.rows = source->asterisk}, position, number);
	if (!result && position && lseek(fd, (off_t)position, SEEK_SET) < 0)
		result = -errno;
	if (!result)
		result = read_file(feed, source);
	feed->current = NULL;
	source->fd = -1;
	return end_file(feed, name, result);
}

/* Takes a file that is one record of FreeSWITCH. 0 or -errno. */
static int take_document(struct feed *feed, const char *path)
{
	const struct option_list *variables = &feed->settings->recording_variables;
	const struct sources_freeswitch_options options = {variables->values, variables->count};
	struct contract_error error;
	const struct import_reader reader = {.arena = feed->scratch, .zone = feed->zone, .error = &error};
	struct sources_record record;
	char *text;
	int result = file_read(path, false, &text);
	if (result)
		return result;
	++feed->line_count;
	if (!sources_freeswitch_read(&options, &reader, text, strlen(text), &record)) {
		const struct contract_import import = import_of(feed, &record);
		if (import.call)
			result = add(feed, &import, record.part->supplement, (struct outbox_origin){.file = path, .line = 1});
	} else if (error.code == 500) {
		result = -ENOMEM;
	} else {
		++feed->bad_lines;
		progress_clear(&feed->progress);
		say_line("%s: %s", path, error.message);
	}
	arena_reset(feed->scratch);
	feed->read_bytes += strlen(text);
	file_wipe(text);
	if (feed->line_count % WORK_EVERY == 0)
		feed_work(feed, 0);
	return result == -ECANCELED ? 0 : result;
}

int feed_file(struct feed *feed, struct feed_source *source, const char *path)
{
	const char *document = strcmp(path, "-") ? path : "/dev/stdin";
	if (feed->format == FEED_FREESWITCH)
		return end_file(feed, document, take_document(feed, document));
	if (!strcmp(path, "-"))
		return feed_descriptor(feed, source, STDIN_FILENO, "<stdin>", 0, 1);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int result = feed_descriptor(feed, source, fd, path, 0, 1);
	if (fd >= 0)
		close(fd);
	return result;
}

void feed_finish(struct feed *feed, bool drop_unsent)
{
	int64_t end_us = CLOCK_NEVER;
	if (!feed_stopping(feed) || !drop_unsent)
		outbox_flush(feed->outbox);
	while (!outbox_idle(feed->outbox)) {
		if (feed_stopping(feed)) {
			if (drop_unsent)
				outbox_drop(feed->outbox);
			if (end_us == CLOCK_NEVER)
				end_us = clock_monotonic_us() + STOP_GRACE_US;
			if (clock_monotonic_us() >= end_us)
				break;
		}
		feed_work(feed, clock_monotonic_us() + WAIT_US);
	}
}

int feed_summarise(struct feed *feed)
{
	const struct outbox_totals *totals = outbox_totals(feed->outbox);
	double seconds = (double)(clock_monotonic_us() - feed->progress.start_us) / 1e6;
	uint64_t done = totals->recorded + totals->replaced + totals->unchanged;
	uint64_t refused = totals->refused + feed->bad_lines;
	uint64_t lost = totals->failed + totals->dropped;
	progress_clear(&feed->progress);
	printf("files %llu, lines %llu, recorded %llu, replaced %llu, unchanged %llu, refused %llu, failed %llu, "
	       "seconds %.2f, calls/s %.0f\n",
	       (unsigned long long)feed->files, (unsigned long long)feed->line_count, (unsigned long long)totals->recorded,
	       (unsigned long long)totals->replaced, (unsigned long long)totals->unchanged, (unsigned long long)refused,
	       (unsigned long long)lost, seconds, seconds > 0 ? (double)done / seconds : 0);
	if (feed->settings->follow)
		return feed->give_up ? EXIT_FAILED : EXIT_DONE;
	if (*feed->settings->stop)
		say_error("interrupted; lines that were not read or sent are not imported; import the files again to complete");
	return refused || lost || feed->unreadable || feed_stopping(feed) ? EXIT_FAILED : EXIT_DONE;
}

/* ---- Life ------------------------------------------------------------------------------------------------------- */

int feed_open(struct feed *feed, struct settings *settings)
{
	feed->settings = settings;
	int code = settings_make_zone(settings, &feed->zone);
	if (!code)
		code = remote_open(&feed->remote, settings);
	if (code)
		return code;
	struct outbox_options options = {
	    .ingest = feed->remote.ingest,
	    .authorization = feed->remote.authorization,
	    .timeout_us = settings->timeout_ms * 1000,
	    .persistent = settings->follow,
	    .parts = feed->format == FEED_FREESWITCH,
	    .refused = on_refused,
	    .failed = on_failed,
	    .repeated = on_repeated,
	    .data = feed,
	};
	int result = outbox_create(&feed->outbox, &options);
	if (!result)
		result = arena_create(&feed->scratch, SCRATCH_BLOCK);
	progress_init(&feed->progress);
	return result ? say_error("%s", strerror(-result)) : EXIT_DONE;
}

void feed_close(struct feed *feed)
{
	/* Closes the channel first, which fires the outstanding closures into the outbox. */
	remote_close(&feed->remote);
	outbox_destroy(feed->outbox);
	arena_destroy(feed->scratch);
	contract_zone_destroy(feed->zone);
}

int feed_source_open(const struct feed *feed, struct feed_source *source)
{
	const struct settings *settings = feed->settings;
	const struct sources_asterisk_options options = {
	    .inbound_contexts = settings->inbound_contexts.values,
	    .inbound_context_count = settings->inbound_contexts.count,
	    .trunk_channels = settings->trunk_channels.values,
	    .trunk_channel_count = settings->trunk_channels.count,
	    .recording_columns = settings->recording_columns.values,
	    .recording_column_count = settings->recording_columns.count,
	    .external_id_column = settings->external_id_column,
	};
	*source = (struct feed_source){.fd = -1};
	int result = lines_create(&source->lines);
	if (!result && feed->format == FEED_ASTERISK)
		result = sources_asterisk_create(&source->asterisk, &options);
	return result;
}

void feed_source_close(struct feed_source *source)
{
	lines_destroy(source->lines);
	sources_asterisk_destroy(source->asterisk);
}
