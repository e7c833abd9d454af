/* http.h: routes, refusals, limits and bad addresses, by a plain socket as a client. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/http.h"
#include "lib/mem.h"
#include "tests/testing/testing.h"

static void answer_hello(void *arg, const struct http_request *request, struct http_reply *reply)
{
	buf_printf(&reply->body, "%s %s?%s\n", (const char *)arg, request->path, request->query);
}

static void answer_echo(void *arg, const struct http_request *request, struct http_reply *reply)
{
	(void)arg;
	reply->status = 201;
	buf_add(&reply->body, request->body, request->body_len);
}

static const struct http_route routes[] = {{"GET", "/hello", answer_hello}, {"POST", "/echo", answer_echo}};
static char greeting[] = "hello";

static struct http_server *start(const char *listen)
{
	struct http_settings settings = {.listen = listen, .routes = routes, .route_count = ARRAY_SIZE(routes), .max_body_bytes = 1000, .arg = greeting};
	struct http_server *server = NULL;
	struct lm_err err = {0};

	if (http_start(&settings, &server, &err) < 0)
		fail_msg("%s", err.msg);
	return server;
}

/* Sends the text and reads until the server closes. */
static char *talk(int port, const char *text)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	auto_close int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct buf b = {0};
	char block[4096];
	ssize_t got;

	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
	while ((got = recv(fd, block, sizeof(block), 0)) > 0)
		buf_add(&b, block, (size_t)got);
	buf_add(&b, "", 0);
	return b.data;
}

static void expect(int port, const char *request, const char *status, const char *body)
{
	auto_free char *got = talk(port, request);

	if (!strstr(got, status) || !strstr(got, body))
		fail_msg("%s: got %s", request, got);
}

static void routes_and_refusals(void **state)
{
	struct http_server *server = start("127.0.0.1:0");
	auto_buf struct buf large = {0};
	int port = http_port(server), i;

	(void)state;
	expect(port, "GET /hello?a=1&b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "200 OK", "hello /hello?a=1&b");
	expect(port, "HEAD /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "200 OK", "Content-Length: 14");
	expect(port, "POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbody", "201 Created", "\r\n\r\nbody");
	expect(port, "POST /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", "405", "another method");
	expect(port, "GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "404", "nothing here");
	expect(port, "nonsense\r\n\r\n", "", "");
	buf_str(&large, "POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1001\r\n\r\n");
	for (i = 0; i < 1001; i++)
		buf_char(&large, 'x');
	expect(port, large.data, "413", "too large");
	http_stop(server);
}

static void addresses(void **state)
{
	static const char *const bad[] = {"", "x", "localhost:80", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", "[::1:80", "1.2.3.4:80 "};
	struct http_settings settings = {.routes = routes, .route_count = 2};
	struct http_server *server, *second;
	struct lm_err err = {0};
	char taken[32];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		settings.listen = bad[i];
		if (http_start(&settings, &server, &err) == 0 || err.code != LM_USAGE || !strstr(err.msg, bad[i]))
			fail_msg("%s: %s", bad[i], err.msg);
	}
	server = start(":0");
	expect(http_port(server), "GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "200 OK", "hello");
	snprintf(taken, sizeof(taken), "127.0.0.1:%d", http_port(server));
	settings.listen = taken;
	assert_int_equal(http_start(&settings, &second, &err), -1);
	assert_int_equal(err.code, LM_UNAVAILABLE);
	assert_non_null(strstr(err.msg, "Address already in use"));
	http_stop(server);
	http_stop(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(routes_and_refusals),
		cmocka_unit_test(addresses),
	};

	return cmocka_run_group_tests_name("http", tests, NULL, NULL);
}
