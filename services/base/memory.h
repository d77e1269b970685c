/*
 * memory: how much memory this process may use, and a budget that threads
 * share: memory is charged before it is allocated.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Bytes that the process may use: the memory limit of its cgroup (version 1 or 2), or the machine's memory if that is
 * less.
 */
uint64_t memory_limit(void);

/* A number of bytes, and how many of them are in use. All functions may be called from any thread. */
struct memory_budget {
	size_t limit;
	_Atomic size_t used;
	_Atomic uint64_t refused; /* how often a charge was refused */
};

/* Charges `bytes`. Returns false, and charges nothing, when that would exceed the limit. A NULL budget is unlimited. */
bool memory_take(struct memory_budget *budget, size_t bytes);

/* Reverses a charge. */
void memory_give(struct memory_budget *budget, size_t bytes);
