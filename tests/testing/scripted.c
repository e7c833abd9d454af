#include "tests/testing/scripted.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/mem.h"
#include "tests/testing/testing.h"

#define CONNECTIONS_MAX 4096
#define SILENCE_MS 20000

struct connection {
	struct scripted *server;
	pthread_t thread;
	int fd, number;
};

struct scripted {
	scripted_answer *answer;
	void *arg;
	int fd, port;
	char url[64];
	pthread_t thread;
	pthread_mutex_t lock;	/* of what follows */
	bool stopping;
	int requests, count;
	struct connection *connections[CONNECTIONS_MAX];
};

/* --- reading a request ------------------------------------------------------------------------------------------------ */

/* Reads until the end of the head; false when the client is gone. Bytes of the body may follow it in `text`. */
static bool read_head(int fd, char *text, size_t size, size_t *len)
{
	static const char refusal[] = "HTTP/1.0 400 Bad Request\r\n\r\n";
	ssize_t got;

	*len = 0;
	text[0] = '\0';
	while (!strstr(text, "\r\n\r\n")) {
		if (*len + 1 >= size)
			return false;
		got = recv(fd, text + *len, size - 1 - *len, 0);
		if (got <= 0)
			return false;
		*len += (size_t)got;
		text[*len] = '\0';
		if (text[0] == 0x16) { /* TLS on a plain port: what Go's servers say */
			send(fd, refusal, sizeof(refusal) - 1, MSG_NOSIGNAL);
			return false;
		}
	}
	return true;
}

static void header_of(const char *head, const char *name, char *value, size_t size)
{
	const char *at = strcasestr(head, name);

	value[0] = '\0';
	if (at)
		snprintf(value, size, "%.*s", (int)strcspn(at + strlen(name), "\r"), at + strlen(name));
}

static bool read_request(struct scripted_request *r)
{
	size_t len, head;
	char number[32];

	if (!read_head(r->fd, r->head, sizeof(r->head), &len))
		return false;
	head = (size_t)(strstr(r->head, "\r\n\r\n") - r->head) + 4;
	r->body_len = len - head;
	memcpy(r->body, r->head + head, r->body_len);
	r->head[head] = '\0';
	if (sscanf(r->head, "%15s %4095s", r->method, r->target) != 2)
		return false;
	header_of(r->head, "\r\nAuthorization: Bearer ", r->token, sizeof(r->token));
	header_of(r->head, "\r\nContent-Length: ", number, sizeof(number));
	while (r->body_len < strtoul(number, NULL, 10)) {
		ssize_t got = recv(r->fd, r->body + r->body_len, sizeof(r->body) - 1 - r->body_len, 0);

		if (got <= 0)
			return false;
		r->body_len += (size_t)got;
	}
	r->body[r->body_len] = '\0';
	return true;
}

/* --- threads ---------------------------------------------------------------------------------------------------------- */

static void *serve(void *arg)
{
	struct connection *c = arg;
	struct scripted *s = c->server;
	struct scripted_request *r = xcalloc(1, sizeof(*r));
	bool go = true;

	while (go) {
		*r = (struct scripted_request){.server = s, .arg = s->arg, .fd = c->fd, .connection = c->number};
		if (!read_request(r))
			break;
		pthread_mutex_lock(&s->lock);
		r->number = s->requests++;
		go = !s->stopping;
		pthread_mutex_unlock(&s->lock);
		if (go)
			s->answer(r);
		go = go && !r->close;
	}
	shutdown(c->fd, SHUT_RDWR);
	free(r);
	return NULL;
}

static bool add_connection(struct scripted *s, int fd)
{
	struct connection *c = xcalloc(1, sizeof(*c));
	bool full;

	*c = (struct connection){.server = s, .fd = fd};
	pthread_mutex_lock(&s->lock);
	full = s->stopping || s->count == CONNECTIONS_MAX;
	if (!full) {
		c->number = s->count;
		s->connections[s->count++] = c;
		full = pthread_create(&c->thread, NULL, serve, c) != 0;
		s->count -= full;
	}
	pthread_mutex_unlock(&s->lock);
	if (full)
		free(c);
	return !full;
}

static void *accept_all(void *arg)
{
	struct scripted *s = arg;
	int fd, on = 1;

	while ((fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		if (!add_connection(s, fd))
			close(fd);
	}
	return NULL;
}

struct scripted *scripted_start(scripted_answer *answer, void *arg)
{
	struct scripted *s = xcalloc(1, sizeof(*s));
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);

	s->answer = answer;
	s->arg = arg;
	pthread_mutex_init(&s->lock, NULL);
	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s->fd < 0 || bind(s->fd, (struct sockaddr *)&address, len) < 0 || listen(s->fd, 128) < 0 ||
	    getsockname(s->fd, (struct sockaddr *)&address, &len) < 0)
		fail_msg("scripted server: %s", strerror(errno));
	s->port = ntohs(address.sin_port);
	snprintf(s->url, sizeof(s->url), "http://127.0.0.1:%d", s->port);
	assert_int_equal(pthread_create(&s->thread, NULL, accept_all, s), 0);
	return s;
}

int scripted_port(const struct scripted *s)
{
	return s->port;
}

const char *scripted_url(const struct scripted *s)
{
	return s->url;
}

int scripted_requests(struct scripted *s)
{
	int count;

	pthread_mutex_lock(&s->lock);
	count = s->requests;
	pthread_mutex_unlock(&s->lock);
	return count;
}

void scripted_stop(struct scripted *s)
{
	int i;

	pthread_mutex_lock(&s->lock);
	s->stopping = true;
	for (i = 0; i < s->count; i++)
		shutdown(s->connections[i]->fd, SHUT_RDWR);
	pthread_mutex_unlock(&s->lock);
	shutdown(s->fd, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	for (i = 0; i < s->count; i++) {
		pthread_join(s->connections[i]->thread, NULL);
		close(s->connections[i]->fd);
		free(s->connections[i]);
	}
	close(s->fd);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* --- answers ---------------------------------------------------------------------------------------------------------- */

bool scripted_send(struct scripted_request *r, const void *bytes, size_t len)
{
	const char *at = bytes;

	while (len > 0) {
		ssize_t sent = send(r->fd, at, len, MSG_NOSIGNAL);

		if (sent <= 0) {
			r->close = true;
			return false;
		}
		at += sent;
		len -= (size_t)sent;
	}
	return true;
}

void scripted_reply(struct scripted_request *r, int status, const char *headers, const char *body)
{
	auto_free char *text = xasprintf("HTTP/1.1 %d Scripted\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n%s\r\n%s",
					 status, strlen(body), headers ? headers : "", body);

	scripted_send(r, text, strlen(text));
}

void scripted_begin(struct scripted_request *r, int status)
{
	auto_free char *text = xasprintf("HTTP/1.1 %d Scripted\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n", status);

	scripted_send(r, text, strlen(text));
}

bool scripted_chunk(struct scripted_request *r, const char *bytes, size_t len)
{
	auto_free char *text = xmalloc(len + 32);
	int head = snprintf(text, 32, "%zx\r\n", len);

	memcpy(text + head, bytes, len);
	memcpy(text + (size_t)head + len, "\r\n", 2);
	return scripted_send(r, text, (size_t)head + len + 2);
}

bool scripted_text(struct scripted_request *r, const char *fmt, ...)
{
	auto_free char *text = NULL;
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vasprintf(&text, fmt, ap);
	va_end(ap);
	return len > 0 && scripted_chunk(r, text, (size_t)len);
}

void scripted_end(struct scripted_request *r)
{
	scripted_send(r, "0\r\n\r\n", 5);
}

void scripted_reset(struct scripted_request *r)
{
	struct linger now = {.l_onoff = 1};
	struct sockaddr unspecified = {.sa_family = AF_UNSPEC};

	setsockopt(r->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	connect(r->fd, &unspecified, sizeof(unspecified));	/* the descriptor stays: another thread may look at it */
	r->close = true;
}

void scripted_silence(struct scripted_request *r)
{
	struct pollfd client = {.fd = r->fd, .events = POLLRDHUP};

	poll(&client, 1, SILENCE_MS);
	r->close = true;
}
