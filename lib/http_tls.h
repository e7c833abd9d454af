/*
 * http_tls.h - TLS for a server of http.h: 1.2 and 1.3, certificates of clients, and files that change while it runs.
 *
 *	struct http_tls_settings s = {.cert_file = "tls.crt", .key_file = "tls.key", .client_ca_file = "ca.crt", .refused = log_it, .arg = app};
 *	if (http_tls_open(&s, &tls, err) < 0 || http_start(&(struct http_settings){..., .tls = tls}, &server, err) < 0) ...
 *	...
 *	switch (http_tls_look(tls, clock_mono_ms(), err)) ...		each second or so: returns at once but when a file changed
 *	...
 *	http_stop(server);
 *	http_tls_close(tls);
 *
 * Files. PEM, followed through symbolic links. The certificate is the server's own, then those between it and the CA, and all are sent. The key has no
 * passphrase. They are loaded whole or not at all: a key that is not the certificate's is refused, and what was loaded before stays in use. http_tls_look
 * looks at them each HTTP_TLS_LOOK_MS (device, inode, size, times of what the path leads to), and loads what changed when it is the same a second later,
 * so that files that are written one after the other, or in place, are not met half-way.
 *
 * Rotation. The certificates belong to a connection, not to the server: each connection keeps those that it began with, and nothing that is in flight is
 * touched. (A second daemon on the same socket would do too, but it has to wait for the first, and its limits count twice.) A connection whose files are no
 * longer in use is closed after its next answer, or as an idle one: a client of a CA that went does not stay longer.
 *
 * Clients. With client_ca_file a client must have a certificate that the CA signed, which is valid now, may be used for clients (no extended key usage, or
 * one with clientAuth; no key usage, or one with digitalSignature), and, with client_names, has one of the names (subject CN, DNS, URI). Else it is refused in
 * the handshake by an alert. In TLS 1.3 a client believes that the handshake succeeded before it hears that. There are no sessions to resume: each
 * handshake is whole. Revocation is not looked at: a CA of its own for these clients, which is exchanged, is the way. CA names are not sent, so that a client
 * sends what it has and the reason is exact.
 *
 * Threads. http_tls_look is for one thread. `refused` is called by the server's threads, perhaps by several at a time.
 */
#ifndef LIB_HTTP_TLS_H
#define LIB_HTTP_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

#define HTTP_TLS_LOOK_MS 10000
#define HTTP_TLS_FILE_BYTES ((size_t)1 << 20)	/* of each file */

enum http_tls_reason {
	HTTP_TLS_NO_CERTIFICATE,	/* the client has none */
	HTTP_TLS_UNKNOWN_CA,		/* signed by another */
	HTTP_TLS_EXPIRED,		/* or not valid yet */
	HTTP_TLS_USAGE,			/* not for clients */
	HTTP_TLS_NAME,
	HTTP_TLS_BAD_CERTIFICATE,	/* whatever else is wrong with it */
	HTTP_TLS_NOT_TLS,		/* HTTP, which is answered by 400 in plain text, or something else */
	HTTP_TLS_PROTOCOL,		/* no version or cipher that both have */
	HTTP_TLS_BY_CLIENT,		/* the client refused: it does not trust our certificate */
	HTTP_TLS_BROKEN_OFF,		/* the client went or fell silent; not counted when it never said a word */
	HTTP_TLS_REASONS,
};
extern const char *const http_tls_reasons[];	/* "no_certificate"; NULL at the end */

struct http_tls_refusal {
	enum http_tls_reason reason;
	const char *peer;		/* "10.0.0.7:41234", "[::1]:41234" */
	const char *text;		/* the exact reason; may have names of the client's choice in it */
};

struct http_tls_settings {
	const char *cert_file, *key_file;
	const char *client_ca_file;	/* NULL: clients are asked for no certificate */
	const char *const *client_names;
	size_t client_name_count;	/* 0: any client that the CA signed */
	void (*refused)(void *arg, const struct http_tls_refusal *refusal);	/* may be NULL */
	void *arg;
};

struct http_tls;

/* `settings` is copied whole. LM_NOINPUT, LM_PERM, LM_DATA: the text names the file. */
int http_tls_open(const struct http_tls_settings *settings, struct http_tls **out, struct lm_err *err);
/*
 * 1: other files are in use from now on. -1: they are refused, and the old ones stay; once for each change, or at each look (HTTP_TLS_LOOK_MS) while they
 * cannot be read for a reason that may pass (EMFILE, ENOMEM, EIO, ESTALE). 0: nothing.
 */
int http_tls_look(struct http_tls *tls, int64_t mono_ms, struct lm_err *err);
/* When the certificate in use ends, seconds since 1970. */
int64_t http_tls_end_wall_s(const struct http_tls *tls);
void http_tls_close(struct http_tls *tls);	/* after the server's stop; NULL is fine */

/* --- for http.c ---------------------------------------------------------------------------------------------------------- */

struct MHD_Connection;
struct MHD_OptionItem;

#define HTTP_TLS_OPTIONS 3		/* room that http_tls_options needs */
/*
 * The options of a daemon with MHD_USE_TLS, ended. It must poll(): with epoll libmicrohttpd 0.9.75 spins on each connection whose handshake is not complete,
 * which any client could make it do.
 */
void http_tls_options(struct MHD_OptionItem *items);

struct http_tls_guest;			/* a connection */
/* When a connection started (MHD_OPTION_NOTIFY_CONNECTION): it gets its certificates, which the daemon itself does not have. */
struct http_tls_guest *http_tls_begin(struct http_tls *tls, struct MHD_Connection *connection);
/* When it was closed, its session is gone: this is where a handshake that did not succeed is told. NULL is fine. */
void http_tls_end(struct http_tls_guest *guest);
/* True: other files are in use, so the connection shall be closed after this answer. NULL: false. */
bool http_tls_is_old(const struct http_tls_guest *guest);

#endif
