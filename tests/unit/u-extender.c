/* extender/judge.h: the decision on what a kube-scheduler offers. u-polarity.c has the law: nearer or idler is never worse. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "sched/filter/filter.h"
#include "tests/unit/asked_judge.h"

#define NEAR(list) "\"annotations\":{\"latency-mesh.io/near\":\"" list "\"}"
#define WITHIN(list) "\"annotations\":{\"latency-mesh.io/within\":\"" list "\"}"

static bool alone;

/* a-b 1 ms, a-c 2 ms, b-c 3 ms; d is known to nobody's pings. */
static int begin(void **state)
{
	(void)state;
	world_begin(&w, "a b c d", "milan");
	world_rtts(&w, "a-b 1000, a-c 2000, b-c 3000");
	judge = judge_new();
	return 0;
}

static void ask(enum judge_verb verb, const char *metadata, const char *spec, const char *nodes)
{
	static char text[4096];		/* whole nodes are sent back out of it */

	snprintf(text, sizeof(text), "{\"Pod\":{\"metadata\":{\"name\":\"web\",\"namespace\":\"default\",\"uid\":\"web\"%s%s},\"spec\":{%s}},%s}",
		 *metadata ? "," : "", metadata, spec, nodes);
	ask_text(verb, alone, text);
}

static void print_answer(enum judge_verb verb, struct buf *out)
{
	if (verb == JUDGE_FILTER)
		wire_print_filter(&request, &answer, out);
	else
		wire_print_priorities(&request, &answer, out);
}

#define NAMES(list) "\"NodeNames\":[" list "]"
#define ABCD NAMES("\"a\",\"b\",\"c\",\"d\"")

/* "a b !c ~d": passed, failed, unresolvable. */
static void assert_marks(const char *marks)
{
	static const char *const signs[] = {"", "!", "~"};
	auto_buf struct buf text = {0};
	uint32_t i;

	assert_null(answer.error);
	for (i = 0; i < request.count; i++)
		buf_printf(&text, "%s%s%s", i ? " " : "", signs[answer.nodes[i].verdict], request.nodes[i].name);
	assert_string_equal(text.data, marks);
}

static void filter_refuses_by_limits(void **state)
{
	(void)state;
	ask(JUDGE_FILTER, "\"labels\":{\"delay_a\":\"1\"}", "", ABCD);
	assert_marks("a b ~c ~d");
	assert_string_equal(answer.nodes[2].reason, "node(s) exceeded the latency limit to a (label delay_a)");
	assert_string_equal(answer.nodes[3].reason, "node(s) had no latency data to a (label delay_a)");
	ask(JUDGE_FILTER, "", "", ABCD);
	assert_marks("a b c d");
}

static void only_what_is_offered_is_answered(void **state)
{
	(void)state;
	ask(JUDGE_FILTER, "\"labels\":{\"delay_a\":\"1\"}", "", NAMES("\"c\",\"b\""));
	assert_marks("~c b");
	ask(JUDGE_PRIORITIZE, NEAR("node/a"), "", NAMES("\"c\",\"b\""));
	assert_scores("5 10");		/* the best of those offered, not of all */
	ask(JUDGE_PRIORITIZE, NEAR("node/a"), "", NAMES("\"c\""));
	assert_scores("10");
	ask(JUDGE_PRIORITIZE, "", "", NAMES(""));
	assert_int_equal(answer.count, 0);
	ask(JUDGE_FILTER, "", "", NAMES(""));
	assert_int_equal(answer.count, 0);
}

static void a_kube_schedulers_own_filters_are_not_repeated(void **state)
{
	(void)state;
	world_node(&w, "b", "", "\"unschedulable\":true,\"taints\":[{\"key\":\"x\",\"effect\":\"NoSchedule\"}]");
	ask(JUDGE_FILTER, "", "\"nodeSelector\":{\"disk\":\"ssd\"},\"resourceClaims\":[{\"name\":\"x\"}],\"schedulingGates\":[{\"name\":\"g\"}],"
	    "\"containers\":[{\"name\":\"c\",\"resources\":{\"requests\":{\"cpu\":\"1000\"}}}]", ABCD);
	assert_marks("a b c d");
	ask(JUDGE_FILTER, "", "\"containers\":[{\"name\":\"c\",\"resources\":{\"requests\":{\"cpu\":\"many\"}}}]", ABCD);
	assert_marks("a b c d");
}

static void full_cpu_is_refused_while_there_is_another(void **state)
{
	(void)state;
	world_cpu(&w, "a", 0.95);
	world_cpu(&w, "b", 0.2);
	ask(JUDGE_FILTER, "", "", NAMES("\"a\",\"b\""));
	assert_marks("!a b");
	assert_string_equal(answer.nodes[0].reason, "node(s) had no CPU headroom");
	ask(JUDGE_FILTER, "", "", NAMES("\"a\""));	/* b was not offered: there is no other */
	assert_marks("a");
}

static void unknown_names_fail_and_are_never_added(void **state)
{
	(void)state;
	ask(JUDGE_FILTER, "", "", NAMES("\"x\",\"a\",\"y\""));
	assert_marks("!x a !y");
	assert_string_equal(answer.nodes[0].reason, "node(s) were not known to the latency scheduler yet");
	ask(JUDGE_PRIORITIZE, NEAR("node/a"), "", NAMES("\"x\",\"b\""));
	assert_scores("0 10");
	ask(JUDGE_FILTER, "", "", NAMES("\"x\""));
	assert_marks("!x");
	ask(JUDGE_PRIORITIZE, "", "", NAMES("\"x\",\"y\""));
	assert_scores("5 5");
}

#define OBJECT(name, zone) "{\"metadata\":{\"name\":\"" name "\",\"labels\":{\"topology.kubernetes.io/zone\":\"" zone "\"}}}"

static void a_node_that_the_feed_lacks_is_judged_by_its_row(void **state)
{
	(void)state;
	world_take(&w);
	cache_delete_node(w.cache, "b");
	cache_delete_node(w.cache, "c");
	ask(JUDGE_FILTER, "\"labels\":{\"delay_a\":\"1\"}", "", "\"Nodes\":{\"items\":[" OBJECT("c", "") "," OBJECT("b", "") "," OBJECT("x", "") "]}");
	assert_marks("~c b ~x");
	ask(JUDGE_FILTER, "\"labels\":{\"delay_a\":\"1\"}", "", NAMES("\"c\",\"b\",\"x\",\"a\""));
	assert_marks("~c b !x a");
	ask(JUDGE_PRIORITIZE, NEAR("node/a"), "", NAMES("\"c\",\"b\""));
	assert_scores("5 10");
	ask(JUDGE_PRIORITIZE, NEAR("node/a"), "", NAMES("\"b\",\"c\""));	/* the same number of guests in another order */
	assert_scores("10 5");
	ask(JUDGE_FILTER, WITHIN("zone/eu<=1ms"), "", "\"Nodes\":{\"items\":[" OBJECT("a", "") "," OBJECT("b", "eu") "," OBJECT("c", "") "]}");
	assert_marks("a b ~c");
}

static void a_bad_annotation_fails_all_nodes(void **state)
{
	(void)state;
	ask(JUDGE_FILTER, NEAR("nowhere"), "", ABCD);
	assert_null(answer.error);
	assert_marks("~a ~b ~c ~d");
	ask(JUDGE_PRIORITIZE, NEAR("nowhere"), "", ABCD);
	assert_null(answer.error);
	assert_scores("5 5 5 5");
}

static void a_limit_to_what_is_missing_fails_all_with_its_reason(void **state)
{
	(void)state;
	ask(JUDGE_FILTER, WITHIN("app=redis<=1ms"), "", NAMES("\"a\",\"x\",\"b\""));
	assert_marks("~a !x ~b");
	assert_non_null(strstr(answer.nodes[0].reason, "no pod matches app=redis in namespace default"));
	assert_ptr_equal(answer.nodes[0].reason, answer.nodes[2].reason);
	world_pod(&w, "redis", "c", "\"app\":\"redis\"", "");
	ask(JUDGE_FILTER, WITHIN("app=redis<=2ms"), "", NAMES("\"a\",\"b\",\"c\""));
	assert_marks("a ~b c");
}

static void e5_without_a_matrix_scores_are_neutral_and_limits_follow_missing(void **state)
{
	(void)state;
	w.without_mesh = true;
	ask(JUDGE_PRIORITIZE, NEAR("node/a"), "", ABCD);
	assert_scores("5 5 5 5");
	assert_true(answer.neutral);
	ask(JUDGE_FILTER, "", "", ABCD);
	assert_marks("a b c d");
	assert_true(answer.neutral);
	ask(JUDGE_FILTER, WITHIN("node/a<=1ms"), "", NAMES("\"b\",\"c\""));
	assert_marks("~b ~c");
	ask(JUDGE_FILTER, "\"annotations\":{\"latency-mesh.io/within\":\"node/a<=1ms\",\"latency-mesh.io/missing\":\"allow\"}", "", NAMES("\"b\",\"c\""));
	assert_marks("b c");
}

/* Rows that are too old say nothing either. (Near a node that is offered: that one is near itself, by no matrix.) */
static void e5_with_a_stale_matrix_scores_are_neutral(void **state)
{
	(void)state;
	world_client(&w, "a", "milan", 1000);
	world_client(&w, "b", "milan", 2000);
	ask(JUDGE_PRIORITIZE, NEAR("client/milan"), "", ABCD);
	assert_false(answer.neutral);
	w.mono_ms = 24LL * 3600 * 1000;
	ask(JUDGE_PRIORITIZE, NEAR("client/milan"), "", ABCD);
	assert_scores("5 5 5 5");
	assert_true(answer.neutral);
	ask(JUDGE_FILTER, "", "", ABCD);
	assert_marks("a b c d");
	assert_true(answer.neutral);
	ask(JUDGE_FILTER, WITHIN("node/a<=1ms"), "", NAMES("\"b\",\"c\""));
	assert_marks("~b ~c");
	assert_false(answer.neutral);	/* that is a say */
}

/* A judge that has seen many lists answers as one that has seen none. */
static void e17_nothing_stays_from_the_request_before(void **state)
{
	static const char *const names[] = {"a", "b", "c", "d", "new", "newer"};
	struct rng rng = rng_make(test_seed());
	int round;

	(void)state;
	for (round = 0; round < 3000; round++) {
		auto_buf struct buf list = {0}, often = {0}, fresh = {0};
		uint32_t first = rng_below(&rng, 6), count = rng_below(&rng, 7), skip = rng_below(&rng, 9), i;
		enum judge_verb verb = rng_chance(&rng, 0.5) ? JUDGE_FILTER : JUDGE_PRIORITIZE;
		struct judge *used = judge;

		if (rng_chance(&rng, 0.05))
			world_node(&w, "e", "", "");
		if (rng_chance(&rng, 0.05))
			cache_delete_node(w.cache, "e");
		buf_str(&list, "\"NodeNames\":[");
		for (i = 0; i < count; i++)
			if (i != skip)
				buf_printf(&list, "%s\"%s\"", list.data[list.len - 1] == '[' ? "" : ",", names[(first + i) % 6]);
		buf_str(&list, "]");
		ask(verb, WITHIN("node/a<=1.5ms"), "", list.data);
		print_answer(verb, &often);
		judge = judge_new();
		ask(verb, WITHIN("node/a<=1.5ms"), "", list.data);
		print_answer(verb, &fresh);
		judge_free(judge);
		judge = used;
		assert_string_equal(often.data, fresh.data);
	}
}

static void priorities_do_not_know_limits(void **state)
{
	(void)state;
	ask(JUDGE_PRIORITIZE, "\"labels\":{\"delay_a\":\"1\"}", "", NAMES("\"b\",\"c\",\"d\""));
	assert_scores("10 5 0");
}

/* Only latency and load rank: a kube-scheduler weighs the rest. */
static void other_terms_do_not_rank(void **state)
{
	(void)state;
	world_node_of(&w, "b", "", "", "\"cpu\":\"64\",\"memory\":\"640Gi\",\"pods\":\"110\"");
	w.profile.weight_plain[SCORE_LATENCY] = w.profile.weight_plain[SCORE_CPU] = 0;
	w.profile.weight_plain[SCORE_FREE] = 1;
	ask(JUDGE_PRIORITIZE, "", "", ABCD);
	assert_scores("5 5 5 5");
}

/* d, of which nothing is measured, is of the cloud; for a pod that asks for nothing it is a step above the best edge. */
static void the_cloud_is_a_step_of_its_own(void **state)
{
	(void)state;
	world_node(&w, "d", "\"node-role.kubernetes.io/cloud\":\"\"", "");
	ask(JUDGE_PRIORITIZE, "", "", ABCD);
	assert_scores("2 2 1 6");
	assert_false(answer.neutral);
	ask(JUDGE_PRIORITIZE, "", "", NAMES("\"a\",\"b\",\"c\""));		/* no cloud on offer: as ever */
	assert_scores("10 8 6");
	ask(JUDGE_PRIORITIZE, NEAR("node/a"), "", ABCD);
	assert_scores("10 1 0 0");
	ask(JUDGE_FILTER, "", "", ABCD);
	assert_marks("a b c d");
	alone = true;
	ask(JUDGE_PRIORITIZE, "", "", ABCD);
	assert_scores("2 2 1 10");
	world_node(&w, "c", "\"kubernetes.io/role\":\"cloud\"", "");
	ask(JUDGE_PRIORITIZE, "", "", ABCD);
	assert_scores("2 2 10 6");
	w.without_mesh = true;
	ask(JUDGE_PRIORITIZE, "", "", NAMES("\"a\",\"d\",\"x\""));
	assert_scores("0 10 0");
	alone = false;
	ask(JUDGE_PRIORITIZE, "", "", ABCD);			/* nothing is known, but whose they are */
	assert_scores("0 0 6 6");
	assert_false(answer.neutral);
	ask(JUDGE_PRIORITIZE, NEAR("node/a"), "", ABCD);
	assert_scores("5 5 5 5");
	cloud_free(&w.profile.cloud);
	ask(JUDGE_PRIORITIZE, "", "", ABCD);
	assert_scores("5 5 5 5");
	w.without_mesh = false;
}

#define LABELLED(name, label, value) "{\"metadata\":{\"name\":\"" name "\",\"labels\":{\"x\":\"y\",\"" label "\":\"" value "\"}}}"

static void a_node_that_the_feed_lacks_is_of_the_cloud_by_the_requests_labels(void **state)
{
	(void)state;
	world_take(&w);
	cache_delete_node(w.cache, "b");
	cache_delete_node(w.cache, "c");
	ask(JUDGE_PRIORITIZE, "", "", "\"Nodes\":{\"items\":[" LABELLED("c", "kubernetes.io/role", "cloud") "," LABELLED("b", "kubernetes.io/role", "edge") ","
	    LABELLED("x", "node-role.kubernetes.io/cloud", "") ",{\"metadata\":{\"name\":\"a\"}}]}");
	assert_int_equal(answer.nodes[1].score <= JUDGE_EDGE_MOST && answer.nodes[3].score <= JUDGE_EDGE_MOST, 1);
	assert_int_equal(answer.nodes[0].score >= JUDGE_CLOUD_LEAST && answer.nodes[2].score >= JUDGE_CLOUD_LEAST, 1);
	ask(JUDGE_PRIORITIZE, "", "", NAMES("\"c\",\"b\",\"a\""));	/* which has no labels */
	assert_scores("6 8 10");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(filter_refuses_by_limits, begin, end),
		cmocka_unit_test_setup_teardown(only_what_is_offered_is_answered, begin, end),
		cmocka_unit_test_setup_teardown(a_kube_schedulers_own_filters_are_not_repeated, begin, end),
		cmocka_unit_test_setup_teardown(full_cpu_is_refused_while_there_is_another, begin, end),
		cmocka_unit_test_setup_teardown(unknown_names_fail_and_are_never_added, begin, end),
		cmocka_unit_test_setup_teardown(a_node_that_the_feed_lacks_is_judged_by_its_row, begin, end),
		cmocka_unit_test_setup_teardown(a_bad_annotation_fails_all_nodes, begin, end),
		cmocka_unit_test_setup_teardown(a_limit_to_what_is_missing_fails_all_with_its_reason, begin, end),
		cmocka_unit_test_setup_teardown(e5_without_a_matrix_scores_are_neutral_and_limits_follow_missing, begin, end),
		cmocka_unit_test_setup_teardown(e5_with_a_stale_matrix_scores_are_neutral, begin, end),
		cmocka_unit_test_setup_teardown(e17_nothing_stays_from_the_request_before, begin, end),
		cmocka_unit_test_setup_teardown(priorities_do_not_know_limits, begin, end),
		cmocka_unit_test_setup_teardown(other_terms_do_not_rank, begin, end),
		cmocka_unit_test_setup_teardown(the_cloud_is_a_step_of_its_own, begin, end),
		cmocka_unit_test_setup_teardown(a_node_that_the_feed_lacks_is_of_the_cloud_by_the_requests_labels, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
