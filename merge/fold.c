#include "merge/fold.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "merge/fold_inflow.h"
#include "merge/fold_private.h"

static int by_size(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

struct fold *fold_new(const struct fold_settings *settings)
{
	const struct snapshot *previous = settings->previous;
	struct fold *f = xcalloc(1, sizeof(*f));
	static const struct names none;
	uint32_t i;

	f->settings = *settings;
	f->nodes = fold_union(settings->nodes, previous ? &previous->nodes : NULL);
	f->clients = fold_union(settings->clients ? settings->clients : &none, NULL);
	f->rows = xcalloc(f->nodes.count, sizeof(*f->rows));
	f->period_s = fmax(FOLD_PERIOD_LEAST_S, settings->interval_s);
	snapshot_init(&f->next, &f->nodes, NULL);
	for (i = 0; i < f->nodes.count; i++) {
		f->rows[i].expected = names_find(settings->nodes, f->nodes.items[i]) != NAMES_NONE;
		f->rows[i].previous = previous ? names_find(&previous->nodes, f->nodes.items[i]) : NAMES_NONE;
	}
	f->silent_s = xcalloc(f->nodes.count, sizeof(*f->silent_s));
	f->column = xcalloc(previous ? previous->nodes.count : 0, sizeof(*f->column));
	for (i = 0; previous && i < previous->nodes.count; i++)
		f->column[i] = names_find(&f->nodes, previous->nodes.items[i]);
	return f;
}

/* --- judging it ---------------------------------------------------------------------------------------------------- */

/* Whether a report with the seq of the previous row says something else, where both say anything. */
static bool contradicts(const struct fold *f, uint32_t node)
{
	const struct snapshot *p = f->settings.previous;
	const struct row *row = &f->rows[node];
	size_t before = (size_t)row->previous * p->nodes.count, now = (size_t)node * f->nodes.count, i;

	if (isnan(p->age_s[row->previous]))
		return false;
	for (i = 0; i < p->nodes.count; i++)
		if (fold_differs(p->link.rtt_us[before + i], f->next.link.rtt_us[now + f->column[i]]) ||
		    fold_differs(p->link.jitter_us[before + i], f->next.link.jitter_us[now + f->column[i]]) ||
		    fold_differs(p->link.loss[before + i], f->next.link.loss[now + f->column[i]]))
			return true;
	return fold_clients_contradict(f, row);
}

static const struct snapshot_seen *seen_before(const struct fold *f, const struct row *row)
{
	static const struct snapshot_seen nothing;

	return row->previous == NAMES_NONE ? &nothing : &f->settings.previous->seen[row->previous];
}

/* But for FOLD_STALE: the period is known only when all reports are there. */
static enum fold_verdict judge(const struct fold *f, uint32_t node)
{
	const struct row *row = &f->rows[node];
	const struct snapshot_seen *seen = seen_before(f, row);

	if (!STREQ(seen->boot_id, row->seen.boot_id) || row->seen.seq > seen->seq)
		return FOLD_FRESH;
	if (row->seen.seq < seen->seq)
		return FOLD_REPLAYED;
	return contradicts(f, node) ? FOLD_CONFLICT : FOLD_FRESH;
}

static bool is_stale(const struct fold *f, const struct row *row)
{
	const struct snapshot_seen *seen = seen_before(f, row);

	return STREQ(seen->boot_id, row->seen.boot_id) && row->seen.seq == seen->seq &&
	       (row->report_age_s < -FOLD_FUTURE_S || row->report_age_s > FOLD_FRESH_PERIODS * fmax(f->period_s, row->interval_s));
}

/* --- taking a report ----------------------------------------------------------------------------------------------- */

static void take_peers(struct fold *f, uint32_t node, const struct report_links *peers)
{
	size_t first = (size_t)node * f->nodes.count, i;

	for (i = 0; i < f->nodes.count; i++)
		f->silent_s[i] = NAN;
	for (i = 0; i < peers->count; i++) {
		const struct report_link *link = &peers->items[i];
		uint32_t to = names_find(&f->nodes, link->name);

		if (to == NAMES_NONE || to == node)
			continue;
		f->next.link.rtt_us[first + to] = fold_rounded(link->rtt_us, FOLD_RTT_SCALE);
		f->next.link.jitter_us[first + to] = fold_rounded(link->jitter_us, FOLD_RTT_SCALE);
		f->next.link.loss[first + to] = fold_rounded(link->loss, FOLD_LOSS_SCALE);
		f->silent_s[to] = link->silent_s;
	}
}

enum fold_verdict fold_report(struct fold *f, const struct report *report, double age_s)
{
	uint32_t node = names_find(&f->nodes, report->node);
	struct row *row = node == NAMES_NONE ? NULL : &f->rows[node];

	if (!row || !row->expected)
		return FOLD_UNKNOWN;
	if (row->reported)
		return FOLD_REPEATED;
	row->reported = true;
	row->report_age_s = age_s;
	memcpy(row->seen.boot_id, report->boot_id, sizeof(row->seen.boot_id));
	row->seen.seq = report->seq;
	row->load = (struct snapshot_load){report->cpu, report->rx_bytes_per_s, report->tx_bytes_per_s};
	row->interval_s = report->interval_s;
	take_peers(f, node, &report->peers);
	fold_take_clients(f, row, &report->clients);
	row->verdict = judge(f, node);
	fold_take_silence(f, node, report, age_s);
	return FOLD_FRESH;
}

/* The lower median: one probe that has another interval, or a file that says so, must not keep the dead rows of all others alive. */
static double probe_interval_s(const struct fold *f)
{
	auto_free double *each = xcalloc(f->nodes.count, sizeof(*each));
	uint32_t count = 0, i;

	for (i = 0; i < f->nodes.count; i++)
		if (f->rows[i].reported)
			each[count++] = f->rows[i].interval_s;
	qsort(each, count, sizeof(*each), by_size);
	return count ? each[(count - 1) / 2] : 0;
}

/* --- rows of the result -------------------------------------------------------------------------------------------- */

static void blank_row(struct fold *f, uint32_t node)
{
	size_t first = (size_t)node * f->nodes.count, i;

	for (i = first; i < first + f->nodes.count; i++)
		f->next.link.rtt_us[i] = f->next.link.jitter_us[i] = f->next.link.loss[i] = i == first + node ? 0 : NAN;
	f->rows[node].cell_count = 0;
	f->next.age_s[node] = NAN;
	f->next.load[node] = (struct snapshot_load){NAN, NAN, NAN};
}

/* The previous values, older by the time since. */
static void keep_row(struct fold *f, uint32_t node)
{
	const struct snapshot *p = f->settings.previous;
	struct row *row = &f->rows[node];
	size_t from, to = (size_t)node * f->nodes.count, i;

	blank_row(f, node);
	if (row->previous == NAMES_NONE)
		return;
	f->next.seen[node] = p->seen[row->previous];
	if (isnan(p->age_s[row->previous]))
		return;
	from = (size_t)row->previous * p->nodes.count;
	for (i = 0; i < p->nodes.count; i++) {
		f->next.link.rtt_us[to + f->column[i]] = p->link.rtt_us[from + i];
		f->next.link.jitter_us[to + f->column[i]] = p->link.jitter_us[from + i];
		f->next.link.loss[to + f->column[i]] = p->link.loss[from + i];
	}
	fold_keep_clients(f, row);
	f->next.age_s[node] = p->age_s[row->previous] + fmax(0, f->settings.elapsed_s);
	f->next.load[node] = p->load[row->previous];
}

static void settle_row(struct fold *f, uint32_t node)
{
	struct row *row = &f->rows[node];

	if (row->verdict == FOLD_FRESH && is_stale(f, row))
		row->verdict = FOLD_STALE;
	if (row->verdict == FOLD_FRESH) {
		f->next.age_s[node] = fmax(0, row->report_age_s);
		f->next.load[node] = row->load;
		f->next.seen[node] = row->seen;
	} else {
		keep_row(f, node);
	}
}

static bool is_dead(const struct fold *f, uint32_t node)
{
	return !(f->next.age_s[node] < FOLD_DEAD_PERIODS * f->period_s); /* NaN too */
}

/* Whether the previous rows that would go are too many to be believed at once. */
static bool must_hold_back(struct fold *f, struct fold_summary *summary)
{
	const struct snapshot *p = f->settings.previous;
	uint32_t known = 0, i;

	for (i = 0; i < f->nodes.count; i++) {
		struct row *row = &f->rows[i];

		if (row->previous == NAMES_NONE || isnan(p->age_s[row->previous]))
			continue;
		known++;
		row->lost = !row->expected || is_dead(f, i);
		summary->lost += row->lost;
	}
	return summary->lost * 2 > known && p->degraded_runs + 1 < FOLD_PATIENCE;
}

/* --- the result ---------------------------------------------------------------------------------------------------- */

static void copy_row(const struct fold *f, uint32_t from, struct snapshot *out, uint32_t to)
{
	size_t source = (size_t)from * f->nodes.count, target = (size_t)to * out->nodes.count;
	uint32_t i;

	out->age_s[to] = f->next.age_s[from];
	out->load[to] = f->next.load[from];
	out->seen[to] = f->next.seen[from];
	out->lost_s[to] = f->next.lost_s[from];
	out->witnesses[to] = f->next.witnesses[from];
	for (i = 0; i < out->nodes.count; i++) {
		uint32_t column = names_find(&f->nodes, out->nodes.items[i]);

		out->link.rtt_us[target + i] = f->next.link.rtt_us[source + column];
		out->link.jitter_us[target + i] = f->next.link.jitter_us[source + column];
		out->link.loss[target + i] = f->next.link.loss[source + column];
	}
}

/* Without the rows and columns of nodes that are gone. Mostly there are none, and everything just moves. */
static void move_nodes(struct fold *f, struct snapshot *out)
{
	struct names stay = {0};
	uint32_t i, to = 0;

	for (i = 0; i < f->nodes.count; i++)
		if (f->rows[i].expected)
			names_add(&stay, f->nodes.items[i]);
	if (stay.count == f->nodes.count) {
		*out = f->next;
		f->next = (struct snapshot){0};
	} else {
		snapshot_init(out, &stay, NULL);
		for (i = 0; i < f->nodes.count; i++)
			if (f->rows[i].expected)
				copy_row(f, i, out, to++);
	}
	names_free(&stay);
}

static void count_rows(const struct fold *f, const struct snapshot *out, struct fold_summary *summary)
{
	uint32_t i;

	summary->nodes = out->nodes.count;
	summary->clients = out->clients.count;
	for (i = 0; i < f->nodes.count; i++) {
		summary->stale += f->rows[i].verdict == FOLD_STALE;
		summary->replayed += f->rows[i].verdict == FOLD_REPLAYED;
		summary->conflicts += f->rows[i].verdict == FOLD_CONFLICT;
	}
	for (i = 0; i < out->nodes.count; i++) {
		bool fresh = fold_verdict_of(f, out->nodes.items[i]) == FOLD_FRESH;

		if (isnan(out->age_s[i])) {
			summary->unknown++;
			continue;
		}
		summary->fresh += fresh;
		summary->aged += !fresh;
		summary->oldest_s = fmax(summary->oldest_s, out->age_s[i]);
	}
}

void fold_finish(struct fold *f, struct snapshot *out, struct fold_summary *summary)
{
	uint32_t i;

	*summary = (struct fold_summary){0};
	f->period_s = fmax(f->period_s, probe_interval_s(f));
	for (i = 0; i < f->nodes.count; i++)
		settle_row(f, i);
	summary->held_back = f->settings.previous && must_hold_back(f, summary);
	for (i = 0; i < f->nodes.count; i++) {
		struct row *row = &f->rows[i];

		if (row->lost && summary->held_back) {
			row->expected = true;
			row->verdict = row->verdict == FOLD_FRESH ? FOLD_STALE : row->verdict;
			keep_row(f, i);
		} else if (is_dead(f, i)) {
			blank_row(f, i);
		}
	}
	f->next.period_s = f->period_s;
	f->next.degraded_runs = summary->held_back ? f->settings.previous->degraded_runs + 1 : 0;
	move_nodes(f, out);
	fold_fill_clients(f, out, summary);
	fold_inflow(&f->settings, out, summary);
	count_rows(f, out, summary);
}

enum fold_verdict fold_verdict_of(const struct fold *f, const char *node)
{
	uint32_t index = names_find(&f->nodes, node);

	return index == NAMES_NONE ? FOLD_UNKNOWN : f->rows[index].verdict;
}

void fold_free(struct fold *f)
{
	uint32_t i;

	for (i = 0; i < f->nodes.count; i++)
		free(f->rows[i].cells);
	free(f->rows);
	free(f->column);
	free(f->silent_s);
	names_free(&f->nodes);
	names_free(&f->clients);
	snapshot_free(&f->next);
	free(f);
}
