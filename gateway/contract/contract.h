/*
 * contract: the only module that knows the documented legacy JSON. It translates JSON to messages and messages to JSON.
 * Pure: no HTTP, no gRPC, no clock. Rules: the vendor's published document and the decisions in contract/README.md.
 * Thread-safe where each thread has its own arena and buffer; a contract_zone, once made, may be shared.
 */
#pragma once

#include "base/arena.h"
#include "base/buffer.h"
#include "callhistory/v1/call.pb-c.h"

/* ---- Time zone -------------------------------------------------------------------------------------------------- */

struct contract_zone;

/*
 * The time zone of the deployment, an IANA name. It reads the zone's rules at creation, up to the year 2100, after
 * which the last offset stays in force; later calls touch no file and take no lock. Creation sets the C library's time
 * zone for a moment, so it belongs before the first thread. Returns 0, -ENOENT (no such zone) or -ENOMEM.
 */
int contract_zone_create(struct contract_zone **out, const char *name);
void contract_zone_destroy(struct contract_zone *zone);

/*
 * Writes "MM/DD/YYYY HH:MM:SS" (19 bytes, no NUL) of a Unix time in seconds; one outside 1970 to 9999 becomes the
 * nearest valid one.
 */
void contract_zone_format(struct contract_zone *zone, int64_t unix_seconds, char out[19]);

/*
 * Reads "MM/DD/YYYY HH:MM:SS". In an hour that repeats it means the first one; a time that is skipped is read with the
 * offset before the change. 0 or -EINVAL (not that form, no such day, before 1970).
 */
int contract_zone_parse(struct contract_zone *zone, const char *text, size_t length, int64_t *unix_seconds);

/* ---- Requests --------------------------------------------------------------------------------------------------- */

enum { CONTRACT_BODY_MAX = 4096, CONTRACT_QUERY_MAX = 4096, CONTRACT_SIZE_MAX = 1000 };

/* FLAT: those of generation 4, whose calls are flat objects. */
enum contract_route {
	CONTRACT_GET_ALL,
	CONTRACT_COUNT_ALL,
	CONTRACT_RECORD,
	CONTRACT_CHANGES,
	CONTRACT_FLAT_LIST,
	CONTRACT_FLAT_COUNT,
	CONTRACT_FLAT_DETAIL,
	CONTRACT_ROUTES,
};

/* Whether a route belongs to generation 4. */
static inline bool contract_route_is_flat(enum contract_route route)
{
	return route >= CONTRACT_FLAT_LIST;
}

struct contract_request {
	bool is_list;        /* list or count */
	const char *vbot_id; /* NULL: left out (X-API-KEY only) */
	const char *project_code;
	const char *phone;
	int32_t page; /* from 1 */
	int32_t size;
	bool has_from, has_to;
	int64_t from_ms, to_ms;                           /* Unix time, half-open */
	const struct Callhistory__V1__CallFilter *filter; /* further conditions, in the arena; NULL: none */
	const char *change_token;                         /* CHANGES: what is read on from; NULL: left out */
	const char *unknown[32];                          /* names of unknown fields, at most 32 */
	size_t unknown_count;
};

/* Why a request or a line is refused. */
struct contract_error {
	int code;            /* HTTP status: 400 or 413; 500 when out of memory */
	const char *field;   /* NULL: the whole input */
	const char *message; /* one sentence that names the field */
};

struct contract_input {
	enum contract_route route;
	const char *query; /* raw query string, still percent-encoded; NULL: none */
	size_t query_length;
	const char *body; /* NULL or empty: none */
	size_t body_length;
	bool api_key; /* credentials came as X-API-KEY: tenant and phone may be left out */
};

/* Reads a request. Strings go to the arena. 0, or -1 with *error filled in; *out is untouched then. */
int contract_read_request(struct arena *arena, const struct contract_input *input, struct contract_request *out,
                          struct contract_error *error);

/* ---- Answers ---------------------------------------------------------------------------------------------------- */

/*
 * Each writes an answer to the end of `out`; check out->failed afterwards. A list takes packed callhistory.v1.Call
 * messages and may be written in parts: the first one has the beginning of the envelope, the last one its end. Calls of
 * generation 4 have no local times, so `zone` may be NULL. -EBADMSG if a call is invalid, and then nothing is written;
 * else 0.
 */
int contract_write_list_part(struct buffer *out, enum contract_route route, struct contract_zone *zone,
                             const ProtobufCBinaryData *calls, size_t count, bool first, bool last);

/* What has become of a call: the packed call, or the id of one that was deleted. */
struct contract_change {
	const ProtobufCBinaryData *call;
	const char *deleted_id; /* NULL: the call is there */
};

/* The same for changes: calls as lists have them, with their ids. `next` is the token behind them. */
int contract_write_changes(struct buffer *out, struct contract_zone *zone, const struct contract_change *changes,
                           size_t count, const char *next, bool more);

/* Writes the answer of a count. */
void contract_write_count(struct buffer *out, enum contract_route route, int64_t count);
/* Writes the answer of a request that failed with this HTTP status. */
void contract_write_error(struct buffer *out, int code, const char *message);

/* The HTTP status of an error on a route: generation 4 answers 409 to a refused key, the others 401 and 403. */
int contract_error_code(enum contract_route route, int code);

/* Writes `value` as a JSON number in its shortest form that reads back exactly. */
void contract_write_double(struct buffer *out, double value);

/* Writes a JSON string with its quotes; bytes that are not UTF-8 become U+FFFD. */
void contract_write_string(struct buffer *out, const char *text);

/* ---- Import ----------------------------------------------------------------------------------------------------- */

/*
 * Limits of a record, equal to those of the service (HANDLERS_*, STORE_*), so that the service does not refuse what is
 * read here.
 */
enum {
	CONTRACT_LINE_MAX = 1 << 20,
	CONTRACT_PARTY_MAX = 512, /* callers, callees */
	CONTRACT_RECORDING_MAX = 256,
	CONTRACT_STRING_MAX = 1024, /* bytes of any string but those below */
	CONTRACT_ID_MAX = 256,
	CONTRACT_NUMBER_MAX = 512, /* a party's phone, the hotline */
	CONTRACT_URL_MAX = 4096,
};

struct contract_import {
	const char *project_code;
	const char *vbot_id;
	Callhistory__V1__Call *call; /* id is always set: the record's own, or a digest of the record */
};

/*
 * Reads one NDJSON line in the shape of a data[] element (contract §3). Everything goes to the arena. 0, or -1 with
 * *error.
 */
int contract_read_import(struct arena *arena, struct contract_zone *zone, const char *line, size_t length,
                         struct contract_import *out, struct contract_error *error);

/*
 * Writes one line, without its newline, that contract_read_import() reads as the same call in any zone. Moments are
 * written as Unix time in ms beside the zone's dates. What no other key can express (unknown fields and enum
 * values, a text beside a known code) makes the line carry the packed call under the key "exact". A project_code of
 * NULL leaves the tenant out, for readers that know it.
 */
void contract_write_import(struct buffer *out, struct contract_zone *zone, const char *project_code,
                           const char *vbot_id, const Callhistory__V1__Call *call);
