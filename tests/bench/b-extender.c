/*
 * b-extender - what /filter and /prioritize cost beside a server that answers without thinking: the real latency-sched --mode extender with 5,000 nodes
 * (1,000 of them in the matrix), and a child with the same lib/http that sends the same bytes for any body. A pod of 5.6 KB and NodeNames go to one and to the
 * other in turns, each over one connection that is kept. A round trip is a kube-scheduler's: EXTENDER_CLIENT names the program that makes it with kube-scheduler's
 * own code (tests/e2e/tools/extender-client; run.sh builds it where there is Go). Beside it the same in bytes alone, where the client makes and reads no JSON.
 * Then that beside 2,000 idle connections and one that sends its body a byte at a time. Medians, and p99 in brackets behind:
 *
 *	figure filter_500 0.361 ms (p99 0.703)
 *	figure filter_500_ratio 1.15 times (goal 1.2)
 *	figure filter_500_p99_ratio 1.10 times
 *	figure filter_500_bytes 0.112 ms (p99 0.203)
 */
#include <arpa/inet.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <signal.h>

#include "lib/clock.h"
#include "lib/http.h"
#include "lib/http_socket.h"
#include "lib/mem.h"
#include "tests/testing/sched.h"

#define NODES 5000
#define MEASURED 1000
#define IDLE 2000
#define WARM_UP 20

static const struct work {
	const char *verb;
	int names, rounds;
} works[] = {{"filter", 500, 1500}, {"prioritize", 500, 1500}, {"filter", 5000, 400}, {"prioritize", 5000, 400}};

static struct sched sched;
static int ours, theirs;		/* ports */
static bool failed;

/* --- the cluster ----------------------------------------------------------------------------------------------------------- */

static void name_of(char name[static 40], int i)
{
	snprintf(name, 40, "worker-%04d.eu-west-1.compute", i);
}

static void add_nodes(void)
{
	char name[40];
	int i;

	for (i = 0; i < NODES; i++) {
		name_of(name, i);
		standin_node(&sched.api, name, "16", "64Gi", "");
	}
}

static void add_matrix(void)
{
	auto_buf struct buf text = {0};
	struct rng rng = rng_make(42);
	char name[40];
	int i, j;

	buf_char(&text, '{');
	for (i = 0; i < MEASURED; i++) {
		name_of(name, i);
		buf_printf(&text, "%s\"%s\":{", i ? ",\n" : "", name);
		for (j = 0; j < MEASURED; j++) {
			name_of(name, j);
			buf_printf(&text, "%s\"%s\":", j ? "," : "", name);
			if (i == j)
				buf_str(&text, "0");
			else
				buf_decimal(&text, (i % 10 == j % 10 ? 0.2 : 20) * (1 + rng_unit(&rng)), 3);
		}
		buf_char(&text, '}');
	}
	buf_char(&text, '}');
	sched_publish(&sched, text.data);
}

/* As a pod of a Deployment looks to kube-scheduler: managedFields are gone. */
static void add_pod(struct buf *b)
{
	int i;

	buf_str(b, "{\"metadata\":{\"name\":\"checkout-6d5f9c7b68-x2x7q\",\"generateName\":\"checkout-6d5f9c7b68-\",\"namespace\":\"shop\",\"uid\":"
		   "\"0e3b0c2a-6d5f-4c7b-9a68-2f1f7c1de0aa\",\"resourceVersion\":\"81230177\",\"creationTimestamp\":\"2026-11-21T21:00:00Z\",\"labels\":"
		   "{\"app\":\"checkout\",\"pod-template-hash\":\"6d5f9c7b68\"},\"annotations\":{\"latency-mesh.io/near\":\"node/worker-0007.eu-west-1.compute\","
		   "\"prometheus.io/scrape\":\"true\",\"prometheus.io/port\":\"9102\"},\"ownerReferences\":[{\"apiVersion\":\"apps/v1\",\"kind\":\"ReplicaSet\","
		   "\"name\":\"checkout-6d5f9c7b68\",\"uid\":\"7d0b9dd2-1f0f-4a3a-8f0e-0d4c6a1d2a11\",\"controller\":true,\"blockOwnerDeletion\":true}]},\"spec\":{\"volumes\":"
		   "[{\"name\":\"kube-api-access-7xk2p\",\"projected\":{\"sources\":[{\"serviceAccountToken\":{\"expirationSeconds\":3607,\"path\":\"token\"}},{\"configMap\":"
		   "{\"name\":\"kube-root-ca.crt\",\"items\":[{\"key\":\"ca.crt\",\"path\":\"ca.crt\"}]}},{\"downwardAPI\":{\"items\":[{\"path\":\"namespace\",\"fieldRef\":"
		   "{\"apiVersion\":\"v1\",\"fieldPath\":\"metadata.namespace\"}}]}}],\"defaultMode\":420}}],\"containers\":[{\"name\":\"server\",\"image\":"
		   "\"registry.example/shop/checkout:v0.10.2\",\"ports\":[{\"containerPort\":5050,\"protocol\":\"TCP\"}],\"env\":[");
	for (i = 0; i < 36; i++)
		buf_printf(b, "%s{\"name\":\"SHOP_SERVICE_%02d_ADDR\",\"value\":\"service-%02d.shop.svc.cluster.local:%d\"}", i ? "," : "", i, i, 5000 + i);
	buf_str(b, "],\"resources\":{\"limits\":{\"cpu\":\"200m\",\"memory\":\"128Mi\"},\"requests\":{\"cpu\":\"100m\",\"memory\":\"64Mi\"}},\"volumeMounts\":[{\"name\":"
		   "\"kube-api-access-7xk2p\",\"readOnly\":true,\"mountPath\":\"/var/run/secrets/kubernetes.io/serviceaccount\"}],\"livenessProbe\":{\"grpc\":{\"port\":5050,"
		   "\"service\":\"\"},\"timeoutSeconds\":1,\"periodSeconds\":10,\"successThreshold\":1,\"failureThreshold\":3},\"readinessProbe\":{\"grpc\":{\"port\":5050,"
		   "\"service\":\"\"},\"timeoutSeconds\":1,\"periodSeconds\":10,\"successThreshold\":1,\"failureThreshold\":3},\"terminationMessagePath\":\"/dev/termination-log\","
		   "\"terminationMessagePolicy\":\"File\",\"imagePullPolicy\":\"IfNotPresent\",\"securityContext\":{\"capabilities\":{\"drop\":[\"ALL\"]},\"privileged\":false,"
		   "\"readOnlyRootFilesystem\":true,\"allowPrivilegeEscalation\":false}}],\"restartPolicy\":\"Always\",\"terminationGracePeriodSeconds\":5,\"dnsPolicy\":"
		   "\"ClusterFirst\",\"serviceAccountName\":\"checkout\",\"serviceAccount\":\"checkout\",\"securityContext\":{\"runAsUser\":1000,\"runAsGroup\":1000,"
		   "\"runAsNonRoot\":true,\"fsGroup\":1000},\"schedulerName\":\"default-scheduler\",\"tolerations\":[{\"key\":\"node.kubernetes.io/not-ready\",\"operator\":"
		   "\"Exists\",\"effect\":\"NoExecute\",\"tolerationSeconds\":300},{\"key\":\"node.kubernetes.io/unreachable\",\"operator\":\"Exists\",\"effect\":\"NoExecute\","
		   "\"tolerationSeconds\":300}],\"priority\":0,\"enableServiceLinks\":true,\"preemptionPolicy\":\"PreemptLowerPriority\"},\"status\":{\"phase\":\"Pending\","
		   "\"qosClass\":\"Burstable\"}}");
}

static void add_args(struct buf *b, int names)
{
	char name[40];
	int i;

	buf_str(b, "{\"Pod\":");
	add_pod(b);
	buf_str(b, ",\"Nodes\":null,\"NodeNames\":[");
	for (i = 0; i < names; i++) {
		name_of(name, i);
		buf_printf(b, "%s\"%s\"", i ? "," : "", name);
	}
	buf_str(b, "]}");
}

static void add_request(struct buf *b, const struct work *w)
{
	auto_buf struct buf body = {0};

	add_args(&body, w->names);
	buf_printf(b, "POST /%s HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: kube-scheduler\r\nContent-Length: %zu\r\nContent-Type: application/json\r\n"
		      "Accept-Encoding: gzip\r\n\r\n", w->verb, body.len);
	buf_add(b, body.data, body.len);
}

/* --- a client -------------------------------------------------------------------------------------------------------------- */

static void give_up(const char *what)
{
	fprintf(stderr, "b-extender: %s\n", what);
	exit(70);
}

static int dial_from(int port, const char *from)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_in source = {.sin_family = AF_INET, .sin_addr.s_addr = inet_addr(from)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0 || bind(fd, (struct sockaddr *)&source, sizeof(source)) < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		give_up("no connection");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

static void send_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

		if (n <= 0)
			give_up("a request is not sent");
		text += n;
		len -= (size_t)n;
	}
}

static char answer[4 << 20];

/* A whole answer; its body. */
static const char *hear(int fd)
{
	size_t len = 0, want = 0;
	const char *body = NULL;

	while (!body || len < want) {
		ssize_t n = recv(fd, answer + len, sizeof(answer) - 1 - len, 0);

		if (n <= 0)
			give_up("no answer");
		len += (size_t)n;
		answer[len] = '\0';
		if (!body && (body = strstr(answer, "\r\n\r\n")) != NULL)
			want = (size_t)((body += 4) - answer) + (size_t)atol(strstr(answer, "Content-Length: ") + 16);
	}
	return body;
}

static double ask_us(int fd, const struct buf *request)
{
	int64_t begin_us = clock_mono_us();

	send_all(fd, request->data, request->len);
	hear(fd);
	return (double)(clock_mono_us() - begin_us);
}

/* --- the server that does not think ------------------------------------------------------------------------------------------ */

static char *constants[ARRAY_SIZE(works)];

static void answer_at_once(const char *verb, const struct http_request *request, struct http_reply *reply)
{
	int names = request->body_len > 50000 ? 5000 : 500;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(works); i++)
		if (STREQ(works[i].verb, verb) && works[i].names == names)
			buf_str(&reply->body, constants[i]);
	reply->content_type = "application/json";
	reply->header = "X-Latency-Mode";
	reply->value = "latency";
}

static void answer_filter(void *arg, const struct http_request *request, struct http_reply *reply)
{
	(void)arg;
	answer_at_once("filter", request, reply);
}

static void answer_prioritize(void *arg, const struct http_request *request, struct http_reply *reply)
{
	(void)arg;
	answer_at_once("prioritize", request, reply);
}

static void serve_constants(int told)
{
	static const struct http_route routes[] = {{"POST", "/filter", answer_filter}, {"POST", "/prioritize", answer_prioritize}};
	struct http_server *server;
	struct lm_err err;
	int port;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (http_start(&(struct http_settings){.listen = "127.0.0.1:0", .routes = routes, .route_count = 2, .max_body_bytes = (size_t)16 << 20,
					       .max_bodies_bytes = (size_t)64 << 20, .connections = 4096, .per_address = 2500, .kept_ms = 300000},
		       &server, &err) < 0)
		give_up(err.msg);
	port = http_port(server);
	if (write(told, &port, sizeof(port)) != sizeof(port))
		give_up("pipe");
	for (;;)
		pause();
}

static void start_theirs(void)
{
	int pipe_fds[2];
	pid_t pid;

	if (pipe(pipe_fds) < 0)
		give_up("pipe");
	pid = fork();
	if (pid == 0)
		serve_constants(pipe_fds[1]);
	if (pid < 0 || read(pipe_fds[0], &theirs, sizeof(theirs)) != sizeof(theirs))
		give_up("no second server");
}

/* --- measuring --------------------------------------------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void check_goal(const char *name, double figure, double goal)
{
	printf("figure %s %.2f times (goal %g)\n", name, figure, goal);
	failed |= figure > 3 * goal;
}

static double median(double *us, int count)
{
	qsort(us, (size_t)count, sizeof(*us), by_value);
	return us[count / 2];
}

/* kube-scheduler's own client on both. Its lines: of ours filter and prioritize, then of theirs. */
static void compare_by_client(int names, int rounds, double goal)
{
	auto_free char *path = xasprintf("%s/args-%d.json", test_folder(), names);
	auto_free char *command = xasprintf("\"$EXTENDER_CLIENT\" %d http://127.0.0.1:%d http://127.0.0.1:%d <%s", rounds, ours, theirs, path);
	auto_buf struct buf args = {0};
	double us[4][2];
	char verb[4][16], name[100];
	FILE *lines;
	int i;

	add_args(&args, names);
	test_write(path, args.data);
	lines = popen(command, "r");
	for (i = 0; i < 4; i++)
		if (!lines || fscanf(lines, "%15s %lf %lf", verb[i], &us[i][0], &us[i][1]) != 3)
			give_up("extender-client failed");
	pclose(lines);
	for (i = 0; i < 2; i++) {
		printf("figure %s_%d %.3f ms (p99 %.3f)\n", verb[i], names, us[i][0] / 1e3, us[i][1] / 1e3);
		printf("figure %s_%d_without_thinking %.3f ms (p99 %.3f)\n", verb[i], names, us[i + 2][0] / 1e3, us[i + 2][1] / 1e3);
		snprintf(name, sizeof(name), "%s_%d_ratio", verb[i], names);
		check_goal(name, us[i][0] / us[i + 2][0], goal);
		printf("figure %s_%d_p99_ratio %.2f times\n", verb[i], names, us[i][1] / us[i + 2][1]);
	}
}

static void set_uid(struct buf *request, int number)
{
	char uid[40];

	snprintf(uid, sizeof(uid), "0e3b0c2a-6d5f-4c7b-8a68-%012d", number);
	memcpy(strstr(request->data, "\"uid\":\"") + 7, uid, strlen(uid));
}

/* Bytes alone. */
static void compare_bytes(const struct work *w)
{
	static double ours_us[2000], theirs_us[2000];
	int fds[2] = {dial_from(ours, "127.0.0.1"), dial_from(theirs, "127.0.0.1")}, i;
	auto_buf struct buf request = {0};

	add_request(&request, w);
	for (i = -WARM_UP; i < w->rounds; i++) {
		int at = i < 0 ? 0 : i;

		if (STREQ(w->verb, "filter"))		/* each pod is asked about once, and /prioritize follows with the same */
			set_uid(&request, i + WARM_UP);
		ours_us[at] = ask_us(fds[0], &request);
		theirs_us[at] = ask_us(fds[1], &request);
	}
	close(fds[0]);
	close(fds[1]);
	printf("figure %s_%d_bytes %.3f ms", w->verb, w->names, median(ours_us, w->rounds) / 1e3);
	printf(" (p99 %.3f)\n", ours_us[w->rounds / 100 * 99] / 1e3);
	printf("figure %s_%d_bytes_without_thinking %.3f ms", w->verb, w->names, median(theirs_us, w->rounds) / 1e3);
	printf(" (p99 %.3f)\n", theirs_us[w->rounds / 100 * 99] / 1e3);
}

static atomic_bool ended;

static void *send_slowly(void *arg)
{
	static const char head[] = "POST /filter HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n";
	int fd = -1;

	while (!atomic_load(&ended)) {
		if (fd < 0)
			send_all(fd = dial_from(*(int *)arg, "127.0.0.1"), head, strlen(head));
		if (send(fd, "{", 1, MSG_NOSIGNAL) < 0) {
			close(fd);
			fd = -1;
		}
		usleep(10000);
	}
	cleanup_close(&fd);
	return NULL;
}

static double p99_us(const struct buf *request)
{
	static double us[2000];
	int fd = dial_from(ours, "127.0.0.1");
	size_t i;

	for (i = 0; i < WARM_UP; i++)
		ask_us(fd, request);
	for (i = 0; i < ARRAY_SIZE(us); i++)
		us[i] = ask_us(fd, request);
	close(fd);
	qsort(us, ARRAY_SIZE(us), sizeof(us[0]), by_value);
	return us[ARRAY_SIZE(us) / 100 * 99];
}

/* In turns, without and with; of each the best of three: the machine has other guests. */
static void beside_idle_ones(void)
{
	static int fds[IDLE];
	static const char hello[] = "GET /filter HTTP/1.1\r\nHost: x\r\n\r\n";
	auto_buf struct buf request = {0};
	double alone = 1e9, beside = 1e9;
	pthread_t slow;
	int round;
	size_t i;

	add_request(&request, &works[0]);
	for (round = 0; round < 3; round++) {
		alone = fmin(alone, p99_us(&request));
		for (i = 0; i < IDLE; i++)
			fds[i] = dial_from(ours, "127.0.0.1");
		for (i = 0; i < IDLE / 2; i++)
			send_all(fds[i], hello, strlen(hello));
		atomic_store(&ended, false);
		if (pthread_create(&slow, NULL, send_slowly, &ours) != 0)
			give_up("thread");
		beside = fmin(beside, p99_us(&request));
		atomic_store(&ended, true);
		pthread_join(slow, NULL);
		for (i = 0; i < IDLE; i++)
			close(fds[i]);
		usleep(200000);
	}
	printf("figure filter_500_p99_alone %.3f ms\nfigure filter_500_p99_beside_2000_idle %.3f ms\n", alone / 1e3, beside / 1e3);
	check_goal("filter_500_p99_beside_ratio", beside / alone, 2);
}

static void bench(void **state)
{
	static const char *const options[] = {"--mode", "extender", "--extender-listen", "127.0.0.1:0", NULL};
	int64_t until_ms;
	size_t i;

	(void)state;
	setvbuf(stdout, NULL, _IOLBF, 0);
	http_raise_fd_limit();
	sched_begin(&sched, NULL);
	sched.log_level = "info";
	add_nodes();
	add_matrix();
	sched_start(&sched, options);
	ours = atoi(sched_log_field(&sched, "\"extender listening\"", "port"));
	until_ms = clock_mono_ms() + 20000;
	for (i = 0; i < ARRAY_SIZE(works); i++) {
		auto_buf struct buf request = {0};
		int fd = dial_from(ours, "127.0.0.1");

		add_request(&request, &works[i]);
		do {			/* the matrix is read */
			free(constants[i]);
			send_all(fd, request.data, request.len);
			constants[i] = xstrdup(hear(fd));
		} while (strstr(answer, "X-Latency-Mode: neutral") && clock_mono_ms() < until_ms && usleep(20000) == 0);
		answer[300] = '\0';
		if (!strstr(answer, "X-Latency-Mode: latency"))
			give_up(answer);
		close(fd);
	}
	start_theirs();
	if (getenv("EXTENDER_CLIENT")) {
		compare_by_client(500, 1500, 1.2);
		compare_by_client(5000, 300, 1.5);
	} else {
		printf("left out: the round trips of a kube-scheduler's client, for EXTENDER_CLIENT names none (it is built where there is Go)\n");
	}
	for (i = 0; i < ARRAY_SIZE(works); i++)
		compare_bytes(&works[i]);
	beside_idle_ones();
	sched_end(&sched);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(bench)};

	return cmocka_run_group_tests(tests, NULL, NULL) || failed;
}
