#include "sched/simulate.h"

#include <math.h>
#include <string.h>

#include "lib/mem.h"
#include "lib/options.h"
#include "sched/grid.h"
#include "sched/simulate_private.h"

struct simulate_options {
	struct offline_options offline;
	const char *pods;
	struct option_list steps;
	int format;
};

static const struct option_spec specs[] = {
	{"pods", OPT_STRING, offsetof(struct simulate_options, pods), "FILE", NULL, 0,
	 .help = "the pods to place, in this order: a List or several documents; a folder"},
	{"step", OPT_LIST, offsetof(struct simulate_options, steps), "STEP", NULL, 0,
	 .help = "what happens then: \"fail NODE\", \"recover NODE\", \"drift FROM TO TIME\" (12ms, lost) or \"matrix FILE\"; may be given several times"},
	OFFLINE_OPTIONS(struct simulate_options),
};

static const struct options_program simulate_program = {
	.name = "latency-sched simulate",
	.summary = "places pods one after the other, and says what becomes of them when nodes fail: from files, without a cluster",
	.usage = "--cluster FILE [--pods FILE] [--step STEP]... [--matrix FILE] [options]",
	.environment = "LATENCY_SIMULATE",
	.specs = specs,
	.spec_count = ARRAY_SIZE(specs),
	.epilogue = "  latency-sched simulate --cluster FOLDER --config sched.yaml --step \"fail edge-1\" --step \"recover edge-1\"\n"
		    "\n"
		    "Room is kept as reserve.* of --config says.\n"
		    "\n"
		    "Exit codes: 0 all have a place, 1 some fits nowhere, 64 usage, 65 bad data, 66 no such file, 78 configuration.\n",
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

static void print_pods(const struct outcome *result, enum offline_format format, FILE *to)
{
	if (format == OFFLINE_JSON) {
		fprintf(to, "\"placed\":%u,\"pending\":%u,\n\"pods\":[%s]", result->placed, result->pending, result->json.data ? result->json.data : "");
	} else if (result->placed + result->pending) {
		fputc('\n', to);
		grid_print(&result->grid, to);
		fprintf(to, "\n%u placed, %u not\n", result->placed, result->pending);
	}
}

/* Of the data as they are before any step changes them. */
static void print_head(const struct offline *o, enum offline_format format, FILE *to)
{
	auto_buf struct buf head = {0};

	if (format == OFFLINE_JSON)
		offline_print_head(o, &head);
	else
		offline_print_data(o, &head);
	fprintf(to, "%s%s", format == OFFLINE_JSON ? "{" : "", head.data);
}

/* --- steps ------------------------------------------------------------------------------------------------------------ */

static int parse_steps(struct simulation *s, const struct simulate_options *options, struct lm_err *err)
{
	size_t i;

	if (!options->pods && !options->steps.count)
		return lm_fail(err, LM_USAGE, "--pods or --step is missing");
	if (options->steps.count > STEPS_MAX)
		return lm_fail(err, LM_USAGE, "--step: %zu steps, more than %u", options->steps.count, STEPS_MAX);
	s->steps = xcalloc(options->steps.count + 1, sizeof(*s->steps));
	for (i = 0; i < options->steps.count; i++, s->step_count++)
		if (sim_step_parse(options->steps.items[i], (uint32_t)i + 1, &s->steps[i], err) < 0)
			return -1;
	for (i = 0; i < s->step_count; i++)
		if (s->steps[i].kind == STEP_FAIL || s->steps[i].kind == STEP_RECOVER)
			offline_keep_node(s->offline, s->steps[i].node);
	return 0;
}

static int take_steps(struct simulation *s, enum offline_format format, FILE *to, struct lm_err *err)
{
	size_t i;

	simulation_begin(s);
	report_before(s, format, to);
	for (i = 0; i < s->step_count; i++) {
		if (simulation_step(s, &s->steps[i], err) < 0)
			return -1;
		report_step(s, &s->steps[i], format, to);
	}
	if (format == OFFLINE_JSON)
		fprintf(to, "],\n\"moves\":%u,\"waiting\":%u", s->moves, simulation_waiting(s));
	else
		fprintf(to, "\n%u move%s in all\n", s->moves, s->moves == 1 ? "" : "s");
	return 0;
}

/* --- the command ------------------------------------------------------------------------------------------------------ */

/* All that is printed. Whether some pod has no place at the end. */
static int play(struct simulation *s, enum offline_format format, FILE *to, bool *nowhere, struct lm_err *err)
{
	struct outcome result = {.grid = {.align = "llrrl"}};
	int failed = 0;

	grid_row(&result.grid, (const char *const[]){"POD", "NODE", "RTT", "TOTAL", "REASON"});
	place_all(s->offline, &result);
	print_head(s->offline, format, to);
	print_pods(&result, format, to);
	*nowhere = result.pending;
	if (s->step_count) {
		failed = take_steps(s, format, to, err);
		*nowhere = simulation_waiting(s);
	}
	fputs(format == OFFLINE_JSON ? "}\n" : "", to);
	grid_free(&result.grid);
	buf_free(&result.json);
	return failed;
}

static int simulate(struct simulation *s, const struct simulate_options *options, FILE *to, struct lm_err *err)
{
	struct offline *o = s->offline;
	auto_free char *text = NULL;
	size_t size;
	bool nowhere = false;
	FILE *page;
	int failed;

	if (offline_open(o, &options->offline, err) < 0 || parse_steps(s, options, err) < 0 ||
	    (options->pods && offline_want_file(o, options->pods, err) < 0) || offline_load(o, err) < 0)
		return -1;
	page = open_memstream(&text, &size);	/* nothing is printed when a later step is wrong */
	if (!page)
		return lm_fail_errno(err, "open_memstream");
	failed = play(s, (enum offline_format)options->format, page, &nowhere, err);
	fclose(page);
	if (failed < 0)
		return -1;
	fwrite(text, 1, size, to);
	return fflush(to) ? lm_fail_errno(err, "write") : nowhere ? OFFLINE_NOWHERE : 0;
}

int simulate_run(int argc, char **argv, FILE *to)
{
	struct simulate_options mine = {0};
	struct offline o = {0};
	struct simulation s = {.offline = &o};
	struct options options;
	struct lm_err err;
	int code = 0;

	if (options_parse(&simulate_program, argc, argv, &mine, &options, &err) < 0)
		return options_fail(&simulate_program, &err);
	log_setup(options.log_level, options.log_format);
	if (!options.done) {
		code = simulate(&s, &mine, to, &err);
		if (code < 0)
			code = options_fail(&simulate_program, &err);
		simulation_free(&s);
		offline_close(&o);
	}
	options_free(&options);
	return code;
}

int simulate_main(int argc, char **argv)
{
	return simulate_run(argc, argv, stdout);
}
