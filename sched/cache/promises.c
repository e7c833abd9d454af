/* The cache's part for what pods that are not bound yet will do to claims. */
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "sched/cache/store.h"

static void release(struct promise *p)
{
	free(p->namespace_);
	free(p->claim);
	free(p->volume);
	free(p->node);
}

static void end(struct cache *c, uint32_t at)
{
	release(&c->promises[at]);
	c->promises[at] = c->promises[--c->promise_count];
}

unsigned cache_unpromise(struct cache *c, const char *namespace_, const char *claim)
{
	unsigned wake = 0;
	uint32_t i;

	for (i = c->promise_count; i-- > 0;)
		if (STREQ(c->promises[i].claim, claim) && STREQ(c->promises[i].namespace_, namespace_)) {
			end(c, i);
			wake = WAKE_STORAGE;
		}
	return wake;
}

void cache_promise(struct cache *c, const struct promise *promise)
{
	cache_unpromise(c, promise->namespace_, promise->claim);
	grow(&c->promises, &c->promise_room, c->promise_count + 1u, sizeof(*c->promises));
	c->promises[c->promise_count++] = (struct promise){
		.namespace_ = xstrdup(promise->namespace_), .claim = xstrdup(promise->claim),
		.volume = xstrdup(promise->volume), .node = xstrdup(promise->node),
	};
}

static bool is_about(const struct promise *p, const struct object *object)
{
	if (object->kind == OBJECT_VOLUME)
		return STREQ(p->volume, object->name);
	return object->kind == OBJECT_CLAIM && !p->volume[0] && STREQ(p->claim, object->name) && STREQ(p->namespace_, object->namespace_);
}

void promises_seen(struct cache *c, const struct object *object)
{
	uint32_t i;

	for (i = c->promise_count; i-- > 0;)
		if (is_about(&c->promises[i], object))
			end(c, i);
}

void promises_free(struct cache *c)
{
	while (c->promise_count)
		release(&c->promises[--c->promise_count]);
	free(c->promises);
}
