/*
 * Gated, deleting, foreign and terminal pods are never touched: neither those that are there when the scheduler starts nor those that it sees
 * become so, also when ordinary ones around them are bound; not a moment too late either, when one is deleted just as it becomes ordinary.
 * Without their gates, or made again, they are bound once. lives.h says what is judged.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/mem.h"
#include "tests/e2e/lives.h"

#define NODES 10
#define NODE_CPU "3600m"
#define TOO_MUCH 4600			/* for one of them, in thousandths */
#define GATES ",\"schedulingGates\":[{\"name\":\"test/a\"}]"
#define TWO_GATES ",\"schedulingGates\":[{\"name\":\"test/a\"},{\"name\":\"test/b\"}]"
#define ONE_GATE_LESS "{\"spec\":{\"schedulingGates\":[{\"$patch\":\"delete\",\"name\":\"test/a\"}]}}"
#define NO_GATES "{\"spec\":{\"schedulingGates\":null}}"
#define FINALIZER ",\"finalizers\":[\"test/stays\"]"
#define LIMIT_S 30

struct rig {
	struct sched s;
	struct lives lives;
	struct rng rng;
};

enum then { NOTHING, DELETED, SUCCEEDED, FAILED };

/* What comes next makes it untouchable: then its gates go, where a pod can live without. */
static const struct untouchable {
	const char *name;
	struct pod_kind kind;
	enum then then;
} untouchables[] = {
	{"gated", {.cpu = 100, .spec = GATES, .untouchable = true}, NOTHING},
	{"two-gates", {.cpu = 100, .spec = TWO_GATES, .untouchable = true}, NOTHING},
	{"deleting", {.cpu = 100, .metadata = FINALIZER, .spec = GATES, .untouchable = true}, DELETED},
	{"succeeded", {.cpu = 100, .spec = GATES, .untouchable = true}, SUCCEEDED},
	{"failed", {.cpu = 100, .spec = GATES, .untouchable = true}, FAILED},
	{"placed", {.cpu = 100, .spec = ",\"nodeName\":\"n-0\"", .untouchable = true}, NOTHING},
	{"placed-succeeded", {.cpu = 100, .spec = ",\"nodeName\":\"n-1\"", .untouchable = true}, SUCCEEDED},
	{"placed-deleting", {.cpu = 100, .metadata = FINALIZER, .spec = ",\"nodeName\":\"n-2\"", .untouchable = true}, DELETED},
	{"foreign", {.scheduler = "somebody-else", .cpu = 100}, NOTHING},
	{"default", {.scheduler = "default-scheduler", .cpu = 100}, NOTHING},
	{"unnamed", {.scheduler = "", .cpu = 100}, NOTHING},
	{"shorter", {.scheduler = "my-latency-schedule", .cpu = 100}, NOTHING},
	{"longer", {.scheduler = "my-latency-scheduler-2", .cpu = 100}, NOTHING},
	{"upper-case", {.scheduler = "My-Latency-Scheduler", .cpu = 100}, NOTHING},
};

static void make_untouchable(struct rig *g, const char *when, const struct untouchable *u)
{
	auto_free char *name = xasprintf("%s-%s", when, u->name);

	lives_make(&g->lives, name, &u->kind);
	if (u->then == DELETED)
		lives_delete(&g->lives, name);
	else if (u->then != NOTHING)
		lives_patch(&g->lives, name, "/status", u->then == FAILED ? "{\"status\":{\"phase\":\"Failed\"}}" : "{\"status\":{\"phase\":\"Succeeded\"}}");
	if (u->then != NOTHING && u->kind.spec && STREQ(u->kind.spec, GATES))
		lives_patch(&g->lives, name, "", NO_GATES);
}

static void make_untouchables(struct rig *g, const char *when)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(untouchables); i++)
		make_untouchable(g, when, &untouchables[i]);
}

/* An ordinary one that was made later is bound: what came before it was seen, and left alone. */
static void bind_ordinary(struct rig *g, const char *name, unsigned cpu)
{
	lives_make(&g->lives, name, &(struct pod_kind){.cpu = cpu});
	assert_string_not_equal(sched_where(&g->s, name), "");
}

static void open_gates(struct rig *g, const char *when)
{
	auto_free char *one = xasprintf("%s-gated", when), *two = xasprintf("%s-two-gates", when), *after = xasprintf("after-one-gate-%s", when);

	assert_string_equal(sched_refusal(&g->s, one), "SchedulingGated");
	lives_patch(&g->lives, two, "", ONE_GATE_LESS);
	bind_ordinary(g, after, 100);
	assert_string_equal(sched_node_now(&g->s, two), "");
	lives_release(&g->lives, one, NO_GATES);
	lives_release(&g->lives, two, NO_GATES);
	assert_string_not_equal(sched_where(&g->s, one), "");
	assert_string_not_equal(sched_where(&g->s, two), "");
}

enum { RACES = 60 };

/* A pod becomes ours to bind, or to refuse, and is deleted in the next moment. */
static void race(struct rig *g)
{
	static const struct pod_kind kinds[] = {
		{.cpu = 100, .metadata = FINALIZER, .spec = GATES, .untouchable = true},
		{.cpu = 100, .spec = GATES, .untouchable = true},
		{.cpu = TOO_MUCH, .metadata = FINALIZER},
	};
	int i;

	for (i = 0; i < RACES; i++) {
		auto_free char *name = xasprintf("race-%d", i);

		lives_make(&g->lives, name, &kinds[i % 3]);
		if (kinds[i % 3].untouchable)
			lives_release(&g->lives, name, NO_GATES);
		usleep(rng_below(&g->rng, 5000));
		lives_delete(&g->lives, name);
	}
}

static void unpin_all(struct rig *g)
{
	size_t i;

	for (i = 0; i < g->lives.count; i++)
		if (g->lives.items[i].until_us != LIVES_NEVER && g->lives.items[i].freed_us == LIVES_NEVER)
			lives_unpin(&g->lives, g->lives.items[i].name);
}

static void make_all_again(struct rig *g)
{
	static const struct pod_kind ordinary = {.cpu = 100};
	int i;

	for (i = 0; i < RACES; i++) {
		auto_free char *name = xasprintf("race-%d", i);

		lives_make(&g->lives, name, &ordinary);
	}
	lives_make(&g->lives, "listed-deleting", &ordinary);
	lives_make(&g->lives, "watched-placed-deleting", &ordinary);
}

static void gated_deleting_foreign_and_terminal_pods_are_never_touched(void **state)
{
	struct rig g = {.rng = rng_make(test_seed())};
	int bound;

	(void)state;
	e2e_begin(&g.s);
	e2e_nodes(&g.s, "n", NODES, NODE_CPU, "64Gi", "");
	lives_begin(&g.lives, &g.s);
	make_untouchables(&g, "listed");
	sched_start(&g.s, NULL);
	make_untouchables(&g, "watched");
	bind_ordinary(&g, "after", 100);
	open_gates(&g, "listed");
	open_gates(&g, "watched");
	race(&g);
	standin_node(&g.s.api, "large", "100", "64Gi", "");	/* where those would fit that waited */
	bind_ordinary(&g, "large", TOO_MUCH);
	assert_int_equal(sched_stop(&g.s, SIGTERM), 0);		/* what it still had to say was said */
	unpin_all(&g);
	bound = e2e_bound(&g.s, LIVES_OURS);
	sched_start(&g.s, NULL);
	make_all_again(&g);
	e2e_until_bound(&g.s, LIVES_OURS, bound + RACES + 2, LIMIT_S);
	lives_finish(&g.lives);
	lives_end(&g.lives);
	e2e_end(&g.s);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(gated_deleting_foreign_and_terminal_pods_are_never_touched),
	};

	return cmocka_run_group_tests_name("untouched", tests, NULL, NULL);
}
