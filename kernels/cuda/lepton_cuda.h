/*
 * lepton_cuda.h: the GPU: device memory, streams, captured work, and the operators of
 * lepton_kernels.h once more on arrays in device memory.  Plain C; no CUDA header is needed to
 * include it, and it answers the same questions when built without CUDA (kernels/cuda/absent.c).
 *
 * Use:
 *		lep_cuda_probe(&info, why, sizeof(why));		-- is there a device?
 *		lep_cuda_open(0, &cuda, why, sizeof(why));
 *		lep_cuda_stream_open(cuda, &stream);
 *		lep_cuda_alloc(cuda, bytes, &x);
 *		lep_cuda_linear(stream, LEP_F16, &(LepCudaLinear){...});
 *		lep_cuda_wait(stream);
 *		lep_cuda_close(cuda);							-- frees what it still has
 *
 * Every function that returns a LepStatus gives LEP_OK or a status whose reason lep_cuda_reason()
 * tells; nothing exits, aborts or prints.  A missing driver is an answer, not a fault.  One thread
 * opens a device and makes all calls for it.  Never call these in a process that will fork: CUDA
 * does not survive it.
 *
 * Statuses: LEP_NO_MEMORY (device or host memory is full, nothing was enqueued), LEP_TOO_LARGE (a size beyond
 * what the kernels can count), LEP_BAD_INPUT (arguments that contradict the comments here), LEP_UNSUPPORTED (built
 * without CUDA, or a device too old), LEP_MISSING (no driver, no device), LEP_IO (the device failed).
 * Work runs later than it is enqueued: what fails then is told by the next call, at the latest
 * by lep_cuda_poll or lep_cuda_wait.
 *
 * Numbers: numbers is LEP_F16 or LEP_BF16, the 16-bit floats of x, out and weights; sums are f32. Biases of
 * linears are 16-bit floats too (half_bias), gammas, betas and an attention's bias by distance are f32.  Arrays are row major, every array begins at a multiple of 16 bytes, ld* are row strides in
 * elements; arrays without one are dense.  Speed wants widths and strides that are multiples of 8.
 * An operator may be asked for no rows: it does nothing.
 *
 * Operators only enqueue: they neither wait nor allocate, and all but lep_cuda_alloc and its kind
 * can be captured.  Same bits: a row's result depends on that row (for attention and pooling: on that text)
 * alone as long as the same operator is called with the same numbers of rows and the same longest text;
 * between different numbers of rows sums may be taken in another order.
 */
#ifndef LEPTON_CUDA_H
#define LEPTON_CUDA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C"
{
#endif

#include "../lepton_kernels.h"

	/* ---- the device ---- */

	typedef struct LepCudaInfo
	{
		int devices;	  /* 0: none that can be used */
		int driver;		  /* CUDA version of the driver, 1000 major + 10 minor; 0: no driver */
		int runtime;	  /* CUDA version lepton was built with; 0: built without */
		char name[256];	  /* of device 0 */
		int major, minor; /* compute capability of device 0 */
		uint64_t memory;  /* bytes of device 0 */
	} LepCudaInfo;

	/* A device. */
	typedef struct LepCuda LepCuda;
	/* Work of a device that runs in order; several run side by side. */
	typedef struct LepCudaStream LepCudaStream;
	/* Work that was captured and can be launched again and again, at the cost of one call. */
	typedef struct LepCudaGraph LepCudaGraph;
	/* A point in time of a stream. */
	typedef struct LepCudaMark LepCudaMark;

	/*
	 * Describe what is there.  LEP_OK when at least one device can be used, else
	 * LEP_MISSING (no driver, no device) or LEP_UNSUPPORTED (built without CUDA, driver
	 * too old, device older than compute capability 7.5) and the reason in why.  info is always
	 * filled.
	 */
	LepStatus lep_cuda_probe(LepCudaInfo *info, char *why, size_t why_size);

	/* Open a device; *cuda is NULL unless LEP_OK. */
	LepStatus lep_cuda_open(int device, LepCuda **cuda, char *why, size_t why_size);

	/* Close and free all that was made for it, streams, memory and graphs included; NULL is allowed. */
	void lep_cuda_close(LepCuda *cuda);

	/* Why the last call that did not return LEP_OK did not; "" before the first.  Valid until the next call. */
	const char *lep_cuda_reason(const LepCuda *cuda);

	/*
	 * Has an error poisoned the device's context (an illegal address, a failed launch, a device that fell off the bus)?
	 * Then every later call fails, and only a new process can use the device.
	 */
	bool lep_cuda_is_lost(const LepCuda *cuda);

	/* Version of the cuBLASLt that was found, 1000 major + 10 minor or finer; 0: own kernels multiply. */
	size_t lep_cuda_cublas(const LepCuda *cuda);

	/* ---- memory ---- */

	/* Bytes of device memory that are free, for all processes, and in all. */
	LepStatus lep_cuda_memory(LepCuda *cuda, size_t *free_bytes, size_t *total);

	/* Memory of the device, not initialised, aligned to 256 bytes; *at is NULL unless LEP_OK. */
	LepStatus lep_cuda_alloc(LepCuda *cuda, size_t bytes, void **at);
	/* Give it back, after all streams have done what was enqueued; NULL is allowed. */
	void lep_cuda_free(LepCuda *cuda, void *at);

	/* Pinned memory of the host: what uploads come from and downloads go to without waiting. */
	LepStatus lep_cuda_alloc_host(LepCuda *cuda, size_t bytes, void **at);
	void lep_cuda_free_host(LepCuda *cuda, void *at);

	/* ---- streams ---- */

	LepStatus lep_cuda_stream_open(LepCuda *cuda, LepCudaStream **stream);
	/* Wait for its work, then free; NULL is allowed. */
	void lep_cuda_stream_close(LepCudaStream *stream);
	LepCuda *lep_cuda_of(LepCudaStream *stream);

	/* Copy to the device, from it.  Pinned memory is read when the copy runs, other memory before the call returns. */
	LepStatus lep_cuda_upload(LepCudaStream *stream, void *to, const void *from, size_t bytes);
	LepStatus lep_cuda_download(LepCudaStream *stream, void *to, const void *from, size_t bytes);
	/* Copy within the device. */
	LepStatus lep_cuda_copy(LepCudaStream *stream, void *to, const void *from, size_t bytes);
	/* Set bytes of device memory to 0. */
	LepStatus lep_cuda_clear(LepCudaStream *stream, void *at, size_t bytes);

	/*
	 * Call function(ctx) on a thread of CUDA's when all that was enqueued before has run or failed; it must not call
	 * CUDA.  Not for captured work.
	 */
	LepStatus lep_cuda_notify(LepCudaStream *stream, void (*function)(void *ctx), void *ctx);

	/* Has all that was enqueued run?  Never waits. */
	LepStatus lep_cuda_poll(LepCudaStream *stream, bool *done);
	/* Wait until it has. */
	LepStatus lep_cuda_wait(LepCudaStream *stream);

	/*
	 * While on, products of a shape (numbers, power of two of rows, d_out, d_in, epilogue) that was not met before are
	 * measured in several ways and the fastest is kept for the device; they then allocate and
	 * wait, and cannot be captured.  While off (as a stream begins), such a product takes the way that looks best.
	 * Results are right both ways: a first run of a batch with this on is a run like others.
	 */
	void lep_cuda_tune(LepCudaStream *stream, bool on);

	/*
	 * Which kernels may multiply, a sum of LEP_CUDA_WAYS_...: for tests, and to compare them.  What was measured is forgotten.
	 * A product that none of them can take is the plain one's.
	 */
	enum
	{
		LEP_CUDA_WAYS_PLAIN = 1,
		LEP_CUDA_WAYS_HOPPER = 2,
		LEP_CUDA_WAYS_CUBLAS = 4,
		LEP_CUDA_WAYS_ALL = 7
	};
	void lep_cuda_ways(LepCuda *cuda, unsigned ways);

	/* Capture what is enqueued from now on instead of running it. */
	LepStatus lep_cuda_capture_begin(LepCudaStream *stream);
	/* End; *graph, NULL unless LEP_OK, holds the work with its addresses and sizes.  Call it after errors too. */
	LepStatus lep_cuda_capture_end(LepCudaStream *stream, LepCudaGraph **graph);
	LepStatus lep_cuda_graph_launch(LepCudaStream *stream, LepCudaGraph *graph);
	/* Free, when no stream runs it; NULL is allowed. */
	void lep_cuda_graph_free(LepCuda *cuda, LepCudaGraph *graph);

	/* Points in time: made, set by a stream when it gets there, read after lep_cuda_wait. */
	LepStatus lep_cuda_mark_make(LepCuda *cuda, LepCudaMark **mark);
	void lep_cuda_mark_free(LepCuda *cuda, LepCudaMark *mark);
	LepStatus lep_cuda_mark_set(LepCudaStream *stream, LepCudaMark *mark);
	/* Milliseconds from one to the other. */
	LepStatus lep_cuda_mark_between(LepCuda *cuda, LepCudaMark *from, LepCudaMark *to, float *ms);

	/* Enqueue work that fails as a wild pointer would, for tests of what follows; the device is lost then. */
	LepStatus lep_cuda_break(LepCudaStream *stream);

	/* ---- operators ---- */

	/*
	 * out[n_rows, d] = norm(word[ids] + position[positions] + type[types]), as LepEmbed: tables keep their dtypes
	 * (LEP_F32, LEP_F16, LEP_BF16, LEP_I8), position and type may be NULL, types may be NULL (row 0 of the type
	 * table), gamma may be NULL (no norm), beta may be NULL (0).  Ids are the caller's to check.
	 */
	typedef struct LepCudaEmbed
	{
		const int32_t *ids, *positions, *types; /* [n_rows] */
		const void *word, *position, *type;
		LepDtype word_dtype, position_dtype, type_dtype;
		size_t word_rows, position_rows, type_rows; /* of LEP_I8 tables */
		const float *gamma, *beta;					/* [d] */
		float eps;
		void *out;
		size_t n_rows, d;
	} LepCudaEmbed;

	LepStatus lep_cuda_embed(LepCudaStream *stream, LepDtype numbers, const LepCudaEmbed *args);

	/*
	 * out[n_rows, d_out] = act(x[n_rows, d_in] * w[d_out, d_in]^T + half_bias[d_out]) + residual[n_rows, d_out]
	 *
	 * w is dense and as the model has it.  half_bias and residual may be NULL; residual may be out.  x overlaps neither out nor
	 * normed.  GELU may be off by 1e-3 (its tanh form or a fast tanh), all others are
	 * those of LepAct.
	 *
	 * With normed, which is dense, also
	 *		normed[n_rows, d_out] = norm of that sum, by gamma[d_out] and beta[d_out] (NULL: 0) and eps
	 * as lep_cuda_norm has it, gamma and beta perhaps rounded to 16 bits; then out may be NULL where the sum itself is not needed, and residual may be normed too.
	 *
	 * With wide, out is f32; then act, residual and normed are none.
	 */
	typedef struct LepCudaLinear
	{
		const void *x;
		size_t ldx;
		const void *w;
		const void *half_bias; /* [d_out], in numbers as x; NULL: 0 */
		const void *residual;
		size_t ldr;
		void *out;
		size_t ldo;
		size_t n_rows, d_out, d_in;
		LepAct act;
		bool wide;
		void *normed;
		const float *gamma, *beta;
		float eps;
		bool rms;
	} LepCudaLinear;

	LepStatus lep_cuda_linear(LepCudaStream *stream, LepDtype numbers, const LepCudaLinear *args);

	/*
	 * A feed-forward network of two linears, with a residual and a norm behind it:
	 *		sum = act(x[n_rows, d] * w1[d_inner, d]^T + half_bias1) * w2[d, d_inner]^T + half_bias2 + residual
	 *		out = sum, normed = norm(sum)
	 * x and out are as for LepCudaLinear but x, residual and normed may all be the same dense array.  inner is
	 * [n_rows, d_inner] of working memory, which may or may not be written.  The result is that of two calls of lep_cuda_linear
	 * up to the rounding of what stands in between.
	 */
	typedef struct LepCudaFeedForward
	{
		const void *x;
		size_t ldx;
		const void *w1, *w2;
		const void *half_bias1, *half_bias2; /* [d_inner], [d], in numbers; NULL: 0 */
		const void *residual;				 /* NULL: none */
		size_t ldr;
		void *inner;
		void *out; /* NULL: not needed */
		size_t ldo;
		size_t n_rows, d, d_inner;
		LepAct act;
		void *normed; /* NULL: not needed */
		const float *gamma, *beta;
		float eps;
		bool rms;
	} LepCudaFeedForward;

	LepStatus lep_cuda_feed_forward(LepCudaStream *stream, LepDtype numbers,
									const LepCudaFeedForward *args);

	/*
	 * out[n_rows, d] = (x - mean) / sqrt(var + eps) * gamma + beta, biased variance; with rms
	 * x / sqrt(mean of x^2 + eps) * gamma.  x stands for x + residual where residual is not NULL, and
	 * sum, where not NULL, gets that.  beta may be NULL (0).  Any of the arrays may be the same.
	 */
	typedef struct LepCudaNorm
	{
		const void *x;
		size_t ldx;
		const void *residual;
		size_t ldr;
		void *sum; /* [n_rows, d] */
		const float *gamma, *beta;
		float eps;
		bool rms;
		void *out;
		size_t n_rows, d;
	} LepCudaNorm;

	LepStatus lep_cuda_norm(LepCudaStream *stream, LepDtype numbers, const LepCudaNorm *args);

#define LEP_CUDA_MAX_HEAD 256 /* columns of a head; more are LEP_UNSUPPORTED */

	/*
	 * Bidirectional attention of each text over itself, all heads, over packed texts: text i has tokens
	 * [starts[i], starts[i + 1]), which may be none.  q, k, v and out point at the first token of the first text.
	 * Formulas and extras are those of LepAttention, with these differences: place_key and place_query are
	 * 16-bit floats; cosine and sine [max_len, d_head / 2] and ldb, place and bias serve distances up to max_len - 1.
	 * starts is in device memory; no text is longer than max_len, no token is at or behind n_rows.
	 */
	typedef struct LepCudaAttention
	{
		const void *q, *k, *v;
		size_t ldq;
		void *out;
		size_t ldo;
		const uint32_t *starts; /* [n_texts + 1] */
		size_t n_texts, n_rows, max_len;
		size_t n_heads, d_head;
		float scale;
		size_t n_group;						 /* heads of q that share one of k and v; 0: 1 */
		size_t local;						 /* a query sees keys at distance below local; 0: all */
		const float *cosine, *sine;			 /* NULL: not turned; else d_head is even */
		const float *bias;					 /* of head 0 and distance 0; NULL: none */
		size_t ldb;							 /* from one head's to the next one's */
		const void *place_key, *place_query; /* [n_places, n_heads * d_head]; each may be NULL */
		size_t ldp;
		const int32_t *place; /* of distance 0; NULL: no places */
	} LepCudaAttention;

	LepStatus lep_cuda_attention(LepCudaStream *stream, LepDtype numbers,
								 const LepCudaAttention *args);

	/* Modes of pooling, with the formulas of sentence-transformers (the engine's LEP_POOL_..., same numbers). */
	typedef enum LepCudaPoolMode
	{
		LEP_CUDA_POOL_CLS = 1,		 /* x[skip]; x[0] when skip leaves nothing */
		LEP_CUDA_POOL_MAX,			 /* max over t >= skip */
		LEP_CUDA_POOL_MEAN,			 /* sum over t >= skip / max(count, 1e-9) */
		LEP_CUDA_POOL_MEAN_SQRT,	 /* the same sum / sqrt(max(count, 1e-9)) */
		LEP_CUDA_POOL_WEIGHTED_MEAN, /* sum of (t + 1) x[t] / max(sum of (t + 1), 1e-9) */
		LEP_CUDA_POOL_LAST,			 /* x[n - 1]; 0 when skip leaves nothing */
		LEP_CUDA_POOL_COUNT
	} LepCudaPoolMode;

#define LEP_CUDA_MAX_POOLS 6

	/*
	 * out[n_texts, n_modes * d] = x[tokens, d] pooled text by text, the modes side by side; a text of no tokens gives
	 * zeroes.  With normalize the whole row of out is divided by max(its length, 1e-12).  With wide, out
	 * is f32.
	 */
	typedef struct LepCudaPool
	{
		const void *x;
		size_t ldx;
		const uint32_t *starts; /* [n_texts + 1], in device memory */
		size_t n_texts, d;
		uint8_t modes[LEP_CUDA_MAX_POOLS];
		uint32_t n_modes, skip;
		bool normalize, wide;
		void *out;
	} LepCudaPool;

	LepStatus lep_cuda_pool(LepCudaStream *stream, LepDtype numbers, const LepCudaPool *args);

	/* out[n_rows, d] = x[n_rows, d] / max(|x|, 1e-12), row by row; out may be x when ldx is d; numbers may be LEP_F32. */
	LepStatus lep_cuda_normalize(LepCudaStream *stream, LepDtype numbers, const void *x, size_t ldx,
								 void *out, size_t n_rows, size_t d);

	/* out[n_rows, d] = the first d columns of x: also a way to copy columns together. */
	LepStatus lep_cuda_cut(LepCudaStream *stream, LepDtype numbers, const void *x, size_t ldx,
						   void *out, size_t n_rows, size_t d);

	/* out[n_picks, d] = rows picks[] (in device memory) of x */
	LepStatus lep_cuda_pick(LepCudaStream *stream, LepDtype numbers, const void *x, size_t ldx,
							const uint32_t *picks, size_t n_picks, void *out, size_t d);

	/*
	 * out[n_rows, n_around * d]: row t is the rows t - n_around / 2 .. t + n_around / 2 of x, side by side, zeroes for those
	 * outside t's text.  starts[n_texts + 1] is in device memory; n_around is odd.
	 */
	LepStatus lep_cuda_unfold(LepCudaStream *stream, LepDtype numbers, const void *x, size_t ldx,
							  const uint32_t *starts, size_t n_texts, size_t n_rows, void *out,
							  size_t d, size_t n_around);

	/* out[n_rows, d] = act(x) * y; out may be x or y where that is dense. */
	LepStatus lep_cuda_gate(LepCudaStream *stream, LepDtype numbers, const void *x, size_t ldx,
							const void *y, size_t ldy, void *out, size_t n_rows, size_t d,
							LepAct act);

	/* out[n_rows, d] = act(x); out may be x where that is dense. */
	LepStatus lep_cuda_activate(LepCudaStream *stream, LepDtype numbers, const void *x, size_t ldx,
								void *out, size_t n_rows, size_t d, LepAct act);

	/* out[n_rows, d] = x + y; out may be x or y where that is dense. */
	LepStatus lep_cuda_add(LepCudaStream *stream, LepDtype numbers, const void *x, size_t ldx,
						   const void *y, size_t ldy, void *out, size_t n_rows, size_t d);

	/*
	 * out[n_texts, d_out], f32, = over the tokens of a text, the maximum or the sum of w(x * w^T + half_bias), where w(y) is
	 * log1p(max(y, 0)), with log1p applied n_logs (1 or 2) times.  logits is [logits_rows, d_out] of working memory;
	 * rows are taken logits_rows at a time.  A text of no tokens gives zeroes.
	 */
	typedef struct LepCudaSparse
	{
		const void *x;
		size_t ldx;
		const void *w;
		const void *half_bias;	/* [d_out], in numbers; NULL: 0 */
		const uint32_t *starts; /* [n_texts + 1], in device memory */
		size_t n_texts, n_rows, d_out, d_in;
		bool sum; /* else the maximum */
		uint32_t n_logs;
		void *logits;
		size_t logits_rows;
		float *out;
	} LepCudaSparse;

	LepStatus lep_cuda_sparse(LepCudaStream *stream, LepDtype numbers, const LepCudaSparse *args);

	/*
	 * out[n], f32, = x[n] widened from numbers; LEP_F32: x is f32 and may be out, which is then only looked
	 * through.
	 * *first_bad, 8 bytes of device memory, gets the least i for which out[i] is not finite, or UINT64_MAX.
	 * first_bad may be NULL.
	 */
	LepStatus lep_cuda_widen(LepCudaStream *stream, LepDtype numbers, const void *x, float *out,
							 size_t n, uint64_t *first_bad);

	/* out[n], numbers, = x[n] (f32), rounded to nearest even; beyond the range of f16: infinity. */
	LepStatus lep_cuda_narrow(LepCudaStream *stream, LepDtype numbers, const float *x, void *out,
							  size_t n);

#ifdef __cplusplus
}
#endif
#endif
