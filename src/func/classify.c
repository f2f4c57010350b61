/*
 * classify.c: lepton_classify and lepton_classify_scores.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "steps.h"

PG_FUNCTION_INFO_V1(lepton_classify);
PG_FUNCTION_INFO_V1(lepton_classify_array);
PG_FUNCTION_INFO_V1(lepton_classify_pair);
PG_FUNCTION_INFO_V1(lepton_classify_scores);
PG_FUNCTION_INFO_V1(lepton_classify_scores_pair);
PG_FUNCTION_INFO_V1(lepton_classify_scores_array);

/* Texts whose logits are held at once by the array forms. */
#define CLASSIFY_WINDOW 256

/* Make the best label of a row of logits */
Datum
func_classify_result(StoreModel *m, const float *const *rows)
{
	Size size = func_width(m) * sizeof(float);
	float *scores = palloc(size);
	Datum label;

	memcpy(scores, rows[0], size);
	func_row_scores(m, scores);
	label = func_label_text(m, func_best(scores, func_width(m)));
	pfree(scores);
	return label;
}

/* Best label of one text */
Datum
func_classify_one(StoreModel *m, const text *input)
{
	const float *row = func_run_one(m, input);

	return func_classify_result(m, &row);
}

/* lepton_classify(input text [, model text]) returns text */
Datum
lepton_classify(PG_FUNCTION_ARGS)
{
	return func_task_call(fcinfo, func_task(lepton_classify));
}

/*
 * Run the texts of [first, n) that are not NULL, at most CLASSIFY_WINDOW of
 * them; rows[CLASSIFY_WINDOW, width] gets their scores in order.  Returns the index behind the last one looked at.
 */
static int
run_window(StoreModel *m, Datum *texts, bool *nulls, int first, int n, float *rows)
{
	FuncRun run;
	int i;

	func_run_begin(&run, m, rows);
	for (i = first; i < n && run.rows < CLASSIFY_WINDOW; i++)
		if (!nulls[i])
			func_run_add(&run, DatumGetTextPP(texts[i]));
	func_run_end(&run);
	for (size_t r = 0; r < run.rows; r++)
		func_row_scores(m, rows + r * run.width);
	return i;
}

/* lepton_classify(inputs text[] [, model text]) returns text[] */
Datum
lepton_classify_array(PG_FUNCTION_ARGS)
{
	StoreModel *m = store_model_open(func_model_argument(fcinfo, 1), STORE_TASK_CLASSIFY);
	size_t width = func_width(m);
	Datum *texts, *labels;
	bool *nulls;
	int n, dims[1], lbs[1] = {1};
	float *rows;

	func_text_array(PG_GETARG_ARRAYTYPE_P(0), &texts, &nulls, &n);
	if (n == 0)
	{
		store_model_close(m);
		PG_RETURN_ARRAYTYPE_P(construct_empty_array(TEXTOID));
	}
	rows =
		palloc_extended(mul_size(mul_size(CLASSIFY_WINDOW, width), sizeof(float)), MCXT_ALLOC_HUGE);
	labels = palloc0(n * sizeof(Datum));
	for (int first = 0; first < n;)
	{
		int end = run_window(m, texts, nulls, first, n, rows);
		size_t row = 0;

		for (int i = first; i < end; i++)
			if (!nulls[i])
				labels[i] = func_label_text(m, func_best(rows + row++ * width, width));
		first = end;
	}
	store_model_close(m);
	dims[0] = n;
	PG_RETURN_ARRAYTYPE_P(
		construct_md_array(labels, nulls, 1, dims, lbs, TEXTOID, -1, false, TYPALIGN_INT));
}

/* Put one row's labels and scores into a set; input > 0 is the first column */
static void
put_scores(FuncSet *set, const StoreModel *m, const float *row, int input)
{
	int n = func_width(m);
	FuncScored *scored = func_sort_scores(row, n);
	Datum values[3];
	bool nulls[3] = {false, false, false};
	int offset = input > 0 ? 1 : 0;

	values[0] = Int32GetDatum(input);
	for (int i = 0; i < n; i++)
	{
		values[offset] = func_label_text(m, scored[i].number);
		values[offset + 1] = Float4GetDatum(scored[i].score);
		set->put(set, values, nulls);
	}
	pfree(scored);
}

/* Make the best label of a sequence */
Datum
func_classify_finish(FuncTaskCall *call, FuncSet *set, bool *isnull)
{
	float *row = call->taken;

	(void) set;
	(void) isnull;
	call->taken = NULL;
	func_row_scores(call->model, row);
	return func_label_text(call->model, func_best(row, func_width(call->model)));
}

/* Put the labels and scores of a sequence, best first */
Datum
func_classify_scores_finish(FuncTaskCall *call, FuncSet *set, bool *isnull)
{
	float *row = call->taken;

	*isnull = true;
	call->taken = NULL;
	func_row_scores(call->model, row);
	put_scores(set, call->model, row, 0);
	return (Datum) 0;
}

/* lepton_classify(input text, pair text [, model text]) returns text */
Datum
lepton_classify_pair(PG_FUNCTION_ARGS)
{
	return func_task_call(fcinfo, func_task(lepton_classify_pair));
}

/* lepton_classify_scores(input text, pair text [, model text]) returns table (label text, score real) */
Datum
lepton_classify_scores_pair(PG_FUNCTION_ARGS)
{
	return func_task_call(fcinfo, func_task(lepton_classify_scores_pair));
}

/* lepton_classify_scores(input text [, model text]) returns table (label text, score real) */
Datum
lepton_classify_scores(PG_FUNCTION_ARGS)
{
	return func_task_call(fcinfo, func_task(lepton_classify_scores));
}

/*
 * lepton_classify_scores(inputs text[] [, model text]) returns table (input
 * integer, label text, score real); NULL texts give no rows
 */
Datum
lepton_classify_scores_array(PG_FUNCTION_ARGS)
{
	StoreModel *m = store_model_open(func_model_argument(fcinfo, 1), STORE_TASK_CLASSIFY);
	size_t width = func_width(m);
	FuncStoreSet set;
	Datum *texts;
	bool *nulls;
	int n;
	float *rows;

	InitMaterializedSRF(fcinfo, 0);
	func_store_set(&set, fcinfo);
	func_text_array(PG_GETARG_ARRAYTYPE_P(0), &texts, &nulls, &n);
	rows =
		palloc_extended(mul_size(mul_size(CLASSIFY_WINDOW, width), sizeof(float)), MCXT_ALLOC_HUGE);
	for (int first = 0; first < n;)
	{
		int end = run_window(m, texts, nulls, first, n, rows);
		size_t row = 0;

		for (int i = first; i < end; i++)
			if (!nulls[i])
				put_scores(&set.set, m, rows + row++ * width, i + 1);
		first = end;
	}
	store_model_close(m);
	return (Datum) 0;
}
