/*
 * exec.c: a LeptonBatch node from begin to end: passes rows on one by one.
 * read.c reads them ahead.  It knows neither tokens nor graphs.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/extensible.h"
#include "nodes/nodeFuncs.h"
#include "storage/dsm.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "exec.h"
#include "state.h"

CustomScanMethods batch_scan_methods;
static CustomExecMethods exec_methods;
static bool is_preloaded = false;

/* ---- begin and end ---- */

/* Make the state of a node */
static Node *
create_state(CustomScan *scan)
{
	BatchState *s = (BatchState *) newNode(sizeof(BatchState), T_CustomScanState);

	s->css.methods = &exec_methods;
	return (Node *) s;
}

/* Integer i of custom_private */
static int
private_int(const CustomScan *scan, BatchPrivate i)
{
	return intVal(list_nth(scan->custom_private, i));
}

/* Walker: any column */
static bool
reads_column(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var))
		return true;
	return expression_tree_walker(node, reads_column, context);
}

/* Number of the text of an expression, new or not; exprs lists those that there are */
static int
text_number(BatchState *s, List **exprs, Expr *expr)
{
	ListCell *cell;
	BatchText *added;

	foreach (cell, *exprs)
		if (equal(lfirst(cell), expr))
			return foreach_current_index(cell);
	*exprs = lappend(*exprs, expr);
	added = &s->texts[s->n_texts];
	added->state = ExecInitExpr(expr, (PlanState *) s);
	added->is_constant = !reads_column((Node *) expr, NULL);
	return s->n_texts++;
}

/* Prepare a call */
static void
begin_call(BatchState *s, BatchCallState *call, FuncExpr *expr, List **texts)
{
	const FuncTask *task = batch_any_task((Node *) expr);
	PlanState *parent = (PlanState *) s;

	if (task == NULL)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("function %u of a planned query is no task function any more",
							   expr->funcid),
						errhint("Plan the query again.")));
	call->task = task;
	call->model_name = ExecInitExpr(batch_model_argument(task, expr->args), parent);
	for (int i = 0; i < task->n_texts; i++)
		call->inputs[i].text = text_number(s, texts, list_nth(expr->args, i));
	for (int i = 0; i < task->n_options; i++)
	{
		Expr *option = batch_option(task, expr->args, i);

		call->options[i].state = ExecInitExpr(option, parent);
		get_typlenbyval(exprType((Node *) option), &call->options[i].length,
						&call->options[i].by_value);
	}
}

/* Prepare the calls; checks that the user may execute the functions */
static void
begin_calls(BatchState *s, List *exprs)
{
	List *texts = NIL;
	int n = s->n_calls + s->n_ahead;

	s->calls = palloc0(n * sizeof(BatchCallState));
	s->texts = palloc0(n * FUNC_MAX_TEXTS * sizeof(BatchText));
	for (int i = 0; i < n; i++)
	{
		begin_call(s, &s->calls[i], list_nth_node(FuncExpr, exprs, i), &texts);
		if (i < s->n_calls)
			s->calls[i].scalar = ExecInitExpr(list_nth(exprs, i), (PlanState *) s);
	}
}

/* Begin the node */
static void
begin_batch(CustomScanState *node, EState *estate, int eflags)
{
	BatchState *s = (BatchState *) node;
	CustomScan *scan = (CustomScan *) node->ss.ps.plan;
	int n;

	outerPlanState(node) =
		ExecInitNode(outerPlan(scan), estate, eflags & ~(EXEC_FLAG_BACKWARD | EXEC_FLAG_MARK));
	s->n_columns = private_int(scan, BATCH_PRIVATE_COLUMNS);
	s->n_calls = private_int(scan, BATCH_PRIVATE_CALLS);
	s->n_ahead = private_int(scan, BATCH_PRIVATE_AHEAD);
	s->first_rows = private_int(scan, BATCH_PRIVATE_FIRST);
	s->is_streamed = private_int(scan, BATCH_PRIVATE_STREAMED) != 0;
	n = s->n_calls + s->n_ahead;
	begin_calls(s, scan->custom_exprs);
	if (eflags & EXEC_FLAG_EXPLAIN_ONLY)
		return;
	if (private_int(scan, BATCH_PRIVATE_HAS_COUNT))
		s->count = ExecInitExpr(list_nth(scan->custom_exprs, n), (PlanState *) s);
	if (private_int(scan, BATCH_PRIVATE_HAS_OFFSET))
		s->offset = ExecInitExpr(list_nth(scan->custom_exprs, n + 1), (PlanState *) s);
	s->window = func_window_create(estate->es_query_cxt);
	s->rows_context =
		AllocSetContextCreate(estate->es_query_cxt, "lepton rows", ALLOCSET_DEFAULT_SIZES);
	s->row_slot = ExecInitExtraTupleSlot(estate, ExecGetResultType(outerPlanState(node)),
										 &TTSOpsMinimalTuple);
	if (s->n_ahead > 0)
		batch_answer_calls(s, estate->es_query_cxt);
}

/* Close the models, and forget what was computed of constants */
static void
close_models(BatchState *s)
{
	for (int i = 0; i < s->n_calls + s->n_ahead; i++)
	{
		BatchCallState *call = &s->calls[i];

		if (call->model != NULL)
			store_model_close(call->model);
		call->model = NULL;
		call->is_nameless = false;
		for (int j = 0; j < FUNC_MAX_TEXTS; j++)
		{
			if (call->inputs[j].constant_row != NULL)
				pfree(call->inputs[j].constant_row);
			call->inputs[j].constant_row = NULL;
		}
	}
	if (s->window != NULL)
		func_window_forget(s->window);
}

/* End the node */
static void
end_batch(CustomScanState *node)
{
	BatchState *s = (BatchState *) node;

	if (s->window != NULL)
	{
		batch_forget_rows(s);
		close_models(s);
		func_run_trim();
	}
	if (s->workers != NULL)
		s->workers->shared = NULL;
	ExecEndNode(outerPlanState(node));
}

/*
 * Start again
 *
 * When nothing that the rows depend on has changed and all of them are still
 * in the one window that there was, they are passed on once more.
 */
static void
rescan_batch(CustomScanState *node)
{
	BatchState *s = (BatchState *) node;
	bool is_changed = node->ss.ps.chgParam != NULL;

	if (!is_changed && s->is_begun && s->is_at_end && s->windows == 1)
	{
		s->next = 0;
		return;
	}
	batch_forget_rows(s);
	if (is_changed)
		close_models(s);
	s->is_begun = s->is_at_end = false;
	if (outerPlanState(node)->chgParam == NULL)
		ExecReScan(outerPlanState(node));
}

/* ---- passing rows on ---- */

/* Put the next row of the window and its results into the scan slot */
static void
load_next(BatchState *s)
{
	ExprContext *econtext = s->css.ss.ps.ps_ExprContext;
	TupleTableSlot *slot = s->css.ss.ss_ScanTupleSlot;
	int row = s->next++;
	MemoryContext old;

	ResetExprContext(econtext);
	ExecForceStoreMinimalTuple(s->rows[row], s->row_slot, false);
	batch_load_row(s, s->row_slot);
	for (int i = 0; i < s->n_texts; i++)
		s->texts[i].is_known = false;
	old = MemoryContextSwitchTo(econtext->ecxt_per_tuple_memory);
	for (int i = 0; i < s->n_calls; i++)
	{
		Datum *value = &slot->tts_values[s->n_columns + i];
		bool *isnull = &slot->tts_isnull[s->n_columns + i];

		if (!batch_call_result(s, &s->calls[i], row, NULL, value, isnull))
			*value = ExecEvalExpr(s->calls[i].scalar, econtext, isnull);
	}
	MemoryContextSwitchTo(old);
}

/*
 * Give the next row
 *
 * Not by way of ExecScan: for a node that scans no relation that would
 * take a recheck of one row for that of a join.
 */
static TupleTableSlot *
exec_batch(CustomScanState *node)
{
	BatchState *s = (BatchState *) node;
	ExprContext *econtext = node->ss.ps.ps_ExprContext;

	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		if (s->next == s->n_rows)
		{
			if (s->is_at_end)
				return ExecClearTuple(node->ss.ps.ps_ResultTupleSlot);
			batch_fill_window(s);
			continue;
		}
		load_next(s);
		if (node->ss.ps.qual != NULL && !ExecQual(node->ss.ps.qual, econtext))
		{
			InstrCountFiltered1(node, 1);
			continue;
		}
		if (node->ss.ps.ps_ProjInfo != NULL)
			return ExecProject(node->ss.ps.ps_ProjInfo);
		return node->ss.ss_ScanTupleSlot;
	}
}

/* ---- parallel query: counts only ---- */

/* Shared memory for the counts of workers */
static Size
estimate_shared(CustomScanState *node, ParallelContext *pcxt)
{
	return mul_size(Max(pcxt->nworkers, 1), sizeof(FuncWork));
}

/* Collect the counts of workers, which have ended, before their memory goes */
static void
collect_shared(dsm_segment *segment, Datum arg)
{
	BatchWorkers *workers = (BatchWorkers *) DatumGetPointer(arg);

	for (int i = 0; i < workers->n && workers->shared != NULL; i++)
	{
		batch_add_work(&workers->totals, &workers->shared[i]);
	}
	workers->shared = NULL;
	workers->context = NULL;
}

/* Begin sharing, in the leader */
static void
begin_shared(CustomScanState *node, ParallelContext *pcxt, void *coordinate)
{
	BatchState *s = (BatchState *) node;

	memset(coordinate, 0, Max(pcxt->nworkers, 1) * sizeof(FuncWork));
	if (pcxt->seg == NULL || pcxt->nworkers == 0)
		return;
	/* The segment may be given up after the executor's memory, when a transaction fails. */
	if (s->workers == NULL)
		s->workers = MemoryContextAllocZero(TopTransactionContext, sizeof(BatchWorkers));
	s->workers->shared = coordinate;
	s->workers->n = pcxt->nworkers;
	s->workers->context = pcxt;
	on_dsm_detach(pcxt->seg, collect_shared, PointerGetDatum(s->workers));
}

/* Go on sharing with new workers, which add to the counts of the old ones */
static void
continue_shared(CustomScanState *node, ParallelContext *pcxt, void *coordinate)
{
	(void) node;
	(void) pcxt;
	(void) coordinate;
}

/* Begin sharing, in a worker */
static void
begin_worker(CustomScanState *node, shm_toc *toc, void *coordinate)
{
	BatchState *s = (BatchState *) node;

	(void) toc;
	s->shared = (FuncWork *) coordinate + ParallelWorkerNumber;
}

/* Counts of the node */
FuncWork
batch_totals(const BatchState *s)
{
	FuncWork totals = s->totals;

	if (s->workers != NULL)
	{
		batch_add_work(&totals, &s->workers->totals);
	}
	return totals;
}

/* ---- registration ---- */

/* Register the node */
void
batch_exec_init(void)
{
	exec_methods.CustomName = BATCH_NAME;
	exec_methods.BeginCustomScan = begin_batch;
	exec_methods.ExecCustomScan = exec_batch;
	exec_methods.EndCustomScan = end_batch;
	exec_methods.ReScanCustomScan = rescan_batch;
	exec_methods.EstimateDSMCustomScan = estimate_shared;
	exec_methods.InitializeDSMCustomScan = begin_shared;
	exec_methods.ReInitializeDSMCustomScan = continue_shared;
	exec_methods.InitializeWorkerCustomScan = begin_worker;
	exec_methods.ExplainCustomScan = batch_explain;
	batch_scan_methods.CustomName = BATCH_NAME;
	batch_scan_methods.CreateCustomScanState = create_state;
	RegisterCustomScanMethods(&batch_scan_methods);
}

/* Open the room */
void
lepton_exec_init(void)
{
	is_preloaded = debug_query_string == NULL;
	/* Another build of the library in this process has it already: then calls run row by row. */
	if (GetCustomScanMethods(BATCH_NAME, true) != NULL)
		return;
	batch_exec_init();
	batch_plan_init();
	batch_quiet_init();
}

/* Tell whether the library was there before the first statement */
bool
lepton_exec_is_preloaded(void)
{
	return is_preloaded;
}
