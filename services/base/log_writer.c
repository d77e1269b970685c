/* log_writer: two buffers; callers fill one while the thread writes the other. */
#include "base/log_writer.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

enum { REPEATS = 64, TICK_MS = 500, END_MS = 1000 };

struct repeat {
	uint64_t key, count; /* lines that were not written */
	const char *message;
	int64_t until_us; /* 0: the slot is free */
};

struct log_writer {
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t filled, ended;
	char *filling, *writing;
	size_t length;
	struct repeat repeats[REPEATS];
	uint64_t dropped, reported;
	bool stopping, over, abandoned;
	log_writer_report *report;
	void *data;
	pthread_t thread;
};

static void writer_free(struct log_writer *writer)
{
	free(writer->filling);
	free(writer->writing);
	pthread_cond_destroy(&writer->filled);
	pthread_cond_destroy(&writer->ended);
	pthread_mutex_destroy(&writer->lock);
	free(writer);
}

static void wait_ms(pthread_cond_t *condition, pthread_mutex_t *lock, int64_t ms)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += ms % 1000 * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	pthread_cond_timedwait(condition, lock, &until);
}

/*
 * Reports repeats whose interval is over, and lines dropped, once there is space for the reports. The lock is held; it
 * is released for each report.
 */
static void report_numbers(struct log_writer *writer, bool all)
{
	if (writer->length > LOG_WRITER_BUFFER / 2)
		return;
	int64_t now_us = clock_monotonic_us();
	for (size_t i = 0; i < REPEATS; i++) {
		struct repeat repeat = writer->repeats[i];
		if (!repeat.until_us || (!all && now_us < repeat.until_us))
			continue;
		writer->repeats[i].until_us = 0;
		if (repeat.count == 0)
			continue;
		pthread_mutex_unlock(&writer->lock);
		writer->report(writer->data, repeat.message, "repeated", repeat.count);
		pthread_mutex_lock(&writer->lock);
	}
	uint64_t dropped = writer->dropped - writer->reported;
	if (!dropped)
		return;
	writer->reported = writer->dropped;
	pthread_mutex_unlock(&writer->lock);
	writer->report(writer->data, "log lines were dropped", "count", dropped);
	pthread_mutex_lock(&writer->lock);
}

/* Writes all bytes, waiting for the reader. A failure to write the log cannot be logged. */
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
			wait_ms(&writer->filled, &writer->lock, TICK_MS);
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

int log_writer_create(struct log_writer **out, log_writer_report *report, void *data)
{
	struct log_writer *writer = calloc(1, sizeof(*writer));
	pthread_condattr_t attributes;
	if (!writer)
		return -ENOMEM;
	writer->report = report;
	writer->data = data;
	writer->filling = malloc(LOG_WRITER_BUFFER);
	writer->writing = malloc(LOG_WRITER_BUFFER);
	pthread_mutex_init(&writer->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&writer->filled, &attributes);
	pthread_cond_init(&writer->ended, &attributes);
	pthread_condattr_destroy(&attributes);
	int result = writer->filling && writer->writing ? -pthread_create(&writer->thread, NULL, run, writer) : -ENOMEM;
	if (result)
		writer_free(writer);
	else
		*out = writer;
	return result;
}

bool log_writer_admit(struct log_writer *writer, uint64_t key, const char *message)
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
		*found = (struct repeat){key, 0, message, now_us + LOG_WRITER_REPEAT_MS * INT64_C(1000)};
	pthread_mutex_unlock(&writer->lock);
	return !repeats;
}

void log_writer_put(struct log_writer *writer, const char *line, size_t length)
{
	pthread_mutex_lock(&writer->lock);
	if (length <= LOG_WRITER_BUFFER - writer->length) {
		memcpy(writer->filling + writer->length, line, length);
		writer->length += length;
		pthread_cond_signal(&writer->filled);
	} else {
		writer->dropped++;
	}
	pthread_mutex_unlock(&writer->lock);
}

uint64_t log_writer_dropped(struct log_writer *writer)
{
	pthread_mutex_lock(&writer->lock);
	uint64_t dropped = writer->dropped;
	pthread_mutex_unlock(&writer->lock);
	return dropped;
}

void log_writer_destroy(struct log_writer *writer)
{
	if (!writer)
		return;
	int64_t end_us = clock_monotonic_us() + END_MS * INT64_C(1000);
	pthread_mutex_lock(&writer->lock);
	writer->stopping = true;
	pthread_cond_signal(&writer->filled);
	while (!writer->over && clock_monotonic_us() < end_us)
		wait_ms(&writer->ended, &writer->lock, (end_us - clock_monotonic_us()) / 1000 + 1);
	bool over = writer->over;
	writer->abandoned = !over;
	pthread_mutex_unlock(&writer->lock);
	if (!over) {
		pthread_detach(writer->thread);
		return;
	}
	pthread_join(writer->thread, NULL);
	writer_free(writer);
}
