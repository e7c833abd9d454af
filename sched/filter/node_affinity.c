#include "sched/filter/node_affinity.h"

#include <string.h>

#include "lib/mem.h"
#include "sched/filter/filter.h"

/* Details of a refusal: this, plus the number (index + 1) of the filter that refuses the node that the pod itself is nominated to, if one does. */
#define NOT_NAMED 1

extern const struct filter filter_node_affinity;

/* --- terms that name their nodes --- */

static bool is_name(const struct requirement *field)
{
	return field->op == LABEL_IN && STREQ(field->key, "metadata.name");
}

static const struct requirement *first_names(const struct node_term *term)
{
	uint32_t i;

	for (i = 0; i < term->field_count; i++)
		if (is_name(&term->fields[i]))
			return &term->fields[i];
	return NULL;
}

static bool has_value(const struct requirement *field, const char *value)
{
	uint32_t i;

	for (i = 0; i < field->value_count; i++)
		if (STREQ(field->values[i], value))
			return true;
	return false;
}

static bool allows(const struct node_term *term, const char *name)
{
	uint32_t i;

	for (i = 0; i < term->field_count; i++)
		if (is_name(&term->fields[i]) && !has_value(&term->fields[i], name))
			return false;
	return true;
}

/* Marks the nodes that the term names. How many names it leaves, also of nodes that do not exist. */
static uint32_t mark(const struct cycle *c, const struct node_term *term, bool *named)
{
	const struct requirement *names = first_names(term);
	uint32_t i, left = 0;

	for (i = 0; i < names->value_count; i++) {
		int32_t node = cache_find_node(c->view->cache, names->values[i]);

		if (!allows(term, names->values[i]))
			continue;
		left++;
		if (node >= 0)
			named[node] = true;
	}
	return left;
}

/*
 * Where every term names nodes, kube-scheduler looks at no others, and says so before all other filters. But the node that the pod is nominated to
 * it tries before that, with all filters, and keeps the reason.
 */
static enum filter_start refuse_not_named(struct cycle *c)
{
	const struct node_selector *terms = &c->pod->node_affinity;
	bool *named = cycle_alloc(c, c->view->count + 1);
	int32_t tried = cache_find_node(c->view->cache, c->pod->nominated_node);
	uint32_t i, left = 0;

	for (i = 0; i < terms->count; i++) {
		if (!first_names(&terms->terms[i]))
			return FILTER_RUN;
		left += mark(c, &terms->terms[i], named);
	}
	if (left == 0) {
		c->pod_reason = "pod affinity terms conflict";
		return FILTER_REFUSE;
	}
	for (i = 0; i < c->view->count; i++)
		if (!named[i] && (int32_t)i != tried)
			cycle_refuse(c, i, NOT_NAMED);
	return FILTER_RUN;
}

/* --- the filter --- */

static enum filter_start prefilter(struct cycle *c)
{
	if (c->pod->node_affinity.present && c->pod->node_affinity.count)
		return refuse_not_named(c);
	return c->pod->node_selector.count || c->pod->node_affinity.present ? FILTER_RUN : FILTER_SKIP;
}

bool pod_selects_node(const struct pod *pod, const struct node *node)
{
	uint32_t i;

	for (i = 0; i < pod->node_selector.count; i++) {
		const char *have = labels_get(&node->labels, pod->node_selector.items[i].key);

		if (!have || !STREQ(have, pod->node_selector.items[i].value))
			return false;
	}
	return node_selector_matches(&pod->node_affinity, &node->labels, node->name);
}

static void filter(struct cycle *c)
{
	uint32_t i;

	for (i = 0; i < c->view->count; i++)
		if (cycle_feasible(c, i) && !pod_selects_node(c->pod, c->view->nodes[i].node))
			cycle_refuse(c, i, 0);
}

/* kube-scheduler lists who refuses the nominated node among those who narrowed the nodes down. */
static void after(struct cycle *c)
{
	int32_t tried = cache_find_node(c->view->cache, c->pod->nominated_node);
	uint8_t by = tried >= 0 ? c->verdicts[tried].filter : 0;
	uint32_t i;

	for (i = 0; by && i < c->view->count; i++)
		if (c->verdicts[i].detail == NOT_NAMED && filter_table[c->verdicts[i].filter - 1] == &filter_node_affinity)
			cycle_refuse(c, i, (uint8_t)(NOT_NAMED + by));
}

static void reason(const struct decision_input *in, uint32_t node, uint8_t detail, struct buf *out)
{
	const char *self = filter_node_affinity.name, *other = detail > NOT_NAMED ? filter_table[detail - NOT_NAMED - 1]->name : self;
	int order = strcmp(self, other);

	(void)in, (void)node;
	if (detail < NOT_NAMED)
		buf_str(out, "node(s) didn't match Pod's node affinity/selector");
	else if (order == 0)
		buf_printf(out, "node(s) didn't satisfy plugin(s) [%s]", self);
	else
		buf_printf(out, "node(s) didn't satisfy plugin(s) [%s %s]", order < 0 ? self : other, order < 0 ? other : self);
}

const struct filter filter_node_affinity = {
	.name = "NodeAffinity", .unresolvable = true, .wake = WAKE_NODE_ADDED | WAKE_NODE_CHANGED,
	.prefilter = prefilter, .filter = filter, .after = after, .reason = reason,
};
