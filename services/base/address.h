/*
 * address: the addresses that options name: "host:port", "[v6]:port" or
 * "unix:PATH"; to listen also ":port" (all interfaces) and port 0 (any).
 */
#pragma once

#include <netdb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

enum address_kind { ADDRESS_INVALID, ADDRESS_NAME, ADDRESS_IPV4, ADDRESS_IPV6, ADDRESS_ALL, ADDRESS_UNIX };

/*
 * The kind of the address in `length` bytes of text. Port 0 and ":port" (ADDRESS_ALL) are valid only to listen. Nothing
 * is looked up.
 */
enum address_kind address_parse(const char *address, size_t length, bool listen);

/* Whether it begins with "unix:". */
bool address_is_unix(const char *address);

/* Whether a text is one address to listen on. */
bool address_is_valid(const char *address);

/* Fills in the socket address of a unix:PATH. 0 or -EINVAL. */
int address_unix(const char *address, struct sockaddr_un *out);

/*
 * Resolves an address that is not unix:PATH, to listen on it. The caller frees the result with freeaddrinfo(). 0,
 * -EINVAL, -EADDRNOTAVAIL or -ENOMEM.
 */
int address_resolve(const char *address, struct addrinfo **out);

/*
 * Whether something listens on an address: -EADDRINUSE then, else 0, also where that can't be found out. Sockets that
 * share a port through SO_REUSEPORT count only if `shared` is false.
 */
int address_check_free(const char *address, bool shared);

/*
 * The network of a client for limits by address: all of an IPv4 address, also where it came over an IPv6 socket, or the
 * first 64 bits of an IPv6 address, which one client may have. Returns false for other families.
 */
bool address_network(const struct sockaddr_storage *address, uint64_t *network);

/* Writes the address with its port replaced: "host:PORT". -EINVAL when it does not fit or has no port. */
int address_set_port(char *out, size_t size, const char *address, int port);

/*
 * Limits what the kernel keeps for a client that does not read: 128 KiB of a TCP socket's unsent bytes, instead of up
 * to 4 MiB. What is on its way to a distant client is not limited. Connections inherit it from the socket that listens.
 */
void address_limit_unsent(int fd);
