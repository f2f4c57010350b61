/*
 * protocol.h: what backends, the background worker and the program lepton_gpu tell each other.
 * Plain C for both sides; README.md has the states.
 *
 * A connection is a Unix socket of packets.  A backend's first packet is a hello with the descriptor of its
 * area: a memfd sealed against shrinking, in which it puts tokens and finds rows.  Then:
 *		open	"my model number n is this image"; no answer
 *		run		"run these tokens of the area with model n, rows go there"; an answer
 *		status	an answer
 * Answers to runs come in any order and name their request.  A closed connection ends everything that belongs to it.
 */
#ifndef LEPTON_WORKER_PROTOCOL_H
#define LEPTON_WORKER_PROTOCOL_H

#include <stdint.h>

#include "../engine/image.h"

#define WORKER_PROTOCOL 1
#define WORKER_SOCKET \
	"pgsql_tmp_lepton.gpu"			  /* in the data directory; backups leave such names out */
#define WORKER_PROGRAM	 "lepton_gpu" /* beside the library */
#define WORKER_PATH_MAX	 1024		  /* of an image, relative to the data directory */
#define WORKER_MODELS	 64			  /* numbers that a connection may give */
#define WORKER_REQUESTS	 4			  /* of a connection that may be under way */
#define WORKER_AREA_MAX	 ((uint64_t) 1 << 32) /* bytes */
#define WORKER_TEXT_MAX	 256				  /* bytes of a reason or name */
#define WORKER_OUT_ALIGN 64					  /* of all that stands in an area */

/* Packets of a backend. */
typedef enum WorkerKind
{
	WORKER_HELLO = 1,
	WORKER_OPEN,
	WORKER_RUN,
	WORKER_STATUS
} WorkerKind;

/* What became of a run; a LepStatus, or one of these. */
typedef enum WorkerVerdict
{
	WORKER_ABSENT = 100, /* the image is not there, or damaged: make it and open it again */
	WORKER_UNSERVED,	 /* the device has no operators for such a model, or for such a batch */
	WORKER_FULL,		 /* the model, or the batch, does not fit in the device's memory */
	WORKER_FAILED,		 /* the device failed */
	WORKER_LOST			 /* it is lost, and the program ends */
} WorkerVerdict;

typedef struct WorkerHello
{
	uint32_t kind, protocol;
	uint64_t bytes; /* of the area */
} WorkerHello;

typedef struct WorkerOpen
{
	uint32_t kind, model;
	uint8_t hash[LEP_HASH_BYTES];
	char path[WORKER_PATH_MAX]; /* ends with NUL */
} WorkerOpen;

/* Offsets are those of the area; arrays are as in LepBatch. */
typedef struct WorkerRun
{
	uint32_t kind, model;
	uint32_t request;
	uint32_t n_texts, n_tokens, n_picks;
	uint32_t has_types, spare;
	uint64_t ids, types, starts, picks;
	uint64_t out, out_bytes; /* room for the rows, which must be exactly as many */
} WorkerRun;

/* After a run; message and detail are there only when verdict is not LEP_OK. */
typedef struct WorkerAnswer
{
	uint32_t kind, request;
	uint32_t verdict;
	uint32_t spare;
	char message[WORKER_TEXT_MAX], detail[2 * WORKER_TEXT_MAX];
} WorkerAnswer;

#define WORKER_ANSWER_SHORT 16 /* bytes of an answer without texts */

typedef struct WorkerStatusAsked
{
	uint32_t kind, spare;
} WorkerStatusAsked;

/* Figures since the program's start. */
typedef struct WorkerStatus
{
	uint32_t kind, connections;
	uint32_t models, queued;	 /* resident models, requests that wait */
	uint64_t model_bytes;		 /* of resident models on the device */
	uint64_t memory_used, limit; /* of the device's memory, by this program */
	uint64_t requests, batches, texts, tokens;
	uint64_t loads, evictions, failures;
	uint64_t busy_ns; /* in which at least one batch was on the device */
} WorkerStatus;

/* What the program tells the background worker. */
typedef enum WorkerNews
{
	WORKER_NEWS_READY = 1, /* it takes connections */
	WORKER_NEWS_ABSENT,	   /* there is no device; the program ends */
	WORKER_NEWS_FAILED,	   /* it could not start, or the device is lost; the program ends */
	WORKER_NEWS_ALIVE	   /* its answer to a call */
} WorkerNews;

typedef struct WorkerReport
{
	uint32_t news, spare;
	uint64_t memory; /* of the device, bytes */
	char device[WORKER_TEXT_MAX];
	char reason[WORKER_TEXT_MAX];
} WorkerReport;

/* What the background worker sends: a call that must be answered. */
#define WORKER_CALL_BYTES 1

#endif
