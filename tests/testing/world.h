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
#include "sched/extender/judge.h"
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
	struct buf text, feasible;
};

void world_begin(struct world *w, const char *nodes, const char *clients);
void world_end(struct world *w);
/* The same as a teardown of cmocka, for a setup that puts the world into *state. */
int world_teardown(void **state);

/* A node of the cluster that is not in the snapshot, or a new state of one; `spec` and `labels` are members, allocatable is 8 cpu, 16Gi. */
void world_node(struct world *w, const char *name, const char *labels, const char *spec);
/* The same with resources as members: "\"cpu\":\"4\",\"memory\":\"8Gi\",\"pods\":\"110\"". */
void world_node_of(struct world *w, const char *name, const char *labels, const char *spec, const char *allocatable);
const struct pod *world_pod(struct world *w, const char *name, const char *node, const char *labels, const char *annotations);
/* With members of metadata and spec: "\"ownerReferences\":[...]", "\"containers\":[...]". */
const struct pod *world_pod_of(struct world *w, const char *name, const char *node, const char *labels, const char *annotations,
			       const char *metadata, const char *spec);

void world_rtt(struct world *w, const char *a, const char *b, double rtt_us);
/* Several of them: "a-b 1000, a-c 2000", in microseconds. */
void world_rtts(struct world *w, const char *pairs);
void world_link(struct world *w, const char *from, const char *to, double rtt_us, double jitter_us, double loss);	/* one direction */
void world_client(struct world *w, const char *from, const char *client, double rtt_us);
void world_cpu(struct world *w, const char *node, double cpu);
void world_age(struct world *w, const char *node, double age_s);
void world_take(struct world *w);
void world_near_by_default(struct world *w, const char *list);
const char *world_nth(int node);	/* "n0" to "n7" */

/* Puts a pending pod into the cache and decides for it. */
const struct decision *world_decide(struct world *w, const char *name, const char *labels, const char *annotations);
/* Decides again for the pod of that name. */
const struct decision *world_again(struct world *w, const char *name);

/* What a judge decides from; a JSON request and the JSON that it is answered, which the caller deletes. */
struct judge_input world_judge_input(const struct world *w, bool alone);
cJSON *world_ask(const struct world *w, struct judge *j, enum judge_verb verb, bool alone, const char *request);

const char *world_chosen(const struct world *w);		/* a node's name, "-" */
const char *world_message(struct world *w);			/* decision_message */
const char *world_reason(struct world *w, const char *node);	/* decision_reason, "" for a feasible one */
const char *world_note(struct world *w);
const char *world_feasible(struct world *w);			/* nodes of the snapshot that are: "a b" */
double world_score(const struct world *w, enum score_id term, const char *node);	/* NaN where there is none */
double world_total(const struct world *w, const char *node);

#define assert_feasible(w, names) assert_string_equal(world_feasible(w), names)

/* The decision's own word on a bad label or annotation. */
#define assert_refused(w, text)											\
	do {													\
		assert_int_equal((w)->decision.node, -1);							\
		assert_string_equal(world_message(w), text);							\
	} while (0)

#endif
