/*
 * rerank.c: lepton_rerank: how well a document answers a query, as a
 * cross-encoder of sentence-transformers says.
 */
#include "postgres.h"

#include "fmgr.h"

#include "steps.h"

PG_FUNCTION_INFO_V1(lepton_rerank);

/* Encode query and document */
LepStatus
func_rerank_encode(FuncTaskCall *call, FuncSink *sink, LepError *err)
{
	return func_pair_encode(call, sink, err);
}

/* Make the score of one logit */
Datum
func_rerank_finish(FuncTaskCall *call, FuncSet *set, bool *isnull)
{
	const LepModel *model = call->model->model;
	float *row = call->taken;

	(void) set;
	(void) isnull;
	lep_rerank_scores(model->kernels, model->view.desc, row, 1);
	call->taken = NULL;
	return Float4GetDatum(row[0]);
}

/* lepton_rerank(query text, document text [, model text]) returns real */
Datum
lepton_rerank(PG_FUNCTION_ARGS)
{
	return func_task_call(fcinfo, func_task(lepton_rerank));
}
