/*
 * stream.cu: streams, copies, captured work and points in time; refuses to compute.
 */
#include <stdlib.h>

#include "cuda_private.h"

struct LepCudaGraph
{
	cudaGraphExec_t work;
};

struct LepCudaMark
{
	cudaEvent_t event;
};

/* What lep_cuda_notify was asked for. */
typedef struct Notice
{
	void (*function)(void *ctx);
	void *ctx;
} Notice;

/* Free all of a stream that is there. */
static void
stream_free(LepCudaStream *stream)
{
	if (stream->stream != NULL)
		(void) cudaStreamDestroy(stream->stream);
	(void) cudaFree(stream->workspace);
	(void) cudaGetLastError();
	free(stream);
}

/* Open a stream. */
LepStatus
lep_cuda_stream_open(LepCuda *cuda, LepCudaStream **stream)
{
	LepCudaStream *made = (LepCudaStream *) calloc(1, sizeof(LepCudaStream));
	cudaError_t error;

	*stream = NULL;
	if (made == NULL)
		return lep_cuda_refuse(cuda, LEP_NO_MEMORY, "out of memory");
	made->cuda = cuda;
	error = cudaStreamCreateWithFlags(&made->stream, cudaStreamNonBlocking);
	if (error == cudaSuccess)
		error = cudaMalloc(&made->workspace, LEP_CUDA_WORKSPACE);
	if (error != cudaSuccess)
	{
		stream_free(made);
		return lep_cuda_fail(cuda, error, "opening a CUDA stream");
	}
	if (!lep_cuda_hold(cuda, LEP_CUDA_STREAM, made))
	{
		stream_free(made);
		return lep_cuda_refuse(cuda, LEP_NO_MEMORY, "out of memory");
	}
	*stream = made;
	return LEP_OK;
}

/* Close a stream when its work is done. */
void
lep_cuda_stream_close(LepCudaStream *stream)
{
	if (stream == NULL)
		return;
	lep_cuda_let_go(stream->cuda, stream);
	(void) cudaStreamSynchronize(stream->stream);
	stream_free(stream);
}

/* Return the device of a stream. */
LepCuda *
lep_cuda_of(LepCudaStream *stream)
{
	return stream->cuda;
}

/* Enqueue a copy. */
static LepStatus
copy(LepCudaStream *stream, void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind,
	 const char *what)
{
	cudaError_t error;

	if (bytes == 0)
		return LEP_OK;
	error = cudaMemcpyAsync(to, from, bytes, kind, stream->stream);
	return error == cudaSuccess ? LEP_OK : lep_cuda_fail(stream->cuda, error, what);
}

/* Copy to the device. */
LepStatus
lep_cuda_upload(LepCudaStream *stream, void *to, const void *from, size_t bytes)
{
	return copy(stream, to, from, bytes, cudaMemcpyHostToDevice, "copying to the GPU");
}

/* Copy from the device. */
LepStatus
lep_cuda_download(LepCudaStream *stream, void *to, const void *from, size_t bytes)
{
	return copy(stream, to, from, bytes, cudaMemcpyDeviceToHost, "copying from the GPU");
}

/* Copy within the device. */
LepStatus
lep_cuda_copy(LepCudaStream *stream, void *to, const void *from, size_t bytes)
{
	return copy(stream, to, from, bytes, cudaMemcpyDeviceToDevice, "copying on the GPU");
}

/* Set device memory to 0. */
LepStatus
lep_cuda_clear(LepCudaStream *stream, void *at, size_t bytes)
{
	cudaError_t error;

	if (bytes == 0)
		return LEP_OK;
	error = cudaMemsetAsync(at, 0, bytes, stream->stream);
	return error == cudaSuccess ? LEP_OK
								: lep_cuda_fail(stream->cuda, error, "clearing GPU memory");
}

/* Pass a notice on, whatever became of the work before it. */
static void CUDART_CB
pass_on(cudaStream_t stream, cudaError_t error, void *data)
{
	Notice *notice = (Notice *) data;

	(void) stream;
	(void) error;
	notice->function(notice->ctx);
	free(notice);
}

/* Have a function called behind what was enqueued. */
LepStatus
lep_cuda_notify(LepCudaStream *stream, void (*function)(void *ctx), void *ctx)
{
	Notice *notice = (Notice *) malloc(sizeof(Notice));
	cudaError_t error;

	if (notice == NULL)
		return lep_cuda_refuse(stream->cuda, LEP_NO_MEMORY, "out of memory");
	notice->function = function;
	notice->ctx = ctx;
	/* Unlike a host function, a callback is called after errors too. */
	error = cudaStreamAddCallback(stream->stream, pass_on, notice, 0);
	if (error == cudaSuccess)
		return LEP_OK;
	free(notice);
	return lep_cuda_fail(stream->cuda, error, "asking the GPU for a notice");
}

/* Ask whether all has run. */
LepStatus
lep_cuda_poll(LepCudaStream *stream, bool *done)
{
	cudaError_t error = cudaStreamQuery(stream->stream);

	*done = error != cudaErrorNotReady;
	if (error == cudaSuccess)
		return LEP_OK;
	if (error == cudaErrorNotReady)
	{
		(void) cudaGetLastError();
		return LEP_OK;
	}
	return lep_cuda_fail(stream->cuda, error, "running on the GPU");
}

/* Wait until all has run. */
LepStatus
lep_cuda_wait(LepCudaStream *stream)
{
	cudaError_t error = cudaStreamSynchronize(stream->stream);

	return error == cudaSuccess ? LEP_OK : lep_cuda_fail(stream->cuda, error, "running on the GPU");
}

/* Switch measuring on or off. */
void
lep_cuda_tune(LepCudaStream *stream, bool on)
{
	stream->tuning = on;
}

/* Begin to capture. */
LepStatus
lep_cuda_capture_begin(LepCudaStream *stream)
{
	cudaError_t error = cudaStreamBeginCapture(stream->stream, cudaStreamCaptureModeThreadLocal);

	stream->capturing = error == cudaSuccess;
	return error == cudaSuccess ? LEP_OK : lep_cuda_fail(stream->cuda, error, "capturing GPU work");
}

/* End a capture and make its work ready to launch. */
LepStatus
lep_cuda_capture_end(LepCudaStream *stream, LepCudaGraph **graph)
{
	cudaGraph_t captured = NULL;
	LepCudaGraph *made = (LepCudaGraph *) calloc(1, sizeof(LepCudaGraph));
	cudaError_t error = cudaStreamEndCapture(stream->stream, &captured);
	LepStatus status = LEP_OK;

	*graph = NULL;
	stream->capturing = false;
	if (made == NULL)
		status = lep_cuda_refuse(stream->cuda, LEP_NO_MEMORY, "out of memory");
	else
	{
		if (error == cudaSuccess)
			error = cudaGraphInstantiate(&made->work, captured, 0);
		if (error == cudaSuccess)
			error = cudaGraphUpload(made->work, stream->stream);
		if (error != cudaSuccess)
			status = lep_cuda_fail(stream->cuda, error, "capturing GPU work");
		else if (!lep_cuda_hold(stream->cuda, LEP_CUDA_GRAPH, made))
			status = lep_cuda_refuse(stream->cuda, LEP_NO_MEMORY, "out of memory");
	}
	if (captured != NULL)
		(void) cudaGraphDestroy(captured);
	if (status == LEP_OK)
		*graph = made;
	else if (made != NULL)
	{
		if (made->work != NULL)
			(void) cudaGraphExecDestroy(made->work);
		free(made);
	}
	(void) cudaGetLastError();
	return status;
}

/* Launch captured work. */
LepStatus
lep_cuda_graph_launch(LepCudaStream *stream, LepCudaGraph *graph)
{
	cudaError_t error = cudaGraphLaunch(graph->work, stream->stream);

	return error == cudaSuccess ? LEP_OK
								: lep_cuda_fail(stream->cuda, error, "launching captured GPU work");
}

/* Free captured work. */
void
lep_cuda_graph_free(LepCuda *cuda, LepCudaGraph *graph)
{
	if (graph == NULL)
		return;
	lep_cuda_let_go(cuda, graph);
	(void) cudaGraphExecDestroy(graph->work);
	(void) cudaGetLastError();
	free(graph);
}

/* Make a point in time. */
LepStatus
lep_cuda_mark_make(LepCuda *cuda, LepCudaMark **mark)
{
	LepCudaMark *made = (LepCudaMark *) calloc(1, sizeof(LepCudaMark));
	cudaError_t error;

	*mark = NULL;
	if (made == NULL)
		return lep_cuda_refuse(cuda, LEP_NO_MEMORY, "out of memory");
	error = cudaEventCreate(&made->event);
	if (error != cudaSuccess)
	{
		free(made);
		return lep_cuda_fail(cuda, error, "making a CUDA event");
	}
	if (!lep_cuda_hold(cuda, LEP_CUDA_MARK, made))
	{
		(void) cudaEventDestroy(made->event);
		free(made);
		return lep_cuda_refuse(cuda, LEP_NO_MEMORY, "out of memory");
	}
	*mark = made;
	return LEP_OK;
}

/* Free a point in time. */
void
lep_cuda_mark_free(LepCuda *cuda, LepCudaMark *mark)
{
	if (mark == NULL)
		return;
	lep_cuda_let_go(cuda, mark);
	(void) cudaEventDestroy(mark->event);
	(void) cudaGetLastError();
	free(mark);
}

/* Have a stream set a point in time. */
LepStatus
lep_cuda_mark_set(LepCudaStream *stream, LepCudaMark *mark)
{
	cudaError_t error = cudaEventRecord(mark->event, stream->stream);

	return error == cudaSuccess ? LEP_OK
								: lep_cuda_fail(stream->cuda, error, "recording a CUDA event");
}

/* Measure from one point to another. */
LepStatus
lep_cuda_mark_between(LepCuda *cuda, LepCudaMark *from, LepCudaMark *to, float *ms)
{
	cudaError_t error = cudaEventElapsedTime(ms, from->event, to->event);

	if (error == cudaSuccess)
		return LEP_OK;
	*ms = 0;
	return lep_cuda_fail(cuda, error, "measuring between CUDA events");
}

/* Write where nothing is. */
static __global__ void
write_wildly(int *at)
{
	*at = 1;
}

/* Enqueue work that fails. */
LepStatus
lep_cuda_break(LepCudaStream *stream)
{
	write_wildly<<<1, 1, 0, stream->stream>>>((int *) 16);
	return lep_cuda_launched(stream, "breaking the device");
}
