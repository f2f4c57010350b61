/*
 * answer.h: logits of first and last tokens become answers: parts of a context,
 * as transformers' question answering pipeline chooses them.  It knows neither tokenizers nor graphs.
 *
 * Use:
 *		answers = lep_answers_new(allocator, context, len, &options);	-- NULL: out of memory
 *		lep_answers_add(answers, &window, stop, err)					-- for each window
 *		n = lep_answers_finish(answers, out)
 *		lep_answers_free(answers)
 */
#ifndef LEPTON_ANSWER_H
#define LEPTON_ANSWER_H

#include "offsets.h"

#define LEP_ANSWERS_MAX 1000 /* that one question may have */

typedef struct LepAnswerOptions
{
	size_t top_k;		   /* answers that are wanted, 1 .. LEP_ANSWERS_MAX */
	size_t max_answer_len; /* tokens of an answer, at least 1 */
	bool has_null;		   /* that there is no answer may be the answer */
} LepAnswerOptions;

/* A window: tokens with their logits, [first, first + n_context) of them the context's. */
typedef struct LepAnswerWindow
{
	const float *logits; /* [n, 2]: of being the first token, of being the last */
	size_t n, first, n_context;
	bool has_class;		   /* token 0 is the one that stands for no answer */
	const LepSpan *spans;  /* [n_context] in characters of the context */
	const uint32_t *words; /* [n_context] number of the word that a token belongs to */
} LepAnswerWindow;

typedef struct LepAnswer
{
	LepSpan span; /* characters of the context; empty: no answer */
	double score; /* probability; of equal texts the sum */
} LepAnswer;

typedef struct LepAnswers LepAnswers;

/* context[len] must outlive the answers. */
LepAnswers *lep_answers_new(const LepAllocator *allocator, const char *context, size_t len,
							const LepAnswerOptions *options);
void lep_answers_free(LepAnswers *answers);
LepStatus lep_answers_add(LepAnswers *answers, const LepAnswerWindow *window, const LepStop *stop,
						  LepError *err);
/* The best answers, best first: out[top_k]; how many, at least 1. */
size_t lep_answers_finish(LepAnswers *answers, LepAnswer *out);

#endif
