#!/bin/bash
# nfs.sh cut|back: takes the NFS server's address (10.99.0.2, on uml-1) off the network, as if its host were gone, and gives it back.
set -euo pipefail
case ${1:-} in
cut) word=del ;;
back) word=add ;;
*) sed -n '2s/^# //p' "$0" >&2; exit 64 ;;
esac
exec "$(dirname "$0")/guest.sh" uml-1 "ip address $word 10.99.0.2/32 dev vec0"
