/*
 * narrow_bert.h: compressed copies of the folders of random_bert.h: int8, int4 and 16-bit weights
 * with exact scales and a "lepton.json", and the formulas' weights set to the same numbers.
 */
#ifndef LEPTON_NARROW_BERT_H
#define LEPTON_NARROW_BERT_H

#include "random_bert.h"

typedef struct NarrowSpec
{
	TinySpec base;
	const char *
		linears; /* letters of the linears in turn, query, key and value together; '-': not named */
	const char *tables; /* of word, position and type */
	bool input_scale;	/* every second linear has one */
} NarrowSpec;

/* Files under construction. */
typedef struct NarrowWriter
{
	char header[TINY_TEXT], json[TINY_TEXT], *data;
	size_t n_header, n_json, n_data;
} NarrowWriter;

/* Append a tensor's entry and its bytes. */
static inline void
narrow_put(NarrowWriter *w, const char *name, const char *suffix, const char *dtype, size_t rows,
		   size_t cols, const void *bytes, size_t n)
{
	char shape[48];

	snprintf(shape, sizeof(shape), cols > 0 ? "%zu,%zu" : "%zu", rows, cols);
	w->n_header += (size_t) sprintf(
		w->header + w->n_header,
		"%s\"%s%s\":{\"dtype\":\"%s\",\"shape\":[%s],\"data_offsets\":[%zu,%zu]}",
		w->n_header == 0 ? "{" : ",", name, suffix, dtype, shape, w->n_data, w->n_data + n);
	w->data = realloc(w->data, w->n_data + n + 1);
	memcpy(w->data + w->n_data, bytes, n);
	w->n_data += n;
}

/* Name a tensor in "lepton.json". */
static inline void
narrow_name(NarrowWriter *w, const TinyTensor *t)
{
	static const char *const names[] = {
		['f'] = "f32",			 ['h'] = "f16",		['b'] = "bf16", ['s'] = "i8_symmetric",
		['a'] = "i8_asymmetric", ['z'] = "i8_full", ['4'] = "i4",	['8'] = "i8"};
	const char *name = strncmp(t->name, "bert.", 5) == 0 ? t->name + 5 : t->name;

	w->n_json += (size_t) sprintf(w->json + w->n_json, "%s\"%s\":\"%s\"",
								  w->n_json == 0 ? "{\"format\":1,\"weights\":{" : ",", name,
								  names[(unsigned char) t->letter]);
}

/* Write numbers that their dtype holds exactly. */
static inline void
narrow_plain(NarrowWriter *w, const TinyTensor *t, LepDtype dtype)
{
	static const char *const names[] = {"F32", "F16", "BF16"};
	size_t n = t->rows * (t->cols > 0 ? t->cols : 1);
	char *bytes = malloc(n * 4 + 1);
	size_t at = 0;

	for (size_t i = 0; i < n; i++)
		at += tiny_number(bytes + at, t->values[i], dtype);
	narrow_put(w, t->name, "", names[dtype], t->rows, t->cols, bytes, at);
	free(bytes);
}

/* Give a tensor random int8 or int4 weights, scales and zeroes; write them and set its values. */
static inline void
narrow_integers(TinyModel *m, NarrowWriter *w, TinyTensor *t, bool input_scale)
{
	size_t n = t->rows * t->cols;
	bool i4 = t->letter == '4';
	bool zero = t->letter == 'z' || (i4 && input_scale);
	size_t unit = i4 ? LEP_I4_GROUP : t->cols;
	size_t n_scales = n / unit;
	signed char *q = malloc(n);
	float *scales = malloc(n_scales * sizeof(float));
	float *zeroes = malloc(n_scales * sizeof(float));
	float *inputs = malloc(t->cols * sizeof(float));

	for (size_t i = 0; i < n_scales; i++)
	{
		scales[i] = (float) (1 + i % 3) / (i4 ? 128.0f : t->letter == '8' ? 128.0f : 2048.0f);
		zeroes[i] = !zero ? (i4 ? 8.0f : 0.0f) : i4 ? (float) (6 + i % 4) : (float) (i % 9) - 4.0f;
	}
	for (size_t i = 0; i < t->cols; i++)
		inputs[i] = i % 3 == 0 ? 0.5f : i % 3 == 1 ? 1.0f : 2.0f;
	for (size_t i = 0; i < n; i++)
	{
		q[i] = (signed char) (i4 ? tiny_random(m) % 16 : tiny_random(m) % 255 - 127);
		t->values[i] = ((double) q[i] - zeroes[i / unit]) * scales[i / unit];
	}
	/* int4 is rounded again, with one scale for each output. */
	for (size_t row = 0; row < t->rows && i4 && m->narrow; row++)
	{
		double *v = t->values + row * t->cols;
		double top = 0;

		for (size_t i = 0; i < t->cols; i++)
			top = fmax(top, fabs(v[i]));
		for (size_t i = 0; i < t->cols; i++)
			v[i] = rint(v[i] * 127 / top) * top / 127;
	}
	for (size_t i = 0; i < n && i4; i += 2)
		q[i / 2] = (signed char) (q[i] | q[i + 1] << 4);
	narrow_put(w, t->name, "", i4 ? "U8" : "I8", t->rows, i4 ? t->cols / 2 : t->cols, q,
			   i4 ? n / 2 : n);
	narrow_put(w, t->name, ".scale", "F32", t->rows, i4 ? t->cols / unit : 0, scales,
			   n_scales * sizeof(float));
	if (zero)
		narrow_put(w, t->name, ".zero", "F32", t->rows, i4 ? t->cols / unit : 0, zeroes,
				   n_scales * sizeof(float));
	if (input_scale)
	{
		narrow_put(w, t->name, ".input_scale", "F32", t->cols, 0, inputs, t->cols * sizeof(float));
		t->input_scale = malloc(t->cols * sizeof(double));
		for (size_t i = 0; i < t->cols; i++)
			t->input_scale[i] = inputs[i];
		for (size_t i = 0; i < n; i++)
			t->values[i] *= inputs[i % t->cols];
	}
	free(q);
	free(scales);
	free(zeroes);
	free(inputs);
}

/* Replace a file. */
static inline void
narrow_replace(TinyModel *m, size_t file, const char *bytes, size_t n)
{
	free(m->bytes[file].bytes);
	m->bytes[file].bytes = malloc(n + 1);
	memcpy(m->bytes[file].bytes, bytes, n);
	m->bytes[file].size = n;
	m->files[file].size = n;
}

/* Is it the weight of a linear of the transformer? */
static inline bool
narrow_is_linear(const TinyTensor *t)
{
	return t->cols > 0 && strstr(t->name, "embeddings") == NULL;
}

/* Make the folder of a spec; narrow: int4 will be computed in int8.  Free with tiny_free. */
static inline TinyModel *
narrow_make(const NarrowSpec *spec, bool narrow)
{
	TinyModel *m = tiny_make(&spec->base);
	NarrowWriter *w = calloc(1, sizeof(NarrowWriter));
	size_t n_linears = 0;
	size_t n_tables = 0;
	uint64_t length;
	char *file;

	m->narrow = narrow;
	for (size_t i = 0; i < m->n_tensors; i++)
	{
		TinyTensor *t = &m->tensors[i];
		bool joined =
			strstr(t->name, "self.key.") != NULL || strstr(t->name, "self.value.") != NULL;

		/* Modules have files of their own. */
		if (strncmp(t->name, "linear.", 7) == 0 || strncmp(t->name, "norm.", 5) == 0)
			break;
		if (t->cols > 0 && !narrow_is_linear(t))
			t->letter = spec->tables[n_tables++];
		else if (narrow_is_linear(t))
		{
			n_linears += !joined;
			t->letter = spec->linears[(n_linears - 1) % strlen(spec->linears)];
		}
		t->letter = t->letter == '-' ? 0 : t->letter;
		if (t->letter == 0 || t->letter == 'f')
			narrow_plain(w, t, LEP_F32);
		else if (t->letter == 'h' || t->letter == 'b')
			narrow_plain(w, t, t->letter == 'h' ? LEP_F16 : LEP_BF16);
		else
			narrow_integers(m, w, t, t->letter != '8' && spec->input_scale && n_linears % 2 == 1);
		if (t->letter != 0)
			narrow_name(w, t);
	}
	w->header[w->n_header++] = '}';
	while (w->n_header % 8 != 0)
		w->header[w->n_header++] = ' ';
	file = malloc(8 + w->n_header + w->n_data);
	length = w->n_header;
	memcpy(file, &length, 8);
	memcpy(file + 8, w->header, w->n_header);
	memcpy(file + 8 + w->n_header, w->data, w->n_data);
	narrow_replace(m, 0, file, 8 + w->n_header + w->n_data);
	w->n_json += (size_t) sprintf(w->json + w->n_json, "}}");
	tiny_file(m, "lepton.json", w->json, w->n_json);
	free(file);
	free(w->data);
	free(w);
	return m;
}

#endif
