#!/bin/bash
# c-volumes.sh: pods get their volumes, spread, and keep away from each other; bound by our scheduler, with the real volume controller and kubelets.
. "$(dirname "$0")/tap.sh"
folder=/mnt/volumes	# in the guests
groups=(spread apart)
tap_cleanup() {
	kubectl delete deployments "${groups[@]}" --ignore-not-found --cascade=background
	gone -l suite=cluster
	kubectl delete pvc,pv,storageclass -l suite=volumes --timeout=30s
	guest.sh all rm -rf "$folder"
}

# --- storage ---------------------------------------------------------------------------------------------------------

# storage_class NAME MODE
storage_class() {
	kubectl create -f - <<-Y
		apiVersion: storage.k8s.io/v1
		kind: StorageClass
		metadata: {name: $1, labels: {suite: volumes}}
		provisioner: kubernetes.io/no-provisioner
		volumeBindingMode: $2
	Y
}
# local_volume NAME NODE CLASS SIZE: a folder of that node
local_volume() {
	guest.sh "$2" mkdir -p "$folder/$1"
	kubectl create -f - <<-Y
		apiVersion: v1
		kind: PersistentVolume
		metadata: {name: $1, labels: {suite: volumes}}
		spec:
		  storageClassName: $3
		  capacity: {storage: $4}
		  accessModes: [ReadWriteOnce]
		  persistentVolumeReclaimPolicy: Retain
		  local: {path: $folder/$1}
		  nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [$2]}]}]}}
	Y
}
# writer NAME CLASS SIZE [FIELD...]: a pod near redis, and its claim of the same name, in which it writes its name; fields as of `pod`
writer() {
	local name=$1 class=$2 size=$3
	shift 3
	{
		cat <<-Y
			apiVersion: v1
			kind: PersistentVolumeClaim
			metadata: {name: $name, labels: {suite: volumes}}
			spec: {storageClassName: $class, accessModes: [ReadWriteOnce], resources: {requests: {storage: $size}}}
			---
		Y
		pod_manifest "$name" latency-mesh.io/near:app=redis "$@" | grep -v '^  containers:'
		cat <<-Y
			  containers:
			  - name: writer
			    image: busybox:1
			    command: [sh, -c, "echo $name >/data/who && exec sleep 3600"]
			    volumeMounts: [{name: data, mountPath: /data}]
			  volumes: [{name: data, persistentVolumeClaim: {claimName: $name}}]
		Y
	} | kubectl create -f -
}
claim_of() { kubectl get pvc "$1" -o jsonpath='{.status.phase} {.spec.volumeName}'; }
runs() { kubectl wait --for=condition=Ready "pod/$1" --timeout=90s; }
wrote() { [ "$(guest.sh "$2" cat "$folder/$3/who")" = "$1" ]; }
# uses POD VOLUME NODE: the volume controller alone binds no claim of a class that waits; a scheduler has to name it in a volume
uses() {
	equal "$1 goes to the nearest node with a volume that fits" "$(placed "$1")" "$3"
	equal "its claim is bound to it" "$(claim_of "$1")" "Bound $2"
	check "it runs" runs "$1"
	check "and writes into it" eventually 20 wrote "$1" "$3" "$2"
}
# waits POD WORDS
waits() {
	check "it waits, and an event says why" eventually 30 has_event "$1" "FailedScheduling: 0/3 nodes are available: $2"
	note "$(events_of "$1")"
	equal "it is Pending" "$(kubectl get pod "$1" -o jsonpath='{.status.phase}') $(node_of "$1")" "Pending "
}

# --- groups of pods --------------------------------------------------------------------------------------------------

# group NAME REPLICAS FIELDS: a Deployment of pods that all want to be near redis, with fields of a pod's spec as YAML
group() {
	{
		cat <<-Y
			apiVersion: apps/v1
			kind: Deployment
			metadata: {name: $1}
			spec:
			  replicas: $2
			  selector: {matchLabels: {app: $1}}
			  template:
		Y
		{ pod_manifest "$1" latency-mesh.io/near:app=redis "app=$1"; echo "  $3"; } | sed -n '/^metadata/,$s/^/    /p' | sed "s/name: $1, //"
	} | kubectl create -f -
}
nodes_of_group() { kubectl get pods -l "app=$1" -o jsonpath='{range .items[*]}{.spec.nodeName}{"\n"}{end}' | sed '/^$/d' | sort | uniq -c | xargs; }
bound_pods() { [ "$(kubectl get pods -l "app=$1" -o jsonpath='{.items[*].spec.nodeName}' | wc -w)" -ge "$2" ]; }
running() { [ "$(kubectl get pods -l "app=$1" --field-selector=status.phase=Running -o name | wc -l)" = "$2" ]; }
left_over() { kubectl get pods -l "app=$1" --field-selector=spec.nodeName= -o jsonpath='{.items[*].metadata.name}' | grep .; }

# --- what was said ---------------------------------------------------------------------------------------------------

schedulers() {
	lm get pods -l app.kubernetes.io/component=scheduler -o jsonpath='{range .items[*]}{.metadata.uid} {.status.containerStatuses[0].restartCount}{"\n"}{end}' | sort
}
placed_pods() {
	kubectl get pods -l suite=cluster -o jsonpath='{range .items[?(@.spec.schedulerName=="my-latency-scheduler")]}{.metadata.uid} {.metadata.name} on {.spec.nodeName}{"\n"}{end}' |
		grep 'uml-' | cut -d ' ' -f 1,2 | sort
}
scheduled_pods() {
	kubectl get events --field-selector reason=Scheduled \
		-o jsonpath='{range .items[?(@.reportingComponent=="my-latency-scheduler")]}{.involvedObject.uid} {.involvedObject.name}{"\n"}{end}' | grep -Fx -f <(placed_pods) | sort
}
one_scheduled_each() { diff <(placed_pods) <(scheduled_pods); }

check "the release is there" installed
check "the target runs on uml-1" redis
was=$(schedulers)
check "a class whose claims wait for their first pod" storage_class first-pod WaitForFirstConsumer
check "and one whose claims don't" storage_class at-once Immediate

check "a volume of 1 GiB on uml-2" local_volume small uml-2 first-pod 1Gi
check "one of 5 GiB on uml-3" local_volume large uml-3 first-pod 5Gi
begin=$(clock)
check "a pod with a claim of 1 GiB near the target, whose own node has no volume" writer one first-pod 1Gi
uses one small uml-2
note "$(since "$begin") s from the pod to its file"
check "one with a claim of 3 GiB" writer three first-pod 3Gi
uses three large uml-3

check "one with a claim of 10 GiB" writer ten first-pod 10Gi
waits ten "3 node\(s\) didn't find available persistent volumes to bind"
check "a volume of 10 GiB on uml-1" local_volume huge uml-1 first-pod 10Gi
begin=$(clock)
placed ten >/dev/null
note "$(since "$begin") s from the volume to the binding"
uses ten huge uml-1
note "$(since "$begin") s to the file"

check "one whose claim should have been bound at once" writer early at-once 1Gi
waits early "pod has unbound immediate PersistentVolumeClaims"
check "a volume for it" local_volume late uml-3 at-once 1Gi	# the volume controller binds the claim, which takes up to 15 s

check "a Deployment of 3, spread over the nodes" group spread 3 \
	'topologySpreadConstraints: [{maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {app: spread}}}]'
check "is bound" eventually 30 bound_pods spread 3
equal "one pod a node, though all would be near the target" "$(nodes_of_group spread)" "1 uml-1 1 uml-2 1 uml-3"
check "one of 4 that keep apart" group apart 4 \
	'affinity: {podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {app: apart}}}]}}'
check "3 are bound" eventually 30 bound_pods apart 3
equal "one pod a node" "$(nodes_of_group apart)" "1 uml-1 1 uml-2 1 uml-3"
check "one is left" eventually 30 left_over apart
waits "$(left_over apart)" "3 node\(s\) didn't match pod anti-affinity rules"
check "both run" eventually 90 running spread 3
check "but for the fourth" eventually 60 running apart 3
uses early late uml-3

equal "10 pods were placed" "$(placed_pods | wc -l)" 10
check "each has one event Scheduled, by us" eventually 20 one_scheduled_each
equal "no scheduler was restarted meanwhile" "$(schedulers)" "$was"
tap_end
