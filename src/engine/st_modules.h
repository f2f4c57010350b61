/*
 * st_modules.h: what sentence-transformers adds to a model's folder:
 * modules.json and the settings it leads to.
 *
 * Use:
 *		lep_st_open(folder, arena, &st, err);	 -- st stays NULL without modules.json
 *		lep_st_modules(folder, arena, st, desc, err);
 */
#ifndef LEPTON_ST_MODULES_H
#define LEPTON_ST_MODULES_H

#include "desc.h"
#include "folder.h"

/* A step listed in modules.json, the transformer first. */
typedef struct LepStEntry
{
	const char *type; /* class name without its package: "Pooling" */
	const char *path; /* folder with a '/' at its end, "" for the top */
} LepStEntry;

typedef struct LepStModules
{
	const char *model_type; /* "SentenceTransformer" unless the folder says otherwise */
	LepStEntry *entries;	/* [n_entries] */
	size_t n_entries;
	const char *prompt;	  /* the default prompt, "" when there is none */
	const char **prompts; /* [n_prompts] names and [n_prompts] texts, in turns */
	uint32_t n_prompts;
	uint32_t truncate_dim;	  /* 0 = none */
	int64_t max_seq_length;	  /* 0 = not given */
	int64_t model_max_length; /* given for the tokenizer; 0 = not */
	int64_t call_max_length;  /* given for each call; 0 = not */
	bool lower_first;
	uint32_t sparse_most; /* "max_active_dims", 0 = none */
	bool sparse;		  /* SpladePooling stands behind the transformer, which gives logits */
} LepStModules;

/* Read modules.json, config_sentence_transformers.json and the transformer's settings. */
LepStatus lep_st_open(LepFolder *folder, LepArena *arena, LepStModules **st, LepError *err);

/* Read the other modules' settings into desc, whose hidden size is set. */
LepStatus lep_st_modules(LepFolder *folder, LepArena *arena, const LepStModules *st, LepDesc *desc,
						 LepError *err);

/* Read the settings of SpladePooling into desc; st->sparse is set. */
LepStatus lep_st_sparse(LepFolder *folder, LepArena *arena, const LepStModules *st, LepDesc *desc,
						LepError *err);

/* Read and parse the JSON object in a file of the folder; free it with lep_json_free. */
struct json_t;
LepStatus lep_folder_json(LepFolder *folder, const char *path, LepArena *arena,
						  struct json_t **json, LepError *err);

#endif
