#include <math.h>
#include <string.h>

#include "lib/mem.h"
#include "sched/explain.h"
#include "sched/filter/filter.h"
#include "sched/grid.h"
#include "sched/score/score.h"

static const char *name_of(const struct explanation *e, uint32_t node)
{
	return e->in.view->nodes[node].node->name;
}

static bool is_feasible(const struct explanation *e, uint32_t node)
{
	return e->decision.verdicts && !e->decision.verdicts[node].filter;
}

/* The column of a decision at a node; NaN where there is none. */
static double value_at(const float *column, uint32_t node)
{
	return column ? (double)column[node] : NAN;
}

/* --- for programs ---------------------------------------------------------------------------------------------------- */

static void print_terms(const struct explanation *e, double (*value)(const struct explanation *e, unsigned term, uint32_t node), uint32_t node,
			struct buf *out)
{
	unsigned i;

	buf_char(out, '{');
	for (i = 0; i < SCORE_COUNT; i++) {
		buf_printf(out, "%s\"%s\":", i ? "," : "", score_table[i]->name);
		buf_decimal(out, value(e, i, node), 3);
	}
	buf_char(out, '}');
}

static double weight_of(const struct explanation *e, unsigned term, uint32_t node)
{
	(void)node;
	return e->weights[term];
}

static double score_of(const struct explanation *e, unsigned term, uint32_t node)
{
	return is_feasible(e, node) ? value_at(e->decision.score[term], node) : NAN;
}

static void print_refusal(const struct explanation *e, uint32_t node, struct buf *out)
{
	auto_buf struct buf reason = {0};

	if (!e->decision.verdicts || is_feasible(e, node)) {
		buf_str(out, "\"filter\":null,\"reason\":null}");
		return;
	}
	decision_reason(e->offline->decider, &e->in, &e->decision, node, &reason);
	buf_str(out, "\"filter\":");
	buf_json_string(out, filter_table[e->decision.verdicts[node].filter - 1]->name);
	buf_str(out, ",\"reason\":");
	buf_json_string(out, reason.data);
	buf_char(out, '}');
}

static void print_node(const struct explanation *e, uint32_t place, struct buf *out)
{
	uint32_t node = e->order[place];
	bool feasible = is_feasible(e, node);

	buf_str(out, "{\"node\":");
	buf_json_string(out, name_of(e, node));
	buf_printf(out, ",\"feasible\":%s,\"rank\":", feasible ? "true" : "false");
	buf_decimal(out, feasible ? place + 1.0 : NAN, 0);
	buf_str(out, ",\"total\":");
	buf_decimal(out, feasible ? value_at(e->decision.total, node) : NAN, 3);
	buf_str(out, ",\"scores\":");
	print_terms(e, score_of, node, out);
	buf_str(out, ",\"rtt_us\":");
	buf_decimal(out, value_at(e->decision.rtt_us, node), 1);
	buf_printf(out, ",\"estimate\":%s,\"cost_us\":", e->estimate[node] ? "true" : "false");
	buf_decimal(out, value_at(e->decision.cost_us, node), 1);
	buf_str(out, ",\"age_s\":");
	buf_decimal(out, e->age_s[node], 3);
	buf_str(out, ",\"cpu\":");
	buf_decimal(out, explain_cpu(e, node), 4);
	buf_str(out, ",\"expected_cpu\":");
	buf_decimal(out, value_at(e->decision.expected, node), 4);
	buf_str(out, ",\"load\":");
	buf_json_string(out, explain_load(e, node));
	buf_printf(out, ",\"cloud\":%s,", !e->decision.cloud ? "null" : isnan(e->decision.cloud[node]) ? "false" : "true");
	print_refusal(e, node, out);
}

static void print_pod(const struct explanation *e, struct buf *out)
{
	const struct {
		const char *key, *value;
	} members[] = {{"namespace", e->in.pod->namespace_}, {"name", e->in.pod->name}, {"uid", e->in.pod->uid},
		       {"scheduler_name", e->in.pod->scheduler_name[0] ? e->in.pod->scheduler_name : NULL}, {"was_on", e->asked->was_on}};
	size_t i;

	buf_str(out, "\"pod\":{");
	for (i = 0; i < ARRAY_SIZE(members); i++) {
		buf_printf(out, "%s\"%s\":", i ? "," : "", members[i].key);
		buf_json_string(out, members[i].value);
	}
	buf_str(out, "},\n");
}

void explain_json(const struct explanation *e, FILE *to)
{
	auto_buf struct buf out = {0};
	uint32_t i;

	buf_char(&out, '{');
	offline_print_head(e->offline, &out);
	print_pod(e, &out);
	buf_str(&out, "\"profile\":");
	buf_json_string(&out, e->in.profile->scheduler_name);
	buf_str(&out, ",\"weights\":");
	print_terms(e, weight_of, 0, &out);
	buf_str(&out, ",\"rtt_to\":");
	buf_json_string(&out, e->target.data);
	buf_str(&out, ",\n\"verdict\":{");
	offline_print_verdict(e->offline, &e->in, &e->decision, &out);
	buf_printf(&out, ",\"refused_whole\":%s},\n\"nodes\":[", e->decision.refused_by_pod ? "true" : "false");
	for (i = 0; i < e->in.view->count; i++) {
		buf_str(&out, i ? ",\n" : "\n");
		print_node(e, i, &out);
	}
	buf_str(&out, "]}\n");
	fputs(out.data, to);
}

/* --- for people ------------------------------------------------------------------------------------------------------ */

#define COLUMNS (SCORE_COUNT + 6)

static void points(double value, struct buf *out)
{
	if (isnan(value))
		buf_char(out, '-');
	else
		buf_printf(out, "%.1f", value);
}

static void print_rtt(const struct explanation *e, uint32_t node, struct buf *out)
{
	offline_print_bound(value_at(e->decision.rtt_us, node), e->estimate[node], out);
}

/* A row of cells in the making. */
struct row {
	struct buf cells[COLUMNS];
	size_t count;
};

static struct buf *next(struct row *r)
{
	return &r->cells[r->count++];
}

static void end_row(struct row *r, struct grid *g)
{
	const char *cells[COLUMNS];
	size_t i;

	for (i = 0; i < r->count; i++)
		cells[i] = r->cells[i].data ? r->cells[i].data : "";
	grid_row(g, cells);
	for (i = 0; i < r->count; i++)
		buf_free(&r->cells[i]);
	*r = (struct row){.count = 0};
}

static void upper(const char *name, struct buf *out)
{
	for (; *name; name++)
		buf_char(out, *name >= 'a' && *name <= 'z' ? (char)(*name - 'a' + 'A') : *name);
}

static void feasible_head(const struct explanation *e, struct grid *g)
{
	struct row r = {.count = 0};
	unsigned i;

	buf_str(next(&r), "NODE");
	buf_str(next(&r), "TOTAL");
	for (i = 0; i < SCORE_COUNT; i++)
		if (e->decision.score[i])
			upper(score_table[i]->name, next(&r));
	buf_str(next(&r), "RTT");
	buf_str(next(&r), "AGE");
	buf_str(next(&r), "");
	end_row(&r, g);
}

/* An edge may have the higher total: then it has to say why it is no match. */
static void note_cloud(const struct explanation *e, uint32_t node, struct buf *note)
{
	const struct decision *d = &e->decision;
	const char *separator = note->len ? "; " : "";

	if (!d->cloud)
		return;
	if (!isnan(d->cloud[node]))
		buf_printf(note, "%scloud", separator);
	else if (d->total[node] > d->total[d->node])
		buf_printf(note, "%sno cloud: left free, for the pod asks for no latency", separator);
}

static void feasible_row(const struct explanation *e, uint32_t node, struct grid *g)
{
	const char *load = explain_load(e, node);
	struct row r = {.count = 0};
	struct buf *note;
	unsigned i;

	buf_str(next(&r), name_of(e, node));
	points(value_at(e->decision.total, node), next(&r));
	for (i = 0; i < SCORE_COUNT; i++)
		if (e->decision.score[i])
			points(score_of(e, i, node), next(&r));
	print_rtt(e, node, next(&r));
	offline_print_age(e->age_s[node], next(&r));
	note = next(&r);
	if (load && !STREQ(load, "easy") && e->decision.score[SCORE_CPU])
		buf_printf(note, "CPU %s: -%.0f points", load, CPU_BUSY_POINTS);
	if (value_at(e->decision.expected, node) >= 0.0005 && e->decision.score[SCORE_CPU])
		buf_printf(note, "%sCPU %.1f %%, %.1f %% more expected", note->len ? "; " : "", explain_cpu(e, node) * 100,
			   value_at(e->decision.expected, node) * 100);
	note_cloud(e, node, note);
	if (e->asked->was_on && STREQ(e->asked->was_on, name_of(e, node)))
		buf_printf(note, "%sit is here", note->len ? "; " : "");
	end_row(&r, g);
}

static void print_feasible(const struct explanation *e, FILE *to)
{
	char align[COLUMNS + 1] = "l";
	auto_grid struct grid g = {.align = align};
	unsigned i, columns = 4;
	uint32_t k;

	for (i = 0; i < SCORE_COUNT; i++)
		columns += e->decision.score[i] != NULL;
	memset(align + 1, 'r', columns - 1);
	align[columns] = 'l';
	if (!e->decision.feasible)
		return;
	feasible_head(e, &g);
	for (k = 0; k < e->decision.feasible; k++)
		feasible_row(e, e->order[k], &g);
	fputc('\n', to);
	grid_print(&g, to);
}

static void print_refused(const struct explanation *e, FILE *to)
{
	auto_grid struct grid g = {.align = "lll"};
	uint32_t k;

	if (!e->decision.verdicts || e->decision.feasible == e->in.view->count)
		return;
	grid_row(&g, (const char *const[]){"REFUSED", "BY", "REASON"});
	for (k = e->decision.feasible; k < e->in.view->count; k++) {
		auto_buf struct buf reason = {0};
		uint32_t node = e->order[k];

		decision_reason(e->offline->decider, &e->in, &e->decision, node, &reason);
		grid_row(&g, (const char *const[]){name_of(e, node), filter_table[e->decision.verdicts[node].filter - 1]->name,
						   reason.data ? reason.data : ""});
	}
	fputc('\n', to);
	grid_print(&g, to);
}

static bool any_estimate(const struct explanation *e)
{
	uint32_t i;

	for (i = 0; i < e->in.view->count; i++)
		if (e->estimate[i] && is_feasible(e, i))
			return true;
	return false;
}

static void print_weights(const struct explanation *e, struct buf *out)
{
	const char *separator = "";
	unsigned i;

	buf_str(out, "weights: ");
	for (i = 0; i < SCORE_COUNT; i++) {
		bool dropped = e->decision.feasible && !e->decision.score[i];

		/* kube-scheduler's drop for every pod without such a wish: that is no news */
		if (e->weights[i] <= 0 || (i >= SCORE_NODE_AFFINITY && !e->decision.score[i]))
			continue;
		buf_printf(out, "%s%s %g%s", separator, score_table[i]->name, e->weights[i], dropped ? " (dropped: no data)" : "");
		separator = ", ";
	}
	buf_printf(out, " (profile %s)\n", e->in.profile->scheduler_name);
	if (e->target.len)
		buf_printf(out, "RTT: to %s%s\n", e->target.data, any_estimate(e) ? " (~: estimated, not measured)" : "");
}

static void print_place(const struct explanation *e, int32_t node, struct buf *out)
{
	buf_printf(out, "%s (%.1f points", name_of(e, (uint32_t)node), value_at(e->decision.total, (uint32_t)node));
	if (!isnan(value_at(e->decision.rtt_us, (uint32_t)node))) {
		buf_str(out, ", ");
		print_rtt(e, (uint32_t)node, out);
	}
	buf_char(out, ')');
}

static void print_verdict(const struct explanation *e, struct buf *out)
{
	auto_buf struct buf note = {0};

	buf_printf(out, "%s/%s ", e->in.pod->namespace_, e->in.pod->name);
	if (e->decision.node < 0) {
		buf_str(out, "fits nowhere: ");
		decision_message(e->offline->decider, &e->in, &e->decision, out);
	} else {
		buf_str(out, "goes to ");
		print_place(e, e->decision.node, out);
	}
	if (e->decision.runner_up >= 0) {
		buf_str(out, ", next best is ");
		print_place(e, e->decision.runner_up, out);
	}
	if (e->asked->was_on)
		buf_printf(out, "\nIt is on %s.", e->asked->was_on);
	decision_note(e->offline->decider, &e->in, &e->decision, &note);
	if (note.len)
		buf_printf(out, "\nNote: %s", note.data);
	buf_char(out, '\n');
}

/* Names and reasons come from files; grids clean theirs. */
static void put_clean(const char *text, FILE *to)
{
	auto_free char *copy = xstrdup(text);
	char *rest = copy, *line;

	while ((line = strsep(&rest, "\n")) != NULL) {
		auto_grid struct grid g = {.align = "l"};

		if (!rest && !*line)
			break;
		grid_row(&g, (const char *const[]){line});
		grid_print(&g, to);
	}
}

void explain_table(const struct explanation *e, FILE *to)
{
	auto_buf struct buf head = {0}, verdict = {0};

	offline_print_data(e->offline, &head);
	print_weights(e, &head);
	put_clean(head.data, to);
	print_feasible(e, to);
	print_refused(e, to);
	fputc('\n', to);
	print_verdict(e, &verdict);
	put_clean(verdict.data, to);
}
