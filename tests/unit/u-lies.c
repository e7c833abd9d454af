/*
 * The share of a reporter that lies (observe.h), from its posts to the node that the scheduler chooses: random worlds, random honest reporters, one liar
 * with anything at all. LIES_ROUNDS=... for more than the 10,000 lies of an ordinary run.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "merge/estimate.h"
#include "merge/fold.h"
#include "tests/testing/world.h"

#define NODES 7
#define GROUPS 3
#define HONEST_MAX 4
#define LIES_EACH 8
#define ROUNDS 1500
#define LIAR "10.0.0.66"
#define TIE (1 / 0.99 + 1e-5)		/* nodes within a point of the best are equal to the scheduler (pick.h) */
#define SLACK_US 1.0			/* rounding of the file, and floats */

static const char *const node_names[NODES] = {"n0", "n1", "n2", "n3", "n4", "n5", "n6"};
static const char *const group_names[GROUPS] = {"g0", "g1", "g2"};

/* A plane: nodes and users are points, so that the triangle holds. */
struct plane {
	double x[NODES], y[NODES];
	double truth_us[GROUPS][NODES];
	double noise;			/* of what honest reporters say */
	int honest;
	double said_us[HONEST_MAX][GROUPS][NODES];	/* NaN: not */
	bool liar_said[GROUPS][NODES], liar_named[GROUPS];
	bool probed[GROUPS][NODES];
	struct names nodes;
};

/* What came out for the groups. */
struct result {
	struct snapshot snapshot;
	uint32_t column[GROUPS];	/* NAMES_NONE: no client */
};

static int lies, drawn, sound;

static double link_us(const struct plane *p, int a, int b)
{
	return hypot(p->x[a] - p->x[b], p->y[a] - p->y[b]) * 1e3 + (a == b ? 0 : 100);
}

static void make_plane(struct rng *r, struct plane *p)
{
	int i, g, h;

	*p = (struct plane){.noise = rng_chance(r, 0.5) ? 0 : 0.03, .honest = (int)rng_below(r, HONEST_MAX + 1)};
	for (i = 0; i < NODES; i++) {
		names_add(&p->nodes, node_names[i]);
		p->x[i] = 40 * rng_unit(r);
		p->y[i] = 40 * rng_unit(r);
	}
	for (g = 0; g < GROUPS; g++) {
		double x = 40 * rng_unit(r), y = 40 * rng_unit(r), access_us = 1000 + 9000 * rng_unit(r), share = rng_unit(r);

		for (i = 0; i < NODES; i++) {
			p->truth_us[g][i] = hypot(p->x[i] - x, p->y[i] - y) * 1e3 + access_us;
			p->probed[g][i] = g == 0 && rng_chance(r, 0.2);
			for (h = 0; h < HONEST_MAX; h++)
				p->said_us[h][g][i] = h < p->honest && rng_chance(r, share) ?
					p->truth_us[g][i] * (1 + p->noise * (2 * rng_unit(r) - 1)) : (double)NAN;
		}
	}
}

/* --- posts ------------------------------------------------------------------------------------------------------------- */

static bool post(struct observe *o, const char *reporter, const char *text, struct observe_tally *tally)
{
	struct observe_post parsed;
	struct lm_err err;
	bool good = observe_post_parse(text, strlen(text), &parsed, tally, &err) == 0;

	if (good)
		assert_true(observe_post(o, reporter, parsed.items, parsed.count, 1000, tally));
	observe_post_free(&parsed);
	return good;
}

static void post_honestly(const struct plane *p, struct observe *o)
{
	int h, g, i;

	for (h = 0; h < p->honest; h++)
		for (g = 0; g < GROUPS; g++)
			for (i = 0; i < NODES; i++) {
				auto_free char *reporter = xasprintf("10.0.0.%d", h + 1);
				auto_free char *text = xasprintf("{\"observations\":[{\"group\":\"%s\",\"node\":\"%s\",\"ms\":%.9g,\"count\":5}]}",
								 group_names[g], node_names[i], p->said_us[h][g][i] / 1e3);
				struct observe_tally tally = {0};

				if (!isnan(p->said_us[h][g][i]))
					assert_true(post(o, reporter, text, &tally) && tally.accepted == 1);
			}
}

static void lie(struct rng *r, struct plane *p, struct observe *o)
{
	static const char *const values[] = {"0", "0.05", "0.051", "60000", "59999", "NaN", "1e999", "-1", "1e308", "null", "\"3\"", "0.3", "5", "1e-300", "45"};
	static const char *const counts[] = {"1", "1", "1000000000", "0", "-5", "1e15", "1.5", "null", "1000"};
	const char *value = values[rng_below(r, ARRAY_SIZE(values))], *count = counts[rng_below(r, ARRAY_SIZE(counts))];
	int g = (int)rng_below(r, GROUPS), i = (int)rng_below(r, NODES), times = rng_chance(r, 0.05) ? 50 : 1;
	bool strange_group = rng_chance(r, 0.15), strange_node = rng_chance(r, 0.1);
	auto_free char *group = strange_group ? xasprintf(rng_chance(r, 0.5) ? "x%u" : "X %u\\u0007", rng_below(r, 1000)) : xstrdup(group_names[g]);
	auto_free char *node = strange_node ? xasprintf("m%u", rng_below(r, 1000)) : xstrdup(node_names[i]);
	auto_free char *near = xasprintf("%.6g", p->truth_us[g][i] / 1e3 * (0.1 + rng_unit(r)));
	auto_free char *text = xasprintf("{\"observations\":[{\"group\":\"%s\",\"node\":\"%s\",\"ms\":%s,\"count\":%s}]}", group, node,
					 rng_chance(r, 0.2) ? near : value, count);
	struct observe_tally tally = {0};

	while (times--)
		post(o, LIAR, text, &tally);
	if (tally.accepted && !strange_group && !strange_node)
		p->liar_said[g][i] = p->liar_named[g] = true;
	lies++;
}

/* --- the fold ----------------------------------------------------------------------------------------------------------- */

static void put_report(const struct plane *p, struct fold *f, int node)
{
	struct report report = {.node = xstrdup(node_names[node]), .boot_id = "b", .seq = 1, .interval_s = 10, .cpu = NAN, .rx_bytes_per_s = NAN,
				.tx_bytes_per_s = NAN};
	int i, g;

	for (i = 0; i < NODES; i++)
		if (i != node) {
			struct report_link *link = report_links_add(&report.peers, node_names[i]);

			link->rtt_us = link_us(p, node, i);
			link->jitter_us = link->loss = 0;
		}
	for (g = 0; g < GROUPS; g++)
		if (p->probed[g][node]) {
			struct report_link *link = report_links_add(&report.clients, group_names[g]);

			link->rtt_us = p->truth_us[g][node];
			link->jitter_us = link->loss = 0;
		}
	assert_int_equal(fold_report(f, &report, 0), FOLD_FRESH);
	report_free(&report);
}

/* Through text, as in life. */
static struct result fold_all(const struct plane *p, const struct observe *o)
{
	struct observed observed;
	struct fold *f;
	struct fold_summary summary;
	auto_snapshot struct snapshot next = {0};
	auto_buf struct buf text = {0};
	struct result out = {0};
	struct lm_err err;
	int i;

	observe_collect(o, &observed);
	f = fold_new(&(struct fold_settings){.nodes = &p->nodes, .observed = &observed, .interval_s = 60});
	for (i = 0; i < NODES; i++)
		put_report(p, f, i);
	fold_finish(f, &next, &summary);
	fold_free(f);
	observed_free(&observed);
	snapshot_write(&next, &text);
	if (snapshot_parse(text.data, text.len, &out.snapshot, &err) < 0)
		fail_msg("%s", err.msg);
	for (i = 0; i < GROUPS; i++)
		out.column[i] = names_find(&out.snapshot.clients, group_names[i]);
	return out;
}

static double shown_us(const struct result *r, int g, int node, bool cost)
{
	size_t at = (size_t)node * r->snapshot.clients.count + r->column[g];

	if (r->column[g] == NAMES_NONE)
		return (double)NAN;
	if (cost && r->snapshot.client_estimate_us && !isnan(r->snapshot.client_estimate_us[at]))
		return r->snapshot.client_estimate_us[at];
	return r->snapshot.client.rtt_us[at];
}

static bool is_estimate(const struct result *r, int g, int node)
{
	return r->snapshot.client_estimate_us && !isnan(r->snapshot.client_estimate_us[(size_t)node * r->snapshot.clients.count + r->column[g]]);
}

struct words {				/* of one cell */
	int honest, all;
	double least_us, most_us;	/* of the honest ones */
};

static struct words words_of(const struct plane *p, int g, int node)
{
	struct words w = {.least_us = INFINITY};
	int h;

	for (h = 0; h < p->honest; h++)
		if (!isnan(p->said_us[h][g][node])) {
			w.honest++;
			w.least_us = fmin(w.least_us, p->said_us[h][g][node]);
			w.most_us = fmax(w.most_us, p->said_us[h][g][node]);
		}
	w.all = w.honest + p->liar_said[g][node];
	return w;
}

/* The costs that cells which so many say give alone, as if probes had measured them. */
static struct result reference_of(const struct plane *p, const struct result *r, int g, int reporters)
{
	struct result out = {.column = {0}};
	struct names clients = {0};
	struct estimate_summary ignored;
	int i;

	names_add(&clients, group_names[g]);
	snapshot_init(&out.snapshot, &r->snapshot.nodes, &clients);
	names_free(&clients);
	memcpy(out.snapshot.link.rtt_us, r->snapshot.link.rtt_us, sizeof(float) * NODES * NODES);
	for (i = 0; i < NODES; i++) {
		out.snapshot.age_s[i] = 0;
		if (is_estimate(r, g, i) || (!p->probed[g][i] && words_of(p, g, i).all < reporters))
			continue;
		out.snapshot.client.rtt_us[i] = r->snapshot.client.rtt_us[(size_t)i * r->snapshot.clients.count + r->column[g]];
		out.snapshot.client.jitter_us[i] = out.snapshot.client.loss[i] = 0;
	}
	estimate_clients(&out.snapshot, NULL, &ignored);
	return out;
}

/* --- what is promised ----------------------------------------------------------------------------------------------------- */

static bool has_honest_word(const struct plane *p, int g)
{
	int i;

	for (i = 0; i < NODES; i++)
		if (words_of(p, g, i).honest || p->probed[g][i])
			return true;
	return false;
}

static void check_cells(const struct plane *p, const struct result *r, int g)
{
	int i;

	for (i = 0; i < NODES; i++) {
		struct words w = words_of(p, g, i);
		double cost_us = shown_us(r, g, i, true), bound_us = shown_us(r, g, i, false);

		if (p->probed[g][i]) {
			assert_float_equal(cost_us, p->truth_us[g][i], SLACK_US);
			continue;
		}
		if (w.all >= ESTIMATE_FIRM)
			assert_true(!is_estimate(r, g, i) && cost_us >= w.least_us - SLACK_US && cost_us <= w.most_us + SLACK_US);
		if (w.honest >= 2 && w.all == w.honest)
			assert_true(!is_estimate(r, g, i) && cost_us <= w.most_us + SLACK_US);
		if (w.honest)
			assert_true(cost_us >= w.least_us - SLACK_US);
		assert_true(cost_us <= bound_us);
		/* a limit that this passes is kept, by what honest ones know */
		assert_true(bound_us >= p->truth_us[g][i] * (1 - p->noise) - SLACK_US);
	}
}

static bool measured_by_two(const struct plane *p, int g)
{
	int i;

	for (i = 0; i < NODES; i++)
		if (p->probed[g][i] || words_of(p, g, i).all >= ESTIMATE_PAIR)
			return true;
	return false;
}

/* Estimates are not below what firm cells, or all of the measure, give alone; what nobody names has just the larger of them. */
static void check_estimates(const struct plane *p, const struct result *r, int g)
{
	struct result firm = reference_of(p, r, g, ESTIMATE_FIRM), pairs = reference_of(p, r, g, ESTIMATE_PAIR);
	int i, measured = 0;

	for (i = 0; i < NODES; i++)
		measured += !is_estimate(r, g, i);
	for (i = 0; measured && i < NODES; i++) {
		double least_us = fmax(shown_us(&firm, 0, i, true), shown_us(&pairs, 0, i, true));

		least_us = fmin(least_us, shown_us(r, g, i, false));

		if (!is_estimate(r, g, i))
			continue;
		assert_true(!measured_by_two(p, g) || shown_us(r, g, i, true) >= least_us - SLACK_US);
		if (!words_of(p, g, i).all && measured_by_two(p, g))
			assert_true(shown_us(r, g, i, true) <= least_us + SLACK_US);
	}
	snapshot_free(&firm.snapshot);
	snapshot_free(&pairs.snapshot);
}

/* What honest reporters, or a probe, say of the best node that two of them name. */
static double best_sound_us(const struct plane *p, int g)
{
	double best_us = INFINITY;
	int i;

	for (i = 0; i < NODES; i++) {
		struct words w = words_of(p, g, i);

		if (p->probed[g][i])
			best_us = fmin(best_us, p->truth_us[g][i]);
		else if (w.honest >= 2)
			best_us = fmin(best_us, w.most_us);
	}
	return best_us;
}

static void check_choice(const struct plane *p, const struct result *r, int g, int chosen)
{
	double chosen_us = shown_us(r, g, chosen, true), best_us = best_sound_us(p, g);
	struct words w = words_of(p, g, chosen);
	int i;

	if (!(chosen_us <= best_us * TIE + SLACK_US) || (w.honest && !p->probed[g][chosen] && !(w.least_us <= best_us * TIE + SLACK_US))) {
		for (i = 0; i < NODES; i++)
			printf("# n%d%s truth %.1f shown %.1f bound %.1f%s, %d honest, %d in all\n", i, i == chosen ? "*" : "", p->truth_us[g][i],
			       shown_us(r, g, i, true), shown_us(r, g, i, false), is_estimate(r, g, i) ? "~" : "", words_of(p, g, i).honest,
			       words_of(p, g, i).all);
		fail_msg("%s: a node of %.1f us was chosen, two honest ones say %.1f us of another", group_names[g], chosen_us, best_us);
	}
	sound += best_us < INFINITY && p->liar_named[g];
}

/* Links, what probes measured, and groups that the liar does not name are what they were without him. */
static void check_rest(const struct plane *p, const struct result *with, const struct result *without)
{
	int g, i;

	assert_memory_equal(with->snapshot.link.rtt_us, without->snapshot.link.rtt_us, sizeof(float) * NODES * NODES);
	for (g = 0; g < GROUPS; g++)
		for (i = 0; i < NODES; i++) {
			double a = shown_us(with, g, i, true), b = shown_us(without, g, i, true);

			if (!p->liar_named[g])
				assert_true((isnan(a) && isnan(b)) || (a >= b && a <= b));
		}
	assert_true(with->snapshot.clients.count <= GROUPS + OBSERVE_GROUPS_EACH);
}

static void decide_and_check(const struct plane *p, struct result *r, struct world *w)
{
	struct snapshot kept = w->snapshot;
	int g, i;

	w->snapshot = r->snapshot;
	world_take(w);
	for (g = 0; g < GROUPS; g++) {
		int best = 0;

		if (r->column[g] == NAMES_NONE || !has_honest_word(p, g))
			continue;
		check_cells(p, r, g);
		check_estimates(p, r, g);
		world_again(w, group_names[g]);
		assert_true(w->decision.node >= 0);
		check_choice(p, r, g, (int)names_find(&p->nodes, world_chosen(w)));
		for (i = 0; i < NODES; i++)
			best = p->truth_us[g][i] < p->truth_us[g][best] ? i : best;
		drawn += p->liar_named[g] && !STREQ(world_chosen(w), node_names[best]);
	}
	w->snapshot = kept;
}

static void a_lie_moves_no_choice_beyond_its_share(void **state)
{
	struct rng r = rng_make(test_seed());
	const char *more = getenv("LIES_ROUNDS");
	int rounds = more ? atoi(more) : ROUNDS, round, i;
	struct world w;

	(void)state;
	world_begin(&w, "n0 n1 n2 n3 n4 n5 n6", "g0 g1 g2");
	memset(w.profile.weight_asking, 0, sizeof(w.profile.weight_asking));
	w.profile.weight_asking[SCORE_LATENCY] = 1;
	for (i = 0; i < GROUPS; i++) {
		auto_free char *near = xasprintf("\"latency-mesh.io/near\":\"client/%s\"", group_names[i]);

		world_decide(&w, group_names[i], "", near);
	}
	for (round = 0; round < rounds; round++) {
		struct observe *o = observe_new();
		struct plane p;
		struct result without, with;

		make_plane(&r, &p);
		observe_expect(o, &p.nodes, NULL);
		post_honestly(&p, o);
		without = fold_all(&p, o);
		for (i = 0; i < LIES_EACH; i++)
			lie(&r, &p, o);
		with = fold_all(&p, o);
		check_rest(&p, &with, &without);
		decide_and_check(&p, &with, &w);
		snapshot_free(&without.snapshot);
		snapshot_free(&with.snapshot);
		names_free(&p.nodes);
		observe_free(o);
	}
	world_end(&w);
	printf("# %d lies; in %d choices that they could touch two honest ones named a node; in all %d choices were not the best\n", lies, sound, drawn);
	assert_true(more || (lies >= 10000 && sound > 500));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(a_lie_moves_no_choice_beyond_its_share)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
