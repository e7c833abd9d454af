#include "sched/mesh.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

#define SUM_SCALE 1024.0f		/* sums are of whole 1/1024 us, so that they do not depend on the order of the nodes */

/* --- ages ----------------------------------------------------------------------------------------------------------- */

const struct row_age row_age_fresh = {.factor = 1, .fresh = true, .linked = true};
const struct row_age row_age_none = {.factor = 1, .dead = true};

static bool never_ages(const struct mesh *mesh)
{
	return mesh->hold || matrix_is_plain(mesh->matrix);
}

static double added_s(const struct mesh *mesh, int64_t mono_ms)
{
	int64_t since_ms = mono_ms - mesh->seen_mono_ms;

	return mesh->base_s + (since_ms > 0 ? (double)since_ms / 1e3 : 0);
}

double mesh_row_age_s(const struct mesh *mesh, uint32_t node, int64_t mono_ms)
{
	if (never_ages(mesh))
		return 0;
	return (double)matrix_age_s(mesh->matrix)[node] + added_s(mesh, mono_ms);
}

double mesh_load_ms(const struct mesh *mesh, uint32_t node)
{
	return (double)mesh->seen_mono_ms - round(mesh->base_s * 1e3) - round((double)matrix_age_s(mesh->matrix)[node] * 1e3);
}

/* Without an age of their own they are as old as the file. */
double mesh_entry_age_s(const struct mesh *mesh, int64_t mono_ms)
{
	double age_s = matrix_entry_age_s(mesh->matrix);

	if (!mesh->entry.count)
		return NAN;
	return never_ages(mesh) ? 0 : (isnan(age_s) ? 0 : age_s) + added_s(mesh, mono_ms);
}

bool mesh_entry_usable(const struct mesh *mesh, int64_t mono_ms)
{
	return mesh_entry_age_s(mesh, mono_ms) <= mesh_dead_s(mesh);
}

double mesh_fresh_s(const struct mesh *mesh)
{
	return MATRIX_FRESH_PERIODS * matrix_period_s(mesh->matrix);
}

double mesh_dead_s(const struct mesh *mesh)
{
	return MATRIX_DEAD_PERIODS * matrix_period_s(mesh->matrix);
}

double mesh_age_factor(const struct mesh *mesh, double age_s)
{
	double fresh_s = mesh_fresh_s(mesh), dead_s = mesh_dead_s(mesh);

	if (age_s <= fresh_s)
		return 1;
	return age_s < dead_s ? (dead_s - age_s) / (dead_s - fresh_s) : 0;
}

bool mesh_all_fresh(const struct mesh *mesh, int64_t mono_ms)
{
	return never_ages(mesh) || mesh->oldest_s + added_s(mesh, mono_ms) <= mesh_fresh_s(mesh);
}

void mesh_row_ages(const struct mesh *mesh, int64_t mono_ms, struct row_age *out)
{
	uint32_t i, count = matrix_nodes(mesh->matrix);

	for (i = 0; i < count; i++) {
		double age_s = mesh_row_age_s(mesh, i, mono_ms);

		out[i] = (struct row_age){.factor = (float)mesh_age_factor(mesh, age_s), .fresh = age_s <= mesh_fresh_s(mesh),
					  .dead = !(age_s <= mesh_dead_s(mesh)), .linked = mesh->linked[i] && !isnan(age_s)};
	}
}

/* An estimate is made of what other rows hold. */
static bool is_own_leg(uint8_t pair)
{
	return (pair & (PAIR_THERE | PAIR_THERE_LOST)) && !(pair & PAIR_ESTIMATE);
}

static bool row_is_linked(const struct matrix *m, uint32_t node)
{
	struct matrix_row row = matrix_node_row(m, node);
	uint32_t i, nodes = matrix_nodes(m), clients = matrix_clients(m);

	for (i = 0; i < nodes; i++)
		if (i != node && row.pair[i] & (PAIR_HERE | PAIR_HERE_LOST))
			return true;
	for (i = 0; i < clients; i++)
		if (is_own_leg(matrix_client_row(m, i).pair[node]))
			return true;
	return false;
}

/* Which rows hold links, and how old the oldest is that holds anything. */
static void look_at_rows(struct mesh *mesh)
{
	const float *age_s = matrix_age_s(mesh->matrix), *cpu = matrix_cpu(mesh->matrix);
	uint32_t i, nodes = matrix_nodes(mesh->matrix);

	mesh->linked = xcalloc(nodes + 1, sizeof(*mesh->linked));
	for (i = 0; i < nodes; i++) {
		mesh->linked[i] = row_is_linked(mesh->matrix, i);
		if (!(age_s[i] <= mesh->oldest_s) && (mesh->linked[i] || !isnan(cpu[i])))
			mesh->oldest_s = isnan(age_s[i]) ? INFINITY : (double)age_s[i];
	}
}

/* --- load classes ---------------------------------------------------------------------------------------------------- */

static enum load_class load_class(float cpu, enum load_class before)
{
	if (isnan(cpu))
		return LOAD_UNKNOWN;
	if (cpu > (float)CPU_FULL || (before == LOAD_FULL && cpu > (float)(CPU_FULL - CPU_HYSTERESIS)))
		return LOAD_FULL;
	if (cpu >= (float)CPU_BUSY || (before >= LOAD_BUSY && cpu > (float)(CPU_BUSY - CPU_HYSTERESIS)))
		return LOAD_BUSY;
	return LOAD_EASY;
}

static void classify(struct mesh *mesh, const struct mesh *previous)
{
	uint32_t i, nodes = matrix_nodes(mesh->matrix);

	mesh->load = xcalloc(nodes + 1, sizeof(*mesh->load));
	for (i = 0; i < nodes; i++) {
		uint32_t was = previous ? matrix_find_node(previous->matrix, matrix_node_name(mesh->matrix, i)) : NAMES_NONE;
		enum load_class before = was == NAMES_NONE ? LOAD_UNKNOWN : previous->load[was];

		mesh->load[i] = (uint8_t)load_class(matrix_cpu(mesh->matrix)[i], before);
	}
}

enum load_class mesh_class(const struct mesh *mesh, uint32_t node)
{
	return load_class(matrix_cpu(mesh->matrix)[node], LOAD_UNKNOWN);
}

enum load_class mesh_class_with(const struct mesh *mesh, uint32_t node, float cpu)
{
	enum load_class own = (enum load_class)mesh->load[node], as = load_class(cpu, own);

	return as == LOAD_UNKNOWN || as > own ? as : own;
}

void mesh_set_class(struct mesh *mesh, uint32_t node, enum load_class as)
{
	mesh->load[node] = (uint8_t)as;
}

const char *load_class_name(enum load_class as)
{
	static const char *const names[] = {"unknown", "easy", "busy", "full"};

	return names[as];
}

/* --- means over the mesh --------------------------------------------------------------------------------------------- */

/* Known as of the moment at which the mesh is taken. */
static bool leg_known(const struct matrix_row *row, const struct row_age *age, uint32_t here, uint32_t there)
{
	return pair_is_known(row->pair[there], &age[here], &age[there]);
}

/* Can anyone tell the round trip to it? A node that no one reaches says nothing about the others. */
static bool heard_of(const struct matrix *m, const struct row_age *age, uint32_t node)
{
	struct matrix_row row = matrix_node_row(m, node);
	uint32_t i, nodes = matrix_nodes(m);

	for (i = 0; i < nodes; i++)
		if (i != node && leg_known(&row, age, node, i))
			return true;
	return false;
}

static float lesser(float a, float b)
{
	return a < b ? a : b;
}

static int64_t scaled(float us)
{
	return (int64_t)(us * SUM_SCALE);
}

static void mean_of(struct mesh *mesh, uint32_t here, const bool *heard, const struct row_age *age)
{
	struct matrix_row row = matrix_node_row(mesh->matrix, here);
	uint32_t i, nodes = matrix_nodes(mesh->matrix), legs = 0, known = 0;
	float unknown_us = (float)mesh->unknown_us, nearest_us = INFINITY, nearest_rtt_us = INFINITY;
	int64_t cost = 0, rtt = 0;

	for (i = 0; i < nodes; i++) {
		if (i == here || !heard[i])
			continue;
		legs++;
		if (!leg_known(&row, age, here, i))
			continue;
		known++;
		cost += scaled(lesser(row.cost_us[i], unknown_us));
		rtt += scaled(row.rtt_us[i]);
		nearest_us = lesser(row.cost_us[i], nearest_us);
		nearest_rtt_us = lesser(row.rtt_us[i], nearest_rtt_us);
	}
	mesh->mean_us[here] = known ? (float)(((double)cost / SUM_SCALE + (legs - known) * mesh->unknown_us) / legs) : NAN;
	mesh->mean_rtt_us[here] = known ? (float)((double)rtt / SUM_SCALE / known) : NAN;
	mesh->nearest_us[here] = known ? nearest_us : NAN;
	mesh->nearest_rtt_us[here] = known ? nearest_rtt_us : NAN;
}

static void means(struct mesh *mesh, int64_t mono_ms)
{
	uint32_t i, nodes = matrix_nodes(mesh->matrix);
	auto_free bool *heard = xcalloc(nodes + 1, sizeof(*heard));
	auto_free struct row_age *age = xcalloc(nodes + 1, sizeof(*age));

	mesh->mean_us = xcalloc(nodes + 1, 4 * sizeof(*mesh->mean_us));
	mesh->nearest_us = mesh->mean_us + nodes;
	mesh->mean_rtt_us = mesh->nearest_us + nodes;
	mesh->nearest_rtt_us = mesh->mean_rtt_us + nodes;
	mesh_row_ages(mesh, mono_ms, age);
	for (i = 0; i < nodes; i++)
		heard[i] = heard_of(mesh->matrix, age, i);
	for (i = 0; i < nodes; i++)
		mean_of(mesh, i, heard, age);
}

/* --- taking ---------------------------------------------------------------------------------------------------------- */

static bool same_series(const struct matrix *a, const struct matrix *b)
{
	return matrix_is_plain(a) == matrix_is_plain(b) && STREQ(matrix_epoch(a), matrix_epoch(b));
}

static struct mesh *mesh_build(struct matrix *matrix, const struct mesh *previous, bool hold, bool edit, int64_t mono_ms)
{
	static atomic_uint_least64_t serial;
	struct mesh *mesh = xcalloc(1, sizeof(*mesh));

	atomic_init(&mesh->references, 1);
	mesh->matrix = matrix;
	mesh->serial = atomic_fetch_add(&serial, 1) + 1;
	mesh->hold = hold;
	mesh->taken_mono_ms = mesh->seen_mono_ms = mono_ms;
	look_at_rows(mesh);
	mesh->unknown_us = fmax(MATRIX_UNKNOWN_US, matrix_worst_us(matrix));
	classify(mesh, previous);
	entries_take(matrix, previous ? &previous->entry : NULL, hold || edit, &mesh->entry);
	return mesh;
}

enum mesh_verdict mesh_take(struct matrix *matrix, const struct mesh *previous, bool hold, bool accept_any, int64_t mono_ms,
			    int64_t wall_ms, struct mesh **out)
{
	bool series = previous && same_series(matrix, previous->matrix);
	bool edit = series && matrix_generation(matrix) == matrix_generation(previous->matrix);
	struct mesh *mesh;

	if (edit && hold == previous->hold && matrix_digest(matrix) == matrix_digest(previous->matrix)) {
		matrix_unref(matrix);
		return MESH_SAME;
	}
	if (series && !hold && !accept_any && matrix_generation(matrix) < matrix_generation(previous->matrix)) {
		matrix_unref(matrix);
		return MESH_OLDER;
	}
	mesh = mesh_build(matrix, previous, hold, edit, mono_ms);
	if (edit) {
		mesh->seen_mono_ms = previous->seen_mono_ms;
		mesh->base_s = previous->base_s;
	} else if (!previous && matrix_written_ms(matrix) >= 0 && wall_ms > matrix_written_ms(matrix)) {
		mesh->base_s = (double)(wall_ms - matrix_written_ms(matrix)) / 1e3;
	}
	means(mesh, mono_ms);
	*out = mesh;
	return MESH_TAKEN;
}

struct mesh *mesh_ref(const struct mesh *mesh)
{
	struct mesh *mine = (struct mesh *)(uintptr_t)mesh;	/* counting it is no change */

	atomic_fetch_add_explicit(&mine->references, 1, memory_order_relaxed);
	return mine;
}

void mesh_free(struct mesh *mesh)
{
	if (!mesh || atomic_fetch_sub_explicit(&mesh->references, 1, memory_order_acq_rel) != 1)
		return;
	matrix_unref(mesh->matrix);
	entries_free(&mesh->entry);
	free(mesh->load);
	free(mesh->linked);
	free(mesh->mean_us);
	free(mesh);
}
