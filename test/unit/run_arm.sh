#!/bin/sh
# Cross-compile the kernels and their test for aarch64 and run them under qemu.
# Needs aarch64-linux-gnu-gcc and qemu-aarch64; says so and succeeds without.
set -eu
cd "$(dirname "$0")/../.."
CC=${ARM_CC:-aarch64-linux-gnu-gcc}
RUN=${ARM_RUN:-qemu-aarch64}
if ! command -v "$CC" >/dev/null || ! command -v "$RUN" >/dev/null; then
	echo "skipped: $CC or $RUN is not installed"
	exit 0
fi
mkdir -p build/arm
for test in test_kernels test_kernels_narrow test_kernels_attention_half; do
	"$CC" -std=gnu99 -O2 -Wall -Wextra -static -o "build/arm/$test" "test/unit/$test.c" \
		kernels/*.c kernels/arm/*.c kernels/x86/*.c -lm -ldl 2>build/arm/warnings ||
		{
			cat build/arm/warnings
			exit 1
		}
	"$RUN" -cpu max "build/arm/$test"
done
