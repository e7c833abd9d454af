#include "merge/observe_private.h"

#include <arpa/inet.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

const char *const observe_reasons[] = {
	[OBSERVE_MALFORMED] = "malformed", [OBSERVE_RANGE] = "range", [OBSERVE_GROUP] = "group", [OBSERVE_NODE] = "unknown_node",
	[OBSERVE_TOO_MANY_GROUPS] = "too_many_groups", [OBSERVE_TOO_MANY_CELLS] = "too_many_cells", NULL,
};

bool observe_reporter(const char *peer, char reporter[static OBSERVE_REPORTER_BYTES])
{
	unsigned char binary[16];

	if (inet_pton(AF_INET, peer, binary) == 1)
		return inet_ntop(AF_INET, binary, reporter, OBSERVE_REPORTER_BYTES) != NULL;
	if (inet_pton(AF_INET6, peer, binary) != 1)
		return false;
	memset(binary + 8, 0, 8);
	if (!inet_ntop(AF_INET6, binary, reporter, OBSERVE_REPORTER_BYTES - 3))
		return false;
	memcpy(reporter + strlen(reporter), "/64", 4);
	return true;
}

struct observe *observe_new(void)
{
	struct observe *o = xcalloc(1, sizeof(*o));

	o->reporters = xcalloc(OBSERVE_REPORTERS_MAX, sizeof(*o->reporters));
	return o;
}

static void reporter_free(struct reporter *r)
{
	free(r->name);
	names_free(&r->groups);
	free(r->figures);
	free(r->slots);
	*r = (struct reporter){0};
}

void observe_free(struct observe *o)
{
	uint32_t i;

	if (!o)
		return;
	for (i = 0; i < o->count; i++)
		reporter_free(&o->reporters[i]);
	free(o->reporters);
	names_free(&o->nodes);
	names_free(&o->clients);
	free(o);
}

uint32_t observe_reporters(const struct observe *o)
{
	return o->count;
}

uint32_t observe_cells(const struct observe *o)
{
	return o->cells;
}

/* --- finding and adding -------------------------------------------------------------------------------------------- */

/* Who says nothing that is kept makes room, the one that was silent for longest first. */
static struct reporter *idle_reporter(const struct observe *o)
{
	struct reporter *oldest = NULL;
	uint32_t i;

	for (i = 0; i < o->count; i++)
		if (!o->reporters[i].count && (!oldest || o->reporters[i].heard_ms < oldest->heard_ms))
			oldest = &o->reporters[i];
	return oldest;
}

struct reporter *observe_find_reporter(struct observe *o, const char *name, int64_t now_ms)
{
	struct reporter *r;
	uint32_t i;

	for (i = 0; i < o->count; i++)
		if (STREQ(o->reporters[i].name, name)) {
			o->reporters[i].heard_ms = now_ms;
			return &o->reporters[i];
		}
	r = o->count < OBSERVE_REPORTERS_MAX ? &o->reporters[o->count++] : idle_reporter(o);
	if (!r)
		return NULL;
	reporter_free(r);
	r->name = xstrdup(name);
	r->heard_ms = now_ms;
	return r;
}

/* The slot of a figure, or the free one where it would be. Indices are dense, so that a good mix is enough. */
static uint32_t *slot_of(const struct reporter *r, uint32_t group, uint32_t node)
{
	uint64_t key = ((uint64_t)group << 32 | node) * UINT64_C(0x9e3779b97f4a7c15);
	uint32_t at = (uint32_t)(key >> 32) & (r->slot_count - 1);

	while (r->slots[at] && (r->figures[r->slots[at] - 1].group != group || r->figures[r->slots[at] - 1].node != node))
		at = (at + 1) & (r->slot_count - 1);
	return &r->slots[at];
}

static void rehash(struct reporter *r, uint32_t slot_count)
{
	uint32_t i;

	free(r->slots);
	r->slots = xcalloc(slot_count, sizeof(*r->slots));
	r->slot_count = slot_count;
	for (i = 0; i < r->count; i++)
		*slot_of(r, r->figures[i].group, r->figures[i].node) = i + 1;
}

static struct figure *add_figure(struct observe *o, struct reporter *r, uint32_t group, uint32_t node)
{
	if (r->count >= r->slot_count / 2)
		rehash(r, r->slot_count ? r->slot_count * 2 : 16);
	grow(&r->figures, &r->room, (size_t)r->count + 1, sizeof(*r->figures));
	*slot_of(r, group, node) = r->count + 1;
	o->cells++;
	r->figures[r->count] = (struct figure){.group = group, .node = node};
	return &r->figures[r->count++];
}

struct figure *observe_find_figure(struct observe *o, struct reporter *r, const char *group, const char *node, enum observe_reason *reason)
{
	uint32_t to = names_find(&o->nodes, node), index;
	bool is_free = names_find(&o->clients, group) == NAMES_NONE, is_new;

	*reason = !name_is_valid(group) ? OBSERVE_GROUP : OBSERVE_NODE;
	if (*reason == OBSERVE_GROUP || to == NAMES_NONE)
		return NULL;
	index = names_find(&r->groups, group);
	is_new = index == NAMES_NONE;
	if (!is_new && r->slot_count && *slot_of(r, index, to))
		return &r->figures[*slot_of(r, index, to) - 1];
	*reason = OBSERVE_TOO_MANY_GROUPS;
	if (is_new && is_free && r->free_groups >= OBSERVE_GROUPS_EACH)
		return NULL;
	*reason = OBSERVE_TOO_MANY_CELLS;
	if (r->count >= OBSERVE_CELLS_EACH || o->cells >= OBSERVE_CELLS_MAX)
		return NULL;
	if (is_new) {
		index = names_add(&r->groups, group);
		r->free_groups += is_free;
	}
	return add_figure(o, r, index, to);
}

/* --- posts --------------------------------------------------------------------------------------------------------- */

static bool is_in_range(const struct observe_item *item)
{
	return item->ms >= OBSERVE_MS_MIN && item->ms <= OBSERVE_MS_MAX && item->count >= 1 && item->count <= OBSERVE_COUNT_MAX;
}

static double aged(double weight, int64_t from_ms, int64_t to_ms)
{
	return to_ms > from_ms ? weight * exp2(-(double)(to_ms - from_ms) / 1e3 / OBSERVE_HALF_LIFE_S) : weight;
}

static void weigh_in(struct figure *f, const struct observe_item *item, int64_t now_ms)
{
	double more = fmin((double)item->count, OBSERVE_WEIGHT_MAX), before = aged(f->weight, f->at_ms, now_ms);

	f->log_ms = (before * f->log_ms + more * log(item->ms)) / (before + more);
	f->weight = fmin(before + more, OBSERVE_WEIGHT_MAX);
	f->at_ms = now_ms;
}

bool observe_post(struct observe *o, const char *reporter, const struct observe_item *items, size_t count, int64_t now_ms, struct observe_tally *tally)
{
	struct reporter *r = observe_find_reporter(o, reporter, now_ms);
	size_t i;

	if (!r)
		return false;
	for (i = 0; i < count; i++) {
		enum observe_reason reason = OBSERVE_RANGE;
		struct figure *f = is_in_range(&items[i]) ? observe_find_figure(o, r, items[i].group, items[i].node, &reason) : NULL;

		if (!f) {
			tally->refused[reason]++;
			continue;
		}
		weigh_in(f, &items[i], now_ms);
		tally->accepted++;
	}
	return true;
}

/* --- forgetting ---------------------------------------------------------------------------------------------------- */

/* Keeps the figures of `old` that are still about anything; `nodes` are the names that their indices had. */
static void take_over(struct observe *o, struct reporter *r, const struct reporter *old, const struct names *nodes, int64_t since_ms)
{
	enum observe_reason ignored;
	uint32_t i;

	for (i = 0; i < old->count; i++) {
		const struct figure *from = &old->figures[i];
		struct figure *to = from->at_ms < since_ms ? NULL :
			observe_find_figure(o, r, old->groups.items[from->group], nodes->items[from->node], &ignored);

		if (to) {
			to->log_ms = from->log_ms;
			to->weight = from->weight;
			to->at_ms = from->at_ms;
		}
	}
}

/* Everything is laid out anew: names cannot be taken out of a set. Order stays, and so does which group of a reporter was first. */
static void rebuild(struct observe *o, const struct names *nodes, int64_t since_ms)
{
	struct reporter *before = o->reporters;
	uint32_t count = o->count, i;

	o->reporters = xcalloc(OBSERVE_REPORTERS_MAX, sizeof(*o->reporters));
	o->count = o->cells = 0;
	for (i = 0; i < count; i++) {
		struct reporter *r = &o->reporters[o->count];

		take_over(o, r, &before[i], nodes, since_ms);
		if (r->count || before[i].heard_ms >= since_ms) {
			r->name = xstrdup(before[i].name);
			r->heard_ms = before[i].heard_ms;
			o->count++;
		}
		reporter_free(&before[i]);
	}
	free(before);
}

static bool are_equal(const struct names *a, const struct names *b)
{
	uint32_t i;

	for (i = 0; i < a->count && i < b->count && STREQ(a->items[i], b->items[i]); i++)
		;
	return a->count == b->count && i == a->count;
}

static struct names copy_of(const struct names *names)
{
	struct names copy = {0};
	uint32_t i;

	for (i = 0; names && i < names->count; i++)
		names_add(&copy, names->items[i]);
	return copy;
}

void observe_expect(struct observe *o, const struct names *nodes, const struct names *clients)
{
	static const struct names none;
	struct names before;

	clients = clients ? clients : &none;
	if (are_equal(&o->nodes, nodes) && are_equal(&o->clients, clients))
		return;
	before = o->nodes;
	o->nodes = copy_of(nodes);
	names_free(&o->clients);
	o->clients = copy_of(clients);
	rebuild(o, &before, INT64_MIN);
	names_free(&before);
}

void observe_prune(struct observe *o, int64_t now_ms, int64_t life_ms)
{
	struct names nodes = copy_of(&o->nodes);

	rebuild(o, &nodes, now_ms - life_ms);
	names_free(&nodes);
}
