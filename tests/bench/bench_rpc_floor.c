/*
 * bench_rpc_floor: what a page costs in the rpc module and gRPC alone. A
 * server that asks callhistoryd for one page when it starts, and answers every
 * ListCalls with it, as callhistoryd does: in the turn of its loop after the
 * one in which the request came. Ends on SIGTERM.
 *
 *   bench_rpc_floor --service ADDRESS --token-file FILE --project-code P --vbot-id V --number N --listen ADDRESS...
 *
 * Each address has a worker of its own.
 */
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/context.h"
#include "handlers/handlers.h"
#include "measure.h"
#include "rpc/channel.h"
#include "rpc/queue.h"
#include "rpc/server.h"
#include "spliced.pb-c.h"

enum { WORKERS_MAX = 64, PAGE_SIZE = 10, WAIT_US = 100000, ARENA_BLOCK = 16384 };

struct settings {
	const char *service, *token_file, *project_code, *vbot_id, *number, *listen[WORKERS_MAX];
	size_t workers;
};

/* A request that is answered in the next turn. */
struct waiting {
	struct waiting *next;
	ProtobufCClosure closure;
	struct context *context;
};

struct worker {
	ProtobufCService service; /* first: invoke gets a pointer to it */
	const Callhistory__Spliced__ListCallsResponse *page;
	struct rpc_queue *queue;
	struct rpc_server *server;
	struct waiting *waiting;
	pthread_t thread;
	_Atomic bool *stop;
};

static void serve(ProtobufCService *service, unsigned index, const ProtobufCMessage *input, ProtobufCClosure closure,
                  void *closure_data)
{
	struct worker *worker = (struct worker *)service;
	struct context *context = closure_data;
	struct waiting *waiting = arena_alloc(context->arena, sizeof(*waiting));
	(void)index;
	(void)input;
	if (!waiting) {
		closure(NULL, context);
		return;
	}
	*waiting = (struct waiting){worker->waiting, closure, context};
	worker->waiting = waiting;
}

static void *run(void *data)
{
	struct worker *worker = data;
	while (!*worker->stop) {
		rpc_queue_run(worker->queue, worker->waiting ? 0 : clock_monotonic_us() + WAIT_US);
		struct waiting *waiting = worker->waiting;
		worker->waiting = NULL;
		while (waiting) {
			struct waiting *next = waiting->next; /* the closure frees it */
			waiting->closure(&worker->page->base, waiting->context);
			waiting = next;
		}
	}
	return NULL;
}

static void start(struct worker *worker, const char *address)
{
	struct rpc_server_options options;
	rpc_server_options_init(&options);
	worker->service = (ProtobufCService){&callhistory__spliced__call_history_service__descriptor, serve, NULL};
	if (rpc_queue_create(&worker->queue) || rpc_server_create(&worker->server, worker->queue, &options) ||
	    rpc_server_add(worker->server, &worker->service, HANDLERS_HISTORY_NAME) ||
	    rpc_server_listen(worker->server, address, NULL) || rpc_server_start(worker->server) ||
	    pthread_create(&worker->thread, NULL, run, worker))
		die("%s: cannot be served", address);
}

/* ---- The page ---- */

/* The answer to the one request. The context comes first, as closure_data must. */
struct asked {
	struct context context;
	const Callhistory__Spliced__ListCallsResponse *page;
	bool done;
};

static void take_page(const Callhistory__Spliced__ListCallsResponse *page, void *data)
{
	struct asked *asked = data;
	asked->page = page; /* its memory is the arena's, which stays */
	asked->done = true;
}

static const Callhistory__Spliced__ListCallsResponse *ask(const struct settings *settings)
{
	struct rpc_channel_options options;
	struct rpc_channel *channel;
	struct rpc_queue *queue;
	struct arena *arena;
	struct asked asked = {.done = false};
	struct lines token;
	char authorization[512];
	ProtobufCService *service;
	Callhistory__V1__ListCallsRequest request = CALLHISTORY__V1__LIST_CALLS_REQUEST__INIT;
	lines_read(&token, settings->token_file);
	snprintf(authorization, sizeof(authorization), "Bearer %s", token.line[0]);
	rpc_channel_options_init(&options);
	if (rpc_queue_create(&queue) || arena_create(&arena, ARENA_BLOCK) ||
	    rpc_channel_create(&channel, queue, settings->service, &options) ||
	    rpc_channel_service(channel, &callhistory__spliced__call_history_service__descriptor, HANDLERS_HISTORY_NAME,
	                        &service))
		die("%s: no address of a service", settings->service);
	context_init(&asked.context, arena);
	asked.context.authorization = authorization;
	asked.context.deadline_us = clock_monotonic_us() + 10 * INT64_C(1000000);
	request.project_code = (char *)settings->project_code;
	request.vbot_id = (char *)settings->vbot_id;
	request.phone = (char *)settings->number;
	request.page_size = PAGE_SIZE;
	callhistory__spliced__call_history_service__list_calls(service, &request, take_page, &asked);
	while (!asked.done)
		rpc_queue_run(queue, clock_monotonic_us() + WAIT_US);
	if (!asked.page || asked.page->n_calls != PAGE_SIZE)
		die("%s has no page of %d calls", settings->number, PAGE_SIZE);
	rpc_channel_destroy(channel);
	rpc_queue_destroy(queue);
	lines_free(&token);
	return asked.page;
}

static void read_settings(struct settings *settings, int argc, char **argv)
{
	static const struct option options[] = {
	    {"service", required_argument, NULL, 's'},
	    {"token-file", required_argument, NULL, 't'},
	    {"number", required_argument, NULL, 'n'},
	    {"project-code", required_argument, NULL, 'p'},
	    {"vbot-id", required_argument, NULL, 'v'},
	    {"listen", required_argument, NULL, 'l'},
	    {NULL, 0, NULL, 0},
	};
	for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		const char **text = option == 's'   ? &settings->service
		                    : option == 't' ? &settings->token_file
		                    : option == 'n' ? &settings->number
		                    : option == 'p' ? &settings->project_code
		                    : option == 'v' ? &settings->vbot_id
		                                    : NULL;
		if (text)
			*text = optarg;
		else if (option == 'l' && settings->workers < WORKERS_MAX)
			settings->listen[settings->workers++] = optarg;
		else
			exit(2);
	}
	if (!settings->service || !settings->token_file || !settings->number || !settings->project_code ||
	    !settings->vbot_id || !settings->workers)
		die("--service, --token-file, --number, --project-code, --vbot-id and --listen are needed");
}

int main(int argc, char **argv)
{
	static struct worker workers[WORKERS_MAX];
	struct settings settings = {.workers = 0};
	_Atomic bool stop = false;
	sigset_t signals;
	int number;
	read_settings(&settings, argc, argv);
	rpc_prepare((int64_t)settings.workers);
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	const Callhistory__Spliced__ListCallsResponse *page = ask(&settings);
	for (size_t i = 0; i < settings.workers; i++) {
		workers[i].page = page;
		workers[i].stop = &stop;
		start(&workers[i], settings.listen[i]);
	}
	sigwait(&signals, &number);
	stop = true;
	for (size_t i = 0; i < settings.workers; i++) {
		pthread_join(workers[i].thread, NULL);
		rpc_server_destroy(workers[i].server);
		rpc_queue_destroy(workers[i].queue);
	}
	rpc_exit(0);
}
