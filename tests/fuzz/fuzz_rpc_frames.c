/* Fuzzes the following of a client's frames: the same bytes in other pieces give the same verdict and the same state. */
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rpc_frames one = {0}, other = {0};
	uint8_t *a, *b;
	if (size < 2)
		return 0;
	size_t piece = 1 + data[0] % 32;
	bool drain = data[0] & 0x80;
	a = malloc(size + 32);
	b = malloc(size + 32);
	if (!a || !b)
		abort();
	enum rpc_frames_verdict verdict = follow(&one, data + 1, size - 1, size, a, drain);
	if (follow(&other, data + 1, size - 1, piece, b, drain) != verdict)
		abort();
	if (verdict == RPC_FRAMES_GOOD && (one.n_requests != other.n_requests || one.n_streams != other.n_streams ||
	                                   one.request_bytes != other.request_bytes || memcmp(a, b, size - 1) != 0))
		abort();
	rpc_frames_free(&one);
	rpc_frames_free(&other);
	free(a);
	free(b);
	return 0;
}
