/*
 * Each threshold on both sides, in the decision and through the extender: CPU 0.70, 0.85 and their hysteresis, maxLatency 50 ms and 250 ms (those of two
 * earlier extenders). What is asked is the JSON that a kube-scheduler sends, and what is looked at the JSON that it is answered.
 */
#include <math.h>
#include <string.h>

#include "lib/json.h"
#include "lib/mem.h"
#include "sched/extender/judge.h"
#include "tests/testing/world.h"

#define BOTH "\"a\",\"b\""
#define NO_HEADROOM "node(s) had no CPU headroom"
#define TOO_FAR "node(s) exceeded the latency limit to client/milan"
#define NO_DATA "node(s) had no latency data to client/milan"

static struct world w;
static struct judge *judge;

/* a and b are alike: 1 ms to milan, CPU 0.2. */
static int begin(void **state)
{
	(void)state;
	world_begin(&w, "a b", "milan");
	world_client(&w, "a", "milan", 1000);
	world_client(&w, "b", "milan", 1000);
	world_cpu(&w, "a", 0.2);
	world_cpu(&w, "b", 0.2);
	world_near_by_default(&w, "client/milan");
	w.profile.weight_plain[SCORE_LATENCY] = 0.7;
	w.profile.weight_plain[SCORE_CPU] = 0.3;
	w.profile.weight_plain[SCORE_FREE] = 0;
	judge = judge_new();
	return 0;
}

static int end(void **state)
{
	(void)state;
	judge_free(judge);
	world_end(&w);
	return 0;
}

/* --- the extender, from text to text ---------------------------------------------------------------------------------- */

static cJSON *ask(enum judge_verb verb, const char *names)
{
	auto_free char *text = xasprintf("{\"Pod\":{\"metadata\":{\"name\":\"web\",\"namespace\":\"default\",\"uid\":\"web\"}},\"NodeNames\":[%s]}", names);

	return world_ask(&w, judge, verb, false, text);
}

/* Why /filter refuses a; "" when it does not. `list` is where the refusal has to stand. */
static void assert_filter(const char *names, const char *list, const char *reason)
{
	auto_json cJSON *json = ask(JUDGE_FILTER, names);
	const char *found = cJSON_GetStringValue(json_get(json_get(json, list), "a"));
	const cJSON *name;
	bool passed = false;

	cJSON_ArrayForEach(name, json_get(json, "NodeNames"))
		passed |= STREQ(name->valuestring, "a");
	assert_string_equal(found ? found : "", reason);
	assert_int_equal(passed, !*reason);
	assert_string_equal(cJSON_GetStringValue(json_get(json, "Error")), "");
}

static int score_of_a(const char *names)
{
	auto_json cJSON *json = ask(JUDGE_PRIORITIZE, names);
	const cJSON *entry;

	cJSON_ArrayForEach(entry, json)
		if (STREQ(cJSON_GetStringValue(json_get(entry, "Host")), "a"))
			return (int)cJSON_GetNumberValue(json_get(entry, "Score"));
	fail_msg("a has no score");
	return -1;
}

/* --- CPU --------------------------------------------------------------------------------------------------------------- */

static void cpu(double cpu)
{
	world_cpu(&w, "a", cpu);
	world_take(&w);
	world_decide(&w, "web", "", "");
}

/* 0.7 x 100 + 0.3 x 100 x (1 - cpu), less 15 points. */
static void assert_points(double cpu_used, double minus, int score)
{
	assert_true(fabs(world_total(&w, "a") - (70 + 30 * (1 - cpu_used) - minus)) < 0.001);
	assert_int_equal(score_of_a(BOTH), score);
	assert_filter(BOTH, "FailedNodes", "");
	assert_string_equal(world_reason(&w, "a"), "");
}

static void cpu_0_70_loses_15_points(void **state)
{
	(void)state;
	cpu(0.6999);
	assert_points(0.6999, 0, 8);
	cpu(0.70);
	assert_points(0.70, 15, 6);
}

static void cpu_0_70_is_left_at_0_65(void **state)
{
	(void)state;
	cpu(0.70);
	cpu(0.6501);
	assert_points(0.6501, 15, 7);		/* 65.5: 6.55 */
	cpu(0.65);
	assert_points(0.65, 0, 8);
	cpu(0.6999);
	assert_points(0.6999, 0, 8);		/* from below it is 0.70 again */
}

static void assert_full(bool full)
{
	assert_string_equal(world_reason(&w, "a"), full ? NO_HEADROOM : "");
	assert_filter(BOTH, "FailedNodes", full ? NO_HEADROOM : "");
}

static void cpu_0_85_is_refused_above_it(void **state)
{
	(void)state;
	cpu(0.85);
	assert_full(false);
	assert_points(0.85, 15, 6);
	cpu(0.8501);
	assert_full(true);
	assert_int_equal(score_of_a(BOTH), 6);	/* /prioritize ranks, it does not refuse */
}

static void cpu_0_85_is_left_at_0_80(void **state)
{
	(void)state;
	cpu(0.8501);
	cpu(0.8001);
	assert_full(true);
	cpu(0.80);
	assert_full(false);
	assert_points(0.80, 15, 6);		/* busy still */
	cpu(0.85);
	assert_full(false);
}

static void cpu_0_85_is_refused_only_while_another_is_below(void **state)
{
	(void)state;
	world_cpu(&w, "b", 0.8501);
	cpu(0.8501);
	assert_full(false);
	assert_filter("\"a\"", "FailedNodes", "");
	world_cpu(&w, "b", 0.80);		/* busy is below */
	cpu(0.8501);
	assert_full(true);
	assert_filter("\"a\"", "FailedNodes", "");	/* b is not on offer */
	world_client(&w, "b", "milan", 51000);
	w.profile.max_latency_us = 50000;
	cpu(0.8501);
	assert_full(false);			/* b is no place for the pod */
	w.profile.strict_cpu = true;
	cpu(0.8501);
	assert_full(true);
	assert_filter("\"a\"", "FailedNodes", NO_HEADROOM);
	cpu(0.80);
	cpu(0.85);
	assert_full(false);
}

/* Fresh is up to 3 periods of 60 s. */
static void cpu_0_85_is_refused_only_while_fresh(void **state)
{
	(void)state;
	world_age(&w, "a", 180);
	cpu(0.8501);
	assert_full(true);
	world_age(&w, "a", 180.5);
	cpu(0.8501);
	assert_full(false);
	w.profile.strict_cpu = true;
	cpu(0.8501);
	assert_full(true);
}

/* --- maxLatency -------------------------------------------------------------------------------------------------------- */

/* At this limit and this round trip. b, near, keeps its place in any case, and the limit changes no rank. */
static void at(double limit_ms, double rtt_ms, bool refused)
{
	int free_score;

	world_client(&w, "a", "milan", rtt_ms * 1e3);
	world_take(&w);
	w.profile.max_latency_us = INFINITY;
	free_score = score_of_a(BOTH);
	w.profile.max_latency_us = limit_ms * 1e3;
	world_decide(&w, "web", "", "");
	if (!STREQ(world_reason(&w, "a"), refused ? TOO_FAR : ""))
		fail_msg("limit %g ms, round trip %g ms: \"%s\"", limit_ms, rtt_ms, world_reason(&w, "a"));
	assert_string_equal(world_reason(&w, "b"), "");
	assert_filter(BOTH, "FailedAndUnresolvableNodes", refused ? TOO_FAR : "");
	assert_filter("\"a\"", "FailedAndUnresolvableNodes", refused ? TOO_FAR : "");	/* also when there is no other */
	assert_int_equal(score_of_a(BOTH), free_score);
}

static void max_latency_50_ms_passes_50_ms(void **state)
{
	(void)state;
	at(50, 49.999, false);
	at(50, 50, false);
	at(50, 50.001, true);
}

static void max_latency_250_ms_passes_250_ms(void **state)
{
	(void)state;
	at(250, 249.999, false);
	at(250, 250, false);
	at(250, 250.001, true);
}

static void no_data_is_on_neither_side(void **state)
{
	double limits_ms[] = {50, 250};
	size_t i;

	(void)state;
	world_client(&w, "a", "milan", NAN);
	for (i = 0; i < 2; i++) {
		w.profile.max_latency_us = limits_ms[i] * 1e3;
		w.profile.deny_no_data = false;
		cpu(0.2);
		assert_string_equal(world_reason(&w, "a"), "");
		assert_filter(BOTH, "FailedAndUnresolvableNodes", "");
		w.profile.deny_no_data = true;
		cpu(0.2);
		assert_string_equal(world_reason(&w, "a"), NO_DATA);
		assert_filter(BOTH, "FailedAndUnresolvableNodes", NO_DATA);
	}
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		T(cpu_0_70_loses_15_points), T(cpu_0_70_is_left_at_0_65), T(cpu_0_85_is_refused_above_it), T(cpu_0_85_is_left_at_0_80),
		T(cpu_0_85_is_refused_only_while_another_is_below), T(cpu_0_85_is_refused_only_while_fresh), T(max_latency_50_ms_passes_50_ms),
		T(max_latency_250_ms_passes_250_ms), T(no_data_is_on_neither_side),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
