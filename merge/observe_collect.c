/* From figures of reporters to cells: gather, sort, medians, and which groups become clients. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "merge/observe_private.h"

/* A figure with its group in a list of all. */
struct said {
	uint32_t group, node, reporter;
	double log_ms;
};

static int by_cell(const void *a, const void *b)
{
	const struct said *x = a, *y = b;

	if (x->group != y->group)
		return x->group < y->group ? -1 : 1;
	if (x->node != y->node)
		return x->node < y->node ? -1 : 1;
	if (x->log_ms < y->log_ms || x->log_ms > y->log_ms)
		return x->log_ms < y->log_ms ? -1 : 1;
	return (x->reporter > y->reporter) - (x->reporter < y->reporter);
}

/* All figures; out->groups has every group, with how many reporters speak of it and the best place that it has with any. */
static struct said *gather(const struct observe *o, struct observed *out)
{
	struct said *all = xcalloc(o->cells, sizeof(*all));
	struct names groups = {0};
	size_t room = 0, used = 0;
	uint32_t i, k;

	for (i = 0; i < o->count; i++) {
		const struct reporter *r = &o->reporters[i];
		auto_free uint32_t *index = xcalloc(r->groups.count, sizeof(*index));

		for (k = 0; k < r->groups.count; k++) {
			const char *name = r->groups.items[k];

			index[k] = names_find(&groups, name);
			if (index[k] == NAMES_NONE) {
				index[k] = names_add(&groups, name);
				grow(&out->groups, &room, groups.count, sizeof(*out->groups));
				out->groups[out->count++] = (struct observed_group){.name = xstrdup(name), .rank = UINT32_MAX,
										    .is_client = names_find(&o->clients, name) != NAMES_NONE};
			}
			out->groups[index[k]].reporters++;
			if (k < out->groups[index[k]].rank)
				out->groups[index[k]].rank = k;
		}
		for (k = 0; k < r->count; k++)
			all[used++] = (struct said){index[r->figures[k].group], r->figures[k].node, i, r->figures[k].log_ms};
	}
	names_free(&groups);
	qsort(all, used, sizeof(*all), by_cell);
	return all;
}

/* The upper median of each cell. */
static void fill_cells(const struct said *all, uint32_t count, struct observed *out)
{
	uint32_t first, next;
	auto_free size_t *room = xcalloc(out->count, sizeof(*room));

	for (first = 0; first < count; first = next) {
		struct observed_group *group = &out->groups[all[first].group];

		for (next = first; next < count && all[next].group == all[first].group && all[next].node == all[first].node; next++)
			;
		grow(&group->cells, &room[all[first].group], group->count + 1, sizeof(*group->cells));
		group->cells[group->count++] =
			(struct observed_cell){.node = all[first].node, .reporters = next - first, .reporter = all[first].reporter,
					       .rtt_us = exp(all[first + (next - first) / 2].log_ms) * 1e3};
	}
}

/* Known clients first, then by how many speak of it, then round by round, so that no reporter has more than its turn. */
static int by_worth(const void *a, const void *b)
{
	const struct observed_group *x = a, *y = b;

	if (x->is_client != y->is_client)
		return x->is_client ? -1 : 1;
	if (x->reporters != y->reporters)
		return x->reporters > y->reporters ? -1 : 1;
	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	return strcmp(x->name, y->name);
}

static int by_name(const void *a, const void *b)
{
	const struct observed_group *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static void group_free(struct observed_group *group)
{
	free(group->name);
	free(group->cells);
}

static void choose_groups(struct observed *out)
{
	size_t keep = 0, i;

	qsort(out->groups, out->count, sizeof(*out->groups), by_worth);
	while (keep < out->count && out->groups[keep].is_client)
		keep++;
	keep = keep + OBSERVE_GROUPS_MAX < out->count ? keep + OBSERVE_GROUPS_MAX : out->count;
	for (i = keep; i < out->count; i++)
		group_free(&out->groups[i]);
	out->count = keep;
	qsort(out->groups, out->count, sizeof(*out->groups), by_name);
}

void observe_collect(const struct observe *o, struct observed *out)
{
	auto_free struct said *all = NULL;
	uint32_t i;

	*out = (struct observed){0};
	for (i = 0; i < o->nodes.count; i++)
		names_add(&out->nodes, o->nodes.items[i]);
	if (!o->cells)
		return;
	all = gather(o, out);
	fill_cells(all, o->cells, out);
	choose_groups(out);
}

void observed_free(struct observed *observed)
{
	size_t i;

	for (i = 0; i < observed->count; i++)
		group_free(&observed->groups[i]);
	free(observed->groups);
	names_free(&observed->nodes);
	*observed = (struct observed){0};
}
