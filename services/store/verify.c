/*
 * store/verify: runs the units of lua/verify.lua over a tenant's keys, sweep by sweep. The order matters: types before
 * contents, records before references, chunks before directories, states before what is added by them.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "store/internal.h"
#include "store/key.h"

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
	struct keys keys;
	size_t sweep, key;
	char at[DECIMAL_TEXT]; /* cursor or rank where the unit continues; "": it is done */
};

static void end(struct verifying *verifying, int status)
{
	free(verifying->keys.places);
	verifying->verify->done(verifying->verify->data, status);
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

/* The unit's argument. */
static const char *argument_of(struct verifying *verifying, size_t *length)
{
	const struct sweep *sweep = &sweeps[verifying->sweep];
	const struct store_verify *verify = verifying->verify;
	char *text = (char *)"";
	if (sweep->kinds) {
		text = (char *)verifying->keys.places[verifying->key];
	} else if (!strcmp(sweep->unit, "buckets")) {
		text = arena_alloc(verifying->arena, DECIMAL_TEXT);
		if (text)
			decimal_text(text, (int64_t)count_buckets(&verifying->keys));
	} else if (!strcmp(sweep->unit, "owner")) {
		return store_tenant_text(verifying->arena, verify->project_code, verify->vbot_id, length);
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
	const char *const arguments[] = {unit, repair, argument, verifying->at};
	const size_t lengths[] = {strlen(unit), strlen(repair), length, strlen(verifying->at)};
	return store_eval(store, *repair ? &store->repair : &store->verify, verifying->verify->tag, 4, arguments, lengths,
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
	if (unreadable || !*verifying->at) {
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
	begin_sweep(verifying);
	return send_unit(verifying);
}
