#!/bin/bash
# check-api.sh: what a real API server says to the chart; prints TAP. No kubelet is needed, nothing runs:
#
#   tests/e2e/cluster.sh helm/check-api.sh
#
# Each values file of helm/ci and each example is created for trial (--dry-run=server), with Pod Security "restricted" warning; two releases are installed,
# upgraded, rolled back and uninstalled. What `mode: extender` installs places pods on nodes that are objects only: a real kube-scheduler and our latency-sched
# ($BUILD, build/gcc), with the release's configuration and its account, and the audit log says what was refused. KUBECONFIG is an administrator's; helm and
# kubectl: $HELM, $KUBECTL, else on the PATH, else tests/cluster/tools.sh.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 70
tools() { echo "$(tests/cluster/tools.sh)/bin/$1"; }
HELM=${HELM:-$(command -v helm || tools helm)} KUBECTL=${KUBECTL:-$(command -v kubectl || tools kubectl)}
export HELM
chart=helm/latency-aware-scheduler release=latency-aware-scheduler namespace=latency-scheduler
work=$(mktemp -d)
trap 'stop_programs; rm -rf "$work"' EXIT
count=0 failed=0

# report TITLE STATUS: what $work/log holds is shown when it failed
report() {
	count=$((count + 1))
	[ "$2" = 0 ] || failed=$((failed + 1))
	[ "$2" = 0 ] && echo "ok $count - $1" || { echo "not ok $count - $1"; sed 's/^/# /' "$work/log"; }
}
kubectl() { "$KUBECTL" --request-timeout 20s "$@"; }
helm() { "$HELM" --namespace "$namespace" "$@"; }
# does TITLE COMMAND...; refuses TEXT TITLE COMMAND...
does() { local title=$1; shift; "$@" >"$work/log" 2>&1; report "$title" $?; }
refuses() {
	local text=$1 title=$2; shift 2
	"$@" >"$work/log" 2>&1 && { echo "was not refused" >>"$work/log"; report "$title" 1; return; }
	grep -qF -- "$text" "$work/log"; report "$title" $?
}
prepare() { # NAMESPACE: as a controller manager would
	kubectl create namespace "$1" && kubectl --namespace "$1" create serviceaccount default
} >/dev/null 2>&1

# --- trial --------------------------------------------------------------------------------------------------------------
prepare "$namespace"
prepare other
kubectl label namespace "$namespace" pod-security.kubernetes.io/warn=restricted >/dev/null

# The server takes everything, and warns of the probe's DaemonSet alone; a chart that warned of nothing would mean that it looks at nothing.
tried() {
	helm template "$release" "$chart" --values "$1" >"$work/all.yaml" 2>"$work/log" || return 1
	kubectl apply --dry-run=server -f "$work/all.yaml" >"$work/log" 2>&1 || return 1
	[ "$(grep -c 'Warning: would violate PodSecurity' "$work/log")" = 1 ] && ! grep -v 'would violate PodSecurity' "$work/log" | grep -q Warning
}
for values in helm/ci/*.yaml; do
	tried "$values"; report "server-side dry-run: $values" $?
	helm/manifests.sh "$values" >"$work/plain.yaml" 2>"$work/log" && kubectl apply --dry-run=server -f "$work/plain.yaml" >"$work/log" 2>&1
	report "server-side dry-run of the plain manifests: $values" $?
done
for example in helm/examples/*.yaml; do
	[ "$example" = helm/examples/kube-scheduler-configuration.yaml ] || does "server-side dry-run: $example" kubectl --namespace other apply --dry-run=server -f "$example"
done

# --- mode: extender ------------------------------------------------------------------------------------------------------
programs=()
stop_programs() {
	[ ${#programs[@]} = 0 ] || { kill "${programs[@]}"; wait "${programs[@]}"; } 2>/dev/null
	programs=()
}
of_kube_scheduler() {
	kubectl get clusterrolebindings,rolebindings,configmaps --all-namespaces --selector app.kubernetes.io/part-of=latency-mesh --output name |
		grep -E 'kube-scheduler|volume-scheduler' | xargs
}
eventually() { # SECONDS COMMAND...
	local end=$((SECONDS + $1)); shift
	until "$@" >"$work/eventually" 2>&1; do [ "$SECONDS" -lt "$end" ] || { cat "$work/eventually"; return 1; }; sleep 0.2; done
}
nodes_and_target() {
	local node
	for node in n1 n2 n3; do
		printf -- '---\napiVersion: v1\nkind: Node\nmetadata: {name: %s, labels: {kubernetes.io/hostname: %s}}\n' $node $node
		echo 'status: {capacity: &has {cpu: "4", memory: 4Gi, pods: "110"}, allocatable: *has, conditions: [{type: Ready, status: "True"}]}'
	done | kubectl apply -f - && kubectl apply -f - <<-Y
		apiVersion: v1
		kind: Pod
		metadata: {name: redis, namespace: other, labels: {app: redis}}
		spec: {nodeName: n1, containers: [{name: c, image: i}]}
	Y
}
# asks NAME REQUEST: a pod of the release's with a request of latency, not on n1
asks() {
	kubectl apply -f - <<-Y
		apiVersion: v1
		kind: Pod
		metadata: {name: $1, namespace: other, annotations: {$2}}
		spec:
		  schedulerName: my-latency-scheduler
		  containers: [{name: c, image: i}]
		  affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [
		    {matchExpressions: [{key: kubernetes.io/hostname, operator: NotIn, values: [n1]}]}]}}}
	Y
}
# a claim that waits for its pod, and a volume for it; nobody here binds them to the end, so the pod waits on
asks_volume() {
	kubectl apply -f - <<-Y
		apiVersion: storage.k8s.io/v1
		kind: StorageClass
		metadata: {name: local}
		provisioner: kubernetes.io/no-provisioner
		volumeBindingMode: WaitForFirstConsumer
		---
		apiVersion: v1
		kind: PersistentVolume
		metadata: {name: local}
		spec:
		  capacity: {storage: 1Gi}
		  accessModes: [ReadWriteOnce]
		  storageClassName: local
		  local: {path: /mnt}
		  nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [n2]}]}]}}
		---
		apiVersion: v1
		kind: PersistentVolumeClaim
		metadata: {name: local, namespace: other}
		spec: {storageClassName: local, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
		---
		apiVersion: v1
		kind: Pod
		metadata: {name: volume, namespace: other}
		spec:
		  schedulerName: my-latency-scheduler
		  containers: [{name: c, image: i}]
		  volumes: [{name: v, persistentVolumeClaim: {claimName: local}}]
	Y
	# as a controller manager would
	kubectl patch persistentvolume local --subresource=status --patch '{"status": {"phase": "Available"}}'
}
volume_taken() { kubectl get persistentvolume local --output 'jsonpath={.spec.claimRef.name}' | grep '^local$'; }
pod_has() { kubectl --namespace other get pod "$1" --output "jsonpath=$2" | grep -E -- "$3"; }
sched_ready() { (exec 3<>/dev/tcp/127.0.0.1/8080 && printf 'GET /readyz HTTP/1.0\r\n\r\n' >&3 && head -n 1 <&3 | grep ' 200 '); }
start_programs() {
	local token folder arguments
	folder=$(dirname "$KUBECONFIG")
	token=$(kubectl --namespace "$namespace" create token latency-sched) || return 1
	sed "s/token: .*}}/token: $token}}/" "$KUBECONFIG" >"$folder/account.kubeconfig"
	field configmap/latency-kube-scheduler '{.data.config\.yaml}' >"$work/kube-scheduler.yaml" || return 1
	printf '\nclientConnection: {kubeconfig: %s}\n' "$folder/account.kubeconfig" >>"$work/kube-scheduler.yaml"
	field configmap/latency-sched '{.data.config\.yaml}' >"$work/config.yaml" || return 1
	echo '{"n1":{"n2":40,"n3":0.4},"n2":{"n1":40,"n3":40},"n3":{"n1":0.4,"n2":40}}' >"$work/cluster-latency.json"
	mapfile -t arguments < <(field deployment/my-latency-scheduler '{range .spec.template.spec.containers[?(@.name=="latency-sched")].args[*]}{@}{"\n"}{end}' |
		sed "s|/latency/|$work/|; s|/etc/latency-sched/|$work/|; s|--listen=:8080|--listen=127.0.0.1:8080|")
	"${BUILD:-build/gcc}/latency-sched" "${arguments[@]}" --kubeconfig "$folder/account.kubeconfig" >"$folder/latency-sched.log" 2>&1 &
	programs+=($!)
	eventually 20 sched_ready || return 1
	# kube-scheduler looks for the latter two in the pod
	kube-scheduler --config "$work/kube-scheduler.yaml" --authentication-kubeconfig "$folder/account.kubeconfig" --authorization-kubeconfig "$folder/account.kubeconfig" \
		>"$folder/kube-scheduler.log" 2>&1 &
	programs+=($!)
}
by_account() { grep -F "\"username\":\"system:serviceaccount:$namespace:latency-sched\"" "$(dirname "$KUBECONFIG")/audit.log"; }
refused_account() { by_account | grep -E '"code":40[13]' | grep -oE '"(requestURI|verb)":"[^"]*"'; }
extender_places() {
	does "nodes, and a pod on n1" nodes_and_target
	start_programs >"$work/log" 2>&1; report "kube-scheduler and latency-sched start as the release has them" $?
	asks near 'latency-mesh.io/near: app=redis' >/dev/null
	does "a pod near it goes to the nearest other node" eventually 30 pod_has near '{.spec.nodeName}' '^n3$'
	asks hopeless 'latency-mesh.io/within: app=redis<=0.1ms' >/dev/null
	does "a limit that no node meets: kube-scheduler says why" eventually 20 pod_has hopeless '{.status.conditions[*].message}' \
		'^0/3 nodes are available: .*2 node\(s\) exceeded the latency limit to app=redis'
	[ "$(field lease/my-latency-scheduler '{.spec.holderIdentity}')" != "" ]; report "it leads by the release's Lease" $?
	does "a claim that waits for its pod" asks_volume
	does "gets a volume from kube-scheduler" eventually 30 volume_taken
	stop_programs
	by_account | grep '/pods/near/binding' >/dev/null; report "the account did the work" $?
	! refused_account >"$work/log"; report "and nothing was refused" $?
	kubectl --namespace other delete pods --all --force --grace-period=0 >/dev/null 2>&1
	kubectl delete nodes --all >/dev/null
	kubectl delete storageclass,persistentvolume local --wait=false >/dev/null
	kubectl --namespace other delete persistentvolumeclaim local --wait=false >/dev/null
}

# --- life of a release ---------------------------------------------------------------------------------------------------
# what is in the cluster and not being deleted: nobody removes the finalizers of volumes here
live='{{range .items}}{{if not .metadata.deletionTimestamp}}{{.kind}}/{{.metadata.name}}{{"\n"}}{{end}}{{end}}'
ours() { kubectl get clusterroles,clusterrolebindings,persistentvolumes,priorityclasses --selector app.kubernetes.io/part-of=latency-mesh --output go-template="$live"; }
field() { kubectl --namespace "$namespace" get "$1" --output "jsonpath=$2"; }

nfs=(--set "persistence.nfs.server=10.0.0.1,persistence.nfs.path=/share")
does "install" helm install "$release" "$chart" "${nfs[@]}"
grep -q "helm --namespace $namespace test $release" "$work/log"; report "its NOTES say what to type next" $?
refuses 'scheduler.names: "my-latency-scheduler" is served by the release latency-aware-scheduler in the namespace latency-scheduler already' \
	"a second release of the same scheduler name is refused, in another namespace" "$HELM" --namespace other install second "$chart" "${nfs[@]}"
refuses 'is served by the release latency-aware-scheduler' "and in the same one" helm install second "$chart" "${nfs[@]}"
refuses 'scheduler.names: "my-latency-scheduler"' "and with one name of several" \
	"$HELM" --namespace other install second "$chart" --set 'scheduler.names={mine,my-latency-scheduler}'
refuses 'reserve.enabled: the Deployment my-latency-scheduler in this namespace keeps room here already' "and one that would keep room in the same namespace" \
	helm install second "$chart" "${nfs[@]}" --set 'scheduler.names={mine},probe.port=3001'
does "a second release with a name of its own is installed beside it" \
	"$HELM" --namespace other install second "$chart" "${nfs[@]}" --set 'scheduler.names={mine},probe.port=3001'
refuses '"mine" is served by the release second in the namespace other' "an upgrade to the other's name is refused" \
	helm upgrade "$release" "$chart" --reuse-values --set 'scheduler.names={mine}'
does "upgrade with the same names" helm upgrade "$release" "$chart" --reuse-values --set scheduler.replicas=3,clients.milan='{203.0.113.7}'
[ "$(field deployment/my-latency-scheduler '{.spec.replicas}')" = 3 ]; report "it is in force" $?
# What keeps room is deleted with that ConfigMap: no upgrade may make it anew.
owner_uid=$(field configmap/latency-sched '{.metadata.uid}')
may_get() { kubectl --namespace "$namespace" auth can-i get "$1" --as "system:serviceaccount:$namespace:latency-sched"; }
does "the scheduler may read the owner of what keeps room" may_get configmap/latency-sched
refuses no "and no other ConfigMap" may_get configmap/latency-clients
[ "$(field jobs '{.items[*].metadata.name}' | wc -w)" = 1 ]; report "and the first merge of before is gone, one with the new clients is there" $?
does "upgrade to a merger that stays, and other images" helm upgrade "$release" "$chart" --reuse-values --set merge.kind=Deployment,image.tag=v9
[ "$(field cronjobs,jobs '{.items[*].metadata.name}')" = "" ]; report "the CronJob is gone" $?
does "upgrade to healing" helm upgrade "$release" "$chart" --reuse-values --set healing.enabled=true
scheduler_may() { kubectl --namespace "$namespace" auth can-i "$@" --as "system:serviceaccount:$namespace:latency-sched" >"$work/log" 2>&1; }
scheduler_may create configmaps && scheduler_may get configmaps/my-latency-scheduler-evictions && scheduler_may patch configmaps/my-latency-scheduler-evictions
report "it may make, read and change the record of evictions" $?
! scheduler_may get configmaps/other && ! scheduler_may patch configmaps/latency-sched && ! scheduler_may delete configmaps/my-latency-scheduler-evictions
report "and no other ConfigMap" $?
does "rollback" helm rollback "$release" 1
[ "$(field deployment/my-latency-scheduler '{.spec.replicas}')" = 2 ] && [ "$(field cronjobs '{.items[*].metadata.name}')" = latency-merge ]
report "all is as it was" $?
[ "$owner_uid" != "" ] && [ "$(field configmap/latency-sched '{.metadata.uid}')" = "$owner_uid" ]; report "and the owner of what keeps room is the same one still" $?
names_of() { field deployment/my-latency-scheduler '{.spec.template.spec.containers[*].name}'; }
does "upgrade to mode: extender" helm upgrade "$release" "$chart" --reuse-values --set mode=extender,extender.defaultScores=false
[ "$(names_of)" = "kube-scheduler latency-sched" ]; report "a kube-scheduler is there, in the same Deployment" $?
refuses '"my-latency-scheduler" is served by the release latency-aware-scheduler' "a second release of the same scheduler name is refused still" \
	"$HELM" --namespace other upgrade second "$chart" --reuse-values --set 'scheduler.names={my-latency-scheduler}'
does "latency-sched alone, for a kube-scheduler elsewhere, claims no name" "$HELM" --namespace other install third "$chart" --dry-run=server \
	--set mode=extender,extender.kubeScheduler.enabled=false,extender.tls.secretName=certs
extender_places
does "upgrade back to standalone" helm upgrade "$release" "$chart" --reuse-values --set mode=standalone
[ "$(names_of)" = latency-sched ] && [ "$(of_kube_scheduler)" = "" ]; report "nothing of kube-scheduler is left" $?
does "rollback to mode: extender" helm rollback "$release"
[ "$(names_of)" = "kube-scheduler latency-sched" ] && [ "$(of_kube_scheduler | wc -w)" = 4 ]; report "all of it is there again" $?
does "uninstall" helm uninstall "$release"
[ "$(of_kube_scheduler)" = "" ]; report "leaves nothing in kube-system" $?
ours >"$work/log"; [ "$(wc -l <"$work/log")" = 6 ] && ! grep -v '/other\.second\.' "$work/log"; report "leaves in the cluster what is the second's, and nothing of its own" $?
does "uninstall of the second" "$HELM" --namespace other uninstall second
ours >"$work/log"; [ ! -s "$work/log" ]; report "nothing at all" $?

does "install with a storage class" "$HELM" --namespace other install third "$chart" --set persistence.storageClass=files
does "uninstall" "$HELM" --namespace other uninstall third
[ "$(kubectl --namespace other get pvc third-latency-pvc --output 'jsonpath={.metadata.deletionTimestamp}' 2>&1)" = "" ]; report "keeps the claim, and the data" $?
does "the same release again takes it up" "$HELM" --namespace other install third "$chart" --set persistence.storageClass=files

# --- without Helm ----------------------------------------------------------------------------------------------------------
"$HELM" --namespace other uninstall third >/dev/null 2>&1
helm/manifests.sh --release plain --namespace plain helm/ci/default.yaml >"$work/plain.yaml"
does "kubectl alone: apply" kubectl apply -f "$work/plain.yaml"
does "apply again" kubectl apply -f "$work/plain.yaml"
! grep -v '^poddisruptionbudget' "$work/log" | grep 'configured\|created'; report "changes nothing" $? # (a PDB is patched always: its selector is replaced as a whole)
refuses 'is served by the Deployment plain-my-latency-scheduler in the namespace plain' "and Helm sees that the name is taken" \
	"$HELM" --namespace other install second "$chart"
echo "1..$count"
[ "$failed" = 0 ]
