/*
 * avx512_fp16.c: products in f16 with AVX512-FP16, whose multiply-adds round every sum to f16.
 * Owns the scales that keep such sums from overflowing and short enough; refuses attention, which
 * stays in f32 here.
 *
 * Accuracy.  Of 128 consecutive numbers of a row the even ones are summed in f16, and the odd ones;
 * these sums of 64 terms are added in f32.  A row is scaled by a power of two so that its largest
 * magnitude lies in [2^14, 2^15), a column so that the magnitudes of no 64 terms add up to more
 * than 1: then no sum exceeds 2^15 but for its roundings, and small numbers keep their bits.
 *
 * Packed weights are factor[whole registers of d_out], then panels as in simd_narrow.inc with two
 * numbers of a column together.  A block of rows is factor[n_block], then rows row_stride() bytes apart.
 * Factors undo the scales.
 */
#if defined(__x86_64__)
#ifdef __clang__
#pragma clang attribute push(                                                    \
	__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c"))), \
	apply_to = function)
#else
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")
#endif

#include "avx512_gelu.h"
#include "avx512_narrow.h"

#define MULTIPLY(a, b, c) "vfmadd231ph " b ", " a ", " c "\n\t"
#define XOR				  "vpxord "
#include "avx512_tile.h"

#include "../simd_math.inc"
#include "../simd_norm.inc"

#define NARROW_BITS	  16
#define NARROW_GELU	  v_gelu_narrow
#define NARROW_LINEAR fp16_linear
#include "../simd_narrow_linear.inc"

#define CHUNK		  128 /* numbers whose products are summed in f16 */
#define ROW_EXPONENT  14  /* of a row's largest number */
#define LEAST		  0x1p-100f
#define FP16_L2_BYTES 393216 /* of rows, kept in L2 while all panels pass over them */

/* Return n rounded up to whole cache lines of floats. */
static inline size_t
whole_lines(size_t n)
{
	return (n + 15) / 16 * 16;
}

/* Return d_in rounded up to whole cache lines of f16. */
static inline size_t
padded_depth(size_t d_in)
{
	return (d_in + 31) / 32 * 32;
}

/* Return the bytes between rows, which are no power of two: those would share few sets of the L1 cache. */
static inline size_t
row_stride(size_t d_in)
{
	size_t bytes = padded_depth(d_in) * sizeof(uint16_t);

	return bytes % 1024 == 0 ? bytes + 64 : bytes;
}

/* Bytes of packed w[d_out, d_in], 0 on overflow. */
static size_t
narrow_packed_size(size_t d_out, size_t d_in)
{
	size_t bytes;

	if (d_out > SIZE_MAX / 64 || d_in > SIZE_MAX / 64 ||
		__builtin_mul_overflow(padded_columns(d_out), 4 + 2 * padded_depth(d_in), &bytes))
		return 0;
	return bytes;
}

/* Bytes of a block of n_rows rows, 0 on overflow. */
static size_t
narrow_rows_size(size_t n_rows, size_t d_in)
{
	size_t bytes;

	if (n_rows > SIZE_MAX / 64 || d_in > SIZE_MAX / 64 ||
		__builtin_mul_overflow(n_rows, row_stride(d_in), &bytes) ||
		__builtin_add_overflow(bytes, 4 * whole_lines(n_rows), &bytes))
		return 0;
	return bytes;
}

/* Return v rounded to f16. */
static inline __m256i
v_to_f16(VF v)
{
	return _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

/* Return 2^e, e in -126 .. 127. */
static inline float
power_of_two(int e)
{
	uint32_t bits = (uint32_t) (e + 127) << 23;
	float x;

	memcpy(&x, &bits, sizeof(x));
	return x;
}

/* Return the exponent of a normal x > 0: x in [2^e, 2^(e + 1)). */
static inline int
exponent_of(float x)
{
	uint32_t bits;

	memcpy(&bits, &x, sizeof(bits));
	return (int) (bits >> 23) - 127;
}

/* Return the exponent of the least power of two by which a column w[d_in] must be divided. */
static int
column_exponent(const float *w, size_t d_in)
{
	float most = LEAST;
	int e;

	for (size_t k = 0; k < d_in; k += CHUNK)
	{
		float sum[2] = {0.0f, 0.0f};

		for (size_t i = k; i < d_in && i < k + CHUNK; i++)
			sum[i % 2] += fabsf(w[i]);
		most = sum[0] > most ? sum[0] : most;
		most = sum[1] > most ? sum[1] : most;
	}
	if (!(most < 0x1p100f))
		return 0;
	e = exponent_of(most);
	return most > power_of_two(e) ? e + 1 : e;
}

/* Pack weights, see LepNarrow. */
static void
narrow_pack(const LepNarrowWeights *weights, size_t d_out, size_t d_in, void *packed)
{
	size_t depth = padded_depth(d_in);
	float *factor = packed;
	uint16_t *dst = (uint16_t *) (factor + padded_columns(d_out));

	for (size_t n = 0; n < d_out; n += NR)
	{
		size_t cols = d_out - n < NR ? d_out - n : NR;
		size_t width = padded_columns(cols);

		memset(dst, 0, width * depth * sizeof(uint16_t));
		memset(factor + n, 0, width * sizeof(float));
		for (size_t c = 0; c < cols; c++)
		{
			const float *src = weights->w + (n + c) * d_in;
			int e = column_exponent(src, d_in);
			VF slope = v_set(power_of_two(-e));

			factor[n + c] = power_of_two(e);
			for (size_t k = 0; k < d_in; k += W)
			{
				size_t live = d_in - k < W ? d_in - k : W;
				uint16_t half[W];

				_mm256_storeu_si256((__m256i *) half,
									v_to_f16(v_mul(v_load_n(src + k, live), slope)));
				for (size_t i = 0; i < live; i++)
					dst[(k + i) / 2 * 2 * width + c * 2 + (k + i) % 2] = half[i];
			}
		}
		dst += width * depth;
	}
}

/* row[padded d] = x[d] scaled, rounded and filled up with zeros; return the factor. */
static inline float
narrow_row(const float *x, size_t d, uint16_t *row)
{
	VF top = v_set(LEAST), strange = v_set(0.0f), slope;
	float most, odd;
	int e;

	for (size_t i = 0; i < d; i += W)
	{
		VF v = v_load_n(x + i, d - i < W ? d - i : W);

		top = v_max(top, v_abs(v));
		strange = v_fma(v, v_set(0.0f), strange);
	}
	odd = v_sum(strange);
	most = odd == 0.0f ? v_highest(top) : 1.0f;
	e = exponent_of(most) - ROW_EXPONENT;
	slope = v_set(power_of_two(-e));
	for (size_t i = 0; i < padded_depth(d); i += W)
	{
		VF v = i < d ? v_load_n(x + i, d - i < W ? d - i : W) : v_set(0.0f);

		_mm256_storeu_si256((__m256i *) (row + i), v_to_f16(v_mul(v, slope)));
	}
	return power_of_two(e) + odd;
}

/* Narrow x[n_rows, d_in], see LepNarrow. */
static void
narrow_rows(const float *x, size_t ldx, size_t n_rows, size_t d_in, const void *w, size_t n_block,
			size_t first, void *block)
{
	float *factor = block;
	char *rows = (char *) (factor + whole_lines(n_block));

	(void) w;
	for (size_t m = first; m < first + n_rows; m++, x += ldx)
		factor[m] = narrow_row(x, d_in, (uint16_t *) (rows + m * row_stride(d_in)));
}

/* Norm of x[n_rows, d_in] into out, and rows of out, see LepNarrow. */
static void
narrow_norm_rows(const float *x, const float *gamma, const float *beta, float eps, float *out,
				 size_t n_rows, size_t d_in, const void *w, size_t n_block, size_t first,
				 void *block)
{
	for (size_t m = 0; m < n_rows; m++)
	{
		norm_row(x + m * d_in, gamma, beta, eps, out + m * d_in, d_in);
		narrow_rows(out + m * d_in, d_in, 1, d_in, w, n_block, first + m, block);
	}
}

/* wide[rows, vecs, 2 W] = or += the sums[rows, NR] of pairs in f16; vecs and add are constants. */
static inline __attribute__((always_inline)) void
widen_sums(const float *sums, size_t rows, size_t vecs, bool add, float *wide)
{
	for (size_t r = 0; r < rows; r++)
		UNROLL for (size_t j = 0; j < 2 * vecs; j++)
		{
			const uint16_t *pairs = (const uint16_t *) (sums + r * NR) + j * W;
			float *to = wide + r * 2 * NR + j * W;
			VF v = v_from_f16(pairs);

			v_store(to, add ? v_add(v_load(to), v) : v);
		}
}

/* sums[rows, NR] = bias + factor_m factor_n (even + odd sums of wide[rows, vecs, 2 W]). */
static inline void
join_sums(const float *wide, size_t rows, size_t vecs, const float *row_factor,
		  const float *col_factor, const float *bias, float *sums)
{
	__m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
	__m512i odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));

	for (size_t r = 0; r < rows; r++)
		for (size_t j = 0; j < vecs; j++)
		{
			VF low = v_load(wide + r * 2 * NR + j * 2 * W);
			VF high = v_load(wide + r * 2 * NR + j * 2 * W + W);
			VF y = v_add(_mm512_permutex2var_ps(low, even, high),
						 _mm512_permutex2var_ps(low, odd, high));

			y = v_mul(y, v_load(col_factor + j * W));
			v_store(sums + r * NR + j * W, v_fma(y, v_set(row_factor[r]), v_load(bias + j * W)));
		}
}

/* Compute the sums[rows, NR] in f32 of a tile, whose k, w and x are those of all chunks. */
static void
fp16_tile(size_t rows, size_t vecs, Tile t, float *wide)
{
	size_t left = t.k;
	const float *sums = t.out;

	for (bool add = false; left > 0 || !add; add = true)
	{
		t.k = left < CHUNK / 2 ? left : CHUNK / 2;
		fetch_ahead(&t);
		tile(rows, vecs, &t);
		if (vecs == 2 && add)
			widen_sums(sums, rows, 2, true, wide);
		else if (vecs == 2)
			widen_sums(sums, rows, 2, false, wide);
		else
			widen_sums(sums, rows, 1, add, wide);
		left -= t.k;
		t.x = (const float *) t.x + t.k;
		t.w = (const float *) t.w + t.k * t.wstep;
	}
}

/* out[n_rows, d_out] = act(x * w^T + bias) + residual, see LepNarrowLinear. */
static void
fp16_linear(const LepNarrowLinear *a)
{
	size_t stride = row_stride(a->d_in), depth = padded_depth(a->d_in);
	size_t block = FP16_L2_BYTES / stride / MR * MR;
	size_t out_size = a->out_half ? sizeof(uint16_t) : sizeof(float);
	const float *row_factor = (const float *) a->rows + a->first;
	const float *col_factor = a->w;
	const uint16_t *panels = (const uint16_t *) (col_factor + padded_columns(a->d_out));
	const char *rows =
		(const char *) ((const float *) a->rows + whole_lines(a->n_block)) + a->first * stride;
	float sums[MR * NR] __attribute__((aligned(64)));
	float wide[MR * 2 * NR] __attribute__((aligned(64)));
	float bias[NR] __attribute__((aligned(64)));

	if (block < MR)
		block = MR;
	for (size_t m0 = 0; m0 < a->n_rows; m0 += block)
	{
		size_t m1 = a->n_rows - m0 < block ? a->n_rows : m0 + block;
		size_t tiles = (m1 - m0 + MR - 1) / MR;
		const uint16_t *w = panels;

		for (size_t n = 0; n < a->d_out; n += NR)
		{
			size_t cols = a->d_out - n < NR ? a->d_out - n : NR;
			size_t width = padded_columns(cols);
			NarrowFinish f = {.sums = sums, .cols = cols, .ldr = a->ldr, .ldo = a->ldo};
			Tile t = {.k = (a->d_in + 1) / 2,
					  .ldx = stride / 4,
					  .w = w,
					  .wstep = width,
					  .init = bias,
					  .out = sums,
					  .outstep = NR};

			f.out_half = a->out_half;
			for (size_t c = 0; c < NR; c++)
				bias[c] = a->bias && c < cols ? a->bias[n + c] : 0.0f;
			for (size_t i = 0, m = m0, h; i < tiles; i++, m += h)
			{
				h = (m1 - m + tiles - i - 1) / (tiles - i);
				t.x = rows + m * stride;
				fp16_tile(h, width / W, t, wide);
				join_sums(wide, h, width / W, row_factor + m, col_factor + n, bias, sums);
				f.rows = h;
				f.residual = a->residual ? a->residual + m * a->ldr + n : NULL;
				f.out = (char *) a->out + (m * a->ldo + n) * out_size;
				narrow_finish(&f, a->act);
			}
			w += width * depth;
		}
	}
}

const LepNarrow lep_avx512fp16_half = NARROW_TABLE("f16");

#ifdef __clang__
#pragma clang attribute pop
#endif
#else
typedef int lep_avx512_fp16_is_for_x86; /* ISO C wants a declaration in every file */
#endif
