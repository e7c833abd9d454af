#!/bin/sh
# run.sh [OPTIONS]: conformance with a control plane of its own, which ends with it (README.md). CONFORMANCE_LIMIT (7200) s end everything.
# A pod may use a feature that is off by default; nothing is to keep claims and volumes that are deleted.
set -eu
cd "$(dirname "$0")/../.."
export E2E_API_OPTIONS="--authorization-mode=AlwaysAllow --disable-admission-plugins=ServiceAccount,TaintNodesByCondition,StorageObjectInUseProtection
	--feature-gates=UserNamespacesHostNetworkSupport=true"
E2E_API_OPTIONS=$(echo $E2E_API_OPTIONS)
exec tests/e2e/cluster.sh --audit off --out "${CONFORMANCE_OUT:-build/conformance}" --limit "${CONFORMANCE_LIMIT:-7200}" "${CONFORMANCE_BUILD:-build/gcc}/conformance" "$@"
