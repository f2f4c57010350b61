# unit.mk: programs over kernels/ and src/engine/ that need no server.
#
#	make unit		build the unit tests with sanitizers and run them
#	make tools		build the command line tools of test/tools and bench
#	make fuzz		build the fuzzers (clang)
#	make fuzz-replay	run every fuzzer over its stored corpus

UNIT_CC ?= gcc
UNIT_CFLAGS = -std=gnu99 -D_GNU_SOURCE -g -O1 -Wall -Wextra -fno-omit-frame-pointer
SANITIZE = -fsanitize=address,undefined -fno-sanitize-recover=all
TOOL_CFLAGS = -std=gnu99 -D_GNU_SOURCE -O2 -Wall -Wextra
ENGINE_LIBS = -ljansson -llbfgs -lz -lm -ldl -lpthread

FLOOR_SRCS = $(KERNEL_OBJS:.o=.c) kernels/cuda/absent.c $(ENGINE_OBJS:.o=.c)
FLOOR_HDRS = $(wildcard test/emulated/*.h kernels/*.h kernels/*/*.h kernels/*.inc kernels/*/*.inc src/engine/*.h src/engine/*/*.h src/engine/*.inc)

UNIT_TESTS = $(patsubst test/unit/%.c,build/unit/%,$(sort $(wildcard test/unit/test_*.c)))
TOOLS = $(patsubst test/tools/%.c,build/tools/%,$(sort $(wildcard test/tools/*.c))) \
	$(patsubst bench/%.c,build/tools/bench_%,$(sort $(wildcard bench/*.c)))
FUZZERS = $(patsubst test/fuzz/%.c,build/fuzz/%,$(sort $(wildcard test/fuzz/fuzz_*.c)))

build/san/%.o: %.c $(FLOOR_HDRS)
	@mkdir -p $(@D)
	$(UNIT_CC) $(UNIT_CFLAGS) $(SANITIZE) -c -o $@ $<

build/opt/%.o: %.c $(FLOOR_HDRS)
	@mkdir -p $(@D)
	$(UNIT_CC) $(TOOL_CFLAGS) -c -o $@ $<

build/fuzzed/%.o: %.c $(FLOOR_HDRS)
	@mkdir -p $(@D)
	clang -std=gnu99 -D_GNU_SOURCE -g -O2 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -c -o $@ $<

build/unit/%: build/san/test/unit/%.o $(FLOOR_SRCS:%.c=build/san/%.o)
	@mkdir -p $(@D)
	$(UNIT_CC) $(SANITIZE) -o $@ $^ $(ENGINE_LIBS)

# The GPU's engine on an emulated device.
GPU_TEST_SRCS = $(filter-out kernels/cuda/absent.c,$(FLOOR_SRCS)) $(GPU_OBJS:.o=.c) $(sort $(wildcard test/emulated/*.c))

build/unit/test_gpu build/unit/test_gpu_failures: build/unit/%: build/san/test/unit/%.o $(GPU_TEST_SRCS:%.c=build/san/%.o)
	@mkdir -p $(@D)
	$(UNIT_CC) $(SANITIZE) -o $@ $^ $(ENGINE_LIBS)

build/tools/bench_gpu_engine: build/opt/bench/gpu_engine.o $(GPU_OBJS:%.o=build/opt/%.o) $(FLOOR_SRCS:%.c=build/opt/%.o)
	@mkdir -p $(@D)
	$(UNIT_CC) -o $@ $^ $(ENGINE_LIBS)

# The same on a real device: make build/device/test_gpu build/device/bench_gpu_engine, WITH_CUDA=yes; and the
# operators alone: build/device/test_cuda build/device/bench_gpu.
DEVICE_SRCS = $(filter-out kernels/cuda/absent.c,$(FLOOR_SRCS)) $(GPU_OBJS:.o=.c)

build/device/%.o: %.c $(FLOOR_HDRS)
	@mkdir -p $(@D)
	$(UNIT_CC) $(TOOL_CFLAGS) -DLEPTON_TEST_DEVICE -c -o $@ $<

build/device/test_gpu: build/device/test/unit/test_gpu.o
build/device/bench_gpu_engine: build/device/bench/gpu_engine.o
build/device/test_cuda: build/device/test/unit/test_cuda.o
build/device/bench_gpu: build/device/bench/gpu.o
build/device/test_cuda build/device/bench_gpu: $(KERNEL_OBJS:%.o=build/opt/%.o) $(CUDA_OBJS)
	$(UNIT_CC) -o $@ $^ -L$(dir $(NVCC))../lib64 -lcudart_static -lrt -lpthread -ldl -lm -lstdc++
build/device/test_gpu build/device/bench_gpu_engine: $(DEVICE_SRCS:%.c=build/opt/%.o) $(CUDA_OBJS)
	$(UNIT_CC) -o $@ $^ $(ENGINE_LIBS) -L$(dir $(NVCC))../lib64 -lcudart_static -lrt -lstdc++

build/tools/bench_%: build/opt/bench/%.o $(FLOOR_SRCS:%.c=build/opt/%.o)
	@mkdir -p $(@D)
	$(UNIT_CC) -o $@ $^ $(ENGINE_LIBS)

build/tools/%: build/opt/test/tools/%.o $(FLOOR_SRCS:%.c=build/opt/%.o)
	@mkdir -p $(@D)
	$(UNIT_CC) -o $@ $^ $(ENGINE_LIBS)

build/fuzz/%: build/fuzzed/test/fuzz/%.o $(FLOOR_SRCS:%.c=build/fuzzed/%.o)
	@mkdir -p $(@D)
	clang -fsanitize=fuzzer,address,undefined -o $@ $^ $(ENGINE_LIBS)

.PHONY: unit tools fuzz fuzz-replay
.SECONDARY:
tools: $(TOOLS)
fuzz: $(FUZZERS)

unit: $(UNIT_TESTS)
	@status=0; for t in $(UNIT_TESTS); do echo "# $$t"; $$t || status=1; done; exit $$status

fuzz-replay: $(FUZZERS)
	@status=0; for f in $(FUZZERS); do n=$$(basename $$f); echo "# $$n"; \
		$$f -runs=0 test/fuzz/corpus/$${n#fuzz_} || status=1; done; exit $$status
