/*
 * Fuzzes the following of frames: the same bytes in other pieces give the same verdict, the same state and the same
 * changes of the bytes. The last bytes are the server's, the others the client's.
 */
#include <stdlib.h>
#include <string.h>

#include "rpc/frames.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum rpc_frames_verdict follow(struct rpc_frames *frames, const uint8_t *data, size_t size, size_t piece,
                                      uint8_t *out, bool drain)
{
	enum rpc_frames_verdict verdict =
	    rpc_frames_follow(frames, (uint8_t *)strcpy((char *)out, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 24, 1, false);
	memcpy(out, data, size);
	for (size_t at = 0; at < size && verdict == RPC_FRAMES_GOOD; at += piece)
		verdict = rpc_frames_follow(frames, out + at, piece < size - at ? piece : size - at, 1, drain);
	return verdict;
}

/* Sends the server's bytes in these pieces; all that is left is looked at before each. */
static void answer(struct rpc_frames *frames, const uint8_t *data, size_t size, size_t piece, uint8_t *out)
{
	memcpy(out, data, size);
	for (size_t at = 0; at < size; at += piece) {
		const struct iovec left = {.iov_base = out + at, .iov_len = size - at};
		rpc_frames_answer(frames, &left, 1);
		rpc_frames_sent(frames, out + at, piece < size - at ? piece : size - at);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rpc_frames one = {0}, other = {0};
	uint8_t *a, *b;
	if (size < 3)
		return 0;
	const size_t piece = 1 + data[0] % 32;
	const bool drain = data[0] & 0x80;
	/* So that most inputs have something of both. */
	const size_t sent = (size - 2) * data[1] / 256, received = size - 2 - sent;
	a = malloc(size + 32);
	b = malloc(size + 32);
	if (!a || !b)
		abort();
	enum rpc_frames_verdict verdict = follow(&one, data + 2, received, size, a, drain);
	if (follow(&other, data + 2, received, piece, b, drain) != verdict)
		abort();
	if (verdict == RPC_FRAMES_GOOD && memcmp(a, b, received) != 0)
		abort();
	if (verdict == RPC_FRAMES_GOOD) {
		answer(&one, data + 2 + received, sent, size, a);
		answer(&other, data + 2 + received, sent, piece, b);
		if (memcmp(a, b, sent) != 0 || one.n_requests != other.n_requests || one.n_streams != other.n_streams ||
		    one.n_refused != other.n_refused || one.request_bytes != other.request_bytes)
			abort();
	}
	rpc_frames_free(&one);
	rpc_frames_free(&other);
	free(a);
	free(b);
	return 0;
}
