#include "sched/filter/terms.h"

#include <string.h>

#include "lib/mem.h"

/* No Namespace object is known. */
static enum term_match by_name_alone(const struct selector *selector, char *namespace_)
{
	static char name_key[] = "kubernetes.io/metadata.name";
	struct label item = {name_key, namespace_};
	const struct labels known = {&item, 1};
	enum term_match match = TERM_YES;
	uint32_t i;

	for (i = 0; i < selector->count; i++) {
		const struct requirement *r = &selector->items[i];

		if (!STREQ(r->key, name_key))
			match = TERM_UNKNOWN;
		else if (!requirement_matches(r, &known))
			return TERM_NO;
	}
	return match;
}

static enum term_match by_labels(const struct cycle *c, const struct selector *selector, char *namespace_, bool own)
{
	const struct labels none = {0};
	const struct object *object;
	uint32_t known;

	if (selector->is_nil)
		return TERM_NO;
	/* kube-scheduler 1.36 looks up the namespaces of its own terms, and then asks the selectors again as if none had labels */
	if (!selector->count || (own && selector_matches(selector, &none)))
		return TERM_YES;
	cache_objects(c->view->cache, OBJECT_NAMESPACE, &known);
	if (!known)
		return by_name_alone(selector, namespace_);
	object = cache_find_object(c->view->cache, OBJECT_NAMESPACE, "", namespace_);
	if (!object && own)
		return TERM_NO;
	return selector_matches(selector, object ? &((const struct namespace_object *)object)->labels : &none) ? TERM_YES : TERM_NO;
}

static enum term_match matches(const struct cycle *c, const struct affinity_term *term, const struct pod *pod, bool own)
{
	uint32_t i;

	if (!selector_matches(&term->selector, &pod->labels))
		return TERM_NO;
	for (i = 0; i < term->namespace_count; i++)
		if (STREQ(term->namespaces[i], pod->namespace_))
			return TERM_YES;
	return by_labels(c, &term->namespaces_of, pod->namespace_, own);
}

enum term_match own_term_matches(const struct cycle *c, const struct affinity_term *term, const struct pod *other)
{
	return matches(c, term, other, true);
}

enum term_match their_term_matches(const struct cycle *c, const struct affinity_term *term)
{
	return matches(c, term, c->pod, false);
}

/* The index does not have terminating pods, which count. */
struct reach reach_new(struct cycle *c)
{
	struct reach r = {.nodes = cycle_alloc(c, c->view->count + 1)};
	uint32_t i;

	for (i = 0; i < c->view->count; i++)
		r.nodes[i] = c->view->nodes[i].terminating_count > 0;
	return r;
}

void reach_add(struct cycle *c, struct reach *r, const struct affinity_term *term)
{
	const struct requirement *equality = selector_equality(&term->selector);
	struct node_count *holders;
	uint32_t i, k, count;

	if (r->all || term->selector.is_nil)
		return;
	r->all = !equality || !term->namespaces_of.is_nil;
	if (r->all)
		return;
	holders = cycle_alloc(c, (c->view->count + 1) * sizeof(*holders));
	for (i = 0; i < term->namespace_count; i++) {
		count = view_pods_matching(c->view, term->namespaces[i], equality->key, equality->values[0], c->pod->uid, holders, c->view->count);
		for (k = 0; k < count; k++)
			r->nodes[holders[k].node] = true;
	}
}
