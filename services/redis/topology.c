/*
 * redis/topology: CLUSTER SLOTS rather than CLUSTER SHARDS, which has shown empty slots after a failover (redis#13414).
 */
#include "redis/topology.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/decimal.h"

/* CRC16 with polynomial 0x1021, as the Redis Cluster specification defines slots; bit by bit, for tags are short. */
static uint16_t crc16(const char *data, size_t length)
{
	uint16_t crc = 0;
	for (size_t i = 0; i < length; ++i) {
		crc ^= (uint16_t)((uint8_t)data[i] << 8);
		for (int bit = 0; bit < 8; ++bit)
			crc = (uint16_t)(crc << 1 ^ (crc & 0x8000 ? 0x1021 : 0));
	}
	return crc;
}

uint16_t redis_slot_of(const char *key, size_t length)
{
	const char *open = memchr(key, '{', length);
	if (open) {
		const char *tag = open + 1;
		const char *close = memchr(tag, '}', length - (size_t)(tag - key));
		if (close && close > tag)
			return crc16(tag, (size_t)(close - tag)) % SLOT_COUNT;
	}
	return crc16(key, length) % SLOT_COUNT;
}

bool redis_address_set(struct redis_address *out, const char *host, size_t length, int64_t port)
{
	if (port < 1 || port > 65535 || length >= sizeof(out->host) || (length == 1 && *host == '?'))
		return false;
	for (size_t i = 0; i < length; ++i)
		if ((unsigned char)host[i] <= ' ' || host[i] == 0x7f)
			return false;
	snprintf(out->host, sizeof(out->host), "%.*s", (int)length, host);
	snprintf(out->port, sizeof(out->port), "%u", (unsigned)(uint16_t)port);
	return true;
}

bool redis_address_equal(const struct redis_address *a, const struct redis_address *b)
{
	return !strcmp(a->host, b->host) && !strcmp(a->port, b->port);
}

/* The host ends at the last colon, because IPv6 addresses come without brackets. */
int redis_redirect_parse(struct redirect *out, const char *text, size_t length)
{
	out->ask = length > 4 && !memcmp(text, "ASK ", 4);
	int64_t slot, port;
	if (!out->ask && (length <= 6 || memcmp(text, "MOVED ", 6)))
		return -EINVAL;
	const char *number = text + (out->ask ? 4 : 6), *end = text + length;
	const char *blank = memchr(number, ' ', (size_t)(end - number));
	if (!blank || !decimal_read(number, (size_t)(blank - number), &slot) || slot < 0 || slot >= SLOT_COUNT)
		return -EINVAL;
	const char *host = blank + 1;
	const char *colon = memrchr(host, ':', (size_t)(end - host));
	if (!colon || !decimal_read(colon + 1, (size_t)(end - colon - 1), &port) ||
	    !redis_address_set(&out->to, host, (size_t)(colon - host), port))
		return -EINVAL;
	out->slot = (uint16_t)slot;
	return 0;
}

/* Finds or adds a node. Returns its index, TOPOLOGY_NONE when it has no usable address, or -EPROTO. */
static int read_node(struct topology *out, const struct redis_reply *reply, const char *asked)
{
	struct topology_node node = {.id = ""};
	if (reply->type != REDIS_ARRAY || reply->count < 2 || reply->elements[1]->type != REDIS_INTEGER)
		return -EPROTO;
	const struct redis_reply *host = reply->elements[0];
	if (host->type != REDIS_STRING && host->type != REDIS_NIL)
		return -EPROTO;
	if (!redis_address_set(&node.address, host->length ? host->data : asked,
	                       host->length ? host->length : strlen(asked), reply->elements[1]->integer))
		return TOPOLOGY_NONE;
	if (reply->count > 2 && reply->elements[2]->type == REDIS_STRING && reply->elements[2]->length < sizeof(node.id))
		memcpy(node.id, reply->elements[2]->data, reply->elements[2]->length);
	for (size_t i = 0; i < out->count; ++i)
		if (redis_address_equal(&out->nodes[i].address, &node.address))
			return (int)i;
	if (out->count == TOPOLOGY_NODES_MAX)
		return TOPOLOGY_NONE;
	out->nodes[out->count] = node;
	return (int)out->count++;
}

/* Reads [first slot, last slot, master, replica...], where a node is [host, port, id, ...]. */
static int read_range(struct topology *out, const struct redis_reply *range, const char *asked)
{
	if (range->type != REDIS_ARRAY || range->count < 3 || range->elements[0]->type != REDIS_INTEGER ||
	    range->elements[1]->type != REDIS_INTEGER)
		return -EPROTO;
	int64_t first = range->elements[0]->integer, last = range->elements[1]->integer;
	if (first < 0 || last < first || last >= SLOT_COUNT)
		return -EPROTO;
	for (size_t i = 2; i < range->count; ++i) {
		int node = read_node(out, range->elements[i], asked);
		if (node < 0)
			return node;
		if (i > 2 || node == TOPOLOGY_NONE)
			continue;
		out->nodes[node].master = true;
		for (int64_t slot = first; slot <= last; ++slot) {
			out->covered += out->owner[slot] == TOPOLOGY_NONE;
			out->owner[slot] = (uint16_t)node;
		}
	}
	return 0;
}

int redis_topology_read(struct topology *out, const struct redis_reply *reply, const char *host)
{
	if (reply->type != REDIS_ARRAY)
		return -EPROTO;
	out->count = 0;
	out->covered = 0;
	memset(out->owner, 0xff, sizeof(out->owner));
	int result = 0;
	for (size_t i = 0; i < reply->count && !result; ++i)
		result = read_range(out, reply->elements[i], host);
	return result;
}
