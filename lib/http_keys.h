/*
 * http_keys.h - certificate, key and client CA of a server, loaded from their files into one value that never changes; part of http_tls.h.
 *
 *	struct http_keys *keys = http_keys_load(&settings, err);	NULL: err names the file
 *	http_keys_hold(keys);						for each connection
 *	http_keys_drop(keys);						the last one frees
 *
 * hold and drop are for any thread.
 */
#ifndef LIB_HTTP_KEYS_H
#define LIB_HTTP_KEYS_H

#include <gnutls/gnutls.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "lib/http_tls.h"

#define HTTP_KEYS_DIGEST 32

struct http_keys {
	gnutls_certificate_credentials_t credentials;
	int64_t end_wall_s;			/* of the certificate */
	unsigned char digest[HTTP_KEYS_DIGEST];	/* of all files: equal files need no reload */
	atomic_int holders;
};

struct http_keys *http_keys_load(const struct http_tls_settings *settings, struct lm_err *err);
void http_keys_hold(struct http_keys *keys);
void http_keys_drop(struct http_keys *keys);	/* NULL is fine */

/* What can be seen of the files without reading them. A file that is not there is all 0. */
struct http_keys_stamp {
	struct {
		dev_t device;
		ino_t inode;
		off_t size;
		struct timespec modified, changed;
	} files[3];
};
void http_keys_stamp(const struct http_tls_settings *settings, struct http_keys_stamp *out);
bool http_keys_same(const struct http_keys_stamp *a, const struct http_keys_stamp *b);

#endif
