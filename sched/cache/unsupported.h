/*
 * unsupported.h - fields of a pod that ask for something this scheduler does not check yet. Such a pod is refused by name, never guessed.
 *
 * Soft wishes (preferred affinities, ScheduleAnyway) are no reason: they may be ignored. Volumes are a list of what is known;
 * any other kind is refused, so that a kind that Kubernetes adds later is, too. What needs knowledge of storage that a cache may not have is
 * pod.needs_storage.
 */
#ifndef SCHED_CACHE_UNSUPPORTED_H
#define SCHED_CACHE_UNSUPPORTED_H

#include <cjson/cJSON.h>

/* "spec.volumes[0].persistentVolumeClaim"; NULL when all of the pod is. The caller frees. */
char *unsupported_field(const cJSON *pod);

#endif
