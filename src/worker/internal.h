/*
 * internal.h: what the files of src/worker share on the server's side.
 */
#ifndef LEPTON_WORKER_INTERNAL_H
#define LEPTON_WORKER_INTERNAL_H

#include "worker.h"

#include "../store/store.h"
#include "datatype/timestamp.h"
#include "protocol.h"

/* Where the GPU stands; README.md has the transitions. */
typedef enum WorkerState
{
	WORKER_STATE_OFF =
		0, /* no background worker: the library was not preloaded, or it has not begun */
	WORKER_STATE_ABSENT,   /* there is no device, or no program; nobody looks again */
	WORKER_STATE_STARTING, /* the program opens the device */
	WORKER_STATE_READY,	   /* it takes connections */
	WORKER_STATE_DOWN	   /* it has ended and will be started again */
} WorkerState;

/* What is known about it. */
typedef struct WorkerSnapshot
{
	WorkerState state;
	int pid;		   /* of the program, 0: there is none */
	uint32 starts;	   /* of programs that became ready */
	TimestampTz since; /* of the state */
	uint64 memory;	   /* of the device, bytes */
	char device[WORKER_TEXT_MAX], reason[WORKER_TEXT_MAX];
} WorkerSnapshot;

/* state.c: shared memory of the background worker and all backends */

/* Ask for the shared memory; only while libraries are preloaded. */
void worker_state_init(void);
/* Copy what is known. */
void worker_state_read(WorkerSnapshot *now);
/* Change it and wake those who wait for a change. */
void worker_state_write(const WorkerSnapshot *now);
/* Number of the program that takes connections, 0: none does. */
uint32 worker_ready(void);
/*
 * Wait until one does that is not number other, which may be 0, or it is clear that none soon will; its number (other after
 * the time), or 0.
 */
uint32 worker_wait_ready(uint32 other, long timeout_ms);
/* Word for a state in lepton_gpu. */
const char *worker_state_name(WorkerState state);

/*
 * Note that a model cannot run on the device; true when it is to be logged: it was not known.
 * worker_trouble_over forgets it again.
 */
bool worker_trouble(const StoreRow *row);
void worker_trouble_over(const StoreRow *row);

/* launcher.c: the background worker */

void worker_launcher_init(void);
PGDLLEXPORT void worker_launcher_main(Datum arg);

/* client.c: the connection of this backend */

/* What became of a request; verdict is a LepStatus or a WorkerVerdict. */
typedef struct WorkerResult
{
	bool
		is_lost; /* the connection, or the device: the texts are there if the program still told why */
	uint32 verdict;
	char message[WORKER_TEXT_MAX], detail[2 * WORKER_TEXT_MAX];
} WorkerResult;

/* Run a batch on program number ready.  LEP_CANCELLED in result->verdict: the backend must stop. */
void worker_client_run(uint32 ready, const StoreRow *row, const LepModel *model,
					   const LepBatch *batch, float *out, WorkerResult *result);
/* Let the next run say anew which image a model is: it has been made. */
void worker_client_forget(const StoreRow *row);
/* Ask for figures; false when there is no answer. */
bool worker_client_status(uint32 ready, WorkerStatus *status);
/* Give back an area that is worth it. */
void worker_client_trim(void);

#endif
