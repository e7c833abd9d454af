#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "sched/reserve/plan_private.h"
#include "sched/reserve/words.h"

#define FAILURE_MOST 512		/* pods of one failure, whatever their node may have: kubelets have 110 as a rule. Who waits for whom is squares of it */
#define EFFORT UINT64_C(60000000)	/* looks at a node for a pod, 20 to 50 ns each: two or three seconds */

void uncover(struct work *w, const struct pod *pod, uint32_t node, const char *reason)
{
	struct plan *out = w->out;
	size_t room = out->uncovered_count;

	/* the plan has no word for its room: it doubles at each power of two */
	if (!(room & (room - 1)))
		out->uncovered = xrealloc(out->uncovered, room ? 2 * room : 1, sizeof(*out->uncovered));
	out->uncovered[out->uncovered_count++] = (struct uncovered){
		.uid = xstrdup(pod->uid), .namespace_ = xstrdup(pod->namespace_), .name = xstrdup(pod->name),
		.node = xstrdup(w->view->nodes[node].node->name), .reason = xstrdup(reason),
	};
}

void uncover_back(struct plan *p, size_t count)
{
	while (p->uncovered_count > count) {
		struct uncovered *u = &p->uncovered[--p->uncovered_count];

		free(u->uid);
		free(u->namespace_);
		free(u->name);
		free(u->node);
		free(u->reason);
	}
}

/* --- nodes -------------------------------------------------------------------------------------------------------------- */

static bool ends_pods(const struct node *node)
{
	uint32_t i;

	for (i = 0; i < node->taint_count; i++)
		if (node->taints[i].effect == TAINT_NO_EXECUTE)
			return true;
	return false;
}

static void close_nodes(struct work *w)
{
	size_t i;
	uint32_t k;

	w->frozen = xcalloc(w->nodes + 1, sizeof(*w->frozen));
	w->closed = xcalloc(w->nodes + 1, sizeof(*w->closed));
	for (i = 0; i < w->in->frozen_count; i++) {
		int32_t node = cache_find_node(w->in->cache, w->in->frozen[i]);

		if (node >= 0)
			w->frozen[node] = w->closed[node] = true;
	}
	for (k = 0; k < w->nodes; k++)	/* a placeholder tolerates nothing: it would not stay */
		w->closed[k] |= ends_pods(w->view->nodes[k].node);
}

/* Guards too: one stands only until what is planned is there, and keeps everybody off. */
static void lift_placeholders(struct work *w)
{
	auto_free char **uids = NULL;
	size_t count = 0, room = 0, i;
	uint32_t k, p;

	for (k = 0; k < w->nodes; k++)
		for (p = 0; p < w->view->nodes[k].pod_count && !w->frozen[k]; p++) {
			const struct pod *pod = w->view->nodes[k].pods[p]->pod;

			if (reserve_role(w->in->settings, pod) == RESERVE_NONE)
				continue;
			grow(&uids, &room, count + 1, sizeof(*uids));
			uids[count++] = pod->uid;
		}
	w->placeholders = xcalloc(count + 1, sizeof(*w->placeholders));
	for (i = 0; i < count; i++)
		w->placeholder_count += cache_lift(w->in->cache, uids[i], &w->placeholders[w->placeholder_count]);
	w->view = cache_view(w->in->cache);
}

static int64_t less(int64_t free_amount, int64_t taken)
{
	int64_t left;

	return __builtin_sub_overflow(free_amount, taken, &left) ? INT64_MIN : left;
}

static void take_from(const struct work *w, int64_t *cap, const struct resources *taken, int64_t pods)
{
	uint32_t s;

	cap[DIM_CPU] = less(cap[DIM_CPU], taken->cpu_milli);
	cap[DIM_MEMORY] = less(cap[DIM_MEMORY], taken->memory_bytes);
	cap[DIM_EPHEMERAL] = less(cap[DIM_EPHEMERAL], taken->ephemeral_bytes);
	cap[DIM_PODS] = less(cap[DIM_PODS], pods);
	for (s = 0; s < w->scalar_count; s++)
		cap[DIM_SCALARS + s] = less(cap[DIM_SCALARS + s], resources_scalar(taken, w->scalars[s]));
}

void gather_capacity(struct work *w)
{
	const struct view *v = w->view;
	uint32_t k, i, s;

	w->cap = xcalloc((size_t)(w->nodes + 1) * w->dims, sizeof(*w->cap));
	w->total = xcalloc(w->dims, sizeof(*w->total));
	for (k = 0; k < w->nodes; k++) {
		const struct node *node = v->nodes[k].node;
		int64_t *cap = w->cap + (size_t)k * w->dims;

		cap[DIM_CPU] = v->free_cpu_milli[k];
		cap[DIM_MEMORY] = v->free_memory_bytes[k];
		cap[DIM_EPHEMERAL] = v->free_ephemeral_bytes[k];
		cap[DIM_PODS] = v->free_pods[k];
		w->total[DIM_CPU] += (double)node->allocatable.cpu_milli;
		w->total[DIM_MEMORY] += (double)node->allocatable.memory_bytes;
		w->total[DIM_EPHEMERAL] += (double)node->allocatable.ephemeral_bytes;
		w->total[DIM_PODS] += (double)node->allocatable_pods;
		for (s = 0; s < w->scalar_count; s++) {
			int64_t has = resources_scalar(&node->allocatable, w->scalars[s]);

			cap[DIM_SCALARS + s] = less(has, resources_scalar(&v->nodes[k].requested, w->scalars[s]));
			w->total[DIM_SCALARS + s] += (double)has;
		}
	}
	/* Those of less priority than a want would make way for it; they are left in peace. */
	for (i = 0; i < v->nominated_count; i++) {
		int32_t node = cache_find_node(w->in->cache, v->nominated[i]->pod->nominated_node);

		if (node >= 0)
			take_from(w, w->cap + (size_t)node * w->dims, &v->nominated[i]->pod->requests, 1);
	}
}

/* --- wants -------------------------------------------------------------------------------------------------------------- */

/* False: the names are too many. */
static bool know_scalars(struct work *w, const struct pod *pod)
{
	uint32_t i, s;

	for (i = 0; i < pod->requests.scalar_count; i++) {
		for (s = 0; s < w->scalar_count && !STREQ(w->scalars[s], pod->requests.scalars[i].name); s++)
			;
		if (s == SCALARS_MOST)
			return false;
		if (s == w->scalar_count)
			w->scalars[w->scalar_count++] = pod->requests.scalars[i].name;
	}
	return true;
}

static bool is_word(const char *text, size_t most)
{
	return word_is(text, strlen(text), most);
}

/* A pod of a file that has none is known by NAMESPACE/NAME (cluster.h). */
static bool is_uid(const char *text)
{
	const char *slash = strchr(text, '/');

	return slash ? word_is(text, (size_t)(slash - text), NODE_MOST) && is_word(slash + 1, NODE_MOST) : is_word(text, UID_MOST);
}

static void gather_pod(struct work *w, const struct pod *pod, uint32_t node)
{
	const struct profile *profile = w->in->profile(w->in->profile_arg, pod->scheduler_name);
	const char *unfit;

	if (!profile || !reserve_wants(w->in->settings, pod) || !is_word(pod->namespace_, NODE_MOST) || !is_word(pod->name, NODE_MOST) ||
	    !is_uid(pod->uid))	/* no API server gives others */
		return;
	unfit = reserve_barred(w->in->settings, pod);
	if (!unfit)
		unfit = reserve_unfit(pod);
	if (!unfit && !is_word(pod->owner_uid, UID_MOST))	/* but who makes a pod writes this as he likes */
		unfit = "its controller's uid is none";
	if (!unfit && !know_scalars(w, pod))
		unfit = "the pods that want room ask for too many kinds of resources";
	if (unfit) {
		if (!pod->terminating)
			uncover(w, pod, node, unfit);
		return;
	}
	grow(&w->wants, &w->want_room, w->want_count + 1, sizeof(*w->wants));
	w->wants[w->want_count++] = (struct want){
		.pod = pod, .profile = profile, .node = node, .refuge = NOWHERE, .before = NOWHERE,
		.book = (uint32_t)(strlen("{'pod':'/','uid':'','owner':'','node':''},") + strlen(pod->namespace_) + strlen(pod->name) +
				   strlen(pod->uid) + strlen(pod->owner_uid) + strlen(w->view->nodes[node].node->name)),
	};
}

static int by_uid(const void *a, const void *b)
{
	return strcmp((*(const struct cover *const *)a)->uid, (*(const struct cover *const *)b)->uid);
}

/* False: nothing was promised to it. */
static bool recall(const struct work *w, struct want *want, const struct cover *const *sorted, size_t count)
{
	const struct cover key = {.uid = want->pod->uid}, *at = &key;
	const struct cover *const *found = count ? bsearch(&at, sorted, count, sizeof(*sorted), by_uid) : NULL;

	if (!found || !STREQ((*found)->node, w->view->nodes[want->node].node->name))
		return false;
	want->before = cache_find_node(w->in->cache, (*found)->refuge);
	if (want->before == (int32_t)want->node)
		want->before = NOWHERE;
	want->kept = want->before >= 0 && w->frozen[want->before];
	if (want->kept)
		want->refuge = want->before;
	return true;
}

/* Who ends and was promised nothing is no want. */
static void remember(struct work *w)
{
	const struct covers *previous = w->in->previous;
	size_t count = previous ? previous->count : 0, left = 0, i;
	auto_free const struct cover **sorted = xcalloc(count + 1, sizeof(*sorted));

	for (i = 0; i < count; i++)
		sorted[i] = &previous->items[i];
	if (count)
		qsort(sorted, count, sizeof(*sorted), by_uid);
	for (i = 0; i < w->want_count; i++)
		if (recall(w, &w->wants[i], sorted, count) || !w->wants[i].pod->terminating)
			w->wants[left++] = w->wants[i];
	w->want_count = left;
}

/* Those of a node side by side, the most important first. */
static int by_importance(const void *a, const void *b)
{
	const struct want *x = a, *y = b;

	if (x->node != y->node)
		return x->node < y->node ? -1 : 1;
	if (x->kept != y->kept)
		return x->kept ? -1 : 1;
	if ((x->before >= 0) != (y->before >= 0))
		return x->before >= 0 ? -1 : 1;
	if (x->pod->priority != y->pod->priority)
		return x->pod->priority > y->pod->priority ? -1 : 1;
	return strcmp(x->pod->uid, y->pod->uid);
}

/* Any number of pods may name a node that never takes them: so many would stop the plan of all others. */
static void bound(struct work *w)
{
	size_t left = 0, of_node = 0, i;

	if (w->want_count)
		qsort(w->wants, w->want_count, sizeof(*w->wants), by_importance);
	for (i = 0; i < w->want_count; i++) {
		const struct want want = w->wants[i];
		int64_t has = w->view->nodes[want.node].node->allocatable_pods;

		of_node = left && w->wants[left - 1].node == want.node ? of_node + 1 : 1;
		if (of_node <= (size_t)(has > 0 && has < FAILURE_MOST ? has : FAILURE_MOST))
			w->wants[left++] = want;
		else
			uncover(w, want.pod, want.node, "too many pods of this node want room");
	}
	w->want_count = left;
}

static int64_t at_least_0(int64_t amount)
{
	return amount > 0 ? amount : 0;
}

static void count_needs(struct work *w)
{
	size_t i;
	uint32_t s;

	w->dims = DIM_SCALARS + w->scalar_count;
	w->needs = xcalloc(w->want_count * w->dims + 1, sizeof(*w->needs));
	for (i = 0; i < w->want_count; i++) {
		const struct resources *asks = &w->wants[i].pod->requests;
		int64_t *needs = w->needs + i * w->dims;

		needs[DIM_CPU] = at_least_0(asks->cpu_milli);
		needs[DIM_MEMORY] = at_least_0(asks->memory_bytes);
		needs[DIM_EPHEMERAL] = at_least_0(asks->ephemeral_bytes);
		needs[DIM_PODS] = 1;
		for (s = 0; s < w->scalar_count; s++)
			needs[DIM_SCALARS + s] = at_least_0(resources_scalar(asks, w->scalars[s]));
		w->wants[i].needs = needs;
	}
}

/* --- by node --------------------------------------------------------------------------------------------------------------- */

/* By node, the largest first; twins side by side. */
static int by_place(const void *a, const void *b)
{
	const struct want *x = a, *y = b;
	const struct resources *p = &x->pod->requests, *q = &y->pod->requests;

	if (x->node != y->node)
		return x->node < y->node ? -1 : 1;
	if (p->cpu_milli != q->cpu_milli)
		return p->cpu_milli > q->cpu_milli ? -1 : 1;
	if (p->memory_bytes != q->memory_bytes)
		return p->memory_bytes > q->memory_bytes ? -1 : 1;
	return strcmp(x->pod->uid, y->pod->uid);
}

static void group(struct work *w)
{
	uint32_t i;

	if (w->want_count)
		qsort(w->wants, w->want_count, sizeof(*w->wants), by_place);
	w->failures = xcalloc(w->want_count + 1, sizeof(*w->failures));
	for (i = 0; i < w->want_count; i++) {
		if (!i || w->wants[i].node != w->wants[i - 1].node)
			w->failures[w->failure_count++] = (struct failure){.node = w->wants[i].node, .first = i};
		w->failures[w->failure_count - 1].count++;
	}
	for (i = 0; i < w->failure_count; i++)
		order(w, i);
}

void gather(struct work *w)
{
	uint32_t k, p;

	w->view = cache_view(w->in->cache);
	w->nodes = w->view->count;
	w->effort = EFFORT;
	w->banned = NOWHERE;
	close_nodes(w);
	lift_placeholders(w);
	for (k = 0; k < w->nodes; k++)
		for (p = 0; p < w->view->nodes[k].pod_count; p++)
			gather_pod(w, w->view->nodes[k].pods[p]->pod, k);
	w->unfit_count = w->out->uncovered_count;
	remember(w);
	bound(w);
	group(w);
	count_needs(w);
	w->spots = xcalloc(w->nodes + 1, sizeof(*w->spots));
	w->base = xcalloc((size_t)(w->nodes + 1) * w->dims, sizeof(*w->base));
	w->mine = xcalloc((size_t)(w->nodes + 1) * w->dims, sizeof(*w->mine));
	w->stamp = xcalloc(w->nodes + 1, sizeof(*w->stamp));
	w->spare = xcalloc(w->dims, sizeof(*w->spare));
	w->weight = xcalloc(w->dims, sizeof(*w->weight));
}

void work_free(struct work *w)
{
	uint32_t i, k;

	for (i = 0; w->spots && i < w->nodes; i++) {
		for (k = 0; k < w->spots[i].count; k++)
			free(w->spots[i].loads[k].sums);
		free(w->spots[i].loads);
	}
	for (i = 0; i < w->want_count; i++)
		free(w->wants[i].allowed);
	free(w->spots);
	free(w->placeholders);
	free(w->frozen);
	free(w->closed);
	free(w->cap);
	free(w->weight);
	free(w->total);
	free(w->wants);
	free(w->needs);
	free(w->failures);
	free(w->base);
	free(w->mine);
	free(w->stamp);
	free(w->spare);
	free(w->lifted);
}
