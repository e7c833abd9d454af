#!/bin/sh
# test.sh: the laboratory's own tests (lab-test.c), on real pings, real NFS and real delays. Prints TAP. BUILD as in lab.sh.
set -eu
cd "$(dirname "$0")/../.."
BUILD=${BUILD:-build/gcc}
export BUILD
exec tests/lab/lab.sh --out "$BUILD/lab/test" --limit 580 lab-test "$@"
