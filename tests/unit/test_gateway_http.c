/* Unit tests of the gateway's HTTP readers: heads, in every split, and chunked bodies. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "admission.h"
#include "http_chunks.h"
#include "http_head.h"

#include <netinet/in.h>

#define LINE "GET / HTTP/1.1\r\n"
#define HOST "Host: x\r\n"

static void on_field(void *data, const char *name, const char *value)
{
	char *fields = data;
	snprintf(fields + strlen(fields), 256 - strlen(fields), "%s=%s;", name, value);
}

/* Finds and reads a head of `length` bytes. Returns 0 or the status of the refusal. `bytes` lives until the next call. */
static int read_bytes(const char *text, size_t length, struct http_head *head, char fields[256])
{
	static char bytes[HTTP_HEAD_MAX + 1];
	size_t line = 0, end = 0;
	fields[0] = '\0';
	memset(head, 0, sizeof(*head));
	int status = http_head_find(text, length, &line, &end);
	if (status)
		return status;
	memcpy(bytes, text, end);
	return http_head_parse(bytes, end, head, on_field, fields) ? head->status : 0;
}

static int read_head(const char *text, struct http_head *head)
{
	char fields[256];
	return read_bytes(text, strlen(text), head, fields);
}

static void a_head_is_read(void **state)
{
	struct http_head head;
	char fields[256];
	static const char text[] =
	    "GET /a?b=c%20d HTTP/1.1\r\nhost: x:1\r\nA:  b c\t\r\nEmpty:\r\ncontent-length: 57\r\n\r\n{}";
	(void)state;
	assert_int_equal(read_bytes(text, sizeof(text) - 1, &head, fields), 0);
	assert_string_equal(head.method, "GET");
	assert_string_equal(head.target, "/a?b=c%20d");
	assert_string_equal(fields, "host=x:1;A=b c;Empty=;content-length=57;");
	assert_true(head.keep_alive && head.has_length && !head.chunked && !head.http_1_0 && !head.expects_continue);
	assert_int_equal(head.length, 57);
}

static void connections_are_kept_as_the_version_says(void **state)
{
	static const struct {
		const char *text;
		bool keep_alive, chunked, expects_continue;
	} cases[] = {
	    {LINE HOST "\r\n", true, false, false},
	    {LINE HOST "Connection: close\r\n\r\n", false, false, false},
	    {LINE HOST "Connection: TE, Close\r\n\r\n", false, false, false},
	    {LINE HOST "Transfer-Encoding: Chunked\r\nExpect: 100-Continue\r\n\r\n", true, true, true},
	    {"GET / HTTP/1.0\r\n\r\n", false, false, false},
	    {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\nExpect: 100-continue\r\n\r\n", true, false, false},
	    {"GET / HTTP/1.2\r\n" HOST "\r\n", true, false, false},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct http_head head;
		assert_int_equal(read_head(cases[i].text, &head), 0);
		assert_int_equal(head.keep_alive, cases[i].keep_alive);
		assert_int_equal(head.chunked, cases[i].chunked);
		assert_int_equal(head.expects_continue, cases[i].expects_continue);
	}
}

static void what_readers_could_read_differently_is_refused(void **state)
{
	static const char *const malformed[] = {
	    "GET  / HTTP/1.1\r\n" HOST "\r\n",
	    "GET / a HTTP/1.1\r\n" HOST "\r\n",
	    "GET /\ta HTTP/1.1\r\n" HOST "\r\n",
	    "GET / HTTP/1.1 \r\n" HOST "\r\n",
	    " GET / HTTP/1.1\r\n" HOST "\r\n",
	    "GET /\r\n\r\n",
	    "GET\r\n\r\n",
	    "GET / HTTP/1\r\n" HOST "\r\n",
	    "GET / http/1.1\r\n" HOST "\r\n",
	    "GET / HTTP/1.1x\r\n" HOST "\r\n",
	    "G{T / HTTP/1.1\r\n" HOST "\r\n",
	    "G@T / HTTP/1.1\r\n" HOST "\r\n",
	    "{\"a\":1}GET / HTTP/1.1\r\n" HOST "\r\n",
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.1\r\n" HOST "\r\n",
	    "GET / HTTP/1.1\n" HOST "\r\n",
	    LINE "Host: x\n\r\n",
	    LINE "X: a\nContent-Length: 0\r\n" HOST "\r\n",
	    LINE "X: a\rContent-Length: 0\r\n" HOST "\r\n",
	    LINE HOST "X: a\r\n b\r\n\r\n",
	    LINE HOST "Content-Length : 5\r\n\r\n",
	    LINE HOST "Content Length: 5\r\n\r\n",
	    LINE HOST ": 5\r\n\r\n",
	    LINE HOST "no colon\r\n\r\n",
	    LINE HOST "X: \x01\r\n\r\n",
	    LINE HOST "X: \x7f\r\n\r\n",
	    LINE HOST "Content-Length: 85, 85\r\n\r\n",
	    LINE HOST "Content-Length: +85\r\n\r\n",
	    LINE HOST "Content-Length: -1\r\n\r\n",
	    LINE HOST "Content-Length: 0x10\r\n\r\n",
	    LINE HOST "Content-Length: 8 5\r\n\r\n",
	    LINE HOST "Content-Length:\r\n\r\n",
	    LINE HOST "Content-Length: 85\r\nContent-Length: 85\r\n\r\n",
	    LINE HOST "Content-Length: 85\r\ncontent-length: 86\r\n\r\n",
	    LINE HOST "Content-Length: 85\r\nTransfer-Encoding: chunked\r\n\r\n",
	    LINE HOST "Transfer-Encoding: chunked\r\nContent-Length: 85\r\n\r\n",
	    LINE HOST "Transfer-Encoding: gzip, chunked\r\n\r\n",
	    LINE HOST "Transfer-Encoding: xchunked\r\n\r\n",
	    LINE HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
	    "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
	    LINE "\r\n",
	    LINE HOST HOST "\r\n",
	    LINE "Host: a b\r\n\r\n",
	    LINE "Host: a, b\r\n\r\n",
	    LINE "Host: a@b\r\n\r\n",
	};
	struct http_head head;
	char fields[256];
	(void)state;
	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
		if (read_head(malformed[i], &head) != 400)
			fail_msg("%s: not refused", malformed[i]);
		assert_true(!head.message || strlen(head.message) > 10);
	}
	static const char nul_in_length[] = LINE HOST "Content-Length: 0\00057\r\n\r\n",
	                  nul_in_line[] = "GET /\0a HTTP/1.1\r\n\r\n";
	assert_int_equal(read_bytes(nul_in_length, sizeof(nul_in_length) - 1, &head, fields), 400);
	assert_int_equal(read_bytes(nul_in_line, sizeof(nul_in_line) - 1, &head, fields), 400);
	assert_int_equal(read_head("PRI * HTTP/2.0\r\n\r\n", &head), 505);
	assert_int_equal(read_head("GET / HTTP/9.9\r\n\r\n", &head), 505);
}

static void a_length_too_large_is_the_largest(void **state)
{
	struct http_head head;
	(void)state;
	assert_int_equal(read_head(LINE HOST "Content-Length: 18446744073709551615\r\n\r\n", &head), 0);
	assert_true(head.length == INT64_MAX);
	assert_int_equal(read_head(LINE HOST "Content-Length: 99999999999999999999999\r\n\r\n", &head), 0);
	assert_true(head.length == INT64_MAX);
	assert_int_equal(read_head(LINE HOST "Content-Length: 00000000000000000000000000005\r\n\r\n", &head), 0);
	assert_int_equal(head.length, 5);
}

/* "A request head of up to 8 KiB is served", and not a byte more is kept. */
static void heads_have_a_bound(void **state)
{
	char text[HTTP_HEAD_MAX + 16];
	size_t line = 0, end = 0;
	int length = snprintf(text, sizeof(text), LINE HOST "X: %0*d\r\n\r\n", HTTP_HEAD_MAX - 32, 0);
	(void)state;
	assert_int_equal(length, HTTP_HEAD_MAX);
	for (size_t have = 0; have < HTTP_HEAD_MAX; have++)
		assert_int_equal(http_head_find(text, have, &line, &end), -EAGAIN);
	assert_int_equal(http_head_find(text, HTTP_HEAD_MAX, &line, &end), 0);
	assert_int_equal(end, HTTP_HEAD_MAX);
	memset(text + 40, 'x', HTTP_HEAD_MAX - 40);
	line = 0;
	assert_int_equal(http_head_find(text, HTTP_HEAD_MAX, &line, &end), 431);
	memset(text, 'x', HTTP_HEAD_MAX);
	line = 0;
	assert_int_equal(http_head_find(text, HTTP_HEAD_MAX, &line, &end), 414);
}

static void a_request_begins_with_a_token(void **state)
{
	(void)state;
	assert_true(http_head_begins("G", 1));
	assert_true(http_head_begins("GET /", 5));
	assert_true(http_head_begins("M-SEARCH * ", 11));
	assert_false(http_head_begins("{", 1));
	assert_false(http_head_begins(" ", 1));
	assert_false(http_head_begins("GET\r\n", 5));
	assert_false(http_head_begins("\x16\x03\x01", 3));
	assert_false(http_head_begins("\"a\"", 3));
	assert_false(http_head_begins("abcdefghijklmnopqrstuvwxyzabcdefghi", 35));
}

/* Reads a chunked body in pieces of `size`. Returns the last result; the body goes to out[64]. */
static enum http_chunks_result decode(const char *text, size_t size, char out[64], size_t *used_of_all)
{
	struct http_chunks chunks = {0};
	enum http_chunks_result result = HTTP_CHUNKS_MORE;
	size_t length = strlen(text), at = 0;
	out[0] = '\0';
	while (at < length && (result == HTTP_CHUNKS_MORE || result == HTTP_CHUNKS_DATA)) {
		size_t used = 0, piece = 0, left = length - at < size ? length - at : size;
		const char *data = NULL;
		result = http_chunks_read(&chunks, text + at, left, &used, &data, &piece);
		assert_true(used <= left && used > 0);
		if (result == HTTP_CHUNKS_DATA)
			strncat(out, data, piece);
		at += used;
	}
	*used_of_all = at;
	return result == HTTP_CHUNKS_DATA ? HTTP_CHUNKS_MORE : result;
}

static void chunks_come_in_any_split(void **state)
{
	static const struct {
		const char *text, *body;
		enum http_chunks_result result;
	} cases[] = {
	    {"0\r\n\r\nX", "", HTTP_CHUNKS_END},
	    {"3\r\nabc\r\n0\r\n\r\n", "abc", HTTP_CHUNKS_END},
	    {"3;name=value\r\nabc\r\n0000000A\r\n0123456789\r\n0\r\nA: b\r\nC: d\r\n\r\nGET /", "abc0123456789",
	     HTTP_CHUNKS_END},
	    {"1\r\na\r\n1 ;x\r\nb\r\n0\r\n\r\n", "ab", HTTP_CHUNKS_END},
	    {"3\r\nab", "ab", HTTP_CHUNKS_MORE},
	    {"3\r\nabcd\r\n", "abc", HTTP_CHUNKS_MALFORMED},
	    {"3\nabc\r\n0\r\n\r\n", "", HTTP_CHUNKS_MALFORMED},
	    {"3\r\nabc\n0\r\n\r\n", "abc", HTTP_CHUNKS_MALFORMED},
	    {"3\r\nabc\r\n0\n\r\n", "abc", HTTP_CHUNKS_MALFORMED},
	    {"-3\r\nabc", "", HTTP_CHUNKS_MALFORMED},
	    {"+3\r\nabc", "", HTTP_CHUNKS_MALFORMED},
	    {"0x3\r\nabc", "", HTTP_CHUNKS_MALFORMED},
	    {"\r\nabc", "", HTTP_CHUNKS_MALFORMED},
	    {";x\r\nabc", "", HTTP_CHUNKS_MALFORMED},
	    {"3;a\nb\r\nabc", "", HTTP_CHUNKS_MALFORMED},
	    {"1000000000000000\r\n", "", HTTP_CHUNKS_MALFORMED},
	    {"0\r\nA: \x01\r\n\r\n", "", HTTP_CHUNKS_MALFORMED},
	    {"0\r\nA:\r\nB: c:d\r\n\r\n", "", HTTP_CHUNKS_END},
	    {"0\r\nA b: c\r\n\r\n", "", HTTP_CHUNKS_MALFORMED},
	    {"0\r\n: c\r\n\r\n", "", HTTP_CHUNKS_MALFORMED},
	    {"0\r\n A: c\r\n\r\n", "", HTTP_CHUNKS_MALFORMED},
	    {"0\r\nGET /a HTTP/1.1\r\nHost: x\r\n\r\n", "", HTTP_CHUNKS_MALFORMED},
	    {"0\r\nA: b\n\r\n", "", HTTP_CHUNKS_MALFORMED},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (size_t size = 1; size < 80; size++) {
			char body[64];
			size_t used;
			assert_int_equal(decode(cases[i].text, size, body, &used), cases[i].result);
			assert_string_equal(body, cases[i].body);
			if (cases[i].result == HTTP_CHUNKS_END)
				assert_string_equal(cases[i].text + used - 4, strstr(cases[i].text, "\r\n\r\n"));
		}
}

static void extensions_and_trailers_have_a_bound(void **state)
{
	struct http_chunks chunks = {.state = 0};
	enum http_chunks_result result = HTTP_CHUNKS_MORE;
	size_t used, piece, total = 0;
	const char *data;
	(void)state;
	assert_int_equal(http_chunks_read(&chunks, "5;", 2, &used, &data, &piece), HTTP_CHUNKS_MORE);
	while (result == HTTP_CHUNKS_MORE && total++ < 100000)
		result = http_chunks_read(&chunks, "x", 1, &used, &data, &piece);
	assert_int_equal(result, HTTP_CHUNKS_MALFORMED);
	assert_true(total > 8000 && total < 9000);
}

static struct sockaddr_storage ipv4(uint32_t address)
{
	struct sockaddr_storage storage = {0};
	*(struct sockaddr_in *)&storage = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(address)}};
	return storage;
}

static struct sockaddr_storage ipv6(const uint8_t bytes[16])
{
	struct sockaddr_storage storage = {0};
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&storage;
	in6->sin6_family = AF_INET6;
	memcpy(&in6->sin6_addr, bytes, 16);
	return storage;
}

static void connections_are_limited_in_total_and_per_address(void **state)
{
	static const uint8_t mapped[16] = {[10] = 255, [11] = 255, [12] = 10, [15] = 1};
	static const uint8_t one[16] = {32, 1, 13, 184, [15] = 1}, neighbour[16] = {32, 1, 13, 184, [15] = 2};
	struct sockaddr_storage a = ipv4(0x0a000001), a_mapped = ipv6(mapped), b = ipv6(one), b_too = ipv6(neighbour);
	const struct sockaddr_storage local = {.ss_family = AF_UNIX};
	struct admission *admission;
	uint32_t slots[5];
	(void)state;
	assert_int_equal(admission_create(&admission, 5, 2), 0);
	assert_true(admission_enter(admission, &a, &slots[0]));
	assert_true(admission_enter(admission, &a_mapped, &slots[1]));
	assert_false(admission_enter(admission, &a, &slots[2]));
	assert_true(admission_enter(admission, &b, &slots[2]));
	assert_true(admission_enter(admission, &b_too, &slots[3]));
	assert_false(admission_enter(admission, &b, &slots[4]));
	assert_true(admission_enter(admission, &local, &slots[4]));
	assert_false(admission_enter(admission, &local, &slots[4]));
	admission_leave(admission, slots[0]);
	assert_true(admission_enter(admission, &a, &slots[0]));
	for (size_t i = 0; i < 5; i++)
		admission_leave(admission, slots[i]);
	for (size_t i = 0; i < 5; i++)
		assert_true(admission_enter(admission, &local, &slots[i]));
	admission_destroy(admission);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_head_is_read),
	    cmocka_unit_test(connections_are_kept_as_the_version_says),
	    cmocka_unit_test(what_readers_could_read_differently_is_refused),
	    cmocka_unit_test(a_length_too_large_is_the_largest),
	    cmocka_unit_test(heads_have_a_bound),
	    cmocka_unit_test(a_request_begins_with_a_token),
	    cmocka_unit_test(chunks_come_in_any_split),
	    cmocka_unit_test(extensions_and_trailers_have_a_bound),
	    cmocka_unit_test(connections_are_limited_in_total_and_per_address),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
