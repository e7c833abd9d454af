/*
 * storage_kinds.h - the parsers of storage.h's kinds, for the table of kinds (object.c) alone.
 */
#ifndef SCHED_CACHE_STORAGE_KINDS_H
#define SCHED_CACHE_STORAGE_KINDS_H

#include "sched/cache/object.h"

#define STORAGE_KIND(name)								\
	struct object *name##_parse(const cJSON *json, struct lm_err *err);		\
	void name##_free(struct object *object)

STORAGE_KIND(claim);
STORAGE_KIND(volume);
STORAGE_KIND(class);
STORAGE_KIND(csi_node);
STORAGE_KIND(csi_driver);
STORAGE_KIND(capacity);
STORAGE_KIND(attachment);

#undef STORAGE_KIND

#endif
