#include "lib/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/mem.h"

#define CONNECTIONS 256
#define CONNECTIONS_PER_ADDRESS 64
#define CONNECTION_MEMORY ((size_t)32 * 1024)
#define BACKLOG 128
#define DISCARD_MAX_BYTES ((size_t)4 << 20)
#define FDS_WANTED 65536
#define STACK_BYTES ((size_t)1 << 20)

/* Not a constant: the tests cannot wait so long. */
static unsigned idle_timeout_s = 10;

struct http_server {
	struct MHD_Daemon *daemon;
	struct http_settings settings;
	atomic_size_t bodies_bytes;	/* held now */
	int port;
};

/* What is known of a request between the calls of libmicrohttpd. */
struct exchange {
	struct buf body;
	int64_t begun_mono_ms;
	int refused;		/* status; 0: not */
	size_t discarded;	/* of a body that is refused: it is read to its end, so that the client sees the answer */
};

static enum MHD_Result send_reply(struct MHD_Connection *connection, struct http_reply *reply)
{
	struct MHD_Response *response;
	enum MHD_Result queued;

	response = MHD_create_response_from_buffer(reply->body.len, reply->body.data, MHD_RESPMEM_MUST_FREE);
	if (!response) {
		buf_free(&reply->body);
		return MHD_NO;
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, reply->content_type);
	MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-cache, private");
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	queued = MHD_queue_response(connection, (unsigned)reply->status, response);
	MHD_destroy_response(response);
	return queued;
}

static enum MHD_Result send_text(struct MHD_Connection *connection, int status, const char *text)
{
	struct http_reply reply = {.status = status, .content_type = "text/plain; charset=utf-8"};

	buf_str(&reply.body, text);
	return send_reply(connection, &reply);
}

/* A query as it came would need a look into the raw request; libmicrohttpd gives it decoded, argument by argument. */
static enum MHD_Result add_argument(void *arg, enum MHD_ValueKind kind, const char *key, const char *value)
{
	struct buf *query = arg;

	(void)kind;
	buf_printf(query, "%s%s%s%s", query->len ? "&" : "", key, value ? "=" : "", value ? value : "");
	return MHD_YES;
}

/* An IPv4 client of a socket for both is "::ffff:10.0.0.7" to it, and "10.0.0.7" to us. */
static void format_peer(struct MHD_Connection *connection, char text[static INET6_ADDRSTRLEN])
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const struct sockaddr *from = info ? info->client_addr : NULL;
	struct sockaddr_in6 v6;
	struct sockaddr_in v4;

	text[0] = '\0';
	if (from && from->sa_family == AF_INET) {
		memcpy(&v4, from, sizeof(v4));
		inet_ntop(AF_INET, &v4.sin_addr, text, INET6_ADDRSTRLEN);
	} else if (from && from->sa_family == AF_INET6) {
		memcpy(&v6, from, sizeof(v6));
		if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr))
			inet_ntop(AF_INET, &v6.sin6_addr.s6_addr[12], text, INET6_ADDRSTRLEN);
		else
			inet_ntop(AF_INET6, &v6.sin6_addr, text, INET6_ADDRSTRLEN);
	}
}

static bool is_path_of(const struct http_route *route, const char *path)
{
	size_t len = strlen(route->path);

	return len > 1 && route->path[len - 1] == '/' ? strncmp(path, route->path, len) == 0 : STREQ(route->path, path);
}

static const char *refusal_text(int status)
{
	if (status == 408)
		return "the body came too slowly\n";
	return status == 413 ? "the body is too large\n" : "too many bodies at a time\n";
}

static enum MHD_Result answer(const struct http_server *server, struct MHD_Connection *connection, const char *method,
			      const char *path, struct exchange *x)
{
	const struct http_route *route = server->settings.routes, *end = route + server->settings.route_count;
	struct http_reply reply = {.status = 200, .content_type = "text/plain; charset=utf-8"};
	const char *type = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_TYPE);
	const char *credentials = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_AUTHORIZATION);
	char peer[INET6_ADDRSTRLEN];
	auto_buf struct buf query = {0};
	bool known = false;

	if (x->refused)
		return send_text(connection, x->refused, refusal_text(x->refused));
	for (; route < end; route++) {
		bool same = is_path_of(route, path);

		known |= same;
		if (same && (STREQ(route->method, method) || (STREQ(route->method, "GET") && STREQ(method, "HEAD"))))
			break;
	}
	if (route == end)
		return send_text(connection, known ? 405 : 404, known ? "another method is wanted\n" : "there is nothing here\n");
	MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, add_argument, &query);
	format_peer(connection, peer);
	buf_add(&x->body, "", 0);
	route->handler(server->settings.arg,
		       &(struct http_request){.method = method, .path = path, .query = query.data ? query.data : "",
					      .content_type = type ? type : "", .authorization = credentials ? credentials : "", .peer = peer,
					      .body = x->body.data, .body_len = x->body.len},
		       &reply);
	buf_add(&reply.body, "", 0);
	return send_reply(connection, &reply);
}

static int refusal_of(struct http_server *server, const struct exchange *x, size_t size)
{
	const struct http_settings *s = &server->settings;

	if (size > s->max_body_bytes - x->body.len)
		return 413;
	if (s->body_ms && clock_mono_ms() - x->begun_mono_ms > s->body_ms)
		return 408;
	return s->max_bodies_bytes && atomic_load(&server->bodies_bytes) + size > s->max_bodies_bytes ? 503 : 0;
}

static void drop_body(struct http_server *server, struct exchange *x)
{
	atomic_fetch_sub(&server->bodies_bytes, x->body.len);
	buf_free(&x->body);
}

static void take_body(struct http_server *server, struct exchange *x, const char *data, size_t size)
{
	if (!x->refused && (x->refused = refusal_of(server, x, size)) != 0)
		drop_body(server, x);
	if (x->refused) {
		x->discarded += size;
		return;
	}
	atomic_fetch_add(&server->bodies_bytes, size);
	buf_add(&x->body, data, size);
}

/* What is refused is read to its end, but not for ever: then the connection is closed. */
static bool is_too_much(const struct http_server *server, const struct exchange *x)
{
	int64_t limit_ms = server->settings.body_ms;

	return x->discarded > DISCARD_MAX_BYTES || (limit_ms && clock_mono_ms() - x->begun_mono_ms > 2 * limit_ms);
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *path, const char *method,
				  const char *version, const char *data, size_t *size, void **state)
{
	struct http_server *server = cls;
	struct exchange *x = *state;

	(void)version;
	if (!x) {
		*state = x = xcalloc(1, sizeof(*x));
		x->begun_mono_ms = clock_mono_ms();
		return MHD_YES;
	}
	if (*size == 0)
		return answer(server, connection, method, path, x);
	take_body(server, x, data, *size);
	*size = 0;
	return is_too_much(server, x) ? MHD_NO : MHD_YES;
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **state, enum MHD_RequestTerminationCode why)
{
	struct exchange *x = *state;

	(void)connection;
	(void)why;
	if (x)
		drop_body(cls, x);
	free(x);
	*state = NULL;
}

struct address {
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	};
};

/* "ADDR:PORT", "[v6]:PORT", ":PORT". */
static int parse_address(const char *listen, struct address *out, struct lm_err *err)
{
	const char *colon = strrchr(listen, ':');
	auto_free char *host = colon ? xstrndup(listen, (size_t)(colon - listen)) : NULL;
	size_t len = host ? strlen(host) : 0;
	char *end = NULL;
	unsigned long port = colon && colon[1] >= '0' && colon[1] <= '9' ? strtoul(colon + 1, &end, 10) : 65536;

	*out = (struct address){0};
	if (!end || *end || port > 65535)
		return lm_fail(err, LM_USAGE, "`%s` is no address to listen on (examples: 0.0.0.0:3000, [::1]:3000, :3000)", listen);
	if (len > 1 && host[0] == '[' && host[len - 1] == ']') {
		host[len - 1] = '\0';
		memmove(host, host + 1, len - 1);
	}
	if (!*host || inet_pton(AF_INET6, host, &out->v6.sin6_addr) == 1) {
		out->v6.sin6_family = AF_INET6;
		out->v6.sin6_port = htons((uint16_t)port);
		return 0;
	}
	if (inet_pton(AF_INET, host, &out->v4.sin_addr) != 1)
		return lm_fail(err, LM_USAGE, "`%s`: \"%s\" is no numeric address", listen, host);
	out->v4.sin_family = AF_INET;
	out->v4.sin_port = htons((uint16_t)port);
	return 0;
}

/* The socket is ours, not the library's, so that the reason of a failure is exact; without IPv6, ":PORT" is IPv4 alone. */
static int open_socket(const char *listen_on, struct lm_err *err)
{
	struct address a;
	int fd, on = 1, off = 0;
	socklen_t len;

	if (parse_address(listen_on, &a, err) < 0)
		return -1;
	fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 && errno == EAFNOSUPPORT && listen_on[0] == ':') {
		uint16_t port = a.v6.sin6_port;

		a = (struct address){.v4 = {.sin_family = AF_INET, .sin_port = port}};
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	}
	len = a.any.sa_family == AF_INET ? sizeof(a.v4) : sizeof(a.v6);
	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
	    (a.any.sa_family == AF_INET || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) == 0) &&
	    bind(fd, &a.any, len) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	lm_fail_errno(err, "listen on `%s`", listen_on);
	err->code = LM_UNAVAILABLE;
	cleanup_close(&fd);
	return -1;
}

static int port_of(int fd)
{
	struct address a = {0};
	socklen_t len = sizeof(a);

	if (getsockname(fd, &a.any, &len) < 0)
		return 0;
	return ntohs(a.any.sa_family == AF_INET ? a.v4.sin_port : a.v6.sin6_port);
}

static rlim_t raised(rlim_t soft, rlim_t hard)
{
	rlim_t wanted = hard < FDS_WANTED ? hard : FDS_WANTED;

	return soft < wanted ? wanted : soft;
}

/* Accepting needs descriptors; a low soft limit is a default of shells, not a decision. */
static void raise_fd_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = raised(limit.rlim_cur, limit.rlim_max);
	setrlimit(RLIMIT_NOFILE, &limit);
}

int http_start(const struct http_settings *settings, struct http_server **out, struct lm_err *err)
{
	auto_free struct http_server *server = xcalloc(1, sizeof(*server));
	unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD;
	struct MHD_OptionItem threads = {MHD_OPTION_THREAD_POOL_SIZE, settings->threads ? (intptr_t)settings->threads : 2, NULL};
	int fd = open_socket(settings->listen, err);

	if (fd < 0)
		return -1;
	raise_fd_limit();
	server->settings = *settings;
	server->port = port_of(fd);
	if (settings->own_threads) {
		flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL;
		threads = (struct MHD_OptionItem){MHD_OPTION_THREAD_STACK_SIZE, (intptr_t)STACK_BYTES, NULL};
	}
	server->daemon = MHD_start_daemon(
		flags, 0, NULL, NULL, on_request, server, MHD_OPTION_LISTEN_SOCKET, fd,
		MHD_OPTION_ARRAY, (struct MHD_OptionItem[]){threads, {MHD_OPTION_END, 0, NULL}}, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned)CONNECTIONS, MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)CONNECTIONS_PER_ADDRESS,
		MHD_OPTION_CONNECTION_TIMEOUT, idle_timeout_s, MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY,
		MHD_OPTION_NOTIFY_COMPLETED, on_completed, server, MHD_OPTION_END);
	if (!server->daemon) {
		close(fd);
		return lm_fail(err, LM_UNAVAILABLE, "listen on `%s`: the HTTP server does not start", settings->listen);
	}
	*out = steal(&server);
	return 0;
}

int http_port(const struct http_server *server)
{
	return server->port;
}

void http_stop(struct http_server *server)
{
	if (!server)
		return;
	MHD_stop_daemon(server->daemon);
	free(server);
}
