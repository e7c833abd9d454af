#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "sched/simulate_private.h"

const char *mover_end_name(enum mover_end end)
{
	static const char *const names[] = {"waits", "refuge", "decided", "back", "gone"};

	return names[end];
}

uint32_t simulation_waiting(const struct simulation *s)
{
	uint32_t waiting = 0;
	size_t i;

	for (i = 0; i < s->mover_count; i++)
		waiting += s->movers[i].end == MOVER_WAITS;
	return waiting;
}

static void forget_decision(struct mover *m)
{
	free(m->message);
	free(m->note);
	m->message = m->note = NULL;
	m->rtt_us = NAN;
	m->estimate = false;
}

static void mover_free(struct mover *m)
{
	forget_decision(m);
	free(m->uid);
	free(m->namespace_);
	free(m->name);
	free(m->from);
	free(m->refuge);
	free(m->node);
}

struct mover *mover_add(struct simulation *s, const struct pod *pod, const char *from)
{
	grow(&s->movers, &s->mover_room, s->mover_count + 1, sizeof(*s->movers));
	s->movers[s->mover_count] = (struct mover){
		.uid = xstrdup(pod->uid), .namespace_ = xstrdup(pod->namespace_), .name = xstrdup(pod->name), .priority = pod->priority, .pod = pod,
		.from = xstrdup(from), .end = MOVER_WAITS, .rtt_us = NAN,
	};
	return &s->movers[s->mover_count++];
}

static int compare_movers(const void *a, const void *b)
{
	const struct mover *x = a, *y = b;
	int by_namespace = strcmp(x->namespace_, y->namespace_);

	if (x->priority != y->priority)
		return x->priority > y->priority ? -1 : 1;
	return by_namespace ? by_namespace : strcmp(x->name, y->name);
}

void movers_sort(struct simulation *s)
{
	if (s->mover_count)
		qsort(s->movers, s->mover_count, sizeof(*s->movers), compare_movers);
}

/* Only who still waits is of interest for the next step. */
void movers_drop_settled(struct simulation *s)
{
	size_t i, kept = 0;

	for (i = 0; i < s->mover_count; i++) {
		s->movers[i].late = true;
		if (s->movers[i].end == MOVER_WAITS)
			s->movers[kept++] = s->movers[i];
		else
			mover_free(&s->movers[i]);
	}
	s->mover_count = kept;
}

/* A pod that has lost its node is decided on as a new one of its controller would be. */
static bool try_place(struct simulation *s, struct mover *m, const struct profile *profile, const bool *closed)
{
	struct offline *o = s->offline;
	struct pod anew = *m->pod;
	char nowhere[] = "";
	struct decision_input in = {.view = cache_view(o->cache), .mesh = o->mesh, .pod = &anew, .profile = profile, .mono_ms = o->now_ms, .closed = closed};
	auto_buf struct buf message = {0}, note = {0};
	struct decision d;

	anew.node = nowhere;
	forget_decision(m);
	decide(o->decider, &in, &d);
	if (d.node < 0) {
		decision_message(o->decider, &in, &d, &message);
		m->message = xstrdup(message.data);
		return false;
	}
	decision_note(o->decider, &in, &d, &note);
	m->note = note.len ? xstrdup(note.data) : NULL;
	m->rtt_us = d.rtt_us ? (double)d.rtt_us[d.node] : NAN;
	m->estimate = decision_is_estimate(&in, &d);
	m->node = xstrdup(in.view->nodes[d.node].node->name);
	s->moves_in_step += m->from && !STREQ(m->from, m->node);
	cache_assume(o->cache, m->uid, (uint32_t)d.node);
	return true;
}

/* Load refuses nobody his own room. */
static bool try_refuge(struct simulation *s, struct mover *m)
{
	const struct view *view = cache_view(s->offline->cache);
	int32_t refuge = cache_find_node(s->offline->cache, m->refuge);
	auto_free bool *closed = xcalloc(view->count + 1, sizeof(*closed));
	struct profile profile = *offline_profile(s->offline, m->pod);

	if (refuge < 0)
		return false;
	memset(closed, true, view->count * sizeof(*closed));
	closed[refuge] = false;
	profile.refuse_cpu = profile.strict_cpu = false;
	if (!try_place(s, m, &profile, closed))
		return false;
	m->end = MOVER_REFUGE;
	return true;
}

static bool try_anywhere(struct simulation *s, struct mover *m)
{
	if (!try_place(s, m, offline_profile(s->offline, m->pod), NULL))
		return false;
	m->end = MOVER_DECIDED;
	return true;
}

/* Room is kept for the step in which its node fails: then it is planned anew. */
static bool has_room(const struct mover *m)
{
	return m->refuge && !m->late;
}

/* Who waits for another that is placed after him is tried again. */
static void place(struct simulation *s, bool refuges)
{
	bool again = true;
	size_t i;

	while (again) {
		again = false;
		for (i = 0; i < s->mover_count; i++) {
			struct mover *m = &s->movers[i];

			if (m->end == MOVER_WAITS && (!refuges || has_room(m)))
				again |= refuges ? try_refuge(s, m) : try_anywhere(s, m);
		}
	}
}

static bool any_refuge(const struct simulation *s)
{
	size_t i;

	for (i = 0; i < s->mover_count; i++)
		if (s->movers[i].end == MOVER_WAITS && has_room(&s->movers[i]))
			return true;
	return false;
}

/*
 * As the scheduler does it: who has room takes it, then the room is planned anew, and what that leaves is for all others; who got a place then may
 * get cover, too.
 */
void movers_settle(struct simulation *s)
{
	uint32_t before;

	if (any_refuge(s)) {
		room_clear(s);
		place(s, true);
	}
	room_plan(s);
	before = simulation_waiting(s);
	place(s, false);
	if (simulation_waiting(s) != before)
		room_plan(s);
	s->moves += s->moves_in_step;
}

void movers_free(struct simulation *s)
{
	size_t i;

	for (i = 0; i < s->mover_count; i++)
		mover_free(&s->movers[i]);
	free(s->movers);
}
