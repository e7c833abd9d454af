/* Pods whose volumes are bound before them: the real latency-sched against the stand-in, with a volume controller and a provisioner made of this test. */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/json.h"
#include "lib/mem.h"
#include "tests/testing/sched.h"

#define CLAIMS "/api/v1/namespaces/default/persistentvolumeclaims"
#define VOLUMES "/api/v1/persistentvolumes"
#define CLASSES "/apis/storage.k8s.io/v1/storageclasses"
#define SELECTED "volume.kubernetes.io/selected-node"
#define COMPLETED "pv.kubernetes.io/bind-completed"
#define WAIT_MS 20000

/* --- the cluster ------------------------------------------------------------------------------------------------------- */

static void begin(struct sched *s)
{
	sched_begin_abc(s);
	standin_do(&s->api, 201, "POST", CLASSES,
		   "{\"metadata\":{\"name\":\"made\"},\"provisioner\":\"test.example\",\"volumeBindingMode\":\"WaitForFirstConsumer\"}");
	standin_do(&s->api, 201, "POST", CLASSES,
		   "{\"metadata\":{\"name\":\"local\"},\"provisioner\":\"kubernetes.io/no-provisioner\",\"volumeBindingMode\":\"WaitForFirstConsumer\"}");
}

static void make_claim(struct sched *s, const char *name, const char *class)
{
	auto_free char *body = xasprintf("{\"metadata\":{\"name\":\"%s\"},\"spec\":{\"storageClassName\":\"%s\",\"accessModes\":[\"ReadWriteOnce\"],"
					 "\"resources\":{\"requests\":{\"storage\":\"1Gi\"}}}}", name, class);

	standin_do(&s->api, 201, "POST", CLAIMS, body);
}

/* On one node, free. `more` of the spec. */
static void make_volume(struct sched *s, const char *name, const char *node, const char *more)
{
	auto_free char *body = xasprintf("{\"metadata\":{\"name\":\"%s\"},\"spec\":{\"storageClassName\":\"local\",\"accessModes\":[\"ReadWriteOnce\"],"
					 "\"capacity\":{\"storage\":\"1Gi\"},\"nodeAffinity\":{\"required\":{\"nodeSelectorTerms\":[{\"matchExpressions\":"
					 "[{\"key\":\"kubernetes.io/hostname\",\"operator\":\"In\",\"values\":[\"%s\"]}]}]}}%s}}", name, node, more);
	auto_free char *status = xasprintf(VOLUMES "/%s/status", name);

	standin_do(&s->api, 201, "POST", VOLUMES, body);
	standin_do(&s->api, 200, "PATCH", status, "{\"status\":{\"phase\":\"Available\"}}");
}

static void make_pod(struct sched *s, const char *name, const char *claim)
{
	auto_free char *spec = xasprintf(",\"volumes\":[{\"name\":\"v\",\"persistentVolumeClaim\":{\"claimName\":\"%s\"}}]", claim);

	sched_pod_of(s, "my-latency-scheduler", name, "", "", spec);
}

/* A scheduler at work, and a pod whose volume is to be made. */
static void begin_with_pod(struct sched *s)
{
	begin(s);
	sched_start(s, NULL);
	make_claim(s, "data", "made");
	make_pod(s, "web", "data");
}

static cJSON *get(struct sched *s, const char *collection, const char *name)
{
	auto_free char *path = xasprintf("%s/%s", collection, name);

	return standin_want(&s->api, 200, "GET", path, NULL);
}

static const char *annotation(const cJSON *object, const char *name)
{
	const char *value = cJSON_GetStringValue(json_get(item_at(object, "metadata.annotations"), name));

	return value ? value : "";
}

/* --- the controllers --------------------------------------------------------------------------------------------------- */

enum provisioner { IDLE, MAKES, MAKES_ELSEWHERE, GIVES_UP };

static void patch(struct sched *s, const char *collection, const char *name, const char *sub, const char *body)
{
	auto_free char *path = xasprintf("%s/%s%s", collection, name, sub);

	standin_do(&s->api, 200, "PATCH", path, body);
}

static void complete(struct sched *s, const char *claim, const char *volume)
{
	auto_free char *body = xasprintf("{\"metadata\":{\"annotations\":{\"" COMPLETED "\":\"yes\"}},\"spec\":{\"volumeName\":\"%s\"}}", volume);

	patch(s, VOLUMES, volume, "/status", "{\"status\":{\"phase\":\"Bound\"}}");
	patch(s, CLAIMS, claim, "", body);
	patch(s, CLAIMS, claim, "/status", "{\"status\":{\"phase\":\"Bound\"}}");
}

/* The volume controller's turn: a volume that names a claim is bound to it. */
static void bind_named(struct sched *s)
{
	auto_json cJSON *volumes = standin_want(&s->api, 200, "GET", VOLUMES, NULL);
	const cJSON *volume;

	cJSON_ArrayForEach(volume, item_at(volumes, "items"))
		if (*text_at(volume, "spec.claimRef.uid") && !STREQ(text_at(volume, "status.phase"), "Bound"))
			complete(s, text_at(volume, "spec.claimRef.name"), text_at(volume, "metadata.name"));
}

static void provision(struct sched *s, const cJSON *claim, enum provisioner how)
{
	auto_free char *name = xasprintf("pv-of-%s", text_at(claim, "metadata.name"));
	auto_free char *reference = xasprintf(",\"claimRef\":{\"namespace\":\"default\",\"name\":\"%s\",\"uid\":\"%s\"}", text_at(claim, "metadata.name"),
					      text_at(claim, "metadata.uid"));

	if (how == GIVES_UP)
		patch(s, CLAIMS, text_at(claim, "metadata.name"), "", "{\"metadata\":{\"annotations\":{\"" SELECTED "\":null}}}");
	else
		make_volume(s, name, how == MAKES ? annotation(claim, SELECTED) : "z", reference);
}

/* A turn of both; how many claims the provisioner saw. */
static int control(struct sched *s, enum provisioner how)
{
	auto_json cJSON *claims = standin_want(&s->api, 200, "GET", CLAIMS, NULL);
	const cJSON *claim;
	int seen = 0;

	cJSON_ArrayForEach(claim, item_at(claims, "items")) {
		if (!*annotation(claim, SELECTED) || *text_at(claim, "spec.volumeName"))
			continue;
		seen++;
		if (how != IDLE)
			provision(s, claim, how);
	}
	bind_named(s);
	return seen;
}

static void control_until_bound(struct sched *s, const char *pod, enum provisioner how)
{
	int64_t until = clock_mono_ms() + WAIT_MS;

	while (!*sched_node_now(s, pod) && clock_mono_ms() < until) {
		control(s, how);
		usleep(5000);
	}
	assert_string_not_equal(sched_node_now(s, pod), "");
}

static const char *wait_for_claim_ref(struct sched *s, const char *volume)
{
	static char name[64];
	int64_t until = clock_mono_ms() + WAIT_MS;

	do {
		auto_json cJSON *object = get(s, VOLUMES, volume);

		snprintf(name, sizeof(name), "%s", text_at(object, "spec.claimRef.name"));
		usleep(5000);
	} while (!*name && clock_mono_ms() < until);
	return name;
}

static void control_until_asked(struct sched *s)
{
	int64_t until = clock_mono_ms() + WAIT_MS;

	while (!control(s, IDLE) && clock_mono_ms() < until)
		usleep(5000);
	assert_true(control(s, IDLE) > 0);
}

/* What an event says of the attempt to bind volumes, waited for at most so long; "" when none does. Other failures are the watches' order. */
static const char *prebind_failure(struct sched *s, const char *pod, int wait_ms)
{
	static char note[1100];
	int64_t until = clock_mono_ms() + wait_ms;
	const cJSON *event;

	note[0] = '\0';
	do {
		auto_json cJSON *list = standin_want(&s->api, 200, "GET", "/apis/events.k8s.io/v1/namespaces/default/events", NULL);

		cJSON_ArrayForEach(event, item_at(list, "items"))
			if (STREQ(text_at(event, "regarding.name"), pod) && strncmp(text_at(event, "note"), "running PreBind", 15) == 0)
				snprintf(note, sizeof(note), "%s", text_at(event, "note"));
		usleep(5000);
	} while (!*note && clock_mono_ms() < until);
	return note;
}

static void expect_refusal(struct sched *s, const char *pod, const char *reason)
{
	int64_t until = clock_mono_ms() + WAIT_MS;

	while (!STREQ(sched_refusal(s, pod), reason) && clock_mono_ms() < until)
		usleep(5000);
	assert_string_equal(s->where, reason);
}

/* --- what goes well ---------------------------------------------------------------------------------------------------- */

static void a_free_volume_is_taken_and_the_pod_waits_for_it(void **state)
{
	auto_json cJSON *claim = NULL, *volume = NULL;
	struct sched s;

	(void)state;
	begin(&s);
	sched_start(&s, NULL);
	make_volume(&s, "disk", "b", "");
	make_claim(&s, "data", "local");
	make_pod(&s, "web", "data");
	assert_string_equal(wait_for_claim_ref(&s, "disk"), "data");
	claim = get(&s, CLAIMS, "data");
	volume = get(&s, VOLUMES, "disk");
	assert_string_equal(text_at(volume, "spec.claimRef.uid"), text_at(claim, "metadata.uid"));
	assert_string_equal(text_at(volume, "spec.claimRef.resourceVersion"), text_at(claim, "metadata.resourceVersion"));
	assert_string_equal(text_at(volume, "spec.claimRef.kind"), "PersistentVolumeClaim");
	assert_string_equal(text_at(volume, "spec.claimRef.namespace"), "default");
	assert_string_equal(annotation(volume, "pv.kubernetes.io/bound-by-controller"), "yes");
	usleep(300000);
	assert_string_equal(sched_node_now(&s, "web"), "");
	assert_true(sched_metric(&s, "latency_sched_volume_bindings_open") > 0.5);
	control_until_bound(&s, "web", IDLE);
	assert_string_equal(sched_node_now(&s, "web"), "b");
	assert_int_equal(sched_events(&s, "web", "Scheduled", 1), 1);
	assert_string_equal(prebind_failure(&s, "web", 0), "");
	assert_true(sched_metric(&s, "latency_sched_volume_bindings_total{outcome=\"bound\"}") > 0.5);
	sched_finish(&s);
}

static void a_volume_is_made_for_the_chosen_node(void **state)
{
	auto_json cJSON *claim = NULL;
	struct sched s;

	(void)state;
	begin_with_pod(&s);
	control_until_asked(&s);
	assert_string_equal(sched_node_now(&s, "web"), "");
	control_until_bound(&s, "web", MAKES);
	claim = get(&s, CLAIMS, "data");
	assert_string_equal(annotation(claim, SELECTED), sched_node_now(&s, "web"));
	make_pod(&s, "other", "data"); /* which is bound now: nothing is waited for */
	assert_string_equal(sched_where(&s, "other"), sched_node_now(&s, "web"));
	sched_finish(&s);
}

/* While a patch is on its way its volume is nobody else's: six pods of one turn, six volumes, not one conflict. */
static void no_two_pods_are_promised_the_same_volume(void **state)
{
	auto_free char *log = NULL;
	struct sched s;
	int i;

	(void)state;
	begin(&s);
	standin_faults(&s.api, "{\"rules\":[{\"method\":\"PATCH\",\"path\":\"" VOLUMES "/*\",\"action\":\"delay\",\"delay_ms\":300}]}");
	for (i = 0; i < 6; i++) {
		auto_free char *disk = xasprintf("disk-%d", i), *data = xasprintf("data-%d", i), *pod = xasprintf("pod-%d", i);

		make_volume(&s, disk, i % 2 ? "a" : "b", "");
		make_claim(&s, data, "local");
		make_pod(&s, pod, data);
	}
	sched_start(&s, NULL);
	for (i = 0; i < 6; i++) {
		auto_free char *pod = xasprintf("pod-%d", i);

		control_until_bound(&s, pod, IDLE);
	}
	log = standin_text(&s.api, "/standin/log");
	assert_null(strstr(log, "\"code\":409"));
	sched_finish(&s);
}

/* --- what goes wrong --------------------------------------------------------------------------------------------------- */

static void a_provisioner_that_gives_up_has_the_pod_decided_anew(void **state)
{
	struct sched s;

	(void)state;
	begin_with_pod(&s);
	control_until_asked(&s);
	control(&s, GIVES_UP);
	assert_string_equal(prebind_failure(&s, "web", WAIT_MS), "running PreBind plugin \"VolumeBinding\": binding volumes: provisioning failed for PVC \"data\"");
	expect_refusal(&s, "web", "SchedulerError");
	control_until_bound(&s, "web", MAKES); /* once more, after the back-off */
	sched_finish(&s);
}

static void a_volume_that_was_made_elsewhere_is_no_use(void **state)
{
	struct sched s;

	(void)state;
	begin_with_pod(&s);
	control_until_asked(&s);
	control(&s, MAKES_ELSEWHERE);
	assert_true(sched_log_count(&s, "\"volumes not bound\"", 1) >= 1);
	assert_non_null(strstr(prebind_failure(&s, "web", WAIT_MS), "pv \"pv-of-data\" node affinity doesn't match node"));
	assert_string_equal(sched_node_now(&s, "web"), "");
	sched_finish(&s);
}

/* Whether the lost answer's patch was done or not: the same one again, and the watch says which. */
static void a_lost_answer_to_a_patch_is_no_riddle(void **state)
{
	static const char *const faults[] = {
		"\"action\":\"drop\",\"when\":\"after\",\"count\":1", "\"action\":\"drop\",\"when\":\"before\",\"count\":2",
		"\"action\":\"status\",\"status\":503,\"when\":\"after\",\"count\":1", "\"action\":\"status\",\"status\":429,\"retryAfter\":\"1\",\"count\":1",
	};
	struct sched s;
	size_t i;

	(void)state;
	begin(&s);
	sched_start(&s, NULL);
	for (i = 0; i < ARRAY_SIZE(faults); i++) {
		auto_free char *disk = xasprintf("disk-%zu", i), *data = xasprintf("data-%zu", i), *pod = xasprintf("pod-%zu", i);
		auto_free char *rules = xasprintf("{\"rules\":[{\"method\":\"PATCH\",\"path\":\"" VOLUMES "/%s\",%s}]}", disk, faults[i]);

		make_volume(&s, disk, "a", "");
		make_claim(&s, data, "local");
		standin_faults(&s.api, rules);
		make_pod(&s, pod, data);
		control_until_bound(&s, pod, IDLE);
		assert_string_equal(prebind_failure(&s, pod, 0), "");
	}
	sched_finish(&s);
}

static void without_the_right_to_patch_the_pod_waits_and_says_so(void **state)
{
	struct sched s;

	(void)state;
	begin(&s);
	standin_faults(&s.api, "{\"rules\":[{\"method\":\"PATCH\",\"path\":\"" CLAIMS "/*\",\"action\":\"status\",\"status\":403}]}");
	sched_start(&s, NULL);
	make_claim(&s, "data", "made");
	make_pod(&s, "web", "data");
	expect_refusal(&s, "web", "SchedulerError");
	assert_int_equal(sched_log_count(&s, "\"volumes not bound\"", 1), 1);
	usleep(1500000);
	assert_true(sched_metric(&s, "latency_sched_volume_bindings_total{outcome=\"failed\"}") <= 3); /* no hot loop */
	assert_true(sched_metric(&s, "latency_sched_assumed_pods") < 0.5);
	standin_faults(&s.api, "{\"rules\":[]}");
	control_until_bound(&s, "web", MAKES);
	sched_finish(&s);
}

/* Somebody writes to the volume between the decision and our patch: a conflict, and a new decision that sees it. */
static void a_conflict_is_decided_anew(void **state)
{
	struct sched s;

	(void)state;
	begin(&s);
	sched_start(&s, NULL);
	make_volume(&s, "disk", "a", "");
	make_claim(&s, "data", "local");
	standin_faults(&s.api, "{\"rules\":[{\"method\":\"PATCH\",\"path\":\"" VOLUMES "/disk\",\"action\":\"delay\",\"delay_ms\":800,\"count\":1}]}");
	make_pod(&s, "web", "data");
	assert_int_equal(sched_log_count(&s, "\"volumes first\"", 1), 1);
	usleep(200000);
	patch(&s, VOLUMES, "disk", "", "{\"metadata\":{\"labels\":{\"touched\":\"yes\"}}}");
	assert_int_equal(sched_log_count(&s, "the object has been modified", 1), 1);
	control_until_bound(&s, "web", IDLE);
	sched_finish(&s);
}

/* --- the end ----------------------------------------------------------------------------------------------------------- */

static void a_pod_that_goes_gives_up_its_place(void **state)
{
	struct sched s;
	int64_t until = clock_mono_ms() + WAIT_MS;

	(void)state;
	begin_with_pod(&s);
	control_until_asked(&s);
	assert_true(sched_metric(&s, "latency_sched_assumed_pods") > 0.5);
	standin_do(&s.api, 200, "DELETE", "/api/v1/namespaces/default/pods/web?gracePeriodSeconds=0", NULL);
	while (sched_metric(&s, "latency_sched_volume_bindings_open") > 0.5 && clock_mono_ms() < until)
		usleep(5000);
	assert_true(sched_metric(&s, "latency_sched_volume_bindings_total{outcome=\"lost\"}") > 0.5);
	assert_true(sched_metric(&s, "latency_sched_assumed_pods") < 0.5);
	sched_finish(&s);
}

/* Who waits for a volume does not hold up the end, and the next process takes over what it began. */
static void the_next_process_goes_on(void **state)
{
	struct sched s;
	int64_t began;

	(void)state;
	begin_with_pod(&s);
	control_until_asked(&s);
	began = clock_mono_ms();
	assert_int_equal(sched_stop(&s, SIGTERM), 0);
	test_deadline("an end with a pod that waits for a volume", (double)(clock_mono_ms() - began), 1000, "ms");
	control(&s, MAKES);
	sched_start(&s, NULL);
	control_until_bound(&s, "web", IDLE);
	sched_finish(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_free_volume_is_taken_and_the_pod_waits_for_it),
		cmocka_unit_test(a_volume_is_made_for_the_chosen_node),
		cmocka_unit_test(no_two_pods_are_promised_the_same_volume),
		cmocka_unit_test(a_provisioner_that_gives_up_has_the_pod_decided_anew),
		cmocka_unit_test(a_volume_that_was_made_elsewhere_is_no_use),
		cmocka_unit_test(a_lost_answer_to_a_patch_is_no_riddle),
		cmocka_unit_test(without_the_right_to_patch_the_pod_waits_and_says_so),
		cmocka_unit_test(a_conflict_is_decided_anew),
		cmocka_unit_test(a_pod_that_goes_gives_up_its_place),
		cmocka_unit_test(the_next_process_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
