/*
 * store/verify: runs the units of lua/verify.lua over a tenant's keys, sweep by sweep. The order matters: types before
 * contents, records before references, chunks before directories, states before what is added by them.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "store/key.h"
#include "store/tag.h"
#include "store/token_code.h"
#include "store/token_key.h"

struct keys {
	const char **places;
	size_t count, capacity;
};

/* One step for every key of some kinds. */
struct sweep {
	const char *unit;
	const char *kinds; /* first letters of places; "#": external numbers; NULL: one call for the tenant */
};

static const struct sweep sweeps[] = {
    {"keys", NULL}, {"type", "#htxkimcpg"}, {"buckets", NULL}, {"records", "#h"},  {"chunk", "k"},
    {"keys", NULL}, {"directory", "tx"},    {"states", NULL},  {"entries", "#hk"}, {"groups", "g"},
    {"ids", "i"},   {"states", NULL},       {"total", NULL},   {"owner", NULL},    {"end", NULL},
};

#define STEP_WAIT_US INT64_C(30000000)

enum { SWEEPS = sizeof(sweeps) / sizeof(sweeps[0]) };

struct verifying {
	struct store *store;
	const struct store_verify *verify;
	struct arena *arena;
	const char *meta, *phantom;
	struct keys keys;
	size_t sweep, key;
	char at[DECIMAL_TEXT]; /* cursor or rank where the unit continues */
	uint64_t done;
};

static void end(struct verifying *verifying, int status)
{
	struct store *store = verifying->store;
	free(verifying->keys.places);
	verifying->verify->done(verifying->verify->data, status);
	store_release(store);
}

static bool is_of_kind(const char *place, const char *kinds)
{
	return strchr(kinds, store_place_is_set(place) ? '#' : *place);
}

/* How many buckets the id index has at least, if it has one of this number. */
static unsigned long count_buckets_up_to(unsigned long number)
{
	unsigned long power = 1;
	if (!number)
		return 1;
	while (number / 4 >= power)
		power *= 4;
	return power + 3 * (number % power + 1);
}

static unsigned long count_buckets(const struct keys *keys)
{
	unsigned long count = 1;
	for (size_t i = 0; i < keys->count; ++i)
		if (*keys->places[i] == 'i') {
			unsigned long least = count_buckets_up_to(strtoul(keys->places[i] + 1, NULL, 16));
			count = least > count ? least : count;
		}
	return count;
}

/* Whether the unit is repeated until its cursor is 0 again. */
static bool has_cursor(const struct sweep *sweep)
{
	return !strcmp(sweep->unit, "keys") || !strcmp(sweep->unit, "states");
}

/* The unit's first argument. */
static const char *argument_of(struct verifying *verifying, size_t *length)
{
	const struct sweep *sweep = &sweeps[verifying->sweep];
	const struct store_verify *verify = verifying->verify;
	char *text = (char *)"";
	if (sweep->kinds) {
		text = (char *)verifying->keys.places[verifying->key];
	} else if (has_cursor(sweep)) {
		text = verifying->at;
	} else if (!strcmp(sweep->unit, "buckets")) {
		text = arena_alloc(verifying->arena, DECIMAL_TEXT);
		if (text)
			decimal_text(text, (int64_t)count_buckets(&verifying->keys));
	} else if (!strcmp(sweep->unit, "owner")) {
		size_t project = strlen(verify->project_code);
		text = arena_printf(verifying->arena, "%s %s", verify->project_code, verify->vbot_id);
		if (!text)
			return NULL;
		text[project] = '\0';
		*length = project + 1 + strlen(verify->vbot_id);
		return text;
	}
	*length = text ? strlen(text) : 0;
	return text;
}

static void replied(void *data, int status, const struct redis_reply *reply);

static int send_unit(struct verifying *verifying)
{
	struct store *store = verifying->store;
	size_t length;
	const char *argument = argument_of(verifying, &length);
	if (!argument)
		return -ENOMEM;
	const char *unit = sweeps[verifying->sweep].unit, *repair = verifying->verify->repair ? "1" : "";
	const char *const argv[] = {verifying->meta, verifying->phantom, unit, repair, argument, verifying->at};
	const size_t lengths[] = {strlen(argv[0]), strlen(argv[1]), strlen(unit),
	                          strlen(repair),  length,          strlen(verifying->at)};
	return redis_eval(store->redis, *repair ? &store->repair : &store->verify, 2, 6, argv, lengths,
	                  clock_monotonic_us() + STEP_WAIT_US, replied, verifying);
}

/* Whether the sweep has a key from the present one on; moves to it. */
static bool find_key(struct verifying *verifying)
{
	const char *kinds = sweeps[verifying->sweep].kinds;
	while (kinds && verifying->key < verifying->keys.count &&
	       !is_of_kind(verifying->keys.places[verifying->key], kinds))
		++verifying->key;
	return kinds ? verifying->key < verifying->keys.count : verifying->key == 0;
}

static void begin_sweep(struct verifying *verifying)
{
	verifying->key = 0;
	strcpy(verifying->at, "0");
	if (verifying->sweep < SWEEPS && !strcmp(sweeps[verifying->sweep].unit, "keys"))
		verifying->keys.count = 0;
}

/* Sends the next unit, or ends. */
static void next(struct verifying *verifying)
{
	while (verifying->sweep < SWEEPS && !find_key(verifying)) {
		++verifying->sweep;
		begin_sweep(verifying);
	}
	int result = verifying->sweep < SWEEPS ? send_unit(verifying) : 0;
	if (result || verifying->sweep == SWEEPS)
		end(verifying, result);
}

static int add_key(struct verifying *verifying, const struct redis_reply *place)
{
	struct keys *keys = &verifying->keys;
	if (keys->count == keys->capacity) {
		size_t capacity = keys->capacity ? 2 * keys->capacity : 1024;
		const char **grown = reallocarray(keys->places, capacity, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		keys->places = grown;
		keys->capacity = capacity;
	}
	const char *copy = arena_copy(verifying->arena, place->data, place->length);
	if (!copy)
		return -ENOMEM;
	keys->places[keys->count] = copy;
	keys->count += *copy != '\0' && *copy != STORE_KIND_PHANTOM;
	return 0;
}

/* Takes a reply: where to continue, then keys or differences. */
static int take(struct verifying *verifying, const struct redis_reply *reply)
{
	const struct store_verify *verify = verifying->verify;
	bool keys = !strcmp(sweeps[verifying->sweep].unit, "keys");
	int result = reply->count ? 0 : -EBADMSG;
	for (size_t i = 0; i < reply->count && !result; ++i) {
		const struct redis_reply *element = reply->elements[i];
		if (element->type != REDIS_STRING || (!i && element->length >= sizeof(verifying->at)))
			result = -EBADMSG;
		else if (!i)
			memcpy(verifying->at, element->data, element->length + 1);
		else if (keys)
			result = add_key(verifying, element);
		else
			verify->difference(verify->data, element->data);
	}
	return result;
}

static void replied(void *data, int status, const struct redis_reply *reply)
{
	struct verifying *verifying = data;
	int result = store_reply_status(verifying->store, status, reply, REDIS_ARRAY);
	/*
	 * What is damaged beyond reading is reported by its own unit; without repair, others cannot examine what they need.
	 */
	bool unreadable = result == -EMEDIUMTYPE || result == -EPROTO;
	if (unreadable)
		verifying->verify->difference(verifying->verify->data, store_status_text(result));
	else if (!result)
		result = take(verifying, reply);
	if (result && !unreadable) {
		end(verifying, result);
		return;
	}
	const char *unit = sweeps[verifying->sweep].unit;
	bool sliced = !strcmp(unit, "records") || !strcmp(unit, "entries") || !strcmp(unit, "groups");
	bool again = !unreadable &&
	             (has_cursor(&sweeps[verifying->sweep]) ? strcmp(verifying->at, "0") : sliced && *verifying->at != '-');
	if (!again) {
		++verifying->key;
		strcpy(verifying->at, "0");
	}
	verifying->verify->progress(verifying->verify->data, verifying->sweep * verifying->keys.count + verifying->key,
	                            SWEEPS * verifying->keys.count);
	next(verifying);
}

int store_verify(struct store *store, const struct store_verify *verify, struct arena *arena)
{
	if (!store_tag_valid(verify->tag))
		return -EINVAL;
	struct verifying *verifying = arena_calloc(arena, sizeof(*verifying));
	if (!verifying)
		return -ENOMEM;
	*verifying = (struct verifying){.store = store, .verify = verify, .arena = arena};
	verifying->meta = store_key(arena, verify->tag, "m");
	verifying->phantom = store_key(arena, verify->tag, "!");
	if (!verifying->meta || !verifying->phantom)
		return -ENOMEM;
	begin_sweep(verifying);
	int result = send_unit(verifying);
	if (!result)
		store_hold(store);
	return result;
}

/* ---- Tenants ---------------------------------------------------------------------------------------------------- */

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

static void list_end(struct listing *listing, int status)
{
	struct store *store = listing->store;
	listing->done(listing->data, status);
	store_release(store);
}

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
	list_end(listing, result);
}

static void tenants_read(void *data, int status, const struct redis_reply *reply)
{
	static const char *const argv[] = {"HGETALL", STORE_TOKENS_KEY};
	struct listing *listing = data;
	int result = store_reply_status(listing->store, status, reply, REDIS_ARRAY);
	for (size_t i = 0; !result && i + 1 < reply->count; i += 2) {
		const struct redis_reply *name = reply->elements[i], *tag = reply->elements[i + 1];
		/* The copy ends the vbot id with a NUL byte, as the one within ends the project code. */
		const char *copy = arena_copy(listing->arena, name->data, name->length);
		struct store_tenant tenant = {copy, NULL, arena_copy(listing->arena, tag->data, tag->length)};
		if (!copy || !tenant.tag)
			result = -ENOMEM;
		else if (strlen(copy) < name->length)
			tenant.vbot_id = copy + strlen(copy) + 1;
		if (tenant.vbot_id && !result)
			result = add_tenant(listing, &tenant, true);
	}
	if (!result)
		result = redis_command(listing->store->redis, 2, argv, NULL, listing->deadline_us, tokens_read, listing);
	if (result)
		list_end(listing, result);
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
	int result = redis_command(store->redis, 2, argv, NULL, deadline_us, tenants_read, listing);
	if (!result)
		store_hold(store);
	return result;
}

struct entering {
	struct tag_finding finding;
	void (*done)(void *data, int status);
	void *data;
};

static void entered(void *data, int status, const char *tag)
{
	struct entering *entering = data;
	struct store *store = entering->finding.store;
	if (!status && strcmp(tag, entering->finding.tenant->tag) != 0)
		status = -EEXIST;
	entering->done(entering->data, status);
	store_release(store);
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
	    .deadline_us = clock_monotonic_us() + STEP_WAIT_US,
	    .callback = entered,
	    .data = entering,
	};
	entering->done = done;
	entering->data = data;
	int result = store_tag_enter(&entering->finding, tenant);
	if (!result)
		store_hold(store);
	return result;
}
