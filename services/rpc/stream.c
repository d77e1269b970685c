/*
 * rpc/stream: at most one read, one write and the end of the call are in gRPC at a time; the stream is released when
 * none is left. A batch waits for the end of the call from the start, to detect that the client disconnects.
 *
 * A stream keeps the closure of its call object open, so that it has a context, a report and a memory budget like any
 * other call.
 */
#include "rpc/stream.h"

#include <stdlib.h>

#include "rpc/payload.h"

/* Watch and reflection streams of all clients together. */
enum { STREAMS_MAXIMUM = 1024 };

struct rpc_stream {
	LIST_ENTRY(rpc_stream) entry; /* among the server's */
	struct rpc_server *server;
	struct server_call *call;
	const struct rpc_stream_events *events;
	struct rpc_stream_owner owner;
	struct rpc_tag read, written, finished;
	grpc_byte_buffer *incoming;
	size_t charged; /* to the budget, for the message that is being written */
	enum status status;
	const char *message;
	bool reading, writing, sending_status;
	bool metadata_sent;
	bool finishing; /* rpc_stream_finish() was called */
	bool closed;    /* the call has ended */
};

struct rpc_stream_owner *rpc_stream_owner(struct rpc_stream *stream)
{
	return &stream->owner;
}

struct server_call *rpc_stream_call(struct rpc_stream *stream)
{
	return stream->call;
}

struct rpc_stream *rpc_stream_next(struct rpc_server *server, struct rpc_stream *stream)
{
	return stream ? LIST_NEXT(stream, entry) : LIST_FIRST(&server->streams);
}

bool rpc_stream_writing(const struct rpc_stream *stream)
{
	return stream->writing;
}

/* Releases the stream once the call has ended and gRPC has returned all its tags. */
static void stream_settle(struct rpc_stream *stream)
{
	if (!stream->closed || stream->reading || stream->writing || stream->sending_status)
		return;
	struct server_call *call = stream->call;
	LIST_REMOVE(stream, entry);
	stream->server->n_streams--;
	if (!stream->finishing) {
		call->context.status = STATUS_CANCELLED;
		call->context.message = "the client has cancelled the call";
	}
	free(stream);
	rpc_server_call_done(call);
}

static bool stream_batch(struct rpc_stream *stream, const grpc_op *ops, size_t count, struct rpc_tag *tag)
{
	if (rpc_server_batch(stream->call, ops, count, tag))
		return true;
	grpc_call_cancel_with_status(stream->call->grpc, GRPC_STATUS_INTERNAL, "internal error", NULL);
	return false;
}

static size_t metadata_op(struct rpc_stream *stream, grpc_op *op, grpc_metadata *encodings)
{
	if (stream->metadata_sent)
		return 0;
	stream->metadata_sent = true;
	*op = rpc_server_headers(encodings);
	return 1;
}

static void send_status(struct rpc_stream *stream)
{
	struct context *context = &stream->call->context;
	grpc_op ops[2];
	grpc_metadata trailers[RPC_TRAILERS], encodings;
	if (stream->status != STATUS_OK)
		context_fail(context, stream->status, NULL, "%s", stream->message);
	size_t count = metadata_op(stream, ops, &encodings), n_trailers = rpc_server_trailers(context, trailers);
	grpc_slice message = rpc_server_message(context);
	grpc_op *op = &ops[count++];
	*op = (grpc_op){.op = GRPC_OP_SEND_STATUS_FROM_SERVER};
	op->data.send_status_from_server.status = (grpc_status_code)context->status;
	op->data.send_status_from_server.trailing_metadata = trailers;
	op->data.send_status_from_server.trailing_metadata_count = n_trailers;
	if (context->status != STATUS_OK)
		op->data.send_status_from_server.status_details = &message;
	stream->sending_status = stream_batch(stream, ops, count, &stream->finished);
	grpc_slice_unref(message);
	for (size_t i = 0; i < n_trailers; i++)
		grpc_slice_unref(trailers[i].value);
}

void rpc_stream_finish(struct rpc_stream *stream, enum status status, const char *message)
{
	if (stream->finishing || stream->closed)
		return;
	stream->finishing = true;
	stream->status = status;
	stream->message = message;
	if (!stream->writing)
		send_status(stream);
}

void rpc_stream_read(struct rpc_stream *stream)
{
	if (stream->reading || stream->finishing || stream->closed)
		return;
	grpc_op op = {.op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &stream->incoming};
	stream->reading = stream_batch(stream, &op, 1, &stream->read);
}

void rpc_stream_write(struct rpc_stream *stream, grpc_byte_buffer *message)
{
	struct memory_budget *budget = stream->server->options.budget;
	const size_t length = grpc_byte_buffer_length(message);
	const bool open = !stream->writing && !stream->finishing && !stream->closed;
	if (open && !memory_take(budget, length)) {
		rpc_stream_finish(stream, STATUS_RESOURCE_EXHAUSTED, "the server is out of memory, retry later");
	} else if (open) {
		grpc_op ops[2];
		grpc_metadata encodings;
		size_t count = metadata_op(stream, ops, &encodings);
		ops[count++] = (grpc_op){.op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = message};
		stream->writing = stream_batch(stream, ops, count, &stream->written);
		stream->charged = length;
		if (!stream->writing)
			memory_give(budget, length);
	}
	grpc_byte_buffer_destroy(message);
}

static void stream_read(struct rpc_tag *tag, bool ok)
{
	(void)ok;
	struct rpc_stream *stream = RPC_CONTAINER(tag, struct rpc_stream, read);
	grpc_byte_buffer *message = stream->incoming;
	stream->call->server->tags--;
	stream->reading = false;
	stream->incoming = NULL;
	if (message && grpc_byte_buffer_length(message) > RPC_OPEN_MESSAGE_MAX)
		rpc_stream_finish(stream, STATUS_RESOURCE_EXHAUSTED, "request: is too long");
	else if (!stream->finishing && !stream->closed && stream->events->read)
		stream->events->read(stream, message);
	if (message)
		grpc_byte_buffer_destroy(message);
	stream_settle(stream);
}

static void stream_written(struct rpc_tag *tag, bool ok)
{
	struct rpc_stream *stream = RPC_CONTAINER(tag, struct rpc_stream, written);
	stream->call->server->tags--;
	stream->writing = false;
	memory_give(stream->server->options.budget, stream->charged);
	if (!stream->closed && stream->finishing)
		send_status(stream);
	else if (!stream->closed && ok)
		stream->events->written(stream);
	stream_settle(stream);
}

static void stream_finished(struct rpc_tag *tag, bool ok)
{
	(void)ok;
	struct rpc_stream *stream = RPC_CONTAINER(tag, struct rpc_stream, finished);
	stream->call->server->tags--;
	stream->sending_status = false;
	stream_settle(stream);
}

static void stream_closed(struct rpc_tag *tag, bool ok)
{
	(void)ok;
	struct server_call *call = RPC_CONTAINER(tag, struct server_call, closed);
	call->server->tags--;
	call->stream->closed = true;
	stream_settle(call->stream);
}

struct rpc_stream *rpc_stream_open(struct server_call *call, const struct rpc_stream_events *events)
{
	struct rpc_server *server = call->server;
	struct rpc_stream *stream = server->n_streams < STREAMS_MAXIMUM ? calloc(1, sizeof(*stream)) : NULL;
	if (!stream) {
		call->context.retry_after_ms = RPC_OVERLOAD_RETRY_MS;
		context_fail(&call->context, STATUS_RESOURCE_EXHAUSTED, "TOO_MANY_STREAMS", "too many streams are open");
		return NULL;
	}
	stream->server = server;
	stream->call = call;
	stream->events = events;
	rpc_tag_init(&stream->read, stream_read);
	rpc_tag_init(&stream->written, stream_written);
	rpc_tag_init(&stream->finished, stream_finished);
	rpc_tag_init(&call->closed, stream_closed);
	grpc_op op = {.op = GRPC_OP_RECV_CLOSE_ON_SERVER, .data.recv_close_on_server.cancelled = &call->cancelled};
	if (!rpc_server_batch(call, &op, 1, &call->closed)) {
		context_fail(&call->context, STATUS_INTERNAL, NULL, "internal error");
		free(stream);
		return NULL;
	}
	call->close_started = true;
	rpc_server_watch_deadline(call);
	call->stream = stream;
	LIST_INSERT_HEAD(&server->streams, stream, entry);
	server->n_streams++;
	return stream;
}

/* The events of a drain start batches but never free a stream: the list stays as it is. */
void rpc_streams_drain(struct rpc_server *server)
{
	struct rpc_stream *stream;
	LIST_FOREACH (stream, &server->streams, entry)
		stream->events->drain(stream);
}
