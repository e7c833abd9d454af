#include "tests/lab/pods.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/mem.h"

#define PODS_PATH "/api/v1/namespaces/default/pods"
#define MAX_LOG ((size_t)16 << 20)
#define LOG_S 10
#define TOO_MUCH 1.20
#define TOO_MUCH_MS 3.0
#define LOSS_FREE 0.01
#define LOSS_MS 200.0

static void member(struct buf *b, const char *key, const char *value)
{
	if (!value)
		return;
	if (b->data[b->len - 1] != '{')
		buf_char(b, ',');
	buf_json_string(b, key);
	buf_char(b, ':');
	buf_json_string(b, value);
}

int pods_create(struct cluster *c, struct pods *pods, const struct pod_ask *ask, struct lm_err *err)
{
	auto_buf struct buf body = {0};

	if (pods->count == PODS_MAX)
		return lm_fail(err, LM_SOFTWARE, "more than %d pods", PODS_MAX);
	buf_str(&body, "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":");
	buf_json_string(&body, ask->name);
	buf_str(&body, ",\"labels\":{");
	member(&body, "app", ask->app);
	member(&body, ask->label, ask->label_value);
	buf_str(&body, "},\"annotations\":{");
	member(&body, "latency-mesh.io/near", ask->near);
	member(&body, "latency-mesh.io/within", ask->within);
	buf_printf(&body, "}},\"spec\":{\"schedulerName\":\"my-latency-scheduler\",\"containers\":[{\"name\":\"c\",\"image\":\"none\","
			  "\"resources\":{\"requests\":{\"cpu\":\"%dm\",\"memory\":\"64Mi\"}}}]}}", ask->cpu_milli);
	if (cluster_request(c, "POST", PODS_PATH, body.data, NULL, err) < 0)
		return -1;
	pods->item[pods->count++] = (struct pod_seen){.ask = ask, .host = -1, .created_us = clock_mono_us()};
	return 0;
}

static int get(struct cluster *c, const struct pod_ask *ask, cJSON **pod, struct lm_err *err)
{
	auto_free char *path = xasprintf(PODS_PATH "/%s", ask->name);

	return cluster_request(c, "GET", path, NULL, pod, err);
}

static bool on_a_node(struct cluster *c, void *arg)
{
	struct pod_seen *seen = arg;
	struct lm_err err;
	auto_json cJSON *pod = NULL;
	const cJSON *node;

	if (get(c, seen->ask, &pod, &err) < 0)
		return false;
	node = json_get(json_get(pod, "spec"), "nodeName");
	if (!cJSON_IsString(node) || !*node->valuestring)
		return false;
	seen->host = topology_find(&c->t, node->valuestring);
	seen->bound_us = clock_mono_us();
	return true;
}

int pods_await(struct cluster *c, struct pods *pods, int i, double limit_s, struct lm_err *err)
{
	char reason[256] = "";
	struct lm_err ignored;

	if (cluster_wait(c, on_a_node, &pods->item[i], limit_s, pods->item[i].ask->name, err) == 0)
		return 0;
	if (pods_reason(c, pods->item[i].ask, reason, sizeof(reason), &ignored) == 0 && *reason)
		lm_wrap(err, "%s", reason);
	return -1;
}

/* Copies the word after ` key=` of a log line; "" when it is not there or null. */
static void log_word(const char *line, const char *key, char *out, size_t size)
{
	const char *end = line + strcspn(line, "\n"), *at = strstr(line, key);

	*out = '\0';
	if (!at || at >= end)
		return;
	at += strlen(key);
	snprintf(out, size, "%.*s", (int)strcspn(at, " \n"), at);
	if (STREQ(out, "null"))
		*out = '\0';
}

static bool in_the_log(struct cluster *c, void *arg)
{
	struct pod_seen *seen = arg;
	auto_free char *what = xasprintf("pod bound pod=default/%s ", seen->ask->name);
	auto_file_text struct file_text text = {0};
	const char *line;
	char path[128], number[32];
	struct lm_err err;

	cluster_log_path(c, c->sched_host, "latency-sched", path, sizeof(path));
	if (file_read(AT_FDCWD, path, MAX_LOG, FILE_FOLLOW, &text, &err) < 0 || !(line = strstr(text.data, what)) || !strchr(line, '\n'))
		return false;
	log_word(line, " runner_up=", seen->runner_up, sizeof(seen->runner_up));
	log_word(line, " rtt_ms=", number, sizeof(number));
	seen->measured_ms = *number ? strtod(number, NULL) : (double)NAN;
	return true;
}

int pods_account(struct cluster *c, struct pods *pods, int i, struct lm_err *err)
{
	return cluster_wait(c, in_the_log, &pods->item[i], LOG_S, "the scheduler's line about the binding", err);
}

int pods_reason(struct cluster *c, const struct pod_ask *ask, char *text, size_t size, struct lm_err *err)
{
	auto_json cJSON *pod = NULL;
	const cJSON *condition;

	*text = '\0';
	if (get(c, ask, &pod, err) < 0)
		return -1;
	cJSON_ArrayForEach(condition, json_get(json_get(pod, "status"), "conditions")) {
		const cJSON *type = json_get(condition, "type"), *message = json_get(condition, "message");

		if (cJSON_IsString(type) && STREQ(type->valuestring, "PodScheduled") && cJSON_IsString(message))
			snprintf(text, size, "%s", message->valuestring);
	}
	return 0;
}

int pods_delete(struct cluster *c, struct pods *pods, int i, struct lm_err *err)
{
	auto_free char *path = xasprintf(PODS_PATH "/%s?gracePeriodSeconds=0", pods->item[i].ask->name);

	pods->item[i].host = -1;
	return cluster_request(c, "DELETE", path, NULL, NULL, err);
}

static double price(const struct topology *t, int a, int b)
{
	return topology_rtt_ms(t, a, b) + fmax(0, topology_loss(t, a, b) - LOSS_FREE) * LOSS_MS;
}

/* Mean over what a target stands for: one host, or the hosts of the app's other pods, each pod counting. */
static double to_target(const struct pods *pods, const struct topology *t, const struct pod_ask *ask, const struct pod_target *target,
			int host, double (*measure)(const struct topology *, int, int))
{
	int fixed = topology_find(t, target->to), found = 0;
	double sum = 0;

	if (fixed >= 0)
		return measure(t, host, fixed);
	for (int i = 0; i < pods->count; i++) {
		const struct pod_seen *p = &pods->item[i];

		if (p->host >= 0 && p->ask != ask && STREQ(p->ask->app, target->to)) {
			sum += measure(t, host, p->host);
			found++;
		}
	}
	return found ? sum / found : (double)NAN;
}

static double to_mesh(const struct topology *t, int host, double (*measure)(const struct topology *, int, int))
{
	double sum = 0;
	int others = 0;

	for (int i = 0; i < t->count; i++) {
		if (i != host && !t->host[i].client) {
			sum += measure(t, host, i);
			others++;
		}
	}
	return sum / others;
}

double pods_target_ms(const struct pods *pods, const struct topology *truth, const struct pod_ask *ask, int n, int host)
{
	if (!ask->target[n].to)
		return to_mesh(truth, host, topology_rtt_ms);
	return to_target(pods, truth, ask, &ask->target[n], host, topology_rtt_ms);
}

double pods_cost_ms(const struct pods *pods, const struct topology *truth, const struct pod_ask *ask, int host)
{
	double sum = 0, weights = 0;

	for (int i = 0; i < POD_TARGETS && ask->target[i].to; i++) {
		const struct pod_target *target = &ask->target[i];
		double weight = target->weight > 0 ? target->weight : 1;

		sum += weight * to_target(pods, truth, ask, target, host, price);
		weights += weight;
	}
	return weights > 0 ? sum / weights : to_mesh(truth, host, price);
}

static int cpu_of_others(const struct pods *pods, const struct pod_ask *ask, int host)
{
	int sum = 0;

	for (int i = 0; i < pods->count; i++)
		if (pods->item[i].host == host && pods->item[i].ask != ask)
			sum += pods->item[i].ask->cpu_milli;
	return sum;
}

/* NULL, or why the pod must not be on this host. */
static const char *refusal(const struct pods *pods, const struct topology *t, const struct pod_ask *ask, int host)
{
	if (t->host[host].client || cpu_of_others(pods, ask, host) + ask->cpu_milli > CLUSTER_NODE_CPU_MILLI)
		return "has no room for it";
	for (int i = 0; i < POD_TARGETS && ask->target[i].to; i++) {
		const struct pod_target *target = &ask->target[i];

		if (target->limit_ms > 0 && !(to_target(pods, t, ask, target, host, topology_rtt_ms) <= target->limit_ms))
			return "breaks its limit";
	}
	return NULL;
}

void pods_judge(const struct pods *pods, const struct topology *truth, int i, struct judgement *out)
{
	const struct pod_seen *p = &pods->item[i];
	const char *refused;
	double cost, best;

	*out = (struct judgement){.best = -1, .second = -1};
	for (int h = 0; h < truth->count; h++) {
		double here = pods_cost_ms(pods, truth, p->ask, h);

		if (refusal(pods, truth, p->ask, h))
			continue;
		if (out->best < 0 || here < pods_cost_ms(pods, truth, p->ask, out->best)) {
			out->second = out->best;
			out->best = h;
		} else if (out->second < 0 || here < pods_cost_ms(pods, truth, p->ask, out->second)) {
			out->second = h;
		}
	}
	if (p->host < 0) {
		out->wrong = out->best >= 0;
		snprintf(out->why, sizeof(out->why), "is on no node, though %s would do",
			 out->best >= 0 ? truth->host[out->best].name : "none");
		return;
	}
	refused = refusal(pods, truth, p->ask, p->host);
	cost = pods_cost_ms(pods, truth, p->ask, p->host);
	best = out->best >= 0 ? pods_cost_ms(pods, truth, p->ask, out->best) : (double)NAN;
	out->wrong = refused || (cost > best * TOO_MUCH && cost > best + TOO_MUCH_MS);
	if (refused)
		snprintf(out->why, sizeof(out->why), "%s %s", truth->host[p->host].name, refused);
	else if (out->wrong)
		snprintf(out->why, sizeof(out->why), "%s is at %.1f ms, %s at %.1f ms", truth->host[p->host].name, cost,
			 truth->host[out->best].name, best);
}
