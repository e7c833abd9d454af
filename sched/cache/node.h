/*
 * node.h - a node as the scheduler needs it, parsed once from the API's object. Immutable after node_parse; owned by the cache.
 */
#ifndef SCHED_CACHE_NODE_H
#define SCHED_CACHE_NODE_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"
#include "sched/cache/labels.h"
#include "sched/cache/resources.h"

enum taint_effect { TAINT_NO_SCHEDULE, TAINT_PREFER_NO_SCHEDULE, TAINT_NO_EXECUTE };

struct taint {
	char *key, *value;
	enum taint_effect effect;
};

enum {				/* bits of view.has_taints */
	NODE_HARD_TAINTS = 1,	/* a taint that keeps pods away: NoSchedule or NoExecute */
	NODE_UNSCHEDULABLE = 2,
	NODE_SOFT_TAINTS = 4,	/* PreferNoSchedule */
};

/*
 * An image's name as a number: a hash, because 5000 nodes name the same 100 images. Two names that fell together would cost a score some
 * points. image_name is of the name as it is, as nodes have it; image_name_of_pod adds ":latest" where neither tag nor digest stands, as
 * kube-scheduler does.
 */
uint64_t image_name(const char *text);
uint64_t image_name_of_pod(const char *text);

struct node {
	char *name, *uid, *resource_version;
	char *zone;			/* label topology.kubernetes.io/zone; "" */
	struct labels labels;
	struct taint *taints;
	uint32_t taint_count;
	bool unschedulable;
	unsigned features;		/* FEATURE_ bits (pod.h): what it declares */
	struct node_image {
		uint64_t name;		/* image_name */
		int64_t size_bytes;
	} *images;			/* status.images, sorted by name, each name once */
	uint32_t image_count;
	struct resources allocatable;
	int64_t allocatable_pods;	/* 0 when absent, as kube-scheduler has it */
};

struct node *node_parse(const cJSON *object, struct lm_err *err);
void node_free(struct node *node);
int64_t node_find_taint(const struct node *node, const char *key);	/* its place in the list; -1: it has none */

#endif
