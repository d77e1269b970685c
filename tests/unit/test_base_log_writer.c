/* base/log after log_start(): nobody waits for the reader of standard error, and repeated lines become numbers. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"

static int saved, reader;

/* Standard error becomes a pipe that is not read. */
static void begin(struct log *log)
{
	int ends[2];
	assert_int_equal(pipe(ends), 0);
	saved = dup(STDERR_FILENO);
	dup2(ends[1], STDERR_FILENO);
	close(ends[1]);
	reader = ends[0];
	fcntl(reader, F_SETFL, O_NONBLOCK);
	assert_int_equal(log_init(log, "program", "info"), 0);
	assert_int_equal(log_start(log), 0);
}

static void end(void)
{
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(reader);
}

/* Reads until the text is there, for ten seconds at most; all that was read is added to `text`. */
static bool read_until(char *text, size_t size, const char *wanted)
{
	size_t length = strlen(text);
	int64_t end_us = clock_monotonic_us() + 10000000;
	while (!strstr(text, wanted) && clock_monotonic_us() < end_us && length + 1 < size) {
		ssize_t got = read(reader, text + length, size - 1 - length);
		if (got > 0)
			text[length += (size_t)got] = '\0';
		else
			usleep(10000);
	}
	return strstr(text, wanted) != NULL;
}

static size_t count_of(const char *text, const char *wanted)
{
	size_t count = 0;
	for (; (text = strstr(text, wanted)); text++)
		count++;
	return count;
}

static void a_reader_that_does_not_read(void **state)
{
	(void)state;
	enum { LINES = 2000, TEXT = 4 << 20 };
	struct log log;
	char *text = calloc(1, TEXT), number[16], filler[1001];
	assert_non_null(text);
	memset(filler, 'x', sizeof(filler) - 1);
	filler[sizeof(filler) - 1] = '\0';
	begin(&log);
	int64_t start_us = clock_monotonic_us();
	for (int i = 0; i < LINES; i++) {
		snprintf(number, sizeof(number), "%d", i);
		log_write(&log, LOG_INFO, "line", "number", number, "filler", filler, NULL);
	}
	assert_true(clock_monotonic_us() - start_us < 5000000);
	uint64_t dropped = log_dropped(&log);
	assert_true(dropped > 0 && dropped < LINES);
	bool reported = read_until(text, TEXT, "log lines were dropped");
	log_write(&log, LOG_INFO, "afterwards", NULL);
	bool went_on = read_until(text, TEXT, "afterwards");
	log_stop(&log);
	/* The number may come in several lines, the last one at the end. */
	uint64_t sum = 0;
	int64_t end_us = clock_monotonic_us() + 10000000;
	for (size_t length = strlen(text); sum != dropped && length < TEXT - 1 && clock_monotonic_us() < end_us;
	     length = strlen(text)) {
		ssize_t got = read(reader, text + length, TEXT - 1 - length);
		if (got > 0)
			text[length + (size_t)got] = '\0';
		sum = 0;
		for (const char *at = text; (at = strstr(at, "\"count\":\"")); at++)
			sum += strtoull(at + strlen("\"count\":\""), NULL, 10);
	}
	end();
	assert_true(reported && went_on);
	assert_int_equal(count_of(text, "\"message\":\"line\""), LINES - dropped);
	assert_int_equal(sum, dropped);
	free(text);
}

/* The end of a program does not wait for the reader either. */
static void the_end_does_not_wait(void **state)
{
	(void)state;
	struct log log;
	char filler[3001], number[16];
	memset(filler, 'x', sizeof(filler) - 1);
	filler[sizeof(filler) - 1] = '\0';
	begin(&log);
	for (int i = 0; i < 100; i++) {
		snprintf(number, sizeof(number), "%d", i);
		log_write(&log, LOG_INFO, "line", "number", number, "filler", filler, NULL);
	}
	int64_t start_us = clock_monotonic_us();
	log_stop(&log);
	int64_t waited_us = clock_monotonic_us() - start_us;
	/* The thread that was left behind ends once its writes fail. */
	close(reader);
	usleep(200000);
	reader = open("/dev/null", O_RDONLY);
	end();
	assert_true(waited_us < 10000000);
}

static void repeated_lines_become_a_number(void **state)
{
	(void)state;
	struct log log;
	static char text[65536];
	begin(&log);
	for (int i = 0; i < 1000; i++) {
		char number[16];
		snprintf(number, sizeof(number), "%d", i);
		log_write(&log, LOG_ERROR, "call", "method", "ListCalls", "request_id", number, NULL);
		log_write(&log, LOG_ERROR, "call", "method", "GetCall", "request_id", number, NULL);
		log_write(&log, LOG_INFO, "Redis is connected", "worker", "0", NULL);
		if (i < 10)
			log_write(&log, LOG_INFO, "call", "method", "ListCalls", "request_id", number, NULL);
	}
	log_write(&log, LOG_INFO, "end", NULL);
	bool ended = read_until(text, sizeof(text), "\"end\"");
	size_t errors = count_of(text, "\"level\":\"error\""), infos = count_of(text, "\"level\":\"info\"");
	size_t connected = count_of(text, "Redis is connected");
	/* What was left out is reported at the end at the latest. */
	log_stop(&log);
	read_until(text, sizeof(text), "Redis is connected\",\"repeated\"");
	end();
	assert_true(ended);
	assert_int_equal(errors, 2);
	assert_int_equal(connected, 1);
	assert_int_equal(infos, 12);
	assert_int_equal(count_of(text, "\"repeated\":\"999\""), 3);
}

int main(void)
{
	/* As the programs do: a thread that is left behind finds no reader any more. */
	signal(SIGPIPE, SIG_IGN);
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_reader_that_does_not_read), cmocka_unit_test(repeated_lines_become_a_number),
	    cmocka_unit_test(the_end_does_not_wait), /* last: its thread may outlive it */
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
