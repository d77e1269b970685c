/* credentials: RFC 6750's form, and the vendor's later header. */
#include "credentials.h"

#include <string.h>
#include <strings.h>

enum { TOKEN_MAX = 2048 };

static const char scheme[] = "Bearer ";

/* Whether `token` is one run of visible characters, with nothing behind it but spaces. Its length goes to *length. */
static bool is_token(const char *token, size_t *length)
{
	size_t n = 0;
	while (token[n] > ' ' && token[n] <= '~' && token[n] != ',')
		n++;
	if (n == 0 || n > TOKEN_MAX || token[n + strspn(token + n, " \t")])
		return false;
	*length = n;
	return true;
}

/* The token behind "Bearer", in any case, or NULL. */
static const char *bearer(const char *value)
{
	if (strncasecmp(value, "Bearer", 6) || (value[6] != ' ' && value[6] != '\t'))
		return NULL;
	return value + 6 + strspn(value + 6, " \t");
}

const char *credentials_read(const struct request_headers *headers, struct arena *arena, struct credentials *out)
{
	const char *token = NULL, *key = headers->api_key;
	size_t token_length = 0, key_length = 0;
	if (!headers->authorization && !key)
		return "Authorization is missing: a bearer token is needed";
	if (headers->authorization_count > 1)
		return "Authorization must come only once";
	if (headers->api_key_count > 1)
		return "X-API-KEY must come only once";
	if (headers->authorization) {
		token = bearer(headers->authorization);
		if (!token || !is_token(token, &token_length))
			return "Authorization must be the word Bearer and one token";
	}
	if (key && !is_token(key, &key_length))
		return "X-API-KEY must be one token";
	if (token && key && (token_length != key_length || memcmp(token, key, key_length)))
		return "X-API-KEY must not differ from the token in Authorization";
	if (key) {
		token = key;
		token_length = key_length;
	}
	char *authorization = arena_alloc(arena, sizeof(scheme) + token_length);
	if (!authorization)
		return "Authorization can't be read: the gateway is out of memory";
	memcpy(authorization, scheme, sizeof(scheme) - 1);
	memcpy(authorization + sizeof(scheme) - 1, token, token_length);
	authorization[sizeof(scheme) - 1 + token_length] = '\0';
	out->authorization = authorization;
	out->api_key = key != NULL;
	return NULL;
}
