/*
 * call.c: runs calls of task functions with steps.  It knows neither tasks nor
 * queries: sequences come from the task, rows go back to it.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "utils/memutils.h"

#include "../errors.h"
#include "../worker/worker.h"
#include "call.h"

struct FuncWindowCall
{
	FuncSink sink; /* first, so that a sink is its call */
	FuncTaskCall call;
	FuncWindow *window;
	int engine;
	uint32 *sequences; /* [n] numbers in the window */
	uint32 n, capacity;
	uint32 absorbed; /* of a call that runs alone: sequences of windows before this one */
	FuncWork work;	 /* of those windows */
};

/* Prepare a call */
static void
init_call(FuncWindowCall *c, FuncWindow *w, const FuncTask *task, StoreModel *m, int engine,
		  MemoryContext context)
{
	memset(c, 0, sizeof(FuncWindowCall));
	c->call.task = task;
	c->call.model = m;
	c->call.context = context;
	c->window = w;
	c->engine = engine;
}

/* Give a call its arguments, for the next steps */
static void
set_arguments(FuncTaskCall *call, const text *const *texts, const Datum *options)
{
	for (int i = 0; i < call->task->n_texts; i++)
		call->texts[i] = texts[i];
	for (int i = 0; i < call->task->n_options; i++)
		call->options[i] = options[i];
}

/* Remember a sequence of the call */
static void
push_sequence(FuncWindowCall *c, uint32 sequence)
{
	if (c->n == c->capacity)
	{
		c->capacity = Max(c->capacity * 2, 4);
		c->sequences = c->sequences == NULL
						   ? MemoryContextAlloc(c->call.context, c->capacity * sizeof(uint32))
						   : repalloc_huge(c->sequences, mul_size(c->capacity, sizeof(uint32)));
	}
	c->sequences[c->n++] = sequence;
}

/* Sink of a call in a window of many */
static LepStatus
add_to_window(FuncSink *sink, const LepTokens *tokens, const uint32 *picks, size_t n_picks,
			  LepError *err)
{
	FuncWindowCall *c = (FuncWindowCall *) sink;

	(void) err;
	CHECK_FOR_INTERRUPTS();
	push_sequence(c, func_window_add_tokens(c->window, c->engine, tokens, picks, n_picks));
	return LEP_OK;
}

/* Encode a call into a window */
FuncWindowCall *
func_call_add(FuncWindow *w, const FuncTask *task, StoreModel *m, int engine,
			  const text *const *texts, const Datum *options)
{
	MemoryContext context = func_window_context(w);
	FuncWindowCall *c = MemoryContextAlloc(context, sizeof(FuncWindowCall));
	LepError err = {0};
	LepStatus status;
	instr_time start, end;

	INSTR_TIME_SET_CURRENT(start);
	init_call(c, w, task, m, engine, context);
	c->sink.add = add_to_window;
	set_arguments(&c->call, texts, options);
	status = task->encode(&c->call, &c->sink, &err);
	INSTR_TIME_SET_CURRENT(end);
	INSTR_TIME_SUBTRACT(end, start);
	func_window_add_time(w, engine, INSTR_TIME_GET_DOUBLE(end));
	func_window_check(w, status, &err);
	return status == LEP_OK ? c : NULL;
}

/* The result of a call */
bool
func_call_result(const FuncWindow *w, FuncWindowCall *c, const text *const *texts,
				 const Datum *options, FuncSet *set, Datum *value, bool *isnull)
{
	size_t n_rows;

	for (uint32 i = 0; i < c->n; i++)
		if (func_window_rows(w, c->engine, c->sequences[i], &n_rows) == NULL)
			return false;
	set_arguments(&c->call, texts, options);
	for (uint32 i = 0; i < c->n; i++)
	{
		const float *rows = func_window_rows(w, c->engine, c->sequences[i], &n_rows);

		c->call.task->absorb(&c->call, i, rows, n_rows);
	}
	*isnull = false;
	*value = c->call.task->finish(&c->call, set, isnull);
	return true;
}

/* Encode a text as one sequence */
LepStatus
func_call_encode_text(FuncTaskCall *call, FuncSink *sink, const text *input, LepError *err)
{
	LepTokens tokens;
	LepStatus status;
	const char *utf8;
	size_t len;

	/* What is invalid in other databases the tokenizer finds. */
	if (GetDatabaseEncoding() == PG_SQL_ASCII &&
		!pg_verify_mbstr(PG_UTF8, VARDATA_ANY(input), VARSIZE_ANY_EXHDR(input), true))
		return lep_error(err, LEP_BAD_INPUT, "text is not valid UTF-8");
	utf8 = func_utf8(input, &len);
	status = func_run_encode(call->model->model, utf8, len, &tokens, err);
	if (status == LEP_OK)
		status = sink->add(sink, &tokens, NULL, 0, err);
	if (utf8 != VARDATA_ANY(input))
		pfree((void *) utf8);
	return status;
}

/* Number of sequences */
uint32
func_call_sequences(const FuncWindowCall *c)
{
	return c->n;
}

/* Run the window of a call that runs alone, absorb its rows and begin another one */
static void
flush(FuncWindowCall *c)
{
	const FuncWork *work = func_window_work(c->window, c->engine);

	if (c->n == 0)
		return;
	func_window_run(c->window);
	for (uint32 i = 0; i < c->n; i++)
	{
		size_t n_rows;
		const float *rows = func_window_rows(c->window, c->engine, c->sequences[i], &n_rows);

		c->call.task->absorb(&c->call, c->absorbed + i, rows, n_rows);
	}
	c->absorbed += c->n;
	c->work.tokens += work->tokens;
	c->work.batches += work->batches;
	c->work.running += work->running;
	c->n = 0;
	func_window_reset(c->window);
}

/* Sink of a call that runs alone */
static LepStatus
add_and_run(FuncSink *sink, const LepTokens *tokens, const uint32 *picks, size_t n_picks,
			LepError *err)
{
	FuncWindowCall *c = (FuncWindowCall *) sink;

	(void) err;
	CHECK_FOR_INTERRUPTS();
	if (c->n > 0 &&
		func_window_tokens(c->window) + tokens->n > worker_batch_tokens(c->call.model->model))
		flush(c);
	push_sequence(c, func_window_add_tokens(c->window, c->engine, tokens, picks, n_picks));
	return LEP_OK;
}

/* Run a call alone */
Datum
func_call_run(const FuncTask *task, StoreModel *m, const text *const *texts, const Datum *options,
			  FuncSet *set, bool *isnull)
{
	FuncWindow *w = func_window_create(CurrentMemoryContext);
	FuncWindowCall c;
	LepError err = {0};
	Datum value;

	func_window_raise(w);
	init_call(&c, w, task, m, func_window_engine(w, m), CurrentMemoryContext);
	c.sink.add = add_and_run;
	c.call.is_alone = true;
	set_arguments(&c.call, texts, options);
	lepton_check(task->encode(&c.call, &c.sink, &err), &err);
	flush(&c);
	*isnull = false;
	value = task->finish(&c.call, set, isnull);
	store_stat_count(m, 1, c.work.tokens, c.work.batches, c.work.running);
	func_window_destroy(w);
	func_run_trim();
	return value;
}
