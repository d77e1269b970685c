/*
 * bench_service: load on callhistoryd alone, over gRPC, through the same
 * channel that the gateway uses. A closed loop: N calls in flight on one
 * thread, each answered one is replaced by the next. With --rate an open one:
 * calls begin at random times, so many a second, if fewer than N are in flight.
 *
 *   bench_service --service ADDRESS --token-file FILE --numbers FILE --project-code P --vbot-id V
 *                 [--size 10] [--page 1] [--count] [--in-flight 64] [--connections 1] [--seconds 3] [--tenants 1]
 *                 [--rate R]
 *
 * Numbers are chosen at random, one a line. Several tenants have the same
 * numbers, and 0, 1, ... behind V. Calls of an answer are left packed
 * (spliced.proto), so that the client costs little. Prints one JSON object.
 */
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/context.h"
#include "handlers/handlers.h"
#include "measure.h"
#include "rpc/channel.h"
#include "rpc/queue.h"
#include "spliced.pb-c.h"

enum { CONNECTIONS_MAX = 64, IN_FLIGHT_MAX = 4096, TENANTS_MAX = 1000, ARENA_BLOCK = 16384 };

struct settings {
	const char *service, *token_file, *numbers_file, *project_code, *vbot_id;
	int size, page, in_flight, connections, tenants;
	double seconds, rate; /* rate 0: a closed loop */
	bool count;
};

struct load {
	struct settings settings;
	struct lines numbers;
	char authorization[512];
	char vbot_ids[TENANTS_MAX][32];
	ProtobufCService *services[CONNECTIONS_MAX];
	struct histogram histogram;
	uint64_t errors, bytes, random;
	const char *error; /* the first failure, static text */
	int64_t end_us;
	int in_flight;
	struct slot *idle; /* --rate: those without a call */
};

/* One place in the loop. The context comes first, as closure_data must. */
struct slot {
	struct context context;
	struct load *load;
	struct slot *next_idle;
	struct arena *arena;
	ProtobufCService *service;
	int64_t start_us;
};

static void send_next(struct slot *slot);

static void finish(struct slot *slot, bool good)
{
	struct load *load = slot->load;
	int64_t now = clock_monotonic_us();
	load->in_flight--;
	histogram_add(&load->histogram, now - slot->start_us);
	if (!good && load->errors++ == 0)
		load->error = status_name(slot->context.status);
	if (load->settings.rate > 0) {
		slot->next_idle = load->idle;
		load->idle = slot;
	} else if (now < load->end_us) {
		send_next(slot);
	}
}

static void list_done(const Callhistory__Spliced__ListCallsResponse *response, void *data)
{
	struct slot *slot = data;
	for (size_t i = 0; response && i < response->n_calls; i++)
		slot->load->bytes += response->calls[i].len;
	finish(slot, response != NULL);
}

static void count_done(const Callhistory__V1__CountCallsResponse *response, void *data)
{
	finish(data, response != NULL);
}

static void send_next(struct slot *slot)
{
	struct load *load = slot->load;
	const struct settings *settings = &load->settings;
	char *number = load->numbers.line[random_next(&load->random) % load->numbers.count];
	char *vbot_id = load->vbot_ids[random_next(&load->random) % (unsigned)settings->tenants];
	arena_reset(slot->arena);
	context_init(&slot->context, slot->arena);
	slot->context.authorization = load->authorization;
	slot->start_us = clock_monotonic_us();
	slot->context.deadline_us = slot->start_us + 10 * INT64_C(1000000);
	load->in_flight++;
	if (settings->count) {
		Callhistory__V1__CountCallsRequest request = CALLHISTORY__V1__COUNT_CALLS_REQUEST__INIT;
		request.project_code = (char *)settings->project_code;
		request.vbot_id = vbot_id;
		request.phone = number;
		callhistory__spliced__call_history_service__count_calls(slot->service, &request, count_done, slot);
		return;
	}
	Callhistory__V1__ListCallsRequest request = CALLHISTORY__V1__LIST_CALLS_REQUEST__INIT;
	request.project_code = (char *)settings->project_code;
	request.vbot_id = vbot_id;
	request.phone = number;
	request.page_size = settings->size;
	request.page = settings->page;
	callhistory__spliced__call_history_service__list_calls(slot->service, &request, list_done, slot);
}

static int number_option(const char *name, const char *text, int low, int high)
{
	char *end;
	long value = strtol(text, &end, 10);
	if (*end || end == text || value < low || value > high)
		die("--%s: a number from %d to %d is needed", name, low, high);
	return (int)value;
}

static void read_settings(struct settings *settings, int argc, char **argv)
{
	static const struct option options[] = {
	    {"service", required_argument, NULL, 's'},   {"token-file", required_argument, NULL, 't'},
	    {"numbers", required_argument, NULL, 'n'},   {"project-code", required_argument, NULL, 'p'},
	    {"vbot-id", required_argument, NULL, 'v'},   {"size", required_argument, NULL, 'z'},
	    {"page", required_argument, NULL, 'g'},      {"count", no_argument, NULL, 'c'},
	    {"in-flight", required_argument, NULL, 'f'}, {"connections", required_argument, NULL, 'k'},
	    {"seconds", required_argument, NULL, 'd'},   {"tenants", required_argument, NULL, 'm'},
	    {"rate", required_argument, NULL, 'r'},      {NULL, 0, NULL, 0},
	};
	*settings = (struct settings){.size = 10, .page = 1, .in_flight = 64, .connections = 1, .seconds = 3, .tenants = 1};
	for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		switch (option) {
		case 's':
			settings->service = optarg;
			break;
		case 't':
			settings->token_file = optarg;
			break;
		case 'n':
			settings->numbers_file = optarg;
			break;
		case 'p':
			settings->project_code = optarg;
			break;
		case 'v':
			settings->vbot_id = optarg;
			break;
		case 'z':
			settings->size = number_option("size", optarg, 1, 1000);
			break;
		case 'g':
			settings->page = number_option("page", optarg, 1, 1000000);
			break;
		case 'c':
			settings->count = true;
			break;
		case 'f':
			settings->in_flight = number_option("in-flight", optarg, 1, IN_FLIGHT_MAX);
			break;
		case 'k':
			settings->connections = number_option("connections", optarg, 1, CONNECTIONS_MAX);
			break;
		case 'm':
			settings->tenants = number_option("tenants", optarg, 1, TENANTS_MAX);
			break;
		case 'r':
			settings->rate = strtod(optarg, NULL);
			break;
		case 'd':
			settings->seconds = strtod(optarg, NULL);
			break;
		default:
			exit(2);
		}
	}
	if (!settings->service || !settings->token_file || !settings->numbers_file || !settings->project_code ||
	    !settings->vbot_id || !(settings->seconds > 0 && settings->seconds <= 3600))
		die("--service, --token-file, --numbers, --project-code, --vbot-id and --seconds above 0 are needed");
}

/* Begins calls at random times, until the end. Sleeps by itself, because gRPC's waits are whole milliseconds. */
static void send_at_rate(struct load *load, struct rpc_queue *queue)
{
	int64_t next_us = clock_monotonic_us();
	while (next_us < load->end_us) {
		struct slot *slot = load->idle;
		double share = (double)(random_next(&load->random) >> 11) * 0x1p-53;
		if (slot) {
			load->idle = slot->next_idle;
			send_next(slot);
		}
		next_us += (int64_t)(-log1p(-share) * 1e6 / load->settings.rate);
		const struct timespec next = {.tv_sec = next_us / 1000000, .tv_nsec = next_us % 1000000 * 1000};
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
		rpc_queue_run(queue, 0);
	}
}

/* Starts every place, runs until the time is over and the last answer is in. Returns the time it took. */
static int64_t run(struct load *load, struct rpc_queue *queue, struct slot *slots)
{
	const struct settings *settings = &load->settings;
	int64_t start = clock_monotonic_us();
	load->end_us = start + (int64_t)(settings->seconds * 1e6);
	for (int i = 0; i < settings->in_flight; i++) {
		slots[i].load = load;
		slots[i].service = load->services[i % settings->connections];
		if (arena_create(&slots[i].arena, ARENA_BLOCK))
			die("out of memory");
		if (settings->rate > 0) {
			slots[i].next_idle = load->idle;
			load->idle = &slots[i];
		} else {
			send_next(&slots[i]);
		}
	}
	if (settings->rate > 0)
		send_at_rate(load, queue);
	/* Every call has a deadline of ten seconds, so this ends. */
	while (load->in_flight > 0)
		rpc_queue_run(queue, clock_monotonic_us() + 1000000);
	return clock_monotonic_us() - start;
}

int main(int argc, char **argv)
{
	struct load load = {.random = UINT64_C(0x9e3779b97f4a7c15)};
	struct rpc_channel *channels[CONNECTIONS_MAX] = {NULL};
	struct rpc_channel_options options;
	struct rpc_queue *queue;
	struct lines token;
	read_settings(&load.settings, argc, argv);
	lines_read(&load.numbers, load.settings.numbers_file);
	lines_read(&token, load.settings.token_file);
	if (snprintf(load.authorization, sizeof(load.authorization), "Bearer %s", token.line[0]) >=
	    (int)sizeof(load.authorization))
		die("the token is too long");
	for (int i = 0; i < load.settings.tenants; i++)
		snprintf(load.vbot_ids[i], sizeof(load.vbot_ids[i]), load.settings.tenants > 1 ? "%s%d" : "%s",
		         load.settings.vbot_id, i);
	rpc_channel_options_init(&options);
	if (rpc_queue_create(&queue))
		die("out of memory");
	for (int i = 0; i < load.settings.connections; i++)
		if (rpc_channel_create(&channels[i], queue, load.settings.service, &options) ||
		    rpc_channel_service(channels[i], &callhistory__spliced__call_history_service__descriptor,
		                        HANDLERS_HISTORY_NAME, &load.services[i]))
			die("%s: no address of a service", load.settings.service);
	struct slot *slots = calloc((size_t)load.settings.in_flight, sizeof(*slots));
	if (!slots)
		die("out of memory");
	int64_t elapsed = run(&load, queue, slots);
	measure_print(&load.histogram, load.errors, load.bytes, elapsed);
	if (load.error)
		fprintf(stderr, "first failure: %s\n", load.error);
	for (int i = 0; i < load.settings.connections; i++)
		rpc_channel_destroy(channels[i]);
	rpc_queue_destroy(queue);
	for (int i = 0; i < load.settings.in_flight; i++)
		arena_destroy(slots[i].arena);
	free(slots);
	lines_free(&token);
	lines_free(&load.numbers);
	return load.errors != 0;
}
