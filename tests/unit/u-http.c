/* http.h: routes, refusals, limits and bad addresses, by a plain socket as a client. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/http.h"
#include "lib/http_socket.h"
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

static void answer_who(void *arg, const struct http_request *request, struct http_reply *reply)
{
	(void)arg;
	buf_printf(&reply->body, "[%s] [%s]\n", request->peer, request->authorization);
}

static atomic_int slow_begun, slow_ended;

static void answer_slowly(void *arg, const struct http_request *request, struct http_reply *reply)
{
	(void)arg;
	(void)request;
	atomic_fetch_add(&slow_begun, 1);
	usleep(200000);
	buf_str(&reply->body, "slow\n");
	atomic_fetch_add(&slow_ended, 1);
}

static void answer_marked(void *arg, const struct http_request *request, struct http_reply *reply)
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
static atomic_bool no_more;

static void fill(void *arg, struct http_reply *reply)
{
	struct waiting *w = arg;

	buf_str(&reply->body, w->body);
	atomic_fetch_add(&filled, 1);
	free(w);
}

static void answer_later(void *arg, const struct http_request *request, struct http_reply *reply)
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

static struct http_later *take_any(struct rng *rng)
{
	struct waiting **at = &waiting, *w;

	pthread_mutex_lock(&waiting_lock);
	while (*at && (*at)->next && rng_chance(rng, 0.5))
		at = &(*at)->next;
	w = *at;
	if (w)
		*at = w->next;
	pthread_mutex_unlock(&waiting_lock);
	return w ? w->later : NULL;
}

static void *finish_in_any_order(void *unused)
{
	struct rng rng = rng_make(test_seed());

	(void)unused;
	while (!atomic_load(&no_more)) {
		struct http_later *later = take_any(&rng);

		if (later)
			http_finish(later);
		else
			usleep(rng_below(&rng, 500));
	}
	return NULL;
}

static bool has_all_deferred(void *count)
{
	return atomic_load(&deferred) >= *(int *)count;
}

static const struct http_route routes[] = {{"GET", "/hello", answer_hello}, {"GET", "/below/", answer_hello}, {"POST", "/echo", answer_echo},
					   {"GET", "/slow", answer_slowly}, {"GET", "/marked", answer_marked}, {"POST", "/later", answer_later}, {"GET", "/who", answer_who}};
static char greeting[] = "hello";

static struct http_server *start_with(struct http_settings settings)
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

static struct http_server *start(const char *listen)
{
	return start_with((struct http_settings){.listen = listen});
}

static int dial(int port)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

/* Sends the text and reads until the server closes. */
static char *talk(int port, const char *text)
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

/* Bytes that the server took until it closed; at most `most`. */
static size_t push(int fd, const char *bytes, size_t len, size_t most)
{
	size_t sum = 0;
	ssize_t put;

	while (sum < most && (put = send(fd, bytes, len, MSG_NOSIGNAL)) > 0)
		sum += (size_t)put;
	return sum;
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

static bool is_closed(int fd)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
	char byte;

	return poll(&poll_fd, 1, 0) == 1 && recv(fd, &byte, 1, MSG_PEEK) <= 0;
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

/* --- spans of time, and answers that come later --------------------------------------------------------------------------- */

/* Sends a byte each 20 ms until the server closes; how long it lasted. */
static int64_t trickle(int fd, char byte)
{
	int64_t begin_ms = clock_mono_ms();

	while (!is_closed(fd) && clock_mono_ms() - begin_ms < 20000) {
		if (send(fd, &byte, 1, MSG_NOSIGNAL) < 0)
			break;
		usleep(20000);
	}
	close(fd);
	return clock_mono_ms() - begin_ms;
}

static int dial_and_say(int port, const char *text)
{
	int fd = dial(port);

	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
	return fd;
}

static void hear_some(int fd)
{
	char block[1000];

	assert_true(recv(fd, block, sizeof(block), 0) > 0);
}

/* In the first line, in the header, in a body, in the second request after one that was no success, in its header after one that was. */
static void e8_a_byte_now_and_then_prolongs_nothing(void **state)
{
	struct http_server *server = start_with((struct http_settings){.idle_ms = 400, .body_ms = 200, .kept_ms = 60000});
	int port = http_port(server), fd;

	(void)state;
	test_deadline("a slow line", (double)trickle(dial_and_say(port, "GET /"), 'x'), 400, "ms");
	test_deadline("a slow header", (double)trickle(dial_and_say(port, "GET /hello HTTP/1.1\r\nHost: "), 'x'), 400, "ms");
	test_deadline("a slow body", (double)trickle(dial_and_say(port, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n"), 'x'), 400, "ms");
	fd = dial_and_say(port, "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n");
	hear_some(fd);
	test_deadline("a slow second request", (double)trickle(fd, 'x'), 400, "ms");
	fd = dial_and_say(port, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
	hear_some(fd);
	assert_int_equal(send(fd, "GET /hello HTTP/1.1\r\nHost: ", 27, MSG_NOSIGNAL), 27);
	test_deadline("a slow second header", (double)trickle(fd, 'x'), 400, "ms");
	http_stop(server);
}

static void who_had_an_answer_is_kept(void **state)
{
	struct http_server *server = start_with((struct http_settings){.idle_ms = 200, .kept_ms = 60000});
	int fd = dial_and_say(http_port(server), "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");

	(void)state;
	hear_some(fd);
	usleep(700000);
	assert_false(is_closed(fd));
	assert_int_equal(send(fd, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n", 32, MSG_NOSIGNAL), 32);
	hear_some(fd);
	close(fd);
	http_stop(server);
}

/* A client that sent its last request and said so: closed at once, not when its time is over. */
static void an_end_behind_the_request_is_seen(void **state)
{
	struct http_server *server = start_with((struct http_settings){.kept_ms = 60000});
	int64_t begin_ms = clock_mono_ms();
	int i;

	(void)state;
	for (i = 0; i < 20; i++) {
		int fd = dial_and_say(http_port(server), "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
		char block[1000];

		shutdown(fd, SHUT_WR);
		while (recv(fd, block, sizeof(block), 0) > 0)
			;
		close(fd);
	}
	assert_true(clock_mono_ms() - begin_ms < 30000);
	http_stop(server);
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

/* 40 clients at a time, each of many requests; answered by another thread in random order. Each gets its own. */
static void *ask_later(void *arg)
{
	int port = *(int *)arg, i;

	for (i = 0; i < 25; i++) {
		char text[200], want[40];
		auto_free char *got = NULL;

		snprintf(want, sizeof(want), "\r\n\r\n<%p-%d>", (void *)&i, i);
		snprintf(text, sizeof(text), "POST /later HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s", strlen(want) - 4, want + 4);
		got = talk(port, text);
		if (!strstr(got, want))
			return xasprintf("%s: %s", want + 4, got);
	}
	return NULL;
}

static void each_later_answer_is_its_own(void **state)
{
	struct http_server *server = start_with((struct http_settings){.per_address = 200});
	int port = http_port(server);
	pthread_t finisher, clients[40];
	void *wrong = NULL;
	size_t i;

	(void)state;
	test_seed();
	atomic_store(&no_more, false);
	assert_int_equal(pthread_create(&finisher, NULL, finish_in_any_order, NULL), 0);
	for (i = 0; i < ARRAY_SIZE(clients); i++)
		assert_int_equal(pthread_create(&clients[i], NULL, ask_later, &port), 0);
	for (i = 0; i < ARRAY_SIZE(clients); i++) {
		void *one;

		pthread_join(clients[i], &one);
		wrong = wrong ? wrong : one;
	}
	if (wrong)
		fail_msg("not its own: %s", (char *)wrong);
	http_stop(server);
	atomic_store(&no_more, true);
	pthread_join(finisher, NULL);
	assert_int_equal(atomic_load(&deferred), 40 * 25);
	assert_int_equal(atomic_load(&filled), 40 * 25);
}

/* One request after the other over one connection, until it is closed. */
static void *ask_until_the_end(void *arg)
{
	static const char request[] = "POST /later HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc";
	char block[1000];
	int fd = *(int *)arg;

	while (send(fd, request, strlen(request), MSG_NOSIGNAL) > 0 && recv(fd, block, sizeof(block), 0) > 0)
		;
	close(fd);
	return NULL;
}

/* libmicrohttpd ends the process when it is stopped while a connection sleeps. */
static void a_stop_in_the_midst_of_later_answers(void **state)
{
	struct rng rng = rng_make(test_seed());
	int round;

	(void)state;
	for (round = 0; round < 10; round++) {
		struct http_server *server = start("127.0.0.1:0");
		pthread_t finisher, clients[4];
		int fds[4];
		size_t i;

		atomic_store(&no_more, false);
		assert_int_equal(pthread_create(&finisher, NULL, finish_in_any_order, NULL), 0);
		for (i = 0; i < ARRAY_SIZE(clients); i++) {
			fds[i] = dial(http_port(server));
			assert_int_equal(pthread_create(&clients[i], NULL, ask_until_the_end, &fds[i]), 0);
		}
		usleep(20000 + rng_below(&rng, 30000));
		http_stop(server);
		atomic_store(&no_more, true);
		pthread_join(finisher, NULL);
		for (i = 0; i < ARRAY_SIZE(clients); i++)
			pthread_join(clients[i], NULL);
		assert_int_equal(atomic_load(&filled), atomic_load(&deferred));
	}
}

/* Some clients are gone before it, some wait: each is filled once, and those who wait have their answer. */
static void a_stop_waits_for_later_answers(void **state)
{
	struct http_server *server = start("127.0.0.1:0");
	static const char request[] = "POST /later HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc";
	int before = atomic_load(&filled), fds[20];
	pthread_t finisher;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = dial_and_say(http_port(server), request);
	assert_true(test_wait(has_all_deferred, &(int){before + (int)ARRAY_SIZE(fds)}, 5000));
	for (i = 0; i < ARRAY_SIZE(fds) / 2; i++)
		close(fds[i]);
	atomic_store(&no_more, false);
	assert_int_equal(pthread_create(&finisher, NULL, finish_in_any_order, NULL), 0);
	http_stop(server);
	atomic_store(&no_more, true);
	pthread_join(finisher, NULL);
	assert_int_equal(atomic_load(&filled), before + (int)ARRAY_SIZE(fds));
	for (; i < ARRAY_SIZE(fds); i++) {
		char block[1000] = "";

		assert_true(recv(fds[i], block, sizeof(block) - 1, 0) > 0);
		assert_non_null(strstr(block, "200 OK"));
		close(fds[i]);
	}
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
		cmocka_unit_test(e8_a_byte_now_and_then_prolongs_nothing),
		cmocka_unit_test(who_had_an_answer_is_kept),
		cmocka_unit_test(an_end_behind_the_request_is_seen),
		cmocka_unit_test(numbers_of_connections_are_settings),
		cmocka_unit_test(a_reply_can_have_one_more_header),
		cmocka_unit_test(each_later_answer_is_its_own),
		cmocka_unit_test(a_stop_in_the_midst_of_later_answers),
		cmocka_unit_test(a_stop_waits_for_later_answers),
		cmocka_unit_test(the_fd_limit_is_never_lowered),
	};

	return cmocka_run_group_tests_name("http", tests, NULL, NULL);
}
