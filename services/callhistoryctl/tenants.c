/* tenants: gathered in the order in which Redis has them. */
#include "callhistoryctl/tenants.h"

#include <errno.h>

static void on_tenant(void *data, const struct store_tenant *tenant, bool listed)
{
	struct tenants *tenants = data;
	const struct settings *settings = tenants->session->settings;
	const struct tenants_entry entry = {*tenant, listed};
	if (!settings->project_code ||
	    (!strcmp(settings->project_code, tenant->project_code) && !strcmp(settings->vbot_id, tenant->vbot_id)))
		buffer_append(&tenants->entries, &entry, sizeof(entry));
}

static void on_done(void *data, int status)
{
	struct tenants *tenants = data;
	session_end(tenants->session, tenants->entries.failed ? -ENOMEM : status);
}

static int take(struct tenants *tenants, int result)
{
	tenants->list = (struct tenants_entry *)(void *)tenants->entries.data;
	tenants->count = tenants->entries.length / sizeof(*tenants->list);
	return result;
}

int tenants_read(struct tenants *tenants, struct session *session)
{
	tenants->session = session;
	return take(tenants, session_wait(session, store_tenant_list(session->store, session->arena, session->deadline_us,
	                                                             on_tenant, on_done, tenants)));
}

int tenants_add(struct tenants *tenants, const struct store_tenant *tenant)
{
	on_tenant(tenants, tenant, true);
	return take(tenants, tenants->entries.failed ? -ENOMEM : 0);
}

void tenants_free(struct tenants *tenants)
{
	buffer_free(&tenants->entries);
}
