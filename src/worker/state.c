/*
 * state.c: shared memory that says where the GPU stands: written by the background worker, read by every
 * backend.  It knows neither programs nor batches.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/condition_variable.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "storage/spin.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "internal.h"

/* Models in trouble that are remembered; of more, some are logged again. */
#define TROUBLES 64

typedef struct Shared
{
	slock_t lock;			/* of all but the atomics */
	pg_atomic_uint32 ready; /* number of the program that takes connections, 0: none */
	pg_atomic_uint32 noted; /* troubles that are set */
	ConditionVariable changed;
	WorkerSnapshot now;
	uint64 troubles[TROUBLES]; /* 0: free */
} Shared;

static Shared *shared = NULL;
static shmem_request_hook_type prev_request_hook = NULL;
static shmem_startup_hook_type prev_startup_hook = NULL;

/* Ask for the memory */
static void
request_memory(void)
{
	if (prev_request_hook != NULL)
		prev_request_hook();
	RequestAddinShmemSpace(MAXALIGN(sizeof(Shared)));
}

/* Make the memory, or find it */
static void
start_memory(void)
{
	bool found;

	if (prev_startup_hook != NULL)
		prev_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	shared = ShmemInitStruct("lepton gpu", sizeof(Shared), &found);
	if (!found)
	{
		memset(shared, 0, sizeof(Shared));
		SpinLockInit(&shared->lock);
		pg_atomic_init_u32(&shared->ready, 0);
		pg_atomic_init_u32(&shared->noted, 0);
		ConditionVariableInit(&shared->changed);
		strlcpy(shared->now.reason, "its background worker has not begun", WORKER_TEXT_MAX);
	}
	LWLockRelease(AddinShmemInitLock);
}

/* Ask for the shared memory */
void
worker_state_init(void)
{
	prev_request_hook = shmem_request_hook;
	shmem_request_hook = request_memory;
	prev_startup_hook = shmem_startup_hook;
	shmem_startup_hook = start_memory;
}

/* Copy what is known */
void
worker_state_read(WorkerSnapshot *now)
{
	memset(now, 0, sizeof(*now));
	if (shared == NULL)
	{
		strlcpy(now->reason, "lepton is not in shared_preload_libraries", WORKER_TEXT_MAX);
		return;
	}
	SpinLockAcquire(&shared->lock);
	*now = shared->now;
	SpinLockRelease(&shared->lock);
}

/* Change what is known */
void
worker_state_write(const WorkerSnapshot *now)
{
	bool is_ready = now->state == WORKER_STATE_READY;

	SpinLockAcquire(&shared->lock);
	shared->now = *now;
	if (is_ready)
		memset(shared->troubles, 0, sizeof(shared->troubles));
	SpinLockRelease(&shared->lock);
	if (is_ready)
		pg_atomic_write_u32(&shared->noted, 0);
	pg_atomic_write_u32(&shared->ready, is_ready ? now->starts : 0);
	ConditionVariableBroadcast(&shared->changed);
}

/* Number of the program that takes connections */
uint32
worker_ready(void)
{
	return shared == NULL ? 0 : pg_atomic_read_u32(&shared->ready);
}

/* Tell whether waiting may help */
static bool
may_become_ready(void)
{
	WorkerSnapshot now;

	worker_state_read(&now);
	return now.state != WORKER_STATE_ABSENT && shared != NULL;
}

/* Wait until a program but number other takes connections */
uint32
worker_wait_ready(uint32 other, long timeout_ms)
{
	uint32 ready = worker_ready();
	TimestampTz end;

	if ((ready != 0 && ready != other) || shared == NULL)
		return ready;
	end = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), timeout_ms);
	ConditionVariablePrepareToSleep(&shared->changed);
	while (((ready = worker_ready()) == 0 || ready == other) && may_become_ready())
	{
		long left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), end);

		if (left <= 0)
			break;
		(void) ConditionVariableTimedSleep(&shared->changed, left, PG_WAIT_EXTENSION);
	}
	ConditionVariableCancelSleep();
	return ready;
}

/* Word for a state */
const char *
worker_state_name(WorkerState state)
{
	switch (state)
	{
		case WORKER_STATE_OFF:
			return "off";
		case WORKER_STATE_ABSENT:
			return "absent";
		case WORKER_STATE_STARTING:
			return "starting";
		case WORKER_STATE_READY:
			return "ready";
		case WORKER_STATE_DOWN:
			return "down";
	}
	return "off";
}

/* What stands for a model in the list of troubles, never 0 */
static uint64
trouble_key(const StoreRow *row)
{
	uint64 key = hash_bytes_extended(row->hash, LEP_HASH_BYTES, (uint64) row->graph);

	return key != 0 ? key : 1;
}

/* Note that a model cannot run on the device */
bool
worker_trouble(const StoreRow *row)
{
	uint64 key = trouble_key(row);
	int place = (int) (key % TROUBLES);
	bool is_new = true;

	if (shared == NULL)
		return false;
	SpinLockAcquire(&shared->lock);
	for (int i = 0; i < TROUBLES; i++)
	{
		if (shared->troubles[i] == key)
			is_new = false;
		else if (shared->troubles[i] == 0)
			place = i;
	}
	if (is_new)
		shared->troubles[place] = key;
	SpinLockRelease(&shared->lock);
	pg_atomic_write_u32(&shared->noted, 1);
	return is_new;
}

/* Forget that a model could not run */
void
worker_trouble_over(const StoreRow *row)
{
	uint64 key;

	if (pg_atomic_read_u32(&shared->noted) == 0)
		return;
	key = trouble_key(row);
	SpinLockAcquire(&shared->lock);
	for (int i = 0; i < TROUBLES; i++)
		if (shared->troubles[i] == key)
			shared->troubles[i] = 0;
	SpinLockRelease(&shared->lock);
}
