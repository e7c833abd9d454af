#include "probe/links.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

#define MOVED_RATIO 0.2
#define MOVED_US 500.0
#define MOVED_LOSS 0.1

static void link_free(struct link *k)
{
	free(k->name);
	window_free(&k->window);
}

void links_free(struct links *l)
{
	size_t i;

	for (i = 0; i < l->count; i++)
		link_free(&l->items[i]);
	free(l->items);
	free(l->targets);
	*l = (struct links){0};
}

/* Where links are found again: "n/NAME" or "c/NAME". */
static char *key_of(bool is_client, const char *name)
{
	return xasprintf("%c/%s", is_client ? 'c' : 'n', name);
}

static void index_links(const struct links *l, struct names *index)
{
	size_t i;

	for (i = 0; i < l->count; i++) {
		auto_free char *key = key_of(l->items[i].is_client, l->items[i].name);

		names_add(index, key);
	}
}

/* Takes the history over from the old list, where name and address are the same. */
static void inherit(struct link *k, const char *addr, struct links *old, const struct names *index)
{
	auto_free char *key = key_of(k->is_client, k->name);
	uint32_t at = names_find(index, key);
	struct link *before;

	if (at == NAMES_NONE)
		return;
	before = &old->items[at];
	if (strcmp(old->targets[before->target].addr, addr) != 0)
		return;
	window_free(&k->window);
	k->window = before->window;
	k->now = before->now;
	k->published = before->published;
	k->silent_ms = before->silent_ms;
	k->missed = before->missed;
	k->published_silent = before->published_silent;
	before->window = (struct window){0};
}

struct building {
	struct links *next, *old;
	struct names index;		/* of the old links */
	struct names addrs;		/* of the targets */
	size_t kept;
};

static void add_link(struct building *b, const char *name, const char *addr, bool is_client)
{
	struct links *l = b->next;
	struct link *k = &l->items[l->count];
	struct ping_target target;
	struct lm_err err;

	if (ping_target_init(&target, addr, &err) < 0) {
		l->incomplete = true;
		if (log_gate_open(&b->old->gate, 60000, NULL))
			log_warn("peer left out", FIELDS(LS("peer", name), LS("reason", err.msg)));
		return;
	}
	*k = (struct link){.name = xstrdup(name), .is_client = is_client, .silent_ms = -1};
	k->now = k->published = (struct window_summary){NAN, NAN, NAN, NAN, NAN, 0, 0};
	k->target = names_add(&b->addrs, target.addr);
	if (k->target == NAMES_NONE)
		k->target = names_find(&b->addrs, target.addr);
	else
		l->targets[l->target_count++] = target;
	inherit(k, target.addr, b->old, &b->index);
	if (k->window.ring)
		b->kept++;
	else
		window_init(&k->window, l->room);
	l->count++;
}

static void add_list(struct building *b, const struct peer_list *list, const char *self, bool is_client)
{
	uint32_t i;

	for (i = 0; i < list->names.count; i++)
		if (list->addr[i] && (is_client || strcmp(list->names.items[i], self) != 0))
			add_link(b, list->names.items[i], list->addr[i], is_client);
}

void links_update(struct links *l, const struct peers *peers, const char *self, uint32_t room)
{
	size_t most = (size_t)peers->nodes.names.count + peers->clients.names.count;
	struct links next = {.room = room, .recorded_ms = l->recorded_ms};
	struct building b = {.next = &next, .old = l};

	next.items = xcalloc(most, sizeof(*next.items));
	next.targets = xcalloc(most, sizeof(*next.targets));
	index_links(l, &b.index);
	add_list(&b, &peers->nodes, self, false);
	add_list(&b, &peers->clients, self, true);
	next.changed = l->changed || b.kept != next.count || b.kept != l->count;
	names_free(&b.index);
	names_free(&b.addrs);
	next.gate = l->gate;
	links_free(l);
	*l = next;
}

static int64_t at_most(int64_t ms, int64_t most_ms)
{
	return ms < 0 ? 0 : ms > most_ms ? most_ms : ms;
}

static void listen_to(struct link *k, const struct ping_results *results, int64_t now_ms, int64_t passed_ms, int64_t step_ms)
{
	int64_t heard_ms = -1;
	bool lost = false;
	uint32_t ping;

	for (ping = 0; ping < results->pings; ping++) {
		float rtt_us = *ping_result(results, k->target, ping);

		if (rtt_us >= 0)
			heard_ms = results->at_ms[ping] + (int64_t)rtt_us / 1000;
		lost = lost || rtt_us == PING_LOST;
	}
	if (heard_ms >= 0) {
		k->silent_ms = at_most(now_ms - heard_ms, step_ms);
		k->missed = 0;
	} else if (lost) {
		k->silent_ms += k->silent_ms < 0 ? 0 : at_most(passed_ms, step_ms);
		k->missed++;
	}
}

void links_record(struct links *l, const struct ping_results *results, const struct link_spans *spans, int64_t now_ms)
{
	int64_t passed_ms = l->recorded_ms ? now_ms - l->recorded_ms : spans->step_ms;
	uint32_t ping;
	size_t i;

	l->recorded_ms = now_ms;
	for (i = 0; i < l->count; i++) {
		struct link *k = &l->items[i];

		listen_to(k, results, now_ms, passed_ms, spans->step_ms);
		for (ping = 0; ping < results->pings; ping++) {
			float rtt_us = *ping_result(results, k->target, ping);

			if (rtt_us != PING_VOID)
				window_add(&k->window, results->at_ms[ping], rtt_us < 0 ? (double)NAN : (double)rtt_us);
		}
		window_expire(&k->window, now_ms, spans->loss_ms);
		window_summarise(&k->window, now_ms, spans->rtt_ms, spans->loss_ms, &k->now);
	}
}

static bool rtt_moved(double was_us, double is_us)
{
	double by_us = fabs(is_us - was_us);

	if (isnan(was_us) || isnan(is_us))
		return isnan(was_us) != isnan(is_us);
	return by_us >= MOVED_US && by_us >= MOVED_RATIO * was_us;
}

static bool loss_moved(double was, double is)
{
	if (isnan(was) || isnan(is))
		return isnan(was) != isnan(is);
	return fabs(is - was) >= MOVED_LOSS - 1e-9;
}

bool links_is_silent(const struct link *k)
{
	return !k->is_client && k->silent_ms >= 0 && k->missed >= LINKS_SILENT_ROUNDS;
}

/* To be told now: that it began, that it ended, that it goes on. */
static bool silence_moved(const struct link *k)
{
	bool silent = links_is_silent(k);

	return silent != k->published_silent || (silent && k->silent_ms < LINKS_TOLD_MS);
}

bool links_moved(const struct links *l)
{
	size_t i;

	for (i = 0; i < l->count; i++) {
		const struct link *k = &l->items[i];

		if (rtt_moved(k->published.rtt_us, k->now.rtt_us) || loss_moved(k->published.loss, k->now.loss) || silence_moved(k))
			return true;
	}
	return l->changed;
}

void links_report(struct links *l, struct report *report)
{
	size_t i;

	for (i = 0; i < l->count; i++) {
		struct link *k = &l->items[i];
		struct report_link *out = report_links_add(k->is_client ? &report->clients : &report->peers, k->name);

		free(out->addr);
		out->addr = xstrdup(l->targets[k->target].addr);
		out->rtt_us = k->now.rtt_us;
		out->min_us = k->now.min_us;
		out->p95_us = k->now.p95_us;
		out->jitter_us = k->now.jitter_us;
		out->loss = k->now.loss;
		out->sent = k->now.sent;
		out->received = k->now.received;
		out->silent_s = k->silent_ms < 0 ? (double)NAN : (double)k->silent_ms / 1000;
		k->published = k->now;
		k->published_silent = links_is_silent(k);
	}
	l->changed = false;
}
