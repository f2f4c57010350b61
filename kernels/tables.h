/*
 * tables.h: the tables of all instruction sets, for choose.c and nobody else
 * outside kernels/.
 */
#ifndef LEPTON_KERNEL_TABLES_H
#define LEPTON_KERNEL_TABLES_H

#include "lepton_kernels.h"

extern const LepKernels lep_kernels_reference;
extern const LepKernels lep_kernels_portable;
#if defined(__x86_64__)
extern const LepKernels lep_kernels_avx2;
extern const LepKernels lep_kernels_avxvnni;
extern const LepKernels lep_kernels_avx512;
extern const LepKernels lep_kernels_avx512vnni;
extern const LepKernels lep_kernels_avx512bf16;
extern const LepKernels lep_kernels_avx512fp16;
extern const LepKernels lep_kernels_amx;
#endif
#if defined(__aarch64__)
extern const LepKernels lep_kernels_neon;
extern const LepKernels lep_kernels_neondot;
extern const LepKernels lep_kernels_neoni8mm;
#endif

/* The BLAS table once lep_blas_load() has succeeded, else NULL. */
const LepKernels *lep_kernels_blas(void);

#endif
