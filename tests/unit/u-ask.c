/* What a pod asks for: the grammar, and bad labels and annotations with the words that the user gets. */
#include "tests/testing/testing.h"

#include <math.h>
#include <string.h>

#include "lib/json.h"
#include "lib/mem.h"
#include "sched/ask.h"

static struct ask ask;

static int cleanup(void **state)
{
	(void)state;
	ask_free(&ask);
	return 0;
}

/* Members of a JSON object, "" for none. */
static void parse(const char *labels, const char *annotations)
{
	struct lm_err err;
	auto_free char *l = xasprintf("{%s}", labels), *a = xasprintf("{%s}", annotations);
	auto_json cJSON *label_tree = json_parse(l, strlen(l), JSON_DEPTH_API, &err);
	auto_json cJSON *annotation_tree = json_parse(a, strlen(a), JSON_DEPTH_API, &err);

	assert_non_null(label_tree);
	assert_non_null(annotation_tree);
	ask_free(&ask);
	ask_parse(label_tree, annotation_tree, &ask);
}

static void near(const char *list)
{
	auto_free char *member = xasprintf("\"" ASK_NEAR "\":\"%s\"", list);

	parse("", member);
}

static void within(const char *list)
{
	auto_free char *member = xasprintf("\"" ASK_WITHIN "\":\"%s\"", list);

	parse("", member);
}

static void assert_good(void)
{
	if (ask.error)
		fail_msg("%s", ask.error);
}

static void assert_bad(const char *text)
{
	assert_non_null(ask.error);
	assert_string_equal(ask.error, text);
	assert_int_equal(ask.near_count + ask.within_count, 0);
	assert_false(ask.allow_missing);
}

/* --- good ------------------------------------------------------------------------------------------------------------- */

static void nothing_is_asked(void **state)
{
	(void)state;
	parse("\"app\":\"web\",\"delays\":\"7\"", "\"other/near\":\"app=redis\"");
	assert_good();
	assert_int_equal(ask.near_count + ask.within_count, 0);
	ask_parse(NULL, NULL, &ask);
	assert_good();
}

static void near_with_weights(void **state)
{
	(void)state;
	near("app=redis*3, client/milan");
	assert_good();
	assert_int_equal(ask.near_count, 2);
	assert_int_equal(ask.near[0].target.kind, TARGET_SELECTOR);
	assert_string_equal(ask.near[0].target.key, "app");
	assert_string_equal(ask.near[0].target.value, "redis");
	assert_null(ask.near[0].target.namespace_);
	assert_string_equal(ask.near[0].text, "app=redis");
	assert_true(ask.near[0].weight == 3);
	assert_true(isnan(ask.near[0].limit_us));
	assert_int_equal(ask.near[1].target.kind, TARGET_CLIENT);
	assert_string_equal(ask.near[1].target.name, "milan");
	assert_true(ask.near[1].weight == 1);
}

static void every_target(void **state)
{
	static const enum target_kind kinds[] = {TARGET_NODE, TARGET_ZONE, TARGET_CLIENT, TARGET_MESH, TARGET_SELECTOR, TARGET_SELECTOR,
						 TARGET_SELECTOR, TARGET_SELECTOR};
	size_t i;

	(void)state;
	near("node/edge-1,zone/eu-west-1a,client/milan,mesh,prod:app=redis,app.kubernetes.io/name=redis,any:db:app=cache,node/x=y");
	assert_good();
	assert_int_equal(ask.near_count, ARRAY_SIZE(kinds));
	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		assert_int_equal(ask.near[i].target.kind, kinds[i]);
	assert_string_equal(ask.near[4].target.namespace_, "prod");
	assert_string_equal(ask.near[5].target.key, "app.kubernetes.io/name");
	assert_true(ask.near[6].target.any);
	assert_string_equal(ask.near[6].target.namespace_, "db");
	assert_string_equal(ask.near[7].target.key, "node/x");	/* "=" makes it a selector */
}

static void within_with_units(void **state)
{
	(void)state;
	within("app=redis<=2ms, any:app=cache <= 0.5 ms ,node/a<=700us,mesh<=1s");
	assert_good();
	assert_int_equal(ask.within_count, 4);
	assert_true(ask.within[0].limit_us == 2000);
	assert_true(ask.within[1].limit_us == 500);
	assert_true(ask.within[1].target.any);
	assert_string_equal(ask.within[1].text, "any:app=cache");
	assert_true(ask.within[2].limit_us == 700);
	assert_true(ask.within[3].limit_us == 1e6);
	assert_false(ask.allow_missing);
}

static void spaces_are_ignored(void **state)
{
	(void)state;
	near("  any: app = redis * 3 ,\\n\\tprod : app=x\\n");
	assert_good();
	assert_int_equal(ask.near_count, 2);
	assert_true(ask.near[0].target.any);
	assert_string_equal(ask.near[0].target.value, "redis");
	assert_true(ask.near[0].weight == 3);
	assert_string_equal(ask.near[1].target.namespace_, "prod");
}

static void any_and_all_of_one_target_are_no_duplicates(void **state)
{
	(void)state;
	within("app=redis<=5ms,any:app=redis<=1ms");
	assert_good();
}

static void delay_labels_all_count(void **state)
{
	(void)state;
	parse("\"delay_edge-1\":\"25\",\"app\":\"x\",\"delay_redis\":\"0.5\"", "");
	assert_good();
	assert_int_equal(ask.within_count, 2);
	assert_int_equal(ask.within[0].target.kind, TARGET_FROM);
	assert_string_equal(ask.within[0].target.name, "edge-1");
	assert_string_equal(ask.within[0].text, "delay_edge-1");
	assert_true(ask.within[0].limit_us == 25000);
	assert_true(ask.within[1].limit_us == 500);
	assert_true(ask.within[1].weight == 1);
}

static void missing_allow_and_deny(void **state)
{
	(void)state;
	parse("", "\"" ASK_MISSING "\":\" allow \"");
	assert_good();
	assert_true(ask.allow_missing);
	parse("", "\"" ASK_MISSING "\":\"deny\"");
	assert_good();
	assert_false(ask.allow_missing);
}

static void hard_and_soft_max_latency(void **state)
{
	(void)state;
	parse("", "\"hard_max_latency\":\"40\",\"soft_max_latency\":\"30\"");
	assert_good();
	assert_int_equal(ask.within_count, 1);
	assert_int_equal(ask.within[0].target.kind, TARGET_DEFAULT_CLIENTS);
	assert_true(ask.within[0].target.any);
	assert_true(ask.within[0].limit_us == 40000);
	assert_int_equal(ask.near_count, 1);
	assert_true(ask.near[0].enough_us == 30000);
}

static void default_near_of_the_configuration(void **state)
{
	struct lm_err err;

	(void)state;
	assert_int_equal(ask_parse_near("defaultNear", "client/milan, mesh*0.5", &ask, &err), 0);
	assert_int_equal(ask.near_count, 2);
	ask_free(&ask);
	assert_int_equal(ask_parse_near("defaultNear", "any:entry, entry*0.5", &ask, &err), 0);
	assert_true(ask.near_count == 2 && ask.near[0].target.kind == TARGET_ENTRY && ask.near[0].target.any && !ask.near[1].target.any);
	ask_free(&ask);
	assert_int_equal(ask_parse_near("defaultNear", "entry,entry", &ask, &err), -1);
	assert_int_equal(err.code, LM_CONFIG);
	assert_string_equal(err.msg, "defaultNear, item 2 \"entry\": the target stands there twice (item 1 too)");
}

/* --- bad: 20 and some, each with its message --------------------------------------------------------------------------- */

#define BAD(name, call, text)											\
	static void name(void **state)										\
	{													\
		(void)state;											\
		call;												\
		assert_bad(text);										\
	}

BAD(bad_01_near_is_empty, near("  "), "annotation latency-mesh.io/near \"\": it is empty")
BAD(bad_02_item_is_empty, near("app=redis,,mesh"), "annotation latency-mesh.io/near, item 2 \"\": the item is empty")
BAD(bad_03_comma_at_the_end, near("app=redis,"), "annotation latency-mesh.io/near, item 2 \"\": the item is empty")
BAD(bad_04_bare_word, near("redis"),
    "annotation latency-mesh.io/near, item 1 \"redis\": `redis` is no target (node/NAME, zone/NAME, client/NAME, entry, mesh, KEY=VALUE, "
    "NAMESPACE:KEY=VALUE)")
BAD(bad_05_unknown_kind, near("rack/r1"),
    "annotation latency-mesh.io/near, item 1 \"rack/r1\": `rack/r1` is no target (node/NAME, zone/NAME, client/NAME, entry, mesh, KEY=VALUE, "
    "NAMESPACE:KEY=VALUE)")
BAD(bad_06_weight_zero, near("mesh,app=redis*0"),
    "annotation latency-mesh.io/near, item 2 \"app=redis*0\": the weight `0` is not in (0,1000]")
BAD(bad_07_weight_too_large, near("app=redis*1000.5"),
    "annotation latency-mesh.io/near, item 1 \"app=redis*1000.5\": the weight `1000.5` is not in (0,1000]")
BAD(bad_08_weight_is_no_decimal, near("app=redis*1e3"),
    "annotation latency-mesh.io/near, item 1 \"app=redis*1e3\": the weight `1e3` is not in (0,1000]")
BAD(bad_09_duplicate, near("app=redis*2,mesh,app = redis"),
    "annotation latency-mesh.io/near, item 3 \"app = redis\": the target stands there twice (item 1 too)")
BAD(bad_10_seventeen_items, near("node/a,node/b,node/c,node/d,node/e,node/f,node/g,node/h,node/i,node/j,node/k,node/l,node/m,node/n,node/o,"
				 "node/p,node/q"), "annotation latency-mesh.io/near has more than 16 items")
BAD(bad_11_limit_in_near, near("app=redis<=2ms"),
    "annotation latency-mesh.io/near, item 1 \"app=redis<=2ms\": a limit belongs into the annotation latency-mesh.io/within")
BAD(bad_12_weight_in_within, within("app=redis*2<=2ms"),
    "annotation latency-mesh.io/within, item 1 \"app=redis*2<=2ms\": a weight belongs into the annotation latency-mesh.io/near")
BAD(bad_13_no_limit, within("app=redis"),
    "annotation latency-mesh.io/within, item 1 \"app=redis\": the limit is missing (write TARGET<=2ms)")
BAD(bad_14_limit_without_unit, within("app=redis<=2"),
    "annotation latency-mesh.io/within, item 1 \"app=redis<=2\": `2` is no limit (a decimal with us, ms or s: 2ms, 0.5ms)")
BAD(bad_15_negative_limit, within("app=redis<=-1ms"),
    "annotation latency-mesh.io/within, item 1 \"app=redis<=-1ms\": `-1ms` is no limit (a decimal with us, ms or s: 2ms, 0.5ms)")
BAD(bad_16_no_value, near("app="), "annotation latency-mesh.io/near, item 1 \"app=\": `` is no label value")
BAD(bad_17_space_inside_a_name, near("app=red is"), "annotation latency-mesh.io/near, item 1 \"app=red is\": `red is` is no label value")
BAD(bad_18_bad_namespace, near("Prod:app=redis"), "annotation latency-mesh.io/near, item 1 \"Prod:app=redis\": `Prod` is no namespace")
BAD(bad_19_bad_node_name, near("node/Edge_1"), "annotation latency-mesh.io/near, item 1 \"node/Edge_1\": `Edge_1` is no name of a node")
BAD(bad_20_entry_has_no_name, near("app=redis,entry/edge-1"),
    "annotation latency-mesh.io/near, item 2 \"entry/edge-1\": `entry/edge-1` is no target (node/NAME, zone/NAME, client/NAME, entry, mesh, "
    "KEY=VALUE, NAMESPACE:KEY=VALUE)")
BAD(bad_21_missing_is_neither, parse("", "\"" ASK_MISSING "\":\"Allow\""),
    "annotation latency-mesh.io/missing \"Allow\": it is neither allow nor deny")
BAD(bad_22_hard_max_is_no_number, parse("", "\"hard_max_latency\":\"40ms\""),
    "annotation hard_max_latency \"40ms\": it is no decimal number of milliseconds (examples: 25, 0.5)")
BAD(bad_23_soft_max_is_no_string, parse("", "\"soft_max_latency\":40"), "annotation soft_max_latency is not a string")
BAD(bad_24_delay_without_from, parse("\"delay_\":\"25\"", ""), "label delay_ \"25\": nothing follows `delay_`")
BAD(bad_25_delay_is_no_number, parse("\"delay_redis\":\"fast\"", ""),
    "label delay_redis \"fast\": it is no decimal number of milliseconds (examples: 25, 0.5)")
BAD(bad_26_delay_with_unit, parse("\"delay_redis\":\"25ms\"", ""),
    "label delay_redis \"25ms\": it is no decimal number of milliseconds (examples: 25, 0.5)")
BAD(bad_27_delay_is_empty, parse("\"delay_redis\":\"\"", ""),
    "label delay_redis \"\": it is no decimal number of milliseconds (examples: 25, 0.5)")
BAD(bad_28_delay_negative, parse("\"delay_redis\":\"-5\"", ""),
    "label delay_redis \"-5\": it is no decimal number of milliseconds (examples: 25, 0.5)")
BAD(bad_29_from_too_long, parse("\"delay_a12345678901234567890123456789012345678901234567890123456x7\":\"5\"", ""),
    "label delay_a12345678901234567890123456789012345678901234567890123456x7 \"5\": the name is longer than 57 characters: use the annotation "
    "latency-mesh.io/within")
BAD(bad_30_any_of_nothing, near("any:"), "annotation latency-mesh.io/near, item 1 \"any:\": the target is missing")
BAD(bad_31_double_equals, near("app==redis"), "annotation latency-mesh.io/near, item 1 \"app==redis\": `=redis` is no label value")
BAD(bad_32_list_is_no_string, parse("", "\"" ASK_NEAR "\":[\"app=redis\"]"), "annotation latency-mesh.io/near is not a string")
BAD(bad_33_control_characters, near("app=\\u0001\\u007f"), "annotation latency-mesh.io/near, item 1 \"app=??\": `??` is no label value")

static void bad_34_more_than_4_kib(void **state)
{
	char list[ASK_MAX_BYTES + 2];

	(void)state;
	memset(list, ' ', sizeof(list) - 1);
	memcpy(list, "mesh", 4);
	list[sizeof(list) - 1] = '\0';
	near(list);
	assert_bad("annotation latency-mesh.io/near has 4097 bytes, more than 4096");
	list[ASK_MAX_BYTES] = '\0';
	near(list);
	assert_good();
}

/* One bad thing spoils all: half of a request would be another request. */
static void bad_35_nothing_of_a_bad_request_is_used(void **state)
{
	(void)state;
	parse("\"delay_a\":\"x\"", "\"" ASK_NEAR "\":\"mesh\",\"" ASK_MISSING "\":\"allow\"");
	assert_bad("label delay_a \"x\": it is no decimal number of milliseconds (examples: 25, 0.5)");
}

static void a_long_item_is_cut_in_the_message(void **state)
{
	char list[400];

	(void)state;
	memset(list, 'x', sizeof(list) - 1);
	list[sizeof(list) - 1] = '\0';
	near(list);
	assert_non_null(ask.error);
	assert_true(strlen(ask.error) < 400);
	assert_non_null(strstr(ask.error, "xxx...\": "));
}

/* Events are JSON: half a character would make the message no UTF-8. */
static void a_message_never_holds_half_a_character(void **state)
{
	char list[600];
	size_t shift, i;

	(void)state;
	for (shift = 0; shift < 3; shift++) {
		memset(list, 'x', shift);
		for (i = 0; i < 120; i++)
			memcpy(list + shift + 3 * i, "\xe2\x82\xac", 3);
		list[shift + 360] = '\0';
		near(list);
		assert_non_null(ask.error);
		for (i = 0; ask.error[i]; i++)
			if (ask.error[i] == '\xe2')
				assert_true(ask.error[i + 1] == '\x82' && ask.error[i + 2] == '\xac');
	}
}

/* --- properties -------------------------------------------------------------------------------------------------------- */

/* Random text of the grammar's own letters: it parses or it is refused with words, never both, never a crash. */
static void random_lists_are_taken_or_refused(void **state)
{
	static const char *const pieces[] = {"any:", "app", "=", "redis", "*", "3", "<=", "2ms", ",", " ", "node/", "a", "mesh", "client/", ":", "0.5",
					     "us", "entry", "/", "."};
	struct rng r = rng_make(test_seed());
	int round;

	(void)state;
	for (round = 0; round < 20000; round++) {
		char list[256] = "";
		uint32_t count = 1 + rng_below(&r, 12);

		while (count--)
			strcat(list, pieces[rng_below(&r, ARRAY_SIZE(pieces))]);
		if (rng_chance(&r, 0.5))
			near(list);
		else
			within(list);
		assert_true(ask.error ? ask.near_count + ask.within_count == 0 : ask.near_count + ask.within_count > 0);
		assert_true(!ask.error || ask.error[0]);
	}
}

int main(void)
{
#define T(name) cmocka_unit_test_teardown(name, cleanup)
	const struct CMUnitTest tests[] = {
		T(nothing_is_asked), T(near_with_weights), T(every_target), T(within_with_units), T(spaces_are_ignored),
		T(any_and_all_of_one_target_are_no_duplicates), T(delay_labels_all_count), T(missing_allow_and_deny),
		T(hard_and_soft_max_latency), T(default_near_of_the_configuration),
		T(bad_01_near_is_empty), T(bad_02_item_is_empty), T(bad_03_comma_at_the_end), T(bad_04_bare_word), T(bad_05_unknown_kind),
		T(bad_06_weight_zero), T(bad_07_weight_too_large), T(bad_08_weight_is_no_decimal), T(bad_09_duplicate),
		T(bad_10_seventeen_items), T(bad_11_limit_in_near), T(bad_12_weight_in_within), T(bad_13_no_limit),
		T(bad_14_limit_without_unit), T(bad_15_negative_limit), T(bad_16_no_value), T(bad_17_space_inside_a_name),
		T(bad_18_bad_namespace), T(bad_19_bad_node_name), T(bad_20_entry_has_no_name), T(bad_21_missing_is_neither),
		T(bad_22_hard_max_is_no_number), T(bad_23_soft_max_is_no_string), T(bad_24_delay_without_from), T(bad_25_delay_is_no_number),
		T(bad_26_delay_with_unit), T(bad_27_delay_is_empty), T(bad_28_delay_negative), T(bad_29_from_too_long),
		T(bad_30_any_of_nothing), T(bad_31_double_equals), T(bad_32_list_is_no_string), T(bad_33_control_characters),
		T(bad_34_more_than_4_kib), T(bad_35_nothing_of_a_bad_request_is_used), T(a_long_item_is_cut_in_the_message),
		T(a_message_never_holds_half_a_character),
		T(random_lists_are_taken_or_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
