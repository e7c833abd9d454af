#!/bin/sh
# mount.sh: check-mount on real NFS mounts (lab-mount.c). Prints TAP. BUILD as in lab.sh.
set -eu
cd "$(dirname "$0")/../.."
BUILD=${BUILD:-build/gcc}
export BUILD
exec tests/lab/lab.sh --out "$BUILD/lab/mount" --limit 300 lab-mount "$@"
