/*
 * What the configuration demands of latency for pods that do not say it themselves (profile.h): maxLatency to each target of defaultNear, and with noData:
 * deny that something is known of a node at all.
 */
#include <math.h>

#include "sched/decider.h"
#include "sched/distance.h"
#include "sched/filter/latency.h"

/* What `detail` says: item x 2 + why, of defaultNear under maxLatency; from NEAR on the item of what the pod is placed near. */
enum { EXCEEDED, NO_DATA };
#define NEAR 128u			/* ASK_MAX_ITEMS and one of soft_max_latency are far less than 64 */

/* Does a node without data pass maxLatency? */
static bool allows(const struct cycle *c)
{
	const struct ask *ask = &c->pod->ask;

	return ask->has_missing ? ask->allow_missing : !c->in->profile->deny_no_data;
}

/* The rule that a refusal for want of data follows, for its message. */
static const char *rule(const struct cycle *c)
{
	return c->in->profile->deny_no_data ? "noData: deny" : ASK_MISSING ": deny";
}

/* Limits of the pod's own follow `missing` (latency.c), and maxLatency has looked at its targets already. */
static bool has_to_know(const struct targets *t)
{
	bool is_within = t->within_count && t->near == t->within;

	return t->must_know && !is_within && t->near != t->capped;
}

/* A preference for pods of which none runs drops, as ever: there is nothing of which data could be had. */
static bool drops(const struct resolved *near)
{
	return near->missing && (near->first || near->item->target.kind == TARGET_SELECTOR);
}

static enum filter_start refuse_missing(struct cycle *c, const struct resolved *target)
{
	auto_buf struct buf text = {0};

	c->target_missing = true;
	target_missing_reason(c->in, target, rule(c), &text);
	return latency_refuse_pod(c, &text);
}

static enum filter_start refuse_blind(struct cycle *c)
{
	auto_buf struct buf text = {0};

	buf_printf(&text, "there are no latency data (%s)", rule(c));
	return latency_refuse_pod(c, &text);
}

static enum filter_start prefilter(struct cycle *c)
{
	const struct targets *t = c->targets;
	bool denies = t->capped_count && !allows(c);
	uint32_t k;

	if (!t->capped_count && !t->must_know)
		return FILTER_SKIP;
	if (!c->in->mesh)
		return denies || t->must_know ? refuse_blind(c) : FILTER_SKIP;
	for (k = 0; denies && k < t->capped_count; k++)
		if (t->capped[k].missing && !t->capped[k].first)
			return refuse_missing(c, &t->capped[k]);
	for (k = 0; has_to_know(t) && k < t->near_count; k++)
		if (t->near[k].missing && !drops(&t->near[k]))
			return refuse_missing(c, &t->near[k]);
	return FILTER_RUN;
}

static void check_known(struct cycle *c, uint32_t item)
{
	float *median_us = column(c);
	uint32_t i, n = c->view->count;

	distance_show(c, &c->targets->near[item], median_us);
	for (i = 0; i < n; i++)
		if (isnan(median_us[i]) && cycle_feasible(c, i))
			cycle_refuse(c, i, (uint8_t)(NEAR + item * 2 + NO_DATA));
}

static void filter(struct cycle *c)
{
	const struct targets *t = c->targets;
	uint32_t k;

	for (k = 0; k < t->capped_count && c->decider->feasible; k++) {
		struct latency_limit limit = {.limit_us = (float)c->in->profile->max_latency_us, .allow = allows(c),
					      .exceeded = (uint8_t)(k * 2 + EXCEEDED), .no_data = (uint8_t)(k * 2 + NO_DATA)};

		if (!t->capped[k].missing)
			latency_check(c, &t->capped[k], &limit);
	}
	for (k = 0; has_to_know(t) && k < t->near_count && c->decider->feasible; k++)
		if (!t->near[k].missing)
			check_known(c, k);
}

static void reason(const struct decision_input *in, uint32_t node, uint8_t detail, struct buf *out)
{
	const struct ask *by_default = &in->profile->default_near;
	const struct ask *ask = detail >= NEAR && in->pod->ask.near_count ? &in->pod->ask : by_default;

	(void)node;
	buf_str(out, detail % 2 == NO_DATA ? LATENCY_NO_DATA : LATENCY_EXCEEDED);
	target_describe(&ask->near[detail % NEAR / 2], out);
}

const struct filter filter_max_latency = {
	.name = "MaxLatency",
	.ours = true,
	.unresolvable = true,		/* as Latency */
	.wake = WAKE_MATRIX | WAKE_POD_ADDED | WAKE_POD_FREED | WAKE_NODE_ADDED | WAKE_NODE_CHANGED,
	.prefilter = prefilter,
	.filter = filter,
	.reason = reason,
};
