/*
 * registry.c: the table of task functions, and the scalar call that all of
 * them share.  It knows nothing of queries and plans.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "../guc.h"
#include "registry.h"

extern Datum lepton_classify(PG_FUNCTION_ARGS);
extern Datum lepton_embed(PG_FUNCTION_ARGS);
extern Datum lepton_similarity(PG_FUNCTION_ARGS);

static const FuncTask tasks[] = {
	{lepton_classify, "lepton_classify", LEP_TASK_CLASSIFY, 1, func_classify_result},
	{lepton_embed, "lepton_embed", LEP_TASK_EMBED, 1, func_embed_result},
	{lepton_similarity, "lepton_similarity", LEP_TASK_EMBED, 2, func_similarity_result},
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

/*
 * The last call of a call site whose arguments are constants of its statement:
 * what it depended on, and what it gave.
 */
typedef struct LastCall
{
	bool is_valid, truncate;
	pg_uuid_t id;
	uint8 hash[LEP_HASH_BYTES];
	const LepKernels *kernels;
	text *texts[FUNC_MAX_TEXTS];
	float *rows; /* [n_texts, width] */
} LastCall;

/* The memory of a call site, NULL when its texts may change from row to row */
static LastCall *
last_call(FunctionCallInfo fcinfo, const FuncTask *task)
{
	FmgrInfo *site = fcinfo->flinfo;

	if (site == NULL)
		return NULL;
	if (site->fn_extra == NULL)
	{
		for (int i = 0; i < task->n_texts; i++)
			if (!get_fn_expr_arg_stable(site, i))
				return NULL;
		site->fn_extra = MemoryContextAllocZero(site->fn_mcxt, sizeof(LastCall));
	}
	return site->fn_extra;
}

/* Tell whether a remembered call was this one */
static bool
is_same_call(const LastCall *last, const StoreModel *m, text **texts, int n_texts)
{
	if (!last->is_valid || last->truncate != lepton_truncate ||
		last->kernels != m->model->kernels ||
		memcmp(&last->id, &m->row.id, sizeof(pg_uuid_t)) != 0 ||
		memcmp(last->hash, m->row.hash, LEP_HASH_BYTES) != 0)
		return false;
	for (int i = 0; i < n_texts; i++)
	{
		Size size = VARSIZE_ANY_EXHDR(texts[i]);

		if (VARSIZE_ANY_EXHDR(last->texts[i]) != size ||
			memcmp(VARDATA_ANY(last->texts[i]), VARDATA_ANY(texts[i]), size) != 0)
			return false;
	}
	return true;
}

/* Remember a call: rows[n_texts, width] */
static void
remember(LastCall *last, MemoryContext context, const StoreModel *m, text **texts, int n_texts,
		 const float *rows)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	Size size = n_texts * func_width(m) * sizeof(float);

	last->is_valid = false;
	for (int i = 0; i < n_texts; i++)
	{
		if (last->texts[i] != NULL)
			pfree(last->texts[i]);
		last->texts[i] = cstring_to_text_with_len(VARDATA_ANY(texts[i]), VARSIZE_ANY_EXHDR(texts[i]));
	}
	if (last->rows != NULL)
		pfree(last->rows);
	last->rows = palloc(size);
	memcpy(last->rows, rows, size);
	last->id = m->row.id;
	memcpy(last->hash, m->row.hash, LEP_HASH_BYTES);
	last->kernels = m->model->kernels;
	last->truncate = lepton_truncate;
	last->is_valid = true;
	MemoryContextSwitchTo(old);
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

/* Call a task function on one row */
Datum
func_task_call(FunctionCallInfo fcinfo, const FuncTask *task)
{
	StoreModel *m = store_model_open(func_model_argument(fcinfo, task->n_texts), task->task);
	LastCall *last = last_call(fcinfo, task);
	text *texts[FUNC_MAX_TEXTS];
	const float *pointers[FUNC_MAX_TEXTS];
	float *rows;
	Datum result;

	for (int i = 0; i < task->n_texts; i++)
		texts[i] = PG_GETARG_TEXT_PP(i);
	if (last != NULL && is_same_call(last, m, texts, task->n_texts))
		rows = last->rows;
	else
	{
		rows = run_texts(m, texts, task->n_texts);
		if (last != NULL)
			remember(last, fcinfo->flinfo->fn_mcxt, m, texts, task->n_texts, rows);
	}
	for (int i = 0; i < task->n_texts; i++)
		pointers[i] = rows + i * func_width(m);
	result = task->result(m, pointers);
	store_model_close(m);
	return result;
}
