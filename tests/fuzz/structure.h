/*
 * structure: mutations that keep an input's structure, for fuzzers of formats that random bytes hardly ever fit. The
 * format says where its elements end and how one is written with another content, lengths included; the elements are
 * then left out, doubled, exchanged, replaced by words of the format and changed inside, where they may have elements
 * themselves. Half of the mutations are libFuzzer's own, so that malformed inputs are tried too.
 */
#ifndef CALLHISTORY_TESTS_STRUCTURE_H
#define CALLHISTORY_TESTS_STRUCTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { STRUCTURE_ELEMENTS_MAX = 512, STRUCTURE_CONTENT_MAX = 4096 };

struct structure_element {
	size_t length;          /* of all of it, at least 1 */
	size_t content, inside; /* where its content begins, and how long that is; inside 0: none */
};

struct structure {
	/* The element at `data`, of which there is at least a byte. */
	struct structure_element (*read)(const uint8_t *data, size_t size);
	/* Writes an element like `old` with another content; its length, or 0 where there is no room. */
	size_t (*write)(uint8_t *out, size_t room, const uint8_t *old, size_t length, const uint8_t *content, size_t n);
	const char *const *words; /* elements, up to NULL */
	bool nested;              /* contents may have elements */
};

#ifdef CALLHISTORY_FUZZ
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

static uint32_t structure_random(uint32_t *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 8;
}

/* Puts `n` bytes in the place of `length` at `at`; the new size, or the old one where there is no room. */
static size_t structure_replace(uint8_t *data, size_t size, size_t max, size_t at, size_t length, const uint8_t *with,
                                size_t n)
{
	if (size - length + n > max)
		return size;
	memmove(data + at + n, data + at + length, size - at - length);
	memcpy(data + at, with, n);
	return size - length + n;
}

static size_t structure_mutate(const struct structure *format, uint8_t *data, size_t size, size_t max, uint32_t *state);

/* Changes the content of the element at `at`. */
static size_t structure_enter(const struct structure *format, uint8_t *data, size_t size, size_t max, size_t at,
                              struct structure_element element, uint32_t *state)
{
	static uint8_t contents[4][STRUCTURE_CONTENT_MAX], outs[4][STRUCTURE_CONTENT_MAX + 64];
	static int depth;
	if (depth == 4 || element.inside > STRUCTURE_CONTENT_MAX / 2)
		return size;
	uint8_t *content = contents[depth], *out = outs[depth];
	++depth;
	memcpy(content, data + at + element.content, element.inside);
	size_t n = format->nested && structure_random(state) % 2
	               ? structure_mutate(format, content, element.inside, STRUCTURE_CONTENT_MAX, state)
	               : LLVMFuzzerMutate(content, element.inside, STRUCTURE_CONTENT_MAX);
	--depth;
	size_t length = format->write(out, STRUCTURE_CONTENT_MAX + 64, data + at, element.length, content, n);
	return length ? structure_replace(data, size, max, at, element.length, out, length) : size;
}

static size_t structure_mutate(const struct structure *format, uint8_t *data, size_t size, size_t max, uint32_t *state)
{
	struct structure_element elements[STRUCTURE_ELEMENTS_MAX], one, other;
	size_t starts[STRUCTURE_ELEMENTS_MAX], count = 0, words = 0;
	uint8_t copy[STRUCTURE_CONTENT_MAX];
	for (size_t at = 0; at < size && count < STRUCTURE_ELEMENTS_MAX; at += elements[count++].length) {
		starts[count] = at;
		elements[count] = format->read(data + at, size - at);
	}
	while (format->words[words])
		++words;
	const char *word = format->words[structure_random(state) % words];
	if (!count)
		return structure_replace(data, size, max, 0, 0, (const uint8_t *)word, strlen(word));
	size_t i = structure_random(state) % count, j = structure_random(state) % count;
	one = elements[i];
	other = elements[j];
	switch (structure_random(state) % 6) {
	case 0: /* left out */
		return structure_replace(data, size, max, starts[i], one.length, data, 0);
	case 1: /* a copy of another one before it */
	case 2: /* or in its place */
		if (other.length > sizeof(copy))
			return size;
		memcpy(copy, data + starts[j], other.length);
		return structure_replace(data, size, max, starts[i], structure_random(state) % 2 ? one.length : 0, copy,
		                         other.length);
	case 3: /* a word */
		return structure_replace(data, size, max, starts[i], structure_random(state) % 2 ? one.length : 0,
		                         (const uint8_t *)word, strlen(word));
	default:
		return structure_enter(format, data, size, max, starts[i], one, state);
	}
}

/* The mutator of a fuzzer whose inputs have a format from byte `SKIP` on. */
#define STRUCTURE_MUTATOR(FORMAT, SKIP)                                                                                \
	size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)                         \
	{                                                                                                                  \
		uint32_t state = seed;                                                                                         \
		if (size < (SKIP) || structure_random(&state) % 2)                                                             \
			return LLVMFuzzerMutate(data, size, max_size);                                                             \
		return (SKIP) + structure_mutate(&(FORMAT), data + (SKIP), size - (SKIP), max_size - (SKIP), &state);          \
	}                                                                                                                  \
	_Static_assert(sizeof(FORMAT) > (SKIP), "")
#else
#define STRUCTURE_MUTATOR(FORMAT, SKIP) _Static_assert(sizeof(FORMAT) > (SKIP), "")
#endif

#endif
