/* What all nodes keep together, and what part of the cluster that is. */
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "sched/reserve/plan_private.h"

/* Rooms that are there, or are no more. Sums of whole numbers below 2^53: exact, in whatever order they come. */
static void count_room(const struct work *w, struct tally *t, uint32_t node, int sign)
{
	uint32_t r;

	loads_need(w, node, w->spare);
	for (r = 0; r < w->dims; r++)
		t->rooms[r] += sign * (double)w->spare[r];
}

static void count_asking(const struct work *w, struct tally *t, uint32_t i, int sign)
{
	uint32_t r;

	for (r = 0; r < w->dims; r++)
		if (w->wants[i].needs[r] > 0)
			t->asking[r] += (uint32_t)sign;
}

void tally_make(const struct work *w, struct tally *t)
{
	uint32_t i;

	*t = (struct tally){.rooms = xcalloc(w->dims, sizeof(*t->rooms)), .asking = xcalloc(w->dims, sizeof(*t->asking))};
	for (i = 0; i < w->nodes; i++)
		if (w->spots[i].count)
			count_room(w, t, i, 1);
	for (i = 0; i < w->want_count; i++)
		if (w->wants[i].refuge >= 0)
			count_asking(w, t, i, 1);
}

void tally_free(struct tally *t)
{
	free(t->rooms);
	free(t->asking);
	*t = (struct tally){0};
}

double tally_share(const struct work *w, const struct tally *t, uint32_t r)
{
	return w->total[r] > 0 ? t->rooms[r] / w->total[r] : 0;
}

/* With `more` of them kept, and a pod more that asks for `needs`. Both NULL: as it is. */
static double overhead(const struct work *w, const struct tally *t, const int64_t *more, const int64_t *needs)
{
	uint32_t asked = 0, r;
	double sum = 0, pods = 0;

	for (r = 0; r < w->dims; r++) {
		double room = t->rooms[r] + (more ? (double)more[r] : 0), share = w->total[r] > 0 ? room / w->total[r] : 0;

		if (r == DIM_PODS) {
			pods = share;
		} else if (t->asking[r] || (needs && needs[r] > 0)) {
			sum += share;
			asked++;
		}
	}
	return asked ? sum / asked : pods;
}

double tally_overhead(const struct work *w, const struct tally *t)
{
	return overhead(w, t, NULL, NULL);
}

uint32_t tally_kinds(const struct work *w, const struct tally *t)
{
	uint32_t kinds = 0, r;

	for (r = 0; r < w->dims; r++)
		kinds += r != DIM_PODS && t->asking[r];
	return kinds;
}

double tally_with(struct work *w, const struct tally *t, uint32_t i, uint32_t node)
{
	loads_more(w, i, node, w->spare);
	return overhead(w, t, w->spare, w->wants[i].needs);
}

void tally_put(struct work *w, struct tally *t, uint32_t i, uint32_t node)
{
	count_room(w, t, node, -1);
	loads_put(w, i, node);
	count_room(w, t, node, 1);
	count_asking(w, t, i, 1);
}

void tally_take(struct work *w, struct tally *t, uint32_t i)
{
	uint32_t node = (uint32_t)w->wants[i].refuge;

	count_room(w, t, node, -1);
	loads_take(w, i);
	count_room(w, t, node, 1);
	count_asking(w, t, i, -1);
}
