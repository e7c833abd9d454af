#include "sched/distance.h"

#include <math.h>
#include <string.h>

#include "sched/decider.h"
#include "sched/lanes.h"

#define LOST (PAIR_HERE_LOST | PAIR_THERE_LOST)

static float lesser(float a, float b)
{
	return a < b ? a : b;
}

/* --- ages ------------------------------------------------------------------------------------------------------------ */

/* The mean factor of the rows that there are. In whole 2^-32, so that their order does not matter. */
static float mean_factor(const struct mesh *mesh, const struct row_age *ages)
{
	uint32_t i, rows = matrix_nodes(mesh->matrix), counted = 0;
	uint64_t sum = 0;

	for (i = 0; i < rows; i++) {
		if (!ages[i].linked)
			continue;
		counted++;
		sum += (uint64_t)((double)ages[i].factor * 0x1p32);
	}
	return counted ? (float)((double)sum * 0x1p-32 / counted) : 0;
}

/* --- one leg --------------------------------------------------------------------------------------------------------- */

/* Of the rows that were used. Of an unknown pair: of both, so that what becomes unknown never gains. */
static float pair_factor(uint8_t pair, bool known, const struct row_age *here, const struct row_age *there)
{
	float a = (pair & PAIR_HERE) || !known ? here->factor : 1, b = (pair & PAIR_THERE) || !known ? there->factor : 1;

	return lesser(a, b);
}

static const struct row_age *age_of(const struct cycle *c, uint32_t row)
{
	return row_age_of(c->decider->ages, row);
}

static void fresh_leg(const struct cycle *c, const struct leg *leg, const float *values, float *out)
{
	static const float unknown[EIGHT] = {NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN};
	const uint32_t *row_of_node = c->row_of_node;
	const uint8_t *pair = leg->row.pair;
	uint32_t i, n = c->view->count;

	for (i = 0; i < n; i++) {
		uint32_t row = row_of_node[i];

		if (eight_others(c, i)) {
			memcpy(out + i, unknown, sizeof(unknown));
			i += EIGHT - 1;
			continue;
		}
		out[i] = row == NAMES_NONE || (pair[row] & LOST) ? NAN : values[row];
	}
}

static void aged_leg(const struct cycle *c, const struct leg *leg, const float *values, float *out, float *factor)
{
	const struct row_age *here = age_of(c, leg->matrix_node);
	uint32_t i, n = c->view->count;

	for (i = 0; i < n; i++) {
		uint32_t row = c->row_of_node[i];
		const struct row_age *there = age_of(c, row);
		uint8_t pair = values && row != NAMES_NONE ? leg->row.pair[row] : 0;
		bool known = values && row != NAMES_NONE && pair_is_known(pair, here, there);

		out[i] = known ? values[row] : NAN;
		if (factor)
			factor[i] = pair_factor(pair, known, here, there);
	}
}

/* A row that nobody filled: what it has of clients was estimated from the rows of others, and is as old as they are. */
static void aged_estimates(const struct cycle *c, const struct leg *leg, const float *values, float *out, float *factor)
{
	float all = mean_factor(c->in->mesh, c->decider->ages);
	uint32_t i, n = c->view->count;

	for (i = 0; all > 0 && i < n; i++) {
		uint32_t row = c->row_of_node[i];

		if (row == NAMES_NONE || !(leg->row.pair[row] & PAIR_ESTIMATE) || age_of(c, row) != &row_age_none)
			continue;
		out[i] = values[row];
		if (factor)
			factor[i] = all;
	}
}

/* `values` is cost_us or rtt_us of the leg's row. factor may be NULL. */
static void leg_column(const struct cycle *c, const struct leg *leg, const float *values, float *out, float *factor)
{
	uint32_t i, n = c->view->count;

	if (c->decider->ages)
		aged_leg(c, leg, values, out, factor);
	else if (values && c->row_of_node)
		fresh_leg(c, leg, values, out);
	else
		for (i = 0; i < n; i++)
			out[i] = NAN;
	if (c->decider->ages && values && leg->matrix_node == NAMES_NONE)
		aged_estimates(c, leg, values, out, factor);
	if (leg->view_node >= 0) {	/* the same node: 0, whatever the matrix knows */
		out[leg->view_node] = 0;
		if (factor)
			factor[leg->view_node] = 1;
	}
}

/* --- the mesh -------------------------------------------------------------------------------------------------------- */

/* A node's own row is in each of its legs: its age counts. A node without one is known by the others' rows: their mean counts. */
static void mesh_column(const struct cycle *c, const float *values, float *out, float *factor)
{
	const struct row_age *ages = c->decider->ages;
	float all = ages ? mean_factor(c->in->mesh, ages) : 1;
	uint32_t i, n = c->view->count;

	for (i = 0; i < n; i++) {
		uint32_t row = c->row_of_node ? c->row_of_node[i] : NAMES_NONE;
		const struct row_age *own = ages && row != NAMES_NONE && ages[row].linked ? &ages[row] : NULL;

		out[i] = row == NAMES_NONE || (own ? own->dead : all <= 0) ? NAN : values[row];
		if (factor)
			factor[i] = own ? own->factor : all;
	}
}

/* --- one item -------------------------------------------------------------------------------------------------------- */

/* Is there a feasible node about which something is known? Usually the first look tells. */
static bool known_somewhere(const struct cycle *c, const float *cost_us)
{
	const float *gate = c->decider->gate;
	uint32_t i, n = c->view->count;

	for (i = 0; i < n; i++)
		if (!isnan(cost_us[i] + gate[i]))
			return true;
	return false;
}

/* A weighted mean in the making. Factors are means too, of all parts: what drops from the cost has rows of some age all the same. */
struct mean {
	float *cost, *factor;		/* sums; factor only where it counts */
	lane_mask *known;		/* any part is */
	float weight, factor_weight;
};

static struct mean mean_begin(const struct cycle *c)
{
	struct arena *arena = &c->decider->arena;
	size_t bytes = lanes_count(c->view->count) * sizeof(lanes);

	return (struct mean){.cost = arena_alloc(arena, bytes), .known = arena_alloc(arena, bytes),
			     .factor = c->decider->ages ? arena_alloc(arena, bytes) : NULL};
}

static void mean_add_cost(const struct cycle *c, struct mean *m, const float *cost_us, float weight)
{
	lanes unknown_us = lanes_all(c->in->mesh ? (float)c->in->mesh->unknown_us : (float)MATRIX_UNKNOWN_US);
	uint32_t i, n = lanes_count(c->view->count);

	m->weight += weight;
	for (i = 0; i < n; i++) {
		lanes value = lanes_in(cost_us)[i];
		lane_mask known = (lane_mask)(value == value);

		m->known[i] |= known;
		lanes_of(m->cost)[i] += weight * lanes_select(known, lanes_at_most(value, unknown_us), unknown_us);
	}
}

static void mean_add(const struct cycle *c, struct mean *m, const struct distance *part, float weight)
{
	uint32_t i, n = lanes_count(c->view->count);

	if (known_somewhere(c, part->cost_us))	/* what is unknown everywhere tells nothing */
		mean_add_cost(c, m, part->cost_us, weight);
	m->factor_weight += weight;
	for (i = 0; m->factor && i < n; i++)
		lanes_of(m->factor)[i] += weight * lanes_in(part->factor)[i];
}

static void mean_end(const struct cycle *c, const struct mean *m, struct distance *out)
{
	lanes nothing = lanes_all(NAN);
	uint32_t i, n = lanes_count(c->view->count);

	for (i = 0; i < n; i++)
		lanes_of(out->cost_us)[i] = lanes_select(m->known[i], lanes_in(m->cost)[i] / m->weight, nothing);
	for (i = 0; m->factor && i < n; i++)
		lanes_of(out->factor)[i] = lanes_in(m->factor)[i] / m->factor_weight;
}

static struct distance distance_new(const struct cycle *c)
{
	return (struct distance){.cost_us = column(c), .factor = c->decider->ages ? column(c) : NULL};
}

/* The mean over the legs; with `any` the cost is that of the nearest. */
static void rank_several(struct cycle *c, const struct resolved *target, struct distance *out)
{
	struct distance part = distance_new(c);
	struct mean mean = mean_begin(c);
	float *nearest_us = column(c);
	uint32_t i, k, n = lanes_count(c->view->count);

	for (k = 0; k < target->count; k++) {
		const struct leg *leg = &target->legs[k];

		leg_column(c, leg, leg->row.cost_us, part.cost_us, part.factor);
		mean_add(c, &mean, &part, leg->weight);
		for (i = 0; target->any && i < n; i++) {
			lanes cost_us = lanes_in(part.cost_us)[i], was = lanes_in(nearest_us)[i];

			lane_mask nearer = (lane_mask)(cost_us < was) | (lane_mask)(was != was);

			lanes_of(nearest_us)[i] = k ? lanes_select(nearer, cost_us, was) : cost_us;
		}
	}
	mean_end(c, &mean, out);
	if (target->any)
		out->cost_us = nearest_us;
}

static void rank_item(struct cycle *c, const struct resolved *target, struct distance *out)
{
	const struct mesh *mesh = c->in->mesh;
	float enough_us = (float)target->item->enough_us;
	uint32_t i, n = c->view->count;

	if (target->is_mesh)
		mesh_column(c, !mesh ? NULL : target->any ? mesh->nearest_us : mesh->mean_us, out->cost_us, out->factor);
	else if (target->count == 1)
		leg_column(c, target->legs, target->legs->row.cost_us, out->cost_us, out->factor);
	else
		rank_several(c, target, out);
	for (i = 0; !isnan(enough_us) && i < n; i++)
		if (out->cost_us[i] < enough_us)
			out->cost_us[i] = enough_us;
}

/* --- all items ------------------------------------------------------------------------------------------------------- */

bool distance_rank(struct cycle *c, struct distance *out)
{
	const struct targets *targets = c->targets;
	struct distance item = distance_new(c);
	struct mean mean;
	uint32_t k;

	if (targets->near_count == 1 && !targets->near[0].missing) {
		rank_item(c, &targets->near[0], &item);
		*out = item;
		return known_somewhere(c, item.cost_us);
	}
	mean = mean_begin(c);
	for (k = 0; k < targets->near_count; k++) {
		if (targets->near[k].missing)
			continue;
		rank_item(c, &targets->near[k], &item);
		mean_add(c, &mean, &item, (float)targets->near[k].item->weight);
	}
	*out = distance_new(c);
	mean_end(c, &mean, out);
	return mean.weight > 0;
}

void distance_median(struct cycle *c, const struct resolved *target, const struct leg *leg, float *out)
{
	const struct mesh *mesh = c->in->mesh;

	if (leg)
		leg_column(c, leg, leg->row.rtt_us, out, NULL);
	else
		mesh_column(c, !mesh ? NULL : target->any ? mesh->nearest_rtt_us : mesh->mean_rtt_us, out, NULL);
}

void distance_limit(struct cycle *c, const struct resolved *target, float *out)
{
	uint32_t i, k, n = c->view->count;
	float *part, sum = 0;

	if (!target->is_entry || target->any || target->count == 1) {
		distance_show(c, target, out);
		return;
	}
	part = column(c);
	memset(out, 0, n * sizeof(*out));
	for (k = 0; k < target->count; k++) {
		distance_median(c, target, &target->legs[k], part);
		sum += target->legs[k].weight;
		for (i = 0; i < n; i++)
			out[i] += target->legs[k].weight * part[i];	/* NaN stays */
	}
	for (i = 0; i < n; i++)
		out[i] /= sum;
}

void distance_show(struct cycle *c, const struct resolved *target, float *out)
{
	uint32_t i, k, n = c->view->count;
	float *part, *weight;

	if (target->is_mesh || target->count == 1) {
		distance_median(c, target, target->is_mesh ? NULL : target->legs, out);
		return;
	}
	part = column(c);
	weight = arena_alloc(&c->decider->arena, (n + 1) * sizeof(*weight));
	for (i = 0; i < n; i++)
		out[i] = target->any ? NAN : 0;
	for (k = 0; k < target->count; k++) {
		float pods = target->legs[k].weight;

		distance_median(c, target, &target->legs[k], part);
		for (i = 0; i < n; i++) {
			if (isnan(part[i]))
				continue;
			out[i] = !target->any ? out[i] + pods * part[i] : isnan(out[i]) ? part[i] : lesser(out[i], part[i]);
			weight[i] += pods;
		}
	}
	for (i = 0; !target->any && i < n; i++)
		out[i] = weight[i] > 0 ? out[i] / weight[i] : NAN;
}
