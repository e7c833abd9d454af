/* The constraints of the pod with whenUnsatisfiable: DoNotSchedule. kube-scheduler's defaults for pods without constraints are all soft. */
#include "sched/filter/spread.h"

#include <string.h>

#include "lib/mem.h"
#include "sched/filter/domains.h"
#include "sched/filter/node_affinity.h"
#include "sched/filter/reserved.h"
#include "sched/filter/taints.h"

enum { DETAIL_SKEW, DETAIL_NO_LABEL };

/* --- counting --- */

static bool counts(const struct spread *s, const struct pod *ours, const struct pod *other)
{
	return !other->terminating && STREQ(other->namespace_, ours->namespace_) && selector_matches(&s->selector, &other->labels) &&
	       !STREQ(other->uid, ours->uid);
}

static uint32_t count_on(const struct cycle *c, const struct spread *s, uint32_t node)
{
	const struct node_state *state = &c->view->nodes[node];
	uint32_t pods = 0, i;

	for (i = 0; i < state->pod_count; i++)
		pods += counts(s, c->pod, state->pods[i]->pod);
	return pods;
}

uint32_t *spread_pods(struct cycle *c, const struct spread *s)
{
	const struct view *v = c->view;
	const struct requirement *r = selector_equality(&s->selector);
	uint32_t *pods = cycle_alloc(c, (v->count + 1) * sizeof(*pods)), count, i;
	struct node_count *holders;

	if (s->selector.is_nil || !s->selector.count)
		return pods;
	if (!r) {
		for (i = 0; i < v->count; i++)
			pods[i] = count_on(c, s, i);
		return pods;
	}
	holders = cycle_alloc(c, (v->count + 1) * sizeof(*holders));
	count = view_pods_matching(v, c->pod->namespace_, r->key, r->values[0], c->pod->uid, holders, v->count);
	for (i = 0; i < count; i++)
		pods[holders[i].node] = s->selector.count == 1 ? holders[i].pods : count_on(c, s, holders[i].node);
	return pods;
}

bool spread_includes(const struct cycle *c, const struct spread *s, uint32_t node)
{
	const struct node *n = c->view->nodes[node].node;

	return (!s->honor_affinity || pod_selects_node(c->pod, n)) && (!s->honor_taints || pod_tolerates_node(c->pod, n));
}

const bool *spread_labelled(struct cycle *c, bool hard)
{
	bool *labelled = cycle_alloc(c, c->view->count + 1);
	const struct pod *pod = c->pod;
	uint32_t i, n;

	memset(labelled, true, c->view->count);
	for (i = 0; i < pod->spread_count; i++)
		if (pod->spreads[i].hard == hard) {
			const uint32_t *domain = domains_of(c, pod->spreads[i].topology_key)->of_node;

			for (n = 0; n < c->view->count; n++)
				labelled[n] &= domain[n] != DOMAIN_NONE;
		}
	return labelled;
}

/* --- the state of a decision --- */

struct part {
	const struct spread *spread;
	const struct domains *domains;
	uint64_t *pods;			/* by domain */
	bool *there;			/* a node of that domain counts */
	uint32_t there_count;
	uint32_t lowest;		/* the domain with the fewest pods of those that are there */
	uint64_t low, next;		/* its pods, and those of the next one; INT32_MAX as kube-scheduler has it when there is none */
	bool self;			/* the pod matches its own selector */
};

struct parts {
	struct part *items;
	uint32_t count;
	const bool *labelled;		/* by node: it has all keys */
};

static void find_lowest(struct part *part)
{
	uint32_t d;

	part->low = part->next = INT32_MAX;
	for (d = 0; d < part->domains->count; d++) {
		if (!part->there[d])
			continue;
		part->there_count++;
		if (part->pods[d] < part->low) {
			part->next = part->low;
			part->low = part->pods[d];
			part->lowest = d;
		} else if (part->pods[d] < part->next) {
			part->next = part->pods[d];
		}
	}
}

static void fill(struct cycle *c, const struct parts *parts, struct part *part)
{
	const uint32_t *pods = spread_pods(c, part->spread), *domain = part->domains->of_node;
	uint32_t i;

	for (i = 0; i < c->view->count; i++) {
		if (!parts->labelled[i] || !spread_includes(c, part->spread, i))
			continue;
		part->there[domain[i]] = true;
		part->pods[domain[i]] += pods[i];
	}
	find_lowest(part);
}

static enum filter_start prefilter(struct cycle *c)
{
	const struct pod *pod = c->pod;
	struct parts *parts;
	uint32_t i;

	if (!pod->spread_count)
		return FILTER_SKIP;
	parts = cycle_alloc(c, sizeof(*parts));
	parts->items = cycle_alloc(c, pod->spread_count * sizeof(*parts->items));
	for (i = 0; i < pod->spread_count; i++)
		if (pod->spreads[i].hard) {
			struct part *part = &parts->items[parts->count++];

			part->spread = &pod->spreads[i];
			part->domains = domains_of(c, part->spread->topology_key);
			part->pods = cycle_alloc(c, (part->domains->count + 1) * sizeof(*part->pods));
			part->there = cycle_alloc(c, part->domains->count + 1);
			part->self = selector_matches(&part->spread->selector, &pod->labels);
		}
	if (!parts->count)
		return FILTER_SKIP;
	parts->labelled = spread_labelled(c, true);
	for (i = 0; i < parts->count; i++)
		fill(c, parts, &parts->items[i]);
	c->state = parts;
	return FILTER_RUN;
}

/* --- a node --- */

/* With `more` pods in a domain. */
static int64_t least(const struct part *part, uint32_t domain, uint32_t more)
{
	uint64_t grown = part->low + more;

	if ((int64_t)part->there_count < part->spread->min_domains)
		return 0;
	if (!more || domain != part->lowest)
		return (int64_t)part->low;
	return (int64_t)(grown < part->next ? grown : part->next);
}

static bool fits(const struct part *part, uint32_t domain, uint32_t more)
{
	int64_t pods = (int64_t)part->pods[domain] + more + part->self;

	return pods - least(part, domain, more) <= part->spread->max_skew;
}

/* The nominated pods of items[at..end) that count on that node. An empty selector counts these, also as in kube-scheduler. */
static uint32_t reserved_pods(const struct cycle *c, const struct parts *parts, const struct part *part, const struct reservations *reserved,
			      uint32_t at, uint32_t end)
{
	uint32_t pods = 0, node = reserved->items[at].node;

	if (!parts->labelled[node] || !spread_includes(c, part->spread, node))
		return 0;
	for (; at < end; at++) {
		const struct pod *other = reserved->items[at].pod;

		pods += STREQ(other->namespace_, c->pod->namespace_) && selector_matches(&part->spread->selector, &other->labels);
	}
	return pods;
}

/* The first constraint that refuses tells the reason. `reserved` may be NULL. */
static void look_at(struct cycle *c, uint32_t node, const struct reservations *reserved, uint32_t at, uint32_t end)
{
	const struct parts *parts = c->state;
	uint32_t i;

	for (i = 0; i < parts->count; i++) {
		const struct part *part = &parts->items[i];
		uint32_t domain = part->domains->of_node[node], more;

		if (domain == DOMAIN_NONE) {
			cycle_refuse(c, node, DETAIL_NO_LABEL);
			return;
		}
		more = reserved ? reserved_pods(c, parts, part, reserved, at, end) : 0;
		if (!fits(part, domain, more)) {
			cycle_refuse(c, node, DETAIL_SKEW);
			return;
		}
	}
}

/* What fits beside nominated pods fits without them: they only make its domain fuller. */
static void filter(struct cycle *c)
{
	struct reservations reserved = reservations_of(c);
	uint32_t i, end;

	for (i = 0; i < reserved.count; i = end) {
		end = reservations_run(&reserved, i);
		if (cycle_feasible(c, reserved.items[i].node))
			look_at(c, reserved.items[i].node, &reserved, i, end);
	}
	for (i = 0; i < c->view->count; i++)
		if (cycle_feasible(c, i))
			look_at(c, i, NULL, 0, 0);
}

static void reason(const struct decision_input *in, uint32_t node, uint8_t detail, struct buf *out)
{
	(void)in, (void)node;
	buf_str(out, "node(s) didn't match pod topology spread constraints");
	if (detail == DETAIL_NO_LABEL)
		buf_str(out, " (missing required label)");
}

const struct filter filter_spread = {
	.name = "PodTopologySpread", .wake = WAKE_NODE_ADDED | WAKE_NODE_CHANGED | WAKE_POD_FREED | WAKE_POD_ADDED,
	.prefilter = prefilter, .filter = filter, .reason = reason,
};
