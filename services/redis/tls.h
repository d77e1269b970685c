/*
 * redis/tls: TLS on a non-blocking socket, by OpenSSL. Not thread-safe; one context belongs to one client. OpenSSL
 * writes with write(2): the program must ignore SIGPIPE.
 */
#pragma once

#include <sys/types.h>

#include "redis/redis.h"

struct tls_context;

struct tls {
	struct ssl_st *ssl;
	short events;    /* poll(2) events without which the last call cannot go on; 0: it needs none */
	char error[160]; /* the last error, as a sentence */
};

/*
 * Makes a context and reads the files that the options name, which must outlive it. -EINVAL with a sentence in
 * error[0..size), -ENOMEM.
 */
int redis_tls_context_create(struct tls_context **out, const struct redis_options *options, char *error, size_t size);

/* Takes NULL. Connections may outlive it. */
void redis_tls_context_destroy(struct tls_context *context);

/*
 * Begins TLS on a connected socket, with the files as they are now, or, if they cannot be read, as they were last.
 * `host` is the name or address that the server's certificate must have. NULL: out of memory, or no such name.
 */
struct tls *redis_tls_begin(struct tls_context *context, const char *host, int fd);

/*
 * These go on as far as they can without waiting. The handshake returns 1 when it is done, the others how many bytes;
 * 0: not now, see `events`; -EPIPE: the peer has closed; another negative errno: see `error`.
 * After a redis_tls_send() that returned 0 the next one must begin with the same bytes (which may have moved).
 */
int redis_tls_handshake(struct tls *tls);
ssize_t redis_tls_send(struct tls *tls, const void *data, size_t length);
ssize_t redis_tls_receive(struct tls *tls, void *data, size_t size);

/* Frees it without a close_notify alert; the socket stays open. Takes NULL. */
void redis_tls_destroy(struct tls *tls);
