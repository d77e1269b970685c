/* compress: zlib at its fastest level; the text is repetitive enough for it. */
#include "compress.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <strings.h>
#include <zlib.h>

enum { LEVEL = 1, WINDOW_GZIP = 15 + 16, MEMORY_LEVEL = 8 };

struct compressor {
	z_stream stream;
	bool ready; /* zlib's memory is there; taken on first use */
	struct buffer out;
};

int compressor_create(struct compressor **out)
{
	struct compressor *compressor = calloc(1, sizeof(*compressor));
	if (!compressor)
		return -ENOMEM;
	*out = compressor;
	return 0;
}

void compressor_destroy(struct compressor *compressor)
{
	if (!compressor)
		return;
	if (compressor->ready)
		deflateEnd(&compressor->stream);
	buffer_free(&compressor->out);
	free(compressor);
}

/* Whether the parameters after a coding's name give it a weight above 0. */
static bool has_weight(const char *text, size_t length)
{
	for (size_t i = 0; i + 1 < length; i++) {
		if ((text[i] | 0x20) != 'q' || text[i + 1] != '=')
			continue;
		for (size_t j = i + 2; j < length; j++)
			if (text[j] >= '1' && text[j] <= '9')
				return true;
		return false;
	}
	return true;
}

bool compress_accepted(const char *accept_encoding)
{
	const char *rest = accept_encoding;
	bool any = false;
	if (!rest)
		return false;
	while (*rest) {
		rest += strspn(rest, " \t,");
		size_t item = strcspn(rest, ",");
		size_t name = strcspn(rest, " \t,;");
		bool weight = has_weight(rest + name, item - name);
		if ((name == 4 && !strncasecmp(rest, "gzip", 4)) || (name == 6 && !strncasecmp(rest, "x-gzip", 6)))
			return weight;
		if (name == 1 && *rest == '*')
			any = weight;
		rest += item;
	}
	return any;
}

int compress_gzip(struct compressor *compressor, struct buffer *body)
{
	z_stream *stream = &compressor->stream;
	int result = compressor->ready
	                 ? deflateReset(stream)
	                 : deflateInit2(stream, LEVEL, Z_DEFLATED, WINDOW_GZIP, MEMORY_LEVEL, Z_DEFAULT_STRATEGY);
	if (result != Z_OK)
		return -ENOMEM;
	compressor->ready = true;
	buffer_clear(&compressor->out);
	if (body->length > UINT32_MAX || buffer_reserve(&compressor->out, deflateBound(stream, body->length)))
		return -ENOMEM;
	stream->next_in = (unsigned char *)body->data;
	stream->avail_in = (unsigned)body->length;
	stream->next_out = (unsigned char *)compressor->out.data;
	stream->avail_out = (unsigned)compressor->out.capacity;
	if (deflate(stream, Z_FINISH) != Z_STREAM_END)
		return -ENOMEM;
	if (stream->total_out >= body->length)
		return -ENOSPC;
	memcpy(body->data, compressor->out.data, stream->total_out);
	body->length = stream->total_out;
	/* A rare large answer must not keep its memory for ever. */
	if (compressor->out.capacity > 1 << 20)
		buffer_free(&compressor->out);
	return 0;
}
