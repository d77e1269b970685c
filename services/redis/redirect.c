/* redis/redirect: the host ends at the last colon, because IPv6 addresses come without brackets. */
#include "redis/redirect.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/decimal.h"
#include "redis/slot.h"

bool redis_address_set(struct redis_address *out, const char *host, size_t length, int64_t port)
{
	if (port < 1 || port > 65535 || length >= sizeof(out->host) || (length == 1 && *host == '?'))
		return false;
	for (size_t i = 0; i < length; ++i)
		if ((unsigned char)host[i] <= ' ' || host[i] == 0x7f)
			return false;
	snprintf(out->host, sizeof(out->host), "%.*s", (int)length, host);
	snprintf(out->port, sizeof(out->port), "%u", (unsigned)(uint16_t)port);
	return true;
}

bool redis_address_equal(const struct redis_address *a, const struct redis_address *b)
{
	return !strcmp(a->host, b->host) && !strcmp(a->port, b->port);
}

int redis_redirect_parse(struct redirect *out, const char *text, size_t length)
{
	out->ask = length > 4 && !memcmp(text, "ASK ", 4);
	size_t begin = out->ask ? 4 : 6;
	int64_t slot, port;
	if (!out->ask && (length <= 6 || memcmp(text, "MOVED ", 6)))
		return -EINVAL;
	const char *number = text + begin, *end = text + length;
	const char *blank = memchr(number, ' ', (size_t)(end - number));
	if (!blank || !decimal_read(number, (size_t)(blank - number), &slot) || slot < 0 || slot >= SLOT_COUNT)
		return -EINVAL;
	const char *host = blank + 1;
	const char *colon = memrchr(host, ':', (size_t)(end - host));
	if (!colon || !decimal_read(colon + 1, (size_t)(end - colon - 1), &port) ||
	    !redis_address_set(&out->to, host, (size_t)(colon - host), port))
		return -EINVAL;
	out->slot = (uint16_t)slot;
	return 0;
}
