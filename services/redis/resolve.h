/*
 * redis/resolve: addresses of a host name, without waiting.
 *
 * By c-ares rather than getaddrinfo_a(): it runs in the caller's thread, so it can be abandoned at any moment and
 * leaves no thread behind at exit, and gRPC depends on it anyway. It reads /etc/hosts and queries the servers of
 * /etc/resolv.conf, but no other source of nsswitch.conf.
 */
#pragma once

#include <sys/socket.h>

struct resolver;

/* Begins. Addresses in numbers need no name server. The texts must outlive the resolver. 0 or a negative errno. */
int redis_resolver_create(struct resolver **out, const char *host, const char *port);

/*
 * Goes on without waiting; call it every few milliseconds. 1: *address is one of the host's addresses, another one
 * with each `attempt`; 0: under way; -EHOSTUNREACH: there is no such host, or no name server answers.
 */
int redis_resolver_step(struct resolver *resolver, unsigned attempt, struct sockaddr_storage *address,
                        socklen_t *length);

/* Abandons what is under way. Takes NULL. */
void redis_resolver_destroy(struct resolver *resolver);
