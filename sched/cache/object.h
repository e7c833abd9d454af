/*
 * object.h - what decisions need beside nodes and pods: one struct a kind, parsed once from the API's object, immutable, owned by the cache.
 * Each begins with a struct object. Kinds of claims and volumes are in storage.h.
 *
 *	object = object_parse(kind, json, &err)		-> cache_put_object(cache, object), which takes it
 *
 * To add a kind: a line in object_kinds (object.c), a parser, and a struct; its name in stat_resource_names (stats.c); list and watch in helm/rbac, with
 * a case in e-rbac.c, and in the chart. The feed, the dump and --cluster follow the table.
 */
#ifndef SCHED_CACHE_OBJECT_H
#define SCHED_CACHE_OBJECT_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"
#include "sched/cache/labels.h"

enum object_kind {
	OBJECT_NAMESPACE,
	OBJECT_CLAIM,			/* PersistentVolumeClaim */
	OBJECT_VOLUME,			/* PersistentVolume */
	OBJECT_CLASS,			/* StorageClass */
	OBJECT_CSI_NODE,
	OBJECT_CSI_DRIVER,
	OBJECT_CAPACITY,		/* CSIStorageCapacity */
	OBJECT_ATTACHMENT,		/* VolumeAttachment */
	OBJECT_KINDS,
};

struct object {
	enum object_kind kind;
	char *namespace_, *name;	/* namespace_ "" where the kind has none */
	char *uid, *resource_version;
	uint64_t round;			/* these two are the cache's */
	uint32_t position;
};

struct namespace_object {
	struct object object;
	struct labels labels;
};

/* The API's names of a kind. */
struct object_kind_row {
	const char *kind;		/* "PersistentVolumeClaim" */
	const char *path;		/* of the list and watch over all namespaces: "/api/v1/persistentvolumeclaims" */
	struct object *(*parse)(const cJSON *json, struct lm_err *err);	/* the struct of the kind, all but its head; NULL and err */
	void (*free)(struct object *object);				/* all but its head and itself */
};
extern const struct object_kind_row object_kinds[OBJECT_KINDS];

/* Only a missing name is an error, and a quantity that is none; everything else that is missing or odd is empty. */
struct object *object_parse(enum object_kind kind, const cJSON *json, struct lm_err *err);
void object_free(struct object *object);	/* NULL is fine */

#endif
