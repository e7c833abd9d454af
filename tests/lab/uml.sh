#!/bin/sh
# uml.sh DIR: prints the folder under which usr/bin/linux.uml and its modules stand: / where the Debian package user-mode-linux is
# installed, else DIR, after unpacking the package (41 MB) there.
set -eu
dir=$1
if [ -x /usr/bin/linux.uml ] && [ -d /usr/lib/uml/modules ]; then
	echo ""
	exit
fi
"$(dirname "$0")/../unpack.sh" user-mode-linux "$dir"
echo "$dir"
