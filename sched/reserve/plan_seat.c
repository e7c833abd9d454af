#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "sched/reserve/plan_private.h"

static void lift(struct work *w, const char *uid)
{
	grow(&w->lifted, &w->lifted_room, w->lifted_count + 1, sizeof(*w->lifted));
	w->lifted_count += cache_lift(w->in->cache, uid, &w->lifted[w->lifted_count]);
}

void seat_open(struct work *w, uint32_t failure)
{
	const struct failure *f = &w->failures[failure];
	uint32_t i;

	assert(!w->lifted_count);
	w->view = cache_view(w->in->cache);
	while (w->view->nodes[f->node].pod_count) {
		lift(w, w->view->nodes[f->node].pods[0]->pod->uid);
		w->view = cache_view(w->in->cache);
	}
	for (i = f->first; i < f->first + f->count; i++)
		if (w->wants[i].kept)
			cache_assume(w->in->cache, w->wants[i].pod->uid, (uint32_t)w->wants[i].refuge);
	loads_open(w, failure);
}

void seat_close(struct work *w)
{
	while (w->lifted_count)
		cache_put_back(w->in->cache, &w->lifted[--w->lifted_count]);
	w->view = cache_view(w->in->cache);
}

/* Its filters are those of a decision on a pod that has no node; what it scores is of no use here. */
bool seat_ask(struct work *w, uint32_t i, struct decision_input *in, struct decision *out)
{
	const struct want *want = &w->wants[i];
	static char nothing[] = "";
	bool closed = w->closed[want->node];

	w->asking = *want->profile;
	w->asking.refuse_cpu = false;
	memset(w->asking.weight_asking, 0, sizeof(w->asking.weight_asking));
	memset(w->asking.weight_plain, 0, sizeof(w->asking.weight_plain));
	w->asked = *want->pod;
	w->asked.node = w->asked.nominated_node = nothing;
	w->view = cache_view(w->in->cache);
	*in = (struct decision_input){.view = w->view, .mesh = w->in->mesh, .pod = &w->asked, .profile = &w->asking,
				      .mono_ms = w->in->mono_ms, .closed = w->closed};
	w->effort -= w->effort > w->nodes ? w->nodes : w->effort;
	w->closed[want->node] = true;
	decide(w->decider, in, out);
	w->closed[want->node] = closed;
	return out->feasible > 0;
}

void seat_alone(struct work *w)
{
	struct decision_input in;
	struct decision decision;
	uint32_t f, i, k;

	for (f = 0; f < w->failure_count; f++) {
		seat_open(w, f);
		for (i = w->failures[f].first; i < w->failures[f].first + w->failures[f].count; i++) {
			struct want *want = &w->wants[i];

			if (want->tied || want->kept || !seat_ask(w, i, &in, &decision))
				continue;
			want->allowed = xcalloc(decision.feasible, sizeof(*want->allowed));
			for (k = 0; k < w->nodes; k++)
				if (seat_takes(&decision, k) && loads_fits(w, i, k))
					want->allowed[want->allowed_count++] = k;
		}
		seat_close(w);
	}
}

static void put(struct work *w, uint32_t i, uint32_t node)
{
	loads_put(w, i, node);
	cache_assume(w->in->cache, w->wants[i].pod->uid, node);
}

/* Asks, and puts it where it costs least. False: nowhere. */
static bool seat_one(struct work *w, uint32_t i, int32_t prefer, struct decision_input *in, struct decision *decision)
{
	auto_free uint32_t *nodes = xcalloc(w->nodes + 1, sizeof(*nodes));
	uint32_t count = 0, k;
	int32_t node;

	if (!seat_ask(w, i, in, decision))
		return false;
	for (k = 0; k < w->nodes; k++)
		if (seat_takes(decision, k))
			nodes[count++] = k;
	node = search_cheapest(w, i, nodes, count, prefer);
	if (node < 0)
		return false;
	put(w, i, (uint32_t)node);
	return true;
}

static void seat_tied(struct work *w, uint32_t failure, bool keep)
{
	const struct failure *f = &w->failures[failure];
	struct decision_input in;
	struct decision decision;
	uint32_t i;

	seat_open(w, failure);
	for (i = f->first; i < f->first + f->count; i++)
		if (w->wants[i].tied && !w->wants[i].kept)
			seat_one(w, i, keep ? w->wants[i].before : NOWHERE, &in, &decision);
	seat_close(w);
}

void seat_failure(struct work *w, uint32_t failure, bool keep)
{
	const struct failure *f = &w->failures[failure];
	uint32_t i;

	for (i = f->first; i < f->first + f->count; i++)
		loads_take(w, i);
	if (f->tied)
		seat_tied(w, failure, keep);
	loads_open(w, failure);
	for (i = f->first; i < f->first + f->count; i++) {
		const struct want *want = &w->wants[i];
		int32_t node = want->tied || want->kept ? NOWHERE :
			       search_cheapest(w, i, want->allowed, want->allowed_count, keep ? want->before : NOWHERE);

		if (node >= 0)
			loads_put(w, i, (uint32_t)node);
	}
}

/* --- the last look ------------------------------------------------------------------------------------------------------- */

/* The node that failed is no reason of its own. */
static void say_why(struct work *w, uint32_t i, const struct decision_input *in, struct decision *decision)
{
	auto_free struct verdict *verdicts = xcalloc(w->nodes + 1, sizeof(*verdicts));
	auto_buf struct buf text = {0};

	if (decision->verdicts) {
		memcpy(verdicts, decision->verdicts, w->nodes * sizeof(*verdicts));
		verdicts[w->wants[i].node].filter = VERDICT_NOT_OFFERED;
		decision->verdicts = verdicts;
	}
	if (decision->feasible)
		buf_str(&text, "it does not go together with the other pods of its node");
	else
		decision_message(w->decider, in, decision, &text);
	uncover(w, w->wants[i].pod, w->wants[i].node, text.data);
	decision->verdicts = NULL;
}

static void tell_most(struct work *w, uint32_t i)
{
	auto_free char *text = xasprintf("reserve.most (%g %%) is reached", w->in->settings->most * 100);

	uncover(w, w->wants[i].pod, w->wants[i].node, text);
}

/* Those who are nowhere, now that the others are where they go. */
static void tell_uncovered(struct work *w, const struct failure *f)
{
	struct decision_input in;
	struct decision decision;
	uint32_t i;

	for (i = f->first; i < f->first + f->count; i++) {
		if (w->wants[i].refuge >= 0)
			continue;
		if (w->wants[i].given_up) {
			tell_most(w, i);
			continue;
		}
		seat_ask(w, i, &in, &decision);
		say_why(w, i, &in, &decision);
	}
}

/*
 * It came after some who wait for it (a circle, or its turn was past): is each of those before `end` still right where it is? If not it goes nowhere: its
 * failure is one moment, and nobody knows who comes first then.
 */
static void check_others(struct work *w, uint32_t failure, uint32_t late, uint32_t end)
{
	struct decision_input in;
	struct decision decision;
	bool all = true;
	uint32_t i;

	for (i = w->failures[failure].first; i < end && all; i++) {
		const struct want *want = &w->wants[i];

		if (i == late || !want->tied || want->kept || want->refuge < 0)
			continue;
		cache_forget(w->in->cache, want->pod->uid);
		seat_ask(w, i, &in, &decision);
		all = seat_takes(&decision, (uint32_t)want->refuge);
		cache_assume(w->in->cache, want->pod->uid, (uint32_t)want->refuge);
	}
	if (all)
		return;
	cache_forget(w->in->cache, w->wants[late].pod->uid);
	loads_take(w, late);
}

/* Those who have a refuge, in order. Whom decide() refuses has none any more. */
static void check_in_order(struct work *w, uint32_t failure)
{
	const struct failure *f = &w->failures[failure];
	struct decision_input in;
	struct decision decision;
	uint32_t i;

	for (i = f->first; i < f->first + f->count; i++) {
		int32_t refuge = w->wants[i].refuge;

		if (w->wants[i].kept || refuge < 0)
			continue;
		seat_ask(w, i, &in, &decision);
		if (!seat_takes(&decision, (uint32_t)refuge)) {
			loads_take(w, i);
			continue;
		}
		cache_assume(w->in->cache, w->wants[i].pod->uid, (uint32_t)refuge);
		if (w->wants[i].late)
			check_others(w, failure, i, i);
	}
}

static void check_failure(struct work *w, uint32_t failure)
{
	const struct failure *f = &w->failures[failure];
	struct decision_input in;
	struct decision decision;
	uint32_t i;

	seat_open(w, failure);
	check_in_order(w, failure);
	for (i = f->first; i < f->first + f->count; i++)
		if (w->wants[i].refuge < 0 && seat_one(w, i, NOWHERE, &in, &decision) && w->wants[i].tied)
			check_others(w, failure, i, f->first + f->count);
	tell_uncovered(w, f);
	seat_close(w);
}

void seat_check(struct work *w)
{
	uint32_t f;

	for (f = 0; f < w->failure_count; f++)
		check_failure(w, f);
}

void seat_refused(struct work *w)
{
	uint32_t f;

	for (f = 0; f < w->failure_count; f++) {
		seat_open(w, f);
		check_in_order(w, f);
		seat_close(w);
	}
}

void seat_tell(struct work *w)
{
	uint32_t f;

	for (f = 0; f < w->failure_count; f++) {
		seat_open(w, f);
		check_in_order(w, f);
		tell_uncovered(w, &w->failures[f]);
		seat_close(w);
	}
}
