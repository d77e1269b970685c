/*
 * rpc/frames: what one HTTP/2 client sends, followed frame by frame before gRPC reads it.
 *
 * gRPC Core 1.51 bounds neither the resets, nor the header blocks, nor the unfinished requests of a connection
 * (CVE-2023-44487 and its siblings), nor, until a client acknowledges its settings, the streams; so they are counted
 * here. A pure state machine: from bytes and the time to a verdict. Any verdict but RPC_FRAMES_GOOD means that the
 * connection must be closed.
 *
 * A request whose content type is not gRPC's is answered with the HTTP status 415, as the protocol asks (gRPC over
 * HTTP/2, Requests). gRPC Core 1.51 neither looks at the type nor lets a program set the status. So such a request's
 * body becomes a message that is longer than the body: gRPC delivers none, and rpc/server, which finds none, cancels
 * the call. What gRPC writes for a cancelled call has the status in plain digits, which are replaced on the way out. A
 * connection whose blocks cannot be decompressed is left to gRPC, which closes it or knows better.
 *
 * While it drains, header frames become frames of an unknown type, which RFC 9113 section 4.1 requires gRPC to ignore.
 * gRPC's final GOAWAY then names the last stream that it has seen, and every client repeats the later ones.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

enum {
	RPC_FRAMES_HEAD_BYTES = 9,        /* of every frame */
	RPC_FRAMES_BLOCK_MAX = 64 << 10,  /* bytes of one header block */
	RPC_FRAMES_BLOCK_FRAMES_MAX = 32, /* frames of one header block */
	/* gRPC reads a larger block before it refuses the request: each counts as so many resets. */
	RPC_FRAMES_BLOCK_LARGE = 16 << 10,
	RPC_FRAMES_BLOCK_LARGE_WASTE = 100,
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
	RPC_FRAMES_WASTE,     /* too many resets, settings, empty frames, large header blocks, unpaid pings and updates */
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

/* A stream that neither side has ended. */
struct rpc_frames_stream {
	uint32_t id;
	uint32_t got,
	    length;   /* of a message: bytes so far, its prefix of five included; and its length, once that has come */
	bool arrived; /* the whole message, or the request's end without one; of one that is refused, its end */
	bool refused; /* for its content type */
	int64_t since_us;
};

/* The frame that is being read. */
struct rpc_frames_frame {
	uint8_t head[RPC_FRAMES_HEAD_BYTES], head_length;
	uint8_t type, flags;
	uint32_t stream, left; /* `left`: of its payload, that is still to come */
	bool refused;          /* of the server: it answers a request that is refused */
	uint8_t status_begun;  /* of such an answer: how many bytes are those before the digits of a status */
};

/* One connection. Zeroed, it is a new one. */
struct rpc_frames {
	uint32_t preface;                /* bytes of the client's preface so far */
	struct rpc_frames_frame in, out; /* of the client and of the server */
	uint32_t last_stream;
	uint32_t block_bytes, block_frames;       /* of the header block that is being read */
	bool in_block, block_hidden, block_opens; /* `block_opens`: its stream is new */
	bool unreadable;                          /* blocks are not decompressed any more */
	uint8_t block_priority;                   /* bytes of a priority before the block, still to come */
	struct rpc_block *block;                  /* NULL before the first one */
	/* Pings and updates of windows that requests and answers have paid for. */
	uint32_t paid_pings, paid_updates;
	struct rpc_bucket waste;
	struct rpc_frames_stream *streams; /* by id, which is the order in which they began */
	uint32_t n_streams, capacity;
	uint32_t n_refused;     /* streams that are refused and not ended yet */
	uint32_t n_requests;    /* streams with a message that has not arrived yet */
	uint64_t request_bytes; /* of these messages */
	uint64_t wasted;        /* frames that RPC_FRAMES_WASTE counts, since the connection began */
};

/*
 * Follows `length` bytes of a connection, and changes them in place before gRPC reads them: the bodies of refused
 * requests and, with `drain`, the types of header frames.
 */
enum rpc_frames_verdict rpc_frames_follow(struct rpc_frames *frames, uint8_t *data, size_t length, int64_t now_us,
                                          bool drain);

/*
 * Makes the status of answers to refused requests 415, in place, in bytes that the server is about to send. Part of
 * them may be sent, and the others come again.
 */
void rpc_frames_answer(struct rpc_frames *frames, const struct iovec *parts, size_t count);

/* Follows bytes that the server has sent, after rpc_frames_answer(): streams end. */
void rpc_frames_sent(struct rpc_frames *frames, uint8_t *data, size_t length);

/*
 * Since when the oldest unfinished request is under way: the now_us of its header, or of a later message's first byte;
 * INT64_MAX without one.
 */
int64_t rpc_frames_oldest_us(const struct rpc_frames *frames);

/* What a verdict means, for the log and as a label of metrics. */
const char *rpc_frames_verdict_name(enum rpc_frames_verdict verdict);

/* Frees what belongs to the connection. */
void rpc_frames_free(struct rpc_frames *frames);
