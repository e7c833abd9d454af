#include "lib/kube/status.c"

#include <setjmp.h>

#include "tests/testing/testing.h"

#define STATUS(reason, message) "{\"kind\":\"Status\",\"status\":\"Failure\",\"message\":\"" message "\",\"reason\":\"" reason "\",\"code\":404}"

static struct kube_response response_of(int status, const char *body)
{
	return (struct kube_response){.status = status, .body = body, .len = strlen(body), .retry_after_ms = -1};
}

static void words_of_an_answer(void **state)
{
	static const struct {
		int status;
		const char *body, *text, *reason;
	} cases[] = {
		{404, STATUS("NotFound", "pods \\\"web\\\" not found"), "404 NotFound: pods \"web\" not found", "NotFound"},
		{409, STATUS("AlreadyExists", ""), "409 AlreadyExists", "AlreadyExists"},
		{500, STATUS("", "boom"), "500: boom", ""},
		{500, STATUS("", ""), "500", ""},
		{500, STATUS("Two\\nlines", "a\\tb"), "500 Two?lines: a?b", "Two?lines"},
		{502, "<html>\n<body>", "502: <html>", ""},
		{502, "\n\n  Bad gateway\r\nmore", "502: Bad gateway", ""},
		{502, "", "502", ""},
		{502, "\x01\xff%s", "502: ??%s", ""},
		{200, "{\"kind\":\"Pod\",\"reason\":\"x\"}", "200: {\"kind\":\"Pod\",\"reason\":\"x\"}", ""},
		{400, "{\"kind\":\"Status\",\"message\":7,\"reason\":[]}", "400", ""},
		{400, "[1]", "400: [1]", ""},
	};
	char text[256], reason[64];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct kube_response r = response_of(cases[i].status, cases[i].body);

		kube_status_text(&r, text, sizeof(text));
		assert_string_equal(text, cases[i].text);
		kube_status_reason(&r, reason, sizeof(reason));
		assert_string_equal(reason, cases[i].reason);
	}
}

static void no_answer_gives_the_error(void **state)
{
	struct kube_response r = response_of(0, "");
	char text[64];

	(void)state;
	lm_fail(&r.error, LM_UNAVAILABLE, "http://h: connect: Connection refused");
	kube_status_text(&r, text, sizeof(text));
	assert_string_equal(text, "http://h: connect: Connection refused");
}

/* Any size is respected, and a character is never cut in two. */
static void long_words_are_cut(void **state)
{
	struct kube_response r = response_of(500, STATUS("", "a\xc3\xa4\xf0\x9f\x98\x80z"));
	char text[32];
	size_t size;

	(void)state;
	for (size = 1; size < sizeof(text); size++) {
		memset(text, 'X', sizeof(text));
		kube_status_text(&r, text, size);
		assert_true(strlen(text) < size);
		assert_int_equal(text[size], 'X');
		assert_true(size < 7 || (unsigned char)text[strlen(text) - 1] < 0x80 || strlen(text) == 8 || strlen(text) == 12);
	}
}

static void backoff_stays_in_its_limits(void **state)
{
	struct rng r = rng_make(test_seed());
	int i;

	(void)state;
	for (i = 0; i < 20000; i++) {
		int tries = (int)rng_below(&r, 80);
		int64_t base = 1 + rng_below(&r, 2000), cap = 1 + rng_below(&r, 60000);
		int64_t after = rng_chance(&r, 0.5) ? -1 : (int64_t)rng_below(&r, 60001);
		double limit = ldexp((double)base, tries);
		int64_t most = limit > (double)cap ? cap : (int64_t)limit;
		int64_t wait = kube_backoff_ms(tries, base, cap, after);

		assert_true(wait > 0);
		assert_true(wait >= after);
		assert_true(wait <= most || wait <= after + after / 4);
	}
}

/* Spread over the whole range: many clients that failed together do not come again together. */
static void backoff_has_jitter(void **state)
{
	int low = 0, high = 0, i, after = 0;

	(void)state;
	for (i = 0; i < 4000; i++) {
		int64_t wait = kube_backoff_ms(10, 800, 30000, -1);

		low += wait <= 3000;
		high += wait > 27000;
		after += kube_backoff_ms(0, 100, 100, 1000) != 1000;
	}
	assert_in_range(low, 250, 550);
	assert_in_range(high, 250, 550);
	assert_in_range(after, 3900, 4000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_of_an_answer),
		cmocka_unit_test(no_answer_gives_the_error),
		cmocka_unit_test(long_words_are_cut),
		cmocka_unit_test(backoff_stays_in_its_limits),
		cmocka_unit_test(backoff_has_jitter),
	};

	return cmocka_run_group_tests_name("kube-status", tests, NULL, NULL);
}
