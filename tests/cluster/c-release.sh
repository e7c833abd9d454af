#!/bin/bash
# c-release.sh: upgrade, rollback, a second release beside the first, uninstall, and the plain manifests with kubectl alone.
. "$(dirname "$0")/tap.sh"
other=latency-second

tap_cleanup() {
	gone -l suite=cluster
	helm uninstall second -n "$other"
	helm uninstall "$release" -n "$namespace"
	kubectl delete -f "$scratch/plain.yaml" --ignore-not-found --wait=false
}

cluster_objects() {
	kubectl get clusterroles,clusterrolebindings,persistentvolumes,priorityclasses,namespaces -l app.kubernetes.io/part-of=latency-mesh \
		-o go-template='{{range .items}}{{if not .metadata.deletionTimestamp}}{{.kind}}/{{.metadata.name}}{{"\n"}}{{end}}{{end}}'
}
none_of_ours() {
	local objects
	objects=$(cluster_objects) && [ -z "$objects" ] || { echo "$objects"; return 1; }
}
has_objects() { [ "$(cluster_objects | grep -c .)" -ge 5 ]; }
files() { on_server ls "$volume" "$volume/nodes"; }
no_pods() { [ -z "$(kubectl get pods -n "$1" -o name)" ]; }
# One pod after the other, until COMMAND has ended: all are bound soon. Not all where they belong: the probes begin anew too, and the first
# median of a busy guest is of three pings.
placing_while() {
	local command unbound=0 elsewhere=0 count=0
	"$@" >"$scratch/command" 2>&1 &
	command=$!
	while kill -0 "$command" 2>/dev/null; do
		goes uml-2 "${near_redis[@]}" >/dev/null || elsewhere=$((elsewhere + 1))
		[ -n "$got" ] || unbound=$((unbound + 1))
		count=$((count + 1))
		sleep 4
	done
	wait "$command" || { cat "$scratch/command"; return 1; }
	echo "$count pods meanwhile, $unbound not bound in 15 s, $elsewhere not on the nearest node"
	[ $unbound = 0 ]
}
upgrade() {
	helm upgrade "$release" "$chart" -n "$namespace" --reuse-values --set logLevel=debug && lm rollout status deployment/my-latency-scheduler --timeout=180s
}
rollback() { helm rollback "$release" -n "$namespace" && lm rollout status deployment/my-latency-scheduler --timeout=180s; }

second() {
	helm install second "$chart" -n "$other" --create-namespace --set persistence.nfs.server=10.99.0.2,persistence.nfs.path=/second \
		--set probe.port=3001,merge.kind=Deployment,merge.interval=10s,scheduler.replicas=1 --values "$cluster/values.yaml" "$@"
}
second_matrix() { volume=/mnt/export/second matrix_full; }

check "the release is there" installed
check "a pod redis on uml-1" redis
begin=$(clock)
check "helm upgrade: pods are placed all the while" placing_while upgrade
note "$(since "$begin") s" "$(cat "$scratch/check")"
begin=$(clock)
check "helm rollback: pods are placed all the while" placing_while rollback
note "$(since "$begin") s" "$(cat "$scratch/check")"

says "a second release of the same scheduler name is refused" 'my-latency-scheduler.*is served by the release latency-aware-scheduler' second
check "a second release with its own name" second --set 'scheduler.names={second-scheduler}'
check "it has a matrix of its own" eventually 240 second_matrix
check "it places its pods" goes uml-2 "${near_redis[@]}" %second-scheduler
check "and the first its own" goes uml-2 "${near_redis[@]}"
check "the second is uninstalled" helm uninstall second -n "$other" --wait
check "the first goes on" goes uml-2 "${near_redis[@]}"

before=$(files)
check "until then there are some" has_objects
check "helm uninstall" helm uninstall "$release" -n "$namespace" --wait --timeout 120s
check "no cluster-scoped object stays" eventually 60 none_of_ours
equal "the volume's data stay" "$(files)" "$before"
check "the pods go" eventually 90 no_pods "$namespace"

"$tree/helm/manifests.sh" "$cluster/values.yaml" <(printf 'persistence: {nfs: {server: 10.99.0.2, path: /share}}\nmerge: {kind: Deployment, interval: 10s}\n') >"$scratch/plain.yaml"
check "the plain manifests, with kubectl alone" kubectl apply -f "$scratch/plain.yaml"
begin=$(clock)
check "all of it runs, and the old data are taken up" settled
note "$(since "$begin") s until it ran"
check "it places pods" goes uml-2 "${near_redis[@]}"
check "kubectl delete" kubectl delete -f "$scratch/plain.yaml" --timeout=120s
check "no cluster-scoped object stays" eventually 60 none_of_ours
tap_end
