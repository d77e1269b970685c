/*
 * callhistoryd/address: host:port texts and whether somebody listens there.
 */
#ifndef CALLHISTORY_CALLHISTORYD_ADDRESS_H
#define CALLHISTORY_CALLHISTORYD_ADDRESS_H

#include <netdb.h>
#include <stdbool.h>
#include <stddef.h>

/* Whether this is unix:PATH. */
bool address_is_unix(const char *address);

/* Whether this reads as "host:port", "[v6]:port", ":port" or "unix:PATH", with a port of 0 to 65535. Nothing is looked up. */
bool address_is_valid(const char *address);

/*
 * Resolves "host:port", "[v6]:port" or ":port" (all interfaces) for listening. To be given back with freeaddrinfo().
 * 0 or -EINVAL.
 */
int address_resolve(const char *address, struct addrinfo **out);

/*
 * Whether another program listens on an address: -EADDRINUSE then. Workers share a port through SO_REUSEPORT, with which a
 * second program would go unnoticed and take half of the calls; so this is asked first. 0 where it is free or can't be told.
 */
int address_check_free(const char *address);

/* Writes the address with its port replaced: "host:PORT". Returns -EINVAL when it does not fit or has no port. */
int address_set_port(char *out, size_t size, const char *address, int port);

#endif
