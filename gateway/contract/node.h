/*
 * contract/node: JSON (RFC 8259) as a tree of nodes in an arena, read strictly: no duplicate keys, no invalid UTF-8, no
 * unpaired surrogates, no NUL. Pure; thread-safe where each thread has its own arena.
 *
 * jansson did this before and took a third of the time of an import and a tenth of the gateway's instructions
 * (tests/bench/README.md).
 */
#pragma once

#include "base/arena.h"

enum {
	NODE_DEPTH_MAX = 64,     /* arrays and objects in each other */
	NODE_MEMBERS_MAX = 1024, /* of one object: each new key is compared with all before */
	NODE_LOOSE_MEMBERS_MAX = 16384,
};

enum node_kind {
	NODE_NULL,
	NODE_FALSE,
	NODE_TRUE,
	NODE_INTEGER,  /* written without fraction and exponent */
	NODE_REAL,     /* all other numbers */
	NODE_OVERSIZE, /* a number out of the range of int64_t or double */
	NODE_TEXT,
	NODE_ARRAY,
	NODE_OBJECT,
};

struct node {
	struct node *next;     /* the next element or member */
	struct node *children; /* NODE_ARRAY, NODE_OBJECT */
	size_t count;          /* of children */
	const char *key;       /* of a member, NUL-terminated */
	uint64_t key_hash;
	enum node_kind kind;
	size_t length; /* NODE_TEXT: bytes of `text` */
	union {
		const char *text; /* NODE_TEXT: NUL-terminated, in the arena */
		int64_t integer;
		double real;
	};
};

enum node_fault_kind {
	NODE_FAULT_MEMORY,
	NODE_FAULT_SYNTAX,
	NODE_FAULT_TRAILING, /* something after the value */
	NODE_FAULT_UTF8,
	NODE_FAULT_NUL,
	NODE_FAULT_TWICE, /* a key, in one object */
	NODE_FAULT_DEPTH,
	NODE_FAULT_MEMBERS,
};

struct node_fault {
	enum node_fault_kind kind;
	size_t position; /* offset of the byte where reading ended */
	const char *key; /* NODE_FAULT_TWICE: in the arena */
};

/* NODE_LOOSE is for records of other systems, of which few keys are read. */
enum node_rules {
	NODE_STRICT,
	NODE_LOOSE, /* a key may be given twice, and an object may have NODE_LOOSE_MEMBERS_MAX of them */
};

/* Reads one value with nothing but white space around it. All of it goes to the arena. 0, or -1 with *fault. */
int contract_node_read(struct arena *arena, enum node_rules rules, const char *text, size_t length,
                       const struct node **out, struct node_fault *fault);

/* Whether a value counts as not given: missing, null or an empty text. */
static inline bool contract_node_is_empty(const struct node *node)
{
	return !node || node->kind == NODE_NULL || (node->kind == NODE_TEXT && !node->length);
}

/* The member with this key, the first one; NULL where `object` is NULL, no object, or has none. */
const struct node *contract_node_member(const struct node *object, const char *key);

/* Whether this is NODE_INTEGER, NODE_REAL or a text that is a JSON number; its value goes to *out. */
bool contract_node_number(const struct node *node, double *out);
