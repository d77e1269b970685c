/*
 * bench_contract: what one request costs in the contract room alone: writing
 * a page of 10 calls, reading a body, a query string and an imported line,
 * making a time zone.
 *
 *   bench_contract [MILLISECONDS for each line, default 300]
 *
 * Prints a table: microseconds each, in the fastest of many batches.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "contract/contract.h"
#include "measure.h"

enum { PAGE = 10, BATCH = 200 };

static const char line[] =
    "{\"project_code\":\"DEMO\",\"vbot_id\":\"VBOT001\",\"hotline_number\":\"02873001234\",\"date_create\":"
    "\"10/25/2023 10:34:15\",\"caller\":[{\"phone\":\"0912345678\",\"vbot_id\":\"\",\"date_create\":\"10/25/2023 "
    "10:34:15\","
    "\"disposition\":\"ANSWER\",\"time_call\":\"120\",\"postage\":0,\"source\":\"PSTN\",\"member_no\":\"\"}],"
    "\"callee\":"
    "[{\"phone\":\"101\",\"vbot_id\":\"VB-101\",\"date_create\":\"10/25/2023 10:34:20\",\"disposition\":\"ANSWER\","
    "\"time_call\":\"115\",\"postage\":6.1,\"source\":\"APP\",\"member_no\":\"101\"}],\"time_call\":\"120\",\"type_"
    "call\":"
    "\"CALLIN\",\"disposition\":\"ANSWER\",\"record_file\":[\"https://recordings.example.vn/2023/10/25/c-1.wav\"],"
    "\"event_data\":\"HISTORY_CALL\"}";
static const char body[] =
    "{\"vbot_id\":\"VBOT001\",\"project_code\":\"DEMO\",\"phone\":\"0912345678\",\"page\":1,\"size\":10}";
static const char query[] = "vbot_id=VBOT001&project_code=DEMO&phone=0912345678&page=1&size=10";

/* What the measured functions work on. */
struct bench {
	struct arena *arena;
	struct contract_zone *zone;
	struct buffer out;
	ProtobufCBinaryData calls[PAGE]; /* packed, as they come from the service */
};

static void write_page(struct bench *bench)
{
	buffer_clear(&bench->out);
	if (contract_write_list_part(&bench->out, CONTRACT_GET_ALL, bench->zone, bench->calls, PAGE, true, true))
		die("a packed call is none");
}

static void read_request(struct bench *bench, const struct contract_input *input)
{
	struct contract_request request;
	struct contract_error error;
	arena_reset(bench->arena);
	if (contract_read_request(bench->arena, input, &request, &error))
		die("%s", error.message);
}

static void read_body(struct bench *bench)
{
	const struct contract_input input = {.body = body, .body_length = sizeof(body) - 1};
	read_request(bench, &input);
}

static void read_query(struct bench *bench)
{
	const struct contract_input input = {.query = query, .query_length = sizeof(query) - 1};
	read_request(bench, &input);
}

static void read_line(struct bench *bench)
{
	struct contract_import import;
	struct contract_error error;
	arena_reset(bench->arena);
	if (contract_read_import(bench->arena, bench->zone, line, sizeof(line) - 1, &import, &error))
		die("%s", error.message);
}

static void make_zone(struct bench *bench)
{
	struct contract_zone *zone;
	(void)bench;
	if (contract_zone_create(&zone, "Europe/Berlin"))
		die("no time zone Europe/Berlin");
	contract_zone_destroy(zone);
}

/* Measures short batches and prints the fastest: what the work costs when nothing else has the core. */
static void measure(const char *name, struct bench *bench, void (*work)(struct bench *bench), long milliseconds)
{
	const int64_t end = clock_monotonic_us() + milliseconds * 1000;
	double best = 0;
	for (int64_t now = 0; now < end;) {
		const int64_t start = clock_monotonic_us();
		int count = 0;
		do {
			work(bench);
			now = clock_monotonic_us();
		} while (++count < BATCH && now < end);
		const double each = (double)(now - start) / count;
		if (best == 0 || each < best)
			best = each;
	}
	printf("%-28s %10.2f us\n", name, best);
}

int main(int argc, char **argv)
{
	struct bench bench = {0};
	struct arena *kept = NULL;
	struct contract_error error;
	const long milliseconds = argc > 1 ? strtol(argv[1], NULL, 10) : 300;
	if (contract_zone_create(&bench.zone, "Asia/Ho_Chi_Minh") || arena_create(&bench.arena, 16384) ||
	    arena_create(&kept, 65536))
		die("can't start: no time zone Asia/Ho_Chi_Minh, or out of memory");
	for (int i = 0; i < PAGE; ++i) {
		struct contract_import import;
		if (contract_read_import(kept, bench.zone, line, sizeof(line) - 1, &import, &error))
			die("%s", error.message);
		bench.calls[i].len = callhistory__v1__call__get_packed_size(import.call);
		bench.calls[i].data = arena_alloc(kept, bench.calls[i].len);
		if (!bench.calls[i].data)
			die("out of memory");
		callhistory__v1__call__pack(import.call, bench.calls[i].data);
	}
	measure("write a page of 10 calls", &bench, write_page, milliseconds);
	printf("%-28s %10zu\n", "  its bytes", bench.out.length);
	measure("read a body", &bench, read_body, milliseconds);
	measure("read a query string", &bench, read_query, milliseconds);
	measure("read an imported line", &bench, read_line, milliseconds);
	measure("make a zone (Berlin)", &bench, make_zone, milliseconds);
	buffer_free(&bench.out);
	arena_destroy(kept);
	arena_destroy(bench.arena);
	contract_zone_destroy(bench.zone);
	return 0;
}
