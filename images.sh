#!/bin/sh
# images.sh [--base-from-debootstrap] [--fresh] [TARGET...]: builds the images and puts each into build/images/NAME.tar (docker-archive).
#
#   TARGET   of Dockerfile: probe, merge, sched (the default), nfs-server; its image is REGISTRY/latency-TARGET:VERSION
#   --base-from-debootstrap   makes the Debian to build on from Debian's packages, with this machine's sources of them: for a machine
#            that reaches no hub. Root, or uidmap and a range in /etc/subuid, is needed.
#   --fresh  takes nothing from an earlier run: for a release, which wants today's security updates
#
# Environment:
#   REGISTRY=localhost   VERSION= (of helm's chart)   BASE=debian:12-slim (BASE=debootstrap is the option above)
#   TOOL=docker, podman or buildah: the first that works; where none does, buildah is installed (tests/deps.sh)
#   PLATFORM=linux/arm64: for another machine than this; its archives are build/images/NAME-arm64.tar
#
# What buildah makes is kept outside the tree, in ${LATENCY_TOOLS:-${XDG_CACHE_HOME:-~/.cache}/latency-mesh}/images: images whose sources
# are unchanged are there at once. Runs may overlap: one builds, the others wait. The same commit on the same base gives the same
# programs and, with buildah and podman, the same layers.
#
# Exit status 69 when something needed cannot be had.
set -eu
cd "$(dirname "$0")"
export LC_ALL=C
: "${REGISTRY:=localhost}" "${BASE:=debian:12-slim}" "${TOOL:=}" "${PLATFORM:=}"
chart_version=$(sed -n 's/^appVersion: *"\{0,1\}\([^"]*\)"\{0,1\}/\1/p' helm/Chart.yaml helm/*/Chart.yaml 2>/dev/null | head -n 1)
: "${VERSION:=${chart_version:-0.1.0}}"
fresh=

say() { echo "images: $*" >&2; }
fail() { say "$*"; exit 69; }
usage() { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 64; }

while [ $# -gt 0 ]; do
	case $1 in
	--base-from-debootstrap) BASE=debootstrap ;;
	--fresh) fresh=yes ;;
	-*) usage ;;
	*) break ;;
	esac
	shift
done
[ $# -gt 0 ] || set -- probe merge sched
for target; do
	case $target in
	probe | merge | sched | nfs-server) ;;
	*) usage ;;
	esac
done

# --- what is built, where it is kept ---------------------------------------------------------------------------------

case $(uname -m) in
x86_64) here=amd64 ;;
aarch64) here=arm64 ;;
*) here=$(uname -m) ;;
esac
architecture=${PLATFORM#*/}
: "${architecture:=$here}"
suffix=
[ "$architecture" = "$here" ] || suffix=-$architecture

sources=
for file in Dockerfile .dockerignore Makefile lib merge nfs probe sched; do
	[ ! -e "$file" ] || sources="$sources $file"
done

# The commit that last changed what the images are made of, so that others leave them as they are.
revision=$(git log -1 --format=%H -- $sources 2>/dev/null || true)
created=$(git log -1 --format=%ct -- $sources 2>/dev/null || true)
[ -n "$created" ] || created=$(find $sources -type f -printf '%T@\n' | sort -n | tail -n 1 | cut -d . -f 1)
created=${SOURCE_DATE_EPOCH:-$created}
[ -z "$revision" ] || [ -z "$(git status --porcelain -- $sources)" ] || revision=$revision-dirty
created_text=$(date -u -d "@$created" +%Y-%m-%dT%H:%M:%SZ)

cache=${LATENCY_TOOLS:-${XDG_CACHE_HOME:-${HOME:?}/.cache}/latency-mesh}/images
mkdir -p "$cache" build/images
cache=$(cd "$cache" && pwd)
exec 9>"$cache/lock"
flock -n 9 || { say "waiting for another run that builds"; flock 9; }

# A copy, so that all images are of the same sources even when somebody edits them meanwhile.
context=$cache/context
rm -rf "$context"
mkdir "$context"
cp -R $sources "$context"
find "$context" \( -name '*.md' -o -name '*.yaml' \) -delete
key=$(cd "$context" && {
	find . -type f -print0 | sort -z | xargs -0 sha256sum
	echo "$revision $created $BASE $REGISTRY $VERSION $architecture"
} | sha256sum | cut -c 1-12)
kept=$cache/$key

name() { echo "latency-$1"; }
reference() { echo "$REGISTRY/$(name "$1"):$VERSION"; }

# --- docker, podman or buildah ---------------------------------------------------------------------------------------

find_tool() {
	[ -z "$TOOL" ] || return 0
	for TOOL in docker podman; do
		! timeout 20 "$TOOL" info >/dev/null 2>&1 || return 0
	done
	TOOL=buildah
}

# A store of our own. Overlay mounts are not allowed everywhere; vfs, which copies, works anywhere.
buildah_store() {
	command -v buildah >/dev/null || tests/deps.sh buildah
	export BUILDAH_ISOLATION=chroot
	store=$cache/store
	if [ -z "${STORAGE_DRIVER:-}" ]; then
		[ -s "$cache/driver" ] || for STORAGE_DRIVER in overlay vfs; do
			echo "$STORAGE_DRIVER" >"$cache/driver"
			! buildah --root "$store" --runroot "$store/run" --storage-driver "$STORAGE_DRIVER" from -q scratch >/dev/null 2>&1 || break
		done
		STORAGE_DRIVER=$(cat "$cache/driver")
	fi
	export STORAGE_DRIVER
	# what a run that was killed left
	store_buildah rm --all >/dev/null 2>&1 || true
}
store_buildah() { buildah --root "$store" --runroot "$store/run" "$@"; }

# build_image TAG ARGUMENT...
build_image() {
	tag=$1
	shift
	case $TOOL in
	docker) DOCKER_BUILDKIT=1 SOURCE_DATE_EPOCH=$created docker build ${PLATFORM:+--platform "$PLATFORM"} -t "$tag" "$@" ;;
	podman) podman build --layers --timestamp "$created" ${PLATFORM:+--platform "$PLATFORM"} -t "$tag" "$@" ;;
	buildah) store_buildah bud --layers --timestamp "$created" ${PLATFORM:+--platform "$PLATFORM"} -t "$tag" "$@" ;;
	esac
}

has_image() {
	case $TOOL in
	buildah) store_buildah inspect --type image "$1" ;;
	*) "$TOOL" image inspect "$1" ;;
	esac >/dev/null 2>&1
}

save_image() {
	rm -f "$2"
	case $TOOL in
	docker) docker save -o "$2" "$1" ;;
	podman) podman save -q --format docker-archive -o "$2" "$1" ;;
	buildah) store_buildah push -q "$1" "docker-archive:$2:$1" ;;
	esac
}

# --- a base without a hub --------------------------------------------------------------------------------------------

# Where this machine has its Debian from, when it is the same Debian; nothing otherwise: mmdebstrap knows where to look then.
debian_sources() {
	apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' \
		'Identifier: Packages' 'Origin: Debian' 'Codename: bookworm' "Architecture: $here" 2>/dev/null || true
	for more in updates security; do
		apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' \
			'Identifier: Packages' 'Origin: Debian' "Codename: bookworm-$more" "Architecture: $here" 2>/dev/null || true
	done | sort -u
}

# base_image TAG. The machine's ways to fetch packages (proxies, checks) are the image's.
base_image() {
	! has_image "$1" || [ -n "$fresh" ] || return 0
	tests/deps.sh mmdebstrap debian-archive-keyring
	part=$cache/part-base
	rm -rf "$part"
	mkdir -p "$part"
	debian_sources >"$part/sources.list"
	apt-config dump | grep -E '^Acquire::(Check|Force|Retries|http|https|ftp)' >"$part/apt.conf" || true
	say "Debian 12 by mmdebstrap ..."
	mmdebstrap --quiet --variant=minbase --architectures="$architecture" --aptopt="$part/apt.conf" \
		--dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
		bookworm "$part/base.tar" $([ ! -s "$part/sources.list" ] || echo "$part/sources.list") >"$cache/log" 2>&1 ||
		{ tail -n 5 "$cache/log" >&2; fail "no base by mmdebstrap; its log: $cache/log"; }
	printf 'FROM scratch\nADD base.tar /\nENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nCMD ["bash"]\n' >"$part/Dockerfile"
	build_image "$1" -f "$part/Dockerfile" "$part" >>"$cache/log" 2>&1 || { tail -n 5 "$cache/log" >&2; fail "the log: $cache/log"; }
	rm -rf "$part"
}

# --- the images ------------------------------------------------------------------------------------------------------

# build_target TARGET TAG ARGUMENT...
build_target() {
	target_=$1 tag_=$2
	shift 2
	build_image "$tag_" --target "$target_" --build-arg BASE="$BASE" --build-arg VERSION="$VERSION" \
		--build-arg REVISION="$revision" --build-arg CREATED="$created_text" "$@" "$context" >"$cache/log" 2>&1 && return
	tail -n 10 "$cache/log" | sed 's/^/    /' >&2
	! grep -qiE 'pull|registry|dial tcp|lookup' "$cache/log" || say "is no hub reached from here? make images BASE=debootstrap needs none"
	fail "$target_ cannot be built with $TOOL; the log: $cache/log"
}

build_targets() {
	[ "$TOOL" != buildah ] || buildah_store
	command -v "$TOOL" >/dev/null || fail "no $TOOL here"
	if [ "$BASE" = debootstrap ]; then
		BASE=localhost/debian:12$suffix
		base_image "$BASE"
	fi
	# named, so that it stays when what has no name is dropped
	build_target tools localhost/latency-tools:12$suffix ${fresh:+--no-cache}
	for target; do
		begin=$(date +%s)
		build_target "$target" "$(reference "$target")" ${fresh:+--no-cache}
		mkdir -p "$kept"
		save_image "$(reference "$target")" "$kept/part" >>"$cache/log" 2>&1 || fail "$target cannot be saved; the log: $cache/log"
		mv "$kept/part" "$kept/$(name "$target").tar"
		say "$(reference "$target"): $(($(date +%s) - begin)) s"
		fresh=
	done
}

# The archives of the last five stay; of what buildah keeps, what has a name.
forget() {
	ls -td "$cache"/????????????/ | tail -n +6 | while read -r old; do rm -rf "$old"; done
	[ "$TOOL" != buildah ] || store_buildah rmi --prune >/dev/null 2>&1 || true
}

complete() { for target; do [ -e "$kept/$(name "$target").tar" ] || return 1; done; }
[ -z "$fresh" ] || rm -rf "$kept"
find_tool
# docker and podman keep caches of their own, and the images belong into their stores.
if [ "$TOOL" != buildah ] || ! complete "$@"; then
	build_targets "$@"
	forget
fi

# --- what to do with them --------------------------------------------------------------------------------------------

for target; do
	cp "$kept/$(name "$target").tar" build/images/.part
	mv build/images/.part "build/images/$(name "$target")$suffix.tar"
	echo "build/images/$(name "$target")$suffix.tar  $(reference "$target")"
done
echo
echo "into kind:"
for target; do echo "    kind load image-archive build/images/$(name "$target")$suffix.tar"; done
echo "into containerd, on each node:"
for target; do echo "    ctr -n k8s.io images import build/images/$(name "$target")$suffix.tar"; done
echo "to a registry of yours (then helm install --set image.registry=REGISTRY):"
for target; do
	archive=build/images/$(name "$target")$suffix.tar
	case $TOOL in
	buildah) echo "    buildah push \$(buildah pull -q docker-archive:$archive) docker://REGISTRY/$(name "$target"):$VERSION" ;;
	*) echo "    $TOOL tag $(reference "$target") REGISTRY/$(name "$target"):$VERSION && $TOOL push REGISTRY/$(name "$target"):$VERSION" ;;
	esac
done
