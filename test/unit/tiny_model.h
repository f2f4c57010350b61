/*
 * tiny_model.h: a folder in memory and the smallest valid model in it, for
 * tests and fuzzers of the readers.
 */
#ifndef LEPTON_TINY_MODEL_H
#define LEPTON_TINY_MODEL_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/engine/source.h"

#define MEM_FILES_MAX 64

/* Files in memory; fail_at counts reads down and lets one fail. */
typedef struct MemFolder
{
	LepFolder folder;
	LepFile files[MEM_FILES_MAX];
	char paths[MEM_FILES_MAX][LEP_PATH_MAX + 1];
	unsigned char *data[MEM_FILES_MAX];
	long fail_at; /* 0 = never */
	long n_reads;
} MemFolder;

/* Read from memory. */
static inline LepStatus
mem_read(void *ctx, size_t file, uint64_t offset, void *dst, size_t len, LepError *err)
{
	MemFolder *mem = ctx;

	if (++mem->n_reads == mem->fail_at)
		return lep_error(err, LEP_IO, "could not read file \"%s\"", mem->paths[file]);
	if (offset > mem->files[file].size || len > mem->files[file].size - offset)
		return lep_error(err, LEP_IO, "read outside of file \"%s\"", mem->paths[file]);
	memcpy(dst, mem->data[file] + offset, len);
	return LEP_OK;
}

/* Make an empty folder. */
static inline void
mem_init(MemFolder *mem)
{
	memset(mem, 0, sizeof(*mem));
	mem->folder.files = mem->files;
	mem->folder.read = mem_read;
	mem->folder.ctx = mem;
}

/* Remove a file. */
static inline void
mem_drop(MemFolder *mem, const char *path)
{
	int i = lep_folder_find(&mem->folder, path);
	int last = (int) mem->folder.n_files - 1;

	if (i < 0)
		return;
	free(mem->data[i]);
	mem->data[i] = mem->data[last];
	memcpy(mem->paths[i], mem->paths[last], sizeof(mem->paths[i]));
	mem->files[i].size = mem->files[last].size;
	mem->files[i].used = mem->files[last].used;
	mem->folder.n_files--;
}

/* Write a file, in place of the one of the same name. */
static inline void
mem_put(MemFolder *mem, const char *path, const void *data, size_t size)
{
	size_t i;

	mem_drop(mem, path);
	i = mem->folder.n_files;
	if (i == MEM_FILES_MAX)
		return;
	mem->data[i] = malloc(size > 0 ? size : 1);
	if (mem->data[i] == NULL)
		return;
	if (size > 0)
		memcpy(mem->data[i], data, size);
	snprintf(mem->paths[i], sizeof(mem->paths[i]), "%s", path);
	mem->files[i] = (LepFile){.path = mem->paths[i], .size = size};
	mem->folder.n_files++;
}

/* Write a text file. */
static inline void
mem_text(MemFolder *mem, const char *path, const char *text)
{
	mem_put(mem, path, text, strlen(text));
}

/* Replace the first occurrence of one text by another in a file; false when it is not there. */
static inline bool
mem_replace(MemFolder *mem, const char *path, const char *from, const char *to)
{
	int file = lep_folder_find(&mem->folder, path);
	size_t size = file < 0 ? 0 : (size_t) mem->files[file].size;
	char *text;
	char *at;
	char *copy;

	if (file < 0)
		return false;
	text = calloc(1, size + 1);
	memcpy(text, mem->data[file], size);
	at = memmem(text, size, from, strlen(from));
	if (at != NULL)
	{
		size_t before = (size_t) (at - text);
		size_t after = size - before - strlen(from);

		copy = malloc(before + strlen(to) + after + 1);
		memcpy(copy, text, before);
		memcpy(copy + before, to, strlen(to));
		memcpy(copy + before + strlen(to), at + strlen(from), after);
		mem_put(mem, path, copy, before + strlen(to) + after);
		free(copy);
	}
	free(text);
	return at != NULL;
}

/* Free all files. */
static inline void
mem_free(MemFolder *mem)
{
	while (mem->folder.n_files > 0)
		mem_drop(mem, mem->paths[0]);
}

/* A safetensors file under construction. */
typedef struct TensorWriter
{
	char header[16384];
	size_t n_header, n_data;
	bool positive; /* no number is below 0 */
} TensorWriter;

/* Add a tensor of any dtype, whose elements have so many bytes; the whole must fill floats. */
static inline void
tensor_add_type(TensorWriter *w, const char *name, const char *dtype, size_t width, unsigned d0,
				unsigned d1)
{
	size_t size = (size_t) d0 * (d1 > 0 ? d1 : 1) * width;
	char shape[32];

	snprintf(shape, sizeof(shape), d1 > 0 ? "%u,%u" : "%u", d0, d1);
	w->n_header += (size_t) snprintf(
		w->header + w->n_header, sizeof(w->header) - w->n_header,
		"%c\"%s\":{\"dtype\":\"%s\",\"shape\":[%s],\"data_offsets\":[%zu,%zu]}",
		w->n_header == 0 ? '{' : ',', name, dtype, shape, w->n_data, w->n_data + size);
	w->n_data += size;
}

/* Add a tensor of shape [d0], or [d0, d1] when d1 is not 0. */
static inline void
tensor_add(TensorWriter *w, const char *name, unsigned d0, unsigned d1)
{
	tensor_add_type(w, name, "F32", sizeof(float), d0, d1);
}

/* Add a linear layer's or a norm's (d_in 0) weight and bias. */
static inline void
tensor_add_pair(TensorWriter *w, const char *name, unsigned d_out, unsigned d_in)
{
	char full[160];

	snprintf(full, sizeof(full), "%s.weight", name);
	tensor_add(w, full, d_out, d_in);
	snprintf(full, sizeof(full), "%s.bias", name);
	tensor_add(w, full, d_out, 0);
}

/* Write the file: all numbers are small and follow from their place. */
static inline void
tensor_write(MemFolder *mem, const char *path, const TensorWriter *w)
{
	size_t n = w->n_header + 1;
	unsigned char *bytes = calloc(1, 8 + n + w->n_data);

	for (int i = 0; i < 8; i++)
		bytes[i] = (unsigned char) ((uint64_t) n >> (8 * i));
	memcpy(bytes + 8, w->header, w->n_header);
	bytes[8 + w->n_header] = '}';
	for (size_t i = 0; i < w->n_data / sizeof(float); i++)
	{
		float value = 0.1f * (float) (i * 7 % 11) - (w->positive ? -0.1f : 0.5f);

		memcpy(bytes + 8 + n + i * sizeof(float), &value, sizeof(float));
	}
	mem_put(mem, path, bytes, 8 + n + w->n_data);
	free(bytes);
}

static const char tiny_config[] =
	"{\"architectures\":[\"BertModel\"],\"model_type\":\"bert\",\"vocab_size\":12,"
	"\"hidden_size\":8,\"num_hidden_layers\":1,\"num_attention_heads\":2,"
	"\"intermediate_size\":16,\"max_position_embeddings\":16,\"type_vocab_size\":2,"
	"\"hidden_act\":\"gelu\",\"layer_norm_eps\":1e-12}";

static const char tiny_tokenizer[] =
	"{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":["
	"{\"id\":0,\"content\":\"[PAD]\",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,"
	"\"normalized\":false,\"special\":true},"
	"{\"id\":2,\"content\":\"[CLS]\",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,"
	"\"normalized\":false,\"special\":true},"
	"{\"id\":3,\"content\":\"[SEP]\",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,"
	"\"normalized\":false,\"special\":true}],"
	"\"normalizer\":{\"type\":\"BertNormalizer\",\"clean_text\":true,"
	"\"handle_chinese_chars\":true,\"strip_accents\":null,\"lowercase\":true},"
	"\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},"
	"\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":["
	"{\"SpecialToken\":{\"id\":\"[CLS]\",\"type_id\":0}},{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},"
	"{\"SpecialToken\":{\"id\":\"[SEP]\",\"type_id\":0}}],\"pair\":["
	"{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},{\"Sequence\":{\"id\":\"B\",\"type_id\":1}}],"
	"\"special_tokens\":{\"[CLS]\":{\"id\":\"[CLS]\",\"ids\":[2],\"tokens\":[\"[CLS]\"]},"
	"\"[SEP]\":{\"id\":\"[SEP]\",\"ids\":[3],\"tokens\":[\"[SEP]\"]}}},"
	"\"decoder\":{\"type\":\"WordPiece\",\"prefix\":\"##\",\"cleanup\":true},"
	"\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"[UNK]\","
	"\"continuing_subword_prefix\":\"##\",\"max_input_chars_per_word\":100,"
	"\"vocab\":{\"[PAD]\":0,\"[UNK]\":1,\"[CLS]\":2,\"[SEP]\":3,\"[MASK]\":4,\"a\":5,\"b\":6,"
	"\"##a\":7,\"##b\":8,\"mail\":9,\".\":10,\"the\":11}}}";

/* Write the encoder's tensors, with something before each name. */
static inline void
tiny_tensors(TensorWriter *w, const char *prefix)
{
	static const struct
	{
		const char *name;
		unsigned d_out, d_in;
	} pairs[] = {
		{"embeddings.LayerNorm", 8, 0},
		{"encoder.layer.0.attention.self.query", 8, 8},
		{"encoder.layer.0.attention.self.key", 8, 8},
		{"encoder.layer.0.attention.self.value", 8, 8},
		{"encoder.layer.0.attention.output.dense", 8, 8},
		{"encoder.layer.0.attention.output.LayerNorm", 8, 0},
		{"encoder.layer.0.intermediate.dense", 16, 8},
		{"encoder.layer.0.output.dense", 8, 16},
		{"encoder.layer.0.output.LayerNorm", 8, 0},
		{"pooler.dense", 8, 8},
	};
	static const struct
	{
		const char *name;
		unsigned rows;
	} tables[] = {{"word", 12}, {"position", 16}, {"token_type", 2}};
	char name[128];

	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
	{
		snprintf(name, sizeof(name), "%sembeddings.%s_embeddings.weight", prefix, tables[i].name);
		tensor_add(w, name, tables[i].rows, 8);
	}
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
	{
		snprintf(name, sizeof(name), "%s%s", prefix, pairs[i].name);
		tensor_add_pair(w, name, pairs[i].d_out, pairs[i].d_in);
	}
}

/* Make the folder of a plain encoder. */
static inline void
tiny_encoder(MemFolder *mem)
{
	TensorWriter *w = calloc(1, sizeof(*w));

	mem_init(mem);
	mem_text(mem, "config.json", tiny_config);
	mem_text(mem, "tokenizer.json", tiny_tokenizer);
	mem_text(mem, "tokenizer_config.json", "{\"model_max_length\":16}");
	tiny_tensors(w, "");
	tensor_write(mem, "model.safetensors", w);
	free(w);
}

/* Make the folder of an encoder compressed in four ways. */
static inline void
tiny_compressed(MemFolder *mem)
{
	static const char json[] =
		"{\"format\":1,\"weights\":{\"embeddings.word_embeddings.weight\":\"i8\","
		"\"encoder.layer.0.attention.self.query.weight\":\"i8_asymmetric\","
		"\"encoder.layer.0.attention.self.key.weight\":\"i8_asymmetric\","
		"\"encoder.layer.0.attention.self.value.weight\":\"i8_asymmetric\","
		"\"encoder.layer.0.attention.output.dense.weight\":\"i8_symmetric\","
		"\"encoder.layer.0.intermediate.dense.weight\":\"bf16\","
		"\"encoder.layer.0.output.dense.weight\":\"f32\"}}";
	static const struct
	{
		const char *name, *dtype;
		unsigned rows, cols, inputs; /* columns of input_scale, 0: none; cols 0: a vector */
	} tensors[] = {
		{"embeddings.word_embeddings.weight", "I8", 12, 8, 0},
		{"embeddings.position_embeddings.weight", "F32", 16, 8, 0},
		{"embeddings.token_type_embeddings.weight", "F32", 2, 8, 0},
		{"embeddings.LayerNorm.weight", "F32", 8, 0, 0},
		{"embeddings.LayerNorm.bias", "F32", 8, 0, 0},
		{"encoder.layer.0.attention.self.query.weight", "I8", 8, 8, 0},
		{"encoder.layer.0.attention.self.query.bias", "F32", 8, 0, 0},
		{"encoder.layer.0.attention.self.key.weight", "I8", 8, 8, 0},
		{"encoder.layer.0.attention.self.key.bias", "F32", 8, 0, 0},
		{"encoder.layer.0.attention.self.value.weight", "I8", 8, 8, 0},
		{"encoder.layer.0.attention.self.value.bias", "F32", 8, 0, 0},
		{"encoder.layer.0.attention.output.dense.weight", "I8", 8, 8, 8},
		{"encoder.layer.0.attention.output.dense.bias", "F32", 8, 0, 0},
		{"encoder.layer.0.attention.output.LayerNorm.weight", "F32", 8, 0, 0},
		{"encoder.layer.0.attention.output.LayerNorm.bias", "F32", 8, 0, 0},
		{"encoder.layer.0.intermediate.dense.weight", "BF16", 16, 8, 0},
		{"encoder.layer.0.intermediate.dense.bias", "F32", 16, 0, 0},
		{"encoder.layer.0.output.dense.weight", "F32", 8, 16, 0},
		{"encoder.layer.0.output.dense.bias", "F32", 8, 0, 0},
		{"encoder.layer.0.output.LayerNorm.weight", "F32", 8, 0, 0},
		{"encoder.layer.0.output.LayerNorm.bias", "F32", 8, 0, 0},
	};
	TensorWriter *w = calloc(1, sizeof(*w));
	char name[128];

	tiny_encoder(mem);
	w->positive = true;
	for (size_t i = 0; i < sizeof(tensors) / sizeof(tensors[0]); i++)
	{
		const char *dtype = tensors[i].dtype;

		tensor_add_type(w, tensors[i].name, dtype,
						dtype[0] == 'I'	  ? 1
						: dtype[0] == 'B' ? 2
										  : sizeof(float),
						tensors[i].rows, tensors[i].cols);
		snprintf(name, sizeof(name), "%s.scale", tensors[i].name);
		if (dtype[0] == 'I')
			tensor_add(w, name, tensors[i].rows, 0);
		snprintf(name, sizeof(name), "%s.input_scale", tensors[i].name);
		if (tensors[i].inputs > 0)
			tensor_add(w, name, tensors[i].inputs, 0);
	}
	tensor_write(mem, "model.safetensors", w);
	mem_text(mem, "lepton.json", json);
	free(w);
}

/* Make the folder of a classifier of two labels. */
static inline void
tiny_classifier(MemFolder *mem)
{
	TensorWriter *w = calloc(1, sizeof(*w));

	tiny_encoder(mem);
	mem_replace(mem, "config.json", "BertModel", "BertForSequenceClassification");
	mem_replace(mem, "config.json", "\"vocab_size\"",
				"\"id2label\":{\"1\":\"spam\",\"0\":\"ham\"},\"vocab_size\"");
	tiny_tensors(w, "bert.");
	tensor_add_pair(w, "classifier", 2, 8);
	tensor_write(mem, "model.safetensors", w);
	free(w);
}

/* Make the folder of a sentence-transformers model: pooling, dense to 4, layer norm, unit length. */
static inline void
tiny_sentence(MemFolder *mem)
{
	TensorWriter *w = calloc(1, sizeof(*w));

	tiny_encoder(mem);
	mem_text(mem, "modules.json",
			 "[{\"idx\":0,\"name\":\"0\",\"path\":\"\",\"type\":"
			 "\"sentence_transformers.models.Transformer\"},"
			 "{\"idx\":1,\"name\":\"1\",\"path\":\"1_Pooling\",\"type\":"
			 "\"sentence_transformers.models.Pooling\"},"
			 "{\"idx\":2,\"name\":\"2\",\"path\":\"2_Dense\",\"type\":"
			 "\"sentence_transformers.models.Dense\"},"
			 "{\"idx\":3,\"name\":\"3\",\"path\":\"3_LayerNorm\",\"type\":"
			 "\"sentence_transformers.models.LayerNorm\"},"
			 "{\"idx\":4,\"name\":\"4\",\"path\":\"4_Normalize\",\"type\":"
			 "\"sentence_transformers.models.Normalize\"}]");
	mem_text(mem, "sentence_bert_config.json", "{\"max_seq_length\":10,\"do_lower_case\":false}");
	mem_text(mem, "config_sentence_transformers.json",
			 "{\"prompts\":{\"q\":\"the mail. \"},\"default_prompt_name\":\"q\"}");
	mem_text(mem, "1_Pooling/config.json",
			 "{\"word_embedding_dimension\":8,\"pooling_mode_mean_tokens\":true,"
			 "\"pooling_mode_cls_token\":true,\"include_prompt\":false}");
	mem_text(mem, "2_Dense/config.json",
			 "{\"in_features\":16,\"out_features\":4,\"bias\":true,\"activation_function\":"
			 "\"torch.nn.modules.activation.Tanh\"}");
	mem_text(mem, "3_LayerNorm/config.json", "{\"dimension\":4}");
	tensor_add_pair(w, "linear", 4, 16);
	tensor_write(mem, "2_Dense/model.safetensors", w);
	memset(w, 0, sizeof(*w));
	tensor_add_pair(w, "norm", 4, 0);
	tensor_write(mem, "3_LayerNorm/model.safetensors", w);
	free(w);
}

#endif
