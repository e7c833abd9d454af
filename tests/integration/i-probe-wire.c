/* Both pingers against hosts that misbehave: real sockets, real kernel, far ends by tests/testing/wire.h. */
#include <math.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/testing/testing.h"
#include "tests/testing/wire.h"

#include "lib/clock.h"
#include "lib/mem.h"
#include "probe/pinger.h"
#include "probe/rounds.h"
#include "probe/stats.h"

/* A pinger with targets, and what came of a round. */
struct bench {
	struct metrics *m;
	struct pinger *p;
	struct ping_target *targets;
	size_t count;
	struct ping_results results;
	int64_t took_ms;
	int missed;			/* expectations that a stalled machine can break, too */
};

static enum pinger_kind kind;	/* of the tests that run now */

static uint32_t random_range;		/* 0: all of it */

/* liboping draws its idents here. */
long random(void);
long random(void)
{
	static struct rng rng;

	return (long)(random_range ? rng_below(&rng, random_range) : rng_next(&rng) >> 33);
}

static struct bench *bench_open(void)
{
	struct bench *b = xcalloc(1, sizeof(*b));
	struct lm_err err;

	wire_reset();
	random_range = 0;
	b->m = probe_stats_new();
	if (pinger_open(kind, b->m, &b->p, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(b->p->ops->name, pinger_names[kind]);
	return b;
}

static void bench_close(struct bench *b)
{
	pinger_close(b->p);
	ping_results_free(&b->results);
	metrics_free(b->m);
	free(b->targets);
	free(b);
}

static void add(struct bench *b, const char *addr)
{
	struct lm_err err;

	b->targets = xrealloc(b->targets, b->count + 1, sizeof(*b->targets));
	if (ping_target_init(&b->targets[b->count++], addr, &err) < 0)
		fail_msg("%s", err.msg);
}

static void add_hosts(struct bench *b, uint32_t from, uint32_t count)
{
	uint32_t i;

	for (i = from; i < from + count; i++) {
		char addr[32];

		snprintf(addr, sizeof(addr), "10.77.%u.%u", i >> 8, i & 255);
		add(b, addr);
	}
}

static void round_of(struct bench *b, int64_t interval_ms, int64_t pings, int64_t timeout_ms)
{
	struct ping_plan plan = rounds_plan(interval_ms, pings, timeout_ms);
	int64_t start_ms = clock_mono_ms();

	pinger_set_targets(b->p, b->targets, b->count);
	assert_true(rounds_run(b->p, &plan, b->count, &b->results));
	b->took_ms = clock_mono_ms() - start_ms;
}

static double discarded(const struct bench *b, int reason)
{
	return metrics_get(b->m, STAT_DISCARDED, reason);
}

/*
 * What must never be, fails at once: a reply that is believed and was none, or came sooner than the wire sent it. That a reply is missed or
 * late, a stalled machine can bring about, too: such a case is run anew, and has to be free of it once in TRIES.
 */
#define TRIES 5
#define SLACK_US 150000.0		/* by which a wake-up may be late; what has to be told apart lies far apart */

static void expect(struct bench *b, bool held, const char *what)
{
	if (held)
		return;
	if (b->missed++ < 3)
		printf("# not seen: %s\n", what);
}
#define EXPECT(condition) expect(b, condition, #condition)

static void expect_lost(struct bench *b, size_t target)
{
	uint32_t i;

	for (i = 0; i < b->results.pings; i++) {
		float fate = *ping_result(&b->results, target, i);

		if (fate >= 0)
			fail_msg("target %zu ping %u: answered after %.1f us, and there was no answer", target, i, (double)fate);
		EXPECT(fate == PING_LOST);
	}
}

static void expect_rtt(struct bench *b, size_t target, double least_us, double most_us)
{
	uint32_t i;

	for (i = 0; i < b->results.pings; i++) {
		double rtt_us = (double)*ping_result(&b->results, target, i);

		if (rtt_us >= 0 && rtt_us < least_us)
			fail_msg("target %zu ping %u: answered after %.1f us, before the wire did (%.0f us)", target, i, rtt_us, least_us);
		EXPECT(rtt_us >= 0);
		EXPECT(rtt_us <= most_us);
	}
}

/* --- cases ----------------------------------------------------------------------------------------------------------- */

static void p1_silent_peer(struct bench *b)
{
	add_hosts(b, 0x0101, 4);
	wire_rule(0x0102, (struct wire_answer){.silent = true});
	wire_rule(0x0104, (struct wire_answer){.delay_us = 20000});
	round_of(b, 2000, 3, 500);
	expect_lost(b, 1);
	expect_rtt(b, 0, 1, SLACK_US);
	expect_rtt(b, 2, 1, SLACK_US);
	expect_rtt(b, 3, 20000, 20000 + SLACK_US);
	EXPECT(metrics_get(b->m, STAT_LOST, 0) == 3 && metrics_get(b->m, STAT_RECEIVED, 0) == 9);
	test_deadline("round with a silent peer", (double)b->took_ms, 2000, "ms");
}

static void p3_duplicate_replies(struct bench *b)
{
	add_hosts(b, 0x0101, 2);
	wire_rule(0x0101, (struct wire_answer){.more_copies = 2, .copy_delay_us = 70000});
	wire_rule(0x0102, (struct wire_answer){.delay_us = 200000});
	round_of(b, 2000, 3, 500);
	expect_rtt(b, 0, 1, 69900);
	expect_rtt(b, 1, 200000, 200000 + SLACK_US);
	if (kind == PINGER_SOCKET)
		EXPECT(discarded(b, DISCARD_DUPLICATE) >= 2);
}

/* The first reply comes 150 ms after its deadline: into the second round, or between the rounds. */
static void p4_late_reply(struct bench *b)
{
	add_hosts(b, 0x0101, 3);
	wire_rule_nth(0x0102, 0, (struct wire_answer){.delay_us = 400000});
	round_of(b, 1000, 1, 250);
	expect_lost(b, 1);
	usleep(kind == PINGER_SOCKET ? 200000 : 10000);
	round_of(b, 1000, 1, 250);
	expect_rtt(b, 0, 1, SLACK_US);
	expect_rtt(b, 1, 1, SLACK_US);
	expect_rtt(b, 2, 1, SLACK_US);
	if (kind == PINGER_SOCKET)
		EXPECT(discarded(b, DISCARD_LATE) == 1);
}

/* A host that always answers too late is lost for ever, and nobody else looks lost because of it. */
static void p4_always_late(struct bench *b)
{
	int i;

	add_hosts(b, 0x0101, 3);
	wire_rule(0x0102, (struct wire_answer){.delay_us = 330000});
	for (i = 0; i < 4; i++) {
		round_of(b, 1000, 2, 250);
		expect_lost(b, 1);
		expect_rtt(b, 0, 1, SLACK_US);
		expect_rtt(b, 2, 1, SLACK_US);
	}
}

/*
 * Idents are drawn from 80 values only, so that among 60 hosts some dozen pairs draw the same one. Even ones answer after 5 ms, odd
 * ones after 200 ms, every tenth never.
 */
static void p5_p6_equal_idents(struct bench *b)
{
	uint32_t i, turn;

	random_range = 80;
	add_hosts(b, 0x0200, 60);
	for (i = 0; i < 60; i++)
		wire_rule(0x0200 + i, (struct wire_answer){.delay_us = i % 2 ? 200000 : 5000, .silent = i % 10 == 0});
	for (turn = 0; turn < 2; turn++) {
		round_of(b, 2000, 2, 500);
		for (i = 0; i < 60; i++) {
			if (i % 10 == 0)
				expect_lost(b, i);
			else
				expect_rtt(b, i, i % 2 ? 200000 : 5000, i % 2 ? 200000 + SLACK_US : 180000);
		}
	}
}

static void p7_wrong_source(struct bench *b)
{
	add_hosts(b, 0x0101, 2);
	wire_rule(0x0101, (struct wire_answer){.from_host = 0x0102});
	round_of(b, 1000, 2, 300);
	expect_lost(b, 0);
	expect_rtt(b, 1, 1, SLACK_US);
	EXPECT(discarded(b, DISCARD_SOURCE) == 2);
}

static void p8_wrong_nonce(struct bench *b)
{
	add_hosts(b, 0x0101, 2);
	wire_rule(0x0101, (struct wire_answer){.spoil_payload = true});
	round_of(b, 1000, 2, 300);
	expect_lost(b, 0);
	expect_rtt(b, 1, 1, SLACK_US);
	EXPECT(discarded(b, DISCARD_NONCE) == 2);
}

static void p10_garbage(struct bench *b)
{
	add_hosts(b, 0x0101, 3);
	wire_rule(0x0101, (struct wire_answer){.spoil_checksum = true});
	wire_rule(0x0102, (struct wire_answer){.cut_to = 8});
	round_of(b, 1000, 2, 300);
	expect_lost(b, 0);
	if (kind == PINGER_SOCKET)	/* liboping takes a reply without payload */
		expect_lost(b, 1);
	expect_rtt(b, 2, 1, SLACK_US);
}

/* Refused by a rule of our own kernel: that peer alone is lost, at once, and stderr stays clean. */
static void p14_send_is_refused(struct bench *b)
{
	add_hosts(b, 0x0101, 2);
	add(b, "10.66.0.1");
	add(b, "10.66.1.1");
	wire_run("ip route replace prohibit 10.66.0.0/24; ip route replace blackhole 10.66.1.0/24");
	round_of(b, 1000, 2, 400);
	expect_rtt(b, 0, 1, SLACK_US);
	expect_rtt(b, 1, 1, SLACK_US);
	expect_lost(b, 2);
	expect_lost(b, 3);
	EXPECT(metrics_get(b->m, STAT_SEND_ERRORS, 0) == 4);
}

static void p16_unreachable(struct bench *b)
{
	add_hosts(b, 0x0101, 2);
	wire_rule(0x0101, (struct wire_answer){.unreachable = true});
	add(b, "10.66.2.1");
	wire_run("ip route replace unreachable 10.66.2.0/24");
	round_of(b, 4000, 1, kind == PINGER_SOCKET ? 3000 : 400);	/* liboping waits for the timeout */
	expect_lost(b, 0);
	expect_rtt(b, 1, 1, SLACK_US);
	expect_lost(b, 2);
	if (kind != PINGER_SOCKET)
		return;
	EXPECT(metrics_get(b->m, STAT_UNREACHABLE, 0) == 1);
	test_deadline("round with unreachable peers ends without their timeout", (double)b->took_ms, 900, "ms");
}

static void p18_none(struct bench *b)
{
	round_of(b, 300, 3, 100);
	EXPECT(metrics_get(b->m, STAT_SENT, 0) == 0);
}

/* Each answers after 1 to 20 ms. The wire saw them spread out: never half of a pass within a tenth of a second. */
static void p18_five_thousand(struct bench *b)
{
	uint32_t i, lost = 0;

	add_hosts(b, 0x1000, 5000);
	for (i = 0; i < 5000; i++)
		wire_rule(0x1000 + i, (struct wire_answer){.delay_us = 1000 + i % 20 * 1000});
	round_of(b, 10000, 3, 1000);
	EXPECT(wire_seen() == 15000);
	EXPECT(wire_busiest() <= 2500);
	for (i = 0; i < 15000; i++)
		lost += !(b->results.rtt_us[i] >= 1000);
	printf("# %s: 5000 peers, 15000 pings: %u not answered, %.0f packets dropped by a full socket\n", b->p->ops->name, lost,
	       metrics_get(b->m, STAT_SOCKET_DROPS, 0));
	EXPECT(lost <= 15);
	test_deadline("round of 5000 peers", (double)b->took_ms, 10000, "ms");
}

/* The figure of the brief: 1,000 peers, a tenth of them dead, from the first round on. */
static void thousand_with_a_tenth_dead(struct bench *b)
{
	uint32_t i, turn;

	add_hosts(b, 0x1000, 1000);
	for (i = 0; i < 1000; i++) {
		wire_rule(0x1000 + i, (struct wire_answer){.delay_us = 1000 + i % 50 * 1000, .silent = i % 10 == 3});
	}
	for (turn = 0; turn < 2; turn++) {
		round_of(b, 5000, 3, 500);
		for (i = 0; i < 1000; i++)
			if (i % 10 == 3)
				expect_lost(b, i);
		EXPECT(metrics_get(b->m, STAT_RECEIVED, 0) >= 2690 * (turn + 1));
		test_deadline("round of 1000 peers, a tenth dead", (double)b->took_ms, 5000, "ms");
	}
}

static void p20_families(struct bench *b)
{
	add(b, "10.77.1.1");
	add(b, "fd77::102");
	add(b, "::ffff:10.77.1.3");
	add(b, "::1");
	add(b, "fd77::105");
	assert_string_equal(b->targets[2].addr, "10.77.1.3");
	assert_int_equal(b->targets[2].to.any.sa_family, AF_INET);
	wire_rule(0x0101, (struct wire_answer){.delay_us = 10000});
	wire_rule(0x0102, (struct wire_answer){.delay_us = 350000});
	wire_rule(0x0103, (struct wire_answer){.delay_us = 180000});
	wire_rule(0x0105, (struct wire_answer){.silent = true});
	round_of(b, 1000, 2, 1000);
	expect_rtt(b, 0, 10000, 170000);
	expect_rtt(b, 1, 350000, 350000 + SLACK_US);
	expect_rtt(b, 2, 180000, 340000);
	expect_rtt(b, 3, 1, SLACK_US);
	expect_lost(b, 4);
}

/* A link-local address needs its zone; one whose interface is not there is an error of that address. */
static void p20_link_local(struct bench *b)
{
	struct ping_target target;
	struct lm_err err;

	add(b, "fe80::7%v0");
	round_of(b, 1000, 2, 300);
	expect_rtt(b, 0, 1, SLACK_US);
	assert_int_equal(ping_target_init(&target, "fe80::7%nosuch0", &err), -1);
	assert_non_null(strstr(err.msg, "nosuch0"));
}

/* Targets come, go and come back while rounds go on. */
static void p19_targets_change(struct bench *b)
{
	struct rng rng = rng_make(test_seed());
	uint32_t turn, i;

	for (i = 0; i < 40; i++)
		wire_rule(0x0300 + i, (struct wire_answer){.silent = i % 4 == 0});
	for (turn = 0; turn < 10; turn++) {
		uint32_t from = rng_below(&rng, 20), count = rng_below(&rng, 20);

		b->count = 0;
		add_hosts(b, 0x0300 + from, count);
		round_of(b, 200, 1, 300);
		for (i = 0; i < count; i++)
			if ((from + i) % 4 == 0)
				expect_lost(b, i);
			else
				expect_rtt(b, i, 1, SLACK_US);
	}
}

static const struct wire_case {
	const char *name;
	void (*run)(struct bench *b);
	bool many;			/* hosts: run beside the others */
	bool socket;			/* liboping checks neither source nor payload (pinger.h): no case of it */
} cases[] = {
#define CASE(name) {#name, name, false, false}
#define MANY(name) {#name, name, true, false}
#define SOCKET(name) {#name, name, false, true}
	CASE(p1_silent_peer), CASE(p3_duplicate_replies), CASE(p4_late_reply), CASE(p4_always_late), CASE(p5_p6_equal_idents),
	SOCKET(p7_wrong_source), SOCKET(p8_wrong_nonce), CASE(p10_garbage), CASE(p14_send_is_refused), CASE(p16_unreachable),
	CASE(p18_none), MANY(p18_five_thousand), MANY(thousand_with_a_tenth_dead), CASE(p19_targets_change), CASE(p20_families),
	CASE(p20_link_local),
};

static void run_case(void **state)
{
	const struct wire_case *c = *state;
	int tries, missed = 1;

	for (tries = 0; missed && tries < TRIES; tries++) {
		struct bench *b = bench_open();

		c->run(b);
		missed = b->missed;
		if (missed)
			printf("# %s, try %d: %d expectations missed\n", c->name, tries + 1, missed);
		bench_close(b);
	}
	assert_int_equal(missed, 0);
}

int main(int argc, char **argv)
{
	const char *part = wire_enter_each(argv, (const char *const[]){"socket", "oping", "socket-many", "oping-many", NULL});
	struct CMUnitTest tests[ARRAY_SIZE(cases)];
	size_t i, n = 0;

	(void)argc;
	kind = strncmp(part, "oping", 5) == 0 ? PINGER_OPING : PINGER_SOCKET;
	for (i = 0; i < ARRAY_SIZE(cases); i++)
		if (cases[i].many == (strstr(part, "-many") != NULL) && (kind == PINGER_SOCKET || !cases[i].socket))
			tests[n++] = (struct CMUnitTest){cases[i].name, run_case, NULL, NULL, (void *)(uintptr_t)&cases[i]};
	return _cmocka_run_group_tests(part, tests, n, NULL, NULL);
}
