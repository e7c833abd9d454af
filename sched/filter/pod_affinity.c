/* Required pod affinity and anti-affinity: the pod's own, and that of the pods that are there, which keeps ours out of their domains. */
#include <string.h>

#include "lib/mem.h"
#include "sched/filter/domains.h"
#include "sched/filter/filter.h"
#include "sched/filter/reserved.h"
#include "sched/filter/terms.h"

enum { FINE, DETAIL_AFFINITY, DETAIL_ANTI, DETAIL_ANTI_UNKNOWN, DETAIL_OTHERS, DETAIL_OTHERS_UNKNOWN };

/* A term_match for each domain of a key: what a term found there. */
struct marks {
	const struct domains *domains;
	uint8_t *of_domain;
};

struct state {
	struct marks *affinity, *anti;	/* by term of the pod */
	struct marks *others;		/* what other pods close, one for each key */
	uint32_t others_count, others_room;
	bool found;			/* a pod matches all affinity terms, on a node that is in a domain of one of them */
	bool maybe;			/* or could, if namespaces were known */
	bool self;			/* the pod matches all its affinity terms */
};

static struct marks marks_of(struct cycle *c, const char *key)
{
	struct marks marks = {.domains = domains_of(c, key)};

	marks.of_domain = cycle_alloc(c, marks.domains->count + 1);
	return marks;
}

static uint8_t mark_at(const struct marks *marks, uint32_t node)
{
	uint32_t domain = marks->domains->of_node[node];

	return domain == DOMAIN_NONE ? TERM_NO : marks->of_domain[domain];
}

/* What is certain stays. False: the node is in no domain. */
static bool mark(const struct marks *marks, uint32_t node, enum term_match match)
{
	uint32_t domain = marks->domains->of_node[node];

	if (domain == DOMAIN_NONE)
		return false;
	if (marks->of_domain[domain] != TERM_YES)
		marks->of_domain[domain] = (uint8_t)match;
	return true;
}

/* --- what other pods close --- */

static struct marks *others_of(struct cycle *c, struct state *s, const char *key)
{
	struct marks *old = s->others;
	uint32_t i;

	for (i = 0; i < s->others_count; i++)
		if (STREQ(s->others[i].domains->key, key))
			return &s->others[i];
	if (s->others_count == s->others_room) {
		s->others_room = s->others_room ? s->others_room * 2 : 4;
		s->others = cycle_alloc(c, s->others_room * sizeof(*s->others));
		if (old)
			memcpy(s->others, old, s->others_count * sizeof(*old));
	}
	s->others[s->others_count] = marks_of(c, key);
	return &s->others[s->others_count++];
}

/* Domains are made for keys that a node has: a pod cannot make us look at keys without end. */
static void close_domains(struct cycle *c, struct state *s, const struct cached_pod *other)
{
	const struct node *node = c->view->nodes[other->node].node;
	uint32_t i;

	for (i = 0; i < other->pod->anti_affinity_count; i++) {
		const struct affinity_term *term = &other->pod->anti_affinity[i];
		enum term_match match = their_term_matches(c, term);

		if (match != TERM_NO && labels_get(&node->labels, term->topology_key))
			mark(others_of(c, s, term->topology_key), (uint32_t)other->node, match);
	}
}

/* --- what the pod wants and what it avoids --- */

static enum term_match matches_all(const struct cycle *c, const struct pod *other)
{
	enum term_match all = c->pod->affinity_count ? TERM_YES : TERM_NO;
	uint32_t i;

	for (i = 0; i < c->pod->affinity_count && all != TERM_NO; i++) {
		enum term_match match = own_term_matches(c, &c->pod->affinity[i], other);

		if (match != TERM_YES)
			all = match;
	}
	return all;
}

/* A pod that may match, or may not, does not attract, and does keep away. */
static void look_for_own(struct cycle *c, struct state *s, const struct pod *other, uint32_t node)
{
	enum term_match all = matches_all(c, other);
	uint32_t i;

	s->maybe |= all == TERM_UNKNOWN;
	for (i = 0; all == TERM_YES && i < c->pod->affinity_count; i++)
		s->found |= mark(&s->affinity[i], node, TERM_YES);
	for (i = 0; i < c->pod->anti_affinity_count; i++) {
		enum term_match match = own_term_matches(c, &c->pod->anti_affinity[i], other);

		if (match != TERM_NO)
			mark(&s->anti[i], node, match);
	}
}

static struct marks *marks_of_terms(struct cycle *c, const struct affinity_term *terms, uint32_t count)
{
	struct marks *marks = cycle_alloc(c, (count + 1) * sizeof(*marks));
	uint32_t i;

	for (i = 0; i < count; i++)
		marks[i] = marks_of(c, terms[i].topology_key);
	return marks;
}

static void look_at_pods(struct cycle *c, struct state *s)
{
	const struct view *v = c->view;
	struct reach reach = reach_new(c);
	uint32_t i, k;

	for (i = 0; i < c->pod->affinity_count; i++)
		reach_add(c, &reach, &c->pod->affinity[i]);
	for (i = 0; i < c->pod->anti_affinity_count; i++)
		reach_add(c, &reach, &c->pod->anti_affinity[i]);
	s->affinity = marks_of_terms(c, c->pod->affinity, c->pod->affinity_count);
	s->anti = marks_of_terms(c, c->pod->anti_affinity, c->pod->anti_affinity_count);
	s->self = matches_all(c, c->pod) == TERM_YES;
	for (i = 0; i < v->count; i++)
		for (k = 0; reaches(&reach, i) && k < v->nodes[i].pod_count; k++)
			if (!STREQ(v->nodes[i].pods[k]->pod->uid, c->pod->uid))
				look_for_own(c, s, v->nodes[i].pods[k]->pod, i);
}

/* Nominated pods are no reason to begin, as in kube-scheduler: their anti-affinity counts only where that of others or our own terms do. */
static enum filter_start prefilter(struct cycle *c)
{
	const struct view *v = c->view;
	bool own = c->pod->affinity_count || c->pod->anti_affinity_count;
	struct state *s;
	uint32_t i;

	if (!v->anti_affinity_count && !own)
		return FILTER_SKIP;
	s = cycle_alloc(c, sizeof(*s));
	for (i = 0; i < v->anti_affinity_count; i++)
		if (!STREQ(v->anti_affinity[i]->pod->uid, c->pod->uid))
			close_domains(c, s, v->anti_affinity[i]);
	if (own)
		look_at_pods(c, s);
	c->state = s;
	return own || s->others_count ? FILTER_RUN : FILTER_SKIP;
}

/* --- a node --- */

/* The nominated pods of items[at..end), all of one node. */
struct beside {
	const struct reservations *reserved;	/* NULL: none */
	uint32_t at, end;
};

static const struct pod *beside_pod(const struct beside *b, uint32_t i)
{
	return b->reserved->items[b->at + i].pod;
}

static uint32_t beside_count(const struct beside *b)
{
	return b->reserved ? b->end - b->at : 0;
}

static bool attracted(const struct cycle *c, const struct state *s, uint32_t node, const struct beside *b)
{
	bool found = true;
	uint32_t i;

	for (i = 0; i < c->pod->affinity_count; i++) {
		if (s->affinity[i].domains->of_node[node] == DOMAIN_NONE)
			return false;
		found = found && mark_at(&s->affinity[i], node) == TERM_YES;
	}
	for (i = 0; i < beside_count(b) && !found; i++)
		found = matches_all(c, beside_pod(b, i)) == TERM_YES;
	return found || (!s->found && !s->maybe && s->self);	/* the first of pods that want to be together */
}

static enum term_match stronger(enum term_match a, enum term_match b)
{
	return a == TERM_YES || b == TERM_NO ? a : b;
}

static enum term_match avoided(const struct cycle *c, const struct state *s, uint32_t node, const struct beside *b)
{
	enum term_match found = TERM_NO;
	uint32_t i, k;

	for (i = 0; i < c->pod->anti_affinity_count; i++) {
		if (s->anti[i].domains->of_node[node] == DOMAIN_NONE)
			continue;
		found = stronger(found, (enum term_match)mark_at(&s->anti[i], node));
		for (k = 0; k < beside_count(b); k++)
			found = stronger(found, own_term_matches(c, &c->pod->anti_affinity[i], beside_pod(b, k)));
	}
	return found;
}

static enum term_match closed_by(const struct cycle *c, const struct pod *other, const struct node *node)
{
	enum term_match found = TERM_NO;
	uint32_t i;

	for (i = 0; i < other->anti_affinity_count; i++)
		if (labels_get(&node->labels, other->anti_affinity[i].topology_key))
			found = stronger(found, their_term_matches(c, &other->anti_affinity[i]));
	return found;
}

static enum term_match closed(const struct cycle *c, const struct state *s, uint32_t node, const struct beside *b)
{
	enum term_match found = TERM_NO;
	uint32_t i;

	for (i = 0; i < s->others_count; i++)
		found = stronger(found, (enum term_match)mark_at(&s->others[i], node));
	for (i = 0; i < beside_count(b); i++)
		found = stronger(found, closed_by(c, beside_pod(b, i), c->view->nodes[node].node));
	return found;
}

static uint8_t trouble_of(const struct cycle *c, uint32_t node, const struct beside *b)
{
	const struct state *s = c->state;
	enum term_match match;

	if (!attracted(c, s, node, b))
		return DETAIL_AFFINITY;
	match = avoided(c, s, node, b);
	if (match != TERM_NO)
		return match == TERM_YES ? DETAIL_ANTI : DETAIL_ANTI_UNKNOWN;
	match = closed(c, s, node, b);
	if (match != TERM_NO)
		return match == TERM_YES ? DETAIL_OTHERS : DETAIL_OTHERS_UNKNOWN;
	return FINE;
}

static void look_at(struct cycle *c, uint32_t node, const struct beside *b)
{
	uint8_t detail = cycle_feasible(c, node) ? trouble_of(c, node, b) : FINE;

	if (detail != FINE)
		cycle_refuse(c, node, detail);
}

static void filter(struct cycle *c)
{
	struct reservations reserved = reservations_of(c);
	struct beside b = {.reserved = &reserved}, none = {0};
	uint32_t i;

	for (i = 0; i < c->view->count; i++) {
		if (b.end < reserved.count && reserved.items[b.end].node == i) {
			b.at = b.end;
			b.end = reservations_run(&reserved, b.at);
			look_at(c, i, &b);
		} else {
			look_at(c, i, &none);
		}
	}
}

/* A pod that is only nominated attracts nobody. */
static void again(struct cycle *c)
{
	struct reservations reserved = reservations_of(c);
	struct beside none = {0};
	uint32_t i;

	for (i = 0; i < reserved.count; i = reservations_run(&reserved, i))
		look_at(c, reserved.items[i].node, &none);
}

static void reason(const struct decision_input *in, uint32_t node, uint8_t detail, struct buf *out)
{
	static const char *const texts[] = {
		[DETAIL_AFFINITY] = "node(s) didn't match pod affinity rules",
		[DETAIL_ANTI] = "node(s) didn't match pod anti-affinity rules",
		[DETAIL_ANTI_UNKNOWN] = "node(s) didn't match pod anti-affinity rules (with a namespaceSelector, but no namespaces are known)",
		[DETAIL_OTHERS] = "node(s) didn't satisfy existing pods anti-affinity rules",
		[DETAIL_OTHERS_UNKNOWN] =
			"node(s) didn't satisfy existing pods anti-affinity rules (with a namespaceSelector, but no namespaces are known)",
	};

	(void)in, (void)node;
	buf_str(out, texts[detail]);
}

const struct filter filter_pod_affinity = {
	.name = "InterPodAffinity", .wake = WAKE_NODE_ADDED | WAKE_NODE_CHANGED | WAKE_POD_FREED | WAKE_POD_ADDED | WAKE_NAMESPACE,
	.prefilter = prefilter, .filter = filter, .again = again, .reason = reason,
};
