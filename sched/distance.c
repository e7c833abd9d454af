#include "sched/distance.h"

#include <math.h>
#include <string.h>

#include "sched/decider.h"
#include "sched/lanes.h"

#define LOST (PAIR_HERE_LOST | PAIR_THERE_LOST)

static const struct row_age always_fresh = {.factor = 1, .fresh = true};

static float floored(float us)
{
	return us > DISTANCE_FLOOR_US ? us : DISTANCE_FLOOR_US;
}

static float lesser(float a, float b)
{
	return a < b ? a : b;
}

/* --- one leg --------------------------------------------------------------------------------------------------------- */

static bool pair_known(uint8_t pair, const struct row_age *here, const struct row_age *there)
{
	if (((pair & PAIR_HERE_LOST) && here->fresh) || ((pair & PAIR_THERE_LOST) && there->fresh))
		return false;
	return !((pair & PAIR_HERE) && here->dead) && !((pair & PAIR_THERE) && there->dead);
}

static float pair_factor(uint8_t pair, const struct row_age *here, const struct row_age *there)
{
	float a = pair & PAIR_HERE ? here->factor : 1, b = pair & PAIR_THERE ? there->factor : 1;

	return a < b ? a : b;
}

static void fresh_leg(const struct cycle *c, const struct leg *leg, const float *values, float *out)
{
	const uint32_t *row_of_node = c->row_of_node;
	const uint8_t *pair = leg->row.pair;
	uint32_t i, n = c->view->count;

	for (i = 0; i < n; i++) {
		uint32_t row = row_of_node[i];

		out[i] = row == NAMES_NONE || (pair[row] & LOST) ? NAN : values[row];
	}
}

static void aged_leg(const struct cycle *c, const struct leg *leg, const float *values, float *out, float *factor)
{
	const struct row_age *ages = c->decider->ages;
	const struct row_age *here = leg->matrix_node == NAMES_NONE ? &always_fresh : &ages[leg->matrix_node];
	uint32_t i, n = c->view->count;

	for (i = 0; i < n; i++) {
		uint32_t row = c->row_of_node[i];
		bool known = row != NAMES_NONE && pair_known(leg->row.pair[row], here, &ages[row]);

		out[i] = known ? values[row] : NAN;
		if (factor)
			factor[i] = known ? pair_factor(leg->row.pair[row], here, &ages[row]) : 1;
	}
}

/* `values` is cost_us or rtt_us of the leg's row. factor may be NULL. */
static void leg_column(const struct cycle *c, const struct leg *leg, const float *values, float *out, float *factor)
{
	uint32_t i, n = c->view->count;

	if (!values || !c->row_of_node) {
		for (i = 0; i < n; i++)
			out[i] = NAN;
		for (i = 0; factor && i < n; i++)
			factor[i] = 1;
	} else if (!c->decider->ages) {
		fresh_leg(c, leg, values, out);
	} else {
		aged_leg(c, leg, values, out, factor);
	}
	if (leg->view_node >= 0) {	/* the same node: 0, whatever the matrix knows */
		out[leg->view_node] = 0;
		if (factor)
			factor[leg->view_node] = 1;
	}
}

/* --- the mesh -------------------------------------------------------------------------------------------------------- */

/* Of a mean over all nodes: the mean factor of the rows that there are. In whole 2^-32, so that their order does not matter. */
static float mean_factor(const struct mesh *mesh, const struct row_age *ages)
{
	uint32_t i, rows = matrix_nodes(mesh->matrix), reported = 0;
	uint64_t sum = 0;

	for (i = 0; i < rows; i++) {
		if (!ages[i].reported)
			continue;
		reported++;
		sum += (uint64_t)((double)ages[i].factor * 0x1p32);
	}
	return reported ? (float)((double)sum * 0x1p-32 / reported) : 0;
}

/* A node without a report of its own is known by the others' rows alone, so that only their mean factor counts. */
static void mesh_column(const struct cycle *c, const float *values, float *out, float *factor)
{
	const struct row_age *ages = c->decider->ages;
	float all = ages ? mean_factor(c->in->mesh, ages) : 1;
	uint32_t i, n = c->view->count;

	for (i = 0; i < n; i++) {
		uint32_t row = c->row_of_node ? c->row_of_node[i] : NAMES_NONE;
		const struct row_age *own = ages && row != NAMES_NONE && ages[row].reported ? &ages[row] : &always_fresh;

		out[i] = row == NAMES_NONE || own->dead || all <= 0 ? NAN : values[row];
		if (factor)
			factor[i] = lesser(own->factor, all);
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

/* A weighted mean in the making. */
struct mean {
	float *cost, *floor, *aged;	/* sums; floor and aged only where factors count */
	lane_mask *known;		/* any part is */
	float weight;
};

static struct mean mean_begin(const struct cycle *c)
{
	struct arena *arena = &c->decider->arena;
	size_t bytes = lanes_count(c->view->count) * sizeof(lanes);
	struct mean m = {.cost = arena_alloc(arena, bytes), .known = arena_alloc(arena, bytes)};

	if (c->decider->ages) {
		m.floor = arena_alloc(arena, bytes);
		m.aged = arena_alloc(arena, bytes);
	}
	return m;
}

static void mean_add(const struct cycle *c, struct mean *m, const struct distance *part, float weight)
{
	lanes unknown_us = lanes_all(c->in->mesh ? (float)c->in->mesh->unknown_us : (float)MATRIX_UNKNOWN_US);
	lanes floor_us = lanes_all(DISTANCE_FLOOR_US);
	uint32_t i, n = lanes_count(c->view->count);

	m->weight += weight;
	for (i = 0; i < n; i++) {
		lanes value = lanes_in(part->cost_us)[i], cost, floor, aged;
		lane_mask known = (lane_mask)(value == value);

		cost = lanes_select(known, lanes_at_most(value, unknown_us), unknown_us);
		m->known[i] |= known;
		lanes_of(m->cost)[i] += weight * cost;
		if (!m->aged)
			continue;
		floor = lanes_at_least(cost, floor_us);
		aged = lanes_at_most(floor / lanes_in(part->factor)[i], unknown_us);
		lanes_of(m->floor)[i] += weight * floor;
		lanes_of(m->aged)[i] += weight * lanes_select(known, aged, unknown_us);
	}
}

static void mean_end(const struct cycle *c, const struct mean *m, struct distance *out)
{
	lanes nothing = lanes_all(NAN), one = lanes_all(1);
	uint32_t i, n = lanes_count(c->view->count);

	for (i = 0; i < n; i++)
		lanes_of(out->cost_us)[i] = lanes_select(m->known[i], lanes_in(m->cost)[i] / m->weight, nothing);
	for (i = 0; m->aged && i < n; i++)
		lanes_of(out->factor)[i] = lanes_select(m->known[i], lanes_in(m->floor)[i] / lanes_in(m->aged)[i], one);
}

static struct distance distance_new(const struct cycle *c)
{
	return (struct distance){.cost_us = column(c), .factor = c->decider->ages ? column(c) : NULL};
}

static void rank_mean(struct cycle *c, const struct resolved *target, struct distance *out)
{
	struct distance part = distance_new(c);
	struct mean mean = mean_begin(c);
	uint32_t k;

	for (k = 0; k < target->count; k++) {
		const struct leg *leg = &target->legs[k];

		leg_column(c, leg, leg->row.cost_us, part.cost_us, part.factor);
		if (known_somewhere(c, part.cost_us))	/* a leg that is unknown everywhere tells nothing */
			mean_add(c, &mean, &part, leg->weight);
	}
	mean_end(c, &mean, out);
}

/* Does the first one give the better score? */
static bool nearer(float cost_us, float factor, float other_us, float other_factor)
{
	float a = floored(cost_us) * other_factor, b = floored(other_us) * factor;

	if (isnan(cost_us) || isnan(other_us))
		return !isnan(cost_us);
	return a < b || (a == b && cost_us < other_us);
}

static void rank_any(struct cycle *c, const struct resolved *target, struct distance *out)
{
	struct distance part = distance_new(c);
	uint32_t i, k, n = c->view->count;

	leg_column(c, &target->legs[0], target->legs[0].row.cost_us, out->cost_us, out->factor);
	for (k = 1; k < target->count; k++) {
		leg_column(c, &target->legs[k], target->legs[k].row.cost_us, part.cost_us, part.factor);
		for (i = 0; i < n; i++) {
			if (!nearer(part.cost_us[i], part.factor ? part.factor[i] : 1, out->cost_us[i], out->factor ? out->factor[i] : 1))
				continue;
			out->cost_us[i] = part.cost_us[i];
			if (out->factor)
				out->factor[i] = part.factor[i];
		}
	}
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
	else if (target->any)
		rank_any(c, target, out);
	else
		rank_mean(c, target, out);
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
		if (known_somewhere(c, item.cost_us))
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
