/*
 * device.c: decides where a batch runs: asks the program, and knows what its failures mean under each
 * lepton.device.  It speaks to nobody itself.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "../engine/gpu.h"
#include "../errors.h"
#include "../guc.h"
#include "internal.h"

#define WAIT_MS 1500 /* for programs that are starting, under "gpu" */
#define RETRY_MS \
	1000 /* before a model that did not fit is tried again, or a connection that was lost */
#define RETRY_IMAGE_MS 60000 /* before an image that the disk refused is tried again */
#define RETRY_RANGE_MS \
	10000 /* before a model that left the range of 16-bit numbers is tried again */
#define AVOIDED 16

/* A model that this backend runs on the CPU for a while. */
typedef struct Avoided
{
	uint8 hash[LEP_HASH_BYTES];
	uint32 graph;
	uint32 ready; /* number of the program that did not take it */
	TimestampTz until;
} Avoided;

static Avoided avoided[AVOIDED];
static int next_avoided = 0;
static uint32 lost_ready = 0; /* number of the program whose connection was lost */
static TimestampTz lost_until = 0;

/* Open the room */
void
worker_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	worker_state_init();
	worker_launcher_init();
}

/* Tell whether a model is run on the CPU for now */
static bool
is_avoided(const StoreRow *row, uint32 ready)
{
	for (int i = 0; i < AVOIDED; i++)
		if (avoided[i].ready == ready && avoided[i].graph == (uint32) row->graph &&
			memcmp(avoided[i].hash, row->hash, LEP_HASH_BYTES) == 0)
			return avoided[i].until > GetCurrentTimestamp();
	return false;
}

/* Run a model on the CPU for a while; 0: as long as the program lives */
static void
avoid(const StoreRow *row, uint32 ready, int ms)
{
	Avoided *a = NULL;

	for (int i = 0; i < AVOIDED && a == NULL; i++)
		if (avoided[i].graph == (uint32) row->graph &&
			memcmp(avoided[i].hash, row->hash, LEP_HASH_BYTES) == 0)
			a = &avoided[i];
	if (a == NULL)
	{
		a = &avoided[next_avoided];
		next_avoided = (next_avoided + 1) % AVOIDED;
	}
	memcpy(a->hash, row->hash, LEP_HASH_BYTES);
	a->graph = (uint32) row->graph;
	a->ready = ready;
	a->until = ms == 0 ? DT_NOEND : TimestampTzPlusMilliseconds(GetCurrentTimestamp(), ms);
}

/* Tell whether a connection was lost a moment ago */
static bool
was_lost(uint32 ready)
{
	return lost_ready == ready && lost_until > GetCurrentTimestamp();
}

/* Tell whether batches are likely to run on the device */
bool
worker_takes(const LepModel *model)
{
	uint32 ready;

	if (lepton_device == WORKER_DEVICE_CPU || (ready = worker_ready()) == 0)
		return false;
	if (lepton_device == WORKER_DEVICE_GPU)
		return true;
	return !was_lost(ready) && !(model != NULL && is_avoided(store_model_row(model), ready));
}

/* Tokens of a batch */
size_t
worker_batch_tokens(const LepModel *model)
{
	return (size_t) (worker_takes(model) ? Max(lepton_gpu_batch_tokens, lepton_batch_tokens)
										 : lepton_batch_tokens);
}

/* Raise that there is no device */
static void
raise_unavailable(void)
{
	WorkerSnapshot now;

	worker_state_read(&now);
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("the GPU is not available"),
			 errdetail("It is %s: %s.", worker_state_name(now.state),
					   now.reason[0] != '\0' ? now.reason : "no reason is known"),
			 errhint("Set lepton.device to auto to use the CPU meanwhile.")));
}

/* Raise that a batch could not be run on the device */
static void
raise_failure(const StoreRow *row, const WorkerResult *result)
{
	int code = ERRCODE_SYSTEM_ERROR;

	if (result->is_lost)
		ereport(ERROR,
				(errcode(ERRCODE_SYSTEM_ERROR),
				 errmsg("lost the GPU while it ran a batch of model \"%s\"", NameStr(row->name)),
				 result->message[0] != '\0'
					 ? errdetail_internal("%s%s%s", result->message,
										  result->detail[0] != '\0' ? ": " : "", result->detail)
					 : 0,
				 errhint("Run the statement again.")));
	if (result->verdict == WORKER_FULL)
		code = ERRCODE_OUT_OF_MEMORY;
	else if (result->verdict == WORKER_UNSERVED)
		code = ERRCODE_FEATURE_NOT_SUPPORTED;
	else if (result->verdict == WORKER_ABSENT)
		code = ERRCODE_IO_ERROR;
	ereport(ERROR, (errcode(code), errmsg("model \"%s\" cannot run on the GPU", NameStr(row->name)),
					errdetail("%s%s%s", result->message, result->detail[0] != '\0' ? ": " : ".",
							  result->detail),
					result->verdict == WORKER_FULL
						? errhint("Increase lepton.gpu_memory.")
						: errhint("Set lepton.device to auto to use the CPU.")));
}

/* Ask the program, with an image that is there */
static void
run_with_image(uint32 ready, const StoreRow *row, const LepModel *model, const LepBatch *batch,
			   float *out, WorkerResult *result)
{
	for (int i = 0; i < 2; i++)
	{
		worker_client_run(ready, row, model, batch, out, result);
		if (result->is_lost || result->verdict != WORKER_ABSENT || i > 0)
			return;
		if (!store_image_make(row, lep_kernels_gpu(LEP_F16)))
			return;
		worker_client_forget(row);
	}
}

/* Leave a model to the CPU, and log why when it is news */
static void
leave(const StoreRow *row, uint32 ready, const WorkerResult *result, int ms)
{
	avoid(row, ready, ms);
	if (result->verdict == WORKER_UNSERVED || !worker_trouble(row))
		return;
	ereport(LOG, (errmsg("model \"%s\" runs on the CPU: %s", NameStr(row->name), result->message),
				  result->detail[0] != '\0' ? errdetail_internal("%s", result->detail) : 0));
}

/* Decide under "auto" what becomes of a batch: true, and its status; false: it is for the CPU */
static bool
settle(const StoreRow *row, uint32 ready, const WorkerResult *result)
{
	if (result->is_lost)
	{
		lost_ready = ready;
		lost_until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), RETRY_MS);
		return false;
	}
	switch (result->verdict)
	{
		case LEP_OK:
			worker_trouble_over(row);
			return true;
		case LEP_CANCELLED:
		case LEP_BAD_INPUT:
		case LEP_TOO_LARGE:
			return true;
		case WORKER_UNSERVED:
			leave(row, ready, result, 0);
			return false;
		case WORKER_ABSENT:
			leave(row, ready, result, RETRY_IMAGE_MS);
			return false;
		case LEP_NOT_FINITE:
			leave(row, ready, result, RETRY_RANGE_MS);
			return false;
		default:
			leave(row, ready, result, RETRY_MS);
			return false;
	}
}

/* Say what the program said of a batch */
static LepStatus
make_status(const WorkerResult *result, LepError *err)
{
	LepStatus status = (LepStatus) result->verdict;

	if (status == LEP_OK)
		return LEP_OK;
	lep_error(err, status, "%s", result->message);
	if (err != NULL)
		strlcpy(err->detail, result->detail, sizeof(err->detail));
	return status;
}

/* Run a batch where lepton.device is "gpu" */
static LepStatus
run_on_gpu(const StoreRow *row, const LepModel *model, const LepBatch *batch, float *out,
		   LepError *err)
{
	TimestampTz end = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), WAIT_MS);
	WorkerResult result;
	uint32 ready = 0;

	/* A program that ended before it had the batch, or with it, is given a second chance. */
	for (int i = 0; i < 2; i++)
	{
		ready =
			worker_wait_ready(ready, TimestampDifferenceMilliseconds(GetCurrentTimestamp(), end));
		if (ready == 0)
			raise_unavailable();
		run_with_image(ready, row, model, batch, out, &result);
		if (!result.is_lost)
			break;
	}
	if (result.is_lost || result.verdict >= WORKER_ABSENT || result.verdict == LEP_DEVICE)
		raise_failure(row, &result);
	if (result.verdict == LEP_OK)
		worker_trouble_over(row);
	return make_status(&result, err);
}

/* Run a batch on the device */
bool
worker_run(const LepModel *model, const LepBatch *batch, float *out, LepStatus *status,
		   LepError *err)
{
	const StoreRow *row;
	WorkerResult result;
	uint32 ready;

	if (lepton_device == WORKER_DEVICE_CPU || batch->n_texts == 0)
		return false;
	row = store_model_row(model);
	if (lepton_device == WORKER_DEVICE_GPU)
	{
		*status = run_on_gpu(row, model, batch, out, err);
		return true;
	}
	ready = worker_ready();
	if (ready == 0 || was_lost(ready) || is_avoided(row, ready))
		return false;
	run_with_image(ready, row, model, batch, out, &result);
	if (!settle(row, ready, &result))
		return false;
	*status = make_status(&result, err);
	return true;
}

/* Make the next part of a batch */
bool
worker_next_piece(const LepModel *model, const LepBatch *batch, size_t max_tokens, size_t out_bytes,
				  WorkerPiece *piece)
{
	size_t row_bytes = lep_desc_width(model->view.desc) * sizeof(float);
	WorkerPiece next = {.first = piece->end,
						.end = piece->end,
						.first_token = piece->end_token,
						.end_token = piece->end_token,
						.first_pick = piece->end_pick,
						.end_pick = piece->end_pick};

	while (next.end < batch->n_texts && next.end - next.first < LEP_GPU_TEXTS_MAX)
	{
		LepBatch part = {0};
		size_t end_token = batch->starts[next.end + 1], end_pick = next.end_pick;
		size_t rows;

		while (end_pick < batch->n_picks && batch->picks[end_pick] < end_token)
			end_pick++;
		part.n_texts = next.end + 1 - next.first;
		part.n_tokens = end_token - next.first_token;
		part.n_picks = end_pick - next.first_pick;
		rows = lep_graph_out_rows(model->graph, &part);
		if (next.end > next.first &&
			(part.n_tokens > max_tokens || rows > out_bytes / Max(row_bytes, 1)))
			break;
		next.end++;
		next.end_token = end_token;
		next.end_pick = end_pick;
		next.rows = rows;
	}
	*piece = next;
	return next.end > next.first;
}

/* Write the places of a piece's texts and picks */
void
worker_piece_places(const LepBatch *batch, const WorkerPiece *piece, uint32 *starts, uint32 *picks)
{
	for (size_t i = piece->first; i <= piece->end; i++)
		starts[i - piece->first] = batch->starts[i] - (uint32) piece->first_token;
	for (size_t i = piece->first_pick; i < piece->end_pick; i++)
		picks[i - piece->first_pick] = batch->picks[i] - (uint32) piece->first_token;
}
