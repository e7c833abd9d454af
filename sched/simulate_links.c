#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "sched/simulate_private.h"

#define auto_snapshot __attribute__((cleanup(snapshot_free)))

/* A snapshot to edit, of the generation after `m`, as if it were written now. */
static void edit(const struct simulation *s, const struct matrix *m, struct snapshot *out)
{
	matrix_unfold(m, out);
	out->is_plain = matrix_is_plain(m);
	out->written_ms = s->offline->now_ms;
	out->generation++;
}

static void rebase(struct simulation *s, const struct snapshot *snapshot)
{
	matrix_unref(s->base);
	s->base = matrix_build(snapshot);
}

/* The ages that the mesh gives them now become those of the file, so that a new generation makes nothing younger. */
static void freeze_ages(const struct simulation *s, const struct mesh *mesh, struct snapshot *snapshot)
{
	uint32_t i;

	for (i = 0; !snapshot->is_plain && !mesh->hold && i < snapshot->nodes.count; i++)
		snapshot->age_s[i] = mesh_row_age_s(mesh, i, s->offline->now_ms);
	if (!snapshot->is_plain && !mesh->hold)
		snapshot->entry.age_s = mesh_entry_age_s(mesh, s->offline->now_ms);
}

void links_begin(struct simulation *s)
{
	const struct mesh *mesh = s->offline->mesh;
	auto_snapshot struct snapshot snapshot = {0};

	if (!mesh)
		return;
	edit(s, mesh->matrix, &snapshot);
	freeze_ages(s, mesh, &snapshot);
	rebase(s, &snapshot);
}

/* --- failures --------------------------------------------------------------------------------------------------------- */

static void drop_entry(const struct simulation *s, struct snapshot *out)
{
	struct snapshot_entry all = out->entry;
	uint32_t i;

	out->entry = (struct snapshot_entry){.age_s = all.age_s};
	for (i = 0; i < all.nodes.count; i++)
		if (!simulation_failed(s, all.nodes.items[i]))
			snapshot_entry_add(&out->entry, all.nodes.items[i], all.rate[i]);
	snapshot_entry_free(&all);
}

void links_use(struct simulation *s)
{
	struct offline *o = s->offline;
	auto_snapshot struct snapshot snapshot = {0};
	struct mesh *next;

	if (!s->base)
		return;
	edit(s, s->base, &snapshot);
	if (matrix_generation(o->mesh->matrix) >= snapshot.generation)
		snapshot.generation = matrix_generation(o->mesh->matrix) + 1;
	drop_entry(s, &snapshot);
	if (mesh_take(matrix_build(&snapshot), o->mesh, o->mesh->hold, true, o->now_ms, o->now_ms, &next) != MESH_TAKEN)
		return;
	mesh_free(o->mesh);
	o->mesh = next;
}

/* --- changes ---------------------------------------------------------------------------------------------------------- */

static int find(const struct matrix *m, const char *node, uint32_t *out, struct lm_err *err)
{
	*out = matrix_find_node(m, node);
	return *out == NAMES_NONE ? lm_fail(err, LM_DATA, "the latency data have no node \"%.100s\"", node) : 0;
}

static void set(struct snapshot_links *links, size_t at, float rtt_us, float jitter_us, float loss)
{
	links->rtt_us[at] = rtt_us;
	links->jitter_us[at] = jitter_us;
	links->loss[at] = loss;
}

/* One direction. What was known of jitter and loss stays; a way that was lost has none. */
static double drift(struct snapshot *snapshot, uint32_t from, uint32_t to, double rtt_us)
{
	struct snapshot_links *links = &snapshot->link;
	size_t at = (size_t)from * snapshot->nodes.count + to;
	float was_us = links->rtt_us[at];

	if (isnan(rtt_us))
		set(links, at, NAN, NAN, 1);
	else if (isnan(was_us))
		set(links, at, (float)rtt_us, 0, 0);
	else
		links->rtt_us[at] = (float)rtt_us;
	return (double)was_us;
}

int links_drift(struct simulation *s, const struct sim_step *step, struct lm_err *err)
{
	auto_snapshot struct snapshot snapshot = {0};
	uint32_t from, to;

	if (!s->base)
		return lm_fail(err, LM_DATA, "there are no latency data (--matrix)");
	if (find(s->base, step->node, &from, err) < 0 || find(s->base, step->to, &to, err) < 0)
		return -1;
	edit(s, s->base, &snapshot);
	s->was_us[0] = drift(&snapshot, from, to, step->rtt_us);
	s->was_us[1] = drift(&snapshot, to, from, step->rtt_us);
	rebase(s, &snapshot);
	return 0;
}

/* Its ages are as if it had been the first file. The classes of load and the shares of the traffic go on from those in use. */
int links_file(struct simulation *s, const struct sim_step *step, struct lm_err *err)
{
	struct offline *o = s->offline;
	auto_snapshot struct snapshot snapshot = {0};
	struct matrix *matrix;
	struct mesh *first, *next;
	bool hold;

	matrix = offline_read_matrix(step->path, &hold, err);
	if (!matrix)
		return -1;
	mesh_take(matrix_ref(matrix), NULL, hold, false, o->now_ms, o->now_ms, &first);
	edit(s, matrix, &snapshot);
	freeze_ages(s, first, &snapshot);
	rebase(s, &snapshot);
	mesh_free(first);
	if (mesh_take(matrix_ref(s->base), o->mesh, hold, true, o->now_ms, o->now_ms, &next) == MESH_TAKEN) {
		mesh_free(o->mesh);
		o->mesh = next;
	}
	matrix_unref(matrix);
	return 0;
}
