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
	$(patsubst %.c,%.o,$(sort $(wildcard src/*.c src/store/*.c src/func/*.c src/exec/*.c)))

OBJS = $(KERNEL_OBJS) $(ENGINE_OBJS) $(SERVER_OBJS)

PG_CPPFLAGS = -D_GNU_SOURCE
SHLIB_LINK = -ljansson -llbfgs -lz -lm -ldl

# CUDA: yes, no, or (default) yes when nvcc is found.  The runtime is linked
# statically, so that one library runs with and without a driver.
NVCC ?= $(firstword $(wildcard $(CUDA_HOME)/bin/nvcc /usr/local/cuda/bin/nvcc) $(shell command -v nvcc 2>/dev/null))
WITH_CUDA ?= $(if $(NVCC),yes,no)
NVCCFLAGS ?= -O2
CUDA_OBJS = $(patsubst %.cu,%.o,$(sort $(wildcard kernels/cuda/*.cu)))
ifeq ($(WITH_CUDA),yes)
SHLIB_LINK_INTERNAL += $(CUDA_OBJS)
SHLIB_LINK += -L$(dir $(NVCC))../lib64 -lcudart_static -lrt -lpthread -lstdc++
else
OBJS += kernels/cuda/absent.o
endif
EXTRA_CLEAN = $(CUDA_OBJS) kernels/cuda/absent.o kernels/cuda/absent.bc build/san build/opt build/fuzzed build/fuzz build/unit build/tools build/arm

REGRESS = $(patsubst test/sql/%.sql,%,$(sort $(wildcard test/sql/*.sql)))
REGRESS_OPTS = --inputdir=test --load-extension=lepton
ISOLATION = $(patsubst test/specs/%.spec,%,$(sort $(wildcard test/specs/*.spec)))
ISOLATION_OPTS = --inputdir=test --load-extension=lepton
# Where the isolation tests find their models: a server on this machine.
installcheck: export PGOPTIONS := -c lepton_test.data=$(abspath test/data)

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

kernels/cuda/%.o: kernels/cuda/%.cu $(wildcard kernels/*.h kernels/cuda/*.h)
	$(NVCC) $(NVCCFLAGS) -Xcompiler -fPIC,-fvisibility=hidden,-fno-exceptions,-fno-rtti,-fno-threadsafe-statics -c -o $@ $<

ifeq ($(WITH_CUDA),yes)
$(shlib): $(CUDA_OBJS)
endif

# Headers are few and shared: any change rebuilds.
$(OBJS): $(wildcard kernels/*.h kernels/*/*.h kernels/*.inc src/*.h src/*/*.h src/*/*/*.h)

# Checks without a server: unit tests, fuzzers, style.
include test/unit.mk
