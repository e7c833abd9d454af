/*
 * plan_private.h - a plan in the making; for plan*.c alone.
 *
 *	plan_gather.c	who wants room, what is free
 *	plan_order.c	who depends on whom, and who is placed first
 *	plan_seat.c	what decide() says, with the pods of a failed node lifted off the cache
 *	plan_loads.c	what would come to a node, failure by failure, and what it costs to put one more there
 *	plan_search.c	assignments: greedy, then one failure after the other, then nodes emptied one by one
 *	plan_keep.c	and back to what the plan before had, within PLAN_KEEP
 *	plan_most.c	as little as reserve.most allows
 *	plan_tally.c	what is kept in all
 *	plan_exact.c	small cases: all of a failure's assignments, and the best choice among them
 *	plan.c		from there to covers and rooms
 *
 * Wants of a failure stand in a row, in the order in which they are placed: first those that are tied to another want of the same failure (a term,
 * a limit, a volume: asking decide() in sequence is the only way to know), each after what it waits for, and of a circle the largest; then the free ones, for which one look with
 * all pods of the node lifted tells the nodes, and the rest is arithmetic on resources and ports.
 */
#ifndef SCHED_RESERVE_PLAN_PRIVATE_H
#define SCHED_RESERVE_PLAN_PRIVATE_H

#include "sched/reserve/plan.h"

enum { DIM_CPU, DIM_MEMORY, DIM_EPHEMERAL, DIM_PODS, DIM_SCALARS };
#define SCALARS_MOST 128u		/* names of extended resources that wants ask for, all together */
#define NOWHERE (-1)

struct want {
	const struct pod *pod;
	const struct profile *profile;
	uint32_t node;			/* where it is */
	int32_t refuge, before;		/* nodes; before: what the last plan promised */
	bool kept;			/* its refuge is frozen: no look */
	bool tied;
	bool late;			/* in the order some before it wait for it: a circle */
	bool given_up;			/* for reserve.most; known after most() */
	uint32_t book;			/* bytes of its cover in the annotation, at most */
	const int64_t *needs;		/* by dimension */
	uint32_t *allowed;		/* of a free one: nodes where it could be if it came alone */
	uint32_t allowed_count;
};

struct failure {
	uint32_t node, first, count;	/* of wants */
	bool tied;			/* some want is */
	double size;			/* of its wants, weighted */
};

struct load {
	uint32_t failure;
	uint32_t pods;
	int64_t *sums;			/* by dimension */
};

struct spot {				/* of a node: what would come, by failure */
	struct load *loads;
	size_t room;
	uint32_t count;
	uint64_t book;			/* bytes of the annotation */
};

struct score {
	uint32_t covered;
	double cost;
};

struct work {
	struct decider *decider;
	const struct plan_input *in;
	const struct view *view;
	uint32_t nodes, dims;
	char *scalars[SCALARS_MOST];	/* borrowed from pods */
	uint32_t scalar_count;
	struct lifted *placeholders;
	size_t placeholder_count, placeholder_room;
	bool *frozen, *closed;		/* by node */
	int64_t *cap;			/* [node x dims]: free without placeholders, and beside nominated pods */
	double *weight;			/* by dimension */
	double *total;			/* allocatable of all nodes, by dimension */
	struct want *wants;
	size_t want_count, want_room;
	int64_t *needs;
	struct failure *failures;
	uint32_t failure_count;
	size_t unfit_count;		/* of the uncovered: those that are no wants */
	struct spot *spots;		/* by node */
	/* Of the failure that is open (loads_open): by node, what the others need at most, and what it brings itself. */
	uint32_t open;
	int64_t *base, *mine;
	uint64_t *stamp, round;
	int64_t *spare;			/* one more row of dimensions */
	int32_t banned;			/* nothing new goes to this node; NOWHERE */
	uint64_t effort;		/* looks that are left: bounds the search */
	uint64_t random;
	struct lifted *lifted;		/* of the failure that the cache is in */
	size_t lifted_count, lifted_room;
	struct pod asked;		/* of seat_ask: what its decision was about, shallow copies */
	struct profile asking;
	struct plan *out;
};

static inline bool want_is_free(const struct want *want)
{
	return !want->tied && !want->kept;
}

/* plan_gather.c */
void gather(struct work *w);
void gather_capacity(struct work *w);	/* after placeholders are lifted */
void work_free(struct work *w);
void uncover(struct work *w, const struct pod *pod, uint32_t node, const char *reason);
void uncover_back(struct plan *p, size_t count);	/* forgets those after the first so many */
bool waits_for(const struct pod *pod, const struct pod *other);	/* has `other` to be there before the pod can know where it may go? */

/* plan_order.c */
void order(struct work *w, uint32_t failure);		/* of its wants: marks the tied ones, and puts all in order */

/* plan_seat.c */
void seat_alone(struct work *w);			/* fills `allowed` */
/* From nothing: `keep` those who can go where they are promised room stay there; the others go where they cost least. */
void seat_failure(struct work *w, uint32_t failure, bool keep);
void seat_check(struct work *w);			/* all in sequence by decide(); who cannot is moved, or uncovered with the reason */
/* The same, but nobody is moved. seat_refused: who cannot goes nowhere; seat_tell: all who are nowhere are uncovered, with the reason. */
void seat_refused(struct work *w);
void seat_tell(struct work *w);
/* The cache as after the failure; seat_ask: which nodes would take want `i` now (verdicts until the next ask). */
void seat_open(struct work *w, uint32_t failure);
void seat_close(struct work *w);
bool seat_ask(struct work *w, uint32_t i, struct decision_input *in, struct decision *out);
static inline bool seat_takes(const struct decision *d, uint32_t node) { return d->verdicts && !d->verdicts[node].filter; }

/* plan_loads.c */
void loads_put(struct work *w, uint32_t i, uint32_t node);	/* wants[i] goes there */
void loads_take(struct work *w, uint32_t i);			/* and goes nowhere */
void loads_set(struct work *w, const int32_t *refuges);		/* of all wants */
void loads_get(const struct work *w, int32_t *refuges);
void loads_open(struct work *w, uint32_t failure);		/* from here on loads_fits and loads_price are about its wants */
bool loads_fits(struct work *w, uint32_t i, uint32_t node);
double loads_price(struct work *w, uint32_t i, uint32_t node);	/* what it adds to the cost */
void loads_more(struct work *w, uint32_t i, uint32_t node, int64_t *more);	/* and by dimension, to the room there */
struct score loads_score(const struct work *w);
struct score loads_score_open(struct work *w);			/* of the open failure alone, beside the others */
void loads_need(const struct work *w, uint32_t node, int64_t *need);	/* the maximum over failures */
uint32_t failure_of(const struct work *w, uint32_t i);
static inline bool score_better(struct score a, struct score b)
{
	return a.covered > b.covered || (a.covered == b.covered && a.cost < b.cost * (1 - 1e-9) - 1e-15);
}

/* plan_search.c */
void search(struct work *w);
int32_t search_cheapest(struct work *w, uint32_t i, const uint32_t *nodes, uint32_t count, int32_t prefer);

/* plan_keep.c */
bool want_may(const struct want *want, uint32_t node);		/* a free one */
/* `kept` as it would be if all stayed that can, `best` what the search found, which is there now */
void keep(struct work *w, const int32_t *kept, struct score best);

/* plan_tally.c: what all nodes keep, by dimension; frozen ones left out */
struct tally {
	double *rooms;
	uint32_t *asking;		/* how many covered pods ask for it */
};
void tally_make(const struct work *w, struct tally *t);
void tally_free(struct tally *t);
#define auto_tally __attribute__((cleanup(tally_free)))
double tally_share(const struct work *w, const struct tally *t, uint32_t r);	/* of the cluster */
double tally_overhead(const struct work *w, const struct tally *t);
uint32_t tally_kinds(const struct work *w, const struct tally *t);		/* resources that it is the mean of */
/* Of the open failure's want `i`, which is nowhere: what the overhead would be with it on that node. */
double tally_with(struct work *w, const struct tally *t, uint32_t i, uint32_t node);
void tally_put(struct work *w, struct tally *t, uint32_t i, uint32_t node);	/* loads_put, and counted */
void tally_take(struct work *w, struct tally *t, uint32_t i);

/* plan_most.c: gives covers up until the overhead is as the settings allow; nothing without that setting */
void most(struct work *w);

/* plan_exact.c */
void exact(struct work *w);	/* improves what is there; no effect when there is too much of it */

#endif
