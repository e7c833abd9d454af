#!/bin/sh
# run.sh (make bench): the figures of README.md, one program each, each with its goal. Exit status 1 when one is above three times its goal
# (machines are noisy). Last, the same as the rows of README's table. Words name programs: run.sh b-rate
set -eu
cd "$(dirname "$0")/../.."
build=${BUILD:-build/gcc}
results=$build/bench
: >"$results"
failed=0
[ $# -gt 0 ] || set -- b-decide b-reload b-merge b-probe b-extender b-rate
for name; do
	echo "$name:"
	# b-rate needs a control plane, which the first time is built.
	case $name in
	b-extender)
		# with kube-scheduler's own client, which is built in a minute where its modules are there
		if command -v go >/dev/null && tools=$(tests/e2e/tools.sh extender-client); then
			export EXTENDER_CLIENT="$tools/extender-client"
		fi
		timeout 300 "$build/tests/$name"
		;;
	b-rate) tests/e2e/cluster.sh --audit off --limit 900 --out "$build/bench-cluster" "$build/tests/$name" ;;
	*) timeout 300 "$build/tests/$name" ;;
	esac >"$results.$name" 2>&1 || failed=1
	sed 's/^/  /' "$results.$name"
	sed -n "s/^figure /$name /p" "$results.$name" >>"$results"
	rm "$results.$name"
done
echo
awk '{ name = $2; gsub("_", " ", name); goal = ""; for (i = 5; i <= NF; i++) goal = goal " " $i; gsub(/^ \(goal |\)$/, "", goal)
	printf "| %s | %s %s | %s | `%s` |\n", name, $3, $4, goal, $1 }' "$results"
exit $failed
