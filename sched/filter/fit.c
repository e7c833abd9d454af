#include "sched/filter/fit.h"

#include "lib/mem.h"
#include "sched/filter/filter.h"
#include "sched/filter/reserved.h"

#define auto_resources __attribute__((cleanup(resources_free)))

/* A request of zero always fits, also on a node that is overcommitted. */
static bool is_short(int64_t asked, int64_t available)
{
	return asked > 0 && asked > available;
}

static int64_t beyond(int64_t available, int64_t taken)
{
	int64_t left;

	return __builtin_sub_overflow(available, taken, &left) ? INT64_MIN : left;
}

static bool scalar_is_short(const struct node_state *state, const struct resources *taken, const struct scalar *asked)
{
	int64_t available = resources_scalar(&state->node->allocatable, asked->name) - resources_scalar(&state->requested, asked->name);

	return is_short(asked->amount, beyond(available, resources_scalar(taken, asked->name)));
}

/* All that a node lacks, with `taken` and `taken_pods` for reservations. */
static uint8_t shortage(const struct view *v, uint32_t node, const struct resources *asked, const struct resources *taken, int64_t taken_pods)
{
	const struct resources *has = &v->nodes[node].node->allocatable;
	unsigned detail = v->free_pods[node] - taken_pods < 1 ? FIT_PODS : 0;
	uint32_t i;

	if (is_short(asked->cpu_milli, beyond(v->free_cpu_milli[node], taken->cpu_milli)))
		detail |= FIT_CPU | (asked->cpu_milli > has->cpu_milli ? FIT_UNRESOLVABLE : 0u);
	if (is_short(asked->memory_bytes, beyond(v->free_memory_bytes[node], taken->memory_bytes)))
		detail |= FIT_MEMORY | (asked->memory_bytes > has->memory_bytes ? FIT_UNRESOLVABLE : 0u);
	if (is_short(asked->ephemeral_bytes, beyond(v->free_ephemeral_bytes[node], taken->ephemeral_bytes)))
		detail |= FIT_EPHEMERAL | (asked->ephemeral_bytes > has->ephemeral_bytes ? FIT_UNRESOLVABLE : 0u);
	for (i = 0; i < asked->scalar_count; i++)
		if (scalar_is_short(&v->nodes[node], taken, &asked->scalars[i]))
			detail |= FIT_SCALAR |
				  (asked->scalars[i].amount > resources_scalar(has, asked->scalars[i].name) ? FIT_UNRESOLVABLE : 0u);
	return (uint8_t)detail;
}

static enum filter_start prefilter(struct cycle *c)
{
	(void)c;
	return FILTER_RUN; /* a pod that asks for nothing still counts as one */
}

static int64_t floor_of(int64_t asked)
{
	return asked > 0 ? asked : INT64_MIN;
}

/* The loop that nearly every decision spends its time in: parallel arrays, no call for a node that fits. */
static void filter_arrays(struct cycle *c)
{
	const struct resources *asked = &c->pod->requests, none = {0};
	const int64_t cpu = floor_of(asked->cpu_milli), memory = floor_of(asked->memory_bytes), disk = floor_of(asked->ephemeral_bytes);
	const struct view *v = c->view;
	uint32_t i;

	for (i = 0; i < v->count; i++)
		if (((v->free_cpu_milli[i] < cpu) | (v->free_memory_bytes[i] < memory) | (v->free_ephemeral_bytes[i] < disk) |
		     (v->free_pods[i] < 1)) && cycle_feasible(c, i))
			cycle_refuse(c, i, shortage(v, i, asked, &none, 0));
}

static void filter_scalars(struct cycle *c)
{
	const struct resources none = {0};
	uint32_t i;

	for (i = 0; i < c->view->count; i++) {
		uint8_t detail = cycle_feasible(c, i) ? shortage(c->view, i, &c->pod->requests, &none, 0) : 0;

		if (detail)
			cycle_refuse(c, i, detail);
	}
}

/* Before the others: kube-scheduler tries a node with its reservations first, and says all that is short then. */
static void filter_reserved(struct cycle *c)
{
	struct reservations reserved = reservations_of(c);
	uint32_t at, end;

	for (at = 0; at < reserved.count; at = end) {
		uint32_t node = reserved.items[at].node, i;
		auto_resources struct resources taken = {0};
		uint8_t detail;

		end = reservations_run(&reserved, at);
		for (i = at; i < end; i++)
			resources_add(&taken, &reserved.items[i].pod->requests);
		detail = shortage(c->view, node, &c->pod->requests, &taken, end - at);
		if (detail && cycle_feasible(c, node))
			cycle_refuse(c, node, detail);
	}
}

static void filter(struct cycle *c)
{
	if (c->view->nominated_count)
		filter_reserved(c);
	if (c->pod->requests.scalar_count)
		filter_scalars(c);
	else
		filter_arrays(c);
}

static void add_line(struct buf *out, const char *text, const char *name)
{
	buf_printf(out, "%s%s%s", out->len ? "\n" : "", text, name);
}

/* Names what is short beside the reservations. */
static void scalar_reasons(const struct decision_input *in, uint32_t node, struct buf *out)
{
	const struct node_state *state = &in->view->nodes[node];
	const struct resources *asked = &in->pod->requests;
	auto_resources struct resources taken = {0};
	uint32_t i;

	for (i = 0; i < in->view->nominated_count; i++)
		if (is_reserved(in, in->view->nominated[i]->pod, node))
			resources_add(&taken, &in->view->nominated[i]->pod->requests);
	for (i = 0; i < asked->scalar_count; i++)
		if (scalar_is_short(state, &taken, &asked->scalars[i]))
			add_line(out, "Insufficient ", asked->scalars[i].name);
}

static void reason(const struct decision_input *in, uint32_t node, uint8_t detail, struct buf *out)
{
	auto_buf struct buf text = {0};

	if (detail & FIT_PODS)
		add_line(&text, "Too many pods", "");
	if (detail & FIT_CPU)
		add_line(&text, "Insufficient ", "cpu");
	if (detail & FIT_MEMORY)
		add_line(&text, "Insufficient ", "memory");
	if (detail & FIT_EPHEMERAL)
		add_line(&text, "Insufficient ", "ephemeral-storage");
	if (detail & FIT_SCALAR)
		scalar_reasons(in, node, &text);
	buf_add(out, text.data, text.len);
}

const struct filter filter_fit = {
	.name = "NodeResourcesFit", .wake = WAKE_NODE_ADDED | WAKE_NODE_CHANGED | WAKE_POD_FREED,
	.prefilter = prefilter, .filter = filter, .reason = reason,
};
