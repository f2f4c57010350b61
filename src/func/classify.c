/*
 * classify.c: lepton_classify and lepton_classify_scores.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "../engine/task.h"
#include "call.h"

PG_FUNCTION_INFO_V1(lepton_classify);
PG_FUNCTION_INFO_V1(lepton_classify_array);
PG_FUNCTION_INFO_V1(lepton_classify_scores);
PG_FUNCTION_INFO_V1(lepton_classify_scores_array);

/* Texts whose logits are held at once by the array forms. */
#define CLASSIFY_WINDOW 256

/* Turn a row of logits into scores */
static void
row_scores(const StoreModel *m, float *row)
{
	LepProblem problem =
		m->head != NULL ? LEP_PROBLEM_SINGLE_LABEL : (LepProblem) m->model->view.desc->problem;

	lep_scores(m->model->kernels, problem, row, func_width(m));
}

/* Index of the largest of n values, the first of equals */
static int
best_label(const float *values, int n)
{
	int best = 0;

	for (int i = 1; i < n; i++)
		if (values[i] > values[best])
			best = i;
	return best;
}

/* Label i as text in the database's encoding */
static Datum
label_datum(const StoreModel *m, int i)
{
	const char *label = store_model_label(m, i);
	char *local = pg_any_to_server(label, strlen(label), PG_UTF8);

	return CStringGetTextDatum(local);
}

/* Make the best label of a row of logits */
Datum
func_classify_result(StoreModel *m, const float *const *rows)
{
	Size size = func_width(m) * sizeof(float);
	float *scores = palloc(size);
	Datum label;

	memcpy(scores, rows[0], size);
	row_scores(m, scores);
	label = label_datum(m, best_label(scores, func_width(m)));
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
		row_scores(m, rows + r * run.width);
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
				labels[i] = label_datum(m, best_label(rows + row++ * width, width));
		first = end;
	}
	store_model_close(m);
	dims[0] = n;
	PG_RETURN_ARRAYTYPE_P(
		construct_md_array(labels, nulls, 1, dims, lbs, TEXTOID, -1, false, TYPALIGN_INT));
}

/* A label's number and score, for sorting. */
typedef struct Scored
{
	int label;
	float score;
} Scored;

/* Order by score, best first, then by label number */
static int
compare_scored(const void *a, const void *b)
{
	const Scored *x = a;
	const Scored *y = b;

	if (x->score != y->score)
		return x->score > y->score ? -1 : 1;
	return x->label - y->label;
}

/* Put one row's labels and scores into a set; input > 0 is the first column */
static void
put_scores(FuncSet *set, const StoreModel *m, const float *row, int input)
{
	int n = func_width(m);
	Scored *scored = palloc(n * sizeof(Scored));
	Datum values[3];
	bool nulls[3] = {false, false, false};
	int offset = input > 0 ? 1 : 0;

	for (int i = 0; i < n; i++)
		scored[i] = (Scored){i, row[i]};
	qsort(scored, n, sizeof(Scored), compare_scored);
	values[0] = Int32GetDatum(input);
	for (int i = 0; i < n; i++)
	{
		values[offset] = label_datum(m, scored[i].label);
		values[offset + 1] = Float4GetDatum(scored[i].score);
		set->put(set, values, nulls);
	}
	pfree(scored);
}

/* Make the one sequence of a text */
LepStatus
func_scores_encode(FuncTaskCall *call, FuncSink *sink, LepError *err)
{
	return func_call_encode_text(call, sink, call->texts[0], err);
}

/* Take the row of the text's scores */
void
func_scores_absorb(FuncTaskCall *call, uint32 i, const float *rows, size_t n_rows)
{
	const StoreModel *m = call->model;
	float *row = palloc(func_width(m) * sizeof(float));

	(void) i;
	(void) n_rows;
	func_head_row(m, rows, row);
	row_scores(m, row);
	call->taken = row;
}

/* Put the labels and their scores */
Datum
func_scores_finish(FuncTaskCall *call, FuncSet *set, bool *isnull)
{
	put_scores(set, call->model, call->taken, 0);
	pfree(call->taken);
	call->taken = NULL;
	*isnull = true;
	return (Datum) 0;
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
