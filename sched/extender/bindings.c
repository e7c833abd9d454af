#include "sched/extender/bindings.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "sched/bind.h"
#include "sched/limit.h"
#include "sched/stats.h"

#define SPARE_MS 100			/* before the job's time is over: enough to say that nothing was sent */

struct asked {
	struct desk_job *job;
	int64_t taken_mono_ms;
	bool started;			/* the binder has it, as its tag */
};

struct bindings {
	struct cache *cache;
	struct judge *judge;
	struct desk *desk;
	struct metrics *stats;
	struct limit limit;
	struct binder *binder;
	struct asked **asked;		/* in the order of their arrival */
	size_t count, room;
};

/* --- the cache --- */

static void hold(struct bindings *b, const struct wire_bind *w)
{
	const struct cached_pod *cached = cache_find_pod(b->cache, w->uid);
	int32_t node = cache_find_node(b->cache, w->node);

	if (!cached || node < 0)
		return;
	if (cached->node != node) {
		if (cached->assumed)	/* by one before, of unknown outcome */
			cache_forget(b->cache, w->uid);
		cache_assume(b->cache, w->uid, (uint32_t)node);
	}
	judge_seen(b->judge, b->cache, w->uid);
}

/* Another one of the same pod may still put it somewhere. */
static void let_go(struct bindings *b, const struct asked *ended)
{
	const char *uid = desk_bind(ended->job)->uid;
	size_t i;

	for (i = 0; i < b->count; i++)
		if (b->asked[i] != ended && b->asked[i]->started && STREQ(desk_bind(b->asked[i]->job)->uid, uid))
			return;
	cache_forget(b->cache, uid);
}

/* --- answers --- */

static void drop(struct bindings *b, struct asked *a)
{
	size_t i;

	for (i = 0; b->asked[i] != a; i++)
		;
	memmove(&b->asked[i], &b->asked[i + 1], (--b->count - i) * sizeof(*b->asked));
	free(a);
}

/* Takes `error`. False: the job's time was over, kube-scheduler does not know this. */
static bool answer(struct bindings *b, struct asked *a, char *error)
{
	return desk_answer(b->desk, a->job, &(struct wire_answer){.error = error});
}

static char *not_bound(const struct wire_bind *w, const char *reason)
{
	return xasprintf("latency-sched: %s/%s was not bound to %s: %s", w->namespace_, w->pod, w->node, reason);
}

static void log_end(const struct asked *a, const struct binding *seen, enum bind_end end, bool in_time)
{
	static const char *const said[] = {[BIND_BOUND] = "pod bound", [BIND_LOST] = "binding lost", [BIND_FAILED] = "binding failed"};
	auto_free char *key = xasprintf("%s/%s", seen->namespace_, seen->name);

	log_event(end == BIND_BOUND ? LOG_INFO : LOG_WARN, said[end],
		  FIELDS(LS("pod", key), LS("node", seen->node), LS("reason", end == BIND_BOUND ? NULL : seen->reason),
			 LI("bind_ms", clock_mono_ms() - a->taken_mono_ms), LI("posts", seen->posts), LB("in_time", in_time)));
}

static void on_ended(void *arg, const struct binding *seen, enum bind_end end)
{
	struct bindings *b = arg;
	struct asked *a = seen->facts->tag;
	const struct wire_bind *w = desk_bind(a->job);
	bool in_time;

	metrics_add(b->stats, STAT_BINDINGS, (int)end, 1);
	if (end == BIND_BOUND) {
		hold(b, w);
		metrics_observe(b->stats, STAT_BIND_SECONDS, 0, (double)(clock_mono_ms() - a->taken_mono_ms) / 1e3);
	} else {
		let_go(b, a);
	}
	in_time = answer(b, a, end == BIND_BOUND ? NULL : not_bound(w, seen->reason));
	log_end(a, seen, end, in_time);
	drop(b, a);
}

/* --- from the desk to the binder --- */

static void start(struct bindings *b, struct asked *a, int64_t mono_ms)
{
	const struct wire_bind *w = desk_bind(a->job);
	char nobody[] = "";
	struct pod pod = {.namespace_ = w->namespace_, .name = w->pod, .uid = w->uid, .scheduler_name = nobody};
	struct bind_facts facts = {.rtt_ms = NAN, .score = NAN, .generation = -1, .decided_mono_ms = a->taken_mono_ms,
				   .until_mono_ms = desk_until(a->job), .tag = a};

	a->started = true;
	hold(b, w);
	bind_start(b->binder, &pod, w->node, &facts, mono_ms);
}

static void give_up(struct bindings *b, struct asked *a)
{
	const struct wire_bind *w = desk_bind(a->job);
	auto_free char *key = xasprintf("%s/%s", w->namespace_, w->pod);
	static const char reason[] = "it was not sent, too many bindings are in flight";

	metrics_add(b->stats, STAT_BINDINGS, BIND_FAILED, 1);
	log_warn("binding failed", FIELDS(LS("pod", key), LS("node", w->node), LS("reason", reason), LI("posts", 0)));
	answer(b, a, not_bound(w, reason));
	drop(b, a);
}

/* In their order, as long as there is a place. Returns milliseconds until the first of those that wait has no time left. */
static int64_t start_some(struct bindings *b, int64_t mono_ms, int64_t most)
{
	size_t i = 0;

	while (i < b->count) {
		struct asked *a = b->asked[i];
		int64_t left_ms = desk_until(a->job) - SPARE_MS - mono_ms;

		if (!a->started && left_ms <= 0) {
			give_up(b, a);	/* the next one is in its place now */
			continue;
		}
		if (!a->started && !binder_ready(b->binder, 0, mono_ms))
			return left_ms < most ? left_ms : most;
		if (!a->started)
			start(b, a, mono_ms);
		i++;
	}
	return most;
}

void bindings_take(struct bindings *b, struct desk_job *job)
{
	struct asked *a = xcalloc(1, sizeof(*a));

	*a = (struct asked){.job = job, .taken_mono_ms = clock_mono_ms()};
	grow(&b->asked, &b->room, b->count + 1, sizeof(*b->asked));
	b->asked[b->count++] = a;
}

void bindings_seen(struct bindings *b, const char *uid)
{
	bind_seen(b->binder, uid);
}

int64_t bindings_tick(struct bindings *b, int64_t mono_ms, int64_t most)
{
	int64_t wait = start_some(b, mono_ms, bind_tick(b->binder, mono_ms, most)), limited_ms = limit_wait_ms(&b->limit, 0, mono_ms);

	metrics_set(b->stats, STAT_BINDINGS_OPEN, 0, (double)b->count);
	metrics_set(b->stats, STAT_BINDINGS_UNKNOWN, 0, (double)bind_unknown(b->binder));
	metrics_set(b->stats, STAT_ASSUMED, 0, (double)cache_assumed(b->cache));
	return limited_ms > 0 && limited_ms < wait ? limited_ms : wait;
}

size_t bindings_open(const struct bindings *b)
{
	return b->count;
}

/* --- start and end --- */

void bindings_set_rates(struct bindings *b, const struct settings *settings)
{
	limit_set(&b->limit, settings->qps, (double)settings->burst, clock_mono_ms());
	binder_set_flight(b->binder, (size_t)settings->bindings);
}

struct bindings *bindings_new(struct kube *k, struct cache *cache, struct judge *judge, struct desk *desk, struct metrics *stats)
{
	struct bindings *b = xcalloc(1, sizeof(*b));

	*b = (struct bindings){.cache = cache, .judge = judge, .desk = desk, .stats = stats};
	b->binder = binder_new(k, cache, &b->limit, on_ended, b);
	return b;
}

void bindings_free(struct bindings *b)
{
	if (!b)
		return;
	binder_free(b->binder);
	while (b->count) {
		struct asked *a = b->asked[b->count - 1];
		auto_free char *key = xasprintf("%s/%s", desk_bind(a->job)->namespace_, desk_bind(a->job)->pod);

		if (a->started)
			log_warn("a binding is left, its outcome is unknown", FIELDS(LS("pod", key), LS("node", desk_bind(a->job)->node)));
		answer(b, a, not_bound(desk_bind(a->job), a->started ? "latency-sched ends; the outcome is unknown" : "latency-sched ends"));
		drop(b, a);
	}
	free(b->asked);
	free(b);
}
