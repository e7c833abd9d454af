/* VolumeRestrictions, NodeVolumeLimits, VolumeZone; u-filter-binding has VolumeBinding. */
#include "tests/unit/storage_world.h"

#define NO_DISK "node(s) had no available disk"
#define IN_USE "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod"
#define FULL "node(s) exceed max volume count"
#define NO_ZONE "node(s) had no available volume zone"
#define RWOP ",'accessModes':['ReadWriteOncePod']"

/* --- disks that two pods cannot share --- */

static void disks_that_clash(void **state)
{
	static const struct {
		const char *there, *ours;
		bool fits;
	} examples[] = {
		{"'gcePersistentDisk':{'pdName':'d'}", "'gcePersistentDisk':{'pdName':'d'}", false},
		{"'gcePersistentDisk':{'pdName':'d'}", "'gcePersistentDisk':{'pdName':'e'}", true},
		{"'gcePersistentDisk':{'pdName':'d','readOnly':true}", "'gcePersistentDisk':{'pdName':'d'}", false},
		{"'gcePersistentDisk':{'pdName':'d','readOnly':true}", "'gcePersistentDisk':{'pdName':'d','readOnly':true}", true},
		{"'awsElasticBlockStore':{'volumeID':'d'}", "'awsElasticBlockStore':{'volumeID':'d'}", false},
		{"'awsElasticBlockStore':{'volumeID':'d'}", "'awsElasticBlockStore':{'volumeID':'e'}", true},
		{"'awsElasticBlockStore':{'volumeID':'d','readOnly':true}", "'awsElasticBlockStore':{'volumeID':'d','readOnly':true}", false},
		{"'awsElasticBlockStore':{'volumeID':'d'}", "'gcePersistentDisk':{'pdName':'d'}", true},
		{"'iscsi':{'iqn':'d','targetPortal':'x'}", "'iscsi':{'iqn':'d','targetPortal':'y'}", false},
		{"'iscsi':{'iqn':'d','readOnly':true}", "'iscsi':{'iqn':'d','readOnly':true}", true},
		{"'iscsi':{'iqn':'d'}", "'iscsi':{'iqn':'e'}", true},
		{"'rbd':{'monitors':['a','b'],'pool':'p','image':'i'}", "'rbd':{'monitors':['b','c'],'pool':'p','image':'i'}", false},
		{"'rbd':{'monitors':['a'],'pool':'p','image':'i'}", "'rbd':{'monitors':['b'],'pool':'p','image':'i'}", true},
		{"'rbd':{'monitors':['a'],'image':'i'}", "'rbd':{'monitors':['a'],'pool':'rbd','image':'i'}", false},	/* the default pool */
		{"'rbd':{'monitors':['a'],'pool':'p','image':'i'}", "'rbd':{'monitors':['a'],'pool':'q','image':'i'}", true},
		{"'rbd':{'monitors':['a'],'pool':'p','image':'i'}", "'rbd':{'monitors':['a'],'pool':'p','image':'j'}", true},
		{"'rbd':{'monitors':['a'],'image':'i','readOnly':true}", "'rbd':{'monitors':['a'],'image':'i','readOnly':true}", true},
		{"'azureDisk':{'diskURI':'d','kind':'Managed'}", "'azureDisk':{'diskURI':'d','kind':'Managed'}", true},
		{"'emptyDir':{}", "'gcePersistentDisk':{'pdName':'d'}", true},
		{"'gcePersistentDisk':{'pdName':'d'}", "'emptyDir':{}", true},
		{"'emptyDir':{}},{'name':'w','iscsi':{'iqn':'d'}", "'nfs':{}},{'name':'w','iscsi':{'iqn':'d'}", false},
	};
	unsigned i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(examples); i++) {
		struct world w = storage_world();

		cache_put_pod(w.cache, pod_with("q", "'nodeName':'a','volumes':[{'name':'v',%s}]", examples[i].there));
		world_expect(&w, pod_with("p", "'volumes':[{'name':'v',%s}]", examples[i].ours), "a", examples[i].fits ? "" : NO_DISK);
		world_expect(&w, pod_with("p", "'volumes':[{'name':'v',%s}]", examples[i].ours), "b", "");
		world_free(&w);
	}
}

static void a_nominated_pod_keeps_its_disk_and_its_claim(void **state)
{
	struct world w = storage_world();

	(void)state;
	put_bound(&w, "c", "v", RWOP);
	put_volume(&w, "v", "", "1Gi", "", "");
	cache_put_pod(w.cache, pod_of("{'metadata':{'name':'q','namespace':'default','uid':'q'},'spec':{'priority':5,'volumes':[{'name':'v',"
				      "'iscsi':{'iqn':'d'}},{'name':'w','persistentVolumeClaim':{'claimName':'c'}}]},"
				      "'status':{'nominatedNodeName':'a'}}"));
	world_expect(&w, pod_with("p", "'priority':5,'volumes':[{'name':'v','iscsi':{'iqn':'d'}}]"), "a", NO_DISK);
	world_expect(&w, pod_with("p", "'priority':6,'volumes':[{'name':'v','iscsi':{'iqn':'d'}}]"), "a", "");
	world_expect(&w, pod_with("p", "'priority':5,'volumes':[{'name':'v','iscsi':{'iqn':'e'}},"
				       "{'name':'w','persistentVolumeClaim':{'claimName':'c'}}]"), "a", IN_USE);
	world_expect(&w, pod_with("p", "'priority':5,'volumes':[{'name':'v','iscsi':{'iqn':'e'}},"
				       "{'name':'w','persistentVolumeClaim':{'claimName':'c'}}]"), "b", "");
	cache_put_pod(w.cache, pod_of("{'metadata':{'name':'r','namespace':'other','uid':'r'},'spec':{'priority':5,'volumes':[{'name':'w',"
				      "'persistentVolumeClaim':{'claimName':'c'}}]},'status':{'nominatedNodeName':'b'}}"));
	world_expect(&w, pod_with("p", "'priority':5,'volumes':[{'name':'v','iscsi':{'iqn':'e'}},"
				       "{'name':'w','persistentVolumeClaim':{'claimName':'c'}}]"), "b", IN_USE); /* of another namespace */
	/* as in kube-scheduler, which does not run the filter for a pod without disks and with a claim that nobody uses yet */
	world_expect(&w, pod_with("p", "'priority':5,'volumes':[{'name':'w','persistentVolumeClaim':{'claimName':'c'}}]"), "a", "");
	world_free(&w);
}

static void a_claim_for_one_pod_alone(void **state)
{
	struct world w = storage_world();

	(void)state;
	put_bound(&w, "c", "v", RWOP);
	put_bound(&w, "many", "v", ",'accessModes':['ReadWriteOnce']");
	put_volume(&w, "v", "", "1Gi", "", "");
	expect_claims(&w, "c", "", "");
	cache_put_pod(w.cache, pod_of("{'metadata':{'name':'q','namespace':'other','uid':'q'},'spec':{'nodeName':'a',"
				      "'volumes':[{'name':'v','persistentVolumeClaim':{'claimName':'c'}}]}}"));
	expect_claims(&w, "c", "", ""); /* a claim of another namespace */
	cache_put_pod(w.cache, pod_with("r", "'nodeName':'nowhere','volumes':[{'name':'v','persistentVolumeClaim':{'claimName':'c'}}]"));
	expect_claims(&w, "c", "", ""); /* on a node that is not known */
	cache_put_pod(w.cache, pod_with("s", "'nodeName':'a','volumes':[{'name':'v','persistentVolumeClaim':{'claimName':'c'}}]"));
	expect_claims(&w, "c", IN_USE, IN_USE);
	expect_claims(&w, "many", "", "");
	assert_false(world_filter(&w, "a"));
	cache_delete_pod(w.cache, "uid-s");
	expect_claims(&w, "c", "", "");
	world_free(&w);
}

static void a_disk_is_told_before_a_claim_in_use(void **state)
{
	struct world w = storage_world();

	(void)state;
	put_bound(&w, "c", "v", RWOP);
	put_volume(&w, "v", "", "1Gi", "", "");
	cache_put_pod(w.cache, pod_with("q", "'nodeName':'a','volumes':[{'name':'v','iscsi':{'iqn':'d'}},"
					     "{'name':'w','persistentVolumeClaim':{'claimName':'c'}}]"));
	world_expect(&w, pod_with("p", "'volumes':[{'name':'v','iscsi':{'iqn':'d'}},{'name':'w','persistentVolumeClaim':{'claimName':'c'}}]"),
		     "a", NO_DISK);
	world_expect(&w, pod_with("p", "'volumes':[{'name':'v','iscsi':{'iqn':'d'}},{'name':'w','persistentVolumeClaim':{'claimName':'c'}}]"),
		     "b", IN_USE);
	world_free(&w);
}

/* --- limits --- */

static void put_limit(struct world *w, const char *node, const char *driver, int count)
{
	put(w, "{'kind':'CSINode','metadata':{'name':'%s'},'spec':{'drivers':[{'name':'%s','allocatable':{'count':%d}}]}}", node, driver, count);
}

/* Bound claims c0, c1, ... of volumes v0, v1, ... with handles h0, h1, ... */
static void put_csi_claims(struct world *w, unsigned count)
{
	unsigned i;

	for (i = 0; i < count; i++) {
		auto_free char *claim = xasprintf("c%u", i), *volume = xasprintf("v%u", i);
		auto_free char *csi = xasprintf(",'csi':{'driver':'drv','volumeHandle':'h%u'}", i);

		put_bound(w, claim, volume, "");
		put_volume(w, volume, "", "1Gi", "", csi);
	}
}

static void put_there(struct world *w, const char *name, const char *claims)
{
	struct pod *pod = pod_with_claims(name, claims);

	cache_put_pod(w->cache, pod);
	assert_true(cache_assume(w->cache, pod->uid, (uint32_t)cache_find_node(w->cache, "a")));
}

static void no_more_volumes_than_the_driver_attaches(void **state)
{
	struct world w = storage_world();

	(void)state;
	put_csi_claims(&w, 4);
	expect_claims(&w, "c0 c1 c2", "", ""); /* nobody sets a limit */
	put_limit(&w, "a", "drv", 2);
	put_limit(&w, "b", "other", 0);
	expect_claims(&w, "c0 c1", "", "");
	expect_claims(&w, "c0 c1 c2", FULL, "");
	put_there(&w, "q", "c0 c1");
	expect_claims(&w, "c2", FULL, "");
	expect_claims(&w, "c0", "", ""); /* it is there already */
	expect_claims(&w, "c0 c1", "", "");
	expect_claims(&w, "c1 c2", FULL, "");
	put(&w, "{'kind':'CSINode','metadata':{'name':'a'},'spec':{'drivers':[{'name':'drv'}]}}");
	expect_claims(&w, "c2", "", "");
	world_free(&w);
}

static void a_volume_is_counted_once(void **state)
{
	struct world w = storage_world();

	(void)state;
	put_csi_claims(&w, 3);
	put_limit(&w, "a", "drv", 2);
	put_there(&w, "q", "c0");
	put_there(&w, "r", "c0 c0");
	expect_claims(&w, "c1 c1", "", "");
	expect_claims(&w, "c1 c2", FULL, "");
	world_free(&w);
}

static void attachments_count(void **state)
{
	struct world w = storage_world();
	unsigned i;

	(void)state;
	put_csi_claims(&w, 4);
	put_limit(&w, "a", "drv", 2);
	put_there(&w, "q", "c0");
	for (i = 0; i < 2; i++)
		put(&w, "{'kind':'VolumeAttachment','metadata':{'name':'x%u'},'spec':{'attacher':'drv','nodeName':'a',"
			"'source':{'persistentVolumeName':'v%u'}}}", i, i);
	put(&w, "{'kind':'VolumeAttachment','metadata':{'name':'y'},'spec':{'attacher':'drv','nodeName':'b','source':{'persistentVolumeName':'v2'}}}");
	put(&w, "{'kind':'VolumeAttachment','metadata':{'name':'z'},'spec':{'attacher':'drv','nodeName':'a','source':{'persistentVolumeName':'?'}}}");
	put(&w, "{'kind':'VolumeAttachment','metadata':{'name':'i'},'spec':{'attacher':'drv','nodeName':'a','source':{}}}");
	expect_claims(&w, "c2", FULL, ""); /* v0 by a pod, v1 attached */
	expect_claims(&w, "c1", FULL, ""); /* kube-scheduler counts it once more, though it is the same */
	expect_claims(&w, "c0", "", "");
	cache_delete_object(w.cache, OBJECT_ATTACHMENT, "", "x1");
	expect_claims(&w, "c2", "", "");
	world_free(&w);
}

static void a_claim_without_a_volume_counts_by_its_class(void **state)
{
	struct world w = storage_world();

	(void)state;
	put_class(&w, "wait", "drv", "," WAITS);
	put_class(&w, "ebs", "kubernetes.io/aws-ebs", "," WAITS);
	put_class(&w, "file", "kubernetes.io/azure-file", "," WAITS);
	put_claim(&w, "one", "wait", "1Gi", "");
	put_claim(&w, "two", "wait", "1Gi", "");
	put_claim(&w, "three", "ebs", "1Gi", "");
	put_claim(&w, "four", "file", "1Gi", "");
	put(&w, "{'kind':'CSINode','metadata':{'name':'a'},'spec':{'drivers':[{'name':'drv','allocatable':{'count':1}},"
		"{'name':'ebs.csi.aws.com','allocatable':{'count':0}},{'name':'file.csi.azure.com','allocatable':{'count':0}}]}}");
	expect_claims(&w, "one", "", "");
	expect_claims(&w, "one two", FULL, "");
	expect_claims(&w, "three", FULL, "");
	expect_claims(&w, "four", "", "");
	world_free(&w);
}

static void migrated_disks_count(void **state)
{
	static const struct {
		const char *inline_disk, *driver;
		bool counts;
	} examples[] = {
		{"'gcePersistentDisk':{'pdName':'d'}", "pd.csi.storage.gke.io", true},
		{"'awsElasticBlockStore':{'volumeID':'d'}", "ebs.csi.aws.com", true},
		{"'azureDisk':{'diskURI':'d','kind':'Managed'}", "disk.csi.azure.com", true},
		{"'cinder':{'volumeID':'d'}", "cinder.csi.openstack.org", true},
		{"'portworxVolume':{'volumeID':'d'}", "pxd.portworx.com", true},
		{"'azureFile':{'shareName':'d'}", "file.csi.azure.com", false},
		{"'vsphereVolume':{'volumePath':'d'}", "csi.vsphere.vmware.com", false},
		{"'csi':{'driver':'pxd.portworx.com'}", "pxd.portworx.com", false},
	};
	unsigned i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(examples); i++) {
		struct world w = storage_world();

		put_limit(&w, "a", examples[i].driver, 0);
		put_bound(&w, "c", "v", "");
		put(&w, "{'kind':'PersistentVolume','metadata':{'name':'v'},'spec':{%s}}", examples[i].inline_disk);
		world_expect(&w, pod_with("p", "'volumes':[{'name':'v',%s}]", examples[i].inline_disk), "a", examples[i].counts ? FULL : "");
		world_expect(&w, pod_with("p", "'volumes':[{'name':'v',%s}]", examples[i].inline_disk), "b", "");
		if (examples[i].inline_disk[1] != 'c') /* an inline csi volume is nobody's PersistentVolume */
			expect_claims(&w, "c", examples[i].counts ? FULL : "", "");
		world_free(&w);
	}
}

static void nominated_pods_count(void **state)
{
	struct world w = storage_world();

	(void)state;
	put_csi_claims(&w, 3);
	put_limit(&w, "a", "drv", 1);
	cache_put_pod(w.cache, pod_of("{'metadata':{'name':'q','namespace':'default','uid':'q'},'spec':{'volumes':[{'name':'v',"
				      "'persistentVolumeClaim':{'claimName':'c0'}}]},'status':{'nominatedNodeName':'a'}}"));
	expect_claims(&w, "c1", FULL, "");
	expect_claims(&w, "c0", "", "");
	world_free(&w);
}

/* --- zones --- */

static void zones_of_bound_volumes(void **state)
{
	static const struct {
		const char *volume, *node;
		bool fits;
	} examples[] = {
		{"", "'topology.kubernetes.io/zone':'z'", true},
		{"'topology.kubernetes.io/zone':'z'", "'topology.kubernetes.io/zone':'z'", true},
		{"'topology.kubernetes.io/zone':'z'", "'topology.kubernetes.io/zone':'y'", false},
		{"'topology.kubernetes.io/zone':'y__z'", "'topology.kubernetes.io/zone':'z'", true},
		{"'topology.kubernetes.io/zone':'y__ z '", "'topology.kubernetes.io/zone':'z'", true},
		{"'topology.kubernetes.io/zone':'y__z'", "'topology.kubernetes.io/zone':'x'", false},
		{"'topology.kubernetes.io/zone':'y__'", "'topology.kubernetes.io/zone':'x'", true},	/* cannot be read: passed over */
		{"'topology.kubernetes.io/zone':''", "'topology.kubernetes.io/zone':'x'", true},
		{"'topology.kubernetes.io/zone':'z'", "'app':'x'", true},				/* a node without any zone */
		{"'topology.kubernetes.io/zone':'z'", "'topology.kubernetes.io/region':'z'", false},
		{"'topology.kubernetes.io/region':'r'", "'topology.kubernetes.io/region':'r'", true},
		{"'failure-domain.beta.kubernetes.io/zone':'z'", "'failure-domain.beta.kubernetes.io/zone':'z'", true},
		{"'failure-domain.beta.kubernetes.io/zone':'z'", "'topology.kubernetes.io/zone':'z'", true},
		{"'failure-domain.beta.kubernetes.io/zone':'z'", "'topology.kubernetes.io/zone':'y'", false},
		{"'topology.kubernetes.io/zone':'z'", "'failure-domain.beta.kubernetes.io/zone':'z'", false},
		{"'failure-domain.beta.kubernetes.io/region':'r'", "'topology.kubernetes.io/region':'r'", true},
		{"'topology.kubernetes.io/zone':'z','topology.kubernetes.io/region':'r'",
		 "'topology.kubernetes.io/zone':'z','topology.kubernetes.io/region':'q'", false},
	};
	unsigned i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(examples); i++) {
		struct world w = world_new();
		auto_free char *labels = xasprintf(",%s", examples[i].node);

		cache_know_storage(w.cache);
		cache_put_node(w.cache, node_with("n", "%s", labels));
		put_bound(&w, "c", "v", "");
		put(&w, "{'kind':'PersistentVolume','metadata':{'name':'v','labels':{%s}},'spec':{}}", examples[i].volume);
		world_expect(&w, pod_with_claims("p", "c"), "n", examples[i].fits ? "" : NO_ZONE);
		world_free(&w);
	}
}

static void zones_ask_for_the_volume_of_a_claim_alone(void **state)
{
	struct world w = storage_world();

	(void)state;
	put_bound(&w, "c", "v", "");
	expect_refused(&w, pod_with_claims("p", "c"), "persistentvolume \"v\" not found");
	put(&w, "{'kind':'PersistentVolumeClaim','metadata':{'name':'p-e','namespace':'default','ownerReferences':[{'uid':'uid-p',"
		"'controller':true}],'annotations':{'pv.kubernetes.io/bind-completed':''}},'spec':{'volumeName':'w'}}");
	put(&w, "{'kind':'PersistentVolume','metadata':{'name':'w','labels':{'topology.kubernetes.io/zone':'zb'}},'spec':{}}");
	world_expect(&w, pod_with("p", "'volumes':[{'name':'e','ephemeral':{}}]"), "a", ""); /* of an ephemeral volume kube-scheduler does not */
	world_free(&w);
}

/* --- what nodes declare --- */

static void features_that_a_node_has_to_declare(void **state)
{
	static const char mismatch[] = "node(s) didn't match Pod's required features";
	static const char groups[] = "node(s) didn't support supplementalGroupsPolicy Strict";
	static const struct {
		const char *spec, *reason_bare, *reason_all;
	} examples[] = {
		{"'containers':[{'restartPolicyRules':[{'action':'Restart'}]}]", "", ""},
		{"'containers':[{'restartPolicyRules':[{'action':'RestartAllContainers'}]}]", mismatch, ""},
		{"'initContainers':[{},{'restartPolicyRules':[{'action':'RestartAllContainers'}]}]", mismatch, ""},
		{"'hostNetwork':true,'hostUsers':false", mismatch, ""},
		{"'hostNetwork':true,'hostUsers':true", "", ""},
		{"'hostNetwork':true", "", ""},
		{"'hostUsers':false", "", ""},
		{"'securityContext':{'supplementalGroupsPolicy':'Strict'}", groups, ""},
		{"'securityContext':{'supplementalGroupsPolicy':'Merge'}", "", ""},
		{"'hostNetwork':true,'hostUsers':false,'securityContext':{'supplementalGroupsPolicy':'Strict'}", mismatch, ""},
	};
	unsigned i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(examples); i++) {
		struct world w = world_new();

		cache_put_node(w.cache, node_of_text("{'metadata':{'name':'bare'},'status':{'allocatable':{'pods':'9'},"
						     "'declaredFeatures':['Other'],'features':{'supplementalGroupsPolicy':false}}}"));
		cache_put_node(w.cache, node_of_text("{'metadata':{'name':'all'},'status':{'allocatable':{'pods':'9'},'declaredFeatures':"
						     "['Other','RestartAllContainersOnContainerExits','UserNamespacesHostNetworkSupport'],"
						     "'features':{'supplementalGroupsPolicy':true}}}"));
		world_expect(&w, pod_with("p", "%s", examples[i].spec), "bare", examples[i].reason_bare);
		world_expect(&w, pod_with("p", "%s", examples[i].spec), "all", examples[i].reason_all);
		world_free(&w);
	}
}

static void a_node_that_declares_more_wakes(void **state)
{
	struct world w = world_new();

	(void)state;
	cache_put_node(w.cache, node_of_text("{'metadata':{'name':'n'},'status':{}}"));
	assert_int_equal(cache_put_node(w.cache, node_of_text("{'metadata':{'name':'n'},'status':{'declaredFeatures':['Other']}}")), 0);
	assert_int_equal(cache_put_node(w.cache, node_of_text("{'metadata':{'name':'n'},'status':{'declaredFeatures':"
							      "['UserNamespacesHostNetworkSupport']}}")), WAKE_NODE_CHANGED);
	world_free(&w);
}

/* --- what a cache knows --- */

static void without_knowledge_pods_with_claims_are_refused_by_name(void **state)
{
	static const struct {
		const char *volume, *name;	/* "": taken */
	} examples[] = {
		{"'persistentVolumeClaim':{'claimName':'c'}", "spec.volumes[1].persistentVolumeClaim"},
		{"'ephemeral':{}", "spec.volumes[1].ephemeral"},
		{"'gcePersistentDisk':{'pdName':'d'}", "spec.volumes[1].gcePersistentDisk"},	/* its driver may have a limit */
		{"'cinder':{'volumeID':'d'}", "spec.volumes[1].cinder"},
		{"'iscsi':{'iqn':'d'}", ""},
		{"'rbd':{'image':'d'}", ""},
		{"'csi':{'driver':'d'}", ""},
		{"'azureFile':{}", ""},
	};
	unsigned i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(examples); i++) {
		struct world w = world_new();
		struct pod *pod = pod_with("p", "'volumes':[{'name':'u','emptyDir':{}},{'name':'v',%s}]", examples[i].volume);
		auto_free char *reason = xasprintf("the pod uses %s, which this scheduler does not support yet", examples[i].name);

		cache_put_node(w.cache, node_with("n", "%s", ""));
		world_decide(&w, pod);
		assert_int_equal(w.decision.refused_by_pod, examples[i].name[0] != '\0');
		if (examples[i].name[0])
			assert_string_equal(w.decision.pod_reason, reason);
		pod_free(pod);
		world_free(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(disks_that_clash), cmocka_unit_test(a_nominated_pod_keeps_its_disk_and_its_claim),
		cmocka_unit_test(a_claim_for_one_pod_alone), cmocka_unit_test(a_disk_is_told_before_a_claim_in_use),
		cmocka_unit_test(no_more_volumes_than_the_driver_attaches), cmocka_unit_test(a_volume_is_counted_once),
		cmocka_unit_test(attachments_count), cmocka_unit_test(a_claim_without_a_volume_counts_by_its_class),
		cmocka_unit_test(migrated_disks_count), cmocka_unit_test(nominated_pods_count), cmocka_unit_test(zones_of_bound_volumes),
		cmocka_unit_test(zones_ask_for_the_volume_of_a_claim_alone), cmocka_unit_test(features_that_a_node_has_to_declare),
		cmocka_unit_test(a_node_that_declares_more_wakes), cmocka_unit_test(without_knowledge_pods_with_claims_are_refused_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
