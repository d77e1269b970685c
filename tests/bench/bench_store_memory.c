/*
 * bench_store_memory: what a call costs in Redis: memory, time to record, time
 * to read. No test: it passes no judgement.
 *
 *   bench_store_memory [CALLS [APPENDFSYNC [PAGES [DAYS [LEGS]]]]]     (1000000 everysec 20000 365 0)
 *
 * LEGS calls that follow each other have one group id; 0: none has any.
 *
 * The calls are recorded twice: new, and again unchanged. With 0 PAGES nothing is read.
 *
 * Data: 200,000 customers' numbers with few calls each (Zipf), 500 extensions,
 * records of about 150 bytes, spread over DAYS and recorded in order of time.
 */
#include <inttypes.h>

#include "../unit/support/store_fixture.h"

enum {
	CUSTOMERS = 200000,
	EXTENSIONS = 500,
	BATCH = 1000, /* calls in one store_record() */
	UNDER_WAY = 2,
	PAGE_SIZE = 10,
	PAGES_UNDER_WAY = 64,
};

static const int64_t day_ms = 86400000, start_ms = INT64_C(1735689600000);

struct batch {
	struct bench *bench;
	struct arena *arena;
	struct store_call calls[BATCH];
	char ids[BATCH][48], customers[BATCH][16], extensions[BATCH][16];
	const char *numbers[BATCH][2];
	char groups[BATCH][48];
	uint8_t records[BATCH][256];
};

struct bench {
	struct store_fixture fixture;
	struct batch batches[UNDER_WAY];
	int64_t total, sent, recorded;
	int64_t pages, pages_sent, pages_read, pages_records;
	struct arena *arenas[PAGES_UNDER_WAY];
	const char *(*number)(struct bench *bench, char out[16]);
	uint64_t random;
	bool done;
	double period_ms;
	int64_t legs;
	double value; /* of the last INFO field */
	const char *field;
};

static double draw(struct bench *bench)
{
	bench->random = bench->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (double)(bench->random >> 11) / 9007199254740992.0;
}

/* Zipf with an exponent of 0.8: the fifth power of a number drawn evenly between the fifth roots of the ranks. */
static const char *customer(struct bench *bench, char out[16])
{
	const double top = 11.4869835;
	double root = draw(bench) * (top - 1) + 1;
	unsigned rank = (unsigned)(root * root * root * root * root);
	snprintf(out, 16, "09%08u", rank * 479 % 100000000);
	return out;
}

static const char *extension(struct bench *bench, char out[16])
{
	snprintf(out, 16, "%u", 100 + (unsigned)(draw(bench) * EXTENSIONS));
	return out;
}

static const char *everybody(struct bench *bench, char out[16])
{
	(void)bench;
	(void)out;
	return NULL;
}

static void send_batch(struct bench *bench, struct batch *batch);

static void on_recorded(void *data, int status, const enum store_outcome *outcomes, size_t count)
{
	struct batch *batch = data;
	struct bench *bench = batch->bench;
	(void)outcomes;
	if (status) {
		fprintf(stderr, "recording failed: %s\n", strerror(-status));
		exit(1);
	}
	bench->recorded += (int64_t)count;
	if (bench->sent < bench->total)
		send_batch(bench, batch);
	bench->done = bench->recorded == bench->total;
}

static void send_batch(struct bench *bench, struct batch *batch)
{
	static const char text[] = "0912345678 101 CALLOUT ANSWER 1500.0 https://recordings.example.com/2026/11/22/"
	                           "17000000001234567.wav ";
	size_t count = 0;
	char number[16];
	while (count < BATCH && bench->sent < bench->total) {
		int64_t ms = start_ms + (int64_t)((double)bench->sent / (double)bench->total * bench->period_ms) +
		             (int64_t)(draw(bench) * 1000);
		snprintf(batch->ids[count], sizeof(batch->ids[count]), "%" PRId64 ".%07" PRId64, ms / 1000, bench->sent++);
		snprintf(batch->customers[count], 16, "%s", customer(bench, number));
		snprintf(batch->extensions[count], 16, "%s", extension(bench, number));
		batch->groups[count][0] = '\0';
		if (bench->legs)
			snprintf(batch->groups[count], sizeof(batch->groups[count]), "grp-%" PRId64, bench->sent / bench->legs);
		batch->numbers[count][0] = batch->customers[count];
		batch->numbers[count][1] = batch->extensions[count];
		batch->calls[count] = (struct store_call){
		    .start_ms = ms,
		    .record = {batch->records[count], store_fixture_pack(batch->records[count], batch->ids[count], ms, text)},
		    .numbers = batch->numbers[count],
		    .number_count = 2,
		    .group = batch->groups[count],
		};
		++count;
	}
	arena_reset(batch->arena);
	if (count &&
	    store_record(bench->fixture.store, "1f", batch->calls, count, batch->arena, CLOCK_NEVER, on_recorded, batch))
		exit(1);
}

static void on_info(void *data, int status, const struct redis_reply *reply)
{
	struct bench *bench = data;
	const char *at = status ? NULL : strstr(reply->data, bench->field);
	bench->value = at ? strtod(at + strlen(bench->field), NULL) : 0;
	bench->done = true;
}

static double info(struct bench *bench, const char *field)
{
	const char *const argv[] = {"INFO", "everything"};
	bench->field = field;
	bench->done = false;
	redis_command(bench->fixture.redis, 2, argv, NULL, CLOCK_NEVER, on_info, bench);
	redis_server_run(bench->fixture.redis, &bench->done, 60000);
	return bench->value;
}

static double cpu_s(struct bench *bench)
{
	return info(bench, "used_cpu_user:") + info(bench, "used_cpu_sys:");
}

static void send_page(struct bench *bench, struct arena *arena);

struct page_request {
	struct bench *bench;
	struct arena *arena;
};

static void on_page(void *data, int status, const struct store_page *page)
{
	struct page_request request = *(struct page_request *)data;
	struct bench *bench = request.bench;
	if (status) {
		fprintf(stderr, "reading failed: %s\n", strerror(-status));
		exit(1);
	}
	bench->pages_records += (int64_t)page->count;
	bench->done = ++bench->pages_read == bench->pages;
	if (bench->pages_sent < bench->pages)
		send_page(bench, request.arena);
}

static void send_page(struct bench *bench, struct arena *arena)
{
	char number[16];
	arena_reset(arena);
	struct page_request *request = arena_alloc(arena, sizeof(*request));
	*request = (struct page_request){bench, arena};
	const struct store_range range = {"1f", bench->number(bench, number), INT64_MIN, INT64_MAX, NULL};
	++bench->pages_sent;
	if (store_list(bench->fixture.store, &range, NULL, 0, PAGE_SIZE, arena, CLOCK_NEVER, on_page, request))
		exit(1);
}

static void measure_pages(struct bench *bench, const char *name, const char *(*number)(struct bench *, char[16]))
{
	double before = cpu_s(bench);
	int64_t begin = clock_monotonic_us();
	bench->number = number;
	bench->pages_sent = bench->pages_read = bench->pages_records = 0;
	bench->done = false;
	for (size_t i = 0; i < PAGES_UNDER_WAY; ++i)
		send_page(bench, bench->arenas[i]);
	redis_server_run(bench->fixture.redis, &bench->done, 600000);
	double wall_us = (double)(clock_monotonic_us() - begin), pages = (double)bench->pages;
	printf("page of %d, %s: Redis %.1f us CPU, %.0f pages/s, %.1f calls a page\n", PAGE_SIZE, name,
	       (cpu_s(bench) - before) * 1e6 / pages, pages / wall_us * 1e6, (double)bench->pages_records / pages);
}

/* The generator begins anew each time, so the second pass records what is there already. */
static void measure_recording(struct bench *bench, const char *outcome)
{
	double memory = info(bench, "used_memory:"), cpu = cpu_s(bench);
	int64_t begin = clock_monotonic_us();
	bench->random = 20261122;
	bench->sent = bench->recorded = 0;
	bench->done = false;
	for (size_t i = 0; i < UNDER_WAY; ++i)
		send_batch(bench, &bench->batches[i]);
	redis_server_run(bench->fixture.redis, &bench->done, 3600000);
	double wall_us = (double)(clock_monotonic_us() - begin);
	double calls = (double)bench->total;
	printf("recorded %.0f %s calls: %.0f calls/s, Redis %.1f us CPU and %+.1f bytes a call\n", calls, outcome,
	       calls / wall_us * 1e6, (cpu_s(bench) - cpu) * 1e6 / calls, (info(bench, "used_memory:") - memory) / calls);
}

int main(int argc, char **argv)
{
	static struct bench bench;
	const char *const extra[] = {"--appendfsync", argc > 2 ? argv[2] : "everysec", "--auto-aof-rewrite-percentage", "0",
	                             NULL};
	bench.total = argc > 1 ? strtoll(argv[1], NULL, 10) : 1000000;
	bench.pages = argc > 3 ? strtoll(argv[3], NULL, 10) : 20000;
	bench.period_ms = (double)day_ms * (argc > 4 ? strtod(argv[4], NULL) : 365);
	bench.legs = argc > 5 ? strtoll(argv[5], NULL, 10) : 0;
	bool failed = store_fixture_start(&bench.fixture, extra) != 0;
	for (size_t i = 0; i < UNDER_WAY && !failed; ++i) {
		bench.batches[i].bench = &bench;
		failed = arena_create(&bench.batches[i].arena, 1 << 18) != 0;
	}
	for (size_t i = 0; i < PAGES_UNDER_WAY && !failed; ++i)
		failed = arena_create(&bench.arenas[i], 1 << 14) != 0;
	if (failed) {
		fprintf(stderr, "could not start\n");
		return 1;
	}
	/* As callhistoryd does by default. */
	store_set_change_retention(bench.fixture.store, 7 * day_ms);
	measure_recording(&bench, "new");
	measure_recording(&bench, "unchanged");
	if (bench.pages) {
		measure_pages(&bench, "customer", customer);
		measure_pages(&bench, "extension", extension);
		measure_pages(&bench, "time line", everybody);
	}
	for (size_t i = 0; i < UNDER_WAY; ++i)
		arena_destroy(bench.batches[i].arena);
	for (size_t i = 0; i < PAGES_UNDER_WAY; ++i)
		arena_destroy(bench.arenas[i]);
	store_fixture_stop(&bench.fixture);
	return 0;
}
