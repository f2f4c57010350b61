/*
 * read.c: reads the rows of a LeptonBatch node ahead and has their calls computed
 * together.  It decides how far to read; it knows neither tokens nor graphs.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "../guc.h"
#include "../worker/worker.h"
#include "state.h"

/* Batches that a window is worth: more can be sorted by length and share duplicates, fewer come sooner. */
#define WINDOW_BATCHES			4
#define WINDOW_BATCHES_PARALLEL 1 /* workers must end together */
/* Workers wait for a leader that computes instead of taking their rows: its windows are parts of a batch. */
#define WINDOW_PARTS_LEADER 16

/* Forget the rows of the window */
void
batch_forget_rows(BatchState *s)
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
void
batch_load_row(BatchState *s, TupleTableSlot *source)
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
	call->model = func_task_open(call->task, name);
	call->engine = func_window_engine(s->window, call->model);
	return true;
}

/* Compute the row of a text that is the same for all rows, once */
static void
compute_constant(BatchState *s, BatchCallState *call, BatchInput *input, const text *value)
{
	const float *row;
	MemoryContext old;

	if (input->constant_row != NULL)
		return;
	old = MemoryContextSwitchTo(s->css.ss.ps.state->es_query_cxt);
	row = batch_find_row(call->model, value);
	if (row == NULL)
		input->constant_row = func_run_one(call->model, value);
	else
	{
		input->constant_row = palloc(func_width(call->model) * sizeof(float));
		memcpy(input->constant_row, row, func_width(call->model) * sizeof(float));
	}
	MemoryContextSwitchTo(old);
}

/* Find the sequence that an earlier call has for the same text of a row in the same engine */
static bool
find_sequence(const BatchState *s, const BatchCallState *call, int text, int row, uint32 *sequence)
{
	for (const BatchCallState *c = s->calls; c < call; c++)
		for (int j = 0; j < c->task->n_texts; j++)
			if (c->task->encode == NULL && c->states[row] == ROW_READY &&
				c->engine == call->engine && c->inputs[j].text == text)
			{
				*sequence = c->inputs[j].sequences[row];
				return true;
			}
	return false;
}

/* Encode a call of a function with steps for row i of the window */
static RowState
add_steps(BatchState *s, BatchCallState *call, int i, text **values)
{
	Datum options[FUNC_MAX_OPTIONS];

	if (!batch_option_values(s, call, options))
		return ROW_NULL;
	call->steps[i] = func_call_add(s->window, call->task, call->model, call->engine,
								   (const text *const *) values, options);
	return call->steps[i] == NULL ? ROW_SCALAR : ROW_READY;
}

/* Give a call's texts for row i of the window to its engine */
static RowState
add_texts(BatchState *s, BatchCallState *call, int i)
{
	text *values[FUNC_MAX_TEXTS];

	for (int j = 0; j < call->task->n_texts; j++)
	{
		values[j] = batch_text_value(s, call->inputs[j].text);
		if (values[j] == NULL)
			return ROW_NULL;
	}
	if (!open_model(s, call))
		return ROW_NULL;
	if (call->task->encode != NULL)
	{
		RowState state = add_steps(s, call, i, values);

		call->n_ready += state == ROW_READY;
		return state;
	}
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
	for (int i = 0; i < s->n_calls + s->n_ahead; i++)
	{
		s->calls[i].states = palloc(n);
		s->calls[i].steps =
			s->calls[i].task->encode != NULL ? palloc(n * sizeof(FuncWindowCall *)) : NULL;
		s->calls[i].n_ready = 0;
		for (int j = 0; j < s->calls[i].task->n_texts; j++)
			s->calls[i].inputs[j].sequences = palloc(n * sizeof(uint32));
	}
	MemoryContextSwitchTo(old);
}

/* Tokens that fill a window */
static uint64
window_tokens(const BatchState *s)
{
	uint64 batch = worker_batch_tokens(NULL);

	if (s->is_streamed && s->workers != NULL && s->workers->context != NULL &&
		s->workers->context->nworkers_launched > 0)
		return Max(batch / WINDOW_PARTS_LEADER, 1);
	return batch * (s->css.ss.ps.plan->parallel_aware ? WINDOW_BATCHES_PARALLEL : WINDOW_BATCHES);
}

/* Tell whether the window has enough tokens, or takes all the memory it may */
static bool
is_full(const BatchState *s)
{
	uint64 tokens = func_window_tokens(s->window);
	uint64 bytes = func_window_bytes(s->window) + MemoryContextMemAllocated(s->rows_context, true);

	/* Half a row more than it has would be too many. */
	return tokens + tokens / s->n_rows / 2 >= window_tokens(s) || bytes >= (uint64) work_mem * 1024;
}

/* Add what a window did to a sum */
void
batch_add_work(FuncWork *sum, const FuncWork *work)
{
	sum->rows += work->rows;
	sum->tokens += work->tokens;
	sum->batches += work->batches;
	sum->on_gpu += work->on_gpu;
	sum->duplicates += work->duplicates;
	sum->tokenizing += work->tokenizing;
	sum->running += work->running;
}

/* Count the window: for EXPLAIN and for lepton_stat_models */
static void
count_window(BatchState *s)
{
	FuncWork sum = {0};

	for (int i = 0; i < s->n_calls + s->n_ahead; i++)
	{
		BatchCallState *call = &s->calls[i];
		int n_texts = call->task->encode != NULL ? 1 : call->task->n_texts;
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
		store_stat_count(call->model, work.rows * n_texts, work.tokens, work.batches, work.running);
		batch_add_work(&sum, &work);
	}
	batch_add_work(&s->totals, &sum);
	if (s->shared != NULL)
		batch_add_work(s->shared, &sum);
}

/* Read rows ahead and compute their calls */
void
batch_fill_window(BatchState *s)
{
	PlanState *child = outerPlanState(s);
	ExprContext *econtext = s->css.ss.ps.ps_ExprContext;
	MemoryContext old;
	int limit;

	batch_forget_rows(s);
	if (!s->is_begun)
		begin_scan(s);
	limit = window_rows(s);
	s->truncate = lepton_truncate;
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
		batch_load_row(s, slot);
		for (int i = 0; i < s->n_texts; i++)
			s->texts[i].is_known = false;
		old = MemoryContextSwitchTo(econtext->ecxt_per_tuple_memory);
		for (int i = 0; i < s->n_calls + s->n_ahead; i++)
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
