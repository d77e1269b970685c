/*
 * rpc/stream: a server call with more than one message, for health Watch and reflection: reads and writes one message
 * at a time, ends exactly once. For the files of this module only.
 */
#pragma once

#include <grpc/grpc.h>

#include "rpc/server_internal.h"

struct rpc_stream;

struct rpc_stream_events {
	/* A message has arrived (NULL: it was the last); it is destroyed afterwards. */
	void (*read)(struct rpc_stream *stream, grpc_byte_buffer *message);
	/* The last write has ended. */
	void (*written)(struct rpc_stream *stream);
	/* The server drains: send a last message if needed, then finish. */
	void (*drain)(struct rpc_stream *stream);
};

/* What the owner keeps with a stream. */
struct rpc_stream_owner {
	void *owner;
	void *key;
	int state;
};

/* Makes a stream of a call; the call object keeps context and arena. Returns NULL when the call was refused instead. */
struct rpc_stream *rpc_stream_open(struct server_call *call, const struct rpc_stream_events *events);

/* What the owner keeps with the stream. */
struct rpc_stream_owner *rpc_stream_owner(struct rpc_stream *stream);

/* The call that the stream was opened for. */
struct server_call *rpc_stream_call(struct rpc_stream *stream);

/* All streams of a server, first and next. */
struct rpc_stream *rpc_stream_next(struct rpc_server *server, struct rpc_stream *stream);

/* Reads the next message; events->read follows unless the call ends first. */
void rpc_stream_read(struct rpc_stream *stream);

/* Whether a write is under way: no other may be started then. */
bool rpc_stream_writing(const struct rpc_stream *stream);

/* Sends a message; takes the byte buffer. */
void rpc_stream_write(struct rpc_stream *stream, grpc_byte_buffer *message);

/* Ends the call with this status after the write under way; does nothing the second time. `message` is static text. */
void rpc_stream_finish(struct rpc_stream *stream, enum status status, const char *message);
