#include "tests/testing/ward.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/mem.h"

#define LEASES "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
#define STEP_US 200000
#define WAIT_MS 20000

/* --- the nodes ------------------------------------------------------------------------------------------------------- */

static double ails_s(struct ward *w, int node, int which)
{
	long long since_ms = atomic_load(&w->since_ms[node][which]);

	return since_ms ? (double)(clock_mono_ms() - since_ms) / 1e3 : 0;
}

static void renew(struct ward *w, int node)
{
	auto_free char *path = xasprintf(LEASES "/%s", w->h.s.names[node]), *body = NULL, *answer = NULL;
	char now[CLOCK_TEXT];
	struct lm_err ignored;
	int status;

	clock_format(clock_wall_ms(), now);
	body = xasprintf("{\"spec\":{\"renewTime\":\"%.23s000Z\"}}", now);
	kube_call_wait(w->api.kube, &(struct kube_request){.method = "PATCH", .path = path, .body = body, .content_type = "application/merge-patch+json",
		       .timeout_ms = 2000}, &status, &answer, &ignored);
}

static void add_list(struct ward *w, struct buf *b, const char *name, int which)
{
	int i, all = atomic_load(&w->witnesses);

	buf_printf(b, "],\"%s\":[", name);
	for (i = 0; i < w->h.s.name_count; i++)
		if (which < 0)
			buf_printf(b, "%s%d", i ? "," : "", all < 0 ? w->h.s.name_count - 1 : all);
		else
			buf_printf(b, "%s%.1f", i ? "," : "", ails_s(w, i, which) + 0.1);
}

static void publish(struct ward *w)
{
	const struct sched *s = &w->h.s;
	auto_buf struct buf b = {0};
	auto_close int dir = -1;
	char now[CLOCK_TEXT];
	struct lm_err ignored;
	int i, j;

	clock_format(clock_wall_ms(), now);
	buf_printf(&b, "{\"version\":1,\"epoch\":\"e1\",\"generation\":%lld,\"written\":\"%s\",\"period_s\":60,\"nodes\":[", (long long)++w->generation, now);
	for (i = 0; i < s->name_count; i++)
		buf_printf(&b, "%s\"%s\"", i ? "," : "", s->names[i]);
	add_list(w, &b, "age_s", 1);
	add_list(w, &b, "lost_s", 2);
	add_list(w, &b, "witnesses", -1);
	buf_str(&b, "],\"rtt_us\":[");
	for (i = 0; i < s->name_count; i++) {
		buf_str(&b, i ? ",\n[" : "\n[");
		for (j = 0; j < s->name_count; j++)
			buf_printf(&b, "%s%d", j ? "," : "", i == j ? 0 : 5000);
		buf_char(&b, ']');
	}
	buf_str(&b, "]}\n");
	dir = file_open_dir(s->folder, &ignored);
	if (dir >= 0)
		(void)file_publish(dir, "cluster-latency.json", b.data, b.len, NULL, &ignored);
}

static void *live(void *arg)
{
	struct ward *w = arg;
	int i;

	while (!atomic_load(&w->stop)) {
		for (i = 0; i < w->h.s.name_count; i++)
			if (!atomic_load(&w->since_ms[i][0]))
				renew(w, i);
		if (!atomic_load(&w->merger_away))
			publish(w);
		usleep(STEP_US);
	}
	return NULL;
}

static int index_of(const struct ward *w, const char *node)
{
	int i;

	for (i = 0; i < w->h.s.name_count && !STREQ(w->h.s.names[i], node); i++)
		;
	assert_true(i < w->h.s.name_count);
	return i;
}

void ward_ail(struct ward *w, const char *node, int how)
{
	int i, which = index_of(w, node);

	for (i = 0; i < 3; i++)
		if (!(how >> i & 1) || !atomic_load(&w->since_ms[which][i]))
			atomic_store(&w->since_ms[which][i], how >> i & 1 ? clock_mono_ms() : 0);
}

/* --- start and end --------------------------------------------------------------------------------------------------- */

void ward_rates(struct ward *w, int per_minute, int per_hour)
{
	auto_free char *text = xasprintf("reserve:\n  enabled: true\n  namespace: " SHELTER_NAMESPACE "\nhealing:\n  enabled: true\n  after: %dms\n"
					 "  perMinute: %d\n  perHour: %d\n%s", WARD_AFTER_MS, per_minute, per_hour,
					 w->stateful_sets ? "  statefulSets: true\n" : "");

	test_write(w->h.config, text);
}

void ward_begin(struct ward *w, const char *nodes)
{
	int i;

	*w = (struct ward){.generation = 1, .witnesses = -1};
	shelter_begin(&w->h, nodes);
	standin_connect(&w->api, w->h.s.api.url);
	for (i = 0; i < w->h.s.name_count; i++) {
		auto_free char *body = xasprintf("{\"metadata\":{\"name\":\"%s\"},\"spec\":{\"holderIdentity\":\"%s\",\"leaseDurationSeconds\":2}}",
						 w->h.s.names[i], w->h.s.names[i]);

		standin_do(&w->h.s.api, 201, "POST", LEASES, body);
	}
	ward_rates(w, 1000, 10000);
	assert_int_equal(pthread_create(&w->thread, NULL, live, w), 0);
}

void ward_end(struct ward *w)
{
	atomic_store(&w->stop, true);
	pthread_join(w->thread, NULL);
	standin_stop(&w->api);
	shelter_end(&w->h);
}

/* --- pods ------------------------------------------------------------------------------------------------------------ */

void ward_pod(struct ward *w, const char *name, const char *node, const char *owner, const char *labels)
{
	auto_free char *metadata = xasprintf(",\"labels\":{%s}%s", labels, owner);
	auto_free char *spec = xasprintf(",\"nodeName\":\"%s\",\"terminationGracePeriodSeconds\":1", node);
	auto_free char *status = xasprintf("/api/v1/namespaces/default/pods/%s/status", name);
	const char *mirror = STREQ(owner, WARD_STATIC) ? "\"kubernetes.io/config.mirror\":\"x\"" : "";

	sched_pod_of(&w->h.s, "other", name, mirror, metadata, spec);
	standin_do(&w->h.s.api, 200, "PATCH", status, "{\"status\":{\"phase\":\"Running\"}}");
}

static void make_again(struct ward *w, const cJSON *pod)
{
	auto_json cJSON *copy = cJSON_Duplicate(pod, true), *answer = NULL;
	cJSON *meta = cJSON_GetObjectItemCaseSensitive(copy, "metadata"), *spec = cJSON_GetObjectItemCaseSensitive(copy, "spec");
	static const char *const gone[] = {"uid", "resourceVersion", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation"};
	auto_free char *name = xasprintf("%s-again", text_at(pod, "metadata.name")), *body = NULL;
	size_t i;
	int status;

	for (i = 0; i < ARRAY_SIZE(gone); i++)
		cJSON_DeleteItemFromObjectCaseSensitive(meta, gone[i]);
	cJSON_DeleteItemFromObjectCaseSensitive(spec, "nodeName");
	cJSON_DeleteItemFromObjectCaseSensitive(copy, "status");
	cJSON_ReplaceItemInObjectCaseSensitive(meta, "name", cJSON_CreateString(name));
	body = cJSON_PrintUnformatted(copy);
	answer = standin_call(&w->h.s.api, "POST", "/api/v1/namespaces/default/pods", body, &status);
}

void ward_control(struct ward *w)
{
	auto_json cJSON *list = standin_want(&w->h.s.api, 200, "GET", "/api/v1/namespaces/default/pods", NULL);
	const cJSON *pod;

	cJSON_ArrayForEach(pod, item_at(list, "items")) {
		const cJSON *owners = item_at(pod, "metadata.ownerReferences");

		if (item_at(pod, "metadata.deletionTimestamp") && STREQ(text_at(owners ? owners->child : NULL, "kind"), "ReplicaSet") &&
		    !strstr(text_at(pod, "metadata.name"), "-again"))
			make_again(w, pod);
	}
}

bool ward_is_ending(struct ward *w, const char *pod)
{
	auto_json cJSON *object = sched_get(&w->h.s, pod);

	return item_at(object, "metadata.deletionTimestamp") != NULL;
}

/* --- what was done --------------------------------------------------------------------------------------------------- */

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);

	return len >= end_len && STREQ(text + len - end_len, end);
}

int ward_writes(struct ward *w, const char *method, const char *path_end, const char *uid)
{
	auto_free char *log = standin_text(&w->h.s.api, "/standin/log");
	char *rest = log, *line;
	int count = 0;

	while ((line = strsep(&rest, "\n")) != NULL) {
		auto_json cJSON *entry = cJSON_Parse(line);

		count += entry && cJSON_IsTrue(item_at(entry, "committed")) && STREQ(text_at(entry, "method"), method) &&
			 ends_with(text_at(entry, "path"), path_end) && (!uid || STREQ(text_at(entry, "uid"), uid));
	}
	return count;
}

int ward_evictions(struct ward *w)
{
	return ward_writes(w, "POST", "/eviction", NULL);
}

int ward_evicted(struct ward *w, int least, int moment_ms)
{
	int64_t until = clock_mono_ms() + WAIT_MS;

	while (ward_evictions(w) < least && clock_mono_ms() < until) {
		ward_control(w);
		usleep(20000);
	}
	for (until = clock_mono_ms() + moment_ms; clock_mono_ms() < until; usleep(20000))
		ward_control(w);
	return ward_evictions(w);
}

const char *ward_taint(struct ward *w, const char *node, const char *key)
{
	static char text[128];
	auto_free char *path = xasprintf("/api/v1/nodes/%s", node);
	auto_json cJSON *object = standin_want(&w->h.s.api, 200, "GET", path, NULL);
	const cJSON *taint;

	text[0] = '\0';
	cJSON_ArrayForEach(taint, item_at(object, "spec.taints"))
		if (STREQ(text_at(taint, "key"), key))
			snprintf(text, sizeof(text), "%s=%s", text_at(taint, "effect"), text_at(taint, "value"));
	return text;
}
