#!/bin/bash
# c-drift.sh: a delay changes in the network: seconds until a new pod avoids the link, with the merger as CronJob and as Deployment.
. "$(dirname "$0")/tap.sh"

tap_cleanup() {
	delay.sh uml-1 uml-2 5
	gone -l suite=cluster
}

# in milliseconds, of the link from uml-1 to uml-2
in_report() { on_server cat "$volume/nodes/uml-1.json" | sed -n 's/.*"uml-2":{.*"rtt_us":\([0-9.]*\).*/\1/p' | awk '{ print $1 / 1000 }'; }
reported() { about "$(in_report)" "$1"; }
merged() { about "$(rtt uml-1 uml-2)" "$1"; }

# drift KIND MS NODE: from now on uml-1 and uml-2 are MS apart, so that pods near uml-1 belong on NODE
drift() {
	local begin report in_matrix
	begin=$(clock)
	delay.sh uml-1 uml-2 "$2"
	check "$1: the probe reports it" eventually 150 reported "$2"
	report=$(since "$begin")
	check "$1: it is in the matrix" eventually 100 merged "$2"
	in_matrix=$(since "$begin")
	check "$1: a new pod goes to $3" eventually 30 goes "$3" "${near_redis[@]}"
	note "$1: $(since "$begin") s from $(chosen uml-1 uml-2) ms in the network to a pod on $3: the probe's median of a minute $report," \
		"  the merger $(awk -v a="$in_matrix" -v b="$report" 'BEGIN { printf "%.1f", a - b }'), the scheduler and the pod $(awk -v a="$(since "$begin")" -v b="$in_matrix" 'BEGIN { printf "%.1f", a - b }')"
}

merger_runs() { lm rollout status deployment/latency-merge --timeout=5s; }

check "the release is there" installed
check "a pod redis on uml-1" redis
check "at first a pod near uml-1 goes to uml-2" goes uml-2 "${near_redis[@]}"
[ -z "$(lm get deployment latency-merge -o name 2>/dev/null)" ] || check "merger as CronJob" merger CronJob 60s
drift CronJob 250 uml-3
check "merger as Deployment, every 10 s" merger Deployment 10s
check "it runs" eventually 60 merger_runs
drift Deployment 5 uml-2
tap_end
