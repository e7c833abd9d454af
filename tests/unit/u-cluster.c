/* Clusters from files: formats, what is completed, and that nothing is lost silently. */
#include "tests/unit/objects.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/buf.h"
#include "sched/cluster.h"

static struct cluster_counts counts;
static struct lm_err err;

static char *path_of(const char *name)
{
	static const char *folder;

	if (!folder)
		folder = test_folder();
	return xasprintf("%s/%s", folder, name);
}

static void write_file(const char *name, const char *text)
{
	auto_free char *path = path_of(name);

	test_write(path, text);
}

/* A new cache with what the file holds; NULL and err. */
static struct cache *load(const char *name)
{
	auto_free char *path = path_of(name);
	struct cache *c = cache_new();

	counts = (struct cluster_counts){0};
	err = (struct lm_err){0};
	if (cluster_load(c, path, &counts, &err) == 0)
		return c;
	cache_free(c);
	return NULL;
}

static struct cache *load_text(const char *name, const char *text)
{
	struct cache *c;

	write_file(name, text);
	c = load(name);
	if (!c)
		fail_msg("%s: %s", err.msg, text);
	return c;
}

static void expect_counts(uint32_t nodes, uint32_t pods, uint32_t others, uint32_t passed_over)
{
	assert_int_equal(counts.nodes, nodes);
	assert_int_equal(counts.pods, pods);
	assert_int_equal(counts.others, others);
	assert_int_equal(counts.passed_over, passed_over);
}

/* --- formats --------------------------------------------------------------------------------------------------------- */

#define LIST "{\"apiVersion\":\"v1\",\"kind\":\"List\",\"metadata\":{\"resourceVersion\":\"\"},\"items\":[" NODE_A "," POD_WEB "," NAMESPACE "," CONFIG "]}"
#define NODE_A "{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":{\"name\":\"a\",\"uid\":\"u-a\"},\"status\":{\"allocatable\":{\"cpu\":\"4\",\"pods\":\"9\"}}}"
#define POD_WEB "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"web\",\"namespace\":\"prod\",\"uid\":\"u-web\"},\"spec\":{\"nodeName\":\"a\"}}"
#define NAMESPACE "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"prod\",\"labels\":{\"tier\":\"1\"}}}"
#define CONFIG "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"x\"},\"data\":{\"a\":1}}"

static void check_list(struct cache *c)
{
	const struct cached_pod *pod = cache_find_pod_named(c, "prod", "web");

	expect_counts(1, 1, 1, 1);
	assert_non_null(pod);
	assert_string_equal(pod->pod->uid, "u-web");
	assert_int_equal(pod->node, cache_find_node(c, "a"));
	assert_non_null(cache_find_object(c, OBJECT_NAMESPACE, "", "prod"));
	cache_free(c);
}

static void a_list_as_kubectl_prints_it(void **state)
{
	(void)state;
	check_list(load_text("list.json", LIST));
	check_list(load_text("list.yaml", LIST)); /* JSON is YAML */
	check_list(load_text("no-suffix", "\n " LIST));
	check_list(load_text("documents.yaml", "---\n" NODE_A "\n---\n" POD_WEB "\n---\n---\n" NAMESPACE "\n---\n" CONFIG "\n...\n"));
	check_list(load_text("mixed", "apiVersion: v1\nkind: List\nitems:\n- " NODE_A "\n- " POD_WEB "\n---\nkind: List\nitems: [" NAMESPACE "," CONFIG "]\n"));
	check_list(load_text("nested.json", "{\"kind\":\"List\",\"items\":[" LIST "]}"));
}

/* The answer of the API, as `kubectl get --raw` shows it. */
static void items_of_a_typed_list_need_no_kind(void **state)
{
	struct cache *c;

	(void)state;
	c = load_text("pods.json", "{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"7\"},\"items\":["
				   "{\"metadata\":{\"name\":\"web\",\"namespace\":\"x\",\"uid\":\"1\"}}]}");
	assert_non_null(cache_find_pod_named(c, "x", "web"));
	cache_free(c);
	c = load_text("nodes.json", "{\"kind\":\"NodeList\",\"apiVersion\":\"v1\",\"items\":[{\"metadata\":{\"name\":\"a\"}}]}");
	assert_int_equal(cache_find_node(c, "a"), 0);
	cache_free(c);
	c = load_text("secrets.json", "{\"kind\":\"SecretList\",\"apiVersion\":\"v1\",\"items\":[{\"metadata\":{\"name\":\"a\"}},{}]}");
	expect_counts(0, 0, 0, 2);
	cache_free(c);
	c = load_text("null.json", "{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"items\":null}"); /* Go prints an empty slice like that */
	expect_counts(0, 0, 0, 0);
	cache_free(c);
}

static void a_folder_is_read_in_the_order_of_its_names(void **state)
{
	auto_free char *folder = path_of("cluster"), *fresh = path_of("cluster/..data");
	struct cache *c;

	(void)state;
	assert_int_equal(mkdir(folder, 0755), 0);
	assert_null(load("cluster"));
	assert_int_equal(err.code, LM_NOINPUT);
	assert_int_equal(mkdir(fresh, 0755), 0);
	write_file("cluster/2.yaml", POD_WEB);
	write_file("cluster/1.json", NODE_A);
	write_file("cluster/3.yml", NAMESPACE "\n---\n" CONFIG);
	write_file("cluster/" CLUSTER_LATENCY_FILE, "{\"a\":{}}");
	write_file("cluster/README", "not for us");
	write_file("cluster/.hidden.json", "{");
	c = load("cluster");
	assert_non_null(c);
	check_list(c);
	write_file("cluster/4.json", NODE_A);
	assert_null(load("cluster"));
	assert_non_null(strstr(err.msg, "4.json: Node a: is there twice"));
}

/* Rancher has a kind Node of its own. */
static void other_groups_are_not_ours(void **state)
{
	struct cache *c;

	(void)state;
	c = load_text("groups.yaml", "kind: Node\napiVersion: management.cattle.io/v3\nmetadata: {name: a}\n---\nkind: Namespace\napiVersion: x/v1\n"
				     "---\nkind: Pod\napiVersion: v1\nmetadata: {name: p}\n---\nkind: AllowList\napiVersion: x/v1\n");
	expect_counts(0, 1, 0, 3);
	cache_free(c);
}

/* --- what is completed ------------------------------------------------------------------------------------------------ */

static void what_is_written_by_hand_is_completed(void **state)
{
	const struct pod *pod;
	struct cache *c;

	(void)state;
	c = load_text("hand.yaml", "kind: Pod\nmetadata: {name: web}\nspec:\n  hostNetwork: true\n  containers:\n"
				   "  - resources: {limits: {cpu: 500m, memory: 1Gi}, requests: {memory: 1Mi}}\n    ports: [{containerPort: 80}]\n"
				   "  - resources: {limits: {cpu: 0.5}}\n---\nkind: Node\nmetadata: {name: a}\n");
	pod = cache_find_pod(c, "default/web")->pod;
	assert_string_equal(pod->namespace_, "default");
	assert_true(pod->requests.cpu_milli == 1000 && pod->requests.memory_bytes == 1 << 20);
	assert_true(pod->port_count == 1 && pod->ports[0].port == 80);
	cache_free(c);
	/* The API server has done so already; what it says is what holds. */
	c = load_text("api.yaml", "kind: Pod\nmetadata: {name: web, uid: u}\nspec: {containers: [{resources: {limits: {cpu: 1}}}]}\n");
	assert_true(cache_find_pod(c, "u")->pod->requests.cpu_milli == 0);
	cache_free(c);
}

/* --- errors ----------------------------------------------------------------------------------------------------------- */

#define POD(members) "kind: Pod\nmetadata: {name: web}\n" members
static void errors_name_file_object_and_member(void **state)
{
	static const struct {
		const char *name, *text, *message;
	} bad[] = {
		{"e.json", "{", "line 1, column 2"}, {"e.json", "", "the text is empty"}, {"e.yaml", "", "e.yaml: is empty"}, {"e.yaml", "# nothing\n---\n", "is empty"},
		{"e.yaml", "a: [", "line 2"}, {"e.json", "[]", "is an array, not an object"}, {"e.yaml", "- kind: Pod", "is an array, not an object"},
		{"e.json", "{\"metadata\":{}}", "e.json: kind: is missing"}, {"e.yaml", "kind: 7", "kind: is a number, not a string"},
		{"e.yaml", "kind: ''", "kind: is empty"}, {"e.yaml", "kind: List", "items: is missing"}, {"e.yaml", "kind: PodList", "items: is missing"},
		{"e.yaml", "kind: List\nitems: {}", "items: is an object, not an array"}, {"e.yaml", "kind: List\nitems: [7]", "items[0]: is a number, not an object"},
		{"e.yaml", "kind: List\nitems: [{kind: Secret}, {}]", "items[1]: kind: is missing"},
		{"e.yaml", "kind: PodList\nmetadata: {continue: abc}\nitems: []", "metadata.continue"},
		{"e.yaml", "kind: Pod", "e.yaml: Pod: metadata.name: is missing"}, {"e.yaml", "kind: Node\nmetadata: x", "Node: metadata: is a string, not an object"},
		{"e.yaml", "kind: Node\nmetadata: {name: 7}", "Node: metadata.name: is a number, not a string"},
		{"e.yaml", POD("spec: 1"), "e.yaml: Pod default/web: spec: is a number, not an object"},
		{"e.yaml", POD("spec: {containers: {}}"), "Pod default/web: spec.containers: is an object, not an array"},
		{"e.yaml", POD("spec: {containers: [x]}"), "spec.containers[0]: is a string, not an object"},
		{"e.yaml", POD("spec: {containers: [{}, {resources: []}]}"), "spec.containers[1].resources: is an array, not an object"},
		{"e.yaml", POD("spec: {tolerations: [{key: 1}]}"), "spec.tolerations[0].key: is a number, not a string"},
		{"e.yaml", POD("spec: {nodeSelector: {disk: true}}"), "spec.nodeSelector.disk: is a boolean, not a string"},
		{"e.yaml", "kind: Pod\nmetadata: {name: web, labels: {delay_redis: 25}}", "metadata.labels.delay_redis: is a number, not a string"},
		{"e.yaml", "kind: Pod\nmetadata: {name: web, annotations: []}", "metadata.annotations: is an array, not an object"},
		{"e.yaml", POD("spec: {affinity: {podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{labelSelector: {matchLabels: {a: 1}}}]}}}"),
		 "spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].labelSelector.matchLabels.a: is a number, not a string"},
		{"e.yaml", "kind: Node\nmetadata: {name: a}\nspec: {unschedulable: yes}", "Node a: spec.unschedulable: is a string, not a boolean"},
		{"e.yaml", "kind: Node\nmetadata: {name: a}\nspec: {taints: [{key: a, effect: 1}]}", "spec.taints[0].effect"},
		{"e.yaml", "kind: Node\nmetadata: {name: a}\nstatus: {allocatable: {cpu: some}}", "status.allocatable: cpu"},
		{"e.yaml", "kind: Namespace\nmetadata: {labels: {}}", "Namespace: metadata.name: is missing"},
		{"e.yaml", POD("") "---\n" POD(""), "document 2: Pod default/web: is there twice"},
		{"e.yaml", "kind: Pod\nmetadata: {name: a, uid: u}\n---\nkind: Pod\nmetadata: {name: b, uid: u}\n", "Pod default/b: metadata.uid: is that of pod default/a, too"},
		{"e.yaml", "kind: Namespace\nmetadata: {name: a}\n---\nkind: Namespace\nmetadata: {name: a}\n", "Namespace a: is there twice"},
		{"e.yaml", "a: &x 1\nb: *x\n", "anchors are not accepted"},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		write_file(bad[i].name, bad[i].text);
		assert_null(load(bad[i].name));
		if (!strstr(err.msg, bad[i].message) || !strstr(err.msg, bad[i].name) || err.code != LM_DATA)
			fail_msg("%s: got \"%s\" (%d)", bad[i].text, err.msg, (int)err.code);
	}
	assert_null(load("nowhere.json"));
	assert_int_equal(err.code, LM_NOINPUT);
}

/* --- limits ----------------------------------------------------------------------------------------------------------- */

static char *deep(int levels, const char *name)
{
	struct buf b = {0};
	int i;

	buf_printf(&b, "{\"kind\":\"%s\",\"a\":", name);
	for (i = 1; i < levels; i++)
		buf_char(&b, '[');
	for (i = 1; i < levels; i++)
		buf_char(&b, ']');
	buf_char(&b, '}');
	return b.data;
}

static void depth_is_that_of_the_api(void **state)
{
	static const char *const names[] = {"deep.json", "deep.yaml"};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		auto_free char *fits = deep(JSON_DEPTH_API, "Secret"), *more = deep(JSON_DEPTH_API + 1, "Secret");

		cache_free(load_text(names[i], fits));
		write_file(names[i], more);
		assert_null(load(names[i]));
		assert_non_null(strstr(err.msg, "levels"));
	}
}

static void size_is_limited_before_anything_is_read(void **state)
{
	auto_free char *path = path_of("huge.json");

	(void)state;
	write_file("huge.json", "{}");
	assert_int_equal(truncate(path, (off_t)CLUSTER_MAX_BYTES + 1), 0);
	assert_null(load("huge.json"));
	assert_non_null(strstr(err.msg, "more than the limit"));
	unlink(path);
}

static int count_objects(void *arg, cJSON *object, struct lm_err *error)
{
	(void)object, (void)error;
	++*(uint32_t *)arg;
	return 0;
}

static void objects_are_limited(void **state)
{
	auto_free char *path = path_of("many.json");
	auto_buf struct buf b = {0};
	uint32_t seen = 0, i;

	(void)state;
	buf_str(&b, "{\"kind\":\"List\",\"items\":[{\"kind\":\"X\"}");
	for (i = 0; i < CLUSTER_MAX_OBJECTS; i++)
		buf_str(&b, ",{\"kind\":\"X\"}");
	buf_str(&b, "]}");
	test_write(path, b.data);
	assert_int_equal(cluster_read(path, &(struct cluster_reader){.object = count_objects, .arg = &seen}, &err), -1);
	assert_int_equal(seen, CLUSTER_MAX_OBJECTS);
	assert_non_null(strstr(err.msg, "more than 250000 objects"));
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_list_as_kubectl_prints_it),
		cmocka_unit_test(items_of_a_typed_list_need_no_kind),
		cmocka_unit_test(a_folder_is_read_in_the_order_of_its_names),
		cmocka_unit_test(other_groups_are_not_ours),
		cmocka_unit_test(what_is_written_by_hand_is_completed),
		cmocka_unit_test(errors_name_file_object_and_member),
		cmocka_unit_test(depth_is_that_of_the_api),
		cmocka_unit_test(size_is_limited_before_anything_is_read),
		cmocka_unit_test(objects_are_limited),
	};

	return cmocka_run_group_tests_name("cluster", tests, NULL, NULL);
}
