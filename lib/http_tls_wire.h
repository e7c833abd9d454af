/*
 * http_tls_wire.h - the bytes of a TLS session, to and from its socket; part of http_tls.h. It remembers how a connection began, which the TLS library does
 * not tell, and answers who speaks plain HTTP there.
 */
#ifndef LIB_HTTP_TLS_WIRE_H
#define LIB_HTTP_TLS_WIRE_H

#include <gnutls/gnutls.h>
#include <stdbool.h>
#include <stdint.h>

#define HTTP_TLS_WIRE_FIRST 5		/* the header of a record */
#define HTTP_TLS_WIRE_DRAIN_MS 2000

struct http_tls_wire {
	int fd;				/* borrowed */
	int64_t drain_until_mono_ms;	/* 0: it does not drain */
	unsigned first_count;
	unsigned char first[HTTP_TLS_WIRE_FIRST];
	bool settled;			/* the handshake is over: nothing is noted any more */
	bool alert;			/* the peer sent one */
	int alert_code;			/* 0: it is encrypted */
	struct {
		unsigned char header[HTTP_TLS_WIRE_FIRST];
		unsigned count;		/* of its bytes */
		unsigned left;		/* of the body */
	} record;			/* that is being read */
};

/* `wire` must live as long as the session. The socket does not block. */
void http_tls_wire_attach(struct http_tls_wire *wire, gnutls_session_t session, int fd);
/* Nothing more is said, and what comes is read and thrown away until the peer ends, or for HTTP_TLS_WIRE_DRAIN_MS. */
void http_tls_wire_drain(struct http_tls_wire *wire);
/* The first bytes are no record of a handshake. */
bool http_tls_wire_is_other(const struct http_tls_wire *wire);
bool http_tls_wire_is_http(const struct http_tls_wire *wire);

#endif
