#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "sched/cache/store.h"

static bool same_name(const void *item, const void *key)
{
	return STREQ(((const struct place *)item)->name, key);
}

struct place *place_find(const struct cache *c, const char *name)
{
	return table_find(&c->places, hash_text(HASH_START, name), same_name, name);
}

struct place *place_need(struct cache *c, const char *name)
{
	struct place *place = place_find(c, name);

	if (place)
		return place;
	place = xcalloc(1, sizeof(*place));
	place->name = xstrdup(name);
	place->serial = c->next_serial++;
	place->index = -1;
	table_put(&c->places, hash_text(HASH_START, name), place);
	return place;
}

void place_free(struct place *place)
{
	node_free(place->node);
	resources_free(&place->requested);
	free(place->pods.items);
	free(place->placements);
	free(place->name);
	free(place);
}

void place_release(struct cache *c, struct place *place)
{
	if (place->node || place->pods.count)
		return;
	table_remove(&c->places, hash_text(HASH_START, place->name), place);
	place_free(place);
}

static uint8_t taints_of(const struct node *node)
{
	uint8_t bits = node->unschedulable ? NODE_UNSCHEDULABLE : 0;
	uint32_t i;

	for (i = 0; i < node->taint_count; i++)
		bits |= node->taints[i].effect == TAINT_PREFER_NO_SCHEDULE ? NODE_SOFT_TAINTS : NODE_HARD_TAINTS;
	return bits;
}

/* Both are at least 0. */
static int64_t left_of(int64_t allocatable, int64_t requested)
{
	int64_t left = allocatable - requested;

	return left > FREE_LEAST ? left : FREE_LEAST;
}

void place_sync(struct cache *c, const struct place *place)
{
	const struct node *node = place->node;
	int32_t i = place->index;

	if (i < 0)
		return;
	c->states[i] = (struct node_state){
		.node = node, .requested = place->requested, .pods = place->pods.items, .pod_count = place->pods.count,
		.port_count = place->port_count, .terminating_count = place->terminating_count,
		.placements = place->placements, .placement_count = place->placement_count,
	};
	c->free_cpu_milli[i] = left_of(node->allocatable.cpu_milli, place->requested.cpu_milli);
	c->free_memory_bytes[i] = left_of(node->allocatable.memory_bytes, place->requested.memory_bytes);
	c->free_ephemeral_bytes[i] = left_of(node->allocatable.ephemeral_bytes, place->requested.ephemeral_bytes);
	c->free_pods[i] = node->allocatable_pods - place->pods.count;
	c->per_cpu_milli[i] = node->allocatable.cpu_milli > 0 ? 1.0f / (float)node->allocatable.cpu_milli : 0;
	c->per_memory_byte[i] = node->allocatable.memory_bytes > 0 ? 1.0f / (float)node->allocatable.memory_bytes : 0;
	c->has_taints[i] = taints_of(node);
}

#define WIDEN(array, room) ((array) = xrealloc((array), (room), sizeof(*(array))))

static void need_room(struct cache *c, size_t need)
{
	size_t room = c->room ? c->room * 2 : 64;

	if (need <= c->room)
		return;
	WIDEN(c->by_index, room);
	WIDEN(c->states, room);
	WIDEN(c->free_cpu_milli, room);
	WIDEN(c->free_memory_bytes, room);
	WIDEN(c->free_ephemeral_bytes, room);
	WIDEN(c->free_pods, room);
	WIDEN(c->per_cpu_milli, room);
	WIDEN(c->per_memory_byte, room);
	WIDEN(c->has_taints, room);
	c->room = room;
}

/* Gives a place its row, or another row. */
static void place_index(struct cache *c, struct place *place, int32_t index)
{
	uint32_t i;

	place->index = index;
	if (index >= 0)
		c->by_index[index] = place;
	place_sync(c, place);
	for (i = 0; i < place->pods.count; i++)
		entry_seen_at(c, entry_of(place->pods.items[i]));
}

static bool taints_equal(const struct node *a, const struct node *b)
{
	uint32_t i;

	if (a->taint_count != b->taint_count)
		return false;
	for (i = 0; i < a->taint_count; i++)
		if (a->taints[i].effect != b->taints[i].effect || !STREQ(a->taints[i].key, b->taints[i].key) ||
		    !STREQ(a->taints[i].value, b->taints[i].value))
			return false;
	return true;
}

static bool nodes_equal(const struct node *a, const struct node *b)
{
	return a->unschedulable == b->unschedulable && a->allocatable_pods == b->allocatable_pods && taints_equal(a, b) &&
	       a->features == b->features &&
	       resources_within(&a->allocatable, &b->allocatable) && resources_within(&b->allocatable, &a->allocatable) &&
	       labels_equal(&a->labels, &b->labels);
}

unsigned cache_put_node(struct cache *c, struct node *node)
{
	struct place *place = place_need(c, node->name);
	unsigned wake = WAKE_NODE_ADDED;

	place->round = c->node_round;
	if (place->node) {
		wake = nodes_equal(place->node, node) ? 0 : WAKE_NODE_CHANGED;
		c->label_epoch += !labels_equal(&place->node->labels, &node->labels);
		images_replace(c, place->node, node);
		if (place->node->allocatable.cpu_milli != node->allocatable.cpu_milli)
			placements_changed(c, place);
		node_free(place->node);
		place->node = node;
		place_sync(c, place);
		return wake;
	}
	need_room(c, c->count + 1u);
	images_replace(c, NULL, node);
	place->node = node;
	c->node_epoch++;
	place_index(c, place, (int32_t)c->count++);
	return wake;
}

/* The last row moves into the hole. Pods stay with the place: they count again when a node of that name comes back. */
static unsigned remove_node(struct cache *c, struct place *place)
{
	int32_t hole = place->index, last = (int32_t)c->count - 1;
	unsigned wake = place->pods.count ? WAKE_NODE_CHANGED | WAKE_POD_FREED : WAKE_NODE_CHANGED;

	c->node_epoch++;
	c->count--;
	place_index(c, place, -1);
	images_replace(c, place->node, NULL);
	node_free(place->node);
	place->node = NULL;
	if (hole != last)
		place_index(c, c->by_index[last], hole);
	place_release(c, place);
	return wake;
}

unsigned cache_delete_node(struct cache *c, const char *name)
{
	struct place *place = place_find(c, name);

	return place && place->node ? remove_node(c, place) : 0;
}

void cache_replace_nodes_begin(struct cache *c)
{
	c->node_round++;
}

unsigned cache_replace_nodes_end(struct cache *c)
{
	unsigned wake = 0;
	uint32_t i;

	for (i = c->count; i-- > 0;) /* from the end: what moves into a hole has been looked at */
		if (c->by_index[i]->round != c->node_round)
			wake |= remove_node(c, c->by_index[i]);
	return wake;
}

int32_t cache_find_node(const struct cache *c, const char *name)
{
	const struct place *place = place_find(c, name);

	return place ? place->index : -1;
}
