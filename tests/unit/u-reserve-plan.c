/*
 * Where covered pods would go, and the room for it. Random clusters live through events; after each one the plan is made, its placeholders are put into
 * the cache, and a model of the test checks all of it in plain arithmetic, without decide(), cache or matrix:
 *
 *	- each pod that wants room is covered, or uncovered with a reason, once
 *	- after the failure of any one node all its covered pods fit where the plan sends them, together, with limits, anti-affinity and ports kept, in the
 *	  room kept there
 *	- no node is overcommitted with the placeholders on it
 *	- no assignment whatever covers more pods of a node (exhaustive), so nobody is uncovered who could be covered together with the others
 *	- no assignment whatever that covers as many has an overhead 7 % less (exhaustive, with pruning)
 *	- the cache is as it was
 *
 * The same for pods that are bound to each other by affinity, spreading, limits and volumes (bonds.h), in any order in which they may come. And large
 * plans, where nothing is exhaustive, beside an assignment that is known to be the best (planted.h).
 */
#include "sched/reserve/plan.h"

#include <stdio.h>
#include <string.h>

#include "lib/mem.h"
#include "tests/testing/bonds.h"
#include "tests/testing/planted.h"
#include "tests/testing/refuges.h"

#define STEPS 4
#define CLUSTERS 5000
#define BOUND 800
#define BOUND_STEPS 3

static struct refuges_told told;

/* --- the plan, and the cache as it was --------------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t h, uint64_t more)
{
	h = (h ^ more) * 0x9e3779b97f4a7c15u;
	return h ^ (h >> 29);
}

static uint64_t hash_text_of(const char *text)
{
	uint64_t h = 7;

	for (; *text; text++)
		h = mix(h, (unsigned char)*text);
	return h;
}

/* Lists of the cache have no order, so sums. */
static uint64_t sum_of(const struct cached_pod *const *pods, uint32_t count)
{
	uint64_t sum = 0;
	uint32_t i;

	for (i = 0; i < count; i++)
		sum += mix(mix(mix(hash_text_of(pods[i]->pod->uid), (uint64_t)pods[i]->node), pods[i]->assumed), (uint64_t)pods[i]->placed_mono_ms);
	return sum;
}

static uint64_t dump(struct cache *c)
{
	const struct view *v = cache_view(c);
	uint64_t h = mix(mix(v->count, v->node_epoch), v->nominated_count);
	uint32_t i, k;

	for (i = 0; i < v->count; i++) {
		const struct node_state *n = &v->nodes[i];
		uint64_t placements = 0;

		h = mix(h, hash_text_of(n->node->name));
		h = mix(mix(mix(h, (uint64_t)n->requested.cpu_milli), (uint64_t)n->requested.memory_bytes), (uint64_t)n->requested.ephemeral_bytes);
		for (k = 0; k < n->requested.scalar_count; k++)	/* nothing of it is as if it did not stand there */
			h = !n->requested.scalars[k].amount ? h :
			    mix(mix(h, hash_text_of(n->requested.scalars[k].name)), (uint64_t)n->requested.scalars[k].amount);
		for (k = 0; k < n->placement_count; k++)
			placements += mix(mix(hash_text_of(n->placements[k].pod->pod->uid), (uint64_t)n->placements[k].placed_mono_ms),
					  (uint64_t)n->placements[k].cpu_milli);
		h = mix(mix(mix(mix(mix(h, placements), sum_of(n->pods, n->pod_count)), n->port_count), n->terminating_count), n->pod_count);
		h = mix(mix(mix(mix(h, (uint64_t)v->free_cpu_milli[i]), (uint64_t)v->free_memory_bytes[i]), (uint64_t)v->free_ephemeral_bytes[i]),
			(uint64_t)v->free_pods[i]);
		h = mix(h, view_owner_pods(v, i, "owner"));
	}
	h = mix(mix(h, sum_of(v->anti_affinity, v->anti_affinity_count)), sum_of(v->affinity, v->affinity_count));
	return mix(mix(h, cache_assumed(c)), cache_pods(c));
}

static const struct profile *profile_of(const void *arg, const char *scheduler_name)
{
	const struct world *w = arg;

	return STREQ(scheduler_name, w->profile.scheduler_name) ? &w->profile : NULL;
}

static void make_plan(struct world *w, const struct reserve_settings *settings, const struct covers *previous, const char *frozen, struct plan *out)
{
	const struct plan_input in = {
		.cache = w->cache, .mesh = w->mesh, .profile = profile_of, .profile_arg = w, .settings = settings,
		.previous = previous, .frozen = &frozen, .frozen_count = frozen ? 1 : 0, .mono_ms = w->mono_ms,
	};
	uint64_t before = dump(w->cache);

	plan_make(w->decider, &in, out);
	assert_true(dump(w->cache) == before);
}

static void check_text(const struct plan *p)
{
	auto_buf struct buf text = {0}, again = {0};
	auto_plan struct plan back = {0};
	struct lm_err err = {0};

	plan_print(p, &text);
	if (plan_parse(text.data, text.len, &back, &err) < 0)
		fail_msg("%s: %s", err.msg, text.data);
	plan_print(&back, &again);
	assert_string_equal(text.data, again.data);
}

static void step(struct refuges *m)
{
	struct plan next;

	refuges_freeze(m);
	told.frozen += m->frozen >= 0;
	make_plan(&m->w, &m->settings, &m->plan.covers, m->frozen >= 0 ? refuges_node(m->frozen) : NULL, &next);
	refuges_check(m, &next, &told);
	if (told.plans % 8 == 0)
		check_text(&next);
	plan_free(&m->plan);
	m->plan = next;
	refuges_follow(m);
}

static void live(struct rng rng)
{
	struct refuges m;
	int i;

	refuges_begin(&m, rng);
	step(&m);
	for (i = 0; i < STEPS; i++) {
		refuges_event(&m);
		step(&m);
	}
	refuges_end(&m);
}

static void covered_pods_can_be_placed_after_any_failure_with_the_least_room(void **state)
{
	struct rng r = rng_make(test_seed());
	int i;

	(void)state;
	for (i = 0; i < test_rounds(CLUSTERS); i++) {
		live(rng_make(rng_next(&r)));
	}
	printf("# %d plans, %d covered, %d uncovered, %d with a frozen node, %d of them compared with the least, worst of a sixteenth %.4f\n", told.plans,
	       told.covered, told.uncovered, told.frozen, told.cheaper_checked, told.worst);
	assert_true(told.covered > told.plans);
	assert_true(told.uncovered > told.plans / 10);
	assert_true(told.cheaper_checked > told.plans - told.plans / 100);
}

static void covered_pods_that_are_bound_to_others_can_be_placed_together(void **state)
{
	struct bonds_told seen = {0};
	struct rng r = rng_make(test_seed() + 1);
	int i, k;

	(void)state;
	for (i = 0; i < test_rounds(BOUND); i++) {
		struct bonds b;

		bonds_begin(&b, rng_make(rng_next(&r)));
		for (k = 0; k < BOUND_STEPS; k++) {
			struct plan next;

			make_plan(&b.w, &b.settings, &b.plan.covers, b.frozen >= 0 ? bonds_node(b.frozen) : NULL, &next);
			bonds_check(&b, &next, &seen);
			bonds_next(&b, &next);
		}
		bonds_end(&b);
	}
	printf("# %d plans, %d covered, %d uncovered, %d fewer than in another order, %.4f more than the least in %d; came with others: %d near, %d anti, %d spread, %d limit, %d claim\n",
	       seen.plans, seen.covered, seen.uncovered, seen.fewer, seen.excess / seen.compared, seen.compared, seen.near, seen.anti, seen.spread, seen.limit, seen.claim);
	assert_true(seen.covered > seen.plans && seen.uncovered > seen.plans / 2);
	assert_true(seen.fewer < seen.covered / 50);	/* 0.8 to 1.3 % over many seeds */
	assert_true(seen.compared > seen.plans / 2 && seen.excess / seen.compared < 0.004);	/* 0.0004 to 0.0018 */
	assert_true(seen.near > seen.plans / 4 && seen.anti > seen.plans / 8 && seen.spread > seen.plans / 4);
	assert_true(seen.limit > seen.plans / 4 && seen.claim > seen.plans / 4);
}

struct large {
	int rounds;
	double worst, mean, share;	/* overhead beside the planted one; part of the pods that is covered */
};

static struct large large_plans(enum planted_kind kind, int groups, int rounds)
{
	static const struct reserve_settings settings = {.enabled = true, .namespace_ = "mesh"};
	struct rng r = rng_make(test_seed() + 2 + kind);
	struct large all = {.rounds = test_rounds(rounds)};
	int i;

	for (i = 0; i < all.rounds; i++) {
		auto_plan struct plan plan = {0};
		struct planted p;
		double ratio;

		planted_begin(&p, rng_make(rng_next(&r)), groups, kind);
		make_plan(&p.w, &settings, NULL, NULL, &plan);
		assert_int_equal(plan.covers.count + plan.uncovered_count, p.pods);
		ratio = plan.overhead / p.overhead;
		all.worst = ratio > all.worst ? ratio : all.worst;
		all.mean += ratio / all.rounds;
		all.share += (double)plan.covers.count / p.pods / all.rounds;
		planted_end(&p);
	}
	printf("# %d large plans: overhead beside the planted one's worst %.4f mean %.4f share %.4f\n", all.rounds, all.worst, all.mean, all.share);
	return all;
}

/* Of 80 all were 1; without try_all (plan_search.c) the share is 0.985. */
static void a_large_plan_fills_tight_room(void **state)
{
	struct large all = large_plans(PLANTED_TIGHT, 20, 1);

	(void)state;
	assert_true(all.share >= 0.997);
	assert_true(all.worst <= 1.003);
}

/* Of 120 all covered all; the mean was 1.087, the worst 1.126, and the standard deviation of two of them together 0.0065. */
static void a_large_plan_finds_the_room_that_costs_least(void **state)
{
	struct large all = large_plans(PLANTED_LOOSE, 20, 2);

	(void)state;
	assert_true(all.share >= 0.9995);
	assert_true(all.worst <= 1.15);
	assert_true(all.rounds < 2 || all.mean <= 1.12);	/* one is no mean */
}

/* Of 80, two by two, the mean share was 0.961, the least 0.953, the standard deviation 0.0034; without settle or make_way it is 0.94 to 0.947. */
static void a_large_plan_of_crowded_nodes_packs_well(void **state)
{
	struct large all = large_plans(PLANTED_CROWDED, 10, 2);

	(void)state;
	assert_true(all.share >= (all.rounds < 2 ? 0.935 : 0.948));
	assert_true(all.worst <= 1.02);		/* 0.988: less than the least for all, as not all are covered */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(covered_pods_can_be_placed_after_any_failure_with_the_least_room),
		cmocka_unit_test(covered_pods_that_are_bound_to_others_can_be_placed_together),
		cmocka_unit_test(a_large_plan_fills_tight_room),
		cmocka_unit_test(a_large_plan_finds_the_room_that_costs_least),
		cmocka_unit_test(a_large_plan_of_crowded_nodes_packs_well),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
