/*
 * ref_narrow.c: narrow products by definition: what a row in 8 or 16 bits is, what
 * a linear and an attention make of it, summed exactly or in double.  It judges
 * the fast versions and runs anywhere; refuses to be fast.
 *
 * A row in 8 bits.  v[k] = x[k] * input_scale[k], rounded to f32.
 *		asymmetric:	offset = min v, range = max v - min v, scale = range / 255,
 *					a[k] = round((v[k] - offset) * (255 / range))
 *		symmetric:	range = max |v|, scale = range / 127, offset = -128 * scale,
 *					a[k] = round(v[k] * (127 / range)) + 128
 * in f32, rounding halves to even.  Where range < NARROW_LEAST, which is nothing beside any
 * other number of a network and whose inverse could overflow, scale is 0 and every a that
 * of v = offset (128 when symmetric).  Where any v, or range, is not finite, scale and
 * offset are NaN.  Fast versions may round the divisions otherwise, so that a differs by 1 at
 * a near tie.
 */
#include <math.h>
#include <string.h>

#include "ref.h"
#include "tables.h"

#define NARROW_LEAST 0x1p-100f

/* What packed weights begin with. */
typedef struct RefHead
{
	uint64_t d_out, d_in;
	uint32_t symmetric;
	uint32_t unused[11]; /* the arrays begin at 64 bytes */
} RefHead;

/* Bytes of head, input_scale[d_in], scale[d_out], zero[d_out] and q[d_out, d_in]; 0 on overflow. */
static size_t
i8_packed_size(size_t d_out, size_t d_in)
{
	size_t bytes;

	if (d_out > SIZE_MAX / 32 || d_in > SIZE_MAX / 32 ||
		__builtin_mul_overflow(d_out, d_in, &bytes) ||
		__builtin_add_overflow(bytes, sizeof(RefHead) + d_in * 4 + d_out * 8, &bytes))
		return 0;
	return bytes;
}

/* Keep the weights as they are. */
static void
i8_pack(const LepNarrowWeights *weights, size_t d_out, size_t d_in, void *packed)
{
	RefHead *head = packed;
	float *input_scale = (float *) (head + 1);
	float *scale = input_scale + d_in;
	float *zero = scale + d_out;

	*head = (RefHead){.d_out = d_out, .d_in = d_in, .symmetric = weights->symmetric};
	for (size_t k = 0; k < d_in; k++)
		input_scale[k] = weights->input_scale ? weights->input_scale[k] : 1.0f;
	for (size_t n = 0; n < d_out; n++)
	{
		scale[n] = weights->scale[n];
		zero[n] = weights->zero ? weights->zero[n] : 0.0f;
	}
	memcpy(zero + d_out, weights->q, d_out * d_in);
}

/* Bytes of scale[n_rows], offset[n_rows] and a[n_rows, d_in]; 0 on overflow. */
static size_t
i8_rows_size(size_t n_rows, size_t d_in)
{
	size_t bytes;

	if (n_rows > SIZE_MAX / 32 || __builtin_mul_overflow(n_rows, d_in, &bytes) ||
		__builtin_add_overflow(bytes, n_rows * 8 + LEP_ALIGN, &bytes))
		return 0;
	return bytes;
}

/* a[d_in], scale and offset of x[d_in], see the top of this file. */
static void
i8_row(const float *x, const float *input_scale, size_t d_in, bool symmetric, uint8_t *a,
	   float *scale, float *offset)
{
	float low = INFINITY, high = -INFINITY, range, inverse;
	bool finite = true;

	for (size_t k = 0; k < d_in; k++)
	{
		float v = x[k] * input_scale[k];

		finite = finite && isfinite(v);
		low = v < low ? v : low;
		high = v > high ? v : high;
	}
	if (d_in == 0)
		low = high = 0.0f;
	range = symmetric ? fmaxf(high, -low) : high - low;
	*scale = range / (symmetric ? 127.0f : 255.0f);
	*offset = low;
	inverse = (symmetric ? 127.0f : 255.0f) / range;
	if (range < NARROW_LEAST)
		*scale = inverse = 0.0f;
	if (symmetric)
		*offset = -128.0f * *scale;
	if (!finite || !isfinite(range))
	{
		*scale = *offset = NAN;
		memset(a, 0, d_in);
		return;
	}
	for (size_t k = 0; k < d_in; k++)
	{
		float v = x[k] * input_scale[k];
		float step = symmetric ? nearbyintf(v * inverse) + 128.0f : nearbyintf((v - low) * inverse);

		a[k] = (uint8_t) (step > 255.0f ? 255.0f : step);
	}
}

/* Narrow x[n_rows, d_in]. */
static void
i8_rows(const float *x, size_t ldx, size_t n_rows, size_t d_in, const void *w, size_t n_block,
		size_t first, void *block)
{
	const RefHead *head = w;
	const float *input_scale = (const float *) (head + 1);
	float *scale = block;
	float *offset = scale + n_block;
	uint8_t *a = (uint8_t *) (offset + n_block);

	for (size_t r = 0; r < n_rows; r++)
		i8_row(x + r * ldx, input_scale, d_in, head->symmetric != 0, a + (first + r) * d_in,
			   scale + first + r, offset + first + r);
}

/* out = norm of x, then rows of out. */
static void
i8_norm_rows(const float *x, const float *gamma, const float *beta, float eps, float *out,
			 size_t n_rows, size_t d_in, const void *w, size_t n_block, size_t first, void *block)
{
	lep_kernels_reference.norm(x, gamma, beta, eps, out, n_rows, d_in);
	i8_rows(out, d_in, n_rows, d_in, w, n_block, first, block);
}

/*
 * x * w^T with x = scale_m a + offset_m and w = scale_n (q - zero_n), the sums of integers exact:
 *		scale_m scale_n (sum a q - zero_n sum a) + offset_m scale_n (sum q - d_in zero_n) + bias_n
 */
static void
i8_linear(const LepNarrowLinear *l)
{
	const RefHead *head = l->w;
	const float *scale_n = (const float *) (head + 1) + l->d_in;
	const float *zero = scale_n + l->d_out;
	const int8_t *q = (const int8_t *) (zero + l->d_out);
	const float *scale_m = l->rows;
	const float *offset_m = scale_m + l->n_block;
	const uint8_t *a = (const uint8_t *) (offset_m + l->n_block);

	for (size_t r = 0; r < l->n_rows; r++)
		for (size_t n = 0; n < l->d_out; n++)
		{
			size_t m = l->first + r;
			int64_t products = 0, sum_a = 0, sum_q = 0;
			double y;

			for (size_t k = 0; k < l->d_in; k++)
			{
				products += a[m * l->d_in + k] * q[n * l->d_in + k];
				sum_a += a[m * l->d_in + k];
				sum_q += q[n * l->d_in + k];
			}
			y = (double) scale_m[m] * scale_n[n] *
				((double) products - (double) zero[n] * (double) sum_a);
			y += (double) offset_m[m] * scale_n[n] *
				 ((double) sum_q - (double) l->d_in * (double) zero[n]);
			y = lep_ref_act(y + (l->bias ? l->bias[n] : 0.0), l->act);
			if (l->residual)
				y += l->residual[r * l->ldr + n];
			if (l->out_half)
				((uint16_t *) l->out)[r * l->ldo + n] = lep_ref_to_bf16((float) y);
			else
				((float *) l->out)[r * l->ldo + n] = (float) y;
		}
}

/* Return x with the low `bits` bits of its pattern rounded away, halves to even. */
static uint32_t
round_pattern(uint32_t pattern, int bits)
{
	uint32_t odd = pattern >> bits & 1;

	return (pattern + ((1u << (bits - 1)) - 1) + odd) >> bits;
}

uint16_t
lep_ref_to_bf16(float x)
{
	uint32_t pattern;

	memcpy(&pattern, &x, sizeof(pattern));
	if (isnan(x))
		return (uint16_t) (pattern >> 16 | 0x40);
	return (uint16_t) round_pattern(pattern, 16);
}

uint16_t
lep_ref_to_f16(float x)
{
	uint32_t pattern, magnitude;
	uint16_t sign;
	float scaled;

	memcpy(&pattern, &x, sizeof(pattern));
	sign = (uint16_t) (pattern >> 16 & 0x8000);
	magnitude = pattern & 0x7fffffff;
	if (isnan(x))
		return (uint16_t) (sign | 0x7e00);
	if (magnitude >= 0x477ff000) /* 65520 and above round to infinity */
		return (uint16_t) (sign | 0x7c00);
	if (magnitude < 0x38800000) /* below 2^-14: whole steps of 2^-24 */
		return (uint16_t) (sign | (uint16_t) nearbyintf(fabsf(x) * 0x1p24f));
	/* exponents move from a bias of 127 to one of 15 */
	memcpy(&scaled, &magnitude, sizeof(scaled));
	scaled *= 0x1p-112f;
	memcpy(&magnitude, &scaled, sizeof(magnitude));
	return (uint16_t) (sign | round_pattern(magnitude, 13));
}

float
lep_ref_from_bf16(uint16_t bits)
{
	uint32_t wide = (uint32_t) bits << 16;
	float x;

	memcpy(&x, &wide, sizeof(x));
	return x;
}

float
lep_ref_from_f16(uint16_t bits)
{
	uint32_t wide = (uint32_t) (bits & 0x7fff) << 13;
	float x;

	/* exponents move from a bias of 15 to one of 127; infinity and NaN keep the highest */
	if ((bits & 0x7c00) == 0x7c00)
		wide |= 0x7f800000;
	memcpy(&x, &wide, sizeof(x));
	if ((bits & 0x7c00) != 0x7c00)
		x *= 0x1p112f;
	return bits & 0x8000 ? -x : x;
}

/* Bytes of n_rows rows of d_in 16-bit floats, 0 on overflow. */
static size_t
half_size(size_t n_rows, size_t d_in)
{
	size_t bytes;

	if (__builtin_mul_overflow(n_rows, d_in, &bytes) || __builtin_mul_overflow(bytes, 2, &bytes))
		return 0;
	return bytes;
}

/* out[n] = x[n] rounded. */
static void
half_round(const float *x, size_t n, uint16_t (*to)(float), uint16_t *out)
{
	for (size_t i = 0; i < n; i++)
		out[i] = to(x[i]);
}

/* out = act(rows * w^T + bias) + residual over 16-bit floats that `from` widens. */
static inline void
half_linear(const LepNarrowLinear *l, float (*from)(uint16_t), uint16_t (*to)(float))
{
	const uint16_t *x = (const uint16_t *) l->rows + l->first * l->d_in;
	const uint16_t *w = l->w;

	for (size_t r = 0; r < l->n_rows; r++)
		for (size_t n = 0; n < l->d_out; n++)
		{
			double y = l->bias ? l->bias[n] : 0.0;

			for (size_t k = 0; k < l->d_in; k++)
				y += (double) from(x[r * l->d_in + k]) * from(w[n * l->d_in + k]);
			y = lep_ref_act(y, l->act);
			if (l->residual)
				y += l->residual[r * l->ldr + n];
			if (l->out_half)
				((uint16_t *) l->out)[r * l->ldo + n] = to((float) y);
			else
				((float *) l->out)[r * l->ldo + n] = (float) y;
		}
}

/* LepAttentionHalf by definition: Vaswani et al., arXiv:1706.03762, section 3.2.1. */
static inline void
half_attention(const LepAttentionHalf *a, float (*from)(uint16_t), uint16_t (*to)(float))
{
	double *p = a->scratch; /* [n_tokens] */

	for (size_t h = 0; h < a->n_heads; h++)
		for (size_t t = 0; t < a->n_tokens; t++)
		{
			const uint16_t *q = a->q + t * a->ldq + h * a->d_head;
			double top = -INFINITY, sum = 0.0;

			for (size_t s = 0; s < a->n_tokens; s++)
			{
				const uint16_t *k = a->k + s * a->ldq + h * a->d_head;

				p[s] = 0.0;
				for (size_t i = 0; i < a->d_head; i++)
					p[s] += (double) from(q[i]) * from(k[i]);
				p[s] *= a->scale;
				if (p[s] > top)
					top = p[s];
			}
			for (size_t s = 0; s < a->n_tokens; s++)
			{
				p[s] = exp(p[s] - top);
				sum += p[s];
				p[s] = from(to((float) p[s]));
			}
			for (size_t i = 0; i < a->d_head; i++)
			{
				double y = 0.0;

				for (size_t s = 0; s < a->n_tokens; s++)
					y += p[s] * from(a->v[s * a->ldq + h * a->d_head + i]);
				a->out[t * a->ldo + h * a->d_head + i] = (float) (y / sum);
			}
		}
}

/* The functions of both kinds of 16-bit floats. */
#define HALF(kind)                                                                                 \
	static void kind##_pack(const LepNarrowWeights *weights, size_t d_out, size_t d_in,            \
							void *packed)                                                          \
	{                                                                                              \
		half_round(weights->w, d_out *d_in, lep_ref_to_##kind, packed);                            \
	}                                                                                              \
                                                                                                   \
	static void kind##_rows(const float *x, size_t ldx, size_t n_rows, size_t d_in, const void *w, \
							size_t n_block, size_t first, void *block)                             \
	{                                                                                              \
		(void) w;                                                                                  \
		(void) n_block;                                                                            \
		for (size_t r = 0; r < n_rows; r++)                                                        \
			half_round(x + r * ldx, d_in, lep_ref_to_##kind,                                       \
					   (uint16_t *) block + (first + r) * d_in);                                   \
	}                                                                                              \
                                                                                                   \
	static void kind##_norm_rows(const float *x, const float *gamma, const float *beta, float eps, \
								 float *out, size_t n_rows, size_t d_in, const void *w,            \
								 size_t n_block, size_t first, void *block)                        \
	{                                                                                              \
		lep_kernels_reference.norm(x, gamma, beta, eps, out, n_rows, d_in);                        \
		kind##_rows(out, d_in, n_rows, d_in, w, n_block, first, block);                            \
	}                                                                                              \
                                                                                                   \
	static void kind##_linear(const LepNarrowLinear *l)                                            \
	{                                                                                              \
		half_linear(l, lep_ref_from_##kind, lep_ref_to_##kind);                                    \
	}                                                                                              \
                                                                                                   \
	void lep_ref_attention_##kind(const LepAttentionHalf *a)                                       \
	{                                                                                              \
		half_attention(a, lep_ref_from_##kind, lep_ref_to_##kind);                                 \
	}                                                                                              \
                                                                                                   \
	const LepNarrow lep_ref_##kind = {.name = #kind,                                               \
									  .packed_size = half_size,                                    \
									  .pack = kind##_pack,                                         \
									  .rows_size = half_size,                                      \
									  .rows = kind##_rows,                                         \
									  .norm_rows = kind##_norm_rows,                               \
									  .linear = kind##_linear};

HALF(bf16)
HALF(f16)

const LepNarrow lep_ref_i8 = {.name = "i8",
							  .packed_size = i8_packed_size,
							  .pack = i8_pack,
							  .rows_size = i8_rows_size,
							  .rows = i8_rows,
							  .norm_rows = i8_norm_rows,
							  .linear = i8_linear};
