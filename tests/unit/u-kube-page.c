#include "lib/kube/page.c"

#include <stdio.h>
#include <stdlib.h>

#include "lib/buf.h"
#include "tests/testing/testing.h"

#define META "\"metadata\":{\"resourceVersion\":\"7\"}"

/* The names of the items, each with a blank. */
static int names_of(const char *text, char *names, size_t size, struct lm_err *err)
{
	__attribute__((cleanup(page_close))) struct page page = {0};
	size_t used = 0;
	int found;

	names[0] = '\0';
	if (page_open(&page, text, strlen(text), err) < 0)
		return -1;
	for (;;) {
		auto_json cJSON *item = NULL;
		const char *name = "?";

		found = page_next(&page, &item, err);
		if (found <= 0)
			return found;
		json_may_string(item, "name", &name, err);
		used += (size_t)snprintf(names + used, size - used, "%s ", name);
	}
}

static void pages_that_are_fine(void **state)
{
	static const struct {
		const char *text, *names;
	} fine[] = {
		{"{\"kind\":\"PodList\"," META ",\"items\":[]}", ""},
		{"{\"kind\":\"PodList\"," META ",\"items\":null}", ""},
		{" { \"items\" : null , \"kind\":\"NodeList\", " META " }\n", ""},
		{"{\"items\":[{\"name\":\"a\"}],\"kind\":\"NodeList\"," META "}", "a "},
		{"{\"kind\":\"NodeList\"," META ",\"items\": [ {\"name\":\"a\"} ,\n{\"x\":[1,{\"items\":[]}],\"name\":\"b]}\\\"\"} ] , \"more\":{\"kind\":\"x\"}}",
		 "a b]}\" "},
		{"{\"a\":1,\"b\":-1.5e3 ,\"c\":true,\"d\":\"]\",\"kind\":\"L\\u0069st\",\"kind2\":\"x\",\"e\":[[]]," META ",\"items\":[]}", NULL},
	};
	char names[256];
	struct lm_err err;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(fine); i++) {
		int result = names_of(fine[i].text, names, sizeof(names), &err);

		if (!fine[i].names) {
			assert_int_equal(result, -1);	/* "List" alone is no list of anything */
			continue;
		}
		if (result < 0)
			fail_msg("%s: %s", fine[i].text, err.msg);
		assert_string_equal(names, fine[i].names);
	}
}

static void s22_pages_that_are_none(void **state)
{
	static const struct {
		const char *text, *message;
	} bad[] = {
		{"", NULL},
		{"<html><body>Bad gateway</body></html>", NULL},
		{"[]", "not a list: no object"},
		{"7", "not a list: no object"},
		{"{}", "not a list: its kind is ``"},
		{"{\"kind\":7}", "not a list: its kind is ``"},
		{"{\"kind\":\"Table\"," META ",\"rows\":[]}", "not a list: its kind is `Table`"},
		{"{\"kind\":\"Status\",\"metadata\":{},\"code\":500}", "not a list: its kind is `Status`"},
		{"{\"kind\":\"PodList\",\"items\":[]}", "metadata: is nothing, not an object"},
		{"{\"kind\":\"PodList\",\"metadata\":null,\"items\":[]}", "metadata: is null, not an object"},
		{"{\"kind\":\"PodList\",\"metadata\":{},\"items\":[]}", "metadata: resourceVersion: is missing"},
		{"{\"kind\":\"PodList\",\"metadata\":{\"resourceVersion\":7},\"items\":[]}",
			"metadata: resourceVersion: is a number, not a string"},
		{"{\"kind\":\"PodList\",\"metadata\":{\"resourceVersion\":\"\"},\"items\":[]}",
			"metadata.resourceVersion: is empty"},
		{"{\"kind\":\"PodList\"," META "}", "items: is missing"},
		{"{\"kind\":\"PodList\"," META ",\"items\":{}}", "items: is no array"},
		{"{\"kind\":\"PodList\"," META ",\"items\":\"[]\"}", "items: is no array"},
		{"{\"kind\":\"PodList\"," META ",\"items\":[],\"items\":[]}", "duplicate key \"items\""},
		{"{\"kind\":\"PodList\"," META ",\"items\":[1]}", "items: one is a number, not an object"},
		{"{\"kind\":\"PodList\"," META ",\"items\":[{\"a\":1,\"a\":2}]}", "items: duplicate key \"a\""},
		{"{\"kind\":\"PodList\"," META ",\"items\":[]} x", NULL},
	};
	char names[256];
	struct lm_err err;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		if (names_of(bad[i].text, names, sizeof(names), &err) == 0)
			fail_msg("accepted: %s", bad[i].text);
		if (bad[i].message)
			assert_string_equal(err.msg, bad[i].message);
	}
}

static cJSON *random_value(struct rng *r, int depth)
{
	static const char *const texts[] = {"", "]", "}", "{\"items\":[", "\"", "\\", ",", "a:b", "\xc3\xa4\n"};
	cJSON *value;
	uint32_t i, count = rng_below(r, 4);

	switch (rng_below(r, depth > 0 ? 6 : 4)) {
	case 0:
		return cJSON_CreateNumber(rng_below(r, 2000) - 1000.5);
	case 1:
		return cJSON_CreateString(texts[rng_below(r, ARRAY_SIZE(texts))]);
	case 2:
		return cJSON_CreateNull();
	case 3:
		return cJSON_CreateBool(rng_chance(r, 0.5));
	case 4:
		for (value = cJSON_CreateArray(), i = 0; i < count; i++)
			cJSON_AddItemToArray(value, random_value(r, depth - 1));
		return value;
	default:
		for (value = cJSON_CreateObject(), i = 0; i < count; i++) {
			auto_free char *key = xasprintf("%s%u", texts[rng_below(r, ARRAY_SIZE(texts))], i);

			cJSON_AddItemToObject(value, key, random_value(r, depth - 1));
		}
		return value;
	}
}

/* What comes out is what the whole tree has, however it is printed. */
static void pages_agree_with_a_tree_of_the_whole(void **state)
{
	struct rng r = rng_make(test_seed());
	int round;

	(void)state;
	for (round = 0; round < 2000; round++) {
		auto_json cJSON *list = cJSON_CreateObject();
		cJSON *items = cJSON_CreateArray(), *metadata = cJSON_CreateObject();
		__attribute__((cleanup(page_close))) struct page page = {0};
		uint32_t count = rng_below(&r, 6), i, first = rng_below(&r, 3);
		auto_free char *text = NULL;
		struct lm_err err;

		for (i = 0; i < count; i++) {
			cJSON *item = cJSON_CreateObject();

			cJSON_AddItemToObject(item, "v", random_value(&r, 4));
			cJSON_AddItemToArray(items, item);
		}
		cJSON_AddStringToObject(metadata, "resourceVersion", "12");
		cJSON_AddItemToObject(metadata, "more", random_value(&r, 2));
		for (i = 0; i < 3; i++)
			if ((i + first) % 3 == 0)
				cJSON_AddItemToObject(list, "items", items);
			else if ((i + first) % 3 == 1)
				cJSON_AddItemToObject(list, "metadata", metadata);
			else
				cJSON_AddItemToObject(list, "other", random_value(&r, 3));
		cJSON_AddStringToObject(list, "kind", "PodList");
		text = rng_chance(&r, 0.5) ? cJSON_Print(list) : cJSON_PrintUnformatted(list);
		if (page_open(&page, text, strlen(text), &err) < 0)
			fail_msg("%s: %s", text, err.msg);
		assert_string_equal(page.resource_version, "12");
		assert_string_equal(page.next, "");
		for (i = 0; i < count; i++) {
			auto_json cJSON *item = NULL;

			assert_int_equal(page_next(&page, &item, &err), 1);
			assert_true(cJSON_Compare(item, cJSON_GetArrayItem(items, (int)i), true));
		}
		assert_int_equal(page_next(&page, &(cJSON *){NULL}, &err), 0);
	}
}

/* Cut anywhere: refused, and nothing is read behind the end (the address sanitizer watches). */
static void a_page_cut_at_every_byte(void **state)
{
	static const char text[] = "{\"kind\":\"PodList\"," META ",\"items\":[{\"name\":\"a\\\"\"},{\"b\":[1,2,{}]}],\"x\":\"y\"}";
	size_t len;

	(void)state;
	for (len = 0; len < sizeof(text) - 1; len++) {
		auto_free char *cut = xmalloc(len);
		struct page page;
		struct lm_err err;

		memcpy(cut, text, len);
		assert_int_equal(page_open(&page, cut, len, &err), -1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_that_are_fine),
		cmocka_unit_test(s22_pages_that_are_none),
		cmocka_unit_test(pages_agree_with_a_tree_of_the_whole),
		cmocka_unit_test(a_page_cut_at_every_byte),
	};

	return cmocka_run_group_tests_name("kube-page", tests, NULL, NULL);
}
