/*
 * cpu_features.h: what this CPU and this operating system let us execute.
 */
#ifndef LEPTON_CPU_FEATURES_H
#define LEPTON_CPU_FEATURES_H

#include <stdbool.h>

typedef struct LepCpuFeatures
{
	bool avx2;		 /* AVX2, FMA and F16C, and the system saves ymm registers */
	bool avxvnni;	 /* avx2 and VNNI on ymm registers */
	bool avx512;	 /* AVX-512 F, BW, DQ, VL, and the system saves zmm registers */
	bool avx512vnni; /* avx512 and VNNI */
	bool avx512bf16; /* avx512vnni and products of bf16 */
	bool avx512fp16; /* avx512vnni and arithmetic on f16 */
	bool amx;		 /* avx512bf16, tiles of int8 and bf16, and the system saves tiles */
	bool dotprod;	 /* ARM: products of four int8 */
	bool i8mm;		 /* ARM: dotprod and products of int8 matrices */
	bool amd, intel; /* vendor */
	int family, model;
} LepCpuFeatures;

/* Ask CPUID and XGETBV, on ARM the system; all false on other architectures. */
LepCpuFeatures lep_cpu_features(void);

/*
 * Ask the system to let this process and its children use the tiles of AMX; true when it does.
 * Lasts: the second call is cheap.
 */
bool lep_cpu_permit_amx(void);

#endif
