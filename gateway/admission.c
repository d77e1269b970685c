/*
 * admission: a table of counters by a seeded hash of the address. Two addresses may share a counter; with 65,536
 * counters this affects only addresses that collide with a client at its limit, and the seed keeps clients from
 * choosing them.
 */
#include "admission.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

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
	if (getrandom(&admission->seed, sizeof(admission->seed), 0) != (ssize_t)sizeof(admission->seed))
		admission->seed = (uint64_t)(uintptr_t)admission;
	*out = admission;
	return 0;
}

void admission_destroy(struct admission *admission)
{
	free(admission);
}

static uint32_t slot_of(const struct admission *admission, const struct sockaddr_storage *address)
{
	uint64_t network = 0;
	if (address->ss_family == AF_INET) {
		network = ((const struct sockaddr_in *)address)->sin_addr.s_addr;
	} else if (address->ss_family == AF_INET6) {
		const struct in6_addr *in6 = &((const struct sockaddr_in6 *)address)->sin6_addr;
		/* A client of IPv4 on a socket for both families. */
		if (IN6_IS_ADDR_V4MAPPED(in6))
			memcpy(&network, &in6->s6_addr[12], 4);
		else
			memcpy(&network, in6, sizeof(network));
	} else {
		return NO_SLOT;
	}
	/* splitmix64 */
	network ^= admission->seed;
	network = (network ^ network >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	network = (network ^ network >> 27) * UINT64_C(0x94d049bb133111eb);
	return (uint32_t)((network ^ network >> 31) % SLOTS);
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
