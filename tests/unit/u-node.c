#include "tests/unit/objects.h"

static void a_node_with_everything(void **state)
{
	struct node *node = node_of_text(
		"{'metadata':{'name':'edge-1','uid':'u','resourceVersion':'5','labels':{'topology.kubernetes.io/zone':'z1'}},"
		"'spec':{'unschedulable':true,'taints':[{'key':'a','value':'b','effect':'NoSchedule'},{'key':'c','effect':'NoExecute'},"
		"{'key':'d','effect':'PreferNoSchedule'},{'key':'e','effect':'NotInvented'}]},"
		"'status':{'capacity':{'cpu':'64'},'allocatable':{'cpu':'3920m','memory':'7Gi','ephemeral-storage':'1e9','pods':'110',"
		"'nvidia.com/gpu':'2'}}}");

	(void)state;
	assert_string_equal(node->name, "edge-1");
	assert_string_equal(node->uid, "u");
	assert_string_equal(node->resource_version, "5");
	assert_string_equal(node->zone, "z1");
	assert_true(node->unschedulable);
	assert_int_equal(node->taint_count, 3);
	assert_string_equal(node->taints[0].value, "b");
	assert_int_equal(node->taints[1].effect, TAINT_NO_EXECUTE);
	assert_int_equal(node->taints[2].effect, TAINT_PREFER_NO_SCHEDULE);
	assert_int_equal(node->allocatable.cpu_milli, 3920); /* allocatable, not capacity */
	assert_int_equal(node->allocatable.memory_bytes, INT64_C(7) << 30);
	assert_int_equal(node->allocatable.ephemeral_bytes, 1000000000);
	assert_int_equal(node->allocatable_pods, 110);
	assert_int_equal(resources_scalar(&node->allocatable, "nvidia.com/gpu"), 2);
	node_free(node);
}

static void a_node_with_nothing_has_room_for_nothing(void **state)
{
	struct node *node = node_of_text("{'metadata':{'name':'n'}}");

	(void)state;
	assert_string_equal(node->zone, "");
	assert_string_equal(node->uid, "");
	assert_false(node->unschedulable);
	assert_int_equal(node->taint_count, 0);
	assert_int_equal(node->allocatable_pods, 0);
	assert_int_equal(node->allocatable.cpu_milli, 0);
	node_free(node);
}

static void bad_nodes_are_errors_that_name_the_place(void **state)
{
	static const struct {
		const char *node, *says;
	} examples[] = {
		{"{}", "a node without metadata.name"},
		{"[]", "a node without metadata.name"},
		{"{'metadata':{'name':5}}", "a node without metadata.name"},
		{"{'metadata':{'name':'n'},'status':{'allocatable':{'cpu':'four'}}}",
		 "node n: status.allocatable: cpu: \"four\" is not a quantity"},
		{"{'metadata':{'name':'n'},'status':{'allocatable':{'pods':'-1'}}}", "node n: status.allocatable: pods: is negative"},
	};
	unsigned i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(examples); i++) {
		cJSON *object = object_of(examples[i].node);
		struct lm_err err = {0};

		assert_null(node_parse(object, &err));
		assert_string_equal(err.msg, examples[i].says);
		assert_int_equal(err.code, LM_DATA);
		cJSON_Delete(object);
	}
}

/* Room is made for the elements of an array. */
static void taints_that_are_no_array_are_none(void **state)
{
	struct node *node = node_of_text("{'metadata':{'name':'n'},'spec':{'taints':{'a':{'effect':'NoExecute'},'b':{'effect':"
					 "'NoExecute'},'c':{'effect':'NoExecute'}}}}");

	(void)state;
	assert_int_equal(node->taint_count, 0);
	node_free(node);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_node_with_everything),
		cmocka_unit_test(a_node_with_nothing_has_room_for_nothing),
		cmocka_unit_test(bad_nodes_are_errors_that_name_the_place),
		cmocka_unit_test(taints_that_are_no_array_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
