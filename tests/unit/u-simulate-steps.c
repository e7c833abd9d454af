/* The steps of simulate: what each prints, on the small cluster of tests/data/simulate. */
#include "tests/unit/simulate_steps.h"

static void a_failure_and_a_recovery(void **state)
{
	(void)state;
	prints(NULL, (const char *const[4]){"fail edge-1", " recover  edge-1 "}, 0,
	       "before any step\n"
	       "\n"
	       "limits: all kept\n"
	       "\n"
	       "step 1: edge-1 fails, 5 pods lost their node\n"
	       "\n"
	       "POD               FROM    NODE        RTT  WHY\n"
	       "default/api-1     edge-1  edge-3  0.00 ms\n"
	       "default/api-2     edge-1  edge-2  0.00 ms\n"
	       "default/batch     edge-1  edge-2  7.18 ms\n"
	       "default/shell     edge-1  -             -  gone: no controller would recreate it\n"
	       "kube-system/logs  edge-1  -             -  gone: its DaemonSet would not recreate it on another node\n"
	       "\n"
	       "3 moves, 0 pods without a place\n"
	       "\n"
	       "limits: all kept\n"
	       "\n"
	       "step 2: edge-1 is back\n"
	       "\n"
	       "POD               FROM    NODE    RTT  WHY\n"
	       "kube-system/logs  edge-1  edge-1    -  with its node\n"
	       "\n"
	       "0 moves, 0 pods without a place\n"
	       "\n"
	       "limits: all kept\n"
	       "\n"
	       "3 moves in all\n");
}

/* Who waits for another pod comes after him, and who waits stays in the list. */
static void all_nodes_fail_one_after_the_other(void **state)
{
	(void)state;
	prints(NULL, (const char *const[4]){"fail edge-2", "fail edge-3", "fail edge-1", "recover edge-2"}, 0,
	       "before any step\n"
	       "\n"
	       "limits: all kept\n"
	       "\n"
	       "step 1: edge-2 fails, 1 pod lost its node\n"
	       "\n"
	       "POD              FROM    NODE        RTT  WHY\n"
	       "default/redis-0  edge-2  edge-3  7.48 ms\n"
	       "\n"
	       "1 move, 0 pods without a place\n"
	       "\n"
	       "limits: all kept\n"
	       "\n"
	       "step 2: edge-3 fails, 2 pods lost their node\n"
	       "\n"
	       "POD              FROM    NODE         RTT  WHY\n"
	       "default/redis-0  edge-3  edge-4  20.83 ms\n"
	       "default/redis-1  edge-3  edge-4  20.83 ms\n"
	       "\n"
	       "2 moves, 0 pods without a place\n"
	       "\n"
	       "limits: 2 pods beyond\n"
	       "\n"
	       "LIMIT OF       ON        LIMIT       NOW  REASON\n"
	       "default/api-1  edge-1  5.00 ms  21.10 ms  node(s) exceeded the latency limit to any:app=redis\n"
	       "default/api-2  edge-1  5.00 ms  21.10 ms  node(s) exceeded the latency limit to any:app=redis\n"
	       "\n"
	       "step 3: edge-1 fails, 5 pods lost their node\n"
	       "\n"
	       "POD               FROM    NODE        RTT  WHY\n"
	       "default/api-1     edge-1  edge-4  0.00 ms\n"
	       "default/api-2     edge-1  edge-4  0.00 ms\n"
	       "default/batch     edge-1  -             -  0/4 nodes are available: 1 Insufficient cpu, 3 node(s) had untolerated taint(s).\n"
	       "default/shell     edge-1  -             -  gone: no controller would recreate it\n"
	       "kube-system/logs  edge-1  -             -  gone: its DaemonSet would not recreate it on another node\n"
	       "\n"
	       "2 moves, 1 pod without a place\n"
	       "\n"
	       "limits: all kept\n"
	       "\n"
	       "step 4: edge-2 is back\n"
	       "\n"
	       "POD            FROM    NODE        RTT  WHY\n"
	       "default/batch  edge-1  edge-2  7.18 ms\n"
	       "\n"
	       "1 move, 0 pods without a place\n"
	       "\n"
	       "limits: all kept\n"
	       "\n"
	       "6 moves in all\n");
}

/* Steps begin where --pods were placed. A limit to a dead node is judged by what was known of it; who fitted nowhere is tried again. */
static void pods_come_first(void **state)
{
	auto_free char *pods = xasprintf("%s/pods.yaml", test_folder());

	(void)state;
	test_write(pods, "kind: Pod\n"
			 "metadata: {name: near, annotations: {latency-mesh.io/within: \"node/edge-1<=500us\"}, ownerReferences: [{kind: Job, name: j, uid: j, "
			 "controller: true}]}\n"
			 "spec: {priority: 7, containers: [{}]}\n---\n"
			 "kind: Pod\nmetadata: {name: big}\nspec: {containers: [{resources: {requests: {cpu: 3}}}]}\n");
	prints_with(pods, NULL, (const char *const[4]){"fail edge-1", "recover edge-1"}, 1,
		    "POD           NODE        RTT  TOTAL  REASON\n"
		    "default/near  edge-1  0.00 ms   91.0\n"
		    "default/big   -             -      -  0/4 nodes are available: 4 Insufficient cpu.\n"
		    "\n"
		    "1 placed, 1 not\n"
		    "\n"
		    "before any step\n"
		    "\n"
		    "limits: all kept\n"
		    "\n"
		    "step 1: edge-1 fails, 6 pods lost their node\n"
		    "\n"
		    "POD               FROM    NODE        RTT  WHY\n"
		    "default/near      edge-1  edge-2  0.41 ms\n"
		    "default/api-1     edge-1  edge-3  0.00 ms\n"
		    "default/api-2     edge-1  edge-2  0.00 ms\n"
		    "default/batch     edge-1  edge-3  7.48 ms\n"
		    "default/big       -       -             -  0/4 nodes are available: 1 node(s) had untolerated taint(s), 3 Insufficient cpu.\n"
		    "default/shell     edge-1  -             -  gone: no controller would recreate it\n"
		    "kube-system/logs  edge-1  -             -  gone: its DaemonSet would not recreate it on another node\n"
		    "\n"
		    "4 moves, 1 pod without a place\n"
		    "\n"
		    "limits: all kept\n"
		    "\n"
		    "step 2: edge-1 is back\n"
		    "\n"
		    "POD               FROM    NODE    RTT  WHY\n"
		    "default/big       -       -         -  0/4 nodes are available: 4 Insufficient cpu.\n"
		    "kube-system/logs  edge-1  edge-1    -  with its node\n"
		    "\n"
		    "0 moves, 1 pod without a place\n"
		    "\n"
		    "limits: all kept\n"
		    "\n"
		    "4 moves in all\n");
}

/* The room goes on with them: to where they would go next. A drift takes away what was known of a dead node, so that redis goes far. */
static void room_is_kept_and_taken(void **state)
{
	(void)state;
	prints(DATA "sched.yaml", (const char *const[4]){"fail edge-1", "drift edge-2 edge-1 lost", "fail edge-3"}, 0,
	       "before any step\n"
	       "\n"
	       "reserve: 2 covered, 0 not, overhead 9.4 % (cpu 12.5 %, memory 6.2 %)\n"
	       "\n"
	       "ROOM ON  PODS    CPU  MEMORY  MOST FOR\n"
	       "edge-2      2  1000m     1Gi  edge-1\n"
	       "\n"
	       "limits: all kept\n"
	       "\n"
	       "step 1: edge-1 fails, 5 pods lost their node\n"
	       "\n"
	       "POD               FROM    NODE         RTT  WHY\n"
	       "default/api-1     edge-1  edge-2   0.00 ms  its room\n"
	       "default/api-2     edge-1  edge-2   0.00 ms  its room\n"
	       "default/batch     edge-1  edge-4  20.83 ms\n"
	       "default/shell     edge-1  -              -  gone: no controller would recreate it\n"
	       "kube-system/logs  edge-1  -              -  gone: its DaemonSet would not recreate it on another node\n"
	       "\n"
	       "3 moves, 0 pods without a place\n"
	       "\n"
	       "reserve: 2 covered, 0 not, overhead 9.4 % (cpu 12.5 %, memory 6.2 %)\n"
	       "\n"
	       "ROOM ON  PODS    CPU  MEMORY  MOST FOR\n"
	       "edge-3      2  1000m     1Gi  edge-2\n"
	       "\n"
	       "limits: all kept\n"
	       "\n"
	       "step 2: edge-2 and edge-1 are lost to each other, were 0.41 ms\n"
	       "\n"
	       "0 moves, 0 pods without a place\n"
	       "\n"
	       "reserve: 2 covered, 0 not, overhead 9.4 % (cpu 12.5 %, memory 6.2 %)\n"
	       "\n"
	       "ROOM ON  PODS    CPU  MEMORY  MOST FOR\n"
	       "edge-3      2  1000m     1Gi  edge-2\n"
	       "\n"
	       "limits: all kept\n"
	       "\n"
	       "step 3: edge-3 fails, 1 pod lost its node\n"
	       "\n"
	       "POD              FROM    NODE         RTT  WHY\n"
	       "default/redis-1  edge-3  edge-4  20.83 ms\n"
	       "\n"
	       "1 move, 0 pods without a place\n"
	       "\n"
	       "reserve: 1 covered, 1 not, overhead 4.7 % (cpu 6.2 %, memory 3.1 %)\n"
	       "\n"
	       "ROOM ON  PODS   CPU  MEMORY  MOST FOR\n"
	       "edge-4      1  500m   512Mi  edge-2\n"
	       "\n"
	       "NOT COVERED    NODE    REASON\n"
	       "default/api-2  edge-2  0/4 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint(s).\n"
	       "\n"
	       "limits: all kept\n"
	       "\n"
	       "4 moves in all\n");
}

/* No traffic enters at a node that failed: a limit to where it enters is to what is left. */
static void traffic_goes_on_without_a_node(void **state)
{
	auto_free char *entry = xasprintf("%s/entry.json", test_folder()), *config = xasprintf("%s/entry.yaml", test_folder());
	auto_free char *data = test_read(DATA "cluster-latency.json"), *text = NULL, *want = NULL;
	auto_free char *step = xasprintf("matrix %s", entry);

	(void)state;
	assert_int_equal(data[0], '{');
	text = xasprintf("{\"entry\":{\"edge-1\":90,\"edge-4\":10},%s", data + 1);
	test_write(entry, text);
	test_write(config, "maxLatency: 5ms\ndefaultNear: entry\n");
	want = xasprintf("before any step\n"
			 "\n"
			 "limits: all kept\n"
			 "\n"
			 "step 1: latency data of %s, 4 nodes\n"
			 "\n"
			 "0 moves, 0 pods without a place\n"
			 "\n"
			 "limits: all kept\n"
			 "\n"
			 "step 2: edge-1 fails, 5 pods lost their node\n"
			 "\n"
			 "POD               FROM    NODE        RTT  WHY\n"
			 "default/api-1     edge-1  edge-3  0.00 ms\n"
			 "default/api-2     edge-1  edge-2  0.00 ms\n"
			 "default/batch     edge-1  edge-4  0.00 ms\n"
			 "default/shell     edge-1  -             -  gone: no controller would recreate it\n"
			 "kube-system/logs  edge-1  -             -  gone: its DaemonSet would not recreate it on another node\n"
			 "\n"
			 "3 moves, 0 pods without a place\n"
			 "\n"
			 "limits: 2 pods beyond\n"
			 "\n"
			 "LIMIT OF         ON        LIMIT       NOW  REASON\n"
			 "default/redis-0  edge-2  5.00 ms  20.50 ms  node(s) exceeded the latency limit to entry\n"
			 "default/redis-1  edge-3  5.00 ms  20.90 ms  node(s) exceeded the latency limit to entry\n"
			 "\n"
			 "step 3: edge-1 is back\n"
			 "\n"
			 "POD               FROM    NODE    RTT  WHY\n"
			 "kube-system/logs  edge-1  edge-1    -  with its node\n"
			 "\n"
			 "0 moves, 0 pods without a place\n"
			 "\n"
			 "limits: all kept\n"
			 "\n"
			 "3 moves in all\n", entry);
	prints(config, (const char *const[4]){step, "fail edge-1", "recover edge-1"}, 0, want);
}

/* The predecessors' form has no ages and does not get any; a node that failed takes no pods with it either. */
static void another_file(void **state)
{
	auto_free char *plain = xasprintf("%s/plain.json", test_folder()), *step = xasprintf("matrix %s", plain), *want = NULL;

	(void)state;
	test_write(plain, "{\"edge-1\":{\"edge-2\":7.5,\"edge-3\":2},\"edge-2\":{\"edge-3\":null},\"edge-4\":{\"edge-1\":2}}");
	want = xasprintf("before any step\n"
			 "\n"
			 "limits: all kept\n"
			 "\n"
			 "step 1: edge-3 fails, 1 pod lost its node\n"
			 "\n"
			 "POD              FROM    NODE        RTT  WHY\n"
			 "default/redis-1  edge-3  edge-2  7.18 ms\n"
			 "\n"
			 "1 move, 0 pods without a place\n"
			 "\n"
			 "limits: all kept\n"
			 "\n"
			 "step 2: latency data of %s, 4 nodes\n"
			 "\n"
			 "0 moves, 0 pods without a place\n"
			 "\n"
			 "limits: 2 pods beyond\n"
			 "\n"
			 "LIMIT OF       ON        LIMIT      NOW  REASON\n"
			 "default/api-1  edge-1  5.00 ms  7.50 ms  node(s) exceeded the latency limit to any:app=redis\n"
			 "default/api-2  edge-1  5.00 ms  7.50 ms  node(s) exceeded the latency limit to any:app=redis\n"
			 "\n"
			 "step 3: edge-1 and edge-2 are 2.00 ms apart, were 7.50 ms\n"
			 "\n"
			 "0 moves, 0 pods without a place\n"
			 "\n"
			 "limits: all kept\n"
			 "\n"
			 "step 4: edge-2 fails, 2 pods lost their node\n"
			 "\n"
			 "POD              FROM    NODE        RTT  WHY\n"
			 "default/redis-0  edge-2  edge-4  2.00 ms\n"
			 "default/redis-1  edge-2  edge-4  2.00 ms\n"
			 "\n"
			 "2 moves, 0 pods without a place\n"
			 "\n"
			 "limits: all kept\n"
			 "\n"
			 "3 moves in all\n", plain);
	prints(NULL, (const char *const[4]){"fail edge-3", step, "drift edge-1 edge-2 2ms", "fail edge-2"}, 0, want);
}

static void the_same_for_programs(void **state)
{
	const char *const words[] = {"x", "--cluster", DATA "cluster.yaml", "--now", NOW, "--format", "json", "--matrix", DATA "cluster-latency.json",
				     "--step", "fail edge-3", "--step", "drift edge-2 edge-1 5500us", "--step", "matrix " DATA "cluster-latency.json", NULL};
	int code;
	auto_free char *text = run_words(words, &code);
	const char *part = strstr(text, "\n\"before\"");

	(void)state;
	assert_int_equal(code, 0);
	assert_non_null(part);
	assert_string_equal(
		part,
		"\n\"before\":{\"reserve\":null,\n"
		" \"violated\":[]},\n"
		"\"steps\":[\n"
		"{\"step\":\"fail edge-3\",\"did\":\"edge-3 fails, 1 pod lost its node\",\n"
		" \"pods\":[\n"
		"  {\"namespace\":\"default\",\"name\":\"redis-1\",\"uid\":\"default/redis-1\",\"from\":\"edge-3\",\"refuge\":null,\"end\":\"decided\","
		"\"node\":\"edge-2\",\"rtt_us\":7184,\"estimate\":false,\"message\":null,\"note\":null}],\n"
		" \"moves\":1,\"waiting\":0,\n"
		" \"reserve\":null,\n"
		" \"violated\":[]},\n"
		"{\"step\":\"drift edge-2 edge-1 5500us\",\"did\":\"edge-2 and edge-1 are 5.50 ms apart, were 0.41 ms\",\"was_us\":[412,412],\n"
		" \"pods\":[],\n"
		" \"moves\":0,\"waiting\":0,\n"
		" \"reserve\":null,\n"
		" \"violated\":[\n"
		"  {\"namespace\":\"default\",\"name\":\"api-1\",\"uid\":\"default/api-1\",\"node\":\"edge-1\",\"target\":\"any:app=redis\",\"limit_us\":5000,"
		"\"now_us\":5500,\"reason\":\"node(s) exceeded the latency limit to any:app=redis\"},\n"
		"  {\"namespace\":\"default\",\"name\":\"api-2\",\"uid\":\"default/api-2\",\"node\":\"edge-1\",\"target\":\"any:app=redis\",\"limit_us\":5000,"
		"\"now_us\":5500,\"reason\":\"node(s) exceeded the latency limit to any:app=redis\"}]},\n"
		"{\"step\":\"matrix " DATA "cluster-latency.json\",\"did\":\"latency data of " DATA "cluster-latency.json, 4 nodes\",\n"
		" \"pods\":[],\n"
		" \"moves\":0,\"waiting\":0,\n"
		" \"reserve\":null,\n"
		" \"violated\":[]}],\n"
		"\"moves\":1,\"waiting\":0}\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_failure_and_a_recovery),
		cmocka_unit_test(all_nodes_fail_one_after_the_other),
		cmocka_unit_test(pods_come_first),
		cmocka_unit_test(room_is_kept_and_taken),
		cmocka_unit_test(traffic_goes_on_without_a_node),
		cmocka_unit_test(another_file),
		cmocka_unit_test(the_same_for_programs),
	};

	return cmocka_run_group_tests_name("simulate-steps", tests, NULL, NULL);
}
