/*
 * Images that a node has already: the sizes of those of the pod, each times the share of all nodes that have it (so that pods do not heap up
 * where the first one went), 0 up to 23 MiB and 100 from 1000 MiB a container. Drops when no two feasible nodes differ.
 */
#include "sched/score/score.h"

#define MIB 1048576
#define LEAST_BYTES ((int64_t)23 * MIB)
#define MOST_BYTES ((int64_t)1000 * MIB)	/* a container */

struct wanted {
	uint64_t name;
	int64_t points;			/* size x share of the nodes */
};

/* Those that some nodes have and some have not, and in *everywhere the points of those that all have. */
static uint32_t find_wanted(const struct cycle *c, struct wanted *out, int64_t *everywhere)
{
	uint32_t count = 0, i;

	*everywhere = 0;
	for (i = 0; i < c->pod->image_count; i++) {
		int64_t size_bytes;
		uint32_t nodes = view_image(c->view, c->pod->images[i], &size_bytes);
		int64_t points = (int64_t)((double)size_bytes * ((double)nodes / (double)c->view->count));

		if (nodes == c->view->count)
			*everywhere += points;
		else if (nodes)
			out[count++] = (struct wanted){c->pod->images[i], points};
	}
	return count;
}

static bool has_image(const struct node *node, uint64_t name)
{
	uint32_t low = 0, high = node->image_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (node->images[middle].name == name)
			return true;
		if (node->images[middle].name < name)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

static int64_t scaled(int64_t points, int64_t containers)
{
	int64_t most = MOST_BYTES * containers;

	if (points < LEAST_BYTES)
		points = LEAST_BYTES;
	if (points > most)
		points = most;
	return 100 * (points - LEAST_BYTES) / (most - LEAST_BYTES);
}

static bool score(struct cycle *c, float *out)
{
	struct wanted *wanted;
	int64_t *raw, everywhere;
	uint32_t count, i, k;

	if (!c->pod->container_count)
		return false;
	wanted = cycle_alloc(c, c->pod->image_count * sizeof(*wanted));
	count = find_wanted(c, wanted, &everywhere);
	if (!count)
		return false;
	raw = cycle_alloc(c, c->view->count * sizeof(*raw));
	for (i = 0; i < c->view->count; i++) {
		int64_t points = everywhere;

		for (k = 0; k < count && cycle_feasible(c, i); k++)
			points += has_image(c->view->nodes[i].node, wanted[k].name) ? wanted[k].points : 0;
		raw[i] = scaled(points, c->pod->container_count);
	}
	return score_write(c, raw, out);
}

const struct score score_images = {.name = "images", .score = score};
