/* callhistoryd/offenders: a token bucket in each slot of a hash table. */
#include "offenders.h"

#include "base/address.h"
#include "base/mix.h"

/* NULL for an address without a network. */
static struct offender *find(struct offenders *offenders, const struct sockaddr_storage *address)
{
	uint64_t network;
	return address_network(address, &network) ? &offenders->slots[mix_bits(network ^ offenders->seed) % OFFENDERS_SLOTS]
	                                          : NULL;
}

void offenders_add(struct offenders *offenders, const struct sockaddr_storage *address, int64_t now_us)
{
	struct offender *offender = find(offenders, address);
	if (offender)
		offender->until_us = now_us + OFFENDERS_REMEMBER_US;
}

bool offenders_has(struct offenders *offenders, const struct sockaddr_storage *address, int64_t now_us)
{
	const struct offender *offender = find(offenders, address);
	return offender && now_us < offender->until_us;
}

bool offenders_admit(struct offenders *offenders, const struct sockaddr_storage *address, int64_t now_us)
{
	return !offenders_has(offenders, address, now_us) ||
	       rpc_bucket_take(&find(offenders, address)->connections, now_us, OFFENDERS_PER_SECOND, OFFENDERS_BURST);
}
