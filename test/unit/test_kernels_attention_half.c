/*
 * test_kernels_attention_half.c: attention on 16-bit floats of every instruction set that runs here against
 * the reference: many shapes, scores of every size, bits whatever the position; NaN and infinity.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../kernels/ref.h"
#include "kernel_arrays.h"
#include "testing.h"

static const LepKernels *ref;

/* Return the 16-bit float nearest to x. */
static uint16_t
to_half(bool f16, float x)
{
	return f16 ? lep_ref_to_f16(x) : lep_ref_to_bf16(x);
}

/* Return whether the 16-bit floats of k are f16. */
static bool
is_f16(const LepKernels *k)
{
	return k->half && strcmp(k->half->name, "f16") == 0;
}

/* Compare attention on 16-bit floats with the reference for one shape. */
static void
check_attention(const LepKernels *k, size_t n, size_t heads, size_t d, float scale)
{
	size_t width = heads * d, ldq = 3 * width + n % 3, ldo = width + n % 2;
	uint16_t *qkv = guarded(n * ldq * sizeof(uint16_t), sizeof(uint16_t));
	float *out = array(n * ldo), *want = array(n * ldo);
	bool f16 = is_f16(k), kept = true;
	LepAttentionHalf a = {.q = qkv,
						  .k = qkv + width,
						  .v = qkv + 2 * width,
						  .ldq = ldq,
						  .ldo = ldo,
						  .n_tokens = n,
						  .n_heads = heads,
						  .d_head = d,
						  .scale = scale};
	double worst = 0.0, bound;

	for (size_t i = 0; i < n * ldq; i++)
		qkv[i] = to_half(f16, noise());
	a.out = want;
	a.scratch = aligned(ref->attention_half_scratch(n, d));
	(f16 ? lep_ref_attention_f16 : lep_ref_attention_bf16)(&a);
	drop(a.scratch);
	for (size_t t = 0; t < n; t++)
		for (size_t i = width; i < ldo; i++)
			out[t * ldo + i] = 7.0f;
	a.out = out;
	a.scratch = aligned(k->attention_half_scratch(n, d));
	memset(a.scratch, 0xff, k->attention_half_scratch(n, d));
	k->attention_half(&a);
	/*
	 * Probabilities are off by at most 2^-7 (f16: 2^-12) of themselves here and there, and
	 * the values, below 1, are averaged; scores err as in single precision, f16 may sum shortly.
	 */
	bound = f16 ? 0x1p-10 + fabs(scale) * (double) d * 0x1p-11
				: 0x1p-7 + EPS * (8.0 + fabs(scale) * (double) d * 4.0 + (double) n);
	for (size_t t = 0; t < n; t++)
	{
		for (size_t i = 0; i < width; i++)
			worst = fmax(worst, distance(out[t * ldo + i], want[t * ldo + i], bound));
		for (size_t i = width; i < ldo; i++)
			kept = kept && out[t * ldo + i] == 7.0f;
	}
	check(worst <= 1.0, "%s attention_half tokens %zu heads %zu d_head %zu: %g of the bound",
		  k->isa, n, heads, d, worst);
	check(kept, "%s attention_half tokens %zu d_head %zu: wrote between rows", k->isa, n, d);
	/* every query equal: every answer must have the same bits */
	for (size_t t = 1; t < n; t++)
		memcpy(qkv + t * ldq, qkv, width * sizeof(uint16_t));
	k->attention_half(&a);
	for (size_t t = 1; t < n; t++)
		if (memcmp(out + t * ldo, out, width * sizeof(float)) != 0)
		{
			check(false, "%s attention_half tokens %zu d_head %zu: bits depend on position %zu",
				  k->isa, n, d, t);
			break;
		}
	drop(a.scratch);
	drop(qkv);
	drop(out);
	drop(want);
}

/*
 * Check attention whose scores are exponents of 2 of magnitude `most`, and, where strange is not 0, in which a
 * query or a key has it in one of its numbers.
 */
static void
check_attention_far(const LepKernels *k, double most, float strange, bool in_key)
{
	enum
	{
		N = 40,
		D = 32,
		AT = 21
	};
	uint16_t *qkv = guarded(N * 3 * D * sizeof(uint16_t), sizeof(uint16_t));
	float *out = array(N * D), *want = array(N * D);
	bool f16 = is_f16(k);
	LepAttentionHalf a = {.q = qkv,
						  .k = qkv + D,
						  .v = qkv + 2 * D,
						  .ldq = 3 * D,
						  .ldo = D,
						  .n_tokens = N,
						  .n_heads = 1,
						  .d_head = D,
						  .scale = (float) (most * log(2.0) / D)};
	double worst = 0.0;
	bool same = true;

	for (size_t t = 0; t < N; t++)
		for (size_t i = 0; i < D; i++)
		{
			qkv[t * 3 * D + i] = to_half(f16, t % 3 ? 1.0f : -1.0f);
			qkv[t * 3 * D + D + i] = to_half(f16, t % 2 ? 1.0f : t % 4 ? 0.75f : -1.0f);
			qkv[t * 3 * D + 2 * D + i] = to_half(f16, noise());
		}
	if (strange != 0.0f)
		qkv[AT * 3 * D + (in_key ? D : 0) + 3] = to_half(f16, strange);
	a.out = want;
	a.scratch = aligned(ref->attention_half_scratch(N, D));
	(f16 ? lep_ref_attention_f16 : lep_ref_attention_bf16)(&a);
	drop(a.scratch);
	a.out = out;
	a.scratch = aligned(k->attention_half_scratch(N, D));
	k->attention_half(&a);
	drop(a.scratch);
	for (size_t i = 0; i < N * D; i++)
	{
		if (isfinite(out[i]) && isfinite(want[i]))
			worst = fmax(worst, fabs((double) out[i] - want[i]));
		same = same && isfinite(out[i]) == isfinite(want[i]);
	}
	check(worst < 0x1p-7, "%s attention_half of exponents up to %g: off by %g", k->isa, most,
		  worst);
	check(same, "%s attention_half of exponents up to %g with %g in a %s: finite elsewhere", k->isa,
		  most, strange, in_key ? "key" : "query");
	drop(qkv);
	drop(out);
	drop(want);
}

/* Check attention over small shapes and those of real models. */
static void
test_attention(const LepKernels *k)
{
	static const size_t heads[] = {1,  2,  3,  4,  5,  6,  7,  8,  9,  12, 15, 16,
								   17, 23, 24, 25, 31, 32, 33, 40, 47, 48, 49, 63,
								   64, 65, 71, 72, 73, 77, 78, 79, 80, 96, 128};

	for (size_t n = 1; n <= 40; n++)
		for (size_t i = n % 2; i < sizeof(heads) / sizeof(heads[0]); i += 2)
			check_attention(k, n, 1 + n % 2, heads[i], i % 5 == 4 ? -0.5f : 1.0f);
	check_attention(k, 128, 12, 32, 0.17677669f);
	check_attention(k, 257, 2, 64, 0.125f);
	check_attention(k, 300, 1, 32, 4.0f);
	check_attention(k, 130, 1, 32, 1.9f);
	check_attention(k, 100, 2, 64, -30.0f);
	for (int i = 0; i < 2; i++)
	{
		check_attention_far(k, i ? 59.99 : 60.01, 0.0f, false);
		check_attention_far(k, i ? 20.0 : 100.0, 0.0f, false);
		check_attention_far(k, i ? 20.0 : 300.0, NAN, true);
		check_attention_far(k, i ? 20.0 : 300.0, NAN, false);
		check_attention_far(k, 20.0, i ? INFINITY : -INFINITY, true);
		check_attention_far(k, 20.0, i ? INFINITY : -INFINITY, false);
	}
	check_attention(k, 0, 1, 32, 1.0f);
	check(k->attention_half_scratch(SIZE_MAX / 16, 64) == 0 ||
			  k->attention_half == ref->attention_half ||
			  k->attention_half == lep_ref_attention_f16,
		  "%s: scratch overflow not seen", k->isa);
}

int
main(void)
{
	LepKernels f16;

	ref = lep_kernels_choose("reference");
	if (!check(ref != NULL, "no reference kernels"))
		return test_done();
	f16 = *ref;
	f16.isa = "reference with f16";
	f16.half = &lep_ref_f16;
	f16.attention_half = lep_ref_attention_f16;
	test_attention(&f16);
	for (const char *const *name = lep_kernels_names(); *name; name++)
	{
		const LepKernels *k = lep_kernels_choose(*name);

		if (k == NULL)
			printf("%s cannot run here\n", *name);
		else if (k->attention_half)
		{
			test_attention(k);
			printf("%s ran\n", *name);
		}
	}
	return test_done();
}
