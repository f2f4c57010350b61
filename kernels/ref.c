/*
 * ref.c: every operator once more, slow and readable, summing in double.  It
 * judges all the others and runs anywhere; refuses to be fast.
 */
#include <math.h>
#include <string.h>

#include "ref.h"
#include "tables.h"

double
lep_ref_act(double x, LepAct act)
{
	switch (act)
	{
		case LEP_ACT_GELU:
			/* x * Phi(x): Hendrycks and Gimpel, arXiv:1606.08415 */
			return x < -40.0 ? 0.0 : 0.5 * x * erfc(-x * 0.70710678118654752440);
		case LEP_ACT_GELU_TANH:
			/* 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))), same paper; 0.5 (1 + tanh(u)) =
			 * 1 / (1 + exp(-2 u)) */
			return x < -40.0
					   ? 0.0
					   : x / (1.0 + exp(-1.59576912160573071176 * (x + 0.044715 * x * x * x)));
		case LEP_ACT_QUICK_GELU:
			/* x * sigmoid(1.702 x), same paper */
			return x < -1000.0 ? 0.0 : x / (1.0 + exp(-1.702 * x));
		case LEP_ACT_RELU:
			/* max(x, 0), NaN stays NaN */
			return x < 0.0 ? 0.0 : x;
		case LEP_ACT_RELU6:
			/* min(max(x, 0), 6): Howard et al., arXiv:1704.04861 */
			return x < 0.0 ? 0.0 : x > 6.0 ? 6.0 : x;
		case LEP_ACT_RELU2:
			/* max(x, 0)^2: So et al., arXiv:2109.08668 */
			return x < 0.0 ? 0.0 : x * x;
		case LEP_ACT_SILU:
			/* x * sigmoid(x): Elfwing, Uchibe and Doya, arXiv:1702.03118 */
			return x < -1000.0 ? 0.0 : x / (1.0 + exp(-x));
		case LEP_ACT_MISH:
			/* x * tanh(log(1 + exp(x))): Misra, arXiv:1908.08681 */
			return x < -1000.0 ? 0.0 : x * tanh(x > 30.0 ? x : log1p(exp(x)));
		case LEP_ACT_TANH:
			return tanh(x);
		case LEP_ACT_SIGMOID:
			return 1.0 / (1.0 + exp(-x));
		case LEP_ACT_LEAKY_RELU:
			/* Maas, Hannun and Ng 2013, slope 0.01 */
			return x < 0.0 ? (double) 0.01f * x : x;
		case LEP_ACT_NONE:
		case LEP_ACT_COUNT:
			break;
	}
	return x;
}

/* Bytes of w[d_out, d_in] kept as it is, 0 on overflow. */
static size_t
ref_linear_packed_size(size_t d_out, size_t d_in)
{
	size_t bytes;

	if (__builtin_mul_overflow(d_out, d_in, &bytes) ||
		__builtin_mul_overflow(bytes, sizeof(float), &bytes))
		return 0;
	return bytes;
}

/* Copy w[d_out, d_in]. */
static void
ref_linear_pack(const float *w, size_t d_out, size_t d_in, void *packed)
{
	memcpy(packed, w, d_out * d_in * sizeof(float));
}

/* out[n_rows, d_out] = act(x[n_rows, d_in] * w[d_out, d_in]^T + bias[d_out]) + residual */
static void
ref_linear(const LepLinear *a)
{
	const float *w = a->w;

	for (size_t r = 0; r < a->n_rows; r++)
		for (size_t n = 0; n < a->d_out; n++)
		{
			double sum = a->bias ? a->bias[n] : 0.0;

			for (size_t k = 0; k < a->d_in; k++)
				sum += (double) a->x[r * a->ldx + k] * w[n * a->d_in + k];
			sum = lep_ref_act(sum, a->act);
			if (a->residual)
				sum += a->residual[r * a->ldr + n];
			a->out[r * a->ldo + n] = (float) sum;
		}
}

/* Bytes for the scores of one query in double, 0 on overflow. */
static size_t
ref_scores_scratch(size_t n_tokens, size_t d_head)
{
	(void) d_head;
	if (n_tokens > SIZE_MAX / sizeof(double) - 1)
		return 0;
	return (n_tokens + 1) * sizeof(double);
}

/* The same; places need no more. */
static size_t
ref_attention_scratch(size_t n_tokens, size_t d_head, size_t n_places)
{
	(void) n_places;
	return ref_scores_scratch(n_tokens, d_head);
}

/* Return x[i] of position t, turned: Su et al., arXiv:2104.09864, equation 34, pairs half a row apart. */
static double
ref_turned(const LepAttention *a, const float *x, size_t t, size_t i)
{
	size_t half = a->d_head / 2, pair = i % (half > 0 ? half : 1);
	double cosine, sine;

	if (a->cosine == NULL)
		return x[i];
	cosine = a->cosine[t * half + pair];
	sine = a->sine[t * half + pair];
	return i < half ? x[i] * cosine - x[i + half] * sine : x[i] * cosine + x[i - half] * sine;
}

/* Return the head of k and v that head h of q reads. */
static size_t
ref_key_head(const LepAttention *a, size_t h)
{
	return h / (a->n_group > 0 ? a->n_group : 1);
}

/*
 * Return the score of query t and key s in head h: Vaswani et al., arXiv:1706.03762, section 3.2.1;
 * bias by distance: Raffel et al., arXiv:1910.10683, section 2.1; places: He et al.,
 * arXiv:2006.03654, equation 4.
 */
static double
ref_score(const LepAttention *a, size_t h, size_t t, size_t s)
{
	const float *q = a->q + t * a->ldq + h * a->d_head;
	const float *k = a->k + s * a->ldq + ref_key_head(a, h) * a->d_head;
	ptrdiff_t distance = (ptrdiff_t) s - (ptrdiff_t) t;
	double sum = 0.0;

	for (size_t i = 0; i < a->d_head; i++)
		sum += ref_turned(a, q, t, i) * ref_turned(a, k, s, i);
	if (a->place != NULL)
	{
		size_t at = (size_t) a->place[distance] * a->ldp + h * a->d_head;

		for (size_t i = 0; i < a->d_head && a->place_key != NULL; i++)
			sum += ref_turned(a, q, t, i) * a->place_key[at + i];
		for (size_t i = 0; i < a->d_head && a->place_query != NULL; i++)
			sum += ref_turned(a, k, s, i) * a->place_query[at + i];
	}
	sum *= a->scale;
	return a->bias == NULL ? sum : sum + a->bias[(ptrdiff_t) (h * a->ldb) + distance];
}

/* out = softmax(scores) v, see LepAttention. */
static void
ref_attention(const LepAttention *a)
{
	double *p = a->scratch; /* [n_tokens] */
	size_t end = a->n_queries > 0 ? a->first_query + a->n_queries : a->n_tokens;

	for (size_t h = 0; h < a->n_heads; h++)
		for (size_t t = a->first_query; t < end; t++)
		{
			size_t low = a->local > 0 && t >= a->local ? t - a->local + 1 : 0;
			size_t high = a->local > 0 && a->n_tokens - t > a->local ? t + a->local : a->n_tokens;
			double top = -INFINITY, sum = 0.0;

			for (size_t s = low; s < high; s++)
			{
				p[s] = ref_score(a, h, t, s);
				if (p[s] > top)
					top = p[s];
			}
			for (size_t s = low; s < high; s++)
			{
				p[s] = exp(p[s] - top);
				sum += p[s];
			}
			for (size_t i = 0; i < a->d_head; i++)
			{
				double y = 0.0;

				for (size_t s = low; s < high; s++)
					y += p[s] * a->v[s * a->ldq + ref_key_head(a, h) * a->d_head + i];
				a->out[t * a->ldo + h * a->d_head + i] = (float) (y / sum);
			}
		}
}

/* Return element i of x[] of the given dtype, which is not LEP_I8. */
static float
ref_element(const void *x, LepDtype dtype, size_t i)
{
	switch (dtype)
	{
		case LEP_F16:
			return lep_ref_from_f16(((const uint16_t *) x)[i]);
		case LEP_BF16:
			return lep_ref_from_bf16(((const uint16_t *) x)[i]);
		case LEP_F32:
		case LEP_I8:
			break;
	}
	return ((const float *) x)[i];
}

/* out[n] = x[n] widened. */
static void
ref_widen(const void *x, LepDtype dtype, float *out, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] = ref_element(x, dtype, i);
}

/* Layer normalisation of each row: Ba, Kiros and Hinton, arXiv:1607.06450. */
static void
ref_norm(const float *x, const float *gamma, const float *beta, float eps, float *out,
		 size_t n_rows, size_t d)
{
	for (size_t r = 0; r < n_rows; r++)
	{
		const float *row = x + r * d;
		double mean = 0.0, variance = 0.0;

		for (size_t i = 0; i < d; i++)
			mean += row[i];
		mean /= (double) d;
		for (size_t i = 0; i < d; i++)
			variance += (row[i] - mean) * (row[i] - mean);
		variance /= (double) d;
		for (size_t i = 0; i < d; i++)
			out[r * d + i] =
				(float) ((row[i] - mean) / sqrt(variance + eps) * gamma[i] + (double) beta[i]);
	}
}

/* Normalisation by the root mean square: Zhang and Sennrich, arXiv:1910.07467. */
static void
ref_rms_norm(const float *x, const float *gamma, float eps, float *out, size_t n_rows, size_t d)
{
	for (size_t r = 0; r < n_rows; r++)
	{
		const float *row = x + r * d;
		double squares = 0.0;

		for (size_t i = 0; i < d; i++)
			squares += (double) row[i] * row[i];
		squares = sqrt(squares / (double) d + eps);
		for (size_t i = 0; i < d; i++)
			out[r * d + i] = (float) (row[i] / squares * gamma[i]);
	}
}

/* Return table[row, i] of a table of n_rows rows of d, see LepEmbed. */
static float
ref_entry(const void *table, LepDtype dtype, size_t n_rows, size_t row, size_t d, size_t i)
{
	if (dtype == LEP_I8)
	{
		const float *scale = table;
		const int8_t *q = (const int8_t *) (scale + n_rows);

		return scale[row] * (float) q[row * d + i];
	}
	return ref_element(table, dtype, row * d + i);
}

/* out[n_tokens, d] = norm(word[ids] + type[types] + position[positions]): Devlin et al., arXiv:1810.04805 */
static void
ref_embed(const LepEmbed *a)
{
	for (size_t t = 0; t < a->n_tokens; t++)
	{
		float *out = a->out + t * a->d;

		for (size_t i = 0; i < a->d; i++)
		{
			out[i] = ref_entry(a->word, a->word_dtype, a->word_rows, (size_t) a->ids[t], a->d, i);
			if (a->type)
				out[i] += ref_entry(a->type, a->type_dtype, a->type_rows,
									(size_t) (a->types ? a->types[t] : 0), a->d, i);
			if (a->position)
				out[i] += ref_entry(a->position, a->position_dtype, a->position_rows,
									(size_t) a->positions[t], a->d, i);
		}
		if (a->gamma)
			ref_norm(out, a->gamma, a->beta, a->eps, out, 1, a->d);
	}
}

/* x[n] = act(x[n]) */
static void
ref_activate(float *x, size_t n, LepAct act)
{
	for (size_t i = 0; i < n; i++)
		x[i] = (float) lep_ref_act(x[i], act);
}

/* out[n] = act(x[n]) * y[n]: Shazeer, arXiv:2002.05202. */
static void
ref_gate(const float *x, const float *y, float *out, size_t n, LepAct act)
{
	for (size_t i = 0; i < n; i++)
		out[i] = (float) (lep_ref_act(x[i], act) * y[i]);
}

/* x[n_rows, d] = softmax of each row, the maximum subtracted first. */
static void
ref_softmax(float *x, size_t n_rows, size_t d)
{
	for (size_t r = 0; r < n_rows; r++)
	{
		float *row = x + r * d;
		double top = -INFINITY, sum = 0.0;

		for (size_t i = 0; i < d; i++)
			if (row[i] > top)
				top = row[i];
		for (size_t i = 0; i < d; i++)
			sum += exp(row[i] - top);
		for (size_t i = 0; i < d; i++)
			row[i] = (float) (exp(row[i] - top) / sum);
	}
}

/* out[n] += w * x[n] */
static void
ref_add_scaled(float *out, const float *x, float w, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] = (float) (out[i] + (double) w * x[i]);
}

/* out[n] = max(out[n], x[n]); NaN in either gives NaN */
static void
ref_max(float *out, const float *x, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!(out[i] >= x[i]) && !isnan(out[i]))
			out[i] = x[i];
}

/* Return the sum of a[n] * b[n]. */
static float
ref_dot(const float *a, const float *b, size_t n)
{
	double sum = 0.0;

	for (size_t i = 0; i < n; i++)
		sum += (double) a[i] * b[i];
	return (float) sum;
}

const LepKernels lep_kernels_reference = {.isa = "reference",
										  .layout = "f32rows",
										  .same_bits = true,
										  .linear_packed_size = ref_linear_packed_size,
										  .linear_pack = ref_linear_pack,
										  .linear = ref_linear,
										  .attention_scratch = ref_attention_scratch,
										  .attention = ref_attention,
										  .i8 = &lep_ref_i8,
										  .half = &lep_ref_bf16,
										  .attention_half_scratch = ref_scores_scratch,
										  .attention_half = lep_ref_attention_bf16,
										  .embed = ref_embed,
										  .norm = ref_norm,
										  .rms_norm = ref_rms_norm,
										  .activate = ref_activate,
										  .gate = ref_gate,
										  .softmax = ref_softmax,
										  .add_scaled = ref_add_scaled,
										  .max = ref_max,
										  .dot = ref_dot,
										  .widen = ref_widen};
