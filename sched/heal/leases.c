#include "sched/heal/leases.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/kube/watch.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/names.h"
#include "sched/cache/read.h"
#include "sched/heal/judge.h"

#define PATH "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
#define DURATION_MAX_S 3600
#define SAY_AGAIN_MS 60000

struct lease {
	char *renew_time;		/* NULL: there is no such Lease now */
	int64_t duration_s;		/* 0: it does not say */
	int64_t changed_ms, renewals;
	bool listed;			/* by the list that is on its way */
};

struct leases {
	struct kube_watch *watch;	/* NULL in a test */
	struct names names;
	struct lease *items;		/* the same index */
	size_t room;
	bool listing;
	int64_t heard_ms;		/* of the last event or whole list; -1: never */
	int64_t longest_s;		/* duration */
	struct log_gate gate;
};

/* --- ages ------------------------------------------------------------------------------------------------------------ */

static int64_t pause_ms(const struct leases *l)
{
	return (l->longest_s ? l->longest_s : JUDGE_LEASE_S) * 1000 * 3 / 8;
}

static void hear(struct leases *l, int64_t mono_ms)
{
	uint32_t i;

	if (l->heard_ms >= 0 && mono_ms - l->heard_ms > pause_ms(l))
		for (i = 0; i < l->names.count; i++)
			l->items[i].changed_ms = mono_ms;
	l->heard_ms = mono_ms;
}

static struct lease *find(struct leases *l, const char *node)
{
	uint32_t i = names_find(&l->names, node);

	if (i != NAMES_NONE)
		return &l->items[i];
	i = names_add(&l->names, node);
	grow(&l->items, &l->room, l->names.count, sizeof(*l->items));
	l->items[i] = (struct lease){0};
	return &l->items[i];
}

static void renew(struct lease *lease, const char *renew_time, int64_t mono_ms)
{
	if (lease->renew_time && STREQ(lease->renew_time, renew_time))
		return;
	lease->renewals = lease->renew_time ? lease->renewals + 1 : 0;
	lease->changed_ms = mono_ms;
	free(lease->renew_time);
	lease->renew_time = xstrdup(renew_time);
}

static void forget(struct lease *lease)
{
	free(lease->renew_time);
	*lease = (struct lease){0};
}

void leases_take(struct leases *l, const struct leases_event *event, int64_t mono_ms)
{
	struct lease *lease = find(l, event->node);

	if (!l->listing)
		hear(l, mono_ms);
	lease->listed = true;
	if (!event->renew_time) {
		forget(lease);
		return;
	}
	renew(lease, event->renew_time, mono_ms);
	lease->duration_s = event->duration_s;
	l->longest_s = event->duration_s > l->longest_s ? event->duration_s : l->longest_s;
}

struct leases_one leases_of(const struct leases *l, const char *node, int64_t mono_ms)
{
	uint32_t i = names_find(&l->names, node);
	const struct lease *lease = i == NAMES_NONE ? NULL : &l->items[i];

	if (!lease || !lease->renew_time || l->heard_ms < 0 || mono_ms - l->heard_ms > pause_ms(l))
		return (struct leases_one){NAN, NAN, 0};
	return (struct leases_one){
		.age_s = l->heard_ms > lease->changed_ms ? (double)(l->heard_ms - lease->changed_ms) / 1e3 : 0,
		.duration_s = lease->duration_s ? (double)lease->duration_s : NAN,
		.renewals = lease->renewals,
	};
}

bool leases_listed(const struct leases *l)
{
	return l->heard_ms >= 0;
}

/* --- the watch ------------------------------------------------------------------------------------------------------- */

static void on_lease(void *arg, enum kube_event event, const cJSON *object)
{
	const cJSON *spec = read_object(object, "spec");
	int64_t duration_s = read_i64(spec, "leaseDurationSeconds");
	struct leases_event seen = {
		.node = read_text(read_object(object, "metadata"), "name"),
		.renew_time = event == KUBE_DELETED ? NULL : read_text(spec, "renewTime"),
		.duration_s = duration_s > 0 && duration_s <= DURATION_MAX_S ? duration_s : 0,
	};

	if (name_is_valid(seen.node))
		leases_take(arg, &seen, clock_mono_ms());
}

static void begin(void *arg)
{
	struct leases *l = arg;
	uint32_t i;

	l->listing = true;
	for (i = 0; i < l->names.count; i++)
		l->items[i].listed = false;
}

/* Of Leases that the list does not have the names go too: nodes come and go for as long as the program runs. */
static void keep_listed(struct leases *l)
{
	struct names kept = {0};
	uint32_t i, count = 0;

	for (i = 0; i < l->names.count; i++) {
		if (!l->items[i].listed) {
			forget(&l->items[i]);
			continue;
		}
		names_add(&kept, l->names.items[i]);
		l->items[count++] = l->items[i];
	}
	names_free(&l->names);
	l->names = kept;
}

static void end(void *arg)
{
	struct leases *l = arg;
	uint32_t i;

	l->listing = false;
	l->longest_s = 0;
	keep_listed(l);
	for (i = 0; i < l->names.count; i++)
		l->longest_s = l->items[i].duration_s > l->longest_s ? l->items[i].duration_s : l->longest_s;
	hear(l, clock_mono_ms());
}

static void on_trouble(void *arg, const struct lm_err *err, int64_t retry_in_ms)
{
	struct leases *l = arg;
	int64_t held_back;

	if (log_gate_open(&l->gate, SAY_AGAIN_MS, &held_back))
		log_warn("the Leases of the nodes cannot be watched: nobody is dead until they can", FIELDS(LS("error", err->msg),
			 LI("retry_in_ms", retry_in_ms), LI("held_back", held_back)));
}

struct leases *leases_new(struct kube *k)
{
	static const struct kube_watch_handlers handlers = {begin, on_lease, end, on_trouble};
	struct leases *l = xcalloc(1, sizeof(*l));

	l->heard_ms = -1;
	l->watch = k ? kube_watch_new(k, PATH, NULL, &handlers, l) : NULL;
	return l;
}

void leases_free(struct leases *l)
{
	uint32_t i;

	if (!l)
		return;
	kube_watch_free(l->watch);
	for (i = 0; i < l->names.count; i++)
		free(l->items[i].renew_time);
	free(l->items);
	names_free(&l->names);
	free(l);
}

int64_t leases_tick(struct leases *l, int64_t mono_ms)
{
	return kube_watch_tick(l->watch, mono_ms);
}
