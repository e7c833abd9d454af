/*
 * features.h - what a pod needs of the kubelet and not every node has (FEATURE_ bits of pod.h), and what nodes declare.
 */
#ifndef SCHED_CACHE_FEATURES_H
#define SCHED_CACHE_FEATURES_H

#include <cjson/cJSON.h>

unsigned features_of_pod(const cJSON *spec);
unsigned features_of_node(const cJSON *status);		/* declaredFeatures and features */

#endif
