/* http.h: spans of time, and answers that come later, by a plain socket as a client. */
#include <stdio.h>

#include "lib/clock.h"
#include "tests/unit/http_talk.h"

static atomic_bool no_more;

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
	for (i = 0; i < 100; i++) {
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(e8_a_byte_now_and_then_prolongs_nothing),
		cmocka_unit_test(who_had_an_answer_is_kept),
		cmocka_unit_test(an_end_behind_the_request_is_seen),
		cmocka_unit_test(each_later_answer_is_its_own),
		cmocka_unit_test(a_stop_in_the_midst_of_later_answers),
		cmocka_unit_test(a_stop_waits_for_later_answers),
	};

	return cmocka_run_group_tests_name("http-later", tests, NULL, NULL);
}
