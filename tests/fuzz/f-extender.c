/* Requests of any bytes, by the scanner as by the general parser, as /filter and /prioritize get them, judged over a small cluster: answers are strict JSON with every node in one place. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/json.h"
#include "lib/mem.h"
#include "sched/extender/judge.h"
#include "sched/extender/wire.c"	/* for both of its ways */
#include "tests/testing/fuzz.h"
#include "tests/testing/world.h"

#define POD(labels) "{\"metadata\":{\"name\":\"web\",\"namespace\":\"default\",\"uid\":\"u\",\"labels\":{" labels "}},\"spec\":{\"containers\":[]}}"

FUZZ_CORPUS("{\"Pod\":" POD("\"delay_a\":\"1\"") ",\"Nodes\":null,\"NodeNames\":[\"a\",\"b\",\"c\",\"x\"]}",
	    "{\"pod\":" POD("\"delay_zone\":\"7\"") ",\"nodes\":{\"items\":[{\"metadata\":{\"name\":\"a\",\"labels\":{\"topology.kubernetes.io/zone\":\"eu\"}}},"
	    "{\"metadata\":{\"name\":\"d\"}}]}}",
	    "{\"Pod\":{\"metadata\":{\"name\":\"web\",\"namespace\":\"default\",\"uid\":\"u\",\"annotations\":{\"latency-mesh.io/near\":\"zone/eu,any:node/b*2\","
	    "\"latency-mesh.io/within\":\"client/milan<=5ms\",\"latency-mesh.io/missing\":\"allow\"}}},\"NodeNames\":[]}")

static struct world w;
static struct judge *judge;

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void begin(void)
{
	if (judge)
		return;
	judge = judge_new();
	world_begin(&w, "a b c", "milan");
	world_rtt(&w, "a", "b", 1000);
	world_rtt(&w, "a", "c", 2000);
	world_client(&w, "a", "milan", 3000);
	world_cpu(&w, "b", 0.9);
	world_cpu(&w, "a", 0.1);
	world_take(&w);
}

static cJSON *parsed(const struct buf *text)
{
	struct lm_err err;
	cJSON *tree = json_parse(text->data, text->len, JSON_DEPTH_API + 8, &err);

	require(tree != NULL);
	return tree;
}

static int items_of(const cJSON *tree, const char *key)
{
	return cJSON_GetArraySize(json_get(tree, key));
}

static void check_filter(const struct wire_request *r, const struct wire_answer *a)
{
	auto_buf struct buf out = {0};
	auto_json cJSON *tree = NULL;
	int passed;

	wire_print_filter(r, a, &out);
	tree = parsed(&out);
	require((a->error != NULL) == (*cJSON_GetStringValue(json_get(tree, "Error")) != '\0'));
	if (a->error)
		return;
	passed = r->whole ? items_of(json_get(tree, "Nodes"), "items") : items_of(tree, "NodeNames");
	require(passed + items_of(tree, "FailedNodes") + items_of(tree, "FailedAndUnresolvableNodes") == (int)r->count);
}

/* The bytes that go back are those of the node. */
static void check_raw(const struct wire_request *r)
{
	struct lm_err err;
	uint32_t i;

	for (i = 0; r->whole && i < r->count; i++) {
		auto_json cJSON *tree = json_parse(r->nodes[i].raw, r->nodes[i].raw_len, JSON_DEPTH_API, &err);

		require(tree && cJSON_Compare(tree, r->nodes[i].object, true));
	}
}

static void check_priorities(const struct wire_request *r, const struct wire_answer *a)
{
	auto_buf struct buf out = {0};
	auto_json cJSON *tree = NULL;
	const cJSON *item;
	uint32_t i = 0;

	wire_print_priorities(r, a, &out);
	tree = parsed(&out);
	cJSON_ArrayForEach(item, tree) {
		int score = json_get(item, "Score")->valueint;

		require(score >= 0 && score <= WIRE_SCORE_MAX && score == a->nodes[i].score);
		require(STREQ(cJSON_GetStringValue(json_get(item, "Host")), r->nodes[i++].name));
	}
	require(i == r->count);
}

/* What the scanner takes the general parser takes, and reads the same. */
static void check_scanner(const char *text, size_t size)
{
	struct wire_request quick, thorough;
	struct lm_err err;
	uint32_t i;

	if (!parse_scanned(text, size, &quick))
		return;
	require(parse_whole(text, size, &thorough, &err) == 0);
	require(quick.count == thorough.count && quick.whole == thorough.whole && STREQ(quick.pod->uid, thorough.pod->uid));
	for (i = 0; i < quick.count; i++)
		require(STREQ(quick.nodes[i].name, thorough.nodes[i].name));
	wire_free(&quick);
	wire_free(&thorough);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_free char *text = xmalloc(size + 1);
	struct judge_input in;
	struct wire_request r;
	struct wire_answer a;
	struct lm_err err;

	begin();
	memcpy(text, data, size);
	text[size] = '\0';
	check_scanner(text, size);
	if (wire_parse(text, size, &r, &err) < 0) {
		require(err.msg[0] && !r.tree && !r.pod && !r.nodes);
		return 0;
	}
	in = (struct judge_input){.view = cache_view(w.cache), .mesh = size % 2 ? w.mesh : NULL, .profile = &w.profile};
	a = judge_request(judge, &in, JUDGE_FILTER, &r);
	check_filter(&r, &a);
	wire_answer_free(&a);
	check_raw(&r);
	a = judge_request(judge, &in, JUDGE_PRIORITIZE, &r);
	check_priorities(&r, &a);
	wire_answer_free(&a);
	wire_free(&r);
	return 0;
}
