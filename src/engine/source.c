/*
 * source.c: opens a Hugging Face folder: decides which files make up the
 * model, reads them in order and checks them against each other.
 */
#define LEPTON_ENGINE_SOURCE

#include <stdio.h>
#include <string.h>

#include "graph.h"
#include "labels.h"
#include "rank.h"
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

/* Does sentence-transformers say how texts are prepared? */
bool
lep_opening_sentences(const LepOpening *o)
{
	return o->st != NULL && (o->desc->task == LEP_TASK_EMBED || o->desc->task == LEP_TASK_SPARSE);
}

/* Path of one of the transformer's files. */
const char *
lep_opening_path(const LepOpening *o, char path[LEP_OPENING_PATH], const char *name)
{
	snprintf(path, LEP_OPENING_PATH, "%s%s", o->dir, name);
	return path;
}

/* Find the family that config's model_type names. */
static LepStatus
choose_family(LepOpening *o, const json_t *config, const char *file)
{
	char quoted[LEP_QUOTE_SIZE];
	char known[400];
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

/* Report a task that the folder does not serve. */
static LepStatus
wrong_task(const LepOpening *o, uint32_t usual)
{
	lep_error(o->err, LEP_UNSUPPORTED, "the model does not serve task \"%s\"",
			  lep_task_name((LepTask) o->wanted));
	lep_error_detail(o->err, "It is made for \"%s\".", lep_task_name((LepTask) usual));
	return LEP_UNSUPPORTED;
}

/* Report what a list of architectures names. */
static LepStatus
wrong_architecture(const LepOpening *o, const json_t *name, const char *file)
{
	const LepArchitecture *known = o->family->architectures;
	char quoted[LEP_QUOTE_SIZE];
	char list[512] = "";
	size_t used = 0;

	for (; known->name != NULL && used < sizeof(list); known++)
		used += (size_t) snprintf(list + used, sizeof(list) - used, "%s%s", used > 0 ? ", " : "",
								  known->name);
	lep_error(
		o->err, LEP_UNSUPPORTED, "architecture \"%s\" is not supported",
		lep_error_quote(quoted, sizeof(quoted), json_string_value(name), json_string_length(name)));
	lep_error_detail(o->err, "Key \"architectures\" of file \"%s\" names it; supported are: %s.",
					 file, list);
	return LEP_UNSUPPORTED;
}

/* The task for which the folder is made: modules.json says it, else the architecture. */
static LepStatus
usual_task(const LepOpening *o, const json_t *config, const char *file, uint32_t *task)
{
	const json_t *list = json_object_get(config, "architectures");
	const json_t *first = json_array_get(list, 0);
	const LepArchitecture *found = o->family->architectures;
	const char *type = o->st != NULL ? o->st->model_type : "";
	char quoted[LEP_QUOTE_SIZE];

	if (list != NULL && !json_is_null(list) &&
		(!json_is_array(list) || (first != NULL && !json_is_string(first))))
		return lep_error(o->err, LEP_BAD_FILE,
						 "key \"architectures\" of file \"%s\" is not a list of names", file);
	while (found->name != NULL &&
		   (first == NULL || strcmp(found->name, json_string_value(first)) != 0))
		found++;
	*task = found->name == NULL || found->task == LEP_TASK_MASK ? LEP_TASK_EMBED : found->task;
	if (o->st != NULL && o->st->sparse)
		*task = LEP_TASK_SPARSE;
	else if (strcmp(type, "SentenceTransformer") == 0)
		*task = LEP_TASK_EMBED;
	else if (o->st != NULL && !(*task == LEP_TASK_CLASSIFY && strcmp(type, "CrossEncoder") == 0))
	{
		lep_error(o->err, LEP_UNSUPPORTED, "models of type \"%s\" are not supported",
				  lep_error_quote(quoted, sizeof(quoted), type, strlen(type)));
		lep_error_detail(o->err, "Key \"model_type\" of file "
								 "\"config_sentence_transformers.json\" names it.");
		return LEP_UNSUPPORTED;
	}
	else if (first != NULL && found->name == NULL)
		return wrong_architecture(o, first, file);
	return LEP_OK;
}

/* Decide the task: the wanted one, where the folder may serve it. */
static LepStatus
choose_task(LepOpening *o, const json_t *config, const char *file)
{
	uint32_t usual = LEP_TASK_EMBED;
	LepStatus status = usual_task(o, config, file, &usual);

	if (status != LEP_OK)
		return status;
	o->s->tasks = 1u << usual;
	/* Which of these have their weights is seen later. */
	if (usual == LEP_TASK_EMBED || usual == LEP_TASK_SPARSE)
		o->s->tasks |= 1u << LEP_TASK_MASK | 1u << LEP_TASK_SPARSE;
	o->desc->task = o->wanted == LEP_TASK_DEFAULT ? usual : (uint32_t) o->wanted;
	if (o->desc->task >= LEP_TASK_COUNT || (o->s->tasks >> o->desc->task & 1) == 0)
		return wrong_task(o, usual);
	if (o->desc->task != usual)
		o->st = NULL;
	return LEP_OK;
}

/* Check that an answer's head has the two outputs that it must have. */
static LepStatus
check_answer(const LepOpening *o, const json_t *config, const char *file)
{
	LepDesc labelled = {.task = LEP_TASK_ANSWER};
	const char **labels;
	LepStatus status = lep_labels_read(config, file, o->arena, &labelled, &labels, o->err);

	if (status != LEP_OK || labelled.n_labels == 2)
		return status;
	lep_error(o->err, LEP_UNSUPPORTED, "a model of answers with %u outputs is not supported",
			  labelled.n_labels);
	lep_error_detail(o->err, "Keys \"num_labels\" and \"id2label\" of file \"%s\" must give 2.",
					 file);
	return LEP_UNSUPPORTED;
}

/* Read what the task's head needs. */
static LepStatus
read_head(LepOpening *o, const json_t *config, const char *file)
{
	LepDesc *desc = o->desc;
	bool tied;
	LepStatus status;

	switch ((LepTask) desc->task)
	{
		case LEP_TASK_CLASSIFY:
		case LEP_TASK_ENTITIES:
			status = lep_labels_read(config, file, o->arena, desc, &o->labels, o->err);
			if (status == LEP_OK && desc->task == LEP_TASK_CLASSIFY && desc->n_labels == 1)
				status = lep_rank_read(o->folder, o->arena, config, file, desc, o->err);
			return status;
		case LEP_TASK_ANSWER:
			return check_answer(o, config, file);
		case LEP_TASK_EMBED:
		case LEP_TASK_MASK:
		case LEP_TASK_SPARSE:
		case LEP_TASK_COUNT:
			break;
	}
	status = lep_config_bool(config, file, "tie_word_embeddings", true, &tied, o->err);
	desc->tied = tied;
	return status;
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
	if (status == LEP_OK)
		status = read_head(o, config, path);
	if (o->desc->embedding == 0)
		o->desc->embedding = o->desc->hidden;
	lep_json_free(config);
	return status;
}

/* Read what follows the encoder of an embedding model. */
static LepStatus
read_modules(LepOpening *o)
{
	LepDesc *desc = o->desc;

	if (desc->task == LEP_TASK_SPARSE)
	{
		desc->sparse_logs = 1;
		return o->st == NULL ? LEP_OK : lep_st_sparse(o->folder, o->arena, o->st, desc, o->err);
	}
	if (desc->task != LEP_TASK_EMBED)
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

/* Put labels, prompts and an empty precision string behind the description. */
static LepStatus
write_texts(LepOpening *o)
{
	bool has_prompts = lep_opening_sentences(o);
	const char *prompt = has_prompts ? o->st->prompt : "";
	size_t size = strlen(prompt) + 2;
	char *texts;

	o->desc->n_prompts = has_prompts ? o->st->n_prompts : 0;
	for (uint32_t i = 0; i < 2 * o->desc->n_prompts; i++)
		size += strlen(o->st->prompts[i]) + 1;

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
	texts += strlen(prompt) + 1;
	for (uint32_t i = 0; i < 2 * o->desc->n_prompts; i++)
	{
		memcpy(texts, o->st->prompts[i], strlen(o->st->prompts[i]) + 1);
		texts += strlen(o->st->prompts[i]) + 1;
	}
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

/* Build the graph that a source's weights give for another task. */
LepStatus
lep_source_task_graph(const LepSource *source, LepTask task, LepArena *arena, LepGraph **graph,
					  LepError *err)
{
	static const char texts[2] = "";
	LepDesc *desc = lep_arena_alloc(arena, sizeof(*desc));
	const LepDescView view = {desc, texts};

	if (desc == NULL)
		return lep_error(err, LEP_NO_MEMORY, "out of memory opening a model");
	*desc = *source->view.desc;
	desc->task = task;
	desc->n_modules = 0;
	desc->truncate_dim = 0;
	desc->prompt_tokens = 0;
	desc->sparse_logs = task == LEP_TASK_SPARSE ? 1 : 0;
	desc->text_bytes = sizeof(texts);
	return lep_graph_build(&view, NULL, arena, graph, err);
}

/* Are the weights of another task there? */
static bool
has_weights(const LepOpening *o, LepTask task)
{
	LepGraph *graph;
	LepError err = {0};
	LepArena arena;
	LepStatus status;
	uint64_t n;

	lep_arena_init(&arena, o->arena->allocator, 0);
	status = lep_source_task_graph(o->s, task, &arena, &graph, &err);
	if (status == LEP_OK)
		status = lep_graph_check_source(graph, o->s, &n, &err);
	lep_arena_free(&arena);
	return status == LEP_OK;
}

/* Drop the tasks for which weights are missing. */
static void
check_tasks(LepOpening *o)
{
	for (uint32_t task = LEP_TASK_MASK; task <= LEP_TASK_SPARSE; task++)
	{
		if ((o->s->tasks >> task & 1) != 0 && task != o->desc->task &&
			!has_weights(o, (LepTask) task))
			o->s->tasks &= ~(1u << task);
	}
}

/* Open a folder. */
LepStatus
lep_source_open(LepFolder *folder, LepArena *arena, int wanted, LepSource **source,
				const LepStop *stop, LepError *err)
{
	static LepStatus (*const steps[])(LepOpening * o) = {read_config, read_modules, write_texts,
														 lep_opening_tokenizer, read_weights};
	LepOpening o = {
		.folder = folder, .arena = arena, .wanted = wanted, .stop = stop, .err = err, .dir = ""};
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
	if (o.family->look != NULL)
		o.family->look(o.s, o.desc);
	status = check_graph(&o);
	if (status != LEP_OK)
		return status;
	check_tasks(&o);
	look_at_weights(&o);
	*source = o.s;
	return LEP_OK;
}
