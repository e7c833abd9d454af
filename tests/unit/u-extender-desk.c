/* extender/desk.h and server.h: answers in time with nobody at the desk, a late one, and many at once; refusals and limits of HTTP. */
#include <arpa/inet.h>
#include <math.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "sched/extender/server.h"
#include "sched/stats.h"
#include "tests/testing/testing.h"

#define BODY "{\"Pod\":{\"metadata\":{\"name\":\"web\",\"namespace\":\"default\",\"uid\":\"u\"}},\"NodeNames\":[\"a\",\"b\"]}"
#define PASSED "{\"Nodes\":null,\"NodeNames\":[\"a\",\"b\"],\"FailedNodes\":{},\"FailedAndUnresolvableNodes\":{},\"Error\":\"\"}\n"
#define NEUTRAL "[{\"Host\":\"a\",\"Score\":5},{\"Host\":\"b\",\"Score\":5}]\n"

static struct desk *desk;
static struct metrics *stats;
static struct server *server;
static struct scores *scores;

static void open_server(enum server_late late)
{
	struct lm_err err;

	stats = stats_new();
	stats_show_extender(stats);
	scores = scores_new();
	if (desk_open(&desk, &err) < 0 || server_open(&(struct server_settings){"127.0.0.1:0", late, desk, scores, stats, NULL, NULL, true}, &server, &err) < 0)
		fail_msg("%s", err.msg);
}

static int close_server(void **state)
{
	(void)state;
	desk_close(desk);
	server_close(server);
	desk_free(desk);
	scores_free(scores);
	metrics_free(stats);
	return 0;
}

static int dial(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)server_port(server)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

static void say(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

		if (n <= 0)
			return;		/* closed by the server: its answer tells why */
		text += n;
		len -= (size_t)n;
	}
}

/* Reads to the end of the connection; the status, 0 without an answer. The body lies behind the head. */
static int hear(int fd, char *text, size_t size)
{
	size_t len = 0;
	ssize_t n;

	while (len + 1 < size && (n = recv(fd, text + len, size - 1 - len, 0)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	close(fd);
	return strncmp(text, "HTTP/1.1 ", 9) == 0 ? atoi(text + 9) : 0;
}

static const char *body_of(const char *text)
{
	const char *at = strstr(text, "\r\n\r\n");

	return at ? at + 4 : "";
}

static void begin_post(int fd, const char *path, const char *type, size_t len)
{
	auto_free char *head = xasprintf("POST %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n", path, type, len);

	say(fd, head, strlen(head));
}

static char heard[65536];

static int post_as(const char *path, const char *type, const char *body)
{
	int fd = dial();

	begin_post(fd, path, type, strlen(body));
	say(fd, body, strlen(body));
	return hear(fd, heard, sizeof(heard));
}

static int post(const char *path, const char *body)
{
	return post_as(path, "application/json", body);
}

/* --- nobody at the desk ---------------------------------------------------------------------------------------------------- */

static void e14_without_a_decision_the_answer_is_in_time(void **state)
{
	int64_t start_ms = clock_mono_ms();

	(void)state;
	open_server(SERVER_LATE_PASS);
	assert_int_equal(post("/filter", BODY), 200);
	assert_string_equal(body_of(heard), PASSED);
	assert_non_null(strstr(heard, "\r\nX-Latency-Mode: neutral\r\n"));
	test_deadline("late /filter", (double)(clock_mono_ms() - start_ms), SERVER_DEADLINE_MS, "ms");
	start_ms = clock_mono_ms();
	assert_int_equal(post("/prioritize", BODY), 200);
	assert_string_equal(body_of(heard), NEUTRAL);
	test_deadline("late /prioritize", (double)(clock_mono_ms() - start_ms), SERVER_DEADLINE_MS, "ms");
	assert_true(metrics_get(stats, STAT_EXTENDER, EXTENDER_LATE) > 0.5);
	assert_true(metrics_get(stats, STAT_EXTENDER, EXTENDER_ENDS + EXTENDER_LATE) > 0.5);
	assert_null(desk_take(desk));	/* they are gone from the queue */
}

static void e14_or_it_is_an_error_by_option(void **state)
{
	(void)state;
	open_server(SERVER_LATE_ERROR);
	assert_int_equal(post("/filter", BODY), 200);
	assert_non_null(strstr(heard, "\"NodeNames\":null"));
	assert_non_null(strstr(heard, "\"Error\":\"latency-sched: there was no decision in time\""));
	assert_int_equal(post("/prioritize", BODY), 200);
	assert_string_equal(body_of(heard), NEUTRAL);
	desk_close(desk);
	assert_int_equal(post("/filter", BODY), 200);	/* at once */
	assert_non_null(strstr(heard, "\"Error\":\"latency-sched is not ready to decide\""));
}

/* --- at once -------------------------------------------------------------------------------------------------------------- */

static int turns;			/* without a lock: the desk's order is all that there is */

static bool decide_here(void *arg, struct desk_job *job, struct wire_answer *answer)
{
	(void)arg;
	if (desk_verb(job) != JUDGE_FILTER)
		return false;
	turns++;
	*answer = wire_answer_of(desk_request(job)->count);
	return true;
}

static struct desk_job *new_job(enum judge_verb verb)
{
	struct wire_request request;
	struct lm_err err;

	assert_int_equal(wire_parse(BODY, strlen(BODY), &request, &err), 0);
	return desk_job(verb, &request);
}

static bool try_at_once(enum judge_verb verb)
{
	struct desk_job *job = new_job(verb);
	struct wire_answer answer = {0};
	bool decided = desk_at_once(desk, job, &answer);

	assert_true(decided ? answer.count == 2 : !answer.nodes);
	wire_answer_free(&answer);
	desk_release(job);
	return decided;
}

static void who_asks_decides_while_the_scheduling_thread_sleeps(void **state)
{
	(void)state;
	open_server(SERVER_LATE_PASS);
	turns = 0;
	assert_false(try_at_once(JUDGE_FILTER));
	desk_on_rest(desk, decide_here, NULL);
	assert_false(try_at_once(JUDGE_FILTER));
	desk_rest(desk);
	assert_true(try_at_once(JUDGE_FILTER));
	assert_false(try_at_once(JUDGE_PRIORITIZE));	/* it says no */
	assert_int_equal(post("/filter", BODY), 200);
	assert_string_equal(body_of(heard), PASSED);
	assert_int_equal(turns, 2);
	assert_null(desk_take(desk));			/* it was never there */
	desk_resume(desk);
	assert_false(try_at_once(JUDGE_FILTER));
	assert_int_equal(turns, 2);
	assert_true(metrics_get(stats, STAT_EXTENDER, EXTENDER_DECIDED) > 0.5);
}

static atomic_bool asking_ends;

static void *ask_on(void *arg)
{
	int *decided = arg;

	while (!atomic_load(&asking_ends))
		*decided += try_at_once(JUDGE_FILTER);
	return NULL;
}

/* Three that ask, and the scheduling thread, which has its turn in between. A race is a sum that is wrong, and seen by ThreadSanitizer. */
static void one_at_a_time_has_the_turn(void **state)
{
	int decided[3] = {0}, own = 0, i;
	pthread_t threads[3];

	(void)state;
	open_server(SERVER_LATE_PASS);
	turns = 0;
	atomic_store(&asking_ends, false);
	desk_on_rest(desk, decide_here, NULL);
	for (i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, ask_on, &decided[i]), 0);
	for (own = 0; own < 3000; own++) {
		turns++;
		desk_rest(desk);
		if (own % 50 == 0)
			usleep(1000);
		desk_resume(desk);
	}
	atomic_store(&asking_ends, true);
	for (i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(turns, own + decided[0] + decided[1] + decided[2]);
	assert_true(turns > own);
}

/* --- somebody -------------------------------------------------------------------------------------------------------------- */

static atomic_bool ended;
static atomic_int pause_ms, served;

static void *serve(void *unused)
{
	(void)unused;
	while (!atomic_load(&ended)) {
		struct pollfd fd = {.fd = desk_fd(desk), .events = POLLIN};
		struct desk_job *job;

		poll(&fd, 1, 20);
		while ((job = desk_take(desk)) != NULL) {
			struct wire_answer a = wire_answer_of(desk_request(job)->count);

			usleep((useconds_t)atomic_load(&pause_ms) * 1000);
			a.neutral = false;
			a.nodes[0] = (struct wire_mark){.verdict = WIRE_FAILED, .reason = wire_reason(&a, desk_request(job)->pod->name), .score = 9};
			atomic_fetch_add(&served, 1);
			desk_answer(desk, job, &a);
		}
	}
	return NULL;
}

static pthread_t begin_serving(int ms)
{
	pthread_t thread;

	atomic_store(&ended, false);
	atomic_store(&pause_ms, ms);
	atomic_store(&served, 0);
	assert_int_equal(pthread_create(&thread, NULL, serve, NULL), 0);
	return thread;
}

static void end_serving(pthread_t thread)
{
	atomic_store(&ended, true);
	pthread_join(thread, NULL);
}

static void an_answer_that_comes_too_late_is_dropped(void **state)
{
	pthread_t thread;

	(void)state;
	open_server(SERVER_LATE_PASS);
	thread = begin_serving(SERVER_WAIT_MS + 300);
	assert_int_equal(post("/filter", BODY), 200);
	assert_string_equal(body_of(heard), PASSED);
	end_serving(thread);
	assert_int_equal(atomic_load(&served), 1);
	thread = begin_serving(0);
	assert_int_equal(post("/filter", BODY), 200);
	assert_non_null(strstr(heard, "\"FailedNodes\":{\"a\":\"web\"}"));
	assert_int_equal(post("/prioritize", BODY), 200);
	assert_string_equal(body_of(heard), "[{\"Host\":\"a\",\"Score\":9},{\"Host\":\"b\",\"Score\":5}]\n");
	assert_non_null(strstr(heard, "\r\nX-Latency-Mode: latency\r\n"));
	end_serving(thread);
}

static void *ask_often(void *number)
{
	char text[4096];
	int i;

	for (i = 0; i < 50; i++) {
		auto_free char *body = xasprintf("{\"Pod\":{\"metadata\":{\"name\":\"p%d-%d\",\"namespace\":\"d\",\"uid\":\"u\"}},\"NodeNames\":[\"a\"]}",
						 *(const int *)number, i);
		auto_free char *wanted = xasprintf("\"FailedNodes\":{\"a\":\"p%d-%d\"}", *(const int *)number, i);
		int fd = dial();

		begin_post(fd, "/filter", "application/json", strlen(body));
		say(fd, body, strlen(body));
		if (hear(fd, text, sizeof(text)) != 200 || !strstr(text, wanted))
			return text[0] ? xstrdup(text) : xstrdup("no answer");
	}
	return NULL;
}

/* An answer may be with who asked before the server's thread has counted it. */
static bool server_is_idle(void *unused)
{
	(void)unused;
	return server_busy(server) == 0;
}

static void e17_each_gets_its_own_answer(void **state)
{
	pthread_t serving, asking[8];
	int numbers[8], i;
	void *wrong;

	(void)state;
	open_server(SERVER_LATE_PASS);
	serving = begin_serving(0);
	for (i = 0; i < 8; i++) {
		numbers[i] = i;
		assert_int_equal(pthread_create(&asking[i], NULL, ask_often, &numbers[i]), 0);
	}
	for (i = 0; i < 8; i++) {
		pthread_join(asking[i], &wrong);
		if (wrong)
			fail_msg("%s", (char *)wrong);
	}
	end_serving(serving);
	assert_true(test_wait(server_is_idle, NULL, 5000));
}

#define IN_HAND 20
#define ROUNDS 40

/* Holds several jobs in hand, answers or declines them in any order after any time, also too late; closes the desk at some point. */
static void *serve_at_random(void *unused)
{
	struct rng rng = rng_make(test_seed());
	struct desk_job *in_hand[IN_HAND];
	int count = 0, left = 16 * ROUNDS / 4 + (int)rng_below(&rng, 16 * ROUNDS / 2);

	(void)unused;
	while (!atomic_load(&ended) || count) {
		struct desk_job *job = count < IN_HAND ? desk_take(desk) : NULL;
		int i;

		if (job)
			in_hand[count++] = job;
		if (rng_chance(&rng, 0.1))
			usleep(rng_below(&rng, rng_chance(&rng, 0.02) ? (SERVER_WAIT_MS + 100) * 1000 : 500));
		if (!count || (count < IN_HAND && rng_chance(&rng, 0.5)))
			continue;
		i = (int)rng_below(&rng, (uint32_t)count);
		job = in_hand[i];
		in_hand[i] = in_hand[--count];
		if (--left == 0)
			desk_close(desk);
		if (rng_chance(&rng, 0.2)) {
			desk_decline(desk, job);
		} else {
			struct wire_answer a = wire_answer_of(1);

			a.nodes[0] = (struct wire_mark){.verdict = WIRE_FAILED, .reason = wire_reason(&a, desk_request(job)->pod->name)};
			desk_answer(desk, job, &a);
		}
	}
	return NULL;
}

static int hear_answer(int fd, char *text, size_t size)
{
	size_t len = 0;
	const char *end, *length;
	ssize_t n;

	while (len + 1 < size && (n = recv(fd, text + len, size - 1 - len, 0)) > 0) {
		text[len += (size_t)n] = '\0';
		end = strstr(text, "\r\n\r\n");
		length = end ? strstr(text, "Content-Length: ") : NULL;
		if (length && len == (size_t)(end + 4 - text) + (size_t)atoi(length + 16))
			return atoi(text + 9);
	}
	return 0;
}

/* Over one connection, so that an answer too many would be seen as the next one's. */
static void *ask_at_random(void *number)
{
	static const char form[] = "POST /filter HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s";
	int fd = dial(), i;
	char text[4096] = "";

	for (i = 0; i < ROUNDS; i++) {
		auto_free char *name = xasprintf("p%d-%d", *(const int *)number, i);
		auto_free char *body = xasprintf("{\"Pod\":{\"metadata\":{\"name\":\"%s\",\"namespace\":\"d\",\"uid\":\"u\"}},\"NodeNames\":[\"n-%s\"]}", name, name);
		auto_free char *request = xasprintf(form, strlen(body), body);
		auto_free char *decided = xasprintf("\"NodeNames\":[],\"FailedNodes\":{\"n-%s\":\"%s\"}", name, name);
		auto_free char *undecided = xasprintf("\"NodeNames\":[\"n-%s\"],\"FailedNodes\":{}", name);

		say(fd, request, strlen(request));
		if (hear_answer(fd, text, sizeof(text)) != 200 || (!strstr(text, decided) && !strstr(text, undecided)))
			return xasprintf("%s: %s", name, text);
	}
	close(fd);
	return NULL;
}

static void e17_each_gets_one_answer_whatever_the_scheduling_thread_does(void **state)
{
	static const enum stat_extender ends[] = {EXTENDER_DECIDED, EXTENDER_DECLINED, EXTENDER_LATE};
	pthread_t serving, asking[16];
	int numbers[16], i;
	double sum = 0;
	void *wrong;

	(void)state;
	test_seed();
	open_server(SERVER_LATE_PASS);
	atomic_store(&ended, false);
	assert_int_equal(pthread_create(&serving, NULL, serve_at_random, NULL), 0);
	for (i = 0; i < 16; i++) {
		numbers[i] = i;
		assert_int_equal(pthread_create(&asking[i], NULL, ask_at_random, &numbers[i]), 0);
	}
	for (i = 0; i < 16; i++) {
		pthread_join(asking[i], &wrong);
		if (wrong)
			fail_msg("%s", (char *)wrong);
	}
	end_serving(serving);
	assert_true(test_wait(server_is_idle, NULL, 5000));
	for (i = 0; i < 3; i++) {
		printf("# %s: %.0f\n", (const char *[]){"decided", "declined", "late"}[i], metrics_get(stats, STAT_EXTENDER, (int)ends[i]));
		sum += metrics_get(stats, STAT_EXTENDER, (int)ends[i]);
	}
	assert_true(sum > 16 * ROUNDS - 0.5 && sum < 16 * ROUNDS + 0.5);
}

/* --- HTTP ------------------------------------------------------------------------------------------------------------------ */

static void e1_what_is_no_request_is_refused(void **state)
{
	int fd;

	(void)state;
	open_server(SERVER_LATE_PASS);
	assert_int_equal(post("/filter", ""), 400);
	assert_string_equal(body_of(heard), "the body is empty: ExtenderArgs of a kube-scheduler are wanted\n");
	assert_int_equal(post("/filter", "{"), 400);
	assert_int_equal(post("/prioritize", "{}"), 400);
	assert_string_equal(body_of(heard), "Pod is missing\n");
	assert_int_equal(post_as("/filter", "text/plain", BODY), 415);
	assert_int_equal(post_as("/filter", "application/jsonx", BODY), 415);
	assert_int_equal(post("/", BODY), 404);
	fd = dial();
	say(fd, "GET /filter HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 53);
	assert_int_equal(hear(fd, heard, sizeof(heard)), 405);
	assert_true(metrics_get(stats, STAT_EXTENDER, EXTENDER_BAD) > 3.5);
}

#define BINDING "{\"PodName\":\"web\",\"PodNamespace\":\"default\",\"PodUID\":\"u\",\"Node\":\"a\"}"

static void e16_what_is_no_binding_is_refused(void **state)
{
	auto_free char *large = xasprintf("%*s" BINDING, (int)WIRE_BIND_BYTES, "");
	int fd;

	(void)state;
	open_server(SERVER_LATE_PASS);
	assert_int_equal(post("/bind", ""), 400);
	assert_string_equal(body_of(heard), "the body is empty: ExtenderBindingArgs of a kube-scheduler are wanted\n");
	assert_int_equal(post("/bind", BODY), 400);
	assert_string_equal(body_of(heard), "PodName is missing\n");
	assert_int_equal(post("/bind", large), 413);
	assert_int_equal(post_as("/bind", "text/plain", BINDING), 415);
	fd = dial();
	say(fd, "GET /bind HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 51);
	assert_int_equal(hear(fd, heard, sizeof(heard)), 405);
	assert_true(metrics_get(stats, STAT_EXTENDER, 2 * EXTENDER_ENDS + EXTENDER_BAD) > 3.5);
	assert_null(desk_take(desk));	/* none of them came so far */
}

static void e16_a_binding_is_answered_in_time_and_says_that_it_is_unknown(void **state)
{
	int64_t start_ms = clock_mono_ms();
	struct desk_job *job;

	(void)state;
	open_server(SERVER_LATE_PASS);
	assert_int_equal(post("/bind", BINDING), 200);
	test_deadline("late /bind", (double)(clock_mono_ms() - start_ms), SERVER_DEADLINE_MS, "ms");
	assert_true(strncmp(body_of(heard), "{\"Error\":\"latency-sched: the outcome of the binding is unknown", 60) == 0);
	assert_null(desk_take(desk));
	assert_true(metrics_get(stats, STAT_EXTENDER, 2 * EXTENDER_ENDS + EXTENDER_LATE) > 0.5);
	job = desk_job_bind(&(struct wire_bind){.uid = xstrdup("u")});
	assert_string_equal(desk_bind(job)->uid, "u");
	desk_release(job);
	desk_close(desk);
	assert_int_equal(post("/bind", BINDING), 200);
	assert_string_equal(body_of(heard), "{\"Error\":\"latency-sched is not ready to bind\"}\n");
}

static void e2_a_body_over_the_limit_is_413(void **state)
{
	size_t len = SERVER_BODY_BYTES + 1000;
	auto_free char *body = xmalloc(len);
	int fd;

	(void)state;
	memset(body, ' ', len);
	open_server(SERVER_LATE_PASS);
	fd = dial();
	begin_post(fd, "/filter", "application/json", len);
	say(fd, body, len);
	assert_int_equal(hear(fd, heard, sizeof(heard)), 413);
	assert_string_equal(body_of(heard), "the body is too large\n");
}

static void e8_a_slow_sender_gets_408_and_holds_up_nobody(void **state)
{
	pthread_t thread;
	int fd, i;

	(void)state;
	open_server(SERVER_LATE_PASS);
	thread = begin_serving(0);
	fd = dial();
	begin_post(fd, "/filter", "application/json", strlen(BODY));
	for (i = 0; i < 6; i++) {
		int64_t start_ms = clock_mono_ms();

		say(fd, &BODY[i], 1);
		assert_int_equal(post("/filter", BODY), 200);
		test_deadline("/filter beside a slow sender", (double)(clock_mono_ms() - start_ms), 300, "ms");
		usleep(SERVER_BODY_MS / 5 * 1000);
	}
	say(fd, &BODY[i], strlen(BODY) - (size_t)i);
	assert_int_equal(hear(fd, heard, sizeof(heard)), 408);
	end_serving(thread);
}

/* From another address: what is above its share is closed, and others are answered. */
static int dial_idle(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)server_port(server)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&from, sizeof(from)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

static bool is_closed(int fd)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

	return poll(&poll_fd, 1, 0) == 1;
}

#define IDLE 10000
static int idle_fds[IDLE];

static bool has_settled(void *count)
{
	int i, open_count = 0;

	for (i = 0; i < IDLE; i++)
		open_count += !is_closed(idle_fds[i]);
	*(int *)count = open_count;
	return open_count <= SERVER_CONNECTIONS_PER_ADDRESS;
}

static void e8_ten_thousand_idle_connections_of_another_address(void **state)
{
	int64_t start_ms = clock_mono_ms();
	int i, left = 0;
	pthread_t thread;

	(void)state;
	open_server(SERVER_LATE_PASS);
	thread = begin_serving(0);
	for (i = 0; i < IDLE; i++) {
		idle_fds[i] = dial_idle();
		if (i % 1000 == 0) {
			int64_t asked_ms = clock_mono_ms();

			assert_int_equal(post("/filter", BODY), 200);
			test_deadline("/filter among idle connections", (double)(clock_mono_ms() - asked_ms), SERVER_DEADLINE_MS, "ms");
		}
	}
	assert_true(test_wait(has_settled, &left, 8000));
	if (clock_mono_ms() - start_ms < 9000)		/* later some were closed for being idle */
		assert_int_equal(left, SERVER_CONNECTIONS_PER_ADDRESS);
	assert_int_equal(post("/prioritize", BODY), 200);
	for (i = 0; i < IDLE; i++)
		close(idle_fds[i]);
	end_serving(thread);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(e14_without_a_decision_the_answer_is_in_time, close_server),
		cmocka_unit_test_teardown(e14_or_it_is_an_error_by_option, close_server),
		cmocka_unit_test_teardown(who_asks_decides_while_the_scheduling_thread_sleeps, close_server),
		cmocka_unit_test_teardown(one_at_a_time_has_the_turn, close_server),
		cmocka_unit_test_teardown(an_answer_that_comes_too_late_is_dropped, close_server),
		cmocka_unit_test_teardown(e17_each_gets_its_own_answer, close_server),
		cmocka_unit_test_teardown(e17_each_gets_one_answer_whatever_the_scheduling_thread_does, close_server),
		cmocka_unit_test_teardown(e8_ten_thousand_idle_connections_of_another_address, close_server),
		cmocka_unit_test_teardown(e1_what_is_no_request_is_refused, close_server),
		cmocka_unit_test_teardown(e16_what_is_no_binding_is_refused, close_server),
		cmocka_unit_test_teardown(e16_a_binding_is_answered_in_time_and_says_that_it_is_unknown, close_server),
		cmocka_unit_test_teardown(e2_a_body_over_the_limit_is_413, close_server),
		cmocka_unit_test_teardown(e8_a_slow_sender_gets_408_and_holds_up_nobody, close_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
