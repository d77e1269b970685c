/* A token of any bytes is refused, or is the one spelling of the place that it stands for. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64url.h"
#include "handlers/token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const char *token, size_t length)
{
	struct store_position position;
	struct sha256_ctx scope;
	char again[PAGE_TOKEN_SIZE];
	sha256_init(&scope);
	if (handlers_page_token_read(&position, token, length, &scope))
		return;
	size_t written = handlers_page_token_write(again, &position, &scope);
	if (written != length || memcmp(again, token, length) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct store_position position;
	struct sha256_ctx scope;
	char token[PAGE_TOKEN_SIZE];
	uint8_t back[STORE_ID_MAX];
	char text[BASE64URL_LENGTH(STORE_ID_MAX) + 1];
	check((const char *)data, size);
	/* The same bytes as an id, written, read and spoiled. */
	if (!size || size > STORE_ID_MAX)
		return 0;
	sha256_init(&scope);
	store_position_init(&position, (int64_t)size * 1000, (const char *)data, size);
	size_t length = handlers_page_token_write(token, &position, &scope);
	if (handlers_page_token_read(&position, token, length, &scope))
		abort();
	token[data[0] % length] = (char)data[size - 1];
	check(token, length);
	length = base64url_encode(text, data, size);
	if (base64url_decode(back, sizeof(back), text, length) != (int)size || memcmp(back, data, size) != 0)
		abort();
	return 0;
}
