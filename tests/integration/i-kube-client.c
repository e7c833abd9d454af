/* The client against a server that misbehaves as told (tests/testing/scripted.h): requests, connections, tokens, the loop. */
#include "lib/kube/token.c"

#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/integration/kube_client.h"

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
		cmocka_unit_test(other_descriptors_wake_the_loop),
		cmocka_unit_test(s48_proxies_of_the_environment_are_ignored),
	};

	return cmocka_run_group_tests_name("kube-client", tests, NULL, NULL);
}
