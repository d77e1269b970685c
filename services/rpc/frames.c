/* rpc/frames: frame types and flags are those of RFC 9113; a message's prefix is that of gRPC over HTTP/2. */
#include "rpc/frames.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>

#include "rpc/block.h"

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
enum { FLAG_END_STREAM = 1, FLAG_ACK = 1, FLAG_END_HEADERS = 4, FLAG_PADDED = 8, FLAG_PRIORITY = 32 };
enum { TYPE_OFFSET = 3, FLAGS_OFFSET = 4, STREAM_OFFSET = 5 };
enum { PREFIX_BYTES = 5, PRIORITY_BYTES = 5, TLS_HANDSHAKE = 0x16, FIRST_STREAMS = 4, PAID_PINGS_MAX = 1000 };
/* Each request, and each frame of data that was sent, pays for so many updates of windows: most clients send two. */
enum { PAID_UPDATES = 4, PAID_UPDATES_MAX = 4000 };

/* The prefix of a message of 32 MiB, above RPC_FRAMES_MESSAGE_MAX, with which the body of a refused request begins. */
static const uint8_t refused_prefix[PREFIX_BYTES] = {0, 2};

/* How gRPC's answer to a cancelled call begins; the digits of the status are the last three bytes. */
static const uint8_t cancelled[] = "\0\7:status\3"
                                   "200";
static const char refused[] = "415";
enum {
	DIGITS = sizeof(refused) - 1,
	CANCELLED_BYTES = sizeof(cancelled) - 1,
	DIGITS_OFFSET = CANCELLED_BYTES - DIGITS
};

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

/* A request, or a frame of data that was sent. */
static void pay(struct rpc_frames *frames)
{
	frames->paid_updates = MIN(frames->paid_updates + PAID_UPDATES, PAID_UPDATES_MAX);
	frames->paid_pings = MIN(frames->paid_pings + 1, PAID_PINGS_MAX);
}

static enum rpc_frames_verdict stream_add(struct rpc_frames *frames, bool arrived, int64_t now_us)
{
	if (frames->n_streams == frames->capacity) {
		uint32_t capacity = frames->capacity ? frames->capacity * 2 : FIRST_STREAMS;
		struct rpc_frames_stream *grown = realloc(frames->streams, capacity * sizeof(*grown));
		if (!grown)
			return RPC_FRAMES_MEMORY;
		frames->streams = grown;
		frames->capacity = capacity;
	}
	frames->streams[frames->n_streams++] =
	    (struct rpc_frames_stream){.id = frames->in.stream, .arrived = arrived, .since_us = now_us};
	frames->n_requests += !arrived;
	return RPC_FRAMES_GOOD;
}

static struct rpc_frames_stream *stream_find(const struct rpc_frames *frames, uint32_t id)
{
	uint32_t low = 0, high = frames->n_streams;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (frames->streams[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low < frames->n_streams && frames->streams[low].id == id ? &frames->streams[low] : NULL;
}

/* Takes NULL. */
static void stream_arrived(struct rpc_frames *frames, struct rpc_frames_stream *stream)
{
	if (!stream || stream->arrived)
		return;
	stream->arrived = true;
	frames->n_requests--;
	frames->request_bytes -= stream->got;
}

static void stream_remove(struct rpc_frames *frames, uint32_t id)
{
	struct rpc_frames_stream *stream = stream_find(frames, id);
	if (!stream)
		return;
	stream_arrived(frames, stream);
	frames->n_refused -= stream->refused;
	struct rpc_frames_stream *end = frames->streams + --frames->n_streams;
	memmove(stream, stream + 1, (size_t)(end - stream) * sizeof(*stream));
}

/* A frame of a header block has begun: whether the block stays within bounds. */
static enum rpc_frames_verdict block_add(struct rpc_frames *frames, int64_t now_us)
{
	enum rpc_frames_verdict verdict = RPC_FRAMES_GOOD;
	frames->block_bytes += frames->in.left;
	frames->block_frames++;
	frames->in_block = !(frames->in.flags & FLAG_END_HEADERS);
	if (frames->block_bytes > RPC_FRAMES_BLOCK_MAX || frames->block_frames > RPC_FRAMES_BLOCK_FRAMES_MAX)
		return RPC_FRAMES_BLOCK;
	if (!frames->in_block && frames->block_bytes > RPC_FRAMES_BLOCK_LARGE)
		for (int i = 0; i < RPC_FRAMES_BLOCK_LARGE_WASTE && verdict == RPC_FRAMES_GOOD; i++)
			verdict = waste(frames, now_us);
	return verdict;
}

/*
 * Padding is malformed because gRPC reads it as a part of the block; even streams, because gRPC ignores them, and takes
 * lower ones as new.
 */
static enum rpc_frames_verdict headers_begin(struct rpc_frames *frames, int64_t now_us)
{
	frames->block_bytes = frames->block_frames = 0;
	frames->block_priority = frames->in.flags & FLAG_PRIORITY ? PRIORITY_BYTES : 0;
	enum rpc_frames_verdict verdict = block_add(frames, now_us);
	if (verdict != RPC_FRAMES_GOOD || frames->block_hidden)
		return verdict;
	if (frames->in.flags & FLAG_PADDED || frames->in.left < frames->block_priority || frames->in.stream % 2 == 0)
		return RPC_FRAMES_MALFORMED;
	frames->block_opens = frames->in.stream > frames->last_stream;
	if (frames->block_opens) {
		frames->last_stream = frames->in.stream;
		pay(frames);
		return stream_add(frames, frames->in.flags & FLAG_END_STREAM, now_us);
	}
	if (frames->in.flags & FLAG_END_STREAM)
		stream_arrived(frames, stream_find(frames, frames->in.stream));
	return RPC_FRAMES_GOOD;
}

static enum rpc_frames_verdict block_verdict(struct rpc_frames *frames, int result)
{
	switch (result) {
	case -ENOMEM:
		return RPC_FRAMES_MEMORY;
	case -E2BIG:
		return RPC_FRAMES_BLOCK;
	case -EBADMSG:
		frames->unreadable = true;
		return RPC_FRAMES_GOOD;
	default:
		return RPC_FRAMES_GOOD;
	}
}

/* Bytes of a header block, and of the priority before it. */
static enum rpc_frames_verdict block_read(struct rpc_frames *frames, const uint8_t *data, size_t length)
{
	const size_t priority = MIN(frames->block_priority, length);
	frames->block_priority -= (uint8_t)priority;
	if (frames->unreadable)
		return RPC_FRAMES_GOOD;
	if (!frames->block)
		frames->block = rpc_block_create();
	int result = frames->block ? rpc_block_read(frames->block, data + priority, length - priority) : -ENOMEM;
	return block_verdict(frames, result);
}

/* A header block has been read: a request without a content type of gRPC's is refused. */
static enum rpc_frames_verdict block_end(struct rpc_frames *frames)
{
	bool is_grpc = false;
	const int result = frames->block && !frames->unreadable ? rpc_block_end(frames->block, &is_grpc) : 0;
	const enum rpc_frames_verdict verdict = block_verdict(frames, result);
	struct rpc_frames_stream *stream =
	    is_grpc || frames->unreadable || !frames->block_opens ? NULL : stream_find(frames, frames->in.stream);
	if (stream) {
		stream->refused = true;
		frames->n_refused++;
	}
	return verdict;
}

/* Takes one of the frames that have been paid for; without one this frame is wasted. */
static enum rpc_frames_verdict take_paid(struct rpc_frames *frames, uint32_t *paid, int64_t now_us)
{
	if (!*paid)
		return waste(frames, now_us);
	--*paid;
	return RPC_FRAMES_GOOD;
}

/*
 * A client that adapts its windows sends a ping with every answer's data, once a round trip: thousands a second on a
 * fast connection. So each request pays for one, and so does each frame of data, of which a stream sends many for one
 * request; gRPC itself closes connections that send pings without either (too_many_pings).
 */
static enum rpc_frames_verdict ping_begin(struct rpc_frames *frames, int64_t now_us)
{
	return frames->in.flags & FLAG_ACK ? RPC_FRAMES_GOOD : take_paid(frames, &frames->paid_pings, now_us);
}

/* The head of a frame is complete; its payload follows. */
static enum rpc_frames_verdict frame_begin(struct rpc_frames *frames, int64_t now_us)
{
	bool continues = frames->in.type == FRAME_CONTINUATION;
	if (frames->in_block != continues)
		return RPC_FRAMES_MALFORMED;
	switch (frames->in.type) {
	case FRAME_HEADERS:
		return headers_begin(frames, now_us);
	case FRAME_CONTINUATION:
		return block_add(frames, now_us);
	case FRAME_DATA:
		if (frames->in.flags & FLAG_PADDED)
			return RPC_FRAMES_MALFORMED;
		return frames->in.left || frames->in.flags & FLAG_END_STREAM ? RPC_FRAMES_GOOD : waste(frames, now_us);
	case FRAME_RST_STREAM:
		stream_remove(frames, frames->in.stream);
		return waste(frames, now_us);
	case FRAME_SETTINGS:
		return frames->in.flags & FLAG_ACK ? RPC_FRAMES_GOOD : waste(frames, now_us);
	case FRAME_PING:
		return ping_begin(frames, now_us);
	case FRAME_WINDOW_UPDATE:
		return take_paid(frames, &frames->paid_updates, now_us);
	default:
		return waste(frames, now_us);
	}
}

/* A message follows one that has arrived: the next of a stream of requests. */
static void message_begin(struct rpc_frames *frames, struct rpc_frames_stream *stream, int64_t now_us)
{
	*stream = (struct rpc_frames_stream){.id = stream->id, .since_us = now_us};
	frames->n_requests++;
}

/* Bytes of the body of a refused request, which is no message but must look like the beginning of one. */
static enum rpc_frames_verdict refused_add(struct rpc_frames *frames, struct rpc_frames_stream *stream, uint8_t *data,
                                           uint32_t length)
{
	if (stream->arrived)
		return RPC_FRAMES_GOOD;
	for (uint32_t i = 0; i < length && stream->got + i < PREFIX_BYTES; i++)
		data[i] = refused_prefix[stream->got + i];
	stream->got += length;
	frames->request_bytes += length;
	return stream->got > RPC_FRAMES_MESSAGE_MAX ? RPC_FRAMES_MESSAGE : RPC_FRAMES_GOOD;
}

/* Bytes of messages. */
static enum rpc_frames_verdict data_add(struct rpc_frames *frames, uint8_t *data, uint32_t length, int64_t now_us)
{
	struct rpc_frames_stream *stream = stream_find(frames, frames->in.stream);
	if (stream && stream->refused)
		return refused_add(frames, stream, data, length);
	for (uint32_t part = 1; stream && length > 0; data += part, length -= part) {
		if (stream->arrived)
			message_begin(frames, stream, now_us);
		part = 1;
		if (stream->got >= PREFIX_BYTES)
			part = MIN(length, stream->length + PREFIX_BYTES - stream->got);
		else if (stream->got > 0)
			stream->length = stream->length << 8 | *data;
		stream->got += part;
		frames->request_bytes += part;
		if (stream->got >= PREFIX_BYTES && stream->length > RPC_FRAMES_MESSAGE_MAX)
			return RPC_FRAMES_MESSAGE;
		if (stream->got >= PREFIX_BYTES && stream->got - PREFIX_BYTES == stream->length)
			stream_arrived(frames, stream);
	}
	return RPC_FRAMES_GOOD;
}

static uint32_t number_of(const uint8_t *bytes)
{
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* Takes bytes of a frame's head. Returns how many; the head is complete when head_length is RPC_FRAMES_HEAD_BYTES. */
static size_t head_take(struct rpc_frames_frame *frame, const uint8_t *data, size_t length)
{
	const size_t taken = MIN(length, (size_t)(RPC_FRAMES_HEAD_BYTES - frame->head_length));
	memcpy(frame->head + frame->head_length, data, taken);
	frame->head_length += (uint8_t)taken;
	if (frame->head_length == RPC_FRAMES_HEAD_BYTES) {
		frame->left = number_of(frame->head) >> 8;
		frame->type = frame->head[TYPE_OFFSET];
		frame->flags = frame->head[FLAGS_OFFSET];
		frame->stream = number_of(frame->head + STREAM_OFFSET) & INT32_MAX;
	}
	return taken;
}

static bool is_header_frame(uint8_t type)
{
	return type == FRAME_HEADERS || type == FRAME_CONTINUATION;
}

/* Makes a header frame's type unknown to gRPC while it drains; a block that has begun before goes on. */
static void hide(struct rpc_frames *frames, uint8_t *type, bool drain)
{
	if (*type == FRAME_HEADERS)
		frames->block_hidden = drain;
	if (frames->block_hidden && is_header_frame(*type))
		*type = FRAME_HIDDEN;
}

/* Checks a byte of the client's preface; the verdict distinguishes TLS and HTTP/1 clients from others. */
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
static enum rpc_frames_verdict frame_end(struct rpc_frames *frames)
{
	frames->in.head_length = 0;
	if (frames->in.type == FRAME_DATA && frames->in.flags & FLAG_END_STREAM)
		stream_arrived(frames, stream_find(frames, frames->in.stream));
	return is_header_frame(frames->in.type) && !frames->in_block && !frames->block_hidden ? block_end(frames)
	                                                                                      : RPC_FRAMES_GOOD;
}

enum rpc_frames_verdict rpc_frames_follow(struct rpc_frames *frames, uint8_t *data, size_t length, int64_t now_us,
                                          bool drain)
{
	enum rpc_frames_verdict verdict = RPC_FRAMES_GOOD;
	uint8_t *end = data + length;
	while (data < end && frames->preface < PREFACE_BYTES && verdict == RPC_FRAMES_GOOD)
		verdict = preface_add(frames, *data++);
	while (data < end && verdict == RPC_FRAMES_GOOD) {
		struct rpc_frames_frame *in = &frames->in;
		if (in->head_length < RPC_FRAMES_HEAD_BYTES) {
			const uint8_t before = in->head_length;
			const size_t taken = head_take(in, data, (size_t)(end - data));
			if (before <= TYPE_OFFSET && in->head_length > TYPE_OFFSET)
				hide(frames, data + TYPE_OFFSET - before, drain);
			data += taken;
			if (in->head_length < RPC_FRAMES_HEAD_BYTES)
				break;
			verdict = frame_begin(frames, now_us);
		} else {
			uint32_t part = (size_t)(end - data) < in->left ? (uint32_t)(end - data) : in->left;
			if (in->type == FRAME_DATA)
				verdict = data_add(frames, data, part, now_us);
			else if (is_header_frame(in->type) && !frames->block_hidden)
				verdict = block_read(frames, data, part);
			data += part;
			in->left -= part;
		}
		if (in->left == 0 && verdict == RPC_FRAMES_GOOD)
			verdict = frame_end(frames);
	}
	return verdict;
}

/* The head of a frame is complete. `sent`: and has been sent. */
static void out_begin(struct rpc_frames *frames, struct rpc_frames_frame *out, bool sent)
{
	const struct rpc_frames_stream *stream = out->type == FRAME_HEADERS ? stream_find(frames, out->stream) : NULL;
	out->refused = stream && stream->refused;
	out->status_begun = 0;
	if (sent && out->type == FRAME_DATA)
		pay(frames);
	if (sent && (out->type == FRAME_RST_STREAM || (out->type <= FRAME_HEADERS && out->flags & FLAG_END_STREAM)))
		stream_remove(frames, out->stream);
}

/* Bytes of the header block that answers a refused request. */
static void status_replace(struct rpc_frames_frame *out, uint8_t *data, size_t length)
{
	const size_t offset = (number_of(out->head) >> 8) - out->left;
	for (size_t at = offset; at < CANCELLED_BYTES && at - offset < length; at++) {
		uint8_t *byte = &data[at - offset];
		if (at < DIGITS_OFFSET)
			out->status_begun += out->status_begun == at && *byte == cancelled[at];
		else if (out->status_begun == DIGITS_OFFSET)
			*byte = (uint8_t)refused[at - DIGITS_OFFSET];
	}
}

/* Follows bytes of the server from `out`, and replaces the status where a request is refused. */
static void out_follow(struct rpc_frames *frames, struct rpc_frames_frame *out, uint8_t *data, size_t length, bool sent)
{
	while (length > 0) {
		size_t part;
		if (out->head_length < RPC_FRAMES_HEAD_BYTES) {
			part = head_take(out, data, length);
			if (out->head_length == RPC_FRAMES_HEAD_BYTES)
				out_begin(frames, out, sent);
		} else {
			part = MIN(length, out->left);
			if (out->refused)
				status_replace(out, data, part);
			out->left -= (uint32_t)part;
		}
		if (out->head_length == RPC_FRAMES_HEAD_BYTES && out->left == 0) {
			out->head_length = 0;
			out->refused = false;
		}
		data += part;
		length -= part;
	}
}

void rpc_frames_answer(struct rpc_frames *frames, const struct iovec *parts, size_t count)
{
	struct rpc_frames_frame out = frames->out;
	for (size_t i = 0; i < count && (frames->n_refused || out.refused); i++)
		out_follow(frames, &out, parts[i].iov_base, parts[i].iov_len, false);
}

void rpc_frames_sent(struct rpc_frames *frames, uint8_t *data, size_t length)
{
	out_follow(frames, &frames->out, data, length, true);
}

int64_t rpc_frames_oldest_us(const struct rpc_frames *frames)
{
	int64_t oldest_us = INT64_MAX;
	for (uint32_t i = 0; frames->n_requests && i < frames->n_streams; i++)
		if (!frames->streams[i].arrived)
			oldest_us = MIN(oldest_us, frames->streams[i].since_us);
	return oldest_us;
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
	free(frames->streams);
	rpc_block_destroy(frames->block);
	frames->streams = NULL;
	frames->block = NULL;
	frames->n_streams = frames->n_refused = frames->n_requests = frames->capacity = 0;
}
