/*
 * rpc/certificates: the server's TLS certificate, which may be replaced while
 * it serves: each new connection takes the newest. For the files of this room
 * only.
 */
#ifndef CALLHISTORY_RPC_CERTIFICATES_H
#define CALLHISTORY_RPC_CERTIFICATES_H

#include <grpc/grpc_security.h>
#include <stdbool.h>

struct certificates;

/* Whether a private key in PEM is encrypted. OpenSSL would ask for its passphrase on the terminal. Takes NULL. */
bool rpc_certificates_key_encrypted(const char *key);

/*
 * PEM texts; client_ca NULL: no client certificates. 0, -EINVAL (they do not belong together), -ENOKEY (encrypted) or
 * -ENOMEM.
 */
int rpc_certificates_create(struct certificates **out, const char *cert, const char *key, const char *client_ca);

/* Replaces the texts; the same results. Whether client certificates are asked for stays as it was made. */
int rpc_certificates_replace(struct certificates *certificates, const char *cert, const char *key,
                             const char *client_ca);

/* Credentials that follow the certificates; the caller releases them. They must not outlive `certificates`. */
grpc_server_credentials *rpc_certificates_credentials(struct certificates *certificates);

/* Takes NULL. */
void rpc_certificates_destroy(struct certificates *certificates);

#endif
