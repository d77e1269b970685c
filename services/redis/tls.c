/* redis/tls: the files are read for each connection, so that renewed ones count at once. */
#include "redis/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/pem_files.h"

struct tls_context {
	const struct redis_options *options;
	SSL_CTX *ssl;
};

/* An encrypted key is an error rather than a question on the terminal. `data`: a bool that becomes true. */
static int no_pass_phrase(char *out, int size, int writing, void *data)
{
	(void)out;
	(void)size;
	(void)writing;
	*(bool *)data = true;
	return -1;
}

/* Returns NULL, the file at fault and, where OpenSSL's own reason would not say it, the reason. */
static SSL_CTX *load(const struct redis_options *options, const char **culprit, const char **reason)
{
	bool encrypted = false;
	SSL_CTX *ssl = SSL_CTX_new(TLS_client_method());
	*culprit = "OpenSSL";
	if (!ssl)
		return NULL;
	SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION);
	SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_clear_mode(ssl, SSL_MODE_AUTO_RETRY);
	SSL_CTX_set_mode(ssl,
	                 SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_default_passwd_cb(ssl, no_pass_phrase);
	SSL_CTX_set_default_passwd_cb_userdata(ssl, &encrypted);
	*culprit = options->ca ? options->ca : "the system's authorities";
	bool good = options->ca ? SSL_CTX_load_verify_file(ssl, options->ca) : SSL_CTX_set_default_verify_paths(ssl);
	if (good && options->cert) {
		*culprit = options->cert;
		good = SSL_CTX_use_certificate_chain_file(ssl, options->cert) == 1;
	}
	if (good && options->cert) {
		*culprit = options->key;
		good = SSL_CTX_use_PrivateKey_file(ssl, options->key, SSL_FILETYPE_PEM) == 1;
	}
	SSL_CTX_set_default_passwd_cb_userdata(ssl, NULL);
	if (good)
		return ssl;
	if (encrypted)
		*reason = PEM_FILES_ENCRYPTED;
	SSL_CTX_free(ssl);
	return NULL;
}

int redis_tls_context_create(struct tls_context **out, const struct redis_options *options, char *error, size_t size)
{
	const char *culprit, *reason = NULL;
	struct tls_context *context = calloc(1, sizeof(*context));
	if (!context)
		return -ENOMEM;
	context->options = options;
	ERR_clear_error();
	context->ssl = load(options, &culprit, &reason);
	if (!context->ssl) {
		if (!reason)
			reason = ERR_reason_error_string(ERR_peek_last_error());
		snprintf(error, size, "TLS: %s: %s", culprit, reason ? reason : "cannot be read");
		redis_tls_context_destroy(context);
		return -EINVAL;
	}
	*out = context;
	return 0;
}

void redis_tls_context_destroy(struct tls_context *context)
{
	if (!context)
		return;
	SSL_CTX_free(context->ssl);
	free(context);
}

/* Names and addresses are compared in different fields of a certificate; SNI is for names only. */
static bool expect(SSL *ssl, const char *host)
{
	if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1)
		return true;
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

struct tls *redis_tls_begin(struct tls_context *context, const char *host, int fd)
{
	const char *culprit, *reason;
	SSL_CTX *fresh = load(context->options, &culprit, &reason);
	if (fresh) {
		SSL_CTX_free(context->ssl);
		context->ssl = fresh;
	}
	struct tls *tls = calloc(1, sizeof(*tls));
	if (tls)
		tls->ssl = SSL_new(context->ssl);
	if (!tls || !tls->ssl || !SSL_set_fd(tls->ssl, fd) ||
	    !expect(tls->ssl, context->options->tls_name ? context->options->tls_name : host)) {
		redis_tls_destroy(tls);
		return NULL;
	}
	SSL_set_connect_state(tls->ssl);
	return tls;
}

static int fail(struct tls *tls, int kind)
{
	unsigned long code = ERR_peek_last_error();
	long verified = SSL_get_verify_result(tls->ssl);
	const char *reason = code ? ERR_reason_error_string(code) : NULL;
	if (kind == SSL_ERROR_ZERO_RETURN || (kind == SSL_ERROR_SYSCALL && !code && !errno))
		return -EPIPE;
	if (verified != X509_V_OK)
		reason = X509_verify_cert_error_string(verified);
	if (!reason)
		reason = errno ? strerrordesc_np(errno) : "the server closed the connection without end of TLS";
	snprintf(tls->error, sizeof(tls->error), "TLS: %s", reason);
	return -EPROTO;
}

/* Before each call: OpenSSL's queue of errors is the thread's, not the connection's. */
static void begin(void)
{
	ERR_clear_error();
	errno = 0;
}

/* Turns the outcome of a call into ours: `done`, 0 for not now, or a failure. */
static ssize_t outcome(struct tls *tls, int result, size_t done)
{
	int kind = result == 1 ? SSL_ERROR_NONE : SSL_get_error(tls->ssl, result);
	tls->events = kind == SSL_ERROR_WANT_READ ? POLLIN : kind == SSL_ERROR_WANT_WRITE ? POLLOUT : 0;
	return result == 1 ? (ssize_t)done : tls->events ? 0 : fail(tls, kind);
}

int redis_tls_handshake(struct tls *tls)
{
	begin();
	return (int)outcome(tls, SSL_do_handshake(tls->ssl), 1);
}

ssize_t redis_tls_send(struct tls *tls, const void *data, size_t length)
{
	size_t sent = 0;
	begin();
	int result = SSL_write_ex(tls->ssl, data, length, &sent);
	return outcome(tls, result, sent);
}

ssize_t redis_tls_receive(struct tls *tls, void *data, size_t size)
{
	size_t received = 0;
	short events = tls->events;
	begin();
	int result = SSL_read_ex(tls->ssl, data, size, &received);
	ssize_t length = outcome(tls, result, received);
	/* What a write waits for is still waited for; that there is nothing to read needs no mention. */
	tls->events = (short)(tls->events == POLLIN ? events : tls->events | events);
	return length;
}

void redis_tls_destroy(struct tls *tls)
{
	if (!tls)
		return;
	SSL_free(tls->ssl);
	free(tls);
}
