#include "sched/scheduler_private.h"

#include <math.h>
#include <stdlib.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "sched/awaited.h"
#include "sched/stats.h"

#define TURN_DECISIONS 32

/* --- a decision ---------------------------------------------------------------------------------------------------- */

/* `reason` of the condition: autoscalers act on Unschedulable, and not on SchedulerError. */
static void say_no_node(struct scheduler *s, const struct pod *pod, const char *reason, const struct buf *message)
{
	char key[512];
	bool fresh = events_failed(s->events, pod, message->data, clock_mono_ms());

	pod_key(pod, key, sizeof(key));
	log_event(fresh ? LOG_INFO : LOG_DEBUG, "no node fits", FIELDS(LS("pod", key), LS("reason", message->data)));
	events_condition(s->events, pod, reason, message->data);
}

static void refused(struct scheduler *s, const struct decision_input *in, const struct decision *decision)
{
	auto_buf struct buf message = {0}, note = {0};

	metrics_add(s->stats, STAT_DECISIONS, decision->refused_by_pod ? DECISION_POD_REFUSED : DECISION_NO_NODE, 1);
	decision_message(s->decider, in, decision, &message);
	decision_note(s->decider, in, decision, &note);
	if (note.len)
		buf_printf(&message, " (%s)", note.data);
	say_no_node(s, in->pod, decision->failed ? "SchedulerError" : "Unschedulable", &message);
	queue_refused(s->queue, in->pod->uid, decision->wake, in->mono_ms);
}

static struct bind_facts facts_of(struct scheduler *s, const struct decision_input *in, const struct decision *decision)
{
	struct bind_facts facts = {.rtt_ms = NAN, .score = (double)decision->total[decision->node], .generation = -1,
				   .decided_mono_ms = in->mono_ms};
	struct buf note = {0};

	if (decision->rtt_us)
		facts.rtt_ms = (double)decision->rtt_us[decision->node] / 1e3;
	facts.estimate = decision_is_estimate(in, decision);
	if (in->mesh)
		facts.generation = matrix_generation(in->mesh->matrix);
	if (decision->runner_up >= 0)
		facts.runner_up = xstrdup(in->view->nodes[decision->runner_up].node->name);
	decision_note(s->decider, in, decision, &note);
	facts.note = note.data;
	facts.waited_ms = in->mono_ms - queue_since_ms(s->queue, in->pod->uid);
	return facts;
}

/* The volumes that it would have there; an empty plan where nothing is to be bound first. False: they can't be bound now. */
static bool plan_volumes(struct scheduler *s, const struct decision_input *in, const struct decision *decision, struct volume_plan *plan)
{
	*plan = (struct volume_plan){0};
	return !in->pod->needs_storage || (volume_plan_of(in->view, in->pod, (uint32_t)decision->node, plan) && volumes_ready(s->volumes));
}

/* Takes the strings of `facts`. */
static void begin_binding(struct scheduler *s, const struct pod *pod, const char *node, const struct volume_plan *plan, const struct bind_facts *facts)
{
	bool volumes_first = plan->match_count + plan->provision_count;
	char key[512];

	pod_key(pod, key, sizeof(key));
	log_debug(volumes_first ? "volumes first" : "binding begun", FIELDS(LS("pod", key), LS("node", node)));
	if (volumes_first)
		volumes_start(s->volumes, pod, node, plan, facts, facts->decided_mono_ms);
	else
		bind_start(s->binder, pod, node, facts, facts->decided_mono_ms);
}

static void placed(struct scheduler *s, const struct decision_input *in, const struct decision *decision)
{
	struct bind_facts facts = facts_of(s, in, decision);
	auto_free char *node = xstrdup(in->view->nodes[decision->node].node->name);
	struct volume_plan plan;
	bool planned = plan_volumes(s, in, decision, &plan);

	metrics_add(s->stats, STAT_DECISIONS, DECISION_PLACED, 1);
	if (planned && cache_assume(s->cache, in->pod->uid, (uint32_t)decision->node)) {
		begin_binding(s, in->pod, node, &plan, &facts);
		queue_wake(s->queue, WAKE_POD_ADDED, in->mono_ms); /* it is a target now */
		awaited_came(s->queue, s->cache, in->pod, in->mono_ms);
	} else {
		free(facts.runner_up);
		free(facts.note);
		queue_failed(s->queue, in->pod->uid, in->mono_ms);
	}
	volume_plan_free(&plan);
}

static void decide_timed(struct scheduler *s, const struct decision_input *in, struct decision *decision)
{
	int64_t start_us = clock_mono_us();

	decide(s->decider, in, decision);
	metrics_observe(s->stats, STAT_DECISION_SECONDS, 0, (double)(clock_mono_us() - start_us) / 1e6);
}

/*
 * In the room that is kept for it, and nowhere else; how busy that node is now is no matter. False: it does not fit there. Not `go`: only that is asked, as
 * placeholders are there yet.
 */
static bool decide_in_refuge(struct scheduler *s, const struct decision_input *as_always, bool go)
{
	struct decision_input in = *as_always;
	struct profile profile = *as_always->profile;
	struct decision decision;

	profile.refuse_cpu = false;
	in.profile = &profile;
	in.closed = reserve_enter(s->reserve, in.pod);
	in.view = cache_view(s->cache);
	in.dead = heal_avoids(s->heal, in.view);
	decide_timed(s, &in, &decision);
	if (decision.node >= 0 && go)
		placed(s, &in, &decision);
	reserve_leave(s->reserve, in.pod, decision.node >= 0);
	return decision.node >= 0;
}

static void decide_as_always(struct scheduler *s, struct decision_input *in)
{
	struct decision decision;

	in->view = cache_view(s->cache);
	in->closed = reserve_closed(s->reserve, in->view);
	in->dead = heal_avoids(s->heal, in->view);
	decide_timed(s, in, &decision);
	if (decision.node >= 0)
		placed(s, in, &decision);
	else if (!reserve_refused(s->reserve, in->pod, in->mono_ms))
		refused(s, in, &decision);
	else if (decide_in_refuge(s, in, false))
		queue_put_off(s->queue, in->pod->uid, WAKE_RESERVE, in->mono_ms);
	else
		decide_as_always(s, in); /* once more, for the reasons: it has no right any more */
}

static void decide_one(struct scheduler *s, const char *uid, int64_t mono_ms)
{
	const struct cached_pod *cached = cache_find_pod(s->cache, uid);
	struct decision_input in = {.mono_ms = mono_ms};

	if (!cached || cached->assumed || !feed_wants(s->feed, cached->pod)) {
		queue_remove(s->queue, uid);
		return;
	}
	if (intake_settle(s->intake))
		queue_wake(s->queue, WAKE_MATRIX, mono_ms);
	in.pod = cached->pod;
	in.mesh = intake_mesh(s->intake);
	in.profile = settings_profile(s->settings, cached->pod->scheduler_name);
	metrics_add(s->stats, STAT_BAD_REQUESTS, 0, cached->pod->ask.error != NULL);
	switch (reserve_refuge(s->reserve, cached->pod, mono_ms)) {
	case RESERVE_WAIT:
		queue_put_off(s->queue, uid, WAKE_RESERVE, mono_ms);
		return;
	case RESERVE_GO:
		if (decide_in_refuge(s, &in, true))
			return;
		break;
	case RESERVE_NO_RIGHT: break;
	}
	decide_as_always(s, &in);
}

bool scheduler_binds_more(const struct scheduler *s, int64_t mono_ms)
{
	return binder_ready(s->binder, events_pressing(s->events, mono_ms), mono_ms);
}

void scheduler_decide(struct scheduler *s)
{
	int left = TURN_DECISIONS;
	const char *uid;

	while (left-- > 0 && leader_acts(s->leader) && scheduler_binds_more(s, clock_mono_ms()) &&
	       (uid = queue_take(s->queue, clock_mono_ms())) != NULL)
		decide_one(s, uid, clock_mono_ms());
}

bool scheduler_may_bind(void *arg)
{
	struct scheduler *s = arg;

	return leader_acts(s->leader) && scheduler_binds_more(s, clock_mono_ms());
}

/* --- what became of a binding ---------------------------------------------------------------------------------------- */

static void bound(struct scheduler *s, const struct binding *b, const char *key, int64_t mono_ms)
{
	const struct bind_facts *f = b->facts;
	auto_free char *note = xasprintf("Successfully assigned %s to %s%s%s%s", key, b->node, f->note && *f->note ? " (" : "",
					 f->note && *f->note ? f->note : "", f->note && *f->note ? ")" : "");

	queue_remove(s->queue, b->uid);
	metrics_observe(s->stats, STAT_BIND_SECONDS, 0, (double)(mono_ms - f->decided_mono_ms) / 1e3);
	metrics_observe(s->stats, STAT_WAIT_SECONDS, 0, (double)(mono_ms - f->decided_mono_ms + f->waited_ms) / 1e3);
	log_info("pod bound", FIELDS(LS("pod", key), LS("node", b->node), LF("rtt_ms", f->rtt_ms), LB("estimate", f->estimate), LF("score", f->score),
				     LS("runner_up", f->runner_up), LF("generation",
								       f->generation < 0 ? NAN : (double)f->generation),
				     LS("scheduler", b->scheduler_name), LI("waited_ms", f->waited_ms),
				     LI("bind_ms", mono_ms - f->decided_mono_ms), LI("posts", b->posts)));
	events_scheduled(s->events, b->scheduler_name, b->namespace_, b->name, b->uid, b->node, note);
}

/* For certain on no node, or not our pod any more. The watch takes it out of the queue when it is gone or on another node. `note` NULL: not told. */
static void try_again(struct scheduler *s, const char *uid, const char *note, int64_t mono_ms)
{
	const struct cached_pod *cached;

	queue_wake(s->queue, cache_forget(s->cache, uid), mono_ms);
	queue_failed(s->queue, uid, mono_ms);
	cached = cache_find_pod(s->cache, uid);
	if (!note || !cached)
		return;
	events_failed(s->events, cached->pod, note, mono_ms);
	events_condition(s->events, cached->pod, "SchedulerError", note);
}

static void not_bound(struct scheduler *s, const struct binding *b, enum bind_end end, const char *key, int64_t mono_ms)
{
	auto_free char *note = xasprintf("Binding rejected: %s", b->reason);

	log_warn(end == BIND_LOST ? "binding lost" : "binding failed",
		 FIELDS(LS("pod", key), LS("node", b->node), LS("reason", b->reason), LI("posts", b->posts)));
	try_again(s, b->uid, end == BIND_FAILED && b->answered ? note : NULL, mono_ms);
}

void scheduler_bind_ended(void *arg, const struct binding *b, enum bind_end end)
{
	struct scheduler *s = arg;
	auto_free char *key = xasprintf("%s/%s", b->namespace_, b->name);
	int64_t mono_ms = clock_mono_ms();

	metrics_add(s->stats, STAT_BINDINGS, (int)end, 1);
	if (end == BIND_BOUND)
		bound(s, b, key, mono_ms);
	else
		not_bound(s, b, end, key, mono_ms);
}

/* --- what became of volumes ------------------------------------------------------------------------------------------ */

static void bind_after_volumes(struct scheduler *s, const struct volumes_pod *p, const char *key, int64_t mono_ms)
{
	const struct cached_pod *cached = cache_find_pod(s->cache, p->uid);

	log_info("volumes bound", FIELDS(LS("pod", key), LS("node", p->node), LI("took_ms", p->took_ms)));
	if (!cached || !cached->assumed)
		return;
	bind_start(s->binder, cached->pod, p->node, p->facts, mono_ms);
	p->facts->runner_up = p->facts->note = NULL; /* the binder's now */
}

static void volumes_not_bound(struct scheduler *s, const struct volumes_pod *p, enum volumes_end end, const char *key, int64_t mono_ms)
{
	auto_free char *note = xasprintf("running PreBind plugin \"VolumeBinding\": %s", p->reason);

	log_warn(end == VOLUMES_LOST ? "binding lost" : "volumes not bound",
		 FIELDS(LS("pod", key), LS("node", p->node), LS("reason", p->reason), LI("took_ms", p->took_ms)));
	try_again(s, p->uid, end == VOLUMES_FAILED && p->answered ? note : NULL, mono_ms);
	queue_wake(s->queue, p->wake, mono_ms);
}

void scheduler_volumes_ended(void *arg, const struct volumes_pod *p, enum volumes_end end)
{
	struct scheduler *s = arg;
	auto_free char *key = xasprintf("%s/%s", p->namespace_, p->name);
	int64_t mono_ms = clock_mono_ms();

	metrics_add(s->stats, STAT_VOLUMES, (int)end, 1);
	if (end == VOLUMES_BOUND)
		bind_after_volumes(s, p, key, mono_ms);
	else
		volumes_not_bound(s, p, end, key, mono_ms);
}
