/*
 * ward.h - nodes that live and die: what their kubelets, probes and the merger write, by a thread of its own, around a scheduler under test with a reserve
 * (shelter.h) and healing.
 *
 *	struct ward w;
 *	ward_begin(&w, "a b c d");
 *	ward_rates(&w, 100, 1000);			the configuration; a running scheduler takes it within a second or two
 *	sched_start(&w.h.s, w.h.options);
 *	ward_ail(&w, "a", WARD_DEAD);			since now
 *	...
 *	ward_ail(&w, "a", 0);
 *	ward_end(&w);
 *
 * Leases last 2 s and are renewed each 0.2 s, in which a matrix is published, too; a node is dead after 1 s.
 */
#ifndef TESTS_WARD_H
#define TESTS_WARD_H

#include <pthread.h>
#include <stdatomic.h>

#include "tests/testing/shelter.h"

#define WARD_NODES 8
#define WARD_AFTER_MS 1000

/* No Lease is renewed; its probe is silent; nobody has an answer from it. */
enum { WARD_NO_LEASE = 1, WARD_SILENT = 2, WARD_LOST = 4, WARD_DEAD = 7 };

struct ward {
	struct shelter h;
	struct standin api;		/* the thread's */
	pthread_t thread;
	atomic_bool stop, merger_away;
	atomic_int witnesses;		/* of each node; -1: all others */
	atomic_llong since_ms[WARD_NODES][3];	/* 0: it is well */
	int64_t generation;
	bool stateful_sets;		/* healing.statefulSets, from the next ward_rates on */
};

void ward_begin(struct ward *w, const char *nodes);
void ward_end(struct ward *w);
void ward_rates(struct ward *w, int per_minute, int per_hour);
void ward_ail(struct ward *w, const char *node, int how);

/* Members of metadata and spec of a pod on a node, in the namespace default: ward_pod(w, "x", "a", WARD_REPLICA, "\"app\":\"x\""). */
#define WARD_REPLICA ",\"ownerReferences\":[{\"apiVersion\":\"apps/v1\",\"kind\":\"ReplicaSet\",\"name\":\"rs\",\"uid\":\"rs-1\",\"controller\":true}]"
#define WARD_STATEFUL ",\"ownerReferences\":[{\"apiVersion\":\"apps/v1\",\"kind\":\"StatefulSet\",\"name\":\"set\",\"uid\":\"set-1\",\"controller\":true}]"
#define WARD_DAEMON ",\"ownerReferences\":[{\"apiVersion\":\"apps/v1\",\"kind\":\"DaemonSet\",\"name\":\"ds\",\"uid\":\"ds-1\",\"controller\":true}]"
#define WARD_STATIC ",\"ownerReferences\":[{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"name\":\"a\",\"uid\":\"n-1\",\"controller\":true}]"
void ward_pod(struct ward *w, const char *name, const char *node, const char *owner, const char *labels);
/* A controller's turn: for each pod of default that ends and had one that makes it anew, NAME-again. */
void ward_control(struct ward *w);

/* Writes of the server's log whose path ends so, which were carried out; the uid, when it is not NULL, is of the pod that was evicted. */
int ward_writes(struct ward *w, const char *method, const char *path_end, const char *uid);
int ward_evictions(struct ward *w);
/* Waits at most 20 s for so many evictions, the controller at work; then a moment longer, and says how many there are. */
int ward_evicted(struct ward *w, int least, int moment_ms);
bool ward_is_ending(struct ward *w, const char *pod);
/* Effect and value of a taint of a node, "NoExecute=latency-mesh"; "" when it has none. Valid until the next call. */
const char *ward_taint(struct ward *w, const char *node, const char *key);

#endif
