/*
 * replica.h - latency-sched beside latency-sched, with leader election: processes of one account, each with a token of its own, by which the
 * audit log tells them apart.
 *
 *	struct pair p;
 *	pair_begin(&p);			p.a leads, p.b stands by; the constants are those that the program has by itself
 *	pair_pods(&p, 500);		as fast as the API takes them
 *	pair_flow(&p, 20);		a pod each 100 ms, until the first of them is bound
 *	pair_end(&p);			waits until all are bound, then judges, then ends what runs
 *
 * The judge: no binding was asked for by one replica after its successor's first one, each pod was bound once, no node is overcommitted.
 */
#ifndef TESTS_E2E_REPLICA_H
#define TESTS_E2E_REPLICA_H

#include "tests/e2e/audit.h"
#include "tests/e2e/e2e.h"

#define REPLICA_LEASE "/apis/coordination.k8s.io/v1/namespaces/" E2E_NAMESPACE "/leases/my-latency-scheduler"

struct replica {
	struct sched s;			/* its process: sched_stop, sched_log_count, sched_http; not for requests to the API */
	char *credential;		/* in the audit log */
};

/* A token; nothing runs yet: sched_start(&r->s, options). */
void replica_new(struct replica *r, struct sched *s);
void replica_free(struct replica *r);
/* Waits until it says that it leads. */
void replica_leads(struct replica *r);
/* Waits for its end by itself; fails the test where it is not 75. */
void replica_must_give_up(struct replica *r);

#define PAIR_NODES 30			/* of 110 pods each */

struct pair {
	struct sched s;			/* the API */
	struct replica a, b;
	int made;			/* pods, named flow-0 .. */
	int unlogged;			/* bindings that a killed API server may have taken without a word */
	long from;			/* of the audit log */
	struct audit audit;		/* since then; pair_audit */
};

void pair_begin(struct pair *p);		/* static, or zeroed: it ends what a test that failed left running */
void pair_pods(struct pair *p, int count);
void pair_flow(struct pair *p, int limit_s);
void pair_flow_for(struct pair *p, int64_t ms);
/* Pods that are bound when the API is asked. */
void pair_settle(struct pair *p, int limit_s);
const struct audit *pair_audit(struct pair *p);		/* reads it anew */
/* When the server got the first binding of this replica that it carried out, in microseconds since 1970; fails the test without one. */
int64_t pair_first_us(struct pair *p, const struct replica *r);
int pair_bindings(struct pair *p, const struct replica *r);	/* requests, whatever came of them */
void pair_end(struct pair *p);

#endif
