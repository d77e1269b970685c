/* show: the words for types and dispositions are the contract's own. */
#include "callhistoryctl/show.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "callhistoryctl/moment.h"
#include "callhistoryctl/say.h"
#include "callhistoryctl/table.h"

enum { PARTIES_SHOWN = 3, COLUMNS = 6, ARENA_BLOCK = 4096 };

struct show {
	struct contract_zone *zone;
	const char *project_code, *vbot_id;
	struct arena *arena; /* of the table's frame */
	struct table *table;
	struct buffer line;
	bool json;
};

int show_create(struct show **out, struct contract_zone *zone, const char *project_code, const char *vbot_id)
{
	static const char *const headings[COLUMNS] = {"TIME", "TYPE", "DISPOSITION", "TALK", "HOTLINE", "CALLER -> CALLEE"};
	struct show *show = calloc(1, sizeof(*show));
	if (!show)
		return -ENOMEM;
	show->zone = zone;
	show->project_code = project_code;
	show->vbot_id = vbot_id;
	if (!arena_create(&show->arena, ARENA_BLOCK))
		show->table = table_create(show->arena, headings, COLUMNS);
	if (!show->table) {
		show_destroy(show);
		return -ENOMEM;
	}
	*out = show;
	return 0;
}

void show_destroy(struct show *show)
{
	if (!show)
		return;
	buffer_free(&show->line);
	arena_destroy(show->arena);
	free(show);
}

static int64_t start_ms(const Callhistory__V1__Call *call)
{
	return call->start_time ? call->start_time->seconds * 1000 + call->start_time->nanos / 1000000 : -1;
}

/* A text, or '-' for one that was not recorded. */
static const char *or_dash(const char *text)
{
	return text && *text ? text : "-";
}

static const char *type_text(const Callhistory__V1__Call *call)
{
	const char *name = contract_call_type_name(call->type);
	return or_dash(name ? name : call->type_other);
}

static const char *disposition_text(Callhistory__V1__Disposition disposition, const char *other)
{
	const char *name = contract_disposition_name(disposition);
	return or_dash(name ? name : other);
}

/* "1:02:03", "2:03", or '-' where nothing was recorded. */
static const char *span_text(bool recorded, uint32_t seconds, char out[24])
{
	if (!recorded)
		snprintf(out, 24, "-");
	else if (seconds >= 3600)
		snprintf(out, 24, "%u:%02u:%02u", seconds / 3600, seconds / 60 % 60, seconds % 60);
	else
		snprintf(out, 24, "%u:%02u", seconds / 60, seconds % 60);
	return out;
}

static void add_parties(struct buffer *out, Callhistory__V1__Party *const *parties, size_t count)
{
	if (!count)
		buffer_append_byte(out, '-');
	for (size_t i = 0; i < count && i < PARTIES_SHOWN; ++i)
		buffer_printf(out, "%s%s", i ? ", " : "", or_dash(parties[i]->number));
	if (count > PARTIES_SHOWN)
		buffer_printf(out, " and %zu more", count - PARTIES_SHOWN);
}

int show_row(struct show *show, struct arena *arena, const Callhistory__V1__Call *call)
{
	char time[MOMENT_SIZE], talk[24];
	buffer_clear(&show->line);
	add_parties(&show->line, call->callers, call->n_callers);
	buffer_append_string(&show->line, " -> ");
	add_parties(&show->line, call->callees, call->n_callees);
	buffer_append_byte(&show->line, '\0');
	if (show->line.failed)
		return -ENOMEM;
	bool talked = call->talk_time_case == CALLHISTORY__V1__CALL__TALK_TIME_TALK_SECONDS;
	const char *texts[COLUMNS] = {
	    moment_format(show->zone, start_ms(call), time),
	    type_text(call),
	    disposition_text(call->disposition, call->disposition_other),
	    span_text(talked, call->talk_seconds, talk),
	    or_dash(call->hotline),
	    show->line.data,
	};
	return table_add(show->table, arena, texts);
}

void show_flush(struct show *show)
{
	if (!show->json)
		table_flush(show->table);
}

int show_json(struct show *show, const Callhistory__V1__Call *call)
{
	show->json = true;
	buffer_clear(&show->line);
	contract_write_import(&show->line, show->zone, show->project_code, show->vbot_id, call);
	buffer_append_byte(&show->line, '\n');
	if (show->line.failed)
		return -ENOMEM;
	fwrite(show->line.data, 1, show->line.length, stdout);
	return 0;
}

/* ---- All fields ------------------------------------------------------------------------------------------------- */

static int print_field(struct show *show, const char *name, const char *value)
{
	if (!value || !*value)
		return 0;
	char *clean = arena_copy(show->arena, value, strlen(value));
	if (!clean)
		return -ENOMEM;
	printf("%-18s %s\n", name, say_clean(clean));
	return 0;
}

static int print_party(struct show *show, const char *role, const Callhistory__V1__Party *party)
{
	char talk[24];
	bool talked = party->talk_time_case == CALLHISTORY__V1__PARTY__TALK_TIME_TALK_SECONDS;
	buffer_clear(&show->line);
	buffer_printf(&show->line, "%s", or_dash(party->number));
	if (party->name && *party->name)
		buffer_printf(&show->line, ", %s", party->name);
	if (party->member_no && *party->member_no)
		buffer_printf(&show->line, ", member %s", party->member_no);
	buffer_printf(&show->line, ", %s, talked %s", disposition_text(party->disposition, party->disposition_other),
	              span_text(talked, party->talk_seconds, talk));
	buffer_append_string(&show->line, ", postage ");
	contract_write_double(&show->line, party->postage);
	if (party->source && *party->source)
		buffer_printf(&show->line, ", from %s", party->source);
	buffer_append_byte(&show->line, '\0');
	return show->line.failed ? -ENOMEM : print_field(show, role, show->line.data);
}

int show_call(struct show *show, const Callhistory__V1__Call *call)
{
	char time[MOMENT_SIZE], talk[24], duration[24];
	bool talked = call->talk_time_case == CALLHISTORY__V1__CALL__TALK_TIME_TALK_SECONDS;
	bool lasted = call->duration_case == CALLHISTORY__V1__CALL__DURATION_DURATION_SECONDS;
	const struct {
		const char *name, *value;
	} fields[] = {
	    {"id", call->id},
	    {"time", moment_format(show->zone, start_ms(call), time)},
	    {"type", type_text(call)},
	    {"disposition", disposition_text(call->disposition, call->disposition_other)},
	    {"hotline", call->hotline},
	    {"talk time", talked ? span_text(talked, call->talk_seconds, talk) : ""},
	    {"duration", lasted ? span_text(lasted, call->duration_seconds, duration) : ""},
	    {"event", call->event},
	    {"group", call->group_id},
	    {"external call id", call->external_call_id},
	    {"customer code", call->customer_code},
	    {"ended by", call->end_call},
	    {"hang-up cause", call->hangup_cause},
	    {"SIP code", call->sip_code},
	    {"conference", call->conference_id},
	};
	int result = 0;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]) && !result; ++i)
		result = print_field(show, fields[i].name, fields[i].value);
	for (size_t i = 0; i < call->n_callers && !result; ++i)
		result = print_party(show, "caller", call->callers[i]);
	for (size_t i = 0; i < call->n_callees && !result; ++i)
		result = print_party(show, "callee", call->callees[i]);
	for (size_t i = 0; i < call->n_recordings && !result; ++i)
		result = print_field(show, "recording", call->recordings[i]);
	return result;
}
