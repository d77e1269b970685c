/*
 * log_writer: writes a log's lines on a thread of its own, so that no other thread waits for the reader of standard
 * error. Used by base/log only. Lines wait in a buffer of bounded size. Those for which there is no space are dropped
 * and counted; the number is reported once lines can be written again. Lines that repeat one of the last ten seconds
 * are counted instead of written, and reported once for each such interval.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LOG_WRITER_BUFFER = 256 << 10, LOG_WRITER_REPEAT_MS = 10000 };

struct log_writer;

/* Reports of the writer itself: calls log_write() with the message and a number. */
typedef void log_writer_report(void *data, const char *message, const char *key, uint64_t number);

/* Starts the thread. 0 or a negative errno. */
int log_writer_create(struct log_writer **out, log_writer_report *report, void *data);

/*
 * Whether a line may be written: the first of its key within an interval. Others are counted for `message`, which is
 * static text. From any thread.
 */
bool log_writer_admit(struct log_writer *writer, uint64_t key, const char *message);

/* Queues a line or drops it. Never waits for the reader. From any thread. */
void log_writer_put(struct log_writer *writer, const char *line, size_t length);

/* Lines dropped so far. From any thread. */
uint64_t log_writer_dropped(struct log_writer *writer);

/*
 * Writes what is left, for a second at most, and ends the thread; a thread that still waits for the reader then keeps
 * the writer. Takes NULL.
 */
void log_writer_destroy(struct log_writer *writer);
