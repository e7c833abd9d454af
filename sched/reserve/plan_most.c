/*
 * As much as reserve.most allows: begins with nothing, and takes in one pod after the other, the most important first, while the overhead allows it. So who
 * is left out would be too much even if all that come after it were left out as well.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "sched/reserve/plan_private.h"

#define A_LITTLE 1e-12

struct ranked {
	uint32_t want;
	int32_t priority;		/* its own, or of who waits for it */
	bool before;			/* it was covered */
	double size;
	const char *uid;
};

struct limiting {
	struct work *w;
	double limit, spare;		/* spare: so much of it is left, where sums are too large to be exact */
	struct ranked *ranks;		/* of all but kept ones, the most important first */
	uint32_t count;
	int32_t *planned, *taken_in;	/* refuges of the plan without a limit; of this round */
	bool *stale;			/* a tied one whose refuge of before is none any more */
	bool *out;			/* decide() refused it among those who are taken in */
	bool anew;			/* the plan's refuges rather than those of before */
	struct tally tally;
};

/* --- who comes before whom ------------------------------------------------------------------------------------------------ */

static int by_rank(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->priority != y->priority)
		return x->priority > y->priority ? -1 : 1;
	if (x->before != y->before)
		return x->before ? -1 : 1;
	if (x->size < y->size || x->size > y->size)
		return x->size < y->size ? -1 : 1;
	return strcmp(x->uid, y->uid);
}

/* Wants stand after those that they wait for, so from the last to the first; in a circle some are missed. */
static void inherit_priorities(const struct work *w, const struct failure *f, int32_t *priorities)
{
	uint32_t i, k;

	for (i = f->first + f->count; f->tied && i-- > f->first;)
		for (k = f->first; k < f->first + f->count && w->wants[i].tied; k++)
			if (k != i && w->wants[k].tied && priorities[k] < priorities[i] && waits_for(w->wants[i].pod, w->wants[k].pod))
				priorities[k] = priorities[i];
}

static double size_of(const struct work *w, const struct want *want)
{
	double size = 0;
	uint32_t r;

	for (r = 0; r < w->dims; r++)
		size += w->weight[r] * (double)want->needs[r];
	return size;
}

static void rank(struct limiting *l)
{
	const struct work *w = l->w;
	auto_free int32_t *priorities = xcalloc(w->want_count, sizeof(*priorities));
	uint32_t i;

	for (i = 0; i < w->want_count; i++)
		priorities[i] = w->wants[i].pod->priority;
	for (i = 0; i < w->failure_count; i++)
		inherit_priorities(w, &w->failures[i], priorities);
	for (i = 0; i < w->want_count; i++) {
		const struct want *want = &w->wants[i];

		if (!want->kept)
			l->ranks[l->count++] = (struct ranked){i, priorities[i], want->before >= 0, size_of(w, want), want->pod->uid};
	}
	if (l->count)
		qsort(l->ranks, l->count, sizeof(*l->ranks), by_rank);
}

/* --- one after the other -------------------------------------------------------------------------------------------------- */

static int32_t before_of(const struct limiting *l, uint32_t i)
{
	const struct want *want = &l->w->wants[i];
	bool is_good = want->tied ? !l->stale[i] : want->before >= 0 && want_may(want, (uint32_t)want->before);

	return is_good ? want->before : NOWHERE;
}

static int32_t first_choice(const struct limiting *l, uint32_t i)
{
	return l->anew ? l->planned[i] : before_of(l, i);
}

static int32_t second_choice(const struct limiting *l, uint32_t i)
{
	return l->anew ? before_of(l, i) : l->planned[i];
}

/* Its failure is open. `fits`: becomes true where all that is in the way is the limit. */
static bool try_at(struct limiting *l, uint32_t i, int32_t node, bool *fits)
{
	if (node < 0 || !loads_fits(l->w, i, (uint32_t)node))
		return false;
	*fits = true;
	if (tally_with(l->w, &l->tally, i, (uint32_t)node) > l->limit)
		return false;
	tally_put(l->w, &l->tally, i, (uint32_t)node);
	return true;
}

/* Of all nodes where it may be, the one with the least overhead. */
static int32_t least_node(struct limiting *l, uint32_t i)
{
	const struct want *want = &l->w->wants[i];
	double least = 0;
	int32_t best = NOWHERE;
	uint32_t k;

	for (k = 0; k < want->allowed_count; k++) {
		double with;

		if (!loads_fits(l->w, i, want->allowed[k]))
			continue;
		with = tally_with(l->w, &l->tally, i, want->allowed[k]);
		if (best < 0 || with < least) {
			best = (int32_t)want->allowed[k];
			least = with;
		}
	}
	return best;
}

/* A tied one goes where the search put it, or where it was: of other nodes only decide() knows. */
static void take_in(struct limiting *l, uint32_t i)
{
	struct want *want = &l->w->wants[i];
	bool fits = false;

	loads_open(l->w, failure_of(l->w, i));
	want->given_up = !try_at(l, i, first_choice(l, i), &fits) && !try_at(l, i, second_choice(l, i), &fits) &&
			 !(!want->tied && try_at(l, i, least_node(l, i), &fits)) && fits;
}

/* Those of one priority that were covered are all taken in, if that can be: then what is missing in between does not matter. */
static void take_covered(struct limiting *l, uint32_t from, uint32_t to)
{
	struct work *w = l->w;
	uint32_t k;

	for (k = from; k < to; k++) {
		uint32_t i = l->ranks[k].want;
		int32_t node = l->out[i] || !l->ranks[k].before ? NOWHERE : first_choice(l, i);

		loads_open(w, failure_of(w, i));
		if (node >= 0 && loads_fits(w, i, (uint32_t)node))
			tally_put(w, &l->tally, i, (uint32_t)node);
	}
	if (tally_overhead(w, &l->tally) <= l->limit)
		return;
	for (k = from; k < to; k++)
		if (w->wants[l->ranks[k].want].refuge >= 0)
			tally_take(w, &l->tally, l->ranks[k].want);
}

static void clear(struct limiting *l)
{
	uint32_t k;

	for (k = 0; k < l->count; k++) {
		loads_take(l->w, l->ranks[k].want);
		l->w->wants[l->ranks[k].want].given_up = false;
	}
	tally_free(&l->tally);
	tally_make(l->w, &l->tally);
}

/*
 * Who was too much may be little beside one that asks for something else, as the overhead is the mean of what is asked for: he is tried again, before those of
 * a lower priority. Else the next plan would take him in.
 */
static void take_rest(struct limiting *l, uint32_t from, uint32_t to)
{
	uint32_t kinds, k;

	do {
		kinds = tally_kinds(l->w, &l->tally);
		for (k = from; k < to; k++)
			if (l->w->wants[l->ranks[k].want].refuge < 0 && !l->out[l->ranks[k].want])
				take_in(l, l->ranks[k].want);
	} while (tally_kinds(l->w, &l->tally) != kinds);
}

static void take_all_in(struct limiting *l)
{
	uint32_t from, to;

	clear(l);
	for (from = 0; from < l->count; from = to) {
		for (to = from; to < l->count && l->ranks[to].priority == l->ranks[from].priority; to++)
			;
		take_covered(l, from, to);
		take_rest(l, from, to);
	}
}

/* --- what decide() says to it --------------------------------------------------------------------------------------------- */

/* Tied ones that were covered, where they were, without anybody new: which of them can be there still? */
static void find_stale(struct limiting *l)
{
	struct work *w = l->w;
	uint32_t i;

	clear(l);
	for (i = 0; i < w->want_count; i++) {
		const struct want *want = &w->wants[i];

		if (!want->tied || want->kept || want->before < 0)
			continue;
		loads_open(w, failure_of(w, i));
		if (loads_fits(w, i, (uint32_t)want->before))
			loads_put(w, i, (uint32_t)want->before);
	}
	seat_refused(w);
	for (i = 0; i < w->want_count; i++)
		l->stale[i] = w->wants[i].tied && w->wants[i].refuge < 0;
}

/* Somebody of the failure was refused beside the others: new ones go before those who were covered. True: somebody does. */
static bool put_out(struct limiting *l, const struct failure *f)
{
	const struct work *w = l->w;
	bool covered_lost = false, is_new = false, any = false;
	uint32_t i;

	for (i = f->first; i < f->first + f->count; i++) {
		const struct want *want = &w->wants[i];

		covered_lost |= l->taken_in[i] >= 0 && want->refuge < 0 && want->before >= 0;
		is_new |= l->taken_in[i] >= 0 && want->tied && want->before < 0;
	}
	for (i = f->first; i < f->first + f->count; i++) {
		const struct want *want = &w->wants[i];
		bool goes = l->taken_in[i] >= 0 && !want->kept && (covered_lost && is_new ? want->tied && want->before < 0 : want->refuge < 0);

		l->out[i] |= goes;
		any |= goes;
	}
	return any;
}

/* False: this is the plan. */
static bool has_to_go_on(struct limiting *l)
{
	struct work *w = l->w;
	bool any = false;
	uint32_t f;

	loads_get(w, l->taken_in);
	seat_refused(w);
	for (f = 0; f < w->failure_count; f++)
		any |= put_out(l, &w->failures[f]);
	if (any)
		return true;
	tally_free(&l->tally);
	tally_make(w, &l->tally);
	if (tally_overhead(w, &l->tally) <= w->in->settings->most)
		return false;
	l->limit = w->in->settings->most - l->spare;
	l->spare *= 2;
	return true;
}

/* --- both ways ------------------------------------------------------------------------------------------------------------ */

struct result {
	int32_t *refuges;
	bool *given_up;
};

static void take(struct limiting *l, bool anew)
{
	l->anew = anew;
	l->limit = l->w->in->settings->most;
	l->spare = A_LITTLE;
	memset(l->out, 0, l->w->want_count * sizeof(*l->out));
	do
		take_all_in(l);
	while (has_to_go_on(l));
}

static void get_result(const struct work *w, struct result *out)
{
	uint32_t i;

	loads_get(w, out->refuges);
	for (i = 0; i < w->want_count; i++)
		out->given_up[i] = w->wants[i].given_up;
}

static void set_result(struct work *w, const struct result *to)
{
	uint32_t i;

	loads_set(w, to->refuges);
	for (i = 0; i < w->want_count; i++)
		w->wants[i].given_up = to->given_up[i];
}

static bool lacks_nobody(const struct result *r, size_t count)
{
	size_t i;

	for (i = 0; i < count && !r->given_up[i]; i++)
		;
	return i == count;
}

/* Somebody more, and nobody loses what he had. */
static bool is_better(const struct limiting *l, const struct result *than)
{
	bool better = false, known = false;
	uint32_t k;

	for (k = 0; k < l->count; k++) {
		uint32_t i = l->ranks[k].want;
		bool has = l->w->wants[i].refuge >= 0, had = than->refuges[i] >= 0;

		if (had && !has && l->ranks[k].before)
			return false;
		if (has != had && !known)
			better = has;
		known |= has != had;
	}
	return better;
}

/* Where they were; and in the plan's places only if there somebody more has room, as each change is pods created and deleted. */
static void take_best(struct limiting *l)
{
	struct work *w = l->w;
	auto_free int32_t *refuges = xcalloc(w->want_count, sizeof(*refuges));
	auto_free bool *given_up = xcalloc(w->want_count, sizeof(*given_up));
	struct result stay = {refuges, given_up};

	take(l, false);
	get_result(w, &stay);
	if (lacks_nobody(&stay, w->want_count))
		return;
	take(l, true);
	if (!is_better(l, &stay))
		set_result(w, &stay);
}

static void limit(struct work *w)
{
	auto_free struct ranked *ranks = xcalloc(w->want_count, sizeof(*ranks));
	auto_free int32_t *planned = xcalloc(w->want_count, sizeof(*planned)), *taken_in = xcalloc(w->want_count, sizeof(*taken_in));
	auto_free bool *stale = xcalloc(w->want_count, sizeof(*stale)), *out = xcalloc(w->want_count, sizeof(*out));
	struct limiting l = {.w = w, .ranks = ranks, .planned = planned, .taken_in = taken_in, .stale = stale, .out = out};

	loads_get(w, planned);
	uncover_back(w->out, w->unfit_count);
	rank(&l);
	find_stale(&l);
	take_best(&l);
	tally_free(&l.tally);
	seat_tell(w);
}

void most(struct work *w)
{
	auto_tally struct tally t = {0};

	if (!(w->in->settings->most > 0))
		return;
	tally_make(w, &t);
	if (tally_overhead(w, &t) > w->in->settings->most)
		limit(w);
}
