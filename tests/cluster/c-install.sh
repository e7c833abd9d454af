#!/bin/bash
# c-install.sh: README's quick start, as it stands there: installed, a first matrix, `helm test`.
. "$(dirname "$0")/tap.sh"

# quick_start FIRST: the commands that begin so (with their continuation lines), with the laboratory's server in place of README's
quick_start() {
	commands "On a cluster" "$tree/README.md" | awk -v first="$1" '
		!more && $0 ~ "^" first { on = 1 }
		on { print }
		{ more = /\\$/ }
		!more { on = 0 }' |
		sed -E 's/persistence\.nfs\.server=[^ ,]*/persistence.nfs.server=10.99.0.2/; s/persistence\.nfs\.path=[^ ,]*/persistence.nfs.path=\/share/'
}

# run_commands TEXT
run_commands() { (cd "$tree" && bash -euc "$1"); }

check "helm lint" helm lint --strict "$chart"
install=$(quick_start 'helm install') test=$(quick_start 'helm .*test')
if [ -z "$install" ] || [ -z "$test" ]; then
	verdict 1 "README has a section \"On a cluster\" with helm install and helm test"
	install="helm install $release helm/$release --namespace $namespace --create-namespace ${nfs_values[*]}"
	test="helm --namespace $namespace test $release --logs"
fi
note "$install"
begin=$(clock)
# where guests are always busy, CPU must not decide
check "helm install" run_commands "$install --values tests/cluster/values.yaml"
check "the probes run on every node" lm rollout status daemonset/latency-probe --timeout=180s
note "$(since "$begin") s from install to probes that are ready"
check "the schedulers run" lm rollout status deployment/my-latency-scheduler --timeout=60s
equal "the volume is bound to the claim" "$(lm get pvc latency-pvc -o jsonpath='{.status.phase} {.spec.volumeName}')" "Bound latency-nfs-pv"
check "the first matrix has every link" eventually 240 matrix_full
note "$(since "$begin") s from install to the first matrix with every link"
begin=$(clock)
check "helm test" run_commands "$test"
note "$(since "$begin") s of helm test" "$(cat "$scratch/check")"
tap_end
