/*
 * Any bytes over a connection to a running server of http.h, in two pieces, and then the end: what comes back is nothing or an answer, each deferred request is
 * filled once, and the server goes on. libmicrohttpd reads the HTTP; ours are routes, query, body, spans and the later answers.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/http.h"
#include "lib/mem.h"
#include "tests/testing/fuzz.h"

#define HOST " HTTP/1.1\r\nHost: x\r\n"

FUZZ_CORPUS("GET /hello?a=1&b&c=%20%" HOST "\r\n", "HEAD /below/x" HOST "Connection: close\r\n\r\n",
	    "POST /echo" HOST "Content-Type: application/json\r\nContent-Length: 4\r\n\r\nbodyGET /hello" HOST "\r\n",
	    "POST /later" HOST "Content-Length: 3\r\n\r\nabcPOST /later" HOST "Content-Length: 0\r\n\r\n",
	    "POST /echo" HOST "Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n", "POST /echo" HOST "Expect: 100-continue\r\nContent-Length: 5000\r\n\r\n",
	    "GET /hello HTTP/1.0\r\n\r\n", "OPTIONS *" HOST "\r\n")

static struct http_server *server;
static atomic_int deferred, filled;

/* What does not hold is said before the end, for a report shows no values. */
static void require_at(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "f-http: not so: %s (%s)\n", what, strerror(errno));
	abort();
}
#define require(holds) require_at(holds, #holds)

static void answer_hello(void *arg, const struct http_request *request, struct http_reply *reply)
{
	(void)arg;
	buf_printf(&reply->body, "%s?%s\n", request->path, request->query);
}

static void answer_echo(void *arg, const struct http_request *request, struct http_reply *reply)
{
	(void)arg;
	require(strlen(request->body) <= request->body_len && request->body_len <= 1000);
	buf_add(&reply->body, request->body, request->body_len);
}

static void fill(void *arg, struct http_reply *reply)
{
	buf_str(&reply->body, arg);
	free(arg);
	atomic_fetch_add(&filled, 1);
}

static void answer_later(void *arg, const struct http_request *request, struct http_reply *reply)
{
	(void)arg;
	(void)reply;
	atomic_fetch_add(&deferred, 1);
	http_finish(http_defer(request, fill, xstrdup(request->body)));
}

static void begin(void)
{
	static const struct http_route routes[] = {{"GET", "/hello", answer_hello}, {"GET", "/below/", answer_hello}, {"POST", "/echo", answer_echo},
						   {"POST", "/later", answer_later}};
	struct lm_err err;

	if (server)
		return;
	require(http_start(&(struct http_settings){.listen = "127.0.0.1:0", .routes = routes, .route_count = ARRAY_SIZE(routes), .max_body_bytes = 1000,
						   .max_bodies_bytes = 100000, .per_address = 200, .idle_ms = 2, .body_ms = 1, .kept_ms = 5000}, &server, &err) == 0);
}

/* libFuzzer's clock interrupts a connect; the connection is made all the same. */
static bool goes_on(int fd)
{
	struct pollfd made = {.fd = fd, .events = POLLOUT};
	int error = errno, n;
	socklen_t len = sizeof(error);

	if (error != EINTR)
		return false;
	while ((n = poll(&made, 1, 20000)) < 0 && errno == EINTR)
		;
	if (n != 1 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return false;
	errno = error;
	return error == 0;
}

static int dial(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)http_port(server)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct linger at_once = {1, 0};		/* else ports run out */
	struct timeval limit = {20, 0};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	require(fd >= 0);
	require(connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 || goes_on(fd));
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	return fd;
}

static bool put(int fd, const uint8_t *bytes, size_t len)
{
	return !len || send(fd, bytes, len, MSG_NOSIGNAL) == (ssize_t)len;
}

/* The server ends the connection, and has answered before or not. */
static void hear(int fd)
{
	char head[9] = "", block[4096];
	size_t len = 0;
	ssize_t n;

	while ((n = recv(fd, block, sizeof(block), 0)) > 0 || (n < 0 && errno == EINTR)) {
		if (n < 0)
			continue;
		if (len < 8)
			memcpy(head + len, block, (size_t)n < 8 - len ? (size_t)n : 8 - len);
		len += (size_t)n;
	}
	require(n == 0 || errno != EAGAIN);	/* a reset has several names; a time-out has this one */
	require(len < 8 || strncmp(head, "HTTP/1.", 7) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_close int fd = -1;
	size_t first;

	begin();
	fd = dial();
	first = size ? data[size - 1] % (size + 1) : 0;
	if (put(fd, data, first) && put(fd, data + first, size - first))
		shutdown(fd, SHUT_WR);
	hear(fd);
	require(atomic_load(&filled) <= atomic_load(&deferred));
	return 0;
}
