/* fuzz_redis_url: any text as a Redis URL. What is taken must be whole; what is refused must come with a sentence. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "redis/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct redis_url url;
	char error[128] = "";
	char *text = malloc(size + 1);
	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	int result = redis_url_parse(&url, text, error, sizeof(error));
	if (!result) {
		size_t length = url.path ? strlen(url.path) : 0;
		for (size_t i = 0; i < url.endpoint_count; ++i)
			length += strlen(url.endpoints[i].host) + strlen(url.endpoints[i].port);
		length += (url.user ? strlen(url.user) : 0) + (url.password ? strlen(url.password) : 0);
		if (!length || length > 6 * size + 8)
			abort();
		redis_url_free(&url);
	} else if (result != -EINVAL || !*error) {
		abort();
	}
	free(text);
	return 0;
}
