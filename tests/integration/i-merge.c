/* latency-merge as a program: what it writes, what stops it, what does not; its words and exit codes. */
#include <curl/curl.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include "lib/snapshot.h"
#include "tests/testing/testing.h"

static char *dir;			/* the volume of the running test */

static int new_volume(void **state)
{
	auto_free char *nodes = NULL;

	(void)state;
	dir = xstrdup(test_folder());
	nodes = xasprintf("%s/nodes", dir);
	assert_int_equal(mkdir(nodes, 0755), 0);
	return 0;
}

static int drop_volume(void **state)
{
	(void)state;
	free(dir);
	return 0;
}

static char *path_of(const char *name)
{
	return xasprintf("%s/%s", dir, name);
}

static void put(const char *name, const char *text)
{
	auto_free char *path = path_of(name);

	test_write(path, text);
}

static char *get(const char *name)
{
	auto_free char *path = path_of(name);

	return test_read(path);
}

static void put_report(int node, const char *boot, int seq, double rtt_us)
{
	auto_free char *name = xasprintf("nodes/edge-%d.json", node);
	auto_free char *text = xasprintf("{\"version\":1,\"node\":\"edge-%d\",\"boot_id\":\"%s\",\"seq\":%d,\"interval_s\":10,\"load\":{\"cpu\":0.5},\"peers\":{"
					 "\"edge-%d\":{\"rtt_us\":%g,\"jitter_us\":1,\"loss\":0}}}", node, boot, seq, node == 1 ? 2 : 1, rtt_us);

	put(name, text);
}

static struct snapshot load(const char *name)
{
	auto_free char *text = get(name);
	struct snapshot s;
	struct lm_err err;

	if (!text)
		fail_msg("%s is not there", name);
	if (snapshot_parse(text, strlen(text), &s, &err) < 0)
		fail_msg("%s: %s", name, err.msg);
	return s;
}

static int64_t generation(void)
{
	struct snapshot s = load("cluster-latency.json");
	int64_t found = s.generation;

	snapshot_free(&s);
	return found;
}

/* A run with up to 6 more words; its exit code, and what it said. */
static int merge(char **said, const char *const *more)
{
	const char *argv[12] = {test_program("latency-merge"), "--dir", dir};
	int count = 3;

	for (; more && *more; more++)
		argv[count++] = *more;
	return test_run(argv, 60, said);
}

#define WORDS(...) (const char *const[]){__VA_ARGS__, NULL}

static void merges(const char *const *more)
{
	auto_free char *said = NULL;
	int code = merge(&said, more);

	if (code)
		fail_msg("exit code %d: %s", code, said);
}

static void says(const char *said, const char *words)
{
	if (!strstr(said, words))
		fail_msg("\"%s\" is not in: %s", words, said);
}

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
	auto_free char *text = test_read(output_path);
	const char *found = text ? strstr(text, " port=") : NULL;

	if (found)
		*(int *)port = atoi(found + 6);
	return found != NULL;
}

static size_t keep(char *bytes, size_t size, size_t count, void *body)
{
	buf_add(body, bytes, size * count);
	return size * count;
}

static char *fetch(int port, const char *path)
{
	auto_free char *url = xasprintf("http://127.0.0.1:%d%s", port, path);
	CURL *curl = curl_easy_init();
	struct buf body = {0};

	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, 10L);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, keep);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, &body);
	assert_int_equal(curl_easy_perform(curl), CURLE_OK);
	curl_easy_cleanup(curl);
	return body.data;
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
	metrics = fetch(port, "/metrics");
	health = fetch(port, "/healthz");
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
		cmocka_unit_test_setup_teardown(refuses_in_one_line_with_the_documented_code, new_volume, drop_volume),
		cmocka_unit_test_setup_teardown(check_tells_what_a_file_is, new_volume, drop_volume),
		cmocka_unit_test_setup_teardown(watch_merges_serves_and_ends_at_sigterm, new_volume, drop_volume),
	};

	unsetenv("KUBECONFIG");
	unsetenv("KUBERNETES_SERVICE_HOST");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
