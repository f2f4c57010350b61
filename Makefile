# lepton: PGXS build.  Lists first, flags, PGXS, then our own rules.

EXTENSION = lepton
MODULE_big = lepton
DATA = $(wildcard sql/lepton--*.sql)

KERNEL_OBJS = \
	$(patsubst %.c,%.o,$(sort $(wildcard kernels/*.c kernels/arm/*.c kernels/x86/*.c)))

# What runs graphs on a GPU: not part of the library.
GPU_OBJS = \
	$(patsubst %.c,%.o,$(filter-out src/engine/gpu_layout.c,$(sort $(wildcard src/engine/gpu*.c))))

ENGINE_OBJS = $(filter-out $(GPU_OBJS), \
	$(patsubst %.c,%.o,$(sort $(wildcard src/engine/*.c src/engine/families/*.c))))

SERVER_OBJS = \
	$(patsubst %.c,%.o,$(sort $(wildcard src/*.c src/store/*.c src/worker/*.c src/func/*.c src/exec/*.c)))

OBJS = $(KERNEL_OBJS) $(ENGINE_OBJS) $(SERVER_OBJS)

PG_CPPFLAGS = -D_GNU_SOURCE
SHLIB_LINK = -ljansson -llbfgs -lz -lm -ldl

# The program that owns the GPU; lepton.so itself knows no CUDA.  WITH_CUDA is yes, no, or (default) yes when nvcc is
# found; emulated builds it for tests, with a device that is the CPU.  The runtime is linked statically, so that the
# program runs with and without a driver.
NVCC ?= $(firstword $(wildcard $(CUDA_HOME)/bin/nvcc /usr/local/cuda/bin/nvcc) $(shell command -v nvcc 2>/dev/null))
WITH_CUDA ?= $(if $(NVCC),yes,no)
NVCCFLAGS ?= -O2
# Machine code for compute capabilities 7.5, 8.x and 9.0; what a later device's driver compiles itself.
NVCC_DEVICES = -gencode arch=compute_75,code=sm_75 -gencode arch=compute_80,code=sm_80 -gencode arch=compute_90,code=[sm_90,compute_90]
CUDA_OBJS = $(patsubst %.cu,%.o,$(sort $(wildcard kernels/cuda/*.cu)))
EMULATED_OBJS = $(patsubst %.c,%.o,$(sort $(wildcard test/emulated/*.c)))
PROGRAM_OBJS = $(patsubst %.c,%.o,$(sort $(wildcard src/worker/gpu/*.c)))
PROGRAM_LIBS = $(SHLIB_LINK) -lpthread
ifeq ($(WITH_CUDA),yes)
DEVICE_OBJS = $(CUDA_OBJS)
PROGRAM_LIBS += -L$(dir $(NVCC))../lib64 -lcudart_static -lrt -lstdc++
else
DEVICE_OBJS = $(EMULATED_OBJS)
endif
EXTRA_CLEAN = lepton_gpu $(CUDA_OBJS) $(EMULATED_OBJS) $(PROGRAM_OBJS) $(GPU_OBJS) build/san build/opt build/fuzzed build/fuzz build/unit build/device build/tools build/arm

REGRESS = $(patsubst test/sql/%.sql,%,$(sort $(wildcard test/sql/*.sql)))
REGRESS_OPTS = --inputdir=test --load-extension=lepton
ISOLATION = $(patsubst test/specs/%.spec,%,$(sort $(wildcard test/specs/*.spec)))
ISOLATION_OPTS = --inputdir=test --load-extension=lepton
# Where the isolation tests find their models: a server on this machine.
installcheck: export PGOPTIONS := -c lepton_test.data=$(abspath test/data)

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

# Tensor cores as these use them come with 8.0; wgmma is for 9.0 alone.
kernels/cuda/attention_tensor.o: NVCC_DEVICES = -gencode arch=compute_80,code=sm_80 -gencode arch=compute_90,code=[sm_90,compute_90]
kernels/cuda/hopper.o: NVCC_DEVICES = -gencode arch=compute_90a,code=sm_90a

kernels/cuda/%.o: kernels/cuda/%.cu $(wildcard kernels/*.h kernels/cuda/*.h kernels/cuda/*.cuh)
	$(NVCC) $(NVCCFLAGS) $(NVCC_DEVICES) -Xcompiler -fPIC,-fvisibility=hidden,-fno-exceptions,-fno-rtti,-fno-threadsafe-statics -c -o $@ $<

lepton_gpu: $(KERNEL_OBJS) $(ENGINE_OBJS) $(GPU_OBJS) $(PROGRAM_OBJS) $(DEVICE_OBJS)
	$(CC) $(CFLAGS) -o $@ $^ $(LDFLAGS) $(PROGRAM_LIBS)

# A program that another build left would not be ours.
install-gpu: installdirs
ifneq ($(WITH_CUDA),no)
	$(INSTALL_PROGRAM) lepton_gpu '$(DESTDIR)$(pkglibdir)/lepton_gpu'
else
	rm -f '$(DESTDIR)$(pkglibdir)/lepton_gpu'
endif

uninstall-gpu:
	rm -f '$(DESTDIR)$(pkglibdir)/lepton_gpu'

.PHONY: install-gpu uninstall-gpu
ifneq ($(WITH_CUDA),no)
all: lepton_gpu
install-gpu: lepton_gpu
endif
install: install-gpu
uninstall: uninstall-gpu

# Headers are few and shared: any change rebuilds.
$(OBJS) $(GPU_OBJS) $(PROGRAM_OBJS) $(EMULATED_OBJS): $(wildcard kernels/*.h kernels/*/*.h kernels/*.inc src/*.h src/*/*.h src/*/*/*.h)

# Checks without a server: unit tests, fuzzers, style.
include test/unit.mk
