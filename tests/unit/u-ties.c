/*
 * Where no other score ranks (judge_input.alone): one node of each answer is the best alone, and it is the one that standalone mode takes. The judge does not
 * ask whether a node is unschedulable, a whole decision does: so a pod's offer is what is not, and both see one view.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lib/mem.h"
#include "tests/unit/asked_judge.h"

#define NODES 8
#define ROUNDS 3000
#define NEAR_MILAN "\"latency-mesh.io/near\":\"client/milan\""

static int begin(void **state)
{
	(void)state;
	world_begin(&w, "n0 n1 n2 n3 n4 n5 n6 n7", "milan");
	judge = judge_new();
	return 0;
}

/* Of the pod "web". */
static void ask(bool alone, const char *annotations, const char *owner, const char *cpu, const char *nodes)
{
	static char text[4096];

	snprintf(text, sizeof(text), "{\"Pod\":{\"metadata\":{\"name\":\"web\",\"namespace\":\"default\",\"uid\":\"uid-web\",\"annotations\":{%s},"
		 "\"ownerReferences\":[{\"kind\":\"Job\",\"name\":\"j\",\"uid\":\"%s\",\"controller\":true}]},\"spec\":{\"containers\":[{\"resources\":"
		 "{\"requests\":{\"cpu\":\"%s\"}}}]}},\"NodeNames\":[%s]}", annotations, owner, cpu, nodes);
	ask_text(JUDGE_PRIORITIZE, alone, text);
}

static void put_owned(const char *name, const char *node, const char *owner, const char *spec)
{
	auto_free char *metadata = xasprintf("\"ownerReferences\":[{\"kind\":\"Job\",\"name\":\"j\",\"uid\":\"%s\",\"controller\":true}]", owner);

	world_pod_of(&w, name, node, "", "", metadata, spec);
}

/* --- cases -------------------------------------------------------------------------------------------------------------- */

#define THREE "\"n0\",\"n1\",\"n2\""

static void one_of_equal_nodes_has_10_and_no_other_more_than_9(void **state)
{
	(void)state;
	world_client(&w, "n0", "milan", 1000);
	world_client(&w, "n1", "milan", 1000);
	world_client(&w, "n2", "milan", 1000);
	put_owned("a", "n0", "o", "");
	put_owned("b", "n2", "o", "");
	ask(false, NEAR_MILAN, "o", "100m", THREE);
	assert_scores("10 10 10");
	ask(true, NEAR_MILAN, "o", "100m", THREE);
	assert_scores("9 10 9");	/* the fewest pods of the owner */
	put_owned("c", "n1", "o", "\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"2\"}}}]");
	put_owned("d", "n2", "other", "\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"1\"}}}]");
	ask(true, NEAR_MILAN, "o", "100m", THREE);
	assert_scores("10 9 9");	/* the most free */
}

static void a_lower_best_is_10_as_well_and_the_others_keep_their_own(void **state)
{
	(void)state;
	world_client(&w, "n0", "milan", 1000);
	world_client(&w, "n1", "milan", 2000);
	world_cpu(&w, "n0", 0.80);
	world_cpu(&w, "n1", 0.04);
	world_cpu(&w, "n2", 0.04);
	ask(false, NEAR_MILAN, "o", "100m", THREE);
	assert_scores("6 6 3");
	ask(true, NEAR_MILAN, "o", "100m", THREE);
	assert_scores("6 10 3");
}

/* Totals of 75.1 and 74.9: scores of 8 and 7 are equal nodes to standalone mode. */
static void the_one_to_take_may_be_less_by_rounding(void **state)
{
	(void)state;
	world_cpu(&w, "n0", 0.249);
	world_cpu(&w, "n1", 0.251);
	put_owned("a", "n0", "o", "");
	ask(false, "", "o", "100m", "\"n0\",\"n1\"");
	assert_scores("8 7");
	ask(true, "", "o", "100m", "\"n0\",\"n1\"");
	assert_scores("8 10");
}

static void a_total_of_nothing_is_the_best_where_all_have_that(void **state)
{
	(void)state;
	world_cpu(&w, "n0", 1);
	world_cpu(&w, "n1", 1);
	put_owned("a", "n0", "o", "");
	ask(false, "", "o", "100m", "\"n0\",\"n1\"");
	assert_scores("0 0");
	ask(true, "", "o", "100m", "\"n0\",\"n1\"");
	assert_scores("0 10");
}

static void neutral_stays_neutral_and_unknown_stays_0(void **state)
{
	(void)state;
	ask(true, "", "o", "100m", THREE);
	assert_scores("5 5 5");
	assert_true(answer.neutral);
	ask(true, "\"latency-mesh.io/near\":\"nowhere\"", "o", "100m", THREE);
	assert_scores("5 5 5");
	ask(true, "", "o", "100m", "\"x\",\"y\"");
	assert_scores("5 5");
	ask(true, "", "o", "100m", "");
	assert_int_equal(answer.count, 0);
	world_cpu(&w, "n0", 0.5);
	world_take(&w);
	ask(true, "", "o", "100m", "\"x\",\"n0\"");
	assert_scores("0 10");
	w.without_mesh = true;
	ask(true, NEAR_MILAN, "o", "100m", THREE);
	assert_scores("5 5 5");
	assert_true(answer.neutral);
}

/* Nothing is known of what is free on a guest and of who is there: it stands behind an equal node, and before a worse one. */
static void a_guest_stands_behind_its_equals(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < NODES; i++)
		world_client(&w, (char[]){'n', (char)('0' + i), 0}, "milan", i == 3 ? 1500 : 1000);
	world_take(&w);
	for (i = 0; i < NODES; i++)
		if (i != 0 && i != 3)
			cache_delete_node(w.cache, (char[]){'n', (char)('0' + i), 0});
	put_owned("a", "n0", "other", "\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"8\",\"memory\":\"16Gi\"}}}]");
	for (i = 0; i < 3; i++) {
		ask(true, NEAR_MILAN, "o", "100m", "\"n5\",\"n0\",\"n6\",\"n7\"");
		assert_scores("9 10 9 9");
		ask(true, NEAR_MILAN, "o", "100m", "\"n3\",\"n5\"");
		assert_scores("7 10");
	}
	ask(true, NEAR_MILAN, "o", "100m", "\"n6\",\"n3\",\"n5\",\"n4\",\"n2\",\"n1\"");	/* one of five guests */
	for (i = 0; answer.nodes[i].score != 10; i++)
		assert_int_equal(answer.nodes[i].score, i == 1 ? 7 : 9);
}

/* What no filter of ours has looked at. */
static void a_request_beyond_all_numbers_is_ranked_too(void **state)
{
	int i;

	(void)state;
	world_cpu(&w, "n0", 0.5);
	world_cpu(&w, "n1", 0.5);
	put_owned("a", "n0", "o", "\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"9e15\",\"memory\":\"9e18\"}}}]");
	for (i = 0; i < 5; i++) {
		ask(true, "", "o", "9e15", "\"n0\",\"n1\"");
		assert_scores("5 10");
	}
}

/* The pod of which the answer told is still on no node: it counts as its owner's, and by what it asks for. */
static void what_was_just_told_counts_among_equals(void **state)
{
	static const char body[] = "{\"Pod\":{\"metadata\":{\"name\":\"p%d\",\"namespace\":\"default\",\"uid\":\"p%d\",\"ownerReferences\":"
				   "[{\"kind\":\"Job\",\"name\":\"j\",\"uid\":\"%s\",\"controller\":true}]},\"spec\":{}},\"NodeNames\":[\"n0\",\"n1\",\"n2\",\"n3\"]}";
	int told[4] = {0}, i, k;

	(void)state;
	for (i = 0; i < 4; i++) {
		world_node_of(&w, (char[]){'n', (char)('0' + i), 0}, "", "", "\"cpu\":\"64\",\"memory\":\"640Gi\",\"pods\":\"110\"");
		world_cpu(&w, (char[]){'n', (char)('0' + i), 0}, 0.3);
	}
	world_take(&w);
	for (i = 0; i < 40; i++) {
		auto_free char *text = xasprintf(body, i, i, i % 3 ? "o" : "other");

		ask_text(JUDGE_PRIORITIZE, true, text);
		for (k = 0; k < 4; k++)
			told[k] += answer.nodes[k].score == 10;
		drop();
	}
	for (k = 0; k < 4; k++)
		assert_int_equal(told[k], 10);
}

/* --- the node that standalone mode takes -------------------------------------------------------------------------------- */

static void random_world(struct rng *r, bool offered[NODES])
{
	bool loads = rng_chance(r, 0.8), close = rng_chance(r, 0.6);
	int i, k;

	for (i = 0; i < NODES; i++) {
		char name[3] = {'n', (char)('0' + i), 0};
		auto_free char *resources = xasprintf("\"cpu\":\"%u\",\"memory\":\"%uGi\",\"pods\":\"110\"", 4u << rng_below(r, 3), 8u << rng_below(r, 2));

		offered[i] = rng_chance(r, 0.8);
		world_node_of(&w, name, "", offered[i] ? "" : "\"unschedulable\":true", resources);
		world_client(&w, name, "milan", rng_chance(r, 0.1) ? (double)NAN : 1000 + (close ? 20 : 3000) * rng_unit(r));
		world_cpu(&w, name, !loads ? (double)NAN : 0.2 + (close ? 0.02 : 0.7) * rng_unit(r));
		for (k = 0; k < i; k++)
			world_rtt(&w, name, (char[]){'n', (char)('0' + k), 0}, rng_chance(r, 0.1) ? (double)NAN : 200 + (close ? 5 : 3000) * rng_unit(r));
	}
	for (i = 0; i < 6; i++) {
		auto_free char *name = xasprintf("p%d", i), *owner = xasprintf("o%u", rng_below(r, 2));

		put_owned(name, (char[]){'n', (char)('0' + rng_below(r, NODES)), 0}, owner,
			  rng_chance(r, 0.5) ? "\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"500m\"}}}]" : "");
	}
	world_take(&w);
}

/* The same pod, by a whole decision in which only latency and load rank; -1: no node. */
static int32_t standalone(void)
{
	struct profile profile = w.profile;
	struct decision_input in = {.view = cache_view(w.cache), .mesh = w.mesh, .pod = request.pod, .profile = &profile};
	struct decision d;
	int i;

	profile.refuse_latency = profile.refuse_cpu = false;
	for (i = 0; i < SCORE_COUNT; i++)
		if (i != SCORE_LATENCY && i != SCORE_CPU)
			profile.weight_asking[i] = profile.weight_plain[i] = 0;
	decide(w.decider, &in, &d);
	return d.node;
}

static int best_of(int *count)
{
	int best = -1, at = -1;
	uint32_t i;

	*count = 0;
	for (i = 0; i < answer.count; i++) {
		*count = answer.nodes[i].score > best ? 1 : *count + (answer.nodes[i].score == best);
		at = answer.nodes[i].score > best ? (int)i : at;
		best = answer.nodes[i].score > best ? answer.nodes[i].score : best;
	}
	return at;
}

static void the_only_best_is_what_standalone_takes(void **state)
{
	static const char *const asks[] = {"", NEAR_MILAN, "\"latency-mesh.io/near\":\"node/n0\"", "\"latency-mesh.io/within\":\"client/milan<=2ms\""};
	struct rng r = rng_make(test_seed());
	int round, i, tied = 0, neutral = 0;

	(void)state;
	for (round = 0; round < ROUNDS; round++) {
		auto_buf struct buf list = {0};
		bool offered[NODES];
		int32_t node;
		int count;

		random_world(&r, offered);
		buf_str(&list, "");
		for (i = 0; i < NODES; i++)
			if (offered[i])
				buf_printf(&list, "%s\"n%d\"", list.len ? "," : "", i);
		ask(false, asks[rng_below(&r, ARRAY_SIZE(asks))], rng_chance(&r, 0.5) ? "o0" : "o1", "100m", list.data);
		if (answer.neutral || !answer.count) {
			neutral++;
			continue;
		}
		best_of(&count);
		tied += count > 1;
		ask_again(JUDGE_PRIORITIZE, true);
		node = standalone();
		i = best_of(&count);
		assert_int_equal(count, 1);
		assert_true(node >= 0);
		assert_string_equal(request.nodes[i].name, cache_view(w.cache)->nodes[node].node->name);
	}
	print_message("# %d rounds: in %d several nodes had the highest score without it, %d neutral\n", ROUNDS, tied, neutral);
	assert_true(tied > ROUNDS / 5 && neutral < ROUNDS / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_of_equal_nodes_has_10_and_no_other_more_than_9, begin, end),
		cmocka_unit_test_setup_teardown(a_lower_best_is_10_as_well_and_the_others_keep_their_own, begin, end),
		cmocka_unit_test_setup_teardown(the_one_to_take_may_be_less_by_rounding, begin, end),
		cmocka_unit_test_setup_teardown(a_total_of_nothing_is_the_best_where_all_have_that, begin, end),
		cmocka_unit_test_setup_teardown(neutral_stays_neutral_and_unknown_stays_0, begin, end),
		cmocka_unit_test_setup_teardown(a_guest_stands_behind_its_equals, begin, end),
		cmocka_unit_test_setup_teardown(a_request_beyond_all_numbers_is_ranked_too, begin, end),
		cmocka_unit_test_setup_teardown(what_was_just_told_counts_among_equals, begin, end),
		cmocka_unit_test_setup_teardown(the_only_best_is_what_standalone_takes, begin, end),
	};

	return cmocka_run_group_tests_name("ties", tests, NULL, NULL);
}
