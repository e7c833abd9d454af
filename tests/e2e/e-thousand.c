/*
 * Two hundred nodes, a thousand pods of ours on one half of them and a thousand of a real kube-scheduler on the other, at the same time:
 * all are bound, each once and with one Scheduled event, none where it does not fit; also when our scheduler or the API server is
 * killed on the way. The judges read the API's objects and its audit log; that they find each kind of fault is shown by i-fit.c.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/json.h"
#include "lib/mem.h"
#include "lib/names.h"
#include "sched/outbox.h"
#include "tests/e2e/audit.h"
#include "tests/e2e/e2e.h"
#include "tests/e2e/rival.h"
#include "tests/testing/crowd.h"
#include "tests/testing/fit.h"

#define OURS "my-latency-scheduler"
#define THEIRS "default-scheduler"
#define NODES 200
#define PODS 1000			/* of each scheduler; half of it where the API server is killed */
#define KILLS 5
#define FLIGHT "16"			/* --bindings: how many may be open at a kill */
#define RESTART_US 1000000		/* a container that ended is started again after that, or later */
#define LIMIT_S 120			/* of a run; the issue names none */
#define TOLD_MS 30000

struct thousand {
	struct sched s;
	struct rival rival;
	struct crowd crowd;
	long from;			/* of the audit log */
	int ours, theirs;		/* pods made */
	int64_t began_ms;
	char *credentials[KILLS + 1];	/* of each of its processes, in the audit log */
	int64_t killed_us[KILLS];	/* wall clock */
	int kills;
	int unlogged;			/* so many of our bindings the audit log may lack, as its server was killed */
};

/* --- the cluster --- */

static void make_node(void *arg, int i, char **path, char **body)
{
	*path = xstrdup("/api/v1/nodes");
	*body = crowd_node(&((struct thousand *)arg)->crowd, i);
}

/* Ours and theirs in turn; a few of ours name a scheduler that does not exist. */
static void make_pod(void *arg, int i, char **path, char **body)
{
	struct thousand *t = arg;
	bool ours = i % 2 == 0, foreign = ours && rng_chance(&t->crowd.rng, 0.02);
	struct crowd_kind kind = {ours ? "pod" : "rival", foreign ? "somebody-else" : ours ? OURS : THEIRS, ours ? 0 : 1};

	*path = xstrdup("/api/v1/namespaces/default/pods");
	*body = crowd_pod(&t->crowd, &kind, i / 2);
	t->ours += ours && !foreign;
	t->theirs += !ours;
}

static void make_classes(struct sched *s)
{
	int i, status;

	for (i = 0; i < CROWD_CLASSES; i++) {
		auto_free char *body = xasprintf("{\"metadata\":{\"name\":\"crowd-%d\"},\"value\":%d}", i, i);

		cJSON_Delete(standin_call(&s->api, "POST", "/apis/scheduling.k8s.io/v1/priorityclasses", body, &status));
		assert_true(status == 201 || status == 409);
	}
}

static void begin(struct thousand *t, uint64_t seed)
{
	*t = (struct thousand){.crowd = {.rng = rng_make(seed), .nodes = NODES, .size = 2, .classes = true}};
	e2e_begin(&t->s);
	make_classes(&t->s);
	e2e_all(&t->s, "POST", NODES, make_node, t);
	crowd_write_matrix(&t->crowd, t->s.file);
	t->from = audit_mark();
}

/* With a token of its own: the judge knows which process asked for a binding, also where the server reads that after its end. */
static void start(struct thousand *t)
{
	t->s.kubeconfig = e2e_account(&t->s, E2E_NAMESPACE, "latency-sched");
	t->credentials[t->kills] = e2e_credential(t->s.kubeconfig);
	sched_start(&t->s, (const char *const[]){"--bindings", FLIGHT, NULL});
}

/* --- events --- */

/* How many Scheduled events each of these pods has. */
struct tally {
	struct names uids;
	int *events;
	int ours, theirs;
};

static void tally_take(struct thousand *t, struct tally *y)
{
	auto_json cJSON *list = standin_want(&t->s.api, 200, "GET", "/apis/events.k8s.io/v1/events", NULL);
	const cJSON *event;

	*y = (struct tally){0};
	y->events = xcalloc((size_t)cJSON_GetArraySize(item_at(list, "items")) + 1, sizeof(*y->events));
	cJSON_ArrayForEach(event, item_at(list, "items")) {
		if (!STREQ(text_at(event, "reason"), "Scheduled"))
			continue;
		names_add(&y->uids, text_at(event, "regarding.uid"));
		y->events[names_find(&y->uids, text_at(event, "regarding.uid"))]++;
		*(STREQ(text_at(event, "reportingController"), OURS) ? &y->ours : &y->theirs) += 1;
	}
}

static int tally_of(const struct tally *y, const char *uid)
{
	uint32_t at = names_find(&y->uids, uid);

	return at == NAMES_NONE ? 0 : y->events[at];
}

static void tally_free(struct tally *y)
{
	names_free(&y->uids);
	free(y->events);
}

/*
 * Both send events when they find the time: they are waited for, a while. Not for ours that were lost with a killed one, nor for
 * kube-scheduler's when the API server was killed: it drops some.
 */
static void until_told(struct thousand *t)
{
	int64_t end = clock_mono_ms() + TOLD_MS;
	struct tally y;
	bool told;

	do {
		usleep(100000);
		tally_take(t, &y);
		told = (y.ours >= t->ours || t->kills) && (y.theirs >= t->theirs || t->unlogged);
		tally_free(&y);
	} while (!told && clock_mono_ms() < end);
}

/* --- the judges --- */

static const struct audit_entry *binding_of(const struct audit *a, const cJSON *pod)
{
	size_t i;

	for (i = 0; i < a->count; i++)
		if ((audit_is_bound(&a->entries[i]) || audit_may_be_bound(&a->entries[i])) &&
		    STREQ(a->entries[i].uid, text_at(pod, "metadata.uid")) && STREQ(a->entries[i].node, text_at(pod, "spec.nodeName")))
			return &a->entries[i];
	return NULL;
}

/* The process that asked for this binding; KILLS: none of those that were killed. */
static int killed_one(const struct thousand *t, const struct audit_entry *binding)
{
	int i;

	for (i = 0; binding && i < t->kills; i++)
		if (STREQ(binding->credential, t->credentials[i]))
			return i;
	return KILLS;
}

/* Bindings without an event. */
struct missing {
	int by_kill[KILLS + 1];
	bool slow[KILLS + 1];		/* the server took so long for an event that more could be open: outbox.h */
	int ours, theirs;
};

static void miss(struct thousand *t, struct missing *m, const struct audit_entry *binding)
{
	int kill = killed_one(t, binding);

	m->by_kill[kill]++;
	m->ours++;
	m->slow[kill] |= kill < KILLS && binding->done_us < t->killed_us[kill] - OUTBOX_PROMPT_MS * 1000;
}

static void judge_missing(const struct thousand *t, const struct missing *m, struct buf *faults)
{
	int i;

	for (i = 0; i < t->kills; i++)
		if (m->slow[i])
			printf("# kill %d: the server had no answer to an event for 2 s; %d bindings without an event\n", i, m->by_kill[i]);
		else if (m->by_kill[i] > atoi(FLIGHT))
			buf_printf(faults, "kill %d: %d bindings without an event, more than were open\n", i, m->by_kill[i]);
	if (m->by_kill[KILLS])
		buf_printf(faults, "%d pods without an event, and no kill was the reason\n", m->by_kill[KILLS]);
}

/* One event each; at most one of a process that was killed, and missing no more than --bindings of it. */
static void judge_events(struct thousand *t, const cJSON *objects, const struct audit *audit, struct buf *faults)
{
	struct missing missing = {0};
	struct tally tally;
	const cJSON *item;

	tally_take(t, &tally);
	cJSON_ArrayForEach(item, item_at(objects, "items")) {
		const char *uid = text_at(item, "metadata.uid"), *scheduler = text_at(item, "spec.schedulerName");
		int events = tally_of(&tally, uid);

		if (!STREQ(text_at(item, "kind"), "Pod") || STREQ(scheduler, "somebody-else"))
			continue;
		if (events > 1)
			buf_printf(faults, "%s: %d Scheduled events\n", text_at(item, "metadata.name"), events);
		if (events == 0 && STREQ(scheduler, THEIRS))
			missing.theirs++;
		if (events == 0 && STREQ(scheduler, OURS))
			miss(t, &missing, binding_of(audit, item));
	}
	printf("# Scheduled events: %d for %d pods of ours, missing %d; %d for %d of kube-scheduler's, missing %d\n", tally.ours, t->ours,
	       missing.ours, tally.theirs, t->theirs, missing.theirs);
	judge_missing(t, &missing, faults);
	tally_free(&tally);
}

/* Without a word for kube-scheduler's: it shows that the judge knows the rules. */
static void judge(struct thousand *t, struct buf *faults)
{
	auto_json cJSON *objects = e2e_state(&t->s);
	auto_free char *journal = NULL;
	struct audit audit;

	audit_read(&audit, t->from);
	journal = audit_journal(&audit);
	fit_check(&(struct fit_input){.state = objects, .log = journal, .scheduler = OURS, .rtt_us = crowd_rtt_us,
					.unlogged = t->unlogged}, faults);
	fit_check(&(struct fit_input){.state = objects, .log = t->unlogged ? NULL : journal, .scheduler = THEIRS}, faults);
	judge_events(t, objects, &audit, faults);
	audit_free(&audit);
}

static void show_log(const struct thousand *t)
{
	auto_free char *log = test_read(t->s.log);
	size_t len = log ? strlen(log) : 0;

	printf("# the scheduler's log ends with:\n%s\n", log ? log + (len > 8000 ? len - 8000 : 0) : "");
}

static void finish(struct thousand *t, const char *what)
{
	auto_buf struct buf faults = {0};
	int64_t ours_ms;
	int i = 0;

	e2e_until_bound(&t->s, OURS, t->ours, LIMIT_S);
	ours_ms = clock_mono_ms();
	e2e_until_bound(&t->s, THEIRS, t->theirs, LIMIT_S);
	printf("# %s: %d of ours bound after %.2f s, %d of kube-scheduler's after %.2f s\n", what, t->ours, (double)(ours_ms - t->began_ms) / 1e3,
	       t->theirs, (double)(clock_mono_ms() - t->began_ms) / 1e3);
	until_told(t);
	assert_int_equal(sched_stop(&t->s, SIGTERM), 0);
	judge(t, &faults);
	if (faults.len) {
		printf("# the judges say:\n%.4000s\n", faults.data);
		show_log(t);
		fail_msg("faults");
	}
	assert_int_equal(e2e_bound(&t->s, "somebody-else"), 0);
	rival_stop(&t->rival);
	while (i <= t->kills)
		free(t->credentials[i++]);
	e2e_end(&t->s);
}

/* --- the runs --- */

static void both_schedulers_bind_all_of_theirs_once_with_one_event_each(void **state)
{
	struct thousand t;

	(void)state;
	begin(&t, test_seed());
	rival_start(&t.rival, NULL);
	start(&t);
	t.began_ms = clock_mono_ms();
	e2e_all(&t.s, "POST", 2 * PODS, make_pod, &t);
	finish(&t, "no faults");
}

static int bound_by_this_one(struct thousand *t)
{
	double bound = sched_metric(&t->s, "latency_sched_bindings_total{outcome=\"bound\"}");

	return bound > 0 ? (int)bound : 0;
}

/* In the middle of its work: after so many bindings of its own, and a moment. */
static void kill_scheduler(struct thousand *t)
{
	int after = 20 + (int)rng_below(&t->crowd.rng, PODS / KILLS - 60);

	while (bound_by_this_one(t) < after)
		usleep(1000);
	usleep(rng_below(&t->crowd.rng, 10000));
	assert_int_equal(sched_stop(&t->s, SIGKILL), 128 + SIGKILL);
	t->killed_us[t->kills++] = clock_wall_ms() * 1000;
	assert_true(e2e_bound(&t->s, OURS) < t->ours);		/* it was really on the way */
	usleep(RESTART_US);
	start(t);
}

static void a_scheduler_that_is_killed_five_times_loses_no_more_than_the_events_that_were_open(void **state)
{
	struct thousand t;

	(void)state;
	begin(&t, test_seed() + 1);
	e2e_all(&t.s, "POST", 2 * PODS, make_pod, &t);
	rival_start(&t.rival, NULL);
	t.began_ms = clock_mono_ms();
	start(&t);
	while (t.kills < KILLS)
		kill_scheduler(&t);
	finish(&t, "5 kills");
}

static void an_api_server_that_is_killed_costs_nothing(void **state)
{
	struct thousand t;

	(void)state;
	begin(&t, test_seed() + 2);
	e2e_all(&t.s, "POST", PODS, make_pod, &t);
	rival_start(&t.rival, NULL);
	t.began_ms = clock_mono_ms();
	start(&t);
	while (bound_by_this_one(&t) < PODS / 8)
		usleep(1000);
	e2e_apiserver("kill");
	assert_true(bound_by_this_one(&t) < t.ours);
	e2e_apiserver("start");
	t.unlogged = atoi(FLIGHT);
	finish(&t, "API server killed");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_schedulers_bind_all_of_theirs_once_with_one_event_each),
		cmocka_unit_test(a_scheduler_that_is_killed_five_times_loses_no_more_than_the_events_that_were_open),
		cmocka_unit_test(an_api_server_that_is_killed_costs_nothing),
	};

	cmocka_set_test_filter(getenv("E2E_ONLY"));
	return cmocka_run_group_tests_name("thousand", tests, NULL, NULL);
}
