# latency-mesh: pods placed where the network is fast.
#
#   make               the three programs and check-mount, hardened, in build/
#   make test          everything that proves them: units, properties, integration, laboratory, sanitizers, both compilers
#   make check         the quick part of it: units, properties and integration, as built
#   make demo          the whole pipeline on this machine, with real pings, real NFS and real delays (about two minutes)
#   make e2e           against a real etcd, kube-apiserver and kube-scheduler (KUBERNETES=1.36.3;
#                      ONLY="e-bind" for some); the first time builds them, about 10 minutes
#   make conformance   random clusters decided by ours and by a real kube-scheduler: CASES=500 pods, SEED= (a new one),
#                      TOPICS=all (tests/conformance/README.md); last line: conformance: N pods, N feasible-set differences, ...
#   make cluster       the Helm chart on three real kubelets with a real NFS volume and chosen delays (ONLY="c-failure" for some,
#                      ONLY=all for all that make nightly runs)
#   make images        the container images, in build/images (BASE=debootstrap where no hub is reached; REGISTRY= VERSION= TOOL=
#                      PLATFORM=, see images.sh); make images-check looks them over
#   make manifests     the Helm chart as plain YAML, in build/manifests (VALUES="helm/ci/nfs.yaml"; RELEASE= NAMESPACE=)
#   make bench         the figures of README.md
#   make nightly       the long runs: fuzzing, valgrind, large random clusters
#   make deps          installs the Debian packages that are missing (as root or by sudo)
#   make install       PREFIX=/usr/local DESTDIR=
#   make clean
#
# Variables: CC=clang  V=1 (show commands)  WERROR= (do not stop at warnings)  SANITIZE=address,undefined or thread
#            BUILD=DIR (default build/CC or build/CC-SANITIZE)
# One test: make build/gcc/tests/u-window && build/gcc/tests/u-window      Every folder's sources are found by themselves.

ifeq ($(origin CC),default)
CC := gcc
endif
SANITIZE ?=
WERROR ?= -Werror
VERSION := $(shell git describe --always --dirty --tags 2>/dev/null || echo unknown)
comma := ,
BUILD ?= build/$(notdir $(CC))$(if $(SANITIZE),-$(subst $(comma),-,$(SANITIZE)))
PREFIX ?= /usr/local
CASES ?= 500
TOPICS ?= all
RELEASE ?= latency-aware-scheduler
NAMESPACE ?= latency-scheduler
ifeq ($(V),)
Q := @
say = @printf '  %-5s %s\n' $(1) $(2)
endif

goals_without_tools := deps clean demo e2e cluster manifests images images-check
needs_tools := $(if $(MAKECMDGOALS),$(filter-out $(goals_without_tools),$(MAKECMDGOALS)),all)

# --- flags -----------------------------------------------------------------------------------------------------------
# The set of the OpenSSF compiler guide, each flag only where this compiler knows it.
ifneq ($(needs_tools),)
try = $(shell printf 'int main(void){return 0;}' | $(CC) -Werror $(1) -x c -o /dev/null - 2>/dev/null && echo '$(1)')
WARN := -Wall -Wextra -Wpedantic -Wformat=2 -Wconversion -Wsign-conversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wvla -Wcast-qual -Wcast-align -Wpointer-arith -Wwrite-strings -Wundef -Wimplicit-fallthrough -Werror=format-security \
	-Werror=implicit -Werror=incompatible-pointer-types -Werror=int-conversion
WARN += $(foreach f,-Wtrampolines -Wduplicated-cond -Wlogical-op -Wbidi-chars=any,$(call try,$(f)))
HARDEN := -fstack-protector-strong -fPIE -fno-delete-null-pointer-checks -fno-strict-overflow -fno-strict-aliasing -fexceptions
HARDEN += $(foreach f,-fstack-clash-protection -fcf-protection=full -mbranch-protection=standard -ftrivial-auto-var-init=zero \
	-fstrict-flex-arrays=3 -fzero-init-padding-bits=all,$(call try,$(f)))
HARDEN_LINK := -pie -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,-z,nodlopen -Wl,--as-needed
PACKAGES := gnutls libcjson libcurl libmicrohttpd yaml-0.1
PACKAGE_CFLAGS := $(shell pkg-config --cflags $(PACKAGES) 2>/dev/null)
LIBS := $(shell pkg-config --libs $(PACKAGES) 2>/dev/null) -lm -pthread
endif
CPPFLAGS += -D_GNU_SOURCE -I. $(PACKAGE_CFLAGS)
ifeq ($(SANITIZE),)
CPPFLAGS += -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3
CFLAGS ?= -O2 -g
else
# -Og costs a seventh less than -O1 to compile and the tests run as fast; lines and functions are what a report needs.
CFLAGS ?= -Og -g1
# libFuzzer brings a main() of its own: objects are instrumented for it, and only the f- programs link it.
fuzzing := $(findstring fuzzer,$(SANITIZE))
HARDEN := -fsanitize=$(subst fuzzer$(comma),fuzzer-no-link$(comma),$(SANITIZE)) -fno-sanitize-recover=all -fno-omit-frame-pointer
HARDEN += $(if $(fuzzing),-DLM_LIBFUZZER)
HARDEN_LINK := -fsanitize=$(SANITIZE)
endif
ALL_CFLAGS = -std=gnu17 $(CFLAGS) $(WARN) $(WERROR) $(HARDEN) -pthread -MMD -MP

# --- what there is ---------------------------------------------------------------------------------------------------
sources = $(wildcard $(1)/*.c $(1)/*/*.c)
objects = $(patsubst %.c,$(BUILD)/%.o,$(filter-out %/main.c,$(call sources,$(1))))
LIB := $(BUILD)/liblm.a
PROGRAMS := $(BUILD)/latency-probe $(BUILD)/latency-merge $(BUILD)/latency-sched $(BUILD)/check-mount
ARCHIVES := $(BUILD)/sched.a $(BUILD)/merge.a $(BUILD)/probe.a $(BUILD)/nfs.a
STANDIN := $(BUILD)/standin
UNIT := $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(wildcard tests/unit/u-*.c))
INTEGRATION := $(patsubst tests/integration/%.c,$(BUILD)/tests/%,$(wildcard tests/integration/i-*.c))
BENCH := $(patsubst tests/bench/%.c,$(BUILD)/tests/%,$(wildcard tests/bench/b-*.c))
FUZZ := $(patsubst tests/fuzz/%.c,$(BUILD)/tests/%,$(wildcard tests/fuzz/f-*.c))
E2E := $(patsubst tests/e2e/%.c,$(BUILD)/tests/%,$(wildcard tests/e2e/e-*.c))
LAB := $(patsubst tests/lab/%.c,$(BUILD)/tests/%,$(wildcard tests/lab/lab-*.c))

.PHONY: all test check demo e2e conformance cluster bench nightly deps install clean tests tests-checked lab-tools e2e-tools fuzzers manifests images images-check
.DELETE_ON_ERROR:
.SECONDARY:
all: $(PROGRAMS)
tests: all $(STANDIN) $(UNIT) $(INTEGRATION) $(FUZZ)
lab-tools: all $(STANDIN) $(LAB) $(BUILD)/tests/xstate.so
e2e-tools: all $(STANDIN) $(E2E) $(BUILD)/tests/i-client $(BUILD)/conformance
fuzzers: $(FUZZ)
# the tests' sources looked at by this compiler, and no more: what else it would make of them nobody runs
tests-checked: $(patsubst %.c,$(BUILD)/%.checked,$(wildcard tests/*/*.c))

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -c -o $@ $<

# Half of all that is compiled: a third of the time that -O2 takes.
TEST_CFLAGS ?= -Og -g1
$(BUILD)/tests/unit/%.o $(BUILD)/tests/integration/%.o $(BUILD)/tests/e2e/%.o: CFLAGS = $(TEST_CFLAGS)

$(BUILD)/lib/version.o: CPPFLAGS += -DLM_VERSION='"$(VERSION)"'

$(BUILD)/%.checked: %.c
	@mkdir -p $(@D)
	$(call say,CHECK,$<)
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -MT $@ -MF $(@:.checked=.checked.d) -fsyntax-only $<
	@touch $@

archive = @mkdir -p $(@D); rm -f $@; ar rcs $@ $^
$(LIB): $(call objects,lib)
	$(archive)
$(BUILD)/probe.a: $(call objects,probe)
	$(archive)
$(BUILD)/merge.a: $(call objects,merge)
	$(archive)
$(BUILD)/sched.a: $(call objects,sched)
	$(archive)
$(BUILD)/nfs.a: $(filter-out %/check-mount.o,$(call objects,nfs))
	$(archive)
$(BUILD)/testing.a: $(call objects,tests/testing)
	$(archive)
$(BUILD)/e2e.a: $(filter-out $(BUILD)/tests/e2e/e-%,$(call objects,tests/e2e))
	$(archive)
$(BUILD)/conformance.a: $(call objects,tests/conformance)
	$(archive)
$(BUILD)/lab.a: $(filter-out $(BUILD)/tests/lab/lab-% %/xstate.o,$(call objects,tests/lab))
	$(archive)
# for user-mode-linux, see there
$(BUILD)/tests/xstate.so: tests/lab/xstate.c
	$(call say,CC,$@)
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -fPIC -shared -o $@ $<

link = $(call say,LINK,$@) ; mkdir -p $(@D); $(CC) $(HARDEN_LINK) $(LDFLAGS) -pthread -o $@ $(filter %.o %.a,$^) $(1) $(LIBS)
ifneq ($(V),)
link = mkdir -p $(@D); $(CC) $(HARDEN_LINK) $(LDFLAGS) -pthread -o $@ $(filter %.o %.a,$^) $(1) $(LIBS)
endif
$(BUILD)/latency-probe: $(BUILD)/probe/main.o $(BUILD)/probe.a $(LIB)
	$(call link,-loping)
$(BUILD)/latency-merge: $(BUILD)/merge/main.o $(BUILD)/merge.a $(LIB)
	$(call link)
$(BUILD)/latency-sched: $(BUILD)/sched/main.o $(BUILD)/sched.a $(LIB)
	$(call link)
$(BUILD)/check-mount: $(BUILD)/nfs/check-mount.o $(BUILD)/nfs.a $(LIB)
	$(call link)
$(STANDIN): $(BUILD)/tests/apiserver/main.o $(call objects,tests/apiserver) $(LIB)
	$(call link)
$(BUILD)/tests/u-%: $(BUILD)/tests/unit/u-%.o $(BUILD)/conformance.a $(BUILD)/testing.a $(ARCHIVES) $(LIB)
	$(call link,-lcmocka -loping)
# These run the programs themselves.
$(INTEGRATION): | $(PROGRAMS) $(STANDIN)
$(BUILD)/tests/i-%: $(BUILD)/tests/integration/i-%.o $(BUILD)/conformance.a $(BUILD)/testing.a $(ARCHIVES) $(LIB)
	$(call link,-lcmocka -loping)
$(BUILD)/tests/b-%: $(BUILD)/tests/bench/b-%.o $(BUILD)/e2e.a $(BUILD)/testing.a $(ARCHIVES) $(LIB)
	$(call link,-lcmocka -loping)
$(BUILD)/tests/lab-%: $(BUILD)/tests/lab/lab-%.o $(BUILD)/lab.a $(BUILD)/testing.a $(ARCHIVES) $(LIB)
	$(call link,-lcmocka -loping)
$(E2E): | $(PROGRAMS)
$(BUILD)/tests/e-%: $(BUILD)/tests/e2e/e-%.o $(BUILD)/e2e.a $(BUILD)/testing.a $(ARCHIVES) $(LIB)
	$(call link,-lcmocka -loping)
$(BUILD)/conformance: $(BUILD)/tests/conformance/main.o $(BUILD)/conformance.a $(BUILD)/testing.a $(ARCHIVES) $(LIB)
	$(call link,-lcmocka -loping)
$(BUILD)/tests/f-%: $(BUILD)/tests/fuzz/f-%.o $(BUILD)/testing.a $(ARCHIVES) $(LIB)
	$(call link,-lcmocka -loping)

# --- commands --------------------------------------------------------------------------------------------------------
test:
	@tests/run.sh all
check: tests
	@BUILD=$(BUILD) tests/run.sh quick
demo:
	@tests/lab/demo.sh
e2e:
	@tests/run.sh e2e $(ONLY)
conformance: $(BUILD)/conformance
	@CONFORMANCE_BUILD=$(BUILD) tests/conformance/run.sh --cases $(CASES) $(if $(SEED),--seed $(SEED)) --topics $(TOPICS)
cluster:
	@tests/run.sh cluster $(ONLY)
bench: all $(BENCH) $(STANDIN)
	@BUILD=$(BUILD) tests/bench/run.sh
# VERSION is the programs' here: an image has the chart's, unless it was named
images:
	@$(if $(filter command,$(origin VERSION)),,env -u VERSION) ./images.sh
images-check:
	@tests/images-check.sh
manifests:
	@mkdir -p build/manifests
	@helm/manifests.sh --release $(RELEASE) --namespace $(NAMESPACE) $(VALUES) >build/manifests/$(RELEASE).yaml.new
	@mv build/manifests/$(RELEASE).yaml.new build/manifests/$(RELEASE).yaml
	@echo build/manifests/$(RELEASE).yaml
nightly:
	@tests/run.sh nightly
deps:
	@tests/deps.sh
install: all
	install -D -m 755 -t $(DESTDIR)$(PREFIX)/bin $(PROGRAMS)
clean:
	rm -rf build

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
