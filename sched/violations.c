#include "sched/violations.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "sched/filter/filter.h"
#include "sched/target.h"

extern const struct filter filter_latency, filter_max_latency;

struct finder {
	struct decider *decider;
	struct decision_input in;
	struct profile profile;		/* of the pod, without what is no limit */
	bool *offered;			/* its node alone */
	float *seen_us;
	struct violations *out;
};

static void add(struct finder *f, const struct cached_pod *pod, const struct ask_item *item, double limit_us, const struct buf *reason)
{
	struct violations *v = f->out;
	struct buf target = {0};

	target_describe(item, &target);
	grow(&v->items, &v->room, v->count + 1, sizeof(*v->items));
	v->items[v->count++] = (struct violation){
		.pod = pod->pod, .node = f->in.view->nodes[pod->node].node->name, .target = target.data, .reason = xstrdup(reason->data),
		.limit_us = limit_us, .now_us = (double)f->seen_us[pod->node],
	};
}

/* Is it a limit that refuses? `in.pod` and `in.profile` have that one alone. */
static bool is_refused(struct finder *f, uint32_t node, struct buf *reason)
{
	struct decision d;
	const struct filter *by;

	f->seen_us[node] = NAN;
	decide(f->decider, &f->in, &d);
	if (d.refused_by_pod) {
		buf_str(reason, d.pod_reason);
		return true;
	}
	by = d.verdicts && d.verdicts[node].filter ? filter_table[d.verdicts[node].filter - 1] : NULL;
	if (by != &filter_latency && by != &filter_max_latency)
		return false;
	decision_reason(f->decider, &f->in, &d, node, reason);
	return true;
}

static void look_at_limit(struct finder *f, const struct cached_pod *pod, const struct ask_item *item, double limit_us)
{
	auto_buf struct buf reason = {0};

	if (is_refused(f, (uint32_t)pod->node, &reason))
		add(f, pod, item, limit_us, &reason);
}

/* Near is a wish, and where noData denies nodes for its sake that is no limit. */
static void look_at_pod(struct finder *f, const struct cached_pod *pod, const struct profile *profile)
{
	struct ask_item *within = pod->pod->ask.within, *near = profile->default_near.near;
	struct pod one = *pod->pod;
	uint32_t k;

	f->profile = *profile;
	f->profile.refuse_cpu = f->profile.strict_cpu = false;
	f->in.pod = &one;
	f->in.profile = &f->profile;
	one.ask.near_count = 0;
	one.ask.within_count = 1;
	for (k = 0; k < pod->pod->ask.within_count; k++) {
		one.ask.within = &within[k];
		look_at_limit(f, pod, &within[k], within[k].limit_us);
	}
	if (pod->pod->ask.within_count || isinf(profile->max_latency_us))
		return;
	one.ask.within_count = 0;
	f->profile.default_near.near_count = 1;
	for (k = 0; k < profile->default_near.near_count; k++) {
		f->profile.default_near.near = &near[k];
		look_at_limit(f, pod, &near[k], profile->max_latency_us);
	}
}

static int compare(const void *a, const void *b)
{
	const struct pod *x = (*(const struct cached_pod *const *)a)->pod, *y = (*(const struct cached_pod *const *)b)->pod;
	int by_namespace = strcmp(x->namespace_, y->namespace_);

	return by_namespace ? by_namespace : strcmp(x->name, y->name);
}

static const struct cached_pod **all_pods(const struct view *view, size_t *count)
{
	const struct cached_pod **pods;
	size_t n = 0;
	uint32_t i;

	for (i = 0; i < view->count; i++)
		n += view->nodes[i].pod_count;
	pods = xcalloc(n + 1, sizeof(*pods));
	for (i = 0, n = 0; i < view->count; n += view->nodes[i].pod_count, i++)
		if (view->nodes[i].pod_count)
			memcpy(pods + n, view->nodes[i].pods, view->nodes[i].pod_count * sizeof(*pods));
	qsort(pods, n, sizeof(*pods), compare);
	*count = n;
	return pods;
}

void violations_find(struct decider *d, const struct decision_input *in, const struct profile *(*profile)(const void *arg, const struct pod *pod),
		     const void *arg, struct violations *out)
{
	auto_free bool *offered = xcalloc(in->view->count + 1, sizeof(*offered));
	auto_free float *seen_us = xcalloc(in->view->count + 1, sizeof(*seen_us));
	struct finder f = {.decider = d, .in = *in, .offered = offered, .seen_us = seen_us, .out = out};
	size_t count, i;
	auto_free const struct cached_pod **pods = all_pods(in->view, &count);

	*out = (struct violations){0};
	f.in.offered = offered;
	f.in.seen_us = seen_us;
	for (i = 0; i < count; i++) {
		const struct profile *by = profile(arg, pods[i]->pod);

		if (!by || pods[i]->pod->ask.error || pods[i]->pod->terminating)
			continue;
		offered[pods[i]->node] = true;
		look_at_pod(&f, pods[i], by);
		offered[pods[i]->node] = false;
	}
}

void violations_free(struct violations *v)
{
	size_t i;

	for (i = 0; i < v->count; i++) {
		free(v->items[i].target);
		free(v->items[i].reason);
	}
	free(v->items);
	*v = (struct violations){0};
}
