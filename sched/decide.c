#include "sched/decide.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "sched/decider.h"
#include "sched/distance.h"
#include "sched/lanes.h"
#include "sched/pick.h"
#include "sched/score/score.h"

struct decider *decider_new(void)
{
	return xcalloc(1, sizeof(struct decider));
}

void decider_free(struct decider *d)
{
	if (!d)
		return;
	arena_free(&d->arena);
	lookup_free(&d->lookup);
	free(d);
}

void *cycle_alloc(struct cycle *c, size_t size)
{
	return arena_alloc(&c->decider->arena, size);
}

void cycle_refuse(struct cycle *c, uint32_t node, uint8_t detail)
{
	struct decider *d = c->decider;

	d->feasible -= c->verdicts[node].filter == 0;
	c->verdicts[node] = (struct verdict){.filter = d->running, .detail = detail};
}

void cycle_fail(struct cycle *c, const char *text)
{
	c->failed = true;
	if (!c->pod_reason)
		c->pod_reason = arena_printf(&c->decider->arena, "running \"%s\" filter plugin: %s", filter_table[c->decider->running - 1]->name, text);
}

static const struct row_age *look_at_ages(struct decider *d, const struct decision_input *in)
{
	struct row_age *ages;

	if (!in->mesh || mesh_all_fresh(in->mesh, in->mono_ms))
		return NULL;
	ages = arena_alloc(&d->arena, (matrix_nodes(in->mesh->matrix) + 1) * sizeof(*ages));
	mesh_row_ages(in->mesh, in->mono_ms, ages);
	return ages;
}

/* --- filters --------------------------------------------------------------------------------------------------------- */

/* What is wrong with the pod itself. NULL: nothing. */
static const char *pod_trouble(struct decider *d, const struct decision_input *in)
{
	const struct pod *pod = in->pod;
	const char *field = pod->unsupported;
	static const char before[] = "the pod uses ", after[] = ", which this scheduler does not support yet";
	char *text;
	size_t size;

	if (in->offered)
		return pod->ask.error;
	if (pod->broken)
		return pod->broken;
	if (pod->ask.error)
		return pod->ask.error;
	if (!field && !in->view->storage_known)
		field = pod->needs_storage;
	if (!field)
		return NULL;
	size = sizeof(before) + strlen(field) + sizeof(after);
	text = arena_alloc(&d->arena, size);
	snprintf(text, size, "%s%s%s", before, field, after);
	return text;
}

static uint64_t eight_bytes(const void *at)
{
	uint64_t bytes;

	memcpy(&bytes, at, sizeof(bytes));
	return bytes;
}

/* Only what was offered is still to be decided on. */
static void refuse_others(struct cycle *c)
{
	static const struct verdict others[EIGHT] = {{VERDICT_NOT_OFFERED, 0}, {VERDICT_NOT_OFFERED, 0}, {VERDICT_NOT_OFFERED, 0}, {VERDICT_NOT_OFFERED, 0},
						      {VERDICT_NOT_OFFERED, 0}, {VERDICT_NOT_OFFERED, 0}, {VERDICT_NOT_OFFERED, 0}, {VERDICT_NOT_OFFERED, 0}};
	const bool *offered = c->in->offered;
	uint32_t i, left = 0, n = offered ? c->view->count : 0;

	for (i = 0; i < n; i++) {
		if (i % EIGHT == 0 && n - i >= EIGHT && !eight_bytes(offered + i)) {
			memcpy(c->verdicts + i, others, sizeof(others));
			i += EIGHT - 1;
		} else if (offered[i]) {
			left++;
		} else {
			c->verdicts[i].filter = VERDICT_NOT_OFFERED;
		}
	}
	c->decider->feasible = offered ? left : c->decider->feasible;
}

/* Is it asked at all? */
static bool runs(const struct cycle *c, unsigned i)
{
	return !c->in->offered || filter_table[i]->ours;
}

/* False: it cannot tell. */
static bool run_one(struct cycle *c, unsigned i, void *state, void (*filter)(struct cycle *c), struct decision *out)
{
	uint32_t before = c->decider->feasible;

	c->state = state;
	c->decider->running = (uint8_t)(i + 1);
	filter(c);
	if (c->decider->feasible < before || c->pod_reason)
		out->wake |= filter_table[i]->wake;
	return !c->pod_reason;
}

/* False: a filter refuses the pod whole. */
static bool run_filters(struct cycle *c, struct decision *out)
{
	struct decider *d = c->decider;
	void **state = arena_alloc(&d->arena, filter_count * sizeof(*state));
	bool *skip = arena_alloc(&d->arena, filter_count * sizeof(*skip));
	unsigned i;

	for (i = 0; i < filter_count; i++) {
		enum filter_start start;
		uint32_t before = d->feasible;

		c->state = NULL;
		d->running = (uint8_t)(i + 1);
		start = !runs(c, i) ? FILTER_SKIP : filter_table[i]->prefilter ? filter_table[i]->prefilter(c) : FILTER_RUN;
		if (start == FILTER_REFUSE) {
			out->wake = filter_table[i]->wake | (c->target_missing ? WAKE_TARGET : 0);
			return false;
		}
		skip[i] = start == FILTER_SKIP;
		state[i] = c->state;
		if (d->feasible < before)
			out->wake |= filter_table[i]->wake;
	}
	for (i = 0; i < filter_count && d->feasible; i++)
		if (!skip[i] && !run_one(c, i, state[i], filter_table[i]->filter, out))
			return false;
	for (i = 0; i < filter_count && d->feasible && c->view->nominated_count; i++)
		if (!skip[i] && filter_table[i]->again && !run_one(c, i, state[i], filter_table[i]->again, out))
			return false;
	return true;
}

/* What pads the last lanes is closed (column), so that it never wins. */
static void set_gate(struct cycle *c)
{
	static const float closed[EIGHT] = {NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN};
	uint32_t i, n = c->view->count;
	float *gate = column(c);

	if (c->decider->feasible == n)
		memset(gate, 0, n * sizeof(*gate));
	else
		for (i = 0; i < n; i++) {
			if (eight_others(c, i)) {
				memcpy(gate + i, closed, sizeof(closed));
				i += EIGHT - 1;
			} else {
				gate[i] = c->verdicts[i].filter ? NAN : 0;
			}
		}
	c->decider->gate = gate;
}

static void finish_filters(struct cycle *c)
{
	unsigned i;

	for (i = 0; i < filter_count; i++) {
		c->decider->running = (uint8_t)(i + 1);
		if (filter_table[i]->after && runs(c, i))
			filter_table[i]->after(c);
	}
}

/* --- scores ---------------------------------------------------------------------------------------------------------- */

static void run_scores(struct cycle *c, const double *weights, struct decision *out)
{
	unsigned i;

	for (i = 0; i < SCORE_COUNT; i++) {
		float *score;

		if (weights[i] <= 0 || (c->in->offered && !score_table[i]->ours))
			continue;
		score = column(c);
		if (score_table[i]->score(c, score))
			out->score[i] = score;
	}
	out->cost_us = out->score[SCORE_LATENCY] ? c->decider->cost_us : NULL;
}

/* Would one of them be there? The cheaper ones come last. */
static bool ask_scores(struct cycle *c, const double *weights)
{
	unsigned i;

	for (i = SCORE_COUNT; i-- > 0;)
		if (weights[i] > 0 && score_table[i]->has_say && score_table[i]->has_say(c))
			return true;
	return false;
}

/* The plain round trip to what the pod asked for first. */
static const float *show_rtt(struct cycle *c)
{
	const struct targets *t = c->targets;
	float *rtt_us;
	uint32_t k;

	for (k = 0; k < t->near_count && t->near[k].missing; k++)
		;
	if (k == t->near_count)
		return NULL;
	rtt_us = column(c);
	distance_show(c, &t->near[k], rtt_us);
	return rtt_us;
}

/* --- the decision ---------------------------------------------------------------------------------------------------- */

static void refuse_whole(const char *reason, struct decision *out)
{
	out->refused_by_pod = true;
	out->pod_reason = reason;
	out->feasible = 0;
}

void decide(struct decider *d, const struct decision_input *in, struct decision *out)
{
	const struct profile *profile = in->profile;
	const char *trouble;
	const double *weights;
	struct targets targets;
	struct cycle c = {.in = in, .view = in->view, .pod = in->pod, .targets = &targets, .decider = d};

	arena_reset(&d->arena);
	d->minus = d->cost_us = NULL;
	d->domains = NULL;
	d->feasible = in->view->count;
	*out = (struct decision){.node = -1, .runner_up = -1, .count = in->view->count};
	trouble = pod_trouble(d, in);
	if (trouble) {
		refuse_whole(trouble, out);
		return;
	}
	if (!in->view->count && !in->pod->gated) {	/* as in kube-scheduler, no filter has a word then */
		out->wake = WAKE_NODE_ADDED;
		return;
	}
	lookup_update(d, in);
	d->ages = look_at_ages(d, in);
	c.row_of_node = in->mesh ? d->lookup.row_of_node : NULL;
	if (in->mesh) {
		out->load = d->lookup.load;
		out->expected = d->lookup.expected;
	}
	c.verdicts = arena_alloc(&d->arena, (in->view->count + 1) * sizeof(*c.verdicts));
	targets_resolve(in, &d->arena, &targets);
	refuse_others(&c);
	if (!run_filters(&c, out)) {
		refuse_whole(c.pod_reason, out);
		out->failed = c.failed;
		return;
	}
	finish_filters(&c);
	out->verdicts = c.verdicts;
	out->feasible = d->feasible;
	set_gate(&c);
	out->rtt_us = in->offered ? NULL : show_rtt(&c);
	if (!d->feasible)
		return;
	out->cloud_nodes = targets.asking ? 0 : d->lookup.cloud_count;
	weights = targets.asking ? profile->weight_asking : profile->weight_plain;
	if (in->verdicts_only) {
		out->has_say = ask_scores(&c, weights);
		return;
	}
	run_scores(&c, weights, out);
	pick(&c, weights, out);
}
