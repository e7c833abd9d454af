#include "sched/gauges.h"

#include "sched/stats.h"

static double seconds_since(int64_t since_mono_ms, int64_t mono_ms)
{
	return since_mono_ms < 0 ? 0 : (double)(mono_ms - since_mono_ms) / 1e3;
}

/* Once a second: it looks at each assumption. */
static void set_ages(struct gauges *g, int64_t mono_ms)
{
	if (mono_ms - g->ages_mono_ms < 1000)
		return;
	g->ages_mono_ms = mono_ms;
	metrics_set(g->stats, STAT_PENDING_SECONDS, 0, seconds_since(queue_oldest_ms(g->queue), mono_ms));
	metrics_set(g->stats, STAT_ASSUMED_SECONDS, 0, seconds_since(cache_assumed_since_ms(g->cache), mono_ms));
}

void gauges_set(struct gauges *g, int64_t mono_ms)
{
	int i;

	for (i = 0; i < QUEUE_STATES; i++)
		metrics_set(g->stats, STAT_PENDING, i, (double)queue_count(g->queue, (enum queue_state)i));
	metrics_set(g->stats, STAT_ASSUMED, 0, (double)cache_assumed(g->cache));
	metrics_set(g->stats, STAT_BINDINGS_OPEN, 0, (double)bind_open(g->binder));
	metrics_set(g->stats, STAT_BINDINGS_UNKNOWN, 0, (double)bind_unknown(g->binder));
	metrics_set(g->stats, STAT_VOLUMES_OPEN, 0, (double)volumes_open(g->volumes));
	metrics_set(g->stats, STAT_EVENTS_SENT, 0, (double)events_sent(g->events));
	metrics_set(g->stats, STAT_EVENTS_DROPPED, 0, (double)events_dropped(g->events));
	metrics_set(g->stats, STAT_SYNCED, 0, feed_synced(g->feed));
	metrics_set(g->stats, STAT_NODES, 0, cache_view(g->cache)->count);
	metrics_set(g->stats, STAT_PODS, 0, (double)cache_pods(g->cache));
	set_ages(g, mono_ms);
}
