/*
 * b-rate - pods bound a second by a real API server: ours (as it is, and without leader election), a real kube-scheduler (without; as it
 * samples nodes by itself, and with all of them), and bare bindings by a loop that decides nothing (tests/e2e/bare.h). One API server, in turns,
 * each round in another order.
 *
 *	tests/e2e/cluster.sh --audit off build/gcc/tests/b-rate [--rounds 3] [--nodes 1000] [--pods 3000] [--only ours,bare] [-- OPTION...]
 *
 * All pods wait before a scheduler starts. A binding's time is that of its Scheduled event, which each of them makes when the API server's
 * answer is there; the rate is from the first to the last. CPU is from the scheduler's start until the last event is stored: its lists,
 * its start and our reading of the matrix are in it. "others" is what all other processes took of the machine: a turn with much of that says
 * little. OPTIONs are added to latency-sched's.
 */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/json.h"
#include "lib/mem.h"
#include "lib/snapshot.h"
#include "tests/e2e/bare.h"
#include "tests/e2e/cost.h"
#include "tests/e2e/e2e.h"
#include "tests/e2e/rival.h"

#define ROUNDS_MAX 9
#define PREFIX "node"
#define BIND_LIMIT_MS 120000
#define EVENTS_QUIET_MS 3000		/* kube-scheduler may drop some: then no more come */
#define SETTLE_US 2000000		/* for the API server, after 3,000 pods were made and others deleted */
#define GOAL_TIMES 3.0
#define GOAL_SHARE 0.9

enum who { OURS, ALONE, RIVAL, RIVAL_ALL, BARE, WHO_COUNT };

static const struct {
	const char *name, *title, *scheduler;
	const char *processes[2];	/* which it consists of */
} who[WHO_COUNT] = {
	[OURS] = {"ours", "latency-sched", "my-latency-scheduler", {"latency-sched", "latency-reader"}},
	[ALONE] = {"alone", "latency-sched, no election", "my-latency-scheduler", {"latency-sched", "latency-reader"}},
	[RIVAL] = {"rival", "kube-scheduler", "default-scheduler", {"kube-scheduler", NULL}},
	[RIVAL_ALL] = {"rival-all", "kube-scheduler, all nodes", "default-scheduler", {"kube-scheduler", NULL}},
	[BARE] = {"bare", "bare bindings", "bare", {NULL, NULL}},
};

struct sample {
	double rate;			/* pods/s, from the first to the last */
	double all_s;			/* from the start to the last */
	double own_ms, api_ms, etcd_ms;	/* CPU a pod */
	double peak_mib;
	double others;			/* share of the machine's CPU time */
	int events;
};

struct bench {
	struct sched s;
	int rounds, nodes, pods;
	const char *only;		/* NULL: all */
	char *const *options;		/* of latency-sched; NULL-terminated */
	char namespace_[64];		/* of this turn */
	const char *scheduler;
	struct rival rival;
	struct sample samples[WHO_COUNT][ROUNDS_MAX];
};

/* --- before a turn --- */

static void make_pod(void *arg, int i, char **path, char **body)
{
	const struct bench *b = arg;

	*path = xasprintf("/api/v1/namespaces/%s/pods", b->namespace_);
	*body = xasprintf("{\"metadata\":{\"name\":\"pod-%d\",\"labels\":{\"app\":\"web\"}},\"spec\":{\"schedulerName\":\"%s\",\"containers\":[{\"name\":\"c\","
			  "\"image\":\"registry.example/web:1\",\"resources\":{\"requests\":{\"cpu\":\"100m\",\"memory\":\"64Mi\"}}}]}}",
			  i, b->scheduler);
}

static void delete_pod(void *arg, int i, char **path, char **body)
{
	const struct bench *b = arg;

	(void)body;
	*path = xasprintf("/api/v1/namespaces/%s/pods/pod-%d?gracePeriodSeconds=0", b->namespace_, i);
}

static void make_pods(struct bench *b, enum who which, int round)
{
	auto_free char *body = NULL;

	b->scheduler = who[which].scheduler;
	snprintf(b->namespace_, sizeof(b->namespace_), "round-%d-%s", round + 1, who[which].name);
	body = xasprintf("{\"metadata\":{\"name\":\"%s\"}}", b->namespace_);
	standin_do(&b->s.api, 201, "POST", "/api/v1/namespaces", body);
	e2e_all(&b->s, "POST", b->pods, make_pod, b);
	usleep(SETTLE_US);
}

/* Nodes on a plane, a round trip of up to 14 ms. */
static void write_matrix(struct bench *b)
{
	auto_snapshot struct snapshot snapshot = {0};
	struct rng rng = rng_make(test_seed());
	auto_free double *x = xcalloc((size_t)b->nodes, sizeof(*x)), *y = xcalloc((size_t)b->nodes, sizeof(*y));
	auto_buf struct buf text = {0};
	struct names names = {0};
	char name[32];
	int i, j;

	for (i = 0; i < b->nodes; i++) {
		snprintf(name, sizeof(name), PREFIX "-%d", i);
		names_add(&names, name);
		x[i] = rng_unit(&rng);
		y[i] = rng_unit(&rng);
	}
	snapshot_init(&snapshot, &names, NULL);
	names_free(&names);
	for (i = 0; i < b->nodes; i++) {
		snapshot.age_s[i] = 0;
		snapshot.load[i] = (struct snapshot_load){rng_unit(&rng) / 2, 1e6, 1e6};
		for (j = 0; j < b->nodes; j++)
			if (i != j)
				snapshot.link.rtt_us[(size_t)i * (size_t)b->nodes + (size_t)j] = (float)(1e4 * hypot(x[i] - x[j], y[i] - y[j]) + 50);
	}
	snprintf(snapshot.epoch, sizeof(snapshot.epoch), "bench");
	snapshot.generation = 1;
	snapshot.period_s = 3600;	/* nobody merges here, and it must not age */
	snapshot.written_ms = clock_wall_ms();
	snapshot_write(&snapshot, &text);
	sched_publish(&b->s, text.data);
}

/* --- the turn --- */

static void start_ours(struct bench *b, bool elect)
{
	const char *argv[32] = {test_program("latency-sched"), "--kubeconfig", b->s.kubeconfig, "--latency-file", b->s.file, "--qps", "5000",
				"--burst", "5000", "--listen", "127.0.0.1:0", elect ? "--leader-elect" : "--leader-elect=false"};
	auto_free char *program = xstrdup(argv[0]);
	int i;

	argv[0] = program;
	for (i = 0; b->options[i] && i < 20; i++)
		argv[12 + i] = b->options[i];
	free(b->s.log);
	b->s.log = xasprintf("%s/latency-sched.log", test_folder());
	b->s.pid = test_spawn(argv, NULL, b->s.log);
}

/* Starts it; bare bindings are all done when this returns. */
static void begin_turn(struct bench *b, enum who which)
{
	auto_json cJSON *pods = NULL;
	auto_free char *path = NULL;

	if (which == OURS || which == ALONE) {
		start_ours(b, which == OURS);
	} else if (which == RIVAL || which == RIVAL_ALL) {
		rival_launch(&b->rival, which == RIVAL_ALL ? "percentageOfNodesToScore: 100\n" : NULL);
	} else {
		path = xasprintf("/api/v1/namespaces/%s/pods", b->namespace_);
		pods = standin_want(&b->s.api, 200, "GET", path, NULL);
		bare_bind(b->s.kubeconfig, pods, PREFIX, b->nodes);
	}
}

static void end_turn(struct bench *b)
{
	if (b->s.pid)
		sched_stop(&b->s, SIGTERM);
	rival_stop(&b->rival);
	e2e_all(&b->s, "DELETE", b->pods, delete_pod, b);
}

static int count_events(struct bench *b)
{
	auto_free char *path = xasprintf("/apis/events.k8s.io/v1/namespaces/%s/events?limit=1", b->namespace_);
	auto_json cJSON *list = standin_want(&b->s.api, 200, "GET", path, NULL);
	const cJSON *more = item_at(list, "metadata.remainingItemCount");

	return cJSON_GetArraySize(item_at(list, "items")) + (more ? more->valueint : 0);
}

static int count_pending(struct bench *b)
{
	auto_free char *path = xasprintf("/api/v1/namespaces/%s/pods?fieldSelector=spec.nodeName%%3D&limit=1", b->namespace_);
	auto_json cJSON *list = standin_want(&b->s.api, 200, "GET", path, NULL);

	return cJSON_GetArraySize(item_at(list, "items"));
}

/* Looks seldom, and at a number that costs the API server next to nothing. */
static void wait_until_done(struct bench *b)
{
	int64_t start_ms = clock_mono_ms(), changed_ms = start_ms, now_ms = start_ms;
	int seen = 0, events;

	while ((events = count_events(b)) < b->pods) {
		now_ms = clock_mono_ms();
		if (events != seen)
			changed_ms = now_ms;
		seen = events;
		if (now_ms - changed_ms > EVENTS_QUIET_MS && count_pending(b) == 0)
			break;
		if (now_ms - start_ms > BIND_LIMIT_MS)
			fail_msg("%s: %d events of %d pods after %d s", b->namespace_, events, b->pods, BIND_LIMIT_MS / 1000);
		usleep(200000);
	}
	assert_int_equal(count_pending(b), 0);
}

static struct cost cost_of_scheduler(enum who which)
{
	struct cost sum = {0};
	struct rusage usage;
	size_t i;

	for (i = 0; i < 2 && who[which].processes[i]; i++) {
		struct cost one = cost_of(who[which].processes[i]);

		sum.cpu_s += one.cpu_s;
		sum.peak_mib += one.peak_mib;
	}
	getrusage(RUSAGE_SELF, &usage);
	if (which == BARE)
		sum.cpu_s = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) + (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
	return sum;
}

/* Rate and duration from the events. */
static void read_times(struct bench *b, int64_t start_ms, struct sample *out)
{
	auto_free char *path = xasprintf("/apis/events.k8s.io/v1/namespaces/%s/events", b->namespace_);
	auto_json cJSON *list = standin_want(&b->s.api, 200, "GET", path, NULL);
	int64_t first = INT64_MAX, last = 0, at;
	const cJSON *event;

	cJSON_ArrayForEach(event, item_at(list, "items")) {
		if (!STREQ(text_at(event, "reason"), "Scheduled") || clock_parse(text_at(event, "eventTime"), &at) < 0)
			continue;
		out->events++;
		first = at < first ? at : first;
		last = at > last ? at : last;
	}
	if (out->events < b->pods * 9 / 10)
		fail_msg("%s: %d Scheduled events of %d pods", b->namespace_, out->events, b->pods);
	out->rate = (double)(out->events - 1) / ((double)(last - first) / 1e3);
	out->all_s = (double)(last - start_ms) / 1e3;
}

/* CPU time of the machine that was used, by all. */
static double used_s(void)
{
	auto_free char *text = test_read("/proc/stat");
	unsigned long user, nice_, system, irq, soft, steal;

	assert_int_equal(sscanf(text, "cpu %lu %lu %lu %*u %*u %lu %lu %lu", &user, &nice_, &system, &irq, &soft, &steal), 6);
	return (double)(user + nice_ + system + irq + soft + steal) / (double)sysconf(_SC_CLK_TCK);
}

static void take_turn(struct bench *b, enum who which, int round)
{
	struct sample *out = &b->samples[which][round];
	double used, own, api, etcd, all;
	int64_t start_ms, mono_us;

	make_pods(b, which, round);
	used = used_s();
	api = cost_of("kube-apiserver").cpu_s;
	etcd = cost_of("etcd").cpu_s;
	own = cost_of_scheduler(which).cpu_s;	/* 0 but for the loop in this process */
	start_ms = clock_wall_ms();
	mono_us = clock_mono_us();
	begin_turn(b, which);
	wait_until_done(b);
	own = cost_of_scheduler(which).cpu_s - own;
	api = cost_of("kube-apiserver").cpu_s - api;
	etcd = cost_of("etcd").cpu_s - etcd;
	all = (double)(clock_mono_us() - mono_us) / 1e6 * (double)sysconf(_SC_NPROCESSORS_ONLN);
	out->others = (used_s() - used - own - api - etcd) / all;
	out->own_ms = own * 1e3 / b->pods;
	out->api_ms = api * 1e3 / b->pods;
	out->etcd_ms = etcd * 1e3 / b->pods;
	out->peak_mib = cost_of_scheduler(which).peak_mib;
	read_times(b, start_ms, out);
	end_turn(b);
	printf("# round %d  %-26s %6.0f pods/s, all after %4.1f s; CPU a pod: %.2f ms, kube-apiserver %.2f ms, etcd %.2f ms; peak %.0f MiB; %d events; others %.0f %%\n",
	       round + 1, who[which].title, out->rate, out->all_s, out->own_ms, out->api_ms, out->etcd_ms, out->peak_mib, out->events,
	       out->others * 100);
	fflush(stdout);
}

/* --- figures --- */

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

struct spread {
	double least, median, most;
};

/* `field`: offset of a double in a sample. */
static struct spread spread_of(const struct bench *b, enum who which, size_t field)
{
	double values[ROUNDS_MAX];
	int i;

	for (i = 0; i < b->rounds; i++)
		memcpy(&values[i], (const char *)&b->samples[which][i] + field, sizeof(values[i]));
	qsort(values, (size_t)b->rounds, sizeof(*values), by_value);
	return (struct spread){values[0], (values[(b->rounds - 1) / 2] + values[b->rounds / 2]) / 2, values[b->rounds - 1]};
}

#define SPREAD(b, which, field) spread_of(b, which, offsetof(struct sample, field))

static bool is_wanted(const struct bench *b, enum who which)
{
	size_t len = strlen(who[which].name);
	const char *at = b->only;

	for (; at && *at; at += strcspn(at, ","), at += *at == ',')
		if (strcspn(at, ",") == len && strncmp(at, who[which].name, len) == 0)
			return true;
	return !b->only;
}

static void print_one(const struct bench *b, enum who which)
{
	struct spread rate = SPREAD(b, which, rate);
	char name[32];
	char *c;

	snprintf(name, sizeof(name), "%s", who[which].name);
	for (c = name; *c; c++)
		*c = *c == '-' ? '_' : *c;
	printf("# %-26s %.0f to %.0f pods/s\n", who[which].title, rate.least, rate.most);
	printf("figure %s_bound_a_second %.0f pods/s\n", name, rate.median);
	printf("figure %s_cpu_a_binding %.2f ms\n", name, SPREAD(b, which, own_ms).median);
	printf("figure %s_api_server_cpu_a_binding %.2f ms\n", name, SPREAD(b, which, api_ms).median);
	if (which != BARE)
		printf("figure %s_peak_memory %.0f MiB\n", name, SPREAD(b, which, peak_mib).median);
}

/* Above a third of the goal? Prints how far. */
static bool judge(const struct bench *b)
{
	double ours = SPREAD(b, OURS, rate).median, times = ours / SPREAD(b, RIVAL, rate).median, share = ours / SPREAD(b, BARE, rate).median;

	printf("figure times_kube_scheduler %.2f x (goal %.0f x, or the next)\n", times, GOAL_TIMES);
	printf("figure share_of_bare_bindings %.0f %% (goal %.0f %%)\n", share * 100, GOAL_SHARE * 100);
	return times >= GOAL_TIMES / 3 || share >= GOAL_SHARE / 3;
}

static void measure(struct bench *b)
{
	int round, i;

	e2e_begin(&b->s);
	e2e_nodes(&b->s, PREFIX, b->nodes, "32", "64Gi", "");
	write_matrix(b);
	printf("# %d nodes, %d pods, %d rounds\n", b->nodes, b->pods, b->rounds);
	for (round = 0; round < b->rounds; round++)
		for (i = 0; i < WHO_COUNT; i++) {
			enum who which = (enum who)((i + round) % WHO_COUNT);

			if (is_wanted(b, which))
				take_turn(b, which, round);
		}
	e2e_end(&b->s);
}

static int number(const char *text, int max)
{
	int value = text ? atoi(text) : 0;

	if (value < 1 || value > max) {
		fprintf(stderr, "b-rate: a number from 1 to %d is wanted\n", max);
		exit(64);
	}
	return value;
}

static void read_options(struct bench *b, char **argv)
{
	for (argv++; *argv && !STREQ(*argv, "--"); argv += argv[1] ? 2 : 1) {
		if (STREQ(*argv, "--rounds"))
			b->rounds = number(argv[1], ROUNDS_MAX);
		else if (STREQ(*argv, "--nodes"))
			b->nodes = number(argv[1], SNAPSHOT_MAX_NODES);
		else if (STREQ(*argv, "--pods"))
			b->pods = number(argv[1], 20000);
		else if (STREQ(*argv, "--only"))
			b->only = argv[1];
		else
			number(NULL, 0);
	}
	b->options = *argv ? argv + 1 : argv;
}

int main(int argc, char **argv)
{
	struct bench b = {.rounds = 3, .nodes = 1000, .pods = 3000};
	int i;

	(void)argc;
	read_options(&b, argv);
	measure(&b);
	for (i = 0; i < WHO_COUNT; i++)
		if (is_wanted(&b, (enum who)i))
			print_one(&b, (enum who)i);
	return b.only || judge(&b) ? 0 : 1;
}
