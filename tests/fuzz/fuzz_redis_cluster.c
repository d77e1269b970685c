/* fuzz_redis_cluster: any bytes as the error MOVED or ASK, and as the reply to CLUSTER SLOTS. What is taken must be whole. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "redis/reply.h"
#include "redis/topology.h"
#include "structure_resp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_node(const char *host, const char *port)
{
	int number = atoi(port);
	if (strlen(host) >= sizeof(((struct redis_address *)0)->host) || strpbrk(host, " \r\n") || number < 1 || number > 65535)
		abort();
}

static void check_map(const struct topology *map)
{
	unsigned covered = 0;
	for (size_t i = 0; i < map->count; ++i)
		check_node(map->nodes[i].address.host, map->nodes[i].address.port);
	for (size_t i = 0; i < SLOT_COUNT; ++i) {
		covered += map->owner[i] != TOPOLOGY_NONE;
		if (map->owner[i] != TOPOLOGY_NONE && (map->owner[i] >= map->count || !map->nodes[map->owner[i]].master))
			abort();
	}
	if (covered != map->covered)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct topology map;
	struct redirect redirect;
	struct reply_reader *reader;
	const struct redis_reply *reply;
	char *text = malloc(size + 1);
	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	if (!redis_redirect_parse(&redirect, text, size)) {
		check_node(redirect.to.host, redirect.to.port);
		if (redirect.slot >= SLOT_COUNT)
			abort();
	}
	if (redis_slot_of(text, size) >= SLOT_COUNT)
		abort();
	free(text);
	if (redis_reply_reader_create(&reader, 1 << 16))
		return 0;
	if (!redis_reply_reader_feed(reader, (const char *)data, size))
		while (redis_reply_reader_next(reader, false, &reply) == 1)
			if (!redis_topology_read(&map, reply, "asked"))
				check_map(&map);
	redis_reply_reader_destroy(reader);
	return 0;
}

STRUCTURE_MUTATOR(structure_resp, 0);
