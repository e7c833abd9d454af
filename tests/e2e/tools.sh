#!/bin/sh
# tools.sh [--kubernetes VERSION] [NAME...]: builds what is missing of the pinned tools and prints the folder that holds them.
#
#   NAME      etcd kube-apiserver kube-scheduler promtool (these are the default),
#             kube-controller-manager kubectl kubelet,
#             extender-client (tools/extender-client: kube-scheduler's HTTPExtender as a program; built anew when its source changed)
#   VERSION   1.36.3 (default) or 1.34.4: the pins are tools/kubernetes-VERSION, those of etcd are tools/etcd
#
# The folder is outside the tree: ${LATENCY_TOOLS:-${XDG_CACHE_HOME:-~/.cache}/latency-mesh}/tools-HASH, HASH over pins, build flags and
# architecture; so only the first run builds. Runs may overlap (one builds, the others wait), and a killed one leaves nothing half made.
# Wanted: Go 1.26 or later. Where there is none, any Go fetches the one that tools/go pins, into the same cache; where there is no Go
# at all, Debian's golang-go is installed first (deps.sh). promtool comes from Debian's package prometheus, unpacked only.
#
# Exit status 69 when a tool cannot be built: a message names it and its log.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
pins=$here/tools
go_minimum=1.26
kubernetes=1.36.3

say() { echo "tools: $*" >&2; }
fail() { say "$*"; exit 69; }
usage() { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 64; }

while [ $# -gt 0 ]; do
	case $1 in
	--kubernetes) kubernetes=${2:?VERSION}; shift 2 ;;
	-*) usage ;;
	*) break ;;
	esac
done
[ $# -gt 0 ] || set -- etcd kube-apiserver kube-scheduler promtool
for name; do
	case $name in
	etcd | kube-apiserver | kube-controller-manager | kube-scheduler | kubectl | kubelet | promtool | extender-client) ;;
	*) usage ;;
	esac
done
[ -f "$pins/kubernetes-$kubernetes/go.mod" ] || fail "no pins of Kubernetes $kubernetes; there are: $(cd "$pins" && echo kubernetes-*)"

# What Kubernetes' own build sets, as it does from a source archive; without a date, so that equal sources make equal programs.
version_flags() {
	minor=${kubernetes#*.}
	for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
		printf ' -X %s=%s' "$package.gitVersion" "v$kubernetes" "$package.gitMajor" "${kubernetes%%.*}" \
			"$package.gitMinor" "${minor%%.*}" "$package.gitCommit" unknown "$package.gitTreeState" archive
	done
}
link_flags="-s -w"
kube_flags="$link_flags$(version_flags)"

case $(uname -m) in
x86_64) architecture=amd64 ;;
aarch64) architecture=arm64 ;;
*) fail "no tools for $(uname -m)" ;;
esac
hash=$({
	cat "$pins/etcd/go.mod" "$pins/etcd/go.sum" "$pins/kubernetes-$kubernetes/go.mod" "$pins/kubernetes-$kubernetes/go.sum"
	echo "$kube_flags $architecture"
} | sha256sum | cut -c 1-12)
cache=${LATENCY_TOOLS:-${XDG_CACHE_HOME:-${HOME:?}/.cache}/latency-mesh}
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)
dir=$cache/tools-$hash
go=

client=$pins/extender-client/main.go
is_built() { [ -x "$dir/$1" ] && { [ "$1" != extender-client ] || cmp -s "$client" "$dir/$1.go"; }; }
complete() { for name; do is_built "$name" || return 1; done; }

# --- a Go that is new enough -----------------------------------------------------------------------------------------

failed() {
	tail -n 3 "$dir/log/$1" | sed 's/^/    /' >&2
	fail "$1 cannot be had; its log: $dir/log/$1"
}

new_enough() {
	found=$("$1" env GOVERSION 2>/dev/null) || return 1
	printf '%s\n' "$go_minimum" "${found#go}" | sort -V -C
}

# The module zip has no modes, and go.mod files under another name; the go command mends both when it fetches a toolchain for itself.
fetch_go() {
	command -v go >/dev/null || "$here/../deps.sh" golang-go ca-certificates >&2
	part=$cache/part-go
	rm -rf "$part"
	cp -R "$pins/go" "$part"
	say "fetching $toolchain"
	(cd "$part" && GOMODCACHE=$part GOFLAGS=-modcacherw timeout --foreground 900 go mod download "golang.org/toolchain@v0.0.1-$toolchain") \
		>"$dir/log/go" 2>&1 || failed go
	tree=$part/golang.org/toolchain@v0.0.1-$toolchain
	chmod -R +x "$tree/bin" "$tree/pkg/tool"
	find "$tree" -name _go.mod | while read -r file; do cp "$file" "${file%_go.mod}go.mod"; done
	mv "$tree" "$cache/$toolchain"
	rm -rf "$part"
}

# Sets $go.
find_go() {
	export GOTOOLCHAIN=local GOWORK=off
	go=$(command -v go) && new_enough "$go" && return
	toolchain=$(sed -n "s/.* v0[.]0[.]1-\(go.*[.]linux\)-.*/\1-$architecture/p" "$pins/go/go.mod")
	go=$cache/$toolchain/bin/go
	unset GOROOT
	[ -x "$go" ] || fetch_go
}

# --- the tools -------------------------------------------------------------------------------------------------------

# go_tool NAME MODULE PACKAGE LDFLAGS
go_tool() {
	[ -n "$go" ] || find_go
	(cd "$pins/$2" && CGO_ENABLED=0 timeout --foreground 3600 \
		"$go" build -mod=readonly -trimpath -buildvcs=false -ldflags "$4" -o "$dir/part-$1" "$3") >"$dir/log/$1" 2>&1 || failed "$1"
}

promtool() {
	"$here/../unpack.sh" prometheus "$dir/part-prometheus" >"$dir/log/promtool" 2>&1 || failed promtool
	mv "$dir/part-prometheus/usr/bin/promtool" "$dir/part-promtool"
	rm -rf "$dir/part-prometheus"
	"$dir/part-promtool" --version >>"$dir/log/promtool" 2>&1 || failed promtool
}

build() {
	begin=$(date +%s)
	say "$1 ..."
	case $1 in
	etcd) go_tool etcd etcd go.etcd.io/etcd/server/v3 "$link_flags" ;;
	promtool) promtool ;;
	extender-client) go_tool "$1" "kubernetes-$kubernetes" "$client" "$link_flags" ;;
	*) go_tool "$1" "kubernetes-$kubernetes" "k8s.io/kubernetes/cmd/$1" "$kube_flags" ;;
	esac
	mv "$dir/part-$1" "$dir/$1"
	[ "$1" != extender-client ] || cp "$client" "$dir/$1.go"
	say "$1: $(($(date +%s) - begin)) s"
}

# Whoever builds has the lock, and the children that it may leave when it is killed keep it.
if ! complete "$@"; then
	mkdir -p "$dir/log"
	exec 9>"$cache/lock"
	flock -n 9 || { say "waiting for another run that builds"; flock 9; }
	say "building in $dir; all of it takes about 8 minutes on two cores, once"
	rm -rf "$dir"/part-*
	for name; do complete "$name" || build "$name"; done
fi
echo "$dir"
