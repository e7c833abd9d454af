/* Plans one by one: sharing, chains, what stays where it was, what a room says, the text of a plan. Random clusters are u-reserve-plan's. */
#include "sched/reserve/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "tests/testing/world.h"

#define OWNED "\"ownerReferences\":[{\"kind\":\"ReplicaSet\",\"name\":\"rs\",\"uid\":\"owner\",\"controller\":true}]"
#define EVERYWHERE "\"latency-mesh.io/within\":\"node/a<=50ms\""

static struct world w;
static struct plan plan;
static const char *const *frozen;
static size_t frozen_count;
static struct option_list allowed;
static double most;

static const struct profile *profile_of(const void *arg, const char *scheduler_name)
{
	(void)arg;
	return STREQ(scheduler_name, "ours") ? &w.profile : NULL;
}

static int begin(void **state)
{
	(void)state;
	world_begin(&w, "a b c d", "");
	world_rtt(&w, "a", "b", 1000);
	world_rtt(&w, "a", "c", 2000);
	world_rtt(&w, "a", "d", 9000);
	world_rtt(&w, "b", "c", 3000);
	world_rtt(&w, "b", "d", 9000);
	world_rtt(&w, "c", "d", 9000);
	frozen = NULL;
	frozen_count = 0;
	allowed = (struct option_list){0};
	most = 0;
	return 0;
}

static int end(void **state)
{
	(void)state;
	plan_free(&plan);
	world_end(&w);
	return 0;
}

/* `spec`: more of it, with a comma before it, or "". */
static void covered(const char *name, const char *node, const char *labels, const char *limits, const char *cpu, const char *spec)
{
	auto_free char *all = xasprintf("\"latency-mesh.io/reserve\":\"true\"%s%s", labels[0] ? "," : "", labels);
	auto_free char *text = xasprintf("\"schedulerName\":\"ours\",\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"%s\",\"memory\":\"1Gi\"}}}]%s", cpu, spec);

	world_pod_of(&w, name, node, all, limits, OWNED, text);
}

static void tenant(const char *name, const char *node, const char *cpu)
{
	auto_free char *text = xasprintf("\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"%s\"}}}]", cpu);

	world_pod_of(&w, name, node, "", "", "", text);
}

static void make(void)
{
	const struct reserve_settings settings = {.enabled = true, .namespace_ = "mesh", .allowed = allowed, .most = most};
	struct plan next;
	struct plan_input in = {.cache = w.cache, .profile = profile_of, .settings = &settings, .previous = &plan.covers,
				.frozen = frozen, .frozen_count = frozen_count};

	world_take(&w);
	in.mesh = w.mesh;
	plan_make(w.decider, &in, &next);
	plan_free(&plan);
	plan = next;
}

static const char *refuge_of(const char *name)
{
	size_t i;

	for (i = 0; i < plan.covers.count; i++)
		if (STREQ(plan.covers.items[i].name, name))
			return plan.covers.items[i].refuge;
	return "-";
}

static const char *reason_of(const char *name)
{
	size_t i;

	for (i = 0; i < plan.uncovered_count; i++)
		if (STREQ(plan.uncovered[i].name, name))
			return plan.uncovered[i].reason;
	return "-";
}

static const struct plan_room *room_of(const char *node)
{
	size_t i;

	for (i = 0; i < plan.room_count; i++)
		if (STREQ(plan.rooms[i].node, node))
			return &plan.rooms[i];
	return NULL;
}

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

/* --- who goes where ------------------------------------------------------------------------------------------------------- */

static void a_chain_on_one_node_comes_back_in_order(void **state)
{
	(void)state;
	covered("front", "a", "\"app\":\"front\"", "\"latency-mesh.io/within\":\"app=mid<=1ms\"", "1", "");
	covered("mid", "a", "\"app\":\"mid\"", "\"latency-mesh.io/within\":\"app=back<=1ms\"", "1", "");
	covered("back", "a", "\"app\":\"back\"", "\"latency-mesh.io/within\":\"node/c<=5ms\"", "1", "");
	make();
	assert_int_equal(plan.covers.count, 3);
	assert_string_equal(refuge_of("front"), refuge_of("mid"));	/* b and c are 3 ms apart */
	assert_string_equal(refuge_of("mid"), refuge_of("back"));
}

static void what_depends_on_an_uncovered_pod_is_uncovered(void **state)
{
	(void)state;
	covered("front", "a", "\"app\":\"front\"", "\"latency-mesh.io/within\":\"app=back<=1ms\"", "1", "");
	covered("back", "a", "\"app\":\"back\"", "\"latency-mesh.io/within\":\"node/a<=0.5ms\"", "1", "");
	make();
	assert_int_equal(plan.covers.count, 0);
	assert_string_equal(reason_of("back"), "0/4 nodes are available: 3 node(s) exceeded the latency limit to node/a.");
	assert_string_equal(reason_of("front"), "0/4 nodes are available: no pod matches app=back in namespace default (latency-mesh.io/missing: deny).");
}

static void a_circle_waits_in_a_failure_as_ever(void **state)
{
	(void)state;
	covered("x", "a", "\"app\":\"x\"", "\"latency-mesh.io/within\":\"app=y<=50ms\"", "1", "");
	covered("y", "a", "\"app\":\"y\"", "\"latency-mesh.io/within\":\"app=x<=50ms\"", "1", "");
	make();
	assert_int_equal(plan.covers.count, 0);
	covered("x2", "d", "\"app\":\"x\"", "\"latency-mesh.io/within\":\"app=y<=50ms\"", "1", "");
	make();
	assert_string_not_equal(refuge_of("y"), "-");	/* one x is left when a fails */
	assert_string_not_equal(refuge_of("x"), "-");
}

static void affinity_and_spreading_of_the_pods_of_one_node_hold(void **state)
{
	static const char spread[] = ",\"topologySpreadConstraints\":[{\"maxSkew\":1,\"topologyKey\":\"kubernetes.io/hostname\",\"whenUnsatisfiable\":"
				     "\"DoNotSchedule\",\"labelSelector\":{\"matchLabels\":{\"app\":\"s\"}}}]";
	static const char near[] = ",\"affinity\":{\"podAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":[{\"topologyKey\":"
				   "\"kubernetes.io/hostname\",\"labelSelector\":{\"matchLabels\":{\"app\":\"s\"}}}]}}";
	static const char *const names[] = {"a", "b", "c", "d"};
	size_t i;

	(void)state;
	for (i = 0; i < 4; i++) {
		auto_free char *label = xasprintf("\"kubernetes.io/hostname\":\"%s\"", names[i]);

		world_node(&w, names[i], label, "");
	}
	covered("near", "a", "", EVERYWHERE, "1", near);
	covered("s1", "a", "\"app\":\"s\"", EVERYWHERE, "1", spread);
	covered("s2", "a", "\"app\":\"s\"", EVERYWHERE, "1", spread);
	make();
	assert_int_equal(plan.covers.count, 3);
	assert_string_not_equal(refuge_of("s1"), refuge_of("s2"));
	assert_true(STREQ(refuge_of("near"), refuge_of("s1")) || STREQ(refuge_of("near"), refuge_of("s2")));
}

static void load_does_not_count(void **state)
{
	(void)state;
	covered("p", "a", "", "\"latency-mesh.io/within\":\"node/b<=0.1ms\"", "1", "");
	world_cpu(&w, "b", 0.99);
	world_cpu(&w, "c", 0.1);
	w.profile.strict_cpu = true;
	make();
	assert_string_equal(refuge_of("p"), "b");
}

static void nodes_where_a_placeholder_would_not_stay_keep_none(void **state)
{
	(void)state;
	world_node(&w, "b", "", "\"taints\":[{\"key\":\"k\",\"value\":\"v\",\"effect\":\"NoExecute\"}]");
	covered("p", "a", "", "\"latency-mesh.io/within\":\"node/b<=0.1ms\"", "1", ",\"tolerations\":[{\"operator\":\"Exists\"}]");
	make();
	assert_string_equal(refuge_of("p"), "-");
	world_node(&w, "b", "", "\"taints\":[{\"key\":\"k\",\"value\":\"v\",\"effect\":\"NoSchedule\"}]");
	make();
	assert_string_equal(refuge_of("p"), "b");
}

static void nominated_pods_keep_their_room(void **state)
{
	(void)state;
	covered("p", "a", "", "\"latency-mesh.io/within\":\"node/b<=0.1ms\"", "2", "");
	world_pod_of(&w, "n", "", "", "", "", "\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"7\"}}}]},\"status\":{\"nominatedNodeName\":\"b\"");
	make();
	assert_string_equal(refuge_of("p"), "-");
	cache_delete_pod(w.cache, "uid-n");
	make();
	assert_string_equal(refuge_of("p"), "b");
}

/* Its own nomination from before it was bound is no reservation. */
static void a_pods_own_nomination_keeps_nobody_away(void **state)
{
	(void)state;
	covered("p", "a", "", "\"latency-mesh.io/within\":\"node/b<=0.1ms\"", "6", "},\"status\":{\"nominatedNodeName\":\"b\"");
	covered("q", "a", "", "\"latency-mesh.io/within\":\"node/b<=0.1ms,app=p<=50ms\"", "2", "");
	covered("x", "c", "\"app\":\"p\"", EVERYWHERE, "1", "");
	make();
	assert_string_equal(refuge_of("p"), "b");
	assert_string_equal(refuge_of("q"), "b");
}

static void pods_of_others_and_those_nobody_recreates(void **state)
{
	(void)state;
	world_pod_of(&w, "others", "a", "\"latency-mesh.io/reserve\":\"true\"", EVERYWHERE, OWNED, "\"schedulerName\":\"default-scheduler\"");
	world_pod_of(&w, "alone", "a", "\"latency-mesh.io/reserve\":\"true\"", EVERYWHERE, "", "\"schedulerName\":\"ours\"");
	world_pod_of(&w, "waits", "", "\"latency-mesh.io/reserve\":\"true\"", EVERYWHERE, OWNED, "\"schedulerName\":\"ours\"");
	world_pod_of(&w, "odd", "a", "\"latency-mesh.io/reserve\":\"true\"", EVERYWHERE,
		     "\"ownerReferences\":[{\"kind\":\"X\",\"name\":\"x\",\"uid\":\"\\\"},{\",\"controller\":true}]", "\"schedulerName\":\"ours\"");
	make();
	assert_int_equal(plan.covers.count, 0);
	assert_int_equal(plan.uncovered_count, 2);
	assert_string_equal(reason_of("alone"), "no controller would recreate it");
	assert_string_equal(reason_of("odd"), "its controller's uid is none");
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

/* --- text --------------------------------------------------------------------------------------------------------------------- */

static void a_plan_reads_back_and_nothing_half_does(void **state)
{
	auto_buf struct buf text = {0}, again = {0};
	struct plan back;
	struct lm_err err = {0};
	size_t len;

	(void)state;
	covered("p", "a", "", EVERYWHERE, "1", "");
	covered("q", "a", "", "\"latency-mesh.io/within\":\"node/a<=0.1ms\"", "1", "");
	world_pod_of(&w, "r", "a", "\"latency-mesh.io/reserve\":\"true\"", EVERYWHERE, OWNED,
		     "\"schedulerName\":\"ours\",\"containers\":[{\"ports\":[{\"hostPort\":80}],\"resources\":{\"requests\":{\"x.io/gpu\":\"1\"}}}]");
	world_node_of(&w, "b", "", "", "\"cpu\":\"8\",\"memory\":\"16Gi\",\"pods\":\"110\",\"x.io/gpu\":\"9223372036854775807\"");
	make();
	plan.overhead = 0.1 + 0.2;
	room_of("b")->need.scalars[0].amount = INT64_MAX;
	plan_print(&plan, &text);
	assert_int_equal(plan_parse(text.data, text.len, &back, &err), 0);
	plan_print(&back, &again);
	assert_string_equal(text.data, again.data);
	assert_true(back.overhead == plan.overhead);
	assert_int_equal(back.rooms[0].need.scalars[0].amount, INT64_MAX);
	plan_free(&back);
	for (len = 0; len + 2 < text.len; len++) {
		memset(&back, 0x55, sizeof(back));
		assert_int_equal(plan_parse(text.data, len, &back, &err), -1);
		assert_true(back.covers.items == NULL && back.rooms == NULL && back.uncovered == NULL);
	}
}

static void a_text_with_another_byte_is_refused_or_is_a_plan(void **state)
{
	auto_buf struct buf text = {0};
	struct rng r = rng_make(test_seed());
	int round;

	(void)state;
	covered("p", "a", "", EVERYWHERE, "1", "");
	covered("q", "a", "", "\"latency-mesh.io/within\":\"node/a<=0.1ms\"", "1", "");
	make();
	plan_print(&plan, &text);
	for (round = 0; round < test_rounds(5000); round++) {
		auto_buf struct buf first = {0}, second = {0};
		auto_plan struct plan back = {0}, again = {0};
		uint32_t at = rng_below(&r, (uint32_t)text.len);
		char was = text.data[at];
		struct lm_err err = {0};

		text.data[at] = "\"{}[]:,0-9ez\\ \x02\xc3"[rng_below(&r, 16)];
		if (plan_parse(text.data, text.len, &back, &err) == 0) {
			plan_print(&back, &first);
			assert_int_equal(plan_parse(first.data, first.len, &again, &err), 0);
			plan_print(&again, &second);
			assert_string_equal(first.data, second.data);
		}
		text.data[at] = was;
	}
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, begin, end)

/* --- an operator's bounds -------------------------------------------------------------------------------------------------- */

static void a_namespace_that_is_not_allowed_has_no_room(void **state)
{
	static const char *edge[] = {"edge"}, *both[] = {"edge", "default"};

	(void)state;
	covered("p", "a", "", EVERYWHERE, "2", "");
	allowed = (struct option_list){edge, 1};
	make();
	assert_int_equal(plan.covers.count + plan.room_count, 0);
	assert_string_equal(reason_of("p"), "reserve.allow does not name its namespace");
	allowed = (struct option_list){both, 2};
	make();
	assert_int_equal(plan.covers.count, 1);
	allowed = (struct option_list){edge, 1};	/* what was promised is no right for ever */
	make();
	assert_int_equal(plan.covers.count, 0);
}

/* Four nodes of 8 CPUs and 16 GiB; each pod 1 GiB. */
static void of_one_priority_who_is_covered_stays(void **state)
{
	(void)state;
	covered("big", "a", "", EVERYWHERE, "4", "");
	make();
	most = 0.1;					/* (4/32 + 1/64) / 2 = 0.07 */
	covered("small", "a", "", EVERYWHERE, "3", "");
	make();
	assert_string_equal(reason_of("small"), "reserve.most (10 %) is reached");
	assert_int_equal(plan.covers.count, 1);
	plan_free(&plan);
	make();						/* nobody was: the smaller one */
	assert_string_equal(reason_of("big"), "reserve.most (10 %) is reached");
	assert_string_equal(reason_of("small"), "-");
	covered("other", "b", "", EVERYWHERE, "3", "");	/* shares the room */
	make();
	assert_string_equal(reason_of("other"), "-");
	assert_int_equal(plan.covers.count, 2);
}

static void a_higher_priority_takes_the_room(void **state)
{
	(void)state;
	covered("low", "a", "", EVERYWHERE, "3", ",\"priority\":-1");
	most = 0.125;
	make();
	assert_int_equal(plan.covers.count, 1);
	covered("high", "a", "", EVERYWHERE, "7", "");
	make();						/* (7/32 + 1/64) / 2 = 0.117 */
	assert_int_equal(plan.covers.count, 1);
	assert_string_equal(reason_of("low"), "reserve.most (12.5 %) is reached");
	most = 0.1;
	make();
	assert_string_equal(reason_of("high"), "reserve.most (10 %) is reached");
	assert_string_equal(reason_of("low"), "-");
}

/* Whom a more important pod needs is as important. */
static void a_chain_stays_together(void **state)
{
	(void)state;
	covered("front", "a", "\"app\":\"front\"", "\"latency-mesh.io/within\":\"app=back<=1ms\"", "2", ",\"priority\":100");
	covered("back", "a", "\"app\":\"back\"", EVERYWHERE, "2", "");
	covered("other", "a", "", EVERYWHERE, "1", ",\"priority\":50");
	most = 0.08;					/* (4/32 + 2/64) / 2 = 0.078 */
	make();
	assert_int_equal(plan.covers.count, 2);
	assert_string_equal(refuge_of("front"), refuge_of("back"));
	assert_string_equal(reason_of("other"), "reserve.most (8 %) is reached");
	most = 0.06;
	make();						/* back alone fits, and front needs it */
	assert_string_equal(reason_of("front"), "reserve.most (6 %) is reached");
}

/* The overhead is the mean of what is asked for: 2 GPUs of 16 beside memory are less than the memory alone. */
static void the_mean_of_more_resources_may_be_less(void **state)
{
	(void)state;
	world_pod_of(&w, "memory", "a", "\"latency-mesh.io/reserve\":\"true\"", EVERYWHERE, OWNED,
		     "\"schedulerName\":\"ours\",\"containers\":[{\"resources\":{\"requests\":{\"memory\":\"8Gi\"}}}]");
	world_pod_of(&w, "cpu", "b", "\"latency-mesh.io/reserve\":\"true\"", EVERYWHERE, OWNED,
		     "\"schedulerName\":\"ours\",\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"5\"}}}]");
	covered("low", "c", "", EVERYWHERE, "100m", ",\"priority\":-1");
	most = 0.15;					/* memory alone 8/64 = 0.125, cpu alone 5/32 = 0.156, both 0.14 */
	make();
	assert_string_equal(reason_of("memory"), "-");
	assert_string_equal(reason_of("cpu"), "-");
	most = 0.12;
	make();
	assert_string_equal(reason_of("memory"), "reserve.most (12 %) is reached");
	assert_string_equal(reason_of("low"), "-");
}

/* What is handed over stays, and is not of this plan. */
static void a_frozen_room_is_not_given_up(void **state)
{
	static const char *const names[] = {"b"};

	(void)state;
	covered("p", "a", "", "\"latency-mesh.io/within\":\"node/b<=0.1ms\"", "6", "");
	make();
	assert_string_equal(refuge_of("p"), "b");
	frozen = names;
	frozen_count = 1;
	most = 0.001;
	covered("q", "a", "", EVERYWHERE, "1", "");
	make();
	assert_string_equal(refuge_of("p"), "b");
	assert_string_equal(reason_of("q"), "reserve.most (0.1 %) is reached");
	assert_true(plan.overhead == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(nothing_wants_room),
		CASE(failures_share_one_room),
		CASE(a_room_has_each_port_once),
		CASE(placeholders_of_another_plan_make_way),
		CASE(a_chain_on_one_node_comes_back_in_order),
		CASE(what_depends_on_an_uncovered_pod_is_uncovered),
		CASE(a_circle_waits_in_a_failure_as_ever),
		CASE(affinity_and_spreading_of_the_pods_of_one_node_hold),
		CASE(load_does_not_count),
		CASE(nodes_where_a_placeholder_would_not_stay_keep_none),
		CASE(nominated_pods_keep_their_room),
		CASE(a_pods_own_nomination_keeps_nobody_away),
		CASE(pods_of_others_and_those_nobody_recreates),
		CASE(a_refuge_stays_where_nothing_better_is),
		CASE(a_refuge_stays_where_that_costs_little),
		CASE(frozen_rooms_stay_and_get_nothing_new),
		CASE(many_failures_share_the_node_that_all_can_use),
		CASE(an_annotation_is_never_too_long),
		CASE(a_plan_reads_back_and_nothing_half_does),
		CASE(a_text_with_another_byte_is_refused_or_is_a_plan),
		CASE(a_namespace_that_is_not_allowed_has_no_room),
		CASE(of_one_priority_who_is_covered_stays),
		CASE(a_higher_priority_takes_the_room),
		CASE(a_chain_stays_together),
		CASE(the_mean_of_more_resources_may_be_less),
		CASE(a_frozen_room_is_not_given_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
