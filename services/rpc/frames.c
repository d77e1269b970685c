/* rpc/frames: frame types and flags are those of RFC 9113; a message's prefix is that of gRPC over HTTP/2. */
#include "rpc/frames.h"

#include <stdlib.h>
#include <string.h>

enum {
	FRAME_DATA = 0,
	FRAME_HEADERS = 1,
	FRAME_RST_STREAM = 3,
	FRAME_SETTINGS = 4,
	FRAME_PING = 6,
	FRAME_WINDOW_UPDATE = 8,
	FRAME_CONTINUATION = 9,
	FRAME_HIDDEN = 0xfb, /* no RFC gives it a meaning */
};
enum { FLAG_END_STREAM = 1, FLAG_ACK = 1, FLAG_END_HEADERS = 4, FLAG_PADDED = 8 };
enum { HEAD_BYTES = 9, TYPE_OFFSET = 3, FLAGS_OFFSET = 4, STREAM_OFFSET = 5 };
enum { PREFIX_BYTES = 5, TLS_HANDSHAKE = 0x16, FIRST_REQUESTS = 4, PAID_PINGS_MAX = 1000 };

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
enum { PREFACE_BYTES = sizeof(preface) - 1 };

bool rpc_bucket_take(struct rpc_bucket *bucket, int64_t now_us, int64_t per_second, int64_t burst)
{
	int64_t each_us = 1000000 / per_second;
	int64_t from_us = bucket->empty_until_us > now_us ? bucket->empty_until_us : now_us;
	if (from_us + each_us - now_us > burst * each_us)
		return false;
	bucket->empty_until_us = from_us + each_us;
	return true;
}

static enum rpc_frames_verdict waste(struct rpc_frames *frames, int64_t now_us)
{
	frames->wasted++;
	return rpc_bucket_take(&frames->waste, now_us, RPC_FRAMES_WASTE_PER_SECOND, RPC_FRAMES_WASTE_BURST)
	           ? RPC_FRAMES_GOOD
	           : RPC_FRAMES_WASTE;
}

static enum rpc_frames_verdict request_add(struct rpc_frames *frames, int64_t now_us)
{
	if (frames->n_requests == frames->capacity) {
		uint32_t capacity = frames->capacity ? frames->capacity * 2 : FIRST_REQUESTS;
		struct rpc_frames_request *grown = realloc(frames->requests, capacity * sizeof(*grown));
		if (!grown)
			return RPC_FRAMES_MEMORY;
		frames->requests = grown;
		frames->capacity = capacity;
	}
	frames->requests[frames->n_requests++] = (struct rpc_frames_request){.stream = frames->stream, .since_us = now_us};
	return RPC_FRAMES_GOOD;
}

/* The newest ones are looked at first: most requests are finished right after they began. */
static struct rpc_frames_request *request_find(const struct rpc_frames *frames, uint32_t stream)
{
	for (uint32_t i = frames->n_requests; i > 0; i--)
		if (frames->requests[i - 1].stream == stream)
			return &frames->requests[i - 1];
	return NULL;
}

static void request_remove(struct rpc_frames *frames, uint32_t stream)
{
	struct rpc_frames_request *request = request_find(frames, stream);
	if (!request)
		return;
	frames->request_bytes -= request->got;
	struct rpc_frames_request *end = frames->requests + --frames->n_requests;
	memmove(request, request + 1, (size_t)(end - request) * sizeof(*request));
}

/* A header frame's first part: whether its block stays within bounds. */
static enum rpc_frames_verdict block_add(struct rpc_frames *frames)
{
	frames->block_bytes += frames->left;
	frames->block_frames++;
	frames->in_block = !(frames->flags & FLAG_END_HEADERS);
	return frames->block_bytes > RPC_FRAMES_BLOCK_MAX || frames->block_frames > RPC_FRAMES_BLOCK_FRAMES_MAX
	           ? RPC_FRAMES_BLOCK
	           : RPC_FRAMES_GOOD;
}

static enum rpc_frames_verdict headers_begin(struct rpc_frames *frames, int64_t now_us)
{
	frames->block_bytes = frames->block_frames = 0;
	enum rpc_frames_verdict verdict = block_add(frames);
	if (verdict != RPC_FRAMES_GOOD || frames->block_hidden)
		return verdict;
	if (frames->stream > frames->last_stream) {
		frames->last_stream = frames->stream;
		frames->paid_pings += frames->paid_pings < PAID_PINGS_MAX;
		return frames->flags & FLAG_END_STREAM ? RPC_FRAMES_GOOD : request_add(frames, now_us);
	}
	if (frames->flags & FLAG_END_STREAM)
		request_remove(frames, frames->stream);
	return RPC_FRAMES_GOOD;
}

/*
 * A client that adapts its windows sends a ping with every answer's data, once a round trip: thousands a second on a
 * fast connection. So each request pays for one; gRPC itself closes connections that send pings without requests
 * (too_many_pings).
 */
static enum rpc_frames_verdict ping_begin(struct rpc_frames *frames, int64_t now_us)
{
	if (frames->flags & FLAG_ACK)
		return RPC_FRAMES_GOOD;
	if (!frames->paid_pings)
		return waste(frames, now_us);
	frames->paid_pings--;
	return RPC_FRAMES_GOOD;
}

/* The head of a frame is complete; its payload follows. */
static enum rpc_frames_verdict frame_begin(struct rpc_frames *frames, int64_t now_us)
{
	bool continues = frames->type == FRAME_CONTINUATION;
	if (frames->in_block != continues)
		return RPC_FRAMES_MALFORMED;
	switch (frames->type) {
	case FRAME_HEADERS:
		return headers_begin(frames, now_us);
	case FRAME_CONTINUATION:
		return block_add(frames);
	case FRAME_DATA:
		if (frames->flags & FLAG_PADDED)
			return RPC_FRAMES_MALFORMED;
		return frames->left || frames->flags & FLAG_END_STREAM ? RPC_FRAMES_GOOD : waste(frames, now_us);
	case FRAME_RST_STREAM:
		request_remove(frames, frames->stream);
		return waste(frames, now_us);
	case FRAME_SETTINGS:
		return frames->flags & FLAG_ACK ? RPC_FRAMES_GOOD : waste(frames, now_us);
	case FRAME_PING:
		return ping_begin(frames, now_us);
	case FRAME_WINDOW_UPDATE:
		return RPC_FRAMES_GOOD;
	default:
		return waste(frames, now_us);
	}
}

/* Bytes of a message that has not arrived yet. */
static enum rpc_frames_verdict data_add(struct rpc_frames *frames, const uint8_t *data, uint32_t length)
{
	struct rpc_frames_request *request = request_find(frames, frames->stream);
	if (!request)
		return RPC_FRAMES_GOOD;
	frames->request_bytes += length;
	for (; length > 0 && request->got < PREFIX_BYTES; data++, length--) {
		if (request->got > 0)
			request->length = request->length << 8 | *data;
		request->got++;
	}
	request->got += length;
	if (request->got < PREFIX_BYTES)
		return RPC_FRAMES_GOOD;
	if (request->length > RPC_FRAMES_MESSAGE_MAX)
		return RPC_FRAMES_MESSAGE;
	if (request->got - PREFIX_BYTES >= request->length)
		request_remove(frames, frames->stream);
	return RPC_FRAMES_GOOD;
}

/* Takes one byte of a frame's head. Returns whether the head is complete. */
static bool head_add(struct rpc_frames *frames, uint8_t *byte, bool drain)
{
	uint8_t at = frames->head_length++;
	if (at < TYPE_OFFSET) {
		frames->left = at == 0 ? *byte : frames->left << 8 | *byte;
	} else if (at == TYPE_OFFSET) {
		frames->type = *byte;
		if (*byte == FRAME_HEADERS)
			frames->block_hidden = drain;
		if (frames->block_hidden && (*byte == FRAME_HEADERS || *byte == FRAME_CONTINUATION))
			*byte = FRAME_HIDDEN;
	} else if (at == FLAGS_OFFSET) {
		frames->flags = *byte;
	} else {
		frames->stream = at == STREAM_OFFSET ? *byte & 0x7f : frames->stream << 8 | *byte;
	}
	return frames->head_length == HEAD_BYTES;
}

/* The client's first bytes: says who it is when it is not HTTP/2. */
static enum rpc_frames_verdict preface_add(struct rpc_frames *frames, uint8_t byte)
{
	if (byte == (uint8_t)preface[frames->preface]) {
		frames->preface++;
		return RPC_FRAMES_GOOD;
	}
	if (frames->preface == 0 && byte == TLS_HANDSHAKE)
		return RPC_FRAMES_TLS;
	/* PUT, POST and PATCH begin as the preface does. */
	return frames->preface <= 1 && byte >= 'A' && byte <= 'Z' ? RPC_FRAMES_HTTP1 : RPC_FRAMES_NOT_HTTP2;
}

/* The payload of the frame has been read. */
static void frame_end(struct rpc_frames *frames)
{
	frames->head_length = 0;
	if (frames->type == FRAME_DATA && frames->flags & FLAG_END_STREAM)
		request_remove(frames, frames->stream);
}

enum rpc_frames_verdict rpc_frames_follow(struct rpc_frames *frames, uint8_t *data, size_t length, int64_t now_us,
                                          bool drain)
{
	enum rpc_frames_verdict verdict = RPC_FRAMES_GOOD;
	uint8_t *end = data + length;
	while (data < end && frames->preface < PREFACE_BYTES && verdict == RPC_FRAMES_GOOD)
		verdict = preface_add(frames, *data++);
	while (data < end && verdict == RPC_FRAMES_GOOD) {
		if (frames->head_length < HEAD_BYTES) {
			if (!head_add(frames, data++, drain))
				continue;
			verdict = frame_begin(frames, now_us);
		} else {
			uint32_t part = (size_t)(end - data) < frames->left ? (uint32_t)(end - data) : frames->left;
			if (frames->type == FRAME_DATA)
				verdict = data_add(frames, data, part);
			data += part;
			frames->left -= part;
		}
		if (frames->left == 0)
			frame_end(frames);
	}
	return verdict;
}

int64_t rpc_frames_oldest_us(const struct rpc_frames *frames)
{
	return frames->n_requests ? frames->requests[0].since_us : INT64_MAX;
}

const char *rpc_frames_verdict_name(enum rpc_frames_verdict verdict)
{
	static const char *const names[RPC_FRAMES_VERDICTS] = {
	    [RPC_FRAMES_GOOD] = "good",           [RPC_FRAMES_TLS] = "tls",
	    [RPC_FRAMES_HTTP1] = "http1",         [RPC_FRAMES_NOT_HTTP2] = "not_http2",
	    [RPC_FRAMES_MALFORMED] = "malformed", [RPC_FRAMES_BLOCK] = "header_block",
	    [RPC_FRAMES_MESSAGE] = "message",     [RPC_FRAMES_WASTE] = "resets",
	    [RPC_FRAMES_MEMORY] = "memory",
	};
	return names[verdict];
}

void rpc_frames_free(struct rpc_frames *frames)
{
	free(frames->requests);
	frames->requests = NULL;
	frames->n_requests = frames->capacity = 0;
}
