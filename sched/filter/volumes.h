/*
 * volumes.h - what the volume filters, and who binds volumes, share: look-ups, and where a volume can be used.
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

enum volume_access {
	VOLUME_USABLE,
	VOLUME_ELSEWHERE,	/* its node affinity does not allow the node */
	VOLUME_UNTRANSLATED,	/* the plugin is migrated on that node, and its driver could not name the volume */
};
/* By the node's labels alone, as kube-scheduler has it: a volume that asks for a node by matchFields is anywhere. */
enum volume_access volume_access(const struct view *v, const struct volume *volume, uint32_t node);

#endif
