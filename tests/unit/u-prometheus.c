/* prometheus.h and inflow.h: what is taken of an answer or a file, what is counted, what is refused; and what goes into a URL. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/kube/url.h"
#include "lib/mem.h"
#include "merge/inflow.h"
#include "tests/testing/testing.h"

#define ANSWER(result) "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[" result "]}}"
#define SAMPLE(node, value) "{\"metric\":{\"node\":\"" node "\"},\"value\":[1764443700.781,\"" value "\"]}"

static struct prometheus_answer answer;

static int drop_answer(void **state)
{
	(void)state;
	prometheus_answer_free(&answer);
	return 0;
}

static void takes(const char *text)
{
	struct lm_err err;

	prometheus_answer_free(&answer);
	if (prometheus_parse(text, strlen(text), &answer, &err) < 0)
		fail_msg("%s: %s", text, err.msg);
}

static void refuses(const char *text, const char *words)
{
	struct lm_err err;

	prometheus_answer_free(&answer);
	if (prometheus_parse(text, strlen(text), &answer, &err) == 0)
		fail_msg("taken: %s", text);
	assert_int_equal(err.code, LM_DATA);
	if (!strstr(err.msg, words))
		fail_msg("\"%s\" is not in \"%s\"", words, err.msg);
	assert_int_equal(answer.rates.nodes.count, 0);
}

/* NaN: not there. */
static double rate(const char *node)
{
	uint32_t at = names_find(&answer.rates.nodes, node);

	return at == NAMES_NONE ? (double)NAN : answer.rates.rate[at];
}

static void a_vector_gives_a_rate_by_node(void **state)
{
	(void)state;
	takes(ANSWER(SAMPLE("edge-1", "812.5") "," SAMPLE("edge-2", "0") "," SAMPLE("edge-3", "1e-07") "," SAMPLE("edge-4", "-0")));
	assert_int_equal(answer.rates.nodes.count, 4);
	assert_true(rate("edge-1") == 812.5 && rate("edge-2") == 0 && rate("edge-3") == 1e-7 && rate("edge-4") == 0);
	assert_false(signbit(rate("edge-4")));
	assert_int_equal(answer.nameless + answer.refused, 0);
	assert_string_equal(answer.warning, "");
}

static void an_empty_vector_is_an_answer(void **state)
{
	(void)state;
	takes(ANSWER(""));
	assert_int_equal(answer.rates.nodes.count, 0);
}

static void samples_of_one_node_are_added_up(void **state)
{
	(void)state;
	takes(ANSWER("{\"metric\":{\"node\":\"a\",\"entrypoint\":\"web\"},\"value\":[1,\"1.5\"]},{\"metric\":{\"node\":\"a\",\"entrypoint\":\"websecure\"},\"value\":[1,\"2\"]},"
		     SAMPLE("b", "1e13") "," SAMPLE("b", "1e13")));
	assert_true(rate("a") == 3.5);
	assert_true(rate("b") == SNAPSHOT_RATE_MAX);
}

static void what_is_no_rate_of_a_node_is_left_out_and_counted(void **state)
{
	(void)state;
	takes(ANSWER(SAMPLE("a", "NaN") "," SAMPLE("b", "+Inf") "," SAMPLE("c", "-Inf") "," SAMPLE("d", "-1") "," SAMPLE("e", "1e14") ","
		     SAMPLE("f", "1e300") "," SAMPLE("g", "7")));
	assert_int_equal(answer.refused, 6);
	assert_int_equal(answer.rates.nodes.count, 1);
	takes(ANSWER("{\"metric\":{},\"value\":[1,\"1\"]}," SAMPLE("", "1") "," SAMPLE("UPPER", "1") "," SAMPLE("10.0.0.1:9100", "1") "," SAMPLE("../x", "1") ","
		     SAMPLE("g", "7")));
	assert_int_equal(answer.nameless, 5);
	assert_int_equal(answer.rates.nodes.count, 1);
	assert_true(rate("g") == 7);
}

static void the_first_warning_is_kept(void **state)
{
	(void)state;
	takes("{\"status\":\"success\",\"warnings\":[\"one\",\"two\"],\"infos\":[\"x\"],\"data\":{\"resultType\":\"vector\",\"result\":[]}}");
	assert_string_equal(answer.warning, "one");
}

static void what_is_no_answer_is_refused_by_its_place(void **state)
{
	(void)state;
	refuses("", "empty");
	refuses("<html>", "line 1");
	refuses("[]", "an array");
	refuses("{}", "status");
	refuses("{\"status\":\"success\"}", "data");
	refuses("{\"status\":\"fine\"}", "\"fine\"");
	refuses("{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[]}}", "data.resultType: \"matrix\"");
	refuses("{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":{}}}", "data: result");
	refuses("{\"status\":\"success\",\"data\":{\"resultType\":\"scalar\",\"result\":[1,\"2\"]}}", "scalar");
	refuses("{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"parse error\"}", "bad_data: parse error");
	refuses(ANSWER("1"), "data.result[0]");
	refuses(ANSWER(SAMPLE("a", "1") ",{\"metric\":{\"node\":\"b\"}}"), "data.result[1]");
	refuses(ANSWER("{\"metric\":{\"node\":7},\"value\":[1,\"1\"]}"), "metric.node");
	refuses(ANSWER("{\"metric\":{\"node\":\"a\"},\"value\":[1,1]}"), "value");
	refuses(ANSWER("{\"metric\":{\"node\":\"a\"},\"value\":[\"1\"]}"), "value");
	refuses(ANSWER("{\"metric\":{\"node\":\"a\"},\"value\":[1,\"1\",2]}"), "value");
	refuses(ANSWER("{\"metric\":{\"node\":\"a\"},\"value\":[]}"), "value");
	refuses(ANSWER(SAMPLE("a", "1")) "x", "line 1");
	refuses(ANSWER(SAMPLE("a\\u0000b", "1")), "\\u0000");
}

static void words_that_strtod_would_take_are_no_numbers(void **state)
{
	static const char *const words[] = {"", " 1", "1 ", "0x10", "inf", "nan", "Infinity", "1.", ".5", "1e", "+1", "01", "1,5", "true", "null", "[1]", "-", "1e999"};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(words); i++) {
		auto_free char *text = xasprintf(ANSWER(SAMPLE("a", "%s")), words[i]);

		refuses(text, "is no number");
	}
}

static void limits(void **state)
{
	auto_buf struct buf text = {0};
	struct lm_err err;
	int i;

	(void)state;
	buf_str(&text, "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[");
	for (i = 0; i < SNAPSHOT_MAX_NODES; i++)
		buf_printf(&text, "%s{\"metric\":{\"node\":\"n%d\"},\"value\":[1,\"1\"]}", i ? "," : "", i);
	buf_str(&text, "]}}");
	takes(text.data);
	assert_int_equal(answer.rates.nodes.count, SNAPSHOT_MAX_NODES);
	text.len -= 3;
	buf_str(&text, "," SAMPLE("one-more", "1") "]}}");
	refuses(text.data, "more than 5000 nodes");

	buf_clear(&text);
	buf_char(&text, '[');
	for (i = 0; i < PROMETHEUS_VALUES_MAX; i++)
		buf_str(&text, "1,");
	buf_str(&text, "1]");
	refuses(text.data, "more than 400000 values");

	buf_clear(&text);
	while (text.len <= PROMETHEUS_MAX_BYTES)
		buf_str(&text, "                                                                ");
	assert_int_equal(prometheus_parse(text.data, text.len, &answer, &err), -1);
	assert_non_null(strstr(err.msg, "are more than"));
}

/* Cut anywhere it is refused, and nothing is left behind (the sanitizer's leak check). */
static void truncated_at_every_byte(void **state)
{
	static const char whole[] = ANSWER(SAMPLE("edge-1", "812.5") "," SAMPLE("edge-2", "NaN"));
	struct lm_err err;
	size_t len;

	(void)state;
	for (len = 0; len < sizeof(whole) - 1; len++)
		assert_int_equal(prometheus_parse(whole, len, &answer, &err), -1);
	takes(whole);
}

static void any_text_goes_into_a_url_and_comes_back(void **state)
{
	struct rng rng = rng_make(test_seed());
	int round;

	(void)state;
	for (round = 0; round < 2000; round++) {
		auto_buf struct buf escaped = {0};
		char text[41], back[41];
		uint32_t len = rng_below(&rng, sizeof(text)), i, at = 0;

		for (i = 0; i < len; i++)
			text[i] = (char)(1 + rng_below(&rng, 255));
		text[len] = '\0';
		buf_str(&escaped, "");
		url_escape(text, &escaped);
		for (i = 0; i < escaped.len; i++) {
			unsigned value = (unsigned char)escaped.data[i];

			if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.%", (int)value))
				fail_msg("byte %u in %s", value, escaped.data);
			if (value == '%') {
				assert_int_equal(sscanf(escaped.data + i + 1, "%2X", &value), 1);
				i += 2;
			}
			back[at++] = (char)value;
		}
		back[at] = '\0';
		assert_string_equal(back, text);
	}
}

/* --- a file ---------------------------------------------------------------------------------------------------------- */

static void list_refused(const char *text, const char *words)
{
	struct snapshot_entry entry;
	struct lm_err err;

	assert_int_equal(inflow_parse_list(text, strlen(text), &entry, &err), -1);
	assert_int_equal(err.code, LM_DATA);
	if (!strstr(err.msg, words))
		fail_msg("\"%s\" is not in \"%s\"", words, err.msg);
}

static void a_file_is_json_or_yaml(void **state)
{
	static const char *const texts[] = {"{\"edge-1\":3,\"edge-2\":0.5}", "edge-1: 3\nedge-2: 0.5\n"};
	struct snapshot_entry entry;
	struct lm_err err;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(texts); i++) {
		assert_int_equal(inflow_parse_list(texts[i], strlen(texts[i]), &entry, &err), 0);
		assert_int_equal(entry.nodes.count, 2);
		assert_true(entry.rate[names_find(&entry.nodes, "edge-1")] == 3 && entry.rate[names_find(&entry.nodes, "edge-2")] == 0.5);
		snapshot_entry_free(&entry);
	}
	list_refused("[1]", "an array");
	list_refused("{\"edge-1\":\"3\"}", "edge-1: a string");
	list_refused("{\"edge-1\":-1}", "edge-1: -1 is not in");
	list_refused("{\"edge-1\":1e14}", "edge-1: 1e+14 is not in");
	list_refused("{\"edge-1\":1,\"edge-1\":2}", "the second time");
	list_refused("{\"EDGE\":1}", "\"EDGE\" is not a valid node name");
	list_refused("{\"edge-1\":.nan}", "edge-1");
	list_refused("{\"edge-1\":", "line");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(a_vector_gives_a_rate_by_node, drop_answer),
		cmocka_unit_test_teardown(an_empty_vector_is_an_answer, drop_answer),
		cmocka_unit_test_teardown(samples_of_one_node_are_added_up, drop_answer),
		cmocka_unit_test_teardown(what_is_no_rate_of_a_node_is_left_out_and_counted, drop_answer),
		cmocka_unit_test_teardown(the_first_warning_is_kept, drop_answer),
		cmocka_unit_test_teardown(what_is_no_answer_is_refused_by_its_place, drop_answer),
		cmocka_unit_test_teardown(words_that_strtod_would_take_are_no_numbers, drop_answer),
		cmocka_unit_test_teardown(limits, drop_answer),
		cmocka_unit_test_teardown(truncated_at_every_byte, drop_answer),
		cmocka_unit_test(any_text_goes_into_a_url_and_comes_back),
		cmocka_unit_test(a_file_is_json_or_yaml),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
