/* Small cases. First the ways in which each failure's wants can go (ways), as many of them covered as possible; then one way for each failure. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "sched/reserve/plan_private.h"

#define NODES_MOST 32u
#define WANTS_MOST 24u			/* of all failures; also how deep either search goes */
#define WAYS_MOST 2000u		/* of one failure */
#define STEPS_MOST 20000u		/* of making ways, of one failure; a step with decide() counts as STEPS_ASK */
#define STEPS_ASK 20u
#define CHOICES_MOST 20000u		/* of choosing among them */
#define CLOSE 1.02			/* so near to what nothing can beat nobody looks further */
#define SLACK 1.002			/* less than that is no gain worth a look */

struct way {
	int32_t refuges[WANTS_MOST];
	int64_t *sums;			/* [node x dims] */
};

struct ways {
	struct way *items;
	size_t room;
	uint32_t count, covered, steps;
	int64_t *least;			/* by dimension: what any of them brings at least, all nodes together */
	bool reach[NODES_MOST];		/* nodes of any of them */
};

static void ways_clear(struct ways *o)
{
	while (o->count)
		free(o->items[--o->count].sums);
}

static void ways_free(struct ways *o)
{
	ways_clear(o);
	free(o->items);
	free(o->least);
}

/* --- ways -------------------------------------------------------------------------------------------------------------- */

static int64_t *sums_of(const struct work *w, const struct failure *f)
{
	int64_t *sums = xcalloc((size_t)w->nodes * w->dims, sizeof(*sums));
	uint32_t i, r;

	for (i = f->first; i < f->first + f->count; i++)
		for (r = 0; r < w->dims && w->wants[i].refuge >= 0 && !w->wants[i].kept; r++)
			sums[(size_t)w->wants[i].refuge * w->dims + r] += w->wants[i].needs[r];
	return sums;
}

static void ways_add(const struct work *w, const struct failure *f, struct ways *o, uint32_t covered)
{
	auto_free int64_t *sums = NULL;
	uint32_t i;

	if (covered > o->covered)
		ways_clear(o);
	o->covered = covered;
	sums = sums_of(w, f);
	for (i = 0; i < o->count; i++)
		if (memcmp(o->items[i].sums, sums, (size_t)w->nodes * w->dims * sizeof(*sums)) == 0)
			return;
	grow(&o->items, &o->room, o->count + 1u, sizeof(*o->items));
	for (i = 0; i < f->count; i++)
		o->items[o->count].refuges[i] = w->wants[f->first + i].refuge;
	o->items[o->count++].sums = steal(&sums);
}

static bool are_twins(const struct work *w, const struct want *a, const struct want *b)
{
	return !a->tied && !b->tied && !a->kept && !b->kept && !a->pod->port_count && !b->pod->port_count && a->allowed_count == b->allowed_count &&
	       memcmp(a->needs, b->needs, w->dims * sizeof(*a->needs)) == 0 &&
	       (!a->allowed_count || memcmp(a->allowed, b->allowed, a->allowed_count * sizeof(*a->allowed)) == 0);
}

/* Of two that are alike, the second one goes to no earlier node, and nowhere if the first does. */
static bool is_repeat(const struct work *w, const struct failure *f, uint32_t i, int32_t node)
{
	const struct want *one = &w->wants[i - 1];

	return i > f->first && are_twins(w, one, &w->wants[i]) && (one->refuge < 0 || node < one->refuge);
}

/* The nodes that want `i` may go to now. */
static void ask_nodes(struct work *w, uint32_t i, bool *may)
{
	const struct want *want = &w->wants[i];
	struct decision_input in;
	struct decision decision;
	uint32_t k;

	memset(may, 0, NODES_MOST * sizeof(*may));
	if (!want->tied) {
		for (k = 0; k < want->allowed_count; k++)
			may[want->allowed[k]] = loads_fits(w, i, want->allowed[k]);
		return;
	}
	if (seat_ask(w, i, &in, &decision))
		for (k = 0; k < w->nodes; k++)
			may[k] = seat_takes(&decision, k) && loads_fits(w, i, k);
}

/* As deep as WANTS_MOST. */
static void branch(struct work *w, const struct failure *f, uint32_t level, uint32_t covered, struct ways *o)
{
	uint32_t i = f->first + level, cost = level < f->count && w->wants[i].tied ? STEPS_ASK : 1, k;
	bool may[NODES_MOST];

	if (covered + (f->count - level) < o->covered || o->steps < cost || o->count >= WAYS_MOST)
		return;
	o->steps -= cost;
	if (level == f->count) {
		ways_add(w, f, o, covered);
		return;
	}
	if (w->wants[i].kept) {
		branch(w, f, level + 1, covered + 1, o);
		return;
	}
	ask_nodes(w, i, may);
	for (k = 0; k < w->nodes; k++) {
		if (!may[k] || is_repeat(w, f, i, (int32_t)k))
			continue;
		loads_put(w, i, k);
		if (w->wants[i].tied)
			cache_assume(w->in->cache, w->wants[i].pod->uid, k);
		branch(w, f, level + 1, covered + 1, o);
		if (w->wants[i].tied)
			cache_forget(w->in->cache, w->wants[i].pod->uid);
		loads_take(w, i);
	}
	branch(w, f, level + 1, covered, o);
}

static void sum_up(const struct work *w, struct ways *o)
{
	uint32_t i, k, r;

	o->least = xcalloc(w->dims, sizeof(*o->least));
	for (i = 0; i < o->count; i++)
		for (r = 0; r < w->dims; r++) {
			int64_t sum = 0;

			for (k = 0; k < w->nodes; k++) {
				int64_t part = o->items[i].sums[(size_t)k * w->dims + r];

				sum += part;
				o->reach[k] |= part > 0;
			}
			if (!i || sum < o->least[r])
				o->least[r] = sum;
		}
}

/* What is there now is the first of them. */
static void make_ways(struct work *w, uint32_t failure, struct ways *o)
{
	const struct failure *f = &w->failures[failure];
	uint32_t i, covered = 0;

	for (i = f->first; i < f->first + f->count; i++)
		covered += w->wants[i].refuge >= 0;
	ways_add(w, f, o, covered);
	if (f->tied)
		seat_open(w, failure);
	loads_open(w, failure);
	for (i = f->first; i < f->first + f->count; i++)
		loads_take(w, i);
	o->steps = STEPS_MOST;
	branch(w, f, 0, 0, o);
	if (f->tied)
		seat_close(w);
	sum_up(w, o);
}

/* --- the choice ----------------------------------------------------------------------------------------------------------- */

struct choosing {
	struct work *w;
	struct ways *ways;	/* by failure */
	uint32_t order[WANTS_MOST], picked[WANTS_MOST], best[WANTS_MOST];	/* by level */
	int64_t *rooms;			/* [level x node x dims] */
	double cost;
	bool found;			/* something that costs less than what was there */
	uint32_t looks;
};

static double price_of(const struct choosing *c, const int64_t *room, const struct way *o)
{
	const struct work *w = c->w;
	double price = 0;
	uint32_t k, r;

	for (k = 0; k < w->nodes; k++)
		for (r = 0; r < w->dims; r++) {
			size_t at = (size_t)k * w->dims + r;

			if (o->sums[at] > room[at])
				price += w->weight[r] * (double)(o->sums[at] - room[at]);
		}
	return price;
}

/* What is still to come at least: the failure with the most that does not go into the room that is there. */
static double still_to_come(const struct choosing *c, const int64_t *room, uint32_t level)
{
	const struct work *w = c->w;
	double sum = 0;
	uint32_t g, k, r;

	for (r = 0; r < w->dims; r++) {
		int64_t most = 0;

		for (g = level; g < w->failure_count; g++) {
			const struct ways *o = &c->ways[c->order[g]];
			int64_t left = o->least[r];

			for (k = 0; k < w->nodes && left > most; k++)
				left -= o->reach[k] ? room[(size_t)k * w->dims + r] : 0;
			most = left > most ? left : most;
		}
		sum += w->weight[r] * (double)most;
	}
	return sum;
}

struct priced {
	double price;
	uint32_t way;
};

static int by_price(const void *a, const void *b)
{
	const struct priced *x = a, *y = b;

	return x->price != y->price ? (x->price > y->price) - (x->price < y->price) : (x->way > y->way) - (x->way < y->way);
}

/* As deep as there are failures. */
static void choose(struct choosing *c, uint32_t level, double cost)
{
	const struct work *w = c->w;
	size_t size = (size_t)w->nodes * w->dims, k;
	int64_t *room = c->rooms + level * size, *next = room + size;
	const struct ways *o;
	auto_free struct priced *priced = NULL;
	uint32_t i;

	if ((cost + still_to_come(c, room, level)) * SLACK >= c->cost)
		return;
	if (level == w->failure_count) {
		c->cost = cost;
		c->found = true;
		memcpy(c->best, c->picked, sizeof(c->best));
		return;
	}
	o = &c->ways[c->order[level]];
	priced = xcalloc(o->count + 1, sizeof(*priced));
	for (i = 0; i < o->count; i++)
		priced[i] = (struct priced){price_of(c, room, &o->items[i]), i};
	qsort(priced, o->count, sizeof(*priced), by_price);
	for (i = 0; i < o->count && c->looks; i++) {
		const struct way *way = &o->items[priced[i].way];

		if ((cost + priced[i].price) * SLACK >= c->cost)
			return;
		c->looks--;
		for (k = 0; k < size; k++)
			next[k] = way->sums[k] > room[k] ? way->sums[k] : room[k];
		c->picked[level] = priced[i].way;
		choose(c, level + 1, cost + priced[i].price);
	}
}

static void order_by_size(struct choosing *c)
{
	const struct work *w = c->w;
	uint32_t i, k;

	for (i = 0; i < w->failure_count; i++) {
		for (k = i; k && w->failures[c->order[k - 1]].size < w->failures[i].size; k--)
			c->order[k] = c->order[k - 1];
		c->order[k] = i;
	}
}

static void take_best(struct choosing *c, int32_t *refuges)
{
	const struct work *w = c->w;
	uint32_t level;

	for (level = 0; level < w->failure_count; level++) {
		const struct failure *f = &w->failures[c->order[level]];
		const struct way *way = &c->ways[c->order[level]].items[c->best[level]];

		memcpy(refuges + f->first, way->refuges, f->count * sizeof(*refuges));
	}
}

/* --- */

/* No plan can cost less than the failure that brings most of a resource. */
static double floor_of_cost(const struct work *w)
{
	double floor = 0;
	uint32_t f, i, r;

	for (r = 0; r < w->dims; r++) {
		int64_t most = 0;

		for (f = 0; f < w->failure_count; f++) {
			int64_t sum = 0;

			for (i = w->failures[f].first; i < w->failures[f].first + w->failures[f].count; i++)
				sum += w->wants[i].kept ? 0 : w->wants[i].needs[r];
			most = sum > most ? sum : most;
		}
		floor += w->weight[r] * (double)most;
	}
	return floor;
}

static bool cannot_gain(const struct work *w)
{
	struct score now = loads_score(w);

	return !w->want_count || (now.covered == w->want_count && now.cost <= CLOSE * floor_of_cost(w));
}

/* With as many covered as can be: is that so already? */
static bool covers_most(const struct work *w, const struct ways *ways, uint32_t covered)
{
	uint32_t f, most = 0;

	for (f = 0; f < w->failure_count; f++)
		most += ways[f].covered;
	return covered >= most;
}

void exact(struct work *w)
{
	struct choosing c = {.w = w, .looks = CHOICES_MOST};
	auto_free int32_t *refuges = NULL;
	auto_free int64_t *rooms = NULL;
	auto_free struct ways *ways = NULL;
	struct score now;
	uint32_t f;

	if (w->want_count > WANTS_MOST || w->nodes > NODES_MOST || cannot_gain(w))
		return;
	refuges = xcalloc(w->want_count, sizeof(*refuges));
	loads_get(w, refuges);
	now = loads_score(w);
	ways = xcalloc(w->failure_count, sizeof(*ways));
	for (f = 0; f < w->failure_count; f++)
		make_ways(w, f, &ways[f]);
	rooms = xcalloc((size_t)(w->failure_count + 1) * w->nodes * w->dims, sizeof(*rooms));
	c.ways = ways;
	c.rooms = rooms;
	c.cost = covers_most(w, ways, now.covered) ? now.cost : INFINITY;
	order_by_size(&c);
	choose(&c, 0, 0);
	if (c.found)
		take_best(&c, refuges);
	loads_set(w, refuges);
	for (f = 0; f < w->failure_count; f++)
		ways_free(&ways[f]);
}
