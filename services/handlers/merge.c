/*
 * handlers/merge: one of the two is the winner, whose values stay; the other one fills in what the winner does not
 * have. It walks the descriptor, so that a field that is added to Call or Party is merged without a change here.
 */
#include "handlers/merge.h"

#include <errno.h>
#include <string.h>

#include "handlers/call_check.h"
#include "store/store.h"

typedef Callhistory__V1__Party Party;

enum { KEY_SIZE = 32 };

struct merge {
	struct arena *arena;
	const Callhistory__V1__Call *winner, *other;
	bool supplement; /* the other one is a supplement: its parties get a mark, and all remain */
};

/* ---- Single fields ---------------------------------------------------------------------------------------------- */

/* Fields that win or lose together, by the first of them. */
static const struct member {
	const char *field, *group;
} members[] = {
    {"direction_other", "direction"},
    {"missed", "direction"},
    {"disposition_other", "disposition"},
};

static const char *group_of(const ProtobufCFieldDescriptor *field)
{
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); ++i)
		if (!strcmp(members[i].field, field->name))
			return members[i].group;
	return field->name;
}

static size_t size_of(ProtobufCType type)
{
	switch (type) {
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_MESSAGE:
		return sizeof(void *);
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	case PROTOBUF_C_TYPE_DOUBLE:
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		return sizeof(uint64_t);
	case PROTOBUF_C_TYPE_BOOL:
		return sizeof(protobuf_c_boolean);
	default:
		return sizeof(uint32_t);
	}
}

static bool is_set(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
	static const uint8_t zeros[sizeof(ProtobufCBinaryData)];
	const char *value = (const char *)message + field->offset;
	uint32_t chosen;
	if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
		memcpy(&chosen, (const char *)message + field->quantifier_offset, sizeof(chosen));
		return chosen == field->id;
	}
	if (field->type == PROTOBUF_C_TYPE_STRING)
		return **(char *const *)(const void *)value != '\0';
	return memcmp(value, zeros, size_of(field->type)) != 0;
}

/* Whether the message has this field or one of its group. */
static bool knows(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
	const char *group = group_of(field);
	for (unsigned i = 0; i < message->descriptor->n_fields; ++i) {
		const ProtobufCFieldDescriptor *other = &message->descriptor->fields[i];
		if (other->label != PROTOBUF_C_LABEL_REPEATED && !strcmp(group_of(other), group) && is_set(message, other))
			return true;
	}
	return false;
}

static bool has_unknown(const ProtobufCMessage *message, uint32_t tag)
{
	for (size_t i = 0; i < message->n_unknown_fields; ++i)
		if (message->unknown_fields[i].tag == tag)
			return true;
	return false;
}

/* Adds the fields of a newer version that only the other one has. */
static int fill_unknown(ProtobufCMessage *into, const ProtobufCMessage *winner, const ProtobufCMessage *other,
                        struct arena *arena)
{
	if (!other->n_unknown_fields)
		return 0;
	ProtobufCMessageUnknownField *fields =
	    arena_alloc(arena, (winner->n_unknown_fields + other->n_unknown_fields) * sizeof(*fields));
	if (!fields)
		return -ENOMEM;
	size_t count = winner->n_unknown_fields;
	if (count)
		memcpy(fields, winner->unknown_fields, count * sizeof(*fields));
	for (size_t i = 0; i < other->n_unknown_fields; ++i)
		if (!has_unknown(winner, other->unknown_fields[i].tag))
			fields[count++] = other->unknown_fields[i];
	into->unknown_fields = fields;
	into->n_unknown_fields = (unsigned)count;
	return 0;
}

/* Copies to `into`, a copy of the winner, what only the other one has; lists excepted. */
static int fill(ProtobufCMessage *into, const ProtobufCMessage *winner, const ProtobufCMessage *other,
                struct arena *arena)
{
	for (unsigned i = 0; i < winner->descriptor->n_fields; ++i) {
		const ProtobufCFieldDescriptor *field = &winner->descriptor->fields[i];
		if (field->label == PROTOBUF_C_LABEL_REPEATED || knows(winner, field))
			continue;
		memcpy((char *)into + field->offset, (const char *)other + field->offset, size_of(field->type));
		if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
			memcpy((char *)into + field->quantifier_offset, (const char *)other + field->quantifier_offset,
			       sizeof(uint32_t));
	}
	return fill_unknown(into, winner, other, arena);
}

/* ---- Parties ---------------------------------------------------------------------------------------------------- */

/* Parties of one side of a call, copied, and what each is recognised by. */
struct side {
	size_t count;
	Party *parties;
	uint8_t (*keys)[KEY_SIZE];
	bool *joined; /* with a party of the other call */
};

/*
 * What a party is recognised by: its leg_id or, without one, all its fields. SHA-256, because a client can make bytes
 * for which cheaper hashes are all the same.
 */
static int make_key(uint8_t out[KEY_SIZE], const Party *party, struct arena *arena)
{
	if (*party->leg_id) {
		store_token_digest(out, party->leg_id, strlen(party->leg_id));
		return 0;
	}
	const struct arena_mark mark = arena_mark(arena);
	Party plain = *party;
	plain.supplemented = false;
	size_t length = callhistory__v1__party__get_packed_size(&plain);
	uint8_t *packed = arena_alloc(arena, length);
	if (!packed)
		return -ENOMEM;
	callhistory__v1__party__pack(&plain, packed);
	store_token_digest(out, (const char *)packed, length);
	arena_rewind(arena, mark);
	return 0;
}

/* The index of the party of a side that is this one and not joined yet; the number of parties if there is none. */
static size_t find_party(const struct side *side, const Party *party, const uint8_t key[KEY_SIZE])
{
	size_t i = 0;
	/* A leg_id may have the bytes of a party without one. */
	while (i < side->count && (memcmp(side->keys[i], key, KEY_SIZE) != 0 || side->joined[i] ||
	                           !*side->parties[i].leg_id != !*party->leg_id))
		++i;
	return i;
}

/*
 * Copies a side; starts of its parties become relative to the result's start. Parties with the same leg_id become one,
 * of which the first takes precedence. `mark`: they get the mark that the service sets.
 */
static int read_side(struct side *out, Party *const *parties, size_t count, int64_t shift_ms, bool mark,
                     struct arena *arena)
{
	*out = (struct side){
	    .parties = arena_alloc(arena, count * sizeof(*out->parties)),
	    .keys = arena_alloc(arena, count * sizeof(*out->keys)),
	    .joined = arena_calloc(arena, count * sizeof(*out->joined)),
	};
	if (!out->parties || !out->keys || !out->joined)
		return -ENOMEM;
	int result = 0;
	for (size_t i = 0; i < count && !result; ++i) {
		Party *party = &out->parties[out->count];
		*party = *parties[i];
		party->supplemented = party->supplemented || mark;
		if (party->optional_start_offset_ms_case)
			party->start_offset_ms += shift_ms;
		result = make_key(out->keys[out->count], party, arena);
		size_t known = *party->leg_id ? find_party(out, party, out->keys[out->count]) : out->count;
		if (known == out->count) {
			++out->count;
		} else if (!result) {
			const Party first = out->parties[known];
			result = fill(&out->parties[known].base, &first.base, &party->base, arena);
		}
	}
	return result;
}

/* The parties of both sides: the winner's, each with what the other one knows of it, then others that remain. */
static int merge_side(const struct merge *merge, const struct side *winner, const struct side *other, size_t *out_count,
                      Party ***out)
{
	int result = 0;
	size_t count = 0;
	Party **parties = arena_alloc(merge->arena, (winner->count + other->count) * sizeof(Party *));
	if (!parties)
		return -ENOMEM;
	for (size_t i = 0; i < winner->count && !result; ++i) {
		Party *party = parties[count++] = &winner->parties[i];
		const Party won = *party;
		size_t same = find_party(other, party, winner->keys[i]);
		if (same == other->count)
			continue;
		other->joined[same] = true;
		result = fill(&party->base, &won.base, &other->parties[same].base, merge->arena);
	}
	for (size_t i = 0; i < other->count; ++i)
		if (!other->joined[i] && (merge->supplement || other->parties[i].supplemented))
			parties[count++] = &other->parties[i];
	*out_count = count;
	*out = parties;
	return result;
}

/* By how much the offsets of a call's parties change when it starts with the result. */
static int64_t shift_of(const Callhistory__V1__Call *call, const Callhistory__V1__Call *result)
{
	return call->start_time ? handlers_call_start_ms(call) - handlers_call_start_ms(result) : 0;
}

static int merge_parties(const struct merge *merge, Callhistory__V1__Call *call)
{
	const Callhistory__V1__Call *winner = merge->winner, *other = merge->other;
	const int64_t shift = shift_of(winner, call), other_shift = shift_of(other, call);
	const bool mark = merge->supplement;
	struct arena *arena = merge->arena;
	struct side won, lost;
	int result = read_side(&won, winner->callers, winner->n_callers, shift, false, arena);
	if (!result)
		result = read_side(&lost, other->callers, other->n_callers, other_shift, mark, arena);
	if (!result)
		result = merge_side(merge, &won, &lost, &call->n_callers, &call->callers);
	if (!result)
		result = read_side(&won, winner->callees, winner->n_callees, shift, false, arena);
	if (!result)
		result = read_side(&lost, other->callees, other->n_callees, other_shift, mark, arena);
	return result ? result : merge_side(merge, &won, &lost, &call->n_callees, &call->callees);
}

/* ---- The call --------------------------------------------------------------------------------------------------- */

static bool has_recording(char *const *recordings, size_t count, const char *recording)
{
	for (size_t i = 0; i < count; ++i)
		if (!strcmp(recordings[i], recording))
			return true;
	return false;
}

/* The recordings of both, each once, those of the winner first. */
static int merge_recordings(const struct merge *merge, Callhistory__V1__Call *call)
{
	const Callhistory__V1__Call *sources[] = {merge->winner, merge->other};
	char **all = arena_alloc(merge->arena, (merge->winner->n_recordings + merge->other->n_recordings) * sizeof(char *));
	if (!all)
		return -ENOMEM;
	size_t count = 0;
	for (size_t s = 0; s < 2; ++s)
		for (size_t i = 0; i < sources[s]->n_recordings; ++i)
			if (!has_recording(all, count, sources[s]->recordings[i]))
				all[count++] = sources[s]->recordings[i];
	call->recordings = all;
	call->n_recordings = count;
	return 0;
}

int handlers_merge(Callhistory__V1__Call **out, const Callhistory__V1__Call *stored, const Callhistory__V1__Call *part,
                   bool supplement, struct arena *arena)
{
	static const Callhistory__V1__Call nothing = CALLHISTORY__V1__CALL__INIT;
	Callhistory__V1__Call *call = arena_alloc(arena, sizeof(*call));
	if (!call)
		return -ENOMEM;
	const bool first = !stored;
	if (first)
		stored = &nothing;
	const struct merge merge = {
	    .arena = arena,
	    .winner = supplement ? stored : part,
	    .other = supplement ? part : stored,
	    .supplement = supplement,
	};
	*call = *merge.winner;
	int result = fill(&call->base, &merge.winner->base, &merge.other->base, arena);
	if (!result)
		result = merge_parties(&merge, call);
	if (!result)
		result = merge_recordings(&merge, call);
	if (result)
		return result;
	call->incomplete = supplement && (first || stored->incomplete);
	*out = call;
	return 0;
}
