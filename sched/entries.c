#include "sched/entries.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

#define ROUNDING 1e-6			/* of sums of floats: 0.1 apart is not above 0.1 */

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct entry_share *)a)->node, ((const struct entry_share *)b)->node);
}

void entries_set(struct entries *e, const struct entry_share *shares, uint32_t count)
{
	uint32_t i;

	entries_free(e);
	e->shares = xcalloc(count + 1, sizeof(*e->shares));
	for (i = 0; i < count; i++)
		e->shares[i] = (struct entry_share){xstrdup(shares[i].node), shares[i].share};
	e->count = count;
	qsort(e->shares, count, sizeof(*e->shares), by_name);
}

/* Names are borrowed from the matrix. What has no traffic is not there; what is left is of the order of the names. */
static uint32_t rates_of(const struct matrix *m, struct entry_share *out)
{
	uint32_t i, count = 0;

	for (i = 0; i < matrix_entries(m); i++)
		if (matrix_entry_rate(m)[i] > 0)
			out[count++] = (struct entry_share){(char *)(uintptr_t)matrix_entry_name(m, i), matrix_entry_rate(m)[i]};
	qsort(out, count, sizeof(*out), by_name);
	return count;
}

static double sum_of(const struct entry_share *shares, uint32_t count)
{
	double sum = 0;
	uint32_t i;

	for (i = 0; i < count; i++)
		sum += (double)shares[i].share;
	return sum;
}

/* From rates to shares of sum 1. */
static uint32_t leave_out_small(struct entry_share *shares, uint32_t count)
{
	double least = sum_of(shares, count) * fmin(ENTRIES_LEAST_SHARE, 0.1 / count), sum;
	uint32_t i, kept = 0;

	for (i = 0; i < count; i++)
		if ((double)shares[i].share >= least)
			shares[kept++] = shares[i];
	sum = sum_of(shares, kept);
	for (i = 0; i < kept; i++)
		shares[i].share = (float)((double)shares[i].share / sum);
	return kept;
}

/* Half of all differences. Both are in the order of names. */
static double distance(const struct entries *a, const struct entry_share *b, uint32_t b_count)
{
	double sum = 0;
	uint32_t i = 0, k = 0;

	while (i < a->count || k < b_count) {
		int order = i == a->count ? 1 : k == b_count ? -1 : strcmp(a->shares[i].node, b[k].node);
		double left = order <= 0 ? (double)a->shares[i++].share : 0, right = order >= 0 ? (double)b[k++].share : 0;

		sum += fabs(left - right);
	}
	return sum / 2;
}

/* Nobody could tell a latency to it any more: limits would have no data, for ever. */
static bool lost_one(const struct matrix *m, const struct entries *e, const struct entry_share *now, uint32_t count)
{
	uint32_t i;

	for (i = 0; i < e->count; i++) {
		const struct entry_share key = {e->shares[i].node, 0};

		if (matrix_find_node(m, key.node) == NAMES_NONE && !bsearch(&key, now, count, sizeof(*now), by_name))
			return true;
	}
	return false;
}

void entries_take(const struct matrix *m, const struct entries *before, bool by_hand, struct entries *out)
{
	auto_free struct entry_share *now = xcalloc(matrix_entries(m) + 1, sizeof(*now));
	uint32_t count = rates_of(m, now);

	*out = (struct entries){0};
	if (!count)
		return;
	count = leave_out_small(now, count);
	if (before && before->count && !by_hand && distance(before, now, count) <= ENTRIES_HYSTERESIS + ROUNDING && !lost_one(m, before, now, count))
		entries_set(out, before->shares, before->count);
	else
		entries_set(out, now, count);
}

void entries_free(struct entries *e)
{
	uint32_t i;

	for (i = 0; i < e->count; i++)
		free(e->shares[i].node);
	free(e->shares);
	*e = (struct entries){0};
}
