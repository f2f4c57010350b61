/*
 * entities.c: lepton_entities: whole entities in a text, long texts in
 * overlapping windows.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "../engine/entities.h"
#include "../errors.h"
#include "../guc.h"
#include "steps.h"

PG_FUNCTION_INFO_V1(lepton_entities);

#define DEFAULT_STRIDE 128 /* tokens that two windows share, or a quarter of a window */

/* Options of the function, in their order. */
enum
{
	OPTION_STRIDE,
	OPTION_AGGREGATION
};

/* What is kept of a window for its logits. */
typedef struct Window
{
	size_t n;
	LepSpan *spans;		 /* [n] in characters */
	uint8_t *is_special; /* [n] */
	uint8_t *is_subword; /* [n] */
} Window;

typedef struct Kept
{
	LepAggregation aggregation;
	Window *windows; /* [n_windows] */
	size_t n_windows, capacity;
} Kept;

/* The entities found so far. */
typedef struct Taken
{
	LepEntity *list; /* [n] */
	size_t n, capacity;
	float *scratch; /* [2 * labels] */
	const char **labels;
} Taken;

/* Read the name of an aggregation */
static LepStatus
read_aggregation(Datum option, LepAggregation *aggregation, LepError *err)
{
	char *name = text_to_cstring(DatumGetTextPP(option));

	for (int i = 0; i < LEP_AGGREGATE_COUNT; i++)
		if (strcmp(lep_aggregation_name((LepAggregation) i), name) == 0)
		{
			*aggregation = (LepAggregation) i;
			return LEP_OK;
		}
	lep_error(err, LEP_BAD_INPUT, "aggregation \"%.64s\" does not exist", name);
	lep_error_hint(err, "Aggregations are none, simple, first, average and max.");
	return LEP_BAD_INPUT;
}

/* Tokens that two windows of room tokens share */
static LepStatus
choose_stride(int32 option, size_t room, size_t *stride, LepError *err)
{
	*stride = option < 0 ? Min(DEFAULT_STRIDE, room / 4) : (size_t) option;
	if (room > 0 && *stride < room)
		return LEP_OK;
	lep_error(err, LEP_BAD_INPUT, "stride is too large for the model");
	lep_error_detail(err, "It is %zu tokens; the model takes %zu tokens of a text at a time.",
					 *stride, room);
	return LEP_BAD_INPUT;
}

/* Keep what the logits of a window will need */
static LepStatus
keep_window(FuncTaskCall *call, Kept *kept, const LepTokens *tokens, const char *utf8, size_t len,
			LepError *err)
{
	MemoryContext old = MemoryContextSwitchTo(call->context);
	Window *w;
	LepStatus status;

	if (kept->n_windows == kept->capacity)
	{
		kept->capacity = Max(kept->capacity * 2, 1);
		kept->windows = kept->windows == NULL
							? palloc(kept->capacity * sizeof(Window))
							: repalloc_huge(kept->windows, kept->capacity * sizeof(Window));
	}
	w = &kept->windows[kept->n_windows++];
	w->n = tokens->n;
	w->spans = palloc(mul_size(tokens->n, sizeof(LepSpan)));
	w->is_special = palloc(tokens->n);
	w->is_subword = palloc(tokens->n);
	MemoryContextSwitchTo(old);
	memcpy(w->spans, tokens->spans, tokens->n * sizeof(LepSpan));
	for (size_t i = 0; i < tokens->n; i++)
	{
		w->is_special[i] = tokens->sequence[i] == LEP_SEQUENCE_NONE;
		if (w->is_special[i])
			w->spans[i] = (LepSpan){0, 0};
	}
	status = lep_subwords(call->model->model, tokens, utf8, len, w->is_subword, lepton_stop(), err);
	if (status != LEP_OK)
		return status;
	return lep_spans_to_characters(utf8, len, w->spans, w->n, lepton_stop(), err);
}

/* Cut a text into windows */
LepStatus
func_entities_encode(FuncTaskCall *call, FuncSink *sink, LepError *err)
{
	const LepModel *model = call->model->model;
	Kept *kept = MemoryContextAllocZero(call->context, sizeof(Kept));
	size_t special = lep_tokenizer_special_count(&model->tokenizer);
	size_t room = model->view.desc->max_tokens - special;
	size_t len, stride;
	const char *utf8;
	LepTokens all, framed;
	LepWindow window;
	LepStatus status;

	call->kept = kept;
	status = read_aggregation(call->options[OPTION_AGGREGATION], &kept->aggregation, err);
	if (status == LEP_OK)
		status = choose_stride(DatumGetInt32(call->options[OPTION_STRIDE]), room, &stride, err);
	if (status == LEP_OK)
		status = func_step_utf8(call, 0, &utf8, &len, err);
	if (status == LEP_OK)
		status = lep_encode_part(model, func_encoder(), 0, utf8, len, &all, lepton_stop(), err);
	for (size_t i = 0;
		 status == LEP_OK &&
		 lep_window(all.n, room, stride, lep_tokenizer_cuts_left(&model->tokenizer), i, &window);
		 i++)
	{
		LepTokens slice = lep_tokens_slice(&all, window.first, window.n);

		status = lep_encode_frame(model, func_encoder(), &slice, NULL, &framed, err);
		if (status == LEP_OK)
			status = keep_window(call, kept, &framed, utf8, len, err);
		if (status == LEP_OK)
			status = sink->add(sink, &framed, NULL, 0, err);
	}
	return status;
}

/* Begin to collect entities */
static Taken *
begin_taken(FuncTaskCall *call)
{
	int n_labels = store_model_label_count(call->model);
	Taken *taken = palloc0(sizeof(Taken));

	taken->scratch = palloc(mul_size(2 * (Size) n_labels, sizeof(float)));
	taken->labels = palloc(mul_size(n_labels, sizeof(char *)));
	for (int i = 0; i < n_labels; i++)
		taken->labels[i] = store_model_label(call->model, i);
	call->taken = taken;
	return taken;
}

/* Take the logits of a window */
void
func_entities_absorb(FuncTaskCall *call, uint32 i, const float *rows, size_t n_rows)
{
	Kept *kept = call->kept;
	Window *w = &kept->windows[i];
	Taken *taken = call->taken != NULL ? call->taken : begin_taken(call);
	LepEntityWindow window = {
		.logits = rows,
		.spans = w->spans,
		.is_special = w->is_special,
		.is_subword = w->is_subword,
		.n = n_rows,
		.n_labels = store_model_label_count(call->model),
		.labels = taken->labels,
	};

	if (taken->n + n_rows > taken->capacity)
	{
		taken->capacity = Max(taken->capacity * 2, taken->n + n_rows);
		taken->list =
			taken->list == NULL
				? palloc_extended(mul_size(taken->capacity, sizeof(LepEntity)), MCXT_ALLOC_HUGE)
				: repalloc_huge(taken->list, mul_size(taken->capacity, sizeof(LepEntity)));
	}
	taken->n +=
		lep_entities_window(&window, kept->aggregation, taken->scratch, taken->list + taken->n);
	if (call->is_alone)
	{
		pfree(w->spans);
		pfree(w->is_special);
		pfree(w->is_subword);
	}
}

/* Put the entities */
Datum
func_entities_finish(FuncTaskCall *call, FuncSet *set, bool *isnull)
{
	const Kept *kept = call->kept;
	Taken *taken = call->taken;
	LepEntity *list = taken->list;
	size_t n = taken->n, len;
	const char *utf8;
	LepCursor cursor;
	LepError err = {0};

	*isnull = true;
	call->taken = NULL;
	lepton_check(func_step_utf8(call, 0, &utf8, &len, &err), &err);
	lep_cursor_init(&cursor, utf8, len);
	if (kept->n_windows > 1)
	{
		list = palloc_extended(mul_size(n + 1, sizeof(LepEntity)), MCXT_ALLOC_HUGE);
		n = lep_entities_merge(taken->list, n, list);
	}
	for (size_t i = 0; i < n; i++)
	{
		LepSpan span = list[i].span;
		size_t from = lep_cursor_to_character(&cursor, span.start);
		size_t to = span.end > span.start ? lep_cursor_to_character(&cursor, span.end) : from;
		Datum values[5];
		bool nulls[5] = {false};

		values[0] = func_local_text(utf8 + from, to - from);
		values[1] = func_local_text(list[i].label, strlen(list[i].label));
		values[2] = Float4GetDatum(list[i].score);
		values[3] = Int32GetDatum((int32) span.start);
		values[4] = Int32GetDatum((int32) span.end);
		set->put(set, values, nulls);
	}
	return (Datum) 0;
}

/*
 * lepton_entities(input text [, model text], stride integer, aggregation text)
 * returns table (entity text, label text, score real, "start" integer, "end" integer)
 */
Datum
lepton_entities(PG_FUNCTION_ARGS)
{
	return func_task_call(fcinfo, func_task(lepton_entities));
}
