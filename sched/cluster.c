#include "sched/cluster.h"

#include <string.h>

#include "lib/mem.h"
#include "sched/cache/read.h"

static int put_node(struct cache *c, const cJSON *object, struct lm_err *err)
{
	struct node *node = node_parse(object, err);

	if (!node)
		return -1;
	cache_put_node(c, node);
	return 1;
}

static int put_pod(struct cache *c, const cJSON *object, struct lm_err *err)
{
	struct pod *pod = pod_parse(object, err);

	if (!pod)
		return -1;
	cache_put_pod(c, pod);
	return 1;
}

int cluster_put(struct cache *c, const cJSON *object, struct lm_err *err)
{
	const char *kind = read_text(object, "kind");
	struct object *other;
	unsigned k;

	if (STREQ(kind, "Node"))
		return put_node(c, object, err);
	if (STREQ(kind, "Pod"))
		return put_pod(c, object, err);
	for (k = 0; k < OBJECT_KINDS; k++) {
		if (!object_kinds[k].kind || !STREQ(kind, object_kinds[k].kind))
			continue;
		other = object_parse((enum object_kind)k, object, err);
		if (!other)
			return -1;
		cache_put_object(c, other);
		return 1;
	}
	return 0;
}
