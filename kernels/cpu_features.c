/*
 * cpu_features.c: reads CPUID and XGETBV, on ARM what the system says.  Owns the meaning of
 * their bits and the permission to use tiles; refuses to choose anything (see choose.c).
 */
#include "cpu_features.h"

#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ARCH_REQ_XCOMP_PERM 0x1023 /* of Linux' arch_prctl() */
#define XFEATURE_XTILEDATA	18

/* Return the register states that the operating system saves (XCR0). */
static unsigned
saved_states(void)
{
	unsigned low, high;

	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return low;
}

LepCpuFeatures
lep_cpu_features(void)
{
	LepCpuFeatures f = {0};
	unsigned a, b, c, d, highest, states;
	unsigned vendor[3];

	if (!__get_cpuid(0, &highest, &vendor[0], &vendor[2], &vendor[1]))
		return f;
	f.amd = memcmp(vendor, "AuthenticAMD", 12) == 0;
	f.intel = memcmp(vendor, "GenuineIntel", 12) == 0;
	if (!__get_cpuid(1, &a, &b, &c, &d))
		return f;
	f.family = (int) ((a >> 8 & 15) + ((a >> 8 & 15) == 15 ? a >> 20 & 255 : 0));
	f.model = (int) ((a >> 4 & 15) | (a >> 12 & 0xf0));
	/* bit 27 OSXSAVE: XGETBV may be asked */
	if (highest < 7 || !(c & 1u << 27))
		return f;
	states = saved_states();
	if ((states & 6) != 6)
		return f;
	/* FMA, AVX, F16C */
	if (!(c & 1u << 12) || !(c & 1u << 28) || !(c & 1u << 29))
		return f;
	__cpuid_count(7, 0, a, b, c, d);
	f.avx2 = (b & 1u << 5) != 0;
	/* F 16, DQ 17, BW 30, VL 31; states: opmask and both halves of zmm */
	f.avx512 = f.avx2 && (b & 1u << 16) && (b & 1u << 17) && (b & 1u << 30) && (b & 1u << 31) &&
			   (states & 0xe0) == 0xe0;
	f.avx512vnni = f.avx512 && (c & 1u << 11);
	f.avx512fp16 = f.avx512vnni && (d & 1u << 23);
	/* BF16 22, TILE 24, INT8 25; states: tile configuration and data */
	f.amx = (d & 1u << 22) && (d & 1u << 24) && (d & 1u << 25) && (states & 0x60000) == 0x60000;
	if (a >= 1)
	{
		__cpuid_count(7, 1, a, b, c, d);
		f.avxvnni = f.avx2 && (a & 1u << 4);
		f.avx512bf16 = f.avx512vnni && (a & 1u << 5);
	}
	f.amx = f.amx && f.avx512bf16;
	return f;
}

bool
lep_cpu_permit_amx(void)
{
	return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>

LepCpuFeatures
lep_cpu_features(void)
{
	LepCpuFeatures f = {0};

	/* HWCAP_ASIMDDP and HWCAP2_I8MM of Linux */
	f.dotprod = (getauxval(AT_HWCAP) & 1ul << 20) != 0;
	f.i8mm = f.dotprod && (getauxval(AT_HWCAP2) & 1ul << 13);
	return f;
}

bool
lep_cpu_permit_amx(void)
{
	return false;
}
#else
LepCpuFeatures
lep_cpu_features(void)
{
	LepCpuFeatures f = {0};

	return f;
}

bool
lep_cpu_permit_amx(void)
{
	return false;
}
#endif
