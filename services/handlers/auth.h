/* handlers/auth: identifies the client and the tenant that it may access. Pure; failures are set in the context. */
#pragma once

#include "base/context.h"
#include "store/store.h"

/*
 * Digest of the bearer token of the context's authorization; UNAUTHENTICATED when there is none or it is malformed.
 * Blanks around scheme and token do not matter, as in the gateway.
 */
int handlers_auth_digest(struct context *context, uint8_t digest[32]);

/* UNAUTHENTICATED unless the token is known (not NULL), valid at `now_ms` and not revoked. */
int handlers_auth_check_token(struct context *context, const struct store_token *token, int64_t now_ms);

/*
 * INVALID_ARGUMENT if a tenant name is too long or contains a control character, or if only one of the two is given,
 * unless it is a project_code and the method takes that.
 */
int handlers_auth_check_tenant_names(struct context *context, const char *project_code, const char *vbot_id,
                                     bool takes_project);

/*
 * Picks the token's tenant by name, its only one where both names are empty, or its only one of the project where
 * vbot_id is. INVALID_ARGUMENT where it has several,
 * PERMISSION_DENIED where it has none of that name: the same answer whether the tenant exists or not.
 */
int handlers_auth_pick_tenant(struct context *context, const struct store_token *token, const char *project_code,
                              const char *vbot_id, const struct store_tenant **out);
