/*
 * plane.h - clusters in a real API server, one after the other, and what a real kube-scheduler says of their pods.
 *
 *	struct plane *p = plane_open();			tests/e2e/cluster.sh has started etcd and kube-apiserver
 *	plane_load(p, objects);				in place of the cluster that was there
 *	cJSON *there = plane_read(p);			as the server has them, with defaults and conditions
 *	plane_judge(p);					a kube-scheduler looks at all pods of PLANE_SCHEDULER
 *	plane_opinion(p, "ns-a", "w-1", &opinion);
 *	plane_close(p);
 *
 * An object is complete: its status goes by the subresource of that name, metadata.deletionTimestamp makes it terminating, and what refers to another
 * object's metadata.uid (ownerReferences, claimRef) gets the uid that the server gave that one. Namespaces are PLANE_NAMESPACES; an object of kind
 * Namespace brings its labels. Priorities come by the classes PLANE_CLASSES; none of them preempts.
 *
 * kube-scheduler has to know every object before it decides. Its informers are one a kind and each lags as it likes, so nothing that it does tells that all
 * have caught up. Hence one process for each cluster: it begins to schedule only after its first lists, which are of a cluster that is complete.
 * A cluster goes by deleting its keys in etcd: no finalizer, no grace, one request.
 */
#ifndef TESTS_CONFORMANCE_PLANE_H
#define TESTS_CONFORMANCE_PLANE_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "tests/conformance/opinion.h"

#define PLANE_SCHEDULER "conformance"
#define PLANE_NAMESPACES "ns-a", "ns-b", "ns-c", "ns-d"
#define PLANE_CLASSES "low", "normal", "high"		/* -10, 0 (the default one), 10 */
#define PLANE_RUNTIME "heavy"				/* a RuntimeClass with an overhead and a toleration */

struct plane;

struct plane *plane_open(void);
void plane_close(struct plane *p);

/* How many objects the server refused: they are missing then. Said on stderr when `loud`. */
unsigned plane_load(struct plane *p, const cJSON *objects, bool loud);
/* An array, each object with its kind and without managedFields. The caller deletes. */
cJSON *plane_read(struct plane *p);
/* False when kube-scheduler has not spoken of every pod within a minute; its log is on stderr then. */
bool plane_judge(struct plane *p);
/* False: the pod is not there or not spoken of. */
bool plane_opinion(struct plane *p, const char *namespace_, const char *name, struct opinion *out);

#endif
