/* The checks. Whatever is in here knows the model alone. */
#include "tests/testing/refuges.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

#define WAYS 4000		/* of one failure, with different loads: more and the least overhead is not searched */
#define LEAST_BY 1.075		/* PLAN_KEEP, and the 2 % that a plan looks no further for */

/* --- what the plan says, checked ----------------------------------------------------------------------------------------------- */

static const struct plan_room *room_at(const struct plan *p, int node)
{
	size_t i;

	for (i = 0; i < p->room_count; i++)
		if (STREQ(p->rooms[i].node, refuges_node(node)))
			return &p->rooms[i];
	return NULL;
}

void refuges_explain(const struct refuges *m, const struct plan *p)
{
	auto_buf struct buf text = {0};
	int i, k;

	plan_print(p, &text);
	printf("# frozen %d, plan %s", m->frozen, text.data);
	for (i = 0; i < m->nodes; i++) {
		printf("# n%d there %d cordoned %d has %d %d %d %d rtt", i, m->node[i].there, m->node[i].cordoned, m->node[i].has[0], m->node[i].has[1], m->node[i].has[2],
		       m->node[i].has[3]);
		for (k = 0; k < m->nodes; k++)
			printf(" %g", m->rtt_ms[i][k]);
		printf("\n");
	}
	for (i = 0; i < OURS; i++) {
		const struct pod_model *q = &m->ours[i];

		if (!q->there)
			continue;
		printf("# p%d on n%d app a%d anti %d port %d orphan %d out %d frozen_at %d asks %d %d %d:", q->serial, q->node, q->app, q->anti, q->port, q->orphan,
		       q->opts_out, q->frozen_at, q->asks[0], q->asks[1], q->asks[2]);
		for (k = 0; k < q->limit_count; k++)
			printf(" %s%d<=%g", q->limits[k].of_app ? "a" : "n", q->limits[k].target, q->limits[k].ms);
		printf("\n");
	}
	for (i = 0; i < TENANTS; i++)
		if (m->tenant[i].there)
			printf("# t%d on n%d asks %d %d\n", m->tenant[i].serial, m->tenant[i].node, m->tenant[i].asks[0], m->tenant[i].asks[1]);
}

static void read_refuges(const struct refuges *m, const struct plan *p, int *refuge)
{
	bool seen[OURS] = {false};
	size_t i;
	int k;

	for (k = 0; k < OURS; k++)
		refuge[k] = -1;
	for (i = 0; i < p->covers.count; i++) {
		const struct cover *c = &p->covers.items[i];

		k = refuges_pod_of(m, c->uid);
		assert_false(seen[k]);
		seen[k] = true;
		assert_true(refuges_wants(m, k));
		assert_string_equal(c->node, refuges_node(m->ours[k].node));
		assert_string_equal(c->owner_uid, "owner");
		assert_true(i == 0 || strcmp(p->covers.items[i - 1].uid, c->uid) < 0);
		refuge[k] = refuges_node_of(c->refuge);
	}
	for (i = 0; i < p->uncovered_count; i++) {
		k = refuges_pod_of(m, p->uncovered[i].uid);
		assert_false(seen[k]);
		seen[k] = true;
		assert_false(m->ours[k].opts_out);
		assert_true(p->uncovered[i].reason[0]);
		assert_true(!m->ours[k].orphan || STREQ(p->uncovered[i].reason, "no controller would recreate it"));
	}
	for (k = 0; k < OURS; k++)
		assert_int_equal(seen[k], m->ours[k].there && !m->ours[k].opts_out);
}

static bool room_has_port(const struct plan_room *room, int port)
{
	uint32_t i;

	for (i = 0; i < room->port_count; i++)
		if (room->ports[i].port == port && STREQ(room->ports[i].protocol, "TCP"))
			return true;
	return false;
}

/* All covered pods of the node at once, where the plan sends them. */
static void check_failure(const struct refuges *m, const struct plan *p, int failed, const int *refuge)
{
	int at[OURS], i, r, node, left[RESOURCES], kept[RESOURCES];

	refuges_where(m, failed, at);
	for (i = 0; i < OURS; i++)
		if (refuges_wants(m, i) && m->ours[i].node == failed)
			at[i] = refuge[i];
	for (node = 0; node < m->nodes; node++) {
		int come[RESOURCES] = {0}, count = 0;

		for (i = 0; i < OURS; i++) {
			if (!refuges_wants(m, i) || m->ours[i].node != failed || at[i] != node || m->ours[i].frozen_at >= 0)
				continue;
			count++;
			for (r = 0; r < RESOURCES; r++)
				come[r] += m->ours[i].asks[r];
			assert_true(node != failed && m->node[node].there && !m->node[node].cordoned && node != m->frozen);
			if (!refuges_hold(m, i, node, at)) {
				refuges_explain(m, p);
				fail_msg("after %s failed p%d cannot be on %s", refuges_node(failed), m->ours[i].serial, refuges_node(node));
			}
			assert_true(!m->ours[i].port || room_has_port(room_at(p, node), m->ours[i].port));
		}
		if (!count)
			continue;
		refuges_free(m, node, false, left);
		refuges_amounts(room_at(p, node), kept);
		assert_true(refuges_within(come, left));
		assert_true(refuges_within(come, kept));
	}
}

/* The rooms are those maxima, no more; and the overhead is of them. */
static double check_rooms(const struct refuges *m, const struct plan *p, const int *refuge, const bool *asked)
{
	double share[RESOURCES] = {0}, total[RESOURCES] = {0}, sum = 0;
	int node, f, i, r, kinds = 0, kept[RESOURCES];

	for (node = 0; node < m->nodes; node++) {
		int most[RESOURCES] = {0};

		for (f = 0; f < m->nodes; f++) {
			int come[RESOURCES] = {0};

			for (i = 0; i < OURS; i++)
				for (r = 0; r < RESOURCES; r++)
					if (refuges_wants(m, i) && m->ours[i].node == f && refuge[i] == node && m->ours[i].frozen_at < 0)
						come[r] += m->ours[i].asks[r];
			for (r = 0; r < RESOURCES; r++)
				most[r] = come[r] > most[r] ? come[r] : most[r];
		}
		refuges_amounts(room_at(p, node), kept);
		for (r = 0; r < RESOURCES; r++) {
			assert_int_equal(kept[r], most[r]);
			share[r] += most[r];
			total[r] += m->node[node].there ? m->node[node].has[r] : 0;
		}
	}
	for (r = 0; r < PODS; r++)
		if (asked[r]) {
			kinds++;
			sum += share[r] / total[r];
		}
	sum = kinds ? sum / kinds : share[PODS] / (total[PODS] > 0 ? total[PODS] : 1);
	assert_true(fabs(sum - p->overhead) < 1e-9);
	assert_true(fabs((total[CPU] > 0 ? share[CPU] / total[CPU] : 0) - p->overhead_cpu) < 1e-9);
	return sum;
}

/* --- the best there is, exhaustively ---------------------------------------------------------------------------------------------- */

struct way {
	int load[NODES][RESOURCES];
};

struct search {
	const struct refuges *m;
	const bool *asked;
	int failed, candidates[OURS], count, at[OURS], left[NODES][RESOURCES], most;
	struct way *ways;
	int way_count;
	bool too_many;
};

/* An overhead is a mean over what covered pods ask for: that of other resources is another mean, which is not compared. */
static bool asks_for_more(const struct search *s, const struct way *way)
{
	int node, r;

	for (node = 0; node < NODES; node++)
		for (r = 0; r < PODS; r++)
			if (!s->asked[r] && way->load[node][r])
				return true;
	return false;
}

static void note_way(struct search *s, int covered)
{
	struct way way = {0};
	int i, r;

	if (covered > s->most)
		s->way_count = 0;
	s->most = covered;
	for (i = 0; i < s->count; i++) {
		const struct pod_model *p = &s->m->ours[s->candidates[i]];

		for (r = 0; r < RESOURCES && p->frozen_at < 0 && s->at[s->candidates[i]] >= 0; r++)
			way.load[s->at[s->candidates[i]]][r] += p->asks[r];
	}
	if (asks_for_more(s, &way))
		return;
	for (i = 0; i < s->way_count; i++)
		if (memcmp(&s->ways[i], &way, sizeof(way)) == 0)
			return;
	s->too_many |= s->way_count == WAYS;
	if (!s->too_many)
		s->ways[s->way_count++] = way;
}

static void search_from(struct search *s, int level, int covered)
{
	int i, node, r;

	if (covered + (s->count - level) < s->most)
		return;
	if (level == s->count) {
		note_way(s, covered);
		return;
	}
	i = s->candidates[level];
	if (s->m->ours[i].frozen_at >= 0) {
		search_from(s, level + 1, covered + 1);
		return;
	}
	for (node = 0; node < s->m->nodes; node++) {
		const struct node_model *n = &s->m->node[node];

		if (!n->there || n->cordoned || node == s->failed || node == s->m->frozen || !refuges_within(s->m->ours[i].asks, s->left[node]) ||
		    !refuges_hold(s->m, i, node, s->at))
			continue;
		for (r = 0; r < RESOURCES; r++)
			s->left[node][r] -= s->m->ours[i].asks[r];
		s->at[i] = node;
		search_from(s, level + 1, covered + 1);
		s->at[i] = -1;
		for (r = 0; r < RESOURCES; r++)
			s->left[node][r] += s->m->ours[i].asks[r];
	}
	search_from(s, level + 1, covered);
}

/* Apps in order, as limits are to apps before one's own. */
static void search_failure(const struct refuges *m, int failed, const bool *asked, struct search *s)
{
	int app, i;

	*s = (struct search){.m = m, .asked = asked, .failed = failed, .ways = s->ways};
	refuges_where(m, failed, s->at);
	for (app = 0; app < APPS; app++)
		for (i = 0; i < OURS; i++)
			if (refuges_wants(m, i) && m->ours[i].node == failed && m->ours[i].app == app)
				s->candidates[s->count++] = i;
	for (i = 0; i < s->count; i++)
		if (m->ours[s->candidates[i]].frozen_at >= 0)
			s->at[s->candidates[i]] = m->ours[s->candidates[i]].frozen_at;
	for (i = 0; i < m->nodes; i++)
		refuges_free(m, i, false, s->left[i]);
	search_from(s, 0, 0);
}

struct cheapest {
	const struct search *failures;
	int count;
	double weight[RESOURCES], least;
	long looks;
};

static void cheaper(struct cheapest *c, int level, const struct way *room)
{
	double cost = 0;
	int node, r, i;

	for (node = 0; node < NODES; node++)
		for (r = 0; r < RESOURCES; r++)
			cost += c->weight[r] * room->load[node][r];
	if (cost >= c->least || c->looks-- <= 0)
		return;
	if (level == c->count) {
		c->least = cost;
		return;
	}
	for (i = 0; i < c->failures[level].way_count; i++) {
		struct way next = *room;

		for (node = 0; node < NODES; node++)
			for (r = 0; r < RESOURCES; r++)
				if (c->failures[level].ways[i].load[node][r] > next.load[node][r])
					next.load[node][r] = c->failures[level].ways[i].load[node][r];
		cheaper(c, level + 1, &next);
	}
}

static void check_least(const struct refuges *m, const struct plan *p, const struct search *failures, double overhead, const bool *asked,
			struct refuges_told *told)
{
	struct cheapest c = {.failures = failures, .count = m->nodes, .looks = 300000};
	struct way none = {0};
	int r, node, kinds = 0;
	/* Nothing may cost less than that; what does ends the search below it. */
	const double bound = overhead / LEAST_BY - 1e-9;

	for (r = 0; r < PODS; r++)
		kinds += asked[r];
	for (r = 0; r < RESOURCES; r++) {
		double total = 0;

		for (node = 0; node < m->nodes; node++)
			total += m->node[node].there ? m->node[node].has[r] : 0;
		c.weight[r] = total > 0 && (kinds ? r < PODS && asked[r] : r == PODS) ? 1 / total / (kinds ? kinds : 1) : 0;
	}
	c.least = told->cheaper_checked % 16 ? bound : overhead + 1e-12;	/* each sixteenth time to the end, to know how good it is */
	cheaper(&c, 0, &none);
	if (c.looks <= 0)
		return;
	if (c.least < bound)
		refuges_explain(m, p);
	if (c.least < bound)
		fail_msg("overhead %.6f, and %.6f is possible", overhead, c.least);
	if (told->cheaper_checked++ % 16 == 0 && c.least > 0 && overhead / c.least > told->worst)
		told->worst = overhead / c.least;
}

static struct way ways_of[NODES][WAYS];

void refuges_asked(const struct refuges *m, const int *refuge, bool *asked)
{
	int i, r;

	for (r = 0; r < RESOURCES; r++)
		for (asked[r] = false, i = 0; i < OURS; i++)
			asked[r] |= refuges_wants(m, i) && refuge[i] >= 0 && m->ours[i].asks[r] > 0;
}

double refuges_check_promises(const struct refuges *m, const struct plan *p, int *refuge)
{
	bool asked[RESOURCES];
	int f;

	read_refuges(m, p, refuge);
	refuges_asked(m, refuge, asked);
	for (f = 0; f < m->nodes; f++)
		check_failure(m, p, f, refuge);
	return check_rooms(m, p, refuge, asked);
}

void refuges_check(const struct refuges *m, const struct plan *p, struct refuges_told *told)
{
	struct search failures[NODES];
	bool asked[RESOURCES], too_many = false;
	int refuge[OURS], f, i, covered;
	double overhead;

	overhead = refuges_check_promises(m, p, refuge);
	refuges_asked(m, refuge, asked);
	for (f = 0; f < m->nodes; f++) {
		failures[f].ways = ways_of[f];
		search_failure(m, f, asked, &failures[f]);
		too_many |= failures[f].too_many;
		for (covered = 0, i = 0; i < OURS; i++)
			covered += refuges_wants(m, i) && m->ours[i].node == f && refuge[i] >= 0;
		if (covered != failures[f].most)
			refuges_explain(m, p);
		if (covered != failures[f].most)
			fail_msg("of %s's pods %d are covered, and %d can be", refuges_node(f), covered, failures[f].most);
		told->uncovered += failures[f].count - covered;
		told->covered += covered;
	}
	told->plans++;
	if (!too_many) {
		told->searched++;
		check_least(m, p, failures, overhead, asked, told);
	}
}

