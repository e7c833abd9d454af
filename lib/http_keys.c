#include "lib/http_keys.h"

#include <fcntl.h>
#include <gnutls/crypto.h>
#include <gnutls/x509.h>
#include <stdlib.h>
#include <string.h>

#include "lib/file.h"
#include "lib/mem.h"

_Static_assert(HTTP_KEYS_DIGEST == 32, "SHA-256");

struct texts {
	struct file_text cert, key, ca;		/* ca: empty without one */
};

struct certificates {
	gnutls_x509_crt_t *list;
	unsigned count;
};

static void texts_free(struct texts *t)
{
	if (t->key.data)
		gnutls_memset(t->key.data, 0, t->key.len);
	file_text_free(&t->cert);
	file_text_free(&t->key);
	file_text_free(&t->ca);
}

static void certificates_free(struct certificates *c)
{
	unsigned i;

	for (i = 0; i < c->count; i++)
		gnutls_x509_crt_deinit(c->list[i]);
	gnutls_free(c->list);
}

static gnutls_datum_t datum(const struct file_text *text)
{
	return (gnutls_datum_t){(unsigned char *)text->data, (unsigned)text->len};
}

static int read_file(const char *path, struct file_text *out, struct lm_err *err)
{
	return file_read(AT_FDCWD, path, HTTP_TLS_FILE_BYTES, FILE_FOLLOW, out, err);
}

static int read_texts(const struct http_tls_settings *s, struct texts *out, struct lm_err *err)
{
	if (read_file(s->cert_file, &out->cert, err) < 0 || read_file(s->key_file, &out->key, err) < 0)
		return -1;
	return s->client_ca_file ? read_file(s->client_ca_file, &out->ca, err) : 0;
}

/* Each file's length too, so that bytes that move from one file to the other make another digest. */
static void digest_of(const struct texts *t, unsigned char digest[static HTTP_KEYS_DIGEST])
{
	const struct file_text *files[] = {&t->cert, &t->key, &t->ca};
	gnutls_hash_hd_t hash;
	size_t i;

	memset(digest, 0, HTTP_KEYS_DIGEST);
	if (gnutls_hash_init(&hash, GNUTLS_DIG_SHA256) < 0)
		return;
	for (i = 0; i < ARRAY_SIZE(files); i++) {
		gnutls_hash(hash, &files[i]->len, sizeof(files[i]->len));
		gnutls_hash(hash, files[i]->data, files[i]->len);
	}
	gnutls_hash_deinit(hash, digest);
}

/* One bad certificate among many refuses the file: one that is left out would be missed much later. */
static int parse_certificates(const char *path, const struct file_text *text, struct certificates *out, struct lm_err *err)
{
	gnutls_datum_t pem = datum(text);
	int code;

	if (!strstr(text->data, "-----BEGIN CERTIFICATE-----"))
		return lm_fail(err, LM_DATA, "`%s`: there is no PEM certificate in it", path);
	code = gnutls_x509_crt_list_import2(&out->list, &out->count, &pem, GNUTLS_X509_FMT_PEM, 0);
	if (code < 0)
		return lm_fail(err, LM_DATA, "`%s`: a certificate in it cannot be read: %s", path, gnutls_strerror(code));
	return 0;
}

static int check_key(const char *path, const struct file_text *text, struct lm_err *err)
{
	gnutls_datum_t pem = datum(text);
	gnutls_x509_privkey_t key;
	int code;

	if (strstr(text->data, "ENCRYPTED"))
		return lm_fail(err, LM_DATA, "`%s`: the key is encrypted; one without a passphrase is needed", path);
	if (!strstr(text->data, "PRIVATE KEY-----"))
		return lm_fail(err, LM_DATA, "`%s`: there is no PEM private key in it", path);
	if (gnutls_x509_privkey_init(&key) < 0)
		return lm_fail(err, LM_SOFTWARE, "`%s`: no memory for the key", path);
	code = gnutls_x509_privkey_import2(key, &pem, GNUTLS_X509_FMT_PEM, NULL, 0);
	gnutls_x509_privkey_deinit(key);
	return code < 0 ? lm_fail(err, LM_DATA, "`%s`: the key cannot be read: %s", path, gnutls_strerror(code)) : 0;
}

static int fill_own(const struct http_tls_settings *s, const struct texts *t, struct http_keys *keys, struct lm_err *err)
{
	__attribute__((cleanup(certificates_free))) struct certificates own = {0};
	gnutls_datum_t cert = datum(&t->cert), key = datum(&t->key);
	int code;

	if (parse_certificates(s->cert_file, &t->cert, &own, err) < 0 || check_key(s->key_file, &t->key, err) < 0)
		return -1;
	keys->end_wall_s = gnutls_x509_crt_get_expiration_time(own.list[0]);
	code = gnutls_certificate_set_x509_key_mem2(keys->credentials, &cert, &key, GNUTLS_X509_FMT_PEM, NULL, 0);
	if (code == GNUTLS_E_CERTIFICATE_KEY_MISMATCH)
		return lm_fail(err, LM_DATA, "the key `%s` is not that of the certificate `%s`", s->key_file, s->cert_file);
	if (code < 0)
		return lm_fail(err, LM_DATA, "`%s` and `%s` cannot be used: %s", s->cert_file, s->key_file, gnutls_strerror(code));
	return 0;
}

static int fill_clients(const struct http_tls_settings *s, const struct texts *t, struct http_keys *keys, struct lm_err *err)
{
	__attribute__((cleanup(certificates_free))) struct certificates ca = {0};
	int code;

	if (!s->client_ca_file)
		return 0;
	if (parse_certificates(s->client_ca_file, &t->ca, &ca, err) < 0)
		return -1;
	code = gnutls_certificate_set_x509_trust(keys->credentials, ca.list, (int)ca.count);
	return code < 0 ? lm_fail(err, LM_DATA, "`%s` cannot be used: %s", s->client_ca_file, gnutls_strerror(code)) : 0;
}

struct http_keys *http_keys_load(const struct http_tls_settings *settings, struct lm_err *err)
{
	__attribute__((cleanup(texts_free))) struct texts texts = {0};
	struct http_keys *keys;

	if (read_texts(settings, &texts, err) < 0)
		return NULL;
	keys = xcalloc(1, sizeof(*keys));
	atomic_init(&keys->holders, 1);
	digest_of(&texts, keys->digest);
	if (gnutls_certificate_allocate_credentials(&keys->credentials) < 0)
		lm_fail(err, LM_SOFTWARE, "no memory for certificates");
	else if (fill_own(settings, &texts, keys, err) == 0 && fill_clients(settings, &texts, keys, err) == 0)
		return keys;
	http_keys_drop(keys);
	return NULL;
}

void http_keys_hold(struct http_keys *keys)
{
	atomic_fetch_add(&keys->holders, 1);
}

void http_keys_drop(struct http_keys *keys)
{
	if (!keys || atomic_fetch_sub(&keys->holders, 1) > 1)
		return;
	if (keys->credentials)
		gnutls_certificate_free_credentials(keys->credentials);
	free(keys);
}

void http_keys_stamp(const struct http_tls_settings *settings, struct http_keys_stamp *out)
{
	const char *paths[] = {settings->cert_file, settings->key_file, settings->client_ca_file};
	struct stat st;
	size_t i;

	memset(out, 0, sizeof(*out));
	for (i = 0; i < ARRAY_SIZE(paths); i++) {
		if (!paths[i] || stat(paths[i], &st) < 0)
			continue;
		out->files[i].device = st.st_dev;
		out->files[i].inode = st.st_ino;
		out->files[i].size = st.st_size;
		out->files[i].modified = st.st_mtim;
		out->files[i].changed = st.st_ctim;
	}
}

bool http_keys_same(const struct http_keys_stamp *a, const struct http_keys_stamp *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;	/* both were zeroed, with what lies between members */
}
