/* credentials: the header of RFC 6750, and the vendor's later one. */
#include "credentials.h"

#include <strings.h>

#include "base/base64url.h"

enum { TOKEN_MAX = 2048 };

static const char scheme[] = "Bearer ";
static const char out_of_memory[] = "Authorization can't be read: the gateway is out of memory";

/* Whether `token` is one run of visible characters, followed by nothing but spaces. Its length goes to *length. */
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

/* What follows the scheme "Bearer" (in any case), or NULL if the value is empty or has another scheme. */
static const char *bearer(const char *value)
{
	if (strncasecmp(value, "Bearer", 6) || (value[6] && value[6] != ' ' && value[6] != '\t'))
		return NULL;
	return value + 6 + strspn(value + 6, " \t");
}

/* The refusal of an API key, and of the bearer token beside it; NULL: the key is the token. */
static const char *check_key(const char *key, size_t *key_length, const char *token)
{
	size_t token_length;
	if (!is_token(key, key_length))
		return "X-API-KEY must be one token";
	/* Clients of later generations leave Authorization empty, or use it for another system. */
	if (!token || !*token)
		return NULL;
	if (!is_token(token, &token_length))
		return "Authorization must be `Bearer <token>`";
	if (token_length != *key_length || memcmp(token, key, token_length) != 0)
		return "X-API-KEY must not differ from the token in Authorization";
	return NULL;
}

/* Writes "Bearer <token>" to *out. Returns NULL, or the message of a refusal. */
static const char *keep(struct arena *arena, const char *token, size_t length, const char **out)
{
	char *authorization = arena_alloc(arena, sizeof(scheme) + length);
	if (!authorization)
		return out_of_memory;
	memcpy(authorization, scheme, sizeof(scheme) - 1);
	memcpy(authorization + sizeof(scheme) - 1, token, length);
	authorization[sizeof(scheme) - 1 + length] = '\0';
	*out = authorization;
	return NULL;
}

const char *credentials_read(const struct request_headers *headers, struct arena *arena, const char **out)
{
	const char *key = headers->api_key, *refusal = NULL;
	const char *token = headers->authorization ? bearer(headers->authorization) : NULL;
	size_t length = 0;
	if (!headers->authorization && !key)
		return "Authorization is missing: a bearer token is needed";
	if (headers->authorization_count > 1)
		return "Authorization must come only once";
	if (headers->api_key_count > 1)
		return "X-API-KEY must come only once";
	if (key)
		refusal = check_key(key, &length, token);
	else if (!token || !is_token(token, &length))
		refusal = "Authorization must be `Bearer <token>`";
	return refusal ? refusal : keep(arena, key ? key : token, length, out);
}

const char *credentials_read_basic(const struct request_headers *headers, struct arena *arena, const char **out)
{
	const char *value = headers->authorization;
	if (!value || headers->api_key || headers->authorization_count > 1 || strncasecmp(value, "Basic ", 6) != 0)
		return credentials_read(headers, arena, out);
	value += 6 + strspn(value + 6, " ");
	char *text = arena_copy(arena, value, strcspn(value, " \t"));
	if (!text)
		return out_of_memory;
	const int length = base64url_decode_standard(text, strlen(text));
	if (length >= 0)
		text[length] = '\0';
	const char *password = length >= 0 ? strchr(text, ':') : NULL;
	size_t token_length;
	if (!password || strlen(text) != (size_t)length || !is_token(password + 1, &token_length))
		return "Authorization must be `Basic` with the token as the password";
	return keep(arena, password + 1, token_length, out);
}
