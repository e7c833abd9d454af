/* extender/wire_bind.h: what a kube-scheduler sends in every writing, what it must not send, and the answer to the letter. */
#include "sched/extender/wire_bind.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/json.h"
#include "lib/mem.h"
#include "tests/testing/testing.h"

#define LONG16 "aaaaaaaaaaaaaaaa"
#define LONG64 LONG16 LONG16 LONG16 LONG16
#define LONG128 LONG64 LONG64
#define LONG252 LONG128 LONG64 LONG16 LONG16 LONG16 "aaaaaaaaaaaa"
#define ARGS(pod, namespace_, uid, node) \
	"{\"PodName\":" pod ",\"PodNamespace\":" namespace_ ",\"PodUID\":" uid ",\"Node\":" node "}"

static struct wire_bind want(const char *text)
{
	struct wire_bind b;
	struct lm_err err;

	if (wire_bind_parse(text, strlen(text), &b, &err) < 0)
		fail_msg("%s: %s", text, err.msg);
	return b;
}

static void what_a_kube_scheduler_sends_is_read(void **state)
{
	struct wire_bind b = want(ARGS("\"web-7d4b.x\"", "\"default\"", "\"0b5f7d6e-3d0c-4d5e-9a75-6e5a5a1f2b3c\"", "\"edge-1.example\"") "\n");

	(void)state;
	assert_string_equal(b.pod, "web-7d4b.x");
	assert_string_equal(b.namespace_, "default");
	assert_string_equal(b.uid, "0b5f7d6e-3d0c-4d5e-9a75-6e5a5a1f2b3c");
	assert_string_equal(b.node, "edge-1.example");
	wire_bind_free(&b);
	assert_null(b.uid);
}

static void names_may_be_as_long_as_kubernetes_has_them(void **state)
{
	struct wire_bind b = want(ARGS("\"" LONG252 "a\"", "\"" LONG16 LONG16 LONG16 "aaaaaaaaaaaaaaa\"", "\"" LONG128 "\"", "\"" LONG252 "a\""));

	(void)state;
	assert_int_equal(strlen(b.pod), WIRE_BIND_NAME_MAX);
	assert_int_equal(strlen(b.namespace_), WIRE_BIND_NAMESPACE_MAX);
	assert_int_equal(strlen(b.uid), WIRE_BIND_UID_MAX);
	wire_bind_free(&b);
}

static void write_key(char *out, const char *key, struct rng *rng)
{
	for (; *key; key++)
		*out++ = (char)(rng_chance(rng, 0.5) ? toupper((unsigned char)*key) : tolower((unsigned char)*key));
	*out = '\0';
}

/* Any order, any case, other members between. */
static void keys_are_taken_in_every_case_and_order(void **state)
{
	static const char *const keys[] = {"PodName", "PodNamespace", "PodUID", "Node"}, *const values[] = {"pod", "space", "uid", "node"};
	struct rng rng = rng_make(test_seed());
	int round, i;

	(void)state;
	for (round = 0; round < 2000; round++) {
		auto_buf struct buf text = {0};
		int first = (int)rng_below(&rng, 4), step = rng_chance(&rng, 0.5) ? 1 : 3;
		struct wire_bind b;
		char key[16];

		for (i = 0; i < 4; i++) {
			int which = (first + i * step) % 4;

			write_key(key, keys[which], &rng);
			buf_printf(&text, "%c\"%s\":\"%s\"", i ? ',' : '{', key, values[which]);
			if (rng_chance(&rng, 0.3))
				buf_printf(&text, ",\"more%d\":[{\"PodName\":7}]", i);
		}
		buf_char(&text, '}');
		b = want(text.data);
		assert_string_equal(b.pod, "pod");
		assert_string_equal(b.namespace_, "space");
		assert_string_equal(b.uid, "uid");
		assert_string_equal(b.node, "node");
		wire_bind_free(&b);
	}
}

#define POD "\"p\""
#define IN "\"n\""
#define UID "\"u\""
#define NODE "\"a\""

static void e16_what_is_no_binding_is_refused_with_a_reason(void **state)
{
	static const struct {
		const char *text, *why;
	} bad[] = {
		{"", "the body is empty"},
		{" ", ""},
		{"{", ""},
		{"[]", "an object is wanted, not an array"},
		{"null", "an object is wanted, not null"},
		{ARGS(POD, IN, UID, NODE) "x", ""},
		{"{}", "PodName is missing"},
		{"{\"PodName\":\"p\"}", "PodNamespace is missing"},
		{"{\"PodName\":\"p\",\"PodNamespace\":\"n\",\"Node\":\"a\"}", "PodUID is missing"},
		{"{\"PodName\":\"p\",\"PodNamespace\":\"n\",\"PodUID\":\"u\"}", "Node is missing"},
		{ARGS(POD, "null", UID, NODE), "PodNamespace is missing"},
		{ARGS("7", IN, UID, NODE), "PodName: a string is wanted"},
		{ARGS(POD, IN, UID, "[\"a\"]"), "Node: a string is wanted, not an array"},
		{ARGS(POD, IN, "{}", NODE), "PodUID: a string is wanted, not an object"},
		{ARGS("\"\"", IN, UID, NODE), "PodName is empty"},
		{ARGS(POD, IN, "\"\"", NODE), "PodUID is empty"},
		{ARGS(POD, IN, UID, "\"a\",\"node\":\"b\""), "Node is there twice, as `Node` and `node`"},
		{ARGS("\"" LONG252 "aa\"", IN, UID, NODE), "PodName has at most 253 bytes"},
		{ARGS(POD, "\"" LONG64 "\"", UID, NODE), "PodNamespace has at most 63 bytes"},
		{ARGS(POD, IN, "\"" LONG128 "a\"", NODE), "PodUID has at most 128 bytes"},
		{ARGS(POD, IN, UID, "\"" LONG252 "aa\""), "Node has at most 253 bytes"},
		{ARGS("\"../x\"", IN, UID, NODE), "PodName: \"../x\" is none"},
		{ARGS("\"a/b\"", IN, UID, NODE), "is none of Kubernetes"},
		{ARGS("\"a%2fb\"", IN, UID, NODE), "is none of Kubernetes"},
		{ARGS("\"a?b\"", IN, UID, NODE), "is none of Kubernetes"},
		{ARGS("\"..\"", IN, UID, NODE), "is none of Kubernetes"},
		{ARGS("\"Web\"", IN, UID, NODE), "is none of Kubernetes"},
		{ARGS("\"web-\"", IN, UID, NODE), "is none of Kubernetes"},
		{ARGS(POD, "\"a.b\"", UID, NODE), "PodNamespace: \"a.b\" is none"},
		{ARGS(POD, "\"-a\"", UID, NODE), "is none of Kubernetes"},
		{ARGS(POD, IN, "\"a b\"", NODE), "PodUID: \"a b\" is none"},
		{ARGS(POD, IN, "\"\\u00e9\"", NODE), "PodUID"},
		{ARGS(POD, IN, "\"a\\u0000b\"", NODE), ""},
		{ARGS(POD, IN, UID, "\"a\\nb\""), "is none of Kubernetes"},
		{ARGS(POD, IN, UID, "\"\xff\""), ""},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		struct lm_err err = {0};
		struct wire_bind b;

		if (wire_bind_parse(bad[i].text, strlen(bad[i].text), &b, &err) == 0)
			fail_msg("taken: %s", bad[i].text);
		assert_int_equal(err.code, LM_DATA);
		if (!err.msg[0] || !strstr(err.msg, bad[i].why))
			fail_msg("%s: \"%s\", not \"%s\"", bad[i].text, err.msg, bad[i].why);
		assert_true(!b.pod && !b.namespace_ && !b.uid && !b.node);
	}
}

static void the_answer_is_written_to_the_letter(void **state)
{
	auto_buf struct buf out = {0};

	(void)state;
	wire_bind_print(NULL, &out);
	assert_string_equal(out.data, "{\"Error\":\"\"}\n");
	out.len = 0;
	wire_bind_print("pods \"web\" is \\ gone\n", &out);
	assert_string_equal(out.data, "{\"Error\":\"pods \\\"web\\\" is \\\\ gone\\u000a\"}\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_kube_scheduler_sends_is_read),
		cmocka_unit_test(names_may_be_as_long_as_kubernetes_has_them),
		cmocka_unit_test(keys_are_taken_in_every_case_and_order),
		cmocka_unit_test(e16_what_is_no_binding_is_refused_with_a_reason),
		cmocka_unit_test(the_answer_is_written_to_the_letter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
