#include <string.h>

#include "lib/mem.h"
#include "sched/decider.h"
#include "sched/filter/reserved.h"
#include "sched/filter/volumes.h"

enum { DISK, IN_USE };			/* details */

/* --- disks that two pods cannot share --- */

static bool share_monitor(const struct inline_disk *a, const struct inline_disk *b)
{
	uint32_t i, j;

	for (i = 0; i < a->monitor_count; i++)
		for (j = 0; j < b->monitor_count; j++)
			if (STREQ(a->monitors[i], b->monitors[j]))
				return true;
	return false;
}

static bool disks_clash(const struct inline_disk *a, const struct inline_disk *b)
{
	if (a->kind != b->kind || !STREQ(a->id, b->id))
		return false;
	if (a->kind == INLINE_AWS)
		return true;
	return !(a->read_only && b->read_only) && (a->kind != INLINE_RBD || share_monitor(a, b));
}

static bool pods_clash(const struct pod *ours, const struct pod *other)
{
	uint32_t i, j;

	for (i = 0; i < ours->volume_count && other->volume_count; i++)
		for (j = 0; ours->volumes[i].disk && j < other->volume_count; j++)
			if (other->volumes[j].disk && disks_clash(ours->volumes[i].disk, other->volumes[j].disk))
				return true;
	return false;
}

static bool clashes_on(const struct pod *ours, const struct node_state *node)
{
	uint32_t i;

	for (i = 0; i < node->pod_count; i++)
		if (pods_clash(ours, node->pods[i]->pod))
			return true;
	return false;
}

static bool has_disk(const struct pod *pod)
{
	uint32_t i;

	for (i = 0; i < pod->volume_count; i++)
		if (pod->volumes[i].disk)
			return true;
	return false;
}

/* --- claims for one pod alone --- */

/* Names of the pod's ReadWriteOncePod claims, as far as they are none that are made for it. */
struct state {
	const char **claims;
	uint32_t count;
	bool disks, in_use;		/* in_use: by a pod on any node */
};

/* By name: the caller has looked at the namespace. */
static bool uses_any(const struct state *s, const struct pod *other)
{
	uint32_t i, j;

	for (i = 0; i < other->volume_count; i++)
		for (j = 0; other->volumes[i].of_claim && !other->volumes[i].ephemeral && j < s->count; j++)
			if (STREQ(other->volumes[i].claim, s->claims[j]))
				return true;
	return false;
}

static bool used_somewhere(const struct state *s, const struct cycle *c)
{
	uint32_t i, k;

	for (i = 0; s->count && i < c->view->count; i++)
		for (k = 0; k < c->view->nodes[i].pod_count; k++) {
			const struct pod *other = c->view->nodes[i].pods[k]->pod;

			if (other->volume_count && STREQ(other->namespace_, c->pod->namespace_) && uses_any(s, other))
				return true;
		}
	return false;
}

/* --- the filter --- */

static enum filter_start prefilter(struct cycle *c)
{
	const struct pod *pod = c->pod;
	struct state *s;
	uint32_t i;

	if (!pod->volume_count)
		return FILTER_SKIP;
	s = c->state = cycle_alloc(c, sizeof(*s));
	s->claims = cycle_alloc(c, pod->volume_count * sizeof(*s->claims));
	for (i = 0; i < pod->volume_count; i++) {
		const struct claim *claim;

		if (!pod->volumes[i].of_claim || pod->volumes[i].ephemeral)
			continue;
		claim = find_claim(c->view, pod, &pod->volumes[i]);
		if (!claim) {
			c->pod_reason = arena_printf(&c->decider->arena, "persistentvolumeclaim \"%s\" not found", pod->volumes[i].claim);
			return FILTER_REFUSE;
		}
		if (claim->access_modes & ACCESS_READ_WRITE_ONCE_POD)
			s->claims[s->count++] = claim->object.name;
	}
	s->disks = has_disk(pod);
	s->in_use = used_somewhere(s, c);
	return s->disks || s->in_use ? FILTER_RUN : FILTER_SKIP;
}

/* A disk that clashes is told before a claim in use. */
static void filter(struct cycle *c)
{
	const struct state *s = c->state;
	struct reservations reserved = reservations_of(c);
	uint32_t i;

	for (i = 0; i < c->view->count; i++) {
		if (!cycle_feasible(c, i))
			continue;
		if (s->disks && clashes_on(c->pod, &c->view->nodes[i]))
			cycle_refuse(c, i, DISK);
	}
	for (i = 0; i < reserved.count; i++)
		if (cycle_feasible(c, reserved.items[i].node) && pods_clash(c->pod, reserved.items[i].pod))
			cycle_refuse(c, reserved.items[i].node, DISK);
	/* of nominated pods kube-scheduler compares names of claims alone: one of another namespace counts, too */
	for (i = 0; i < reserved.count; i++)
		if (cycle_feasible(c, reserved.items[i].node) && uses_any(s, reserved.items[i].pod))
			cycle_refuse(c, reserved.items[i].node, IN_USE);
	for (i = 0; s->in_use && i < c->view->count; i++)
		if (cycle_feasible(c, i))
			cycle_refuse(c, i, IN_USE);
}

static void reason(const struct decision_input *in, uint32_t node, uint8_t detail, struct buf *out)
{
	(void)in, (void)node;
	buf_str(out, detail == DISK ? "node(s) had no available disk" :
		     "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod");
}

const struct filter filter_volume_restrictions = {
	.name = "VolumeRestrictions", .wake = WAKE_NODE_ADDED | WAKE_POD_FREED | WAKE_STORAGE,
	.prefilter = prefilter, .filter = filter, .reason = reason,
};
