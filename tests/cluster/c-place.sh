#!/bin/bash
# c-place.sh: pods go where their labels and annotations say.
. "$(dirname "$0")/tap.sh"
tap_cleanup() {
	delay.sh uml-2 uml-3 100
	kubectl delete deployment near --ignore-not-found --wait=false
	gone -l suite=cluster
}

near_bound() { [ "$(kubectl get pods -l app=near -o jsonpath='{.items[*].spec.nodeName}' | wc -w)" = 2 ]; }

check "the release is there" installed
check "the target runs on uml-1" redis
check "a Deployment near it is accepted" near_deployment
check "and bound" eventually 30 near_bound
equal "a Deployment with near lands next to its target" "$(nodes_of_near)" "2 uml-1"
check "and runs there" kubectl rollout status deployment/near --timeout=60s
check "where that node is out of the question, the nearest other one" goes uml-2 "${near_redis[@]}"
check "a pod with delay_uml-3=60 keeps the limit: only uml-3 does" goes uml-3 delay_uml-3=60
check "again" goes uml-3 delay_uml-3=60
check "a limit to the pods of an app: delay_redis=60" goes uml-2 delay_redis=60 '!uml-1'
pod hopeless latency-mesh.io/within:"node/uml-1<=60ms, node/uml-3<=60ms"
check "a limit that no node meets: an event says so" eventually 20 has_event hopeless 'FailedScheduling: 0/3 nodes are available: .*exceeded the latency limit'
note "$(events_of hopeless)"
equal "and the pod is Pending" "$(kubectl get pod hopeless -o jsonpath='{.status.phase}') $(node_of hopeless)" "Pending "
begin=$(clock)
delay.sh uml-2 uml-3 8
equal "it is bound after the network meets the limit" "$(placed hopeless 240)" uml-2
note "$(since "$begin") s from the change in the network to the binding (median of a minute, then the merger)"
note "$(events_of hopeless)"
says "kubectl describe says where and why" 'Scheduled .* Successfully assigned' kubectl describe pod hopeless
tap_end
