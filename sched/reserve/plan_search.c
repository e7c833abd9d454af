#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "sched/reserve/plan_private.h"

#define STARTS 4
#define PASSES 6
#define TREE_WANTS 12			/* of one failure: more are not tried in all combinations */
#define TREE_NODES 8			/* for each of them the cheapest so many */
#define TREE_LOOKS 3000
#define WAYS_MOST 64			/* others that are asked to make way for one */

static uint32_t random_below(struct work *w, uint32_t n)	/* splitmix64: the same cluster gives the same plan */
{
	uint64_t z = (w->random += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return (uint32_t)((z ^ (z >> 31)) % n);
}

/* Where it fits and adds least; `prefer` wins ties. NOWHERE: it fits nowhere. */
int32_t search_cheapest(struct work *w, uint32_t i, const uint32_t *nodes, uint32_t count, int32_t prefer)
{
	double least = 0;
	int32_t best = NOWHERE;
	uint32_t k;

	for (k = 0; k < count; k++) {
		double price;

		if (!loads_fits(w, i, nodes[k]))
			continue;
		if ((int32_t)nodes[k] == prefer)
			return prefer;
		price = loads_price(w, i, nodes[k]);
		if (best < 0 || price < least) {
			best = (int32_t)nodes[k];
			least = price;
		}
	}
	return best;
}

static void seat_free(struct work *w, uint32_t i)
{
	int32_t node = search_cheapest(w, i, w->wants[i].allowed, w->wants[i].allowed_count, NOWHERE);

	if (node >= 0)
		loads_put(w, i, (uint32_t)node);
}

/* --- all combinations of one failure's wants, within limits --------------------------------------------------------------- */

struct choice {
	uint32_t node;
	double price;
};

struct tree {
	struct work *w;
	uint32_t wants[TREE_WANTS], count;
	struct choice choices[TREE_WANTS][TREE_NODES];
	uint32_t choice_count[TREE_WANTS];
	int32_t here[TREE_WANTS], best[TREE_WANTS];
	struct score score;
	bool found;			/* something better than what was there */
	uint32_t looks;
};

/* The cheapest ones, in order. */
static void choose_from(struct tree *t, uint32_t level)
{
	struct work *w = t->w;
	const struct want *want = &w->wants[t->wants[level]];
	struct choice *choices = t->choices[level];
	uint32_t count = 0, k, at;

	for (k = 0; k < want->allowed_count; k++) {
		struct choice one = {want->allowed[k], 0};

		if (!loads_fits(w, t->wants[level], one.node))
			continue;
		one.price = loads_price(w, t->wants[level], one.node);
		if (count == TREE_NODES && one.price >= choices[count - 1].price)
			continue;
		count += count < TREE_NODES;
		for (at = count - 1; at && choices[at - 1].price > one.price; at--)
			choices[at] = choices[at - 1];
		choices[at] = one;
	}
	t->choice_count[level] = count;
}

/* As deep as TREE_WANTS. */
static void climb(struct tree *t, uint32_t level, struct score so_far)
{
	uint32_t i, k;

	if (t->looks == 0 || so_far.covered + (t->count - level) < t->score.covered ||
	    (so_far.covered + (t->count - level) == t->score.covered && so_far.cost >= t->score.cost))
		return;
	if (level == t->count) {
		t->score = so_far;
		t->found = true;
		memcpy(t->best, t->here, sizeof(t->best));
		return;
	}
	i = t->wants[level];
	for (k = 0; k < t->choice_count[level] && t->looks; k++) {
		uint32_t node = t->choices[level][k].node;
		struct score with = so_far;

		t->looks--;
		if (!loads_fits(t->w, i, node))
			continue;
		with.covered++;
		with.cost += loads_price(t->w, i, node);
		loads_put(t->w, i, node);
		t->here[level] = (int32_t)node;
		climb(t, level + 1, with);
		loads_take(t->w, i);
	}
	t->here[level] = NOWHERE;
	climb(t, level + 1, so_far);
}

/* The failure's free wants are nowhere, `score` is of what was found so far. True: `t` has something better. */
static bool try_all(struct work *w, const struct failure *f, struct score score, struct tree *t)
{
	uint32_t i;

	*t = (struct tree){.w = w, .looks = TREE_LOOKS};
	for (i = f->first; i < f->first + f->count; i++) {
		if (!want_is_free(&w->wants[i]))
			continue;
		if (t->count == TREE_WANTS)
			return false;
		t->wants[t->count] = i;
		choose_from(t, t->count++);
	}
	t->score = score;
	t->score.cost -= 1e-12 + score.cost * 1e-9;
	climb(t, 0, (struct score){0});
	return t->found;
}

/* --- one failure ---------------------------------------------------------------------------------------------------------- */

static void take_free(struct work *w, const struct failure *f)
{
	uint32_t i;

	for (i = f->first; i < f->first + f->count; i++)
		if (want_is_free(&w->wants[i]))
			loads_take(w, i);
}

/* Another one of the failure that stands in its way goes elsewhere. */
static bool make_way(struct work *w, const struct failure *f, uint32_t i)
{
	const struct want *want = &w->wants[i];
	uint32_t k, other, tries = WAYS_MOST;

	for (k = 0; k < want->allowed_count; k++)
		for (other = f->first; other < f->first + f->count && tries; other++) {
			int32_t from = w->wants[other].refuge, to;

			if (!want_is_free(&w->wants[other]) || from != (int32_t)want->allowed[k])
				continue;
			tries--;
			loads_take(w, other);
			if (loads_fits(w, i, (uint32_t)from)) {
				loads_put(w, i, (uint32_t)from);
				to = search_cheapest(w, other, w->wants[other].allowed, w->wants[other].allowed_count, NOWHERE);
				if (to >= 0) {
					loads_put(w, other, (uint32_t)to);
					return true;
				}
				loads_take(w, i);
			}
			loads_put(w, other, (uint32_t)from);
		}
	return false;
}

/* Each of them once more, now that it is known where the others are. */
static void settle(struct work *w, const struct failure *f)
{
	uint32_t i, round;
	bool moved = true;

	for (round = 0; round < 3 && moved && w->effort; round++) {
		moved = false;
		for (i = f->first; i < f->first + f->count; i++) {
			int32_t from = w->wants[i].refuge;

			if (!want_is_free(&w->wants[i]))
				continue;
			if (from < 0) {
				moved |= make_way(w, f, i);
				continue;
			}
			loads_take(w, i);
			seat_free(w, i);
			moved |= w->wants[i].refuge != from;
		}
	}
}

static void seat_in_turn(struct work *w, const struct failure *f, uint32_t way)
{
	uint32_t k, from = way > 1 ? random_below(w, f->count) : 0;

	for (k = 0; k < f->count; k++) {
		uint32_t i = f->first + (way == 1 ? f->count - 1 - k : (from + k) % f->count);

		if (want_is_free(&w->wants[i]) && w->wants[i].refuge < 0)
			seat_free(w, i);
	}
}

/* The free wants of one failure, beside what the others need. Keeps what was there when that is no worse. True: it is better now. */
static bool improve(struct work *w, uint32_t failure, uint32_t way)
{
	const struct failure *f = &w->failures[failure];
	auto_free int32_t *was = xcalloc(f->count, sizeof(*was)), *found = xcalloc(f->count, sizeof(*found));
	struct score before, after, fixed;
	struct tree tree;
	bool better;
	uint32_t i;

	loads_open(w, failure);
	before = loads_score_open(w);
	for (i = 0; i < f->count; i++)
		was[i] = w->wants[f->first + i].refuge;
	take_free(w, f);
	fixed = loads_score_open(w);
	seat_in_turn(w, f, way);
	settle(w, f);
	after = loads_score_open(w);
	for (i = 0; i < f->count; i++)
		found[i] = w->wants[f->first + i].refuge;
	better = score_better(after, before);
	take_free(w, f);
	after = better ? after : before;
	if (try_all(w, f, (struct score){after.covered - fixed.covered, after.cost - fixed.cost}, &tree)) {
		better = true;
		memcpy(found, was, f->count * sizeof(*found));
		for (i = 0; i < tree.count; i++)
			found[tree.wants[i] - f->first] = tree.best[i];
	}
	for (i = 0; i < f->count; i++)
		if (want_is_free(&w->wants[f->first + i]) && (better ? found : was)[i] >= 0)
			loads_put(w, f->first + i, (uint32_t)(better ? found : was)[i]);
	return better;
}

/* --- all failures ---------------------------------------------------------------------------------------------------------- */

struct sized {
	double size;
	uint32_t failure;
};

static int by_size(const void *a, const void *b)
{
	const struct sized *x = a, *y = b;

	return x->size != y->size ? (x->size < y->size) - (x->size > y->size) : (x->failure > y->failure) - (x->failure < y->failure);
}

/* 0: the largest first, 1: the smallest first, else as chance has it. */
static void order_failures(struct work *w, uint32_t way, uint32_t *order)
{
	auto_free struct sized *sized = xcalloc(w->failure_count + 1, sizeof(*sized));
	uint32_t i;

	for (i = 0; i < w->failure_count; i++)
		sized[i] = (struct sized){way == 0 ? w->failures[i].size : way == 1 ? -w->failures[i].size : random_below(w, 1u << 30), i};
	if (w->failure_count)
		qsort(sized, w->failure_count, sizeof(*sized), by_size);
	for (i = 0; i < w->failure_count; i++)
		order[i] = sized[i].failure;
}

static void descend(struct work *w, uint32_t start)
{
	auto_free uint32_t *order = xcalloc(w->failure_count + 1, sizeof(*order));
	uint32_t pass, i, quiet = 0;

	for (pass = 0; pass < PASSES && quiet < 2 && w->effort; pass++) {
		bool better = false;

		order_failures(w, start + pass, order);
		for (i = 0; i < w->failure_count && w->effort; i++)
			better |= improve(w, order[i], start + pass);
		quiet = better ? 0 : quiet + 1;
	}
}

/* --- nodes emptied one by one -------------------------------------------------------------------------------------------- */

static bool empty_node(struct work *w, uint32_t node, struct score *score, int32_t *was)
{
	auto_free uint32_t *failures = xcalloc(w->spots[node].count + 1, sizeof(*failures));
	uint32_t count = w->spots[node].count, k, i;
	struct score now;

	for (k = 0; k < count; k++)
		failures[k] = w->spots[node].loads[k].failure;
	w->banned = (int32_t)node;
	for (k = 0; k < count; k++) {
		const struct failure *f = &w->failures[failures[k]];

		loads_open(w, failures[k]);
		for (i = f->first; i < f->first + f->count; i++)
			if (want_is_free(&w->wants[i]) && w->wants[i].refuge == (int32_t)node) {
				loads_take(w, i);
				seat_free(w, i);
			}
		settle(w, f);
	}
	w->banned = NOWHERE;
	now = loads_score(w);
	if (score_better(now, *score)) {
		*score = now;
		loads_get(w, was);
		return true;
	}
	loads_set(w, was);
	return false;
}

static void empty_nodes(struct work *w)
{
	auto_free int32_t *was = xcalloc(w->want_count + 1, sizeof(*was));
	struct score score = loads_score(w);
	uint64_t spare = w->effort / 4;		/* the other starts want some, too */
	bool better = true;
	uint32_t k, round;

	loads_get(w, was);
	for (round = 0; round < 3 && better; round++) {
		better = false;
		for (k = 0; k < w->nodes && w->effort > spare; k++)
			if (w->spots[k].count)
				better |= empty_node(w, k, &score, was);
	}
}

/* --- the search ------------------------------------------------------------------------------------------------------------ */

static void remember_best(struct work *w, struct score *best, int32_t *refuges)
{
	struct score now = loads_score(w);

	if (!score_better(now, *best))
		return;
	*best = now;
	loads_get(w, refuges);
}

static void start(struct work *w, uint32_t way, bool keep_before)
{
	auto_free uint32_t *order = xcalloc(w->failure_count + 1, sizeof(*order));
	uint32_t i;

	for (i = 0; i < w->want_count; i++)
		loads_take(w, i);
	order_failures(w, way, order);
	for (i = 0; i < w->failure_count; i++)
		seat_failure(w, order[i], keep_before);
}

void search(struct work *w)
{
	auto_free int32_t *best_refuges = xcalloc(w->want_count + 1, sizeof(*best_refuges));
	auto_free int32_t *kept = xcalloc(w->want_count + 1, sizeof(*kept));
	struct score best;
	uint32_t way;

	start(w, 0, true);
	best = loads_score(w);
	loads_get(w, kept);
	loads_get(w, best_refuges);
	for (way = 0; way < STARTS && (w->effort || !way); way++) {
		start(w, way, false);
		descend(w, way);
		empty_nodes(w);
		remember_best(w, &best, best_refuges);
	}
	loads_set(w, best_refuges);
	exact(w);
	best = loads_score(w);
	keep(w, kept, best);
}
