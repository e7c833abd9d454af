#!/bin/sh
# check.sh: what can be known of the chart without a cluster; prints TAP. `check.sh --table` prints README.md's table of values.
# Wanted: helm ($HELM, else that on the PATH, else the one that tests/cluster/tools.sh fetches), the three programs in $BUILD (build/gcc), python3-yaml,
# kube-scheduler ($KUBE_SCHEDULER, else tests/e2e/tools.sh makes it).
set -eu
cd "$(dirname "$0")/.."
python3 -c 'import yaml' 2>/dev/null || tests/deps.sh python3-yaml
if [ "${1:-}" != --table ]; then
	HELM=${HELM:-$(command -v helm || echo "$(tests/cluster/tools.sh)/bin/helm")}
	KUBE_SCHEDULER=${KUBE_SCHEDULER:-$(tests/e2e/tools.sh kube-scheduler)/kube-scheduler}
	export KUBE_SCHEDULER
fi
export HELM BUILD="${BUILD:-build/gcc}"
exec python3 helm/check.py "$@"
