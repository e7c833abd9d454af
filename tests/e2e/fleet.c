#include "tests/e2e/fleet.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/json.h"
#include "lib/mem.h"
#include "tests/testing/fit.h"

#define NODE_CPU 4.0
#define NODE_PODS 40
#define TENANT_CPU 0.25
#define OURS "my-latency-scheduler"
#define LEASES "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
#define TURN_US 50000
#define RENEW_MS 500

/* --- begin and end --- */

static void make_namespace(struct fleet *f, const char *name)
{
	auto_free char *body = xasprintf("{\"metadata\":{\"name\":\"%s\"}}", name);
	int status;

	cJSON_Delete(standin_call(&f->s->api, "POST", "/api/v1/namespaces", body, &status));
	assert_true(status == 201 || status == 409);
}

static void make_node(struct fleet *f, int i)
{
	auto_free char *body = xasprintf("{\"metadata\":{\"name\":\"edge-%d\",\"labels\":{\"kubernetes.io/hostname\":\"edge-%d\"}},\"status\":{"
					 "\"allocatable\":{\"cpu\":\"4\",\"memory\":\"8Gi\",\"pods\":\"%d\"},"
					 "\"capacity\":{\"cpu\":\"4\",\"memory\":\"8Gi\",\"pods\":\"%d\"}}}", i, i, NODE_PODS, NODE_PODS);
	auto_free char *lease = xasprintf("{\"metadata\":{\"name\":\"edge-%d\"},\"spec\":{\"holderIdentity\":\"edge-%d\",\"leaseDurationSeconds\":4}}", i, i);
	int status;

	standin_do(&f->s->api, 201, "POST", "/api/v1/nodes", body);
	cJSON_Delete(standin_call(&f->s->api, "POST", LEASES, lease, &status));
	assert_true(status == 201 || status == 409);
	f->alive[i] = true;
}

void fleet_begin(struct fleet *f, struct sched *s, uint64_t seed)
{
	int i;

	*f = (struct fleet){.s = s, .rng = rng_make(seed), .generation = 1};
	make_namespace(f, "kube-node-lease");
	make_namespace(f, E2E_NAMESPACE);
	e2e_apply(s, "helm/rbac/reserve.yaml");
	e2e_apply(s, "helm/rbac/healing.yaml");
	for (i = 0; i < FLEET_NODES; i++)
		make_node(f, i);
	for (i = 0; i < FLEET_OWNERS; i++) {
		struct owner *o = &f->owners[i];

		*o = (struct owner){.replicas = 1 + (int)rng_below(&f->rng, 2), .cpu_milli = 200 + 50 * (int)rng_below(&f->rng, 6),
				    .memory_mib = 128 + (int)rng_below(&f->rng, 512), .from = (int)rng_below(&f->rng, FLEET_NODES), .reach = 2 + (int)rng_below(&f->rng, 2)};
		snprintf(o->uid, sizeof(o->uid), "0f1e2d3c-0000-4000-8000-%012x", (unsigned)(rng_next(&f->rng) & 0xffffffffu));
	}
	fleet_turn(f);
}

void fleet_end(struct fleet *f)
{
	cJSON_Delete(f->pods);
	f->pods = NULL;
}

const char *const *fleet_options(struct fleet *f)
{
	static char path[512];
	static const char *options[] = {"--config", path, NULL};

	snprintf(path, sizeof(path), "%s/config.yaml", f->s->folder);
	test_write(path, "reserve: {enabled: true, namespace: " E2E_NAMESPACE "}\n"
			 "healing: {enabled: true, after: 3s, perMinute: 600, perHour: 6000}\n");
	return options;
}

/* --- what the nodes and the merger do --- */

static void renew(struct fleet *f, int64_t now_ms)
{
	char text[CLOCK_TEXT];
	int i;

	if (now_ms - f->renewed_ms < RENEW_MS)
		return;
	f->renewed_ms = now_ms;
	clock_format(clock_wall_ms(), text);
	for (i = 0; i < FLEET_NODES; i++) {
		auto_free char *path = xasprintf(LEASES "/edge-%d", i);
		auto_free char *body = xasprintf("{\"spec\":{\"renewTime\":\"%.19s.%06dZ\"}}", text, (int)(now_ms % 1000) * 1000);

		if (f->alive[i])
			standin_do(&f->s->api, 200, "PATCH", path, body);
	}
}

/* What stands in a row of numbers of the file: by node, unknown as null. */
static void put_numbers(struct buf *out, const char *member, const double *numbers)
{
	int i;

	buf_printf(out, ",\"%s\":[", member);
	for (i = 0; i < FLEET_NODES; i++)
		buf_printf(out, isnan(numbers[i]) ? "%snull" : "%s%.1f", i ? "," : "", numbers[i]);
	buf_char(out, ']');
}

static void publish(struct fleet *f, int64_t now_ms)
{
	double age[FLEET_NODES], lost[FLEET_NODES], witnesses[FLEET_NODES];
	auto_buf struct buf out = {0};
	char written[CLOCK_TEXT];
	int i, k, living = 0;

	if (now_ms - f->published_ms < RENEW_MS)
		return;
	f->published_ms = now_ms;
	clock_format(clock_wall_ms(), written);
	buf_printf(&out, "{\"version\":1,\"epoch\":\"fleet\",\"generation\":%lld,\"written\":\"%s\",\"period_s\":60,\"nodes\":[",
		   (long long)f->generation++, written);
	for (i = 0; i < FLEET_NODES; i++)
		living += f->alive[i];
	for (i = 0; i < FLEET_NODES; i++) {
		buf_printf(&out, "%s\"edge-%d\"", i ? "," : "", i);
		age[i] = lost[i] = f->alive[i] ? 1 : (double)(now_ms - f->died_ms[i]) / 1e3;
		witnesses[i] = living - f->alive[i];
	}
	buf_char(&out, ']');
	put_numbers(&out, "age_s", age);
	put_numbers(&out, "lost_s", lost);
	buf_str(&out, ",\"witnesses\":[");
	for (i = 0; i < FLEET_NODES; i++)
		buf_printf(&out, "%s%d", i ? "," : "", (int)witnesses[i]);
	buf_str(&out, "],\"rtt_us\":[");
	for (i = 0; i < FLEET_NODES; i++)
		for (k = 0; k < FLEET_NODES; k++)
			buf_printf(&out, "%s%d%s", k ? "," : i ? ",[" : "[", 1000 * abs(i - k), k == FLEET_NODES - 1 ? "]" : "");
	buf_str(&out, "]}\n");
	sched_publish(f->s, out.data);
}

#define UNREACHABLE "{\"key\":\"node.kubernetes.io/unreachable\",\"effect\":\"NoSchedule\"},{\"key\":\"node.kubernetes.io/unreachable\",\"effect\":\"NoExecute\"}"

/* The node controller's part: of others' taints nothing is lost. */
static void set_taints(struct fleet *f, int i, bool unreachable)
{
	auto_free char *path = xasprintf("/api/v1/nodes/edge-%d", i);
	int tries, status = 409;

	for (tries = 0; tries < 20 && status == 409; tries++) {
		auto_json cJSON *node = standin_want(&f->s->api, 200, "GET", path, NULL);
		auto_buf struct buf taints = {0};
		const cJSON *taint;
		char *body;

		cJSON_ArrayForEach(taint, item_at(node, "spec.taints")) {
			auto_free char *text = cJSON_PrintUnformatted(taint);

			if (!STREQ(text_at(taint, "key"), "node.kubernetes.io/unreachable"))
				buf_printf(&taints, "%s%s", taints.len ? "," : "", text);
		}
		if (unreachable)
			buf_printf(&taints, "%s" UNREACHABLE, taints.len ? "," : "");
		body = xasprintf("{\"metadata\":{\"resourceVersion\":\"%s\"},\"spec\":{\"taints\":[%s]}}", text_at(node, "metadata.resourceVersion"),
				 taints.len ? taints.data : "");
		cJSON_Delete(standin_call_as(&f->s->api, "PATCH", path, "application/merge-patch+json", body, &status));
		free(body);
	}
	assert_int_equal(status, 200);
}

static void taint_the_dead(struct fleet *f, int64_t now_ms)
{
	int i;

	for (i = 0; i < FLEET_NODES; i++)
		if (!f->alive[i] && !f->tainted[i] && now_ms - f->died_ms[i] > 1000) {
			set_taints(f, i, true);
			f->tainted[i] = true;
		}
}

void fleet_kill(struct fleet *f, int node)
{
	f->alive[node] = false;
	f->died_ms[node] = clock_mono_ms();
}

void fleet_revive(struct fleet *f, int node)
{
	f->alive[node] = true;
	set_taints(f, node, false);
	f->tainted[node] = false;
}

/* --- pods --- */

static int owner_of(const struct fleet *f, const cJSON *pod)
{
	const cJSON *owner = cJSON_GetArrayItem(item_at(pod, "metadata.ownerReferences"), 0);
	int i;

	for (i = 0; owner && i < FLEET_OWNERS; i++)
		if (STREQ(text_at(owner, "uid"), f->owners[i].uid))
			return i;
	return -1;
}

static bool is_over(const cJSON *pod)
{
	const char *phase = text_at(pod, "status.phase");

	return STREQ(phase, "Failed") || STREQ(phase, "Succeeded");
}

static bool is_ending(const cJSON *pod)
{
	return is_over(pod) || item_at(pod, "metadata.deletionTimestamp");
}

/* -1: on none of ours. */
static int node_of(const cJSON *pod)
{
	const char *name = text_at(pod, "spec.nodeName");

	return strncmp(name, "edge-", 5) ? -1 : atoi(name + 5);
}

static void make_pod(struct fleet *f, int i)
{
	struct owner *o = &f->owners[i];
	auto_free char *body = xasprintf(
		"{\"metadata\":{\"name\":\"fleet-%d-%d\",\"labels\":{\"app\":\"fleet-%d\",\"latency-mesh.io/reserve\":\"true\",\"delay_edge-%d\":\"%d\"},"
		"\"ownerReferences\":[{\"apiVersion\":\"apps/v1\",\"kind\":\"ReplicaSet\",\"name\":\"fleet-%d\",\"uid\":\"%s\",\"controller\":true}]},"
		"\"spec\":{\"schedulerName\":\"" OURS "\",\"terminationGracePeriodSeconds\":1,\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"resources\":"
		"{\"requests\":{\"cpu\":\"%dm\",\"memory\":\"%dMi\"}}}]}}", i, o->made++, i, o->from, o->reach, i, o->uid, o->cpu_milli, o->memory_mib);

	standin_do(&f->s->api, 201, "POST", "/api/v1/namespaces/default/pods", body);
}

/* The kubelets' part: where a node lives, what is to end does. */
static void end_pods(struct fleet *f)
{
	const cJSON *pod;

	cJSON_ArrayForEach(pod, item_at(f->pods, "items")) {
		auto_free char *path = xasprintf("/api/v1/namespaces/%s/pods/%s", text_at(pod, "metadata.namespace"), text_at(pod, "metadata.name"));
		auto_free char *body = xasprintf("{\"gracePeriodSeconds\":0,\"preconditions\":{\"uid\":\"%s\"}}", text_at(pod, "metadata.uid"));
		int status;

		if (item_at(pod, "metadata.deletionTimestamp") && node_of(pod) >= 0 && f->alive[node_of(pod)])
			cJSON_Delete(standin_call(&f->s->api, "DELETE", path, body, &status));
	}
}

static void make_missing(struct fleet *f)
{
	int have[FLEET_OWNERS] = {0}, i;
	const cJSON *pod;

	cJSON_ArrayForEach(pod, item_at(f->pods, "items"))
		if ((i = owner_of(f, pod)) >= 0 && !is_ending(pod))
			have[i]++;
	for (i = 0; i < FLEET_OWNERS; i++) {
		if (have[i] > f->owners[i].replicas)
			fail_msg("fleet-%d has %d pods of %d", i, have[i], f->owners[i].replicas);
		for (; have[i] < f->owners[i].replicas; have[i]++)
			make_pod(f, i);
	}
}

/* Nothing is where it may not be; whether all fit is looked at over time: two schedulers that bind at once may be seen for a moment. */
static void judge(struct fleet *f, int64_t now_ms)
{
	double cpu[FLEET_NODES] = {0};
	int count[FLEET_NODES] = {0}, i, n;
	bool crowded = false;
	const cJSON *pod;

	cJSON_ArrayForEach(pod, item_at(f->pods, "items")) {
		if ((n = node_of(pod)) < 0 || is_over(pod))
			continue;
		cpu[n] += fit_request(pod, "cpu");
		count[n]++;
		i = owner_of(f, pod);
		if (i >= 0 && abs(n - f->owners[i].from) > f->owners[i].reach)
			fail_msg("%s is on edge-%d, farther than %d ms from edge-%d", text_at(pod, "metadata.name"), n, f->owners[i].reach, f->owners[i].from);
	}
	for (n = 0; n < FLEET_NODES; n++)
		if (cpu[n] > NODE_CPU + 1e-9 || count[n] > NODE_PODS) {
			crowded = true;
			snprintf(f->crowded, sizeof(f->crowded), "edge-%d: %.3f cpu of %.0f, %d pods of %d", n, cpu[n], NODE_CPU, count[n], NODE_PODS);
		}
	if (!crowded)
		f->crowded_since_ms = 0;
	else if (!f->crowded_since_ms)
		f->crowded_since_ms = now_ms;
	if (crowded && now_ms - f->crowded_since_ms > f->crowded_most_ms)
		f->crowded_most_ms = now_ms - f->crowded_since_ms;
}

void fleet_turn(struct fleet *f)
{
	int64_t now_ms = clock_mono_ms();

	renew(f, now_ms);
	publish(f, now_ms);
	taint_the_dead(f, now_ms);
	cJSON_Delete(f->pods);
	f->pods = standin_want(&f->s->api, 200, "GET", "/api/v1/pods", NULL);
	judge(f, now_ms);
	end_pods(f);
	make_missing(f);
}

/* The last of what the scheduler said, for who looks at a failure. */
static void say_log_end(struct fleet *f)
{
	auto_free char *log = test_read(f->s->log);
	const char *at = log ? log + strlen(log) : NULL;
	int lines = 0;

	while (at && at > log && lines < 40)
		lines += *--at == '\n';
	printf("%s\n", at ? at : "");
}

static void say_pods(const struct fleet *f)
{
	const cJSON *pod;

	cJSON_ArrayForEach(pod, item_at(f->pods, "items"))
		printf("# %s/%s on \"%s\", %.3f cpu%s%s\n", text_at(pod, "metadata.namespace"), text_at(pod, "metadata.name"), text_at(pod, "spec.nodeName"),
		       fit_request(pod, "cpu"), item_at(pod, "metadata.deletionTimestamp") ? ", ending" : "", is_over(pod) ? ", ended" : "");
}

int64_t fleet_until(struct fleet *f, fleet_is *is, const char *what, int limit_s)
{
	int64_t from_ms = clock_mono_ms();

	for (;;) {
		fleet_turn(f);
		if (is(f))
			return clock_mono_ms() - from_ms;
		if (clock_mono_ms() - from_ms > limit_s * 1000) {
			int status;
			auto_free char *reserve = sched_fetch(f->s, "/reserve", &status);

			say_log_end(f);
			say_pods(f);
			printf("%s\n", reserve ? reserve : "");
			fail_msg("not within %d s: %s", limit_s, what);
		}
		usleep(TURN_US);
	}
}

void fleet_for(struct fleet *f, int64_t ms)
{
	int64_t end_ms = clock_mono_ms() + ms;

	while (clock_mono_ms() < end_ms) {
		fleet_turn(f);
		usleep(TURN_US);
	}
}

/* --- how it stands --- */

bool fleet_is_placed(struct fleet *f)
{
	int have[FLEET_OWNERS] = {0}, i, n;
	const cJSON *pod;

	cJSON_ArrayForEach(pod, item_at(f->pods, "items")) {
		n = node_of(pod);
		if ((i = owner_of(f, pod)) >= 0 && !is_ending(pod) && n >= 0 && f->alive[n])
			have[i]++;
	}
	for (i = 0; i < FLEET_OWNERS; i++)
		if (have[i] != f->owners[i].replicas)
			return false;
	return true;
}

int fleet_on(struct fleet *f, int node)
{
	const cJSON *pod;
	int count = 0;

	cJSON_ArrayForEach(pod, item_at(f->pods, "items"))
		count += owner_of(f, pod) >= 0 && !is_ending(pod) && node_of(pod) == node;
	return count;
}

int fleet_busiest(struct fleet *f)
{
	int best = -1, most = -1, n;

	for (n = 0; n < FLEET_NODES; n++)
		if (f->alive[n] && fleet_on(f, n) > most) {
			most = fleet_on(f, n);
			best = n;
		}
	return best;
}

static cJSON *reserve_now(struct fleet *f)
{
	int status;
	auto_free char *text = sched_fetch(f->s, "/reserve", &status);

	return text && status == 200 ? cJSON_Parse(text) : NULL;
}

int fleet_covered_on(struct fleet *f, int node)
{
	auto_json cJSON *reserve = reserve_now(f);
	const cJSON *item;
	char name[16];
	int count = 0;

	snprintf(name, sizeof(name), "edge-%d", node);
	cJSON_ArrayForEach(item, item_at(reserve, "covered"))
		count += STREQ(text_at(item, "node"), name);
	return count;
}

bool fleet_is_covered(struct fleet *f)
{
	auto_json cJSON *reserve = reserve_now(f);
	const cJSON *node;
	int wanted = 0, i;

	for (i = 0; i < FLEET_OWNERS; i++)
		wanted += f->owners[i].replicas;
	cJSON_ArrayForEach(node, item_at(reserve, "nodes"))
		if (!STREQ(text_at(node, "state"), "steady"))
			return false;
	return reserve && fleet_is_placed(f) && cJSON_GetArraySize(item_at(reserve, "covered")) == wanted &&
	       cJSON_GetArraySize(item_at(reserve, "uncovered")) == 0;
}

/* --- tenants --- */

static bool is_tenant(const cJSON *pod)
{
	return strncmp(text_at(pod, "metadata.name"), "tenant-", 7) == 0;
}

static void make_tenant(void *arg, int i, char **path, char **body)
{
	struct fleet *f = arg;

	*path = xstrdup("/api/v1/namespaces/default/pods");
	*body = xasprintf("{\"metadata\":{\"name\":\"tenant-%d\"},\"spec\":{\"terminationGracePeriodSeconds\":0,\"tolerations\":[{\"key\":\"node.kubernetes.io/unreachable\","
			  "\"operator\":\"Exists\",\"effect\":\"NoExecute\"}],\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"resources\":{\"requests\":{\"cpu\":\"250m\","
			  "\"memory\":\"16Mi\"}}}]}}", f->tenants + i);
}

void fleet_tenants(struct fleet *f, int count)
{
	e2e_all(f->s, "POST", count, make_tenant, f);
	f->tenants += count;
}

int fleet_tenants_waiting(struct fleet *f)
{
	const cJSON *pod;
	int count = 0;

	cJSON_ArrayForEach(pod, item_at(f->pods, "items"))
		count += is_tenant(pod) && !is_ending(pod) && node_of(pod) < 0;
	return count;
}

void fleet_thin_tenants(struct fleet *f, int percent)
{
	const cJSON *pod;

	fleet_turn(f);
	cJSON_ArrayForEach(pod, item_at(f->pods, "items")) {
		auto_free char *path = xasprintf("/api/v1/namespaces/default/pods/%s?gracePeriodSeconds=0", text_at(pod, "metadata.name"));
		int status;

		if (is_tenant(pod) && (node_of(pod) < 0 || rng_chance(&f->rng, percent / 100.0)))
			cJSON_Delete(standin_call(&f->s->api, "DELETE", path, NULL, &status));
	}
	fleet_turn(f);
}

bool fleet_is_full(struct fleet *f)
{
	double cpu[FLEET_NODES] = {0};
	const cJSON *pod;
	int n;

	if (!fleet_tenants_waiting(f))
		return false;
	cJSON_ArrayForEach(pod, item_at(f->pods, "items"))
		if ((n = node_of(pod)) >= 0 && !is_over(pod))
			cpu[n] += fit_request(pod, "cpu");
	for (n = 0; n < FLEET_NODES; n++)
		if (f->alive[n] && cpu[n] + TENANT_CPU <= NODE_CPU)
			return false;
	return true;
}
