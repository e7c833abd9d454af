/*
 * http_talk.h - what the tests of http.h share: a server with some routes, and a plain socket as a client.
 */
#ifndef TESTS_UNIT_HTTP_TALK_H
#define TESTS_UNIT_HTTP_TALK_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/http.h"
#include "lib/http_socket.h"
#include "lib/mem.h"
#include "tests/testing/testing.h"

static inline void answer_hello(void *arg, const struct http_request *request, struct http_reply *reply)
{
	buf_printf(&reply->body, "%s %s?%s\n", (const char *)arg, request->path, request->query);
}

static inline void answer_echo(void *arg, const struct http_request *request, struct http_reply *reply)
{
	(void)arg;
	reply->status = 201;
	buf_add(&reply->body, request->body, request->body_len);
}

static inline void answer_who(void *arg, const struct http_request *request, struct http_reply *reply)
{
	(void)arg;
	buf_printf(&reply->body, "[%s] [%s]\n", request->peer, request->authorization);
}

static atomic_int slow_begun, slow_ended;

static inline void answer_slowly(void *arg, const struct http_request *request, struct http_reply *reply)
{
	(void)arg;
	(void)request;
	atomic_fetch_add(&slow_begun, 1);
	usleep(200000);
	buf_str(&reply->body, "slow\n");
	atomic_fetch_add(&slow_ended, 1);
}

static inline void answer_marked(void *arg, const struct http_request *request, struct http_reply *reply)
{
	(void)arg;
	(void)request;
	reply->header = "X-Mark";
	reply->value = "yes";
}

/* What was deferred, for finish_in_any_order. */
static struct waiting {
	struct waiting *next;
	struct http_later *later;
	const char *body;
} *waiting;
static pthread_mutex_t waiting_lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_int deferred, filled;

static inline void fill(void *arg, struct http_reply *reply)
{
	struct waiting *w = arg;

	buf_str(&reply->body, w->body);
	atomic_fetch_add(&filled, 1);
	free(w);
}

static inline void answer_later(void *arg, const struct http_request *request, struct http_reply *reply)
{
	struct waiting *w = xcalloc(1, sizeof(*w));

	(void)arg;
	(void)reply;
	w->body = request->body;
	pthread_mutex_lock(&waiting_lock);
	w->later = http_defer(request, fill, w);
	w->next = waiting;
	waiting = w;
	pthread_mutex_unlock(&waiting_lock);
	atomic_fetch_add(&deferred, 1);
}

static const struct http_route routes[] = {{"GET", "/hello", answer_hello}, {"GET", "/below/", answer_hello}, {"POST", "/echo", answer_echo},
					   {"GET", "/slow", answer_slowly}, {"GET", "/marked", answer_marked}, {"POST", "/later", answer_later}, {"GET", "/who", answer_who}};
static char greeting[] = "hello";

static inline struct http_server *start_with(struct http_settings settings)
{
	struct http_server *server = NULL;
	struct lm_err err = {0};

	settings.listen = settings.listen ? settings.listen : "127.0.0.1:0";
	settings.routes = routes;
	settings.route_count = ARRAY_SIZE(routes);
	settings.max_body_bytes = 1000;
	settings.arg = greeting;
	if (http_start(&settings, &server, &err) < 0)
		fail_msg("%s", err.msg);
	return server;
}

static inline struct http_server *start(const char *listen)
{
	return start_with((struct http_settings){.listen = listen});
}

static inline int dial(int port)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

/* Sends the text and reads until the server closes. */
static inline char *talk(int port, const char *text)
{
	auto_close int fd = dial(port);
	struct buf b = {0};
	char block[4096];
	ssize_t got;

	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
	while ((got = recv(fd, block, sizeof(block), 0)) > 0)
		buf_add(&b, block, (size_t)got);
	buf_add(&b, "", 0);
	return b.data;
}

static inline bool is_closed(int fd)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
	char byte;

	return poll(&poll_fd, 1, 0) == 1 && recv(fd, &byte, 1, MSG_PEEK) <= 0;
}

static inline int dial_and_say(int port, const char *text)
{
	int fd = dial(port);

	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
	return fd;
}

static inline void expect(int port, const char *request, const char *status, const char *body)
{
	auto_free char *got = talk(port, request);

	if (!strstr(got, status) || !strstr(got, body))
		fail_msg("%s: got %s", request, got);
}

/* Bytes that the server took until it closed; at most `most`. */
static inline size_t push(int fd, const char *bytes, size_t len, size_t most)
{
	size_t sum = 0;
	ssize_t put;

	while (sum < most && (put = send(fd, bytes, len, MSG_NOSIGNAL)) > 0)
		sum += (size_t)put;
	return sum;
}

#endif
