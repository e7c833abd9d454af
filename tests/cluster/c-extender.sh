#!/bin/bash
# c-extender.sh: `mode: extender`: a second kube-scheduler that asks latency-sched in its pod. Installed or upgraded to, pods placed by it, and back to standalone.
. "$(dirname "$0")/tap.sh"
image=registry.k8s.io/kube-scheduler:v1.36.3	# what the chart takes for this cluster

tap_cleanup() {
	delay.sh uml-1 uml-2 5
	kubectl delete deployment near --ignore-not-found --wait=false
	gone -l suite=cluster
}

# The nodes reach no registry. The image has what the published one has and this needs: the program, and nothing to write to.
image_archive() {
	local work=$scratch/image
	mkdir -p "$work/root/usr/local/bin"
	cp "$(command -v kube-scheduler)" "$work/root/usr/local/bin/"
	tar --owner=0 --group=0 --numeric-owner -C "$work/root" -cf "$work/layer.tar" .
	cat >"$work/config.json" <<-J
		{"architecture": "amd64", "os": "linux", "config": {"Env": ["PATH=/usr/local/bin"]},
		 "rootfs": {"type": "layers", "diff_ids": ["sha256:$(sha256sum <"$work/layer.tar" | cut -d' ' -f1)"]}}
	J
	echo "[{\"Config\": \"config.json\", \"RepoTags\": [\"$image\"], \"Layers\": [\"layer.tar\"]}]" >"$work/manifest.json"
	tar -C "$work" -cf "$E2E_OUT/kube-scheduler.tar" manifest.json config.json layer.tar
	rm -rf "$work"
}
# in the guests' background: it may take longer than guest.sh waits
load_image() {
	image_archive && rm -f "$E2E_OUT"/uml-*/loaded &&
		guest.sh all '(ctr -n k8s.io images import /run/out/kube-scheduler.tar; echo $? >/run/out/$(hostname)/loaded) >/run/out/$(hostname)/load.log 2>&1 &'
}
loaded() { [ "$(cat "$E2E_OUT"/uml-*/loaded | tr -d '\n')" = 000 ]; }

extender_mode() {
	if helm -n "$namespace" status "$release" >/dev/null 2>&1; then
		helm upgrade "$release" "$chart" -n "$namespace" --reuse-values --set mode=extender
	else
		helm install "$release" "$chart" -n "$namespace" --create-namespace "${nfs_values[@]}" --set mode=extender,merge.kind=Deployment,merge.interval=10s
	fi
}
upgrade() { helm upgrade "$release" "$chart" -n "$namespace" --reuse-values --set "$1" && lm rollout status deployment/my-latency-scheduler --timeout=180s; }
programs() { lm get deployment my-latency-scheduler -o jsonpath='{.spec.template.spec.containers[*].name}'; }
near_anew() {
	kubectl delete deployment near --ignore-not-found --timeout=60s && near_deployment && kubectl rollout status deployment/near --timeout=60s
}
condition_of() { kubectl get pod "$1" -o jsonpath='{.status.conditions[?(@.type=="PodScheduled")].message}'; }
has_condition() { condition_of "$1" | grep -E -- "$2"; }
merged() { about "$(rtt uml-1 uml-2)" "$1"; }
leader() { lm get lease my-latency-scheduler -o jsonpath='{.spec.holderIdentity}'; }
led_by_another() { local holder; holder=$(leader); [ -n "$holder" ] && [ "$holder" != "$1" ]; }

begin=$(clock)
check "kube-scheduler's image goes into the nodes" load_image
check "and is there" eventually 240 loaded
note "$(since "$begin") s for the image"
begin=$(clock)
check "helm install, or upgrade, with mode: extender" extender_mode
check "all of it runs" settled
note "$(since "$begin") s from helm to schedulers that are ready and a matrix with every link"
equal "a kube-scheduler is in the pods" "$(programs)" "kube-scheduler latency-sched"
check "the target runs on uml-1" redis
begin=$(clock)
check "helm test places a pod" helm test "$release" -n "$namespace" --filter name=latency-test-placement --logs
note "$(since "$begin") s; $(grep -m 1 assigned "$scratch/check")"

check "a Deployment near redis runs" near_anew
equal "next to its target" "$(nodes_of_near)" "2 uml-1"
check "where that node is out of the question, on the nearest other one" goes uml-2 "${near_redis[@]}"
pod hopeless latency-mesh.io/within:"node/uml-1<=60ms, node/uml-3<=60ms"
check "a limit that no node meets: the condition says so" eventually 20 has_condition hopeless '^0/3 nodes are available: .*exceeded the latency limit'
note "$(condition_of hopeless)"
check "and an event" eventually 20 has_event hopeless 'FailedScheduling: 0/3 nodes are available: .*exceeded the latency limit'
equal "and the pod is Pending" "$(kubectl get pod hopeless -o jsonpath='{.status.phase}') $(node_of hopeless)" "Pending "

begin=$(clock)
check "without kube-scheduler's own scores" upgrade extender.defaultScores=false
note "$(since "$begin") s until the new configuration was in force"
begin=$(clock)
delay.sh uml-1 uml-2 250
check "a delay changes: it is in the matrix" eventually 150 merged 250
check "the next pods follow" eventually 40 goes uml-3 "${near_redis[@]}"
note "$(since "$begin") s from the change in the network to a pod that avoids the link"
check "a Deployment near redis runs" near_anew
equal "next to its target, with our scores alone" "$(nodes_of_near)" "2 uml-1"

holder=$(leader) begin=$(clock)
check "helm upgrade back to standalone" upgrade mode=standalone
note "$(since "$begin") s until latency-sched alone was ready"
equal "kube-scheduler is gone" "$(programs)" latency-sched
check "another leads by the same Lease" eventually 60 led_by_another "$holder"
note "$(since "$begin") s until $(leader) led after $holder"
check "pods are placed" eventually 30 goes uml-3 "${near_redis[@]}"
tap_end
