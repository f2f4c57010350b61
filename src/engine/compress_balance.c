/*
 * compress_balance.c: how much each input of a linear is scaled before it is narrowed.
 *
 * x w^T = (x s) (w / s)^T for any s > 0.  SmoothQuant (arXiv:2211.10438) takes
 * 1 / s = max |x|^a / max |w|^(1 - a) for each input.  From there the expected error is lowered step
 * by step.  Rounding errors are taken as evenly spread over a step of the grid, so that with the rows' ranges R,
 * the outputs' largest scaled weights T and the input columns X and W it is in proportion to
 *		sum R^2 * sum |W_k / s_k|^2 / 255^2 + EVENED * sum T^2 * sum |X_k s_k|^2 / 127^2
 */
#define LEPTON_ENGINE_SOURCE
#include <math.h>
#include <string.h>

#include "compress_parts.h"

#define LEAST	  1e-5f /* of the largest: smaller inputs and weights count as that */
#define SPREAD	  1e4f	/* most that one input is scaled beside the mean */
#define STEPS	  48
#define FIRST	  0.2f	/* largest change of log s in the first step ... */
#define LAST	  0.01f /* ... and in the last one */
#define STOP_ROWS 64

/* The expected error at one place, and how it changes with log s. */
typedef struct Slope
{
	const LepPress *press;
	const LepFit *f;
	const float *x; /* [n, cols] */
	size_t n;
	bool symmetric;
	double *x_power, *w_power; /* [cols]: squared lengths of columns */
	double *x_top, *w_top;	   /* [cols]: parts in the sums of R^2 and T^2 */
	double *gradient;		   /* [cols] */
	double error;
} Slope;

/* Largest of v[n]. */
static float
largest(const float *v, size_t n)
{
	float top = 0;

	for (size_t i = 0; i < n; i++)
		top = v[i] > top ? v[i] : top;
	return top;
}

/* Set s[n] by SmoothQuant's rule from the columns' largest values, around 1. */
void
lep_balance_start(const float *x_top, const float *w_top, size_t n, float strength, float *s)
{
	float x_least = LEAST * largest(x_top, n);
	float w_least = LEAST * largest(w_top, n);
	double mean = 0;

	for (size_t k = 0; k < n; k++)
		s[k] = 1;
	if (!(strength > 0 && x_least > 0 && w_least > 0))
		return;
	for (size_t k = 0; k < n; k++)
	{
		float x = x_top[k] > x_least ? x_top[k] : x_least;
		float w = w_top[k] > w_least ? w_top[k] : w_least;

		s[k] = powf(w, 1 - strength) / powf(x, strength);
		mean += log(s[k]) / (double) n;
	}
	for (size_t k = 0; k < n; k++)
	{
		s[k] = (float) (s[k] / exp(mean));
		s[k] = s[k] > 1 / SPREAD ? s[k] : 1 / SPREAD;
		s[k] = s[k] < SPREAD ? s[k] : SPREAD;
	}
}

/* Sum the rows' squared ranges, and who makes them; -1 when cancelled. */
static double
sum_ranges(const Slope *slope, const float *s)
{
	size_t cols = slope->f->cols;
	double sum = 0;

	memset(slope->x_top, 0, cols * sizeof(double));
	for (size_t row = 0; row < slope->n; row++)
	{
		const float *x = slope->x + row * cols;
		float low = INFINITY;
		float high = -INFINITY;
		size_t lowest = 0;
		size_t highest = 0;
		double range;

		if (row % STOP_ROWS == 0 && lep_stopped(slope->press->stop))
			return -1;
		for (size_t k = 0; k < cols; k++)
		{
			float v = x[k] * s[k];

			v = slope->symmetric ? fabsf(v) : v;
			lowest = v < low ? k : lowest;
			low = v < low ? v : low;
			highest = v > high ? k : highest;
			high = v > high ? v : high;
		}
		if (slope->symmetric)
			low = 0; /* two steps of 1 / 127 of it are one of the whole range */
		range = (slope->symmetric ? 2.0 : 1.0) * ((double) high - low);
		sum += range * range;
		slope->x_top[highest] += range * high * (slope->symmetric ? 2 : 1);
		if (!slope->symmetric)
			slope->x_top[lowest] -= range * low;
	}
	return sum;
}

/* Sum the outputs' squared largest weights, and who makes them; -1 when cancelled. */
static double
sum_tops(const Slope *slope, const float *s, float *inverse)
{
	size_t cols = slope->f->cols;
	double sum = 0;

	memset(slope->w_top, 0, cols * sizeof(double));
	for (size_t k = 0; k < cols; k++)
		inverse[k] = 1 / s[k];
	for (size_t row = 0; row < slope->f->rows; row++)
	{
		const float *w = slope->f->w + row * cols;
		float top = -1;
		size_t at = 0;

		if (row % STOP_ROWS == 0 && lep_stopped(slope->press->stop))
			return -1;
		for (size_t k = 0; k < cols; k++)
		{
			float v = fabsf(w[k]) * inverse[k];

			at = v > top ? k : at;
			top = v > top ? v : top;
		}
		sum += (double) top * top;
		slope->w_top[at] += (double) top * top;
	}
	return sum;
}

/* Compute error and gradient at s[cols]; false when cancelled. */
static bool
look_around(Slope *slope, const float *s, float *inverse)
{
	size_t cols = slope->f->cols;
	double ranges = sum_ranges(slope, s);
	double tops = ranges >= 0 ? sum_tops(slope, s, inverse) : -1;
	double weights = 0;
	double inputs = 0;
	double by_input;
	double by_weight;

	if (tops < 0)
		return false;
	for (size_t k = 0; k < cols; k++)
	{
		weights += slope->w_power[k] / ((double) s[k] * s[k]);
		inputs += slope->x_power[k] * ((double) s[k] * s[k]);
	}
	by_input = ranges * weights / (255.0 * 255.0);
	by_weight = LEP_EVENED * tops * inputs / (127.0 * 127.0);
	slope->error = by_input + by_weight;
	for (size_t k = 0; k < cols && slope->error > 0; k++)
	{
		double square = (double) s[k] * s[k];
		double g = 0;

		if (by_input > 0)
			g += by_input * (slope->x_top[k] / ranges - slope->w_power[k] / square / weights);
		if (by_weight > 0)
			g += by_weight * (slope->x_power[k] * square / inputs - slope->w_top[k] / tops);
		slope->gradient[k] = g / slope->error;
	}
	return true;
}

/* Squared lengths of the columns of x[n, cols]. */
static void
add_powers(const float *x, size_t n, size_t cols, double *power)
{
	for (size_t row = 0; row < n; row++)
		for (size_t k = 0; k < cols; k++)
			power[k] += (double) x[row * cols + k] * x[row * cols + k];
}

/* Lower the expected error from s[cols] on. */
LepStatus
lep_balance(const LepPress *press, const LepFit *f, const float *x, size_t n, bool symmetric,
			float *s)
{
	Slope slope = {.press = press, .f = f, .x = x, .n = n, .symmetric = symmetric};
	size_t cols = f->cols;
	double least = HUGE_VAL;
	LepStatus status = LEP_OK;
	LepArena arena;
	double *room;
	float *now;

	lep_arena_init(&arena, press->allocator, 0);
	room = lep_arena_array(&arena, 5 * cols, sizeof(double));
	now = lep_arena_array(&arena, 2 * cols, sizeof(float));
	if (room == NULL || now == NULL)
	{
		lep_arena_free(&arena);
		return lep_press_no_memory(press);
	}
	slope.x_power = room;
	slope.w_power = room + cols;
	slope.x_top = room + 2 * cols;
	slope.w_top = room + 3 * cols;
	slope.gradient = room + 4 * cols;
	add_powers(x, n, cols, slope.x_power);
	add_powers(f->w, f->rows, cols, slope.w_power);
	memcpy(now, s, cols * sizeof(float));
	for (int step = 0; step <= STEPS; step++)
	{
		float most = FIRST * powf(LAST / FIRST, (float) step / STEPS);

		if (!look_around(&slope, now, now + cols))
		{
			status = lep_press_cancelled(press);
			break;
		}
		if (slope.error < least)
		{
			least = slope.error;
			memcpy(s, now, cols * sizeof(float));
		}
		for (size_t k = 0; k < cols; k++)
		{
			float change = (float) (-slope.gradient[k] * (double) cols) * most;

			change = change > -most ? change : -most;
			now[k] *= expf(change < most ? change : most);
			now[k] = now[k] > 1 / SPREAD ? now[k] : 1 / SPREAD;
			now[k] = now[k] < SPREAD ? now[k] : SPREAD;
		}
	}
	lep_arena_free(&arena);
	return status;
}
