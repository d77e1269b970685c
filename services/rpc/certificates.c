/*
 * rpc/certificates: the server's TLS certificates, which may be replaced while it serves: each new connection takes the
 * newest. gRPC fetches them at each handshake, possibly on a thread of its own; pem_files_use() is safe there.
 *
 * gRPC silently keeps the old certificate if a new one is invalid, so texts are checked before they are passed to it.
 */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "rpc/server_internal.h"

static X509 *read_certificate(const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509 *found = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	BIO_free(bio);
	return found;
}

int rpc_certificates_check(const char *const *texts)
{
	const char *cert = texts[0], *key = texts[1], *client_ca = texts[2];
	if (!cert || !key)
		return -EINVAL;
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
	return usable ? 0 : -EINVAL;
}

static int make_config(void *data, const char *const *texts)
{
	grpc_ssl_server_certificate_config **config = data;
	grpc_ssl_pem_key_cert_pair pair = {.private_key = texts[1], .cert_chain = texts[0]};
	/* gRPC 1.51 aborts without roots, even where no client certificate is required: then any will do. */
	*config = grpc_ssl_server_certificate_config_create(texts[2] ? texts[2] : texts[0], &pair, 1);
	return 0;
}

/* gRPC parses the texts each time, so they are returned only when they are new to this address. */
static grpc_ssl_certificate_config_reload_status fetch(void *data, grpc_ssl_server_certificate_config **config)
{
	struct certificates *certificates = data;
	*config = NULL;
	pem_files_use(certificates->files, &certificates->generation, make_config, config);
	return *config ? GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW : GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
}

static int see_authorities(void *data, const char *const *texts)
{
	*(bool *)data = texts[2] != NULL;
	return 0;
}

grpc_server_credentials *rpc_certificates_credentials(struct certificates *certificates, struct pem_files *files)
{
	unsigned any = 0;
	bool mutual = false;
	*certificates = (struct certificates){.files = files};
	pem_files_use(files, &any, see_authorities, &mutual);
	grpc_ssl_server_credentials_options *options = grpc_ssl_server_credentials_create_options_using_config_fetcher(
	    mutual ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY : GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE,
	    fetch, certificates);
	return options ? grpc_ssl_server_credentials_create_with_options(options) : NULL;
}
