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
};

struct node {
	char *name, *uid, *resource_version;
	char *zone;			/* label topology.kubernetes.io/zone; "" */
	struct labels labels;
	struct taint *taints;
	uint32_t taint_count;
	bool unschedulable;
	unsigned features;		/* FEATURE_ bits (pod.h): what it declares */
	struct node_image {
		char *name;		/* as kube-scheduler normalizes it: with a tag */
		int64_t size_bytes;
	} *images;			/* status.images, sorted by name */
	uint32_t image_count;
	struct resources allocatable;
	int64_t allocatable_pods;	/* 0 when absent, as kube-scheduler has it */
};

struct node *node_parse(const cJSON *object, struct lm_err *err);
void node_free(struct node *node);

#endif
