#include "lib/snapshot_private.h"

#include <math.h>
#include <stdlib.h>

#include "lib/json.h"
#include "lib/mem.h"

#define ROW_MAX_BYTES ((size_t)64 * 1024 + (size_t)512 * SNAPSHOT_MAX_NODES)
#define US_PER_MS 1000.0

struct cell {
	uint32_t from, to;
	float rtt_us;
};

struct plain {
	struct names nodes;
	struct cell *cells;
	size_t count, room;
};

static int index_of(struct plain *p, const char *name, uint32_t *index, struct lm_err *err)
{
	*index = names_find(&p->nodes, name);
	if (*index != NAMES_NONE)
		return 0;
	if (!name_is_valid(name))
		return lm_fail(err, LM_DATA, "\"%.80s\" is not a valid node name (and there is no `version`)", name);
	if (p->nodes.count == SNAPSHOT_MAX_NODES)
		return lm_fail(err, LM_DATA, "more than %d nodes", SNAPSHOT_MAX_NODES);
	*index = names_add(&p->nodes, name);
	return 0;
}

/* A 0 between two nodes is what a predecessor wrote when it knew nothing. */
static int add_cell(struct plain *p, uint32_t from, const cJSON *value, struct lm_err *err)
{
	double ms = cJSON_IsNull(value) ? (double)NAN : value->valuedouble;
	uint32_t to;

	if (index_of(p, value->string, &to, err) < 0)
		return -1;
	if (!cJSON_IsNumber(value) && !cJSON_IsNull(value))
		return lm_fail(err, LM_DATA, "%s: %s is not a number of milliseconds or null", value->string, json_kind(value));
	if (ms < 0 || ms * US_PER_MS > REPORT_RTT_MAX_US)
		return lm_fail(err, LM_DATA, "%s: %g is not in 0..%g", value->string, ms, REPORT_RTT_MAX_US / US_PER_MS);
	grow(&p->cells, &p->room, p->count + 1, sizeof(*p->cells));
	p->cells[p->count++] = (struct cell){from, to, ms > 0 ? (float)(ms * US_PER_MS) : NAN};
	return 0;
}

static int add_row(struct plain *p, uint32_t from, const struct snapshot_member *row, struct lm_err *err)
{
	auto_json cJSON *root = NULL;
	const cJSON *value;

	if (row->len > ROW_MAX_BYTES)
		return lm_fail(err, LM_DATA, "%zu bytes are more than %zu", row->len, ROW_MAX_BYTES);
	root = json_parse(row->value, row->len, JSON_DEPTH - 1, err);
	if (!root)
		return -1;
	if (!cJSON_IsObject(root))
		return lm_fail(err, LM_DATA, "%s is not an object of node names (and there is no number `version`)", json_kind(root));
	cJSON_ArrayForEach(value, root)
		if (add_cell(p, from, value, err) < 0)
			return -1;
	return 0;
}

static int add_rows(struct plain *p, const char *text, const struct snapshot_members *members, struct lm_err *err)
{
	uint32_t i, index;

	if (!members->keys.count)
		return lm_fail(err, LM_DATA, "an empty object is no snapshot");
	for (i = 0; i < members->keys.count; i++)
		if (index_of(p, members->keys.items[i], &index, err) < 0)
			return -1;
	for (i = 0; i < members->keys.count; i++)
		if (add_row(p, i, &members->items[i], err) < 0)
			return lm_wrap(err, "%.100s (the value at line %ld)", members->keys.items[i],
				       snapshot_line(text, members->items[i].value));
	return 0;
}

int snapshot_plain_read(const char *text, const struct snapshot_members *members, struct snapshot *out, struct lm_err *err)
{
	struct plain p = {0};
	int failed = add_rows(&p, text, members, err);
	size_t i;

	if (!failed) {
		snapshot_init(out, &p.nodes, NULL);
		out->is_plain = true;
		for (i = 0; i < p.count; i++)
			if (p.cells[i].from != p.cells[i].to)
				out->link.rtt_us[(size_t)p.cells[i].from * p.nodes.count + p.cells[i].to] = p.cells[i].rtt_us;
	}
	names_free(&p.nodes);
	free(p.cells);
	return failed;
}
