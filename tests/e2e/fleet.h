/*
 * fleet.h - a small edge against a real control plane: nodes with Leases and a latency file that tell who is alive, and workloads whose pods have a latency
 * limit and opt in to the reserve. The test is what is not there: the ReplicaSet controller, the kubelets (their Leases, and the ends of pods), the merger, and
 * the node controller.
 *
 *	struct fleet f;
 *	fleet_begin(&f, &s, seed);			nodes edge-0 .. and priorityClass; nothing runs yet
 *	sched_start(&s, fleet_options(&f));
 *	fleet_until(&f, fleet_is_placed, "the fleet is placed", 60);
 *	fleet_kill(&f, 2);				no Lease, no report; 1 s later the unreachable taints
 *	...
 *	fleet_revive(&f, 2);
 *	fleet_end(&f);
 *
 * fleet_turn does all of that once and judges what it sees; fleet_until and fleet_for repeat it.
 */
#ifndef TESTS_E2E_FLEET_H
#define TESTS_E2E_FLEET_H

#include "lib/names.h"
#include "tests/e2e/e2e.h"

#define FLEET_NODES 6			/* in a row, 1 ms apart, 4 cpu, 8Gi and 40 pods each */
#define FLEET_OWNERS 8
#define FLEET_AFTER_MS 3000		/* healing.after */
#define FLEET_TENANT "default-scheduler"

struct owner {
	char uid[40];
	int replicas, cpu_milli, memory_mib;
	int from;			/* its pods are limited to within `reach` ms of this node */
	int reach;
	int made;			/* pods so far, for names */
};

struct fleet {
	struct sched *s;
	struct rng rng;
	struct owner owners[FLEET_OWNERS];
	bool alive[FLEET_NODES];
	int64_t died_ms[FLEET_NODES];	/* by clock_mono_ms */
	bool tainted[FLEET_NODES];
	int64_t renewed_ms, published_ms, generation;
	int tenants;			/* made so far */
	cJSON *pods;			/* the last list, of all namespaces */
	int64_t crowded_since_ms;	/* since when some node has more than it has room for; 0 */
	int64_t crowded_most_ms;
	char crowded[256];
};

void fleet_begin(struct fleet *f, struct sched *s, uint64_t seed);
void fleet_end(struct fleet *f);
/* NULL-terminated; with reserve and healing on. Valid until the next call. */
const char *const *fleet_options(struct fleet *f);

/*
 * One turn: Leases and the latency file as the nodes that are alive would have them, unreachable taints, a list of all pods, and the pods that controllers
 * make anew. Fails the test where an owner has more pods than it wants, or one of them is on a node that is farther than its limit.
 */
void fleet_turn(struct fleet *f);
typedef bool fleet_is(struct fleet *f);
/* How long it took, in ms; fails the test after limit_s. */
int64_t fleet_until(struct fleet *f, fleet_is *is, const char *what, int limit_s);
void fleet_for(struct fleet *f, int64_t ms);

bool fleet_is_placed(struct fleet *f);		/* each owner has its replicas, on nodes that live, and no others that are not ending */
bool fleet_is_covered(struct fleet *f);		/* /reserve: all of them are covered, and no node is opening, open or refilling */
bool fleet_is_full(struct fleet *f);		/* no tenant that waits would find room on a node that lives and has no guard */
/* Pods of the fleet on a node; of /reserve, those that are covered. */
int fleet_on(struct fleet *f, int node);
int fleet_covered_on(struct fleet *f, int node);
int fleet_busiest(struct fleet *f);		/* the node that lives with most pods of the fleet */

void fleet_kill(struct fleet *f, int node);
void fleet_revive(struct fleet *f, int node);

/* Pods of kube-scheduler, 250m each, in the namespace default. */
void fleet_tenants(struct fleet *f, int count);
/* Takes away those that wait, and of the others so many per cent. */
void fleet_thin_tenants(struct fleet *f, int percent);
int fleet_tenants_waiting(struct fleet *f);

#endif
