#!/bin/bash
# check.sh: the laboratory itself: nodes, delays, the NFS volume of several nodes.
. "$(dirname "$0")/tap.sh"

# round_trip FROM ADDRESS: the least of 10 pings in ms, from a guest
round_trip() { guest.sh "$1" "busybox ping -qc 10 -i 0.2 $2" | sed -n 's|.*min/avg/max = \([0-9.]*\)/.*|\1|p'; }

# link FROM TO CHOSEN: node to node
link() {
	local measured
	measured=$(round_trip "$1" "10.99.0.$((10 + ${2#uml-}))")
	check "$1 to $2: $3 ms chosen" near_enough "$measured" "$3"
	note "$measured ms from $1 to $2, $3 chosen"
}

# A pod on each of two nodes, with the volume.
workload() {
	kubectl apply -f - <<-'Y'
		apiVersion: v1
		kind: PersistentVolume
		metadata: {name: lab}
		spec:
		  capacity: {storage: 100Mi}
		  accessModes: [ReadWriteMany]
		  storageClassName: ""
		  mountOptions: [nfsvers=4.1, lookupcache=positive, actimeo=1]
		  nfs: {server: 10.99.0.2, path: /share}
		---
		apiVersion: v1
		kind: PersistentVolumeClaim
		metadata: {name: lab}
		spec: {accessModes: [ReadWriteMany], storageClassName: "", volumeName: lab, resources: {requests: {storage: 100Mi}}}
		---
		apiVersion: apps/v1
		kind: DaemonSet
		metadata: {name: lab}
		spec:
		  selector: {matchLabels: {app: lab}}
		  template:
		    metadata: {labels: {app: lab}}
		    spec:
		      terminationGracePeriodSeconds: 0
		      containers:
		      - name: lab
		        image: busybox:1
		        command: [sh, -c, "hostname >/share/$NODE; sleep 1000000"]
		        env: [{name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}]
		        volumeMounts: [{name: share, mountPath: /share}]
		      volumes: [{name: share, persistentVolumeClaim: {claimName: lab}}]
	Y
}

pod_on() { kubectl get pods -l app=lab --field-selector "spec.nodeName=$1" -o jsonpath="{.items[0].$2}"; }

begin=$(clock)
check "the laboratory's workload is accepted" workload
check "a pod with the volume runs on each node" kubectl rollout status daemonset/lab --timeout=120s
note "$(since "$begin") s until it ran"
check "one node reads what another wrote" eventually 10 kubectl exec "$(pod_on uml-3 metadata.name)" -- cat /share/uml-1 /share/uml-2
link uml-1 uml-2 5
link uml-1 uml-3 100
link uml-2 uml-3 100
measured=$(kubectl exec "$(pod_on uml-1 metadata.name)" -- ping -qc 5 "$(pod_on uml-3 status.podIP)" | sed -n 's|.*min/avg/max = \([0-9.]*\)/.*|\1|p')
check "pod to pod has the nodes' delay" near_enough "$measured" 100
delay.sh uml-1 uml-2 80
link uml-1 uml-2 80
delay.sh uml-1 uml-2 5
kubectl delete daemonset/lab pvc/lab pv/lab --wait=false >/dev/null
check "and all of it goes again" eventually 60 bash -c '! kubectl get pv lab'
tap_end
