/*
 * emulated.h: a GPU that is the CPU: lepton_cuda.h for tests on machines without one.  "Device memory" is malloc's, streams are
 * threads that run what was enqueued in order and later, captured work is a list of calls with their arguments.
 *
 * It is as strict as the header: what is misaligned, overlaps or has no place in captured work is LEP_BAD_INPUT; an operator
 * that reads or writes outside of device memory loses the device, as a wild pointer does.  New device memory holds NaNs.
 *
 * Failures, from the program or from its environment (read when a device is opened):
 *		lep_emulated_fail(3, LEP_EMULATED_LOST)		LEPTON_EMULATED_FAIL=lost:3
 * lets the third call from then on fail that can fail: "memory" (LEP_NO_MEMORY), "lost" (the device is lost), "later" (the
 * call is answered with LEP_OK; the device is lost when the work runs).  Further variables:
 *		LEPTON_EMULATED_DEVICES	how many there are (1)
 *		LEPTON_EMULATED_MEMORY	bytes of device memory (2^30)
 *		LEPTON_EMULATED_PAUSE	milliseconds that pass before each lep_cuda_notify
 */
#ifndef LEPTON_EMULATED_H
#define LEPTON_EMULATED_H

#include "../../kernels/cuda/lepton_cuda.h"

typedef enum LepEmulatedFailure
{
	LEP_EMULATED_NONE,
	LEP_EMULATED_MEMORY,
	LEP_EMULATED_LOST,
	LEP_EMULATED_LATER
} LepEmulatedFailure;

/* Let call number n from now on (1: the next) fail so; n 0: none. */
void lep_emulated_fail(size_t n, LepEmulatedFailure how);
/* Calls since then that could have failed. */
size_t lep_emulated_calls(void);
/* Captured graphs launched since the process began. */
size_t lep_emulated_launches(void);
/* Things that all devices have and have not given back: memory, streams, graphs, marks, devices. */
size_t lep_emulated_held(void);

/* ---- between the files of the emulation ---- */

typedef enum LepEmulatedKind
{
	LEP_EMULATED_EMBED,
	LEP_EMULATED_LINEAR,
	LEP_EMULATED_FEED_FORWARD,
	LEP_EMULATED_NORM,
	LEP_EMULATED_ATTENTION,
	LEP_EMULATED_POOL,
	LEP_EMULATED_SPARSE,
	LEP_EMULATED_NORMALIZE,
	LEP_EMULATED_CUT,
	LEP_EMULATED_PICK,
	LEP_EMULATED_UNFOLD,
	LEP_EMULATED_GATE,
	LEP_EMULATED_ACTIVATE,
	LEP_EMULATED_ADD,
	LEP_EMULATED_WIDEN,
	LEP_EMULATED_NARROW,
	LEP_EMULATED_COMPUTES, /* above: operators */
	LEP_EMULATED_UPLOAD = LEP_EMULATED_COMPUTES,
	LEP_EMULATED_DOWNLOAD,
	LEP_EMULATED_COPY,
	LEP_EMULATED_CLEAR,
	LEP_EMULATED_MARK,
	LEP_EMULATED_NOTIFY,
	LEP_EMULATED_GRAPH,
	LEP_EMULATED_BREAK
} LepEmulatedKind;

/* Arguments of the operators that have no struct of their own. */
typedef struct LepEmulatedRows
{
	const void *x, *y;
	size_t ldx, ldy;
	const uint32_t *index; /* picks; starts */
	size_t n_texts, n_rows, d, n_around;
	LepAct act;
	void *out;
	uint64_t *first_bad;
} LepEmulatedRows;

/* Arguments of what moves bytes. */
typedef struct LepEmulatedMove
{
	void *to;
	const void *from;
	size_t bytes;
	void *copy; /* of memory that is not pinned; freed when it has run */
} LepEmulatedMove;

/* One call, as it is enqueued or captured. */
typedef struct LepEmulatedCall
{
	struct LepEmulatedCall *next;
	LepEmulatedKind kind;
	LepDtype numbers;
	union
	{
		LepCudaEmbed embed;
		LepCudaLinear linear;
		LepCudaFeedForward feed_forward;
		LepCudaNorm norm;
		LepCudaAttention attention;
		LepCudaPool pool;
		LepCudaSparse sparse;
		LepEmulatedRows rows;
		LepEmulatedMove move;
		LepCudaMark *mark;
		LepCudaGraph *graph;
		struct
		{
			void (*function)(void *ctx);
			void *ctx;
		} notify;
	} args;
} LepEmulatedCall;

/* Is [at, at + bytes) within one piece of device memory? */
bool lep_emulated_owns(LepCuda *cuda, const void *at, size_t bytes);
/* Add a call to the stream's work, or to what it captures. */
LepStatus lep_emulated_enqueue(LepCudaStream *stream, const LepEmulatedCall *call);
/* Keep a refusal of arguments: LEP_BAD_INPUT. */
LepStatus lep_emulated_refuse(LepCudaStream *stream, const char *what);
/* Run an operator; false when it would touch what is not device memory. */
bool lep_emulated_compute(LepCuda *cuda, const LepEmulatedCall *call);

#endif
