/*
 * store/tag: list of tenants → tokens of the tenant → a new tag. A new tag is claimed under its own keys first, which
 * fails where any of them exists, and then entered in the list, where the first one to come wins.
 */
#include "store/tag.h"

#include "store/key.h"
#include "store/token_code.h"

enum { TAG_LENGTH = 8, TRIES_MAX = 8 };

static const char owner_field[] = "owner";

static void find_end(struct tag_finding *finding, int status)
{
	finding->callback(finding->data, status, status ? NULL : finding->tag);
}

/* Sends a command whose arguments are strings; the tenant's names replace NULL. */
static int send_command(struct tag_finding *finding, int argc, const char *const *argv, redis_callback *callback)
{
	const char *arguments[4];
	size_t lengths[4];
	for (int i = 0; i < argc; ++i) {
		arguments[i] = argv[i] ? argv[i]
		                       : store_tenant_text(finding->arena, finding->tenant->project_code,
		                                           finding->tenant->vbot_id, &lengths[i]);
		if (!arguments[i])
			return -ENOMEM;
		if (argv[i])
			lengths[i] = strlen(argv[i]);
	}
	return redis_command(finding->store->redis, argc, arguments, lengths, finding->deadline_us, callback, finding);
}

static int keep_tag(struct tag_finding *finding, const char *tag, size_t length)
{
	finding->tag = arena_copy(finding->arena, tag, length);
	if (!finding->tag)
		return -ENOMEM;
	return store_tag_valid(finding->tag) ? 0 : -EBADMSG;
}

/* ---- A new tag ---- */

static void listed(void *data, int status, const struct redis_reply *reply)
{
	struct tag_finding *finding = data;
	int result = store_reply_status(finding->store, status, reply, REDIS_INTEGER);
	/* Another one was entered meanwhile: take that. */
	if (!result && !reply->integer) {
		result = store_tag_find(finding, finding->tenant);
		if (!result)
			return;
	}
	find_end(finding, result);
}

static int enter(struct tag_finding *finding)
{
	const char *const argv[] = {"HSETNX", STORE_TENANTS_KEY, NULL, finding->tag};
	return send_command(finding, 4, argv, listed);
}

static int propose(struct tag_finding *finding);

static void claimed(void *data, int status, const struct redis_reply *reply)
{
	struct tag_finding *finding = data;
	int result = store_reply_status(finding->store, status, reply, REDIS_INTEGER);
	if (!result)
		result = reply->integer ? enter(finding) : propose(finding);
	if (result)
		find_end(finding, result);
}

static void checked(void *data, int status, const struct redis_reply *reply)
{
	struct tag_finding *finding = data;
	int result = store_reply_status(finding->store, status, reply, REDIS_INTEGER);
	if (!result && reply->integer) {
		result = propose(finding);
	} else if (!result) {
		const char *const argv[] = {"HSETNX", store_key(finding->arena, finding->tag, "m"), owner_field, NULL};
		result = argv[1] ? send_command(finding, 4, argv, claimed) : -ENOMEM;
	}
	if (result)
		find_end(finding, result);
}

static int propose(struct tag_finding *finding)
{
	uint8_t random[TAG_LENGTH];
	char tag[TAG_LENGTH];
	if (++finding->tries > TRIES_MAX)
		return -EEXIST;
	int result = finding->store->random(random, sizeof(random));
	for (size_t i = 0; i < TAG_LENGTH; ++i)
		tag[i] = "0123456789abcdefghijklmnopqrstuvwxyz"[random[i] % 36];
	if (!result)
		result = keep_tag(finding, tag, TAG_LENGTH);
	if (result)
		return result;
	const char *const argv[] = {"EXISTS", store_key(finding->arena, finding->tag, "m"),
	                            store_key(finding->arena, finding->tag, "t"),
	                            store_key(finding->arena, finding->tag, "i00000000")};
	return argv[1] && argv[2] && argv[3] ? send_command(finding, 4, argv, checked) : -ENOMEM;
}

/* ---- A tag that is there ---- */

/* The tag that a token has for the tenant, or NULL. */
static const char *tag_in_token(const struct tag_finding *finding, const struct store_token *token)
{
	for (size_t i = 0; i < token->tenant_count; ++i)
		if (!strcmp(token->tenants[i].project_code, finding->tenant->project_code) &&
		    !strcmp(token->tenants[i].vbot_id, finding->tenant->vbot_id))
			return token->tenants[i].tag;
	return NULL;
}

static void tokens_read(void *data, int status, const struct redis_reply *reply)
{
	struct tag_finding *finding = data;
	const char *tag = NULL;
	int result = store_reply_status(finding->store, status, reply, REDIS_ARRAY);
	for (size_t i = 0; !result && !tag && i < reply->count / 2; ++i) {
		struct store_token *token;
		if (!store_token_unpack_pair(finding->arena, reply, i, &token))
			tag = tag_in_token(finding, token);
	}
	if (!result && tag)
		result = keep_tag(finding, tag, strlen(tag));
	if (!result)
		result = tag ? enter(finding) : propose(finding);
	if (result)
		find_end(finding, result);
}

static void list_read(void *data, int status, const struct redis_reply *reply)
{
	struct tag_finding *finding = data;
	if (!status && reply->type == REDIS_NIL) {
		const char *const argv[] = {"HGETALL", STORE_TOKENS_KEY};
		int result = send_command(finding, 2, argv, tokens_read);
		if (result)
			find_end(finding, result);
		return;
	}
	int result = store_reply_status(finding->store, status, reply, REDIS_STRING);
	if (!result)
		result = keep_tag(finding, reply->data, reply->length);
	find_end(finding, result);
}

int store_tag_find(struct tag_finding *finding, const struct store_tenant *tenant)
{
	const char *const argv[] = {"HGET", STORE_TENANTS_KEY, NULL};
	finding->tenant = tenant;
	return send_command(finding, 3, argv, list_read);
}

int store_tag_enter(struct tag_finding *finding, const struct store_tenant *tenant)
{
	finding->tenant = tenant;
	int result = keep_tag(finding, tenant->tag, strlen(tenant->tag));
	return result ? result : enter(finding);
}
