/*
 * matrix_block.h - private to lib/matrix*.c: how a matrix lies in its block of memory.
 *
 * The block is position-independent and its layout follows from four counts, so that a mapper need not trust any offset:
 *
 *	header | age[n] cpu[n] traffic[n] lost[n] witnesses[n] entry rate[e] | rtt[n*n] cost[n*n] pair[n*n] | the same for clients, [c*n]
 *	       | jitter, loss below the diagonal | name offsets [n+c+e] | hash slots of nodes, of clients | names, each with its NUL
 */
#ifndef LIB_MATRIX_BLOCK_H
#define LIB_MATRIX_BLOCK_H

#include <stdatomic.h>

#include "lib/matrix.h"

#define MATRIX_MAGIC UINT64_C(0x33305852544d4d4c)	/* "LMMTRX03" */

struct matrix_header {
	uint64_t magic, size, digest, names_bytes;
	uint32_t nodes, clients, is_plain, entries;
	int64_t generation, written_ms;
	double period_s, worst_us, entry_age_s;
	char epoch[SNAPSHOT_EPOCH_MAX + 8];
};

struct matrix_offsets {
	size_t age, cpu, traffic, lost, witnesses, entry_rate, rtt, cost, pair, client_rtt, client_cost, client_pair, jitter, loss;
	size_t name_at, node_slots, client_slots, names, size;
};

struct matrix {
	atomic_uint references;
	bool is_mapped;
	char *block;			/* the header is its beginning */
	struct matrix_offsets at;
};

uint32_t matrix_slot_count(uint32_t names);		/* a power of two, at least twice as many */
uint32_t matrix_hash(const char *name);
struct matrix_offsets matrix_layout(uint32_t nodes, uint32_t clients, uint32_t entries, size_t names_bytes);

static inline struct matrix_header *matrix_header(const struct matrix *m)
{
	return (struct matrix_header *)(void *)m->block;
}

static inline void *matrix_part(const struct matrix *m, size_t offset)
{
	return m->block + offset;
}

/* Of a pair, in the triangles below the diagonal; a != b. */
static inline size_t matrix_triangle(uint32_t a, uint32_t b)
{
	size_t high = a > b ? a : b, low = a > b ? b : a;

	return high * (high - 1) / 2 + low;
}

#endif
