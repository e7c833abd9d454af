#include <arpa/inet.h>
#include <string.h>

#include "tests/testing/testing.h"

#include "probe/echo_fetch.c"
#include "probe/pinger_socket.c"

/* A round of 3 pings to 100 hosts that was sent, as the matcher sees it. */
static struct echo *sent_round(struct rng *rng, struct ping_results *results)
{
	static const struct ping_plan plan = {.pings = 3, .spacing_us = 1000, .timeout_us = 1000000, .least_timeout_us = 1000000};
	struct echo *e = xcalloc(1, sizeof(*e));
	struct lm_err err;
	size_t i;

	e->base.m = probe_stats_new();
	e->count = 100;
	e->targets = xcalloc(e->count, sizeof(*e->targets));
	for (i = 0; i < e->count; i++) {
		char addr[32];

		snprintf(addr, sizeof(addr), i % 2 ? "10.1.0.%zu" : "fd00::%zu", i);
		assert_int_equal(ping_target_init(&e->targets[i], addr, &err), 0);
	}
	ping_results_reset(results, e->count, plan.pings);
	e->plan = &plan;
	e->timeout_us = plan.timeout_us;
	e->results = results;
	load_shots(e);
	e->first_sequence = (uint16_t)(65536 - rng_below(rng, 300));	/* it wraps */
	for (i = 0; i < e->shot_count; i++) {
		e->shots[i].sent = true;
		e->by_sequence[(uint16_t)(e->first_sequence + i)] = (uint32_t)i + 1;
	}
	e->next = e->open = e->shot_count;
	return e;
}

static void free_round(struct echo *e)
{
	metrics_free(e->base.m);
	free(e->targets);
	free(e->shots);
	free(e);
}

static int match(const struct echo *e, int family, void *bytes, size_t len, const struct sockaddr *from, size_t *at)
{
	struct sockaddr_storage name = {0};
	struct iovec iov = {bytes, len};
	struct msghdr msg = {.msg_name = &name, .msg_iov = &iov, .msg_iovlen = 1};

	memcpy(&name, from, from->sa_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
	return match_reply(e, family, &msg, len, at);
}

/* P7, P8, P10: only the very bytes of a sent ping, from where it went, match; any one changed bit that matters does not. */
static void p10_only_true_replies_match(void **state)
{
	struct rng rng = rng_make(test_seed());
	struct ping_results results = {0};
	struct echo *e = sent_round(&rng, &results);
	int turn;

	(void)state;
	for (turn = 0; turn < 20000; turn++) {
		size_t at = rng_below(&rng, (uint32_t)e->shot_count), found = SIZE_MAX, other = (at + 2) % e->count;
		const struct ping_target *t = &e->targets[at % e->count];
		int family = echo_family(t);
		struct echo_packet p = {.type = family ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY, .nonce = e->shots[at].nonce,
				   .sequence = htons((uint16_t)(e->first_sequence + at))};
		uint8_t raw[sizeof(p)];

		assert_int_equal(match(e, family, &p, sizeof(p), &t->to.any, &found), MATCHED);
		assert_int_equal(found, at);
		assert_int_equal(match(e, family, &p, sizeof(p), &e->targets[other].to.any, &found), DISCARD_SOURCE);
		assert_int_equal(match(e, family, &p, rng_below(&rng, sizeof(p)), &t->to.any, &found), DISCARD_MALFORMED);
		memcpy(raw, &p, sizeof(p));
		raw[8 + rng_below(&rng, 8)] ^= (uint8_t)(1u << rng_below(&rng, 8));
		assert_int_equal(match(e, family, raw, sizeof(raw), &t->to.any, &found), DISCARD_NONCE);
		memcpy(raw, &p, sizeof(p));
		raw[6 + rng_below(&rng, 2)] ^= (uint8_t)(1u << rng_below(&rng, 8));
		assert_int_not_equal(match(e, family, raw, sizeof(raw), &t->to.any, &found), MATCHED);
		memcpy(raw, &p, sizeof(p));
		raw[rng_below(&rng, 2)] ^= (uint8_t)(1u << rng_below(&rng, 8));
		assert_int_equal(match(e, family, raw, sizeof(raw), &t->to.any, &found), DISCARD_MALFORMED);
	}
	ping_results_free(&results);
	free_round(e);
}

static void p10_random_bytes(void **state)
{
	struct rng rng = rng_make(test_seed());
	struct ping_results results = {0};
	struct echo *e = sent_round(&rng, &results);
	int turn;

	(void)state;
	for (turn = 0; turn < 50000; turn++) {
		uint64_t raw[sizeof(struct echo_packet) / 8];
		size_t found, i;

		for (i = 0; i < ARRAY_SIZE(raw); i++)
			raw[i] = rng_next(&rng);
		((uint8_t *)raw)[0] = 0;
		((uint8_t *)raw)[1] = 0;
		assert_int_not_equal(match(e, 0, raw, sizeof(raw), &e->targets[1].to.any, &found), MATCHED);
	}
	ping_results_free(&results);
	free_round(e);
}

/* The trip is believed only where both clocks agree. */
static void trips_and_clock_steps(void **state)
{
	struct rng rng = rng_make(test_seed());
	struct ping_results results = {0};
	struct echo *e = sent_round(&rng, &results);
	const struct echo_shot s = {.sent_wall_ns = 1000000000000, .sent_us = 5000000, .offset_us = 995000000};
	struct {
		int64_t rtt_us, now_us, offset_us;
		float wanted;
	} cases[] = {
		{250, 5000300, 995000000, 250}, {250, 5010300, 995000010, 250},	/* fetched late */
		{1000250, 6000300, 995000000, PING_LOST},			/* after the deadline */
		{-5, 5000300, 995000000, PING_VOID},				/* before it was sent */
		{900, 5000300, 995000000, PING_VOID},				/* longer than the time that has passed */
		{250, 5000300, 995001000, PING_VOID}, {250, 5000300, 994999000, PING_VOID},	/* stepped */
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++)
		assert_true(trip_us(e, &s, s.sent_wall_ns + cases[i].rtt_us * 1000, cases[i].now_us, cases[i].offset_us) == cases[i].wanted);
	ping_results_free(&results);
	free_round(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(p10_only_true_replies_match), cmocka_unit_test(p10_random_bytes), cmocka_unit_test(trips_and_clock_steps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
