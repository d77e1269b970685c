/*
 * rpc/block: what the header blocks of one HTTP/2 connection say of the content type.
 *
 * gRPC Core 1.51 neither checks nor passes on a request's content type. To know it, every block of a connection is
 * decompressed a second time (HPACK, RFC 7541, by libnghttp2): each may refer to fields of the earlier ones.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Fields of a block. A field may be one byte, and takes time here and in gRPC; RFC 9113 counts it as 32 bytes or more
 * (section 6.5.2), so that so many are twice what a request's metadata may be.
 */
enum { RPC_BLOCK_FIELDS_MAX = 1024 };

struct rpc_block;

/* Begins with a connection's first block. NULL when out of memory. */
struct rpc_block *rpc_block_create(void);

/*
 * Reads the next bytes of a block, in pieces of any size. 0, -EBADMSG (no valid compression), -E2BIG (more than
 * RPC_BLOCK_FIELDS_MAX fields) or -ENOMEM.
 */
int rpc_block_read(struct rpc_block *block, const uint8_t *data, size_t length);

/*
 * Ends a block; the next byte is that of another one. *is_grpc: it had one content type or several that are all gRPC's,
 * "application/grpc" alone or with a suffix or parameters. 0, -EBADMSG (it is cut short) or -ENOMEM.
 */
int rpc_block_end(struct rpc_block *block, bool *is_grpc);

/* Takes NULL. */
void rpc_block_destroy(struct rpc_block *block);
