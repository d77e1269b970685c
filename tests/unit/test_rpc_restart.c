/*
 * rpc: a service that is killed and comes back must not cost the caller an
 * error. The services are processes forked before gRPC has started any
 * thread; each waits to be told its port.
 */
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/rpc_fixture.h"

struct process {
	pid_t pid;
	int orders, answers; /* pipes: to it an order, from it its port */
};

struct order {
	int port, delay_ms;
};

static struct process processes[4];

/* The service: serves the port of its order until it is killed. */
static void serve(int orders, int answers)
{
	static struct fixture fixture;
	struct rpc_server_options options;
	struct order order;
	char address[32];
	int port = 0;
	if (read(orders, &order, sizeof(order)) != (ssize_t)sizeof(order))
		_exit(0);
	usleep((useconds_t)order.delay_ms * 1000);
	rpc_server_options_init(&options);
	fixture_service_init(&fixture);
	snprintf(address, sizeof(address), "127.0.0.1:%d", order.port);
	if (rpc_queue_create(&fixture.queue) || rpc_server_create(&fixture.server, fixture.queue, &options) ||
	    rpc_server_add(fixture.server, &fixture.service.base, NULL) ||
	    rpc_server_listen(fixture.server, address, &port) || rpc_server_start(fixture.server))
		_exit(1);
	if (write(answers, &port, sizeof(port)) != (ssize_t)sizeof(port))
		_exit(1);
	for (;;)
		rpc_queue_run(fixture.queue, clock_monotonic_us() + 1000000);
}

static void spawn(struct process *process)
{
	int orders[2], answers[2];
	assert_int_equal(pipe(orders), 0);
	assert_int_equal(pipe(answers), 0);
	process->pid = fork();
	assert_true(process->pid >= 0);
	if (process->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(orders[1]);
		close(answers[0]);
		serve(orders[0], answers[1]);
	}
	close(orders[0]);
	close(answers[1]);
	process->orders = orders[1];
	process->answers = answers[0];
}

static void order(struct process *process, int port, int delay_ms)
{
	struct order what = {.port = port, .delay_ms = delay_ms};
	assert_int_equal(write(process->orders, &what, sizeof(what)), sizeof(what));
}

static int port_of(struct process *process)
{
	int port = 0;
	assert_int_equal(read(process->answers, &port, sizeof(port)), sizeof(port));
	assert_true(port > 0);
	return port;
}

/*
 * Keeps a port while nobody listens on it: programs that run at the same time would be given it. gRPC's listeners share it, since
 * they have SO_REUSEPORT, too; this socket takes no connections. Lasts as long as the program.
 */
static void reserve(int port)
{
	const int on = 1;
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)), 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
}

static void kill_process(struct process *process)
{
	if (process->pid <= 0)
		return;
	kill(process->pid, SIGKILL);
	waitpid(process->pid, NULL, 0);
	close(process->orders);
	close(process->answers);
	process->pid = 0;
}

static void call_succeeds(struct fixture *fixture)
{
	struct client_call call;
	client_call_init(&call);
	client_list_now(fixture, &call, "", "alive");
	assert_true(call.answered);
	assert_string_equal(call.id, "alive");
	client_call_free(&call);
}

static struct fixture *client_of(int port)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	assert_non_null(fixture);
	assert_int_equal(rpc_queue_create(&fixture->queue), 0);
	snprintf(fixture->address, sizeof(fixture->address), "127.0.0.1:%d", port);
	fixture_connect(fixture, NULL);
	return fixture;
}

static void client_free(struct fixture *fixture)
{
	rpc_channel_destroy(fixture->channel);
	rpc_queue_destroy(fixture->queue);
	free(fixture);
}

static void killed_while_idle(void **state)
{
	(void)state;
	order(&processes[0], 0, 0);
	int port = port_of(&processes[0]);
	reserve(port);
	struct fixture *fixture = client_of(port);
	call_succeeds(fixture);
	kill_process(&processes[0]);
	order(&processes[1], port, 0);
	assert_int_equal(port_of(&processes[1]), port);
	call_succeeds(fixture);
	kill_process(&processes[1]);
	client_free(fixture);
}

static void away_when_called(void **state)
{
	(void)state;
	order(&processes[2], 0, 0);
	int port = port_of(&processes[2]);
	reserve(port);
	struct fixture *fixture = client_of(port);
	call_succeeds(fixture);
	kill_process(&processes[2]);
	order(&processes[3], port, 400); /* is not there yet when the call is made */
	int64_t start_us = clock_monotonic_us();
	call_succeeds(fixture);
	print_message("back after %d ms\n", (int)((clock_monotonic_us() - start_us) / 1000));
	kill_process(&processes[3]);
	client_free(fixture);
}

static int end(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(processes) / sizeof(processes[0]); i++)
		kill_process(&processes[i]);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(killed_while_idle),
	    cmocka_unit_test(away_when_called),
	};
	for (size_t i = 0; i < sizeof(processes) / sizeof(processes[0]); i++)
		spawn(&processes[i]);
	return cmocka_run_group_tests(tests, NULL, end);
}
