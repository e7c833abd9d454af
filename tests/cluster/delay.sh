#!/bin/bash
# delay.sh A B MS [NETEM...]: changes the round trip between two guests of the running laboratory, for nodes and their pods alike.
#   delay.sh uml-1 uml-2 80 2ms loss 1%
# Queues are changed in place: no packet is lost. E2E_OUT/delays is the list.
set -euo pipefail
[ $# -ge 3 ] || { sed -n '2,4s/^# \{0,1\}//p' "$0" >&2; exit 64; }
list=$E2E_OUT/delays
{
	awk -v a="$1" -v b="$2" '!(($1 == a && $2 == b) || ($1 == b && $2 == a))' "$list"
	echo "$*"
} >"$list.new"
mv "$list.new" "$list"
exec "$(dirname "$0")/guest.sh" all guest-delay.sh
