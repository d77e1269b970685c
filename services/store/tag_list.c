/*
 * store/tag_list: finds tags by their keys `{tag}m`, where neither the list of tenants nor a token may name them any
 * more. One command at a time: a page of a server's keys, then each tag of it, then the next page or server.
 */
#include <errno.h>

#include "base/clock.h"
#include "store/key.h"
#include "store/tag.h"

#define STEP_WAIT_US INT64_C(5000000)

struct tag_listing {
	struct store *store;
	struct arena *arena;
	int slot; /* whose server is read */
	char cursor[DECIMAL_TEXT];
	struct found {
		const char *tag;
		struct found *next;
	} * found, *asked; /* of the page; whose key is read */
	void (*each)(void *data, const struct store_tenant *tenant);
	void (*done)(void *data, int status);
	void *data;
};

static void list_end(struct tag_listing *listing, int status)
{
	struct store *store = listing->store;
	listing->done(listing->data, status);
	store_release(store);
}

static int next(struct tag_listing *listing);

/* Takes the owner's names from `owner`; a key without them is given without names. */
static int take(struct tag_listing *listing, const struct redis_reply *owner)
{
	struct store_tenant tenant = {NULL, NULL, listing->asked->tag};
	const char *copy = "";
	if (owner->type == REDIS_STRING) {
		/* The copy ends the vbot id with a NUL byte, as the one within ends the project code. */
		copy = arena_copy(listing->arena, owner->data, owner->length);
		if (!copy)
			return -ENOMEM;
		if (strlen(copy) < owner->length) {
			tenant.project_code = copy;
			tenant.vbot_id = copy + strlen(copy) + 1;
		}
	}
	listing->each(listing->data, &tenant);
	return 0;
}

static void meta_read(void *data, int status, const struct redis_reply *reply)
{
	struct tag_listing *listing = data;
	int result = store_reply_status(listing->store, status, reply, REDIS_ARRAY);
	if (!result && reply->count == 3) {
		/* A tag that was claimed in vain, or whose calls are deleted, has nothing to lose. */
		const struct redis_reply *entries = reply->elements[1], *time_line = reply->elements[2];
		if ((entries->type == REDIS_STRING && strcmp(entries->data, "0") != 0) || time_line->type == REDIS_STRING)
			result = take(listing, reply->elements[0]);
	} else if (result == -EMEDIUMTYPE) {
		result = take(listing, reply); /* an error, which names nobody */
	}
	listing->asked = listing->asked->next;
	if (!result)
		result = next(listing);
	if (result)
		list_end(listing, result);
}

/* Notes the tag of a key `{tag}m`; others that the pattern fits are names with braces in them. */
static int add_tag(struct tag_listing *listing, const struct redis_reply *key)
{
	if (key->type != REDIS_STRING || key->length < 3)
		return -EBADMSG;
	const char *tag = arena_copy(listing->arena, key->data + 1, key->length - 3);
	struct found *found = arena_alloc(listing->arena, sizeof(*found));
	if (!tag || !found)
		return -ENOMEM;
	*found = (struct found){tag, listing->found};
	if (store_tag_valid(tag))
		listing->found = found;
	return 0;
}

static void page_read(void *data, int status, const struct redis_reply *reply)
{
	struct tag_listing *listing = data;
	int result = store_reply_status(listing->store, status, reply, REDIS_ARRAY);
	if (!result && (reply->count != 2 || reply->elements[0]->type != REDIS_STRING ||
	                reply->elements[0]->length >= sizeof(listing->cursor) || reply->elements[1]->type != REDIS_ARRAY))
		result = -EBADMSG;
	listing->found = NULL;
	for (size_t i = 0; !result && i < reply->elements[1]->count; ++i)
		result = add_tag(listing, reply->elements[1]->elements[i]);
	if (!result) {
		memcpy(listing->cursor, reply->elements[0]->data, reply->elements[0]->length + 1);
		if (!strcmp(listing->cursor, "0"))
			listing->slot = redis_next_server(listing->store->redis, listing->slot);
		listing->asked = listing->found;
		result = next(listing);
	}
	if (result)
		list_end(listing, result);
}

/* Sends the next command, or ends. */
static int next(struct tag_listing *listing)
{
	struct redis *redis = listing->store->redis;
	int64_t deadline_us = clock_monotonic_us() + STEP_WAIT_US;
	if (listing->asked) {
		const char *const argv[] = {"HMGET", store_key(listing->arena, listing->asked->tag, "m"), "owner", "n", "t"};
		return argv[1] ? redis_command(redis, 5, argv, NULL, deadline_us, meta_read, listing) : -ENOMEM;
	}
	if (listing->slot < 0) {
		list_end(listing, 0);
		return 0;
	}
	const char *const argv[] = {"SCAN", listing->cursor, "MATCH", "{*}m", "COUNT", "1000"};
	return redis_command_to(redis, listing->slot, 6, argv, deadline_us, page_read, listing);
}

int store_tag_list(struct store *store, struct arena *arena,
                   void (*each)(void *data, const struct store_tenant *tenant), void (*done)(void *data, int status),
                   void *data)
{
	struct tag_listing *listing = arena_calloc(arena, sizeof(*listing));
	if (!listing)
		return -ENOMEM;
	*listing =
	    (struct tag_listing){.store = store, .arena = arena, .cursor = "0", .each = each, .done = done, .data = data};
	int result = next(listing);
	if (!result)
		store_hold(store);
	return result;
}
