/*
 * steps.c: what the steps of task functions share.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "../errors.h"
#include "../guc.h"
#include "call.h"
#include "steps.h"

/* A text as UTF-8, without raising */
LepStatus
func_text_utf8(const text *input, const char **utf8, size_t *len, LepError *err)
{
	if (GetDatabaseEncoding() == PG_SQL_ASCII &&
		!pg_verify_mbstr(PG_UTF8, VARDATA_ANY(input), VARSIZE_ANY_EXHDR(input), true))
		return lep_error(err, LEP_BAD_INPUT, "text is not valid UTF-8");
	*utf8 = func_utf8(input, len);
	return LEP_OK;
}

/* Text i of a call as UTF-8 */
LepStatus
func_step_utf8(const FuncTaskCall *call, int i, const char **utf8, size_t *len, LepError *err)
{
	return func_text_utf8(call->texts[i], utf8, len, err);
}

/* Bytes of UTF-8 as text */
Datum
func_local_text(const char *utf8, size_t len)
{
	char *local = pg_any_to_server(utf8, (int) len, PG_UTF8);

	if (local == utf8)
		return PointerGetDatum(cstring_to_text_with_len(utf8, (int) len));
	return CStringGetTextDatum(local);
}

/* Label i as text */
Datum
func_label_text(const StoreModel *m, int i)
{
	const char *label = store_model_label(m, i);

	return func_local_text(label, strlen(label));
}

/* Copy a row */
float *
func_copy_row(const float *row, size_t n)
{
	Size size = mul_size(n, sizeof(float));
	float *copy = palloc_extended(size, MCXT_ALLOC_HUGE);

	memcpy(copy, row, size);
	return copy;
}

/* Turn a row of logits into scores */
void
func_row_scores(const StoreModel *m, float *row)
{
	LepProblem problem =
		m->head != NULL ? LEP_PROBLEM_SINGLE_LABEL : (LepProblem) m->model->view.desc->problem;

	lep_scores(m->model->kernels, problem, row, func_width(m));
}

/* Index of the largest value */
int
func_best(const float *values, int n)
{
	int best = 0;

	for (int i = 1; i < n; i++)
		if (values[i] > values[best])
			best = i;
	return best;
}

/* Order by score, best first, then by number */
static int
compare_scored(const void *a, const void *b)
{
	const FuncScored *x = a;
	const FuncScored *y = b;

	if (x->score != y->score)
		return x->score > y->score ? -1 : 1;
	return x->number - y->number;
}

/* Sort scores */
FuncScored *
func_sort_scores(const float *scores, int n)
{
	FuncScored *sorted = palloc(mul_size(Max(n, 1), sizeof(FuncScored)));

	for (int i = 0; i < n; i++)
		sorted[i] = (FuncScored){i, scores[i]};
	qsort(sorted, n, sizeof(FuncScored), compare_scored);
	return sorted;
}

/* Refuse a head */
LepStatus
func_refuse_head(const StoreModel *m, LepError *err)
{
	if (m->head == NULL)
		return LEP_OK;
	lep_error(err, LEP_UNSUPPORTED, "model \"%s\" classifies single texts alone",
			  NameStr(m->row.name));
	lep_error_hint(err, "Join the two texts, or use a model that was made for pairs.");
	return LEP_UNSUPPORTED;
}

/* Encode a text as one sequence, as the model's task takes it */
LepStatus
func_text_encode(FuncTaskCall *call, FuncSink *sink, LepError *err)
{
	return func_call_encode_text(call, sink, call->texts[0], err);
}

/* Encode two texts as one sequence */
LepStatus
func_pair_encode(FuncTaskCall *call, FuncSink *sink, LepError *err)
{
	const char *utf8[2];
	size_t len[2];
	LepTokens tokens;
	LepStatus status = func_refuse_head(call->model, err);

	for (int i = 0; i < 2 && status == LEP_OK; i++)
		status = func_step_utf8(call, i, &utf8[i], &len[i], err);
	/* To transformers' tokenizers an empty second text is none; cross-encoders give a list of pairs. */
	if (status == LEP_OK && len[1] == 0 && call->task->task == STORE_TASK_CLASSIFY)
		return func_text_encode(call, sink, err);
	if (status == LEP_OK)
		status =
			lep_encode_pair(call->model->model, func_encoder(), utf8[0], len[0], utf8[1], len[1],
							LEP_LONGEST_FIRST, lepton_truncate, &tokens, lepton_stop(), err);
	return status == LEP_OK ? sink->add(sink, &tokens, NULL, 0, err) : status;
}

/* Keep the one row of a call */
void
func_row_absorb(FuncTaskCall *call, uint32 i, const float *rows, size_t n_rows)
{
	float *row = palloc_extended(mul_size(func_width(call->model), sizeof(float)), MCXT_ALLOC_HUGE);

	(void) i;
	(void) n_rows;
	func_head_row(call->model, rows, row);
	call->taken = row;
}
