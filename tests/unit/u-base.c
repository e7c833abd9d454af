/* err.h, buf.h, clock.h, names.h, log.h, metrics.h: the small parts that everything stands on. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/err.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/metrics.h"
#include "lib/names.h"
#include "tests/testing/testing.h"

static void errors_carry_code_context_and_one_line(void **state)
{
	struct lm_err err = {0};
	char *longer = xmalloc(2000);

	(void)state;
	errno = ENOENT;
	assert_int_equal(lm_fail_errno(&err, "open `%s`", "a\nb"), -1);
	assert_string_equal(err.msg, "open `a?b`: No such file or directory");
	assert_true(err.code == LM_NOINPUT && err.os_errno == ENOENT);
	assert_int_equal(lm_wrap(&err, "reading"), -1);
	assert_string_equal(err.msg, "reading: open `a?b`: No such file or directory");
	assert_int_equal(err.code, LM_NOINPUT);
	memset(longer, 'x', 1999);
	longer[1999] = '\0';
	lm_fail(&err, LM_DATA, "%s", longer);
	lm_wrap(&err, "%s", longer);
	assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
	free(longer);
}

/* Cut texts and what comes from outside: an Event must be UTF-8, and no terminal may obey it. */
static void errors_are_printable_utf_8(void **state)
{
	struct lm_err err = {0};

	(void)state;
	lm_fail(&err, LM_DATA, "%.3s, %s", "ab\xc3\xa9", "\xff caf\xc3\xa9 \xc2\x9b" "31m \x7f");
	assert_string_equal(err.msg, "ab?, ? caf\xc3\xa9 ??31m ?");
	lm_wrap(&err, "\xe2\x80\xa8%s", "\xf0\x9f\x98\x80");
	assert_string_equal(err.msg, "???\xf0\x9f\x98\x80: ab?, ? caf\xc3\xa9 ??31m ?");
}

static void decimals_are_the_shortest(void **state)
{
	static const struct {
		double value;
		int decimals;
		const char *text;
	} cases[] = {{0, 3, "0"}, {412, 1, "412"}, {412.5, 1, "412.5"}, {0.25, 4, "0.25"}, {-1.5, 2, "-1.5"}, {1e-9, 4, "0"}, {0.99996, 4, "1"},
		     {(double)NAN, 1, "null"}, {(double)INFINITY, 1, "null"}, {0.0625, 6, "0.0625"}, {123456789.125, 3, "123456789.125"}, {4503599628.25, 6, "4503599628.25"},
		     {8e11, 6, "800000000000"}};
	struct rng r = rng_make(test_seed());
	size_t i;
	int round;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		auto_buf struct buf b = {0};

		buf_decimal(&b, cases[i].value, cases[i].decimals);
		assert_string_equal(b.data, cases[i].text);
	}
	for (round = 0; round < 20000; round++) {
		auto_buf struct buf b = {0};
		double value = (rng_unit(&r) - 0.5) * pow(10, (double)rng_below(&r, 10));

		buf_decimal(&b, value, 3);
		if (!(fabs(strtod(b.data, NULL) - value) <= 0.000501))
			fail_msg("%.17g became %s", value, b.data);
	}
	for (round = 0; round < 20000; round++) {	/* what was read back is written as it was */
		auto_buf struct buf b = {0}, again = {0};
		int decimals = (int)rng_below(&r, 7);

		buf_decimal(&b, (rng_unit(&r) - 0.5) * pow(10, (double)rng_below(&r, 14)), decimals);
		buf_decimal(&again, strtod(b.data, NULL), decimals);
		assert_string_equal(again.data, b.data);
	}
}

static void strings_are_json(void **state)
{
	auto_buf struct buf b = {0};
	struct lm_err err = {0};
	auto_json cJSON *value = NULL;

	(void)state;
	buf_json_string(&b, "a\"b\\c\n\t\x01\x7f caf\xc3\xa9");
	value = json_parse(b.data, b.len, 1, &err);
	assert_non_null(value);
	assert_string_equal(value->valuestring, "a\"b\\c\n\t\x01\x7f caf\xc3\xa9");
	buf_clear(&b);
	buf_json_string(&b, "\xc2\x85\xc2\x9b\xc2\xa0\xe2\x80\xa7\xe2\x80\xa8\xe2\x80\xa9");
	assert_string_equal(b.data, "\"\\u0085\\u009b\xc2\xa0\xe2\x80\xa7\\u2028\\u2029\"");
}

static void times_are_read_back(void **state)
{
	static const char *const bad[] = {"", "2026-11-21", "2026-13-01T00:00:00Z", "2026-11-21T21:00:00", "2026-11-21T21:00:00.Z",
					  "2026-11-21T25:00:00Z", "2026-11-21T21:00:00Zx", "2026-11-21 21:00:00Z", "1969-12-31T00:00:00Z", "2026-11-21T21:00:00+01:00",
					  "2026-02-29T00:00:00Z", "2100-02-29T00:00:00Z", "2026-04-31T00:00:00Z", "2026-11-21T21:00:00.1234567890Z"};
	struct rng r = rng_make(test_seed());
	char text[CLOCK_TEXT];
	int64_t back;
	size_t i;

	(void)state;
	clock_format(1795294800123, text);
	assert_string_equal(text, "2026-11-21T21:00:00.123Z");
	for (i = 0; i < 10000; i++) {
		int64_t time = (int64_t)(rng_next(&r) % 253402300799999u);

		clock_format(time, text);
		assert_int_equal(clock_parse(text, &back), 0);
		assert_int_equal(back, time);
	}
	assert_int_equal(clock_parse("2026-11-21T21:00:00Z", &back), 0);
	assert_int_equal(clock_parse("2026-11-21T21:00:00.123456789Z", &back), 0);
	assert_int_equal(back, 1795294800123);
	assert_int_equal(clock_parse("2000-02-29T00:00:00Z", &back), 0);
	assert_int_equal(clock_parse("2028-02-29T23:59:59Z", &back), 0);
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		if (clock_parse(bad[i], &back) == 0)
			fail_msg("accepted %s", bad[i]);
}

static void names_keep_their_positions(void **state)
{
	struct names set = {0};
	char name[32], longest[NAME_MAX_BYTES + 2];
	uint32_t i;

	(void)state;
	assert_int_equal(names_find(&set, "a"), NAMES_NONE);
	for (i = 0; i < 5000; i++) {
		snprintf(name, sizeof(name), "node-%u", i * 7);
		assert_int_equal(names_add(&set, name), i);
		assert_int_equal(names_add(&set, name), NAMES_NONE);
	}
	for (i = 0; i < 5000; i++) {
		snprintf(name, sizeof(name), "node-%u", i * 7);
		assert_int_equal(names_find(&set, name), i);
		snprintf(name, sizeof(name), "node-%u", i * 7 + 1);
		assert_int_equal(names_find(&set, name), NAMES_NONE);
	}
	names_free(&set);
	memset(longest, 'a', sizeof(longest));
	longest[NAME_MAX_BYTES + 1] = '\0';
	assert_false(name_is_valid(longest));
	longest[NAME_MAX_BYTES] = '\0';
	assert_true(name_is_valid(longest) && name_is_valid("edge-1.rack-2") && name_is_valid("1"));
	assert_false(name_is_valid("") || name_is_valid("Edge") || name_is_valid("-a") || name_is_valid("a.") || name_is_valid("a/b") ||
		     name_is_valid("..") || name_is_valid("a_b"));
}

/* Runs `print` with standard error into a file and gives back what it wrote. */
static char *captured(void (*print)(void))
{
	auto_free char *path = xasprintf("%s/log", test_folder());
	int file = open(path, O_CREAT | O_RDWR, 0600), saved = dup(STDERR_FILENO);

	dup2(file, STDERR_FILENO);
	print();
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(file);
	return test_read(path);
}

static void print_some(void)
{
	log_event(LOG_INFO, "pod bound", FIELDS(LS("pod", "default/web"), LS("note", "two words\n\xff"), LS("esc", "\033[2J\xc2\x9b"), LI("n", -3), LF("rtt_ms", 0.25), LB("ok", true), LF("none", (double)NAN)));
	log_debug("hidden", NULL);
}

static void log_lines_are_text_or_json(void **state)
{
	auto_free char *text = NULL, *json = NULL;
	auto_json cJSON *line = NULL;
	struct lm_err err = {0};

	(void)state;
	log_setup(LOG_INFO, LOG_TEXT);
	text = captured(print_some);
	assert_non_null(strstr(text, "Z INFO pod bound pod=default/web note=\"two words\\u000a?\" esc=\"\\u001b[2J\\u009b\" n=-3 rtt_ms=0.25 ok=true none=null\n"));
	assert_null(strstr(text, "hidden"));
	log_setup(LOG_INFO, LOG_JSON);
	json = captured(print_some);
	line = json_parse(json, strlen(json), 2, &err);
	assert_non_null(line);
	assert_string_equal(json_get(line, "msg")->valuestring, "pod bound");
	assert_string_equal(json_get(line, "note")->valuestring, "two words\n?");
	log_setup(LOG_INFO, LOG_TEXT);
}

enum { RUNS, LAST, SECONDS, METRIC_COUNT };
static const char *const results[] = {"ok", "bad", NULL};
static const double bounds[] = {0.1, 1, (double)INFINITY};
static const struct metric_spec metric_specs[METRIC_COUNT] = {
	[RUNS] = {METRIC_COUNTER, "latency_test_runs_total", "runs", "result", results, NULL},
	[LAST] = {METRIC_GAUGE, "latency_test_last", "last", NULL, NULL, NULL},
	[SECONDS] = {METRIC_HISTOGRAM, "latency_test_seconds", "time", NULL, NULL, bounds},
};

static void *add_many(void *m)
{
	int i;

	for (i = 0; i < 10000; i++)
		metrics_add(m, RUNS, 1, 1);
	return NULL;
}

static void metrics_add_up_over_threads(void **state)
{
	struct metrics *m = metrics_new(metric_specs, METRIC_COUNT);
	auto_buf struct buf b = {0};
	pthread_t threads[4];
	int i;

	(void)state;
	for (i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, add_many, m), 0);
	for (i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	metrics_set(m, LAST, 0, (double)NAN);
	metrics_observe(m, SECONDS, 0, 0.05);
	metrics_observe(m, SECONDS, 0, 0.1);
	metrics_observe(m, SECONDS, 0, 5);
	metrics_print(m, &b);
	assert_non_null(strstr(b.data, "# TYPE latency_test_runs_total counter\nlatency_test_runs_total{result=\"ok\"} 0\n"
				       "latency_test_runs_total{result=\"bad\"} 40000\n"));
	assert_null(strstr(b.data, "latency_test_last "  "nan"));
	assert_non_null(strstr(b.data, "latency_test_seconds_bucket{le=\"0.1\"} 2\nlatency_test_seconds_bucket{le=\"1\"} 2\n"
				       "latency_test_seconds_bucket{le=\"+Inf\"} 3\n"));
	assert_non_null(strstr(b.data, "latency_test_seconds_count 3\n"));
	assert_non_null(strstr(b.data, "process_resident_memory_bytes "));
	metrics_free(m);
}

static bool ends_with(const char *text, size_t len, const char *end)
{
	return len >= strlen(end) && memcmp(text + len - strlen(end), end, strlen(end)) == 0;
}

/* The family that a sample belongs to. */
static size_t family_len(const char *sample, const char *type)
{
	static const char *const ends[] = {"_bucket", "_sum", "_count"};
	size_t len = strcspn(sample, "{ "), i;

	for (i = 0; STREQ(type, "histogram") && i < ARRAY_SIZE(ends); i++)
		if (ends_with(sample, len, ends[i]))
			return len - strlen(ends[i]);
	return len;
}

static void check_format(char *text)
{
	char name[200] = "", type[20] = "", *line, *end;
	struct names seen = {0};

	assert_int_equal(text[strlen(text) - 1], '\n');
	for (line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		if (strncmp(line, "# HELP ", 7) == 0) {
			assert_int_equal(sscanf(line, "# HELP %199s", name), 1);
			assert_int_not_equal(names_add(&seen, name), NAMES_NONE);
			type[0] = '\0';
		} else if (line[0] == '#') {
			assert_int_equal(strncmp(line, "# TYPE ", 7), 0);
			assert_true(!type[0] && strncmp(line + 7, name, strlen(name)) == 0);
			assert_int_equal(sscanf(line + 7 + strlen(name), " %19s", type), 1);
			assert_int_equal(ends_with(name, strlen(name), "_total"), STREQ(type, "counter"));
		} else {
			assert_true(type[0] && family_len(line, type) == strlen(name) && strncmp(line, name, strlen(name)) == 0);
			strtod(strrchr(line, ' ') + 1, &end);
			assert_true(*end == '\0' && end[-1] != ' ');
		}
	}
	names_free(&seen);
}

/* The rules of the text format: HELP, then TYPE, once each and before the samples, which stand together; counters end in _total; buckets grow up
 * to +Inf, which is the count; numbers are Go's. */
static void metrics_keep_to_the_format(void **state)
{
	struct metrics *m = metrics_new(metric_specs, METRIC_COUNT);
	auto_buf struct buf b = {0};

	(void)state;
	metrics_set(m, LAST, 0, 0.1);
	metrics_add(m, RUNS, 0, 12345678);
	metrics_observe(m, SECONDS, 0, 0.3);
	metrics_print(m, &b);
	assert_non_null(strstr(b.data, "\nlatency_test_last 0.1\n"));
	assert_non_null(strstr(b.data, "{result=\"ok\"} 12345678\n"));
	assert_non_null(strstr(b.data, "latency_test_seconds_sum 0.3\n"));
	metrics_set(m, LAST, 0, 1.0 / 3);
	buf_clear(&b);
	metrics_print(m, &b);
	assert_true(strtod(strstr(b.data, "\nlatency_test_last ") + 19, NULL) == 1.0 / 3);
	metrics_set(m, LAST, 0, -(double)INFINITY);
	buf_clear(&b);
	metrics_print(m, &b);
	assert_non_null(strstr(b.data, "\nlatency_test_last -Inf\n"));
	check_format(b.data);
	metrics_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(errors_carry_code_context_and_one_line),
		cmocka_unit_test(errors_are_printable_utf_8),
		cmocka_unit_test(decimals_are_the_shortest),
		cmocka_unit_test(strings_are_json),
		cmocka_unit_test(times_are_read_back),
		cmocka_unit_test(names_keep_their_positions),
		cmocka_unit_test(log_lines_are_text_or_json),
		cmocka_unit_test(metrics_add_up_over_threads),
		cmocka_unit_test(metrics_keep_to_the_format),
	};

	return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
