/* latency-merge as a program: files that are cut, huge or gone, a full volume, clocks that jump, probes that are silent. */
#include <fcntl.h>
#include <math.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "tests/integration/merge_volume.h"

/* --- faults -------------------------------------------------------------------------------------------------------- */

static void m2_a_report_truncated_at_every_tenth_byte(void **state)
{
	auto_free char *whole = NULL;
	size_t len;

	(void)state;
	put_report(1, "b1", 1, 412);
	put_report(2, "b2", 1, 409);
	merges(NULL);
	put_report(1, "b1", 2, 999);
	whole = get("nodes/edge-1.json");
	for (len = 0; len < strlen(whole); len += 10) {
		auto_free char *cut = xstrndup(whole, len);
		struct snapshot s;

		put("nodes/edge-1.json", cut);
		merges(NULL);
		s = load("cluster-latency.json");
		assert_true(s.link.rtt_us[1] == 412 && s.link.rtt_us[2] == 409 && s.seen[0].seq == 1);
		snapshot_free(&s);
	}
}

/* 100 MB under a report's name: refused by its size, without being read. */
static void m8_a_huge_file_costs_no_memory(void **state)
{
	auto_free char *path = path_of("nodes/edge-1.json"), *nodes = path_of("nodes/edge-3.json"), *output = path_of("output"), *said = NULL;
	const char *argv[] = {test_program("latency-merge"), "--dir", dir, NULL};
	struct rusage usage;
	int status;
	pid_t pid;

	(void)state;
	put_report(2, "b2", 1, 409);
	put("nodes/edge-1.json", "[");
	put("nodes/edge-3.json", "[");
	assert_int_equal(truncate(path, 100000000), 0);
	assert_int_equal(truncate(nodes, 64 * 1024 + 512 * 3 + 1), 0); /* one byte over the limit for three nodes */
	pid = test_spawn(argv, NULL, output);
	assert_int_equal(wait4(pid, &status, 0, &usage), pid);
	said = test_read(output);
	assert_int_equal(status, 0);
	says(said, "node=edge-1 reason=too_large");
	says(said, "node=edge-3 reason=too_large");
	says(said, "the limit of 67072");
#ifndef TEST_SANITIZED
	assert_true(usage.ru_maxrss < 64 * 1024);
#endif
}

/* The same in place of the matrix: the merger looks there for a generation, and must not die of it each minute. */
static void m8_a_huge_edit_costs_no_memory(void **state)
{
	auto_free char *path = path_of("cluster-latency.json"), *output = path_of("output");
	const char *argv[] = {test_program("latency-merge"), "--dir", dir, NULL};
	struct rusage usage;
	int status;
	pid_t pid;

	(void)state;
	put_report(1, "b1", 1, 412);
	merges(NULL);
	assert_int_equal(truncate(path, 1000000000), 0);
	pid = test_spawn(argv, NULL, output);
	assert_int_equal(wait4(pid, &status, 0, &usage), pid);
	assert_int_equal(status, 0);
	assert_int_equal(generation(), 2);
#ifndef TEST_SANITIZED
	assert_true(usage.ru_maxrss < 64 * 1024);
#endif
}

static void m18_nothing_valid_keeps_the_published_rows(void **state)
{
	struct snapshot s;
	int run;

	(void)state;
	put_report(1, "b1", 1, 412);
	put_report(2, "b2", 1, 409);
	merges(NULL);
	put("nodes/edge-1.json", "");
	put("nodes/edge-2.json", "{}");
	for (run = 0; run < 3; run++)
		merges(NULL); /* degraded is no failure */
	s = load("cluster-latency.json");
	assert_true(s.link.rtt_us[1] == 412 && s.link.rtt_us[2] == 409 && s.generation == 4);
	snapshot_free(&s);
}

/* A first merger on a volume with a matrix by hand and nothing measured yet does not wipe it. */
static void m18_nothing_known_yet_leaves_a_foreign_file_alone(void **state)
{
	auto_free char *text = NULL, *said = NULL;

	(void)state;
	put("cluster-latency.json", "{\"edge-1\":{\"edge-2\":0.4}}");
	put("nodes/edge-1.json", "");
	assert_int_equal(merge(&said, NULL), 0);
	says(said, "nothing is measured yet");
	text = get("cluster-latency.json");
	assert_string_equal(text, "{\"edge-1\":{\"edge-2\":0.4}}");
}

static void m19_more_than_half_of_the_nodes_gone_is_believed_the_third_time(void **state)
{
	auto_free char *list = path_of("list");
	int i, run;

	(void)state;
	put("list", "{\"edge-1\":[],\"edge-2\":[],\"edge-3\":[],\"edge-4\":[]}");
	for (i = 1; i <= 4; i++)
		put_report(i, "b", 1, 400);
	merges(WORDS("--nodes", list));
	put("list", "{\"edge-1\":[]}");
	for (run = 1; run <= 3; run++) {
		auto_free char *said = NULL;
		struct snapshot s;

		assert_int_equal(merge(&said, WORDS("--nodes", list)), 0);
		s = load("cluster-latency.json");
		assert_int_equal(s.nodes.count, run < 3 ? 4 : 1);
		assert_int_equal(s.degraded_runs, run < 3 ? run : 0);
		snapshot_free(&s);
		if (run < 3)
			says(said, "more than half of the known rows");
	}
}

/* While rows are held back their nodes are pinged on: else the probes would soon report nothing about them. */
static void m19_peers_stay_while_rows_are_held_back(void **state)
{
	auto_free char *list = path_of("list");
	int i, run;

	(void)state;
	put("list", "{\"edge-1\":[\"10.0.0.1\"],\"edge-2\":[\"10.0.0.2\"]}");
	for (i = 1; i <= 2; i++)
		put_report(i, "b", 1, 400);
	merges(WORDS("--nodes", list));
	put("list", "{}");
	for (run = 1; run <= 3; run++) {
		auto_free char *text = NULL;

		merges(WORDS("--nodes", list));
		text = get("peers.json");
		assert_true(run < 3 ? strstr(text, "10.0.0.2") != NULL : strstr(text, "edge") == NULL);
	}
}

/* A full disk: the old files stay, whole, and the exit code says so. */
static void m28_no_space_keeps_the_old_files(void **state)
{
	auto_free char *command = NULL, *before = NULL, *after = NULL, *said = NULL, *litter = NULL;
	int i;

	(void)state;
	for (i = 1; i <= 40; i++)
		put_report(i, "b", 1, 400);
	merges(NULL);
	before = get("cluster-latency.json");
	assert_true(strlen(before) > 1024);
	command = xasprintf("trap '' XFSZ; ulimit -f 1; exec %s --dir %s", test_program("latency-merge"), dir);
	assert_int_equal(test_run(WORDS("sh", "-c", command), 60, &said), 74);
	says(said, "publish `merge-state.json`");
	after = get("cluster-latency.json");
	assert_string_equal(before, after);
	free(steal(&command));
	command = xasprintf("ls -a %s | grep -c tmp-", dir);
	test_run(WORDS("sh", "-c", command), 60, &litter);
	assert_string_equal(litter, "0\n");
}

/* Times of files far in the future and in the past: no row seems younger than it is, nothing else happens. */
static void m32_file_times_that_jump(void **state)
{
	auto_free char *one = path_of("nodes/edge-1.json"), *two = path_of("nodes/edge-2.json");
	struct timespec future[2], past[2];
	struct snapshot s;
	int i;

	(void)state;
	for (i = 1; i <= 4; i++)
		put_report(i, "b", 1, 400);
	merges(NULL);
	clock_gettime(CLOCK_REALTIME, &future[0]);
	past[0] = future[0];
	future[0].tv_sec += 10 * 365 * 86400L;
	past[0].tv_sec -= 10 * 365 * 86400L;
	future[1] = future[0];
	past[1] = past[0];
	assert_int_equal(utimensat(AT_FDCWD, one, future, 0), 0);
	assert_int_equal(utimensat(AT_FDCWD, two, past, 0), 0);
	merges(NULL);
	s = load("cluster-latency.json");
	assert_true(s.age_s[0] < 60 && s.age_s[1] < 60 && s.link.rtt_us[1] == 400 && s.degraded_runs == 0);
	snapshot_free(&s);
}

/* --- who is silent ------------------------------------------------------------------------------------------------- */

/* Of node 1, 2 or 3 about node 3, which it lost so long ago, and about the others; NULL: by a probe of before silent_s. */
static void put_silence(int node, int seq, const char *silent_s)
{
	auto_free char *name = xasprintf("nodes/edge-%d.json", node);
	auto_buf struct buf text = {0};
	const char *comma = "";
	int to;

	buf_printf(&text, "{\"version\":1,\"node\":\"edge-%d\",\"boot_id\":\"b\",\"seq\":%d,\"interval_s\":5,\"publish_s\":5,\"peers\":{", node, seq);
	for (to = 1; to <= 3; to++) {
		if (to == node)
			continue;
		buf_printf(&text, "%s\"edge-%d\":{\"rtt_us\":400,\"loss\":0", comma, to);
		if (silent_s)
			buf_printf(&text, ",\"silent_s\":%s", to == 3 ? silent_s : "1.5");
		buf_str(&text, "}");
		comma = ",";
	}
	buf_str(&text, "}}");
	put(name, text.data);
}

static void make_old(const char *name, int seconds)
{
	auto_free char *path = path_of(name);
	struct timespec times[2];

	clock_gettime(CLOCK_REALTIME, &times[0]);
	times[0].tv_sec -= seconds;
	times[1] = times[0];
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void expect_silence(const char *file, double lost_s, uint32_t witnesses)
{
	struct snapshot s = load(file);

	assert_int_equal(s.nodes.count, 3);
	if (fabs(s.lost_s[2] - lost_s) > 0.001 || s.witnesses[2] != witnesses)
		fail_msg("%s: lost for %g s by the word of %u, not %g by %u", file, s.lost_s[2], s.witnesses[2], lost_s, witnesses);
	snapshot_free(&s);
}

/* Each run is another process: what a merger knows of it is in the reports alone. */
static void silence_is_in_the_matrix_by_the_word_of_young_reports(void **state)
{
	auto_free char *command = xasprintf("cd %s && exec %s --check cluster-latency.json", dir, test_program("latency-merge"));
	auto_free char *said = NULL, *text = NULL;
	int seq;

	(void)state;
	for (seq = 1; seq <= 3; seq++) {
		auto_free char *one = xasprintf("%d", 30 * seq), *two = xasprintf("%d", 28 * seq);

		put_silence(1, seq, one);
		put_silence(2, seq, two);
		put_silence(3, 1, "0");
		make_old("nodes/edge-3.json", 30 * seq);
		merges(NULL);
		expect_silence("cluster-latency.json", 28 * seq, 2);
		expect_silence("merge-state.json", 28 * seq, 2);
	}
	assert_int_equal(test_run(WORDS("sh", "-c", command), 60, &said), 0);
	says(said, "silence of 3 nodes, edge-3 the longest: 84 s to 2 others");
	make_old("nodes/edge-2.json", 25);	/* it publishes every 5 s: whatever happened to it, it does not say so any more */
	merges(NULL);
	expect_silence("cluster-latency.json", 90, 1);
	put_silence(1, 4, "0.2");
	put_silence(2, 4, "97");
	merges(NULL);
	expect_silence("cluster-latency.json", 0.2, 2);
	for (seq = 1; seq <= 3; seq++)
		put_silence(seq, 9, NULL);
	merges(NULL);
	text = get("cluster-latency.json");
	assert_null(strstr(text, "lost_s"));	/* what the state knew before is no word of now */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(m2_a_report_truncated_at_every_tenth_byte, new_volume, drop_volume),
		cmocka_unit_test_setup_teardown(m8_a_huge_file_costs_no_memory, new_volume, drop_volume),
		cmocka_unit_test_setup_teardown(m8_a_huge_edit_costs_no_memory, new_volume, drop_volume),
		cmocka_unit_test_setup_teardown(m18_nothing_valid_keeps_the_published_rows, new_volume, drop_volume),
		cmocka_unit_test_setup_teardown(m18_nothing_known_yet_leaves_a_foreign_file_alone, new_volume, drop_volume),
		cmocka_unit_test_setup_teardown(m19_more_than_half_of_the_nodes_gone_is_believed_the_third_time, new_volume, drop_volume),
		cmocka_unit_test_setup_teardown(m19_peers_stay_while_rows_are_held_back, new_volume, drop_volume),
		cmocka_unit_test_setup_teardown(m28_no_space_keeps_the_old_files, new_volume, drop_volume),
		cmocka_unit_test_setup_teardown(m32_file_times_that_jump, new_volume, drop_volume),
		cmocka_unit_test_setup_teardown(silence_is_in_the_matrix_by_the_word_of_young_reports, new_volume, drop_volume),
	};

	unsetenv("KUBECONFIG");
	unsetenv("KUBERNETES_SERVICE_HOST");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
