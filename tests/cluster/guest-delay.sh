#!/bin/bash
# In a guest: delays what this node and its pods send to each other node and its pods, as the laboratory's list says (delays, delay.sh).
# It may run again at any time.
set -euo pipefail
list=/run/out/delays device=vec0
: "${node:?}" "${nodes:?}"	# from guest-init.sh: the name of this guest, and how many there are

# delay_to PEER: netem's words for it
delay_to() {
	awk -v a="$node" -v b="$1" '
		BEGIN { words = "delay 0ms" }
		($1 == a && $2 == b) || ($1 == b && $2 == a) {
			words = "delay " $3 / 2 "ms"
			for (i = 4; i <= NF; i++) words = words " " $i
		}
		END { print words }' "$list"
}

# band NUMBER: its class; tc reads these numbers as hexadecimal
band() { printf '1:%x' "$1"; }

# Band 1 of the root is undelayed (API server, NFS server, unknown addresses); band 1+N is for node N, chosen by destination.
bands() {
	local peer destination
	echo "qdisc add dev $device root handle 1: prio bands $((nodes + 1)) priomap 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0"
	for ((peer = 1; peer <= nodes; peer++)); do
		for destination in "10.99.0.$((10 + peer))/32" "10.244.$peer.0/24"; do
			echo "filter add dev $device parent 1: protocol ip u32 match ip dst $destination flowid $(band $((peer + 1)))"
		done
	done
}

# "replace" with the same handle changes netem's parameters and keeps its queue
netems() {
	local peer
	for ((peer = 1; peer <= nodes; peer++)); do
		[ "$node" = "uml-$peer" ] ||
			echo "qdisc replace dev $device parent $(band $((peer + 1))) handle 10$peer: netem limit 10000 $(delay_to "uml-$peer")"
	done
}

# one tc for all: processes are slow here. No `tc | grep -q`: with pipefail it fails when grep leaves early.
{
	[[ $(tc qdisc show dev $device) == *"qdisc prio 1: root"* ]] || bands
	netems
} | tc -batch -
