/* Plans one by one: sharing, what stays where it was, what a room says. Who goes where is in u-reserve-places, random clusters are u-reserve-plan's. */
#include "tests/unit/reserve_cases.h"

#include <stdio.h>
#include <stdlib.h>

/* --- rooms -------------------------------------------------------------------------------------------------------------- */

static void nothing_wants_room(void **state)
{
	(void)state;
	tenant("t", "a", "1");
	make();
	assert_int_equal(plan.covers.count + plan.uncovered_count + plan.room_count, 0);
	assert_true(plan.overhead == 0 && plan.overhead_cpu == 0 && plan.overhead_memory == 0);
}

static void failures_share_one_room(void **state)
{
	(void)state;
	covered("p", "a", "", EVERYWHERE, "2", "");
	covered("q", "b", "", EVERYWHERE, "1500m", "");
	covered("r", "b", "", EVERYWHERE, "1", "");
	make();
	assert_int_equal(plan.covers.count, 3);
	assert_int_equal(plan.room_count, 1);		/* c or d: not the sum of 4.5, but b's 2.5 */
	assert_int_equal(plan.rooms[0].need.cpu_milli, 2500);
	assert_int_equal(plan.rooms[0].need.memory_bytes, INT64_C(2) << 30);
	assert_int_equal(plan.rooms[0].pods, 2);
	assert_string_equal(plan.rooms[0].for_failure, "b");
	assert_true(plan.overhead_cpu > 2.4999 / 32 && plan.overhead_cpu < 2.5001 / 32);
	assert_true(plan.overhead > (2.4999 / 32 + 2 / 64.0) / 2 && plan.overhead < (2.5001 / 32 + 2 / 64.0) / 2);
}

static void a_room_has_each_port_once(void **state)
{
	(void)state;
	covered("p", "a", "", EVERYWHERE, "1", ",\"hostNetwork\":false");
	world_pod_of(&w, "q", "b", "\"latency-mesh.io/reserve\":\"true\"", "\"latency-mesh.io/within\":\"node/a<=5ms\"", OWNED,
		     "\"schedulerName\":\"ours\",\"containers\":[{\"ports\":[{\"hostPort\":80},{\"hostPort\":90,\"protocol\":\"UDP\"}]}]");
	world_pod_of(&w, "r", "a", "\"latency-mesh.io/reserve\":\"true\"", "\"latency-mesh.io/within\":\"node/c<=0.1ms\"", OWNED,
		     "\"schedulerName\":\"ours\",\"containers\":[{\"ports\":[{\"hostPort\":80,\"hostIP\":\"10.0.0.1\"}]}]");
	make();
	assert_string_equal(refuge_of("r"), "c");
	assert_string_equal(refuge_of("q"), "c");	/* a would keep more pods */
	assert_int_equal(room_of("c")->port_count, 2);
	assert_string_equal(room_of("c")->ports[0].protocol, "TCP");
	assert_string_equal(room_of("c")->ports[0].ip, "");
	assert_int_equal(room_of("c")->ports[0].port, 80);
	assert_int_equal(room_of("c")->ports[1].port, 90);
}

static void placeholders_of_another_plan_make_way(void **state)
{
	(void)state;
	covered("p", "a", "", "\"latency-mesh.io/within\":\"node/b<=0.1ms\"", "6", "");
	auto_free char *text = xasprintf("{\"metadata\":{\"name\":\"keep\",\"namespace\":\"mesh\",\"uid\":\"keep\",\"labels\":{\"latency-mesh.io/role\":\"placeholder\"}},"
					 "\"spec\":{\"nodeName\":\"b\",\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"7\"}}}]}}");
	cJSON *json = cJSON_Parse(text);
	struct lm_err err;

	cache_put_pod(w.cache, pod_parse(json, &err));
	cJSON_Delete(json);
	make();
	assert_string_equal(refuge_of("p"), "b");
	assert_int_equal(cache_view(w.cache)->free_cpu_milli[cache_find_node(w.cache, "b")], 1000);	/* it is back */
	world_pod_of(&w, "same", "b", "\"latency-mesh.io/role\":\"placeholder\"", "", "", "\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"1\"}}}]");
	tenant("t", "b", "1500m");		/* the first is of the wrong namespace: it counts */
	make();
	assert_string_equal(refuge_of("p"), "-");
}

/* --- what was before ---------------------------------------------------------------------------------------------------------- */

static void a_refuge_stays_where_nothing_better_is(void **state)
{
	char first[8];

	(void)state;
	covered("p", "a", "", EVERYWHERE, "1", "");
	make();
	snprintf(first, sizeof(first), "%s", refuge_of("p"));
	assert_string_equal(first, "b");
	free(plan.covers.items[0].refuge);
	plan.covers.items[0].refuge = xstrdup("d");
	make();
	assert_string_equal(refuge_of("p"), "d");
	covered("q", "d", "", "\"latency-mesh.io/within\":\"node/b<=0.1ms\"", "1", "");
	make();						/* b's room does for both: twice as much is more than PLAN_KEEP */
	assert_string_equal(refuge_of("p"), "b");
}

/* q's room of its own is 4 % of all of it: that much is worth no move. */
static void a_refuge_stays_where_that_costs_little(void **state)
{
	static const char small[] = "\"schedulerName\":\"ours\",\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"40m\"}}}]";
	static const char large[] = "\"schedulerName\":\"ours\",\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"1\"}}}]";

	(void)state;
	world_pod_of(&w, "p", "a", "\"latency-mesh.io/reserve\":\"true\"", "\"latency-mesh.io/within\":\"node/c<=0.1ms\"", OWNED, large);
	world_pod_of(&w, "q", "b", "\"latency-mesh.io/reserve\":\"true\"", EVERYWHERE, OWNED, small);
	make();
	assert_string_equal(refuge_of("q"), "c");
	free(plan.covers.items[1].refuge);
	plan.covers.items[1].refuge = xstrdup("d");
	make();
	assert_string_equal(refuge_of("q"), "d");
}

static void frozen_rooms_stay_and_get_nothing_new(void **state)
{
	static const char *const names[] = {"b", "gone"};

	(void)state;
	covered("p", "a", "", "\"latency-mesh.io/within\":\"node/b<=0.1ms\"", "1", "");
	make();
	assert_string_equal(refuge_of("p"), "b");
	frozen = names;
	frozen_count = 2;
	tenant("t", "b", "8");				/* would be no room any more: no look */
	covered("q", "a", "", "\"latency-mesh.io/within\":\"node/b<=0.1ms\"", "0", "");
	make();
	assert_string_equal(refuge_of("p"), "b");
	assert_string_equal(refuge_of("q"), "-");
	assert_int_equal(plan.room_count, 0);
	assert_true(plan.overhead == 0);
	world_pod_of(&w, "p", "c", "\"latency-mesh.io/reserve\":\"true\"", "\"latency-mesh.io/within\":\"node/b<=0.1ms\"", OWNED, "\"schedulerName\":\"ours\"");
	make();						/* it moved: what was promised for a says nothing about c */
	assert_string_equal(refuge_of("p"), "-");
}

/* --- many --------------------------------------------------------------------------------------------------------------------- */

/* More than is tried in all combinations. Half of them may be on a, b or c, the others on c or d. */
static void many_failures_share_the_node_that_all_can_use(void **state)
{
	int i;

	(void)state;
	world_rtt(&w, "c", "d", 4000);
	for (i = 0; i < 40; i++) {
		auto_free char *name = xasprintf("p%d", i), *node = xasprintf("m%d", i), *cpu = xasprintf("%dm", 100 + 25 * i);

		world_node(&w, node, "", "");
		covered(name, node, "", i % 2 ? "\"latency-mesh.io/within\":\"node/b<=3.5ms\"" : "\"latency-mesh.io/within\":\"node/d<=5ms\"", cpu, "");
	}
	make();
	assert_int_equal(plan.covers.count, 40);
	assert_int_equal(plan.room_count, 1);
	assert_int_equal(room_of("c")->need.cpu_milli, 100 + 25 * 39);
	assert_int_equal(room_of("c")->pods, 1);
	assert_string_equal(room_of("c")->for_failure, "m39");
}

static void an_annotation_is_never_too_long(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < 900; i++) {
		auto_free char *name = xasprintf("pod-with-a-name-of-some-length-as-deployments-give-%zu", i), *node = xasprintf("m%zu", i);

		world_node(&w, node, "", "");
		covered(name, node, "", "\"latency-mesh.io/within\":\"node/b<=1ms\"", "100m", "");
	}
	make();
	assert_int_equal(plan.covers.count, 900);	/* to a or b: one alone could not say all of them */
	for (i = 0; i < plan.room_count; i++) {
		auto_buf struct buf text = {0};
		auto_covers struct covers back = {0};
		struct lm_err err = {0};

		covers_print(&plan.covers, plan.rooms[i].node, &text);
		assert_true(text.len <= COVERS_MAX_BYTES);
		assert_int_equal(covers_parse(text.data, plan.rooms[i].node, &back, &err), 0);
	}
	assert_int_equal(plan.room_count, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(nothing_wants_room),
		CASE(failures_share_one_room),
		CASE(a_room_has_each_port_once),
		CASE(placeholders_of_another_plan_make_way),
		CASE(a_refuge_stays_where_nothing_better_is),
		CASE(a_refuge_stays_where_that_costs_little),
		CASE(frozen_rooms_stay_and_get_nothing_new),
		CASE(many_failures_share_the_node_that_all_can_use),
		CASE(an_annotation_is_never_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
