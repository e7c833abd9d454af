#include "sched/volumes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "sched/volumes_step.h"

#define PATCH_TIMEOUT_MS 10000
#define BACKOFF_MS 100
#define BACKOFF_MAX_MS 10000
#define POLL_MS 1000		/* nodes go and time passes without a change of storage */

const char *const volumes_end_names[] = {"bound", "lost", "failed", NULL};

enum phase { SENDING, SETTLING, BINDING, BOUND };

struct open_pod {
	struct volumes *volumes;
	char *namespace_, *name, *uid, *node;
	struct bind_facts facts;
	struct step *steps;
	uint32_t count, at;		/* steps before `at` are done */
	enum phase phase;
	struct kube_call *call;		/* in flight */
	int64_t next_ms;		/* then it is looked at */
	int64_t begun_ms, settle_by_ms;
	int tries;
	bool answered;
	char reason[512];
};

struct volumes {
	struct kube *kube;
	struct cache *cache;
	struct limit *limit;
	struct volumes_hooks hooks;
	struct open_pod **open;
	size_t count, room, flight, flight_max;
	bool look;			/* at all that wait for the watch */
	bool (*may_send)(void *arg);
	void *may_send_arg;
};

struct volumes *volumes_new(struct kube *k, struct cache *cache, struct limit *limit, const struct volumes_hooks *hooks)
{
	struct volumes *v = xcalloc(1, sizeof(*v));

	*v = (struct volumes){.kube = k, .cache = cache, .limit = limit, .hooks = *hooks, .flight_max = 1};
	return v;
}

static void release(struct open_pod *o)
{
	uint32_t i;

	for (i = 0; i < o->count; i++)
		step_free(&o->steps[i]);
	free(o->steps);
	free(o->namespace_);
	free(o->name);
	free(o->uid);
	free(o->node);
	free(o->facts.runner_up);
	free(o->facts.note);
	free(o);
}

static void cancel(struct open_pod *o)
{
	if (!o->call)
		return;
	kube_cancel(o->volumes->kube, o->call);
	o->call = NULL;
	o->volumes->flight--;
}

void volumes_drop(struct volumes *v)
{
	while (v->count) {
		struct open_pod *o = v->open[--v->count];

		cancel(o);
		release(o);
	}
}

void volumes_free(struct volumes *v)
{
	if (!v)
		return;
	volumes_drop(v);
	free(v->open);
	free(v);
}

void volumes_set_flight(struct volumes *v, size_t flight)
{
	v->flight_max = flight;
}

void volumes_set_guard(struct volumes *v, bool (*may_send)(void *arg), void *arg)
{
	v->may_send = may_send;
	v->may_send_arg = arg;
}

/* --- endings --- */

/* What was written and is not seen yet stays promised: the cache will see it. */
static unsigned take_back(struct open_pod *o)
{
	unsigned wake = 0;
	uint32_t i;

	for (i = 0; i < o->count; i++)
		if (!o->steps[i].done)
			wake |= cache_unpromise(o->volumes->cache, o->namespace_, o->steps[i].claim);
	return wake;
}

static void end(struct open_pod *o, enum volumes_end how)
{
	struct volumes *v = o->volumes;
	struct volumes_pod seen = {o->namespace_, o->name, o->uid, o->node, &o->facts, o->reason, o->answered, 0, clock_mono_ms() - o->begun_ms};
	size_t i;

	cancel(o);
	for (i = 0; v->open[i] != o; i++)
		;
	v->open[i] = v->open[--v->count];
	seen.wake = take_back(o);
	v->hooks.ended(v->hooks.arg, &seen, how);
	release(o);
}

static void fail_waiting(struct open_pod *o, const char *why)
{
	snprintf(o->reason, sizeof(o->reason), "binding volumes: %.480s", why);
	o->answered = true;
	end(o, VOLUMES_FAILED);
}

/* --- steps --- */

static void next_step(struct open_pod *o)
{
	o->tries = 0;
	o->next_ms = 0;
	while (o->at < o->count && o->steps[o->at].done)
		o->at++;
	o->phase = o->at < o->count ? SENDING : BINDING;
}

static void step_done(struct open_pod *o)
{
	o->steps[o->at].done = o->steps[o->at].patched = true;
	next_step(o);
}

/* As client-go's errors read: the message of the Status alone. */
static void take_reason(struct open_pod *o, const struct kube_response *response)
{
	auto_json cJSON *status = NULL;
	const char *message;
	struct lm_err ignored;

	if (response->status)
		status = json_parse_api(response->body, response->len, 0, &ignored);
	message = cJSON_GetStringValue(json_get(status, "message"));
	if (message && *message)
		snprintf(o->reason, sizeof(o->reason), "%s", message);
	else
		kube_status_text(response, o->reason, sizeof(o->reason));
}

static void on_patched(void *arg, const struct kube_response *response)
{
	struct open_pod *o = arg;
	int64_t now = clock_mono_ms();

	o->call = NULL;
	o->volumes->flight--;
	o->answered = response->status != 0;
	if (kube_success(response)) {
		step_done(o);
		return;
	}
	take_reason(o, response);
	if (response->status == 409) {
		o->phase = SETTLING;
		o->settle_by_ms = now + VOLUMES_SEEN_MS;
		o->next_ms = 0;
	} else if (kube_fate_unknown(response) || response->status == 429) {
		o->next_ms = now + kube_backoff_ms(o->tries++, BACKOFF_MS, BACKOFF_MAX_MS, response->retry_after_ms);
	} else {
		end(o, VOLUMES_FAILED);
	}
}

static void send_patch(struct open_pod *o)
{
	struct volumes *v = o->volumes;
	auto_buf struct buf body = {0};
	auto_free char *path = NULL;

	step_request(&o->steps[o->at], o->namespace_, o->node, &path, &body);
	o->call = kube_send(v->kube, &(struct kube_request){
		.method = "PATCH", .path = path, .body = body.data, .content_type = "application/merge-patch+json", .timeout_ms = PATCH_TIMEOUT_MS,
		.may_send = v->may_send, .may_send_arg = v->may_send_arg}, on_patched, o);
	v->flight++;
}

/* --- what is due; each returns when it has to be looked at again --- */

static enum step_state written(const struct open_pod *o)
{
	return step_written(&o->steps[o->at], o->volumes->cache, o->namespace_, o->node);
}

static int64_t go_on_sending(struct open_pod *o, int64_t mono_ms)
{
	struct volumes *v = o->volumes;

	if (o->tries && written(o) == STEP_STANDS) {
		step_done(o); /* its answer was lost */
		return mono_ms;
	}
	if (o->next_ms > mono_ms)
		return o->next_ms;
	if (v->flight >= v->flight_max || !limit_take(v->limit, 0, mono_ms))
		return mono_ms + 10;
	send_patch(o);
	return mono_ms + POLL_MS;
}

/* Another scheduler's pod may want the same claim on the same node, or our own patch may have been first, unheard. */
static int64_t settle(struct open_pod *o, int64_t mono_ms)
{
	enum step_state seen = written(o);

	if (seen == STEP_STANDS) {
		step_done(o);
		return mono_ms;
	}
	if (seen == STEP_WAITS && mono_ms < o->settle_by_ms)
		return mono_ms + POLL_MS;
	end(o, VOLUMES_FAILED);
	return -1;
}

static int64_t await_bound(struct open_pod *o, int64_t mono_ms)
{
	char why[sizeof(o->reason)];
	enum step_state all = steps_bound(o->steps, o->count, o->volumes->cache, o->namespace_, o->node, why, sizeof(why));

	if (all == STEP_FAILS) {
		fail_waiting(o, why);
		return -1;
	}
	if (all == STEP_STANDS)
		o->phase = BOUND;
	return all == STEP_STANDS ? mono_ms : mono_ms + POLL_MS;
}

static int64_t hand_over(struct open_pod *o, int64_t mono_ms)
{
	if (!o->volumes->hooks.may_bind(o->volumes->hooks.arg))
		return mono_ms + 10;
	end(o, VOLUMES_BOUND);
	return -1;
}

/* -1: it ended. */
static int64_t advance(struct open_pod *o, int64_t mono_ms)
{
	int64_t next = mono_ms;

	if (o->call)
		return mono_ms + POLL_MS;
	while (next == mono_ms) {
		if (o->phase != BOUND && mono_ms - o->begun_ms >= VOLUMES_TIMEOUT_MS) {
			fail_waiting(o, "context deadline exceeded");
			return -1;
		}
		switch (o->phase) {
		case SENDING: next = go_on_sending(o, mono_ms); break;
		case SETTLING: next = settle(o, mono_ms); break;
		case BINDING: next = await_bound(o, mono_ms); break;
		case BOUND: next = hand_over(o, mono_ms); break;
		}
	}
	return next;
}

/* --- the owner's side --- */

bool volumes_ready(const struct volumes *v)
{
	return v->count < VOLUMES_OPEN_MAX;
}

static void promise(struct open_pod *o, const struct step *s)
{
	static char none[] = "";

	if (!s->done)
		cache_promise(o->volumes->cache, &(struct promise){o->namespace_, s->claim, s->volume ? s->volume : none, s->volume ? none : o->node});
}

static void take_plan(struct open_pod *o, const struct volume_plan *plan)
{
	uint32_t i;

	o->steps = xcalloc(plan->match_count + plan->provision_count, sizeof(*o->steps));
	for (i = 0; i < plan->match_count; i++)
		step_of_match(&o->steps[o->count++], &plan->matches[i]);
	for (i = 0; i < plan->provision_count; i++)
		step_of_provision(&o->steps[o->count++], &plan->provisions[i], o->node);
}

void volumes_start(struct volumes *v, const struct pod *pod, const char *node, const struct volume_plan *plan, const struct bind_facts *facts,
		   int64_t mono_ms)
{
	struct open_pod *o = xcalloc(1, sizeof(*o));
	uint32_t i;

	*o = (struct open_pod){
		.volumes = v, .namespace_ = xstrdup(pod->namespace_), .name = xstrdup(pod->name), .uid = xstrdup(pod->uid), .node = xstrdup(node),
		.facts = *facts, .begun_ms = mono_ms, .answered = true,
	};
	take_plan(o, plan);
	for (i = 0; i < o->count; i++)
		promise(o, &o->steps[i]);
	next_step(o);
	grow(&v->open, &v->room, v->count + 1, sizeof(struct open_pod *));
	v->open[v->count++] = o;
}

void volumes_seen(struct volumes *v, const char *uid)
{
	const struct cached_pod *seen;
	size_t i;

	for (i = 0; i < v->count && !STREQ(v->open[i]->uid, uid); i++)
		;
	if (i == v->count)
		return;
	seen = cache_find_pod(v->cache, uid);
	if (seen && seen->assumed && !seen->pod->terminating)
		return;
	snprintf(v->open[i]->reason, sizeof(v->open[i]->reason), "%s%.200s", seen && *seen->pod->node ? "it is on node " : "pod does not exist any more",
		 seen ? seen->pod->node : "");
	end(v->open[i], VOLUMES_LOST);
}

void volumes_look(struct volumes *v)
{
	v->look = true;
}

int64_t volumes_tick(struct volumes *v, int64_t mono_ms, int64_t most)
{
	int64_t until = mono_ms + most;
	bool look = v->look;
	size_t i;

	v->look = false;
	for (i = v->count; i-- > 0;) { /* from the end: what moves into a hole has been looked at */
		struct open_pod *o = v->open[i];
		int64_t next = look || mono_ms >= o->next_ms ? advance(o, mono_ms) : o->next_ms;

		if (next < 0)
			continue;
		o->next_ms = next;
		until = next < until ? next : until;
	}
	return until > mono_ms ? until - mono_ms : 0;
}

size_t volumes_open(const struct volumes *v)
{
	return v->count;
}
