#!/bin/sh
# uml.sh DIR: prints the folder under which usr/bin/linux.uml and its modules stand: / where the Debian package user-mode-linux is
# installed, else DIR, after unpacking the package there (nothing is installed; no root needed).
set -eu
dir=$1
if [ -x /usr/bin/linux.uml ] && [ -d /usr/lib/uml/modules ]; then
	echo ""
	exit
fi
if [ ! -e "$dir/complete" ]; then
	command -v apt-get >/dev/null || { echo "uml: this is no Debian; wanted: its package user-mode-linux" >&2; exit 69; }
	rm -rf "$dir"
	mkdir -p "$dir/package"
	log=$dir/log
	echo "uml: fetching user-mode-linux (41 MB) into $dir" >&2
	fetch() { (cd "$dir/package" && apt-get -o APT::Sandbox::User="$(id -un)" download user-mode-linux) >>"$log" 2>&1; }
	if ! fetch; then
		# a package list that was never fetched finds nothing
		[ "$(id -u)" != 0 ] || apt-get update >>"$log" 2>&1 || true
		fetch || { tail -n 5 "$log" >&2; echo "uml: no package; as root, type: apt-get update" >&2; exit 69; }
	fi
	dpkg -x "$dir"/package/*.deb "$dir"
	rm -r "$dir/package"
	: >"$dir/complete"
fi
echo "$dir"
