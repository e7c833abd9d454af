#include "tests/lab/cluster.h"

#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/kube/client.h"
#include "lib/mem.h"
#include "tests/lab/guest.h"
#include "tests/lab/host.h"
#include "tests/lab/nfsd.h"
#include "tests/lab/root.h"

#define SERVER NFSD_ADDR ":8001"
#define CLIENTS "/run/lab/clients.json"
#define LOGS "/run/lab/logs"
#define STEP_US 20000
#define API_READY_S 20

struct cluster *cluster_open(struct lm_err *err)
{
	struct cluster *c = xcalloc(1, sizeof(*c));
	char server[] = "http://" SERVER;
	struct kube_config config = {.server = server};

	if (topology_load(TOPOLOGY_LIVE, &c->t, err) < 0 || !(c->kube = kube_new(&config, "lab", err))) {
		free(c);
		return NULL;
	}
	mkdir(LOGS, 01777);
	chmod(LOGS, 01777);
	return c;
}

/* hostfs keeps what is written when a file is closed, so logs are copied at the end. */
static void keep_logs(void)
{
	const char *const argv[] = {"cp", "-r", LOGS, ROOT_OUT "/", NULL};
	struct lm_err err;
	pid_t child = guest_spawn(NULL, argv, "/dev/null", &err);

	if (child > 0)
		waitpid(child, NULL, 0);
}

void cluster_close(struct cluster *c)
{
	if (!c)
		return;
	for (int i = 0; i < c->t.count; i++)
		if (c->probe[i])
			kill(c->probe[i], SIGTERM);
	for (int i = 0; i < c->t.count; i++)
		if (c->probe[i])
			guest_stop(c->probe[i], SIGTERM);
	if (c->sched)
		guest_stop(c->sched, SIGTERM);
	if (c->merger)
		guest_stop(c->merger, SIGTERM);
	if (c->standin)
		guest_stop(c->standin, SIGTERM);
	keep_logs();
	kube_free(c->kube);
	free(c);
}

void cluster_log_path(const struct cluster *c, int host, const char *program, char *path, size_t size)
{
	if (host < 0)
		snprintf(path, size, LOGS "/%s.log", program);
	else
		snprintf(path, size, LOGS "/%s-%s.log", program, c->t.host[host].name);
}

static pid_t start(const struct cluster *c, int host, const char *program, const char *const *argv, struct lm_err *err)
{
	char log[128];

	cluster_log_path(c, host, program, log, sizeof(log));
	return guest_spawn(host < 0 ? NULL : &c->t.host[host], argv, log, err);
}

int cluster_request(struct cluster *c, const char *method, const char *path, const char *body, cJSON **answer, struct lm_err *err)
{
	struct kube_request request = {.method = method, .path = path, .body = body, .timeout_ms = 5000};
	auto_free char *text = NULL;
	int status;

	if (kube_call_wait(c->kube, &request, &status, &text, err) < 0)
		return lm_wrap(err, "%s %s", method, path);
	if (status >= 300)
		return lm_fail(err, LM_UNAVAILABLE, "%s %s: %d: %.200s", method, path, status, text);
	if (answer && !(*answer = json_parse(text, strlen(text), JSON_DEPTH_API, err)))
		return lm_wrap(err, "%s %s", method, path);
	return 0;
}

static int create_node(struct cluster *c, const struct host *h, struct lm_err *err)
{
	auto_buf struct buf body = {0};

	buf_printf(&body, "{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":{\"name\":\"%s\","
			  "\"labels\":{\"topology.kubernetes.io/zone\":\"%s\","
			  "\"kubernetes.io/hostname\":\"%s\"}},\"status\":{\"addresses\":[{\"type\":\"InternalIP\",\"address\":\"%s\"}],",
		   h->name, h->zone, h->name, h->addr);
	buf_printf(&body, "\"allocatable\":{\"cpu\":\"%dm\",\"memory\":\"8Gi\",\"pods\":\"110\"},"
			  "\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}]}}",
		   CLUSTER_NODE_CPU_MILLI);
	return cluster_request(c, "POST", "/api/v1/nodes", body.data, NULL, err);
}

static bool api_answers(struct cluster *c, void *arg)
{
	struct lm_err err;

	(void)arg;
	return cluster_request(c, "GET", "/readyz", NULL, NULL, &err) == 0;
}

/* The merger's list of clients: whoever answers pings and is no node. */
static int write_clients(const struct cluster *c, struct lm_err *err)
{
	auto_close int dir = file_open_dir("/run/lab", err);
	auto_buf struct buf text = {0};

	buf_char(&text, '{');
	for (int i = 0; i < c->t.count; i++)
		if (c->t.host[i].client)
			buf_printf(&text, "%s\"%s\":[\"%s\"]", text.len > 1 ? "," : "", c->t.host[i].name, c->t.host[i].addr);
	buf_str(&text, "}\n");
	return dir < 0 ? -1 : file_publish(dir, strrchr(CLIENTS, '/') + 1, text.data, text.len, NULL, err);
}

int cluster_api(struct cluster *c, struct lm_err *err)
{
	const char *const argv[] = {"standin", "--listen", SERVER, NULL};

	c->standin = start(c, -1, "standin", argv, err);
	if (c->standin < 0 || write_clients(c, err) < 0 || cluster_wait(c, api_answers, NULL, API_READY_S, "the API server", err) < 0)
		return -1;
	for (int i = 0; i < c->t.count; i++)
		if (!c->t.host[i].client && create_node(c, &c->t.host[i], err) < 0)
			return -1;
	return 0;
}

int cluster_probe(struct cluster *c, int host, struct lm_err *err)
{
	const char *const argv[] = {"latency-probe", "--node", c->t.host[host].name, "--peers", HOST_VOLUME "/peers.json", "--output",
				    HOST_VOLUME "/nodes", "--interval", "1s", "--window", "10s", "--loss-window", "60s", "--publish",
				    "5s", NULL};

	c->probe[host] = start(c, host, argv[0], argv, err);
	return c->probe[host] < 0 ? -1 : 0;
}

int cluster_probes(struct cluster *c, struct lm_err *err)
{
	for (int i = 0; i < c->t.count; i++)
		if (!c->t.host[i].client && !c->probe[i] && cluster_probe(c, i, err) < 0)
			return -1;
	return 0;
}

int cluster_merger(struct cluster *c, int host, struct lm_err *err)
{
	const char *const argv[] = {"latency-merge", "--dir", HOST_VOLUME, "--watch", "--interval", "2s", "--server", "http://" SERVER,
				    "--clients", CLIENTS, "--client-services", NULL};

	c->merger_host = host;
	c->merger = start(c, host, argv[0], argv, err);
	return c->merger < 0 ? -1 : 0;
}

int cluster_scheduler(struct cluster *c, int host, struct lm_err *err)
{
	const char *const argv[] = {"latency-sched", "--latency-file", HOST_VOLUME "/" CLUSTER_FILE, "--server", "http://" SERVER, NULL};

	c->sched_host = host;
	c->sched = start(c, host, argv[0], argv, err);
	return c->sched < 0 ? -1 : 0;
}

int cluster_snapshot(const struct cluster *c, int host, struct snapshot *out, struct lm_err *err)
{
	auto_file_text struct file_text text = {0};
	char path[128];

	guest_path(&c->t.host[host], CLUSTER_FILE, path, sizeof(path));
	if (file_read(AT_FDCWD, path, SNAPSHOT_MAX_BYTES, FILE_FOLLOW, &text, err) < 0)
		return -1;
	return snapshot_parse(text.data, text.len, out, err);
}

int cluster_report(const struct cluster *c, int host, const char *node, struct report *out, struct lm_err *err)
{
	auto_file_text struct file_text text = {0};
	char path[TOPOLOGY_NAME + 128], name[TOPOLOGY_NAME + 16];

	snprintf(name, sizeof(name), "nodes/%s.json", node);
	guest_path(&c->t.host[host], name, path, sizeof(path));
	if (file_read(AT_FDCWD, path, REPORT_MAX_BYTES(TOPOLOGY_MAX_HOSTS), FILE_FOLLOW, &text, err) < 0)
		return -1;
	return report_parse(text.data, text.len, node, out, err);
}

static double cell(const struct snapshot *s, const char *from, const char *to, const float *nodes, const float *clients)
{
	uint32_t row = names_find(&s->nodes, from), column = names_find(&s->nodes, to);

	if (row == NAMES_NONE)
		return (double)NAN;
	if (column != NAMES_NONE)
		return (double)nodes[row * s->nodes.count + column];
	column = names_find(&s->clients, to);
	return column == NAMES_NONE ? (double)NAN : (double)clients[row * s->clients.count + column];
}

double cluster_measured_ms(const struct snapshot *s, const char *from, const char *to)
{
	return cell(s, from, to, s->link.rtt_us, s->client.rtt_us) / 1e3;
}

double cluster_measured_loss(const struct snapshot *s, const char *from, const char *to)
{
	return cell(s, from, to, s->link.loss, s->client.loss);
}

/* A program that ended by itself is the reason why nothing comes. */
static int died(pid_t *pid, const char *name, struct lm_err *err)
{
	int status;

	if (*pid <= 0 || waitpid(*pid, &status, WNOHANG) != *pid)
		return 0;
	*pid = 0;
	return lm_fail(err, LM_SOFTWARE, "%s ended by itself (status %#x); its log is in the results folder under logs", name,
		       (unsigned)status);
}

static int all_alive(struct cluster *c, struct lm_err *err)
{
	if (died(&c->standin, "standin", err) < 0 || died(&c->merger, "latency-merge", err) < 0 ||
	    died(&c->sched, "latency-sched", err) < 0)
		return -1;
	for (int i = 0; i < c->t.count; i++)
		if (died(&c->probe[i], "latency-probe", err) < 0)
			return -1;
	return 0;
}

int cluster_wait(struct cluster *c, cluster_ready *ready, void *arg, double limit_s, const char *what, struct lm_err *err)
{
	int64_t until = clock_mono_ms() + (int64_t)(limit_s * 1e3);

	while (!ready(c, arg)) {
		if (all_alive(c, err) < 0)
			return lm_wrap(err, "waiting for %s", what);
		if (clock_mono_ms() > until)
			return lm_fail(err, LM_UNAVAILABLE, "waited %g s for %s", limit_s, what);
		usleep(STEP_US);
	}
	return 0;
}
