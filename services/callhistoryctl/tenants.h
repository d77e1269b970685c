/*
 * tenants: the tenants that a command on Redis is for: all, or the one that --project-code and --vbot-id name.
 */
#pragma once

#include "callhistoryctl/session.h"

struct tenants {
	struct store_tenant *list; /* texts are in the session's arena */
	bool *listed;              /* of each: the list of tenants names it */
	size_t count, capacity;

	/* While they are read. */
	struct session *session;
	int status;
};

/* Reads them; *tenants is all zero before. 0 or a negative errno. Free them in either case, after the session. */
int tenants_read(struct tenants *tenants, struct session *session);

void tenants_free(struct tenants *tenants);
