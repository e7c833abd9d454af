#!/bin/bash
# c-partition.sh: what looks like a node's death and is none, with healing: a node that drops all ICMP; and a network in two parts, one of which has the API server, a
# scheduler and one node. Nothing is evicted.
. "$(dirname "$0")/tap.sh"
silent_s=20				# healing.after
started=$(date -u +%Y-%m-%dT%H:%M:%SZ)

tap_cleanup() {
	join
	icmp_back
	kubectl delete deployment -l suite=healing --wait=false
	gone -l suite=cluster
}

# A scheduler on each side of the cut
release_with_healing() {
	kubectl label --overwrite node uml-1 uml-2 lab=stays
	helm upgrade --install "$release" "$chart" -n "$namespace" --create-namespace "${nfs_values[@]}" --set healing.enabled=true \
		--set-string 'reserve.image.registry=localhost,reserve.image.tag=1,scheduler.nodeSelector.lab=stays'
}
# Two pods of ours and two of kube-scheduler, on uml-1 and uml-3
workloads() {
	local name
	for name in ours:my-latency-scheduler theirs:default-scheduler; do
		cat <<-Y
			apiVersion: apps/v1
			kind: Deployment
			metadata: {name: ${name%:*}, labels: {suite: healing}}
			spec:
			  replicas: 2
			  selector: {matchLabels: {app: ${name%:*}}}
			  template:
			    metadata:
			      labels: {app: ${name%:*}, suite: healing, latency-mesh.io/reserve: "true"}
			      annotations: {latency-mesh.io/within: "app=redis<=500ms"}
			    spec:
			      schedulerName: ${name#*:}
			      affinity:
			        nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: NotIn, values: [uml-2]}]}]}}
			        podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {app: ${name%:*}}}}]}
			      containers: [{name: pause, image: "localhost/pause:1", resources: {requests: {cpu: 50m, memory: 16Mi}}}]
			---
		Y
	done | kubectl apply -f - && kubectl rollout status deployment/ours --timeout=120s && kubectl rollout status deployment/theirs --timeout=120s
}
pods() { kubectl get pods -l suite=healing -o jsonpath='{range .items[*]}{.metadata.uid} {.spec.nodeName} {.metadata.deletionTimestamp}{"\n"}{end}' | sort; }

# of NODE, in the matrix: the array `$1`
of_matrix() {
	matrix | awk -v node="$2" -v key="\"$1\":" '
		match($0, /"nodes":\[[^]]*\]/) { n = split(substr($0, RSTART + 9, RLENGTH - 10), names, ","); for (i = 1; i <= n; i++) { gsub(/[" ]/, "", names[i]); at[names[i]] = i } }
		match($0, key "\\[[^]]*\\]") { split(substr($0, RSTART + length(key) + 1, RLENGTH - length(key) - 2), all, ","); print all[at[node]]; exit }'
}
lost_for() { awk -v a="$(of_matrix lost_s "$1")" -v s="$2" 'BEGIN { exit !(a != "" && a != "null" && a + 0 > s) }'; }
heard() { awk -v a="$(of_matrix lost_s "$1")" -v s="$silent_s" 'BEGIN { exit !(a != "" && a != "null" && a + 0 < s) }'; }

leader() { lm get lease my-latency-scheduler -o jsonpath='{.spec.holderIdentity}' | sed 's/_.*//'; }
leads_on() { [ "$(lm get pod "$(leader)" -o jsonpath='{.spec.nodeName}')" = "$1" ]; }
metrics() { timeout 10 kubectl get --raw "/api/v1/namespaces/$namespace/pods/$(leader):8080/proxy/metrics"; }
# lives LIFE: how many nodes the leader takes for that
lives() { metrics | sed -n "s/^latency_sched_heal_nodes{life=\"$1\"} //p"; }
some_are() { local n; n=$(lives "$1"); [ "${n:-0}" -ge "${2:-1}" ]; }
# nothing_evicted PODS: by their logs since this test began
nothing_evicted() { lm logs "$@" --tail=-1 --since-time="$started" >"$scratch/log" && [ -s "$scratch/log" ] && ! grep -E 'node is dead|pod evicted|pod of a dead node' "$scratch/log"; }
both=(-l app.kubernetes.io/component=scheduler)
said_dead() { kubectl get events -A --field-selector reason=NodeDead -o name | grep .; }

icmp_drop() { guest.sh "$1" 'modprobe act_gact; tc filter add dev vec0 parent 1: prio 1 protocol ip u32 match ip protocol 1 0xff action drop'; }
icmp_back() { guest.sh uml-3 'tc filter del dev vec0 parent 1: prio 1'; }

# uml-1, which has the file server, and uml-3 on a bridge of their own; the API server and uml-2 stay behind
part() { ip link add br1 type bridge && ip link set br1 up && ip link set port1 master br1 && ip link set port3 master br1; }
join() { ip link set port1 master br0 && ip link set port3 master br0 && ip link del br1; }
not_ready() { [ "$(kubectl get nodes | grep -c ' NotReady ')" = "$1" ]; }

kubectl delete events --all-namespaces --field-selector reason=NodeDead >/dev/null
check "helm with healing.enabled: true" release_with_healing
check "all of it runs, the matrix has every link" settled
check "redis on uml-1" redis
check "two Deployments on uml-1 and uml-3" workloads
was=$(pods)
note "$(kubectl get pods -l suite=healing -o jsonpath='{range .items[*]}{.metadata.labels.app} {.spec.nodeName}, {end}')"
check "a leader judges: three nodes are alive" eventually 60 some_are alive 3

begin=$(clock)
check "uml-3 drops all ICMP" icmp_drop uml-3
check "the mesh has lost it" eventually 120 lost_for uml-3 $((2 * silent_s))
note "$(since "$begin") s; lost for $(of_matrix lost_s uml-3) s, by $(of_matrix witnesses uml-3) witnesses"
check "it renews its Lease: nobody is dead" test "$(lives dead)" = 0
check "nothing was evicted" nothing_evicted "${both[@]}"
equal "and all pods are where they were" "$(pods)" "$was"
check "ICMP passes again" icmp_back
check "the mesh has it back" eventually 120 heard uml-3

begin=$(clock)
check "uml-1 and uml-3 are cut from the API server and uml-2" part
check "a scheduler on uml-2 leads" eventually 60 leads_on uml-2
check "it is unsure of both, for most Leases are late" eventually 60 some_are unsure 2
note "$(since "$begin") s after the cut"
check "Kubernetes has given them up" eventually 70 not_ready 2
note "$(since "$begin") s after the cut; $(metrics | grep '^latency_sched_heal_nodes' | xargs)"
sleep 10				# by now healing would have evicted: 30 s are enough when one node dies
check "nothing was evicted" nothing_evicted "$(leader)"
check "the network is whole again" join
check "all nodes are Ready" eventually 120 not_ready 0
check "the matrix has every link" eventually 240 matrix_full
check "all are alive" eventually 60 some_are alive 3
equal "and all pods are where they were" "$(pods)" "$was"
check "nobody was called dead" eval '! said_dead'
check "nothing was evicted in all this time" nothing_evicted "${both[@]}"
tap_end
