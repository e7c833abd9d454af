#include "sched/cache/table.h"

#include <assert.h>
#include <stdlib.h>

#include "lib/mem.h"

uint64_t hash_number(uint64_t number)
{
	number ^= number >> 33;
	number *= 0xff51afd7ed558ccdu;
	number ^= number >> 33;
	number *= 0xc4ceb9fe1a85ec53u;
	return number ^ number >> 33;
}

/* FNV-1a; the last mixing makes the low bits good. */
uint64_t hash_text(uint64_t hash, const char *text)
{
	const unsigned char *at = (const unsigned char *)text;

	for (; *at; at++)
		hash = (hash ^ *at) * 1099511628211u;
	return hash_number((hash ^ 0xff) * 1099511628211u);
}

void *table_find(const struct table *t, uint64_t hash, bool (*same)(const void *item, const void *key), const void *key)
{
	size_t mask = t->room - 1, at;

	if (!t->room)
		return NULL;
	for (at = hash & mask; t->slots[at].item; at = (at + 1) & mask)
		if (t->slots[at].hash == hash && same(t->slots[at].item, key))
			return t->slots[at].item;
	return NULL;
}

static void place(struct table *t, uint64_t hash, void *item)
{
	size_t mask = t->room - 1, at = hash & mask;

	while (t->slots[at].item)
		at = (at + 1) & mask;
	t->slots[at] = (struct table_slot){hash, item};
}

static void enlarge(struct table *t)
{
	struct table old = *t;
	size_t i;

	t->room = old.room ? old.room * 2 : 16;
	t->slots = xcalloc(t->room, sizeof(*t->slots));
	for (i = 0; i < old.room; i++)
		if (old.slots[i].item)
			place(t, old.slots[i].hash, old.slots[i].item);
	free(old.slots);
}

void table_put(struct table *t, uint64_t hash, void *item)
{
	if ((t->count + 1) * 3 > t->room * 2)
		enlarge(t);
	place(t, hash, item);
	t->count++;
}

void table_remove(struct table *t, uint64_t hash, const void *item)
{
	size_t mask = t->room - 1, hole = hash & mask, at;

	while (t->slots[hole].item != item) {
		assert(t->slots[hole].item);
		hole = (hole + 1) & mask;
	}
	/* What follows moves up, unless that would put it before its home. */
	for (at = (hole + 1) & mask; t->slots[at].item; at = (at + 1) & mask)
		if (((at - t->slots[at].hash) & mask) >= ((at - hole) & mask)) {
			t->slots[hole] = t->slots[at];
			hole = at;
		}
	t->slots[hole].item = NULL;
	t->count--;
}

void table_free(struct table *t)
{
	free(t->slots);
	*t = (struct table){0};
}
