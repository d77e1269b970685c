/*
 * decode: file → raw → (inflate) → text → (iconv) → caller. Two buffers of
 * the same size; a stage runs when its output is empty, so that neither grows.
 */
#include "callhistoryctl/decode.h"

#include <errno.h>
#include <iconv.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

enum { BUFFER_SIZE = 64 * 1024, MARK_SIZE = 4 /* bytes by which a kind is recognised */, GZIP_WINDOW = 15 + 16 };

#define NO_CONVERTER ((iconv_t)-1)

struct piece {
	size_t start, end;
	char data[BUFFER_SIZE];
};

enum kind { KIND_UNKNOWN, KIND_PLAIN, KIND_CODED };

struct decode {
	bool file_ended; /* no more bytes come into raw */
	bool text_ended; /* no more bytes come into text */
	enum kind compression, encoding;
	bool member_ended; /* gzip: the next byte begins another member */
	z_stream inflater;
	iconv_t converter;
	struct piece raw, text;
};

int decode_create(struct decode **out)
{
	struct decode *decode = calloc(1, sizeof(*decode));
	if (!decode)
		return -ENOMEM;
	decode->converter = NO_CONVERTER;
	*out = decode;
	return 0;
}

void decode_reset(struct decode *decode)
{
	if (decode->compression == KIND_CODED)
		inflateEnd(&decode->inflater);
	if (decode->converter != NO_CONVERTER)
		iconv_close(decode->converter);
	decode->converter = NO_CONVERTER;
	decode->compression = decode->encoding = KIND_UNKNOWN;
	decode->file_ended = decode->text_ended = decode->member_ended = false;
	decode->inflater = (z_stream){0};
	decode->raw.start = decode->raw.end = decode->text.start = decode->text.end = 0;
}

void decode_destroy(struct decode *decode)
{
	if (!decode)
		return;
	decode_reset(decode);
	free(decode);
}

static size_t piece_length(const struct piece *piece)
{
	return piece->end - piece->start;
}

/* Moves the unread bytes to the front. Returns the free space after them. */
static size_t piece_compact(struct piece *piece)
{
	memmove(piece->data, piece->data + piece->start, piece_length(piece));
	piece->end -= piece->start;
	piece->start = 0;
	return BUFFER_SIZE - piece->end;
}

long decode_read(struct decode *decode, int fd)
{
	struct piece *raw = &decode->raw;
	bool too_few = decode->compression == KIND_UNKNOWN && piece_length(raw) < MARK_SIZE;
	if (decode->file_ended || (piece_length(raw) && !too_few))
		return 0;
	size_t room = piece_compact(raw);
	ssize_t got = read(fd, raw->data + raw->end, room);
	if (got < 0)
		return -errno;
	decode->file_ended = !got;
	raw->end += (size_t)got;
	return (long)got;
}

/* ---- gzip ------------------------------------------------------------------------------------------------------- */

static bool is_gzip(const char *text, size_t length)
{
	return length >= MARK_SIZE && !memcmp(text, "\x1f\x8b\x08", 3);
}

/* Whether raw begins with a gzip header. Returns 0, or -EAGAIN for too few bytes. */
static int recognise_gzip(struct decode *decode)
{
	const struct piece *raw = &decode->raw;
	if (piece_length(raw) < MARK_SIZE && !decode->file_ended)
		return -EAGAIN;
	decode->compression = KIND_PLAIN;
	if (!is_gzip(raw->data + raw->start, piece_length(raw)))
		return 0;
	if (inflateInit2(&decode->inflater, GZIP_WINDOW) != Z_OK)
		return -ENOMEM;
	decode->compression = KIND_CODED;
	return 0;
}

/* Decompresses into text. Returns 0, -EAGAIN (more must be read), -EBADMSG or -ENOMEM. */
static int inflate_some(struct decode *decode)
{
	struct piece *raw = &decode->raw, *text = &decode->text;
	z_stream *inflater = &decode->inflater;
	/* Tapes and some transfers pad a file with zeros, which gzip ignores, too. */
	while (decode->member_ended && piece_length(raw) && !raw->data[raw->start])
		++raw->start;
	if (!piece_length(raw)) {
		if (!decode->file_ended)
			return -EAGAIN;
		decode->text_ended = true;
		return decode->member_ended ? 0 : -EBADMSG;
	}
	if (decode->member_ended && inflateReset(inflater) != Z_OK)
		return -EBADMSG;
	decode->member_ended = false;
	inflater->next_out = (Bytef *)text->data + text->end;
	inflater->avail_out = (uInt)(BUFFER_SIZE - text->end);
	inflater->next_in = (Bytef *)raw->data + raw->start;
	inflater->avail_in = (uInt)piece_length(raw);
	int result = inflate(inflater, Z_NO_FLUSH);
	raw->start = raw->end - inflater->avail_in;
	text->end = BUFFER_SIZE - inflater->avail_out;
	decode->member_ended = result == Z_STREAM_END;
	if (result == Z_MEM_ERROR)
		return -ENOMEM;
	return result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR ? 0 : -EBADMSG;
}

static void copy_some(struct decode *decode)
{
	struct piece *raw = &decode->raw, *text = &decode->text;
	size_t length = piece_length(raw), room = BUFFER_SIZE - text->end;
	length = length < room ? length : room;
	memcpy(text->data + text->end, raw->data + raw->start, length);
	raw->start += length;
	text->end += length;
	decode->text_ended = decode->file_ended && !piece_length(raw);
}

/* Adds bytes to text. Returns 0, -EAGAIN (more must be read) or another negative errno. */
static int fill_text(struct decode *decode)
{
	int result = decode->compression == KIND_UNKNOWN ? recognise_gzip(decode) : 0;
	if (result)
		return result;
	piece_compact(&decode->text);
	if (decode->compression == KIND_CODED)
		return inflate_some(decode);
	if (!piece_length(&decode->raw) && !decode->file_ended)
		return -EAGAIN;
	copy_some(decode);
	return 0;
}

/* ---- UTF-16 ----------------------------------------------------------------------------------------------------- */

/*
 * Recognises UTF-16 by its byte order mark, or by the NUL next to the ASCII character that begins a line of JSON or
 * CSV. Returns its name; NULL: it is none.
 */
static const char *utf16_of(const char *text, size_t length)
{
	const unsigned char *first = (const unsigned char *)text;
	if (length < MARK_SIZE)
		return NULL;
	if ((first[0] == 0xff && first[1] == 0xfe) || (first[0] && !first[1] && first[2] && !first[3]))
		return "UTF-16LE";
	if ((first[0] == 0xfe && first[1] == 0xff) || (!first[0] && first[1] && !first[2] && first[3]))
		return "UTF-16BE";
	return NULL;
}

static int recognise_utf16(struct decode *decode)
{
	const char *name = utf16_of(decode->text.data + decode->text.start, piece_length(&decode->text));
	decode->encoding = KIND_PLAIN;
	if (!name)
		return 0;
	decode->converter = iconv_open("UTF-8", name);
	if (decode->converter == NO_CONVERTER)
		return -errno;
	decode->encoding = KIND_CODED;
	return 0;
}

/* Converts to out. Returns how many bytes were written, 0 when more text is needed. */
static size_t convert(struct decode *decode, char *out, size_t size)
{
	struct piece *text = &decode->text;
	char *to = out;
	while (piece_length(text) && size) {
		char *from = text->data + text->start;
		size_t left = piece_length(text);
		size_t result = iconv(decode->converter, &from, &left, &to, &size);
		int error = result == (size_t)-1 ? errno : 0;
		text->start = text->end - left;
		if (!error || error == E2BIG)
			break;
		/* Half a character: the rest follows, but at the end. */
		if (error == EINVAL && !decode->text_ended)
			break;
		if (!size)
			break;
		*to++ = '\xff';
		--size;
		text->start += left < 2 ? left : 2;
	}
	return (size_t)(to - out);
}

/* ---- Both ------------------------------------------------------------------------------------------------------- */

static size_t take_text(struct decode *decode, char *out, size_t size)
{
	struct piece *text = &decode->text;
	if (decode->encoding == KIND_CODED)
		return convert(decode, out, size);
	size_t length = piece_length(text) < size ? piece_length(text) : size;
	memcpy(out, text->data + text->start, length);
	text->start += length;
	return length;
}

long decode_take(struct decode *decode, char *out, size_t size)
{
	for (;;) {
		bool enough = piece_length(&decode->text) >= MARK_SIZE || decode->text_ended;
		if (decode->encoding == KIND_UNKNOWN && enough) {
			int result = recognise_utf16(decode);
			if (result)
				return result;
		}
		size_t taken = decode->encoding == KIND_UNKNOWN ? 0 : take_text(decode, out, size);
		if (taken || decode_ended(decode))
			return (long)taken;
		int result = fill_text(decode);
		if (result)
			return result == -EAGAIN ? 0 : result;
	}
}

bool decode_ended(const struct decode *decode)
{
	return decode->text_ended && !piece_length(&decode->text);
}

const char *decode_name(const struct decode *decode)
{
	bool gzip = decode->compression == KIND_CODED, utf16 = decode->encoding == KIND_CODED;
	if (gzip && utf16)
		return "UTF-16 text in gzip data";
	return gzip ? "gzip data" : utf16 ? "UTF-16 text" : NULL;
}

bool decode_is_coded(const char *text, size_t length)
{
	return is_gzip(text, length) || utf16_of(text, length);
}

size_t decode_ahead(const struct decode *decode)
{
	return piece_length(&decode->raw) + piece_length(&decode->text);
}
