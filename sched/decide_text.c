#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "sched/decide.h"
#include "sched/filter/filter.h"
#include "sched/target.h"

/* --- reasons --------------------------------------------------------------------------------------------------------- */

struct reason {
	char *text;
	uint32_t count;
};

struct histogram {
	struct reason *items;
	size_t count, room;
};

static void histogram_add(struct histogram *h, const char *text)
{
	size_t i;

	for (i = 0; i < h->count; i++) {
		if (STREQ(h->items[i].text, text)) {
			h->items[i].count++;
			return;
		}
	}
	grow(&h->items, &h->room, h->count + 1, sizeof(*h->items));
	h->items[h->count++] = (struct reason){.text = xstrdup(text), .count = 1};
}

static void node_reason(const struct decision_input *in, const struct verdict *verdict, uint32_t node, struct buf *out)
{
	if (verdict->filter && verdict->filter != VERDICT_NOT_OFFERED)
		filter_table[verdict->filter - 1]->reason(in, node, verdict->detail, out);
}

static void collect(const struct decision_input *in, const struct decision *decision, struct histogram *h)
{
	auto_buf struct buf text = {0};
	uint32_t i;

	for (i = 0; decision->verdicts && i < decision->count; i++) {
		char *rest, *one;

		buf_clear(&text);
		node_reason(in, &decision->verdicts[i], i, &text);
		rest = text.data;
		while (text.len && (one = strsep(&rest, "\n")))
			histogram_add(h, one);
	}
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* As kube-scheduler's FitError has it: the lines are sorted with their counts in front, as text. */
static void print_sorted(const struct histogram *h, struct buf *out)
{
	auto_free char **lines = xcalloc(h->count + 1, sizeof(*lines));
	size_t i;

	for (i = 0; i < h->count; i++)
		lines[i] = xasprintf("%u %s", h->items[i].count, h->items[i].text);
	qsort(lines, h->count, sizeof(*lines), by_text);
	for (i = 0; i < h->count; i++) {
		buf_printf(out, "%s%s", i ? ", " : " ", lines[i]);
		free(lines[i]);
	}
	if (h->count)
		buf_char(out, '.');
}

void decision_message(const struct decider *d, const struct decision_input *in, const struct decision *decision, struct buf *out)
{
	struct histogram h = {0};
	size_t i;

	(void)d;
	if (decision->count == 0 && !decision->refused_by_pod) {
		buf_str(out, "no nodes available to schedule pods");
		return;
	}
	if (decision->failed) {
		buf_str(out, decision->pod_reason);
		return;
	}
	buf_printf(out, "%u/%u nodes are available:", decision->feasible, decision->count);
	if (decision->refused_by_pod) {
		buf_printf(out, " %s.", decision->pod_reason);
		return;
	}
	collect(in, decision, &h);
	print_sorted(&h, out);
	for (i = 0; i < h.count; i++)
		free(h.items[i].text);
	free(h.items);
}

void decision_reason(const struct decider *d, const struct decision_input *in, const struct decision *decision, uint32_t node,
		     struct buf *out)
{
	auto_buf struct buf text = {0};
	char *c;

	(void)d;
	if (decision->refused_by_pod) {
		buf_str(out, decision->pod_reason);
		return;
	}
	if (!decision->verdicts || node >= decision->count)
		return;
	node_reason(in, &decision->verdicts[node], node, &text);
	for (c = text.data; c && *c; c++) {
		if (*c == '\n')
			buf_str(out, ", ");
		else
			buf_char(out, *c);
	}
}

bool decision_is_estimate(const struct decision_input *in, const struct decision *decision)
{
	auto_arena struct arena arena = {0};
	const struct resolved *target;
	struct targets targets;
	uint32_t row;

	if (decision->node < 0 || !decision->rtt_us || !in->mesh)
		return false;
	targets_resolve(in, &arena, &targets);
	target = targets_first(&targets);
	row = matrix_find_node(in->mesh->matrix, in->view->nodes[decision->node].node->name);
	return target && row != NAMES_NONE && target_is_estimate(target, row);
}

/* --- notes ----------------------------------------------------------------------------------------------------------- */

static void note_item(const struct resolved *r, const char *list, struct buf *out)
{
	const char *separator = out->len ? "; " : "";

	if (r->ambiguous)
		buf_printf(out, "%s%s: taken as %s%s", separator, r->item->text, STREQ(r->taken_as, "app") ? "app=" : r->taken_as,
			   STREQ(r->taken_as, "app") ? "" : "/");
	if (r->ambiguous)
		buf_str(out, r->item->target.name);
	else if (r->missing && r->first)
		buf_printf(out, "%s%s %s: this pod is the first", separator, list, r->item->text);
	else if (r->missing)
		buf_printf(out, "%s%s %s: nothing is there yet, so it does not count", separator, list, r->item->text);
}

void decision_note_cloud(const struct decision *decision, struct buf *out)
{
	const char *separator = out->len ? "; " : "";

	if (decision->cloud)
		buf_printf(out, "%sasks for no latency: to the cloud", separator);
	else if (decision->cloud_nodes)
		buf_printf(out, "%sasks for no latency, but none of the cloud's nodes (%u) is feasible", separator, decision->cloud_nodes);
}

void decision_note(const struct decider *d, const struct decision_input *in, const struct decision *decision, struct buf *out)
{
	auto_arena struct arena arena = {0};
	struct targets targets;
	uint32_t i;

	(void)d;
	if (in->pod->ask.error)
		return;
	targets_resolve(in, &arena, &targets);
	for (i = 0; i < targets.within_count; i++)
		note_item(&targets.within[i], "limit to", out);
	for (i = 0; in->pod->ask.near_count && i < targets.near_count; i++)
		note_item(&targets.near[i], "near", out);
	decision_note_cloud(decision, out);
}
