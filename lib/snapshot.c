#include "lib/snapshot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "lib/snapshot_private.h"

struct decimals {
	int rtt, loss, cpu, age;
	bool exact;			/* bytes and requests with all digits of a float */
};

float *snapshot_blank_cells(size_t count)
{
	float *cells = xcalloc(count, sizeof(*cells));
	size_t i;

	for (i = 0; i < count; i++)
		cells[i] = NAN;
	return cells;
}

static struct snapshot_links unknown_links(size_t count)
{
	return (struct snapshot_links){snapshot_blank_cells(count), snapshot_blank_cells(count), snapshot_blank_cells(count)};
}

static void copy_names(struct names *to, const struct names *from)
{
	uint32_t i;

	for (i = 0; i < from->count; i++)
		names_add(to, from->items[i]);
}

void snapshot_zero_diagonal(struct snapshot *s)
{
	uint32_t i;

	for (i = 0; i < s->nodes.count; i++) {
		size_t at = (size_t)i * s->nodes.count + i;

		s->link.rtt_us[at] = s->link.jitter_us[at] = s->link.loss[at] = 0;
	}
}

void snapshot_blank_nodes(struct snapshot *s)
{
	uint32_t count = s->nodes.count, i;

	s->age_s = xcalloc(count, sizeof(*s->age_s));
	s->seen = xcalloc(count, sizeof(*s->seen));
	s->load = xcalloc(count, sizeof(*s->load));
	s->lost_s = xcalloc(count, sizeof(*s->lost_s));
	s->witnesses = xcalloc(count, sizeof(*s->witnesses));
	for (i = 0; i < count; i++) {
		s->age_s[i] = s->lost_s[i] = NAN;
		s->load[i] = (struct snapshot_load){NAN, NAN, NAN};
	}
}

void snapshot_blank(struct snapshot *s)
{
	*s = (struct snapshot){.written_ms = -1, .period_s = 60, .entry.age_s = NAN};
}

void snapshot_init(struct snapshot *s, const struct names *nodes, const struct names *clients)
{
	snapshot_blank(s);
	copy_names(&s->nodes, nodes);
	if (clients)
		copy_names(&s->clients, clients);
	snapshot_blank_nodes(s);
	s->link = unknown_links((size_t)s->nodes.count * s->nodes.count);
	s->client = unknown_links((size_t)s->nodes.count * s->clients.count);
	snapshot_zero_diagonal(s);
}

void snapshot_want_estimates(struct snapshot *s)
{
	if (!s->client_estimate_us)
		s->client_estimate_us = snapshot_blank_cells((size_t)s->nodes.count * s->clients.count);
}

/* --- entry ----------------------------------------------------------------------------------------------------------- */

bool snapshot_entry_add(struct snapshot_entry *entry, const char *node, double rate)
{
	uint32_t at = entry->nodes.count;
	size_t room = at;

	if (at == SNAPSHOT_MAX_NODES || names_add(&entry->nodes, node) == NAMES_NONE)
		return false;
	if (!(at & (at - 1)))		/* 0, 1, 2, 4, 8: as many again, so that the room follows from the count */
		grow(&entry->rate, &room, at ? 2 * (size_t)at : 1, sizeof(*entry->rate));
	entry->rate[at] = rate;
	return true;
}

void snapshot_entry_copy(struct snapshot_entry *to, const struct snapshot_entry *from)
{
	uint32_t i;

	*to = (struct snapshot_entry){.age_s = from->age_s};
	for (i = 0; i < from->nodes.count; i++)
		snapshot_entry_add(to, from->nodes.items[i], from->rate[i]);
}

void snapshot_entry_free(struct snapshot_entry *entry)
{
	names_free(&entry->nodes);
	free(entry->rate);
	*entry = (struct snapshot_entry){.age_s = NAN};
}

/* --- writing --------------------------------------------------------------------------------------------------------- */

static void write_names(struct buf *out, const char *key, const struct names *names)
{
	uint32_t i;

	buf_printf(out, "\"%s\":[", key);
	for (i = 0; i < names->count; i++) {
		buf_str(out, i ? "," : "");
		buf_json_string(out, names->items[i]);
	}
	buf_char(out, ']');
}

static void write_scalars(const struct snapshot *s, struct buf *out)
{
	char written[CLOCK_TEXT];

	buf_printf(out, "{\"version\":%d,\"epoch\":", SNAPSHOT_VERSION);
	buf_json_string(out, s->epoch);
	buf_printf(out, ",\"generation\":%lld", (long long)s->generation);
	if (s->written_ms >= 0) {
		clock_format(s->written_ms, written);
		buf_printf(out, ",\"written\":\"%s\"", written);
	}
	buf_str(out, ",\"period_s\":");
	buf_decimal(out, s->period_s, 3);
	buf_printf(out, ",\"degraded_runs\":%lld,\n", (long long)s->degraded_runs);
}

/* Counts of bytes and of requests. 9 digits tell any two floats apart. */
static void write_rate(double rate, int decimals, const struct decimals *d, struct buf *out)
{
	if (d->exact && isfinite(rate))
		buf_printf(out, "%.9g", rate);
	else
		buf_decimal(out, rate, decimals);
}

static void write_one_load(const struct snapshot_load *load, const struct decimals *d, struct buf *out)
{
	if (isnan(load->cpu) && isnan(load->rx_bytes_per_s) && isnan(load->tx_bytes_per_s)) {
		buf_str(out, "null");
		return;
	}
	buf_str(out, "{\"cpu\":");
	buf_decimal(out, load->cpu, d->cpu);
	buf_str(out, ",\"rx_bytes_per_s\":");
	write_rate(load->rx_bytes_per_s, 0, d, out);
	buf_str(out, ",\"tx_bytes_per_s\":");
	write_rate(load->tx_bytes_per_s, 0, d, out);
	buf_char(out, '}');
}

static void write_by_node(const struct snapshot *s, const struct decimals *d, struct buf *out)
{
	uint32_t i;

	buf_str(out, ",\n\"age_s\":[");
	for (i = 0; i < s->nodes.count; i++) {
		buf_str(out, i ? "," : "");
		buf_decimal(out, s->age_s[i], d->age);
	}
	buf_str(out, "],\n\"seen\":[");
	for (i = 0; i < s->nodes.count; i++) {
		buf_str(out, i ? "," : "");
		if (!s->seen[i].boot_id[0]) {
			buf_str(out, "null");
			continue;
		}
		buf_char(out, '[');
		buf_json_string(out, s->seen[i].boot_id);
		buf_printf(out, ",%lld]", (long long)s->seen[i].seq);
	}
	buf_str(out, "],\n\"load\":[");
	for (i = 0; i < s->nodes.count; i++) {
		buf_str(out, i ? "," : "");
		write_one_load(&s->load[i], d, out);
	}
	buf_str(out, "],\n");
}

static bool has_witnesses(const struct snapshot *s)
{
	uint32_t i;

	for (i = 0; i < s->nodes.count; i++)
		if (s->witnesses[i] || !isnan(s->lost_s[i]))
			return true;
	return false;
}

static void write_silence(const struct snapshot *s, const struct decimals *d, struct buf *out)
{
	uint32_t i;

	if (!has_witnesses(s))
		return;
	buf_str(out, "\"lost_s\":[");
	for (i = 0; i < s->nodes.count; i++) {
		buf_str(out, i ? "," : "");
		buf_decimal(out, s->lost_s[i], d->age);
	}
	buf_str(out, "],\n\"witnesses\":[");
	for (i = 0; i < s->nodes.count; i++) {
		buf_str(out, i ? "," : "");
		buf_i64(out, s->witnesses[i]);
	}
	buf_str(out, "],\n");
}

static void write_entry(const struct snapshot_entry *entry, const struct decimals *d, struct buf *out)
{
	uint32_t i;

	if (!entry->nodes.count)
		return;
	buf_str(out, "\"entry\":{");
	for (i = 0; i < entry->nodes.count; i++) {
		buf_str(out, i ? "," : "");
		buf_json_string(out, entry->nodes.items[i]);
		buf_char(out, ':');
		write_rate(entry->rate[i], 6, d, out);
	}
	buf_str(out, "},\"entry_age_s\":");
	buf_decimal(out, entry->age_s, d->age);
	buf_str(out, ",\n");
}

static void write_links(const struct snapshot_links *links, const char *prefix, uint32_t rows, uint32_t columns, const struct decimals *d,
			struct buf *out)
{
	const struct {
		const char *name;
		float *cells;
		int decimals;
	} each[] = {{"rtt_us", links->rtt_us, d->rtt}, {"jitter_us", links->jitter_us, d->rtt}, {"loss", links->loss, d->loss}};
	char name[32];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(each); i++) {
		snprintf(name, sizeof(name), "%s%s", prefix, each[i].name);
		buf_str(out, i ? ",\n" : "");
		snapshot_rows_write(out, &(struct snapshot_matrix){.name = name, .rows = rows, .columns = columns, .cells = each[i].cells},
				    each[i].decimals);
	}
}

static void write_all(const struct snapshot *s, const struct decimals *d, struct buf *out)
{
	write_scalars(s, out);
	write_names(out, "nodes", &s->nodes);
	write_by_node(s, d, out);
	write_silence(s, d, out);
	write_entry(&s->entry, d, out);
	write_links(&s->link, "", s->nodes.count, s->nodes.count, d, out);
	buf_str(out, ",\n");
	write_names(out, "clients", &s->clients);
	buf_str(out, ",\n");
	write_links(&s->client, "client_", s->nodes.count, s->clients.count, d, out);
	if (s->client_estimate_us) {
		buf_str(out, ",\n");
		snapshot_rows_write(out, &(struct snapshot_matrix){.name = "client_estimate_us", .rows = s->nodes.count,
				    .columns = s->clients.count, .cells = s->client_estimate_us}, d->rtt);
	}
	buf_str(out, "}\n");
}

void snapshot_write(const struct snapshot *s, struct buf *out)
{
	write_all(s, &(struct decimals){.rtt = 1, .loss = 4, .cpu = 4, .age = 3}, out);
}

void snapshot_write_exact(const struct snapshot *s, struct buf *out)
{
	write_all(s, &(struct decimals){.rtt = 6, .loss = 6, .cpu = 6, .age = 6, .exact = true}, out);
}

static void free_links(struct snapshot_links *links)
{
	free(links->rtt_us);
	free(links->jitter_us);
	free(links->loss);
}

void snapshot_free(struct snapshot *s)
{
	names_free(&s->nodes);
	names_free(&s->clients);
	free(s->age_s);
	free(s->seen);
	free(s->load);
	free(s->lost_s);
	free(s->witnesses);
	free_links(&s->link);
	free_links(&s->client);
	free(s->client_estimate_us);
	snapshot_entry_free(&s->entry);
	*s = (struct snapshot){0};
}
