#include "lib/http.h"

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/deadlines.h"
#include "lib/http_route.h"
#include "lib/http_socket.h"
#include "lib/http_tls.h"
#include "lib/mem.h"

#define CONNECTION_MEMORY ((size_t)32 * 1024)
/* An answer in the midst of a body is lost to most clients: its connection ends by a reset, which they meet while they write. The time is bounded too. */
#define DISCARD_MAX_BYTES ((size_t)128 << 20)
#define ENDED_MS 100		/* for what was read of it already */
#define THREADS 2

struct http_server {
	struct MHD_Daemon *daemon;
	struct http_settings settings;	/* with its defaults */
	struct deadlines *deadlines;	/* of connections: what is late is shut down, and libmicrohttpd sees its end */
	atomic_size_t bodies_bytes;	/* held now */
	int listen_fd;			/* ours, not the daemon's */
	int port;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int unfinished, unsent;		/* handlers that run, and what they deferred; of the latter what is not answered */
	bool stopping;			/* no handler begins any more: libmicrohttpd must not end with a connection that sleeps */
};

/* A connection. */
struct client {
	struct deadline deadline;
	int fd;
	struct http_tls_guest *guest;	/* NULL: without TLS */
	bool proven;			/* it had a success */
	atomic_bool late;
	char path[32];			/* of the request, for `refused`: what routes have fits */
};

/* What is known of a request between the calls of libmicrohttpd. */
struct http_later {
	struct http_server *server;
	struct MHD_Connection *connection;
	struct client *client;
	struct buf body;
	int64_t begun_mono_ms;
	int refused;		/* status; 0: not */
	bool answered;
	size_t discarded;	/* of a body that is refused: it is read to its end, so that the client sees the answer */
	bool deferred;
	http_filler *fill;	/* NULL: not deferred, or filled */
	void *fill_arg;
	http_releaser *release;	/* NULL: nothing */
	void *release_arg;
};

static struct client *client_of(struct MHD_Connection *connection)
{
	return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

static void allow(struct http_server *server, struct client *client, int64_t span_ms)
{
	deadlines_set(server->deadlines, &client->deadline, clock_mono_ms() + span_ms);
}

/* --- replies ----------------------------------------------------------------------------------------------------------- */

static struct http_reply reply_of(int status)
{
	return (struct http_reply){.status = status, .content_type = "text/plain; charset=utf-8"};
}

static enum MHD_Result send_reply(struct http_later *x, struct http_reply *reply)
{
	struct MHD_Response *response;
	enum MHD_Result queued;

	x->release = reply->release;
	x->release_arg = reply->release_arg;
	buf_add(&reply->body, "", 0);
	response = MHD_create_response_from_buffer(reply->body.len, reply->body.data, MHD_RESPMEM_MUST_FREE);
	if (!response) {
		buf_free(&reply->body);
		return MHD_NO;
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, reply->content_type);
	MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-cache, private");
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	if (http_tls_is_old(x->client->guest))
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
	if (reply->header)
		MHD_add_response_header(response, reply->header, reply->value);
	x->answered = true;
	x->client->proven |= reply->status < 400;
	allow(x->server, x->client, HTTP_SEND_MS);
	queued = MHD_queue_response(x->connection, (unsigned)reply->status, response);
	MHD_destroy_response(response);
	return queued;
}

static enum MHD_Result send_text(struct http_later *x, int status, const char *text)
{
	struct http_reply reply = reply_of(status);

	buf_str(&reply.body, text);
	return send_reply(x, &reply);
}

/* --- requests ----------------------------------------------------------------------------------------------------------- */

static void count_deferred(struct http_server *server, int unfinished, int unsent)
{
	pthread_mutex_lock(&server->lock);
	server->unfinished += unfinished;
	server->unsent += unsent;
	pthread_cond_signal(&server->changed);
	pthread_mutex_unlock(&server->lock);
}

/* False: it is too late. */
static bool begin_handler(struct http_server *server)
{
	bool begins;

	pthread_mutex_lock(&server->lock);
	begins = !server->stopping;
	server->unfinished += begins;
	pthread_mutex_unlock(&server->lock);
	return begins;
}

static void tell_refused(const struct http_server *server, const struct client *client, int status)
{
	if (server->settings.refused)
		server->settings.refused(server->settings.arg, client->path, status);
}

static enum MHD_Result refuse(struct http_later *x, int status)
{
	struct http_reply reply = reply_of(status);

	tell_refused(x->server, x->client, status);
	buf_printf(&reply.body, "%s\n", http_refusal_text(status));
	return send_reply(x, &reply);
}

static enum MHD_Result answer(struct http_later *x, const char *method, const char *path)
{
	struct http_reply reply = reply_of(200);
	char peer[INET6_ADDRSTRLEN];
	auto_buf struct buf query = {0};
	const struct http_settings *s = &x->server->settings;
	const struct http_route *route;
	void *arg = s->arg;
	bool known = false;

	if (x->refused)
		return refuse(x, x->refused);
	route = http_route_find(s->routes, s->route_count, method, path, &known);
	if (!route) {
		route = http_route_find(s->more, s->more_count, method, path, &known);
		arg = s->more_arg;
	}
	if (!route)
		return send_text(x, known ? 405 : 404, known ? "another method is wanted\n" : "there is nothing here\n");
	http_route_query(x->connection, &query);
	http_route_peer(x->connection, peer);
	if (!begin_handler(x->server))
		return send_text(x, 503, "the server is ending\n");
	buf_add(&x->body, "", 0);
	route->handler(arg,
		       &(struct http_request){.method = method, .path = path, .query = query.data ? query.data : "", .peer = peer,
					      .content_type = http_route_header(x->connection, MHD_HTTP_HEADER_CONTENT_TYPE),
					      .authorization = http_route_header(x->connection, MHD_HTTP_HEADER_AUTHORIZATION),
					      .body = x->body.data, .body_len = x->body.len, .later = x},
		       &reply);
	count_deferred(x->server, -1, 0);
	if (!x->deferred)
		return send_reply(x, &reply);
	buf_free(&reply.body);
	if (reply.release)
		reply.release(reply.release_arg);
	return MHD_YES;
}

/* The second call for a request that was deferred. */
static enum MHD_Result answer_deferred(struct http_later *x)
{
	struct http_reply reply = reply_of(200);
	http_filler *fill = steal(&x->fill);

	fill(x->fill_arg, &reply);
	return send_reply(x, &reply);
}

static int refusal_of(struct http_server *server, const struct http_later *x, size_t size)
{
	const struct http_settings *s = &server->settings;

	if (size > s->max_body_bytes - x->body.len)
		return 413;
	if (clock_mono_ms() - x->begun_mono_ms > s->body_ms)
		return 408;
	return s->max_bodies_bytes && atomic_load(&server->bodies_bytes) + size > s->max_bodies_bytes ? 503 : 0;
}

static void drop_body(struct http_server *server, struct http_later *x)
{
	atomic_fetch_sub(&server->bodies_bytes, x->body.len);
	buf_free(&x->body);
}

static void take_body(struct http_server *server, struct http_later *x, const char *data, size_t size)
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

/* The header was read. */
static struct http_later *begin(struct http_server *server, struct MHD_Connection *connection)
{
	struct http_later *x = xcalloc(1, sizeof(*x));

	*x = (struct http_later){.server = server, .connection = connection, .client = client_of(connection), .begun_mono_ms = clock_mono_ms()};
	allow(server, x->client, 2 * server->settings.body_ms);
	return x;
}

/* The header tells that the body is too large, and that it would be too much to throw away, or that it is sent only when we say so. */
static bool is_hopeless(const struct http_server *server, struct MHD_Connection *connection)
{
	unsigned long long len = strtoull(http_route_header(connection, MHD_HTTP_HEADER_CONTENT_LENGTH), NULL, 10);
	size_t most = server->settings.max_body_bytes;

	return len > most && (len - most > DISCARD_MAX_BYTES || *http_route_header(connection, MHD_HTTP_HEADER_EXPECT));
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *path, const char *method,
				  const char *version, const char *data, size_t *size, void **state)
{
	struct http_server *server = cls;
	struct http_later *x = *state;

	(void)version;
	if (!x) {
		*state = x = begin(server, connection);
		return is_hopeless(server, connection) ? refuse(x, 413) : MHD_YES;
	}
	if (*size == 0) {
		deadlines_clear(server->deadlines, &x->client->deadline);
		return x->deferred ? answer_deferred(x) : answer(x, method, path);
	}
	take_body(server, x, data, *size);
	*size = 0;
	return x->discarded > DISCARD_MAX_BYTES ? MHD_NO : MHD_YES;
}

/*
 * libmicrohttpd misses an end that comes together with the last bytes of a request: epoll tells of it once, and it stops reading at what was asked for. Such a
 * connection would be held until its time is over. It may have read further requests by then: the first line of the next one moves the deadline.
 */
static void notice_end(struct http_server *server, struct client *client)
{
	char byte;

	if (recv(client->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0)
		allow(server, client, ENDED_MS);
}

/* Of a request that never came to an answer of ours: libmicrohttpd answered by itself, or the connection was ended. */
static void tell_unanswered(const struct http_server *server, struct MHD_Connection *connection, const struct http_later *x)
{
	const union MHD_ConnectionInfo *info = x ? NULL : MHD_get_connection_info(connection, MHD_CONNECTION_INFO_HTTP_STATUS);
	struct client *client = client_of(connection);

	if (info && info->http_status >= 400)
		tell_refused(server, client, (int)info->http_status);
	else if (x && !x->answered && !x->deferred && (x->refused || atomic_load(&client->late)))
		tell_refused(server, client, x->refused ? x->refused : 408);
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **state, enum MHD_RequestTerminationCode why)
{
	struct http_server *server = cls;
	struct http_later *x = *state;

	(void)why;
	*state = NULL;
	tell_unanswered(server, connection, x);
	if (!x)
		return;
	if (x->fill) {
		struct http_reply unsent = reply_of(200);

		x->fill(x->fill_arg, &unsent);
		buf_free(&unsent.body);
		x->release = unsent.release;
		x->release_arg = unsent.release_arg;
	}
	if (x->release)
		x->release(x->release_arg);
	allow(server, x->client, x->client->proven ? server->settings.kept_ms : server->settings.idle_ms);
	notice_end(server, x->client);
	if (x->deferred)
		count_deferred(server, 0, -1);
	drop_body(server, x);
	free(x);
}

/* A request's first line was read, its header was not. */
static void *on_line(void *cls, const char *uri, struct MHD_Connection *connection)
{
	struct http_server *server = cls;
	struct client *client = client_of(connection);
	size_t len;

	len = strcspn(uri, "?");
	len = len < sizeof(client->path) ? len : sizeof(client->path) - 1;
	memcpy(client->path, uri, len);
	client->path[len] = '\0';
	allow(server, client, server->settings.idle_ms);
	return NULL;
}

static void on_connection(void *cls, struct MHD_Connection *connection, void **context, enum MHD_ConnectionNotificationCode what)
{
	struct http_server *server = cls;
	struct client *client = *context;

	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		*context = client = xcalloc(1, sizeof(*client));
		client->fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
		if (server->settings.tls)
			client->guest = http_tls_begin(server->settings.tls, connection);
		allow(server, client, server->settings.idle_ms);
	} else {
		deadlines_clear(server->deadlines, &client->deadline);
		http_tls_end(client->guest);
		free(client);
		*context = NULL;
	}
}

/* The descriptor is open: it is closed after on_connection, which waits for us. */
static void on_late(void *cls, struct deadline *entry)
{
	struct client *client = (struct client *)(void *)((char *)entry - offsetof(struct client, deadline));

	(void)cls;
	atomic_store(&client->late, true);
	shutdown(client->fd, SHUT_RDWR);
}

/* --- later answers ------------------------------------------------------------------------------------------------------- */

struct http_later *http_defer(const struct http_request *request, http_filler *fill, void *arg)
{
	struct http_later *x = request->later;

	x->deferred = true;
	x->fill = fill;
	x->fill_arg = arg;
	count_deferred(x->server, 1, 1);
	MHD_suspend_connection(x->connection);
	return x;
}

void http_finish(struct http_later *x)
{
	struct http_server *server = x->server;	/* x may be gone as soon as it is resumed */

	MHD_resume_connection(x->connection);
	count_deferred(server, -1, 0);
}

static void wait_for_deferred(struct http_server *server)
{
	struct timespec until;

	pthread_mutex_lock(&server->lock);
	server->stopping = true;
	while (server->unfinished)
		pthread_cond_wait(&server->changed, &server->lock);
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += HTTP_STOP_MS / 1000;
	while (server->unsent && pthread_cond_timedwait(&server->changed, &server->lock, &until) == 0)
		;
	pthread_mutex_unlock(&server->lock);
}

/* --- start and end ------------------------------------------------------------------------------------------------------- */

static void set_defaults(struct http_settings *s)
{
	s->body_ms = s->body_ms ? s->body_ms : HTTP_BODY_MS;
	s->idle_ms = s->idle_ms ? s->idle_ms : HTTP_IDLE_MS;
	s->kept_ms = s->kept_ms ? s->kept_ms : s->idle_ms;
	s->connections = s->connections ? s->connections : HTTP_CONNECTIONS;
	s->per_address = s->per_address ? s->per_address : HTTP_CONNECTIONS_PER_ADDRESS;
	s->threads = s->threads ? s->threads : THREADS;
}

/*
 * MHD_quiesce_daemon would do the same, but in 0.9.75 it and a worker may both take the socket out of epoll, and the second one ends the process.
 */
static enum MHD_Result accept_unless_stopping(void *arg, const struct sockaddr *address, socklen_t len)
{
	struct http_server *server = arg;
	bool stopping;

	(void)address;
	(void)len;
	pthread_mutex_lock(&server->lock);
	stopping = server->stopping;
	pthread_mutex_unlock(&server->lock);
	return stopping ? MHD_NO : MHD_YES;
}

/* On the socket that we hold: another one can follow it there. NULL: it does not start. */
static struct MHD_Daemon *start_daemon(struct http_server *server)
{
	const struct http_settings *s = &server->settings;
	struct MHD_OptionItem tls[HTTP_TLS_OPTIONS] = {{MHD_OPTION_END, 0, NULL}};
	unsigned flags = s->tls ? MHD_USE_POLL_INTERNAL_THREAD | MHD_USE_TLS : MHD_USE_EPOLL_INTERNAL_THREAD;

	if (s->tls)
		http_tls_options(tls);
	return MHD_start_daemon(flags | MHD_ALLOW_SUSPEND_RESUME, 0, accept_unless_stopping, server, on_request, server, MHD_OPTION_LISTEN_SOCKET,
				server->listen_fd, MHD_OPTION_ARRAY, tls, MHD_OPTION_THREAD_POOL_SIZE, s->threads, MHD_OPTION_CONNECTION_LIMIT, s->connections,
				MHD_OPTION_PER_IP_CONNECTION_LIMIT, s->per_address, MHD_OPTION_CONNECTION_TIMEOUT, 0u,
				MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY, MHD_OPTION_NOTIFY_COMPLETED, on_completed, server,
				MHD_OPTION_NOTIFY_CONNECTION, on_connection, server, MHD_OPTION_URI_LOG_CALLBACK, on_line, server, MHD_OPTION_END);
}

static void free_server(struct http_server *server)
{
	deadlines_stop(server->deadlines);
	cleanup_close(&server->listen_fd);
	pthread_cond_destroy(&server->changed);
	pthread_mutex_destroy(&server->lock);
	free(server);
}

static struct http_server *new_server(const struct http_settings *settings)
{
	struct http_server *server = xcalloc(1, sizeof(*server));
	pthread_condattr_t monotonic;

	server->settings = *settings;
	set_defaults(&server->settings);
	pthread_mutex_init(&server->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&server->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	return server;
}

/* Of fewer connections one address does not have more than its share, where it would have most of them. */
static void leave_descriptors(struct http_settings *s)
{
	unsigned allowed = http_connections_allowed(s->connections);

	if (s->per_address > allowed / 2)
		s->per_address = (unsigned)((uint64_t)s->per_address * allowed / s->connections);
	s->connections = allowed;
}

int http_start(const struct http_settings *settings, struct http_server **out, struct lm_err *err)
{
	struct http_server *server = new_server(settings);

	server->listen_fd = http_socket_open(settings->listen, err);
	if (server->listen_fd < 0 || deadlines_start(on_late, server, &server->deadlines, err) < 0) {
		free_server(server);
		return -1;
	}
	http_raise_fd_limit();
	leave_descriptors(&server->settings);
	server->port = http_socket_port(server->listen_fd);
	server->daemon = start_daemon(server);
	if (!server->daemon) {
		free_server(server);
		return lm_fail(err, LM_UNAVAILABLE, "listen on `%s`: the HTTP server does not start", settings->listen);
	}
	*out = server;
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
	wait_for_deferred(server);
	MHD_stop_daemon(server->daemon);
	free_server(server);
}
