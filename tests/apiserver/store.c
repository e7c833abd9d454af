#include "tests/apiserver/store.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/mem.h"
#include "tests/apiserver/revision.h"

#define FIRST_VERSION 100	/* so that "1" is too old from the start */

struct store {
	pthread_mutex_t lock;
	pthread_cond_t changed[RESOURCE_COUNT];
	struct table tables[RESOURCE_COUNT];
	int64_t version, floors[RESOURCE_COUNT];	/* of each kind: the newest version that is not in the ring any more */
	struct change *ring;		/* change number i is ring[i % room] */
	uint64_t first, next;		/* numbers of the oldest one and of the one to come */
	size_t room;
};

struct store *store_new(size_t history)
{
	struct store *s = xcalloc(1, sizeof(*s));
	pthread_condattr_t attr;
	unsigned i;

	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	for (i = 0; i < RESOURCE_COUNT; i++) {
		pthread_cond_init(&s->changed[i], &attr);
		s->floors[i] = FIRST_VERSION;
	}
	pthread_condattr_destroy(&attr);
	s->version = FIRST_VERSION;
	s->room = history ? history : 1;
	s->ring = xcalloc(s->room, sizeof(*s->ring));
	return s;
}

static void drop_oldest(struct store *s)
{
	struct change *c = &s->ring[s->first++ % s->room];

	s->floors[c->id] = c->version;
	revision_unref(c->before);
	revision_unref(c->after);
	*c = (struct change){0};
}

void store_free(struct store *s)
{
	unsigned i;
	size_t k;

	while (s->first < s->next)
		drop_oldest(s);
	for (i = 0; i < RESOURCE_COUNT; i++) {
		for (k = 0; k < s->tables[i].count; k++)
			revision_unref(s->tables[i].items[k]);
		free(s->tables[i].items);
		pthread_cond_destroy(&s->changed[i]);
	}
	pthread_mutex_destroy(&s->lock);
	free(s->ring);
	free(s);
}

void store_lock(struct store *s)
{
	pthread_mutex_lock(&s->lock);
}

void store_unlock(struct store *s)
{
	pthread_mutex_unlock(&s->lock);
}

/* Where the key is, or where it belongs. */
static size_t place(const struct table *t, const char *key, bool *found)
{
	size_t low = 0, high = t->count;

	*found = false;
	while (low < high) {
		size_t middle = (low + high) / 2;
		int order = strcmp(t->items[middle]->key, key);

		if (order == 0) {
			*found = true;
			return middle;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Puts, replaces, or with NULL removes. References are the caller's. */
static void table_set(struct table *t, const char *key, struct revision *r)
{
	bool found;
	size_t at = place(t, key, &found);

	if (found && r) {
		t->items[at] = r;
	} else if (found) {
		memmove(t->items + at, t->items + at + 1, (t->count - at - 1) * sizeof(struct revision *));
		t->count--;
	} else if (r) {
		grow(&t->items, &t->room, t->count + 1, sizeof(*t->items));
		memmove(t->items + at + 1, t->items + at, (t->count - at) * sizeof(struct revision *));
		t->items[at] = r;
		t->count++;
	}
}

struct revision *store_find(const struct store *s, enum resource_id id, const char *key)
{
	bool found;
	size_t at = place(&s->tables[id], key, &found);

	return found ? s->tables[id].items[at] : NULL;
}

const struct table *store_table(const struct store *s, enum resource_id id)
{
	return &s->tables[id];
}

/* Takes over the table's reference on `before` and one more on `after`. */
static void record(struct store *s, enum resource_id id, struct revision *before, struct revision *after)
{
	if (s->next - s->first == s->room)
		drop_oldest(s);
	s->ring[s->next++ % s->room] = (struct change){s->version, id, before, after};
	if (after)
		revision_ref(after);
	pthread_cond_broadcast(&s->changed[id]);
}

struct revision *store_put(struct store *s, enum resource_id id, const char *key, cJSON *object)
{
	struct revision *before = store_find(s, id, key);
	struct revision *after = revision_new(stored_form[id], key, object, ++s->version);

	table_set(&s->tables[id], key, after);
	record(s, id, before, after);
	return after;
}

int64_t store_delete(struct store *s, enum resource_id id, struct revision *old)
{
	s->version++;
	table_set(&s->tables[id], old->key, NULL);
	record(s, id, old, NULL);
	return s->version;
}

int64_t store_version(const struct store *s)
{
	return s->version;
}

int64_t store_floor(const struct store *s, enum resource_id id)
{
	return s->floors[id];
}

void store_compact(struct store *s)
{
	unsigned i;

	while (s->first < s->next)
		drop_oldest(s);
	for (i = 0; i < RESOURCE_COUNT; i++)
		s->floors[i] = s->version;
	store_wake(s);
}

uint64_t store_change_after(const struct store *s, int64_t version)
{
	uint64_t low = s->first, high = s->next;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;

		if (s->ring[middle % s->room].version <= version)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct change *store_change(const struct store *s, uint64_t index)
{
	return index >= s->first && index < s->next ? &s->ring[index % s->room] : NULL;
}

struct table store_table_at(const struct store *s, enum resource_id id, int64_t version)
{
	const struct table *now = &s->tables[id];
	struct table then = {.count = now->count, .room = now->count};
	uint64_t i;

	then.items = xcalloc(now->count + 1, sizeof(*then.items));
	if (now->count)
		memcpy(then.items, now->items, now->count * sizeof(*then.items));
	for (i = s->next; i > s->first; i--) {
		const struct change *c = &s->ring[(i - 1) % s->room];

		if (c->version <= version)
			break;
		if (c->id == id)
			table_set(&then, c->after ? c->after->key : c->before->key, c->before);
	}
	return then;
}

void store_wait(struct store *s, enum resource_id id, int64_t wait_ms)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	at.tv_sec += wait_ms / 1000;
	at.tv_nsec += wait_ms % 1000 * 1000000;
	if (at.tv_nsec >= 1000000000) {
		at.tv_sec++;
		at.tv_nsec -= 1000000000;
	}
	pthread_cond_timedwait(&s->changed[id], &s->lock, &at);
}

void store_wake(struct store *s)
{
	unsigned i;

	for (i = 0; i < RESOURCE_COUNT; i++)
		pthread_cond_broadcast(&s->changed[i]);
}
