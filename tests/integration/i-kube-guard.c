/* Requests that are asked once more before they go out (may_send of lib/kube/client.h), against a server that misbehaves as told. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/kube/client.h"
#include "lib/mem.h"
#include "tests/testing/scripted.h"
#include "tests/testing/testing.h"

#define WAIT_MS 20000

struct guard {
	int asked, yes;			/* says yes so often */
};

static bool may_send(void *arg)
{
	struct guard *g = arg;

	return g->asked++ < g->yes;
}

struct answer {
	int done;
	struct kube_response response;
	struct buf body;
};

static void on_done(void *arg, const struct kube_response *response)
{
	struct answer *a = arg;

	a->done++;
	a->response = *response;
	buf_add(&a->body, response->body, response->len);
	a->response.body = a->body.data;
}

static void run_until_done(struct kube *k, const struct answer *a)
{
	int64_t end = clock_mono_ms() + WAIT_MS;

	while (!a->done && clock_mono_ms() < end)
		kube_run(k, 100, NULL, 0);
	assert_int_equal(a->done, 1);
}

static void write_to(struct kube *k, const char *method, const char *path, const char *body, struct guard *g, struct answer *a)
{
	buf_free(&a->body);
	*a = (struct answer){0};
	kube_send(k, &(struct kube_request){.method = method, .path = path, .body = body, .timeout_ms = WAIT_MS,
					    .may_send = g ? may_send : NULL, .may_send_arg = g}, on_done, a);
	run_until_done(k, a);
}

static struct kube *client_of(const struct scripted *s, const char *token_file)
{
	struct lm_err err;
	auto_free char *url = xstrdup(scripted_url(s)), *file = xstrdup(token_file);
	struct kube *k = kube_new(&(struct kube_config){.server = url, .token_file = file}, "test", &err);

	if (!k)
		fail_msg("%s", err.msg);
	return k;
}

static char *long_body(size_t len)
{
	char *body = xmalloc(len + 1);
	size_t i;

	for (i = 0; i < len; i++)
		body[i] = (char)('a' + i % 26);
	body[len] = '\0';
	return body;
}

static void echo(struct scripted_request *r)
{
	auto_buf struct buf b = {0};

	buf_printf(&b, "%s %s|%s|%s", r->method, r->target, r->body, r->head);
	scripted_reply(r, 200, NULL, b.data);
}

static void a_guarded_request_looks_like_any_other(void **state)
{
	static const char *const methods[] = {"POST", "PUT", "PATCH"};
	struct scripted *s = scripted_start(echo, NULL);
	struct kube *k = client_of(s, NULL);
	struct answer plain = {0}, guarded = {0};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(methods); i++) {
		struct guard g = {.yes = 1};

		write_to(k, methods[i], "/x?a=b", "{\"a\":1}", NULL, &plain);
		write_to(k, methods[i], "/x?a=b", "{\"a\":1}", &g, &guarded);
		assert_int_equal(guarded.response.status, 200);
		assert_true(guarded.response.sent);
		assert_string_equal(guarded.body.data, plain.body.data);
		assert_non_null(strstr(guarded.body.data, "\r\nContent-Length: 7\r\n"));
		assert_null(strstr(guarded.body.data, "Expect"));
		assert_null(strstr(guarded.body.data, "chunked"));
		assert_int_equal(g.asked, 1);
	}
	buf_free(&plain.body);
	buf_free(&guarded.body);
	kube_free(k);
	scripted_stop(s);
}

static void a_long_body_arrives_whole(void **state)
{
	struct scripted *s = scripted_start(echo, NULL);
	struct kube *k = client_of(s, NULL);
	auto_free char *body = long_body(65000);
	struct guard g = {.yes = 1000};
	struct answer a = {0};

	(void)state;
	write_to(k, "POST", "/x", body, &g, &a);
	assert_int_equal(a.response.status, 200);
	assert_ptr_equal(strstr(a.body.data, body), a.body.data + strlen("POST /x|"));
	assert_true(g.asked >= 1);
	buf_free(&a.body);
	kube_free(k);
	scripted_stop(s);
}

static void assert_withheld(const struct answer *a)
{
	assert_int_equal(a->response.status, 0);
	assert_false(a->response.sent);
	assert_int_equal(a->response.error.code, LM_UNAVAILABLE);
	assert_non_null(strstr(a->response.error.msg, "not sent: its sender may not write any more"));
}

static void a_refused_one_never_arrives(void **state)
{
	struct scripted *s = scripted_start(echo, NULL);
	struct kube *k = client_of(s, NULL);
	struct guard no = {0}, yes = {.yes = 1};
	struct answer a = {0};

	(void)state;
	write_to(k, "POST", "/x", "{}", &no, &a);	/* on a new connection */
	assert_withheld(&a);
	assert_int_equal(no.asked, 1);
	write_to(k, "GET", "/x", NULL, NULL, &a);
	assert_int_equal(a.response.status, 200);
	write_to(k, "PUT", "/x", "{}", &no, &a);	/* on a kept one */
	assert_withheld(&a);
	write_to(k, "POST", "/x", "{}", &yes, &a);
	assert_int_equal(a.response.status, 200);
	assert_int_equal(scripted_requests(s), 2);
	buf_free(&a.body);
	kube_free(k);
	scripted_stop(s);
}

/* The question comes when the bytes go out, not when the request is made. */
static void what_becomes_wrong_in_between_is_withheld(void **state)
{
	struct scripted *s = scripted_start(echo, NULL);
	struct kube *k = client_of(s, NULL);
	struct guard g = {.yes = 1};
	struct answer a = {0};

	(void)state;
	kube_send(k, &(struct kube_request){.method = "POST", .path = "/x", .body = "{}", .timeout_ms = WAIT_MS,
					    .may_send = may_send, .may_send_arg = &g}, on_done, &a);
	assert_int_equal(g.asked, 0);
	g.yes = 0;
	run_until_done(k, &a);
	assert_withheld(&a);
	assert_int_equal(scripted_requests(s), 0);
	buf_free(&a.body);
	kube_free(k);
	scripted_stop(s);
}

static void only_fresh(struct scripted_request *r)
{
	scripted_reply(r, STREQ(r->token, "fresh") ? 200 : 401, NULL, r->body);
}

static void replace_file(const char *path, const char *text)
{
	auto_free char *other = xasprintf("%s.new", path);

	test_write(other, text);
	assert_int_equal(rename(other, path), 0);
}

static void the_second_try_after_a_401_is_asked_too(void **state)
{
	auto_free char *file = xasprintf("%s/token", test_folder());
	int yes;

	(void)state;
	for (yes = 1; yes <= 2; yes++) {
		struct scripted *s = scripted_start(only_fresh, NULL);
		struct guard g = {.yes = yes};
		struct answer a = {0};
		struct kube *k;

		replace_file(file, "old\n");
		k = client_of(s, file);
		replace_file(file, "fresh\n");
		write_to(k, "POST", "/", "{\"a\":1}", &g, &a);
		assert_int_equal(g.asked, 2);
		assert_int_equal(scripted_requests(s), yes);
		if (yes == 1) {
			assert_withheld(&a); /* a 401 says that nothing was done */
		} else {
			assert_int_equal(a.response.status, 200);
			assert_string_equal(a.response.body, "{\"a\":1}");
		}
		buf_free(&a.body);
		kube_free(k);
		scripted_stop(s);
	}
}

/* The first request of a connection is answered, the next one takes the connection down. */
static void one_answer_a_connection(struct scripted_request *r)
{
	_Atomic int *last_connection = r->arg;

	if (atomic_exchange(last_connection, r->connection) != r->connection)
		scripted_reply(r, 200, NULL, "{}");
	else
		r->close = true;
}

static void on_a_connection_that_dies_it_is_not_sent_twice(void **state)
{
	_Atomic int last = -1;
	struct scripted *s = scripted_start(one_answer_a_connection, &last);
	struct kube *k = client_of(s, NULL);
	struct guard g = {.yes = 100};
	struct answer a = {0};

	(void)state;
	write_to(k, "GET", "/", NULL, NULL, &a);
	write_to(k, "POST", "/", "{}", &g, &a);
	assert_int_equal(a.response.status, 0);
	assert_true(a.response.sent);
	assert_int_equal(g.asked, 1);
	assert_int_equal(scripted_requests(s), 2);
	buf_free(&a.body);
	kube_free(k);
	scripted_stop(s);
}

/* Answers, and closes the connection a moment later, as a server does with idle ones. */
static void answer_and_close(struct scripted_request *r)
{
	scripted_reply(r, 200, NULL, r->body);
	usleep(arc4random_uniform(300));
	r->close = true;
}

/* Whatever happens between a kept connection and its end: each request that was not answered says whether it was sent. */
static void connections_that_end_at_any_moment(void **state)
{
	struct scripted *s = scripted_start(answer_and_close, NULL);
	struct kube *k = client_of(s, NULL);
	int i, answered = 0, unsent = 0;

	(void)state;
	for (i = 0; i < 300; i++) {
		struct guard g = {.yes = 100};
		struct answer a = {0};

		write_to(k, "POST", "/", "{\"a\":1}", &g, &a);
		answered += a.response.status == 200;
		unsent += a.response.status == 0 && !a.response.sent;
		if (a.response.status == 200)
			assert_string_equal(a.response.body, "{\"a\":1}");
		buf_free(&a.body);
	}
	printf("# %d of 300 answered, %d not sent, %d arrived\n", answered, unsent, scripted_requests(s));
	assert_true(answered > 0);
	assert_true(scripted_requests(s) <= 300 - unsent);
	kube_free(k);
	scripted_stop(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_guarded_request_looks_like_any_other),
		cmocka_unit_test(a_long_body_arrives_whole),
		cmocka_unit_test(a_refused_one_never_arrives),
		cmocka_unit_test(what_becomes_wrong_in_between_is_withheld),
		cmocka_unit_test(the_second_try_after_a_401_is_asked_too),
		cmocka_unit_test(on_a_connection_that_dies_it_is_not_sent_twice),
		cmocka_unit_test(connections_that_end_at_any_moment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
