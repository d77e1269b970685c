/* call_id: the first 16 bytes of a SHA-256, in base64url. */
#include "base/call_id.h"

#include <errno.h>
#include <nettle/sha2.h>
#include <string.h>

#include "base/base64url.h"

enum { DIGEST_BYTES = 16 };

/* Ends a hash and makes the id of it. 0 or -ENOMEM. */
static int finish(struct arena *arena, struct sha256_ctx *hash, char **out)
{
	uint8_t digest[DIGEST_BYTES];
	char *id = arena_alloc(arena, BASE64URL_LENGTH(DIGEST_BYTES) + 1);
	if (!id)
		return -ENOMEM;
	sha256_digest(hash, sizeof(digest), digest);
	base64url_encode(id, digest, sizeof(digest));
	*out = id;
	return 0;
}

int call_id_make(struct arena *arena, const char *project_code, const char *vbot_id, const ProtobufCMessage *call,
                 char **out)
{
	struct sha256_ctx hash;
	size_t length = protobuf_c_message_get_packed_size(call);
	uint8_t *packed = arena_alloc(arena, length);
	if (!packed)
		return -ENOMEM;
	protobuf_c_message_pack(call, packed);
	sha256_init(&hash);
	/* The NUL bytes of the tenant's strings are included, so two tenants never give the same bytes. */
	sha256_update(&hash, strlen(project_code) + 1, (const uint8_t *)project_code);
	sha256_update(&hash, strlen(vbot_id) + 1, (const uint8_t *)vbot_id);
	sha256_update(&hash, length, packed);
	return finish(arena, &hash, out);
}

int call_id_digest(struct arena *arena, const void *record, size_t length, char **out)
{
	struct sha256_ctx hash;
	sha256_init(&hash);
	sha256_update(&hash, length, record);
	return finish(arena, &hash, out);
}
