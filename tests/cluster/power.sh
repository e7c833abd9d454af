#!/bin/bash
# power.sh on|off NODE: boots a guest of the running laboratory (guest-init.sh), or cuts its power. One that is booted again starts with
# an empty disk, and the same name, address and token. `on` does not wait.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
node=${2:?NODE} number=${2#uml-}
guest=$E2E_OUT/$node

# Each guest leads a process group. Its root is this machine's own /, read-only; guest-init.sh gets the words after init= as environment.
on() {
	mkdir -p "$guest/requests"
	rm -f "$guest"/requests/* "$guest/ready"
	HOME=$guest LD_PRELOAD=$LAB_LAYER/../xstate.so setsid "$LAB_LAYER/usr/bin/linux.uml" mem="${LAB_MEMORY:-1024M}" root=/dev/root rootfstype=hostfs rootflags=/ ro quiet \
		con=null con0=fd:0,fd:1 "vec0:transport=raw,ifname=guest$number,depth=128" init="$here/guest-init.sh" \
		number="$number" nodes="$LAB_NODES" layer="$LAB_LAYER" lab="$here" tools="$E2E_TOOLS" images="$LAB_OWN_IMAGES" out="$E2E_OUT" \
		</dev/null >>"$guest/console.log" 2>&1 &
	echo $! >"$guest/pid"
}

case ${1:-} in
on) on ;;
off) kill -KILL -- "-$(cat "$guest/pid")" ;;
*) sed -n '2,3s/^# \{0,1\}//p' "$0" >&2; exit 64 ;;
esac
