/*
 * random_bert.h: small seeded BERT folders in memory, and their forward pass in
 * double precision written straight from the formulas; the judge of graphs.
 * Weights are multiples of 1/64, so that every dtype holds them exactly.
 */
#ifndef LEPTON_RANDOM_BERT_H
#define LEPTON_RANDOM_BERT_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/engine/image.h"

#define TINY_FILES	 12
#define TINY_TENSORS 256
#define TINY_TEXT	 65536

typedef struct TinySpec
{
	const char *name;
	uint32_t layers, hidden, heads, inter, vocab, positions, types;
	LepDtype dtype;
	const char *act;
	uint32_t labels;   /* above 0: a classifier */
	const char *pools; /* JSON: pooling_mode of an embedding model */
	const char *prompt;
	bool skip_prompt;
	uint32_t dense; /* width of a dense module, 0: none */
	bool norm, normalize;
	uint32_t truncate_dim;
} TinySpec;

typedef struct TinyTensor
{
	char name[128];
	size_t rows, cols; /* cols 0: a vector */
	double *values;
	/* of compressed models, see narrow_bert.h */
	char letter;		 /* of its scheme in a precision string, 0: stored as the spec says */
	double *input_scale; /* [cols] or NULL */
} TinyTensor;

typedef struct TinyFile
{
	char path[64];
	char *bytes;
	size_t size;
} TinyFile;

typedef struct TinyModel
{
	TinySpec spec;
	TinyTensor tensors[TINY_TENSORS];
	size_t n_tensors;
	TinyFile bytes[TINY_FILES];
	LepFile files[TINY_FILES];
	LepFolder folder;
	uint64_t random;
	bool narrow; /* the formulas narrow the inputs of linears in int8 */
} TinyModel;

/* Next pseudo-random number (xorshift). */
static inline uint64_t
tiny_random(TinyModel *m)
{
	m->random ^= m->random << 13;
	m->random ^= m->random >> 7;
	m->random ^= m->random << 17;
	return m->random;
}

/* Add a tensor with values around center, at most span / 64 away. */
static inline TinyTensor *
tiny_tensor(TinyModel *m, const char *name, size_t rows, size_t cols, double center, int span)
{
	TinyTensor *t = &m->tensors[m->n_tensors++];
	size_t n = rows * (cols > 0 ? cols : 1);

	snprintf(t->name, sizeof(t->name), "%s", name);
	t->rows = rows;
	t->cols = cols;
	t->values = malloc(n * sizeof(double));
	for (size_t i = 0; i < n; i++)
		t->values[i] =
			center + (double) ((int) (tiny_random(m) >> 33) % (2 * span + 1) - span) / 64.0;
	return t;
}

/* The tensor called name, whatever stands before it. */
static inline const TinyTensor *
tiny_find_tensor(const TinyModel *m, const char *format, uint32_t layer)
{
	char name[96];

	snprintf(name, sizeof(name), format, layer);
	for (size_t i = 0; i < m->n_tensors; i++)
	{
		size_t have = strlen(m->tensors[i].name);
		size_t want = strlen(name);

		if (have >= want && strcmp(m->tensors[i].name + have - want, name) == 0)
			return &m->tensors[i];
	}
	printf("no tensor %s\n", name);
	exit(2);
}

/* Its values. */
static inline const double *
tiny_find(const TinyModel *m, const char *format, uint32_t layer)
{
	return tiny_find_tensor(m, format, layer)->values;
}

/* Write x, which both have exactly, as dtype. */
static inline size_t
tiny_number(char *dst, double x, LepDtype dtype)
{
	float f = (float) x;
	uint32_t bits;
	uint16_t half;

	memcpy(&bits, &f, 4);
	if (dtype == LEP_F32)
	{
		memcpy(dst, &bits, 4);
		return 4;
	}
	half = (uint16_t) (bits >> 16);
	if (dtype == LEP_F16)
		half = f == 0 ? 0
					  : (uint16_t) ((bits >> 16 & 0x8000) | ((bits >> 23 & 0xff) - 112) << 10 |
									(bits >> 13 & 0x3ff));
	memcpy(dst, &half, 2);
	return 2;
}

/* Add a file of text or bytes. */
static inline void
tiny_file(TinyModel *m, const char *path, const char *bytes, size_t size)
{
	size_t i = m->folder.n_files++;

	snprintf(m->bytes[i].path, sizeof(m->bytes[i].path), "%s", path);
	m->bytes[i].bytes = malloc(size + 1);
	memcpy(m->bytes[i].bytes, bytes, size);
	m->bytes[i].size = size;
	m->files[i] = (LepFile){m->bytes[i].path, size, false};
}

/* Add a safetensors file of tensors [first, end). */
static inline void
tiny_safetensors(TinyModel *m, const char *path, size_t first, size_t end)
{
	static const char *const names[] = {"F32", "F16", "BF16"};
	size_t width = lep_dtype_size(m->spec.dtype);
	char *header = malloc(TINY_TEXT);
	size_t at = 0;
	size_t used = 0;
	uint64_t length;
	char *file;

	at += (size_t) sprintf(header, "{");
	for (size_t i = first; i < end; i++)
	{
		const TinyTensor *t = &m->tensors[i];
		size_t bytes = t->rows * (t->cols > 0 ? t->cols : 1) * width;

		at += (size_t) sprintf(header + at, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[%zu",
							   i > first ? "," : "", t->name, names[m->spec.dtype], t->rows);
		if (t->cols > 0)
			at += (size_t) sprintf(header + at, ",%zu", t->cols);
		at += (size_t) sprintf(header + at, "],\"data_offsets\":[%zu,%zu]}", used, used + bytes);
		used += bytes;
	}
	at += (size_t) sprintf(header + at, "}");
	while (at % 8 != 0)
		header[at++] = ' ';
	file = malloc(8 + at + used);
	length = at;
	memcpy(file, &length, 8);
	memcpy(file + 8, header, at);
	at += 8;
	for (size_t i = first; i < end; i++)
	{
		const TinyTensor *t = &m->tensors[i];

		for (size_t j = 0; j < t->rows * (t->cols > 0 ? t->cols : 1); j++)
			at += tiny_number(file + at, t->values[j], m->spec.dtype);
	}
	tiny_file(m, path, file, at);
	free(file);
	free(header);
}

/* Add weight and bias of a linear. */
static inline void
tiny_linear(TinyModel *m, const char *name, size_t d_out, size_t d_in)
{
	char full[128];

	snprintf(full, sizeof(full), "%s.weight", name);
	tiny_tensor(m, full, d_out, d_in, 0, 12);
	snprintf(full, sizeof(full), "%s.bias", name);
	tiny_tensor(m, full, d_out, 0, 0, 20);
}

/* Add weight and bias of a norm. */
static inline void
tiny_norm(TinyModel *m, const char *name, size_t d)
{
	char full[128];

	snprintf(full, sizeof(full), "%s.weight", name);
	tiny_tensor(m, full, d, 0, 1, 20);
	snprintf(full, sizeof(full), "%s.bias", name);
	tiny_tensor(m, full, d, 0, 0, 20);
}

/* Make the transformer's tensors. */
static inline void
tiny_transformer(TinyModel *m)
{
	const TinySpec *s = &m->spec;
	const char *p = s->labels > 0 ? "bert." : "";
	char name[96];

	snprintf(name, sizeof(name), "%sembeddings.word_embeddings.weight", p);
	tiny_tensor(m, name, s->vocab, s->hidden, 0, 60);
	snprintf(name, sizeof(name), "%sembeddings.position_embeddings.weight", p);
	tiny_tensor(m, name, s->positions, s->hidden, 0, 30);
	snprintf(name, sizeof(name), "%sembeddings.token_type_embeddings.weight", p);
	tiny_tensor(m, name, s->types, s->hidden, 0, 30);
	snprintf(name, sizeof(name), "%sembeddings.LayerNorm", p);
	tiny_norm(m, name, s->hidden);
	for (uint32_t i = 0; i < s->layers; i++)
	{
		static const char *const square[] = {"attention.self.query", "attention.self.key",
											 "attention.self.value", "attention.output.dense"};

		for (size_t j = 0; j < 4; j++)
		{
			snprintf(name, sizeof(name), "%sencoder.layer.%u.%s", p, i, square[j]);
			tiny_linear(m, name, s->hidden, s->hidden);
		}
		snprintf(name, sizeof(name), "%sencoder.layer.%u.attention.output.LayerNorm", p, i);
		tiny_norm(m, name, s->hidden);
		snprintf(name, sizeof(name), "%sencoder.layer.%u.intermediate.dense", p, i);
		tiny_linear(m, name, s->inter, s->hidden);
		snprintf(name, sizeof(name), "%sencoder.layer.%u.output.dense", p, i);
		tiny_linear(m, name, s->hidden, s->inter);
		snprintf(name, sizeof(name), "%sencoder.layer.%u.output.LayerNorm", p, i);
		tiny_norm(m, name, s->hidden);
	}
	if (s->labels > 0)
	{
		tiny_linear(m, "bert.pooler.dense", s->hidden, s->hidden);
		tiny_linear(m, "classifier", s->labels, s->hidden);
	}
}

/* Write config.json and the tokenizer's files. */
static inline void
tiny_configs(TinyModel *m)
{
	const TinySpec *s = &m->spec;
	char *text = malloc(TINY_TEXT);
	size_t at;

	at = (size_t) sprintf(
		text,
		"{\"model_type\":\"bert\",\"architectures\":[\"%s\"],\"vocab_size\":%u,"
		"\"hidden_size\":%u,\"num_hidden_layers\":%u,\"num_attention_heads\":%u,"
		"\"intermediate_size\":%u,\"max_position_embeddings\":%u,\"type_vocab_size\":%u,"
		"\"hidden_act\":\"%s\",\"layer_norm_eps\":1e-12",
		s->labels > 0 ? "BertForSequenceClassification" : "BertModel", s->vocab, s->hidden,
		s->layers, s->heads, s->inter, s->positions, s->types, s->act);
	if (s->labels > 0)
	{
		at += (size_t) sprintf(text + at, ",\"id2label\":{");
		for (uint32_t i = 0; i < s->labels; i++)
			at += (size_t) sprintf(text + at, "%s\"%u\":\"L%u\"", i ? "," : "", i, i);
		at += (size_t) sprintf(text + at, "},\"label2id\":{");
		for (uint32_t i = 0; i < s->labels; i++)
			at += (size_t) sprintf(text + at, "%s\"L%u\":%u", i ? "," : "", i, i);
		at += (size_t) sprintf(text + at, "}");
	}
	at += (size_t) sprintf(text + at, "}");
	tiny_file(m, "config.json", text, at);
	at = (size_t) sprintf(text, "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n");
	for (uint32_t i = 5; i < s->vocab; i++)
		at +=
			(size_t) sprintf(text + at, "%c%c\n", 'a' + (int) (i / 26 % 26), 'a' + (int) (i % 26));
	tiny_file(m, "vocab.txt", text, at);
	at = (size_t) sprintf(text, "{\"do_lower_case\":true,\"tokenizer_class\":\"BertTokenizer\"}");
	tiny_file(m, "tokenizer_config.json", text, at);
	free(text);
}

/* Write modules.json and the modules' folders. */
static inline void
tiny_modules(TinyModel *m)
{
	const TinySpec *s = &m->spec;
	char text[4096];
	char list[2048];
	size_t at;
	size_t width = s->hidden;
	size_t first;
	int n = 2;

	for (const char *c = s->pools; (c = strchr(c, ',')) != NULL; c++)
		width += s->hidden;
	at = (size_t) sprintf(
		list, "[{\"idx\":0,\"name\":\"0\",\"path\":\"\",\"type\":\"sentence_transformers.models."
			  "Transformer\"},{\"idx\":1,\"name\":\"1\",\"path\":\"1_Pooling\",\"type\":"
			  "\"sentence_transformers.models.Pooling\"}");
	sprintf(text, "{\"word_embedding_dimension\":%u,\"pooling_mode\":%s,\"include_prompt\":%s}",
			s->hidden, s->pools, s->skip_prompt ? "false" : "true");
	tiny_file(m, "1_Pooling/config.json", text, strlen(text));
	if (s->dense > 0)
	{
		at += (size_t) sprintf(list + at,
							   ",{\"idx\":%d,\"name\":\"%d\",\"path\":\"2_Dense\",\"type\":"
							   "\"sentence_transformers.models.Dense\"}",
							   n, n);
		n++;
		sprintf(text,
				"{\"in_features\":%zu,\"out_features\":%u,\"bias\":true,"
				"\"activation_function\":\"torch.nn.modules.activation.Tanh\"}",
				width, s->dense);
		tiny_file(m, "2_Dense/config.json", text, strlen(text));
		first = m->n_tensors;
		tiny_linear(m, "linear", s->dense, width);
		tiny_safetensors(m, "2_Dense/model.safetensors", first, m->n_tensors);
		width = s->dense;
	}
	if (s->norm)
	{
		at += (size_t) sprintf(list + at,
							   ",{\"idx\":%d,\"name\":\"%d\",\"path\":\"3_LayerNorm\",\"type\":"
							   "\"sentence_transformers.models.LayerNorm\"}",
							   n, n);
		n++;
		sprintf(text, "{\"dimension\":%zu}", width);
		tiny_file(m, "3_LayerNorm/config.json", text, strlen(text));
		first = m->n_tensors;
		tiny_norm(m, "norm", width);
		tiny_safetensors(m, "3_LayerNorm/model.safetensors", first, m->n_tensors);
	}
	if (s->normalize)
		at += (size_t) sprintf(list + at,
							   ",{\"idx\":%d,\"name\":\"%d\",\"path\":\"4_Normalize\",\"type\":"
							   "\"sentence_transformers.models.Normalize\"}",
							   n, n);
	at += (size_t) sprintf(list + at, "]");
	tiny_file(m, "modules.json", list, at);
	at = (size_t) sprintf(text, "{\"prompts\":{\"p\":\"%s\"},\"default_prompt_name\":\"p\"",
						  s->prompt != NULL ? s->prompt : "");
	if (s->truncate_dim > 0)
		at += (size_t) sprintf(text + at, ",\"truncate_dim\":%u", s->truncate_dim);
	at += (size_t) sprintf(text + at, "}");
	tiny_file(m, "config_sentence_transformers.json", text, at);
}

/* Copy bytes of a file. */
static inline LepStatus
tiny_read(void *ctx, size_t file, uint64_t offset, void *dst, size_t len, LepError *err)
{
	const TinyModel *m = ctx;

	if (offset > m->bytes[file].size || len > m->bytes[file].size - offset)
		return lep_error(err, LEP_IO, "read behind the end of \"%s\"", m->bytes[file].path);
	memcpy(dst, m->bytes[file].bytes + offset, len);
	return LEP_OK;
}

/* Make the folder of a spec; free with tiny_free. */
static inline TinyModel *
tiny_make(const TinySpec *spec)
{
	TinyModel *m = calloc(1, sizeof(TinyModel));

	m->spec = *spec;
	m->random = 88172645463325252ull;
	m->folder.files = m->files;
	m->folder.read = tiny_read;
	m->folder.ctx = m;
	tiny_transformer(m);
	tiny_safetensors(m, "model.safetensors", 0, m->n_tensors);
	tiny_configs(m);
	if (spec->labels == 0)
		tiny_modules(m);
	return m;
}

/* Free a folder. */
static inline void
tiny_free(TinyModel *m)
{
	for (size_t i = 0; i < m->n_tensors; i++)
	{
		free(m->tensors[i].values);
		free(m->tensors[i].input_scale);
	}
	for (size_t i = 0; i < m->folder.n_files; i++)
		free(m->bytes[i].bytes);
	free(m);
}

/* to[d] = x[d] as a linear in int8 sees it, see LepNarrow */
static inline void
tiny_narrow(const TinyTensor *t, const double *x, double *to, size_t d)
{
	bool symmetric = t->letter == 's';
	double low = INFINITY;
	double high = -INFINITY;
	double scale;

	for (size_t k = 0; k < d; k++)
	{
		to[k] = x[k] * (t->input_scale != NULL ? t->input_scale[k] : 1);
		low = fmin(low, to[k]);
		high = fmax(high, to[k]);
	}
	scale = symmetric ? fmax(high, -low) / 127 : (high - low) / 255;
	low = symmetric ? 0 : low;
	for (size_t k = 0; k < d; k++)
	{
		if (scale > 0)
			to[k] = low + scale * rint((to[k] - low) / scale);
		to[k] /= t->input_scale != NULL ? t->input_scale[k] : 1;
	}
}

/* y[d_out] = w[d_out, d_in] * x[d_in] + bias[d_out] */
static inline void
tiny_times(const TinyModel *m, const char *name, uint32_t layer, const double *x, size_t d_in,
		   double *y, size_t d_out)
{
	char full[128];
	const TinyTensor *t;
	const double *w;
	const double *bias;
	double *narrowed = malloc(d_in * sizeof(double));

	snprintf(full, sizeof(full), "%s.weight", name);
	t = tiny_find_tensor(m, full, layer);
	w = t->values;
	if (m->narrow && t->letter != 0 && strchr("saz4", t->letter) != NULL)
	{
		tiny_narrow(t, x, narrowed, d_in);
		x = narrowed;
	}
	snprintf(full, sizeof(full), "%s.bias", name);
	bias = tiny_find(m, full, layer);
	for (size_t i = 0; i < d_out; i++)
	{
		y[i] = bias[i];
		for (size_t j = 0; j < d_in; j++)
			y[i] += w[i * d_in + j] * x[j];
	}
	free(narrowed);
}

/* x[d] = layer norm of x */
static inline void
tiny_normed(const TinyModel *m, const char *name, uint32_t layer, double *x, size_t d, double eps)
{
	char full[128];
	const double *gamma;
	const double *beta;
	double mean = 0;
	double var = 0;

	snprintf(full, sizeof(full), "%s.weight", name);
	gamma = tiny_find(m, full, layer);
	snprintf(full, sizeof(full), "%s.bias", name);
	beta = tiny_find(m, full, layer);
	for (size_t i = 0; i < d; i++)
		mean += x[i] / (double) d;
	for (size_t i = 0; i < d; i++)
		var += (x[i] - mean) * (x[i] - mean) / (double) d;
	for (size_t i = 0; i < d; i++)
		x[i] = (x[i] - mean) / sqrt(var + eps) * gamma[i] + beta[i];
}

/* An activation by its name. */
static inline double
tiny_act(const char *name, double x)
{
	if (strcmp(name, "gelu") == 0)
		return 0.5 * x * (1 + erf(x / sqrt(2)));
	if (strcmp(name, "gelu_new") == 0)
		return 0.5 * x * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
	if (strcmp(name, "silu") == 0)
		return x / (1 + exp(-x));
	return x > 0 ? x : 0;
}

/* rows[n, h] = one text through the encoder */
static inline void
tiny_encode(const TinyModel *m, const int32_t *ids, const int32_t *types, size_t n, double *rows)
{
	const TinySpec *s = &m->spec;
	size_t h = s->hidden;
	size_t d = h / s->heads;
	double *q = malloc(n * h * 4 * sizeof(double));
	double *k = q + n * h;
	double *v = k + n * h;
	double *c = v + n * h;
	double *f = malloc(s->inter * sizeof(double));
	double *y = malloc(h * sizeof(double));
	double *p = malloc(n * sizeof(double));

	for (size_t t = 0; t < n; t++)
	{
		const double *word = tiny_find(m, "word_embeddings.weight", 0) + (size_t) ids[t] * h;
		const double *place = tiny_find(m, "position_embeddings.weight", 0) + t * h;
		const double *type =
			tiny_find(m, "token_type_embeddings.weight", 0) + (size_t) types[t] * h;

		for (size_t i = 0; i < h; i++)
			rows[t * h + i] = word[i] + place[i] + type[i];
		tiny_normed(m, "embeddings.LayerNorm", 0, rows + t * h, h, 1e-12);
	}
	for (uint32_t l = 0; l < s->layers; l++)
	{
		for (size_t t = 0; t < n; t++)
		{
			tiny_times(m, "layer.%u.attention.self.query", l, rows + t * h, h, q + t * h, h);
			tiny_times(m, "layer.%u.attention.self.key", l, rows + t * h, h, k + t * h, h);
			tiny_times(m, "layer.%u.attention.self.value", l, rows + t * h, h, v + t * h, h);
		}
		memset(c, 0, n * h * sizeof(double));
		for (size_t t = 0; t < n; t++)
			for (size_t a = 0; a < s->heads; a++)
			{
				double sum = 0;
				double max = -INFINITY;

				for (size_t u = 0; u < n; u++)
				{
					p[u] = 0;
					for (size_t i = a * d; i < (a + 1) * d; i++)
						p[u] += q[t * h + i] * k[u * h + i] / sqrt((double) d);
					max = fmax(max, p[u]);
				}
				for (size_t u = 0; u < n; u++)
					sum += p[u] = exp(p[u] - max);
				for (size_t u = 0; u < n; u++)
					for (size_t i = a * d; i < (a + 1) * d; i++)
						c[t * h + i] += p[u] / sum * v[u * h + i];
			}
		for (size_t t = 0; t < n; t++)
		{
			double *x = rows + t * h;

			tiny_times(m, "layer.%u.attention.output.dense", l, c + t * h, h, y, h);
			for (size_t i = 0; i < h; i++)
				x[i] += y[i];
			tiny_normed(m, "layer.%u.attention.output.LayerNorm", l, x, h, 1e-12);
			tiny_times(m, "layer.%u.intermediate.dense", l, x, h, f, s->inter);
			for (size_t i = 0; i < s->inter; i++)
				f[i] = tiny_act(s->act, f[i]);
			tiny_times(m, "layer.%u.output.dense", l, f, s->inter, y, h);
			for (size_t i = 0; i < h; i++)
				x[i] += y[i];
			tiny_normed(m, "layer.%u.output.LayerNorm", l, x, h, 1e-12);
		}
	}
	free(q);
	free(f);
	free(y);
	free(p);
}

/* out[h] = rows[n, h] pooled in a mode, the first skip tokens left out */
static inline void
tiny_pool(const char *mode, const double *rows, size_t n, size_t h, size_t skip, double *out)
{
	double weights = 0;
	bool max = strncmp(mode, "max", 3) == 0;

	for (size_t i = 0; i < h; i++)
		out[i] = max ? -INFINITY : 0;
	if (strncmp(mode, "cls", 3) == 0)
		memcpy(out, rows + (n > skip ? skip : 0) * h, h * sizeof(double));
	else if (strncmp(mode, "lasttoken", 9) == 0)
	{
		if (n > skip)
			memcpy(out, rows + (n - 1) * h, h * sizeof(double));
	}
	else
	{
		for (size_t t = skip; t < n; t++)
		{
			double w = strncmp(mode, "weightedmean", 12) == 0 ? (double) t + 1 : 1;

			weights += w;
			for (size_t i = 0; i < h; i++)
				out[i] = max ? fmax(out[i], rows[t * h + i]) : out[i] + w * rows[t * h + i];
		}
		weights = fmax(weights, 1e-9);
		if (strncmp(mode, "mean_sqrt", 9) == 0)
			weights = sqrt(weights);
		for (size_t i = 0; i < h && !max; i++)
			out[i] /= weights;
	}
}

/* out = one text's embedding or logits; returns its width */
static inline size_t
tiny_forward(const TinyModel *m, const int32_t *ids, const int32_t *types, size_t n, size_t skip,
			 double *out)
{
	const TinySpec *s = &m->spec;
	size_t h = s->hidden;
	double *rows = malloc(n * h * sizeof(double));
	double *y = malloc(8 * 256 * sizeof(double));
	size_t width = 0;
	double length = 0;

	tiny_encode(m, ids, types, n, rows);
	if (s->labels > 0)
	{
		tiny_times(m, "pooler.dense", 0, rows, h, y, h);
		for (size_t i = 0; i < h; i++)
			y[i] = tanh(y[i]);
		tiny_times(m, "classifier", 0, y, h, out, s->labels);
		free(rows);
		free(y);
		return s->labels;
	}
	for (const char *mode = strchr(s->pools, '"'); mode != NULL; mode = strchr(mode + 1, '"'))
	{
		tiny_pool(mode + 1, rows, n, h, s->skip_prompt ? skip : 0, out + width);
		width += h;
		mode = strchr(mode + 1, '"');
	}
	if (s->dense > 0)
	{
		tiny_times(m, "linear", 0, out, width, y, s->dense);
		width = s->dense;
		for (size_t i = 0; i < width; i++)
			out[i] = tanh(y[i]);
	}
	if (s->norm)
		tiny_normed(m, "norm", 0, out, width, 1e-5);
	for (size_t i = 0; i < width; i++)
		length += out[i] * out[i];
	for (size_t i = 0; i < width && s->normalize; i++)
		out[i] /= fmax(sqrt(length), 1e-12);
	free(rows);
	free(y);
	return s->truncate_dim > 0 && s->truncate_dim < width ? s->truncate_dim : width;
}

#endif
