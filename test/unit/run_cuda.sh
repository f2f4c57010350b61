#!/bin/sh
# Build test_cuda with nvcc into build/cuda and run it.  Without nvcc it runs what
# was built before, so that a machine with a GPU and no compiler can use it.
set -eu
cd "$(dirname "$0")/../.."
NVCC=${NVCC:-$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)}
if [ -x "$NVCC" ]; then
	mkdir -p build/cuda
	for f in test/unit/test_cuda.c kernels/*.c kernels/x86/*.c kernels/arm/*.c; do
		cc -std=gnu99 -D_GNU_SOURCE -O2 -Wall -Wextra -c -o "build/cuda/$(basename "$f" .c).o" "$f"
	done
	"$NVCC" -O2 -Xcompiler -static-libgcc,-static-libstdc++ -o build/cuda/test_cuda build/cuda/*.o \
		kernels/cuda/*.cu -lm -ldl
	rm -f build/cuda/*.o
elif [ ! -x build/cuda/test_cuda ]; then
	echo "skipped: nvcc is not installed"
	exit 0
fi
exec build/cuda/test_cuda
