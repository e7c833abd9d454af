/*
 * The promise of the reserve beside a real kube-scheduler that fills the cluster: pods with a latency limit have room when a node dies, tenants never get it,
 * and each covered pod is bound elsewhere within its limit 15 s after the death is known; and a scheduler that is killed anywhere on the way loses nothing.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "tests/e2e/fleet.h"
#include "tests/e2e/rival.h"

#define TENANTS 120			/* of 250m: more than all nodes have */
#define CROWDED_MOST_MS 5000

static struct sched s;
static struct fleet f;

static void begin(void)
{
	e2e_begin(&s);
	fleet_begin(&f, &s, test_seed());
	sched_start(&s, fleet_options(&f));
	printf("# %lld ms until the fleet is placed\n", (long long)fleet_until(&f, fleet_is_placed, "the fleet is placed", 60));
	printf("# %lld ms until all of it is covered\n", (long long)fleet_until(&f, fleet_is_covered, "all of it is covered", 60));
}

static void end(void)
{
	if (f.crowded_most_ms)
		printf("# a node was seen over its room for at most %lld ms (%s)\n", (long long)f.crowded_most_ms, f.crowded);
	assert_true(f.crowded_most_ms < CROWDED_MOST_MS);
	assert_int_equal(sched_stop(&s, SIGTERM), 0);
	fleet_end(&f);
	e2e_end(&s);
}

static int deaths_known(void)
{
	return sched_log_count(&s, "node is dead", 0);
}

/* The busiest node dies, with all of its pods covered and no room but what is kept. */
static void die_and_recover(const char *which)
{
	int node = fleet_busiest(&f), pods = fleet_on(&f, node), covered = fleet_covered_on(&f, node), before = deaths_known();
	int64_t known_ms, bound_ms;

	assert_int_equal(covered, pods);
	fleet_kill(&f, node);
	known_ms = clock_mono_ms();
	while (deaths_known() <= before && clock_mono_ms() - known_ms < 60000)
		fleet_for(&f, 50);
	assert_int_equal(deaths_known(), before + 1);
	printf("# %s: edge-%d dies with %d pods of the fleet, known after %lld ms\n", which, node, pods, (long long)(clock_mono_ms() - known_ms));
	bound_ms = fleet_until(&f, fleet_is_placed, "its pods are bound elsewhere", 60);
	test_deadline("from the detection until all covered pods are bound elsewhere", (double)bound_ms / 1e3, 15, "s");
	fleet_for(&f, 1000);
	fleet_thin_tenants(&f, 40);
	fleet_revive(&f, node);
	printf("# %s: whole again %lld ms after it came back\n", which, (long long)fleet_until(&f, fleet_is_covered, "the reserve is whole again", 90));
	fleet_tenants(&f, TENANTS);
	fleet_until(&f, fleet_is_full, "tenants fill the cluster", 60);
}

static void the_room_is_kept_and_taken_by_those_it_is_for(void **state)
{
	struct rival rival;

	(void)state;
	begin();
	rival_start(&rival, NULL);
	fleet_tenants(&f, TENANTS);
	fleet_until(&f, fleet_is_full, "tenants fill the cluster", 60);
	fleet_for(&f, 2000);
	assert_true(fleet_is_covered(&f));
	printf("# the cluster is full, %d tenants wait\n", fleet_tenants_waiting(&f));
	die_and_recover("first");
	die_and_recover("second");
	rival_stop(&rival);
	end();
}

/* Killed and started again at random moments of a failure. */
static void crash_once(int round)
{
	int node = fleet_busiest(&f), kills = 1 + (int)rng_below(&f.rng, 3), i;

	fleet_kill(&f, node);
	for (i = 0; i < kills; i++) {
		fleet_for(&f, (int64_t)rng_below(&f.rng, i ? 1500 : FLEET_AFTER_MS + 3000));
		sched_stop(&s, SIGKILL);
		fleet_for(&f, (int64_t)rng_below(&f.rng, 300));
		sched_launch(&s, fleet_options(&f));
	}
	fleet_until(&f, fleet_is_placed, "no pod is lost", 90);
	fleet_revive(&f, node);
	fleet_until(&f, fleet_is_covered, "the reserve is whole again", 90);
	if (round % 10 == 9)
		printf("# %d rounds\n", round + 1);
}

static void killed_anywhere_it_goes_on(void **state)
{
	const char *wanted = getenv("RESERVE_CRASHES");
	int rounds = wanted ? atoi(wanted) : 3, i;

	(void)state;
	begin();
	for (i = 0; i < rounds; i++)
		crash_once(i);
	printf("# killed in %d failures\n", rounds);
	end();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_room_is_kept_and_taken_by_those_it_is_for),
		cmocka_unit_test(killed_anywhere_it_goes_on),
	};

	setvbuf(stdout, NULL, _IOLBF, 0);
	cmocka_set_test_filter(getenv("RESERVE_ONLY"));
	return cmocka_run_group_tests_name("reserve", tests, NULL, NULL);
}
