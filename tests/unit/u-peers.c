/* peers.h: peers.json and bare lists. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "lib/peers.h"
#include "tests/testing/testing.h"

static void reads_and_normalises(void **state)
{
	static const char text[] = "{\"version\":1,\"nodes\":{\"b\":[\"10.0.0.1\",\"10.0.0.9\"],\"a\":[]},\"clients\":{\"milan\":[\"FD00:0::0:7\"]},\"x\":0}";
	static const char sorted[] = "{\"version\":1,\n\"nodes\":{\n\"a\":[],\n\"b\":[\"10.0.0.1\"]},\n\"clients\":{\n\"milan\":[\"fd00::7\"]}}\n";
	auto_buf struct buf out = {0};
	struct peers peers;
	struct lm_err err;

	(void)state;
	assert_int_equal(peers_parse(text, strlen(text), &peers, &err), 0);
	assert_string_equal(peers.nodes.addr[0], "10.0.0.1");
	assert_null(peers.nodes.addr[1]);
	assert_string_equal(peers.clients.addr[0], "fd00::7");
	peers_write(&peers, &out);
	assert_string_equal(out.data, sorted);
	peers_free(&peers);
	assert_int_equal(peers_parse(out.data, out.len, &peers, &err), 0);
	peers_free(&peers);
}

static void refuses_and_names_the_member(void **state)
{
	static const struct {
		const char *text, *words;
	} bad[] = {
		{"", "empty"}, {"[]", "an array is not a peer list"}, {"{}", "version"}, {"{\"version\":2,\"nodes\":{}}", "version: 2 is newer"},
		{"{\"version\":1}", "nodes"}, {"{\"version\":1,\"nodes\":[]}", "nodes: is an array"},
		{"{\"version\":1,\"nodes\":{\"a\":\"10.0.0.1\"}}", "nodes: a: a string is not a list of addresses"},
		{"{\"version\":1,\"nodes\":{\"a\":[7]}}", "nodes: a: a number is not an address"},
		{"{\"version\":1,\"nodes\":{\"a\":[\"10.0.0.256\"]}}", "nodes: a: \"10.0.0.256\" is not a numeric IP address"},
		{"{\"version\":1,\"nodes\":{\"a\":[\"10.0.0.1\",\"host\"]}}", "nodes: a: \"host\""},
		{"{\"version\":1,\"nodes\":{\"a\":[\"10.0.0.1%eth0\"]}}", "nodes: a: \"10.0.0.1%eth0\""},
		{"{\"version\":1,\"nodes\":{\"a\":[\"fe80::1%\"]}}", "nodes: a: \"fe80::1%\""},
		{"{\"version\":1,\"nodes\":{\"a\":[\"fe80::1%a/b\"]}}", "nodes: a: \"fe80::1%a/b\""},
		{"{\"version\":1,\"nodes\":{\"A\":[]}}", "nodes: \"A\" is not a valid name"},
		{"{\"version\":1,\"nodes\":{\"a\":[],\"a\":[]}}", "duplicate key \"a\""},
		{"{\"version\":1,\"nodes\":{},\"clients\":{\"m\":[null]}}", "clients: m: null is not an address"},
		{"{\"version\":1,\"nodes\":{}} {}", "something follows"},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		struct peers peers;
		struct lm_err err = {0};

		if (peers_parse(bad[i].text, strlen(bad[i].text), &peers, &err) == 0)
			fail_msg("accepted: %s", bad[i].text);
		if (err.code != LM_DATA || !strstr(err.msg, bad[i].words))
			fail_msg("\"%s\" does not say \"%s\"", err.msg, bad[i].words);
	}
}

static void lists_are_json_or_yaml(void **state)
{
	static const char *const good[] = {
		"{\"edge-1\":[\"10.0.0.1\"], \"edge-2\":[]}", "edge-1: [10.0.0.1]\nedge-2: []\n",
		"# nodes\nedge-1:\n- 10.0.0.1\n- fd00::1\nedge-2: []\n",
	};
	struct peer_list list;
	struct lm_err err;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(good); i++) {
		if (peers_parse_list(good[i], strlen(good[i]), "--nodes n", &list, &err) < 0)
			fail_msg("%s: %s", good[i], err.msg);
		assert_int_equal(list.names.count, 2);
		assert_string_equal(list.addr[names_find(&list.names, "edge-1")], "10.0.0.1");
		assert_null(list.addr[names_find(&list.names, "edge-2")]);
		peer_list_free(&list);
	}
	assert_int_equal(peers_parse_list("a: 7", 4, "--clients c.yaml", &list, &err), -1);
	assert_string_equal(err.msg, "--clients c.yaml: a: a number is not a list of addresses");
	assert_int_equal(peers_parse_list("- a", 3, "--nodes n", &list, &err), -1);
	assert_int_equal(err.code, LM_DATA);
}

static void link_local_keeps_its_zone(void **state)
{
	struct peer_list list = {0};
	struct lm_err err;

	(void)state;
	assert_int_equal(peer_list_add(&list, "a", "FE80::0:1%eth0", &err), 0);
	assert_string_equal(list.addr[0], "fe80::1%eth0");
	assert_int_equal(peer_list_add(&list, "a", NULL, &err), -1);
	assert_non_null(strstr(err.msg, "listed twice"));
	peer_list_free(&list);
}

/* Equal lists give equal bytes, whatever the order they were made in. */
static void writing_is_canonical(void **state)
{
	struct rng rng = rng_make(test_seed());
	int round;

	(void)state;
	for (round = 0; round < 50; round++) {
		auto_buf struct buf one = {0}, two = {0};
		struct peers a = {0}, b = {0};
		uint32_t count = rng_below(&rng, 40), first = count ? rng_below(&rng, count) : 0, i;
		struct lm_err err;

		for (i = 0; i < 2 * count; i++) {
			uint32_t which = i < count ? i : (i + first) % count;
			auto_free char *name = xasprintf("n%u", which), *addr = xasprintf("10.0.0.%u", which);

			assert_int_equal(peer_list_add(i < count ? &a.nodes : &b.nodes, name, which % 3 ? addr : NULL, &err), 0);
		}
		peers_write(&a, &one);
		peers_write(&b, &two);
		assert_string_equal(one.data, two.data);
		peers_free(&a);
		peers_free(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_and_normalises),
		cmocka_unit_test(refuses_and_names_the_member),
		cmocka_unit_test(lists_are_json_or_yaml),
		cmocka_unit_test(link_local_keeps_its_zone),
		cmocka_unit_test(writing_is_canonical),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
