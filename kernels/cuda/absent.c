/*
 * absent.c: lepton_cuda.h for a build without CUDA.  Every question gets the
 * same calm answer; refuses to compute.
 */
#include <stdio.h>
#include <string.h>

#include "lepton_cuda.h"

#pragma GCC diagnostic ignored "-Wunused-parameter"

static const char reason[] = "lepton was built without CUDA";

LepStatus
lep_cuda_probe(LepCudaInfo *info, char *why, size_t why_size)
{
	memset(info, 0, sizeof(*info));
	snprintf(why, why_size, "%s", reason);
	return LEP_UNSUPPORTED;
}

LepStatus
lep_cuda_open(int device, LepCuda **cuda, char *why, size_t why_size)
{
	*cuda = NULL;
	snprintf(why, why_size, "%s", reason);
	return LEP_UNSUPPORTED;
}

const char *
lep_cuda_reason(const LepCuda *cuda)
{
	return reason;
}

void
lep_cuda_close(LepCuda *cuda)
{
}

bool
lep_cuda_is_lost(const LepCuda *cuda)
{
	return false;
}

size_t
lep_cuda_cublas(const LepCuda *cuda)
{
	return 0;
}

LepStatus
lep_cuda_memory(LepCuda *cuda, size_t *free_bytes, size_t *total)
{
	*free_bytes = *total = 0;
	return LEP_UNSUPPORTED;
}

LepStatus
lep_cuda_alloc(LepCuda *cuda, size_t bytes, void **at)
{
	*at = NULL;
	return LEP_UNSUPPORTED;
}

void
lep_cuda_free(LepCuda *cuda, void *at)
{
}

LepStatus
lep_cuda_alloc_host(LepCuda *cuda, size_t bytes, void **at)
{
	*at = NULL;
	return LEP_UNSUPPORTED;
}

void
lep_cuda_free_host(LepCuda *cuda, void *at)
{
}

LepStatus
lep_cuda_stream_open(LepCuda *cuda, LepCudaStream **stream)
{
	*stream = NULL;
	return LEP_UNSUPPORTED;
}

void
lep_cuda_stream_close(LepCudaStream *stream)
{
}

LepCuda *
lep_cuda_of(LepCudaStream *stream)
{
	return NULL;
}

LepStatus
lep_cuda_upload(LepCudaStream *stream, void *to, const void *from, size_t bytes)
{
	return LEP_UNSUPPORTED;
}

LepStatus
lep_cuda_download(LepCudaStream *stream, void *to, const void *from, size_t bytes)
{
	return LEP_UNSUPPORTED;
}

LepStatus
lep_cuda_copy(LepCudaStream *stream, void *to, const void *from, size_t bytes)
{
	return LEP_UNSUPPORTED;
}

LepStatus
lep_cuda_clear(LepCudaStream *stream, void *at, size_t bytes)
{
	return LEP_UNSUPPORTED;
}

LepStatus
lep_cuda_notify(LepCudaStream *stream, void (*function)(void *ctx), void *ctx)
{
	return LEP_UNSUPPORTED;
}

LepStatus
lep_cuda_poll(LepCudaStream *stream, bool *done)
{
	*done = true;
	return LEP_UNSUPPORTED;
}

LepStatus
lep_cuda_wait(LepCudaStream *stream)
{
	return LEP_UNSUPPORTED;
}

void
lep_cuda_tune(LepCudaStream *stream, bool on)
{
}

void
lep_cuda_ways(LepCuda *cuda, unsigned ways)
{
}

LepStatus
lep_cuda_capture_begin(LepCudaStream *stream)
{
	return LEP_UNSUPPORTED;
}

LepStatus
lep_cuda_capture_end(LepCudaStream *stream, LepCudaGraph **graph)
{
	*graph = NULL;
	return LEP_UNSUPPORTED;
}

LepStatus
lep_cuda_graph_launch(LepCudaStream *stream, LepCudaGraph *graph)
{
	return LEP_UNSUPPORTED;
}

void
lep_cuda_graph_free(LepCuda *cuda, LepCudaGraph *graph)
{
}

LepStatus
lep_cuda_mark_make(LepCuda *cuda, LepCudaMark **mark)
{
	*mark = NULL;
	return LEP_UNSUPPORTED;
}

void
lep_cuda_mark_free(LepCuda *cuda, LepCudaMark *mark)
{
}

LepStatus
lep_cuda_mark_set(LepCudaStream *stream, LepCudaMark *mark)
{
	return LEP_UNSUPPORTED;
}

LepStatus
lep_cuda_mark_between(LepCuda *cuda, LepCudaMark *from, LepCudaMark *to, float *ms)
{
	*ms = 0;
	return LEP_UNSUPPORTED;
}

LepStatus
lep_cuda_break(LepCudaStream *stream)
{
	return LEP_UNSUPPORTED;
}

LepStatus
lep_cuda_embed(LepCudaStream *stream, LepDtype numbers, const LepCudaEmbed *args)
{
	return LEP_UNSUPPORTED;
}

LepStatus
lep_cuda_linear(LepCudaStream *stream, LepDtype numbers, const LepCudaLinear *args)
{
	return LEP_UNSUPPORTED;
}

LepStatus
lep_cuda_feed_forward(LepCudaStream *stream, LepDtype numbers, const LepCudaFeedForward *args)
{
	return LEP_UNSUPPORTED;
}

LepStatus
lep_cuda_norm(LepCudaStream *stream, LepDtype numbers, const LepCudaNorm *args)
{
	return LEP_UNSUPPORTED;
}

LepStatus
lep_cuda_attention(LepCudaStream *stream, LepDtype numbers, const LepCudaAttention *args)
{
	return LEP_UNSUPPORTED;
}

LepStatus
lep_cuda_pool(LepCudaStream *stream, LepDtype numbers, const LepCudaPool *args)
{
	return LEP_UNSUPPORTED;
}

LepStatus
lep_cuda_normalize(LepCudaStream *stream, LepDtype numbers, const void *x, size_t ldx, void *out,
				   size_t n_rows, size_t d)
{
	return LEP_UNSUPPORTED;
}

LepStatus
lep_cuda_cut(LepCudaStream *stream, LepDtype numbers, const void *x, size_t ldx, void *out,
			 size_t n_rows, size_t d)
{
	return LEP_UNSUPPORTED;
}

LepStatus
lep_cuda_pick(LepCudaStream *stream, LepDtype numbers, const void *x, size_t ldx,
			  const uint32_t *picks, size_t n_picks, void *out, size_t d)
{
	return LEP_UNSUPPORTED;
}

LepStatus
lep_cuda_unfold(LepCudaStream *stream, LepDtype numbers, const void *x, size_t ldx,
				const uint32_t *starts, size_t n_texts, size_t n_rows, void *out, size_t d,
				size_t n_around)
{
	return LEP_UNSUPPORTED;
}

LepStatus
lep_cuda_gate(LepCudaStream *stream, LepDtype numbers, const void *x, size_t ldx, const void *y,
			  size_t ldy, void *out, size_t n_rows, size_t d, LepAct act)
{
	return LEP_UNSUPPORTED;
}

LepStatus
lep_cuda_activate(LepCudaStream *stream, LepDtype numbers, const void *x, size_t ldx, void *out,
				  size_t n_rows, size_t d, LepAct act)
{
	return LEP_UNSUPPORTED;
}

LepStatus
lep_cuda_add(LepCudaStream *stream, LepDtype numbers, const void *x, size_t ldx, const void *y,
			 size_t ldy, void *out, size_t n_rows, size_t d)
{
	return LEP_UNSUPPORTED;
}

LepStatus
lep_cuda_sparse(LepCudaStream *stream, LepDtype numbers, const LepCudaSparse *args)
{
	return LEP_UNSUPPORTED;
}

LepStatus
lep_cuda_widen(LepCudaStream *stream, LepDtype numbers, const void *x, float *out, size_t n,
			   uint64_t *first_bad)
{
	return LEP_UNSUPPORTED;
}

LepStatus
lep_cuda_narrow(LepCudaStream *stream, LepDtype numbers, const float *x, void *out, size_t n)
{
	return LEP_UNSUPPORTED;
}
