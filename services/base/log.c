/*
 * log: builds a line in a fixed array, and writes it at once or puts it in the buffer of a thread that writes.
 * The array keeps space for the closing characters at its end, so that a line that is cut is still whole JSON. Control
 * characters and bytes that are not UTF-8 are escaped in both forms, so a value cannot forge a line.
 *
 * The thread has two buffers: callers fill one while it writes the other.
 */
#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mix.h"
#include "base/utf8.h"

enum {
	BUFFER_SIZE = 256 << 10,
	REPEATS = 64,         /* different lines whose repetitions are counted */
	REPEAT_US = 10000000, /* a line is written once in this interval */
	TICK_US = 500000,     /* between checks for counts to report */
	END_US = 1000000,     /* the longest wait of log_stop() */
};
enum { UTF8_MAX = 4 /* bytes of one character */ };
enum { LINE_SIZE = 4096, LINE_TAIL = 4 /* closing quote and brace, newline, NUL of snprintf */ };

struct line {
	char data[LINE_SIZE];
	size_t length;
	bool cut;
};

/* A line that was written, for repetitions of it. */
struct repeat {
	uint64_t key;   /* line_key() */
	uint64_t count; /* lines that were not written */
	const char *message;
	int64_t until_us; /* 0: the slot is free */
};

struct log_writer {
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t filled, ended;
	char *filling, *writing;
	size_t length; /* of `filling` */
	struct repeat repeats[REPEATS];
	uint64_t dropped, reported; /* lines: all that were dropped; of these, reported in the log */
	bool stopping;              /* log_stop() waits */
	bool over;                  /* the thread has ended */
	bool abandoned;             /* log_stop() waits no longer: the thread frees the memory */
	const struct log *log;      /* for the thread's own reports */
	pthread_t thread;
};

static const char *const level_names[] = {"debug", "info", "warn", "error"};

int log_init(struct log *log, const char *program, const char *level)
{
	for (size_t i = 0; i < sizeof(level_names) / sizeof(level_names[0]); ++i) {
		if (strcmp(level, level_names[i]))
			continue;
		*log = (struct log){.level = (enum log_level)i, .json = !isatty(STDERR_FILENO), .program = program};
		return 0;
	}
	return -EINVAL;
}

bool log_enabled(const struct log *log, enum log_level level)
{
	return level >= log->level;
}

/* Appends all of `data` or nothing. Once a piece did not fit, nothing more is appended. */
static bool line_add(struct line *line, const char *data, size_t length)
{
	if (line->cut || length > LINE_SIZE - LINE_TAIL - line->length) {
		line->cut = true;
		return false;
	}
	memcpy(line->data + line->length, data, length);
	line->length += length;
	return true;
}

static void line_add_escaped(struct line *line, const char *text)
{
	bool fits = true;
	while (*text && fits) {
		char escaped[8];
		uint32_t code = 0;
		size_t length = utf8_sequence(text, strnlen(text, UTF8_MAX), &code);
		if (!length) {
			fits = line_add(line, "\\ufffd", 6);
		} else if (code == '"' || code == '\\') {
			escaped[0] = '\\';
			escaped[1] = *text;
			fits = line_add(line, escaped, 2);
		} else if (code < 0x20 || (code >= 0x7f && code < 0xa0)) {
			snprintf(escaped, sizeof(escaped), "\\u%04x", (unsigned int)(code & 0xff));
			fits = line_add(line, escaped, 6);
		} else {
			fits = line_add(line, text, length);
		}
		text += length ? length : 1;
	}
}

static void line_add_text(struct line *line, const char *text)
{
	line_add(line, text, strlen(text));
}

/* A pair is started only if its key and both quotes fit, so that a cut line is valid JSON. */
static void line_add_pair(struct line *line, bool json, const char *key, const char *value)
{
	size_t frame = strlen(key) + strlen(",\"\":\"");
	if (line->cut || frame > LINE_SIZE - LINE_TAIL - line->length)
		return;
	if (!json) {
		line_add_text(line, " ");
		line_add_text(line, key);
		line_add_text(line, "=\"");
	} else {
		line_add_text(line, line->length ? ",\"" : "{\"");
		line_add_text(line, key);
		line_add_text(line, "\":\"");
	}
	line_add_escaped(line, value);
	line->data[line->length++] = '"';
	/* If the value filled the line, the quote is in the reserved bytes and nothing may follow. */
	line->cut = line->cut || line->length >= LINE_SIZE - LINE_TAIL;
}

static void line_add_time(char *out, size_t size, bool json)
{
	struct timespec now;
	struct tm parts;
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &parts);
	size_t length = strftime(out, size, json ? "%Y-%m-%dT%H:%M:%S" : "%H:%M:%S", &parts);
	snprintf(out + length, size - length, ".%03dZ", (int)(now.tv_nsec / 1000000));
}

/* The hash by which lines are compared: see log_start(). The time at the line's beginning is not part of it. */
static uint64_t line_key(const struct line *line, enum log_level level, const char *message, const char *first)
{
	uint64_t key = mix_hash(MIX_HASH ^ (uint64_t)level, message, strlen(message));
	if (level >= LOG_WARN)
		return first ? mix_hash(key, first, strlen(first)) : key;
	const char *after = memmem(line->data, line->length, "Z", 1);
	return after ? mix_hash(key, after, (size_t)(line->data + line->length - after)) : key;
}

/* ---- The thread ------------------------------------------------------------------------------------------------- */

/* The key of the thread's own reports, which never count as repetitions. Compared by address. */
static const char repeated_key[] = "repeated";

static void writer_free(struct log_writer *writer)
{
	free(writer->filling);
	free(writer->writing);
	pthread_cond_destroy(&writer->filled);
	pthread_cond_destroy(&writer->ended);
	pthread_mutex_destroy(&writer->lock);
	free(writer);
}

static void wait_until(pthread_cond_t *condition, pthread_mutex_t *lock, int64_t until_us)
{
	struct timespec until = {.tv_sec = until_us / 1000000, .tv_nsec = until_us % 1000000 * 1000};
	pthread_cond_clockwait(condition, lock, CLOCK_MONOTONIC, &until);
}

/* Logs a number. For the thread, which has the lock; it is released meanwhile. */
static void report(struct log_writer *writer, const char *message, const char *key, uint64_t number)
{
	char text[24];
	snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
	pthread_mutex_unlock(&writer->lock);
	log_write(writer->log, LOG_WARN, message, key, text, NULL);
	pthread_mutex_lock(&writer->lock);
}

/*
 * Reports the repetitions whose interval is over (`all`: every one) and the lines dropped, if the buffer has space for
 * the reports. The caller has the lock.
 */
static void report_numbers(struct log_writer *writer, bool all)
{
	if (writer->length > BUFFER_SIZE / 2)
		return;
	int64_t now_us = clock_monotonic_us();
	for (size_t i = 0; i < REPEATS; i++) {
		struct repeat repeat = writer->repeats[i];
		if (!repeat.until_us || (!all && now_us < repeat.until_us))
			continue;
		writer->repeats[i].until_us = 0;
		if (repeat.count > 0)
			report(writer, repeat.message, repeated_key, repeat.count);
	}
	uint64_t dropped = writer->dropped - writer->reported;
	writer->reported = writer->dropped;
	if (dropped > 0)
		report(writer, "log lines were dropped", "count", dropped);
}

/* Writes all bytes; waits while standard error is a full pipe. A failure to write the log cannot be logged. */
static void write_all(const char *data, size_t length)
{
	while (length > 0) {
		ssize_t written = write(STDERR_FILENO, data, length);
		if (written < 0 && errno == EAGAIN)
			nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
		else if (written < 0 && errno != EINTR)
			return;
		if (written > 0) {
			data += written;
			length -= (size_t)written;
		}
	}
}

static void *run(void *data)
{
	struct log_writer *writer = data;
	pthread_mutex_lock(&writer->lock);
	for (;;) {
		report_numbers(writer, writer->stopping);
		if (writer->length == 0 && writer->stopping)
			break;
		if (writer->length == 0) {
			wait_until(&writer->filled, &writer->lock, clock_monotonic_us() + TICK_US);
			continue;
		}
		char *full = writer->filling;
		size_t length = writer->length;
		writer->filling = writer->writing;
		writer->writing = full;
		writer->length = 0;
		pthread_mutex_unlock(&writer->lock);
		write_all(full, length);
		pthread_mutex_lock(&writer->lock);
	}
	writer->over = true;
	bool abandoned = writer->abandoned;
	pthread_cond_signal(&writer->ended);
	pthread_mutex_unlock(&writer->lock);
	if (abandoned)
		writer_free(writer);
	return NULL;
}

int log_start(struct log *log)
{
	struct log_writer *writer = calloc(1, sizeof(*writer));
	if (!writer)
		return -ENOMEM;
	writer->log = log;
	writer->filling = malloc(BUFFER_SIZE);
	writer->writing = malloc(BUFFER_SIZE);
	pthread_mutex_init(&writer->lock, NULL);
	pthread_cond_init(&writer->filled, NULL);
	pthread_cond_init(&writer->ended, NULL);
	int result = writer->filling && writer->writing ? -pthread_create(&writer->thread, NULL, run, writer) : -ENOMEM;
	if (result)
		writer_free(writer);
	else
		log->writer = writer;
	return result;
}

/*
 * Whether a line is written: only the first with its key within an interval is. The others are counted. If all slots
 * are in use, the line is written. `message` is static text.
 */
static bool admit(struct log_writer *writer, uint64_t key, const char *message)
{
	int64_t now_us = clock_monotonic_us();
	struct repeat *found = NULL;
	bool repeats = false;
	pthread_mutex_lock(&writer->lock);
	for (size_t i = 0; i < REPEATS && !repeats; i++) {
		struct repeat *at = &writer->repeats[i];
		repeats = at->until_us > now_us && at->key == key;
		/* A slot becomes free once its interval has ended and its count has been reported. */
		if (repeats || at->until_us == 0 || (at->until_us <= now_us && at->count == 0))
			found = at;
	}
	if (repeats)
		found->count++;
	else if (found)
		*found = (struct repeat){key, 0, message, now_us + REPEAT_US};
	pthread_mutex_unlock(&writer->lock);
	return !repeats;
}

/* Queues a line or drops it. */
static void put(struct log_writer *writer, const char *line, size_t length)
{
	pthread_mutex_lock(&writer->lock);
	if (length <= BUFFER_SIZE - writer->length) {
		memcpy(writer->filling + writer->length, line, length);
		writer->length += length;
		pthread_cond_signal(&writer->filled);
	} else {
		writer->dropped++;
	}
	pthread_mutex_unlock(&writer->lock);
}

uint64_t log_dropped(const struct log *log)
{
	struct log_writer *writer = log->writer;
	if (!writer)
		return 0;
	pthread_mutex_lock(&writer->lock);
	uint64_t dropped = writer->dropped;
	pthread_mutex_unlock(&writer->lock);
	return dropped;
}

void log_stop(struct log *log)
{
	struct log_writer *writer = log->writer;
	if (!writer)
		return;
	int64_t end_us = clock_monotonic_us() + END_US;
	pthread_mutex_lock(&writer->lock);
	writer->stopping = true;
	pthread_cond_signal(&writer->filled);
	while (!writer->over && clock_monotonic_us() < end_us)
		wait_until(&writer->ended, &writer->lock, end_us);
	bool over = writer->over;
	writer->abandoned = !over;
	pthread_mutex_unlock(&writer->lock);
	/* Only now: until its end, the thread's own reports are put into its buffer. */
	log->writer = NULL;
	if (!over) {
		pthread_detach(writer->thread);
		return;
	}
	pthread_join(writer->thread, NULL);
	writer_free(writer);
}

/* ---- Writing a line --------------------------------------------------------------------------------------------- */

void log_write(const struct log *log, enum log_level level, const char *message, ...)
{
	if (!log_enabled(log, level))
		return;
	int saved = errno;
	struct line line;
	char stamp[40];
	line.length = 0;
	line.cut = false;
	line_add_time(stamp, sizeof(stamp), log->json);
	if (log->json) {
		line_add_pair(&line, true, "time", stamp);
		line_add_pair(&line, true, "level", level_names[level]);
		line_add_pair(&line, true, "program", log->program);
		line_add_pair(&line, true, "message", message);
	} else {
		line_add_text(&line, stamp);
		line_add_text(&line, level == LOG_WARN || level == LOG_ERROR ? " ! " : "   ");
		line_add_escaped(&line, message);
	}
	const char *first = NULL;
	bool repeated = false;
	va_list pairs;
	va_start(pairs, message);
	for (const char *key; (key = va_arg(pairs, const char *));) {
		const char *value = va_arg(pairs, const char *);
		if (!value)
			continue;
		first = first ? first : value;
		repeated = repeated || key == repeated_key;
		line_add_pair(&line, log->json, key, value);
	}
	va_end(pairs);
	if (log->json)
		line.data[line.length++] = '}';
	line.data[line.length++] = '\n';
	if (!log->writer) {
		/* A failure to write the log cannot be logged. */
		ssize_t written = write(STDERR_FILENO, line.data, line.length);
		(void)written;
	} else if (repeated || admit(log->writer, line_key(&line, level, message, first), message)) {
		put(log->writer, line.data, line.length);
	}
	errno = saved;
}

char *log_mask_number(char *out, size_t size, const char *number)
{
	enum { SHOWN = 3 };
	if (!size)
		return out;
	size_t length = strlen(number);
	size_t hidden = length > 2 * SHOWN ? length - SHOWN : length;
	size_t i = 0;
	for (; i < length && i + 1 < size; ++i) {
		unsigned char byte = (unsigned char)number[i];
		out[i] = i < hidden || byte < 0x20 || byte > 0x7e ? '*' : number[i];
	}
	out[i] = '\0';
	return out;
}
