/*
 * url.h - a strict check of the URL of an API server or proxy.
 *
 * http:// or https:// (a proxy also socks5:// and socks5h://) with a host, perhaps a port (1..65535) and a path; no user, query,
 * fragment, blanks or control characters. A bad URL with an `@` is not quoted in the message: it may hold a password.
 */
#ifndef LIB_KUBE_URL_H
#define LIB_KUBE_URL_H

#include "lib/buf.h"
#include "lib/err.h"

enum url_kind { URL_SERVER, URL_PROXY };

/* *out is the URL without trailing slashes; the caller frees. `code` is that of the error. */
int url_check(const char *url, enum url_kind kind, enum lm_code code, char **out, struct lm_err *err);

/* What TLS with another server name needs: "10.0.0.1" or "[::1]", the port as text, the path or "". Freed by url_parts_free. */
struct url_parts {
	char *scheme, *host, *port, *path;
};
void url_split(const char *url, struct url_parts *out);		/* of a URL that url_check gave */
void url_parts_free(struct url_parts *parts);

/* Any text as a value in a query: all but letters, digits, `-`, `_` and `.` becomes %XX. */
void url_escape(const char *text, struct buf *out);

#endif
