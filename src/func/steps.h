/*
 * steps.h: what the steps of task functions share: arguments that may not
 * raise, texts of the database's encoding, labels.
 */
#ifndef LEPTON_FUNC_STEPS_H
#define LEPTON_FUNC_STEPS_H

#include "registry.h"

/* Text i of a call as UTF-8, *len bytes; LEP_BAD_INPUT when it is not valid.  Maybe in CurrentMemoryContext. */
LepStatus func_step_utf8(const FuncTaskCall *call, int i, const char **utf8, size_t *len,
						 LepError *err);
/* The same of any text. */
LepStatus func_text_utf8(const text *input, const char **utf8, size_t *len, LepError *err);

/* Bytes of UTF-8 as text in the database's encoding. */
Datum func_local_text(const char *utf8, size_t len);
/* Label i of a model as such a text. */
Datum func_label_text(const StoreModel *m, int i);

/* Copy a row in CurrentMemoryContext. */
float *func_copy_row(const float *row, size_t n);

/* Turn a row of logits into scores, as the model's problem says. */
void func_row_scores(const StoreModel *m, float *row);
/* Index of the largest of n values, the first of equals. */
int func_best(const float *values, int n);

/* A number and its score, for sorting: best first, then by number. */
typedef struct FuncScored
{
	int number;
	float score;
} FuncScored;

/* Sort scores[n], best first: palloc'd [n]. */
FuncScored *func_sort_scores(const float *scores, int n);

/* Raise when a model is a head on embeddings, which takes single texts alone. */
LepStatus func_refuse_head(const StoreModel *m, LepError *err);

/* Entries of the table, by the files that own the functions. */
LepStatus func_pair_encode(FuncTaskCall *call, FuncSink *sink, LepError *err);
void func_row_absorb(FuncTaskCall *call, uint32 i, const float *rows, size_t n_rows);
Datum func_classify_finish(FuncTaskCall *call, FuncSet *set, bool *isnull);
Datum func_classify_scores_finish(FuncTaskCall *call, FuncSet *set, bool *isnull);
LepStatus func_rerank_encode(FuncTaskCall *call, FuncSink *sink, LepError *err);
Datum func_rerank_finish(FuncTaskCall *call, FuncSet *set, bool *isnull);
LepStatus func_text_encode(FuncTaskCall *call, FuncSink *sink, LepError *err);
LepStatus func_entities_encode(FuncTaskCall *call, FuncSink *sink, LepError *err);
void func_entities_absorb(FuncTaskCall *call, uint32 i, const float *rows, size_t n_rows);
Datum func_entities_finish(FuncTaskCall *call, FuncSet *set, bool *isnull);
LepStatus func_answer_encode(FuncTaskCall *call, FuncSink *sink, LepError *err);
void func_answer_absorb(FuncTaskCall *call, uint32 i, const float *rows, size_t n_rows);
Datum func_answer_finish(FuncTaskCall *call, FuncSet *set, bool *isnull);
LepStatus func_zero_shot_encode(FuncTaskCall *call, FuncSink *sink, LepError *err);
void func_zero_shot_absorb(FuncTaskCall *call, uint32 i, const float *rows, size_t n_rows);
Datum func_zero_shot_finish(FuncTaskCall *call, FuncSet *set, bool *isnull);
LepStatus func_fill_mask_encode(FuncTaskCall *call, FuncSink *sink, LepError *err);
void func_fill_mask_absorb(FuncTaskCall *call, uint32 i, const float *rows, size_t n_rows);
Datum func_fill_mask_finish(FuncTaskCall *call, FuncSet *set, bool *isnull);
void func_sparse_absorb(FuncTaskCall *call, uint32 i, const float *rows, size_t n_rows);
Datum func_sparse_finish(FuncTaskCall *call, FuncSet *set, bool *isnull);
LepStatus func_prompt_encode(FuncTaskCall *call, FuncSink *sink, LepError *err);
Datum func_prompt_finish(FuncTaskCall *call, FuncSet *set, bool *isnull);

#endif
