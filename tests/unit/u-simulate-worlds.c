/*
 * The steps of simulate on random clusters: what holds after any of them. Where pods are is followed from the output alone, and latency limits and sums
 * of requests are computed here anew.
 */
#include "tests/unit/simulate_world.h"

/* --- what is followed, and what is known of it without the program ---------------------------------------------------- */

static void follow_placements(const cJSON *json)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, json_get(json, "pods"))
		pod_named(text_of(item, "name"))->node = node_number(text_of(item, "node"));
}

static void follow_step(const cJSON *step)
{
	const cJSON *item;
	int number;

	if (sscanf(text_of(step, "step"), "fail edge-%d", &number) == 1)
		w.failed[number] = true;
	if (sscanf(text_of(step, "step"), "recover edge-%d", &number) == 1)
		w.failed[number] = false;
	cJSON_ArrayForEach(item, json_get(step, "pods")) {
		struct spec *p = pod_named(text_of(item, "name"));

		p->node = node_number(text_of(item, "node"));
		p->gone = STREQ(text_of(item, "end"), "gone");
	}
}

static void no_node_has_too_much(void)
{
	int node, i;

	for (node = 0; node < NODES; node++) {
		int cpu = 0, pods = 0;

		for (i = 0; i < PODS; i++) {
			if (w.pod[i].node != node)
				continue;
			cpu += w.pod[i].cpu_milli;
			pods++;
		}
		assert_true(cpu <= w.cpu_milli[node] && pods <= w.max_pods[node]);
		assert_true(!pods || !w.failed[node]);
	}
}

/* The room of the report beside what is there. */
static void room_is_free(const cJSON *reserve)
{
	const cJSON *room;
	int i;

	cJSON_ArrayForEach(room, json_get(reserve, "rooms")) {
		int node = node_number(text_of(room, "node")), cpu = (int)number_of(room, "cpu_milli"), pods = (int)number_of(room, "pods");

		for (i = 0; i < PODS; i++) {
			cpu += w.pod[i].node == node ? w.pod[i].cpu_milli : 0;
			pods += w.pod[i].node == node;
		}
		assert_true(cpu <= w.cpu_milli[node] && pods <= w.max_pods[node] && !w.failed[node]);
	}
}

static void violations_are_those(const cJSON *report)
{
	const cJSON *list = json_get(report, "violated"), *item = list->child;
	int i;

	for (i = 0; i < PODS; i++) {	/* both are sorted by name */
		const struct spec *p = &w.pod[i];
		int pods;
		double most;

		if (p->node == NOWHERE || is_kept(p, p->node))
			continue;
		if (!item)
			fail_msg("%s on edge-%d is not told", p->name, p->node);
		most = farthest(p, p->node, &pods);
		assert_string_equal(text_of(item, "name"), p->name);
		assert_int_equal(node_number(text_of(item, "node")), p->node);
		assert_true(fabs(number_of(item, "limit_us") - p->limit_ms * 1e3) < 0.01);
		if (pods && !isnan(most))
			assert_true(fabs(number_of(item, "now_us") - most) < 0.2);
		item = item->next;
	}
	if (item)
		fail_msg("%s is told to be beyond its limit", text_of(item, "name"));
}

static void keep_covers(const cJSON *report)
{
	const cJSON *item;
	int i;

	w.covered = 0;
	for (i = 0; i < PODS; i++)
		w.refuge[i][0] = '\0';
	if (cJSON_IsNull(json_get(report, "reserve")))
		return;
	cJSON_ArrayForEach(item, json_get(json_get(report, "reserve"), "covered")) {
		i = (int)(pod_named(text_of(item, "name")) - w.pod);
		snprintf(w.refuge[i], sizeof(w.refuge[i]), "%s", text_of(item, "refuge"));
		assert_int_equal(node_number(text_of(item, "node")), w.pod[i].node);
		assert_true(w.pod[i].reserve && w.pod[i].owner && w.pod[i].to != TO_NOTHING);
		w.covered++;
	}
}

/* --- properties ------------------------------------------------------------------------------------------------------- */

static int moved_to_refuge, near_the_dead;	/* pods; those of them that are limited to the node that failed */

/* A step that lost a node: who was covered is in his refuge, and all who moved are within their limits. */
static void covered_pods_are_in_their_refuges(const cJSON *step)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, json_get(step, "pods")) {
		const struct spec *p = pod_named(text_of(item, "name"));
		const char *refuge = w.refuge[p - w.pod], *from = text_of(item, "from");
		bool lost_now = from && STREQ(from, text_of(step, "step") + strlen("fail "));

		if (lost_now && *refuge) {
			if (!STREQ(text_of(item, "end"), "refuge"))
				fail_msg("%s did not get its room on %s: %s, %s", p->name, refuge, text_of(item, "end"),
					 text_of(item, "message") ? text_of(item, "message") : "");
			assert_string_equal(text_of(item, "node"), refuge);
			assert_string_equal(text_of(item, "refuge"), refuge);
			moved_to_refuge++;
			near_the_dead += p->to == TO_NODE && p->target == p->node;
		}
		if (lost_now)
			assert_true(STREQ(text_of(item, "end"), "gone") == !p->owner);
	}
}

static void moved_pods_keep_their_limits(const cJSON *step)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, json_get(step, "pods")) {
		const struct spec *p = pod_named(text_of(item, "name"));

		if (p->node != NOWHERE && p->to == TO_NODE)	/* of an app others may have moved after it */
			assert_true(is_kept(p, p->node));
	}
}

static void after_a_failure_all_is_where_it_was_promised(void **state)
{
	int world, i, covered = 0;

	(void)state;
	moved_to_refuge = near_the_dead = 0;
	for (world = 0; world < WORLDS; world++) {
		char text[3][32];
		const char *steps[3] = {text[0], text[1], text[2]};
		auto_free char *out = NULL;
		auto_json cJSON *json = NULL;

		world_begin(test_seed() + (uint64_t)world, true, world % 2);
		for (i = 0; i < 3; i++)		/* all different, and those that pods are limited to, too */
			snprintf(text[i], sizeof(text[i]), "fail edge-%d", (world + i) % NODES);
		out = run_steps(steps, 3, "json");
		json = parse(out);
		follow_placements(json);
		no_node_has_too_much();
		violations_are_those(json_get(json, "before"));
		keep_covers(json_get(json, "before"));
		for (i = 0; i < 3; i++) {
			const cJSON *step = at(json_get(json, "steps"), i);

			covered += w.covered;
			covered_pods_are_in_their_refuges(step);
			follow_step(step);
			no_node_has_too_much();
			moved_pods_keep_their_limits(step);
			violations_are_those(step);
			room_is_free(json_get(step, "reserve"));
			keep_covers(step);
		}
	}
	printf("# %d worlds: %d covers before steps, %d pods moved into their room, %d of them limited to the node that they were on\n", WORLDS, covered,
	       moved_to_refuge, near_the_dead);
	assert_true(moved_to_refuge > WORLDS / 2);
	assert_true(near_the_dead >= WORLDS / 8);
}

/* Limits are to nodes alone here, and no room is kept: what lost its node fits where it was. */
static void what_recovers_takes_its_pods_back(void **state)
{
	int world, waited = 0, i;

	(void)state;
	for (world = 0; world < WORLDS; world++) {
		char fail[32], back[32];
		const char *steps[2] = {fail, back};
		bool pending[PODS], late;
		auto_free char *out = NULL;
		auto_json cJSON *json = NULL;

		world_begin(test_seed() + 1000 + (uint64_t)world, false, false);
		snprintf(fail, sizeof(fail), "fail edge-%d", world % NODES);
		snprintf(back, sizeof(back), "recover edge-%d", world % NODES);
		out = run_steps(steps, 2, "json");
		json = parse(out);
		follow_placements(json);
		for (i = 0; i < PODS; i++)
			pending[i] = w.pod[i].node == NOWHERE;
		follow_step(at(json_get(json, "steps"), 0));
		violations_are_those(at(json_get(json, "steps"), 0));
		for (i = 0; i < PODS; i++)
			waited += !pending[i] && !w.pod[i].gone && w.pod[i].node == NOWHERE;
		follow_step(at(json_get(json, "steps"), 1));
		violations_are_those(at(json_get(json, "steps"), 1));
		no_node_has_too_much();
		for (i = 0, late = false; i < PODS; i++)	/* who had no place at first has one of theirs now */
			late |= pending[i] && w.pod[i].node != NOWHERE;
		for (i = 0; i < PODS; i++) {
			if (w.pod[i].node == NOWHERE && !w.pod[i].gone && !pending[i] && !late)
				fail_msg("world %d: %s has no place", world, w.pod[i].name);
			if (w.pod[i].node == NOWHERE && w.pod[i].gone)
				assert_false(w.pod[i].owner);
		}
	}
	printf("# %d pods waited for their node\n", waited);
	assert_true(waited > 0);
}

/* A drift of a way that a pod is limited to: told with its numbers, and no more when it is as it was. */
static void a_drift_is_told_with_its_numbers(void **state)
{
	int world, told = 0, i;

	(void)state;
	for (world = 0; world < WORLDS; world++) {
		char there[64], back[64];
		const char *steps[2] = {there, back};
		auto_free char *first = NULL, *out = NULL;
		auto_json cJSON *before = NULL, *json = NULL;
		const struct spec *p = NULL;
		double was_us;

		world_begin(test_seed() + 2000 + (uint64_t)world, false, true);
		first = run_steps(NULL, 0, "json");
		before = parse(first);
		assert_null(json_get(before, "steps"));
		follow_placements(before);
		for (i = 0; i < PODS && !p; i++)
			if (w.pod[i].node != NOWHERE && w.pod[i].to == TO_NODE && w.pod[i].node != w.pod[i].target)
				p = &w.pod[i];
		if (!p)
			continue;
		snprintf(there, sizeof(there), "drift edge-%d edge-%d %d.5ms", p->node, p->target, p->limit_ms);
		snprintf(back, sizeof(back), "drift edge-%d edge-%d %.1fus", p->target, p->node, rtt_between(p->node, p->target));
		out = run_steps(steps, 2, "json");
		json = parse(out);
		was_us = rtt_between(p->node, p->target);
		violations_are_those(json_get(json, "before"));
		follow_step(at(json_get(json, "steps"), 0));
		w.rtt_us[p->node][p->target] = w.rtt_us[p->target][p->node] = p->limit_ms * 1e3 + 500;
		assert_false(is_kept(p, p->node));
		violations_are_those(at(json_get(json, "steps"), 0));
		follow_step(at(json_get(json, "steps"), 1));
		w.rtt_us[p->node][p->target] = w.rtt_us[p->target][p->node] = was_us;
		assert_true(is_kept(p, p->node));
		violations_are_those(at(json_get(json, "steps"), 1));
		told++;
	}
	printf("# %d drifts\n", told);
	assert_true(told > WORLDS / 4);
}

/* Of two reports: the same pods at the same places, the same limits violated. */
static void same_end(const cJSON *a, const cJSON *b)
{
	const cJSON *x = json_get(a, "pods")->child, *y = json_get(b, "pods")->child;
	auto_free char *limits = cJSON_PrintUnformatted(json_get(a, "violated")), *others = cJSON_PrintUnformatted(json_get(b, "violated"));

	for (; x && y; x = x->next, y = y->next) {
		assert_string_equal(text_of(x, "name"), text_of(y, "name"));
		assert_int_equal(node_number(text_of(x, "node")), node_number(text_of(y, "node")));
		assert_string_equal(text_of(x, "end"), text_of(y, "end"));
	}
	assert_true(!x && !y);
	assert_string_equal(limits, others);
}

/* Two steps in one run; and the second alone, on a cluster and a matrix that are written as the first left them. */
static void steps_compose(void **state)
{
	int world;

	(void)state;
	for (world = 0; world < WORLDS; world++) {
		char first[32], second[32], drift[64];
		const char *steps[3] = {first, second, drift}, *rest[2] = {second, drift};
		auto_free char *whole = NULL, *again = NULL, *parts = NULL;
		auto_json cJSON *json = NULL, *later = NULL;

		world_begin(test_seed() + 3000 + (uint64_t)world, false, true);
		snprintf(first, sizeof(first), "fail edge-%d", world % NODES);
		snprintf(second, sizeof(second), "fail edge-%d", (world + 3) % NODES);
		snprintf(drift, sizeof(drift), "drift edge-%d edge-%d 1ms", (world + 1) % NODES, (world + 2) % NODES);
		whole = run_steps(steps, 3, "json");
		again = run_steps(steps, 3, "json");
		assert_string_equal(whole, again);
		json = parse(whole);
		follow_placements(json);
		follow_step(at(json_get(json, "steps"), 0));
		write_cluster();
		write_matrix();
		parts = run_steps(rest, 2, "json");
		later = parse(parts);
		same_end(at(json_get(json, "steps"), 1), at(json_get(later, "steps"), 0));
		same_end(at(json_get(json, "steps"), 2), at(json_get(later, "steps"), 1));
	}
}

/* What comes later changes nothing of what was before; with a reserve, too. */
static void a_step_does_not_know_the_next(void **state)
{
	int world;

	(void)state;
	for (world = 0; world < WORLDS / 2; world++) {
		const char *steps[3] = {"fail edge-1", "drift edge-2 edge-3 lost", "recover edge-1"};
		auto_free char *whole = NULL, *part = NULL;
		const char *end;

		world_begin(test_seed() + 4000 + (uint64_t)world, true, true);
		whole = run_steps(steps, 3, "json");
		part = run_steps(steps, 2, "json");
		end = strstr(part, "]}],\n\"moves\"");
		if (!end)
			end = strstr(part, "}],\n\"moves\"");
		assert_non_null(end);
		assert_memory_equal(whole, part, (size_t)(end - part));
	}
}

static int forget_world(void **state)
{
	(void)state;
	free(w.cluster);
	free(w.matrix);
	free(w.pods);
	free(w.config);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(after_a_failure_all_is_where_it_was_promised),
		cmocka_unit_test(what_recovers_takes_its_pods_back),
		cmocka_unit_test(a_drift_is_told_with_its_numbers),
		cmocka_unit_test(steps_compose),
		cmocka_unit_test(a_step_does_not_know_the_next),
	};

	return cmocka_run_group_tests_name("simulate-worlds", tests, NULL, forget_world);
}
