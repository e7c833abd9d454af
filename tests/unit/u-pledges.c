/* extender/pledges.h: what a kube-scheduler was told counts until it is seen, and leaves nothing behind. */
#include "sched/extender/pledges.h"

#include <string.h>

#include "lib/mem.h"
#include "sched/extender/judge.h"
#include "tests/testing/world.h"

#define CPU(text) "\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"" text "\"}}}]"

static struct world w;
static struct pledges *pledges;
static struct judge *judge;

static int begin(void **state)
{
	(void)state;
	world_begin(&w, "a b c", "milan");
	world_client(&w, "a", "milan", 1000);
	world_client(&w, "b", "milan", 1200);
	world_client(&w, "c", "milan", 9000);
	world_cpu(&w, "a", 0.30);
	world_cpu(&w, "b", 0.30);
	world_cpu(&w, "c", 0.30);
	world_take(&w);
	pledges = pledges_new();
	judge = judge_new();
	return 0;
}

static int end(void **state)
{
	(void)state;
	pledges_free(pledges);
	judge_free(judge);
	world_end(&w);
	return 0;
}

/* In thousandths of a CPU. */
static int64_t pledged_on(uint32_t node)
{
	uint32_t count, i;
	const struct expected_load *sum = pledges_sum(pledges, cache_view(w.cache), "", w.mono_ms, &count);
	int64_t found = 0;

	for (i = 0; i < count; i++)
		if (sum[i].node == node) {
			assert_true(!found && sum[i].units > 0);	/* a node once */
			found = sum[i].units / EXPECTED_UNITS;
		}
	return found;
}

static void pledge(const struct pod *pod, uint32_t count)
{
	uint32_t nodes[PLEDGE_NODES + 1], i;

	for (i = 0; i < count; i++)
		nodes[i] = i;
	pledges_put(pledges, cache_view(w.cache), pod, nodes, count, w.mono_ms);
}

static void a_pod_is_divided_and_sums_add_up(void **state)
{
	const struct pod *p = world_pod_of(&w, "p", "", "", "", "", CPU("300m")), *q = world_pod_of(&w, "q", "", "", "", "", CPU("900m"));

	(void)state;
	assert_int_equal(pledged_on(0), 0);
	pledge(p, 2);
	pledge(q, 3);
	assert_int_equal(pledged_on(0), 150 + 300);
	assert_int_equal(pledged_on(2), 300);
	pledges_drop(pledges, "uid-p");
	pledges_drop(pledges, "uid-none");
	assert_int_equal(pledged_on(0), 300);
	pledge(p, 0);
	pledge(p, PLEDGE_NODES + 1);
	assert_int_equal(pledged_on(0), 300);
}

/* On one node alone: what it asks for is taken off, and its owner has a pod more there. */
static void a_pod_on_one_node_is_pledged_whole(void **state)
{
	static const char owner[] = "\"ownerReferences\":[{\"kind\":\"Job\",\"name\":\"j\",\"uid\":\"o\",\"controller\":true}]";
	const struct pod *p = world_pod_of(&w, "p", "", "", "", owner, CPU("300m")), *q = world_pod_of(&w, "q", "", "", "", owner, CPU("9e15"));
	const struct pod *r = world_pod_of(&w, "r", "", "", "", "", CPU("9e15"));
	const struct expected_load *sum;
	uint32_t count;

	(void)state;
	pledge(p, 1);
	sum = pledges_sum(pledges, cache_view(w.cache), "o", w.mono_ms, &count);
	assert_int_equal(count, 1);
	assert_int_equal(sum->owner_pods, 1);
	assert_int_equal(sum->cpu_milli, 300);
	assert_int_equal(pledges_sum(pledges, cache_view(w.cache), "", w.mono_ms, &count)->owner_pods, 0);
	pledge(q, 1);
	pledge(r, 1);
	sum = pledges_sum(pledges, cache_view(w.cache), "o", w.mono_ms, &count);
	assert_int_equal(sum->owner_pods, 2);
	assert_true(sum->cpu_milli == INT64_MAX);
	pledges_drop(pledges, "uid-q");
	pledges_drop(pledges, "uid-r");
	pledges_drop(pledges, "uid-p");
	pledge(p, 2);			/* in parts: on neither of them for certain */
	sum = pledges_sum(pledges, cache_view(w.cache), "o", w.mono_ms, &count);
	assert_int_equal(count, 2);
	assert_int_equal(sum->owner_pods, 0);
	assert_int_equal(sum->cpu_milli, 0);
}

static void it_ends_when_the_pod_is_seen_or_time_is_over(void **state)
{
	const struct pod *p = world_pod_of(&w, "p", "", "", "", "", CPU("800m"));

	(void)state;
	pledge(p, 1);
	pledges_seen(pledges, w.cache, "uid-p");	/* news, but not of a node */
	assert_int_equal(pledged_on(0), 800);
	world_pod_of(&w, "p", "c", "", "", "", CPU("800m"));
	pledges_seen(pledges, w.cache, "uid-p");
	assert_int_equal(pledged_on(0), 0);
	p = world_pod_of(&w, "q", "", "", "", "", CPU("800m"));
	pledge(p, 1);
	cache_delete_pod(w.cache, "uid-q");
	pledges_seen(pledges, w.cache, "uid-q");
	assert_int_equal(pledged_on(0), 0);
	p = world_pod_of(&w, "s", "", "", "", "", CPU("800m"));
	pledge(p, 1);
	assert_true(cache_assume(w.cache, "uid-s", 1));	/* by /bind */
	pledges_seen(pledges, w.cache, "uid-s");
	assert_int_equal(pledged_on(0), 0);
	p = world_pod_of(&w, "r", "", "", "", "", CPU("800m"));
	pledge(p, 1);
	w.mono_ms += PLEDGE_MS - 1;
	assert_int_equal(pledged_on(0), 800);
	w.mono_ms++;
	assert_int_equal(pledged_on(0), 0);
	pledge(p, 1);
	world_node(&w, "d", "", "");			/* indices may be others now */
	assert_int_equal(pledged_on(0), 0);
}

static void there_is_a_most_of_them(void **state)
{
	uint32_t i;

	(void)state;
	for (i = 0; i < PLEDGES_MAX + 10; i++) {
		auto_free char *name = xasprintf("p-%u", i);

		w.mono_ms++;
		pledge(world_pod_of(&w, name, "", "", "", "", CPU("1")), 1);
	}
	assert_int_equal(pledged_on(0), 1000 * PLEDGES_MAX);
	pledges_drop(pledges, "uid-p-9");		/* the oldest went */
	assert_int_equal(pledged_on(0), 1000 * PLEDGES_MAX);
	pledges_drop(pledges, "uid-p-10");
	assert_int_equal(pledged_on(0), 1000 * (PLEDGES_MAX - 1));
}

/* --- in the answers ----------------------------------------------------------------------------------------------------------- */

/* "a:9 b:8 c:3" */
static char *ask(enum judge_verb verb, const char *pod)
{
	auto_free char *text = xasprintf("{\"Pod\":{\"metadata\":{\"name\":\"%s\",\"namespace\":\"default\",\"uid\":\"uid-%s\",\"annotations\":"
					 "{\"latency-mesh.io/near\":\"client/milan\"}},\"spec\":{" CPU("2") "}},\"NodeNames\":[\"a\",\"b\",\"c\"]}", pod, pod);
	struct judge_input in = world_judge_input(&w, false);
	struct wire_request request;
	struct wire_answer answer;
	struct buf out = {0};
	struct lm_err err;
	uint32_t i;

	if (wire_parse(text, strlen(text), &request, &err) < 0)
		fail_msg("%s", err.msg);
	answer = judge_request(judge, &in, verb, &request);
	for (i = 0; i < answer.count; i++)
		buf_printf(&out, "%s%s:%d", i ? " " : "", request.nodes[i].name, answer.nodes[i].score);
	wire_answer_free(&answer);
	wire_free(&request);
	return out.data;
}

static void expect(const char *pod, const char *scores)
{
	auto_free char *got = ask(JUDGE_PRIORITIZE, pod);

	assert_string_equal(got, scores);
}

/* a: 70 + 21 = 91, b: 58.3 + 21 = 79.3; 2 of 8 CPUs are 7.5 points of the total. */
static void the_next_pod_sees_it_and_its_own_does_not_count(void **state)
{
	auto_free char *passed = ask(JUDGE_FILTER, "first");

	(void)state;
	assert_string_equal(passed, "a:5 b:5 c:5");	/* nobody is ranked; and it leaves nothing */
	expect("p", "a:9 b:8 c:3");
	expect("p", "a:9 b:8 c:3");			/* asks again: the same answer */
	expect("q", "a:8 b:8 c:3");
	expect("p", "a:9 b:8 c:3");			/* q's half on a and on b: 87.25, 75.55 */
	judge_seen(judge, w.cache, "uid-q");		/* deleted, as the cache has none */
	judge_seen(judge, w.cache, "uid-p");
	expect("r", "a:9 b:8 c:3");
	w.mono_ms += PLEDGE_MS;
	expect("s", "a:9 b:8 c:3");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		T(a_pod_is_divided_and_sums_add_up),
		T(a_pod_on_one_node_is_pledged_whole),
		T(it_ends_when_the_pod_is_seen_or_time_is_over),
		T(there_is_a_most_of_them),
		T(the_next_pod_sees_it_and_its_own_does_not_count),
	};
#undef T

	return cmocka_run_group_tests_name("pledges", tests, NULL, NULL);
}
