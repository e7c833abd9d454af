#include <stdio.h>
#include <string.h>

#include "tests/testing/testing.h"

#include "lib/peers.h"
#include "probe/links.c"

static const struct link_spans spans = {60000, 600000, 20000};

static void update(struct links *l, const char *text)
{
	struct peers peers;
	struct lm_err err;

	if (peers_parse(text, strlen(text), &peers, &err) < 0)
		fail_msg("%s", err.msg);
	links_update(l, &peers, "me", 200);
	peers_free(&peers);
}

static struct link *link_of(struct links *l, const char *name, bool is_client)
{
	size_t i;

	for (i = 0; i < l->count; i++)
		if (STREQ(l->items[i].name, name) && l->items[i].is_client == is_client)
			return &l->items[i];
	return NULL;
}

/* One round in which every target answers after 1000 us * (1 + its index), but `lost` (SIZE_MAX: none) does not. */
static void round_at(struct links *l, int64_t now_ms, double scale, size_t lost)
{
	struct ping_results r = {0};
	size_t t;
	uint32_t k;

	ping_results_reset(&r, l->target_count, 3);
	for (k = 0; k < 3; k++) {
		r.at_ms[k] = now_ms - 30 + k * 10;
		for (t = 0; t < l->target_count; t++)
			*ping_result(&r, t, k) = t == lost ? PING_LOST : (float)(1000 * scale * (double)(1 + t));
	}
	links_record(l, &r, &spans, now_ms);
	ping_results_free(&r);
}

static void publish(struct links *l)
{
	struct report report = {0};

	links_report(l, &report);
	report_free(&report);
}

static void p18_none_and_self_only(void **state)
{
	struct links l = {0};
	struct report report = {0};

	(void)state;
	update(&l, "{\"version\":1,\"nodes\":{}}");
	assert_true(l.count == 0 && l.target_count == 0);
	update(&l, "{\"version\":1,\"nodes\":{\"me\":[\"10.0.0.1\"]}}");
	assert_true(l.count == 0 && l.target_count == 0);
	round_at(&l, 1000, 1, SIZE_MAX);
	links_report(&l, &report);
	assert_true(report.peers.count == 0 && report.clients.count == 0);
	report_free(&report);
	links_free(&l);
}

/* A client may be called as we are; a node without an address is not pinged. */
static void only_the_node_is_ourselves(void **state)
{
	struct links l = {0};

	(void)state;
	update(&l, "{\"version\":1,\"nodes\":{\"me\":[\"10.0.0.1\"],\"a\":[]},\"clients\":{\"me\":[\"10.0.0.9\"]}}");
	assert_int_equal(l.count, 1);
	assert_true(l.items[0].is_client);
	links_free(&l);
}

static void shared_address_is_pinged_once(void **state)
{
	struct links l = {0};
	struct report report = {0};

	(void)state;
	update(&l, "{\"version\":1,\"nodes\":{\"a\":[\"10.0.0.1\"],\"b\":[\"10.0.0.1\"],\"c\":[\"::ffff:10.0.0.1\"]},"
		   "\"clients\":{\"a\":[\"10.0.0.1\"]}}");
	assert_true(l.count == 4 && l.target_count == 1);
	round_at(&l, 1000, 1, SIZE_MAX);
	links_report(&l, &report);
	assert_true(report.peers.count == 3 && report.clients.count == 1);
	assert_true(report.peers.items[1].rtt_us >= 1000 && report.clients.items[0].sent == 3);
	report_free(&report);
	links_free(&l);
}

static void p19_added_removed_renamed_readdressed(void **state)
{
	struct links l = {0};

	(void)state;
	update(&l, "{\"version\":1,\"nodes\":{\"a\":[\"10.0.0.1\"],\"b\":[\"10.0.0.2\"],\"c\":[\"10.0.0.3\"]}}");
	round_at(&l, 1000, 1, SIZE_MAX);
	publish(&l);
	assert_false(links_moved(&l));
	/* a stays, b has another address, c is now called d, e is new */
	update(&l, "{\"version\":1,\"nodes\":{\"e\":[\"10.0.0.5\"],\"a\":[\"10.0.0.1\"],\"b\":[\"10.0.0.22\"],\"d\":[\"10.0.0.3\"]}}");
	assert_true(l.count == 4 && l.target_count == 4);
	assert_int_equal(link_of(&l, "a", false)->window.count, 3);
	assert_int_equal(link_of(&l, "b", false)->window.count, 0);
	assert_int_equal(link_of(&l, "d", false)->window.count, 0);
	assert_int_equal(link_of(&l, "e", false)->window.count, 0);
	assert_null(link_of(&l, "c", false));
	assert_string_equal(l.targets[link_of(&l, "b", false)->target].addr, "10.0.0.22");
	assert_true(links_moved(&l));
	/* the same list again: all history stays */
	round_at(&l, 2000, 1, SIZE_MAX);
	publish(&l);
	update(&l, "{\"version\":1,\"nodes\":{\"e\":[\"10.0.0.5\"],\"a\":[\"10.0.0.1\"],\"b\":[\"10.0.0.22\"],\"d\":[\"10.0.0.3\"]}}");
	assert_int_equal(link_of(&l, "a", false)->window.count, 6);
	assert_false(links_moved(&l));
	/* node a becomes a client a: nothing is inherited across the kinds */
	update(&l, "{\"version\":1,\"nodes\":{},\"clients\":{\"a\":[\"10.0.0.1\"]}}");
	assert_int_equal(link_of(&l, "a", true)->window.count, 0);
	links_free(&l);
}

/* The model keeps its own map from (kind, name, address) to the number of rounds. */
static void p19_history_follows_a_model(void **state)
{
	struct rng rng = rng_make(test_seed());
	int rounds[5][4] = {{0}}, step, n, a;
	struct links l = {0};

	(void)state;
	for (step = 1; step <= 400; step++) {
		char text[512];
		int used[5][4] = {{0}}, len = snprintf(text, sizeof(text), "{\"version\":1,\"nodes\":{"), first = 1;

		for (n = 0; n < 5; n++) {
			a = (int)rng_below(&rng, 4);
			if (rng_chance(&rng, 0.3))
				continue;
			used[n][a] = 1;
			len += snprintf(text + len, sizeof(text) - (size_t)len, "%s\"n%d\":[\"10.0.%d.1\"]", first ? "" : ",", n, a);
			first = 0;
		}
		snprintf(text + len, sizeof(text) - (size_t)len, "}}");
		update(&l, text);
		round_at(&l, step * 1000, 1, SIZE_MAX);
		for (n = 0; n < 5; n++)
			for (a = 0; a < 4; a++) {
				char name[16];
				const struct link *k;

				rounds[n][a] = used[n][a] ? rounds[n][a] + 1 : 0;
				snprintf(name, sizeof(name), "n%d", n % 10);
				k = link_of(&l, name, false);
				if (used[n][a])
					assert_int_equal(k->window.count, rounds[n][a] * 3 < 200 ? rounds[n][a] * 3 : 200);
			}
	}
	links_free(&l);
}

static void moves_worth_a_report(void **state)
{
	static const struct {
		double was, is;
		bool moved;
	} rtt[] = {
		{1000, 1499, false}, {1000, 1501, true}, {100, 590, false}, {100, 601, true}, {10000, 11900, false}, {10000, 12001, true},
		{10000, 7999, true}, {3000, 2501, false}, {NAN, 5, true}, {5, NAN, true}, {NAN, NAN, false},
	}, loss[] = {{0, 0.09, false}, {0, 0.1, true}, {0.5, 0.41, false}, {0.5, 0.4, true}, {1, 0, true}, {NAN, 0, true}};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(rtt); i++)
		if (rtt_moved(rtt[i].was, rtt[i].is) != rtt[i].moved)
			fail_msg("rtt %g to %g", rtt[i].was, rtt[i].is);
	for (i = 0; i < ARRAY_SIZE(loss); i++)
		if (loss_moved(loss[i].was, loss[i].is) != loss[i].moved)
			fail_msg("loss %g to %g", loss[i].was, loss[i].is);
}

static void a_peer_that_falls_silent_is_news(void **state)
{
	struct links l = {0};
	int i;

	(void)state;
	update(&l, "{\"version\":1,\"nodes\":{\"a\":[\"10.0.0.1\"],\"b\":[\"10.0.0.2\"]}}");
	for (i = 1; i <= 10; i++)
		round_at(&l, i * 10000, 1, SIZE_MAX);
	publish(&l);
	round_at(&l, 110000, 1, 1);
	assert_false(links_moved(&l));		/* 3 lost of 33, and the median stands */
	round_at(&l, 120000, 1, 1);
	assert_true(links_moved(&l));		/* 6 of 36 */
	links_free(&l);
}

static void an_unusable_address_is_left_out(void **state)
{
	struct links l = {0};

	(void)state;
	update(&l, "{\"version\":1,\"nodes\":{\"a\":[\"fe80::1%nosuch0\"],\"b\":[\"10.0.0.2\"]}}");
	assert_true(l.count == 1 && l.target_count == 1 && l.incomplete);
	update(&l, "{\"version\":1,\"nodes\":{\"b\":[\"10.0.0.2\"]}}");
	assert_false(l.incomplete);
	links_free(&l);
}

/* Where no single host is: what answers there (ourselves at 0.0.0.0, all of a network at 224.0.0.1) would look near. */
static void addresses_of_nobody_are_left_out(void **state)
{
	static const char *const addrs[] = {"0.0.0.0", "224.0.0.1", "239.1.2.3", "255.255.255.255", "::", "ff02::1", "ff02::1%lo", "::ffff:224.0.0.1"};
	struct links l = {0};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(addrs); i++) {
		auto_free char *text = xasprintf("{\"version\":1,\"nodes\":{\"a\":[\"%s\"],\"b\":[\"10.0.0.2\"]}}", addrs[i]);

		update(&l, text);
		if (l.count != 1 || l.target_count != 1 || !l.incomplete || strcmp(l.items[0].name, "b") != 0)
			fail_msg("%s is pinged", addrs[i]);
	}
	links_free(&l);
}

static void void_pings_count_as_nothing(void **state)
{
	struct ping_results r = {0};
	struct links l = {0};

	(void)state;
	update(&l, "{\"version\":1,\"nodes\":{\"a\":[\"10.0.0.1\"]}}");
	ping_results_reset(&r, 1, 3);
	*ping_result(&r, 0, 1) = 500;
	links_record(&l, &r, &spans, r.at_ms[0] + 5);
	assert_true(l.items[0].now.sent == 1 && l.items[0].now.received == 1 && l.items[0].now.loss <= 0);
	ping_results_free(&r);
	links_free(&l);
}

/* --- silence --------------------------------------------------------------------------------------------------------- */

static double told_s(struct links *l, const char *name)
{
	struct report report = {0};
	double silent_s = NAN;
	size_t i;

	links_report(l, &report);
	for (i = 0; i < report.peers.count; i++)
		if (STREQ(report.peers.items[i].name, name))
			silent_s = report.peers.items[i].silent_s;
	report_free(&report);
	return silent_s;
}

static void silence_is_what_we_listened_for(void **state)
{
	struct ping_results none = {0};
	struct links l = {0};

	(void)state;
	update(&l, "{\"version\":1,\"nodes\":{\"a\":[\"10.0.0.1\"],\"b\":[\"10.0.0.2\"]}}");
	assert_true(isnan(told_s(&l, "a")));
	round_at(&l, 10000, 1, 1);
	round_at(&l, 20000, 1, 1);
	assert_true(told_s(&l, "a") >= 0 && told_s(&l, "a") < 0.03);	/* the last ping is 10 ms old */
	assert_true(isnan(told_s(&l, "b")));				/* never answered: nothing is known of it */
	round_at(&l, 30000, 1, SIZE_MAX);
	round_at(&l, 41000, 1, 1);
	round_at(&l, 50000, 1, 1);
	assert_true(fabs(told_s(&l, "b") - 20) < 0.03);
	ping_results_reset(&none, l.target_count, 3);			/* a stepped clock: their fate is not known */
	links_record(&l, &none, &spans, 60000);
	assert_true(fabs(told_s(&l, "b") - 20) < 0.03 && told_s(&l, "a") < 0.03);
	round_at(&l, 3660000, 1, 1);					/* stopped for an hour: that was no listening */
	assert_true(fabs(told_s(&l, "b") - 40) < 0.03);
	round_at(&l, 3670000, 1, SIZE_MAX);
	assert_true(told_s(&l, "b") < 0.03);
	ping_results_free(&none);
	links_free(&l);
}

static void silence_belongs_to_name_and_address(void **state)
{
	struct links l = {0};

	(void)state;
	update(&l, "{\"version\":1,\"nodes\":{\"a\":[\"10.0.0.1\"],\"b\":[\"10.0.0.2\"]}}");
	round_at(&l, 10000, 1, SIZE_MAX);
	round_at(&l, 20000, 1, 1);
	update(&l, "{\"version\":1,\"nodes\":{\"b\":[\"10.0.0.2\"],\"c\":[\"10.0.0.3\"]},\"clients\":{\"b\":[\"10.0.0.2\"]}}");
	round_at(&l, 30000, 1, 0);
	assert_true(fabs(told_s(&l, "b") - 20) < 0.03 && links_is_silent(link_of(&l, "b", false)));
	assert_true(told_s(&l, "c") < 0.03);
	assert_true(link_of(&l, "b", true)->silent_ms < 0);
	update(&l, "{\"version\":1,\"nodes\":{\"b\":[\"10.0.0.22\"]}}");
	round_at(&l, 40000, 1, 0);
	assert_true(isnan(told_s(&l, "b")));
	links_free(&l);
}

/* Many rounds, so that neither the median nor the loss moves by two of them. */
static void settle(struct links *l, int64_t from_ms)
{
	int i;

	for (i = 0; i < 60; i++)
		round_at(l, from_ms + i * 10000, 1, SIZE_MAX);
	publish(l);
	assert_false(links_moved(l));
}

static void silence_is_told_at_once_and_for_two_minutes(void **state)
{
	struct links l = {0};
	int64_t now_ms;

	(void)state;
	update(&l, "{\"version\":1,\"nodes\":{\"a\":[\"10.0.0.1\"],\"b\":[\"10.0.0.2\"]}}");
	settle(&l, 10000);
	round_at(&l, 610000, 1, 1);
	assert_false(links_moved(&l));			/* one round is nothing yet */
	round_at(&l, 620000, 1, 1);
	assert_true(links_moved(&l));
	publish(&l);
	round_at(&l, 630000, 1, SIZE_MAX);
	assert_true(links_moved(&l));			/* it is back */
	publish(&l);
	round_at(&l, 640000, 1, SIZE_MAX);
	assert_false(links_moved(&l));
	settle(&l, 650000);
	for (now_ms = 1250000; now_ms < 1250000 + 110000; now_ms += 10000) {
		round_at(&l, now_ms, 1, 1);
		assert_true(links_moved(&l) == (now_ms > 1250000));
		publish(&l);
	}
	for (; now_ms < 1250000 + 200000; now_ms += 10000) {
		round_at(&l, now_ms, 1, 1);
		publish(&l);
	}
	round_at(&l, now_ms, 1, 1);
	assert_true(links_is_silent(link_of(&l, "b", false)) && !links_moved(&l));	/* from here on in its time */
	links_free(&l);
}

static void clients_may_be_silent(void **state)
{
	struct links l = {0};

	(void)state;
	update(&l, "{\"version\":1,\"nodes\":{\"a\":[\"10.0.0.1\"]},\"clients\":{\"b\":[\"10.0.0.2\"]}}");
	settle(&l, 10000);
	round_at(&l, 610000, 1, 1);
	round_at(&l, 620000, 1, 1);
	assert_false(links_moved(&l));
	assert_true(link_of(&l, "b", true)->silent_ms > 19000);
	links_free(&l);
}

/* The fates of a round's pings, by chance, and how long it is since the one before: what must come out is computed from the whole history. */
static void silence_follows_a_model(void **state)
{
	struct rng rng = rng_make(test_seed());
	double silent_ms = NAN;
	struct links l = {0};
	int64_t now_ms = 5000;
	int round, missed = 0;

	(void)state;
	update(&l, "{\"version\":1,\"nodes\":{\"a\":[\"10.0.0.1\"]}}");
	for (round = 0; round < 5000; round++) {
		int64_t gap_ms = rng_chance(&rng, 0.05) ? 20000 + rng_below(&rng, 10000000) : 1000 + rng_below(&rng, 15000);
		struct ping_results r = {0};
		int last = -1, lost = 0, k;

		now_ms += gap_ms;
		ping_results_reset(&r, 1, 3);
		for (k = 0; k < 3; k++) {
			int fate = (int)rng_below(&rng, 10);

			r.at_ms[k] = now_ms - 900 + 300 * k;
			*ping_result(&r, 0, (uint32_t)k) = fate < 2 ? 4000.0f : fate < 8 ? PING_LOST : PING_VOID;
			last = fate < 2 ? k : last;
			lost += fate >= 2 && fate < 8;
		}
		links_record(&l, &r, &spans, now_ms);
		missed = last >= 0 ? 0 : missed + (lost > 0);
		if (last >= 0)
			silent_ms = 900 - 300 * last - 4;
		else if (lost)
			silent_ms += fmin((double)gap_ms, 20000);
		assert_true(isnan(silent_ms) ? l.items[0].silent_ms == -1 : l.items[0].silent_ms == (int64_t)silent_ms);
		assert_int_equal(links_is_silent(&l.items[0]), !isnan(silent_ms) && missed >= 2);
		ping_results_free(&r);
	}
	links_free(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(p18_none_and_self_only), cmocka_unit_test(only_the_node_is_ourselves),
		cmocka_unit_test(shared_address_is_pinged_once), cmocka_unit_test(p19_added_removed_renamed_readdressed),
		cmocka_unit_test(p19_history_follows_a_model), cmocka_unit_test(moves_worth_a_report),
		cmocka_unit_test(a_peer_that_falls_silent_is_news), cmocka_unit_test(an_unusable_address_is_left_out),
		cmocka_unit_test(addresses_of_nobody_are_left_out),
		cmocka_unit_test(void_pings_count_as_nothing),
		cmocka_unit_test(silence_is_what_we_listened_for), cmocka_unit_test(silence_belongs_to_name_and_address),
		cmocka_unit_test(silence_is_told_at_once_and_for_two_minutes), cmocka_unit_test(clients_may_be_silent),
		cmocka_unit_test(silence_follows_a_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
