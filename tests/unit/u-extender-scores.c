/* extender/scores.h: lower is better, unknown is null, and the matrix may be swapped under those who read. */
#include "sched/extender/scores.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "lib/scorelist.h"
#include "tests/testing/world.h"

static struct world w;
static struct scores *scores;

/* To milan: a 50 ms, b 250 ms, c 600 ms, d unknown. a-b 100 ms, a-c 200 ms, b-c lost. */
static int begin(void **state)
{
	(void)state;
	world_begin(&w, "a b c d", "milan");
	world_client(&w, "a", "milan", 50000);
	world_client(&w, "b", "milan", 250000);
	world_client(&w, "c", "milan", 600000);
	world_rtt(&w, "a", "b", 100000);
	world_rtt(&w, "a", "c", 200000);
	world_link(&w, "b", "c", NAN, NAN, 1);
	world_link(&w, "c", "b", NAN, NAN, 1);
	world_cpu(&w, "a", 0.25);
	world_cpu(&w, "b", 1);
	world_cpu(&w, "c", 0);
	world_near_by_default(&w, "client/milan");
	scores = scores_new();
	return 0;
}

static int end(void **state)
{
	(void)state;
	scores_free(scores);
	world_end(&w);
	return 0;
}

static void give(void)
{
	struct judge_input in;

	if (!w.mesh)
		world_take(&w);
	in = world_judge_input(&w, false);
	scores_give(scores, &in);
}

static int get(const char *query, struct buf *body)
{
	struct http_reply reply = {.status = 200};

	scores_answer_at(scores, &(struct http_request){.method = "GET", .path = "/scores", .query = query}, w.mono_ms, &reply);
	buf_free(body);
	*body = reply.body;
	buf_add(body, "", 0);
	if (reply.status == 200)
		assert_string_equal(reply.content_type, "application/json");
	return reply.status;
}

/* "cpu latency" of each node, "-" for null. */
static void assert_scores(const char *query, const char *wanted)
{
	auto_buf struct buf body = {0}, text = {0};
	const char *at;

	assert_int_equal(get(query, &body), 200);
	for (at = body.data; (at = strstr(at, "\"hostname\"")); at++) {
		char name[8], cpu[16], latency[16];

		assert_int_equal(sscanf(at, "\"hostname\":\"%7[^\"]\",\"cpuEwmaScore\":%15[^,],\"latencyEwmaScore\":%15[^,],\"better\":\"lower\"}", name, cpu, latency), 3);
		buf_printf(&text, "%s%s %s %s", text.len ? ", " : "", name, STREQ(cpu, "null") ? "-" : cpu, STREQ(latency, "null") ? "-" : latency);
	}
	assert_string_equal(text.data ? text.data : "", wanted);
}

static void the_text_is_the_probes(void **state)
{
	auto_buf struct buf body = {0};

	(void)state;
	give();
	assert_int_equal(get("", &body), 200);
	assert_string_equal(body.data, "[{\"hostname\":\"a\",\"cpuEwmaScore\":0.25,\"latencyEwmaScore\":0.1,\"better\":\"lower\"},\n"
			    " {\"hostname\":\"b\",\"cpuEwmaScore\":1,\"latencyEwmaScore\":0.5,\"better\":\"lower\"},\n"
			    " {\"hostname\":\"c\",\"cpuEwmaScore\":0,\"latencyEwmaScore\":1,\"better\":\"lower\"},\n"
			    " {\"hostname\":\"d\",\"cpuEwmaScore\":null,\"latencyEwmaScore\":null,\"better\":\"lower\"}]\n");
}

static void from_another_vantage(void **state)
{
	(void)state;
	world_node(&w, "b", "\"topology.kubernetes.io/zone\":\"eu\"", "");
	world_node(&w, "a", "\"topology.kubernetes.io/zone\":\"eu\"", "");
	give();
	assert_scores("from=client/milan", "a 0.25 0.1, b 1 0.5, c 0 1, d - -");
	assert_scores("from=node/a", "a 0.25 0, b 1 0.2, c 0 0.4, d - -");
	assert_scores("from=node/b", "a 0.25 0.2, b 1 0, c 0 -, d - -");	/* b-c is lost */
	assert_scores("from=mesh", "a 0.25 0.3, b 1 0.2, c 0 0.4, d - -");
	assert_scores("from=any:mesh", "a 0.25 0.2, b 1 0.2, c 0 0.4, d - -");
	assert_scores("from=zone/eu", "a 0.25 0.1, b 1 0.1, c 0 0.4, d - -");
	assert_scores("from=any:zone/eu", "a 0.25 0, b 1 0, c 0 0.4, d - -");
}

static void from_where_traffic_enters(void **state)
{
	(void)state;
	give();
	assert_scores("from=entry", "a 0.25 -, b 1 -, c 0 -, d - -");
	assert_scores("from=any:entry", "a 0.25 -, b 1 -, c 0 -, d - -");
	assert_true(snapshot_entry_add(&w.snapshot.entry, "a", 3) && snapshot_entry_add(&w.snapshot.entry, "b", 1));
	w.snapshot.entry.age_s = 0;
	world_near_by_default(&w, "entry, mesh");
	world_take(&w);
	give();
	assert_scores("from=entry", "a 0.25 0.05, b 1 0.15, c 0 -, d - -");	/* three quarters, one quarter of 100 ms / 500 ms; b-c is lost */
	assert_scores("from=any:entry", "a 0.25 0, b 1 0, c 0 0.4, d - -");
	assert_scores("", "a 0.25 0.05, b 1 0.15, c 0 -, d - -");
	assert_true(snapshot_entry_add(&w.snapshot.entry, "far-away", 4));	/* not in the matrix */
	world_take(&w);
	give();
	assert_scores("from=entry", "a 0.25 -, b 1 -, c 0 -, d - -");
	assert_scores("from=any:entry", "a 0.25 0, b 1 0, c 0 0.4, d - -");
	w.snapshot.entry.age_s = 1e6;
	world_take(&w);
	give();
	assert_scores("from=any:entry", "a 0.25 -, b 1 -, c 0 -, d - -");
	assert_scores("", "a 0.25 0.3, b 1 0.2, c 0 0.4, d - -");
}

static void the_usual_vantage_is_the_first_of_the_default_that_is_there(void **state)
{
	(void)state;
	world_near_by_default(&w, "client/oslo, mesh");
	give();
	assert_scores("", "a 0.25 0.3, b 1 0.2, c 0 0.4, d - -");
	world_near_by_default(&w, "app=redis");
	world_pod(&w, "redis", "a", "\"app\":\"redis\"", "");
	w.mono_ms += SCORES_STALE_MS - 1;
	give();
	assert_scores("", "a 0.25 0.3, b 1 0.2, c 0 0.4, d - -");
	w.mono_ms += 1;
	give();
	assert_scores("", "a 0.25 -, b 1 -, c 0 -, d - -");	/* in the namespace of a pod that asks, and nobody asks */
	world_near_by_default(&w, "default:app=redis");
	world_take(&w);
	give();
	assert_scores("", "a 0.25 0, b 1 0.2, c 0 0.4, d - -");
}

static void an_unknown_vantage_is_null_for_all_and_never_empty(void **state)
{
	static const char *const queries[] = {"from=client/oslo", "from=node/x", "from=zone/mars", "from=node/d"};
	size_t i;

	(void)state;
	give();
	for (i = 0; i < ARRAY_SIZE(queries); i++)
		assert_scores(queries[i], i == 3 ? "a 0.25 -, b 1 -, c 0 -, d - 0" : "a 0.25 -, b 1 -, c 0 -, d - -");
	world_near_by_default(&w, "client/oslo");
	world_take(&w);
	give();
	assert_scores("", "a 0.25 -, b 1 -, c 0 -, d - -");
}

static void a_wrong_vantage_is_400_with_what_is_wrong(void **state)
{
	static const struct {
		const char *query, *says;
	} cases[] = {
		{"from=", "empty"}, {"from=milan", "milan"}, {"from=client/", "client"}, {"from=app=redis", "app=redis"}, {"from=entry*2", "entry*2"},
		{"from=mesh,node/a", "mesh,node/a"}, {"from=mesh*2", "mesh*2"}, {"to=mesh", "to=mesh"}, {"from=mesh&from=mesh", "mesh"},
		{"from=node/A_", "A_"}, {"from=client/milan<=5ms", "within"}, {"from", "from"},
	};
	auto_buf struct buf body = {0};
	size_t i;

	(void)state;
	give();
	for (i = 0; i < ARRAY_SIZE(cases); i++)
		if (get(cases[i].query, &body) != 400 || !strstr(body.data, cases[i].says))
			fail_msg("%s: %s", cases[i].query, body.data);
}

static void without_a_matrix_503(void **state)
{
	auto_buf struct buf body = {0};

	(void)state;
	assert_int_equal(get("", &body), 503);
	w.without_mesh = true;
	give();
	assert_int_equal(get("", &body), 503);
	w.without_mesh = false;
	give();
	assert_int_equal(get("", &body), 200);
	w.without_mesh = true;
	give();
	assert_int_equal(get("", &body), 503);
}

/* Dead at the moment of the request, whatever the scheduling thread does. */
static void dead_data_are_null(void **state)
{
	(void)state;
	world_age(&w, "a", 300);
	world_age(&w, "c", 601);
	give();
	assert_scores("", "a 0.25 0.1, b 1 0.5, c - -, d - -");
	assert_scores("from=node/a", "a 0.25 0, b 1 0.2, c - -, d - -");
	assert_scores("from=node/c", "a 0.25 -, b 1 -, c - -, d - -");
	assert_scores("from=mesh", "a 0.25 0.2, b 1 0.2, c - -, d - -");
	w.mono_ms = 300001;
	assert_scores("", "a - -, b 1 0.5, c - -, d - -");
	w.mono_ms = 600001;
	assert_scores("", "a - -, b - -, c - -, d - -");
	assert_scores("from=mesh", "a - -, b - -, c - -, d - -");
	assert_scores("from=node/b", "a - -, b - -, c - -, d - -");
}

/* Half a second is the end of the scale. */
static void a_score_grows_with_the_round_trip(void **state)
{
	(void)state;
	assert_true(scorelist_latency(0) <= 0);
	assert_true(scorelist_latency(249999) < 0.5 && scorelist_latency(250001) > 0.5);
	assert_true(scorelist_latency(500e3) >= 1 && scorelist_latency(1e9) <= 1);
	assert_true(isnan(scorelist_latency(NAN)));
}

/* --- threads ---------------------------------------------------------------------------------------------------------- */

static atomic_bool finished;
static atomic_uint answers;

static void *ask_on_and_on(void *arg)
{
	while (!atomic_load(&finished)) {
		struct http_reply reply = {.status = 200};

		scores_answer(scores, &(struct http_request){.method = "GET", .path = "/scores", .query = arg}, &reply);
		buf_add(&reply.body, "", 0);
		if (reply.status != 200 || !strstr(reply.body.data, "\"d\""))
			abort();
		buf_free(&reply.body);
		atomic_fetch_add(&answers, 1);
	}
	return NULL;
}

static void the_matrix_is_swapped_under_those_who_read(void **state)
{
	static char usual[] = "", mesh[] = "from=mesh", zone[] = "from=zone/eu";
	char *const queries[] = {usual, mesh, zone};
	pthread_t threads[ARRAY_SIZE(queries)];
	unsigned swaps = 0;
	size_t i;

	(void)state;
	give();
	for (i = 0; i < ARRAY_SIZE(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, ask_on_and_on, queries[i]), 0);
	while (swaps < 200 || atomic_load(&answers) < 200) {
		world_take(&w);		/* the reference that the test held goes */
		give();
		swaps++;
	}
	atomic_store(&finished, true);
	for (i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		T(the_text_is_the_probes), T(from_another_vantage), T(from_where_traffic_enters), T(the_usual_vantage_is_the_first_of_the_default_that_is_there),
		T(an_unknown_vantage_is_null_for_all_and_never_empty), T(a_wrong_vantage_is_400_with_what_is_wrong), T(without_a_matrix_503),
		T(dead_data_are_null), T(a_score_grows_with_the_round_trip), T(the_matrix_is_swapped_under_those_who_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
