/*
 * redis/tls: the socket is written through a BIO of our own, because OpenSSL's
 * writes with write(2), which raises SIGPIPE.
 */
#include "redis/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

enum { FILES = 3 };

/* What changes when a file is replaced. */
struct stamp {
	struct timespec time;
	ino_t inode;
	off_t size;
};

struct tls_context {
	struct tls_sources sources;
	SSL_CTX *ssl;
	BIO_METHOD *method;
	struct stamp stamps[FILES];
};

struct tls {
	SSL *ssl;
	int fd;
	short events;
	char error[160];
};

static int bio_write(BIO *bio, const char *data, int length)
{
	const struct tls *tls = BIO_get_data(bio);
	ssize_t sent = send(tls->fd, data, (size_t)length, MSG_NOSIGNAL);
	BIO_clear_retry_flags(bio);
	if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		BIO_set_retry_write(bio);
	return (int)sent;
}

static int bio_read(BIO *bio, char *data, int size)
{
	const struct tls *tls = BIO_get_data(bio);
	ssize_t length = recv(tls->fd, data, (size_t)size, 0);
	BIO_clear_retry_flags(bio);
	if (length < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		BIO_set_retry_read(bio);
	return (int)length;
}

static long bio_control(BIO *bio, int command, long number, void *pointer)
{
	(void)bio;
	(void)number;
	(void)pointer;
	return command == BIO_CTRL_FLUSH;
}

static void read_stamps(const struct tls_sources *sources, struct stamp stamps[FILES])
{
	const char *const paths[FILES] = {sources->ca, sources->cert, sources->key};
	memset(stamps, 0, FILES * sizeof(*stamps));
	for (size_t i = 0; i < FILES; ++i) {
		struct stat status;
		if (!paths[i] || stat(paths[i], &status))
			continue;
		stamps[i].time = status.st_mtim;
		stamps[i].inode = status.st_ino;
		stamps[i].size = status.st_size;
	}
}

/* An encrypted key is an error rather than a question on the terminal. */
static int no_pass_phrase(char *out, int size, int writing, void *data)
{
	(void)out;
	(void)size;
	(void)writing;
	(void)data;
	return -1;
}

static SSL_CTX *load(const struct tls_sources *sources, const char **culprit)
{
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
	*culprit = sources->ca ? sources->ca : "the system's authorities";
	bool good = sources->ca ? SSL_CTX_load_verify_file(ssl, sources->ca) : SSL_CTX_set_default_verify_paths(ssl);
	if (good && sources->cert) {
		*culprit = sources->cert;
		good = SSL_CTX_use_certificate_chain_file(ssl, sources->cert) == 1;
	}
	if (good && sources->cert) {
		*culprit = sources->key;
		good = SSL_CTX_use_PrivateKey_file(ssl, sources->key, SSL_FILETYPE_PEM) == 1;
	}
	if (good)
		return ssl;
	SSL_CTX_free(ssl);
	return NULL;
}

int tls_context_create(struct tls_context **out, const struct tls_sources *sources, char *error, size_t size)
{
	const char *culprit = "OpenSSL";
	struct tls_context *context = calloc(1, sizeof(*context));
	if (!context)
		return -ENOMEM;
	context->sources = *sources;
	read_stamps(sources, context->stamps);
	ERR_clear_error();
	context->method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "callhistory");
	if (context->method && BIO_meth_set_write(context->method, bio_write) &&
	    BIO_meth_set_read(context->method, bio_read) && BIO_meth_set_ctrl(context->method, bio_control))
		context->ssl = load(sources, &culprit);
	if (!context->ssl) {
		const char *reason = ERR_reason_error_string(ERR_peek_last_error());
		snprintf(error, size, "TLS: %s: %s", culprit, reason ? reason : "cannot be read");
		tls_context_destroy(context);
		return -EINVAL;
	}
	*out = context;
	return 0;
}

void tls_context_refresh(struct tls_context *context)
{
	struct stamp stamps[FILES];
	const char *culprit;
	read_stamps(&context->sources, stamps);
	if (!memcmp(stamps, context->stamps, sizeof(stamps)))
		return;
	SSL_CTX *ssl = load(&context->sources, &culprit);
	if (!ssl)
		return;
	SSL_CTX_free(context->ssl);
	context->ssl = ssl;
	memcpy(context->stamps, stamps, sizeof(stamps));
}

void tls_context_destroy(struct tls_context *context)
{
	if (!context)
		return;
	SSL_CTX_free(context->ssl);
	BIO_meth_free(context->method);
	free(context);
}

/* Names and addresses are compared in different fields of a certificate; SNI is for names only. */
static bool expect(SSL *ssl, const char *host)
{
	unsigned char address[sizeof(struct in6_addr)];
	if (inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1)
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

int tls_begin(struct tls **out, struct tls_context *context, const char *host, int fd)
{
	struct tls *tls = calloc(1, sizeof(*tls));
	if (!tls)
		return -ENOMEM;
	tls->fd = fd;
	tls->ssl = SSL_new(context->ssl);
	BIO *bio = tls->ssl ? BIO_new(context->method) : NULL;
	if (!bio || !expect(tls->ssl, context->sources.name ? context->sources.name : host)) {
		BIO_free(bio);
		tls_destroy(tls);
		return -ENOMEM;
	}
	BIO_set_data(bio, tls);
	BIO_set_init(bio, 1);
	SSL_set_bio(tls->ssl, bio, bio);
	SSL_set_connect_state(tls->ssl);
	*out = tls;
	return 0;
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

/* Turns the outcome of an OpenSSL call into ours: 0, not now, or a failure. */
static int outcome(struct tls *tls, int result)
{
	int kind = SSL_get_error(tls->ssl, result);
	tls->events = kind == SSL_ERROR_WANT_READ ? POLLIN : kind == SSL_ERROR_WANT_WRITE ? POLLOUT : 0;
	return tls->events ? 0 : fail(tls, kind);
}

int tls_handshake(struct tls *tls)
{
	ERR_clear_error();
	errno = 0;
	int result = SSL_do_handshake(tls->ssl);
	if (result != 1)
		return outcome(tls, result);
	tls->events = 0;
	return 1;
}

ssize_t tls_send(struct tls *tls, const void *data, size_t length)
{
	size_t sent = 0;
	ERR_clear_error();
	errno = 0;
	int result = SSL_write_ex(tls->ssl, data, length, &sent);
	if (result != 1)
		return outcome(tls, result);
	tls->events = 0;
	return (ssize_t)sent;
}

ssize_t tls_receive(struct tls *tls, void *data, size_t size)
{
	size_t length = 0;
	ERR_clear_error();
	errno = 0;
	int result = SSL_read_ex(tls->ssl, data, size, &length);
	if (result == 1)
		return (ssize_t)length;
	/* That there is nothing to read must not hide what a write waits for. */
	short events = tls->events;
	ssize_t why = outcome(tls, result);
	tls->events = (short)(tls->events == POLLIN ? events : tls->events | events);
	return why;
}

short tls_events(const struct tls *tls)
{
	return tls->events;
}

const char *tls_error(const struct tls *tls)
{
	return tls->error;
}

void tls_destroy(struct tls *tls)
{
	if (!tls)
		return;
	SSL_free(tls->ssl);
	free(tls);
}
