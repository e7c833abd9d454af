#include "lib/http_tls_client.h"

#include <gnutls/x509.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/mem.h"

#define NAME_BYTES 256

__attribute__((format(printf, 3, 4))) static struct http_tls_verdict refuse(enum http_tls_reason reason, gnutls_alert_description_t alert,
									       const char *fmt, ...)
{
	struct http_tls_verdict v = {.reason = reason, .alert = alert};
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(v.text, sizeof(v.text), fmt, ap);
	va_end(ap);
	return v;
}

struct who {
	char subject[NAME_BYTES / 2], issuer[NAME_BYTES / 2];
};

static struct who who_is(gnutls_x509_crt_t certificate)
{
	struct who w = {"?", "?"};
	size_t subject = sizeof(w.subject), issuer = sizeof(w.issuer);

	if (gnutls_x509_crt_get_dn(certificate, w.subject, &subject) < 0)
		strcpy(w.subject, "?");
	if (gnutls_x509_crt_get_issuer_dn(certificate, w.issuer, &issuer) < 0)
		strcpy(w.issuer, "?");
	return w;
}

/* --- signature, time, usage ---------------------------------------------------------------------------------------------- */

static const struct {
	unsigned status;
	enum http_tls_reason reason;
	gnutls_alert_description_t alert;
	const char *text;
} troubles[] = {		/* the first that fits; an unknown issuer comes with others that follow from it */
	{GNUTLS_CERT_SIGNER_NOT_FOUND, HTTP_TLS_UNKNOWN_CA, GNUTLS_A_UNKNOWN_CA, "is not signed by the client CA"},
	{GNUTLS_CERT_SIGNATURE_FAILURE, HTTP_TLS_UNKNOWN_CA, GNUTLS_A_UNKNOWN_CA, "has a signature that is not the client CA's"},
	{GNUTLS_CERT_EXPIRED, HTTP_TLS_EXPIRED, GNUTLS_A_CERTIFICATE_EXPIRED, "has expired, or its CA has"},
	{GNUTLS_CERT_NOT_ACTIVATED, HTTP_TLS_EXPIRED, GNUTLS_A_CERTIFICATE_EXPIRED, "is not valid yet, or its CA is not"},
	{GNUTLS_CERT_PURPOSE_MISMATCH, HTTP_TLS_USAGE, GNUTLS_A_UNSUPPORTED_CERTIFICATE, "is not for clients (extended key usage)"},
	{GNUTLS_CERT_INSECURE_ALGORITHM, HTTP_TLS_BAD_CERTIFICATE, GNUTLS_A_BAD_CERTIFICATE, "uses a weak algorithm or key"},
	{~0u, HTTP_TLS_BAD_CERTIFICATE, GNUTLS_A_BAD_CERTIFICATE, "is refused"},
};

static struct http_tls_verdict refuse_status(unsigned status, const struct who *w)
{
	gnutls_datum_t words = {0};
	struct http_tls_verdict v;
	size_t i = 0;

	while (!(status & troubles[i].status))
		i++;
	if (i == ARRAY_SIZE(troubles) - 1)
		gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &words, 0);
	v = refuse(troubles[i].reason, troubles[i].alert, "the client's certificate %s: subject %s, issuer %s%s%s", troubles[i].text, w->subject,
		   w->issuer, words.data ? ": " : "", words.data ? (const char *)words.data : "");
	gnutls_free(words.data);
	return v;
}

static bool may_sign(gnutls_x509_crt_t certificate)
{
	unsigned usage, critical;

	return gnutls_x509_crt_get_key_usage(certificate, &usage, &critical) < 0 || (usage & GNUTLS_KEY_DIGITAL_SIGNATURE);
}

/* --- names --------------------------------------------------------------------------------------------------------------- */

/* A name with a NUL inside is none: what was checked by length would be compared by a part of it. */
static bool is_wanted(const char *name, size_t len, bool fold_case, const struct http_tls_settings *s)
{
	size_t i;

	for (i = 0; i < s->client_name_count; i++) {
		const char *want = s->client_names[i];

		if (strlen(want) == len && !memchr(name, '\0', len) && (fold_case ? strncasecmp(want, name, len) == 0 : memcmp(want, name, len) == 0))
			return true;
	}
	return false;
}

static bool has_name(gnutls_x509_crt_t certificate, const struct http_tls_settings *s)
{
	char name[NAME_BYTES];
	unsigned i, critical;
	size_t len = sizeof(name);
	int type;

	if (gnutls_x509_crt_get_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, 0, name, &len) == 0 && is_wanted(name, len, false, s))
		return true;
	for (i = 0; ; i++) {
		len = sizeof(name);
		type = gnutls_x509_crt_get_subject_alt_name(certificate, i, name, &len, &critical);
		if (type == GNUTLS_E_SHORT_MEMORY_BUFFER)
			continue;
		if (type < 0)
			return false;
		if ((type == GNUTLS_SAN_DNSNAME || type == GNUTLS_SAN_URI) && is_wanted(name, len, type == GNUTLS_SAN_DNSNAME, s))
			return true;
	}
}

/* --- the whole ----------------------------------------------------------------------------------------------------------- */

static struct http_tls_verdict judge_certificate(gnutls_session_t session, gnutls_x509_crt_t certificate, const struct http_tls_settings *s)
{
	static char purpose[] = GNUTLS_KP_TLS_WWW_CLIENT;
	gnutls_typed_vdata_st want = {.type = GNUTLS_DT_KEY_PURPOSE_OID, .data = (unsigned char *)purpose};
	struct who w = who_is(certificate);
	unsigned status = 0;
	int code = gnutls_certificate_verify_peers(session, &want, 1, &status);

	if (code < 0)
		return refuse(HTTP_TLS_BAD_CERTIFICATE, GNUTLS_A_BAD_CERTIFICATE, "the client's certificate cannot be checked: %s", gnutls_strerror(code));
	if (status)
		return refuse_status(status, &w);
	if (!may_sign(certificate))
		return refuse(HTTP_TLS_USAGE, GNUTLS_A_UNSUPPORTED_CERTIFICATE,
			      "the client's certificate is not for signing (key usage): subject %s, issuer %s", w.subject, w.issuer);
	if (s->client_name_count && !has_name(certificate, s))
		return refuse(HTTP_TLS_NAME, GNUTLS_A_ACCESS_DENIED, "the client's certificate has none of the names that are let in: subject %s, issuer %s",
			      w.subject, w.issuer);
	return (struct http_tls_verdict){.accepted = true};
}

struct http_tls_verdict http_tls_judge(gnutls_session_t session, const struct http_tls_settings *settings)
{
	unsigned count = 0;
	const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &count);
	struct http_tls_verdict v;
	gnutls_x509_crt_t certificate;

	if (!chain || count == 0)
		return refuse(HTTP_TLS_NO_CERTIFICATE, gnutls_protocol_get_version(session) == GNUTLS_TLS1_3 ? GNUTLS_A_CERTIFICATE_REQUIRED
			      : GNUTLS_A_HANDSHAKE_FAILURE, "the client has no certificate");
	if (gnutls_x509_crt_init(&certificate) < 0)
		return refuse(HTTP_TLS_BAD_CERTIFICATE, GNUTLS_A_INTERNAL_ERROR, "no memory for the client's certificate");
	if (gnutls_x509_crt_import(certificate, &chain[0], GNUTLS_X509_FMT_DER) < 0)
		v = refuse(HTTP_TLS_BAD_CERTIFICATE, GNUTLS_A_BAD_CERTIFICATE, "the client's certificate cannot be read");
	else
		v = judge_certificate(session, certificate, settings);
	gnutls_x509_crt_deinit(certificate);
	return v;
}
