/*
 * tls: HTTPS for the gateway's listener; the only module of the gateway that
 * includes OpenSSL. Contexts may be shared between threads, a session belongs
 * to one.
 */
#ifndef CALLHISTORY_GATEWAY_TLS_H
#define CALLHISTORY_GATEWAY_TLS_H

#include <stddef.h>
#include <sys/types.h>

struct ssl_ctx_st;
struct ssl_st;

/*
 * Makes a server context of a certificate chain and its key, PEM texts: TLS 1.2 and 1.3. Returns 0, -ENOMEM, or -EINVAL: a text is
 * not PEM, the key is encrypted (nobody is asked for a passphrase) or it is not the certificate's.
 */
int tls_context_create(struct ssl_ctx_st **out, const char *certificate, const char *key);

/* Sessions that were made from it keep what they need. Takes NULL. */
void tls_context_destroy(struct ssl_ctx_st *context);

/* Makes the server's side of a session on a non-blocking socket, which stays the caller's. NULL when out of memory. */
struct ssl_st *tls_session_create(struct ssl_ctx_st *context, int fd);

/* Takes NULL. */
void tls_session_destroy(struct ssl_st *session);

/* Read and write as recv() and send() do, handshake included; a negative errno on failure, -EAGAIN to wait for the socket. */
ssize_t tls_read(struct ssl_st *session, void *bytes, size_t size);
ssize_t tls_write(struct ssl_st *session, const void *bytes, size_t length);

/* Announces that nothing more will be sent. */
void tls_shutdown(struct ssl_st *session);

#endif
