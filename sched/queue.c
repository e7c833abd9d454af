#include "sched/queue.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "sched/cache/cache.h"

#define WAKE_BITS 9

const char *const queue_state_names[] = {"ready", "backing_off", "parked", "taken", NULL};

struct item {
	char *uid;
	uint64_t hash, version;
	struct item *next_in_bucket;
	struct item *before, *after;	/* of the parked, the oldest first */
	struct item *older, *newer;	/* of all, by since_ms */
	enum queue_state state;
	size_t place;			/* in its heap */
	int32_t priority;
	int64_t since_ms;		/* in the queue since then */
	int64_t due_ms;			/* back-off ends; of a parked one: the latest wake-up */
	int64_t tried_ms, backoff_until_ms;
	unsigned wake;			/* 0: it failed, and no news will help */
	int tries;
	bool changed;			/* while it was taken */
};

struct heap {
	struct item **items;
	size_t count, room;
	bool (*before)(const struct item *a, const struct item *b);
};

struct queue {
	struct item **buckets;
	size_t bucket_count, total;
	struct heap ready, backing_off;
	struct item *parked_first, *parked_last;
	struct item *oldest, *newest;
	size_t parked_by_bit[WAKE_BITS];	/* spares the walk when nobody waits for that */
	size_t for_target;		/* parked or backing off, and waiting for WAKE_TARGET */
	size_t counts[QUEUE_STATES];
};

/* --- heaps: a binary heap that knows each item's place --- */

static bool more_urgent(const struct item *a, const struct item *b)
{
	if (a->priority != b->priority)
		return a->priority > b->priority;
	return a->since_ms != b->since_ms ? a->since_ms < b->since_ms : strcmp(a->uid, b->uid) < 0;
}

static bool due_sooner(const struct item *a, const struct item *b)
{
	return a->due_ms < b->due_ms;
}

static void set_place(struct heap *h, size_t place, struct item *item)
{
	h->items[place] = item;
	item->place = place;
}

static void sift_up(struct heap *h, struct item *item)
{
	size_t at = item->place;

	for (; at > 0 && h->before(item, h->items[(at - 1) / 2]); at = (at - 1) / 2)
		set_place(h, at, h->items[(at - 1) / 2]);
	set_place(h, at, item);
}

static void sift_down(struct heap *h, struct item *item)
{
	size_t at = item->place, child;

	for (; (child = 2 * at + 1) < h->count; at = child) {
		if (child + 1 < h->count && h->before(h->items[child + 1], h->items[child]))
			child++;
		if (!h->before(h->items[child], item))
			break;
		set_place(h, at, h->items[child]);
	}
	set_place(h, at, item);
}

static void heap_add(struct heap *h, struct item *item)
{
	grow(&h->items, &h->room, h->count + 1, sizeof(struct item *));
	set_place(h, h->count++, item);
	sift_up(h, item);
}

static void heap_remove(struct heap *h, struct item *item)
{
	struct item *last = h->items[--h->count];

	assert(h->items[item->place] == item || last == item);
	if (last == item)
		return;
	set_place(h, item->place, last);
	sift_up(h, last);
	sift_down(h, last);
}

/* --- the parked: a list by time, since all stay equally long --- */

static void count_wakers(struct queue *q, const struct item *item, bool more)
{
	unsigned bit;

	for (bit = 0; bit < WAKE_BITS; bit++)
		if (item->wake & (1u << bit))
			q->parked_by_bit[bit] += more ? 1 : (size_t)-1;
}

static void park(struct queue *q, struct item *item)
{
	item->before = q->parked_last;
	item->after = NULL;
	*(q->parked_last ? &q->parked_last->after : &q->parked_first) = item;
	q->parked_last = item;
	count_wakers(q, item, true);
}

static void unpark(struct queue *q, struct item *item)
{
	*(item->before ? &item->before->after : &q->parked_first) = item->after;
	*(item->after ? &item->after->before : &q->parked_last) = item->before;
	count_wakers(q, item, false);
}

/* --- states --- */

static bool waits_for_target(const struct item *item)
{
	return (item->state == QUEUE_PARKED || item->state == QUEUE_BACKING_OFF) && (item->wake & WAKE_TARGET);
}

static void leave(struct queue *q, struct item *item)
{
	q->counts[item->state]--;
	q->for_target -= waits_for_target(item);
	if (item->state == QUEUE_READY)
		heap_remove(&q->ready, item);
	else if (item->state == QUEUE_BACKING_OFF)
		heap_remove(&q->backing_off, item);
	else if (item->state == QUEUE_PARKED)
		unpark(q, item);
}

static void enter(struct queue *q, struct item *item, enum queue_state state)
{
	item->state = state;
	q->counts[state]++;
	q->for_target += waits_for_target(item);
	if (state == QUEUE_READY)
		heap_add(&q->ready, item);
	else if (state == QUEUE_BACKING_OFF)
		heap_add(&q->backing_off, item);
	else if (state == QUEUE_PARKED)
		park(q, item);
}

static void move(struct queue *q, struct item *item, enum queue_state state)
{
	leave(q, item);
	enter(q, item, state);
}

/* Ready now, or when the back-off of its last attempt is over. */
static void revive(struct queue *q, struct item *item, int64_t mono_ms)
{
	leave(q, item);
	item->due_ms = item->backoff_until_ms;
	enter(q, item, item->due_ms <= mono_ms ? QUEUE_READY : QUEUE_BACKING_OFF);
}

/* --- the table of uids --- */

static uint64_t hash_of(const char *uid)
{
	uint64_t h = 0xcbf29ce484222325u; /* FNV-1a */

	for (; *uid; uid++)
		h = (h ^ (unsigned char)*uid) * 0x100000001b3u;
	return h;
}

static struct item **find_link(const struct queue *q, const char *uid, uint64_t hash)
{
	struct item **link = &q->buckets[hash % q->bucket_count];

	while (*link && ((*link)->hash != hash || !STREQ((*link)->uid, uid)))
		link = &(*link)->next_in_bucket;
	return link;
}

static struct item *find(const struct queue *q, const char *uid)
{
	return *find_link(q, uid, hash_of(uid));
}

static void rehash(struct queue *q, size_t bucket_count)
{
	struct item **old = q->buckets, *item, *next;
	size_t i, old_count = q->bucket_count;

	q->buckets = xcalloc(bucket_count, sizeof(*q->buckets));
	q->bucket_count = bucket_count;
	for (i = 0; i < old_count; i++)
		for (item = old[i]; item; item = next) {
			next = item->next_in_bucket;
			item->next_in_bucket = q->buckets[item->hash % bucket_count];
			q->buckets[item->hash % bucket_count] = item;
		}
	free(old);
}

static struct item *add(struct queue *q, const char *uid, int64_t mono_ms)
{
	struct item *item = xcalloc(1, sizeof(*item));

	if (q->total == q->bucket_count)
		rehash(q, 2 * q->bucket_count);
	item->uid = xstrdup(uid);
	item->hash = hash_of(uid);
	item->since_ms = mono_ms;
	item->older = q->newest;
	*(q->newest ? &q->newest->newer : &q->oldest) = item;
	q->newest = item;
	item->next_in_bucket = q->buckets[item->hash % q->bucket_count];
	q->buckets[item->hash % q->bucket_count] = item;
	q->total++;
	return item;
}

/* --- what the caller sees --- */

struct queue *queue_new(void)
{
	struct queue *q = xcalloc(1, sizeof(*q));

	q->ready.before = more_urgent;
	q->backing_off.before = due_sooner;
	rehash(q, 64);
	return q;
}

void queue_free(struct queue *q)
{
	struct item *item, *next;
	size_t i;

	if (!q)
		return;
	for (i = 0; i < q->bucket_count; i++)
		for (item = q->buckets[i]; item; item = next) {
			next = item->next_in_bucket;
			free(item->uid);
			free(item);
		}
	free(q->buckets);
	free(q->ready.items);
	free(q->backing_off.items);
	free(q);
}

void queue_put(struct queue *q, const char *uid, int32_t priority, uint64_t version, int64_t mono_ms)
{
	struct item *item = find(q, uid);

	if (item && item->version == version && item->priority == priority)
		return;
	if (!item) {
		item = add(q, uid, mono_ms);
		item->version = version;
		item->priority = priority;
		enter(q, item, QUEUE_READY);
		return;
	}
	item->version = version;
	if (item->state == QUEUE_TAKEN) {
		item->priority = priority;
		item->changed = true;
		return;
	}
	leave(q, item);
	item->priority = priority;
	item->tries = 0;
	item->backoff_until_ms = mono_ms;
	enter(q, item, QUEUE_READY);
}

void queue_remove(struct queue *q, const char *uid)
{
	struct item **link = find_link(q, uid, hash_of(uid)), *item = *link;

	if (!item)
		return;
	leave(q, item);
	*link = item->next_in_bucket;
	*(item->older ? &item->older->newer : &q->oldest) = item->newer;
	*(item->newer ? &item->newer->older : &q->newest) = item->older;
	q->total--;
	free(item->uid);
	free(item);
}

/* Moves what is due: back-offs that ended, and the parked whose five minutes are over. */
static void advance(struct queue *q, int64_t mono_ms)
{
	while (q->backing_off.count && q->backing_off.items[0]->due_ms <= mono_ms)
		move(q, q->backing_off.items[0], QUEUE_READY);
	while (q->parked_first && q->parked_first->due_ms <= mono_ms)
		revive(q, q->parked_first, mono_ms);
}

const char *queue_take(struct queue *q, int64_t mono_ms)
{
	struct item *item;

	advance(q, mono_ms);
	if (!q->ready.count)
		return NULL;
	item = q->ready.items[0];
	item->changed = false;
	move(q, item, QUEUE_TAKEN);
	return item->uid;
}

static int64_t backoff_ms(int tries)
{
	int64_t ms = QUEUE_BACKOFF_MS;

	for (; tries > 1 && ms < QUEUE_BACKOFF_MAX_MS; tries--)
		ms *= 2;
	return ms < QUEUE_BACKOFF_MAX_MS ? ms : QUEUE_BACKOFF_MAX_MS;
}

/* Ends an attempt. True when its user changed the pod meanwhile: it is ready again already. */
static bool end_attempt(struct queue *q, struct item *item, int64_t mono_ms)
{
	if (item->changed) {
		item->tries = 0;
		item->backoff_until_ms = mono_ms;
		move(q, item, QUEUE_READY);
		return true;
	}
	item->tries++;
	item->tried_ms = mono_ms;
	item->backoff_until_ms = mono_ms + backoff_ms(item->tries);
	return false;
}

static void park_until(struct queue *q, struct item *item, unsigned wake, int64_t mono_ms)
{
	leave(q, item);
	item->wake = wake;
	item->due_ms = mono_ms + QUEUE_PARKED_MAX_MS;
	enter(q, item, QUEUE_PARKED);
}

void queue_refused(struct queue *q, const char *uid, unsigned wake, int64_t mono_ms)
{
	struct item *item = find(q, uid);

	if (!item || item->state != QUEUE_TAKEN || end_attempt(q, item, mono_ms))
		return;
	park_until(q, item, wake, mono_ms);
}

void queue_put_off(struct queue *q, const char *uid, unsigned wake, int64_t mono_ms)
{
	struct item *item = find(q, uid);

	if (!item || item->state != QUEUE_TAKEN)
		return;
	item->backoff_until_ms = mono_ms;
	if (item->changed)
		move(q, item, QUEUE_READY);
	else
		park_until(q, item, wake, mono_ms);
}

void queue_failed(struct queue *q, const char *uid, int64_t mono_ms)
{
	struct item *item = find(q, uid);

	if (!item || item->state != QUEUE_TAKEN || end_attempt(q, item, mono_ms))
		return;
	item->wake = 0;
	revive(q, item, mono_ms);
}

/* True when rare news makes its back-off end sooner. */
static bool hurry(struct item *item, unsigned bits)
{
	int64_t soonest_ms = item->tried_ms + QUEUE_BACKOFF_MS;

	if (!(item->wake & bits & WAKE_RARE) || item->backoff_until_ms <= soonest_ms)
		return false;
	item->backoff_until_ms = soonest_ms;
	return true;
}

/* What goes up in the heap changes places with items that were looked at already. */
static void hurry_backing_off(struct queue *q, unsigned bits)
{
	struct item *item;
	size_t i;

	for (i = 0; i < q->backing_off.count; i++) {
		item = q->backing_off.items[i];
		if (hurry(item, bits)) {
			item->due_ms = item->backoff_until_ms;
			sift_up(&q->backing_off, item);
		}
	}
}

size_t queue_wake(struct queue *q, unsigned bits, int64_t mono_ms)
{
	struct item *item, *after;
	size_t woken = 0, waiting = 0;
	unsigned bit;

	if (bits & WAKE_RARE)
		hurry_backing_off(q, bits);
	for (bit = 0; bit < WAKE_BITS; bit++)
		if (bits & (1u << bit))
			waiting += q->parked_by_bit[bit];
	if (!waiting)
		return 0;
	for (item = q->parked_first; item; item = after) {
		after = item->after;
		if (item->wake & bits) {
			hurry(item, bits);
			revive(q, item, mono_ms);
			woken++;
		}
	}
	return woken;
}

size_t queue_wake_target(struct queue *q, bool (*helps)(void *arg, const char *uid), void *arg, int64_t mono_ms)
{
	auto_free struct item **found = NULL;
	size_t count = 0, room = 0, i;
	struct item *item;

	if (!q->for_target)
		return 0;
	grow(&found, &room, q->for_target, sizeof(struct item *));
	for (item = q->parked_first; item; item = item->after)
		if (waits_for_target(item) && helps(arg, item->uid))
			found[count++] = item;
	for (i = 0; i < q->backing_off.count; i++)
		if (waits_for_target(q->backing_off.items[i]) && helps(arg, q->backing_off.items[i]->uid))
			found[count++] = q->backing_off.items[i];
	for (i = 0; i < count; i++) {		/* only now: the heap changes */
		found[i]->backoff_until_ms = mono_ms;
		revive(q, found[i], mono_ms);
	}
	return count;
}

int64_t queue_next_ms(struct queue *q, int64_t mono_ms, int64_t most)
{
	int64_t due = mono_ms + most;

	advance(q, mono_ms);
	if (q->ready.count)
		return 0;
	if (q->backing_off.count && q->backing_off.items[0]->due_ms < due)
		due = q->backing_off.items[0]->due_ms;
	if (q->parked_first && q->parked_first->due_ms < due)
		due = q->parked_first->due_ms;
	return due - mono_ms;
}

size_t queue_count(const struct queue *q, enum queue_state state)
{
	return q->counts[state];
}

int64_t queue_since_ms(const struct queue *q, const char *uid)
{
	const struct item *item = find(q, uid);

	return item ? item->since_ms : -1;
}

int64_t queue_oldest_ms(const struct queue *q)
{
	return q->oldest ? q->oldest->since_ms : -1;
}
