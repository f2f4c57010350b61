/*
 * task.c: prepares texts for the graph and turns logits into scores.
 */
#define LEPTON_ENGINE_SOURCE

#include "task.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define STOP_STEP ((size_t) 1 << 16) /* tokens between two looks at stop */

struct LepEncoder
{
	const LepAllocator *allocator;
	LepTokenScratch *scratch;
	LepTokenScratch *other; /* of part 1; NULL until it is needed */
	char *joined;			/* prompt and text together */
	size_t joined_size;
};

/* Make an encoder, or NULL when out of memory. */
LepEncoder *
lep_encoder_new(const LepAllocator *allocator)
{
	LepEncoder *encoder = allocator->alloc(allocator->ctx, sizeof(LepEncoder));

	if (encoder == NULL)
		return NULL;
	encoder->allocator = allocator;
	encoder->joined = NULL;
	encoder->joined_size = 0;
	encoder->other = NULL;
	encoder->scratch = lep_token_scratch_new(allocator);
	if (encoder->scratch == NULL)
	{
		allocator->free(allocator->ctx, encoder);
		return NULL;
	}
	return encoder;
}

/* Free an encoder; NULL is fine. */
void
lep_encoder_free(LepEncoder *encoder)
{
	if (encoder == NULL)
		return;
	lep_token_scratch_free(encoder->scratch);
	lep_token_scratch_free(encoder->other);
	if (encoder->joined != NULL)
		encoder->allocator->free(encoder->allocator->ctx, encoder->joined);
	encoder->allocator->free(encoder->allocator->ctx, encoder);
}

/* Put the prompt before the text, in the encoder's buffer. */
static LepStatus
join_prompt(LepEncoder *encoder, const char *prompt, size_t prompt_len, const char **text,
			size_t *len, LepError *err)
{
	size_t need;

	if (!lep_add(prompt_len, *len, &need) || !lep_add(need, 1, &need))
		return lep_error(err, LEP_TOO_LARGE, "text is too long");
	if (need > encoder->joined_size)
	{
		char *joined = encoder->allocator->alloc(encoder->allocator->ctx, need);

		if (joined == NULL)
			return lep_error(err, LEP_NO_MEMORY, "out of memory");
		if (encoder->joined != NULL)
			encoder->allocator->free(encoder->allocator->ctx, encoder->joined);
		encoder->joined = joined;
		encoder->joined_size = need;
	}
	memcpy(encoder->joined, prompt, prompt_len);
	memcpy(encoder->joined + prompt_len, *text, *len);
	*text = encoder->joined;
	*len += prompt_len;
	return LEP_OK;
}

/* Refuse a sequence that is longer than the model takes */
static LepStatus
check_length(const LepDesc *desc, const LepTokens *tokens, LepError *err)
{
	LepStatus status;

	if (tokens->n <= desc->max_tokens)
		return LEP_OK;
	status = lep_error(err, LEP_TOO_LARGE, "text is too long for the model");
	lep_error_detail(err, "The text has %zu tokens; the model takes %u.", tokens->n,
					 desc->max_tokens);
	lep_error_hint(err, "Shorten the text, or set lepton.truncate to on.");
	return status;
}

/* Tell whether pooling leaves out the prompt's tokens */
static bool
skips_prompt(const LepDesc *desc)
{
	for (uint32_t i = 0; i < desc->n_modules; i++)
		if (desc->modules[i].kind == LEP_MODULE_POOL && desc->modules[i].skip_prompt)
			return true;
	return false;
}

/* Refuse a prompt that pooling would have to leave out, unless it has as many tokens as the model's own */
static LepStatus
check_prompt(const LepModel *model, LepEncoder *encoder, const char *prompt, size_t len,
			 const LepStop *stop, LepError *err)
{
	const LepDesc *desc = model->view.desc;
	const char *own = lep_desc_prompt(&model->view);
	LepTokenizeOptions options = {.add_special = true, .lower_first = desc->lower_first};
	LepTokens tokens;
	LepStatus status;

	if (!skips_prompt(desc) || (strlen(own) == len && memcmp(own, prompt, len) == 0))
		return LEP_OK;
	tokens.n = 0;
	if (len > 0)
	{
		status = lep_tokenize(&model->tokenizer, encoder->scratch, prompt, len, &options, &tokens,
							  stop, err);
		if (status != LEP_OK)
			return status;
		if (tokens.n > 0 && tokens.sequence[tokens.n - 1] == LEP_SEQUENCE_NONE)
			tokens.n--;
	}
	if (tokens.n == desc->prompt_tokens)
		return LEP_OK;
	lep_error(err, LEP_UNSUPPORTED, "the model's pooling leaves out prompts of one length only");
	lep_error_detail(err, "The prompt has %zu tokens, the model's own %u.", tokens.n,
					 desc->prompt_tokens);
	return LEP_UNSUPPORTED;
}

/* Tokenize a text behind a prompt */
LepStatus
lep_encode_behind(const LepModel *model, LepEncoder *encoder, const char *prompt, size_t prompt_len,
				  const char *text, size_t len, bool truncate, LepTokens *out, const LepStop *stop,
				  LepError *err)
{
	const LepDesc *desc = model->view.desc;
	LepTokenizeOptions options = {0};
	LepStatus status;

	status = check_prompt(model, encoder, prompt, prompt_len, stop, err);
	if (status != LEP_OK)
		return status;
	if (prompt_len > 0)
	{
		status = join_prompt(encoder, prompt, prompt_len, &text, &len, err);
		if (status != LEP_OK)
			return status;
	}
	options.max_tokens = truncate ? desc->max_tokens : 0;
	options.add_special = true;
	options.lower_first = desc->lower_first;
	status = lep_tokenize(&model->tokenizer, encoder->scratch, text, len, &options, out, stop, err);
	return status == LEP_OK ? check_length(desc, out, err) : status;
}

/* Tokenize a text as the model's task does */
LepStatus
lep_encode(const LepModel *model, LepEncoder *encoder, const char *text, size_t len, bool truncate,
		   LepTokens *out, const LepStop *stop, LepError *err)
{
	const char *prompt = lep_desc_prompt(&model->view);

	return lep_encode_behind(model, encoder, prompt, strlen(prompt), text, len, truncate, out, stop,
							 err);
}

/* Name the prompts that there are */
static void
hint_prompts(const LepDescView *view, LepError *err)
{
	char names[sizeof(err->hint)] = "";
	char quoted[LEP_QUOTE_SIZE];
	size_t used = 0;

	for (uint32_t i = 0; i < view->desc->n_prompts && used < sizeof(names); i++)
	{
		const char *name = lep_desc_prompt_name(view, i);

		used += (size_t) snprintf(names + used, sizeof(names) - used, "%s\"%s\"", i > 0 ? ", " : "",
								  lep_error_quote(quoted, sizeof(quoted), name, strlen(name)));
	}
	if (used == 0)
		lep_error_hint(err,
					   "The model's folder has no prompts; a prompt can be given as it is with "
					   "literal => true.");
	else if (used < sizeof(names) - 32)
		lep_error_hint(err, "Prompts of the model are %s.", names);
}

/* Find a prompt by its name */
LepStatus
lep_find_prompt(const LepDescView *view, const char *name, size_t name_len, const char **prompt,
				size_t *len, LepError *err)
{
	char quoted[LEP_QUOTE_SIZE];

	for (uint32_t i = 0; i < view->desc->n_prompts; i++)
	{
		const char *known = lep_desc_prompt_name(view, i);

		if (strlen(known) != name_len || memcmp(known, name, name_len) != 0)
			continue;
		*prompt = lep_desc_prompt_text(view, i);
		*len = strlen(*prompt);
		return LEP_OK;
	}
	lep_error(err, LEP_BAD_INPUT, "the model has no prompt \"%s\"",
			  lep_error_quote(quoted, sizeof(quoted), name, name_len));
	hint_prompts(view, err);
	return LEP_BAD_INPUT;
}

/* Tokenize two texts as one sequence */
LepStatus
lep_encode_pair(const LepModel *model, LepEncoder *encoder, const char *first, size_t first_len,
				const char *second, size_t second_len, LepTruncation truncation, bool truncate,
				LepTokens *out, const LepStop *stop, LepError *err)
{
	const LepDesc *desc = model->view.desc;
	LepTokenizeOptions options = {0};
	LepStatus status;

	options.max_tokens = truncate ? desc->max_tokens : 0;
	options.add_special = true;
	options.lower_first = desc->lower_first;
	options.truncation = truncation;
	status = lep_tokenize_pair(&model->tokenizer, encoder->scratch, first, first_len, second,
							   second_len, &options, out, stop, err);
	return status == LEP_OK ? check_length(desc, out, err) : status;
}

/* Tokenize a text whole, without special tokens */
LepStatus
lep_encode_part(const LepModel *model, LepEncoder *encoder, int number, const char *text,
				size_t len, LepTokens *out, const LepStop *stop, LepError *err)
{
	LepTokenizeOptions options = {0};
	LepTokenScratch **scratch = number == 0 ? &encoder->scratch : &encoder->other;

	if (*scratch == NULL)
		*scratch = lep_token_scratch_new(encoder->allocator);
	if (*scratch == NULL)
		return lep_error(err, LEP_NO_MEMORY, "out of memory");
	options.lower_first = model->view.desc->lower_first;
	return lep_tokenize(&model->tokenizer, *scratch, text, len, &options, out, stop, err);
}

/* Put the special tokens around slices of parts */
LepStatus
lep_encode_frame(const LepModel *model, LepEncoder *encoder, const LepTokens *first,
				 const LepTokens *second, LepTokens *out, LepError *err)
{
	return lep_tokens_frame(&model->tokenizer, encoder->scratch, first, second, out, err);
}

/* Tokenize a text as the tokenizer alone does */
LepStatus
lep_encode_plain(const LepModel *model, LepEncoder *encoder, const char *text, size_t len,
				 LepTokens *out, const LepStop *stop, LepError *err)
{
	LepTokenizeOptions options = {0};

	options.add_special = true;
	return lep_tokenize(&model->tokenizer, encoder->scratch, text, len, &options, out, stop, err);
}

/* Text of one token */
LepStatus
lep_encoder_decode(const LepModel *model, LepEncoder *encoder, int32_t id, const char **text,
				   size_t *len, const LepStop *stop, LepError *err)
{
	return lep_token_decode(&model->tokenizer, encoder->scratch, &id, 1, false, text, len, stop,
							err);
}

/* Count the characters of a text */
static size_t
count_characters(const char *text, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += ((unsigned char) text[i] & 0xC0) != 0x80;
	return n;
}

/* Tell whether a token goes on with a word, where the vocabulary does not mark it */
static bool
has_no_space(const LepSpan *span, const char *text, size_t len)
{
	return span->start > 0 && text[span->start - 1] != ' ' &&
		   !(span->start < len && text[span->start] == ' ');
}

/* Tell which tokens go on with the word of the one before */
LepStatus
lep_subwords(const LepModel *model, const LepTokens *tokens, const char *text, size_t len,
			 uint8_t *is_subword, const LepStop *stop, LepError *err)
{
	bool is_marked = lep_tokenizer_marks_subwords(&model->tokenizer);
	int32_t unknown = lep_tokenizer_unknown(&model->tokenizer);

	for (size_t i = 0; i < tokens->n; i++)
	{
		const LepSpan *span = &tokens->spans[i];
		const char *token = "";
		size_t token_len = 0;

		if (i % STOP_STEP == 0 && lep_stopped(stop))
			return lep_error(err, LEP_CANCELLED, "finding words was cancelled");
		is_subword[i] = 0;
		if (tokens->sequence[i] == LEP_SEQUENCE_NONE || tokens->ids[i] == unknown)
			continue;
		if (!is_marked)
			is_subword[i] = has_no_space(span, text, len);
		else if (lep_token_text(&model->tokenizer, tokens->ids[i], &token, &token_len))
			is_subword[i] = count_characters(token, token_len) !=
							count_characters(text + span->start, span->end - span->start);
	}
	return LEP_OK;
}

/* The id of the tokenizer's mask */
int32_t
lep_mask_token(const LepDesc *desc)
{
	return (int32_t) desc->mask_token - 1;
}

/* Find a token by its vocabulary string */
bool
lep_token_find(const LepModel *model, const char *text, size_t len, int32_t *id)
{
	for (uint32_t i = 0; i < model->view.desc->vocab; i++)
	{
		const char *token;
		size_t token_len;

		if (lep_token_text(&model->tokenizer, (int32_t) i, &token, &token_len) &&
			token_len == len && memcmp(token, text, len) == 0)
		{
			*id = (int32_t) i;
			return true;
		}
	}
	return false;
}

/* Turn logits of a cross-encoder into scores */
void
lep_rerank_scores(const LepKernels *kernels, const LepDesc *desc, float *logits, size_t n)
{
	if (desc->rank_act != LEP_ACT_NONE)
		kernels->activate(logits, n, (LepAct) desc->rank_act);
}

/* Find the label that stands for entailment */
int
lep_entailment(const LepDescView *view)
{
	const char *label = view->texts;

	for (uint32_t i = 0; i < view->desc->n_labels; i++, label += strlen(label) + 1)
		if (strncasecmp(label, "entail", 6) == 0)
			return (int) i;
	return -1;
}

/* Turn logits into scores */
void
lep_scores(const LepKernels *kernels, LepProblem problem, float *logits, size_t n)
{
	if (problem == LEP_PROBLEM_SINGLE_LABEL)
		kernels->softmax(logits, 1, n);
	else if (problem == LEP_PROBLEM_MULTI_LABEL)
		kernels->activate(logits, n, LEP_ACT_SIGMOID);
}

/* Apply a linear head to one embedding */
void
lep_head_apply(const LepKernels *kernels, const float *w, const float *bias, const float *x,
			   size_t n_labels, size_t d, float *out)
{
	for (size_t i = 0; i < n_labels; i++)
		out[i] = kernels->dot(w + i * d, x, d) + bias[i];
}

/* Compute a cosine in double precision, so that parallel vectors give 1 */
float
lep_cosine(const float *a, const float *b, size_t d)
{
	double ab = 0, aa = 0, bb = 0, cosine;

	for (size_t i = 0; i < d; i++)
	{
		ab += (double) a[i] * b[i];
		aa += (double) a[i] * a[i];
		bb += (double) b[i] * b[i];
	}
	if (aa == 0 || bb == 0)
		return 0;
	cosine = ab / (sqrt(aa) * sqrt(bb));
	if (cosine > 1)
		cosine = 1;
	if (cosine < -1)
		cosine = -1;
	return (float) cosine;
}
