/* tls: certificates for HTTPS, which libmicrohttpd serves with GnuTLS. Not thread-safe: each worker has its own. */
#pragma once

struct gnutls_session_int;
struct tls;

/*
 * Reads a certificate chain and its key, PEM texts. Returns 0, -ENOMEM, or -EINVAL: a text is not PEM, or the key is
 * not the certificate's.
 */
int tls_create(struct tls **out, const char *certificate, const char *key);

/* The same check alone, of certificate and key, for pem_files_create(). */
int tls_check(const char *const *texts);

/* One more user; tls_release() ends each. The first user is the creator. tls_release() takes NULL. */
struct tls *tls_use(struct tls *tls);
void tls_release(struct tls *tls);

/*
 * Lets a session whose handshake has not begun use the certificate. Keep a use until the session is over. 0 or -ENOMEM.
 */
int tls_set(struct tls *tls, struct gnutls_session_int *session);
