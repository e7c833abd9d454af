#!/bin/sh
# images-check.sh [NAME...]: checks the archives that images.sh made, build/images/latency-NAME.tar (probe, merge, sched), and prints TAP.
#
# Looked at is what a node would unpack: size as a registry keeps it, user, labels, what can be executed, capabilities, libraries; then
# each program is run in it as user 65532, without the shell and the libraries of this machine. As root the probe also pings, as in a
# pod of the chart: all capabilities dropped but NET_RAW, no new privileges.
set -eu
cd "$(dirname "$0")/.."
export LC_ALL=C
limit=15000000
[ $# -gt 0 ] || set -- probe merge sched

mkdir -p build/images
work=$(mktemp -d "$PWD/build/images/check.XXXXXX")
trap 'rm -rf "$work"' EXIT
count=0 failed=0

# check WHAT COMMAND...
check() {
	what=$1
	shift
	count=$((count + 1))
	if "$@" >"$work/out" 2>&1; then
		echo "ok $count - $name: $what"
	else
		echo "not ok $count - $name: $what"
		sed 's/^/#   /' "$work/out"
		failed=$((failed + 1))
	fi
}
skip() { count=$((count + 1)); echo "ok $count - $name: $1 # SKIP $2"; }

# unpack ARCHIVE: layers into $root, configuration into $work/config
unpack() {
	rm -rf "$work/archive" "$root"
	mkdir "$work/archive" "$root"
	tar -xf "$1" -C "$work/archive" || return 1
	layers=$(sed 's/.*"Layers":\[\([^]]*\)\].*/\1/' "$work/archive/manifest.json" | tr -d '"' | tr , ' ')
	cp "$work/archive/$(sed 's/.*"Config":"\([^"]*\)".*/\1/' "$work/archive/manifest.json")" "$work/config"
	bytes=0
	: >"$work/xattrs"
	for layer in $layers; do
		bytes=$((bytes + $(gzip -6 <"$work/archive/$layer" | wc -c)))
		tar --xattrs --xattrs-include='*' -tvvf "$work/archive/$layer" | sed -n '/^-.*\*/{s/.* //;N;s/\n */ /;p;}' >>"$work/xattrs"
		tar --xattrs --xattrs-include='security.capability' -xpf "$work/archive/$layer" -C "$root" 2>/dev/null ||
			tar -xpf "$work/archive/$layer" -C "$root"
	done
}

is() { [ "$1" = "$2" ] || { echo "is:     $1"; echo "wanted: $2"; return 1; }; }
has() { grep -qF "$1" "$work/config" || { echo "wanted: $1"; cat "$work/config"; return 1; }; }
small() { echo "$bytes bytes"; [ "$bytes" -le $limit ]; }
label() { grep -q "\"org.opencontainers.image.$1\":\"$2\"" "$work/config" || { cat "$work/config"; return 1; }; }
no_special_bits() { is "$(cd "$root" && find . \( -perm /6000 -o \( -perm /022 ! -type l \) \))" ''; }
executables() { (cd "$root" && find . -type f -perm /111 ! -name '*.so*' | sort | tr '\n' ' '); }
no_shell() { is "$(cd "$root" && find . ! -type d | grep -E '/(sh|[a-z]*ash|[zkct]sh|busybox|toybox|apt|apt-get|dpkg|apk|perl|python3?)$')" ''; }
stripped() { ! grep -qF '.debug_info' "$root/usr/bin/latency-$name" && ! [ -e "$root/etc/ld.so.cache" ]; }
libraries_named() { (cd "$root" && [ -s var/lib/dpkg/status.d/libc6 ] && [ -s usr/share/doc/libc6/copyright ]); }

# inside COMMAND...: in the image, as its user
inside() {
	if [ "$(id -u)" = 0 ]; then
		env -i PATH="$PATH" chroot --userspec=65532:65532 "$root" "$@"
	else
		env -i PATH="$PATH" unshare --user --map-user=65532 --map-group=65532 --root="$root" "$@"
	fi
}
says() {
	text=$1
	shift
	inside "$@" >"$work/said" 2>&1 || { cat "$work/said"; return 1; }
	grep -qF "$text" "$work/said" || { cat "$work/said"; return 1; }
}

# Capabilities that are there to change the user do not outlive the change.
pings() {
	mkdir -p "$root/latency/nodes"
	chown 65532:65532 "$root/latency/nodes"
	echo '{"version":1, "nodes":{"a":["127.0.0.2"], "b":["127.0.0.1"]}}' >"$root/latency/peers.json"
	setpriv --bounding-set=-all,+net_raw,+sys_chroot,+setuid,+setgid chroot --userspec=65532:65532 "$root" /usr/bin/latency-probe \
		--node a --peers /latency/peers.json --output /latency/nodes --once --pings 1 --pinger oping || return 1
	grep '"loss":0,' "$root/latency/nodes/a.json" || { cat "$root/latency/nodes/a.json"; return 1; }
}

for name; do
	root=$work/root
	check "the archive can be read" unpack "build/images/latency-$name.tar"
	[ -s "$work/config" ] || continue
	version=$(sed 's/.*"org.opencontainers.image.version":"\([^"]*\)".*/\1/' "$work/config")
	programs="./usr/bin/latency-$name "
	[ "$name" != merge ] || programs="./usr/bin/check-mount $programs"
	capability=
	[ "$name" != probe ] || capability="usr/bin/latency-probe x: 20 security.capability"

	check "at most 15 MB compressed: $bytes bytes" small
	check "user is 65532:65532" has '"User":"65532:65532"'
	check "starts the program, without a shell" has "\"Entrypoint\":[\"/usr/bin/latency-$name\"]"
	check "label title" label title "latency-$name"
	check "label description" label description '[^"]*latency-mesh[^"]*'
	check "label version" label version '[^"]\{1,\}'
	check "label revision" label revision '[0-9a-f]\{40\}[^"]*'
	check "label created" label created '20[0-9T:-]*Z'
	check "label licenses" label licenses Apache-2.0
	check "name is REGISTRY/latency-$name:VERSION" grep -qF "/latency-$name:$version\"" "$work/archive/manifest.json"
	check "nothing else can be executed" is "$(executables)" "$programs"
	check "no shell, no interpreter, no package manager" no_shell
	check "no setuid or setgid file, none that others may write" no_special_bits
	check "file capabilities: ${capability:-none}" is "$(cat "$work/xattrs")" "$capability"
	check "no debug symbols, no loader cache" stripped
	check "libraries have their package's name, version and licence" libraries_named
	check "--version as 65532" says "latency-$name $version" "/usr/bin/latency-$name" --version
	check "--help as 65532" says "Usage: latency-$name" "/usr/bin/latency-$name" --help
	[ "$name" != merge ] || check "check-mount --help as 65532" says check-mount /usr/bin/check-mount --help
	if [ "$name" = probe ]; then
		if [ "$(id -u)" = 0 ]; then
			check "pings as 65532 with NET_RAW alone" pings
		else
			skip "pings as 65532 with NET_RAW alone" "needs root"
		fi
	fi
	rm -f "$work/config"
done
echo "1..$count"
[ "$failed" = 0 ]
