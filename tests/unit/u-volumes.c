/* Volumes before the pod: what each answer and each change of the cluster leads to. Times are shorter than in the program. */
#include <pthread.h>

#include "sched/volumes.h"
#undef VOLUMES_TIMEOUT_MS
#define VOLUMES_TIMEOUT_MS 1500
#undef VOLUMES_SEEN_MS
#define VOLUMES_SEEN_MS 400
#include "sched/volumes.c"

#include "tests/testing/scripted.h"
#include "tests/unit/storage_world.h"

#define PATIENCE_MS 10000

/* What one PATCH does: a status; "drop": no answer. The last one stays. */
struct server {
	pthread_mutex_t lock;
	const char *script[4];
	int patches;
	char target[4096], body[65536];
};

struct rig {
	struct world w;
	struct scripted *scripted;
	struct server server;
	struct kube *kube;
	struct limit limit;
	struct volumes *volumes;
	bool may_bind, may_send;
	int ended;
	enum volumes_end end;
	char reason[512];
	bool answered;
	unsigned wake;
};

static void answer(struct scripted_request *r)
{
	struct server *s = r->arg;
	const char *what;
	int i;

	pthread_mutex_lock(&s->lock);
	for (i = s->patches++; i > 0 && !(i < 4 && s->script[i]); i--)
		;
	what = s->script[i];
	snprintf(s->target, sizeof(s->target), "%s", r->target);
	snprintf(s->body, sizeof(s->body), "%.65000s", r->body);
	pthread_mutex_unlock(&s->lock);
	if (STREQ(what, "drop"))
		r->close = true;
	else
		scripted_reply(r, atoi(what), NULL, "{\"kind\":\"Status\",\"message\":\"as told\"}");
}

static bool may_bind(void *arg)
{
	return ((struct rig *)arg)->may_bind;
}

static bool may_send(void *arg)
{
	return ((struct rig *)arg)->may_send;
}

static void on_end(void *arg, const struct volumes_pod *pod, enum volumes_end how)
{
	struct rig *r = arg;

	r->ended++;
	r->end = how;
	r->answered = pod->answered;
	r->wake = pod->wake;
	snprintf(r->reason, sizeof(r->reason), "%s", pod->reason);
}

/* --- the cluster --- */

enum { LOCAL, MADE };

/* `annotations` with commas between them. */
static void put_data(struct rig *r, const char *uid, const char *version, const char *class, const char *annotations, const char *volume)
{
	put(&r->w, "{'kind':'PersistentVolumeClaim','metadata':{'name':'data','namespace':'default','uid':'%s','resourceVersion':'%s','annotations':{%s}},"
		   "'spec':{'storageClassName':'%s','accessModes':['ReadWriteOnce'],'resources':{'requests':{'storage':'1Gi'}},'volumeName':'%s'}}",
	    uid, version, annotations, class, volume);
}

/* Of zone za, which node "a" is in. */
static void put_disk(struct rig *r, const char *version, const char *zone, const char *reference)
{
	put(&r->w, "{'kind':'PersistentVolume','metadata':{'name':'disk','uid':'uid-disk','resourceVersion':'%s'},'spec':{%s'storageClassName':'local',"
		   "'accessModes':['ReadWriteOnce'],'capacity':{'storage':'1Gi'},'nodeAffinity':{'required':{'nodeSelectorTerms':[{'matchExpressions':"
		   "[{'key':'zone','operator':'In','values':['%s']}]}]}}},'status':{'phase':'Available'}}", version, reference, zone);
}

#define OURS "'claimRef':{'namespace':'default','name':'data','uid':'uid-data'},"
#define ANOTHERS "'claimRef':{'namespace':'default','name':'other','uid':'uid-other'},"
#define SELECTED "'volume.kubernetes.io/selected-node':'a'"
#define COMPLETED "'pv.kubernetes.io/bind-completed':'yes'"

static void begin(struct rig *r, const char *first)
{
	struct kube_config config = {0};
	struct volumes_hooks hooks = {may_bind, on_end, r};
	struct lm_err err;

	*r = (struct rig){.w = storage_world(), .server.script[0] = first, .may_bind = true, .may_send = true};
	pthread_mutex_init(&r->server.lock, NULL);
	r->scripted = scripted_start(answer, &r->server);
	config.server = xstrdup(scripted_url(r->scripted));
	r->kube = kube_new(&config, "test", &err);
	kube_config_free(&config);
	limit_set(&r->limit, 1e6, 1e6, clock_mono_ms());
	r->volumes = volumes_new(r->kube, r->w.cache, &r->limit, &hooks);
	volumes_set_guard(r->volumes, may_send, r);
	put_class(&r->w, "local", "kubernetes.io/no-provisioner", "," WAITS);
	put_class(&r->w, "made", "driver", "," WAITS);
}

static void finish(struct rig *r)
{
	volumes_free(r->volumes);
	kube_free(r->kube);
	scripted_stop(r->scripted);
	world_free(&r->w);
	pthread_mutex_destroy(&r->server.lock);
}

/* A pod on node "a", by the plan that the filter makes. */
static void start(struct rig *r)
{
	struct bind_facts facts = {.runner_up = xstrdup("b"), .note = xstrdup("note")};
	struct volume_plan plan;
	const struct pod *pod;

	cache_put_pod(r->w.cache, pod_with_claims("web", "data"));
	pod = cache_find_pod(r->w.cache, "uid-web")->pod;
	assert_true(volume_plan_of(cache_view(r->w.cache), pod, (uint32_t)cache_find_node(r->w.cache, "a"), &plan));
	assert_int_equal(plan.match_count + plan.provision_count, 1);
	assert_true(cache_assume(r->w.cache, "uid-web", (uint32_t)cache_find_node(r->w.cache, "a")));
	volumes_start(r->volumes, pod, "a", &plan, &facts, clock_mono_ms());
	volume_plan_free(&plan);
}

static void start_with(struct rig *r, int how, const char *first)
{
	begin(r, first);
	put_data(r, "uid-data", "10", how == LOCAL ? "local" : "made", "", "");
	if (how == LOCAL)
		put_disk(r, "20", "za", "");
	start(r);
	assert_int_equal(cache_view(r->w.cache)->promise_count, 1);
}

static void turn(struct rig *r)
{
	kube_run(r->kube, volumes_tick(r->volumes, clock_mono_ms(), 20), NULL, 0);
}

static void turns(struct rig *r, int ms)
{
	int64_t until = clock_mono_ms() + ms;

	while (!r->ended && clock_mono_ms() < until)
		turn(r);
}

static void until_patched(struct rig *r, int patches)
{
	int64_t until = clock_mono_ms() + PATIENCE_MS;
	bool enough = false;

	while (!enough && clock_mono_ms() < until) {
		turn(r);
		pthread_mutex_lock(&r->server.lock);
		enough = r->server.patches >= patches;
		pthread_mutex_unlock(&r->server.lock);
	}
	while (r->volumes->flight && clock_mono_ms() < until)
		turn(r);
}

static void expect(struct rig *r, enum volumes_end how, const char *reason)
{
	volumes_look(r->volumes);
	turns(r, PATIENCE_MS);
	assert_int_equal(r->ended, 1);
	if (r->end != how || (reason && !STREQ(r->reason, reason)))
		fail_msg("%s: %s", volumes_end_names[r->end], r->reason);
	assert_int_equal(volumes_open(r->volumes), 0);
	finish(r);
}

/* --- what goes well --- */

static void a_volume_gets_its_claim(void **state)
{
	struct rig r;

	(void)state;
	start_with(&r, LOCAL, "200");
	until_patched(&r, 1);
	assert_string_equal(r.server.target, "/api/v1/persistentvolumes/disk");
	assert_string_equal(r.server.body, "{\"metadata\":{\"uid\":\"uid-disk\",\"resourceVersion\":\"20\",\"annotations\":{"
			    "\"pv.kubernetes.io/bound-by-controller\":\"yes\"}},\"spec\":{\"claimRef\":{\"kind\":\"PersistentVolumeClaim\","
			    "\"apiVersion\":\"v1\",\"namespace\":\"default\",\"name\":\"data\",\"uid\":\"uid-data\",\"resourceVersion\":\"10\"}}}");
	turns(&r, 50);
	assert_int_equal(cache_view(r.w.cache)->promise_count, 1); /* until it is seen */
	put_disk(&r, "21", "za", OURS);
	assert_int_equal(cache_view(r.w.cache)->promise_count, 0);
	volumes_look(r.volumes);
	turns(&r, 50);
	assert_int_equal(r.ended, 0);
	put_data(&r, "uid-data", "11", "local", COMPLETED, "disk");
	expect(&r, VOLUMES_BOUND, NULL);
}

static void a_claim_gets_its_node(void **state)
{
	struct rig r;

	(void)state;
	start_with(&r, MADE, "200");
	until_patched(&r, 1);
	assert_string_equal(r.server.target, "/api/v1/namespaces/default/persistentvolumeclaims/data");
	assert_string_equal(r.server.body, "{\"metadata\":{\"uid\":\"uid-data\",\"resourceVersion\":\"10\",\"annotations\":{"
			    "\"volume.kubernetes.io/selected-node\":\"a\"}}}");
	put_data(&r, "uid-data", "11", "made", SELECTED, "");
	volumes_look(r.volumes);
	turns(&r, 50);
	put_data(&r, "uid-data", "12", "made", SELECTED "," COMPLETED, "disk"); /* the volume's watch lags behind */
	volumes_look(r.volumes);
	turns(&r, 50);
	assert_int_equal(r.ended, 0);
	put_disk(&r, "30", "za", OURS);
	expect(&r, VOLUMES_BOUND, NULL);
}

/* A volume that its administrator gave to the claim by name: its annotation would say that it was us. */
static void a_volume_that_names_the_claim_gets_its_uid_alone(void **state)
{
	struct rig r;

	(void)state;
	begin(&r, "200");
	put_data(&r, "uid-data", "10", "local", "", "");
	put_disk(&r, "20", "za", "'claimRef':{'namespace':'default','name':'data'},");
	start(&r);
	until_patched(&r, 1);
	assert_null(strstr(r.server.body, "annotations"));
	assert_non_null(strstr(r.server.body, "\"uid\":\"uid-data\""));
	put_disk(&r, "21", "za", OURS);
	put_data(&r, "uid-data", "11", "local", COMPLETED, "disk");
	expect(&r, VOLUMES_BOUND, NULL);
}

/* An earlier attempt wrote it already: only waiting is left. */
static void what_is_written_is_not_written_again(void **state)
{
	struct rig r;

	(void)state;
	begin(&r, "500");
	put_data(&r, "uid-data", "10", "made", SELECTED, "");
	start(&r);
	assert_int_equal(cache_view(r.w.cache)->promise_count, 0);
	turns(&r, 50);
	put_disk(&r, "20", "za", OURS);
	put_data(&r, "uid-data", "11", "made", SELECTED "," COMPLETED, "disk");
	assert_int_equal(r.server.patches, 0);
	expect(&r, VOLUMES_BOUND, NULL);
}

static void a_pod_waits_until_there_is_room_for_its_binding(void **state)
{
	struct rig r;

	(void)state;
	start_with(&r, LOCAL, "200");
	r.may_bind = false;
	until_patched(&r, 1);
	put_disk(&r, "21", "za", OURS);
	put_data(&r, "uid-data", "11", "local", COMPLETED, "disk");
	volumes_look(r.volumes);
	turns(&r, 100);
	assert_int_equal(r.ended, 0);
	r.may_bind = true;
	expect(&r, VOLUMES_BOUND, NULL);
}

/* --- answers --- */

static void refusals_end_it(void **state)
{
	static const char *const answers[] = {"400", "403", "404", "422"};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(answers); i++) {
		struct rig r;

		start_with(&r, i % 2 ? LOCAL : MADE, answers[i]);
		turns(&r, PATIENCE_MS);
		assert_int_equal(r.server.patches, 1);
		assert_true(r.answered);
		assert_int_equal(r.wake, WAKE_STORAGE);
		assert_int_equal(cache_view(r.w.cache)->promise_count, 0);
		expect(&r, VOLUMES_FAILED, "as told");
	}
}

static void an_unknown_answer_is_asked_for_again(void **state)
{
	static const char *const answers[] = {"500", "503", "429", "408", "drop"};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(answers); i++) {
		struct rig r;

		start_with(&r, LOCAL, answers[i]);
		r.server.script[1] = "200";
		until_patched(&r, 2);
		put_disk(&r, "21", "za", OURS);
		put_data(&r, "uid-data", "11", "local", COMPLETED, "disk");
		turns(&r, PATIENCE_MS);
		assert_int_equal(r.server.patches, 2);
		expect(&r, VOLUMES_BOUND, NULL);
	}
}

static void the_watch_may_tell_first(void **state)
{
	struct rig r;

	(void)state;
	start_with(&r, LOCAL, "drop");
	until_patched(&r, 1);
	put_disk(&r, "21", "za", OURS);
	put_data(&r, "uid-data", "11", "local", COMPLETED, "disk");
	volumes_look(r.volumes);
	turns(&r, PATIENCE_MS);
	assert_int_equal(r.server.patches, 1);
	expect(&r, VOLUMES_BOUND, NULL);
}

static void a_conflict_is_settled_by_the_watch(void **state)
{
	struct rig r;

	(void)state;
	start_with(&r, LOCAL, "drop"); /* it was done, and heard of by nobody */
	r.server.script[1] = "409";
	until_patched(&r, 2);
	turns(&r, 50);
	assert_int_equal(r.ended, 0);
	put_disk(&r, "21", "za", OURS);
	put_data(&r, "uid-data", "11", "local", COMPLETED, "disk");
	expect(&r, VOLUMES_BOUND, NULL);
	start_with(&r, LOCAL, "409");
	until_patched(&r, 1);
	put_disk(&r, "21", "za", ANOTHERS);
	expect(&r, VOLUMES_FAILED, "as told");
	start_with(&r, MADE, "409");
	until_patched(&r, 1);
	put_data(&r, "uid-data", "11", "made", "", "");
	expect(&r, VOLUMES_FAILED, "as told");
	start_with(&r, LOCAL, "409"); /* and if the watch shows nothing */
	expect(&r, VOLUMES_FAILED, "as told");
}

static void without_a_server_or_the_lead_nothing_is_written(void **state)
{
	struct rig r;

	(void)state;
	start_with(&r, LOCAL, "200");
	r.may_send = false;
	turns(&r, PATIENCE_MS);
	assert_int_equal(r.server.patches, 0);
	assert_false(r.answered);
	expect(&r, VOLUMES_FAILED, NULL);
	begin(&r, "200");
	put_data(&r, "uid-data", "10", "made", "", "");
	start(&r);
	scripted_stop(r.scripted);
	turns(&r, PATIENCE_MS);
	assert_false(r.answered);
	r.scripted = scripted_start(answer, &r.server);
	expect(&r, VOLUMES_FAILED, NULL);
}

/* --- what may become of the cluster meanwhile --- */

static void start_and_patch(struct rig *r, int how)
{
	start_with(r, how, "200");
	until_patched(r, 1);
	if (how == LOCAL)
		put_disk(r, "21", "za", OURS);
	else
		put_data(r, "uid-data", "11", "made", SELECTED, "");
	volumes_look(r->volumes);
	turns(r, 20);
	assert_int_equal(r->ended, 0);
}

#define WAITING "binding volumes: "

static void what_is_undone_ends_the_attempt(void **state)
{
	struct rig r;

	(void)state;
	start_and_patch(&r, MADE);
	put_data(&r, "uid-data", "12", "made", "", "");
	expect(&r, VOLUMES_FAILED, WAITING "provisioning failed for PVC \"data\"");
	start_and_patch(&r, MADE);
	put_data(&r, "uid-other", "12", "made", SELECTED, "");
	expect(&r, VOLUMES_FAILED, WAITING "failed to check provisioning pvc: could not find v1.PersistentVolumeClaim \"default/data\"");
	start_and_patch(&r, MADE);
	put_disk(&r, "30", "zb", OURS);
	put_data(&r, "uid-data", "12", "made", SELECTED, "disk");
	expect(&r, VOLUMES_FAILED, WAITING "pv \"disk\" node affinity doesn't match node \"a\": no matching NodeSelectorTerms");
	start_and_patch(&r, LOCAL);
	put_disk(&r, "22", "za", "");
	expect(&r, VOLUMES_FAILED, WAITING "ClaimRef got reset for pv \"disk\"");
	start_and_patch(&r, LOCAL);
	cache_delete_object(r.w.cache, OBJECT_VOLUME, "", "disk");
	expect(&r, VOLUMES_FAILED, WAITING "failed to check binding: could not find v1.PersistentVolume \"disk\"");
	start_and_patch(&r, LOCAL);
	cache_delete_object(r.w.cache, OBJECT_CLAIM, "default", "data");
	expect(&r, VOLUMES_FAILED, WAITING "failed to check binding: could not find v1.PersistentVolumeClaim \"default/data\"");
	start_and_patch(&r, LOCAL);
	cache_delete_node(r.w.cache, "a");
	expect(&r, VOLUMES_FAILED, WAITING "failed to get node \"a\": node \"a\" not found");
}

static void it_does_not_wait_for_ever(void **state)
{
	struct rig r;

	(void)state;
	start_and_patch(&r, MADE);
	turns(&r, PATIENCE_MS);
	assert_true(r.answered);
	expect(&r, VOLUMES_FAILED, WAITING "context deadline exceeded");
}

static void a_pod_that_is_gone_or_placed_is_lost(void **state)
{
	struct rig r;

	(void)state;
	start_and_patch(&r, MADE);
	cache_delete_pod(r.w.cache, "uid-web");
	volumes_seen(r.volumes, "uid-web");
	expect(&r, VOLUMES_LOST, "pod does not exist any more");
	start_with(&r, LOCAL, "200"); /* before anything was sent */
	cache_put_pod(r.w.cache, pod_with("web", "'nodeName':'b'"));
	volumes_seen(r.volumes, "uid-web");
	assert_int_equal(r.server.patches, 0);
	assert_int_equal(cache_view(r.w.cache)->promise_count, 0);
	expect(&r, VOLUMES_LOST, "it is on node b");
	start_with(&r, LOCAL, "200");
	volumes_seen(r.volumes, "uid-other");
	volumes_seen(r.volumes, "uid-web"); /* nothing has changed */
	assert_int_equal(volumes_open(r.volumes), 1);
	volumes_drop(r.volumes); /* the end of the program, in the middle of a request */
	assert_int_equal(r.ended, 0);
	finish(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_volume_gets_its_claim), cmocka_unit_test(a_claim_gets_its_node),
		cmocka_unit_test(a_volume_that_names_the_claim_gets_its_uid_alone), cmocka_unit_test(what_is_written_is_not_written_again),
		cmocka_unit_test(a_pod_waits_until_there_is_room_for_its_binding), cmocka_unit_test(refusals_end_it),
		cmocka_unit_test(an_unknown_answer_is_asked_for_again), cmocka_unit_test(the_watch_may_tell_first),
		cmocka_unit_test(a_conflict_is_settled_by_the_watch), cmocka_unit_test(without_a_server_or_the_lead_nothing_is_written),
		cmocka_unit_test(what_is_undone_ends_the_attempt), cmocka_unit_test(it_does_not_wait_for_ever),
		cmocka_unit_test(a_pod_that_is_gone_or_placed_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
