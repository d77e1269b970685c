/*
 * bench_redis_client: CPU time of the Redis client alone, per page of ten: ZREVRANGE of keys that it fills first.
 *
 *   bench_redis_client URL DEPTH PAGES
 *
 * DEPTH commands are under way. Prints microseconds of user and kernel time for each page.
 */
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "redis/redis.h"

enum { KEYS = 300, PAGE = 10, VALUE = 200 };

struct bench {
	struct redis *redis;
	long left, under_way;
	bool failed;
};

static void replied(void *data, int status, const struct redis_reply *reply)
{
	struct bench *bench = data;
	--bench->under_way;
	if (status || reply->type == REDIS_ERROR)
		bench->failed = true;
}

static int append(struct bench *bench, int argc, const char *const *argv)
{
	++bench->under_way;
	--bench->left;
	return redis_command(bench->redis, argc, argv, NULL, CLOCK_NEVER, replied, bench);
}

static int ask(struct bench *bench, bool fill)
{
	char key[32], score[24], value[VALUE + 1];
	snprintf(key, sizeof(key), "bench{%ld}", bench->left % KEYS);
	if (!fill)
		return append(bench, 4, (const char *const[]){"ZREVRANGE", key, "0", "9"});
	memset(value, 'x', VALUE);
	snprintf(score, sizeof(score), "%ld", bench->left / KEYS);
	memcpy(value, score, strlen(score));
	value[VALUE] = '\0';
	return append(bench, 4, (const char *const[]){"ZADD", key, score, value});
}

static bool run(struct bench *bench, long pages, long depth, bool fill)
{
	bench->left = pages;
	while (!bench->failed && (bench->left || bench->under_way)) {
		while (bench->left && bench->under_way < depth)
			if (ask(bench, fill))
				return false;
		if (redis_run(bench->redis))
			continue;
		struct pollfd watched = {.fd = redis_poll_fd(bench->redis), .events = POLLIN};
		poll(&watched, 1, 10);
	}
	return !bench->failed;
}

static double cpu_us(void)
{
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

int main(int argc, char **argv)
{
	struct bench bench = {0};
	struct redis_options options;
	char error[256];
	if (argc != 4)
		return 2;
	redis_options_init(&options);
	options.url = argv[1];
	if (redis_create(&bench.redis, &options, error, sizeof(error))) {
		fprintf(stderr, "%s\n", error);
		return 1;
	}
	long depth = atol(argv[2]), pages = atol(argv[3]);
	bool good = run(&bench, (long)KEYS * PAGE, 64, true) && run(&bench, 1000, depth, false);
	double before = cpu_us();
	good = good && run(&bench, pages, depth, false);
	if (good)
		printf("%.3f\n", (cpu_us() - before) / (double)pages);
	redis_destroy(bench.redis);
	return good ? 0 : 1;
}
