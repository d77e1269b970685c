/*
 * store/tenants: lists the tenants and their tags: those that the list of tenants or a token names, and those of the
 * keys `{tag}m`, which neither may name any more.
 */
#include <errno.h>

#include "base/clock.h"
#include "store/key.h"
#include "store/tag.h"
#include "store/token_code.h"

#define STEP_WAIT_US INT64_C(5000000)
#define ENTER_WAIT_US INT64_C(30000000)

/* Reads the names of a tenant as store_tenant_text() writes them; leaves both NULL if the text has none. 0, -ENOMEM. */
static int read_names(struct store_tenant *out, const struct redis_reply *reply, struct arena *arena)
{
	/* The copy ends the vbot id with a NUL byte, as the one within ends the project code. */
	const char *copy = arena_copy(arena, reply->data, reply->length);
	if (!copy)
		return -ENOMEM;
	if (strlen(copy) < reply->length) {
		out->project_code = copy;
		out->vbot_id = copy + strlen(copy) + 1;
	}
	return 0;
}

/* ---- By the list and tokens ------------------------------------------------------------------------------------- */

struct listing {
	struct store *store;
	struct arena *arena;
	int64_t deadline_us;
	struct tenant {
		struct store_tenant tenant;
		struct tenant *next;
	} * found;
	void (*each)(void *data, const struct store_tenant *tenant, bool listed);
	void (*done)(void *data, int status);
	void *data;
};

static bool is_found(const struct listing *listing, const struct store_tenant *tenant)
{
	for (const struct tenant *at = listing->found; at; at = at->next)
		if (!strcmp(at->tenant.project_code, tenant->project_code) && !strcmp(at->tenant.vbot_id, tenant->vbot_id))
			return true;
	return false;
}

static int add_tenant(struct listing *listing, const struct store_tenant *tenant, bool listed)
{
	struct tenant *added = arena_calloc(listing->arena, sizeof(*added));
	if (!added)
		return -ENOMEM;
	added->tenant = *tenant;
	added->next = listing->found;
	listing->found = added;
	listing->each(listing->data, &added->tenant, listed);
	return 0;
}

static void tokens_read(void *data, int status, const struct redis_reply *reply)
{
	struct listing *listing = data;
	int result = store_reply_status(listing->store, status, reply, REDIS_ARRAY);
	for (size_t i = 0; !result && i < reply->count / 2; ++i) {
		struct store_token *token;
		if (store_token_unpack_pair(listing->arena, reply, i, &token))
			continue;
		for (size_t j = 0; j < token->tenant_count && !result; ++j)
			if (!is_found(listing, &token->tenants[j]))
				result = add_tenant(listing, &token->tenants[j], false);
	}
	listing->done(listing->data, result);
}

static void tenants_read(void *data, int status, const struct redis_reply *reply)
{
	static const char *const argv[] = {"HGETALL", STORE_TOKENS_KEY};
	struct listing *listing = data;
	int result = store_reply_status(listing->store, status, reply, REDIS_ARRAY);
	for (size_t i = 0; !result && i + 1 < reply->count; i += 2) {
		const struct redis_reply *name = reply->elements[i], *tag = reply->elements[i + 1];
		struct store_tenant tenant = {.tag = arena_copy(listing->arena, tag->data, tag->length)};
		result = tenant.tag ? read_names(&tenant, name, listing->arena) : -ENOMEM;
		if (tenant.vbot_id && !result)
			result = add_tenant(listing, &tenant, true);
	}
	if (!result)
		result = redis_command(listing->store->redis, 2, argv, NULL, listing->deadline_us, tokens_read, listing);
	if (result)
		listing->done(listing->data, result);
}

int store_tenant_list(struct store *store, struct arena *arena, int64_t deadline_us,
                      void (*each)(void *data, const struct store_tenant *tenant, bool listed),
                      void (*done)(void *data, int status), void *data)
{
	static const char *const argv[] = {"HGETALL", STORE_TENANTS_KEY};
	struct listing *listing = arena_calloc(arena, sizeof(*listing));
	if (!listing)
		return -ENOMEM;
	*listing = (struct listing){store, arena, deadline_us, NULL, each, done, data};
	return redis_command(store->redis, 2, argv, NULL, deadline_us, tenants_read, listing);
}

struct entering {
	struct tag_finding finding;
	void (*done)(void *data, int status);
	void *data;
};

static void entered(void *data, int status, const char *tag)
{
	struct entering *entering = data;
	if (!status && strcmp(tag, entering->finding.tenant->tag) != 0)
		status = -EEXIST;
	entering->done(entering->data, status);
}

int store_tenant_enter(struct store *store, const struct store_tenant *tenant, struct arena *arena,
                       void (*done)(void *data, int status), void *data)
{
	struct entering *entering = arena_calloc(arena, sizeof(*entering));
	if (!entering)
		return -ENOMEM;
	entering->finding = (struct tag_finding){
	    .store = store,
	    .arena = arena,
	    .deadline_us = clock_monotonic_us() + ENTER_WAIT_US,
	    .callback = entered,
	    .data = entering,
	};
	entering->done = done;
	entering->data = data;
	return store_tag_enter(&entering->finding, tenant);
}

/* ---- By keys ---------------------------------------------------------------------------------------------------- */

/* One command at a time: a page of a server's keys, then each tag of it, then the next page or server. */
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

static int next(struct tag_listing *listing);

/* Takes the owner's names from `owner`; a key without them is given without names. */
static int take(struct tag_listing *listing, const struct redis_reply *owner)
{
	struct store_tenant tenant = {.tag = listing->asked->tag};
	int result = owner->type == REDIS_STRING ? read_names(&tenant, owner, listing->arena) : 0;
	if (!result)
		listing->each(listing->data, &tenant);
	return result;
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
		listing->done(listing->data, result);
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
		listing->done(listing->data, result);
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
		listing->done(listing->data, 0);
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
	return next(listing);
}
