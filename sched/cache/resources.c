#include "sched/cache/resources.h"

#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "sched/cache/exact.h"

static int64_t add_capped(int64_t a, int64_t b)
{
	int64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

/* The item of that name, or where it belongs. */
static uint32_t scalar_place(const struct resources *r, const char *name, bool *found)
{
	uint32_t low = 0, high = r->scalar_count;

	*found = false;
	while (low < high && !*found) {
		uint32_t middle = low + (high - low) / 2;
		int order = strcmp(r->scalars[middle].name, name);

		*found = order == 0;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return high;
}

/* The amount of a scalar, made 0 when it is not there yet. */
static int64_t *scalar_amount(struct resources *r, const char *name)
{
	bool found;
	uint32_t at = scalar_place(r, name, &found);

	if (!found) {
		r->scalars = xrealloc(r->scalars, r->scalar_count + 1, sizeof(*r->scalars));
		memmove(&r->scalars[at + 1], &r->scalars[at], (r->scalar_count - at) * sizeof(*r->scalars));
		r->scalars[at] = (struct scalar){.name = xstrdup(name)};
		r->scalar_count++;
	}
	return &r->scalars[at].amount;
}

int64_t resources_scalar(const struct resources *r, const char *name)
{
	bool found;
	uint32_t at = scalar_place(r, name, &found);

	return found ? r->scalars[at].amount : 0;
}

int resources_parse(const cJSON *list, struct resources *out, int64_t *pods, struct lm_err *err)
{
	struct exact amounts;

	*out = (struct resources){0};
	if (exact_parse(list, &amounts, pods, err) < 0)
		return -1;
	exact_round(&amounts, out);
	return 0;
}

void resources_set_scalar(struct resources *r, const char *name, int64_t amount)
{
	*scalar_amount(r, name) = amount;
}

/*
 * Gives `to` an item for each scalar of `more`, and says which: places[i] is that of more->scalars[i]. A merge from the end, since
 * a pod may bring tens of thousands of names.
 */
static uint32_t *scalars_align(struct resources *to, const struct resources *more)
{
	uint32_t *places = xcalloc(more->scalar_count, sizeof(*places)), missing = 0, from, at, i;
	bool found;

	for (i = 0; i < more->scalar_count; i++) {
		scalar_place(to, more->scalars[i].name, &found);
		missing += !found;
	}
	from = to->scalar_count;
	at = from + missing;
	if (missing)
		to->scalars = xrealloc(to->scalars, at, sizeof(*to->scalars));
	to->scalar_count = at;
	for (i = more->scalar_count; i-- > 0; places[i] = at) {
		const char *name = more->scalars[i].name;
		int order = -1;

		while (from && (order = strcmp(to->scalars[from - 1].name, name)) > 0)
			to->scalars[--at] = to->scalars[--from];
		at--;
		if (from && order == 0)
			to->scalars[at] = to->scalars[--from];
		else
			to->scalars[at] = (struct scalar){.name = xstrdup(name)};
	}
	return places;
}

void resources_add(struct resources *to, const struct resources *more)
{
	auto_free uint32_t *places = scalars_align(to, more);
	uint32_t i;

	to->cpu_milli = add_capped(to->cpu_milli, more->cpu_milli);
	to->memory_bytes = add_capped(to->memory_bytes, more->memory_bytes);
	to->ephemeral_bytes = add_capped(to->ephemeral_bytes, more->ephemeral_bytes);
	for (i = 0; i < more->scalar_count; i++)
		to->scalars[places[i]].amount = add_capped(to->scalars[places[i]].amount, more->scalars[i].amount);
}

/* Nothing of a resource is the same as no such resource; a node would collect the names of all pods that it ever had. */
static void drop_zeros(struct resources *r)
{
	uint32_t kept = 0, i;

	for (i = 0; i < r->scalar_count; i++)
		if (r->scalars[i].amount)
			r->scalars[kept++] = r->scalars[i];
		else
			free(r->scalars[i].name);
	r->scalar_count = kept;
}

void resources_sub(struct resources *from, const struct resources *less)
{
	auto_free uint32_t *places = scalars_align(from, less);
	uint32_t i;

	from->cpu_milli -= less->cpu_milli;
	from->memory_bytes -= less->memory_bytes;
	from->ephemeral_bytes -= less->ephemeral_bytes;
	for (i = 0; i < less->scalar_count; i++)
		from->scalars[places[i]].amount -= less->scalars[i].amount;
	drop_zeros(from);
}

static void max_into(int64_t *to, int64_t other)
{
	if (other > *to)
		*to = other;
}

void resources_max(struct resources *to, const struct resources *other)
{
	auto_free uint32_t *places = scalars_align(to, other);
	uint32_t i;

	max_into(&to->cpu_milli, other->cpu_milli);
	max_into(&to->memory_bytes, other->memory_bytes);
	max_into(&to->ephemeral_bytes, other->ephemeral_bytes);
	for (i = 0; i < other->scalar_count; i++)
		max_into(&to->scalars[places[i]].amount, other->scalars[i].amount);
}

void resources_copy(struct resources *to, const struct resources *from)
{
	uint32_t i;

	*to = *from;
	to->scalars = xcalloc(from->scalar_count, sizeof(*to->scalars));
	for (i = 0; i < from->scalar_count; i++)
		to->scalars[i] = (struct scalar){xstrdup(from->scalars[i].name), from->scalars[i].amount};
}

void resources_free(struct resources *r)
{
	uint32_t i;

	for (i = 0; i < r->scalar_count; i++)
		free(r->scalars[i].name);
	free(r->scalars);
	*r = (struct resources){0};
}

bool resources_saturated(const struct resources *r)
{
	uint32_t i;

	for (i = 0; i < r->scalar_count; i++)
		if (r->scalars[i].amount == INT64_MAX)
			return true;
	return r->cpu_milli == INT64_MAX || r->memory_bytes == INT64_MAX || r->ephemeral_bytes == INT64_MAX;
}

/* Whether every amount of a is at most that of b. */
static bool scalars_within(const struct resources *a, const struct resources *b)
{
	uint32_t i;

	for (i = 0; i < a->scalar_count; i++)
		if (a->scalars[i].amount > resources_scalar(b, a->scalars[i].name))
			return false;
	return true;
}

bool resources_within(const struct resources *a, const struct resources *b)
{
	return a->cpu_milli <= b->cpu_milli && a->memory_bytes <= b->memory_bytes && a->ephemeral_bytes <= b->ephemeral_bytes &&
	       scalars_within(a, b);
}
