/*
 * A pod is its uid: one that is deleted and made again under its name is bound once, as the new pod. At random moments while the scheduler
 * binds, is stopped or does not hear the API server; when decisions about the old pod are on their way; when it waited or took all of a
 * node; when the API server was killed. lives.h says what is judged.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/json.h"
#include "lib/mem.h"
#include "sched/stats.h"
#include "tests/e2e/lives.h"
#include "tests/e2e/relay.h"
#include "tests/testing/fit.h"

#define PODS "/api/v1/namespaces/default/pods"
#define ACCOUNT_NAME "latency-sched"
#define GATES ",\"schedulingGates\":[{\"name\":\"test/a\"}]"
#define NO_GATES "{\"spec\":{\"schedulingGates\":null}}"
#define PLACED "latency_sched_decisions_total{result=\"placed\"}"
#define REFUSED "latency_sched_decisions_total{result=\"no_node\"}"
#define EVENTS_SENT "latency_sched_events_sent_total"
#define NODES 10
#define NODE_CPU 3600			/* thousandths */
#define TOO_MUCH (NODE_CPU + 1000)
#define LIMIT_S 30
#define OUTAGE_S 90			/* watches wait up to half a minute after a failure */
#define LIMIT_MS (LIMIT_S * 1000)

struct rig {
	struct sched s;			/* behind the relay */
	struct relay *relay;
	struct lives lives;
	struct rng rng;
};

static const struct pod_kind too_big = {.cpu = TOO_MUCH}, foreign = {.scheduler = "somebody-else", .cpu = 100},
			     gated = {.cpu = 100, .spec = GATES, .untouchable = true};

static struct rig rig;

static void end(void)
{
	lives_end(&rig.lives);
	relay_stop(rig.relay);
	e2e_end(&rig.s);
	rig = (struct rig){0};
}

/* Also ends what a test that failed left running. */
static struct rig *begin(uint64_t seed)
{
	struct rig *g = &rig;
	auto_free char *cpu = xasprintf("%dm", NODE_CPU);
	char *direct;

	if (g->relay)
		end();
	g->rng = rng_make(seed);
	e2e_begin(&g->s);
	e2e_nodes(&g->s, "n", NODES, cpu, "64Gi", "");
	g->relay = relay_start(g->s.api.url);
	direct = g->s.api.url;
	g->s.api.url = xstrdup(relay_url(g->relay));
	g->s.kubeconfig = e2e_account(&g->s, E2E_NAMESPACE, ACCOUNT_NAME);
	free(g->s.api.url);
	g->s.api.url = direct;
	lives_begin(&g->lives, &g->s);
	sched_start(&g->s, NULL);
	return g;
}

static void until_metric(struct rig *g, const char *name, double least)
{
	int64_t limit_ms = clock_mono_ms() + LIMIT_MS;

	while (!(sched_metric(&g->s, name) >= least)) {
		if (clock_mono_ms() > limit_ms)
			fail_msg("%s is %.0f and not %.0f after %d s", name, sched_metric(&g->s, name), least, LIMIT_S);
		usleep(2000);
	}
}

static void again(struct lives *l, const char *name, const struct pod_kind *kind)
{
	lives_delete(l, name);
	lives_make(l, name, kind);
}

/* --- at random ------------------------------------------------------------------------------------------------------- */

enum { NAMES = 120, TIMES_MAX = 3, FLIGHT = 12 };		/* at the end they take about three quarters of the nodes */

struct churn;
struct slot {
	struct churn *churn;
	char name[16], path[64];
	int times;			/* it is still to be made again */
	bool busy;
	size_t life;
	int64_t due_ms, began_us;
	struct pod_kind kind;
};

struct churn {
	struct rig *rig;
	struct slot slots[NAMES];
	int flight, left;
	bool disturbed;
	int64_t next_ms;		/* change of that */
	char wrong[512];
};

static struct pod_kind random_kind(struct rng *r, bool last)
{
	switch (last ? 9 : rng_below(r, 10)) {
	case 0: return foreign;
	case 1: return gated;
	case 2: return too_big;
	default: return (struct pod_kind){.cpu = 80 + rng_below(r, 300)};
	}
}

static bool answered(struct slot *slot, const struct kube_response *response, int wanted)
{
	struct churn *c = slot->churn;

	c->flight--;
	slot->busy = false;
	if (response->status != wanted)
		snprintf(c->wrong, sizeof(c->wrong), "%s: %d %.400s", slot->name, response->status, response->status ? response->body : response->error.msg);
	return response->status == wanted;
}

static void on_made(void *arg, const struct kube_response *response)
{
	static const uint32_t pauses_ms[] = {1, 5, 40, 400};
	struct slot *slot = arg;
	struct churn *c = slot->churn;

	if (!answered(slot, response, 201))
		return;
	slot->life = c->rig->lives.count;
	lives_add(&c->rig->lives, cJSON_ParseWithLength(response->body, response->len), &slot->kind, slot->began_us);
	slot->due_ms = clock_mono_ms() + rng_below(&c->rig->rng, pauses_ms[rng_below(&c->rig->rng, 4)]);
	c->left -= slot->times == 0;
}

static void on_gone(void *arg, const struct kube_response *response);

static void send(struct slot *slot, const char *method, const char *path, const char *body, kube_done *done)
{
	slot->busy = true;
	slot->churn->flight++;
	slot->began_us = lives_now_us();
	kube_send(slot->churn->rig->s.api.kube, &(struct kube_request){.method = method, .path = path, .body = body, .timeout_ms = LIMIT_MS}, done, slot);
}

static void make(struct slot *slot)
{
	auto_free char *body = NULL;

	slot->kind = random_kind(&slot->churn->rig->rng, slot->times == 0);
	body = lives_body(slot->name, &slot->kind);
	send(slot, "POST", PODS, body, on_made);
}

static void on_gone(void *arg, const struct kube_response *response)
{
	struct slot *slot = arg;

	if (!answered(slot, response, 200))
		return;
	lives_gone(&slot->churn->rig->lives, &slot->churn->rig->lives.items[slot->life], slot->began_us);
	slot->times--;
	make(slot);
}

/* Now and then the scheduler is stopped for a moment, or its requests or the server's answers take longer. */
static void disturb(struct churn *c, int64_t mono_ms)
{
	struct rig *g = c->rig;
	bool stops = rng_chance(&g->rng, 0.3);

	if (mono_ms < c->next_ms)
		return;
	c->disturbed = !c->disturbed && c->left;
	c->next_ms = mono_ms + 10 + rng_below(&g->rng, 90);
	kill(g->s.pid, c->disturbed && stops ? SIGSTOP : SIGCONT);
	relay_set(g->relay, !c->disturbed || stops ? RELAY_OPEN : rng_chance(&g->rng, 0.7) ? RELAY_NO_REQUESTS : RELAY_NO_ANSWERS);
}

static void churn(struct churn *c)
{
	int i;

	while ((c->left || c->disturbed) && !*c->wrong) {
		int64_t now = clock_mono_ms();

		for (i = 0; i < NAMES && c->flight < FLIGHT; i++)
			if (!c->slots[i].busy && c->slots[i].times && c->slots[i].due_ms <= now)
				send(&c->slots[i], "DELETE", c->slots[i].path, "{\"gracePeriodSeconds\":0}", on_gone);
		kube_run(c->rig->s.api.kube, 2, NULL, 0);
		disturb(c, clock_mono_ms());
	}
	if (*c->wrong)
		fail_msg("%s", c->wrong);
}

/* Of the dead: those that were bound, and those that a binding reached when they were dead. */
static void show_chances(const struct lives *l)
{
	int dead = 0, bound = 0, refused = 0;
	size_t i;

	for (i = 0; i < l->count; i++) {
		const struct life *life = &l->items[i];

		dead += life->until_us != LIVES_NEVER;
		bound += life->until_us != LIVES_NEVER && life->bindings;
		refused += life->refusals != 0;
	}
	printf("# %d pods died, %d of them after they were bound; %d decisions came too late\n", dead, bound, refused);
}

static void pods_made_again_at_random_are_bound_once_as_the_new_ones(void **state)
{
	struct rig *g = begin(test_seed());
	struct churn c = {.rig = g, .left = NAMES};
	int64_t began_ms;
	int i;

	(void)state;
	began_ms = clock_mono_ms();
	for (i = 0; i < NAMES; i++) {
		struct slot *slot = &c.slots[i];

		*slot = (struct slot){.churn = &c, .times = 1 + (int)rng_below(&g->rng, TIMES_MAX)};
		snprintf(slot->name, sizeof(slot->name), "p-%d", i);
		snprintf(slot->path, sizeof(slot->path), PODS "/p-%d", i);
		make(slot);
		while (c.flight >= FLIGHT)
			kube_run(g->s.api.kube, 100, NULL, 0);
	}
	churn(&c);
	e2e_until_bound(&g->s, LIVES_OURS, NAMES, LIMIT_S);
	printf("# %d names, %zu pods: all bound after %.2f s\n", NAMES, g->lives.count, (double)(clock_mono_ms() - began_ms) / 1e3);
	lives_finish(&g->lives);
	show_chances(&g->lives);
	end();
}

/* --- on their way ---------------------------------------------------------------------------------------------------- */

enum { EACH = 3 };

/* Names that a pod of the first kind bears when the scheduler decides, and one of the second kind when that arrives. */
static const struct {
	const char *name;
	struct pod_kind first, then;
} changes[] = {
	{"more", {.cpu = 100}, {.cpu = 700}},
	{"foreign", {.cpu = 100}, {.scheduler = "somebody-else", .cpu = 100}},
	{"gated", {.cpu = 100}, {.cpu = 100, .spec = GATES, .untouchable = true}},
	{"big", {.cpu = TOO_MUCH}, {.cpu = 100}},
	{"big-foreign", {.cpu = TOO_MUCH}, {.scheduler = "somebody-else", .cpu = 100}},
	{"big-gated", {.cpu = TOO_MUCH}, {.cpu = 100, .spec = GATES, .untouchable = true}},
};

static char *change_name(const char *round, size_t change, int i)
{
	return xasprintf("%s-%s-%d", round, changes[change].name, i);
}

static void for_each_change(struct rig *g, const char *round, void (*act)(struct rig *g, const char *name, size_t change))
{
	size_t change;
	int i;

	for (change = 0; change < ARRAY_SIZE(changes); change++)
		for (i = 0; i < EACH; i++) {
			auto_free char *name = change_name(round, change, i);

			act(g, name, change);
		}
}

static void make_first(struct rig *g, const char *name, size_t change)
{
	lives_make(&g->lives, name, &changes[change].first);
}

static void make_then(struct rig *g, const char *name, size_t change)
{
	again(&g->lives, name, &changes[change].then);
}

static void ungate_last(struct rig *g, const char *name, size_t change)
{
	if (changes[change].then.untouchable)
		lives_release(&g->lives, name, NO_GATES);
}

/* All decisions of a round are made, and held on the line; meanwhile each of its pods is made again. */
static void overtake(struct rig *g, const char *round, bool stopped)
{
	double placed = sched_metric(&g->s, PLACED);
	double refused = sched_metric(&g->s, REFUSED);

	relay_set(g->relay, RELAY_NO_REQUESTS);
	for_each_change(g, round, make_first);
	until_metric(g, PLACED, placed + 3 * EACH);
	until_metric(g, REFUSED, refused + 3 * EACH);
	if (stopped)
		kill(g->s.pid, SIGSTOP);
	for_each_change(g, round, make_then);
	relay_set(g->relay, RELAY_OPEN);
	if (stopped)
		kill(g->s.pid, SIGCONT);
}

/* The server was asked to bind each first pod that fits, and refused: another one bore its name. */
static void assert_each_came_too_late(const struct lives *l)
{
	size_t i;

	for (i = 0; i < l->count; i++) {
		const struct life *life = &l->items[i];

		if (life->until_us != LIVES_NEVER && life->refusals != (fit_request(life->pod, "cpu") * 1000 < TOO_MUCH))
			fail_msg("%s: %d bindings came too late", life->name, life->refusals);
	}
}

static void decisions_on_their_way_do_not_reach_the_next_pod(void **state)
{
	struct rig *g = begin(1);

	(void)state;
	overtake(g, "seen", false);
	e2e_until_bound(&g->s, LIVES_OURS, 2 * EACH, LIMIT_S);
	overtake(g, "stopped", true);
	e2e_until_bound(&g->s, LIVES_OURS, 4 * EACH, LIMIT_S);
	for_each_change(g, "seen", ungate_last);
	for_each_change(g, "stopped", ungate_last);
	e2e_until_bound(&g->s, LIVES_OURS, 8 * EACH, LIMIT_S);
	lives_finish(&g->lives);
	assert_each_came_too_late(&g->lives);
	end();
}

/* --- its request, its room ------------------------------------------------------------------------------------------- */

static void make_full(struct rig *g, int i, bool first)
{
	static const struct pod_kind whole_node = {.cpu = NODE_CPU};
	auto_free char *name = xasprintf("full-%d", i);

	if (first)
		lives_make(&g->lives, name, &whole_node);
	else
		again(&g->lives, name, &whole_node);
}

/* Refused again and again under one name, which would be waited out by a scheduler that goes by names. */
static void a_pod_that_waits_is_bound_at_once_when_it_is_made_again_and_fits(void **state)
{
	struct rig *g = begin(1);
	int64_t made_ms;
	int i;

	(void)state;
	lives_make(&g->lives, "full-0", &too_big);
	for (i = 0; i < 4; i++) {
		assert_string_equal(sched_refusal(&g->s, "full-0"), "Unschedulable");
		again(&g->lives, "full-0", &too_big);
	}
	assert_string_equal(sched_refusal(&g->s, "full-0"), "Unschedulable");
	made_ms = clock_mono_ms();
	make_full(g, 0, false);
	assert_string_not_equal(sched_where(&g->s, "full-0"), "");
	test_deadline("from a pod that waited to the binding of the next one", (double)(clock_mono_ms() - made_ms), 500, "ms");
	for (i = 1; i < NODES; i++)
		make_full(g, i, true);
	for (i = 0; i < 3 * NODES; i++)		/* each takes the room that another has left */
		make_full(g, i % NODES, false);
	e2e_until_bound(&g->s, LIVES_OURS, NODES, LIMIT_S);
	lives_finish(&g->lives);
	end();
}

/* --- unseen ---------------------------------------------------------------------------------------------------------- */

enum { UNSEEN = 20 };

static void for_each_unseen(struct rig *g, const char *round, void (*act)(struct lives *l, const char *name, const struct pod_kind *kind))
{
	int i;

	for (i = 0; i < UNSEEN; i++) {
		auto_free char *name = xasprintf("%s-%d", round, i);

		act(&g->lives, name, &(struct pod_kind){.cpu = 50 + rng_below(&g->rng, 300)});
	}
}

/* All pods of a round are decided on, and no binding has left. */
static void decide_on(struct rig *g, const char *round)
{
	double placed = sched_metric(&g->s, PLACED);

	relay_set(g->relay, RELAY_NO_REQUESTS);
	for_each_unseen(g, round, lives_make);
	until_metric(g, PLACED, placed + UNSEEN);
}

/* As many connections as bindings: no binding has to wait for a handshake, which has answers too. */
static void connect_all(struct rig *g, const char *round)
{
	auto_free char *warm = xasprintf("%s-warm", round);
	double sent = sched_metric(&g->s, EVENTS_SENT);

	decide_on(g, warm);
	relay_set(g->relay, RELAY_OPEN);
	until_metric(g, EVENTS_SENT, sent + UNSEEN);
}

static void restart_server(struct rig *g)
{
	relay_set(g->relay, RELAY_NO_REQUESTS);		/* who calls waits, instead of counting failures */
	e2e_apiserver("kill");
	e2e_apiserver("start");
	standin_renew(&g->s.api);
}

/* All watches are open again after so many outages: one that opened later would take a connection that a binding of the next round needs. */
static void until_watched(struct rig *g, int outages)
{
	int i;

	for (i = 0; stat_resource_names[i]; i++) {
		auto_free char *line = xasprintf("\"watch goes on\",\"resource\":\"%s\"", stat_resource_names[i]);

		if (sched_log_count(&g->s, line, outages) < outages)
			fail_msg("the watch of %s did not go on after outage %d", stat_resource_names[i], outages);
	}
}

/* Pods are made again while the scheduler does not reach the server, and does not know whether its bindings did. */
static void make_again_unseen(struct rig *g, const char *round, bool arrive, bool restart)
{
	int before;

	if (arrive)
		connect_all(g, round);
	before = e2e_bound(&g->s, LIVES_OURS);
	decide_on(g, round);
	if (arrive) {
		relay_set(g->relay, RELAY_NO_ANSWERS);
		e2e_until_bound(&g->s, LIVES_OURS, before + UNSEEN, LIMIT_S);
	}
	relay_set(g->relay, RELAY_CUT);
	if (restart)
		restart_server(g);
	for_each_unseen(g, round, again);
	relay_set(g->relay, RELAY_OPEN);
	e2e_until_bound(&g->s, LIVES_OURS, before + UNSEEN, OUTAGE_S);
}

static void pods_made_again_while_the_server_cannot_be_reached_are_bound_once(void **state)
{
	struct rig *g = begin(test_seed() + 1);

	(void)state;
	make_again_unseen(g, "lost", false, false);
	until_watched(g, 1);
	make_again_unseen(g, "bound", true, false);
	until_watched(g, 2);
	make_again_unseen(g, "restarted", true, true);
	lives_finish(&g->lives);
	end();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(pods_made_again_at_random_are_bound_once_as_the_new_ones),
		cmocka_unit_test(decisions_on_their_way_do_not_reach_the_next_pod),
		cmocka_unit_test(a_pod_that_waits_is_bound_at_once_when_it_is_made_again_and_fits),
		cmocka_unit_test(pods_made_again_while_the_server_cannot_be_reached_are_bound_once),
	};

	return cmocka_run_group_tests_name("identity", tests, NULL, NULL);
}
