#include "tests/apiserver/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/mem.h"
#include "tests/apiserver/watch.h"

#define CONNECTIONS_MAX 2000
#define STREAM_BLOCK 65536

struct server {
	struct MHD_Daemon *daemon;
	struct api *api;
	int port;
};

static enum MHD_Result take_arg(void *arg, enum MHD_ValueKind kind, const char *key, const char *value)
{
	struct call *call = arg;

	(void)kind;
	if (call->arg_count < ARGS_MAX) {
		call->args[call->arg_count].name = xstrdup(key);
		call->args[call->arg_count++].value = xstrdup(value ? value : "");
	}
	return MHD_YES;
}

static char *header(struct MHD_Connection *connection, const char *name)
{
	return xstrdup(MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name));
}

static struct call *begin_call(struct MHD_Connection *connection)
{
	struct call *call = xcalloc(1, sizeof(*call));
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

	call->fd = info ? info->connect_fd : -1;
	MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, take_arg, call);
	call->content_type = header(connection, "Content-Type");
	call->accept = header(connection, "Accept");
	call->authorization = header(connection, "Authorization");
	return call;
}

static ssize_t read_stream(void *arg, uint64_t pos, char *to, size_t room)
{
	ssize_t got = watch_read(arg, to, room);

	(void)pos;
	if (got == WATCH_END)
		return MHD_CONTENT_READER_END_OF_STREAM;
	return got == WATCH_CUT ? MHD_CONTENT_READER_END_WITH_ERROR : got;
}

static void free_stream(void *arg)
{
	watch_free(arg);
}

static enum MHD_Result reply(struct MHD_Connection *connection, struct answer *a)
{
	struct MHD_Response *response;
	enum MHD_Result result;

	if (a->stream)
		response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, read_stream, a->stream, free_stream);
	else
		response = MHD_create_response_from_buffer(a->body.len, a->body.data, MHD_RESPMEM_MUST_FREE);
	MHD_add_response_header(response, "Content-Type", a->content_type ? a->content_type : "application/json");
	MHD_add_response_header(response, "Cache-Control", "no-cache, private");
	if (*a->retry_after)
		MHD_add_response_header(response, "Retry-After", a->retry_after);
	result = MHD_queue_response(connection, (unsigned)a->code, response);
	MHD_destroy_response(response);
	return result;
}

/* A TCP reset now, before libmicrohttpd would say goodbye: disconnecting a socket that has unsent business sends one. */
static void reset(int fd)
{
	struct linger linger = {.l_onoff = 1, .l_linger = 0};
	struct sockaddr none = {.sa_family = AF_UNSPEC};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	connect(fd, &none, sizeof(none));
}

static enum MHD_Result serve(struct server *s, struct MHD_Connection *connection, struct call *call)
{
	struct answer a = {0};

	switch (api_serve(s->api, call, &a)) {
	case SERVE_RESET:
		reset(call->fd);
		buf_free(&a.body);
		return MHD_NO;
	case SERVE_DROP:
		buf_free(&a.body);
		return MHD_NO;
	case SERVE_ANSWER:
		break;
	}
	return reply(connection, &a);
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
				  const char *data, size_t *len, void **state)
{
	struct call *call = *state;

	(void)version;
	if (!call) {
		*state = begin_call(connection);
		return MHD_YES;
	}
	if (*len) {
		call->body_too_large = call->body_too_large || call->body.len + *len > BODY_MAX;
		if (!call->body_too_large)
			buf_add(&call->body, data, *len);
		*len = 0;
		return MHD_YES;
	}
	call->method = method;
	call->path = url;
	return serve(arg, connection, call);
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **state, enum MHD_RequestTerminationCode how)
{
	(void)arg;
	(void)connection;
	(void)how;
	if (*state)
		call_free(*state);
	free(*state);
	*state = NULL;
}

/* "ADDR:PORT" or "[ADDR]:PORT". */
static int parse_listen(const char *listen_, struct sockaddr_storage *out, struct lm_err *err)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
	const char *colon = strrchr(listen_, ':');
	char host[64], *end;
	long port;

	if (!colon || (size_t)(colon - listen_) >= sizeof(host))
		return lm_fail(err, LM_USAGE, "--listen: `%s` is not ADDRESS:PORT", listen_);
	port = strtol(colon + 1, &end, 10);
	if (end == colon + 1 || *end || port < 0 || port > 65535)
		return lm_fail(err, LM_USAGE, "--listen: `%s` has no port of 0 to 65535", listen_);
	snprintf(host, sizeof(host), "%.*s", (int)(colon - listen_), listen_);
	*out = (struct sockaddr_storage){0};
	if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)port);
		return 0;
	}
	if (host[0] == '[' && host[strlen(host) - 1] == ']') {
		host[strlen(host) - 1] = '\0';
		if (inet_pton(AF_INET6, host + 1, &v6->sin6_addr) == 1) {
			v6->sin6_family = AF_INET6;
			v6->sin6_port = htons((uint16_t)port);
			return 0;
		}
	}
	return lm_fail(err, LM_USAGE, "--listen: `%s` is no IP address", host);
}

static void ignore_log(void *arg, const char *fmt, va_list ap)
{
	(void)arg;
	(void)fmt;
	(void)ap;
}

static struct MHD_Daemon *start_daemon(const struct server_settings *settings, struct server *s, struct sockaddr_storage *address)
{
	unsigned flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_USE_ERROR_LOG;

	if (address->ss_family == AF_INET6)
		flags |= MHD_USE_IPv6;
	if (!settings->cert_pem)
		return MHD_start_daemon(flags, 0, NULL, NULL, on_request, s, MHD_OPTION_EXTERNAL_LOGGER, ignore_log, NULL,
					MHD_OPTION_SOCK_ADDR, address, MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
					MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX, MHD_OPTION_LISTENING_ADDRESS_REUSE, 1U, MHD_OPTION_END);
	return MHD_start_daemon(flags | MHD_USE_TLS, 0, NULL, NULL, on_request, s, MHD_OPTION_EXTERNAL_LOGGER, ignore_log, NULL,
				MHD_OPTION_SOCK_ADDR, address, MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
				MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX, MHD_OPTION_LISTENING_ADDRESS_REUSE, 1U,
				MHD_OPTION_HTTPS_MEM_CERT, settings->cert_pem, MHD_OPTION_HTTPS_MEM_KEY, settings->key_pem, MHD_OPTION_END);
}

int server_start(const struct server_settings *settings, struct api *api, struct server **out, struct lm_err *err)
{
	auto_free struct server *s = xcalloc(1, sizeof(*s));
	struct sockaddr_storage address;
	const union MHD_DaemonInfo *info;

	s->api = api;
	if (parse_listen(settings->listen, &address, err) < 0)
		return -1;
	errno = 0;
	s->daemon = start_daemon(settings, s, &address);
	if (!s->daemon)
		return errno ? lm_fail_errno(err, "listen on `%s`", settings->listen)
			     : lm_fail(err, LM_UNAVAILABLE, "listen on `%s`: libmicrohttpd refuses (certificate or key?)", settings->listen);
	info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_BIND_PORT);
	s->port = info ? info->port : 0;
	*out = steal(&s);
	return 0;
}

int server_port(const struct server *s)
{
	return s->port;
}

void server_stop(struct server *s)
{
	MHD_stop_daemon(s->daemon);
	free(s);
}
