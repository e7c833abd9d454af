#!/bin/bash
# c-failure.sh: what breaks: the leader, a node, the file server. Placements go on, and all recovers by itself.
. "$(dirname "$0")/tap.sh"
cut_s=${CUT_S:-120}

tap_cleanup() {
	nfs.sh back
	power.sh on uml-3
	gone -l suite=cluster
}

holder() { lm get lease my-latency-scheduler -o jsonpath='{.spec.holderIdentity}'; }
leader() { local h; h=$(holder); echo "${h%_*}"; }
new_leader() { local h; h=$(leader); [ -n "$h" ] && [ "$h" != "$1" ]; }
schedulers_ready() { [ "$(lm get deployment my-latency-scheduler -o jsonpath='{.status.readyReplicas}')" = 2 ]; }
age() {
	matrix | awk -v node="$1" '
		match($0, /"nodes":\[[^]]*\]/) { n = split(substr($0, RSTART + 9, RLENGTH - 10), names, ","); for (i = 1; i <= n; i++) { gsub(/[" ]/, "", names[i]); at[names[i]] = i } }
		match($0, /"age_s":\[[^]]*\]/) { split(substr($0, RSTART + 9, RLENGTH - 10), ages, ","); print ages[at[node]] }'
}
older_than() { awk -v a="$(age "$1")" -v s="$2" 'BEGIN { exit !(a != "" && a != "null" && a + 0 > s) }'; }
younger_than() { awk -v a="$(age "$1")" -v s="$2" 'BEGIN { exit !(a != "" && a != "null" && a + 0 < s) }'; }
node_is() { kubectl get node "$1" | grep -q " $2 "; }
no_link_to() { [ "$(rtt uml-1 "$1")" = null ]; }

# --- the leader ------------------------------------------------------------------------------------------------------

leader_deleted() {
	local old begin
	old=$(leader) begin=$(clock)
	check "the leader's pod is deleted" lm delete pod "$old" --wait=false
	check "the standby leads" eventually 60 new_leader "$old"
	promised "from the deletion to another leader" 3 "$begin"
	check "and places a pod" goes uml-2 "${near_redis[@]}"
	check "two schedulers are ready again" eventually 120 schedulers_ready
}

# SIGKILL from outside the container: no word of farewell
leader_killed() {
	local old begin node
	old=$(leader) node=$(lm get pod "$(leader)" -o jsonpath='{.spec.nodeName}')
	begin=$(clock)
	check "the leader's process on $node is killed" guest.sh "$node" 'kill -KILL $(pgrep -x latency-sched)'
	check "there is a leader that binds" eventually 60 goes uml-2 "${near_redis[@]}"
	promised "from the kill to a binding" 20 "$begin"
	check "two schedulers are ready again" eventually 120 schedulers_ready
}

# --- a node ----------------------------------------------------------------------------------------------------------

node_lost() {
	local begin
	check "a pod near uml-3 goes there" goes uml-3 latency-mesh.io/near:node/uml-3
	begin=$(clock)
	check "uml-3 loses power" power.sh off uml-3
	check "the Node is NotReady" eventually 150 node_is uml-3 NotReady
	note "$(since "$begin") s until the Node was NotReady"
	check "its node is not chosen" goes_elsewhere
	check "its row ages" eventually 90 older_than uml-3 40
	check "and the links to it are unknown, not near" eventually 150 no_link_to uml-3
	note "$(since "$begin") s until no ping of the last minute had an answer; its row is $(age uml-3) s old"
	check "placements of others go on" goes uml-2 "${near_redis[@]}"
	begin=$(clock)
	check "uml-3 boots again" power.sh on uml-3
	check "the Node is Ready" eventually 150 node_is uml-3 Ready
	note "$(since "$begin") s until the Node was Ready"
}
# near uml-3, but the pod does not tolerate a node that is down
goes_elsewhere() {
	local name
	name=$(unique lost)
	pod "$name" latency-mesh.io/near:node/uml-3
	[[ $(placed "$name" 20) == uml-[12] ]]
}
node_back() {
	local begin
	begin=$(clock)
	check "its row is new again" eventually 240 younger_than uml-3 35
	check "and every link is measured" eventually 120 matrix_full
	note "$(since "$begin") s more until the matrix had both"
	check "and it is chosen" goes uml-3 latency-mesh.io/near:node/uml-3
}

# --- the file server -------------------------------------------------------------------------------------------------

generation() { matrix | sed -n 's/.*"generation":\([0-9]*\).*/\1/p'; }
grew() { awk -v a="$(generation)" -v b="$1" 'BEGIN { exit !(a > b) }'; }
restarts() { lm get pods -l 'app.kubernetes.io/component in (probe, scheduler)' -o jsonpath='{range .items[*]}{.metadata.name} {.status.containerStatuses[0].restartCount}{"\n"}{end}'; }

server_cut() {
	local before begin ends placed_pods=0 wrong=0 was
	before=$(generation) was=$(restarts)
	check "the file server is cut off for $cut_s s" nfs.sh cut
	begin=$(clock) ends=$((SECONDS + cut_s))
	while [ "$SECONDS" -lt "$ends" ]; do
		if goes uml-2 "${near_redis[@]}" >>"$scratch/wrong" 2>&1; then placed_pods=$((placed_pods + 1)); else wrong=$((wrong + 1)); fi
		sleep 5
	done
	equal "meanwhile placements go on with the last good matrix ($placed_pods pods)" "$wrong" 0
	[ $wrong = 0 ] || note "$(cat "$scratch/wrong")"
	equal "nothing was merged meanwhile" "$(generation)" "$before"
	check "the server is back" nfs.sh back
	begin=$(clock)
	check "merges go on" eventually 240 grew "$before"
	note "$(since "$begin") s until the next merge"
	check "every link is measured again" eventually 180 matrix_full
	note "$(since "$begin") s until every link was in it"
	check "pods follow" goes uml-2 "${near_redis[@]}"
	equal "no probe and no scheduler was restarted for it" "$(restarts)" "$was"
}

check "the release is there" installed
check "merger as Deployment, every 10 s" merger Deployment 10s
check "a pod redis on uml-1" redis
leader_deleted
leader_killed
node_lost
node_back
server_cut
tap_cleanup() { gone -l suite=cluster; }
tap_end
