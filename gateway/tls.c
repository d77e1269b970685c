/* tls: counts users, because open connections keep the certificate that they began with. */
#include "tls.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct tls {
	gnutls_certificate_credentials_t credentials;
	size_t users;
};

int tls_create(struct tls **out, const char *certificate, const char *key)
{
	const gnutls_datum_t texts[] = {
	    {(unsigned char *)(uintptr_t)certificate, (unsigned)strlen(certificate)},
	    {(unsigned char *)(uintptr_t)key, (unsigned)strlen(key)},
	};
	struct tls *tls = calloc(1, sizeof(*tls));
	if (!tls)
		return -ENOMEM;
	tls->users = 1;
	int result = gnutls_certificate_allocate_credentials(&tls->credentials) ? -ENOMEM : 0;
	if (!result && gnutls_certificate_set_x509_key_mem(tls->credentials, &texts[0], &texts[1], GNUTLS_X509_FMT_PEM) < 0)
		result = -EINVAL;
	if (result)
		tls_release(tls);
	else
		*out = tls;
	return result;
}

int tls_check(const char *const *texts)
{
	struct tls *tls = NULL;
	int result = tls_create(&tls, texts[0], texts[1]);
	tls_release(tls);
	return result;
}

struct tls *tls_use(struct tls *tls)
{
	tls->users++;
	return tls;
}

void tls_release(struct tls *tls)
{
	if (!tls || --tls->users)
		return;
	if (tls->credentials)
		gnutls_certificate_free_credentials(tls->credentials);
	free(tls);
}

int tls_set(struct tls *tls, struct gnutls_session_int *session)
{
	return gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, tls->credentials) ? -ENOMEM : 0;
}
