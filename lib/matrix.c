#include "lib/matrix.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/matrix_block.h"
#include "lib/mem.h"

uint32_t matrix_slot_count(uint32_t names)
{
	uint32_t count = 2;

	while (count < 2 * names)
		count *= 2;
	return count;
}

/* FNV-1a, as in names.c. */
uint32_t matrix_hash(const char *name)
{
	uint32_t h = 2166136261u;

	for (; *name; name++)
		h = (h ^ (unsigned char)*name) * 16777619u;
	return h;
}

/* The next part, on a cache line of its own. */
static size_t place(size_t *end, size_t count, size_t size)
{
	size_t at = (*end + 63) & ~(size_t)63;

	*end = at + count * size;
	return at;
}

struct matrix_offsets matrix_layout(uint32_t nodes, uint32_t clients, uint32_t entries, size_t names_bytes)
{
	size_t n = nodes, c = clients, end = sizeof(struct matrix_header);
	struct matrix_offsets at;

	at.age = place(&end, n, sizeof(float));
	at.cpu = place(&end, n, sizeof(float));
	at.traffic = place(&end, n, sizeof(float));
	at.lost = place(&end, n, sizeof(float));
	at.witnesses = place(&end, n, sizeof(uint32_t));
	at.entry_rate = place(&end, entries, sizeof(float));
	at.rtt = place(&end, n * n, sizeof(float));
	at.cost = place(&end, n * n, sizeof(float));
	at.pair = place(&end, n * n, 1);
	at.client_rtt = place(&end, c * n, sizeof(float));
	at.client_cost = place(&end, c * n, sizeof(float));
	at.client_pair = place(&end, c * n, 1);
	at.jitter = place(&end, n ? n * (n - 1) / 2 : 0, sizeof(float));
	at.loss = place(&end, n ? n * (n - 1) / 2 : 0, sizeof(float));
	at.name_at = place(&end, n + c + entries, sizeof(uint32_t));
	at.node_slots = place(&end, matrix_slot_count(nodes), sizeof(uint32_t));
	at.client_slots = place(&end, matrix_slot_count(clients), sizeof(uint32_t));
	at.names = place(&end, names_bytes, 1);
	at.size = place(&end, 0, 1);
	return at;
}

struct matrix *matrix_ref(struct matrix *m)
{
	atomic_fetch_add_explicit(&m->references, 1, memory_order_relaxed);
	return m;
}

void matrix_unref(struct matrix *m)
{
	if (!m || atomic_fetch_sub_explicit(&m->references, 1, memory_order_acq_rel) != 1)
		return;
	if (m->is_mapped)
		munmap(m->block, m->at.size);
	else
		free(m->block);
	free(m);
}

void cleanup_matrix(struct matrix **m)
{
	matrix_unref(*m);
}

uint32_t matrix_nodes(const struct matrix *m)
{
	return matrix_header(m)->nodes;
}

uint32_t matrix_clients(const struct matrix *m)
{
	return matrix_header(m)->clients;
}

static const char *name_of(const struct matrix *m, uint32_t index)
{
	const uint32_t *name_at = matrix_part(m, m->at.name_at);

	return (const char *)matrix_part(m, m->at.names) + name_at[index];
}

const char *matrix_node_name(const struct matrix *m, uint32_t node)
{
	return name_of(m, node);
}

const char *matrix_client_name(const struct matrix *m, uint32_t client)
{
	return name_of(m, matrix_nodes(m) + client);
}

/* `first` is where the names of this table begin among all names. */
static uint32_t find(const struct matrix *m, size_t slots_at, uint32_t count, uint32_t first, const char *name)
{
	const uint32_t *slots = matrix_part(m, slots_at);
	uint32_t mask = matrix_slot_count(count) - 1, at;

	for (at = matrix_hash(name) & mask; slots[at]; at = (at + 1) & mask)
		if (STREQ(name_of(m, first + slots[at] - 1), name))
			return slots[at] - 1;
	return NAMES_NONE;
}

uint32_t matrix_find_node(const struct matrix *m, const char *name)
{
	return find(m, m->at.node_slots, matrix_nodes(m), 0, name);
}

uint32_t matrix_find_client(const struct matrix *m, const char *name)
{
	return find(m, m->at.client_slots, matrix_clients(m), matrix_nodes(m), name);
}

static struct matrix_row row_of(const struct matrix *m, size_t rtt, size_t cost, size_t pair, uint32_t row)
{
	size_t first = (size_t)row * matrix_nodes(m);

	return (struct matrix_row){(const float *)matrix_part(m, rtt) + first, (const float *)matrix_part(m, cost) + first,
				   (const uint8_t *)matrix_part(m, pair) + first};
}

struct matrix_row matrix_node_row(const struct matrix *m, uint32_t node)
{
	return row_of(m, m->at.rtt, m->at.cost, m->at.pair, node);
}

struct matrix_row matrix_client_row(const struct matrix *m, uint32_t client)
{
	return row_of(m, m->at.client_rtt, m->at.client_cost, m->at.client_pair, client);
}

const float *matrix_age_s(const struct matrix *m)
{
	return matrix_part(m, m->at.age);
}

const float *matrix_lost_s(const struct matrix *m)
{
	return matrix_part(m, m->at.lost);
}

const uint32_t *matrix_witnesses(const struct matrix *m)
{
	return matrix_part(m, m->at.witnesses);
}

const float *matrix_cpu(const struct matrix *m)
{
	return matrix_part(m, m->at.cpu);
}

const float *matrix_traffic(const struct matrix *m)
{
	return matrix_part(m, m->at.traffic);
}

uint32_t matrix_entries(const struct matrix *m)
{
	return matrix_header(m)->entries;
}

const char *matrix_entry_name(const struct matrix *m, uint32_t entry)
{
	return name_of(m, matrix_nodes(m) + matrix_clients(m) + entry);
}

const float *matrix_entry_rate(const struct matrix *m)
{
	return matrix_part(m, m->at.entry_rate);
}

double matrix_entry_age_s(const struct matrix *m)
{
	return matrix_header(m)->entry_age_s;
}

float matrix_jitter_us(const struct matrix *m, uint32_t a, uint32_t b)
{
	const float *jitter = matrix_part(m, m->at.jitter);

	return a == b ? 0 : jitter[matrix_triangle(a, b)];
}

float matrix_loss(const struct matrix *m, uint32_t a, uint32_t b)
{
	const float *loss = matrix_part(m, m->at.loss);

	return a == b ? 0 : loss[matrix_triangle(a, b)];
}

double matrix_worst_us(const struct matrix *m)
{
	return matrix_header(m)->worst_us;
}

double matrix_period_s(const struct matrix *m)
{
	return matrix_header(m)->period_s;
}

bool matrix_is_plain(const struct matrix *m)
{
	return matrix_header(m)->is_plain;
}

const char *matrix_epoch(const struct matrix *m)
{
	return matrix_header(m)->epoch;
}

int64_t matrix_generation(const struct matrix *m)
{
	return matrix_header(m)->generation;
}

int64_t matrix_written_ms(const struct matrix *m)
{
	return matrix_header(m)->written_ms;
}

uint64_t matrix_digest(const struct matrix *m)
{
	return matrix_header(m)->digest;
}
