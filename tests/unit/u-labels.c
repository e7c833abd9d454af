#include "tests/unit/objects.h"

#include "sched/cache/labels.h"

static bool selects(const char *selector_text, const char *labels_text)
{
	cJSON *a = object_of(selector_text), *b = object_of(labels_text);
	struct selector selector;
	struct labels labels;
	bool matches;

	selector_parse(a, &selector);
	labels_parse(b, &labels);
	matches = selector_matches(&selector, &labels);
	selector_free(&selector);
	labels_free(&labels);
	cJSON_Delete(a);
	cJSON_Delete(b);
	return matches;
}

/* `terms`: the list of nodeSelectorTerms. The node is called "edge-1". */
static bool node_selects(const char *terms, const char *labels_text)
{
	auto_free char *text = xasprintf("{'nodeSelectorTerms':%s}", terms);
	cJSON *a = object_of(text), *b = object_of(labels_text);
	struct node_selector selector;
	struct labels labels;
	bool matches;

	node_selector_parse(a, &selector);
	labels_parse(b, &labels);
	matches = node_selector_matches(&selector, &labels, "edge-1");
	node_selector_free(&selector);
	labels_free(&labels);
	cJSON_Delete(a);
	cJSON_Delete(b);
	return matches;
}

struct example {
	const char *selector, *labels;
	bool matches;
};

static void labels_are_sorted_and_found(void **state)
{
	cJSON *object = object_of("{'b':'2','a':'1','z':7,'c':'','aa':'x'}");
	struct labels labels;

	(void)state;
	labels_parse(object, &labels);
	assert_int_equal(labels.count, 4);
	assert_string_equal(labels_get(&labels, "a"), "1");
	assert_string_equal(labels_get(&labels, "aa"), "x");
	assert_string_equal(labels_get(&labels, "b"), "2");
	assert_string_equal(labels_get(&labels, "c"), "");
	assert_null(labels_get(&labels, "z"));
	assert_null(labels_get(&labels, ""));
	labels_free(&labels);
	labels_parse(NULL, &labels);
	assert_null(labels_get(&labels, "a"));
	labels_free(&labels);
	cJSON_Delete(object);
}

static void a_set_finds_each_of_its_keys(void **state)
{
	struct rng rng = rng_make(test_seed());
	int round;

	(void)state;
	for (round = 0; round < 200; round++) {
		uint32_t count = rng_below(&rng, 40), i;
		cJSON *object = cJSON_CreateObject();
		bool there[100] = {false};
		struct labels labels;
		char key[8];

		for (i = 0; i < count; i++) {
			uint32_t k = rng_below(&rng, 100);

			snprintf(key, sizeof(key), "k%u", k);
			if (!there[k])
				cJSON_AddStringToObject(object, key, key);
			there[k] = true;
		}
		labels_parse(object, &labels);
		for (i = 0; i < 100; i++) {
			snprintf(key, sizeof(key), "k%u", i);
			assert_int_equal(labels_get(&labels, key) != NULL, there[i]);
		}
		labels_free(&labels);
		cJSON_Delete(object);
	}
}

static void label_selectors(void **state)
{
	static const struct example examples[] = {
		{"null", "{'a':'1'}", false},
		{"{}", "{'a':'1'}", true},
		{"{}", "{}", true},
		{"{'matchLabels':{'a':'1'}}", "{'a':'1','b':'2'}", true},
		{"{'matchLabels':{'a':'1','b':'3'}}", "{'a':'1','b':'2'}", false},
		{"{'matchLabels':{'a':''}}", "{}", false},
		{"{'matchLabels':{'a':''}}", "{'a':''}", true},
		{"{'matchExpressions':[{'key':'a','operator':'In','values':['1','2']}]}", "{'a':'2'}", true},
		{"{'matchExpressions':[{'key':'a','operator':'In','values':['1','2']}]}", "{'a':'3'}", false},
		{"{'matchExpressions':[{'key':'a','operator':'In','values':['1']}]}", "{}", false},
		{"{'matchExpressions':[{'key':'a','operator':'NotIn','values':['1']}]}", "{}", true},
		{"{'matchExpressions':[{'key':'a','operator':'NotIn','values':['1']}]}", "{'a':'1'}", false},
		{"{'matchExpressions':[{'key':'a','operator':'Exists'}]}", "{'a':''}", true},
		{"{'matchExpressions':[{'key':'a','operator':'Exists'}]}", "{'b':''}", false},
		{"{'matchExpressions':[{'key':'a','operator':'DoesNotExist'}]}", "{'b':''}", true},
		{"{'matchExpressions':[{'key':'a','operator':'DoesNotExist'}]}", "{'a':''}", false},
		{"{'matchExpressions':[{'key':'a','operator':'Exists'},{'key':'b','operator':'Exists'}]}", "{'a':''}", false},
		{"{'matchLabels':{'a':'1'},'matchExpressions':[{'key':'b','operator':'DoesNotExist'}]}", "{'a':'1'}", true},
		{"{'matchExpressions':[{'key':'a','operator':'Gt','values':['1']}]}", "{'a':'2'}", false},	/* nodes only */
		{"{'matchExpressions':[{'key':'a','operator':'Like','values':['1']}]}", "{'a':'1'}", false},
		{"{'matchExpressions':[{'key':'a','operator':'In'}]}", "{'a':'1'}", false},
		{"{'matchExpressions':[{'key':'a','operator':'NotIn','values':[]}]}", "{}", false},
		{"{'matchExpressions':[{'key':'a','operator':'Exists','values':['1']}]}", "{'a':'1'}", false},
	};
	unsigned i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(examples); i++)
		if (selects(examples[i].selector, examples[i].labels) != examples[i].matches)
			fail_msg("%s on %s", examples[i].selector, examples[i].labels);
}

static void node_selector_terms(void **state)
{
	static const struct example examples[] = {
		{"[]", "{}", false},
		{"[{}]", "{'a':'1'}", false},							/* an empty term matches nothing */
		{"[{'matchExpressions':[],'matchFields':[]}]", "{'a':'1'}", false},
		{"[{},{'matchExpressions':[{'key':'a','operator':'Exists'}]}]", "{'a':'1'}", true},
		{"[{'matchExpressions':[{'key':'a','operator':'In','values':['1']}]},"
		 "{'matchExpressions':[{'key':'b','operator':'In','values':['2']}]}]", "{'b':'2'}", true},	/* terms: or */
		{"[{'matchExpressions':[{'key':'a','operator':'In','values':['1']},"
		 "{'key':'b','operator':'In','values':['2']}]}]", "{'b':'2'}", false},				/* expressions: and */
		{"[{'matchExpressions':[{'key':'a','operator':'NotIn','values':['1']}]}]", "{}", true},
		{"[{'matchExpressions':[{'key':'a','operator':'Gt','values':['5']}]}]", "{'a':'6'}", true},
		{"[{'matchExpressions':[{'key':'a','operator':'Gt','values':['5']}]}]", "{'a':'5'}", false},
		{"[{'matchExpressions':[{'key':'a','operator':'Gt','values':['5']}]}]", "{'a':'10'}", true},	/* as numbers */
		{"[{'matchExpressions':[{'key':'a','operator':'Lt','values':['5']}]}]", "{'a':'-1'}", true},
		{"[{'matchExpressions':[{'key':'a','operator':'Lt','values':['5']}]}]", "{'a':'5'}", false},
		{"[{'matchExpressions':[{'key':'a','operator':'Lt','values':['5']}]}]", "{}", false},
		{"[{'matchExpressions':[{'key':'a','operator':'Lt','values':['5']}]}]", "{'a':'3x'}", false},
		{"[{'matchExpressions':[{'key':'a','operator':'Lt','values':['5']}]}]", "{'a':' 3'}", false},
		{"[{'matchExpressions':[{'key':'a','operator':'Lt','values':['5']}]}]", "{'a':'1.5'}", false},
		{"[{'matchExpressions':[{'key':'a','operator':'Lt','values':['5']}]}]", "{'a':'-99999999999999999999'}", false},
		{"[{'matchExpressions':[{'key':'a','operator':'Lt','values':['x']}]}]", "{'a':'3'}", false},
		{"[{'matchExpressions':[{'key':'a','operator':'Gt','values':['1','2']}]}]", "{'a':'3'}", false},
		{"[{'matchExpressions':[{'key':'a','operator':'NotIn','values':['no label!']}]}]", "{}", false}, /* a bad term is skipped */
		{"[{'matchExpressions':[{'key':'a','operator':'What'}]},"
		 "{'matchExpressions':[{'key':'a','operator':'Exists'}]}]", "{'a':'1'}", true},
		{"[{'matchFields':[{'key':'metadata.name','operator':'In','values':['edge-1']}]}]", "{}", true},
		{"[{'matchFields':[{'key':'metadata.name','operator':'In','values':['edge-2']}]}]", "{}", false},
		{"[{'matchFields':[{'key':'metadata.name','operator':'NotIn','values':['edge-2']}]}]", "{}", true},
		{"[{'matchFields':[{'key':'metadata.name','operator':'NotIn','values':['edge-1']}]}]", "{}", false},
		{"[{'matchFields':[{'key':'metadata.name','operator':'In','values':['edge-1','edge-2']}]}]", "{}", false},
		{"[{'matchFields':[{'key':'metadata.uid','operator':'NotIn','values':['x']}]}]", "{}", false},
		{"[{'matchFields':[{'key':'metadata.name','operator':'Exists'}]}]", "{}", false},
		{"[{'matchFields':[{'key':'metadata.name','operator':'In','values':['edge-1']}],"
		 "'matchExpressions':[{'key':'a','operator':'Exists'}]}]", "{}", false},
	};
	unsigned i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(examples); i++)
		if (node_selects(examples[i].selector, examples[i].labels) != examples[i].matches)
			fail_msg("%s on %s", examples[i].selector, examples[i].labels);
}

static void an_absent_node_selector_matches_all(void **state)
{
	const struct labels none = {0};
	struct node_selector selector;

	(void)state;
	node_selector_parse(NULL, &selector);
	assert_true(node_selector_matches(&selector, &none, "edge-1"));
	node_selector_free(&selector);
}

static void in_and_not_in_are_opposites(void **state)
{
	struct rng rng = rng_make(test_seed());
	int round;

	(void)state;
	for (round = 0; round < 500; round++) {
		static const char form[] = "{'matchExpressions':[{'key':'a','operator':'%s','values':['v%u','v%u']}]}";
		uint32_t x = rng_below(&rng, 4), y = rng_below(&rng, 4), have = rng_below(&rng, 5);
		auto_free char *in = xasprintf(form, "In", x, y), *not_in = xasprintf(form, "NotIn", x, y);
		auto_free char *labels = have == 4 ? xstrdup("{}") : xasprintf("{'a':'v%u'}", have);

		assert_int_equal(selects(in, labels), have == x || have == y);
		assert_int_not_equal(selects(in, labels), selects(not_in, labels));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(labels_are_sorted_and_found),
		cmocka_unit_test(a_set_finds_each_of_its_keys),
		cmocka_unit_test(label_selectors),
		cmocka_unit_test(node_selector_terms),
		cmocka_unit_test(an_absent_node_selector_matches_all),
		cmocka_unit_test(in_and_not_in_are_opposites),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
