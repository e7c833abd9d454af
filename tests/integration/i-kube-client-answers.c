/* The client against a server that misbehaves as told: answers that are wrong, too large, too late, or none. */

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/integration/kube_client.h"

static void header_of_path(struct scripted_request *r)
{
	static const char *const values[] = {NULL, "1", "0", "86400", "99999999999999999999", "soon", "-5", "1.5", "",
		"Fri, 31 Dec 1999 23:59:59 GMT",
					     "Fri, 31 Dec 2032 23:59:59 GMT"};
	int index = atoi(r->target + 1);
	auto_free char *line = values[index] ? xasprintf("Retry-After: %s\r\n", values[index]) : NULL;

	scripted_reply(r, 429, line, "{}");
}

static void s14_retry_after(void **state)
{
	static const int64_t expected_ms[] = {-1, 1000, 0, 60000, 60000, -1, -1, -1, -1, 0, 60000};
	struct scripted *s = scripted_start(header_of_path, NULL);
	struct kube *k = client_of(scripted_url(s), NULL);
	struct answer a = {0};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(expected_ms); i++) {
		auto_free char *path = xasprintf("/%zu", i);

		ask(k, "GET", path, NULL, &a);
		assert_int_equal(a.response.status, 429);
		if (a.response.retry_after_ms != expected_ms[i])
			fail_msg("Retry-After case %zu: %lld", i, (long long)a.response.retry_after_ms);
	}
	assert_int_equal(scripted_requests(s), ARRAY_SIZE(expected_ms));	/* reported, not retried */
	answer_clear(&a);
	kube_free(k);
	scripted_stop(s);
}

static void wrong(struct scripted_request *r)
{
	static const char short_body[] = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc";
	static const char long_body[] = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcdef";
	static const char old[] = "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{\"old\":1}";
	static const char ancient[] = "{\"kind\":\"PodList\"}\n";
	static const char zipped[] = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08!";
	static const char cut[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n12345";
	static const char moved[] = "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n";

#define RAW(text) (scripted_send(r, text, sizeof(text) - 1), r->close = true)
	if (STREQ(r->target, "/short"))
		RAW(short_body);
	else if (STREQ(r->target, "/long"))
		RAW(long_body);
	else if (STREQ(r->target, "/old"))
		RAW(old);
	else if (STREQ(r->target, "/ancient"))
		RAW(ancient);
	else if (STREQ(r->target, "/zipped"))
		RAW(zipped);
	else if (STREQ(r->target, "/cut"))
		RAW(cut);
	else if (STREQ(r->target, "/moved"))
		RAW(moved);
	else if (STREQ(r->target, "/nothing"))
		r->close = true;
	else if (STREQ(r->target, "/reset"))
		scripted_reset(r);
	else if (STREQ(r->target, "/silence"))
		scripted_silence(r);
	else
		scripted_reply(r, 503, NULL, "{}");
#undef RAW
}

static void s51_answers_that_lie(void **state)
{
	static const struct {
		const char *path;
		int status;
		const char *text;	/* the body, or in the error */
	} cases[] = {
		{"/short", 0, "bytes remaining to read"},
		{"/long", 200, "abc"},
		{"/old", 200, "{\"old\":1}"},
		{"/ancient", 0, "HTTP/0.9"},
		{"/zipped", 200, "\x1f\x8b\x08!"},	/* never unpacked: no bomb */
		{"/cut", 0, ""},
		{"/moved", 302, ""},
		{"/nothing", 0, "the connection was closed before an answer came"},
		{"/reset", 0, ""},
		{"/other", 503, "{}"},
	};
	struct scripted *s = scripted_start(wrong, NULL);
	struct kube *k = client_of(scripted_url(s), NULL);
	struct answer a = {0};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		ask(k, "GET", cases[i].path, NULL, &a);
		if (a.response.status != cases[i].status)
			fail_msg("%s: %d %s", cases[i].path, a.response.status, a.response.error.msg);
		assert_true(a.response.sent);
		if (a.response.status)
			assert_string_equal(a.response.body, cases[i].text);
		else if (!strstr(a.response.error.msg, cases[i].text) || !strstr(a.response.error.msg, scripted_url(s)))
			fail_msg("%s: %s", cases[i].path, a.response.error.msg);
	}
	answer_clear(&a);
	kube_free(k);
	scripted_stop(s);
}

static void flood(struct scripted_request *r)
{
	char block[4096];
	int i;

	memset(block, 'x', sizeof(block));
	scripted_begin(r, STREQ(r->target, "/refused") ? 403 : 200);
	for (i = 0; i < 1000; i++)
		if (!scripted_chunk(r, block, sizeof(block)))
			return;
	scripted_end(r);
}

static void s51_large_bodies_are_capped(void **state)
{
	struct scripted *s = scripted_start(flood, NULL);
	struct kube *k = client_of(scripted_url(s), NULL);
	struct answer a = {0};

	(void)state;
	kube_send(k, &(struct kube_request){.method = "GET", .path = "/", .timeout_ms = WAIT_MS, .max_bytes = 100000},
		on_done, &a);
	run_until(k, &a.done);
	assert_int_equal(a.response.status, 0);
	assert_non_null(strstr(a.response.error.msg, "the answer is larger than 100000 bytes"));
	answer_clear(&a);
	kube_send(k, &(struct kube_request){.method = "GET", .path = "/", .timeout_ms = WAIT_MS, .max_bytes = 4096000},
		on_done, &a);
	run_until(k, &a.done);
	assert_int_equal(a.response.status, 200);
	assert_int_equal(a.body.len, 4096000);
	answer_clear(&a);
	/* a stream has no cap, its refusal has: the beginning is enough */
	kube_stream(k, &(struct kube_request){.method = "GET", .path = "/", .idle_ms = WAIT_MS}, on_chunk, on_done, &a);
	run_until(k, &a.done);
	assert_int_equal(a.response.status, 200);
	assert_int_equal(a.stream.len, 4096000);
	assert_int_equal(a.response.len, 0);
	answer_clear(&a);
	kube_stream(k, &(struct kube_request){.method = "GET", .path = "/refused", .idle_ms = WAIT_MS}, on_chunk, on_done, &a);
	run_until(k, &a.done);
	assert_int_equal(a.response.status, 403);
	assert_int_equal(a.stream.len, 0);
	assert_int_equal(a.response.len, 65536);
	answer_clear(&a);
	kube_free(k);
	scripted_stop(s);
}

static void timeouts(void **state)
{
	struct scripted *s = scripted_start(wrong, NULL);
	struct kube *k = client_of(scripted_url(s), NULL);
	struct answer a = {0};

	(void)state;
	kube_send(k, &(struct kube_request){.method = "POST", .path = "/silence", .timeout_ms = 100}, on_done, &a);
	run_until(k, &a.done);
	assert_int_equal(a.response.status, 0);
	assert_true(a.response.sent);	/* who knows what became of it */
	assert_non_null(strstr(a.response.error.msg, "timed out"));
	answer_clear(&a);
	kube_send(k, &(struct kube_request){.method = "GET", .path = "/silence", .idle_ms = 100}, on_done, &a);
	run_until(k, &a.done);
	assert_int_equal(a.response.status, 0);
	assert_non_null(strstr(a.response.error.msg, "nothing came for 0.1 s"));
	answer_clear(&a);
	kube_free(k);
	scripted_stop(s);
}

/* The first request of a connection is answered, the next one takes the connection down. */
static void one_answer_a_connection(struct scripted_request *r)
{
	_Atomic int *last_connection = r->arg;
	bool first = atomic_exchange(last_connection, r->connection) != r->connection;

	if (first)
		scripted_reply(r, 200, NULL, "{}");
	else
		r->close = true;
}

static void a_write_is_never_sent_twice(void **state)
{
	_Atomic int last = -1;
	struct scripted *s = scripted_start(one_answer_a_connection, &last);
	struct kube *k = client_of(scripted_url(s), NULL);
	struct answer a = {0};

	(void)state;
	ask(k, "GET", "/", NULL, &a);
	ask(k, "GET", "/", NULL, &a);	/* harmless: sent again on a new connection */
	assert_int_equal(a.response.status, 200);
	assert_int_equal(scripted_requests(s), 3);
	ask(k, "POST", "/", "{}", &a);
	assert_int_equal(a.response.status, 0);
	assert_true(a.response.sent);
	assert_int_equal(scripted_requests(s), 4);
	assert_non_null(strstr(a.response.error.msg, "the connection was closed before an answer came"));
	answer_clear(&a);
	kube_free(k);
	scripted_stop(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(s14_retry_after),
		cmocka_unit_test(s51_answers_that_lie),
		cmocka_unit_test(s51_large_bodies_are_capped),
		cmocka_unit_test(timeouts),
		cmocka_unit_test(a_write_is_never_sent_twice),
	};

	return cmocka_run_group_tests_name("kube-client-answers", tests, NULL, NULL);
}
