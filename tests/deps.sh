#!/bin/sh
# deps.sh [PACKAGE...]: installs the Debian packages that are missing of the ones named, or of all that building and testing need.
# As root, or by sudo when that asks no password or a terminal is there; else prints the one command to type and ends with 69.
set -eu
build="gcc clang libclang-rt-dev make pkg-config libc6-dev libcjson-dev liboping-dev libcurl4-openssl-dev libgnutls28-dev libmicrohttpd-dev libyaml-dev libcmocka-dev"
# the laboratory unpacks user-mode-linux into the build folder by itself
lab="iproute2"
test="valgrind openssl ca-certificates git"
# the control plane of tests/e2e; any Go will do: an old one fetches the one that is wanted
e2e="procps util-linux curl"
command -v go >/dev/null || e2e="$e2e golang-go"
[ $# -gt 0 ] || set -- $build $lab $test $e2e

missing=
for package in "$@"; do
	dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
command -v apt-get >/dev/null || { echo "deps: this is no Debian; packages wanted:$missing" >&2; exit 69; }

command="apt-get install -y --no-install-recommends$missing"
sudo=
if [ "$(id -u)" != 0 ]; then
	if command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
		sudo=sudo
	else
		echo "deps: packages are missing; as root, type:" >&2
		echo "    $command" >&2
		exit 69
	fi
fi
echo "deps: installing$missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
export DEBIAN_FRONTEND=noninteractive
# A package list that was never fetched finds nothing: fetch it once, on the first failure.
if ! $sudo $command >"$log" 2>&1; then
	$sudo apt-get update >>"$log" 2>&1 || true
	$sudo $command >>"$log" 2>&1 || { tail -n 20 "$log" >&2; echo "deps: could not install$missing" >&2; exit 69; }
fi
