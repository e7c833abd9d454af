/*
 * cluster.h - API objects into a cache: the one place that knows which kind goes where. For the offline commands (explain, simulate), the dump
 * and tests; the feed uses the same parsers.
 *
 *	cluster_load(cache, "dump.json", &counts, &err)		a file or a folder of files, JSON or YAML (several documents), a List or one object each
 *	cluster_put(cache, object, &err)			one object
 *
 * Kinds that no decision needs (ConfigMap, Secret, ...) are passed over and counted.
 */
#ifndef SCHED_CLUSTER_H
#define SCHED_CLUSTER_H

#include <cjson/cJSON.h>
#include <stdint.h>

#include "lib/err.h"
#include "sched/cache/cache.h"

struct cluster_counts {
	uint32_t nodes, pods, others, passed_over;
};

/* > 0: taken, 0: a kind that no decision needs, -1: err tells the object by kind and name, and the place in it. */
int cluster_put(struct cache *c, const cJSON *object, struct lm_err *err);
/* Counts are added to. On an error what came before stays. err names the file and the object. */
int cluster_load(struct cache *c, const char *path, struct cluster_counts *counts, struct lm_err *err);

#endif
