/*
 * source.c: opens a Hugging Face folder: decides which files make up the
 * model, reads them in order and checks them against each other.
 */
#define LEPTON_ENGINE_SOURCE
#include "source.h"

#include <stdio.h>
#include <string.h>

#include "families/family.h"
#include "graph.h"
#include "labels.h"
#include "st_modules.h"
#include "tokenizer.h"

#define UNLIMITED	 INT64_MAX
#define TEXTS_MAX	 (1 << 24)			 /* bytes of all labels and the prompt */
#define PATH_SIZE	 (LEP_NAME_MAX + 64) /* of a file's path built here */
#define STOP_STEP	 1024				 /* names between two looks at the stop callback */
#define CONVERT_HINT "Save the model with safe_serialization=True to get model.safetensors."

/* What the steps of lep_source_open share. */
typedef struct Opening
{
	LepFolder *folder;
	LepArena *arena;
	const LepStop *stop;
	LepError *err;
	LepSource *s;
	LepDesc *desc;
	LepStModules *st; /* NULL: no modules.json */
	const LepFamily *family;
	const char *dir;	 /* the transformer's folder, with '/' at its end, or "" */
	const char **labels; /* [desc->n_labels] */
} Opening;

/* Report that memory ran out. */
static LepStatus
no_memory(const Opening *o)
{
	return lep_error(o->err, LEP_NO_MEMORY, "out of memory opening a model");
}

/* Path of one of the transformer's files. */
static const char *
path_of(const Opening *o, char path[PATH_SIZE], const char *name)
{
	snprintf(path, PATH_SIZE, "%s%s", o->dir, name);
	return path;
}

/* Is name among names, which ends at NULL? */
static bool
is_among(const char *name, const char *const *names)
{
	while (*names != NULL && strcmp(*names, name) != 0)
		names++;
	return *names != NULL;
}

/* Find the family that config's model_type names. */
static LepStatus
choose_family(Opening *o, const json_t *config, const char *file)
{
	char quoted[LEP_QUOTE_SIZE];
	char known[256];
	const char *type;
	LepStatus status = lep_json_string(config, file, "model_type", true, NULL, &type, o->err);

	if (status != LEP_OK)
		return status;
	o->family = lep_family_find(type);
	if (o->family == NULL)
	{
		lep_error(o->err, LEP_UNSUPPORTED, "model type \"%s\" is not supported",
				  lep_error_quote(quoted, sizeof(quoted), type, strlen(type)));
		lep_error_detail(o->err, "Key \"model_type\" of file \"%s\" names it; supported are: %s.",
						 file, lep_family_list(known, sizeof(known)));
		return LEP_UNSUPPORTED;
	}
	snprintf(o->desc->family, sizeof(o->desc->family), "%s", o->family->model_type);
	return LEP_OK;
}

/* Decide the task: modules.json means embedding, else the architecture says it. */
static LepStatus
choose_task(Opening *o, const json_t *config, const char *file)
{
	const json_t *list = json_object_get(config, "architectures");
	const json_t *first = json_array_get(list, 0);
	char quoted[LEP_QUOTE_SIZE] = "";
	bool classify;

	if (list != NULL && !json_is_null(list) &&
		(!json_is_array(list) || (first != NULL && !json_is_string(first))))
		return lep_error(o->err, LEP_BAD_FILE,
						 "key \"architectures\" of file \"%s\" is not a list of names", file);
	classify = first != NULL && is_among(json_string_value(first), o->family->classify);
	if (first != NULL)
		lep_error_quote(quoted, sizeof(quoted), json_string_value(first),
						json_string_length(first));
	o->desc->task = classify ? LEP_TASK_CLASSIFY : LEP_TASK_EMBED;
	if (o->st != NULL && strcmp(o->st->model_type, "SentenceTransformer") == 0)
		o->desc->task = LEP_TASK_EMBED;
	else if (o->st != NULL && !(classify && strcmp(o->st->model_type, "CrossEncoder") == 0))
	{
		lep_error_quote(quoted, sizeof(quoted), o->st->model_type, strlen(o->st->model_type));
		lep_error(o->err, LEP_UNSUPPORTED, "models of type \"%s\" are not supported", quoted);
		lep_error_detail(o->err, "Key \"model_type\" of file "
								 "\"config_sentence_transformers.json\" names it.");
		return LEP_UNSUPPORTED;
	}
	else if (first != NULL && !classify && !is_among(json_string_value(first), o->family->embed))
	{
		lep_error(o->err, LEP_UNSUPPORTED, "architecture \"%s\" is not supported", quoted);
		lep_error_detail(o->err,
						 "Key \"architectures\" of file \"%s\" names it; supported are "
						 "encoders (\"%s\") and \"%s\".",
						 file, o->family->embed[0], o->family->classify[0]);
		return LEP_UNSUPPORTED;
	}
	return LEP_OK;
}

/* Read config.json. */
static LepStatus
read_config(Opening *o)
{
	char path[PATH_SIZE];
	json_t *config;
	LepStatus status;

	if (lep_folder_find(o->folder, path_of(o, path, "adapter_config.json")) >= 0)
	{
		lep_error(o->err, LEP_UNSUPPORTED, "adapters are not supported");
		lep_error_detail(o->err, "The folder has a file \"%s\".", path);
		lep_error_hint(o->err, "Merge the adapter into its base model and save that.");
		return LEP_UNSUPPORTED;
	}
	path_of(o, path, "config.json");
	status = lep_folder_json(o->folder, path, o->arena, &config, o->err);
	if (status != LEP_OK)
		return status;
	status = choose_family(o, config, path);
	if (status == LEP_OK)
		status = choose_task(o, config, path);
	if (status == LEP_OK)
		status = lep_config_refuse(config, path, o->err);
	if (status == LEP_OK)
		status = o->family->read_config(config, path, o->desc, o->err);
	if (status == LEP_OK && o->desc->task == LEP_TASK_CLASSIFY)
		status = lep_labels_read(config, path, o->arena, o->desc, &o->labels, o->err);
	lep_json_free(config);
	return status;
}

/* Read what follows the encoder of an embedding model. */
static LepStatus
read_modules(Opening *o)
{
	LepDesc *desc = o->desc;

	if (desc->task == LEP_TASK_CLASSIFY)
		return LEP_OK;
	if (o->st != NULL)
		return lep_st_modules(o->folder, o->arena, o->st, desc, o->err);
	desc->n_modules = 1;
	desc->modules[0] = (LepModule){
		.kind = LEP_MODULE_POOL,
		.d_in = desc->hidden,
		.d_out = desc->hidden,
		.pools = {LEP_POOL_MEAN},
	};
	return LEP_OK;
}

/* Put labels and prompt behind the description. */
static LepStatus
write_texts(Opening *o)
{
	bool prompted = o->st != NULL && o->desc->task == LEP_TASK_EMBED;
	const char *prompt = prompted ? o->st->prompt : "";
	size_t size = strlen(prompt) + 1;
	char *texts;

	for (uint32_t i = 0; i < o->desc->n_labels; i++)
		size += strlen(o->labels[i]) + 1;
	if (size > TEXTS_MAX)
	{
		lep_error(o->err, LEP_TOO_LARGE, "labels are too long");
		lep_error_detail(o->err, "They have %zu bytes; at most %d are allowed.", size, TEXTS_MAX);
		return LEP_TOO_LARGE;
	}
	texts = lep_arena_alloc(o->arena, size);
	if (texts == NULL)
		return no_memory(o);
	o->desc->text_bytes = (uint32_t) size;
	o->s->view = (LepDescView){o->desc, texts};
	for (uint32_t i = 0; i < o->desc->n_labels; i++)
	{
		memcpy(texts, o->labels[i], strlen(o->labels[i]) + 1);
		texts += strlen(o->labels[i]) + 1;
	}
	memcpy(texts, prompt, strlen(prompt) + 1);
	return LEP_OK;
}

/* Slurp an optional file of the transformer; *text stays NULL when it is not there. */
static LepStatus
slurp_optional(Opening *o, const char *name, char **text, size_t *len)
{
	char path[PATH_SIZE];

	*text = NULL;
	*len = 0;
	if (lep_folder_find(o->folder, path_of(o, path, name)) < 0)
		return LEP_OK;
	return lep_folder_slurp(o->folder, path, o->arena, text, len, o->err);
}

/* Read model_max_length as transformers reads tokenizer_config.json: UNLIMITED without one. */
static LepStatus
read_max_length(Opening *o, const char *text, size_t len, int64_t *max)
{
	char path[PATH_SIZE];
	const char *key = "model_max_length";
	const json_t *value;
	json_t *config;
	LepStatus status;

	*max = UNLIMITED;
	if (text == NULL)
		return LEP_OK;
	status = lep_json_parse(path_of(o, path, "tokenizer_config.json"), text, len, &config, o->err);
	if (status != LEP_OK)
		return status;
	if (json_object_get(config, key) == NULL)
		key = "max_len";
	value = json_object_get(config, key);
	/* Numbers beyond 2^63 come as reals; the libraries write 1e30 for "no limit". */
	if (!json_is_real(value) || json_real_value(value) < 9e18)
		status = lep_json_int(config, path, key, false, UNLIMITED, 1, INT64_MAX, max, o->err);
	lep_json_free(config);
	return status;
}

/* Decide the truncation limit, as the library that serves the task does. */
static LepStatus
choose_max_tokens(Opening *o, int64_t tokenizer_max, const LepTokenizer *tok)
{
	int64_t max = tokenizer_max;
	size_t n_special = lep_tokenizer_special_count(tok);

	if (o->desc->task == LEP_TASK_EMBED && o->st != NULL)
	{
		if (o->st->call_max_length > 0)
			max = o->st->call_max_length;
		else if (o->st->model_max_length > 0)
			max = o->st->model_max_length;
		else if (o->st->max_seq_length > 0)
			max = o->st->max_seq_length;
	}
	if (max > o->desc->n_positions)
		max = o->desc->n_positions;
	if ((uint64_t) max < n_special || max < 1)
	{
		lep_error(o->err, LEP_BAD_FILE, "maximal length of a text is too small");
		lep_error_detail(o->err, "It is %lld tokens; the tokenizer adds %zu special ones.",
						 (long long) max, n_special);
		return LEP_BAD_FILE;
	}
	o->desc->max_tokens = (uint32_t) max;
	o->desc->lower_first = o->st != NULL && o->desc->task == LEP_TASK_EMBED && o->st->lower_first;
	return LEP_OK;
}

/* Tokenize two texts: to check the segment types, and to measure the prompt. */
static LepStatus
try_tokenizer(Opening *o, const LepTokenizer *tok, LepTokenScratch *scratch)
{
	const char *prompt = lep_desc_prompt(&o->s->view);
	LepTokenizeOptions options = {.max_tokens = o->desc->max_tokens,
								  .add_special = true,
								  .lower_first = o->desc->lower_first};
	LepTokens tokens;
	LepStatus status = lep_tokenize(tok, scratch, "a", 1, &options, &tokens, o->stop, o->err);

	for (size_t i = 0; status == LEP_OK && i < tokens.n; i++)
	{
		if (tokens.types[i] >= 0 && (uint32_t) tokens.types[i] < o->desc->n_types)
			continue;
		lep_error(o->err, LEP_BAD_FILE, "tokenizer and model do not fit together");
		lep_error_detail(o->err, "The post-processor gives type id %d; \"type_vocab_size\" is %u.",
						 tokens.types[i], o->desc->n_types);
		return LEP_BAD_FILE;
	}
	if (status != LEP_OK || prompt[0] == '\0')
		return status;
	status = lep_tokenize(tok, scratch, prompt, strlen(prompt), &options, &tokens, o->stop, o->err);
	if (status != LEP_OK)
		return status;
	/* A closing special token is not the prompt's. */
	if (tokens.n > 0 && lep_tokenizer_special_count(tok) > 0 && tokens.spans[tokens.n - 1].end == 0)
		tokens.n--;
	o->desc->prompt_tokens = (uint32_t) tokens.n;
	return LEP_OK;
}

/* Build the tokenizer's tables. */
static LepStatus
build_tokenizer(Opening *o, const char *config, size_t config_len)
{
	char path[PATH_SIZE];
	char *text[3];
	size_t len[3];
	LepStatus status = slurp_optional(o, "tokenizer.json", &text[0], &len[0]);

	if (status != LEP_OK)
		return status;
	if (text[0] != NULL)
		return lep_tokenizer_build(text[0], len[0], o->desc->vocab, o->arena, &o->s->tokenizer,
								   &o->s->tokenizer_size, o->err);
	status = slurp_optional(o, "vocab.txt", &text[0], &len[0]);
	if (status == LEP_OK)
		status = slurp_optional(o, "special_tokens_map.json", &text[1], &len[1]);
	if (status == LEP_OK)
		status = slurp_optional(o, "added_tokens.json", &text[2], &len[2]);
	if (status != LEP_OK)
		return status;
	if (text[0] == NULL)
	{
		lep_error(o->err, LEP_MISSING, "file \"%s\" is missing",
				  path_of(o, path, "tokenizer.json"));
		lep_error_detail(o->err, "There is no \"%s\" either.", path_of(o, path, "vocab.txt"));
		return LEP_MISSING;
	}
	return lep_tokenizer_build_vocab(text[0], len[0], config, config_len, text[1], len[1], text[2],
									 len[2], o->desc->vocab, o->arena, &o->s->tokenizer,
									 &o->s->tokenizer_size, o->err);
}

/* Read the tokenizer and all that depends on it. */
static LepStatus
read_tokenizer(Opening *o)
{
	LepTokenScratch *scratch;
	LepTokenizer tok;
	int64_t max;
	char *config;
	size_t len;
	LepStatus status = slurp_optional(o, "tokenizer_config.json", &config, &len);

	if (status == LEP_OK)
		status = build_tokenizer(o, config, len);
	if (status == LEP_OK)
		status = lep_tokenizer_open(o->s->tokenizer, o->s->tokenizer_size, &tok, o->err);
	if (status == LEP_OK)
		status = read_max_length(o, config, len, &max);
	if (status == LEP_OK)
		status = choose_max_tokens(o, max, &tok);
	if (status != LEP_OK)
		return status;
	scratch = lep_token_scratch_new(o->arena->allocator);
	if (scratch == NULL)
		return no_memory(o);
	status = try_tokenizer(o, &tok, scratch);
	lep_token_scratch_free(scratch);
	return status;
}

/* Is name a plain file name, as an index may name it? */
static bool
is_base_name(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len > LEP_PATH_MAX || name[0] == '.')
		return false;
	return strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == len;
}

/* Read every file that weight_map names, once; numbers[name] becomes its number. */
static LepStatus
read_shards(Opening *o, json_t *weight_map, const char *file, json_t *numbers)
{
	char quoted[LEP_QUOTE_SIZE];
	char path[PATH_SIZE + LEP_PATH_MAX];
	const char *key;
	json_t *value;
	LepStatus status;
	size_t n = 0;

	json_object_foreach(weight_map, key, value)
	{
		const char *name = json_string_value(value);
		int shard;

		if (n++ % STOP_STEP == 0 && lep_stopped(o->stop))
			return lep_error(o->err, LEP_CANCELLED, "reading of file \"%s\" was cancelled", file);
		if (name != NULL && json_object_get(numbers, name) != NULL)
			continue;
		if (name == NULL || !is_base_name(name))
		{
			lep_error_quote(quoted, sizeof(quoted), name != NULL ? name : "",
							name != NULL ? strlen(name) : 0);
			lep_error(o->err, LEP_BAD_FILE, "file name \"%s\" in file \"%s\" is not allowed",
					  quoted, file);
			lep_error_detail(o->err, "Key \"weight_map\" must name files of the same folder.");
			return LEP_BAD_FILE;
		}
		snprintf(path, sizeof(path), "%s%s", o->dir, name);
		shard = lep_folder_find(o->folder, path);
		if (shard < 0)
		{
			lep_error(o->err, LEP_MISSING, "file \"%s\" is missing",
					  lep_error_quote(quoted, sizeof(quoted), path, strlen(path)));
			lep_error_detail(o->err, "File \"%s\" names it.", file);
			return LEP_MISSING;
		}
		status = lep_safetensors_read(o->folder, (size_t) shard, o->arena, &o->s->tensors, o->stop,
									  o->err);
		if (status != LEP_OK)
			return status;
		if (json_object_set_new(numbers, name, json_integer(shard)) != 0)
			return no_memory(o);
	}
	return LEP_OK;
}

/* Check that every tensor is in the file that weight_map names. */
static LepStatus
check_index(const Opening *o, json_t *weight_map, const char *file, const json_t *numbers)
{
	char quoted[LEP_QUOTE_SIZE];
	const char *key;
	json_t *value;

	json_object_foreach(weight_map, key, value)
	{
		const LepTensor *t = lep_tensor_find(o->s->tensors, key);
		json_int_t shard = json_integer_value(json_object_get(numbers, json_string_value(value)));

		if (t != NULL && (json_int_t) t->file == shard)
			continue;
		lep_error(o->err, LEP_MISSING, "tensor \"%s\" is missing",
				  lep_error_quote(quoted, sizeof(quoted), key, strlen(key)));
		lep_error_detail(o->err, "File \"%s\" says that it is in file \"%s\".", file,
						 o->folder->files[shard].path);
		return LEP_MISSING;
	}
	return LEP_OK;
}

/* Read the weights' directory from an index and its shards. */
static LepStatus
read_index(Opening *o, const char *file)
{
	json_t *index;
	json_t *map;
	json_t *numbers;
	LepStatus status = lep_folder_json(o->folder, file, o->arena, &index, o->err);

	if (status != LEP_OK)
		return status;
	map = json_object_get(index, "weight_map");
	numbers = json_object();
	if (numbers == NULL)
		status = no_memory(o);
	else if (!json_is_object(map) || json_object_size(map) == 0)
		status =
			lep_error(o->err, LEP_BAD_FILE,
					  "key \"weight_map\" of file \"%s\" is not an object of file names", file);
	else
		status = read_shards(o, map, file, numbers);
	if (status == LEP_OK)
		status = check_index(o, map, file, numbers);
	json_decref(numbers);
	lep_json_free(index);
	return status;
}

/* Report a file of weights that is not there. */
static LepStatus
missing_weights(const Opening *o, const char *path)
{
	lep_error(o->err, LEP_MISSING, "file \"%s\" is missing", path);
	lep_error_detail(o->err, "Weights are read from safetensors files alone.");
	lep_error_hint(o->err, CONVERT_HINT);
	return LEP_MISSING;
}

/* Read the directories of all weights. */
static LepStatus
read_weights(Opening *o)
{
	char path[PATH_SIZE];
	char index[PATH_SIZE];
	int file = lep_folder_find(o->folder, path_of(o, path, "model.safetensors"));
	LepStatus status;

	path_of(o, index, "model.safetensors.index.json");
	if (file >= 0)
		status = lep_safetensors_read(o->folder, (size_t) file, o->arena, &o->s->tensors, o->stop,
									  o->err);
	else if (lep_folder_find(o->folder, index) >= 0)
		status = read_index(o, index);
	else
		return missing_weights(o, path);
	for (uint32_t i = 0; status == LEP_OK && i < o->desc->n_modules; i++)
	{
		const LepModule *m = &o->desc->modules[i];

		if (m->kind != LEP_MODULE_DENSE && m->kind != LEP_MODULE_NORM)
			continue;
		snprintf(path, sizeof(path), "%smodel.safetensors", m->path);
		file = lep_folder_find(o->folder, path);
		if (file < 0)
			return missing_weights(o, path);
		status = lep_safetensors_read(o->folder, (size_t) file, o->arena, &o->s->module_tensors[i],
									  o->stop, o->err);
	}
	return status;
}

/* Learn whether tensors bear the family's prefix and in which type most weights are. */
static void
look_at_weights(Opening *o)
{
	static const char *const names[] = {"f32", "f16", "bf16"};
	const char *prefix = o->family->prefix;
	uint64_t bytes[3] = {0};
	LepTensorType most = LEP_TENSOR_F32;

	for (size_t i = 0; i < lep_tensor_count(o->s->tensors); i++)
	{
		const LepTensor *t = lep_tensor_at(o->s->tensors, i);

		if (strncmp(t->name, prefix, strlen(prefix)) == 0)
			snprintf(o->s->prefix, sizeof(o->s->prefix), "%s", prefix);
		if (t->type < LEP_TENSOR_OTHER)
			bytes[t->type] += t->size;
	}
	for (LepTensorType type = LEP_TENSOR_F16; type <= LEP_TENSOR_BF16; type++)
		most = bytes[type] > bytes[most] ? type : most;
	snprintf(o->s->stored, sizeof(o->s->stored), "%s", names[most]);
}

/* Check the description and that all the weights its graph needs are there. */
static LepStatus
check_graph(Opening *o)
{
	LepGraph *graph;
	LepStatus status = lep_desc_check(&o->s->view, o->err);

	if (status == LEP_OK)
		status = lep_graph_build(&o->s->view, NULL, o->arena, &graph, o->err);
	if (status == LEP_OK)
		status = lep_graph_check_source(graph, o->s, &o->desc->n_parameters, o->err);
	return status;
}

/* Open a folder. */
LepStatus
lep_source_open(LepFolder *folder, LepArena *arena, LepSource **source, const LepStop *stop,
				LepError *err)
{
	static LepStatus (*const steps[])(Opening * o) = {read_config, read_modules, write_texts,
													  read_tokenizer, read_weights};
	Opening o = {.folder = folder, .arena = arena, .stop = stop, .err = err, .dir = ""};
	LepStatus status;

	*source = NULL;
	o.s = lep_arena_alloc(arena, sizeof(*o.s));
	o.desc = lep_arena_alloc(arena, sizeof(*o.desc));
	if (o.s == NULL || o.desc == NULL)
		return no_memory(&o);
	o.s->folder = folder;
	for (size_t i = 0; i < folder->n_files; i++)
		folder->files[i].used = false;
	status = lep_st_open(folder, arena, &o.st, err);
	if (status == LEP_OK && o.st != NULL && o.st->n_entries > 0)
		o.dir = o.st->entries[0].path;
	for (size_t i = 0; status == LEP_OK && i < sizeof(steps) / sizeof(steps[0]); i++)
	{
		if (lep_stopped(stop))
			status = lep_error(err, LEP_CANCELLED, "opening of a model was cancelled");
		else
			status = steps[i](&o);
	}
	if (status != LEP_OK)
		return status;
	look_at_weights(&o);
	status = check_graph(&o);
	if (status == LEP_OK)
		*source = o.s;
	return status;
}
