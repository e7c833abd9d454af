#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "sched/decider.h"
#include "sched/distance.h"
#include "sched/target.h"

/* What `detail` says: item x 2 + why. The last item stands for all that one byte cannot name. */
enum { EXCEEDED, NO_DATA };
#define LAST_ITEM 127u

static uint8_t detail_of(uint32_t item, unsigned why)
{
	return (uint8_t)((item < LAST_ITEM ? item : LAST_ITEM) * 2 + why);
}

static enum filter_start refuse_pod(struct cycle *c, const struct buf *text)
{
	char *reason = arena_alloc(&c->decider->arena, text->len + 1);

	memcpy(reason, text->data, text->len);
	c->pod_reason = reason;
	return FILTER_REFUSE;
}

static enum filter_start refuse_missing(struct cycle *c, const struct resolved *limit)
{
	auto_buf struct buf text = {0};

	target_missing_reason(c->in, limit, &text);
	return refuse_pod(c, &text);
}

static enum filter_start refuse_costly(struct cycle *c, uint64_t pairs)
{
	auto_buf struct buf text = {0};

	buf_printf(&text, "its latency targets make %" PRIu64 " pairs with the nodes, more than this scheduler looks at for one pod (%" PRIu64 ")",
		   pairs, TARGETS_MAX_PAIRS);
	return refuse_pod(c, &text);
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

static void check(struct cycle *c, uint32_t item, const float *median_us)
{
	bool allow = c->pod->ask.allow_missing;
	float limit_us = (float)c->targets->within[item].item->limit_us;
	uint32_t i, n = c->view->count;

	for (i = 0; i < n; i++) {
		if (median_us[i] <= limit_us || !cycle_feasible(c, i))
			continue;
		if (!isnan(median_us[i]))
			cycle_refuse(c, i, detail_of(item, EXCEEDED));
		else if (!allow)
			cycle_refuse(c, i, detail_of(item, NO_DATA));
	}
}

static void filter(struct cycle *c)
{
	const struct targets *t = c->targets;
	float *median_us = column(c);
	uint32_t k, l;

	for (k = 0; k < t->within_count && c->decider->feasible; k++) {
		const struct resolved *limit = &t->within[k];

		if (limit->missing)
			continue;
		if (limit->is_mesh || limit->any || limit->is_entry) {
			distance_limit(c, limit, median_us);
			check(c, k, median_us);
			continue;
		}
		for (l = 0; l < limit->count && c->decider->feasible; l++) {	/* each has to hold; an unknown one follows `missing` */
			distance_median(c, limit, &limit->legs[l], median_us);
			check(c, k, median_us);
		}
	}
}

static void reason(const struct decision_input *in, uint32_t node, uint8_t detail, struct buf *out)
{
	uint32_t item = detail / 2;

	(void)node;
	buf_str(out, detail % 2 == NO_DATA ? "node(s) had no latency data to " : "node(s) exceeded the latency limit to ");
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
