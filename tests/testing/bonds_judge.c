/* The checks. Whatever is in here knows the model alone. */
#include "tests/testing/bonds.h"

#include <stdio.h>
#include <string.h>

#include "lib/mem.h"

/* --- a failure: who comes back -------------------------------------------------------------------------------------------------- */

#define WAYS 2000
#define LEAST_BY 1.075		/* PLAN_KEEP, and the 2 % that a plan looks no further for */

struct way {
	int cpu_milli[BONDS_NODES];
};

struct come {
	const struct bonds *b;
	int at[BONDS_PODS];		/* with the failed node's pods gone, and those back that are promised a frozen room */
	int pods[BONDS_PODS], count;	/* who has to find a place */
	bool circle[BONDS_PODS];	/* by place in `pods`: waits, by way of others, for itself */
	int most;			/* of all ways to come, so many are there in the best */
	struct way *ways;		/* those, as what they bring to each node */
	int way_count;
	bool too_many;
};

static void come_begin(const struct bonds *b, int failed, struct come *c)
{
	int i;

	*c = (struct come){.b = b, .ways = c->ways};
	for (i = 0; i < BONDS_PODS; i++) {
		const struct bound_pod *p = &b->pods[i];
		bool goes = p->there && p->node == failed, back = goes && p->covered;

		c->at[i] = !p->there || goes ? NONE : p->node;
		if (back && p->frozen_at != NONE)
			c->at[i] = p->frozen_at;
		if (back && p->frozen_at == NONE)
			c->pods[c->count++] = i;
	}
}

/* Is there an order in which each gets where the plan sends it? `done`: bits of those who are there. */
static bool in_some_order(struct come *c, const int *refuge, unsigned done, bool *seen)
{
	int k;
	bool all = true;

	if (seen[done])
		return false;
	seen[done] = true;
	for (k = 0; k < c->count; k++) {
		int i = c->pods[k];
		bool found;

		if ((done >> k & 1) || refuge[i] == NONE)
			continue;
		all = false;
		if (!bonds_may_be(c->b, i, refuge[i], c->at))
			continue;
		c->at[i] = refuge[i];
		found = in_some_order(c, refuge, done | 1u << k, seen);
		c->at[i] = NONE;
		if (found)
			return true;
	}
	return all;
}

/* --- who waits for whom ------------------------------------------------------------------------------------------------------------- */

static bool waits_for(const struct bonds *b, int i, int k)
{
	return b->pods[i].near.app == b->pods[k].app || b->pods[i].limit_app == b->pods[k].app;
}

/* Does `i` wait, by way of others that come back too, for itself? Then who is first does not know where the others will be. */
static bool in_circle(const struct come *c, int i)
{
	unsigned reach = 0, before = ~0u;
	int k, l;

	for (k = 0; k < c->count; k++)
		reach |= c->pods[k] != i && waits_for(c->b, i, c->pods[k]) ? 1u << k : 0;
	while (reach != before) {
		before = reach;
		for (k = 0; k < c->count; k++)
			for (l = 0; l < c->count && (reach >> k & 1); l++)
				reach |= k != l && waits_for(c->b, c->pods[k], c->pods[l]) ? 1u << l : 0;
	}
	for (k = 0; k < c->count; k++)
		if (c->pods[k] == i && (reach >> k & 1))
			return true;
	return false;
}

/* With all of them there: what no order excuses. NULL: all holds. */
static const char *wrong_at_end(const struct come *c)
{
	int k;

	for (k = 0; k < c->count; k++) {
		int i = c->pods[k], node = c->at[i];

		if (node == NONE)
			continue;
		if (!bonds_has_cpu(c->b, i, node, c->at) || !bonds_anti_holds(c->b, i, node, c->at) || !bonds_volume_holds(c->b, i, node, c->at))
			return "room, anti-affinity or volume";
		if (!bonds_near_holds(c->b, i, node, c->at) || !bonds_limit_holds(c->b, i, node, c->at))
			return "affinity or limit";
	}
	return NULL;
}

/* Spreading counts who is there already, and in a circle somebody is first: a plan knows one order, and another one may do for more. */
static bool order_matters(const struct come *c)
{
	bool matters = false;
	int k;

	for (k = 0; k < c->count; k++)
		matters |= c->circle[k] || c->b->pods[c->pods[k]].spread.app != NONE;
	return matters;
}

static void note_way(struct come *c)
{
	struct way way = {{0}};
	int k, there = 0;

	for (k = 0; k < c->count; k++)
		if (c->at[c->pods[k]] != NONE) {
			way.cpu_milli[c->at[c->pods[k]]] += c->b->pods[c->pods[k]].cpu_milli;
			there++;
		}
	if (there < c->most || wrong_at_end(c))
		return;
	if (there > c->most)
		c->way_count = 0;
	c->most = there;
	for (k = 0; k < c->way_count; k++)
		if (memcmp(&c->ways[k], &way, sizeof(way)) == 0)
			return;
	c->too_many |= c->way_count == WAYS;
	if (c->way_count < WAYS)
		c->ways[c->way_count++] = way;
}

/* All that can be there in any order at any place, and be right there in the end. `seen`: by where each of them is. */
static void find_ways(struct come *c, bool *seen)
{
	int k, node, index = 0;

	for (k = 0; k < c->count; k++)
		index = index * (BONDS_NODES + 1) + c->at[c->pods[k]] + 1;
	if (seen[index])
		return;
	seen[index] = true;
	note_way(c);
	for (k = 0; k < c->count; k++)
		for (node = 0; node < c->b->nodes && c->at[c->pods[k]] == NONE; node++)
			if (bonds_may_be(c->b, c->pods[k], node, c->at)) {
				c->at[c->pods[k]] = node;
				find_ways(c, seen);
				c->at[c->pods[k]] = NONE;
			}
}

/* Of one way for each failure, the least cpu that all nodes keep. Ends below `least`. */
static int least_room(const struct come *failures, int count, const struct way *room, int least)
{
	int k, node, sum = 0;

	for (node = 0; node < BONDS_NODES; node++)
		sum += room->cpu_milli[node];
	if (sum >= least || !count)
		return sum < least ? sum : least;
	for (k = 0; k < failures->way_count; k++) {
		struct way next = *room;

		for (node = 0; node < BONDS_NODES; node++)
			if (failures->ways[k].cpu_milli[node] > next.cpu_milli[node])
				next.cpu_milli[node] = failures->ways[k].cpu_milli[node];
		least = least_room(failures + 1, count - 1, &next, least);
	}
	return least;
}

/* --- what the plan says, checked -------------------------------------------------------------------------------------------------- */

static void explain_pod(const struct bonds *b, int i)
{
	const struct bound_pod *p = &b->pods[i];

	printf("# p%d on n%d covered %d app a%d cpu %d frozen_at %d", i, p->node, p->covered, p->app, p->cpu_milli, p->frozen_at);
	if (p->near.app != NONE)
		printf(" near a%d by %d", p->near.app, p->near.key);
	if (p->anti.app != NONE)
		printf(" not a%d by %d", p->anti.app, p->anti.key);
	if (p->spread.app != NONE)
		printf(" spread a%d by %d skew %d domains %d", p->spread.app, p->spread.key, p->skew, p->min_domains);
	if (p->limit_app != NONE)
		printf(" a%d<=%g", p->limit_app, p->limit_ms);
	if (p->claim != NONE)
		printf(" claim %d of zone %d once %d", p->claim, b->claim_zone[p->claim], b->claim_once[p->claim]);
	printf("\n");
}

void bonds_explain(const struct bonds *b, const struct plan *p)
{
	auto_buf struct buf text = {0};
	int i, k;

	plan_print(p, &text);
	printf("# frozen %d, plan %s", b->frozen, text.data);
	for (i = 0; i < b->nodes; i++) {
		printf("# n%d zone %d cordoned %d cpu %d attach %d rtt", i, b->zone[i], b->cordoned[i], b->cpu_milli[i], b->attach[i]);
		for (k = 0; k < b->nodes; k++)
			printf(" %g", b->rtt_ms[i][k]);
		printf("\n");
	}
	for (i = 0; i < BONDS_PODS; i++)
		if (b->pods[i].there)
			explain_pod(b, i);
}

static int pod_of(const struct bonds *b, const char *uid)
{
	int i = uid[strlen("uid-p")] - '0';

	if (!b->pods[i].there || !b->pods[i].covered)
		fail_msg("%s wants no room", uid);
	return i;
}

static void read_refuges(const struct bonds *b, const struct plan *p, int *refuge)
{
	bool seen[BONDS_PODS] = {false};
	size_t i;
	int k;

	for (k = 0; k < BONDS_PODS; k++)
		refuge[k] = NONE;
	for (i = 0; i < p->covers.count; i++) {
		k = pod_of(b, p->covers.items[i].uid);
		assert_false(seen[k]);
		seen[k] = true;
		refuge[k] = p->covers.items[i].refuge[1] - '0';
	}
	for (i = 0; i < p->uncovered_count; i++) {
		k = pod_of(b, p->uncovered[i].uid);
		assert_false(seen[k]);
		seen[k] = true;
		assert_true(p->uncovered[i].reason[0]);
	}
	for (k = 0; k < BONDS_PODS; k++)
		assert_int_equal(seen[k], b->pods[k].there && b->pods[k].covered);
}

static void refuse(const struct bonds *b, const struct plan *p, int failed, const char *what)
{
	bonds_explain(b, p);
	fail_msg("after %s failed: %s", bonds_node(failed), what);
}

static void count_kinds(const struct come *c, const int *refuge, struct bonds_told *told)
{
	int k;

	for (k = 0; k < c->count && c->count > 1; k++) {
		const struct bound_pod *p = &c->b->pods[c->pods[k]];

		if (refuge[c->pods[k]] == NONE)
			continue;
		told->near += p->near.app != NONE;
		told->anti += p->anti.app != NONE;
		told->spread += p->spread.app != NONE;
		told->limit += p->limit_app != NONE;
		told->claim += p->claim != NONE;
	}
}

static void check_failure(const struct bonds *b, const struct plan *p, int failed, const int *refuge, struct come *c, struct bonds_told *told)
{
	static bool seen[1953125];	/* (BONDS_NODES + 1) to the power of BONDS_PODS */
	bool seen_order[1 << BONDS_PODS] = {false};
	const char *wrong;
	int k, covered = 0, states = 1;

	come_begin(b, failed, c);
	for (k = 0; k < c->count; k++) {
		covered += refuge[c->pods[k]] != NONE;
		states *= BONDS_NODES + 1;
		c->circle[k] = in_circle(c, c->pods[k]);
	}
	if (!in_some_order(c, refuge, 0, seen_order))
		refuse(b, p, failed, "they get there in no order");
	for (k = 0; k < c->count; k++)
		c->at[c->pods[k]] = refuge[c->pods[k]];
	wrong = wrong_at_end(c);
	if (wrong)
		refuse(b, p, failed, wrong);
	for (k = 0; k < c->count; k++)
		c->at[c->pods[k]] = NONE;
	memset(seen, 0, (size_t)states);
	find_ways(c, seen);
	assert_true(covered <= c->most);
	if (covered < c->most && !order_matters(c))
		refuse(b, p, failed, "more of them could be covered");
	told->fewer += c->most - covered;
	told->covered += covered;
	told->uncovered += c->count - covered;
	count_kinds(c, refuge, told);
}

/* What each failure brings to a node is in its room. */
static void check_rooms(const struct bonds *b, const struct plan *p, const int *refuge)
{
	int node, failed, i;
	size_t k;

	for (node = 0; node < b->nodes; node++) {
		int most = 0, pods = 0, kept = 0, places = 0;

		for (failed = 0; failed < b->nodes; failed++) {
			int sum = 0, count = 0;

			for (i = 0; i < BONDS_PODS; i++)
				if (b->pods[i].there && b->pods[i].node == failed && refuge[i] == node && b->pods[i].frozen_at == NONE) {
					sum += b->pods[i].cpu_milli;
					count++;
				}
			most = sum > most ? sum : most;
			pods = count > pods ? count : pods;
		}
		for (k = 0; k < p->room_count; k++)
			if (STREQ(p->rooms[k].node, bonds_node(node))) {
				kept = (int)p->rooms[k].need.cpu_milli;
				places = (int)p->rooms[k].pods;
			}
		assert_int_equal(kept, most);
		assert_int_equal(places, pods);
	}
}

/* What all nodes keep beside the least: exactly so where one order is as good as another, else on average. */
static void check_least(const struct bonds *b, const struct plan *p, const struct come *failures, struct bonds_told *told)
{
	const struct way none = {{0}};
	bool matters = false, too_many = false;
	double kept = 0, least;
	size_t k;
	int f;

	for (k = 0; k < p->room_count; k++)
		kept += (double)p->rooms[k].need.cpu_milli;
	for (f = 0; f < b->nodes; f++) {
		matters |= order_matters(&failures[f]);
		too_many |= failures[f].too_many;
	}
	if (too_many || kept == 0)
		return;
	least = least_room(failures, b->nodes, &none, (int)kept + 1);
	told->compared++;
	told->excess += kept / least - 1;
	if (!matters && kept > least * LEAST_BY + 1e-6) {
		bonds_explain(b, p);
		fail_msg("%gm are kept, and %gm can do", kept, least);
	}
}

void bonds_check(const struct bonds *b, const struct plan *p, struct bonds_told *told)
{
	static struct way ways[BONDS_NODES][WAYS];
	struct come failures[BONDS_NODES];
	int refuge[BONDS_PODS], i, failed, fewer = told->fewer;

	read_refuges(b, p, refuge);
	for (i = 0; i < BONDS_PODS; i++)
		assert_true(b->pods[i].frozen_at == NONE || !b->pods[i].there || refuge[i] == b->pods[i].frozen_at);
	for (failed = 0; failed < b->nodes; failed++) {
		failures[failed].ways = ways[failed];
		check_failure(b, p, failed, refuge, &failures[failed], told);
	}
	check_rooms(b, p, refuge);
	if (told->fewer == fewer)
		check_least(b, p, failures, told);
	told->plans++;
}
