#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "sched/decide.h"
#include "sched/target.h"

#define CYCLE_DEPTH 8
#define CYCLE_BREADTH 32
#define CYCLE_LOOKS 64			/* of all: the ways through layers of pods that wait are many */
#define CYCLE_LIMITS 4096		/* of all: a pod may have thousands of its own */

void target_describe(const struct ask_item *item, struct buf *out)
{
	switch (item->target.kind) {
	case TARGET_FROM:
		buf_printf(out, "%s (label %s)", item->target.name, item->text);
		break;
	case TARGET_DEFAULT_CLIENTS:
		buf_printf(out, "the default clients (annotation %s)", item->text);
		break;
	default:
		buf_str(out, item->text);
	}
}

/* --- cycles ---------------------------------------------------------------------------------------------------------- */

/* A pod that waits for the pods that key=value selects. */
struct wait {
	const struct pod *pod;
	const char *namespace_, *key, *value;
};

static bool wait_of(const struct pod *pod, const struct ask_item *item, struct wait *out)
{
	const struct target *t = &item->target;

	*out = (struct wait){.pod = pod, .namespace_ = t->namespace_ ? t->namespace_ : pod->namespace_, .key = t->key, .value = t->value};
	if (t->kind == TARGET_FROM) {
		out->key = "app";
		out->value = t->name;
	}
	return t->kind == TARGET_SELECTOR || t->kind == TARGET_FROM;
}

static bool selects(const struct wait *w, const struct pod *pod)
{
	const char *label = labels_get(&pod->labels, w->key);

	return STREQ(w->namespace_, pod->namespace_) && label && STREQ(label, w->value);
}

static bool waits(const struct view *view, const struct wait *w)
{
	struct node_count one;

	return !selects(w, w->pod) && view_pods_matching(view, w->namespace_, w->key, w->value, w->pod->uid, &one, 1) == 0;
}

/* The pods on the way from the asking one, which is path[0]. */
struct path {
	const struct pod *pods[CYCLE_DEPTH];
	uint32_t count;
	uint32_t looks, limits;		/* so far */
};

static bool on_path(const struct path *path, const struct pod *pod)
{
	uint32_t i;

	for (i = 1; i < path->count; i++)
		if (path->pods[i] == pod)
			return true;
	return false;
}

static bool leads_back(const struct view *view, const struct wait *wait, struct path *path);

/* Does one of this pod's own limits wait for the first pod of the path, or for another that does? */
static bool pod_leads_back(const struct view *view, const struct pod *pod, struct path *path)
{
	struct wait wait;
	uint32_t i;

	path->pods[path->count++] = pod;
	for (i = 0; !pod->ask.allow_missing && i < pod->ask.within_count && path->limits++ < CYCLE_LIMITS; i++)
		if (wait_of(pod, &pod->ask.within[i], &wait) && waits(view, &wait) &&
		    (selects(&wait, path->pods[0]) || leads_back(view, &wait, path)))
			return true;
	path->count--;
	return false;
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(const struct cached_pod *const *)a)->pod->name, (*(const struct cached_pod *const *)b)->pod->name);
}

static bool leads_back(const struct view *view, const struct wait *wait, struct path *path)
{
	const struct cached_pod *pending[CYCLE_BREADTH];
	uint32_t i, count;

	if (path->count == CYCLE_DEPTH || path->looks++ >= CYCLE_LOOKS)
		return false;
	count = view_pods_pending(view, wait->namespace_, wait->key, wait->value, pending, CYCLE_BREADTH);
	qsort(pending, count, sizeof(const struct cached_pod *), by_name);	/* the same text each time */
	for (i = 0; i < count; i++)
		if (pending[i]->pod != path->pods[0] && !on_path(path, pending[i]->pod) && pod_leads_back(view, pending[i]->pod, path))
			return true;
	return false;
}

static void say_cycle(const struct decision_input *in, const struct ask_item *item, struct buf *out)
{
	struct path path = {.pods = {in->pod}, .count = 1};
	struct wait wait;
	uint32_t i;

	if (!wait_of(in->pod, item, &wait) || !leads_back(in->view, &wait, &path))
		return;
	buf_str(out, "; pods wait for each other in a cycle: this pod");
	for (i = 1; i < path.count; i++)
		buf_printf(out, " -> %s/%s", path.pods[i]->namespace_, path.pods[i]->name);
	buf_str(out, " -> this pod");
}

/* --- missing targets ------------------------------------------------------------------------------------------------- */

static void say_missing(const struct decision_input *in, const struct ask_item *item, struct buf *out)
{
	const struct target *t = &item->target;
	const char *namespace_ = t->namespace_ ? t->namespace_ : in->pod->namespace_;

	switch (t->kind) {
	case TARGET_NODE:
		buf_printf(out, "no node is named %s", t->name);
		break;
	case TARGET_ZONE:
		buf_printf(out, "no node is in the zone %s", t->name);
		break;
	case TARGET_CLIENT:
		buf_printf(out, "no client is named %s in the latency data", t->name);
		break;
	case TARGET_ENTRY:
		buf_str(out, in->mesh && in->mesh->entry.count ? "the data of where traffic enters are too old" : "there are no data of where traffic enters");
		break;
	case TARGET_SELECTOR:
		buf_printf(out, "no pod matches %s=%s in namespace %s", t->key, t->value, namespace_);
		break;
	case TARGET_FROM:
		buf_printf(out, "label %s: no node, client or controller is named %s and no pod matches app=%s in namespace %s", item->text,
			   t->name, t->name, namespace_);
		break;
	default:
		buf_printf(out, "annotation %s: none of the configured default clients is in the latency data", item->text);
	}
}

void target_missing_reason(const struct decision_input *in, const struct resolved *r, const char *rule, struct buf *out)
{
	say_missing(in, r->item, out);
	buf_printf(out, " (%s)", rule);
	say_cycle(in, r->item, out);
}
