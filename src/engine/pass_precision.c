/*
 * pass_precision.c: decides in which numbers each linear computes.  Look-up tables
 * stay as the file stores them and widen on reading.  Every linear computes
 * in f32 today, whatever the file's dtype; compressed forms are chosen here.
 */
#define LEPTON_ENGINE_SOURCE
#include "graph_parts.h"

/* Choose the precision of every linear. */
LepStatus
lep_pass_precision(LepGraph *graph, LepError *err)
{
	(void) err;
	for (uint32_t i = 0; i < graph->n_slots; i++)
	{
		if (graph->slots[i].store == LEP_STORE_LINEAR)
			graph->slots[i].compute = LEP_COMPUTE_F32;
	}
	return LEP_OK;
}
