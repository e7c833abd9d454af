#!/bin/sh
# run.sh quick|all|e2e|cluster|nightly: builds and runs the tests, a line for each program, the end of the log of each that failed, and as its last
# line `N passed, N failed`. Exit status 0 when none failed. Logs are kept in TEST_LOGS (build/logs). What fails while others run beside it is LATER: it runs once
# more when they have ended (see put_off), and the last line but one names it.
#   quick     what $BUILD holds: units, properties, integration
#   all       the same with gcc, AddressSanitizer and UBSan, ThreadSanitizer (what takes longest with a sanitizer runs every night alone); clang, warning-free;
#             headers alone; a short fuzzing; the laboratory
#   e2e       against a real etcd, kube-apiserver and kube-scheduler of version KUBERNETES (1.36.3); words after it name programs: e2e e-bind
#   cluster   the chart on real kubelets with NFS and chosen delays; words after it name tests: cluster c-install c-failure, or all
#   nightly   all, e2e with both releases, then valgrind, many rounds of new random inputs, and long fuzzing
# One program: BUILD=build/gcc tests/run.sh one build/gcc/tests/u-json
set -u
cd "$(dirname "$0")/.." || exit 70
logs=${TEST_LOGS:-build/logs}
export TEST_LOGS=$logs
limit_s=${TEST_TIMEOUT:-300}
# `nice` before what runs beside a suite
later=
# What valgrind can follow: no tests of memory limits, of namespaces or of processes that are traced.
valgrindable='u-(ask|awaited|base|bind(-events)?|cache|cache-model|cloud|cluster|conffile|conformance|cpu|decide(-targets)?|elect(-.*)?|estimate|explain(-dump)?|extender-(bind|scan|scores|wire)|filter-.*|fold(-.*)?|history|json|kube-.*|labels|lease|ledger|lies|links|load|matrix|max-latency|mesh|node|observe|options|peers|pod(-terms)?|prometheus|queue(-model)?|record|reserve-(board|tell)|resources|rounds|sched-settings|sched-status|score(-soft)?|status|storage|target|thresholds|trouble|volumes|waiting|window|yaml)'
# What has threads, in itself or in the programs that it runs: these also run under ThreadSanitizer.
threaded='i-.*|u-base|u-reserve-(board|planner)|u-http(-.*)?|u-volume|u-scan|u-pinger-.*|u-extender-(desk|scores)|u-kube-.*'

# What takes longest, in a suite: begun first.
slow='i-elect|i-heal|i-heal-many|i-reserve|i-reserve-show|u-reserve-most|u-reserve-plan|i-prometheus|i-merge-prometheus|i-extender-bind|u-explain|i-replay|i-thousand|i-sched-feed|i-sched-ops|i-merge-crash|u-ranking|u-elect-replicas|u-extender-desk|u-score-soft|i-probe.*'

# What waits for most of its time, for scrapes, plans, time limits and ages, in programs whose sanitized builds other tests run: in `make test` with plain
# gcc alone, which spares a suite about 150 s of its places; with the sanitizers every night.
once='i-prometheus|i-merge-(names|prometheus)|i-reserve|i-reserve-show|i-reserve-trouble|i-heal|i-heal-held'
# What takes longest of those that have threads, and shares its programs with the others: with ThreadSanitizer every night alone, which spares a quarter of `make test`.
nightly_threads='i-(heal-many|replay|thousand|merge-crash|elect|explain|sched-feed|options|standin|kube-standin|kube-chaos)'
# Of these also with AddressSanitizer; there u-explain, i-sched and u-elect go the same ways.
nightly_address='i-(replay|thousand|elect)|u-herding'

# Of the random rounds of u-explain, u-filter-terms, u-ranking, u-reserve-most, u-reserve-plan, u-resources (its flood) and u-score-soft so many per cent run with AddressSanitizer,
# where a round takes five to ten times as long; all of them run with plain gcc, and with both every night.
sanitized_rounds=40

# What mostly waits: for leases to run out, outages to end, back-offs to grow.
waiting='e-away|e-elect|e-extender-tls|e-wait'
# And these: for rights that are missing to be missed, for nodes to be dead long enough.
patient='e-rbac|e-reserve'

# one PROGRAM [WORDS]: runs it, writes its log, prints one line, adds "passed failed skipped" to the results.
one() {
	name=$(basename "$1" .sh) variant=$(basename "${BUILD:-build/gcc}")
	log=$logs/$variant-$name${LABEL:+-$LABEL}.log
	begin=$(date +%s)
	CMOCKA_MESSAGE_OUTPUT=tap ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1 TSAN_OPTIONS="second_deadlock_stack=1 suppressions='$PWD/tests/thread-sanitizer.supp'" \
		timeout -k 10 "$limit_s" ${WRAPPER:-} "$@" </dev/null >"$log" 2>&1
	status=$?
	passed=$(grep -c '^ok [0-9]' "$log") failed=$(grep -c '^not ok [0-9]' "$log") skipped=$(grep -ci '^ok [0-9].*# skip' "$log")
	passed=$((passed - skipped))
	# Ended badly without saying which test, or said nothing at all: that is a failure too.
	[ $status -eq 0 ] || [ "$failed" -gt 0 ] || failed=1
	[ $((passed + failed + skipped)) -gt 0 ] || failed=1
	[ $status -ne 124 ] && [ $status -ne 137 ] || echo "# still running after $limit_s s" >>"$log"
	if [ "$failed" != 0 ] && put_off "$log" $status "$@"; then verdict=LATER; else
		echo "$passed $failed $skipped" >>"$logs/results"
		verdict=$([ "$failed" = 0 ] && echo ok || echo FAILED)
	fi
	printf '%-6s %-14s %-26s %4d passed  %3d s\n' "$verdict" "$variant" "$name" "$passed" $(($(date +%s) - begin))
	if [ "$failed" != 0 ]; then
		echo "       $failed failed (exit status $status), $log:"
		{ grep -E '^not ok|ERROR|error:|WARNING: ThreadSanitizer|runtime error' "$log" | head -n 15; tail -n 25 "$log"; } | sed 's/^/       | /'
	fi
}

# put_off LOG STATUS PROGRAM...: a test that failed beside others is run once more by `again`, with the same seed, where AGAIN names the list. What no load
# explains is a failure at once: a finding of a sanitizer or of valgrind, and a crash.
put_off() {
	[ -n "${AGAIN:-}" ] || return 1
	[ "$2" -le 128 ] || [ "$2" -eq 137 ] || return 1
	! grep -qE 'Sanitizer|runtime error|^==[0-9]+==' "$1" || return 1
	kept=${1%.log}-first.log seed=$(sed -n 's/^# seed \([0-9][0-9]*\)$/\1/p' "$1" | head -n 1)
	shift 2
	mv "$log" "$kept" && log=$kept
	echo "${BUILD:-build/gcc} ${LABEL:--} ${TEST_ROUNDS:-100} $limit_s ${seed:--} $*" >>"$AGAIN"
}

# again: what was put off, alone and in turn; it passes now or has failed. More than a few at once are no accident: they are failures unseen.
again() {
	[ -s "${AGAIN:-}" ] || return 0
	list=$AGAIN AGAIN=
	few=$(($(wc -l <"$list") <= 4))
	[ $few = 1 ] || echo "too many programs failed for accidents of a busy machine: none is run again"
	while read -r build label rounds limit seed program; do
		[ $few = 1 ] || { echo "0 1 0" >>"$logs/results"; continue; }
		[ "$label" != - ] || label=
		[ "$seed" != - ] || seed=
		echo "$program" >>"$logs/repeated"
		env BUILD="$build" LABEL="$label" TEST_ROUNDS="$rounds" TEST_TIMEOUT="$limit" ${seed:+TEST_SEED="$seed"} tests/run.sh one $program </dev/null
	done <"$list"
}

# A build step counts as a test: that it is free of warnings is one.
step() {
	title=$1; shift
	begin=$(date +%s)
	log=$(mktemp "$logs/step-XXXXXX.log")	# steps may overlap
	if "$@" >"$log" 2>&1; then
		echo "1 0 0" >>"$logs/results"
		printf '%-6s %s  %d s\n' ok "$title" $(($(date +%s) - begin))
	else
		echo "0 1 0" >>"$logs/results"
		printf '%-6s %s\n' FAILED "$title"
		tail -n 40 "$log" | sed 's/^/       | /'
		return 1
	fi
}

# programs BUILD [NAMES [EXCEPT]]: the test programs of a build, the slow ones first
programs() {
	found=$({
		ls "$1"/tests/i-* tests/integration/i-*.sh
		ls "$1"/tests/u-*
	} 2>/dev/null | grep -v '\.[do]$' | grep -E "/(${2:-.*})(\.sh)?\$" | grep -vE "/(${3:-})(\.sh)?\$")
	printf '%s\n' "$found" | grep -E "/($slow)(\.sh)?\$"
	printf '%s\n' "$found" | grep -vE "/($slow)(\.sh)?\$"
}

# suite BUILD [NAMES [EXCEPT]]: unit and integration tests of a build, three at a time: they wait half of their time
suite() {
	programs "$@" | BUILD=$1 xargs -P 3 -I{} "$0" one {}
}

# targets BUILD [NAMES [EXCEPT]]: what a suite of the same words runs, for make
targets() {
	printf '%s\n' all "$1/standin"
	ls tests/unit/u-*.c tests/integration/i-*.c | sed "s|.*/\(.*\)\.c|$1/tests/\1|" | grep -E "/(${2:-.*})\$" | grep -vE "/(${3:-})\$"
}

headers_alone() {
	for header in $(git ls-files '*.h'); do
		$later gcc -std=gnu17 -D_GNU_SOURCE -I. -Wall -Wextra -Werror -Wno-unused-function -fsyntax-only -x c "$header" || return 1
	done
}

# fuzz_one PROGRAM SECONDS: mutated by libFuzzer from its own corpus
fuzz_one() {
	step "fuzz $(basename "$1") for $2 s" $later "$1" -max_total_time="$2" -rss_limit_mb=2048 -timeout=20 -print_final_stats=0 -verbosity=0 -artifact_prefix="$logs/"
}

# What anybody who reaches the extender's port may send: fuzzed for longer.
open_to_all='f-(extender|http)'

# fuzz SECONDS: each of the other parsers of outside input
fuzz() {
	for program in build/clang-fuzzer-address-undefined/tests/f-*; do
		[ -x "$program" ] && [ "${program%.*}" = "$program" ] || continue
		basename "$program" | grep -Eqx "$open_to_all" || fuzz_one "$program" "$1"
	done
}

# fuzz_open SECONDS: those side by side
fuzz_open() {
	for program in $(ls build/clang-fuzzer-address-undefined/tests/f-* | grep -E "/$open_to_all\$"); do
		fuzz_one "$program" "$1" &
	done
	wait
}

build() { # TITLE VARIABLES...
	title=$1; shift
	step "build: $title" $later env -u BUILD make -s -j2 "$@"
}

# The laboratory of hosts, beside all that follows, for it mostly waits.
laboratory() {
	BUILD=build/gcc TEST_TIMEOUT=600 "$0" one tests/lab/mount.sh
	BUILD=build/gcc TEST_TIMEOUT=600 "$0" one tests/lab/test.sh
}

# beside WORDS: in the background, and behind all else that wants a processor; $! is its number
beside() { { later="nice -n 10"; "$@"; } & }

address_build() {
	build "gcc, AddressSanitizer and UBSan" CC=gcc SANITIZE=address,undefined $(targets build/gcc-address-undefined '.*' "$once|$nightly_address")
}
threads_build() {
	build "gcc, ThreadSanitizer" CC=gcc SANITIZE=thread $(targets build/gcc-thread "$threaded" "$once|$nightly_threads")
}
by_clang() {
	build "clang, warning-free: programs, hardened, and the tests' sources" CC=clang all tests-checked
	step "each header compiles alone" headers_alone
}
fuzzing() {
	build "clang, libFuzzer" CC=clang SANITIZE=fuzzer,address,undefined fuzzers || return 1
	fuzz_open "${EXTENDER_FUZZ_SECONDS:-60}" &
	fuzz "${FUZZ_SECONDS:-5}"
	wait
}

# Tests wait half of their time and builds never do: while one suite runs, what comes after it is built. The fuzzers run beside the last.
all() {
	build "gcc, hardened, warning-free" CC=gcc tests lab-tools || return 1
	export AGAIN="$logs/again"
	laboratory &
	beside address_build; address=$!
	suite build/gcc
	wait $address; address=$?
	beside threads_build; threads=$!
	beside by_clang
	[ $address -ne 0 ] || TEST_ROUNDS=$sanitized_rounds suite build/gcc-address-undefined '.*' "$once|$nightly_address"
	wait $threads; threads=$?
	beside fuzzing
	[ $threads -ne 0 ] || suite build/gcc-thread "$threaded" "$once|$nightly_threads"
	wait
	again
	unset AGAIN
}

# lane NAME PROGRAMS: one after the other in a control plane of their own
lane() {
	out=build/e2e/$1 again=$logs/again-$1; shift
	[ $# -gt 0 ] || return 0
	AGAIN=$again TEST_TIMEOUT=${TEST_TIMEOUT:-600} tests/e2e/cluster.sh --out "$out" --kubernetes "$KUBERNETES" --limit "${E2E_LIMIT:-1200}" sh -c '
		export LATENCY_API=$KUBECONFIG
		for program; do tests/run.sh one "build/gcc/tests/$program"; done
		tests/run.sh again' lane "$@" || echo "0 1 0" >>"$logs/results"
}

# end_to_end [NAMES]: the client's suite and the programs in three control planes at once, two of which have what mostly waits
end_to_end() {
	build "gcc, hardened, for e2e" CC=gcc e2e-tools || return 1
	step "a control plane of Kubernetes ${KUBERNETES:=1.36.3}, its tools" tests/e2e/tools.sh --kubernetes "$KUBERNETES" || return 1
	[ $# -gt 0 ] || set -- i-client $(ls tests/e2e/e-*.c | sed 's|.*/||; s|\.c$||')
	lane waiting $(printf '%s\n' "$@" | grep -Ex "$waiting") &
	lane patient $(printf '%s\n' "$@" | grep -Ex "$patient") &
	lane working $(printf '%s\n' "$@" | grep -Evx "$waiting|$patient")
	wait
}

# aboard NAME TESTS: one after the other in a laboratory of their own (cluster/lab.sh)
aboard() {
	out=build/cluster/$1; shift
	tests/cluster/lab.sh --out "$out" --limit "${CLUSTER_LIMIT:-1500}" \
		sh -c 'for test; do TEST_TIMEOUT=${TEST_TIMEOUT:-900} tests/run.sh one "tests/cluster/$test.sh"; done' aboard "$@" || echo "0 1 0" >>"$logs/results"
}

# with_nfs_server COMMAND...: with its image among those that nodes load; it is large, so no others do
with_nfs_server() {
	step "the NFS server's image" ./images.sh --base-from-debootstrap nfs-server && "$@"
	rm -f build/images/latency-nfs-server.tar
}

# with_prometheus COMMAND...: beside Debian's, unpacked: the laboratory has no way out
with_prometheus() {
	step "Prometheus" tests/unpack.sh prometheus build/prometheus && "$@"
}

# on_kubelets [NAMES]: without names what shows the chart's use; "all" is that and what breaks, and the life of releases, each in a laboratory of its own
on_kubelets() {
	use="c-install c-matrix c-place c-volumes c-edit c-drift"
	build "gcc, hardened" CC=gcc all || return 1
	step "container images" env -u BUILD make -s images BASE=debootstrap || return 1
	"$0" one tests/images-check.sh
	step "the laboratory's tools" sh -c 'tests/e2e/tools.sh etcd kube-apiserver kube-scheduler kube-controller-manager kubelet && tests/cluster/tools.sh' || return 1
	case $* in
	'' | all)
		"$0" one helm/check.sh
		tests/e2e/cluster.sh --out build/cluster/api "$0" one helm/check-api.sh || echo "0 1 0" >>"$logs/results"
		aboard use $use ;;
	esac
	case $* in
	'') ;;
	all)
		aboard failure c-failure
		aboard release c-release c-trouble
		aboard extender c-extender
		aboard healing c-healing
		aboard partition c-partition
		with_prometheus aboard entry c-entry
		with_nfs_server aboard nfs c-nfs ;;
	*c-nfs*) with_nfs_server aboard some "$@" ;;
	*c-entry*) with_prometheus aboard some "$@" ;;
	*) aboard some "$@" ;;
	esac
}

# What takes long: the control plane of an older release, each unit test under valgrind, the properties and the thousand pods with NIGHTLY_ROUNDS (20) new seeds, long fuzzing.
nightly() {
	sanitized_rounds=100 once= nightly_address= nightly_threads=
	all
	for KUBERNETES in 1.36.3 1.34.4; do LABEL=kubernetes-$KUBERNETES CHAINS_ROUNDS=60 RESERVE_CRASHES=100 TEST_TIMEOUT=3000 E2E_LIMIT=5000 end_to_end; done
	step "10,000 pods decided as kube-scheduler decides" tests/conformance/run.sh --cases 10000
	KUBERNETES=1.36.3 LABEL=cluster on_kubelets all
	WRAPPER="valgrind -q --leak-check=full --error-exitcode=99" LABEL=valgrind TEST_TIMEOUT=1800 suite build/gcc "$valgrindable"
	round=0
	while [ $round -lt "${NIGHTLY_ROUNDS:-20}" ]; do
		round=$((round + 1))
		LABEL=round-$round suite build/gcc 'i-kube-chaos|i-kube-standin|i-merge-crash|i-thousand|u-awaited|u-cache-model|u-cloud|u-entries|u-entry-target|u-estimates?|u-expected-sums|u-fold-(inflow|random)|u-herding|u-history|u-json|u-kube-lines|u-ledger-crashes|u-lies|u-links|u-mesh|u-observe|u-polarity|u-ranking|u-reserve-(most|plan|repair)|u-resources|u-snapshot-random|u-traffic|u-window'
	done
	fuzz_open "${NIGHTLY_FUZZ_SECONDS:-300}"
	fuzz "${NIGHTLY_FUZZ_SECONDS:-300}"
}

mode=${1:-}
if [ "$mode" = one ]; then
	shift
	mkdir -p "$logs"
	one "$@"
	exit 0
fi
if [ "$mode" = again ]; then
	again
	exit 0
fi
case $mode in quick | all | e2e | cluster | nightly) ;; *) sed -n 's/^# \{0,1\}//p' "$0" | head -n 12 >&2; exit 64 ;; esac
mkdir -p "$logs"
rm -f "$logs"/*
: >"$logs/results"
shift
case $mode in
e2e) tests/deps.sh && LABEL=kubernetes end_to_end "$@" ;;
cluster) tests/deps.sh && LABEL=cluster on_kubelets "$@" ;;
quick) suite "${BUILD:-build/gcc}" ;;
all) tests/deps.sh && all ;;
nightly) tests/deps.sh && nightly ;;
esac
[ ! -s "$logs/repeated" ] || echo "run again after all others, with the same seed: $(tr '\n' ' ' <"$logs/repeated")"
[ -s "$logs/results" ] || { echo "0 passed, 1 failed"; exit 1; }
awk '{ p += $1; f += $2; s += $3 } END { printf "%d passed, %d failed", p, f; if (s) printf ", %d skipped", s; print ""; exit f > 0 }' "$logs/results"
