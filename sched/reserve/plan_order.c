/* Who of the wants of one failure depends on whom, and in which order they are placed. */
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "sched/reserve/plan_private.h"

/* The namespace is not looked at: one dependency more only costs time. */
static bool terms_mean(const struct affinity_term *terms, uint32_t count, const struct pod *other)
{
	uint32_t i;

	for (i = 0; i < count; i++)
		if (selector_matches(&terms[i].selector, &other->labels))
			return true;
	return false;
}

static bool target_means(const struct target *t, const struct pod *pod, const struct pod *other)
{
	const char *value;

	if (t->kind == TARGET_SELECTOR) {
		value = labels_get(&other->labels, t->key);
		return value && STREQ(value, t->value) && STREQ(other->namespace_, t->namespace_ ? t->namespace_ : pod->namespace_);
	}
	if (t->kind != TARGET_FROM || !STREQ(other->namespace_, pod->namespace_))
		return false;
	value = labels_get(&other->labels, "app");
	return (value && STREQ(value, t->name)) || STREQ(other->controller, t->name);
}

bool waits_for(const struct pod *pod, const struct pod *other)
{
	uint32_t i;

	for (i = 0; i < pod->ask.within_count; i++)
		if (target_means(&pod->ask.within[i].target, pod, other))
			return true;
	return terms_mean(pod->affinity, pod->affinity_count, other);
}

static bool minds(const struct pod *pod, const struct pod *other)
{
	uint32_t i;

	for (i = 0; i < pod->spread_count; i++)
		if (pod->spreads[i].hard && selector_matches(&pod->spreads[i].selector, &other->labels))
			return true;
	return terms_mean(pod->anti_affinity, pod->anti_affinity_count, other) || waits_for(pod, other);
}

static void find_ties(struct work *w, struct failure *f)
{
	struct want *wants = w->wants + f->first;
	uint32_t i, k;

	for (i = 0; i < f->count; i++)
		for (k = i + 1; k < f->count; k++)
			if ((wants[i].pod->volume_count && wants[k].pod->volume_count) || minds(wants[i].pod, wants[k].pod) ||
			    minds(wants[k].pod, wants[i].pod))
				wants[i].tied = wants[k].tied = f->tied = true;
}

/* Is it tied, not placed yet, and are all there that it waits for? */
static bool is_ready(const struct failure *f, const struct want *wants, const bool *done, const bool *waits, uint32_t i)
{
	uint32_t k;

	if (done[i] || !wants[i].tied)
		return false;
	for (k = 0; k < f->count; k++)
		if (waits[(size_t)i * f->count + k] && !done[k])
			return false;
	return true;
}

/* Of those that are left, do all that it waits for, by way of others too, wait for it in turn? Then it may be the first of its circle. */
static bool may_begin(const struct failure *f, const bool *done, const bool *reach, uint32_t i)
{
	uint32_t k;

	for (k = 0; k < f->count; k++)
		if (!done[k] && reach[(size_t)i * f->count + k] && !reach[(size_t)k * f->count + i])
			return false;
	return true;
}

/* Tied before free, each after those that it waits for; of a circle the first one that is left. */
static uint32_t next_in_order(const struct failure *f, const struct want *wants, const bool *done, const bool *waits, const bool *reach)
{
	uint32_t i;

	for (i = 0; i < f->count; i++)
		if (is_ready(f, wants, done, waits, i))
			return i;
	for (i = 0; i < f->count; i++)
		if (!done[i] && wants[i].tied && may_begin(f, done, reach, i))
			return i;
	for (i = 0; done[i]; i++)
		;
	return i;
}

/* From who waits for whom to who waits, by way of others, for whom. */
static void close_over(bool *reach, uint32_t count)
{
	uint32_t i, k, l;

	for (k = 0; k < count; k++)
		for (i = 0; i < count; i++)
			for (l = 0; l < count && reach[(size_t)i * count + k]; l++)
				reach[(size_t)i * count + l] |= reach[(size_t)k * count + l];
}

static void put_in_order(struct work *w, const struct failure *f)
{
	size_t pairs = (size_t)f->count * f->count;
	auto_free struct want *sorted = xcalloc(f->count, sizeof(*sorted));
	auto_free bool *done = xcalloc(f->count, sizeof(*done)), *waits = xcalloc(pairs, sizeof(*waits)), *reach = xcalloc(pairs, sizeof(*reach));
	struct want *wants = w->wants + f->first;
	uint32_t i, k, next;

	for (i = 0; i < f->count; i++)
		for (k = 0; k < f->count; k++)
			waits[(size_t)i * f->count + k] = i != k && wants[i].tied && wants[k].tied && waits_for(wants[i].pod, wants[k].pod);
	memcpy(reach, waits, pairs * sizeof(*waits));
	close_over(reach, f->count);
	for (i = 0; i < f->count; i++) {
		next = next_in_order(f, wants, done, waits, reach);
		for (k = 0; k < f->count; k++)
			wants[next].late |= done[k] && waits[(size_t)k * f->count + next];
		done[next] = true;
		sorted[i] = wants[next];
	}
	memcpy(wants, sorted, f->count * sizeof(*wants));
}

void order(struct work *w, uint32_t failure)
{
	struct failure *f = &w->failures[failure];

	find_ties(w, f);
	if (f->tied)
		put_in_order(w, f);
}
