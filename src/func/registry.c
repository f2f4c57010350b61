/*
 * registry.c: the table of task functions, and the scalar call that all of
 * them share.  It knows nothing of queries and plans.
 */
#include "postgres.h"

#include "access/xact.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "../guc.h"
#include "call.h"
#include "funcapi.h"
#include "steps.h"

extern Datum lepton_answer(PG_FUNCTION_ARGS);
extern Datum lepton_classify(PG_FUNCTION_ARGS);
extern Datum lepton_classify_pair(PG_FUNCTION_ARGS);
extern Datum lepton_classify_scores(PG_FUNCTION_ARGS);
extern Datum lepton_classify_scores_pair(PG_FUNCTION_ARGS);
extern Datum lepton_embed(PG_FUNCTION_ARGS);
extern Datum lepton_embed_prompt(PG_FUNCTION_ARGS);
extern Datum lepton_entities(PG_FUNCTION_ARGS);
extern Datum lepton_fill_mask(PG_FUNCTION_ARGS);
extern Datum lepton_rerank(PG_FUNCTION_ARGS);
extern Datum lepton_similarity(PG_FUNCTION_ARGS);
extern Datum lepton_sparse_embed(PG_FUNCTION_ARGS);
extern Datum lepton_zero_shot(PG_FUNCTION_ARGS);

/* An entry's C function and its name. */
#define SYMBOL(name) .function = name, .symbol = #name

FuncAhead func_ahead = NULL;

static const FuncTask tasks[] = {
	{
		SYMBOL(lepton_answer),
		.task = STORE_TASK_ANSWER,
		.n_texts = 2,
		.n_options = 5,
		.is_set = true,
		.encode = func_answer_encode,
		.absorb = func_answer_absorb,
		.finish = func_answer_finish,
	},
	{
		SYMBOL(lepton_classify),
		.task = STORE_TASK_CLASSIFY,
		.n_texts = 1,
		.result = func_classify_result,
	},
	{
		SYMBOL(lepton_classify_pair),
		.task = STORE_TASK_CLASSIFY,
		.n_texts = 2,
		.encode = func_pair_encode,
		.absorb = func_row_absorb,
		.finish = func_classify_finish,
	},
	{
		SYMBOL(lepton_classify_scores),
		.task = STORE_TASK_CLASSIFY,
		.n_texts = 1,
		.is_set = true,
		.encode = func_text_encode,
		.absorb = func_row_absorb,
		.finish = func_classify_scores_finish,
	},
	{
		SYMBOL(lepton_classify_scores_pair),
		.task = STORE_TASK_CLASSIFY,
		.n_texts = 2,
		.is_set = true,
		.encode = func_pair_encode,
		.absorb = func_row_absorb,
		.finish = func_classify_scores_finish,
	},
	{
		SYMBOL(lepton_embed),
		.task = STORE_TASK_EMBED,
		.n_texts = 1,
		.result = func_embed_result,
	},
	{
		SYMBOL(lepton_embed_prompt),
		.task = STORE_TASK_EMBED,
		.n_texts = 1,
		.n_options = 2,
		.encode = func_prompt_encode,
		.absorb = func_row_absorb,
		.finish = func_prompt_finish,
	},
	{
		SYMBOL(lepton_entities),
		.task = STORE_TASK_ENTITIES,
		.n_texts = 1,
		.n_options = 2,
		.is_set = true,
		.encode = func_entities_encode,
		.absorb = func_entities_absorb,
		.finish = func_entities_finish,
	},
	{
		SYMBOL(lepton_fill_mask),
		.task = STORE_TASK_FILL_MASK,
		.n_texts = 1,
		.n_options = 2,
		.is_set = true,
		.encode = func_fill_mask_encode,
		.absorb = func_fill_mask_absorb,
		.finish = func_fill_mask_finish,
	},
	{
		SYMBOL(lepton_rerank),
		.task = STORE_TASK_RERANK,
		.n_texts = 2,
		.encode = func_rerank_encode,
		.absorb = func_row_absorb,
		.finish = func_rerank_finish,
	},
	{
		SYMBOL(lepton_similarity),
		.task = STORE_TASK_EMBED,
		.n_texts = 2,
		.result = func_similarity_result,
	},
	{
		SYMBOL(lepton_sparse_embed),
		.task = STORE_TASK_SPARSE_EMBED,
		.n_texts = 1,
		.is_set = true,
		.encode = func_text_encode,
		.absorb = func_sparse_absorb,
		.finish = func_sparse_finish,
	},
	{
		SYMBOL(lepton_zero_shot),
		.task = STORE_TASK_ZERO_SHOT,
		.n_texts = 1,
		.n_options = 3,
		.n_leading = 1,
		.is_set = true,
		.encode = func_zero_shot_encode,
		.absorb = func_zero_shot_absorb,
		.finish = func_zero_shot_finish,
	},
};

/* Find the entry of a C function */
const FuncTask *
func_task(PGFunction function)
{
	for (size_t i = 0; i < lengthof(tasks); i++)
		if (tasks[i].function == function)
			return &tasks[i];
	return NULL;
}

/* Tell whether an entry has this symbol */
bool
func_task_has_symbol(const char *symbol)
{
	for (size_t i = 0; i < lengthof(tasks); i++)
		if (strcmp(tasks[i].symbol, symbol) == 0)
			return true;
	return false;
}

/* Number of the argument that names the model */
int
func_task_model_argument(const FuncTask *task, int n_args)
{
	if (n_args == task->n_texts + task->n_options)
		return -1;
	return n_args == task->n_texts + 1 + task->n_options ? task->n_texts + task->n_leading : -2;
}

/* Number of the argument that is an option */
int
func_task_option_argument(const FuncTask *task, int n_args, int i)
{
	bool has_model = n_args > task->n_texts + task->n_options;

	return task->n_texts + i + (has_model && i >= task->n_leading ? 1 : 0);
}

/* Open the model of a call */
StoreModel *
func_task_open(const FuncTask *task, const char *name)
{
	func_run_check();
	return store_model_open(name, task->task);
}

/*
 * A call whose arguments are constants of its statement, remembered to the end of the
 * statement that the client sent: what it depended on, and what it gave.
 */
typedef struct Remembered
{
	TimestampTz statement; /* 0: free */
	bool truncate;
	pg_uuid_t id;
	uint8 hash[LEP_HASH_BYTES];
	const LepKernels *kernels;
	int n_texts;
	text *texts[FUNC_MAX_TEXTS];
	float *rows; /* [n_texts, width] */
} Remembered;

#define REMEMBERED_CALLS 4
#define REMEMBERED_BYTES 65536 /* of a text */

static Remembered remembered[REMEMBERED_CALLS];
static int oldest_remembered = 0;
static MemoryContext remembered_context = NULL;

/* Tell whether a call's texts are constants where it stands */
static bool
has_constant_texts(FunctionCallInfo fcinfo, const FuncTask *task)
{
	if (fcinfo->flinfo == NULL)
		return false;
	for (int i = 0; i < task->n_texts; i++)
		if (!get_fn_expr_arg_stable(fcinfo->flinfo, i))
			return false;
	return true;
}

/* Tell whether a remembered call was this one */
static bool
is_same_call(const Remembered *r, const StoreModel *m, text **texts, int n_texts)
{
	if (r->statement == 0 || r->statement != GetCurrentStatementStartTimestamp() ||
		r->n_texts != n_texts || r->truncate != lepton_truncate ||
		r->kernels != m->model->kernels || memcmp(&r->id, &m->row.id, sizeof(pg_uuid_t)) != 0 ||
		memcmp(r->hash, m->row.hash, LEP_HASH_BYTES) != 0)
		return false;
	for (int i = 0; i < n_texts; i++)
	{
		Size size = VARSIZE_ANY_EXHDR(texts[i]);

		if (VARSIZE_ANY_EXHDR(r->texts[i]) != size ||
			memcmp(VARDATA_ANY(r->texts[i]), VARDATA_ANY(texts[i]), size) != 0)
			return false;
	}
	return true;
}

/* Rows of a remembered call, NULL when it is not there */
static float *
recall(const StoreModel *m, text **texts, int n_texts)
{
	for (int i = 0; i < REMEMBERED_CALLS; i++)
		if (is_same_call(&remembered[i], m, texts, n_texts))
			return remembered[i].rows;
	return NULL;
}

/* Forget a call */
static void
forget(Remembered *r)
{
	for (int i = 0; i < FUNC_MAX_TEXTS; i++)
		if (r->texts[i] != NULL)
			pfree(r->texts[i]);
	if (r->rows != NULL)
		pfree(r->rows);
	memset(r, 0, sizeof(Remembered));
}

/* Remember a call in the place of the oldest: rows[n_texts, width] */
static void
remember(const StoreModel *m, text **texts, int n_texts, const float *rows)
{
	Remembered *r = &remembered[oldest_remembered];
	Size size = n_texts * func_width(m) * sizeof(float);
	MemoryContext old;

	for (int i = 0; i < n_texts; i++)
		if (VARSIZE_ANY(texts[i]) > REMEMBERED_BYTES)
			return;
	if (remembered_context == NULL)
		remembered_context =
			AllocSetContextCreate(TopMemoryContext, "lepton constants", ALLOCSET_SMALL_SIZES);
	forget(r);
	old = MemoryContextSwitchTo(remembered_context);
	for (int i = 0; i < n_texts; i++)
		r->texts[i] = cstring_to_text_with_len(VARDATA_ANY(texts[i]), VARSIZE_ANY_EXHDR(texts[i]));
	r->rows = palloc(size);
	MemoryContextSwitchTo(old);
	memcpy(r->rows, rows, size);
	r->n_texts = n_texts;
	r->id = m->row.id;
	memcpy(r->hash, m->row.hash, LEP_HASH_BYTES);
	r->kernels = m->model->kernels;
	r->truncate = lepton_truncate;
	r->statement = GetCurrentStatementStartTimestamp();
	oldest_remembered = (oldest_remembered + 1) % REMEMBERED_CALLS;
}

/* Run the model on the texts: [n_texts, width], palloc'd */
static float *
run_texts(StoreModel *m, text **texts, int n_texts)
{
	FuncRun run;
	float *rows;

	if (n_texts == 1)
		return func_run_one(m, texts[0]);
	rows = palloc(mul_size(mul_size(func_width(m), n_texts), sizeof(float)));
	func_run_begin(&run, m, rows);
	for (int i = 0; i < n_texts; i++)
		func_run_add(&run, texts[i]);
	func_run_end(&run);
	return rows;
}

/* Put a row into the tuplestore */
static void
put_row(FuncSet *set, const Datum *values, const bool *nulls)
{
	ReturnSetInfo *result = ((FuncStoreSet *) set)->result;

	tuplestore_putvalues(result->setResult, result->setDesc, unconstify(Datum *, values),
						 unconstify(bool *, nulls));
}

/* Make the set of a function called in materialize mode */
void
func_store_set(FuncStoreSet *set, FunctionCallInfo fcinfo)
{
	set->set.put = put_row;
	set->result = (ReturnSetInfo *) fcinfo->resultinfo;
}

/* Call a function with steps on one row */
static Datum
call_with_steps(FunctionCallInfo fcinfo, const FuncTask *task, StoreModel *m,
				const text *const *texts)
{
	Datum options[FUNC_MAX_OPTIONS];
	FuncStoreSet set;
	bool isnull;
	Datum value;

	for (int i = 0; i < task->n_options; i++)
		options[i] = PG_GETARG_DATUM(func_task_option_argument(task, PG_NARGS(), i));
	func_store_set(&set, fcinfo);
	if (task->is_set)
		InitMaterializedSRF(fcinfo, 0);
	if (func_ahead == NULL ||
		!func_ahead(task, m, texts, options, task->is_set ? &set.set : NULL, &value, &isnull))
		value = func_call_run(task, m, texts, options, task->is_set ? &set.set : NULL, &isnull);
	fcinfo->isnull = isnull && !task->is_set;
	return task->is_set ? (Datum) 0 : value;
}

/* Call a task function on one row */
Datum
func_task_call(FunctionCallInfo fcinfo, const FuncTask *task)
{
	int name = func_task_model_argument(task, PG_NARGS());
	StoreModel *m = func_task_open(task, name >= 0 ? func_model_argument(fcinfo, name) : NULL);
	bool is_constant = task->encode == NULL && has_constant_texts(fcinfo, task);
	text *texts[FUNC_MAX_TEXTS];
	const float *pointers[FUNC_MAX_TEXTS];
	float *rows = NULL;
	Datum result;

	for (int i = 0; i < task->n_texts; i++)
		texts[i] = PG_GETARG_TEXT_PP(i);
	if (task->encode != NULL)
	{
		result = call_with_steps(fcinfo, task, m, (const text *const *) texts);
		store_model_close(m);
		return result;
	}
	if (func_ahead != NULL &&
		func_ahead(task, m, (const text *const *) texts, NULL, NULL, &result, &fcinfo->isnull))
	{
		store_model_close(m);
		return result;
	}
	if (is_constant)
		rows = recall(m, texts, task->n_texts);
	if (rows == NULL)
	{
		rows = run_texts(m, texts, task->n_texts);
		if (is_constant)
			remember(m, texts, task->n_texts, rows);
	}
	for (int i = 0; i < task->n_texts; i++)
		pointers[i] = rows + i * func_width(m);
	result = task->result(m, pointers);
	store_model_close(m);
	return result;
}
