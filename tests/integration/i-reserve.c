/* Room for a node's failure: the real latency-sched against the stand-in, beside tenants of another scheduler, with faults, and killed on the way. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/json.h"
#include "lib/mem.h"
#include "tests/testing/shelter.h"

#define TENANT 400		/* thousandths of a CPU */
#define SETTLE_MS 20000
#define VICTIMS 10

/* Three nodes, two apps near the first: 1200m and 500m would have to go if it failed. */
static void begin(struct shelter *h)
{
	shelter_begin(h, "a b c");
	shelter_pod(h, "web-0", "web", "a", 600);
	shelter_pod(h, "web-1", "web", "a", 600);
	shelter_pod(h, "db-0", "db", "a", 500);
	shelter_work(h);
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
	assert_true(shelter_kill(h, node) > 0);
	return from;
}

/* Everybody gets a node, and no tenant could have taken it in between. How long it took. */
static int64_t come(struct shelter *h, int64_t from, const char *dead)
{
	int64_t begun = clock_mono_ms(), took_ms, until;

	shelter_placed(h);
	took_ms = clock_mono_ms() - begun;
	until = shelter_version(h);
	shelter_judge(h, from, until, TENANT, dead);
	return took_ms;
}

static void a_node_dies_and_its_pods_come_into_their_room(void **state)
{
	struct shelter h;
	char web[64], db[64];
	int64_t from;

	(void)state;
	begin(&h);
	assert_int_equal(rooms(&h), 1700);
	snprintf(web, sizeof(web), "%s", shelter_refuge(&h, "web-0"));
	snprintf(db, sizeof(db), "%s", shelter_refuge(&h, "db-0"));
	from = die(&h, "a");
	test_deadline("from a node's death until all its pods are bound", (double)come(&h, from, "a"), 5000, "ms");
	assert_int_equal(shelter_fill(&h, TENANT), 0);
	assert_int_equal(sched_log_count(&h.s, "does not fit into its room", 0), 0);
	assert_string_equal(sched_where(&h.s, "db-0-again-0"), db);
	assert_string_equal(sched_where(&h.s, "web-0-again-1"), web);
	shelter_revive(&h, "a");
	shelter_whole(&h);
	come(&h, from, "a");
	shelter_finish(&h);
}

/* --- what the room follows ---------------------------------------------------------------------------------------------- */

static void moves_to(struct shelter *h, const char *pod, const char *node)
{
	int64_t until = clock_mono_ms() + SETTLE_MS;

	while (!STREQ(shelter_refuge(h, pod), node) && clock_mono_ms() < until)
		usleep(20000);
	assert_string_equal(shelter_refuge(h, pod), node);
	shelter_whole(h);
}

static void room_follows_pods_their_labels_latencies_and_nodes(void **state)
{
	struct shelter h;

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
	moves_to(&h, "web-0", "c");
	moves_to(&h, "db-0", "c");
	sched_matrix(&h.s, 3, "0 5 30  5 0 5  30 5 0");
	moves_to(&h, "web-0", "b");
	moves_to(&h, "db-0", "b");
	sched_matrix(&h.s, 4, "0 5 5  5 0 5  5 5 0");
	standin_do(&h.s.api, 200, "DELETE", "/api/v1/nodes/b", NULL);
	moves_to(&h, "web-0", "c");
	shelter_finish(&h);
}

static void growing_needs_no_guard_and_shrinking_does(void **state)
{
	struct shelter h;

	(void)state;
	begin(&h);
	shelter_pod(&h, "web-2", "web", "a", 600);
	settles_at(&h, 2300);
	shelter_whole(&h);
	assert_int_equal(writes(&h, "DELETE", "guard"), 0);
	standin_do(&h.s.api, 200, "DELETE", "/api/v1/namespaces/default/pods/web-2", "{\"gracePeriodSeconds\":0}");
	settles_at(&h, 1700);
	assert_int_equal(writes(&h, "DELETE", "guard"), 1);
	shelter_whole(&h);
	standin_do(&h.s.api, 200, "DELETE", "/api/v1/namespaces/default/pods/web-0", "{\"gracePeriodSeconds\":0}");
	standin_do(&h.s.api, 200, "DELETE", "/api/v1/namespaces/default/pods/web-1", "{\"gracePeriodSeconds\":0}");
	standin_do(&h.s.api, 200, "DELETE", "/api/v1/namespaces/default/pods/db-0", "{\"gracePeriodSeconds\":0}");
	settles_at(&h, 0);
	shelter_finish(&h);
}

/* It is decided on as always, and only when nothing is left gets the room that was kept for another failure. */
static void a_pod_that_went_alone_has_its_room_as_the_last_resort(void **state)
{
	struct shelter h;
	char refuge[64];

	(void)state;
	begin(&h);
	shelter_fill(&h, TENANT);
	assert_null(shelter_flaw(&h));
	standin_do(&h.s.api, 200, "DELETE", "/api/v1/namespaces/default/pods/db-0", "{\"gracePeriodSeconds\":0}");
	shelter_pod(&h, "db-1", "db", "a", 500);
	assert_string_equal(sched_where(&h.s, "db-1"), "a"); /* its own place is free */
	assert_int_equal(sched_log_count(&h.s, "is opened", 0), 0);
	shelter_whole(&h);
	snprintf(refuge, sizeof(refuge), "%s", shelter_refuge(&h, "db-1"));
	standin_do(&h.s.api, 200, "DELETE", "/api/v1/namespaces/default/pods/db-1", "{\"gracePeriodSeconds\":0}");
	assert_true(shelter_fill(&h, TENANT) > 0);
	shelter_pod(&h, "db-2", "db", "a", 500);
	assert_string_equal(sched_where(&h.s, "db-2"), refuge);
	shelter_finish(&h);
}

/* Who may make pods must not be able to close nodes, nor to have others' room taken away, with such that fit nowhere. */
static void no_room_is_opened_for_who_does_not_fit(void **state)
{
	struct shelter h;

	(void)state;
	begin(&h);
	standin_do(&h.s.api, 200, "DELETE", "/api/v1/namespaces/default/pods/db-0", "{\"gracePeriodSeconds\":0}");
	shelter_pod(&h, "db-1", "db", "a", SHELTER_CPU + 1000);
	assert_int_equal(sched_log_count(&h.s, "does not fit into its room", 1), 1);
	assert_true(sched_log_count(&h.s, "no node fits", 1) >= 1);
	assert_int_equal(sched_log_count(&h.s, "is opened", 0), 0);
	standin_do(&h.s.api, 200, "DELETE", "/api/v1/namespaces/default/pods/db-1", "{\"gracePeriodSeconds\":0}");
	shelter_whole(&h);
	shelter_finish(&h);
}

/* A kubelet refuses some (Failed), people and controllers delete others. */
static void what_ends_or_goes_by_itself_is_made_anew(void **state)
{
	struct shelter h;
	auto_json cJSON *list = NULL;
	const cJSON *pod;

	(void)state;
	begin(&h);
	list = standin_want(&h.s.api, 200, "GET", "/api/v1/namespaces/" SHELTER_NAMESPACE "/pods", NULL);
	cJSON_ArrayForEach(pod, item_at(list, "items")) {
		auto_free char *path = xasprintf("/api/v1/namespaces/" SHELTER_NAMESPACE "/pods/%s/status", text_at(pod, "metadata.name"));

		standin_do(&h.s.api, 200, "PATCH", path, "{\"status\":{\"phase\":\"Failed\",\"reason\":\"OutOfcpu\"}}");
	}
	assert_int_equal(sched_log_count(&h.s, "a request of the reserve failed", 0), 0);
	while (writes(&h, "DELETE", "room") < cJSON_GetArraySize(item_at(list, "items")))
		usleep(20000);
	shelter_whole(&h);
	settles_at(&h, 1700);
	standin_do(&h.s.api, 200, "DELETE", "/api/v1/namespaces/" SHELTER_NAMESPACE "/pods?labelSelector=latency-mesh.io/role%3Dplaceholder",
		   "{\"gracePeriodSeconds\":0}");
	shelter_whole(&h);
	settles_at(&h, 1700);
	shelter_finish(&h);
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
	shelter_finish(&h);
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
	for (i = 0; i < test_rounds(2); i++) {
		snprintf(dead, sizeof(dead), "%s", shelter_busiest(&h));
		from = die(&h, dead);
		come(&h, from, dead);
		shelter_revive(&h, dead);
		shelter_whole(&h);
		shelter_mark(&h);
	}
	standin_faults(&h.s.api, "{\"rules\":[]}");
	shelter_finish(&h);
}

/* --- with an owner ------------------------------------------------------------------------------------------------------ */

#define MAPS "/api/v1/namespaces/" SHELTER_NAMESPACE "/configmaps"
#define KEPT "/api/v1/namespaces/" SHELTER_NAMESPACE "/pods"

/* The owner is made anew; its uid, for the caller to free. */
static char *make_owner(struct shelter *h)
{
	auto_json cJSON *map = standin_want(&h->s.api, 201, "POST", MAPS, "{\"metadata\":{\"name\":\"latency-sched\"}}");

	return xstrdup(text_at(map, "metadata.uid"));
}

/* As the garbage collector has it: what names another owner is deleted. `all`: what names this one or none, too. How many there were. */
static int collect(struct shelter *h, const char *uid, bool all)
{
	auto_json cJSON *list = standin_want(&h->s.api, 200, "GET", KEPT, NULL);
	const cJSON *pod, *owners;
	int count = 0, status;

	cJSON_ArrayForEach(pod, item_at(list, "items")) {
		auto_free char *path = xasprintf(KEPT "/%s", text_at(pod, "metadata.name"));

		owners = item_at(pod, "metadata.ownerReferences");
		if (!all && owners && STREQ(text_at(owners->child, "uid"), uid))
			continue;
		count++;
		if (all || owners)
			cJSON_Delete(standin_call(&h->s.api, "DELETE", path, "{\"gracePeriodSeconds\":0}", &status));
	}
	return count;
}

static void is_owned_by(struct shelter *h, const char *uid)
{
	int64_t until = clock_mono_ms() + SETTLE_MS;

	do
		shelter_whole(h);	/* else there may be none at all just now */
	while (collect(h, uid, false) && clock_mono_ms() < until);
	assert_int_equal(collect(h, uid, false), 0);
}

static void what_keeps_room_names_its_owner_and_the_one_of_now(void **state)
{
	auto_free char *first = NULL, *second = NULL;
	struct shelter h;

	(void)state;
	shelter_begin(&h, "a b c");
	test_write(h.config, "reserve:\n  enabled: true\n  owner: ConfigMap/latency-sched\n  namespace: " SHELTER_NAMESPACE "\n");
	shelter_pod(&h, "web-0", "web", "a", 600);
	first = make_owner(&h);
	sched_start(&h.s, h.options);
	shelter_placed(&h);
	is_owned_by(&h, first);
	assert_int_equal(sched_log_count(&h.s, "reserve.owner is not known", 0), 0);
	standin_do(&h.s.api, 200, "DELETE", MAPS "/latency-sched", NULL);
	second = make_owner(&h);
	is_owned_by(&h, second);
	standin_do(&h.s.api, 200, "DELETE", MAPS "/latency-sched", NULL);
	collect(&h, "", true);
	sched_log_count(&h.s, "reserve.owner is not known", 1);
	shelter_whole(&h);
	assert_int_equal(sched_log_count(&h.s, "reserve.owner is not known", 0), 1);
	shelter_finish(&h);
}

/* --- killed ------------------------------------------------------------------------------------------------------------- */

/* So that a moment is long enough to be hit. */
#define SLOWLY "{\"rules\":[" SPOILT("*", "\"action\":\"delay\",\"delay_ms\":15") ",{\"path\":\"*/binding\",\"action\":\"delay\",\"delay_ms\":15}]}"

/* One that is killed and started again at some moment of a failure, as often as it is unlucky. */
struct victim {
	struct shelter h;
	char dead[64];
	int64_t from, until;		/* versions between which the room was owed */
};

static void victim_begin(struct victim *v)
{
	begin(&v->h);
	standin_faults(&v->h.s.api, SLOWLY);
}

static void victim_fails(struct victim *v, struct rng *r)
{
	snprintf(v->dead, sizeof(v->dead), "%s", shelter_busiest(&v->h));
	v->from = die(&v->h, v->dead);
	usleep(1000 * rng_below(r, 120));
	do {
		assert_int_equal(sched_stop(&v->h.s, SIGKILL), 128 + SIGKILL);
		sched_launch(&v->h.s, v->h.options);
		usleep(1000 * rng_below(r, 400));
	} while (rng_chance(r, 0.3));
}

static void victim_recovers(struct victim *v)
{
	shelter_placed(&v->h);
	v->until = shelter_version(&v->h);
	shelter_revive(&v->h, v->dead);
}

static void victim_is_whole(struct victim *v)
{
	shelter_whole(&v->h);
	shelter_judge(&v->h, v->from, v->until, TENANT, v->dead);
	shelter_mark(&v->h);
}

/* Several side by side, as they mostly wait. */
static void killed_anywhere_on_the_way_nothing_is_lost(void **state)
{
	static struct victim victims[VICTIMS];
	struct rng r = rng_make(test_seed());
	const char *wanted = getenv("RESERVE_ROUNDS");
	int rounds = wanted ? atoi(wanted) : test_rounds(20), i, j;

	(void)state;
	for (i = 0; i < VICTIMS; i++)
		victim_begin(&victims[i]);
	for (i = 0; i < rounds; i += VICTIMS) {
		for (j = 0; j < VICTIMS; j++)
			victim_fails(&victims[j], &r);
		for (j = 0; j < VICTIMS; j++)
			victim_recovers(&victims[j]);
		for (j = 0; j < VICTIMS; j++)
			victim_is_whole(&victims[j]);
	}
	printf("# killed in %d handovers\n", i);
	for (i = 0; i < VICTIMS; i++)
		shelter_finish(&victims[i].h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_node_dies_and_its_pods_come_into_their_room),
		cmocka_unit_test(room_follows_pods_their_labels_latencies_and_nodes),
		cmocka_unit_test(growing_needs_no_guard_and_shrinking_does),
		cmocka_unit_test(a_pod_that_went_alone_has_its_room_as_the_last_resort),
		cmocka_unit_test(no_room_is_opened_for_who_does_not_fit),
		cmocka_unit_test(what_ends_or_goes_by_itself_is_made_anew),
		cmocka_unit_test(pods_of_other_namespaces_have_no_role),
		cmocka_unit_test(faults_of_the_server_delay_and_break_nothing),
		cmocka_unit_test(what_keeps_room_names_its_owner_and_the_one_of_now),
		cmocka_unit_test(killed_anywhere_on_the_way_nothing_is_lost),
	};

	setvbuf(stdout, NULL, _IOLBF, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
