/*
 * kernels.c: measures every operator of every instruction set that runs here on
 * one core, beside the core's own peaks taken at the same time: multiply-adds in f32, products of
 * bf16 and of int8.
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

#include "../kernels/cpu_features.h"
#include "../kernels/lepton_kernels.h"

#define SECONDS_A_FIGURE 0.15
#define SECONDS_A_PEAK	 0.02

/* What the core multiplies at most, by LepCompute: GFLOP/s, or Gop/s in 8 bits; 0 when unknown. */
static double peaks[LEP_COMPUTE_COUNT];

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
#define OP(op, reg, a, b, i) op " %%" reg a ", %%" reg b ", %%" reg #i "\n\t"
#define OPS(op, reg, a, b)                                                              \
	OP(op, reg, a, b, 0) OP(op, reg, a, b, 1) OP(op, reg, a, b, 2) OP(op, reg, a, b, 3) \
	OP(op, reg, a, b, 4) OP(op, reg, a, b, 5) OP(op, reg, a, b, 6) OP(op, reg, a, b, 7) \
	OP(op, reg, a, b, 8) OP(op, reg, a, b, 9) OP(op, reg, a, b, 10) OP(op, reg, a, b, 11)
#define OPS_HIGH(op, reg, a, b)                                                             \
	OP(op, reg, a, b, 16) OP(op, reg, a, b, 17) OP(op, reg, a, b, 18) OP(op, reg, a, b, 19) \
	OP(op, reg, a, b, 20) OP(op, reg, a, b, 21) OP(op, reg, a, b, 22) OP(op, reg, a, b, 23) \
	OP(op, reg, a, b, 24) OP(op, reg, a, b, 25) OP(op, reg, a, b, 26) OP(op, reg, a, b, 27)
#define LOW_REGISTERS                                                                      \
	"xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", \
		"xmm11", "xmm14", "xmm15"
#define CLEAR(a) "vxorps %%xmm" a ", %%xmm" a ", %%xmm" a "\n\t"

/* Define a function that runs n steps of 24 independent instructions on 512 bits. */
#define SPIN_512(name, op)                                                                     \
	__attribute__((target("avx512f"))) static void                                             \
	name(long n)                                                                               \
	{                                                                                          \
		__asm__ volatile(CLEAR("14") CLEAR("15") "1:\n\t" OPS(op, "zmm", "15", "14")           \
						 OPS_HIGH(op, "zmm", "15", "14") "dec %0\n\tjnz 1b"                    \
						 : "+r"(n)                                                             \
						 :                                                                     \
						 : LOW_REGISTERS, "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", \
						   "xmm22", "xmm23", "xmm24", "xmm25", "xmm26", "xmm27", "cc");        \
	}

/* The same of 12 on 256 bits, twice. */
#define SPIN_256(name, op)                                                           \
	__attribute__((target("avx2"))) static void                                      \
	name(long n)                                                                     \
	{                                                                                \
		__asm__ volatile(CLEAR("14") CLEAR("15") "1:\n\t" OPS(op, "ymm", "15", "14") \
						 OPS(op, "ymm", "15", "14") "dec %0\n\tjnz 1b"               \
						 : "+r"(n)                                                   \
						 :                                                           \
						 : LOW_REGISTERS, "cc");                                     \
	}

SPIN_512(spin_fma_512, "vfmadd231ps")
SPIN_512(spin_bf16_512, "vdpbf16ps")
SPIN_512(spin_vnni_512, "vpdpbusd")
SPIN_256(spin_fma_256, "vfmadd231ps")
SPIN_256(spin_vnni_256, "%{vex%} vpdpbusd")
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
#define MEASURE(result, statement) MEASURE_FOR(SECONDS_A_FIGURE, result, statement)
#define MEASURE_FOR(seconds, result, statement)                                            \
	do                                                                                     \
	{                                                                                      \
		double end_ = now() + (seconds);                                                   \
		for (n_times = 0; n_times < 5 || (n_times < MAX_TIMES && now() < end_); n_times++) \
		{                                                                                  \
			double t_ = now();                                                             \
			statement;                                                                     \
			times[n_times] = now() - t_;                                                   \
		}                                                                                  \
		(result) = quartile();                                                             \
	} while (0)

#if defined(__x86_64__)
/* Return the operations per second, in 1e9, of a spin whose instruction makes so many. */
static double
measure_spin(void (*spin)(long), double operations)
{
	const long n = 10000;
	double t;

	MEASURE_FOR(SECONDS_A_PEAK, t, spin(n));
	return (double) n * 24.0 * operations / t * 1e-9;
}
#endif

/*
 * Measure the peak of one core at its widest registers for some numbers: before every figure, since clocks of
 * shared machines come and go.
 */
static void
measure_peak(LepCompute numbers)
{
#if defined(__x86_64__)
	LepCpuFeatures cpu = lep_cpu_features();
	double *peak = &peaks[numbers];

	if (numbers == LEP_COMPUTE_F32 && cpu.avx512)
		*peak = measure_spin(spin_fma_512, 32.0);
	else if (numbers == LEP_COMPUTE_F32 && cpu.avx2)
		*peak = measure_spin(spin_fma_256, 16.0);
	else if (numbers == LEP_COMPUTE_I8 && cpu.avx512vnni)
		*peak = measure_spin(spin_vnni_512, 128.0);
	else if (numbers == LEP_COMPUTE_I8 && cpu.avxvnni)
		*peak = measure_spin(spin_vnni_256, 64.0);
	else if (numbers == LEP_COMPUTE_HALF && cpu.avx512bf16)
		*peak = measure_spin(spin_bf16_512, 64.0);
#else
	(void) numbers;
#endif
}

/* Print one line: time, rate and share of the peak of the numbers in which it computes. */
static void
report_in(const LepKernels *k, LepCompute numbers, const char *what, double seconds, double flop,
		  double bytes)
{
	if (flop > 0.0)
		measure_peak(numbers);
	printf("%-10s %-38s %10.2f us", k->isa, what, seconds * 1e6);
	if (flop > 0.0)
		printf(" %8.1f Gop/s", flop / seconds * 1e-9);
	if (flop > 0.0 && peaks[numbers] > 0.0)
		printf(" %5.1f %%", flop / seconds * 1e-7 / peaks[numbers]);
	if (bytes > 0.0)
		printf(" %7.1f GB/s", bytes / seconds * 1e-9);
	printf("\n");
	fflush(stdout);
}

/* Print one line of an operator in f32. */
static void
report(const LepKernels *k, const char *what, double seconds, double flop, double bytes)
{
	report_in(k, LEP_COMPUTE_F32, what, seconds, flop, bytes);
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

/* Measure one shape of a narrow linear, the weights hot in cache or all cold in turn. */
static void
bench_narrow(const LepKernels *k, LepCompute numbers, size_t m, size_t d_out, size_t d_in,
			 LepAct act, bool residual, bool out_half)
{
	const LepNarrow *narrow = numbers == LEP_COMPUTE_I8 ? k->i8 : k->half;
	size_t size = numbers == LEP_COMPUTE_I8 ? 1 : 2;
	size_t bytes = (narrow->packed_size(d_out, d_in) + 63) / 64 * 64;
	/* weights of a small model, so that few rows have to fetch them as there */
	size_t copies = m <= 16 ? 1 + 10000000 * size / bytes : 1;
	float *w = array(d_out * d_in), *x = array(m * d_in), *bias = array(d_out);
	float *scale = array(d_out), *out = array(m * d_out), *residue = array(m * d_out);
	int8_t *q = (int8_t *) array(d_out * d_in / 4 + 1);
	char *packed = (char *) array(copies * bytes / 4);
	void *rows = array(narrow->rows_size(m, d_in) / 4);
	LepNarrowWeights weights = {.w = w, .q = q, .scale = scale};
	LepNarrowLinear a = {.rows = rows,
						 .n_block = m,
						 .bias = bias,
						 .residual = residual ? residue : NULL,
						 .ldr = d_out,
						 .out = out,
						 .ldo = d_out,
						 .out_half = out_half,
						 .n_rows = m,
						 .d_out = d_out,
						 .d_in = d_in,
						 .act = act};
	char what[80];
	double t;
	size_t turn = 0;

	for (size_t i = 0; i < d_out * d_in; i++)
		q[i] = (int8_t) (w[i] * 254.0f);
	for (size_t i = 0; i < copies; i++)
		narrow->pack(&weights, d_out, d_in, packed + i * bytes);
	narrow->rows(x, d_in, m, d_in, packed, m, 0, rows);
	MEASURE(t, {
		a.w = packed + turn * bytes;
		turn = (turn + 1) % copies;
		narrow->linear(&a);
	});
	snprintf(what, sizeof(what), "%s [%zu,%zu]x%zu%s%s%s%s", narrow->name, m, d_in, d_out,
			 act == LEP_ACT_GELU ? " gelu" : "", residual ? " +residual" : "",
			 out_half ? " to half" : "", copies > 1 ? " cold" : "");
	report_in(k, numbers, what, t, 2.0 * (double) (m * d_out * d_in),
			  copies > 1 ? (double) bytes : 0.0);
	free(w);
	free(x);
	free(bias);
	free(scale);
	free(out);
	free(residue);
	free(q);
	free(packed);
	free(rows);
}

/* Measure narrowing of rows, alone and with a norm before it. */
static void
bench_narrow_rows(const LepKernels *k, const LepNarrow *narrow, size_t m, size_t d)
{
	float *x = array(m * d), *y = array(m * d), *gamma = array(d), *beta = array(d);
	float *scale = array(32);
	int8_t *q = (int8_t *) array(32 * d);
	LepNarrowWeights weights = {.w = x, .q = q, .scale = scale};
	void *packed = array(narrow->packed_size(32, d) / 4);
	void *rows = array(narrow->rows_size(m, d) / 4);
	char what[80];
	double t;

	narrow->pack(&weights, 32, d, packed);
	MEASURE(t, narrow->rows(x, d, m, d, packed, m, 0, rows));
	snprintf(what, sizeof(what), "%s rows %zu x %zu", narrow->name, m, d);
	report(k, what, t, 0.0, 4.0 * (double) (m * d));
	MEASURE(t, narrow->norm_rows(x, gamma, beta, 1e-12f, y, m, d, packed, m, 0, rows));
	snprintf(what, sizeof(what), "%s norm_rows %zu x %zu", narrow->name, m, d);
	report(k, what, t, 0.0, 8.0 * (double) (m * d));
	free(x);
	free(y);
	free(gamma);
	free(beta);
	free(scale);
	free(q);
	free(packed);
	free(rows);
}

/* Measure narrow products of one kind. */
static void
bench_numbers(const LepKernels *k, LepCompute numbers)
{
	static const size_t shapes[][2] = {{384, 384}, {1152, 384}, {1536, 384}, {384, 1536}};
	static const size_t counts[] = {1, 4, 8, 13, 16, 32, 96, 128, 256};
	const LepNarrow *narrow = numbers == LEP_COMPUTE_I8 ? k->i8 : k->half;

	for (size_t r = 0; r < sizeof(counts) / sizeof(counts[0]); r++)
		for (size_t s = 0; s < 4; s++)
			bench_narrow(k, numbers, counts[r], shapes[s][0], shapes[s][1], LEP_ACT_NONE, false,
						 false);
	bench_narrow(k, numbers, 128, 384, 384, LEP_ACT_NONE, true, false);
	bench_narrow(k, numbers, 128, 1152, 384, LEP_ACT_NONE, false, true);
	bench_narrow(k, numbers, 128, 1536, 384, LEP_ACT_GELU, false, false);
	bench_narrow(k, numbers, 128, 384, 1536, LEP_ACT_NONE, true, false);
	bench_narrow(k, numbers, 128, 3072, 768, LEP_ACT_GELU, false, false);
	bench_narrow(k, numbers, 128, 768, 3072, LEP_ACT_NONE, true, false);
	bench_narrow_rows(k, narrow, 128, 384);
	bench_narrow_rows(k, narrow, 128, 1536);
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
					  .scratch = array(k->attention_scratch(n, d, 0) / 4)};
	char what[80];
	double t;

	MEASURE(t, k->attention(&a));
	snprintf(what, sizeof(what), "attention %zu tokens %zu x %zu", n, heads, d);
	report(k, what, t, 4.0 * (double) (n * n * width), 0.0);
	free(a.scratch);
	free(qkv);
	free(out);
}

/* Measure attention on 16-bit floats over one sequence. */
static void
bench_attention_half(const LepKernels *k, size_t n, size_t heads, size_t d)
{
	size_t width = heads * d;
	float *x = array(n * 3 * width), *out = array(n * width);
	uint16_t *qkv = (uint16_t *) x;
	LepAttentionHalf a = {.q = qkv,
						  .k = qkv + width,
						  .v = qkv + 2 * width,
						  .ldq = 3 * width,
						  .out = out,
						  .ldo = width,
						  .n_tokens = n,
						  .n_heads = heads,
						  .d_head = d,
						  .scale = 0.2f,
						  .scratch = array(k->attention_half_scratch(n, d) / 4)};
	char what[80];
	double t;

	/* numbers between -1 and 1 in bf16 and in f16 */
	for (size_t i = 0; i < n * 3 * width; i++)
		qkv[i] = (uint16_t) ((i * 2654435761u >> 7 & 0x83ff) | 0x3400);
	MEASURE(t, k->attention_half(&a));
	snprintf(what, sizeof(what), "attention_half %zu tokens %zu x %zu", n, heads, d);
	report_in(k, LEP_COMPUTE_HALF, what, t, 4.0 * (double) (n * n * width), 0.0);
	free(a.scratch);
	free(x);
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
	if (k->i8)
		bench_numbers(k, LEP_COMPUTE_I8);
	if (k->half)
		bench_numbers(k, LEP_COMPUTE_HALF);
	if (k->attention_half)
		for (size_t n = 13; n <= 512; n = n < 32 ? 32 : 2 * n)
			bench_attention_half(k, n, 12, 32);
	if (k->attention_half)
		bench_attention_half(k, 128, 12, 64);
}

int
main(int argc, char **argv)
{
	char why[256];

	/* a core type set for another program must not slow the peer down */
	unsetenv("OPENBLAS_CORETYPE");
	for (int numbers = 0; numbers < LEP_COMPUTE_COUNT; numbers++)
		measure_peak((LepCompute) numbers);
	printf("peaks of this core: f32 %.1f GFLOP/s, bf16 %.1f GFLOP/s, int8 %.1f Gop/s\n",
		   peaks[LEP_COMPUTE_F32], peaks[LEP_COMPUTE_HALF], peaks[LEP_COMPUTE_I8]);
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
