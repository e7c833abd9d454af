/* The cache's part for what is neither node nor pod (object.h): a table and a list a kind. */
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "sched/cache/store.h"

struct object_name {
	const char *namespace_, *name;
};

static bool same_object(const void *item, const void *key)
{
	const struct object *object = item;
	const struct object_name *want = key;

	return STREQ(object->name, want->name) && STREQ(object->namespace_, want->namespace_);
}

static uint64_t hash_of(const char *namespace_, const char *name)
{
	return hash_text(hash_text(HASH_START, namespace_), name);
}

static struct object *find(const struct cache *c, enum object_kind kind, const char *namespace_, const char *name)
{
	struct object_name key = {namespace_, name};

	return table_find(&c->objects[kind].by_name, hash_of(namespace_, name), same_object, &key);
}

static unsigned wake_of(enum object_kind kind)
{
	return kind == OBJECT_NAMESPACE ? WAKE_NAMESPACE : WAKE_STORAGE;
}

static unsigned drop(struct cache *c, struct object *object)
{
	struct objects *all = &c->objects[object->kind];
	enum object_kind kind = object->kind;
	struct object *last = all->items[all->count - 1];

	all->items[object->position] = last;
	last->position = object->position;
	all->count--;
	table_remove(&all->by_name, hash_of(object->namespace_, object->name), object);
	object_free(object);
	return wake_of(kind);
}

unsigned cache_put_object(struct cache *c, struct object *object)
{
	struct objects *all = &c->objects[object->kind];
	struct object *old = find(c, object->kind, object->namespace_, object->name);
	bool same = old && object->resource_version[0] && STREQ(old->resource_version, object->resource_version);

	if (!same)
		promises_seen(c, object);
	if (old)
		drop(c, old);
	object->round = all->round;
	object->position = all->count;
	grow(&all->items, &all->room, all->count + 1u, sizeof(*all->items));
	all->items[all->count++] = object;
	table_put(&all->by_name, hash_of(object->namespace_, object->name), object);
	return same ? 0 : wake_of(object->kind);
}

unsigned cache_delete_object(struct cache *c, enum object_kind kind, const char *namespace_, const char *name)
{
	struct object *old = find(c, kind, namespace_, name);

	if (!old)
		return 0;
	promises_seen(c, old);
	return drop(c, old);
}

void cache_replace_objects_begin(struct cache *c, enum object_kind kind)
{
	c->objects[kind].round++;
}

unsigned cache_replace_objects_end(struct cache *c, enum object_kind kind)
{
	struct objects *all = &c->objects[kind];
	unsigned wake = 0;
	uint32_t i;

	for (i = all->count; i-- > 0;) /* from the end: what moves into a hole has been looked at */
		if (all->items[i]->round != all->round) {
			promises_seen(c, all->items[i]);
			wake |= drop(c, all->items[i]);
		}
	return wake;
}

const struct object *cache_find_object(const struct cache *c, enum object_kind kind, const char *namespace_, const char *name)
{
	return find(c, kind, namespace_, name);
}

const struct object *const *cache_objects(const struct cache *c, enum object_kind kind, uint32_t *count)
{
	*count = c->objects[kind].count;
	return (const struct object *const *)c->objects[kind].items;
}

void objects_free(struct cache *c)
{
	unsigned kind;

	for (kind = 0; kind < OBJECT_KINDS; kind++) {
		while (c->objects[kind].count)
			drop(c, c->objects[kind].items[0]);
		free(c->objects[kind].items);
		table_free(&c->objects[kind].by_name);
	}
}
