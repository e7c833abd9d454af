/* Folding: what holds for any reports. */
#include "tests/unit/fold_world.h"

/* --- what holds for any reports ------------------------------------------------------------------------------------ */

static void random_report(struct world *w, uint32_t i, struct rng *rng)
{
	size_t k;

	reports(w, i, rng_chance(rng, 0.1) ? "boot2" : "boot", 1 + rng_below(rng, 6), rng_unit(rng) * 20000);
	w->age_s[i] = rng_chance(rng, 0.2) ? rng_unit(rng) * 1500 - 300 : rng_unit(rng) * 60;
	for (k = 0; k < w->reports[i].peers.count; k++) {
		struct report_link *link = &w->reports[i].peers.items[k];

		if (rng_chance(rng, 0.2))
			link->rtt_us = link->jitter_us = NAN;
		link->loss = rng_chance(rng, 0.1) ? (double)NAN : isnan(link->rtt_us) ? 1 : rng_unit(rng);
	}
	w->reports[i].publish_s = rng_chance(rng, 0.2) ? (double)NAN : 1 + rng_below(rng, 100);
	for (k = 0; k < w->reports[i].peers.count; k++)
		w->reports[i].peers.items[k].silent_s = rng_chance(rng, 0.3) ? (double)NAN : rng_unit(rng) * 300;
	if (rng_chance(rng, 0.3))
		add_client(w, i, rng_chance(rng, 0.5) ? "milan" : "rome", rng_unit(rng) * 1000);
}

static void random_step(struct world *w, struct rng *rng)
{
	uint32_t i, nodes = 3 + rng_below(rng, NODES_MAX - 3);

	names_free(&w->nodes);
	for (i = 0; i < nodes; i++)
		if (rng_chance(rng, 0.9))
			names_add(&w->nodes, node_names[i]);
	for (i = 0; i < NODES_MAX; i++) {
		if (rng_chance(rng, 0.6))
			random_report(w, i, rng);
		w->there[i] = w->reports[i].node && rng_chance(rng, 0.7);
	}
}

static char *as_text(const struct snapshot *s)
{
	struct buf text = {0};

	snapshot_write(s, &text);
	return text.data;
}

static void shuffle(uint32_t *order, struct rng *rng)
{
	uint32_t i;

	for (i = NODES_MAX - 1; i > 0; i--) {
		uint32_t other = rng_below(rng, i + 1), kept = order[i];

		order[i] = order[other];
		order[other] = kept;
	}
}

static void order_does_not_matter(struct world *w, double elapsed_s, struct rng *rng)
{
	auto_snapshot struct snapshot a = {0}, b = {0};
	auto_free char *one = NULL, *two = NULL;
	uint32_t order[NODES_MAX];

	memcpy(order, straight, sizeof(order));
	shuffle(order, rng);
	fold_in_order(w, elapsed_s, straight, &a);
	fold_in_order(w, elapsed_s, order, &b);
	one = as_text(&a);
	two = as_text(&b);
	assert_string_equal(one, two);
}

/* What users saw changes client cells that no probe measured, and nothing else: no verdict, no link. */
static void observations_are_apart(struct world *w, double elapsed_s)
{
	auto_snapshot struct snapshot with = {0}, without = {0};
	enum fold_verdict verdicts[NODES_MAX];
	struct observe *seen = w->seen;
	size_t i, cells;

	fold_in_order(w, elapsed_s, straight, &with);
	memcpy(verdicts, w->verdicts, sizeof(verdicts));
	w->seen = NULL;
	fold_in_order(w, elapsed_s, straight, &without);
	w->seen = seen;
	assert_memory_equal(verdicts, w->verdicts, sizeof(verdicts));
	assert_int_equal(with.nodes.count, without.nodes.count);
	assert_memory_equal(with.link.rtt_us, without.link.rtt_us, sizeof(float) * with.nodes.count * with.nodes.count);
	cells = (size_t)with.nodes.count * with.clients.count;
	for (i = 0; i < cells; i++) {
		uint32_t column = names_find(&without.clients, with.clients.items[i % with.clients.count]);
		size_t at = i / with.clients.count * without.clients.count + column;

		if (column == NAMES_NONE || isnan(without.client.loss[at]) || isnan(without.client.rtt_us[at]))
			continue;			/* no probe measured it */
		assert_true(with.client.rtt_us[i] == without.client.rtt_us[at] && with.client.loss[i] == without.client.loss[at]);
	}
}

static void client_cells_are_whole(const struct snapshot *s)
{
	size_t i;

	for (i = 0; s->client_estimate_us && i < (size_t)s->nodes.count * s->clients.count; i++)
		if (!isnan(s->client_estimate_us[i]))
			assert_true(s->client_estimate_us[i] > 0 && s->client_estimate_us[i] <= s->client.rtt_us[i] && isnan(s->client.jitter_us[i]) &&
				    isnan(s->client.loss[i]));
}

static void random_observations(struct world *w, struct rng *rng)
{
	static const char *const groups[] = {"milan", "rome", "turin", "bari"};
	int i;

	for (i = (int)rng_below(rng, 8); i--;) {
		char group[16], node[16];
		auto_free char *reporter = xasprintf("10.0.0.%u", rng_below(rng, 4));
		struct observe_tally ignored = {0};

		snprintf(group, sizeof(group), "%s", groups[rng_below(rng, ARRAY_SIZE(groups))]);
		snprintf(node, sizeof(node), "%s", node_names[rng_below(rng, NODES_MAX)]);
		assert_true(observe_post(w->seen, reporter, &(struct observe_item){group, node, 0.05 + 50 * rng_unit(rng), 1}, 1, 0, &ignored));
	}
}

/* What a report of `from` says of `to`, as the file holds it; NaN when it says nothing. */
static float reported(const struct world *w, uint32_t from, const char *to)
{
	size_t k;

	for (k = 0; w->there[from] && k < w->reports[from].peers.count; k++)
		if (STREQ(w->reports[from].peers.items[k].name, to))
			return (float)(floor(w->reports[from].peers.items[k].rtt_us * 10 + 0.5) / 10);
	return NAN;
}

/* Each number of the result is the report's (fresh), or the one before (kept), or unknown: nothing is invented. */
static void nothing_is_invented(const struct world *before, const struct world *w)
{
	uint32_t i, j;

	for (i = 0; i < NODES_MAX; i++)
		for (j = 0; j < NODES_MAX; j++) {
			float now = rtt(w, i, j), then = before->has_last ? rtt(before, i, j) : NAN;

			if (i == j || isnan(now))
				continue;
			if (w->verdicts[i] == FOLD_FRESH)
				assert_true(now == reported(w, i, node_names[j]));
			else
				assert_true(now == then);
		}
}

/* fold.h in other words: of the reports that are fresh and young, by node. */
static void silence_is_as_it_says(const struct world *w)
{
	uint32_t i, from;
	size_t k;

	for (i = 0; i < w->last.nodes.count; i++) {
		uint32_t witnesses = 0;
		double lost_s = NAN;

		for (from = 0; from < NODES_MAX; from++) {
			const struct report *r = &w->reports[from];
			double limit_s = fmin((isnan(r->publish_s) ? 30 : r->publish_s) + 25, 180); /* all have an interval of 10 s */

			if (!w->there[from] || w->verdicts[from] != FOLD_FRESH || w->age_s[from] > limit_s || w->age_s[from] < -2)
				continue;
			for (k = 0; k < r->peers.count; k++)
				if (STREQ(r->peers.items[k].name, w->last.nodes.items[i]) && !isnan(r->peers.items[k].silent_s)) {
					lost_s = fmin(lost_s, r->peers.items[k].silent_s);
					witnesses++;
				}
		}
		assert_int_equal(w->last.witnesses[i], witnesses);
		assert_true(witnesses ? fabs(w->last.lost_s[i] - lost_s) < 0.001 : isnan(w->last.lost_s[i]));
		assert_true(witnesses < w->last.nodes.count);
	}
}

static void rows_are_whole(const struct world *w)
{
	const struct snapshot *s = &w->last;
	uint32_t i, j;

	assert_int_equal(w->summary.fresh + w->summary.aged + w->summary.unknown, s->nodes.count);
	assert_in_range(s->degraded_runs, 0, FOLD_PATIENCE - 1);
	for (i = 0; i < s->nodes.count; i++) {
		assert_true(isnan(s->age_s[i]) || w->summary.held_back || s->age_s[i] < FOLD_DEAD_PERIODS * s->period_s);
		assert_true(i == 0 || strcmp(s->nodes.items[i - 1], s->nodes.items[i]) < 0);
		for (j = 0; j < s->nodes.count; j++)
			assert_true(i == j || !isnan(s->age_s[i]) || isnan(s->link.rtt_us[i * s->nodes.count + j]));
	}
}

/*
 * The same reports again, no time later: the same numbers. Only a fold that held back may go on to the next step of that, and a report that
 * contradicted a column which is gone by now contradicts no more.
 */
static void again_changes_nothing(struct world *w)
{
	auto_snapshot struct snapshot again = {0};
	size_t i, cells = (size_t)w->last.nodes.count * w->last.nodes.count;
	bool odd = w->summary.held_back || w->summary.conflicts;

	fold_in_order(w, 0, straight, &again);
	if (odd || w->summary.held_back || w->summary.conflicts)
		return;
	assert_int_equal(again.nodes.count, w->last.nodes.count);
	for (i = 0; i < cells; i++) {
		float a = again.link.rtt_us[i], b = w->last.link.rtt_us[i];

		assert_true(a == b || (isnan(a) && isnan(b)));
	}
	for (i = 0; i < (size_t)w->last.nodes.count * w->last.clients.count; i++) {
		uint32_t column = names_find(&again.clients, w->last.clients.items[i % w->last.clients.count]);
		float b = w->last.client.rtt_us[i], a = column == NAMES_NONE ? NAN : again.client.rtt_us[i / w->last.clients.count * again.clients.count + column];

		assert_true(a == b || (isnan(a) && isnan(b)));
	}
	for (i = 0; i < again.nodes.count; i++) {
		assert_true(again.lost_s[i] == w->last.lost_s[i] || (isnan(again.lost_s[i]) && isnan(w->last.lost_s[i])));
		assert_int_equal(again.witnesses[i], w->last.witnesses[i]);
	}
	for (i = 0; i < again.nodes.count; i++)
		assert_true(fabs(again.age_s[i] - w->last.age_s[i]) < 0.001 || (isnan(again.age_s[i]) && isnan(w->last.age_s[i])));
}

static void holds_for_any_reports(void **state)
{
	struct rng rng = rng_make(test_seed());
	int walk, step;

	(void)state;
	for (walk = 0; walk < 60; walk++) {
		struct world w;

		world_init(&w, 5);
		w.seen = observe_new();
		for (step = 0; step < 20; step++) {
			double elapsed_s = rng_chance(&rng, 0.1) ? rng_unit(&rng) * 1000 : 60;
			struct world before;

			random_step(&w, &rng);
			observe_expect(w.seen, &w.nodes, NULL);
			random_observations(&w, &rng);
			order_does_not_matter(&w, elapsed_s, &rng);
			observations_are_apart(&w, elapsed_s);
			before = w;
			w.last = (struct snapshot){0};
			if (before.has_last) { /* run() frees what it replaces */
				auto_free char *text = as_text(&before.last);
				struct lm_err err;

				assert_int_equal(snapshot_parse(text, strlen(text), &w.last, &err), 0);
			}
			run(&w, elapsed_s);
			nothing_is_invented(&before, &w);
			snapshot_free(&before.last);
			silence_is_as_it_says(&w);
			rows_are_whole(&w);
			client_cells_are_whole(&w.last);
			again_changes_nothing(&w);
		}
		observe_free(w.seen);
		world_free(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holds_for_any_reports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
