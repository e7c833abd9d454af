#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "sched/decider.h"
#include "sched/filter/reserved.h"
#include "sched/filter/volumes.h"

/* A volume that takes a place on a node. Of a claim that has no volume yet its names stand for it. */
struct item {
	const char *driver, *namespace_, *handle;
};

struct items {
	struct item *items;
	uint32_t count, room;
};

struct state {
	struct items new;		/* of the pod, each once, sorted */
	struct items there, attached;	/* for use on each node again */
	uint32_t *first_attachment, *next_attachment;	/* by node and by attachment: place in the cache's list + 1 */
	const struct object *const *attachments;
};

/* --- sets --- */

static int by_item(const void *a, const void *b)
{
	const struct item *x = a, *y = b;
	int order = strcmp(x->driver, y->driver);

	if (!order)
		order = strcmp(x->handle, y->handle);
	return order ? order : strcmp(x->namespace_, y->namespace_);
}

static bool has_item(const struct items *set, const struct item *item)
{
	return set->count && bsearch(item, set->items, set->count, sizeof(*item), by_item);
}

static void add_item(struct cycle *c, struct items *set, struct item item)
{
	if (!item.driver[0] || !item.handle[0])
		return;
	if (set->count == set->room) {
		struct item *old = set->items;

		set->room = set->room ? set->room * 2 : 64;
		set->items = cycle_alloc(c, set->room * sizeof(*old));
		if (old)
			memcpy(set->items, old, set->count * sizeof(*old));
	}
	set->items[set->count++] = item;
}

/* Sorts, and leaves each item once. */
static void make_set(struct items *set)
{
	uint32_t i, kept = 0;

	if (set->count > 1)
		qsort(set->items, set->count, sizeof(*set->items), by_item);
	for (i = 0; i < set->count; i++)
		if (!kept || by_item(&set->items[kept - 1], &set->items[i]) != 0)
			set->items[kept++] = set->items[i];
	set->count = kept;
}

/* --- volumes of pods --- */

/* A claim whose volume is still to be made counts by its class. */
static struct item item_of_class(const struct view *v, const struct claim *claim)
{
	const struct storage_class *class = claim->class_name[0] ? find_class(v, claim->class_name) : NULL;
	const struct in_tree *in_tree = class ? in_tree_of_plugin(class->provisioner) : NULL;

	if (!class || (in_tree && !in_tree->counts))
		return (struct item){"", "", ""};
	return (struct item){in_tree ? in_tree->driver : class->provisioner, claim->object.namespace_, claim->object.name};
}

static struct item item_of_claim(const struct view *v, const struct claim *claim)
{
	const struct volume *volume = claim->volume_name[0] ? find_volume(v, claim->volume_name) : NULL;

	return volume ? (struct item){volume->driver, "", volume->handle} : item_of_class(v, claim);
}

/* Of a pod on a node. That of the pod itself is VolumeBinding's to say, whose prefilter refuses the pod whole (volume_needs.h): no filter is reached. */
static void not_its_own(struct cycle *c, const struct pod *pod, const struct claim *claim)
{
	if (pod == c->pod)
		return;
	cycle_fail(c, arena_printf(&c->decider->arena, "PVC %s/%s was not created for pod %s/%s (pod is not owner)", claim->object.namespace_,
				   claim->object.name, pod->namespace_, pod->name));
}

static void add_pod(struct cycle *c, const struct pod *pod, struct items *set)
{
	uint32_t i;

	for (i = 0; i < pod->volume_count; i++) {
		const struct pod_volume *of = &pod->volumes[i];
		const struct claim *claim = of->of_claim ? find_claim(c->view, pod, of) : NULL;

		if (!of->of_claim)
			add_item(c, set, (struct item){of->driver, "", of->handle});
		else if (claim && of->ephemeral && !STREQ(claim->owner_uid, pod->uid))
			not_its_own(c, pod, claim);
		else if (claim)
			add_item(c, set, item_of_claim(c->view, claim));
	}
}

/* --- what is attached to a node --- */

static void index_attachments(struct cycle *c, struct state *s)
{
	uint32_t count, i;

	s->attachments = cache_objects(c->view->cache, OBJECT_ATTACHMENT, &count);
	s->first_attachment = cycle_alloc(c, (c->view->count + 1) * sizeof(*s->first_attachment));
	s->next_attachment = cycle_alloc(c, (count + 1) * sizeof(*s->next_attachment));
	for (i = 0; i < count; i++) {
		int32_t node = cache_find_node(c->view->cache, ((const struct attachment *)s->attachments[i])->node);

		if (node < 0)
			continue;
		s->next_attachment[i] = s->first_attachment[node];
		s->first_attachment[node] = i + 1;
	}
}

/* Of CSI volumes alone; those of migrated plugins have attachments that kube-scheduler does not count. */
static void add_attachments(struct cycle *c, struct state *s, uint32_t node)
{
	uint32_t at;

	s->attached.count = 0;
	for (at = s->first_attachment[node]; at; at = s->next_attachment[at - 1]) {
		const struct attachment *a = (const struct attachment *)s->attachments[at - 1];
		const struct volume *volume = a->volume_name[0] ? find_volume(c->view, a->volume_name) : NULL;

		if (volume && !volume->in_tree)
			add_item(c, &s->attached, (struct item){a->attacher, "", volume->handle});
	}
	make_set(&s->attached);
}

/* --- the filter --- */

static const struct csi_node_driver *limit_of(const struct csi_node *node, const char *driver)
{
	const struct csi_node_driver *last = NULL;
	uint32_t i;

	for (i = 0; i < node->driver_count; i++)
		if (node->drivers[i].has_count && STREQ(node->drivers[i].name, driver))
			last = &node->drivers[i];
	return last;
}

static int64_t count_of(const struct items *set, const char *driver, const struct items *without)
{
	int64_t count = 0;
	uint32_t i;

	for (i = 0; i < set->count; i++)
		count += STREQ(set->items[i].driver, driver) && !(without && has_item(without, &set->items[i]));
	return count;
}

/* A volume that is attached but used by no pod of the node counts, also when ours is just that one: so does kube-scheduler. */
static bool is_over(const struct state *s, const char *driver, int64_t limit)
{
	int64_t more = count_of(&s->new, driver, &s->there);

	return more && more + count_of(&s->there, driver, NULL) + count_of(&s->attached, driver, &s->there) > limit;
}

/* Of any driver: kube-scheduler looks at the pods of such a node then, and may fail there (not_its_own). */
static bool has_limit(const struct csi_node *csi)
{
	uint32_t i;

	for (i = 0; i < csi->driver_count; i++)
		if (csi->drivers[i].has_count)
			return true;
	return false;
}

/* With the pods of the node, and those reserved[0..count] that are nominated to it. */
static bool is_full(struct cycle *c, uint32_t node, const struct reservation *reserved, uint32_t count)
{
	const struct csi_node *csi = find_csi_node(c->view, node);
	const struct node_state *state = &c->view->nodes[node];
	struct state *s = c->state;
	uint32_t i;

	if (!csi || !has_limit(csi))
		return false;
	s->there.count = 0;
	for (i = 0; i < state->pod_count; i++)
		add_pod(c, state->pods[i]->pod, &s->there);
	for (i = 0; i < count; i++)
		add_pod(c, reserved[i].pod, &s->there);
	make_set(&s->there);
	add_attachments(c, s, node);
	for (i = 0; i < s->new.count; i++) {
		const struct csi_node_driver *limit = limit_of(csi, s->new.items[i].driver);

		if (limit && is_over(s, limit->name, limit->count))
			return true;
	}
	return false;
}

/* Where no CSINode is, nothing is refused: so the pod's migrated disks may count from the start. */
static enum filter_start prefilter(struct cycle *c)
{
	struct state *s;

	if (!c->pod->needs_storage)
		return FILTER_SKIP;
	s = c->state = cycle_alloc(c, sizeof(*s));
	add_pod(c, c->pod, &s->new);
	make_set(&s->new);
	if (!s->new.count)
		return FILTER_SKIP;
	index_attachments(c, s);
	return FILTER_RUN;
}

static void look_at(struct cycle *c, uint32_t node, const struct reservation *reserved, uint32_t count)
{
	if (cycle_feasible(c, node) && is_full(c, node, reserved, count))
		cycle_refuse(c, node, 0);
}

static void filter(struct cycle *c)
{
	struct reservations reserved = reservations_of(c);
	uint32_t i, at = 0;

	for (i = 0; i < c->view->count; i++) {
		uint32_t end = at < reserved.count && reserved.items[at].node == i ? reservations_run(&reserved, at) : at;

		look_at(c, i, end > at ? &reserved.items[at] : NULL, end - at);
		at = end;
	}
}

/* A volume that a nominated pod shares with ours is one more without that pod. */
static void again(struct cycle *c)
{
	struct reservations reserved = reservations_of(c);
	uint32_t i;

	for (i = 0; i < reserved.count; i = reservations_run(&reserved, i))
		look_at(c, reserved.items[i].node, NULL, 0);
}

static void reason(const struct decision_input *in, uint32_t node, uint8_t detail, struct buf *out)
{
	(void)in, (void)node, (void)detail;
	buf_str(out, "node(s) exceed max volume count");
}

const struct filter filter_volume_limits = {
	.name = "NodeVolumeLimits", .wake = WAKE_NODE_ADDED | WAKE_POD_FREED | WAKE_STORAGE,
	.prefilter = prefilter, .filter = filter, .again = again, .reason = reason,
};
