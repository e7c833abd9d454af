/* http.h: what no handler sees is answered and told, who half-closes has all answers, and a crowd leaves the program its descriptors. */
#include "tests/unit/http_talk.h"

#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "lib/clock.h"

/* --- refusals ------------------------------------------------------------------------------------------------------------- */

/* What `refused` was told: "/path status " of each. */
static struct buf refusals;
static pthread_mutex_t refusals_lock = PTHREAD_MUTEX_INITIALIZER;

static void note_refused(void *arg, const char *path, int status)
{
	assert_ptr_equal(arg, greeting);
	pthread_mutex_lock(&refusals_lock);
	buf_printf(&refusals, "%s %d ", path, status);
	pthread_mutex_unlock(&refusals_lock);
}

static bool is_noted(void *text)
{
	bool noted;

	pthread_mutex_lock(&refusals_lock);
	noted = refusals.data && STREQ(refusals.data, text);
	pthread_mutex_unlock(&refusals_lock);
	return noted;
}

/* The next one of `refused` is exactly this one; with the client's end of the connection, which may be gone before that. */
static void expect_noted(const char *text)
{
	if (!test_wait(is_noted, (void *)(uintptr_t)text, 10000))
		fail_msg("told `%s`, not `%s`", refusals.data ? refusals.data : "", text);
	buf_free(&refusals);
}

/* Of all that a handler never sees, whether it had an answer or not. */
static void refusals_are_told(void **state)
{
	struct http_server *server = start_with((struct http_settings){.refused = note_refused, .body_ms = 200, .max_bodies_bytes = 500});
	int port = http_port(server), i;
	auto_buf struct buf text = {0};

	(void)state;
	buf_str(&text, "GET /hello?q HTTP/1.1\r\nHost: x\r\nX: ");
	for (i = 0; i < 40000; i++)
		buf_char(&text, 'x');
	buf_str(&text, "\r\n\r\n");
	expect(port, text.data, "431", "");
	expect_noted("/hello 431 ");
	expect(port, "POST /echo?a=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 300000000\r\n\r\n", "413", "too large");	/* says more than is read */
	expect_noted("/echo 413 ");
	expect(port, "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1001\r\n\r\n", "HTTP/1.1 413", "too large");
	expect_noted("/echo 413 ");
	expect(port, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc", "", "");	/* closed without an answer */
	expect_noted("/echo 408 ");
	buf_free(&text);
	buf_str(&text, "POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 501\r\n\r\n");
	for (i = 0; i < 501; i++)
		buf_char(&text, 'x');
	expect(port, text.data, "503", "too many bodies");
	expect_noted("/echo 503 ");
	expect(port, "GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "404", "");	/* an answer of its own */
	expect(port, "GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "200 OK", "");
	http_stop(server);
	assert_null(refusals.data);
}

/* Its client first writes all, as most do, and then sees the answer; also over the size that was thrown away before. */
static void a_body_that_is_too_large_has_its_answer(void **state)
{
	struct http_server *server = start_with((struct http_settings){0});
	const size_t len = (size_t)32 << 20;
	auto_free char *body = xcalloc(1, len);
	auto_close int fd = dial(http_port(server));
	auto_free char *head = xasprintf("POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n", len);
	char answer[1000] = "";

	(void)state;
	assert_int_equal(push(fd, head, strlen(head), strlen(head)), strlen(head));
	assert_int_equal(push(fd, body, len, len), len);
	assert_true(recv(fd, answer, sizeof(answer) - 1, MSG_WAITALL) > 0);
	assert_int_equal(strncmp(answer, "HTTP/1.1 413 ", 13), 0);
	http_stop(server);
}

/* Its requests are on their way all together, and so is its end: it reads on, and has all answers. */
static void who_only_stops_sending_has_all_answers(void **state)
{
	struct http_server *server = start_with((struct http_settings){.kept_ms = 60000});
	auto_buf struct buf text = {0}, got = {0};
	char block[1000];
	int fd, i, round;
	ssize_t len;

	(void)state;
	for (i = 0; i < 20; i++)
		buf_printf(&text, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n<%02d>", i);
	for (round = 0; round < 5; round++) {
		int64_t begin_ms = clock_mono_ms();

		buf_free(&got);
		fd = dial_and_say(http_port(server), text.data);
		shutdown(fd, SHUT_WR);
		while ((len = recv(fd, block, sizeof(block), 0)) > 0)
			buf_add(&got, block, (size_t)len);
		close(fd);
		buf_add(&got, "", 0);
		for (i = 0; i < 20; i++) {
			char want[24];

			snprintf(want, sizeof(want), "\r\n\r\n<%02d>", i);
			if (!strstr(got.data, want))
				fail_msg("round %d: answer %d of 20 is missing", round, i);
		}
		assert_true(clock_mono_ms() - begin_ms < 30000);	/* not when its time is over */
	}
	http_stop(server);
}

/* --- descriptors ---------------------------------------------------------------------------------------------------------- */

static void connections_leave_descriptors(void **state)
{
	(void)state;
	assert_int_equal(http_connections_fit(65536, 4096), 4096);
	assert_int_equal(http_connections_fit(4096, 4096), 4096 - HTTP_FDS_SPARE);
	assert_int_equal(http_connections_fit(1024, 4096), 1024 - HTTP_FDS_SPARE);
	assert_int_equal(http_connections_fit(256, 4096), 128);
	assert_int_equal(http_connections_fit(256, 64), 64);
	assert_int_equal(http_connections_fit(RLIM_INFINITY, 4096), 4096);
}

#define LOW_LIMIT 300

/* The child: a server under a hard limit of LOW_LIMIT. It tells its port, and when asked whether the program can open 64 more files. */
static void serve_under_a_low_limit(int fd)
{
	const struct rlimit low = {LOW_LIMIT, LOW_LIMIT};
	struct http_settings settings = {.listen = "127.0.0.1:0", .routes = routes, .route_count = 1, .connections = 4096, .per_address = 4096,
					 .threads = 1, .arg = greeting};
	struct http_server *server;
	struct lm_err err;
	int i = 0, port;

	if (setrlimit(RLIMIT_NOFILE, &low) < 0 || http_start(&settings, &server, &err) < 0)
		_exit(1);
	port = http_port(server);
	if (write(fd, &port, sizeof(port)) != sizeof(port) || read(fd, &port, sizeof(port)) <= 0)
		_exit(1);
	while (i < 64 && dup(fd) >= 0)
		i++;
	_exit(write(fd, &i, sizeof(i)) != sizeof(i));
}

static void a_crowd_leaves_the_program_descriptors(void **state)
{
	int pair[2], fds[LOW_LIMIT], port = 0, opened = 0, status;
	size_t i;
	pid_t child;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	child = fork();
	if (child == 0)
		serve_under_a_low_limit(pair[1]);
	close(pair[1]);
	assert_int_equal(read(pair[0], &port, sizeof(port)), sizeof(port));
	for (i = 0; i < LOW_LIMIT; i++)
		fds[i] = dial(port);
	usleep(300000);			/* those that are taken are taken */
	assert_int_equal(write(pair[0], &port, sizeof(port)), sizeof(port));
	assert_int_equal(read(pair[0], &opened, sizeof(opened)), sizeof(opened));
	printf("# %d of 64 files beside a crowd\n", opened);
	assert_int_equal(waitpid(child, &status, 0), child);
	for (i = 0; i < LOW_LIMIT; i++)
		close(fds[i]);
	close(pair[0]);
	assert_int_equal(opened, 64);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refusals_are_told),
		cmocka_unit_test(a_body_that_is_too_large_has_its_answer),
		cmocka_unit_test(who_only_stops_sending_has_all_answers),
		cmocka_unit_test(connections_leave_descriptors),
		cmocka_unit_test(a_crowd_leaves_the_program_descriptors),
	};

	return cmocka_run_group_tests_name("http-refusals", tests, NULL, NULL);
}
