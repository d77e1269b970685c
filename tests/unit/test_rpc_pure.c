/* rpc: the parts that need no connection: addresses, details, UTF-8. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/utf8.h"
#include "rpc/channel_internal.h"
#include "rpc/details.h"
#include "rpc/payload.h"

static void targets(void **state)
{
	(void)state;
	static const struct {
		const char *address, *target; /* NULL: refused */
	} rows[] = {
	    {"127.0.0.1:50051", "ipv4:127.0.0.1:50051"},
	    {"[::1]:50051", "ipv6:[::1]:50051"},
	    {"localhost:50051", "dns:///localhost:50051"},
	    {"calls.example.svc:443", "dns:///calls.example.svc:443"},
	    {"dns:///calls:443", "dns:///calls:443"},
	    {"ipv4:127.0.0.1:1,127.0.0.2:2", "ipv4:127.0.0.1:1,127.0.0.2:2"},
	    {"unix:/run/calls.sock", "unix:/run/calls.sock"},
	    {"", NULL},
	    {"localhost", NULL},
	    {":50051", NULL},
	    {"localhost:", NULL},
	    {"localhost:0", NULL},
	    {"localhost:65536", NULL},
	    {"localhost:5x", NULL},
	    {"a b:1", NULL},
	    {"::1:50051", NULL},
	    {"[::1:50051", NULL},
	    {"[nonsense]:1", NULL},
	    {"127.0.0.1:1,", NULL},
	    {",127.0.0.1:1", NULL},
	    {"unix:", NULL},
	    {"http://a:1", NULL},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *all[RPC_TARGETS] = {NULL};
		size_t count = 0;
		assert_int_equal(rpc_address_targets(rows[i].address, all, &count), rows[i].target ? 0 : -EINVAL);
		assert_int_equal(count, rows[i].target ? 1 : 0);
		if (rows[i].target) {
			assert_string_equal(all[0], rows[i].target);
			free(all[0]);
		}
	}
}

static void addresses_to_listen_on(void **state)
{
	(void)state;
	static const char *const good[] = {"127.0.0.1:0", "[::]:50051", ":50051", "localhost:1", "unix:/run/a,b"};
	static const char *const bad[] = {"",        ":",   "1",    "::1:18099", "[::1:18099", "[::1]x:18099",
	                                  "a:65536", "a:b", "unix:"};
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(address_is_valid(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(address_is_valid(bad[i]));
}

static void lists_of_targets(void **state)
{
	(void)state;
	char *targets[RPC_TARGETS];
	size_t count = 99;
	assert_int_equal(rpc_address_targets("a:1,127.0.0.1:2,[::1]:3", targets, &count), 0);
	assert_int_equal(count, 3);
	assert_string_equal(targets[0], "dns:///a:1");
	assert_string_equal(targets[1], "ipv4:127.0.0.1:2");
	assert_string_equal(targets[2], "ipv6:[::1]:3");
	while (count > 0)
		free(targets[--count]);
	assert_int_equal(rpc_address_targets("127.0.0.1:1,127.0.0.2:2", targets, &count), 0);
	assert_int_equal(count, 2);
	assert_string_equal(targets[1], "ipv4:127.0.0.2:2");
	while (count > 0)
		free(targets[--count]);
	count = 99;
	assert_int_equal(rpc_address_targets("a:1,", targets, &count), -EINVAL);
	assert_int_equal(rpc_address_targets("a:1,,b:1", targets, &count), -EINVAL);
	assert_int_equal(rpc_address_targets("a:1,b", targets, &count), -EINVAL);
	assert_int_equal(rpc_address_targets("a:1,a:2,a:3,a:4,a:5,a:6,a:7,a:8,a:9,a:10,a:11,a:12,a:13,a:14,a:15,a:16,a:17",
	                                     targets, &count),
	                 -EINVAL);
	assert_int_equal(count, 99);
	assert_int_equal(rpc_address_targets("unix:/run/a,unix:/run/b,c", targets, &count), -EINVAL);
	assert_int_equal(rpc_address_targets("unix:/run/a,unix:/run/b", targets, &count), 0);
	assert_int_equal(count, 2);
	assert_string_equal(targets[0], "unix:/run/a");
	assert_string_equal(targets[1], "unix:/run/b");
	while (count > 0)
		free(targets[--count]);
	assert_int_equal(rpc_address_targets("unix:/run/a,b", targets, &count), 0);
	assert_int_equal(count, 1);
	assert_string_equal(targets[0], "unix:/run/a,b");
	free(targets[0]);
}

static void details_go_round(void **state)
{
	(void)state;
	struct arena *arena;
	struct context sent, received;
	const uint8_t *bytes;
	size_t length;
	assert_int_equal(arena_create(&arena, 1024), 0);
	context_init(&sent, arena);
	context_init(&received, arena);
	sent.retry_after_ms = 2500;
	context_fail_field(&sent, "size", "too large");
	assert_int_equal(rpc_details_pack(&sent, arena, &bytes, &length), 0);
	rpc_details_unpack(&received, bytes, length);
	assert_string_equal(received.reason, "INVALID_FIELD");
	assert_string_equal(received.violation.field, "size");
	assert_string_equal(received.violation.description, "too large");
	assert_int_equal(received.retry_after_ms, 2500);
	for (size_t cut = 0; cut < length; cut++) { /* every beginning of it is passed over or understood */
		context_init(&received, arena);
		rpc_details_unpack(&received, bytes, cut);
	}
	arena_destroy(arena);
}

static void details_stay_small(void **state)
{
	(void)state;
	struct arena *arena;
	struct context sent;
	const uint8_t *bytes;
	size_t length;
	assert_int_equal(arena_create(&arena, 1024), 0);
	context_init(&sent, arena);
	context_fail(&sent, STATUS_INVALID_ARGUMENT, NULL, "long");
	sent.violation = (struct field_violation){"calls[0].callers[0].phone", arena_printf(arena, "%05000d", 1)};
	assert_int_equal(rpc_details_pack(&sent, arena, &bytes, &length), 0);
	assert_true(length <= RPC_DETAILS_LIMIT);
	struct context received;
	context_init(&received, arena);
	rpc_details_unpack(&received, bytes, length);
	assert_null(received.violation.field);
	assert_string_equal(received.reason, "INVALID_ARGUMENT");
	arena_destroy(arena);
}

static void utf8(void **state)
{
	(void)state;
	static const char *const good[] = {"", "a", "dấu", "\xf0\x9f\x98\x80", "\xed\x9f\xbf", "\xf4\x8f\xbf\xbf"};
	static const char *const bad[] = {"\x80",
	                                  "\xc3",
	                                  "\xc0\x80",
	                                  "\xe0\x80\x80",
	                                  "\xed\xa0\x80",
	                                  "\xe2\x82",
	                                  "\xf0\x80\x80\x80",
	                                  "\xf4\x90\x80\x80",
	                                  "\xf5\x80\x80\x80",
	                                  "a\xff"};
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(utf8_is_valid(good[i], strlen(good[i])));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(utf8_is_valid(bad[i], strlen(bad[i])));
	assert_int_equal(utf8_prefix("dấu", 5, 2), 1);
	assert_int_equal(utf8_prefix("dấu", 5, 4), 4);
	assert_int_equal(utf8_prefix("dấu", 5, 9), 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(targets),
	    cmocka_unit_test(addresses_to_listen_on),
	    cmocka_unit_test(lists_of_targets),
	    cmocka_unit_test(details_go_round),
	    cmocka_unit_test(details_stay_small),
	    cmocka_unit_test(utf8),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
