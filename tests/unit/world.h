/*
 * world.h - a small cluster in memory and the real decision over it, for tests of filters.
 */
#ifndef TESTS_UNIT_WORLD_H
#define TESTS_UNIT_WORLD_H

#include "tests/unit/objects.h"

#include "lib/buf.h"
#include "sched/decide.h"
#include "sched/filter/filter.h"

struct world {
	struct cache *cache;
	struct decider *decider;
	struct profile profile;
	struct decision decision;	/* the last one */
	struct decision_input in;
};

static inline struct world world_new(void)
{
	struct world w = {.cache = cache_new(), .decider = decider_new()};

	profile_init(&w.profile, "test");
	return w;
}

static inline void world_free(struct world *w)
{
	profile_free(&w->profile);
	decider_free(w->decider);
	cache_free(w->cache);
}

static inline void world_decide(struct world *w, const struct pod *pod)
{
	w->in = (struct decision_input){.view = cache_view(w->cache), .pod = pod, .profile = &w->profile};
	decide(w->decider, &w->in, &w->decision);
}

/* Of the last decision: why a node is refused, "" exactly when it is not. The text lives until the next call. */
static inline const char *world_reason(const struct world *w, const char *node)
{
	static struct buf text;
	int32_t row = cache_find_node(w->cache, node);

	assert_true(row >= 0);
	buf_clear(&text);
	buf_str(&text, "");
	decision_reason(w->decider, &w->in, &w->decision, (uint32_t)row, &text);
	if (w->decision.verdicts)
		assert_int_equal(w->decision.verdicts[row].filter != 0, text.len > 0);
	return text.data;
}

/* The filter that refused it in the last decision; NULL: none did. */
static inline const struct filter *world_filter(const struct world *w, const char *node)
{
	int32_t row = cache_find_node(w->cache, node);
	uint8_t id = w->decision.verdicts[row].filter;

	return id ? filter_table[id - 1] : NULL;
}

/* Decides for the pod (and frees it) and compares the reason on that node; "" when it fits. */
static inline void world_expect(struct world *w, struct pod *pod, const char *node, const char *reason)
{
	world_decide(w, pod);
	assert_string_equal(world_reason(w, node), reason);
	pod_free(pod);
}

#endif
