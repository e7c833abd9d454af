#include "tests/unit/objects.h"

#include "lib/buf.h"

static void a_pod_with_everything(void **state)
{
	struct pod *pod = pod_of(
		"{'metadata':{'name':'web-0','namespace':'shop','uid':'u1','resourceVersion':'77','generation':3,"
		"'creationTimestamp':'2026-11-21T21:00:00Z','deletionTimestamp':'2026-11-21T22:00:00Z','deletionGracePeriodSeconds':30,"
		"'labels':{'app':'web'},'annotations':{'kubernetes.io/config.mirror':'x'},"
		"'ownerReferences':[{'kind':'X','name':'x','uid':'ux'},{'controller':true,'kind':'StatefulSet','name':'web','uid':'uw'}]},"
		"'spec':{'nodeName':'edge-1','schedulerName':'my-latency-scheduler','priority':-5,'schedulingGates':[{'name':'g'}],"
		"'os':{'name':'linux'},'nodeSelector':{'disk':'ssd'},"
		"'tolerations':[{'operator':'Exists'},{'key':'a','value':'b','effect':'NoExecute'},{'key':'c','operator':'Gt','value':'5'}],"
		"'containers':[{'name':'c','resources':{'requests':{'cpu':'1'}},'ports':[{'containerPort':80},{'hostPort':8080},"
		"{'hostPort':53,'protocol':'UDP','hostIP':'10.0.0.1'}]}],"
		"'initContainers':[{'name':'i','ports':[{'hostPort':1}]},{'name':'s','restartPolicy':'Always','ports':[{'hostPort':2}]}]},"
		"'status':{'phase':'Failed','nominatedNodeName':'edge-2','conditions':[{'type':'Ready','status':'False','reason':'No'},"
		"{'type':'PodScheduled','status':'False','reason':'Unschedulable','message':'0/1'}]}}");
	char key[64];

	(void)state;
	assert_string_equal(pod->uid, "u1");
	assert_string_equal(pod->resource_version, "77");
	assert_int_equal(pod->generation, 3);
	assert_int_equal(pod->created_ms, INT64_C(1795294800000));
	assert_true(pod->terminating);
	assert_int_equal(pod->grace_s, 30);
	assert_true(pod->mirror);
	assert_true(pod->terminal);
	assert_true(pod->gated);
	assert_string_equal(pod->node, "edge-1");
	assert_string_equal(pod->scheduler_name, "my-latency-scheduler");
	assert_string_equal(pod->nominated_node, "edge-2");
	assert_int_equal(pod->priority, -5);
	assert_string_equal(pod->os, "linux");
	assert_string_equal(pod->owner_kind, "StatefulSet");
	assert_string_equal(pod->owner_uid, "uw");
	assert_string_equal(pod->controller, "web");
	assert_string_equal(pod->condition_reason, "Unschedulable");
	assert_string_equal(pod->condition_message, "0/1");
	assert_string_equal(labels_get(&pod->labels, "app"), "web");
	assert_string_equal(labels_get(&pod->node_selector, "disk"), "ssd");
	assert_int_equal(pod->toleration_count, 3);
	assert_true(pod->tolerations[0].exists && !pod->tolerations[0].never);
	assert_false(pod->tolerations[1].exists || pod->tolerations[1].never);
	assert_true(pod->tolerations[2].never);
	assert_int_equal(pod->port_count, 3); /* 8080 and 53, and the sidecar's 2 */
	assert_string_equal(pod->ports[0].protocol, "TCP");
	assert_string_equal(pod->ports[1].ip, "10.0.0.1");
	assert_int_equal(pod->ports[2].port, 2);
	assert_int_equal(pod->requests.cpu_milli, 1000);
	assert_null(pod->broken);
	assert_null(pod->unsupported);
	pod_key(pod, key, sizeof(key));
	assert_string_equal(key, "shop/web-0");
	pod_free(pod);
}

static void a_pod_with_nothing(void **state)
{
	struct pod *pod = pod_of("{'metadata':{'name':'p','namespace':'d','uid':'u'}}");

	(void)state;
	assert_string_equal(pod->node, "");
	assert_string_equal(pod->nominated_node, "");
	assert_string_equal(pod->controller, "");
	assert_string_equal(pod->os, "");
	assert_null(pod->condition_reason);
	assert_int_equal(pod->grace_s, 0);
	assert_false(pod->terminal || pod->terminating || pod->mirror || pod->gated || pod->node_affinity.present);
	assert_int_equal(pod->priority, 0);
	assert_null(pod->broken);
	assert_null(pod->unsupported);
	pod_free(pod);
}

static void identity_is_needed(void **state)
{
	static const struct {
		const char *pod, *says;
	} examples[] = {
		{"{}", "a pod without metadata.uid (/)"},
		{"[]", "a pod without metadata.uid (/)"},
		{"{'metadata':{'uid':'u','name':'p'}}", "a pod without metadata.namespace (/p)"},
		{"{'metadata':{'uid':'u','namespace':'d','name':''}}", "a pod without metadata.name (d/)"},
		{"{'metadata':{'uid':7,'namespace':'d','name':'p'}}", "a pod without metadata.uid (d/p)"},
	};
	unsigned i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(examples); i++) {
		cJSON *object = object_of(examples[i].pod);
		struct lm_err err = {0};

		assert_null(pod_parse(object, &err));
		assert_string_equal(err.msg, examples[i].says);
		assert_int_equal(err.code, LM_DATA);
		cJSON_Delete(object);
	}
}

static void a_controller_is_what_people_call_it(void **state)
{
	static const struct {
		const char *kind, *name, *hash, *controller;
	} examples[] = {
		{"ReplicaSet", "web-7d9f8", "7d9f8", "web"},
		{"ReplicaSet", "my-web-7d9f8", "7d9f8", "my-web"},
		{"ReplicaSet", "web-7d9f8", "other", "web-7d9f8"},
		{"ReplicaSet", "web7d9f8", "7d9f8", "web7d9f8"},
		{"ReplicaSet", "-7d9f8", "7d9f8", "-7d9f8"},
		{"ReplicaSet", "7d9f8", "7d9f8", "7d9f8"},
		{"ReplicaSet", "web-7d9f8", "", "web-7d9f8"},
		{"StatefulSet", "web-7d9f8", "7d9f8", "web-7d9f8"},
	};
	unsigned i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(examples); i++) {
		auto_free char *text = xasprintf("{'metadata':{'name':'p','namespace':'d','uid':'u','labels':{'pod-template-hash':'%s'},"
						 "'ownerReferences':[{'controller':true,'kind':'%s','name':'%s','uid':'o'}]}}",
						 examples[i].hash, examples[i].kind, examples[i].name);
		struct pod *pod = pod_of(text);

		assert_string_equal(pod->controller, examples[i].controller);
		pod_free(pod);
	}
}

static void anti_affinity_terms(void **state)
{
	struct pod *pod = pod_with("p", "'affinity':{'podAntiAffinity':{'requiredDuringSchedulingIgnoredDuringExecution':["
					"{'topologyKey':'zone','labelSelector':{'matchLabels':{'a':'1'}}},"
					"{'topologyKey':'host','namespaces':['x','y']},"
					"{'topologyKey':'host','labelSelector':{},'namespaceSelector':{}}]}}");

	(void)state;
	assert_int_equal(pod->anti_affinity_count, 3);
	assert_string_equal(pod->anti_affinity[0].topology_key, "zone");
	assert_int_equal(pod->anti_affinity[0].namespace_count, 1);
	assert_string_equal(pod->anti_affinity[0].namespaces[0], "default");
	assert_int_equal(pod->anti_affinity[1].namespace_count, 2);
	assert_true(pod->anti_affinity[1].selector.is_nil);
	assert_int_equal(pod->anti_affinity[2].namespace_count, 0);
	assert_false(pod->anti_affinity[2].namespaces_of.is_nil);
	pod_free(pod);
}

#define REQUIRED "'requiredDuringSchedulingIgnoredDuringExecution'"
#define PREFERRED "'preferredDuringSchedulingIgnoredDuringExecution'"

static void what_is_not_supported_is_named(void **state)
{
	static const struct {
		const char *spec, *field;
	} examples[] = {
		{"'volumes':[{'name':'a','azureDisk':{'diskURI':'d'}}]", "spec.volumes[0].azureDisk that its CSI driver cannot name"},
		{"'volumes':[{'name':'a','awsElasticBlockStore':{'volumeID':'aws://zone/disk'}}]",
		 "spec.volumes[0].awsElasticBlockStore that its CSI driver cannot name"},
		{"'volumes':[{'name':'a','inventedTomorrow':{}}]", "spec.volumes[0].inventedTomorrow"},
		{"'resourceClaims':[{'name':'gpu'}]", "spec.resourceClaims"},
		{"'schedulingGroup':{'podGroupName':'g'}", "spec.schedulingGroup"},
		{"'workloadRef':{'name':'w'}", "spec.workloadRef"},
	};
	unsigned i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(examples); i++) {
		struct pod *pod = pod_with("p", "%s", examples[i].spec);

		if (!pod->unsupported)
			fail_msg("%s is taken", examples[i].spec);
		assert_string_equal(pod->unsupported, examples[i].field);
		pod_free(pod);
	}
}

static void pod_groups_are_not_supported(void **state)
{
	static const char *const places[] = {"labels", "annotations"};
	unsigned i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(places); i++) {
		auto_free char *text = xasprintf("{'metadata':{'name':'p','namespace':'d','uid':'u','%s':{'scheduling.x-k8s.io/pod-group':"
						 "'g'}}}", places[i]);
		auto_free char *field = xasprintf("metadata.%s[scheduling.x-k8s.io/pod-group]", places[i]);
		struct pod *pod = pod_of(text);

		assert_non_null(pod->unsupported);
		assert_string_equal(pod->unsupported, field);
		pod_free(pod);
	}
}

static void wishes_and_plain_fields_are_fine(void **state)
{
	static const char *const specs[] = {
		"'affinity':{'podAffinity':{" PREFERRED ":[{'weight':1}]},'podAntiAffinity':{" PREFERRED ":[{'weight':1}]}}",
		"'affinity':{'podAffinity':{" REQUIRED ":[]},'podAntiAffinity':null}",
		"'affinity':{'podAffinity':{" REQUIRED ":[{}]},'podAntiAffinity':{" REQUIRED ":[{}]}}",
		"'topologySpreadConstraints':[{'whenUnsatisfiable':'DoNotSchedule'}]",
		"'affinity':{'nodeAffinity':{" REQUIRED ":{'nodeSelectorTerms':[]}}}",
		"'topologySpreadConstraints':[{'whenUnsatisfiable':'ScheduleAnyway'}]",
		"'topologySpreadConstraints':[]", "'topologySpreadConstraints':null",
		("'volumes':[{'name':'a','emptyDir':{}},{'name':'b','configMap':{}},{'name':'c','secret':{}},{'name':'d','projected':{}},"
		 "{'name':'e','hostPath':{}},{'name':'f','downwardAPI':{}},{'name':'g','nfs':{}},{'name':'h','image':{}},{'name':'i'}]"),
		"'volumes':[{'name':'a','emptyDir':{},'persistentVolumeClaim':null}]",
		("'volumes':[{'name':'a','persistentVolumeClaim':{'claimName':'c'}},{'name':'b','ephemeral':{}},{'name':'c','csi':{'driver':'d'}},"
		 "{'name':'d','gcePersistentDisk':{}},{'name':'e','awsElasticBlockStore':{}},{'name':'f','iscsi':{}},{'name':'g','rbd':{}},"
		 "{'name':'h','azureDisk':{'kind':'Managed'}},{'name':'i','cinder':{}},{'name':'j','azureFile':{}},{'name':'k','storageos':{}}]"),
		"'hostNetwork':true,'hostUsers':false", "'securityContext':{'supplementalGroupsPolicy':'Strict'}",
		"'containers':[{'restartPolicyRules':[{'action':'RestartAllContainers'}]}]",
		"'resourceClaims':[]", "'schedulingGroup':null", "'hostNetwork':true", "'hostUsers':false",
		"'securityContext':{'supplementalGroupsPolicy':'Merge'}",
	};
	unsigned i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(specs); i++) {
		struct pod *pod = pod_with("p", "%s", specs[i]);

		if (pod->unsupported)
			fail_msg("%s: %s", specs[i], pod->unsupported);
		pod_free(pod);
	}
}

static void a_bad_quantity_is_kept_for_the_reason(void **state)
{
	struct pod *pod = pod_with("p", "'containers':[{'resources':{'requests':{'cpu':'many'}}}]");

	(void)state;
	assert_non_null(pod->broken);
	assert_string_equal(pod->broken, "spec.containers[0].resources.requests: cpu: \"many\" is not a quantity");
	pod_free(pod);
}

/* Members of the wrong type, anywhere: a pod comes out, or an error; never a crash. */
static void any_member_of_any_type(void **state)
{
	static const char *const values[] = {"null", "true", "7", "-1e300", "''", "'x'", "[]", "[7]", "['x',null]", "{}", "{'a':7}", "[{}]",
					     "[[]]", "[{'a':[]}]"};
	static const char *const paths[] = {
		"'nodeName':%s", "'priority':%s", "'schedulingGates':%s", "'os':%s", "'os':{'name':%s}", "'nodeSelector':%s",
		"'tolerations':%s", "'tolerations':[{'key':%s,'operator':%s,'effect':%s}]", "'containers':%s",
		"'containers':[{'ports':%s}]", "'containers':[{'ports':[{'hostPort':%s,'hostIP':%s,'protocol':%s}]}]",
		"'containers':[{'resources':%s}]", "'containers':[{'resources':{'requests':%s}}]", "'initContainers':%s",
		"'initContainers':[{'restartPolicy':%s}]", "'overhead':%s", "'resources':%s", "'resources':{'requests':%s}", "'volumes':%s",
		"'affinity':%s", "'affinity':{'podAffinity':%s,'podAntiAffinity':%s,'nodeAffinity':%s}",
		"'affinity':{'podAntiAffinity':{" REQUIRED ":%s}}",
		"'affinity':{'podAntiAffinity':{" REQUIRED ":[{'labelSelector':%s,'namespaces':%s,'namespaceSelector':%s,'topologyKey':%s}]}}",
		"'affinity':{'nodeAffinity':{" REQUIRED ":%s}}", "'affinity':{'nodeAffinity':{" REQUIRED ":{'nodeSelectorTerms':%s}}}",
		"'affinity':{'nodeAffinity':{" REQUIRED ":{'nodeSelectorTerms':[{'matchExpressions':%s,'matchFields':%s}]}}}",
		"'affinity':{'nodeAffinity':{" REQUIRED ":{'nodeSelectorTerms':[{'matchExpressions':[{'key':%s,'operator':%s,'values':%s}]}]}}}",
		"'affinity':{'podAffinity':{" REQUIRED ":%s," PREFERRED ":%s}}", "'affinity':{'nodeAffinity':{" PREFERRED ":%s}}",
		"'affinity':{'podAffinity':{" PREFERRED ":[{'weight':%s,'podAffinityTerm':%s}]}}",
		"'affinity':{'nodeAffinity':{" PREFERRED ":[{'weight':%s,'preference':%s}]}}",
		("'topologySpreadConstraints':[{'maxSkew':%s,'minDomains':%s,'topologyKey':%s,'whenUnsatisfiable':%s,'labelSelector':%s,"
		 "'matchLabelKeys':%s,'nodeAffinityPolicy':%s,'nodeTaintsPolicy':%s}]"), "'containers':[{'image':%s}]",
		"'volumes':[{'image':%s},{'image':{'reference':%s}}]",
		"'topologySpreadConstraints':%s", "'resourceClaims':%s", "'schedulingGroup':%s", "'hostUsers':%s", "'securityContext':%s",
	};
	unsigned i, k;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(paths); i++)
		for (k = 0; k < ARRAY_SIZE(values); k++) {
			auto_buf struct buf spec = {0};
			const char *c;
			struct pod *pod;

			for (c = paths[i]; *c; c++)
				if (c[0] == '%' && c[1] == 's')
					buf_str(&spec, values[k]), c++;
				else
					buf_char(&spec, *c);
			pod = pod_with("p", "%s", spec.data);
			assert_string_equal(pod->name, "p");
			pod_free(pod);
		}
}

/* Room is made for the elements of an array; members of an object must not be taken for some, nor elements for members. */
static void a_list_that_is_an_object_is_empty(void **state)
{
	static const char members[] = "{'a':{'effect':'x'},'b':'x','c':{},'d':'x','e':{},'f':'x'}";
	auto_free char *spec = xasprintf("'tolerations':%s,'schedulingGates':%s,'containers':[{'ports':{'a':{'hostPort':1}}}],'affinity':{"
					 "'podAntiAffinity':{" REQUIRED ":%s},'nodeAffinity':{" REQUIRED ":{'nodeSelectorTerms':%s}}}", members,
					 members, members, members);
	struct pod *pod = pod_with("p", "%s", spec);

	(void)state;
	assert_false(pod->gated);
	assert_int_equal(pod->toleration_count + pod->port_count + pod->anti_affinity_count + pod->node_affinity.count, 0);
	pod_free(pod);
	free(spec);
	spec = xasprintf("'affinity':{'podAntiAffinity':{" REQUIRED ":[{'namespaces':%s,'labelSelector':{'matchLabels':['x','y'],"
			 "'matchExpressions':[{'key':'k','operator':'DoesNotExist','values':%s}]}}]},'nodeAffinity':{" REQUIRED ":{"
			 "'nodeSelectorTerms':[{'matchExpressions':%s,'matchFields':%s}]}}}", members, members, members, members);
	pod = pod_with("p", "%s", spec);
	assert_int_equal(pod->anti_affinity[0].namespace_count, 1); /* its own */
	assert_int_equal(pod->anti_affinity[0].selector.count, 1);
	assert_int_equal(pod->anti_affinity[0].selector.items[0].value_count, 0);
	assert_true(selector_matches(&pod->anti_affinity[0].selector, &pod->labels));
	assert_int_equal(pod->node_affinity.terms[0].expression_count + pod->node_affinity.terms[0].field_count, 0);
	assert_false(node_selector_matches(&pod->node_affinity, &pod->labels, "n"));
	pod_free(pod);
}

/* `count` times "%u" of `item`, between commas. */
static char *repeated(const char *item, unsigned count)
{
	auto_buf struct buf list = {0};
	unsigned i;

	for (i = 0; i < count; i++) {
		const char *at = strstr(item, "%u");

		buf_printf(&list, "%s%.*s%u%s", i ? "," : "", (int)(at - item), item, i, at + 2);
	}
	return xstrdup(list.data);
}

/* What a decision looks at for each node is bounded; a request is summed up all the same. */
static void too_long_lists_are_refused(void **state)
{
	static const struct {
		const char *spec, *item;
		unsigned most;
		const char *says;
	} examples[] = {
		{"'volumes':[%s]", "{'name':'v','iscsi':{'iqn':'k%u'}}", POD_LIST_MAX,
		 "spec.volumes: 1001 items, more than this scheduler takes (1000)"},
		{"'tolerations':[%s]", "{'key':'k%u','operator':'Exists'}", POD_LIST_MAX, "spec.tolerations: 1001 items, more than this scheduler takes (1000)"},
		{"'affinity':{'nodeAffinity':{" REQUIRED ":{'nodeSelectorTerms':[%s]}}}", "{'matchFields':[{'key':'metadata.name','operator':'In','values':['n%u']}]}",
		 POD_LIST_MAX / 2, "the required node affinity: 1002 items, more than this scheduler takes (1000)"},
		{"'containers':[{'ports':[%s]}]", "{'hostPort':1%u}", POD_LIST_MAX, "the host ports: 1001 items, more than this scheduler takes (1000)"},
		{"'containers':[{'resources':{'requests':{'cpu':'1',%s}}}]", "'x.org/r%u':'1'", POD_RESOURCES_MAX,
		 "the extended resources: 65 items, more than this scheduler takes (64)"},
	};
	unsigned i, more;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(examples); i++)
		for (more = 0; more < 2; more++) {
			auto_free char *items = repeated(examples[i].item, examples[i].most + more), *spec = NULL;
			const char *at = strstr(examples[i].spec, "%s");
			struct pod *pod;

			spec = xasprintf("%.*s%s%s", (int)(at - examples[i].spec), examples[i].spec, items, at + 2);
			pod = pod_with("p", "%s", spec);
			if (more)
				assert_string_equal(pod->broken, examples[i].says);
			else
				assert_null(pod->broken);
			assert_true(!strstr(spec, "cpu") || pod->requests.cpu_milli == 1000);
			pod_free(pod);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pod_with_everything),
		cmocka_unit_test(a_pod_with_nothing),
		cmocka_unit_test(identity_is_needed),
		cmocka_unit_test(a_controller_is_what_people_call_it),
		cmocka_unit_test(anti_affinity_terms),
		cmocka_unit_test(what_is_not_supported_is_named),
		cmocka_unit_test(pod_groups_are_not_supported),
		cmocka_unit_test(wishes_and_plain_fields_are_fine),
		cmocka_unit_test(a_bad_quantity_is_kept_for_the_reason),
		cmocka_unit_test(any_member_of_any_type),
		cmocka_unit_test(a_list_that_is_an_object_is_empty),
		cmocka_unit_test(too_long_lists_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
