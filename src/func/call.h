/*
 * call.h: calls of task functions with steps: one by one, or many in a window.
 *
 * Use, in a window that is reset, run and forgotten as window.h says:
 *		call = func_call_add(w, task, model, engine, texts, options)	-- ahead of time
 *		func_window_run(w)
 *		func_call_result(w, call, texts, options, set, &value, &isnull)	-- any number of times
 */
#ifndef LEPTON_FUNC_CALL_H
#define LEPTON_FUNC_CALL_H

#include "registry.h"
#include "window.h"

typedef struct FuncWindowCall FuncWindowCall;

/*
 * Encode a call and add its sequences to the window; engine is that of the model.  texts[n_texts]
 * and options[n_options] of the task are not NULL and not toasted; nothing of them is
 * kept.  NULL when it cannot be done: calling the scalar form raises why.  It lives until the window's reset.
 */
FuncWindowCall *func_call_add(FuncWindow *w, const FuncTask *task, StoreModel *m, int engine,
							  const text *const *texts, const Datum *options);

/*
 * The result of a call, in CurrentMemoryContext.  texts and options are equal to those that were added.  The rows of
 * a function that returns a set go to set, which is NULL for others.  False when it could
 * not be computed, before anything was put: calling the scalar form raises why.
 */
bool func_call_result(const FuncWindow *w, FuncWindowCall *call, const text *const *texts,
					  const Datum *options, FuncSet *set, Datum *value, bool *isnull);

/* For encode: one text as the model's task takes it, as one sequence. */
LepStatus func_call_encode_text(FuncTaskCall *call, FuncSink *sink, const text *input,
								LepError *err);

/* Sequences that a call has become. */
uint32 func_call_sequences(const FuncWindowCall *call);

/* Do all of it at once, batch after batch; raises. */
Datum func_call_run(const FuncTask *task, StoreModel *m, const text *const *texts,
					const Datum *options, FuncSet *set, bool *isnull);

#endif
