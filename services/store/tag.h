/*
 * store/tag: the tags that name tenants in keys. Private to the module.
 *
 * A tag is random, so that a store that has lost its list of tenants does not give a new tenant the tag of an old one,
 * whose calls it would then show. The tag's own keys name their owner, before the list does.
 */
#pragma once

#include "store/internal.h"

/* One search; the caller keeps it until the callback. */
struct tag_finding {
	struct store *store;
	struct arena *arena;
	int64_t deadline_us;
	void (*callback)(void *data, int status, const char *tag); /* the tag is in the arena */
	void *data;
	const struct store_tenant *tenant;
	char *tag;
	unsigned tries;
};

/*
 * Finds a tenant's tag: in the list of tenants, else in its tokens, else gives out a new one. 0, and the callback fires
 * from redis_run(); else a negative errno. May be called from a callback.
 */
int store_tag_find(struct tag_finding *finding, const struct store_tenant *tenant);

/* As store_tag_find(), but enters the tenant's own tag in the list; the callback has the one that the list has then. */
int store_tag_enter(struct tag_finding *finding, const struct store_tenant *tenant);
