/*
 * products.cu: the linear: which way multiplies fastest is measured once per shape and kept; refuses to multiply
 * itself.
 */
#include <stdlib.h>
#include <string.h>

#include "products.h"

#define MAX_SHAPES	1024 /* a power of two; what does not fit is not kept */
#define REPETITIONS 5
#define MANY_ROWS	1024 /* from which the kernel for Hopper is a good guess */

/* What a measurement holds for. */
typedef struct Shape
{
	uint32_t numbers, rows; /* rows: the power of two that they are below or at */
	uint32_t d_out, d_in;
	uint32_t act, flags;
} Shape;

enum
{
	HAS_BIAS = 1,
	HAS_RESIDUAL = 2,
	IS_WIDE = 4,
	HAS_OUT = 8,
	HAS_NORM = 16
};

typedef struct Entry
{
	bool used, measured;
	Shape shape;
	LepCudaWay way;
} Entry;

struct LepCudaProducts
{
	LepCudaCublas *cublas;
	unsigned allowed; /* LEP_CUDA_WAYS_... */
	Entry entries[MAX_SHAPES];
	LepCudaWay ways[LEP_CUDA_ALGORITHMS + 3]; /* of the measurement in work */
};

/* Find what multiplies. */
void
lep_cuda_products_open(LepCuda *cuda)
{
	cuda->products = (LepCudaProducts *) calloc(1, sizeof(LepCudaProducts));
	if (cuda->products == NULL)
		return;
	cuda->products->cublas = lep_cuda_cublas_open();
	cuda->products->allowed = LEP_CUDA_WAYS_ALL;
}

/* Choose which kernels may multiply. */
void
lep_cuda_ways(LepCuda *cuda, unsigned ways)
{
	if (cuda->products == NULL)
		return;
	cuda->products->allowed = ways;
	memset(cuda->products->entries, 0, sizeof(cuda->products->entries));
}

/* Let it go. */
void
lep_cuda_products_close(LepCuda *cuda)
{
	if (cuda->products != NULL)
		lep_cuda_cublas_close(cuda->products->cublas);
	free(cuda->products);
	cuda->products = NULL;
}

/* Tell the version of cuBLASLt. */
size_t
lep_cuda_cublas(const LepCuda *cuda)
{
	return cuda->products == NULL ? 0 : lep_cuda_cublas_version(cuda->products->cublas);
}

/* Describe a linear's shape. */
static Shape
shape_of(LepDtype numbers, const LepCudaLinear *a)
{
	Shape shape;

	memset(&shape, 0, sizeof(shape));
	shape.numbers = (uint32_t) numbers;
	while (((size_t) 1 << shape.rows) < a->n_rows)
		shape.rows++;
	shape.d_out = (uint32_t) a->d_out;
	shape.d_in = (uint32_t) a->d_in;
	shape.act = (uint32_t) a->act;
	shape.flags = (a->half_bias != NULL ? HAS_BIAS : 0) | (a->residual != NULL ? HAS_RESIDUAL : 0) |
				  (a->wide ? IS_WIDE : 0) | (a->out != NULL ? HAS_OUT : 0) |
				  (a->normed != NULL ? HAS_NORM : 0);
	return shape;
}

/* Find a shape's entry, or a free one; NULL when all are taken. */
static Entry *
entry_of(LepCudaProducts *products, const Shape *shape)
{
	const unsigned char *bytes = (const unsigned char *) shape;
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < sizeof(*shape); i++)
		hash = (hash ^ bytes[i]) * 16777619u;
	for (uint32_t i = 0; i < MAX_SHAPES; i++)
	{
		Entry *entry = &products->entries[(hash + i) % MAX_SHAPES];

		if (!entry->used || memcmp(&entry->shape, shape, sizeof(*shape)) == 0)
			return entry;
	}
	return NULL;
}

/* Compute a linear in one way, its norm included. */
static LepStatus
run(LepCudaStream *stream, LepDtype numbers, const LepCudaLinear *args, const LepCudaWay *way)
{
	LepCudaLinear product = *args;
	LepStatus status;
	LepCudaNorm norm;

	if (way->kind == LEP_CUDA_WAY_HOPPER && way->fuses_norm)
		return lep_cuda_hopper_run(stream, numbers, args, true);
	if (product.out == NULL)
	{
		product.out = product.normed;
		product.ldo = product.d_out;
	}
	product.normed = NULL;
	if (way->kind == LEP_CUDA_WAY_HOPPER)
		status = lep_cuda_hopper_run(stream, numbers, &product, false);
	else if (way->kind == LEP_CUDA_WAY_CUBLAS)
		status = lep_cuda_cublas_run(stream->cuda->products->cublas, stream, numbers, &product,
									 &way->algorithm);
	else
		status = lep_cuda_plain_run(stream, numbers, &product);
	if (args->normed == NULL || status != LEP_OK)
		return status;
	memset(&norm, 0, sizeof(norm));
	norm.x = product.out;
	norm.ldx = product.ldo;
	norm.gamma = args->gamma;
	norm.beta = args->beta;
	norm.eps = args->eps;
	norm.rms = args->rms;
	norm.out = args->normed;
	norm.n_rows = args->n_rows;
	norm.d = args->d_out;
	return lep_cuda_norm(stream, numbers, &norm);
}

/* List the ways that can compute a linear, the best guess first; return how many. */
static int
list_ways(LepCuda *cuda, LepDtype numbers, const LepCudaLinear *args, LepCudaWay *ways, int max)
{
	LepCudaAlgorithm algorithms[LEP_CUDA_ALGORITHMS];
	LepCudaLinear product = *args;
	unsigned allowed = cuda->products->allowed;
	bool hopper = (allowed & LEP_CUDA_WAYS_HOPPER) != 0, in_place;
	bool fused = hopper && args->normed != NULL && lep_cuda_hopper_fits(cuda, args, true);
	int n = 0, n_algorithms = 0;

	memset(ways, 0, (size_t) max * sizeof(*ways));
	if (product.out == NULL)
	{
		product.out = product.normed;
		product.ldo = product.d_out;
	}
	hopper = hopper && lep_cuda_hopper_fits(cuda, &product, false);
	/* cuBLASLt adds a residual behind an activation in a second pass, when it has been overwritten. */
	in_place = product.residual == product.out && product.act != LEP_ACT_NONE;
	if (!in_place && (allowed & LEP_CUDA_WAYS_CUBLAS) != 0)
		n_algorithms = lep_cuda_cublas_list(cuda->products->cublas, numbers, &product, algorithms,
											max < LEP_CUDA_ALGORITHMS ? max : LEP_CUDA_ALGORITHMS);
	if (args->n_rows < MANY_ROWS && n_algorithms > 0)
	{
		ways[n].kind = LEP_CUDA_WAY_CUBLAS;
		ways[n++].algorithm = algorithms[0];
	}
	if (fused && n < max)
	{
		ways[n].kind = LEP_CUDA_WAY_HOPPER;
		ways[n++].fuses_norm = true;
	}
	if (hopper && n < max)
		ways[n++].kind = LEP_CUDA_WAY_HOPPER;
	for (int i = args->n_rows < MANY_ROWS ? 1 : 0; i < n_algorithms && n < max; i++)
	{
		ways[n].kind = LEP_CUDA_WAY_CUBLAS;
		ways[n++].algorithm = algorithms[i];
	}
	if (n == 0)
		n = 1; /* plain */
	return n;
}

/* Milliseconds of a way; none where it fails. */
static float
measure(LepCudaStream *stream, LepDtype numbers, const LepCudaLinear *args, const LepCudaWay *way,
		LepCudaMark *from, LepCudaMark *to)
{
	LepStatus status = run(stream, numbers, args, way);
	float ms = INFINITY;

	if (status == LEP_OK)
		status = lep_cuda_mark_set(stream, from);
	for (int i = 0; i < REPETITIONS && status == LEP_OK; i++)
		status = run(stream, numbers, args, way);
	if (status == LEP_OK)
		status = lep_cuda_mark_set(stream, to);
	if (lep_cuda_wait(stream) != LEP_OK || status != LEP_OK ||
		lep_cuda_mark_between(stream->cuda, from, to, &ms) != LEP_OK)
		return INFINITY;
	return ms;
}

/* Measure all ways, writing to working memory instead of the linear's own; the first one where nothing can be measured. */
static LepCudaWay
fastest(LepCudaStream *stream, LepDtype numbers, const LepCudaLinear *args)
{
	LepCuda *cuda = stream->cuda;
	LepCudaWay *ways = cuda->products->ways;
	int n = list_ways(cuda, numbers, args, ways, LEP_CUDA_ALGORITHMS + 3), best = 0;
	LepCudaMark *from = NULL, *to = NULL;
	size_t bytes = args->n_rows * args->d_out * (args->wide ? sizeof(float) : sizeof(uint16_t));
	LepCudaLinear trial = *args;
	float least = INFINITY;
	void *out = NULL, *normed = NULL;
	bool ready = n > 1 && lep_cuda_mark_make(cuda, &from) == LEP_OK &&
				 lep_cuda_mark_make(cuda, &to) == LEP_OK &&
				 (args->out == NULL || lep_cuda_alloc(cuda, bytes, &out) == LEP_OK) &&
				 (args->normed == NULL || lep_cuda_alloc(cuda, bytes, &normed) == LEP_OK);

	trial.out = out;
	trial.ldo = trial.d_out;
	trial.normed = normed;
	for (int i = 0; i < n && ready && !cuda->lost; i++)
	{
		float ms = measure(stream, numbers, &trial, &ways[i], from, to);

		if (ms < least)
		{
			least = ms;
			best = i;
		}
	}
	lep_cuda_mark_free(cuda, from);
	lep_cuda_mark_free(cuda, to);
	lep_cuda_free(cuda, out);
	lep_cuda_free(cuda, normed);
	return ways[best];
}

/* Refuse arguments that contradict each other. */
static LepStatus
check(LepCuda *cuda, LepDtype numbers, const LepCudaLinear *a)
{
	LepStatus status = lep_cuda_count(cuda, a->n_rows, a->d_in);

	if (status == LEP_OK)
		status = lep_cuda_count(cuda, a->n_rows, a->d_out);
	if (status != LEP_OK)
		return status;
	if (numbers != LEP_F16 && numbers != LEP_BF16)
		return lep_cuda_refuse(cuda, LEP_BAD_INPUT, "numbers are neither f16 nor bf16");
	if (a->out == NULL && a->normed == NULL)
		return lep_cuda_refuse(cuda, LEP_BAD_INPUT, "linear has no output");
	if (a->normed != NULL && a->gamma == NULL)
		return lep_cuda_refuse(cuda, LEP_BAD_INPUT, "norm has no gamma");
	if (a->wide && (a->act != LEP_ACT_NONE || a->residual != NULL || a->normed != NULL))
		return lep_cuda_refuse(cuda, LEP_BAD_INPUT, "wide linear has an epilogue");
	return LEP_OK;
}

/* Multiply in the way that is kept for the shape. */
LepStatus
lep_cuda_linear(LepCudaStream *stream, LepDtype numbers, const LepCudaLinear *args)
{
	LepCuda *cuda = stream->cuda;
	LepStatus status = check(cuda, numbers, args);
	LepCudaWay way;
	Entry *entry;
	Shape shape;

	if (status != LEP_OK || args->n_rows == 0 || args->d_out == 0)
		return status;
	if (args->d_in == 0 || cuda->products == NULL)
	{
		memset(&way, 0, sizeof(way));
		return run(stream, numbers, args, &way);
	}
	shape = shape_of(numbers, args);
	entry = entry_of(cuda->products, &shape);
	if (entry != NULL && entry->used && (entry->measured || !stream->tuning || stream->capturing))
		return run(stream, numbers, args, &entry->way);
	if (stream->tuning && !stream->capturing)
		way = fastest(stream, numbers, args);
	else
	{
		(void) list_ways(cuda, numbers, args, cuda->products->ways, 2);
		way = cuda->products->ways[0];
	}
	if (entry != NULL)
	{
		entry->used = true;
		entry->measured = stream->tuning && !stream->capturing;
		entry->shape = shape;
		entry->way = way;
	}
	return run(stream, numbers, args, &way);
}

/* Multiply twice. */
LepStatus
lep_cuda_feed_forward(LepCudaStream *stream, LepDtype numbers, const LepCudaFeedForward *args)
{
	LepCudaLinear up, down;
	LepStatus status;

	memset(&up, 0, sizeof(up));
	up.x = args->x;
	up.ldx = args->ldx;
	up.w = args->w1;
	up.half_bias = args->half_bias1;
	up.out = args->inner;
	up.ldo = args->d_inner;
	up.n_rows = args->n_rows;
	up.d_out = args->d_inner;
	up.d_in = args->d;
	up.act = args->act;
	status = lep_cuda_linear(stream, numbers, &up);
	if (status != LEP_OK)
		return status;
	memset(&down, 0, sizeof(down));
	down.x = args->inner;
	down.ldx = args->d_inner;
	down.w = args->w2;
	down.half_bias = args->half_bias2;
	down.residual = args->residual;
	down.ldr = args->ldr;
	down.out = args->out;
	down.ldo = args->ldo;
	down.n_rows = args->n_rows;
	down.d_out = args->d;
	down.d_in = args->d_inner;
	down.act = LEP_ACT_NONE;
	down.normed = args->normed;
	down.gamma = args->gamma;
	down.beta = args->beta;
	down.eps = args->eps;
	down.rms = args->rms;
	return lep_cuda_linear(stream, numbers, &down);
}
