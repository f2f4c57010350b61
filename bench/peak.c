/*
 * peak.c: measures what one core can multiply and add at most, in f32, in half floats and in int8,
 * and prints it as JSON, in Gop/s: {"f32": 236.6, "bf16": 438.4, "i8": 946.6}.
 *
 *		make tools && taskset -c 1 build/tools/bench_peak
 *
 * Twelve independent accumulators, nothing but multiply-adds, the best of many short runs in CPU time.
 * What the CPU cannot do is left out; AMX tiles are not counted.  It measures no code of lepton.
 */
#include <stdio.h>
#include <time.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#define STEPS  100000
#define RUNS   40
#define CHAINS 12

#if defined(__x86_64__)
/* Return the CPU seconds of this thread. */
static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double) t.tv_sec + (double) t.tv_nsec * 1e-9;
}

/* clang-format off */
#define EACH(X, op, reg) X(op, reg, 0) X(op, reg, 1) X(op, reg, 2) X(op, reg, 3) X(op, reg, 4)      \
	X(op, reg, 5) X(op, reg, 6) X(op, reg, 7) X(op, reg, 8) X(op, reg, 9) X(op, reg, 10) X(op, reg, 11)
#define ZERO(op, reg, i) "vpxor %%xmm" #i ", %%xmm" #i ", %%xmm" #i "\n\t"
#define STEP(op, reg, i) op " %%" reg "15, %%" reg "14, %%" reg #i "\n\t"

/* Define a function that runs STEPS steps of CHAINS independent instructions on zeros. */
#define SPIN(name, op, reg, isa)                                                                   \
	__attribute__((target(isa))) static void                                                       \
	name(void)                                                                                     \
	{                                                                                              \
		long n = STEPS;                                                                            \
		__asm__ volatile(EACH(ZERO, op, reg) ZERO(op, reg, 14) ZERO(op, reg, 15)                    \
						 "1:\n\t" EACH(STEP, op, reg) "dec %0\n\tjnz 1b\n\tvzeroupper"             \
						 : "+r"(n) :                                                               \
						 : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8",  \
						   "xmm9", "xmm10", "xmm11", "xmm14", "xmm15", "cc");                       \
	}
/* clang-format on */

SPIN(spin_f32_512, "vfmadd231ps", "zmm", "avx512f")
SPIN(spin_f32_256, "vfmadd231ps", "ymm", "avx2,fma")
SPIN(spin_bf16_512, "vdpbf16ps", "zmm", "avx512f,avx512bf16")
SPIN(spin_f16_512, "vfmadd231ph", "zmm", "avx512f,avx512fp16")
SPIN(spin_i8_512, "vpdpbusd", "zmm", "avx512f,avx512vnni")
SPIN(spin_i8_256, "%{vex%} vpdpbusd", "ymm", "avx2,avxvnni")

/* Return the best speed of a loop in Gop/s; lanes: multiply-adds of one instruction. */
static double
measure(void (*spin)(void), int lanes)
{
	double best = 1e9;

	for (int i = 0; i < RUNS; i++)
	{
		double t = now();

		spin();
		t = now() - t;
		if (t < best)
			best = t;
	}
	return STEPS * (double) CHAINS * 2.0 * lanes / best * 1e-9;
}

/* Print one member of the object. */
static void
print(const char **comma, const char *name, void (*spin)(void), int lanes)
{
	printf("%s\"%s\": %.1f", *comma, name, measure(spin, lanes));
	*comma = ", ";
}
#endif

/* Print the peaks of the units that are here. */
int
main(void)
{
	printf("{");
#if defined(__x86_64__)
	{
		const char *comma = "";
		unsigned a, b, c, d, fp16 = 0, vnni = 0;

		__builtin_cpu_init();
		if (__get_cpuid_count(7, 0, &a, &b, &c, &d))
			fp16 = d >> 23 & 1; /* compilers do not all know these two by name */
		if (__get_cpuid_count(7, 1, &a, &b, &c, &d))
			vnni = a >> 4 & 1;
		if (__builtin_cpu_supports("avx512f"))
			print(&comma, "f32", spin_f32_512, 16);
		else if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
			print(&comma, "f32", spin_f32_256, 8);
		if (__builtin_cpu_supports("avx512bf16"))
			print(&comma, "bf16", spin_bf16_512, 32);
		if (fp16 && __builtin_cpu_supports("avx512f"))
			print(&comma, "f16", spin_f16_512, 32);
		if (__builtin_cpu_supports("avx512vnni"))
			print(&comma, "i8", spin_i8_512, 64);
		else if (vnni && __builtin_cpu_supports("avx2"))
			print(&comma, "i8", spin_i8_256, 32);
	}
#endif
	printf("}\n");
	return 0;
}
