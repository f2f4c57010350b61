/*
 * errors.c: the only place where a LepStatus becomes an ereport, and the only
 * place where server code runs beneath engine frames.
 */
#include "postgres.h"

#include "errors.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/memutils.h"

/* The error that a guarded callback raised, until lepton_raise throws it again. */
static ErrorData *kept_error = NULL;

/* SQLSTATE of a status */
static int
status_sqlstate(LepStatus status)
{
	switch (status)
	{
		case LEP_NO_MEMORY:
			return ERRCODE_OUT_OF_MEMORY;
		case LEP_CANCELLED:
			return ERRCODE_QUERY_CANCELED;
		case LEP_IO:
			return ERRCODE_IO_ERROR;
		case LEP_MISSING:
			return ERRCODE_UNDEFINED_FILE;
		case LEP_BAD_FILE:
			return ERRCODE_INVALID_BINARY_REPRESENTATION;
		case LEP_UNSUPPORTED:
			return ERRCODE_FEATURE_NOT_SUPPORTED;
		case LEP_TOO_LARGE:
			return ERRCODE_PROGRAM_LIMIT_EXCEEDED;
		case LEP_BAD_INPUT:
			return ERRCODE_INVALID_PARAMETER_VALUE;
		case LEP_BAD_IMAGE:
			return ERRCODE_DATA_CORRUPTED;
		case LEP_NOT_FINITE:
			return ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE;
		case LEP_NO_CONVERGENCE:
			return ERRCODE_DATA_EXCEPTION;
		case LEP_DEVICE:
			return ERRCODE_SYSTEM_ERROR;
		case LEP_OK:
			break;
	}
	return ERRCODE_INTERNAL_ERROR;
}

/* UTF-8 text of the engine in the database's encoding, '?' for what it lacks */
static const char *
local_text(const char *text)
{
	char *copy;

	if (GetDatabaseEncoding() == PG_UTF8)
		return text;
	copy = pstrdup(text);
	for (char *c = copy; *c; c++)
		if (IS_HIGHBIT_SET(*c))
			*c = '?';
	return copy;
}

/* Raise what an engine call reported */
void
lepton_raise(LepStatus status, const LepError *err)
{
	if (kept_error != NULL && (status == LEP_IO || status == LEP_CANCELLED))
	{
		ErrorData *error = kept_error;

		kept_error = NULL;
		ReThrowError(error);
	}
	if (status == LEP_CANCELLED)
	{
		CHECK_FOR_INTERRUPTS();
		ereport(ERROR, (errcode(ERRCODE_QUERY_CANCELED),
						errmsg("canceling statement due to user request")));
	}
	if (status == LEP_NO_MEMORY && (err == NULL || err->message[0] == '\0'))
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	ereport(ERROR,
			(errcode(status_sqlstate(status)), errmsg_internal("%s", local_text(err->message)),
			 err->detail[0] ? errdetail_internal("%s", local_text(err->detail)) : 0,
			 err->hint[0] ? errhint("%s", local_text(err->hint)) : 0));
	pg_unreachable();
}

/* Run callback(arg) and keep what it raises */
LepStatus
lepton_guard(void (*callback)(void *arg), void *arg, LepError *err)
{
	MemoryContext context = CurrentMemoryContext;
	volatile LepStatus status = LEP_OK;

	PG_TRY();
	{
		callback(arg);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		kept_error = CopyErrorData();
		FlushErrorState();
		status = lep_error(err, LEP_IO, "read failed");
	}
	PG_END_TRY();
	return status;
}

/* Let a pending interrupt act */
static void
process_interrupts(void *arg)
{
	(void) arg;
	CHECK_FOR_INTERRUPTS();
}

/*
 * Tell whether to stop
 *
 * Processing the interrupt here, rather than looking at its flags, serves
 * every kind (cancel, timeout, termination, recovery conflict, barrier) as the server means it.
 */
static bool
should_stop(void *arg)
{
	(void) arg;
	if (likely(!INTERRUPTS_PENDING_CONDITION()) || !INTERRUPTS_CAN_BE_PROCESSED())
		return false;
	return lepton_guard(process_interrupts, NULL, NULL) != LEP_OK;
}

/* The stop callback of every engine call */
const LepStop *
lepton_stop(void)
{
	static const LepStop stop = {should_stop, NULL};

	return &stop;
}

/* Allocate without raising */
static void *
context_alloc(void *ctx, size_t size)
{
	if (size > MaxAllocHugeSize)
		return NULL;
	return MemoryContextAllocExtended((MemoryContext) ctx, size,
									  MCXT_ALLOC_HUGE | MCXT_ALLOC_NO_OOM);
}

/* Free what context_alloc gave */
static void
context_free(void *ctx, void *ptr)
{
	(void) ctx;
	if (ptr != NULL)
		pfree(ptr);
}

/* An engine allocator over a memory context */
LepAllocator
lepton_allocator(MemoryContext context)
{
	LepAllocator allocator = {context_alloc, context_free, context};

	return allocator;
}
