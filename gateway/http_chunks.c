/* http_chunks: a state machine. Data is passed on in pieces; all other bytes are steps of their own. */
#include "http_chunks.h"

#include "base/hex.h"
#include "http_head.h"

enum { DIGITS_MAX = 15, EXTRA_MAX = 8 * 1024 };

enum state {
	SIZE,
	EXTENSION,
	SIZE_LF,
	DATA,
	DATA_CR,
	DATA_LF,
	TRAILER_BEGIN,
	TRAILER_NAME,
	TRAILER,
	TRAILER_LF,
	LAST_LF,
	END
};

/* Whether a byte may be in an extension or a trailer's value: no control characters but HTAB. */
static bool is_text(unsigned char byte)
{
	return (byte >= ' ' && byte != 0x7f) || byte == '\t';
}

/* A byte of a chunk's size. This and the other steps return the next state, or -1: malformed. */
static int step_size(struct http_chunks *chunks, char byte)
{
	int digit = hex_digit(byte);
	if (digit >= 0) {
		chunks->left = chunks->left << 4 | (unsigned)digit;
		return ++chunks->digits <= DIGITS_MAX ? SIZE : -1;
	}
	if (!chunks->digits)
		return -1;
	return byte == '\r' ? SIZE_LF : byte == ';' || byte == ' ' || byte == '\t' ? EXTENSION : -1;
}

/* Text up to a CR: an extension or a trailer's value. */
static int step_text(struct http_chunks *chunks, char byte, int state, int after)
{
	if (byte == '\r')
		return after;
	return is_text((unsigned char)byte) && ++chunks->extra <= EXTRA_MAX ? state : -1;
}

/* A byte of a name in the trailer section. */
static int step_name(struct http_chunks *chunks, char byte)
{
	return http_head_is_token(byte) && ++chunks->extra <= EXTRA_MAX ? TRAILER_NAME : -1;
}

/* Any byte that is not data. */
static int step(struct http_chunks *chunks, char byte)
{
	switch (chunks->state) {
	case SIZE:
		return step_size(chunks, byte);
	case EXTENSION:
		return step_text(chunks, byte, EXTENSION, SIZE_LF);
	case SIZE_LF:
		return byte != '\n' ? -1 : chunks->left ? DATA : TRAILER_BEGIN;
	case DATA_CR:
		return byte == '\r' ? DATA_LF : -1;
	case DATA_LF:
		chunks->digits = 0;
		return byte == '\n' ? SIZE : -1;
	case TRAILER_BEGIN:
		return byte == '\r' ? LAST_LF : step_name(chunks, byte);
	case TRAILER_NAME:
		return byte == ':' ? TRAILER : step_name(chunks, byte);
	case TRAILER:
		return step_text(chunks, byte, TRAILER, TRAILER_LF);
	case TRAILER_LF:
		return byte == '\n' ? TRAILER_BEGIN : -1;
	case LAST_LF:
		return byte == '\n' ? END : -1;
	default:
		return -1;
	}
}

enum http_chunks_result http_chunks_read(struct http_chunks *chunks, const char *bytes, size_t length, size_t *used,
                                         const char **data, size_t *data_length)
{
	size_t at = 0;
	while (at < length && chunks->state != DATA) {
		int next = step(chunks, bytes[at++]);
		*used = at;
		if (next < 0)
			return HTTP_CHUNKS_MALFORMED;
		chunks->state = next;
		if (next == END)
			return HTTP_CHUNKS_END;
	}
	size_t piece = length - at < chunks->left ? length - at : (size_t)chunks->left;
	*used = at + piece;
	if (chunks->state != DATA || !piece)
		return HTTP_CHUNKS_MORE;
	*data = bytes + at;
	*data_length = piece;
	chunks->left -= piece;
	if (!chunks->left)
		chunks->state = DATA_CR;
	return HTTP_CHUNKS_DATA;
}
