#!/bin/bash
# PID 1 of a guest: makes a Kubernetes node of a user-mode-linux kernel whose disk is the machine's own / (hostfs), read-only, with the
# unpacked packages (tools.sh) as a layer over it and one of memory on top. Words of the kernel command line arrive as environment:
#   number=1  nodes=3  and folders: layer= (packages)  lab= (these scripts)  tools= (kubelet)  images= (*.tar to load)  out= (E2E_OUT)
# Guest 1 is the NFS server too: 10.99.0.2, exports /share and /second.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
: "${number:?}" "${nodes:?}" "${layer:?}" "${lab:?}" "${tools:?}" "${images:?}" "${out:?}"

# --- stage 0: a writable root ----------------------------------------------------------------------------------------

# Files of the machine's root appear as uid 65534 to an ordinary user's guest: the setuid mount(8) would give up root's privileges. So
# busybox mounts, and the overlay is nosuid, which makes mount(8) harmless afterwards. Layers are hostfs mounts of their own: an overlay
# refuses a layer inside another.
writable_root() {
	local busybox=$layer/usr/bin/busybox
	$busybox mount -t tmpfs tmpfs /mnt
	mkdir /mnt/upper /mnt/work /mnt/root /mnt/layer
	$busybox insmod "$layer/usr/lib/uml/modules/$($busybox uname -r)/kernel/fs/overlayfs/overlay.ko"
	$busybox mount -t hostfs none /mnt/layer -o "$layer"
	$busybox mount -t overlay overlay /mnt/root -o nosuid,lowerdir=/mnt/layer:/,upperdir=/mnt/upper,workdir=/mnt/work,index=off,metacopy=off
	cd /mnt/root && mkdir .old && $busybox pivot_root . .old && stage=1 exec "/.old$busybox" chroot . "/$0" </dev/null
	echo "no writable root"
	$busybox poweroff -f
}

# --- stage 1: the machine --------------------------------------------------------------------------------------------

uptime_s() { echo "$(cut -d' ' -f1 /proc/uptime) s"; }

file_systems() {
	local directory
	mount -t proc proc /proc
	mount -t sysfs sysfs /sys
	mount -t devtmpfs dev /dev 2>/dev/null
	mkdir -p /dev/pts /dev/shm
	mount -t devpts devpts /dev/pts
	for directory in /run /tmp /mnt /var/lib /var/log; do mount -t tmpfs tmpfs "$directory"; done
	mount -t cgroup2 cgroup2 /sys/fs/cgroup
	mount --make-rshared /	# kubelet's mounts must reach the containers
	# by mounts of their own, for these folders may lie under one of the tmpfs
	mkdir /run/lab /run/tools /run/images /run/own-images /run/out
	mount -t hostfs none /run/lab -o "$lab"
	mount -t hostfs none /run/tools -o "$tools"
	mount -t hostfs none /run/images -o "$layer/../images"
	mount -t hostfs none /run/own-images -o "$images"
	mount -t hostfs none /run/out -o "$out"
	# cadvisor, in kubelet, ends without a clock rate here
	sed 's/^bogomips.*/&\ncpu MHz\t\t: 2445.000/' /proc/cpuinfo >/run/cpuinfo
	mount --bind /run/cpuinfo /proc/cpuinfo
}

network() {
	local peer
	busybox hostname "$node"
	ip link set lo up
	ip link set vec0 up
	ip address add "$address/24" dev vec0
	ip route add default via 10.99.0.1
	for ((peer = 1; peer <= nodes; peer++)); do	# pods of the others, directly
		[ "$peer" = "$number" ] || ip route add "10.244.$peer.0/24" via "10.99.0.$((10 + peer))"
	done
	echo 1 >/proc/sys/net/ipv4/ip_forward
	guest-delay.sh || echo "no delays"
}

# NFS 4 alone: no rpcbind, no statd. Exports are tmpfs: an overlay cannot be exported. As README asks of a server: root is squashed, the
# folders belong to the programs' user.
nfs_server() {
	mkdir -p /var/lib/nfs/{v4recovery,rpc_pipefs,sm,nfsdcltrack}
	touch /var/lib/nfs/{etab,rmtab,state}
	modprobe nfsd
	mount -t nfsd nfsd /proc/fs/nfsd
	mkdir -p /mnt/export
	mount -t tmpfs tmpfs /mnt/export
	mkdir /mnt/export/share /mnt/export/second
	chown 65532:65532 /mnt/export/share /mnt/export/second
	ip address add 10.99.0.2/32 dev vec0
	exportfs -o rw,fsid=0,insecure,no_subtree_check '*:/mnt/export'
	rpc.mountd -N 3
	rpc.nfsd -N 3 4
	echo "NFS server with $(cat /proc/fs/nfsd/threads) threads at $(uptime_s)"
}

container_runtime() {
	mkdir -p /run/etc/cni
	cat >/run/etc/containerd.toml <<-C
		version = 2
		[plugins."io.containerd.grpc.v1.cri"]
		  sandbox_image = "localhost/pause:1"
		  restrict_oom_score_adj = true
		  disable_hugetlb_controller = true
		  [plugins."io.containerd.grpc.v1.cri".cni]
		    bin_dir = "/usr/lib/cni"
		    conf_dir = "/run/etc/cni"
	C
	cat >/run/etc/cni/10-lab.conflist <<-C
		{"cniVersion": "0.4.0", "name": "lab", "plugins": [{
		  "type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false,
		  "ipam": {"type": "host-local", "dataDir": "/run/cni-ipam",
		    "ranges": [[{"subnet": "10.244.$number.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}}]}
	C
	containerd -c /run/etc/containerd.toml >/var/log/containerd.log 2>&1 &
	local tries=0
	until ctr version >/dev/null 2>&1 || [ $((tries++)) -gt 100 ]; do sleep 0.2; done
	echo "containerd up at $(uptime_s)"
}

load_images() {
	local image
	for image in /run/images/*.tar /run/own-images/*.tar; do
		[ ! -e "$image" ] || ctr -n k8s.io images import "$image"
	done
	echo "images loaded at $(uptime_s)"
	touch "/run/out/$node/ready"
}

# Kubelet lets anyone in: the API server has no client certificate for it. It takes cgroupDriver from here, because containerd 1.6 cannot
# tell it. enforceNodeAllocatable is empty for want of a cpuset controller; the event FailedNodeAllocatableEnforcement does no harm.
start_kubelet() {
	cat >/run/etc/kubelet.yaml <<-C
		apiVersion: kubelet.config.k8s.io/v1beta1
		kind: KubeletConfiguration
		authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
		authorization: {mode: AlwaysAllow}
		cgroupDriver: cgroupfs
		enforceNodeAllocatable: []
		failSwapOn: false
		localStorageCapacityIsolation: false
		makeIPTablesUtilChains: false
		containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
		imageGCHighThresholdPercent: 100
		evictionHard: {memory.available: 10Mi, nodefs.available: 0%, imagefs.available: 0%, nodefs.inodesFree: 0%}
		resolvConf: ""
		clusterDNS: [10.96.0.10]
		nodeStatusUpdateFrequency: 4s
	C
	cat >/run/etc/kubeconfig <<-C
		apiVersion: v1
		kind: Config
		clusters: [{name: lab, cluster: {server: "https://10.99.0.1:443", certificate-authority: /run/out/pki/ca.crt}}]
		users: [{name: node, user: {token: node-token-$number}}]
		contexts: [{name: lab, context: {cluster: lab, user: node}}]
		current-context: lab
	C
	kubelet --config=/run/etc/kubelet.yaml --kubeconfig=/run/etc/kubeconfig --hostname-override="$node" \
		--node-ip="$address" --root-dir=/var/lib/kubelet --cert-dir=/run/pki >/var/log/kubelet.log 2>&1 &
	kubelet=$!
	echo "kubelet started at $(uptime_s)"
}

# answers guest.sh: runs each NAME.ask in the background, leaves NAME.output and then NAME.status
serve_requests() {
	local ask name
	for ask in /run/out/"$node"/requests/*.ask; do
		[ -e "$ask" ] || continue
		name=${ask%.ask}
		mv "$ask" "$name.sh"
		{
			timeout -s KILL 55 bash "$name.sh" >"$name.output" 2>&1 </dev/null
			echo $? >"$name.new"
			mv "$name.new" "$name.status"
		} &
	done
}

# hostfs writes reach the machine when the file is closed: so logs are copied, not written there
save_logs() { cp /var/log/containerd.log /var/log/kubelet.log "/run/out/$node/"; }

[ "${stage:-0}" = 1 ] || writable_root

export node=uml-$number address=10.99.0.$((10 + number)) PATH=/run/tools:/run/lab:$PATH
file_systems
for module in bridge veth nfs nfsv4 sch_netem sch_prio cls_u32 nf_tables; do modprobe $module; done
network
[ "$number" != 1 ] || nfs_server
container_runtime
start_kubelet
load_images &
turn=0
while [ ! -e /run/out/stop ] && kill -0 $kubelet 2>/dev/null; do
	serve_requests
	[ $((turn++ % 20)) != 0 ] || save_logs
	sleep 0.3
done
echo "end at $(uptime_s), kubelet $(kill -0 $kubelet 2>/dev/null && echo alive || echo dead)"
save_logs
busybox poweroff -f
