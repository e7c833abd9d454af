#include "sched/filter/volume_binding.h"

#include <string.h>

#include "lib/mem.h"
#include "sched/decider.h"
#include "sched/filter/volume_needs.h"
#include "sched/filter/volumes.h"

enum {				/* bits of detail */
	AFFINITY = 1,		/* of a bound volume */
	NO_VOLUME = 2,		/* none is free that will do, and none can be made there */
	NO_SPACE = 4,
	GONE = 8,		/* the volume of a bound claim */
	UNTRANSLATED = 16,
};

struct state {
	struct needs needs;
	struct volume_match *matches;
	struct volume_provision *provisions;
	uint32_t match_count, provision_count;
};

/* --- bound claims --- */

static unsigned check_bound(const struct needs *n, const struct view *v, uint32_t node)
{
	static const unsigned details[] = {[VOLUME_USABLE] = 0, [VOLUME_ELSEWHERE] = AFFINITY, [VOLUME_UNTRANSLATED] = UNTRANSLATED};
	uint32_t i;

	for (i = 0; i < n->bound_count; i++) {
		const struct volume *volume = find_volume(v, n->bound[i]->volume_name);
		unsigned detail = volume ? details[volume_access(v, volume, node)] : (unsigned)GONE;

		if (detail)
			return detail;
	}
	return 0;
}

/* --- claims that still need a volume --- */

/* By labels alone, as volume_access. */
static bool allows(const struct node_selector *affinity, const struct node *node)
{
	return node_selector_matches(affinity, &node->labels, "");
}

static bool is_taken(const struct state *s, const struct volume *volume)
{
	uint32_t i;

	for (i = 0; i < s->match_count; i++)
		if (s->matches[i].volume == volume)
			return true;
	return false;
}

/* A volume that names the claim is the one or there is none. */
static const struct volume_match *choose(const struct state *s, const struct wanted *w, const struct node *node)
{
	uint32_t i;

	for (i = 0; i < w->candidate_count; i++) {
		const struct volume_match *candidate = &w->candidates[i];
		bool fits;

		if (is_taken(s, candidate->volume))
			continue;
		fits = allows(&candidate->volume->node_affinity, node);
		if (fits || candidate->prebound)
			return fits ? candidate : NULL;
	}
	return NULL;
}

static unsigned provision(struct state *s, const struct wanted *w, const struct node *node)
{
	const struct storage_capacity *found = NULL;
	uint32_t i;

	if (!w->class->provisioner[0] || STREQ(w->class->provisioner, "kubernetes.io/no-provisioner") || !allows(&w->class->topologies, node))
		return NO_VOLUME;
	for (i = 0; i < w->capacity_count && !found; i++)
		if (selector_matches(&w->capacities[i]->node_topology, &node->labels))
			found = w->capacities[i];
	if (w->counts_capacity && !found)
		return NO_SPACE;
	s->provisions[s->provision_count++] = (struct volume_provision){w->claim, found};
	return 0;
}

static bool is_made_elsewhere(const struct needs *n, const struct node *node)
{
	uint32_t i;

	for (i = 0; i < n->wanted_count; i++)
		if (n->wanted[i].selected_node && !STREQ(n->wanted[i].selected_node, node->name))
			return true;
	return false;
}

/* Of all claims first what they can take, then what has to be made: the first that can't be is the reason. */
static unsigned find_volumes(struct state *s, const struct node *node, const struct wanted **to_make)
{
	const struct needs *n = &s->needs;
	uint32_t i, count = 0;
	unsigned trouble = 0;

	if (is_made_elsewhere(n, node))
		return NO_VOLUME;
	for (i = 0; i < n->wanted_count; i++) {
		const struct volume_match *match = n->wanted[i].selected_node ? NULL : choose(s, &n->wanted[i], node);

		if (match)
			s->matches[s->match_count++] = *match;
		else
			to_make[count++] = &n->wanted[i];
	}
	for (i = 0; i < count && !trouble; i++)
		trouble = provision(s, to_make[i], node);
	return trouble;
}

/* Bits of detail; 0: the plan is in matches and provisions. */
static unsigned look_at(struct state *s, const struct view *v, uint32_t node, const struct wanted **to_make)
{
	s->match_count = s->provision_count = 0;
	return check_bound(&s->needs, v, node) | find_volumes(s, v->nodes[node].node, to_make);
}

/* --- the filter --- */

static void prepare(struct state *s, struct arena *arena)
{
	s->matches = arena_alloc(arena, (s->needs.wanted_count + 1) * sizeof(*s->matches));
	s->provisions = arena_alloc(arena, (s->needs.wanted_count + 1) * sizeof(*s->provisions));
}

static enum filter_start prefilter(struct cycle *c)
{
	struct arena *arena = &c->decider->arena;
	struct state *s;

	if (!c->pod->needs_storage)
		return FILTER_SKIP;
	s = c->state = cycle_alloc(c, sizeof(*s));
	c->pod_reason = needs_of(c->view, c->pod, arena, &s->needs);
	if (c->pod_reason)
		return FILTER_REFUSE;
	prepare(s, arena);
	return s->needs.claims ? FILTER_RUN : FILTER_SKIP;
}

static void filter(struct cycle *c)
{
	struct state *s = c->state;
	const struct wanted **to_make = cycle_alloc(c, (s->needs.wanted_count + 1) * sizeof(struct wanted *));
	uint32_t i;

	for (i = 0; i < c->view->count; i++) {
		unsigned detail = cycle_feasible(c, i) ? look_at(s, c->view, i, to_make) : 0;

		if (detail & UNTRANSLATED)
			cycle_fail(c, "could not translate pv");
		else if (detail)
			cycle_refuse(c, i, (uint8_t)detail);
	}
}

static void reason(const struct decision_input *in, uint32_t node, uint8_t detail, struct buf *out)
{
	static const char *const texts[] = {
		"node(s) didn't match PersistentVolume's node affinity",
		"node(s) didn't find available persistent volumes to bind",
		"node(s) did not have enough free storage",
		"node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)",
	};
	const char *separator = "";
	unsigned i;

	(void)in, (void)node;
	for (i = 0; i < ARRAY_SIZE(texts); i++)
		if (detail & 1u << i) {
			buf_printf(out, "%s%s", separator, texts[i]);
			separator = "\n";
		}
}

const struct filter filter_volume_binding = {
	.name = "VolumeBinding", .unresolvable = true, .wake = WAKE_NODE_ADDED | WAKE_NODE_CHANGED | WAKE_STORAGE,
	.prefilter = prefilter, .filter = filter, .reason = reason,
};

/* --- for whoever binds the pod --- */

bool volume_plan_of(const struct view *v, const struct pod *pod, uint32_t node, struct volume_plan *plan)
{
	struct state s = {0};
	const struct wanted **to_make;

	*plan = (struct volume_plan){0};
	if (needs_of(v, pod, &plan->memory, &s.needs))
		return false;
	prepare(&s, &plan->memory);
	to_make = arena_alloc(&plan->memory, (s.needs.wanted_count + 1) * sizeof(*to_make));
	if (look_at(&s, v, node, to_make))
		return false;
	plan->matches = s.matches;
	plan->match_count = s.match_count;
	plan->provisions = s.provisions;
	plan->provision_count = s.provision_count;
	return true;
}

void volume_plan_free(struct volume_plan *plan)
{
	arena_free(&plan->memory);
	*plan = (struct volume_plan){0};
}
