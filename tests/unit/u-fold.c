/* fold.h: freshness, aging, hold-back by example; and what holds for any reports. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/mem.h"
#include "merge/fold.h"
#include "tests/testing/testing.h"

#define NODES_MAX 12

static const char *const node_names[NODES_MAX] = {"n0", "n1", "n2", "n3", "n4", "n5", "n6", "n7", "n8", "n9", "n10", "n11"};

/* A small world: reports with the age of their files, and what came out last. */
struct world {
	struct names nodes;
	struct report reports[NODES_MAX];
	double age_s[NODES_MAX];
	bool there[NODES_MAX];
	struct snapshot last;
	bool has_last;
	struct fold_summary summary;
	enum fold_verdict verdicts[NODES_MAX];
	double interval_s;
	struct observe *seen;		/* NULL: nothing is observed */
};

static void world_init(struct world *w, uint32_t nodes)
{
	uint32_t i;

	*w = (struct world){.interval_s = 60};
	for (i = 0; i < nodes; i++)
		names_add(&w->nodes, node_names[i]);
}

static void world_free(struct world *w)
{
	int i;

	names_free(&w->nodes);
	for (i = 0; i < NODES_MAX; i++)
		report_free(&w->reports[i]);
	snapshot_free(&w->last);
}

/* A report of node i: each peer's RTT is base_us + its index; age 0. */
static void reports(struct world *w, uint32_t i, const char *boot, int64_t seq, double base_us)
{
	struct report *r = &w->reports[i];
	uint32_t to;

	report_free(r);
	*r = (struct report){.node = xstrdup(node_names[i]), .seq = seq, .interval_s = 10, .cpu = 0.25, .rx_bytes_per_s = NAN, .tx_bytes_per_s = NAN};
	snprintf(r->boot_id, sizeof(r->boot_id), "%s", boot);
	for (to = 0; to < w->nodes.count; to++) {
		struct report_link *link;

		if (to == i)
			continue;
		link = report_links_add(&r->peers, node_names[to]);
		link->rtt_us = base_us + to;
		link->jitter_us = 3;
		link->loss = 0;
	}
	w->there[i] = true;
	w->age_s[i] = 0;
}

static void all_report(struct world *w, int64_t seq)
{
	uint32_t i;

	for (i = 0; i < w->nodes.count; i++)
		reports(w, i, "boot", seq, 100 * (i + 1));
}

/* One run in a given order of reports; *out is the caller's. */
static void fold_in_order(struct world *w, double elapsed_s, const uint32_t *order, struct snapshot *out)
{
	struct observed observed = {0};
	struct fold *f;
	uint32_t k;

	if (w->seen) {
		observe_expect(w->seen, &w->nodes, NULL);
		observe_collect(w->seen, &observed);
	}
	f = fold_new(&(struct fold_settings){.previous = w->has_last ? &w->last : NULL, .nodes = &w->nodes, .observed = &observed,
					     .interval_s = w->interval_s, .elapsed_s = elapsed_s});

	for (k = 0; k < NODES_MAX; k++)
		if (w->there[order[k]])
			fold_report(f, &w->reports[order[k]], w->age_s[order[k]]);
	fold_finish(f, out, &w->summary);
	for (k = 0; k < NODES_MAX; k++)
		w->verdicts[k] = fold_verdict_of(f, node_names[k]);
	fold_free(f);
	observed_free(&observed);
}

static const uint32_t straight[NODES_MAX] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};

/* A run after elapsed_s; its result becomes the past, through text as in life. */
static void run(struct world *w, double elapsed_s)
{
	auto_snapshot struct snapshot next = {0};
	auto_buf struct buf text = {0};
	struct lm_err err;

	fold_in_order(w, elapsed_s, straight, &next);
	snapshot_write(&next, &text);
	snapshot_free(&w->last);
	if (snapshot_parse(text.data, text.len, &w->last, &err) < 0)
		fail_msg("%s in %s", err.msg, text.data);
	w->has_last = true;
}

/* Of the last result, by names; NaN also when a node is not in it. */
static float rtt(const struct world *w, uint32_t from, uint32_t to)
{
	uint32_t row = names_find(&w->last.nodes, node_names[from]), column = names_find(&w->last.nodes, node_names[to]);

	return row == NAMES_NONE || column == NAMES_NONE ? NAN : w->last.link.rtt_us[(size_t)row * w->last.nodes.count + column];
}

static double age(const struct world *w, uint32_t node)
{
	uint32_t row = names_find(&w->last.nodes, node_names[node]);

	return row == NAMES_NONE ? (double)NAN : w->last.age_s[row];
}

static void fresh_reports_become_rows(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 3);
	reports(&w, 0, "boot", 1, 100);
	reports(&w, 2, "boot", 1, 300);
	w.age_s[2] = 7;
	run(&w, 0);
	assert_int_equal(w.summary.fresh, 2);
	assert_int_equal(w.summary.unknown, 1);
	assert_true(rtt(&w, 0, 1) == 101 && rtt(&w, 0, 2) == 102 && rtt(&w, 2, 0) == 300 && rtt(&w, 0, 0) == 0);
	assert_true(isnan(rtt(&w, 1, 0)) && isnan(age(&w, 1)) && age(&w, 0) == 0 && age(&w, 2) == 7);
	assert_string_equal(w.last.seen[1].boot_id, "");
	world_free(&w);
}

static void m12_replay_conflict_and_a_new_boot(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 2);
	reports(&w, 0, "boot", 42, 100);
	reports(&w, 1, "boot", 10, 200);
	run(&w, 0);
	reports(&w, 0, "boot", 41, 900);		/* seq goes back */
	run(&w, 30);
	assert_int_equal(w.verdicts[0], FOLD_REPLAYED);
	assert_int_equal(w.summary.replayed, 1);
	assert_true(rtt(&w, 0, 1) == 101 && age(&w, 0) == 30);
	reports(&w, 0, "boot", 42, 900);		/* the same seq, other content */
	run(&w, 30);
	assert_int_equal(w.verdicts[0], FOLD_CONFLICT);
	assert_int_equal(w.summary.conflicts, 1);
	assert_true(rtt(&w, 0, 1) == 101 && age(&w, 0) == 60);
	reports(&w, 0, "boot", 42, 100);		/* the same again, truly unchanged */
	w.age_s[0] = 90;
	run(&w, 30);
	assert_int_equal(w.verdicts[0], FOLD_FRESH);
	assert_true(age(&w, 0) == 90);
	reports(&w, 0, "boot2", 1, 900);		/* a probe that was started anew */
	run(&w, 30);
	assert_int_equal(w.verdicts[0], FOLD_FRESH);
	assert_true(rtt(&w, 0, 1) == 901 && age(&w, 0) == 0);
	world_free(&w);
}

static void m13_a_writers_clock_does_not_matter(void **state)
{
	static const int64_t ten_years_ms = INT64_C(315360000000);
	struct world w;
	int round;

	(void)state;
	world_init(&w, 2);
	for (round = 0; round < 4; round++) {
		reports(&w, 0, "boot", 1 + round, 100);
		reports(&w, 1, "boot", 1 + round, 200);
		w.reports[0].written_ms = (round - 2) * ten_years_ms;
		run(&w, 60);
		assert_int_equal(w.summary.fresh, 2);
		assert_true(age(&w, 0) == 0);
	}
	world_free(&w);
}

/* M32: the file server's clock went back an hour: files seem to come from the future. New ones are taken, unchanged ones age. */
static void m32_clock_jumps(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 2);
	all_report(&w, 1);
	run(&w, 0);
	w.age_s[0] = -3600;
	w.age_s[1] = -1; /* within the granularity of one clock */
	run(&w, 60);
	assert_int_equal(w.verdicts[0], FOLD_STALE);
	assert_int_equal(w.verdicts[1], FOLD_FRESH);
	assert_true(age(&w, 0) == 60 && age(&w, 1) == 0);
	reports(&w, 0, "boot", 2, 500);
	w.age_s[0] = -3600;
	run(&w, 60);
	assert_true(age(&w, 0) == 0 && rtt(&w, 0, 1) == 501);
	run(&w, -3600); /* time since the last merge cannot be negative */
	assert_true(age(&w, 0) == 0);
	world_free(&w);
}

static void a_row_ages_and_becomes_unknown_at_ten_periods(void **state)
{
	struct world w;
	int round;

	(void)state;
	world_init(&w, 4);
	all_report(&w, 1);
	run(&w, 0);
	for (round = 1; round <= 12; round++) {
		all_report(&w, 1 + round);
		w.there[0] = false;
		run(&w, 60);
		if (round < 10)
			assert_true(rtt(&w, 0, 1) == 101 && age(&w, 0) == 60 * round);
		else
			assert_true(isnan(rtt(&w, 0, 1)) && isnan(age(&w, 0)));
		assert_true(rtt(&w, 1, 0) == 200 && w.last.degraded_runs == 0);
	}
	assert_string_equal(w.last.seen[0].boot_id, "boot"); /* so that the old file stays old */
	world_free(&w);
}

/* Unchanged and older than three periods is no news, though the file is there. */
static void an_unchanged_report_is_fresh_for_three_periods(void **state)
{
	struct world w;
	int round;

	(void)state;
	world_init(&w, 4);
	all_report(&w, 1);
	run(&w, 0);
	for (round = 1; round <= 11; round++) {
		all_report(&w, 1 + round);
		reports(&w, 0, "boot", 1, 100);
		w.age_s[0] = 60 * round;
		run(&w, 60);
		assert_int_equal(w.verdicts[0], round <= 3 ? FOLD_FRESH : FOLD_STALE);
		assert_true(round < 10 ? age(&w, 0) == 60 * round : isnan(age(&w, 0)));
	}
	world_free(&w);
}

/* Nobody could report: the rows are kept twice, aged, and the third time it is believed. */
static void m18_no_valid_report_at_all(void **state)
{
	struct world w;
	uint32_t i;

	(void)state;
	world_init(&w, 5);
	all_report(&w, 1);
	run(&w, 0);
	memset(w.there, 0, sizeof(w.there));
	run(&w, 300); /* not yet anything to hold back: they are 5 periods old */
	assert_int_equal(w.last.degraded_runs, 0);
	for (i = 1; i <= 2; i++) {
		run(&w, 300);
		assert_int_equal(w.last.degraded_runs, i);
		assert_true(w.summary.held_back && w.summary.lost == 5 && w.summary.aged == 5);
		assert_true(rtt(&w, 0, 1) == 101 && age(&w, 0) == 300 + 300 * i);
	}
	run(&w, 300);
	assert_int_equal(w.last.degraded_runs, 0);
	assert_true(!w.summary.held_back && w.summary.unknown == 5 && isnan(rtt(&w, 0, 1)));
	world_free(&w);
}

static void m19_more_than_half_of_the_rows_vanish(void **state)
{
	struct world w;
	int round;

	(void)state;
	world_init(&w, 6);
	all_report(&w, 1);
	run(&w, 0);
	names_free(&w.nodes);
	names_add(&w.nodes, "n0");
	names_add(&w.nodes, "n1");
	for (round = 1; round <= 2; round++) {
		reports(&w, 0, "boot", 1 + round, 700);
		run(&w, 60);
		assert_int_equal(w.last.nodes.count, 6);
		assert_int_equal(w.last.degraded_runs, round);
		assert_true(rtt(&w, 5, 0) == 600 && age(&w, 5) == 60 * round && rtt(&w, 0, 1) == 701);
	}
	run(&w, 60);
	assert_int_equal(w.last.nodes.count, 2);
	assert_int_equal(w.last.degraded_runs, 0);
	world_free(&w);
}

/* Exactly half is no reason to hold back, and what comes back in time ends the counting. */
static void half_of_the_rows_may_go_at_once(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 6);
	all_report(&w, 1);
	run(&w, 0);
	w.there[0] = w.there[1] = w.there[2] = false;
	w.age_s[3] = w.age_s[4] = w.age_s[5] = 100;
	run(&w, 600);
	assert_true(!w.summary.held_back && w.summary.lost == 3 && w.summary.unknown == 3);
	world_free(&w);
	world_init(&w, 6);
	all_report(&w, 1);
	run(&w, 0);
	memset(w.there, 0, sizeof(w.there));
	run(&w, 600);
	assert_int_equal(w.last.degraded_runs, 1);
	all_report(&w, 2);
	run(&w, 60);
	assert_true(w.last.degraded_runs == 0 && w.summary.fresh == 6);
	world_free(&w);
}

static void a_node_gone_from_the_api_loses_row_and_column(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 4);
	all_report(&w, 1);
	run(&w, 0);
	names_free(&w.nodes);
	names_add(&w.nodes, "n3");
	names_add(&w.nodes, "n0");
	names_add(&w.nodes, "n1");
	run(&w, 10);
	assert_int_equal(w.last.nodes.count, 3);
	assert_string_equal(w.last.nodes.items[2], "n3");
	assert_int_equal(w.verdicts[2], FOLD_NONE);
	assert_true(rtt(&w, 0, 3) == 103 && rtt(&w, 3, 1) == 401 && rtt(&w, 1, 1) == 0);
	world_free(&w);
}

static void m11_reports_of_strangers_and_second_ones_are_refused(void **state)
{
	struct world w;
	struct fold *f;
	struct snapshot out;

	(void)state;
	world_init(&w, 2);
	reports(&w, 0, "boot", 1, 100);
	reports(&w, 5, "boot", 1, 100);
	f = fold_new(&(struct fold_settings){.nodes = &w.nodes, .interval_s = 60});
	assert_int_equal(fold_report(f, &w.reports[5], 0), FOLD_UNKNOWN);
	assert_int_equal(fold_report(f, &w.reports[0], 0), FOLD_FRESH);
	assert_int_equal(fold_report(f, &w.reports[0], 0), FOLD_REPEATED);
	fold_finish(f, &out, &w.summary);
	assert_int_equal(out.nodes.count, 2);
	snapshot_free(&out);
	fold_free(f);
	world_free(&w);
}

static void add_client(struct world *w, uint32_t node, const char *client, double rtt_us)
{
	struct report_link *link = report_links_add(&w->reports[node].clients, client);

	link->rtt_us = rtt_us;
	link->loss = 0;
}

static void clients_are_those_given_or_those_reported(void **state)
{
	struct world w;
	struct names given = {0};
	struct fold *f;
	struct snapshot out;

	(void)state;
	world_init(&w, 2);
	reports(&w, 0, "boot", 1, 100);
	reports(&w, 1, "boot", 1, 200);
	add_client(&w, 0, "rome", 30.04);
	add_client(&w, 1, "milan", 20);
	run(&w, 0);
	assert_int_equal(w.last.clients.count, 2);
	assert_string_equal(w.last.clients.items[0], "milan");
	assert_true(w.last.client.rtt_us[1] == 30 && w.last.client.rtt_us[2] == 20 && isnan(w.last.client_estimate_us[1]));
	assert_true(w.last.client.rtt_us[0] == 20 + 200 && w.last.client_estimate_us[0] <= 220);	/* n0 by way of n1 */
	w.there[0] = false; /* its row is kept, and with it the client that only this row knows */
	run(&w, 10);
	assert_int_equal(w.last.clients.count, 2);
	assert_true(w.last.client.rtt_us[1] == 30);
	assert_true(w.last.client.rtt_us[0] == 20 + 200 && isnan(w.last.client_estimate_us[1]));
	names_add(&given, "turin");
	names_add(&given, "rome");
	f = fold_new(&(struct fold_settings){.previous = &w.last, .nodes = &w.nodes, .clients = &given, .interval_s = 60});
	fold_report(f, &w.reports[1], 0);
	fold_finish(f, &out, &w.summary);
	assert_int_equal(out.clients.count, 2);
	assert_string_equal(out.clients.items[0], "rome");
	assert_true(out.client.rtt_us[0] == 30 && isnan(out.client.rtt_us[1]) && isnan(out.client.rtt_us[3]));
	assert_true(out.client.rtt_us[2] == 30 + 200 && out.client_estimate_us[2] <= 230);
	snapshot_free(&out);
	fold_free(f);
	names_free(&given);
	world_free(&w);
}

/* A run with a list of clients; the text of the result's clients, for free(). */
static char *clients_with(struct world *w, const struct names *given)
{
	struct observed observed = {0};
	struct snapshot next = {0};
	struct buf text = {0};
	struct fold *f;
	uint32_t i;

	observe_expect(w->seen, &w->nodes, given);
	observe_collect(w->seen, &observed);
	f = fold_new(&(struct fold_settings){.previous = w->has_last ? &w->last : NULL, .nodes = &w->nodes, .clients = given, .observed = &observed,
					     .interval_s = 60, .elapsed_s = 60});
	for (i = 0; i < w->nodes.count; i++)
		fold_report(f, &w->reports[i], 0);
	fold_finish(f, &next, &w->summary);
	for (i = 0; i < next.clients.count; i++)
		buf_printf(&text, "%s %g; ", next.clients.items[i], (double)next.client.rtt_us[i]);
	snapshot_free(&w->last);
	w->last = next;
	w->has_last = true;
	fold_free(f);
	observed_free(&observed);
	return text.data;
}

static void expect_clients(struct world *w, const struct names *given, const char *wanted)
{
	auto_free char *clients = clients_with(w, given);

	assert_string_equal(clients, wanted);
}

static void post(struct world *w, const char *group, double ms, int64_t now_ms)
{
	char group_name[16], node[] = "n0";
	struct observe_tally tally = {0};

	snprintf(group_name, sizeof(group_name), "%s", group);
	assert_true(observe_post(w->seen, "10.0.0.7", &(struct observe_item){group_name, node, ms, 1}, 1, now_ms, &tally));
	assert_int_equal(tally.accepted, 1);
}

/* Each with what is known of it at n0. The list says whom probes measure, not whom users reach. */
static void groups_that_only_users_name_are_clients_beside_the_list(void **state)
{
	struct names all = {0}, less = {0};
	struct world w;

	(void)state;
	world_init(&w, 2);
	w.seen = observe_new();
	names_add(&all, "milan");
	names_add(&all, "rome");
	names_add(&less, "milan");
	reports(&w, 0, "boot", 1, 100);
	reports(&w, 1, "boot", 1, 200);
	add_client(&w, 0, "rome", 30);
	add_client(&w, 0, "stranger", 40);	/* a probe that has an old peers.json */
	observe_expect(w.seen, &w.nodes, &all);
	post(&w, "turin", 12, 0);
	expect_clients(&w, &all, "milan nan; rome 30; turin 12000; ");
	expect_clients(&w, &less, "milan nan; turin 12000; ");
	post(&w, "rome", 7, 1000);
	expect_clients(&w, &less, "milan nan; rome 7000; turin 12000; ");
	expect_clients(&w, &all, "milan nan; rome 30; turin 12000; ");
	observe_prune(w.seen, 1000, 500);	/* turin's is older */
	expect_clients(&w, &less, "milan nan; rome 7000; ");
	observe_prune(w.seen, 5000, 500);
	expect_clients(&w, &less, "milan nan; ");
	observe_free(w.seen);
	names_free(&all);
	names_free(&less);
	world_free(&w);
}

static void the_period_is_the_longer_of_probe_and_merge_interval(void **state)
{
	struct world w;
	uint32_t i;

	(void)state;
	world_init(&w, 2);
	all_report(&w, 1);
	run(&w, 0);
	assert_true(w.last.period_s == 60);
	for (i = 0; i < 2; i++)
		w.reports[i].interval_s = 90;
	run(&w, 0);
	assert_true(w.last.period_s == 90);
	w.interval_s = 300;
	run(&w, 0);
	assert_true(w.last.period_s == 300);
	world_free(&w);
}

/* Else one forgotten file in nodes/ would keep every dead row of the mesh alive for ten hours. */
static void one_report_does_not_stretch_the_period_of_all(void **state)
{
	struct world w;
	uint32_t nodes;

	(void)state;
	for (nodes = 2; nodes <= 5; nodes++) {
		world_init(&w, nodes);
		all_report(&w, 1);
		w.reports[nodes - 1].interval_s = 3600;
		run(&w, 0);
		assert_true(w.last.period_s == 60);
		w.age_s[0] = 200;
		w.age_s[nodes - 1] = 200; /* its own next round is far away: for itself it is believed */
		run(&w, 60);
		assert_int_equal(w.verdicts[0], FOLD_STALE);
		assert_int_equal(w.verdicts[nodes - 1], FOLD_FRESH);
		world_free(&w);
	}
}

/* --- who is silent ------------------------------------------------------------------------------------------------- */

/* What the report of `from` says of `to`. */
static void silent(struct world *w, uint32_t from, uint32_t to, double silent_s)
{
	size_t k;

	for (k = 0; k < w->reports[from].peers.count; k++)
		if (STREQ(w->reports[from].peers.items[k].name, node_names[to]))
			w->reports[from].peers.items[k].silent_s = silent_s;
}

/* Everybody hears everybody, but for node `dead`, whom all lost so long ago. */
static void all_say(struct world *w, int64_t seq, uint32_t dead, double silent_s)
{
	uint32_t i, k;

	all_report(w, seq);
	for (i = 0; i < w->nodes.count; i++) {
		w->reports[i].publish_s = 10;
		for (k = 0; k < w->nodes.count; k++)
			silent(w, i, k, k == dead ? silent_s + i : 1 + i);
	}
	if (dead < w->nodes.count)
		w->there[dead] = false;
}

static void expect_silence(const struct world *w, uint32_t node, double lost_s, uint32_t witnesses)
{
	uint32_t at = names_find(&w->last.nodes, node_names[node]);
	double found_s;

	assert_true(at != NAMES_NONE);
	found_s = w->last.lost_s[at];
	if (isnan(found_s) != isnan(lost_s) || fabs(found_s - lost_s) > 1e-9 || w->last.witnesses[at] != witnesses)
		fail_msg("%s: lost for %g s by the word of %u, not %g by %u", node_names[node], found_s, w->last.witnesses[at], lost_s, witnesses);
}

#define NOBODY NODES_MAX

static void the_least_silence_counts_and_nobody_speaks_of_himself(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 4);
	all_say(&w, 1, NOBODY, 0);
	silent(&w, 1, 2, NAN);			/* never heard: nothing to say */
	add_client(&w, 0, "n3", 5);		/* a client of that name is no node */
	w.reports[0].clients.items[0].silent_s = 0;
	run(&w, 0);
	expect_silence(&w, 0, 2, 3);
	expect_silence(&w, 1, 1, 3);
	expect_silence(&w, 2, 1, 2);
	expect_silence(&w, 3, 1, 3);
	report_links_add(&w.reports[0].peers, "n0")->silent_s = 0;	/* of itself */
	report_links_add(&w.reports[0].peers, "stranger")->silent_s = 0;
	w.has_last = false;
	run(&w, 0);
	expect_silence(&w, 0, 2, 3);
	all_report(&w, 2);			/* probes of before silent_s */
	run(&w, 10);
	expect_silence(&w, 0, NAN, 0);
	world_free(&w);
}

static void a_dead_node_is_lost_by_all_others(void **state)
{
	struct world w;
	int seq;

	(void)state;
	world_init(&w, 5);
	for (seq = 1; seq <= 6; seq++) {
		all_say(&w, seq, 2, 10.5 * seq);
		run(&w, 5);
		expect_silence(&w, 2, 10.5 * seq, 4);
		expect_silence(&w, 0, 2, 3);	/* the dead one is no witness */
	}
	all_say(&w, 7, 2, 63);
	silent(&w, 3, 2, 4);			/* one hears it */
	run(&w, 5);
	expect_silence(&w, 2, 4, 4);
	all_say(&w, 8, NOBODY, 0);
	run(&w, 5);
	expect_silence(&w, 2, 1, 4);
	world_free(&w);
}

/* What the volume still holds of who cannot write: of who is on the other side of a cut, or died. */
static void a_report_older_than_its_rhythm_is_no_witness(void **state)
{
	static const struct {
		double interval_s, publish_s, age_s;
		bool counts;
	} cases[] = {
		{5, 5, 0, true}, {5, 5, 19.9, true}, {5, 5, 20.1, false}, {10, 30, 54.9, true}, {10, 30, 55.1, false}, {5, 30, 44, true},
		{10, 0, 54.9, true}, {10, 0, 55.1, false}, {10, NAN, 54.9, true}, {10, NAN, 55.1, false},	/* not said: three rounds */
		{10, 3600, 179, true}, {10, 3600, 181, false}, {3600, 3600, 181, false},			/* by its own word only */
		{5, 5, -1.9, true}, {5, 5, -2.1, false},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct world w;

		world_init(&w, 3);
		all_say(&w, 1, NOBODY, 0);
		w.reports[0].interval_s = cases[i].interval_s;
		w.reports[0].publish_s = cases[i].publish_s;
		w.age_s[0] = cases[i].age_s;
		run(&w, 0);
		assert_int_equal(w.verdicts[0], FOLD_FRESH);
		expect_silence(&w, 1, cases[i].counts ? 1 : 3, cases[i].counts ? 2 : 1);
		world_free(&w);
	}
}

static void what_is_not_fresh_is_no_witness(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 3);
	all_say(&w, 5, NOBODY, 0);
	run(&w, 0);
	all_say(&w, 5, NOBODY, 0);		/* unchanged, and young */
	run(&w, 5);
	expect_silence(&w, 1, 1, 2);
	all_say(&w, 6, NOBODY, 0);
	reports(&w, 0, "boot", 4, 100);		/* a replay */
	silent(&w, 0, 1, 0);
	run(&w, 5);
	assert_int_equal(w.verdicts[0], FOLD_REPLAYED);
	expect_silence(&w, 1, 3, 1);
	reports(&w, 0, "boot", 5, 900);		/* a conflict */
	silent(&w, 0, 1, 0);
	run(&w, 5);
	assert_int_equal(w.verdicts[0], FOLD_CONFLICT);
	expect_silence(&w, 1, 3, 1);
	reports(&w, 0, "boot2", 1, 900);	/* started anew; it heard n1 and not yet n2 */
	silent(&w, 0, 1, 0);
	run(&w, 5);
	expect_silence(&w, 1, 0, 2);
	expect_silence(&w, 2, 2, 1);
	world_free(&w);
}

/* n0 alone reports: the other side of a cut. It is one witness, however long it goes on; the rows of the others are held back or not. */
static void a_probe_alone_is_one_witness(void **state)
{
	struct world w;
	bool held = false;
	uint32_t i;
	int seq;

	(void)state;
	world_init(&w, 5);
	all_say(&w, 1, NOBODY, 0);
	run(&w, 0);
	for (seq = 2; seq < 200; seq++) {
		reports(&w, 0, "boot", seq, 100);
		for (i = 1; i < 5; i++) {
			silent(&w, 0, i, 5.0 * seq);
			w.age_s[i] += 5;
		}
		run(&w, 5);
		held = held || w.summary.held_back;
		for (i = 1; i < 5; i++)
			if (w.age_s[i] > 35)
				expect_silence(&w, i, 5.0 * seq, 1);
			else
				assert_true(w.last.lost_s[i] <= 5);	/* the last words of the others: heard */
		if (w.age_s[1] > 35)
			expect_silence(&w, 0, NAN, 0);
	}
	assert_true(held);
	world_free(&w);
}

static void a_node_that_left_has_no_silence_and_gives_none(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 4);
	all_say(&w, 1, NOBODY, 0);
	run(&w, 0);
	names_free(&w.nodes);
	names_add(&w.nodes, "n1");
	names_add(&w.nodes, "n2");
	names_add(&w.nodes, "n3");
	run(&w, 5);
	assert_int_equal(w.last.nodes.count, 3);
	expect_silence(&w, 1, 3, 2);
	expect_silence(&w, 3, 2, 2);
	names_free(&w.nodes);			/* all but one leave: not believed at once, and no witness of the old rows is */
	names_add(&w.nodes, "n3");
	run(&w, 5);
	assert_true(w.summary.held_back && w.last.nodes.count == 3);
	expect_silence(&w, 1, 4, 1);
	expect_silence(&w, 3, NAN, 0);
	world_free(&w);
}

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
		cmocka_unit_test(fresh_reports_become_rows),
		cmocka_unit_test(m12_replay_conflict_and_a_new_boot),
		cmocka_unit_test(m13_a_writers_clock_does_not_matter),
		cmocka_unit_test(m32_clock_jumps),
		cmocka_unit_test(a_row_ages_and_becomes_unknown_at_ten_periods),
		cmocka_unit_test(an_unchanged_report_is_fresh_for_three_periods),
		cmocka_unit_test(m18_no_valid_report_at_all),
		cmocka_unit_test(m19_more_than_half_of_the_rows_vanish),
		cmocka_unit_test(half_of_the_rows_may_go_at_once),
		cmocka_unit_test(a_node_gone_from_the_api_loses_row_and_column),
		cmocka_unit_test(m11_reports_of_strangers_and_second_ones_are_refused),
		cmocka_unit_test(clients_are_those_given_or_those_reported),
		cmocka_unit_test(groups_that_only_users_name_are_clients_beside_the_list),
		cmocka_unit_test(the_period_is_the_longer_of_probe_and_merge_interval),
		cmocka_unit_test(one_report_does_not_stretch_the_period_of_all),
		cmocka_unit_test(the_least_silence_counts_and_nobody_speaks_of_himself),
		cmocka_unit_test(a_dead_node_is_lost_by_all_others),
		cmocka_unit_test(a_report_older_than_its_rhythm_is_no_witness),
		cmocka_unit_test(what_is_not_fresh_is_no_witness),
		cmocka_unit_test(a_probe_alone_is_one_witness),
		cmocka_unit_test(a_node_that_left_has_no_silence_and_gives_none),
		cmocka_unit_test(holds_for_any_reports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
