/* tls: OpenSSL, which the gateway's gRPC is linked with anyway. */
#include "tls.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <string.h>

/* OpenSSL's own function would ask on the terminal. */
static int no_passphrase(char *buffer, int size, int writing, void *data)
{
	(void)buffer;
	(void)size;
	(void)writing;
	(void)data;
	return -1;
}

/* The certificate, then those that lead to its authority. */
static int use_certificates(SSL_CTX *context, const char *text)
{
	int result = -EINVAL;
	BIO *bio = BIO_new_mem_buf(text, -1);
	X509 *certificate = bio ? PEM_read_bio_X509_AUX(bio, NULL, no_passphrase, NULL) : NULL;
	if (!certificate || SSL_CTX_use_certificate(context, certificate) != 1)
		goto done;
	for (;;) {
		X509 *issuer = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
		if (!issuer)
			break;
		if (SSL_CTX_add0_chain_cert(context, issuer) != 1) {
			X509_free(issuer);
			goto done;
		}
	}
	result = 0;
done:
	X509_free(certificate);
	BIO_free(bio);
	return result;
}

static int use_key(SSL_CTX *context, const char *text)
{
	BIO *bio = BIO_new_mem_buf(text, -1);
	EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;
	int result =
	    key && SSL_CTX_use_PrivateKey(context, key) == 1 && SSL_CTX_check_private_key(context) == 1 ? 0 : -EINVAL;
	EVP_PKEY_free(key);
	BIO_free(bio);
	return result;
}

int tls_context_create(struct ssl_ctx_st **out, const char *certificate, const char *key)
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());
	if (!context)
		return -ENOMEM;
	SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
	SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_mode(context,
	                 SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	/* Tickets serve for resumption; a cache would grow with the number of clients. */
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	int result = use_certificates(context, certificate);
	if (!result)
		result = use_key(context, key);
	ERR_clear_error();
	if (result)
		SSL_CTX_free(context);
	else
		*out = context;
	return result;
}

void tls_context_destroy(struct ssl_ctx_st *context)
{
	SSL_CTX_free(context);
}

struct ssl_st *tls_session_create(struct ssl_ctx_st *context, int fd)
{
	SSL *session = SSL_new(context);
	if (!session)
		return NULL;
	if (SSL_set_fd(session, fd) != 1) {
		SSL_free(session);
		return NULL;
	}
	SSL_set_accept_state(session);
	return session;
}

void tls_session_destroy(struct ssl_st *session)
{
	SSL_free(session);
}

/* What a call of OpenSSL that failed means for the connection. */
static ssize_t failure(SSL *session, int returned)
{
	int error = SSL_get_error(session, returned);
	ERR_clear_error();
	switch (error) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	default:
		return -EIO;
	}
}

ssize_t tls_read(struct ssl_st *session, void *bytes, size_t size)
{
	int got = SSL_read(session, bytes, size > INT_MAX ? INT_MAX : (int)size);
	return got > 0 ? got : failure(session, got);
}

ssize_t tls_write(struct ssl_st *session, const void *bytes, size_t length)
{
	int sent = SSL_write(session, bytes, length > INT_MAX ? INT_MAX : (int)length);
	return sent > 0 ? sent : failure(session, sent);
}

void tls_shutdown(struct ssl_st *session)
{
	if (SSL_is_init_finished(session))
		SSL_shutdown(session);
	ERR_clear_error();
}
