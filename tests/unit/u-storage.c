#include "tests/unit/objects.h"

#include "lib/buf.h"
#include "sched/cache/cache.h"
#include "sched/cache/storage.h"

static struct object *parse(enum object_kind kind, const char *text)
{
	cJSON *json = object_of(text);
	struct lm_err err = {0};
	struct object *object = object_parse(kind, json, &err);

	if (!object)
		fail_msg("%s: %s", err.msg, text);
	cJSON_Delete(json);
	return object;
}

static void a_claim(void **state)
{
	struct object *object = parse(OBJECT_CLAIM,
		"{'metadata':{'name':'c','namespace':'d','uid':'u','deletionTimestamp':'2026-01-01T00:00:00Z','annotations':{"
		"'volume.beta.kubernetes.io/storage-class':'old','pv.kubernetes.io/bind-completed':'','volume.kubernetes.io/selected-node':''},"
		"'ownerReferences':[{'uid':'x'},{'uid':'pod','controller':true}]},'spec':{'storageClassName':'new','volumeName':'v',"
		"'accessModes':['ReadWriteOnce','ReadOnlyMany','Other'],'resources':{'requests':{'storage':'1500m'}},"
		"'volumeMode':'Block','volumeAttributesClassName':'gold','selector':{'matchLabels':{'a':'b'}}},'status':{'phase':'Lost'}}");
	const struct claim *c = (const struct claim *)object;

	(void)state;
	assert_string_equal(c->class_name, "old"); /* the annotation wins */
	assert_string_equal(c->volume_name, "v");
	assert_true(claim_is_bound(c));
	assert_non_null(c->selected_node);
	assert_string_equal(c->selected_node, "");
	assert_true(c->lost && c->deleting && c->has_request);
	assert_string_equal(c->owner_uid, "pod");
	assert_int_equal(c->access_modes, ACCESS_READ_WRITE_ONCE | ACCESS_READ_ONLY_MANY);
	assert_string_equal(c->volume_mode, "Block");
	assert_string_equal(c->attributes_class, "gold");
	assert_int_equal(c->selector.count, 1);
	assert_int_equal(c->request_bytes, 2);
	object_free(object);
}

static void a_claim_with_nothing(void **state)
{
	struct object *object = parse(OBJECT_CLAIM, "{'metadata':{'name':'c','namespace':'d','ownerReferences':[{'uid':'x'}]},"
					      "'spec':{'resources':{'requests':{}},'selector':null,'volumeName':null}}");
	const struct claim *c = (const struct claim *)object;

	(void)state;
	assert_string_equal(c->class_name, "");
	assert_string_equal(c->owner_uid, "");
	assert_string_equal(c->volume_mode, "Filesystem");
	assert_null(c->selected_node);
	assert_false(claim_is_bound(c) || c->lost || c->deleting || c->has_request);
	assert_true(c->selector.is_nil);
	object_free(object);
}

static void a_volume(void **state)
{
	struct object *object = parse(OBJECT_VOLUME,
		"{'metadata':{'name':'v','labels':{'a':'b'}},'spec':{'storageClassName':'s','capacity':{'storage':1073741824},"
		"'accessModes':['ReadWriteMany','ReadWriteOncePod'],'claimRef':{'namespace':'d','name':'c','uid':'u'},"
		"'csi':{'driver':'drv','volumeHandle':'h'},'nodeAffinity':{'required':{'nodeSelectorTerms':[{'matchExpressions':"
		"[{'key':'a','operator':'Exists'}]}]}}},'status':{'phase':'Bound'}}");
	const struct volume *v = (const struct volume *)object;

	(void)state;
	assert_string_equal(labels_get(&v->labels, "a"), "b");
	assert_string_equal(v->class_name, "s");
	assert_int_equal(v->capacity_bytes, 1 << 30);
	assert_int_equal(v->access_modes, ACCESS_READ_WRITE_MANY | ACCESS_READ_WRITE_ONCE_POD);
	assert_true(v->has_claim && v->node_affinity.present && !v->deleting && !v->in_tree);
	assert_string_equal(v->claim_uid, "u");
	assert_string_equal(v->driver, "drv");
	assert_string_equal(v->handle, "h");
	assert_string_equal(v->phase, "Bound");
	object_free(object);
}

static void handles_of_in_tree_volumes(void **state)
{
	static const struct {
		const char *labels, *source, *driver, *handle;
	} examples[] = {
		{"", "'gcePersistentDisk':{'pdName':'d'}", "pd.csi.storage.gke.io", "projects/UNSPECIFIED/zones/UNSPECIFIED/disks/d"},
		{"'topology.kubernetes.io/zone':'r-x-1'", "'gcePersistentDisk':{'pdName':'d'}", "pd.csi.storage.gke.io",
		 "projects/UNSPECIFIED/zones/r-x-1/disks/d"},
		{"'failure-domain.beta.kubernetes.io/zone':'z','topology.kubernetes.io/zone':'r'", "'gcePersistentDisk':{'pdName':'d'}",
		 "pd.csi.storage.gke.io", "projects/UNSPECIFIED/zones/z/disks/d"},
		{"'topology.kubernetes.io/zone':'r-x-1__r-x-2'", "'gcePersistentDisk':{'pdName':'d'}", "pd.csi.storage.gke.io",
		 "projects/UNSPECIFIED/regions/r-x/disks/d"},
		{"'topology.kubernetes.io/zone':'r-x-1__r-y-2'", "'gcePersistentDisk':{'pdName':'d'}", "", ""},
		{"'topology.kubernetes.io/zone':'r-1__r-2'", "'gcePersistentDisk':{'pdName':'d'}", "", ""},
		{"'topology.kubernetes.io/zone':'a-b-c-d__a-b-c-d'", "'gcePersistentDisk':{'pdName':'d'}", "", ""},
		{"", "'awsElasticBlockStore':{'volumeID':'vol-1'}", "ebs.csi.aws.com", "vol-1"},
		{"", "'awsElasticBlockStore':{'volumeID':'anything/else'}", "ebs.csi.aws.com", "anything/else"},
		{"", "'awsElasticBlockStore':{'volumeID':'aws://us-east-1a/vol-1'}", "ebs.csi.aws.com", "vol-1"},
		{"", "'awsElasticBlockStore':{'volumeID':'aws:///vol-1/'}", "ebs.csi.aws.com", "vol-1"},
		{"", "'awsElasticBlockStore':{'volumeID':'aws://vol-1'}", "", ""},
		{"", "'awsElasticBlockStore':{'volumeID':'aws:///vol-1/x'}", "", ""},
		{"", "'awsElasticBlockStore':{'volumeID':'aws:///disk'}", "", ""},
		{"", "'azureDisk':{'diskURI':'/s/d','kind':'managed'}", "disk.csi.azure.com", "/s/d"},
		{"", "'azureDisk':{'diskURI':'/s/d','kind':'Dedicated'}", "", ""},
		{"", "'azureDisk':{'diskURI':'/s/d'}", "", ""},
		{"", "'cinder':{'volumeID':'c'}", "cinder.csi.openstack.org", "c"},
		{"", "'portworxVolume':{'volumeID':'p'}", "pxd.portworx.com", "p"},
		{"", "'azureFile':{'shareName':'s'}", "", ""},
		{"", "'vsphereVolume':{'volumePath':'s'}", "", ""},
		{"", "'nfs':{'server':'s'}", "", ""},
	};
	unsigned i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(examples); i++) {
		auto_free char *text = xasprintf("{'metadata':{'name':'v','labels':{%s}},'spec':{%s}}", examples[i].labels, examples[i].source);
		struct object *object = parse(OBJECT_VOLUME, text);
		const struct volume *v = (const struct volume *)object;

		assert_string_equal(v->driver, examples[i].driver);
		assert_string_equal(v->handle, examples[i].handle);
		assert_int_equal(v->untranslated, v->in_tree && !v->driver[0]);
		object_free(object);
	}
}

#define TERM(...) "{'required':{'nodeSelectorTerms':[{'matchExpressions':[" __VA_ARGS__ "]}]}}"
#define IN(key, value) "{'key':'" key "','operator':'In','values':['" value "']}"
#define GA "topology.kubernetes.io/"
#define BETA "failure-domain.beta.kubernetes.io/"

/* The affinity on nodes where the plugin is migrated: which node labels it takes. */
static void topology_of_in_tree_volumes(void **state)
{
	static const struct {
		const char *source, *labels, *affinity, *node;
		bool fits, fits_migrated;
	} examples[] = {
		{"gcePersistentDisk", "", "null", "", true, true},
		{"gcePersistentDisk", "", TERM(IN(GA "zone", "z")), "'topology.gke.io/zone':'z'", false, true},
		{"gcePersistentDisk", "", TERM(IN(BETA "zone", "z")), "'topology.gke.io/zone':'z'", false, true},
		{"gcePersistentDisk", "", TERM(IN(GA "zone", "z")), "'" GA "zone':'z'", true, false},
		{"gcePersistentDisk", "'" GA "zone':'y__z'", "null", "'topology.gke.io/zone':'z'", true, true},
		{"gcePersistentDisk", "'" GA "zone':'y__z'", "null", "'topology.gke.io/zone':'x'", true, false},
		{"awsElasticBlockStore", "'" BETA "zone':'z'", "null", "'topology.ebs.csi.aws.com/zone':'z'", true, true},
		{"awsElasticBlockStore", "'" GA "zone':'y'", TERM(IN(GA "zone", "z")), "'topology.ebs.csi.aws.com/zone':'z'", false, true},
		{"awsElasticBlockStore", "'" GA "zone':'z'", TERM(IN("disk", "ssd")), "'disk':'ssd'", true, false},
		{"cinder", "", TERM(IN(BETA "zone", "z") "," IN(BETA "region", "r")),
		 "'topology.cinder.csi.openstack.org/zone':'z','" GA "region':'r'", false, true},
		{"cinder", "", TERM(IN(GA "zone", "z") "," IN(BETA "region", "r")),
		 "'topology.cinder.csi.openstack.org/zone':'z','" GA "region':'r'", false, false},
		{"azureDisk", "'" GA "zone':'z'", TERM(IN(GA "zone", "z")), "'" GA "zone':'z'", true, true},
		{"portworxVolume", "", TERM(IN(BETA "zone", "z")), "'" BETA "zone':'z'", true, true},
	};
	unsigned i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(examples); i++) {
		auto_free char *text = xasprintf("{'metadata':{'name':'v','labels':{%s}},'spec':{'%s':{'kind':'Managed'},'nodeAffinity':%s}}",
						 examples[i].labels, examples[i].source, examples[i].affinity);
		auto_free char *labels = xasprintf("{%s}", examples[i].node);
		struct object *object = parse(OBJECT_VOLUME, text);
		const struct volume *v = (const struct volume *)object;
		cJSON *json = object_of(labels);
		struct labels node;

		labels_parse(json, &node);
		if (node_selector_matches(&v->node_affinity, &node, "") != examples[i].fits ||
		    node_selector_matches(&v->migrated_affinity, &node, "") != examples[i].fits_migrated)
			fail_msg("%s on %s", text, labels);
		labels_free(&node);
		cJSON_Delete(json);
		object_free(object);
	}
}

static void a_class(void **state)
{
	struct object *object = parse(OBJECT_CLASS, "{'metadata':{'name':'s'},'provisioner':'p','volumeBindingMode':'WaitForFirstConsumer',"
		"'allowedTopologies':[{'matchLabelExpressions':[{'key':'zone','values':['a','b']},{'key':'disk','values':['ssd']}]},{}]}");
	const struct storage_class *s = (const struct storage_class *)object;

	(void)state;
	assert_string_equal(s->provisioner, "p");
	assert_true(s->waits && s->topologies.present);
	assert_int_equal(s->topologies.count, 2);
	assert_int_equal(s->topologies.terms[0].expression_count, 2);
	assert_int_equal(s->topologies.terms[0].expressions[0].op, LABEL_IN);
	object_free(object);
	object = parse(OBJECT_CLASS, "{'metadata':{'name':'s'},'allowedTopologies':[]}");
	s = (const struct storage_class *)object;
	assert_false(s->waits || s->topologies.present);
	object_free(object);
}

static void what_drivers_say(void **state)
{
	struct object *object = parse(OBJECT_CSI_NODE, "{'metadata':{'name':'n','annotations':{'storage.alpha.kubernetes.io/migrated-plugins':"
		"'kubernetes.io/aws-ebs,kubernetes.io/cinder'}},'spec':{'drivers':[{'name':'d','allocatable':{'count':25}},"
		"{'name':'e','allocatable':{}},{'name':'f','allocatable':null}]}}");
	const struct csi_node *n = (const struct csi_node *)object;

	(void)state;
	assert_int_equal(n->driver_count, 3);
	assert_true(n->drivers[0].has_count && !n->drivers[1].has_count && !n->drivers[2].has_count);
	assert_int_equal(n->drivers[0].count, 25);
	assert_true(csi_node_migrates(n, in_tree_of_plugin("kubernetes.io/cinder")));
	assert_false(csi_node_migrates(n, in_tree_of_plugin("kubernetes.io/gce-pd")));
	assert_false(csi_node_migrates(NULL, in_tree_of_plugin("kubernetes.io/cinder")));
	object_free(object);
	object = parse(OBJECT_CSI_DRIVER, "{'metadata':{'name':'d'},'spec':{'storageCapacity':true}}");
	assert_true(((const struct csi_driver *)object)->storage_capacity);
	object_free(object);
	object = parse(OBJECT_ATTACHMENT, "{'metadata':{'name':'x'},'spec':{'attacher':'d','nodeName':'n','source':{'persistentVolumeName':'v'}}}");
	assert_string_equal(((const struct attachment *)object)->volume_name, "v");
	object_free(object);
}

static void capacities(void **state)
{
	static const struct {
		const char *members;
		bool has_limit;
		int64_t limit;
	} examples[] = {
		{"'capacity':'1Gi','maximumVolumeSize':'1Mi'", true, 1 << 20},
		{"'capacity':'1Gi'", true, 1 << 30},
		{"'capacity':'0'", true, 0},
		{"'storageClassName':'s'", false, 0},
	};
	unsigned i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(examples); i++) {
		auto_free char *text = xasprintf("{'metadata':{'name':'x','namespace':'d'},%s}", examples[i].members);
		struct object *object = parse(OBJECT_CAPACITY, text);
		const struct storage_capacity *s = (const struct storage_capacity *)object;

		assert_int_equal(s->has_limit, examples[i].has_limit);
		assert_int_equal(s->limit_bytes, examples[i].limit);
		assert_true(s->node_topology.is_nil);
		object_free(object);
	}
}

static void a_bad_quantity_names_its_place(void **state)
{
	static const struct {
		enum object_kind kind;
		const char *text, *message;
	} examples[] = {
		{OBJECT_CLAIM, "{'metadata':{'name':'x'},'spec':{'resources':{'requests':{'storage':'much'}}}}",
		 "PersistentVolumeClaim x: storage: \"much\" is not a quantity"},
		{OBJECT_VOLUME, "{'metadata':{'name':'x'},'spec':{'capacity':{'storage':'1x'}}}",
		 "PersistentVolume x: storage: \"1x\" is not a quantity"},
		{OBJECT_CAPACITY, "{'metadata':{'name':'x'},'capacity':'?'}", "CSIStorageCapacity x: capacity: \"?\" is not a quantity"},
		{OBJECT_CLASS, "{'metadata':{}}", "a StorageClass without metadata.name"},
	};
	unsigned i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(examples); i++) {
		cJSON *json = object_of(examples[i].text);
		struct lm_err err = {0};

		assert_null(object_parse(examples[i].kind, json, &err));
		assert_string_equal(err.msg, examples[i].message);
		cJSON_Delete(json);
	}
}

/* Whatever type a member has, parsers take it or leave it. */
static void members_of_other_types(void **state)
{
	static const char *const values[] = {"null", "1", "true", "'text'", "[]", "[1,null,'x',{}]", "{}", "{'a':1}"};
	static const char *const shapes[] = {
		"{'metadata':{'name':'x','annotations':%s,'labels':%s},'spec':%s,'status':%s,'allowedTopologies':%s,'nodeTopology':%s}",
		"{'metadata':{'name':'x'},'spec':{'accessModes':%s,'selector':%s,'claimRef':%s,'csi':%s,'drivers':%s,'nodeAffinity':%s}}",
		"{'metadata':{'name':'x'},'spec':{'awsElasticBlockStore':{},'nodeAffinity':{'required':%s},'source':%s,'resources':%s,"
		"'capacity':%s,'volumeMode':%s,'volumeName':%s}}",
		"{'metadata':{'name':'x','labels':{'topology.kubernetes.io/zone':'z'}},'spec':{'cinder':{},'nodeAffinity':{'required':"
		"{'nodeSelectorTerms':%s}},'a':%s,'b':%s,'c':%s,'d':%s,'e':%s}}",
	};
	unsigned i, k, kind;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(shapes); i++)
		for (k = 0; k < ARRAY_SIZE(values); k++)
			for (kind = 0; kind < OBJECT_KINDS; kind++) {
				const char *v = values[k];
				auto_buf struct buf text = {0};
				const char *at, *hole;

				for (at = shapes[i]; (hole = strstr(at, "%s")); at = hole + 2) {
					buf_add(&text, at, (size_t)(hole - at));
					buf_str(&text, v);
				}
				buf_str(&text, at);
				object_free(parse((enum object_kind)kind, text.data));
			}
}

static void promises_end_with_what_they_are_about(void **state)
{
	char namespace_[] = "d", claim[] = "c", other[] = "e", volume[] = "v", node[] = "n", none[] = "";
	struct cache *c = cache_new();

	(void)state;
	cache_promise(c, &(struct promise){namespace_, claim, volume, none});
	cache_promise(c, &(struct promise){namespace_, other, none, node});
	cache_promise(c, &(struct promise){namespace_, claim, volume, none});
	assert_int_equal(cache_view(c)->promise_count, 2);
	cache_put_object(c, parse(OBJECT_CLAIM, "{'metadata':{'name':'c','namespace':'d','resourceVersion':'1'}}"));
	assert_int_equal(cache_view(c)->promise_count, 2); /* the promise is the volume's */
	cache_put_object(c, parse(OBJECT_CLAIM, "{'metadata':{'name':'e','namespace':'x','resourceVersion':'1'}}"));
	assert_int_equal(cache_view(c)->promise_count, 2); /* another namespace */
	cache_put_object(c, parse(OBJECT_CLAIM, "{'metadata':{'name':'e','namespace':'d','resourceVersion':'1'}}"));
	assert_int_equal(cache_view(c)->promise_count, 1);
	cache_put_object(c, parse(OBJECT_VOLUME, "{'metadata':{'name':'v','resourceVersion':'1'}}"));
	assert_int_equal(cache_view(c)->promise_count, 0);
	cache_promise(c, &(struct promise){namespace_, claim, volume, none});
	cache_put_object(c, parse(OBJECT_VOLUME, "{'metadata':{'name':'v','resourceVersion':'1'}}"));
	assert_int_equal(cache_view(c)->promise_count, 1); /* seen before */
	cache_delete_object(c, OBJECT_VOLUME, "", "v");
	assert_int_equal(cache_view(c)->promise_count, 0);
	cache_promise(c, &(struct promise){namespace_, claim, volume, none});
	assert_int_equal(cache_unpromise(c, "d", "c"), WAKE_STORAGE);
	assert_int_equal(cache_unpromise(c, "d", "c"), 0);
	cache_promise(c, &(struct promise){namespace_, claim, volume, none});
	cache_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_claim), cmocka_unit_test(a_claim_with_nothing), cmocka_unit_test(a_volume),
		cmocka_unit_test(handles_of_in_tree_volumes), cmocka_unit_test(topology_of_in_tree_volumes), cmocka_unit_test(a_class),
		cmocka_unit_test(what_drivers_say), cmocka_unit_test(capacities), cmocka_unit_test(a_bad_quantity_names_its_place),
		cmocka_unit_test(members_of_other_types), cmocka_unit_test(promises_end_with_what_they_are_about),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
