/* The steps of simulate: which latency limits are broken after each, on the small cluster of tests/data/simulate. */
#include "tests/unit/simulate_steps.h"

static void drifts_that_break_limits(void **state)
{
	(void)state;
	prints(NULL, (const char *const[4]){"drift edge-1 edge-2 lost", "drift edge-3 edge-1 12ms", "drift edge-1 edge-2 5.5ms", "fail edge-2"}, 0,
	       "before any step\n"
	       "\n"
	       "limits: all kept\n"
	       "\n"
	       "step 1: edge-1 and edge-2 are lost to each other, were 0.41 ms\n"
	       "\n"
	       "0 moves, 0 pods without a place\n"
	       "\n"
	       "limits: all kept\n"
	       "\n"
	       "step 2: edge-3 and edge-1 are 12.00 ms apart, were 0.90 ms\n"
	       "\n"
	       "0 moves, 0 pods without a place\n"
	       "\n"
	       "limits: 2 pods beyond\n"
	       "\n"
	       "LIMIT OF       ON        LIMIT       NOW  REASON\n"
	       "default/api-1  edge-1  5.00 ms  12.00 ms  node(s) exceeded the latency limit to any:app=redis\n"
	       "default/api-2  edge-1  5.00 ms  12.00 ms  node(s) exceeded the latency limit to any:app=redis\n"
	       "\n"
	       "step 3: edge-1 and edge-2 are 5.50 ms apart, were -\n"
	       "\n"
	       "0 moves, 0 pods without a place\n"
	       "\n"
	       "limits: 2 pods beyond\n"
	       "\n"
	       "LIMIT OF       ON        LIMIT      NOW  REASON\n"
	       "default/api-1  edge-1  5.00 ms  5.50 ms  node(s) exceeded the latency limit to any:app=redis\n"
	       "default/api-2  edge-1  5.00 ms  5.50 ms  node(s) exceeded the latency limit to any:app=redis\n"
	       "\n"
	       "step 4: edge-2 fails, 1 pod lost its node\n"
	       "\n"
	       "POD              FROM    NODE         RTT  WHY\n"
	       "default/redis-0  edge-2  edge-3  11.18 ms\n"
	       "\n"
	       "1 move, 0 pods without a place\n"
	       "\n"
	       "limits: 2 pods beyond\n"
	       "\n"
	       "LIMIT OF       ON        LIMIT       NOW  REASON\n"
	       "default/api-1  edge-1  5.00 ms  12.00 ms  node(s) exceeded the latency limit to any:app=redis\n"
	       "default/api-2  edge-1  5.00 ms  12.00 ms  node(s) exceeded the latency limit to any:app=redis\n"
	       "\n"
	       "1 move in all\n");
}

/* Limits to the node that they are on: who can be elsewhere within them is covered and goes there, who cannot waits for the node. */
static void limits_to_the_own_node(void **state)
{
	auto_free char *pods = xasprintf("%s/own.yaml", test_folder());

	(void)state;
	test_write(pods, "kind: Pod\n"
			 "metadata: {name: near, labels: {delay_edge-1: \"0.5\", latency-mesh.io/reserve: \"true\"}, ownerReferences: [{kind: ReplicaSet, "
			 "name: n, uid: n, controller: true}]}\n"
			 "spec: {schedulerName: my-latency-scheduler, containers: [{resources: {requests: {memory: 256Mi}}}]}\n---\n"
			 "kind: Pod\n"
			 "metadata: {name: nearer, labels: {delay_edge-1: \"0.3\", latency-mesh.io/reserve: \"true\"}, ownerReferences: [{kind: ReplicaSet, "
			 "name: n, uid: n, controller: true}]}\n"
			 "spec: {schedulerName: my-latency-scheduler, containers: [{}]}\n");
	prints_with(pods, DATA "sched.yaml", (const char *const[4]){"fail edge-1", "drift edge-1 edge-2 lost", "recover edge-1"}, 0,
		    "POD             NODE        RTT  TOTAL  REASON\n"
		    "default/near    edge-1  0.00 ms   91.0\n"
		    "default/nearer  edge-1  0.00 ms   89.5\n"
		    "\n"
		    "2 placed, 0 not\n"
		    "\n"
		    "before any step\n"
		    "\n"
		    "reserve: 3 covered, 1 not, overhead 10.2 % (cpu 12.5 %, memory 7.8 %)\n"
		    "\n"
		    "ROOM ON  PODS    CPU  MEMORY  MOST FOR\n"
		    "edge-2      3  1000m  1280Mi  edge-1\n"
		    "\n"
		    "NOT COVERED     NODE    REASON\n"
		    "default/nearer  edge-1  0/4 nodes are available: 3 node(s) exceeded the latency limit to edge-1 (label delay_edge-1).\n"
		    "\n"
		    "limits: all kept\n"
		    "\n"
		    "step 1: edge-1 fails, 7 pods lost their node\n"
		    "\n"
		    "POD               FROM    NODE         RTT  WHY\n"
		    "default/api-1     edge-1  edge-2   0.00 ms  its room\n"
		    "default/api-2     edge-1  edge-2   0.00 ms  its room\n"
		    "default/batch     edge-1  edge-4  20.83 ms\n"
		    "default/near      edge-1  edge-2   0.41 ms  its room\n"
		    "default/nearer    edge-1  -              -  0/4 nodes are available: 1 node(s) had untolerated taint(s), "
		    "3 node(s) exceeded the latency limit to edge-1 (label delay_edge-1).\n"
		    "default/shell     edge-1  -              -  gone: no controller would recreate it\n"
		    "kube-system/logs  edge-1  -              -  gone: its DaemonSet would not recreate it on another node\n"
		    "\n"
		    "4 moves, 1 pod without a place\n"
		    "\n"
		    "reserve: 2 covered, 1 not, overhead 9.4 % (cpu 12.5 %, memory 6.2 %)\n"
		    "\n"
		    "ROOM ON  PODS    CPU  MEMORY  MOST FOR\n"
		    "edge-3      2  1000m     1Gi  edge-2\n"
		    "\n"
		    "NOT COVERED   NODE    REASON\n"
		    "default/near  edge-2  0/4 nodes are available: 1 node(s) had untolerated taint(s), "
		    "2 node(s) exceeded the latency limit to edge-1 (label delay_edge-1).\n"
		    "\n"
		    "limits: all kept\n"
		    "\n"
		    "step 2: edge-1 and edge-2 are lost to each other, were 0.41 ms\n"
		    "\n"
		    "POD             FROM    NODE  RTT  WHY\n"
		    "default/nearer  edge-1  -       -  0/4 nodes are available: 1 node(s) had no latency data to edge-1 (label delay_edge-1), "
		    "1 node(s) had untolerated taint(s), 2 node(s) exceeded the latency limit to edge-1 (label delay_edge-1).\n"
		    "\n"
		    "0 moves, 1 pod without a place\n"
		    "\n"
		    "reserve: 2 covered, 1 not, overhead 9.4 % (cpu 12.5 %, memory 6.2 %)\n"
		    "\n"
		    "ROOM ON  PODS    CPU  MEMORY  MOST FOR\n"
		    "edge-3      2  1000m     1Gi  edge-2\n"
		    "\n"
		    "NOT COVERED   NODE    REASON\n"
		    "default/near  edge-2  0/4 nodes are available: 1 node(s) had untolerated taint(s), "
		    "2 node(s) exceeded the latency limit to edge-1 (label delay_edge-1).\n"
		    "\n"
		    "limits: 1 pod beyond\n"
		    "\n"
		    "LIMIT OF      ON        LIMIT  NOW  REASON\n"
		    "default/near  edge-2  0.50 ms    -  node(s) had no latency data to edge-1 (label delay_edge-1)\n"
		    "\n"
		    "step 3: edge-1 is back\n"
		    "\n"
		    "POD               FROM    NODE        RTT  WHY\n"
		    "default/nearer    edge-1  edge-1  0.00 ms\n"
		    "kube-system/logs  edge-1  edge-1        -  with its node\n"
		    "\n"
		    "0 moves, 0 pods without a place\n"
		    "\n"
		    "reserve: 3 covered, 1 not, overhead 10.2 % (cpu 12.5 %, memory 7.8 %)\n"
		    "\n"
		    "ROOM ON  PODS    CPU  MEMORY  MOST FOR\n"
		    "edge-1      1     0m   256Mi  edge-2\n"
		    "edge-3      2  1000m     1Gi  edge-2\n"
		    "\n"
		    "NOT COVERED     NODE    REASON\n"
		    "default/nearer  edge-1  0/4 nodes are available: 1 node(s) had no latency data to edge-1 (label delay_edge-1), "
		    "2 node(s) exceeded the latency limit to edge-1 (label delay_edge-1).\n"
		    "\n"
		    "limits: 1 pod beyond\n"
		    "\n"
		    "LIMIT OF      ON        LIMIT  NOW  REASON\n"
		    "default/near  edge-2  0.50 ms    -  node(s) had no latency data to edge-1 (label delay_edge-1)\n"
		    "\n"
		    "4 moves in all\n");
}

/* A limit of the configuration, for pods without one of their own; exactly as far is not beyond it, and without data noData decides. */
static void limits_of_the_configuration(void **state)
{
	auto_free char *config = xasprintf("%s/max.yaml", test_folder()), *deny = xasprintf("%s/deny.yaml", test_folder());

	(void)state;
	test_write(config, "maxLatency: 15ms\ndefaultNear: \"node/edge-4, node/edge-1\"\n");
	prints(config, (const char *const[4]){"drift edge-3 edge-4 15ms", "drift edge-2 edge-4 lost"}, 0,
	       "before any step\n"
	       "\n"
	       "limits: 2 pods beyond\n"
	       "\n"
	       "LIMIT OF         ON         LIMIT       NOW  REASON\n"
	       "default/redis-0  edge-2  15.00 ms  20.50 ms  node(s) exceeded the latency limit to node/edge-4\n"
	       "default/redis-1  edge-3  15.00 ms  20.90 ms  node(s) exceeded the latency limit to node/edge-4\n"
	       "\n"
	       "step 1: edge-3 and edge-4 are 15.00 ms apart, were 20.90 ms\n"
	       "\n"
	       "0 moves, 0 pods without a place\n"
	       "\n"
	       "limits: 1 pod beyond\n"
	       "\n"
	       "LIMIT OF         ON         LIMIT       NOW  REASON\n"
	       "default/redis-0  edge-2  15.00 ms  20.50 ms  node(s) exceeded the latency limit to node/edge-4\n"
	       "\n"
	       "step 2: edge-2 and edge-4 are lost to each other, were 20.50 ms\n"
	       "\n"
	       "0 moves, 0 pods without a place\n"
	       "\n"
	       "limits: all kept\n"
	       "\n"
	       "0 moves in all\n");
	test_write(deny, "maxLatency: 25ms\nnoData: deny\ndefaultNear: \"node/edge-4, node/edge-1\"\n");
	prints(deny, (const char *const[4]){"drift edge-2 edge-4 lost"}, 0,
	       "before any step\n"
	       "\n"
	       "limits: all kept\n"
	       "\n"
	       "step 1: edge-2 and edge-4 are lost to each other, were 20.50 ms\n"
	       "\n"
	       "0 moves, 0 pods without a place\n"
	       "\n"
	       "limits: 1 pod beyond\n"
	       "\n"
	       "LIMIT OF         ON         LIMIT  NOW  REASON\n"
	       "default/redis-0  edge-2  25.00 ms    -  node(s) had no latency data to node/edge-4\n"
	       "\n"
	       "0 moves in all\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(drifts_that_break_limits),
		cmocka_unit_test(limits_to_the_own_node),
		cmocka_unit_test(limits_of_the_configuration),
	};

	return cmocka_run_group_tests_name("simulate-limits", tests, NULL, NULL);
}
