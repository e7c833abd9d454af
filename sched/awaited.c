#include "sched/awaited.h"

#include "sched/target.h"

struct came {
	const struct cache *cache;
	const struct pod *pod;
};

static bool any_selects(const struct ask_item *items, uint32_t count, const struct pod *asking, const struct pod *pod)
{
	uint32_t i;

	for (i = 0; i < count; i++)
		if (target_selects(&items[i].target, asking, pod))
			return true;
	return false;
}

static bool helps(void *arg, const char *uid)
{
	const struct came *came = arg;
	const struct cached_pod *waiting = cache_find_pod(came->cache, uid);
	const struct ask *ask = waiting ? &waiting->pod->ask : NULL;

	return ask && (any_selects(ask->within, ask->within_count, waiting->pod, came->pod) ||
		       any_selects(ask->near, ask->near_count, waiting->pod, came->pod));
}

void awaited_came(struct queue *q, const struct cache *c, const struct pod *pod, int64_t mono_ms)
{
	struct came came = {c, pod};

	queue_wake_target(q, helps, &came, mono_ms);
}
