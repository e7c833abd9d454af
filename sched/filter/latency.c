#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "sched/decider.h"
#include "sched/distance.h"
#include "sched/filter/latency.h"
#include "sched/target.h"

/* What `detail` says: item x 2 + why. The last item stands for all that one byte cannot name. */
enum { EXCEEDED, NO_DATA };
#define LAST_ITEM 127u

static uint8_t detail_of(uint32_t item, unsigned why)
{
	return (uint8_t)((item < LAST_ITEM ? item : LAST_ITEM) * 2 + why);
}

enum filter_start latency_refuse_pod(struct cycle *c, const struct buf *text)
{
	char *reason = arena_alloc(&c->decider->arena, text->len + 1);

	memcpy(reason, text->data, text->len);
	c->pod_reason = reason;
	return FILTER_REFUSE;
}

static enum filter_start refuse_missing(struct cycle *c, const struct resolved *limit)
{
	auto_buf struct buf text = {0};

	c->target_missing = true;
	target_missing_reason(c->in, limit, ASK_MISSING ": deny", &text);
	return latency_refuse_pod(c, &text);
}

static enum filter_start refuse_costly(struct cycle *c, uint64_t pairs)
{
	auto_buf struct buf text = {0};

	buf_printf(&text, "its latency targets make %" PRIu64 " pairs with the nodes, more than this scheduler looks at for one pod (%" PRIu64 ")",
		   pairs, TARGETS_MAX_PAIRS);
	return latency_refuse_pod(c, &text);
}

static enum filter_start prefilter(struct cycle *c)
{
	const struct targets *t = c->targets;
	uint64_t pairs = targets_pairs(t, c->view->count);
	uint32_t k, there = 0;

	if (pairs > TARGETS_MAX_PAIRS)
		return refuse_costly(c, pairs);
	if (!c->in->profile->refuse_latency)
		return FILTER_SKIP;
	for (k = 0; k < t->within_count; k++) {
		if (t->within[k].missing && !t->within[k].first && !c->pod->ask.allow_missing)
			return refuse_missing(c, &t->within[k]);
		there += !t->within[k].missing;
	}
	return there ? FILTER_RUN : FILTER_SKIP;
}

static void check(struct cycle *c, const struct latency_limit *limit, const float *median_us)
{
	uint32_t i, n = c->view->count;

	for (i = 0; i < n; i++) {
		if (median_us[i] <= limit->limit_us || !cycle_feasible(c, i))
			continue;
		if (!isnan(median_us[i]))
			cycle_refuse(c, i, limit->exceeded);
		else if (!limit->allow)
			cycle_refuse(c, i, limit->no_data);
	}
}

/* For who asked for them. */
static void show_medians(const struct cycle *c, const float *median_us)
{
	float *seen_us = c->in->seen_us;
	uint32_t i;

	for (i = 0; seen_us && i < c->view->count; i++)
		if (isnan(seen_us[i]) || median_us[i] > seen_us[i])
			seen_us[i] = median_us[i];
}

void latency_check(struct cycle *c, const struct resolved *target, const struct latency_limit *limit)
{
	float *median_us = column(c);
	uint32_t l;

	if (target->is_mesh || target->any || target->is_entry) {
		distance_limit(c, target, median_us);
		show_medians(c, median_us);
		check(c, limit, median_us);
		return;
	}
	for (l = 0; l < target->count && (c->decider->feasible || c->in->seen_us); l++) {	/* each has to hold; an unknown one follows `allow` */
		distance_median(c, target, &target->legs[l], median_us);
		show_medians(c, median_us);
		check(c, limit, median_us);
	}
}

static void filter(struct cycle *c)
{
	const struct targets *t = c->targets;
	uint32_t k;

	for (k = 0; k < t->within_count && c->decider->feasible; k++) {
		struct latency_limit limit = {.limit_us = (float)t->within[k].item->limit_us, .allow = c->pod->ask.allow_missing,
					      .exceeded = detail_of(k, EXCEEDED), .no_data = detail_of(k, NO_DATA)};

		if (!t->within[k].missing)
			latency_check(c, &t->within[k], &limit);
	}
}

static void reason(const struct decision_input *in, uint32_t node, uint8_t detail, struct buf *out)
{
	uint32_t item = detail / 2;

	(void)node;
	buf_str(out, detail % 2 == NO_DATA ? LATENCY_NO_DATA : LATENCY_EXCEEDED);
	if (item < LAST_ITEM)
		target_describe(&in->pod->ask.within[item], out);
	else
		buf_str(out, "one of the many targets");
}

const struct filter filter_latency = {
	.name = "Latency",
	.ours = true,
	.unresolvable = true,		/* evicting pods from a node does not bring it nearer */
	.wake = WAKE_MATRIX | WAKE_POD_ADDED | WAKE_POD_FREED | WAKE_NODE_ADDED | WAKE_NODE_CHANGED,
	.prefilter = prefilter,
	.filter = filter,
	.reason = reason,
};
