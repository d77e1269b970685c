/*
 * admission: a table of counters by a seeded hash of the address. Two addresses may share a counter; with 65,536
 * counters this affects only addresses that collide with a client at its limit, and the seed keeps clients from
 * choosing them.
 */
#include "admission.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/address.h"
#include "base/mix.h"

enum { SLOTS = 1 << 16, NO_SLOT = SLOTS };

struct admission {
	size_t total_max, address_max;
	uint64_t seed;
	_Atomic size_t total;
	_Atomic uint32_t slots[SLOTS];
};

int admission_create(struct admission **out, size_t total_max, size_t address_max)
{
	struct admission *admission = calloc(1, sizeof(*admission));
	if (!admission)
		return -ENOMEM;
	admission->total_max = total_max;
	admission->address_max = address_max;
	arc4random_buf(&admission->seed, sizeof(admission->seed));
	*out = admission;
	return 0;
}

void admission_destroy(struct admission *admission)
{
	free(admission);
}

static uint32_t slot_of(const struct admission *admission, const struct sockaddr_storage *address)
{
	uint64_t network;
	return address_network(address, &network) ? (uint32_t)(mix_bits(network ^ admission->seed) % SLOTS) : NO_SLOT;
}

bool admission_enter(struct admission *admission, const struct sockaddr_storage *address, uint32_t *slot)
{
	uint32_t where = slot_of(admission, address);
	if (atomic_fetch_add(&admission->total, 1) >= admission->total_max)
		goto refused;
	if (where != NO_SLOT && atomic_fetch_add(&admission->slots[where], 1) >= admission->address_max) {
		atomic_fetch_sub(&admission->slots[where], 1);
		goto refused;
	}
	*slot = where;
	return true;
refused:
	atomic_fetch_sub(&admission->total, 1);
	return false;
}

void admission_leave(struct admission *admission, uint32_t slot)
{
	if (slot != NO_SLOT)
		atomic_fetch_sub(&admission->slots[slot], 1);
	atomic_fetch_sub(&admission->total, 1);
}
