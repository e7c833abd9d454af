/* What a decision knows of each node from the mesh, and the load that is expected of it. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "sched/decider.h"
#include "sched/lanes.h"

void lookup_free(struct lookup *l)
{
	free(l->row_of_node);
	free(l->load);
	free(l->expected);
	free(l->cpu_score);
	free(l->cpu_minus);
	free(l->cloud);
	free(l->beside);
}

static void reserve(struct lookup *l, size_t count)
{
	if (count + LANES <= l->room)
		return;
	l->room = count + LANES + count / 4;
	l->row_of_node = xrealloc(l->row_of_node, l->room, sizeof(*l->row_of_node));
	l->load = xrealloc(l->load, l->room, sizeof(*l->load));
	l->expected = xrealloc(l->expected, l->room, sizeof(*l->expected));
	l->cpu_score = xrealloc(l->cpu_score, l->room, sizeof(*l->cpu_score));
	l->cpu_minus = xrealloc(l->cpu_minus, l->room, sizeof(*l->cpu_minus));
	l->cloud = xrealloc(l->cloud, l->room, sizeof(*l->cloud));
	memset(l->cpu_score + count, 0, (l->room - count) * sizeof(*l->cpu_score));	/* what pads the last lanes */
	memset(l->cpu_minus + count, 0, (l->room - count) * sizeof(*l->cpu_minus));
	memset(l->cloud + count, 0, (l->room - count) * sizeof(*l->cloud));
}

/* The load of a node, with what is expected of its pods, and `more` units. */
static void look_at_load(struct lookup *l, const struct decision_input *in, uint32_t node, int64_t more)
{
	const struct mesh *mesh = in->mesh;
	uint32_t row = l->row_of_node[node];
	float cpu = row == NAMES_NONE ? NAN : matrix_cpu(mesh->matrix)[row];
	int64_t units;

	if (isnan(cpu))
		return;
	units = expected_on(&in->view->nodes[node], mesh_load_ms(mesh, row)) + more;
	l->expected[node] = units ? expected_part(units, in->view->per_cpu_milli[node]) : 0;
	if (cpu + l->expected[node] > 1)
		cpu = 1;
	else
		cpu += l->expected[node];
	l->full_count -= l->load[node] == LOAD_FULL;
	l->load[node] = (uint8_t)mesh_class_with(mesh, row, cpu);
	l->full_count += l->load[node] == LOAD_FULL;
	l->cpu_score[node] = 100 * (1 - cpu);
	l->cpu_minus[node] = l->load[node] >= LOAD_BUSY ? (float)CPU_BUSY_POINTS : 0;
}

static void look_at_node(struct lookup *l, const struct decision_input *in, uint32_t node)
{
	const struct mesh *mesh = in->mesh;

	l->row_of_node[node] = mesh ? matrix_find_node(mesh->matrix, in->view->nodes[node].node->name) : NAMES_NONE;
	l->load[node] = LOAD_UNKNOWN;
	l->expected[node] = 0;
	l->cpu_score[node] = NAN;
	l->cpu_minus[node] = 0;
	look_at_load(l, in, node, 0);
	l->without_cpu |= isnan(l->cpu_score[node]);
}

static void look_at_all(struct lookup *l, const struct decision_input *in)
{
	uint32_t i;

	reserve(l, in->view->count);
	l->without_cpu = false;
	l->full_count = 0;
	l->beside_count = 0;
	for (i = 0; i < in->view->count; i++)
		look_at_node(l, in, i);
	l->cache = in->view->cache;
	l->node_epoch = in->view->node_epoch;
	l->serial = in->mesh ? in->mesh->serial : 0;
	l->count = in->view->count;
}

/* Which nodes the cloud's labels are on. */
static void look_at_labels(struct lookup *l, const struct decision_input *in)
{
	const struct cloud *cloud = &in->profile->cloud;
	uint32_t i;

	l->cloud_count = 0;
	for (i = 0; cloud->count && i < in->view->count; i++) {
		bool has = cloud_has(cloud, &in->view->nodes[i].node->labels);

		l->cloud[i] = has ? 0 : NAN;
		l->cloud_count += has;
	}
	l->label_epoch = in->view->label_epoch;
	l->cloud_id = cloud->id;
}

/* Pods came or went since the last look. */
static void follow_placements(struct lookup *l, const struct decision_input *in)
{
	const struct view *view = in->view;
	uint64_t k = l->placed_epoch;
	uint32_t i;

	if (view->placed_epoch - k > PLACED_MAX) {
		for (i = 0; i < view->count; i++)
			look_at_load(l, in, i, 0);
		return;
	}
	for (; k < view->placed_epoch; k++)
		look_at_load(l, in, view->placed_on[k % PLACED_MAX], 0);
}

/* What stood beside the last decision goes, that of this one comes. */
static void set_beside(struct lookup *l, const struct decision_input *in)
{
	uint32_t i;

	for (i = 0; i < l->beside_count; i++)
		look_at_load(l, in, l->beside[i], 0);
	grow(&l->beside, &l->beside_room, in->beside_count, sizeof(*l->beside));
	for (i = 0; i < in->beside_count; i++) {
		l->beside[i] = in->beside[i].node;
		look_at_load(l, in, in->beside[i].node, in->beside[i].units);
	}
	l->beside_count = in->beside_count;
}

void lookup_update(struct decider *d, const struct decision_input *in)
{
	const struct view *view = in->view;
	struct lookup *l = &d->lookup;
	uint64_t serial = in->mesh ? in->mesh->serial : 0;
	bool same_nodes = d->looked_up && l->cache == view->cache && l->node_epoch == view->node_epoch && l->count == view->count;

	if (!same_nodes || l->serial != serial)
		look_at_all(l, in);
	else if (in->mesh)
		follow_placements(l, in);
	if (!same_nodes || l->label_epoch != view->label_epoch || l->cloud_id != in->profile->cloud.id)
		look_at_labels(l, in);
	l->placed_epoch = view->placed_epoch;
	if (in->mesh && (l->beside_count || in->beside_count))
		set_beside(l, in);
	d->looked_up = true;
}
