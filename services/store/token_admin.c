/*
 * store/token_admin: adds, lists and revokes tokens. Adding goes in two steps,
 * for in a cluster the two hashes stand on different servers: first the
 * tenants' tags are given out, which may be repeated, then the token is entered.
 */
#include <errno.h>
#include <string.h>

#include "store/internal.h"
#include "store/token_cache.h"
#include "store/token_code.h"
#include "store/token_key.h"

enum { DIGEST_SIZE = 32 };

/* One operation under way, in the caller's arena. */
struct administering {
	struct store *store;
	struct arena *arena;
	int64_t deadline_us;
	uint8_t digest[DIGEST_SIZE];
	char id[TOKEN_ID_SIZE];
	struct store_token *token;
	void (*each)(void *data, const struct store_token *token);
	store_token_callback *callback;
	void *data;
};

static void end(struct administering *admin, int status)
{
	struct store *store = admin->store;
	token_cache_drop(store->cache, admin->digest);
	admin->callback(admin->data, status, status ? NULL : admin->token);
	store_release(store);
}

static int start(struct store *store, struct arena *arena, int64_t deadline_us, store_token_callback *callback,
                 void *data, struct administering **out)
{
	struct administering *admin = arena_calloc(arena, sizeof(*admin));
	if (!admin)
		return -ENOMEM;
	admin->store = store;
	admin->arena = arena;
	admin->deadline_us = deadline_us;
	admin->callback = callback;
	admin->data = data;
	*out = admin;
	return 0;
}

/* Writes the token under its digest. HSETNX tells whether it is new; HSET replaces. */
static int write_token(struct administering *admin, const char *command, redis_callback *callback)
{
	uint8_t *packed;
	size_t length;
	int result = token_pack(admin->arena, admin->token, &packed, &length);
	if (result)
		return result;
	const char *const argv[] = {command, STORE_TOKENS_KEY, (const char *)admin->digest, (const char *)packed};
	const size_t lengths[] = {strlen(command), sizeof(STORE_TOKENS_KEY) - 1, DIGEST_SIZE, length};
	return redis_command(admin->store->redis, 4, argv, lengths, admin->deadline_us, callback, admin);
}

/* ---- Adding ---- */

static void added(void *data, int status, const struct redis_reply *reply)
{
	struct administering *admin = data;
	int result = store_reply_status(status, reply, REDIS_INTEGER);
	if (!result && !reply->integer)
		result = -EEXIST;
	end(admin, result);
}

static void tagged(void *data, int status, const struct redis_reply *reply)
{
	struct administering *admin = data;
	struct store_tenant *tenants = (struct store_tenant *)(uintptr_t)admin->token->tenants;
	int result = store_reply_status(status, reply, REDIS_ARRAY);
	if (!result && reply->count != admin->token->tenant_count)
		result = -EBADMSG;
	for (size_t i = 0; !result && i < reply->count; ++i) {
		const struct redis_reply *tag = reply->elements[i];
		if (tag->type != REDIS_STRING || tag->length > STORE_TAG_MAX) {
			result = -EBADMSG;
			break;
		}
		tenants[i].tag = arena_copy(admin->arena, tag->data, tag->length);
		if (!tenants[i].tag)
			result = -ENOMEM;
	}
	if (!result)
		result = write_token(admin, "HSETNX", added);
	if (result)
		end(admin, result);
}

static int request_tags(struct administering *admin)
{
	const struct store_token *token = admin->token;
	size_t count = token->tenant_count + 1;
	const char **argv = arena_alloc(admin->arena, count * sizeof(*argv));
	size_t *lengths = arena_alloc(admin->arena, count * sizeof(*lengths));
	if (!argv || !lengths)
		return -ENOMEM;
	argv[0] = STORE_TENANTS_KEY;
	lengths[0] = sizeof(STORE_TENANTS_KEY) - 1;
	for (size_t i = 0; i < token->tenant_count; ++i) {
		size_t project = strlen(token->tenants[i].project_code), vbot = strlen(token->tenants[i].vbot_id);
		char *field = arena_alloc(admin->arena, project + 1 + vbot + 1);
		if (!field)
			return -ENOMEM;
		memcpy(field, token->tenants[i].project_code, project + 1);
		memcpy(field + project + 1, token->tenants[i].vbot_id, vbot + 1);
		argv[i + 1] = field;
		lengths[i + 1] = project + 1 + vbot;
	}
	return redis_eval(admin->store->redis, &admin->store->tenants, 1, (int)count, argv, lengths, admin->deadline_us,
	                  tagged, admin);
}

int store_token_add(struct store *store, const uint8_t digest[32], const struct store_token *token, struct arena *arena,
                    int64_t deadline_us, store_token_callback *callback, void *data)
{
	struct administering *admin;
	if (!token->tenant_count || token->tenant_count > TOKEN_TENANTS_MAX ||
	    (token->role != STORE_ROLE_READER && token->role != STORE_ROLE_WRITER))
		return -EINVAL;
	for (size_t i = 0; i < token->tenant_count; ++i)
		if (!token->tenants[i].project_code || !token->tenants[i].vbot_id)
			return -EINVAL;
	int result = start(store, arena, deadline_us, callback, data, &admin);
	if (result)
		return result;
	/* Neither id nor tags of the argument are read. */
	struct store_token given = *token;
	given.id = NULL;
	struct store_tenant *tenants = arena_calloc(arena, token->tenant_count * sizeof(*tenants));
	if (!tenants)
		return -ENOMEM;
	for (size_t i = 0; i < token->tenant_count; ++i)
		tenants[i] = (struct store_tenant){token->tenants[i].project_code, token->tenants[i].vbot_id, NULL};
	given.tenants = tenants;
	memcpy(admin->digest, digest, DIGEST_SIZE);
	token_id(admin->id, digest);
	admin->token = token_copy(arena, &given);
	if (!admin->token)
		return -ENOMEM;
	admin->token->id = admin->id;
	result = request_tags(admin);
	if (!result)
		store_hold(store);
	return result;
}

/* ---- Listing ---- */

/* Unpacks the i-th token of a HGETALL reply. */
static int unpack_pair(struct arena *arena, const struct redis_reply *reply, size_t i, struct store_token **token)
{
	const struct redis_reply *field = reply->elements[2 * i], *value = reply->elements[2 * i + 1];
	if (field->type != REDIS_STRING || field->length != DIGEST_SIZE || value->type != REDIS_STRING)
		return -EBADMSG;
	return token_unpack(arena, value->data, value->length, token);
}

static void listed(void *data, int status, const struct redis_reply *reply)
{
	struct administering *admin = data;
	int result = store_reply_status(status, reply, REDIS_ARRAY);
	for (size_t i = 0; !result && i < reply->count / 2; ++i) {
		struct store_token *token;
		result = unpack_pair(admin->arena, reply, i, &token);
		if (!result)
			admin->each(admin->data, token);
	}
	end(admin, result);
}

static int read_all(struct administering *admin, redis_callback *callback)
{
	const char *const argv[] = {"HGETALL", STORE_TOKENS_KEY};
	return redis_command(admin->store->redis, 2, argv, NULL, admin->deadline_us, callback, admin);
}

int store_token_list(struct store *store, struct arena *arena, int64_t deadline_us,
                     void (*each)(void *data, const struct store_token *token), store_token_callback *callback,
                     void *data)
{
	struct administering *admin;
	int result = start(store, arena, deadline_us, callback, data, &admin);
	if (result)
		return result;
	admin->each = each;
	result = read_all(admin, listed);
	if (!result)
		store_hold(store);
	return result;
}

/* ---- Revoking ---- */

static void revoked(void *data, int status, const struct redis_reply *reply)
{
	end(data, store_reply_status(status, reply, REDIS_INTEGER));
}

static void revoke_found(struct administering *admin, int result)
{
	if (!result) {
		admin->token->revoked = true;
		result = write_token(admin, "HSET", revoked);
	}
	if (result)
		end(admin, result);
}

static void read_by_digest(void *data, int status, const struct redis_reply *reply)
{
	struct administering *admin = data;
	int result = !status && reply->type == REDIS_NIL ? -ENOENT : store_reply_status(status, reply, REDIS_STRING);
	if (!result)
		result = token_unpack(admin->arena, reply->data, reply->length, &admin->token);
	revoke_found(admin, result);
}

static void read_by_id(void *data, int status, const struct redis_reply *reply)
{
	struct administering *admin = data;
	int result = store_reply_status(status, reply, REDIS_ARRAY);
	for (size_t i = 0; !result && !admin->token && i < reply->count / 2; ++i) {
		const struct redis_reply *field = reply->elements[2 * i];
		char id[TOKEN_ID_SIZE];
		if (field->type != REDIS_STRING || field->length != DIGEST_SIZE)
			continue;
		token_id(id, (const uint8_t *)field->data);
		if (strcmp(id, admin->id))
			continue;
		memcpy(admin->digest, field->data, DIGEST_SIZE);
		result = unpack_pair(admin->arena, reply, i, &admin->token);
	}
	if (!result && !admin->token)
		result = -ENOENT;
	revoke_found(admin, result);
}

int store_token_revoke(struct store *store, const uint8_t *digest, const char *id, struct arena *arena,
                       int64_t deadline_us, store_token_callback *callback, void *data)
{
	struct administering *admin;
	if (!digest && !id)
		return -EINVAL;
	int result = start(store, arena, deadline_us, callback, data, &admin);
	if (result)
		return result;
	if (digest) {
		memcpy(admin->digest, digest, DIGEST_SIZE);
		const char *const argv[] = {"HGET", STORE_TOKENS_KEY, (const char *)admin->digest};
		const size_t lengths[] = {4, sizeof(STORE_TOKENS_KEY) - 1, DIGEST_SIZE};
		result = redis_command(store->redis, 3, argv, lengths, deadline_us, read_by_digest, admin);
	} else if (strlen(id) == TOKEN_ID_SIZE - 1) {
		memcpy(admin->id, id, TOKEN_ID_SIZE);
		result = read_all(admin, read_by_id);
	} else {
		result = -ENOENT;
	}
	if (!result)
		store_hold(store);
	return result;
}
