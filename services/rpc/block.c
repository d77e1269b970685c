/* rpc/block: libnghttp2's table of a connection, and what the block that is being read has had so far. */
#include "rpc/block.h"

#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct rpc_block {
	nghttp2_hd_inflater *inflater;
	uint32_t n_fields; /* of this block */
	bool grpc, other;  /* content types in it */
};

/*
 * gRPC counts a binary field in the table as it was before base64, so that its table may have fields for which there is
 * no room by RFC 7541. A field is found from the newest one, so that a larger table finds the same ones. A table grows
 * only by an update in a block.
 */
static int grow_table(struct rpc_block *block)
{
	enum { TABLE_BYTES = 8192 };
	static const uint8_t update[] = {0x3f, 0xe1, 0x3f}; /* to TABLE_BYTES (RFC 7541 section 6.3) */
	bool is_grpc;
	if (nghttp2_hd_inflate_change_table_size(block->inflater, TABLE_BYTES))
		return -ENOMEM;
	int result = rpc_block_read(block, update, sizeof(update));
	return result ? result : rpc_block_end(block, &is_grpc);
}

struct rpc_block *rpc_block_create(void)
{
	struct rpc_block *block = calloc(1, sizeof(*block));
	if (!block)
		return NULL;
	if (nghttp2_hd_inflate_new(&block->inflater) == 0 && grow_table(block) == 0)
		return block;
	rpc_block_destroy(block);
	return NULL;
}

/* "application/grpc", then nothing, "+proto" or parameters; media types have no case (RFC 9110 section 8.3.1). */
static bool names_grpc(const char *value, size_t length)
{
	static const char type[] = "application/grpc";
	const size_t type_length = sizeof(type) - 1;
	return length >= type_length && strncasecmp(value, type, type_length) == 0 &&
	       (length == type_length || memchr("+; \t", value[type_length], 4));
}

static void take_field(struct rpc_block *block, const nghttp2_nv *field)
{
	static const char name[] = "content-type";
	if (field->namelen != sizeof(name) - 1 || memcmp(field->name, name, sizeof(name) - 1) != 0)
		return;
	if (names_grpc((const char *)field->value, field->valuelen))
		block->grpc = true;
	else
		block->other = true;
}

static int inflate(struct rpc_block *block, const uint8_t *data, size_t length, bool end)
{
	int flags;
	do {
		nghttp2_nv field;
		flags = 0;
		const ssize_t taken = nghttp2_hd_inflate_hd2(block->inflater, &field, &flags, data, length, end);
		if (taken < 0)
			return taken == NGHTTP2_ERR_NOMEM ? -ENOMEM : -EBADMSG;
		data += taken;
		length -= (size_t)taken;
		if (flags & NGHTTP2_HD_INFLATE_EMIT) {
			if (++block->n_fields > RPC_BLOCK_FIELDS_MAX)
				return -E2BIG;
			take_field(block, &field);
		}
	} while (flags & NGHTTP2_HD_INFLATE_EMIT); /* without a field, all bytes are taken */
	return 0;
}

int rpc_block_read(struct rpc_block *block, const uint8_t *data, size_t length)
{
	return inflate(block, data, length, false);
}

int rpc_block_end(struct rpc_block *block, bool *is_grpc)
{
	static const uint8_t nothing[1];
	int result = inflate(block, nothing, 0, true);
	if (result)
		return result;
	nghttp2_hd_inflate_end_headers(block->inflater);
	*is_grpc = block->grpc && !block->other;
	block->grpc = block->other = false;
	block->n_fields = 0;
	return 0;
}

void rpc_block_destroy(struct rpc_block *block)
{
	if (block && block->inflater)
		nghttp2_hd_inflate_del(block->inflater);
	free(block);
}
