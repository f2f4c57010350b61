/*
 * blas.c: linear through OpenBLAS, everything else from the best own kernels.
 * Owns the library's handle; refuses to link it (it starts threads when it is
 * loaded) and refuses to promise equal bits.
 */
#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu_features.h"
#include "tables.h"

enum
{
	CBLAS_ROW_MAJOR = 101,
	CBLAS_NO_TRANSPOSE = 111,
	CBLAS_TRANSPOSE = 112
};

typedef void (*Sgemm)(int order, int trans_a, int trans_b, int m, int n, int k, float alpha,
					  const float *a, int lda, const float *b, int ldb, float beta, float *c,
					  int ldc);

static Sgemm sgemm;
static LepKernels table;
static char layout[64];
static bool loaded;

/* Bytes of w[d_out, d_in] as it is, 0 on overflow. */
static size_t
blas_linear_packed_size(size_t d_out, size_t d_in)
{
	return lep_kernels_reference.linear_packed_size(d_out, d_in);
}

/* Copy w[d_out, d_in]. */
static void
blas_linear_pack(const float *w, size_t d_out, size_t d_in, void *packed)
{
	memcpy(packed, w, d_out * d_in * sizeof(float));
}

/*
 * out = act(x * w^T + bias) + residual in blocks of rows whose product fits a
 * fixed buffer, because out may be the residual.
 */
static void
blas_linear(const LepLinear *a)
{
	float product[16384];
	size_t cols = a->d_out < 4096 ? a->d_out : 4096;
	size_t block;

	if (a->n_rows == 0 || a->d_out == 0)
		return;
	if (a->residual == NULL)
		cols = a->d_out;
	block = a->residual == NULL ? a->n_rows : sizeof(product) / sizeof(product[0]) / cols;
	for (size_t m = 0; m < a->n_rows; m += block)
		for (size_t n = 0; n < a->d_out; n += cols)
		{
			size_t rows = a->n_rows - m < block ? a->n_rows - m : block;
			size_t width = a->d_out - n < cols ? a->d_out - n : cols;
			float *c = a->residual ? product : a->out + m * a->ldo + n;
			size_t ldc = a->residual ? width : a->ldo;

			for (size_t r = 0; r < rows; r++)
				for (size_t i = 0; i < width; i++)
					c[r * ldc + i] = a->bias ? a->bias[n + i] : 0.0f;
			sgemm(CBLAS_ROW_MAJOR, CBLAS_NO_TRANSPOSE, CBLAS_TRANSPOSE, (int) rows, (int) width,
				  (int) a->d_in, 1.0f, a->x + m * a->ldx, (int) a->ldx,
				  (const float *) a->w + n * a->d_in, (int) a->d_in, 1.0f, c, (int) ldc);
			for (size_t r = 0; r < rows; r++)
			{
				table.activate(c + r * ldc, width, a->act);
				if (a->residual)
					for (size_t i = 0; i < width; i++)
						a->out[(m + r) * a->ldo + n + i] =
							c[r * ldc + i] + a->residual[(m + r) * a->ldr + n + i];
			}
		}
}

/*
 * Return the core type to ask OpenBLAS for, NULL to let it look: releases up
 * to 0.3.21 take CPUs newer than themselves for old ones without AVX-512 or
 * even without AVX2.
 */
static const char *
core_type(void)
{
	LepCpuFeatures cpu = lep_cpu_features();

	if (cpu.avx512 && (cpu.amd || cpu.intel))
		return "SKYLAKEX";
	if (cpu.avx2 && cpu.amd)
		return "ZEN";
	if (cpu.avx2 && cpu.intel)
		return "HASWELL";
	return NULL;
}

bool
lep_blas_load(char *why, size_t why_size)
{
	const char *core = core_type();
	void *library;

	if (loaded)
		return true;
	setenv("OPENBLAS_NUM_THREADS", "1", 1);
	/* Not what the environment says: kernels that this CPU lacks would end the process. */
	if (core)
		setenv("OPENBLAS_CORETYPE", core, 1);
	library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
	if (library == NULL)
	{
		const char *reason = dlerror();

		snprintf(why, why_size, "%s", reason ? reason : "libopenblas.so.0 did not load");
		return false;
	}
	*(void **) &sgemm = dlsym(library, "cblas_sgemm");
	if (sgemm == NULL)
	{
		snprintf(why, why_size, "libopenblas.so.0 has no cblas_sgemm");
		dlclose(library);
		return false;
	}
	table = *lep_kernels_choose("auto"); /* not blas: loaded is still false */
	table.isa = "blas";
	snprintf(layout, sizeof(layout), "f32rows%s", table.layout);
	table.layout = layout;
	table.same_bits = false;
	table.linear_packed_size = blas_linear_packed_size;
	table.linear_pack = blas_linear_pack;
	table.linear = blas_linear;
	loaded = true;
	return true;
}

const LepKernels *
lep_kernels_blas(void)
{
	return loaded ? &table : NULL;
}
