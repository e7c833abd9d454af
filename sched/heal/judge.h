/*
 * judge.h - is a node dead? By two witnesses that know nothing of each other, both needed:
 *
 *	its Lease in kube-node-lease was not renewed for `after_ms`, as counted by our own clock since it was last seen to change (never by its text), and
 *	the mesh lost it: its probe said nothing for that long (age of its row), and no probe that still reports had an answer from it for that long.
 *
 * The mesh is believed only when the probes that report and once heard the node are more than half of all nodes of the matrix: a part of the network that
 * is cut off from the rest, we and a probe or two, is never the majority. So nobody is dead in a cluster of fewer than three. The Leases are believed only
 * while more than half of them are renewed: a watch that stands still would show all as late. A node that only drops
 * ICMP renews its Lease; a kubelet that hangs on a node that is up is heard by the mesh: neither is dead.
 *
 * Nor is anybody while more than a third of the nodes would be (at least one may): that is not a node's failure.
 * A matrix that may be older than `after_ms` itself, or under `hold`, or of the plain form, says nothing. How old it may be is told by no writer's
 * clock, but by the one before it: what was not there when that one was read cannot be older (struct judge_series). So the first one says
 * nothing, nor does the first one after the volume or the merger was away.
 *
 * Pure: no clock, no I/O.
 */
#ifndef SCHED_HEAL_JUDGE_H
#define SCHED_HEAL_JUDGE_H

#include <stdbool.h>
#include <stdint.h>

#include "sched/mesh.h"

#define JUDGE_LEASE_S 40		/* the kubelet's leaseDurationSeconds, which it renews at a quarter */

enum life { LIFE_UNKNOWN /* no Lease was ever seen, or not in the matrix */, LIFE_ALIVE, LIFE_LEASE_LATE /* heard by the mesh */,
	    LIFE_LOST /* renews its Lease */, LIFE_UNSURE /* too few witnesses, or too many nodes at once */, LIFE_DEAD, LIVES };
extern const char *const life_names[];		/* NULL at the end */

struct judge_node {
	const char *name;
	double lease_age_s;		/* since it was last seen to change; NaN: never seen, or nobody knows */
	double lease_duration_s;	/* as it says; a Lease is never late before half of it, two renewals. NaN: JUDGE_LEASE_S */
	bool unproven;			/* nobody has seen it renewed yet, since the process began */
};

/* The matrices that came, one after the other. {0} is ready. */
struct judge_series {
	char *epoch;			/* of the last one, owned; NULL: there was none */
	int64_t generation;
	int64_t seen_ms;		/* when it was first seen; judge_follow's */
	int64_t since_ms;		/* it is no older than since then; INT64_MIN: nobody knows */
};
void judge_follow(struct judge_series *s, const struct mesh *mesh);	/* at each look; NULL is fine */
void judge_series_free(struct judge_series *s);

struct judge_input {
	const struct judge_node *nodes;
	uint32_t count;
	const struct mesh *mesh;	/* NULL: none */
	int64_t mesh_since_ms;		/* of a judge_series that follows it */
	int64_t after_ms, mono_ms;
};

/* What both said. NaN: nothing. */
struct finding {
	enum life life;
	double lease_age_s;		/* of the input */
	double silent_s;		/* age of the row of its probe */
	double lost_s;			/* the least that any witness was without an answer */
	uint32_t witnesses;
	/*
	 * Both are against it, however old or few: nothing is done about that, but no pod should be sent there. Of a Lease that is unproven the mesh's
	 * word is enough, so that a new process does not begin with a node that the one before knew as dead.
	 */
	bool doubted;
};

/* By node of the input. */
void judge(const struct judge_input *in, struct finding *out);

#endif
