#include "probe/rounds.h"

#include "lib/clock.h"
#include "probe/signals.h"
#include "probe/stats.h"

/* SplitMix64 (Steele, Lea, Flood 2014). */
static int64_t random_below(struct schedule *s, int64_t n)
{
	uint64_t z = (s->random += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return n > 0 ? (int64_t)((z ^ (z >> 31)) % (uint64_t)n) : 0;
}

int64_t schedule_begin(struct schedule *s, int64_t interval_us, int64_t now_us, uint64_t seed)
{
	int64_t jitter_us = interval_us / 10 < 1000000 ? interval_us / 10 : 1000000;

	*s = (struct schedule){.interval_us = interval_us, .slot_us = now_us, .random = seed};
	return now_us + random_below(s, jitter_us);
}

int64_t schedule_next(struct schedule *s, int64_t now_us, bool *overrun)
{
	s->slot_us += s->interval_us;
	*overrun = now_us > s->slot_us;
	if (*overrun)
		s->slot_us = now_us + s->interval_us / 10;
	else if (s->slot_us < now_us + s->interval_us / 10)
		return now_us + s->interval_us / 10;
	return s->slot_us + random_below(s, s->interval_us / 10);
}

struct ping_plan rounds_plan(int64_t interval_ms, int64_t pings, int64_t timeout_ms)
{
	int64_t spacing_us = interval_ms * 1000 / 2 / pings;

	return (struct ping_plan){
		.pings = (uint32_t)pings,
		.spacing_us = spacing_us < 1000000 ? spacing_us : 1000000,
		.timeout_us = timeout_ms * 1000,
		.least_timeout_us = timeout_ms * 500,
		.budget_us = interval_ms * 900,
	};
}

static void count_results(const struct ping_results *r, struct metrics *m)
{
	double received = 0, lost = 0;
	size_t i;

	for (i = 0; i < r->targets * r->pings; i++) {
		received += r->rtt_us[i] >= 0;
		lost += r->rtt_us[i] == PING_LOST;
	}
	metrics_add(m, STAT_SENT, 0, received + lost);
	metrics_add(m, STAT_RECEIVED, 0, received);
	metrics_add(m, STAT_LOST, 0, lost);
}

bool rounds_run(struct pinger *p, const struct ping_plan *plan, size_t targets, struct ping_results *results)
{
	int64_t start_us = clock_mono_us();
	bool stopped;

	ping_results_reset(results, targets, plan->pings);
	pinger_round(p, plan, results);
	stopped = signals_stop();
	count_results(results, p->m);
	metrics_observe(p->m, STAT_ROUND_SECONDS, 0, (double)(clock_mono_us() - start_us) * 1e-6);
	if (!stopped)
		metrics_add(p->m, STAT_ROUNDS, 0, 1);
	return !stopped;
}
