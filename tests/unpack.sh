#!/bin/sh
# unpack.sh PACKAGE DIR: unpacks a Debian package into DIR, unless an earlier run did. Nothing is installed, so no service starts; no
# root needed. Exit status 69 when the package is not to be had; the log is DIR/log.
set -eu
package=$1 dir=$2
[ ! -e "$dir/complete" ] || exit 0
command -v apt-get >/dev/null || { echo "unpack: this is no Debian; wanted: its package $package" >&2; exit 69; }
# One unpacks, others wait.
mkdir -p "$(dirname "$dir")"
exec 9>"$dir.lock"
flock 9
[ ! -e "$dir/complete" ] || exit 0
rm -rf "$dir"
mkdir -p "$dir/package"
log=$dir/log
echo "unpack: fetching Debian's $package into $dir" >&2
fetch() { (cd "$dir/package" && apt-get -o APT::Sandbox::User="$(id -un)" download "$package") >>"$log" 2>&1; }
if ! fetch; then
	# a package list that was never fetched finds nothing
	[ "$(id -u)" != 0 ] || apt-get update >>"$log" 2>&1 || true
	fetch || { tail -n 5 "$log" >&2; echo "unpack: no package $package; as root, type: apt-get update" >&2; exit 69; }
fi
dpkg -x "$dir"/package/*.deb "$dir"
rm -r "$dir/package"
: >"$dir/complete"
