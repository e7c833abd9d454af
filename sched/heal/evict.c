#include "sched/heal/evict.h"

#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "sched/cache/table.h"
#include "sched/heal/ledger.h"
#include "sched/stats.h"

#define TIMEOUT_MS 10000
#define BACKOFF_MS 250
#define BACKOFF_MAX_MS 10000
#define REFUSED_MS 60000		/* by rights or as a bad request: it will hardly be otherwise */
#define GONE_MS 5000			/* until the watch shows what the server said */
#define STILL_MAX_MS 300000		/* the most between two deletions of a pod that stays */
#define SLACK_MS 1000			/* grace periods are whole seconds */
#define SAY_AGAIN_MS 60000

const char *const evict_result_names[] = {"evicted", "pdb", "gone", "failed", "deleted", NULL};

struct leaver {
	struct evict *evict;
	char *uid, *namespace_, *name;
	int32_t priority;
	struct evict_wish wish;
	bool wanted;			/* since evict_begin */
	struct kube_call *call;
	int64_t sent_ms;		/* of the call */
	struct ledger_spent spent;
	bool unknown;			/* an eviction was sent whose fate nobody knows */
	int64_t taken_ms;		/* an eviction was answered with 201; 0: none */
	int64_t ending_ms, grace_ms;	/* since when it was seen terminating; 0: it was not */
	int deletions;			/* that the server carried out; the pod is seen all the same: something holds it */
	int64_t next_ms;
	int tries;
};

struct evict {
	struct kube *kube;
	struct limit *limit;
	struct metrics *stats;
	struct evict_settings settings;
	struct ledger *ledger;
	struct leaver **items;
	size_t count, room, flight;
	size_t unpaid;			/* of this tick: wanted, nothing spent */
	struct table uids;		/* of the items */
	struct log_gate budget_gate, refusal_gate;
};

struct evict *evict_new(struct kube *k, struct limit *limit, struct metrics *stats, const struct evict_settings *settings)
{
	struct evict *e = xcalloc(1, sizeof(*e));

	*e = (struct evict){.kube = k, .limit = limit, .stats = stats, .settings = *settings};
	e->ledger = ledger_new(k, limit, &(struct ledger_settings){settings->namespace_, settings->lease, settings->per_minute, settings->per_hour,
			       settings->may_send, settings->arg});
	return e;
}

static void release(struct leaver *l)
{
	if (l->call)
		kube_cancel(l->evict->kube, l->call);
	free(l->uid);
	free(l->namespace_);
	free(l->name);
	free(l);
}

void evict_free(struct evict *e)
{
	size_t i;

	if (!e)
		return;
	for (i = 0; i < e->count; i++)
		release(e->items[i]);
	free(e->items);
	table_free(&e->uids);
	ledger_free(e->ledger);
	free(e);
}

void evict_set_rates(struct evict *e, int64_t per_minute, int64_t per_hour)
{
	e->settings.per_minute = per_minute;
	e->settings.per_hour = per_hour;
	ledger_set_rates(e->ledger, per_minute, per_hour);
}

/* --- answers --------------------------------------------------------------------------------------------------------- */

static void count(const struct leaver *l, enum evict_result result)
{
	if (l->evict->stats)
		metrics_add(l->evict->stats, STAT_HEAL_EVICTIONS, (int)result, 1);
}

static void say(const struct leaver *l, const char *what)
{
	auto_free char *key = xasprintf("%s/%s", l->namespace_, l->name);

	log_info(what, FIELDS(LS("pod", key), LS("uid", l->uid), LB("covered", l->wish.first)));
}

static void say_refused(struct leaver *l, const char *what, const struct kube_response *r)
{
	auto_free char *key = xasprintf("%s/%s", l->namespace_, l->name);
	int64_t held_back;
	char text[300];

	if (!log_gate_open(&l->evict->refusal_gate, SAY_AGAIN_MS, &held_back))
		return;
	kube_status_text(r, text, sizeof(text));
	log_warn(what, FIELDS(LS("pod", key), LS("error", text), LI("held_back", held_back)));
}

static void later(struct leaver *l, const struct kube_response *r)
{
	l->next_ms = clock_mono_ms() + kube_backoff_ms(l->tries++, BACKOFF_MS, BACKOFF_MAX_MS, r->retry_after_ms);
}

/* Of a 429: is it the pod's PodDisruptionBudget, or has the server no time? */
static bool is_budget_of_pod(const struct kube_response *r)
{
	struct lm_err ignored;
	auto_json cJSON *status = json_parse_api(r->body, r->len, 0, &ignored);
	const cJSON *details = json_get(status, "details"), *causes = json_get(details, "causes"), *cause;

	cJSON_ArrayForEach(cause, causes) {
		const char *reason = cJSON_GetStringValue(json_get(cause, "reason"));

		if (reason && STREQ(reason, "DisruptionBudget"))
			return true;
	}
	return false;
}

static void answered(struct leaver *l)
{
	l->call = NULL;
	l->evict->flight--;
}

/* Nothing was done, by this one and by none before. */
static void give_back(struct leaver *l)
{
	if (!l->unknown)
		ledger_return(l->evict->ledger, &l->spent);
}

static void on_evicted(void *arg, const struct kube_response *r)
{
	struct leaver *l = arg;

	answered(l);
	if (kube_success(r)) {
		count(l, EVICT_EVICTED);
		say(l, "pod evicted");
		l->taken_ms = clock_mono_ms();
		l->tries = 0;
		return;
	}
	l->unknown |= kube_fate_unknown(r);
	give_back(l);
	later(l, r);
	if (r->status == 404 || r->status == 409) {
		count(l, EVICT_GONE);
		l->next_ms = clock_mono_ms() + GONE_MS;
	} else if (r->status == 429 && is_budget_of_pod(r)) {
		count(l, EVICT_PDB);
	} else {
		count(l, EVICT_FAILED);
		say_refused(l, "a pod of a dead node cannot be evicted", r);
		if (!kube_may_pass(r))
			l->next_ms = clock_mono_ms() + REFUSED_MS;
	}
}

/* One that has a finalizer stays until somebody takes that away, however often it is deleted: counted and said once, and tried more and more seldom. */
static void note_deleted(struct leaver *l)
{
	int64_t pause_ms = (int64_t)GONE_MS << (l->deletions < 8 ? l->deletions : 8);

	l->deletions++;
	l->next_ms = clock_mono_ms() + (pause_ms < STILL_MAX_MS ? pause_ms : STILL_MAX_MS);
	if (l->deletions == 1) {
		count(l, EVICT_DELETED);
		say(l, "pod of a dead node deleted: its grace period is over and nobody is there to end it");
	} else if (l->deletions == 2) {
		say(l, "pod of a dead node is still there after its deletion: a finalizer holds it");
	}
}

static void on_deleted(void *arg, const struct kube_response *r)
{
	struct leaver *l = arg;

	answered(l);
	later(l, r);
	if (kube_success(r)) {
		note_deleted(l);
		return;
	}
	if (r->status == 404 || r->status == 409) {
		count(l, EVICT_GONE);
		l->next_ms = clock_mono_ms() + GONE_MS;
		return;
	}
	count(l, EVICT_FAILED);
	say_refused(l, "a pod of a dead node cannot be deleted", r);
	if (!kube_may_pass(r))
		l->next_ms = clock_mono_ms() + REFUSED_MS;
}

/* --- requests -------------------------------------------------------------------------------------------------------- */

static void send(struct leaver *l, const char *method, const char *sub, const struct buf *body, kube_done *done, int64_t mono_ms)
{
	struct evict *e = l->evict;
	auto_free char *path = xasprintf("/api/v1/namespaces/%s/pods/%s%s", l->namespace_, l->name, sub);

	l->sent_ms = mono_ms;
	e->flight++;
	l->call = kube_send(e->kube, &(struct kube_request){.method = method, .path = path, .body = body->data, .timeout_ms = TIMEOUT_MS,
			    .may_send = e->settings.may_send, .may_send_arg = e->settings.arg}, done, l);
}

static void preconditions(const struct leaver *l, struct buf *b)
{
	buf_str(b, "\"preconditions\":{\"uid\":");
	buf_json_string(b, l->uid);
	buf_char(b, '}');
}

static void send_eviction(struct leaver *l, int64_t mono_ms)
{
	auto_buf struct buf body = {0};

	if (!l->spent.at_ms) {
		l->spent = ledger_spend(l->evict->ledger, mono_ms);
		l->evict->unpaid--;
	}
	buf_str(&body, "{\"apiVersion\":\"policy/v1\",\"kind\":\"Eviction\",\"metadata\":{\"namespace\":");
	buf_json_string(&body, l->namespace_);
	buf_str(&body, ",\"name\":");
	buf_json_string(&body, l->name);
	buf_str(&body, "},\"deleteOptions\":{");
	preconditions(l, &body);
	buf_str(&body, "}}");
	send(l, "POST", "/eviction", &body, on_evicted, mono_ms);
}

static void send_deletion(struct leaver *l, int64_t mono_ms)
{
	auto_buf struct buf body = {0};

	buf_str(&body, "{\"apiVersion\":\"v1\",\"kind\":\"DeleteOptions\",\"gracePeriodSeconds\":0,");
	preconditions(l, &body);
	buf_char(&body, '}');
	send(l, "DELETE", "", &body, on_deleted, mono_ms);
}

/* --- which pods ------------------------------------------------------------------------------------------------------ */

void evict_begin(struct evict *e)
{
	size_t i;

	for (i = 0; i < e->count; i++)
		e->items[i]->wanted = false;
}

static bool is_of(const void *item, const void *uid)
{
	return STREQ(((const struct leaver *)item)->uid, uid);
}

static struct leaver *find(struct evict *e, const struct pod *pod)
{
	uint64_t hash = hash_text(HASH_START, pod->uid);
	struct leaver *l = table_find(&e->uids, hash, is_of, pod->uid);

	if (l)
		return l;
	l = xcalloc(1, sizeof(*l));
	*l = (struct leaver){.evict = e, .uid = xstrdup(pod->uid), .namespace_ = xstrdup(pod->namespace_), .name = xstrdup(pod->name),
			     .priority = pod->priority};
	grow(&e->items, &e->room, e->count + 1, sizeof(struct leaver *));
	e->items[e->count++] = l;
	table_put(&e->uids, hash, l);
	return l;
}

/* Its answer may have been lost, or somebody else's deletion came first. */
static void note_ending(struct leaver *l, const struct pod *pod, int64_t mono_ms)
{
	if (!l->ending_ms) {
		l->ending_ms = mono_ms;
		l->next_ms = 0;
		l->tries = 0;
		if (l->unknown && !l->taken_ms && !l->call)
			count(l, EVICT_EVICTED);
	}
	l->grace_ms = pod->grace_s * 1000 + SLACK_MS;
}

void evict_want(struct evict *e, const struct pod *pod, const struct evict_wish *wish, int64_t mono_ms)
{
	struct leaver *l = find(e, pod);

	l->wanted = true;
	l->wish = *wish;
	if (pod->terminating)
		note_ending(l, pod, mono_ms);
}

static int by_rank(const void *a, const void *b)
{
	const struct leaver *x = *(struct leaver *const *)a, *y = *(struct leaver *const *)b;

	if (x->wish.first != y->wish.first)
		return y->wish.first - x->wish.first;
	if (x->priority != y->priority)
		return x->priority < y->priority ? 1 : -1;
	return strcmp(x->uid, y->uid);
}

/* A request on its way is not called back: it may have been carried out, and its answer is still counted. */
void evict_end(struct evict *e)
{
	size_t i, kept = 0;

	for (i = 0; i < e->count; i++) {
		struct leaver *l = e->items[i];

		if (l->wanted || l->call) {
			e->items[kept++] = l;
			continue;
		}
		table_remove(&e->uids, hash_text(HASH_START, l->uid), l);
		release(l);
	}
	e->count = kept;
	if (kept)
		qsort(e->items, kept, sizeof(struct leaver *), by_rank);
}

/* --- what is due ----------------------------------------------------------------------------------------------------- */

static bool is_patient_with(const struct leaver *l, int64_t mono_ms)
{
	return l->taken_ms && mono_ms - l->taken_ms < EVICT_SEEN_MS;
}

/* When something is to be sent for it; -1: nothing, or not before something else happens. */
static int64_t due_ms(const struct leaver *l, int64_t mono_ms)
{
	int64_t over_ms = l->ending_ms + l->grace_ms;

	if (l->call || !l->wanted)
		return -1;
	if (!l->ending_ms)
		return is_patient_with(l, mono_ms) ? l->taken_ms + EVICT_SEEN_MS : l->next_ms;
	if (!l->wish.may_delete)
		return -1;
	return l->next_ms > over_ms ? l->next_ms : over_ms;
}

static void say_waiting(struct evict *e, int64_t wait_ms)
{
	int64_t held_back;

	if (log_gate_open(&e->budget_gate, SAY_AGAIN_MS, &held_back))
		log_warn("as many pods were evicted as may be: the others wait", FIELDS(LI("waiting", evict_waiting(e)),
			 LI("per_minute", e->settings.per_minute), LI("per_hour", e->settings.per_hour), LF("next_in_s", (double)wait_ms / 1e3)));
}

static size_t unpaid(const struct evict *e)
{
	size_t i, count = 0;

	for (i = 0; i < e->count; i++)
		count += e->items[i]->wanted && !e->items[i]->ending_ms && !e->items[i]->spent.at_ms;
	return count;
}

/* Sends, or says how long it is not to be. */
static int64_t go_on(struct leaver *l, int64_t mono_ms)
{
	struct evict *e = l->evict;
	bool spends = !l->ending_ms && !l->spent.at_ms;
	int64_t wait = spends ? ledger_wait_ms(e->ledger, mono_ms) : 0;

	if (wait > 0) {
		say_waiting(e, wait);
		return wait;
	}
	if (e->flight >= EVICT_FLIGHT || !e->settings.may_send(e->settings.arg))
		return 10;
	wait = spends ? ledger_cover_ms(e->ledger, e->unpaid, mono_ms) : 0;
	if (wait > 0)
		return wait;
	if (!limit_take(e->limit, 0, mono_ms))
		return limit_wait_ms(e->limit, 0, mono_ms);
	if (l->ending_ms)
		send_deletion(l, mono_ms);
	else
		send_eviction(l, mono_ms);
	return INT64_MAX;
}

int64_t evict_tick(struct evict *e, int64_t mono_ms, int64_t most)
{
	int64_t wait = ledger_tick(e->ledger, mono_ms, most), left;
	size_t i;

	e->unpaid = unpaid(e);
	for (i = 0; i < e->count; i++) {
		int64_t due = due_ms(e->items[i], mono_ms);

		if (due < 0)
			continue;
		left = due > mono_ms ? due - mono_ms : go_on(e->items[i], mono_ms);
		wait = left < wait ? left : wait;
	}
	return wait;
}

size_t evict_waiting(const struct evict *e)
{
	size_t i, waiting = 0;

	for (i = 0; i < e->count; i++)
		waiting += e->items[i]->wanted && !e->items[i]->ending_ms;
	return waiting;
}

double evict_left(struct evict *e, int64_t mono_ms)
{
	return ledger_left(e->ledger, mono_ms);
}
