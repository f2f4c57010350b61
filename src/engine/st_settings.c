/*
 * st_settings.c: sentence-transformers' files about the whole model: the list
 * of modules, prompts, the transformer's settings.  It follows that library's
 * release 6; settings that lepton does not obey are LEP_UNSUPPORTED by name.
 */
#define LEPTON_ENGINE_SOURCE
#include <stdio.h>
#include <string.h>

#include "st_parts.h"

#define ENTRIES_MAX	  64		/* modules in modules.json */
#define PROMPT_MAX	  (1 << 16) /* bytes of a prompt */
#define PROMPTS_MAX	  4096
#define PROMPTS_BYTES (1 << 20) /* of all prompts */

/* Read and parse the JSON object in a file of the folder. */
LepStatus
lep_folder_json(LepFolder *folder, const char *path, LepArena *arena, json_t **json, LepError *err)
{
	char *text;
	size_t len;
	LepStatus status = lep_folder_slurp(folder, path, arena, &text, &len, err);

	*json = NULL;
	if (status == LEP_OK)
		status = lep_json_parse(path, text, len, json, err);
	if (status == LEP_OK && !json_is_object(*json))
	{
		lep_json_free(*json);
		*json = NULL;
		status = lep_error(err, LEP_BAD_FILE, "file \"%s\" does not hold a JSON object", path);
	}
	return status;
}

/* Refuse a key whose value asks for something lepton does not do. */
LepStatus
lep_st_unsupported(const char *file, const char *key, const char *expected, LepError *err)
{
	char quoted[LEP_QUOTE_SIZE];

	lep_error(err, LEP_UNSUPPORTED, "key \"%s\" of file \"%s\" is not supported",
			  lep_error_quote(quoted, sizeof(quoted), key, strlen(key)), file);
	if (expected != NULL)
		lep_error_detail(err, "Expected %s.", expected);
	return LEP_UNSUPPORTED;
}

/* Refuse a key of a type that its reader can't have. */
LepStatus
lep_st_wrong_type(const char *file, const char *key, const char *expected, LepError *err)
{
	lep_error(err, LEP_BAD_FILE, "key \"%s\" of file \"%s\" has the wrong type", key, file);
	lep_error_detail(err, "Expected %s.", expected);
	return LEP_BAD_FILE;
}

/* Is key one of names, which ends at NULL? */
bool
lep_st_among(const char *key, const char *const *names)
{
	while (*names != NULL && strcmp(*names, key) != 0)
		names++;
	return *names != NULL;
}

/* Refuse keys of object that are not among names. */
LepStatus
lep_st_check_keys(json_t *object, const char *file, const char *const *names, LepError *err)
{
	const char *key;
	json_t *value;

	json_object_foreach(object, key, value)
	{
		if (!lep_st_among(key, names))
			return lep_st_unsupported(file, key, NULL, err);
	}
	return LEP_OK;
}

/* Copy a relative folder of modules.json to the arena, with a '/' at its end or "". */
static LepStatus
read_path(const char *path, LepArena *arena, const char **out, LepError *err)
{
	char quoted[LEP_QUOTE_SIZE];
	size_t len;
	char *copy;

	while (path[0] == '.' && path[1] == '/')
		path += 2;
	if (strcmp(path, ".") == 0)
		path++;
	len = strlen(path);
	while (len > 1 && path[len - 1] == '/')
		len--;
	lep_error_quote(quoted, sizeof(quoted), path, len);
	for (size_t at = 0, start = 0; at <= len && len > 0; at++)
	{
		if (at < len && path[at] != '/' && path[at] != '\\' && path[at] != ':')
			continue;
		if (at == start || (at < len && path[at] != '/') ||
			(path[start] == '.' && (at - start == 1 || (at - start == 2 && path[at - 1] == '.'))))
		{
			lep_error(err, LEP_BAD_FILE, "path \"%s\" in file \"modules.json\" is not allowed",
					  quoted);
			lep_error_detail(err, "Expected a folder inside the model's folder.");
			return LEP_BAD_FILE;
		}
		start = at + 1;
	}
	if (len + 2 > LEP_NAME_MAX)
		return lep_error(err, LEP_TOO_LARGE, "path \"%s\" in file \"modules.json\" is too long",
						 quoted);
	copy = lep_arena_alloc(arena, len + 2);
	if (copy == NULL)
		return lep_error(err, LEP_NO_MEMORY, "out of memory reading file \"modules.json\"");
	memcpy(copy, path, len);
	if (len > 0)
		copy[len] = '/';
	*out = copy;
	return LEP_OK;
}

/* Read the entries of modules.json. */
static LepStatus
read_entries(json_t *json, LepArena *arena, LepStModules *st, LepError *err)
{
	static const char package[] = "sentence_transformers.";
	const char *file = "modules.json";
	size_t n = json_array_size(json);
	char quoted[LEP_QUOTE_SIZE];
	const char *name;
	const char *path;
	const char *type;
	LepStatus status;

	if (!json_is_array(json) || n == 0)
		return lep_error(err, LEP_BAD_FILE, "file \"%s\" does not hold a list of modules", file);
	if (n > ENTRIES_MAX)
	{
		lep_error(err, LEP_TOO_LARGE, "file \"%s\" lists too many modules", file);
		lep_error_detail(err, "Found %zu, at most %d are allowed.", n, ENTRIES_MAX);
		return LEP_TOO_LARGE;
	}
	st->entries = lep_arena_array(arena, n, sizeof(*st->entries));
	if (st->entries == NULL)
		return lep_error(err, LEP_NO_MEMORY, "out of memory reading file \"%s\"", file);
	for (size_t i = 0; i < n; i++)
	{
		const json_t *item = json_array_get(json, i);
		LepStEntry *entry = &st->entries[i];

		status = lep_json_string(item, file, "type", true, NULL, &type, err);
		if (status == LEP_OK)
			status = lep_json_string(item, file, "path", true, NULL, &path, err);
		if (status == LEP_OK)
			status = lep_json_string(item, file, "name", true, NULL, &name, err);
		if (status == LEP_OK)
			status = read_path(path, arena, &entry->path, err);
		if (status != LEP_OK)
			return status;
		for (size_t j = 0; j < i; j++)
		{
			if (json_equal(json_object_get(json_array_get(json, j), "name"),
						   json_object_get(item, "name")))
				return lep_error(err, LEP_BAD_FILE, "file \"%s\" lists module \"%s\" twice", file,
								 lep_error_quote(quoted, sizeof(quoted), name, strlen(name)));
		}
		if (strncmp(type, package, strlen(package)) != 0)
		{
			lep_error(err, LEP_UNSUPPORTED, "module \"%s\" is not supported",
					  lep_error_quote(quoted, sizeof(quoted), type, strlen(type)));
			lep_error_detail(err,
							 "File \"%s\" names a class that is not part of "
							 "sentence-transformers.",
							 file);
			return LEP_UNSUPPORTED;
		}
		type = strrchr(type, '.') + 1;
		entry->type = lep_arena_strndup(arena, type, strlen(type));
		if (entry->type == NULL)
			return lep_error(err, LEP_NO_MEMORY, "out of memory reading file \"%s\"", file);
	}
	st->n_entries = n;
	return LEP_OK;
}

/* Copy the prompts that have a name. */
static LepStatus
read_prompts(json_t *prompts, const char *file, LepArena *arena, LepStModules *st, LepError *err)
{
	size_t n = json_object_size(prompts);
	size_t bytes = 0;
	const char *key;
	json_t *value;

	if (n > PROMPTS_MAX)
		return lep_error(err, LEP_TOO_LARGE, "file \"%s\" has more than %d prompts", file,
						 PROMPTS_MAX);
	st->prompts = lep_arena_array(arena, 2 * n, sizeof(char *));
	if (st->prompts == NULL)
		return lep_error(err, LEP_NO_MEMORY, "out of memory reading file \"%s\"", file);
	json_object_foreach(prompts, key, value)
	{
		const char *text = json_is_null(value) ? "" : json_string_value(value);
		const char **pair = st->prompts + 2 * st->n_prompts;

		if (text == NULL)
			return lep_st_wrong_type(file, "prompts", "an object of texts", err);
		bytes += strlen(key) + strlen(text);
		if (bytes > PROMPTS_BYTES)
			return lep_error(err, LEP_TOO_LARGE, "prompts in file \"%s\" are too long", file);
		pair[0] = lep_arena_strndup(arena, key, strlen(key));
		pair[1] = lep_arena_strndup(arena, text, strlen(text));
		if (pair[0] == NULL || pair[1] == NULL)
			return lep_error(err, LEP_NO_MEMORY, "out of memory reading file \"%s\"", file);
		st->n_prompts++;
	}
	return LEP_OK;
}

/* Read the default prompt of config_sentence_transformers.json. */
static LepStatus
read_prompt(const json_t *config, const char *file, LepArena *arena, LepStModules *st,
			LepError *err)
{
	json_t *prompts = json_object_get(config, "prompts");
	const char *name;
	const char *text = "";
	json_t *value;
	char quoted[LEP_QUOTE_SIZE];
	LepStatus status;

	if (prompts != NULL && !json_is_object(prompts))
		return lep_st_wrong_type(file, "prompts", "an object of texts", err);
	status = read_prompts(prompts, file, arena, st, err);
	if (status != LEP_OK)
		return status;
	status = lep_json_string(config, file, "default_prompt_name", false, NULL, &name, err);
	if (status != LEP_OK || name == NULL)
		return status;
	value = json_object_get(prompts, name);
	if (value == NULL && strcmp(name, "query") != 0 && strcmp(name, "document") != 0)
	{
		lep_error(err, LEP_BAD_FILE, "default prompt \"%s\" is not among the prompts",
				  lep_error_quote(quoted, sizeof(quoted), name, strlen(name)));
		lep_error_detail(err,
						 "Key \"default_prompt_name\" of file \"%s\" names a key of "
						 "\"prompts\".",
						 file);
		return LEP_BAD_FILE;
	}
	if (json_is_string(value))
		text = json_string_value(value);
	if (strlen(text) > PROMPT_MAX)
	{
		lep_error(err, LEP_TOO_LARGE, "default prompt in file \"%s\" is too long", file);
		lep_error_detail(err, "It has %zu bytes; at most %d are allowed.", strlen(text),
						 PROMPT_MAX);
		return LEP_TOO_LARGE;
	}
	st->prompt = lep_arena_strndup(arena, text, strlen(text));
	if (st->prompt == NULL)
		return lep_error(err, LEP_NO_MEMORY, "out of memory reading file \"%s\"", file);
	return LEP_OK;
}

/* Read config_sentence_transformers.json, if it is there. */
static LepStatus
read_model_config(LepFolder *folder, LepArena *arena, LepStModules *st, LepError *err)
{
	const char *file = "config_sentence_transformers.json";
	const char *type;
	int64_t truncate;
	int64_t most;
	json_t *json;
	LepStatus status;

	if (lep_folder_find(folder, file) < 0)
		return LEP_OK;
	status = lep_folder_json(folder, file, arena, &json, err);
	if (status != LEP_OK)
		return status;
	status = lep_json_string(json, file, "model_type", false, st->model_type, &type, err);
	if (status == LEP_OK && strcmp(type, st->model_type) != 0)
		st->model_type = lep_arena_strndup(arena, type, strlen(type));
	if (status == LEP_OK && st->model_type == NULL)
		status = lep_error(err, LEP_NO_MEMORY, "out of memory reading file \"%s\"", file);
	if (status == LEP_OK)
		status = read_prompt(json, file, arena, st, err);
	if (status == LEP_OK)
		status = lep_json_int(json, file, "truncate_dim", false, 0, 1, INT32_MAX, &truncate, err);
	if (status == LEP_OK)
		st->truncate_dim = (uint32_t) truncate;
	if (status == LEP_OK)
		status = lep_json_int(json, file, "max_active_dims", false, 0, 1, INT32_MAX, &most, err);
	if (status == LEP_OK)
		st->sparse_most = (uint32_t) most;
	lep_json_free(json);
	return status;
}

/* Read arguments that sentence-transformers hands to the loading of model, tokenizer or config. */
static LepStatus
read_arguments(const json_t *config, const char *file, LepStModules *st, LepError *err)
{
	static const char *const groups[] = {"model_args",		 "model_kwargs", "tokenizer_args",
										 "processor_kwargs", "config_args",	 "config_kwargs"};
	static const char *const harmless[] = {
		"attn_implementation", "cache_dir", "device_map",	   "dtype",		  "local_files_only",
		"low_cpu_mem_usage",   "revision",	"token",		   "torch_dtype", "trust_remote_code",
		"use_cache",		   "use_fast",	"use_safetensors", NULL};

	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
	{
		json_t *group = json_object_get(config, groups[i]);
		const char *key;
		json_t *value;

		if (group == NULL || json_is_null(group))
			continue;
		if (!json_is_object(group))
			return lep_st_wrong_type(file, groups[i], "an object", err);
		json_object_foreach(group, key, value)
		{
			if (strcmp(key, "model_max_length") == 0 && (i == 2 || i == 3))
			{
				LepStatus status = lep_json_int(group, file, key, false, 0, 1, INT32_MAX,
												&st->model_max_length, err);

				if (status != LEP_OK)
					return status;
			}
			else if (!lep_st_among(key, harmless))
				return lep_st_unsupported(file, key, NULL, err);
		}
	}
	return LEP_OK;
}

/* Accept modality_config and module_output_name only as every text encoder has them. */
static LepStatus
check_modality(const json_t *config, const char *file, bool sparse, LepError *err)
{
	const json_t *modalities = json_object_get(config, "modality_config");
	const json_t *text = json_object_get(modalities, "text");
	const char *method;
	const char *output;
	const char *module_output;
	LepStatus status;

	if (modalities == NULL || json_is_null(modalities))
		return LEP_OK;
	if (!json_is_object(modalities))
		return lep_st_wrong_type(file, "modality_config", "an object", err);
	if (text == NULL || json_object_get(modalities, "message") != NULL)
		return lep_st_unsupported(file, "modality_config", "plain text and no chat messages", err);
	status = lep_json_string(text, file, "method", true, NULL, &method, err);
	if (status == LEP_OK)
		status = lep_json_string(text, file, "method_output_name", true, NULL, &output, err);
	if (status == LEP_OK)
		status =
			lep_json_string(config, file, "module_output_name", true, NULL, &module_output, err);
	if (status != LEP_OK)
		return status;
	if (strcmp(method, "forward") != 0 ||
		strcmp(output, sparse ? "logits" : "last_hidden_state") != 0)
		return lep_st_unsupported(file, "modality_config",
								  sparse ? "the output \"logits\" of \"forward\""
										 : "the output \"last_hidden_state\" of \"forward\"",
								  err);
	if (strcmp(module_output, "token_embeddings") != 0)
		return lep_st_unsupported(file, "module_output_name", "\"token_embeddings\"", err);
	return LEP_OK;
}

/* Read processing_kwargs: of all settings of a call, the length of texts alone. */
static LepStatus
read_processing(json_t *config, const char *file, LepStModules *st, LepError *err)
{
	static const char *const known[] = {"text", NULL};
	static const char *const settings[] = {"max_length", "padding", "truncation", NULL};
	json_t *processing = json_object_get(config, "processing_kwargs");
	json_t *text = json_object_get(processing, "text");
	const json_t *truncation = json_object_get(text, "truncation");
	LepStatus status;

	if (processing == NULL || json_is_null(processing))
		return LEP_OK;
	if (!json_is_object(processing) || (text != NULL && !json_is_object(text)))
		return lep_st_wrong_type(file, "processing_kwargs", "an object of objects", err);
	status = lep_st_check_keys(processing, file, known, err);
	if (status == LEP_OK && text != NULL)
		status = lep_st_check_keys(text, file, settings, err);
	if (status != LEP_OK || text == NULL)
		return status;
	if (truncation != NULL && !json_is_true(truncation) &&
		!(json_is_string(truncation) &&
		  strcmp(json_string_value(truncation), "longest_first") == 0))
		return lep_st_unsupported(file, "truncation", "\"longest_first\"", err);
	return lep_json_int(text, file, "max_length", false, 0, 1, INT32_MAX, &st->call_max_length,
						err);
}

/* Read the settings of the transformer module. */
static LepStatus
read_transformer_keys(json_t *config, const char *file, LepStModules *st, LepError *err)
{
	static const char *const known[] = {"backend",
										"cache_dir",
										"config_args",
										"config_kwargs",
										"do_lower_case",
										"document_length",
										"max_seq_length",
										"modality_config",
										"model_args",
										"model_kwargs",
										"module_output_name",
										"processing_kwargs",
										"processor_kwargs",
										"query_expansion",
										"query_length",
										"tokenizer_args",
										"tokenizer_name_or_path",
										"transformer_task",
										"unpad_inputs",
										NULL};
	const char *usual =
		strcmp(st->entries[0].type, "MLMTransformer") == 0 ? "fill-mask" : "feature-extraction";
	const char *task;
	const char *tokenizer;
	LepStatus status = lep_st_check_keys(config, file, known, err);

	if (status == LEP_OK)
		status = lep_json_int(config, file, "max_seq_length", false, 0, 1, INT32_MAX,
							  &st->max_seq_length, err);
	if (status == LEP_OK)
		status = lep_json_bool(config, file, "do_lower_case", false, false, &st->lower_first, err);
	if (status == LEP_OK)
		status = lep_json_string(config, file, "transformer_task", false, usual, &task, err);
	if (status == LEP_OK && strcmp(task, st->sparse ? "fill-mask" : "feature-extraction") != 0)
		status = lep_st_unsupported(file, "transformer_task",
									st->sparse ? "\"fill-mask\"" : "\"feature-extraction\"", err);
	if (status == LEP_OK)
		status =
			lep_json_string(config, file, "tokenizer_name_or_path", false, NULL, &tokenizer, err);
	if (status == LEP_OK && tokenizer != NULL)
		status = lep_st_unsupported(file, "tokenizer_name_or_path",
									"the tokenizer in the model's folder", err);
	if (status == LEP_OK)
		status = check_modality(config, file, st->sparse, err);
	if (status == LEP_OK)
		status = read_processing(config, file, st, err);
	if (status == LEP_OK)
		status = read_arguments(config, file, st, err);
	return status;
}

/* Read the transformer's settings from the first file that has any. */
static LepStatus
read_transformer(LepFolder *folder, LepArena *arena, LepStModules *st, LepError *err)
{
	static const char *const names[] = {
		"sentence_bert_config.json",	   "sentence_roberta_config.json",
		"sentence_distilbert_config.json", "sentence_camembert_config.json",
		"sentence_albert_config.json",	   "sentence_xlm-roberta_config.json",
		"sentence_xlnet_config.json"};
	char file[LEP_NAME_MAX + 64];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
	{
		json_t *json;
		LepStatus status;
		bool empty;

		snprintf(file, sizeof(file), "%s%s", st->entries[0].path, names[i]);
		if (lep_folder_find(folder, file) < 0)
			continue;
		status = lep_folder_json(folder, file, arena, &json, err);
		if (status != LEP_OK)
			return status;
		empty = json_object_size(json) == 0;
		if (!empty)
			status = read_transformer_keys(json, file, st, err);
		lep_json_free(json);
		if (status != LEP_OK || !empty)
			return status;
	}
	return LEP_OK;
}

/* Check the first module; learn whether SpladePooling stands behind it. */
static LepStatus
check_first(LepStModules *st, const char *file, LepError *err)
{
	char quoted[LEP_QUOTE_SIZE];
	const char *type = st->entries[0].type;

	st->sparse = st->n_entries > 1 && strcmp(st->entries[1].type, "SpladePooling") == 0;
	if (strcmp(type, "Transformer") == 0 || (st->sparse && strcmp(type, "MLMTransformer") == 0))
		return LEP_OK;
	lep_error(err, LEP_UNSUPPORTED, "module \"%s\" is not supported",
			  lep_error_quote(quoted, sizeof(quoted), type, strlen(type)));
	lep_error_detail(err, "File \"%s\" starts with it, expected \"Transformer\".", file);
	return LEP_UNSUPPORTED;
}

/* Read what sentence-transformers says about the folder. */
LepStatus
lep_st_open(LepFolder *folder, LepArena *arena, LepStModules **st, LepError *err)
{
	const char *file = "modules.json";
	LepStModules *new;
	char *text;
	size_t len;
	json_t *json;
	LepStatus status;

	*st = NULL;
	if (lep_folder_find(folder, file) < 0)
		return LEP_OK;
	new = lep_arena_alloc(arena, sizeof(*new));
	if (new == NULL)
		return lep_error(err, LEP_NO_MEMORY, "out of memory reading file \"%s\"", file);
	new->model_type = "SentenceTransformer";
	new->prompt = "";
	status = lep_folder_slurp(folder, file, arena, &text, &len, err);
	if (status == LEP_OK)
		status = lep_json_parse(file, text, len, &json, err);
	if (status != LEP_OK)
		return status;
	status = read_model_config(folder, arena, new, err);
	if (status == LEP_OK && (strcmp(new->model_type, "SentenceTransformer") == 0 ||
							 strcmp(new->model_type, "SparseEncoder") == 0))
	{
		status = read_entries(json, arena, new, err);
		if (status == LEP_OK)
			status = check_first(new, file, err);
		if (status == LEP_OK)
			status = read_transformer(folder, arena, new, err);
	}
	lep_json_free(json);
	if (status == LEP_OK)
		*st = new;
	return status;
}
