# parley. `make run` and `make test` are the two commands of the README; the rest is for those who
# work on it. docs in CONTRIBUTING.md.
#
#   make            release build in build/release, program build/release/parley (link build/parley)
#   make dev        debug build, ASan + UBSan, in build/dev
#   make quick      unit tests, fuzz corpora and 500 simulated talks under ASan/UBSan (no models)
#   make check      lint of changed files + quick: what a commit needs
#   make test       set-up and every test; last line "N passed, N failed"
MODE ?= release
B := build/$(MODE)
CC := gcc

PKGS := libuv libcurl openssl jansson yaml-0.1 speexdsp kissfft-float opencc opus libsrtp2 usrsctp
# Third-party headers are system headers, so that their warnings are not ours.
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null | sed 's/-I/-isystem /g')
PKG_LIBS := $(shell pkg-config --libs $(PKGS) 2>/dev/null)

WARN := -Wall -Wextra -Wconversion -Wno-sign-conversion -Wshadow -Wstrict-prototypes \
 -Wmissing-prototypes -Wold-style-definition -Wcast-qual -Wcast-align -Wwrite-strings \
 -Wpointer-arith -Wformat=2 -Wundef -Wvla -Wdouble-promotion -Wswitch-enum -Wimplicit-fallthrough \
 -Wnull-dereference -Werror
GCC_WARN := -Wlogical-op -Wduplicated-cond -Wduplicated-branches -Wstack-usage=16384
STD := -std=c11 -D_GNU_SOURCE -Isrc -I. $(PKG_CFLAGS)
VERSION := $(shell cat VERSION 2>/dev/null || echo 0.0.0)
# Of this tree alone: an archive unpacked inside somebody's repository has no commit.
COMMIT := $(shell [ -e .git ] && git describe --always --dirty --exclude '*' 2>/dev/null)
DEFS_main := -DPRL_COMMIT='"$(COMMIT)"'

ifeq ($(MODE),release)
CFLAGS := -O2 -g -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE $(WARN) $(GCC_WARN)
LDFLAGS := -pie -Wl,-z,relro,-z,now -rdynamic
else ifeq ($(MODE),dev)
# -Wnull-dereference and -Wstack-usage are wrong or meaningless under the sanitizers.
CFLAGS := -O1 -g -DPRL_DEBUG -fno-omit-frame-pointer -fsanitize=address,undefined \
 -fno-sanitize-recover=all $(WARN) -Wno-null-dereference -Wlogical-op -Wduplicated-cond
LDFLAGS := -fsanitize=address,undefined -rdynamic
else ifeq ($(MODE),tsan)
CFLAGS := -O1 -g -DPRL_DEBUG -fno-omit-frame-pointer -fsanitize=thread $(WARN) -Wno-null-dereference
LDFLAGS := -fsanitize=thread -rdynamic
else ifeq ($(MODE),cov)
CC := clang-14
# gcc judges the warnings.
CFLAGS := -O1 -g -DPRL_DEBUG -fprofile-instr-generate -fcoverage-mapping -w
LDFLAGS := -fprofile-instr-generate -rdynamic
else ifeq ($(MODE),fuzz)
CC := clang-14
CFLAGS := -O1 -g -DPRL_DEBUG -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all \
 -fsanitize-coverage-ignorelist=tests/fuzz/untraced.txt -w
LDFLAGS := -fsanitize=fuzzer,address,undefined
else
$(error MODE is one of release, dev, tsan, cov, fuzz)
endif
LIBS := $(PKG_LIBS) -lm -ldl -lpthread

# Module adapters become shared objects of their own (see tools/setup.mk) and stay out of the binary.
MODULES := src/llm/llama_module.c src/stt/whisper_module.c
SRC := $(filter-out $(MODULES),$(wildcard src/*/*.c))
CORE_SRC := $(filter-out src/server/main.c,$(SRC))
OBJ := $(SRC:%.c=$(B)/%.o)
CORE_OBJ := $(CORE_SRC:%.c=$(B)/%.o)
UNIT_SRC := tests/run.c $(wildcard tests/unit/*.c)
UNIT_OBJ := $(UNIT_SRC:%.c=$(B)/%.o)
# Each fuzz target is also compiled into the unit runner, which replays its corpus.
FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)
FUZZ_OBJ := $(FUZZ_SRC:%.c=$(B)/%.o)
SIM_SRC := $(wildcard tests/sim/*.c)
SIM_OBJ := $(SIM_SRC:%.c=$(B)/%.o)

.PHONY: .always coverage echo-scenes overlap-scenes bench micro media-bench all dev quick check check-fast unit sim fuzz lint lint-all fmt generated clean oom tsan
all: $(B)/libparley.a $(if $(wildcard src/server/main.c),$(B)/parley)

include $(wildcard tools/*.mk)

$(B)/libparley.a: $(CORE_OBJ)
	@rm -f $@
	@ar qcs $@ $(CORE_OBJ)

$(B)/parley: $(B)/src/server/main.o $(B)/libparley.a
	$(CC) $(LDFLAGS) -o $@ $< -Wl,--whole-archive $(B)/libparley.a -Wl,--no-whole-archive $(LIBS)
	@[ $(MODE) != release ] || ln -sfn release/parley build/parley

# main.o says which commit it is of, so it is made anew when that changes.
$(B)/src/server/main.o: $(B)/commit
$(B)/commit: .always
	@mkdir -p $(@D)
	@echo '$(COMMIT)' | cmp -s - $@ || echo '$(COMMIT)' > $@

# A fuzz target defines LLVMFuzzerTestOneInput; the unit runner needs names of its own.
$(B)/tests/fuzz/%.o: tests/fuzz/%.c Makefile
	@mkdir -p $(@D)
	@echo "  CC    $<"
	@$(CC) $(STD) $(CFLAGS) -DLLVMFuzzerTestOneInput=$* -DLLVMFuzzerInitialize=$*_initialize -MMD -MP -c -o $@ $<

$(B)/%.o: %.c Makefile
	@mkdir -p $(@D)
	@echo "  CC    $<"
	@$(CC) $(STD) $(CFLAGS) -DPRL_VERSION='"$(VERSION)"' $(DEFS_$(basename $(notdir $<))) -MMD -MP -c -o $@ $<

# The tables of unit tests and fuzz targets are generated from the file names.
$(B)/tests/table.c: $(UNIT_SRC) $(FUZZ_SRC) tools/testtable.py Makefile
	@mkdir -p $(@D)
	@python3 tools/testtable.py tests > $@.tmp && mv $@.tmp $@

$(B)/tests/table.o: $(B)/tests/table.c
	@$(CC) $(STD) $(CFLAGS) -c -o $@ $<

$(B)/tests/unit-run: $(UNIT_OBJ) $(FUZZ_OBJ) $(B)/tests/table.o $(B)/libparley.a
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS) -o $@ $(UNIT_OBJ) $(FUZZ_OBJ) $(B)/tests/table.o $(B)/libparley.a $(LIBS)

$(B)/tests/sim-run: $(SIM_OBJ) $(B)/libparley.a
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS) -o $@ $(SIM_OBJ) $(B)/libparley.a $(LIBS)

# Tables of docs/TUNING.md: the jitter buffer on bad paths, cost a frame, pacing of 50 calls.
$(B)/tests/media-bench: $(B)/tests/bench/media_bench.o $(B)/tests/unit/jitter_trace.o $(B)/libparley.a
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)

media-bench: $(B)/tests/media-bench
	$(B)/tests/media-bench $(ARGS)

# docs/TUNING.md, "Echo" and "Interruptions": the tables are made by the .py of the same name, a short run of the
# first by tests/e2e/test_echo.py.
ECHO_SCENES := $(B)/tests/bench/echo_scenes
$(ECHO_SCENES): $(B)/tests/bench/scene_clean.o
echo-scenes: all $(ECHO_SCENES)
$(ECHO_SCENES): $(B)/tests/bench/scene_call.o
overlap-scenes: all $(B)/tests/bench/overlap_scenes
EAR_SCENES := $(B)/tests/bench/overlap_scenes $(B)/tests/bench/turn_scenes
$(EAR_SCENES): $(B)/tests/bench/scene_ear.o $(B)/tests/bench/scene_run.o
$(ECHO_SCENES) $(EAR_SCENES): %: %.o $(B)/tests/bench/scene.o $(B)/tests/unit/llm_fake.o $(B)/libparley.a
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(LIBS)

$(B)/tests/bench/gain_bench: %: %.o $(B)/tests/bench/scene.o $(B)/libparley.a
	@$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)

# Small programs that measure one module: make build/release/tests/bench/NAME.
$(B)/tests/bench/%: tests/bench/%.c $(B)/libparley.a
	@mkdir -p $(@D)
	@$(CC) $(STD) $(CFLAGS) $(LDFLAGS) -o $@ $< $(B)/libparley.a $(LIBS)

$(B)/bin/%: tests/fuzz/fuzz_%.c $(B)/libparley.a
	@mkdir -p $(@D)
	@$(CC) $(STD) $(CFLAGS) $(LDFLAGS) -o $@ $< $(B)/libparley.a $(LIBS)

unit: $(B)/tests/unit-run
	$(B)/tests/unit-run $(ARGS)

ifneq ($(SIM_SRC),)
sim: $(B)/tests/sim-run
	$(B)/tests/sim-run $(ARGS)
endif

dev:
	@$(MAKE) --no-print-directory MODE=dev all build/dev/tests/unit-run

# What everybody runs before landing a commit: release and debug unit tests.
check-fast:
	@$(MAKE) --no-print-directory MODE=release all
	@$(MAKE) --no-print-directory MODE=dev unit

quick:
	@$(MAKE) --no-print-directory MODE=dev unit
ifneq ($(SIM_SRC),)
	@$(MAKE) --no-print-directory MODE=dev sim ARGS="-n 500"
endif

oom:
	@$(MAKE) --no-print-directory MODE=dev unit ARGS="-o"

tsan:
	@$(MAKE) --no-print-directory MODE=tsan unit
ifneq ($(SIM_SRC),)
	@$(MAKE) --no-print-directory MODE=tsan sim ARGS="-n 500"
endif

# make fuzz T=wav SECONDS=60 [FUZZ_ARGS=-runs=10000000]: one target under libFuzzer with ASan and UBSan.
# A third faster without long stacks of each allocation; to look at a finding: make fuzz FUZZ_ASAN= ...
T ?=
SECONDS ?= 60
FUZZ_ASAN ?= malloc_context_size=1:max_malloc_fill_size=0:quarantine_size_mb=8
fuzz:
	@[ -n "$(T)" ] || { echo "usage: make fuzz T=NAME [SECONDS=60]; targets:" \
	 $(patsubst tests/fuzz/fuzz_%.c,%,$(FUZZ_SRC)); exit 2; }
	@mkdir -p build/fuzz/corpus/$(T)
	@$(MAKE) --no-print-directory MODE=fuzz build/fuzz/bin/$(T)
	ASAN_OPTIONS=$(FUZZ_ASAN) build/fuzz/bin/$(T) -max_total_time=$(SECONDS) -timeout=10 $(FUZZ_ARGS) build/fuzz/corpus/$(T) tests/fuzz/corpus/$(T)

# CPU time and heap of single pieces; for docs/TUNING.md and docs/decisions. On a quiet machine.
MICRO := $(patsubst tests/bench/%.c,$(B)/tests/bench/%,$(wildcard tests/bench/micro_*.c))
$(B)/tests/bench/micro_%: $(B)/tests/bench/micro_%.o $(B)/libparley.a
	@$(CC) $(LDFLAGS) -o $@ $< $(B)/libparley.a $(LIBS)
micro: $(MICRO)
	@for program in $(MICRO); do $$program || exit 1; done

# How much of the parsers' code the corpora reach: make coverage [T=wav].
coverage:
	@$(MAKE) --no-print-directory MODE=cov build/cov/tests/unit-run
	@tools/coverage.py build/cov/tests/unit-run $(T)

check: lint quick

# The figures of the README and docs/TUNING.md; refuses a busy machine (ARGS=--force overrules).
bench: all
	@$${PARLEY_CACHE:-$${XDG_CACHE_HOME:-$$HOME/.cache}/parley}/venv-test/bin/python tests/bench/bench.py $(ARGS)

lint:
	@tools/lint

lint-all:
	@tools/lint --all

fmt:
	@git ls-files -co --exclude-standard 'src/*.[ch]' 'tests/*.[ch]' | xargs -r clang-format-14 -i

# The pages that are made from the table of settings.
generated:
	@$(MAKE) --no-print-directory MODE=release all
	build/release/parley config --markdown > docs/CONFIG.md
	build/release/parley config --sample > conf/parley.yaml

clean:
	rm -rf build

-include $(wildcard $(B)/tests/bench/*.d) $(OBJ:.o=.d) $(UNIT_OBJ:.o=.d) $(FUZZ_OBJ:.o=.d) $(SIM_OBJ:.o=.d)
