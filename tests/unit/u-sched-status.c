/* The scheduler's health over HTTP: names, words and status codes of Kubernetes' own. */
#include <string.h>

#include "tests/testing/testing.h"

#include "lib/mem.h"
#include "sched/reserve/reserve.h"

/* The reserve stands for itself. */
static void short_print(struct reserve *r, struct buf *out)
{
	buf_printf(out, "{\"version\":%d}", *(const int *)(const void *)r);
}

#define reserve_print short_print
#include "sched/status.c"
#undef reserve_print

#define CSI_NODES (1u << (RESOURCE_OBJECTS + OBJECT_CSI_NODE))

static struct status status;

/* Beats as a loop that is well, then changes what the caller says. */
static void beat(const struct status_facts *facts, int64_t silent_ms)
{
	status_beat(&status, clock_mono_ms() - silent_ms, facts);
}

static void be_well(void)
{
	beat(&(struct status_facts){.synced = true, .looked = true}, 0);
}

static void expect(const char *path, const char *query, int code, const char *body)
{
	struct http_request request = {.method = "GET", .path = path, .query = query};
	struct http_reply reply = {.status = 200};
	auto_buf struct buf got = {0};

	(strncmp(path, "/readyz", 7) == 0 ? answer_ready : answer_live)(&status, &request, &reply);
	got = reply.body;
	assert_int_equal(reply.status, code);
	assert_string_equal(got.data, body);
}

static void well_is_ok_and_nothing_else(void **state)
{
	(void)state;
	be_well();
	expect("/livez", "", 200, "ok");
	expect("/healthz", "", 200, "ok");
	expect("/readyz", "", 200, "ok");
	expect("/livez", "exclude=ping", 200, "ok");
	expect("/livez", "exclude=nothing", 200, "ok");
	expect("/livez", "verbosely", 200, "ok");
}

static void verbose_lists_the_checks(void **state)
{
	(void)state;
	be_well();
	expect("/livez", "verbose", 200, "[+]ping ok\n[+]scheduling-loop ok\n[+]leaderElection ok\nlivez check passed\n");
	expect("/healthz", "verbose=1", 200, "[+]ping ok\n[+]scheduling-loop ok\n[+]leaderElection ok\nhealthz check passed\n");
	expect("/readyz", "x=1&verbose", 200, "[+]ping ok\n[+]informer-sync ok\n[+]sched-handler-sync ok\n[+]latency-file ok\n"
						"[+]shutdown ok\nreadyz check passed\n");
	expect("/livez", "verbose&exclude=leaderElection&exclude=ping&exclude=nothing", 200,
	       "[+]ping excluded: ok\n[+]scheduling-loop ok\n[+]leaderElection excluded: ok\n"
	       "warn: some health checks cannot be excluded: no matches for \"nothing\"\nlivez check passed\n");
	/* a check of the other endpoint is none of this one */
	expect("/livez", "verbose&exclude=shutdown", 200, "[+]ping ok\n[+]scheduling-loop ok\n[+]leaderElection ok\n"
	       "warn: some health checks cannot be excluded: no matches for \"shutdown\"\nlivez check passed\n");
}

static void one_check_has_a_path_of_its_own(void **state)
{
	size_t i;

	(void)state;
	be_well();
	for (i = 0; i < ARRAY_SIZE(checks); i++) {
		auto_free char *live = xasprintf("/livez/%s", checks[i].name), *ready = xasprintf("/readyz/%s", checks[i].name);

		expect(live, "", checks[i].in & LIVE ? 200 : 404, checks[i].in & LIVE ? "ok" : "there is no such check\n");
		expect(ready, "", checks[i].in & READY ? 200 : 404, checks[i].in & READY ? "ok" : "there is no such check\n");
	}
	expect("/livez/", "", 404, "there is no such check\n");
	expect("/livez/pin", "", 404, "there is no such check\n");
	expect("/livez/x/ping", "", 404, "there is no such check\n");
	beat(&(struct status_facts){.synced = true, .looked = true, .draining = true}, 0);
	expect("/readyz/shutdown", "", 500, "internal server error: process is shutting down\n");
}

static void a_loop_that_is_stuck_fails_liveness_alone(void **state)
{
	(void)state;
	beat(&(struct status_facts){.synced = true, .looked = true}, STATUS_STUCK_MS - 1000);
	expect("/livez", "", 200, "ok");
	beat(&(struct status_facts){.synced = true, .looked = true}, STATUS_STUCK_MS + 1500);
	expect("/livez", "", 500, "[+]ping ok\n[-]scheduling-loop failed: the loop did not turn for 31 s\n[+]leaderElection ok\nlivez check failed\n");
	expect("/readyz", "", 200, "ok");
	expect("/livez", "exclude=scheduling-loop", 200, "ok");
}

static void a_leader_whose_renewal_is_long_overdue_fails(void **state)
{
	struct status_facts facts = {.synced = true, .looked = true, .overdue_ms = STATUS_OVERDUE_MS};

	(void)state;
	beat(&facts, 0);
	expect("/livez", "", 200, "ok");
	facts.overdue_ms = STATUS_OVERDUE_MS + 1000;
	beat(&facts, 0);
	expect("/livez/leaderElection", "", 500, "internal server error: the renewal of the lease is overdue by 21 s\n");
	expect("/healthz", "", 500,
	       "[+]ping ok\n[+]scheduling-loop ok\n[-]leaderElection failed: the renewal of the lease is overdue by 21 s\nhealthz check failed\n");
	expect("/readyz", "", 200, "ok"); /* a standby is ready, and so is this one */
}

static void not_ready_says_why(void **state)
{
	(void)state;
	beat(&(struct status_facts){.unlisted = 1u << RESOURCE_NODES | CSI_NODES, .forbidden = CSI_NODES, .draining = true}, 0);
	expect("/livez", "", 200, "ok");
	expect("/readyz", "", 500,
	       "[+]ping ok\n[-]informer-sync failed: not listed yet: nodes, csinodes (forbidden)\n"
	       "[-]sched-handler-sync failed: not listed yet: nodes, csinodes (forbidden)\n"
	       "[-]latency-file failed: the latency file was not looked at yet\n"
	       "[-]shutdown failed: process is shutting down\nreadyz check failed\n");
	expect("/readyz", "exclude=informer-sync&exclude=sched-handler-sync&exclude=latency-file&exclude=shutdown", 200, "ok");
}

static void ask_reserve(const char *query, int code, const char *type, const char *body)
{
	struct http_request request = {.method = "GET", .path = "/reserve", .query = query};
	struct http_reply reply = {.status = 200, .content_type = "text"};
	auto_buf struct buf got = {0};

	answer_reserve(&status, &request, &reply);
	got = reply.body;
	assert_int_equal(reply.status, code);
	assert_string_equal(reply.content_type, type);
	assert_string_equal(got.data, body);
}

static void the_reserve_is_there_when_there_is_one(void **state)
{
	int version = 1;
	size_t count, i;
	const struct http_route *routes = status_routes(&count);

	(void)state;
	ask_reserve("", 404, "text", "no room is kept here for a node's failure\n");
	status_show(&status, (struct reserve *)(void *)&version);
	ask_reserve("", 200, "application/json", "{\"version\":1}");
	ask_reserve("format=yaml", 400, "text", "/reserve takes no argument\n");
	status_show(&status, NULL);
	ask_reserve("", 404, "text", "no room is kept here for a node's failure\n");
	for (i = 0; i < count; i++)
		assert_true(STREQ(routes[i].method, "GET"));
}

/* Before the first turn: alive, and not ready. */
static void it_begins_alive_and_not_ready(void **state)
{
	struct lm_err err;

	(void)state;
	assert_int_equal(status_open(&status, NULL, NULL, &err), 0);
	expect("/livez", "", 200, "ok");
	expect("/readyz/informer-sync", "", 500, "internal server error: not listed yet\n");
	expect("/readyz/shutdown", "", 200, "ok");
}

/* The names that metrics, the log and /readyz have for a kind are those of the API's paths. */
static void resources_have_the_names_of_their_paths(void **state)
{
	int kind;

	(void)state;
	for (kind = 0; kind < OBJECT_KINDS; kind++) {
		const char *path = object_kinds[kind].path;

		if (path)
			assert_string_equal(stat_resource_names[RESOURCE_OBJECTS + kind], strrchr(path, '/') + 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(well_is_ok_and_nothing_else),
		cmocka_unit_test(verbose_lists_the_checks),
		cmocka_unit_test(one_check_has_a_path_of_its_own),
		cmocka_unit_test(a_loop_that_is_stuck_fails_liveness_alone),
		cmocka_unit_test(a_leader_whose_renewal_is_long_overdue_fails),
		cmocka_unit_test(not_ready_says_why),
		cmocka_unit_test(resources_have_the_names_of_their_paths),
		cmocka_unit_test(the_reserve_is_there_when_there_is_one),
		cmocka_unit_test(it_begins_alive_and_not_ready),
	};

	return cmocka_run_group_tests_name("sched-status", tests, NULL, NULL);
}
