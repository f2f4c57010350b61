/*
 * embed.c: lepton_embed, lepton_similarity and lepton_tokenize: what gives
 * vectors and token ids.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "../errors.h"
#include "../guc.h"
#include "steps.h"

PG_FUNCTION_INFO_V1(lepton_embed);
PG_FUNCTION_INFO_V1(lepton_embed_array);
PG_FUNCTION_INFO_V1(lepton_embed_prompt);
PG_FUNCTION_INFO_V1(lepton_similarity);
PG_FUNCTION_INFO_V1(lepton_similarity_array);
PG_FUNCTION_INFO_V1(lepton_similarity_vectors);
PG_FUNCTION_INFO_V1(lepton_tokenize);
PG_FUNCTION_INFO_V1(lepton_tokenize_array);

/* Make the real[] of an embedding */
Datum
func_embed_result(StoreModel *m, const float *const *rows)
{
	return func_real_array(rows[0], func_width(m));
}

/* lepton_embed(input text [, model text]) returns real[] */
Datum
lepton_embed(PG_FUNCTION_ARGS)
{
	return func_task_call(fcinfo, func_task(lepton_embed));
}

/* Options of lepton_embed with a prompt, in their order. */
enum
{
	OPTION_PROMPT,
	OPTION_LITERAL
};

/* Encode a text behind the prompt that the caller names, or gives */
LepStatus
func_prompt_encode(FuncTaskCall *call, FuncSink *sink, LepError *err)
{
	const LepModel *model = call->model->model;
	LepTokens tokens;
	const char *prompt, *utf8;
	size_t prompt_len, len;
	LepStatus status =
		func_text_utf8(DatumGetTextPP(call->options[OPTION_PROMPT]), &prompt, &prompt_len, err);

	if (status == LEP_OK && !DatumGetBool(call->options[OPTION_LITERAL]))
		status = lep_find_prompt(&model->view, prompt, prompt_len, &prompt, &prompt_len, err);
	if (status == LEP_OK)
		status = func_step_utf8(call, 0, &utf8, &len, err);
	if (status == LEP_OK)
		status = lep_encode_behind(model, func_encoder(), prompt, prompt_len, utf8, len,
								   lepton_truncate, &tokens, lepton_stop(), err);
	return status == LEP_OK ? sink->add(sink, &tokens, NULL, 0, err) : status;
}

/* Make the real[] of an embedding */
Datum
func_prompt_finish(FuncTaskCall *call, FuncSet *set, bool *isnull)
{
	const float *row = call->taken;

	(void) set;
	(void) isnull;
	call->taken = NULL;
	return func_real_array(row, func_width(call->model));
}

/* lepton_embed(input text [, model text], prompt text, literal boolean) returns real[] */
Datum
lepton_embed_prompt(PG_FUNCTION_ARGS)
{
	return func_task_call(fcinfo, func_task(lepton_embed_prompt));
}

/*
 * lepton_embed(inputs text[] [, model text]) returns real[]: [n, dims]; a NULL
 * text gives a row of NULLs
 */
Datum
lepton_embed_array(PG_FUNCTION_ARGS)
{
	StoreModel *m = store_model_open(func_model_argument(fcinfo, 1), STORE_TASK_EMBED);
	size_t width = func_width(m);
	FuncRun run;
	Datum *texts;
	bool *nulls;
	bool any_null = false;
	int n, kept = 0;
	Size header, size;
	ArrayType *array;
	float *rows;

	func_text_array(PG_GETARG_ARRAYTYPE_P(0), &texts, &nulls, &n);
	if (n == 0)
	{
		store_model_close(m);
		PG_RETURN_ARRAYTYPE_P(construct_empty_array(FLOAT4OID));
	}
	for (int i = 0; i < n; i++)
		any_null |= nulls[i];
	if (mul_size(n, width) > MaxArraySize ||
		mul_size(mul_size(n, width), sizeof(float4)) > MaxAllocSize / 2)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("too many texts in one array"),
				 errdetail("%d embeddings of %zu dimensions do not fit in one array.", n, width),
				 errhint("Embed the rows of a table one by one, or in smaller arrays.")));
	header = any_null ? ARR_OVERHEAD_WITHNULLS(2, n * width) : ARR_OVERHEAD_NONULLS(2);
	size = header + n * width * sizeof(float4);
	array = palloc0(size);
	array->ndim = 2;
	array->dataoffset = any_null ? header : 0;
	array->elemtype = FLOAT4OID;
	ARR_DIMS(array)[0] = n;
	ARR_DIMS(array)[1] = width;
	ARR_LBOUND(array)[0] = 1;
	ARR_LBOUND(array)[1] = 1;
	rows = (float *) ARR_DATA_PTR(array);

	/* An array stores no values for NULLs: the rows of the others lie next to each other. */
	func_run_begin(&run, m, rows);
	for (int i = 0; i < n; i++)
	{
		if (nulls[i])
			continue;
		if (any_null)
			for (size_t j = 0; j < width; j++)
			{
				size_t bit = i * width + j;

				ARR_NULLBITMAP(array)[bit / 8] |= 1 << (bit % 8);
			}
		func_run_add(&run, DatumGetTextPP(texts[i]));
		kept++;
	}
	func_run_end(&run);
	store_model_close(m);
	SET_VARSIZE(array, header + kept * width * sizeof(float4));
	PG_RETURN_ARRAYTYPE_P(array);
}

/* Make the cosine of two embeddings */
Datum
func_similarity_result(StoreModel *m, const float *const *rows)
{
	return Float4GetDatum(lep_cosine(rows[0], rows[1], func_width(m)));
}

/* lepton_similarity(a text, b text [, model text]) returns real */
Datum
lepton_similarity(PG_FUNCTION_ARGS)
{
	return func_task_call(fcinfo, func_task(lepton_similarity));
}

/* lepton_similarity(a text[], b text[] [, model text]) returns real[]: one cosine per pair */
Datum
lepton_similarity_array(PG_FUNCTION_ARGS)
{
	StoreModel *m = store_model_open(func_model_argument(fcinfo, 2), STORE_TASK_EMBED);
	size_t width = func_width(m);
	Datum *texts[2];
	bool *nulls[2];
	int n[2];
	Datum *result;
	bool *result_nulls;
	int dims[1], lbs[1] = {1};
	float *rows = palloc(mul_size(mul_size(width, 2), sizeof(float)));

	func_text_array(PG_GETARG_ARRAYTYPE_P(0), &texts[0], &nulls[0], &n[0]);
	func_text_array(PG_GETARG_ARRAYTYPE_P(1), &texts[1], &nulls[1], &n[1]);
	if (n[0] != n[1])
		ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR), errmsg("arrays differ in length"),
						errdetail("The arrays have %d and %d texts.", n[0], n[1])));
	if (n[0] == 0)
	{
		store_model_close(m);
		PG_RETURN_ARRAYTYPE_P(construct_empty_array(FLOAT4OID));
	}
	result = palloc(n[0] * sizeof(Datum));
	result_nulls = palloc0(n[0] * sizeof(bool));
	for (int i = 0; i < n[0]; i++)
	{
		FuncRun run;

		result_nulls[i] = nulls[0][i] || nulls[1][i];
		if (result_nulls[i])
			continue;
		func_run_begin(&run, m, rows);
		func_run_add(&run, DatumGetTextPP(texts[0][i]));
		func_run_add(&run, DatumGetTextPP(texts[1][i]));
		func_run_end(&run);
		result[i] = Float4GetDatum(lep_cosine(rows, rows + width, width));
	}
	store_model_close(m);
	dims[0] = n[0];
	PG_RETURN_ARRAYTYPE_P(construct_md_array(result, result_nulls, 1, dims, lbs, FLOAT4OID,
											 sizeof(float4), true, TYPALIGN_INT));
}

/* Values of a real[] without NULLs */
static const float *
vector_argument(ArrayType *array, int *n)
{
	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR), errmsg("vector must have one dimension"),
				 errdetail("The array has %d dimensions.", ARR_NDIM(array))));
	if (array_contains_nulls(array))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("vector must not contain nulls")));
	*n = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	return (const float *) ARR_DATA_PTR(array);
}

/* lepton_similarity(a real[], b real[]) returns real */
Datum
lepton_similarity_vectors(PG_FUNCTION_ARGS)
{
	int a_len, b_len;
	const float *a = vector_argument(PG_GETARG_ARRAYTYPE_P(0), &a_len);
	const float *b = vector_argument(PG_GETARG_ARRAYTYPE_P(1), &b_len);

	if (a_len != b_len)
		ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION), errmsg("vectors differ in length"),
						errdetail("The vectors have %d and %d values.", a_len, b_len)));
	PG_RETURN_FLOAT4(lep_cosine(a, b, a_len));
}

/* Make an integer[] of token ids */
static Datum
token_array(const LepTokens *tokens)
{
	Size size;
	ArrayType *array;

	if (tokens->n == 0)
		return PointerGetDatum(construct_empty_array(INT4OID));
	if (tokens->n > MaxArraySize)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("text has too many tokens for an array")));
	size = ARR_OVERHEAD_NONULLS(1) + tokens->n * sizeof(int32);
	array = palloc(size);
	SET_VARSIZE(array, size);
	array->ndim = 1;
	array->dataoffset = 0;
	array->elemtype = INT4OID;
	ARR_DIMS(array)[0] = tokens->n;
	ARR_LBOUND(array)[0] = 1;
	memcpy(ARR_DATA_PTR(array), tokens->ids, tokens->n * sizeof(int32));
	return PointerGetDatum(array);
}

/* lepton_tokenize(input text, model text) returns integer[] */
Datum
lepton_tokenize(PG_FUNCTION_ARGS)
{
	StoreModel *m = store_model_open_any(func_model_argument(fcinfo, 1));
	LepTokens tokens;

	func_tokenize(m, PG_GETARG_TEXT_PP(0), &tokens);
	store_model_close(m);
	PG_RETURN_DATUM(token_array(&tokens));
}

/* lepton_tokenize(inputs text[], model text) returns setof integer[] */
Datum
lepton_tokenize_array(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	StoreModel *m = store_model_open_any(func_model_argument(fcinfo, 1));
	Datum *texts;
	bool *nulls;
	int n;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	func_text_array(PG_GETARG_ARRAYTYPE_P(0), &texts, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		LepTokens tokens;
		Datum value = (Datum) 0;

		if (!nulls[i])
		{
			func_tokenize(m, DatumGetTextPP(texts[i]), &tokens);
			value = token_array(&tokens);
		}
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, &value, &nulls[i]);
		if (!nulls[i])
			pfree(DatumGetPointer(value));
	}
	store_model_close(m);
	return (Datum) 0;
}
