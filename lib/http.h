/*
 * http.h - serving a few HTTP endpoints with libmicrohttpd (epoll and a pool of threads), with limits on everything.
 *
 *	static const struct http_route routes[] = {{"GET", "/healthz", answer_healthz}, {"GET", "/metrics", answer_metrics}};
 *	if (http_start(&(struct http_settings){.listen = "0.0.0.0:3000", .routes = routes, .route_count = 2, .arg = app}, &server, err) < 0)
 *
 * A route whose path ends in a slash takes all paths below it ("/livez/": /livez/ping). The first route that fits is taken.
 *
 * A handler runs on a thread of the pool: what it reads must be atomic or locked, and while it runs a share of the connections waits. It fills the reply;
 * the default is 200 text/plain; answers forbid caching and type guessing. One that cannot tell yet defers:
 *
 *	pool			handler: http_defer(request, fill, arg)		the reply is ignored; the connection sleeps
 *	any thread		http_finish(later), once, also before the handler is back
 *	pool			fill(arg, &reply): once for each http_defer, also when the client went away. Then the request and its body are gone
 *
 * Unknown paths are 404, a known path with another method 405, a body over the limit 413, a header over 32 KiB 431. A body that is
 * refused is read to its end all the same, within its time, so that the client sees the answer; but not more than 128 MiB. When the header says that it will
 * be more, or that the client waits for leave, 413 comes at once and the connection ends; chunks that become more have no answer.
 *
 * Time: these are whole spans, which a byte now and then does not prolong. What takes longer is closed.
 *	idle_ms		from accepting, from a request's first line, and from an answer that was no success, to the end of the (next) header
 *	kept_ms		instead of idle_ms, after a success: for clients that keep connections, and for their next request's line
 *	2 body_ms	from the header to the end of the body; one that ends after body_ms is answered 408
 *	HTTP_SEND_MS	to send an answer
 * So one that never had a success holds its connection for idle_ms. At most `connections` at a time, which the threads share equally, and `per_address` of one
 * address: what comes above the first waits in the kernel, above the second it is closed. Both are fewer where RLIMIT_NOFILE has no room for them
 * (http_socket.h). A connection takes up to 32 KiB beside the body.
 */
#ifndef LIB_HTTP_H
#define LIB_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/err.h"

#define HTTP_CONNECTIONS 256
#define HTTP_CONNECTIONS_PER_ADDRESS 64
#define HTTP_IDLE_MS 10000
#define HTTP_BODY_MS 5000
#define HTTP_SEND_MS 30000
#define HTTP_STOP_MS 1000

struct http_later;
struct http_tls;

struct http_request {
	const char *method, *path, *query;	/* query without `?`, "" when none */
	const char *content_type;		/* "" when none */
	const char *authorization;		/* the header's text, "" when none */
	const char *peer;			/* the client's numeric address, without port: "10.0.0.7", "2001:db8::7", "" unknown; while the handler runs */
	const char *body;			/* NUL-terminated; of a request that is deferred it stays until it was filled */
	size_t body_len;
	struct http_later *later;		/* http_defer's */
};

typedef void http_releaser(void *arg);

struct http_reply {
	int status;			/* 200 */
	const char *content_type;	/* "text/plain; charset=utf-8"; a string constant */
	const char *header, *value;	/* one more header; constants. NULL: none */
	struct buf body;		/* freed by the server */
	http_releaser *release;		/* NULL, or called once when the answer is away, or will not be sent: what the client need not wait for */
	void *release_arg;
};

typedef void http_handler(void *arg, const struct http_request *request, struct http_reply *reply);
typedef void http_filler(void *arg, struct http_reply *reply);

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
	int64_t body_ms;		/* 0: HTTP_BODY_MS */
	int64_t idle_ms;		/* 0: HTTP_IDLE_MS */
	int64_t kept_ms;		/* 0: as idle_ms */
	unsigned connections;		/* 0: HTTP_CONNECTIONS; the most */
	unsigned per_address;		/* 0: HTTP_CONNECTIONS_PER_ADDRESS */
	unsigned threads;		/* 0: 2 */
	struct http_tls *tls;		/* NULL: plain; it must outlive the server (http_tls.h) */
	/*
	 * NULL, or what is told of each request that no handler saw: 400 and 431 (the header), 408, 413 and 503 (the body), also when there was
	 * nobody to answer any more. On any thread of the pool, several at a time. `path` is as it came, without the query, at most 31 bytes.
	 */
	void (*refused)(void *arg, const char *path, int status);
	void *arg;
	const struct http_route *more;	/* of another module, with an arg of its own; after `routes` */
	size_t more_count;
	void *more_arg;
};

struct http_server;

/* LM_USAGE for an address that is none, LM_UNAVAILABLE when it cannot be listened on; both name it. */
int http_start(const struct http_settings *settings, struct http_server **out, struct lm_err *err);
int http_port(const struct http_server *server);
/*
 * Accepts nobody any more, waits for the handlers that run and for the http_finish of all that is deferred, however long that takes, and for those answers to
 * be sent, for HTTP_STOP_MS at most; closes the rest. NULL is fine.
 */
void http_stop(struct http_server *server);

/* Why there was no handler; of the statuses of `refused`. */
const char *http_refusal_text(int status);

/* A Content-Type that is application/json, with parameters ("; charset=utf-8") or without. "" is none. */
bool http_is_json(const char *content_type);

/* In a handler. `fill` has the reply's defaults before it, as a handler has. */
struct http_later *http_defer(const struct http_request *request, http_filler *fill, void *arg);
void http_finish(struct http_later *later);

#endif
