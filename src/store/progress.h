/*
 * progress.h: what long operations show in lepton_progress, through the
 * server's own command progress.
 */
#ifndef LEPTON_STORE_PROGRESS_H
#define LEPTON_STORE_PROGRESS_H

#include "postgres.h"

/* Numbers are those of the view lepton_progress. */
typedef enum StoreProgressCommand
{
	STORE_PROGRESS_LOAD = 1,
	STORE_PROGRESS_TRAIN = 2,
	STORE_PROGRESS_IMAGE = 3,
	STORE_PROGRESS_QUANTIZE = 4,
	STORE_PROGRESS_COMPARE = 5
} StoreProgressCommand;

typedef enum StorePhase
{
	STORE_PHASE_CHECK = 1,
	STORE_PHASE_STORE = 2,
	STORE_PHASE_PACK = 3,
	STORE_PHASE_EMBED = 4,
	STORE_PHASE_CHOOSE = 5,
	STORE_PHASE_FIT = 6,
	STORE_PHASE_SAMPLE = 7,
	STORE_PHASE_COMPRESS = 8,
	STORE_PHASE_NEIGHBOURS = 9
} StorePhase;

/* Begin; a second begin inside another (an image built during a training) is ignored until its end. */
void store_progress_begin(StoreProgressCommand command, StorePhase phase, uint64 total);
void store_progress_phase(StorePhase phase, uint64 total);
/* done of total units; total 0 when it is not known. */
void store_progress_update(uint64 done, uint64 total);
void store_progress_end(void);

#endif
