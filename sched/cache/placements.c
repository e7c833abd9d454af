/* When pods were placed, by node. */
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "sched/cache/store.h"

int64_t cache_now_ms(const struct cache *c)
{
	return c->timeless ? c->time_mono_ms : clock_mono_ms();
}

void cache_set_time(struct cache *c, int64_t mono_ms)
{
	c->timeless = true;
	c->time_mono_ms = mono_ms;
}

void placements_changed(struct cache *c, const struct place *place)
{
	if (place->index >= 0)		/* else its nodes' epoch changes before anyone can see it */
		c->placed_on[c->placed_epoch++ % PLACED_MAX] = (uint32_t)place->index;
}

void cache_set_reserve(struct cache *c, const char *namespace_)
{
	free(c->reserve);
	c->reserve = xstrdup(namespace_);
}

static bool keeps_room(const struct cache *c, const struct pod *pod)
{
	return c->reserve && pod->covers && STREQ(pod->namespace_, c->reserve);
}

void placement_add(struct cache *c, struct entry *e)
{
	struct place *place = e->at;

	if (e->pub.placed_mono_ms == PLACED_LONG_AGO || e->pod->terminating || keeps_room(c, e->pod))
		return;
	grow(&place->placements, &place->placement_room, place->placement_count + 1u, sizeof(*place->placements));
	place->placements[place->placement_count++] = (struct placement){e->pub.placed_mono_ms, e->pod->requests.cpu_milli, &e->pub};
	e->placement = place->placement_count;
	placements_changed(c, place);
}

void placement_remove(struct cache *c, struct entry *e)
{
	struct place *place = e->at;
	struct placement last;

	if (!e->placement)
		return;
	last = place->placements[--place->placement_count];
	place->placements[e->placement - 1] = last;
	entry_of(last.pod)->placement = e->placement;
	e->placement = 0;
	placements_changed(c, place);
}

void cache_set_placed(struct cache *c, const char *uid, int64_t mono_ms)
{
	struct entry *e = entry_find(c, uid);

	if (!e || !e->at)
		return;
	placement_remove(c, e);
	e->pub.placed_mono_ms = mono_ms;
	placement_add(c, e);
	place_sync(c, e->at);
}
