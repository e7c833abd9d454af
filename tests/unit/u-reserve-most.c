/*
 * A reserve with a limit (reserve.most), in the random clusters of u-reserve-plan. After each event:
 *
 *	- what the plan promises holds, and its overhead is not above the limit
 *	- without the limit, or with one that is not reached, the plan is the same as ever
 *	- who was given up would be too much on any node where he could go, even if nobody was covered but those who come before him: of a higher priority,
 *	  or of his own and covered before (and he was not). So nobody of a lower priority, and nobody new of the same, has a cover in his place
 *	- who is uncovered for another reason has no node where he could go
 *	- the same cluster gives the same plan, and the plan after it gives up nobody
 *	- the cache is as it was (a decision says the same: the next plan does)
 */
#include "sched/reserve/plan.h"

#include <stdio.h>
#include <string.h>

#include "lib/mem.h"
#include "tests/testing/refuges.h"

#define STEPS 4
#define CLUSTERS 1500

static struct {
	int plans, limited, given_up, shown, lower_has, again, grown;
} told;

static const struct profile *profile_of(const void *arg, const char *scheduler_name)
{
	const struct world *w = arg;

	return STREQ(scheduler_name, w->profile.scheduler_name) ? &w->profile : NULL;
}

static void make_plan(struct refuges *m, double most, const struct covers *previous, struct plan *out)
{
	const char *frozen = m->frozen >= 0 ? refuges_node(m->frozen) : NULL;
	struct reserve_settings settings = m->settings;
	const struct plan_input in = {
		.cache = m->w.cache, .mesh = m->w.mesh, .profile = profile_of, .profile_arg = &m->w, .settings = &settings,
		.previous = previous, .frozen = &frozen, .frozen_count = frozen ? 1 : 0, .mono_ms = m->w.mono_ms,
	};

	settings.most = most;
	plan_make(m->w.decider, &in, out);
}

static bool same(const struct plan *a, const struct plan *b)
{
	auto_buf struct buf x = {0}, y = {0};

	plan_print(a, &x);
	plan_print(b, &y);
	return STREQ(x.data, y.data);
}

static bool covers_have(const struct covers *c, const struct refuges *m, int i)
{
	auto_free char *uid = xasprintf("uid-p%d", m->ours[i].serial);
	size_t k;

	for (k = 0; k < c->count; k++)
		if (STREQ(c->items[k].uid, uid))
			return STREQ(c->items[k].node, refuges_node(m->ours[i].node));
	return false;
}

/* --- who depends on whom -------------------------------------------------------------------------------------------------------- */

static bool is_limited_to(const struct pod_model *p, int app)
{
	int i;

	for (i = 0; i < p->limit_count; i++)
		if (p->limits[i].of_app && p->limits[i].target == app)
			return true;
	return false;
}

static bool are_tied(const struct pod_model *a, const struct pod_model *b)
{
	return ((a->anti || b->anti) && a->app == b->app) || is_limited_to(a, b->app) || is_limited_to(b, a->app);
}

static bool is_tied(const struct refuges *m, int i)
{
	int k;

	for (k = 0; k < OURS; k++)
		if (k != i && refuges_wants(m, k) && m->ours[k].node == m->ours[i].node && are_tied(&m->ours[i], &m->ours[k]))
			return true;
	return false;
}

/* At most: others of its node may need it. */
static int rank_of(const struct refuges *m, int i)
{
	int rank = m->ours[i].priority, k;

	for (k = 0; k < OURS && is_tied(m, i); k++)
		if (refuges_wants(m, k) && m->ours[k].node == m->ours[i].node && m->ours[k].priority > rank)
			rank = m->ours[k].priority;
	return rank;
}

/* --- what it would cost ----------------------------------------------------------------------------------------------------------- */

/* Of pods with a refuge (-1: none), by the model. */
static double overhead_of(const struct refuges *m, const int *refuge)
{
	double sum = 0, pods = 0;
	bool asked[RESOURCES];
	int node, f, i, r, kinds = 0;

	refuges_asked(m, refuge, asked);
	for (r = 0; r < RESOURCES; r++) {
		double kept = 0, total = 0;

		for (node = 0; node < m->nodes; node++) {
			int most = 0;

			for (f = 0; f < m->nodes; f++) {
				int come = 0;

				for (i = 0; i < OURS; i++)
					come += refuges_wants(m, i) && m->ours[i].node == f && refuge[i] == node && m->ours[i].frozen_at < 0 ? m->ours[i].asks[r] : 0;
				most = come > most ? come : most;
			}
			kept += most;
			total += m->node[node].there ? m->node[node].has[r] : 0;
		}
		if (r == PODS)
			pods = total > 0 ? kept / total : 0;
		else if (asked[r])
			kinds++;
		if (r != PODS && asked[r] && total > 0)
			sum += kept / total;
	}
	return kinds ? sum / kinds : pods;
}

/* Beside those of its own node that are covered. */
static bool could_go(const struct refuges *m, int i, int node, const int *refuge)
{
	int at[OURS], left[RESOURCES], k, r;

	if (!m->node[node].there || m->node[node].cordoned || node == m->ours[i].node || node == m->frozen)
		return false;
	refuges_where(m, m->ours[i].node, at);
	refuges_free(m, node, false, left);
	for (k = 0; k < OURS; k++) {
		if (k == i || !refuges_wants(m, k) || m->ours[k].node != m->ours[i].node || refuge[k] < 0)
			continue;
		at[k] = refuge[k];
		for (r = 0; r < RESOURCES && refuge[k] == node; r++)
			left[r] -= m->ours[k].asks[r];
	}
	return refuges_within(m->ours[i].asks, left) && refuges_hold(m, i, node, at);
}

/* Those who come before it, and who was there at its turn for sure. */
static void before_it(const struct refuges *m, int i, const int *refuge, const struct covers *previous, int *all, int *sure)
{
	bool was = covers_have(previous, m, i);
	int k;

	for (k = 0; k < OURS; k++) {
		int rank = rank_of(m, k);
		bool kept = m->ours[k].frozen_at >= 0;

		all[k] = kept || rank > m->ours[i].priority || (rank == m->ours[i].priority && (!was || covers_have(previous, m, k))) ? refuge[k] : -1;
		sure[k] = kept || m->ours[k].priority > m->ours[i].priority ? refuge[k] : -1;
		told.lower_has += refuge[k] >= 0 && !kept && rank < m->ours[i].priority;
	}
}

static void check_given_up(const struct refuges *m, const struct plan *p, int i, double most, const int *refuge, const struct covers *previous)
{
	bool asked[RESOURCES], asked_for_sure[RESOURCES];
	int all[OURS], sure[OURS], node;

	before_it(m, i, refuge, previous, all, sure);
	all[i] = sure[i] = m->ours[i].node;	/* whichever it is */
	refuges_asked(m, all, asked);
	refuges_asked(m, sure, asked_for_sure);
	if (memcmp(asked, asked_for_sure, sizeof(asked)) != 0)
		return;		/* the mean is of more resources, and may have become less */
	for (node = 0; node < m->nodes; node++) {
		if (!could_go(m, i, node, refuge))
			continue;
		all[i] = node;
		told.shown++;
		if (overhead_of(m, all) > most - 1e-9)
			continue;
		refuges_explain(m, p);
		fail_msg("most %g: p%d of priority %d is given up, and could be on %s", most, m->ours[i].serial, m->ours[i].priority, refuges_node(node));
	}
}

static void check_uncovered(const struct refuges *m, const struct plan *p, double most, const int *refuge, const struct covers *previous)
{
	auto_free char *words = xasprintf("reserve.most (%g %%) is reached", most * 100);
	size_t k;
	int i, node;

	for (k = 0; k < p->uncovered_count; k++) {
		bool given_up = STREQ(p->uncovered[k].reason, words);

		i = refuges_pod_of(m, p->uncovered[k].uid);
		told.given_up += given_up;
		if (m->ours[i].orphan || is_tied(m, i))
			continue;
		if (given_up)
			check_given_up(m, p, i, most, refuge, previous);
		for (node = 0; node < m->nodes && !given_up; node++)
			if (could_go(m, i, node, refuge)) {
				refuges_explain(m, p);
				fail_msg("most %g: p%d could be on %s, and is told: %s", most, m->ours[i].serial, refuges_node(node), p->uncovered[k].reason);
			}
	}
}

/* --- plan after plan ---------------------------------------------------------------------------------------------------------------- */

/* A tied pod may be found another place the next time, and then those of a lower priority make way for it; nobody else is given up. */
static void check_lost(const struct refuges *m, const struct plan *p, const struct plan *next, double most)
{
	int i, k;

	for (i = 0; i < OURS; i++) {
		bool excused = false;

		if (!refuges_wants(m, i) || !covers_have(&p->covers, m, i) || covers_have(&next->covers, m, i))
			continue;
		for (k = 0; k < OURS; k++)
			excused |= refuges_wants(m, k) && is_tied(m, k) && rank_of(m, k) > m->ours[i].priority && covers_have(&next->covers, m, k) &&
				   !covers_have(&p->covers, m, k);
		if (excused)
			continue;
		refuges_explain(m, p);
		refuges_explain(m, next);
		fail_msg("most %g: p%d loses its cover to nobody", most, m->ours[i].serial);
	}
}

static void check_again(struct refuges *m, const struct plan *p, double most, const struct covers *previous)
{
	auto_plan struct plan twin = {0}, next = {0};

	make_plan(m, most, previous, &twin);
	assert_true(same(p, &twin));
	make_plan(m, most, &p->covers, &next);
	told.again++;
	told.grown += next.covers.count > p->covers.count;
	check_lost(m, p, &next, most);
}

static void step(struct refuges *m)
{
	static const double mosts[] = {0.01, 0.03, 0.05, 0.08, 0.12, 0.2, 0.3};
	double most = mosts[rng_below(&m->rng, ARRAY_SIZE(mosts))];
	auto_plan struct plan without = {0}, loose = {0};
	struct plan next;
	int refuge[OURS];

	refuges_freeze(m);
	make_plan(m, 0, &m->plan.covers, &without);
	make_plan(m, without.overhead > 0 ? without.overhead : 0.01, &m->plan.covers, &loose);
	assert_true(same(&without, &loose));
	make_plan(m, most, &m->plan.covers, &next);
	told.plans++;
	refuges_check_promises(m, &next, refuge);
	assert_true(next.overhead <= most);
	if (without.overhead <= most) {
		assert_true(same(&without, &next));
	} else {
		told.limited++;
		check_uncovered(m, &next, most, refuge, &m->plan.covers);
		check_again(m, &next, most, &m->plan.covers);
	}
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

static void the_limit_holds_and_the_less_important_go_first(void **state)
{
	struct rng r = rng_make(test_seed());
	int i;

	(void)state;
	for (i = 0; i < test_rounds(CLUSTERS); i++)
		live(rng_make(rng_next(&r)));
	printf("# %d plans, %d limited, %d pods given up, %d places shown to be too much, %d beside a cover of lower priority; made again %d, grown %d\n", told.plans,
	       told.limited, told.given_up, told.shown, told.lower_has, told.again, told.grown);
	assert_true(told.limited > told.plans / 4);
	assert_true(told.shown > told.limited / 2);
	assert_true(told.lower_has > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_limit_holds_and_the_less_important_go_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
