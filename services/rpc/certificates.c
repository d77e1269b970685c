/*
 * rpc/certificates: gRPC asks for the certificate at each handshake, possibly
 * on a thread of its own, so the texts are behind a mutex.
 *
 * gRPC says nothing when it is given a certificate that it can't use, and
 * stays with the old one; so the texts are checked here first.
 */
#include "rpc/certificates.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* One listener's view: the generation of texts that gRPC has taken for it. */
struct follower {
	struct follower *next;
	struct certificates *certificates;
	uint64_t generation;
};

struct certificates {
	pthread_mutex_t mutex; /* over the texts and all generations */
	char *cert, *key, *client_ca;
	uint64_t generation;
	struct follower *followers; /* owned; this and `mutual` are not under the mutex */
	bool mutual;
};

bool rpc_certificates_key_encrypted(const char *key)
{
	/* PKCS #8 and the traditional form (RFC 1421). */
	return key && (strstr(key, "BEGIN ENCRYPTED PRIVATE KEY") || strstr(key, "Proc-Type: 4,ENCRYPTED"));
}

static X509 *read_certificate(const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509 *found = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	BIO_free(bio);
	return found;
}

static bool texts_usable(const char *cert, const char *key, const char *client_ca)
{
	X509 *leaf = read_certificate(cert);
	X509 *ca = client_ca ? read_certificate(client_ca) : NULL;
	BIO *bio = BIO_new_mem_buf(key, -1);
	EVP_PKEY *private_key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
	bool usable = leaf && private_key && X509_check_private_key(leaf, private_key) == 1 && (!client_ca || ca);
	EVP_PKEY_free(private_key);
	BIO_free(bio);
	X509_free(leaf);
	X509_free(ca);
	ERR_clear_error();
	return usable;
}

static void key_free(char *key)
{
	if (key)
		explicit_bzero(key, strlen(key));
	free(key);
}

int rpc_certificates_replace(struct certificates *certificates, const char *cert, const char *key,
                             const char *client_ca)
{
	if (rpc_certificates_key_encrypted(key))
		return -ENOKEY;
	if (!cert || !key || certificates->mutual != (client_ca != NULL) || !texts_usable(cert, key, client_ca))
		return -EINVAL;
	char *new_cert = strdup(cert), *new_key = strdup(key), *new_ca = client_ca ? strdup(client_ca) : NULL;
	if (!new_cert || !new_key || (client_ca && !new_ca)) {
		free(new_cert);
		key_free(new_key);
		free(new_ca);
		return -ENOMEM;
	}
	pthread_mutex_lock(&certificates->mutex);
	char *old_cert = certificates->cert, *old_key = certificates->key, *old_ca = certificates->client_ca;
	certificates->cert = new_cert;
	certificates->key = new_key;
	certificates->client_ca = new_ca;
	certificates->generation++;
	pthread_mutex_unlock(&certificates->mutex);
	free(old_cert);
	key_free(old_key);
	free(old_ca);
	return 0;
}

int rpc_certificates_create(struct certificates **out, const char *cert, const char *key, const char *client_ca)
{
	struct certificates *certificates = calloc(1, sizeof(*certificates));
	if (!certificates)
		return -ENOMEM;
	pthread_mutex_init(&certificates->mutex, NULL);
	certificates->mutual = client_ca != NULL;
	int result = rpc_certificates_replace(certificates, cert, key, client_ca);
	if (result) {
		rpc_certificates_destroy(certificates);
		return result;
	}
	*out = certificates;
	return 0;
}

/* gRPC parses the texts whenever it is given some, so it is given them only when they are new to this listener. */
static grpc_ssl_certificate_config_reload_status fetch(void *data, grpc_ssl_server_certificate_config **config)
{
	struct follower *follower = data;
	struct certificates *certificates = follower->certificates;
	grpc_ssl_certificate_config_reload_status status = GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
	pthread_mutex_lock(&certificates->mutex);
	if (follower->generation != certificates->generation) {
		grpc_ssl_pem_key_cert_pair pair = {.private_key = certificates->key, .cert_chain = certificates->cert};
		/* gRPC 1.51 aborts without roots, even where no client certificate is asked for: then any will do. */
		const char *roots = certificates->mutual ? certificates->client_ca : certificates->cert;
		*config = grpc_ssl_server_certificate_config_create(roots, &pair, 1);
		follower->generation = certificates->generation;
		status = GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
	}
	pthread_mutex_unlock(&certificates->mutex);
	return status;
}

grpc_server_credentials *rpc_certificates_credentials(struct certificates *certificates)
{
	struct follower *follower = calloc(1, sizeof(*follower));
	if (!follower)
		return NULL;
	follower->certificates = certificates;
	follower->next = certificates->followers;
	certificates->followers = follower;
	grpc_ssl_server_credentials_options *options = grpc_ssl_server_credentials_create_options_using_config_fetcher(
	    certificates->mutual ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
	                         : GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE,
	    fetch, follower);
	return options ? grpc_ssl_server_credentials_create_with_options(options) : NULL;
}

void rpc_certificates_destroy(struct certificates *certificates)
{
	if (!certificates)
		return;
	while (certificates->followers) {
		struct follower *next = certificates->followers->next;
		free(certificates->followers);
		certificates->followers = next;
	}
	pthread_mutex_destroy(&certificates->mutex);
	free(certificates->cert);
	key_free(certificates->key);
	free(certificates->client_ca);
	free(certificates);
}
