/*
 * cluster.h - API objects into a cache: the one place that knows which kind goes where. For the offline commands (explain, simulate), the dump
 * and tests; the feed uses the same parsers.
 *
 *	cluster_load(cache, "dump.json", &counts, &err)		a file or a folder of files, JSON or YAML (several documents), a List or one object each
 *	cluster_read(path, &reader, &err)			the same files, an object at a time
 *	cluster_put(cache, object, &err)			one object
 *
 * Kinds that no decision needs (ConfigMap, Secret, ...) are passed over and counted.
 *
 * Files. Of a folder those named *.json, *.yaml and *.yml are read, in the order of their names, hidden ones and CLUSTER_LATENCY_FILE not. *.json
 * is strict JSON, *.yaml and *.yml are YAML, any other name is what its first character says. A List is what `kubectl get -o json` prints, or the
 * answer of the API (PodList, whose items do not carry their kind). Nothing is lost silently: an object without a kind or a name, one that is there
 * twice, a list that goes on elsewhere, and a member of another type than Kubernetes has there (a label that is a number) are errors, which name file,
 * place, object and member: `dump.json: items[3]: Pod default/web: metadata.labels.tier: is a number, not a string`.
 *
 * What is written by hand is completed as the API server does it: the namespace is "default", requests are the limits where they are missing, with
 * hostNetwork each port is a host port. The uid is NAMESPACE/NAME then. What webhooks, priority classes and LimitRanges would add is not added.
 */
#ifndef SCHED_CLUSTER_H
#define SCHED_CLUSTER_H

#include <cjson/cJSON.h>
#include <stdint.h>

#include "lib/err.h"
#include "sched/cache/cache.h"

#define CLUSTER_MAX_BYTES ((size_t)512 << 20)	/* of a file */
#define CLUSTER_MAX_FILES 10000			/* of a folder */
#define CLUSTER_MAX_OBJECTS 250000		/* in all files together */
#define CLUSTER_LATENCY_FILE "cluster-latency.json"

struct cluster_counts {
	uint32_t nodes, pods, others, passed_over;
};

struct cluster_reader {
	/* An object: checked and completed, with kind, name, namespace and uid. It may be changed, or kept by cJSON_Duplicate. */
	int (*object)(void *arg, cJSON *object, struct lm_err *err);
	/* A list, before its items. NULL: not wanted. */
	int (*list)(void *arg, const cJSON *list, struct lm_err *err);
	void *arg;
};

/* 0, or the first error: of a file, or of the reader, whose text gets file, place and object in front. */
int cluster_read(const char *path, const struct cluster_reader *reader, struct lm_err *err);

/* > 0: taken, 0: a kind that no decision needs, -1: err tells the member. */
int cluster_put(struct cache *c, const cJSON *object, struct lm_err *err);
/* What a reader.object does that fills a cache: the same, counted, and an error where the cache has it (or its uid) already. 0 or -1. */
int cluster_add(struct cache *c, const cJSON *object, struct cluster_counts *counts, struct lm_err *err);
/* Counts are added to. On an error what came before stays. */
int cluster_load(struct cache *c, const char *path, struct cluster_counts *counts, struct lm_err *err);

/* Which objects a decision needs. */
enum cluster_kind { CLUSTER_NODE, CLUSTER_POD, CLUSTER_OTHER /* + enum object_kind */ };
/* -1: none of these. By kind, and by apiVersion where there is one: other groups have a kind Node, too. */
int cluster_kind(const cJSON *object);
/* "Node", and its apiVersion. */
#define CLUSTER_VERSION_TEXT 64
const char *cluster_kind_name(int kind, char version[static CLUSTER_VERSION_TEXT]);
/* Checks and completes an object of such a kind (cluster_read does it). */
int cluster_complete(cJSON *object, struct lm_err *err);

#endif
