/*
 * reserve_work.h - work that needs what helm/rbac/reserve.yaml and healing.yaml permit, one piece for each rule and verb.
 *
 * Its cluster: nodes a (made by whoever runs it), b and c, 1 ms apart, all with Leases; the latency file is written twice a second from `before` until
 * reserve_work_end, so that it is never old.
 */
#ifndef TESTS_E2E_RESERVE_WORK_H
#define TESTS_E2E_RESERVE_WORK_H

#include "tests/e2e/e2e.h"
#include "tests/e2e/work.h"

#define RESERVE_RULES "helm/rbac/reserve.yaml"
#define HEALING_RULES "helm/rbac/healing.yaml"

/* The cluster in which the work is done; before any of it. */
void reserve_work_in(struct sched *s);
void reserve_work_end(void);		/* after each; fine where nothing was begun */

/*
 * Room is kept; given up; kept for one more; by pods that are deleted with an owner. A node is dead: its pod is evicted, by the first leader or the next one;
 * deleted; its volumes are let go.
 */
extern const struct work work_keep, work_give_up, work_share, work_own, work_evict, work_evict_after_another, work_delete, work_detach;

#endif
