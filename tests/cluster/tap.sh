# tap.sh: what the cluster's tests share. Sourced, not run; a test ends with `tap_end`. Each check is one line of TAP, each figure a comment.
# shellcheck shell=bash
set -euo pipefail
cluster=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tree=$(cd "$cluster/../.." && pwd)
tap_done=0 tap_bad=0
export HOME=$E2E_OUT/home	# helm and kubectl keep files there
mkdir -p "$HOME"
scratch=$(mktemp -d)
trap 'status=$?; tap_cleanup >/dev/null 2>&1 || true; rm -rf "$scratch"; [ "$status" = 0 ] || tap_crash "$status"' EXIT
tap_cleanup() { :; }	# a test may have its own: what must not be left to the next one

note() { printf '%s\n' "$*" | sed 's/^/# /'; }
tap_crash() { [ "${tap_ended:-}" = yes ] || echo "not ok $((tap_done + 1)) ended early with status $1"; }

# verdict STATUS NAME
verdict() {
	tap_done=$((tap_done + 1))
	if [ "$1" = 0 ]; then echo "ok $tap_done $2"; else echo "not ok $tap_done $2"; tap_bad=$((tap_bad + 1)); fi
}

# check NAME COMMAND...: ok when it succeeds; else what it said
check() {
	local name=$1 status=0
	shift
	("$@") >"$scratch/check" 2>&1 || status=$?
	verdict $status "$name"
	[ $status = 0 ] || note "$(tail -n 20 "$scratch/check" | cut -c 1-400)"
}

# equal NAME GOT WANTED
equal() {
	local status=0
	[ "$2" = "$3" ] || status=1
	verdict $status "$1"
	[ $status = 0 ] || note "got: $2" "wanted: $3"
}

# says NAME PATTERN COMMAND...: the command's output has the extended regular expression, whatever its status
says() {
	local name=$1 pattern=$2 status=0
	shift 2
	("$@") >"$scratch/says" 2>&1 || true
	grep -Eq -- "$pattern" "$scratch/says" || status=1
	verdict $status "$name"
	if [ $status = 0 ]; then note "$(grep -E -m 2 -- "$pattern" "$scratch/says" | cut -c 1-300)"; else note "wanted: $pattern" "$(tail -n 20 "$scratch/says")"; fi
}

tap_end() {
	tap_ended=yes
	echo "1..$tap_done"
	[ $tap_bad = 0 ] || exit 1
	exit 0
}

# --- time ------------------------------------------------------------------------------------------------------------

# EPOCHREALTIME has the locale's decimal point
clock() { echo "${EPOCHREALTIME/,/.}"; }
since() { awk -v a="$1" -v b="$(clock)" 'BEGIN { printf "%.1f", b - a }'; }

# eventually SECONDS COMMAND...: polls until it succeeds
eventually() {
	local end=$((SECONDS + $1))
	shift
	until "$@" >"$scratch/eventually" 2>&1; do
		[ "$SECONDS" -lt "$end" ] || { tail -n 5 "$scratch/eventually"; return 1; }
		sleep 0.3
	done
}

# promised NAME LIMIT BEGIN: a deadline that users are told, of LIMIT seconds since BEGIN; fails above three times that
promised() {
	local took
	took=$(since "$3")
	note "$took s $1 (promised: $2 s)"
	awk -v t="$took" -v l="$2" 'BEGIN { exit !(t <= 3 * l) }' && verdict 0 "$1 in time" || verdict 1 "$1 in time: $took s, promised $2 s"
}

# --- pods ------------------------------------------------------------------------------------------------------------

namespace=latency-scheduler
lm() { kubectl -n "$namespace" "$@"; }

# pod NAME [FIELD...]: makes a pod of ours that does nothing, in the default namespace. FIELD: KEY=VALUE is a label, KEY:VALUE an annotation,
# @NODE the node that it must be on, !NODE one that it must not be on, %NAME another scheduler's
pod() {
	local name=$1
	shift
	pod_manifest "$name" "$@" | kubectl create -f - >/dev/null
}

pod_manifest() {
	local name=$1 field labels='' annotations='' scheduler=my-latency-scheduler operator='' node=''
	shift
	for field; do
		case $field in
		@*) operator=In node=${field#@} ;;
		!*) operator=NotIn node=${field#!} ;;
		%*) scheduler=${field#%} ;;
		*/*:* | *_max_latency:*) annotations+=", ${field%%:*}: \"${field#*:}\"" ;;
		*) labels+=", ${field%%=*}: \"${field#*=}\"" ;;
		esac
	done
	cat <<-Y
		apiVersion: v1
		kind: Pod
		metadata: {name: $name, labels: {suite: cluster$labels}, annotations: {cluster/test: "yes"$annotations}}
		spec:
		  terminationGracePeriodSeconds: 0
		  schedulerName: $scheduler
		  containers: [{name: pause, image: "localhost/pause:1"}]
	Y
	[ -z "$node" ] || cat <<-Y
		  affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [
		    {matchExpressions: [{key: kubernetes.io/hostname, operator: $operator, values: [$node]}]}]}}}
	Y
}

# near_deployment: two replicas near redis, of the app near
near_deployment() {
	{
		cat <<-'Y'
			apiVersion: apps/v1
			kind: Deployment
			metadata: {name: near}
			spec:
			  replicas: 2
			  selector: {matchLabels: {app: near}}
			  template:
		Y
		pod_manifest near latency-mesh.io/near:app=redis app=near | sed -n '/^metadata/,$s/^/    /p' | sed 's/name: near, //'
	} | kubectl apply -f -
}
nodes_of_near() { kubectl get pods -l app=near -o jsonpath='{range .items[*]}{.spec.nodeName}{"\n"}{end}' | sort | uniq -c | xargs; }

node_of() { kubectl get pod "$1" -o jsonpath='{.spec.nodeName}'; }
bound() { [ -n "$(node_of "$1")" ]; }
# unique NAME: a pod's name that is not taken
unique() { echo "$1-${EPOCHREALTIME//[.,]/}"; }
# placed POD [SECONDS]: the node that it is bound to, "" when it was not in time (60 s)
placed() { eventually "${2:-60}" bound "$1" >/dev/null || true; node_of "$1"; }
events_of() { kubectl get events --field-selector "involvedObject.name=$1" -o jsonpath='{range .items[*]}{.reason}: {.message}{"\n"}{end}'; }
has_event() { events_of "$1" | grep -E -- "$2"; }
gone() { kubectl delete pods --force --grace-period=0 --ignore-not-found "$@" >/dev/null 2>&1 || true; }

# goes NODE FIELD...: a pod made now (fields as of `pod`) is bound to NODE; it is gone at once, for a guest that starts many is NotReady soon
goes() {
	local wanted=$1 name
	shift
	name=$(unique goes)
	pod "$name" "$@"
	got=$(placed "$name" 15)
	[ "$got" = "$wanted" ] || { echo "it went to ${got:-no node}: $(events_of "$name")"; gone "$name"; return 1; }
	gone "$name"
}
# redis: a pod with app=redis that runs on uml-1
redis() {
	kubectl get pod redis >/dev/null 2>&1 || pod redis app=redis @uml-1 %default-scheduler
	kubectl wait --for=condition=Ready pod/redis --timeout=60s
}
near_redis=(latency-mesh.io/near:app=redis '!uml-1')	# as near as possible, but not on its node

# --- the volume, as its server sees it -------------------------------------------------------------------------------

volume=/mnt/export/share
on_server() { guest.sh uml-1 "$*"; }
matrix() { on_server cat "$volume/cluster-latency.json"; }

# rtt FROM TO: milliseconds in the matrix; "null"
rtt() { matrix | matrix_rtt "$@"; }
matrix_rtt() {
	awk -v from="$1" -v to="$2" '
		match($0, /"nodes":\[[^]]*\]/) {
			n = split(substr($0, RSTART + 9, RLENGTH - 10), names, ",")
			for (i = 1; i <= n; i++) { gsub(/[" ]/, "", names[i]); at[names[i]] = i }
		}
		/"rtt_us":\[/ && !/client_rtt_us/ { rows = 1; row = 0; next }
		rows { row++; gsub(/[][ }]/, ""); split($0, cell, ","); if (row == at[from]) { v = cell[at[to]]; print (v == "null" ? v : v / 1000); exit } }'
}
# min_ms FROM TO: the least round trip in FROM's report
min_ms() { on_server cat "$volume/nodes/$1.json" | sed -n "s/.*\"$2\":{.*\"min_us\":\([0-9.]*\).*/\1/p" | awk '{ print $1 / 1000 }'; }
# near_enough MEASURED CHOSEN: within 20 % or 3 ms
near_enough() { awk -v m="$1" -v c="$2" 'BEGIN { d = m - c; if (d < 0) d = -d; exit !(m != "" && (d <= 3 || d <= c / 5)) }'; }
# matrix_full: every link of the three nodes is there
matrix_full() {
	local text pair value
	text=$(matrix) || return 1
	for pair in "uml-1 uml-2" "uml-1 uml-3" "uml-2 uml-3" "uml-2 uml-1" "uml-3 uml-1" "uml-3 uml-2"; do
		# shellcheck disable=SC2086
		value=$(matrix_rtt $pair <<<"$text")
		[[ $value =~ ^[0-9] ]] || return 1
	done
}

# chosen FROM TO: the round trip that the laboratory has now
chosen() { awk -v a="$1" -v b="$2" '($1 == a && $2 == b) || ($1 == b && $2 == a) { print $3 }' "$E2E_OUT/delays"; }
# about MEASURED CHOSEN: medians of busy guests may be 40 ms above
about() { awk -v m="$1" -v c="$2" 'BEGIN { exit !(m != "" && m != "null" && m >= c - 3 && m <= c + 40) }'; }

# --- the release -----------------------------------------------------------------------------------------------------

chart=$tree/helm/latency-aware-scheduler
release=latency-aware-scheduler
nfs_values=(--set "persistence.nfs.server=10.99.0.2,persistence.nfs.path=/share" --values "$cluster/values.yaml")

# settled: all of the release's pods run, and the matrix has every link
settled() {
	lm rollout status daemonset/latency-probe --timeout=120s && lm rollout status deployment/my-latency-scheduler --timeout=120s &&
		eventually 180 matrix_full
}

# installed: the release is there and settled, with the merger as a Deployment; what c-install did stays as it is
installed() {
	helm -n "$namespace" status "$release" >/dev/null 2>&1 ||
		helm install "$release" "$chart" -n "$namespace" --create-namespace "${nfs_values[@]}" --set merge.kind=Deployment,merge.interval=10s >/dev/null
	settled >"$scratch/settled" 2>&1 || { note "$(tail -n 20 "$scratch/settled")"; return 1; }
}

# merger KIND INTERVAL: changes the release's merger
merger() {
	helm upgrade "$release" "$chart" -n "$namespace" --reuse-values --set "merge.kind=$1,merge.interval=$2" >/dev/null
}

# commands SECTION FILE: the indented lines of a Markdown section
commands() { awk -v s="$1" '/^#/ { on = $0 ~ "^#+ " s "$" } on && sub(/^    /, "")' "$2"; }
