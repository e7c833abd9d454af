#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "sched/reserve/plan_private.h"

uint32_t failure_of(const struct work *w, uint32_t i)
{
	uint32_t low = 0, high = w->failure_count;

	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;

		if (w->failures[middle].first <= i)
			low = middle;
		else
			high = middle;
	}
	return low;
}

static struct load *load_find(const struct spot *spot, uint32_t failure)
{
	uint32_t i;

	for (i = 0; i < spot->count; i++)
		if (spot->loads[i].failure == failure)
			return &spot->loads[i];
	return NULL;
}

static struct load *load_need(const struct work *w, struct spot *spot, uint32_t failure)
{
	struct load *load = load_find(spot, failure);

	if (load)
		return load;
	grow(&spot->loads, &spot->room, spot->count + 1u, sizeof(*spot->loads));
	load = &spot->loads[spot->count++];
	*load = (struct load){.failure = failure, .sums = xcalloc(w->dims, sizeof(*load->sums))};
	return load;
}

static int64_t *row(const struct work *w, int64_t *rows, uint32_t node)
{
	return rows + (size_t)node * w->dims;
}

static void add(const struct work *w, int64_t *to, const int64_t *more, int sign)
{
	uint32_t r;

	for (r = 0; r < w->dims; r++)
		to[r] += sign * more[r];
}

static bool is_open(const struct work *w, uint32_t failure, uint32_t node)
{
	return w->open == failure && w->stamp[node] == w->round;
}

void loads_put(struct work *w, uint32_t i, uint32_t node)
{
	struct want *want = &w->wants[i];
	uint32_t failure = failure_of(w, i);
	struct load *load = load_need(w, &w->spots[node], failure);

	want->refuge = (int32_t)node;
	w->spots[node].book += want->book;
	add(w, load->sums, want->needs, 1);
	load->pods++;
	if (is_open(w, failure, node))
		add(w, row(w, w->mine, node), want->needs, 1);
}

void loads_take(struct work *w, uint32_t i)
{
	struct want *want = &w->wants[i];
	uint32_t failure = failure_of(w, i), node = (uint32_t)want->refuge;
	struct spot *spot;
	struct load *load;

	if (want->refuge < 0 || want->kept)
		return;
	spot = &w->spots[node];
	load = load_find(spot, failure);
	want->refuge = NOWHERE;
	spot->book -= want->book;
	add(w, load->sums, want->needs, -1);
	if (--load->pods == 0) {
		free(load->sums);
		*load = spot->loads[--spot->count];
	}
	if (is_open(w, failure, node))
		add(w, row(w, w->mine, node), want->needs, -1);
}

void loads_get(const struct work *w, int32_t *refuges)
{
	size_t i;

	for (i = 0; i < w->want_count; i++)
		refuges[i] = w->wants[i].refuge;
}

void loads_set(struct work *w, const int32_t *refuges)
{
	uint32_t i;

	for (i = 0; i < w->want_count; i++)
		if (w->wants[i].refuge != refuges[i])
			loads_take(w, i);
	for (i = 0; i < w->want_count; i++)
		if (w->wants[i].refuge != refuges[i] && refuges[i] >= 0)
			loads_put(w, i, (uint32_t)refuges[i]);
}

static void max_of(const struct work *w, int64_t *to, const int64_t *other)
{
	uint32_t r;

	for (r = 0; r < w->dims; r++)
		if (other[r] > to[r])
			to[r] = other[r];
}

/* All failures', one left out (UINT32_MAX: none). */
static void need_beside(const struct work *w, uint32_t node, uint32_t but, int64_t *need)
{
	const struct spot *spot = &w->spots[node];
	uint32_t i;

	memset(need, 0, w->dims * sizeof(*need));
	for (i = 0; i < spot->count; i++)
		if (spot->loads[i].failure != but)
			max_of(w, need, spot->loads[i].sums);
}

void loads_need(const struct work *w, uint32_t node, int64_t *need)
{
	need_beside(w, node, UINT32_MAX, need);
}

void loads_open(struct work *w, uint32_t failure)
{
	w->open = failure;
	w->round++;
}

/* Fills the node's rows for the open failure, once. */
static void look(struct work *w, uint32_t node)
{
	const struct load *own;

	if (w->stamp[node] == w->round)
		return;
	w->stamp[node] = w->round;
	need_beside(w, node, w->open, row(w, w->base, node));
	own = load_find(&w->spots[node], w->open);
	if (own)
		memcpy(row(w, w->mine, node), own->sums, w->dims * sizeof(*own->sums));
	else
		memset(row(w, w->mine, node), 0, w->dims * sizeof(*own->sums));
	w->effort -= w->effort > w->spots[node].count ? w->spots[node].count : w->effort;
}

static bool is_any(const char *ip)
{
	return !ip[0] || STREQ(ip, "0.0.0.0");
}

static bool ports_meet(const struct pod *a, const struct pod *b)
{
	uint32_t i, k;

	for (i = 0; i < a->port_count; i++)
		for (k = 0; k < b->port_count; k++)
			if (a->ports[i].port == b->ports[k].port && STREQ(a->ports[i].protocol, b->ports[k].protocol) &&
			    (is_any(a->ports[i].ip) || is_any(b->ports[k].ip) || STREQ(a->ports[i].ip, b->ports[k].ip)))
				return true;
	return false;
}

static bool ports_free(const struct work *w, uint32_t i, uint32_t node)
{
	const struct failure *f = &w->failures[w->open];
	uint32_t k;

	for (k = f->first; w->wants[i].pod->port_count && k < f->first + f->count; k++)
		if (k != i && w->wants[k].refuge == (int32_t)node && ports_meet(w->wants[i].pod, w->wants[k].pod))
			return false;
	return true;
}

bool loads_fits(struct work *w, uint32_t i, uint32_t node)
{
	const struct want *want = &w->wants[i];
	const int64_t *mine = row(w, w->mine, node), *cap = row(w, w->cap, node);
	uint32_t r;

	if ((int32_t)node == w->banned || w->closed[node] || node == want->node)
		return false;
	look(w, node);
	w->effort -= w->effort > 0;
	for (r = 0; r < w->dims; r++) {
		int64_t sum;

		/* as decide() has it: who asks for nothing always fits */
		if (want->needs[r] > 0 && (__builtin_add_overflow(mine[r], want->needs[r], &sum) || sum > cap[r]))
			return false;
	}
	return w->spots[node].book + want->book <= COVERS_MAX_BYTES - 2 && ports_free(w, i, node);
}

static int64_t more_of(const int64_t *mine, const int64_t *base, const int64_t *needs, uint32_t r)
{
	int64_t before = mine[r] > base[r] ? mine[r] : base[r], after = mine[r] + needs[r];

	return after > before ? after - before : 0;
}

double loads_price(struct work *w, uint32_t i, uint32_t node)
{
	const int64_t *mine = row(w, w->mine, node), *base = row(w, w->base, node), *needs = w->wants[i].needs;
	double price = 0;
	uint32_t r;

	look(w, node);
	for (r = 0; r < w->dims; r++)
		price += w->weight[r] * (double)more_of(mine, base, needs, r);
	return price;
}

void loads_more(struct work *w, uint32_t i, uint32_t node, int64_t *more)
{
	uint32_t r;

	look(w, node);
	for (r = 0; r < w->dims; r++)
		more[r] = more_of(row(w, w->mine, node), row(w, w->base, node), w->wants[i].needs, r);
}

static double cost_of(const struct work *w, const int64_t *need)
{
	double cost = 0;
	uint32_t r;

	for (r = 0; r < w->dims; r++)
		cost += w->weight[r] * (double)need[r];
	return cost;
}

struct score loads_score(const struct work *w)
{
	struct score score = {0};
	uint32_t i;

	for (i = 0; i < w->want_count; i++)
		score.covered += w->wants[i].refuge >= 0;
	for (i = 0; i < w->nodes; i++)
		if (w->spots[i].count) {
			loads_need(w, i, w->spare);
			score.cost += cost_of(w, w->spare);
		}
	return score;
}

struct score loads_score_open(struct work *w)
{
	const struct failure *f = &w->failures[w->open];
	struct score score = {0};
	uint32_t i, k;

	for (i = f->first; i < f->first + f->count; i++) {
		int32_t refuge = w->wants[i].refuge;
		bool seen = false;

		score.covered += refuge >= 0;
		for (k = f->first; k < i && !seen; k++)
			seen = w->wants[k].refuge == refuge;
		if (refuge < 0 || w->wants[i].kept || seen)
			continue;
		look(w, (uint32_t)refuge);
		memcpy(w->spare, row(w, w->base, (uint32_t)refuge), w->dims * sizeof(*w->spare));
		max_of(w, w->spare, row(w, w->mine, (uint32_t)refuge));
		score.cost += cost_of(w, w->spare) - cost_of(w, row(w, w->base, (uint32_t)refuge));
	}
	return score;
}
