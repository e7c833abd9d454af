#!/bin/sh
# manifests.sh [--release NAME] [--namespace NAME] [VALUES.yaml...]: the chart as plain YAML on standard output, for `kubectl apply -f -`.
# The namespace is in it, labelled for the probes' needs (host network, NET_RAW). What only `helm test` uses is not. Nobody looks whether another scheduler
# of the same name is in the cluster: only `helm install` can. helm is $HELM, else that on the PATH, else the one that tests/cluster/tools.sh fetches.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
release=latency-aware-scheduler namespace=latency-scheduler
while [ $# -gt 0 ]; do
	case $1 in
	--release) release=${2:?}; shift 2 ;;
	--namespace) namespace=${2:?}; shift 2 ;;
	-*) sed -n '2,4s/^# //p' "$0" >&2; exit 64 ;;
	*) break ;;
	esac
done
for values; do set -- "$@" --values "$values"; shift; done
helm=${HELM:-$(command -v helm || echo "$("$here/../tests/cluster/tools.sh")/bin/helm")}

# Rendered first: nothing is printed when the values are refused.
rendered=$("$helm" template "$release" "$here/latency-aware-scheduler" --namespace "$namespace" --no-hooks "$@")
cat <<N
# Made by helm/manifests.sh from the chart latency-aware-scheduler: release $release, namespace $namespace.
apiVersion: v1
kind: Namespace
metadata:
  name: $namespace
  labels:
    pod-security.kubernetes.io/enforce: privileged
N
printf '%s\n' "$rendered" | sed 's|app.kubernetes.io/managed-by: Helm$|app.kubernetes.io/managed-by: kubectl|'
