#include "lib/names.h"

#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

bool name_is_valid(const char *name)
{
	size_t len = strlen(name), i;

	if (len == 0 || len > NAME_MAX_BYTES)
		return false;
	for (i = 0; i < len; i++) {
		char c = name[i];
		bool alnum = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');

		if (!alnum && ((c != '-' && c != '.') || i == 0 || i == len - 1))
			return false;
	}
	return true;
}

/* FNV-1a, 32 bits. Names come from the cluster's own API, so that no keyed hash is needed; the table stays at most half full. */
static uint32_t hash(const char *name)
{
	uint32_t h = 2166136261u;

	for (; *name; name++)
		h = (h ^ (unsigned char)*name) * 16777619u;
	return h;
}

static uint32_t *slot_of(const struct names *set, const char *name)
{
	uint32_t at = hash(name) & (set->slot_count - 1);

	while (set->slots[at] && strcmp(set->items[set->slots[at] - 1], name) != 0)
		at = (at + 1) & (set->slot_count - 1);
	return &set->slots[at];
}

static void rehash(struct names *set, uint32_t slot_count)
{
	uint32_t i;

	free(set->slots);
	set->slots = xcalloc(slot_count, sizeof(*set->slots));
	set->slot_count = slot_count;
	set->items = xrealloc(set->items, slot_count / 2, sizeof(*set->items));
	for (i = 0; i < set->count; i++)
		*slot_of(set, set->items[i]) = i + 1;
}

uint32_t names_add(struct names *set, const char *name)
{
	uint32_t *slot;

	if (set->count >= set->slot_count / 2)
		rehash(set, set->slot_count ? set->slot_count * 2 : 16);
	slot = slot_of(set, name);
	if (*slot)
		return NAMES_NONE;
	set->items[set->count] = xstrdup(name);
	*slot = ++set->count;
	return set->count - 1;
}

uint32_t names_find(const struct names *set, const char *name)
{
	if (!set->slot_count)
		return NAMES_NONE;
	return *slot_of(set, name) - 1; /* 0 - 1 is NAMES_NONE */
}

void names_free(struct names *set)
{
	uint32_t i;

	for (i = 0; i < set->count; i++)
		free(set->items[i]);
	free(set->items);
	free(set->slots);
	*set = (struct names){0};
}
