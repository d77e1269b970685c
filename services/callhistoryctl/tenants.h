/* tenants: the tenants that a command on Redis is for: all, or the one that --project-code and --vbot-id name. */
#pragma once

#include "callhistoryctl/session.h"

struct tenants {
	struct tenants_entry {
		struct store_tenant tenant; /* texts are in the session's arena */
		bool listed;                /* the list of tenants names it; else only a token does */
	} * list;
	size_t count;

	/* While they are read. */
	struct session *session;
	struct buffer entries; /* the memory of `list` */
};

/* Reads them; *tenants is all zero before. 0 or a negative errno. Free them in either case, after the session. */
int tenants_read(struct tenants *tenants, struct session *session);

/* Adds one that was entered in the list of tenants since. 0 or -ENOMEM. */
int tenants_add(struct tenants *tenants, const struct store_tenant *tenant);

/* Frees the memory. */
void tenants_free(struct tenants *tenants);
