/*
 * operators.c: the operators of the emulated device: each checks its arguments when it is enqueued and computes in f32 with the
 * CPU's kernels when it runs, rounding what it writes to 16 bits as the device does.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../kernels/ref.h"
#include "emulated.h"

#define ARRAY_ALIGN 16 /* bytes */

/* The kernels that compute; choosing them anew for each row would cost more than the row. */
static const LepKernels *
kernels(void)
{
	static const LepKernels *chosen = NULL;
	const LepKernels *k = __atomic_load_n(&chosen, __ATOMIC_RELAXED);

	if (k == NULL)
	{
		k = lep_kernels_choose("auto");
		__atomic_store_n(&chosen, k, __ATOMIC_RELAXED);
	}
	return k;
}

/* Round x[n] to numbers. */
static void
round_to(LepDtype numbers, const float *x, size_t n, void *out)
{
	uint16_t *to = out;

	for (size_t i = 0; i < n; i++)
		to[i] = numbers == LEP_F16 ? lep_ref_to_f16(x[i]) : lep_ref_to_bf16(x[i]);
}

/* Round rows of x[n_rows, d], dense, into rows of stride ldo. */
static void
round_rows(LepDtype numbers, const float *x, size_t n_rows, size_t d, void *out, size_t ldo)
{
	for (size_t row = 0; row < n_rows; row++)
		round_to(numbers, x + row * d, d, (uint16_t *) out + row * ldo);
}

/* x[n_rows, d] of stride ld in f32, dense with stride ldo, to be freed. */
static float *
widen_rows(LepDtype numbers, const void *x, size_t n_rows, size_t ld, size_t d, size_t ldo)
{
	float *wide = calloc(n_rows * ldo + 1, sizeof(float));

	for (size_t row = 0; row < n_rows; row++)
		kernels()->widen((const uint16_t *) x + row * ld, numbers, wide + row * ldo, d);
	return wide;
}

/* Are rows [n_rows, d] of stride ld, of so many bytes a number, in device memory? */
static bool
owns_rows(LepCuda *cuda, const void *x, size_t n_rows, size_t ld, size_t d, size_t size)
{
	return n_rows == 0 || lep_emulated_owns(cuda, x, ((n_rows - 1) * ld + d) * size);
}

/* The same, or absent. */
static bool
owns_maybe(LepCuda *cuda, const void *x, size_t n, size_t size)
{
	return x == NULL || lep_emulated_owns(cuda, x, n * size);
}

/* Do rows of 16-bit floats overlap others? */
static bool
overlap(const void *a, size_t lda, const void *b, size_t ldb, size_t n_rows)
{
	uintptr_t x = (uintptr_t) a, y = (uintptr_t) b;

	return a != NULL && b != NULL && x < y + n_rows * ldb * 2 && y < x + n_rows * lda * 2;
}

/* Does every array, up to a NULL, begin where arrays may? */
static bool
aligned(const void *const *arrays, size_t n)
{
	for (size_t i = 0; i < n; i++)
	{
		if ((uintptr_t) arrays[i] % ARRAY_ALIGN != 0)
			return false;
	}
	return true;
}

#define ALIGNED(...)                            \
	aligned((const void *const[]){__VA_ARGS__}, \
			sizeof((const void *const[]){__VA_ARGS__}) / sizeof(const void *))

/* Enqueue an operator, when its arguments are those that the header asks for. */
static LepStatus
enqueue(LepCudaStream *stream, LepEmulatedCall *call, LepEmulatedKind kind, LepDtype numbers,
		bool fine)
{
	if (!fine || (numbers != LEP_F16 && numbers != LEP_BF16))
		return lep_emulated_refuse(stream, "arguments of an operator contradict its header");
	call->kind = kind;
	call->numbers = numbers;
	return lep_emulated_enqueue(stream, call);
}

/* ---- what an operator takes ---- */

LepStatus
lep_cuda_embed(LepCudaStream *stream, LepDtype numbers, const LepCudaEmbed *a)
{
	LepEmulatedCall call = {.args.embed = *a};

	return enqueue(stream, &call, LEP_EMULATED_EMBED, numbers,
				   a->word != NULL && ALIGNED(a->ids, a->positions, a->types, a->word, a->position,
											  a->type, a->gamma, a->beta, a->out));
}

LepStatus
lep_cuda_linear(LepCudaStream *stream, LepDtype numbers, const LepCudaLinear *a)
{
	LepEmulatedCall call = {.args.linear = *a};
	bool fine =
		ALIGNED(a->x, a->w, a->half_bias, a->residual, a->out, a->normed, a->gamma, a->beta);

	fine = fine && a->w != NULL && (a->out != NULL || a->normed != NULL);
	fine = fine && (a->normed == NULL || a->gamma != NULL);
	fine =
		fine && (!a->wide || (a->act == LEP_ACT_NONE && a->residual == NULL && a->normed == NULL));
	fine = fine && !overlap(a->x, a->ldx, a->out, a->ldo, a->n_rows);
	fine = fine && !overlap(a->x, a->ldx, a->normed, a->d_out, a->n_rows);
	fine = fine && !overlap(a->out, a->ldo, a->normed, a->d_out, a->n_rows);
	fine = fine && (a->residual == NULL || a->residual == a->out || a->out == NULL ||
					!overlap(a->residual, a->ldr, a->out, a->ldo, a->n_rows));
	fine = fine && (a->residual == NULL || (a->residual == a->normed && a->out == NULL) ||
					!overlap(a->residual, a->ldr, a->normed, a->d_out, a->n_rows));
	return enqueue(stream, &call, LEP_EMULATED_LINEAR, numbers, fine);
}

LepStatus
lep_cuda_feed_forward(LepCudaStream *stream, LepDtype numbers, const LepCudaFeedForward *a)
{
	LepEmulatedCall call = {.args.feed_forward = *a};
	bool fine = ALIGNED(a->x, a->w1, a->w2, a->half_bias1, a->half_bias2, a->residual, a->inner,
						a->out, a->normed, a->gamma, a->beta);

	fine = fine && a->inner != NULL && (a->out != NULL || a->normed != NULL);
	fine = fine && (a->normed == NULL || a->gamma != NULL);
	fine = fine && !overlap(a->x, a->ldx, a->out, a->ldo, a->n_rows);
	fine = fine && (a->x == a->normed || !overlap(a->x, a->ldx, a->normed, a->d, a->n_rows));
	fine = fine && !overlap(a->x, a->ldx, a->inner, a->d_inner, a->n_rows);
	fine = fine && !overlap(a->residual, a->ldr, a->inner, a->d_inner, a->n_rows);
	fine = fine && !overlap(a->out, a->ldo, a->inner, a->d_inner, a->n_rows);
	fine = fine && !overlap(a->normed, a->d, a->inner, a->d_inner, a->n_rows);
	fine = fine && !overlap(a->out, a->ldo, a->normed, a->d, a->n_rows);
	fine =
		fine && (a->residual == a->out || !overlap(a->residual, a->ldr, a->out, a->ldo, a->n_rows));
	fine = fine &&
		   (a->residual == a->normed || !overlap(a->residual, a->ldr, a->normed, a->d, a->n_rows));
	return enqueue(stream, &call, LEP_EMULATED_FEED_FORWARD, numbers, fine);
}

LepStatus
lep_cuda_norm(LepCudaStream *stream, LepDtype numbers, const LepCudaNorm *a)
{
	LepEmulatedCall call = {.args.norm = *a};

	return enqueue(stream, &call, LEP_EMULATED_NORM, numbers,
				   a->gamma != NULL &&
					   ALIGNED(a->x, a->residual, a->sum, a->gamma, a->beta, a->out));
}

LepStatus
lep_cuda_attention(LepCudaStream *stream, LepDtype numbers, const LepCudaAttention *a)
{
	LepEmulatedCall call = {.args.attention = *a};
	bool fine = ALIGNED(a->q, a->k, a->v, a->out, a->starts, a->cosine, a->sine, a->place_key,
						a->place_query);

	if (a->d_head > LEP_CUDA_MAX_HEAD)
		return LEP_UNSUPPORTED;
	fine = fine && (a->cosine == NULL || (a->sine != NULL && a->d_head % 2 == 0));
	fine = fine && (a->bias == NULL || a->ldb >= 2 * a->max_len - 1);
	fine = fine && (a->place == NULL || a->place_key != NULL || a->place_query != NULL);
	return enqueue(stream, &call, LEP_EMULATED_ATTENTION, numbers, fine);
}

LepStatus
lep_cuda_pool(LepCudaStream *stream, LepDtype numbers, const LepCudaPool *a)
{
	LepEmulatedCall call = {.args.pool = *a};
	bool fine =
		ALIGNED(a->x, a->starts, a->out) && a->n_modes > 0 && a->n_modes <= LEP_CUDA_MAX_POOLS;

	for (uint32_t i = 0; i < a->n_modes && fine; i++)
		fine = a->modes[i] >= LEP_CUDA_POOL_CLS && a->modes[i] < LEP_CUDA_POOL_COUNT;
	return enqueue(stream, &call, LEP_EMULATED_POOL, numbers, fine);
}

LepStatus
lep_cuda_sparse(LepCudaStream *stream, LepDtype numbers, const LepCudaSparse *a)
{
	LepEmulatedCall call = {.args.sparse = *a};

	return enqueue(stream, &call, LEP_EMULATED_SPARSE, numbers,
				   (a->logits_rows > 0 || a->n_rows == 0) && (a->n_logs == 1 || a->n_logs == 2) &&
					   ALIGNED(a->x, a->w, a->half_bias, a->starts, a->logits, a->out));
}

LepStatus
lep_cuda_normalize(LepCudaStream *stream, LepDtype numbers, const void *x, size_t ldx, void *out,
				   size_t n_rows, size_t d)
{
	LepEmulatedCall call = {
		.args.rows = {.x = x, .ldx = ldx, .n_rows = n_rows, .d = d, .out = out}};

	return enqueue(stream, &call, LEP_EMULATED_NORMALIZE, numbers, ALIGNED(x, out));
}

LepStatus
lep_cuda_cut(LepCudaStream *stream, LepDtype numbers, const void *x, size_t ldx, void *out,
			 size_t n_rows, size_t d)
{
	LepEmulatedCall call = {
		.args.rows = {.x = x, .ldx = ldx, .n_rows = n_rows, .d = d, .out = out}};

	return enqueue(stream, &call, LEP_EMULATED_CUT, numbers, ALIGNED(x, out));
}

LepStatus
lep_cuda_pick(LepCudaStream *stream, LepDtype numbers, const void *x, size_t ldx,
			  const uint32_t *picks, size_t n_picks, void *out, size_t d)
{
	LepEmulatedCall call = {
		.args.rows = {.x = x, .ldx = ldx, .index = picks, .n_rows = n_picks, .d = d, .out = out}};

	return enqueue(stream, &call, LEP_EMULATED_PICK, numbers, ALIGNED(x, picks, out));
}

LepStatus
lep_cuda_unfold(LepCudaStream *stream, LepDtype numbers, const void *x, size_t ldx,
				const uint32_t *starts, size_t n_texts, size_t n_rows, void *out, size_t d,
				size_t n_around)
{
	LepEmulatedCall call = {.args.rows = {.x = x,
										  .ldx = ldx,
										  .index = starts,
										  .n_texts = n_texts,
										  .n_rows = n_rows,
										  .d = d,
										  .n_around = n_around,
										  .out = out}};

	return enqueue(stream, &call, LEP_EMULATED_UNFOLD, numbers,
				   n_around % 2 == 1 && ALIGNED(x, starts, out));
}

LepStatus
lep_cuda_gate(LepCudaStream *stream, LepDtype numbers, const void *x, size_t ldx, const void *y,
			  size_t ldy, void *out, size_t n_rows, size_t d, LepAct act)
{
	LepEmulatedCall call = {.args.rows = {.x = x,
										  .ldx = ldx,
										  .y = y,
										  .ldy = ldy,
										  .n_rows = n_rows,
										  .d = d,
										  .out = out,
										  .act = act}};

	return enqueue(stream, &call, LEP_EMULATED_GATE, numbers, ALIGNED(x, y, out));
}

LepStatus
lep_cuda_activate(LepCudaStream *stream, LepDtype numbers, const void *x, size_t ldx, void *out,
				  size_t n_rows, size_t d, LepAct act)
{
	LepEmulatedCall call = {
		.args.rows = {.x = x, .ldx = ldx, .n_rows = n_rows, .d = d, .out = out, .act = act}};

	return enqueue(stream, &call, LEP_EMULATED_ACTIVATE, numbers, ALIGNED(x, out));
}

LepStatus
lep_cuda_add(LepCudaStream *stream, LepDtype numbers, const void *x, size_t ldx, const void *y,
			 size_t ldy, void *out, size_t n_rows, size_t d)
{
	LepEmulatedCall call = {
		.args.rows = {
			.x = x, .ldx = ldx, .y = y, .ldy = ldy, .n_rows = n_rows, .d = d, .out = out}};

	return enqueue(stream, &call, LEP_EMULATED_ADD, numbers, ALIGNED(x, y, out));
}

LepStatus
lep_cuda_widen(LepCudaStream *stream, LepDtype numbers, const void *x, float *out, size_t n,
			   uint64_t *first_bad)
{
	LepEmulatedCall call = {
		.args.rows = {.x = x, .n_rows = n, .d = 1, .out = out, .first_bad = first_bad}};

	call.kind = LEP_EMULATED_WIDEN;
	call.numbers = numbers;
	if (!ALIGNED(x, out, first_bad) || numbers == LEP_I8)
		return lep_emulated_refuse(stream, "arguments of an operator contradict its header");
	return lep_emulated_enqueue(stream, &call);
}

LepStatus
lep_cuda_narrow(LepCudaStream *stream, LepDtype numbers, const float *x, void *out, size_t n)
{
	LepEmulatedCall call = {.args.rows = {.x = x, .n_rows = n, .d = 1, .out = out}};

	return enqueue(stream, &call, LEP_EMULATED_NARROW, numbers, ALIGNED(x, out));
}

/* ---- what it computes ---- */

/* Bytes of a table of rows. */
static size_t
table_bytes(LepDtype dtype, size_t rows, size_t d)
{
	return rows * d * lep_dtype_size(dtype) + (dtype == LEP_I8 ? rows * sizeof(float) : 0);
}

/* out = norm(word[ids] + position[positions] + type[types]) */
static bool
run_embed(LepCuda *cuda, LepDtype numbers, const LepCudaEmbed *a)
{
	float *zeroes = calloc(a->d + 1, sizeof(float));
	float *sum = calloc(a->n_rows * a->d + 1, sizeof(float));
	LepEmbed args = {
		.ids = a->ids,
		.positions = a->positions,
		.types = a->types,
		.word = a->word,
		.position = a->position,
		.type = a->type,
		.word_dtype = a->word_dtype,
		.position_dtype = a->position_dtype,
		.type_dtype = a->type_dtype,
		.word_rows = a->word_rows,
		.position_rows = a->position_rows,
		.type_rows = a->type_rows,
		.gamma = a->gamma,
		.beta = a->beta != NULL ? a->beta : zeroes,
		.eps = a->eps,
		.out = sum,
		.n_tokens = a->n_rows,
		.d = a->d,
	};
	bool fine = lep_emulated_owns(cuda, a->word, table_bytes(a->word_dtype, a->word_rows, a->d)) &&
				owns_maybe(cuda, a->ids, a->n_rows, 4) &&
				owns_maybe(cuda, a->types, a->n_rows, 4) && owns_maybe(cuda, a->gamma, a->d, 4) &&
				owns_maybe(cuda, a->beta, a->d, 4) &&
				owns_rows(cuda, a->out, a->n_rows, a->d, a->d, 2);

	if (a->position != NULL)
		fine = fine && lep_emulated_owns(cuda, a->positions, a->n_rows * 4) &&
			   lep_emulated_owns(cuda, a->position,
								 table_bytes(a->position_dtype, a->position_rows, a->d));
	if (a->type != NULL)
		fine = fine &&
			   lep_emulated_owns(cuda, a->type, table_bytes(a->type_dtype, a->type_rows, a->d));
	for (size_t i = 0; i < a->n_rows && fine; i++)
		fine = a->ids[i] >= 0 && (size_t) a->ids[i] < a->word_rows &&
			   (a->position == NULL ||
				(a->positions[i] >= 0 && (size_t) a->positions[i] < a->position_rows)) &&
			   (a->type == NULL || a->types == NULL ||
				(a->types[i] >= 0 && (size_t) a->types[i] < a->type_rows));
	if (fine && a->n_rows > 0)
	{
		kernels()->embed(&args);
		round_to(numbers, sum, a->n_rows * a->d, a->out);
	}
	free(sum);
	free(zeroes);
	return fine;
}

/* out = norm of x[n_rows, d], in f32 */
static void
norm_rows(const float *x, const float *gamma, const float *beta, float eps, bool rms, float *out,
		  size_t n_rows, size_t d)
{
	float *zeroes = calloc(d + 1, sizeof(float));

	if (rms)
		kernels()->rms_norm(x, gamma, eps, out, n_rows, d);
	else
		kernels()->norm(x, gamma, beta != NULL ? beta : zeroes, eps, out, n_rows, d);
	free(zeroes);
}

/* out[n_rows, d_out] = x[n_rows, d_in] * w^T + half_bias, in f32 */
static void
multiply(LepDtype numbers, const float *x, size_t n_rows, size_t d_in, const void *w,
		 const void *half_bias, size_t d_out, LepAct act, float *out)
{
	float *wide = widen_rows(numbers, w, d_out, d_in, d_in, d_in);
	float *bias = half_bias != NULL ? widen_rows(numbers, half_bias, 1, d_out, d_out, d_out) : NULL;
	size_t size = kernels()->linear_packed_size(d_out, d_in);
	void *packed = aligned_alloc(LEP_ALIGN, (size + LEP_ALIGN) / LEP_ALIGN * LEP_ALIGN);
	const LepLinear args = {.x = x,
							.ldx = d_in,
							.w = packed,
							.bias = bias,
							.out = out,
							.ldo = d_out,
							.n_rows = n_rows,
							.d_out = d_out,
							.d_in = d_in,
							.act = act};

	kernels()->linear_pack(wide, d_out, d_in, packed);
	kernels()->linear(&args);
	free(packed);
	free(bias);
	free(wide);
}

/* out, normed = sum[n_rows, d] + residual, and its norm; sum is changed. */
static void
finish(LepDtype numbers, float *sum, const LepCudaLinear *a)
{
	size_t n = a->n_rows, d = a->d_out;

	if (a->residual != NULL)
	{
		float *residual = widen_rows(numbers, a->residual, n, a->ldr, d, d);

		kernels()->add_scaled(sum, residual, 1.0f, n * d);
		free(residual);
	}
	if (a->out != NULL)
		round_rows(numbers, sum, n, d, a->out, a->ldo);
	if (a->normed == NULL)
		return;
	norm_rows(sum, a->gamma, a->beta, a->eps, a->rms, sum, n, d);
	round_to(numbers, sum, n * d, a->normed);
}

/* Are a linear's arrays in device memory? */
static bool
owns_linear(LepCuda *cuda, const LepCudaLinear *a)
{
	return owns_rows(cuda, a->x, a->n_rows, a->ldx, a->d_in, 2) &&
		   lep_emulated_owns(cuda, a->w, a->d_out * a->d_in * 2) &&
		   owns_maybe(cuda, a->half_bias, a->d_out, 2) &&
		   (a->residual == NULL || owns_rows(cuda, a->residual, a->n_rows, a->ldr, a->d_out, 2)) &&
		   (a->out == NULL ||
			owns_rows(cuda, a->out, a->n_rows, a->ldo, a->d_out, a->wide ? 4 : 2)) &&
		   (a->normed == NULL || (owns_rows(cuda, a->normed, a->n_rows, a->d_out, a->d_out, 2) &&
								  lep_emulated_owns(cuda, a->gamma, a->d_out * 4) &&
								  owns_maybe(cuda, a->beta, a->d_out, 4)));
}

/* out = act(x * w^T + half_bias) + residual, and its norm */
static bool
run_linear(LepCuda *cuda, LepDtype numbers, const LepCudaLinear *a)
{
	float *x;
	float *sum;

	if (!owns_linear(cuda, a))
		return false;
	if (a->n_rows == 0)
		return true;
	x = widen_rows(numbers, a->x, a->n_rows, a->ldx, a->d_in, a->d_in);
	sum = calloc(a->n_rows * a->d_out, sizeof(float));
	multiply(numbers, x, a->n_rows, a->d_in, a->w, a->half_bias, a->d_out, a->act, sum);
	for (size_t row = 0; row < a->n_rows && a->wide; row++)
		memcpy((float *) a->out + row * a->ldo, sum + row * a->d_out, a->d_out * sizeof(float));
	if (!a->wide)
		finish(numbers, sum, a);
	free(sum);
	free(x);
	return true;
}

/* Two linears, what stands between them rounded. */
static bool
run_feed_forward(LepCuda *cuda, LepDtype numbers, const LepCudaFeedForward *a)
{
	const LepCudaLinear first = {.x = a->x,
								 .ldx = a->ldx,
								 .w = a->w1,
								 .half_bias = a->half_bias1,
								 .out = a->inner,
								 .ldo = a->d_inner,
								 .n_rows = a->n_rows,
								 .d_out = a->d_inner,
								 .d_in = a->d,
								 .act = a->act};
	const LepCudaLinear second = {.x = a->inner,
								  .ldx = a->d_inner,
								  .w = a->w2,
								  .half_bias = a->half_bias2,
								  .residual = a->residual,
								  .ldr = a->ldr,
								  .out = a->out,
								  .ldo = a->ldo,
								  .n_rows = a->n_rows,
								  .d_out = a->d,
								  .d_in = a->d_inner,
								  .act = LEP_ACT_NONE,
								  .normed = a->normed,
								  .gamma = a->gamma,
								  .beta = a->beta,
								  .eps = a->eps,
								  .rms = a->rms};

	return run_linear(cuda, numbers, &first) && run_linear(cuda, numbers, &second);
}

/* out = norm(x + residual) */
static bool
run_norm(LepCuda *cuda, LepDtype numbers, const LepCudaNorm *a)
{
	float *x;

	if (!owns_rows(cuda, a->x, a->n_rows, a->ldx, a->d, 2) ||
		!owns_rows(cuda, a->out, a->n_rows, a->d, a->d, 2) ||
		!lep_emulated_owns(cuda, a->gamma, a->d * 4) || !owns_maybe(cuda, a->beta, a->d, 4) ||
		(a->residual != NULL && !owns_rows(cuda, a->residual, a->n_rows, a->ldr, a->d, 2)) ||
		(a->sum != NULL && !owns_rows(cuda, a->sum, a->n_rows, a->d, a->d, 2)))
		return false;
	x = widen_rows(numbers, a->x, a->n_rows, a->ldx, a->d, a->d);
	if (a->residual != NULL)
	{
		float *residual = widen_rows(numbers, a->residual, a->n_rows, a->ldr, a->d, a->d);

		kernels()->add_scaled(x, residual, 1.0f, a->n_rows * a->d);
		free(residual);
	}
	if (a->sum != NULL)
		round_to(numbers, x, a->n_rows * a->d, a->sum);
	norm_rows(x, a->gamma, a->beta, a->eps, a->rms, x, a->n_rows, a->d);
	round_to(numbers, x, a->n_rows * a->d, a->out);
	free(x);
	return true;
}

/* Are starts in device memory, ascending, none behind n_rows? */
static bool
owns_starts(LepCuda *cuda, const uint32_t *starts, size_t n_texts, size_t n_rows)
{
	if (!lep_emulated_owns(cuda, starts, (n_texts + 1) * 4))
		return false;
	for (size_t i = 0; i < n_texts; i++)
	{
		if (starts[i] > starts[i + 1])
			return false;
	}
	return starts[n_texts] <= n_rows;
}

/* Are the tables that an attention reads besides q, k and v in device memory?  *n_places gets the rows of places. */
static bool
owns_relations(LepCuda *cuda, const LepCudaAttention *a, size_t *n_places)
{
	size_t reach = a->max_len - 1;

	*n_places = 0;
	if (a->cosine != NULL && (!lep_emulated_owns(cuda, a->cosine, a->max_len * a->d_head / 2 * 4) ||
							  !lep_emulated_owns(cuda, a->sine, a->max_len * a->d_head / 2 * 4)))
		return false;
	if (a->bias != NULL &&
		!lep_emulated_owns(cuda, a->bias - reach, ((a->n_heads - 1) * a->ldb + 2 * reach + 1) * 4))
		return false;
	if (a->place == NULL)
		return true;
	if (!lep_emulated_owns(cuda, a->place - reach, (2 * reach + 1) * 4))
		return false;
	for (ptrdiff_t i = -(ptrdiff_t) reach; i <= (ptrdiff_t) reach; i++)
		*n_places = *n_places <= (size_t) a->place[i] ? (size_t) a->place[i] + 1 : *n_places;
	return (a->place_key == NULL ||
			owns_rows(cuda, a->place_key, *n_places, a->ldp, a->n_heads * a->d_head, 2)) &&
		   (a->place_query == NULL ||
			owns_rows(cuda, a->place_query, *n_places, a->ldp, a->n_heads * a->d_head, 2));
}

/* Each text's attention over itself. */
static bool
run_attention(LepCuda *cuda, LepDtype numbers, const LepCudaAttention *a)
{
	size_t group = a->n_group > 0 ? a->n_group : 1;
	size_t d = a->n_heads * a->d_head, shared = d / group, n = a->n_rows, n_places, size;
	float *q, *k, *v, *out, *keys = NULL, *queries = NULL;
	bool fine =
		owns_starts(cuda, a->starts, a->n_texts, n) && owns_rows(cuda, a->q, n, a->ldq, d, 2) &&
		owns_rows(cuda, a->k, n, a->ldq, shared, 2) &&
		owns_rows(cuda, a->v, n, a->ldq, shared, 2) && owns_rows(cuda, a->out, n, a->ldo, d, 2);
	void *scratch;

	for (size_t i = 0; i < a->n_texts && fine; i++)
		fine = a->starts[i + 1] - a->starts[i] <= a->max_len;
	if (!fine || n == 0 || a->max_len == 0 || !owns_relations(cuda, a, &n_places))
		return fine && (n == 0 || a->max_len == 0);
	q = widen_rows(numbers, a->q, n, a->ldq, d, d);
	k = widen_rows(numbers, a->k, n, a->ldq, shared, d);
	v = widen_rows(numbers, a->v, n, a->ldq, shared, d);
	out = calloc(n * d + 1, sizeof(float));
	if (a->place_key != NULL && a->place != NULL)
		keys = widen_rows(numbers, a->place_key, n_places, a->ldp, d, d);
	if (a->place_query != NULL && a->place != NULL)
		queries = widen_rows(numbers, a->place_query, n_places, a->ldp, d, d);
	size = kernels()->attention_scratch(a->max_len, a->d_head, n_places);
	scratch = aligned_alloc(LEP_ALIGN, (size + LEP_ALIGN) / LEP_ALIGN * LEP_ALIGN);
	for (size_t i = 0; i < a->n_texts; i++)
	{
		size_t first = a->starts[i], end = a->starts[i + 1];
		const LepAttention args = {
			.q = q + first * d,
			.k = k + first * d,
			.v = v + first * d,
			.ldq = d,
			.out = out + first * d,
			.ldo = d,
			.n_tokens = end - first,
			.n_heads = a->n_heads,
			.d_head = a->d_head,
			.scale = a->scale,
			.scratch = scratch,
			.n_group = group,
			.local = a->local,
			.cosine = a->cosine,
			.sine = a->sine,
			.bias = a->bias,
			.ldb = a->ldb,
			.place_key = keys,
			.place_query = queries,
			.ldp = d,
			.place = a->place,
		};

		if (end > first)
			kernels()->attention(&args);
		round_rows(numbers, out + first * d, end - first, d, (uint16_t *) a->out + first * a->ldo,
				   a->ldo);
	}
	free(scratch);
	free(queries);
	free(keys);
	free(out);
	free(v);
	free(k);
	free(q);
	return true;
}

/* out[d] = x[n, d] pooled in one mode. */
static void
pool_mode(const float *x, size_t n, size_t d, size_t skip, uint8_t mode, float *out)
{
	float weights = 0, divisor;

	for (size_t i = 0; i < d; i++)
		out[i] = mode == LEP_CUDA_POOL_MAX && n > 0 ? -INFINITY : 0.0f;
	if (n == 0)
		return;
	if (mode == LEP_CUDA_POOL_CLS)
		memcpy(out, x + (n > skip ? skip : 0) * d, d * sizeof(float));
	else if (mode == LEP_CUDA_POOL_LAST && n > skip)
		memcpy(out, x + (n - 1) * d, d * sizeof(float));
	if (mode == LEP_CUDA_POOL_CLS || mode == LEP_CUDA_POOL_LAST)
		return;
	for (size_t t = skip; t < n; t++)
	{
		float w = mode == LEP_CUDA_POOL_WEIGHTED_MEAN ? (float) (t + 1) : 1.0f;

		if (mode == LEP_CUDA_POOL_MAX)
			kernels()->max(out, x + t * d, d);
		else
			kernels()->add_scaled(out, x + t * d, w, d);
		weights += w;
	}
	divisor = weights > 1e-9f ? weights : 1e-9f;
	divisor = mode == LEP_CUDA_POOL_MEAN_SQRT ? sqrtf(divisor) : divisor;
	for (size_t i = 0; i < d && mode != LEP_CUDA_POOL_MAX; i++)
		out[i] /= divisor;
}

/* x[d] /= max(|x|, 1e-12) */
static void
normalize(float *x, size_t d)
{
	float length = sqrtf(kernels()->dot(x, x, d));
	float divisor = length > 1e-12f || isnan(length) ? length : 1e-12f;

	for (size_t i = 0; i < d; i++)
		x[i] /= divisor;
}

/* Each text's rows pooled. */
static bool
run_pool(LepCuda *cuda, LepDtype numbers, const LepCudaPool *a)
{
	size_t width = a->n_modes * a->d;
	float *x;
	float *out;
	size_t n;

	if (!lep_emulated_owns(cuda, a->starts, (a->n_texts + 1) * 4) ||
		!owns_starts(cuda, a->starts, a->n_texts, a->starts[a->n_texts]))
		return false;
	n = a->starts[a->n_texts];
	if (!owns_rows(cuda, a->x, n, a->ldx, a->d, 2) ||
		!owns_rows(cuda, a->out, a->n_texts, width, width, a->wide ? 4 : 2))
		return false;
	x = widen_rows(numbers, a->x, n, a->ldx, a->d, a->d);
	out = calloc(a->n_texts * width + 1, sizeof(float));
	for (size_t i = 0; i < a->n_texts; i++)
	{
		for (uint32_t mode = 0; mode < a->n_modes; mode++)
			pool_mode(x + a->starts[i] * a->d, a->starts[i + 1] - a->starts[i], a->d, a->skip,
					  a->modes[mode], out + i * width + mode * a->d);
		if (a->normalize)
			normalize(out + i * width, width);
	}
	if (a->wide)
		memcpy(a->out, out, a->n_texts * width * sizeof(float));
	else
		round_to(numbers, out, a->n_texts * width, a->out);
	free(out);
	free(x);
	return true;
}

/* The weight that a logit has. */
static float
sparse_weight(float x, uint32_t n_logs)
{
	if (x <= 0)
		return 0;
	return n_logs == 1 ? log1pf(x) : log1pf(log1pf(x));
}

/* Weights of the vocabulary, pooled over each text; the logits are rounded. */
static bool
run_sparse(LepCuda *cuda, LepDtype numbers, const LepCudaSparse *a)
{
	float *x;
	float *row;

	if (!owns_starts(cuda, a->starts, a->n_texts, a->n_rows) ||
		!owns_rows(cuda, a->x, a->n_rows, a->ldx, a->d_in, 2) ||
		!lep_emulated_owns(cuda, a->w, a->d_out * a->d_in * 2) ||
		!owns_maybe(cuda, a->half_bias, a->d_out, 2) ||
		!lep_emulated_owns(cuda, a->logits, a->logits_rows * a->d_out * 2) ||
		!lep_emulated_owns(cuda, a->out, a->n_texts * a->d_out * 4))
		return false;
	memset(a->out, 0, a->n_texts * a->d_out * sizeof(float));
	if (a->n_rows == 0)
		return true;
	x = widen_rows(numbers, a->x, a->n_rows, a->ldx, a->d_in, a->d_in);
	row = calloc(a->n_rows * a->d_out, sizeof(float));
	multiply(numbers, x, a->n_rows, a->d_in, a->w, a->half_bias, a->d_out, LEP_ACT_NONE, row);
	for (size_t text = 0; text < a->n_texts; text++)
	{
		float *out = a->out + text * a->d_out;

		for (size_t t = a->starts[text]; t < a->starts[text + 1]; t++)
		{
			uint16_t *logits = (uint16_t *) a->logits + t % a->logits_rows * a->d_out;

			round_to(numbers, row + t * a->d_out, a->d_out, logits);
			kernels()->widen(logits, numbers, row + t * a->d_out, a->d_out);
			for (size_t i = 0; i < a->d_out; i++)
			{
				float w = sparse_weight(row[t * a->d_out + i], a->n_logs);

				out[i] = a->sum ? out[i] + w : out[i] >= w ? out[i] : w;
			}
		}
	}
	free(row);
	free(x);
	return true;
}

/* out = x[n] in f32; the first number that is not finite. */
static bool
run_widen(LepCuda *cuda, LepDtype numbers, const LepEmulatedRows *a)
{
	float *out = a->out;
	uint64_t bad = UINT64_MAX;

	if (!lep_emulated_owns(cuda, a->x, a->n_rows * lep_dtype_size(numbers)) ||
		!lep_emulated_owns(cuda, out, a->n_rows * 4) || !owns_maybe(cuda, a->first_bad, 8, 1))
		return false;
	if (numbers != LEP_F32)
		kernels()->widen(a->x, numbers, out, a->n_rows);
	else if (a->x != a->out)
		memcpy(out, a->x, a->n_rows * sizeof(float));
	for (size_t i = a->n_rows; i-- > 0;)
		bad = isfinite(out[i]) ? bad : i;
	if (a->first_bad != NULL)
		*a->first_bad = bad;
	return true;
}

/* The rows around each token, side by side. */
static bool
run_unfold(LepCuda *cuda, const LepEmulatedRows *a)
{
	size_t width = a->n_around * a->d;

	if (!owns_starts(cuda, a->index, a->n_texts, a->n_rows) ||
		!owns_rows(cuda, a->x, a->n_rows, a->ldx, a->d, 2) ||
		!owns_rows(cuda, a->out, a->n_rows, width, width, 2))
		return false;
	for (size_t text = 0; text < a->n_texts; text++)
	{
		for (size_t t = a->index[text]; t < a->index[text + 1]; t++)
		{
			for (size_t j = 0; j < a->n_around; j++)
			{
				uint16_t *to = (uint16_t *) a->out + t * width + j * a->d;
				size_t s = t + j - a->n_around / 2;

				if (s >= a->index[text] && s < a->index[text + 1])
					memcpy(to, (const uint16_t *) a->x + s * a->ldx, a->d * 2);
				else
					memset(to, 0, a->d * 2);
			}
		}
	}
	return true;
}

/* Picked rows. */
static bool
run_pick(LepCuda *cuda, const LepEmulatedRows *a)
{
	if (!lep_emulated_owns(cuda, a->index, a->n_rows * 4) ||
		!owns_rows(cuda, a->out, a->n_rows, a->d, a->d, 2))
		return false;
	for (size_t i = 0; i < a->n_rows; i++)
	{
		const uint16_t *row = (const uint16_t *) a->x + a->index[i] * a->ldx;

		if (!lep_emulated_owns(cuda, row, a->d * 2))
			return false;
		memcpy((uint16_t *) a->out + i * a->d, row, a->d * 2);
	}
	return true;
}

/* Operators that take each row alone. */
static bool
run_rows(LepCuda *cuda, LepEmulatedKind kind, LepDtype numbers, const LepEmulatedRows *a)
{
	size_t n = a->n_rows * a->d;
	float *x;
	float *y = NULL;

	if (!owns_rows(cuda, a->x, a->n_rows, a->ldx, a->d, 2) ||
		!owns_rows(cuda, a->out, a->n_rows, a->d, a->d, 2) ||
		(a->y != NULL && !owns_rows(cuda, a->y, a->n_rows, a->ldy, a->d, 2)))
		return false;
	x = widen_rows(numbers, a->x, a->n_rows, a->ldx, a->d, a->d);
	if (a->y != NULL)
		y = widen_rows(numbers, a->y, a->n_rows, a->ldy, a->d, a->d);
	if (kind == LEP_EMULATED_GATE)
		kernels()->gate(x, y, x, n, a->act);
	else if (kind == LEP_EMULATED_ADD)
		kernels()->add_scaled(x, y, 1.0f, n);
	else if (kind == LEP_EMULATED_ACTIVATE)
		kernels()->activate(x, n, a->act);
	for (size_t row = 0; row < a->n_rows && kind == LEP_EMULATED_NORMALIZE; row++)
		normalize(x + row * a->d, a->d);
	round_to(numbers, x, n, a->out);
	free(y);
	free(x);
	return true;
}

bool
lep_emulated_compute(LepCuda *cuda, const LepEmulatedCall *call)
{
	switch (call->kind)
	{
		case LEP_EMULATED_EMBED:
			return run_embed(cuda, call->numbers, &call->args.embed);
		case LEP_EMULATED_LINEAR:
			return run_linear(cuda, call->numbers, &call->args.linear);
		case LEP_EMULATED_FEED_FORWARD:
			return run_feed_forward(cuda, call->numbers, &call->args.feed_forward);
		case LEP_EMULATED_NORM:
			return run_norm(cuda, call->numbers, &call->args.norm);
		case LEP_EMULATED_ATTENTION:
			return run_attention(cuda, call->numbers, &call->args.attention);
		case LEP_EMULATED_POOL:
			return run_pool(cuda, call->numbers, &call->args.pool);
		case LEP_EMULATED_SPARSE:
			return run_sparse(cuda, call->numbers, &call->args.sparse);
		case LEP_EMULATED_WIDEN:
			return run_widen(cuda, call->numbers, &call->args.rows);
		case LEP_EMULATED_NARROW:
			if (!lep_emulated_owns(cuda, call->args.rows.x, call->args.rows.n_rows * 4) ||
				!lep_emulated_owns(cuda, call->args.rows.out, call->args.rows.n_rows * 2))
				return false;
			round_to(call->numbers, call->args.rows.x, call->args.rows.n_rows, call->args.rows.out);
			return true;
		case LEP_EMULATED_UNFOLD:
			return run_unfold(cuda, &call->args.rows);
		case LEP_EMULATED_PICK:
			return run_pick(cuda, &call->args.rows);
		default:
			return run_rows(cuda, call->kind, call->numbers, &call->args.rows);
	}
}
