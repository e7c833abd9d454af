/*
 * table.h - a hash table of pointers. The items belong to the caller, and know their own keys: a look-up brings a function that compares.
 * Open addressing, at most two thirds full; removal leaves no tombstones.
 */
#ifndef SCHED_CACHE_TABLE_H
#define SCHED_CACHE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table_slot {
	uint64_t hash;
	void *item;			/* NULL: empty */
};

struct table {
	struct table_slot *slots;
	size_t room, count;		/* room is 0 or a power of two */
};

/* Begin with HASH_START; each text is hashed with its end, so that ("a","bc") and ("ab","c") differ. */
#define HASH_START 14695981039346656037u
uint64_t hash_text(uint64_t hash, const char *text);
uint64_t hash_number(uint64_t number);

void *table_find(const struct table *t, uint64_t hash, bool (*same)(const void *item, const void *key), const void *key);
void table_put(struct table *t, uint64_t hash, void *item);		/* which is not in it yet */
void table_remove(struct table *t, uint64_t hash, const void *item);	/* which is in it */
void table_free(struct table *t);					/* not the items */

#endif
