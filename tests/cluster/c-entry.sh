#!/bin/bash
# c-entry.sh: pods go where their users are: near the nodes where traffic enters, by a real Prometheus that scrapes counters of Traefik's shape with README's
# job, and near clients that Services name.
. "$(dirname "$0")/tap.sh"
prometheus=$tree/build/prometheus/usr/bin server=http://10.99.0.1:9090

tap_cleanup() {
	[ -z "${prometheus_pid:-}" ] || kill "$prometheus_pid"
	kubectl delete deployment entry --ignore-not-found --wait=false
	kubectl delete service shop broken --ignore-not-found
	gone -l suite=cluster
	upgrade merge.entry.prometheusUrl=,clientServices=false
}

# An ingress as far as Prometheus sees it: a counter of requests that grows by what the file `rate` says, each second, behind the port `metrics`.
ingress() {
	local node
	for node in uml-1 uml-2 uml-3; do
		cat <<-Y
			apiVersion: v1
			kind: Pod
			metadata: {name: traefik-$node, labels: {suite: cluster, app.kubernetes.io/name: traefik}}
			spec:
			  nodeName: $node
			  terminationGracePeriodSeconds: 0
			  containers:
			  - name: traefik
			    image: localhost/busybox:1
			    ports: [{name: metrics, containerPort: 8080}]
			    command:
			    - sh
			    - -c
			    - |
			      mkdir /tmp/www && cd /tmp/www && echo 0 >rate && httpd -p 8080 -h . || exit 1
			      total=0
			      while read -r rate <rate; do
			        total=\$((total + rate))
			        echo "traefik_entrypoint_requests_total{code=\"200\",entrypoint=\"websecure\",method=\"GET\",protocol=\"http\"} \$total" >new
			        mv new metrics
			        sleep 1
			      done
			---
		Y
	done | kubectl create -f - && kubectl wait --for=condition=Ready pod -l app.kubernetes.io/name=traefik --timeout=90s
}
# requests NODE RATE: so many a second enter there from now on
requests() { kubectl exec "traefik-$1" -- sh -c "echo $2 >/tmp/www/next && mv /tmp/www/next /tmp/www/rate"; }

# What the discovery of Kubernetes would find: Debian's Prometheus is built without it.
targets() {
	echo '  static_configs:'
	kubectl get pods -l suite=cluster -o jsonpath='{range .items[*]}{.status.podIP} {.spec.containers[0].ports[0].containerPort} {.metadata.labels.app\.kubernetes\.io/name} {.spec.containers[0].ports[0].name} {.spec.nodeName}{"\n"}{end}' |
		while read -r address port app name node; do
			printf '  - targets: ["%s:%s"]\n    labels: {__meta_kubernetes_pod_label_app_kubernetes_io_name: %s, __meta_kubernetes_pod_container_port_name: %s, __meta_kubernetes_pod_node_name: %s}\n' \
				"$address" "$port" "$app" "$name" "$node"
		done
}
# The scrape job of merge/README.md, all but the discovery as it stands there
start_prometheus() {
	{
		echo 'global: {scrape_interval: 5s, scrape_timeout: 4s}'
		awk '/^scrape_configs:$/ { on = 1 } /^```/ { on = 0 } on' "$tree/merge/README.md" | found=$(targets) awk '
			/^  kubernetes_sd_configs:$/ { print ENVIRON["found"]; next }
			/^  - role: pod$/ { next }
			{ print }'
	} >"$E2E_OUT/prometheus.yml"
	"$prometheus/promtool" check config "$E2E_OUT/prometheus.yml" || return 1
	"$prometheus/prometheus" --config.file="$E2E_OUT/prometheus.yml" --storage.tsdb.path="$scratch/tsdb" --web.listen-address="${server#http://}" \
		>"$E2E_OUT/prometheus.log" 2>&1 &
	echo $! >"$scratch/prometheus"
}
ask() { "$prometheus/promtool" query instant "$server" "$1"; }
scraped() { [ "$(ask "count(up{node=~\"uml-.\"} == 1)" | sed 's/.*=> \([0-9]*\) .*/\1/')" = 3 ]; }

upgrade() { helm upgrade "$release" "$chart" -n "$namespace" --reuse-values --set "merge.kind=Deployment,merge.interval=10s,$1" && lm rollout status deployment/latency-merge --timeout=120s; }
merger_says() { lm logs deployment/latency-merge | grep -E -- "$1"; }

# entry_share NODE: of the traffic in the matrix; "" when it has none
entry_share() {
	matrix | sed -n 's/.*"entry":{\([^}]*\)}.*/\1/p' | tr ',' '\n' |
		awk -F '[":]+' -v node="$1" '{ sum += $3 } $2 == node { rate = $3 } END { if (sum) print rate / sum }'
}
entry_age() { matrix | sed -n 's/.*"entry_age_s":\([0-9.]*\).*/\1/p'; }
enters() { awk -v s="$(entry_share "$1")" 'BEGIN { exit !(s > 0.9) }'; }
aged() { awk -v a="$(entry_age)" -v l="$1" 'BEGIN { exit !(a > l) }'; }

nine() {
	{
		cat <<-'Y'
			apiVersion: apps/v1
			kind: Deployment
			metadata: {name: entry}
			spec:
			  replicas: 9
			  selector: {matchLabels: {app: entry}}
			  template:
		Y
		pod_manifest entry latency-mesh.io/near:entry app=entry | sed -n '/^metadata/,$s/^/    /p' | sed 's/name: entry, //'
	} | kubectl apply -f -
}
all_run() { kubectl rollout status deployment/entry --timeout=180s && eventually 60 only_nine; }
only_nine() { [ "$(kubectl get pods -l app=entry -o name | wc -l)" = 9 ]; }
nodes_of_nine() { kubectl get pods -l app=entry -o jsonpath='{range .items[*]}{.spec.nodeName}{"\n"}{end}' | sort | uniq -c | xargs; }

# shop ADDRESS: a Service whose own address that is, and who is a client
shop() {
	kubectl apply -f - <<-Y
		apiVersion: v1
		kind: Service
		metadata: {name: shop, annotations: {latency-mesh.io/client: shop}}
		spec: {ports: [{port: 80}], externalIPs: ["$1"]}
	Y
}
broken() {
	kubectl apply -f - <<-'Y'
		apiVersion: v1
		kind: Service
		metadata: {name: broken, annotations: {latency-mesh.io/client: "good=203.0.113.1, bad=shop.example"}}
		spec: {ports: [{port: 80}]}
	Y
}
# client_ms NODE: from it to the only client, in the matrix; "null", or "" when there is none
client_ms() {
	matrix | awk -v from="$1" '
		match($0, /"nodes":\[[^]]*\]/) {
			n = split(substr($0, RSTART + 9, RLENGTH - 10), names, ",")
			for (i = 1; i <= n; i++) { gsub(/[" ]/, "", names[i]); at[names[i]] = i }
		}
		/"client_rtt_us":\[/ { rows = 1; row = 0; next }
		rows && ++row == at[from] { gsub(/[][ },]/, ""); print ($0 == "null" ? $0 : $0 / 1000); exit }'
}
# client_at NODE OTHER: the client is beside NODE and 100 ms from OTHER
client_at() { about "$(client_ms "$1")" 0 && about "$(client_ms "$2")" 100; }
no_clients() { matrix | grep -q '"clients":\[\]'; }

check "the release is there" installed
check "an ingress on each node" ingress
check "Prometheus starts" start_prometheus
prometheus_pid=$(cat "$scratch/prometheus")
check "and scrapes the three with README's job" eventually 90 scraped
check "helm upgrade: the merger asks it, and lists Services" upgrade "merge.entry.prometheusUrl=$server,clientServices=true"

begin=$(clock)
check "traffic enters on uml-1" requests uml-1 100
check "the matrix has it" eventually 120 enters uml-1
note "$(since "$begin") s from the first request to the matrix; $(matrix | grep -o '"entry":{[^}]*}')"
check "a Deployment of nine near entry is accepted" nine
check "and runs" all_run
equal "where traffic enters" "$(nodes_of_nine)" "9 uml-1"

begin=$(clock)
check "traffic moves to uml-3" eval 'requests uml-3 100 && requests uml-1 0'
check "new pods follow" eventually 150 goes uml-3 latency-mesh.io/near:entry
note "$(since "$begin") s from the move to a pod that followed it (rates of a minute, scrapes of 5 s, merges of 10 s)"
check "all of it has moved" eventually 120 enters uml-3
check "what runs stays where it is" test "$(nodes_of_nine)" = "9 uml-1"
check "kubectl rollout restart" kubectl rollout restart deployment/entry
check "all run anew" all_run
equal "where traffic enters now" "$(nodes_of_nine)" "9 uml-3"

check "Prometheus is stopped" kill "$prometheus_pid"
prometheus_pid=
check "the merger says so" eventually 60 merger_says 'is not known now'
note "$(merger_says 'is not known now' | tail -n 1 | cut -c 1-300)"
check "what was known ages" eventually 90 aged 30
check "and is kept" enters uml-3
check "pods go on by it" goes uml-3 latency-mesh.io/near:entry

begin=$(clock)
check "a Service with an address beside uml-3 is a client" shop 10.99.0.13
check "the probes measure it" eventually 150 client_at uml-3 uml-1
check "a pod near it goes there" eventually 30 goes uml-3 latency-mesh.io/near:client/shop
note "$(since "$begin") s from the Service to a pod near it; $(client_ms uml-1), $(client_ms uml-2), $(client_ms uml-3) ms from the nodes"
begin=$(clock)
check "its address moves beside uml-1" shop 10.99.0.11
check "the next pods follow" eventually 180 goes uml-1 latency-mesh.io/near:client/shop
note "$(since "$begin") s from the new address to a pod that followed it"
check "an annotation that is wrong" broken
check "is logged with its Service" eventually 60 merger_says 'service=default/broken .*bad: .*shop.example'
kubectl delete service shop broken >/dev/null
check "a client whose Service is gone leaves the matrix" eventually 60 no_clients
tap_end
