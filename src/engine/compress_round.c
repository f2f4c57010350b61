/*
 * compress_round.c: rounds weights and activations to fewer bits, one row at a
 * time, and gives the value back that the kernels then compute with.  It knows no model.
 */
#define LEPTON_ENGINE_SOURCE
#include <math.h>
#include <string.h>

#include "compress_parts.h"

#define LEAST		 1e-30f	   /* magnitudes below it count as 0 */
#define NARROW_LEAST 0x1p-100f /* range of a row that the kernels take for one value */
#define CLIP_STEPS	 8		   /* scales that are tried for a row of weights ... */
#define CLIP_STEP	 0.025f	   /* ... each that much smaller than the full range */
#define FEW_STEP	 0.05f	   /* the same with 16 levels */
#define STOP_NUMBERS (1 << 20) /* numbers rounded between two questions */

/* Round x to f16, halves to even. */
uint16_t
lep_round_f16(float x)
{
	uint32_t bits;
	uint32_t magnitude;
	uint16_t sign;

	memcpy(&bits, &x, sizeof(bits));
	sign = (uint16_t) (bits >> 16 & 0x8000);
	magnitude = bits & 0x7fffffff;
	if (magnitude > 0x7f800000)
		return (uint16_t) (sign | 0x7e00);
	if (magnitude >= 0x477ff000) /* 65520: the first that is nearer to infinity */
		return (uint16_t) (sign | 0x7c00);
	if (magnitude < 0x38800000) /* 2^-14: below, steps are 2^-24 */
		return (uint16_t) (sign | (uint16_t) lep_round_even(fabsf(x) * 0x1p24f));
	magnitude += 0xfff + (magnitude >> 13 & 1);
	return (uint16_t) (sign | (uint16_t) ((magnitude - ((127 - 15) << 23)) >> 13));
}

/* Round x to bf16, halves to even. */
uint16_t
lep_round_bf16(float x)
{
	uint32_t bits;

	memcpy(&bits, &x, sizeof(bits));
	if (isnan(x))
		return (uint16_t) (bits >> 16 | 0x40);
	return (uint16_t) ((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/* Squared error of w[n] on one scale, inputs weighted by moment[n] or alike. */
static float
scale_error(const float *w, const float *moment, size_t n, float scale, float zero,
			const LepGrid *grid)
{
	float inverse = 1.0f / scale;
	float sum = 0;

	for (size_t k = 0; k < n; k++)
	{
		float q = lep_grid_round(w[k], inverse, zero, grid->lowest, grid->highest);
		float e = w[k] - scale * (q - zero);

		sum += (moment != NULL ? moment[k] : 1.0f) * e * e;
	}
	return sum;
}

/* Scale of w[n]: the full range, or a little less where that makes the error smaller. */
static float
fit_scale(const float *w, const float *moment, size_t n, const LepGrid *grid, float *zero,
		  bool quick)
{
	float low = 0;
	float high = 0;
	float best = 1.0f;
	float best_zero = zero != NULL ? 0.0f : grid->constant_zero;
	float least = INFINITY;
	bool few = grid->highest - grid->lowest < 16;

	for (size_t k = 0; k < n; k++)
	{
		low = w[k] < low ? w[k] : low;
		high = w[k] > high ? w[k] : high;
	}
	for (int i = 0; i < CLIP_STEPS && (high > LEAST || low < -LEAST); i += quick ? CLIP_STEPS : 1)
	{
		float share = 1.0f - (float) i * (few ? FEW_STEP : CLIP_STEP);
		float top = high > -low ? high : -low;
		float scale;
		float z = grid->constant_zero;
		float error;

		if (zero != NULL)
		{
			scale = share * (high - low) / (grid->highest - grid->lowest);
			z = lep_round_even(grid->lowest - share * low / scale);
		}
		else
			scale = share * top / (grid->highest - z);
		if (!isfinite(scale) || scale < LEAST)
			continue;
		error = quick ? 0 : scale_error(w, moment, n, scale, z, grid);
		if (error < least)
		{
			least = error;
			best = scale;
			best_zero = z;
		}
	}
	if (zero != NULL)
		*zero = best_zero;
	return best;
}

/* Choose the scales of a grid. */
LepStatus
lep_grid_fit(const LepPress *press, const LepGrid *grid, float *zero, const float *w, size_t rows,
			 size_t cols, const float *moment, bool quick)
{
	size_t groups = cols / grid->group;
	size_t step = STOP_NUMBERS / (cols * 2 * CLIP_STEPS) + 1;

	for (size_t row = 0; row < rows; row++)
	{
		if (row % step == 0 && lep_stopped(press->stop))
			return lep_press_cancelled(press);
		for (size_t g = 0; g < groups; g++)
			grid->scale[row * groups + g] = fit_scale(
				w + row * cols + g * grid->group, moment != NULL ? moment + g * grid->group : NULL,
				grid->group, grid, zero != NULL ? zero + row : NULL, quick);
	}
	return LEP_OK;
}

/* Round all weights one by one. */
LepStatus
lep_grid_nearest(const LepPress *press, const LepGrid *grid, const float *w, size_t rows,
				 size_t cols, int8_t *q)
{
	size_t groups = cols / grid->group;
	size_t step = STOP_NUMBERS / cols + 1;

	for (size_t row = 0; row < rows; row++)
	{
		float zero = grid->zero != NULL ? grid->zero[row] : grid->constant_zero;

		if (row % step == 0 && lep_stopped(press->stop))
			return lep_press_cancelled(press);
		for (size_t g = 0; g < groups; g++)
		{
			float inverse = 1.0f / grid->scale[row * groups + g];

			for (size_t k = g * grid->group; k < (g + 1) * grid->group; k++)
				q[row * cols + k] = (int8_t) lep_grid_round(w[row * cols + k], inverse, zero,
															grid->lowest, grid->highest);
		}
	}
	return LEP_OK;
}

/* Give the weights back that whole numbers stand for. */
void
lep_grid_value(const LepGrid *grid, const int8_t *q, size_t rows, size_t cols, float *w)
{
	size_t groups = cols / grid->group;

	for (size_t row = 0; row < rows; row++)
	{
		float zero = grid->zero != NULL ? grid->zero[row] : grid->constant_zero;

		for (size_t g = 0; g < groups; g++)
		{
			float scale = grid->scale[row * groups + g];

			for (size_t k = g * grid->group; k < (g + 1) * grid->group; k++)
				w[row * cols + k] = scale * ((float) q[row * cols + k] - zero);
		}
	}
}

/* Round rows of a table to int8. */
void
lep_table_round(const float *w, size_t rows, size_t d, int8_t *q, float *scale)
{
	const LepGrid grid = {scale, NULL, 0, d, -127, 127};

	for (size_t row = 0; row < rows; row++)
	{
		float inverse;

		scale[row] = fit_scale(w + row * d, NULL, d, &grid, NULL, false);
		inverse = 1.0f / scale[row];
		for (size_t k = 0; k < d; k++)
			q[row * d + k] = (int8_t) lep_grid_round(w[row * d + k], inverse, 0, -127, 127);
	}
}

/* Give the values back that rows have once they are narrowed to 8 bits. */
void
lep_narrow_value(const float *x, size_t ldx, size_t n_rows, size_t d, const float *input_scale,
				 bool symmetric, float *out)
{
	float levels = symmetric ? 127.0f : 255.0f;

	for (size_t row = 0; row < n_rows; row++, x += ldx, out += d)
	{
		float low = INFINITY;
		float high = -INFINITY;
		float range;
		float scale;
		float offset;
		float inverse;

		for (size_t k = 0; k < d; k++)
		{
			out[k] = input_scale != NULL ? x[k] * input_scale[k] : x[k];
			low = out[k] < low ? out[k] : low;
			high = out[k] > high ? out[k] : high;
		}
		range = symmetric ? (high > -low ? high : -low) : high - low;
		if (!isfinite(range))
			continue;
		offset = symmetric ? 0 : low;
		scale = range < NARROW_LEAST ? 0 : range / levels;
		inverse = range < NARROW_LEAST ? 0 : levels / range;
		for (size_t k = 0; k < d; k++)
			out[k] = lep_round_even((out[k] - offset) * inverse) * scale + offset;
	}
}

/* Round numbers to 16-bit floats and back. */
void
lep_half_value(float *x, size_t n, LepDtype kind)
{
	for (size_t i = 0; i < n; i++)
	{
		uint32_t bits;

		if (kind == LEP_BF16)
		{
			bits = (uint32_t) lep_round_bf16(x[i]) << 16;
			memcpy(&x[i], &bits, sizeof(bits));
		}
		else if (fabsf(x[i]) < 0x1p-14f)
			x[i] = lep_round_even(x[i] * 0x1p24f) * 0x1p-24f;
		else if (fabsf(x[i]) >= 65520.0f)
			x[i] = x[i] > 0 ? INFINITY : -INFINITY;
		else
		{
			memcpy(&bits, &x[i], sizeof(bits));
			bits = (bits + 0xfff + (bits >> 13 & 1)) & ~0x1fffu;
			memcpy(&x[i], &bits, sizeof(bits));
		}
	}
}
