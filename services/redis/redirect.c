/* redis/redirect: the host ends at the last colon, because IPv6 addresses come without brackets. */
#include "redis/redirect.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/decimal.h"
#include "redis/slot.h"

bool redis_redirect_node(char host[REDIRECT_HOST], char port[REDIRECT_PORT], const char *name, size_t length,
                         int64_t number)
{
	if (number < 1 || number > 65535 || length >= REDIRECT_HOST || (length == 1 && *name == '?'))
		return false;
	for (size_t i = 0; i < length; ++i)
		if ((unsigned char)name[i] <= ' ' || name[i] == 0x7f)
			return false;
	if (length)
		memcpy(host, name, length);
	host[length] = '\0';
	snprintf(port, REDIRECT_PORT, "%u", (unsigned)(uint16_t)number);
	return true;
}

int redis_redirect_parse(struct redirect *out, const char *text, size_t length)
{
	struct redirect redirect = {.ask = length > 4 && !memcmp(text, "ASK ", 4)};
	size_t begin = redirect.ask ? 4 : 6;
	int64_t slot, port;
	if (!redirect.ask && (length <= 6 || memcmp(text, "MOVED ", 6)))
		return -EINVAL;
	const char *number = text + begin, *end = text + length;
	const char *blank = memchr(number, ' ', (size_t)(end - number));
	if (!blank || !decimal_read(number, (size_t)(blank - number), &slot) || slot < 0 || slot >= SLOT_COUNT)
		return -EINVAL;
	const char *host = blank + 1;
	const char *colon = memrchr(host, ':', (size_t)(end - host));
	if (!colon || !decimal_read(colon + 1, (size_t)(end - colon - 1), &port) ||
	    !redis_redirect_node(redirect.host, redirect.port, host, (size_t)(colon - host), port))
		return -EINVAL;
	redirect.slot = (uint16_t)slot;
	*out = redirect;
	return 0;
}
