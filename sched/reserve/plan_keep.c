/* From the best plan back to what was promised before, as far as that costs little: all, else failures as a whole, else pods. */
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "sched/reserve/plan_private.h"

bool want_may(const struct want *want, uint32_t node)
{
	uint32_t k;

	for (k = 0; k < want->allowed_count; k++)
		if (want->allowed[k] == node)
			return true;
	return false;
}

static bool good_enough(const struct work *w, struct score best)
{
	struct score now = loads_score(w);
	uint32_t k;

	for (k = 0; k < w->nodes; k++)
		if (w->spots[k].book > COVERS_MAX_BYTES - 2)
			return false;
	return now.covered >= best.covered && now.cost <= best.cost * (1 + PLAN_KEEP) + 1e-15;
}

static void keep_pods(struct work *w, uint32_t failure, struct score best)
{
	const struct failure *f = &w->failures[failure];
	uint32_t i;

	loads_open(w, failure);
	for (i = f->first; i < f->first + f->count; i++) {
		const struct want *want = &w->wants[i];
		int32_t from = want->refuge;

		if (!want_is_free(want) || want->before < 0 || from < 0 || from == want->before || !want_may(want, (uint32_t)want->before))
			continue;
		loads_take(w, i);
		if (loads_fits(w, i, (uint32_t)want->before)) {
			loads_put(w, i, (uint32_t)want->before);
			if (good_enough(w, best))
				continue;
			loads_take(w, i);
		}
		loads_put(w, i, (uint32_t)from);
	}
}

void keep(struct work *w, const int32_t *kept, struct score best)
{
	auto_free int32_t *here = xcalloc(w->want_count + 1, sizeof(*here)), *with = xcalloc(w->want_count + 1, sizeof(*with));
	uint32_t f;

	loads_get(w, here);
	loads_set(w, kept);
	if (good_enough(w, best))
		return;
	loads_set(w, here);
	for (f = 0; f < w->failure_count; f++) {
		size_t first = w->failures[f].first, bytes = w->failures[f].count * sizeof(*here);

		if (memcmp(here + first, kept + first, bytes) == 0)
			continue;
		loads_get(w, with);
		memcpy(with + first, kept + first, bytes);
		loads_set(w, with);
		if (!good_enough(w, best)) {
			loads_set(w, here);
			keep_pods(w, f, best);
		}
		loads_get(w, here);
	}
}
