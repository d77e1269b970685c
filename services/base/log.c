/*
 * log: builds a line in a fixed array and writes it at once.
 * The array keeps space for the closing characters at its end, so that a line that is cut is still whole JSON. Control
 * characters and bytes that are not UTF-8 are escaped in both forms, so a value cannot forge a line.
 */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log_writer.h"
#include "base/mix.h"
#include "base/utf8.h"

enum { UTF8_MAX = 4 /* bytes of one character */ };
enum { LINE_SIZE = 4096, LINE_TAIL = 4 /* closing quote and brace, newline, NUL of snprintf */ };

struct line {
	char data[LINE_SIZE];
	size_t length;
	bool cut;
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

/* Appends all of it or nothing; after a piece that did not fit, nothing more. */
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

/* What makes two lines the same: see log_start(). The time at a line's head is left out. */
static uint64_t line_key(const struct line *line, enum log_level level, const char *message, const char *first)
{
	uint64_t key = mix_hash(MIX_HASH ^ (uint64_t)level, message, strlen(message));
	if (level >= LOG_WARN)
		return first ? mix_hash(key, first, strlen(first)) : key;
	const char *after = memmem(line->data, line->length, "Z", 1);
	return after ? mix_hash(key, after, (size_t)(line->data + line->length - after)) : key;
}

/* The key of the log's own reports, which never count as repetitions. Compared by address. */
static const char repeated_key[] = "repeated";

static void report_number(void *data, const char *message, const char *key, uint64_t number)
{
	char text[24];
	snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
	log_write(data, LOG_WARN, message, strcmp(key, repeated_key) == 0 ? repeated_key : key, text, NULL);
}

int log_start(struct log *log)
{
	return log_writer_create(&log->writer, report_number, log);
}

void log_stop(struct log *log)
{
	struct log_writer *writer = log->writer;
	/* Until its end, the thread's own reports go to the writer. */
	log_writer_destroy(writer);
	log->writer = NULL;
}

uint64_t log_dropped(const struct log *log)
{
	return log->writer ? log_writer_dropped(log->writer) : 0;
}

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
	} else if (repeated || log_writer_admit(log->writer, line_key(&line, level, message, first), message)) {
		log_writer_put(log->writer, line.data, line.length);
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
