/*
 * task.h: what stands before and behind the graph: a user's text becomes the
 * tokens of a batch, logits become scores.  It knows models, not batches.
 */
#ifndef LEPTON_TASK_H
#define LEPTON_TASK_H

#include "image.h"

/* Working memory for encoding texts, reused from text to text. */
typedef struct LepEncoder LepEncoder;

LepEncoder *lep_encoder_new(const LepAllocator *allocator);
void lep_encoder_free(LepEncoder *encoder);

/*
 * Tokenize text[len] as the model's task does: prompt in front, lower
 * case where the model asks for it, truncated to the model's max_tokens.  With truncate false a longer text is LEP_TOO_LARGE.  out is valid
 * until the encoder's next use.
 */
LepStatus lep_encode(const LepModel *model, LepEncoder *encoder, const char *text, size_t len,
					 bool truncate, LepTokens *out, const LepStop *stop, LepError *err);

/* Tokenize text[len] as the tokenizer alone does: nothing in front, nothing cut. */
LepStatus lep_encode_plain(const LepModel *model, LepEncoder *encoder, const char *text, size_t len,
						   LepTokens *out, const LepStop *stop, LepError *err);

/* The same behind a prompt that is given, "" for none, in the place of the model's own. */
LepStatus lep_encode_behind(const LepModel *model, LepEncoder *encoder, const char *prompt,
							size_t prompt_len, const char *text, size_t len, bool truncate,
							LepTokens *out, const LepStop *stop, LepError *err);

/* The prompt of a name among those of the model's folder; LEP_BAD_INPUT names them when there is none. */
LepStatus lep_find_prompt(const LepDescView *view, const char *name, size_t name_len,
						  const char **prompt, size_t *len, LepError *err);

/*
 * Tokenize two texts as one sequence; without truncate a longer one is LEP_TOO_LARGE.  out is valid until the
 * encoder's next use.
 */
LepStatus lep_encode_pair(const LepModel *model, LepEncoder *encoder, const char *first,
						  size_t first_len, const char *second, size_t second_len,
						  LepTruncation truncation, bool truncate, LepTokens *out,
						  const LepStop *stop, LepError *err);

/*
 * Tokenize a text whole, for windows over it: no prompt, no special tokens.  An encoder holds two of them
 * (number 0 and 1) at a time, each valid until the next one of its number or another use.
 */
LepStatus lep_encode_part(const LepModel *model, LepEncoder *encoder, int number, const char *text,
						  size_t len, LepTokens *out, const LepStop *stop, LepError *err);
/* Put the special tokens around slices of parts 0 and (or NULL) 1; valid until the encoder's next frame. */
LepStatus lep_encode_frame(const LepModel *model, LepEncoder *encoder, const LepTokens *first,
						   const LepTokens *second, LepTokens *out, LepError *err);

/* Text of one token as the package's decode gives it; valid until the encoder's next use. */
LepStatus lep_encoder_decode(const LepModel *model, LepEncoder *encoder, int32_t id,
							 const char **text, size_t *len, const LepStop *stop, LepError *err);

/*
 * Which tokens go on with the word of the one before (is_subword[n] 1), as transformers' token classification
 * pipeline decides it: where the vocabulary marks them, by their length, else by the spaces in text[len].
 */
LepStatus lep_subwords(const LepModel *model, const LepTokens *tokens, const char *text, size_t len,
					   uint8_t *is_subword, const LepStop *stop, LepError *err);

/* The id of the tokenizer's mask, -1 when it has none. */
int32_t lep_mask_token(const LepDesc *desc);
/* The id of a token by its vocabulary string; looks at all of them. */
bool lep_token_find(const LepModel *model, const char *text, size_t len, int32_t *id);

/* Logits of a cross-encoder become scores in place, by its activation. */
void lep_rerank_scores(const LepKernels *kernels, const LepDesc *desc, float *logits, size_t n);

/* The label that stands for entailment, as transformers' zero-shot pipeline finds it, or -1. */
int lep_entailment(const LepDescView *view);

/* logits[n] become scores in place: softmax, sigmoid or nothing, as the problem says. */
void lep_scores(const LepKernels *kernels, LepProblem problem, float *logits, size_t n);

/* Logits of a linear head: out[n_labels] = w[n_labels, d] * x[d] + bias[n_labels] */
void lep_head_apply(const LepKernels *kernels, const float *w, const float *bias, const float *x,
					size_t n_labels, size_t d, float *out);

/* Cosine of a[d] and b[d]; 0 when either has no length, as sentence-transformers answers. */
float lep_cosine(const float *a, const float *b, size_t d);

#endif
