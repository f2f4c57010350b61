/*
 * test_cuda.c: the GPU's operators against the reference kernels, in f16 and bf16, over shapes and their tails; memory,
 * captured work and errors.  Without a device, or without CUDA in the build, every call must answer so and do
 * nothing.  run_cuda.sh builds it with nvcc.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../kernels/cuda/lepton_cuda.h"
#include "../../kernels/ref.h"
#include "testing.h"

#define ARRAYS 256

static LepCuda *cuda;
static LepCudaStream *stream;
static LepDtype numbers;
static const LepKernels *ref;
static const LepKernels *fast;				/* fast: for what takes the reference seconds */
static void *device[ARRAYS], *host[ARRAYS]; /* of the check in work */
static int n_device, n_host;
static uint32_t seed = 1;

/* Memory of the host until the check is done. */
static void *
get(size_t bytes)
{
	return host[n_host++] = calloc(bytes > 0 ? bytes : 1, 1);
}

/* Memory of the device until the check is done. */
static void *
on_device(size_t bytes)
{
	void *at = NULL;

	check(lep_cuda_alloc(cuda, bytes, &at) == LEP_OK, "allocating %zu bytes: %s", bytes,
		  lep_cuda_reason(cuda));
	return device[n_device++] = at;
}

/* Free both. */
static void
release(void)
{
	check(lep_cuda_wait(stream) == LEP_OK, "waiting: %s", lep_cuda_reason(cuda));
	while (n_device > 0)
		lep_cuda_free(cuda, device[--n_device]);
	while (n_host > 0)
		free(host[--n_host]);
}

/* Copy to the device. */
static void *
put(const void *x, size_t bytes)
{
	void *at = on_device(bytes);

	check(lep_cuda_upload(stream, at, x, bytes) == LEP_OK, "upload: %s", lep_cuda_reason(cuda));
	return at;
}

/* n numbers from -size to size. */
static float *
some(size_t n, float size)
{
	float *x = get(n * sizeof(float));

	for (size_t i = 0; i < n; i++)
	{
		seed = seed * 1664525u + 1013904223u;
		x[i] = ((float) (seed >> 8) / 8388608.0f - 1.0f) * size;
	}
	return x;
}

static uint16_t
to_half(float x)
{
	return numbers == LEP_F16 ? lep_ref_to_f16(x) : lep_ref_to_bf16(x);
}

static float
from_half(uint16_t x)
{
	return numbers == LEP_F16 ? lep_ref_from_f16(x) : lep_ref_from_bf16(x);
}

/* Copy to the device as 16-bit floats, and round x to them. */
static void *
put_half(float *x, size_t n)
{
	uint16_t *y = get(n * sizeof(uint16_t));

	for (size_t i = 0; i < n; i++)
	{
		y[i] = to_half(x[i]);
		x[i] = from_half(y[i]);
	}
	return put(y, n * sizeof(uint16_t));
}

/* Copy n numbers back, widened. */
static float *
take(const void *at, size_t n, bool wide)
{
	float *x = get(n * sizeof(float));
	uint16_t *y = get(n * sizeof(uint16_t));

	check(lep_cuda_download(stream, wide ? (void *) x : (void *) y, at,
							n * (wide ? sizeof(float) : sizeof(uint16_t))) == LEP_OK &&
			  lep_cuda_wait(stream) == LEP_OK,
		  "download: %s", lep_cuda_reason(cuda));
	for (size_t i = 0; i < n && !wide; i++)
		x[i] = from_half(y[i]);
	return x;
}

/* Compare: off by no more than times roundings of a number as large as it or as a usual one. */
static void
compare(const float *got, const float *want, size_t n, double times, const char *what, size_t a,
		size_t b, size_t c)
{
	double unit = numbers == LEP_F16 ? 1.0 / 2048 : 1.0 / 256, squares = 0, usual, worst = 0;
	size_t at = 0;

	for (size_t i = 0; i < n; i++)
		squares += (double) want[i] * want[i];
	usual = sqrt(squares / (double) (n > 0 ? n : 1));
	for (size_t i = 0; i < n; i++)
	{
		double off = fabs((double) got[i] - want[i]) / (fabs((double) want[i]) + usual + 1e-30);

		if (!(off <= worst))
		{
			worst = off;
			at = i;
		}
	}
	check(worst <= times * unit, "%s %s %zu x %zu x %zu is off by %g units at %zu: %g for %g", what,
		  numbers == LEP_F16 ? "f16" : "bf16", a, b, c, worst / unit, at,
		  n > 0 ? (double) got[at] : 0, n > 0 ? (double) want[at] : 0);
}

/* The linear on the CPU. */
static void
linear(LepLinear *args)
{
	void *packed = aligned_alloc(
		LEP_ALIGN, (fast->linear_packed_size(args->d_out, args->d_in) / LEP_ALIGN + 1) * LEP_ALIGN);

	fast->linear_pack(args->w, args->d_out, args->d_in, packed);
	args->w = packed;
	fast->linear(args);
	free(packed);
}

/* Check a status. */
static void
fine(LepStatus status, const char *what)
{
	check(status == LEP_OK, "%s: %d, %s", what, status, lep_cuda_reason(cuda));
}

/* A table of n numbers in a dtype on the device; x is rounded to it. */
static void *
put_table(float *x, size_t rows, size_t d, LepDtype dtype)
{
	LepDtype kept = numbers;
	void *at;

	if (dtype == LEP_F32)
		return put(x, rows * d * sizeof(float));
	if (dtype == LEP_I8)
	{
		float *table = get(rows * sizeof(float) + rows * d);
		int8_t *q = (int8_t *) (table + rows);

		for (size_t r = 0; r < rows; r++)
		{
			table[r] = 0.01f * (float) (r + 1);
			for (size_t i = 0; i < d; i++)
			{
				q[r * d + i] = (int8_t) lrintf(x[r * d + i] * 100);
				x[r * d + i] = table[r] * (float) q[r * d + i];
			}
		}
		return put(table, rows * sizeof(float) + rows * d);
	}
	numbers = dtype;
	at = put_half(x, rows * d);
	numbers = kept;
	return at;
}

static void
test_embed(size_t n, size_t d, LepDtype dtype, bool norm)
{
	size_t rows = 11;
	float *word = some(rows * d, 1), *position = some(rows * d, 1), *type = some(2 * d, 1);
	float *gamma = some(d, 1), *beta = some(d, 1), *want = get(n * d * sizeof(float));
	int32_t *ids = get(n * 4), *positions = get(n * 4), *types = get(n * 4);
	LepCudaEmbed args;
	LepEmbed plain;

	for (size_t i = 0; i < n; i++)
	{
		ids[i] = (int32_t) (i * 7 % rows);
		positions[i] = (int32_t) (i * 5 % rows);
		types[i] = (int32_t) (i % 2);
	}
	memset(&args, 0, sizeof(args));
	args.ids = put(ids, n * 4);
	args.positions = put(positions, n * 4);
	args.types = n % 2 ? put(types, n * 4) : NULL;
	args.word = put_table(word, rows, d, dtype);
	args.position = n % 3 ? put_table(position, rows, d, LEP_F32) : NULL;
	args.type = n % 5 ? put_table(type, 2, d, LEP_F16) : NULL;
	args.word_dtype = dtype;
	args.position_dtype = LEP_F32;
	args.type_dtype = LEP_F16;
	args.word_rows = rows;
	args.gamma = norm ? put(gamma, d * sizeof(float)) : NULL;
	args.beta = put(beta, d * sizeof(float));
	args.eps = 1e-5f;
	args.out = on_device(n * d * 2);
	args.n_rows = n;
	args.d = d;
	fine(lep_cuda_embed(stream, numbers, &args), "embed");
	memset(&plain, 0, sizeof(plain));
	plain.ids = ids;
	plain.positions = positions;
	plain.types = args.types != NULL ? types : NULL;
	plain.word = word;
	plain.position = args.position != NULL ? position : NULL;
	plain.type = args.type != NULL ? type : NULL;
	plain.gamma = norm ? gamma : NULL;
	plain.beta = beta;
	plain.eps = 1e-5f;
	plain.out = want;
	plain.n_tokens = n;
	plain.d = d;
	ref->embed(&plain);
	/* Norms of one or two numbers divide what is next to nothing. */
	if (d > 2 || !norm)
		compare(take(args.out, n * d, false), want, n * d, 1.5, "embed", n, d, dtype);
	release();
}

/* want[n_rows, d] = norm of x in place. */
static void
norm_rows(float *x, const float *gamma, const float *beta, float eps, bool rms, size_t n, size_t d)
{
	if (rms)
		ref->rms_norm(x, gamma, eps, x, n, d);
	else
		ref->norm(x, gamma, beta, eps, x, n, d);
	for (size_t i = 0; rms && i < n * d; i++)
		x[i] += beta[i % d];
}

static void
test_norm(size_t n, size_t d, bool rms, bool residual)
{
	size_t ld = d + 8;
	float *x = some(n * ld, 2), *y = some(n * d, 2), *gamma = some(d, 1), *beta = some(d, 1);
	float *want = get(n * d * sizeof(float));
	LepCudaNorm args;

	memset(&args, 0, sizeof(args));
	args.x = put_half(x, n * ld);
	args.ldx = ld;
	args.residual = residual ? put_half(y, n * d) : NULL;
	args.ldr = d;
	args.sum = residual ? (void *) args.residual : NULL;
	args.gamma = put(gamma, d * sizeof(float));
	args.beta = put(beta, d * sizeof(float));
	args.eps = 1e-6f;
	args.rms = rms;
	args.out = on_device(n * d * 2);
	args.n_rows = n;
	args.d = d;
	for (size_t i = 0; i < n * d; i++)
		want[i] = x[i / d * ld + i % d] + (residual ? y[i] : 0.0f);
	fine(lep_cuda_norm(stream, numbers, &args), "norm");
	if (residual)
		compare(take(args.sum, n * d, false), want, n * d, 1, "sum of norm", n, d, rms);
	norm_rows(want, gamma, beta, 1e-6f, rms, n, d);
	if (d > 2)
		compare(take(args.out, n * d, false), want, n * d, 1.5, "norm", n, d, rms);
	release();
}

typedef enum Shape
{
	TO_OUT,
	IN_PLACE, /* of its residual */
	RESIDUAL,
	NORMED, /* alone, in place of its residual */
	BOTH,
	WIDE,
	N_SHAPES
} Shape;

static void
test_linear(size_t n, size_t d_out, size_t d_in, LepAct act, Shape shape, bool bias)
{
	size_t ldx = d_in + (n % 2 ? 8 : 0), ldo = d_out + (shape == TO_OUT && n % 3 == 0 ? 16 : 0);
	size_t ldr = shape == IN_PLACE ? ldo : d_out;
	float *x = some(n * ldx, 1), *w = some(d_out * d_in, 2.0f / sqrtf((float) d_in));
	float *b = some(d_out, 1), *r = some(n * ldr, 1), *want = get(n * d_out * sizeof(float));
	float *gamma = some(d_out, 1), *beta = some(d_out, 1), *got;
	bool with_residual = shape == IN_PLACE || shape == RESIDUAL || shape == NORMED || shape == BOTH;
	double times = 2 + (act != LEP_ACT_NONE && act != LEP_ACT_RELU ? 4 : 0);
	LepCudaLinear args;
	LepLinear plain;

	memset(&args, 0, sizeof(args));
	args.x = put_half(x, n * ldx);
	args.ldx = ldx;
	args.w = put_half(w, d_out * d_in);
	args.half_bias = bias ? put_half(b, d_out) : NULL;
	args.residual = with_residual ? put_half(r, n * ldr) : NULL;
	args.ldr = ldr;
	args.out = shape == IN_PLACE ? (void *) args.residual
			   : shape == NORMED ? NULL
								 : on_device(n * ldo * 4);
	args.ldo = ldo;
	args.n_rows = n;
	args.d_out = d_out;
	args.d_in = d_in;
	args.act = act;
	args.wide = shape == WIDE;
	if (shape == NORMED || shape == BOTH)
	{
		args.normed = shape == NORMED ? (void *) args.residual : on_device(n * d_out * 2);
		args.gamma = put(gamma, d_out * sizeof(float));
		args.beta = put(beta, d_out * sizeof(float));
		args.eps = 1e-5f;
		args.rms = d_in % 3 == 0;
	}
	memset(&plain, 0, sizeof(plain));
	plain.x = x;
	plain.ldx = ldx;
	plain.w = w;
	plain.bias = bias ? b : NULL;
	plain.residual = with_residual ? r : NULL;
	plain.ldr = ldr;
	plain.out = want;
	plain.ldo = d_out;
	plain.n_rows = n;
	plain.d_out = d_out;
	plain.d_in = d_in;
	plain.act = act;
	linear(&plain);
	fine(lep_cuda_linear(stream, numbers, &args), "linear");
	if (args.out != NULL)
	{
		float *dense = get(n * d_out * sizeof(float));

		got = take(args.out, n * ldo, args.wide);
		for (size_t i = 0; i < n * d_out; i++)
			dense[i] = got[i / d_out * ldo + i % d_out];
		compare(dense, want, n * d_out, args.wide ? 0.5 : times, "linear", n, d_out, d_in);
	}
	if (args.normed != NULL)
	{
		norm_rows(want, gamma, beta, 1e-5f, args.rms, n, d_out);
		compare(take(args.normed, n * d_out, false), want, n * d_out, 2 * times, "normed linear", n,
				d_out, d_in);
	}
	release();
}

static void
test_feed_forward(size_t n, size_t d, size_t d_inner, LepAct act)
{
	float *x = some(n * d, 1), *w1 = some(d_inner * d, 2.0f / sqrtf((float) d));
	float *w2 = some(d_inner * d, 2.0f / sqrtf((float) d_inner)), *b1 = some(d_inner, 1);
	float *b2 = some(d, 1), *gamma = some(d, 1), *beta = some(d, 1);
	float *inner = get(n * d_inner * sizeof(float)), *want = get(n * d * sizeof(float));
	LepLinear up = {.x = x,
					.ldx = d,
					.w = w1,
					.bias = b1,
					.out = inner,
					.ldo = d_inner,
					.n_rows = n,
					.d_out = d_inner,
					.d_in = d,
					.act = act};
	LepLinear down = {.x = inner,
					  .ldx = d_inner,
					  .w = w2,
					  .bias = b2,
					  .residual = x,
					  .ldr = d,
					  .out = want,
					  .ldo = d,
					  .n_rows = n,
					  .d_out = d,
					  .d_in = d_inner};
	LepCudaFeedForward args;

	memset(&args, 0, sizeof(args));
	args.x = args.residual = args.normed = put_half(x, n * d);
	args.ldx = args.ldr = d;
	args.w1 = put_half(w1, d_inner * d);
	args.w2 = put_half(w2, d_inner * d);
	args.half_bias1 = put_half(b1, d_inner);
	args.half_bias2 = put_half(b2, d);
	args.inner = on_device(n * d_inner * 2);
	args.n_rows = n;
	args.d = d;
	args.d_inner = d_inner;
	args.act = act;
	args.gamma = put(gamma, d * sizeof(float));
	args.beta = put(beta, d * sizeof(float));
	args.eps = 1e-5f;
	linear(&up);
	linear(&down);
	norm_rows(want, gamma, beta, 1e-5f, false, n, d);
	fine(lep_cuda_feed_forward(stream, numbers, &args), "feed forward");
	compare(take(args.normed, n * d, false), want, n * d, 6, "feed forward", n, d, d_inner);
	release();
}

typedef enum Extra
{
	PLAIN,
	GROUPS,
	LOCAL,
	TURNED,
	TURNED_LOCAL,
	BIAS,
	PLACES,
	N_EXTRAS
} Extra;

static void
test_attention(const uint32_t *lengths, size_t n_texts, size_t heads, size_t d, Extra extra)
{
	uint32_t *starts = get((n_texts + 1) * 4);
	size_t n, max_len = 0, group = extra == GROUPS ? 2 : 1, ldq, n_places = 16;
	float *x, *want, *cosine, *sine, *bias, *place_key, *place_query, *scratch;
	int32_t *place;
	LepCudaAttention args;

	for (size_t i = 0; i < n_texts; i++)
	{
		starts[i + 1] = starts[i] + lengths[i];
		max_len = lengths[i] > max_len ? lengths[i] : max_len;
	}
	n = starts[n_texts];
	ldq = (heads + 2 * heads / group) * d;
	x = some(n * ldq, 2);
	want = get(n * heads * d * sizeof(float));
	cosine = some(max_len * (d / 2), 1);
	sine = some(max_len * (d / 2), 1);
	bias = some(heads * (2 * max_len - 1), 2);
	place_key = some(n_places * heads * d, 1);
	place_query = some(n_places * heads * d, 1);
	place = get((2 * max_len - 1) * 4);
	scratch = aligned_alloc(
		LEP_ALIGN, (fast->attention_scratch(max_len, d, n_places) / LEP_ALIGN + 1) * LEP_ALIGN);
	host[n_host++] = scratch;
	for (size_t i = 0; i < 2 * max_len - 1; i++)
		place[i] = (int32_t) ((2 * max_len - 2 - i) * n_places / (2 * max_len));
	memset(&args, 0, sizeof(args));
	args.q = put_half(x, n * ldq);
	args.k = (const uint16_t *) args.q + heads * d;
	args.v = (const uint16_t *) args.k + heads / group * d;
	args.ldq = ldq;
	args.out = on_device(n * heads * d * 2);
	args.ldo = heads * d;
	args.starts = put(starts, (n_texts + 1) * 4);
	args.n_texts = n_texts;
	args.n_rows = n;
	args.max_len = max_len;
	args.n_heads = heads;
	args.d_head = d;
	args.scale = 1.0f / sqrtf((float) d);
	args.n_group = group;
	args.local = extra == LOCAL || extra == TURNED_LOCAL ? 10 : 0;
	if (extra == TURNED || extra == TURNED_LOCAL)
	{
		args.cosine = put(cosine, max_len * (d / 2) * sizeof(float));
		args.sine = put(sine, max_len * (d / 2) * sizeof(float));
	}
	args.ldb = 2 * max_len - 1;
	if (extra == BIAS)
		args.bias = (float *) put(bias, heads * (2 * max_len - 1) * sizeof(float)) + max_len - 1;
	if (extra == PLACES)
	{
		args.place_key = put_half(place_key, n_places * heads * d);
		args.place_query = put_half(place_query, n_places * heads * d);
		args.ldp = heads * d;
		args.place = (int32_t *) put(place, (2 * max_len - 1) * 4) + max_len - 1;
	}
	for (size_t i = 0; i < n_texts; i++)
	{
		LepAttention plain;

		if (lengths[i] == 0)
			continue;
		memset(&plain, 0, sizeof(plain));
		plain.q = x + starts[i] * ldq;
		plain.k = plain.q + heads * d;
		plain.v = plain.k + heads / group * d;
		plain.ldq = ldq;
		plain.out = want + starts[i] * heads * d;
		plain.ldo = heads * d;
		plain.n_tokens = lengths[i];
		plain.n_heads = heads;
		plain.d_head = d;
		plain.scale = args.scale;
		plain.scratch = scratch;
		plain.n_group = group;
		plain.local = args.local;
		plain.cosine = args.cosine != NULL ? cosine : NULL;
		plain.sine = sine;
		plain.bias = args.bias != NULL ? bias + max_len - 1 : NULL;
		plain.ldb = args.ldb;
		plain.place_key = args.place != NULL ? place_key : NULL;
		plain.place_query = args.place != NULL ? place_query : NULL;
		plain.ldp = args.ldp;
		plain.place = args.place != NULL ? place + max_len - 1 : NULL;
		fast->attention(&plain);
	}
	fine(lep_cuda_attention(stream, numbers, &args), "attention");
	/* Turned queries and keys are rounded once more. */
	compare(take(args.out, n * heads * d, false), want, n * heads * d, args.cosine != NULL ? 10 : 4,
			"attention", n, d, extra);
	release();
}

/* Pool in double: formulas of LepCudaPoolMode. */
static void
pool_row(const float *x, size_t ld, size_t n, size_t d, unsigned mode, size_t skip, float *out)
{
	for (size_t i = 0; i < d; i++)
	{
		double sum = 0, weights = 0, top = -INFINITY;

		for (size_t t = skip; t < n; t++)
		{
			double w = mode == LEP_CUDA_POOL_WEIGHTED_MEAN ? (double) (t + 1) : 1.0;

			sum += w * x[t * ld + i];
			weights += w;
			top = fmax(top, x[t * ld + i]);
		}
		weights = fmax(weights, 1e-9);
		out[i] = n == 0							   ? 0.0f
				 : mode == LEP_CUDA_POOL_CLS	   ? x[(n > skip ? skip : 0) * ld + i]
				 : mode == LEP_CUDA_POOL_LAST	   ? (n > skip ? x[(n - 1) * ld + i] : 0.0f)
				 : mode == LEP_CUDA_POOL_MAX	   ? (float) top
				 : mode == LEP_CUDA_POOL_MEAN_SQRT ? (float) (sum / sqrt(weights))
												   : (float) (sum / weights);
	}
}

static void
test_pool(size_t d, size_t skip, bool normalize, bool wide, unsigned n_modes)
{
	static const uint32_t starts[] = {0, 1, 1, 18, 20, 150};
	size_t n_texts = 5, n = 150, ld = d + 8, width = d * n_modes;
	float *x = some(n * ld, 1), *want = get(n_texts * width * sizeof(float));
	LepCudaPool args;

	memset(&args, 0, sizeof(args));
	args.x = put_half(x, n * ld);
	args.ldx = ld;
	args.starts = put(starts, sizeof(starts));
	args.n_texts = n_texts;
	args.d = d;
	args.n_modes = n_modes;
	args.skip = (uint32_t) skip;
	args.normalize = normalize;
	args.wide = wide;
	args.out = on_device(n_texts * width * 4);
	for (unsigned k = 0; k < n_modes; k++)
	{
		args.modes[k] = (uint8_t) (LEP_CUDA_POOL_MEAN + k) % LEP_CUDA_POOL_COUNT;
		if (args.modes[k] == 0 || (skip > 0 && args.modes[k] == LEP_CUDA_POOL_MAX))
			args.modes[k] = LEP_CUDA_POOL_CLS;
	}
	for (size_t i = 0; i < n_texts; i++)
	{
		double squares = 0;

		for (unsigned k = 0; k < n_modes; k++)
			pool_row(x + starts[i] * ld, ld, starts[i + 1] - starts[i], d, args.modes[k], skip,
					 want + i * width + k * d);
		for (size_t j = 0; j < width; j++)
			squares += (double) want[i * width + j] * want[i * width + j];
		for (size_t j = 0; j < width && normalize; j++)
			want[i * width + j] /= (float) fmax(sqrt(squares), 1e-12);
	}
	fine(lep_cuda_pool(stream, numbers, &args), "pool");
	compare(take(args.out, n_texts * width, wide), want, n_texts * width, wide ? 0.01 : 1.5, "pool",
			d, skip, n_modes);
	release();
}

/* Cut, activate, gate, add, pick, normalize, unfold. */
static void
test_rows(size_t n, size_t d)
{
	size_t ld = d + 8, around = 3, n_texts = 3;
	uint32_t starts[] = {0, (uint32_t) (n / 2), (uint32_t) (n / 2), (uint32_t) n};
	uint32_t *picks = get(n * 4);
	float *x = some(n * ld, 2), *y = some(n * d, 2), *want = get(n * d * around * sizeof(float));
	void *dx = put_half(x, n * ld), *dy = put_half(y, n * d), *out = on_device(n * d * around * 2);
	void *dstarts = put(starts, sizeof(starts)), *dpicks;

	for (size_t i = 0; i < n * d; i++)
		want[i] = x[i / d * ld + i % d];
	fine(lep_cuda_cut(stream, numbers, dx, ld, out, n, d), "cut");
	compare(take(out, n * d, false), want, n * d, 0, "cut", n, d, 0);
	fine(lep_cuda_add(stream, numbers, dx, ld, dy, d, out, n, d), "add");
	for (size_t i = 0; i < n * d; i++)
		want[i] = x[i / d * ld + i % d] + y[i];
	compare(take(out, n * d, false), want, n * d, 1, "add", n, d, 0);
	for (int act = 0; act < LEP_ACT_COUNT; act++)
	{
		fine(lep_cuda_gate(stream, numbers, dx, ld, dy, d, out, n, d, act), "gate");
		for (size_t i = 0; i < n * d; i++)
			want[i] = (float) (lep_ref_act(x[i / d * ld + i % d], act) * y[i]);
		compare(take(out, n * d, false), want, n * d, 1.1, "gate", n, d, (size_t) act);
		fine(lep_cuda_activate(stream, numbers, dx, ld, out, n, d, act), "activate");
		for (size_t i = 0; i < n * d; i++)
			want[i] = (float) lep_ref_act(x[i / d * ld + i % d], act);
		compare(take(out, n * d, false), want, n * d, 1.1, "activate", n, d, (size_t) act);
	}
	for (size_t i = 0; i < n; i++)
	{
		picks[i] = (uint32_t) (i * 3 % n);
		memcpy(want + i * d, x + picks[i] * ld, d * sizeof(float));
	}
	dpicks = put(picks, n * 4);
	fine(lep_cuda_pick(stream, numbers, dx, ld, dpicks, n, out, d), "pick");
	compare(take(out, n * d, false), want, n * d, 0, "pick", n, d, 0);
	fine(lep_cuda_normalize(stream, numbers, dx, ld, out, n, d), "normalize");
	for (size_t i = 0; i < n; i++)
	{
		double squares = 0;

		for (size_t j = 0; j < d; j++)
			squares += (double) x[i * ld + j] * x[i * ld + j];
		for (size_t j = 0; j < d; j++)
			want[i * d + j] = (float) (x[i * ld + j] / sqrt(squares));
	}
	compare(take(out, n * d, false), want, n * d, 1, "normalize", n, d, 0);
	memset(want, 0, n * d * around * sizeof(float));
	for (size_t t = 0; t < n; t++)
		for (size_t k = 0; k < around; k++)
		{
			size_t from = t + k, text = t < n / 2 ? 0 : 2;

			if (from >= starts[text] + around / 2 && from < starts[text + 1] + around / 2)
				memcpy(want + (t * around + k) * d, x + (from - around / 2) * ld,
					   d * sizeof(float));
		}
	fine(lep_cuda_unfold(stream, numbers, dx, ld, dstarts, n_texts, n, out, d, around), "unfold");
	compare(take(out, n * d * around, false), want, n * d * around, 0, "unfold", n, d, around);
	release();
}

static void
test_sparse(size_t d_out, size_t d_in, bool sum, uint32_t n_logs, size_t room)
{
	static const uint32_t starts[] = {0, 3, 3, 40, 41};
	size_t n = 41, n_texts = 4;
	float *x = some(n * d_in, 1), *w = some(d_out * d_in, 1), *b = some(d_out, 1);
	float *want = get(n_texts * d_out * sizeof(float));
	LepCudaSparse args;

	memset(&args, 0, sizeof(args));
	args.x = put_half(x, n * d_in);
	args.ldx = d_in;
	args.w = put_half(w, d_out * d_in);
	args.half_bias = put_half(b, d_out);
	args.starts = put(starts, sizeof(starts));
	args.n_texts = n_texts;
	args.n_rows = n;
	args.d_out = d_out;
	args.d_in = d_in;
	args.sum = sum;
	args.n_logs = n_logs;
	args.logits = on_device(room * d_out * 2);
	args.logits_rows = room;
	args.out = on_device(n_texts * d_out * 4);
	for (size_t i = 0; i < n_texts; i++)
		for (size_t t = starts[i]; t < starts[i + 1]; t++)
			for (size_t j = 0; j < d_out; j++)
			{
				float *to = want + i * d_out + j, y = b[j];

				for (size_t k = 0; k < d_in; k++)
					y += x[t * d_in + k] * w[j * d_in + k];
				y = log1pf(fmaxf(y, 0));
				y = n_logs == 2 ? log1pf(y) : y;
				*to = sum ? *to + y : fmaxf(*to, y);
			}
	fine(lep_cuda_sparse(stream, numbers, &args), "sparse");
	compare(take(args.out, n_texts * d_out, true), want, n_texts * d_out, 2, "sparse", d_out, d_in,
			n_logs);
	release();
}

/* Widening, narrowing, and the first number that is none. */
static void
test_widen(size_t n)
{
	float *x = some(n, 3), *got;
	float *plain = put(x, n * sizeof(float)), *wide = on_device(n * sizeof(float));
	uint16_t *half = on_device(n * 2);
	uint64_t *bad = on_device(8), first;

	fine(lep_cuda_narrow(stream, numbers, plain, half, n), "narrow");
	fine(lep_cuda_widen(stream, numbers, half, wide, n, bad), "widen");
	fine(lep_cuda_download(stream, &first, bad, 8), "download");
	got = take(wide, n, true);
	for (size_t i = 0; i < n; i++)
		check(got[i] == from_half(to_half(x[i])), "number %zu was rounded to %g", i,
			  (double) got[i]);
	check(first == UINT64_MAX, "number %llu is said to be bad", (unsigned long long) first);
	x[n / 2] = NAN;
	x[n - 1] = INFINITY;
	fine(lep_cuda_upload(stream, plain, x, n * sizeof(float)), "upload");
	fine(lep_cuda_widen(stream, LEP_F32, plain, plain, n, bad), "look through");
	fine(lep_cuda_download(stream, &first, bad, 8), "download");
	fine(lep_cuda_wait(stream), "wait");
	check(first == n / 2, "the first bad number is %zu, not %llu", n / 2,
		  (unsigned long long) first);
	release();
}

/* Note that a notice came. */
static void
notice(void *ctx)
{
	__atomic_store_n((int *) ctx, 1, __ATOMIC_SEQ_CST);
}

/* Captured work, notices, points in time. */
static void
test_streams(void)
{
	size_t n = 100, d = 384;
	float *x = some(n * d, 1), *gamma = some(d, 1), *want, *got, ms;
	uint16_t *dx = put_half(x, n * d), *out = on_device(n * d * 2);
	LepCudaNorm args = {.x = dx,
						.ldx = d,
						.gamma = put(gamma, d * sizeof(float)),
						.eps = 1e-5f,
						.out = out,
						.n_rows = n,
						.d = d};
	LepCudaGraph *graph = NULL;
	LepCudaMark *from = NULL, *to = NULL;
	void *pinned = NULL, *held = NULL;
	bool done = false;
	int came = 0;

	fine(lep_cuda_norm(stream, numbers, &args), "norm");
	want = take(out, n * d, false);
	fine(lep_cuda_clear(stream, out, n * d * 2), "clear");
	fine(lep_cuda_mark_make(cuda, &from), "mark");
	fine(lep_cuda_mark_make(cuda, &to), "mark");
	fine(lep_cuda_alloc_host(cuda, n * d * 2, &pinned), "pinned memory");
	fine(lep_cuda_alloc_host(cuda, 8, &held), "pinned memory");
	fine(lep_cuda_capture_begin(stream), "capture");
	fine(lep_cuda_norm(stream, numbers, &args), "norm");
	fine(lep_cuda_download(stream, pinned, out, n * d * 2), "download");
	fine(lep_cuda_capture_end(stream, &graph), "capture");
	if (!check(graph != NULL, "no captured work"))
		return;
	fine(lep_cuda_mark_set(stream, from), "mark");
	for (int i = 0; i < 3; i++)
		fine(lep_cuda_graph_launch(stream, graph), "launch");
	fine(lep_cuda_mark_set(stream, to), "mark");
	fine(lep_cuda_notify(stream, notice, &came), "notify");
	while (!done)
		fine(lep_cuda_poll(stream, &done), "poll");
	fine(lep_cuda_wait(stream), "wait");
	for (int i = 0; i < 100000000 && __atomic_load_n(&came, __ATOMIC_SEQ_CST) == 0; i++)
		;
	check(__atomic_load_n(&came, __ATOMIC_SEQ_CST) == 1, "no notice came");
	fine(lep_cuda_mark_between(cuda, from, to, &ms), "time");
	check(ms > 0, "three norms took %g ms", (double) ms);
	got = take(out, n * d, false);
	check(memcmp(got, want, n * d * sizeof(float)) == 0, "captured work gave other bits");
	for (size_t i = 0; i < n * d; i++)
		got[i] = from_half(((uint16_t *) pinned)[i]);
	check(memcmp(got, want, n * d * sizeof(float)) == 0, "captured download gave other bits");
	lep_cuda_graph_free(cuda, graph);
	lep_cuda_mark_free(cuda, from);
	lep_cuda_free_host(cuda, pinned);
	release();
}

/* What is refused, and that the device lives on. */
static void
test_refusals(void)
{
	LepCudaLinear linear = {.n_rows = 1, .d_out = 1, .d_in = 1};
	LepCudaNorm norm = {.n_rows = 1, .d = 8};
	LepCudaAttention wide = {.n_rows = 1, .n_texts = 1, .n_heads = 1, .d_head = 257, .max_len = 1};
	LepCudaEmbed embed = {.n_rows = (size_t) 1 << 40, .d = 8};
	void *at = &at;

	check(lep_cuda_alloc(cuda, (size_t) 1 << 50, &at) == LEP_NO_MEMORY && at == NULL &&
			  lep_cuda_reason(cuda)[0] != '\0',
		  "memory beyond any GPU was given");
	printf("as it should be: %s\n", lep_cuda_reason(cuda));
	check(lep_cuda_linear(stream, numbers, &linear) == LEP_BAD_INPUT, "linear without output");
	check(lep_cuda_norm(stream, numbers, &norm) == LEP_BAD_INPUT, "norm without gamma");
	check(lep_cuda_attention(stream, numbers, &wide) == LEP_UNSUPPORTED, "head of 257");
	check(lep_cuda_embed(stream, numbers, &embed) == LEP_TOO_LARGE, "2^40 rows");
	embed.n_rows = 0;
	check(lep_cuda_embed(stream, numbers, &embed) == LEP_OK, "no rows");
	norm.gamma = (const float *) &norm;
	check(lep_cuda_norm(stream, LEP_I8, &norm) == LEP_BAD_INPUT, "numbers in 8 bits");
	check(!lep_cuda_is_lost(cuda), "the device is lost after refusals");
}

/* All operators in the numbers of the moment. */
static void
test_operators(void)
{
	static const size_t widths[] = {1, 2, 7, 8, 32, 100, 384, 768, 1000, 1032, 2056, 5000};
	static const size_t shapes[][3] = {
		{1, 1, 1},		  {3, 5, 7},		{17, 33, 65},	 {64, 384, 384}, {100, 384, 1536},
		{129, 1152, 384}, {300, 1536, 384}, {257, 768, 768}, {130, 392, 72}, {33, 3052, 128},
		{1030, 384, 384}, {700, 768, 136},	{517, 256, 192}};
	static const unsigned ways[] = {LEP_CUDA_WAYS_PLAIN, LEP_CUDA_WAYS_HOPPER, LEP_CUDA_WAYS_CUBLAS,
									LEP_CUDA_WAYS_ALL};
	static const uint32_t lengths[] = {1, 0, 17, 64, 65, 128, 200, 16, 15, 300, 2};
	static const size_t heads[] = {32, 64, 96, 128, 16, 40, 7};

	for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]); i++)
	{
		for (int dtype = LEP_F32; dtype <= LEP_I8; dtype++)
		{
			test_embed(7, widths[i], dtype, true);
			test_embed(30 + (size_t) dtype, widths[i], dtype, dtype != LEP_F16);
		}
		test_norm(5, widths[i], false, false);
		test_norm(33, widths[i], true, true);
		test_norm(1, widths[i], false, true);
		test_pool(widths[i], 0, false, false, 1);
		test_pool(widths[i], 3, true, true, 1);
		test_pool(widths[i], 2, true, false, 6);
		test_rows(9, widths[i]);
	}
	test_pool(16384, 0, true, true, 1);
	test_pool(16384, 0, true, false, 2);
	for (size_t way = 0; way < sizeof(ways) / sizeof(ways[0]); way++)
	{
		lep_cuda_ways(cuda, ways[way]);
		lep_cuda_tune(stream, ways[way] == LEP_CUDA_WAYS_ALL);
		for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		{
			const size_t *s = shapes[i];

			for (int shape = 0; shape < N_SHAPES; shape++)
				if (s[1] > 2 || (shape != NORMED && shape != BOTH))
					test_linear(s[0], s[1], s[2], LEP_ACT_NONE, shape, shape % 2 == 0);
			test_linear(s[0], s[1], s[2], LEP_ACT_GELU, TO_OUT, true);
			test_linear(s[0], s[1], s[2], LEP_ACT_GELU, IN_PLACE, true);
		}
		for (int act = 0; act < LEP_ACT_COUNT; act++)
			test_linear(70, 384, 128, act, TO_OUT, act % 2 == 0);
		test_feed_forward(200, 384, 1536, LEP_ACT_GELU);
		test_feed_forward(65, 48, 100, LEP_ACT_RELU);
	}
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
		for (int extra = 0; extra < N_EXTRAS; extra++)
		{
			bool turned = extra == TURNED || extra == TURNED_LOCAL;

			if (turned && heads[i] % 2 != 0)
				continue;
			test_attention(lengths, sizeof(lengths) / sizeof(lengths[0]), 4, heads[i], extra);
			test_attention(lengths, 4, 2, heads[i], extra);
		}
	test_sparse(100, 64, false, 1, 7);
	test_sparse(1000, 40, true, 2, 64);
	test_sparse(999, 33, false, 2, 41);
	test_widen(1);
	test_widen(100003);
	test_streams();
	test_refusals();
}

/* What needs a device. */
static void
test_device(void)
{
	char why[256] = "";
	size_t free_bytes = 0, total = 0;

	ref = lep_kernels_choose("reference");
	fast = lep_kernels_choose("auto");
	if (!check(lep_cuda_open(0, &cuda, why, sizeof(why)) == LEP_OK, "open: %s", why))
		return;
	fine(lep_cuda_memory(cuda, &free_bytes, &total), "memory");
	check(free_bytes > 0 && free_bytes <= total, "%zu bytes of %zu are free", free_bytes, total);
	if (check(lep_cuda_stream_open(cuda, &stream) == LEP_OK, "stream: %s", lep_cuda_reason(cuda)))
	{
		printf("cuBLASLt %zu\n", lep_cuda_cublas(cuda));
		for (numbers = LEP_F16; numbers <= LEP_BF16; numbers++)
			test_operators();
		numbers = LEP_F16;
		/* The last thing that this process can do with the device. */
		fine(lep_cuda_break(stream), "break");
		check(lep_cuda_wait(stream) == LEP_IO && lep_cuda_is_lost(cuda), "the device lives on");
		printf("as it should be: %s\n", lep_cuda_reason(cuda));
	}
	lep_cuda_close(cuda);
}

int
main(void)
{
	LepCudaInfo info;
	char why[256] = "";
	LepStatus status = lep_cuda_probe(&info, why, sizeof(why));

	if (status == LEP_OK)
	{
		printf("device 0 of %d: %s, compute capability %d.%d, %.1f GiB; driver %d, built with %d\n",
			   info.devices, info.name, info.major, info.minor, (double) info.memory / 1073741824.0,
			   info.driver, info.runtime);
		check(info.devices > 0 && info.name[0] != '\0' && info.memory > 0, "empty description");
		check(lep_cuda_open(info.devices, &cuda, why, sizeof(why)) == LEP_BAD_INPUT,
			  "opened a device that is not there");
		test_device();
	}
	else
	{
		printf("no device: %s; skipped: all operators\n", why);
		check(status == LEP_MISSING || status == LEP_UNSUPPORTED, "probe answered %d", status);
		check(info.devices == 0, "devices counted where none can be used");
		check(why[0] != '\0', "no reason given");
		why[0] = '\0';
		check(lep_cuda_open(0, &cuda, why, sizeof(why)) == status && cuda == NULL && why[0] != '\0',
			  "open without a device");
	}
	lep_cuda_close(NULL);
	return test_done();
}
