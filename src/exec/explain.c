/*
 * explain.c: what EXPLAIN says of a LeptonBatch node, and what lepton_batching
 * says of a session.  It opens no model.
 */
#include "postgres.h"

#include "fmgr.h"
#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"

#include "../compat.h"
#include LEPTON_EXPLAIN_HEADER

#include "../guc.h"
#include "batch.h"
#include "exec.h"

PG_FUNCTION_INFO_V1(lepton_batching);

/* The call's constant model name, or NULL; *is_known tells whether NULL means the default */
static const char *
constant_name(FuncExpr *call, const FuncTask *task, bool *is_known)
{
	Node *name = (Node *) batch_model_argument(task, call->args);

	*is_known = true;
	if (name == NULL)
		return NULL;
	*is_known = IsA(name, Const) && !((Const *) name)->constisnull;
	return *is_known ? TextDatumGetCString(((Const *) name)->constvalue) : NULL;
}

/* Append a string unless the list has it */
static List *
append_string(List *list, char *string)
{
	ListCell *cell;

	foreach (cell, list)
		if (strcmp(lfirst(cell), string) == 0)
			return list;
	return lappend(list, string);
}

/* Say which models the calls use */
static void
explain_models(CustomScan *scan, ExplainState *es)
{
	List *models = NIL, *precisions = NIL;
	int n_calls = intVal(list_nth(scan->custom_private, BATCH_PRIVATE_CALLS)) +
				  intVal(list_nth(scan->custom_private, BATCH_PRIVATE_AHEAD));

	for (int i = 0; i < n_calls; i++)
	{
		FuncExpr *call = list_nth_node(FuncExpr, scan->custom_exprs, i);
		const FuncTask *task = batch_any_task((Node *) call);
		const char *name;
		bool is_known;
		StoreRow row;

		if (task == NULL)
			continue;
		name = constant_name(call, task, &is_known);
		if (is_known && store_model_find(name, task->task, &row))
		{
			models = append_string(models, pstrdup(NameStr(row.name)));
			precisions = append_string(precisions, pstrdup(row.precision));
		}
		else if (name != NULL)
			models = append_string(models, pstrdup(name));
	}
	if (models != NIL)
		ExplainPropertyList("Model", models, es);
	if (precisions != NIL)
		ExplainPropertyList("Precision", precisions, es);
}

/* Say where the batches ran */
static void
explain_device(const FuncWork *work, ExplainState *es)
{
	const char *device = "gpu";

	if (work->on_gpu == 0)
		device = "cpu";
	else if (work->on_gpu < work->batches)
		device = psprintf("gpu: " UINT64_FORMAT ", cpu: " UINT64_FORMAT, work->on_gpu,
						  work->batches - work->on_gpu);
	if (work->batches > 0)
		ExplainPropertyText("Device", device, es);
}

/* Say what a node does and, with ANALYZE, did */
void
batch_explain(CustomScanState *node, List *ancestors, ExplainState *es)
{
	FuncWork totals;

	(void) ancestors;
	explain_models((CustomScan *) node->ss.ps.plan, es);
	if (!es->analyze)
		return;
	totals = batch_totals((BatchState *) node);
	ExplainPropertyUInteger("Rows Computed", NULL, totals.rows, es);
	ExplainPropertyUInteger("Tokens", NULL, totals.tokens, es);
	ExplainPropertyUInteger("Batches", NULL, totals.batches, es);
	explain_device(&totals, es);
	ExplainPropertyUInteger("Duplicates Saved", NULL, totals.duplicates, es);
	if (es->timing)
	{
		ExplainPropertyFloat("Tokenizer Time", "ms", 1000 * totals.tokenizing, 3, es);
		ExplainPropertyFloat("Model Time", "ms", 1000 * totals.running, 3, es);
	}
}

/* lepton_batching() returns text: NULL when queries run in batches, or why they do not */
Datum
lepton_batching(PG_FUNCTION_ARGS)
{
	(void) fcinfo;
	if (!lepton_enable_batching)
		PG_RETURN_TEXT_P(cstring_to_text("lepton.enable_batching is off"));
	if (!lepton_exec_is_preloaded())
		PG_RETURN_TEXT_P(cstring_to_text("the library was loaded after the session had begun"));
	PG_RETURN_NULL();
}
