#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tests/testing/testing.h"

#include "probe/load.c"

static const char route[] =
	"Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
	"eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
	"eth0\t0000000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
	"docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n";

static const char route6[] =
	"fe800000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0\n"
	"00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth1\n"
	"00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo\n";

static char dev_text[1024], stat_text[256];

static const char *dev(uint64_t rx0, uint64_t tx0, uint64_t rx1, uint64_t tx1)
{
	snprintf(dev_text, sizeof(dev_text),
		 "Inter-|   Receive                                                |  Transmit\n"
		 " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n"
		 "    lo: 999999999 1 0 0 0 0 0 0 999999999 1 0 0 0 0 0 0\n"
		 "  eth0: %llu 12 0 0 0 0 0 0 %llu 13 0 0 0 0 0 0\n"
		 "eth0.5: 77777777 12 0 0 0 0 0 0 77777777 13 0 0 0 0 0 0\n"
		 "  eth1:%llu 12 0 0 0 0 0 0 %llu 13 0 0 0 0 0 0\n",
		 (unsigned long long)rx0, (unsigned long long)tx0, (unsigned long long)rx1, (unsigned long long)tx1);
	return dev_text;
}

static const char *stat_of(uint64_t busy, uint64_t idle)
{
	snprintf(stat_text, sizeof(stat_text), "cpu  %llu 0 0 %llu 0 0 0 0 0 0\ncpu0 1 2 3 4 5 6 7 8 9 10\n", (unsigned long long)busy,
		 (unsigned long long)idle);
	return stat_text;
}

static void feed(struct load *l, double at_s, const char *stat, const char *devices)
{
	struct load_texts t = {.stat = stat, .route = route, .ipv6_route = route6, .dev = devices};

	load_feed(l, &t, NULL, 0, 1 + (int64_t)(at_s * 1e6));
}

static void unknown_before_the_second_look(void **state)
{
	struct load l;

	(void)state;
	load_init(&l, 60);
	feed(&l, 0, stat_of(100, 100), dev(0, 0, 0, 0));
	assert_true(isnan(l.cpu) && isnan(l.rx_bytes_per_s) && isnan(l.tx_bytes_per_s));
	feed(&l, 10, stat_of(130, 170), dev(1000, 2000, 500, 0));
	assert_true(fabs(l.cpu - 0.3) < 1e-9);
	assert_true(fabs(l.rx_bytes_per_s - 150) < 1e-9);	/* eth0 by IPv4, eth1 by IPv6; neither lo nor eth0.5 */
	assert_true(fabs(l.tx_bytes_per_s - 200) < 1e-9);
}

/* A step from 0 to 1 is at 1 - 1/e after tau, whatever the spacing of the looks. */
static void follows_with_the_stated_time_constant(void **state)
{
	static const int steps[] = {1, 3, 60};
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++) {
		struct load l;
		int k;

		load_init(&l, 60);
		feed(&l, 0, stat_of(100, 100), NULL);
		feed(&l, 10, stat_of(100, 1100), NULL);
		for (k = 1; k <= steps[i]; k++)
			feed(&l, 10 + 60.0 * k / steps[i], stat_of(100 + (uint64_t)(100 * k), 1100), NULL);
		if (fabs(l.cpu - (1 - exp(-1))) > 1e-6)
			fail_msg("%d looks: %.6f", steps[i], l.cpu);
	}
}

static void counters_that_go_back_start_afresh(void **state)
{
	struct load l;
	double rx;

	(void)state;
	load_init(&l, 60);
	feed(&l, 0, stat_of(100, 100), dev(5000, 5000, 0, 0));
	feed(&l, 10, stat_of(110, 190), dev(6000, 6000, 0, 0));
	rx = l.rx_bytes_per_s;
	assert_true(rx > 0);
	feed(&l, 20, stat_of(5, 10), dev(10, 10, 0, 0));
	assert_true(l.rx_bytes_per_s <= rx && l.rx_bytes_per_s >= 0 && l.cpu >= 0 && l.cpu <= 1);
	feed(&l, 30, stat_of(15, 100), dev(2000010, 10, 0, 0));
	assert_true(l.rx_bytes_per_s > rx);
}

static void chosen_interfaces(void **state)
{
	static const char *const names[] = {"eth1", "nosuch0"};
	struct load_texts t = {.route = route};
	struct load l;

	(void)state;
	load_init(&l, 1);
	t.dev = dev(0, 0, 100, 100);
	load_feed(&l, &t, names, 2, 1000000);
	t.dev = dev(99999, 99999, 300, 500);
	load_feed(&l, &t, names, 2, 2000000);
	assert_true(fabs(l.rx_bytes_per_s - 200) < 1e-6 && fabs(l.tx_bytes_per_s - 400) < 1e-6);
}

/* Broken and missing texts neither crash nor give anything but NaN or figures in range. */
static void garbage(void **state)
{
	struct rng rng = rng_make(test_seed());
	struct load l;
	int i;

	(void)state;
	load_init(&l, 60);
	for (i = 0; i < 3000; i++) {
		char stat[256], devices[1024], v4[sizeof(route)], v6[sizeof(route6)];
		struct load_texts t = {stat, v4, v6, devices};

		snprintf(stat, sizeof(stat), "%s", stat_of(rng_below(&rng, 1000), rng_below(&rng, 1000)));
		snprintf(devices, sizeof(devices), "%s", dev(rng_next(&rng), 1, rng_below(&rng, 1000), 0));
		memcpy(v4, route, sizeof(v4));
		memcpy(v6, route6, sizeof(v6));
		stat[rng_below(&rng, (uint32_t)strlen(stat))] = (char)(1 + rng_below(&rng, 255));
		devices[rng_below(&rng, (uint32_t)strlen(devices))] = rng_chance(&rng, 0.3) ? '\0' : (char)rng_below(&rng, 256);
		v4[rng_below(&rng, sizeof(v4) - 1)] = rng_chance(&rng, 0.3) ? '\0' : '\n';
		v6[rng_below(&rng, sizeof(v6) - 1)] = rng_chance(&rng, 0.3) ? '\0' : ' ';
		load_feed(&l, &t, NULL, 0, i * 1000 + 1);
		assert_true(isnan(l.cpu) || (l.cpu >= 0 && l.cpu <= 1));
		assert_true(isnan(l.rx_bytes_per_s) || l.rx_bytes_per_s >= 0);
	}
}

/* This machine's own /proc. */
static void real_proc(void **state)
{
	static const char *const lo[] = {"lo"};
	volatile uint64_t waste = 0;
	struct load l;
	int i;

	(void)state;
	load_init(&l, 60);
	load_look(&l, lo, 1, 1000000);
	for (i = 0; i < 60000000; i++)
		waste = waste + (uint64_t)i;
	load_look(&l, lo, 1, 2000000);
	assert_true(waste > 0);
	assert_true(l.cpu > 0 && l.cpu <= 1);
	assert_true(l.rx_bytes_per_s >= 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unknown_before_the_second_look), cmocka_unit_test(follows_with_the_stated_time_constant),
		cmocka_unit_test(counters_that_go_back_start_afresh), cmocka_unit_test(chosen_interfaces), cmocka_unit_test(garbage),
		cmocka_unit_test(real_proc),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
