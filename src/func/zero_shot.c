/*
 * zero_shot.c: lepton_zero_shot: labels that the caller gives. A classifier of
 * pairs says how well each follows from the text; an embedding model, how near it is.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "../errors.h"
#include "../guc.h"
#include "steps.h"

PG_FUNCTION_INFO_V1(lepton_zero_shot);

/* Options of the function, in their order. */
enum
{
	OPTION_LABELS,
	OPTION_MULTI,
	OPTION_HYPOTHESIS
};

/* What cosines are multiplied by before their softmax, as sentence-transformers trains with. */
#define COSINE_SCALE 20.0f

/* Labels that one call may have. */
#define LABELS_MAX 65536

typedef struct Taken
{
	int n;			  /* rows so far */
	float *scores;	  /* [labels] of entailment, or cosines */
	float *others;	  /* [labels] of contradiction */
	float *embedding; /* of the text, of an embedding model */
} Taken;

/* The labels of a call; LEP_BAD_INPUT when there are none or one is NULL */
static LepStatus
read_labels(const FuncTaskCall *call, Datum **labels, int *n, LepError *err)
{
	ArrayType *array = DatumGetArrayTypeP(call->options[OPTION_LABELS]);
	bool *nulls;

	if (ARR_NDIM(array) > 1)
		return lep_error(err, LEP_BAD_INPUT, "array of labels must have one dimension");
	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, labels, &nulls, n);
	if (*n == 0)
		return lep_error(err, LEP_BAD_INPUT, "array of labels must not be empty");
	if (*n > LABELS_MAX)
		return lep_error(err, LEP_TOO_LARGE, "array of labels has more than %d elements",
						 LABELS_MAX);
	for (int i = 0; i < *n; i++)
		if (nulls[i])
			return lep_error(err, LEP_BAD_INPUT, "array of labels must not contain nulls");
	return LEP_OK;
}

/* Put a label into the places {} of a template, as Python's format does for such templates */
static LepStatus
make_hypothesis(const char *template, size_t len, const char *label, size_t label_len,
				StringInfo out, LepError *err)
{
	bool has_place = false;

	resetStringInfo(out);
	for (size_t i = 0; i < len; i++)
	{
		bool twice = i + 1 < len && template[i + 1] == template[i];

		if (template[i] == '{' && i + 1 < len && template[i + 1] == '}' && !has_place)
		{
			appendBinaryStringInfo(out, label, (int) label_len);
			has_place = true;
			i++;
		}
		else if ((template[i] == '{' || template[i] == '}') && !twice)
		{
			lep_error(err, LEP_BAD_INPUT, "hypothesis has a brace that stands alone");
			lep_error_hint(err, "Write {} once, where the label goes, and {{ or }} for a brace.");
			return LEP_BAD_INPUT;
		}
		else
		{
			appendStringInfoChar(out, template[i]);
			i += (template[i] == '{' || template[i] == '}') ? 1 : 0;
		}
	}
	if (has_place)
		return LEP_OK;
	lep_error(err, LEP_BAD_INPUT, "hypothesis has no place for the label");
	lep_error_hint(err, "Write {} where the label goes.");
	return LEP_BAD_INPUT;
}

/* Give the sequence of a text and a hypothesis: a pair, or the hypothesis alone for an embedding */
static LepStatus
add_label(FuncTaskCall *call, FuncSink *sink, const char *utf8, size_t len, StringInfo hypothesis,
		  LepError *err)
{
	const LepModel *model = call->model->model;
	LepTokens tokens;
	LepStatus status;

	if (model->view.desc->task == LEP_TASK_EMBED)
		status = func_run_encode(model, hypothesis->data, hypothesis->len, &tokens, err);
	else
		status =
			lep_encode_pair(model, func_encoder(), utf8, len, hypothesis->data, hypothesis->len,
							LEP_ONLY_FIRST, lepton_truncate, &tokens, lepton_stop(), err);
	return status == LEP_OK ? sink->add(sink, &tokens, NULL, 0, err) : status;
}

/* Make a sequence for each label; an embedding model's first is the text */
LepStatus
func_zero_shot_encode(FuncTaskCall *call, FuncSink *sink, LepError *err)
{
	Datum *labels;
	int n;
	const char *utf8, *template;
	size_t len, template_len;
	StringInfoData hypothesis;
	LepStatus status = func_refuse_head(call->model, err);

	if (status == LEP_OK)
		status = read_labels(call, &labels, &n, err);
	if (status == LEP_OK)
		status = func_step_utf8(call, 0, &utf8, &len, err);
	if (status == LEP_OK)
		status = func_text_utf8(DatumGetTextPP(call->options[OPTION_HYPOTHESIS]), &template,
								&template_len, err);
	if (status == LEP_OK && call->model->model->view.desc->task == LEP_TASK_EMBED)
		status = func_text_encode(call, sink, err);
	initStringInfo(&hypothesis);
	for (int i = 0; i < n && status == LEP_OK; i++)
	{
		const char *label;
		size_t label_len;

		status = func_text_utf8(DatumGetTextPP(labels[i]), &label, &label_len, err);
		if (status == LEP_OK)
			status = make_hypothesis(template, template_len, label, label_len, &hypothesis, err);
		if (status == LEP_OK)
			status = add_label(call, sink, utf8, len, &hypothesis, err);
	}
	return status;
}

/* Take the row of a label, or the embedding of the text */
void
func_zero_shot_absorb(FuncTaskCall *call, uint32 i, const float *rows, size_t n_rows)
{
	const LepDescView *view = &call->model->model->view;
	bool is_embedding = view->desc->task == LEP_TASK_EMBED;
	size_t width = lep_desc_width(view->desc);
	Taken *taken = call->taken;

	(void) i;
	(void) n_rows;
	if (taken == NULL)
	{
		Datum *labels;
		int n;
		LepError err = {0};

		lepton_check(read_labels(call, &labels, &n, &err), &err);
		taken = call->taken = palloc0(sizeof(Taken));
		taken->scores = palloc(n * sizeof(float));
		taken->others = palloc(n * sizeof(float));
	}
	if (!is_embedding)
	{
		int entailment = lep_entailment(view);

		taken->scores[taken->n] = rows[entailment];
		taken->others[taken->n++] = rows[entailment == 0 ? width - 1 : 0];
	}
	else if (taken->embedding == NULL)
		taken->embedding = func_copy_row(rows, width);
	else
		taken->scores[taken->n++] = lep_cosine(taken->embedding, rows, width);
}

/* Turn what was taken into scores of labels */
static void
make_scores(const FuncTaskCall *call, Taken *taken, bool is_multi)
{
	const LepKernels *kernels = call->model->model->kernels;
	bool is_embedding = taken->embedding != NULL;

	if (is_embedding && is_multi)
		return;
	if (is_embedding)
		for (int i = 0; i < taken->n; i++)
			taken->scores[i] *= COSINE_SCALE;
	if (!is_embedding && (is_multi || taken->n == 1))
		for (int i = 0; i < taken->n; i++)
		{
			float pair[2] = {taken->others[i], taken->scores[i]};

			kernels->softmax(pair, 1, 2);
			taken->scores[i] = pair[1];
		}
	else
		kernels->softmax(taken->scores, 1, taken->n);
}

/* Put labels and scores, best first */
Datum
func_zero_shot_finish(FuncTaskCall *call, FuncSet *set, bool *isnull)
{
	Taken *taken = call->taken;
	Datum *labels;
	int n;
	FuncScored *sorted;
	LepError err = {0};

	*isnull = true;
	call->taken = NULL;
	lepton_check(read_labels(call, &labels, &n, &err), &err);
	make_scores(call, taken, DatumGetBool(call->options[OPTION_MULTI]));
	sorted = func_sort_scores(taken->scores, taken->n);
	for (int i = 0; i < taken->n; i++)
	{
		Datum values[2] = {labels[sorted[i].number], Float4GetDatum(sorted[i].score)};
		bool nulls[2] = {false, false};

		set->put(set, values, nulls);
	}
	return (Datum) 0;
}

/*
 * lepton_zero_shot(input text, labels text[] [, model text], multi_label boolean, hypothesis text)
 * returns table (label text, score real)
 */
Datum
lepton_zero_shot(PG_FUNCTION_ARGS)
{
	return func_task_call(fcinfo, func_task(lepton_zero_shot));
}
