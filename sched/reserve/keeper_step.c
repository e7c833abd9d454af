#include "sched/reserve/keeper_step.h"

const char *const keeper_state_names[] = {"steady", "guarding", "emptying", "open", "refilling", NULL};

enum keeper_state keeper_state_of(const struct keeper_facts *f)
{
	if (!f->open)
		return f->guard ? KEEPER_REFILLING : KEEPER_STEADY;
	if (!f->guard)
		return KEEPER_GUARDING;
	return f->placeholders ? KEEPER_EMPTYING : KEEPER_OPEN;
}

/* The guard takes over who the room is for. */
static enum keeper_do clear_guarded(const struct keeper_facts *f)
{
	if (!f->guard)
		return f->resting && !f->open ? KEEPER_NOTHING : KEEPER_GUARD;
	return f->guard_covers_right ? KEEPER_CLEAR : KEEPER_GUARD_COVERS;
}

static enum keeper_do hand_over(const struct keeper_facts *f)
{
	return f->guard && !f->placeholders ? KEEPER_NOTHING : clear_guarded(f);
}

enum keeper_do keeper_next(const struct keeper_facts *f)
{
	if (f->open)
		return hand_over(f);
	if (f->guard && f->stale)
		return KEEPER_UNGUARD;
	if (!f->planned)
		return KEEPER_NOTHING;
	switch (f->step) {
	case ROOM_ADD: return KEEPER_ADD;
	case ROOM_EMPTY: return f->guard ? clear_guarded(f) : KEEPER_CLEAR;
	case ROOM_RENEW: return clear_guarded(f);
	case ROOM_RIGHT: break;
	}
	if (!f->covers_right)
		return KEEPER_COVERS;
	return f->guard ? KEEPER_UNGUARD : KEEPER_NOTHING;
}
