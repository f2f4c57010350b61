/*
 * test_source.c: opening whole folders: what makes up a model, what is
 * refused and by which name, failing reads, memory that runs out, and stops.
 */
#include <math.h>

#include "scarce.h"
#include "testing.h"
#include "tiny_model.h"

typedef void (*Make)(MemFolder *mem);

/* Open a folder; what the source says goes to *desc (if given) while the arena lives. */
static LepStatus
open_folder(MemFolder *mem, LepDesc *desc, LepError *err)
{
	LepArena arena;
	LepSource *source;
	LepStatus status;

	memset(err, 0, sizeof(*err));
	lep_arena_init(&arena, &lep_malloc_allocator, 0);
	status = lep_source_open(&mem->folder, &arena, LEP_TASK_DEFAULT, &source, NULL, err);
	check((status == LEP_OK) == (source != NULL), "source and status disagree");
	if (status == LEP_OK && desc != NULL)
		*desc = *source->view.desc;
	lep_arena_free(&arena);
	return status;
}

/* Check what a folder gives after one replacement in one file. */
static void
check_change(Make make, const char *file, const char *from, const char *to, LepStatus expected,
			 const char *word)
{
	MemFolder mem;
	LepError err;
	LepStatus status;

	make(&mem);
	check(from == NULL || mem_replace(&mem, file, from, to), "\"%s\" is not in %s",
		  from != NULL ? from : "", file);
	if (from == NULL && to == NULL)
		mem_drop(&mem, file);
	else if (from == NULL)
		mem_text(&mem, file, to);
	status = open_folder(&mem, NULL, &err);
	check(status == expected, "%s, %s -> %s: status %d, expected %d: %s (%s)", file,
		  from != NULL ? from : "", to != NULL ? to : "", status, expected, err.message,
		  err.detail);
	if (status != LEP_OK)
	{
		check(err.status == status, "%s, %s: the error has status %d", file, to != NULL ? to : "",
			  err.status);
		check(strstr(err.message, word) != NULL || strstr(err.detail, word) != NULL,
			  "%s, %s: \"%s\" is not in: %s (%s)", file, to != NULL ? to : "", word, err.message,
			  err.detail);
	}
	mem_free(&mem);
}

/* What a plain encoder is. */
static void
test_encoder(void)
{
	MemFolder mem;
	LepDesc d;
	LepError err;

	tiny_encoder(&mem);
	mem_text(&mem, "sentence_bert_config.json", "{\"max_seq_length\": 3}");
	check(open_folder(&mem, &d, &err) == LEP_OK, "%s (%s)", err.message, err.detail);
	check(d.task == LEP_TASK_EMBED && d.n_layers == 1 && d.hidden == 8 && d.n_heads == 2 &&
			  d.intermediate == 16 && d.vocab == 12 && d.n_positions == 16 && d.n_types == 2 &&
			  d.act == LEP_ACT_GELU && d.norm_eps == 1e-12f,
		  "numbers of config.json");
	check(d.n_modules == 1 && d.modules[0].kind == LEP_MODULE_POOL &&
			  d.modules[0].pools[0] == LEP_POOL_MEAN && d.modules[0].pools[1] == LEP_POOL_NONE,
		  "mean pooling");
	check(d.max_tokens == 16 && d.text_bytes == 2 && d.n_parameters > 0, "max_tokens %u",
		  d.max_tokens);
	for (size_t i = 0; i < mem.folder.n_files; i++)
		check(mem.files[i].used == (strcmp(mem.paths[i], "sentence_bert_config.json") != 0),
			  "%s: used is %d", mem.paths[i], mem.files[i].used);
	mem_free(&mem);
}

/* What a classifier is. */
static void
test_classifier(void)
{
	MemFolder mem;
	LepArena arena;
	LepSource *source;
	LepError err;

	tiny_classifier(&mem);
	lep_arena_init(&arena, &lep_malloc_allocator, 0);
	if (check(lep_source_open(&mem.folder, &arena, LEP_TASK_DEFAULT, &source, NULL, &err) == LEP_OK,
			  "%s (%s)", err.message, err.detail))
	{
		check(source->view.desc->task == LEP_TASK_CLASSIFY && source->view.desc->n_labels == 2 &&
				  source->view.desc->problem == LEP_PROBLEM_SINGLE_LABEL &&
				  source->view.desc->n_modules == 0,
			  "numbers of a classifier");
		check(strcmp(lep_desc_label(&source->view, 0), "ham") == 0 &&
				  strcmp(lep_desc_label(&source->view, 1), "spam") == 0,
			  "labels");
		check(strcmp(source->prefix, "bert.") == 0 && strcmp(source->stored, "f32") == 0,
			  "prefix \"%s\"", source->prefix);
	}
	lep_arena_free(&arena);
	mem_free(&mem);
}

/* What a compressed encoder is. */
static void
test_compressed(void)
{
	MemFolder mem;
	LepArena arena;
	LepSource *source;
	LepError err;

	tiny_compressed(&mem);
	lep_arena_init(&arena, &lep_malloc_allocator, 0);
	if (check(lep_source_open(&mem.folder, &arena, LEP_TASK_DEFAULT, &source, NULL, &err) == LEP_OK,
			  "%s (%s)", err.message, err.detail))
	{
		/* word, position, type, norm; query, key and value; ... */
		check(strcmp(lep_desc_precision(&source->view), "8ff--a-s---b-f---") == 0,
			  "precision \"%s\"", lep_desc_precision(&source->view));
		check(strcmp(lep_desc_prompt(&source->view), "") == 0, "prompt");
		check(source->compressed != NULL, "not compressed");
	}
	for (size_t i = 0; i < mem.folder.n_files; i++)
		check(mem.files[i].used, "%s is not used", mem.paths[i]);
	lep_arena_free(&arena);
	mem_free(&mem);
}

/* What a sentence-transformers folder is. */
static void
test_sentence(void)
{
	MemFolder mem;
	LepDesc d;
	LepError err;

	tiny_sentence(&mem);
	check(open_folder(&mem, &d, &err) == LEP_OK, "%s (%s)", err.message, err.detail);
	check(d.n_modules == 4 && d.modules[0].pools[0] == LEP_POOL_CLS &&
			  d.modules[0].pools[1] == LEP_POOL_MEAN && d.modules[0].d_out == 16 &&
			  d.modules[0].skip_prompt,
		  "pooling");
	check(d.modules[1].kind == LEP_MODULE_DENSE && d.modules[1].d_out == 4 &&
			  d.modules[1].act == LEP_ACT_TANH && d.modules[1].has_bias,
		  "dense");
	check(d.modules[2].kind == LEP_MODULE_NORM && d.modules[2].eps == 1e-5f &&
			  d.modules[3].kind == LEP_MODULE_NORMALIZE,
		  "norms");
	check(d.max_tokens == 10 && lep_desc_width(&d) == 4, "max_tokens %u", d.max_tokens);
	/* [CLS] the mail . */
	check(d.prompt_tokens == 4, "prompt_tokens %u", d.prompt_tokens);
	/* The default prompt, the precision string, the name of a prompt and its text. */
	check(d.text_bytes == 2 * sizeof("the mail. ") + 1 + sizeof("q"), "text_bytes %u",
		  d.text_bytes);
	for (size_t i = 0; i < mem.folder.n_files; i++)
		check(mem.files[i].used, "%s is not used", mem.paths[i]);
	mem_free(&mem);
}

/* Which limit wins: the length of texts. */
static void
test_lengths(void)
{
	static const struct
	{
		Make make;
		const char *file, *text;
		uint32_t max;
	} cases[] = {
		{tiny_encoder, "tokenizer_config.json", "{}", 16},
		{tiny_encoder, "tokenizer_config.json", "{\"model_max_length\":5}", 5},
		{tiny_encoder, "tokenizer_config.json", "{\"max_len\":5}", 5},
		{tiny_encoder, "tokenizer_config.json", "{\"model_max_length\":null,\"max_len\":5}", 16},
		{tiny_encoder, "tokenizer_config.json", "{\"model_max_length\":6,\"max_len\":5}", 6},
		{tiny_encoder, "tokenizer_config.json", "{\"model_max_length\":1000}", 16},
		{tiny_encoder, "tokenizer_config.json",
		 "{\"model_max_length\":1000000000000000019884624838656}", 16},
		{tiny_encoder, "tokenizer_config.json", "{\"model_max_length\":1e30}", 16},
		{tiny_classifier, "tokenizer_config.json", "{\"model_max_length\":7}", 7},
		{tiny_sentence, "sentence_bert_config.json", "{}", 16},
		{tiny_sentence, "sentence_bert_config.json", "{\"max_seq_length\":null}", 16},
		{tiny_sentence, "sentence_bert_config.json", "{\"max_seq_length\":12}", 12},
		{tiny_sentence, "sentence_bert_config.json", "{\"max_seq_length\":99}", 16},
		{tiny_sentence, "sentence_bert_config.json",
		 "{\"max_seq_length\":12,\"tokenizer_args\":{\"model_max_length\":11}}", 11},
		{tiny_sentence, "sentence_bert_config.json",
		 "{\"max_seq_length\":12,\"processing_kwargs\":{\"text\":{\"max_length\":9}}}", 9},
	};
	MemFolder mem;
	LepError err;
	LepDesc d;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		cases[i].make(&mem);
		mem_text(&mem, cases[i].file, cases[i].text);
		check(open_folder(&mem, &d, &err) == LEP_OK && d.max_tokens == cases[i].max,
			  "%s: max_tokens %u, expected %u (%s)", cases[i].text, d.max_tokens, cases[i].max,
			  err.message);
		mem_free(&mem);
	}
}

/* Folders that are refused, each by the right name, and odd ones that are not. */
static void
test_changes(void)
{
	static const struct
	{
		Make make;
		const char *file, *from, *to;
		LepStatus status;
		const char *word;
	} cases[] = {
		{tiny_encoder, "config.json", NULL, NULL, LEP_MISSING, "config.json"},
		{tiny_encoder, "config.json", NULL, "[]", LEP_BAD_FILE, "config.json"},
		{tiny_encoder, "config.json", NULL, "{", LEP_BAD_FILE, "config.json"},
		{tiny_encoder, "config.json", NULL, "{}", LEP_MISSING, "model_type"},
		{tiny_encoder, "config.json", "\"bert\"", "\"llama\"", LEP_UNSUPPORTED, "llama"},
		{tiny_encoder, "config.json", "\"bert\"", "\"llama\"", LEP_UNSUPPORTED, "bert"},
		{tiny_encoder, "config.json", "BertModel", "BertForMultipleChoice", LEP_UNSUPPORTED,
		 "BertForMultipleChoice"},
		{tiny_encoder, "config.json", "BertModel", "BertForMaskedLM", LEP_OK, ""},
		{tiny_encoder, "config.json", "[\"BertModel\"]", "null", LEP_OK, ""},
		{tiny_encoder, "config.json", "[\"BertModel\"]", "[]", LEP_OK, ""},
		{tiny_encoder, "config.json", "[\"BertModel\"]", "{}", LEP_BAD_FILE, "architectures"},
		{tiny_encoder, "config.json", "\"hidden_size\":8", "\"hidden_size\":0", LEP_BAD_FILE,
		 "hidden_size"},
		{tiny_encoder, "config.json", "\"hidden_size\":8", "\"hidden_size\":8.0", LEP_BAD_FILE,
		 "hidden_size"},
		{tiny_encoder, "config.json", "\"hidden_size\":8", "\"hidden_size\":null", LEP_BAD_FILE,
		 "hidden_size"},
		{tiny_encoder, "config.json", "\"hidden_size\":8,", "", LEP_BAD_FILE, "[12, 8]"},
		{tiny_encoder, "config.json", "attention_heads\":2", "attention_heads\":3", LEP_BAD_FILE,
		 "num_attention_heads"},
		{tiny_encoder, "config.json", "\"gelu\"", "\"gelu_10\"", LEP_UNSUPPORTED, "gelu_10"},
		{tiny_encoder, "config.json", "\"gelu\"", "\"relu\"", LEP_OK, ""},
		{tiny_encoder, "config.json", "1e-12", "NaN", LEP_BAD_FILE, "config.json"},
		{tiny_encoder, "config.json", "1e-12", "-1.0", LEP_BAD_FILE, "layer_norm_eps"},
		{tiny_encoder, "config.json", "1e-12", "1e300", LEP_BAD_FILE, "layer_norm_eps"},
		{tiny_encoder, "config.json", "1e-12", "0.0", LEP_OK, ""},
		{tiny_encoder, "config.json", ",\"layer_norm_eps\":1e-12", "", LEP_OK, ""},
		{tiny_encoder, "config.json", "1e-12", "1e-12,\"is_decoder\":true", LEP_UNSUPPORTED,
		 "is_decoder"},
		{tiny_encoder, "config.json", "1e-12", "1e-12,\"position_embedding_type\":\"relative_key\"",
		 LEP_UNSUPPORTED, "position_embedding_type"},
		{tiny_encoder, "config.json", "1e-12", "1e-12,\"position_embedding_type\":\"absolute\"",
		 LEP_OK, ""},
		{tiny_encoder, "config.json", "1e-12", "1e-12,\"quantization_config\":{\"bits\":4}",
		 LEP_UNSUPPORTED, "quantization_config"},
		{tiny_encoder, "config.json", "layers\":1", "layers\":2", LEP_MISSING, "encoder.layer.1"},
		{tiny_encoder, "config.json", "embeddings\":16", "embeddings\":17", LEP_BAD_FILE,
		 "[17, 8]"},
		{tiny_encoder, "adapter_config.json", NULL, "{}", LEP_UNSUPPORTED, "adapter"},
		{tiny_encoder, "tokenizer.json", NULL, NULL, LEP_MISSING, "vocab.txt"},
		{tiny_encoder, "tokenizer_config.json", NULL, "{\"model_max_length\":0}", LEP_BAD_FILE,
		 "model_max_length"},
		{tiny_encoder, "tokenizer_config.json", NULL, "{\"model_max_length\":1}", LEP_BAD_FILE,
		 "special"},
		{tiny_encoder, "tokenizer_config.json", NULL, "{\"model_max_length\":2}", LEP_OK, ""},
		{tiny_encoder, "tokenizer_config.json", NULL, "{\"model_max_length\":9.0}", LEP_BAD_FILE,
		 "model_max_length"},
		{tiny_encoder, "tokenizer_config.json", NULL, NULL, LEP_OK, ""},
		{tiny_encoder, "model.safetensors", NULL, NULL, LEP_MISSING, "model.safetensors"},
		{tiny_encoder, "model.safetensors", "F32", "F64", LEP_BAD_FILE, "model.safetensors"},
		{tiny_encoder, "model.safetensors", "F32", "U32", LEP_UNSUPPORTED, "U32"},
		{tiny_encoder, "model.safetensors", "[12,8]", "[8,12]", LEP_BAD_FILE, "[8, 12]"},
		{tiny_encoder, "model.safetensors", "pooler", "cooler", LEP_OK, ""},
		{tiny_encoder, "model.safetensors", "LayerNorm.weight", "LayerNorm.gamma\" ", LEP_BAD_FILE,
		 "model.safetensors"},

		{tiny_classifier, "config.json", "\"0\":\"ham\"", "\"2\":\"ham\"", LEP_BAD_FILE,
		 "id2label"},
		{tiny_classifier, "config.json", "\"ham\"", "7", LEP_OK, ""},
		{tiny_classifier, "config.json", "\"ham\"", "true", LEP_BAD_FILE, "id2label"},
		{tiny_classifier, "config.json", "\"0\":\"ham\"", "\"00\":\"ham\"", LEP_BAD_FILE,
		 "id2label"},
		{tiny_classifier, "config.json", "\"id2label\"", "\"id3label\"", LEP_OK, ""},
		{tiny_classifier, "config.json", "\"id2label\"", "\"num_labels\":2,\"id2label\"", LEP_OK,
		 ""},
		{tiny_classifier, "config.json", "\"id2label\"", "\"num_labels\":3,\"id2label\"",
		 LEP_BAD_FILE, "classifier"},
		{tiny_classifier, "config.json", "\"id2label\"", "\"num_labels\":null,\"id2label\"",
		 LEP_BAD_FILE, "num_labels"},
		{tiny_classifier, "config.json", "\"id2label\"",
		 "\"problem_type\":\"regression\",\"id2label\"", LEP_OK, ""},
		{tiny_classifier, "config.json", "\"id2label\"",
		 "\"problem_type\":\"ranking\",\"id2label\"", LEP_UNSUPPORTED, "ranking"},
		{tiny_classifier, "model.safetensors", "bert.pooler", "bert.cooler", LEP_MISSING, "pooler"},

		{tiny_sentence, "modules.json", NULL, "[]", LEP_BAD_FILE, "modules.json"},
		{tiny_sentence, "modules.json", "models.Dense", "models.CNN", LEP_UNSUPPORTED, "CNN"},
		{tiny_sentence, "modules.json", "sentence_transformers.models.Dense", "mine.Dense",
		 LEP_UNSUPPORTED, "mine.Dense"},
		{tiny_sentence, "modules.json", "models.Pooling", "a.b.c.Pooling", LEP_OK, ""},
		{tiny_sentence, "modules.json", "models.Normalize", "models.Dropout", LEP_OK, ""},
		{tiny_sentence, "modules.json", "\"1_Pooling\"", "\"../1_Pooling\"", LEP_BAD_FILE,
		 "modules.json"},
		{tiny_sentence, "modules.json", "\"1_Pooling\"", "\"1_Pooling/\"", LEP_OK, ""},
		{tiny_sentence, "modules.json", "\"1_Pooling\"", "\"./1_Pooling\"", LEP_OK, ""},
		{tiny_sentence, "modules.json", "\"path\":\"\"", "\"path\":\".\"", LEP_OK, ""},
		{tiny_sentence, "modules.json", "\"1_Pooling\"", "\"/1_Pooling\"", LEP_BAD_FILE, "path"},
		{tiny_sentence, "modules.json", "\"1_Pooling\"", "\"a/../1_Pooling\"", LEP_BAD_FILE,
		 "path"},
		{tiny_sentence, "modules.json", "\"1_Pooling\"", "\"1_Pooling//a\"", LEP_BAD_FILE, "path"},
		{tiny_sentence, "modules.json", "\"path\":\"\"", "\"path\":\"0_Transformer\"", LEP_MISSING,
		 "0_Transformer/config.json"},
		{tiny_sentence, "1_Pooling/config.json", NULL, NULL, LEP_MISSING, "1_Pooling/config.json"},
		{tiny_sentence, "1_Pooling/config.json", "dimension\":8", "dimension\":9", LEP_BAD_FILE,
		 "word_embedding_dimension"},
		{tiny_sentence, "1_Pooling/config.json", "{", "{\"pooling_mode\":[\"cls\",\"max\"],",
		 LEP_OK, ""},
		{tiny_sentence, "1_Pooling/config.json", "{", "{\"pooling_mode\":\"max\",", LEP_BAD_FILE,
		 "in_features"},
		{tiny_sentence, "1_Pooling/config.json", "{", "{\"pooling_mode\":\"median\",", LEP_BAD_FILE,
		 "median"},
		{tiny_sentence, "1_Pooling/config.json", "word_embedding", "embedding", LEP_OK, ""},
		{tiny_sentence, "2_Dense/config.json", "\"out_features\":4", "\"out_features\":5",
		 LEP_BAD_FILE, "dimension"},
		{tiny_sentence, "2_Dense/config.json", "activation.Tanh", "activation.ELU", LEP_UNSUPPORTED,
		 "ELU"},
		{tiny_sentence, "2_Dense/config.json", "torch.nn.modules.activation.Tanh", "torch.nn.ReLU",
		 LEP_OK, ""},
		{tiny_sentence, "2_Dense/config.json", "\"bias\":true", "\"bias\":false", LEP_OK, ""},
		{tiny_sentence, "2_Dense/config.json", "\"bias\":true", "\"use_residual\":true",
		 LEP_MISSING, "residual"},
		{tiny_sentence, "2_Dense/model.safetensors", NULL, NULL, LEP_MISSING,
		 "2_Dense/model.safetensors"},
		{tiny_sentence, "3_LayerNorm/model.safetensors", "norm.weight", "norm.heavy!", LEP_MISSING,
		 "norm.weight"},
		{tiny_sentence, "4_Normalize/config.json", NULL,
		 "{\"module_input_name\":\"token_embeddings\"}", LEP_UNSUPPORTED, "module_input_name"},
		{tiny_sentence, "4_Normalize/config.json", NULL,
		 "{\"module_input_name\":\"sentence_embedding\",\"module_output_name\":null}", LEP_OK, ""},
		{tiny_sentence, "sentence_bert_config.json", NULL, "{\"surprise\":1}", LEP_UNSUPPORTED,
		 "surprise"},
		{tiny_sentence, "sentence_bert_config.json", NULL, NULL, LEP_OK, ""},
		{tiny_sentence, "config_sentence_transformers.json", "\"default_prompt_name\":\"q\"",
		 "\"default_prompt_name\":\"x\"", LEP_BAD_FILE, "default_prompt_name"},
		{tiny_sentence, "config_sentence_transformers.json", "\"default_prompt_name\":\"q\"",
		 "\"default_prompt_name\":\"query\"", LEP_OK, ""},
		{tiny_sentence, "config_sentence_transformers.json", NULL,
		 "{\"model_type\":\"SparseEncoder\"}", LEP_UNSUPPORTED, "SparseEncoder"},
		{tiny_sentence, "config_sentence_transformers.json", NULL, "{\"truncate_dim\":2}", LEP_OK,
		 ""},
		{tiny_sentence, "config_sentence_transformers.json", NULL, "{\"truncate_dim\":-2}",
		 LEP_BAD_FILE, "truncate_dim"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_change(cases[i].make, cases[i].file, cases[i].from, cases[i].to, cases[i].status,
					 cases[i].word);
}

/* The files that are marked as used make up the same model by themselves. */
static void
test_used(void)
{
	static const Make makes[] = {tiny_encoder, tiny_classifier, tiny_sentence};

	for (size_t i = 0; i < sizeof(makes) / sizeof(makes[0]); i++)
	{
		LepDesc before;
		LepDesc after;
		MemFolder mem;
		LepError err;

		makes[i](&mem);
		mem_text(&mem, "vocab.txt", "nothing");
		mem_text(&mem, "sentence_roberta_config.json", "nothing");
		mem_text(&mem, "special_tokens_map.json", "nothing");
		mem_text(&mem, "model.safetensors.index.json", "nothing");
		check(open_folder(&mem, &before, &err) == LEP_OK, "%s", err.message);
		for (size_t j = mem.folder.n_files; j-- > 0;)
			if (!mem.files[j].used)
			{
				mem_drop(&mem, mem.paths[j]);
				j = mem.folder.n_files;
			}
		check(lep_folder_find(&mem.folder, "vocab.txt") < 0, "an unneeded file is used");
		check(open_folder(&mem, &after, &err) == LEP_OK &&
				  memcmp(&before, &after, sizeof(before)) == 0,
			  "model %zu is another one without the unused files: %s", i, err.message);
		mem_free(&mem);
	}
}

/* Split a tiny encoder into two files with an index. */
static void
tiny_shards(MemFolder *mem)
{
	TensorWriter *w = calloc(1, sizeof(*w));

	tiny_encoder(mem);
	mem_drop(mem, "model.safetensors");
	tiny_tensors(w, "");
	tensor_write(mem, "model-00001-of-00002.safetensors", w);
	memset(w, 0, sizeof(*w));
	tensor_add_pair(w, "extra", 3, 2);
	tensor_write(mem, "model-00002-of-00002.safetensors", w);
	mem_text(mem, "model.safetensors.index.json",
			 "{\"metadata\":{},\"weight_map\":{"
			 "\"embeddings.LayerNorm.weight\":\"model-00001-of-00002.safetensors\","
			 "\"extra.weight\":\"model-00002-of-00002.safetensors\"}}");
	free(w);
}

/* Shards and names in their index. */
static void
test_shards(void)
{
	static const char index[] = "model.safetensors.index.json";
	static const char second[] = "model-00002-of-00002.safetensors";
	static const char *const names[] = {
		"../model.safetensors", "/etc/passwd", "a/b", "..", ".", "", "model safetensors", "a\\\\b",
		"\xc3\xa9.safetensors", ".hidden"};

	check_change(tiny_shards, index, "{", "{", LEP_OK, "");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		check_change(tiny_shards, index, second, names[i], LEP_BAD_FILE, index);
	check_change(tiny_shards, index, second, "nothing.safetensors", LEP_MISSING,
				 "nothing.safetensors");
	check_change(tiny_shards, index, second, "config.json", LEP_BAD_FILE, "config.json");
	check_change(tiny_shards, index, second, "model-00001-of-00002.safetensors", LEP_MISSING,
				 "extra.weight");
	check_change(tiny_shards, index, "extra.weight", "extra.nothing", LEP_MISSING, "extra.nothing");
	check_change(tiny_shards, index, "weight_map", "other", LEP_BAD_FILE, "weight_map");
	check_change(tiny_shards, second, "extra.weight", "pooler.dense.bias", LEP_BAD_FILE, second);
}

/* Numbers read from F32, F16 and BF16, and reads outside of a tensor. */
static void
test_numbers(void)
{
	static const char header[] =
		"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
		"\"b\":{\"dtype\":\"F16\",\"shape\":[4],\"data_offsets\":[8,16]},"
		"\"c\":{\"dtype\":\"BF16\",\"shape\":[2,2],\"data_offsets\":[16,24]},"
		"\"d\":{\"dtype\":\"I32\",\"shape\":[1],\"data_offsets\":[24,28]}}";
	const float numbers[2] = {1.5f, -2};
	const uint16_t halves[4] = {0x3C00, 0xC000, 0x0001, 0x7BFF};
	const uint16_t bfloats[4] = {0x3F80, 0xC000, 0x0080, 0x7F7F};
	unsigned char bytes[8 + sizeof(header) - 1 + 28] = {(sizeof(header) - 1) & 0xFF,
														(sizeof(header) - 1) >> 8};
	LepSource source = {0};
	const LepTensor *t;
	MemFolder mem;
	LepArena arena;
	LepError err;
	float out[4];

	memcpy(bytes + 8, header, sizeof(header) - 1);
	memcpy(bytes + 8 + sizeof(header) - 1, numbers, 8);
	memcpy(bytes + 8 + sizeof(header) - 1 + 8, halves, 8);
	memcpy(bytes + 8 + sizeof(header) - 1 + 16, bfloats, 8);
	mem_init(&mem);
	mem_put(&mem, "model.safetensors", bytes, sizeof(bytes));
	lep_arena_init(&arena, &lep_malloc_allocator, 0);
	source.folder = &mem.folder;
	check(lep_safetensors_read(&mem.folder, 0, &arena, &source.tensors, NULL, &err) == LEP_OK, "%s",
		  err.message);
	check(lep_source_tensor(&source, source.tensors, "a", 1, (uint64_t[]){2}, &t, &err) == LEP_OK &&
			  lep_source_read_f32(&source, t, 1, 1, out, &err) == LEP_OK && out[0] == -2,
		  "f32");
	check(lep_source_tensor(&source, source.tensors, "b", 1, (uint64_t[]){4}, &t, &err) == LEP_OK &&
			  lep_source_read_f32(&source, t, 0, 4, out, &err) == LEP_OK && out[0] == 1 &&
			  out[1] == -2 && out[2] == ldexpf(1, -24) && out[3] == 65504,
		  "f16: %g %g %g %g", out[0], out[1], out[2], out[3]);
	check(lep_source_read_f32(&source, t, 3, 2, out, &err) == LEP_BAD_INPUT &&
			  lep_source_read_f32(&source, t, UINT64_MAX, 1, out, &err) == LEP_BAD_INPUT &&
			  lep_source_read_raw(&source, t, 7, 2, out, &err) == LEP_BAD_INPUT,
		  "a read outside was made");
	check(lep_source_read_f32(&source, t, 4, 0, out, &err) == LEP_OK, "a read of nothing");
	check(lep_source_tensor(&source, source.tensors, "c", 2, (uint64_t[]){2, 2}, &t, &err) ==
				  LEP_OK &&
			  lep_source_read_f32(&source, t, 0, 4, out, &err) == LEP_OK && out[0] == 1 &&
			  out[1] == -2 && out[2] == ldexpf(1, -126),
		  "bf16");
	check(lep_source_tensor(&source, source.tensors, "c", 1, (uint64_t[]){4}, &t, &err) ==
			  LEP_BAD_FILE,
		  "a wrong rank");
	check(lep_source_tensor(&source, source.tensors, "d", 1, (uint64_t[]){1}, &t, &err) ==
			  LEP_UNSUPPORTED,
		  "integers as weights");
	check(lep_source_tensor(&source, source.tensors, "e", 1, (uint64_t[]){1}, &t, &err) ==
				  LEP_MISSING &&
			  t == NULL,
		  "a missing tensor");
	lep_arena_free(&arena);
	mem_free(&mem);
}

/* Every read may fail: the error comes through and nothing leaks. */
static void
test_failing_reads(void)
{
	MemFolder mem;
	LepError err;
	LepStatus status = LEP_IO;

	tiny_sentence(&mem);
	for (long at = 1; status != LEP_OK && at < 100; at++)
	{
		mem.n_reads = 0;
		mem.fail_at = at;
		status = open_folder(&mem, NULL, &err);
		check(status == LEP_IO || status == LEP_OK, "read %ld: status %d (%s)", at, status,
			  err.message);
	}
	check(status == LEP_OK, "reads never stop");
	mem_free(&mem);
}

/* Memory may run out at every allocation. */
static void
test_memory(void)
{
	LepStatus status = LEP_NO_MEMORY;
	MemFolder mem;
	LepError err;

	tiny_sentence(&mem);
	for (long n = 0; status != LEP_OK && n < 1000; n++)
	{
		LepArena arena;
		LepSource *source;

		scarce_left = (size_t) n;
		lep_arena_init(&arena, &scarce, 0);
		status = lep_source_open(&mem.folder, &arena, LEP_TASK_DEFAULT, &source, NULL, &err);
		check(status == LEP_NO_MEMORY || status == LEP_OK, "%ld blocks: status %d (%s)", n, status,
			  err.message);
		lep_arena_free(&arena);
	}
	check(status == LEP_OK, "memory never suffices: %s", err.message);
	mem_free(&mem);
}

/* Stop at the n-th question. */
static bool
stop_after(void *arg)
{
	long *left = arg;

	return (*left)-- <= 0;
}

/* A stop is obeyed wherever it comes. */
static void
test_stop(void)
{
	LepStatus status = LEP_CANCELLED;
	MemFolder mem;
	LepError err;

	tiny_sentence(&mem);
	for (long n = 0; status != LEP_OK && n < 1000; n++)
	{
		long left = n;
		LepStop stop = {stop_after, &left};
		LepArena arena;
		LepSource *source;

		lep_arena_init(&arena, &lep_malloc_allocator, 0);
		status = lep_source_open(&mem.folder, &arena, LEP_TASK_DEFAULT, &source, &stop, &err);
		check(status == LEP_CANCELLED || status == LEP_OK, "stop %ld: status %d (%s)", n, status,
			  err.message);
		lep_arena_free(&arena);
	}
	check(status == LEP_OK, "questions never end");
	mem_free(&mem);
}

int
main(void)
{
	test_encoder();
	test_classifier();
	test_compressed();
	test_sentence();
	test_lengths();
	test_changes();
	test_used();
	test_shards();
	test_numbers();
	test_failing_reads();
	test_memory();
	test_stop();
	return test_done();
}
