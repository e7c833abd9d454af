/* json.h: what is accepted, what is refused and where, on examples and on random documents. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/json.h"
#include "lib/mem.h"
#include "tests/testing/testing.h"

static cJSON *parse(const char *text, struct lm_err *err)
{
	*err = (struct lm_err){0};
	return json_parse(text, strlen(text), JSON_DEPTH, err);
}

static void accepts_what_rfc_8259_accepts(void **state)
{
	static const char *const good[] = {
		"{}", "[]", " \t\r\n[1] ", "null", "true", "false", "0", "-0", "12.5e-3", "1E+2", "\"\"", "\"\\u00e9\\ud83d\\ude00\"",
		"\"\xc3\xa9\xf0\x9f\x98\x80\"", "{\"a\":{\"b\":[{},[],\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]}}", "[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]",
		"{\"a\":1,\"A\":2}", "1e308", "123456789012345678901234567890",
	};
	struct lm_err err;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(good); i++) {
		auto_json cJSON *value = parse(good[i], &err);

		if (!value)
			fail_msg("%s: %s", good[i], err.msg);
	}
}

static void m7_refuses_what_cjson_lets_through(void **state)
{
	static const struct {
		const char *text, *message;
	} bad[] = {
		{"", "the text is empty"}, {" \n", "the text is empty"}, {"{} x", "line 1, column 4: something follows the JSON value"},
		{"{}{}", "something follows"}, {"\xef\xbb\xbf{}", "line 1, column 1: not a value"}, {"01", "bad number"}, {"-", "not a value"},
		{"1.", "digits after its point"}, {"1e", "digits after its e"}, {".5", "not a value"}, {"+1", "not a value"}, {"0x1", "something follows"},
		{"1e999", "too large"}, {"-1e999", "too large"}, {"NaN", "not a value"}, {"Infinity", "not a value"}, {"nul", "not a value"},
		{"\"a\nb\"", "control character"}, {"\"\x01\"", "control character"}, {"\"\xff\"", "not UTF-8"}, {"\"\xc0\xaf\"", "not UTF-8"},
		{"\"\xed\xa0\x80\"", "not UTF-8"}, {"\"\\ud800\"", "lone high surrogate"}, {"\"\\ud800\\u0041\"", "lone high surrogate"},
		{"\"\\udc00\"", "lone low surrogate"}, {"\"\\u0000\"", "\\u0000"}, {"\"\\x\"", "bad escape"}, {"\"\\u12g4\"", "four hexadecimal"},
		{"\"abc", "unfinished string"}, {"1234567890123456789012345678901234567890123456789012345678901234", "a number is too long"}, {"[1,]", "not a value"}, {"[1 2]", "`,` or `]` is wanted"}, {"{\"a\":1,}", "a key is wanted"},
		{"{a:1}", "a key is wanted"}, {"{\"a\" 1}", "`:` is wanted"}, {"{\"a\":}", "not a value"}, {"[", "ends too early"}, {"{\"a\":1", "ends too early"},
		{"[1}", "`,` or `]` is wanted"}, {"// c\n{}", "not a value"}, {"[\n1,\n x]", "line 3, column 2"},
		{"{\"a\":1,\"a\":2}", "duplicate key \"a\""}, {"{\"p\":{\"q\":[{\"z\":1,\"z\":1}]}}", "p: q: duplicate key \"z\""},
		{"[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]", "too many levels"},
	};
	struct lm_err err;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_null(parse(bad[i].text, &err));
		if (!strstr(err.msg, bad[i].message) || err.code != LM_DATA)
			fail_msg("%s: got \"%s\", want \"%s\"", bad[i].text, err.msg, bad[i].message);
	}
}

static void refuses_a_duplicate_among_many(void **state)
{
	auto_buf struct buf b = {0};
	struct lm_err err = {0};
	int i;

	(void)state;
	buf_char(&b, '{');
	for (i = 0; i < 1000; i++)
		buf_printf(&b, "\"k%d\":%d,", i, i);
	buf_str(&b, "\"k500\":0}");
	assert_null(json_parse(b.data, b.len, JSON_DEPTH, &err));
	assert_string_equal(err.msg, "duplicate key \"k500\"");
}

static void m8_deep_and_huge_end_early(void **state)
{
	auto_free char *deep = xmalloc(10001);
	struct lm_err err = {0};

	(void)state;
	memset(deep, '[', 10000);
	deep[10000] = '\0';
	assert_int_equal(json_check(deep, 10000, JSON_DEPTH, &err), -1);
	assert_non_null(strstr(err.msg, "column 17: too many levels"));
}

/* A random document, as text, and the same with random blanks. */
static void random_value(struct rng *r, int depth, struct buf *b)
{
	uint32_t i, n = rng_below(r, 4), kind = rng_below(r, depth > 5 ? 4 : 6);

	if (rng_chance(r, 0.3))
		buf_str(b, &" \n"[rng_below(r, 2)]);
	if (kind == 0)
		buf_printf(b, "%.*g", 1 + (int)rng_below(r, 17), (rng_unit(r) - 0.5) * pow(10, (double)rng_below(r, 20)));
	else if (kind == 1)
		buf_json_string(b, rng_chance(r, 0.5) ? "caf\xc3\xa9 \"quoted\"\n" : "plain");
	else if (kind < 4)
		buf_str(b, kind == 2 ? "null" : "true");
	else {
		buf_char(b, kind == 4 ? '[' : '{');
		for (i = 0; i < n; i++) {
			if (i)
				buf_char(b, ',');
			if (kind == 5)
				buf_printf(b, "\"key%u\":", i);
			random_value(r, depth + 1, b);
		}
		buf_char(b, kind == 4 ? ']' : '}');
	}
}

/* Whatever is cut off or flipped: never a crash, and what is accepted prints and parses to the same again. */
static void random_documents_survive_damage(void **state)
{
	struct rng r = rng_make(test_seed());
	int round;

	(void)state;
	for (round = 0; round < 3000; round++) {
		auto_buf struct buf b = {0};
		struct lm_err err = {0};
		auto_json cJSON *whole = NULL, *damaged = NULL;

		random_value(&r, 0, &b);
		whole = json_parse(b.data, b.len, JSON_DEPTH, &err);
		if (!whole)
			fail_msg("%s: %s", b.data, err.msg);
		b.data[rng_below(&r, (uint32_t)b.len)] ^= (char)(1 << rng_below(&r, 8));
		damaged = json_parse(b.data, rng_chance(&r, 0.5) ? b.len : rng_below(&r, (uint32_t)b.len + 1), JSON_DEPTH, &err);
		if (damaged) {
			auto_free char *printed = cJSON_PrintUnformatted(damaged);
			auto_json cJSON *again = json_parse(printed, strlen(printed), JSON_DEPTH, &err);

			assert_non_null(again);
		}
	}
}

/* --- text of the API ------------------------------------------------------------------------------------------------- */

static cJSON *parse_api(const char *text)
{
	struct lm_err err = {0};
	cJSON *root = json_parse_api(text, strlen(text), 0, &err);

	if (!root)
		fail_msg("%.200s: %s", text, err.msg);
	assert_int_equal(json_check_api(text, strlen(text), &err), 0);
	return root;
}

static void assert_becomes(const char *text, const char *wanted)
{
	auto_json cJSON *root = parse_api(text);
	auto_free char *printed = cJSON_PrintUnformatted(root);

	assert_string_equal(printed, wanted);
}

/* The API takes it in annotations, arguments and the like, of anybody. */
static void a_nul_is_replaced(void **state)
{
	(void)state;
	assert_becomes("[\"\\u0000\"]", "[\"\xef\xbf\xbd\"]");
	assert_becomes("{\"a\":\"b\\u0000c\\u0000\",\"d\":[\"\\u0000e\"]}", "{\"a\":\"b\xef\xbf\xbd" "c\xef\xbf\xbd\",\"d\":[\"\xef\xbf\xbd" "e\"]}");
	assert_becomes("[\"\\\\u0000\",\"\\\\\\u0000\",\"\\\\\\\\u0000\"]", "[\"\\\\u0000\",\"\\\\\xef\xbf\xbd\",\"\\\\\\\\u0000\"]");
	assert_becomes("{\"\\u0000k\":1}", "{\"\xef\xbf\xbdk\":1}");
}

static char *nested(const char *before, int levels, const char *after)
{
	struct buf b = {0};
	int i;

	buf_str(&b, before);
	for (i = 0; i < levels; i++)
		buf_str(&b, i % 2 ? "[" : "{\"f:x\":");
	buf_str(&b, "\"]}\\u0000\"");
	for (i = levels; i-- > 0;)
		buf_str(&b, i % 2 ? "]" : "}");
	buf_str(&b, after);
	return b.data;
}

static void managed_fields_are_cut_out(void **state)
{
	auto_free char *deep = nested("{\"metadata\":{\"managedFields\" : [", 5000, "],\"name\":\"web\"}}");
	auto_free char *elsewhere = nested("{\"spec\":[", 70, "]}");
	struct lm_err err = {0};

	(void)state;
	assert_becomes(deep, "{\"metadata\":{\"managedFields\":null,\"name\":\"web\"}}");
	assert_becomes("[{\"managedFields\":[],\"a\":{\"managedFields\":[{\"x\":1}]}},{\"managedFields\":[1,2]}]",
		       "[{\"managedFields\":null,\"a\":{\"managedFields\":null}},{\"managedFields\":null}]");
	/* a label or annotation of that name is kept, and so is what only looks so */
	assert_becomes("{\"labels\":{\"managedFields\":\"x\"},\"b\":\"\\\"managedFields\\\":[1]\",\"c\":[\"managedFields\",[2]]}",
		       "{\"labels\":{\"managedFields\":\"x\"},\"b\":\"\\\"managedFields\\\":[1]\",\"c\":[\"managedFields\",[2]]}");
	assert_becomes("{\"managedFields\":{\"x\":[1]}}", "{\"managedFields\":{\"x\":[1]}}");
	assert_null(json_parse_api(elsewhere, strlen(elsewhere), 0, &err));
	assert_non_null(strstr(err.msg, "too many levels"));
}

static void what_is_no_json_of_an_api_is_refused(void **state)
{
	static const char *const bad[] = {
		"", "{\"managedFields\":[", "{\"managedFields\":[\"x]}", "{\"managedFields\":[{]}", "{\"managedFields\":[]", "{\"managedFields\":[]]}",
		"{\"managedFields\":[\"\\ud800\"]}", "{\"managedFields\":[],\"managedFields\":[]}", "[\"\\u000\"]", "[\"\\u0000]", "[01]", "[1] x",
	};
	struct lm_err err;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		auto_json cJSON *root = json_parse_api(bad[i], strlen(bad[i]), 0, &err);

		if (root)
			fail_msg("taken: %s", bad[i]);
	}
}

static void values_are_counted(void **state)
{
	static const char text[] = "{\"a\":[1,2,[3]],\"managedFields\":[4,5,6,7,8,9]}";	/* {} [] 1 2 [] 3, and what is cut out as one */
	auto_json cJSON *seven = NULL;
	struct lm_err err = {0};

	(void)state;
	seven = json_parse_api(text, strlen(text), 7, &err);
	assert_non_null(seven);
	assert_null(json_parse_api(text, strlen(text), 6, &err));
	assert_string_equal(err.msg, "7 values: more than 6");
}

/* What holds neither comes out as from json_parse; with NULs and managedFields strewn in, as with what stands for them. */
static void random_documents_of_an_api(void **state)
{
	struct rng r = rng_make(test_seed());
	int round;

	(void)state;
	for (round = 0; round < 1000; round++) {
		auto_buf struct buf plain = {0}, fields = {0}, whole = {0}, wanted = {0};
		struct lm_err err = {0};
		auto_json cJSON *a = NULL, *b = NULL;

		random_value(&r, 0, &plain);
		do {
			fields.len = 0;
			random_value(&r, 0, &fields);
		} while (!fields.len || fields.data[strspn(fields.data, " \n")] != '[');
		buf_printf(&whole, "{\"v\":%s,\"managedFields\":%s,\"s\":\"x\\u0000\\\\u0000\",\"w\":%s}", plain.data, fields.data, plain.data);
		buf_printf(&wanted, "{\"v\":%s,\"managedFields\":null,\"s\":\"x\\ufffd\\\\u0000\",\"w\":%s}", plain.data, plain.data);
		a = json_parse_api(whole.data, whole.len, 0, &err);
		b = json_parse(wanted.data, wanted.len, JSON_DEPTH, &err);
		if (!a || !b || !cJSON_Compare(a, b, true))
			fail_msg("%s", whole.data);
		whole.data[rng_below(&r, (uint32_t)whole.len)] ^= (char)(1 << rng_below(&r, 8));
		cJSON_Delete(a);
		a = json_parse_api(whole.data, rng_below(&r, (uint32_t)whole.len + 1), 0, &err);	/* never a crash */
	}
}

static void members_are_typed_and_ranged(void **state)
{
	struct lm_err err = {0};
	auto_json cJSON *o = parse("{\"n\":7,\"f\":0.5,\"s\":\"x\",\"z\":null,\"a\":[],\"o\":{},\"b\":true}", &err);
	const cJSON *item = NULL;
	const char *text = NULL;
	double number = 0;
	int64_t whole = 0;
	bool flag = false;

	(void)state;
	assert_int_equal(json_want_i64(o, "n", 0, 10, &whole, &err), 0);
	assert_int_equal(whole, 7);
	assert_int_equal(json_want_i64(o, "n", 0, 6, &whole, &err), -1);
	assert_string_equal(err.msg, "n: 7 is not in 0..6");
	assert_int_equal(json_want_i64(o, "f", 0, 6, &whole, &err), -1);
	assert_string_equal(err.msg, "f: 0.5 is not a whole number");
	assert_int_equal(json_want_string(o, "n", &text, &err), -1);
	assert_string_equal(err.msg, "n: is a number, not a string");
	assert_int_equal(json_want_string(o, "z", &text, &err), -1);
	assert_string_equal(err.msg, "z: is null");
	assert_int_equal(json_want_string(o, "S", &text, &err), -1);
	assert_string_equal(err.msg, "S: is missing");
	assert_int_equal(json_may_string(o, "z", &text, &err), 0);
	assert_int_equal(json_may_string(o, "s", &text, &err), 1);
	assert_string_equal(text, "x");
	assert_int_equal(json_want_number_or_null(o, "z", 0, 1, &number, &err), 0);
	assert_true(isnan(number));
	assert_int_equal(json_may_bool(o, "b", &flag, &err), 1);
	assert_true(flag);
	assert_int_equal(json_want_array(o, "a", &item, &err), 0);
	assert_int_equal(json_want_object(o, "o", &item, &err), 0);
	assert_int_equal(json_want_object(o, "a", &item, &err), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts_what_rfc_8259_accepts),
		cmocka_unit_test(m7_refuses_what_cjson_lets_through),
		cmocka_unit_test(refuses_a_duplicate_among_many),
		cmocka_unit_test(m8_deep_and_huge_end_early),
		cmocka_unit_test(random_documents_survive_damage),
		cmocka_unit_test(members_are_typed_and_ranged),
		cmocka_unit_test(a_nul_is_replaced),
		cmocka_unit_test(managed_fields_are_cut_out),
		cmocka_unit_test(what_is_no_json_of_an_api_is_refused),
		cmocka_unit_test(values_are_counted),
		cmocka_unit_test(random_documents_of_an_api),
	};

	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
