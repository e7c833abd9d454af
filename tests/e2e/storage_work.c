#include "tests/e2e/storage_work.h"

#include <stdlib.h>

#include "lib/mem.h"
#include "tests/e2e/storage.h"

static struct sched *s;

void storage_work_in(struct sched *in)
{
	s = in;
}

static void make_web(const char *spec)
{
	sched_pod_of(s, "my-latency-scheduler", "web", "", "", spec);
}

static bool web_is_bound(void *unused)
{
	(void)unused;
	return *sched_node_now(s, "web") != '\0';
}

static void make_pod_with_claim(void)
{
	make_web(",\"volumes\":[{\"name\":\"v\",\"persistentVolumeClaim\":{\"claimName\":\"data\"}}]");
}

static void make_volume(void)
{
	storage_make_volume(s, "disk", "");
}

static void make_bound_claim(void)
{
	storage_make_bound_claim(s, "data", "disk");
}

static void make_bound_claim_and_pod(void)
{
	make_bound_claim();
	make_pod_with_claim();
}

static void make_volume_and_pod(void)
{
	make_volume();
	make_pod_with_claim();
}

static void make_class(void)
{
	storage_make_class(s, "made", STORAGE_DRIVER);
}

static void make_waiting_claim_and_pod(void)
{
	storage_make_claim(s, "data", "made");
	make_pod_with_claim();
}

static void make_class_and_pod(void)
{
	make_class();
	make_waiting_claim_and_pod();
}

static bool volume_is_asked_for(void *unused)
{
	(void)unused;
	return storage_is_asked(s, "data");
}

static bool web_is_bound_with_its_volume(void *unused)
{
	storage_turn(s);
	return web_is_bound(unused);
}

static void make_local_volume(void)
{
	storage_make_class(s, "local", "kubernetes.io/no-provisioner");
	storage_make_volume(s, "disk", "local");
}

static void make_local_claim_and_pod(void)
{
	storage_make_claim(s, "data", "local");
	make_pod_with_claim();
}

static void make_full_node(void)
{
	storage_make_csi_node(s, 0);
	make_volume();
	make_bound_claim();
}

static void drop_limit(void)
{
	storage_drop(s, "csinodes", "a");
	make_pod_with_claim();
}

static void make_attachment(void)
{
	storage_make_csi_node(s, 1);
	storage_make_volume(s, "other", "");
	storage_make_attachment(s, "attached", "other");
	make_volume();
	make_bound_claim();
}

static void drop_attachment(void)
{
	storage_drop(s, "volumeattachments", "attached");
	make_pod_with_claim();
}

static void make_counting_driver(void)
{
	make_class();
	storage_make_csi_driver(s);
}

static void drop_driver(void)
{
	storage_drop(s, "csidrivers", STORAGE_DRIVER);
	make_waiting_claim_and_pod();
}

static void make_room(void)
{
	storage_make_capacity(s, "made");
	make_waiting_claim_and_pod();
}

static void label_namespace(const char *team)
{
	auto_free char *body = xasprintf("{\"metadata\":{\"labels\":{\"team\":%s}}}", team);

	standin_do(&s->api, 200, "PATCH", "/api/v1/namespaces/default", body);
}

static void make_neighbour(void)
{
	label_namespace("null");
	sched_pod_of(s, "somebody-else", "neighbour", "", ",\"labels\":{\"app\":\"neighbour\"}", ",\"nodeName\":\"a\"");
}

static void name_the_team(void)
{
	label_namespace("\"red\"");
	make_web(",\"affinity\":{\"podAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":[{\"topologyKey\":\"kubernetes.io/hostname\","
		 "\"labelSelector\":{\"matchLabels\":{\"app\":\"neighbour\"}},\"namespaceSelector\":{\"matchLabels\":{\"team\":\"red\"}}}]}}");
}

const struct work work_claim = {"a claim that was made is seen", .before = make_volume, .act = make_bound_claim_and_pod, .done = web_is_bound};
const struct work work_volume = {"a volume that was made is seen", .before = make_bound_claim, .act = make_volume_and_pod, .done = web_is_bound};
const struct work work_class = {"a class that waits for pods is seen", .act = make_class_and_pod, .done = volume_is_asked_for};
const struct work work_limit = {"a limit of volumes that goes is seen", .before = make_full_node, .act = drop_limit, .done = web_is_bound};
const struct work work_driver = {"a driver that keeps count no more is seen", .before = make_counting_driver, .act = drop_driver,
				   .done = volume_is_asked_for};
const struct work work_capacity = {"room for volumes is seen", .before = make_counting_driver, .act = make_room, .done = volume_is_asked_for};
const struct work work_attachment = {"a volume that is detached is seen", .before = make_attachment, .act = drop_attachment, .done = web_is_bound};
const struct work work_provision = {"a volume is made for a pod", .before = make_class, .act = make_waiting_claim_and_pod,
				      .done = web_is_bound_with_its_volume};
const struct work work_match = {"a volume is given to a claim", .before = make_local_volume, .act = make_local_claim_and_pod,
				  .done = web_is_bound_with_its_volume};
const struct work work_namespace = {"a namespace that got a label is seen", .before = make_neighbour, .act = name_the_team, .done = web_is_bound};
