/*
 * Fuzzes the JSON reader beside jansson: both take the same texts and find the
 * same values in them, but for numbers that jansson can't hold and for caps.
 */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "contract/node.h"
#include "structure_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void check_same(const struct node *node, const json_t *value);

static void check_object(const struct node *object, json_t *value)
{
	check(json_is_object(value) && json_object_size(value) == object->count);
	for (const struct node *member = object->children; member; member = member->next) {
		check(contract_node_member(object, member->key) == member);
		check_same(member, json_object_get(value, member->key));
	}
}

static void check_array(const struct node *array, const json_t *value)
{
	size_t i = 0;
	check(json_is_array(value) && json_array_size(value) == array->count);
	for (const struct node *element = array->children; element; element = element->next)
		check_same(element, json_array_get(value, i++));
}

static void check_same(const struct node *node, const json_t *value)
{
	check(value);
	switch (node->kind) {
	case NODE_NULL:
		check(json_is_null(value));
		break;
	case NODE_FALSE:
		check(json_is_false(value));
		break;
	case NODE_TRUE:
		check(json_is_true(value));
		break;
	case NODE_INTEGER:
		check(json_is_integer(value) && json_integer_value(value) == node->integer);
		break;
	case NODE_REAL:
		check(json_is_real(value) && json_real_value(value) == node->real);
		break;
	case NODE_TEXT:
		check(json_is_string(value) && json_string_length(value) == node->length);
		check(!memcmp(json_string_value(value), node->text, node->length + 1) && strlen(node->text) == node->length);
		break;
	case NODE_ARRAY:
		check_array(node, value);
		break;
	case NODE_OBJECT:
		check_object(node, (json_t *)(uintptr_t)value);
		break;
	case NODE_OVERSIZE:
		check(false);
	}
}

static bool has_oversize(const struct node *node)
{
	if (node->kind == NODE_OVERSIZE)
		return true;
	if (node->kind == NODE_ARRAY || node->kind == NODE_OBJECT)
		for (const struct node *child = node->children; child; child = child->next)
			if (has_oversize(child))
				return true;
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena;
	const struct node *node = NULL;
	struct node_fault fault;
	json_error_t json_error;
	double number;
	if (arena_create(&arena, 4096))
		return 0;
	json_t *value = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &json_error);
	if (contract_node_read(arena, NODE_STRICT, (const char *)data, size, &node, &fault)) {
		check(!node && fault.position <= size);
		/* jansson 2.14 loses a NUL that it has to put back. */
		check(!value || fault.kind == NODE_FAULT_DEPTH || fault.kind == NODE_FAULT_MEMBERS || memchr(data, '\0', size));
	} else if (value) {
		check(!memchr(data, '\0', size));
		check_same(node, value);
	} else {
		check(has_oversize(node) && json_error_code(&json_error) == json_error_numeric_overflow);
	}
	if (node)
		contract_node_number(node, &number);
	json_decref(value);
	arena_destroy(arena);
	return 0;
}

STRUCTURE_MUTATOR(structure_json, 0);
