/*
 * compress_fit.c: compresses one linear: tries how far outliers of its inputs are moved into
 * its weights and which kind of narrowing suits it, by the error of its outputs on the
 * sample; then rounds its weights.  It knows no graph and no files.
 */
#define LEPTON_ENGINE_SOURCE
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compress_parts.h"

#define TRIAL_ROWS 384	/* rows of the sample on which choices are measured */
#define GRAM_ROWS  512	/* rows of the sample narrowed at once */
#define GAIN	   0.98 /* a later scheme must be that much better */

static const float strengths[] = {0, 0.25f, 0.4f, 0.5f, 0.6f, 0.75f}; /* a; 0: all s are 1 */

/* What the choices about one linear share. */
typedef struct Fit
{
	const LepPress *press;
	const LepFit *f;
	size_t n;			/* rows of the trial */
	float *x;			/* [n, cols]: the trial's inputs ... */
	float *y;			/* [n, rows]: ... and their outputs */
	float *narrow;		/* [most rows, cols] */
	float *exact;		/* [n, rows]: outputs with exact weights ... */
	float *found;		/* [n, rows]: ... and with rounded ones */
	float *x_top;		/* [cols]: largest inputs */
	float *w_top;		/* [cols]: largest weights of an input */
	float *x_mean;		/* [cols] */
	float *scaled;		/* [rows, cols]: weights divided by input_scale */
	float *value;		/* [rows, cols]: as they are once rounded */
	int8_t *q;			/* [rows, cols] */
	float *scale;		/* [rows] or [rows, cols / group] */
	float *zero;		/* [rows] */
	float *input_scale; /* [cols] */
	void *scratch;
	double power; /* of y */
} Fit;

/* A choice and its error. */
typedef struct Choice
{
	LepScheme scheme;
	bool scaled; /* inputs are */
	double error;
} Choice;

/* out[n, rows] = x[n, cols] * w[rows, cols]^T */
static LepStatus
multiply(const Fit *fit, const float *x, const float *w, float *out)
{
	LepLinear l = {0};

	l.x = x;
	l.ldx = l.d_in = fit->f->cols;
	l.w = w;
	l.out = out;
	l.ldo = l.d_out = fit->f->rows;
	l.n_rows = fit->n;
	return lep_press_product(fit->press, &l, fit->scratch);
}

/* Take the trial's rows and what the inputs and weights are like. */
static LepStatus
look(Fit *fit)
{
	const LepFit *f = fit->f;
	LepStatus status;

	for (size_t row = 0; row < f->n; row++)
	{
		if (row % GRAM_ROWS == 0 && lep_stopped(fit->press->stop))
			return lep_press_cancelled(fit->press);
		for (size_t k = 0; k < f->cols; k++)
		{
			float x = f->x[row * f->ldx + k];

			fit->x_mean[k] += x / (float) f->n;
			fit->x_top[k] = fabsf(x) > fit->x_top[k] ? fabsf(x) : fit->x_top[k];
		}
	}
	for (size_t row = 0; row < f->rows; row++)
		for (size_t k = 0; k < f->cols; k++)
		{
			float w = fabsf(f->w[row * f->cols + k]);

			fit->w_top[k] = w > fit->w_top[k] ? w : fit->w_top[k];
		}
	for (size_t i = 0; i < fit->n; i++)
		memcpy(fit->x + i * f->cols, f->x + i * f->n / fit->n * f->ldx, f->cols * sizeof(float));
	status = multiply(fit, fit->x, f->w, fit->y);
	for (size_t i = 0; i < fit->n * f->rows; i++)
		fit->power += (double) fit->y[i] * fit->y[i];
	return status;
}

/* Relative squared error of the trial's outputs. */
static LepStatus
measure(const Fit *fit, const LepPressed *stored, const float *value, double *error)
{
	double sum = 0;
	LepStatus status;

	lep_pressed_input(fit->press, stored, fit->x, fit->f->cols, fit->n, fit->narrow);
	status = multiply(fit, fit->narrow, value, fit->found);
	for (size_t i = 0; i < fit->n * fit->f->rows; i++)
	{
		double e = (double) fit->found[i] - fit->y[i];

		sum += e * e;
	}
	*error = fit->power > 0 ? sum / fit->power : 0;
	if (!isfinite(*error))
		*error = HUGE_VAL;
	return status;
}

/* Divide the weights by the scales of their inputs. */
static void
scale_weights(Fit *fit)
{
	size_t cols = fit->f->cols;

	for (size_t row = 0; row < fit->f->rows; row++)
		for (size_t k = 0; k < cols; k++)
			fit->scaled[row * cols + k] = fit->f->w[row * cols + k] / fit->input_scale[k];
}

/* The grid of a scheme over the fit's arrays. */
static LepGrid
grid_of(const Fit *fit, LepScheme scheme)
{
	LepGrid grid = {fit->scale, NULL, 0, fit->f->cols, -127, 127};

	if (scheme == LEP_SCHEME_I8_FULL)
		grid.zero = fit->zero;
	if (scheme == LEP_SCHEME_I4)
	{
		grid.constant_zero = 8;
		grid.group = LEP_I4_GROUP;
		grid.lowest = 0;
		grid.highest = 15;
	}
	return grid;
}

/* The fit's arrays as a stored linear; its data is that of the caller. */
static LepPressed
view_of(const Fit *fit, const Choice *choice)
{
	LepPressed stored = {0};

	stored.scheme = choice->scheme;
	stored.rows = fit->f->rows;
	stored.cols = fit->f->cols;
	stored.scale = fit->scale;
	stored.zero = choice->scheme == LEP_SCHEME_I8_FULL ? fit->zero : NULL;
	stored.input_scale = choice->scaled ? fit->input_scale : NULL;
	return stored;
}

/*
 * Measure one scheme at the present scales of inputs, with plainly rounded weights; the error that these make
 * counts as much as evening out will leave of it.
 */
static LepStatus
try(Fit *fit, Choice *choice)
{
	const LepFit *f = fit->f;
	LepGrid grid = grid_of(fit, choice->scheme);
	LepPressed stored = view_of(fit, choice);
	double inputs = 0;
	double weights = 0;
	LepStatus status;

	scale_weights(fit);
	status =
		lep_grid_fit(fit->press, &grid, stored.zero, fit->scaled, f->rows, f->cols, NULL, true);
	if (status == LEP_OK)
		status = lep_grid_nearest(fit->press, &grid, fit->scaled, f->rows, f->cols, fit->q);
	if (status != LEP_OK)
		return status;
	lep_grid_value(&grid, fit->q, f->rows, f->cols, fit->value);
	lep_pressed_input(fit->press, &stored, fit->x, f->cols, fit->n, fit->narrow);
	status = multiply(fit, fit->narrow, fit->scaled, fit->exact);
	if (status == LEP_OK)
		status = multiply(fit, fit->narrow, fit->value, fit->found);
	for (size_t i = 0; i < fit->n * f->rows; i++)
	{
		double input = (double) fit->exact[i] - fit->y[i];
		double weight = (double) fit->found[i] - fit->exact[i];

		inputs += input * input;
		weights += weight * weight;
	}
	choice->error = fit->power > 0 ? (inputs + LEP_EVENED * weights) / fit->power : 0;
	if (!isfinite(choice->error))
		choice->error = HUGE_VAL;
	return status;
}

/* Find the best scales of inputs for a scheme; best_scale[cols] gets them. */
static LepStatus
choose_scales(Fit *fit, Choice *best, float *best_scale)
{
	size_t cols = fit->f->cols;
	size_t n = sizeof(strengths) / sizeof(strengths[0]);

	for (size_t i = 0; i <= n; i++)
	{
		Choice choice = {best->scheme, i > 0, HUGE_VAL};
		LepStatus status = LEP_OK;

		if (i < n)
			lep_balance_start(fit->x_top, fit->w_top, cols, strengths[i], fit->input_scale);
		else
		{
			memcpy(fit->input_scale, best_scale, cols * sizeof(float));
			status = lep_balance(fit->press, fit->f, fit->x, fit->n,
								 best->scheme == LEP_SCHEME_I8_SYMMETRIC, fit->input_scale);
		}
		if (status == LEP_OK)
			status = try(fit, &choice);
		if (status != LEP_OK)
			return status;
		if (i > 0 && !(choice.error < best->error))
			continue;
		*best = choice;
		memcpy(best_scale, fit->input_scale, cols * sizeof(float));
	}
	return LEP_OK;
}

/* Find the best scheme and its scales of inputs. */
static LepStatus
choose(Fit *fit, LepArena *scratch, Choice *best)
{
	size_t cols = fit->f->cols;
	float *best_scale = lep_arena_array(scratch, 2 * cols, sizeof(float));

	if (best_scale == NULL)
		return lep_press_no_memory(fit->press);
	for (size_t i = 0; i < fit->f->n_schemes; i++)
	{
		Choice own = {fit->f->schemes[i], false, HUGE_VAL};
		LepStatus status = choose_scales(fit, &own, best_scale + cols);

		if (status != LEP_OK)
			return status;
		if (i > 0 && !(own.error < GAIN * best->error))
			continue;
		*best = own;
		memcpy(best_scale, best_scale + cols, cols * sizeof(float));
	}
	memcpy(fit->input_scale, best_scale, cols * sizeof(float));
	return LEP_OK;
}

/* Second moments h[cols, cols] of the narrowed inputs in order, and their mean[cols]. */
static LepStatus
gather(const Fit *fit, const LepPressed *stored, const uint32_t *order, float *mean, float *xt,
	   float *h)
{
	const LepFit *f = fit->f;

	for (size_t at = 0; at < f->n; at += GRAM_ROWS)
	{
		size_t n = f->n - at < GRAM_ROWS ? f->n - at : GRAM_ROWS;
		LepStatus status;

		lep_pressed_input(fit->press, stored, f->x + at * f->ldx, f->ldx, n, fit->narrow);
		for (size_t row = 0; row < n; row++)
			for (size_t k = 0; k < f->cols; k++)
				mean[k] += fit->narrow[row * f->cols + k] / (float) f->n;
		if (h == NULL)
			continue;
		status = lep_press_gram(fit->press, fit->narrow, n, f->cols, order, xt, h, fit->scratch);
		if (status != LEP_OK)
			return status;
	}
	return LEP_OK;
}

/* Order columns by the size of their inputs, the largest last. */
static void
order_columns(const float *moment, size_t cols, uint32_t *order)
{
	for (size_t i = 0; i < cols; i++)
	{
		size_t at = i;

		for (; at > 0 && moment[order[at - 1]] > moment[i]; at--)
			order[at] = order[at - 1];
		order[at] = (uint32_t) i;
	}
}

/* moment[cols] of the scaled inputs in the trial */
static void
moments(const Fit *fit, float *moment)
{
	size_t cols = fit->f->cols;

	for (size_t i = 0; i < fit->n; i++)
		for (size_t k = 0; k < cols; k++)
		{
			float x = fit->x[i * cols + k] * fit->input_scale[k];

			moment[k] += x * x;
		}
}

/* Round with errors evened out; q keeps the plain rounding where that turns out better. */
static LepStatus
even_out(Fit *fit, const Choice *choice, const float *moment, float *mean, double *error)
{
	const LepFit *f = fit->f;
	const LepPress *press = fit->press;
	LepGrid grid = grid_of(fit, choice->scheme);
	LepPressed stored = view_of(fit, choice);
	LepArena arena;
	LepStatus status = LEP_OK;
	size_t panel = (2 * LEP_PANEL + 1) * f->cols;
	size_t room = lep_press_even_room(f->rows, f->cols);
	uint32_t *order;
	int8_t *q;
	float *h;
	float *xt;
	float *floats;

	lep_arena_init(&arena, press->allocator, 0);
	order = lep_arena_array(&arena, f->cols, sizeof(uint32_t));
	q = lep_arena_array(&arena, f->rows, f->cols);
	h = lep_arena_array(&arena, f->cols * f->cols, sizeof(float));
	xt = lep_arena_array(&arena, f->cols * GRAM_ROWS, sizeof(float));
	floats = lep_arena_array(&arena, panel > room ? panel : room, sizeof(float));
	if (order == NULL || q == NULL || h == NULL || xt == NULL || floats == NULL)
		status = lep_press_no_memory(press);
	else
	{
		double evened;

		order_columns(moment, f->cols, order);
		status = gather(fit, &stored, order, mean, xt, h);
		if (status == LEP_OK)
			status = lep_press_factor(press, h, f->cols, f->n, floats, fit->scratch);
		if (status == LEP_OK)
			status = lep_press_even(press, &grid, fit->scaled, f->rows, f->cols, h, order, q,
									floats, fit->scratch);
		if (status == LEP_OK)
		{
			lep_grid_value(&grid, q, f->rows, f->cols, fit->value);
			status = measure(fit, &stored, fit->value, &evened);
		}
		if (status == LEP_OK && evened < *error)
		{
			*error = evened;
			memcpy(fit->q, q, f->rows * f->cols);
		}
	}
	lep_arena_free(&arena);
	return status;
}

/* Copy n floats into the arena; NULL when out of memory. */
static float *
keep(LepArena *arena, const float *v, size_t n)
{
	float *copy = lep_arena_array(arena, n, sizeof(float));

	if (copy != NULL)
		memcpy(copy, v, n * sizeof(float));
	return copy;
}

/* Copy the outcome into the arena: weights, scales, and a bias that takes the mean error over. */
static LepStatus
store(Fit *fit, const Choice *choice, const float *mean, LepArena *arena, LepPressed *stored)
{
	const LepFit *f = fit->f;
	LepGrid grid = grid_of(fit, choice->scheme);
	size_t groups = f->cols / grid.group;
	size_t n = f->rows * f->cols;
	bool four = choice->scheme == LEP_SCHEME_I4;
	uint8_t *data = lep_arena_alloc(arena, four ? n / 2 : n);

	*stored = view_of(fit, choice);
	stored->data = data;
	stored->scale = keep(arena, fit->scale, f->rows * groups);
	if (stored->zero != NULL)
		stored->zero = keep(arena, fit->zero, f->rows);
	if (stored->input_scale != NULL)
		stored->input_scale = keep(arena, fit->input_scale, f->cols);
	if (f->bias != NULL)
		stored->bias = keep(arena, f->bias, f->rows);
	if (data == NULL || stored->scale == NULL || (grid.zero != NULL && stored->zero == NULL) ||
		(choice->scaled && stored->input_scale == NULL) ||
		(f->bias != NULL && stored->bias == NULL))
		return lep_press_no_memory(fit->press);
	for (size_t i = 0; i < n && four; i += 2)
		data[i / 2] = (uint8_t) (fit->q[i] | fit->q[i + 1] << 4);
	if (!four)
		memcpy(data, fit->q, n);
	lep_grid_value(&grid, fit->q, f->rows, f->cols, fit->value);
	for (size_t row = 0; row < f->rows && f->bias != NULL; row++)
	{
		double error = 0;

		for (size_t k = 0; k < f->cols; k++)
			error += (double) f->w[row * f->cols + k] * fit->x_mean[k] -
					 (double) fit->value[row * f->cols + k] * mean[k];
		stored->bias[row] = (float) (f->bias[row] + error);
	}
	return LEP_OK;
}

/* Compress to whole numbers. */
static LepStatus
fit_integers(Fit *fit, LepArena *scratch, LepArena *arena, LepPressed *stored, double *error)
{
	const LepFit *f = fit->f;
	float *moment = lep_arena_array(scratch, f->cols, sizeof(float));
	float *mean = lep_arena_array(scratch, f->cols, sizeof(float));
	LepGrid grid;
	Choice choice = {f->schemes[0], false, 0};
	LepStatus status;

	if (moment == NULL || mean == NULL)
		return lep_press_no_memory(fit->press);
	status = look(fit);
	if (status == LEP_OK)
		status = choose(fit, scratch, &choice);
	if (status != LEP_OK)
		return status;
	scale_weights(fit);
	moments(fit, moment);
	grid = grid_of(fit, choice.scheme);
	*stored = view_of(fit, &choice);
	status =
		lep_grid_fit(fit->press, &grid, stored->zero, fit->scaled, f->rows, f->cols, moment, false);
	if (status == LEP_OK)
		status = lep_grid_nearest(fit->press, &grid, fit->scaled, f->rows, f->cols, fit->q);
	if (status == LEP_OK)
	{
		lep_grid_value(&grid, fit->q, f->rows, f->cols, fit->value);
		status = measure(fit, stored, fit->value, error);
	}
	if (status == LEP_OK)
		status = f->cols <= LEP_ROUND_MOST ? even_out(fit, &choice, moment, mean, error)
										   : gather(fit, stored, NULL, mean, NULL, NULL);
	if (status == LEP_OK)
		status = store(fit, &choice, mean, arena, stored);
	return status;
}

/* Compress to 16-bit floats: f16, or bf16 where a weight is too large. */
static LepStatus
fit_half(const LepPress *press, const LepFit *f, LepArena *arena, LepPressed *stored)
{
	size_t n = f->rows * f->cols;
	uint16_t *data = lep_arena_array(arena, n, sizeof(uint16_t));
	bool wide = stored->scheme == LEP_SCHEME_BF16;

	if (data == NULL)
		return lep_press_no_memory(press);
	for (size_t i = 0; i < n && !wide; i++)
		wide = !(fabsf(f->w[i]) < 65520.0f);
	for (size_t i = 0; i < n; i++)
		data[i] = wide ? lep_round_bf16(f->w[i]) : lep_round_f16(f->w[i]);
	stored->scheme = wide ? LEP_SCHEME_BF16 : LEP_SCHEME_F16;
	stored->data = data;
	return LEP_OK;
}

/* Error of a linear in 16-bit floats on the trial. */
static LepStatus
measure_half(Fit *fit, const LepPressed *stored, double *error)
{
	LepStatus status = look(fit);

	if (status != LEP_OK)
		return status;
	lep_pressed_value(fit->press, stored, fit->value);
	return measure(fit, stored, fit->value, error);
}

/* Give the fit its arrays. */
static bool
make_room(Fit *fit, LepArena *arena)
{
	const LepFit *f = fit->f;
	size_t n = fit->n > GRAM_ROWS || fit->n == 0 ? fit->n : GRAM_ROWS;
	size_t scratch = lep_press_scratch(fit->press, f->cols);
	size_t weights;
	size_t groups = f->cols % LEP_I4_GROUP == 0 ? f->cols / LEP_I4_GROUP : 1;

	if (scratch == 0 || !lep_mul(f->rows, f->cols, &weights))
		return false;
	fit->x = lep_arena_array(arena, fit->n * f->cols, sizeof(float));
	fit->y = lep_arena_array(arena, fit->n * f->rows, sizeof(float));
	fit->exact = lep_arena_array(arena, fit->n * f->rows, sizeof(float));
	fit->found = lep_arena_array(arena, fit->n * f->rows, sizeof(float));
	fit->narrow = lep_arena_array(arena, n * f->cols, sizeof(float));
	fit->x_top = lep_arena_array(arena, f->cols, sizeof(float));
	fit->w_top = lep_arena_array(arena, f->cols, sizeof(float));
	fit->x_mean = lep_arena_array(arena, f->cols, sizeof(float));
	fit->scaled = lep_arena_array(arena, weights, sizeof(float));
	fit->value = lep_arena_array(arena, weights, sizeof(float));
	fit->q = lep_arena_array(arena, weights, 1);
	fit->scale = lep_arena_array(arena, f->rows * groups, sizeof(float));
	fit->zero = lep_arena_array(arena, f->rows, sizeof(float));
	fit->input_scale = lep_arena_array(arena, f->cols, sizeof(float));
	fit->scratch = lep_arena_alloc(arena, scratch);
	return fit->x != NULL && fit->y != NULL && fit->found != NULL && fit->exact != NULL &&
		   fit->narrow != NULL && fit->x_top != NULL && fit->w_top != NULL && fit->x_mean != NULL &&
		   fit->scaled != NULL && fit->value != NULL && fit->q != NULL && fit->scale != NULL &&
		   fit->zero != NULL && fit->input_scale != NULL && fit->scratch != NULL;
}

/* Compress a linear in the best of the given ways. */
LepStatus
lep_fit_linear(const LepPress *press, const LepFit *f, LepArena *arena, LepPressed *stored,
			   double *error)
{
	Fit fit = {.press = press, .f = f};
	LepArena scratch;
	LepStatus status;

	memset(stored, 0, sizeof(*stored));
	stored->scheme = f->schemes[0];
	stored->rows = f->rows;
	stored->cols = f->cols;
	*error = 0;
	if (stored->scheme == LEP_SCHEME_F32)
		return LEP_OK;
	lep_arena_init(&scratch, press->allocator, 0);
	fit.n = f->n < TRIAL_ROWS ? f->n : TRIAL_ROWS;
	if (!make_room(&fit, &scratch))
		status = lep_press_no_memory(press);
	else if (stored->scheme == LEP_SCHEME_F16 || stored->scheme == LEP_SCHEME_BF16)
	{
		status = fit_half(press, f, arena, stored);
		if (status == LEP_OK)
			status = measure_half(&fit, stored, error);
	}
	else
		status = fit_integers(&fit, &scratch, arena, stored, error);
	lep_arena_free(&scratch);
	return status;
}

/* Weights as the product uses them. */
void
lep_pressed_value(const LepPress *press, const LepPressed *stored, float *w)
{
	size_t n = stored->rows * stored->cols;
	const uint8_t *nibbles = stored->data;
	LepGrid grid = {stored->scale, stored->zero, 0, stored->cols, -127, 127};

	if (stored->scheme == LEP_SCHEME_F16 || stored->scheme == LEP_SCHEME_BF16)
		press->kernels->widen(stored->data, stored->scheme == LEP_SCHEME_F16 ? LEP_F16 : LEP_BF16,
							  w, n);
	else if (stored->scheme != LEP_SCHEME_I4)
		lep_grid_value(&grid, stored->data, stored->rows, stored->cols, w);
	else
		for (size_t i = 0; i < n; i++)
			w[i] = stored->scale[i / LEP_I4_GROUP] *
				   ((float) (i % 2 == 0 ? nibbles[i / 2] & 15 : nibbles[i / 2] >> 4) - 8);
}

/* Inputs as the product sees them. */
void
lep_pressed_input(const LepPress *press, const LepPressed *stored, const float *x, size_t ldx,
				  size_t n, float *out)
{
	const LepNarrow *half = press->kernels->half;

	if (stored->scheme != LEP_SCHEME_F16 && stored->scheme != LEP_SCHEME_BF16)
	{
		lep_narrow_value(x, ldx, n, stored->cols, stored->input_scale,
						 stored->scheme == LEP_SCHEME_I8_SYMMETRIC, out);
		return;
	}
	for (size_t row = 0; row < n; row++)
		memcpy(out + row * stored->cols, x + row * ldx, stored->cols * sizeof(float));
	if (half != NULL)
		lep_half_value(out, n * stored->cols, strcmp(half->name, "bf16") == 0 ? LEP_BF16 : LEP_F16);
}
