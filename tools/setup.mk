# Set-up, engines' modules and the two commands of the README. Included by the Makefile.
PARLEY_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/parley
# The same versions stand in tools/setup, which builds the libraries.
CPU_LEVEL := $(or $(shell tools/cpu_level),$(error PARLEY_CPU names no processor that this one can build for))
LLAMA_DIR := $(PARLEY_CACHE)/engines/llama-0.3.36-$(CPU_LEVEL)
WHISPER_DIR := $(PARLEY_CACHE)/engines/whisper-1.8.5-$(CPU_LEVEL)
SHERPA_DIR := $(PARLEY_CACHE)/engines/sherpa-2.0.1
AEC3_DIR := $(PARLEY_CACHE)/engines/aec3-agc2-1.0.1
STD += -isystem $(SHERPA_DIR)/include

.PHONY: setup setup-test run test e2e
setup:
	@tools/setup run
setup-test:
	@tools/setup test

# make run: the first command of the README. ARGS="--set key=value" reaches the server.
run:
	@tools/setup run
	@$(MAKE) --no-print-directory -j"$$(nproc)" MODE=release all
	@exec build/parley serve $(ARGS)

# make test: the second one; the last line is "N passed, N failed".
test:
	@tools/setup test
	@python3 tools/runtests.py

e2e:
	@tools/setup test
	@python3 tools/runtests.py e2e

# An engine with C++ inside becomes a shared object that exports one symbol: two copies of ggml never
# meet. The libraries come from tools/setup; their own code is built without sanitizers.
MODULE_SAN := $(if $(filter dev,$(MODE)),-fsanitize=address -fsanitize=undefined)$(if $(filter tsan,$(MODE)),-fsanitize=thread)
MODULE_CFLAGS = $(filter-out -fprofile-instr-generate -fcoverage-mapping -fPIE,$(CFLAGS)) -fPIC

# Modules, and what engine/cpu.c asks of a processor, are made anew when that is another one.
DEFS_cpu := $(if $(filter avx512,$(CPU_LEVEL)),-DPRL_CPU_WIDE)
$(B)/src/engine/cpu.o: $(B)/cpu_level
$(B)/cpu_level: .always
	@mkdir -p $(@D)
	@echo '$(CPU_LEVEL)' | cmp -s - $@ || echo '$(CPU_LEVEL)' > $@

define engine_module
ifneq ($$(wildcard $(2)),)
all: $$(B)/lib/libparley_$(1).so

$$(B)/lib/libparley_$(1).so: $(2) $$(wildcard $(3)/lib/*.a) Makefile tools/setup.mk $$(B)/cpu_level
	@[ -d $(3)/lib ] || { echo "parley: the $(1) library is not in $(3); run 'make setup' first" >&2; exit 1; }
	@mkdir -p $$(@D) $$(B)/$$(dir $(2))
	@echo "  MODULE $$@"
	@$$(CC) $$(STD) $$(filter-out -Wundef,$$(MODULE_CFLAGS)) -isystem $(3)/include -MMD -MP -MT $$@ -c -o $$(B)/$(2:.c=.o) $(2)
	@printf '{ global: prl_$(1)_module; local: *; };\n' > $$(B)/lib/$(1).map
	@g++ -shared $$(MODULE_SAN) -o $$@.tmp $$(B)/$(2:.c=.o) -Wl,--version-script=$$(B)/lib/$(1).map \
	 -Wl,-z,relro,-z,now,--no-undefined,--gc-sections -L$(3)/lib \
	 -Wl,--start-group $(4) -Wl,--end-group -lpthread -ldl -lm
	@mv $$@.tmp $$@

-include $$(B)/$(2:.c=.d)
endif
endef
$(eval $(call engine_module,llama,src/llm/llama_module.c,$(LLAMA_DIR),-lllama -lggml -lggml-cpu -lggml-base -lvendor-hash))
$(eval $(call engine_module,whisper,src/stt/whisper_module.c,$(WHISPER_DIR),-lwhisper -lggml -lggml-cpu -lggml-base))

# WebRTC's AEC3 has no C interface, so its adapter is the one C++ file. Where the library is missing the
# server cancels echo with speexdsp and says so.
AEC3_FLAGS := -std=c++20 -O2 -g -fPIC -Wall -Wextra -Werror -DNDEBUG -DWEBRTC_POSIX \
 -DWEBRTC_LINUX -DWEBRTC_APM_DEBUG_DUMP=0 -Isrc -isystem $(AEC3_DIR)/include
ifneq ($(wildcard $(AEC3_DIR)/lib/libaec3.a),)
all unit: $(B)/lib/libparley_aec3.so
endif

$(B)/lib/libparley_aec3.so: src/dsp/aec3_module.cpp src/dsp/aec3_module.h $(wildcard $(AEC3_DIR)/lib/*.a) tools/setup.mk
	@[ -d $(AEC3_DIR)/lib ] || { echo "parley: the aec3 library is not in $(AEC3_DIR); run 'make setup' first" >&2; exit 1; }
	@mkdir -p $(@D) $(B)/src/dsp
	@echo "  MODULE $@"
	@g++ $(AEC3_FLAGS) -c -o $(B)/src/dsp/aec3_module.o $<
	@printf '{ global: prl_aec3_module; local: *; };\n' > $(B)/lib/aec3.map
	@g++ -shared -o $@.tmp $(B)/src/dsp/aec3_module.o -Wl,--version-script=$(B)/lib/aec3.map \
	 -Wl,-z,relro,-z,now,--no-undefined,--gc-sections -L$(AEC3_DIR)/lib \
	 -laec3 -lpthread -lm
	@mv $@.tmp $@
