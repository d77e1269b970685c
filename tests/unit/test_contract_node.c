/* The JSON reader: what it takes, what it refuses and where, and its caps. tests/fuzz/fuzz_node.c compares it with jansson. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "contract/node.h"

static struct arena *arena;

static int make_arena(void **state)
{
	(void)state;
	return arena_create(&arena, 4096);
}

static int drop_arena(void **state)
{
	(void)state;
	arena_destroy(arena);
	return 0;
}

static const struct node *read_text(const char *text)
{
	const struct node *node = NULL;
	struct node_fault fault;
	if (contract_node_read(arena, NODE_STRICT, text, strlen(text), &node, &fault))
		fail_msg("%s: fault %d at %zu", text, (int)fault.kind, fault.position);
	return node;
}

static void values_are_what_is_written(void **state)
{
	(void)state;
	const struct node *object =
	    read_text(" {\"t\":\"x\", \"i\":-9223372036854775808 ,\"r\":6.1,\"e\":1e3,\"n\":null,\"y\":true,\"f\":false,"
	              "\"a\":[1,[],{}],\"\":0}\r\n");
	assert_int_equal(object->count, 9);
	assert_string_equal(contract_node_member(object, "t")->text, "x");
	assert_int_equal(contract_node_member(object, "i")->integer, INT64_MIN);
	assert_true(contract_node_member(object, "r")->real == 6.1 && contract_node_member(object, "e")->real == 1000);
	assert_int_equal(contract_node_member(object, "n")->kind, NODE_NULL);
	assert_int_equal(contract_node_member(object, "y")->kind, NODE_TRUE);
	assert_int_equal(contract_node_member(object, "f")->kind, NODE_FALSE);
	assert_int_equal(contract_node_member(object, "a")->count, 3);
	assert_int_equal(contract_node_member(object, "a")->children->next->next->kind, NODE_OBJECT);
	assert_int_equal(contract_node_member(object, "")->integer, 0);
	assert_null(contract_node_member(object, "none"));
	assert_null(contract_node_member(contract_node_member(object, "t"), "t"));
	assert_null(contract_node_member(NULL, "t"));
}

static void escapes_are_read_in_place(void **state)
{
	(void)state;
	const struct node *node = read_text("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e9\\u20AC\\ud83d\\ude00 end\"");
	assert_string_equal(node->text, "\"\\/\b\f\n\r\tA\u00e9\u20ac\U0001F600 end");
	assert_int_equal(node->length, strlen(node->text));
}

static void numbers_too_big_are_told(void **state)
{
	static const char *const texts[] = {"9223372036854775808", "-9223372036854775809", "1e999", "-1e999"};
	double number;
	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); ++i) {
		assert_int_equal(read_text(texts[i])->kind, NODE_OVERSIZE);
		assert_false(contract_node_number(read_text(texts[i]), &number));
	}
	assert_int_equal(read_text("9223372036854775807")->integer, INT64_MAX);
	assert_true(read_text("1e-999")->real == 0);
}

static void texts_may_hold_numbers(void **state)
{
	static const char *const wrong[] = {"\"\"",    "\" \"",     "\"6.1x\"", "\"0x10\"",
	                                    "\"1 2\"", "\"1e999\"", "\"+1\"",   "true"};
	double number = 0;
	(void)state;
	assert_true(contract_node_number(read_text("\" 6.1\\n\""), &number) && number == 6.1);
	assert_true(contract_node_number(read_text("\"-7\""), &number) && number == -7);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); ++i)
		assert_false(contract_node_number(read_text(wrong[i]), &number));
	assert_true(number == -7);
}

static void faults_tell_kind_and_place(void **state)
{
	static const struct {
		const char *text;
		enum node_fault_kind kind;
		size_t position;
	} cases[] = {
	    {"", NODE_FAULT_SYNTAX, 0},
	    {"{", NODE_FAULT_SYNTAX, 1},
	    {"{nonsense", NODE_FAULT_SYNTAX, 1},
	    {"{\"a\":1,}", NODE_FAULT_SYNTAX, 7},
	    {"{\"a\" 1}", NODE_FAULT_SYNTAX, 5},
	    {"{,}", NODE_FAULT_SYNTAX, 1},
	    {"[1,]", NODE_FAULT_SYNTAX, 3},
	    {"[1 2]", NODE_FAULT_SYNTAX, 3},
	    {"01", NODE_FAULT_SYNTAX, 0},
	    {"1.", NODE_FAULT_SYNTAX, 0},
	    {"1e", NODE_FAULT_SYNTAX, 0},
	    {"nul", NODE_FAULT_SYNTAX, 0},
	    {"nullx", NODE_FAULT_TRAILING, 4},
	    {"\"a", NODE_FAULT_SYNTAX, 2},
	    {"\"\\", NODE_FAULT_SYNTAX, 1},
	    {"\"\\x\"", NODE_FAULT_SYNTAX, 1},
	    {"\"\\u12g4\"", NODE_FAULT_SYNTAX, 1},
	    {"\"\\u12", NODE_FAULT_SYNTAX, 1},
	    {"\"a\\ud800\"", NODE_FAULT_SYNTAX, 2},
	    {"\"\\ud800\\u0041\"", NODE_FAULT_SYNTAX, 1},
	    {"\"\\ud800\\ud800\"", NODE_FAULT_SYNTAX, 1},
	    {"\"\\udc00\"", NODE_FAULT_SYNTAX, 1},
	    {"\"a\nb\"", NODE_FAULT_SYNTAX, 2},
	    {"\"\\u0000\"", NODE_FAULT_NUL, 1},
	    {"\"\xff\"", NODE_FAULT_UTF8, 0},
	    {"{} {}", NODE_FAULT_TRAILING, 3},
	    {"{\"a\":1,\"b\":2,\"\\u0061\":3}", NODE_FAULT_TWICE, 21},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); ++i) {
		const struct node *node = NULL;
		struct node_fault fault;
		assert_int_equal(contract_node_read(arena, NODE_STRICT, cases[i].text, strlen(cases[i].text), &node, &fault), -1);
		if (fault.kind != cases[i].kind || fault.position != cases[i].position)
			fail_msg("%s: fault %d at %zu", cases[i].text, (int)fault.kind, fault.position);
		assert_null(node);
		if (fault.kind == NODE_FAULT_TWICE)
			assert_string_equal(fault.key, "a");
	}
}

static void a_nul_byte_is_no_end(void **state)
{
	static const char inside[] = "\"a\0b\"", after[] = "1\0";
	const struct node *node;
	struct node_fault fault;
	(void)state;
	assert_int_equal(contract_node_read(arena, NODE_STRICT, inside, sizeof(inside) - 1, &node, &fault), -1);
	assert_int_equal(fault.kind, NODE_FAULT_NUL);
	assert_int_equal(contract_node_read(arena, NODE_STRICT, after, sizeof(after) - 1, &node, &fault), -1);
	assert_int_equal(fault.kind, NODE_FAULT_TRAILING);
}

static void depth_and_members_are_capped(void **state)
{
	static char text[NODE_MEMBERS_MAX * 16];
	const struct node *node;
	struct node_fault fault;
	size_t length = 0;
	(void)state;
	memset(text, '[', NODE_DEPTH_MAX + 1);
	memset(text + NODE_DEPTH_MAX, ']', NODE_DEPTH_MAX);
	assert_int_equal(contract_node_read(arena, NODE_STRICT, text, 2 * (size_t)NODE_DEPTH_MAX, &node, &fault), 0);
	memset(text, '[', NODE_DEPTH_MAX + 1);
	assert_int_equal(contract_node_read(arena, NODE_STRICT, text, NODE_DEPTH_MAX + 1, &node, &fault), -1);
	assert_int_equal(fault.kind, NODE_FAULT_DEPTH);
	for (int i = 0; i < NODE_MEMBERS_MAX; ++i)
		length += (size_t)sprintf(text + length, "%c\"k%d\":0", i ? ',' : '{', i);
	text[length] = '}';
	assert_int_equal(contract_node_read(arena, NODE_STRICT, text, length + 1, &node, &fault), 0);
	length += (size_t)sprintf(text + length, ",\"more\":0}");
	assert_int_equal(contract_node_read(arena, NODE_STRICT, text, length, &node, &fault), -1);
	assert_int_equal(fault.kind, NODE_FAULT_MEMBERS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(values_are_what_is_written),   cmocka_unit_test(escapes_are_read_in_place),
	    cmocka_unit_test(numbers_too_big_are_told),     cmocka_unit_test(texts_may_hold_numbers),
	    cmocka_unit_test(faults_tell_kind_and_place),   cmocka_unit_test(a_nul_byte_is_no_end),
	    cmocka_unit_test(depth_and_members_are_capped),
	};
	return cmocka_run_group_tests(tests, make_arena, drop_arena);
}
