/*
 * pod_volumes.h - what pod.c reads of spec.volumes: the volumes that a filter asks about. All others (emptyDir, configMap, csi, nfs, ...) may be
 * anywhere; kinds that are not known are refused by name (unsupported.h).
 */
#ifndef SCHED_CACHE_POD_VOLUMES_H
#define SCHED_CACHE_POD_VOLUMES_H

#include "sched/cache/pod.h"

/* Of spec.volumes (may be NULL) into volumes, volume_count and needs_storage. The pod has its name. */
void pod_volumes_parse(const cJSON *list, struct pod *pod);
void pod_volumes_free(struct pod *pod);

#endif
