/*
 * family.h: what a model family brings: how its config.json is read, how its
 * graph is built, which names its files use.
 *
 * A new family is one file with an array of LepFamily in it, one line here and one in families.c.
 */
#ifndef LEPTON_FAMILY_H
#define LEPTON_FAMILY_H

#include "../desc.h"
#include "../json.h"

struct LepGraphBuilder;
struct LepSource;

/*
 * A class of transformers and the task that its head is for.  MASK serves EMBED, unless
 * another task is wanted, and SPARSE.
 */
typedef struct LepArchitecture
{
	const char *name;
	LepTask task;
} LepArchitecture;

/* The classes that a model of transformers usually has, as first entries of LepFamily.architectures. */
#define LEP_USUAL_ARCHITECTURES(stem)                                    \
	{stem "Model", LEP_TASK_EMBED}, {stem "ForMaskedLM", LEP_TASK_MASK}, \
		{stem "ForSequenceClassification", LEP_TASK_CLASSIFY},           \
		{stem "ForTokenClassification", LEP_TASK_ENTITIES},              \
	{                                                                    \
		stem "ForQuestionAnswering", LEP_TASK_ANSWER                     \
	}

typedef struct LepFamily
{
	const char *model_type; /* of config.json */
	const char *prefix;		/* the encoder's place in models with a head: "bert." */
	/* transformers' usual tokenizer of the family tells the texts of a pair apart by types */
	bool typed_pairs;

	/* What is supported of config.json's "architectures"; ends at a NULL name. */
	const LepArchitecture *architectures;

	/*
	 * Fill the numbers of desc that stand in config.json (file names it for
	 * errors); desc->task is set before, desc->tied and desc->embedding (as desc->hidden unless
	 * it is set) behind it.  Whatever changes the arithmetic and
	 * is not done here is LEP_UNSUPPORTED.
	 */
	LepStatus (*read_config)(const json_t *config, const char *file, LepDesc *desc, LepError *err);

	/* Append the operators of desc to the builder's graph. */
	LepStatus (*build)(struct LepGraphBuilder *builder, const LepDesc *desc, LepError *err);

	/* Set what the names of the tensors tell, before build; NULL: they tell nothing. */
	void (*look)(const struct LepSource *source, LepDesc *desc);
} LepFamily;

/* Each file's models; the last entry has no model_type. */
extern const LepFamily lep_family_albert[];
extern const LepFamily lep_family_bert[];
extern const LepFamily lep_family_deberta_v2[];
extern const LepFamily lep_family_distilbert[];
extern const LepFamily lep_family_electra[];
extern const LepFamily lep_family_eurobert[];
extern const LepFamily lep_family_megatron_bert[];
extern const LepFamily lep_family_modernbert[];
extern const LepFamily lep_family_mpnet[];
extern const LepFamily lep_family_rembert[];
extern const LepFamily lep_family_roberta[];
extern const LepFamily lep_family_rotary[];

/* The family of a model_type, or NULL. */
const LepFamily *lep_family_find(const char *model_type);

/* Write the known model types to dst, "bert, roberta"; returns dst. */
const char *lep_family_list(char *dst, size_t size);

/*
 * Readers of config.json's keys as transformers' strict configuration classes
 * read them: an absent key gives fallback, a null or another type is LEP_BAD_FILE.
 */
LepStatus lep_config_int(const json_t *config, const char *file, const char *key, int64_t fallback,
						 int64_t min, int64_t max, int64_t *out, LepError *err);
LepStatus lep_config_real(const json_t *config, const char *file, const char *key, double fallback,
						  double min, double max, double *out, LepError *err);
LepStatus lep_config_bool(const json_t *config, const char *file, const char *key, bool fallback,
						  bool *out, LepError *err);

/* A size of a model: an integer of config.json between min and max. */
typedef struct LepConfigSize
{
	const char *key;
	int64_t fallback, min, max;
	uint32_t *out;
} LepConfigSize;

/* Read n sizes. */
LepStatus lep_config_sizes(const json_t *config, const char *file, const LepConfigSize *sizes,
						   size_t n, LepError *err);

/* Read a real number that is at least 0 as f32. */
LepStatus lep_config_f32(const json_t *config, const char *file, const char *key, double fallback,
						 float *out, LepError *err);

/* Refuse a hidden size that the attention heads cannot share. */
LepStatus lep_config_heads(const LepDesc *desc, const char *file, LepError *err);

/*
 * Read theta and the linear factor of rotary positions from an object of transformers' rope_parameters, and from one of the
 * older rope_scaling, whose values win; either may be NULL or null.
 */
LepStatus lep_config_rotary(const json_t *own, const json_t *scaling, const char *file,
							double fallback, float *theta, float *factor, LepError *err);

/* Read an activation by its ACT2FN name; one that no kernel has is LEP_UNSUPPORTED. */
LepStatus lep_config_act(const json_t *config, const char *file, const char *key,
						 const char *fallback, uint32_t *act, LepError *err);

/* LEP_UNSUPPORTED when config asks for code or number formats that no family here has. */
LepStatus lep_config_refuse(const json_t *config, const char *file, LepError *err);

#endif
