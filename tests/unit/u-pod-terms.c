/* What a pod says of other pods, of nodes it likes, of spreading and of images; what a node says of images. */
#include "tests/unit/objects.h"

#include "lib/buf.h"

#define REQUIRED "'requiredDuringSchedulingIgnoredDuringExecution'"
#define PREFERRED "'preferredDuringSchedulingIgnoredDuringExecution'"
#define TERM "{'topologyKey':'zone','labelSelector':{'matchLabels':{'a':'1'}}}"

static void four_lists_of_pod_affinity(void **state)
{
	struct pod *pod = pod_with("p", "'affinity':{'podAffinity':{" REQUIRED ":[" TERM "]," PREFERRED ":[{'weight':7,'podAffinityTerm':" TERM "},"
					"{'weight':100,'podAffinityTerm':{'topologyKey':'rack','namespaces':['x']}}]},'podAntiAffinity':{" REQUIRED ":["
					TERM "," TERM "]," PREFERRED ":[{'weight':1,'podAffinityTerm':" TERM "}]}}");

	(void)state;
	assert_int_equal(pod->affinity_count, 1);
	assert_int_equal(pod->anti_affinity_count, 2);
	assert_int_equal(pod->prefers_count, 2);
	assert_int_equal(pod->avoids_count, 1);
	assert_string_equal(pod->affinity[0].topology_key, "zone");
	assert_string_equal(pod->affinity[0].namespaces[0], "default");
	assert_int_equal(pod->prefers[0].weight, 7);
	assert_string_equal(pod->prefers[1].term.topology_key, "rack");
	assert_string_equal(pod->prefers[1].term.namespaces[0], "x");
	assert_true(pod->prefers[1].term.selector.is_nil);
	assert_int_equal(pod->avoids[0].weight, 1);
	assert_null(pod->unsupported);
	assert_null(pod->broken);
	pod_free(pod);
}

static void preferred_nodes(void **state)
{
	struct pod *pod = pod_with("p", "'affinity':{'nodeAffinity':{" PREFERRED ":[{'weight':3,'preference':{'matchExpressions':[{'key':'disk',"
					"'operator':'Exists'}]}},{'weight':2,'preference':{}}]}}");
	struct node *with = node_with("a", "%s", ",'disk':'ssd'"), *without = node_with("b", "%s", "");

	(void)state;
	assert_int_equal(pod->prefers_nodes_count, 2);
	assert_int_equal(pod->prefers_nodes[0].weight, 3);
	assert_true(node_selector_matches(&pod->prefers_nodes[0].selector, &with->labels, "a"));
	assert_false(node_selector_matches(&pod->prefers_nodes[0].selector, &without->labels, "b"));
	assert_false(node_selector_matches(&pod->prefers_nodes[1].selector, &with->labels, "a")); /* an empty term matches nothing */
	assert_false(pod->node_affinity.present);
	node_free(with);
	node_free(without);
	pod_free(pod);
}

static void spread_constraints(void **state)
{
	struct pod *pod = pod_with("p", "'topologySpreadConstraints':[{'maxSkew':2,'topologyKey':'zone','whenUnsatisfiable':'DoNotSchedule',"
					"'labelSelector':{},'minDomains':5,'nodeAffinityPolicy':'Ignore','nodeTaintsPolicy':'Honor'},"
					"{'maxSkew':1,'topologyKey':'rack','whenUnsatisfiable':'ScheduleAnyway','minDomains':null,"
					"'nodeAffinityPolicy':null},{'nodeAffinityPolicy':'Honor','nodeTaintsPolicy':'Ignore'}]");

	(void)state;
	assert_int_equal(pod->spread_count, 3);
	assert_true(pod->spreads[0].hard && !pod->spreads[0].honor_affinity && pod->spreads[0].honor_taints);
	assert_int_equal(pod->spreads[0].max_skew, 2);
	assert_int_equal(pod->spreads[0].min_domains, 5);
	assert_string_equal(pod->spreads[0].topology_key, "zone");
	assert_false(pod->spreads[0].selector.is_nil);
	assert_true(!pod->spreads[1].hard && pod->spreads[1].honor_affinity && !pod->spreads[1].honor_taints);
	assert_int_equal(pod->spreads[1].min_domains, 1);
	assert_true(pod->spreads[1].selector.is_nil);
	assert_true(pod->spreads[2].hard && pod->spreads[2].honor_affinity && !pod->spreads[2].honor_taints); /* what is no soft wish is a demand */
	pod_free(pod);
}

static void match_label_keys(void **state)
{
	static const struct {
		const char *selector;
		bool first, second, other;	/* does it match v=1,app=x; v=2,app=x; v=1,app=y? */
	} examples[] = {
		{"'labelSelector':{'matchLabels':{'app':'x'}},", true, false, false},
		{"'labelSelector':{'matchLabels':{'app':'x'},'matchExpressions':[{'key':'v','operator':'In','values':['1']}]},", true, false, false},
		{"'labelSelector':{'matchLabels':{'app':'x'},'matchExpressions':[{'key':'v','operator':'In','values':['2']}]},", false, false, false},
		{"'labelSelector':{},", true, false, true},
		{"", false, false, false},
	};
	struct pod *first = pod_of("{'metadata':{'name':'a','namespace':'d','uid':'a','labels':{'v':'1','app':'x'}}}");
	struct pod *second = pod_of("{'metadata':{'name':'b','namespace':'d','uid':'b','labels':{'v':'2','app':'x'}}}");
	struct pod *other = pod_of("{'metadata':{'name':'c','namespace':'d','uid':'c','labels':{'v':'1','app':'y'}}}");
	unsigned i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(examples); i++) {
		auto_free char *text = xasprintf("{'metadata':{'name':'p','namespace':'d','uid':'p','labels':{'v':'1'}},'spec':{"
						 "'topologySpreadConstraints':[{%s'matchLabelKeys':['v','missing',7]}]}}", examples[i].selector);
		struct pod *pod = pod_of(text);
		const struct selector *s = &pod->spreads[0].selector;

		assert_int_equal(selector_matches(s, &first->labels), examples[i].first);
		assert_int_equal(selector_matches(s, &second->labels), examples[i].second);
		assert_int_equal(selector_matches(s, &other->labels), examples[i].other);
		pod_free(pod);
	}
	pod_free(first);
	pod_free(second);
	pod_free(other);
}

static void images_with_a_tag(void **state)
{
	static const struct {
		const char *pod, *node;
	} same[] = {
		{"a", "a:latest"}, {"a:1", "a:1"}, {"reg:5000/a", "reg:5000/a:latest"}, {"reg:5000/a:1", "reg:5000/a:1"},
		{"reg/a@sha256:0", "reg/a@sha256:0"}, {"", ":latest"},
	};
	struct pod *pod = pod_with("p", "'initContainers':[{'image':'i'}],'containers':[{'image':'a:1'},{'image':'a:1'}],'volumes':[{'name':'v'},"
					"{'name':'w','image':{'reference':'b:2'}}]");
	unsigned i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(same); i++)
		assert_true(image_name_of_pod(same[i].pod) == image_name(same[i].node));
	assert_int_equal(pod->container_count, 3);
	assert_int_equal(pod->image_count, 4);
	assert_true(pod->images[0] == image_name("i:latest") && pod->images[1] == image_name("a:1") && pod->images[3] == image_name("b:2"));
	assert_true(pod->images[1] == pod->images[2]);
	pod_free(pod);
}

static void images_of_a_node(void **state)
{
	struct node *node = node_of_text("{'metadata':{'name':'n'},'status':{'images':[{'names':['a:1','a@sha256:0'],'sizeBytes':10},{'names':['b:1','a:1',"
					 "7]},{'sizeBytes':5},7]}}");
	uint32_t i;

	(void)state;
	assert_int_equal(node->image_count, 3);
	for (i = 1; i < node->image_count; i++)
		assert_true(node->images[i - 1].name < node->images[i].name);
	for (i = 0; i < node->image_count; i++)
		assert_true(node->images[i].name != image_name("b:1") || node->images[i].size_bytes == 0);
	node_free(node);
}

/* The whole list is gone, as in kube-scheduler, and the pod itself waits. */
static void selectors_that_are_none(void **state)
{
	static const char *const bad[] = {
		"{'matchExpressions':[{'key':'k','operator':'In','values':[]}]}", "{'matchExpressions':[{'key':'k','operator':'Exists','values':['v']}]}",
		"{'matchExpressions':[{'key':'k','operator':'Gt','values':['1']}]}", "{'matchExpressions':[{'operator':'Exists'}]}",
		"{'matchExpressions':[{'key':'k','operator':'exists'}]}", "{'matchLabels':{'k':'no value'}}",
	};
	unsigned i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		struct pod *pod = pod_with("p", "'affinity':{'podAffinity':{" REQUIRED ":[" TERM "]," PREFERRED ":[{'podAffinityTerm':" TERM "},"
						"{'podAffinityTerm':{'namespaceSelector':%s}}]},'podAntiAffinity':{" REQUIRED ":[" TERM
						",{'labelSelector':%s}]}}", bad[i], bad[i]);

		assert_int_equal(pod->affinity_count, 1);
		assert_int_equal(pod->prefers_count + pod->anti_affinity_count, 0);
		assert_non_null(pod->broken);
		assert_string_equal(pod->broken, "spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[1].labelSelector: is no "
						 "label selector");
		pod_free(pod);
		pod = pod_with("p", "'topologySpreadConstraints':[{},{'labelSelector':%s}]", bad[i]);
		assert_string_equal(pod->broken, "spec.topologySpreadConstraints[1].labelSelector: is no label selector");
		pod_free(pod);
	}
}

/* `count` times "%u" of `item`, between commas. */
static char *repeated(const char *item, unsigned count)
{
	auto_buf struct buf list = {0};
	const char *at = strstr(item, "%u");
	unsigned i;

	for (i = 0; i < count; i++)
		buf_printf(&list, "%s%.*s%u%s", i ? "," : "", (int)(at - item), item, i, at + 2);
	return xstrdup(list.data);
}

static void too_long_lists_are_refused(void **state)
{
	static const struct {
		const char *before, *item, *after;
		unsigned most;
		const char *says;
	} examples[] = {
		{"'affinity':{'podAffinity':{" PREFERRED ":[", "{'weight':%u,'podAffinityTerm':{'namespaces':['x']}}", "]}}", POD_LIST_MAX / 2,
		 "the pod affinity: 1002 items, more than this scheduler takes (1000)"},
		{"'affinity':{'podAntiAffinity':{" REQUIRED ":[{'namespaces':[", "'n%u'", "]}]}}", POD_LIST_MAX - 1,
		 "the pod affinity: 1001 items, more than this scheduler takes (1000)"},
		{"'affinity':{'nodeAffinity':{" PREFERRED ":[", "{'weight':%u,'preference':{}}", "]}}", POD_LIST_MAX,
		 "the preferred node affinity: 1001 items, more than this scheduler takes (1000)"},
		{"'topologySpreadConstraints':[", "{'topologyKey':'k%u'}", "]", POD_LIST_MAX,
		 "spec.topologySpreadConstraints: 1001 items, more than this scheduler takes (1000)"},
		{"'containers':[", "{'image':'i%u'}", "]", POD_LIST_MAX, "the images: 1001 items, more than this scheduler takes (1000)"},
	};
	unsigned i, more;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(examples); i++)
		for (more = 0; more < 2; more++) {
			auto_free char *items = repeated(examples[i].item, examples[i].most + more);
			struct pod *pod = pod_with("p", "%s%s%s", examples[i].before, items, examples[i].after);

			if (more)
				assert_string_equal(pod->broken, examples[i].says);
			else
				assert_null(pod->broken);
			pod_free(pod);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(four_lists_of_pod_affinity),
		cmocka_unit_test(preferred_nodes),
		cmocka_unit_test(spread_constraints),
		cmocka_unit_test(match_label_keys),
		cmocka_unit_test(images_with_a_tag),
		cmocka_unit_test(images_of_a_node),
		cmocka_unit_test(selectors_that_are_none),
		cmocka_unit_test(too_long_lists_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
