/*
 * answer.c: results of calls for the row in hand: for the node's own columns, and for
 * calls that stay where they are, in plans that are repeated for the row.
 *
 * A call elsewhere is answered when its function, model, texts and options are those of the row that the
 * node passed on last.  Everything else is computed where it is asked for.
 */
#include "postgres.h"

#include "executor/executor.h"
#include "utils/datum.h"

#include "../guc.h"
#include "state.h"

/* Nodes of this process whose calls stay where they are, innermost first. */
static BatchState *answering = NULL;

/* ---- arguments of the row in hand ---- */

/* Value of a text, NULL or not toasted */
text *
batch_text_value(BatchState *s, int number)
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

/* Options of a call */
bool
batch_option_values(BatchState *s, BatchCallState *call, Datum *options)
{
	ExprContext *econtext = s->css.ss.ps.ps_ExprContext;
	MemoryContext old = MemoryContextSwitchTo(econtext->ecxt_per_tuple_memory);
	bool isnull = false;

	for (int i = 0; i < call->task->n_options && !isnull; i++)
	{
		options[i] = ExecEvalExpr(call->options[i].state, econtext, &isnull);
		if (!isnull && call->options[i].length == -1)
			options[i] = PointerGetDatum(PG_DETOAST_DATUM(options[i]));
	}
	MemoryContextSwitchTo(old);
	return !isnull;
}

/* ---- results ---- */

/* Result of a call of a function with steps */
static bool
steps_result(BatchState *s, BatchCallState *call, int row, FuncSet *set, Datum *value, bool *isnull)
{
	const text *texts[FUNC_MAX_TEXTS];
	Datum options[FUNC_MAX_OPTIONS];

	for (int i = 0; i < call->task->n_texts; i++)
	{
		texts[i] = batch_text_value(s, call->inputs[i].text);
		if (texts[i] == NULL)
			return false;
	}
	return batch_option_values(s, call, options) &&
		   func_call_result(s->window, call->steps[row], texts, options, set, value, isnull);
}

/* Result of a call for a row of the window, which is in the scan slot */
bool
batch_call_result(BatchState *s, BatchCallState *call, int row, FuncSet *set, Datum *value,
				  bool *isnull)
{
	const float *rows[FUNC_MAX_TEXTS];

	*value = (Datum) 0;
	*isnull = call->states[row] == ROW_NULL;
	if (*isnull)
		return true;
	if (call->states[row] != ROW_READY)
		return false;
	if (call->task->encode != NULL)
		return steps_result(s, call, row, set, value, isnull);
	for (int i = 0; i < call->task->n_texts; i++)
	{
		BatchInput *input = &call->inputs[i];

		rows[i] = input->constant_row;
		if (rows[i] == NULL)
			rows[i] = func_window_row(s->window, call->model, call->engine, input->sequences[row]);
		if (rows[i] == NULL)
			return false;
	}
	*value = call->task->result(call->model, rows);
	return true;
}

/* ---- calls elsewhere ---- */

/* Tell whether a call is for this model, in a state in which it can be answered */
static bool
is_answerable(const BatchState *s, const BatchCallState *call, const StoreModel *m)
{
	return s->next > 0 && call->states[s->next - 1] == ROW_READY &&
		   s->truncate == lepton_truncate && call->model != NULL &&
		   call->model->model == m->model &&
		   memcmp(&call->model->row.id, &m->row.id, sizeof(pg_uuid_t)) == 0 &&
		   memcmp(call->model->row.hash, m->row.hash, LEP_HASH_BYTES) == 0;
}

/* Tell whether a text of the row in hand is this one */
static bool
is_text(BatchState *s, int number, const text *other)
{
	const text *value = batch_text_value(s, number);

	return value != NULL && VARSIZE_ANY_EXHDR(value) == VARSIZE_ANY_EXHDR(other) &&
		   memcmp(VARDATA_ANY(value), VARDATA_ANY(other), VARSIZE_ANY_EXHDR(value)) == 0;
}

/* Tell whether the arguments of a call for the row in hand are these */
static bool
has_arguments(BatchState *s, BatchCallState *call, const text *const *texts, const Datum *options)
{
	Datum own[FUNC_MAX_OPTIONS];

	for (int i = 0; i < call->task->n_texts; i++)
		if (!is_text(s, call->inputs[i].text, texts[i]))
			return false;
	if (call->task->n_options > 0 && !batch_option_values(s, call, own))
		return false;
	for (int i = 0; i < call->task->n_options; i++)
		if (!datum_image_eq(own[i], options[i], call->options[i].by_value, call->options[i].length))
			return false;
	return true;
}

/* Answer a call */
static bool
answer(const FuncTask *task, const StoreModel *m, const text *const *texts, const Datum *options,
	   FuncSet *set, Datum *value, bool *isnull)
{
	for (BatchState *s = answering; s != NULL; s = s->next_ahead)
		for (int i = s->n_calls; i < s->n_calls + s->n_ahead; i++)
			if (s->calls[i].task == task && is_answerable(s, &s->calls[i], m) &&
				has_arguments(s, &s->calls[i], texts, options) &&
				batch_call_result(s, &s->calls[i], s->next - 1, set, value, isnull))
				return true;
	return false;
}

/* A model's row of a text */
const float *
batch_find_row(const StoreModel *m, const text *value)
{
	for (BatchState *s = answering; s != NULL; s = s->next_ahead)
		for (int i = s->n_calls; i < s->n_calls + s->n_ahead; i++)
		{
			BatchCallState *call = &s->calls[i];

			if (call->task->encode == NULL && call->task->n_texts == 1 &&
				is_answerable(s, call, m) && call->inputs[0].constant_row == NULL &&
				is_text(s, call->inputs[0].text, value))
				return func_window_row(s->window, call->model, call->engine,
									   call->inputs[0].sequences[s->next - 1]);
		}
	return NULL;
}

/* Take a node out of the list; its memory goes */
static void
stop_answering(void *arg)
{
	for (BatchState **place = &answering; *place != NULL; place = &(*place)->next_ahead)
		if (*place == arg)
		{
			*place = (*place)->next_ahead;
			break;
		}
	if (answering == NULL)
		func_ahead = NULL;
}

/* Answer calls elsewhere from now on */
void
batch_answer_calls(BatchState *s, MemoryContext context)
{
	s->next_ahead = answering;
	answering = s;
	func_ahead = answer;
	s->forget.func = stop_answering;
	s->forget.arg = s;
	MemoryContextRegisterResetCallback(context, &s->forget);
}
