/*
 * exec.c: runs a LeptonBatch node: reads rows ahead, has their calls computed
 * together, passes the rows on one by one.  It decides how far to read ahead; it knows
 * neither tokens nor graphs.
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
#include "utils/memutils.h"

#include "../guc.h"
#include "batch.h"
#include "exec.h"

/* Batches that a window is worth: more can be sorted by length and share duplicates, fewer come sooner. */
#define WINDOW_BATCHES			4
#define WINDOW_BATCHES_PARALLEL 1 /* workers must end together */

/* What became of a call for a row. */
typedef enum RowState
{
	ROW_NULL,	/* a text is NULL */
	ROW_READY,	/* its sequences are in the window */
	ROW_SCALAR, /* to be computed where the row is asked for, which raises why */
} RowState;

/* An expression for a text; equal ones of several calls are one. */
typedef struct BatchText
{
	ExprState *state;
	bool is_constant; /* reads no column */
	text *value;	  /* of the row in hand; NULL */
	bool is_known;	  /* value is that of the row in hand */
} BatchText;

/* What a call does with one of its texts. */
typedef struct BatchInput
{
	int text;			 /* number of the BatchText */
	float *constant_row; /* [func_width] of a constant, NULL: a column */
	uint32 *sequences;	 /* [rows of the window] */
} BatchInput;

typedef struct BatchCallState
{
	const FuncTask *task;
	ExprState *scalar;	   /* the whole call */
	ExprState *model_name; /* NULL: the default model */
	bool is_nameless;	   /* the name is NULL */
	StoreModel *model;	   /* NULL until the first row that needs it */
	int engine;
	BatchInput inputs[FUNC_MAX_TEXTS];
	uint8 *states; /* RowState [rows of the window] */
	uint64 n_ready;
} BatchCallState;

/* Counts that outlive the node and the shared memory, in the leader. */
typedef struct BatchWorkers
{
	BatchTotals totals;
	BatchTotals *shared; /* [n], NULL when there is none */
	int n;
} BatchWorkers;

struct BatchState
{
	CustomScanState css;
	int n_columns, n_calls, n_texts;
	BatchText *texts;
	BatchCallState *calls;
	ExprState *count, *offset;
	int first_rows;

	FuncWindow *window;
	MemoryContext rows_context; /* rows of the window */
	TupleTableSlot *row_slot;	/* the row being passed on */
	MinimalTuple *rows;			/* [n_rows] */
	int n_rows, next;
	int target;		   /* rows that the next window may have */
	int64 bound, read; /* rows that will be asked for at most, or -1; rows read */
	bool is_begun, is_at_end;
	int windows; /* since the last rescan */

	BatchTotals totals;	   /* of this process */
	BatchTotals *shared;   /* of this worker, in shared memory */
	BatchWorkers *workers; /* in the leader */
};

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

/* Prepare the calls; checks that the user may execute the functions */
static void
begin_calls(BatchState *s, List *exprs)
{
	List *texts = NIL;

	s->calls = palloc0(s->n_calls * sizeof(BatchCallState));
	s->texts = palloc0(s->n_calls * FUNC_MAX_TEXTS * sizeof(BatchText));
	for (int i = 0; i < s->n_calls; i++)
	{
		FuncExpr *expr = list_nth_node(FuncExpr, exprs, i);
		BatchCallState *call = &s->calls[i];

		call->task = batch_call_task((Node *) expr);
		if (call->task == NULL)
			ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
							errmsg("function %u of a planned query is no task function any more",
								   expr->funcid),
							errhint("Plan the query again.")));
		call->scalar = ExecInitExpr((Expr *) expr, (PlanState *) s);
		for (int j = 0; j < call->task->n_texts; j++)
			call->inputs[j].text = text_number(s, &texts, list_nth(expr->args, j));
		if (list_length(expr->args) > call->task->n_texts)
			call->model_name =
				ExecInitExpr(list_nth(expr->args, call->task->n_texts), (PlanState *) s);
	}
}

/* Begin the node */
static void
begin_batch(CustomScanState *node, EState *estate, int eflags)
{
	BatchState *s = (BatchState *) node;
	CustomScan *scan = (CustomScan *) node->ss.ps.plan;

	outerPlanState(node) =
		ExecInitNode(outerPlan(scan), estate, eflags & ~(EXEC_FLAG_BACKWARD | EXEC_FLAG_MARK));
	s->n_columns = private_int(scan, BATCH_PRIVATE_COLUMNS);
	s->n_calls = private_int(scan, BATCH_PRIVATE_CALLS);
	s->first_rows = private_int(scan, BATCH_PRIVATE_FIRST);
	begin_calls(s, scan->custom_exprs);
	if (eflags & EXEC_FLAG_EXPLAIN_ONLY)
		return;
	if (private_int(scan, BATCH_PRIVATE_HAS_COUNT))
		s->count = ExecInitExpr(list_nth(scan->custom_exprs, s->n_calls), (PlanState *) s);
	if (private_int(scan, BATCH_PRIVATE_HAS_OFFSET))
		s->offset = ExecInitExpr(list_nth(scan->custom_exprs, s->n_calls + 1), (PlanState *) s);
	s->window = func_window_create(estate->es_query_cxt);
	s->rows_context =
		AllocSetContextCreate(estate->es_query_cxt, "lepton rows", ALLOCSET_DEFAULT_SIZES);
	s->row_slot = ExecInitExtraTupleSlot(estate, ExecGetResultType(outerPlanState(node)),
										 &TTSOpsMinimalTuple);
}

/* Forget the rows of the window */
static void
forget_rows(BatchState *s)
{
	if (s->row_slot != NULL)
		ExecClearTuple(s->row_slot);
	ExecClearTuple(s->css.ss.ss_ScanTupleSlot);
	if (s->window == NULL)
		return;
	func_window_reset(s->window);
	MemoryContextReset(s->rows_context);
	s->rows = NULL;
	s->n_rows = s->next = 0;
}

/* Close the models, and forget what was computed of constants */
static void
close_models(BatchState *s)
{
	for (int i = 0; i < s->n_calls; i++)
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
		forget_rows(s);
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
	forget_rows(s);
	if (is_changed)
		close_models(s);
	s->is_begun = s->is_at_end = false;
	if (outerPlanState(node)->chgParam == NULL)
		ExecReScan(outerPlanState(node));
}

/* ---- reading ahead ---- */

/* Rows of LIMIT and OFFSET, 0 when there is none or NULL */
static int64
evaluate_count(ExprState *state, ExprContext *econtext, bool *isnull)
{
	Datum value;

	*isnull = true;
	if (state == NULL)
		return 0;
	value = ExecEvalExprSwitchContext(state, econtext, isnull);
	return *isnull ? 0 : Max(DatumGetInt64(value), 0);
}

/* Begin a scan: find out how many rows will be asked for */
static void
begin_scan(BatchState *s)
{
	ExprContext *econtext = s->css.ss.ps.ps_ExprContext;
	bool no_count, no_offset;
	int64 count = evaluate_count(s->count, econtext, &no_count);
	int64 offset = evaluate_count(s->offset, econtext, &no_offset);

	s->bound = -1;
	if (!no_count && count < PG_INT64_MAX - offset)
		s->bound = count + offset;
	s->read = 0;
	s->windows = 0;
	s->target = s->first_rows;
	s->is_begun = true;
}

/* Rows that the next window may have */
static int
window_rows(const BatchState *s)
{
	int64 n = lepton_batch_rows;

	/* In a recheck of one row there is one row. */
	if (!lepton_enable_batching || s->css.ss.ps.state->es_epq_active != NULL)
		return 1;
	if (s->bound < 0)
		return Min(n, s->target);
	/* Whoever asks for more than was said gets it, row by row. */
	return (int) Max(Min(n, s->bound - s->read), 1);
}

/* Put a child's row and the calls' results into the scan slot; results come later */
static void
load_row(BatchState *s, TupleTableSlot *source)
{
	TupleTableSlot *slot = s->css.ss.ss_ScanTupleSlot;

	slot_getallattrs(source);
	ExecClearTuple(slot);
	memcpy(slot->tts_values, source->tts_values, s->n_columns * sizeof(Datum));
	memcpy(slot->tts_isnull, source->tts_isnull, s->n_columns * sizeof(bool));
	for (int i = 0; i < s->n_calls; i++)
	{
		slot->tts_values[s->n_columns + i] = (Datum) 0;
		slot->tts_isnull[s->n_columns + i] = true;
	}
	ExecStoreVirtualTuple(slot);
	s->css.ss.ps.ps_ExprContext->ecxt_scantuple = slot;
}

/* Value of a text for the row in the scan slot, NULL or not toasted */
static text *
text_value(BatchState *s, int number)
{
	BatchText *t = &s->texts[number];
	ExprContext *econtext = s->css.ss.ps.ps_ExprContext;
	MemoryContext old;
	Datum value;
	bool isnull;

	if (t->is_known)
		return t->value;
	old = MemoryContextSwitchTo(econtext->ecxt_per_tuple_memory);
	value = ExecEvalExpr(t->state, econtext, &isnull);
	t->value = isnull ? NULL : DatumGetTextPP(value);
	t->is_known = true;
	MemoryContextSwitchTo(old);
	return t->value;
}

/* Open the model of a call; false when its name is NULL */
static bool
open_model(BatchState *s, BatchCallState *call)
{
	ExprContext *econtext = s->css.ss.ps.ps_ExprContext;
	char *name = NULL;

	if (call->model != NULL || call->is_nameless)
		return call->model != NULL;
	if (call->model_name != NULL)
	{
		Datum value = ExecEvalExprSwitchContext(call->model_name, econtext, &call->is_nameless);

		if (call->is_nameless)
			return false;
		name = TextDatumGetCString(value);
	}
	call->model = store_model_open(name, call->task->task);
	call->engine = func_window_engine(s->window, call->model);
	return true;
}

/* Compute the row of a text that is the same for all rows, once */
static void
compute_constant(BatchState *s, BatchCallState *call, BatchInput *input, const text *value)
{
	MemoryContext old;

	if (input->constant_row != NULL)
		return;
	old = MemoryContextSwitchTo(s->css.ss.ps.state->es_query_cxt);
	input->constant_row = func_run_one(call->model, value);
	MemoryContextSwitchTo(old);
}

/* Find the sequence that an earlier call has for the same text of a row in the same engine */
static bool
find_sequence(const BatchState *s, const BatchCallState *call, int text, int row, uint32 *sequence)
{
	for (const BatchCallState *c = s->calls; c < call; c++)
		for (int j = 0; j < c->task->n_texts; j++)
			if (c->states[row] == ROW_READY && c->engine == call->engine &&
				c->inputs[j].text == text)
			{
				*sequence = c->inputs[j].sequences[row];
				return true;
			}
	return false;
}

/* Give a call's texts for row i of the window to its engine */
static RowState
add_texts(BatchState *s, BatchCallState *call, int i)
{
	text *values[FUNC_MAX_TEXTS];

	for (int j = 0; j < call->task->n_texts; j++)
	{
		values[j] = text_value(s, call->inputs[j].text);
		if (values[j] == NULL)
			return ROW_NULL;
	}
	if (!open_model(s, call))
		return ROW_NULL;
	for (int j = 0; j < call->task->n_texts; j++)
	{
		BatchInput *input = &call->inputs[j];

		if (s->texts[input->text].is_constant)
			compute_constant(s, call, input, values[j]);
		else if (!find_sequence(s, call, input->text, i, &input->sequences[i]) &&
				 !func_window_add(s->window, call->engine, values[j], &input->sequences[i]))
			return ROW_SCALAR;
	}
	call->n_ready++;
	return ROW_READY;
}

/* Make room for the rows of a window */
static void
reserve_rows(BatchState *s, int n)
{
	MemoryContext old = MemoryContextSwitchTo(s->rows_context);

	s->rows = palloc(n * sizeof(MinimalTuple));
	for (int i = 0; i < s->n_calls; i++)
	{
		s->calls[i].states = palloc(n);
		s->calls[i].n_ready = 0;
		for (int j = 0; j < s->calls[i].task->n_texts; j++)
			s->calls[i].inputs[j].sequences = palloc(n * sizeof(uint32));
	}
	MemoryContextSwitchTo(old);
}

/* Tell whether the window has enough tokens, or takes all the memory it may */
static bool
is_full(const BatchState *s)
{
	int batches = s->css.ss.ps.plan->parallel_aware ? WINDOW_BATCHES_PARALLEL : WINDOW_BATCHES;
	uint64 tokens = func_window_tokens(s->window);
	uint64 bytes = func_window_bytes(s->window) + MemoryContextMemAllocated(s->rows_context, true);

	/* Half a row more than it has would be too many. */
	return tokens + tokens / s->n_rows / 2 >= (uint64) batches * lepton_batch_tokens ||
		   bytes >= (uint64) work_mem * 1024;
}

/* Add what a window did to a sum */
static void
add_work(FuncWork *sum, const FuncWork *work)
{
	sum->rows += work->rows;
	sum->tokens += work->tokens;
	sum->batches += work->batches;
	sum->duplicates += work->duplicates;
	sum->tokenizing += work->tokenizing;
	sum->running += work->running;
}

/* Count the window: for EXPLAIN and for lepton_stat_models */
static void
count_window(BatchState *s)
{
	FuncWork sum = {0};

	for (int i = 0; i < s->n_calls; i++)
	{
		BatchCallState *call = &s->calls[i];
		FuncWork work = {0};
		bool is_first = true;

		if (call->n_ready == 0)
			continue;
		for (int j = 0; j < i; j++)
			if (s->calls[j].n_ready > 0 && s->calls[j].engine == call->engine)
				is_first = false;
		if (is_first)
			work = *func_window_work(s->window, call->engine);
		work.rows = call->n_ready;
		store_stat_count(call->model, work.rows * call->task->n_texts, work.tokens, work.batches,
						 work.running);
		add_work(&sum, &work);
	}
	add_work(&s->totals.work, &sum);
	s->totals.windows++;
	if (s->shared != NULL)
	{
		add_work(&s->shared->work, &sum);
		s->shared->windows++;
	}
}

/* Read rows ahead and compute their calls */
static void
fill_window(BatchState *s)
{
	PlanState *child = outerPlanState(s);
	ExprContext *econtext = s->css.ss.ps.ps_ExprContext;
	MemoryContext old;
	int limit;

	forget_rows(s);
	if (!s->is_begun)
		begin_scan(s);
	limit = window_rows(s);
	reserve_rows(s, limit);
	while (s->n_rows < limit)
	{
		TupleTableSlot *slot = ExecProcNode(child);
		int row = s->n_rows;

		if (TupIsNull(slot))
		{
			s->is_at_end = true;
			break;
		}
		old = MemoryContextSwitchTo(s->rows_context);
		s->rows[row] = ExecCopySlotMinimalTuple(slot);
		MemoryContextSwitchTo(old);
		ResetExprContext(econtext);
		load_row(s, slot);
		for (int i = 0; i < s->n_texts; i++)
			s->texts[i].is_known = false;
		old = MemoryContextSwitchTo(econtext->ecxt_per_tuple_memory);
		for (int i = 0; i < s->n_calls; i++)
			s->calls[i].states[row] = add_texts(s, &s->calls[i], row);
		MemoryContextSwitchTo(old);
		s->n_rows++;
		if (is_full(s))
			break;
	}
	ExecClearTuple(s->css.ss.ss_ScanTupleSlot);
	s->read += s->n_rows;
	s->windows++;
	if (s->n_rows == 0)
		return;
	func_window_run(s->window);
	count_window(s);
	s->target = Min(s->target * 2, lepton_batch_rows);
}

/* ---- passing rows on ---- */

/* Compute the result of a call for a row of the window; the row is in the scan slot */
static Datum
call_result(BatchState *s, BatchCallState *call, int row, bool *isnull)
{
	const float *rows[FUNC_MAX_TEXTS];

	*isnull = call->states[row] == ROW_NULL;
	if (*isnull)
		return (Datum) 0;
	if (call->states[row] == ROW_READY)
	{
		int n = call->task->n_texts, j;

		for (j = 0; j < n; j++)
		{
			BatchInput *input = &call->inputs[j];

			rows[j] = input->constant_row;
			if (rows[j] == NULL)
				rows[j] =
					func_window_row(s->window, call->model, call->engine, input->sequences[row]);
			if (rows[j] == NULL)
				break;
		}
		if (j == n)
			return call->task->result(call->model, rows);
	}
	return ExecEvalExpr(call->scalar, s->css.ss.ps.ps_ExprContext, isnull);
}

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
	load_row(s, s->row_slot);
	old = MemoryContextSwitchTo(econtext->ecxt_per_tuple_memory);
	for (int i = 0; i < s->n_calls; i++)
		slot->tts_values[s->n_columns + i] =
			call_result(s, &s->calls[i], row, &slot->tts_isnull[s->n_columns + i]);
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
			fill_window(s);
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
	return mul_size(Max(pcxt->nworkers, 1), sizeof(BatchTotals));
}

/* Collect the counts of workers, which have ended, before their memory goes */
static void
collect_shared(dsm_segment *segment, Datum arg)
{
	BatchWorkers *workers = (BatchWorkers *) DatumGetPointer(arg);

	for (int i = 0; i < workers->n && workers->shared != NULL; i++)
	{
		add_work(&workers->totals.work, &workers->shared[i].work);
		workers->totals.windows += workers->shared[i].windows;
	}
	workers->shared = NULL;
}

/* Begin sharing, in the leader */
static void
begin_shared(CustomScanState *node, ParallelContext *pcxt, void *coordinate)
{
	BatchState *s = (BatchState *) node;

	memset(coordinate, 0, Max(pcxt->nworkers, 1) * sizeof(BatchTotals));
	if (pcxt->seg == NULL || pcxt->nworkers == 0)
		return;
	/* The segment may be given up after the executor's memory, when a transaction fails. */
	if (s->workers == NULL)
		s->workers = MemoryContextAllocZero(TopTransactionContext, sizeof(BatchWorkers));
	s->workers->shared = coordinate;
	s->workers->n = pcxt->nworkers;
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
	s->shared = (BatchTotals *) coordinate + ParallelWorkerNumber;
}

/* Counts of the node */
BatchTotals
batch_totals(const BatchState *s)
{
	BatchTotals totals = s->totals;

	if (s->workers != NULL)
	{
		add_work(&totals.work, &s->workers->totals.work);
		totals.windows += s->workers->totals.windows;
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
}

/* Tell whether the library was there before the first statement */
bool
lepton_exec_is_preloaded(void)
{
	return is_preloaded;
}
