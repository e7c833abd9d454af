#include "sched/cache/index.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

static uint64_t key_hash(const struct group_key *key)
{
	uint64_t hash = hash_text(HASH_START + key->kind, key->namespace_);

	return hash_text(hash_text(hash, key->key), key->value);
}

static bool same_key(const void *item, const void *key)
{
	const struct group_key *a = &((const struct group *)item)->key, *b = key;

	return a->kind == b->kind && STREQ(a->key, b->key) && STREQ(a->value, b->value) && STREQ(a->namespace_, b->namespace_);
}

struct group *index_find(const struct table *groups, const struct group_key *key)
{
	return table_find(groups, key_hash(key), same_key, key);
}

static char *append(char **at, const char *text)
{
	char *start = *at;
	size_t size = strlen(text) + 1;

	memcpy(start, text, size);
	*at += size;
	return start;
}

static struct group *group_new(const struct group_key *key, uint64_t hash)
{
	size_t text = strlen(key->namespace_) + strlen(key->key) + strlen(key->value) + 3;
	struct group *g = xcalloc(1, sizeof(*g) + text);
	char *at = (char *)(g + 1);

	g->hash = hash;
	g->key.kind = key->kind;
	g->key.namespace_ = append(&at, key->namespace_);
	g->key.key = append(&at, key->key);
	g->key.value = append(&at, key->value);
	return g;
}

static void group_free(struct group *g)
{
	free(g->slots);
	free(g);
}

/* The slot of the place, or the empty one where it belongs. */
static struct group_slot *slot_of(const struct group *g, const struct place *place, uint64_t hash)
{
	uint32_t mask = g->room - 1, at = (uint32_t)hash & mask;

	while (g->slots[at].pods && g->slots[at].place != place)
		at = (at + 1) & mask;
	return &g->slots[at];
}

static void enlarge(struct group *g)
{
	struct group_slot *old = g->slots;
	uint32_t old_room = g->room, i;

	g->room = old_room ? old_room * 2 : 2;
	g->slots = xcalloc(g->room, sizeof(*g->slots));
	for (i = 0; i < old_room; i++)
		if (old[i].pods)
			*slot_of(g, old[i].place, old[i].hash) = old[i];
	free(old);
}

struct group *index_add(struct table *groups, const struct group_key *key, struct place *place, uint64_t serial)
{
	uint64_t hash = key_hash(key), place_hash = hash_number(serial);
	struct group *g = table_find(groups, hash, same_key, key);
	struct group_slot *slot;

	if (!g) {
		g = group_new(key, hash);
		table_put(groups, hash, g);
	}
	if ((g->count + 1) * 3 > g->room * 2)
		enlarge(g);
	slot = slot_of(g, place, place_hash);
	if (!slot->pods) {
		*slot = (struct group_slot){.place = place, .hash = place_hash};
		g->count++;
	}
	slot->pods++;
	return g;
}

static void slot_clear(struct group *g, struct group_slot *slot)
{
	uint32_t mask = g->room - 1, hole = (uint32_t)(slot - g->slots), at;

	for (at = (hole + 1) & mask; g->slots[at].pods; at = (at + 1) & mask)
		if (((at - (uint32_t)g->slots[at].hash) & mask) >= ((at - hole) & mask)) {
			g->slots[hole] = g->slots[at];
			hole = at;
		}
	g->slots[hole].pods = 0;
	g->count--;
}

void index_remove(struct table *groups, struct group *group, const struct place *place, uint64_t serial)
{
	struct group_slot *slot = slot_of(group, place, hash_number(serial));

	assert(slot->pods);
	if (--slot->pods)
		return;
	slot_clear(group, slot);
	if (group->count)
		return;
	table_remove(groups, group->hash, group);
	group_free(group);
}

uint32_t group_count_at(const struct group *group, const struct place *place, uint64_t serial)
{
	return slot_of(group, place, hash_number(serial))->pods;
}

void index_free(struct table *groups)
{
	size_t i;

	for (i = 0; i < groups->room; i++)
		if (groups->slots[i].item)
			group_free(groups->slots[i].item);
	table_free(groups);
}
