#include "tests/unit/storage_world.h"

#include "sched/filter/volume_binding.h"

#define AFFINITY "node(s) didn't match PersistentVolume's node affinity"
#define NO_VOLUME "node(s) didn't find available persistent volumes to bind"
#define NO_SPACE "node(s) did not have enough free storage"
#define GONE "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)"
#define IMMEDIATE "pod has unbound immediate PersistentVolumeClaims"
#define NONE "kubernetes.io/no-provisioner"

static struct world waiting_world(const char *provisioner, const char *more)
{
	struct world w = storage_world();
	auto_free char *all = xasprintf("," WAITS "%s", more);

	put_class(&w, "wait", provisioner, all);
	return w;
}

/* What a pod with those claims gets on a node: "claim=volume claim+ ..." in the order of the plan; "no" when it can't be there. */
static const char *plan_text(struct world *w, const char *claims, const char *node)
{
	static struct buf text;
	struct pod *pod = pod_with_claims("p", claims);
	struct volume_plan plan;
	uint32_t i;

	buf_clear(&text);
	buf_str(&text, "");
	if (!volume_plan_of(cache_view(w->cache), pod, (uint32_t)cache_find_node(w->cache, node), &plan))
		buf_str(&text, "no");
	for (i = 0; i < plan.match_count; i++)
		buf_printf(&text, "%s%s=%s%s", text.len ? " " : "", plan.matches[i].claim->object.name, plan.matches[i].volume->object.name,
			   plan.matches[i].prebound ? "!" : "");
	for (i = 0; i < plan.provision_count; i++)
		buf_printf(&text, "%s%s+%s", text.len ? " " : "", plan.provisions[i].claim->object.name,
			   plan.provisions[i].capacity ? plan.provisions[i].capacity->object.name : "");
	volume_plan_free(&plan);
	pod_free(pod);
	return text.data;
}

/* --- the pod as a whole --- */

static void claims_that_are_not_ready(void **state)
{
	struct world w = waiting_world("drv", "");

	(void)state;
	put_class(&w, "now", "drv", "");
	put_claim(&w, "now", "now", "1Gi", "");
	put_claim(&w, "classless", "", "1Gi", "");
	put_claim(&w, "lost-class", "nobodys", "1Gi", "");
	put_claim(&w, "prebound", "wait", "1Gi", ",'volumeName':'v'");
	put_claim(&w, "fine", "wait", "1Gi", "");
	put(&w, "{'kind':'PersistentVolumeClaim','metadata':{'name':'lost','namespace':'default'},'spec':{'volumeName':'v'},"
		"'status':{'phase':'Lost'}}");
	put(&w, "{'kind':'PersistentVolumeClaim','metadata':{'name':'going','namespace':'default','deletionTimestamp':'2026-01-01T00:00:00Z'}}");
	expect_refused(&w, pod_with_claims("p", "missing"), "persistentvolumeclaim \"missing\" not found");
	expect_refused(&w, pod_with_claims("p", "lost"), "persistentvolumeclaim \"lost\" bound to non-existent persistentvolume \"v\"");
	expect_refused(&w, pod_with_claims("p", "going"), "persistentvolumeclaim \"going\" is being deleted");
	expect_refused(&w, pod_with_claims("p", "now"), IMMEDIATE);
	expect_refused(&w, pod_with_claims("p", "classless"), IMMEDIATE);
	expect_refused(&w, pod_with_claims("p", "lost-class"), IMMEDIATE);
	expect_refused(&w, pod_with_claims("p", "fine prebound"), IMMEDIATE);
	expect_refused(&w, pod_with_claims("p", "now going lost"), "persistentvolumeclaim \"going\" is being deleted"); /* the first that is wrong */
	expect_refused(&w, pod_with_claims("p", "going missing"), "persistentvolumeclaim \"missing\" not found"); /* VolumeRestrictions is first */
	expect_claims(&w, "fine", "", "");
	world_free(&w);
}

static void the_message_is_kube_schedulers(void **state)
{
	struct world w = waiting_world(NONE, "");
	struct pod *pod = pod_with_claims("p", "missing"), *other = pod_with_claims("p", "c");
	auto_buf struct buf text = {0};

	(void)state;
	world_decide(&w, pod);
	decision_message(w.decider, &w.in, &w.decision, &text);
	assert_string_equal(text.data, "0/2 nodes are available: persistentvolumeclaim \"missing\" not found.");
	put_claim(&w, "c", "wait", "1Gi", "");
	buf_clear(&text);
	world_decide(&w, other);
	decision_message(w.decider, &w.in, &w.decision, &text);
	assert_string_equal(text.data, "0/2 nodes are available: 2 " NO_VOLUME ".");
	assert_true(w.decision.wake & WAKE_STORAGE);
	pod_free(pod);
	pod_free(other);
	world_free(&w);
}

static void ephemeral_claims(void **state)
{
	struct world w = waiting_world("drv", "");
	static const char *const owners[] = {"'uid':'other','controller':true", "'uid':'uid-p'", "'uid':'uid-p','controller':true"};
	static const char not_owner[] = "PVC default/p-e was not created for pod default/p (pod is not owner)";
	unsigned i;

	(void)state;
	expect_refused(&w, pod_with("p", "'volumes':[{'name':'e','ephemeral':{}}]"),
		       "waiting for ephemeral volume controller to create the persistentvolumeclaim \"p-e\"");
	for (i = 0; i < ARRAY_SIZE(owners); i++) {
		put(&w, "{'kind':'PersistentVolumeClaim','metadata':{'name':'p-e','namespace':'default','ownerReferences':[{%s}]},"
			"'spec':{'storageClassName':'wait'}}", owners[i]);
		if (i < 2)
			expect_refused(&w, pod_with("p", "'volumes':[{'name':'e','ephemeral':{}}]"), not_owner);
		else
			world_expect(&w, pod_with("p", "'volumes':[{'name':'e','ephemeral':{}}]"), "a", "");
	}
	put(&w, "{'kind':'PersistentVolumeClaim','metadata':{'name':'p-e','namespace':'default','ownerReferences':[{'uid':'uid-p',"
		"'controller':true}],'annotations':{'pv.kubernetes.io/bind-completed':''}},'spec':{'volumeName':'w'}}");
	world_expect(&w, pod_with("p", "'volumes':[{'name':'e','ephemeral':{}}]"), "a", GONE);
	world_free(&w);
}

/* --- bound claims --- */

static void bound_volumes_say_where(void **state)
{
	struct world w = storage_world();

	(void)state;
	put_volume(&w, "here", "", "1Gi", "za", "");
	put_volume(&w, "there", "", "1Gi", "zb", "");
	put_volume(&w, "all", "", "1Gi", "", "");
	put_volume(&w, "named", "", "1Gi", "", ",'nodeAffinity':{'required':{'nodeSelectorTerms':[{'matchFields':[{'key':'metadata.name',"
					       "'operator':'In','values':['a']}]}]}}");
	put_bound(&w, "x", "here", "");
	put_bound(&w, "y", "there", "");
	put_bound(&w, "z", "all", "");
	put_bound(&w, "n", "named", "");
	expect_claims(&w, "x", "", AFFINITY);
	expect_claims(&w, "z x", "", AFFINITY);
	expect_claims(&w, "x y", AFFINITY, AFFINITY);
	expect_claims(&w, "z", "", "");
	expect_claims(&w, "n", "", ""); /* kube-scheduler looks at labels alone */
	assert_string_equal(plan_text(&w, "z x", "a"), "");
	assert_string_equal(plan_text(&w, "z x", "b"), "no");
	world_free(&w);
}

static void bound_volumes_of_migrated_plugins(void **state)
{
	struct world w = world_new();
	auto_buf struct buf text = {0};

	(void)state;
	cache_know_storage(w.cache);
	cache_put_node(w.cache, node_with("a", "%s", ",'topology.gke.io/zone':'z'"));
	cache_put_node(w.cache, node_with("b", "%s", ",'topology.gke.io/zone':'z'"));
	put(&w, "{'kind':'CSINode','metadata':{'name':'a','annotations':{'storage.alpha.kubernetes.io/migrated-plugins':'kubernetes.io/gce-pd,"
		"kubernetes.io/azure-disk'}}}");
	put(&w, "{'kind':'CSINode','metadata':{'name':'b'}}");
	put(&w, "{'kind':'PersistentVolume','metadata':{'name':'v'},'spec':{'gcePersistentDisk':{'pdName':'d'},'nodeAffinity':{'required':"
		"{'nodeSelectorTerms':[{'matchExpressions':[{'key':'topology.kubernetes.io/zone','operator':'In','values':['z']}]}]}}}}");
	put(&w, "{'kind':'PersistentVolume','metadata':{'name':'odd'},'spec':{'azureDisk':{'kind':'Shared'}}}");
	put_bound(&w, "c", "v", "");
	put_bound(&w, "d", "odd", "");
	expect_claims(&w, "c", "", AFFINITY);
	expect_refused(&w, pod_with_claims("p", "d"), "running \"VolumeBinding\" filter plugin: could not translate pv");
	assert_true(w.decision.failed);
	decision_message(w.decider, &w.in, &w.decision, &text);
	assert_string_equal(text.data, "running \"VolumeBinding\" filter plugin: could not translate pv");
	expect_claims(&w, "c", "", AFFINITY);
	assert_false(w.decision.failed);
	world_free(&w);
}

/* --- volumes that wait for a claim --- */

static void which_volume_will_do(void **state)
{
	static const struct {
		const char *volume, *claim;	/* members of the specs */
		bool fits;
	} examples[] = {
		{"", "", true},
		{",'accessModes':['ReadWriteOnce','ReadOnlyMany']", "", true},
		{",'x':1", ",'accessModes':['ReadOnlyMany']", false},
		{",'volumeMode':'Block'", "", false},
		{",'volumeMode':'Block'", ",'volumeMode':'Block'", true},
		{",'volumeMode':'Filesystem'", "", true},
		{",'volumeAttributesClassName':'gold'", "", false},
		{",'volumeAttributesClassName':'gold'", ",'volumeAttributesClassName':'gold'", true},
		{"", ",'volumeAttributesClassName':'gold'", false},
		{"", ",'selector':{'matchLabels':{'a':'b'}}", false},
		{"", ",'selector':{}", true},
		{",'claimRef':{'namespace':'default','name':'c'}", "", true},
		{",'claimRef':{'namespace':'default','name':'c','uid':'uid-c'}", "", true},
		{",'claimRef':{'namespace':'default','name':'c','uid':'older'}", "", false},
		{",'claimRef':{'namespace':'default','name':'d'}", "", false},
		{",'claimRef':{'namespace':'other','name':'c'}", "", false},
		{",'claimRef':{'namespace':'default','name':'c'}", ",'selector':{'matchLabels':{'a':'b'}}", true}, /* it names the claim: no matter */
		{",'claimRef':{'namespace':'default','name':'c'}", ",'volumeMode':'Block'", false},
	};
	unsigned i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(examples); i++) {
		struct world w = waiting_world(NONE, "");
		auto_free char *volume = xasprintf("{'kind':'PersistentVolume','metadata':{'name':'v'},'spec':{'storageClassName':'wait',"
			"'capacity':{'storage':'1Gi'}%s%s},'status':{'phase':'Available'}}",
			strstr(examples[i].volume, "accessModes") ? "" : ",'accessModes':['ReadWriteOnce']", examples[i].volume);

		put(&w, "%s", volume);
		put(&w, "{'kind':'PersistentVolumeClaim','metadata':{'name':'c','namespace':'default','uid':'uid-c'},'spec':{'storageClassName':"
			"'wait','resources':{'requests':{'storage':'1Gi'}}%s%s}}",
			strstr(examples[i].claim, "accessModes") ? "" : ",'accessModes':['ReadWriteOnce']", examples[i].claim);
		expect_claims(&w, "c", examples[i].fits ? "" : NO_VOLUME, examples[i].fits ? "" : NO_VOLUME);
		world_free(&w);
	}
}

static void volumes_that_nobody_takes(void **state)
{
	static const char *const volumes[] = {
		"{'kind':'PersistentVolume','metadata':{'name':'v'},'spec':{'storageClassName':'wait','capacity':{'storage':'1Gi'}},"
		"'status':{'phase':'Released'}}",
		"{'kind':'PersistentVolume','metadata':{'name':'v'},'spec':{'storageClassName':'wait','capacity':{'storage':'1Gi'}}}",
		"{'kind':'PersistentVolume','metadata':{'name':'v'},'spec':{'storageClassName':'wait','capacity':{'storage':'1023Mi'}},"
		"'status':{'phase':'Available'}}",
		"{'kind':'PersistentVolume','metadata':{'name':'v'},'spec':{'capacity':{'storage':'1Gi'}},'status':{'phase':'Available'}}",
		"{'kind':'PersistentVolume','metadata':{'name':'v','deletionTimestamp':'2026-01-01T00:00:00Z'},'spec':{'storageClassName':'wait',"
		"'capacity':{'storage':'1Gi'}},'status':{'phase':'Available'}}",
		"{'kind':'PersistentVolume','metadata':{'name':'v','annotations':{'volume.beta.kubernetes.io/storage-class':'other'}},"
		"'spec':{'storageClassName':'wait','capacity':{'storage':'1Gi'}},'status':{'phase':'Available'}}",
	};
	unsigned i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(volumes); i++) {
		struct world w = waiting_world(NONE, "");

		put(&w, "%s", volumes[i]);
		put(&w, "{'kind':'PersistentVolumeClaim','metadata':{'name':'c','namespace':'default'},'spec':{'storageClassName':'wait',"
			"'resources':{'requests':{'storage':'1Gi'}}}}");
		expect_claims(&w, "c", NO_VOLUME, NO_VOLUME);
		world_free(&w);
	}
}

static void the_smallest_first_and_each_once(void **state)
{
	struct world w = waiting_world(NONE, "");

	(void)state;
	put_volume(&w, "v5", "wait", "5Gi", "", "");
	put_volume(&w, "v2", "wait", "2Gi", "za", "");
	put_volume(&w, "v3b", "wait", "3Gi", "", "");
	put_volume(&w, "v3a", "wait", "3Gi", "", "");
	put_claim(&w, "one", "wait", "1Gi", "");
	put_claim(&w, "two", "wait", "2Gi", "");
	put_claim(&w, "four", "wait", "4Gi", "");
	assert_string_equal(plan_text(&w, "one", "a"), "one=v2");
	assert_string_equal(plan_text(&w, "one", "b"), "one=v3a");
	assert_string_equal(plan_text(&w, "four two one", "a"), "one=v2 two=v3a four=v5");
	assert_string_equal(plan_text(&w, "four two one", "b"), "one=v3a two=v3b four=v5");
	put_claim(&w, "more", "wait", "4Gi", "");
	expect_claims(&w, "four more", NO_VOLUME, NO_VOLUME);
	put_volume(&w, "v6", "wait", "6Gi", "zb", "");
	expect_claims(&w, "four more", NO_VOLUME, "");
	assert_string_equal(plan_text(&w, "four more", "b"), "four=v5 more=v6");
	assert_string_equal(plan_text(&w, "more four", "b"), "more=v5 four=v6"); /* equal sizes as they come */
	assert_string_equal(plan_text(&w, "one one", "a"), "one=v2 one=v3a"); /* kube-scheduler takes two volumes for a claim that is named twice */
	world_free(&w);
}

static void a_volume_that_names_the_claim_is_the_one(void **state)
{
	struct world w = waiting_world("drv", "");

	(void)state;
	put_claim(&w, "c", "wait", "1Gi", "");
	put_volume(&w, "small", "wait", "1Gi", "", "");
	put_volume(&w, "named", "wait", "9Gi", "za", ",'claimRef':{'namespace':'default','name':'c'}");
	assert_string_equal(plan_text(&w, "c", "a"), "c=named!");
	assert_string_equal(plan_text(&w, "c", "b"), "c+"); /* none of the others is taken, but one may be made */
	world_free(&w);
}

/* --- volumes that are made --- */

static void what_can_be_made(void **state)
{
	static const char zones[] = ",'allowedTopologies':[{'matchLabelExpressions':[{'key':'zone','values':['za','zx']}]}]";
	static const struct {
		const char *provisioner, *more, *reason_a, *reason_b;
	} examples[] = {
		{"drv", "", "", ""},
		{NONE, "", NO_VOLUME, NO_VOLUME},
		{"", "", NO_VOLUME, NO_VOLUME},
		{"drv", zones, "", NO_VOLUME},
		{"drv", ",'allowedTopologies':[]", "", ""},
		{"drv", ",'allowedTopologies':[{}]", NO_VOLUME, NO_VOLUME},
		{"drv", ",'allowedTopologies':[{'matchLabelExpressions':[{'key':'zone','values':['za']},{'key':'disk','values':['x']}]},"
			"{'matchLabelExpressions':[{'key':'zone','values':['zb']}]}]", NO_VOLUME, ""},
	};
	unsigned i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(examples); i++) {
		struct world w = waiting_world(examples[i].provisioner, examples[i].more);

		put_claim(&w, "c", "wait", "1Gi", "");
		expect_claims(&w, "c", examples[i].reason_a, examples[i].reason_b);
		world_free(&w);
	}
}

static void a_claim_that_is_being_made_stays_there(void **state)
{
	struct world w = waiting_world("drv", "");

	(void)state;
	put(&w, "{'kind':'PersistentVolumeClaim','metadata':{'name':'c','namespace':'default','annotations':{"
		"'volume.kubernetes.io/selected-node':'b'}},'spec':{'storageClassName':'wait'}}");
	put_claim(&w, "d", "wait", "1Gi", "");
	put_volume(&w, "v", "wait", "1Gi", "", "");
	put_volume(&w, "bound", "", "1Gi", "zb", "");
	put_bound(&w, "x", "bound", "");
	expect_claims(&w, "c", NO_VOLUME, "");
	assert_string_equal(plan_text(&w, "d c", "b"), "d=v c+"); /* no volume is taken for it */
	expect_claims(&w, "x c", AFFINITY ", " NO_VOLUME, "");
	put(&w, "{'kind':'PersistentVolumeClaim','metadata':{'name':'c','namespace':'default','annotations':{"
		"'volume.kubernetes.io/selected-node':''}},'spec':{'storageClassName':'wait'}}");
	expect_claims(&w, "c", NO_VOLUME, NO_VOLUME);
	world_free(&w);
}

static void put_capacity(struct world *w, const char *name, const char *class, const char *members)
{
	put(w, "{'kind':'CSIStorageCapacity','metadata':{'name':'%s','namespace':'csi'},'storageClassName':'%s',%s}", name, class, members);
}

static void room_for_what_is_made(void **state)
{
	struct world w = waiting_world("drv", "");

	(void)state;
	put_claim(&w, "c", "wait", "10Gi", "");
	put(&w, "{'kind':'CSIDriver','metadata':{'name':'drv'},'spec':{'storageCapacity':false}}");
	expect_claims(&w, "c", "", "");
	put(&w, "{'kind':'CSIDriver','metadata':{'name':'drv'},'spec':{'storageCapacity':true}}");
	expect_claims(&w, "c", NO_SPACE, NO_SPACE);
	put_capacity(&w, "s1", "wait", "'nodeTopology':{'matchLabels':{'zone':'za'}},'capacity':'9Gi'");
	put_capacity(&w, "s2", "other", "'nodeTopology':{},'capacity':'99Gi'");
	put_capacity(&w, "s3", "wait", "'capacity':'99Gi'");					/* no node reaches it */
	put_capacity(&w, "s4", "wait", "'nodeTopology':{}");					/* nobody says how large */
	put_capacity(&w, "s5", "wait", "'nodeTopology':{},'capacity':'99Gi','maximumVolumeSize':'1Gi'");
	expect_claims(&w, "c", NO_SPACE, NO_SPACE);
	put_capacity(&w, "s1", "wait", "'nodeTopology':{'matchLabels':{'zone':'za'}},'capacity':'10Gi'");
	expect_claims(&w, "c", "", NO_SPACE);
	assert_string_equal(plan_text(&w, "c", "a"), "c+s1");
	put_volume(&w, "bound", "", "1Gi", "za", "");
	put_bound(&w, "x", "bound", "");
	expect_claims(&w, "x c", "", AFFINITY ", " NO_SPACE);
	world_free(&w);
}

static void without_a_size_nobody_asks_for_room(void **state)
{
	struct world w = waiting_world("drv", "");

	(void)state;
	put(&w, "{'kind':'PersistentVolumeClaim','metadata':{'name':'c','namespace':'default'},'spec':{'storageClassName':'wait'}}");
	put(&w, "{'kind':'CSIDriver','metadata':{'name':'drv'},'spec':{'storageCapacity':true}}");
	expect_claims(&w, "c", "", "");
	put_claim(&w, "zero", "wait", "0", "");
	expect_claims(&w, "zero", NO_SPACE, NO_SPACE);
	world_free(&w);
}

static void the_first_claim_that_cannot_be_made_is_the_reason(void **state)
{
	struct world w = waiting_world("drv", "");

	(void)state;
	put_class(&w, "static", NONE, "," WAITS);
	put(&w, "{'kind':'CSIDriver','metadata':{'name':'drv'},'spec':{'storageCapacity':true}}");
	put_claim(&w, "small-static", "static", "1Gi", "");
	put_claim(&w, "large-static", "static", "3Gi", "");
	put_claim(&w, "made", "wait", "2Gi", "");
	expect_claims(&w, "made small-static", NO_VOLUME, NO_VOLUME);
	expect_claims(&w, "large-static made", NO_SPACE, NO_SPACE);
	world_free(&w);
}

/* --- promises --- */

static void what_is_promised_is_taken(void **state)
{
	char namespace_[] = "default", c[] = "c", d[] = "d", v[] = "v", node[] = "b", none[] = "";
	struct world w = waiting_world("drv", "");

	(void)state;
	put_claim(&w, "c", "wait", "1Gi", "");
	put_claim(&w, "d", "wait", "1Gi", "");
	put_volume(&w, "v", "wait", "1Gi", "", "");
	put_volume(&w, "w", "wait", "2Gi", "", "");
	cache_promise(w.cache, &(struct promise){namespace_, c, v, none});
	assert_string_equal(plan_text(&w, "d", "a"), "d=w");
	assert_string_equal(plan_text(&w, "c", "a"), "c=v!");
	cache_promise(w.cache, &(struct promise){namespace_, d, none, node});
	assert_string_equal(plan_text(&w, "d", "b"), "d+");
	expect_claims(&w, "d", NO_VOLUME, "");
	cache_unpromise(w.cache, "default", "d");
	expect_claims(&w, "d", "", "");
	world_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(claims_that_are_not_ready), cmocka_unit_test(the_message_is_kube_schedulers), cmocka_unit_test(ephemeral_claims),
		cmocka_unit_test(bound_volumes_say_where), cmocka_unit_test(bound_volumes_of_migrated_plugins),
		cmocka_unit_test(which_volume_will_do), cmocka_unit_test(volumes_that_nobody_takes),
		cmocka_unit_test(the_smallest_first_and_each_once), cmocka_unit_test(a_volume_that_names_the_claim_is_the_one),
		cmocka_unit_test(what_can_be_made), cmocka_unit_test(a_claim_that_is_being_made_stays_there),
		cmocka_unit_test(room_for_what_is_made), cmocka_unit_test(without_a_size_nobody_asks_for_room),
		cmocka_unit_test(the_first_claim_that_cannot_be_made_is_the_reason), cmocka_unit_test(what_is_promised_is_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
