/*
 * gpu.c: speed of the GPU's operators in the order in which an encoder runs them: tokens per second of the shapes of
 * all-MiniLM-L6-v2 and BERT-base with random weights, for texts of mixed lengths and of 128 tokens; the time of each
 * operator; one short text as captured work.  It needs no model and no server; lengths are those of a lognormal
 * distribution, cut to 8 .. 256.
 *
 * bench_gpu [model ...]		models: minilm base (default: both)
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../kernels/cuda/lepton_cuda.h"

#define VOCAB	 30522
#define N_TEXTS	 16384
#define MAX_ROWS 66560
#define CASES	 4
#define N_SLOTS	 2

typedef struct Layer
{
	void *qkv, *attended, *up, *down;
	void *qkv_bias, *attended_bias, *up_bias, *down_bias;
	float *gamma1, *beta1, *gamma2, *beta2;
} Layer;

typedef struct Model
{
	const char *name;
	size_t hidden, inner, heads, n_layers;
	size_t n_texts; /* of a measurement */
	Layer layers[12];
	void *word, *position, *type;
	float *gamma, *beta;
} Model;

/* Two batches are under way at once, as in a server: each has its order of work and its arrays. */
typedef struct Slot
{
	LepCudaStream *stream;
	void *x, *qkv, *context, *between;
	float *out;
	uint64_t *bad;
} Slot;

/* Tokens and texts of one call, on the device and on their way. */
typedef struct Batch
{
	size_t n_rows, n_texts, max_len;
	int32_t *ids, *positions, *ids_host, *positions_host;
	uint32_t *starts, *starts_host;
	float *out_host;
} Batch;

static LepCuda *cuda;
static LepCudaStream *stream; /* the first slot's */
static Slot slots[N_SLOTS];
static Slot *slot = slots; /* that operators go to */
static LepDtype numbers = LEP_F16;
static int failures;
static uint64_t seed = 88172645463325252u;

/* A number in [0, 1). */
static double
uniform(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (double) (seed >> 11) / 9007199254740992.0;
}

/* Seconds of a clock that only rises. */
static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double) t.tv_sec + 1e-9 * (double) t.tv_nsec;
}

/* Tell of a failure once in a while. */
static void
fine(LepStatus status, const char *what)
{
	if (status != LEP_OK && ++failures <= 10)
		printf("FAILED: %s: %s\n", what, lep_cuda_reason(cuda));
}

/* n random numbers around middle on the device, in f32. */
static float *
random_floats(size_t n, float middle, float size)
{
	float *x = malloc(n * sizeof(float));
	void *at = NULL;

	for (size_t i = 0; i < n; i++)
		x[i] = middle + size * (float) (2 * uniform() - 1);
	fine(lep_cuda_alloc(cuda, n * sizeof(float), &at), "memory");
	fine(lep_cuda_upload(stream, at, x, n * sizeof(float)), "upload");
	free(x);
	return at;
}

/* The same in 16 bits. */
static void *
random_halves(size_t n, float size)
{
	float *x = random_floats(n, 0, size);
	void *at = NULL;

	fine(lep_cuda_alloc(cuda, n * 2, &at), "memory");
	fine(lep_cuda_narrow(stream, numbers, x, at, n), "narrow");
	fine(lep_cuda_wait(stream), "wait");
	lep_cuda_free(cuda, x);
	return at;
}

/* Make a model. */
static void
make(Model *m)
{
	size_t h = m->hidden, f = m->inner;
	float small = sqrtf(3.0f / (float) h) * 0.8f;

	m->word = random_halves(VOCAB * h, 1);
	m->position = random_halves(512 * h, 0.5f);
	m->type = random_halves(2 * h, 0.5f);
	m->gamma = random_floats(h, 1, 0.1f);
	m->beta = random_floats(h, 0, 0.1f);
	for (size_t i = 0; i < m->n_layers; i++)
	{
		Layer *l = &m->layers[i];

		l->qkv = random_halves(3 * h * h, small);
		l->attended = random_halves(h * h, small);
		l->up = random_halves(f * h, small);
		l->down = random_halves(h * f, small);
		l->qkv_bias = random_halves(3 * h, 0.1f);
		l->attended_bias = random_halves(h, 0.1f);
		l->up_bias = random_halves(f, 0.1f);
		l->down_bias = random_halves(h, 0.1f);
		l->gamma1 = random_floats(h, 1, 0.1f);
		l->beta1 = random_floats(h, 0, 0.1f);
		l->gamma2 = random_floats(h, 1, 0.1f);
		l->beta2 = random_floats(h, 0, 0.1f);
	}
	for (slot = slots; slot < slots + N_SLOTS; slot++)
	{
		fine(lep_cuda_alloc(cuda, MAX_ROWS * h * 2, &slot->x), "memory");
		fine(lep_cuda_alloc(cuda, MAX_ROWS * 3 * h * 2, &slot->qkv), "memory");
		fine(lep_cuda_alloc(cuda, MAX_ROWS * h * 2, &slot->context), "memory");
		fine(lep_cuda_alloc(cuda, MAX_ROWS * f * 2, &slot->between), "memory");
		fine(lep_cuda_alloc(cuda, MAX_ROWS / 8 * h * 4, (void **) &slot->out), "memory");
		fine(lep_cuda_alloc(cuda, 8, (void **) &slot->bad), "memory");
	}
	slot = slots;
}

/* Operators of a model, one by one. */
enum
{
	OP_EMBED,
	OP_QKV,
	OP_ATTENTION,
	OP_ATTENDED,
	OP_FEED,
	OP_POOL,
	OP_CHECK,
	OP_NORM,
	N_OPS
};
static const char *const op_names[N_OPS] = {"embed+norm",	"linear qkv",	"attention",
											"linear+norm",	"feed forward", "pool+normalize",
											"look through", "norm alone"};

static void
run_op(const Model *m, const Batch *b, int op, const Layer *l)
{
	size_t h = m->hidden;

	if (op == OP_EMBED)
	{
		LepCudaEmbed a = {.ids = b->ids,
						  .positions = b->positions,
						  .word = m->word,
						  .position = m->position,
						  .type = m->type,
						  .word_dtype = numbers,
						  .position_dtype = numbers,
						  .type_dtype = numbers,
						  .gamma = m->gamma,
						  .beta = m->beta,
						  .eps = 1e-12f,
						  .out = slot->x,
						  .n_rows = b->n_rows,
						  .d = h};

		fine(lep_cuda_embed(slot->stream, numbers, &a), "embed");
	}
	else if (op == OP_QKV)
	{
		LepCudaLinear a = {.x = slot->x,
						   .ldx = h,
						   .w = l->qkv,
						   .half_bias = l->qkv_bias,
						   .out = slot->qkv,
						   .ldo = 3 * h,
						   .n_rows = b->n_rows,
						   .d_out = 3 * h,
						   .d_in = h};

		fine(lep_cuda_linear(slot->stream, numbers, &a), "qkv");
	}
	else if (op == OP_ATTENTION)
	{
		LepCudaAttention a = {.q = slot->qkv,
							  .k = (uint16_t *) slot->qkv + h,
							  .v = (uint16_t *) slot->qkv + 2 * h,
							  .ldq = 3 * h,
							  .out = slot->context,
							  .ldo = h,
							  .starts = b->starts,
							  .n_texts = b->n_texts,
							  .n_rows = b->n_rows,
							  .max_len = b->max_len,
							  .n_heads = m->heads,
							  .d_head = h / m->heads,
							  .scale = 1.0f / sqrtf((float) (h / m->heads))};

		fine(lep_cuda_attention(slot->stream, numbers, &a), "attention");
	}
	else if (op == OP_ATTENDED)
	{
		LepCudaLinear a = {.x = slot->context,
						   .ldx = h,
						   .w = l->attended,
						   .half_bias = l->attended_bias,
						   .residual = slot->x,
						   .ldr = h,
						   .n_rows = b->n_rows,
						   .d_out = h,
						   .d_in = h,
						   .normed = slot->x,
						   .gamma = l->gamma1,
						   .beta = l->beta1,
						   .eps = 1e-12f};

		fine(lep_cuda_linear(slot->stream, numbers, &a), "attended");
	}
	else if (op == OP_FEED)
	{
		LepCudaFeedForward a = {.x = slot->x,
								.ldx = h,
								.w1 = l->up,
								.w2 = l->down,
								.half_bias1 = l->up_bias,
								.half_bias2 = l->down_bias,
								.residual = slot->x,
								.ldr = h,
								.inner = slot->between,
								.n_rows = b->n_rows,
								.d = h,
								.d_inner = m->inner,
								.act = LEP_ACT_GELU,
								.normed = slot->x,
								.gamma = l->gamma2,
								.beta = l->beta2,
								.eps = 1e-12f};

		fine(lep_cuda_feed_forward(slot->stream, numbers, &a), "feed forward");
	}
	else if (op == OP_POOL)
	{
		LepCudaPool a = {.x = slot->x,
						 .ldx = h,
						 .starts = b->starts,
						 .n_texts = b->n_texts,
						 .d = h,
						 .modes = {LEP_CUDA_POOL_MEAN},
						 .n_modes = 1,
						 .normalize = true,
						 .wide = true,
						 .out = slot->out};

		fine(lep_cuda_pool(slot->stream, numbers, &a), "pool");
	}
	else if (op == OP_NORM)
	{
		LepCudaNorm a = {.x = slot->x,
						 .ldx = h,
						 .gamma = m->gamma,
						 .beta = m->beta,
						 .eps = 1e-12f,
						 .out = slot->x,
						 .n_rows = b->n_rows,
						 .d = h};

		fine(lep_cuda_norm(slot->stream, numbers, &a), "norm");
	}
	else
		fine(lep_cuda_widen(slot->stream, LEP_F32, slot->out, slot->out, b->n_texts * h, slot->bad),
			 "check");
}

/* All of it, copies included. */
static void
run_all(const Model *m, const Batch *b)
{
	fine(lep_cuda_upload(slot->stream, b->ids, b->ids_host, b->n_rows * 4), "upload");
	fine(lep_cuda_upload(slot->stream, b->positions, b->positions_host, b->n_rows * 4), "upload");
	fine(lep_cuda_upload(slot->stream, b->starts, b->starts_host, (b->n_texts + 1) * 4), "upload");
	run_op(m, b, OP_EMBED, NULL);
	for (size_t i = 0; i < m->n_layers; i++)
		for (int op = OP_QKV; op <= OP_FEED; op++)
			run_op(m, b, op, &m->layers[i]);
	run_op(m, b, OP_POOL, NULL);
	run_op(m, b, OP_CHECK, NULL);
	fine(lep_cuda_download(slot->stream, b->out_host, slot->out, b->n_texts * m->hidden * 4),
		 "download");
}

/* Make a batch of texts [first, end) of lengths. */
static Batch
batch_of(const uint32_t *lengths, size_t first, size_t end, size_t hidden)
{
	Batch b;

	memset(&b, 0, sizeof(b));
	b.n_texts = end - first;
	for (size_t i = first; i < end; i++)
	{
		b.n_rows += lengths[i];
		b.max_len = lengths[i] > b.max_len ? lengths[i] : b.max_len;
	}
	fine(lep_cuda_alloc(cuda, b.n_rows * 4, (void **) &b.ids), "memory");
	fine(lep_cuda_alloc(cuda, b.n_rows * 4, (void **) &b.positions), "memory");
	fine(lep_cuda_alloc(cuda, (b.n_texts + 1) * 4, (void **) &b.starts), "memory");
	fine(lep_cuda_alloc_host(cuda, b.n_rows * 4, (void **) &b.ids_host), "memory");
	fine(lep_cuda_alloc_host(cuda, b.n_rows * 4, (void **) &b.positions_host), "memory");
	fine(lep_cuda_alloc_host(cuda, (b.n_texts + 1) * 4, (void **) &b.starts_host), "memory");
	fine(lep_cuda_alloc_host(cuda, b.n_texts * hidden * 4, (void **) &b.out_host), "memory");
	if (failures > 0)
		return b;
	b.starts_host[0] = 0;
	for (size_t i = 0; i < b.n_texts; i++)
	{
		uint32_t n = lengths[first + i], at = b.starts_host[i];

		b.starts_host[i + 1] = at + n;
		for (uint32_t t = 0; t < n; t++)
		{
			b.ids_host[at + t] = (int32_t) (uniform() * VOCAB);
			b.positions_host[at + t] = (int32_t) t;
		}
	}
	return b;
}

static void
batch_free(Batch *b)
{
	lep_cuda_free(cuda, b->ids);
	lep_cuda_free(cuda, b->positions);
	lep_cuda_free(cuda, b->starts);
	lep_cuda_free_host(cuda, b->ids_host);
	lep_cuda_free_host(cuda, b->positions_host);
	lep_cuda_free_host(cuda, b->starts_host);
	lep_cuda_free_host(cuda, b->out_host);
}

/* Tokens per second over texts in batches of at most budget tokens; the best of three runs. */
static void
throughput(const Model *m, const uint32_t *lengths, size_t budget, int n_slots, const char *label)
{
	Batch *batches = malloc(m->n_texts * sizeof(Batch));
	size_t n = 0, tokens = 0;
	double best = 1e30;

	for (size_t first = 0; first < m->n_texts && failures == 0;)
	{
		size_t end = first, rows = 0;

		while (end < m->n_texts && (end == first || rows + lengths[end] <= budget))
			rows += lengths[end++];
		batches[n++] = batch_of(lengths, first, end, m->hidden);
		tokens += rows;
		first = end;
	}
	lep_cuda_tune(stream, true);
	for (size_t i = 0; i < n && failures == 0; i++)
		run_all(m, &batches[i]);
	fine(lep_cuda_wait(stream), "wait");
	lep_cuda_tune(stream, false);
	for (int i = 0; i < 3 && failures == 0; i++)
	{
		double from = now();

		for (size_t j = 0; j < n; j++)
		{
			slot = &slots[j % (size_t) n_slots];
			run_all(m, &batches[j]);
		}
		slot = slots;
		for (int j = 0; j < N_SLOTS; j++)
			fine(lep_cuda_wait(slots[j].stream), "wait");
		from = now() - from;
		best = from < best ? from : best;
	}
	printf("%-7s %-14s batches of %6zu, %d at once: %5.2f M tokens/s, %.0f texts/s\n", m->name,
		   label, budget, n_slots, (double) tokens / best * 1e-6, (double) m->n_texts / best);
	fflush(stdout);
	while (n > 0)
		batch_free(&batches[--n]);
	free(batches);
}

/* Microseconds of each operator for one batch, by what multiplies. */
static void
operators(const Model *m, const uint32_t *lengths, size_t budget, const char *label)
{
	static const unsigned ways[] = {LEP_CUDA_WAYS_CUBLAS, LEP_CUDA_WAYS_HOPPER, LEP_CUDA_WAYS_ALL};
	size_t end = 0, rows = 0;
	float us[N_OPS][3] = {{0}};
	LepCudaMark *from = NULL, *to = NULL;
	Batch b;

	while (end < N_TEXTS && rows + lengths[end] <= budget)
		rows += lengths[end++];
	b = batch_of(lengths, 0, end, m->hidden);
	fine(lep_cuda_mark_make(cuda, &from), "mark");
	fine(lep_cuda_mark_make(cuda, &to), "mark");
	for (int way = 0; way < 3 && failures == 0; way++)
	{
		lep_cuda_ways(cuda, ways[way]);
		lep_cuda_tune(stream, true);
		run_all(m, &b);
		fine(lep_cuda_wait(stream), "wait");
		lep_cuda_tune(stream, false);
		for (int op = 0; op < N_OPS && failures == 0; op++)
		{
			fine(lep_cuda_mark_set(stream, from), "mark");
			for (int i = 0; i < 24; i++)
				run_op(m, &b, op, &m->layers[(size_t) i % m->n_layers]);
			fine(lep_cuda_mark_set(stream, to), "mark");
			fine(lep_cuda_wait(stream), "wait");
			fine(lep_cuda_mark_between(cuda, from, to, &us[op][way]), "time");
			us[op][way] *= 1000.0f / 24;
		}
	}
	printf(
		"%s, %s, %zu tokens, %zu texts: us of an operator with cuBLASLt, own kernels, the best\n",
		m->name, label, rows, end);
	for (int op = 0; op < N_OPS; op++)
		printf("    %-16s %8.1f %8.1f %8.1f\n", op_names[op], (double) us[op][0],
			   (double) us[op][1], (double) us[op][2]);
	lep_cuda_mark_free(cuda, from);
	lep_cuda_mark_free(cuda, to);
	batch_free(&b);
}

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *) a, y = *(const double *) b;

	return x < y ? -1 : x > y;
}

/* One short text, captured: from the launch until the result is here. */
static void
latency(const Model *m, uint32_t length)
{
	double times[300];
	Batch b = batch_of(&length, 0, 1, m->hidden);
	LepCudaGraph *graph = NULL;

	lep_cuda_tune(stream, true);
	run_all(m, &b);
	fine(lep_cuda_wait(stream), "wait");
	lep_cuda_tune(stream, false);
	fine(lep_cuda_capture_begin(stream), "capture");
	run_all(m, &b);
	fine(lep_cuda_capture_end(stream, &graph), "capture");
	for (int i = 0; i < 300 && failures == 0; i++)
	{
		double from = now();

		fine(lep_cuda_graph_launch(stream, graph), "launch");
		fine(lep_cuda_wait(stream), "wait");
		times[i] = now() - from;
	}
	if (failures == 0)
	{
		qsort(times, 300, sizeof(double), by_value);
		printf("%-7s one text of %u tokens, captured: %.3f ms (median of 300, least %.3f)\n",
			   m->name, length, times[150] * 1e3, times[0] * 1e3);
	}
	lep_cuda_graph_free(cuda, graph);
	batch_free(&b);
}

static int
descending(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;

	return x > y ? -1 : x < y;
}

/* Measure one model. */
static void
measure(Model *m)
{
	static const size_t budgets[CASES] = {8448, 16896, 33792, 65536};
	uint32_t *mixed = malloc(N_TEXTS * 4), *sorted = malloc(N_TEXTS * 4);
	uint32_t *fixed = malloc(N_TEXTS * 4);

	for (size_t i = 0; i < N_TEXTS; i++)
	{
		double normal = sqrt(-2 * log(1 - uniform())) * cos(6.283185307179586 * uniform());
		double length = exp(3.6 + 0.7 * normal);

		mixed[i] = sorted[i] = length < 8 ? 8 : length > 256 ? 256 : (uint32_t) length;
		fixed[i] = 128;
	}
	qsort(sorted, N_TEXTS, 4, descending);
	make(m);
	operators(m, fixed, 16896, "128 each");
	operators(m, mixed, 16896, "mixed");
	operators(m, fixed, 5632, "128 each");
	for (int i = 0; i < CASES && failures == 0; i++)
	{
		for (int n_slots = 1; n_slots <= N_SLOTS; n_slots++)
		{
			throughput(m, fixed, budgets[i], n_slots, "128 each");
			throughput(m, mixed, budgets[i], n_slots, "mixed");
		}
	}
	throughput(m, sorted, 16896, 2, "mixed, sorted");
	latency(m, 16);
	latency(m, 32);
	latency(m, 128);
	operators(m, fixed, 128, "one text");
	free(mixed);
	free(sorted);
	free(fixed);
}

int
main(int argc, char **argv)
{
	static Model minilm = {.name = "minilm",
						   .hidden = 384,
						   .inner = 1536,
						   .heads = 12,
						   .n_layers = 6,
						   .n_texts = 16384};
	static Model base = {
		.name = "base", .hidden = 768, .inner = 3072, .heads = 12, .n_layers = 12, .n_texts = 6144};
	char why[256] = "";

	if (lep_cuda_open(0, &cuda, why, sizeof(why)) != LEP_OK)
	{
		printf("no GPU: %s\n", why);
		return 0;
	}
	for (int i = 0; i < N_SLOTS; i++)
		fine(lep_cuda_stream_open(cuda, &slots[i].stream), "stream");
	stream = slots[0].stream;
	for (int i = 1; i < argc || i == 1; i++)
	{
		if (argc == 1 || strcmp(argv[i], "minilm") == 0)
			measure(&minilm);
		if (argc == 1 || strcmp(argv[i], "base") == 0)
			measure(&base);
	}
	lep_cuda_close(cuda);
	return failures > 0;
}
