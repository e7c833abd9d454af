/*
 * outofservice.h - Kubernetes' taint node.kubernetes.io/out-of-service:NoExecute, by which its controllers detach the volumes of a node that nobody
 * will hear of again. They delete every pod there, so it is set only when nothing is left that this could cost.
 *
 * Ours has the value OUTOFSERVICE_VALUE; one of another value is somebody else's and left alone. Both ways it is a JSON patch that tests the
 * node's resourceVersion: taints are one list, and others write it too. A patch that failed or whose answer was lost is made anew from what the
 * watch shows by then.
 *
 * One thread, all inside kube_run and these functions.
 */
#ifndef SCHED_HEAL_OUTOFSERVICE_H
#define SCHED_HEAL_OUTOFSERVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/kube/client.h"
#include "sched/cache/node.h"
#include "sched/limit.h"

#define OUTOFSERVICE_KEY "node.kubernetes.io/out-of-service"
#define OUTOFSERVICE_VALUE "latency-mesh"
#define UNREACHABLE_KEY "node.kubernetes.io/unreachable"

struct outofservice;

struct outofservice *outofservice_new(struct kube *k, struct limit *limit, bool (*may_send)(void *arg), void *arg);
void outofservice_free(struct outofservice *o);		/* NULL is fine */

bool outofservice_is_set(const struct node *node);	/* by anybody */
bool outofservice_is_ours(const struct node *node);
bool node_is_unreachable(const struct node *node);	/* by its taint: Kubernetes says so */

/* Asks for it where it is not so already; to be called until it is. */
void outofservice_set(struct outofservice *o, const struct node *node, int64_t mono_ms);
void outofservice_clear(struct outofservice *o, const struct node *node, int64_t mono_ms);

#endif
