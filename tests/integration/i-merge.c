/* latency-merge as a program: what it writes, what an operator may do by hand; its words and exit codes; staying up. */
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "lib/clock.h"
#include "tests/integration/merge_volume.h"
#include "tests/testing/fetch.h"

/* --- what it writes ------------------------------------------------------------------------------------------------ */

static void reports_become_a_matrix(void **state)
{
	struct snapshot s;
	struct stat st;
	auto_free char *path = path_of("cluster-latency.json"), *peers = NULL, *said = NULL;

	(void)state;
	put_report(1, "b1", 1, 412);
	put_report(2, "b2", 7, 409);
	assert_int_equal(merge(&said, NULL), 0);
	says(said, "merged nodes=2 clients=0 fresh=2");
	s = load("cluster-latency.json");
	assert_int_equal(s.generation, 1);
	assert_true(s.nodes.count == 2 && s.link.rtt_us[1] == 412 && s.link.rtt_us[2] == 409 && s.load[0].cpu == 0.5 && s.period_s == 60);
	assert_int_equal(s.seen[1].seq, 7);
	snapshot_free(&s);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	peers = get("peers.json");
	assert_null(peers); /* no source of nodes: whom to ping is not ours to say */
}

static void the_folder_for_reports_is_made(void **state)
{
	auto_free char *nodes = path_of("nodes");
	struct stat st;

	(void)state;
	assert_int_equal(rmdir(nodes), 0);
	merges(NULL);
	assert_int_equal(stat(nodes, &st), 0);
	assert_int_equal(st.st_mode & 07777, 02775);
}

static void peers_are_written_only_when_they_changed(void **state)
{
	auto_free char *list = path_of("list"), *clients = path_of("clients"), *path = path_of("peers.json"), *text = NULL;
	struct stat before, after;

	(void)state;
	put("list", "edge-2: [10.0.0.2]\nedge-1: [10.0.0.1, fd00::1]\n");
	put("clients", "{\"milan\":[\"203.0.113.7\"]}");
	merges(WORDS("--nodes", list, "--clients", clients));
	text = get("peers.json");
	assert_string_equal(text, "{\"version\":1,\n\"nodes\":{\n\"edge-1\":[\"10.0.0.1\"],\n\"edge-2\":[\"10.0.0.2\"]},\n\"clients\":{\n\"milan\":[\"203.0.113.7\"]}}\n");
	assert_int_equal(stat(path, &before), 0);
	merges(WORDS("--nodes", list, "--clients", clients));
	assert_int_equal(stat(path, &after), 0);
	assert_true(before.st_ino == after.st_ino && before.st_mtim.tv_nsec == after.st_mtim.tv_nsec);
	put("list", "edge-1: [10.0.0.9]\n");
	merges(WORDS("--nodes", list, "--clients", clients));
	free(steal(&text));
	text = get("peers.json");
	says(text, "\"edge-1\":[\"10.0.0.9\"]}");
}

static void the_snapshot_can_lie_elsewhere(void **state)
{
	const char *elsewhere = test_folder();
	auto_free char *file = xasprintf("%s/cluster-latency.json", elsewhere), *there = NULL, *here = NULL;

	(void)state;
	put_report(1, "b1", 1, 412);
	merges(WORDS("--snapshot-dir", elsewhere));
	there = test_read(file);
	here = get("cluster-latency.json");
	assert_non_null(there);
	assert_null(here);
}

/* --- by hand ------------------------------------------------------------------------------------------------------- */

static void hold_leaves_the_file_alone_and_the_state_goes_on(void **state)
{
	auto_free char *hold = path_of("hold"), *said = NULL, *text = NULL;
	struct snapshot s;

	(void)state;
	put_report(1, "b1", 1, 412);
	merges(NULL);
	put("hold", "");
	put("cluster-latency.json", "{\"version\":1,\"generation\":1,\"nodes\":[\"x\"],\"rtt_us\":[[0]]}");
	put_report(1, "b1", 2, 500);
	assert_int_equal(merge(&said, NULL), 0);
	says(said, "hold: cluster-latency.json is left alone");
	merges(NULL);
	text = get("cluster-latency.json");
	says(text, "\"x\"");
	s = load("merge-state.json");
	assert_int_equal(s.generation, 3);
	assert_int_equal(s.seen[0].seq, 2);
	snapshot_free(&s);
	assert_int_equal(unlink(hold), 0);
	merges(NULL);
	assert_int_equal(generation(), 4);
}

static void an_edit_never_enters_a_fold(void **state)
{
	struct snapshot s;

	(void)state;
	put_report(1, "b1", 1, 412);
	put_report(2, "b2", 1, 409);
	merges(NULL);
	put("cluster-latency.json", "{\"version\":1,\"epoch\":\"e\",\"generation\":900,\"nodes\":[\"edge-1\",\"edge-2\",\"edge-9\"],"
				    "\"rtt_us\":[[0,7,7],[7,0,7],[7,7,0]]}");
	merges(NULL);
	s = load("cluster-latency.json");
	assert_int_equal(s.generation, 901); /* above the edit's, so that readers take it */
	assert_true(s.nodes.count == 2 && s.link.rtt_us[1] == 412);
	snapshot_free(&s);
}

static void an_edit_that_does_not_parse_stops_nothing(void **state)
{
	(void)state;
	put_report(1, "b1", 1, 412);
	merges(NULL);
	put("cluster-latency.json", "{\"version\":1,\"gener");
	merges(NULL);
	assert_int_equal(generation(), 2);
	put("cluster-latency.json", "");
	merges(NULL);
	assert_int_equal(generation(), 3);
}

/* Readers refuse a lower generation of an epoch: what an edit had raised it to must not matter once the edit is broken or gone. */
static void an_edit_that_cannot_be_read_any_more_begins_a_new_epoch(void **state)
{
	static const char *const broken[] = {"{\"version\":1,\"gener", "", NULL};
	auto_free char *path = path_of("cluster-latency.json");
	size_t i;

	(void)state;
	put_report(1, "b1", 1, 412);
	merges(NULL);
	for (i = 0; i < ARRAY_SIZE(broken); i++) {
		struct snapshot before = load("cluster-latency.json"), after;

		if (broken[i])
			put("cluster-latency.json", broken[i]);
		else
			assert_int_equal(unlink(path), 0);
		merges(NULL);
		after = load("cluster-latency.json");
		assert_string_not_equal(before.epoch, after.epoch);
		assert_int_equal(after.generation, before.generation + 1);
		snapshot_free(&before);
		snapshot_free(&after);
		merges(NULL); /* and that one stays */
		before = load("cluster-latency.json");
		after = load("merge-state.json");
		assert_string_equal(before.epoch, after.epoch);
		snapshot_free(&before);
		snapshot_free(&after);
	}
}

static void a_lost_state_begins_a_new_epoch_above_the_file(void **state)
{
	struct snapshot before, after;
	auto_free char *said = NULL;

	(void)state;
	put_report(1, "b1", 1, 412);
	merges(NULL);
	merges(NULL);
	before = load("cluster-latency.json");
	put("merge-state.json", "{\"version\":1,\"epo");
	assert_int_equal(merge(&said, NULL), 0);
	says(said, "the merger's state is lost");
	after = load("cluster-latency.json");
	assert_string_not_equal(before.epoch, after.epoch);
	assert_int_equal(after.generation, before.generation + 1);
	assert_true(after.age_s[0] < 60);
	snapshot_free(&before);
	snapshot_free(&after);
}

static void the_end_of_generations_is_a_new_epoch(void **state)
{
	struct snapshot s;

	(void)state;
	put_report(1, "b1", 1, 412);
	put("cluster-latency.json", "{\"version\":1,\"epoch\":\"e\",\"generation\":9007199254740992,\"nodes\":[],\"rtt_us\":[]}");
	merges(NULL);
	s = load("cluster-latency.json");
	assert_int_equal(s.generation, 1);
	assert_string_not_equal(s.epoch, "e");
	snapshot_free(&s);
}

/* --- words and exit codes ------------------------------------------------------------------------------------------ */

static void refuses(int code, const char *words, const char *const *argv)
{
	auto_free char *said = NULL;
	int got = test_run(argv, 60, &said);

	if (got != code || !strstr(said, words))
		fail_msg("exit code %d (wanted %d), wanted \"%s\", said: %s", got, code, words, said);
}

static void refuses_in_one_line_with_the_documented_code(void **state)
{
	const char *program = test_program("latency-merge");
	auto_free char *list = path_of("list"), *gone = path_of("gone");

	(void)state;
	put("list", "{\"edge-1\":[\"10.0.0\"]}");
	refuses(64, "--dir: is required", WORDS(program));
	refuses(64, "--nonsense", WORDS(program, "--dir", dir, "--nonsense"));
	refuses(64, "\"operand\"", WORDS(program, "--dir", dir, "operand"));
	refuses(64, "--interval", WORDS(program, "--dir", dir, "--interval", "5 parsecs"));
	refuses(64, "--interval", WORDS(program, "--dir", dir, "--interval", "1ms"));
	refuses(64, "--nodes: cannot be given with --server", WORDS(program, "--dir", dir, "--nodes", list, "--server", "http://x"));
	refuses(64, "--listen: needs --watch", WORDS(program, "--dir", dir, "--listen", ":0"));
	refuses(64, "ftp://x", WORDS(program, "--dir", dir, "--server", "ftp://x"));
	refuses(64, "--check: no file", WORDS(program, "--check"));
	refuses(65, "edge-1: \"10.0.0\" is not a numeric IP address", WORDS(program, "--dir", dir, "--nodes", list));
	refuses(65, "--clients", WORDS(program, "--dir", dir, "--clients", list));
	refuses(66, gone, WORDS(program, "--dir", dir, "--nodes", gone));
	refuses(66, gone, WORDS(program, "--dir", gone));
	refuses(66, gone, WORDS(program, "--dir", dir, "--snapshot-dir", gone));
	refuses(66, gone, WORDS(program, "--dir", dir, "--kubeconfig", gone));
	refuses(78, list, WORDS(program, "--dir", dir, "--kubeconfig", list));
	refuses(69, "http://127.0.0.1:1", WORDS(program, "--dir", dir, "--server", "http://127.0.0.1:1"));
	refuses(64, "nonsense", WORDS(program, "--dir", dir, "--watch", "--listen", "nonsense"));
	refuses(66, gone, WORDS(program, "--dir", gone, "--watch"));
	refuses(0, "Exit codes", WORDS(program, "--help"));
}

static void check_tells_what_a_file_is(void **state)
{
	auto_free char *command = NULL, *said = NULL;

	(void)state;
	put_report(1, "b1", 1, 412);
	put("peers.json", "{\"version\":1,\"nodes\":{\"edge-1\":[\"10.0.0.1\"]}}");
	put("plain.json", "{\"edge-1\":{\"edge-2\":0.4}}");
	put("list.json", "{\"edge-1\":[\"10.0.0.1\"]}");
	put("bad.json", "{\"version\":1,\"nodes\":[\"a\",\"b\"],\n\"rtt_us\":[\n[0,1],\n[x,0]]}");
	merges(NULL);
	command = xasprintf("cd %s && exec %s --check nodes/edge-1.json cluster-latency.json peers.json plain.json list.json bad.json gone.json",
			    dir, test_program("latency-merge"));
	assert_int_equal(test_run(WORDS("sh", "-c", command), 60, &said), 65);
	assert_string_equal(said, "nodes/edge-1.json: ok (report of edge-1, 1 peers)\n"
				  "cluster-latency.json: ok (matrix of 1 nodes and 0 clients, generation 1)\n"
				  "peers.json: ok (peers: 1 nodes, 0 clients)\n"
				  "plain.json: ok (plain matrix of 2 nodes)\n"
				  "list.json: ok (list of 1 names)\n"
				  "bad.json: rtt_us[1][0]: line 4: not a number or null\n"
				  "gone.json: open `gone.json`: No such file or directory\n");
}

/* --- staying up ---------------------------------------------------------------------------------------------------- */

static bool has_generation_3(void *unused)
{
	auto_free char *text = get("cluster-latency.json");

	(void)unused;
	return text && (strstr(text, "\"generation\":3,") || strstr(text, "\"generation\":4,"));
}

static char *output_path;

static bool listens(void *port)
{
	*(int *)port = fetch_port(output_path);
	return *(int *)port > 0;
}

static void watch_merges_serves_and_ends_at_sigterm(void **state)
{
	const char *argv[] = {test_program("latency-merge"), "--dir", dir, "--watch", "--interval", "1s", "--listen", "127.0.0.1:0", NULL};
	auto_free char *metrics = NULL, *health = NULL, *said = NULL;
	int64_t asked_ms;
	int port = 0;
	pid_t pid;

	(void)state;
	put_report(1, "b1", 1, 412);
	put("nodes/edge-2.json", "[");
	output_path = path_of("output");
	pid = test_spawn(argv, NULL, output_path);
	assert_true(test_wait(has_generation_3, NULL, 30000));
	assert_true(test_wait(listens, &port, 30000));
	metrics = fetch_ok(port, "/metrics");
	health = fetch_ok(port, "/healthz");
	assert_string_equal(health, "ok\n");
	says(metrics, "latency_merge_rows{state=\"fresh\"} 1");
	says(metrics, "latency_merge_reports_rejected_total{reason=\"syntax\"} ");
	asked_ms = clock_mono_ms();
	assert_int_equal(test_stop(pid, SIGTERM), 0);
	test_deadline("SIGTERM to the end", (double)(clock_mono_ms() - asked_ms), 500, "ms");
	said = test_read(output_path);
	says(said, "stopped");
	assert_null(strstr(strstr(said, "reason=syntax") + 1, "reason=syntax")); /* a bad file is named once */
	free(output_path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(reports_become_a_matrix, new_volume, drop_volume),
		cmocka_unit_test_setup_teardown(the_folder_for_reports_is_made, new_volume, drop_volume),
		cmocka_unit_test_setup_teardown(peers_are_written_only_when_they_changed, new_volume, drop_volume),
		cmocka_unit_test_setup_teardown(the_snapshot_can_lie_elsewhere, new_volume, drop_volume),
		cmocka_unit_test_setup_teardown(hold_leaves_the_file_alone_and_the_state_goes_on, new_volume, drop_volume),
		cmocka_unit_test_setup_teardown(an_edit_never_enters_a_fold, new_volume, drop_volume),
		cmocka_unit_test_setup_teardown(an_edit_that_does_not_parse_stops_nothing, new_volume, drop_volume),
		cmocka_unit_test_setup_teardown(an_edit_that_cannot_be_read_any_more_begins_a_new_epoch, new_volume, drop_volume),
		cmocka_unit_test_setup_teardown(a_lost_state_begins_a_new_epoch_above_the_file, new_volume, drop_volume),
		cmocka_unit_test_setup_teardown(the_end_of_generations_is_a_new_epoch, new_volume, drop_volume),
		cmocka_unit_test_setup_teardown(refuses_in_one_line_with_the_documented_code, new_volume, drop_volume),
		cmocka_unit_test_setup_teardown(check_tells_what_a_file_is, new_volume, drop_volume),
		cmocka_unit_test_setup_teardown(watch_merges_serves_and_ends_at_sigterm, new_volume, drop_volume),
	};

	unsetenv("KUBECONFIG");
	unsetenv("KUBERNETES_SERVICE_HOST");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
