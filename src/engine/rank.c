/*
 * rank.c: reads a cross-encoder's activation.
 */
#define LEPTON_ENGINE_SOURCE

#include "rank.h"

#include <string.h>

#include "st_modules.h"

/* Decide by the name of a class; *known is false for one that the package would not trust */
static LepStatus
read_class(const char *name, const char *file, LepDesc *desc, bool *known, LepError *err)
{
	static const struct
	{
		const char *name;
		LepAct act;
	} classes[] = {
		{"Identity", LEP_ACT_NONE}, {"Sigmoid", LEP_ACT_SIGMOID}, {"Tanh", LEP_ACT_TANH},
		{"ReLU", LEP_ACT_RELU},		{"GELU", LEP_ACT_GELU},		  {"SiLU", LEP_ACT_SILU},
	};
	const char *dot = strrchr(name, '.');
	char quoted[LEP_QUOTE_SIZE];

	*known = strncmp(name, "torch.", 6) == 0;
	if (!*known)
		return LEP_OK;
	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
		if (strcmp(dot + 1, classes[i].name) == 0)
		{
			desc->rank_act = classes[i].act;
			return LEP_OK;
		}
	lep_error(err, LEP_UNSUPPORTED, "activation \"%s\" is not supported",
			  lep_error_quote(quoted, sizeof(quoted), name, strlen(name)));
	lep_error_detail(err, "File \"%s\" names it for the score of a pair of texts.", file);
	return LEP_UNSUPPORTED;
}

/* Look at a key that may name a class */
static LepStatus
read_key(const json_t *object, const char *key, const char *file, LepDesc *desc, bool *known,
		 LepError *err)
{
	const char *name = json_string_value(json_object_get(object, key));

	*known = false;
	return name == NULL ? LEP_OK : read_class(name, file, desc, known, err);
}

/* Read the activation of a cross-encoder */
LepStatus
lep_rank_read(LepFolder *folder, LepArena *arena, const json_t *config, const char *file,
			  LepDesc *desc, LepError *err)
{
	const char *model_file = "config_sentence_transformers.json";
	const json_t *own = json_object_get(config, "sentence_transformers");
	bool known = false;
	json_t *json;
	LepStatus status = LEP_OK;

	desc->rank_act = LEP_ACT_SIGMOID;
	if (lep_folder_find(folder, model_file) >= 0)
	{
		status = lep_folder_json(folder, model_file, arena, &json, err);
		if (status != LEP_OK)
			return status;
		status = read_key(json, "activation_fn", model_file, desc, &known, err);
		if (status == LEP_OK && json_is_string(json_object_get(json, "default_prompt_name")))
			status = lep_error(err, LEP_UNSUPPORTED,
							   "prompts of a model for pairs of texts are not supported");
		lep_json_free(json);
	}
	if (status == LEP_OK && !known && json_object_get(own, "activation_fn") != NULL)
		return read_key(own, "activation_fn", file, desc, &known, err);
	if (status == LEP_OK && !known)
		status = read_key(config, "sbert_ce_default_activation_function", file, desc, &known, err);
	return status;
}
