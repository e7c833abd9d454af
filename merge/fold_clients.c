/* Client columns of the fold: what probes measured; what users saw and estimates come to it at the end. */
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "merge/estimate.h"
#include "merge/fold_private.h"

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

struct names fold_union(const struct names *a, const struct names *b)
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

void fold_take_clients(struct fold *f, struct row *row, const struct report_links *clients)
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
		row->cells[row->cell_count++] = (struct client_cell){client, fold_rounded(link->rtt_us, FOLD_RTT_SCALE),
								     fold_rounded(link->jitter_us, FOLD_RTT_SCALE), fold_rounded(link->loss, FOLD_LOSS_SCALE)};
	}
}

bool fold_clients_contradict(const struct fold *f, const struct row *row)
{
	const struct snapshot *p = f->settings.previous;
	size_t i;

	for (i = 0; i < row->cell_count; i++) {
		const struct client_cell *cell = &row->cells[i];
		uint32_t client = names_find(&p->clients, f->clients.items[cell->client]);
		size_t at = (size_t)row->previous * p->clients.count + client;

		if (client == NAMES_NONE || estimate_made(p, at))
			continue;
		if (fold_differs(p->client.rtt_us[at], cell->rtt_us) || fold_differs(p->client.jitter_us[at], cell->jitter_us) ||
		    fold_differs(p->client.loss[at], cell->loss))
			return true;
	}
	return false;
}

void fold_keep_clients(struct fold *f, struct row *row)
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

		if (estimate_made(p, first + i))
			continue;
		if (client == NAMES_NONE && !f->settings.clients && !(isnan(rtt_us) && isnan(loss)) && f->clients.count < SNAPSHOT_MAX_CLIENTS)
			client = names_add(&f->clients, p->clients.items[i]);
		if (client != NAMES_NONE)
			row->cells[row->cell_count++] = (struct client_cell){client, rtt_us, p->client.jitter_us[first + i], loss};
	}
}

static void fill_measured(const struct fold *f, struct snapshot *out)
{
	struct names sorted = fold_union(&f->clients, NULL);
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

/* A group that no probe knows is a client of its own. */
static void add_groups(struct fold *f)
{
	const struct observed *observed = f->settings.observed;
	size_t i;

	for (i = 0; observed && i < observed->count && f->clients.count < SNAPSHOT_MAX_CLIENTS; i++)
		names_add(&f->clients, observed->groups[i].name);
}

void fold_fill_clients(struct fold *f, struct snapshot *out, struct fold_summary *summary)
{
	struct estimate_summary made;

	add_groups(f);
	fill_measured(f, out);
	estimate_clients(out, f->settings.observed, &made);
	summary->observed = made.observed;
	summary->estimated = made.estimated;
}
