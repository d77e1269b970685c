/* rpc/address: gRPC wants the kind of an address as a prefix. */
#include "rpc/address.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"

enum { ADDRESS_MAXIMUM = 4096 };

static bool has_scheme(const char *address)
{
	static const char *const schemes[] = {"dns:", "ipv4:", "ipv6:"};
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
		if (strncmp(address, schemes[i], strlen(schemes[i])) == 0)
			return true;
	return false;
}

static int make_target(const char *address, size_t length, char **out)
{
	static const char *const prefixes[] = {
	    [ADDRESS_NAME] = "dns:///", [ADDRESS_IPV4] = "ipv4:", [ADDRESS_IPV6] = "ipv6:", [ADDRESS_UNIX] = ""};
	const char *prefix = "";
	if (!has_scheme(address)) {
		enum address_kind kind = address_parse(address, length, false);
		if (kind == ADDRESS_INVALID)
			return -EINVAL;
		prefix = prefixes[kind];
	}
	char *target;
	if (asprintf(&target, "%s%.*s", prefix, (int)length, address) < 0)
		return -ENOMEM;
	*out = target;
	return 0;
}

int rpc_address_targets(const char *address, char *targets[RPC_TARGETS], size_t *count)
{
	/*
	 * A path may contain a comma, so only a comma before another unix: separates paths. gRPC itself splits addresses
	 * with a scheme.
	 */
	const bool whole = has_scheme(address) || (address_is_unix(address) && !strstr(address, ",unix:"));
	size_t n = 0;
	int result = strlen(address) < ADDRESS_MAXIMUM ? 0 : -EINVAL;
	for (const char *at = address; at && !result;) {
		size_t length = whole ? strlen(at) : strcspn(at, ",");
		result = n < RPC_TARGETS ? make_target(at, length, &targets[n]) : -EINVAL;
		n += !result;
		at = at[length] ? at + length + 1 : NULL;
	}
	if (!result)
		*count = n;
	while (result && n > 0)
		free(targets[--n]);
	return result;
}
