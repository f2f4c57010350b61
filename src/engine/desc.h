/*
 * desc.h: the model description: everything about a model but its weights and
 * its tokenizer tables, as plain data.  A LepDesc has no pointers; it is stored in the
 * image as it stands, followed by the label and prompt texts.
 */
#ifndef LEPTON_DESC_H
#define LEPTON_DESC_H

#include "../../kernels/lepton_kernels.h"
#include "base.h"
#include "scheme.h"

#define LEP_MAX_LAYERS	  512
#define LEP_MAX_HIDDEN	  16384
#define LEP_MAX_VOCAB	  (1 << 21)
#define LEP_MAX_POSITIONS (1 << 20)
#define LEP_MAX_LABELS	  65536
#define LEP_MAX_WIDTH	  (8 * LEP_MAX_HIDDEN) /* of a row anywhere in the graph */
#define LEP_MAX_MODULES	  8
#define LEP_MAX_OWN		  8
#define LEP_NAME_MAX	  128 /* bytes of a module's path, with its NUL */

/* What a model is run for, and the rows of its output, each lep_desc_width wide. */
typedef enum LepTask
{
	LEP_TASK_EMBED = 0,	   /* [texts, size of the embedding] */
	LEP_TASK_CLASSIFY = 1, /* [texts, labels]: logits */
	LEP_TASK_ENTITIES = 2, /* [tokens, labels]: logits */
	LEP_TASK_ANSWER = 3,   /* [tokens, 2]: logits of an answer's first and last token */
	LEP_TASK_MASK = 4,	   /* [picked tokens, vocabulary]: logits */
	LEP_TASK_SPARSE = 5, /* [texts, vocabulary]: weights, none below 0 (SPLADE, arXiv:2109.10086) */
	LEP_TASK_COUNT
} LepTask;

#define LEP_TASK_DEFAULT (-1) /* where a task is wanted: the one that the folder is made for */

/* What pools the weights of a text's tokens in LEP_TASK_SPARSE. */
typedef enum LepSparse
{
	LEP_SPARSE_MAX = 0,
	LEP_SPARSE_SUM
} LepSparse;

/* What the scores of a classifier mean; decides what is applied to the logits. */
typedef enum LepProblem
{
	LEP_PROBLEM_NONE = 0,
	LEP_PROBLEM_SINGLE_LABEL, /* softmax */
	LEP_PROBLEM_MULTI_LABEL,  /* sigmoid */
	LEP_PROBLEM_REGRESSION	  /* nothing */
} LepProblem;

/*
 * sentence-transformers' pooling modes over the tokens t = 0 .. n-1 of a text, p of them the
 * prompt's (p = 0 unless LepModule.skip_prompt); an empty sum gives 0:
 *		CLS				x[p]; x[0] when the prompt is all there is
 *		MAX				max over t >= p
 *		MEAN			sum over t >= p / max(n - p, 1e-9)
 *		MEAN_SQRT_LEN	the same sum / sqrt(max(n - p, 1e-9))
 *		WEIGHTED_MEAN	sum over t >= p of (t + 1) x[t] / max(sum of (t + 1), 1e-9)
 *		LAST_TOKEN		x[n-1]; 0 when the prompt is all there is
 */
typedef enum LepPool
{
	LEP_POOL_NONE = 0, /* end of a list */
	LEP_POOL_CLS,
	LEP_POOL_MAX,
	LEP_POOL_MEAN,
	LEP_POOL_MEAN_SQRT_LEN,
	LEP_POOL_WEIGHTED_MEAN,
	LEP_POOL_LAST_TOKEN,
	LEP_POOL_COUNT
} LepPool;

#define LEP_MAX_POOLS 8 /* modes that one pooling module may concatenate */

typedef enum LepModuleKind
{
	LEP_MODULE_POOL = 0,
	LEP_MODULE_DENSE,
	LEP_MODULE_NORM,	 /* LayerNorm */
	LEP_MODULE_NORMALIZE /* to unit length */
} LepModuleKind;

/* One step behind the encoder, each on one row per text. */
typedef struct LepModule
{
	uint32_t kind; /* LepModuleKind */
	uint32_t d_in, d_out;
	uint32_t act;	   /* LepAct, dense */
	uint32_t has_bias; /* dense */
	uint32_t residual; /* dense: adds what flows in, through weights where widths differ */
	uint8_t pools[LEP_MAX_POOLS]; /* LepPool, concatenated in this order, ends at LEP_POOL_NONE */
	uint32_t skip_prompt;		  /* pool without the prompt's tokens */
	float eps;					  /* norm */
	char path[LEP_NAME_MAX];	  /* subfolder that holds its weights */
} LepModule;

typedef struct LepDesc
{
	char family[32]; /* model_type of config.json */
	uint32_t task;	 /* LepTask */

	uint32_t n_layers, hidden, n_heads, intermediate;
	uint32_t vocab, n_positions;
	uint32_t n_types;	/* 0: no table of types, every type will do */
	uint32_t embedding; /* columns of the word table; differs from hidden where it is factorised */
	uint32_t position_first; /* row of a text's first token in the table of positions */
	uint32_t
		position_pad; /* 1 + id of the token that does not count as a place; 0: there is none */
	uint32_t act;	  /* LepAct of the feed-forward */
	float norm_eps;
	uint32_t own[LEP_MAX_OWN];	 /* numbers whose meaning the family's file alone knows */
	float own_real[LEP_MAX_OWN]; /* the same */

	/* Behind the encoder: a family head (classifier) or the modules (embedding). */
	uint32_t problem; /* LepProblem */
	uint32_t n_labels;
	uint32_t rank_act; /* LepAct on the one logit of a cross-encoder */
	uint32_t tied;	   /* the decoder of MASK and SPARSE may be the word table */
	uint32_t sparse;   /* LepSparse */
	uint32_t
		sparse_most; /* SPARSE keeps a text's so many largest weights; 0 = all.  The graph does not. */
	uint32_t sparse_logs; /* weights are log1p(relu(logit)), so many times: 1 or 2 */
	uint32_t n_modules;
	LepModule modules[LEP_MAX_MODULES];
	uint32_t truncate_dim; /* an embedding keeps its first so many values; 0 = all */

	uint32_t max_tokens;  /* truncation limit, special tokens included */
	uint32_t lower_first; /* tokenizers' Lowercase before the normaliser, see LepTokenizeOptions */
	uint32_t mask_token;  /* 1 + id of the tokenizer's mask; 0: there is none */
	uint32_t n_prompts;	  /* that have a name */
	uint32_t plain_types; /* 1: every token is of type 0, whatever the post-processor gives */
	uint32_t prompt_tokens; /* leading tokens that belong to the prompt, [CLS] included */

	uint64_t n_parameters;

	/*
	 * Texts behind the struct, each NUL terminated: n_labels labels, the prompt put before every text,
	 * n_prompts names each with its prompt, the precision string.  That one has a letter of scheme.h for each weight slot of the graph, or none at all:
	 * weights as any folder has them, products in f32.
	 */
	uint32_t text_bytes;
} LepDesc;

/* A description with its texts, as read from a folder or found in an image. */
typedef struct LepDescView
{
	const LepDesc *desc;
	const char *texts; /* [desc->text_bytes] */
} LepDescView;

/* Label i of a view, i < n_labels; walks the texts. */
const char *lep_desc_label(const LepDescView *view, uint32_t i);
/* The prompt put before every text, "" when there is none. */
const char *lep_desc_prompt(const LepDescView *view);
/* Name of prompt i < n_prompts, and its text. */
const char *lep_desc_prompt_name(const LepDescView *view, uint32_t i);
const char *lep_desc_prompt_text(const LepDescView *view, uint32_t i);
/* How each weight slot is stored and computed, "" for a model that is not compressed. */
const char *lep_desc_precision(const LepDescView *view);
/* Number of modes that a pooling module concatenates. */
uint32_t lep_desc_pool_count(const LepModule *module);
/* "embed", "classify", "entities", "answer", "fill_mask", "sparse_embed" */
const char *lep_task_name(LepTask task);
/* Most tokens that a text may have: places that the table of positions has. */
uint32_t lep_desc_places(const LepDesc *desc);
/* Width of an output row, see LepTask. */
uint32_t lep_desc_width(const LepDesc *desc);
/* Check every number against the limits above and each other: for descriptions out of an image. */
LepStatus lep_desc_check(const LepDescView *view, LepError *err);

#endif
