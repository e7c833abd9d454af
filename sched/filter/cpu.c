#include "sched/decider.h"

static enum filter_start prefilter(struct cycle *c)
{
	return c->in->profile->refuse_cpu && c->in->mesh && c->decider->lookup.full_count ? FILTER_RUN : FILTER_SKIP;
}

static const struct row_age *age_of(const struct cycle *c, uint32_t node)
{
	return c->decider->ages && c->row_of_node[node] != NAMES_NONE ? &c->decider->ages[c->row_of_node[node]] : &row_age_fresh;
}

/* Is there a place for the pod that is known not to be full? */
static bool other_place(const struct cycle *c)
{
	const uint8_t *load = c->decider->lookup.load;
	uint32_t i, n = c->view->count;

	for (i = 0; i < n; i++)
		if (cycle_feasible(c, i) && (load[i] == LOAD_EASY || load[i] == LOAD_BUSY) && !age_of(c, i)->dead)
			return true;
	return false;
}

static void filter(struct cycle *c)
{
	const uint8_t *load = c->decider->lookup.load;
	bool strict = c->in->profile->strict_cpu;
	uint32_t i, n = c->view->count;

	if (!strict && !other_place(c))
		return;
	for (i = 0; i < n; i++)
		if (load[i] == LOAD_FULL && cycle_feasible(c, i) && (strict || age_of(c, i)->fresh))
			cycle_refuse(c, i, 0);
}

static void reason(const struct decision_input *in, uint32_t node, uint8_t detail, struct buf *out)
{
	(void)in;
	(void)node;
	(void)detail;
	buf_str(out, "node(s) had no CPU headroom");
}

const struct filter filter_cpu = {
	.name = "CPUHeadroom",
	.ours = true,
	.wake = WAKE_MATRIX | WAKE_NODE_ADDED | WAKE_POD_FREED,
	.prefilter = prefilter,
	.filter = filter,
	.reason = reason,
};
