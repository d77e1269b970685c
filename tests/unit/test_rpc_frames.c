/* rpc/frames: what a connection sends is followed whatever the sizes of its pieces, and bounded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "rpc/block.h"
#include "rpc/frames.h"

enum {
	DATA = 0,
	HEADERS = 1,
	PRIORITY = 2,
	RST_STREAM = 3,
	SETTINGS = 4,
	PING = 6,
	WINDOW_UPDATE = 8,
	CONTINUATION = 9
};
enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4, PADDED = 8, WITH_PRIORITY = 32 };
enum { HIDDEN = 0xfb };

/* A header block, uncompressed (RFC 7541 section 6.2.2), and how many bytes of it the first of two frames has. */
#define BLOCK "\0\14content-type\20application/grpc"
enum { BLOCK_LENGTH = sizeof(BLOCK) - 1, BLOCK_FIRST = 20 };

struct bytes {
	uint8_t data[200000];
	size_t length;
};

static void add(struct bytes *out, const void *data, size_t length)
{
	assert_true(out->length + length <= sizeof(out->data));
	memcpy(out->data + out->length, data, length);
	out->length += length;
}

static void frame(struct bytes *out, uint8_t type, uint8_t flags, uint32_t stream, const void *payload, uint32_t length)
{
	uint8_t head[9] = {(uint8_t)(length >> 16), (uint8_t)(length >> 8),  (uint8_t)length,        type,           flags,
	                   (uint8_t)(stream >> 24), (uint8_t)(stream >> 16), (uint8_t)(stream >> 8), (uint8_t)stream};
	add(out, head, sizeof(head));
	if (length)
		add(out, payload, length);
}

static void begin(struct bytes *out)
{
	out->length = 0;
	add(out, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24);
	frame(out, SETTINGS, 0, 0, NULL, 0);
}

/* Follows all of it in pieces of this size. */
static enum rpc_frames_verdict follow(struct rpc_frames *frames, struct bytes *in, size_t piece, int64_t now_us,
                                      bool drain)
{
	enum rpc_frames_verdict verdict = RPC_FRAMES_GOOD;
	for (size_t at = 0; at < in->length && verdict == RPC_FRAMES_GOOD; at += piece)
		verdict =
		    rpc_frames_follow(frames, in->data + at, piece < in->length - at ? piece : in->length - at, now_us, drain);
	in->length = 0;
	return verdict;
}

static const size_t pieces[] = {1, 2, 3, 7, 9, 10, 64, 200000};
enum { PIECES = sizeof(pieces) / sizeof(pieces[0]) };

static struct bytes in;

static void requests_are_counted_until_their_message_is_there(void **state)
{
	(void)state;
	for (size_t i = 0; i < PIECES; i++) {
		struct rpc_frames frames = {0};
		begin(&in);
		frame(&in, HEADERS, END_HEADERS, 1, BLOCK, BLOCK_LENGTH);
		frame(&in, HEADERS, 0, 3, BLOCK, BLOCK_FIRST);
		frame(&in, CONTINUATION, END_HEADERS, 3, BLOCK + BLOCK_FIRST, BLOCK_LENGTH - BLOCK_FIRST);
		frame(&in, HEADERS, END_HEADERS | END_STREAM, 5, BLOCK, BLOCK_LENGTH);
		frame(&in, DATA, 0, 1, "\0\0\0", 3);
		assert_int_equal(follow(&frames, &in, pieces[i], 10, false), RPC_FRAMES_GOOD);
		assert_int_equal(frames.n_requests, 2);
		assert_int_equal(frames.request_bytes, 3);
		assert_int_equal(rpc_frames_oldest_us(&frames), 10);
		frame(&in, DATA, 0, 1, "\0\4ab", 4);
		assert_int_equal(follow(&frames, &in, pieces[i], 20, false), RPC_FRAMES_GOOD);
		assert_int_equal(frames.n_requests, 2);
		/* The last bytes of the first message; then a second and a third one of the same stream, which count as well. */
		frame(&in, DATA, 0, 1, "cd", 2);
		frame(&in, DATA, 0, 1, "\0\0\0\0\4ab", 7);
		assert_int_equal(follow(&frames, &in, pieces[i], 30, false), RPC_FRAMES_GOOD);
		assert_int_equal(frames.n_requests, 2);
		assert_int_equal(frames.request_bytes, 7);
		assert_int_equal(rpc_frames_oldest_us(&frames), 10);
		frame(&in, DATA, 0, 1, "cd\0\0\0\0\0", 7);
		assert_int_equal(follow(&frames, &in, pieces[i], 30, false), RPC_FRAMES_GOOD);
		assert_int_equal(frames.n_requests, 1);
		assert_int_equal(frames.request_bytes, 0);
		frame(&in, DATA, END_STREAM, 3, NULL, 0);
		assert_int_equal(follow(&frames, &in, pieces[i], 40, false), RPC_FRAMES_GOOD);
		assert_int_equal(frames.n_requests, 0);
		assert_int_equal(rpc_frames_oldest_us(&frames), INT64_MAX);
		frame(&in, HEADERS, END_HEADERS, 7, BLOCK, BLOCK_LENGTH);
		frame(&in, RST_STREAM, 0, 7, "\0\0\0\10", 4);
		assert_int_equal(follow(&frames, &in, pieces[i], 50, false), RPC_FRAMES_GOOD);
		assert_int_equal(frames.n_requests, 0);
		assert_int_equal(frames.last_stream, 7);
		rpc_frames_free(&frames);
	}
}

/* A stream is there until either side has ended it, whatever the sizes of the pieces that the server sends. */
static void streams_are_counted_until_they_are_answered(void **state)
{
	(void)state;
	static struct bytes out;
	for (size_t i = 0; i < PIECES; i++) {
		struct rpc_frames frames = {0};
		begin(&in);
		for (uint32_t stream = 1; stream <= 11; stream += 2)
			frame(&in, HEADERS, stream < 11 ? END_HEADERS | END_STREAM : END_HEADERS, stream, BLOCK, BLOCK_LENGTH);
		assert_int_equal(follow(&frames, &in, pieces[i], 10, false), RPC_FRAMES_GOOD);
		assert_int_equal(frames.n_streams, 6);
		assert_int_equal(frames.n_requests, 1);
		out.length = 0;
		frame(&out, SETTINGS, 0, 0, "\0\3\0\0\4\0", 6);
		frame(&out, SETTINGS, ACK, 0, NULL, 0);
		frame(&out, HEADERS, END_HEADERS, 3, "abc", 3);
		frame(&out, DATA, 0, 3, "\0\0\0\1\1", 5);
		frame(&out, PING, ACK, 0, "\0\0\0\3\1\5\0\0", 8);
		size_t before = out.length;
		frame(&out, HEADERS, END_HEADERS | END_STREAM, 3, "abc", 3);
		frame(&out, RST_STREAM, 0, 5, "\0\0\0\7", 4);
		frame(&out, DATA, END_STREAM, 1, NULL, 0);
		frame(&out, RST_STREAM, 0, 1, "\0\0\0\0", 4); /* a stream ends once */
		frame(&out, HEADERS, END_HEADERS | END_STREAM, 11, "abc", 3);
		for (size_t at = 0; at < out.length;) {
			size_t left = at < before ? before - at : out.length - at, piece = pieces[i] < left ? pieces[i] : left;
			rpc_frames_sent(&frames, out.data + at, piece);
			at += piece;
			if (at == before)
				assert_int_equal(frames.n_streams, 6);
		}
		assert_int_equal(frames.n_streams, 2);
		assert_int_equal(frames.n_requests, 0);
		frame(&in, RST_STREAM, 0, 9, "\0\0\0\10", 4);
		frame(&in, RST_STREAM, 0, 9, "\0\0\0\10", 4);
		assert_int_equal(follow(&frames, &in, pieces[i], 20, false), RPC_FRAMES_GOOD);
		assert_int_equal(frames.n_streams, 1);
		rpc_frames_free(&frames);
	}
}

static void the_drain_hides_new_streams(void **state)
{
	(void)state;
	for (size_t i = 0; i < PIECES; i++) {
		struct rpc_frames frames = {0};
		begin(&in);
		frame(&in, HEADERS, 0, 1, BLOCK, BLOCK_FIRST);
		assert_int_equal(follow(&frames, &in, pieces[i], 10, false), RPC_FRAMES_GOOD);
		/* The block that gRPC has begun to read goes on; the next one is hidden whole. */
		frame(&in, CONTINUATION, END_HEADERS, 1, BLOCK + BLOCK_FIRST, BLOCK_LENGTH - BLOCK_FIRST);
		size_t second = in.length;
		frame(&in, HEADERS, 0, 3, BLOCK, BLOCK_LENGTH);
		size_t third = in.length;
		frame(&in, CONTINUATION, END_HEADERS, 3, "abc", 3);
		frame(&in, DATA, END_STREAM, 3, "\0\0\0\0\0", 5);
		frame(&in, DATA, END_STREAM, 1, "\0\0\0\0\0", 5);
		assert_int_equal(follow(&frames, &in, pieces[i], 20, true), RPC_FRAMES_GOOD);
		assert_int_equal(in.data[3], CONTINUATION);
		assert_int_equal(in.data[second + 3], HIDDEN);
		assert_int_equal(in.data[third + 3], HIDDEN);
		assert_int_equal(frames.last_stream, 1);
		assert_int_equal(frames.n_requests, 0);
		rpc_frames_free(&frames);
	}
}

/* Zeros, of which three are a field without name and value in a header block. */
static uint8_t payload[2 * RPC_FRAMES_BLOCK_LARGE];
enum { LONG_FIELD_HEAD = 6 };

/* The payload begins with a field without a name whose value has so many bytes (RFC 7541 section 5.1). */
static void begin_with_field(uint32_t length)
{
	const uint32_t rest = length - 127;
	const uint8_t head[LONG_FIELD_HEAD] = {
	    0, 0, 127, (uint8_t)(rest % 128 + 128), (uint8_t)(rest / 128 % 128 + 128), (uint8_t)(rest / 128 / 128)};
	memcpy(payload, head, sizeof(head));
}

/* Repeats a frame until the verdict; gives how often it went well. */
static uint32_t until_closed(enum rpc_frames_verdict wanted, uint8_t type, uint8_t flags, uint32_t length)
{
	struct rpc_frames frames = {0};
	enum rpc_frames_verdict verdict = RPC_FRAMES_GOOD;
	uint32_t good = 0;
	begin(&in);
	frame(&in, HEADERS, type == CONTINUATION ? 0 : END_HEADERS, 1, NULL, 0);
	assert_int_equal(follow(&frames, &in, 200000, 10, false), RPC_FRAMES_GOOD);
	while (verdict == RPC_FRAMES_GOOD && good < 100000) {
		frame(&in, type, flags, 1, payload, length);
		verdict = follow(&frames, &in, 200000, 10, false);
		good += verdict == RPC_FRAMES_GOOD;
	}
	assert_int_equal(verdict, good < 100000 ? wanted : RPC_FRAMES_GOOD);
	rpc_frames_free(&frames);
	return good;
}

static void what_is_too_much(void **state)
{
	(void)state;
	enum { FIRST = 1 /* begin() has sent settings */ };
	begin_with_field(RPC_FRAMES_BLOCK_MAX - LONG_FIELD_HEAD);
	assert_int_equal(until_closed(RPC_FRAMES_BLOCK, CONTINUATION, 0, 16384), RPC_FRAMES_BLOCK_MAX / 16384);
	memset(payload, 0, LONG_FIELD_HEAD);
	assert_int_equal(until_closed(RPC_FRAMES_BLOCK, CONTINUATION, 0, 0), RPC_FRAMES_BLOCK_FRAMES_MAX - 1);
	assert_int_equal(until_closed(RPC_FRAMES_WASTE, RST_STREAM, 0, 4), RPC_FRAMES_WASTE_BURST - FIRST);
	assert_int_equal(until_closed(RPC_FRAMES_WASTE, SETTINGS, 0, 0), RPC_FRAMES_WASTE_BURST - FIRST);
	assert_int_equal(until_closed(RPC_FRAMES_WASTE, PING, 0, 8), RPC_FRAMES_WASTE_BURST - FIRST + 1 /* paid for */);
	assert_int_equal(until_closed(RPC_FRAMES_WASTE, PRIORITY, 0, 5), RPC_FRAMES_WASTE_BURST - FIRST);
	assert_int_equal(until_closed(RPC_FRAMES_WASTE, DATA, 0, 0), RPC_FRAMES_WASTE_BURST - FIRST);
	assert_int_equal(until_closed(RPC_FRAMES_WASTE, 77, 0, 0), RPC_FRAMES_WASTE_BURST - FIRST);
	begin_with_field(RPC_FRAMES_BLOCK_LARGE);
	assert_int_equal(until_closed(RPC_FRAMES_WASTE, HEADERS, END_HEADERS, RPC_FRAMES_BLOCK_LARGE + LONG_FIELD_HEAD),
	                 (RPC_FRAMES_WASTE_BURST - FIRST) / RPC_FRAMES_BLOCK_LARGE_WASTE);
	memset(payload, 0, LONG_FIELD_HEAD);
	assert_int_equal(until_closed(RPC_FRAMES_BLOCK, HEADERS, END_HEADERS, 3 * RPC_BLOCK_FIELDS_MAX + 3), 0);
	assert_int_equal(until_closed(RPC_FRAMES_MALFORMED, DATA, PADDED, 8), 0);
	assert_int_equal(until_closed(RPC_FRAMES_MALFORMED, CONTINUATION, END_HEADERS, 9), 1);
	assert_int_equal(until_closed(RPC_FRAMES_MALFORMED, HEADERS, END_HEADERS | PADDED, 9), 0);
	assert_int_equal(until_closed(RPC_FRAMES_MALFORMED, HEADERS, END_HEADERS | WITH_PRIORITY, 4), 0);
	/* What clients send as often as the server does. */
	assert_int_equal(until_closed(RPC_FRAMES_GOOD, PING, ACK, 8), 100000);
}

/* Clients measure the bandwidth with a ping for each answer. */
static void each_request_pays_for_a_ping(void **state)
{
	(void)state;
	static const uint8_t zeros[8];
	struct rpc_frames frames = {0};
	begin(&in);
	for (uint32_t stream = 1; stream < 20000; stream += 2) {
		frame(&in, HEADERS, END_HEADERS | END_STREAM, stream, BLOCK, BLOCK_LENGTH);
		frame(&in, PING, 0, 0, zeros, sizeof(zeros));
		assert_int_equal(follow(&frames, &in, 200000, 10, false), RPC_FRAMES_GOOD);
	}
	assert_int_equal(frames.wasted, 1 /* the first settings */);
	rpc_frames_free(&frames);
}

/*
 * Two for a request, and two for each frame of an answer, however long, which may have a ping too; those of a connection
 * without requests are wasted.
 */
static void windows_are_updated_for_what_is_sent(void **state)
{
	(void)state;
	static const uint8_t one[] = {0, 0, 0, 1};
	static struct bytes out;
	struct rpc_frames frames = {0};
	begin(&in);
	for (uint32_t i = 0; i < 5000; i++) {
		if (i % 1000 == 0)
			frame(&in, HEADERS, END_HEADERS | END_STREAM, 1 + 2 * i, BLOCK, BLOCK_LENGTH);
		assert_int_equal(follow(&frames, &in, 200000, 10, false), RPC_FRAMES_GOOD);
		out.length = 0;
		frame(&out, DATA, 0, 1, "abc", 3);
		rpc_frames_sent(&frames, out.data, out.length);
		frame(&in, WINDOW_UPDATE, 0, 0, one, sizeof(one));
		frame(&in, WINDOW_UPDATE, 0, 1, one, sizeof(one));
		frame(&in, PING, 0, 0, "12345678", 8);
	}
	assert_int_equal(follow(&frames, &in, 200000, 10, false), RPC_FRAMES_GOOD);
	assert_int_equal(frames.wasted, 1 /* the first settings */);
	rpc_frames_free(&frames);
	frames = (struct rpc_frames){0};
	begin(&in);
	for (uint32_t i = 0; i < RPC_FRAMES_WASTE_BURST; i++)
		frame(&in, WINDOW_UPDATE, 0, 0, one, sizeof(one));
	assert_int_equal(follow(&frames, &in, 200000, 10, false), RPC_FRAMES_WASTE);
	rpc_frames_free(&frames);
}

/* A request with these content types, each of which goes into the table of compression (RFC 7541 section 6.2.1). */
static void request(struct bytes *out, uint32_t stream, const char *const types[2])
{
	static struct bytes block;
	block.length = 0;
	for (size_t i = 0; i < 2 && types[i]; i++) {
		const uint8_t head[] = {0x40, 12}, length = (uint8_t)strlen(types[i]);
		add(&block, head, sizeof(head));
		add(&block, "content-type", 12);
		add(&block, &length, 1);
		add(&block, types[i], length);
	}
	frame(out, HEADERS, END_HEADERS, stream, block.data, (uint32_t)block.length);
	frame(out, DATA, END_STREAM, stream, "\0\0\0\0\1a", 6);
}

static void other_content_types_are_refused(void **state)
{
	(void)state;
	static const struct {
		const char *types[2];
		bool refused, newest_refused; /* a request with all of them; one with the newest in the table */
	} cases[] = {
	    {{"application/grpc"}, false, false},
	    {{"application/grpc+proto"}, false, false},
	    {{"application/grpc; x=y"}, false, false},
	    {{"Application/GRPC"}, false, false},
	    {{"application/grpc", "application/grpc+proto"}, false, false},
	    {{"application/grpc-web"}, true, true},
	    {{"application/grpcx"}, true, true},
	    {{"application/grp"}, true, true},
	    {{"application/json"}, true, true},
	    {{"text/plain; application/grpc"}, true, true},
	    {{"application/grpc", "text/plain"}, true, true},
	    {{"text/plain", "application/grpc"}, true, false},
	    {{""}, true, true},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]) * PIECES; i++) {
		struct rpc_frames frames = {0};
		const bool refused = cases[i / PIECES].refused, newest_refused = cases[i / PIECES].newest_refused;
		begin(&in);
		request(&in, 1, cases[i / PIECES].types);
		const uint8_t *length = in.data + in.length - 5;
		frame(&in, HEADERS, END_HEADERS, 3, "\xbe", 1); /* refers to the newest field */
		frame(&in, HEADERS, END_HEADERS, 5, NULL, 0);
		assert_int_equal(follow(&frames, &in, pieces[i % PIECES], 10, false), RPC_FRAMES_GOOD);
		assert_int_equal(frames.streams[0].refused, refused);
		assert_int_equal(memcmp(length, refused ? "\2\0\0\0a" : "\0\0\0\1a", 5), 0);
		assert_int_equal(frames.streams[1].refused, newest_refused);
		assert_true(frames.streams[2].refused);
		assert_int_equal(frames.n_refused, refused + newest_refused + 1);
		assert_int_equal(frames.n_requests, 2);
		assert_int_equal(frames.request_bytes, 0);
		/* A second block of a stream has no content type: the client's trailers. */
		frame(&in, HEADERS, END_HEADERS | END_STREAM, 3, "\0\1a\1b", 5);
		assert_int_equal(follow(&frames, &in, pieces[i % PIECES], 10, false), RPC_FRAMES_GOOD);
		assert_int_equal(frames.streams[1].refused, newest_refused);
		rpc_frames_free(&frames);
	}
}

/* Has a connection with two requests, of which the first is refused and not ended. */
static void begin_refused(struct rpc_frames *frames, size_t piece)
{
	begin(&in);
	frame(&in, HEADERS, END_HEADERS | WITH_PRIORITY, 1, "\0\0\0\0\7", 5);
	frame(&in, DATA, 0, 1, "\0\0\0\0\1a", 6);
	frame(&in, HEADERS, END_HEADERS, 3, BLOCK, BLOCK_LENGTH);
	assert_int_equal(follow(frames, &in, piece, 10, false), RPC_FRAMES_GOOD);
	assert_int_equal(frames->n_refused, 1);
	assert_int_equal(frames->n_requests, 2);
}

static void the_body_of_a_refused_request_is_the_beginning_of_a_message(void **state)
{
	(void)state;
	static const char *const bodies[] = {"{\"page\":1}", "\2\0\0\0\1a", "a=b", "\0\0\0\0\1a and more",
	                                     "\377\377\377\377\377"};
	static const uint8_t expected[] = {0, 2, 0, 0, 0};
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]) * PIECES; i++) {
		const char *body = bodies[i / PIECES];
		const uint32_t length = i / PIECES == 1 ? 6 : i / PIECES == 3 ? 15 : (uint32_t)strlen(body);
		struct rpc_frames frames = {0};
		begin(&in);
		frame(&in, HEADERS, END_HEADERS, 1, NULL, 0);
		frame(&in, DATA, 0, 1, body, length);
		const uint8_t *sent = in.data + in.length - length;
		assert_int_equal(follow(&frames, &in, pieces[i % PIECES], 10, false), RPC_FRAMES_GOOD);
		assert_int_equal(memcmp(sent, expected, length < 5 ? length : 5), 0);
		if (length > 5)
			assert_int_equal(memcmp(sent + 5, body + 5, length - 5), 0);
		assert_int_equal(frames.n_requests, 1);
		assert_int_equal(frames.request_bytes, length);
		/* gRPC ignores what comes after the end; the request stays refused. */
		frame(&in, DATA, END_STREAM, 1, NULL, 0);
		frame(&in, DATA, 0, 1, "\0\0\0\0\1a", 6);
		assert_int_equal(follow(&frames, &in, pieces[i % PIECES], 10, false), RPC_FRAMES_GOOD);
		assert_int_equal(frames.n_refused, 1);
		assert_int_equal(frames.n_requests, 0);
		assert_int_equal(frames.request_bytes, 0);
		rpc_frames_free(&frames);
	}
}

/*
 * A field of 96 bytes, as base64, of which gRPC counts 72 in its table: it still has the first of them when there is no
 * room any more by RFC 7541. What cannot be decompressed at all is left to gRPC.
 */
static void tables_as_grpc_has_them(void **state)
{
	(void)state;
	static const char name[] = "\x40\x0ex-number-1-bin\x60";
	struct rpc_frames frames = {0};
	static char block[8000];
	uint32_t length = 0;
	begin(&in);
	memcpy(block, "\x40\14content-type\20application/grpc", 31);
	length = 31;
	for (int i = 0; i < 34; i++) {
		memcpy(block + length, name, sizeof(name) - 1);
		memset(block + length + sizeof(name) - 1, 'A', 96);
		length += (uint32_t)sizeof(name) - 1 + 96;
	}
	frame(&in, HEADERS, END_HEADERS | END_STREAM, 1, block, length);
	frame(&in, HEADERS, END_HEADERS | END_STREAM, 3, "\xe0", 1); /* 62 + 34: the oldest field */
	assert_int_equal(follow(&frames, &in, 7, 10, false), RPC_FRAMES_GOOD);
	assert_int_equal(frames.n_refused, 0);
	assert_false(frames.unreadable);
	frame(&in, HEADERS, END_HEADERS | END_STREAM, 5, "\xff\xff\x7f", 3);
	frame(&in, HEADERS, END_HEADERS | END_STREAM, 7, "\0\1a\1b", 5);
	assert_int_equal(follow(&frames, &in, 7, 10, false), RPC_FRAMES_GOOD);
	assert_true(frames.unreadable);
	assert_int_equal(frames.n_refused, 0);
	rpc_frames_free(&frames);
}

/* What gRPC writes for a cancelled call, and an answer of any other kind. */
#define CANCELLED(status) "\0\7:status\3" status "\0\14content-type"
#define ANSWER "\x88\0\7:status\003200"

static void answers_to_refused_requests_are_415(void **state)
{
	(void)state;
	static struct bytes out;
	static const struct {
		uint32_t stream;
		const char *sent, *expected;
		size_t length;
	} cases[] = {
	    {1, CANCELLED("200"), CANCELLED("415"), sizeof(CANCELLED("200")) - 1},
	    {3, CANCELLED("200"), CANCELLED("200"), sizeof(CANCELLED("200")) - 1},
	    {1, ANSWER, ANSWER, sizeof(ANSWER) - 1},
	    {1, "\0\7:status\0032", "\0\7:status\0034", 11},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]) * PIECES; i++) {
		struct rpc_frames frames = {0};
		const size_t piece = pieces[i % PIECES], at_case = i / PIECES, length = cases[at_case].length;
		begin_refused(&frames, piece);
		out.length = 0;
		frame(&out, SETTINGS, 0, 0, "\0\3\0\0\4\0", 6);
		frame(&out, HEADERS, END_HEADERS | END_STREAM, cases[at_case].stream, cases[at_case].sent, (uint32_t)length);
		frame(&out, HEADERS, END_HEADERS | END_STREAM, 3, CANCELLED("200"), sizeof(CANCELLED("200")) - 1);
		for (size_t at = 0; at < out.length;) {
			/* All that is left is looked at each time, in two parts; only a piece of it is sent. */
			const size_t left = out.length - at, sent = piece < left ? piece : left;
			const struct iovec parts[] = {{out.data + at, left / 2}, {out.data + at + left / 2, left - left / 2}};
			rpc_frames_answer(&frames, parts, 2);
			rpc_frames_sent(&frames, out.data + at, sent);
			at += sent;
		}
		assert_int_equal(memcmp(out.data + 24, cases[at_case].expected, length), 0);
		assert_int_equal(memcmp(out.data + 33 + length, CANCELLED("200"), sizeof(CANCELLED("200")) - 1), 0);
		assert_int_equal(frames.n_refused, cases[at_case].stream == 3);
		assert_false(frames.out.refused);
		rpc_frames_free(&frames);
	}
}

static void a_message_has_a_limit(void **state)
{
	(void)state;
	for (uint32_t more = 0; more < 2; more++) {
		struct rpc_frames frames = {0};
		uint32_t length = RPC_FRAMES_MESSAGE_MAX + more;
		uint8_t prefix[] = {0, (uint8_t)(length >> 24), (uint8_t)(length >> 16), (uint8_t)(length >> 8),
		                    (uint8_t)length};
		begin(&in);
		frame(&in, HEADERS, END_HEADERS, 1, BLOCK, BLOCK_LENGTH);
		frame(&in, DATA, 0, 1, prefix, sizeof(prefix));
		assert_int_equal(follow(&frames, &in, 1, 10, false), more ? RPC_FRAMES_MESSAGE : RPC_FRAMES_GOOD);
		rpc_frames_free(&frames);
	}
}

static void buckets_fill_again(void **state)
{
	(void)state;
	struct rpc_bucket bucket = {0};
	int64_t now_us = INT64_C(1000000000);
	for (int i = 0; i < 10; i++)
		assert_true(rpc_bucket_take(&bucket, now_us, 100, 10));
	assert_false(rpc_bucket_take(&bucket, now_us, 100, 10));
	assert_false(rpc_bucket_take(&bucket, now_us + 9999, 100, 10));
	assert_true(rpc_bucket_take(&bucket, now_us + 10000, 100, 10));
	assert_false(rpc_bucket_take(&bucket, now_us + 10000, 100, 10));
	for (int i = 0; i < 10; i++)
		assert_true(rpc_bucket_take(&bucket, now_us + 10000000, 100, 10));
	assert_false(rpc_bucket_take(&bucket, now_us + 10000000, 100, 10));
}

static void those_who_speak_something_else(void **state)
{
	(void)state;
	static const struct {
		const char *sent;
		enum rpc_frames_verdict verdict;
	} cases[] = {
	    {"GET / HTTP/1.1\r\n", RPC_FRAMES_HTTP1}, {"POST / HTTP/1.1\r\n", RPC_FRAMES_HTTP1},
	    {"PUT / HTTP/1.1\r\n", RPC_FRAMES_HTTP1}, {"\x16\x03\x01", RPC_FRAMES_TLS},
	    {"*1\r\n", RPC_FRAMES_NOT_HTTP2},         {"PRI * HTTP/2.1", RPC_FRAMES_NOT_HTTP2},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rpc_frames frames = {0};
		in.length = 0;
		add(&in, cases[i].sent, strlen(cases[i].sent));
		assert_int_equal(follow(&frames, &in, 1, 10, false), cases[i].verdict);
		assert_true(strlen(rpc_frames_verdict_name(cases[i].verdict)) > 2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(requests_are_counted_until_their_message_is_there),
	    cmocka_unit_test(streams_are_counted_until_they_are_answered),
	    cmocka_unit_test(the_drain_hides_new_streams),
	    cmocka_unit_test(what_is_too_much),
	    cmocka_unit_test(each_request_pays_for_a_ping),
	    cmocka_unit_test(windows_are_updated_for_what_is_sent),
	    cmocka_unit_test(other_content_types_are_refused),
	    cmocka_unit_test(the_body_of_a_refused_request_is_the_beginning_of_a_message),
	    cmocka_unit_test(tables_as_grpc_has_them),
	    cmocka_unit_test(answers_to_refused_requests_are_415),
	    cmocka_unit_test(a_message_has_a_limit),
	    cmocka_unit_test(buckets_fill_again),
	    cmocka_unit_test(those_who_speak_something_else),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
