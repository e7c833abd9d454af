/* The table of outcomes of a Binding, against a server that answers as each case says. */
#include "tests/unit/bind_server.h"

static void start_binding(struct world *w)
{
	struct bind_facts facts = {.runner_up = xstrdup("b"), .note = xstrdup("note")};

	assert_true(cache_assume(w->cache, "uid-web", (uint32_t)cache_find_node(w->cache, "a")));
	assert_true(binder_ready(w->binder, 0, clock_mono_ms()));
	bind_start(w->binder, cache_find_pod(w->cache, "uid-web")->pod, "a", &facts, clock_mono_ms());
}

static void until_ended(struct world *w)
{
	int64_t until = clock_mono_ms() + PATIENCE_MS;

	while (!w->ended && clock_mono_ms() < until)
		turn(w);
	assert_int_equal(w->ended, 1);
	assert_int_equal(bind_open(w->binder), 0);
}

struct outcome {
	const char *name, *script[8];
	const char *uid, *node;		/* what GET shows besides what the POSTs did; NULL: the pod as it is */
	bool deleting;
	enum bind_end end;
	int posts, gets_least, gets_most;
};

static const struct outcome outcomes[] = {
	{"201", {"201"}, NULL, NULL, false, BIND_BOUND, 1, 0, 0},
	{"409, on our node", {"409!"}, NULL, NULL, false, BIND_BOUND, 1, 1, 1},
	{"409, on another node", {"409"}, NULL, "b", false, BIND_LOST, 1, 1, 1},
	{"409, another uid", {"409"}, "uid-new", NULL, false, BIND_LOST, 1, 1, 1},
	{"409, being deleted", {"409"}, NULL, NULL, true, BIND_LOST, 1, 1, 1},
	{"409, gone", {"409"}, "", NULL, false, BIND_LOST, 1, 1, 1},
	{"409 and on no node", {"409"}, NULL, NULL, false, BIND_FAILED, 1, 1, 1},
	{"404", {"404"}, NULL, NULL, false, BIND_LOST, 1, 0, 0},
	{"400", {"400"}, NULL, NULL, false, BIND_FAILED, 1, 0, 0},
	{"403", {"403"}, NULL, NULL, false, BIND_FAILED, 1, 0, 0},
	{"422", {"422"}, NULL, NULL, false, BIND_FAILED, 1, 0, 0},
	{"500 after the commit", {"500!"}, NULL, NULL, false, BIND_BOUND, 1, 1, 1},
	{"503 before it", {"503", "201"}, NULL, NULL, false, BIND_BOUND, 2, 1, 1},
	{"429", {"429", "201"}, NULL, NULL, false, BIND_BOUND, 2, 1, 1},
	{"dropped after the commit", {"drop!"}, NULL, NULL, false, BIND_BOUND, 1, 1, 1},
	{"dropped before it", {"drop", "201"}, NULL, NULL, false, BIND_BOUND, 2, 1, 1},
	{"reset, three times", {"reset", "reset", "reset", "201"}, NULL, NULL, false, BIND_BOUND, 4, 3, 3},
	{"no answer, after the commit", {"silence!"}, NULL, NULL, false, BIND_BOUND, 1, 1, 1},
	{"no answer, before it", {"silence", "201"}, NULL, NULL, false, BIND_BOUND, 2, 1, 1},
	{"lost, then another uid", {"drop"}, "uid-new", NULL, false, BIND_LOST, 1, 1, 1},
	{"lost, then on another node", {"drop"}, NULL, "b", false, BIND_LOST, 1, 1, 1},
	{"lost, then deleted", {"drop"}, "", NULL, false, BIND_LOST, 1, 1, 1},
	/* A refusal says nothing about the request before it: the same node again until that one cannot happen any more. */
	{"lost, then 409, then 201", {"drop", "409", "201"}, NULL, NULL, false, BIND_BOUND, 3, 3, 3},
	{"lost, then 403 for good", {"drop", "403"}, NULL, NULL, false, BIND_FAILED, 0, 2, 40},
};

static void s27_to_s30_each_outcome_has_its_end(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(outcomes); i++) {
		const struct outcome *o = &outcomes[i];
		struct world w;
		const char *c;

		begin(&w);
		memcpy(w.server.script, o->script, sizeof(o->script));
		if (o->uid)
			snprintf(w.server.uid, sizeof(w.server.uid), "%s", o->uid);
		if (o->node)
			snprintf(w.server.node, sizeof(w.server.node), "%s", o->node);
		w.server.deleting = o->deleting;
		start_binding(&w);
		until_ended(&w);
		if (w.end != o->end || (o->posts && w.posts != o->posts) || w.server.gets < o->gets_least ||
		    w.server.gets > o->gets_most)
			fail_msg("%s: %s after %d posts and %d gets", o->name, bind_end_names[w.end], w.posts, w.server.gets);
		for (c = w.server.bound_to; *c; c += 2)
			assert_memory_equal(c, "a,", 2); /* never a second node */
		assert_non_null(strstr(w.server.last_body, "\"uid\":\"uid-web\""));
		end_world(&w);
	}
}

static void a_server_that_is_not_there_is_a_failure_and_no_riddle(void **state)
{
	struct world w;

	(void)state;
	begin(&w);
	scripted_stop(w.scripted);
	start_binding(&w);
	until_ended(&w);
	assert_int_equal(w.end, BIND_FAILED);
	w.scripted = scripted_start(answer, &w.server);
	end_world(&w);
}

/* The answer is lost and the pod cannot be read; the watch shows where it is. */
static void the_watch_settles_an_unknown_binding(void **state)
{
	struct world w;
	int64_t until;

	(void)state;
	begin(&w);
	w.server.script[0] = "drop!";
	w.server.get_status = 500;
	start_binding(&w);
	for (until = clock_mono_ms() + 400; clock_mono_ms() < until;)
		turn(&w);
	assert_int_equal(w.ended, 0);
	assert_int_equal(bind_unknown(w.binder), 1);
	cache_put_pod(w.cache, pod_with("web", "'schedulerName':'s','nodeName':'a'"));
	bind_seen(w.binder, "uid-web");
	until_ended(&w);
	assert_int_equal(w.end, BIND_BOUND);
	end_world(&w);
}

static void s32_a_node_that_goes_meanwhile_is_not_bound_to_again(void **state)
{
	struct world w;
	int64_t begun = clock_mono_ms();

	(void)state;
	begin(&w);
	w.server.script[0] = "drop";
	start_binding(&w);
	cache_put_node(w.cache, node_of_text("{'metadata':{'name':'a','uid':'uid-a'},'spec':{'unschedulable':true}}"));
	until_ended(&w);
	assert_int_equal(w.end, BIND_FAILED);
	assert_int_equal(w.posts, 1);
	assert_true(clock_mono_ms() - begun >= BIND_FATE_MS); /* not before the first request is surely dead */
	assert_non_null(strstr(w.reason, "gone or cordoned"));
	end_world(&w);
}

/* Its owner has told somebody that the outcome is unknown: what was sent may still be carried out, and nothing more is. */
static void nothing_is_sent_when_its_time_is_over(void **state)
{
	static const char *const scripts[][2] = {{"500", "201"}, {"500", "201!"}, {"silence", "201"}, {"409", "201"}, {"429", "201"}};
	struct world w;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(scripts); i++) {
		struct bind_facts facts = {.until_mono_ms = clock_mono_ms() + 1, .tag = &w};
		int posts;

		begin(&w);
		w.server.script[0] = scripts[i][0];
		w.server.script[1] = scripts[i][1];
		facts.until_mono_ms = clock_mono_ms() + 150;
		assert_true(cache_assume(w.cache, "uid-web", (uint32_t)cache_find_node(w.cache, "a")));
		bind_start(w.binder, cache_find_pod(w.cache, "uid-web")->pod, "a", &facts, clock_mono_ms());
		until_ended(&w);
		posts = w.posts;
		assert_int_equal(posts, w.server.posts);
		assert_ptr_equal(w.tag, &w);
		assert_true(w.end == BIND_BOUND || w.end == BIND_FAILED);
		assert_int_equal(w.end == BIND_BOUND, *w.server.node != '\0');
		end_world(&w);
	}
}

static void one_whose_time_is_over_is_not_sent_at_all(void **state)
{
	struct bind_facts facts = {.until_mono_ms = clock_mono_ms()};
	struct world w;

	(void)state;
	begin(&w);
	w.server.script[0] = "201";
	bind_start(w.binder, cache_find_pod(w.cache, "uid-web")->pod, "a", &facts, clock_mono_ms());
	until_ended(&w);
	assert_int_equal(w.end, BIND_FAILED);
	assert_int_equal(w.server.posts, 0);
	end_world(&w);
}

/* Told once more while nobody knows how the first one goes; the watch ends both at once. */
static void a_pod_may_have_several(void **state)
{
	struct bind_facts facts = {0}, again = {0};
	struct world w;
	int64_t until;

	(void)state;
	begin(&w);
	w.server.script[0] = "500";
	w.server.get_status = 500;
	bind_start(w.binder, cache_find_pod(w.cache, "uid-web")->pod, "a", &facts, clock_mono_ms());
	bind_start(w.binder, cache_find_pod(w.cache, "uid-web")->pod, "a", &again, clock_mono_ms());
	until = clock_mono_ms() + PATIENCE_MS;
	while ((bind_unknown(w.binder) < 2 || w.binder->flight) && clock_mono_ms() < until)
		turn(&w);
	assert_int_equal(bind_unknown(w.binder), 2);
	cache_put_pod(w.cache, pod_with("web", "'schedulerName':'s','nodeName':'a'"));
	bind_seen(w.binder, "uid-web");
	assert_int_equal(w.ended, 2);
	assert_int_equal(bind_open(w.binder), 0);
	assert_int_equal(w.end, BIND_BOUND);
	end_world(&w);
}

static void requests_in_flight_are_limited(void **state)
{
	struct world w;
	int i;

	(void)state;
	begin(&w);
	w.server.script[0] = "silence";
	for (i = 0; i < 4; i++) {
		char name[32];
		struct bind_facts facts = {0};

		snprintf(name, sizeof(name), "web-%d", i);
		cache_put_pod(w.cache, pod_with(name, "'schedulerName':'s'"));
		assert_true(binder_ready(w.binder, 0, clock_mono_ms()));
		snprintf(name, sizeof(name), "uid-web-%d", i);
		bind_start(w.binder, cache_find_pod(w.cache, name)->pod, "a", &facts, clock_mono_ms());
	}
	assert_false(binder_ready(w.binder, 0, clock_mono_ms()));
	assert_int_equal(bind_open(w.binder), 4);
	end_world(&w); /* and can be dropped in the middle */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(s27_to_s30_each_outcome_has_its_end),
		cmocka_unit_test(a_server_that_is_not_there_is_a_failure_and_no_riddle),
		cmocka_unit_test(the_watch_settles_an_unknown_binding),
		cmocka_unit_test(s32_a_node_that_goes_meanwhile_is_not_bound_to_again),
		cmocka_unit_test(nothing_is_sent_when_its_time_is_over),
		cmocka_unit_test(one_whose_time_is_over_is_not_sent_at_all),
		cmocka_unit_test(a_pod_may_have_several),
		cmocka_unit_test(requests_in_flight_are_limited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
