/* Which pods have a right to a room, how long it waits for them, and how long a guard may keep others off. Without a server: requests are only noted. */
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/kube/client.h"
#include "sched/stats.h"
#include "tests/unit/objects.h"

static struct kube_call *note_request(struct kube *k, const struct kube_request *request, kube_done *done, void *arg);
static void note_end(struct kube *k, struct kube_call *call);
#define kube_send note_request
#define kube_cancel note_end
#define pod_of pod_of_response
#include "sched/reserve/keeper_call.c"
#undef pod_of

#define GUARD "latency-mesh-guard-0"

struct request {
	char method[8], path[300];
	kube_done *done;
	void *arg;
};

static struct request requests[20];
static size_t request_count;

static struct kube_call *note_request(struct kube *k, const struct kube_request *request, kube_done *done, void *arg)
{
	struct request *r = &requests[request_count++];

	(void)k;
	assert_true(request_count <= ARRAY_SIZE(requests));
	snprintf(r->method, sizeof(r->method), "%s", request->method);
	snprintf(r->path, sizeof(r->path), "%s", request->path);
	r->done = done;
	r->arg = arg;
	return NULL;
}

static void note_end(struct kube *k, struct kube_call *call)
{
	(void)k;
	(void)call;
}

/* All that were sent are answered so; how many there were of a method. What is sent because of that waits for the next answer. */
static size_t answer(const char *method, int status)
{
	size_t count = 0, i, all = request_count;

	for (i = 0; i < all; i++)
		count += STREQ(requests[i].method, method);
	for (i = 0; i < all; i++)
		requests[i].done(requests[i].arg, &(struct kube_response){.status = status, .sent = true, .body = "", .retry_after_ms = -1});
	request_count -= all;
	memmove(requests, requests + all, request_count * sizeof(*requests));
	return count;
}

struct stage {
	struct cache *cache;
	struct settings settings;
	struct profile profile;
	struct limit limit;
	struct metrics *stats;
	struct reserve *reserve;
};

static void wake(void *arg, unsigned bits)
{
	(void)arg;
	(void)bits;
}

static bool acts_always(void *arg)
{
	(void)arg;
	return true;
}

static void put_node(struct stage *s, const char *name)
{
	auto_free char *text = xasprintf("{'metadata':{'name':'%s','uid':'n-%s'},'spec':{},'status':{'allocatable':{'cpu':'4','memory':'8Gi','pods':'110'}}}", name, name);

	cache_put_node(s->cache, node_of_text(text));
}

static void put_pod(struct stage *s, const char *text)
{
	struct pod *pod = pod_of(text);
	auto_free char *uid = xstrdup(pod->uid);

	cache_put_pod(s->cache, pod);
	reserve_seen(s->reserve, uid);
}

static void delete_pod(struct stage *s, const char *uid)
{
	cache_delete_pod(s->cache, uid);
	reserve_seen(s->reserve, uid);
}

/* Nodes a and b; web-0 of rs is on a, and has room on b. */
static void begin(struct stage *s, const char *role)
{
	auto_free char *keeps = xasprintf("{'metadata':{'name':'%s','namespace':'latency','uid':'uid-room','resourceVersion':'5','labels':{'latency-mesh.io/role':'%s'},"
		"'annotations':{'latency-mesh.io/covers':'[{\\'pod\\':\\'default/web-0\\',\\'uid\\':\\'uid-web-0\\',\\'owner\\':\\'rs\\',\\'node\\':\\'a\\'}]'}},"
		"'spec':{'nodeName':'b','containers':[{'resources':{'requests':{'cpu':'1'}}}]}}", STREQ(role, "guard") ? GUARD : "room-1", role);
	struct reserve_hooks hooks = {wake, acts_always, NULL};
	static char area[] = "latency", class[] = "high", image[] = "pause", ours[] = "ours";

	*s = (struct stage){.cache = cache_new(), .stats = stats_new()};
	profile_init(&s->profile, ours);
	s->settings = (struct settings){.reserve = {.enabled = true, .namespace_ = area, .priority_class = class, .image = image},
					.profiles = &s->profile, .profile_count = 1};
	limit_set(&s->limit, 1000, 1000, clock_mono_ms());
	s->reserve = reserve_new(NULL, s->cache, &s->settings, NULL, &s->limit, NULL, s->stats, &hooks);
	request_count = 0;
	put_node(s, "a");
	put_node(s, "b");
	put_pod(s, "{'metadata':{'name':'web-0','namespace':'default','uid':'uid-web-0'},'spec':{'nodeName':'a'}}");
	put_pod(s, keeps);
}

static void end(struct stage *s)
{
	reserve_free(s->reserve);
	cache_free(s->cache);
	metrics_free(s->stats);
	profile_free(&s->profile);
}

static struct keeper *keeper(struct stage *s)
{
	return keeper_find(s->reserve, "b");
}

/* --- rights ------------------------------------------------------------------------------------------------------------ */

static enum reserve_answer ask_for(struct stage *s, const char *namespace_)
{
	auto_free char *text = xasprintf("{'metadata':{'name':'web-1','namespace':'%s','uid':'uid-web-1','ownerReferences':[{'kind':'ReplicaSet','name':'rs',"
					 "'uid':'rs','controller':true}]},'spec':{'schedulerName':'ours'}}", namespace_);

	put_pod(s, text);
	return reserve_refuge(s->reserve, cache_find_pod(s->cache, "uid-web-1")->pod, clock_mono_ms());
}

/* Who makes a pod writes its owner as he likes. */
static void a_right_is_of_one_namespace(void **state)
{
	struct stage s;

	(void)state;
	begin(&s, "placeholder");
	cache_delete_node(s.cache, "a");
	delete_pod(&s, "uid-web-0");
	assert_int_equal(ask_for(&s, "elsewhere"), RESERVE_NO_RIGHT);
	assert_false(keeper(&s)->open);
	delete_pod(&s, "uid-web-1");
	assert_int_equal(ask_for(&s, "default"), RESERVE_WAIT);
	assert_true(keeper(&s)->open);
	end(&s);
}

static void a_node_that_is_back_has_not_failed(void **state)
{
	struct stage s;

	(void)state;
	begin(&s, "placeholder");
	reserve_node_failed(s.reserve, "a");
	assert_true(reserve_node_is_dead(s.reserve, "a"));
	assert_true(keeper(&s)->open);
	reserve_node_back(s.reserve, "b");
	assert_true(reserve_node_is_dead(s.reserve, "a"));
	reserve_node_back(s.reserve, "a");
	assert_false(reserve_node_is_dead(s.reserve, "a"));
	end(&s);
}

static void what_was_handed_over_is_planned_soon(void **state)
{
	struct stage s;
	int64_t now = clock_mono_ms();

	(void)state;
	begin(&s, "guard");
	reserve_node_failed(s.reserve, "a");
	s.reserve->plan_next_ms = now + 500000;	/* the last plan took long */
	rights_tick(s.reserve, now);
	assert_true(keeper(&s)->open);
	assert_int_equal(s.reserve->plan_next_ms, now + 500000);
	now = clock_mono_ms() + RESERVE_OPEN_MS + 1;
	rights_tick(s.reserve, now);
	assert_false(keeper(&s)->open);
	assert_true(keeper_closed(keeper(&s)));
	assert_in_range(s.reserve->plan_next_ms, 0, now + RESERVE_PLAN_MS);
	end(&s);
}

/* --- how long a room waits ------------------------------------------------------------------------------------------------ */

static void a_room_waits_while_its_pod_is_on_a_dead_node_and_not_for_ever_after(void **state)
{
	struct stage s;
	int64_t now = clock_mono_ms();

	(void)state;
	begin(&s, "placeholder");
	assert_false(keeper_frozen(keeper(&s), now));
	cache_delete_node(s.cache, "a");
	assert_true(keeper_frozen(keeper(&s), now));
	assert_true(keeper_frozen(keeper(&s), now + 10 * RESERVE_OWED_MS)); /* its pod is there */
	delete_pod(&s, "uid-web-0");
	now = clock_mono_ms();
	assert_true(keeper_frozen(keeper(&s), now + RESERVE_OWED_MS / 2));
	assert_false(keeper_frozen(keeper(&s), now + RESERVE_OWED_MS + 1)); /* nobody came: the next plan is free */
	end(&s);
}

/* Some controllers make the next pod only when the old one is gone: until then plans keep its room, and it is owed from then on. */
static void a_pod_that_ends_on_a_dead_node_keeps_its_room(void **state)
{
	static const char *const ending = "{'metadata':{'name':'web-0','namespace':'default','uid':'uid-web-0','deletionTimestamp':'2026-11-21T21:00:00Z'},"
					  "'spec':{'nodeName':'a'}}";
	struct stage s;
	struct held *h;
	int64_t now;

	(void)state;
	begin(&s, "placeholder");
	h = held_find(s.reserve, "uid-web-0");
	put_pod(&s, ending);
	now = clock_mono_ms();
	assert_false(held_stands(h, now)); /* its node lives */
	reserve_node_failed(s.reserve, "a");
	assert_true(held_stands(h, now + RESERVE_OWED_MS / 2));
	assert_false(held_stands(h, now + RESERVE_OWED_MS + 1));
	h->gone_ms -= RESERVE_OWED_MS;
	assert_int_equal(ask_for(&s, "default"), RESERVE_NO_RIGHT);
	delete_pod(&s, "uid-web-1");
	delete_pod(&s, "uid-web-0");
	now = clock_mono_ms();
	assert_true(held_stands(h, now + RESERVE_OWED_MS / 2));
	assert_int_equal(s.reserve->gone, 1);
	assert_int_equal(ask_for(&s, "default"), RESERVE_WAIT);
	h->used = true;
	assert_false(held_stands(h, now));
	end(&s);
}

/* A right is used up by an offer, not by an API server that is in trouble for longer than a room is open. */
static void a_room_that_was_never_empty_is_opened_again(void **state)
{
	struct stage s;

	(void)state;
	begin(&s, "guard");		/* the room is empty */
	reserve_node_failed(s.reserve, "a");
	delete_pod(&s, "uid-web-0");
	assert_int_equal(ask_for(&s, "default"), RESERVE_GO);
	keeper_tick(keeper(&s), clock_mono_ms());
	rights_tick(s.reserve, clock_mono_ms() + RESERVE_OPEN_MS + 1);
	assert_int_equal(ask_for(&s, "default"), RESERVE_NO_RIGHT);
	assert_false(keeper(&s)->open);
	end(&s);
	begin(&s, "placeholder");	/* and no guard can be made */
	reserve_node_failed(s.reserve, "a");
	delete_pod(&s, "uid-web-0");
	assert_int_equal(ask_for(&s, "default"), RESERVE_WAIT);
	keeper_tick(keeper(&s), clock_mono_ms());
	assert_int_equal(answer("POST", 500), 1);
	rights_tick(s.reserve, clock_mono_ms() + RESERVE_OPEN_MS + 1);
	assert_false(keeper(&s)->open);
	assert_int_equal(ask_for(&s, "default"), RESERVE_WAIT);
	end(&s);
}

static void only_who_comes_keeps_a_room_open(void **state)
{
	const char *on_b = "{'metadata':{'name':'web-1','namespace':'default','uid':'uid-web-1','ownerReferences':[{'kind':'ReplicaSet','name':'rs','uid':'rs',"
			   "'controller':true}]},'spec':{'schedulerName':'ours','nodeName':'b'}}";
	struct stage s;
	int64_t before;

	(void)state;
	begin(&s, "guard");
	reserve_node_failed(s.reserve, "a");
	delete_pod(&s, "uid-web-0");
	assert_int_equal(ask_for(&s, "default"), RESERVE_GO);
	before = keeper(&s)->came_ms -= 20000;
	reserve_enter(s.reserve, cache_find_pod(s.cache, "uid-web-1")->pod);
	reserve_leave(s.reserve, cache_find_pod(s.cache, "uid-web-1")->pod, true);
	assert_int_equal(ask_for(&s, "default"), RESERVE_GO);	/* its binding failed */
	assert_int_equal(keeper(&s)->came_ms, before);
	put_pod(&s, on_b);
	assert_true(keeper(&s)->came_ms > before);
	end(&s);
}

/* --- guards ---------------------------------------------------------------------------------------------------------------- */

/* A guard that an earlier process left, and no plan that says what is to be there. */
static void a_guard_without_a_plan_goes(void **state)
{
	struct stage s;
	int64_t now;

	(void)state;
	begin(&s, "guard");
	now = clock_mono_ms();
	keeper_tick(keeper(&s), now);
	assert_int_equal(request_count, 0);
	assert_true(keeper_closed(keeper(&s)));
	keeper_tick(keeper(&s), now + RESERVE_GUARD_MS + 1000);
	assert_int_equal(answer("DELETE", 200), 1);
	assert_false(keeper_closed(keeper(&s)));
	keeper_tick(keeper(&s), now + RESERVE_GUARD_MS + 2000);
	assert_int_equal(request_count, 0);
	end(&s);
}

/* What the plan wants cannot be made: a quota, a class that is missing, an admission that says no. The room is lost, the node is not. */
static void a_guard_whose_room_cannot_be_made_goes(void **state)
{
	static char node[] = "b";
	struct plan_room room = {.node = node, .need = {.cpu_milli = 500}, .pods = 1};
	struct stage s;
	int64_t now, at;

	(void)state;
	begin(&s, "guard");
	s.reserve->plan = (struct plan){.rooms = &room, .room_count = 1};
	keeper(&s)->planned = true;
	now = clock_mono_ms();
	for (at = now; at < now + RESERVE_GUARD_MS; at += 20000) {
		keeper_tick(keeper(&s), at);
		assert_int_equal(answer("POST", 403), 1);
		assert_true(keeper_closed(keeper(&s)));
	}
	keeper_tick(keeper(&s), now + RESERVE_GUARD_MS + 1000);
	assert_int_equal(answer("DELETE", 200), 1);
	assert_false(keeper_closed(keeper(&s)));
	keeper_tick(keeper(&s), at + 40000); /* it is still tried, without a guard */
	assert_int_equal(answer("POST", 403), 1);
	s.reserve->plan = (struct plan){0};
	end(&s);
}

/* 409 is what a quota says, too, when somebody else has just written it: the name is free then. */
static void a_conflict_without_a_pod_is_not_sent_again_at_once(void **state)
{
	static char node[] = "b";
	struct plan_room room = {.node = node, .need = {.cpu_milli = 1500}, .pods = 1};
	struct stage s;
	int64_t now;

	(void)state;
	begin(&s, "placeholder");
	s.reserve->plan = (struct plan){.rooms = &room, .room_count = 1};
	keeper(&s)->planned = true;
	now = clock_mono_ms();
	keeper_tick(keeper(&s), now);
	assert_int_equal(answer("POST", 409), 1);
	assert_int_equal(answer("GET", 404), 1);
	assert_true(keeper(&s)->tries > 0);
	keeper_tick(keeper(&s), now);
	assert_int_equal(request_count, 0);
	keeper_tick(keeper(&s), now + 20000);
	assert_int_equal(answer("POST", 403), 1);
	s.reserve->plan = (struct plan){0};
	end(&s);
}

/* Placeholders that a LimitRange or a webhook makes larger than what was asked for are too much as soon as they are there. */
static void no_new_guard_comes_at_once_for_what_did_not_help(void **state)
{
	static char node[] = "b";
	struct plan_room room = {.node = node, .need = {.cpu_milli = 500}, .pods = 1};
	struct stage s;
	int64_t now;

	(void)state;
	begin(&s, "placeholder");	/* a whole CPU, where half of one is wanted */
	s.reserve->plan = (struct plan){.rooms = &room, .room_count = 1};
	keeper(&s)->planned = true;
	now = clock_mono_ms();
	keeper(&s)->rest_ms = now + 60000;	/* a guard was just taken away */
	keeper_tick(keeper(&s), now);
	assert_int_equal(request_count, 0);
	keeper_tick(keeper(&s), now + 60001);
	assert_int_equal(answer("POST", 403), 1);
	s.reserve->plan = (struct plan){0};
	end(&s);
}

/* --- nodes that come and go --------------------------------------------------------------------------------------------------- */

static void what_is_known_of_a_node_goes_with_it(void **state)
{
	static char node[] = "b";
	struct plan_room room = {.node = node, .need = {.cpu_milli = 500}, .pods = 1};
	struct stage s;

	(void)state;
	begin(&s, "placeholder");
	keeper_need(s.reserve, "gone");
	rights_tick(s.reserve, clock_mono_ms());
	assert_int_equal(s.reserve->keeper_count, 1);
	cache_delete_node(s.cache, "b");
	rights_tick(s.reserve, clock_mono_ms());
	assert_non_null(keeper(&s));		/* its placeholder is there, and who had room */
	keeper(&s)->planned = true;
	keeper_tick(keeper(&s), clock_mono_ms());
	delete_pod(&s, "uid-room");
	rights_tick(s.reserve, clock_mono_ms());
	assert_non_null(keeper(&s));		/* a request is on its way */
	s.reserve->plan = (struct plan){.rooms = &room, .room_count = 1};
	assert_int_equal(answer("DELETE", 200), 1);
	rights_tick(s.reserve, clock_mono_ms());
	assert_non_null(keeper(&s));		/* the plan has it */
	s.reserve->plan = (struct plan){0};
	rights_tick(s.reserve, clock_mono_ms());
	assert_null(keeper(&s));
	assert_int_equal(s.reserve->keeper_count, 0);
	end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_right_is_of_one_namespace),
		cmocka_unit_test(a_node_that_is_back_has_not_failed),
		cmocka_unit_test(what_was_handed_over_is_planned_soon),
		cmocka_unit_test(a_room_waits_while_its_pod_is_on_a_dead_node_and_not_for_ever_after),
		cmocka_unit_test(a_pod_that_ends_on_a_dead_node_keeps_its_room),
		cmocka_unit_test(a_room_that_was_never_empty_is_opened_again),
		cmocka_unit_test(only_who_comes_keeps_a_room_open),
		cmocka_unit_test(a_guard_without_a_plan_goes),
		cmocka_unit_test(a_guard_whose_room_cannot_be_made_goes),
		cmocka_unit_test(a_conflict_without_a_pod_is_not_sent_again_at_once),
		cmocka_unit_test(no_new_guard_comes_at_once_for_what_did_not_help),
		cmocka_unit_test(what_is_known_of_a_node_goes_with_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
