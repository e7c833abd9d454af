#!/bin/bash
# c-matrix.sh: what was measured is what the laboratory's delays are.
. "$(dirname "$0")/tap.sh"

pairs=("uml-1 uml-2" "uml-2 uml-1" "uml-1 uml-3" "uml-3 uml-1" "uml-2 uml-3" "uml-3 uml-2")

ready_everywhere() { [ "$(lm get daemonset latency-probe -o jsonpath='{.status.numberReady}')" = 3 ]; }
job_completed() { lm get jobs -o jsonpath='{range .items[*]}{.metadata.ownerReferences[0].name} {.status.succeeded}{"\n"}{end}' | grep -x 'latency-merge 1'; }

# as_chosen FROM TO: min_us of FROM's report
as_chosen() {
	local measured wanted
	measured=$(min_ms "$1" "$2") wanted=$(chosen "$1" "$2")
	note "$1 to $2: $wanted ms chosen, least $measured ms, median in the matrix $(rtt "$1" "$2") ms"
	near_enough "$measured" "$wanted"
}

in_order() {
	local near far text
	text=$(matrix)
	for near in "uml-1 uml-2" "uml-2 uml-1"; do
		for far in "uml-1 uml-3" "uml-2 uml-3" "uml-3 uml-1" "uml-3 uml-2"; do
			# shellcheck disable=SC2086
			awk -v n="$(matrix_rtt $near <<<"$text")" -v f="$(matrix_rtt $far <<<"$text")" 'BEGIN { exit !(n + 0 < f + 0) }' || { echo "$near, $far"; return 1; }
		done
	done
}

check "the release is there" installed
check "a probe is ready on every node" ready_everywhere
if [ "$(lm get cronjob latency-merge -o name 2>/dev/null)" ]; then check "a Job of the CronJob completed" eventually 90 job_completed; fi
for pair in "${pairs[@]}"; do
	# shellcheck disable=SC2086
	as_chosen $pair && status=0 || status=1
	verdict $status "$pair: within 20 % or 3 ms of the chosen delay"
done
check "the matrix has the groups in the right order" in_order
for file in cluster-latency.json peers.json nodes/uml-1.json nodes/uml-2.json nodes/uml-3.json; do
	on_server cat "$volume/$file" >"$scratch/${file##*/}"
done
check "latency-merge --check takes the files" "$tree/build/gcc/latency-merge" --check "$scratch"/{cluster-latency,peers,uml-1,uml-2,uml-3}.json
tap_end
