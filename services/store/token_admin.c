/*
 * store/token_admin: adds, lists and revokes tokens. Adding takes two steps, since a cluster keeps the two hashes on
 * different servers: first the tenants get their tags, then the token is written. Each may be repeated.
 */
#include <errno.h>

#include "store/key.h"
#include "store/tag.h"
#include "store/token_cache.h"
#include "store/token_code.h"

enum { DIGEST_SIZE = 32 };

/* One operation under way, in the caller's arena. */
struct administering {
	struct store *store;
	struct arena *arena;
	int64_t deadline_us;
	uint8_t digest[DIGEST_SIZE];
	char id[TOKEN_ID_SIZE];
	struct store_token *token;
	struct store_tenant *tenants; /* of the token that is added */
	struct tag_finding finding;
	size_t tagged; /* tenants that have their tags */
	void (*each)(void *data, const struct store_token *token);
	store_token_callback *callback;
	void *data;
};

static void end(struct administering *admin, int status)
{
	store_token_cache_drop(admin->store->cache, admin->digest);
	admin->callback(admin->data, status, status ? NULL : admin->token);
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

/* Writes the token under its digest. HSETNX fails if it exists; HSET replaces. */
static int write_token(struct administering *admin, const char *command, redis_callback *callback)
{
	uint8_t *packed;
	size_t length;
	int result = store_token_pack(admin->arena, admin->token, &packed, &length);
	if (result)
		return result;
	const char *const argv[] = {command, STORE_TOKENS_KEY, (const char *)admin->digest, (const char *)packed};
	const size_t lengths[] = {strlen(command), sizeof(STORE_TOKENS_KEY) - 1, DIGEST_SIZE, length};
	return redis_command(admin->store->redis, 4, argv, lengths, admin->deadline_us, callback, admin);
}

/* ---- Adding ---- */

/* A command that was sent twice, because its first reply was lost, finds what it wrote itself. */
static void compared(void *data, int status, const struct redis_reply *reply)
{
	struct administering *admin = data;
	uint8_t *packed;
	size_t length;
	int result = store_reply_status(admin->store, status, reply, REDIS_STRING);
	if (!result)
		result = store_token_pack(admin->arena, admin->token, &packed, &length);
	if (!result && (reply->length != length || memcmp(reply->data, packed, length)))
		result = -EEXIST;
	end(admin, result);
}

static int read_token(struct administering *admin, redis_callback *callback)
{
	const char *const argv[] = {"HGET", STORE_TOKENS_KEY, (const char *)admin->digest};
	const size_t lengths[] = {4, sizeof(STORE_TOKENS_KEY) - 1, DIGEST_SIZE};
	return redis_command(admin->store->redis, 3, argv, lengths, admin->deadline_us, callback, admin);
}

static void added(void *data, int status, const struct redis_reply *reply)
{
	struct administering *admin = data;
	int result = store_reply_status(admin->store, status, reply, REDIS_INTEGER);
	if (!result && !reply->integer) {
		result = read_token(admin, compared);
		if (!result)
			return;
	}
	end(admin, result);
}

/* Gives the tenants their tags one after the other, then writes the token. */
static void tag_next(struct administering *admin)
{
	admin->finding.tries = 0;
	int result = admin->tagged < admin->token->tenant_count
	                 ? store_tag_find(&admin->finding, &admin->token->tenants[admin->tagged])
	                 : write_token(admin, "HSETNX", added);
	if (result)
		end(admin, result);
}

static void tag_found(void *data, int status, const char *tag)
{
	struct administering *admin = data;
	if (status) {
		end(admin, status);
		return;
	}
	admin->tenants[admin->tagged++].tag = tag;
	tag_next(admin);
}

int store_token_add(struct store *store, const uint8_t digest[32], const struct store_token *token, struct arena *arena,
                    int64_t deadline_us, store_token_callback *callback, void *data)
{
	struct administering *admin;
	if (!token->tenant_count || token->tenant_count > TOKEN_TENANTS_MAX || !store_role_name(token->role))
		return -EINVAL;
	for (size_t i = 0; i < token->tenant_count; ++i)
		if (!token->tenants[i].project_code || !token->tenants[i].vbot_id)
			return -EINVAL;
	int result = start(store, arena, deadline_us, callback, data, &admin);
	if (result)
		return result;
	admin->token = arena_alloc(arena, sizeof(*admin->token));
	admin->tenants = arena_alloc(arena, token->tenant_count * sizeof(*admin->tenants));
	if (!admin->token || !admin->tenants)
		return -ENOMEM;
	memcpy(admin->tenants, token->tenants, token->tenant_count * sizeof(*admin->tenants));
	memcpy(admin->digest, digest, DIGEST_SIZE);
	store_token_id(admin->id, digest);
	*admin->token = *token;
	admin->token->id = admin->id;
	admin->token->tenants = admin->tenants;
	admin->finding = (struct tag_finding){store, arena, deadline_us, tag_found, admin, NULL, NULL, 0};
	return store_tag_find(&admin->finding, admin->token->tenants);
}

/* ---- Listing ---- */

static void listed(void *data, int status, const struct redis_reply *reply)
{
	struct administering *admin = data;
	int result = store_reply_status(admin->store, status, reply, REDIS_ARRAY);
	for (size_t i = 0; !result && i < reply->count / 2; ++i) {
		struct store_token *token;
		result = store_token_unpack_pair(admin->arena, reply, i, &token);
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
	return read_all(admin, listed);
}

/* ---- Revoking ---- */

static void removed(void *data, int status, const struct redis_reply *reply)
{
	struct administering *admin = data;
	end(admin, store_reply_status(admin->store, status, reply, REDIS_INTEGER));
}

/* A full Redis takes no longer entry, but lets one be removed: the token is invalid then, instead of revoked. */
static int remove_token(struct administering *admin)
{
	const char *const argv[] = {"HDEL", STORE_TOKENS_KEY, (const char *)admin->digest};
	const size_t lengths[] = {sizeof("HDEL") - 1, sizeof(STORE_TOKENS_KEY) - 1, DIGEST_SIZE};
	return redis_command(admin->store->redis, 3, argv, lengths, admin->deadline_us, removed, admin);
}

static void revoked(void *data, int status, const struct redis_reply *reply)
{
	struct administering *admin = data;
	int result = store_reply_status(admin->store, status, reply, REDIS_INTEGER);
	if (result == -ENOSPC && !(result = remove_token(admin)))
		return;
	end(admin, result);
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
	int result =
	    !status && reply->type == REDIS_NIL ? -ENOENT : store_reply_status(admin->store, status, reply, REDIS_STRING);
	if (!result)
		result = store_token_unpack(admin->arena, reply->data, reply->length, &admin->token);
	revoke_found(admin, result);
}

static void read_by_id(void *data, int status, const struct redis_reply *reply)
{
	struct administering *admin = data;
	int result = store_reply_status(admin->store, status, reply, REDIS_ARRAY);
	for (size_t i = 0; !result && !admin->token && i < reply->count / 2; ++i) {
		const struct redis_reply *field = reply->elements[2 * i];
		char id[TOKEN_ID_SIZE];
		if (field->type != REDIS_STRING || field->length != DIGEST_SIZE)
			continue;
		store_token_id(id, (const uint8_t *)field->data);
		if (strcmp(id, admin->id))
			continue;
		memcpy(admin->digest, field->data, DIGEST_SIZE);
		result = store_token_unpack_pair(admin->arena, reply, i, &admin->token);
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
		return read_token(admin, read_by_digest);
	}
	if (strlen(id) != TOKEN_ID_SIZE - 1)
		return -ENOENT;
	memcpy(admin->id, id, TOKEN_ID_SIZE);
	return read_all(admin, read_by_id);
}
