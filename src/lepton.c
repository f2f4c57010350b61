/*
 * lepton.c: the module's entry point, a list of the rooms to open.
 */
#include "postgres.h"

#include "compat.h"
#include "exec/exec.h"
#include "fmgr.h"
#include "guc.h"
#include "store/store.h"
#include "worker/worker.h"

LEPTON_MODULE_MAGIC;

void _PG_init(void);

/* Open every room */
void
_PG_init(void)
{
	lepton_guc_init();
	store_init();
	lepton_exec_init();
	worker_init();
}
