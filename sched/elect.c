#include "sched/elect.h"

#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/kube/watch.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "sched/elect_step.h"
#include "sched/lease.h"

#define NAME_MAX_BYTES 253
#define SAY_AGAIN_MS 60000

struct elect {
	struct kube *kube;
	char *namespace_, *name, *identity;
	char *collection, *object;	/* paths */
	struct step step;
	struct kube_call *call;
	struct kube_watch *watch;
	bool listed;			/* the list that the watch gives now has the Lease */
	bool watch_failed;		/* and that was said */
	enum elect_state said;		/* in the log, as are the next two */
	char *said_holder;
	char said_problem[300];
	struct log_gate problem_gate;
};

/* --- settings ----------------------------------------------------------------------------------------------------------- */

/* A DNS subdomain, so that it needs no escaping anywhere. */
static bool is_name(const char *name)
{
	const char *c;

	for (c = name; *c; c++)
		if (!islower((unsigned char)*c) && !isdigit((unsigned char)*c) && *c != '-' && *c != '.')
			return false;
	return c > name && c - name <= NAME_MAX_BYTES && isalnum((unsigned char)*name) && isalnum((unsigned char)c[-1]);
}

int elect_check(const struct elect_settings *s, struct lm_err *err)
{
	if (!is_name(s->name))
		return lm_fail(err, LM_USAGE, "--leader-elect-resource-name: \"%.100s\" is no name of a Lease", s->name);
	if (!is_name(s->namespace_))
		return lm_fail(err, LM_USAGE, "--leader-elect-resource-namespace: \"%.100s\" is no name of a namespace", s->namespace_);
	if (s->duration_ms <= s->deadline_ms)
		return lm_fail(err, LM_USAGE, "--leader-elect-lease-duration (%gs) must be longer than --leader-elect-renew-deadline (%gs)",
			       (double)s->duration_ms / 1e3, (double)s->deadline_ms / 1e3);
	if (s->retry_ms <= 0 || s->deadline_ms * 5 <= s->retry_ms * 6)
		return lm_fail(err, LM_USAGE, "--leader-elect-renew-deadline (%gs) must be longer than 1.2 times "
			       "--leader-elect-retry-period (%gs)", (double)s->deadline_ms / 1e3, (double)s->retry_ms / 1e3);
	return 0;
}

struct elect *elect_new(struct kube *k, const struct elect_settings *settings)
{
	struct elect *e = xcalloc(1, sizeof(*e));
	struct elect_settings own = *settings;
	uint64_t random;

	arc4random_buf(&random, sizeof(random));
	e->kube = k;
	own.namespace_ = e->namespace_ = xstrdup(settings->namespace_);
	own.name = e->name = xstrdup(settings->name);
	own.identity = e->identity = xstrdup(settings->identity);
	e->collection = xasprintf("/apis/coordination.k8s.io/v1/namespaces/%s/leases", e->namespace_);
	e->object = xasprintf("%s/%s", e->collection, e->name);
	step_init(&e->step, &own, random, clock_mono_ms());
	return e;
}

static void give_up_call(struct elect *e)
{
	if (e->call)
		kube_cancel(e->kube, e->call);
	e->call = NULL;
}

void elect_free(struct elect *e)
{
	if (!e)
		return;
	give_up_call(e);
	kube_watch_free(e->watch);
	step_clear(&e->step);
	free(e->namespace_);
	free(e->name);
	free(e->identity);
	free(e->collection);
	free(e->object);
	free(e->said_holder);
	free(e);
}

/* --- log ---------------------------------------------------------------------------------------------------------------- */

static void say_standing_by(struct elect *e)
{
	const char *holder = elect_holder(e);

	if (e->step.state != ELECT_STANDBY || !*holder || STREQ(holder, e->identity) ||
	    (e->said_holder && STREQ(holder, e->said_holder)))
		return;
	free(e->said_holder);
	e->said_holder = xstrdup(holder);
	log_info("standing by", FIELDS(LS("lease", e->object), LS("holder", holder), LS("identity", e->identity)));
}

static void say_lost(const struct elect *e)
{
	if (e->step.loss == LOSS_TAKEN)
		log_error("lease lost", FIELDS(LS("lease", e->object), LS("reason", "another holder has it"),
					       LS("holder", elect_holder(e)), LS("identity", e->identity)));
	else
		log_error("lease lost", FIELDS(LS("lease", e->object), LS("reason", "it was not renewed within the deadline"),
					       LF("deadline_s", (double)e->step.settings.deadline_ms / 1e3),
					       LS("error", *e->said_problem ? e->said_problem : NULL), LS("identity", e->identity)));
}

static void say_what_changed(struct elect *e)
{
	say_standing_by(e);
	if (e->step.state == e->said)
		return;
	if (e->step.state == ELECT_LEADING)
		log_info("leading", FIELDS(LS("lease", e->object), LS("identity", e->identity),
					   LI("transitions", e->step.seen.transitions)));
	else if (e->step.state == ELECT_LOST)
		say_lost(e);
	else if (e->step.state == ELECT_ENDED && e->step.released)
		log_info("lease released", FIELDS(LS("lease", e->object), LS("identity", e->identity)));
	else if (e->step.state == ELECT_ENDED && e->said == ELECT_RELEASING)
		log_warn("lease not released: it runs out by itself", FIELDS(LS("lease", e->object),
									     LS("error", *e->said_problem ? e->said_problem : NULL)));
	e->said = e->step.state;
}

/* Once for each reason, and again after a minute. */
static void say_problem(struct elect *e, const char *what, const char *problem)
{
	if (!STREQ(problem, e->said_problem))
		e->problem_gate = (struct log_gate){0};
	snprintf(e->said_problem, sizeof(e->said_problem), "%s", problem);
	if (log_gate_open(&e->problem_gate, SAY_AGAIN_MS, NULL))
		log_warn(what, FIELDS(LS("lease", e->object), LS("error", problem)));
}

/* --- requests ----------------------------------------------------------------------------------------------------------- */

/* A 409 and a 404 belong to the game. */
static void note_problem(struct elect *e, enum step_verb verb, const struct kube_response *response)
{
	char text[300];

	if (kube_success(response)) {
		if (verb != STEP_GET)
			e->said_problem[0] = '\0';
	} else if (response->status != 409 && response->status != 404) {
		kube_status_text(response, text, sizeof(text));
		say_problem(e, verb == STEP_GET ? "the lease cannot be read" : "the lease cannot be written", text);
	}
}

static void on_answer(void *arg, const struct kube_response *response)
{
	struct elect *e = arg;
	struct lease lease = {0};
	bool success = kube_success(response);
	bool readable = false;
	struct lm_err err;

	e->call = NULL;
	note_problem(e, e->step.open, response);
	if (success) {
		readable = lease_parse(response->body, &lease, &err) == 0;
		if (!readable)
			say_problem(e, "the answer is no lease", err.msg);
	}
	step_answer(&e->step, response->status, readable ? &lease : NULL, clock_mono_ms());
	lease_free(&lease);
	say_what_changed(e);
}

static void send(struct elect *e, enum step_verb verb, struct lease_write *write)
{
	struct kube_request request = {.method = "GET", .path = e->object, .timeout_ms = e->step.settings.deadline_ms / 2,
				       .max_bytes = LEASE_BYTES_MAX};
	auto_buf struct buf body = {0};

	if (verb != STEP_GET) {
		write->renew_wall_us = clock_wall_ms() * 1000;
		lease_print(write, &body);
		request.method = verb == STEP_CREATE ? "POST" : "PUT";
		request.path = verb == STEP_CREATE ? e->collection : e->object;
		request.body = body.data;
	}
	e->call = kube_send(e->kube, &request, on_answer, e);
}

/* --- the watch ---------------------------------------------------------------------------------------------------------- */

static void list_begins(void *arg)
{
	((struct elect *)arg)->listed = false;
}

static void on_object(void *arg, enum kube_event event, const cJSON *object)
{
	struct elect *e = arg;
	struct lease lease;
	struct lm_err ignored;

	e->listed = true;
	e->watch_failed = false;
	if (event == KUBE_DELETED) {
		step_seen(&e->step, NULL, clock_mono_ms());
	} else if (lease_read(object, &lease, &ignored) == 0) {
		step_seen(&e->step, &lease, clock_mono_ms());
		lease_free(&lease);
	}
	say_what_changed(e);
}

static void list_ends(void *arg)
{
	struct elect *e = arg;

	if (!e->listed && e->step.state == ELECT_STANDBY) /* a leader may have made it while the list was on its way */
		step_seen(&e->step, NULL, clock_mono_ms());
}

static void on_trouble(void *arg, const struct lm_err *err, int64_t retry_in_ms)
{
	struct elect *e = arg;

	if (!e->watch_failed)
		log_info("the lease is not watched: it is looked at each retry period",
			 FIELDS(LS("lease", e->object), LS("error", err->msg), LI("retry_in_ms", retry_in_ms)));
	e->watch_failed = true;
}

static void start_watch(struct elect *e)
{
	static const struct kube_watch_handlers handlers = {list_begins, on_object, list_ends, on_trouble};
	auto_free char *query = xasprintf("fieldSelector=metadata.name%%3D%s", e->name);

	e->watch = kube_watch_new(e->kube, e->collection, query, &handlers, e);
}

/* --- the owner's side --------------------------------------------------------------------------------------------------- */

int64_t elect_tick(struct elect *e, int64_t mono_ms, int64_t most)
{
	struct lease_write write;
	enum step_verb verb;
	int64_t watch_wait;

	if (!e->watch)
		start_watch(e);
	watch_wait = kube_watch_tick(e->watch, mono_ms);
	verb = step_next(&e->step, mono_ms, &write);
	if (verb != STEP_NOTHING)
		send(e, verb, &write);
	say_what_changed(e);
	return step_wait(&e->step, mono_ms, watch_wait < most ? watch_wait : most);
}

enum elect_state elect_state(struct elect *e, int64_t mono_ms)
{
	step_look(&e->step, mono_ms);
	say_what_changed(e);
	return e->step.state;
}

bool elect_leading(const struct elect *e, int64_t mono_ms)
{
	return step_leading(&e->step, mono_ms);
}

const char *elect_holder(const struct elect *e)
{
	return e->step.seen.holder && !e->step.absent ? e->step.seen.holder : "";
}

void elect_release(struct elect *e)
{
	give_up_call(e);
	step_release(&e->step, clock_mono_ms());
	say_what_changed(e);
}

int64_t elect_overdue_ms(const struct elect *e, int64_t mono_ms)
{
	if (e->step.state != ELECT_LEADING || mono_ms < e->step.leading_until_ms)
		return 0;
	return mono_ms - e->step.leading_until_ms;
}

struct elect_stats elect_stats(const struct elect *e)
{
	return (struct elect_stats){e->step.seen.transitions, e->step.failures, e->step.renewed_ms};
}
