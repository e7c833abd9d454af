/*
 * simulate_private.h - the inside of `simulate`, for simulate*.c alone: what happens to a cluster after its pods were placed.
 *
 *	sim_sim_step_parse("fail edge-1", 1, &step, &err)	words						simulate_parse.c
 *	simulation_begin, simulation_step		what a step does to nodes and pods		simulate_steps.c
 *	mover_add, movers_settle			pods without a node, and where they go		simulate_movers.c
 *	links_begin, links_change			the latency data that steps change		simulate_links.c
 *	room_begin, room_plan				the reserve, held by placeholders in the cache	simulate_room.c
 *	report_before, report_step			what came out, for people and for programs	simulate_report.c, simulate_table.c
 */
#ifndef SCHED_SIMULATE_PRIVATE_H
#define SCHED_SIMULATE_PRIVATE_H

#include "sched/offline.h"
#include "sched/reserve/plan.h"

#define STEPS_MAX 1000u

enum step_kind { STEP_FAIL, STEP_RECOVER, STEP_DRIFT, STEP_MATRIX };

struct sim_step {
	enum step_kind kind;
	const char *text;		/* borrowed: as it was given */
	uint32_t number;		/* from 1 */
	char *node, *to;		/* node: of a drift the first; to: its second, else NULL */
	char *path;			/* of a matrix */
	double rtt_us;			/* of a drift; NaN: lost */
};

/* LM_USAGE names step and text, as do all errors of steps (sim_step_wrap). On an error nothing is to be freed. */
int sim_step_parse(const char *text, uint32_t number, struct sim_step *out, struct lm_err *err);
void sim_step_free(struct sim_step *s);
int sim_step_wrap(const struct sim_step *s, struct lm_err *err);	/* puts `step 2 "fail edge-9": ` before the text; -1 */

/* --- pods without a node ---------------------------------------------------------------------------------------------- */

enum mover_end { MOVER_WAITS, MOVER_REFUGE, MOVER_DECIDED, MOVER_BACK, MOVER_GONE };
const char *mover_end_name(enum mover_end end);	/* "waits", "refuge", "decided", "back", "gone" */

struct mover {
	char *uid, *namespace_, *name;
	int32_t priority;
	const struct pod *pod;		/* of the cache; NULL: it is gone */
	char *from;			/* the node that it lost; NULL: it was on none */
	char *refuge;			/* the node where room was kept for it; NULL: none */
	bool late;			/* it waits since an earlier step, whose end ended that */
	enum mover_end end;
	char *node;			/* where it is now; NULL: nowhere */
	char *message;			/* why it waits or is gone; NULL */
	char *note;			/* of the decision (decision_note); NULL */
	double rtt_us;			/* of the decision; NaN */
	bool estimate;
};

/* A node that has failed. Pods that are of that node come back with it. */
struct failed {
	char *node;
	struct lifted *bound;		/* in the order in which they were taken off */
	size_t bound_count, bound_room;
};

struct simulation {
	struct offline *offline;
	struct sim_step *steps;
	size_t step_count;
	struct matrix *base;		/* the latency data, with the traffic as if no node had failed; NULL: none */
	struct failed *failed;
	size_t failed_count, failed_room;
	struct mover *movers;		/* by priority, then by name; after a step with those who got a place in it */
	size_t mover_count, mover_room;
	uint32_t moves, moves_in_step;
	struct reserve_settings reserve;	/* namespace_ is set */
	struct plan plan;
	struct names placeholders;	/* uids of those in the cache */
	struct buf did;			/* what the last step did, for people */
	double was_us[2];		/* of a drift, before it: there and back; NaN unknown */
};

/* The profile by which a pod is decided on, as a scheduler has it; NULL: it is not ours. --profile decides for all. */
const struct profile *simulation_profile(const void *simulation, const char *scheduler_name);
const struct profile *simulation_profile_of(const void *simulation, const struct pod *pod);	/* the same, and those of --pods are ours */

/* After offline_load, when --pods are placed. The steps are parsed, their nodes were kept (offline_keep_node). */
void simulation_begin(struct simulation *s);
int simulation_step(struct simulation *s, const struct sim_step *step, struct lm_err *err);
void simulation_free(struct simulation *s);
uint32_t simulation_waiting(const struct simulation *s);	/* movers that have no place */
const struct failed *simulation_failed(const struct simulation *s, const char *node);	/* NULL: it has not failed */

/* --- pods that wait, see struct mover ---------------------------------------------------------------------------------- */

struct mover *mover_add(struct simulation *s, const struct pod *pod, const char *from);	/* valid until the next is added */
void movers_drop_settled(struct simulation *s);	/* those that do not wait: at the beginning of a step */
void movers_sort(struct simulation *s);
void movers_settle(struct simulation *s);	/* decides on all that wait, and plans the room */
void movers_free(struct simulation *s);

/* --- latency data ----------------------------------------------------------------------------------------------------- */

/* Their ages are those of now, and stay so: time stands still. */
void links_begin(struct simulation *s);
/* Both directions; was_us gets what was there. An error: a node that the data do not have, or no data. */
int links_drift(struct simulation *s, const struct sim_step *step, struct lm_err *err);
int links_file(struct simulation *s, const struct sim_step *step, struct lm_err *err);
/*
 * Takes `base` into use as a new generation. What was measured of failed nodes stays, as it does for the first minutes after a death (a median of
 * the last minute, a loss of ten): that is when their pods are placed anew. No traffic enters there.
 */
void links_use(struct simulation *s);

/* --- the reserve ------------------------------------------------------------------------------------------------------ */

/* Real placeholders and guards in the cluster make way for those of a plan; what they promise counts as the plan before. */
void room_begin(struct simulation *s);
void room_clear(struct simulation *s);	/* takes the placeholders out of the cache */
void room_plan(struct simulation *s);	/* plans anew and puts placeholders */

/* --- what came out ---------------------------------------------------------------------------------------------------- */

void report_before(const struct simulation *s, enum offline_format format, FILE *to);
void report_step(const struct simulation *s, const struct sim_step *step, enum offline_format format, FILE *to);
/* For people: the same. `step` NULL: before any. */
struct violations;
void report_table(const struct simulation *s, const struct sim_step *step, const struct violations *violations, FILE *to);

#endif
