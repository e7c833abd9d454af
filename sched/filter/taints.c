#include "sched/filter/taints.h"

#include <string.h>

#include "lib/mem.h"
#include "sched/filter/filter.h"
#include "sched/filter/marked.h"

static const char *const effect_names[] = {
	[TAINT_NO_SCHEDULE] = "NoSchedule", [TAINT_PREFER_NO_SCHEDULE] = "PreferNoSchedule", [TAINT_NO_EXECUTE] = "NoExecute",
};

/* An empty effect is every effect, an empty key with Exists every key. tolerationSeconds has no part in scheduling. */
static bool tolerates(const struct toleration *t, const struct taint *taint)
{
	if (t->never || (t->effect[0] && !STREQ(t->effect, effect_names[taint->effect])))
		return false;
	if (!t->key[0])
		return t->exists;
	return STREQ(t->key, taint->key) && (t->exists || STREQ(t->value, taint->value));
}

bool pod_tolerates(const struct pod *pod, const struct taint *taint)
{
	uint32_t i;

	for (i = 0; i < pod->toleration_count; i++)
		if (tolerates(&pod->tolerations[i], taint))
			return true;
	return false;
}

static enum filter_start prefilter(struct cycle *c)
{
	const struct view *v = c->view;

	return next_marked(v->has_taints, v->count, NODE_HARD_TAINTS, 0) < v->count ? FILTER_RUN : FILTER_SKIP;
}

bool pod_tolerates_node(const struct pod *pod, const struct node *node)
{
	uint32_t i;

	for (i = 0; i < node->taint_count; i++)
		if (node->taints[i].effect != TAINT_PREFER_NO_SCHEDULE && !pod_tolerates(pod, &node->taints[i]))
			return false;
	return true;
}

static void filter(struct cycle *c)
{
	const struct view *v = c->view;
	uint32_t i;

	for (i = 0; (i = next_marked(v->has_taints, v->count, NODE_HARD_TAINTS, i)) < v->count; i++)
		if (cycle_feasible(c, i) && !pod_tolerates_node(c->pod, v->nodes[i].node))
			cycle_refuse(c, i, 0);
}

static void reason(const struct decision_input *in, uint32_t node, uint8_t detail, struct buf *out)
{
	(void)in, (void)node, (void)detail;
	buf_str(out, "node(s) had untolerated taint(s)");
}

const struct filter filter_taints = {
	.name = "TaintToleration", .unresolvable = true, .wake = WAKE_NODE_ADDED | WAKE_NODE_CHANGED,
	.prefilter = prefilter, .filter = filter, .reason = reason,
};
