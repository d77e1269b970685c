/* handlers/auth: one message for every token that is not accepted, so that guessing reveals nothing. */
#include "handlers/auth.h"

#include <string.h>
#include <strings.h>

#include "handlers/arguments.h"
#include "handlers/text.h"

enum { TOKEN_MAX = 512 };

static int refuse(struct context *context, const char *reason)
{
	return context_fail(context, STATUS_UNAUTHENTICATED, reason, "a valid access token is needed");
}

int handlers_auth_digest(struct context *context, uint8_t digest[32])
{
	static const char scheme[] = "Bearer", blanks[] = " \t";
	const char *value = context->authorization;
	if (value)
		value += strspn(value, blanks);
	if (!value || strncasecmp(value, scheme, sizeof(scheme) - 1) || !strspn(value + sizeof(scheme) - 1, blanks))
		return refuse(context, "TOKEN_MISSING");
	value += sizeof(scheme) - 1;
	value += strspn(value, blanks);
	size_t length = 0;
	while (value[length] > 0x20 && value[length] < 0x7f)
		++length;
	if (!length || length > TOKEN_MAX || value[length + strspn(value + length, blanks)])
		return refuse(context, "TOKEN_INVALID");
	store_token_digest(digest, value, length);
	return 0;
}

int handlers_auth_check_token(struct context *context, const struct store_token *token, int64_t now_ms)
{
	if (!token)
		return refuse(context, "TOKEN_INVALID");
	if (token->revoked)
		return refuse(context, "TOKEN_REVOKED");
	if (token->expire_ms && now_ms >= token->expire_ms)
		return refuse(context, "TOKEN_EXPIRED");
	return 0;
}

int handlers_auth_check_tenant_names(struct context *context, const char *project_code, const char *vbot_id,
                                     bool takes_project)
{
	int result = handlers_text_check(context, "project_code", project_code, ARGUMENTS_TENANT_MAX);
	if (!result)
		result = handlers_text_check(context, "vbot_id", vbot_id, ARGUMENTS_TENANT_MAX);
	if (result)
		return result;
	if (!*project_code && *vbot_id)
		return context_fail_field(context, "project_code", "must be given together with vbot_id");
	if (*project_code && !*vbot_id && !takes_project)
		return context_fail_field(context, "vbot_id", "must be given together with project_code");
	return 0;
}

int handlers_auth_pick_tenant(struct context *context, const struct store_token *token, const char *project_code,
                              const char *vbot_id, const struct store_tenant **out)
{
	const struct store_tenant *found = NULL;
	for (size_t i = 0; i < token->tenant_count; ++i) {
		const struct store_tenant *tenant = &token->tenants[i];
		if ((*vbot_id && strcmp(tenant->vbot_id, vbot_id)) ||
		    (*project_code && strcmp(tenant->project_code, project_code)))
			continue;
		if (found)
			return context_fail_field(context, *project_code ? "vbot_id" : "project_code",
			                          "must be given: the token opens several tenants");
		found = tenant;
		if (*project_code && *vbot_id)
			break; /* no other tenant has both names */
	}
	if (found) {
		*out = found;
		return 0;
	}
	return context_fail(context, STATUS_PERMISSION_DENIED, "TENANT_DENIED", "the token does not open this tenant");
}
