/* store/token_code: see store/stored.proto. */
#include "store/token_code.h"

#include <errno.h>
#include <nettle/sha2.h>
#include <string.h>

#include "base/unpack.h"
#include "store/stored.pb-c.h"

void store_token_id(char out[TOKEN_ID_SIZE], const uint8_t digest[32])
{
	static const char hex[] = "0123456789abcdef";
	for (size_t i = 0; i < TOKEN_ID_SIZE / 2; ++i) {
		out[2 * i] = hex[digest[i] >> 4];
		out[2 * i + 1] = hex[digest[i] & 15];
	}
	out[TOKEN_ID_SIZE - 1] = '\0';
}

const char *store_role_name(unsigned role)
{
	static const char *const names[] = {
	    [STORE_ROLE_READER] = "reader", [STORE_ROLE_WRITER] = "writer", [STORE_ROLE_ERASER] = "eraser"};
	return role < sizeof(names) / sizeof(names[0]) ? names[role] : NULL;
}

static const char *copy_text(struct arena *arena, const char *text)
{
	return arena_copy(arena, text ? text : "", text ? strlen(text) : 0);
}

struct store_token *store_token_copy(struct arena *arena, const struct store_token *token)
{
	struct store_token *copy = arena_alloc(arena, sizeof(*copy));
	struct store_tenant *tenants = arena_calloc(arena, token->tenant_count * sizeof(*tenants));
	if (!copy || !tenants)
		return NULL;
	*copy = *token;
	copy->id = copy_text(arena, token->id);
	copy->tenants = tenants;
	bool good = copy->id != NULL;
	for (size_t i = 0; i < token->tenant_count && good; ++i) {
		tenants[i].project_code = copy_text(arena, token->tenants[i].project_code);
		tenants[i].vbot_id = copy_text(arena, token->tenants[i].vbot_id);
		tenants[i].tag = copy_text(arena, token->tenants[i].tag);
		good = tenants[i].project_code && tenants[i].vbot_id && tenants[i].tag;
	}
	return good ? copy : NULL;
}

int store_token_pack(struct arena *arena, const struct store_token *token, uint8_t **out, size_t *length)
{
	Callhistory__Stored__Token packed = CALLHISTORY__STORED__TOKEN__INIT;
	Callhistory__Stored__Tenant *tenants = arena_alloc(arena, token->tenant_count * sizeof(*tenants));
	Callhistory__Stored__Tenant **list = arena_alloc(arena, token->tenant_count * sizeof(*list));
	if (!tenants || !list)
		return -ENOMEM;
	for (size_t i = 0; i < token->tenant_count; ++i) {
		callhistory__stored__tenant__init(&tenants[i]);
		tenants[i].project_code = (char *)(uintptr_t)token->tenants[i].project_code;
		tenants[i].vbot_id = (char *)(uintptr_t)token->tenants[i].vbot_id;
		tenants[i].tag = (char *)(uintptr_t)token->tenants[i].tag;
		list[i] = &tenants[i];
	}
	packed.id = (char *)(uintptr_t)token->id;
	packed.tenants = list;
	packed.n_tenants = token->tenant_count;
	packed.role = token->role;
	packed.create_ms = token->create_ms;
	packed.expire_ms = token->expire_ms;
	packed.rate = token->rate;
	packed.burst = token->burst;
	packed.revoked = token->revoked;
	uint8_t *data = arena_alloc(arena, callhistory__stored__token__get_packed_size(&packed));
	if (!data)
		return -ENOMEM;
	*length = callhistory__stored__token__pack(&packed, data);
	*out = data;
	return 0;
}

int store_token_unpack(struct arena *arena, const void *data, size_t length, struct store_token **out)
{
	ProtobufCMessage *message;
	int result = unpack_own(&callhistory__stored__token__descriptor, data, length, arena, &message);
	if (result)
		return result;
	const Callhistory__Stored__Token *packed = (const Callhistory__Stored__Token *)message;
	/* An unknown role must not become a known one. */
	if (packed->n_tenants > TOKEN_TENANTS_MAX || !store_role_name(packed->role))
		return -EBADMSG;
	struct store_token *token = arena_alloc(arena, sizeof(*token));
	struct store_tenant *tenants = arena_alloc(arena, packed->n_tenants * sizeof(*tenants));
	if (!token || !tenants)
		return -ENOMEM;
	for (size_t i = 0; i < packed->n_tenants; ++i) {
		const Callhistory__Stored__Tenant *tenant = packed->tenants[i];
		tenants[i] = (struct store_tenant){tenant->project_code, tenant->vbot_id, tenant->tag};
	}
	*token = (struct store_token){
	    .id = packed->id,
	    .role = (enum store_role)packed->role,
	    .tenants = tenants,
	    .tenant_count = packed->n_tenants,
	    .create_ms = packed->create_ms,
	    .expire_ms = packed->expire_ms,
	    .rate = packed->rate,
	    .burst = packed->burst,
	    .revoked = packed->revoked,
	};
	*out = token;
	return 0;
}

int store_token_unpack_pair(struct arena *arena, const struct redis_reply *reply, size_t i, struct store_token **token)
{
	const struct redis_reply *field = reply->elements[2 * i], *value = reply->elements[2 * i + 1];
	if (field->type != REDIS_STRING || field->length != SHA256_DIGEST_SIZE || value->type != REDIS_STRING)
		return -EBADMSG;
	return store_token_unpack(arena, value->data, value->length, token);
}
