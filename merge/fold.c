#include "merge/fold.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "merge/fold_inflow.h"

#define RTT_SCALE 10.0
#define LOSS_SCALE 10000.0

/* One measured client; rows hold lists, because the clients may be known only when all reports are read. */
struct client_cell {
	uint32_t client;		/* index in fold.clients */
	float rtt_us, jitter_us, loss;
};

struct row {
	bool expected;			/* in settings.nodes */
	bool reported;
	enum fold_verdict verdict;
	uint32_t previous;		/* its index in the previous snapshot, NAMES_NONE */
	double report_age_s, interval_s;
	struct snapshot_seen seen;	/* of the report */
	struct snapshot_load load;
	struct client_cell *cells;
	size_t cell_count;
	bool lost;			/* known before, and about to become unknown or to vanish */
};

struct fold {
	struct fold_settings settings;
	struct names nodes;		/* sorted; the expected and those of the previous snapshot */
	struct names clients;
	struct row *rows;
	struct snapshot next;		/* for all of `nodes`; rows of reports are filled as they come */
	uint32_t *column;		/* of `next` for each previous node */
	double period_s;
};

static float rounded(double value, double scale)
{
	return isnan(value) ? NAN : (float)(floor(value * scale + 0.5) / scale);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int by_size(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* The union of two sets, sorted. `b` may be NULL. */
static struct names sorted_union(const struct names *a, const struct names *b)
{
	uint32_t count = 0, i;
	auto_free char **all = xcalloc((size_t)a->count + (b ? b->count : 0), sizeof(*all));
	struct names out = {0};

	for (i = 0; i < a->count; i++)
		all[count++] = a->items[i];
	for (i = 0; b && i < b->count; i++)
		all[count++] = b->items[i];
	qsort(all, count, sizeof(*all), by_text);
	for (i = 0; i < count; i++)
		names_add(&out, all[i]); /* a second time it is not added */
	return out;
}

struct fold *fold_new(const struct fold_settings *settings)
{
	const struct snapshot *previous = settings->previous;
	struct fold *f = xcalloc(1, sizeof(*f));
	static const struct names none;
	uint32_t i;

	f->settings = *settings;
	f->nodes = sorted_union(settings->nodes, previous ? &previous->nodes : NULL);
	f->clients = sorted_union(settings->clients ? settings->clients : &none, NULL);
	f->rows = xcalloc(f->nodes.count, sizeof(*f->rows));
	f->period_s = fmax(FOLD_PERIOD_LEAST_S, settings->interval_s);
	snapshot_init(&f->next, &f->nodes, NULL);
	for (i = 0; i < f->nodes.count; i++) {
		f->rows[i].expected = names_find(settings->nodes, f->nodes.items[i]) != NAMES_NONE;
		f->rows[i].previous = previous ? names_find(&previous->nodes, f->nodes.items[i]) : NAMES_NONE;
	}
	f->column = xcalloc(previous ? previous->nodes.count : 0, sizeof(*f->column));
	for (i = 0; previous && i < previous->nodes.count; i++)
		f->column[i] = names_find(&f->nodes, previous->nodes.items[i]);
	return f;
}

/* --- taking a report ----------------------------------------------------------------------------------------------- */

static void take_peers(struct fold *f, uint32_t node, const struct report_links *peers)
{
	size_t first = (size_t)node * f->nodes.count, i;

	for (i = 0; i < peers->count; i++) {
		const struct report_link *link = &peers->items[i];
		uint32_t to = names_find(&f->nodes, link->name);

		if (to == NAMES_NONE || to == node)
			continue;
		f->next.link.rtt_us[first + to] = rounded(link->rtt_us, RTT_SCALE);
		f->next.link.jitter_us[first + to] = rounded(link->jitter_us, RTT_SCALE);
		f->next.link.loss[first + to] = rounded(link->loss, LOSS_SCALE);
	}
}

static void take_clients(struct fold *f, struct row *row, const struct report_links *clients)
{
	size_t i;

	row->cells = xcalloc(clients->count, sizeof(*row->cells));
	for (i = 0; i < clients->count; i++) {
		const struct report_link *link = &clients->items[i];
		uint32_t client = names_find(&f->clients, link->name);

		if (client == NAMES_NONE && !f->settings.clients && f->clients.count < SNAPSHOT_MAX_CLIENTS)
			client = names_add(&f->clients, link->name);
		if (client == NAMES_NONE)
			continue;
		row->cells[row->cell_count++] = (struct client_cell){client, rounded(link->rtt_us, RTT_SCALE),
								     rounded(link->jitter_us, RTT_SCALE), rounded(link->loss, LOSS_SCALE)};
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
	take_clients(f, row, &report->clients);
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

/* --- judging it ---------------------------------------------------------------------------------------------------- */

static bool differs(float a, float b)
{
	return isnan(a) != isnan(b) || (!isnan(a) && a != b);
}

/* Whether a report with the seq of the previous row says something else, where both say anything. */
static bool contradicts(const struct fold *f, uint32_t node)
{
	const struct snapshot *p = f->settings.previous;
	const struct row *row = &f->rows[node];
	size_t before = (size_t)row->previous * p->nodes.count, now = (size_t)node * f->nodes.count, i;

	if (isnan(p->age_s[row->previous]))
		return false;
	for (i = 0; i < p->nodes.count; i++)
		if (differs(p->link.rtt_us[before + i], f->next.link.rtt_us[now + f->column[i]]) ||
		    differs(p->link.jitter_us[before + i], f->next.link.jitter_us[now + f->column[i]]) ||
		    differs(p->link.loss[before + i], f->next.link.loss[now + f->column[i]]))
			return true;
	for (i = 0; i < row->cell_count; i++) {
		uint32_t client = names_find(&p->clients, f->clients.items[row->cells[i].client]);
		size_t at = (size_t)row->previous * p->clients.count + client;

		if (client != NAMES_NONE && (differs(p->client.rtt_us[at], row->cells[i].rtt_us) ||
					     differs(p->client.jitter_us[at], row->cells[i].jitter_us) ||
					     differs(p->client.loss[at], row->cells[i].loss)))
			return true;
	}
	return false;
}

static enum fold_verdict judge(const struct fold *f, uint32_t node)
{
	const struct row *row = &f->rows[node];
	const struct snapshot_seen *seen = row->previous == NAMES_NONE ? NULL : &f->settings.previous->seen[row->previous];

	if (!row->reported)
		return FOLD_NONE;
	if (!seen || !seen->boot_id[0] || !STREQ(seen->boot_id, row->seen.boot_id) || row->seen.seq > seen->seq)
		return FOLD_FRESH;
	if (row->seen.seq < seen->seq)
		return FOLD_REPLAYED;
	if (contradicts(f, node))
		return FOLD_CONFLICT;
	if (row->report_age_s < -FOLD_FUTURE_S || row->report_age_s > FOLD_FRESH_PERIODS * fmax(f->period_s, row->interval_s))
		return FOLD_STALE;
	return FOLD_FRESH;
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

static void keep_clients(struct fold *f, struct row *row)
{
	const struct snapshot *p = f->settings.previous;
	size_t first = (size_t)row->previous * p->clients.count;
	uint32_t i;

	free(row->cells);
	row->cells = xcalloc(p->clients.count, sizeof(*row->cells));
	row->cell_count = 0;
	for (i = 0; i < p->clients.count; i++) {
		float rtt_us = p->client.rtt_us[first + i], loss = p->client.loss[first + i];
		uint32_t client = names_find(&f->clients, p->clients.items[i]);

		if (client == NAMES_NONE && !f->settings.clients && !(isnan(rtt_us) && isnan(loss)) && f->clients.count < SNAPSHOT_MAX_CLIENTS)
			client = names_add(&f->clients, p->clients.items[i]);
		if (client != NAMES_NONE)
			row->cells[row->cell_count++] = (struct client_cell){client, rtt_us, p->client.jitter_us[first + i], loss};
	}
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
	keep_clients(f, row);
	f->next.age_s[node] = p->age_s[row->previous] + fmax(0, f->settings.elapsed_s);
	f->next.load[node] = p->load[row->previous];
}

static void settle_row(struct fold *f, uint32_t node)
{
	struct row *row = &f->rows[node];

	row->verdict = judge(f, node);
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

static void fill_clients(const struct fold *f, struct snapshot *out)
{
	struct names sorted = sorted_union(&f->clients, NULL);
	size_t count = (size_t)out->nodes.count * sorted.count, at, c;
	struct snapshot_links links = {xcalloc(count, sizeof(float)), xcalloc(count, sizeof(float)), xcalloc(count, sizeof(float))};
	uint32_t i, to = 0;

	for (at = 0; at < count; at++)
		links.rtt_us[at] = links.jitter_us[at] = links.loss[at] = NAN;
	for (i = 0; i < f->nodes.count; i++) {
		const struct row *row = &f->rows[i];

		for (c = 0; row->expected && c < row->cell_count; c++) {
			at = (size_t)to * sorted.count + names_find(&sorted, f->clients.items[row->cells[c].client]);
			links.rtt_us[at] = row->cells[c].rtt_us;
			links.jitter_us[at] = row->cells[c].jitter_us;
			links.loss[at] = row->cells[c].loss;
		}
		to += row->expected;
	}
	names_free(&out->clients);
	free(out->client.rtt_us);
	free(out->client.jitter_us);
	free(out->client.loss);
	out->clients = sorted;
	out->client = links;
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
	fill_clients(f, out);
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
	names_free(&f->nodes);
	names_free(&f->clients);
	snapshot_free(&f->next);
	free(f);
}
