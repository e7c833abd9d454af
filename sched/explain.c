#include "sched/explain.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/mem.h"
#include "sched/arena.h"
#include "sched/cache/read.h"
#include "sched/target.h"

struct explain_options {
	struct offline_options offline;
	const char *pod;
	int format;
};

static const struct option_spec specs[] = {
	{"pod", OPT_STRING, offsetof(struct explain_options, pod), "POD", NULL, OPT_REQUIRED,
	 .help = "file with one pod (JSON, YAML), or NAMESPACE/NAME or NAME of a pod in the cluster"},
	OFFLINE_OPTIONS(struct explain_options),
};

static const struct options_program explain_program = {
	.name = "latency-sched explain",
	.summary = "says of each node why it is refused or how it ranks, and where the pod would go: from files, without a cluster",
	.usage = "--cluster FILE --pod POD [--matrix FILE] [options]",
	.environment = "LATENCY_EXPLAIN",
	.specs = specs,
	.spec_count = ARRAY_SIZE(specs),
	.epilogue = "  kubectl get nodes,pods,namespaces,pv,pvc,sc,csinodes -A -o json >cluster.json\n"
		    "  latency-sched explain --cluster cluster.json --matrix cluster-latency.json --pod default/web\n"
		    "\n"
		    "Exit codes: 0 it has a place, 1 it fits nowhere, 64 usage, 65 bad data, 66 no such file or pod, 78 configuration.\n",
};

/* --- what is shown --------------------------------------------------------------------------------------------------- */

static uint32_t row_of(const struct explanation *e, uint32_t node)
{
	return e->in.mesh ? matrix_find_node(e->in.mesh->matrix, e->in.view->nodes[node].node->name) : NAMES_NONE;
}

const char *explain_load(const struct explanation *e, uint32_t node)
{
	uint32_t row = row_of(e, node);

	if (row != NAMES_NONE && e->decision.load)
		return e->decision.load[node] == LOAD_UNKNOWN ? NULL : load_class_name((enum load_class)e->decision.load[node]);
	return row == NAMES_NONE || e->in.mesh->load[row] == LOAD_UNKNOWN ? NULL : load_class_name((enum load_class)e->in.mesh->load[row]);
}

double explain_cpu(const struct explanation *e, uint32_t node)
{
	uint32_t row = row_of(e, node);

	return row == NAMES_NONE ? NAN : (double)matrix_cpu(e->in.mesh->matrix)[row];
}

static double older(double a, double b)
{
	return isnan(a) || b > a ? b : a;
}

/* Of one pair: the age of the older row that was used. */
static double leg_age_s(const struct explanation *e, const struct leg *leg, uint32_t row)
{
	double age_s = NAN;

	if (!leg->row.rtt_us || isnan(leg->row.rtt_us[row]))
		return NAN;
	if (leg->row.pair[row] & PAIR_THERE)
		age_s = mesh_row_age_s(e->in.mesh, row, e->in.mono_ms);
	if (leg->matrix_node != NAMES_NONE && leg->matrix_node != row && (leg->row.pair[row] & PAIR_HERE))
		age_s = older(age_s, mesh_row_age_s(e->in.mesh, leg->matrix_node, e->in.mono_ms));
	return age_s;
}

/* Of what the shown round trip is made of: the oldest of its legs; of the mesh the node's own row. */
static double age_of(const struct explanation *e, const struct resolved *target, uint32_t node)
{
	uint32_t row = row_of(e, node), k;
	double age_s = NAN;

	if (row == NAMES_NONE)
		return NAN;
	if (!target || target->is_mesh)
		return mesh_row_age_s(e->in.mesh, row, e->in.mono_ms);
	for (k = 0; k < target->count; k++)
		age_s = older(age_s, leg_age_s(e, &target->legs[k], row));
	return age_s;
}

/* Is what is shown, or a part of it, an upper bound? */
static bool is_estimate(const struct explanation *e, const struct resolved *target, uint32_t node)
{
	uint32_t row = row_of(e, node);

	return target && row != NAMES_NONE && target_is_estimate(target, row);
}

static int compare(const void *a, const void *b, void *arg)
{
	const struct explanation *e = arg;
	const struct decision *d = &e->decision;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	bool x_in = d->verdicts && !d->verdicts[x].filter, y_in = d->verdicts && !d->verdicts[y].filter;

	if (x_in != y_in)
		return x_in ? -1 : 1;
	if ((int32_t)x == d->node || (int32_t)y == d->node)
		return (int32_t)x == d->node ? ((int32_t)y == d->node ? 0 : -1) : 1;
	if (x_in && d->cloud && isnan(d->cloud[x]) != isnan(d->cloud[y]))
		return isnan(d->cloud[x]) ? 1 : -1;
	if (x_in && (d->total[x] < d->total[y] || d->total[x] > d->total[y]))
		return d->total[x] > d->total[y] ? -1 : 1;
	return strcmp(e->in.view->nodes[x].node->name, e->in.view->nodes[y].node->name);
}

void explain_make(struct explanation *e, struct offline *o, uint32_t pod)
{
	auto_arena struct arena arena = {0};
	const struct resolved *target;
	struct targets targets;
	uint32_t i;

	*e = (struct explanation){.offline = o, .asked = &o->pods[pod]};
	offline_decide(o, pod, &e->in, &e->decision);
	targets_resolve(&e->in, &arena, &targets);
	target = targets_first(&targets);
	if (target)
		target_describe(target->item, &e->target);
	e->weights = targets.asking ? e->in.profile->weight_asking : e->in.profile->weight_plain;
	e->order = xcalloc(e->in.view->count + 1, sizeof(*e->order));
	e->age_s = xcalloc(e->in.view->count + 1, sizeof(*e->age_s));
	e->estimate = xcalloc(e->in.view->count + 1, sizeof(*e->estimate));
	for (i = 0; i < e->in.view->count; i++) {
		e->order[i] = i;
		e->age_s[i] = e->in.mesh ? age_of(e, target, i) : NAN;
		e->estimate[i] = is_estimate(e, target, i);
	}
	qsort_r(e->order, e->in.view->count, sizeof(*e->order), compare, e);
}

void explain_free(struct explanation *e)
{
	free(e->order);
	free(e->age_s);
	free(e->estimate);
	buf_free(&e->target);
}

/* --- the command ----------------------------------------------------------------------------------------------------- */

/* A file where there is one of that name, else NAMESPACE/NAME or NAME. */
static int want(struct offline *o, const char *pod, struct lm_err *err)
{
	const char *slash = strchr(pod, '/');
	struct stat st;
	int count;

	if (stat(pod, &st) < 0) {
		auto_free char *namespace_ = slash ? xstrndup(pod, (size_t)(slash - pod)) : xstrdup("default");

		if (*pod == '/' || *pod == '.' || (slash && strchr(slash + 1, '/')))
			return lm_fail_errno(err, "open `%s`", pod);
		offline_want_name(o, namespace_, slash ? slash + 1 : pod);
		return 0;
	}
	count = offline_want_file(o, pod, err);
	if (count > 1)
		return lm_fail(err, LM_DATA, "%.200s: %d pods, not one (`simulate` takes several)", pod, count);
	return count < 0 ? -1 : 0;
}

static int explain(struct offline *o, const struct explain_options *options, FILE *to, struct lm_err *err)
{
	struct explanation e;
	int code;

	if (offline_open(o, &options->offline, err) < 0 || want(o, options->pod, err) < 0 || offline_load(o, err) < 0)
		return -1;
	explain_make(&e, o, 0);
	if (options->format == OFFLINE_JSON)
		explain_json(&e, to);
	else
		explain_table(&e, to);
	code = e.decision.node < 0 ? OFFLINE_NOWHERE : 0;
	explain_free(&e);
	return fflush(to) ? lm_fail_errno(err, "write") : code;
}

int explain_run(int argc, char **argv, FILE *to)
{
	struct explain_options mine = {0};
	struct offline o = {0};
	struct options options;
	struct lm_err err;
	int code = 0;

	if (options_parse(&explain_program, argc, argv, &mine, &options, &err) < 0)
		return options_fail(&explain_program, &err);
	log_setup(options.log_level, options.log_format);
	if (!options.done) {
		code = explain(&o, &mine, to, &err);
		if (code < 0)
			code = options_fail(&explain_program, &err);
		offline_close(&o);
	}
	options_free(&options);
	return code;
}

int explain_main(int argc, char **argv)
{
	return explain_run(argc, argv, stdout);
}
