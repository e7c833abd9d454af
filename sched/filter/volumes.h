/*
 * volumes.h - what the volume filters share: look-ups.
 */
#ifndef SCHED_FILTER_VOLUMES_H
#define SCHED_FILTER_VOLUMES_H

#include "sched/cache/storage.h"
#include "sched/filter/filter.h"

/* NULL: there is none of that name. */
const struct claim *find_claim(const struct view *v, const struct pod *pod, const struct pod_volume *of);
const struct volume *find_volume(const struct view *v, const char *name);
const struct storage_class *find_class(const struct view *v, const char *name);
const struct csi_node *find_csi_node(const struct view *v, uint32_t node);

#endif
