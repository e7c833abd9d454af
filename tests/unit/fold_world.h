/*
 * fold_world.h - what the tests of folding share: nodes that report, runs of the merger one after the other, and what came out.
 */
#ifndef TESTS_UNIT_FOLD_WORLD_H
#define TESTS_UNIT_FOLD_WORLD_H

#include <math.h>
#include <stdio.h>
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

static inline void world_init(struct world *w, uint32_t nodes)
{
	uint32_t i;

	*w = (struct world){.interval_s = 60};
	for (i = 0; i < nodes; i++)
		names_add(&w->nodes, node_names[i]);
}

static inline void world_free(struct world *w)
{
	int i;

	names_free(&w->nodes);
	for (i = 0; i < NODES_MAX; i++)
		report_free(&w->reports[i]);
	snapshot_free(&w->last);
}

/* A report of node i: each peer's RTT is base_us + its index; age 0. */
static inline void reports(struct world *w, uint32_t i, const char *boot, int64_t seq, double base_us)
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

static inline void all_report(struct world *w, int64_t seq)
{
	uint32_t i;

	for (i = 0; i < w->nodes.count; i++)
		reports(w, i, "boot", seq, 100 * (i + 1));
}

/* One run in a given order of reports; *out is the caller's. */
static inline void fold_in_order(struct world *w, double elapsed_s, const uint32_t *order, struct snapshot *out)
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
static inline void run(struct world *w, double elapsed_s)
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

/* Nodes that have reported once, and a first run of it. */
static inline void world_begin(struct world *w, uint32_t nodes)
{
	world_init(w, nodes);
	all_report(w, 1);
	run(w, 0);
}

/* Of the last result, by names; NaN also when a node is not in it. */
static inline float rtt(const struct world *w, uint32_t from, uint32_t to)
{
	uint32_t row = names_find(&w->last.nodes, node_names[from]), column = names_find(&w->last.nodes, node_names[to]);

	return row == NAMES_NONE || column == NAMES_NONE ? NAN : w->last.link.rtt_us[(size_t)row * w->last.nodes.count + column];
}

static inline void add_client(struct world *w, uint32_t node, const char *client, double rtt_us)
{
	struct report_link *link = report_links_add(&w->reports[node].clients, client);

	link->rtt_us = rtt_us;
	link->loss = 0;
}

#endif
