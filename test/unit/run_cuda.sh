#!/bin/sh
# Build test_cuda and bench_gpu with nvcc into build/device and run the test.  Without nvcc it runs what
# was built before, so that a machine with a GPU and no compiler can use it.
set -eu
cd "$(dirname "$0")/../.."
NVCC=${NVCC:-$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)}
if [ -x "$NVCC" ]; then
	make -s WITH_CUDA=yes NVCC="$NVCC" PG_CONFIG="${PG_CONFIG:-pg_config}" build/device/test_cuda build/device/bench_gpu
elif [ ! -x build/device/test_cuda ]; then
	echo "skipped: nvcc is not installed"
	exit 0
fi
exec build/device/test_cuda
