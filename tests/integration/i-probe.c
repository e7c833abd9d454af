/* The real latency-probe in a network namespace of its own: files, signals, refusals, HTTP. Hosts by tests/testing/wire.h. */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/testing/testing.h"
#include "tests/testing/wire.h"

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include "lib/names.h"
#include "lib/report.h"

#define ARGS_MAX 40

/* A folder with peers.json and nodes/, and the program when it runs. */
struct probe {
	const char *folder;
	char *peers, *nodes, *report, *log;
	pid_t pid;
};

static int setup(void **state)
{
	struct probe *p = xcalloc(1, sizeof(*p));

	wire_reset();
	p->folder = test_folder();
	p->peers = xasprintf("%s/peers.json", p->folder);
	p->nodes = xasprintf("%s/nodes", p->folder);
	p->report = xasprintf("%s/nodes/n1.json", p->folder);
	p->log = xasprintf("%s/log", p->folder);
	assert_int_equal(mkdir(p->nodes, 0775), 0);
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct probe *p = *state;

	if (p->pid > 0)
		test_stop(p->pid, SIGKILL);
	free(p->peers);
	free(p->nodes);
	free(p->report);
	free(p->log);
	free(p);
	return 0;
}

/* The command line: the required options, then those of the test (separated by blanks). */
static void command(const struct probe *p, const char *more, const char **argv, char *words)
{
	size_t n = 0;
	char *at, *rest = words;

	argv[n++] = test_program("latency-probe");
	argv[n++] = "--node";
	argv[n++] = "n1";
	argv[n++] = "--peers";
	argv[n++] = p->peers;
	argv[n++] = "--output";
	argv[n++] = p->nodes;
	snprintf(words, 1024, "%s", more);
	while ((at = strtok_r(rest, " ", &rest)) && n < ARGS_MAX - 1)
		argv[n++] = at;
	argv[n] = NULL;
}

static void start(struct probe *p, const char *more)
{
	const char *argv[ARGS_MAX];
	char words[1024];

	command(p, more, argv, words);
	p->pid = test_spawn(argv, NULL, p->log);
}

static int stop(struct probe *p, int signal)
{
	int code = test_stop(p->pid, signal);

	p->pid = 0;
	return code;
}

static int once(const struct probe *p, const char *more, char **output)
{
	const char *argv[ARGS_MAX];
	char words[1024];

	command(p, more, argv, words);
	return test_run(argv, 30, output);
}

/* True when the report is there and valid; fails the test when it is there and not. */
static bool read_report(const struct probe *p, struct report *out)
{
	auto_free char *text = test_read(p->report);
	struct lm_err err;

	if (!text)
		return false;
	if (report_parse(text, strlen(text), "n1", out, &err) < 0)
		fail_msg("%s\n%s", err.msg, text);
	return true;
}

static const struct report_link *link_of(const struct report_links *links, const char *name)
{
	size_t i;

	for (i = 0; i < links->count; i++)
		if (STREQ(links->items[i].name, name))
			return &links->items[i];
	return NULL;
}

static int64_t seq_of(const struct probe *p)
{
	auto_report struct report r = {0};

	return read_report(p, &r) ? r.seq : 0;
}

static bool has_report(void *arg)
{
	return seq_of(arg) > 0;
}

static bool has_three(void *arg)
{
	return seq_of(arg) >= 3;
}

/* --- HTTP ------------------------------------------------------------------------------------------------------------ */

static int port_of(const struct probe *p)
{
	auto_free char *text = test_read(p->log);
	const char *at = text ? strstr(text, " port=") : NULL;

	return at ? (int)strtol(at + 6, NULL, 10) : 0;
}

static bool is_listening(void *arg)
{
	return port_of(arg) > 0;
}

/* The whole answer, head and body; the caller frees. */
static char *get(struct probe *p, const char *path)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	auto_close int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct buf b = {0};
	char block[4096];
	ssize_t len;

	assert_true(test_wait(is_listening, p, 10000));
	at.sin_port = htons((uint16_t)port_of(p));
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	len = snprintf(block, sizeof(block), "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", path);
	assert_int_equal(write(fd, block, (size_t)len), len);
	while ((len = read(fd, block, sizeof(block))) > 0)
		buf_add(&b, block, (size_t)len);
	buf_add(&b, "", 0);
	return b.data;
}

static void expect_in(struct probe *p, const char *path, const char *wanted)
{
	auto_free char *text = get(p, path);

	if (!strstr(text, wanted))
		fail_msg("%s lacks `%s`:\n%s", path, wanted, text);
}

static double metric(struct probe *p, const char *name)
{
	auto_free char *text = get(p, "/metrics"), *start_of_line = xasprintf("\n%s ", name);
	const char *at = strstr(text, start_of_line);

	if (!at)
		fail_msg("no metric %s:\n%s", name, text);
	return strtod(at + strlen(start_of_line), NULL);
}

/* --- rounds and reports ---------------------------------------------------------------------------------------------- */

static void one_round_of_both_families(void **state)
{
	struct probe *p = *state;
	auto_report struct report r = {0};
	static const char *const kinds[] = {"oping", "socket", "auto"};
	size_t i;

	test_write(p->peers, "{\"version\":1,\"nodes\":{\"n1\":[\"10.77.0.1\"],\"a\":[\"10.77.1.1\"],\"b\":[\"fd77::102\"],\"c\":[]},"
			     "\"clients\":{\"milan\":[\"10.77.1.3\"]}}");
	wire_rule(0x0101, (struct wire_answer){.delay_us = 20000});
	wire_rule(0x0102, (struct wire_answer){.silent = true});
	for (i = 0; i < 3; i++) {
		auto_free char *more = xasprintf("--once --interval 1s --timeout 500ms --pinger %s", kinds[i]);

		report_free(&r);
		if (once(p, more, NULL) != 0 || !read_report(p, &r))
			fail_msg("%s failed", more);
		assert_true(r.peers.count == 2 && r.clients.count == 1 && r.seq == 1);
		assert_true(link_of(&r.peers, "a")->rtt_us >= 20000 && link_of(&r.peers, "a")->received >= 1);
		assert_true(isnan(link_of(&r.peers, "b")->rtt_us) && link_of(&r.peers, "b")->loss >= 1);
		assert_true(link_of(&r.clients, "milan")->received >= 1 && link_of(&r.clients, "milan")->sent == 3);
	}
}

static void p18_self_only(void **state)
{
	struct probe *p = *state;
	auto_report struct report r = {0};

	test_write(p->peers, "{\"version\":1,\"nodes\":{\"n1\":[\"10.77.0.1\"]}}");
	assert_int_equal(once(p, "--once --interval 200ms", NULL), 0);
	assert_true(read_report(p, &r) && r.peers.count == 0 && r.clients.count == 0);
}

static void reports_go_on_with_one_boot_id(void **state)
{
	struct probe *p = *state;
	auto_report struct report a = {0}, b = {0}, c = {0};

	test_write(p->peers, "{\"version\":1,\"nodes\":{\"a\":[\"10.77.1.1\"]}}");
	start(p, "--interval 100ms --publish 100ms");
	assert_true(test_wait(has_report, p, 10000));
	read_report(p, &a);
	assert_true(test_wait(has_three, p, 10000));
	read_report(p, &b);
	assert_string_equal(a.boot_id, b.boot_id);
	assert_int_equal(stop(p, SIGTERM), 0);
	assert_int_equal(once(p, "--once --interval 200ms", NULL), 0);
	read_report(p, &c);
	assert_int_equal(c.seq, 1);
	assert_string_not_equal(c.boot_id, b.boot_id);
}

static bool slow_shows(void *arg)
{
	auto_report struct report r = {0};

	return read_report(arg, &r) && r.peers.count == 1 && r.peers.items[0].rtt_us > 30000;
}

/* A pair that moves is news: the report does not wait for --publish. */
static void a_move_is_published_at_once(void **state)
{
	struct probe *p = *state;

	test_write(p->peers, "{\"version\":1,\"nodes\":{\"a\":[\"10.77.1.1\"]}}");
	start(p, "--interval 100ms --window 400ms --loss-window 1s --publish 1h");
	assert_true(test_wait(has_report, p, 10000));
	wire_rule(0x0101, (struct wire_answer){.delay_us = 40000});
	assert_true(test_wait(slow_shows, p, 10000));
	assert_int_equal(stop(p, SIGTERM), 0);
}

/* What the report says of `a`; NaN: nothing. */
static double silence_s(const struct probe *p, int64_t *seq)
{
	auto_report struct report r = {0};
	const struct report_link *a = read_report(p, &r) ? link_of(&r.peers, "a") : NULL;

	*seq = r.seq;
	return a ? a->silent_s : (double)NAN;
}

static bool two_rounds_silent(void *arg)
{
	int64_t seq;

	return silence_s(arg, &seq) >= 0.3;
}

static bool ten_rounds_silent(void *arg)
{
	int64_t seq;

	return silence_s(arg, &seq) >= 1.9;
}

static bool heard(void *arg)
{
	int64_t seq;

	return silence_s(arg, &seq) < 0.2;
}

/* Who judges deaths reads it: told when it begins and when it ends, and in each round in between. A peer that never answered has none. */
static void silence_of_a_peer_is_told_in_every_round(void **state)
{
	struct probe *p = *state;
	auto_report struct report r = {0};
	int64_t start_ms, first, last;

	test_write(p->peers, "{\"version\":1,\"nodes\":{\"a\":[\"10.77.1.1\"],\"b\":[\"10.77.1.2\"],\"never\":[\"10.77.1.3\"]},"
			     "\"clients\":{\"c\":[\"10.77.1.4\"]}}");
	wire_rule(0x0103, (struct wire_answer){.silent = true});
	start(p, "--interval 200ms --timeout 50ms --window 60s --loss-window 10m --publish 1h --pinger socket");
	assert_true(test_wait(heard, p, 10000));
	usleep(1200000);
	wire_rule(0x0101, (struct wire_answer){.silent = true});
	start_ms = clock_mono_ms();
	assert_true(test_wait(two_rounds_silent, p, 10000));
	test_deadline("silence is in the report", (double)(clock_mono_ms() - start_ms), 500, "ms");
	silence_s(p, &first);
	assert_true(test_wait(ten_rounds_silent, p, 30000));
	silence_s(p, &last);
	assert_true(last - first >= 5 && last - first <= 20);	/* a report a round, not more; on a busy machine rounds are late */
	read_report(p, &r);
	assert_true(link_of(&r.peers, "b")->silent_s < 0.5 && link_of(&r.clients, "c")->silent_s < 0.5);
	assert_true(isnan(link_of(&r.peers, "never")->silent_s) && r.publish_s >= 3600);
	wire_rule(0x0101, (struct wire_answer){0});
	start_ms = clock_mono_ms();
	assert_true(test_wait(heard, p, 10000));
	test_deadline("its end is in the report", (double)(clock_mono_ms() - start_ms), 500, "ms");
	assert_int_equal(stop(p, SIGTERM), 0);
}

static bool is_silent_beside_a_change(void *arg)
{
	auto_report struct report r = {0};
	const struct report_link *a = read_report(arg, &r) ? link_of(&r.peers, "a") : NULL;

	return a && r.peers.count == 3 && a->silent_s >= 1.3;
}

static bool is_unknown(void *arg)
{
	int64_t seq;

	return isnan(silence_s(arg, &seq)) && seq > 0;
}

static bool has_a_second(void *arg)
{
	int64_t seq;

	return silence_s(arg, &seq) >= 0.9;
}

struct since {
	const struct probe *p;
	int64_t seq;
};

static bool two_more(void *arg)
{
	const struct since *since = arg;

	return seq_of(since->p) >= since->seq + 2;
}

/* A new peers.json does not make a silence shorter, a stopped probe not longer; another address has another history. */
static void silence_outlives_the_list_and_not_the_address(void **state)
{
	struct probe *p = *state;
	struct since stopped = {p, 0};
	double before_s, after_s;
	int64_t seq;

	test_write(p->peers, "{\"version\":1,\"nodes\":{\"a\":[\"10.77.1.1\"],\"b\":[\"10.77.1.2\"]}}");
	start(p, "--interval 200ms --timeout 50ms --publish 1h --pinger socket");
	assert_true(test_wait(heard, p, 10000));
	wire_rule(0x0101, (struct wire_answer){.silent = true});
	assert_true(test_wait(has_a_second, p, 30000));
	test_write(p->peers, "{\"version\":1,\"nodes\":{\"a\":[\"10.77.1.1\"],\"b\":[\"10.77.1.2\"],\"d\":[\"10.77.1.5\"]}}");
	assert_true(test_wait(is_silent_beside_a_change, p, 30000));
	assert_int_equal(kill(p->pid, SIGSTOP), 0);
	before_s = silence_s(p, &stopped.seq);
	usleep(2000000);
	assert_int_equal(kill(p->pid, SIGCONT), 0);
	assert_true(test_wait(two_more, &stopped, 10000));
	after_s = silence_s(p, &seq);
	assert_true(after_s > before_s && after_s <= before_s + 0.4 * (double)(seq - stopped.seq) + 0.001);	/* two intervals a round */
	test_write(p->peers, "{\"version\":1,\"nodes\":{\"a\":[\"10.77.1.9\"],\"b\":[\"10.77.1.2\"]}}");
	wire_rule(0x0109, (struct wire_answer){.silent = true});
	assert_true(test_wait(is_unknown, p, 10000));
	assert_int_equal(stop(p, SIGTERM), 0);
}

static bool has_b_only(void *arg)
{
	auto_report struct report r = {0};

	return read_report(arg, &r) && r.peers.count == 1 && STREQ(r.peers.items[0].name, "b");
}

static bool a_has_other_address(void *arg)
{
	auto_report struct report r = {0};
	const struct report_link *a = read_report(arg, &r) ? link_of(&r.peers, "a") : NULL;

	return a && STREQ(a->addr, "10.77.1.9");
}

/* P19, and a broken list in between: the last good one stays. */
static void p19_peers_change_while_it_runs(void **state)
{
	struct probe *p = *state;
	auto_report struct report r = {0};
	int64_t start_ms;
	int64_t sent;

	test_write(p->peers, "{\"version\":1,\"nodes\":{\"a\":[\"10.77.1.1\"]}}");
	start(p, "--interval 300ms --publish 300ms --listen 127.0.0.1:0 --metrics-peers");
	assert_true(test_wait(has_three, p, 10000));
	start_ms = clock_mono_ms();
	test_write(p->peers, "{\"version\":1,\"nodes\":{\"a\":[\"10.77.1.9\"]}}");
	assert_true(test_wait(a_has_other_address, p, 10000));
	test_deadline("another address is in the report", (double)(clock_mono_ms() - start_ms), 700, "ms");
	read_report(p, &r);
	sent = link_of(&r.peers, "a")->sent;
	assert_in_range(sent, 3, 6);	/* the history began anew */
	test_write(p->peers, "{\"version\":1,\"nodes\":{\"a\":[\"10.77.1.9\"");
	usleep(700000);
	expect_in(p, "/metrics", "latency_probe_peers_errors_total{reason=\"bad\"}");
	expect_in(p, "/metrics", "latency_probe_peer_rtt_seconds{kind=\"node\",peer=\"a\"}");
	expect_in(p, "/healthz", "ok\n");
	test_write(p->peers, "{\"version\":1,\"nodes\":{\"n1\":[\"10.77.1.7\"],\"b\":[\"10.77.1.9\"]}}");
	assert_true(test_wait(has_b_only, p, 10000));
	assert_int_equal(stop(p, SIGTERM), 0);
	{
		auto_free char *log = test_read(p->log);
		const char *first = strstr(log, "bad peer list");

		assert_non_null(first);
		assert_null(strstr(first + 1, "bad peer list"));	/* told once */
	}
}

static bool score_shows(void *arg)
{
	auto_free char *text = get(arg, "/scores");
	const char *start_of_a = strstr(text, "{\"hostname\":\"a\",\"cpuEwmaScore\":null,\"latencyEwmaScore\":"), *at;
	char *end;
	double score;

	if (!start_of_a)
		fail_msg("/scores lacks `a`:\n%s", text);
	at = strstr(start_of_a, "Score\":0");
	if (!at)
		return false;
	score = strtod(at + 7, &end);
	if (score < 0 || score >= 1 || strncmp(end, ",\"better\":\"lower\"}", 18) != 0)
		fail_msg("/scores:\n%s", text);
	return true;
}

static void p22_waits_for_the_peer_list(void **state)
{
	struct probe *p = *state;

	start(p, "--interval 200ms --listen 127.0.0.1:0");
	expect_in(p, "/healthz", "HTTP/1.1 200");
	usleep(300000);
	expect_in(p, "/healthz", "waiting for peers");
	expect_in(p, "/scores", "\"n1\"");
	assert_int_equal(seq_of(p), 0);
	test_write(p->peers, "{\"version\":1,\"nodes\":{\"a\":[\"10.77.1.1\"]}}");
	assert_true(test_wait(has_report, p, 10000));
	expect_in(p, "/healthz", "ok");
	assert_true(test_wait(score_shows, p, 10000));
	assert_int_equal(stop(p, SIGINT), 0);
}

/* P33: a dead peer makes a round longer than the interval. Every ping counted belongs to a whole round. */
static void p33_overruns(void **state)
{
	struct probe *p = *state;
	static const char *const kinds[] = {"socket", "oping"};
	size_t i;

	test_write(p->peers, "{\"version\":1,\"nodes\":{\"a\":[\"10.77.1.1\"],\"dead\":[\"10.77.1.2\"]}}");
	wire_rule(0x0102, (struct wire_answer){.silent = true});
	for (i = 0; i < 2; i++) {
		auto_free char *more = xasprintf("--interval 100ms --timeout 400ms --publish 100ms --pings 2 --listen 127.0.0.1:0 --pinger %s",
						 kinds[i]);
		double rounds, overruns, sent;

		unlink(p->report);
		start(p, more);
		assert_true(test_wait(has_three, p, 20000));
		overruns = metric(p, "latency_probe_round_overruns_total");
		sent = metric(p, "latency_probe_pings_sent_total");
		rounds = metric(p, "latency_probe_rounds_total");
		assert_true(overruns >= 2 && rounds >= 3);
		assert_true(sent <= rounds * 4 && sent >= 4 * (rounds - 1));
		assert_int_equal(stop(p, SIGTERM), 0);
	}
}

/* --- permissions ----------------------------------------------------------------------------------------------------- */

/* Without NET_RAW; in another network namespace, too, where no group may open ping sockets. */
static int unprivileged(const struct probe *p, bool other_network, const char *more, char **output)
{
	const char *argv[ARGS_MAX + 5] = {"unshare", "-n", "setpriv", "--bounding-set", "-net_raw"};
	char words[1024];

	command(p, more, argv + 5, words);
	return test_run(other_network ? argv : argv + 2, 30, output);
}

static void p13_not_permitted(void **state)
{
	struct probe *p = *state;
	static const char *const kinds[] = {"oping", "socket", "auto"};
	size_t i;

	test_write(p->peers, "{\"version\":1,\"nodes\":{\"a\":[\"10.77.1.1\"]}}");
	for (i = 0; i < 3; i++) {
		auto_free char *more = xasprintf("--once --interval 200ms --pinger %s", kinds[i]), *output = NULL;

		assert_int_equal(unprivileged(p, true, more, &output), 77);
		assert_non_null(strstr(output, "NET_RAW"));
		assert_non_null(strstr(output, "ping_group_range"));
		assert_ptr_equal(strchr(output, '\n'), strrchr(output, '\n'));	/* one line */
		assert_int_equal(seq_of(p), 0);
	}
}

/* Without NET_RAW, ping sockets do. */
static void p13_auto_falls_back(void **state)
{
	struct probe *p = *state;
	auto_free char *output = NULL;

	test_write(p->peers, "{\"version\":1,\"nodes\":{\"a\":[\"10.77.1.1\"]}}");
	assert_int_equal(unprivileged(p, false, "--once --interval 200ms", &output), 0);
	assert_non_null(strstr(output, "pinger=socket"));
	assert_int_equal(seq_of(p), 1);
}

/* What is not needed is given up: after the start no capability but NET_RAW and the two for other users' folders is left. */
static void capabilities_are_dropped(void **state)
{
	struct probe *p = *state;
	auto_free char *path = NULL, *status = NULL;
	const char *at;

	test_write(p->peers, "{\"version\":1,\"nodes\":{}}");
	start(p, "--interval 200ms --pinger oping");
	assert_true(test_wait(has_report, p, 10000));
	path = xasprintf("/proc/%d/status", (int)p->pid);
	status = test_read(path);
	at = strstr(status, "CapPrm:");
	assert_non_null(at);
	assert_int_equal(strtoull(at + 7, NULL, 16), 1u << 13 | 1u << 1 | 1u << 2);
	assert_non_null(strstr(status, "NoNewPrivs:\t1"));
}

/* --- the volume ------------------------------------------------------------------------------------------------------ */

static int count_temporaries(const char *folder)
{
	DIR *dir = opendir(folder);
	const struct dirent *entry;
	int n = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir)))
		n += strncmp(entry->d_name, ".tmp-", 5) == 0;
	closedir(dir);
	return n;
}

static bool has_space_error(void *arg)
{
	return metric(arg, "latency_probe_publish_errors_total{reason=\"no_space\"}") >= 1;
}

/* P24: a file system that is really full. */
static void p24_no_space(void **state)
{
	struct probe *p = *state;
	auto_free char *mount_it = xasprintf("mount -t tmpfs -o size=64k tmpfs %s", p->nodes);
	auto_free char *fill = xasprintf("head -c 56k /dev/zero >%s/ballast; head -c 64k /dev/zero >>%s/ballast 2>/dev/null; true", p->nodes, p->nodes);
	auto_free char *ballast = xasprintf("%s/ballast", p->nodes), *unmount = xasprintf("umount -l %s", p->nodes);
	int64_t seq;

	wire_run(mount_it);
	test_write(p->peers, "{\"version\":1,\"nodes\":{\"a\":[\"10.77.1.1\"]}}");
	start(p, "--interval 100ms --publish 100ms --listen 127.0.0.1:0");
	assert_true(test_wait(has_report, p, 10000));
	wire_run(fill);
	assert_true(test_wait(has_space_error, p, 10000));
	seq = seq_of(p);	/* the old file, whole */
	assert_true(seq > 0);
	usleep(500000);
	assert_int_equal(seq_of(p), seq);
	assert_int_equal(count_temporaries(p->nodes), 0);
	assert_true(metric(p, "latency_probe_rounds_total") > 3);
	assert_true(metric(p, "latency_probe_publish_errors_total{reason=\"no_space\"}") <= 4);	/* no tight loop */
	assert_int_equal(unlink(ballast), 0);
	while (seq_of(p) <= seq + 3)	/* the newest, not the one that failed */
		usleep(20000);
	assert_int_equal(stop(p, SIGTERM), 0);
	wire_run(unmount);
}

static pid_t thread_of(pid_t pid, const char *name)
{
	auto_free char *tasks = xasprintf("/proc/%d/task", (int)pid);
	DIR *dir = opendir(tasks);
	const struct dirent *entry;
	pid_t found = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		auto_free char *path = xasprintf("%s/%s/comm", tasks, entry->d_name), *comm = test_read(path);

		if (comm && strncmp(comm, name, strlen(name)) == 0)
			found = (pid_t)strtol(entry->d_name, NULL, 10);
	}
	closedir(dir);
	return found;
}

/* Where it may be stopped: waiting for work, or in a call that a file server can hang. Elsewhere it could hold malloc's lock. */
static bool holds_nothing(pid_t thread)
{
	static const long calls[] = {SYS_futex, SYS_openat, SYS_read, SYS_write, SYS_fsync, SYS_fstat, SYS_newfstatat, SYS_close, SYS_rename,
				     SYS_renameat, SYS_renameat2, SYS_unlinkat, SYS_getdents64};
	auto_free char *path = xasprintf("/proc/%d/syscall", (int)thread), *text = test_read(path);
	size_t i;

	for (i = 0; text && i < ARRAY_SIZE(calls); i++)
		if (*text >= '0' && *text <= '9' && strtol(text, NULL, 10) == calls[i])
			return true;
	return false;
}

/* Stops the thread that does the file work with ptrace, as a hung NFS server would stop it. */
static pid_t hang_volume(const struct probe *p)
{
	pid_t thread = thread_of(p->pid, "volume");
	int tries = 0;

	assert_true(thread > 0);
	assert_int_equal(ptrace(PTRACE_SEIZE, thread, NULL, NULL), 0);
	for (;;) {
		assert_int_equal(ptrace(PTRACE_INTERRUPT, thread, NULL, NULL), 0);
		assert_int_equal(waitpid(thread, NULL, __WALL), thread);
		if (holds_nothing(thread))
			return thread;
		assert_true(++tries < 1000);
		assert_int_equal(ptrace(PTRACE_CONT, thread, NULL, NULL), 0);
		usleep(1000);
	}
}

static void p23_volume_hangs(void **state)
{
	struct probe *p = *state;
	double rounds;
	pid_t thread;
	int64_t seq, start_ms;

	test_write(p->peers, "{\"version\":1,\"nodes\":{\"a\":[\"10.77.1.1\"]}}");
	start(p, "--interval 100ms --publish 100ms --listen 127.0.0.1:0");
	assert_true(test_wait(has_report, p, 10000));
	thread = hang_volume(p);
	seq = seq_of(p);
	rounds = metric(p, "latency_probe_rounds_total");
	usleep(1500000);
	assert_true(metric(p, "latency_probe_rounds_total") >= rounds + 5);
	assert_true(metric(p, "latency_probe_publish_stuck") >= 1);
	expect_in(p, "/healthz", "HTTP/1.1 200");
	expect_in(p, "/healthz", "does not answer");
	assert_int_equal(seq_of(p), seq);
	assert_int_equal(ptrace(PTRACE_DETACH, thread, NULL, NULL), 0);
	while (seq_of(p) <= seq + 2)
		usleep(20000);
	assert_true(metric(p, "latency_probe_publish_stuck") <= 0);
	start_ms = clock_mono_ms();
	assert_int_equal(stop(p, SIGTERM), 0);
	test_deadline("end after SIGTERM", (double)(clock_mono_ms() - start_ms), 1000, "ms");
}

/* SIGTERM while the volume hangs: the end does not wait for it. */
static void p23_sigterm_while_the_volume_hangs(void **state)
{
	struct probe *p = *state;
	int64_t start_ms;
	pid_t thread;
	int status;

	test_write(p->peers, "{\"version\":1,\"nodes\":{\"a\":[\"10.77.1.1\"]}}");
	start(p, "--interval 100ms --publish 100ms");
	assert_true(test_wait(has_report, p, 10000));
	thread = hang_volume(p);
	start_ms = clock_mono_ms();
	kill(p->pid, SIGTERM);
	while (waitpid(thread, &status, __WALL | WNOHANG) == 0)	/* exit() of the other thread ends this one, too */
		usleep(5000);
	assert_int_equal(stop(p, SIGTERM), 0);
	test_deadline("end after SIGTERM with a hung volume", (double)(clock_mono_ms() - start_ms), 5000, "ms");
}

/* P28: the last report is published, quickly. */
static void p28_sigterm_publishes(void **state)
{
	struct probe *p = *state;
	int64_t start_ms, seq;

	test_write(p->peers, "{\"version\":1,\"nodes\":{\"a\":[\"10.77.1.1\"],\"dead\":[\"10.77.1.2\"]}}");
	wire_rule(0x0102, (struct wire_answer){.silent = true});
	start(p, "--interval 2s --publish 1h");
	assert_true(test_wait(has_report, p, 10000));
	seq = seq_of(p);
	start_ms = clock_mono_ms();
	assert_int_equal(stop(p, SIGTERM), 0);
	test_deadline("end after SIGTERM", (double)(clock_mono_ms() - start_ms), 1000, "ms");
	assert_int_equal(seq_of(p), seq + 1);
	assert_int_equal(count_temporaries(p->nodes), 0);
}

static void make_old(const char *folder)
{
	struct timespec times[2] = {{.tv_sec = clock_wall_ms() / 1000 - 7200}, {.tv_sec = clock_wall_ms() / 1000 - 7200}};
	DIR *dir = opendir(folder);
	const struct dirent *entry;

	while ((entry = readdir(dir)))
		if (strncmp(entry->d_name, ".tmp-", 5) == 0)
			assert_int_equal(utimensat(dirfd(dir), entry->d_name, times, 0), 0);
	closedir(dir);
}

/* P28: killed at random moments while it writes all the time. The report is always whole; litter goes at the next start, once it is old. */
static void p28_sigkill_leaves_no_partial_file(void **state)
{
	struct probe *p = *state;
	struct rng rng = rng_make(test_seed());
	auto_free char *planted = xasprintf("%s/.tmp-1-00000000deadbeef", p->nodes), *fresh = xasprintf("%s/.tmp-1-00000000feedf00d", p->nodes);
	auto_buf struct buf peers = {0};
	int i, litter;

	buf_str(&peers, "{\"version\":1,\"nodes\":{");
	for (i = 0; i < 400; i++)
		buf_printf(&peers, "%s\"p%d\":[\"10.77.2.%d\"]", i ? "," : "", i, i % 200);
	buf_str(&peers, "}}");
	test_write(p->peers, peers.data);
	for (i = 0; i < 20; i++) {
		start(p, "--interval 50ms --publish 50ms --pings 1");
		assert_true(test_wait(has_report, p, 10000));
		usleep(rng_below(&rng, 120000));
		stop(p, SIGKILL);
		assert_true(seq_of(p) > 0);
	}
	litter = count_temporaries(p->nodes);
	printf("# temporaries that 20 kills left behind: %d\n", litter);
	test_write(planted, "half a repo");
	make_old(p->nodes);
	test_write(fresh, "of a writer that is at it");
	assert_int_equal(once(p, "--once --interval 200ms", NULL), 0);
	assert_int_equal(count_temporaries(p->nodes), 1);
	assert_int_equal(access(fresh, F_OK), 0);
}

/* --- refusals -------------------------------------------------------------------------------------------------------- */

static void refuses_with_the_documented_code(void **state)
{
	struct probe *p = *state;
	auto_free char *long_name = xcalloc(1, 220);
	static const struct {
		const char *peers;	/* content; NULL: no file */
		const char *more;
		int code;
		const char *names;	/* what the line names */
	} cases[] = {
		{"{}", "--once --bogus", 64, "--bogus"},
		{"{}", "--once --interval 5parsecs", 64, "--interval"},
		{"{}", "--once --interval 1ms", 64, "--interval"},
		{"{}", "--once --pings 0", 64, "--pings"},
		{"{}", "--once --pinger carrier-pigeon", 64, "carrier-pigeon"},
		{"{}", "--once --window 2m --loss-window 1m", 64, "--loss-window"},
		{"{}", "--once extra", 64, "extra"},
		{"{\"version\":1,\"nodes\":{}}", "--listen nonsense", 64, "nonsense"},
		{"{\"version\":1,\"nodes\":{}}", "--listen 192.0.2.1:9", 69, "192.0.2.1:9"},
		{NULL, "--once", 66, "peers.json"},
		{"{}", "--once", 65, "peers.json"},
		{"[]", "--once", 65, "peers.json"},
		{"{\"version\":1,\"nodes\":{\"a\":[\"db.example\"]}}", "--once", 65, "db.example"},
		{"{\"version\":2,\"nodes\":{}}", "--once", 65, "version"},
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		auto_free char *output = NULL;
		const char *last;
		int code;

		unlink(p->peers);
		if (cases[i].peers)
			test_write(p->peers, cases[i].peers);
		code = once(p, cases[i].more, &output);
		last = strstr(output, "latency-probe: ");
		if (code != cases[i].code || !last || !strstr(last, cases[i].names))
			fail_msg("%s: code %d, wanted %d:\n%s", cases[i].more, code, cases[i].code, output);
	}
	memset(long_name, 'a', 201);
	{
		const char *argv[] = {test_program("latency-probe"), "--node", long_name, "--peers", "x", "--output", "y", NULL};
		auto_free char *output = NULL;

		assert_int_equal(test_run(argv, 10, &output), 64);
		assert_non_null(strstr(output, "201 bytes"));
		argv[2] = "../etc/passwd";
		free(output);
		assert_int_equal(test_run(argv, 10, &output), 64);
	}
}

/* --once where nothing can be written: the folder's parent is missing; a file is in its place. */
static void refuses_what_cannot_be_written(void **state)
{
	struct probe *p = *state;
	auto_free char *nowhere = xasprintf("%s/no/where", p->folder), *output = NULL, *again = NULL;
	const char *argv[] = {test_program("latency-probe"), "--node", "n1", "--peers", p->peers, "--output", nowhere, "--once",
			      "--interval", "200ms", NULL};

	test_write(p->peers, "{\"version\":1,\"nodes\":{}}");
	assert_int_equal(test_run(argv, 20, &output), 66);
	assert_non_null(strstr(output, "no/where"));
	argv[6] = p->peers;
	assert_int_equal(test_run(argv, 20, &again), 66);
	assert_non_null(strstr(again, "peers.json"));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest rounds[] = {
		CASE(one_round_of_both_families), CASE(p18_self_only), CASE(reports_go_on_with_one_boot_id), CASE(a_move_is_published_at_once),
		CASE(silence_of_a_peer_is_told_in_every_round), CASE(silence_outlives_the_list_and_not_the_address),
		CASE(p19_peers_change_while_it_runs), CASE(p22_waits_for_the_peer_list), CASE(p33_overruns), CASE(p13_not_permitted),
		CASE(p13_auto_falls_back), CASE(capabilities_are_dropped), CASE(refuses_with_the_documented_code),
	};
	const struct CMUnitTest volume[] = {
		CASE(p24_no_space), CASE(p23_volume_hangs), CASE(p23_sigterm_while_the_volume_hangs), CASE(p28_sigterm_publishes),
		CASE(p28_sigkill_leaves_no_partial_file), CASE(refuses_what_cannot_be_written),
	};
	const char *part = wire_enter_each(argv, (const char *const[]){"rounds", "volume", NULL});

	(void)argc;
	if (STREQ(part, "volume"))
		return cmocka_run_group_tests(volume, NULL, NULL);
	return cmocka_run_group_tests(rounds, NULL, NULL);
}
