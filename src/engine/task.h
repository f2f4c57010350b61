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
