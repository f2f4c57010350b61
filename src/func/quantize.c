/*
 * quantize.c: lepton_quantize: a sample of texts -> a compressed copy of a
 * model, stored as a new one.  What is measured and chosen is src/engine/compress.h's.
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"

#include "../engine/compress.h"
#include "../errors.h"
#include "../guc.h"
#include "../store/progress.h"
#include "rows.h"
#include "run.h"

PG_FUNCTION_INFO_V1(lepton_quantize);

/* The part of a sample that is used: its first texts, until it has so many tokens. */
#define SAMPLE_TEXTS  4096
#define SAMPLE_TOKENS 65536

/* Tokens of the sample. */
typedef struct Sample
{
	MemoryContext context;
	LepCompressSample tokens;
	int32 *ids;		/* [tokens.n_tokens] */
	uint32 *starts; /* [tokens.n_texts + 1] */
} Sample;

/* Raise unless an argument of a function that takes NULLs is there */
static void
require_argument(FunctionCallInfo fcinfo, int n, const char *name)
{
	if (PG_ARGISNULL(n))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("argument \"%s\" must not be null", name)));
}

/* Argument n, a share of something */
static double
share_argument(FunctionCallInfo fcinfo, int n, const char *name)
{
	float4 value;

	require_argument(fcinfo, n, name);
	value = PG_GETARG_FLOAT4(n);
	if (!(value >= 0 && value <= 1))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("argument \"%s\" must be between 0 and 1", name)));
	return value;
}

/* Tokenize the rows that were just fetched; false when the sample is full */
static bool
add_rows(Sample *sample, FuncRows *rows, StoreModel *m)
{
	LepCompressSample *s = &sample->tokens;

	for (size_t i = 0; i < rows->n; i++)
	{
		LepTokens tokens;
		size_t len;
		const char *utf8 = func_rows_text(rows, i, &len);

		CHECK_FOR_INTERRUPTS();
		func_encode(m, utf8, len, &tokens);
		if (s->n_texts == SAMPLE_TEXTS ||
			(s->n_texts > 0 && s->n_tokens + tokens.n > SAMPLE_TOKENS))
			return false;
		/* One text alone may be longer than the limit. */
		if (tokens.n > SAMPLE_TOKENS)
			sample->ids = repalloc_huge(sample->ids, tokens.n * sizeof(int32));
		memcpy(sample->ids + s->n_tokens, tokens.ids, tokens.n * sizeof(int32));
		s->n_tokens += tokens.n;
		sample->starts[++s->n_texts] = (uint32) s->n_tokens;
	}
	return true;
}

/* Collect the sample: the texts of a query, or the built-in ones */
static void
collect(Sample *sample, StoreModel *m, const char *query)
{
	FuncRows rows;
	bool more = true;

	sample->ids = MemoryContextAlloc(sample->context, SAMPLE_TOKENS * sizeof(int32));
	sample->starts = MemoryContextAllocZero(sample->context, (SAMPLE_TEXTS + 1) * sizeof(uint32));
	func_rows_open(&rows, &func_rows_sample, query);
	while (more && func_rows_fetch(&rows))
	{
		more = add_rows(sample, &rows, m);
		store_progress_update(sample->tokens.n_texts, 0);
	}
	func_rows_close(&rows);
	if (sample->tokens.n_texts == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("sample query returned no rows"),
				 errhint("Give a query of some hundred texts like those that the model "
						 "will see, or none for the built-in sample.")));
	sample->tokens.ids = sample->ids;
	sample->tokens.starts = sample->starts;
}

/* Report how far the compression is */
static void
report_progress(void *ctx, uint64_t done, uint64_t total)
{
	(void) ctx;
	store_progress_update(done, total);
}

/* Say how a model was made */
static char *
make_recipe(const LepCompressOptions *options, const Sample *sample, LepTask task,
			const LepCompressResult *result)
{
	StringInfoData recipe;

	initStringInfo(&recipe);
	appendStringInfo(&recipe, "lepton_quantize(\"precision\" => '%s'", options->precision);
	if (strcmp(options->precision, "auto") == 0)
		appendStringInfo(&recipe, ", min_cosine => %g", options->min_cosine);
	if (strcmp(options->precision, "auto") == 0 && task == LEP_TASK_CLASSIFY)
		appendStringInfo(&recipe, ", min_agreement => %g", options->min_agreement);
	appendStringInfo(&recipe, ", texts => %zu, cosine => %.5f", sample->tokens.n_texts,
					 result->cosine_mean);
	if (task == LEP_TASK_CLASSIFY)
		appendStringInfo(&recipe, ", agreement => %.4f", result->agreement);
	appendStringInfoChar(&recipe, ')');
	return recipe.data;
}

/* Put the report of each layer into the function's result */
static void
put_layers(ReturnSetInfo *rsinfo, const LepCompressResult *result)
{
	for (size_t i = 0; i < result->n_layers; i++)
	{
		const LepCompressLayer *layer = &result->layers[i];
		Datum values[5];
		bool nulls[5] = {false};

		values[0] = CStringGetTextDatum(layer->name);
		values[1] = CStringGetTextDatum(lep_scheme_name(layer->scheme));
		values[2] = Float4GetDatum((float4) layer->error);
		values[3] = Int64GetDatum((int64) layer->bytes_before);
		values[4] = Int64GetDatum((int64) layer->bytes);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
}

/* Compress the files of m and store what comes out */
static void
make_model(const char *new_name, StoreModel *m, const LepCompressOptions *options,
		   const Sample *sample, ReturnSetInfo *rsinfo)
{
	LepAllocator allocator = lepton_allocator(CurrentMemoryContext);
	LepCompressProgress progress = {report_progress, NULL};
	LepCompressResult result = {0};
	StoreOrigin origin = {.parent = m};
	LepSource *source;
	bool pushed = store_push_snapshot_of(&m->row);
	LepArena arena;
	LepError err = {0};

	lep_arena_init(&arena, &allocator, 0);
	source = store_source_open(&m->row, &arena);
	store_progress_phase(STORE_PHASE_COMPRESS, 0);
	lepton_check(lep_compress(source, options, &sample->tokens, lepton_kernels(), &arena, &result,
							  &progress, lepton_stop(), &err),
				 &err);
	origin.recipe = make_recipe(options, sample, m->row.task, &result);
	origin.precision = result.precision;
	store_model_create(new_name, result.folder, &origin);
	put_layers(rsinfo, &result);
	lep_arena_free(&arena);
	if (pushed)
		PopActiveSnapshot();
}

/*
 * lepton_quantize(model text, new_name text, "precision" text, sample text,
 * min_cosine real, min_agreement real): one row per compressed operator
 */
Datum
lepton_quantize(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	LepCompressOptions options = {0};
	Sample sample = {0};
	const char *query = PG_ARGISNULL(3) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(3));
	char *new_name;
	StoreModel *m;
	MemoryContext old;

	require_argument(fcinfo, 0, "model");
	require_argument(fcinfo, 1, "new_name");
	require_argument(fcinfo, 2, "precision");
	options.precision = text_to_cstring(PG_GETARG_TEXT_PP(2));
	options.min_cosine = share_argument(fcinfo, 4, "min_cosine");
	options.min_agreement = share_argument(fcinfo, 5, "min_agreement");
	new_name = text_to_cstring(PG_GETARG_TEXT_PP(1));

	InitMaterializedSRF(fcinfo, 0);
	store_model_check_new_name(new_name);
	m = store_model_open_any(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	if (m->head != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("model \"%s\" has no weights of its own but a few of a classifier",
						NameStr(m->row.name)),
				 errdetail("It was made by lepton_train and uses the weights of its base."),
				 errhint("Compress its base with lepton_quantize, and train on what comes out.")));
	if (lep_desc_precision(&m->model->view)[0] != '\0')
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
						errmsg("model \"%s\" is compressed already", NameStr(m->row.name)),
						errhint("Compress the model that it was made from.")));

	sample.context =
		AllocSetContextCreate(CurrentMemoryContext, "lepton quantize", ALLOCSET_DEFAULT_SIZES);
	store_progress_begin(STORE_PROGRESS_QUANTIZE, STORE_PHASE_SAMPLE, 0);
	collect(&sample, m, query);
	old = MemoryContextSwitchTo(sample.context);
	make_model(new_name, m, &options, &sample, rsinfo);
	MemoryContextSwitchTo(old);
	store_progress_end();
	store_model_close(m);
	MemoryContextDelete(sample.context);
	return (Datum) 0;
}
