#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/testing/testing.h"

#include "probe/window.c"

/* The reference keeps everything and computes by definition. */
struct naive {
	int64_t at_ms[4000];
	double rtt_us[4000];
	size_t count;
};

static int order(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static struct window_summary naive_summary(const struct naive *n, size_t room, int64_t now_ms, int64_t rtt_ms, int64_t loss_ms)
{
	struct window_summary s = {NAN, NAN, NAN, NAN, NAN, 0, 0};
	double replies[4000], steps = 0;
	size_t i, k = 0;

	for (i = n->count > room ? n->count - room : 0; i < n->count; i++) {
		if (now_ms - n->at_ms[i] >= loss_ms)
			continue;
		s.sent++;
		s.received += !isnan(n->rtt_us[i]);
		if (!isnan(n->rtt_us[i]) && now_ms - n->at_ms[i] < rtt_ms)
			replies[k++] = n->rtt_us[i];
	}
	if (s.sent)
		s.loss = 1 - (double)s.received / (double)s.sent;
	for (i = 1; i < k; i++)
		steps += fabs(replies[i] - replies[i - 1]);
	if (k > 1)
		s.jitter_us = steps / (double)(k - 1);
	qsort(replies, k, sizeof(double), order);
	if (k > 0) {
		s.min_us = replies[0];
		s.rtt_us = k % 2 ? replies[k / 2] : (replies[k / 2 - 1] + replies[k / 2]) / 2;
		s.p95_us = replies[(size_t)ceil(0.95 * (double)k) - 1];
	}
	return s;
}

static void expect_same(const char *what, double got, double wanted)
{
	if (isnan(got) && isnan(wanted))
		return;
	if (!(fabs(got - wanted) <= 1e-6 * fmax(1, fabs(wanted))))
		fail_msg("%s: %.9g, the reference has %.9g", what, got, wanted);
}

static void expect_equal(const struct window_summary *a, const struct window_summary *b)
{
	expect_same("median", a->rtt_us, b->rtt_us);
	expect_same("min", a->min_us, b->min_us);
	expect_same("p95", a->p95_us, b->p95_us);
	expect_same("jitter", a->jitter_us, b->jitter_us);
	expect_same("loss", a->loss, b->loss);
	assert_int_equal(a->sent, b->sent);
	assert_int_equal(a->received, b->received);
}

/* Random windows, gaps, losses; times begin just before the low 32 bits wrap in every other run. */
static void like_a_naive_reference(void **state)
{
	struct rng rng = rng_make(test_seed());
	struct naive *n = xcalloc(1, sizeof(*n));
	int run, step;

	(void)state;
	for (run = 0; run < 200; run++) {
		int64_t now_ms = run % 2 ? 0x100000000LL - 20000 : 1000000, loss_ms = 1000 + rng_below(&rng, 60000);
		int64_t rtt_ms = 1 + rng_below(&rng, (uint32_t)loss_ms);
		uint32_t room = 1 + rng_below(&rng, 300);
		double lossy = rng_unit(&rng) * rng_unit(&rng);
		struct window w;

		window_init(&w, room);
		n->count = 0;
		for (step = 0; step < 300; step++) {
			double rtt_us = rng_chance(&rng, lossy) ? NAN : (double)(float)(rng_unit(&rng) * 1e6);
			struct window_summary got, wanted;

			now_ms += rng_below(&rng, rng_chance(&rng, 0.02) ? 50000 : 400);
			window_add(&w, now_ms, rtt_us);
			n->at_ms[n->count] = now_ms;
			n->rtt_us[n->count++] = rtt_us;
			if (rng_chance(&rng, 0.5))
				window_expire(&w, now_ms, loss_ms);
			window_summarise(&w, now_ms, rtt_ms, loss_ms, &got);
			wanted = naive_summary(n, room, now_ms, rtt_ms, loss_ms);
			expect_equal(&got, &wanted);
		}
		window_free(&w);
	}
	free(n);
}

static void empty_is_unknown(void **state)
{
	struct window_summary s;
	struct window w;

	(void)state;
	window_init(&w, 4);
	window_summarise(&w, 1000, 100, 1000, &s);
	assert_true(isnan(s.rtt_us) && isnan(s.min_us) && isnan(s.p95_us) && isnan(s.jitter_us) && isnan(s.loss));
	assert_true(s.sent == 0 && s.received == 0);
	window_free(&w);
}

/* P1: what never answers has loss 1 and no round trip: not 0, not -1. */
static void p1_all_lost(void **state)
{
	struct window_summary s;
	struct window w;
	int i;

	(void)state;
	window_init(&w, 100);
	for (i = 0; i < 30; i++)
		window_add(&w, i * 100, NAN);
	window_summarise(&w, 3000, 60000, 600000, &s);
	assert_true(isnan(s.rtt_us) && isnan(s.min_us) && isnan(s.p95_us) && isnan(s.jitter_us));
	assert_true(s.loss >= 1 && s.sent == 30 && s.received == 0);
	window_free(&w);
}

/* One lost ping changes neither the median nor the order of two peers. */
static void one_loss_or_outlier_moves_nothing(void **state)
{
	struct window_summary clean, hurt;
	struct window a, b;
	int i;

	(void)state;
	window_init(&a, 100);
	window_init(&b, 100);
	for (i = 0; i < 18; i++) {
		window_add(&a, i * 1000, 400 + i % 3);
		window_add(&b, i * 1000, i == 7 ? (double)NAN : i == 9 ? 90000.0 : 400.0 + i % 3);
	}
	window_summarise(&a, 18000, 60000, 600000, &clean);
	window_summarise(&b, 18000, 60000, 600000, &hurt);
	assert_true(fabs(clean.rtt_us - hurt.rtt_us) <= 1);
	assert_true(hurt.min_us <= clean.min_us + 1);
	window_free(&a);
	window_free(&b);
}

static void known_figures(void **state)
{
	static const double rtt[] = {10, 20, NAN, 15, 40};
	struct window_summary s;
	struct window w;
	size_t i;

	(void)state;
	window_init(&w, 8);
	for (i = 0; i < 5; i++)
		window_add(&w, (int64_t)i, rtt[i]);
	window_summarise(&w, 10, 100, 100, &s);
	expect_same("median", s.rtt_us, 17.5);
	expect_same("min", s.min_us, 10);
	expect_same("p95", s.p95_us, 40);
	expect_same("jitter", s.jitter_us, (10 + 5 + 25) / 3.0);
	expect_same("loss", s.loss, 0.2);
	window_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(like_a_naive_reference), cmocka_unit_test(empty_is_unknown), cmocka_unit_test(p1_all_lost),
		cmocka_unit_test(one_loss_or_outlier_moves_nothing), cmocka_unit_test(known_figures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
