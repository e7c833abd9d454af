/* latency-merge and the API's node list, on the stand-in: pages, addresses, and a server that fails. */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include "lib/peers.h"
#include "lib/snapshot.h"
#include "tests/testing/standin.h"

#define MANY 620			/* more than a page */

static struct standin api;
static const char *dir;

static int begin(void **state)
{
	(void)state;
	standin_start(&api, NULL);
	dir = test_folder();
	return 0;
}

static int end(void **state)
{
	(void)state;
	standin_stop(&api);
	return 0;
}

static void add_node(const char *name, const char *spec, const char *addresses)
{
	auto_free char *body = xasprintf("{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":{\"name\":\"%s\"},\"spec\":{%s},\"status\":{\"addresses\":[%s]}}",
					 name, spec, addresses);

	standin_do(&api, 201, "POST", "/api/v1/nodes", body);
}

static int merge(char **said)
{
	return test_run((const char *const[]){test_program("latency-merge"), "--dir", dir, "--server", api.url, NULL}, 90, said);
}

static char *get(const char *name)
{
	auto_free char *path = xasprintf("%s/%s", dir, name);

	return test_read(path);
}

static struct peers peers(void)
{
	auto_free char *text = get("peers.json");
	struct peers out;
	struct lm_err err;

	assert_non_null(text);
	if (peers_parse(text, strlen(text), &out, &err) < 0)
		fail_msg("%s", err.msg);
	return out;
}

static void is_at(const struct peers *p, const char *node, const char *address)
{
	uint32_t index = names_find(&p->nodes.names, node);

	assert_int_not_equal(index, NAMES_NONE);
	if (address)
		assert_string_equal(p->nodes.addr[index], address);
	else
		assert_null(p->nodes.addr[index]);
}

static uint32_t rows(void)
{
	auto_free char *text = get("cluster-latency.json");
	auto_snapshot struct snapshot s = {0};
	struct lm_err err;

	assert_non_null(text);
	assert_int_equal(snapshot_parse(text, strlen(text), &s, &err), 0);
	return s.nodes.count;
}

/* Every node is pinged, tainted or not, ready or not. */
static void every_node_with_its_internal_address(void **state)
{
	auto_free char *said = NULL;
	struct peers p;

	(void)state;
	add_node("edge-1", "", "{\"type\":\"Hostname\",\"address\":\"edge-1\"},{\"type\":\"ExternalIP\",\"address\":\"203.0.113.1\"},"
			       "{\"type\":\"InternalIP\",\"address\":\"10.0.0.1\"},{\"type\":\"InternalIP\",\"address\":\"fd00::1\"}");
	add_node("edge-2", "\"unschedulable\":true,\"taints\":[{\"key\":\"k\",\"effect\":\"NoExecute\"}]", "{\"type\":\"InternalIP\",\"address\":\"fd00::2\"}");
	add_node("edge-3", "", "");
	assert_int_equal(merge(&said), 0);
	p = peers();
	assert_int_equal(p.nodes.names.count, 3);
	is_at(&p, "edge-1", "10.0.0.1");
	is_at(&p, "edge-2", "fd00::2");
	is_at(&p, "edge-3", NULL);
	peers_free(&p);
	assert_int_equal(rows(), 3);
}

static void a_large_list_comes_in_pages(void **state)
{
	auto_free char *said = NULL;
	struct peers p;
	int i;

	(void)state;
	for (i = 0; i < MANY; i++) {
		auto_free char *name = xasprintf("node-%d", i);
		auto_free char *address = xasprintf("{\"type\":\"InternalIP\",\"address\":\"10.1.%d.%d\"}", i / 250, i % 250);

		add_node(name, "", address);
	}
	assert_int_equal(merge(&said), 0);
	p = peers();
	assert_int_equal(p.nodes.names.count, MANY);
	is_at(&p, "node-619", "10.1.2.119");
	peers_free(&p);
	assert_int_equal(rows(), MANY);
}

/* A list that fails says why, with 69; once a list was seen, the merge goes on with that one and peers.json stays as it is. */
static void a_failing_api_stops_only_the_first_merge(void **state)
{
	auto_free char *first = NULL, *good = NULL, *later = NULL, *before = NULL, *after = NULL;

	(void)state;
	add_node("edge-1", "", "{\"type\":\"InternalIP\",\"address\":\"10.0.0.1\"}");
	add_node("edge-2", "", "{\"type\":\"InternalIP\",\"address\":\"10.0.0.2\"}");
	standin_faults(&api, "{\"rules\":[{\"path\":\"/api/v1/nodes\",\"action\":\"status\",\"status\":500}]}");
	assert_int_equal(merge(&first), 69);
	assert_non_null(strstr(first, "list the nodes: 500"));
	standin_faults(&api, "{\"rules\":[]}");
	assert_int_equal(merge(&good), 0);
	before = get("peers.json");
	standin_faults(&api, "{\"rules\":[{\"path\":\"/api/v1/nodes\",\"action\":\"drop\"}]}");
	assert_int_equal(merge(&later), 0);
	assert_non_null(strstr(later, "the node list cannot be read, using the last one"));
	assert_non_null(strstr(later, "merged, degraded nodes=2"));
	after = get("peers.json");
	assert_string_equal(before, after);
	assert_int_equal(rows(), 2);
}

/* --- observations over a restart --- */

#define EACH 40				/* of the file, and as many of Services: together more than OBSERVE_GROUPS_EACH */

static void put_clients(const char *path)
{
	auto_buf struct buf text = {0};
	int i;

	for (i = 0; i < EACH; i++) {
		auto_free char *service = xasprintf("{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"s-%d\",\"annotations\":{\"latency-mesh.io/client\":"
						    "\"by-service-%d=203.0.113.%d\"}},\"spec\":{}}", i, i, i + 1);

		standin_do(&api, 201, "POST", "/api/v1/namespaces/default/services", service);
		buf_printf(&text, "%s\"by-file-%d\":[\"198.51.100.%d\"]", i ? "," : "{", i, i + 1);
	}
	buf_char(&text, '}');
	test_write(path, text.data);
}

static pid_t observe(const char *clients, const char *output)
{
	const char *argv[] = {test_program("latency-merge"), "--dir", dir, "--server", api.url, "--client-services", "--clients", clients, "--watch", "--interval", "1s",
			      "--observations", "--listen", "127.0.0.1:0", NULL};

	remove(output);
	return test_spawn(argv, NULL, output);
}

static bool has_merged(void *output)
{
	auto_free char *text = test_read(output);
	const char *first = text ? strstr(text, " merged") : NULL;

	return first && strstr(first + 1, " merged");
}

static void post_of_all_clients(const char *output)
{
	auto_free char *said = test_read(output), *url = xasprintf("http://127.0.0.1:%d", atoi(strstr(said, " port=") + strlen(" port="))), *answer = NULL;
	struct kube_config config = {.server = url};
	auto_buf struct buf body = {0};
	struct lm_err err;
	struct kube *kube = kube_new(&config, "users", &err);
	int i, status = 0;

	buf_str(&body, "{\"observations\":[");
	for (i = 0; i < 2 * EACH; i++)
		buf_printf(&body, "%s{\"group\":\"by-%s-%d\",\"node\":\"edge-1\",\"ms\":7,\"count\":10}", i ? "," : "", i % 2 ? "file" : "service", i / 2);
	buf_str(&body, "]}");
	assert_int_equal(kube_call_wait(kube, &(struct kube_request){.method = "POST", .path = "/observations", .body = body.data}, &status, &answer, &err), 0);
	assert_int_equal(status, 200);
	assert_non_null(strstr(answer, "\"refused\":0"));
	kube_free(kube);
}

/* Of those in the file of what users said. */
static int observed(void)
{
	auto_free char *text = get("observations.json");
	int i, count = 0;

	for (i = 0; text && i < 2 * EACH; i++) {
		auto_free char *name = xasprintf("\"by-%s-%d\"", i % 2 ? "file" : "service", i / 2);

		count += strstr(text, name) != NULL;
	}
	return count;
}

static bool are_all_observed(void *unused)
{
	(void)unused;
	return observed() == 2 * EACH;
}

static void what_users_said_outlives_a_start_without_the_api(void **state)
{
	auto_free char *clients = xasprintf("%s/clients.json", dir), *output = xasprintf("%s/output", dir), *said = NULL;
	pid_t pid;

	(void)state;
	add_node("edge-1", "", "{\"type\":\"InternalIP\",\"address\":\"10.0.0.1\"}");
	add_node("edge-2", "", "{\"type\":\"InternalIP\",\"address\":\"10.0.0.2\"}");
	put_clients(clients);
	pid = observe(clients, output);
	assert_true(test_wait(has_merged, output, 30000));
	post_of_all_clients(output);
	assert_true(test_wait(are_all_observed, NULL, 30000));
	assert_int_equal(test_stop(pid, SIGTERM), 0);
	standin_faults(&api, "{\"rules\":[{\"path\":\"/api/v1/nodes\",\"action\":\"drop\"},{\"path\":\"/api/v1/services\",\"action\":\"drop\"}]}");
	pid = observe(clients, output);
	assert_true(test_wait(has_merged, output, 30000));
	assert_int_equal(test_stop(pid, SIGTERM), 0);
	said = test_read(output);
	if (!strstr(said, "the node list cannot be read, using the last one"))
		fail_msg("%s", said);
	printf("# %d of %d cells after it\n", observed(), 2 * EACH);
	assert_int_equal(observed(), 2 * EACH);
}

static void a_forbidden_list_is_a_question_of_permission(void **state)
{
	auto_free char *said = NULL;

	(void)state;
	standin_faults(&api, "{\"rules\":[{\"path\":\"/api/v1/nodes\",\"action\":\"status\",\"status\":403}]}");
	assert_int_equal(merge(&said), 77);
}

static bool was_asked(void *unused)
{
	auto_free char *text = standin_text(&api, "/standin/stats");

	(void)unused;
	return !strstr(text, "\"faults\":0");
}

static void a_slow_api_does_not_delay_the_end(void **state)
{
	const char *argv[] = {test_program("latency-merge"), "--dir", dir, "--server", api.url, "--watch", NULL};
	auto_free char *output = xasprintf("%s/output", dir), *said = NULL;
	int64_t asked_ms;
	pid_t pid;

	(void)state;
	standin_faults(&api, "{\"rules\":[{\"path\":\"/api/v1/nodes\",\"action\":\"delay\",\"delay_ms\":6000}]}");
	pid = test_spawn(argv, NULL, output);
	assert_true(test_wait(was_asked, NULL, 30000));
	asked_ms = clock_mono_ms();
	assert_int_equal(test_stop(pid, SIGTERM), 0);
	test_deadline("SIGTERM during a call of the API to the end", (double)(clock_mono_ms() - asked_ms), 500, "ms");
	said = test_read(output);
	assert_non_null(strstr(said, "stopped"));
	assert_null(strstr(said, "ERROR"));
}

static int faults_so_far(void)
{
	auto_free char *text = standin_text(&api, "/standin/stats");
	const char *found = strstr(text, "\"faults\":");

	assert_non_null(found);
	return atoi(found + strlen("\"faults\":"));
}

/* The continue token expired between two pages: the list is begun anew. Which request meets the 410 is thrown by dice with a seed. */
static void a_list_that_expires_between_pages_is_begun_anew(void **state)
{
	int i, seed, code, before;
	bool seen = false;

	(void)state;
	for (i = 0; i < MANY; i++) {
		auto_free char *name = xasprintf("node-%d", i);

		add_node(name, "", "");
	}
	for (seed = 1; seed <= 40 && !seen; seed++) {
		auto_free char *rules = xasprintf("{\"seed\":%d,\"rules\":[{\"path\":\"/api/v1/nodes\",\"action\":\"status\",\"status\":410,"
						  "\"probability\":0.5,\"count\":1}]}", seed);
		auto_free char *said = NULL;

		standin_faults(&api, rules);
		before = faults_so_far();
		dir = test_folder();
		code = merge(&said);
		assert_true(code == 0 || code == 69); /* 69: the first page met it, which is no question of pages */
		seen = code == 0 && faults_so_far() > before;
	}
	assert_true(seen);
	assert_int_equal(rows(), MANY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_node_with_its_internal_address, begin, end),
		cmocka_unit_test_setup_teardown(a_large_list_comes_in_pages, begin, end),
		cmocka_unit_test_setup_teardown(a_failing_api_stops_only_the_first_merge, begin, end),
		cmocka_unit_test_setup_teardown(what_users_said_outlives_a_start_without_the_api, begin, end),
		cmocka_unit_test_setup_teardown(a_forbidden_list_is_a_question_of_permission, begin, end),
		cmocka_unit_test_setup_teardown(a_slow_api_does_not_delay_the_end, begin, end),
		cmocka_unit_test_setup_teardown(a_list_that_expires_between_pages_is_begun_anew, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
