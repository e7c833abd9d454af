#!/bin/sh
# run.sh (make bench): the figures of README.md, one program each, each with its goal. Exit status 1 when one is above three times its goal
# (machines are noisy). Last, the same as the rows of README's table.
set -eu
cd "$(dirname "$0")/../.."
build=${BUILD:-build/gcc}
results=$build/bench
: >"$results"
failed=0
for name in b-decide b-reload b-merge b-probe; do
	echo "$name:"
	timeout 300 "$build/tests/$name" >"$results.$name" 2>&1 || failed=1
	sed 's/^/  /' "$results.$name"
	sed -n "s/^figure /$name /p" "$results.$name" >>"$results"
	rm "$results.$name"
done
echo
awk '{ name = $2; gsub("_", " ", name); goal = ""; for (i = 5; i <= NF; i++) goal = goal " " $i; gsub(/^ \(goal |\)$/, "", goal)
	printf "| %s | %s %s | %s | `%s` |\n", name, $3, $4, goal, $1 }' "$results"
exit $failed
