/* contract/digest: the first 16 bytes of a SHA-256, in base64url. */
#include "contract/digest.h"

#include <errno.h>
#include <nettle/sha2.h>
#include <string.h>

#include "base/base64url.h"

enum { DIGEST_BYTES = 16 };

int digest_id(struct arena *arena, const struct contract_import *import, char **out)
{
	/* The tenant's strings keep their NUL bytes: no two tenants run together into the same bytes. */
	size_t project_code = strlen(import->project_code) + 1, vbot_id = strlen(import->vbot_id) + 1;
	size_t size = project_code + vbot_id + callhistory__v1__call__get_packed_size(import->call);
	unsigned char *bytes = arena_alloc(arena, size);
	char *id = arena_alloc(arena, BASE64URL_LENGTH(DIGEST_BYTES) + 1);
	if (!bytes || !id)
		return -ENOMEM;
	memcpy(bytes, import->project_code, project_code);
	memcpy(bytes + project_code, import->vbot_id, vbot_id);
	callhistory__v1__call__pack(import->call, bytes + project_code + vbot_id);
	struct sha256_ctx hash;
	uint8_t digest[DIGEST_BYTES];
	sha256_init(&hash);
	sha256_update(&hash, size, bytes);
	sha256_digest(&hash, sizeof(digest), digest);
	base64url_encode(id, digest, sizeof(digest));
	*out = id;
	return 0;
}
