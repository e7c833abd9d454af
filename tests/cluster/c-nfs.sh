#!/bin/bash
# c-nfs.sh: no NFS server at hand: what nfs/README.md says then, as it stands there, and the chart on the claim that comes of it. Its server is
# a pod of one node, whose address all nodes' kernels mount.
. "$(dirname "$0")/tap.sh"

# uml-1 serves NFS by its kernel, on the same port: another node
server_commands() {
	commands "The volume on NFS" "$tree/nfs/README.md" | sed -n '/^node=/,$p' | sed '/^node=/s/items\[0\]/items[1]/'
}
run_commands() { (cd "$tree" && bash -euc "$1"); }
bound_claim() { [ "$(lm get pvc latency-pvc -o jsonpath='{.status.phase}')" = Bound ]; }
on_claim() {
	helm install "$release" "$chart" -n "$namespace" --set persistence.existingClaim=latency-pvc,merge.kind=Deployment,merge.interval=10s --values "$cluster/values.yaml"
}
volume=/var/lib/latency-mesh-nfs/share
on_server() { guest.sh uml-2 "$*"; }

tap_cleanup() {
	gone -l suite=cluster
	helm uninstall "$release" -n "$namespace" --wait
	kubectl delete -f "$tree/nfs/nfs-server.yaml" --wait=false
}

# Guests keep everything in memory, which no server can export: first as it is, then with a disk (of 64 MiB, in memory after all).
reason() { kubectl -n nfs-test get pod -l app=nfs-server -o jsonpath='{.items[*].status.initContainerStatuses[*].lastState.terminated.message}'; }
refused() { [[ $(reason) == "the folder of this node lies on tmpfs, which cannot be exported: "* ]]; }
disk() {
	on_server "modprobe loop && truncate -s 64M /mnt/disk && mkfs.ext4 -q /mnt/disk && mkdir -p ${volume%/*} && mount -o loop /mnt/disk ${volume%/*}"
}
label() { kubectl label node uml-2 latency-mesh.io/nfs-server"$1"; }

check "a node without a disk is chosen" label =here
check "and the server" kubectl apply -f "$tree/nfs/nfs-server.yaml"
check "says why it cannot be" eventually 90 refused
note "$(reason)"
check "it is taken away" kubectl delete -f "$tree/nfs/nfs-server.yaml"
check "with its label" label -
check "the node gets a disk" disk

begin=$(clock)
check "README's commands" run_commands "$(server_commands)"
note "$(since "$begin") s" "$(tail -n 3 "$scratch/check")"
check "the claim is bound" eventually 30 bound_claim
check "the chart on that claim" on_claim
check "all of it runs, and the matrix has every link" settled
note "$(since "$begin") s from nothing to a matrix"
check "helm test: check-mount says that it is safe" helm -n "$namespace" test "$release" --logs
check "files belong to 65532" on_server "[ \$(stat -c %u:%g $volume/cluster-latency.json) = 65532:65532 ]"
check "a pod redis on uml-1" redis
check "pods are placed by it" goes uml-2 "${near_redis[@]}"
begin=$(clock)
check "the server's pod is deleted" kubectl -n nfs-test delete pod -l app=nfs-server --force --grace-period=0
check "and comes back" kubectl -n nfs-test rollout status deployment/nfs-server --timeout=120s
moved() { [ "$(on_server stat -c %Y $volume/cluster-latency.json)" -gt "$1" ]; }
check "merges go on" eventually 120 moved "$(date +%s)"
note "$(since "$begin") s from the deletion to the next merge"
check "and placements" goes uml-2 "${near_redis[@]}"
tap_end
