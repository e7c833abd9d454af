#!/bin/sh
# demo.sh (make demo): the whole pipeline on this machine: real pings, real NFS, real delays, in a laboratory that needs no root and
# touches nothing outside the build folder. Installs missing Debian packages first (or prints the one command), builds, runs. Exit status
# 0 when every placement was right.
set -eu
cd "$(dirname "$0")/../.."
build=${BUILD:-build/gcc}
step() { printf '\n%s\n' "$*"; }

step "packages"
tests/deps.sh gcc make pkg-config libc6-dev libcjson-dev liboping-dev libcurl4-openssl-dev libmicrohttpd-dev libyaml-dev libcmocka-dev iproute2
step "build"
make --no-print-directory -j2 CC=gcc BUILD="$build" lab-tools
tests/lab/uml.sh "$build/lab/uml" >/dev/null

step "laboratory (results: $build/lab/demo)"
BUILD=$build exec tests/lab/lab.sh --out "$build/lab/demo" --limit 240 --verbose lab-demo
