/*
 * http_tls_client.h - whether a client's certificate lets it in, and why not; part of http_tls.h. Pure but for the clock.
 */
#ifndef LIB_HTTP_TLS_CLIENT_H
#define LIB_HTTP_TLS_CLIENT_H

#include <gnutls/gnutls.h>

#include "lib/http_tls.h"

struct http_tls_verdict {
	bool accepted;
	enum http_tls_reason reason;
	gnutls_alert_description_t alert;	/* for the client */
	char text[400];
};

/* In the handshake, after the client's certificate came or did not. */
struct http_tls_verdict http_tls_judge(gnutls_session_t session, const struct http_tls_settings *settings);

#endif
