/* fold.h, where traffic enters and the nodes' traffic: kept, aged, dropped, by example; and what holds for any history. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/mem.h"
#include "merge/fold.h"
#include "tests/testing/testing.h"

#define NODES 6
#define PERIOD_S 60.0

static const char *const node_names[NODES] = {"n0", "n1", "n2", "n3", "n4", "n5"};

/* What came out last, through text as in life; the next run's input. */
struct world {
	struct snapshot last;
	bool has_last;
	struct fold_summary summary;
	struct names nodes;
	struct snapshot_entry entry, traffic;
	bool with_reports;
	int64_t seq;
};

static void members(struct world *w, unsigned mask)
{
	uint32_t i;

	names_free(&w->nodes);
	for (i = 0; i < NODES; i++)
		if (mask & (1u << i))
			names_add(&w->nodes, node_names[i]);
}

static void begin(struct world *w)
{
	*w = (struct world){.entry.age_s = NAN, .traffic.age_s = NAN, .with_reports = true};
	members(w, (1u << NODES) - 1);
}

static void end(struct world *w)
{
	snapshot_free(&w->last);
	names_free(&w->nodes);
	snapshot_entry_free(&w->entry);
	snapshot_entry_free(&w->traffic);
}

static void report(struct world *w, struct fold *f, uint32_t i)
{
	struct report r = {.node = w->nodes.items[i], .seq = w->seq, .interval_s = 10, .cpu = 0.5, .rx_bytes_per_s = 1000, .tx_bytes_per_s = 500, .boot_id = "boot"};
	uint32_t to;

	for (to = 0; to < w->nodes.count; to++)
		if (to != i) {
			struct report_link *link = report_links_add(&r.peers, w->nodes.items[to]);

			link->rtt_us = 100 + to;
			link->jitter_us = 1;
			link->loss = 0;
		}
	fold_report(f, &r, 0);
	r.node = NULL;
	report_free(&r);
}

/* Folds what the world says now; the rates given are used up. */
static void run(struct world *w, double elapsed_s)
{
	struct fold *f = fold_new(&(struct fold_settings){.previous = w->has_last ? &w->last : NULL, .nodes = &w->nodes, .interval_s = PERIOD_S,
							   .elapsed_s = elapsed_s, .entry = &w->entry, .traffic = &w->traffic});
	auto_snapshot struct snapshot next = {0};
	auto_buf struct buf text = {0}, again = {0};
	struct lm_err err;
	uint32_t i;

	w->seq++;
	for (i = 0; w->with_reports && i < w->nodes.count; i++)
		report(w, f, i);
	fold_finish(f, &next, &w->summary);
	fold_free(f);
	snapshot_write(&next, &text);
	snapshot_free(&w->last);
	if (snapshot_parse(text.data, text.len, &w->last, &err) < 0)
		fail_msg("%s in %s", err.msg, text.data);
	snapshot_write(&w->last, &again);
	assert_string_equal(again.data, text.data);
	w->has_last = true;
	snapshot_entry_free(&w->entry);
	snapshot_entry_free(&w->traffic);
}

static void is_at(const struct world *w, const char *node, double rate)
{
	uint32_t at = names_find(&w->last.entry.nodes, node);

	assert_int_not_equal(at, NAMES_NONE);
	assert_true(w->last.entry.rate[at] == rate);
}

static void new_rates_replace_old_ones_as_a_whole(void **state)
{
	struct world w;

	(void)state;
	begin(&w);
	snapshot_entry_add(&w.entry, "n3", 7.5);
	snapshot_entry_add(&w.entry, "n1", 0);
	w.entry.age_s = 2;
	run(&w, 0);
	is_at(&w, "n3", 7.5);
	is_at(&w, "n1", 0);
	assert_string_equal(w.last.entry.nodes.items[0], "n1"); /* by name */
	assert_true(w.last.entry.age_s == 2);
	snapshot_entry_add(&w.entry, "n2", 1);
	run(&w, 30);
	assert_int_equal(w.last.entry.nodes.count, 1);
	is_at(&w, "n2", 1);
	assert_true(w.last.entry.age_s == 0 && w.summary.entry_nodes == 1 && w.summary.entry_age_s == 0);
	end(&w);
}

static void silence_changes_nothing_until_10_periods_are_over(void **state)
{
	struct world w;
	int i;

	(void)state;
	begin(&w);
	snapshot_entry_add(&w.entry, "n0", 3);
	snapshot_entry_add(&w.entry, "n1", 1);
	run(&w, 0);
	for (i = 1; i < 10; i++) {
		snapshot_entry_add(&w.entry, "n4", 0); /* nothing but zeros is silence too */
		run(&w, PERIOD_S);
		assert_int_equal(w.last.entry.nodes.count, 2);
		is_at(&w, "n0", 3);
		assert_true(w.last.entry.age_s == i * PERIOD_S && !w.summary.entry_dropped);
	}
	run(&w, PERIOD_S);
	assert_int_equal(w.last.entry.nodes.count, 0);
	assert_true(w.summary.entry_dropped && isnan(w.summary.entry_age_s) && isnan(w.last.entry.age_s));
	run(&w, PERIOD_S);
	assert_false(w.summary.entry_dropped); /* said once */
	snapshot_entry_add(&w.entry, "n5", 1);
	run(&w, PERIOD_S);
	is_at(&w, "n5", 1);
	end(&w);
}

static void nodes_outside_of_the_mesh_are_left_out_and_counted(void **state)
{
	struct world w;

	(void)state;
	begin(&w);
	snapshot_entry_add(&w.entry, "n0", 3);
	snapshot_entry_add(&w.entry, "far-away", 9);
	snapshot_entry_add(&w.traffic, "else-where", 9);
	run(&w, 0);
	assert_int_equal(w.last.entry.nodes.count, 1);
	assert_int_equal(w.summary.strangers_entry, 1);
	assert_int_equal(w.summary.strangers_traffic, 1);
	snapshot_entry_add(&w.entry, "far-away", 9); /* alone: no news */
	run(&w, 60);
	is_at(&w, "n0", 3);
	assert_true(w.last.entry.age_s == 60);
	members(&w, 0x3e); /* n0 goes */
	run(&w, 60);
	assert_int_equal(w.last.entry.nodes.count, 0);
	assert_true(w.summary.entry_dropped);
	end(&w);
}

/* While rows are held back their nodes are there still, and so is what enters at them. */
static void held_back_rows_keep_their_entry(void **state)
{
	struct world w;

	(void)state;
	begin(&w);
	snapshot_entry_add(&w.entry, "n0", 3);
	run(&w, 0);
	members(&w, 0x20);
	run(&w, 60);
	assert_true(w.summary.held_back);
	is_at(&w, "n0", 3);
	run(&w, 60);
	run(&w, 60);
	assert_false(w.summary.held_back);
	assert_int_equal(w.last.entry.nodes.count, 0);
	end(&w);
}

static void traffic_of_the_query_replaces_the_reports(void **state)
{
	struct world w;
	uint32_t i;

	(void)state;
	begin(&w);
	run(&w, 0);
	assert_true(w.last.load[0].rx_bytes_per_s == 1000 && w.last.load[0].tx_bytes_per_s == 500);
	snapshot_entry_add(&w.traffic, "n0", 123456.4);
	snapshot_entry_add(&w.traffic, "n1", 0);
	run(&w, 60);
	assert_true(w.last.load[0].rx_bytes_per_s == 123456 && w.last.load[0].tx_bytes_per_s == 0);
	assert_true(w.last.load[1].rx_bytes_per_s == 0 && w.last.load[1].tx_bytes_per_s == 0);
	for (i = 2; i < NODES; i++) /* not named: unknown, and not a figure of another kind */
		assert_true(isnan(w.last.load[i].rx_bytes_per_s) && isnan(w.last.load[i].tx_bytes_per_s) && w.last.load[i].cpu == 0.5);
	snapshot_entry_add(&w.traffic, "n0", 0); /* silence: the reports count */
	run(&w, 60);
	assert_true(w.last.load[0].rx_bytes_per_s == 1000 && w.last.load[2].tx_bytes_per_s == 500);
	end(&w);
}

static void a_dead_row_gets_no_traffic(void **state)
{
	struct world w;
	int i;

	(void)state;
	begin(&w);
	run(&w, 0);
	w.with_reports = false;
	for (i = 0; i < 12; i++) {
		snapshot_entry_add(&w.traffic, "n0", 5000);
		run(&w, PERIOD_S);
	}
	assert_true(isnan(w.last.age_s[0]) && isnan(w.last.load[0].rx_bytes_per_s) && isnan(w.last.load[0].cpu));
	end(&w);
}

/* --- what holds for any history -------------------------------------------------------------------------------------- */

/* The model: the last word with any traffic inside of the mesh, by node, and its age. */
struct model {
	double rate[NODES];
	double age_s;
	bool known;
};

static bool is_member(const struct world *w, uint32_t node)
{
	return names_find(&w->nodes, node_names[node]) != NAMES_NONE;
}

static void say_something(struct rng *rng, struct world *w, struct model *m)
{
	double rate[NODES], sum = 0;
	uint32_t first = rng_below(rng, NODES), i;

	for (i = 0; i < NODES; i++)
		rate[i] = NAN;
	for (i = 0; i < NODES; i++) {
		uint32_t node = (first + i) % NODES;

		if (rng_chance(rng, 0.5))
			continue;
		rate[node] = rng_chance(rng, 0.3) ? 0 : rng_chance(rng, 0.1) ? SNAPSHOT_RATE_MAX : rng_unit(rng) * pow(10, rng_below(rng, 12));
		snapshot_entry_add(&w->entry, node_names[node], rate[node]);
		if (is_member(w, node) && rate[node] > 0.000001)
			sum += rate[node];
	}
	if (rng_chance(rng, 0.2))
		snapshot_entry_add(&w->entry, "stranger", 5);
	if (!(sum > 0))
		return;
	for (i = 0; i < NODES; i++)
		m->rate[i] = is_member(w, i) ? rate[i] : (double)NAN;
	m->age_s = 0;
	m->known = true;
}

static void forget(const struct world *w, struct model *m)
{
	double sum = 0;
	uint32_t i;

	for (i = 0; i < NODES; i++) {
		if (!is_member(w, i))
			m->rate[i] = NAN;
		sum += isnan(m->rate[i]) ? 0 : m->rate[i];
	}
	m->known = m->known && sum > 0 && m->age_s < FOLD_DEAD_PERIODS * PERIOD_S;
}

static void agrees(const struct world *w, const struct model *m)
{
	uint32_t i, count = 0;

	for (i = 0; i < NODES; i++) {
		uint32_t at = names_find(&w->last.entry.nodes, node_names[i]);

		assert_int_equal(at != NAMES_NONE, m->known && !isnan(m->rate[i]));
		if (at == NAMES_NONE)
			continue;
		count++;
		assert_true(fabs(w->last.entry.rate[at] - m->rate[i]) <= 1e-6 + m->rate[i] * 1e-12);
	}
	assert_int_equal(w->last.entry.nodes.count, count);
	assert_int_equal(w->summary.entry_nodes, count);
	if (m->known)
		assert_true(fabs(w->last.entry.age_s - m->age_s) < 1e-6);
}

/* Never more than half of the nodes leave at once here: holding back is another test's. */
static void any_history_of_words_silence_and_members(void **state)
{
	struct rng rng = rng_make(test_seed());
	int world, step;

	(void)state;
	for (world = 0; world < 60; world++) {
		struct world w;
		struct model m = {.known = false};

		begin(&w);
		for (step = 0; step < 60; step++) {
			double elapsed_s = step ? (double)rng_below(&rng, 200) : 0;
			bool had = m.known;

			members(&w, rng_chance(&rng, 0.1) ? 0x3f & ~(1u << rng_below(&rng, NODES)) : 0x3f);
			m.age_s += elapsed_s;
			if (rng_chance(&rng, 0.3))
				say_something(&rng, &w, &m);
			forget(&w, &m);
			run(&w, elapsed_s);
			agrees(&w, &m);
			assert_int_equal(w.summary.entry_dropped, had && !m.known);
		}
		end(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(new_rates_replace_old_ones_as_a_whole),
		cmocka_unit_test(silence_changes_nothing_until_10_periods_are_over),
		cmocka_unit_test(nodes_outside_of_the_mesh_are_left_out_and_counted),
		cmocka_unit_test(held_back_rows_keep_their_entry),
		cmocka_unit_test(traffic_of_the_query_replaces_the_reports),
		cmocka_unit_test(a_dead_row_gets_no_traffic),
		cmocka_unit_test(any_history_of_words_silence_and_members),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
