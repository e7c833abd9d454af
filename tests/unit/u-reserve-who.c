/* Which pods room is kept for, which pods keep it, and the annotation that says for whom. */
#include "tests/unit/objects.h"

#include "sched/reserve/who.h"

static const char *const shop[] = {"shop", "bank"}, *const all[] = {"*"};

static struct reserve_settings settings_of(const char *const *namespaces, size_t count)
{
	return (struct reserve_settings){.enabled = true, .namespace_ = "mesh", .defaults = {(const char **)(uintptr_t)namespaces, count}};
}

/* --- roles ------------------------------------------------------------------------------------------------------------- */

static enum reserve_role role_of(const char *namespace_, const char *labels)
{
	struct reserve_settings s = settings_of(NULL, 0);
	auto_free char *text = xasprintf("{'metadata':{'name':'p','namespace':'%s','uid':'u','labels':{%s}}}", namespace_, labels);
	struct pod *pod = pod_of(text);
	enum reserve_role role = reserve_role(&s, pod);

	pod_free(pod);
	return role;
}

static void labels_give_a_role_in_the_reserves_namespace_alone(void **state)
{
	(void)state;
	assert_int_equal(role_of("mesh", "'latency-mesh.io/role':'placeholder'"), RESERVE_PLACEHOLDER);
	assert_int_equal(role_of("mesh", "'latency-mesh.io/role':'guard'"), RESERVE_GUARD);
	assert_int_equal(role_of("mesh", "'latency-mesh.io/role':'Guard'"), RESERVE_NONE);
	assert_int_equal(role_of("mesh", ""), RESERVE_NONE);
	assert_int_equal(role_of("default", "'latency-mesh.io/role':'placeholder'"), RESERVE_NONE);
	assert_int_equal(role_of("default", "'latency-mesh.io/role':'guard'"), RESERVE_NONE);
	assert_int_equal(role_of("mes", "'latency-mesh.io/role':'guard'"), RESERVE_NONE);
}

static void without_a_namespace_nobody_has_a_role(void **state)
{
	struct reserve_settings s = {.enabled = true};
	struct pod *pod = pod_of("{'metadata':{'name':'p','namespace':'mesh','uid':'u','labels':{'latency-mesh.io/role':'guard'}}}");

	(void)state;
	assert_int_equal(reserve_role(&s, pod), RESERVE_NONE);
	pod_free(pod);
}

/* --- who wants room ----------------------------------------------------------------------------------------------------- */

#define LIMITED "'annotations':{'latency-mesh.io/within':'node/a<=5ms'}"

static bool wants(const struct reserve_settings *s, const char *namespace_, const char *labels, const char *more)
{
	auto_free char *text = xasprintf("{'metadata':{'name':'p','namespace':'%s','uid':'u','labels':{%s}%s%s}}", namespace_, labels,
					 more[0] ? "," : "", more);
	struct pod *pod = pod_of(text);
	bool answer = reserve_wants(s, pod);

	pod_free(pod);
	return answer;
}

static void the_label_decides_before_the_default(void **state)
{
	struct reserve_settings none = settings_of(NULL, 0), some = settings_of(shop, 2), every = settings_of(all, 1);

	(void)state;
	assert_true(wants(&none, "default", "'latency-mesh.io/reserve':'true'", LIMITED));
	assert_false(wants(&none, "shop", "", LIMITED));
	assert_true(wants(&some, "shop", "", LIMITED));
	assert_true(wants(&some, "bank", "", LIMITED));
	assert_false(wants(&some, "shopping", "", LIMITED));
	assert_false(wants(&some, "default", "", LIMITED));
	assert_true(wants(&every, "default", "", LIMITED));
	assert_false(wants(&every, "shop", "'latency-mesh.io/reserve':'false'", LIMITED));
	assert_true(wants(&some, "shop", "'latency-mesh.io/reserve':'yes'", LIMITED));	/* says neither */
	assert_false(wants(&none, "shop", "'latency-mesh.io/reserve':'True'", LIMITED));
}

static const char *barred(const struct reserve_settings *s, const char *namespace_)
{
	auto_free char *text = xasprintf("{'metadata':{'name':'p','namespace':'%s','uid':'u'}}", namespace_);
	struct pod *pod = pod_of(text);
	const char *why = reserve_barred(s, pod);

	pod_free(pod);
	return why;
}

/* Who asks himself is told that he may not; whom a default would have asked for is not asked for. */
static void only_namespaces_that_are_allowed_have_room(void **state)
{
	struct reserve_settings open = settings_of(all, 1), some = settings_of(all, 1);

	(void)state;
	open.allowed = (struct option_list){(const char **)(uintptr_t)all, 1};
	some.allowed = (struct option_list){(const char **)(uintptr_t)shop, 2};
	assert_null(barred(&open, "default"));
	assert_null(barred(&some, "shop"));
	assert_null(barred(&some, "bank"));
	assert_string_equal(barred(&some, "shopping"), "reserve.allow does not name its namespace");
	assert_string_equal(barred(&some, "*"), "reserve.allow does not name its namespace");
	assert_true(wants(&some, "shop", "", LIMITED));
	assert_false(wants(&some, "default", "", LIMITED));
	assert_true(wants(&some, "default", "'latency-mesh.io/reserve':'true'", LIMITED));
	some.allowed.count = 0;
	assert_null(barred(&some, "default"));
	assert_true(wants(&some, "default", "", LIMITED));
}

static void an_owner_is_of_a_kind_that_has_a_path(void **state)
{
	(void)state;
	assert_string_equal(reserve_owner_plural("ConfigMap/latency-sched"), "configmaps");
	assert_string_equal(reserve_owner_plural("ServiceAccount/a.b"), "serviceaccounts");
	assert_null(reserve_owner_plural("ConfigMaps/a"));
	assert_null(reserve_owner_plural("Deployment/a"));
}

static void only_a_limit_makes_it_constrained(void **state)
{
	struct reserve_settings s = settings_of(all, 1);

	(void)state;
	assert_false(wants(&s, "shop", "'latency-mesh.io/reserve':'true'", ""));
	assert_false(wants(&s, "shop", "'latency-mesh.io/reserve':'true'", "'annotations':{'latency-mesh.io/near':'node/a'}"));
	assert_true(wants(&s, "shop", "'delay_edge-1':'20'", ""));
	assert_true(wants(&s, "shop", "", "'annotations':{'hard_max_latency':'20'}"));
	assert_false(wants(&s, "shop", "'latency-mesh.io/reserve':'true'", "'annotations':{'latency-mesh.io/within':'node/a'}"));
}

static void what_has_ended_or_keeps_room_itself_wants_none(void **state)
{
	struct reserve_settings s = settings_of(all, 1);

	(void)state;
	assert_false(wants(&s, "shop", "", LIMITED "},'status':{'phase':'Succeeded'"));
	assert_true(wants(&s, "shop", "", LIMITED "},'status':{'phase':'Running'"));
	assert_false(wants(&s, "mesh", "'latency-mesh.io/role':'placeholder'", LIMITED));
	assert_true(wants(&s, "shop", "'latency-mesh.io/role':'placeholder'", LIMITED));
}

static void only_what_is_recreated_elsewhere_fits(void **state)
{
	static const struct { const char *owners, *reason; } cases[] = {
		{"", "no controller would recreate it"},
		{"{'kind':'ReplicaSet','name':'r','uid':'o'}", "no controller would recreate it"},
		{"{'kind':'ReplicaSet','name':'r','uid':'o','controller':true}", NULL},
		{"{'kind':'StatefulSet','name':'r','uid':'o','controller':true}", NULL},
		{"{'kind':'DaemonSet','name':'r','uid':'o','controller':true}", "its DaemonSet would not recreate it on another node"},
		{"{'kind':'Node','name':'r','uid':'o','controller':true}", "it is a static pod of its node"},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		auto_free char *text = xasprintf("{'metadata':{'name':'p','namespace':'d','uid':'u','ownerReferences':[%s]}}", cases[i].owners);
		struct pod *pod = pod_of(text);
		const char *why = reserve_unfit(pod);

		if (cases[i].reason)
			assert_string_equal(why, cases[i].reason);
		else
			assert_null(why);
		pod_free(pod);
	}
}

/* --- the annotation ----------------------------------------------------------------------------------------------------- */

static void add(struct covers *c, const char *uid, const char *node, const char *refuge)
{
	auto_free char *words = xstrdup(uid), *at = xstrdup(node), *to = xstrdup(refuge);
	char namespace_[] = "default", name[] = "web-1", owner[] = "owner-1";

	covers_add(c, &(struct cover){words, namespace_, name, owner, at, to});
}

static void it_says_those_of_its_node_sorted_and_reads_back(void **state)
{
	auto_covers struct covers c = {0}, back = {0};
	auto_buf struct buf text = {0}, none = {0};
	struct lm_err err;

	(void)state;
	add(&c, "u-2", "edge-1", "edge-2");
	add(&c, "u-3", "edge-1", "edge-3");
	add(&c, "u-1", "edge-3", "edge-2");
	covers_print(&c, "edge-2", &text);
	assert_string_equal(text.data, "[{\"pod\":\"default/web-1\",\"uid\":\"u-1\",\"owner\":\"owner-1\",\"node\":\"edge-3\"},"
				       "{\"pod\":\"default/web-1\",\"uid\":\"u-2\",\"owner\":\"owner-1\",\"node\":\"edge-1\"}]");
	covers_print(&c, "edge-9", &none);
	assert_string_equal(none.data, "[]");
	add(&back, "u-0", "a", "b");
	assert_int_equal(covers_parse(text.data, "edge-2", &back, &err), 0);
	assert_int_equal(covers_parse("[]", "edge-2", &back, &err), 0);
	assert_int_equal(back.count, 3);
	assert_string_equal(back.items[1].uid, "u-1");
	assert_string_equal(back.items[1].namespace_, "default");
	assert_string_equal(back.items[1].name, "web-1");
	assert_string_equal(back.items[1].owner_uid, "owner-1");
	assert_string_equal(back.items[1].node, "edge-3");
	assert_string_equal(back.items[1].refuge, "edge-2");
}

#define GOOD "{\"pod\":\"d/p\",\"uid\":\"u\",\"owner\":\"o\",\"node\":\"n\"}"

static void a_text_with_a_fault_adds_nothing(void **state)
{
	static const char *const bad[] = {
		"", " ", "{}", "null", "\"\"", "[1]", "[null]", "[[]]", "[{}]", "[" GOOD ",]", "[" GOOD "]x", "[" GOOD "," GOOD "]",
		"[" GOOD ",{\"pod\":\"p\",\"uid\":\"v\",\"owner\":\"o\",\"node\":\"n\"}]",
		"[" GOOD ",{\"pod\":\"/p\",\"uid\":\"v\",\"owner\":\"o\",\"node\":\"n\"}]",
		"[" GOOD ",{\"pod\":\"d/\",\"uid\":\"v\",\"owner\":\"o\",\"node\":\"n\"}]",
		"[" GOOD ",{\"pod\":\"d/p/q\",\"uid\":\"v\",\"owner\":\"o\",\"node\":\"n\"}]",
		"[" GOOD ",{\"pod\":\"d/p\",\"uid\":\"\",\"owner\":\"o\",\"node\":\"n\"}]",
		"[" GOOD ",{\"pod\":\"d/p\",\"uid\":\"v\",\"owner\":\"\",\"node\":\"n\"}]",
		"[" GOOD ",{\"pod\":\"d/p\",\"uid\":\"v\",\"owner\":\"o\",\"node\":\"\"}]",
		"[" GOOD ",{\"pod\":\"d/p\",\"uid\":\"v\",\"owner\":\"o\",\"node\":\"home\"}]",
		"[" GOOD ",{\"pod\":\"d/p\",\"uid\":\"v\",\"owner\":\"o\"}]", "[" GOOD ",{\"pod\":\"d/p\",\"uid\":7,\"owner\":\"o\",\"node\":\"n\"}]",
		"[" GOOD ",{\"pod\":\"d/p\",\"uid\":\"a b\",\"owner\":\"o\",\"node\":\"n\"}]",
		"[" GOOD ",{\"pod\":\"d/p\",\"uid\":\"a\\\"b\",\"owner\":\"o\",\"node\":\"n\"}]",
		"[{\"pod\":\"d/p\",\"uid\":\"u\",\"owner\":\"o\",\"node\":\"n\",\"node\":\"m\"}]",
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		auto_covers struct covers c = {0};
		struct lm_err err = {0};

		if (covers_parse(bad[i], "home", &c, &err) == 0)
			fail_msg("taken: %s", bad[i]);
		assert_true(err.msg[0]);
		assert_int_equal(err.code, LM_DATA);
		assert_int_equal(c.count, 0);
	}
}

static void it_has_limits(void **state)
{
	auto_covers struct covers c = {0}, back = {0};
	auto_buf struct buf text = {0};
	struct lm_err err;
	char uid[200], word[300];
	int i;

	(void)state;
	for (i = 0; i < 1500; i++) {
		snprintf(uid, sizeof(uid), "00000000-0000-0000-0000-%012d", i);
		add(&c, uid, "edge-1", "edge-2");
	}
	covers_print(&c, "edge-2", &text);
	assert_true(text.len > COVERS_MAX_BYTES);
	assert_int_equal(covers_parse(text.data, "edge-2", &back, &err), -1);
	assert_int_equal(back.count, 0);
	for (i = 127; i < 131; i++) {
		auto_free char *one = NULL;

		memset(word, 'u', sizeof(word));
		word[i] = 0;
		one = xasprintf("[{\"pod\":\"d/p\",\"uid\":\"%s\",\"owner\":\"o\",\"node\":\"n\"}]", word);
		assert_int_equal(covers_parse(one, "edge-2", &back, &err), i <= 128 ? 0 : -1);
	}
}

/* Whatever other people write: never more than what is right, and what is taken prints as something that is taken again. */
static void any_text_is_refused_or_reads_back_the_same(void **state)
{
	static const char good[] = "[" GOOD ",{\"pod\":\"d/p-2\",\"uid\":\"u2\",\"owner\":\"o\",\"node\":\"n2\"}]";
	struct rng r = rng_make(test_seed());
	int round, taken = 0;

	(void)state;
	for (round = 0; round < test_rounds(20000); round++) {
		auto_covers struct covers c = {0}, again = {0};
		auto_buf struct buf first = {0}, second = {0};
		char text[sizeof(good)];
		struct lm_err err;
		uint32_t k;

		memcpy(text, good, sizeof(good));
		for (k = rng_below(&r, 3); k > 0; k--)
			text[rng_below(&r, sizeof(good) - 1)] = "a/\"{}[],:\\ \x01\xff" "0z"[rng_below(&r, 15)];
		if (covers_parse(text, "home", &c, &err) < 0)
			continue;
		taken++;
		covers_print(&c, "home", &first);
		assert_int_equal(covers_parse(first.data, "home", &again, &err), 0);
		assert_int_equal(again.count, c.count);
		covers_print(&again, "home", &second);
		assert_string_equal(first.data, second.data);
	}
	assert_true(taken > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(labels_give_a_role_in_the_reserves_namespace_alone),
		cmocka_unit_test(without_a_namespace_nobody_has_a_role),
		cmocka_unit_test(the_label_decides_before_the_default),
		cmocka_unit_test(only_namespaces_that_are_allowed_have_room),
		cmocka_unit_test(an_owner_is_of_a_kind_that_has_a_path),
		cmocka_unit_test(only_a_limit_makes_it_constrained),
		cmocka_unit_test(what_has_ended_or_keeps_room_itself_wants_none),
		cmocka_unit_test(only_what_is_recreated_elsewhere_fits),
		cmocka_unit_test(it_says_those_of_its_node_sorted_and_reads_back),
		cmocka_unit_test(a_text_with_a_fault_adds_nothing),
		cmocka_unit_test(it_has_limits),
		cmocka_unit_test(any_text_is_refused_or_reads_back_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
