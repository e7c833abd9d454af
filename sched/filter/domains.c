#include "sched/filter/domains.h"

#include <string.h>

#include "lib/mem.h"
#include "sched/cache/table.h"
#include "sched/decider.h"

/* Values in the making. Open addressing, at most half full; a power of two. */
struct values {
	struct value {
		const char *text;	/* NULL: an empty slot */
		uint64_t hash;
		uint32_t domain;
	} *slots;
	uint32_t room, count;
};

static struct value *slot_of(const struct values *v, const char *text, uint64_t hash)
{
	uint32_t mask = v->room - 1, at = (uint32_t)hash & mask;

	while (v->slots[at].text && (v->slots[at].hash != hash || !STREQ(v->slots[at].text, text)))
		at = (at + 1) & mask;
	return &v->slots[at];
}

static void enlarge(struct cycle *c, struct values *v)
{
	struct value *old = v->slots;
	uint32_t old_room = v->room, i;

	v->room = old_room ? old_room * 4 : 16;
	v->slots = cycle_alloc(c, v->room * sizeof(*v->slots));
	for (i = 0; i < old_room; i++)
		if (old[i].text)
			*slot_of(v, old[i].text, old[i].hash) = old[i];
}

static uint32_t domain_of(struct cycle *c, struct values *v, const char *text)
{
	uint64_t hash = hash_text(HASH_START, text);
	struct value *slot;

	if ((v->count + 1) * 2 > v->room)
		enlarge(c, v);
	slot = slot_of(v, text, hash);
	if (!slot->text)
		*slot = (struct value){text, hash, v->count++};
	return slot->domain;
}

static struct domains *make(struct cycle *c, const char *key)
{
	struct domains *d = cycle_alloc(c, sizeof(*d));
	struct values values = {0};
	uint32_t i;

	d->key = key;
	d->of_node = cycle_alloc(c, (c->view->count + 1) * sizeof(*d->of_node));
	for (i = 0; i < c->view->count; i++) {
		const char *value = labels_get(&c->view->nodes[i].node->labels, key);

		d->of_node[i] = value ? domain_of(c, &values, value) : DOMAIN_NONE;
	}
	d->count = values.count;
	return d;
}

const struct domains *domains_of(struct cycle *c, const char *key)
{
	struct domains *d;

	for (d = c->decider->domains; d; d = d->next)
		if (STREQ(d->key, key))
			return d;
	d = make(c, key);
	d->next = c->decider->domains;
	c->decider->domains = d;
	return d;
}
