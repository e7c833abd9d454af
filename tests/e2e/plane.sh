# plane.sh: what the scripts share that start a control plane (cluster.sh, ../cluster/lab.sh). Sourced, not run; $plane_name says who speaks.
# shellcheck shell=bash

fail() { echo "$plane_name: $*" >&2; exit 125; }
say() { [ -z "${E2E_VERBOSE:-}" ] || printf '%s: %3d s  %s\n' "$plane_name" "$SECONDS" "$*" >&2; }

# plane_out DIR: sets E2E_OUT to DIR, emptied; DIR is new or an earlier run's
plane_out() {
	[ ! -e "$1" ] || [ -e "$1/.cluster" ] || fail "$1 exists and is not an earlier run's"
	rm -rf "$1"
	mkdir -p "$1"
	touch "$1/.cluster"
	E2E_OUT=$(cd "$1" && pwd)
	export E2E_OUT
}

# plane_enclose LIMIT PATH "VARIABLE..." COMMAND...: runs COMMAND in namespaces of user, network, mount and processes, at most LIMIT seconds,
# and ends with its status. Meanwhile E2E_OUT/join enters them, with KUBECONFIG, PATH before the PATH, and those VARIABLEs.
# PID 1 of the namespace is timeout: with it, and with unshare, everything ends. unshare ignores SIGTERM, hence SIGKILL; this shell
# stays outside to turn signals into that.
plane_enclose() {
	local limit=$1 path=$2 variables=$3 variable words='' status=0
	shift 3
	for variable in E2E_OUT $variables; do words+=" $variable='${!variable}'"; done
	unshare --user --map-root-user --net --mount --pid --fork --kill-child --mount-proc \
		timeout --foreground -s KILL "$limit" "$@" <&0 &
	local plane=$!
	trap 'kill -KILL $plane 2>/dev/null; exit 130' INT
	trap 'kill -KILL $plane 2>/dev/null; exit 143' TERM HUP
	cat >"$E2E_OUT/join" <<-J
		#!/bin/bash
		# enters the control plane while it runs: join COMMAND...
		exec nsenter --preserve-credentials --wd="\$PWD" -U -n -m -p -t "\$(pgrep -P $plane)" \\
			env KUBECONFIG='$E2E_OUT/kubeconfig'$words PATH="$path:/usr/sbin:/sbin:\$PATH" "\$@"
	J
	chmod +x "$E2E_OUT/join"
	wait "$plane" || status=$?
	[ "$status" != 137 ] || echo "$plane_name: ended at its limit of $limit s" >&2
	exit "$status"
}

# plane_keep: if E2E_KEEP is set, stays until the limit
plane_keep() {
	[ -n "$E2E_KEEP" ] || return 0
	echo "$plane_name: kept; enter with $E2E_OUT/join bash; end with Ctrl-C" >&2
	sleep infinity
}

# certificate NAME SUBJECT CA DAYS EXTENSIONS: NAME.{crt,key} here
certificate() {
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "$2" -keyout "$1.key" -out "$1.csr"
	openssl x509 -req -in "$1.csr" -CA "$3.crt" -CAkey "$3.key" -CAcreateserial -out "$1.crt" -extfile <(echo "$5") -days "$4"
}

authority() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=$1" -keyout "$1.key" -out "$1.crt"
}

# The key that ServiceAccount tokens are signed with, in a form that the controller manager reads too.
account_key() {
	openssl genrsa -out accounts.key 2048
	openssl rsa -in accounts.key -pubout -out accounts.pub
}

# kubeconfig NAME TOKEN SERVER: E2E_OUT/NAME
kubeconfig() {
	cat >"$E2E_OUT/$1" <<-K
		apiVersion: v1
		kind: Config
		clusters: [{name: e2e, cluster: {server: "$3", certificate-authority: pki/ca.crt}}]
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
