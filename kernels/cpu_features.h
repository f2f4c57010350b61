/*
 * cpu_features.h: what this CPU and this operating system let us execute.
 */
#ifndef LEPTON_CPU_FEATURES_H
#define LEPTON_CPU_FEATURES_H

#include <stdbool.h>

typedef struct LepCpuFeatures
{
	bool avx2;		 /* AVX2, FMA and F16C, and the system saves ymm registers */
	bool avx512;	 /* AVX-512 F, BW, DQ, VL, and the system saves zmm registers */
	bool amd, intel; /* vendor */
	int family, model;
} LepCpuFeatures;

/* Ask CPUID and XGETBV; all false on other architectures. */
LepCpuFeatures lep_cpu_features(void);

#endif
