#!/bin/bash
# c-edit.sh: the latency file edited by hand, inside the volume, by a pod on the claim: the next pod follows it.
. "$(dirname "$0")/tap.sh"

# README's line
editor() {
	local line
	line=$(commands "On a cluster" "$tree/README.md" | grep -E '^kubectl .* run edit ') && bash -c "$line"
}
in_editor() { lm exec edit -- sh -c "$1"; }

tap_cleanup() {
	on_server rm -f "$volume/hold"
	gone -l suite=cluster
	lm delete pod edit --force --grace-period=0
}

# merge-state.json is written by every merge, also while cluster-latency.json is held
merge_state() { on_server sha256sum "$volume/merge-state.json"; }
merged_since() { [ "$(merge_state)" != "$1" ]; }
fresh() { matrix | grep -q '"version":1'; }

check "the release is there" installed
check "a pod redis on uml-1" redis
check "a busybox pod on the claim" editor
check "runs" lm wait --for=condition=Ready pod/edit --timeout=90s
check "it reads the matrix" in_editor 'grep rtt_us /latency/cluster-latency.json && ls -l /latency /latency/nodes'
check "before the edit a pod near redis goes to uml-2" goes uml-2 "${near_redis[@]}"

check "hold" in_editor 'touch /latency/hold'
begin=$(clock)
check "an edit in place, in milliseconds" in_editor \
	'echo "{\"uml-1\":{\"uml-2\":90,\"uml-3\":0.7},\"uml-2\":{\"uml-1\":90,\"uml-3\":90},\"uml-3\":{\"uml-1\":0.7,\"uml-2\":90}}" >/latency/cluster-latency.json'
edited=$(clock)
check "the next pod follows the edit" eventually 30 goes uml-3 "${near_redis[@]}"
note "$(since "$begin") s with the edit itself"
promised "from the edit to a pod that followed it" 2 "$edited"
kept=$(matrix) merges=$(merge_state)
eventually 90 merged_since "$merges" >/dev/null || true
equal "while it is held the merger leaves it" "$(matrix)" "$kept"
check "rm hold" in_editor 'rm /latency/hold'
begin=$(clock)
check "the next merge writes what was measured" eventually 90 fresh
note "$(since "$begin") s from rm hold to measured figures"
check "and pods follow those" eventually 30 goes uml-2 "${near_redis[@]}"
tap_end
