/*
 * task.c: prepares texts for the graph and turns logits into scores.
 */
#define LEPTON_ENGINE_SOURCE

#include "task.h"

#include <math.h>
#include <string.h>
#include <strings.h>

struct LepEncoder
{
	const LepAllocator *allocator;
	LepTokenScratch *scratch;
	char *joined; /* prompt and text together */
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
	if (encoder->joined != NULL)
		encoder->allocator->free(encoder->allocator->ctx, encoder->joined);
	encoder->allocator->free(encoder->allocator->ctx, encoder);
}

/* Put the prompt before the text, in the encoder's buffer. */
static LepStatus
join_prompt(LepEncoder *encoder, const char *prompt, const char **text, size_t *len, LepError *err)
{
	size_t prompt_len = strlen(prompt);
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

/* Tokenize a text as the model's task does */
LepStatus
lep_encode(const LepModel *model, LepEncoder *encoder, const char *text, size_t len, bool truncate,
		   LepTokens *out, const LepStop *stop, LepError *err)
{
	const LepDesc *desc = model->view.desc;
	const char *prompt = lep_desc_prompt(&model->view);
	LepTokenizeOptions options = {0};
	LepStatus status;

	if (prompt[0] != '\0')
	{
		status = join_prompt(encoder, prompt, &text, &len, err);
		if (status != LEP_OK)
			return status;
	}
	options.max_tokens = truncate ? desc->max_tokens : 0;
	options.add_special = true;
	options.lower_first = desc->lower_first;
	status = lep_tokenize(&model->tokenizer, encoder->scratch, text, len, &options, out, stop, err);
	if (status == LEP_OK && out->n > desc->max_tokens)
	{
		size_t n = out->n;

		status = lep_error(err, LEP_TOO_LARGE, "text is too long for the model");
		lep_error_detail(err, "The text has %zu tokens; the model takes %u.", n, desc->max_tokens);
		lep_error_hint(err, "Shorten the text, or set lepton.truncate to on.");
	}
	return status;
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
