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

fail() { echo "cluster: $*" >&2; exit 125; }
say() { [ -z "${E2E_VERBOSE:-}" ] || printf 'cluster: %3d s  %s\n' "$SECONDS" "$*" >&2; }

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
	[ ! -e "$out" ] || [ -e "$out/.cluster" ] || fail "$out exists and is not an earlier run's"
	rm -rf "$out"
	mkdir -p "$out"
	touch "$out/.cluster"
	E2E_OUT=$(cd "$out" && pwd)
	export E2E_OUT E2E_TOOLS E2E_INSIDE=1

	# PID 1 of the namespace is timeout: with it, and with unshare, everything ends. unshare ignores SIGTERM, hence SIGKILL;
	# this shell stays outside to turn signals into that.
	unshare --user --map-root-user --net --mount --pid --fork --kill-child --mount-proc \
		timeout --foreground -s KILL "$limit" "$here/cluster.sh" "$@" <&0 &
	local cluster=$! status=0
	trap 'kill -KILL $cluster 2>/dev/null; exit 130' INT
	trap 'kill -KILL $cluster 2>/dev/null; exit 143' TERM HUP
	cat >"$E2E_OUT/join" <<-J
		#!/bin/bash
		# enters the control plane while it runs: join COMMAND...
		exec nsenter --preserve-credentials -U -n -m -p -t "\$(pgrep -P $cluster)" \\
			env KUBECONFIG='$E2E_OUT/kubeconfig' E2E_OUT='$E2E_OUT' E2E_TOOLS='$E2E_TOOLS' PATH="$E2E_TOOLS:\$PATH" "\$@"
	J
	chmod +x "$E2E_OUT/join"
	wait "$cluster" || status=$?
	[ "$status" != 137 ] || echo "cluster: ended at its limit of $limit s" >&2
	exit "$status"
}

# --- inside ----------------------------------------------------------------------------------------------------------

# certificate NAME SUBJECT CA DAYS EXTENSIONS: pki/NAME.{crt,key}
certificate() {
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "$2" -keyout "$1.key" -out "$1.csr"
	openssl x509 -req -in "$1.csr" -CA "$3.crt" -CAkey "$3.key" -CAcreateserial -out "$1.crt" -extfile <(echo "$5") -days "$4"
}

authority() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=$1" -keyout "$1.key" -out "$1.crt"
}

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
		openssl genrsa -out accounts.key 2048
		openssl rsa -in accounts.key -pubout -out accounts.pub
	} >openssl.log 2>&1 || fail "certificates: see $E2E_OUT/pki/openssl.log"
	cat >tokens.csv <<-T
		admin-token,admin,1,"system:masters"
		scheduler-token,system:kube-scheduler,2,
	T
	cd "$E2E_OUT"
}

# kubeconfig NAME TOKEN: E2E_OUT/NAME
kubeconfig() {
	cat >"$E2E_OUT/$1" <<-K
		apiVersion: v1
		kind: Config
		clusters: [{name: e2e, cluster: {server: "https://127.0.0.1:6443", certificate-authority: pki/ca.crt}}]
		users: [{name: user, user: {token: $2}}]
		contexts: [{name: e2e, context: {cluster: e2e, user: user}}]
		current-context: e2e
	K
}

etcd_start() {
	local client=http://127.0.0.1:2379 peer=http://127.0.0.1:2380
	etcd --data-dir "$E2E_OUT/etcd" --unsafe-no-fsync --log-level=error --listen-client-urls $client --advertise-client-urls $client \
		--listen-peer-urls $peer --initial-advertise-peer-urls $peer --initial-cluster default=$peer >"$E2E_OUT/etcd.log" 2>&1 &
}

inside() {
	export KUBECONFIG=$E2E_OUT/kubeconfig PATH=$E2E_TOOLS:/usr/sbin:/sbin:$PATH
	unset E2E_INSIDE
	SECONDS=0
	local directory=$PWD status=0
	ip link set lo up
	ip address add 10.99.0.1/32 dev lo	# the server does not advertise a loopback address
	certificates
	kubeconfig kubeconfig admin-token
	kubeconfig kube-scheduler.kubeconfig scheduler-token
	etcd_start
	"$here/apiserver.sh" start || fail "no API server: see $E2E_OUT/kube-apiserver.log"
	say "API server ready"
	cd "$directory"
	"$@" || status=$?
	say "command ended with status $status"
	if [ -n "$E2E_KEEP" ]; then
		echo "cluster: kept; enter with $E2E_OUT/join bash; end with Ctrl-C" >&2
		sleep infinity
	fi
	exit "$status"
}

if [ "${E2E_INSIDE:-}" = 1 ]; then inside "$@"; else outside "$@"; fi
