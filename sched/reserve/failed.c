/* Which nodes are dead: gone, tainted so by Kubernetes, or said so by healing. */
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "sched/reserve/reserve_private.h"

static bool is_tainted(const struct node *node)
{
	return node_find_taint(node, "node.kubernetes.io/unreachable") >= 0 || node_find_taint(node, "node.kubernetes.io/not-ready") >= 0 ||
	       node_find_taint(node, "node.kubernetes.io/out-of-service") >= 0;
}

static const struct node *node_of(const struct reserve *r, const char *name)
{
	int32_t at = cache_find_node(r->cache, name);

	return at < 0 ? NULL : cache_view(r->cache)->nodes[at].node;
}

bool reserve_node_is_dead(const struct reserve *r, const char *name)
{
	const struct node *node = node_of(r, name);

	return !node || is_tainted(node) || failed_find(r, name);
}

bool reserve_node_is_usable(const struct reserve *r, const char *name)
{
	const struct node *node = node_of(r, name);

	return node && !node->unschedulable && !reserve_node_is_dead(r, name);
}

struct failed_node *failed_find(const struct reserve *r, const char *name)
{
	size_t i;

	for (i = 0; i < r->failed_count; i++)
		if (STREQ(r->failed[i].name, name))
			return &r->failed[i];
	return NULL;
}

static void forget(struct reserve *r, struct failed_node *f)
{
	free(f->name);
	*f = r->failed[--r->failed_count];
}

bool failed_add(struct reserve *r, const char *name, int64_t mono_ms)
{
	struct failed_node *f = failed_find(r, name);

	if (f) {
		f->since_ms = mono_ms;
		return false;
	}
	grow(&r->failed, &r->failed_room, r->failed_count + 1, sizeof(*r->failed));
	r->failed[r->failed_count++] = (struct failed_node){xstrdup(name), mono_ms, false};
	return true;
}

bool failed_remove(struct reserve *r, const char *name)
{
	struct failed_node *f = failed_find(r, name);

	if (f)
		forget(r, f);
	return f;
}

/* A node that was tainted and is not any more is back; one that never was is back when nobody spoke of it for long. */
void failed_tick(struct reserve *r, int64_t mono_ms)
{
	size_t i = r->failed_count;

	while (i-- > 0) {
		struct failed_node *f = &r->failed[i];
		const struct node *node = node_of(r, f->name);
		bool tainted = !node || is_tainted(node);

		f->tainted = f->tainted || tainted;
		if (!(f->tainted ? tainted : mono_ms - f->since_ms < RESERVE_OWED_MS))
			forget(r, f);
	}
}

void failed_free(struct reserve *r)
{
	while (r->failed_count)
		forget(r, r->failed);
	free(r->failed);
}
