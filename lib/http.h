/*
 * http.h - serving a few HTTP endpoints with libmicrohttpd (epoll and a pool of threads), with limits on everything.
 *
 *	static const struct http_route routes[] = {{"GET", "/healthz", answer_healthz}, {"GET", "/metrics", answer_metrics}};
 *	if (http_start(&(struct http_settings){.listen = "0.0.0.0:3000", .routes = routes, .route_count = 2, .arg = app}, &server, err) < 0)
 *
 * A route whose path ends in a slash takes all paths below it ("/livez/": /livez/ping). The first route that fits is taken.
 *
 * A handler runs on a thread of the pool, or of its connection (own_threads): what it reads must be atomic or locked. It fills the reply; the default is 200
 * text/plain; answers forbid caching and type guessing. Unknown paths are 404, a known path with another method 405, a body over the
 * limit 413, a header over 32 KiB 431. A body that comes too slowly is 408 at its end, and at twice the time the connection is
 * closed. A connection is closed when nothing came or went for 10 s, or 4 MiB after its body was too large; at most 256
 * connections, 64 from one address. A client that sends a byte now and then holds its connection: these limits bound what one
 * address can take, and who may connect at all is for the network to say.
 */
#ifndef LIB_HTTP_H
#define LIB_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/err.h"

struct http_request {
	const char *method, *path, *query;	/* query without `?`, "" when none */
	const char *content_type;		/* "" when none */
	const char *authorization;		/* the header's text, "" when none */
	const char *peer;			/* the client's numeric address, without port: "10.0.0.7", "2001:db8::7", "" unknown */
	const char *body;			/* NUL-terminated */
	size_t body_len;
};

struct http_reply {
	int status;			/* 200 */
	const char *content_type;	/* "text/plain; charset=utf-8"; a string constant */
	struct buf body;		/* freed by the server */
};

typedef void http_handler(void *arg, const struct http_request *request, struct http_reply *reply);

struct http_route {
	const char *method, *path;
	http_handler *handler;
};

struct http_settings {
	const char *listen;		/* "ADDR:PORT", "[::1]:3000", ":3000" (all, IPv6 and IPv4); port 0: any */
	const struct http_route *routes;
	size_t route_count;
	size_t max_body_bytes;		/* 0: none accepted */
	size_t max_bodies_bytes;	/* of all requests together at a time, else 503; 0: no limit but those above */
	int64_t body_ms;		/* from a request's header to the end of its body, else 408; 0: no limit */
	unsigned threads;		/* 0: 2 */
	bool own_threads;		/* instead, a thread for each connection: a handler that waits holds up nobody else */
	void *arg;
};

struct http_server;

/* LM_USAGE for an address that is none, LM_UNAVAILABLE when it cannot be listened on; both name it. */
int http_start(const struct http_settings *settings, struct http_server **out, struct lm_err *err);
int http_port(const struct http_server *server);
void http_stop(struct http_server *server);	/* NULL is fine; waits for the handlers that run */

#endif
