#include "tests/testing/room.h"

#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "tests/testing/fit.h"
#include "tests/testing/standin.h"

static const char *const resources[] = {[ROOM_CPU] = "cpu", [ROOM_MEMORY] = "memory", [ROOM_PODS] = "pods"};

static void add_node(struct room *r, const cJSON *node)
{
	uint32_t at = names_add(&r->nodes, text_at(node, "metadata.name"));
	int i;

	assert_int_not_equal(at, NAMES_NONE);
	for (i = 0; i < ROOM_KINDS; i++)
		r->left[at][i] = fit_quantity(text_at(item_at(node, "status.allocatable"), resources[i]));
}

static void add_pod(struct room *r, const cJSON *pod)
{
	uint32_t at = names_add(&r->uids, text_at(pod, "metadata.uid"));

	assert_int_not_equal(at, NAMES_NONE);
	r->asked[at][ROOM_CPU] = fit_request(pod, "cpu");
	r->asked[at][ROOM_MEMORY] = fit_request(pod, "memory");
	r->asked[at][ROOM_PODS] = 1;
}

void room_init(struct room *r, const cJSON *state)
{
	size_t count = (size_t)cJSON_GetArraySize(item_at(state, "items")) + 1;
	const cJSON *item;

	*r = (struct room){.left = xcalloc(count, sizeof(*r->left)), .asked = xcalloc(count, sizeof(*r->asked))};
	cJSON_ArrayForEach(item, item_at(state, "items")) {
		if (STREQ(text_at(item, "kind"), "Node"))
			add_node(r, item);
		else
			add_pod(r, item);
	}
}

void room_free(struct room *r)
{
	names_free(&r->nodes);
	names_free(&r->uids);
	free(r->left);
	free(r->asked);
	*r = (struct room){0};
}

static uint32_t find(const struct names *names, const char *name)
{
	uint32_t at = names_find(names, name);

	if (at == NAMES_NONE)
		fail_msg("room: %s is not there", name);
	return at;
}

/* Sums of thousandths are not exact. */
bool room_lacks(const struct room *r, const char *uid, const char *node, enum room_kind kind)
{
	double left = r->left[find(&r->nodes, node)][kind], asked = r->asked[find(&r->uids, uid)][kind];

	return asked > 0 && asked > left + 1e-6 * (1 + left);
}

bool room_fits(const struct room *r, const char *uid, const char *node)
{
	return !room_lacks(r, uid, node, ROOM_CPU) && !room_lacks(r, uid, node, ROOM_MEMORY) && !room_lacks(r, uid, node, ROOM_PODS);
}

static void move(struct room *r, const char *uid, const char *node, double times)
{
	double *left = r->left[find(&r->nodes, node)], *asked = r->asked[find(&r->uids, uid)];
	int i;

	for (i = 0; i < ROOM_KINDS; i++)
		left[i] -= asked[i] * times;
}

void room_take(struct room *r, const char *uid, const char *node)
{
	move(r, uid, node, 1);
}

void room_give(struct room *r, const char *uid, const char *node)
{
	move(r, uid, node, -1);
}

/* At the same moment others come first: that is the stricter way. */
static int by_order(const void *a, const void *b)
{
	const struct room_step *x = a, *y = b;

	if (x->at != y->at)
		return x->at > y->at ? 1 : -1;
	return x->judged - y->judged;
}

int room_walk(const cJSON *state, struct room_step *steps, size_t count, struct buf *faults)
{
	struct room r;
	int late = 0;
	size_t i;

	room_init(&r, state);
	if (count)
		qsort(steps, count, sizeof(*steps), by_order);
	for (i = 0; i < count; i++) {
		if (steps[i].judged && !room_fits(&r, steps[i].uid, steps[i].node)) {
			late++;
			if (faults)
				buf_printf(faults, "%s came onto %s at %lld without room\n", steps[i].uid, steps[i].node, (long long)steps[i].at);
		}
		room_take(&r, steps[i].uid, steps[i].node);
	}
	room_free(&r);
	return late;
}
