/*
 * contract/node: a recursive reader over one copy of the text. Strings are unescaped in place, and a NUL replaces their
 * closing quote, so that they need no copies.
 */
#include "contract/node.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "base/mix.h"
#include "base/utf8.h"

struct reader {
	struct arena *arena;
	struct node_fault *fault;
	char *start, *at, *end; /* *end is NUL */
	unsigned depth;
	bool loose;
};

static int read_value(struct reader *reader, struct node *node);

static int fail_at(struct reader *reader, enum node_fault_kind kind, const char *at)
{
	*reader->fault = (struct node_fault){.kind = kind, .position = (size_t)(at - reader->start)};
	return -1;
}

static int fail(struct reader *reader, enum node_fault_kind kind)
{
	return fail_at(reader, kind, reader->at);
}

static void skip_space(struct reader *reader)
{
	while (*reader->at == ' ' || *reader->at == '\n' || *reader->at == '\t' || *reader->at == '\r')
		++reader->at;
}

/* ---- Strings ---- */

/* The four hexadecimal digits at `text`, which a NUL byte ends; -1 where they are none. */
static int32_t hex_four(const char *text)
{
	int32_t value = 0;
	for (int i = 0; i < 4; ++i) {
		int digit = hex_digit(text[i]);
		if (digit < 0)
			return -1;
		value = value << 4 | digit;
	}
	return value;
}

static char *put_utf8(char *out, uint32_t code)
{
	if (code < 0x80) {
		*out++ = (char)code;
		return out;
	}
	if (code < 0x800) {
		*out++ = (char)(0xc0 | code >> 6);
	} else {
		if (code < 0x10000) {
			*out++ = (char)(0xe0 | code >> 12);
		} else {
			*out++ = (char)(0xf0 | code >> 18);
			*out++ = (char)(0x80 | (code >> 12 & 0x3f));
		}
		*out++ = (char)(0x80 | (code >> 6 & 0x3f));
	}
	*out++ = (char)(0x80 | (code & 0x3f));
	return out;
}

/* Reads what follows "\u". */
static int read_code(struct reader *reader, char **out)
{
	const char *escape = reader->at - 2;
	int32_t code = hex_four(reader->at), low;
	if (code < 0)
		return fail_at(reader, NODE_FAULT_SYNTAX, escape);
	if (code == 0)
		return fail_at(reader, NODE_FAULT_NUL, escape);
	reader->at += 4;
	if (code >= 0xd800 && code <= 0xdfff) {
		low = code < 0xdc00 && reader->at[0] == '\\' && reader->at[1] == 'u' ? hex_four(reader->at + 2) : -1;
		if (low < 0xdc00 || low > 0xdfff)
			return fail_at(reader, NODE_FAULT_SYNTAX, escape);
		reader->at += 6;
		code = 0x10000 + ((code & 0x3ff) << 10 | (low & 0x3ff));
	}
	*out = put_utf8(*out, (uint32_t)code);
	return 0;
}

static int read_escape(struct reader *reader, char **out)
{
	static const char short_forms[] = {
	    ['"'] = '"', ['\\'] = '\\', ['/'] = '/', ['b'] = '\b', ['f'] = '\f', ['n'] = '\n', ['r'] = '\r', ['t'] = '\t'};
	const unsigned char letter = (unsigned char)reader->at[1];
	if (letter == 'u') {
		reader->at += 2;
		return read_code(reader, out);
	}
	if (letter >= sizeof(short_forms) || !short_forms[letter])
		return fail(reader, NODE_FAULT_SYNTAX);
	*(*out)++ = short_forms[letter];
	reader->at += 2;
	return 0;
}

/* Reads a string, at its opening quote. */
static int read_text(struct reader *reader, const char **text, size_t *length)
{
	char *begin = ++reader->at, *out;
	while ((unsigned char)*reader->at >= 0x20 && *reader->at != '"' && *reader->at != '\\')
		++reader->at;
	out = reader->at;
	while (*reader->at != '"') {
		if (*reader->at == '\\') {
			if (read_escape(reader, &out))
				return -1;
		} else if ((unsigned char)*reader->at >= 0x20) {
			*out++ = *reader->at++;
		} else {
			bool is_nul = !*reader->at && reader->at < reader->end;
			return fail(reader, is_nul ? NODE_FAULT_NUL : NODE_FAULT_SYNTAX);
		}
	}
	++reader->at;
	*out = '\0';
	*text = begin;
	*length = (size_t)(out - begin);
	return 0;
}

/* ---- Numbers ---- */

static const char *skip_digits(const char *at)
{
	while (*at >= '0' && *at <= '9')
		++at;
	return at;
}

/*
 * The end of the JSON number at `text`, which a NUL byte ends; NULL when there is none. *is_real: with fraction or
 * exponent.
 */
static const char *number_end(const char *text, bool *is_real)
{
	const char *digits = text + (*text == '-'), *at = skip_digits(digits);
	*is_real = false;
	if (at == digits || (*digits == '0' && at != digits + 1))
		return NULL;
	if (*at == '.') {
		*is_real = true;
		digits = ++at;
		at = skip_digits(at);
		if (at == digits)
			return NULL;
	}
	if (*at == 'e' || *at == 'E') {
		*is_real = true;
		++at;
		at += *at == '+' || *at == '-';
		digits = at;
		at = skip_digits(at);
		if (at == digits)
			return NULL;
	}
	return at;
}

static enum node_kind integer_of(const char *text, const char *end, int64_t *out)
{
	const bool negative = *text == '-';
	int64_t value = 0;
	for (text += negative; text < end; ++text) {
		const int64_t digit = *text - '0';
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, negative ? -digit : digit, &value))
			return NODE_OVERSIZE;
	}
	*out = value;
	return NODE_INTEGER;
}

/* Reads the number at `text`, which a NUL byte ends. Its end, or NULL. */
static const char *read_number(const char *text, struct node *node)
{
	bool is_real;
	const char *end = number_end(text, &is_real);
	if (!end)
		return NULL;
	if (is_real) {
		/* The programs never leave the C locale, whose decimal point is JSON's. */
		node->real = strtod(text, NULL);
		node->kind = isinf(node->real) ? NODE_OVERSIZE : NODE_REAL;
	} else {
		node->kind = integer_of(text, end, &node->integer);
	}
	return end;
}

/* ---- Arrays and objects ---- */

/* Reads a key and its colon into `member`, which is not among the object's children yet. */
static int read_key(struct reader *reader, const struct node *object, struct node *member)
{
	size_t length;
	if (*reader->at != '"')
		return fail(reader, NODE_FAULT_SYNTAX);
	if (read_text(reader, &member->key, &length))
		return -1;
	member->key_hash = mix_hash(MIX_HASH, member->key, length);
	for (const struct node *other = reader->loose ? NULL : object->children; other; other = other->next)
		if (other->key_hash == member->key_hash && !strcmp(other->key, member->key)) {
			fail(reader, NODE_FAULT_TWICE);
			reader->fault->key = member->key;
			return -1;
		}
	if (object->count == (reader->loose ? NODE_LOOSE_MEMBERS_MAX : NODE_MEMBERS_MAX))
		return fail(reader, NODE_FAULT_MEMBERS);
	skip_space(reader);
	if (*reader->at != ':')
		return fail(reader, NODE_FAULT_SYNTAX);
	++reader->at;
	skip_space(reader);
	return 0;
}

/* Reads an array or object, at its opening bracket. */
static int read_children(struct reader *reader, struct node *node, char close)
{
	struct node **tail = &node->children;
	if (++reader->depth > NODE_DEPTH_MAX)
		return fail(reader, NODE_FAULT_DEPTH);
	++reader->at;
	skip_space(reader);
	while (*reader->at != close) {
		struct node *child = arena_calloc(reader->arena, sizeof(*child));
		if (!child)
			return fail(reader, NODE_FAULT_MEMORY);
		if ((node->kind == NODE_OBJECT && read_key(reader, node, child)) || read_value(reader, child))
			return -1;
		*tail = child;
		tail = &child->next;
		++node->count;
		skip_space(reader);
		if (*reader->at == close)
			break;
		if (*reader->at != ',')
			return fail(reader, NODE_FAULT_SYNTAX);
		++reader->at;
		skip_space(reader);
		if (*reader->at == close)
			return fail(reader, NODE_FAULT_SYNTAX);
	}
	++reader->at;
	--reader->depth;
	return 0;
}

static int read_word(struct reader *reader, struct node *node)
{
	static const struct {
		const char *word;
		enum node_kind kind;
	} words[] = {{"null", NODE_NULL}, {"false", NODE_FALSE}, {"true", NODE_TRUE}};
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); ++i) {
		const size_t length = strlen(words[i].word);
		if (strncmp(reader->at, words[i].word, length))
			continue;
		reader->at += length;
		node->kind = words[i].kind;
		return 0;
	}
	return fail(reader, NODE_FAULT_SYNTAX);
}

/* Reads one value into a node that is all zero but for its key. */
static int read_value(struct reader *reader, struct node *node)
{
	const char *end;
	switch (*reader->at) {
	case '{':
		node->kind = NODE_OBJECT;
		return read_children(reader, node, '}');
	case '[':
		node->kind = NODE_ARRAY;
		return read_children(reader, node, ']');
	case '"':
		node->kind = NODE_TEXT;
		return read_text(reader, &node->text, &node->length);
	default:
		end = read_number(reader->at, node);
		if (!end)
			return read_word(reader, node);
		reader->at += end - reader->at;
		return 0;
	}
}

int contract_node_read(struct arena *arena, enum node_rules rules, const char *text, size_t length,
                       const struct node **out, struct node_fault *fault)
{
	struct reader reader = {.arena = arena, .fault = fault, .loose = rules == NODE_LOOSE};
	struct node *root = arena_calloc(arena, sizeof(*root));
	reader.start = reader.at = arena_copy(arena, text, length);
	if (!root || !reader.start)
		return fail(&reader, NODE_FAULT_MEMORY);
	reader.end = reader.start + length;
	if (!utf8_is_valid(text, length))
		return fail(&reader, NODE_FAULT_UTF8);
	skip_space(&reader);
	if (read_value(&reader, root))
		return -1;
	skip_space(&reader);
	if (reader.at != reader.end)
		return fail(&reader, NODE_FAULT_TRAILING);
	*out = root;
	return 0;
}

const struct node *contract_node_member(const struct node *object, const char *key)
{
	if (!object || object->kind != NODE_OBJECT)
		return NULL;
	for (const struct node *member = object->children; member; member = member->next)
		if (member->key[0] == key[0] && !strcmp(member->key, key))
			return member;
	return NULL;
}

bool contract_node_number(const struct node *node, double *out)
{
	static const char space[] = " \t\r\n";
	struct node number;
	if (node->kind == NODE_TEXT) {
		const char *end = read_number(node->text + strspn(node->text, space), &number);
		if (!end || end[strspn(end, space)])
			return false;
		node = &number;
	}
	if (node->kind != NODE_INTEGER && node->kind != NODE_REAL)
		return false;
	*out = node->kind == NODE_REAL ? node->real : (double)node->integer;
	return true;
}
