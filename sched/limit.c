#include "sched/limit.h"

#include <math.h>

static void refill(struct limit *l, int64_t mono_ms)
{
	if (mono_ms <= l->at_ms) /* of a caller whose clock was read earlier: that time has been counted */
		return;
	l->tokens = fmin(l->burst, l->tokens + (double)(mono_ms - l->at_ms) * l->qps / 1e3);
	l->at_ms = mono_ms;
}

void limit_set(struct limit *l, double qps, double burst, int64_t mono_ms)
{
	bool first = l->qps == 0;

	if (!first)
		refill(l, mono_ms);
	l->qps = qps;
	l->burst = burst;
	l->tokens = first ? burst : fmin(burst, l->tokens);
	l->at_ms = mono_ms;
}

/* A spare that the bucket cannot hold beside one token would never be met. */
static double needed(const struct limit *l, double spare)
{
	return fmin(spare + 1, fmax(1, l->burst));
}

bool limit_take(struct limit *l, double spare, int64_t mono_ms)
{
	refill(l, mono_ms);
	if (l->tokens < needed(l, spare))
		return false;
	l->tokens -= 1;
	return true;
}

void limit_charge(struct limit *l, int64_t mono_ms)
{
	refill(l, mono_ms);
	l->tokens -= 1;
}

int64_t limit_wait_ms(struct limit *l, double spare, int64_t mono_ms)
{
	refill(l, mono_ms);
	if (l->tokens >= needed(l, spare))
		return 0;
	return (int64_t)ceil((needed(l, spare) - l->tokens) / l->qps * 1e3);
}
