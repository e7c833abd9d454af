#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "sched/cache/store.h"

struct cache *cache_new(void)
{
	return xcalloc(1, sizeof(struct cache));
}

static void free_arrays(struct cache *c)
{
	free(c->by_index);
	free(c->states);
	free(c->free_cpu_milli);
	free(c->free_memory_bytes);
	free(c->free_ephemeral_bytes);
	free(c->free_pods);
	free(c->per_cpu_milli);
	free(c->per_memory_byte);
	free(c->has_taints);
}

void cache_free(struct cache *c)
{
	size_t i;

	if (!c)
		return;
	for (i = 0; i < c->all.count; i++)
		entry_free(entry_of(c->all.items[i]));
	for (i = 0; i < c->places.room; i++)
		if (c->places.slots[i].item)
			place_free(c->places.slots[i].item);
	while (c->gone_count)
		pod_free(c->gone[--c->gone_count]);
	free(c->gone);
	index_free(&c->groups);
	objects_free(c);
	promises_free(c);
	images_free(c);
	free(c->reserve);
	table_free(&c->by_uid);
	table_free(&c->by_name);
	table_free(&c->places);
	free(c->all.items);
	free(c->anti_affinity.items);
	free(c->affinity.items);
	free(c->pending.items);
	free(c->nominated.items);
	free(c->assumed.items);
	free_arrays(c);
	free(c);
}

void cache_know_storage(struct cache *c)
{
	c->storage_known = true;
}

size_t cache_pods(const struct cache *c)
{
	return c->all.count;
}

size_t cache_assumed(const struct cache *c)
{
	return c->assumed.count;
}

int64_t cache_assumed_since_ms(const struct cache *c)
{
	int64_t oldest = -1;
	uint32_t i;

	for (i = 0; i < c->assumed.count; i++) {
		const struct entry *e = entry_of(c->assumed.items[i]);

		if (oldest < 0 || e->assumed_mono_ms < oldest)
			oldest = e->assumed_mono_ms;
	}
	return oldest;
}

const struct view *cache_view(struct cache *c)
{
	c->view = (struct view){
		.count = c->count,
		.nodes = c->states,
		.node_epoch = c->node_epoch,
		.label_epoch = c->label_epoch,
		.placed_epoch = c->placed_epoch,
		.placed_on = c->placed_on,
		.free_cpu_milli = c->free_cpu_milli,
		.free_memory_bytes = c->free_memory_bytes,
		.free_ephemeral_bytes = c->free_ephemeral_bytes,
		.free_pods = c->free_pods,
		.per_cpu_milli = c->per_cpu_milli,
		.per_memory_byte = c->per_memory_byte,
		.has_taints = c->has_taints,
		.anti_affinity = c->anti_affinity.items,
		.anti_affinity_count = c->anti_affinity.count,
		.affinity = c->affinity.items,
		.affinity_count = c->affinity.count,
		.nominated = c->nominated.items,
		.nominated_count = c->nominated.count,
		.storage_known = c->storage_known,
		.promises = c->promises,
		.promise_count = c->promise_count,
		.cache = c,
	};
	return &c->view;
}

/* Where `self` counts in the group; NULL: it does not. */
static const struct place *place_of_self(const struct cache *c, const struct group *group, const char *self_uid)
{
	const struct entry *self = self_uid && self_uid[0] ? entry_find(c, self_uid) : NULL;
	uint32_t i;

	for (i = 0; self && i < self->group_count; i++)
		if (self->groups[i] == group)
			return self->at;
	return NULL;
}

static uint32_t nodes_of_group(const struct view *v, const struct group_key *key, const char *self_uid, struct node_count *out,
			       uint32_t room)
{
	const struct group *group = index_find(&v->cache->groups, key);
	const struct place *self = group ? place_of_self(v->cache, group, self_uid) : NULL;
	uint32_t count = 0, i;

	for (i = 0; group && i < group->room; i++) {
		const struct group_slot *slot = &group->slots[i];
		uint32_t pods = slot->pods;

		if (!pods || slot->place->index < 0 || (slot->place == self && --pods == 0))
			continue;
		if (count < room)
			out[count] = (struct node_count){(uint32_t)slot->place->index, pods};
		count++;
	}
	return count;
}

uint32_t view_pods_matching(const struct view *v, const char *namespace_, const char *key, const char *value, const char *self_uid,
			    struct node_count *out, uint32_t room)
{
	struct group_key group = {GROUP_LABEL, namespace_, key, value};

	return nodes_of_group(v, &group, self_uid, out, room);
}

uint32_t view_pods_of_controller(const struct view *v, const char *namespace_, const char *controller, const char *self_uid,
				 struct node_count *out, uint32_t room)
{
	struct group_key group = {GROUP_CONTROLLER, namespace_, controller, ""};

	return nodes_of_group(v, &group, self_uid, out, room);
}

uint32_t view_owner_pods(const struct view *v, uint32_t node, const char *owner_uid)
{
	struct group_key key = {GROUP_OWNER, "", owner_uid, ""};
	const struct group *group = owner_uid[0] ? index_find(&v->cache->groups, &key) : NULL;
	const struct place *place = v->cache->by_index[node];

	return group ? group_count_at(group, place, place->serial) : 0;
}

/* Into `out`, which holds the first `room` by name. Returns how many it holds now. */
static uint32_t keep_first(const struct cached_pod **out, uint32_t count, uint32_t room, const struct cached_pod *pod)
{
	uint32_t at = count < room ? count++ : room;

	for (; at && strcmp(out[at - 1]->pod->name, pod->pod->name) > 0; at--)
		if (at < room)
			out[at] = out[at - 1];
	if (at < room)
		out[at] = pod;
	return count;
}

uint32_t view_pods_pending(const struct view *v, const char *namespace_, const char *key, const char *value,
			   const struct cached_pod **out, uint32_t room)
{
	const struct list *pending = &v->cache->pending;
	uint32_t count = 0, i;

	for (i = 0; i < pending->count; i++) {
		const struct pod *pod = pending->items[i]->pod;
		const char *have = STREQ(pod->namespace_, namespace_) ? labels_get(&pod->labels, key) : NULL;

		if (have && STREQ(have, value))
			count = keep_first(out, count, room, pending->items[i]);
	}
	return count;
}
