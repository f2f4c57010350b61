/*
 * answer.c: lepton_answer: the part of a context that answers a question, long
 * contexts in overlapping windows.
 */
#include "postgres.h"

#include "fmgr.h"

#include "../engine/answer.h"
#include "../errors.h"
#include "../guc.h"
#include "steps.h"

PG_FUNCTION_INFO_V1(lepton_answer);

/* Options of the function, in their order. */
enum
{
	OPTION_TOP_K,
	OPTION_IMPOSSIBLE,
	OPTION_ANSWER_LEN,
	OPTION_STRIDE,
	OPTION_SEQUENCE_LEN
};

#define DEFAULT_STRIDE 128 /* tokens that two windows share, or half of a window */

/* What is kept of a window for its logits. */
typedef struct Window
{
	size_t first, n; /* the context's tokens in it */
	bool has_class;
	LepSpan *spans; /* [n] in characters */
	uint32 *words;	/* [n] */
} Window;

typedef struct Kept
{
	LepAnswerOptions options;
	Window *windows; /* [n_windows] */
	size_t n_windows, capacity;
} Kept;

typedef struct Taken
{
	LepAllocator allocator;
	LepAnswers *answers;
} Taken;

/* Refuse an option that is too small or too large */
static LepStatus
check_option(const char *name, int32 value, int32 min, int32 max, LepError *err)
{
	if (value >= min && value <= max)
		return LEP_OK;
	lep_error(err, LEP_BAD_INPUT, "%s must be between %d and %d", name, min, max);
	return LEP_BAD_INPUT;
}

/* Read the options that choose answers */
static LepStatus
read_options(const FuncTaskCall *call, LepAnswerOptions *options, LepError *err)
{
	int32 top_k = DatumGetInt32(call->options[OPTION_TOP_K]);
	int32 len = DatumGetInt32(call->options[OPTION_ANSWER_LEN]);
	LepStatus status = check_option("top_k", top_k, 1, LEP_ANSWERS_MAX, err);

	if (status == LEP_OK)
		status = check_option("max_answer_len", len, 1, PG_INT32_MAX, err);
	options->top_k = (size_t) top_k;
	options->max_answer_len = (size_t) len;
	options->has_null = DatumGetBool(call->options[OPTION_IMPOSSIBLE]);
	return status;
}

/* Tokens of the context in a window (*room), and those that two windows share */
static LepStatus
choose_windows(const FuncTaskCall *call, size_t n_question, size_t *room, size_t *stride,
			   LepError *err)
{
	const LepModel *model = call->model->model;
	int32 most = DatumGetInt32(call->options[OPTION_SEQUENCE_LEN]);
	int32 asked = DatumGetInt32(call->options[OPTION_STRIDE]);
	size_t used = n_question + lep_tokenizer_pair_special_count(&model->tokenizer);
	size_t total;
	LepStatus status = check_option("max_seq_len", most, 1, PG_INT32_MAX, err);

	if (status != LEP_OK)
		return status;
	total = Min((size_t) most, model->view.desc->max_tokens);
	*stride = asked < 0 ? Min(DEFAULT_STRIDE, total / 2) : (size_t) asked;
	*room = total > used ? total - used : 0;
	if (*room > *stride)
		return LEP_OK;
	lep_error(err, LEP_BAD_INPUT, "question leaves too little room for the context");
	lep_error_detail(err,
					 "Of %zu tokens the question takes %zu; windows that share %zu tokens do not "
					 "fit into the rest.",
					 total, used, *stride);
	lep_error_hint(err, "Shorten the question, or use a smaller doc_stride.");
	return LEP_BAD_INPUT;
}

/* Keep what the logits of a window will need */
static LepStatus
keep_window(FuncTaskCall *call, Kept *kept, const LepTokens *tokens, const LepTokens *slice,
			const char *utf8, size_t len, LepError *err)
{
	MemoryContext old = MemoryContextSwitchTo(call->context);
	Window *w;

	if (kept->n_windows == kept->capacity)
	{
		kept->capacity = Max(kept->capacity * 2, 1);
		kept->windows = kept->windows == NULL
							? palloc(kept->capacity * sizeof(Window))
							: repalloc_huge(kept->windows, kept->capacity * sizeof(Window));
	}
	w = &kept->windows[kept->n_windows++];
	w->n = slice->n;
	w->spans = palloc(mul_size(Max(w->n, 1), sizeof(LepSpan)));
	w->words = palloc(mul_size(Max(w->n, 1), sizeof(uint32)));
	MemoryContextSwitchTo(old);
	w->first = 0;
	while (w->first < tokens->n && tokens->sequence[w->first] != 1)
		w->first++;
	w->has_class = tokens->n > 0 && tokens->sequence[0] == LEP_SEQUENCE_NONE;
	if (w->n > 0)
	{
		memcpy(w->spans, tokens->spans + w->first, w->n * sizeof(LepSpan));
		memcpy(w->words, slice->words, w->n * sizeof(uint32));
	}
	return lep_spans_to_characters(utf8, len, w->spans, w->n, lepton_stop(), err);
}

/* Cut a context into windows, the question in front of each */
LepStatus
func_answer_encode(FuncTaskCall *call, FuncSink *sink, LepError *err)
{
	const LepModel *model = call->model->model;
	Kept *kept = MemoryContextAllocZero(call->context, sizeof(Kept));
	const char *utf8[2];
	size_t len[2], room, stride;
	LepTokens question, context, framed;
	LepWindow window;
	LepStatus status;

	call->kept = kept;
	status = read_options(call, &kept->options, err);
	for (int i = 0; i < 2 && status == LEP_OK; i++)
		status = func_step_utf8(call, i, &utf8[i], &len[i], err);
	if (status == LEP_OK)
		status = lep_encode_part(model, func_encoder(), 1, utf8[0], len[0], &question,
								 lepton_stop(), err);
	if (status == LEP_OK)
		status = choose_windows(call, question.n, &room, &stride, err);
	if (status == LEP_OK)
		status = lep_encode_part(model, func_encoder(), 0, utf8[1], len[1], &context, lepton_stop(),
								 err);
	for (size_t i = 0;
		 status == LEP_OK && lep_window(context.n, room, stride,
										lep_tokenizer_cuts_left(&model->tokenizer), i, &window);
		 i++)
	{
		LepTokens slice = lep_tokens_slice(&context, window.first, window.n);

		status = lep_encode_frame(model, func_encoder(), &question, &slice, &framed, err);
		if (status == LEP_OK)
			status = keep_window(call, kept, &framed, &slice, utf8[1], len[1], err);
		if (status == LEP_OK)
			status = sink->add(sink, &framed, NULL, 0, err);
	}
	return status;
}

/* Take the logits of a window */
void
func_answer_absorb(FuncTaskCall *call, uint32 i, const float *rows, size_t n_rows)
{
	Kept *kept = call->kept;
	Window *w = &kept->windows[i];
	Taken *taken = call->taken;
	LepAnswerWindow window = {rows, n_rows, w->first, w->n, w->has_class, w->spans, w->words};
	LepError err = {0};

	if (taken == NULL)
	{
		const char *utf8;
		size_t len;

		taken = call->taken = palloc(sizeof(Taken));
		taken->allocator = lepton_allocator(CurrentMemoryContext);
		lepton_check(func_step_utf8(call, 1, &utf8, &len, &err), &err);
		taken->answers = lep_answers_new(&taken->allocator, utf8, len, &kept->options);
		if (taken->answers == NULL)
			lepton_raise(LEP_NO_MEMORY, NULL);
	}
	lepton_check(lep_answers_add(taken->answers, &window, lepton_stop(), &err), &err);
	if (call->is_alone)
	{
		pfree(w->spans);
		pfree(w->words);
	}
}

/* Put the answers */
Datum
func_answer_finish(FuncTaskCall *call, FuncSet *set, bool *isnull)
{
	const Kept *kept = call->kept;
	Taken *taken = call->taken;
	LepAnswer *answers = palloc(mul_size(kept->options.top_k, sizeof(LepAnswer)));
	size_t n = lep_answers_finish(taken->answers, answers);
	size_t len;
	const char *utf8;
	LepCursor cursor;
	LepError err = {0};

	*isnull = true;
	call->taken = NULL;
	lepton_check(func_step_utf8(call, 1, &utf8, &len, &err), &err);
	lep_cursor_init(&cursor, utf8, len);
	for (size_t i = 0; i < n; i++)
	{
		LepSpan span = answers[i].span;
		size_t from = lep_cursor_to_character(&cursor, span.start);
		size_t to = span.end > span.start ? lep_cursor_to_character(&cursor, span.end) : from;
		Datum values[4];
		bool nulls[4] = {false};

		values[0] = func_local_text(utf8 + from, to - from);
		values[1] = Float4GetDatum((float4) answers[i].score);
		values[2] = Int32GetDatum((int32) span.start);
		values[3] = Int32GetDatum((int32) span.end);
		set->put(set, values, nulls);
	}
	lep_answers_free(taken->answers);
	return (Datum) 0;
}

/*
 * lepton_answer(question text, context text [, model text], top_k integer, handle_impossible boolean,
 * max_answer_len integer, doc_stride integer, max_seq_len integer)
 * returns table (answer text, score real, "start" integer, "end" integer)
 */
Datum
lepton_answer(PG_FUNCTION_ARGS)
{
	return func_task_call(fcinfo, func_task(lepton_answer));
}
