#include "sched/cluster.h"

#include <stdio.h>
#include <string.h>

#include "lib/mem.h"
#include "sched/cache/read.h"

/* --- which kind ------------------------------------------------------------------------------------------------------ */

/* Of the group that a list's path is of: "/api/v1/pods" wants "v1", "/apis/storage.k8s.io/v1/..." any version of storage.k8s.io. */
static bool is_of_group(const char *version, const char *path)
{
	const char *slash = strchr(version, '/');
	size_t len = slash ? (size_t)(slash - version) + 1 : 0;

	if (!version[0])
		return true;
	if (strncmp(path, "/apis/", strlen("/apis/")) != 0)
		return !slash;
	path += strlen("/apis/");
	return slash && strncmp(version, path, len) == 0;
}

int cluster_kind(const cJSON *object)
{
	const char *kind = read_text(object, "kind"), *version = read_text(object, "apiVersion");
	unsigned k;

	if (STREQ(kind, "Node"))
		return is_of_group(version, "/api/v1/nodes") ? (int)CLUSTER_NODE : -1;
	if (STREQ(kind, "Pod"))
		return is_of_group(version, "/api/v1/pods") ? (int)CLUSTER_POD : -1;
	for (k = 0; k < OBJECT_KINDS; k++)
		if (STREQ(kind, object_kinds[k].kind))
			return is_of_group(version, object_kinds[k].path) ? (int)(CLUSTER_OTHER + k) : -1;
	return -1;
}

const char *cluster_kind_name(int kind, char version[static CLUSTER_VERSION_TEXT])
{
	const struct object_kind_row *row = kind >= CLUSTER_OTHER ? &object_kinds[kind - CLUSTER_OTHER] : NULL;
	const char *path = row ? row->path : "/api/v1/", *begin = path + strlen("/api/");

	if (strncmp(path, "/apis/", strlen("/apis/")) == 0)
		begin = path + strlen("/apis/");
	snprintf(version, CLUSTER_VERSION_TEXT, "%.*s", (int)(strrchr(path, '/') - begin), begin);
	return row ? row->kind : kind == CLUSTER_NODE ? "Node" : "Pod";
}

/* --- into the cache -------------------------------------------------------------------------------------------------- */

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

static int put_other(struct cache *c, enum object_kind kind, const cJSON *object, struct lm_err *err)
{
	struct object *other = object_parse(kind, object, err);

	if (!other)
		return -1;
	cache_put_object(c, other);
	return 1;
}

int cluster_put(struct cache *c, const cJSON *object, struct lm_err *err)
{
	int kind = cluster_kind(object);

	if (kind < 0)
		return 0;
	if (kind == CLUSTER_NODE)
		return put_node(c, object, err);
	if (kind == CLUSTER_POD)
		return put_pod(c, object, err);
	return put_other(c, (enum object_kind)(kind - CLUSTER_OTHER), object, err);
}

static bool is_there(const struct cache *c, int kind, const char *namespace_, const char *name)
{
	if (kind == CLUSTER_NODE)
		return cache_find_node(c, name) >= 0;
	if (kind == CLUSTER_POD)
		return cache_find_pod_named(c, namespace_, name) != NULL;
	return cache_find_object(c, (enum object_kind)(kind - CLUSTER_OTHER), namespace_, name) != NULL;
}

static int refuse_twice(const struct cache *c, int kind, const cJSON *object, struct lm_err *err)
{
	const cJSON *metadata = read_member(object, "metadata");
	const struct cached_pod *same;

	if (is_there(c, kind, read_text(metadata, "namespace"), read_text(metadata, "name")))
		return lm_fail(err, LM_DATA, "is there twice");
	same = kind == CLUSTER_POD ? cache_find_pod(c, read_text(metadata, "uid")) : NULL;
	if (same)
		return lm_fail(err, LM_DATA, "metadata.uid: is that of pod %s/%s, too", same->pod->namespace_, same->pod->name);
	return 0;
}

static void count(struct cluster_counts *counts, int kind)
{
	uint32_t *of = kind < 0 ? &counts->passed_over : kind == CLUSTER_NODE ? &counts->nodes : kind == CLUSTER_POD ? &counts->pods
														    : &counts->others;

	++*of;
}

int cluster_add(struct cache *c, const cJSON *object, struct cluster_counts *counts, struct lm_err *err)
{
	int kind = cluster_kind(object);

	if (kind >= 0 && (refuse_twice(c, kind, object, err) < 0 || cluster_put(c, object, err) < 0))
		return -1;
	count(counts, kind);
	return 0;
}
