#!/bin/bash
# apiserver.sh start|kill|stop|freeze|thaw|wait: the API server of a running cluster.sh (E2E_OUT), also in the middle of a test.
#   start   and waits until /readyz says so (60 s)
#   kill    SIGKILL      stop   SIGTERM, and waits for its end      wait   until /readyz says so
#   freeze  SIGSTOP: it takes connections and says nothing      thaw   SIGCONT
# E2E_API_PORT (6443) and E2E_API_OPTIONS in place of those below: the cluster laboratory's, which has kubelets.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
pid_file=$E2E_OUT/kube-apiserver.pid
port=${E2E_API_PORT:-6443}

# A dead one stays as a zombie (process 1 of the namespace does not wait for it): it is alive as long as any thread of it is.
alive() { grep -qs '^State:[[:space:]][^ZX]' "/proc/$(cat "$pid_file")/task"/*/status; }
ready() { curl -s -f -m 2 -o /dev/null --cacert "$E2E_OUT/pki/ca.crt" -H 'Authorization: Bearer admin-token' "https://127.0.0.1:$port/readyz"; }

wait_ready() {
	for ((i = 0; i < 600; i++)); do
		! ready || return 0
		alive || break
		sleep 0.1
	done
	tail -n 5 "$E2E_OUT/kube-apiserver.log" >&2
	return 1
}

start() {
	local pki=$E2E_OUT/pki audit=()
	# no controller manager makes accounts, takes a new node's taint away or lets go of a claim that is deleted; certificates that are bad on purpose
	local options=(--authorization-mode=RBAC --disable-admission-plugins=ServiceAccount,TaintNodesByCondition,StorageObjectInUseProtection
		--tls-sni-cert-key="$pki/expired.crt,$pki/expired.key:expired.test" --tls-sni-cert-key="$pki/other.crt,$pki/other.key:other-ca.test")
	[ -z "${E2E_API_OPTIONS:-}" ] || read -ra options <<<"$E2E_API_OPTIONS"
	[ "$E2E_AUDIT" = off ] || audit=(--audit-policy-file="$here/audit-policy.yaml" --audit-log-path="$E2E_OUT/audit.log" --audit-log-maxsize=100000)
	setsid kube-apiserver --etcd-servers=http://127.0.0.1:2379 --cert-dir="$pki" --secure-port="$port" \
		--advertise-address=10.99.0.1 --endpoint-reconciler-type=none --service-cluster-ip-range=10.96.0.0/16 \
		--tls-cert-file="$pki/server.crt" --tls-private-key-file="$pki/server.key" --client-ca-file="$pki/ca.crt" \
		--token-auth-file="$pki/tokens.csv" \
		--service-account-key-file="$pki/accounts.pub" --service-account-signing-key-file="$pki/accounts.key" \
		--service-account-issuer=https://kubernetes.default.svc \
		"${options[@]}" "${audit[@]}" \
		>>"$E2E_OUT/kube-apiserver.log" 2>&1 </dev/null &
	echo $! >"$pid_file"
	wait_ready
}

# Its port and its process are gone, so that a start can follow.
end() {
	kill -s "$1" "$(cat "$pid_file")"
	while alive; do sleep 0.05; done
}

case ${1:-} in
start) start ;;
kill) end KILL ;;
stop) end TERM ;;
freeze) kill -s STOP "$(cat "$pid_file")" ;;
thaw) kill -s CONT "$(cat "$pid_file")" ;;
wait) wait_ready ;;
*) sed -n 's/^# \{0,1\}//p' "$0" >&2; exit 64 ;;
esac
