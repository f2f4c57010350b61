/*
 * entities.h: logits of tokens become entities, as transformers' token
 * classification pipeline makes them.  It knows neither tokenizers nor graphs, and allocates nothing.
 *
 * Use:
 *		n += lep_entities_window(&window, aggregation, scratch, out + n)	-- for each window
 *		n = lep_entities_merge(out, n, sorted)								-- if there were several
 */
#ifndef LEPTON_ENTITIES_H
#define LEPTON_ENTITIES_H

#include "offsets.h"

/* What is done about the tokens of one entity: the pipeline's aggregation strategies. */
typedef enum LepAggregation
{
	LEP_AGGREGATE_NONE = 0, /* each token alone */
	LEP_AGGREGATE_SIMPLE,	/* neighbours of one tag together; B- begins a new one */
	LEP_AGGREGATE_FIRST,	/* a word has the label of its first token; then as simple */
	LEP_AGGREGATE_AVERAGE,	/* a word has the best label of its tokens' mean scores */
	LEP_AGGREGATE_MAX,		/* a word has the label of its surest token */
	LEP_AGGREGATE_COUNT
} LepAggregation;

/* "none", "simple", "first", "average", "max" */
const char *lep_aggregation_name(LepAggregation aggregation);

/* The tokens of one window with their logits. */
typedef struct LepEntityWindow
{
	const float *logits;	   /* [n, n_labels] */
	const LepSpan *spans;	   /* [n] in characters */
	const uint8_t *is_special; /* [n] not 0: of the template, no entity */
	const uint8_t *is_subword; /* [n] not 0: goes on with the word of the token before; for first,
								* average and max */
	size_t n, n_labels;
	const char *const *labels; /* [n_labels] */
} LepEntityWindow;

typedef struct LepEntity
{
	LepSpan span; /* characters */
	float score;
	uint32_t number;   /* of the label of its first token; of no meaning in a merged list */
	const char *label; /* in the window's labels; without B- or I- unless aggregation is none */
} LepEntity;

/*
 * The entities of a window, those of the label "O" left out; returns how many.  scratch[2 * n_labels];
 * out has room for n.
 */
size_t lep_entities_window(const LepEntityWindow *window, LepAggregation aggregation,
						   float *scratch, LepEntity *out);

/*
 * Sort the entities list[n] of several windows and keep of those that overlap the longest, of equals the surest;
 * sorted[n + 1] gets them, returns how many.
 */
size_t lep_entities_merge(LepEntity *list, size_t n, LepEntity *sorted);

#endif
