/*
 * keeper_step.h - what is to be done next on one node so that it keeps its room, or hands it over: the rules, without network, clock or log.
 *
 * It follows from what is there, so that a new process goes on where the old one stopped:
 *
 *	guard	open	placeholders		what is done			state
 *	no	no	as planned		PATCH covers, if they differ	STEADY
 *	no	no	too few			POST what is missing		STEADY
 *	no	no	none are to be		DELETE all			STEADY
 *	no	no	too many		POST guard			STEADY
 *	no	yes	any			POST guard			GUARDING
 *	yes	yes	some			PATCH guard's covers, if they
 *					differ; then DELETE all		EMPTYING
 *	yes	yes	none			nothing: pods come		OPEN
 *	yes	no	any, without a plan	nothing: a plan is made		REFILLING
 *	yes	no	too many, or none to be	the same			REFILLING
 *	yes	no	too few			POST what is missing		REFILLING
 *	yes	no	as planned		PATCH covers, then DELETE guard	REFILLING
 *	yes, for	no	any			DELETE guard: the node is worth	REFILLING
 *	too long				more than the room
 */
#ifndef SCHED_RESERVE_KEEPER_STEP_H
#define SCHED_RESERVE_KEEPER_STEP_H

#include <stdbool.h>
#include <stddef.h>

#include "sched/reserve/room.h"

enum keeper_state { KEEPER_STEADY, KEEPER_GUARDING, KEEPER_EMPTYING, KEEPER_OPEN, KEEPER_REFILLING };
extern const char *const keeper_state_names[];		/* NULL at the end */

enum keeper_do { KEEPER_NOTHING, KEEPER_GUARD, KEEPER_GUARD_COVERS, KEEPER_CLEAR, KEEPER_ADD, KEEPER_COVERS, KEEPER_UNGUARD };

struct keeper_facts {
	bool guard;			/* there is one, as the server said last */
	size_t placeholders;		/* those of which it did not say that they are gone; ending ones too */
	bool open;			/* the room is to be handed over */
	bool stale;			/* the guard is there for so long that it has to go, whatever is not done */
	bool resting;			/* one had to, of late: none is made but to hand over */
	bool planned;			/* a plan says what is to be kept: the next two are right */
	enum room_step step;
	bool covers_right;		/* the placeholders' annotations say what the plan does */
	bool guard_covers_right;	/* the guard's says what is lost with the placeholders else: of an open node what is held, else what the plan does */
};

enum keeper_state keeper_state_of(const struct keeper_facts *f);
enum keeper_do keeper_next(const struct keeper_facts *f);

#endif
