/* The client against a server that misbehaves as told (tests/testing/scripted.h). */
#include "lib/kube/token.c"
#include "lib/kube/transfer.c"

#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/kube/client.h"
#include "tests/testing/scripted.h"
#include "tests/testing/testing.h"

#define WAIT_MS 20000

/* --- one answer, kept ------------------------------------------------------------------------------------------------- */

struct answer {
	int done;
	struct kube_response response;	/* body is a copy */
	struct buf body, stream;
	int chunks, stop_after;		/* 0: never */
};

static void on_done(void *arg, const struct kube_response *response)
{
	struct answer *a = arg;

	a->done++;
	a->response = *response;
	assert_int_equal(strlen(response->body), response->len);
	buf_add(&a->body, response->body, response->len);
	a->response.body = a->body.data;
}

static bool on_chunk(void *arg, const char *bytes, size_t len)
{
	struct answer *a = arg;

	assert_int_equal(a->done, 0);
	buf_add(&a->stream, bytes, len);
	return ++a->chunks != a->stop_after;
}

static void answer_clear(struct answer *a)
{
	buf_free(&a->body);
	buf_free(&a->stream);
	*a = (struct answer){0};
}

static void run_until(struct kube *k, const int *flag)
{
	int64_t end = clock_mono_ms() + WAIT_MS;

	while (!*flag && clock_mono_ms() < end)
		kube_run(k, 100, NULL, 0);
	assert_true(*flag);
}

static void ask(struct kube *k, const char *method, const char *path, const char *body, struct answer *a)
{
	answer_clear(a);
	kube_send(k, &(struct kube_request){.method = method, .path = path, .body = body, .timeout_ms = WAIT_MS}, on_done, a);
	run_until(k, &a->done);
	assert_int_equal(a->done, 1);
}

static struct kube *client_of(const char *server, const char *token_file)
{
	struct lm_err err;
	auto_free char *url = xstrdup(server), *file = xstrdup(token_file);
	struct kube *k = kube_new(&(struct kube_config){.server = url, .token_file = file}, "test", &err);

	if (!k)
		fail_msg("%s", err.msg);
	return k;
}

/* A port where nobody listens: bound, so that nobody else gets it, and not listening. */
static int closed_port(int *fd)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);

	*fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(*fd, (struct sockaddr *)&address, len), 0);
	assert_int_equal(getsockname(*fd, (struct sockaddr *)&address, &len), 0);
	return ntohs(address.sin_port);
}

/* --- requests --------------------------------------------------------------------------------------------------------- */

static void echo(struct scripted_request *r)
{
	auto_buf struct buf b = {0};

	buf_printf(&b, "%s %s|%s|%s", r->method, r->target, r->body, r->head);
	scripted_reply(r, 200, NULL, b.data);
}

static void requests_arrive_as_meant(void **state)
{
	struct scripted *s = scripted_start(echo, NULL);
	auto_free char *url = xasprintf("%s/prefix", scripted_url(s));
	struct lm_err err;
	auto_free char *token = xstrdup("abc");
	struct kube *k = kube_new(&(struct kube_config){.server = url, .token = token}, "latency-sched", &err);
	struct answer a = {0};

	(void)state;
	ask(k, "GET", "/api/v1/pods?limit=1&x=%2F..%2F", NULL, &a);
	assert_int_equal(a.response.status, 200);
	assert_true(a.response.sent);
	assert_int_equal(a.response.retry_after_ms, -1);
	assert_ptr_equal(strstr(a.body.data, "GET /prefix/api/v1/pods?limit=1&x=%2F..%2F||"), a.body.data);
	assert_non_null(strstr(a.body.data, "\r\nAuthorization: Bearer abc\r\n"));
	assert_non_null(strstr(a.body.data, "\r\nAccept: application/json\r\n"));
	assert_non_null(strstr(a.body.data, "\r\nUser-Agent: latency-sched/"));
	assert_null(strstr(a.body.data, "Accept-Encoding"));
	assert_null(strstr(a.body.data, "Content-Type"));
	ask(k, "POST", "/b", "{\"a\":1}", &a);
	assert_ptr_equal(strstr(a.body.data, "POST /prefix/b|{\"a\":1}|"), a.body.data);
	assert_non_null(strstr(a.body.data, "\r\nContent-Type: application/json\r\n"));
	assert_null(strstr(a.body.data, "Expect"));
	ask(k, "DELETE", "/c", NULL, &a);
	assert_ptr_equal(strstr(a.body.data, "DELETE /prefix/c||"), a.body.data);
	answer_clear(&a);
	kube_send(k, &(struct kube_request){.method = "PATCH", .path = "/d", .body = "{}", .timeout_ms = WAIT_MS,
					    .content_type = "application/strategic-merge-patch+json"}, on_done, &a);
	run_until(k, &a.done);
	assert_ptr_equal(strstr(a.body.data, "PATCH /prefix/d|{}|"), a.body.data);
	assert_non_null(strstr(a.body.data, "\r\nContent-Type: application/strategic-merge-patch+json\r\n"));
	answer_clear(&a);
	kube_free(k);
	scripted_stop(s);
}

static void connections_are_kept_and_many_run_at_once(void **state)
{
	enum { COUNT = 40 };
	struct scripted *s = scripted_start(echo, NULL);
	struct kube *k = client_of(scripted_url(s), NULL);
	struct answer a = {0}, many[COUNT] = {0};
	int i;

	(void)state;
	for (i = 0; i < 50; i++)
		ask(k, "GET", "/", NULL, &a);
	answer_clear(&a);
	for (i = 0; i < COUNT; i++)
		kube_send(k, &(struct kube_request){.method = "POST", .path = "/x", .body = "{}", .timeout_ms = WAIT_MS},
			on_done, &many[i]);
	assert_int_equal(kube_in_flight(k), COUNT);
	for (i = 0; i < COUNT; i++)
		run_until(k, &many[i].done);
	assert_int_equal(kube_in_flight(k), 0);
	for (i = 0; i < COUNT; i++) {
		assert_int_equal(many[i].response.status, 200);
		answer_clear(&many[i]);
	}
	kube_free(k);
	scripted_stop(s);
}

static void connection_number(struct scripted_request *r)
{
	auto_free char *text = xasprintf("%d", r->connection);

	scripted_reply(r, 200, NULL, text);
}

static void one_after_the_other_use_one_connection(void **state)
{
	struct scripted *s = scripted_start(connection_number, NULL);
	struct kube *k = client_of(scripted_url(s), NULL);
	struct answer a = {0};
	int i;

	(void)state;
	for (i = 0; i < 20; i++) {
		ask(k, i % 2 ? "POST" : "GET", "/", NULL, &a);
		assert_string_equal(a.response.body, "0");
	}
	answer_clear(&a);
	kube_free(k);
	scripted_stop(s);
}

static void connection_number_later(struct scripted_request *r)
{
	usleep(2000);
	connection_number(r);
}

struct crowded {
	struct kube *k;
	int sent, done, connections;
};

static void on_crowded(void *arg, const struct kube_response *response)
{
	struct crowded *c = arg;
	int number = atoi(response->body);

	assert_int_equal(response->status, 200);
	c->connections = number >= c->connections ? number + 1 : c->connections;
	c->done++;
	if (c->sent++ < 1000)
		kube_send(c->k, &(struct kube_request){.method = "GET", .path = "/", .timeout_ms = WAIT_MS}, on_crowded, c);
}

static void a_hundred_at_once_keep_their_hundred_connections(void **state)
{
	struct scripted *s = scripted_start(connection_number_later, NULL);
	struct crowded c = {.k = client_of(scripted_url(s), NULL), .sent = 100};
	int i;

	(void)state;
	for (i = 0; i < 100; i++)
		kube_send(c.k, &(struct kube_request){.method = "GET", .path = "/", .timeout_ms = WAIT_MS}, on_crowded, &c);
	while (kube_in_flight(c.k))
		kube_run(c.k, 1000, NULL, 0);
	assert_int_equal(c.done, 1000);
	assert_in_range(c.connections, 1, 100);
	kube_free(c.k);
	scripted_stop(s);
}

static void silence_or_not(struct scripted_request *r)
{
	if (STREQ(r->target, "/silent"))
		scripted_silence(r);
	else
		scripted_reply(r, 200, NULL, "{}");
}

/* As many as the most bindings and the events of each: what keeps the lease must not wait behind them. */
static void many_without_an_answer_hold_up_no_other(void **state)
{
	enum { SILENT = 600 };
	struct scripted *s = scripted_start(silence_or_not, NULL);
	struct kube *k = client_of(scripted_url(s), NULL);
	struct answer silent[SILENT] = {0}, a = {0};
	int i;

	(void)state;
	for (i = 0; i < SILENT; i++)
		kube_send(k, &(struct kube_request){.method = "POST", .path = "/silent", .body = "{}", .timeout_ms = WAIT_MS},
			  on_done, &silent[i]);
	while (scripted_requests(s) < 200)
		kube_run(k, 10, NULL, 0);
	ask(k, "GET", "/quick", NULL, &a);
	assert_int_equal(a.response.status, 200);
	assert_int_equal(kube_in_flight(k), SILENT);
	answer_clear(&a);
	kube_free(k);
	scripted_stop(s);
}

static void callbacks_come_from_run_alone(void **state)
{
	int fd, port = closed_port(&fd);
	auto_free char *url = xasprintf("http://127.0.0.1:%d", port);
	auto_free char *expected = xasprintf("%s: connect: Connection refused", url);
	struct kube *k = client_of(url, NULL);
	struct answer a = {0};

	(void)state;
	kube_send(k, &(struct kube_request){.method = "POST", .path = "/", .body = "{}", .timeout_ms = WAIT_MS}, on_done, &a);
	usleep(20000);
	assert_int_equal(a.done, 0);
	run_until(k, &a.done);
	assert_int_equal(a.response.status, 0);
	assert_false(a.response.sent);
	assert_int_equal(a.response.error.code, LM_UNAVAILABLE);
	assert_string_equal(a.response.error.msg, expected);
	answer_clear(&a);
	kube_free(k);
	close(fd);
}

static void calls_that_wait(void **state)
{
	struct scripted *s = scripted_start(echo, NULL);
	struct kube *k = client_of(scripted_url(s), NULL);
	auto_free char *body = NULL;
	struct lm_err err;
	int status = 0;

	(void)state;
	assert_int_equal(kube_call_wait(k, &(struct kube_request){.method = "GET", .path = "/x"}, &status, &body, &err), 0);
	assert_int_equal(status, 200);
	assert_ptr_equal(strstr(body, "GET /x|"), body);
	scripted_stop(s);
	assert_int_equal(kube_call_wait(k, &(struct kube_request){.method = "GET", .path = "/x"}, &status, &body, &err), -1);
	assert_int_equal(err.code, LM_UNAVAILABLE);
	kube_free(k);
}

/* --- tokens ----------------------------------------------------------------------------------------------------------- */

static void only_fresh(struct scripted_request *r)
{
	scripted_reply(r, STREQ(r->token, "fresh") ? 200 : 401, NULL, r->token);
}

static void replace_file(const char *path, const char *text)
{
	auto_free char *other = xasprintf("%s.new", path);

	test_write(other, text);
	assert_int_equal(rename(other, path), 0);
}

static void s10_a_401_reads_the_token_again_and_tries_once_more(void **state)
{
	struct scripted *s = scripted_start(only_fresh, NULL);
	auto_free char *file = xasprintf("%s/token", test_folder());
	struct answer a = {0};
	struct kube *k;

	(void)state;
	test_write(file, "old\n");
	k = client_of(scripted_url(s), file);
	replace_file(file, "fresh\n");
	ask(k, "POST", "/", "{}", &a);
	assert_int_equal(a.response.status, 200);
	assert_string_equal(a.response.body, "fresh");
	assert_int_equal(scripted_requests(s), 2);
	/* always 401: told after two tries */
	replace_file(file, "wrong\n");
	kube_free(k);
	k = client_of(scripted_url(s), file);
	ask(k, "GET", "/", NULL, &a);
	assert_int_equal(a.response.status, 401);
	assert_int_equal(scripted_requests(s), 4);
	answer_clear(&a);
	kube_free(k);
	/* without a file there is nothing to read */
	k = client_of(scripted_url(s), NULL);
	ask(k, "GET", "/", NULL, &a);
	assert_int_equal(a.response.status, 401);
	assert_int_equal(scripted_requests(s), 5);
	answer_clear(&a);
	kube_free(k);
	scripted_stop(s);
}

static void echo_token(struct scripted_request *r)
{
	scripted_reply(r, 200, NULL, r->token);
}

static void s11_s12_a_rotated_token_is_used_and_a_lost_one_keeps_the_old(void **state)
{
	struct scripted *s = scripted_start(echo_token, NULL);
	auto_free char *file = xasprintf("%s/token", test_folder());
	struct answer a = {0};
	struct kube *k;
	int64_t usual = reread_ms;

	(void)state;
	test_write(file, " one \n");
	k = client_of(scripted_url(s), file);
	replace_file(file, "two\n");
	ask(k, "GET", "/", NULL, &a);
	assert_string_equal(a.response.body, "one");	/* not yet read again */
	reread_ms = 0;
	ask(k, "GET", "/", NULL, &a);
	assert_string_equal(a.response.body, "two");
	replace_file(file, "");
	ask(k, "GET", "/", NULL, &a);
	assert_string_equal(a.response.body, "two");
	replace_file(file, "a b\n");
	ask(k, "GET", "/", NULL, &a);
	assert_string_equal(a.response.body, "two");
	unlink(file);
	ask(k, "GET", "/", NULL, &a);
	assert_string_equal(a.response.body, "two");
	replace_file(file, "three");
	ask(k, "GET", "/", NULL, &a);
	assert_string_equal(a.response.body, "three");
	reread_ms = usual;
	answer_clear(&a);
	kube_free(k);
	scripted_stop(s);
}

static void a_token_file_without_a_token_is_an_error_at_the_start(void **state)
{
	auto_free char *file = xasprintf("%s/token", test_folder()), *url = xstrdup("http://h"), *fixed = xstrdup("x");
	struct kube_config c = {.server = url, .token_file = file};
	struct lm_err err;
	struct kube *k;

	(void)state;
	assert_null(kube_new(&c, "test", &err));
	assert_int_equal(err.code, LM_NOINPUT);
	assert_non_null(strstr(err.msg, file));
	test_write(file, "\n");
	assert_null(kube_new(&c, "test", &err));
	assert_int_equal(err.code, LM_CONFIG);
	c.token = fixed;
	k = kube_new(&c, "test", &err);
	assert_non_null(k);
	kube_free(k);
}

/* --- answers that are wrong ------------------------------------------------------------------------------------------- */

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

/* --- streams ---------------------------------------------------------------------------------------------------------- */

static void drip(struct scripted_request *r)
{
	int i;

	scripted_begin(r, 200);
	for (i = 0; i < 12 && scripted_text(r, "%d", i % 10); i++)
		usleep(50000);
	if (STREQ(r->target, "/ends"))
		scripted_end(r);
	else
		scripted_silence(r);
}

static void s18_a_silent_stream_is_noticed_and_a_slow_one_is_left_alone(void **state)
{
	struct scripted *s = scripted_start(drip, NULL);
	struct kube *k = client_of(scripted_url(s), NULL);
	struct answer slow = {0}, silent = {0};

	(void)state;
	kube_stream(k, &(struct kube_request){.method = "GET", .path = "/ends", .idle_ms = 400}, on_chunk, on_done, &slow);
	kube_stream(k, &(struct kube_request){.method = "GET", .path = "/hangs", .idle_ms = 400}, on_chunk, on_done, &silent);
	run_until(k, &slow.done);
	assert_int_equal(slow.response.status, 200);
	assert_string_equal(slow.stream.data, "012345678901");
	run_until(k, &silent.done);
	assert_int_equal(silent.response.status, 0);
	assert_string_equal(silent.stream.data, "012345678901");
	assert_non_null(strstr(silent.response.error.msg, "nothing came for 0.4 s"));
	answer_clear(&slow);
	answer_clear(&silent);
	kube_free(k);
	scripted_stop(s);
}

static void a_stream_ends_when_its_receiver_says_so(void **state)
{
	struct scripted *s = scripted_start(drip, NULL);
	struct kube *k = client_of(scripted_url(s), NULL);
	struct answer a = {.stop_after = 2};

	(void)state;
	kube_stream(k, &(struct kube_request){.method = "GET", .path = "/hangs", .idle_ms = WAIT_MS}, on_chunk, on_done, &a);
	run_until(k, &a.done);
	assert_int_equal(a.chunks, 2);
	assert_int_equal(a.response.status, 0);
	assert_int_equal(kube_in_flight(k), 0);
	answer_clear(&a);
	kube_free(k);
	scripted_stop(s);
}

static void fall_dead(struct scripted_request *r)
{
	struct sock_filter drop_all = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog program = {.len = 1, .filter = &drop_all};

	scripted_begin(r, 200);
	scripted_text(r, "%s", "alive");
	usleep(100000);
	/* from now on the kernel throws away what comes in, as if the machine were gone: nothing is acknowledged */
	if (setsockopt(r->fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0)
		abort();
	scripted_silence(r);
}

static void s18_a_dead_peer_is_noticed_on_an_idle_connection(void **state)
{
	struct scripted *s = scripted_start(fall_dead, NULL);
	struct kube *k = client_of(scripted_url(s), NULL);
	struct answer a = {0};
	int64_t start = clock_mono_ms();

	(void)state;
	assert_in_range(user_timeout_ms, 1, 45000);
	user_timeout_ms = 1500;
	keepalive_idle_s = keepalive_interval_s = 1;
	kube_stream(k, &(struct kube_request){.method = "GET", .path = "/", .idle_ms = WAIT_MS}, on_chunk, on_done, &a);
	run_until(k, &a.done);
	user_timeout_ms = 45000;
	keepalive_idle_s = 15;
	keepalive_interval_s = 10;
	assert_string_equal(a.stream.data, "alive");
	assert_int_equal(a.response.status, 0);
	assert_null(strstr(a.response.error.msg, "nothing came"));	/* it was not our own watchdog */
	test_deadline("dead peer noticed with TCP_USER_TIMEOUT 1.5 s", (double)(clock_mono_ms() - start) / 1000, 3, "s");
	answer_clear(&a);
	kube_free(k);
	scripted_stop(s);
}

/* --- inside callbacks ------------------------------------------------------------------------------------------------- */

struct plot {
	struct kube *k;
	struct kube_call *victim;
	int calls, over;
	enum { CANCEL_SELF, CANCEL_OTHER, SEND_MORE, FREE_CLIENT } deed;
};

static void plot_done(void *arg, const struct kube_response *response)
{
	struct plot *p = arg;

	p->calls++;
	if (p->deed == SEND_MORE && p->calls < 5) {
		kube_send(p->k, &(struct kube_request){.method = "GET", .path = "/", .timeout_ms = WAIT_MS}, plot_done, p);
		return;
	}
	assert_int_equal(response->status, 200);
	if (p->deed == CANCEL_OTHER)
		kube_cancel(p->k, steal(&p->victim));
	else if (p->deed == FREE_CLIENT)
		kube_free(steal(&p->k));
	p->over = 1;
}

static void never_done(void *arg, const struct kube_response *response)
{
	(void)arg;
	fail_msg("a callback after the end: %d", response->status);
}

static bool plot_chunk(void *arg, const char *bytes, size_t len)
{
	struct plot *p = arg;

	(void)bytes;
	(void)len;
	p->calls++;
	if (p->deed == CANCEL_SELF)
		kube_cancel(p->k, steal(&p->victim));
	else
		kube_free(steal(&p->k));
	p->over = 1;
	return true;
}

static void run_plot(struct plot *p)
{
	int64_t end = clock_mono_ms() + WAIT_MS;

	while (!p->over && clock_mono_ms() < end)
		kube_run(p->k, 100, NULL, 0);
	assert_true(p->over);
}

static void echo_or_hang(struct scripted_request *r)
{
	if (STREQ(r->target, "/hangs"))
		scripted_silence(r);
	else
		echo(r);
}

static void callbacks_may_cancel_send_and_free(void **state)
{
	struct scripted *quick = scripted_start(echo_or_hang, NULL), *slow = scripted_start(drip, NULL);
	struct kube_request get = {.method = "GET", .path = "/", .timeout_ms = WAIT_MS},
		stream = {.method = "GET", .path = "/hangs", .idle_ms = WAIT_MS};
	struct plot p;

	(void)state;
	p = (struct plot){.k = client_of(scripted_url(slow), NULL), .deed = CANCEL_SELF};
	p.victim = kube_stream(p.k, &stream, plot_chunk, never_done, &p);
	run_plot(&p);
	assert_int_equal(kube_in_flight(p.k), 0);
	kube_run(p.k, 0, NULL, 0);
	assert_int_equal(p.calls, 1);
	kube_free(p.k);

	p = (struct plot){.k = client_of(scripted_url(slow), NULL), .deed = FREE_CLIENT};
	kube_stream(p.k, &stream, plot_chunk, never_done, &p);
	kube_send(p.k, &stream, never_done, &p);
	run_plot(&p);

	p = (struct plot){.k = client_of(scripted_url(quick), NULL), .deed = FREE_CLIENT};
	kube_send(p.k, &get, plot_done, &p);
	run_plot(&p);

	p = (struct plot){.k = client_of(scripted_url(quick), NULL), .deed = SEND_MORE};
	kube_send(p.k, &get, plot_done, &p);
	run_plot(&p);
	assert_int_equal(p.calls, 5);
	kube_free(p.k);

	p = (struct plot){.k = client_of(scripted_url(quick), NULL), .deed = CANCEL_OTHER};
	p.victim = kube_send(p.k, &(struct kube_request){.method = "GET", .path = "/hangs", .timeout_ms = WAIT_MS},
		never_done, NULL);
	kube_send(p.k, &get, plot_done, &p);
	run_plot(&p);
	assert_int_equal(kube_in_flight(p.k), 0);
	kube_cancel(p.k, kube_send(p.k, &get, never_done, NULL));
	kube_run(p.k, 20, NULL, 0);
	kube_free(p.k);
	scripted_stop(slow);
	scripted_stop(quick);
}

static void moody(struct scripted_request *r)
{
	struct rng rng = rng_make((uint64_t)(uintptr_t)r->arg + (uint64_t)r->number);

	usleep(rng_below(&rng, 2000));
	switch (rng_below(&rng, 6)) {
	case 0:
		r->close = true;
		return;
	case 1:
		scripted_reset(r);
		return;
	case 2:
		scripted_reply(r, 500, NULL, "oh");
		return;
	case 3:
		scripted_begin(r, 200);
		scripted_text(r, "%s", "some");
		r->close = true;
		return;
	default:
		scripted_reply(r, 200, NULL, "{}");
	}
}

enum { CALLS = 300 };

struct crowd {
	struct kube *k;
	struct kube_call *calls[CALLS];
	int done[CALLS];
	bool cancelled[CALLS];
	struct rng rng;
	int finished;
};

struct member {
	struct crowd *crowd;
	int index;
};

static void crowd_cancel_one(struct crowd *c)
{
	uint32_t i = rng_below(&c->rng, CALLS);

	if (!c->calls[i])
		return;
	kube_cancel(c->k, steal(&c->calls[i]));
	c->cancelled[i] = true;
	c->finished++;
}

static void crowd_done(void *arg, const struct kube_response *response)
{
	struct member *m = arg;

	(void)response;
	m->crowd->calls[m->index] = NULL;
	m->crowd->done[m->index]++;
	m->crowd->finished++;
	if (rng_chance(&m->crowd->rng, 0.2))
		crowd_cancel_one(m->crowd);
}

static bool crowd_chunk(void *arg, const char *bytes, size_t len)
{
	struct member *m = arg;

	(void)bytes;
	(void)len;
	if (rng_chance(&m->crowd->rng, 0.2))
		crowd_cancel_one(m->crowd);
	return rng_chance(&m->crowd->rng, 0.9);
}

/* Each call gives one callback, or none when it was cancelled, in whatever mess. */
static void one_callback_for_each_call(void **state)
{
	uint64_t seed = test_seed();
	struct scripted *s = scripted_start(moody, (void *)(uintptr_t)seed);
	struct crowd c = {.k = client_of(scripted_url(s), NULL), .rng = rng_make(seed)};
	struct member members[CALLS];
	int64_t end = clock_mono_ms() + WAIT_MS;
	int i;

	(void)state;
	for (i = 0; i < CALLS; i++) {
		struct kube_request request = {.method = i % 3 ? "POST" : "GET", .path = "/", .timeout_ms = WAIT_MS};

		members[i] = (struct member){&c, i};
		if (i % 2)
			c.calls[i] = kube_send(c.k, &request, crowd_done, &members[i]);
		else
			c.calls[i] = kube_stream(c.k, &request, crowd_chunk, crowd_done, &members[i]);
		while (kube_in_flight(c.k) > 20 && clock_mono_ms() < end)
			kube_run(c.k, 10, NULL, 0);
	}
	while (kube_in_flight(c.k) > 0 && clock_mono_ms() < end)
		kube_run(c.k, 10, NULL, 0);
	assert_int_equal(c.finished, CALLS);
	for (i = 0; i < CALLS; i++)
		assert_int_equal(c.done[i], c.cancelled[i] ? 0 : 1);
	kube_free(c.k);
	scripted_stop(s);
}

/* --- the loop --------------------------------------------------------------------------------------------------------- */

static void other_descriptors_wake_the_loop(void **state)
{
	int fd, port = closed_port(&fd), ends[2];
	auto_free char *url = xasprintf("http://127.0.0.1:%d", port);
	struct kube *k = client_of(url, NULL);
	struct pollfd fds[2];
	int64_t start = clock_mono_ms();
	char byte;

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	fds[0] = (struct pollfd){.fd = ends[0], .events = POLLIN, .revents = POLLERR};
	fds[1] = (struct pollfd){.fd = -1, .events = POLLIN};
	kube_run(k, 10, fds, 2);
	assert_int_equal(fds[0].revents, 0);
	assert_int_equal(write(ends[1], "x", 1), 1);
	kube_run(k, 100000, fds, 2);
	assert_int_equal(fds[0].revents, POLLIN);
	assert_int_equal(read(ends[0], &byte, 1), 1);
	close(ends[1]);
	kube_run(k, 100000, fds, 2);
	assert_int_equal(fds[0].revents, POLLHUP);
	test_deadline("woken by a pipe", (double)(clock_mono_ms() - start) / 1000, 10, "s");
	close(ends[0]);
	kube_free(k);
	close(fd);
}

static void s48_proxies_of_the_environment_are_ignored(void **state)
{
	struct scripted *s = scripted_start(echo, NULL), *proxy = scripted_start(echo, NULL);
	static const char *const names[] = {"http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"};
	struct answer a = {0};
	struct lm_err err;
	struct kube *k;
	auto_free char *url = xstrdup(scripted_url(s)), *proxy_url = xstrdup(scripted_url(proxy));
	struct kube_config c = {.server = url};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(names); i++)
		setenv(names[i], proxy_url, 1);
	k = kube_new(&c, "test", &err);
	ask(k, "GET", "/a", NULL, &a);
	assert_ptr_equal(strstr(a.body.data, "GET /a|"), a.body.data);
	kube_free(k);
	assert_int_equal(scripted_requests(proxy), 0);
	for (i = 0; i < ARRAY_SIZE(names); i++)
		unsetenv(names[i]);
	/* that of the kubeconfig is used, whatever no_proxy says */
	setenv("no_proxy", "*", 1);
	c.proxy_url = proxy_url;
	k = kube_new(&c, "test", &err);
	ask(k, "GET", "/a", NULL, &a);
	assert_ptr_equal(strstr(a.body.data, "GET http://127.0.0.1:"), a.body.data);
	kube_free(k);
	assert_int_equal(scripted_requests(proxy), 1);
	assert_int_equal(scripted_requests(s), 1);
	unsetenv("no_proxy");
	answer_clear(&a);
	scripted_stop(s);
	scripted_stop(proxy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_arrive_as_meant),
		cmocka_unit_test(connections_are_kept_and_many_run_at_once),
		cmocka_unit_test(one_after_the_other_use_one_connection),
		cmocka_unit_test(a_hundred_at_once_keep_their_hundred_connections),
		cmocka_unit_test(many_without_an_answer_hold_up_no_other),
		cmocka_unit_test(callbacks_come_from_run_alone),
		cmocka_unit_test(calls_that_wait),
		cmocka_unit_test(s10_a_401_reads_the_token_again_and_tries_once_more),
		cmocka_unit_test(s11_s12_a_rotated_token_is_used_and_a_lost_one_keeps_the_old),
		cmocka_unit_test(a_token_file_without_a_token_is_an_error_at_the_start),
		cmocka_unit_test(s14_retry_after),
		cmocka_unit_test(s51_answers_that_lie),
		cmocka_unit_test(s51_large_bodies_are_capped),
		cmocka_unit_test(timeouts),
		cmocka_unit_test(a_write_is_never_sent_twice),
		cmocka_unit_test(s18_a_silent_stream_is_noticed_and_a_slow_one_is_left_alone),
		cmocka_unit_test(s18_a_dead_peer_is_noticed_on_an_idle_connection),
		cmocka_unit_test(a_stream_ends_when_its_receiver_says_so),
		cmocka_unit_test(callbacks_may_cancel_send_and_free),
		cmocka_unit_test(one_callback_for_each_call),
		cmocka_unit_test(other_descriptors_wake_the_loop),
		cmocka_unit_test(s48_proxies_of_the_environment_are_ignored),
	};

	return cmocka_run_group_tests_name("kube-client", tests, NULL, NULL);
}
