/* rpc: TLS and client certificates, replaced while serving. */
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/pem_files.h"
#include "support/rpc_fixture.h"
#include "support/tls_fixture.h"

enum { CERT, KEY, AUTHORITY, FILES };

struct world {
	struct identity authority, server, client, stranger_authority, stranger;
	char folder[32];
	char paths[FILES][64];
	struct pem_files *files; /* of the server that runs */
};

/* Replaces a file, as renaming does. */
static void install(const struct world *world, int which, const char *text)
{
	char fresh[64];
	snprintf(fresh, sizeof(fresh), "%s/new", world->folder);
	FILE *file = fopen(fresh, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(rename(fresh, world->paths[which]), 0);
}

/* Reads the files again, as the main thread does once a second. */
static int refresh(const struct world *world)
{
	const char *culprit;
	int result = pem_files_refresh(world->files, &culprit);
	return result ? result : pem_files_refresh(world->files, &culprit);
}

/* Opens certificate and key, and authorities of clients for `mutual`. */
static int open_files(struct world *world, bool mutual)
{
	const char *culprit, *const paths[] = {world->paths[CERT], world->paths[KEY],
	                                       mutual ? world->paths[AUTHORITY] : NULL};
	pem_files_destroy(world->files);
	world->files = NULL;
	return pem_files_create(&world->files, paths, FILES, rpc_certificates_check, &culprit);
}

static int make_world(void **state)
{
	struct world *world = calloc(1, sizeof(*world));
	assert_non_null(world);
	identity_make(&world->authority, "authority", NULL);
	identity_make(&world->server, "server", &world->authority);
	identity_make(&world->client, "client", &world->authority);
	identity_make(&world->stranger_authority, "stranger authority", NULL);
	identity_make(&world->stranger, "stranger", &world->stranger_authority);
	strcpy(world->folder, "/tmp/test_rpc_tls.XXXXXX");
	assert_non_null(mkdtemp(world->folder));
	for (int i = 0; i < FILES; i++)
		snprintf(world->paths[i], sizeof(world->paths[i]), "%s/%d.pem", world->folder, i);
	install(world, AUTHORITY, world->authority.cert_pem);
	*state = world;
	return 0;
}

static int free_world(void **state)
{
	struct world *world = *state;
	identity_free(&world->authority);
	identity_free(&world->server);
	identity_free(&world->client);
	identity_free(&world->stranger_authority);
	identity_free(&world->stranger);
	pem_files_destroy(world->files);
	for (int i = 0; i < FILES; i++)
		unlink(world->paths[i]);
	rmdir(world->folder);
	free(world);
	return 0;
}

static struct fixture *serve_tls(struct world *world, bool mutual)
{
	struct rpc_server_options options;
	rpc_server_options_init(&options);
	install(world, CERT, world->server.cert_pem);
	install(world, KEY, world->server.key_pem);
	assert_int_equal(open_files(world, mutual), 0);
	options.certificates = world->files;
	struct fixture *fixture = fixture_serve(&options);
	assert_int_equal(rpc_server_start(fixture->server), 0);
	return fixture;
}

/* One call over a new connection; `client` NULL: without a certificate. Returns its status. */
static enum status call_tls(struct fixture *fixture, const struct identity *authority, const struct identity *client)
{
	struct rpc_channel_options options;
	struct client_call call;
	rpc_channel_options_init(&options);
	options.attempts = 1;
	options.tls_ca = authority ? authority->cert_pem : NULL;
	options.tls_cert = client ? client->cert_pem : NULL;
	options.tls_key = client ? client->key_pem : NULL;
	fixture_connect(fixture, &options);
	client_call_init(&call);
	client_list_now(fixture, &call, "", "x");
	enum status status = call.context.status;
	client_call_free(&call);
	rpc_channel_destroy(fixture->channel);
	fixture->channel = NULL;
	return status;
}

static void server_certificate(void **state)
{
	struct world *world = *state;
	struct fixture *fixture = serve_tls(world, false);
	assert_int_equal(call_tls(fixture, &world->authority, NULL), STATUS_OK);
	assert_int_equal(call_tls(fixture, &world->stranger_authority, NULL), STATUS_UNAVAILABLE);
	assert_int_equal(call_tls(fixture, NULL, NULL), STATUS_UNAVAILABLE); /* plaintext */
	fixture_destroy(fixture);
}

static void client_certificate(void **state)
{
	struct world *world = *state;
	struct fixture *fixture = serve_tls(world, true);
	assert_int_equal(call_tls(fixture, &world->authority, &world->client), STATUS_OK);
	assert_int_equal(call_tls(fixture, &world->authority, NULL), STATUS_UNAVAILABLE);
	assert_int_equal(call_tls(fixture, &world->authority, &world->stranger), STATUS_UNAVAILABLE);
	fixture_destroy(fixture);
}

static void certificate_is_replaced(void **state)
{
	struct world *world = *state;
	struct fixture *fixture = serve_tls(world, false);
	assert_int_equal(call_tls(fixture, &world->authority, NULL), STATUS_OK);
	install(world, CERT, world->stranger.cert_pem);
	assert_int_equal(refresh(world), -EINVAL);
	assert_int_equal(call_tls(fixture, &world->authority, NULL), STATUS_OK);
	install(world, CERT, "nonsense");
	assert_int_equal(refresh(world), -EINVAL);
	assert_int_equal(call_tls(fixture, &world->authority, NULL), STATUS_OK);
	install(world, CERT, world->stranger.cert_pem);
	install(world, KEY, world->stranger.key_pem);
	assert_int_equal(refresh(world), 1);
	assert_int_equal(call_tls(fixture, &world->authority, NULL), STATUS_UNAVAILABLE);
	assert_int_equal(call_tls(fixture, &world->stranger_authority, NULL), STATUS_OK);
	fixture_destroy(fixture);
}

static void unusable_texts_are_refused(void **state)
{
	struct world *world = *state;
	struct rpc_queue *queue;
	struct rpc_channel *channel;
	struct rpc_channel_options channel_options;
	rpc_channel_options_init(&channel_options);
	assert_int_equal(rpc_queue_create(&queue), 0);
	install(world, CERT, world->server.cert_pem);
	install(world, KEY, world->client.key_pem);
	assert_int_equal(open_files(world, false), -EINVAL);
	install(world, KEY, "-----BEGIN ENCRYPTED PRIVATE KEY-----\n-----END ENCRYPTED PRIVATE KEY-----\n");
	assert_int_equal(open_files(world, false), -ENOKEY);
	channel_options.tls_cert = world->client.cert_pem;
	assert_int_equal(rpc_channel_create(&channel, queue, "127.0.0.1:1", &channel_options), -EINVAL);
	rpc_queue_destroy(queue);
}

static size_t put(uint8_t *out, size_t at, const void *bytes, size_t length)
{
	memcpy(out + at, bytes, length);
	return at + length;
}

/* A ClientHello of this version (0x0303 is TLS 1.2) that offers what any server of an ECDSA certificate takes. */
static size_t client_hello(uint8_t *out, int version)
{
	static const uint8_t ciphers_and_compression[] = {0, 4, 0xc0, 0x2b, 0xc0, 0x09, 1, 0};
	static const uint8_t extensions[] = {
	    0, 31,                              /* length of all */
	    0, 10, 0, 4, 0, 2, 0,    0x17,      /* group P-256 */
	    0, 11, 0, 2, 1, 0,                  /* uncompressed points */
	    0, 13, 0, 4, 0, 2, 0x04, 0x03,      /* ECDSA with SHA-256 */
	    0, 16, 0, 5, 0, 3, 2,    'h',  '2', /* ALPN: h2 */
	};
	uint8_t random[33] = {1, 2, 3}; /* and an empty session id */
	size_t at = 9;
	out[at++] = (uint8_t)(version >> 8);
	out[at++] = (uint8_t)version;
	at = put(out, at, random, sizeof(random));
	at = put(out, at, ciphers_and_compression, sizeof(ciphers_and_compression));
	at = put(out, at, extensions, sizeof(extensions));
	const uint8_t head[] = {22, 3, 1, 0, (uint8_t)(at - 5), 1, 0, 0, (uint8_t)(at - 9)};
	put(out, 0, head, sizeof(head));
	return at;
}

/* The type of the record that answers a ClientHello: 22 is a handshake, 21 an alert; 0 where the connection is closed. */
static int answer_to_hello(struct fixture *fixture, int version)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	uint8_t hello[256], type = 0;
	to.sin_port = htons((uint16_t)atoi(strchr(fixture->address, ':') + 1));
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	size_t length = client_hello(hello, version);
	assert_int_equal(send(fd, hello, length, MSG_NOSIGNAL), length);
	FIXTURE_RUN_UNTIL(fixture->queue, recv(fd, &type, 1, MSG_DONTWAIT) >= 0 || errno == ECONNRESET);
	close(fd);
	return type;
}

static void old_versions_are_refused(void **state)
{
	struct fixture *fixture = serve_tls(*state, false);
	assert_int_equal(answer_to_hello(fixture, 0x0303), 22);
	assert_int_not_equal(answer_to_hello(fixture, 0x0302), 22);
	assert_int_not_equal(answer_to_hello(fixture, 0x0301), 22);
	fixture_destroy(fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(server_certificate),       cmocka_unit_test(client_certificate),
	    cmocka_unit_test(certificate_is_replaced),  cmocka_unit_test(unusable_texts_are_refused),
	    cmocka_unit_test(old_versions_are_refused),
	};
	return cmocka_run_group_tests(tests, make_world, free_world);
}
