#include "sched/heal/judge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

const char *const life_names[] = {"unknown", "alive", "lease_late", "lost", "unsure", "dead", NULL};

/* The same for all nodes. */
struct court {
	const struct judge_input *in;
	const struct matrix *matrix;	/* NULL: it says nothing */
	double after_s;
};

void judge_follow(struct judge_series *s, const struct mesh *mesh)
{
	bool first = !s->epoch;

	if (!mesh || (!first && matrix_generation(mesh->matrix) == s->generation && STREQ(matrix_epoch(mesh->matrix), s->epoch)))
		return;
	s->since_ms = first ? INT64_MIN : s->seen_ms;
	s->seen_ms = mesh->seen_mono_ms;
	s->generation = matrix_generation(mesh->matrix);
	free(s->epoch);
	s->epoch = xstrdup(matrix_epoch(mesh->matrix));
}

void judge_series_free(struct judge_series *s)
{
	free(s->epoch);
	*s = (struct judge_series){0};
}

static const struct matrix *usable(const struct judge_input *in)
{
	const struct mesh *mesh = in->mesh;

	if (!mesh || mesh->hold || matrix_is_plain(mesh->matrix))
		return NULL;
	return in->mesh_since_ms >= in->mono_ms - in->after_ms ? mesh->matrix : NULL;
}

static bool is_late(const struct court *c, const struct judge_node *node)
{
	double duration_s = isnan(node->lease_duration_s) ? JUDGE_LEASE_S : node->lease_duration_s;

	return node->lease_age_s >= fmax(c->after_s, duration_s / 2);
}

/* Nothing came from its probe: also when no report of it is known at all, or none that is young enough to be kept. */
static bool probe_is_silent(const struct court *c, const struct finding *v)
{
	return isnan(v->silent_s) || v->silent_s >= c->after_s;
}

static void hear(const struct judge_input *in, uint32_t row, struct finding *v)
{
	v->silent_s = mesh_row_age_s(in->mesh, row, in->mono_ms);
	v->lost_s = (double)matrix_lost_s(in->mesh->matrix)[row];
	v->witnesses = matrix_witnesses(in->mesh->matrix)[row];
}

static void doubt(const struct judge_input *in, const struct court *c, const struct judge_node *node, struct finding *v)
{
	const struct mesh *mesh = in->mesh;
	uint32_t row = mesh && !mesh->hold && !matrix_is_plain(mesh->matrix) ? matrix_find_node(mesh->matrix, node->name) : NAMES_NONE;
	struct finding said;

	if (row == NAMES_NONE || !(is_late(c, node) || node->unproven))
		return;
	hear(in, row, &said);
	v->doubted = probe_is_silent(c, &said) && said.lost_s >= c->after_s;
}

static enum life life_of(const struct court *c, const struct judge_node *node, struct finding *v)
{
	bool late = is_late(c, node);
	uint32_t row;

	if (isnan(node->lease_age_s))
		return LIFE_UNKNOWN;
	if (!c->matrix)
		return late ? LIFE_UNSURE : LIFE_ALIVE;
	row = matrix_find_node(c->matrix, node->name);
	if (row == NAMES_NONE)
		return LIFE_UNKNOWN;
	hear(c->in, row, v);
	if (!probe_is_silent(c, v) || v->lost_s < c->after_s)
		return late ? LIFE_LEASE_LATE : LIFE_ALIVE;
	if (!late)
		return v->lost_s >= c->after_s ? LIFE_LOST : LIFE_ALIVE;
	return v->lost_s >= c->after_s && 2 * (uint64_t)v->witnesses > matrix_nodes(c->matrix) ? LIFE_DEAD : LIFE_UNSURE;
}

/* So many nodes, so many of them may be dead at once. */
static uint32_t third(uint32_t nodes)
{
	return nodes < 3 ? 1 : nodes / 3;
}

void judge(const struct judge_input *in, struct finding *out)
{
	struct court c = {.in = in, .after_s = (double)in->after_ms / 1e3};
	uint32_t i, leased = 0, late = 0, known = 0, gone = 0;

	c.matrix = usable(in);
	for (i = 0; i < in->count; i++) {
		out[i] = (struct finding){.lease_age_s = in->nodes[i].lease_age_s, .silent_s = NAN, .lost_s = NAN};
		out[i].life = life_of(&c, &in->nodes[i], &out[i]);
		doubt(in, &c, &in->nodes[i], &out[i]);
		leased += isnan(in->nodes[i].lease_age_s) ? 0 : 1;
		late += is_late(&c, &in->nodes[i]);
		known += out[i].life != LIFE_UNKNOWN;
		gone += out[i].life == LIFE_DEAD || out[i].life == LIFE_UNSURE;
	}
	if (gone <= third(known) && 2 * late < leased)
		return;
	for (i = 0; i < in->count; i++)
		if (out[i].life == LIFE_DEAD)
			out[i].life = LIFE_UNSURE;
}
