/* tenants: gathered in the order in which Redis has them. */
#include "callhistoryctl/tenants.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool is_wanted(const struct settings *settings, const struct store_tenant *tenant)
{
	return !settings->project_code ||
	       (!strcmp(settings->project_code, tenant->project_code) && !strcmp(settings->vbot_id, tenant->vbot_id));
}

static void on_tenant(void *data, const struct store_tenant *tenant, bool listed)
{
	struct tenants *tenants = data;
	if (!is_wanted(tenants->session->settings, tenant) || tenants->status)
		return;
	if (tenants->count == tenants->capacity) {
		size_t capacity = tenants->capacity ? 2 * tenants->capacity : 64;
		struct store_tenant *list = reallocarray(tenants->list, capacity, sizeof(*list));
		bool *flags = reallocarray(tenants->listed, capacity, sizeof(*flags));
		tenants->list = list ? list : tenants->list;
		tenants->listed = flags ? flags : tenants->listed;
		if (!list || !flags) {
			tenants->status = -ENOMEM;
			return;
		}
		tenants->capacity = capacity;
	}
	tenants->listed[tenants->count] = listed;
	tenants->list[tenants->count++] = *tenant;
}

static void on_done(void *data, int status)
{
	struct tenants *tenants = data;
	session_end(tenants->session, tenants->status ? tenants->status : status);
}

int tenants_read(struct tenants *tenants, struct session *session)
{
	tenants->session = session;
	return session_wait(
	    session, store_tenant_list(session->store, session->arena, session->deadline_us, on_tenant, on_done, tenants));
}

void tenants_free(struct tenants *tenants)
{
	free(tenants->list);
	free(tenants->listed);
}
