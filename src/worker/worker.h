/*
 * worker.h: the GPU as the rest of the extension sees it: one question for each batch.
 *
 * Use:
 *		if (!worker_run(model, &batch, out, &status, &err))
 *			... compute the batch on the CPU ...
 *
 * lepton.device says what happens when there is no device, or it fails: "auto" answers false, "gpu" raises.
 */
#ifndef LEPTON_WORKER_H
#define LEPTON_WORKER_H

#include "postgres.h"

#include "../engine/image.h"

/* Values of lepton.device. */
typedef enum WorkerDevice
{
	WORKER_DEVICE_AUTO = 0,
	WORKER_DEVICE_CPU,
	WORKER_DEVICE_GPU
} WorkerDevice;

/* Install hooks, register the background worker where that is possible; called by _PG_init. */
void worker_init(void);

/*
 * Run a batch on the device: out[lep_graph_out_rows, lep_desc_width] as of lep_graph_run.  True when *status says
 * what became of it; false when it is for the CPU.  model is one of the cache's.
 */
bool worker_run(const LepModel *model, const LepBatch *batch, float *out, LepStatus *status,
				LepError *err);

/* Tell whether batches of a model are likely to run on the device now; NULL: of any model. */
bool worker_takes(const LepModel *model);

/* Tokens that a batch for a model should have: lepton.gpu_batch_tokens or lepton.batch_tokens. */
size_t worker_batch_tokens(const LepModel *model);

/* A part of a batch that is whole texts. */
typedef struct WorkerPiece
{
	size_t first, end;			   /* its texts */
	size_t first_token, end_token; /* their tokens */
	size_t first_pick, end_pick;   /* their picks */
	size_t rows;				   /* that a graph gives for it */
} WorkerPiece;

/*
 * Make *piece the next part of a batch, which begins as {0}: texts of at most max_tokens tokens and out_bytes bytes of
 * rows in all, one at least.  False when there are no more.
 */
bool worker_next_piece(const LepModel *model, const LepBatch *batch, size_t max_tokens,
					   size_t out_bytes, WorkerPiece *piece);
/* Write a piece's starts[texts + 1] and picks[picks], counted from its first token. */
void worker_piece_places(const LepBatch *batch, const WorkerPiece *piece, uint32 *starts,
						 uint32 *picks);

#endif
