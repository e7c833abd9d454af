#include "sched/reserve/room.c"

#include <cjson/cJSON.h>

#include "lib/json.h"
#include "sched/reserve/keeper_step.h"
#include "tests/testing/testing.h"

#define GPU "example.com/gpu"
#define HUGE_PAGES "hugepages-2Mi"
#define PODS 40

static char area[] = "latency";
static const struct reserve_settings settings = {.enabled = true, .namespace_ = area, .priority_class = "high", .image = "pause:1"};

static struct pod *parsed(const struct buf *body)
{
	struct lm_err err;
	auto_json cJSON *object = json_parse(body->data, body->len, JSON_DEPTH_API, &err);
	struct pod *pod;

	assert_non_null(object);
	cJSON_AddStringToObject(cJSON_GetObjectItemCaseSensitive(object, "metadata"), "uid", "u");
	pod = pod_parse(object, &err);
	assert_non_null(pod);
	return pod;
}

static bool same_resources(const struct resources *a, const struct resources *b)
{
	return resources_within(a, b) && resources_within(b, a);
}

/* --- objects -------------------------------------------------------------------------------------------------------- */

static void a_placeholder_asks_for_what_it_keeps(void **state)
{
	static char tcp[] = "TCP", udp[] = "UDP", any[] = "", local[] = "10.0.0.1";
	const struct host_port ports[] = {{any, tcp, 80}, {local, udp, 53}};
	struct room_pod room = {.requests = {.cpu_milli = 1500, .memory_bytes = 1 << 30, .ephemeral_bytes = 5000}, .ports = ports, .port_count = 2};
	auto_buf struct buf body = {0};
	struct pod *pod;

	(void)state;
	resources_set_scalar(&room.requests, GPU, 2);
	resources_set_scalar(&room.requests, HUGE_PAGES, 4 << 20);
	room_placeholder(&settings, "mine", "edge-1", "room-1", &room, &body);
	pod = parsed(&body);
	assert_string_equal(pod->name, "room-1");
	assert_string_equal(pod->node, "edge-1");
	assert_string_equal(pod->scheduler_name, "mine");
	assert_int_equal(reserve_role(&settings, pod), RESERVE_PLACEHOLDER);
	assert_true(same_resources(&pod->requests, &room.requests));
	assert_int_equal(pod->port_count, 2);
	assert_true(same_port(&pod->ports[0], &ports[0]) && same_port(&pod->ports[1], &ports[1]));
	assert_int_equal(pod->toleration_count, 0);
	assert_non_null(strstr(body.data, "\"annotations\":{\"cluster-autoscaler.kubernetes.io/safe-to-evict\":\"true\"}"));
	assert_null(pod->broken);
	assert_null(pod->unsupported);
	assert_non_null(strstr(body.data, "\"limits\":{\"" GPU "\":\"2\",\"" HUGE_PAGES "\":\"4194304\"}"));
	pod_free(pod);
	resources_free(&room.requests);
}

/* The garbage collector ends it with its owner. It is nobody's controller: a drain would wait for it. */
static void an_owner_is_named_when_it_is_known(void **state)
{
	struct reserve_settings with = settings;
	const struct room_pod room = {0};
	auto_buf struct buf body = {0}, guard = {0}, none = {0};
	struct pod *pod;

	(void)state;
	with.owner = "ConfigMap/latency-sched";
	room_placeholder(&with, "mine", "edge-1", "room-1", &room, &none);
	assert_null(strstr(none.data, "ownerReferences"));
	with.owner_uid = "1-2-3";
	room_placeholder(&with, "mine", "edge-1", "room-1", &room, &body);
	assert_non_null(strstr(body.data, "\"ownerReferences\":[{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"name\":\"latency-sched\",\"uid\":\"1-2-3\"}]"));
	pod = parsed(&body);
	assert_string_equal(pod->owner_uid, "");
	pod_free(pod);
	room_guard(&with, "mine", "edge-1", "guard", "[]", &guard);
	assert_non_null(strstr(guard.data, "\"uid\":\"1-2-3\"}]"));
	pod_free(parsed(&guard));
}

/* The API refuses a pod that asks for huge pages and neither cpu nor memory. */
static void huge_pages_are_not_asked_for_alone(void **state)
{
	struct room_pod room = {0};
	auto_buf struct buf body = {0};
	struct pod *pod;

	(void)state;
	resources_set_scalar(&room.requests, HUGE_PAGES, 2 << 20);
	room_placeholder(&settings, "mine", "n", "r", &room, &body);
	pod = parsed(&body);
	assert_int_equal(pod->requests.cpu_milli, 1);
	assert_int_equal(resources_scalar(&pod->requests, HUGE_PAGES), 2 << 20);
	pod_free(pod);
	resources_free(&room.requests);
}

static void a_guard_keeps_everybody_off_and_says_for_whom(void **state)
{
	const char *covers = "[{\"pod\":\"default/web\",\"uid\":\"u\",\"owner\":\"o\",\"node\":\"b\"}]";
	auto_buf struct buf body = {0};
	struct labels none = {0}, some = {.items = &(struct label){(char[]){"app"}, (char[]){"x"}}, .count = 1};
	struct pod *pod;

	(void)state;
	room_guard(&settings, "mine", "a", "guard", covers, &body);
	pod = parsed(&body);
	assert_null(strstr(body.data, "safe-to-evict"));
	assert_int_equal(reserve_role(&settings, pod), RESERVE_GUARD);
	assert_string_equal(pod->covers, covers);
	assert_int_equal(pod->anti_affinity_count, 1);
	assert_true(selector_matches(&pod->anti_affinity[0].selector, &none));
	assert_true(selector_matches(&pod->anti_affinity[0].selector, &some));
	assert_true(selector_matches(&pod->anti_affinity[0].namespaces_of, &none));
	assert_string_equal(pod->anti_affinity[0].topology_key, "kubernetes.io/hostname");
	assert_int_equal(pod->toleration_count, 1);
	assert_true(pod->tolerations[0].exists && !pod->tolerations[0].key[0] && !pod->tolerations[0].effect[0]);
	assert_true(pod->requests.cpu_milli == 0 && pod->requests.memory_bytes == 0);
	pod_free(pod);
}

static void names_follow_from_the_node(void **state)
{
	char a[ROOM_NAME_MAX], b[ROOM_NAME_MAX];

	(void)state;
	room_placeholder_name("edge-1", 0, 7, a);
	room_placeholder_name("edge-1", 0, 7, b);
	assert_string_equal(a, b);
	room_placeholder_name("edge-1", 0, 8, b);
	assert_true(strcmp(a, b) < 0);	/* by number */
	room_placeholder_name("edge-2", 0, 7, b);
	assert_string_not_equal(a, b);
	room_placeholder_name("edge-1", 1, 7, b);
	assert_string_not_equal(a, b);
	room_guard_name("edge-1", 0, b);
	assert_true(strlen(a) <= 63 && strlen(b) <= 63);
}

/* --- changes -------------------------------------------------------------------------------------------------------- */

static struct pod **pods;		/* the placeholders of a node */
static size_t count, pods_room;

static void add(const struct room_pod *room)
{
	auto_buf struct buf body = {0};

	grow(&pods, &pods_room, count + 1, sizeof(*pods));
	room_placeholder(&settings, "mine", "a", "r", room, &body);
	pods[count++] = parsed(&body);
}

static void clear(void)
{
	while (count)
		pod_free(pods[--count]);
}

static struct plan_room random_want(struct rng *r)
{
	static char tcp[] = "TCP", any[] = "";
	struct plan_room want = {.pods = 1 + rng_below(r, PODS)};
	uint32_t i;

	want.need = (struct resources){.cpu_milli = rng_chance(r, 0.8) ? rng_below(r, 10000) : 0, .memory_bytes = rng_chance(r, 0.8) ? rng_below(r, 1 << 30) : 0,
				       .ephemeral_bytes = rng_chance(r, 0.2) ? rng_below(r, 1 << 20) : 0};
	if (rng_chance(r, 0.3))
		resources_set_scalar(&want.need, GPU, 1 + rng_below(r, 8));
	if (rng_chance(r, 0.3))
		resources_set_scalar(&want.need, HUGE_PAGES, (int64_t)(1 + rng_below(r, 8)) << 21);
	want.port_count = rng_chance(r, 0.3) ? rng_below(r, 5) : 0;
	want.ports = xcalloc(want.port_count + 1u, sizeof(*want.ports));
	for (i = 0; i < want.port_count; i++)
		want.ports[i] = (struct host_port){any, tcp, (int32_t)(1000 + 10 * i + rng_below(r, 3))};
	return want;
}

/* As the old one with something more or less. */
static struct plan_room drifted(struct rng *r, const struct plan_room *old)
{
	struct plan_room want = random_want(r);
	uint32_t i;

	if (rng_chance(r, 0.3))
		return want;
	resources_free(&want.need);
	resources_copy(&want.need, &old->need);
	want.pods = old->pods;
	want.port_count = old->port_count;
	free(want.ports);
	want.ports = xcalloc(want.port_count + 1u, sizeof(*want.ports));
	for (i = 0; i < old->port_count; i++)
		want.ports[i] = old->ports[i];
	want.need.cpu_milli += rng_below(r, 500);
	want.need.cpu_milli -= rng_chance(r, 0.5) ? want.need.cpu_milli / (2 + rng_below(r, 30)) : 0;
	want.pods += rng_below(r, 3);
	return want;
}

static void free_want(struct plan_room *want)
{
	resources_free(&want->need);
	free(want->ports);
}

static void sum_up(struct resources *sum)
{
	size_t i;

	*sum = (struct resources){0};
	for (i = 0; i < count; i++)
		resources_add(sum, &pods[i]->requests);
}

/* In order: `more`, and its tenth and one thousandth for each pod. */
static bool is_little_more(const struct plan_room *want, const struct resources *has)
{
	return has->cpu_milli - (int64_t)count <= want->need.cpu_milli + want->need.cpu_milli / 10 &&
		has->memory_bytes <= want->need.memory_bytes + want->need.memory_bytes / 10 &&
		resources_scalar(has, GPU) <= resources_scalar(&want->need, GPU) + resources_scalar(&want->need, GPU) / 10;
}

static void check_right(const struct plan_room *want)
{
	struct resources has;
	uint32_t i;
	size_t j;

	sum_up(&has);
	assert_true(resources_within(&want->need, &has));
	assert_true(is_little_more(want, &has));
	assert_true(count >= want->pods && count <= want->pods + (want->pods >= 20 ? want->pods / 10 : 1));
	for (i = 0; i < want->port_count; i++)
		assert_true(pods_have_port((const struct pod *const *)pods, count, &want->ports[i]));
	for (j = 0; j < count; j++)
		for (i = 0; i < pods[j]->port_count; i++)
			assert_true(has_port(want->ports, want->port_count, &pods[j]->ports[i]));
	resources_free(&has);
}

/* What the change says makes it right, in one step, and then there is nothing to do. */
static enum room_step follow(const struct plan_room *want)
{
	auto_room_change struct room_change change = {0}, after = {0};
	enum room_step step;
	size_t i;

	room_change_of(want, (const struct pod *const *)pods, count, &change);
	step = change.step;
	if (step == ROOM_RENEW || step == ROOM_EMPTY)
		clear();
	for (i = 0; i < change.add_count; i++)
		add(&change.add[i]);
	if (want)
		check_right(want);
	else
		assert_int_equal(count, 0);
	room_change_of(want, (const struct pod *const *)pods, count, &after);
	assert_int_equal(after.step, ROOM_RIGHT);
	assert_int_equal(after.add_count, 0);
	return step;
}

static void any_room_becomes_right_in_one_step(void **state)
{
	struct rng r = rng_make(test_seed());
	int seen[4] = {0}, i, n = test_rounds(3000);
	struct plan_room want = random_want(&r);

	(void)state;
	for (i = 0; i < n; i++) {
		struct plan_room next = drifted(&r, &want);

		free_want(&want);
		want = next;
		seen[follow(rng_chance(&r, 0.05) ? NULL : &want)]++;
	}
	printf("# right %d, add %d, renew %d, empty %d\n", seen[0], seen[1], seen[2], seen[3]);
	assert_true(seen[ROOM_RIGHT] && seen[ROOM_ADD] && seen[ROOM_RENEW] && (seen[ROOM_EMPTY] || n < 100));
	free_want(&want);
	clear();
	free(pods);
	pods = NULL;
	pods_room = 0;
}

static void growing_adds_what_is_missing_alone(void **state)
{
	struct plan_room want = {.need = {.cpu_milli = 1000, .memory_bytes = 1000}, .pods = 2};
	auto_room_change struct room_change change = {0};

	(void)state;
	assert_int_equal(follow(&want), ROOM_ADD);
	assert_int_equal(count, 2);
	want.need.cpu_milli = 1300;
	room_change_of(&want, (const struct pod *const *)pods, count, &change);
	assert_int_equal(change.step, ROOM_ADD);
	assert_int_equal(change.add_count, 1);
	assert_int_equal(change.add[0].requests.cpu_milli, 300);
	assert_int_equal(change.add[0].requests.memory_bytes, 0);
	want.need.cpu_milli = 920;	/* a tenth more is there */
	assert_int_equal(follow(&want), ROOM_RIGHT);
	want.need.cpu_milli = 900;
	assert_int_equal(follow(&want), ROOM_RENEW);
	assert_int_equal(count, 2);
	clear();
	free(pods);
	pods = NULL;
	pods_room = 0;
}

/* --- the steps of a keeper ------------------------------------------------------------------------------------------ */

/* A node as a plain machine. What is done for it may fail any number of times; a crash forgets nothing, as nothing is known but what is there. */
struct site {
	struct keeper_facts f;
	size_t wanted;			/* placeholders, by the plan */
	bool too_many;			/* those that are there are not the plan's */
	bool moved;			/* the covers that are to go with them are not written down yet */
};

static void look(struct site *n)
{
	if (n->wanted == 0)
		n->f.step = n->f.placeholders ? ROOM_EMPTY : ROOM_RIGHT;
	else if (n->f.placeholders && (n->too_many || n->f.placeholders > n->wanted))
		n->f.step = ROOM_RENEW;
	else
		n->f.step = n->f.placeholders < n->wanted ? ROOM_ADD : ROOM_RIGHT;
}

/* What is done must never leave the room to others. */
static void apply(struct site *n, enum keeper_do what, struct rng *r)
{
	switch (what) {
	case KEEPER_NOTHING: break;
	case KEEPER_GUARD:
		assert_false(n->f.guard);
		n->f.guard = n->f.guard_covers_right = true;
		break;
	case KEEPER_GUARD_COVERS:
		assert_true(n->f.guard);
		n->f.guard_covers_right = true;
		break;
	case KEEPER_CLEAR:
		assert_true(n->f.placeholders > 0);
		assert_true(n->wanted == 0 || n->f.guard || (!n->f.open && n->f.step == ROOM_EMPTY));
		assert_true(!n->f.guard || n->f.guard_covers_right);
		n->f.placeholders -= 1 + rng_below(r, (uint32_t)n->f.placeholders);
		n->too_many = n->too_many && n->f.placeholders;
		break;
	case KEEPER_ADD:
		assert_false(n->f.open);
		n->f.placeholders += 1 + rng_below(r, (uint32_t)(n->wanted - n->f.placeholders));
		n->f.covers_right = false;
		break;
	case KEEPER_COVERS:
		assert_false(n->f.open);
		assert_int_equal(n->f.step, ROOM_RIGHT);
		n->f.covers_right = true;
		break;
	case KEEPER_UNGUARD:
		assert_true(n->f.guard && !n->f.open && n->f.planned && n->f.step == ROOM_RIGHT && n->f.covers_right);
		n->f.guard = false;
		break;
	}
}

static bool done(struct site *n)
{
	look(n);
	if (n->f.open)
		return n->f.guard && !n->f.placeholders;
	return !n->f.planned || (!n->f.guard && n->f.step == ROOM_RIGHT && n->f.covers_right);
}

static void surprise(struct site *n, struct rng *r)
{
	switch (rng_below(r, 5)) {
	case 0: n->f.open = true; n->f.guard_covers_right = false; break;
	case 1: n->f.open = false; n->f.planned = false; break;
	case 2: n->f.planned = true; n->wanted = rng_below(r, 4); n->f.covers_right = n->f.guard_covers_right = false; break;
	case 3: n->too_many = n->f.placeholders > 0; break;
	default: n->f.guard = rng_chance(r, 0.5) && n->f.guard; break;	/* somebody deletes it */
	}
}

static void a_keeper_comes_to_its_end_from_anywhere(void **state)
{
	struct rng r = rng_make(test_seed());
	int rounds = test_rounds(20000), i, steps;
	struct site n = {.f = {.covers_right = true}};

	(void)state;
	for (i = 0; i < rounds; i++) {
		surprise(&n, &r);
		for (steps = 0; !done(&n); steps++) {
			assert_true(steps < 100);
			if (rng_chance(&r, 0.7))
				apply(&n, keeper_next(&n.f), &r);
		}
		if (n.f.open)
			assert_int_equal(keeper_state_of(&n.f), KEEPER_OPEN);
		else if (n.f.planned)
			assert_int_equal(keeper_state_of(&n.f), KEEPER_STEADY);
		assert_int_equal(keeper_next(&n.f), KEEPER_NOTHING);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_placeholder_asks_for_what_it_keeps),
		cmocka_unit_test(an_owner_is_named_when_it_is_known),
		cmocka_unit_test(huge_pages_are_not_asked_for_alone),
		cmocka_unit_test(a_guard_keeps_everybody_off_and_says_for_whom),
		cmocka_unit_test(names_follow_from_the_node),
		cmocka_unit_test(any_room_becomes_right_in_one_step),
		cmocka_unit_test(growing_adds_what_is_missing_alone),
		cmocka_unit_test(a_keeper_comes_to_its_end_from_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
