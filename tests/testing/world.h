/*
 * world.h - a small cluster for tests of the decision: nodes and pods as JSON in a real cache, a snapshot filled pair by pair, a mesh.
 *
 *	struct world w;
 *	world_begin(&w, "a b c", "milan");		nodes of the snapshot and of the cluster, clients
 *	world_rtt(&w, "a", "b", 1000);			both directions, jitter 0, loss 0
 *	world_pod(&w, "redis-1", "a", "\"app\":\"redis\"", "");	labels and annotations as members of a JSON object; node "": pending
 *	world_decide(&w, "web", "", "\"latency-mesh.io/near\":\"app=redis\"");
 *	assert_string_equal(world_chosen(&w), "a");
 *	world_end(&w);
 *
 * The first decision takes the snapshot as it is then; world_take takes it again. All rows have age 0 at mono_ms 0.
 */
#ifndef TESTS_WORLD_H
#define TESTS_WORLD_H

#include "lib/snapshot.h"
#include "sched/decide.h"
#include "tests/testing/testing.h"

struct world {
	struct cache *cache;
	struct decider *decider;
	struct profile profile;
	struct snapshot snapshot;
	struct mesh *mesh;
	int64_t mono_ms;		/* 0 at the beginning; a test moves it */
	bool without_mesh;		/* decide without any latency data */
	struct decision_input in;	/* of the last decision */
	struct decision decision;
	struct buf text;
};

void world_begin(struct world *w, const char *nodes, const char *clients);
void world_end(struct world *w);

/* A node of the cluster that is not in the snapshot, or a new state of one; `spec` and `labels` are members, allocatable is 8 cpu, 16Gi. */
void world_node(struct world *w, const char *name, const char *labels, const char *spec);
/* The same with resources as members: "\"cpu\":\"4\",\"memory\":\"8Gi\",\"pods\":\"110\"". */
void world_node_of(struct world *w, const char *name, const char *labels, const char *spec, const char *allocatable);
const struct pod *world_pod(struct world *w, const char *name, const char *node, const char *labels, const char *annotations);
/* With members of metadata and spec: "\"ownerReferences\":[...]", "\"containers\":[...]". */
const struct pod *world_pod_of(struct world *w, const char *name, const char *node, const char *labels, const char *annotations,
			       const char *metadata, const char *spec);

void world_rtt(struct world *w, const char *a, const char *b, double rtt_us);
void world_link(struct world *w, const char *from, const char *to, double rtt_us, double jitter_us, double loss);	/* one direction */
void world_client(struct world *w, const char *from, const char *client, double rtt_us);
void world_cpu(struct world *w, const char *node, double cpu);
void world_age(struct world *w, const char *node, double age_s);
void world_take(struct world *w);

/* Puts a pending pod into the cache and decides for it. */
const struct decision *world_decide(struct world *w, const char *name, const char *labels, const char *annotations);
/* Decides again for the pod of that name. */
const struct decision *world_again(struct world *w, const char *name);

const char *world_chosen(const struct world *w);		/* a node's name, "-" */
const char *world_message(struct world *w);			/* decision_message */
const char *world_reason(struct world *w, const char *node);	/* decision_reason, "" for a feasible one */
const char *world_note(struct world *w);
double world_score(const struct world *w, enum score_id term, const char *node);	/* NaN where there is none */
double world_total(const struct world *w, const char *node);

/* The decision's own word on a bad label or annotation. */
#define assert_refused(w, text)											\
	do {													\
		assert_int_equal((w)->decision.node, -1);							\
		assert_string_equal(world_message(w), text);							\
	} while (0)

#endif
