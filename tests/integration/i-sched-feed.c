/* What the scheduler watches beside nodes and pods, by the real latency-sched against the stand-in. */
#include <string.h>
#include <unistd.h>

#include "lib/mem.h"
#include "tests/testing/sched.h"

#define CSI_NODES "/apis/storage.k8s.io/v1/csinodes"
#define CLAIMS "/api/v1/namespaces/default/persistentvolumeclaims"
#define VOLUMES "/api/v1/persistentvolumes"

static void begin(struct sched *s)
{
	sched_begin(s, NULL);
	sched_nodes(s, "a b");
	sched_matrix(s, 1, "0 5  5 0");
}

static bool is_ready(void *s)
{
	return sched_http(s, "/readyz") == 200;
}

/* As kube-scheduler it does not begin without them; /readyz and the log name the kind. */
static void a_kind_that_may_not_be_listed_keeps_it_waiting(void **state)
{
	auto_free char *why = NULL;
	struct sched s;
	int status;

	(void)state;
	begin(&s);
	standin_faults(&s.api, "{\"rules\":[{\"method\":\"GET\",\"path\":\"" CSI_NODES "\",\"action\":\"status\",\"status\":403},"
		       "{\"method\":\"GET\",\"path\":\"/api/v1/namespaces\",\"action\":\"status\",\"status\":403}]}");
	sched_pod(&s, "web", "");
	sched_launch(&s, NULL);
	assert_true(sched_log_count(&s, "\"watch interrupted\"", 1) >= 1);
	usleep(4000000); /* several tries of both: the stand-in has the same words for them, a real server names the kind */
	why = sched_fetch(&s, "/readyz/informer-sync", &status);
	assert_int_equal(status, 500);
	assert_string_equal(why, "internal server error: not listed yet: namespaces (forbidden), csinodes (forbidden)\n");
	assert_string_equal(sched_node_now(&s, "web"), "");
	assert_int_equal(sched_log_count(&s, "\"watch interrupted\"", 1), 1);
	standin_faults(&s.api, "{\"rules\":[]}");
	assert_true(test_wait(is_ready, &s, 60000));
	assert_string_not_equal(sched_where(&s, "web"), "");
	sched_finish(&s);
}

/* An old server: it has no objects of a kind that it does not know. */
static void a_kind_that_the_server_does_not_have_is_empty(void **state)
{
	struct sched s;

	(void)state;
	begin(&s);
	standin_faults(&s.api, "{\"rules\":[{\"method\":\"GET\",\"path\":\"" CSI_NODES "\",\"action\":\"status\",\"status\":404}]}");
	sched_start(&s, NULL);
	assert_int_equal(sched_log_count(&s, "\"resource\":\"csinodes\"", 1), 1);
	sched_pod(&s, "web", "");
	assert_string_not_equal(sched_where(&s, "web"), "");
	sched_finish(&s);
}

/* Nodes and pods there have to be. */
static void a_server_without_nodes_is_none(void **state)
{
	struct sched s;
	int status;
	auto_free char *why = NULL;

	(void)state;
	begin(&s);
	standin_faults(&s.api, "{\"rules\":[{\"method\":\"GET\",\"path\":\"/api/v1/nodes\",\"action\":\"status\",\"status\":404}]}");
	sched_launch(&s, NULL);
	assert_true(sched_log_count(&s, "\"resource\":\"nodes\"", 1) >= 1);
	usleep(500000);
	why = sched_fetch(&s, "/readyz/informer-sync", &status);
	assert_string_equal(why, "internal server error: not listed yet: nodes\n");
	standin_faults(&s.api, "{\"rules\":[]}");
	assert_true(test_wait(is_ready, &s, 60000));
	sched_finish(&s);
}

static void make_pod(struct sched *s, const char *name)
{
	sched_pod_of(s, "my-latency-scheduler", name, "", "", ",\"volumes\":[{\"name\":\"v\",\"persistentVolumeClaim\":{\"claimName\":\"data\"}}]");
}

/* A volume that can be read no more is gone for us, not what it was before; and the pod that waits is woken when it can be read again. */
static void an_object_that_cannot_be_read_is_said_and_not_believed(void **state)
{
	struct sched s;

	(void)state;
	begin(&s);
	sched_start(&s, NULL);
	standin_do(&s.api, 201, "POST", VOLUMES, "{\"metadata\":{\"name\":\"disk\"},\"spec\":{\"capacity\":{\"storage\":\"1Gi\"}}}");
	standin_do(&s.api, 201, "POST", CLAIMS, "{\"metadata\":{\"name\":\"data\",\"annotations\":{\"pv.kubernetes.io/bind-completed\":\"yes\"}},"
		   "\"spec\":{\"volumeName\":\"disk\"}}");
	make_pod(&s, "first");
	assert_string_not_equal(sched_where(&s, "first"), "");
	standin_do(&s.api, 200, "PATCH", VOLUMES "/disk", "{\"spec\":{\"capacity\":{\"storage\":\"much\"}}}");
	assert_int_equal(sched_log_count(&s, "an object of the API cannot be read", 1), 1);
	assert_true(sched_metric(&s, "latency_sched_bad_objects_total{resource=\"persistentvolumes\"}") > 0.5);
	make_pod(&s, "second");
	assert_string_equal(sched_refusal(&s, "second"), "Unschedulable");
	assert_string_equal(sched_node_now(&s, "second"), "");
	standin_do(&s.api, 200, "PATCH", VOLUMES "/disk", "{\"spec\":{\"capacity\":{\"storage\":\"2Gi\"}}}");
	assert_string_not_equal(sched_where(&s, "second"), "");
	sched_finish(&s);
}

/* What a pod waits for may come by any of the watches. */
static void a_pod_is_woken_by_its_claim_and_its_volume(void **state)
{
	struct sched s;

	(void)state;
	begin(&s);
	sched_start(&s, NULL);
	make_pod(&s, "web");
	assert_string_equal(sched_refusal(&s, "web"), "Unschedulable");
	standin_do(&s.api, 201, "POST", CLAIMS, "{\"metadata\":{\"name\":\"data\",\"annotations\":{\"pv.kubernetes.io/bind-completed\":\"yes\"}},"
		   "\"spec\":{\"volumeName\":\"disk\"}}");
	assert_true(sched_log_count(&s, "persistentvolume \\\"disk\\\" not found", 1) >= 1);
	standin_do(&s.api, 201, "POST", VOLUMES, "{\"metadata\":{\"name\":\"disk\"},\"spec\":{\"capacity\":{\"storage\":\"1Gi\"}}}");
	assert_string_not_equal(sched_where(&s, "web"), "");
	assert_true(sched_metric(&s, "latency_sched_watch_events_total{resource=\"persistentvolumes\"}") > 0.5);
	sched_finish(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_kind_that_may_not_be_listed_keeps_it_waiting),
		cmocka_unit_test(a_kind_that_the_server_does_not_have_is_empty),
		cmocka_unit_test(a_server_without_nodes_is_none),
		cmocka_unit_test(an_object_that_cannot_be_read_is_said_and_not_believed),
		cmocka_unit_test(a_pod_is_woken_by_its_claim_and_its_volume),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
