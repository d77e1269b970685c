/* store/token_key: the keys that belong to no tenant. Private to the module. */
#pragma once

#define STORE_TOKENS_KEY "callhistory:tokens"   /* hash: digest -> packed Token */
#define STORE_TENANTS_KEY "callhistory:tenants" /* hash: project code, NUL, vbot id -> tag */
