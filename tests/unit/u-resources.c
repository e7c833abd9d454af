#include "tests/unit/objects.h"

#include "sched/cache/resources.h"

#define SATURATED INT64_MAX

static void known_quantities(void **state)
{
	static const struct {
		const char *text;
		int64_t value, milli;
	} examples[] = {
		{"0", 0, 0}, {"0.0", 0, 0}, {"00", 0, 0}, {"1", 1, 1000}, {"+5", 5, 5000}, {"5.", 5, 5000}, {".5", 1, 500},
		{"0.1", 1, 100}, {"100m", 1, 100}, {"1500m", 2, 1500}, {"1.5", 2, 1500}, {"2.5k", 2500, 2500000},
		{"1e3", 1000, 1000000}, {"1E3", 1000, 1000000}, {"1e+3", 1000, 1000000}, {"12e-3", 1, 12}, {"1e0", 1, 1000},
		{"1E", INT64_C(1000000000000000000), SATURATED}, {"1Ei", INT64_C(1) << 60, SATURATED}, {"7Ei", INT64_C(7) << 60, SATURATED},
		{"8Ei", SATURATED, SATURATED}, {"9E", INT64_C(9000000000000000000), SATURATED}, {"10E", SATURATED, SATURATED},
		{"1.5Gi", 1610612736, INT64_C(1610612736000)}, {"1Ki", 1024, 1024000}, {"1Mi", 1 << 20, INT64_C(1048576000)},
		{"1Ti", INT64_C(1) << 40, INT64_C(1000) << 40}, {"1Pi", INT64_C(1) << 50, INT64_C(1000) << 50},
		{"1k", 1000, 1000000}, {"1M", 1000000, 1000000000}, {"1G", 1000000000, INT64_C(1000000000000)},
		{"1T", INT64_C(1000000000000), INT64_C(1000000000000000)}, {"1P", INT64_C(1000000000000000), INT64_C(1000000000000000000)},
		{"1n", 1, 1}, {"1u", 1, 1}, {"1000u", 1, 1}, {"1001u", 1, 2}, {"1000001u", 2, 1001}, {"999999999n", 1, 1000},
		{"0.0000001", 1, 1}, {"1e-30", 1, 1}, {"0.001", 1, 1}, {"0.0010001", 1, 2}, {"0.1Ki", 103, 102400}, {"0.5Mi", 524288, 524288000},
		{"9223372036854775807", SATURATED, SATURATED}, {"9223372036854775806", INT64_MAX - 1, SATURATED},
		{"9223372036854775808", SATURATED, SATURATED}, {"9999999999999999999999", SATURATED, SATURATED},
		{"1e1000000", SATURATED, SATURATED}, {"0e1000000", 0, 0}, {"1.00000000000000000000000001", 2, 1001},
		{"0.00000000000000000000000000000000001E", 1, 1}, {"9223372036854775.807k", SATURATED, SATURATED},
	};
	struct lm_err err;
	unsigned i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(examples); i++) {
		int64_t value = -1, milli = -1;

		if (quantity_parse(examples[i].text, false, &value, &err) < 0 || quantity_parse(examples[i].text, true, &milli, &err) < 0)
			fail_msg("%s: %s", examples[i].text, err.msg);
		if (value != examples[i].value || milli != examples[i].milli)
			fail_msg("%s: %lld and %lld", examples[i].text, (long long)value, (long long)milli);
	}
}

static void bad_quantities_are_quoted(void **state)
{
	static const char *const examples[] = {
		"", " ", "x", ".", "+", "-", "1 ", " 1", "1K", "1ki", "1KI", "1mi", "1i", "Ki", "1e", "1e+", "1e1.5", "1ee3", "1.2.3", "0x10",
		"1Kib", "1,5", "--1", "+-1", "1m1", "1 Gi", "NaN", "Inf", "1Ee", "1Zi", "1e3k", "\xc2\xbd",
		"1111111111111111111111111111111111111111111111111111111111111111111111111111111111",
	};
	struct lm_err err;
	unsigned i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(examples); i++) {
		auto_free char *quoted = xasprintf("\"%.60s", examples[i]);
		int64_t value;

		if (quantity_parse(examples[i], false, &value, &err) == 0)
			fail_msg("\"%s\" is taken for %lld", examples[i], (long long)value);
		assert_int_equal(err.code, LM_DATA);
		assert_non_null(strstr(err.msg, quoted));
	}
}

/* A whole number of thousandths, written in ways that all mean the same. */
static void each_spelling_of_a_number_is_the_same(void **state)
{
	struct rng rng = rng_make(test_seed());
	int round;

	(void)state;
	for (round = 0; round < 5000; round++) {
		long long milli = (long long)(rng_next(&rng) >> (22 + rng_below(&rng, 40)));
		char *texts[] = {
			xasprintf("%lldm", milli), xasprintf("%lld.%03lld", milli / 1000, milli % 1000), xasprintf("%lldu", milli * 1000),
			xasprintf("%llde-3", milli), xasprintf("+%lldE-3", milli), xasprintf("%lld000n", milli * 1000),
		};
		unsigned i;

		for (i = 0; i < ARRAY_SIZE(texts); i++) {
			int64_t value, thousandths;
			struct lm_err err;

			assert_int_equal(quantity_parse(texts[i], true, &thousandths, &err), 0);
			assert_int_equal(quantity_parse(texts[i], false, &value, &err), 0);
			if (thousandths != milli || value != (milli + 999) / 1000)
				fail_msg("%s: %lld, %lld", texts[i], (long long)value, (long long)thousandths);
			free(texts[i]);
		}
	}
}

static struct resources list_of(const char *text)
{
	cJSON *object = object_of(text);
	struct resources r;
	struct lm_err err;

	assert_int_equal(resources_parse(object, &r, NULL, &err), 0);
	cJSON_Delete(object);
	return r;
}

static void a_resource_list(void **state)
{
	cJSON *object = object_of("{'cpu':'250m','memory':1048576,'ephemeral-storage':'1Gi','pods':'110','storage':'5Gi','foo':'1',"
				  "'nvidia.com/gpu':2,'hugepages-2Mi':'4Mi','attachable-volumes-x':'3','requests.x.com/y':'7'}");
	struct resources r;
	struct lm_err err;
	int64_t pods = 0;

	(void)state;
	assert_int_equal(resources_parse(object, &r, &pods, &err), 0);
	assert_int_equal(r.cpu_milli, 250);
	assert_int_equal(r.memory_bytes, 1048576);
	assert_int_equal(r.ephemeral_bytes, 1 << 30);
	assert_int_equal(pods, 110);
	assert_int_equal(r.scalar_count, 3);
	assert_int_equal(resources_scalar(&r, "nvidia.com/gpu"), 2);
	assert_int_equal(resources_scalar(&r, "hugepages-2Mi"), 4 << 20);
	assert_int_equal(resources_scalar(&r, "attachable-volumes-x"), 3);
	assert_int_equal(resources_scalar(&r, "storage"), 0);
	assert_int_equal(resources_scalar(&r, "requests.x.com/y"), 0);
	resources_free(&r);
	cJSON_Delete(object);
}

static void json_numbers_are_as_written(void **state)
{
	struct resources r = list_of("{'cpu':0.1,'memory':1e9,'ephemeral-storage':0}");

	(void)state;
	assert_int_equal(r.cpu_milli, 100);
	assert_int_equal(r.memory_bytes, 1000000000);
	assert_int_equal(r.ephemeral_bytes, 0);
	resources_free(&r);
}

static void a_bad_amount_is_named(void **state)
{
	static const struct {
		const char *list, *says;
	} examples[] = {
		{"{'cpu':'1x'}", "cpu: \"1x\" is not a quantity"}, {"{'memory':true}", "memory: not a quantity"},
		{"{'example.com/a':'-1'}", "example.com/a: is negative"}, {"{'cpu':null}", "cpu: not a quantity"},
		{"{'pods':''}", "pods: \"\" is not a quantity"},
	};
	unsigned i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(examples); i++) {
		cJSON *object = object_of(examples[i].list);
		struct resources r;
		struct lm_err err;

		assert_int_equal(resources_parse(object, &r, NULL, &err), -1);
		assert_string_equal(err.msg, examples[i].says);
		cJSON_Delete(object);
	}
}

static void sums(void **state)
{
	struct resources a = list_of("{'cpu':'1','memory':'10','x/b':'1'}"), b = list_of("{'cpu':'2','memory':'5','x/a':'3','x/b':'4'}");
	struct resources c;

	(void)state;
	resources_copy(&c, &a);
	resources_max(&c, &b);
	assert_int_equal(c.cpu_milli, 2000);
	assert_int_equal(c.memory_bytes, 10);
	assert_int_equal(resources_scalar(&c, "x/a"), 3);
	assert_int_equal(resources_scalar(&c, "x/b"), 4);
	assert_true(resources_within(&a, &c));
	assert_false(resources_within(&c, &a));
	resources_add(&a, &b);
	assert_int_equal(a.cpu_milli, 3000);
	assert_string_equal(a.scalars[0].name, "x/a");
	assert_int_equal(resources_scalar(&a, "x/b"), 5);
	resources_sub(&a, &b);
	assert_int_equal(a.cpu_milli, 1000);
	assert_int_equal(resources_scalar(&a, "x/b"), 1);
	assert_false(resources_saturated(&a));
	a.memory_bytes = INT64_MAX - 1;
	resources_add(&a, &b);
	assert_int_equal(a.memory_bytes, INT64_MAX);
	assert_true(resources_saturated(&a));
	resources_free(&a);
	resources_free(&b);
	resources_free(&c);
}

static struct resources random_scalars(struct rng *rng, int64_t amounts[26])
{
	struct resources r = {0};
	int i;

	for (i = 0; i < 26; i++) {
		char name[] = {'x', '/', (char)('a' + i), '\0'};

		amounts[i] = rng_chance(rng, 0.3) ? (int64_t)rng_below(rng, 3) : -1;
		if (amounts[i] >= 0)
			resources_set_scalar(&r, name, amounts[i]);
		else
			amounts[i] = 0;
	}
	return r;
}

/* Sorted, each name once, and the amounts of a plain array. */
static void scalars_by_name(void **state)
{
	struct rng rng = rng_make(test_seed());
	int round, i;

	(void)state;
	for (round = 0; round < 3000; round++) {
		int64_t amounts[3][26];
		struct resources a = random_scalars(&rng, amounts[0]), b = random_scalars(&rng, amounts[1]), c = random_scalars(&rng, amounts[2]);

		resources_add(&a, &b);
		resources_add(&a, &c);
		resources_sub(&a, &b);
		resources_max(&c, &b);
		for (i = 0; i < 26; i++) {
			char name[] = {'x', '/', (char)('a' + i), '\0'};

			assert_int_equal(resources_scalar(&a, name), amounts[0][i] + amounts[2][i]);
			assert_int_equal(resources_scalar(&c, name), amounts[1][i] > amounts[2][i] ? amounts[1][i] : amounts[2][i]);
		}
		for (i = 1; i < (int)a.scalar_count; i++)
			assert_true(strcmp(a.scalars[i - 1].name, a.scalars[i].name) < 0);
		for (i = 1; i < (int)c.scalar_count; i++)
			assert_true(strcmp(c.scalars[i - 1].name, c.scalars[i].name) < 0);
		resources_free(&a);
		resources_free(&b);
		resources_free(&c);
	}
}

static void a_resource_that_is_used_up_is_forgotten(void **state)
{
	struct resources node = list_of("{'x/keep':'1'}"), pod = list_of("{'x/a':'1','x/keep':'1','x/z':'0'}");

	(void)state;
	resources_add(&node, &pod);
	assert_int_equal(node.scalar_count, 3);
	resources_sub(&node, &pod);
	assert_int_equal(node.scalar_count, 1);
	assert_int_equal(resources_scalar(&node, "x/keep"), 1);
	resources_free(&node);
	resources_free(&pod);
}

/* Names by the ten thousand, in full where an allocation is cheap: with a search from the start for each this takes a minute. */
static void a_flood_of_resources(void **state)
{
	struct resources node = {0}, pods[2] = {{0}};
	char name[32];
	int i, count = test_rounds(80000);

	(void)state;
	for (i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "x.org/%08d", i);
		resources_set_scalar(&pods[i % 2], name, 1);
	}
	resources_add(&node, &pods[0]);
	resources_add(&node, &pods[1]);
	assert_int_equal(node.scalar_count, count);
	assert_int_equal(resources_scalar(&node, "x.org/00000777"), 1);
	resources_sub(&node, &pods[0]);
	resources_sub(&node, &pods[1]);
	assert_int_equal(node.scalar_count, 0);
	resources_free(&node);
	resources_free(&pods[0]);
	resources_free(&pods[1]);
}

/* --- the request of a pod: kubernetes.md 2.2 ------------------------------------------------------------------------------------- */

#define CPU(name, amount) "{'name':'" name "','resources':{'requests':{'cpu':'" amount "'}}}"
#define SIDECAR(name, amount) "{'name':'" name "','restartPolicy':'Always','resources':{'requests':{'cpu':'" amount "'}}}"

static struct resources request_of(const char *text)
{
	cJSON *object = object_of(text);
	struct resources r;
	struct lm_err err;

	if (resources_of_pod(object, &r, &err) < 0)
		fail_msg("%s: %s", text, err.msg);
	cJSON_Delete(object);
	return r;
}

static void requests_in_cpu(void **state)
{
	static const struct {
		const char *pod;
		int64_t cpu_milli;
	} examples[] = {
		{"{}", 0},
		{"{'spec':{'containers':[{'name':'a'}]}}", 0},
		{"{'spec':{'containers':[{'name':'a','resources':{'limits':{'cpu':'5'}}}]}}", 0},		/* limits never count */
		{"{'spec':{'containers':[" CPU("a", "1") "," CPU("b", "500m") "]}}", 1500},
		{"{'spec':{'initContainers':[" CPU("i", "3") "," CPU("j", "2") "],'containers':[" CPU("a", "1") "]}}", 3000},
		{"{'spec':{'initContainers':[" CPU("i", "1") "],'containers':[" CPU("a", "2") "]}}", 2000},
		{"{'spec':{'initContainers':[" SIDECAR("s", "1") "],'containers':[" CPU("a", "2") "]}}", 3000},
		/* an init container runs beside the sidecars before it, not those after it */
		{"{'spec':{'initContainers':[" SIDECAR("s", "1") "," CPU("i", "5") "],'containers':[" CPU("a", "2") "]}}", 6000},
		{"{'spec':{'initContainers':[" CPU("i", "5") "," SIDECAR("s", "1") "],'containers':[" CPU("a", "2") "]}}", 5000},
		{"{'spec':{'initContainers':[" SIDECAR("s", "1") "," CPU("i", "1") "," SIDECAR("t", "4") "],'containers':["
		 CPU("a", "2") "]}}", 7000},
		{"{'spec':{'overhead':{'cpu':'250m'},'containers':[" CPU("a", "1") "]}}", 1250},
		{"{'spec':{'resources':{'requests':{'cpu':'4'}},'containers':[" CPU("a", "1") "]}}", 4000},
		{"{'spec':{'resources':{'requests':{'cpu':'500m'}},'containers':[" CPU("a", "1") "],'overhead':{'cpu':'100m'}}}", 600},
		{"{'spec':{'resources':{'requests':{'memory':'1Gi'}},'containers':[" CPU("a", "1") "]}}", 1000},
		/* before a pod has a node its status says nothing */
		{"{'spec':{'containers':[" CPU("a", "1") "]},'status':{'containerStatuses':[{'name':'a','resources':{'requests':{'cpu':'9'}}}]}}",
		 1000},
		/* a resize under way: the largest of asked, actual and allocated */
		{"{'spec':{'nodeName':'n','containers':[" CPU("a", "1") "]},'status':{'containerStatuses':[{'name':'a',"
		 "'resources':{'requests':{'cpu':'3'}},'allocatedResources':{'cpu':'2'}}]}}", 3000},
		{"{'spec':{'nodeName':'n','containers':[" CPU("a", "1") "]},'status':{'containerStatuses':[{'name':'a',"
		 "'resources':{'requests':{'cpu':'1'}},'allocatedResources':{'cpu':'2'}}]}}", 2000},
		{"{'spec':{'nodeName':'n','containers':[" CPU("a", "8") "]},'status':{'containerStatuses':[{'name':'a',"
		 "'resources':{'requests':{'cpu':'1'}},'allocatedResources':{'cpu':'1'}}]}}", 8000},
		/* one that can't be: what was asked is void */
		{"{'spec':{'nodeName':'n','containers':[" CPU("a", "8") "]},'status':{'conditions':[{'type':'PodResizePending','reason':"
		 "'Infeasible'}],'containerStatuses':[{'name':'a','resources':{'requests':{'cpu':'1'}},'allocatedResources':{'cpu':'1'}}]}}", 1000},
		{"{'spec':{'nodeName':'n','containers':[" CPU("a", "8") "]},'status':{'conditions':[{'type':'PodResizePending','reason':"
		 "'Deferred'}],'containerStatuses':[{'name':'a','resources':{'requests':{'cpu':'1'}},'allocatedResources':{'cpu':'1'}}]}}", 8000},
		/* a status without resources: an older kubelet */
		{"{'spec':{'nodeName':'n','containers':[" CPU("a", "1") "]},'status':{'containerStatuses':[{'name':'a',"
		 "'allocatedResources':{'cpu':'2'}}]}}", 1000},
		/* sidecars resize, other init containers don't */
		{"{'spec':{'nodeName':'n','initContainers':[" SIDECAR("s", "1") "," CPU("i", "1") "]},'status':{'initContainerStatuses':["
		 "{'name':'s','resources':{'requests':{'cpu':'3'}}},{'name':'i','resources':{'requests':{'cpu':'9'}}}]}}", 4000},
		/* the whole pod */
		{"{'spec':{'nodeName':'n','resources':{'requests':{'cpu':'1'}},'containers':[{'name':'a'}]},'status':{'resources':"
		 "{'requests':{'cpu':'2'}},'allocatedResources':{'cpu':'3'}}}", 3000},
	};
	unsigned i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(examples); i++) {
		struct resources r = request_of(examples[i].pod);

		if (r.cpu_milli != examples[i].cpu_milli)
			fail_msg("%s: %lld", examples[i].pod, (long long)r.cpu_milli);
		resources_free(&r);
	}
}

static void each_resource_has_its_own_maximum(void **state)
{
	struct resources r = request_of("{'spec':{'initContainers':[{'resources':{'requests':{'cpu':'3','memory':'1','x/a':'1'}}}],"
					"'containers':[{'resources':{'requests':{'cpu':'1','memory':'5','x/b':'2','hugepages-2Mi':'2Mi'}}}],"
					"'resources':{'requests':{'hugepages-2Mi':'6Mi','x/b':'9'}}}}");

	(void)state;
	assert_int_equal(r.cpu_milli, 3000);
	assert_int_equal(r.memory_bytes, 5);
	assert_int_equal(resources_scalar(&r, "x/a"), 1);
	assert_int_equal(resources_scalar(&r, "x/b"), 2); /* not one that a pod can set as a whole */
	assert_int_equal(resources_scalar(&r, "hugepages-2Mi"), 6 << 20);
	resources_free(&r);
}

/* Kubernetes adds quantities up as they are and rounds the sum. */
static void a_request_is_rounded_once(void **state)
{
	static const struct {
		const char *pod;
		int64_t cpu_milli, memory_bytes;
	} examples[] = {
		{"{'spec':{'containers':[" CPU("a", "100u") "," CPU("b", "100u") "," CPU("c", "100u") "]}}", 1, 0},
		{"{'spec':{'containers':[" CPU("a", "1500u") "," CPU("b", "1500u") "]}}", 3, 0},
		{"{'spec':{'containers':[" CPU("a", "1n") "," CPU("b", "1m") "]}}", 2, 0},
		{"{'spec':{'containers':[" CPU("a", "0.1n") "," CPU("b", "999999n") "]}}", 1, 0},		/* 1n is the smallest */
		{"{'spec':{'containers':[" CPU("a", "0.1n") "," CPU("b", "0.999999m") "," CPU("c", "0.1n") "]}}", 2, 0},
		{"{'spec':{'containers':[" CPU("a", "1.2m") "],'overhead':{'cpu':'1.8m'}}}", 3, 0},
		{"{'spec':{'initContainers':[" SIDECAR("s", "100u") "," CPU("i", "1.9m") "],'containers':[" CPU("a", "1.2m") "]}}", 2, 0},
		{"{'spec':{'containers':[{'resources':{'requests':{'memory':'1.1Gi'}}},{'resources':{'requests':{'memory':'1.1Gi'}}}]}}", 0,
		 INT64_C(2362232013)},
		{"{'spec':{'containers':[{'resources':{'requests':{'memory':'9E'}}},{'resources':{'requests':{'memory':'9E'}}}]}}", 0, INT64_MAX},
	};
	unsigned i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(examples); i++) {
		struct resources r = request_of(examples[i].pod);

		if (r.cpu_milli != examples[i].cpu_milli || r.memory_bytes != examples[i].memory_bytes)
			fail_msg("%s: %lld, %lld", examples[i].pod, (long long)r.cpu_milli, (long long)r.memory_bytes);
		resources_free(&r);
	}
}

/* Against the formula written another way: the largest of every moment of the pod's life. */
static void a_pod_asks_for_its_largest_moment(void **state)
{
	struct rng rng = rng_make(test_seed());
	int round;

	(void)state;
	for (round = 0; round < 2000; round++) {
		auto_free char *text = xstrdup("{'spec':{'containers':[]");
		uint32_t inits = rng_below(&rng, 5), i;
		int64_t sidecars = 0, peak = 0, amount = rng_below(&rng, 3000);
		char *next = xasprintf("{'spec':{'containers':[{'resources':{'requests':{'cpu':'%lldm'}}}],'initContainers':[", (long long)amount);
		struct resources r;
		int64_t app = amount;

		for (i = 0; i < inits; i++) {
			bool sidecar = rng_chance(&rng, 0.5);

			amount = rng_below(&rng, 3000);
			free(text);
			text = next;
			next = xasprintf("%s%s{'resources':{'requests':{'cpu':'%lldm'}}%s}", text, i ? "," : "", (long long)amount,
					 sidecar ? ",'restartPolicy':'Always'" : "");
			if (amount + sidecars > peak)
				peak = amount + sidecars;
			sidecars += sidecar ? amount : 0;
		}
		free(text);
		text = next;
		next = xasprintf("%s]}}", text);
		r = request_of(next);
		assert_int_equal(r.cpu_milli, app + sidecars > peak ? app + sidecars : peak);
		resources_free(&r);
		free(next);
	}
}

static void a_bad_request_names_its_path(void **state)
{
	static const struct {
		const char *pod, *says;
	} examples[] = {
		{"{'spec':{'containers':[{},{'resources':{'requests':{'cpu':'lots'}}}]}}",
		 "spec.containers[1].resources.requests: cpu: \"lots\" is not a quantity"},
		{"{'spec':{'initContainers':[{'resources':{'requests':{'memory':'1GiB'}}}]}}",
		 "spec.initContainers[0].resources.requests: memory: \"1GiB\" is not a quantity"},
		{"{'spec':{'overhead':{'cpu':[]}}}", "spec.overhead: cpu: not a quantity"},
		{"{'spec':{'resources':{'requests':{'cpu':'?'}}}}", "spec.resources.requests: cpu: \"?\" is not a quantity"},
	};
	unsigned i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(examples); i++) {
		cJSON *object = object_of(examples[i].pod);
		struct resources r;
		struct lm_err err;

		assert_int_equal(resources_of_pod(object, &r, &err), -1);
		assert_string_equal(err.msg, examples[i].says);
		cJSON_Delete(object);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_quantities),
		cmocka_unit_test(bad_quantities_are_quoted),
		cmocka_unit_test(each_spelling_of_a_number_is_the_same),
		cmocka_unit_test(a_resource_list),
		cmocka_unit_test(json_numbers_are_as_written),
		cmocka_unit_test(a_bad_amount_is_named),
		cmocka_unit_test(sums),
		cmocka_unit_test(scalars_by_name),
		cmocka_unit_test(a_resource_that_is_used_up_is_forgotten),
		cmocka_unit_test(a_flood_of_resources),
		cmocka_unit_test(requests_in_cpu),
		cmocka_unit_test(a_request_is_rounded_once),
		cmocka_unit_test(each_resource_has_its_own_maximum),
		cmocka_unit_test(a_pod_asks_for_its_largest_moment),
		cmocka_unit_test(a_bad_request_names_its_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
