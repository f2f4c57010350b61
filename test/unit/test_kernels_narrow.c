/*
 * test_kernels_narrow.c: products of narrowed rows, in 8 and in 16 bits, of every
 * instruction set that runs here: the integers of rows, linears against sums that
 * are exact or in double; equal bits whatever the neighbours; NaN and infinity.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../kernels/ref.h"
#include "kernel_arrays.h"
#include "testing.h"

#define ACT_ERROR 2e-5 /* of the narrow products' activations, absolute */

static const LepKernels *ref;

/* The forms of a product, to be or-ed. */
enum
{
	PAD = 3, /* floats between rows */
	BIAS = 4,
	RESIDUAL = 8,
	SAME = 16, /* residual is out */
	SYMMETRIC = 32,
	ZERO = 64,
	INPUT_SCALE = 128,
	OUT_HALF = 256,
	FORMS = 512
};

/* One row in 8 bits by definition, see kernels/ref_narrow.c. */
typedef struct Row
{
	double scale, offset;
	uint8_t *a; /* [d_in] */
} Row;

/* A product, its arrays and what packs them. */
typedef struct Product
{
	const LepNarrow *kind;
	size_t n_rows, d_out, d_in, ldx, ldo;
	float *x, *w, *scale, *zero, *input_scale, *bias, *residual;
	int8_t *q;
	LepNarrowWeights weights;
	void *packed, *block;
} Product;

/* Return whether kind multiplies in 8 bits. */
static bool
is_i8(const LepNarrow *kind)
{
	return strcmp(kind->name, "i8") == 0;
}

/* Return the 16-bit float nearest to x that kind uses (the reference's i8 uses bf16). */
static uint16_t
to_half(bool f16, float x)
{
	return f16 ? lep_ref_to_f16(x) : lep_ref_to_bf16(x);
}

/* Return the number with these bits. */
static float
from_half(bool f16, uint16_t bits)
{
	return f16 ? lep_ref_from_f16(bits) : lep_ref_from_bf16(bits);
}

/* Return whether the 16-bit floats of k are f16. */
static bool
is_f16(const LepKernels *k)
{
	return k->half && strcmp(k->half->name, "f16") == 0;
}

/* Return an aligned block for narrowed rows, its bytes all ones: NaN to whoever reads too much. */
static void *
rows_block(const LepNarrow *kind, size_t n_rows, size_t d_in)
{
	size_t bytes = kind->rows_size(n_rows, d_in);
	void *block = aligned(bytes);

	memset(block, 0xff, bytes);
	return block;
}

/* Narrow x[n_rows, d_in] of p into a block of their own. */
static void *
narrowed(const Product *p, const float *x, size_t n_rows)
{
	void *block = rows_block(p->kind, n_rows, p->d_in);

	p->kind->rows(x, p->ldx, n_rows, p->d_in, p->packed, n_rows, 0, block);
	return block;
}

/* Pack the weights of p as they now stand. */
static void
pack(Product *p)
{
	size_t bytes = p->kind->packed_size(p->d_out, p->d_in);

	p->packed = aligned(bytes);
	memset(p->packed, 0xff, bytes);
	p->kind->pack(&p->weights, p->d_out, p->d_in, p->packed);
}

/* Make a product of noise. */
static Product
make_product(const LepNarrow *kind, size_t n_rows, size_t d_out, size_t d_in, int form)
{
	size_t pad = (size_t) (form & PAD);
	Product p = {.kind = kind,
				 .n_rows = n_rows,
				 .d_out = d_out,
				 .d_in = d_in,
				 .ldx = d_in + pad,
				 .ldo = d_out + pad};

	p.x = array(n_rows * p.ldx);
	p.w = array(d_out * d_in);
	p.q = guarded(d_out * d_in, 1);
	p.scale = array(d_out);
	p.zero = array(d_out);
	p.input_scale = array(d_in);
	p.bias = array(d_out);
	p.residual = array(n_rows * p.ldo);
	for (size_t i = 0; i < d_out * d_in; i++)
		p.q[i] = (int8_t) (p.w[i] * 127.5f);
	for (size_t i = 0; i < d_out; i++)
	{
		p.scale[i] = (1.5f + p.scale[i]) * 0.01f;
		p.zero[i] = truncf(p.zero[i] * 90.0f);
	}
	for (size_t k = 0; k < d_in; k++)
		p.input_scale[k] = 1.2f + p.input_scale[k];
	for (size_t r = 0; r < n_rows; r++)
		for (size_t k = 0; k < d_in; k++)
			p.x[r * p.ldx + k] += (float) (r % 5) * 0.25f - 0.5f;
	p.weights = (LepNarrowWeights){.w = p.w,
								   .q = p.q,
								   .scale = p.scale,
								   .zero = form & ZERO ? p.zero : NULL,
								   .input_scale = form & INPUT_SCALE ? p.input_scale : NULL,
								   .symmetric = (form & SYMMETRIC) != 0};
	pack(&p);
	return p;
}

/* Free a product. */
static void
drop_product(Product *p)
{
	drop(p->x);
	drop(p->w);
	drop(p->q);
	drop(p->scale);
	drop(p->zero);
	drop(p->input_scale);
	drop(p->bias);
	drop(p->residual);
	drop(p->packed);
}

/* Return x[r, k] of p as it is narrowed. */
static float
input(const Product *p, size_t r, size_t k)
{
	return p->weights.input_scale ? p->x[r * p->ldx + k] * p->input_scale[k] : p->x[r * p->ldx + k];
}

/*
 * Narrow row r of p by definition into row; an x within 0.05 of a tie is moved, so
 * that every version has the same integers.
 */
static void
settle_row(Product *p, size_t r, Row *row)
{
	float low = INFINITY, high = -INFINITY, range, inverse, levels;
	bool symmetric = p->weights.symmetric;

	for (size_t k = 0; k < p->d_in; k++)
	{
		low = fminf(low, input(p, r, k));
		high = fmaxf(high, input(p, r, k));
	}
	levels = symmetric ? 127.0f : 255.0f;
	range = symmetric ? fmaxf(high, -low) : high - low;
	inverse = range > 0.0f ? levels / range : 0.0f;
	row->scale = range / levels;
	row->offset = symmetric ? -128.0f * (range / levels) : low;
	for (size_t k = 0; k < p->d_in; k++)
	{
		float from = symmetric ? 0.0f : low;
		float step = (input(p, r, k) - from) * inverse;

		if (fabsf(step - floorf(step) - 0.5f) < 0.05f)
		{
			float v = from + (floorf(step) + 0.25f) * (range / levels);

			p->x[r * p->ldx + k] = p->weights.input_scale ? v / p->input_scale[k] : v;
			step = (input(p, r, k) - from) * inverse;
		}
		row->a[k] = (uint8_t) (rintf(step) + (symmetric ? 128.0f : 0.0f));
	}
}

/* Return row r's product with column n and, in *size, the sum of its parts' magnitudes. */
static double
exact_i8(const Product *p, const Row *row, size_t n, double *size)
{
	double z = p->weights.zero ? p->zero[n] : 0.0;
	double products = 0.0, sum_a = 0.0, sum_q = 0.0;

	for (size_t k = 0; k < p->d_in; k++)
	{
		products += row->a[k] * p->q[n * p->d_in + k];
		sum_a += row->a[k];
		sum_q += p->q[n * p->d_in + k];
	}
	*size = row->scale * (fabs(products) + fabs(z) * sum_a) +
			fabs(row->offset) * (fabs(sum_q) + (double) p->d_in * fabs(z));
	*size *= p->scale[n];
	return p->scale[n] *
		   (row->scale * (products - z * sum_a) + row->offset * (sum_q - (double) p->d_in * z));
}

/* Round x[n] to 16-bit floats and back. */
static void
round_all(float *x, size_t n, bool f16)
{
	for (size_t i = 0; i < n; i++)
		x[i] = from_half(f16, to_half(f16, x[i]));
}

/* Return row r's product with column n and, in *size, the sum of its parts' magnitudes. */
static double
exact_half(const Product *p, size_t r, size_t n, double *size)
{
	const float *x = p->x + r * p->ldx, *w = p->w + n * p->d_in;
	double sum = 0.0;

	*size = 0.0;
	for (size_t k = 0; k < p->d_in; k++)
	{
		double part = (double) x[k] * w[k];

		sum += part;
		*size += fabs(part);
	}
	return sum;
}

/*
 * Return how far a sum of one row of p may be off by roundings, given the sum of its parts'
 * magnitudes: in 8 bits a few of single precision; in 16 bits one for each term; f16 also those
 * of short sums in f16.
 */
static double
sum_bound(const Product *p, bool f16, double size)
{
	if (is_i8(p->kind))
		return 8.0 * EPS * size;
	return size * (EPS * ((double) p->d_in + 8.0) + (f16 ? 0x1p-9 : 0.0));
}

/* Return the steepest slope of act over |x| <= size. */
static double
slope(LepAct act, double size)
{
	return act == LEP_ACT_RELU2 ? 2.0 * size + 1.0 : 1.2;
}

/* Compare a linear with its exact product for one shape and form. */
static void
check_linear(const LepKernels *k, const LepNarrow *kind, size_t rows, size_t d_out, size_t d_in,
			 LepAct act, int form)
{
	bool half = (form & OUT_HALF) != 0 && k->attention_half != NULL, f16 = is_f16(k);
	Product p = make_product(kind, rows, d_out, d_in, form);
	size_t size = half ? sizeof(uint16_t) : sizeof(float);
	char *out = guarded(rows * p.ldo * size, size), *before = malloc(rows * p.ldo * size + 1);
	Row row = {.a = malloc(d_in + 1)};
	LepNarrowLinear l = {.n_block = rows,
						 .w = p.packed,
						 .bias = form & BIAS ? p.bias : NULL,
						 .residual = form & RESIDUAL ? p.residual : NULL,
						 .ldr = p.ldo,
						 .out = out,
						 .ldo = p.ldo,
						 .out_half = half,
						 .n_rows = rows,
						 .d_out = d_out,
						 .d_in = d_in,
						 .act = act};
	double worst = 0.0;
	bool kept = true;

	if (half)
	{
		l.residual = NULL;
		l.act = act = LEP_ACT_NONE;
	}
	memset(out, 0x3e, rows * p.ldo * size);
	if (form & SAME && l.residual)
	{
		memcpy(out, p.residual, rows * p.ldo * sizeof(float));
		l.residual = (float *) out;
	}
	memcpy(before, out, rows * p.ldo * size);
	if (is_i8(kind))
		for (size_t r = 0; r < rows; r++)
			settle_row(&p, r, &row);
	p.block = narrowed(&p, p.x, rows);
	l.rows = p.block;
	kind->linear(&l);
	if (!is_i8(kind))
	{
		round_all(p.x, rows * p.ldx, f16);
		round_all(p.w, d_out * d_in, f16);
	}
	for (size_t r = 0; r < rows; r++)
	{
		if (is_i8(kind))
			settle_row(&p, r, &row);
		for (size_t n = 0; n < p.ldo; n++)
		{
			size_t at = r * p.ldo + n;
			double parts, want, bound, got;

			if (n >= d_out)
			{
				kept = kept && memcmp(out + at * size, before + at * size, size) == 0;
				continue;
			}
			want = is_i8(kind) ? exact_i8(&p, &row, n, &parts) : exact_half(&p, r, n, &parts);
			if (l.bias)
			{
				want += l.bias[n];
				parts += fabs((double) l.bias[n]);
			}
			bound = slope(act, parts) * (sum_bound(&p, f16, parts) + EPS * parts) + 1e-30;
			if (act != LEP_ACT_NONE)
				bound += ACT_ERROR;
			want = lep_ref_act(want, act);
			if (l.residual)
			{
				want += p.residual[at];
				bound += EPS * (fabs(want) + fabs(p.residual[at]));
			}
			if (half)
			{
				got = from_half(f16, ((uint16_t *) out)[at]);
				bound += fabs(want) * (f16 ? 0x1p-11 : 0x1p-8) + (f16 ? 0x1p-25 : 0.0);
			}
			else
				got = ((float *) out)[at];
			worst = fmax(worst, distance(got, want, bound));
		}
	}
	check(worst <= 1.0, "%s %s linear rows %zu d_out %zu d_in %zu act %d form %d: %g of the bound",
		  k->isa, kind->name, rows, d_out, d_in, act, form, worst);
	check(kept, "%s %s linear rows %zu d_out %zu d_in %zu form %d: wrote between rows", k->isa,
		  kind->name, rows, d_out, d_in, form);
	free(row.a);
	free(before);
	drop(out);
	drop(p.block);
	drop_product(&p);
}

/* Check small shapes, tile heights and widths and steps of k, then some of real models. */
static void
test_linear(const LepKernels *k, const LepNarrow *kind)
{
	static const size_t heights[] = {1,	 2,	 3,	 4,	 5,	 6,	 7,	 8,	 9,	 10, 11,
									 12, 13, 14, 15, 16, 17, 25, 31, 32, 33};
	static const size_t widths[] = {1,	2,	3,	4,	5,	6,	7,	8,	9,	10, 11, 12, 13, 14, 15, 16,
									17, 18, 23, 24, 25, 31, 32, 33, 34, 47, 48, 49, 63, 64, 65};
	static const size_t depths[] = {1,	2,	3,	4,	5,	6,	7,	8,	9,	12,
									15, 16, 17, 31, 32, 33, 63, 64, 65, 129};
	static const size_t real[][3] = {{96, 384, 384},  {33, 1152, 384}, {29, 1536, 384},
									 {31, 384, 1536}, {85, 100, 3072}, {5, 2, 384},
									 {1, 384, 1536},  {3, 17, 4099},   {0, 5, 5}};
	bool slow = kind == &lep_ref_i8 || kind == &lep_ref_bf16 || kind == &lep_ref_f16;
	int form = 0;
	size_t depth = 0;

	for (size_t r = 0; r < sizeof(heights) / sizeof(heights[0]); r++)
		for (size_t c = 0; c < sizeof(widths) / sizeof(widths[0]); c++)
			for (int i = 0; i < (slow ? 1 : 3); i++)
			{
				form = (form + 75) % FORMS;
				depth = (depth + 1) % (sizeof(depths) / sizeof(depths[0]));
				check_linear(k, kind, heights[r], widths[c], depths[depth],
							 (LepAct) ((form + form / 12) % LEP_ACT_COUNT), form);
			}
	for (int f = 0; f < FORMS; f++)
		for (size_t i = 0; i < sizeof(depths) / sizeof(depths[0]); i += 3)
			check_linear(k, kind, 7, 19, depths[i], (LepAct) (f % LEP_ACT_COUNT), f);
	for (size_t i = slow ? 5 : 0; i < sizeof(real) / sizeof(real[0]); i++)
		for (int f = (int) i % 2; f < FORMS; f += 2 * 140 + 1)
			check_linear(k, kind, real[i][0], real[i][1], real[i][2], (LepAct) (f % 2), f);
	check(kind->packed_size(SIZE_MAX, 2) == 0 && kind->packed_size(SIZE_MAX / 8, 64) == 0 &&
			  kind->packed_size(2, SIZE_MAX) == 0,
		  "%s %s: packed size overflow not seen", k->isa, kind->name);
	check(kind->rows_size(SIZE_MAX, 2) == 0 && kind->rows_size(SIZE_MAX / 8, 64) == 0 &&
			  kind->rows_size(2, SIZE_MAX) == 0,
		  "%s %s: rows size overflow not seen", k->isa, kind->name);
}

/* Check that the largest sums stay whole: no saturation and no overflow. */
static void
test_extremes(const LepKernels *k)
{
	static const size_t depths[] = {4096, 16384, 4099};
	static const int8_t weights[] = {-127, 127};

	for (size_t i = 0; i < 6; i++)
	{
		size_t d_in = depths[i / 2];
		Product p = make_product(k->i8, 3, 5, d_in, 0);
		float *out = array(15);
		LepNarrowLinear l = {
			.n_block = 3, .out = out, .ldo = 5, .n_rows = 3, .d_out = 5, .d_in = d_in};
		double worst = 0.0;

		memset(p.q, weights[i & 1], 5 * d_in);
		for (size_t n = 0; n < d_in; n++)
			p.q[3 * d_in + n] = n & 1 ? 127 : -127;
		drop(p.packed);
		pack(&p);
		for (size_t r = 0; r < 3; r++)
			for (size_t n = 0; n < d_in; n++)
				p.x[r * p.ldx + n] = n == 17 * r ? 0.0f : 1.0f;
		p.block = narrowed(&p, p.x, 3);
		l.rows = p.block;
		l.w = p.packed;
		k->i8->linear(&l);
		for (size_t r = 0; r < 3; r++)
			for (size_t n = 0; n < 5; n++)
			{
				double want = 0.0;

				for (size_t c = 0; c < d_in; c++)
					want += c == 17 * r ? 0.0 : p.q[n * d_in + c];
				want *= p.scale[n];
				worst = fmax(worst, distance(out[r * 5 + n], want, 6.0 * EPS * (fabs(want) + 1.0)));
			}
		check(worst <= 1.0, "%s i8 d_in %zu weights %d: %g of the bound", k->isa, d_in,
			  weights[i & 1], worst);
		drop(out);
		drop(p.block);
		drop_product(&p);
	}
}

/* Rows that are hard to narrow. */
static void
odd_row(float *x, size_t n, int kind)
{
	for (size_t i = 0; i < n; i++)
	{
		float u = noise();

		switch (kind)
		{
			case 0: /* around zero, with an outlier */
				x[i] = i == n / 2 ? 40.0f : u;
				break;
			case 1: /* all the same */
				x[i] = 0.75f;
				break;
			case 2:
				x[i] = 0.0f;
				break;
			case 3: /* all negative */
				x[i] = u - 3.0f;
				break;
			case 4: /* far from zero */
				x[i] = u + 1000.0f;
				break;
			case 5: /* huge */
				x[i] = u * 6e37f;
				break;
			case 6: /* small */
				x[i] = u * 1e-20f;
				break;
			case 7: /* nothing */
				x[i] = u * 1e-38f;
				break;
			case 8: /* every tie there is */
				x[i] = (float) (i % 511) * 0.5f;
				break;
			default:
				x[i] = u;
				break;
		}
	}
}

/*
 * Check the integers, the scale and the offset of single rows.  One-hot weights show
 * scale * a[k] + offset; the difference of the places of the highest and the lowest a shows scale.
 */
static void
test_rows_i8(const LepKernels *k)
{
	static const size_t depths[] = {1, 2, 3, 4, 7, 15, 16, 17, 33, 64, 100, 129, 600};

	for (int form = 0; form < 4; form++)
		for (int kind = 0; kind < 10; kind++)
			for (size_t i = 0; i < sizeof(depths) / sizeof(depths[0]); i++)
			{
				size_t d = depths[i], top = 0, bottom = 0;
				int flags = (form & 1 ? SYMMETRIC : 0) | (form & 2 ? INPUT_SCALE : 0);
				Product p = make_product(k->i8, 1, d + 1, d, flags);
				float *got = array(d + 1), *want = array(d + 1);
				LepNarrowLinear l = {
					.n_block = 1, .ldo = d + 1, .n_rows = 1, .d_out = d + 1, .d_in = d};
				double scale, offset, worst = 0.0;
				bool symmetric = (form & 1) != 0;
				void *packed;

				odd_row(p.x, d, kind);
				for (size_t c = 0; c < d; c++)
				{
					top = input(&p, 0, c) > input(&p, 0, top) ? c : top;
					bottom = input(&p, 0, c) < input(&p, 0, bottom) ? c : bottom;
				}
				memset(p.q, 0, (d + 1) * d);
				for (size_t n = 0; n <= d; n++)
					p.scale[n] = 1.0f;
				for (size_t n = 0; n < d; n++)
					p.q[n * d + n] = 1;
				p.q[d * d + top] = 1;
				p.q[d * d + bottom] = (int8_t) (p.q[d * d + bottom] - 1);
				drop(p.packed);
				pack(&p);
				p.block = narrowed(&p, p.x, 1);
				l.rows = p.block;
				l.w = p.packed;
				l.out = got;
				k->i8->linear(&l);
				drop(p.block);
				/* the same by definition */
				packed = p.packed;
				p.kind = &lep_ref_i8;
				pack(&p);
				p.block = narrowed(&p, p.x, 1);
				l.rows = p.block;
				l.w = p.packed;
				l.out = want;
				p.kind->linear(&l);
				scale = ((const float *) p.block)[0];
				offset = ((const float *) p.block)[1];
				for (size_t n = 0; n < d; n++)
				{
					double v = input(&p, 0, n);
					double rounding = 4.0 * EPS * (fabs(offset) + 256.0 * scale) + 1e-44;

					/* half a step from the input, and the same step but for near ties */
					worst = fmax(worst, distance(got[n], v, 0.501 * scale + rounding + 0x1p-99));
					worst = fmax(worst, distance(got[n], want[n], 1.001 * scale + rounding));
					if (scale > 0.0 && fabs(offset) < 1e4 * scale)
					{
						double a = (got[n] - offset) / scale;

						worst = fmax(worst, fabs(a - rint(a)) / 0.02);
					}
				}
				check(worst <= 1.0, "%s i8 rows d_in %zu form %d kind %d: %g of the bound", k->isa,
					  d, form, kind, worst);
				check(distance(got[d], want[d], 3.0 * EPS * fabs((double) want[d]) + 1e-44) <=
							  1.0 ||
						  symmetric,
					  "%s i8 rows d_in %zu form %d kind %d: scale %.9g, not %.9g", k->isa, d, form,
					  kind, got[d] / 255.0, want[d] / 255.0);
				check(distance(got[bottom], want[bottom],
							   2.0 * EPS * (fabs(offset) + 256.0 * scale) + 1e-44) <= 1.0,
					  "%s i8 rows d_in %zu form %d kind %d: lowest %.9g, not %.9g", k->isa, d, form,
					  kind, got[bottom], want[bottom]);
				drop(packed);
				drop(p.block);
				drop_product(&p);
				drop(got);
				drop(want);
			}
}

/* Check that one-hot weights show every x rounded to 16 bits, the largest finite ones too. */
static void
test_rows_half(const LepKernels *k)
{
	enum
	{
		D = 64
	};
	Product p = make_product(k->half, 9, D, D, 0);
	float *out = array(9 * D);
	LepNarrowLinear l = {.n_block = 9, .out = out, .ldo = D, .n_rows = 9, .d_out = D, .d_in = D};
	bool same = true, f16 = is_f16(k);

	memset(p.w, 0, D * D * sizeof(float));
	for (size_t i = 0; i < D; i++)
		p.w[i * D + i] = 1.0f;
	drop(p.packed);
	pack(&p);
	for (size_t i = 0; i < 9 * D; i++)
	{
		p.x[i] = ldexpf(1.0f + 0.5f * noise(), (int) (i % 28) - 13);
		if (i % 5 == 0) /* ties between two neighbours */
			p.x[i] = 1.0f + (float) (i % 64) / (f16 ? 2048.0f : 256.0f);
	}
	p.block = narrowed(&p, p.x, 9);
	l.rows = p.block;
	l.w = p.packed;
	k->half->linear(&l);
	for (size_t i = 0; i < 9 * D; i++)
		same = same && out[i] == from_half(f16, to_half(f16, p.x[i]));
	check(same, "%s %s rows: not the nearest 16-bit floats", k->isa, k->half->name);
	drop(out);
	drop(p.block);
	drop_product(&p);
}

/* Check that a row's bits depend neither on the number of rows nor on its place. */
static void
test_same_bits(const LepKernels *k, const LepNarrow *kind)
{
	static const size_t shapes[][2] = {{70, 33}, {47, 130}, {96, 384}, {9, 1536}, {40, 1024}};

	for (int s = 0; s < 5; s++)
	{
		size_t rows = 101, d_out = shapes[s][0], d_in = shapes[s][1];
		int form = (s & 1 ? ZERO : 0) | (s == 2 ? SYMMETRIC : 0) | (s == 4 ? 0 : 3);
		Product p = make_product(kind, rows, d_out, d_in, form);
		float *all = array(rows * p.ldo), *part = array(rows * p.ldo);
		bool same = true;
		LepNarrowLinear l = {.w = p.packed,
							 .bias = p.bias,
							 .ldr = p.ldo,
							 .ldo = p.ldo,
							 .d_out = d_out,
							 .d_in = d_in,
							 .act = s & 1 ? LEP_ACT_GELU : LEP_ACT_NONE};
		void *whole = narrowed(&p, p.x, rows);

		l.residual = s & 1 ? p.residual : NULL;
		l.rows = whole;
		l.n_block = l.n_rows = rows;
		l.out = all;
		kind->linear(&l);
		for (size_t n = 1; n <= 35; n++)
			for (size_t first = n % 5; first + n <= rows; first += 41 + n)
			{
				size_t piece = 1 + n / 3, n_block = n + first % 3;
				void *own = rows_block(kind, n_block, d_in);

				/* these rows of the whole block, then in a block of theirs, filled piece by piece */
				for (size_t r = 0; r < n; r += piece)
					kind->rows(p.x + (first + r) * p.ldx, p.ldx, n - r < piece ? n - r : piece,
							   d_in, p.packed, n_block, n_block - n + r, own);
				for (int way = 0; way < 2; way++)
				{
					l.rows = way ? own : whole;
					l.n_block = way ? n_block : rows;
					l.first = way ? n_block - n : first;
					l.n_rows = n;
					l.residual = s & 1 ? p.residual + first * p.ldo : NULL;
					l.out = part;
					kind->linear(&l);
					for (size_t r = 0; r < n; r++)
						same = same && memcmp(part + r * p.ldo, all + (first + r) * p.ldo,
											  d_out * sizeof(float)) == 0;
				}
				drop(own);
			}
		check(same, "%s %s linear d_out %zu d_in %zu: bits depend on neighbours", k->isa,
			  kind->name, d_out, d_in);
		drop(whole);
		drop_product(&p);
		drop(all);
		drop(part);
	}
}

/* Check that norm_rows is norm, then rows, bit by bit. */
static void
test_norm_rows(const LepKernels *k, const LepNarrow *kind)
{
	for (size_t d = 1; d <= 400; d += d < 70 ? 1 : 67)
	{
		size_t rows = 1 + d % 17, n_block = rows + d % 3, first = d % 3;
		int form = (d & 1 ? SYMMETRIC : 0) | (d & 2 ? INPUT_SCALE : 0);
		Product p = make_product(kind, rows, 37, d, form);
		float *gamma = array(d), *beta = array(d), *out = array(rows * d), *want = array(rows * d);
		float *y = array(rows * 37), *y_want = array(rows * 37);
		void *block = rows_block(kind, n_block, d), *block_want = rows_block(kind, n_block, d);
		LepNarrowLinear l = {.rows = block,
							 .n_block = n_block,
							 .first = first,
							 .w = p.packed,
							 .bias = p.bias,
							 .out = y,
							 .ldo = 37,
							 .n_rows = rows,
							 .d_out = 37,
							 .d_in = d};

		p.ldx = d; /* dense, as norm's rows are: the form has no padding */
		k->norm(p.x, gamma, beta, 1e-12f, want, rows, d);
		kind->rows(want, d, rows, d, p.packed, n_block, first, block_want);
		kind->norm_rows(p.x, gamma, beta, 1e-12f, out, rows, d, p.packed, n_block, first, block);
		kind->linear(&l);
		l.rows = block_want;
		l.out = y_want;
		kind->linear(&l);
		check(memcmp(out, want, rows * d * sizeof(float)) == 0, "%s %s norm_rows d %zu: norm",
			  k->isa, kind->name, d);
		check(memcmp(y, y_want, rows * 37 * sizeof(float)) == 0, "%s %s norm_rows d %zu: rows",
			  k->isa, kind->name, d);
		kind->norm_rows(p.x, gamma, beta, 1e-12f, p.x, rows, d, p.packed, n_block, first, block);
		l.rows = block;
		l.out = y;
		kind->linear(&l);
		check(memcmp(p.x, want, rows * d * sizeof(float)) == 0 &&
				  memcmp(y, y_want, rows * 37 * sizeof(float)) == 0,
			  "%s %s norm_rows d %zu: in place", k->isa, kind->name, d);
		drop(gamma);
		drop(beta);
		drop(out);
		drop(want);
		drop(y);
		drop(y_want);
		drop(block);
		drop(block_want);
		drop_product(&p);
	}
}

/* Check that a row that is not finite stays alone and stays so. */
static void
test_not_finite(const LepKernels *k, const LepNarrow *kind)
{
	for (int form = 0; form < 2; form++)
	{
		Product p = make_product(kind, 23, 40, 37, form ? SYMMETRIC | ZERO : 0);
		float *out = array(23 * 40);
		bool right = true;
		LepNarrowLinear l = {
			.n_block = 23, .w = p.packed, .out = out, .ldo = 40, .n_rows = 23, .d_out = 40};

		l.d_in = 37;
		p.x[7 * 37 + 5] = NAN;
		p.x[9 * 37 + 36] = INFINITY;
		p.x[11 * 37] = -INFINITY;
		p.x[13 * 37 + 20] = -NAN;
		p.block = narrowed(&p, p.x, 23);
		l.rows = p.block;
		kind->linear(&l);
		for (size_t r = 0; r < 23; r++)
			for (size_t j = 0; j < 40; j++)
			{
				bool odd = r == 7 || r == 9 || r == 11 || r == 13;

				right = right && (isfinite(out[r * 40 + j]) != 0) == !odd;
			}
		check(right, "%s %s linear form %d: NaN or infinity went astray", k->isa, kind->name, form);
		drop(out);
		drop(p.block);
		drop_product(&p);
	}
}

/* Check the activations of narrow products, which may be less exact, on sums that are a bias alone. */
static void
test_activations(const LepKernels *k, const LepNarrow *kind)
{
	enum
	{
		N = 4099
	};

	for (int act = 0; act < LEP_ACT_COUNT; act++)
	{
		Product p = make_product(kind, 1, N, 4, 0);
		float *out = array(N);
		LepNarrowLinear l = {.n_block = 1,
							 .bias = p.bias,
							 .out = out,
							 .ldo = N,
							 .n_rows = 1,
							 .d_out = N,
							 .d_in = 4,
							 .act = (LepAct) act};
		double worst = 0.0;
		float at = 0.0f;

		memset(p.q, 0, N * 4);
		memset(p.w, 0, N * 4 * sizeof(float));
		for (int i = 0; i < N; i++)
			p.bias[i] = i < 4000 ? (float) (i - 2000) / 200.0f : noise() * 100.0f;
		p.bias[N - 1] = 1e18f;
		p.bias[N - 2] = -1e18f;
		drop(p.packed);
		pack(&p);
		p.block = narrowed(&p, p.x, 1);
		l.rows = p.block;
		l.w = p.packed;
		kind->linear(&l);
		for (int i = 0; i < N; i++)
		{
			double want = lep_ref_act(p.bias[i], (LepAct) act);
			double d =
				distance(out[i], want, (act == LEP_ACT_NONE ? 0.0 : ACT_ERROR) + 5e-7 * fabs(want));

			if (d > worst)
			{
				worst = d;
				at = p.bias[i];
			}
		}
		check(worst <= 1.0, "%s %s activation %d: %g of the bound at %.9g", k->isa, kind->name, act,
			  worst, at);
		if (getenv("VERBOSE"))
			printf("%s %s activation %d: %.3g of the bound at %.9g\n", k->isa, kind->name, act,
				   worst, at);
		drop(out);
		drop(p.block);
		drop_product(&p);
	}
}

/* Run every test of products of one kind. */
static void
test_kind(const LepKernels *k, const LepNarrow *kind)
{
	test_linear(k, kind);
	test_norm_rows(k, kind);
	test_not_finite(k, kind);
	test_activations(k, kind);
	if (k->same_bits)
		test_same_bits(k, kind);
}

/* Run every test on one table; what it shares with the reference only when it is that. */
static void
test_table(const LepKernels *k)
{
	check(k->i8 != NULL, "%s has no products in 8 bits", k->isa);
	if (k->i8 && (k->i8 != ref->i8 || k == ref))
	{
		test_rows_i8(k);
		test_extremes(k);
		test_kind(k, k->i8);
	}
	if (k->half)
	{
		test_rows_half(k);
		test_kind(k, k->half);
	}
}

int
main(void)
{
	LepKernels f16;
	char why[256];

	ref = lep_kernels_choose("reference");
	if (!check(ref != NULL, "no reference kernels"))
		return test_done();
	f16 = *ref;
	f16.isa = "reference with f16";
	f16.half = &lep_ref_f16;
	f16.i8 = ref->i8;
	test_table(&f16);
	if (!lep_blas_load(why, sizeof(why)))
		printf("no blas: %s\n", why);
	for (const char *const *name = lep_kernels_names() + 1; *name; name++)
	{
		const LepKernels *k = lep_kernels_choose(*name);

		if (k == NULL)
			printf("%s cannot run here\n", *name);
		else
		{
			test_table(k);
			printf("%s ran%s%s\n", *name, k->i8 == ref->i8 ? "" : " with products in 8 bits",
				   k->half ? " and in 16 bits" : "");
		}
	}
	return test_done();
}
