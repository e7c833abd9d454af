#!/bin/bash
# guest.sh NODE|all COMMAND...: runs a shell command as root in a guest of the running laboratory, through files: works whatever the
# network does. In the guest E2E_OUT is /run/out. Exit status: the command's (with "all" the last failing one's); 124 when there was no
# answer in 60 s.
set -euo pipefail
[ $# -ge 2 ] || { sed -n '2,4s/^# \{0,1\}//p' "$0" >&2; exit 64; }
[ "$1" = all ] || [ -d "$E2E_OUT/$1" ] || { echo "guest.sh: no guest $1" >&2; exit 64; }

ask() {
	local requests=$E2E_OUT/$1/requests id=$BASHPID tries=0 status
	printf '%s\n' "$2" >"$requests/$id.new"
	mv "$requests/$id.new" "$requests/$id.ask"
	until [ -e "$requests/$id.status" ]; do
		[ $((tries++)) -lt 600 ] || return 124
		sleep 0.1
	done
	cat "$requests/$id.output"
	status=$(cat "$requests/$id.status")
	rm -f "$requests/$id".*
	return "$status"
}

target=$1
shift
[ "$target" != all ] || target=$(for pid in "$E2E_OUT"/uml-*/pid; do
	! kill -0 "$(cat "$pid")" 2>/dev/null || basename "$(dirname "$pid")"
done)
asked=() status=0
for node in $target; do
	ask "$node" "$*" &
	asked+=($!)
done
for pid in "${asked[@]}"; do wait "$pid" || status=$?; done
exit "$status"
