#!/bin/bash
# c-trouble.sh: each trouble of README's table is provoked, and what README tells to type says what README says.
. "$(dirname "$0")/tap.sh"
trouble=trouble

tap_cleanup() {
	gone -l suite=cluster
	helm uninstall trouble -n $trouble --wait
	kubectl delete namespace $trouble --wait=false
}

lm_trouble() { kubectl -n $trouble "$@"; }
remove() { helm uninstall trouble -n $trouble --wait; }
# install WORDS...: a release of its own, beside the first
install() {
	helm upgrade --install trouble "$chart" -n $trouble --create-namespace --set 'scheduler.names={trouble-scheduler}' --set scheduler.replicas=1 "$@"
}
volume_values=(--set "persistence.nfs.server=10.99.0.2,persistence.nfs.path=/second")
# soon SECONDS PATTERN COMMAND...: what it says has PATTERN before long
soon() {
	local limit=$1 pattern=$2
	shift 2
	eventually "$limit" said "$pattern" "$@" || { "$@" 2>&1 | tail -n 15; return 1; }
	cat "$scratch/eventually"
}
said() {
	local text
	text=$("${@:2}" 2>&1) || true
	grep -E -m 3 -- "$1" <<<"$text"
}
# finds NAME SECONDS PATTERN COMMAND...
finds() {
	local name=$1
	shift
	check "$name" soon "$@"
	note "$(cut -c 1-300 "$scratch/check")"
}

# readme PHRASE...: README's table has them
readme() {
	local phrase text
	text=$(awk '/^#/ { on = /^### When it does not work/ } on' "$tree/README.md")
	for phrase; do grep -qF -- "$phrase" <<<"$text" || { echo "README does not say: $phrase"; return 1; }; done
}

check "README's table has what is looked for here" readme 'describe pvc' 'no persistent volumes available for this claim and no storage class is set' 'get events' FailedMount \
	'free ports' CrashLoopBackOff 'logs --previous' 'component=probe' 'get cronjob' 'SUSPEND True' 'component=merge' '403 Forbidden' 'get daemonset' missing \
	'describe pod' FailedScheduling 'schedulerName'
check "the release is there" installed
on_server 'rm -rf /mnt/export/second/*' >/dev/null
# what the objects' events say, of all kinds
events() { lm_trouble get events "$@"; }

check "without a storage class" install
finds "the claim is Pending: describe pvc says why" 30 'no persistent volumes available for this claim and no storage class is set' lm_trouble describe pvc
finds "and the pods wait for it: get events" 30 'unbound immediate PersistentVolumeClaims' events
check "it is uninstalled" remove
check "the claim that stayed is deleted, as NOTES say" lm_trouble delete pvc trouble-latency-pvc

check "a folder that the server does not export, on a port that the first release has" install --set "persistence.nfs.server=10.99.0.2,persistence.nfs.path=/nowhere"
finds "pods stay in ContainerCreating: get events says why" 60 'FailedMount.*' events
finds "with the server's words" 60 'No such file or directory|access denied|mount.nfs' events -o custom-columns=MESSAGE:.message
finds "the probes are Pending for the port" 30 "free ports" events
check "it is uninstalled" remove

check "a wrong option of the probes, no roles" install "${volume_values[@]}" --set 'probe.extraArgs={--no-such-option}' --set rbac.create=false,probe.port=3001
finds "a probe in a crash loop: get pods" 120 'latency-probe.*(CrashLoopBackOff|Error)' lm_trouble get pods
finds "logs --previous says why" 60 'no-such-option' lm_trouble logs --previous --tail=5 -l app.kubernetes.io/component=probe
finds "the merger cannot list nodes: its log says why" 60 '403 Forbidden' lm_trouble logs -l app.kubernetes.io/component=merge --tail=20
finds "and its Job fails: get jobs" 90 'latency-merge-[0-9]+ +Failed' lm_trouble get jobs

check "a suspended CronJob, probes on one node alone" install "${volume_values[@]}" --set probe.port=3001,probe.nodeSelector.kubernetes\\.io/hostname=uml-1,merge.suspend=true
finds "merge not running: get cronjob shows SUSPEND" 10 'True' lm_trouble get cronjob
check "resumed, with roles" install "${volume_values[@]}" --set probe.port=3001,probe.nodeSelector.kubernetes\\.io/hostname=uml-1
finds "NODE.json is missing: the merger's log names the node" 150 'uml-3.*missing' lm_trouble logs -l app.kubernetes.io/component=merge --tail=50
finds "the DaemonSet covers fewer nodes than there are" 10 'latency-probe +1 ' lm_trouble get daemonset

pod misspelt %my-latency-shceduler
pod unreadable latency-mesh.io/within:"app=redis<=fast"
pod too-far latency-mesh.io/within:"node/uml-1<=1ms" @uml-3
finds "a limit that no node meets: describe pod says so" 20 'FailedScheduling.*exceeded the latency limit to node/uml-1' kubectl describe pod too-far
finds "a request that cannot be read is quoted" 20 'FailedScheduling.*app=redis<=fast' kubectl describe pod unreadable
equal "a misspelt scheduler: no event, no node" "$(events_of misspelt)$(node_of misspelt)" ""
finds "get pod shows the name" 5 'my-latency-shceduler' kubectl get pod misspelt -o custom-columns=NAME:.metadata.name,SCHEDULER:.spec.schedulerName
tap_end
