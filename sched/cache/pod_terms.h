/*
 * pod_terms.h - what a pod says of other pods, of nodes it likes, of spreading and of images. A part of pod.c, which alone includes it.
 */
#ifndef SCHED_CACHE_POD_TERMS_H
#define SCHED_CACHE_POD_TERMS_H

#include "sched/cache/pod.h"

/*
 * Fills node_affinity and all from `affinity` to `images`, of a pod that has its namespace and labels. A list with a selector that cannot be
 * parsed is dropped whole, as kube-scheduler does, and `broken` says so.
 *
 * matchLabelKeys of a spread constraint adds the pod's own labels to the selector; the API server has done the same when the pod was made, and
 * the pod may have got other labels since: both hold then. matchLabelKeys and mismatchLabelKeys of pod affinity are the API server's alone.
 */
void pod_terms_parse(const cJSON *spec, struct pod *pod);
void pod_terms_free(struct pod *pod);

/* Terms and what is in them: what a look at one node or pod may cost. */
uint32_t pod_affinity_size(const struct pod *pod);
uint32_t pod_prefers_nodes_size(const struct pod *pod);
uint32_t pod_spread_size(const struct pod *pod);

#endif
