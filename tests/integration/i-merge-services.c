/*
 * Clients that Services name: from the annotation to peers.json, to the probes' reports, to the matrix, to where pods go. The API server is the
 * stand-in, the network is that of tests/testing/wire.h, all else are the programs themselves.
 */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "lib/peers.h"
#include "lib/snapshot.h"
#include "tests/testing/sched.h"
#include "tests/testing/wire.h"

#define SERVICES "/api/v1/namespaces/%s/services"
#define PUBLISHED_MS 20000
#define MANY 620			/* more than a page */

static struct sched s;
static struct standin *api;

static int begin(void **state)
{
	static const char *const namespaces[] = {"web", "a", "b", "c"};
	auto_free char *nodes = NULL;
	int i;

	(void)state;
	wire_reset();
	sched_begin(&s, NULL);
	api = &s.api;
	nodes = xasprintf("%s/nodes", s.folder);
	assert_int_equal(mkdir(nodes, 0755), 0);
	for (i = 0; i < 4; i++) {
		auto_free char *body = xasprintf("{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"%s\"}}", namespaces[i]);

		standin_do(api, 201, "POST", "/api/v1/namespaces", body);
	}
	for (i = 1; i <= 3; i++) {
		auto_free char *name = xasprintf("edge-%d", i);
		auto_free char *more = xasprintf(",\"status\":{\"addresses\":[{\"type\":\"InternalIP\",\"address\":\"10.77.2.%d\"}],"
						 "\"allocatable\":{\"cpu\":\"4\",\"memory\":\"8Gi\",\"pods\":\"110\"}}", i);
		auto_free char *body = xasprintf("{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":{\"name\":\"%s\"}%s}", name, more);

		standin_do(api, 201, "POST", "/api/v1/nodes", body);
	}
	return 0;
}

static int end(void **state)
{
	(void)state;
	sched_end(&s);
	return 0;
}

/* --- Services ------------------------------------------------------------------------------------------------------------ */

static void add_service(const char *namespace_, const char *name, const char *annotation, const char *spec)
{
	auto_free char *path = xasprintf(SERVICES, namespace_);
	auto_free char *body = xasprintf("{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"%s\",\"annotations\":{\"team\":\"a\"%s%s%s}},\"spec\":{%s}}",
					 name, annotation ? ",\"latency-mesh.io/client\":\"" : "", annotation ? annotation : "", annotation ? "\"" : "", spec);

	standin_do(api, 201, "POST", path, body);
}

/* What a load balancer's controller writes. */
static void set_status(const char *namespace_, const char *name, const char *ingress)
{
	auto_free char *path = xasprintf(SERVICES "/%s/status", namespace_, name);
	auto_free char *body = xasprintf("{\"status\":{\"loadBalancer\":{\"ingress\":[%s]}}}", ingress);

	standin_do(api, 200, "PATCH", path, body);
}

static void remove_service(const char *namespace_, const char *name)
{
	auto_free char *path = xasprintf(SERVICES "/%s", namespace_, name);

	standin_do(api, 200, "DELETE", path, NULL);
}

/* --- the merger ---------------------------------------------------------------------------------------------------------- */

static int merge(char **said, const char *clients_file)
{
	return test_run((const char *const[]){test_program("latency-merge"), "--dir", s.folder, "--server", api->url, "--client-services",
					      clients_file ? "--clients" : NULL, clients_file, NULL}, 90, said);
}

static void merges(void)
{
	auto_free char *said = NULL;
	int code = merge(&said, NULL);

	if (code)
		fail_msg("exit code %d: %s", code, said);
}

static char *get(const char *name)
{
	auto_free char *path = xasprintf("%s/%s", s.folder, name);

	return test_read(path);
}

/* peers.json's clients as "milan=203.0.113.7 turin=-". */
static void clients_are(const char *wanted)
{
	auto_free char *text = get("peers.json");
	auto_buf struct buf got = {0};
	struct peers peers;
	struct lm_err err;
	uint32_t i;

	assert_non_null(text);
	if (peers_parse(text, strlen(text), &peers, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(peers.nodes.names.count, 3);
	buf_str(&got, "");
	for (i = 0; i < peers.clients.names.count; i++)
		buf_printf(&got, "%s%s=%s", i ? " " : "", peers.clients.names.items[i], peers.clients.addr[i] ? peers.clients.addr[i] : "-");
	peers_free(&peers);
	assert_string_equal(got.data ? got.data : "", wanted);
}

static int count(const char *text, const char *words)
{
	int found = 0;

	for (text = strstr(text, words); text; text = strstr(text + 1, words))
		found++;
	return found;
}

static void says(const char *said, const char *words)
{
	if (!strstr(said, words))
		fail_msg("\"%s\" is not in: %s", words, said);
}

static void a_service_gives_its_own_address(void **state)
{
	auto_free char *said = NULL;

	(void)state;
	add_service("web", "balanced", "balanced", "\"externalIPs\":[\"198.51.100.1\"]");
	set_status("web", "balanced", "{\"hostname\":\"lb.example\"},{\"ip\":\"203.0.113.7\"},{\"ip\":\"203.0.113.8\"}");
	add_service("web", "external", "external", "\"externalIPs\":[\"127.0.0.1\",\"2001:DB8::7\"],\"externalName\":\"198.51.100.2\"");
	add_service("web", "named", "named", "\"type\":\"ExternalName\",\"externalName\":\"198.51.100.3\"");
	add_service("web", "plain", NULL, "\"externalIPs\":[\"198.51.100.4\"]");
	assert_int_equal(merge(&said, NULL), 0);
	clients_are("balanced=203.0.113.7 external=2001:db8::7 named=198.51.100.3");
	assert_null(strstr(said, "service="));
}

/* A client without an address is known and not pinged, until its load balancer is there. */
static void a_service_without_an_address_is_listed_and_named(void **state)
{
	auto_free char *before = NULL, *after = NULL;

	(void)state;
	add_service("web", "shop", "shop", "\"type\":\"ExternalName\",\"externalName\":\"shop.example\"");
	set_status("web", "shop", "{\"hostname\":\"lb.example\"}");
	assert_int_equal(merge(&before, NULL), 0);
	clients_are("shop=-");
	says(before, "service=web/shop annotation=latency-mesh.io/client error=\"shop: has no address");
	set_status("web", "shop", "{\"ip\":\"203.0.113.9\"}");
	assert_int_equal(merge(&after, NULL), 0);
	clients_are("shop=203.0.113.9");
	assert_null(strstr(after, "web/shop"));
}

static void an_annotation_may_name_hosts_outside(void **state)
{
	(void)state;
	add_service("web", "outside", "turin=203.0.113.1, milan = 2001:DB8:0::1 ,own", "\"externalIPs\":[\"198.51.100.1\"]");
	merges();
	clients_are("milan=2001:db8::1 own=198.51.100.1 turin=203.0.113.1");
}

/* Each is named once with its Service, and no other one suffers. */
static void a_bad_annotation_is_named_once_and_alone(void **state)
{
	static const struct {
		const char *annotation, *error;
	} bad[] = {
		{"", "a name is missing"}, {"a,,b", "a name is missing"}, {"a,", "a name is missing"}, {"=203.0.113.1", "a name is missing"},
		{"Milan", "is not a valid name"}, {"two words", "is not a valid name"}, {"a=milan.example", "is not the address of a host"},
		{"a=", "is not the address of a host"}, {"a=10.0.0.1=10.0.0.2", "is not the address of a host"}, {"a=10.0.0.1,a=10.0.0.2", "listed twice"},
		{"a=127.0.0.1", "is not the address of a host"}, {"a=224.0.0.1", "is not the address of a host"}, {"a=0.0.0.0", "is not the address of a host"},
		{"a=255.255.255.255", "is not the address of a host"}, {"a=169.254.1.1", "is not the address of a host"}, {"a=fe80::1%eth0", "is not the address of a host"},
		{"a=ff02::1", "is not the address of a host"}, {"a=::1", "is not the address of a host"}, {"a=::ffff:127.0.0.1", "is not the address of a host"},
	};
	auto_free char *output = xasprintf("%s/output", s.folder), *said = NULL;
	const char *argv[] = {test_program("latency-merge"), "--dir", s.folder, "--server", api->url, "--client-services", "--watch", "--interval", "1s", NULL};
	int64_t end_ms;
	pid_t pid;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		auto_free char *name = xasprintf("bad-%zu", i);

		add_service("web", name, bad[i].annotation, "");
	}
	add_service("web", "good", "good=203.0.113.1", "");
	pid = test_spawn(argv, NULL, output);
	for (end_ms = clock_mono_ms() + PUBLISHED_MS; clock_mono_ms() < end_ms && (!said || count(said, "generation=") < 3);) {
		free(said);
		usleep(50000);
		said = test_read(output);
	}
	assert_int_equal(test_stop(pid, SIGTERM), 0);
	assert_true(said && count(said, "generation=") >= 3);
	clients_are("good=203.0.113.1");
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		auto_free char *key = xasprintf("service=web/bad-%zu ", i);

		if (count(said, key) != 1 || !strstr(strstr(said, key), bad[i].error))
			fail_msg("\"%s\" is named %d times: %s", bad[i].annotation, count(said, key), said);
	}
	assert_null(strstr(said, "web/good"));
}

static void of_two_with_one_name_the_first_has_it_and_a_file_before_both(void **state)
{
	auto_free char *file = xasprintf("%s/clients.json", s.folder), *said = NULL, *again = NULL;

	(void)state;
	add_service("b", "first", "milan=203.0.113.2,rome=203.0.113.3", "");
	add_service("a", "second", "milan=203.0.113.1", "");
	assert_int_equal(merge(&said, NULL), 0);
	clients_are("milan=203.0.113.1 rome=203.0.113.3");
	says(said, "service=b/first annotation=latency-mesh.io/client error=\"milan: is named by the Service a/second already\"");
	test_write(file, "{\"milan\":[\"203.0.113.9\"],\"home\":[\"127.0.0.1\"]}");
	assert_int_equal(merge(&again, file), 0);
	clients_are("home=127.0.0.1 milan=203.0.113.9 rome=203.0.113.3");
	says(again, "service=a/second annotation=latency-mesh.io/client error=\"milan: is in the file of --clients, which is used\"");
}

static void more_than_a_thousand_are_cut_and_the_rest_is_named(void **state)
{
	auto_buf struct buf annotation = {0};
	auto_free char *said = NULL, *text = NULL;
	int i;

	(void)state;
	for (i = 0; i < SNAPSHOT_MAX_CLIENTS; i++)
		buf_printf(&annotation, "%sc%d=10.0.%d.%d", i ? "," : "", i, i / 250, i % 250 + 1);
	add_service("a", "thousand", annotation.data, "");
	add_service("b", "one-more", "late=203.0.113.1", "");
	buf_str(&annotation, ",c-more=10.0.9.1");
	add_service("c", "too-many", annotation.data, "");
	assert_int_equal(merge(&said, NULL), 0);
	text = get("peers.json");
	assert_int_equal(count(text, "[\"10.0."), SNAPSHOT_MAX_CLIENTS);
	assert_null(strstr(text, "late"));
	says(said, "service=b/one-more annotation=latency-mesh.io/client error=\"late: would be more than 1000 clients\"");
	says(said, "service=c/too-many annotation=latency-mesh.io/client error=\"more than 1000 clients\"");
}

static void services_come_in_pages_and_from_all_namespaces(void **state)
{
	auto_free char *text = NULL;
	int i;

	(void)state;
	for (i = 0; i < MANY; i++) {
		auto_free char *name = xasprintf("service-%d", i), *annotation = xasprintf("c%d=10.1.%d.%d", i, i / 250, i % 250 + 1);

		add_service(i % 2 ? "default" : "web", name, annotation, "");
	}
	merges();
	text = get("peers.json");
	assert_int_equal(count(text, "[\"10.1."), MANY);
}

/* --- the whole way ------------------------------------------------------------------------------------------------------- */

static const uint32_t clients[] = {0x0101, 0x0102, 0x0103};	/* 10.77.1.1 and so on */

/* Each node's probe measures once, its clients as far away as the test says, in ms. */
static void measure(const double ms[3][3])
{
	auto_free char *peers = xasprintf("%s/peers.json", s.folder), *nodes = xasprintf("%s/nodes", s.folder);
	int node, i;

	for (node = 0; node < 3; node++) {
		auto_free char *name = xasprintf("edge-%d", node + 1), *said = NULL;
		const char *argv[] = {test_program("latency-probe"), "--node", name, "--peers", peers, "--output", nodes, "--interval", "2s", "--timeout", "1s",
				      "--once", NULL};
		int code;

		for (i = 0; i < 3; i++)
			wire_rule(clients[i], (struct wire_answer){.delay_us = (int64_t)(ms[node][i] * 1000)});
		code = test_run(argv, 30, &said);
		if (code)
			fail_msg("%s: exit code %d: %s", name, code, said);
	}
}

/* What the matrix says from a node to a client, in ms; NaN when it is not known, -1 when the client is not there. */
static double matrix_ms(const char *node, const char *client)
{
	auto_free char *text = get("cluster-latency.json");
	auto_snapshot struct snapshot snap = {0};
	struct lm_err err;
	uint32_t column;

	if (!text || snapshot_parse(text, strlen(text), &snap, &err) < 0)
		fail_msg("%s", text ? err.msg : "no matrix");
	column = names_find(&snap.clients, client);
	return column == NAMES_NONE ? -1 : (double)snap.client.rtt_us[names_find(&snap.nodes, node) * snap.clients.count + column] / 1e3;
}

/* Later than wanted, but not by so much that the nearest would be another. */
static bool is_about(double ms, double wanted)
{
	return ms >= wanted && ms < wanted + 30;
}

/* Measures and merges until the busy machine was not in the way of any. `second` may be NULL. */
static void take(const char *first, const char *second, const int columns[2], const double ms[3][3])
{
	const char *const names[] = {first, second};
	int tries, node, i, wrong = 1;

	for (tries = 0; tries < 20 && wrong; tries++) {
		measure(ms);
		merges();
		for (wrong = 0, node = 0; node < 3; node++)
			for (i = 0; i < 2; i++) {
				auto_free char *name = xasprintf("edge-%d", node + 1);

				wrong += names[i] && !is_about(matrix_ms(name, names[i]), ms[node][columns[i]]);
			}
	}
	if (wrong)
		fail_msg("%d of the round trips are not as they were made", wrong);
}

static const double at_first[3][3] = {{1, 80, 60}, {40, 40, 1}, {80, 1, 60}};

/* near client/..., the default of a configuration, a limit; the client's address changes; its Service goes. */
static void from_the_annotation_to_the_node(void **state)
{
	auto_free char *config = xasprintf("%s/config.yaml", s.folder);

	(void)state;
	add_service("web", "shop", "milan", "\"type\":\"LoadBalancer\"");
	set_status("web", "shop", "{\"ip\":\"10.77.1.1\"}");
	add_service("web", "tokyo", "tokyo=10.77.1.2", "");
	/* by latency alone: what else runs on this machine is the nodes' measured load, and would refuse one of them */
	test_write(config, "defaultNear: client/milan\nrefusals: {cpu: false}\n"
		   "weights: {near: {latency: 1, cpu: 0, free: 0}, plain: {latency: 1, cpu: 0, free: 0}}\n");
	merges();
	take("milan", "tokyo", (const int[]){0, 1}, at_first);
	sched_start(&s, (const char *const[]){"--config", config, NULL});
	sched_pod(&s, "of-milan", "\"latency-mesh.io/near\":\"client/milan\"");
	sched_pod(&s, "of-tokyo", "\"latency-mesh.io/near\":\"client/tokyo\"");
	sched_pod(&s, "by-default", "");
	sched_pod(&s, "within", "\"latency-mesh.io/near\":\"client/milan\",\"latency-mesh.io/within\":\"client/tokyo<=60ms\"");
	assert_string_equal(sched_where(&s, "of-milan"), "edge-1");
	assert_string_equal(sched_where(&s, "of-tokyo"), "edge-3");
	assert_string_equal(sched_where(&s, "by-default"), "edge-1");
	assert_string_equal(sched_where(&s, "within"), "edge-2");
	set_status("web", "shop", "{\"ip\":\"10.77.1.3\"}");
	merges();
	clients_are("milan=10.77.1.3 tokyo=10.77.1.2");
	take("milan", "tokyo", (const int[]){2, 1}, at_first);
	sched_pod(&s, "of-milan-again", "\"latency-mesh.io/near\":\"client/milan\"");
	assert_string_equal(sched_where(&s, "of-milan-again"), "edge-2");
	remove_service("web", "shop");
	merges();
	assert_true(matrix_ms("edge-2", "milan") == -1);
	assert_true(is_about(matrix_ms("edge-3", "tokyo"), 1));
	assert_int_equal(sched_stop(&s, SIGTERM), 0);
}

/* While the Services cannot be listed, their clients stay, in peers.json and in the matrix; the nodes go on. */
static void clients_stay_while_services_cannot_be_listed(void **state)
{
	auto_free char *said = NULL, *back = NULL;

	(void)state;
	add_service("web", "shop", "milan=10.77.1.1", "");
	merges();
	take("milan", NULL, (const int[]){0, 0}, at_first);
	remove_service("web", "shop");
	standin_faults(api, "{\"rules\":[{\"path\":\"/api/v1/services\",\"action\":\"status\",\"status\":403}]}");
	assert_int_equal(merge(&said, NULL), 0);
	says(said, "the Services cannot be listed, their last clients stay error=\"list the Services: 403");
	says(said, "merged, degraded nodes=3 clients=1");
	clients_are("milan=10.77.1.1");
	assert_true(is_about(matrix_ms("edge-1", "milan"), 1));
	standin_faults(api, "{\"rules\":[{\"path\":\"/api/v1/*\",\"action\":\"drop\"}]}");
	merges();
	clients_are("milan=10.77.1.1");
	assert_true(is_about(matrix_ms("edge-1", "milan"), 1));
	standin_faults(api, "{\"rules\":[]}");
	assert_int_equal(merge(&back, NULL), 0);
	clients_are("");
	assert_true(matrix_ms("edge-1", "milan") == -1);
}

/* Without a list from before (no permission yet) the merge begins with the nodes. */
static void a_first_merge_without_services_begins_with_the_nodes(void **state)
{
	auto_free char *said = NULL;

	(void)state;
	add_service("web", "shop", "milan=10.77.1.1", "");
	standin_faults(api, "{\"rules\":[{\"path\":\"/api/v1/services\",\"action\":\"status\",\"status\":403}]}");
	assert_int_equal(merge(&said, NULL), 0);
	clients_are("");
	standin_faults(api, "{\"rules\":[]}");
	merges();
	clients_are("milan=10.77.1.1");
}

static void without_an_api_it_is_refused(void **state)
{
	auto_free char *said = NULL, *list = xasprintf("%s/nodes.json", s.folder);

	(void)state;
	test_write(list, "{\"edge-1\":[]}");
	assert_int_equal(test_run((const char *const[]){test_program("latency-merge"), "--dir", s.folder, "--nodes", list, "--client-services", NULL}, 90, &said), 64);
	says(said, "--client-services: no API server");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_service_gives_its_own_address, begin, end),
		cmocka_unit_test_setup_teardown(a_service_without_an_address_is_listed_and_named, begin, end),
		cmocka_unit_test_setup_teardown(an_annotation_may_name_hosts_outside, begin, end),
		cmocka_unit_test_setup_teardown(a_bad_annotation_is_named_once_and_alone, begin, end),
		cmocka_unit_test_setup_teardown(of_two_with_one_name_the_first_has_it_and_a_file_before_both, begin, end),
		cmocka_unit_test_setup_teardown(more_than_a_thousand_are_cut_and_the_rest_is_named, begin, end),
		cmocka_unit_test_setup_teardown(services_come_in_pages_and_from_all_namespaces, begin, end),
		cmocka_unit_test_setup_teardown(from_the_annotation_to_the_node, begin, end),
		cmocka_unit_test_setup_teardown(clients_stay_while_services_cannot_be_listed, begin, end),
		cmocka_unit_test_setup_teardown(a_first_merge_without_services_begins_with_the_nodes, begin, end),
		cmocka_unit_test_setup_teardown(without_an_api_it_is_refused, begin, end),
	};

	(void)argc;
	wire_enter(argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
