/*
 * source_precision.c: reads "lepton.json", which says how a compressed model's weights are
 * stored, and checks all that stands beside them; it packs and computes nothing.
 *
 *		{"format": 1, "weights": {"encoder.layer.0.output.dense.weight": "i8_symmetric", ...}}
 *
 * names linears and tables of the transformer as the family's recipe does, without prefix.  What it does
 * not name is stored as any folder has it and computed in f32.
 */
#define LEPTON_ENGINE_SOURCE
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "graph_parts.h"
#include "source_opening.h"

#define FILE_NAME  "lepton.json"
#define FORMAT	   1
#define NAME_BYTES 512		 /* of a tensor's name built here */
#define PIECE	   1024		 /* numbers checked at once */
#define UNNAMED	   UINT8_MAX /* a part that the file does not name */

/* What a number beside a weight may be. */
typedef enum Kind
{
	KIND_SCALE,		 /* finite, not negative */
	KIND_ZERO,		 /* whole, near 0 */
	KIND_INPUT_SCALE /* finite, above 0 */
} Kind;

typedef struct Reading
{
	LepOpening *o;
	LepGraph *graph;  /* plain */
	uint8_t *schemes; /* [n_slots, LEP_MAX_PARTS] */
} Reading;

/* Say which slots the name stands for; how many. */
static LepStatus
name_weight(Reading *r, const char *name, LepScheme scheme)
{
	char quoted[LEP_QUOTE_SIZE];
	uint32_t n = 0;

	lep_error_quote(quoted, sizeof(quoted), name, strlen(name));
	for (uint32_t i = 0; i < r->graph->n_slots; i++)
	{
		const LepSlot *slot = &r->graph->slots[i];

		/* What is projected is read as it is stored. */
		for (uint32_t j = 0; j < slot->n_parts && !slot->projected; j++)
		{
			if (slot->parts[j].module >= 0 || strcmp(slot->parts[j].tensor, name) != 0)
				continue;
			n++;
			r->schemes[i * LEP_MAX_PARTS + j] = (uint8_t) scheme;
			if (slot->store == LEP_STORE_LINEAR	 ? lep_scheme_for_linear(scheme)
				: slot->store == LEP_STORE_TABLE ? lep_scheme_for_table(scheme)
												 : scheme == LEP_SCHEME_F32)
				continue;
			lep_error(r->o->err, LEP_BAD_FILE, "tensor \"%s\" cannot be stored as \"%s\"", quoted,
					  lep_scheme_name(scheme));
			lep_error_detail(r->o->err, "File \"" FILE_NAME "\" says so of %s.",
							 slot->store == LEP_STORE_LINEAR  ? "the weight of a linear"
							 : slot->store == LEP_STORE_TABLE ? "a table of embeddings"
															  : "a vector");
			return LEP_BAD_FILE;
		}
	}
	if (n > 0)
		return LEP_OK;
	lep_error(r->o->err, LEP_BAD_FILE, "tensor \"%s\" is not a weight of the model", quoted);
	lep_error_detail(r->o->err, "File \"" FILE_NAME "\" names it.");
	return LEP_BAD_FILE;
}

/* Take the file's schemes. */
static LepStatus
take_weights(Reading *r, json_t *weights)
{
	char quoted[LEP_QUOTE_SIZE];
	const char *key;
	json_t *value;

	json_object_foreach(weights, key, value)
	{
		const char *name = json_string_value(value);
		LepScheme scheme;
		LepStatus status;

		if (lep_stopped(r->o->stop))
			return lep_error(r->o->err, LEP_CANCELLED, "opening of a model was cancelled");
		if (name == NULL || !lep_scheme_find(name, &scheme))
		{
			lep_error(r->o->err, LEP_UNSUPPORTED,
					  "file \"" FILE_NAME "\" stores tensor \"%s\" in an unknown way",
					  lep_error_quote(quoted, sizeof(quoted), key, strlen(key)));
			if (name != NULL)
				lep_error_detail(r->o->err, "Found \"%s\".",
								 lep_error_quote(quoted, sizeof(quoted), name, strlen(name)));
			else
				lep_error_detail(r->o->err, "Found a value that is not a string.");
			return LEP_UNSUPPORTED;
		}
		status = name_weight(r, key, scheme);
		if (status != LEP_OK)
			return status;
	}
	return LEP_OK;
}

/* Read the file. */
static LepStatus
read_file(Reading *r)
{
	LepOpening *o = r->o;
	json_t *json;
	json_t *weights;
	int64_t format;
	LepStatus status = lep_folder_json(o->folder, FILE_NAME, o->arena, &json, o->err);

	if (status != LEP_OK)
		return status;
	status =
		lep_json_int(json, FILE_NAME, "format", true, 0, INT64_MIN, INT64_MAX, &format, o->err);
	weights = json_object_get(json, "weights");
	if (status == LEP_OK && format != FORMAT)
	{
		status = lep_error(o->err, LEP_UNSUPPORTED, "format of file \"" FILE_NAME "\" is unknown");
		lep_error_detail(o->err, "Key \"format\" is %lld, expected %d.", (long long) format,
						 FORMAT);
		lep_error_hint(o->err, "The model may have been compressed by a newer lepton.");
	}
	else if (status == LEP_OK && !json_is_object(weights))
		status = lep_error(o->err, LEP_BAD_FILE,
						   "key \"weights\" of file \"" FILE_NAME "\" is not an object");
	else if (status == LEP_OK)
		status = take_weights(r, weights);
	lep_json_free(json);
	return status;
}

/* Refuse numbers that cannot be what they should be. */
static LepStatus
check_numbers(const LepOpening *o, const LepTensor *tensor, Kind kind)
{
	static const char *const expected[] = {
		[KIND_SCALE] = "a finite number not below 0",
		[KIND_ZERO] = "a whole number close to 0",
		[KIND_INPUT_SCALE] = "a finite number above 0",
	};
	float numbers[PIECE];
	uint64_t n = tensor->size / sizeof(float);

	for (uint64_t done = 0; done < n; done += PIECE)
	{
		uint64_t share = n - done < PIECE ? n - done : PIECE;
		LepStatus status;

		if (lep_stopped(o->stop))
			return lep_error(o->err, LEP_CANCELLED, "opening of a model was cancelled");
		status = lep_source_read_raw(o->s, tensor, done * sizeof(float),
									 (size_t) share * sizeof(float), numbers, o->err);
		if (status != LEP_OK)
			return status;
		for (uint64_t i = 0; i < share; i++)
		{
			float x = numbers[i];

			if (kind == KIND_ZERO ? x == rintf(x) && fabsf(x) <= LEP_ZERO_MAX
								  : isfinite(x) && (kind == KIND_SCALE ? x >= 0 : x > 0))
				continue;
			lep_error(o->err, LEP_BAD_FILE, "tensor \"%s\" of file \"%s\" has a wrong value",
					  tensor->name, o->folder->files[tensor->file].path);
			lep_error_detail(o->err, "Value %llu is %g, expected %s.",
							 (unsigned long long) (done + i + 1), (double) x, expected[kind]);
			return LEP_BAD_FILE;
		}
	}
	return LEP_OK;
}

/* Find and check what stands beside tensor under its name and suffix; d1 0: a vector. */
static LepStatus
find_beside(const LepOpening *o, const LepTensor *tensor, const char *suffix, bool required,
			uint64_t d0, uint64_t d1, Kind kind, const LepTensor **beside)
{
	const LepTensor *t;
	char name[NAME_BYTES];
	int n = snprintf(name, sizeof(name), "%s.%s", tensor->name, suffix);

	t = n > 0 && (size_t) n < sizeof(name) ? lep_tensor_find(o->s->tensors, name) : NULL;
	*beside = t;
	if (t == NULL && !required)
		return LEP_OK;
	if (t == NULL)
	{
		lep_error(o->err, LEP_MISSING, "tensor \"%s\" is missing", name);
		lep_error_detail(o->err, "File \"" FILE_NAME "\" says how \"%s\" is stored.", tensor->name);
		return LEP_MISSING;
	}
	if (t->type != LEP_TENSOR_F32 || t->n_dims != (d1 > 0 ? 2 : 1) || t->dims[0] != d0 ||
		(d1 > 0 && t->dims[1] != d1))
	{
		char second[32] = "";

		if (d1 > 0)
			snprintf(second, sizeof(second), ", %llu", (unsigned long long) d1);
		lep_error(o->err, LEP_BAD_FILE, "tensor \"%s\" of file \"%s\" has the wrong dtype or shape",
				  t->name, o->folder->files[t->file].path);
		lep_error_detail(o->err, "Expected F32 of shape [%llu%s].", (unsigned long long) d0,
						 second);
		return LEP_BAD_FILE;
	}
	return check_numbers(o, t, kind);
}

/* Find and check all that stands beside a part of a slot. */
static LepStatus
find_stored(const LepOpening *o, const LepSlot *slot, uint32_t part, const LepTensor *tensor,
			LepStored *stored)
{
	bool linear = slot->store == LEP_STORE_LINEAR;
	uint64_t rows = slot->parts[part].rows;
	uint64_t groups = stored->scheme == LEP_SCHEME_I4 ? slot->cols / LEP_I4_GROUP : 0;
	LepStatus status;

	if (stored->scheme <= LEP_SCHEME_BF16)
		return LEP_OK;
	if (linear && (slot->cols > LEP_I8_INPUTS_MAX ||
				   (stored->scheme == LEP_SCHEME_I4 && slot->cols % LEP_I4_GROUP != 0)))
	{
		lep_error(o->err, LEP_BAD_FILE, "tensor \"%s\" cannot be stored as \"%s\"", tensor->name,
				  lep_scheme_name(stored->scheme));
		lep_error_detail(o->err,
						 "It has %llu inputs; at most %d are allowed, for i4 a multiple of %d.",
						 (unsigned long long) slot->cols, LEP_I8_INPUTS_MAX, LEP_I4_GROUP);
		return LEP_BAD_FILE;
	}
	status = find_beside(o, tensor, "scale", true, rows, groups, KIND_SCALE, &stored->scale);
	if (status == LEP_OK && linear)
		status = find_beside(o, tensor, "zero", stored->scheme == LEP_SCHEME_I8_FULL, rows, groups,
							 KIND_ZERO, &stored->zero);
	if (status == LEP_OK && linear)
		status = find_beside(o, tensor, "input_scale", false, slot->cols, 0, KIND_INPUT_SCALE,
							 &stored->input_scale);
	return status;
}

/* Report two tensors that are computed together and stored differently. */
static LepStatus
differ(const LepOpening *o, const LepTensor *a, const LepTensor *b, const char *what)
{
	lep_error(o->err, LEP_BAD_FILE, "tensors \"%s\" and \"%s\" are stored differently", a->name,
			  b->name);
	lep_error_detail(o->err, "They are computed together; their %s must be the same.", what);
	return LEP_BAD_FILE;
}

/* Check that two parts of a slot have the same input scales. */
static LepStatus
check_same_inputs(const LepOpening *o, const LepTensor *const *tensors)
{
	const LepTensor *a = lep_source_stored(o->s, tensors[0])->input_scale;
	const LepTensor *b = lep_source_stored(o->s, tensors[1])->input_scale;
	float x[PIECE / 2];
	float y[PIECE / 2];

	if ((a == NULL) != (b == NULL))
		return differ(o, tensors[0], tensors[1], "\"input_scale\"");
	for (uint64_t done = 0; a != NULL && done < a->size; done += sizeof(x))
	{
		uint64_t left = a->size - done;
		size_t share = left < sizeof(x) ? (size_t) left : sizeof(x);
		LepStatus status = lep_source_read_raw(o->s, a, done, share, x, o->err);

		if (status == LEP_OK)
			status = lep_source_read_raw(o->s, b, done, share, y, o->err);
		if (status != LEP_OK)
			return status;
		if (memcmp(x, y, share) != 0)
			return differ(o, tensors[0], tensors[1], "\"input_scale\"");
	}
	return LEP_OK;
}

/* Check a slot that the file names and everything beside it. */
static LepStatus
check_slot(Reading *r, uint32_t number)
{
	const LepSlot *slot = &r->graph->slots[number];
	const uint8_t *schemes = r->schemes + (size_t) number * LEP_MAX_PARTS;
	const LepTensor *tensors[LEP_MAX_PARTS];
	LepOpening *o = r->o;
	LepStatus status = LEP_OK;

	for (uint32_t i = 0; i < slot->n_parts && status == LEP_OK; i++)
	{
		const LepTensor *t = lep_source_find(o->s, o->s->tensors, slot->parts[i].tensor);
		LepStored *stored;
		LepDtype dtype;

		if (t == NULL || slot->parts[i].module >= 0)
			return lep_slot_resolve(r->graph, number, o->s, tensors, &dtype, o->err);
		stored = &o->s->compressed[lep_tensor_index(o->s->tensors, t)];
		stored->scheme = schemes[i] == UNNAMED ? LEP_SCHEME_F32 : (LepScheme) schemes[i];
		tensors[i] = t;
		if (stored->scheme != lep_source_scheme(o->s, tensors[0]))
			return differ(o, tensors[0], t, "schemes in file \"" FILE_NAME "\"");
		status = find_stored(o, slot, i, t, stored);
		if (status == LEP_OK && i > 0 && stored->scheme > LEP_SCHEME_BF16)
			status = check_same_inputs(o, tensors + i - 1);
	}
	return status;
}

/* The letter of a slot in the precision string. */
static char
slot_letter(const Reading *r, uint32_t number)
{
	const LepSlot *slot = &r->graph->slots[number];
	const LepSource *s = r->o->s;
	const LepTensor *t;
	LepScheme scheme = LEP_SCHEME_F32;

	if (slot->store == LEP_STORE_VECTOR)
		return LEP_VECTOR_LETTER;
	if (slot->parts[0].module < 0)
	{
		t = lep_source_find(s, s->tensors, slot->parts[0].tensor);
		if (t != NULL)
			scheme = lep_source_scheme(s, t);
		/* Tables are read as they stand, named or not. */
		if (t != NULL && slot->store == LEP_STORE_TABLE && scheme == LEP_SCHEME_F32 &&
			t->type <= LEP_TENSOR_BF16)
			scheme = (LepScheme) t->type;
		/* A decoder that shares a narrow table reads it as f32. */
		if (slot->store == LEP_STORE_LINEAR && !lep_scheme_for_linear(scheme))
			scheme = LEP_SCHEME_F32;
	}
	return lep_scheme_letter(scheme);
}

/* Put the precision string behind the other texts. */
static LepStatus
write_precision(const Reading *r)
{
	LepOpening *o = r->o;
	size_t before = o->desc->text_bytes - 1;
	size_t n = r->graph->n_slots;
	char *texts = lep_arena_alloc(o->arena, before + n + 1);

	if (texts == NULL)
		return lep_opening_no_memory(o);
	memcpy(texts, o->s->view.texts, before);
	for (uint32_t i = 0; i < n; i++)
		texts[before + i] = slot_letter(r, i);
	texts[before + n] = '\0';
	o->desc->text_bytes = (uint32_t) (before + n + 1);
	o->s->view.texts = texts;
	return LEP_OK;
}

/* Read "lepton.json", if there is one. */
LepStatus
lep_opening_precision(LepOpening *o)
{
	Reading r = {.o = o};
	LepStatus status;
	size_t n;

	if (lep_folder_find(o->folder, FILE_NAME) < 0)
		return LEP_OK;
	status = lep_graph_build(&o->s->view, NULL, o->arena, &r.graph, o->err);
	if (status != LEP_OK)
		return status;
	n = (size_t) r.graph->n_slots * LEP_MAX_PARTS;
	r.schemes = lep_arena_alloc(o->arena, n);
	o->s->compressed =
		lep_arena_array(o->arena, lep_tensor_count(o->s->tensors), sizeof(LepStored));
	if (r.schemes == NULL || o->s->compressed == NULL)
		return lep_opening_no_memory(o);
	memset(r.schemes, UNNAMED, n);
	status = read_file(&r);
	for (uint32_t i = 0; i < r.graph->n_slots && status == LEP_OK; i++)
	{
		const uint8_t *schemes = r.schemes + (size_t) i * LEP_MAX_PARTS;
		bool named = false;

		for (uint32_t j = 0; j < r.graph->slots[i].n_parts; j++)
			named = named || schemes[j] != UNNAMED;
		if (named)
			status = check_slot(&r, i);
	}
	if (status == LEP_OK)
		status = write_precision(&r);
	return status;
}
