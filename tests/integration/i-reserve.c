/* Room for a node's failure: the real latency-sched against the stand-in, beside tenants of another scheduler, with faults, and killed on the way. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "tests/testing/shelter.h"

#define TENANT 400		/* thousandths of a CPU */
#define SETTLE_MS 20000

/* Three nodes, two apps near the first: 1200m and 500m would have to go if it failed. */
static void begin(struct shelter *h)
{
	shelter_begin(h, "a b c");
	shelter_pod(h, "web-0", "web", "a", 600);
	shelter_pod(h, "web-1", "web", "a", 600);
	shelter_pod(h, "db-0", "db", "a", 500);
	sched_start(&h->s, h->options);
	shelter_placed(h);
	shelter_whole(h);
}

static void end(struct shelter *h)
{
	assert_int_equal(sched_stop(&h->s, SIGTERM), 0);
	shelter_end(h);
}

static int rooms(struct shelter *h)
{
	int sum = 0, i, ignored;

	for (i = 0; i < h->s.name_count; i++)
		sum += shelter_room(h, h->s.names[i], &ignored);
	return sum;
}

/* Until as much is kept in all, and no more than a tenth beyond. */
static void settles_at(struct shelter *h, int cpu_milli)
{
	int64_t until = clock_mono_ms() + SETTLE_MS;

	while ((rooms(h) < cpu_milli || rooms(h) > cpu_milli + cpu_milli / 10 || shelter_guards(h)) && clock_mono_ms() < until)
		usleep(20000);
	assert_in_range(rooms(h), cpu_milli, cpu_milli + cpu_milli / 10);
	assert_int_equal(shelter_guards(h), 0);
}

/* Writes of the reserve by now, whose method is that and whose path holds the text. */
static int writes(struct shelter *h, const char *method, const char *text)
{
	auto_free char *log = standin_text(&h->s.api, "/standin/log"), *wanted = xasprintf("\"method\":\"%s\"", method);
	char *rest = log, *line;
	int count = 0;

	while ((line = strsep(&rest, "\n")) != NULL)
		count += strstr(line, "/namespaces/" SHELTER_NAMESPACE "/pods") && strstr(line, wanted) && strstr(line, text) &&
			strstr(line, "\"committed\":true");
	return count;
}

/* --- a failure -------------------------------------------------------------------------------------------------------- */

/* The cluster is full, a node dies. What is known at the moment: `from`. */
static int64_t die(struct shelter *h, const char *node)
{
	int64_t from;

	shelter_fill(h, TENANT);
	usleep(100000);
	assert_null(shelter_flaw(h));
	from = shelter_version(h);
	assert_int_equal(shelter_kill(h, node), 3);
	return from;
}

/* As another scheduler's pods would, all the time, until everybody has a node. */
static void come(struct shelter *h, int64_t from, const char *dead)
{
	int64_t until;

	shelter_placed(h);
	until = shelter_version(h);
	shelter_judge(h, from, until, TENANT, dead);
}

static void a_node_dies_and_its_pods_come_into_their_room(void **state)
{
	struct shelter h;
	char web[64], db[64];
	int64_t from, begun;

	(void)state;
	begin(&h);
	assert_int_equal(rooms(&h), 1700);
	snprintf(web, sizeof(web), "%s", shelter_refuge(&h, "web-0"));
	snprintf(db, sizeof(db), "%s", shelter_refuge(&h, "db-0"));
	from = die(&h, "a");
	begun = clock_mono_ms();
	come(&h, from, "a");
	test_deadline("from a node's death until all its pods are bound", (double)(clock_mono_ms() - begun), 5000, "ms");
	assert_int_equal(shelter_fill(&h, TENANT), 0);
	assert_int_equal(sched_log_count(&h.s, "does not fit into its room", 0), 0);
	assert_string_equal(sched_where(&h.s, "db-0-again-0"), db);
	assert_string_equal(sched_where(&h.s, "web-0-again-1"), web);
	shelter_revive(&h, "a");
	shelter_whole(&h);
	come(&h, from, "a");
	end(&h);
}

/* --- what the room follows ---------------------------------------------------------------------------------------------- */

static void room_follows_pods_their_labels_latencies_and_nodes(void **state)
{
	struct shelter h;
	char refuge[64];

	(void)state;
	begin(&h);
	shelter_edit(&h, "db-0", "{\"labels\":{\"latency-mesh.io/reserve\":\"false\"}}");
	settles_at(&h, 1200);
	assert_string_equal(shelter_refuge(&h, "db-0"), "");
	shelter_edit(&h, "db-0", "{\"labels\":{\"latency-mesh.io/reserve\":\"true\"}}");
	settles_at(&h, 1700);
	assert_true(*shelter_refuge(&h, "db-0"));
	standin_do(&h.s.api, 200, "DELETE", "/api/v1/namespaces/default/pods/web-1", "{\"gracePeriodSeconds\":0}");
	settles_at(&h, 1100);
	sched_matrix(&h.s, 2, "0 30 5  30 0 5  5 5 0"); /* b is too far now */
	shelter_whole(&h);
	assert_string_equal(shelter_refuge(&h, "web-0"), "c");
	assert_string_equal(shelter_refuge(&h, "db-0"), "c");
	sched_matrix(&h.s, 3, "0 5 30  5 0 5  30 5 0");
	shelter_whole(&h);
	while (!STREQ(shelter_refuge(&h, "web-0"), "b"))
		usleep(20000);
	shelter_whole(&h);
	sched_matrix(&h.s, 4, "0 5 5  5 0 5  5 5 0");
	snprintf(refuge, sizeof(refuge), "/api/v1/nodes/%s", shelter_refuge(&h, "web-0"));
	standin_do(&h.s.api, 200, "DELETE", refuge, NULL);
	while (!STREQ(shelter_refuge(&h, "web-0"), "c"))
		usleep(20000);
	shelter_whole(&h);
	end(&h);
}

static void growing_needs_no_guard_and_shrinking_does(void **state)
{
	struct shelter h;
	int guards;

	(void)state;
	begin(&h);
	guards = writes(&h, "POST", "guard");
	shelter_pod(&h, "web-2", "web", "a", 600);
	settles_at(&h, 2300);
	shelter_whole(&h);
	assert_int_equal(sched_log_count(&h.s, "latency-mesh-guard", 0), 0);
	assert_int_equal(guards, 0);
	standin_do(&h.s.api, 200, "DELETE", "/api/v1/namespaces/default/pods/web-2", "{\"gracePeriodSeconds\":0}");
	settles_at(&h, 1700);
	assert_int_equal(sched_log_count(&h.s, "latency-mesh-guard", 1), 1);
	shelter_whole(&h);
	standin_do(&h.s.api, 200, "DELETE", "/api/v1/namespaces/default/pods/web-0", "{\"gracePeriodSeconds\":0}");
	standin_do(&h.s.api, 200, "DELETE", "/api/v1/namespaces/default/pods/web-1", "{\"gracePeriodSeconds\":0}");
	standin_do(&h.s.api, 200, "DELETE", "/api/v1/namespaces/default/pods/db-0", "{\"gracePeriodSeconds\":0}");
	settles_at(&h, 0);
	end(&h);
}

/* Labels alone give nobody a role, and annotations nobody a right. */
static void pods_of_other_namespaces_have_no_role(void **state)
{
	struct shelter h;

	(void)state;
	begin(&h);
	sched_pod_of(&h.s, "default-scheduler", "impostor",
		     "\"latency-mesh.io/covers\":\"[{\\\"pod\\\":\\\"default/x\\\",\\\"uid\\\":\\\"u\\\",\\\"owner\\\":\\\"rs-x\\\",\\\"node\\\":\\\"gone\\\"}]\"",
		     ",\"labels\":{\"latency-mesh.io/role\":\"guard\"}", ",\"nodeName\":\"c\"");
	shelter_pod_of(&h, "x-0", "x", "c", 100, "");
	assert_string_equal(sched_where(&h.s, "x-0"), "c");
	assert_int_equal(sched_log_count(&h.s, "is opened", 0), 0);
	usleep(300000);
	assert_string_equal(sched_node_now(&h.s, "impostor"), "c");
	shelter_whole(&h);
	end(&h);
}

/* --- trouble ------------------------------------------------------------------------------------------------------------ */

#define ROOM_PATH "\"path\":\"/api/v1/namespaces/" SHELTER_NAMESPACE "/pods*\""
#define SPOILT(method, more) "{\"method\":\"" method "\"," ROOM_PATH "," more "}"

/* Every request of the reserve may be refused, dropped, done and not answered, or late. */
static const char spoilt[] =
	"{\"seed\":%llu,\"rules\":["
	SPOILT("POST", "\"action\":\"status\",\"status\":429,\"retryAfter\":\"0\",\"probability\":0.2") ","
	SPOILT("POST", "\"action\":\"drop\",\"when\":\"after\",\"probability\":0.3") ","
	SPOILT("POST", "\"action\":\"status\",\"status\":500,\"when\":\"after\",\"probability\":0.2") ","
	SPOILT("DELETE", "\"action\":\"status\",\"status\":503,\"probability\":0.2") ","
	SPOILT("DELETE", "\"action\":\"drop\",\"when\":\"after\",\"probability\":0.3") ","
	SPOILT("PATCH", "\"action\":\"reset\",\"probability\":0.2") ","
	SPOILT("PATCH", "\"action\":\"drop\",\"when\":\"after\",\"probability\":0.3") ","
	SPOILT("GET", "\"action\":\"status\",\"status\":500,\"probability\":0.3") ","
	SPOILT("*", "\"action\":\"delay\",\"delay_ms\":30,\"probability\":0.3") "]}";

static void faults_of_the_server_delay_and_break_nothing(void **state)
{
	struct rng r = rng_make(test_seed());
	struct shelter h;
	auto_free char *rules = xasprintf(spoilt, (unsigned long long)rng_below(&r, 1000000));
	char dead[64];
	int64_t from;
	int i;

	(void)state;
	shelter_begin(&h, "a b c");
	standin_faults(&h.s.api, rules);
	shelter_pod(&h, "web-0", "web", "a", 600);
	shelter_pod(&h, "web-1", "web", "a", 600);
	shelter_pod(&h, "db-0", "db", "a", 500);
	sched_start(&h.s, h.options);
	shelter_placed(&h);
	shelter_whole(&h);
	for (i = 0; i < test_rounds(3); i++) {
		snprintf(dead, sizeof(dead), "%s", shelter_busiest(&h));
		from = die(&h, dead);
		come(&h, from, dead);
		shelter_revive(&h, dead);
		shelter_whole(&h);
		shelter_mark(&h);
	}
	standin_faults(&h.s.api, "{\"rules\":[]}");
	end(&h);
}

/* --- killed ------------------------------------------------------------------------------------------------------------- */

/* So that a moment is long enough to be hit. */
#define SLOWLY "{\"rules\":[" SPOILT("*", "\"action\":\"delay\",\"delay_ms\":15") ",{\"path\":\"*/binding\",\"action\":\"delay\",\"delay_ms\":15}]}"

static void crash(struct shelter *h, struct rng *r)
{
	char dead[64];
	int kills = 1 + (int)rng_below(r, 2), i;
	int64_t from;

	snprintf(dead, sizeof(dead), "%s", shelter_busiest(h));
	from = die(h, dead);
	for (i = 0; i < kills; i++) {
		usleep(1000 * rng_below(r, i ? 400 : 150));
		assert_int_equal(sched_stop(&h->s, SIGKILL), 128 + SIGKILL);
		sched_launch(&h->s, h->options);
	}
	come(h, from, dead);
	shelter_revive(h, dead);
	shelter_whole(h);
	shelter_judge(h, 0, 0, 0, dead);
	shelter_mark(h);
}

static void killed_anywhere_on_the_way_nothing_is_lost(void **state)
{
	struct rng r = rng_make(test_seed());
	const char *wanted = getenv("RESERVE_ROUNDS");
	int rounds = wanted ? atoi(wanted) : test_rounds(20), i;
	struct shelter h;

	(void)state;
	begin(&h);
	standin_faults(&h.s.api, SLOWLY);
	for (i = 0; i < rounds; i++)
		crash(&h, &r);
	printf("# killed in %d handovers\n", rounds);
	end(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_node_dies_and_its_pods_come_into_their_room),
		cmocka_unit_test(room_follows_pods_their_labels_latencies_and_nodes),
		cmocka_unit_test(growing_needs_no_guard_and_shrinking_does),
		cmocka_unit_test(pods_of_other_namespaces_have_no_role),
		cmocka_unit_test(faults_of_the_server_delay_and_break_nothing),
		cmocka_unit_test(killed_anywhere_on_the_way_nothing_is_lost),
	};

	setvbuf(stdout, NULL, _IOLBF, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
