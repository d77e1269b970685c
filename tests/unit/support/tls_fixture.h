/* tls_fixture: a certificate authority of the test's own, and certificates by it, as PEM texts. */
#ifndef CALLHISTORY_TESTS_TLS_FIXTURE_H
#define CALLHISTORY_TESTS_TLS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>

struct identity {
	X509 *certificate;
	EVP_PKEY *key;
	char cert_pem[4096], key_pem[2048];
};

static inline void identity_extend(X509 *certificate, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX context;
	X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	assert_non_null(extension);
	assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
	X509_EXTENSION_free(extension);
}

static inline void identity_write(struct identity *identity)
{
	BIO *bio = BIO_new(BIO_s_mem());
	assert_int_equal(PEM_write_bio_X509(bio, identity->certificate), 1);
	int length = BIO_read(bio, identity->cert_pem, sizeof(identity->cert_pem) - 1);
	assert_true(length > 0);
	identity->cert_pem[length] = '\0';
	assert_int_equal(PEM_write_bio_PrivateKey(bio, identity->key, NULL, NULL, 0, NULL, NULL), 1);
	length = BIO_read(bio, identity->key_pem, sizeof(identity->key_pem) - 1);
	assert_true(length > 0);
	identity->key_pem[length] = '\0';
	BIO_free(bio);
}

/* Makes a certificate for "localhost" and 127.0.0.1, signed by `authority` (NULL: an authority). */
static inline void identity_make(struct identity *identity, const char *name, const struct identity *authority)
{
	static long serial = 1;
	identity->key = EVP_EC_gen("P-256");
	X509 *certificate = identity->certificate = X509_new();
	assert_non_null(identity->key);
	assert_non_null(certificate);
	X509_set_version(certificate, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
	X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
	X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
	X509_set_pubkey(certificate, identity->key);
	X509_NAME *subject = X509_get_subject_name(certificate);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
	X509 *issuer = authority ? authority->certificate : certificate;
	X509_set_issuer_name(certificate, X509_get_subject_name(issuer));
	identity_extend(certificate, issuer, NID_basic_constraints, authority ? "CA:FALSE" : "critical,CA:TRUE");
	if (authority)
		identity_extend(certificate, issuer, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1");
	else
		identity_extend(certificate, issuer, NID_key_usage, "critical,keyCertSign,cRLSign");
	assert_true(X509_sign(certificate, authority ? authority->key : identity->key, EVP_sha256()) > 0);
	identity_write(identity);
}

static inline void identity_free(struct identity *identity)
{
	X509_free(identity->certificate);
	EVP_PKEY_free(identity->key);
}

#endif
