/*
 * source.c: opens a Hugging Face folder: decides which files make up the
 * model, reads them in order and checks them against each other.
 */
#define LEPTON_ENGINE_SOURCE

#include <stdio.h>
#include <string.h>

#include "graph.h"
#include "labels.h"
#include "source_opening.h"

#define TEXTS_MAX	 (1 << 24) /* bytes of all labels and the prompt */
#define STOP_STEP	 1024	   /* names between two looks at the stop callback */
#define CONVERT_HINT "Save the model with safe_serialization=True to get model.safetensors."

/* Report that memory ran out. */
LepStatus
lep_opening_no_memory(const LepOpening *o)
{
	return lep_error(o->err, LEP_NO_MEMORY, "out of memory opening a model");
}

/* Path of one of the transformer's files. */
const char *
lep_opening_path(const LepOpening *o, char path[LEP_OPENING_PATH], const char *name)
{
	snprintf(path, LEP_OPENING_PATH, "%s%s", o->dir, name);
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
choose_family(LepOpening *o, const json_t *config, const char *file)
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
choose_task(LepOpening *o, const json_t *config, const char *file)
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
read_config(LepOpening *o)
{
	char path[LEP_OPENING_PATH];
	json_t *config;
	LepStatus status;

	if (lep_folder_find(o->folder, lep_opening_path(o, path, "adapter_config.json")) >= 0)
	{
		lep_error(o->err, LEP_UNSUPPORTED, "adapters are not supported");
		lep_error_detail(o->err, "The folder has a file \"%s\".", path);
		lep_error_hint(o->err, "Merge the adapter into its base model and save that.");
		return LEP_UNSUPPORTED;
	}
	lep_opening_path(o, path, "config.json");
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
read_modules(LepOpening *o)
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

/* Put labels, prompt and an empty precision string behind the description. */
static LepStatus
write_texts(LepOpening *o)
{
	bool prompted = o->st != NULL && o->desc->task == LEP_TASK_EMBED;
	const char *prompt = prompted ? o->st->prompt : "";
	size_t size = strlen(prompt) + 2;
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
		return lep_opening_no_memory(o);
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
read_shards(LepOpening *o, json_t *weight_map, const char *file, json_t *numbers)
{
	char quoted[LEP_QUOTE_SIZE];
	char path[LEP_OPENING_PATH + LEP_PATH_MAX];
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
			return lep_opening_no_memory(o);
	}
	return LEP_OK;
}

/* Check that every tensor is in the file that weight_map names. */
static LepStatus
check_index(const LepOpening *o, json_t *weight_map, const char *file, const json_t *numbers)
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
read_index(LepOpening *o, const char *file)
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
		status = lep_opening_no_memory(o);
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
missing_weights(const LepOpening *o, const char *path)
{
	lep_error(o->err, LEP_MISSING, "file \"%s\" is missing", path);
	lep_error_detail(o->err, "Weights are read from safetensors files alone.");
	lep_error_hint(o->err, CONVERT_HINT);
	return LEP_MISSING;
}

/* Read the directories of all weights. */
static LepStatus
read_weights(LepOpening *o)
{
	char path[LEP_OPENING_PATH];
	char index[LEP_OPENING_PATH];
	int file = lep_folder_find(o->folder, lep_opening_path(o, path, "model.safetensors"));
	LepStatus status;

	lep_opening_path(o, index, "model.safetensors.index.json");
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

/* Learn whether tensors bear the family's prefix. */
static void
find_prefix(LepOpening *o)
{
	const char *prefix = o->family->prefix;

	for (size_t i = 0; i < lep_tensor_count(o->s->tensors); i++)
	{
		if (strncmp(lep_tensor_at(o->s->tensors, i)->name, prefix, strlen(prefix)) == 0)
			snprintf(o->s->prefix, sizeof(o->s->prefix), "%s", prefix);
	}
}

/* Learn in which type most weights are. */
static void
look_at_weights(LepOpening *o)
{
	static const char *const names[] = {"f32", "f16", "bf16", "i8", "i4"};
	uint64_t bytes[LEP_TENSOR_OTHER] = {0};
	LepTensorType most = LEP_TENSOR_F32;

	for (size_t i = 0; i < lep_tensor_count(o->s->tensors); i++)
	{
		const LepTensor *t = lep_tensor_at(o->s->tensors, i);

		/* Integers of a folder that nobody compressed are no weights. */
		if (t->type <= LEP_TENSOR_BF16 || lep_source_stored(o->s, t) != NULL)
			bytes[t->type] += t->size;
	}
	for (LepTensorType type = LEP_TENSOR_F16; type < LEP_TENSOR_OTHER; type++)
		most = bytes[type] > bytes[most] ? type : most;
	snprintf(o->s->stored, sizeof(o->s->stored), "%s", names[most]);
}

/* Check the description and that all the weights its graph needs are there. */
static LepStatus
check_graph(LepOpening *o)
{
	LepGraph *graph;
	LepStatus status = lep_desc_check(&o->s->view, o->err);

	if (status == LEP_OK)
		status = lep_opening_precision(o);
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
	static LepStatus (*const steps[])(LepOpening * o) = {read_config, read_modules, write_texts,
														 lep_opening_tokenizer, read_weights};
	LepOpening o = {.folder = folder, .arena = arena, .stop = stop, .err = err, .dir = ""};
	LepStatus status;

	*source = NULL;
	o.s = lep_arena_alloc(arena, sizeof(*o.s));
	o.desc = lep_arena_alloc(arena, sizeof(*o.desc));
	if (o.s == NULL || o.desc == NULL)
		return lep_opening_no_memory(&o);
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
	find_prefix(&o);
	status = check_graph(&o);
	if (status != LEP_OK)
		return status;
	look_at_weights(&o);
	*source = o.s;
	return LEP_OK;
}
