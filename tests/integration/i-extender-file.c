/* latency-sched --mode extender without an API server: the latency file alone. And bodies that are far too large, whose reason the client sees. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "tests/testing/asker.h"

static const char *const options[] = {"--mode", "extender", "--extender-listen", "127.0.0.1:0", NULL};

#define NEAR_A "\"annotations\":{\"latency-mesh.io/near\":\"node/a\"}"
#define WITHIN_A "\"labels\":{\"delay_a\":\"5\"}"
#define ABC "\"Nodes\":null,\"NodeNames\":[\"a\",\"b\",\"c\"]"
#define PASSED_ABC "{\"Nodes\":null,\"NodeNames\":[\"a\",\"b\",\"c\"],\"FailedNodes\":{},\"FailedAndUnresolvableNodes\":{},\"Error\":\"\"}\n"

/* A matrix with a client, milan, near c, and b as the node where traffic enters. */
static void publish_with_client(struct asker *a)
{
	auto_free char *plain = sched_matrix_text(&a->s, "e1", 1, "0 5 9  5 0 9  9 9 0");
	auto_free char *text = NULL;

	*strrchr(plain, '}') = '\0';
	text = xasprintf("%s,\"clients\":[\"milan\"],\"client_rtt_us\":[[9000],[8000],[1000]],\"entry\":{\"b\":5},\"entry_age_s\":1}\n", plain);
	sched_publish(&a->s, text);
}

static void begin_without_api(struct asker *a, bool matrix)
{
	unsetenv("KUBECONFIG");
	unsetenv("KUBERNETES_SERVICE_HOST");
	*a = (struct asker){0};
	sched_begin(&a->s, NULL);	/* which nobody asks */
	a->s.no_api = true;
	sched_nodes(&a->s, "a b c");
	if (matrix)
		publish_with_client(a);
	sched_start(&a->s, options);
	asker_find(a);
}

#define WITHIN(targets) "\"annotations\":{\"latency-mesh.io/within\":\"" targets "\"}"
#define WITHIN_OR_ALLOWED(targets) "\"annotations\":{\"latency-mesh.io/within\":\"" targets "\",\"latency-mesh.io/missing\":\"allow\"}"

/* What the file tells holds; what needs objects is unknown, and follows `missing`: a pod is not the first of its kind either, for nobody knows. */
static void without_an_api_the_matrix_alone_judges(void **state)
{
	static const struct {
		const char *metadata, *nodes, *passed;
	} cases[] = {
		{"", ABC, "\"NodeNames\":[\"a\",\"b\",\"c\"]"},
		{"", "\"NodeNames\":[\"a\",\"new\"]", "\"NodeNames\":[\"a\",\"new\"]"},
		{WITHIN_A, ABC, "\"NodeNames\":[\"a\",\"b\"]"},
		{WITHIN_A, "\"NodeNames\":[\"b\",\"new\"]", "\"NodeNames\":[\"b\"]"},
		{WITHIN("client/milan<=2ms"), ABC, "\"NodeNames\":[\"c\"]"},
		{"\"labels\":{\"delay_milan\":\"8\"}", ABC, "\"NodeNames\":[\"b\",\"c\"]"},
		{WITHIN("entry<=5ms"), ABC, "\"NodeNames\":[\"a\",\"b\"]"},
		{WITHIN("mesh<=7ms"), ABC, "\"NodeNames\":[\"a\",\"b\"]"},
		{WITHIN("app=redis<=5ms"), ABC, "\"NodeNames\":[]"},
		{WITHIN_OR_ALLOWED("app=redis<=5ms,node/a<=5ms"), ABC, "\"NodeNames\":[\"a\",\"b\"]"},
		{"\"labels\":{\"app\":\"redis\",\"delay_redis\":\"5\"}", ABC, "\"NodeNames\":[]"},
		{"\"labels\":{\"app\":\"redis\"}," WITHIN("app=redis<=5ms"), ABC, "\"NodeNames\":[]"},
	};
	struct asker a;
	char *ready;
	size_t i;
	int status;

	(void)state;
	begin_without_api(&a, true);
	for (i = 0; i < ARRAY_SIZE(cases); i++)
		if (!strstr(asker_ask(&a, "/filter", cases[i].metadata, cases[i].nodes), cases[i].passed))
			fail_msg("%s, %s: %s", cases[i].metadata, cases[i].nodes, a.text);
	assert_string_equal(asker_ask(&a, "/prioritize", NEAR_A, "\"NodeNames\":[\"c\",\"b\"]"), "[{\"Host\":\"c\",\"Score\":6},{\"Host\":\"b\",\"Score\":10}]\n");
	asker_send(&a, "GET", "/scores?from=node%2Fc", NULL);
	assert_int_equal(a.status, 200);
	ready = sched_fetch(&a.s, "/readyz?verbose", &status);
	assert_int_equal(status, 200);
	assert_non_null(strstr(ready, "[+]informer-sync ok: no API server, the latency file alone\n"));
	free(ready);
	assert_int_equal(sched_log_count(&a.s, "\"no API server: ", 1), 1);
	sched_matrix(&a.s, 2, "0 9 3  9 0 4  3 4 0");
	while (!strstr(asker_ask(&a, "/filter", WITHIN_A, ABC), "\"NodeNames\":[\"a\",\"c\"]"))
		usleep(5000);
	asker_end(&a);
}

static void without_an_api_and_a_matrix_limits_follow_missing(void **state)
{
	struct asker a;

	(void)state;
	begin_without_api(&a, false);
	assert_string_equal(asker_ask(&a, "/filter", NEAR_A, ABC), PASSED_ABC);
	assert_non_null(strstr(asker_ask(&a, "/filter", WITHIN("client/milan<=5ms"), ABC), "\"NodeNames\":[]"));
	assert_string_equal(asker_ask(&a, "/filter", WITHIN_OR_ALLOWED("client/milan<=5ms"), ABC), PASSED_ABC);
	asker_end(&a);
}

/* A pod cannot be bound without one; nor does the other mode run. */
static void what_needs_an_api_says_so(void **state)
{
	int i;

	(void)state;
	unsetenv("KUBECONFIG");
	unsetenv("KUBERNETES_SERVICE_HOST");
	for (i = 0; i < 2; i++) {
		auto_free char *output = NULL;

		assert_int_equal(test_run((const char *const[]){test_program("latency-sched"), "--latency-file=x", i ? "--mode=extender" : "--mode=standalone",
								i ? "--extender-bind" : NULL, NULL}, 20, &output), LM_USAGE);
		assert_non_null(strstr(output, "no API server: give"));
	}
}

static void a_body_that_is_far_too_large_has_its_reason(void **state)
{
	static const size_t lens[] = {((size_t)16 << 20) + 1000, (size_t)20 << 20, (size_t)40 << 20};
	struct asker a;
	size_t i;

	(void)state;
	begin_without_api(&a, true);
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		auto_free char *body = xmalloc(lens[i] + 1);

		memset(body, ' ', lens[i]);
		body[lens[i]] = '\0';
		asker_send(&a, "POST", "/filter", body);
		assert_int_equal(a.status, 413);
		assert_string_equal(a.text, "the body is too large\n");
	}
	assert_int_equal((int)sched_metric(&a.s, "latency_sched_extender_requests_total{verb=\"filter\",result=\"bad\"}"), (int)ARRAY_SIZE(lens));
	assert_int_equal(sched_log_count(&a.s, "\"a request was refused\"", 1), 1);
	assert_string_equal(sched_log_field(&a.s, "\"a request was refused\"", "status"), "413");
	assert_string_equal(asker_ask(&a, "/filter", "", ABC), PASSED_ABC);
	asker_end(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_an_api_the_matrix_alone_judges),
		cmocka_unit_test(without_an_api_and_a_matrix_limits_follow_missing),
		cmocka_unit_test(what_needs_an_api_says_so),
		cmocka_unit_test(a_body_that_is_far_too_large_has_its_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
