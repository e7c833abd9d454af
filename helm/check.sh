#!/bin/sh
# check.sh: what can be known of the chart without a cluster; prints TAP. `check.sh --table` prints README.md's table of values.
# Wanted: helm ($HELM, else that on the PATH, else the one that tests/cluster/tools.sh fetches), the three programs in $BUILD (build/gcc), python3-yaml.
set -eu
cd "$(dirname "$0")/.."
python3 -c 'import yaml' 2>/dev/null || tests/deps.sh python3-yaml
if [ "${1:-}" != --table ]; then
	HELM=${HELM:-$(command -v helm || echo "$(tests/cluster/tools.sh)/bin/helm")}
fi
export HELM BUILD="${BUILD:-build/gcc}"
exec python3 helm/check.py "$@"
