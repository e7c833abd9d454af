/* extender/wire.h: what a kube-scheduler sends in every writing, what it must not send, and the answers to the letter. */
#include "sched/extender/wire.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/json.h"
#include "lib/mem.h"
#include "tests/testing/testing.h"

#define POD "{\"metadata\":{\"name\":\"web\",\"namespace\":\"default\",\"uid\":\"u1\"},\"spec\":{\"containers\":[]}}"
#define NODE(name) "{\"metadata\":{\"name\":\"" name "\",\"labels\":{\"topology.kubernetes.io/zone\":\"eu\"}},\"status\":{\"n\":9007199254740991}}"

static struct wire_request want(const char *text)
{
	struct wire_request r;
	struct lm_err err;

	if (wire_parse(text, strlen(text), &r, &err) < 0)
		fail_msg("%s: %s", text, err.msg);
	return r;
}

static void refuse(const char *text, const char *why)
{
	struct wire_request r;
	struct lm_err err = {0};

	if (wire_parse(text, strlen(text), &r, &err) == 0)
		fail_msg("taken: %s", text);
	assert_int_equal(err.code, LM_DATA);
	if (!strstr(err.msg, why))
		fail_msg("%s: \"%s\", not \"%s\"", text, err.msg, why);
	assert_null(r.tree);
	assert_null(r.pod);
}

static void names_are_read_in_their_order(void **state)
{
	struct wire_request r = want("{\"Pod\":" POD ",\"Nodes\":null,\"NodeNames\":[\"b\",\"a\",\"c.d\"]}");

	(void)state;
	assert_int_equal(r.count, 3);
	assert_false(r.whole);
	assert_string_equal(r.nodes[0].name, "b");
	assert_string_equal(r.nodes[2].name, "c.d");
	assert_null(r.nodes[1].object);
	assert_string_equal(r.pod->uid, "u1");
	wire_free(&r);
}

static void whole_nodes_are_read(void **state)
{
	struct wire_request r = want("{\"Pod\":" POD ",\"Nodes\":{\"metadata\":{},\"items\":[" NODE("a") "," NODE("b") "]},\"NodeNames\":null}");

	(void)state;
	assert_int_equal(r.count, 2);
	assert_true(r.whole);
	assert_string_equal(r.nodes[1].name, "b");
	assert_non_null(json_get(r.nodes[1].object, "status"));
	wire_free(&r);
}

static void of_both_forms_the_names_are_the_list(void **state)
{
	struct wire_request r = want("{\"Pod\":" POD ",\"Nodes\":{\"items\":[" NODE("a") "]},\"NodeNames\":[\"b\"]}");

	(void)state;
	assert_int_equal(r.count, 1);
	assert_false(r.whole);
	assert_string_equal(r.nodes[0].name, "b");
	wire_free(&r);
}

static void no_nodes_are_a_list_too(void **state)
{
	static const char *const bodies[] = {"{\"Pod\":" POD ",\"NodeNames\":[]}", "{\"Pod\":" POD ",\"Nodes\":{\"items\":[]}}",
					     "{\"Pod\":" POD ",\"Nodes\":{\"items\":null}}", "{\"Pod\":" POD ",\"Nodes\":{}}"};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bodies); i++) {
		struct wire_request r = want(bodies[i]);

		assert_int_equal(r.count, 0);
		wire_free(&r);
	}
}

/* Each letter of a key large or small, by the bits of `mask`. */
static void write_key(char *out, const char *key, unsigned mask)
{
	unsigned i;

	for (i = 0; key[i]; i++)
		out[i] = (char)(mask >> i & 1 ? toupper((unsigned char)key[i]) : tolower((unsigned char)key[i]));
	out[i] = '\0';
}

static void keys_are_taken_in_every_case(void **state)
{
	char pod[8], names[16], nodes[8], items[8];
	unsigned mask;

	(void)state;
	for (mask = 0; mask < 512; mask++) {	/* all writings of NodeNames; the shorter keys several times */
		auto_free char *by_name = NULL, *whole = NULL;
		struct wire_request r;

		write_key(pod, "pod", mask);
		write_key(names, "nodenames", mask);
		write_key(nodes, "nodes", mask);
		write_key(items, "items", mask);
		by_name = xasprintf("{\"%s\":" POD ",\"%s\":[\"a\"]}", pod, names);
		whole = xasprintf("{\"%s\":{\"%s\":[" NODE("a") "]},\"%s\":" POD "}", nodes, items, pod);
		r = want(by_name);
		assert_int_equal(r.count, 1);
		assert_false(r.whole);
		wire_free(&r);
		r = want(whole);
		assert_int_equal(r.count, 1);
		assert_true(r.whole);
		wire_free(&r);
	}
}

#define LONG32 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define LONG256 LONG32 LONG32 LONG32 LONG32 LONG32 LONG32 LONG32 LONG32
#define WITH(rest) "{\"Pod\":" POD "," rest "}"
#define DEEP16 "[[[[[[[[[[[[[[[["

static void e2_bad_input_is_refused_with_a_reason(void **state)
{
	static const struct {
		const char *text, *why;
	} bad[] = {
		{"", "the body is empty"},
		{" ", ""},
		{"null", "an object is wanted, not null"},
		{"true", "an object is wanted"},
		{"7", "an object is wanted"},
		{"\"x\"", "an object is wanted, not a string"},
		{"[]", "an object is wanted, not an array"},
		{"{", ""},
		{"{}", "Pod is missing"},
		{"{}x", ""},
		{"{\"Pod\":null,\"NodeNames\":[]}", "Pod is missing"},
		{"{\"Pod\":7,\"NodeNames\":[]}", "Pod: an object is wanted"},
		{"{\"Pod\":\"web\",\"NodeNames\":[]}", "Pod: an object is wanted, not a string"},
		{"{\"Pod\":[],\"NodeNames\":[]}", "Pod: an object is wanted, not an array"},
		{"{\"Pod\":{},\"NodeNames\":[]}", "metadata.uid"},
		{"{\"Pod\":{\"metadata\":null},\"NodeNames\":[]}", "metadata.uid"},
		{"{\"Pod\":{\"metadata\":{\"uid\":\"u\"}},\"NodeNames\":[]}", "metadata.namespace"},
		{"{\"Pod\":{\"metadata\":{\"uid\":\"u\",\"namespace\":\"d\"}},\"NodeNames\":[]}", "metadata.name"},
		{"{\"Pod\":{\"metadata\":{\"uid\":7,\"namespace\":\"d\",\"name\":\"n\"}},\"NodeNames\":[]}", "metadata.uid"},
		{"{\"Pod\":{\"metadata\":{\"uid\":\"\",\"namespace\":\"d\",\"name\":\"n\"}},\"NodeNames\":[]}", "metadata.uid"},
		{"{\"Pod\":" POD "}", "neither NodeNames nor Nodes"},
		{WITH("\"NodeNames\":null,\"Nodes\":null"), "neither NodeNames nor Nodes"},
		{WITH("\"pod\":" POD ",\"NodeNames\":[]"), "Pod is there twice, as `Pod` and `pod`"},
		{WITH("\"Pod\":" POD ",\"NodeNames\":[]"), "duplicate key"},
		{WITH("\"NodeNames\":[],\"nodenames\":[\"a\"]"), "NodeNames is there twice"},
		{WITH("\"Nodes\":{},\"nodes\":{}"), "Nodes is there twice"},
		{WITH("\"Nodes\":{\"items\":[],\"Items\":[]}"), "items is there twice"},
		{WITH("\"NodeNames\":{}"), "NodeNames: an array is wanted, not an object"},
		{WITH("\"NodeNames\":\"a\""), "NodeNames: an array is wanted, not a string"},
		{WITH("\"NodeNames\":[7]"), "NodeNames[0]: a node's name is wanted"},
		{WITH("\"NodeNames\":[\"a\",null]"), "NodeNames[1]: a node's name is wanted"},
		{WITH("\"NodeNames\":[\"\"]"), "NodeNames[0]: a node's name is wanted"},
		{WITH("\"NodeNames\":[[\"a\"]]"), "NodeNames[0]: a node's name is wanted"},
		{WITH("\"NodeNames\":[\"a\",\"b\",\"a\"]"), "NodeNames[2]: \"a\" is there twice"},
		{WITH("\"NodeNames\":[\"" LONG256 "\"]"), "at most 253 bytes"},
		{WITH("\"Nodes\":[]"), "Nodes: an object is wanted, not an array"},
		{WITH("\"Nodes\":{\"items\":{}}"), "Nodes.items: an array is wanted"},
		{WITH("\"Nodes\":{\"items\":[7]}"), "Nodes.items[0]: a node's name is wanted"},
		{WITH("\"Nodes\":{\"items\":[{}]}"), "Nodes.items[0]: a node's name is wanted"},
		{WITH("\"Nodes\":{\"items\":[{\"metadata\":{\"name\":7}}]}"), "Nodes.items[0]: a node's name is wanted"},
		{WITH("\"Nodes\":{\"items\":[" NODE("a") "," NODE("a") "]}"), "Nodes.items[1]: \"a\" is there twice"},
		{WITH("\"NodeNames\":[\"a\",]"), ""},
		{WITH("\"NodeNames\":[\"\xff\"]"), ""},
		{WITH("\"NodeNames\":[\"\\ud800\"]"), ""},
		{WITH("\"NodeNames\":[\"a\n\"]"), ""},
		{WITH("\"NodeNames\":[01]"), ""},
		{WITH("\"NodeNames\":[1e999]"), ""},
		{"\xef\xbb\xbf{\"Pod\":" POD ",\"NodeNames\":[]}", ""},
		{WITH("\"x\":" DEEP16 DEEP16 DEEP16 DEEP16 DEEP16), ""},
	};
	size_t i;

	(void)state;
	assert_true(ARRAY_SIZE(bad) >= 40);
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		refuse(bad[i].text, bad[i].why);
}

static void e2_truncated_at_every_byte(void **state)
{
	static const char text[] = "{\"Pod\":" POD ",\"NodeNames\":[\"a\",\"b\"]}";
	struct wire_request r;
	struct lm_err err;
	size_t len;

	(void)state;
	for (len = 0; len < strlen(text); len++)
		assert_int_equal(wire_parse(text, len, &r, &err), -1);
}

static void too_many_nodes_are_refused(void **state)
{
	auto_buf struct buf text = {0};
	int i;

	(void)state;
	buf_str(&text, "{\"Pod\":" POD ",\"NodeNames\":[\"n\"");
	for (i = 0; i < WIRE_NODES_MAX; i++)
		buf_printf(&text, ",\"n%d\"", i);
	buf_str(&text, "]}");
	refuse(text.data, "more than 20000");
}

/* --- answers --------------------------------------------------------------------------------------------------------------- */

static void assert_filter(const struct wire_request *r, const struct wire_answer *a, const char *text)
{
	auto_buf struct buf out = {0};
	struct lm_err err;
	auto_json cJSON *tree = NULL;

	wire_print_filter(r, a, &out);
	assert_string_equal(out.data, text);
	tree = json_parse(out.data, out.len, JSON_DEPTH_API, &err);
	assert_non_null(tree);
}

static void e7_an_answer_has_the_form_of_its_request(void **state)
{
	struct wire_request names = want(WITH("\"NodeNames\":[\"a\",\"b\",\"c\"]"));
	struct wire_request whole = want(WITH("\"Nodes\":{\"items\":[" NODE("a") "," NODE("b") "," NODE("c") "]}"));
	struct wire_answer a = wire_answer_of(3);

	(void)state;
	assert_filter(&names, &a, "{\"Nodes\":null,\"NodeNames\":[\"a\",\"b\",\"c\"],\"FailedNodes\":{},\"FailedAndUnresolvableNodes\":{},\"Error\":\"\"}\n");
	a.nodes[0] = (struct wire_mark){.verdict = WIRE_FAILED, .reason = wire_reason(&a, "x \"y\"")};
	a.nodes[2] = (struct wire_mark){.verdict = WIRE_UNRESOLVABLE, .reason = wire_reason(&a, "far")};
	assert_ptr_equal(wire_reason(&a, "far"), a.nodes[2].reason);
	assert_filter(&names, &a, "{\"Nodes\":null,\"NodeNames\":[\"b\"],\"FailedNodes\":{\"a\":\"x \\\"y\\\"\"},\"FailedAndUnresolvableNodes\":{\"c\":\"far\"},"
				  "\"Error\":\"\"}\n");
	assert_filter(&whole, &a, "{\"Nodes\":{\"metadata\":{},\"items\":[" NODE("b") "]},\"NodeNames\":null,\"FailedNodes\":{\"a\":\"x \\\"y\\\"\"},"
				  "\"FailedAndUnresolvableNodes\":{\"c\":\"far\"},\"Error\":\"\"}\n");
	a.nodes[1] = a.nodes[2];	/* none is left: an empty list, never null */
	assert_filter(&names, &a, "{\"Nodes\":null,\"NodeNames\":[],\"FailedNodes\":{\"a\":\"x \\\"y\\\"\"},"
				  "\"FailedAndUnresolvableNodes\":{\"b\":\"far\",\"c\":\"far\"},\"Error\":\"\"}\n");
	a.error = xstrdup("bad\nlabel");
	assert_filter(&names, &a, "{\"Nodes\":null,\"NodeNames\":null,\"FailedNodes\":{},\"FailedAndUnresolvableNodes\":{},\"Error\":\"bad\\u000alabel\"}\n");
	wire_answer_free(&a);
	wire_free(&names);
	wire_free(&whole);
}

static void whole_nodes_go_back_byte_by_byte(void **state)
{
	static const char *const nodes[] = {
		"{ \"metadata\" : {\"name\":\"a\"}, \"x\":[1,{\"y\":\"]}\\\"{\"},-1.50e3 ] }",
		"{\"metadata\":{\"name\":\"b\\u0041\"},\"n\":9223372036854775807,\"e\":\"\\\\\"}",
	};
	auto_free char *text = xasprintf(" \n{ \"x\" : [ {\"Nodes\":7} , \"}\" ] ,\"\\u006eodes\":{\"a\":1.5 , \"b\":{} ,\"ITEMS\" :\t[ %s ,\n%s]},\"Pod\":" POD "}",
					 nodes[0], nodes[1]);
	auto_free char *wanted = xasprintf("{\"Nodes\":{\"metadata\":{},\"items\":[%s,%s]},\"NodeNames\":null,\"FailedNodes\":{},"
					   "\"FailedAndUnresolvableNodes\":{},\"Error\":\"\"}\n", nodes[0], nodes[1]);
	struct wire_request r = want(text);
	struct wire_answer a = wire_answer_of(2);

	(void)state;
	assert_filter(&r, &a, wanted);
	wire_answer_free(&a);
	wire_free(&r);
}

static void e6_scores_are_whole_numbers_from_0_to_10(void **state)
{
	struct wire_request r = want(WITH("\"NodeNames\":[\"a\",\"b\",\"c\",\"d\"]"));
	struct wire_answer a = wire_answer_of(4);
	auto_buf struct buf out = {0};

	(void)state;
	a.nodes[0].score = -3;
	a.nodes[1].score = 11;
	a.nodes[2].score = 7;
	wire_print_priorities(&r, &a, &out);
	assert_string_equal(out.data, "[{\"Host\":\"a\",\"Score\":0},{\"Host\":\"b\",\"Score\":10},{\"Host\":\"c\",\"Score\":7},{\"Host\":\"d\",\"Score\":5}]\n");
	wire_answer_free(&a);
	wire_free(&r);
	r = want(WITH("\"NodeNames\":[]"));
	a = wire_answer_of(0);
	buf_clear(&out);
	wire_print_priorities(&r, &a, &out);
	assert_string_equal(out.data, "[]\n");
	wire_answer_free(&a);
	wire_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_read_in_their_order),
		cmocka_unit_test(whole_nodes_are_read),
		cmocka_unit_test(of_both_forms_the_names_are_the_list),
		cmocka_unit_test(no_nodes_are_a_list_too),
		cmocka_unit_test(keys_are_taken_in_every_case),
		cmocka_unit_test(e2_bad_input_is_refused_with_a_reason),
		cmocka_unit_test(e2_truncated_at_every_byte),
		cmocka_unit_test(too_many_nodes_are_refused),
		cmocka_unit_test(e7_an_answer_has_the_form_of_its_request),
		cmocka_unit_test(whole_nodes_go_back_byte_by_byte),
		cmocka_unit_test(e6_scores_are_whole_numbers_from_0_to_10),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
