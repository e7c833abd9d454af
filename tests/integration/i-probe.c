/* The real latency-probe in a network namespace of its own: rounds, reports, permissions, refusals, HTTP. Hosts by tests/testing/wire.h. */
#include "lib/clock.h"
#include "tests/integration/probe.h"

static const struct report_link *link_of(const struct report_links *links, const char *name)
{
	size_t i;

	for (i = 0; i < links->count; i++)
		if (STREQ(links->items[i].name, name))
			return &links->items[i];
	return NULL;
}

static bool has_three(void *arg)
{
	return seq_of(arg) >= 3;
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

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(one_round_of_both_families), CASE(p18_self_only), CASE(reports_go_on_with_one_boot_id), CASE(a_move_is_published_at_once),
		CASE(silence_of_a_peer_is_told_in_every_round), CASE(silence_outlives_the_list_and_not_the_address),
		CASE(p19_peers_change_while_it_runs), CASE(p22_waits_for_the_peer_list), CASE(p33_overruns), CASE(p13_not_permitted),
		CASE(p13_auto_falls_back), CASE(capabilities_are_dropped), CASE(refuses_with_the_documented_code),
	};

	(void)argc;
	wire_enter(argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
