#include "merge/fold_inflow.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

#define ENTRY_SCALE 1e6			/* as many decimals as the file has */

static int by_node(const void *a, const void *b, void *entry)
{
	const struct snapshot_entry *e = entry;

	return strcmp(e->nodes.items[*(const uint32_t *)a], e->nodes.items[*(const uint32_t *)b]);
}

static double rounded(double rate)
{
	return rate * ENTRY_SCALE < 0x1p51 ? floor(rate * ENTRY_SCALE + 0.5) / ENTRY_SCALE : rate; /* beyond that the product itself is rounded: it would creep */
}

/* Those of `from` that are in `nodes`, by name; false, and nothing, when they have no traffic. */
static bool take_entry(const struct snapshot_entry *from, const struct names *nodes, struct snapshot_entry *out)
{
	auto_free uint32_t *order = xcalloc(from->nodes.count, sizeof(*order));
	struct snapshot_entry view = *from;	/* qsort_r wants no const */
	bool any = false;
	uint32_t i;

	for (i = 0; i < from->nodes.count; i++)
		order[i] = i;
	qsort_r(order, from->nodes.count, sizeof(*order), by_node, &view);
	for (i = 0; i < from->nodes.count; i++) {
		double rate = rounded(from->rate[order[i]]);

		if (names_find(nodes, from->nodes.items[order[i]]) == NAMES_NONE)
			continue;
		snapshot_entry_add(out, from->nodes.items[order[i]], rate);
		any |= rate > 0;
	}
	if (!any)
		snapshot_entry_free(out);
	return any;
}

static uint32_t count_strangers(const struct snapshot_entry *entry, const struct names *nodes)
{
	uint32_t count = 0, i;

	for (i = 0; entry && i < entry->nodes.count; i++)
		count += names_find(nodes, entry->nodes.items[i]) == NAMES_NONE;
	return count;
}

static void fold_entry(const struct fold_settings *settings, struct snapshot *out, struct fold_summary *summary)
{
	const struct snapshot_entry *old = settings->previous ? &settings->previous->entry : NULL;
	double age_s = old ? (isnan(old->age_s) ? 0 : old->age_s) + fmax(0, settings->elapsed_s) : NAN;

	if (settings->entry && take_entry(settings->entry, &out->nodes, &out->entry))
		out->entry.age_s = isnan(settings->entry->age_s) ? 0 : fmax(0, settings->entry->age_s);
	else if (old && old->nodes.count && age_s < FOLD_DEAD_PERIODS * out->period_s && take_entry(old, &out->nodes, &out->entry))
		out->entry.age_s = age_s;
	summary->entry_nodes = out->entry.nodes.count;
	summary->entry_age_s = out->entry.nodes.count ? out->entry.age_s : NAN;
	summary->entry_dropped = old && old->nodes.count && !out->entry.nodes.count;
}

/* A node that nothing is known of stays so: its traffic would be all that is. */
static void fold_traffic(const struct snapshot_entry *traffic, struct snapshot *out)
{
	bool any = false;
	uint32_t i;

	for (i = 0; i < traffic->nodes.count; i++)
		any |= traffic->rate[i] > 0 && names_find(&out->nodes, traffic->nodes.items[i]) != NAMES_NONE;
	for (i = 0; any && i < out->nodes.count; i++) {
		uint32_t at = names_find(&traffic->nodes, out->nodes.items[i]);
		bool known = at != NAMES_NONE && !isnan(out->age_s[i]);

		out->load[i].rx_bytes_per_s = known ? floor(traffic->rate[at] + 0.5) : NAN;
		out->load[i].tx_bytes_per_s = known ? 0 : NAN;
	}
}

void fold_inflow(const struct fold_settings *settings, struct snapshot *out, struct fold_summary *summary)
{
	fold_entry(settings, out, summary);
	if (settings->traffic)
		fold_traffic(settings->traffic, out);
	summary->strangers_entry = count_strangers(settings->entry, &out->nodes);
	summary->strangers_traffic = count_strangers(settings->traffic, &out->nodes);
}
