#!/bin/sh
# i-options.sh: every program refuses what it cannot use in one line that names the thing and the place, with the documented exit code.
# Prints TAP. BUILD is the folder of the programs.
set -u
cd "$(dirname "$0")/../.." || exit 70
build=${BUILD:-build/gcc}
folder=$(mktemp -d "${TMPDIR:-/tmp}/lm-options-XXXXXX") || exit 70
trap 'rm -rf "$folder"' EXIT INT TERM
unset KUBECONFIG KUBERNETES_SERVICE_HOST KUBERNETES_SERVICE_PORT
count=0 failed=0

# refuses CODE TEXT PROGRAM WORDS...: ends with CODE; exactly one line is not of the log, begins with the program's name and holds TEXT.
refuses() {
	code=$1 text=$2 program=$3; shift 3
	count=$((count + 1))
	(cd "$folder" && timeout 20 "$programs/$program" "$@" >out 2>err </dev/null)
	status=$?
	grep -v '^20[0-9-]*T[0-9:.]*Z ' "$folder/err" >"$folder/line"
	problem=
	[ $status -eq "$code" ] || problem="exit status $status, not $code"
	[ "$(wc -l <"$folder/line")" -eq 1 ] || problem="$problem, not one line"
	[ ! -s "$folder/out" ] || problem="$problem, standard output"
	grep -qF -- "$text" "$folder/line" || problem="$problem, without \"$text\""
	grep -qE "^$program( explain| simulate| dump| selftest)?: " "$folder/line" || problem="$problem, without its name"
	if [ -z "$problem" ]; then
		echo "ok $count - $program $*: $code"
	else
		failed=$((failed + 1))
		echo "not ok $count - $program $*: ${problem#, }"
		sed 's/^/# /' "$folder/err"
	fi
}

# checks CODE TEXT FILE: latency-merge --check, whose product on standard output is a line for the file.
checks() {
	count=$((count + 1))
	(cd "$folder" && timeout 20 "$programs/latency-merge" --check "$3" >out 2>err </dev/null)
	status=$?
	if [ $status -eq "$1" ] && [ "$(wc -l <"$folder/out")" -eq 1 ] && grep -q "^$3: .*$2" "$folder/out" && [ ! -s "$folder/err" ]; then
		echo "ok $count - latency-merge --check $3: $1"
	else
		failed=$((failed + 1))
		echo "not ok $count - latency-merge --check $3: exit status $status"
		sed "s/^/# /" "$folder/out" "$folder/err"
	fi
}

programs=$(cd "$build" && pwd) || exit 70
cat >"$folder/good.yaml" <<-YAML
	apiVersion: v1
	kind: Config
	current-context: c
	contexts: [{name: c, context: {cluster: k, user: u}}]
	clusters: [{name: k, cluster: {server: "http://127.0.0.1:9"}}]
	users: [{name: u, user: {}}]
YAML
kubeconfig() { # FILE EDIT: good.yaml with one thing changed
	sed "$2" "$folder/good.yaml" >"$folder/$1"
}
echo '{' >"$folder/torn.json"
echo '{kind: Node, metadata: {name: a}}' >"$folder/cluster.yaml"
: >"$folder/empty"
echo '{"version":1,"nodes":{"a":["not-an-address"]}}' >"$folder/address.json"
echo '{"a":["10.0.0.1"]}' >"$folder/nodes.json"
mkdir "$folder/volume" "$folder/volume/nodes"

# --- unknown options, missing and bad values
for program in latency-probe latency-merge latency-sched; do
	refuses 64 '--bogus' $program --bogus
	refuses 64 '-x' $program -x
	refuses 64 'parsecs' $program --log-level=parsecs
	refuses 64 '--log-format' $program --log-format
done
refuses 64 '--node' latency-probe
refuses 64 '--output' latency-probe --node a --peers p
refuses 64 'A_B' latency-probe --node A_B --peers p --output .
refuses 64 '5 parsecs' latency-probe --node a --peers p --output . --interval '5 parsecs'
refuses 64 '--interval' latency-probe --node a --peers p --output . --interval 0s
refuses 64 'pigeon' latency-probe --node a --peers p --output . --pinger pigeon
refuses 64 'twice' latency-probe --node a --node b --peers p --output .
refuses 64 'extra' latency-probe --node a --peers p --output . extra
refuses 64 '--dir' latency-merge
refuses 64 '--interval' latency-merge --dir volume --interval 1y
refuses 64 '--watch' latency-merge --dir volume --listen :0
refuses 64 '--check' latency-merge --check
refuses 64 '--kubeconfig' latency-merge --dir volume --nodes nodes.json --kubeconfig good.yaml
refuses 64 '--latency-file' latency-sched
refuses 64 'sideways' latency-sched --latency-file f --mode sideways
refuses 64 'extender-listen' latency-sched --latency-file f --extender-listen :8080
refuses 64 'extender-tls-cert' latency-sched --latency-file f --extender-tls-cert c --extender-tls-key k
refuses 64 'extender-tls-key' latency-sched --latency-file f --mode extender --extender-tls-cert c
refuses 64 'extender-client-ca' latency-sched --latency-file f --mode extender --extender-client-ca a
refuses 66 'nowhere.crt' latency-sched --latency-file f --server http://127.0.0.1:9 --mode extender --extender-tls-cert nowhere.crt --extender-tls-key nowhere.key
refuses 65 'nodes.json' latency-sched --latency-file f --server http://127.0.0.1:9 --mode extender --extender-tls-cert nodes.json --extender-tls-key nodes.json
refuses 64 'bindings' latency-sched --latency-file f --mode extender --bindings 3
refuses 64 '--bindings' latency-sched --latency-file f --bindings 0
refuses 64 'nan' latency-sched --latency-file f --qps nan
refuses 64 'no API server' latency-sched --latency-file f
refuses 64 '--kubeconfig' latency-sched --latency-file f --server http://a --kubeconfig good.yaml
refuses 64 'explane' latency-sched explane
refuses 64 '--pod' latency-sched explain
refuses 64 '--cluster' latency-sched explain --pod p.yaml
refuses 64 '--now' latency-sched explain --pod p.yaml --cluster nodes.json --now yesterday
refuses 64 '--profile' latency-sched explain --pod p.yaml --cluster nodes.json --profile nobody
refuses 64 '--format' latency-sched simulate --pods p.yaml --cluster nodes.json --format xml
refuses 64 '--pods' latency-sched simulate --cluster nodes.json
refuses 64 'step 1 "fial a": a step is' latency-sched simulate --cluster nodes.json --step 'fial a'
refuses 64 'step 2 "recover a b": a step is' latency-sched simulate --cluster nodes.json --step 'fail a' --step 'recover a b'
refuses 64 'step 1 "drift a b 5parsecs": "5parsecs"' latency-sched simulate --cluster nodes.json --step 'drift a b 5parsecs'
refuses 64 'step 1 "drift a a 5ms": "a" is there twice' latency-sched simulate --cluster nodes.json --step 'drift a a 5ms'
refuses 64 'step 1 "fail A/b": "A/b" is no name' latency-sched simulate --cluster nodes.json --step 'fail A/b'
refuses 65 'step 2 "fail zzz": cluster.yaml has no node "zzz"' latency-sched simulate --cluster cluster.yaml --step 'fail a' --step 'fail zzz'
refuses 65 'step 2 "fail a": a has failed already' latency-sched simulate --cluster cluster.yaml --step 'fail a' --step 'fail a'
refuses 65 'step 1 "recover a": a has not failed' latency-sched simulate --cluster cluster.yaml --step 'recover a'
refuses 65 'step 1 "drift a b 5ms": there are no latency data' latency-sched simulate --cluster cluster.yaml --step 'drift a b 5ms'
refuses 66 'step 2 "matrix gone.json": open `gone.json`' latency-sched simulate --cluster cluster.yaml --step 'fail a' --step 'matrix gone.json'
refuses 65 'step 1 "matrix torn.json": torn.json' latency-sched simulate --cluster cluster.yaml --step 'matrix torn.json'
refuses 64 '--pid' latency-sched dump --pid 0
refuses 64 '--timeout' latency-sched dump --timeout soon
refuses 64 'extra' latency-sched dump extra
refuses 64 'volume/' latency-sched --latency-file volume/ --server http://127.0.0.1:9

# --- URLs and addresses
for url in ftp://host host:6443 http:// 'http://u:p@host' 'http://host:99999' 'http://host/?q' 'http://host/#f' 'http://ho st'; do
	refuses 64 '--server' latency-sched --latency-file f --server "$url"
done
refuses 64 '--server' latency-merge --dir volume --server gopher://x
for address in 300.1.1.1:80 nowhere :99999 '[::1' 127.0.0.1; do
	refuses 64 "$address" latency-sched --latency-file f --server http://127.0.0.1:9 --listen "$address"
done
refuses 64 'nowhere' latency-probe --node a --peers address.json --output . --listen nowhere

# --- files
refuses 66 '/nowhere/x' latency-sched --latency-file f --kubeconfig /nowhere/x
refuses 66 '/nowhere/x' latency-sched --latency-file f --config /nowhere/x
refuses 66 'missing.json' latency-merge --dir volume --nodes missing.json
refuses 66 '/nowhere' latency-merge --dir /nowhere
refuses 66 'missing.json' latency-merge --dir volume --clients missing.json --nodes nodes.json
refuses 66 'missing.json' latency-probe --node a --peers missing.json --output . --once
refuses 66 'missing.yaml' latency-sched explain --pod ./missing.yaml --cluster nodes.json
refuses 66 'missing.json' latency-sched explain --pod web --cluster missing.json
refuses 66 'missing.json' latency-sched simulate --pods missing.json --cluster nodes.json
refuses 65 'nodes.json: kind: is missing' latency-sched explain --pod web --cluster nodes.json
refuses 65 'torn.json: line 2' latency-sched simulate --pods torn.json --cluster nodes.json
refuses 66 'process 4194304 (--pid): No such file' latency-sched dump --pid 4194304
refuses 66 'is no latency-sched that schedules' latency-sched dump --pid $$
refuses 66 'cluster-latency.json' latency-sched dump --matrix --folder volume
refuses 66 '/nowhere/x' latency-sched explain --pod web --cluster nodes.json --config /nowhere/x
refuses 65 'torn.json' latency-merge --dir volume --nodes torn.json
refuses 65 'address.json' latency-merge --dir volume --clients address.json --nodes nodes.json
refuses 65 'torn.json' latency-probe --node a --peers torn.json --output . --once
refuses 65 'not-an-address' latency-probe --node a --peers address.json --output . --once
checks 65 line torn.json
checks 65 empty empty
checks 66 "No such file" missing.json

# --- kubeconfigs
kubeconfig no-context.yaml /current-context/d
kubeconfig other-context.yaml 's/current-context: c/current-context: zzz/'
kubeconfig no-server.yaml 's/{server: [^}]*}/{}/'
kubeconfig bad-server.yaml 's/http:/gopher:/'
kubeconfig insecure.yaml 's/cluster: {server/cluster: {insecure-skip-tls-verify: true, server/'
kubeconfig exec.yaml 's/user: {}/user: {exec: {command: sh}}/'
kubeconfig provider.yaml 's/user: {}/user: {auth-provider: {name: gcp}}/'
kubeconfig no-ca.yaml 's/cluster: {server/cluster: {certificate-authority: missing.pem, server/'
kubeconfig bad-ca.yaml 's/cluster: {server/cluster: {certificate-authority-data: "!!!", server/'
kubeconfig half-certificate.yaml 's/user: {}/user: {client-certificate-data: LS0tLS1CRUdJTiBYLS0tLS0K}/'
kubeconfig torn.yaml 's/contexts: \[/contexts: [[[/'
for file in no-context:current-context other-context:zzz no-server:server bad-server:server insecure:insecure-skip-tls-verify exec:exec \
	provider:auth-provider bad-ca:certificate-authority-data half-certificate:client-key torn:line; do
	refuses 78 "${file#*:}" latency-sched --latency-file f --kubeconfig "${file%:*}.yaml"
done
refuses 66 missing.pem latency-sched --latency-file f --kubeconfig no-ca.yaml
refuses 78 exec latency-merge --dir volume --kubeconfig exec.yaml
export KUBECONFIG=exec.yaml
refuses 78 exec.yaml latency-sched --latency-file f
unset KUBECONFIG

# --- where traffic enters
merger() { # TEXT WORDS...
	text=$1; shift
	refuses 64 "$text" latency-merge --dir volume "$@"
}
merger '--entry-query: needs --prometheus-url' --entry-query up
merger '--traffic-query: needs --prometheus-url' --traffic-query up
merger '--prometheus-token-file: needs --prometheus-url' --prometheus-token-file t
merger '--prometheus-ca-file: needs --prometheus-url' --prometheus-ca-file t
merger '--entry-file: cannot be given with --prometheus-url' --entry-file e --prometheus-url http://127.0.0.1:9
merger '--entry-file: cannot be given with --entry-query' --entry-file e --entry-query up --prometheus-url http://127.0.0.1:9
merger '--prometheus-url: `ftp://a` must begin with http://' --prometheus-url ftp://a
merger '--prometheus-url: the URL must not have a user name' --prometheus-url http://user:secret@a
merger '--prometheus-url: `http://a/?x` must not have a query' --prometheus-url 'http://a/?x'
merger '--entry-query: the value is empty' --prometheus-url http://127.0.0.1:9 --entry-query ''
merger '--traffic-query: is longer than 8192 bytes' --prometheus-url http://127.0.0.1:9 --traffic-query "$(head -c 8193 /dev/zero | tr '\0' x)"
echo '{"edge-1": 3, "edge-2": 0.5}' >"$folder/entry.json"
echo '{"edge-1": -3}' >"$folder/bad-entry.json"
echo '{"version":1,"nodes":["a"],"rtt_us":[[0]],"entry":{"a":1,"b":2},"entry_age_s":12}' >"$folder/enters.json"
checks 0 'ok (weights of 2 entry nodes)' entry.json
checks 65 'edge-1: -3 is not in' bad-entry.json
checks 0 'traffic enters at 2 nodes, 12 s ago' enters.json

# --- configurations
configuration() { # CODE TEXT CONTENT
	printf "$3" >"$folder/sched.yaml"
	refuses "$1" "$2" latency-sched --latency-file f --server http://127.0.0.1:9 --config sched.yaml
}
configuration 78 'wieghts' 'wieghts: {}\n'
configuration 78 'weights.near.latncy' 'weights: {near: {latncy: 1}}\n'
configuration 78 'defaultNear' 'defaultNear: node/\n'
configuration 78 'profiles[0].strictt' 'profiles: [{schedulerName: a, strictt: true}]\n'
configuration 78 'line 2' 'strict: true\n  bad: [\n'
configuration 78 'array' '[]\n'
configuration 78 'interval' 'interval: 3s\n'
export LATENCY_SCHED_BINDINGS=none
refuses 64 LATENCY_SCHED_BINDINGS latency-sched --latency-file f --server http://127.0.0.1:9
unset LATENCY_SCHED_BINDINGS

# --- what is there and cannot be used
refuses 69 '127.0.0.1:9' latency-merge --dir volume --server http://127.0.0.1:9

echo "1..$count"
[ $failed -eq 0 ]
