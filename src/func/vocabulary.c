/*
 * vocabulary.c: lepton_fill_mask and lepton_sparse_embed: what gives tokens
 * of the vocabulary with their scores.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "../errors.h"
#include "../guc.h"
#include "steps.h"

PG_FUNCTION_INFO_V1(lepton_fill_mask);
PG_FUNCTION_INFO_V1(lepton_sparse_embed);

#define SORTED_FROM 64 /* so many best scores are found by sorting all of them */

/* Options of lepton_fill_mask, in their order. */
enum
{
	OPTION_TOP_K,
	OPTION_TARGETS
};

/* Tokens of the vocabulary with their scores, of each mask in turn. */
typedef struct Taken
{
	FuncScored *best; /* [masks, top_k] */
	int n_masks, top_k;
} Taken;

/* What is kept of a text for its logits. */
typedef struct Kept
{
	int32 *targets; /* [n_targets] ids that alone are wanted; NULL: all */
	int n_targets;
} Kept;

/* ---- masks ---- */

/* The id of a target: of its own token, or of the first one that it is made of; -1 when there is none */
static LepStatus
find_target(const FuncTaskCall *call, Datum target, int32 *id, LepError *err)
{
	LepTokens tokens;
	const char *utf8;
	size_t len;
	LepStatus status = func_text_utf8(DatumGetTextPP(target), &utf8, &len, err);

	*id = -1;
	if (status == LEP_OK && lep_token_find(call->model->model, utf8, len, id))
		return LEP_OK;
	if (status == LEP_OK)
		status = lep_encode_part(call->model->model, func_encoder(), 1, utf8, len, &tokens,
								 lepton_stop(), err);
	if (status == LEP_OK && tokens.n > 0)
		*id = tokens.ids[0];
	return status;
}

/* Find the targets of a call, each once */
static LepStatus
read_targets(FuncTaskCall *call, Kept *kept, LepError *err)
{
	ArrayType *array = DatumGetArrayTypeP(call->options[OPTION_TARGETS]);
	Datum *targets;
	bool *nulls;
	int n;

	if (ARR_NDIM(array) > 1)
		return lep_error(err, LEP_BAD_INPUT, "array of targets must have one dimension");
	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &targets, &nulls, &n);
	if (n == 0)
		return LEP_OK;
	kept->targets = MemoryContextAlloc(call->context, n * sizeof(int32));
	for (int i = 0; i < n; i++)
	{
		int32 id;
		int j = 0;
		LepStatus status;

		if (nulls[i])
			return lep_error(err, LEP_BAD_INPUT, "array of targets must not contain nulls");
		status = find_target(call, targets[i], &id, err);
		if (status != LEP_OK)
			return status;
		while (j < kept->n_targets && kept->targets[j] != id)
			j++;
		if (id >= 0 && j == kept->n_targets)
			kept->targets[kept->n_targets++] = id;
	}
	if (kept->n_targets == 0)
		return lep_error(err, LEP_BAD_INPUT, "none of the targets has a token");
	return LEP_OK;
}

/* Refuse a text without a mask */
static LepStatus
no_mask(const LepModel *model, LepError *err)
{
	int32 id = lep_mask_token(model->view.desc);
	const char *token = NULL;
	size_t len = 0;
	char quoted[LEP_QUOTE_SIZE];

	if (id < 0 || !lep_token_text(&model->tokenizer, id, &token, &len))
		return lep_error(err, LEP_UNSUPPORTED, "tokenizer of the model has no mask token");
	lep_error(err, LEP_BAD_INPUT, "text has no mask");
	lep_error_hint(err, "Write %s where a token is to be filled in.",
				   lep_error_quote(quoted, sizeof(quoted), token, len));
	return LEP_BAD_INPUT;
}

/* Encode a text and pick its masks */
LepStatus
func_fill_mask_encode(FuncTaskCall *call, FuncSink *sink, LepError *err)
{
	const LepModel *model = call->model->model;
	int32 mask = lep_mask_token(model->view.desc);
	Kept *kept = MemoryContextAllocZero(call->context, sizeof(Kept));
	uint32 *picks;
	size_t len, n_picks = 0;
	LepTokens tokens;
	const char *utf8;
	LepStatus status = read_targets(call, kept, err);

	call->kept = kept;
	if (status == LEP_OK && DatumGetInt32(call->options[OPTION_TOP_K]) < 1)
		status = lep_error(err, LEP_BAD_INPUT, "top_k must be at least 1");
	if (status == LEP_OK)
		status = func_step_utf8(call, 0, &utf8, &len, err);
	if (status == LEP_OK)
		status = func_run_encode(model, utf8, len, &tokens, err);
	if (status != LEP_OK)
		return status;
	picks = palloc_extended(mul_size(Max(tokens.n, 1), sizeof(uint32)), MCXT_ALLOC_HUGE);
	for (size_t i = 0; i < tokens.n; i++)
		if (tokens.ids[i] == mask)
			picks[n_picks++] = i;
	status = n_picks == 0 ? no_mask(model, err) : sink->add(sink, &tokens, picks, n_picks, err);
	pfree(picks);
	return status;
}

/* Put the best of the scores of numbers[n] (NULL: of all n) into best[top_k], of equals the lower number first */
static void
take_best(const float *scores, const int32 *numbers, int n, int top_k, FuncScored *best)
{
	int n_best = 0;

	if (top_k > SORTED_FROM)
	{
		float *chosen = palloc(mul_size(n, sizeof(float)));
		FuncScored *sorted;

		for (int i = 0; i < n; i++)
			chosen[i] = scores[numbers != NULL ? numbers[i] : i];
		sorted = func_sort_scores(chosen, n);
		for (int i = 0; i < top_k; i++)
			best[i] = (FuncScored){numbers != NULL ? numbers[sorted[i].number] : sorted[i].number,
								   sorted[i].score};
		pfree(chosen);
		pfree(sorted);
		return;
	}
	for (int i = 0; i < n; i++)
	{
		int number = numbers != NULL ? numbers[i] : i;
		float score = scores[number];
		int at;

		if (n_best == top_k && score <= best[n_best - 1].score)
			continue;
		at = n_best < top_k ? n_best++ : n_best - 1;
		for (; at > 0 && best[at - 1].score < score; at--)
			best[at] = best[at - 1];
		best[at] = (FuncScored){number, score};
	}
}

/* Take the logits of the masks */
void
func_fill_mask_absorb(FuncTaskCall *call, uint32 i, const float *rows, size_t n_rows)
{
	const LepModel *model = call->model->model;
	const Kept *kept = call->kept;
	int width = (int) lep_desc_width(model->view.desc);
	int n = kept->targets != NULL ? kept->n_targets : width;
	Taken *taken = palloc(sizeof(Taken));

	(void) i;
	taken->n_masks = (int) n_rows;
	taken->top_k = Min(DatumGetInt32(call->options[OPTION_TOP_K]), n);
	taken->best = palloc_extended(mul_size(mul_size(n_rows, taken->top_k), sizeof(FuncScored)),
								  MCXT_ALLOC_HUGE);
	for (size_t row = 0; row < n_rows; row++)
	{
		float *scores = func_copy_row(rows + row * width, width);

		model->kernels->softmax(scores, 1, width);
		take_best(scores, kept->targets, n, taken->top_k, taken->best + row * taken->top_k);
		pfree(scores);
	}
	call->taken = taken;
}

/* Put tokens and scores, mask after mask */
Datum
func_fill_mask_finish(FuncTaskCall *call, FuncSet *set, bool *isnull)
{
	const LepModel *model = call->model->model;
	Taken *taken = call->taken;

	*isnull = true;
	call->taken = NULL;
	for (int i = 0; i < taken->n_masks * taken->top_k; i++)
	{
		const char *utf8;
		size_t len;
		LepError err = {0};
		Datum values[3];
		bool nulls[3] = {false};

		lepton_check(lep_encoder_decode(model, func_encoder(), taken->best[i].number, &utf8, &len,
										lepton_stop(), &err),
					 &err);
		values[0] = func_local_text(utf8, len);
		values[1] = Float4GetDatum(taken->best[i].score);
		values[2] = Int32GetDatum(i / taken->top_k + 1);
		set->put(set, values, nulls);
	}
	return (Datum) 0;
}

/*
 * lepton_fill_mask(input text [, model text], top_k integer, targets text[])
 * returns table (token text, score real, mask integer)
 */
Datum
lepton_fill_mask(PG_FUNCTION_ARGS)
{
	return func_task_call(fcinfo, func_task(lepton_fill_mask));
}

/* ---- sparse embeddings ---- */

/* Take the weights above 0 */
void
func_sparse_absorb(FuncTaskCall *call, uint32 i, const float *rows, size_t n_rows)
{
	const LepDesc *desc = call->model->model->view.desc;
	int width = (int) lep_desc_width(desc);
	int n = 0;
	float *weights;
	int32 *numbers;
	Taken *taken = palloc(sizeof(Taken));

	(void) i;
	(void) n_rows;
	for (int j = 0; j < width; j++)
		n += rows[j] > 0;
	weights = palloc(mul_size(Max(n, 1), sizeof(float)));
	numbers = palloc(mul_size(Max(n, 1), sizeof(int32)));
	n = 0;
	for (int j = 0; j < width; j++)
		if (rows[j] > 0)
		{
			weights[n] = rows[j];
			numbers[n++] = j;
		}
	taken->best = func_sort_scores(weights, n);
	for (int j = 0; j < n; j++)
		taken->best[j].number = numbers[taken->best[j].number];
	taken->n_masks = 1;
	taken->top_k = desc->sparse_most > 0 ? Min(n, (int) desc->sparse_most) : n;
	call->taken = taken;
}

/* Put tokens and weights, the heaviest first */
Datum
func_sparse_finish(FuncTaskCall *call, FuncSet *set, bool *isnull)
{
	const LepModel *model = call->model->model;
	Taken *taken = call->taken;

	*isnull = true;
	call->taken = NULL;
	for (int i = 0; i < taken->top_k; i++)
	{
		const char *token;
		size_t len;
		Datum values[2];
		bool nulls[2] = {false, false};

		nulls[0] = !lep_token_text(&model->tokenizer, taken->best[i].number, &token, &len);
		values[0] = nulls[0] ? (Datum) 0 : func_local_text(token, len);
		values[1] = Float4GetDatum(taken->best[i].score);
		set->put(set, values, nulls);
	}
	return (Datum) 0;
}

/* lepton_sparse_embed(input text [, model text]) returns table (token text, weight real) */
Datum
lepton_sparse_embed(PG_FUNCTION_ARGS)
{
	return func_task_call(fcinfo, func_task(lepton_sparse_embed));
}
