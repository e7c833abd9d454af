/* yaml.h: the core schema, and everything that is refused. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/buf.h"
#include "lib/json.h"
#include "lib/mem.h"
#include "lib/yaml.h"
#include "tests/testing/testing.h"

static void the_same_tree_as_json(void **state)
{
	static const struct {
		const char *yaml, *json;
	} same[] = {
		{"", "{}"}, {"# only a comment\n", "{}"}, {"a: 1\nb: [x, 'y', \"z\"]\n", "{\"a\":1,\"b\":[\"x\",\"y\",\"z\"]}"},
		{"a:\n- b: ~\n  c: true\n- -1.5e3\n", "{\"a\":[{\"b\":null,\"c\":true},-1500]}"}, {"a: '1'\nb: \"true\"\nc: |\n  x\n  y\n", "{\"a\":\"1\",\"b\":\"true\",\"c\":\"x\\ny\\n\"}"},
		{"{\"a\": [1, 2, {\"b\": null}]}", "{\"a\":[1,2,{\"b\":null}]}"}, {"a: 1.2.3\nb: 10s\nc: 0x1f\nd: 0o17\ne: -x\nf: 1e\n", "{\"a\":\"1.2.3\",\"b\":\"10s\",\"c\":31,\"d\":15,\"e\":\"-x\",\"f\":\"1e\"}"},
		{"a: yes\nb: No\nc: on\n", "{\"a\":\"yes\",\"b\":\"No\",\"c\":\"on\"}"}, {"a:\nb: \n", "{\"a\":null,\"b\":null}"}, {"---\na: .5\n...\n", "{\"a\":0.5}"}, {"a: .inf\nb: .nan\n", "{\"a\":\".inf\",\"b\":\".nan\"}"},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(same); i++) {
		struct lm_err err = {0};
		auto_json cJSON *value = yaml_parse(same[i].yaml, strlen(same[i].yaml), &err);
		auto_json cJSON *wanted = json_parse(same[i].json, strlen(same[i].json), JSON_DEPTH, &err);
		auto_free char *text = value ? cJSON_PrintUnformatted(value) : xstrdup(err.msg);

		if (!cJSON_Compare(value, wanted, true))
			fail_msg("%s gave %s, not %s", same[i].yaml, text, same[i].json);
	}
}

static void what_is_refused_names_its_place(void **state)
{
	static const struct {
		const char *yaml, *message;
	} bad[] = {
		{"a: &x 1\nb: *x\n", "line 1, column 4: anchors are not accepted"}, {"a: *x\n", "line 1, column 4: aliases are not accepted"},
		{"a: !!str 1\n", "tags are not accepted"}, {"a: !x\n  b: 1\n", "tags are not accepted"}, {"<<: 1\n", "merge keys"}, {"? [a]\n: 1\n", "a key must be a string"},
		{"a: 1\nb: 2\na: 3\n", "line 3, column 1: a key for the second time"}, {"a: 1\n---\nb: 2\n", "line 2, column 1: a second document"},
		{"a: [1\n", "line 2, column 1"}, {"a: 'x\n", "unexpected end of stream"}, {"\ta: 1\n", "line 1, column 1"}, {"a: \"\\0\"\n", "a NUL"}, {"a: \xff\n", "line 1"},
		{"[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]", "too many levels"},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		struct lm_err err = {0};

		assert_null(yaml_parse(bad[i].yaml, strlen(bad[i].yaml), &err));
		if (!strstr(err.msg, bad[i].message) || err.code != LM_DATA)
			fail_msg("%s: got \"%s\"", bad[i].yaml, err.msg);
	}
}

static void size_and_count_are_limited(void **state)
{
	auto_buf struct buf b = {0};
	struct lm_err err = {0};
	int i;

	(void)state;
	for (i = 0; i < 100001; i++)
		buf_str(&b, "- 1\n");
	assert_null(yaml_parse(b.data, b.len, &err));
	assert_non_null(strstr(err.msg, "too many values"));
	for (i = 0; b.len <= 1 << 20; i++)
		buf_str(&b, "# more and more\n");
	assert_null(yaml_parse(b.data, b.len, &err));
	assert_non_null(strstr(err.msg, "more than the limit"));
}

/* CPU seconds of reading a mapping of so many keys; the best of three. */
static double keys_cost(int keys)
{
	auto_buf struct buf b = {0};
	double best = 1e9;
	int i;

	for (i = 0; i < keys; i++)
		buf_printf(&b, "k%x: \n", i);
	for (i = 0; i < 3; i++) {
		clock_t begin = clock();
		struct lm_err err = {0};
		auto_json cJSON *root = yaml_parse(b.data, b.len, &err);
		double cost = (double)(clock() - begin) / CLOCKS_PER_SEC;

		assert_int_equal(cJSON_GetArraySize(root), keys);
		best = cost < best ? cost : best;
	}
	return best;
}

/* A megabyte of keys once took a minute: each was compared with all before it. */
static void many_keys_cost_no_more_than_their_share(void **state)
{
	double few = keys_cost(4000), many = keys_cost(32000);

	(void)state;
	print_message("# 4,000 keys %.4f s, 32,000 keys %.4f s\n", few, many);
	assert_true(many < 24 * few);
}

static void a_file_is_named(void **state)
{
	auto_free char *path = xasprintf("%s/x.yaml", test_folder());
	struct lm_err err = {0};

	(void)state;
	assert_null(yaml_load(path, &err));
	assert_int_equal(err.code, LM_NOINPUT);
	test_write(path, "a: [\n");
	assert_null(yaml_load(path, &err));
	assert_non_null(strstr(err.msg, path));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_tree_as_json),
		cmocka_unit_test(what_is_refused_names_its_place),
		cmocka_unit_test(size_and_count_are_limited),
		cmocka_unit_test(many_keys_cost_no_more_than_their_share),
		cmocka_unit_test(a_file_is_named),
	};

	return cmocka_run_group_tests_name("yaml", tests, NULL, NULL);
}
