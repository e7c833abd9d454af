/*
 * The last look of a plan, which is decide()'s. What the plan's arithmetic says and what decide() says in sequence agree in all cases that are known, so here
 * decide() has a rule more that nothing else knows: two pods of one `foe` label are not on one node. Whom it refuses has to go elsewhere, or be uncovered.
 */
#include "sched/decide.h"

static void with_foes(struct decider *d, const struct decision_input *in, struct decision *out);
#define decide(decider, in, out) with_foes(decider, in, out)
#include "sched/reserve/plan_seat.c"
#undef decide

#include <stdio.h>

#include "tests/unit/reserve_cases.h"

#define CLUSTERS 400
#define PODS 7
#define NODES 4

static uint32_t refusals;

static const char *foe_of(const struct pod *pod)
{
	return labels_get(&pod->labels, "foe");
}

static bool has_foe(const struct node_state *node, const struct pod *pod)
{
	const char *ours = foe_of(pod);
	uint32_t i;

	for (i = 0; i < node->pod_count; i++) {
		const char *theirs = foe_of(node->pods[i]->pod);

		if (ours && theirs && STREQ(ours, theirs) && !STREQ(node->pods[i]->pod->uid, pod->uid))
			return true;
	}
	return false;
}

static void with_foes(struct decider *d, const struct decision_input *in, struct decision *out)
{
	static struct verdict verdicts[16];
	uint32_t k;

	(decide)(d, in, out);
	if (!out->verdicts)
		return;
	memcpy(verdicts, out->verdicts, in->view->count * sizeof(*verdicts));
	for (k = 0; k < in->view->count; k++)
		if (!verdicts[k].filter && has_foe(&in->view->nodes[k], in->pod)) {
			verdicts[k].filter = VERDICT_NOT_OFFERED;
			out->feasible--;
			refusals++;
		}
	out->verdicts = verdicts;
}

/* --- cases ----------------------------------------------------------------------------------------------------------------- */

static void whom_decide_refuses_goes_elsewhere(void **state)
{
	(void)state;
	covered("p", "a", "\"foe\":\"f\"", EVERYWHERE, "2", "");
	covered("q", "a", "\"foe\":\"f\"", EVERYWHERE, "2", "");
	covered("r", "b", "", "\"latency-mesh.io/within\":\"node/c<=0.1ms\"", "4", "");	/* its room would do for both */
	make();
	assert_int_equal(plan.covers.count, 3);
	assert_string_not_equal(refuge_of("p"), refuge_of("q"));
	assert_int_equal(plan.room_count, 2);
	assert_int_equal(room_of("c")->need.cpu_milli, 4000);
	assert_int_equal(room_of(STREQ(refuge_of("p"), "c") ? refuge_of("q") : refuge_of("p"))->need.cpu_milli, 2000);
}

static void whom_decide_refuses_everywhere_is_uncovered(void **state)
{
	(void)state;
	covered("p", "a", "\"foe\":\"f\"", "\"latency-mesh.io/within\":\"node/b<=0.1ms\"", "2", "");
	covered("q", "a", "\"foe\":\"f\"", "\"latency-mesh.io/within\":\"node/b<=0.1ms\"", "2", "");
	make();
	assert_int_equal(plan.covers.count, 1);
	assert_int_equal(plan.uncovered_count, 1);
	assert_true(strstr(reason_of("q"), "0/4 nodes are available") == reason_of("q"));
	assert_int_equal(room_of("b")->need.cpu_milli, 2000);
	assert_int_equal(room_of("b")->pods, 1);
}

/* --- random ------------------------------------------------------------------------------------------------------------------ */

struct some {
	int foe, cpu_milli, node, allowed;	/* node: where it is; allowed: bits */
};

static const char *const names[] = {"a", "b", "c", "d"};

static int refuge_number(int i)
{
	auto_free char *name = xasprintf("p%d", i);
	const char *refuge = refuge_of(name);

	return refuge[0] == '-' ? NOWHERE : refuge[0] - 'a';
}

static void put_some(int i, const struct some *p)
{
	auto_free char *name = xasprintf("p%d", i), *cpu = xasprintf("%dm", p->cpu_milli), *foe = xasprintf("\"foe\":\"f%d\"", p->foe);
	auto_buf struct buf spec = {0};
	int k, count = 0;

	buf_str(&spec, ",\"affinity\":{\"nodeAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":{\"nodeSelectorTerms\":[{\"matchExpressions\":"
		       "[{\"key\":\"name\",\"operator\":\"In\",\"values\":[");
	for (k = 0; k < NODES; k++)
		if (p->allowed >> k & 1)
			buf_printf(&spec, "%s\"%s\"", count++ ? "," : "", names[k]);
	buf_str(&spec, "]}]}]}}}");
	covered(name, names[p->node], foe, EVERYWHERE, cpu, spec.data);
}

/* Of pods that come from one node: is there room, and nobody on `node` with whom `i` cannot be? */
static bool may_come(const struct some *some, const int *at, int i, int node)
{
	int left = 8000, k;

	for (k = 0; k < PODS; k++) {
		bool there = some[k].node != some[i].node ? some[k].node == node : at[k] == node;

		if (k == i || !there)
			continue;
		left -= some[k].cpu_milli;
		if (some[k].foe == some[i].foe)
			return false;
	}
	return node != some[i].node && (some[i].allowed >> node & 1) && left >= some[i].cpu_milli;
}

static void check_some(const struct some *some)
{
	int at[PODS], i, k;

	for (i = 0; i < PODS; i++)
		at[i] = refuge_number(i);
	for (i = 0; i < PODS; i++) {
		if (at[i] != NOWHERE && !may_come(some, at, i, at[i]))
			fail_msg("p%d cannot be on %s", i, names[at[i]]);
		for (k = 0; k < NODES && at[i] == NOWHERE; k++)
			if (may_come(some, at, i, k))
				fail_msg("p%d is uncovered, and could be on %s", i, names[k]);
	}
	for (k = 0; k < NODES; k++) {
		int come[NODES] = {0}, most = 0;

		for (i = 0; i < PODS; i++)
			come[some[i].node] += at[i] == k ? some[i].cpu_milli : 0;
		for (i = 0; i < NODES; i++)
			most = come[i] > most ? come[i] : most;
		assert_int_equal(room_of(names[k]) ? room_of(names[k])->need.cpu_milli : 0, most);
	}
	assert_int_equal(plan.covers.count + plan.uncovered_count, PODS);
}

static void whoever_is_refused_the_plan_holds(void **state)
{
	struct rng r = rng_make(test_seed());
	int round, i;

	for (round = 0; round < test_rounds(CLUSTERS); round++) {
		struct some some[PODS];

		begin(state);
		for (i = 0; i < NODES; i++) {
			auto_free char *label = xasprintf("\"name\":\"%s\"", names[i]);

			world_node(&w, names[i], label, "");
		}
		for (i = 0; i < PODS; i++) {
			some[i] = (struct some){(int)rng_below(&r, 3), 250 * (1 + (int)rng_below(&r, 8)), rng_chance(&r, 0.7) ? 0 : (int)rng_below(&r, NODES),
						1 + (int)rng_below(&r, 15)};
			put_some(i, &some[i]);
		}
		make();
		check_some(some);
		end(state);
	}
	assert_true(refusals > (uint32_t)test_rounds(CLUSTERS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(whom_decide_refuses_goes_elsewhere),
		CASE(whom_decide_refuses_everywhere_is_uncovered),
		cmocka_unit_test(whoever_is_refused_the_plan_holds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
