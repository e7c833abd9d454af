#!/bin/bash
# lab.sh [options] COMMAND...: runs COMMAND beside a real Kubernetes cluster that exists for it alone, without root.
#
#   --nodes N         guests uml-1..uml-N, each a user-mode-linux kernel with a kubelet; 1..9, default 3
#   --delays FILE     round trips between guests; default: delays beside this file
#   --images DIR      *.tar for the nodes' containerd; default build/images if there is one
#   --kubernetes VERSION, --out DIR (default build/cluster/lab), --limit SECONDS (default 600), --keep: as ../e2e/cluster.sh
#
# COMMAND gets KUBECONFIG (an administrator's), E2E_OUT (DIR), and on its PATH kubectl, helm, guest.sh, delay.sh, power.sh, nfs.sh and the
# control plane's programs. Exit status: COMMAND's; 125 when the laboratory failed, 137 at the limit. Needed of the machine: user
# namespaces for everyone, x86-64, 4 GB of memory. Nothing is installed, and nothing is left but DIR.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
plane_name=lab
# shellcheck source=tests/e2e/plane.sh
. "$here/../e2e/plane.sh"

# wait_for SECONDS WHAT COMMAND...: polls COMMAND until it succeeds
wait_for() {
	local end=$((SECONDS + $1)) what=$2
	shift 2
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$end" ] || fail "gave up waiting: $what; see $E2E_OUT"
		sleep 0.3
	done
	say "$what"
}

# --- outside: options, tools, namespaces -----------------------------------------------------------------------------

# A folder without images will do as well.
own_images() {
	local images=${1:-$here/../../build/images}
	[ -z "$1" ] || [ -d "$1" ] || fail "no folder $1"
	[ -d "$images" ] || images=$here
	(cd "$images" && pwd)
}

outside() {
	local limit=600 out=$here/../../build/cluster/lab kubernetes=${KUBERNETES:-1.36.3} delays=$here/delays images='' tools
	export LAB_NODES=3 E2E_KEEP='' E2E_AUDIT=off
	while [[ ${1:-} == --* ]]; do
		case $1 in
		--nodes) LAB_NODES=${2:?}; shift ;;
		--delays) delays=${2:?}; shift ;;
		--images) images=${2:?}; shift ;;
		--kubernetes) kubernetes=${2:?}; shift ;;
		--out) out=${2:?}; shift ;;
		--limit) limit=${2:?}; shift ;;
		--keep) E2E_KEEP=1 ;;
		*) fail "unknown option $1" ;;
		esac
		shift
	done
	[ $# -gt 0 ] || fail "no COMMAND (see the head of $0)"
	[[ $LAB_NODES =~ ^[1-9]$ ]] || fail "--nodes 1..9"
	[ -r "$delays" ] || fail "cannot read $delays"
	E2E_TOOLS=$("$here/../e2e/tools.sh" --kubernetes "$kubernetes" etcd kube-apiserver kube-controller-manager kube-scheduler kubelet) || fail "no tools"
	tools=$("$here/tools.sh") || fail "no tools"
	LAB_BIN=$tools/bin LAB_LAYER=$tools/root LAB_OWN_IMAGES=$(own_images "$images")
	plane_out "$out"
	grep -v '^#' "$delays" >"$E2E_OUT/delays"
	export E2E_TOOLS LAB_BIN LAB_LAYER LAB_OWN_IMAGES E2E_INSIDE=1
	plane_enclose "$limit" "$LAB_BIN:$E2E_TOOLS:$here" "E2E_TOOLS LAB_BIN LAB_LAYER LAB_OWN_IMAGES LAB_NODES" "$here/lab.sh" "$@"
}

# --- inside ----------------------------------------------------------------------------------------------------------

# With offloads on, guests get frames without checksums or too long ones, and drop them.
offloads_off() { LD_LIBRARY_PATH=$LAB_LAYER/usr/lib/x86_64-linux-gnu "$LAB_LAYER/usr/sbin/ethtool" -K "$1" tx off tso off gso off gro off >/dev/null; }

# Guests sit on one bridge, each at the end of a veth pair, from which it reads raw frames. 10.96.0.1, the ClusterIP of the API server, is
# the bridge's own address, and the API server listens on 443: in-cluster configuration works without kube-proxy.
network() {
	local i
	ip link set lo up
	ip link add br0 type bridge
	ip address add 10.99.0.1/24 dev br0
	ip address add 10.96.0.1/32 dev br0
	ip link set br0 up
	offloads_off br0
	for ((i = 1; i <= LAB_NODES; i++)); do
		ip link add "port$i" type veth peer name "guest$i"
		ip link set "port$i" master br0 up
		ip link set "guest$i" up
		offloads_off "port$i"
		offloads_off "guest$i"
		ip route add "10.244.$i.0/24" via "10.99.0.$((10 + i))" dev br0
	done
}

certificates() {
	local i
	mkdir -p "$E2E_OUT/pki"
	cd "$E2E_OUT/pki"
	{
		authority ca
		certificate server /CN=kube-apiserver ca 30 \
			'subjectAltName=IP:127.0.0.1,IP:10.99.0.1,IP:10.96.0.1,DNS:localhost,DNS:kubernetes.default,DNS:kubernetes.default.svc'
		account_key
	} >openssl.log 2>&1 || fail "certificates: see $E2E_OUT/pki/openssl.log"
	echo 'admin-token,admin,1,"system:masters"' >tokens.csv
	for ((i = 1; i <= LAB_NODES; i++)); do
		echo "node-token-$i,system:node:uml-$i,1$i,\"system:nodes\"" >>tokens.csv
	done
	cd "$E2E_OUT"
}

# Without the controller manager no ServiceAccount exists, and admission refuses every pod.
control_plane() {
	etcd_start
	E2E_API_PORT=443 E2E_API_OPTIONS="--authorization-mode=RBAC,Node --allow-privileged=true --kubelet-preferred-address-types=InternalIP" \
		"$here/../e2e/apiserver.sh" start || fail "no API server: see $E2E_OUT/kube-apiserver.log"
	say "API server ready"
	kube-controller-manager --kubeconfig="$KUBECONFIG" --leader-elect=false --service-account-private-key-file="$E2E_OUT/pki/accounts.key" \
		--root-ca-file="$E2E_OUT/pki/ca.crt" >"$E2E_OUT/kube-controller-manager.log" 2>&1 &
	kube-scheduler --kubeconfig="$KUBECONFIG" --leader-elect=false >"$E2E_OUT/kube-scheduler.log" 2>&1 &
}

# shellcheck disable=SC2317  # called by wait_for
nodes_ready() { [ "$(kubectl get nodes | grep -c ' Ready ')" = "$LAB_NODES" ]; }
# shellcheck disable=SC2317
images_loaded() { [ "$(ls "$E2E_OUT"/uml-*/ready | wc -l)" = "$LAB_NODES" ]; }

# Guests copy their logs out when they see this file; 5 s are enough, and nothing depends on it.
stop_guests() {
	local tries=0
	touch "$E2E_OUT/stop"
	while [ $((tries++)) -lt 25 ] && pgrep -x linux.uml >/dev/null; do sleep 0.2; done
}

inside() {
	export KUBECONFIG=$E2E_OUT/kubeconfig PATH=$LAB_BIN:$E2E_TOOLS:$here:/usr/sbin:/sbin:$PATH
	unset E2E_INSIDE
	SECONDS=0
	local directory=$PWD status=0 i
	trap 'status=$?; [ $status = 0 ] || status=125; exit $status' EXIT
	network
	certificates
	kubeconfig kubeconfig admin-token https://127.0.0.1:443
	for ((i = 1; i <= LAB_NODES; i++)); do power.sh on "uml-$i"; done
	control_plane
	wait_for 150 "$LAB_NODES nodes Ready" nodes_ready
	wait_for 180 "images loaded" images_loaded
	trap - EXIT
	cd "$directory"
	"$@" || status=$?
	say "command ended with status $status"
	plane_keep
	stop_guests
	exit "$status"
}

if [ "${E2E_INSIDE:-}" = 1 ]; then inside "$@"; else outside "$@"; fi
