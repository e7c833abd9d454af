/*
 * A real Prometheus (Debian's, unpacked, not installed) scrapes counters of Traefik's shape from exporters of the test, by the scrape job of merge/README.md; the
 * merger asks it, and pods near `entry` are placed by what comes out: they follow the traffic, do not flap while it is equal, and a Prometheus
 * that stops changes nothing until its last word is too old.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/http.h"
#include "lib/mem.h"
#include "lib/snapshot.h"
#include "tests/testing/testing.h"
#include "tests/testing/world.h"

#define EDGES 3
#define SCRAPE_MS 250
#define MERGE_MS 1000
#define QUERY "sum by (node) (rate(traefik_entrypoint_requests_total[1s]))"
#define WORDS(...) (const char *const[]){__VA_ARGS__, NULL}
#ifdef TEST_SANITIZED
#define ROUNDS 20			/* the build without sanitizers has them all */
#else
#define ROUNDS 100
#endif

/* --- exporters: an entry node each ------------------------------------------------------------------------------------ */

struct edge {
	struct http_server *server;
	pthread_mutex_t lock;
	double rate, noise, requests;	/* a second, plus or minus this part of it; so far */
	int64_t counted_mono_us;
	struct rng rng;
};

static struct edge edges[EDGES];
static const char *dir, *unpacked;
static char *prometheus_url, *output;
static pid_t prometheus;

static void answer_metrics(void *arg, const struct http_request *request, struct http_reply *reply)
{
	struct edge *e = arg;
	int64_t now_us = clock_mono_us();

	(void)request;
	pthread_mutex_lock(&e->lock);
	e->requests += e->rate * (1 + e->noise * (2 * rng_unit(&e->rng) - 1)) * (double)(now_us - e->counted_mono_us) / 1e6;
	e->counted_mono_us = now_us;
	buf_printf(&reply->body, "# TYPE traefik_entrypoint_requests_total counter\n"
		   "traefik_entrypoint_requests_total{code=\"200\",entrypoint=\"web\",method=\"GET\",protocol=\"http\"} %.0f\n"
		   "traefik_entrypoint_requests_total{code=\"404\",entrypoint=\"web\",method=\"GET\",protocol=\"http\"} %.0f\n",
		   e->requests * 0.9, e->requests * 0.1);
	pthread_mutex_unlock(&e->lock);
}

static void traffic(double first, double second, double third, double noise)
{
	const double rates[EDGES] = {first, second, third};
	int i;

	for (i = 0; i < EDGES; i++) {
		pthread_mutex_lock(&edges[i].lock);
		edges[i].rate = rates[i];
		edges[i].noise = noise;
		pthread_mutex_unlock(&edges[i].lock);
	}
}

static void start_exporters(void)
{
	static const struct http_route routes[] = {{"GET", "/metrics", answer_metrics}};
	struct lm_err err;
	int i;

	for (i = 0; i < EDGES; i++) {
		edges[i] = (struct edge){.lock = PTHREAD_MUTEX_INITIALIZER, .counted_mono_us = clock_mono_us(), .rng = rng_make(test_seed() + (uint64_t)i)};
		if (http_start(&(struct http_settings){.listen = "127.0.0.1:0", .routes = routes, .route_count = 1, .arg = &edges[i]}, &edges[i].server, &err) < 0)
			fail_msg("%s", err.msg);
	}
}

/* --- the Prometheus --------------------------------------------------------------------------------------------------- */

static char *path_of(const char *name)
{
	return xasprintf("%s/%s", dir, name);
}

/* The block of merge/README.md. */
static char *scrape_job(void)
{
	auto_free char *readme = test_read("merge/README.md");
	const char *begin = readme ? strstr(readme, "\nscrape_configs:\n") : NULL, *end = begin ? strstr(begin, "```") : NULL;

	assert_non_null(end);
	return xstrndup(begin + 1, (size_t)(end - begin - 1));
}

/*
 * Debian's Prometheus is built without the discovery of Kubernetes. What that would find stands in its place: targets with the labels
 * that it gives to pods, one that is no Traefik among them. All else is as it stands there, to the byte.
 */
static char *configuration(void)
{
	static const char discovery[] = "  kubernetes_sd_configs:\n  - role: pod\n";
	auto_free char *job = scrape_job();
	const char *at = strstr(job, discovery);
	auto_buf struct buf out = {0};
	int i;

	assert_non_null(at);
	buf_printf(&out, "global: {scrape_interval: %dms, scrape_timeout: %dms}\n", SCRAPE_MS, SCRAPE_MS);
	buf_add(&out, job, (size_t)(at - job));
	buf_str(&out, "  static_configs:\n");
	for (i = 0; i <= EDGES; i++)
		buf_printf(&out, "  - targets: [\"127.0.0.1:%d\"]\n    labels: {__meta_kubernetes_pod_label_app_kubernetes_io_name: %s, "
			   "__meta_kubernetes_pod_container_port_name: metrics, __meta_kubernetes_pod_node_name: edge-%d}\n",
			   http_port(edges[i % EDGES].server), i < EDGES ? "traefik" : "other", i + 1);
	buf_str(&out, at + strlen(discovery));
	return xstrdup(out.data);
}

static int free_port(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	auto_close int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	return ntohs(address.sin_port);
}

static char *tool(const char *name)
{
	return xasprintf("%s/usr/bin/%s", unpacked, name);
}

static void start_prometheus(void)
{
	auto_free char *file = path_of("prometheus.yml"), *text = configuration(), *program = tool("prometheus"), *log = path_of("prometheus.log");
	auto_free char *config = xasprintf("--config.file=%s", file), *data = xasprintf("--storage.tsdb.path=%s/tsdb", dir);
	auto_free char *listen = xasprintf("--web.listen-address=127.0.0.1:%d", free_port());

	test_write(file, text);
	prometheus_url = xasprintf("http://%s", strchr(listen, '=') + 1);
	prometheus = test_spawn(WORDS(program, config, data, listen), NULL, log);
}

/* --- the merger, and where a pod goes --------------------------------------------------------------------------------- */

/* 2 ms from edge-1 to edge-2, 9 ms to edge-3: a busy edge draws its pods. */
static void put_reports(int seq)
{
	static const double rtt_us[EDGES][EDGES] = {{0, 2000, 9000}, {2000, 0, 9000}, {9000, 9000, 0}};
	int from, to;

	for (from = 0; from < EDGES; from++) {
		auto_free char *name = xasprintf("%s/nodes/edge-%d.json", dir, from + 1);
		auto_buf struct buf text = {0};
		const char *comma = "";

		buf_printf(&text, "{\"version\":1,\"node\":\"edge-%d\",\"boot_id\":\"b\",\"seq\":%d,\"interval_s\":10,\"load\":{\"cpu\":0.1},\"peers\":{", from + 1, seq);
		for (to = 0; to < EDGES; to++)
			if (to != from) {
				buf_printf(&text, "%s\"edge-%d\":{\"rtt_us\":%g,\"jitter_us\":1,\"loss\":0}", comma, to + 1, rtt_us[from][to]);
				comma = ",";
			}
		buf_str(&text, "}}\n");
		test_write(name, text.data);
	}
}

static void merge_once(void)
{
	auto_free char *said = NULL;
	int code = test_run(WORDS(test_program("latency-merge"), "--dir", dir, "--interval", "1s", "--prometheus-url", prometheus_url, "--entry-query", QUERY), 60, &said);

	if (code)
		fail_msg("exit code %d: %s", code, said);
}

static struct snapshot load(void)
{
	auto_free char *path = path_of("cluster-latency.json"), *text = test_read(path);
	struct snapshot s = {0};
	struct lm_err err;

	if (text && snapshot_parse(text, strlen(text), &s, &err) < 0)
		fail_msg("%s", err.msg);
	return s;
}

static double rate_of(const struct snapshot *s, const char *node)
{
	uint32_t at = names_find(&s->entry.nodes, node);

	return at == NAMES_NONE ? 0 : s->entry.rate[at];
}

/* Where `latency-sched explain` says that a pod near `entry` goes. */
static char *placed(void)
{
	auto_free char *cluster = path_of("cluster.yaml"), *pod = path_of("pod.yaml"), *matrix = path_of("cluster-latency.json"), *said = NULL;
	const char *at;

	if (access(matrix, F_OK) < 0)
		return xstrdup("");
	test_run(WORDS(test_program("latency-sched"), "explain", "--cluster", cluster, "--matrix", matrix, "--pod", pod), 20, &said);
	at = strstr(said, "default/web goes to ");
	if (!at)
		fail_msg("%s", said);
	at += strlen("default/web goes to ");
	return xstrndup(at, strcspn(at, " \n"));
}

/* Follows the traffic: the file says that most of it enters there, and a pod goes there. */
static bool is_placed(void *node)
{
	auto_snapshot struct snapshot s = load();
	auto_free char *now = NULL;

	if (!s.entry.nodes.count || rate_of(&s, node) <= 0)
		return false;
	now = placed();
	return STREQ(now, node);
}

static int lines_with(const char *words)
{
	return test_count(output, words);
}

static int begin(void **state)
{
	auto_free char *nodes = NULL, *cluster = NULL, *pod = NULL;

	(void)state;
	dir = test_folder();
	output = path_of("output");
	nodes = path_of("nodes");
	cluster = path_of("cluster.yaml");
	pod = path_of("pod.yaml");
	assert_int_equal(mkdir(nodes, 0755), 0);
	put_reports(1);
#define NODE(name) "---\nkind: Node\nmetadata: {name: " name "}\nstatus: {allocatable: {cpu: 4, memory: 8Gi, pods: 110}}\n"
	test_write(cluster, NODE("edge-1") NODE("edge-2") NODE("edge-3"));
	test_write(pod, "kind: Pod\nmetadata: {name: web, annotations: {latency-mesh.io/near: entry}}\n");
	start_exporters();
	start_prometheus();
	return 0;
}

static int end(void **state)
{
	int i;

	(void)state;
	if (prometheus)
		test_stop(prometheus, SIGKILL);
	for (i = 0; i < EDGES; i++)
		http_stop(edges[i].server);
	free(steal(&prometheus_url));
	free(steal(&output));
	return 0;
}

/* --- what must hold --------------------------------------------------------------------------------------------------- */

static void the_scrape_job_passes_promtool(void **state)
{
	auto_free char *promtool = tool("promtool"), *file = path_of("prometheus.yml"), *said = NULL;
	int code = test_run(WORDS(promtool, "check", "config", file), 60, &said);

	(void)state;
	if (code)
		fail_msg("promtool: %d: %s", code, said);
}

static void follows(const char *node, const char *what)
{
	int64_t begin_ms = clock_mono_ms();
	double limit_s = 2 * (SCRAPE_MS + MERGE_MS) / 1e3;

	if (!test_wait(is_placed, (void *)(uintptr_t)node, 30000))
		fail_msg("no pod came to %s", node);
	test_deadline(what, (double)(clock_mono_ms() - begin_ms) / 1e3, limit_s, "s");
}

static void earlier(int seconds)
{
	auto_free char *path = path_of("merge-state.json");

	test_age(path, seconds);
}

#define GONE "where traffic enters is not known now"

/* It may have been said once before, while the Prometheus started. */
static bool is_gone(void *said_before)
{
	auto_snapshot struct snapshot s = load();

	return s.entry.age_s >= 2 && lines_with(GONE) == *(int *)said_before + 1;
}

/* One story: a Prometheus that is started late, traffic that moves twice, a Prometheus that stops. */
static void placements_follow_the_traffic_and_outlive_the_prometheus(void **state)
{
	auto_snapshot struct snapshot kept = {0}, dropped = {0};
	auto_free char *where = NULL;
	int said;
	pid_t merger;

	(void)state;
	traffic(1000, 10, 0, 0.1);
	merger = test_spawn(WORDS(test_program("latency-merge"), "--dir", dir, "--watch", "--interval", "1s", "--prometheus-url", prometheus_url,
				  "--entry-query", QUERY), NULL, output);
	if (!test_wait(is_placed, (void *)(uintptr_t)"edge-1", 60000))
		fail_msg("no pod came to edge-1");
	traffic(10, 10, 1000, 0.1);
	follows("edge-3", "traffic that moved, from its move to the placement");
	traffic(0, 1000, 0, 0.1);
	follows("edge-2", "traffic that moved again, from its move to the placement");

	said = lines_with(GONE);
	test_stop(prometheus, SIGTERM);
	prometheus = 0;
	assert_true(test_wait(is_gone, &said, 30000));
	kept = load();
	assert_true(rate_of(&kept, "edge-2") > 500);
	where = placed();
	assert_string_equal(where, "edge-2");
	assert_int_equal(test_stop(merger, SIGTERM), 0);
	earlier(600);
	merger = test_spawn(WORDS(test_program("latency-merge"), "--dir", dir, "--prometheus-url", prometheus_url, "--entry-query", QUERY), NULL, output);
	assert_int_equal(test_stop(merger, 0), 0);
	assert_int_equal(lines_with("WARN where traffic enters is dropped"), 1);
	dropped = load();
	assert_int_equal(dropped.entry.nodes.count, 0);
}

/* A share within 0.05 of a half: two of these are within the hysteresis. At the beginning they are not, nor where a busy machine scrapes late. */
static bool is_equal(double a, double b)
{
	return a > 500 && b > 500 && fabs(a - b) <= 0.1 * (a + b);
}

/* Two nodes of equal traffic take turns as the busier one, as the test sees; the pod that is decided for at each round does not. */
static void equal_traffic_does_not_flap(void **state)
{
	int round, turns = 0, moves = 0, unequal = 0;
	bool first_is_busier = false;
	auto_free char *before = NULL;
	struct world w;

	(void)state;
	traffic(1000, 1000, 0, 0.1);
	world_begin(&w, "edge-1 edge-2 edge-3", "");
	world_pod(&w, "web", "", "", "\"latency-mesh.io/near\":\"entry\"");
	for (round = 0; round < ROUNDS || (turns < 3 && round < 10 * ROUNDS);) {
		auto_snapshot struct snapshot s = {0};
		struct mesh *next;
		bool busier;

		usleep(SCRAPE_MS * 1000 / 2);
		put_reports(2 + round);
		merge_once();
		s = load();
		if (!is_equal(rate_of(&s, "edge-1"), rate_of(&s, "edge-2"))) {
			if (++unequal > 200 + 2 * ROUNDS)
				fail_msg("the traffic is not measured as equal: %g and %g", rate_of(&s, "edge-1"), rate_of(&s, "edge-2"));
			continue;
		}
		busier = rate_of(&s, "edge-1") > rate_of(&s, "edge-2");
		turns += round && busier != first_is_busier;
		first_is_busier = busier;
		assert_int_equal(mesh_take(matrix_build(&s), w.mesh, false, false, 0, s.written_ms, &next), MESH_TAKEN);
		mesh_free(w.mesh);
		w.mesh = next;
		world_again(&w, "web");
		moves += before && !STREQ(before, world_chosen(&w));
		free(steal(&before));
		before = xstrdup(world_chosen(&w));
		round++;
	}
	printf("# %d rounds: the busier node changed %d times, the placement %d times; %d more were not measured as equal\n", round, turns, moves, unequal);
	assert_true(turns >= 3);
	assert_int_equal(moves, 0);
	world_end(&w);
}

static int unpack(void **state)
{
	auto_free char *said = NULL;
	int code;

	(void)state;
	unpacked = "build/prometheus";
	code = test_run(WORDS("tests/unpack.sh", "prometheus", unpacked), 280, &said);
	if (code)
		fail_msg("tests/unpack.sh: %d: %s", code, said);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_scrape_job_passes_promtool, begin, end),
		cmocka_unit_test_setup_teardown(placements_follow_the_traffic_and_outlive_the_prometheus, begin, end),
		cmocka_unit_test_setup_teardown(equal_traffic_does_not_flap, begin, end),
	};

	return cmocka_run_group_tests(tests, unpack, NULL);
}
