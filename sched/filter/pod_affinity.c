/*
 * The symmetric part of InterPodAffinity: the required anti-affinity of pods that are there keeps ours out of their domains. Our own
 * terms are refused by name (cache/unsupported.c).
 *
 * A term may choose namespaces by their labels, which are not watched yet. kubernetes.io/metadata.name, which every namespace has, is
 * evaluated; any other label is taken as matching, with a reason of its own: a pod waits rather than lands where it must not.
 */
#include <string.h>

#include "lib/mem.h"
#include "sched/cache/table.h"
#include "sched/filter/filter.h"
#include "sched/filter/reserved.h"

enum { DETAIL_CERTAIN = 1, DETAIL_NAMESPACES_UNKNOWN = 2 };

struct domain {
	const char *key, *value;	/* NULL: an empty slot */
	uint8_t detail;
};

/* What is closed to our pod. Open addressing; a power of two. */
struct domains {
	struct domain *slots;
	uint32_t room, count;
	const char **keys;		/* the different topology keys */
	uint32_t key_room, key_count;
};

/* A DETAIL_ or 0. */
static uint8_t namespace_matches(const struct affinity_term *term, char *namespace_)
{
	static char name_key[] = "kubernetes.io/metadata.name";
	struct label item = {name_key, namespace_};
	const struct labels known = {&item, 1};
	uint8_t detail = DETAIL_CERTAIN;
	uint32_t i;

	for (i = 0; i < term->namespace_count; i++)
		if (STREQ(term->namespaces[i], namespace_))
			return DETAIL_CERTAIN;
	if (term->namespaces_of.is_nil)
		return 0;
	for (i = 0; i < term->namespaces_of.count; i++) {
		const struct requirement *r = &term->namespaces_of.items[i];

		if (!STREQ(r->key, name_key))
			detail = DETAIL_NAMESPACES_UNKNOWN;
		else if (!requirement_matches(r, &known))
			return 0;
	}
	return detail;
}

static uint8_t term_matches(const struct affinity_term *term, const struct pod *pod)
{
	return selector_matches(&term->selector, &pod->labels) ? namespace_matches(term, pod->namespace_) : 0;
}

static struct domain *slot_of(const struct domains *d, const char *key, const char *value)
{
	uint32_t mask = d->room - 1, at = (uint32_t)hash_text(hash_text(HASH_START, key), value) & mask;

	while (d->slots[at].key && !(STREQ(d->slots[at].value, value) && STREQ(d->slots[at].key, key)))
		at = (at + 1) & mask;
	return &d->slots[at];
}

static void enlarge(struct cycle *c, struct domains *d)
{
	struct domain *old = d->slots;
	uint32_t old_room = d->room, i;

	d->room = old_room ? old_room * 2 : 16;
	d->slots = cycle_alloc(c, d->room * sizeof(*d->slots));
	for (i = 0; i < old_room; i++)
		if (old[i].key)
			*slot_of(d, old[i].key, old[i].value) = old[i];
}

static void note_key(struct cycle *c, struct domains *d, const char *key)
{
	const char **old = d->keys;
	uint32_t i;

	for (i = 0; i < d->key_count; i++)
		if (STREQ(d->keys[i], key))
			return;
	if (d->key_count == d->key_room) {
		d->key_room = d->key_room ? d->key_room * 2 : 4;
		d->keys = cycle_alloc(c, d->key_room * sizeof(*d->keys));
		for (i = 0; i < d->key_count; i++)
			d->keys[i] = old[i];
	}
	d->keys[d->key_count++] = key;
}

static void close_domain(struct cycle *c, struct domains *d, const char *key, const char *value, uint8_t detail)
{
	struct domain *slot;

	if ((d->count + 1) * 2 > d->room)
		enlarge(c, d);
	slot = slot_of(d, key, value);
	if (!slot->key) {
		*slot = (struct domain){key, value, detail};
		d->count++;
		note_key(c, d, key);
	}
	if (detail < slot->detail)
		slot->detail = detail;
}

/* A node without the topology label is in no domain. */
static void close_domains_of(struct cycle *c, struct domains *d, const struct pod *other, const struct node *node)
{
	uint32_t i;

	for (i = 0; i < other->anti_affinity_count; i++) {
		const struct affinity_term *term = &other->anti_affinity[i];
		uint8_t detail = term_matches(term, c->pod);
		const char *value = detail ? labels_get(&node->labels, term->topology_key) : NULL;

		if (value)
			close_domain(c, d, term->topology_key, value, detail);
	}
}

static enum filter_start prefilter(struct cycle *c)
{
	const struct view *v = c->view;
	struct reservations reserved;
	struct domains *d;
	uint32_t i;

	if (!v->anti_affinity_count && !v->nominated_count)
		return FILTER_SKIP;
	d = cycle_alloc(c, sizeof(*d));
	for (i = 0; i < v->anti_affinity_count; i++)
		if (!STREQ(v->anti_affinity[i]->pod->uid, c->pod->uid))
			close_domains_of(c, d, v->anti_affinity[i]->pod, v->nodes[v->anti_affinity[i]->node].node);
	reserved = reservations_of(c);
	for (i = 0; i < reserved.count; i++)
		close_domains_of(c, d, reserved.items[i].pod, v->nodes[reserved.items[i].node].node);
	c->state = d;
	return d->count ? FILTER_RUN : FILTER_SKIP;
}

/* The strongest DETAIL_ of the node's domains; 0: none of them is closed. */
static uint8_t closed(const struct domains *d, const struct node *node)
{
	uint8_t detail = 0;
	uint32_t i;

	for (i = 0; i < d->key_count && detail != DETAIL_CERTAIN; i++) {
		const char *value = labels_get(&node->labels, d->keys[i]);
		const struct domain *slot = value ? slot_of(d, d->keys[i], value) : NULL;

		if (slot && slot->key)
			detail = slot->detail;
	}
	return detail;
}

static void filter(struct cycle *c)
{
	const struct domains *d = c->state;
	uint32_t i;

	for (i = 0; i < c->view->count; i++) {
		uint8_t detail = cycle_feasible(c, i) ? closed(d, c->view->nodes[i].node) : 0;

		if (detail)
			cycle_refuse(c, i, detail);
	}
}

static void reason(const struct decision_input *in, uint32_t node, uint8_t detail, struct buf *out)
{
	(void)in, (void)node;
	buf_str(out, "node(s) didn't satisfy existing pods anti-affinity rules");
	if (detail == DETAIL_NAMESPACES_UNKNOWN)
		buf_str(out, " (with a namespaceSelector, which is not supported yet)");
}

const struct filter filter_pod_affinity = {
	.name = "InterPodAffinity", .wake = WAKE_NODE_ADDED | WAKE_NODE_CHANGED | WAKE_POD_FREED,
	.prefilter = prefilter, .filter = filter, .reason = reason,
};
