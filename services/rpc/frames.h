/*
 * rpc/frames: what one HTTP/2 client sends, followed frame by frame before
 * gRPC reads it.
 *
 * gRPC Core 1.51 bounds neither the resets, nor the header blocks, nor the
 * unfinished requests of a connection (CVE-2023-44487 and its siblings), so
 * they are counted here. A pure state machine: bytes and the time come in, a
 * verdict comes out. A verdict other than RPC_FRAMES_GOOD means that the
 * connection must be closed.
 *
 * Header fields are not read: HPACK compresses them with a table for each connection, so that a look at one field (say,
 * the content type, which gRPC Core 1.51 does not check and removes) means to decompress all of them twice.
 *
 * While it drains, header frames become frames of an unknown type, which
 * RFC 9113 section 4.1 requires gRPC to ignore. gRPC's final GOAWAY then names
 * the last stream that it has seen, and every client repeats the later ones.
 */
#ifndef CALLHISTORY_RPC_FRAMES_H
#define CALLHISTORY_RPC_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	RPC_FRAMES_BLOCK_MAX = 64 << 10,   /* bytes of one header block */
	RPC_FRAMES_BLOCK_FRAMES_MAX = 32,  /* frames of one header block */
	RPC_FRAMES_MESSAGE_MAX = 16 << 20, /* bytes of one message; what rpc/server refuses by itself is smaller */
	RPC_FRAMES_WASTE_PER_SECOND = 1000,
	RPC_FRAMES_WASTE_BURST = 1000,
};

enum rpc_frames_verdict {
	RPC_FRAMES_GOOD,
	RPC_FRAMES_TLS,       /* a TLS handshake instead of HTTP/2 */
	RPC_FRAMES_HTTP1,     /* an HTTP/1 request instead of HTTP/2 */
	RPC_FRAMES_NOT_HTTP2, /* neither of these */
	RPC_FRAMES_MALFORMED, /* frames that no gRPC client sends */
	RPC_FRAMES_BLOCK,     /* a header block above its limits */
	RPC_FRAMES_MESSAGE,   /* a message above RPC_FRAMES_MESSAGE_MAX */
	RPC_FRAMES_WASTE,     /* too many resets, settings, empty frames, and pings without requests */
	RPC_FRAMES_MEMORY,    /* out of memory */
	RPC_FRAMES_VERDICTS,
};

/* A token bucket: a burst, and a rate at which it fills again. Zeroed, it is full. */
struct rpc_bucket {
	int64_t empty_until_us;
};

/*
 * Takes one of a bucket that fills by `per_second` up to `burst`. Returns false, and takes nothing, when it is empty.
 */
bool rpc_bucket_take(struct rpc_bucket *bucket, int64_t now_us, int64_t per_second, int64_t burst);

/* A request whose first message has not arrived yet. */
struct rpc_frames_request {
	uint32_t stream;
	uint32_t got, length; /* bytes so far, and of the whole message with its prefix of five once those have come */
	int64_t since_us;
};

/* One connection. Zeroed, it is a new one. */
struct rpc_frames {
	uint32_t preface; /* bytes of the client's preface so far */
	uint8_t head_length;
	uint8_t type, flags;
	uint32_t stream, left; /* of the frame that is being read: its payload that is still to come */
	uint32_t last_stream;
	uint32_t block_bytes, block_frames; /* of the header block that is being read */
	bool in_block, block_hidden;
	uint32_t paid_pings; /* pings that requests have paid for */
	struct rpc_bucket waste;
	struct rpc_frames_request *requests; /* in the order of their arrival */
	uint32_t n_requests, capacity;
	uint64_t request_bytes; /* of these requests */
	uint64_t wasted;        /* frames that RPC_FRAMES_WASTE counts, since the connection began */
};

/* Follows `length` bytes of a connection. `drain`: hides header frames, in place. */
enum rpc_frames_verdict rpc_frames_follow(struct rpc_frames *frames, uint8_t *data, size_t length, int64_t now_us,
                                          bool drain);

/* Since when the oldest unfinished request is under way (the now_us of its header); INT64_MAX without one. */
int64_t rpc_frames_oldest_us(const struct rpc_frames *frames);

/* What a verdict means, for the log and as a label of metrics. */
const char *rpc_frames_verdict_name(enum rpc_frames_verdict verdict);

/* Frees what belongs to the connection. */
void rpc_frames_free(struct rpc_frames *frames);

#endif
