/*
 * kernels.c: measures every operator of every instruction set that runs here on
 * one core, beside the core's own multiply-add peak taken in the same run.
 *
 *		make tools && taskset -c 1 build/tools/bench_kernels [isa ...]
 *
 * Each figure is the lower quartile of many repetitions in CPU time: time given
 * to other processes does not count, but their use of the caches does.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../kernels/lepton_kernels.h"

#define SECONDS_A_FIGURE 0.15

static double peak; /* GFLOP/s */

/* Return the CPU seconds of this thread: time given to other processes does not count. */
static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double) t.tv_sec + (double) t.tv_nsec * 1e-9;
}

#if defined(__x86_64__)
/* clang-format off */
#define FMA(reg, a, b, i) "vfmadd231ps %%" reg a ", %%" reg b ", %%" reg #i "\n\t"
#define FMAS(reg, a, b)                                                    \
	FMA(reg, a, b, 0) FMA(reg, a, b, 1) FMA(reg, a, b, 2) FMA(reg, a, b, 3) \
	FMA(reg, a, b, 4) FMA(reg, a, b, 5) FMA(reg, a, b, 6) FMA(reg, a, b, 7) \
	FMA(reg, a, b, 8) FMA(reg, a, b, 9) FMA(reg, a, b, 10) FMA(reg, a, b, 11)

/* Run n steps of 12 independent 512-bit multiply-adds. */
__attribute__((target("avx512f"))) static void
spin_avx512(long n)
{
	__asm__ volatile("1:\n\t" FMAS("zmm", "31", "30") "dec %0\n\tjnz 1b"
					 : "+r"(n)
					 :
					 : "zmm0", "zmm1", "zmm2", "zmm3", "zmm4", "zmm5", "zmm6", "zmm7", "zmm8",
					   "zmm9", "zmm10", "zmm11", "cc");
}

/* Run n steps of 12 independent 256-bit multiply-adds. */
__attribute__((target("avx2,fma"))) static void
spin_avx2(long n)
{
	__asm__ volatile("1:\n\t" FMAS("ymm", "15", "14") "dec %0\n\tjnz 1b"
					 : "+r"(n)
					 :
					 : "ymm0", "ymm1", "ymm2", "ymm3", "ymm4", "ymm5", "ymm6", "ymm7", "ymm8",
					   "ymm9", "ymm10", "ymm11", "cc");
}
/* clang-format on */
#endif

/* Return aligned floats of small noise. */
static float *
array(size_t n)
{
	void *p = NULL;
	float *f;

	if (posix_memalign(&p, LEP_ALIGN, (n + 16) * sizeof(float)))
		exit(1);
	f = p;
	for (size_t i = 0; i < n; i++)
		f[i] = (float) ((i * 2654435761u) >> 8 & 0xffff) / 65536.0f - 0.5f;
	return f;
}

#define MAX_TIMES 4096

static double times[MAX_TIMES];
static size_t n_times;

/* Order two times. */
static int
compare_times(const void *a, const void *b)
{
	double x = *(const double *) a, y = *(const double *) b;

	return (x > y) - (x < y);
}

/* Return the lower quartile of times[]. */
static double
quartile(void)
{
	qsort(times, n_times, sizeof(times[0]), compare_times);
	return times[n_times / 4];
}

/* Time a statement over and over; the lower quartile of its seconds. */
#define MEASURE(result, statement)                                                         \
	do                                                                                     \
	{                                                                                      \
		double end_ = now() + SECONDS_A_FIGURE;                                            \
		for (n_times = 0; n_times < 5 || (n_times < MAX_TIMES && now() < end_); n_times++) \
		{                                                                                  \
			double t_ = now();                                                             \
			statement;                                                                     \
			times[n_times] = now() - t_;                                                   \
		}                                                                                  \
		(result) = quartile();                                                             \
	} while (0)

/* Return the multiply-add peak of one core in GFLOP/s at its widest registers, 0 when unknown. */
static double
measure_peak(void)
{
#if defined(__x86_64__)
	const long n = 200000;
	bool wide = lep_kernels_choose("avx512") != NULL;
	double t;

	if (!wide && lep_kernels_choose("avx2") == NULL)
		return 0.0;
	if (wide)
		MEASURE(t, spin_avx512(n));
	else
		MEASURE(t, spin_avx2(n));
	return (double) n * 12.0 * 2.0 * (wide ? 16.0 : 8.0) / t * 1e-9;
#else
	return 0.0;
#endif
}

/* Print one line: time, rate and share of the peak. */
static void
report(const LepKernels *k, const char *what, double seconds, double flop, double bytes)
{
	printf("%-10s %-38s %10.2f us", k->isa, what, seconds * 1e6);
	if (flop > 0.0)
		printf(" %8.1f GFLOP/s", flop / seconds * 1e-9);
	if (flop > 0.0 && peak > 0.0)
		printf(" %5.1f %%", flop / seconds * 1e-7 / peak);
	if (bytes > 0.0)
		printf(" %7.1f GB/s", bytes / seconds * 1e-9);
	printf("\n");
	fflush(stdout);
}

/* Measure one shape of linear, the weights hot in cache or all cold in turn. */
static void
bench_linear(const LepKernels *k, size_t m, size_t d_out, size_t d_in, LepAct act, bool residual)
{
	/* weights of several layers, so that few rows have to fetch them as in a model */
	size_t copies = m <= 16 ? 1 + 100000000 / (d_out * d_in * 4) : 1;
	size_t bytes = (k->linear_packed_size(d_out, d_in) + 63) / 64 * 64;
	float *w = array(d_out * d_in), *x = array(m * d_in), *bias = array(d_out);
	float *out = array(m * d_out), *res = array(m * d_out);
	char *packed = (char *) array(copies * bytes / 4);
	LepLinear a = {.x = x,
				   .ldx = d_in,
				   .w = packed,
				   .bias = bias,
				   .residual = residual ? res : NULL,
				   .ldr = d_out,
				   .out = out,
				   .ldo = d_out,
				   .n_rows = m,
				   .d_out = d_out,
				   .d_in = d_in,
				   .act = act};
	char what[80];
	double t;
	size_t turn = 0;

	for (size_t i = 0; i < copies; i++)
		k->linear_pack(w, d_out, d_in, packed + i * bytes);
	MEASURE(t, {
		a.w = packed + turn * bytes;
		turn = (turn + 1) % copies;
		k->linear(&a);
	});
	snprintf(what, sizeof(what), "linear [%zu,%zu]x%zu%s%s%s", m, d_in, d_out,
			 act == LEP_ACT_GELU ? " gelu" : "", residual ? " +residual" : "",
			 copies > 1 ? " cold" : "");
	report(k, what, t, 2.0 * (double) (m * d_out * d_in),
		   copies > 1 ? (double) (d_out * d_in * 4) : 0.0);
	free(w);
	free(x);
	free(bias);
	free(out);
	free(res);
	free(packed);
}

/* Measure attention over one sequence. */
static void
bench_attention(const LepKernels *k, size_t n, size_t heads, size_t d)
{
	size_t width = heads * d;
	float *qkv = array(n * 3 * width), *out = array(n * width);
	LepAttention a = {.q = qkv,
					  .k = qkv + width,
					  .v = qkv + 2 * width,
					  .ldq = 3 * width,
					  .out = out,
					  .ldo = width,
					  .n_tokens = n,
					  .n_heads = heads,
					  .d_head = d,
					  .scale = 0.2f,
					  .scratch = array(k->attention_scratch(n, d) / 4)};
	char what[80];
	double t;

	MEASURE(t, k->attention(&a));
	snprintf(what, sizeof(what), "attention %zu tokens %zu x %zu", n, heads, d);
	report(k, what, t, 4.0 * (double) (n * n * width), 0.0);
	free(a.scratch);
	free(qkv);
	free(out);
}

/* Measure the operators that go over memory once. */
static void
bench_rows(const LepKernels *k)
{
	size_t d = 384, rows = 128, n = rows * d;
	float *x = array(4 * n), *y = array(4 * n), *gamma = array(d), *beta = array(d);
	float *table = array(30522 * d);
	int32_t ids[128];
	double t;
	LepEmbed e = {.ids = ids,
				  .positions = ids,
				  .word = table,
				  .position = table,
				  .type = table,
				  .gamma = gamma,
				  .beta = beta,
				  .eps = 1e-12f,
				  .out = y,
				  .n_tokens = rows,
				  .d = d};

	for (size_t i = 0; i < rows; i++)
		ids[i] = (int32_t) (i * 211 % 30522);
	MEASURE(t, k->norm(x, gamma, beta, 1e-12f, y, rows, d));
	report(k, "norm 128 x 384", t, 0.0, 8.0 * (double) n);
	MEASURE(t, k->embed(&e));
	report(k, "embed 128 x 384 f32", t, 0.0, 16.0 * (double) n);
	MEASURE(t, k->activate(x, n, LEP_ACT_GELU));
	report(k, "gelu 49152", t, 0.0, 8.0 * (double) n);
	MEASURE(t, k->activate(x, n, LEP_ACT_GELU_TANH));
	report(k, "gelu_tanh 49152", t, 0.0, 8.0 * (double) n);
	MEASURE(t, k->activate(x, n, LEP_ACT_TANH));
	report(k, "tanh 49152", t, 0.0, 8.0 * (double) n);
	MEASURE(t, k->softmax(x, rows, d));
	report(k, "softmax 128 x 384", t, 0.0, 8.0 * (double) n);
	MEASURE(t, k->add_scaled(y, x, 1e-9f, n));
	report(k, "add_scaled 49152", t, 0.0, 12.0 * (double) n);
	MEASURE(t, k->dot(y, x, n));
	report(k, "dot 49152", t, 2.0 * (double) n, 8.0 * (double) n);
	MEASURE(t, k->widen(x, LEP_F16, y, n));
	report(k, "widen f16 49152", t, 0.0, 6.0 * (double) n);
	free(x);
	free(y);
	free(gamma);
	free(beta);
	free(table);
}

/* Measure everything on one table. */
static void
bench_table(const LepKernels *k)
{
	static const size_t shapes[][2] = {{384, 384}, {1152, 384}, {1536, 384}, {384, 1536}};
	static const size_t rows[] = {1, 4, 8, 13, 16, 32, 96, 128, 256};

	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++)
		for (size_t s = 0; s < 4; s++)
			bench_linear(k, rows[r], shapes[s][0], shapes[s][1], LEP_ACT_NONE, false);
	bench_linear(k, 256, 1536, 384, LEP_ACT_GELU, false);
	bench_linear(k, 256, 384, 1536, LEP_ACT_NONE, true);
	bench_linear(k, 256, 3072, 768, LEP_ACT_NONE, false);
	bench_linear(k, 256, 768, 3072, LEP_ACT_NONE, false);
	bench_attention(k, 13, 12, 32);
	bench_attention(k, 32, 12, 32);
	bench_attention(k, 64, 12, 32);
	bench_attention(k, 128, 12, 32);
	bench_attention(k, 256, 12, 32);
	bench_attention(k, 512, 12, 32);
	bench_attention(k, 128, 12, 64);
	bench_attention(k, 512, 12, 64);
	bench_rows(k);
}

int
main(int argc, char **argv)
{
	char why[256];

	/* a core type set for another program must not slow the peer down */
	unsetenv("OPENBLAS_CORETYPE");
	peak = measure_peak();
	printf("multiply-add peak of this core: %.1f GFLOP/s\n", peak);
	if (!lep_blas_load(why, sizeof(why)))
		printf("no blas: %s\n", why);
	for (const char *const *name = lep_kernels_names() + 1; *name; name++)
	{
		const LepKernels *k = lep_kernels_choose(*name);
		bool wanted = argc == 1 && strcmp(*name, "reference") != 0;

		for (int i = 1; i < argc; i++)
			wanted = wanted || strcmp(argv[i], *name) == 0;
		if (k && wanted)
			bench_table(k);
	}
	return 0;
}
