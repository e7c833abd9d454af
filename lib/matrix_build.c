/* From a snapshot to a matrix: folds pairs, computes costs, lays names and hash tables into the block. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/matrix_block.h"
#include "lib/mem.h"

#define TILE 64				/* 3 x 2 tiles of 64 x 64 floats: 96 KiB, within a second-level cache */
#define PERIOD_LEAST_S 60.0

/* One direction of a pair. */
struct leg {
	float rtt_us, jitter_us, loss;
};

static inline float larger(float a, float b)
{
	return isnan(b) || a > b ? a : b;
}

static inline bool is_lost(struct leg leg)
{
	return isnan(leg.rtt_us) && leg.loss >= 1;
}

static inline uint8_t flags_of(struct leg leg, uint8_t measured, uint8_t lost)
{
	if (!isnan(leg.rtt_us))
		return measured;
	return is_lost(leg) ? lost : 0;
}

static inline struct leg fold(struct leg a, struct leg b)
{
	return (struct leg){larger(a.rtt_us, b.rtt_us), larger(a.jitter_us, b.jitter_us), larger(a.loss, b.loss)};
}

/* NaN in jitter or loss costs nothing: comparisons with it are false. NaN in the RTT stays NaN. */
static inline float cost_of(struct leg leg)
{
	double cost = leg.rtt_us;

	if (leg.jitter_us > (float)MATRIX_JITTER_FREE_US)
		cost += leg.jitter_us - MATRIX_JITTER_FREE_US;
	if (leg.loss > (float)MATRIX_LOSS_FREE)
		cost += (leg.loss - MATRIX_LOSS_FREE) * MATRIX_LOSS_COST_US;
	return (float)cost;
}

static inline struct leg leg_at(const struct snapshot_links *links, size_t at)
{
	return (struct leg){links->rtt_us[at], links->jitter_us[at], links->loss[at]};
}

struct target {
	size_t n;
	float *rtt, *cost, *jitter, *loss;
	uint8_t *pair;
	float worst_us;
};

static inline void fold_pair(struct target *t, const struct snapshot_links *links, size_t high, size_t low)
{
	size_t here = high * t->n + low, there = low * t->n + high, below = high * (high - 1) / 2 + low;
	struct leg out = leg_at(links, here), back = leg_at(links, there), both = fold(out, back);

	t->rtt[here] = t->rtt[there] = both.rtt_us;
	t->cost[here] = t->cost[there] = cost_of(both);
	t->jitter[below] = both.jitter_us;
	t->loss[below] = both.loss;
	t->pair[here] = (uint8_t)(flags_of(out, PAIR_HERE, PAIR_HERE_LOST) | flags_of(back, PAIR_THERE, PAIR_THERE_LOST));
	t->pair[there] = (uint8_t)(flags_of(back, PAIR_HERE, PAIR_HERE_LOST) | flags_of(out, PAIR_THERE, PAIR_THERE_LOST));
	if (both.rtt_us > t->worst_us)
		t->worst_us = both.rtt_us;
}

/* In tiles, because the other direction of a row is a column. */
static void fold_nodes(struct target *t, const struct snapshot_links *links)
{
	size_t top, left, i, j;

	for (top = 0; top < t->n; top += TILE)
		for (left = 0; left <= top; left += TILE)
			for (i = top; i < top + TILE && i < t->n; i++)
				for (j = left; j < left + TILE && j < i; j++)
					fold_pair(t, links, i, j);
	for (i = 0; i < t->n; i++)
		t->pair[i * t->n + i] = PAIR_HERE | PAIR_THERE; /* rtt and cost are 0 already */
}

/* A cell that was not measured: what it is likely to cost, never more than the bound that stands in place of a measurement. */
static inline void set_estimate(struct target *t, size_t at, float estimate_us)
{
	if (isnan(estimate_us) || isnan(t->rtt[at]))
		return;
	t->pair[at] |= PAIR_ESTIMATE;
	t->cost[at] = estimate_us < t->rtt[at] ? estimate_us : t->rtt[at];
}

static void fold_clients(struct target *t, const struct snapshot_links *links, const float *estimate_us, size_t clients)
{
	size_t node, client;

	for (node = 0; node < t->n; node++)
		for (client = 0; client < clients; client++) {
			struct leg leg = leg_at(links, node * clients + client);
			size_t at = client * t->n + node;

			t->rtt[at] = leg.rtt_us;
			t->cost[at] = cost_of(leg);
			t->pair[at] = flags_of(leg, PAIR_THERE, PAIR_THERE_LOST);
			if (estimate_us)
				set_estimate(t, at, estimate_us[node * clients + client]);
			if (leg.rtt_us > t->worst_us)
				t->worst_us = leg.rtt_us;
		}
}

static void add_name(uint32_t *slots, uint32_t slot_count, const char *name, uint32_t index)
{
	uint32_t at = matrix_hash(name) & (slot_count - 1);

	while (slots[at])
		at = (at + 1) & (slot_count - 1);
	slots[at] = index + 1;
}

/* slots_at 0: nobody looks for these. */
static void add_names(struct matrix *m, const struct names *names, uint32_t first, size_t slots_at, size_t *used)
{
	uint32_t *name_at = matrix_part(m, m->at.name_at), i;

	for (i = 0; i < names->count; i++) {
		size_t size = strlen(names->items[i]) + 1;

		memcpy((char *)matrix_part(m, m->at.names) + *used, names->items[i], size);
		name_at[first + i] = (uint32_t)*used;
		*used += size;
		if (slots_at)
			add_name(matrix_part(m, slots_at), matrix_slot_count(names->count), names->items[i], i);
	}
}

static size_t bytes_of(const struct names *names)
{
	size_t bytes = 0;
	uint32_t i;

	for (i = 0; i < names->count; i++)
		bytes += strlen(names->items[i]) + 1;
	return bytes;
}

static void fill_header(struct matrix *m, const struct snapshot *s, size_t names_bytes)
{
	struct matrix_header *h = matrix_header(m);

	*h = (struct matrix_header){.magic = MATRIX_MAGIC, .size = m->at.size, .names_bytes = names_bytes, .nodes = s->nodes.count,
				    .clients = s->clients.count, .entries = s->entry.nodes.count, .is_plain = s->is_plain, .generation = s->generation,
				    .written_ms = s->written_ms, .entry_age_s = s->entry.nodes.count ? s->entry.age_s : (double)NAN,
				    .period_s = s->period_s > PERIOD_LEAST_S ? s->period_s : PERIOD_LEAST_S};
	memcpy(h->epoch, s->epoch, sizeof(s->epoch));
}

static void fill_nodes(struct matrix *m, const struct snapshot *s)
{
	float *age = matrix_part(m, m->at.age), *cpu = matrix_part(m, m->at.cpu), *traffic = matrix_part(m, m->at.traffic);
	float *rate = matrix_part(m, m->at.entry_rate), *lost = matrix_part(m, m->at.lost);
	uint32_t *witnesses = matrix_part(m, m->at.witnesses), i;

	for (i = 0; i < s->nodes.count; i++) {
		age[i] = (float)s->age_s[i];
		cpu[i] = (float)s->load[i].cpu;
		traffic[i] = (float)(s->load[i].rx_bytes_per_s + s->load[i].tx_bytes_per_s);
		lost[i] = (float)s->lost_s[i];
		witnesses[i] = s->witnesses[i];
	}
	for (i = 0; i < s->entry.nodes.count; i++)
		rate[i] = (float)s->entry.rate[i];
}

/* Four lanes of multiply and shift: a checksum against accidents, not against an adversary. */
static uint64_t digest_of(const char *block, size_t size)
{
	uint64_t lanes[4] = {1, 2, 3, 4}, words[4], sum = size;
	size_t at, i;

	for (at = 0; at + sizeof(words) <= size; at += sizeof(words)) {
		memcpy(words, block + at, sizeof(words));
		for (i = 0; i < 4; i++) {
			lanes[i] = (lanes[i] ^ words[i]) * UINT64_C(0x9e3779b97f4a7c15);
			lanes[i] ^= lanes[i] >> 29;
		}
	}
	for (i = 0; i < 4; i++)
		sum = (sum ^ lanes[i]) * UINT64_C(0xbf58476d1ce4e5b9) + (sum >> 31);
	return sum;
}

struct matrix *matrix_build(const struct snapshot *s)
{
	size_t names_bytes = bytes_of(&s->nodes) + bytes_of(&s->clients) + bytes_of(&s->entry.nodes) + 1, used = 0;
	struct matrix *m = xcalloc(1, sizeof(*m));
	struct target t = {.n = s->nodes.count};

	m->references = 1;
	m->at = matrix_layout(s->nodes.count, s->clients.count, s->entry.nodes.count, names_bytes);
	m->block = xcalloc(m->at.size, 1);
	fill_header(m, s, names_bytes);
	fill_nodes(m, s);
	t.rtt = matrix_part(m, m->at.rtt), t.cost = matrix_part(m, m->at.cost), t.pair = matrix_part(m, m->at.pair);
	t.jitter = matrix_part(m, m->at.jitter), t.loss = matrix_part(m, m->at.loss);
	fold_nodes(&t, &s->link);
	t.rtt = matrix_part(m, m->at.client_rtt), t.cost = matrix_part(m, m->at.client_cost), t.pair = matrix_part(m, m->at.client_pair);
	fold_clients(&t, &s->client, s->client_estimate_us, s->clients.count);
	add_names(m, &s->nodes, 0, m->at.node_slots, &used);
	add_names(m, &s->clients, s->nodes.count, m->at.client_slots, &used);
	add_names(m, &s->entry.nodes, s->nodes.count + s->clients.count, 0, &used);
	matrix_header(m)->worst_us = t.worst_us;
	matrix_header(m)->digest = digest_of(m->block, m->at.size);
	return m;
}
