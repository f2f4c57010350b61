/*
 * amx_linear.h: the linear of narrow products on tiles, over the rows, weights and epilogue of
 * simd_narrow.inc, after which it is included.  Owns its blocking; refuses to know numbers.
 *
 * Rows of a block stay in the L1 cache while panels, which lie in order, stream past them from L2.
 * All blocks of a call are equally high, so that tiles are configured once: the last begins within
 * the one before it and finishes only the rows that are new.  A block is finished after the next
 * one's multiplications have begun, so that the processor does both.
 */
#ifndef LEPTON_X86_AMX_LINEAR_H
#define LEPTON_X86_AMX_LINEAR_H

#define AMX_HEIGHT	 (2 * AMX_ROWS)
#define AMX_L2_BYTES 1310720 /* of panels, kept in L2 while all rows pass over them */

/* A call. */
typedef struct AmxLinear
{
	const LepNarrowLinear *a;
	NarrowBlock rows;
#if NARROW_BITS == 8
	NarrowArrays arrays;
#endif
	const WEIGHT_T *panels;
	size_t depth; /* padded d_in */
} AmxLinear;

/* Sums that have been computed, of rows [m, m + rows) and a panel's columns. */
typedef struct AmxSums
{
	int32_t *sums; /* [rows, NR] */
	size_t m, rows, n, cols;
	const float *bias; /* [cols], whole registers */
} AmxSums;

/* Make outputs of sums, if there are any. */
static inline void
amx_finish(const AmxLinear *l, const AmxSums *s)
{
	const LepNarrowLinear *a = l->a;
	size_t out_size = a->out_half ? sizeof(uint16_t) : sizeof(float);
	NarrowFinish f = {.sums = s->sums, .cols = s->cols, .ldr = a->ldr, .ldo = a->ldo};

	if (s->rows == 0)
		return;
	f.rows = s->rows;
	f.out_half = a->out_half;
#if NARROW_BITS == 8
	f.row_scale = l->rows.scale + a->first + s->m;
	f.row_offset = l->rows.offset + a->first + s->m;
	f.col_scale = l->arrays.scale + s->n;
	f.col_sum = l->arrays.sum + s->n;
	f.bias = s->bias;
	f.col_zero = l->arrays.head->has_zero ? l->arrays.zero + s->n : NULL;
	f.row_sum = l->rows.sum + a->first + s->m;
#endif
	f.residual = a->residual ? a->residual + s->m * a->ldr + s->n : NULL;
	f.out = (char *) a->out + (s->m * a->ldo + s->n) * out_size;
	narrow_finish(&f, a->act);
}

/* Return the bias of up to width columns from n on: the call's own, or a copy filled up with zeros. */
static inline const float *
amx_bias(const LepNarrowLinear *a, size_t n, size_t width, float *copy)
{
	if (a->bias && a->d_out - n >= width)
		return a->bias + n;
	for (size_t c = 0; c < width; c++)
		copy[c] = a->bias && n + c < a->d_out ? a->bias[n + c] : 0.0f;
	return copy;
}

/* Compute rows in blocks of `height` > 16. */
static inline void
amx_tall_linear(const AmxLinear *l, size_t height)
{
	const LepNarrowLinear *a = l->a;
	int32_t sums[2][AMX_HEIGHT * NR] __attribute__((aligned(64)));
	float tail[NR] __attribute__((aligned(64))); /* bias of a narrower panel, or zeros for all */
	size_t panel = NR * l->depth * sizeof(WEIGHT_T), fits = AMX_L2_BYTES / (panel ? panel : 1);
	size_t group = (fits ? fits : 1) * NR, turn = 0;
	AmxSums last = {.rows = 0};

	for (size_t c = 0, n = a->d_out / NR * NR; c < NR; c++)
		tail[c] = a->bias && n + c < a->d_out ? a->bias[n + c] : 0.0f;
	for (size_t n0 = 0; n0 < a->d_out; n0 += group)
	{
		size_t n1 = a->d_out - n0 < group ? a->d_out : n0 + group;

		for (size_t m = 0; m < a->n_rows; m += height)
		{
			size_t from = a->n_rows - m < height ? a->n_rows - height : m;
			const char *x = l->rows.rows + (a->first + from) * l->rows.stride;

			for (size_t n = n0; n < n1; n += NR, turn ^= 1)
			{
				size_t cols = a->d_out - n < NR ? a->d_out - n : NR;
				const float *bias = a->bias && cols == NR ? a->bias + n : tail;
				AmxBlock b = {.steps = l->depth / PAD,
							  .x = x,
							  .ldx = l->rows.stride,
							  .w = {(const char *) (l->panels + n * l->depth), NULL},
							  .vecs = {padded_columns(cols) / W, 0},
							  .out = {sums[turn], NULL},
							  .outstep = NR * 4};

				if (NARROW_BITS == 16)
					b.init = bias;
				amx_tall(&b);
				amx_finish(l, &last);
				last = (AmxSums){.sums = sums[turn] + (m - from) * NR,
								 .m = m,
								 .rows = from + height - m,
								 .n = n,
								 .cols = cols,
								 .bias = bias};
			}
		}
	}
	amx_finish(l, &last);
}

/* Compute at most 16 rows. */
static inline void
amx_flat_linear(const AmxLinear *l)
{
	const LepNarrowLinear *a = l->a;
	int32_t sums[2][2][AMX_ROWS * NR] __attribute__((aligned(64)));
	float bias[2][2 * NR] __attribute__((aligned(64)));
	const WEIGHT_T *w = l->panels;
	AmxSums last[2] = {{.rows = 0}, {.rows = 0}};
	size_t turn = 0;

	for (size_t n = 0; n < a->d_out; n += 2 * NR, turn ^= 1)
	{
		const float *init = amx_bias(a, n, 2 * NR, bias[turn]);
		AmxSums now[2] = {{.rows = 0}, {.rows = 0}};
		AmxBlock b = {.steps = l->depth / PAD,
					  .x = l->rows.rows + a->first * l->rows.stride,
					  .ldx = l->rows.stride,
					  .vecs = {0, 0},
					  .init = NARROW_BITS == 16 ? init : NULL,
					  .out = {sums[turn][0], sums[turn][1]},
					  .outstep = NR * 4};

		for (size_t i = 0, from = n; i < 2 && from < a->d_out; i++, from += NR)
		{
			size_t cols = a->d_out - from < NR ? a->d_out - from : NR;
			size_t width = padded_columns(cols);

			now[i] = (AmxSums){.sums = sums[turn][i],
							   .rows = a->n_rows,
							   .n = from,
							   .cols = cols,
							   .bias = init + i * NR};
			b.w[i] = (const char *) w;
			b.vecs[i] = width / W;
			w += width * l->depth;
		}
		amx_flat(&b);
		for (size_t i = 0; i < 2; i++)
		{
			amx_finish(l, &last[i]);
			last[i] = now[i];
		}
	}
	for (size_t i = 0; i < 2; i++)
		amx_finish(l, &last[i]);
}

/* out[n_rows, d_out] = act(x * w^T + bias) + residual, see LepNarrowLinear. */
static void
amx_linear(const LepNarrowLinear *a)
{
	AmxLinear l = {.a = a, .depth = padded_depth(a->d_in)};
	size_t blocks = (a->n_rows + AMX_HEIGHT - 1) / AMX_HEIGHT;
	size_t height;

	if (a->n_rows == 0 || a->d_out == 0)
		return;
	height = (a->n_rows + blocks - 1) / blocks;
	l.rows = narrow_block((void *) a->rows, a->n_block, a->d_in);
#if NARROW_BITS == 8
	l.arrays = narrow_arrays(a->w, a->d_out, a->d_in);
	l.panels = l.arrays.panels;
#else
	l.panels = a->w;
#endif
	amx_configure(height);
	if (height > AMX_ROWS)
		amx_tall_linear(&l, height);
	else
		amx_flat_linear(&l);
	amx_release();
}

#endif
