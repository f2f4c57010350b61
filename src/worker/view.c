/*
 * view.c: the row of lepton_gpu: where the GPU stands, and what its program says of itself.
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "internal.h"

PG_FUNCTION_INFO_V1(lepton_gpu);

#define COLUMNS 21

/* A text, or NULL when it is empty */
static void
put_text(Datum *value, bool *isnull, const char *text)
{
	*isnull = text[0] == '\0';
	*value = *isnull ? (Datum) 0 : CStringGetTextDatum(text);
}

/* Put what the program says into columns; NULL everywhere when it says nothing */
static void
put_status(Datum *values, bool *nulls, const WorkerStatus *status)
{
	const uint64 counts[] = {status->limit,		  status->memory_used, status->models,
							 status->model_bytes, status->connections, status->queued,
							 status->requests,	  status->batches,	   status->texts,
							 status->tokens,	  status->loads,	   status->evictions,
							 status->failures};
	int n = (int) lengthof(counts);

	for (int i = 0; i < n; i++)
		values[i] = Int64GetDatum((int64) counts[i]);
	values[n] = Float8GetDatum((double) status->busy_ns / 1e6);
	memset(nulls, 0, (n + 1) * sizeof(bool));
	nulls[0] = status->limit == 0;
}

/* _lepton.gpu(): one row */
Datum
lepton_gpu(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	WorkerSnapshot now;
	WorkerStatus status;
	Datum values[COLUMNS] = {0};
	bool nulls[COLUMNS];

	InitMaterializedSRF(fcinfo, 0);
	memset(nulls, true, sizeof(nulls));
	worker_state_read(&now);
	values[0] = CStringGetTextDatum(worker_state_name(now.state));
	nulls[0] = false;
	put_text(&values[1], &nulls[1], now.reason);
	put_text(&values[2], &nulls[2], now.device);
	if (now.pid != 0)
	{
		values[3] = Int32GetDatum(now.pid);
		nulls[3] = false;
	}
	values[4] = Int32GetDatum((int32) now.starts);
	nulls[4] = false;
	if (now.since != 0)
	{
		values[5] = TimestampTzGetDatum(now.since);
		nulls[5] = false;
	}
	if (now.memory != 0)
	{
		values[6] = Int64GetDatum((int64) now.memory);
		nulls[6] = false;
	}
	if (worker_client_status(worker_ready(), &status))
		put_status(&values[7], &nulls[7], &status);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	return (Datum) 0;
}
