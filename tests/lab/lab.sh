#!/bin/sh
# lab.sh [--topology FILE] [--out DIR] [--limit SECONDS] [--verbose] COMMAND...
#
# Runs COMMAND in a laboratory: hosts with chosen round trips between them and a real NFS volume each, on this machine, without
# root, for the length of the command. One user-mode-linux guest holds them all: a network namespace and an NFS client a host,
# netem on each pair, the kernel's NFS server. Its root is this machine's files, read-only; DIR (default BUILD/lab/out) is the
# only place of the machine that it can write to.
#
# In the guest: `lab-on HOST COMMAND...` runs on a host, whose volume is on /latency; `lab-on` alone lists the hosts;
# `lab-delay A B MS [loss SHARE] [jitter MS]` changes a pair while it runs. Programs of BUILD are on the PATH; DIR is /lab/out.
#
# Exit status: COMMAND's; 125 when the laboratory failed (reason in DIR/kernel.log and on the terminal), 137 at the limit (default
# 300 s). Whatever ends this script ends the guest. BUILD is the build folder, default build/gcc.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "${BUILD:-$here/../../build/gcc}" && pwd)
topology=$here/topology out=$build/lab/out limit=300 verbose=
fail() { echo "lab: $*" >&2; exit 125; }
while [ $# -gt 0 ]; do
	case $1 in
	--topology) topology=${2:?} ; shift 2 ;;
	--out) out=${2:?} ; shift 2 ;;
	--limit) limit=${2:?} ; shift 2 ;;
	--verbose) verbose=lab_verbose=1 ; shift ;;
	--*) fail "unknown option $1" ;;
	*) break ;;
	esac
done
[ $# -gt 0 ] || fail "no COMMAND (see the head of $0)"
[ "$(uname -m)" = x86_64 ] || fail "user-mode-linux is for x86-64"
[ -x "$build/tests/lab-init" ] || fail "$build/tests/lab-init is missing: make lab-tools"

uml=$("$here/uml.sh" "$build/lab/uml")
mkdir -p "$out"
out=$(cd "$out" && pwd)
rm -rf "$out/status" "$out/kernel.log" "$out/uml"
cp "$topology" "$out/topology"
# one word a line, quoted for the shell of the guest
for word; do printf "'%s' " "$(printf %s "$word" | sed "s/'/'\\\\''/g")"; done >"$out/command"
colour=
[ -t 1 ] && [ -z "${NO_COLOR:-}" ] && colour=lab_colour=1

# HOME and uml_dir keep the kernel's files here; lab-guard sees to it that no process of it is left.
guard=
stop() { [ -z "$guard" ] || { kill "$guard"; wait "$guard"; } 2>/dev/null || true; guard=; }
trap 'stop; exit 130' INT
trap 'stop; exit 143' TERM HUP
trap stop EXIT
HOME=$out LD_PRELOAD=$build/tests/xstate.so "$build/tests/lab-guard" "$limit" "$uml/usr/bin/linux.uml" \
	mem="${LAB_MEMORY:-512M}" root=/dev/root rootfstype=hostfs rootflags=/ ro loglevel=1 \
	con=null con0=fd:0,fd:1 uml_dir="$out/uml" init="\"$build/tests/lab-init\"" lab_build="\"$build\"" lab_out="\"$out\"" \
	lab_modules="\"$uml/usr/lib/uml/modules\"" $colour $verbose </dev/null 2>"$out/uml.log" &
guard=$!
status=0
wait "$guard" || status=$?
guard=
[ "$status" != 137 ] || { echo "lab: ended at its limit of $limit s" >&2; exit 137; }
[ -s "$out/status" ] || { tail -n 5 "$out/uml.log" >&2; fail "the guest ended without a status"; }
exit "$(cat "$out/status")"
