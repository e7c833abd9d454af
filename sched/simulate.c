#include "sched/simulate.h"

#include <math.h>
#include <string.h>

#include "lib/mem.h"
#include "lib/options.h"
#include "sched/grid.h"
#include "sched/offline.h"

struct simulate_options {
	struct offline_options offline;
	const char *pods;
	int format;
};

static const struct option_spec specs[] = {
	{"pods", OPT_STRING, offsetof(struct simulate_options, pods), "FILE", NULL, OPT_REQUIRED,
	 .help = "the pods to place, in this order: a List or several documents; a folder"},
	OFFLINE_OPTIONS(struct simulate_options),
};

static const struct options_program simulate_program = {
	.name = "latency-sched simulate",
	.summary = "places pods one after the other: from files, without a cluster",
	.usage = "--cluster FILE --pods FILE [--matrix FILE] [options]",
	.environment = "LATENCY_SIMULATE",
	.specs = specs,
	.spec_count = ARRAY_SIZE(specs),
	.epilogue = "Exit codes: 0 all have a place, 1 some fits nowhere, 64 usage, 65 bad data, 66 no such file, 78 configuration.\n",
};

/* What has come out so far. */
struct outcome {
	struct grid grid;
	struct buf json;
	uint32_t placed, pending;
};

static void add_row(const struct offline *o, const struct decision_input *in, const struct decision *d, struct grid *grid)
{
	auto_free char *key = xasprintf("%s/%s", in->pod->namespace_, in->pod->name);
	auto_buf struct buf rtt = {0}, total = {0}, reason = {0};

	offline_print_bound(d->node < 0 || !d->rtt_us ? NAN : (double)d->rtt_us[d->node], decision_is_estimate(in, d), &rtt);
	if (d->node < 0) {
		buf_char(&total, '-');
		decision_message(o->decider, in, d, &reason);
	} else {
		buf_printf(&total, "%.1f", (double)d->total[d->node]);
		decision_note(o->decider, in, d, &reason);
	}
	grid_row(grid, (const char *const[]){key, d->node < 0 ? "-" : in->view->nodes[d->node].node->name, rtt.data, total.data,
					     reason.data ? reason.data : ""});
}

static void add_object(const struct offline *o, const struct offline_pod *p, const struct decision_input *in, const struct decision *d,
		       struct buf *out)
{
	buf_str(out, out->len ? ",\n{\"namespace\":" : "\n{\"namespace\":");
	buf_json_string(out, in->pod->namespace_);
	buf_str(out, ",\"name\":");
	buf_json_string(out, in->pod->name);
	buf_str(out, ",\"uid\":");
	buf_json_string(out, in->pod->uid);
	buf_str(out, ",\"profile\":");
	buf_json_string(out, in->profile->scheduler_name);
	buf_str(out, ",\"was_on\":");
	buf_json_string(out, p->was_on);
	buf_char(out, ',');
	offline_print_verdict(o, in, d, out);
	buf_char(out, '}');
}

static void place_all(struct offline *o, struct outcome *result)
{
	struct decision_input in;
	struct decision decision;
	uint32_t i;

	for (i = 0; i < o->keys.count; i++) {
		offline_decide(o, i, &in, &decision);
		add_row(o, &in, &decision, &result->grid);
		add_object(o, &o->pods[i], &in, &decision, &result->json);
		if (decision.node < 0)
			result->pending++;
		else
			result->placed++;
		if (decision.node >= 0)
			cache_assume(o->cache, in.pod->uid, (uint32_t)decision.node);
	}
}

static void print_table(const struct offline *o, const struct outcome *result, FILE *to)
{
	auto_buf struct buf head = {0};

	offline_print_data(o, &head);
	fprintf(to, "%s\n", head.data);
	grid_print(&result->grid, to);
	fprintf(to, "\n%u placed, %u not\n", result->placed, result->pending);
}

static void print_json(const struct offline *o, const struct outcome *result, FILE *to)
{
	auto_buf struct buf head = {0};

	offline_print_head(o, &head);
	fprintf(to, "{%s\"placed\":%u,\"pending\":%u,\n\"pods\":[%s]}\n", head.data, result->placed, result->pending,
		result->json.data ? result->json.data : "");
}

static int simulate(struct offline *o, const struct simulate_options *options, FILE *to, struct lm_err *err)
{
	struct outcome result = {.grid = {.align = "llrrl"}};
	int code;

	if (offline_open(o, &options->offline, err) < 0 || offline_want_file(o, options->pods, err) < 0 || offline_load(o, err) < 0)
		return -1;
	grid_row(&result.grid, (const char *const[]){"POD", "NODE", "RTT", "TOTAL", "REASON"});
	place_all(o, &result);
	if (options->format == OFFLINE_JSON)
		print_json(o, &result, to);
	else
		print_table(o, &result, to);
	code = result.pending ? OFFLINE_NOWHERE : 0;
	grid_free(&result.grid);
	buf_free(&result.json);
	return fflush(to) ? lm_fail_errno(err, "write") : code;
}

int simulate_run(int argc, char **argv, FILE *to)
{
	struct simulate_options mine = {0};
	struct offline o = {0};
	struct options options;
	struct lm_err err;
	int code = 0;

	if (options_parse(&simulate_program, argc, argv, &mine, &options, &err) < 0)
		return options_fail(&simulate_program, &err);
	log_setup(options.log_level, options.log_format);
	if (!options.done) {
		code = simulate(&o, &mine, to, &err);
		if (code < 0)
			code = options_fail(&simulate_program, &err);
		offline_close(&o);
	}
	options_free(&options);
	return code;
}

int simulate_main(int argc, char **argv)
{
	return simulate_run(argc, argv, stdout);
}
