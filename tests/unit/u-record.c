/* The text of the record of evictions: its limits, and any text at all. What is wrong in which way is in u-ledger. */
#include "tests/testing/testing.h"

#include <string.h>

#include "lib/mem.h"
#include "sched/heal/record.h"

#define NOW_MS 1795000040000		/* 20 s past a minute */
#define CHANGES 20000

static int parse(const char *text, struct record *out, struct lm_err *err)
{
	char version[RECORD_VERSION];
	int code = record_parse(text, strlen(text), out, version, err);

	if (code == 0)
		assert_in_range(strlen(version), 0, RECORD_VERSION - 1);
	return code;
}

static char *object(const struct record *r)
{
	auto_buf struct buf data = {0};

	record_print(r, &data);
	return xasprintf("{\"metadata\":{\"resourceVersion\":\"7\"},\"data\":%s}", data.data);
}

static struct record filled(size_t lines)
{
	struct record r = {.by = "x"};

	while (r.count < lines) {
		r.lines[r.count] = (struct record_line){.until_ms = RECORD_MINUTE_MS * (int64_t)(r.count + 1), .count = RECORD_TOTAL / RECORD_LINES};
		r.count++;
	}
	return r;
}

static void limits_of_size(void **state)
{
	struct record r = filled(RECORD_LINES), again;
	auto_free char *whole = object(&r), *end = xstrdup(strstr(whole, "\"}}")), *longer = NULL;
	struct lm_err err;

	(void)state;
	assert_int_equal(parse(whole, &again, &err), 0);
	assert_true(record_same(&r, &again));
	assert_string_equal(again.by, "x");
	longer = xasprintf("%.*s2040-01-01T00:00:00Z 1\\n%s", (int)(strlen(whole) - strlen(end)), whole, end);
	assert_int_equal(parse(longer, &again, &err), -1);
	assert_non_null(strstr(err.msg, "more than 128 lines"));
}

/* All within the hour, for a clock that is far behind. */
static void a_full_one_has_room_for_a_charge(void **state)
{
	struct record r = filled(RECORD_LINES);

	(void)state;
	record_charge(&r, 1, 62 * RECORD_MINUTE_MS, 0);
	assert_int_equal(r.lines[r.count - 1].until_ms, 64 * RECORD_MINUTE_MS);
	r = filled(RECORD_LINES);
	record_charge(&r, 1, -RECORD_HOUR_MS, 0);
	assert_int_equal(r.count, 1);
	assert_int_equal(r.lines[0].count, RECORD_TOTAL / RECORD_LINES * RECORD_LINES + 1);
}

/* Anybody who may write it may write that, and it is no record. */
static void deep_managed_fields_are_passed_over(void **state)
{
	struct record r = filled(3), again;
	auto_free char *whole = object(&r), *text = NULL;
	char deep[2001];
	struct lm_err err;

	(void)state;
	memset(deep, '[', 1000);
	memset(deep + 1000, ']', 1000);
	deep[2000] = '\0';
	text = xasprintf("{\"metadata\":{\"managedFields\":%s,%s", deep, whole + strlen("{\"metadata\":{"));
	assert_int_equal(parse(text, &again, &err), 0);
	assert_true(record_same(&r, &again));
}

static char *changed(const char *text, struct rng *r)
{
	static const char bytes[] = "0123456789-:.TZ \\\"nutx{}[],+eE\x01\xff";
	char *out = xstrdup(text), *at;
	uint32_t i, changes = 1 + rng_below(r, 3);

	for (i = 0; i < changes; i++) {
		at = out + rng_below(r, (uint32_t)strlen(out));
		if (rng_chance(r, 0.3))
			memmove(at, at + 1, strlen(at));
		else
			*at = bytes[rng_below(r, sizeof(bytes) - 1)];
	}
	return out;
}

static void what_is_read_of_any_text_is_within_the_limits_and_prints_again(void **state)
{
	struct record whole = {.by = "another-1", .count = 3, .lines = {{NOW_MS - 20000 - RECORD_HOUR_MS, 1, 0, 0}, {NOW_MS - 20000, 20, 0, 0},
			       {NOW_MS + 40000, 1000000, 0, 0}}};
	auto_free char *text = object(&whole);
	struct rng r = rng_make(test_seed());
	int i, read = 0;

	(void)state;
	for (i = 0; i < CHANGES; i++) {
		auto_free char *other = changed(text, &r), *printed = NULL;
		struct record a, b;
		struct lm_err err;
		size_t j;

		if (parse(other, &a, &err) < 0)
			continue;
		read++;
		for (j = 0; j < a.count; j++) {
			assert_in_range(a.lines[j].count, 1, RECORD_MOST);
			assert_true(a.lines[j].until_ms % RECORD_MINUTE_MS == 0 && (j == 0 || a.lines[j].until_ms > a.lines[j - 1].until_ms));
		}
		printed = object(&a);
		assert_int_equal(parse(printed, &b, &err), 0);
		assert_true(record_same(&a, &b));
		assert_string_equal(a.by, b.by);
	}
	assert_in_range(read, CHANGES / 50, CHANGES - CHANGES / 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(limits_of_size), cmocka_unit_test(a_full_one_has_room_for_a_charge), cmocka_unit_test(deep_managed_fields_are_passed_over),
		cmocka_unit_test(what_is_read_of_any_text_is_within_the_limits_and_prints_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
