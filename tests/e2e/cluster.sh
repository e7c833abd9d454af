#!/bin/bash
# cluster.sh [options] COMMAND...: runs COMMAND beside a real etcd and kube-apiserver that exist for it alone, without root.
#
#   --kubernetes VERSION   1.36.3 (default) or 1.34.4
#   --out DIR              logs and state; default build/e2e/cluster; emptied first if an earlier run made it
#   --limit SECONDS        everything ends by SIGKILL after this; default 600
#   --audit writes|off     writes (default): audit.log has every write, and each request that was refused
#   --keep                 stay after COMMAND until the limit or Ctrl-C
#
# COMMAND runs in namespaces of user, network, mount and processes: the ports are its own, and all processes end with it.
# It gets KUBECONFIG (an administrator's), E2E_OUT (DIR), E2E_TOOLS and the tools on its PATH. What stands in DIR: README.md beside
# this file. Exit status: COMMAND's; 125 when the control plane failed, 137 at the limit.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
plane_name=cluster
# shellcheck source=tests/e2e/plane.sh
. "$here/plane.sh"

# --- outside: options, tools, namespaces -----------------------------------------------------------------------------

outside() {
	local limit=600 out=$here/../../build/e2e/cluster kubernetes=${KUBERNETES:-1.36.3}
	export E2E_KEEP='' E2E_AUDIT=writes
	while [[ ${1:-} == --* ]]; do
		case $1 in
		--kubernetes) kubernetes=${2:?}; shift ;;
		--out) out=${2:?}; shift ;;
		--limit) limit=${2:?}; shift ;;
		--audit) E2E_AUDIT=${2:?}; shift ;;
		--keep) E2E_KEEP=1 ;;
		*) fail "unknown option $1" ;;
		esac
		shift
	done
	[ $# -gt 0 ] || fail "no COMMAND (see the head of $0)"
	[[ $E2E_AUDIT =~ ^(writes|off)$ ]] || fail "--audit writes or off"
	[ -n "${E2E_TOOLS:-}" ] || E2E_TOOLS=$("$here/tools.sh" --kubernetes "$kubernetes") || fail "no tools"
	plane_out "$out"
	export E2E_TOOLS E2E_INSIDE=1
	plane_enclose "$limit" "$E2E_TOOLS" "E2E_TOOLS E2E_AUDIT" "$here/cluster.sh" "$@"
}

# --- inside ----------------------------------------------------------------------------------------------------------

# The server's certificates for expired.test and other-ca.test (by SNI) are bad on purpose: TLS is tested on them.
certificates() {
	mkdir -p "$E2E_OUT/pki"
	cd "$E2E_OUT/pki"
	{
		authority ca
		authority other-ca
		certificate server /CN=kube-apiserver ca 30 \
			'subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:kubernetes.default,DNS:kubernetes.default.svc'
		certificate expired /CN=expired.test ca 0 'subjectAltName=DNS:expired.test'
		certificate other /CN=other-ca.test other-ca 30 'subjectAltName=DNS:other-ca.test'
		certificate client '/O=system:masters/CN=cert-admin' ca 30 'extendedKeyUsage=clientAuth'
		certificate stranger '/O=system:masters/CN=stranger' other-ca 30 'extendedKeyUsage=clientAuth'
		account_key
	} >openssl.log 2>&1 || fail "certificates: see $E2E_OUT/pki/openssl.log"
	cat >tokens.csv <<-T
		admin-token,admin,1,"system:masters"
		scheduler-token,system:kube-scheduler,2,
	T
	cd "$E2E_OUT"
}

inside() {
	export KUBECONFIG=$E2E_OUT/kubeconfig PATH=$E2E_TOOLS:/usr/sbin:/sbin:$PATH
	unset E2E_INSIDE
	SECONDS=0
	local directory=$PWD status=0 server=https://127.0.0.1:6443
	ip link set lo up
	ip address add 10.99.0.1/32 dev lo	# the server does not advertise a loopback address
	certificates
	kubeconfig kubeconfig admin-token $server
	kubeconfig kube-scheduler.kubeconfig scheduler-token $server
	etcd_start
	"$here/apiserver.sh" start || fail "no API server: see $E2E_OUT/kube-apiserver.log"
	say "API server ready"
	cd "$directory"
	"$@" || status=$?
	say "command ended with status $status"
	plane_keep
	exit "$status"
}

if [ "${E2E_INSIDE:-}" = 1 ]; then inside "$@"; else outside "$@"; fi
