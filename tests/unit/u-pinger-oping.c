/*
 * liboping's traps, provoked: random() and the wall clock, which it calls, are ours in this program. Pings go to 127.0.0.0/8 in a namespace.
 */
#include <string.h>
#include <sys/time.h>

#include "tests/testing/testing.h"
#include "tests/testing/wire.h"

#include "probe/oping_hosts.c"
#include "probe/pinger_oping.c"
#include "probe/rounds.h"

static uint32_t random_range;		/* 0: 65536 */
static uint32_t random_calls;
static int64_t step_us, step_after;	/* the wall clock is off by step_us once it was read that often */

long random(void);
long random(void)
{
	static uint64_t state = 1;

	random_calls++;
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (long)((state >> 33) % (random_range ? random_range : 65536));
}

int clock_gettime(clockid_t id, struct timespec *t)
{
	long failed = syscall(SYS_clock_gettime, id, t);

	if (!failed && id == CLOCK_REALTIME && step_us && step_after-- <= 0)
		t->tv_sec += step_us / 1000000;
	return (int)failed;
}

int gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
	struct timespec t;

	(void)zone;
	clock_gettime(CLOCK_REALTIME, &t);
	*tv = (struct timeval){t.tv_sec, t.tv_nsec / 1000};
	return 0;
}

struct fixture {
	struct metrics *m;
	struct pinger *p;
	struct ping_results results;
};

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	struct lm_err err;

	random_range = 0;
	random_calls = 0;
	step_us = 0;
	f->m = probe_stats_new();
	if (pinger_open(PINGER_OPING, f->m, &f->p, &err) < 0)
		fail_msg("%s", err.msg);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	pinger_close(f->p);
	ping_results_free(&f->results);
	metrics_free(f->m);
	free(f);
	return 0;
}

static size_t silent = SIZE_MAX;	/* this one is an address where nobody is */

static void set_hosts(struct fixture *f, size_t count)
{
	auto_free struct ping_target *targets = xcalloc(count, sizeof(*targets));
	struct lm_err err;
	size_t i;

	for (i = 0; i < count; i++) {
		char addr[32];

		snprintf(addr, sizeof(addr), "127.%zu.%zu.%zu", 1 + i / 60000, i / 250 % 240, 1 + i % 250);
		assert_int_equal(ping_target_init(&targets[i], i == silent ? "10.77.9.9" : addr, &err), 0);
	}
	pinger_set_targets(f->p, targets, count);
}

static void expect_distinct(const struct oping_hosts *o, size_t count)
{
	auto_free uint8_t *seen = xcalloc(65536, 1);
	size_t i;

	assert_int_equal(o->addrs.count, count);
	for (i = 0; i < count; i++) {
		assert_non_null(o->items[i].iter);
		assert_int_equal(info_ident(o->items[i].iter), o->items[i].ident);
		assert_int_equal(seen[o->items[i].ident], 0);
		seen[o->items[i].ident] = 1;
	}
}

/* random() gives 400 values only: 380 hosts in 4 objects, each with an ident of its own. */
static void p5_p6_idents_are_unique_over_all_objects(void **state)
{
	struct fixture *f = *state;

	random_range = 400;
	set_hosts(f, 380);
	expect_distinct(&mine(f->p)->hosts, 380);
	assert_true(mine(f->p)->hosts.group_count == 4);
	assert_true(random_calls > 600);	/* some 1,200 are to be expected: without a second try it were 380 */
}

static void p5_p6_idents_stay_unique_while_hosts_move(void **state)
{
	struct fixture *f = *state;
	struct rng rng = rng_make(test_seed());
	struct oping_hosts *o = &mine(f->p)->hosts;
	int i;

	random_range = 300;
	set_hosts(f, 200);
	for (i = 0; i < 1000; i++)
		oping_host_place(o, &o->items[rng_below(&rng, 200)], rng_chance(&rng, 0.5));
	expect_distinct(o, 200);
	set_hosts(f, 50);
	oping_hosts_tidy(o);
	expect_distinct(o, 50);
	for (i = 0; i < (int)o->group_count; i++)
		assert_in_range(oping_group_size(o->groups[i]), 1, OPING_GROUP_HOSTS);
}

static void round_of(struct fixture *f, int64_t timeout_ms)
{
	struct ping_plan plan = rounds_plan(500, 1, timeout_ms);

	assert_true(rounds_run(f->p, &plan, mine(f->p)->hosts.addrs.count, &f->results));
}

static int count(const struct fixture *f, float least, float most)
{
	int n = 0;
	size_t i;

	for (i = 0; i < f->results.targets; i++)
		n += f->results.rtt_us[i] >= least && f->results.rtt_us[i] <= most;
	return n;
}

static void no_step(void **state)
{
	struct fixture *f = *state;

	set_hosts(f, 20);
	round_of(f, 200);
	assert_int_equal(count(f, 0, 1e5f), 20);
}

/* The clock goes back an hour in the middle of a pass: by liboping's own reckoning it would wait for an hour. */
static void clock_back_an_hour(void **state)
{
	struct fixture *f = *state;
	int64_t start_ms = clock_mono_ms();

	silent = 7;
	set_hosts(f, 20);
	silent = SIZE_MAX;
	step_us = -3600LL * 1000000;
	step_after = 25;
	round_of(f, 200);
	test_deadline("pass while the clock goes back", (double)(clock_mono_ms() - start_ms), 500, "ms");
	assert_int_equal(count(f, PING_VOID, PING_VOID), 20);
	assert_true(metrics_get(f->m, STAT_DISCARDED, DISCARD_CLOCK) == 20);
	step_us = 0;
	round_of(f, 200);
	assert_int_equal(count(f, 0, 1e5f), 19);
	assert_int_equal(count(f, PING_LOST, PING_LOST), 1);
}

/* Forward: replies seem to have travelled for a minute; none of that is believed, and nobody looks lost after the next round. */
static void clock_forward_a_minute(void **state)
{
	struct fixture *f = *state;

	set_hosts(f, 20);
	step_us = 60LL * 1000000;
	step_after = 25;
	round_of(f, 200);
	assert_int_equal(count(f, PING_VOID, PING_VOID), 20);
	step_us = 0;
	round_of(f, 200);
	assert_int_equal(count(f, 0, 1e5f), 20);
}

/* perror() of a failed send does not reach standard error. */
static void stderr_stays_clean(void **state)
{
	struct fixture *f = *state;
	struct ping_target target;
	struct lm_err err;
	char text[64] = "";
	int out[2], console = dup(STDERR_FILENO);
	ssize_t got;

	wire_run("ip route replace prohibit 10.66.0.0/24");
	assert_int_equal(ping_target_init(&target, "10.66.0.1", &err), 0);
	pinger_set_targets(f->p, &target, 1);
	assert_int_equal(pipe(out), 0);
	dup2(out[1], STDERR_FILENO);
	round_of(f, 100);
	dup2(console, STDERR_FILENO);
	close(console);
	close(out[1]);
	got = read(out[0], text, sizeof(text) - 1);
	close(out[0]);
	if (got != 0)
		fail_msg("on standard error: %s", text);
	assert_int_equal(count(f, PING_LOST, PING_LOST), 1);
	assert_true(metrics_get(f->m, STAT_SEND_ERRORS, 0) == 1);
}

/* Idle groups hear nothing: 150 hosts in two groups, and no packet is left waiting in the first one's socket. */
static void idle_sockets_are_shut(void **state)
{
	struct fixture *f = *state;
	struct oping_hosts *o = &mine(f->p)->hosts;
	size_t i;

	set_hosts(f, 150);
	round_of(f, 200);
	assert_int_equal(o->group_count, 2);
	for (i = 0; i < 2; i++) {
		char byte;

		assert_true(o->groups[i]->fd[0] >= 0);
		assert_int_equal(recv(o->groups[i]->fd[0], &byte, 1, MSG_DONTWAIT), -1);
	}
	assert_int_not_equal(o->groups[0]->fd[0], o->groups[1]->fd[0]);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(p5_p6_idents_are_unique_over_all_objects), CASE(p5_p6_idents_stay_unique_while_hosts_move), CASE(no_step),
		CASE(clock_back_an_hour), CASE(clock_forward_a_minute), CASE(stderr_stays_clean), CASE(idle_sockets_are_shut),
	};

	(void)argc;
	wire_enter(argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
