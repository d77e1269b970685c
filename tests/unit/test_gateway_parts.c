/* Unit tests of the gateway's pure parts: credentials, codings, preferences, ids, framing, paths, recordings' URLs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#include "base/trace.h"
#include "compress.h"
#include "credentials.h"
#include "prefer.h"
#include "recording.h"
#include "request.h"
#include "route.h"
#include "settings.h"

static int make_request(void **state)
{
	struct request *request = request_create(NULL);
	if (!request)
		return -1;
	*state = request;
	return 0;
}

static int drop_request(void **state)
{
	request_destroy(*state);
	return 0;
}

static void test_credentials(void **state)
{
	static const struct {
		const char *authorization, *key;
		const char *result; /* NULL: refused */
	} cases[] = {
	    {"Bearer abc", NULL, "Bearer abc"},
	    {"bearer \t abc  ", NULL, "Bearer abc"},
	    {NULL, "abc", "Bearer abc"},
	    {"Bearer abc", "abc", "Bearer abc"},
	    {"Bearer abc", "abd", NULL},
	    {"Bearer", NULL, NULL},
	    {"Bearerabc", NULL, NULL},
	    {"Bearer a b", NULL, NULL},
	    {"Bearer a,b", NULL, NULL},
	    {"Basic abc", NULL, NULL},
	    {"", NULL, NULL},
	    {"", "abc", "Bearer abc"},
	    {"Bearer", "abc", "Bearer abc"},
	    {"Bearer  ", "abc", "Bearer abc"},
	    {"Basic eDp5", "abc", "Bearer abc"},
	    {"Bearerabc", "abc", "Bearer abc"},
	    {"Bearer a b", "abc", NULL},
	    {"Bearer abc", "", NULL},
	    {NULL, "", NULL},
	    {NULL, "a\x7f", NULL},
	    {NULL, "\xc3\xa4", NULL},
	    {NULL, NULL, NULL},
	};
	struct request *request = *state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct request_headers headers = {.authorization = cases[i].authorization, .api_key = cases[i].key};
		const char *out = "untouched";
		const char *refusal = credentials_read(&headers, request->arena, &out);
		assert_string_equal(out, cases[i].result ? cases[i].result : "untouched");
		assert_int_equal(refusal == NULL, cases[i].result != NULL);
	}
	static const struct {
		const char *authorization;
		const char *result; /* NULL: refused */
	} basic[] = {
	    {"Basic dXNlcjphYmM=", "Bearer abc"},
	    {"basic  dXNlcjphYmM", "Bearer abc"},
	    {"Basic OmE/Yj5j", "Bearer a?b>c"},
	    {"Bearer abc", "Bearer abc"},
	    {"Basic dTphYmMg", "Bearer abc"},
	    {"Basic dXNlcg==", NULL},
	    {"Basic dXNlcjo=", NULL},
	    {"Basic dXNlcjphIGI=", NULL},
	    {"Basic !", NULL},
	    {"Basic ", NULL},
	    {"Basic dXNlcjphAGI=", NULL},
	    {"Digest x", NULL},
	    {NULL, NULL},
	};
	for (size_t i = 0; i < sizeof(basic) / sizeof(basic[0]); i++) {
		struct request_headers headers = {.authorization = basic[i].authorization};
		const char *out = "untouched";
		const char *refusal = credentials_read_basic(&headers, request->arena, &out);
		assert_string_equal(out, basic[i].result ? basic[i].result : "untouched");
		assert_int_equal(refusal == NULL, basic[i].result != NULL);
	}
	struct request_headers twice = {.authorization = "Bearer a", .authorization_count = 2};
	const char *out;
	assert_non_null(credentials_read(&twice, request->arena, &out));
	twice.authorization = "Basic dXNlcjphYmM=";
	assert_non_null(credentials_read_basic(&twice, request->arena, &out));
}

static void test_accept_encoding(void **state)
{
	static const char *const taken[] = {"gzip",      "x-gzip", "GZip",        "br, gzip", "gzip;q=0.001",
	                                    "gzip; q=1", "*",      "*;q=0, gzip", " ,, gzip"};
	static const char *const refused[] = {"",      "br",  "gzip;q=0", "gzip ; q=0.000", "*;q=0", "gzip;q=0, *",
	                                      "gzipp", "gzi", "identity"};
	(void)state;
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
		assert_true(compress_accepted(taken[i]));
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		assert_false(compress_accepted(refused[i]));
	assert_false(compress_accepted(NULL));
}

static void test_gzip(void **state)
{
	struct compressor *compressor;
	(void)state;
	assert_int_equal(compressor_create(&compressor), 0);
	for (int round = 0; round < 3; round++) {
		struct buffer body = {0};
		unsigned char back[40000];
		for (int i = 0; i < 2000; i++)
			buffer_printf(&body, "\"number\":\"%d\",", i % 97);
		size_t length = body.length;
		char *before = malloc(length);
		assert_non_null(before);
		memcpy(before, body.data, length);
		assert_int_equal(compress_gzip(compressor, &body), 0);
		assert_true(body.length < length / 4);
		z_stream stream = {.next_in = (unsigned char *)body.data,
		                   .avail_in = (unsigned)body.length,
		                   .next_out = back,
		                   .avail_out = sizeof(back)};
		assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK);
		assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
		assert_int_equal(stream.total_out, length);
		assert_memory_equal(back, before, length);
		inflateEnd(&stream);
		free(before);
		buffer_free(&body);
	}
	/* What does not get smaller stays as it was. */
	struct buffer small = {0};
	buffer_append_string(&small, "abc");
	assert_true(compress_gzip(compressor, &small) < 0);
	assert_memory_equal(small.data, "abc", 3);
	buffer_free(&small);
	compressor_destroy(compressor);
	compressor_destroy(NULL);
}

static void test_prefer(void **state)
{
	struct request *request = *state;
	assert_int_equal(prefer_read(NULL), PREFER_NOTHING);
	assert_int_equal(prefer_read("handling=strict"), PREFER_STRICT);
	assert_int_equal(prefer_read("respond-async, Handling = \"Lenient\"; x"), PREFER_LENIENT);
	assert_int_equal(prefer_read("handling=lenient, handling=strict"), PREFER_LENIENT);
	assert_int_equal(prefer_read("handling"), PREFER_NOTHING);
	assert_int_equal(prefer_read("mishandling=strict, handling=other"), PREFER_NOTHING);
	request->contract.unknown[0] = "a\r\nb";
	request->contract.unknown[1] = "c,d";
	request->contract.unknown_count = 2;
	assert_null(prefer_apply(request));
	request->headers.prefer = "handling=lenient";
	assert_null(prefer_apply(request));
	assert_int_equal(request->answer.header_count, 1);
	assert_string_equal(request->answer.headers[0].value, "a%0D%0Ab, c%2Cd");
	request->headers.prefer = "handling=strict";
	assert_non_null(strstr(prefer_apply(request), "a%0D%0Ab"));
}

static void test_unknown_names_are_bounded(void **state)
{
	struct request *request = *state;
	char *name = arena_alloc(request->arena, 4096);
	assert_non_null(name);
	memset(name, '\x01', 4095);
	name[4095] = '\0';
	for (int i = 0; i < 32; i++)
		request->contract.unknown[i] = name;
	request->contract.unknown_count = 32;
	request->headers.prefer = "handling=lenient";
	assert_null(prefer_apply(request));
	assert_true(strlen(request->answer.headers[0].value) < 1100);
}

static void test_ids(void **state)
{
	struct request *request = *state;
	uint64_t random = 1;
	char id[200];
	const char *parent = trace_parent_make(&random, request->arena);
	assert_true(trace_parent_is_valid(parent));
	assert_string_not_equal(parent, trace_parent_make(&random, request->arena));
	assert_true(trace_request_id_is_sane(trace_request_id_make(&random, request->arena)));
	assert_true(trace_parent_is_valid("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"));
	assert_false(trace_parent_is_valid("00-4BF92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"));
	assert_false(trace_parent_is_valid("00-00000000000000000000000000000000-00f067aa0ba902b7-01"));
	assert_false(trace_parent_is_valid("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01"));
	assert_false(trace_parent_is_valid("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"));
	assert_false(trace_parent_is_valid("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more"));
	assert_true(trace_parent_is_valid("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"));
	assert_true(trace_parent_is_valid("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more"));
	assert_false(trace_parent_is_valid("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01more"));
	char trace[TRACE_ID_SIZE];
	assert_string_equal(trace_parent_id(trace, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
	                    "4bf92f3577b34da6a3ce929d0e0e4736");
	assert_null(trace_parent_id(trace, "4bf92f3577b34da6a3ce929d0e0e4736-and-more-of-it"));
	assert_false(trace_parent_is_valid(""));
	assert_false(trace_parent_is_valid(NULL));
	memset(id, 'x', sizeof(id));
	id[128] = '\0';
	assert_true(trace_request_id_is_sane(id));
	id[128] = 'x';
	id[129] = '\0';
	assert_false(trace_request_id_is_sane(id));
	assert_false(trace_request_id_is_sane(""));
	assert_false(trace_request_id_is_sane("a b"));
	assert_false(trace_request_id_is_sane(NULL));
}

static void test_content_encoding(void **state)
{
	static const struct {
		const char *value;
		bool encoded;
	} cases[] = {{"identity", false}, {"", false}, {"Identity", false}, {"gzip", true}, {"identity, gzip", true}};
	struct request *request = *state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		request_reset(request);
		request_header(request, "content-encoding", cases[i].value);
		assert_int_equal(request->headers.encoded, cases[i].encoded);
	}
}

static void find(struct request *request, const char *target)
{
	request_reset(request);
	routes_find(request, arena_copy(request->arena, target, strlen(target)));
}

static void test_routes(void **state)
{
	static const char *const unknown[] = {"",
	                                      "//",
	                                      "*",
	                                      "/healthz/",
	                                      "/Healthz",
	                                      "/healthz%00",
	                                      "/healthz%",
	                                      "/healthz%2",
	                                      "/healthz%zz",
	                                      "/%2fhealthz",
	                                      "healthz",
	                                      "/api/crm/historycall/record/",
	                                      "/api/crm/historycall/record/a/b",
	                                      "/api/crm/historycall/record/%0a",
	                                      "http://x"};
	struct request *request = *state;
	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		find(request, unknown[i]);
		assert_null(request->route);
	}
	find(request, "/healthz?a=%zz");
	assert_string_equal(request->route->path, "/healthz");
	assert_string_equal(request->query, "a=%zz");
	find(request, "http://u@h:1/%68ealthz?");
	assert_string_equal(request->route->path, "/healthz");
	assert_int_equal(request->query_length, 0);
	find(request, "/api/crm/historycall/record/a%2Fb%20c?x");
	assert_string_equal(request->route_tail, "a/b c");
	assert_string_equal(routes_label(routes_index(request->route)), request->route->path);
	assert_string_equal(routes_label(routes_index(NULL)), "_OTHER");
}

static void test_recordings(void **state)
{
	static const char *const shown[][2] = {
	    {"https://a.example/x", "https://a.example/x"},
	    {"HTTP://A.example", "HTTP://A.example"},
	    {"https://b.example:8443/?q#f", "https://b.example:8443/?q#f"},
	    {"https://c.example/", "https://c.example/"},
	    {"https://a.example:443/", "https://a.example:443/"},
	    {"http://a.example:80/", "http://a.example:80/"},
	    {"https://d.example/", "https://d.example/"},
	    {"https://a.example/cu\xe1\xbb\x99"
	     "c g\xe1\xbb\x8di 1.mp3",
	     "https://a.example/cu%E1%BB%99c%20g%E1%BB%8Di%201.mp3"},
	    {"https://a.example/%20%zz%", "https://a.example/%20%25zz%25"},
	    {"https://a.example/\r\nSet-Cookie: a\\b", "https://a.example/%0D%0ASet-Cookie:%20a%5Cb"},
	    {"https://a.example/{\"<>^`|}", "https://a.example/%7B%22%3C%3E%5E%60%7C%7D"},
	};
	static const char *const refused[] = {"https://a.example:444/",
	                                      "https://a.example:80/",
	                                      "http://a.example:443/",
	                                      "http://d.example/",
	                                      "https://a.example@evil/",
	                                      "https://evil@a.example/",
	                                      "https://a.example.evil/",
	                                      "https://a.example /",
	                                      "//a.example/",
	                                      "ftp://a.example/",
	                                      "https://a.example\\@evil",
	                                      "https://evil/a.example",
	                                      "javascript:a.example",
	                                      "https:///a.example",
	                                      "",
	                                      "https://",
	                                      "https://:443/",
	                                      "https://b.example/"};
	const struct option_list hosts = {.values = {"a.example", "b.example:8443", "c.example", "d.example:443"},
	                                  .count = 4};
	const struct option_list none = {.count = 0};
	struct request *request = *state;
	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
		assert_string_equal(recording_location(request->arena, &hosts, shown[i][0]), shown[i][1]);
		assert_null(recording_location(request->arena, &none, shown[i][0]));
	}
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		assert_null(recording_location(request->arena, &hosts, refused[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_credentials, make_request, drop_request),
	    cmocka_unit_test(test_accept_encoding),
	    cmocka_unit_test(test_gzip),
	    cmocka_unit_test_setup_teardown(test_prefer, make_request, drop_request),
	    cmocka_unit_test_setup_teardown(test_unknown_names_are_bounded, make_request, drop_request),
	    cmocka_unit_test_setup_teardown(test_ids, make_request, drop_request),
	    cmocka_unit_test_setup_teardown(test_content_encoding, make_request, drop_request),
	    cmocka_unit_test_setup_teardown(test_routes, make_request, drop_request),
	    cmocka_unit_test_setup_teardown(test_recordings, make_request, drop_request),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
