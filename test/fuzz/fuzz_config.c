/*
 * fuzz_config.c: any texts in the small files of folders whose weights are
 * valid, of every family and task, through lep_source_open for any task; what
 * opens and is small is written as an image, opened and run.
 *
 * Input: a byte for the model, one for the task (bit 7: no image), then edits.
 * An edit's first byte says: 0 to 3, set a key of config.json to a value; 4 drop a key; 5, 6
 * set a key of an object in it; 7, set a key of another JSON file; 8, change
 * bytes in the header of the weights; 9, the rest is files one after another,
 * "name\n", two bytes of length, little-endian, then so many bytes, which
 * replace or join those of the model.
 *
 * Folders come from test/data/families below the working directory or
 * LEPTON_FUZZ_FAMILIES; without them the models that are made here remain.
 */
#include <dirent.h>
#include <jansson.h>
#include <stdio.h>

#include "../unit/tiny_model.h"

#include "../../src/engine/graph.h"
#include "../../src/engine/image.h"
#include "../../src/engine/json.h"
#include "fuzzing.h"

#define MODELS_MAX	64
#define KEYS_MAX	400
#define JSONS_MAX	8 /* files of a model that edits know */
#define FILE_ROOM	65536
#define RUN_BYTES	((size_t) 4 << 20) /* of an arena that is run in */
#define IMAGE_BYTES ((size_t) 1 << 20)

static const char small_tokenizer[] =
	"{\"added_tokens\":[{\"id\":4,\"content\":\"[MASK]\",\"single_word\":false,\"lstrip\":false,"
	"\"rstrip\":false,\"normalized\":false,\"special\":true}],\"model\":{\"type\":\"WordLevel\","
	"\"unk_token\":\"u\",\"vocab\":{\"u\":0,\"[MASK]\":4}}}";

/* Values for keys, as JSON. */
static const char *const value_texts[] = {
	"0",
	"1",
	"2",
	"3",
	"4",
	"5",
	"6",
	"7",
	"8",
	"12",
	"16",
	"24",
	"32",
	"64",
	"85",
	"128",
	"300",
	"512",
	"-1",
	"-100",
	"1000",
	"65536",
	"100000",
	"1000000",
	"2147483647",
	"2147483648",
	"4294967295",
	"4294967296",
	"9223372036854775807",
	"1e19",
	"1e308",
	"0.5",
	"1.0",
	"0.0",
	"-0.5",
	"1e-12",
	"1e-45",
	"10000.0",
	"true",
	"false",
	"null",
	"\"\"",
	"[]",
	"{}",
	"\"gelu\"",
	"\"gelu_new\"",
	"\"relu\"",
	"\"silu\"",
	"\"tanh\"",
	"\"swish\"",
	"\"absolute\"",
	"\"relative_key\"",
	"\"default\"",
	"\"linear\"",
	"\"dynamic\"",
	"\"yarn\"",
	"\"cls\"",
	"\"mean\"",
	"\"max\"",
	"\"none\"",
	"\"p2c|c2p\"",
	"\"c2p\"",
	"[\"p2c\",\"c2p\"]",
	"[\"p2c\"]",
	"\"layer_norm\"",
	"\"layer_norm|x\"",
	"\"single_label_classification\"",
	"\"regression\"",
	"\"multi_label_classification\"",
	"{\"0\":\"a\"}",
	"{\"0\":\"a\",\"1\":\"b\"}",
	"{\"1\":\"a\",\"0\":\"b\",\"2\":\"a\"}",
	"{\"0\":\"B-X\",\"1\":\"I-X\"}",
	"[\"full_attention\",\"sliding_attention\"]",
	"[\"full_attention\"]",
	"[\"sliding_attention\",\"sliding_attention\",\"sliding_attention\",\"sliding_attention\"]",
	"{\"rope_type\":\"default\",\"rope_theta\":10000.0}",
	"{\"rope_type\":\"linear\",\"factor\":2.0}",
	"{\"type\":\"linear\",\"factor\":4}",
	"{\"full_attention\":{\"rope_theta\":1.0},\"sliding_attention\":{}}",
	"[1,2]",
	"[0]",
	"\"x\"",
	"\"bert\"",
	"\"roberta\"",
	"\"deberta-v2\"",
	"\"modernbert\"",
	"\"albert\"",
	"\"electra\"",
	"\"mpnet\"",
	"\"distilbert\"",
	"\"xlm-roberta\"",
	"\"nomic_bert\"",
	"\"gte\"",
	"\"new\"",
	"\"eurobert\"",
	"\"float16\"",
	"\"[MASK]\"",
	"\"left\"",
	"\"torch.nn.modules.activation.Sigmoid\"",
	"\"torch.nn.modules.linear.Identity\"",
	"\"sentence_transformers.models.Pooling\"",
};

/* Keys that no config of the models has. */
static const char *const more_keys[] = {
	"adapters",
	"add_cross_attention",
	"is_decoder",
	"position_embedding_type",
	"rope_scaling",
	"rope_theta",
	"type",
	"factor",
	"original_max_position_embeddings",
	"attention_factor",
	"global_rope_theta",
	"local_rope_theta",
	"global_attn_every_n_layers",
	"sliding_window",
	"use_cache",
	"quantization_config",
	"num_labels",
	"problem_type",
	"function_to_apply",
	"sbert_ce_default_activation_function",
	"sentence_transformers",
	"activation_fn",
	"emb_pdrop",
	"conv_kernel_size",
	"conv_act",
	"conv_groups",
	"position_buckets",
	"norm_rel_ebd",
	"share_att_key",
	"z_steps",
	"max_relative_positions",
	"relative_attention",
	"position_biased_input",
	"pos_att_type",
	"talking_head",
	"attention_head_size",
	"pooler_hidden_size",
	"embedding_size",
	"num_hidden_groups",
	"inner_group_num",
	"summary_type",
	"summary_use_proj",
	"qkv_proj_bias",
	"partial_rotary_factor",
	"num_key_value_heads",
	"head_dim",
	"pack_qkv",
	"unpad_inputs",
	"logn_attention_scale",
	"use_memory_efficient_attention",
	"prenorm",
	"qkv_proj_bias",
	"mlp_fc1_bias",
	"mlp_fc2_bias",
	"rotary_emb_base",
	"rotary_emb_fraction",
	"rotary_emb_interleaved",
	"rotary_emb_scale_base",
	"rotary_scaling_factor",
	"n_inner",
	"use_task_id",
	"task_type_vocab_size",
	"cls_head",
	"auto_map",
	"model_max_length",
	"max_len",
	"mask_token",
	"return_token_type_ids",
	"model_input_names",
	"truncation_side",
	"tokenizer_class",
	"do_lower_case",
};

#define N_VALUES (sizeof(value_texts) / sizeof(value_texts[0]))
#define N_MORE	 (sizeof(more_keys) / sizeof(more_keys[0]))

/* A model to start from; its JSON files also as values. */
typedef struct Model
{
	MemFolder files;
	size_t n_jsons;
	size_t places[JSONS_MAX]; /* of the files */
	json_t *jsons[JSONS_MAX]; /* the first is config.json */
} Model;

static Model models[MODELS_MAX];
static size_t n_models;
static char *keys[KEYS_MAX];
static size_t n_keys;
static json_t *values[N_VALUES];

/* Know the keys of an object and of those in it. */
static void
learn_keys(json_t *object)
{
	const char *key;
	json_t *value;

	json_object_foreach(object, key, value)
	{
		size_t i = 0;

		while (i < n_keys && strcmp(keys[i], key) != 0)
			i++;
		if (i == n_keys && n_keys < KEYS_MAX)
			keys[n_keys++] = strdup(key);
		learn_keys(value);
	}
}

/* Read a file of the disk. */
static void
read_file(Model *model, const char *folder, const char *name)
{
	char path[1024];
	static char bytes[1 << 20];
	FILE *file;
	size_t n;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "rb");
	if (file == NULL)
		return;
	n = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	mem_put(&model->files, name, bytes, n);
}

/* Read a folder and one level below it. */
static void
read_folder(Model *model, const char *path, const char *below)
{
	char full[1024];
	char name[512];
	struct dirent *entry;
	DIR *dir;

	snprintf(full, sizeof(full), "%s/%s", path, below);
	dir = opendir(full);
	while (dir != NULL && (entry = readdir(dir)) != NULL)
	{
		snprintf(name, sizeof(name), "%s%s%s", below, below[0] != '\0' ? "/" : "", entry->d_name);
		if (lep_folder_wants(name))
			read_file(model, path, name);
		else if (entry->d_name[0] != '.' && below[0] == '\0')
			read_folder(model, path, entry->d_name);
	}
	if (dir != NULL)
		closedir(dir);
}

/* Parse a model's JSON files, config.json first. */
static void
parse_jsons(Model *model)
{
	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < model->files.folder.n_files && model->n_jsons < JSONS_MAX; i++)
		{
			const char *path = model->files.paths[i];
			size_t len = strlen(path);
			bool first = strcmp(path, "config.json") == 0;
			json_t *json;

			if (first != (pass == 0) || len < 5 || strcmp(path + len - 5, ".json") != 0 ||
				strcmp(path, "tokenizer.json") == 0)
				continue;
			json = json_loadb((const char *) model->files.data[i],
							  (size_t) model->files.files[i].size, 0, NULL);
			require(json != NULL);
			learn_keys(json);
			model->places[model->n_jsons] = i;
			model->jsons[model->n_jsons++] = json;
		}
	require(model->n_jsons > 0);
}

/* Order names of folders. */
static int
compare_names(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* Make and read the models. */
int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *families = getenv("LEPTON_FUZZ_FAMILIES");
	struct dirent **names;
	int n;

	(void) argc;
	(void) argv;
	tiny_sentence(&models[0].files);
	tiny_classifier(&models[1].files);
	tiny_encoder(&models[2].files);
	mem_text(&models[2].files, "model.safetensors.index.json",
			 "{\"weight_map\":{\"pooler.dense.bias\":\"model.safetensors\"}}");
	tiny_compressed(&models[3].files);
	n_models = 4;
	families = families != NULL ? families : "test/data/families";
	n = scandir(families, &names, NULL, compare_names);
	for (int i = 0; i < n; i++)
	{
		Model *model = &models[n_models];
		char path[768];

		if (names[i]->d_name[0] != '.' && n_models < MODELS_MAX)
		{
			mem_init(&model->files);
			snprintf(path, sizeof(path), "%s/%s", families, names[i]->d_name);
			read_folder(model, path, "");
			n_models += lep_folder_find(&model->files.folder, "config.json") >= 0;
		}
		free(names[i]);
	}
	if (n >= 0)
		free(names);
	for (size_t i = 0; i < n_models; i++)
		parse_jsons(&models[i]);
	for (size_t i = 0; i < N_MORE && n_keys < KEYS_MAX; i++)
		keys[n_keys++] = strdup(more_keys[i]);
	for (size_t i = 0; i < N_VALUES; i++)
	{
		values[i] = json_loads(value_texts[i], JSON_DECODE_ANY, NULL);
		require(values[i] != NULL);
	}
	json_set_alloc_funcs(fuzz_json_alloc, fuzz_json_free);
	return 0;
}

/* A model's files with those of the input before them. */
typedef struct Mix
{
	LepFile files[3 * MEM_FILES_MAX];
	const void *data[3 * MEM_FILES_MAX];
	char names[2 * MEM_FILES_MAX][64];
	size_t n;
	char texts[JSONS_MAX][FILE_ROOM]; /* of edited files */
	char header[FILE_ROOM];			  /* of edited weights */
} Mix;

/* Read a file of the mix. */
static LepStatus
read_mix(void *ctx, size_t file, uint64_t offset, void *dst, size_t len, LepError *err)
{
	const Mix *mix = ctx;

	(void) err;
	if (file >= mix->n || offset > mix->files[file].size || len > mix->files[file].size - offset)
		__builtin_trap();
	memcpy(dst, (const char *) mix->data[file] + offset, len);
	return LEP_OK;
}

/* Take the input's files; *data and *size move behind them. */
static void
take_files(Mix *mix, const uint8_t *data, size_t size)
{
	while (mix->n < MEM_FILES_MAX && size > 0)
	{
		const uint8_t *end = memchr(data, '\n', size < 64 ? size : 64);
		size_t n_name = end == NULL ? 0 : (size_t) (end - data);
		size_t len;

		if (end == NULL || size - n_name < 3)
			return;
		memcpy(mix->names[mix->n], data, n_name);
		mix->names[mix->n][n_name] = '\0';
		len = (size_t) end[1] | (size_t) end[2] << 8;
		size -= n_name + 3;
		len = len < size ? len : size;
		/* The tokenizer's file has a fuzzer of its own. */
		if (lep_folder_wants(mix->names[mix->n]) &&
			strstr(mix->names[mix->n], "tokenizer.json") == NULL)
		{
			mix->data[mix->n] = end + 3;
			mix->files[mix->n] = (LepFile){.path = mix->names[mix->n], .size = len};
			mix->n++;
		}
		data = end + 3 + len;
		size -= len;
	}
}

/* A key. */
static const char *
choose_key(Choices *c)
{
	return keys[(choose_byte(c) | (size_t) choose_byte(c) << 8) % n_keys];
}

/* Set a key of an object to a value of the list or a small number. */
static void
set_key(json_t *object, Choices *c)
{
	const char *key = choose_key(c);
	size_t which = choose_byte(c);
	json_t *value = which < 192 ? json_deep_copy(values[which % N_VALUES])
								: json_integer((json_int_t) which - 192);

	/* Hundreds of layers are nothing new, but slow. */
	if (strstr(key, "layers") != NULL && json_is_integer(value) && json_integer_value(value) < 1000)
		json_integer_set(value, json_integer_value(value) % 8);
	json_object_set_new(object, key, value);
}

/* Put a file before the model's. */
static void
add_file(Mix *mix, const char *name, const void *data, size_t size)
{
	snprintf(mix->names[mix->n], sizeof(mix->names[0]), "%s", name);
	mix->data[mix->n] = data;
	mix->files[mix->n] = (LepFile){.path = mix->names[mix->n], .size = size};
	mix->n++;
}

/* Set a key of an object in config, of the choice's one. */
static void
set_below(json_t *config, Choices *c)
{
	json_t *below[16];
	size_t n = 0;
	const char *name;
	json_t *value;

	json_object_foreach(config, name, value)
	{
		if (json_is_object(value) && n < 16)
			below[n++] = value;
	}
	if (n > 0)
		set_key(below[choose(c, n)], c);
}

/* Change bytes of the header of the weights. */
static void
edit_header(Mix *mix, const Model *model, Choices *c)
{
	int file = lep_folder_find(&model->files.folder, "model.safetensors");
	size_t size = file < 0 ? 0 : (size_t) model->files.files[file].size;
	size_t at = choose_byte(c) | (size_t) choose_byte(c) << 8;
	size_t n = 1 + choose(c, 8);

	if (size == 0 || size > FILE_ROOM)
		return;
	memcpy(mix->header, model->files.data[file], size);
	for (size_t i = 0; i < n && at + i < size; i++)
		mix->header[at + i] = (char) choose_byte(c);
	add_file(mix, "model.safetensors", mix->header, size);
}

/* Do the edits. */
static void
edit(Mix *mix, const Model *model, Choices *c)
{
	json_t *edited[JSONS_MAX] = {json_deep_copy(model->jsons[0])};
	bool header = false;

	while (c->at < c->size)
	{
		size_t what = choose(c, 10);

		if (what == 9)
		{
			take_files(mix, c->data + c->at, c->size - c->at);
			break;
		}
		if (what == 8 && !header)
			edit_header(mix, model, c);
		else if (what == 7)
		{
			size_t file = choose(c, model->n_jsons);

			if (edited[file] == NULL)
				edited[file] = json_deep_copy(model->jsons[file]);
			if (json_is_array(edited[file]))
				set_key(json_array_get(edited[file], choose(c, 8)), c);
			else
				set_key(edited[file], c);
		}
		else if (what >= 5)
			set_below(edited[0], c);
		else if (what == 4)
			json_object_del(edited[0], choose_key(c));
		else
			set_key(edited[0], c);
		header = header || what == 8;
	}
	for (size_t i = 0; i < model->n_jsons; i++)
	{
		size_t len;

		if (edited[i] == NULL)
			continue;
		len = json_dumpb(edited[i], mix->texts[i], FILE_ROOM, JSON_COMPACT);
		json_decref(edited[i]);
		if (len > 0 && len <= FILE_ROOM)
			add_file(mix, model->files.paths[model->places[i]], mix->texts[i], len);
	}
}

/* An image as it is written. */
typedef struct Written
{
	char *bytes; /* [IMAGE_BYTES] */
	size_t size;
} Written;

/* Append to an image; one that is too large is not wanted. */
static LepStatus
keep(void *ctx, const void *data, size_t len, LepError *err)
{
	Written *image = ctx;

	if (len > IMAGE_BYTES - image->size)
		return lep_error(err, LEP_IO, "full");
	memcpy(image->bytes + image->size, data, len);
	image->size += len;
	return LEP_OK;
}

/* Run three texts. */
static void
run(const LepModel *model, Choices *c)
{
	const LepDesc *desc = model->view.desc;
	uint32_t most = desc->max_tokens < 12 ? desc->max_tokens : 12;
	uint32_t starts[] = {0, 1, 1 + most, 2 + most};
	static const uint32_t picks[] = {0, 1};
	int32_t ids[16];
	LepBatch batch = {3, starts[3], ids, NULL, starts, picks, 2};
	size_t size = lep_graph_arena_size(model->graph, batch.n_tokens, 3, most);
	size_t width = lep_desc_width(desc);
	LepError err = {0};
	LepStatus status;
	void *arena;
	float *out;

	if (size == 0 || size > RUN_BYTES || width > RUN_BYTES / 64)
		return;
	for (size_t i = 0; i < batch.n_tokens; i++)
		ids[i] = (int32_t) (choose_byte(c) % desc->vocab);
	arena = fuzz_alloc(NULL, size);
	out = fuzz_alloc(NULL, lep_graph_out_rows(model->graph, &batch) * width * sizeof(float));
	require(arena != NULL && out != NULL);
	status = lep_graph_run(model->graph, &batch, arena, size, out, NULL, &err);
	require(status == LEP_OK || status == LEP_NOT_FINITE);
	fuzz_free(NULL, out);
	fuzz_free(NULL, arena);
}

/* Write an image of an open folder, open and run it. */
static void
use(const LepSource *source, Choices *c)
{
	static const uint8_t hash[LEP_HASH_BYTES];
	const LepKernels *kernels = lep_kernels_choose("portable");
	Written image = {NULL, 0};
	LepSink sink = {keep, &image};
	LepError err = {0};
	uint64_t size;
	LepArena arena;
	LepModel model;
	LepStatus status;

	if (lep_image_size(source, kernels, &size, &err) != LEP_OK || size > IMAGE_BYTES)
		return;
	image.bytes = fuzz_alloc(NULL, IMAGE_BYTES);
	require(image.bytes != NULL);
	status = lep_image_write(source, kernels, hash, &fuzz_allocator, &sink, NULL, &err);
	/* Weights of a damaged header may be no numbers. */
	require(status == LEP_OK || err.message[0] != '\0');
	lep_arena_init(&arena, &fuzz_allocator, 64 << 20);
	if (status == LEP_OK)
	{
		require(image.size == size);
		status = lep_image_open(image.bytes, image.size, hash, kernels, &arena, &model, &err);
		require(status == LEP_OK);
		run(&model, c);
	}
	lep_arena_free(&arena);
	fuzz_free(NULL, image.bytes);
}

/* Open a folder, and use it. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static Mix mix;
	Choices c = {data, size, 2};
	const Model *model;
	LepFolder folder = {.files = mix.files, .read = read_mix, .ctx = &mix};
	LepSource *source;
	LepArena arena;
	LepError err = {0};

	mix.n = 0;
	if (size < 2)
		return 0;
	model = &models[data[0] % n_models];
	edit(&mix, model, &c);
	if ((data[1] & 64) == 0)
		add_file(&mix, "tokenizer.json", small_tokenizer, sizeof(small_tokenizer) - 1);
	for (size_t i = 0; i < model->files.folder.n_files; i++)
	{
		mix.data[mix.n] = model->files.data[i];
		mix.files[mix.n] = model->files.files[i];
		mix.files[mix.n++].path = model->files.paths[i];
	}
	folder.n_files = mix.n;
	lep_arena_init(&arena, &fuzz_allocator, 256 << 20);
	if (lep_source_open(&folder, &arena, data[1] % 8 - 1, &source, NULL, &err) == LEP_OK)
	{
		const LepDesc *desc = source->view.desc;

		require(lep_desc_check(&source->view, &err) == LEP_OK && lep_desc_width(desc) > 0 &&
				desc->max_tokens <= desc->n_positions);
		for (uint32_t i = 0; i < desc->n_labels; i++)
			(void) strlen(lep_desc_label(&source->view, i));
		if ((data[1] & 128) == 0)
			use(source, &c);
	}
	else
		require(err.status != LEP_OK && err.message[0] != '\0' && err.status != LEP_BAD_IMAGE);
	lep_arena_free(&arena);
	return 0;
}
