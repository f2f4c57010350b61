/*
 * choose.c: picks a table of kernels by name or by speed.  Owns the order of
 * preference; refuses to measure at run time (bench/kernels.c measures).
 *
 * AVX-512 beats AVX2 and both beat OpenBLAS at the shapes of encoders, but
 * OpenBLAS beats the portable kernels; kernels/README.md has the figures.
 */
#include <string.h>

#include "cpu_features.h"
#include "tables.h"

/* Every name on every machine, so that a setting can be carried between them. */
static const char *const names[] = {"auto",	  "reference",	"portable",	  "avx2",		"avxvnni",
									"avx512", "avx512vnni", "avx512bf16", "avx512fp16", "amx",
									"neon",	  "neondot",	"neoni8mm",	  "blas",		NULL};

/* The kernels of one instruction set on this machine. */
typedef struct Level
{
	const LepKernels *kernels;
	bool runs;	  /* here */
	bool offered; /* by "auto" */
} Level;

/*
 * Fill levels[], fastest first, and return their count.  On Intel f16 beats bf16, which without tiles is no faster
 * than f32 there.
 */
static size_t
list_levels(Level levels[])
{
	size_t n = 0;
#if defined(__x86_64__)
	LepCpuFeatures cpu = lep_cpu_features();

	levels[n++] = (Level){&lep_kernels_amx, cpu.amx && lep_cpu_permit_amx(), true};
	levels[n++] = (Level){&lep_kernels_avx512fp16, cpu.avx512fp16, !cpu.amd};
	levels[n++] = (Level){&lep_kernels_avx512bf16, cpu.avx512bf16, cpu.amd};
	levels[n++] = (Level){&lep_kernels_avx512vnni, cpu.avx512vnni, true};
	levels[n++] = (Level){&lep_kernels_avx512, cpu.avx512, true};
	levels[n++] = (Level){&lep_kernels_avxvnni, cpu.avxvnni, true};
	levels[n++] = (Level){&lep_kernels_avx2, cpu.avx2, true};
#elif defined(__aarch64__)
	LepCpuFeatures cpu = lep_cpu_features();

	levels[n++] = (Level){&lep_kernels_neoni8mm, cpu.i8mm, true};
	levels[n++] = (Level){&lep_kernels_neondot, cpu.dotprod, true};
	levels[n++] = (Level){&lep_kernels_neon, true, true};
#endif
	if (lep_kernels_blas())
		levels[n++] = (Level){lep_kernels_blas(), true, true};
	levels[n++] = (Level){&lep_kernels_portable, true, true};
	levels[n++] = (Level){&lep_kernels_reference, true, false};
	return n;
}

const LepKernels *
lep_kernels_choose(const char *name)
{
	Level levels[16];
	size_t n = list_levels(levels);
	bool any = strcmp(name, "auto") == 0;

	for (size_t i = 0; i < n; i++)
	{
		const Level *l = &levels[i];

		if (l->runs && (any ? l->offered : strcmp(name, l->kernels->isa) == 0))
			return l->kernels;
	}
	return NULL;
}

const char *const *
lep_kernels_names(void)
{
	return names;
}

size_t
lep_dtype_size(LepDtype dtype)
{
	return dtype == LEP_F32 ? 4 : dtype == LEP_I8 ? 1 : 2;
}
