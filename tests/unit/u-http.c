/* http.h: routes, refusals, limits and bad addresses, by a plain socket as a client. */
#include <stdio.h>

#include "tests/unit/http_talk.h"

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
	expect(port, "GET /below/a/b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "200 OK", "hello /below/a/b");
	expect(port, "GET /below HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "404", "nosniff");
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

/* Also where the socket is for both families, and an IPv4 client's address is a mapped one to it. */
static void a_handler_knows_who_asks(void **state)
{
	static const char *const listen[] = {"127.0.0.1:0", ":0"};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(listen); i++) {
		struct http_server *server = start(listen[i]);

		expect(http_port(server), "GET /who HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "200 OK", "[127.0.0.1] []");
		expect(http_port(server), "GET /who HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer abc\r\nX-Forwarded-For: 9.9.9.9\r\nConnection: close\r\n\r\n", "200 OK",
		       "[127.0.0.1] [Bearer abc]");
		http_stop(server);
	}
}

static void head_is_get_without_a_body(void **state)
{
	struct http_server *server = start("127.0.0.1:0");
	auto_free char *got = talk(http_port(server), "HEAD /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	auto_free char *none = talk(http_port(server), "HEAD /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");

	(void)state;
	assert_string_equal(strstr(got, "\r\n\r\n"), "\r\n\r\n");
	assert_non_null(strstr(none, "405"));
	http_stop(server);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
	struct http_server *server = start("127.0.0.1:0");
	auto_buf struct buf text = {0};
	auto_free char *got = NULL;
	const char *at;
	int i;

	(void)state;
	for (i = 0; i < 50; i++)
		buf_printf(&text, "POST /echo HTTP/1.1\r\nHost: x\r\n%sContent-Length: 4\r\n\r\n<%02d>", i == 49 ? "Connection: close\r\n" : "", i);
	got = talk(http_port(server), text.data);
	for (i = 0, at = got; i < 50; i++) {
		char want[24];

		snprintf(want, sizeof(want), "\r\n\r\n<%02d>", i);
		at = strstr(at, want);
		if (!at)
			fail_msg("answer %d is missing", i);
	}
	http_stop(server);
}

static void a_header_that_is_too_large_is_refused(void **state)
{
	struct http_server *server = start("127.0.0.1:0");
	auto_buf struct buf text = {0};
	int i;

	(void)state;
	buf_str(&text, "GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: ");
	for (i = 0; i < 40000; i++)
		buf_char(&text, 'x');
	buf_str(&text, "\r\n\r\n");
	expect(http_port(server), text.data, "431 Request Header Fields Too Large", "");
	http_stop(server);
}

static void an_endless_body_is_cut_off(void **state)
{
	struct http_server *server = start("127.0.0.1:0");
	auto_close int fd = dial(http_port(server));
	static const char head[] = "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
	static char chunk[0x10000 + 9] = "10000\r\n";

	(void)state;
	memset(chunk + 7, 'x', 0x10000);
	memcpy(chunk + 7 + 0x10000, "\r\n", 2);
	assert_int_equal(send(fd, head, strlen(head), MSG_NOSIGNAL), (ssize_t)strlen(head));
	assert_true(push(fd, chunk, sizeof(chunk), 256u << 20) < 256u << 20);
	expect(http_port(server), "GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "200 OK", "hello");
	http_stop(server);
}

/* Before its first byte, in the middle of a header, in the middle of a body, between two requests. */
static void a_silent_client_is_closed(void **state)
{
	static const char *const words[] = {"", "GET /hel", "GET /hello HTTP/1.1\r\nHost:", "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n",
					    "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc"};
	int fds[ARRAY_SIZE(words)];
	struct http_server *server;
	size_t i;

	(void)state;
	server = start_with((struct http_settings){.idle_ms = 500, .body_ms = 250});
	for (i = 0; i < ARRAY_SIZE(words); i++) {
		fds[i] = dial(http_port(server));
		assert_int_equal(send(fds[i], words[i], strlen(words[i]), MSG_NOSIGNAL), (ssize_t)strlen(words[i]));
	}
	for (i = 0; i < ARRAY_SIZE(words); i++) {
		char block[1000];

		while (recv(fds[i], block, sizeof(block), 0) > 0) /* perhaps 408 */
			;
		close(fds[i]);
	}
	http_stop(server);
}

struct crowd {
	int fds[300];
};

static bool has_settled(void *arg)
{
	const struct crowd *crowd = arg;
	int open_count = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(crowd->fds); i++)
		open_count += !is_closed(crowd->fds[i]);
	return open_count == HTTP_CONNECTIONS_PER_ADDRESS;
}

static bool is_served(void *port)
{
	auto_free char *got = talk(*(int *)port, "GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");

	return strstr(got, "200 OK") != NULL;
}

/* Of 300 from one address 64 stay, the others are closed; when they go it serves again. */
static void one_address_does_not_take_everything(void **state)
{
	struct http_server *server = start("127.0.0.1:0");
	int port = http_port(server);
	struct crowd crowd;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(crowd.fds); i++)
		crowd.fds[i] = dial(port);
	assert_true(test_wait(has_settled, &crowd, 8000));
	for (i = 0; i < ARRAY_SIZE(crowd.fds); i++)
		close(crowd.fds[i]);
	assert_true(test_wait(is_served, &port, 8000));
	http_stop(server);
}

static bool has_begun(void *arg)
{
	(void)arg;
	return atomic_load(&slow_begun) > 0;
}

/* What a handler reads may be freed once http_stop is back. */
static void a_stop_waits_for_handlers(void **state)
{
	struct http_server *server = start("127.0.0.1:0");
	static const char request[] = "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n";
	int fds[8];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = dial(http_port(server));
		assert_int_equal(send(fds[i], request, strlen(request), MSG_NOSIGNAL), (ssize_t)strlen(request));
	}
	assert_true(test_wait(has_begun, NULL, 5000));
	http_stop(server);
	assert_int_equal(atomic_load(&slow_begun), atomic_load(&slow_ended));
	for (i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
}

static void numbers_of_connections_are_settings(void **state)
{
	struct http_server *server = start_with((struct http_settings){.connections = 1000, .per_address = 3});
	int fds[5], open_count = 0, i;

	(void)state;
	for (i = 0; i < 5; i++)
		fds[i] = dial(http_port(server));
	usleep(300000);
	for (i = 0; i < 5; i++) {
		open_count += !is_closed(fds[i]);
		close(fds[i]);
	}
	assert_int_equal(open_count, 3);
	http_stop(server);
}

static void a_reply_can_have_one_more_header(void **state)
{
	struct http_server *server = start("127.0.0.1:0");

	(void)state;
	expect(http_port(server), "GET /marked HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "200 OK", "X-Mark: yes\r\n");
	http_stop(server);
}

static void the_fd_limit_is_never_lowered(void **state)
{
	(void)state;
	assert_int_equal(http_fds_wanted(1024, 1 << 20), HTTP_FDS_WANTED);
	assert_int_equal(http_fds_wanted(1024, 4096), 4096);
	assert_int_equal(http_fds_wanted(100000, 1 << 20), 100000);
	assert_true(http_fds_wanted(100000, RLIM_INFINITY) == 100000 && http_fds_wanted(RLIM_INFINITY, RLIM_INFINITY) == RLIM_INFINITY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(routes_and_refusals),
		cmocka_unit_test(addresses),
		cmocka_unit_test(a_handler_knows_who_asks), cmocka_unit_test(head_is_get_without_a_body),
		cmocka_unit_test(pipelined_requests_are_answered_in_order),
		cmocka_unit_test(a_header_that_is_too_large_is_refused),
		cmocka_unit_test(an_endless_body_is_cut_off),
		cmocka_unit_test(a_silent_client_is_closed),
		cmocka_unit_test(one_address_does_not_take_everything),
		cmocka_unit_test(a_stop_waits_for_handlers),
		cmocka_unit_test(numbers_of_connections_are_settings),
		cmocka_unit_test(a_reply_can_have_one_more_header),
		cmocka_unit_test(the_fd_limit_is_never_lowered),
	};

	return cmocka_run_group_tests_name("http", tests, NULL, NULL);
}
