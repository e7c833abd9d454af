#include "tests/e2e/reserve_work.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/json.h"
#include "lib/mem.h"
#include "tests/e2e/audit.h"

#define LEASES "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
#define WAIT_MS 20000
#define ACT_MS 8000			/* long enough for a death to be known, where it can be */

static struct sched *s;
static char config[512];
static const char *const with_config[] = {"--config", config, NULL};

/* --- the latency file, which the merger would write ------------------------------------------------------------------------- */

static struct {
	pthread_t thread;
	pthread_mutex_t lock;		/* of what follows */
	bool runs, ends;
	int64_t died_ms;		/* node a; 0: it lives */
	int generation;
} merger = {.lock = PTHREAD_MUTEX_INITIALIZER};

static char *matrix_text(double lost_s, int generation)
{
	char written[CLOCK_TEXT];
	bool dead = lost_s > 0;

	clock_format(clock_wall_ms(), written);
	return xasprintf("{\"version\":1,\"epoch\":\"work\",\"generation\":%d,\"written\":\"%s\",\"period_s\":60,\"nodes\":[\"a\",\"b\",\"c\"],"
			 "\"age_s\":[%.1f,1,1],\"lost_s\":[%.1f,1,1],\"witnesses\":[2,%d,%d],\"rtt_us\":[[0,1000,1000],[1000,0,1000],[1000,1000,0]]}\n",
			 generation, written, dead ? lost_s : 1, dead ? lost_s : 1, dead ? 1 : 2, dead ? 1 : 2);
}

static void *merge(void *unused)
{
	bool ends = false;

	while (!ends) {
		auto_free char *text = NULL;

		pthread_mutex_lock(&merger.lock);
		ends = merger.ends;
		text = matrix_text(merger.died_ms ? (double)(clock_mono_ms() - merger.died_ms) / 1e3 : 0, ++merger.generation);
		pthread_mutex_unlock(&merger.lock);
		if (!ends)
			sched_publish(s, text);
		usleep(500000);
	}
	return unused;
}

static void merger_begin(void)
{
	assert_false(merger.runs);
	merger.ends = false;
	merger.died_ms = 0;
	merger.generation = 10;
	merger.runs = pthread_create(&merger.thread, NULL, merge, NULL) == 0;
	assert_true(merger.runs);
}

void reserve_work_end(void)
{
	if (!merger.runs)
		return;
	pthread_mutex_lock(&merger.lock);
	merger.ends = true;
	pthread_mutex_unlock(&merger.lock);
	pthread_join(merger.thread, NULL);
	merger.runs = false;
}

void reserve_work_in(struct sched *in)
{
	s = in;
}

/* --- the cluster ------------------------------------------------------------------------------------------------------------ */

/* As its kubelet would. One is late after half of its duration: that of a is soon. */
static void renew(const char *name, int duration_s)
{
	auto_free char *path = xasprintf(LEASES "/%s", name), *body = NULL;
	char now[CLOCK_TEXT];
	int status;

	clock_format(clock_wall_ms(), now);
	body = xasprintf("{\"metadata\":{\"name\":\"%s\"},\"spec\":{\"holderIdentity\":\"%s\",\"leaseDurationSeconds\":%d,\"renewTime\":\"%.19s.%06dZ\"}}", name, name,
			 duration_s, now, (int)(clock_mono_ms() % 1000) * 1000);
	cJSON_Delete(standin_call(&s->api, "PATCH", path, body, &status));
	if (status == 404)
		cJSON_Delete(standin_call(&s->api, "POST", LEASES, body, &status));
	assert_true(status == 200 || status == 201);
}

static void renew_others(void)
{
	static int64_t next_ms;

	if (clock_mono_ms() < next_ms)
		return;
	next_ms = clock_mono_ms() + 500;
	renew("b", 40);
	renew("c", 40);
}

static void three_nodes(const char *configuration)
{
	standin_node(&s->api, "b", "4", "8Gi", "");
	standin_node(&s->api, "c", "4", "8Gi", "");
	renew("a", 2);
	renew_others();
	snprintf(config, sizeof(config), "%s/config.yaml", s->folder);
	test_write(config, configuration);
	merger_begin();
}

/* The namespace enforces Pod Security "restricted": who keeps room has to pass it. */
static void restrict_namespace(void)
{
	int status;

	standin_do(&s->api, 200, "PATCH", "/api/v1/namespaces/" E2E_NAMESPACE, "{\"metadata\":{\"labels\":{\"pod-security.kubernetes.io/enforce\":\"restricted\"}}}");
	cJSON_Delete(standin_call(&s->api, "POST", "/api/v1/namespaces/" E2E_NAMESPACE "/pods",
				  "{\"metadata\":{\"name\":\"any\"},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}", &status));
	assert_int_equal(status, 403);
}

static void three_nodes_and_reserve(void)
{
	restrict_namespace();
	three_nodes("reserve: {enabled: true, namespace: " E2E_NAMESPACE "}\n");
}

/* A pod that runs on `node` and that a controller would make anew, on b else. */
static void make_covered(const char *name, const char *node, int cpu_milli)
{
	auto_free char *body = xasprintf(
		"{\"metadata\":{\"name\":\"%s\",\"labels\":{\"latency-mesh.io/reserve\":\"true\"},\"annotations\":{\"latency-mesh.io/within\":\"node/b<=5ms\"},"
		"\"ownerReferences\":[{\"apiVersion\":\"apps/v1\",\"kind\":\"ReplicaSet\",\"name\":\"%s\",\"uid\":\"0f1e2d3c-0000-4000-8000-00000000000%c\",\"controller\":true}]},"
		"\"spec\":{\"schedulerName\":\"my-latency-scheduler\",\"nodeName\":\"%s\",\"terminationGracePeriodSeconds\":1,\"affinity\":{\"nodeAffinity\":"
		"{\"requiredDuringSchedulingIgnoredDuringExecution\":{\"nodeSelectorTerms\":[{\"matchExpressions\":[{\"key\":\"kubernetes.io/hostname\","
		"\"operator\":\"In\",\"values\":[\"%s\",\"b\"]}]}]}}},\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"resources\":{\"requests\":{\"cpu\":\"%dm\"}}}]}}",
		name, name, node[0], node, node, cpu_milli);

	standin_do(&s->api, 201, "POST", "/api/v1/namespaces/default/pods", body);
}

/* --- room ------------------------------------------------------------------------------------------------------------------- */

/* How many pods keep room on b; of those, with `name` in their annotation. */
static int keepers(const char *name)
{
	auto_json cJSON *list = standin_want(&s->api, 200, "GET", "/api/v1/namespaces/" E2E_NAMESPACE "/pods", NULL);
	const cJSON *pod;
	int count = 0;

	cJSON_ArrayForEach(pod, item_at(list, "items")) {
		const cJSON *covers = cJSON_GetObjectItemCaseSensitive(item_at(pod, "metadata.annotations"), "latency-mesh.io/covers");

		if (STREQ(text_at(pod, "spec.nodeName"), "b") && (!name || (covers && strstr(covers->valuestring, name))))
			count++;
	}
	return count;
}

static bool room_is_kept(void *unused)
{
	(void)unused;
	return keepers(NULL) > 0;
}

static void make_first(void)
{
	make_covered("first", "a", 200);
}

static void give_up(void)
{
	make_first();
	assert_true(test_wait(room_is_kept, NULL, WAIT_MS));
	standin_do(&s->api, 200, "DELETE", "/api/v1/namespaces/default/pods/first?gracePeriodSeconds=0", NULL);
}

static bool nothing_is_kept(void *unused)
{
	(void)unused;
	return keepers(NULL) == 0;
}

/* It is smaller, on another node: one at a time fails, so the room is enough for both. */
static void make_second(void)
{
	make_first();
	assert_true(test_wait(room_is_kept, NULL, WAIT_MS));
	make_covered("second", "c", 100);
}

static bool it_is_for_both(void *unused)
{
	(void)unused;
	return keepers("default/second") > 0;
}

const struct work work_keep = {"room is kept", .rules = RESERVE_RULES, .options = with_config, .before = three_nodes_and_reserve, .act = make_first,
			       .done = room_is_kept};
const struct work work_give_up = {"room is given up", .rules = RESERVE_RULES, .options = with_config, .before = three_nodes_and_reserve, .act = give_up,
				  .done = nothing_is_kept};
const struct work work_share = {"room is for one more", .rules = RESERVE_RULES, .options = with_config, .before = three_nodes_and_reserve,
				.act = make_second, .done = it_is_for_both};

static void three_nodes_and_owner(void)
{
	int status;

	three_nodes("reserve: {enabled: true, namespace: " E2E_NAMESPACE ", owner: ConfigMap/latency-sched}\n");
	cJSON_Delete(standin_call(&s->api, "POST", "/api/v1/namespaces/" E2E_NAMESPACE "/configmaps", "{\"metadata\":{\"name\":\"latency-sched\"}}", &status));
	assert_true(status == 201 || status == 409);
}

static bool it_is_owned(void *unused)
{
	auto_json cJSON *map = standin_want(&s->api, 200, "GET", "/api/v1/namespaces/" E2E_NAMESPACE "/configmaps/latency-sched", NULL);
	auto_json cJSON *list = standin_want(&s->api, 200, "GET", "/api/v1/namespaces/" E2E_NAMESPACE "/pods", NULL);
	const cJSON *pod, *owners;
	int owned = 0;

	(void)unused;
	cJSON_ArrayForEach(pod, item_at(list, "items")) {
		owners = item_at(pod, "metadata.ownerReferences");
		owned += owners && STREQ(text_at(owners->child, "uid"), text_at(map, "metadata.uid"));
	}
	return owned > 0;
}

const struct work work_own = {"what keeps room has an owner", .rules = RESERVE_RULES, .options = with_config, .before = three_nodes_and_owner, .act = make_first,
			      .done = it_is_owned};

/* --- healing ---------------------------------------------------------------------------------------------------------------- */

static void three_nodes_and_healing(void)
{
	three_nodes("healing: {enabled: true, after: 3s}\n");
	make_covered("lone", "a", 100);
}

#define RECORDS "/api/v1/namespaces/" E2E_NAMESPACE "/configmaps"

/* The record is there, of a leader before this one. */
static void three_nodes_and_a_record(void)
{
	three_nodes_and_healing();
	standin_do(&s->api, 201, "POST", RECORDS, "{\"metadata\":{\"name\":\"my-latency-scheduler-evictions\"},"
		   "\"data\":{\"evictions\":\"2026-01-01T00:00:00Z 1\\n\"}}");
}

static bool is_known(void *unused)
{
	(void)unused;
	renew_others();
	return sched_log_count(s, "\"msg\":\"node is dead\"", 0) > 0;
}

static bool never(void *unused)
{
	(void)unused;
	renew_others();
	return false;
}

/*
 * Nothing renews its Lease, nobody hears it, and Kubernetes too has seen that. Where the Leases cannot be read the death is never known; else what follows from
 * it has been tried when this ends.
 */
static void die(void)
{
	pthread_mutex_lock(&merger.lock);
	merger.died_ms = clock_mono_ms();
	pthread_mutex_unlock(&merger.lock);
	standin_do(&s->api, 200, "PATCH", "/api/v1/nodes/a", "{\"spec\":{\"taints\":[{\"key\":\"node.kubernetes.io/unreachable\",\"effect\":\"NoExecute\"}]}}");
	if (test_wait(is_known, NULL, ACT_MS))
		test_wait(never, NULL, 3000);
}

static bool lone_is_ending(void *unused)
{
	int status;
	auto_json cJSON *pod = standin_call(&s->api, "GET", "/api/v1/namespaces/default/pods/lone", NULL, &status);

	(void)unused;
	return status == 404 || item_at(pod, "metadata.deletionTimestamp");
}

static bool lone_is_gone(void *unused)
{
	int status;

	(void)unused;
	cJSON_Delete(standin_call(&s->api, "GET", "/api/v1/namespaces/default/pods/lone", NULL, &status));
	return status == 404;
}

static bool is_out_of_service(void *unused)
{
	auto_json cJSON *node = standin_want(&s->api, 200, "GET", "/api/v1/nodes/a", NULL);
	const cJSON *taint;

	(void)unused;
	cJSON_ArrayForEach(taint, item_at(node, "spec.taints"))
		if (STREQ(text_at(taint, "key"), "node.kubernetes.io/out-of-service"))
			return true;
	return false;
}

const struct work work_evict = {"a dead node's pod is evicted", .rules = HEALING_RULES, .options = with_config, .before = three_nodes_and_healing, .act = die,
				.done = lone_is_ending};
const struct work work_evict_after_another = {"and by the next leader, too", .rules = HEALING_RULES, .options = with_config,
					      .before = three_nodes_and_a_record, .act = die, .done = lone_is_ending};
const struct work work_delete = {"and deleted, for nobody ends it", .rules = HEALING_RULES, .options = with_config, .before = three_nodes_and_healing,
				 .act = die, .done = lone_is_gone};
const struct work work_detach = {"and the node is out of service", .rules = HEALING_RULES, .options = with_config, .before = three_nodes_and_healing,
				 .act = die, .done = is_out_of_service};
