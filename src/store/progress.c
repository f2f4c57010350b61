/*
 * progress.c: what lepton_progress shows.  The report borrows the slot of COPY,
 * with the chunk table as its relation, so pg_stat_progress_copy shows it too; the numbers
 * of parameters that the view reads are those of its definition.
 */
#include "postgres.h"

#include "commands/progress.h"
#include "utils/backend_progress.h"
#include "utils/backend_status.h"

#include "internal.h"

/* Parameters of lepton_progress, counted from 0: the view's param17 to param20. */
#define PARAM_TOTAL	  16
#define PARAM_DONE	  17
#define PARAM_PHASE	  18
#define PARAM_COMMAND 19

static int depth = 0; /* of begins without their end */
static Oid reported_relation = InvalidOid;

/* Tell whether this backend's report is ours; an error ends it without telling us */
static bool
is_reporting(void)
{
	return depth > 0 && MyBEEntry != NULL &&
		   MyBEEntry->st_progress_command == PROGRESS_COMMAND_COPY &&
		   MyBEEntry->st_progress_command_target == reported_relation;
}

/* Start reporting, unless a command of the server (or an outer one of ours) does */
void
store_progress_begin(StoreProgressCommand command, StorePhase phase, uint64 total)
{
	StoreCatalog catalog;

	if (!is_reporting())
		depth = 0;
	if (depth++ > 0 || MyBEEntry == NULL ||
		MyBEEntry->st_progress_command != PROGRESS_COMMAND_INVALID)
		return;
	store_catalog(&catalog);
	reported_relation = catalog.chunk;
	pgstat_progress_start_command(PROGRESS_COMMAND_COPY, catalog.chunk);
	pgstat_progress_update_param(PROGRESS_COPY_COMMAND, PROGRESS_COPY_COMMAND_FROM);
	pgstat_progress_update_param(PROGRESS_COPY_TYPE, PROGRESS_COPY_TYPE_CALLBACK);
	pgstat_progress_update_param(PARAM_COMMAND, command);
	store_progress_phase(phase, total);
}

/* Enter a phase with total units of work */
void
store_progress_phase(StorePhase phase, uint64 total)
{
	if (depth != 1 || !is_reporting())
		return;
	pgstat_progress_update_param(PARAM_PHASE, phase);
	store_progress_update(0, total);
}

/* Report how much of the phase is done */
void
store_progress_update(uint64 done, uint64 total)
{
	const int index[] = {PARAM_DONE, PARAM_TOTAL, PROGRESS_COPY_BYTES_PROCESSED,
						 PROGRESS_COPY_BYTES_TOTAL};
	const int64 value[] = {(int64) done, (int64) total, (int64) done, (int64) total};

	if (depth == 1 && is_reporting())
		pgstat_progress_update_multi_param(lengthof(index), index, value);
}

/* Stop reporting */
void
store_progress_end(void)
{
	if (depth == 1 && is_reporting())
		pgstat_progress_end_command();
	if (depth > 0)
		depth--;
}
